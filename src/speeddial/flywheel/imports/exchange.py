"""An exchange with a model as some other tool kept it, in the one form that the recorder takes.

Tools disagree on where a call's name stands and whether its arguments are text. What is read here becomes a
chat request and a chat completion of OpenAI's API (https://platform.openai.com/docs/api-reference/chat).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from speeddial.messages import compact_json
from speeddial.server.chat import Answered, Asked

_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "developer": "system", "function": "tool"}


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request with its answer."""

    asked: Asked
    answered: Answered
    error: str = ""
    """Why there is no usable answer, as its source has it."""
    id: str = ""
    """Its name at its source; without one its content is its name."""
    conversations: tuple[str, ...] = ()
    """Names of what it belongs to (a session, a trace); without one its messages tell."""
    started_ns: int | None = None
    """None when its source does not say."""
    ended_ns: int | None = None
    cost: float = 0.0
    run: str = ""
    """The run that it is of, when it was recorded by Speeddial."""


@dataclass(frozen=True)
class Passed:
    """A row that is no exchange with a model, and need not be one."""

    what: str
    """Of which kind, in the plural."""


@dataclass(frozen=True)
class Bad:
    """A row that should be an exchange and cannot be read."""

    place: str
    why: str


Read = Exchange | Passed | Bad


@dataclass(frozen=True)
class Row:
    """One JSON value of a file."""

    place: str
    """File and line, or file and number in its list, for people."""
    value: Any


def asked(
    messages: Any,
    *,
    model: Any = "",
    tools: Any = (),
    user: Any = "",
    response_format: Any = None,
) -> Asked:
    """A request.

    Args:
        messages: a list of messages in any tool's form, or the text of one.
        tools: definitions in any tool's form.

    Raises:
        ValueError: there are no messages.
    """
    given = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    if not isinstance(given, list) or not given:
        raise ValueError("no messages")
    return Asked.of(
        {
            "model": model or "",
            "messages": [message for one in given for message in _messages(one)],
            "tools": list(definitions(tools)),
            "user": user or "",
            "response_format": response_format,
        }
    )


def answered(
    message: Any, *, model: Any = "", finish: Any = "", tokens_in: Any = 0, tokens_out: Any = 0
) -> Answered:
    """An answer.

    Args:
        message: a chat completion, an assistant's message in any tool's form, several of which the first
            counts, or a text.
        model, finish, tokens_in, tokens_out: where `message` does not say.

    Raises:
        ValueError: there is no answer.
    """
    if isinstance(message, list) and message:
        message = message[0]
    if isinstance(message, Mapping) and isinstance(message.get("choices"), list):
        body = {**message, "choices": [_choice(choice) for choice in message["choices"]]}
    elif isinstance(message, str):
        body = {"choices": [{"message": {"role": "assistant", "content": message}}]}
    elif isinstance(message, Mapping) and message:
        body = {"choices": [{"message": next(_messages({"role": "assistant", **message}))}]}
    else:
        raise ValueError("no answer")
    read = Answered.of(body)
    read.model = read.model or str(model or "")
    read.tokens_in = read.tokens_in or whole(tokens_in)
    read.tokens_out = read.tokens_out or whole(tokens_out)
    # An answer that was kept counts as whole unless its source says otherwise.
    read.finish = read.finish or str(finish or ("tool_calls" if read.tool_calls else "stop"))
    return read


def definitions(tools: Any) -> Iterator[dict[str, Any]]:
    """Definitions of tools as OpenAI has them: a list, or an object by name; nested or flat."""
    tools = decoded(tools)
    if isinstance(tools, Mapping):
        tools = [
            {"name": name, **tool} if isinstance(tool := decoded(given), Mapping) else {"name": name}
            for name, given in tools.items()
        ]
    for given in tools if isinstance(tools, Sequence) and not isinstance(tools, str) else ():
        tool = decoded(given)
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not function.get("name"):
            continue
        names = ("parameters", "inputSchema", "input_schema", "schema")
        schema: Any = next((decoded(function[name]) for name in names if function.get(name)), {})
        shown = {"name": function["name"], "description": function.get("description") or ""}
        yield {"type": "function", "function": {**shown, "parameters": schema}}


def decoded(value: Any) -> Any:
    """What a text says when it is a JSON object or list; all else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def nanoseconds(time: Any) -> int | None:
    """A time as tools write it: ISO 8601 (without a zone in UTC), or seconds or finer units since 1970.

    Raises:
        ValueError: it is none of these.
    """
    if time is None or time == "":
        return None
    if isinstance(time, datetime):
        moment = time
    elif isinstance(time, int | float) or (isinstance(time, str) and time.isdigit()):
        number = float(time)
        # 2001 to 2286 in seconds; the same span of time in the finer units does not overlap.
        for digits, factor in ((10, 10**9), (13, 10**6), (16, 10**3), (19, 1)):
            if number < 10**digits:
                return int(time) * factor if isinstance(time, int | str) else round(number * factor)
        raise ValueError(f"{time} is no time")
    else:
        moment = datetime.fromisoformat(str(time).replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1e6) * 1000


def first(row: Mapping[str, Any], *names: str) -> Any:
    """The first of these that is there and not empty."""
    return next((row[name] for name in names if row.get(name) not in (None, "", {}, [])), None)


def whole(value: Any) -> int:
    """A count of tokens; 0 for what is none."""
    try:
        return max(0, int(value or 0))
    except (TypeError, ValueError, OverflowError):
        return 0


def amount(value: Any) -> float:
    """A cost; 0 for what is none."""
    try:
        return max(0.0, float(value or 0.0))
    except (TypeError, ValueError):
        return 0.0


def _choice(choice: Any) -> Any:
    if not isinstance(choice, Mapping) or not isinstance(choice.get("message"), Mapping):
        return choice
    return {**choice, "message": next(_messages({"role": "assistant", **choice["message"]}))}


def _messages(message: Any) -> Iterator[dict[str, Any]]:
    """One message as OpenAI has it; several for one with the answers of several tools.

    Raises:
        ValueError: it is none.
    """
    if isinstance(message, str):
        message = {"role": "user", "content": message}
    if not isinstance(message, Mapping):
        raise ValueError(f"a message is no object: {str(message)[:40]!r}")
    role = str(message.get("role") or message.get("type") or "user").lower()
    role = _ROLES.get(role, role)
    calls = [*_listed(first(message, "tool_calls", "toolCalls") or ())]
    if function := message.get("function_call"):  # the form before tools
        calls.append({"function": function})
    parts = message.get("parts", message.get("content"))
    texts: list[str] = []
    responded = False
    for part in parts if isinstance(parts, list) else [parts]:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind in ("tool_call", "tool_use", "tool-call"):
            calls.append(part)
        elif kind in ("tool_call_response", "tool_result", "tool-result"):
            said = first(part, "response", "result", "content", "output")
            responded = True
            yield {
                "role": "tool",
                "content": said if isinstance(said, str) else compact_json(said),
                "tool_call_id": str(first(part, "id", "tool_use_id", "toolCallId") or ""),
            }
        elif kind in ("reasoning", "thinking"):
            continue  # not a part of the answer, and no server takes it back
        elif isinstance(part, Mapping):
            texts.append(str(part.get("text", part.get("content", f"[{kind or 'part'}]"))))
        elif part is not None:
            texts.append(str(part))
    if calls or texts or not responded:
        kept: dict[str, Any] = {"role": role, "content": "\n".join(texts)}
        if calls:
            kept["tool_calls"] = [_call(call) for call in calls]
        if answering := first(message, "tool_call_id", "toolCallId"):
            kept["tool_call_id"] = str(answering)
        yield kept


def _call(call: Any) -> dict[str, Any]:
    call = decoded(call)
    if not isinstance(call, Mapping):
        raise ValueError(f"a tool call is no object: {str(call)[:40]!r}")
    function = call.get("function", call)
    if not isinstance(function, Mapping):
        function = call
    arguments = next((function[name] for name in ("arguments", "args", "input") if name in function), "")
    return {
        "id": str(call.get("id") or ""),
        "type": "function",
        "function": {
            "name": str(function.get("name") or ""),
            "arguments": arguments if isinstance(arguments, str) else compact_json(arguments),
        },
    }


def _listed(value: Any) -> Iterable[Any]:
    value = decoded(value)
    return value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
