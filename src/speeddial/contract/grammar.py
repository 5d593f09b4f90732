"""From a strict schema to the llguidance grammar, with a report of what only the check enforces.

llguidance conforms to a keyword or refuses the schema (none of 4,513 invalid instances was accepted). What it
refuses is rewritten here where that is equivalent, otherwise left to the check and reported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from functools import lru_cache
from typing import Any

from speeddial.contract.check import same, tag_of
from speeddial.contract.choices import pattern_without
from speeddial.contract.copied import pattern_of
from speeddial.contract.formats import DECODED_FORMATS, EMAIL_LENGTH, OWN_FORMATS, byte_tokenizer
from speeddial.contract.lark import LarkGrammar
from speeddial.contract.rewrites import rewritten
from speeddial.contract.scalars import EXACT_DIGITS, LARGEST, is_exact
from speeddial.contract.schemas import (
    COPIED,
    COPIED_FROM,
    EXCLUDED,
    ONE_OF,
    Schema,
    rewrite,
    subschemas,
    without_annotations,
    without_nul,
)
from speeddial.errors import DefinitionError

WHITESPACE = {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"}
"""Compact JSON: a model that likes whitespace ended 7 % of its outputs where it is free, 75 % here."""

_SAID = ("$comment", "$schema", "$id", COPIED, COPIED_FROM, ONE_OF, EXCLUDED)
_OF_COPIED = ("type", "minLength", "maxLength")

_REFUSED = [
    "uniqueItems",
    "contains",
    "minContains",
    "maxContains",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "if",
    "then",
    "else",
    "unevaluatedItems",
    "unevaluatedProperties",
    "not",
    "propertyNames",
]
_LOOKAROUND = re.compile(r"\(\?<?[=!]|\\[bB1-9]|\(\?P=|\\k<")


@dataclass(frozen=True)
class GrammarReport:
    """What is enforced where, one line ``path: keyword`` for each rule."""

    by_grammar: tuple[str, ...]
    """Enforced while decoding: the engine cannot break it."""
    after: tuple[str, ...]
    """Enforced by the check after decoding."""


class Skeleton:
    """The schema for the grammar and servers, all but the texts that its strings are copied from.

    Rewriting an expert's contract takes 2 ms, and from call to call only the texts differ.

    Args:
        full: the strict schema that the check uses; it is not changed.
        texts: those in it, each once.
    """

    def __init__(self, full: Schema, texts: Sequence[tuple[str, ...]]) -> None:
        self._copied: dict[str, Schema] = {}
        """Definitions of copied strings, without their patterns."""
        self._spans: dict[str, list[str]] = {}
        self._after: list[str] = []
        self._changed: Schema = _changed(full, self._copied, self._spans, self._after)
        numbers = {tuple(known): number for number, known in enumerate(texts)}
        self._numbers = {name: numbers[tuple(spans)] for name, spans in self._spans.items()}

    def filled(self, texts: Sequence[tuple[str, ...]]) -> tuple[Schema, list[str], LarkGrammar]:
        """The schema with texts put in, with the lines for `GrammarReport.after`.

        Args:
            texts: in the order of those that the skeleton was made with.

        Returns:
            Schema, lines, and the grammar of its copied strings, for which the schema has patterns at most.
        """
        after = list(self._after)
        changed = dict(self._changed)
        copied = {name: dict(bare) for name, bare in self._copied.items()}
        spans = {name: texts[number] for name, number in self._numbers.items()}
        if copied:
            changed["$defs"] = {**changed.get("$defs", {}), **copied}
        lark = LarkGrammar(changed, spans, WHITESPACE)
        for name, bare in copied.items():
            if pattern := pattern_of(spans[name]):
                bare["pattern"] = pattern
            elif lark.text:
                after.append(f"{name}: copied (on servers; the text is too long for a pattern)")
            else:
                after.append(f"{name}: copied (the text is too long for a grammar)")
        return changed, list(dict.fromkeys(after)), lark


def _changed(
    full: Schema, copied: dict[str, Schema], texts: dict[str, list[str]], after: list[str]
) -> Schema:
    """`full` as llguidance takes it, with references to the definitions of copied strings."""

    def change(schema: Schema, path: str) -> Schema:
        if COPIED_FROM in schema:
            # One definition for all: a request's pattern in 35 places takes 30 times as long to compile.
            bare = {keyword: item for keyword, item in schema.items() if keyword in _OF_COPIED}
            key = (schema[COPIED_FROM], bare)
            name = next((known for known in copied if (texts[known], copied[known]) == key), "")
            if not name:
                name = f"{COPIED}-{len(copied)}"
                copied[name], texts[name] = bare, schema[COPIED_FROM]
            if "not" in schema:
                after.append(f"{path or 'value'}: not")
            return {"$ref": f"#/$defs/{name}"}
        schema = {keyword: item for keyword, item in schema.items() if keyword not in _SAID}
        rewritten(schema, full)
        _one_of(schema, path, full, after)
        _not(schema)
        _property_names(schema)
        _format(schema, path, after)
        _bounds(schema, path, after)
        _key_counts(schema, path, after)
        if "pattern" in schema:
            schema["pattern"] = without_nul(schema["pattern"])
        if _LOOKAROUND.search(schema.get("pattern", "")):
            after.append(f"{path or 'value'}: pattern {schema.pop('pattern')}")
        for keyword in _REFUSED:
            if keyword in schema:
                del schema[keyword]
                if keyword not in ("then", "else", "minContains", "maxContains"):
                    after.append(f"{path or 'value'}: {keyword}")
        if schema.get("patternProperties") or schema.get("additionalProperties", False):
            after.append(f"{path or 'value'}: duplicate keys")
        elif not schema.keys() & {"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"} or (
            schema.get("type") == "object"
            and not schema.keys() & {"properties", "additionalProperties", "allOf", "anyOf"}
        ):
            after.append(f"{path or 'value'}: any JSON: duplicate keys, finite numbers")
        return schema

    changed: Schema = rewrite(full, change)
    return changed


def compiled(schema: Schema, where: str) -> str:
    """The llguidance grammar of a schema from `Skeleton`.

    Raises:
        DefinitionError: llguidance refuses it; its own message is in the error.
    """
    bare = without_annotations(schema)
    grammar, error = _compiled(json.dumps({**bare, "x-guidance": WHITESPACE}, separators=(",", ":")))
    if error:
        raise DefinitionError(
            f"{where}: no grammar for this schema: {error[:300]}",
            hint="remove or loosen the named keyword, or move the rule into a Python validator",
        )
    return grammar


@lru_cache(maxsize=512)
def _compiled(text: str) -> tuple[str, str]:
    import llguidance

    grammar = llguidance.LLMatcher.grammar_from_json_schema(text)
    is_error, messages = llguidance.LLMatcher.validate_grammar_with_warnings(grammar, byte_tokenizer())
    return grammar, "; ".join(messages) if is_error else ""


def enforced(schema: Schema) -> Iterable[str]:
    """The lines for `GrammarReport.by_grammar` of a schema from `Skeleton`."""
    for path, inner in subschemas(without_annotations(schema)):
        for keyword, item in inner.items():
            if keyword == "type":
                yield f"{path or 'value'}: type {item if isinstance(item, str) else '|'.join(item)}"
            elif keyword not in ("$defs", "definitions", "$ref", "anyOf", "allOf"):
                yield f"{path or 'value'}: {keyword}"


def _one_of(schema: Schema, path: str, root: Schema, after: list[str]) -> None:
    branches = schema.pop("oneOf", None)
    if branches is None:
        return
    kinds = [branch.get("type") if isinstance(branch, dict) else None for branch in branches]
    plain = [kind for kind in kinds if isinstance(kind, str)]
    apart = len(plain) == len(set(plain)) == len(kinds) and not {"integer", "number"} <= set(plain)
    if not apart and tag_of(branches, root) is None and not _constants_differ(branches):
        after.append(f"{path or 'value'}: oneOf (exactly one alternative)")
    if "anyOf" in schema:
        schema["allOf"] = [*schema.get("allOf", []), {"anyOf": branches}]
    else:
        schema["anyOf"] = branches


def _constants_differ(branches: list[Any]) -> bool:
    constants: list[Any] = []
    for branch in branches:
        if not isinstance(branch, dict) or not branch.keys() & {"const", "enum"}:
            return False
        for constant in branch.get("enum", [branch.get("const")]):
            if any(same(constant, other) for other in constants):
                return False
            constants.append(constant)
    return True


def _not(schema: Schema) -> None:
    """``not: {const}`` is the enum without that value, or a pattern of all other strings."""
    negated = schema.get("not")
    if not (isinstance(negated, dict) and negated.keys() <= {"const", "enum"} and negated):
        return
    gone = negated.get("enum", [negated.get("const")])
    if "enum" in schema:
        schema["enum"] = [item for item in schema["enum"] if not any(same(item, other) for other in gone)]
    elif schema.get("type") == "string" and not schema.keys() & {"pattern", "format", "const"}:
        schema["pattern"] = pattern_without([item for item in gone if isinstance(item, str)])
    else:
        return
    del schema["not"]


def _property_names(schema: Schema) -> None:
    """``propertyNames`` over a plain map is a pattern or a closed set of its keys."""
    names = schema.get("propertyNames")
    if not isinstance(names, dict) or schema.keys() & {"properties", "patternProperties"}:
        return
    item = schema.get("additionalProperties", True)
    keywords = names.keys() - {"type"}
    if keywords == {"enum"}:
        schema["properties"] = {name: item for name in names["enum"] if isinstance(name, str)}
    elif keywords == {"pattern"} and not _LOOKAROUND.search(names["pattern"]):
        schema["patternProperties"] = {names["pattern"]: item}
    elif keywords and keywords <= {"minLength", "maxLength"}:
        lengths = f"{names.get('minLength', 0)},{names.get('maxLength', '')}"
        schema["patternProperties"] = {rf"^[\s\S]{{{lengths}}}$": item}
    else:
        return
    schema["additionalProperties"] = False
    del schema["propertyNames"]


def _key_counts(schema: Schema, path: str, after: list[str]) -> None:
    """llguidance counts keys only where every declared key is required."""
    declared, required = schema.get("properties", {}), schema.get("required", ())
    if all(key in required for key in declared):
        return
    closed = schema.get("additionalProperties") is False and not schema.get("patternProperties")
    if "minProperties" in schema and schema.pop("minProperties") > len(required):
        after.append(f"{path or 'value'}: minProperties")
    if "maxProperties" in schema and not (schema.pop("maxProperties") >= len(declared) and closed):
        after.append(f"{path or 'value'}: maxProperties")


def _format(schema: Schema, path: str, after: list[str]) -> None:
    name = schema.get("format")
    if name is None:
        return
    if schema.get("pattern") == OWN_FORMATS.get(name, ""):
        del schema["format"]
    elif name not in DECODED_FORMATS:
        after.append(f"{path or 'value'}: format {name}")
        del schema["format"]
    else:
        after.append(f"{path or 'value'}: format {name} (rare cases)")
        if name == "email" and schema.get("type") == "string":
            schema.setdefault("pattern", EMAIL_LENGTH)


def _bounds(schema: Schema, path: str, after: list[str]) -> None:
    """llguidance reads bounds as doubles, not always the nearest: a long one is widened to fewer digits."""
    for keyword, outward in (
        ("minimum", ROUND_FLOOR),
        ("exclusiveMinimum", ROUND_FLOOR),
        ("maximum", ROUND_CEILING),
        ("exclusiveMaximum", ROUND_CEILING),
    ):
        bound = schema.get(keyword)
        if bound is None:
            continue
        if not is_exact(bound):
            wider = Context(prec=EXACT_DIGITS, rounding=outward).create_decimal(repr(bound))
            schema[keyword] = int(wider) if wider == wider.to_integral_value() else float(wider)
            after.append(f"{path or 'value'}: {keyword} (beyond {EXACT_DIGITS} digits)")
        if abs(schema[keyword]) > LARGEST:
            schema[keyword] = LARGEST if bound > 0 else -LARGEST
        if keyword.startswith("exclusive") and schema.get("type") != "integer":
            after.append(
                f"{path or 'value'}: {keyword} (a fraction beyond {EXACT_DIGITS} digits may round to it)"
            )
