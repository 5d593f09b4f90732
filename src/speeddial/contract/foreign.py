"""JSON Schemas that others wrote: closed and bounded where that is safe, checked with jsonschema's help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from speeddial.contract import scalars
from speeddial.contract.check import CHECKED, MOST_PROBLEMS, check, shown
from speeddial.contract.formats import OWN_FORMATS, has_format
from speeddial.contract.jsontext import as_admitted
from speeddial.contract.schemas import (
    ANNOTATIONS,
    IN_LISTS,
    Schema,
    join,
    matcher,
    plain_pattern,
    resolve_reference,
    rewrite,
    subschemas,
)
from speeddial.errors import DefinitionError, Problem


def normalised(schema: Schema) -> Schema:
    """A copy that says the same in Draft 2020-12, patterns and constants in one spelling.

    Raises:
        DefinitionError: not a schema, a reference to nothing or to elsewhere, or one that never ends.
    """
    if not isinstance(schema, dict):
        raise DefinitionError(
            f"a JSON Schema is expected, got {type(schema).__name__}",
            hint="give a dict such as {'type': 'object'}",
        )
    normal: Schema = rewrite(schema, _normal)
    for _, inner in subschemas(normal):
        _no_loop(inner, normal, ())
    return normal


def prepared(normal: Schema) -> Schema:
    """A stricter copy: objects that list their properties are closed, sizes and numbers bounded.

    An object is closed only where `additionalProperties` is absent, properties are listed and nothing
    beside them (``$ref``, ``patternProperties`` ...) may add others that are not named.

    Args:
        normal: a schema from `normalised`.
    """
    open_parts = {id(inner) for inner in _combined(normal)}
    stricter: Schema = rewrite(_marked(normal, open_parts), _strengthened)
    return stricter


def _no_loop(schema: Any, root: Schema, above: tuple[int, ...]) -> None:
    """Raises DefinitionError when a schema needs itself for the very same value: no check of it would end."""
    if not isinstance(schema, dict):
        return
    if id(schema) in above:
        raise DefinitionError(
            f"{schema.get('$ref', 'a definition')} refers to itself without an object or list in between",
            hint="put the recursion into properties or items",
        )
    above = (*above, id(schema))
    if isinstance(schema.get("$ref"), str):
        _no_loop(resolve_reference(root, schema["$ref"]), root, above)
    for keyword in IN_LISTS:
        if keyword != "prefixItems":
            for branch in schema.get(keyword, ()):
                _no_loop(branch, root, above)
    for keyword in ("not", "if", "then", "else"):
        _no_loop(schema.get(keyword), root, above)


def needs_jsonschema(schema: Schema) -> bool:
    """Whether `schema` says things that are jsonschema's to check.

    Besides keywords and formats that the strict check leaves to it these are ``oneOf`` and ``not``: what
    is bounded inside them makes the whole looser, so the schema as it was given must hold as well.
    """
    for _, inner in subschemas(schema):
        if inner.keys() - CHECKED - ANNOTATIONS or inner.keys() & {"oneOf", "not", "format"}:
            return True
        if "pattern" in inner and matcher(inner["pattern"]) is None:
            return True
    return False


def second_opinion(value: Any, schema: Schema) -> list[Problem]:
    """The problems that jsonschema's Draft 2020-12 validator finds, formats asserted."""
    problems = []
    for error in _validator()(schema, format_checker=None).iter_errors(value):
        path = ""
        for part in error.absolute_path:
            path = f"{path}[{part}]" if isinstance(part, int) else join(path, str(part))
        problems.append(
            Problem(path, f"{error.validator} {_brief(error.validator_value)}", shown(error.instance))
        )
        if len(problems) >= MOST_PROBLEMS:
            break
    return problems


@lru_cache(maxsize=1)
def _validator() -> Any:
    from jsonschema import Draft202012Validator, ValidationError, validators

    def assert_format(validator: Any, name: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if isinstance(instance, str) and isinstance(name, str) and not has_format(instance, name):
            yield ValidationError(f"no {name}")

    def assert_pattern(validator: Any, pattern: Any, instance: Any, schema: Any) -> Iterator[Any]:
        # jsonschema's own knows no \p{L}.
        compiled = matcher(pattern)
        if isinstance(instance, str) and compiled is not None and not compiled(instance):
            yield ValidationError("no match")

    extend: Any = validators.extend
    return extend(Draft202012Validator, {"format": assert_format, "pattern": assert_pattern})


def well_formed(schema: Schema) -> None:
    """Raises DefinitionError when `schema` breaks the Draft 2020-12 metaschema, patterns apart."""
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        at = ".".join(map(str, error.absolute_path)) or "the schema"
        raise DefinitionError(
            f"not a JSON Schema: {at}: {error.message[:200]}", hint="correct that keyword"
        ) from None


def patterns_readable(schema: Schema) -> None:
    """Raises DefinitionError when `schema` has a pattern that no regular expression engine here reads."""
    for at, inner in subschemas(schema):
        unread = [inner["pattern"]] if "pattern" in inner and matcher(inner["pattern"]) is None else []
        # jsonschema looks these up with Python's engine.
        unread += [pattern for pattern in inner.get("patternProperties", ()) if not _is_pythons(pattern)]
        if unread:
            raise DefinitionError(
                f"{at or 'the schema'}: the regular expression {unread[0]!r} cannot be read",
                hint=r"correct it, or write it without what Python lacks, such as \p{...} and (?<name>...)",
            )


def _is_pythons(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def ordered(value: Any, schema: Any, root: Schema) -> Any:
    """`value` with its keys in the schema's order and its numbers in the grammar's form."""
    if not isinstance(schema, dict):
        return value
    if "$ref" in schema:
        value = ordered(value, resolve_reference(root, schema["$ref"]), root)
    for keyword in ("anyOf", "oneOf"):
        for branch in schema.get(keyword, ()):
            if not check(value, branch, root):
                value = ordered(value, branch, root)
                break
    for branch in schema.get("allOf", ()):
        value = ordered(value, branch, root)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties")
        known = {key: ordered(value[key], inner, root) for key, inner in properties.items() if key in value}
        return known | {key: ordered(item, others, root) for key, item in value.items() if key not in known}
    if isinstance(value, list):
        prefix = schema.get("prefixItems", [])
        rest = schema.get("items")
        return [
            ordered(item, prefix[index] if index < len(prefix) else rest, root)
            for index, item in enumerate(value)
        ]
    return as_admitted(value, schema) if isinstance(value, float) else value


def _combined(schema: Schema) -> list[Schema]:
    """Subschemas that describe a part of an object only, so that they must stay open."""
    parts: list[Schema] = []

    def collect(inner: Any, inside: bool) -> None:
        if not isinstance(inner, dict):
            return
        if inside:
            parts.append(inner)
        beside = bool(inner.get("properties"))
        for keyword in ("allOf", "anyOf", "oneOf"):
            many = keyword == "allOf" and len(inner.get(keyword, ())) > 1
            for branch in inner.get(keyword, ()):
                collect(branch, inside or many or beside)
        for keyword in ("not", "if", "then", "else"):
            collect(inner.get(keyword), True)
        for keyword in ("properties", "patternProperties", "$defs", "definitions"):
            for item in inner.get(keyword, {}).values():
                collect(item, False)
        for branch in inner.get("dependentSchemas", {}).values():
            collect(branch, True)
        for item in [*inner.get("prefixItems", ()), inner.get("items"), inner.get("additionalProperties")]:
            collect(item, False)

    collect(schema, False)
    # A definition that such a part refers to is such a part.
    names = {part["$ref"] for part in parts if isinstance(part.get("$ref"), str)}
    for name in names:
        target = resolve_reference(schema, name)
        if isinstance(target, dict):
            parts.append(target)
    return parts


_OPEN = "x-open"
_SIZES = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")


def _marked(schema: Any, open_parts: set[int]) -> Any:
    """A deep copy in which the subschemas that must stay open carry a mark."""
    if isinstance(schema, list):
        return [_marked(item, open_parts) for item in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: _marked(item, open_parts) for key, item in schema.items()}
    return {**copy, _OPEN: True} if id(schema) in open_parts else copy


def _normal(schema: Schema, path: str) -> Schema:
    if isinstance(schema.get("items"), list):
        schema["prefixItems"] = schema.pop("items")
        schema["items"] = schema.pop("additionalItems", True)
    for flag, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(flag), bool) and schema.pop(flag) and bound in schema:
            schema[flag] = schema.pop(bound)
    if isinstance(needs := schema.pop("dependencies", None), dict):
        # Draft 7 and before: lists of keys and schemas under one name.
        keys = {key: item for key, item in needs.items() if isinstance(item, list)}
        schema.setdefault("dependentRequired", {}).update(keys)
        schema.setdefault("dependentSchemas", {}).update(
            {key: item for key, item in needs.items() if key not in keys}
        )
    if "pattern" in schema:
        schema["pattern"] = plain_pattern(schema["pattern"])
    if "patternProperties" in schema:
        schema["patternProperties"] = {
            plain_pattern(key): item for key, item in schema["patternProperties"].items()
        }
    for keyword in _SIZES:
        if isinstance(schema.get(keyword), float) and schema[keyword].is_integer():
            schema[keyword] = int(schema[keyword])
    for keyword in ("const", "enum"):
        if keyword in schema:
            schema[keyword] = _integral(schema[keyword])
    return schema


def _strengthened(schema: Schema, path: str) -> Schema:
    is_open = schema.pop(_OPEN, False)
    if schema.keys() & {"enum", "const"}:
        return schema
    if "format" in schema and "pattern" not in schema and schema.get("type", "string") == "string":
        # A pattern says nothing about values that are no strings, as the format does.
        schema |= {"pattern": OWN_FORMATS[schema["format"]]} if schema["format"] in OWN_FORMATS else {}
    if schema.get("properties") and not is_open:
        schema.setdefault("type", "object")
        named = None if "additionalProperties" in schema else _named(schema)
        if named is not None:
            schema["additionalProperties"] = False
            # A key that is named and not described may hold anything, but it must be writable.
            schema["properties"] = schema["properties"] | {
                key: {} for key in named if key not in schema["properties"]
            }
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    if "string" in kinds and not schema.keys() & {"pattern", "format"}:
        schema.setdefault("maxLength", max(scalars.STRING_LENGTH, schema.get("minLength", 0)))
    if "array" in kinds and schema.get("items", True) is not False:
        schema.setdefault("maxItems", max(scalars.LIST_LENGTH, schema.get("minItems", 0)))
    if "object" in kinds and schema.get("additionalProperties", False) and not schema.get("properties"):
        schema.setdefault("maxProperties", max(scalars.MAP_LENGTH, schema.get("minProperties", 0)))
    if "integer" in kinds or "number" in kinds:
        if "exclusiveMinimum" not in schema:
            schema["minimum"] = max(schema.get("minimum", -scalars.LARGEST), -scalars.LARGEST)
        if "exclusiveMaximum" not in schema:
            schema["maximum"] = min(schema.get("maximum", scalars.LARGEST), scalars.LARGEST)
    return schema


def _named(schema: Schema) -> dict[str, None] | None:
    """Every key that an object schema and its alternatives name; None where they may admit others."""
    if schema.keys() & {"$ref", "patternProperties", "dependentSchemas"}:
        return None
    named = dict.fromkeys([*schema.get("properties", ()), *schema.get("required", ())])
    for key, others in schema.get("dependentRequired", {}).items():
        named |= dict.fromkeys([key, *others])
    parts = [part for keyword in ("allOf", "anyOf", "oneOf") for part in schema.get(keyword, ())]
    parts += [schema[keyword] for keyword in ("not", "if", "then", "else") if keyword in schema]
    for part in parts:
        if isinstance(part, dict):
            inner = None if part.get("additionalProperties", False) else _named(part)
            if inner is None:
                return None
            named |= inner
    return named


def _integral(value: Any) -> Any:
    """Constants as llguidance writes them: 1.0 is the text ``1``."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int | float) and not scalars.is_exact(value):
        raise DefinitionError(
            f"the constant {value} has more digits than a grammar holds exactly", hint="make it a string"
        )
    if isinstance(value, list):
        return [_integral(item) for item in value]
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    return value


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:59] + "…"
