"""Langfuse's exports: observations of type GENERATION, alone or in their traces.

- the export of its pages and the public API (v2 and v3, https://langfuse.com/docs/api-and-data-platform):
  ``{"id", "traceId", "type", "input", "output", "model", "usageDetails", ...}``, in a trace's
  ``observations`` or in a page's ``data``;
- blob storage (https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields, as of
  November 2026): the same in snake case, input and output as JSON text, tools in ``tool_definitions``.

Input and output are what the agent's SDK put there: OpenAI's form, LangChain's, or a text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from speeddial.flywheel.imports.exchange import (
    Bad,
    Exchange,
    Passed,
    Read,
    Row,
    amount,
    answered,
    asked,
    decoded,
    first,
    nanoseconds,
)
from speeddial.server.chat import Answered

_GENERATION = "GENERATION"
_TYPES = {
    *(_GENERATION, "SPAN", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "EMBEDDING"),
    "GUARDRAIL",
}


def recognised(row: Any) -> bool:
    """Whether a row is of these."""
    if not isinstance(row, Mapping):
        return False
    one = row.get("type") in _TYPES and ("traceId" in row or "trace_id" in row)
    trace = {"sessionId", "session_id", "bookmarked"} & row.keys() and {
        "projectId",
        "project_id",
    } & row.keys()
    return one or isinstance(row.get("observations"), list) or bool(trace)


def read(rows: Iterable[Row]) -> Iterator[Read]:
    for row in rows:
        yield from _row(row.place, row.value, {})


def _row(place: str, row: Any, trace: Mapping[str, Any]) -> Iterator[Read]:
    if not isinstance(row, Mapping):
        yield Bad(place, "expected an object")
        return
    if isinstance(row.get("observations"), list):
        of = row["trace"] if isinstance(row.get("trace"), Mapping) else row
        for number, observation in enumerate(row["observations"], start=1):
            yield from _row(f"{place}, observation {number}", observation, of)
        return
    if row.get("type") != _GENERATION:
        yield Passed("Langfuse traces" if "type" not in row else "Langfuse observations of other types")
        return
    try:
        yield _generation(row, trace)
    except (ValueError, TypeError, AttributeError) as error:
        yield Bad(place, str(error))


def _generation(row: Mapping[str, Any], trace: Mapping[str, Any]) -> Exchange:
    said = decoded(row.get("input"))
    body: Mapping[str, Any] = said if isinstance(said, Mapping) else {"messages": said}
    usage = first(row, "usageDetails", "usage_details", "usage") or {}
    error = ""
    if row.get("level") == "ERROR":
        error = str(first(row, "statusMessage", "status_message") or "the model's call failed")
    settings = decoded(first(row, "modelParameters", "model_parameters"))
    settings = settings if isinstance(settings, Mapping) else {}
    model = first(row, "model", "providedModelName", "provided_model_name")
    calls = first(row, "toolCalls", "tool_calls")
    session = first(row, "sessionId", "session_id") or first(trace, "sessionId", "session_id")
    return Exchange(
        asked=asked(
            first(body, "messages", "input", "prompt"),
            model=model,
            tools=first(body, "tools", "functions")
            or settings.get("tools")
            or first(row, "toolDefinitions", "tool_definitions")
            or (),
            user=first(row, "userId", "user_id") or first(trace, "userId", "user_id"),
            response_format=first(body, "response_format") or decoded(settings.get("response_format")),
        ),
        answered=Answered() if error else _answer(row.get("output"), calls, model, usage),
        error=error,
        id=str(row.get("id") or ""),
        conversations=(str(session or first(row, "traceId", "trace_id") or row.get("id")),),
        started_ns=nanoseconds(first(row, "startTime", "start_time")),
        ended_ns=nanoseconds(first(row, "endTime", "end_time")),
        cost=amount(first(row, "totalCost", "total_cost", "calculatedTotalCost")),
    )


def _answer(output: Any, calls: Any, model: Any, usage: Mapping[str, Any]) -> Answered:
    said = decoded(output)
    if calls and not (isinstance(said, Mapping) and {"tool_calls", "choices"} & said.keys()):
        said = {"content": said if isinstance(said, str) else "", "tool_calls": calls}
    return answered(
        said,
        model=model,
        tokens_in=first(usage, "input", "promptTokens", "prompt_tokens"),
        tokens_out=first(usage, "output", "completionTokens", "completion_tokens"),
    )
