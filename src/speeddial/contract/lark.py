"""The grammar of a contract with copied strings, in llguidance's Lark form, where spans take little room.

A pattern must spell out every run of words, 70 kB for 200 of them. Terminals may refer to each other, so that
a text's suffix automaton can be written down, which has two states a word. Servers take JSON Schemas only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from speeddial.contract.copied import Word, cut
from speeddial.contract.jsontext import write_json
from speeddial.contract.schemas import Schema, resolve_reference, subschemas, without_annotations
from speeddial.contract.suffixes import suffix_automaton

_WINDOW = 1000
"""Words of one automaton: its terminals refer to each other, and the compiler recurses along them."""
_OVERLAP = 200
"""Words that two windows share: a span of so many is admitted wherever it stands, a longer one within one."""
LONGEST_TEXT = 5000
"""Words of the texts of one contract: half a second to compile. The check alone holds longer ones."""
_OF_OBJECTS = {"type", "properties", "required", "additionalProperties"}
_OF_ARRAYS = {"type", "items", "minItems", "maxItems"}


class _NoLark(Exception):
    """A copied string lies below a keyword that is not written here."""


class LarkGrammar:
    """The Lark form of one schema, written when it is asked for.

    Args:
        schema: from `grammar.Skeleton`; copied strings are references.
        spans: name of the definition of such a string -> the texts that it is copied from.
        options: llguidance's for the JSON parts, the same whitespace as is written here.
    """

    def __init__(
        self, schema: Schema, spans: Mapping[str, Sequence[str]], options: Mapping[str, Any]
    ) -> None:
        self._schema = schema
        self._spans = spans
        self._options = options

    @cached_property
    def text(self) -> str:
        """For llguidance; empty without copied strings, or with some below a keyword not written here or of
        texts that are too long."""
        words = sum(len(cut(text)) for texts in self._spans.values() for text in texts)
        if not 0 < words <= LONGEST_TEXT:
            return ""
        writer = _Writer(without_annotations(self._schema), self._spans, self._options)
        try:
            start = writer.value(writer.root)
        except _NoLark:
            return ""
        rules = "".join(f"{name}: {body}\n" for name, body in writer.rules.items())
        return json.dumps({"grammars": [{"lark_grammar": f"start: {start}\n{rules}"}]})


class _Writer:
    """Rules in the making.

    Lexemes are those that llguidance makes of a JSON Schema (a whole string, a key, a single mark): its lexer
    is greedy, and of two alternatives that are cut differently it loses the one with the shorter lexeme.
    """

    def __init__(self, root: Schema, spans: Mapping[str, Sequence[str]], options: Mapping[str, Any]) -> None:
        self.root = root
        self.rules: dict[str, str] = {}
        self._spans = spans
        self._options = options
        self._named: dict[str, str] = {}
        self._spanned: dict[int, bool] = {}

    def value(self, schema: Any) -> str:
        """What stands for the values of a schema on the right of a rule."""
        if not self._has_span(schema):
            return self._json(schema)
        keywords = schema.keys() - {"$defs"}
        if keywords == {"$ref"}:
            return self._reference(schema["$ref"])
        if keywords == {"anyOf"}:
            return "(" + " | ".join(self.value(branch) for branch in schema["anyOf"]) + ")"
        if keywords <= _OF_OBJECTS and _is_closed(schema):
            return self._object(schema["properties"], schema.get("required", ()))
        if keywords <= _OF_ARRAYS and schema.get("type") == "array":
            return self._array(schema["items"], schema.get("minItems", 0), schema.get("maxItems"))
        raise _NoLark(", ".join(sorted(keywords)))

    def _has_span(self, schema: Any, above: tuple[str, ...] = ()) -> bool:
        """Whether a copied string lies in a schema, or behind a reference in it that is not in `above`."""
        key = id(schema)
        if key not in self._spanned:
            references = {inner["$ref"] for _, inner in subschemas(schema) if "$ref" in inner} - {*above}
            found = any(
                _definition(reference) in self._spans
                or self._has_span(resolve_reference(self.root, reference), (*above, reference))
                for reference in references
            )
            if above and not found:
                return False  # Of the part that was looked at only.
            self._spanned[key] = found
        return self._spanned[key]

    def _json(self, schema: Any) -> str:
        if isinstance(schema, dict) and isinstance(schema.get("const"), str):
            return _quoted(write_json(schema["const"]))
        whole = dict(schema) if isinstance(schema, dict) else {"allOf": [schema]}
        references = [inner["$ref"] for _, inner in subschemas(schema) if "$ref" in inner]
        if any(not reference.startswith("#/$defs/") for reference in references):
            raise _NoLark("a reference into the schema")
        if references:
            whole["$defs"] = self.root["$defs"]
        text = json.dumps({**whole, "x-guidance": self._options}, separators=(",", ":"))
        return self._rule(text, lambda _: f"%json {text}")

    def _reference(self, reference: str) -> str:
        target = resolve_reference(self.root, reference)
        if (name := _definition(reference)) in self._spans:
            return self._rule(reference, lambda rule: self._span(target, self._spans[name], rule.upper()))
        return self._rule(reference, lambda _: self.value(target))

    def _rule(self, key: str, body: Callable[[str], str]) -> str:
        """The name of the rule for `key`, which is written the first time it is asked for."""
        if key not in self._named:
            name = self._named[key] = f"r{len(self._named)}"
            self.rules[name] = body(name)
        return self._named[key]

    def _object(self, properties: Schema, required: Sequence[str]) -> str:
        """Keys in their order; ``rest`` is what may follow when a key stands before it."""
        rest = ""
        first = ""
        for key, inner in reversed(properties.items()):
            value = self.value(inner)
            here = f'{_quoted(write_json(key))} ":" {value} {rest}'
            after = f'"," {_quoted(write_json(key))} ":" {value}'
            if key in required:
                first = here
                rest = f"{after} {rest}"
            else:
                first = f"({here} | {first})" if first else f"({here})?"
                rest = f"({after})? {rest}"
            # A rule of its own, for it stands in every alternative before it.
            rest = self._rule(f"rest of {rest}", lambda _, rest=rest: rest)  # type: ignore[misc]
        return f'"{{" {first} "}}"'

    def _array(self, items: Any, least: int, most: int | None) -> str:
        item = self.value(items)
        if most == 0:
            return '"[]"'
        more = f"{{{max(0, least - 1)},{'' if most is None else most - 1}}}"
        filled = f'{item} ("," {item}){more}'
        return f'"[" {filled} "]"' if least else f'"[" ({filled})? "]"'

    def _span(self, schema: Schema, texts: Sequence[str], name: str) -> str:
        starts = [
            start for number, text in enumerate(texts) for start in self._runs(text, f"{name}T{number}")
        ]
        least, most = schema.get("minLength", 0), schema.get("maxLength", 0)
        span = f"{name}SPAN"
        self.rules[span] = f'"\\"" ({" | ".join(starts)}) "\\""'
        if least > 1 or 0 < most < max(map(len, texts)):
            character = r"(\\u[0-9a-f]{4}|\\[^u]|[^\\])"
            self.rules[f"{name}SIZED"] = f'{span} & /"{character}{{{least},{most or ""}}}"/'
            span = f"{name}SIZED"
        return span

    def _runs(self, text: str, name: str) -> list[str]:
        """What the runs of a text's words may begin with; what may follow is a terminal for each state."""
        words = cut(text)
        starts = []
        for begin in range(0, max(1, len(words) - _OVERLAP), _WINDOW - _OVERLAP):
            edges = suffix_automaton(words[begin : begin + _WINDOW])
            prefix = f"{name}W{begin}S"
            for state, following in enumerate(edges):
                ways = [
                    _ways(word, prefix, target, edges, first=not state) for word, target in following.items()
                ]
                if not state:
                    starts += ways
                elif ways:
                    self.rules[f"{prefix}{state}"] = f"({' | '.join(ways)})?"
        return list(dict.fromkeys(starts))


def _ways(word: Word, prefix: str, target: int, edges: list[dict[Word, int]], *, first: bool) -> str:
    """A word, and what may follow it."""
    gap = '" " ' if word.gap and not first else ""
    literal = f'{_literal(word.singular)} "s"?' if word.singular else _literal(word.text)
    return f"{gap}{literal} {prefix}{target}" if edges[target] else f"{gap}{literal}"


def _is_closed(schema: Schema) -> bool:
    return (
        schema.get("type") == "object"
        and schema.get("additionalProperties") is False
        and set(schema.get("required", ())) <= schema.get("properties", {}).keys()
    )


def _definition(reference: str) -> str:
    return reference.removeprefix("#/$defs/")


def _literal(word: str) -> str:
    """A word as it stands within a JSON string."""
    return _quoted(write_json(word)[1:-1])


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
