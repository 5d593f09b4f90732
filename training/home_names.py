"""Words of made-up houses in three languages, and the cases of Russian names."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "ru", "zh-cn")

_WORDS: Mapping[str, Any] = tomllib.loads(
    Path(__file__).with_name("home_words.toml").read_text(encoding="utf-8")
)


def words(kind: str) -> Mapping[str, Sequence[str]]:
    """Language -> the words of a table of home_words.toml; none for a language that it does not have."""
    return {language: tuple(_WORDS[kind].get(language, ())) for language in LANGUAGES}


QUERIES: Sequence[str] = tuple(_WORDS["queries"])
"""For searches of media."""
POLITE: Mapping[str, Sequence[tuple[str, str]]] = {
    language: [(front.strip(), back.strip()) for front, _, back in (one.partition("…") for one in said)]
    for language, said in words("polite").items()
}
"""What is said before and after a request."""
NUMBERS: Mapping[str, Mapping[int, str]] = {
    language: dict(zip((*range(1, 20), *range(20, 100, 10)), said, strict=True))
    for language, said in words("numbers").items()
}
"""Numbers as words."""


@dataclass(frozen=True)
class Name:
    """A name with its cases."""

    nominative: str
    accusative: str
    genitive: str
    prepositional: str

    @property
    def forms(self) -> tuple[str, ...]:
        """Each once, the nominative first."""
        every = (self.nominative, self.accusative, self.genitive, self.prepositional)
        return tuple(dict.fromkeys(every))

    @classmethod
    def fixed(cls, name: str) -> Name:
        return cls(name, name, name, name)


_ENDINGS = {
    "ma": ("", "", "а", "е"),
    "mj": ("ь", "ь", "я", "е"),
    "fa": ("а", "у", "ы", "е"),
    "fj": ("я", "ю", "и", "е"),
    "fb": ("ь", "ь", "и", "и"),
    "no": ("о", "о", "а", "е"),
    "fadj": ("ая", "ую", "ой", "ой"),
}
_ADJECTIVE = {
    "m": ("ый", "ый", "ого", "ом"),
    "f": ("ая", "ую", "ой", "ой"),
    "n": ("ое", "ое", "ого", "ом"),
}


def _declined(noun: str, kind: str) -> Name:
    if kind == "-":
        return Name.fixed(noun)
    ends = _ENDINGS[kind]
    root = noun.removesuffix(ends[0]) if ends[0] else noun
    forms = [root + end for end in ends]
    if kind == "fa" and root[-1] in "кгхжшчщ":
        forms[2] = root + "и"
    if kind == "fj" and root[-1] == "и":
        forms[3] = root + "и"
    return Name(*forms)


def _noun_of(entry: str) -> tuple[str, str]:
    noun, _, kind = entry.rpartition(" ")
    return noun, kind


def _russian(entry: str, dice: random.Random, plain: bool) -> Name:
    noun, kind = _noun_of(entry)
    name = _declined(noun, kind)
    if plain:
        return name
    roll = dice.random()
    if roll < 0.3 and kind in _ENDINGS and kind != "fadj":
        stem = dice.choice(_WORDS["modifiers"]["ru"])
        ends = _ADJECTIVE[kind[0]]
        pairs = zip(ends, (name.nominative, name.accusative, name.genitive, name.prepositional), strict=True)
        return Name(*(f"{stem}{end} {form}" for end, form in pairs))
    if roll < 0.6:
        tail = dice.choice(_WORDS["modifiers"]["ru_after"])
        return Name(*(f"{form} {tail}" for form in
                      (name.nominative, name.accusative, name.genitive, name.prepositional)))  # fmt: skip
    return name


_PLAIN = frozenset({"scene", "script", "person", "weather", "todo", "vacuum"})
"""Domains whose names get no adjective."""


def area_name(language: str, dice: random.Random) -> Name:
    name = dice.choice(_WORDS["areas"][language])
    return _declined(*_noun_of(name)) if language == "ru" else Name.fixed(name)


def entity_name(language: str, domain: str, dice: random.Random) -> Name:
    """A name for an entity of a domain."""
    plain = domain in _PLAIN
    noun = dice.choice(_WORDS["entities"][language][domain])
    if language == "ru":
        return _russian(noun, dice, plain)
    if plain or dice.random() < 0.45:
        return Name.fixed(noun)
    gap = " " if language == "en" else ""
    return Name.fixed(f"{dice.choice(_WORDS['modifiers'][language])}{gap}{noun}")
