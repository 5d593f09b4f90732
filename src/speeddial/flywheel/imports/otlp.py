"""OTLP as JSON: traces and logs with OpenTelemetry's GenAI conventions, our own export among them.

What was said stands, by the age of what wrote it (https://github.com/open-telemetry/semantic-conventions-genai,
as of November 2026, and semantic-conventions v1.27 to v1.41 before it):

- in the attributes ``gen_ai.input.messages``, ``gen_ai.output.messages``, ``gen_ai.system_instructions`` and
  ``gen_ai.tool.definitions`` of a span, or of its event ``gen_ai.client.inference.operation.details``;
- until v1.36 in events, one for each message: ``gen_ai.user.message``, ``gen_ai.choice``, ...;
- before that, and with OpenLLMetry, in ``gen_ai.prompt.0.role``, ``gen_ai.completion.0.content``, ...;
- with OpenInference in ``llm.input_messages``, as Phoenix has it.

Events are of the span, or log records that name it. The file's form is that of
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from speeddial.flywheel.imports import phoenix
from speeddial.flywheel.imports.exchange import (
    Bad,
    Exchange,
    Passed,
    Read,
    Row,
    answered,
    asked,
    decoded,
    first,
    whole,
)
from speeddial.record import genai
from speeddial.server.chat import Answered

_CHATS = frozenset({genai.CHAT, "text_completion", "generate_content"})
_DETAILS = "gen_ai.client.inference.operation.details"
_CHOICE = "gen_ai.choice"
_SAID = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_FAILED = 2
"""OTLP's status code of an error."""


def recognised(row: Any) -> bool:
    """Whether a row is of these."""
    return isinstance(row, Mapping) and bool({"resourceSpans", "resourceLogs"} & row.keys())


def read(rows: Iterable[Row]) -> Iterator[Read]:
    """Read documents; logs may stand in other ones than the spans that they tell of."""
    silent: dict[str, tuple[str, Mapping[str, Any], dict[str, Any]]] = {}
    logs: defaultdict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for row in rows:
        if not recognised(row.value):
            yield Bad(row.place, "expected an object with resourceSpans or resourceLogs")
            continue
        try:
            spans = [
                (span, _attributes(span))
                for span in _inside(row.value, "resourceSpans", "scopeSpans", "spans")
            ]
            plans = {span.get("spanId") for span, told in spans if told.get(genai.OPERATION) == genai.PLAN}
            for record in _inside(row.value, "resourceLogs", "scopeLogs", "logRecords"):
                if (event := _event(record))[0]:
                    logs[str(record.get("spanId", ""))].append(event)
        except (ValueError, TypeError, AttributeError) as error:
            yield Bad(row.place, f"not OTLP: {error}")
            continue
        for span, attributes in spans:
            try:
                if span.get("parentSpanId") in plans:
                    yield Passed("plans")
                elif _is_silent(attributes, span):
                    silent[str(span.get("spanId", ""))] = row.place, span, attributes
                else:
                    yield _span(span, attributes, [])
            except (ValueError, TypeError, AttributeError) as error:
                yield Bad(f"{row.place}, span {span.get('spanId', '?')}", str(error))
    for name, (place, span, attributes) in silent.items():
        try:
            yield _span(span, attributes, logs.get(name, []))
        except (ValueError, TypeError, AttributeError) as error:
            yield Bad(f"{place}, span {name}", f"{error}; was it exported with what was said?")


def _is_silent(attributes: Mapping[str, Any], span: Mapping[str, Any]) -> bool:
    """Whether a model was asked, and what was said must be found in the logs."""
    if attributes.get(genai.OPERATION) not in _CHATS:
        return False
    told = (genai.INPUT_MESSAGES, "gen_ai.prompt", "gen_ai.prompt.0.role", "gen_ai.prompt.0.content")
    named = {name for name, _ in map(_event, span.get("events", ()))}
    return not any(name in attributes for name in told) and not (named & {_DETAILS, *_SAID})


def _span(
    span: Mapping[str, Any], attributes: dict[str, Any], logs: Iterable[tuple[str, dict[str, Any]]]
) -> Read:
    trace = str(span.get("traceId", ""))
    status = span.get("status") or {}
    error = ""
    if status.get("code") in (_FAILED, "STATUS_CODE_ERROR"):
        error = str(status.get("message") or attributes.get(genai.ERROR_TYPE) or "the model's call failed")
    began = whole(span.get("startTimeUnixNano")) or None
    ended = whole(span.get("endTimeUnixNano")) or None
    if "openinference.span.kind" in attributes:
        if attributes["openinference.span.kind"] != "LLM":
            return Passed("spans of other kinds")
        return phoenix.exchange(
            phoenix.nested(attributes),
            id=str(span.get("spanId", "")),
            trace=trace,
            error=error,
            started_ns=began,
            ended_ns=ended,
        )
    old = genai.OPERATION not in attributes and "gen_ai.prompt.0.role" in attributes
    if attributes.get(genai.OPERATION) not in _CHATS and not old:
        return Passed("spans of other kinds")
    messages, answer, tools = _said(attributes, [*map(_event, span.get("events", ())), *logs])
    run = str(attributes.get("speeddial.run.id", ""))
    model = first(attributes, genai.REQUEST_MODEL, genai.RESPONSE_MODEL)
    if run:
        model = f"{attributes.get(genai.PROVIDER)}:{model}"
    finish = attributes.get(genai.FINISH_REASONS)
    read = Answered()
    if answer is not None:
        read = answered(
            answer,
            model=attributes.get(genai.RESPONSE_MODEL),
            finish=finish[0] if isinstance(finish, list) and finish else _finish(answer),
        )
    elif not error:
        raise ValueError("no answer")
    read.tokens_in = whole(first(attributes, genai.INPUT_TOKENS, "gen_ai.usage.prompt_tokens"))
    read.tokens_out = whole(first(attributes, genai.OUTPUT_TOKENS, "gen_ai.usage.completion_tokens"))
    session = first(attributes, "gen_ai.conversation.id", "session.id")
    origins = [str(link.get("traceId")) for link in span.get("links", ()) if link.get("traceId")]
    return Exchange(
        asked=asked(messages, model=model, tools=tools, user=attributes.get("user.id")),
        answered=read,
        error=error,
        id=str(span.get("spanId", "")),
        conversations=tuple(map(str, filter(None, [session or trace, *origins]))),
        started_ns=began,
        ended_ns=ended,
        run=run,
    )


def _said(
    attributes: Mapping[str, Any], events: Iterable[tuple[str, dict[str, Any]]]
) -> tuple[list[Any], Any, Any]:
    """Messages, the answer (None when there is none) and the tools, from wherever they stand."""
    told = dict(attributes)
    messages: list[Any] = []
    answer: Any = None
    for name, body in events:
        if name == _DETAILS:
            told |= body
        elif name == _CHOICE:
            message = decoded(body.get("message", body))
            answer = answer or ({"content": message} if isinstance(message, str) else message)
        elif name in _SAID:
            messages.append({"role": _SAID[name], **body, "tool_call_id": body.get("id")})
    tools = first(told, genai.TOOL_DEFINITIONS, "gen_ai.request.tools")
    old = phoenix.nested({name: told[name] for name in told if name.startswith(_OLD)})
    old = {**old.get("gen_ai", {}), "functions": old.get("llm", {}).get("request", {}).get("functions")}
    if given := decoded(told.get(genai.INPUT_MESSAGES)) or decoded(old.get("prompt")):
        messages = given if isinstance(given, list) else [given]
    if system := decoded(told.get(genai.SYSTEM_INSTRUCTIONS)):
        parts = system if isinstance(system, list) else [system]
        # Each part a message, as they came: joined they would be one that nobody wrote.
        messages = [*({"role": "system", "parts": [part]} for part in parts), *messages]
    found = decoded(told.get(genai.OUTPUT_MESSAGES)) or decoded(old.get("completion")) or answer
    return messages, found or None, tools or old["functions"] or ()


_OLD = ("gen_ai.prompt", "gen_ai.completion", "llm.request.functions")


def _finish(answer: Any) -> str:
    one = answer[0] if isinstance(answer, list) and answer else answer
    return str(first(one, "finish_reason") or "") if isinstance(one, Mapping) else ""


def _event(event: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and content of a span's event or a log record."""
    attributes = _attributes(event)
    name = str(event.get("eventName") or attributes.get("event.name") or event.get("name") or "")
    if not name.startswith("gen_ai."):
        return "", {}
    body = _value(event["body"]) if event.get("body") else None
    content = decoded(attributes.get("gen_ai.event.content"))
    for more in (decoded(body), content):
        if isinstance(more, Mapping):
            attributes |= more
    return name, attributes


def _inside(document: Mapping[str, Any], *names: str) -> Iterator[Mapping[str, Any]]:
    """All that stands under these names within each other."""
    if len(names) == 1:
        yield from document.get(names[0], ())
        return
    for part in document.get(names[0], ()):
        yield from _inside(part, *names[1:])


def _attributes(of: Mapping[str, Any]) -> dict[str, Any]:
    return {str(pair["key"]): _value(pair.get("value") or {}) for pair in of.get("attributes", ())}


def _value(value: Mapping[str, Any]) -> Any:
    for name, given in value.items():
        if name == "intValue":
            return int(given)
        if name == "arrayValue":
            return [_value(item) for item in given.get("values", ())]
        if name == "kvlistValue":
            return {pair["key"]: _value(pair.get("value") or {}) for pair in given.get("values", ())}
        return given
    return None
