"""Phoenix's exports: spans with OpenInference's attributes, as JSON lines, a data frame or Parquet.

Attributes as of November 2026 (https://arize-ai.github.io/openinference/spec/): ``openinference.span.kind``
is LLM; ``llm.input_messages.0.message.role`` and so on; tools in ``llm.tools.0.tool.json_schema``. Names
stand flat, nested, or flat within lists, depending on what wrote them:

- ``GET /v1/projects/NAME/spans``, older ``spans_to_jsonl``: ``{"context", "span_kind", "attributes"}``;
- ``Client.get_spans_dataframe()``: columns ``context.span_id``, ``attributes.llm.input_messages``, ...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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

_NO_ATTRIBUTES: Mapping[str, Any] = {}


def recognised(row: Any) -> bool:
    """Whether a row is of these."""
    if not isinstance(row, Mapping):
        return False
    if isinstance(row.get("context"), Mapping) and "span_id" in row["context"]:
        return True
    return "context.span_id" in row or any(
        str(name).startswith(("attributes.llm.", "attributes.openinference.")) for name in row
    )


def read(rows: Iterable[Row]) -> Iterator[Read]:
    for row in rows:
        if not isinstance(row.value, Mapping):
            yield Bad(row.place, "expected an object")
            continue
        span = nested(row.value)
        attributes = span.get("attributes")
        attributes = attributes if isinstance(attributes, Mapping) else _NO_ATTRIBUTES
        kind = first(span, "span_kind") or _at(attributes, "openinference", "span", "kind")
        if kind != "LLM":
            yield Passed("spans of other kinds")
            continue
        context = span.get("context") if isinstance(span.get("context"), Mapping) else {}
        error = ""
        if str(span.get("status_code", "")).upper().endswith("ERROR"):
            error = str(span.get("status_message") or "the model's call failed")
        try:
            yield exchange(
                attributes,
                id=str(_at(context, "span_id") or span.get("__index_level_0__") or ""),
                trace=str(_at(context, "trace_id") or ""),
                error=error,
                started_ns=nanoseconds(span.get("start_time")),
                ended_ns=nanoseconds(span.get("end_time")),
            )
        except (ValueError, TypeError, AttributeError) as wrong:
            yield Bad(row.place, str(wrong))


def exchange(
    attributes: Mapping[str, Any],
    *,
    id: str,
    trace: str,
    error: str = "",
    started_ns: int | None = None,
    ended_ns: int | None = None,
) -> Exchange:
    """What a span of kind LLM tells.

    Args:
        attributes: OpenInference's, `nested`.
        id, trace: of the span.
        error: why it failed, if it did.

    Raises:
        ValueError: it has no messages, or neither an answer nor an error.
    """
    llm = attributes.get("llm")
    llm = llm if isinstance(llm, Mapping) else _NO_ATTRIBUTES
    given = decoded(_at(attributes, "input", "value"))
    body: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
    messages = [_message(one) for one in _items(llm.get("input_messages"))]
    answers = [_message(one) for one in _items(llm.get("output_messages"))]
    count = llm.get("token_count")
    count = count if isinstance(count, Mapping) else _NO_ATTRIBUTES
    settings = decoded(llm.get("invocation_parameters"))
    settings = settings if isinstance(settings, Mapping) else {}
    model = first(llm, "model_name") or settings.get("model")
    answer = Answered()
    if not error:
        answer = answered(
            answers or decoded(_at(attributes, "output", "value")),
            model=model,
            finish=llm.get("finish_reason"),
            tokens_in=count.get("prompt"),
            tokens_out=count.get("completion"),
        )
    session = _at(attributes, "session", "id")
    return Exchange(
        asked=asked(
            messages or body.get("messages") or (given if not body else None),
            model=model,
            tools=[*map(_tool, _items(llm.get("tools")))] or settings.get("tools") or body.get("tools") or (),
            user=_at(attributes, "user", "id"),
            response_format=settings.get("response_format") or body.get("response_format"),
        ),
        answered=answer,
        error=error,
        id=id,
        conversations=tuple(filter(None, [str(session or trace)])),
        started_ns=started_ns,
        ended_ns=ended_ns,
        cost=amount(_at(llm, "cost", "total")),
    )


def nested(value: Any) -> Any:
    """Names with dots as objects in objects, numbered ones as lists; what is None is not there."""
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for name, item in value.items():
            if item is not None:
                _put(found, str(name).split("."), nested(item))
        return _lists(found)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [nested(item) for item in value]
    return value


def _put(into: dict[str, Any], names: Sequence[str], value: Any) -> None:
    for name in names[:-1]:
        inner = into.get(name)
        if not isinstance(inner, dict):  # a value of that name gives way to what is told more closely
            inner = into[name] = {}
        into = inner
    last = names[-1]
    if isinstance(value, dict) and isinstance(into.get(last), dict):
        into[last] |= value
    else:
        into.setdefault(last, value)


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    found = {name: _lists(item) for name, item in value.items()}
    if found and all(name.isdigit() for name in found):
        return [found[name] for name in sorted(found, key=int)]
    return found


def _message(one: Any) -> dict[str, Any]:
    said = one.get("message", one) if isinstance(one, Mapping) else one
    if not isinstance(said, Mapping):
        raise ValueError("a message is no object")
    parts = [part.get("message_content", part) for part in _items(said.get("contents"))]
    calls = [call.get("tool_call", call) for call in _items(said.get("tool_calls"))]
    if not calls and said.get("function_call_name"):
        name, arguments = said["function_call_name"], said.get("function_call_arguments_json", "")
        calls = [{"function": {"name": name, "arguments": arguments}}]
    return {
        "role": said.get("role", "user"),
        "content": said.get("content", parts),
        "tool_calls": calls,
        "tool_call_id": said.get("tool_call_id"),
    }


def _tool(one: Any) -> dict[str, Any]:
    tool = one.get("tool", one) if isinstance(one, Mapping) else {}
    told = decoded(tool.get("json_schema"))
    told = told if isinstance(told, Mapping) else {}
    function = told.get("function", told)
    # A definition of OpenAI's or Anthropic's, or the schema of the arguments alone.
    whole = "name" in function
    schema = first(function, "parameters", "input_schema", "inputSchema") if whole else function
    return {
        "name": first(tool, "name") or function.get("name") or "",
        "description": first(tool, "description") or (function.get("description") if whole else "") or "",
        "parameters": schema or decoded(tool.get("parameters")) or {},
    }


def _items(value: Any) -> list[Any]:
    value = decoded(value)
    if isinstance(value, str):
        return []
    return [nested(item) for item in value] if isinstance(value, Sequence) else []


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
