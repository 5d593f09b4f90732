"""The last word on a call before it is exported: a validator that shares no code with our contracts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from speeddial.messages import REFUSE, calls_in, compact_json

REFUSE_TOOL = {
    "name": REFUSE,
    "description": "Say that none of the tools can do what is asked.",
    "parameters": {
        "type": "object",
        "properties": {"reason": {"type": "string"}},
        "required": ["reason"],
        "additionalProperties": False,
    },
}


def with_refusal(tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Tool definitions with the refusal among them: it is an answer too, and its presence must be no hint."""
    named = [dict(tool) for tool in tools]
    return named if any(tool["name"] == REFUSE for tool in named) else [*named, REFUSE_TOOL]


def why_invalid(call: Any, tools: Sequence[Mapping[str, Any]], *, redacted: bool) -> str:
    """Why a call may not be exported; empty when it may.

    Args:
        call: ``{"name", "arguments"}`` or ``{"calls": [...]}``, if it is one.
        redacted: whether something of its row was replaced, which the reason then says.
    """
    calls = calls_in(call)
    if calls is None:
        return "not a call"
    return next(filter(None, (_why_invalid(one, tools, redacted) for one in calls)), "")


def _why_invalid(call: Mapping[str, Any], tools: Sequence[Mapping[str, Any]], redacted: bool) -> str:
    schema = next((tool.get("parameters", {}) for tool in tools if tool["name"] == call["name"]), None)
    if schema is None:
        return "its tool's schema is not on record"
    validator = _validator(compact_json(schema))
    if validator is None or not validator.is_valid(call.get("arguments", {})):
        return "does not satisfy its schema" + (" after redaction" if redacted else "")
    return ""


@lru_cache(maxsize=256)
def _validator(schema: str) -> Draft202012Validator | None:
    parsed = json.loads(schema)
    try:
        Draft202012Validator.check_schema(parsed)
    except SchemaError:
        return None
    return Draft202012Validator(parsed)
