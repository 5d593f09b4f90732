"""A record to export from: two tools whose arguments differ in every type, and decodes of them."""

from __future__ import annotations

import time
from typing import Any

from speeddial.messages import Message, compact_json
from speeddial.record import Record

TOOLS = [
    {
        "name": "add",
        "description": "Add.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "note": {"type": "string", "default": "ä 日本"}},
            "required": ["a"],
            "additionalProperties": False,
        },
    },
    {
        "name": "find",
        "description": "Find.",
        "parameters": {
            "type": "object",
            "properties": {
                "a": {"type": "array", "items": {"type": "string"}},
                "note": {"type": ["object", "null"], "default": None},
                "deep": {"type": "boolean", "default": False},
            },
            "required": ["a"],
            "additionalProperties": False,
        },
    },
]
ADD: dict[str, Any] = {"name": "add", "arguments": {"a": 1, "note": "Привет, 世界"}}
FIND: dict[str, Any] = {"name": "find", "arguments": {"a": ["x", "y"], "note": {"k": 1.5}, "deep": True}}
REFUSE = {"name": "refuse", "arguments": {"reason": "no tool for it"}}
BASE = "embedded:smollm2-135m-instruct"


def begin(record: Record, task: str, **fields: Any) -> str:
    """A run that is listed after all before it: ids tell milliseconds apart, no less."""
    time.sleep(0.002)
    return record.begin_run(task, **fields)


def decode(
    record: Record, run: str, said: str, parsed: Any = ADD, status: str = "exact", **fields: Any
) -> int:
    """One decode of the expert `adder`; `fields` as `start_interaction` takes them, and some outcomes."""
    options: dict[str, Any] = {"expert": "adder", "model": BASE, "step": 1, "tools": TOOLS, **fields}
    kind = options.pop("kind", "model")
    history = options.pop("history", [])
    outcome = {
        "raw": compact_json(parsed),
        "receipt": {"constrained": True, "backend": "llguidance"},
        "finish": "stop",
        **{name: options.pop(name) for name in ("raw", "receipt", "finish") if name in options},
    }
    messages = [Message("system", "You are adder."), Message("user", said), *history]
    asked = record.start_interaction(run, kind, messages=messages, **options)
    valid = status not in ("failed",)
    record.finish_interaction(
        asked, status, parsed=parsed if valid else None, tokens_in=40, tokens_out=9, **outcome
    )
    return asked


def failed_tool(record: Record, run: str, decoded: int) -> None:
    """The tool that a decode called, failing."""
    ran = record.start_interaction(run, "tool", parent=decoded, tool="add", step=1)
    record.finish_interaction(ran, "failed", error="no")
