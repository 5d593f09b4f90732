"""What several tests write into a record: a tool with a call of it, and a run that is hostile all over."""

from __future__ import annotations

from typing import Any

from speeddial.record import Record

TOOL: dict[str, Any] = {
    "name": "add",
    "description": "Add.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    },
}
CALL: dict[str, Any] = {"name": "add", "arguments": {"a": 1}}


def hostile(record: Record, name: str, text: str = "", *, role: str = "user") -> str:
    """A run that wants to be more than text, in every field that a model, a tool or a user fills.

    Args:
        name: for names and keys.
        text: for whatever may be long; `name` unless given.
        role: of the message.
    """
    text = text or name
    run = record.begin_run(text, workflow=name, user=name, inputs=[name])
    planned = record.start_interaction(run, "plan", expert=name, model=name)
    plan = {"steps": [{"expert": name, "task": text, "file": name}], "missing": [text]}
    record.finish_interaction(planned, "exact", raw=text, parsed=plan)
    asked = record.start_interaction(
        run,
        "model",
        step=1,
        attempt=2,
        expert=name,
        model=name,
        adapter=name,
        adapter_version=name,
        reason=text,
        messages=[{"role": role, "content": text}],
        tools=[{"name": name, "description": text, "parameters": {"type": "object", "title": name}}],
        schema={"title": text},
        schema_hash=name,
    )
    # Short at first: what the page folds away cannot be pointed at.
    short = min(10, len(text) // 3)
    record.finish_interaction(
        asked,
        "exact",
        raw=text,
        tokens=[(short, None), (short, 0.2), (len(text) - 2 * short, 0.9)],
        parsed={"name": name, "arguments": {name: text}},
        receipt={"constrained": True, "backend": name, name: name},
        error=text,
        finish=name,
    )
    record.feedback.comment(asked, text, by=name)
    record.feedback.label(asked, "evil", text=text, by=name)
    acted = record.start_interaction(
        run,
        "tool",
        step=1,
        parent=asked,
        expert=name,
        tool=name,
        effect=name,
        arguments={name: text},
        idempotency_key=name,
    )
    record.finish_interaction(acted, "failed", result={name: text}, text=text, error=text)
    record.finish_run(run, "failed", answer=text, error=text, missing=[text])
    return run
