"""The strict check of a decoded JSON value against a schema: nothing is coerced, every problem is named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from speeddial.contract.copied import not_copied
from speeddial.contract.jsontext import short, write_json
from speeddial.contract.schemas import (
    COPIED,
    COPIED_FROM,
    EXCLUDED,
    ONE_OF,
    Schema,
    join,
    matcher,
    resolve_reference,
)
from speeddial.errors import Problem

MOST_PROBLEMS = 20
"""A model reads the first few; a hostile value with a million faults must not cost a million messages."""

CHECKED = frozenset(
    [
        "$ref",
        "$defs",
        "definitions",
        "type",
        "enum",
        "const",
        "anyOf",
        "oneOf",
        "allOf",
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minLength",
        "maxLength",
        "pattern",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "not",
        COPIED,
        COPIED_FROM,
        ONE_OF,
        EXCLUDED,
    ]
)
"""Keywords that this file enforces by itself."""

_JSON_TYPES = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    type(None): "null",
}


def check(value: Any, schema: Any, root: Schema, path: str = "") -> list[Problem]:
    """Every problem of `value` under `schema`, in document order, at most `MOST_PROBLEMS`.

    Args:
        value: as `parse_json` decoded it: the type int is an integer of the text, float is not.
        schema: the schema or subschema.
        root: the document that ``$ref`` refers to.
        path: where `value` lies, for the messages.
    """
    return _check(value, schema, _Scope(root), path)


class _Scope:
    """One check: the document of the references, and what was found already.

    Without the memory, branches that share a recursive part check it once for each way to it: 2 ** depth.
    """

    def __init__(self, root: Schema) -> None:
        self.root = root
        self.found: dict[tuple[int, int, str], list[Problem]] = {}


def _check(value: Any, schema: Any, scope: _Scope, path: str) -> list[Problem]:
    if not isinstance(value, dict | list) or not isinstance(schema, dict):
        return _check_here(value, schema, scope, path)
    key = (id(value), id(schema), path)
    if key not in scope.found:
        scope.found[key] = _check_here(value, schema, scope, path)
    return scope.found[key]


def _check_here(value: Any, schema: Any, scope: _Scope, path: str) -> list[Problem]:
    if schema is True:
        return []
    if schema is False:
        return [Problem(path, "nothing here", shown(value))]
    if "$ref" in schema:
        problems = _check(value, resolve_reference(scope.root, schema["$ref"]), scope, path)
        if problems or len(schema) == 1:
            return problems
    if "const" in schema or "enum" in schema:
        choices = [schema["const"]] if "const" in schema else schema["enum"]
        if not any(same(value, choice) for choice in choices):
            return [_choice_problem(value, choices, path)]
    kind = type_of(value)
    if "type" in schema and not _has_type(kind, schema["type"]):
        return [Problem(path, expected(schema, scope.root), shown(value))]
    problems = []
    if kind == "object":
        problems = _check_object(value, schema, scope, path)
    elif kind == "array":
        problems = _check_array(value, schema, scope, path)
    elif kind == "string":
        problems = _check_string(value, schema, scope, path)
    elif kind in ("integer", "number"):
        problems = _check_number(value, schema, scope, path)
    for inner in schema.get("allOf", ()):
        problems += [problem for problem in _check(value, inner, scope, path) if problem not in problems]
    if "anyOf" in schema:
        problems += _check_branches(value, schema["anyOf"], scope, path)
    if "oneOf" in schema:
        found = [_check(value, branch, scope, path) for branch in schema["oneOf"]]
        matching = found.count([])
        if matching == 0:
            problems += _nearest(value, schema["oneOf"], found, scope, path)
        elif matching > 1:
            problems.append(Problem(path, "exactly one of the alternatives", f"a value that fits {matching}"))
    if "not" in schema and not _check(value, schema["not"], scope, path):
        problems.append(Problem(path, f"anything but {expected(schema['not'], scope.root)}", shown(value)))
    return problems[:MOST_PROBLEMS]


def type_of(value: Any) -> str:
    """The JSON type of a decoded value; a number that was written with a point or exponent is no integer."""
    return _JSON_TYPES.get(type(value)) or ("number" if isinstance(value, float) else type(value).__name__)


def same(value: Any, other: Any) -> bool:
    """Equality of JSON values that keeps true, 1 and 1.0 apart."""
    if type_of(value) != type_of(other):
        return False
    if isinstance(value, dict):
        return value.keys() == other.keys() and all(same(item, other[key]) for key, item in value.items())
    if isinstance(value, list):
        return len(value) == len(other) and all(map(same, value, other))
    return bool(value == other)


def equal(value: Any, other: Any) -> bool:
    """Equality of JSON values as JSON Schema has it, which keeps true and 1 apart, but not 1 and 1.0."""
    if isinstance(value, dict) and isinstance(other, dict):
        return value.keys() == other.keys() and all(equal(item, other[key]) for key, item in value.items())
    if isinstance(value, list) and isinstance(other, list):
        return len(value) == len(other) and all(map(equal, value, other))
    return isinstance(value, bool) == isinstance(other, bool) and bool(value == other)


def shown(value: Any) -> str:
    """What was got, with its JSON type: ``"5" (string)``."""
    kind = type_of(value)
    if kind == "null":
        return "null"
    try:
        text = short(write_json(value))
    except (TypeError, ValueError):
        return f"a {type(value).__name__}, which JSON does not have"
    return f"{text} ({kind})"


def expected(schema: Any, root: Schema) -> str:
    """What a schema wants, in a few words."""
    if schema is True or schema is False or not schema:
        return "any JSON" if schema is not False else "nothing"
    if "$comment" in schema:
        return str(schema["$comment"])
    if "$ref" in schema:
        return expected(resolve_reference(root, schema["$ref"]), root)
    if "const" in schema:
        return write_json(schema["const"])
    if "enum" in schema:
        return one_of([write_json(choice) for choice in schema["enum"]])
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return one_of(list(dict.fromkeys(expected(branch, root) for branch in schema[keyword])))
    kinds = schema.get("type", "any JSON")
    return one_of([_expected_of(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)])


def one_of(texts: Sequence[str]) -> str:
    """``a, b or c``, cut to the first six."""
    if len(texts) > 6:
        return f"one of {', '.join(texts[:6])}, … ({len(texts)} choices)"
    return " or ".join(filter(None, [", ".join(texts[:-1]), texts[-1]])) if texts else "nothing"


def tag_of(branches: Sequence[Any], root: Schema) -> tuple[str, dict[str, Any]] | None:
    """The property whose constant tells object branches apart, and the branch of each of its values."""
    objects = [dereferenced(branch, root) for branch in branches]
    if not objects or not all(isinstance(branch, dict) and branch.get("properties") for branch in objects):
        return None
    for name in objects[0]["properties"]:
        table: dict[str, Any] = {}
        for branch in objects:
            inner = dereferenced(branch["properties"].get(name, {}), root)
            if not isinstance(inner, dict):
                break
            tags = [inner["const"]] if "const" in inner else inner.get("enum", [])
            if (
                name not in branch.get("required", ())
                or not tags
                or any(not isinstance(tag, str) or tag in table for tag in tags)
            ):
                break
            table.update(dict.fromkeys(tags, branch))
        else:
            return name, table
    return None


def dereferenced(schema: Any, root: Schema) -> Any:
    """What a subschema refers to, itself when it is no reference."""
    for _ in range(32):
        if not (isinstance(schema, dict) and "$ref" in schema):
            return schema
        schema = resolve_reference(root, schema["$ref"])
    return schema


def _has_type(kind: str, wanted: str | list[str]) -> bool:
    names = (wanted,) if isinstance(wanted, str) else wanted
    return kind in names or (kind == "integer" and "number" in names)


def _expected_of(kind: str, schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if kind in ("integer", "number"):
        parts = [] if low is None or low <= -1e18 else [f">= {low}"]
        parts += [] if high is None or high >= 1e18 else [f"<= {high}"]
        parts += [f"> {schema['exclusiveMinimum']}"] if "exclusiveMinimum" in schema else []
        parts += [f"< {schema['exclusiveMaximum']}"] if "exclusiveMaximum" in schema else []
        parts += [f"a multiple of {schema['multipleOf']}"] if "multipleOf" in schema else []
        name = "an integer" if kind == "integer" else "a number"
        return f"{name} {' and '.join(parts)}".rstrip()
    if kind == "string" and "pattern" in schema:
        return f"a string that matches {schema['pattern']}"
    if kind == "string" and "format" in schema:
        return f"a string of format {schema['format']}"
    names = {"object": "an object", "array": "an array", "string": "a string", "boolean": "true or false"}
    return names.get(kind, kind)


def _choice_problem(value: Any, choices: list[Any], path: str) -> Problem:
    texts = [write_json(choice) for choice in choices]
    if len(texts) == 1:
        return Problem(path, texts[0], shown(value))
    valid = tuple(texts) if len(texts) <= 12 else ()
    return Problem(path, "one of the valid choices" if valid else one_of(texts), shown(value), valid)


def _check_object(value: dict[str, Any], schema: Schema, scope: _Scope, path: str) -> list[Problem]:
    properties: Schema = schema.get("properties", {})
    patterns: Schema = schema.get("patternProperties", {})
    others = schema.get("additionalProperties", True)
    names = schema.get("propertyNames", True)
    problems: list[Problem] = []
    for key in schema.get("required", ()):
        if key not in value:
            problems.append(
                Problem(
                    join(path, key),
                    expected(properties.get(key, True), scope.root),
                    "nothing: the key is missing",
                )
            )
    for key, item in value.items():
        if len(problems) >= MOST_PROBLEMS:
            break
        at = join(path, short(key))
        matched = False
        if key in properties:
            matched = True
            problems += _check(item, properties[key], scope, at)
        for pattern, inner in patterns.items():
            compiled = matcher(pattern)
            if compiled is not None and compiled(key):
                matched = True
                problems += _check(item, inner, scope, at)
        if not matched and others is False:
            valid = tuple(properties) if 0 < len(properties) <= 12 else ()
            what = "a key of another form" if patterns else "no such key"
            problems.append(Problem(at, what, f"the key {short(write_json(key))}", valid))
        elif not matched:
            problems += _check(item, others, scope, at)
        if names is not True and _check(key, names, scope, at):
            wanted = {"type": "string", **names} if isinstance(names, dict) else names
            what = f"a key that is {expected(wanted, scope.root)}"
            problems.append(Problem(at, what, f"the key {short(write_json(key))}"))
    problems += _check_size(len(value), schema, path, "Properties", "keys")
    return problems


def _check_array(value: list[Any], schema: Schema, scope: _Scope, path: str) -> list[Problem]:
    prefix: list[Any] = schema.get("prefixItems", [])
    rest = schema.get("items", True)
    problems: list[Problem] = []
    for index, item in enumerate(value):
        if len(problems) >= MOST_PROBLEMS:
            break
        if index >= len(prefix) and rest is False:
            problems.append(Problem(path, f"{len(prefix)} items", f"{len(value)} items"))
            break
        problems += _check(item, prefix[index] if index < len(prefix) else rest, scope, f"{path}[{index}]")
    problems += _check_size(len(value), schema, path, "Items", "items")
    if schema.get("uniqueItems") and not problems:
        for index, item in enumerate(value):
            if any(equal(item, earlier) for earlier in value[:index]):
                problems.append(Problem(f"{path}[{index}]", "items that all differ", f"{shown(item)} again"))
                break
    return problems


def _check_string(value: str, schema: Schema, scope: _Scope, path: str) -> list[Problem]:
    problems = _check_size(len(value), schema, path, "Length", "characters")
    if not value.isascii() and not value.isprintable():
        try:
            value.encode()
        except UnicodeEncodeError:
            return [Problem(path, "valid Unicode text", "an unpaired surrogate")]
    if "pattern" in schema and not problems:
        compiled = matcher(schema["pattern"])
        if compiled is not None and not compiled(value):
            problems.append(Problem(path, expected(schema, scope.root), shown(value)))
    if COPIED_FROM in schema and not problems:
        problems = not_copied(value, schema, path)
    return problems


def _check_size(size: int, schema: Schema, path: str, suffix: str, unit: str) -> list[Problem]:
    low, high = schema.get(f"min{suffix}", 0), schema.get(f"max{suffix}")
    if size < low:
        return [Problem(path, f"at least {low} {unit}", f"{size} {unit}")]
    if high is not None and size > high:
        return [Problem(path, f"at most {high} {unit}", f"{size} {unit}")]
    return []


def _check_number(value: float, schema: Schema, scope: _Scope, path: str) -> list[Problem]:
    fits = (
        math.isfinite(value)
        and value >= schema.get("minimum", -math.inf)
        and value <= schema.get("maximum", math.inf)
        and value > schema.get("exclusiveMinimum", -math.inf)
        and value < schema.get("exclusiveMaximum", math.inf)
        and ("multipleOf" not in schema or _is_multiple(value, schema["multipleOf"]))
    )
    return [] if fits else [Problem(path, expected(schema, scope.root), shown(value))]


def _is_multiple(value: float, step: float) -> bool:
    if isinstance(value, int) and isinstance(step, int):
        return value % step == 0
    # Fractions, because Decimal's remainder gives up when the quotient has more than 28 digits.
    exact, unit = Fraction(repr(value)), Fraction(repr(step))
    rest = exact % unit
    # A long text rounds to the nearest double: half a unit in the last place is no fault of the text.
    slack = Fraction(math.ulp(value)) / 2 if isinstance(value, float) else 0
    return min(rest, unit - rest) <= slack


def _check_branches(value: Any, branches: list[Any], scope: _Scope, path: str) -> list[Problem]:
    tagged = tag_of(branches, scope.root) if isinstance(value, dict) else None
    if tagged:
        name, table = tagged
        if name not in value:
            choices = tuple(map(write_json, table))
            return [
                Problem(join(path, name), "one of the valid choices", "nothing: the key is missing", choices)
            ]
        if not isinstance(value[name], str) or value[name] not in table:
            return [_choice_problem(value[name], list(table), join(path, name))]
        return _check(value, table[value[name]], scope, path)
    found: list[list[Problem]] = []
    for branch in branches:
        problems = _check(value, branch, scope, path)
        if not problems:
            return []
        found.append(problems)
    return _nearest(value, branches, found, scope, path)


def _nearest(
    value: Any, branches: list[Any], found: list[list[Problem]], scope: _Scope, path: str
) -> list[Problem]:
    """The problems to tell of a value that fits no branch: those of the branch that was probably meant."""
    fitting = [
        problems
        for branch, problems in zip(branches, found, strict=True)
        if any(problem.path != path for problem in problems)
        or type_of(value) in _types_of(branch, scope.root)
    ]
    if len(fitting) == 1:
        return fitting[0]
    # Several branches want this JSON type: the one with the fewest faults below the value itself is meant.
    deep = [problems for problems in fitting if any(problem.path != path for problem in problems)]
    if deep:
        return min(deep, key=len)
    return [
        Problem(
            path,
            one_of(list(dict.fromkeys(expected(branch, scope.root) for branch in branches))),
            shown(value),
        )
    ]


def _types_of(schema: Any, root: Schema) -> tuple[str, ...]:
    schema = dereferenced(schema, root)
    if not isinstance(schema, dict):
        return ()
    if "const" in schema or "enum" in schema:
        return tuple({type_of(choice) for choice in schema.get("enum", [schema.get("const")])})
    kinds = schema.get("type", ())
    names = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    return (*names, "integer") if "number" in names else names
