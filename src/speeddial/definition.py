"""Tool definitions that others wrote (OpenAI, MCP, Anthropic), as tools: exact to call, nothing to run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from speeddial.contract import Contract
from speeddial.contract.schemas import rewrite
from speeddial.errors import DefinitionError, UserError
from speeddial.messages import compact_json
from speeddial.tool import Tool

_NAME = re.compile(r"[\w.:-]{1,128}")
_SCHEMA_KEYS = ("parameters", "inputSchema", "input_schema")
"""Under which OpenAI, MCP and Anthropic keep the arguments' schema."""
_TYPES = {
    "dict": "object",
    "float": "number",
    "double": "number",
    "int": "integer",
    "long": "integer",
    "bool": "boolean",
    "str": "string",
    "char": "string",
    "list": "array",
    "tuple": "array",
    "none": "null",
}
"""Names of types that catalogues of tools have in place of JSON Schema's (BFCL, Seal-Tools)."""
_JSON_TYPES = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})
_EXAMPLE = (
    '{"name": "get_weather", "description": "...", "parameters": {"type": "object", "properties": {...}}}'
)


def tool_of(item: Any) -> Tool:
    """A tool of one definition: ``{"name", "description", "parameters"}``, bare or under ``function``.

    Raises:
        UserError: not a definition, or its schema is none; nothing is guessed.
    """
    if isinstance(item, Mapping) and isinstance(item.get("function"), Mapping):
        item = item["function"]
    if not isinstance(item, Mapping):
        raise UserError(f"tools: expected a name or a definition, got {str(item)[:60]!r}", hint=_EXAMPLE)
    name = item.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(
            f"tools: expected a name of letters, digits and _ . : -, got {str(name)[:60]!r}", hint=_EXAMPLE
        )
    schema: Any = next((item[key] for key in _SCHEMA_KEYS if item.get(key)), {})
    if not isinstance(schema, Mapping):
        raise UserError(f"tools: {name}: expected a JSON Schema of its arguments", hint=_EXAMPLE)
    try:
        return _tool(name, str(item.get("description") or ""), compact_json(schema))
    except (DefinitionError, ValueError, TypeError, RecursionError) as error:
        said = error.message if isinstance(error, DefinitionError) else str(error)
        raise UserError(f"tools: {name}: {said}", hint="correct its parameters, a JSON Schema") from error


@lru_cache(maxsize=1024)
def _tool(name: str, description: str, schema: str) -> Tool:
    """Kept: batches and evaluations give the same definitions line after line."""
    read = {"type": "object", "properties": {}, **rewrite(json.loads(schema), _named_as_in_json)}
    if read["type"] != "object":
        raise DefinitionError(f"arguments are an object, its schema says {read['type']!r}")
    if not read["properties"]:
        read.setdefault("additionalProperties", False)
    contract = Contract.from_schema(read, name=name)
    # Here, so that what no grammar can hold is told before anything is asked.
    _ = contract.grammar
    return Tool(
        name=name,
        description=description,
        effect="external",
        function=_nothing,
        contract=contract,
        returns=Any,
        runnable=False,
    )


def _named_as_in_json(schema: dict[str, Any], path: str) -> Any:
    kinds = schema.get("type")
    if isinstance(kinds, str) and kinds.lower() == "any":
        return {key: value for key, value in schema.items() if key != "type"}
    if isinstance(kinds, list):
        return {**schema, "type": [_json_type(kind, path) for kind in kinds]}
    return schema if kinds is None else {**schema, "type": _json_type(kinds, path)}


def _json_type(kind: Any, path: str) -> str:
    name = str(kind).lower()
    name = _TYPES.get(name, name)
    if name not in _JSON_TYPES:
        raise DefinitionError(f"{path or 'parameters'}: no JSON type {kind!r}")
    return name


def _nothing(**_arguments: Any) -> None:
    raise UserError("this tool is a schema and no more", hint="decode only, with --no-execute")
