"""OpenAI's chat completions as they pass by: what was asked, and what came back, whole or in a stream.

The form is that of https://platform.openai.com/docs/api-reference/chat; vLLM, Ollama and llama.cpp speak it.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from speeddial.messages import compact_json, storable

_DONE = "[DONE]"


_FREE = frozenset(
    {
        *("model", "messages", "tools", "tool_choice", "parallel_tool_calls", "stream", "stream_options"),
        *("max_tokens", "max_completion_tokens", "user", "safety_identifier", "metadata", "store"),
        *("temperature", "top_p", "top_k", "seed", "frequency_penalty", "presence_penalty"),
        *("reasoning_effort", "verbosity", "service_tier", "prompt_cache_key", "prompt_cache_retention"),
    }
)
"""What a request may say and still be answered by anybody; the sampling of a sure answer changes nothing."""
_USUAL: dict[str, Any] = {
    "n": 1,
    "logprobs": False,
    "top_logprobs": 0,
    "response_format": {"type": "text"},
    "modalities": ["text"],
    "stop": [],
    "logit_bias": {},
}
"""What may be said too, with this value."""


@dataclass(frozen=True, kw_only=True)
class Demands:
    """What a request asks for beyond an answer to its words."""

    stream: bool = False
    usage: bool = False
    """Whether the stream is to end with the tokens used."""
    forced: str = ""
    """The one tool that is to be called."""
    single: bool = False
    """Whether one call at most is wanted."""
    most_tokens: int | None = None
    beyond: str = ""
    """What only the model that was asked can give; empty when there is nothing of that."""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Demands:
        choice = body.get("tool_choice")
        named = _mapping(_mapping(choice).get("function")).get("name")
        most = body.get("max_completion_tokens", body.get("max_tokens"))
        return cls(
            stream=body.get("stream") is True,
            usage=_mapping(body.get("stream_options")).get("include_usage") is True,
            forced=str(named or ""),
            single=body.get("parallel_tool_calls") is False,
            most_tokens=most if isinstance(most, int) else None,
            beyond=_beyond(body, choice, named),
        )


def _beyond(body: Mapping[str, Any], choice: Any, named: Any) -> str:
    for name, value in body.items():
        if name not in _FREE and value is not None and value != _USUAL.get(name):
            return name
    if choice not in (None, "auto", "required") and not named:
        return "tool_choice"
    said = [message for message in body["messages"] if isinstance(message, Mapping)]
    for part in (part for message in said for part in _parts(message.get("content"))):
        if "text" not in part:
            return str(part.get("type", "a part that is no text"))
    return ""


@dataclass(frozen=True)
class Asked:
    """One request."""

    model: str
    messages: tuple[dict[str, Any], ...]
    """Role and content as text; ``tool_calls`` and ``tool_call_id`` where they were."""
    tools: tuple[dict[str, Any], ...]
    """Name, description and parameters."""
    schema: dict[str, Any] | None
    """Of the answer, when one was asked for."""
    user: str
    demands: Demands

    @classmethod
    def of(cls, body: Any) -> Asked:
        """Read a request's body.

        Raises:
            ValueError: it is no chat request.
        """
        if not isinstance(body, Mapping) or not isinstance(body.get("messages"), list):
            raise ValueError("no messages")
        shape = _mapping(_mapping(body.get("response_format")).get("json_schema")).get("schema")
        return cls(
            model=str(body.get("model", "")),
            messages=tuple(_message(message) for message in body["messages"] if isinstance(message, Mapping)),
            tools=tuple(_definitions(body)),
            schema=dict(shape) if isinstance(shape, Mapping) else None,
            user=str(body.get("user") or ""),
            demands=Demands.of(body),
        )

    @property
    def task(self) -> str:
        """What a person said last."""
        said = [message["content"] for message in self.messages if message["role"] == "user"]
        return said[-1] if said else ""

    def opening(self) -> str:
        """Names the conversation by how it began; all its turns have the same."""
        said = [at for at, message in enumerate(self.messages) if message["role"] == "user"]
        return _named(self.messages[: said[0] + 1 if said else 1])

    def earlier(self) -> str:
        """Names the conversation up to the model's last answer; empty when this request begins one."""
        for at in range(len(self.messages) - 1, -1, -1):
            if self.messages[at]["role"] == "assistant":
                return _named(self.messages[: at + 1])
        return ""

    def later(self, answer: Answered) -> str:
        """Names the conversation with this answer, as `earlier` will when it goes on."""
        return _named((*self.messages, _message(answer.message())))


@dataclass
class Answered:
    """What came back."""

    text: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    """As they came: id, name and arguments as JSON text."""
    model: str = ""
    finish: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    error: str = ""
    """What the server says went wrong, though its status says that nothing did."""
    told: list[tuple[str, float]] = field(default_factory=list)
    """Tokens with their log probabilities, for an agent that asks for them."""

    @classmethod
    def of(cls, body: Any) -> Answered:
        """Read an answer's body, of several choices the first; what is not there stays empty."""
        body = _mapping(body)
        choice = _first_choice(body)
        message = _mapping(choice.get("message"))
        answer = cls(
            text=_text(message.get("content")),
            finish=str(choice.get("finish_reason") or ""),
            error=_error_in(body),
        )
        for call in _list(message.get("tool_calls")):
            function = _mapping(_mapping(call).get("function"))
            answer.tool_calls.append(
                {
                    "id": str(_mapping(call).get("id", "")),
                    "name": str(function.get("name", "")),
                    "arguments": str(function.get("arguments", "")),
                }
            )
        answer._hear(choice)
        answer._count(body)
        return answer

    def _hear(self, choice: Mapping[str, Any]) -> None:
        for token in map(_mapping, _list(_mapping(choice.get("logprobs")).get("content"))):
            said = token.get("logprob")
            if isinstance(said, int | float):
                self.told.append((str(token.get("token", "")), min(0.0, said)))

    def tokens(self) -> list[tuple[int, float]]:
        """Characters and probability of each token of `raw`, as the record has them; empty when nobody told.

        A call's tokens are not those of `raw`, in which the server's JSON is written anew: then all of it
        counts as one. OpenAI tells the tokens of texts alone.
        """
        raw, pieces, at = self.raw, list[tuple[int, float]](), 0
        said = "".join(token for token, _ in self.told)
        if not raw or not self.told or any(call["name"] not in said for call in self.tool_calls):
            return []
        if not said.startswith(raw):
            return [(len(raw), math.exp(sum(log for _, log in self.told)))]
        for token, log in self.told:
            length = min(len(token), len(raw) - at)
            at += length
            if length or not pieces:
                pieces.append((length, math.exp(log)))
            else:  # what ends the answer
                pieces[-1] = (pieces[-1][0], pieces[-1][1] * math.exp(log))
        return pieces

    def _count(self, body: Mapping[str, Any]) -> None:
        usage = _mapping(body.get("usage"))
        self.model = str(body.get("model") or self.model)
        self.tokens_in = _whole(usage.get("prompt_tokens"), self.tokens_in)
        self.tokens_out = _whole(usage.get("completion_tokens"), self.tokens_out)

    def add(self, chunk: Any) -> None:
        """Take one event of a stream."""
        chunk = _mapping(chunk)
        choice = _first_choice(chunk)
        delta = _mapping(choice.get("delta"))
        self.text += _text(delta.get("content"))
        for part in _list(delta.get("tool_calls")):
            self._add_call(_mapping(part))
        self.finish = str(choice.get("finish_reason") or self.finish)
        self.error = self.error or _error_in(chunk)
        self._hear(choice)
        self._count(chunk)

    def _add_call(self, part: Mapping[str, Any]) -> None:
        at = _whole(part.get("index"), len(self.tool_calls))
        if at > len(self.tool_calls):
            at = len(self.tool_calls)
        if at == len(self.tool_calls):
            self.tool_calls.append({"id": "", "name": "", "arguments": ""})
        call, function = self.tool_calls[at], _mapping(part.get("function"))
        call["id"] = str(part.get("id") or call["id"])
        call["name"] += str(function.get("name") or "")
        call["arguments"] += str(function.get("arguments") or "")

    @property
    def raw(self) -> str:
        """The answer as a model wrote it: its text, or its calls with their arguments as they came."""
        return storable(compact_json(self.tool_calls) if self.tool_calls else self.text)

    def message(self) -> dict[str, Any]:
        """The assistant's turn, in the form of the API."""
        calls = [
            {"id": call["id"], "function": {"name": call["name"], "arguments": call["arguments"]}}
            for call in self.tool_calls
        ]
        return {"role": "assistant", "content": self.text, **({"tool_calls": calls} if calls else {})}

    def calls(self) -> list[dict[str, Any]]:
        """The calls with their arguments as JSON.

        Raises:
            ValueError: arguments that are no JSON object; the message says whose.
        """
        return [
            {"name": call["name"], "arguments": _arguments(call["name"], call["arguments"])}
            for call in self.tool_calls
        ]


class Stream:
    """Server-sent events, put together again as they pass."""

    def __init__(self) -> None:
        self.answer = Answered()
        self.done = False
        """Whether the last event was seen."""
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._line = ""

    @property
    def broken(self) -> str:
        """Why what came is no whole answer; empty when it is one."""
        if self.answer.error or self.done or self.answer.finish:
            return self.answer.error
        return "the stream ended before the answer did"

    def feed(self, data: bytes) -> None:
        """Take bytes as they came, cut anywhere."""
        *lines, self._line = (self._line + self._decoder.decode(data)).split("\n")
        for line in lines:
            kind, _, value = line.strip().partition(":")
            if kind != "data":
                continue
            if value.strip() == _DONE:
                self.done = True
                continue
            try:
                chunk = json.loads(value)
            except (ValueError, RecursionError):
                continue  # an event that is not of this protocol passes unread
            self.answer.add(chunk)


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {
        "role": str(message.get("role", "user")),
        "content": storable(_text(message.get("content"))),
    }
    if calls := _list(message.get("tool_calls")):
        kept["tool_calls"] = [
            {
                "id": str(_mapping(call).get("id", "")),
                "type": "function",
                "function": {
                    name: str(_mapping(_mapping(call).get("function")).get(name, ""))
                    for name in ("name", "arguments")
                },
            }
            for call in calls
        ]
    if message.get("tool_call_id"):
        kept["tool_call_id"] = str(message["tool_call_id"])
    return kept


def _text(content: Any) -> str:
    """A message's content as text; what is no text (an image) is named, not kept."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    said = (part.get("text", f"[{part.get('type', 'part')}]") for part in _parts(content))
    return "\n".join(str(part) for part in said)


def _parts(content: Any) -> Iterable[Mapping[str, Any]]:
    if content is None or isinstance(content, str):
        return ()
    return map(_mapping, content if isinstance(content, Sequence) else [content])


def _definitions(body: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    # `functions` is the form before tools; many agents still send it.
    given = [_mapping(_mapping(tool).get("function")) for tool in _list(body.get("tools"))]
    for function in [*given, *map(_mapping, _list(body.get("functions")))]:
        if function.get("name"):
            yield {
                "name": str(function["name"]),
                "description": str(function.get("description") or ""),
                "parameters": dict(_mapping(function.get("parameters"))) or {"type": "object"},
            }


def _arguments(name: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise ValueError(f"{name}: its arguments are not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{name}: its arguments are no JSON object")
    return value


def _named(messages: Iterable[Mapping[str, Any]]) -> str:
    """A digest of what was said; ids and white space differ between an answer and its way back."""
    told = []
    for message in messages:
        calls = [_mapping(call).get("function", {}) for call in message.get("tool_calls", ())]
        told.append([message["role"], message["content"].strip(), [_folded(call) for call in calls]])
    return hashlib.sha256(compact_json(told).encode()).hexdigest()


def _folded(function: Mapping[str, Any]) -> list[Any]:
    try:
        arguments = json.dumps(json.loads(function.get("arguments") or "{}"), sort_keys=True)
    except ValueError:
        arguments = str(function.get("arguments"))
    return [function.get("name"), arguments]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _first_choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stream's events of several choices come mixed, each with its number."""
    choices = [_mapping(choice) for choice in _list(body.get("choices"))]
    return next((choice for choice in choices if not choice.get("index")), {})


def _error_in(body: Mapping[str, Any]) -> str:
    told = body.get("error")
    told = _mapping(told).get("message") or told
    return (told if isinstance(told, str) else compact_json(told))[:500] if told else ""


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
