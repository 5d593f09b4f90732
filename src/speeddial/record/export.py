"""Training data from the record: OpenAI chat JSONL with tools, one validated decode a line.

    {"messages": [..., {"role": "assistant", "content": null, "tool_calls": [...]}],
     "tools": [...], "parallel_tool_calls": false, "metadata": {...}}

What goes in and in which form:
- Only decodes that passed strict validation, and by default only ``exact`` and ``corrected`` ones whose
  constraint was proven and whose tool did not fail. The call is checked once more against its tool's
  schema by an independent validator, so a secret's surrogate that broke a type is left out and counted.
- A refusal is a call of the tool ``refuse``, as experts decode it. It is exported only when the status
  ``refused`` is asked for; its definition stands in every row's tools, or a trained model would learn
  to refuse whenever it sees it.
- Assistant turns before the last one are failed attempts with their feedback; they carry ``weight`` 0.
- A plan is text (JSON) without tools, as there is no tool that takes it.
- A step that was run again is there once: equal messages, tools and answer are one line.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from speeddial.errors import UserError
from speeddial.messages import REFUSE, Status, compact_json
from speeddial.record.genai import span_id, trace_id
from speeddial.record.rows import InteractionRow, moment
from speeddial.record.store import Record

DEFAULT_STATUSES = (Status.EXACT, Status.CORRECTED)

_REFUSE_TOOL = {
    "name": REFUSE,
    "description": "Say that none of the tools can do what is asked.",
    "parameters": {
        "type": "object",
        "properties": {"reason": {"type": "string"}},
        "required": ["reason"],
        "additionalProperties": False,
    },
}


@dataclass
class ExportReport:
    """How an export came out."""

    lines: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    """Reason -> number of decodes that were left out."""
    redactions: Counter[str] = field(default_factory=Counter)
    """Rule -> secrets replaced in the exported rows."""


def export_chat(
    record: Record,
    path: Path,
    *,
    runs: Sequence[str] = (),
    expert: str | None = None,
    statuses: Sequence[str] = DEFAULT_STATUSES,
    unproven: bool = False,
    metadata: bool = True,
) -> ExportReport:
    """Write OpenAI chat JSONL; the file appears when it is complete.

    Args:
        path: written anew.
        runs: only these run ids; none means all.
        expert: only this expert's or agent's decodes.
        statuses: only decodes that came out so.
        unproven: also decodes whose constraint was not proven.
        metadata: whether lines carry their provenance; OpenAI's own fine-tuning takes no such key.

    Raises:
        UserError: the file cannot be written.
        RecordError: the record cannot be read.
    """
    report = ExportReport()
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                for line in chat_lines(
                    record,
                    report,
                    runs=runs,
                    expert=expert,
                    statuses=statuses,
                    unproven=unproven,
                    metadata=metadata,
                ):
                    file.write(compact_json(line) + "\n")
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink()
            raise
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}", hint="name another file") from error
    return report


def chat_lines(
    record: Record,
    report: ExportReport,
    *,
    runs: Sequence[str] = (),
    expert: str | None = None,
    statuses: Sequence[str] = DEFAULT_STATUSES,
    unproven: bool = False,
    metadata: bool = True,
) -> Iterator[dict[str, Any]]:
    """The lines of `export_chat` as objects, oldest first; `report` is filled in on the way."""
    seen: set[str] = set()
    for run in runs or (None,):
        failed_tools = {
            row.parent for row in record.interactions(run=run, kinds=("tool",), statuses=(Status.FAILED,))
        }
        for row in record.interactions(
            run=run, expert=expert, kinds=("model", "plan"), statuses=[str(status) for status in statuses]
        ):
            body, reason = _example(row)
            if not unproven and (row.receipt or {}).get("constrained") is False:
                reason = "its constraint was not proven"
            if row.id in failed_tools:
                reason = "its tool failed"
            if not reason:
                digest = hashlib.sha256(compact_json(body).encode()).hexdigest()
                reason = "copy of an earlier line" if digest in seen else ""
                seen.add(digest)
            if reason:
                report.skipped[reason] += 1
                continue
            if metadata:
                body["metadata"] = {**_provenance(row), "content_sha256": digest}
            report.lines += 1
            report.redactions.update(row.redactions)
            yield body


def _example(row: InteractionRow) -> tuple[dict[str, Any], str]:
    """One line without its metadata, and why it must be left out (empty when it need not)."""
    messages: list[dict[str, Any]] = [
        {**message, "weight": 0} if message.get("role") == "assistant" else dict(message)
        for message in row.messages
    ]
    if row.parsed is None:
        return {}, "no validated output"
    if not messages:
        return {}, "no messages on record"
    if row.kind == "plan":
        messages.append({"role": "assistant", "content": compact_json(row.parsed)})
        return {"messages": messages}, ""
    call = row.parsed
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        return {}, "not a call"
    arguments = call.get("arguments", {})
    tools = [dict(tool) for tool in row.tools]
    if all(tool["name"] != REFUSE for tool in tools):
        tools.append(_REFUSE_TOOL)
    schema = next((tool.get("parameters", {}) for tool in tools if tool["name"] == call["name"]), None)
    if schema is None:
        return {}, "its tool's schema is not on record"
    try:
        Draft202012Validator.check_schema(schema)
        fits = Draft202012Validator(schema).is_valid(arguments)
    except SchemaError:
        fits = False
    if not fits:
        return {}, "does not satisfy its schema" + (" after redaction" if row.redactions else "")
    messages.append(
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": call["name"], "arguments": compact_json(arguments)},
                }
            ],
        }
    )
    return {
        "messages": messages,
        "tools": [{"type": "function", "function": tool} for tool in tools],
        "parallel_tool_calls": False,
    }, ""


def _provenance(row: InteractionRow) -> dict[str, Any]:
    receipt = row.receipt or {}
    return {
        "run_id": row.run,
        "interaction_id": row.id,
        "trace_id": f"{trace_id(row.run):032x}",
        "span_id": f"{span_id(row.run, str(row.id)):016x}",
        "kind": row.kind,
        "step": row.step,
        "expert": row.expert,
        "model": row.model,
        "adapter": row.adapter,
        "adapter_version": row.adapter_version,
        "schema_hash": row.schema_hash,
        "constrained": receipt.get("constrained"),
        "constrained_by": receipt.get("backend"),
        "status": row.status,
        "attempt": row.attempt,
        "escalated_from": row.escalated_from,
        "confidence": row.confidence,
        "finish_reason": row.finish,
        "tokens_in": row.tokens_in,
        "tokens_out": row.tokens_out,
        "latency_ms": row.latency_ms,
        "redactions": row.redactions,
        "created": moment(row.started_ns).isoformat(),
    }
