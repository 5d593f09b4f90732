"""OpenAI's files: examples for fine-tuning, batches, stored completions, and logs of requests and answers.

As of November 2026:
- fine-tuning (https://platform.openai.com/docs/guides/supervised-fine-tuning): ``{"messages", "tools"}``;
  each of the assistant's messages that is not weighed 0 is an answer to those before it; of preferences
  (``{"input", "preferred_output"}``) the preferred answer;
- batches (https://platform.openai.com/docs/guides/batch): the file of requests ``{"custom_id", "body"}`` and
  the file of answers ``{"custom_id", "response": {"status_code", "body"}}``, given together;
- stored completions (https://platform.openai.com/docs/api-reference/chat/list): ``chat.completion`` objects,
  each with the ``messages`` that the API gives separately;
- pairs: ``{"request", "response"}`` or ``{"input", "output"}``, bodies or messages.
"""

from __future__ import annotations

import hashlib
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
from speeddial.messages import compact_json
from speeddial.server.chat import Answered

_REQUESTS = ("request", "input", "body", "prompt")
_ANSWERS = ("response", "output", "preferred_output", "completion")
_TIMES = ("started_at", "start_time", "timestamp", "created_at", "created", "time")


def recognised(row: Any) -> bool:
    """Whether a row is of these."""
    if not isinstance(row, Mapping):
        return False
    return bool({"messages", "choices", "custom_id"} & row.keys()) or (
        any(name in row for name in _REQUESTS) and any(name in row for name in _ANSWERS)
    )


def read(rows: Iterable[Row]) -> Iterator[Read]:
    """Read rows; what belongs together may stand in different files."""
    waiting: dict[str, tuple[Row, dict[str, Any]]] = {}
    for row in rows:
        value = row.value
        try:
            if not isinstance(value, Mapping):
                yield Bad(row.place, "expected an object")
            elif "custom_id" in value:
                yield from _batched(row, waiting)
            elif "messages" in value and "choices" not in value and not _holds(value, _ANSWERS):
                yield from _examples(value)
            else:
                yield _pair(value)
        except (ValueError, TypeError, AttributeError) as error:
            yield Bad(row.place, str(error))
    for row, half in waiting.values():
        if "body" in half:
            yield Passed("requests of a batch without an answer")
        else:
            yield Bad(row.place, "its request is not in these files; give the batch's own file too")


def _batched(row: Row, waiting: dict[str, tuple[Row, dict[str, Any]]]) -> Iterator[Read]:
    half = {name: row.value[name] for name in ("body", "response", "error") if row.value.get(name)}
    name = str(row.value["custom_id"])
    _, other = waiting.pop(name, (row, {}))
    both = half | other
    if "body" in both and ("response" in both or "error" in both):
        response = both.get("response") or {}
        yield _pair(
            {
                "request": both["body"],
                "response": response,
                "error": both.get("error"),
                # Batches name their requests by number, each anew.
                "id": response.get("request_id") or "",
            }
        )
    else:
        waiting[name] = (row, both)


def _examples(row: Mapping[str, Any]) -> Iterator[Read]:
    """The assistant's messages of a conversation, each with what was said before it."""
    messages = row["messages"]
    if not isinstance(messages, list):
        raise ValueError("messages is no list")
    tools = first(row, "tools", "functions") or ()
    whole = f"example {hashlib.sha256(compact_json([messages, tools]).encode()).hexdigest()}"
    found = False
    for at, message in enumerate(messages):
        learnt = isinstance(message, Mapping) and message.get("role") == "assistant"
        if learnt and at and message.get("weight") != 0:
            found = True
            yield Exchange(
                asked=asked(messages[:at], model=row.get("model"), tools=tools, user=row.get("user")),
                answered=answered(message),
                conversations=(whole,),
                started_ns=nanoseconds(first(row, *_TIMES)),
            )
    if not found:
        raise ValueError("no answer of an assistant in messages")


def _pair(row: Mapping[str, Any]) -> Exchange:
    request: Any = decoded(first(row, *_REQUESTS)) if "choices" not in row else None
    if not isinstance(request, Mapping):
        said = request if request is not None else first(row, "messages", "input_messages", "input")
        if said is None:
            raise ValueError("no messages; of a stored completion they are fetched separately")
        request = {**row, "messages": said}
    if "messages" not in request and "input" in request:
        request = {**request, "messages": request["input"]}
    response: Any = row if "choices" in row else decoded(first(row, *_ANSWERS))
    status, why = 200, first(row, "error")
    if isinstance(response, Mapping) and "body" in response:
        status, response = int(response.get("status_code") or 200), response["body"]
    if isinstance(response, Mapping) and response.get("error"):
        why = response["error"]
    if isinstance(why, Mapping):
        why = why.get("message") or compact_json(dict(why))
    error = str(why or "") or (f"HTTP {status}" if status >= 400 else "")
    answer = Answered() if error else answered(response)
    began = nanoseconds(first(row, *_TIMES))
    if began is None and isinstance(response, Mapping):
        began = nanoseconds(response.get("created"))
    took = first(row, "latency_ms", "duration_ms")
    return Exchange(
        asked=asked(
            request.get("messages"),
            model=request.get("model") or answer.model,
            tools=[*_list(request.get("tools")), *_list(request.get("functions"))],
            user=request.get("user") or request.get("safety_identifier"),
            response_format=request.get("response_format"),
        ),
        answered=answer,
        error=error,
        id=str(first(row, "id") or (response.get("id") if isinstance(response, Mapping) else "") or ""),
        conversations=tuple(str(row[name]) for name in ("conversation_id", "session_id") if row.get(name)),
        started_ns=began,
        ended_ns=None if began is None or took is None else began + round(float(took) * 1e6),
        cost=amount(row.get("cost")),
    )


def _holds(row: Mapping[str, Any], names: Iterable[str]) -> bool:
    return any(row.get(name) is not None for name in names)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
