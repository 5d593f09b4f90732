"""A small valid instance of a schema, for prompts and error messages."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any

from speeddial.contract.check import check, dereferenced, tag_of
from speeddial.contract.jsontext import write_json
from speeddial.contract.regex_example import short_matches
from speeddial.contract.schemas import COPIED_FROM, ONE_OF, Schema, resolve_reference, subschemas
from speeddial.errors import Problem

_DEEPEST = 40
_LONGEST = 400
_WORDS = "text"
_SHORT_EXAMPLE = 60
"""Characters of an example in a message that must be short."""

_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")


class NoExample(Exception):
    """No instance was found: endless nesting, or a pattern that the search does not reach."""


def example_of(schema: Any, root: Schema, depth: int = 0) -> Any:
    """A valid instance with the required keys only; the first key where none is required.

    Raises:
        NoExample: none was found.
    """
    if depth > _DEEPEST:
        raise NoExample("endless nesting")
    if not isinstance(schema, dict) or not schema:
        return "text"
    for given in (*schema.get("examples", ()), *([schema["default"]] if "default" in schema else [])):
        if not check(given, schema, root):
            return given
    if "$ref" in schema:
        return example_of(resolve_reference(root, schema["$ref"]), root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        for choice in schema["enum"]:
            if not check(choice, schema, root):
                return choice
        raise NoExample("no choice fits its other rules")
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            return _of_branches(schema, keyword, root, depth)
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        return _object(schema, root, depth)
    if kind == "array":
        prefix = schema.get("prefixItems", [])
        count = max(
            schema.get("minItems", 0), 1 if not prefix and depth < 4 and schema.get("maxItems", 1) else 0
        )
        try:
            return [
                example_of(prefix[index] if index < len(prefix) else schema.get("items", {}), root, depth + 1)
                for index in range(max(count, len(prefix) if schema.get("minItems") else 0))
            ]
        except NoExample:
            if schema.get("minItems", 0):
                raise
            return []
    if kind == "string":
        return _string(schema)
    if kind in ("integer", "number"):
        return _number(schema, root)
    return {"boolean": True, "null": None}[kind]


def with_example(problems: list[Problem], root: Schema, value: Any) -> list[Problem]:
    """The same problems, the first that a valid value can be given for with one.

    None is given beside valid choices, which say more, and none where words of the request are wanted: a
    small model takes the example's (`benchmarks/README.md`, repair).

    Args:
        value: what was checked; it tells which alternative is meant.
    """
    for index, problem in enumerate(problems):
        schema = None if problem.valid else _schema_at(root, problem.path, value)
        if schema is None or any(inner.keys() & {COPIED_FROM, ONE_OF} for _, inner in subschemas(schema)):
            continue
        with suppress(NoExample):
            example = example_of(schema, root)
            text = write_json(example)
            if len(text) <= _SHORT_EXAMPLE and not check(example, schema, root):
                return [*problems[:index], problem._replace(example=text), *problems[index + 1 :]]
    return problems


def _schema_at(root: Schema, path: str, value: Any) -> Schema | None:
    """The subschema of a place; None where alternatives that nothing tells apart lie on the way."""
    schema: Schema = dereferenced(root, root)
    for key in _STEP.findall(path):
        branches = schema.get("anyOf") or schema.get("oneOf")
        if branches:
            tagged = tag_of(branches, root)
            told = value.get(tagged[0]) if tagged and isinstance(value, dict) else None
            if tagged is None or not isinstance(told, str) or told not in tagged[1]:
                return None
            schema = dereferenced(tagged[1][told], root)
        index = key.startswith("[")
        below = schema.get("items") if index else schema.get("properties", {}).get(key)
        found = dereferenced(below, root)
        if not isinstance(found, dict):
            return None
        schema = found
        try:
            value = value[int(key[1:-1]) if index else key]
        except (KeyError, IndexError, TypeError):
            value = None
    return schema


def strings_of(schema: Schema) -> list[str]:
    """Some strings for each pattern, format and long string in a schema, as far as they are found."""
    found: dict[str, None] = {}
    parts = [inner for _, inner in subschemas(schema)]
    # References may lead to where no subschema is looked for.
    parts += [resolve_reference(schema, inner["$ref"]) for inner in parts if "$ref" in inner]
    for inner in parts:
        if inner.keys() & {"pattern", "format"} or inner.get("minLength", 0) > len(_WORDS):
            with suppress(NoExample):
                found |= dict.fromkeys(_strings(inner))
    return list(found)


def _of_branches(schema: Schema, keyword: str, root: Schema, depth: int) -> Any:
    beside = {key: item for key, item in schema.items() if key not in (keyword, "$defs")}
    # Null last: it is the least telling instance of an optional value.
    for branch in sorted(
        schema[keyword], key=lambda item: isinstance(item, dict) and item.get("type") == "null"
    ):
        try:
            found = example_of(_joined(beside, branch), root, depth + 1)
        except NoExample:
            continue
        if not check(found, schema, root):
            return found
    raise NoExample("no alternative ends")


def _joined(beside: Schema, branch: Any) -> Any:
    """A branch together with what stands beside the combination."""
    if not isinstance(branch, dict) or not beside:
        return branch
    joined = {**beside, **branch}
    if "properties" in beside:
        joined["properties"] = {**beside["properties"], **branch.get("properties", {})}
    joined["required"] = list(dict.fromkeys([*beside.get("required", ()), *branch.get("required", ())]))
    return joined


def _object(schema: Schema, root: Schema, depth: int) -> dict[str, Any]:
    properties: Schema = schema.get("properties", {})
    keys = list(schema.get("required", ()))
    result = {key: example_of(properties.get(key, {}), root, depth + 1) for key in keys}
    for key, inner in properties.items():
        if len(result) >= max(1, schema.get("minProperties", 0)) or depth > 3:
            break
        if key not in result:
            try:
                result[key] = example_of(inner, root, depth + 1)
            except NoExample:
                continue
    for pattern, inner in schema.get("patternProperties", {}).items():
        for index in range(schema.get("minProperties", 0) - len(result)):
            name = _string({"type": "string", "pattern": pattern})
            result[name if name not in result else f"{name}{index}"] = example_of(inner, root, depth + 1)
    return result


def _strings(schema: Schema) -> Iterator[str]:
    low, high = schema.get("minLength", 0), schema.get("maxLength", _LONGEST)
    if "pattern" not in schema and "format" not in schema:
        yield (_WORDS * (low // len(_WORDS) + 1))[: max(low, min(len(_WORDS), high))]
        return
    found = False
    if "format" not in schema:
        for text in short_matches(schema["pattern"], low, high):
            found = True
            yield text
    if not found:
        bounds = ("type", "pattern", "format", "minLength", "maxLength")
        constraint = {key: schema[key] for key in bounds if key in schema}
        if "pattern" in constraint:
            # What matches as a whole also matches somewhere, and is found where random text around it is not.
            constraint["pattern"] = f"^(?:{schema['pattern']})$"
        yield _walked(json.dumps({"type": "string", **constraint}))


def _string(schema: Schema) -> str:
    return next(_strings(schema))


def _number(schema: Schema, root: Schema) -> Any:
    step = schema.get("multipleOf", 1)
    low: Any = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high: Any = schema.get("maximum", schema.get("exclusiveMaximum", 0))
    middle = (low + high) / 2
    starts: list[Any] = [1, 10, 0, low, high, middle, -1]
    for start in starts:
        candidate: Any
        for candidate in (start, (start // step + 1) * step, (start // step) * step):
            number = int(candidate) if candidate == int(candidate) else candidate
            if not check(number, schema, root):
                return number
    raise NoExample("no number in these bounds was found")


@lru_cache(maxsize=256)
def _walked(text: str) -> str:
    """A short string of a pattern: llguidance's automaton, rarest letters first, closed when it may."""
    import llguidance

    from speeddial.contract.formats import byte_tokenizer

    matcher = llguidance.LLMatcher(
        byte_tokenizer(), llguidance.LLMatcher.grammar_from_json_schema(text), log_level=0
    )
    used: Counter[int] = Counter()
    out = bytearray()
    while len(out) < _LONGEST and not matcher.is_error():
        mask = int.from_bytes(matcher.compute_bitmask(), "little")
        if out and mask >> ord('"') & 1:
            return str(json.loads(b'"' + bytes(out[1:]) + b'"'))
        allowed = [
            byte
            for byte in (*b'"', *b"aeinorst01234", *range(32, 127))
            if mask >> byte & 1 and byte != ord("\\")
        ]
        if not allowed:
            break
        byte = min(allowed, key=lambda candidate: used[candidate])
        used[byte] += 1
        out.append(byte)
        matcher.consume_token(byte)
    raise NoExample("no string of this pattern was found")
