"""The part of JSON Schema that OpenAI's strict mode takes: contracts written in it, answers read back.

Strict mode wants an object without a union at the root, every key required, no open objects, and knows few
keywords (https://platform.openai.com/docs/guides/structured-outputs#supported-schemas). So the root is
wrapped, optional keys are required but may be null, and what is not known is left to the validator, which
sees every answer anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from speeddial.contract.jsontext import parse_json
from speeddial.errors import ContractViolation
from speeddial.messages import compact_json

_WRAPPER = "answer"
_KEPT = frozenset(
    {"type", "enum", "const", "description", "pattern", "multipleOf", "minItems", "maxItems"}
    | {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "required",
        "additionalProperties",
        "$ref",
    }
)
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_DEEPEST = 200
"""Levels of `$ref` and union that are followed before a branch counts as unfit; schemas may be recursive."""


def to_subset(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema in OpenAI's subset; admits what the given one does and more, with nulls for absent keys."""
    body = {key: value for key, value in schema.items() if key != "$defs"}
    wrapped: dict[str, Any] = {
        "type": "object",
        "properties": {_WRAPPER: _translated(body)},
        "required": [_WRAPPER],
        "additionalProperties": False,
    }
    if schema.get("$defs"):
        wrapped["$defs"] = {name: _translated(part) for name, part in schema["$defs"].items()}
    return wrapped


def from_subset(text: str, schema: Mapping[str, Any]) -> str:
    """The answer in the contract's own form: unwrapped, absent keys dropped, compact.

    Text that is not an answer in the subset (cut off, a key twice) comes back unchanged, for the validator
    to judge.
    """
    try:
        value = parse_json(text)
    except ContractViolation:
        return text
    if not isinstance(value, dict) or list(value) != [_WRAPPER]:
        return text
    return compact_json(_restored(value[_WRAPPER], schema, schema))


def _translated(schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    result = {key: value for key, value in schema.items() if key in _KEPT}
    if schema.get("format") in _FORMATS:
        result["format"] = schema["format"]
    if "items" in schema and isinstance(schema["items"], Mapping):
        result["items"] = _translated(schema["items"])
    if "prefixItems" in schema:
        kinds = [_translated(item) for item in schema["prefixItems"]]
        result["items"] = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        result["anyOf"] = [_translated(branch) for branch in branches]
    if "properties" in schema:
        required = set(schema.get("required", ()))
        result["properties"] = {
            name: _translated(part) if name in required else _nullable(_translated(part))
            for name, part in schema["properties"].items()
        }
        result["required"] = list(schema["properties"])
        result["additionalProperties"] = False
    return result


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    branches = schema["anyOf"] if set(schema) == {"anyOf"} else [schema]
    if {"type": "null"} in branches:
        return schema
    return {"anyOf": [*branches, {"type": "null"}]}


def _restored(value: Any, schema: Any, root: Mapping[str, Any], depth: int = 0) -> Any:
    """The value without the nulls that stand for absent keys."""
    schema = _branch_for(value, schema, root, depth)
    if schema is None:
        return value
    if isinstance(value, list):
        prefix = schema.get("prefixItems") or []
        rest = schema.get("items")
        kinds = [*prefix, *[rest] * (len(value) - len(prefix))]
        return [_restored(item, kind, root, depth + 1) for item, kind in zip(value, kinds, strict=False)]
    if isinstance(value, dict):
        parts, required = schema.get("properties") or {}, set(schema.get("required", ()))
        return {
            name: _restored(item, parts.get(name, schema.get("additionalProperties")), root, depth + 1)
            for name, item in value.items()
            # A null under a key that no property names is the model's own, and no sign of absence.
            if item is not None or name not in parts or name in required or _admits_null(parts[name], root)
        }
    return value


def _admits_null(schema: Any, root: Mapping[str, Any]) -> bool:
    return _branch_for(None, schema, root, 0) is not None


def _branch_for(value: Any, schema: Any, root: Mapping[str, Any], depth: int) -> Mapping[str, Any] | None:
    """The part of the schema, past references and unions, that this value was written under."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return None
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix("#/$defs/")
        target = root if schema["$ref"] == "#" else (root.get("$defs") or {}).get(name)
        return _branch_for(value, target, root, depth + 1)
    branches = schema.get("anyOf") or schema.get("oneOf")
    if branches:
        fits = (_branch_for(value, branch, root, depth + 1) for branch in branches)
        return next((branch for branch in fits if branch is not None), None)
    return schema if _fits(value, schema, root, depth) else None


def _fits(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> bool:
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    kinds = schema.get("type")
    if kinds is not None and not any(
        _is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)
    ):
        return False
    if isinstance(value, dict):
        parts = schema.get("properties") or {}
        if not parts:
            return True
        return set(value) <= set(parts) and all(
            item is None or _branch_for(item, parts[name], root, depth + 1) is not None
            for name, item in value.items()
        )
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping) and "prefixItems" not in schema:
        return all(_branch_for(item, schema["items"], root, depth + 1) is not None for item in value)
    return True


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "array":
            return isinstance(value, list)
        case _:
            return isinstance(value, dict)
