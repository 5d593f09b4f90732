"""A contract as a short TypeScript-like signature, for people and for models that were not trained on it."""

from __future__ import annotations

from typing import Any

from speeddial.contract.jsontext import write_json
from speeddial.contract.scalars import LARGEST, LIST_LENGTH, STRING_LENGTH
from speeddial.contract.schemas import ONE_OF, Schema

_MOST_CHOICES = 12
"""Shown of a string's choices in one call: a long text has hundreds of numbers to choose from."""


def signature(schema: Any, root: Schema) -> str:
    """The type of a schema's values: ``{title: string, date?: string // YYYY-MM-DD}``."""
    if not isinstance(schema, dict) or not schema:
        return "any"
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1].replace("#", "root")
    if "const" in schema:
        return write_json(schema["const"])
    if "enum" in schema:
        if ONE_OF in schema and len(schema["enum"]) > _MOST_CHOICES:
            return f"string<one of the {schema[ONE_OF].replace('_', ' ')}>"
        return " | ".join(write_json(choice) for choice in schema["enum"])
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return " | ".join(dict.fromkeys(signature(branch, root) for branch in schema[keyword]))
    if "allOf" in schema:
        return " & ".join(signature(branch, root) for branch in schema["allOf"])
    kinds = schema.get("type", "any")
    return " | ".join(_of_type(kind, schema, root) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def parameters(schema: Schema, root: Schema) -> str:
    """The keys of an object schema as a parameter list: ``title: string, date?: string``."""
    required = schema.get("required", ())
    return ", ".join(
        f"{key}{'' if key in required else '?'}: {signature(inner, root)}"
        for key, inner in schema.get("properties", {}).items()
    )


def definitions(schema: Schema) -> list[str]:
    """One line ``type NAME = ...`` for each named definition."""
    return [f"type {name} = {signature(inner, schema)}" for name, inner in schema.get("$defs", {}).items()]


def notes(schema: Schema) -> list[str]:
    """One line ``key: description`` for each described key of an object schema."""
    return [
        f"  {key}: {inner['description']}"
        for key, inner in schema.get("properties", {}).items()
        if isinstance(inner, dict) and inner.get("description")
    ]


def _of_type(kind: str, schema: Schema, root: Schema) -> str:
    if kind == "object":
        if schema.get("properties"):
            return "{" + parameters(schema, root) + "}"
        patterns = list(schema.get("patternProperties", {}).values())
        inner = patterns[0] if patterns else schema.get("additionalProperties", {})
        return "{}" if inner is False else "{[key: string]: " + signature(inner, root) + "}"
    if kind == "array":
        if "prefixItems" in schema:
            return "[" + ", ".join(signature(item, root) for item in schema["prefixItems"]) + "]"
        inner = signature(schema.get("items", {}), root)
        inner = f"({inner})" if " | " in inner else inner
        return f"{inner}[]{_range(schema, 'minItems', 'maxItems', LIST_LENGTH)}"
    if kind == "string":
        form = schema.get("$comment") or schema.get("format")
        if form:
            return f"string<{str(form).removeprefix('a ').removeprefix('an ')}>"
        if "pattern" in schema:
            return f"string<{schema['pattern']}>"
        return f"string{_range(schema, 'minLength', 'maxLength', STRING_LENGTH)}"
    if kind in ("integer", "number"):
        return f"{'int' if kind == 'integer' else 'number'}{_bounds(schema)}"
    return kind


def _range(schema: Schema, low: str, high: str, usual: int) -> str:
    least, most = schema.get(low, 0), schema.get(high, usual)
    if not least and most == usual:
        return ""
    return f"<{least}..{most if most != usual else ''}>"


def _bounds(schema: Schema) -> str:
    parts = []
    for keyword, sign in (
        ("minimum", ">="),
        ("exclusiveMinimum", ">"),
        ("maximum", "<="),
        ("exclusiveMaximum", "<"),
    ):
        if keyword in schema and abs(schema[keyword]) < LARGEST:
            parts.append(f"{sign}{schema[keyword]}")
    if "multipleOf" in schema:
        parts.append(f"multiple of {schema['multipleOf']}")
    return f"<{' '.join(parts)}>" if parts else ""
