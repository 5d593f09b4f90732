"""Sentences drawn from Home Assistant's templates: ``[x]`` optional, ``(a|b)``, ``(a;b)`` in any order,
``<rule>``, ``{list:slot}``."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

Json = dict[str, Any]
OPTIONAL = 0.4
"""How often what may be left out is said."""
_MARK = re.compile(r"[()\[\]|;<>{}]")
_DEEPEST = 40


@dataclass(frozen=True)
class Slot:
    """A place in a sentence that a list fills."""

    list: str
    slot: str


@dataclass(frozen=True)
class Block:
    """Templates that share an intent, fixed slots and what they ask of the house."""

    language: str
    file: str
    intent: str
    sentences: tuple[str, ...]
    slots: Mapping[str, Any]
    domains: tuple[str, ...]
    """Of what is named; empty for any but `not_domains`."""
    not_domains: tuple[str, ...]
    device_classes: tuple[str, ...]
    here: bool
    """Whether the speaker's area is meant, and becomes the slot `area`."""
    rules: Mapping[str, str] = field(hash=False, default_factory=dict)
    lists: Mapping[str, Any] = field(hash=False, default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.language, self.file


def blocks(templates: Mapping[str, Any], language: str) -> Iterator[Block]:
    """The blocks of one language.

    Files of the newer layout that lost their intent's name in the public data are left out.
    """
    common = templates[language]["_common"]
    for file, content in templates[language].items():
        for intent, body in content.get("intents", {}).items():
            for data in body["data"]:
                asked = data.get("requires_context", {})
                yield Block(
                    language=language,
                    file=file,
                    intent=intent,
                    sentences=tuple(data["sentences"]),
                    slots=data.get("slots", {}),
                    domains=_texts(asked.get("domain")),
                    not_domains=_texts(data.get("excludes_context", {}).get("domain")),
                    device_classes=_texts(asked.get("device_class")),
                    here=isinstance(asked.get("area"), Mapping) and bool(asked["area"].get("slot")),
                    rules={**common["expansion_rules"], **data.get("expansion_rules", {})},
                    lists={**common["lists"], **content.get("lists", {}), **data.get("lists", {})},
                )


def draw(template: str, rules: Mapping[str, str], dice: random.Random) -> list[str | Slot]:
    """One sentence of a template, as texts and slots."""
    return list(_drawn(_parsed(template), rules, dice, 0))


def value_of(given: Any, dice: random.Random) -> tuple[str, Any]:
    """What is said and what it means, for one value of a list: plain text, or ``in`` with ``out``."""
    said, meant = (given["in"], given["out"]) if isinstance(given, Mapping) else (str(given), given)
    text = "".join(part for part in draw(said, {}, dice) if isinstance(part, str))
    return " ".join(text.split()), meant if isinstance(given, Mapping) else text


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value or ())


# --- parsing: a node is (kind, children or text)

_Node = tuple[str, Any]


@lru_cache(maxsize=20_000)
def _parsed(template: str) -> _Node:
    node, at = _alternatives(template, 0, "")
    if at != len(template):
        raise ValueError(f"unbalanced {template[at]!r} in the template {template!r}")
    return node


def _alternatives(text: str, at: int, closing: str) -> tuple[_Node, int]:
    options: list[_Node] = []
    parts: list[_Node] = []
    row: list[_Node] = []
    while at < len(text) and text[at] != closing:
        mark = text[at]
        if mark == "|":
            options.append(_row([*parts, ("all", row)]))
            parts, row, at = [], [], at + 1
        elif mark == ";":
            parts.append(("all", row))
            row, at = [], at + 1
        elif mark in "([":
            inner, at = _alternatives(text, at + 1, ")" if mark == "(" else "]")
            row.append(inner if mark == "(" else ("maybe", inner))
            at += 1
        elif mark in "<{":
            end = text.index(">" if mark == "<" else "}", at)
            row.append(("rule" if mark == "<" else "list", text[at + 1 : end]))
            at = end + 1
        else:
            match = _MARK.search(text, at)
            end = match.start() if match else len(text)
            if end == at:
                raise ValueError(f"unbalanced {mark!r} in the template {text!r}")
            row.append(("text", text[at:end]))
            at = end
    options.append(_row([*parts, ("all", row)]))
    return (options[0] if len(options) == 1 else ("one", options)), at


def _row(parts: Sequence[_Node]) -> _Node:
    return parts[0] if len(parts) == 1 else ("any order", list(parts))


def _drawn(node: _Node, rules: Mapping[str, str], dice: random.Random, depth: int) -> Iterator[str | Slot]:
    kind, inside = node
    if depth > _DEEPEST:
        raise ValueError(f"the rules {sorted(rules)} name each other in a circle")
    if kind == "text":
        yield inside
    elif kind == "list":
        name, _, slot = inside.partition(":")
        yield Slot(name, slot or name)
    elif kind == "rule":
        yield from _drawn(_parsed(rules[inside]), rules, dice, depth + 1)
    elif kind == "maybe":
        if dice.random() < OPTIONAL:
            yield from _drawn(inside, rules, dice, depth + 1)
    elif kind == "one":
        yield from _drawn(dice.choice(inside), rules, dice, depth + 1)
    elif kind == "any order":
        for part in dice.sample(inside, len(inside)):
            yield " "
            yield from _drawn(part, rules, dice, depth + 1)
            yield " "
    else:
        for part in inside:
            yield from _drawn(part, rules, dice, depth + 1)
