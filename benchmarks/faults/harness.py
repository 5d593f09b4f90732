"""A peer's half of the table: reads calls, lets the peer's agent make each once, writes what was seen.

It runs in the peer's own environment: the standard library, pydantic and the peer. The model is a chat
server on the loopback interface that asks for one tool call and, asked again, ends the conversation.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from benchmarks.faults.server import serving
from benchmarks.faults.tools import RECEIVED, TOOLS, fits, types_of

Message = dict[str, Any]
LAST = "I am done."
CALL_SECONDS = 60


def tool_call(name: str, arguments: str) -> Message:
    """One call as the chat protocol has it, the arguments as text."""
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"id": "call_1", "type": "function", "function": function}]}


def run(
    distribution: str,
    ask: Callable[[Any, str], Any],
    *,
    declare: Callable[[Callable[..., str]], Any] = lambda function: function,
    say: Callable[[str, str], Message | None] = tool_call,
    last: Message | None = None,
    read: Callable[[str], str | None] = lambda text: text,
) -> None:
    """Make the calls that stdin holds; write the version and, for each call, its id with what was seen.

    Args:
        distribution: what pip installed, for its version.
        ask: given a declared tool and the server's URL, runs an agent with that tool on that server.
        declare: makes the framework's tool of a function.
        say: the model's message for a call, where the framework does not use the protocol's tool calls;
            None where it has no way to say it.
        last: the model's message when it is asked again.
        read: what in the second request's new text tells of the call; None when nothing does.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # frameworks print
    speaker = _Speaker(last or {"content": LAST})
    print(version(distribution), file=out, flush=True)
    with serving(speaker.answer) as url:
        for call in json.load(sys.stdin):
            function = TOOLS[call["tool"]]
            first = say(call["name"], call["arguments"])
            if first is None:
                continue
            speaker.begin(first)
            error = ""
            # A parser that hangs holds Python's lock, so that no Python code could stop it.
            faulthandler.dump_traceback_later(CALL_SECONDS, exit=True)
            try:
                ask(declare(function), url)
            except Exception as raised:  # noqa: BLE001 - whatever a peer raises is what is measured
                error = f"{type(raised).__name__}: {raised}"
            faulthandler.cancel_dump_traceback_later()
            seen = {
                "ran": [{name: types_of(item) for name, item in given.items()} for given in RECEIVED],
                "fits": all(fits(function, given) for given in RECEIVED),
                "feedback": read(speaker.feedback) if speaker.feedback is not None else None,
                "error": error[:500],
            }
            print(json.dumps([call["id"], seen]), file=out, flush=True)
    out.close()


class _Speaker:
    def __init__(self, last: Message) -> None:
        self._last = last
        self._requests: list[list[Message]] = []
        self._first: Message = {}

    def begin(self, first: Message) -> None:
        self._first = first
        self._requests.clear()
        RECEIVED.clear()

    def answer(self, body: dict[str, Any]) -> Message:
        self._requests.append(body["messages"])
        return self._first if len(self._requests) == 1 else self._last

    @property
    def feedback(self) -> str | None:
        """What the second request tells beyond the first; None when there is none."""
        if len(self._requests) < 2:
            return None
        first, second = self._requests[:2]
        new = [message for message in second if message not in first and message["role"] != "assistant"]
        return "\n".join(_text(message["content"]) for message in new)


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content)
    return str(content)
