"""The story's large model: an OpenAI-compatible server that answers what it is known to answer.

    python -m examples.convert_agent.teacher ANSWERS.jsonl --log LOG.jsonl

Rows of ANSWERS are ``{"text", "call"}``; a text that stands there twice is answered in turn. Each answer is
logged with its tokens, so that what a proxy counts can be held against what was really asked. It listens on
loopback, prints its base URL and a key, and is ended by Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any, TextIO

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

MODEL = "large"
KEY = "TEACHER_KEY"
"""Environment variable with its key; without one it makes one up."""
BYTES_A_TOKEN = 4
"""Of English with OpenAI's tokenizers; there is no tokenizer here."""


class Teacher:
    """The server as an ASGI application.

    Args:
        answers: text -> the calls that it is answered with, in turn.
        key: what is asked for.
        log: takes a line for each answer.
    """

    def __init__(self, answers: Mapping[str, list[dict[str, Any]]], *, key: str, log: TextIO) -> None:
        self._answers: dict[str, Iterator[dict[str, Any]]] = {
            text: cycle(calls) for text, calls in answers.items()
        }
        self._key = key
        self._log = log
        self.app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._models),
            ]
        )

    async def _models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    async def _chat(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self._key}":
            return JSONResponse({"error": {"message": "wrong key", "code": "invalid_api_key"}}, 401)
        sent = await request.body()
        body = json.loads(sent)
        text = str(body["messages"][-1]["content"])
        known = self._answers.get(text)
        call = next(known) if known else None
        message = _message(call)
        usage = {
            "prompt_tokens": len(sent) // BYTES_A_TOKEN,
            "completion_tokens": len(json.dumps(message)) // BYTES_A_TOKEN,
        }
        usage["total_tokens"] = sum(usage.values())
        row = {"text": text, "call": call, "streamed": bool(body.get("stream")), **usage}
        self._log.write(json.dumps(row) + "\n")
        self._log.flush()
        head = {"id": f"chat-{secrets.token_hex(6)}", "created": 0, "model": MODEL}
        finish = "tool_calls" if call else "stop"
        if body.get("stream"):
            return StreamingResponse(_events(head, message, finish, usage), media_type="text/event-stream")
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return JSONResponse({**head, "object": "chat.completion", "choices": [choice], "usage": usage})


def _message(call: Mapping[str, Any] | None) -> dict[str, Any]:
    if call is None:
        return {"role": "assistant", "content": "I do not know."}
    function = {
        "name": call["name"],
        "arguments": json.dumps(call["arguments"]),
    }
    made = {"id": f"call_{secrets.token_hex(6)}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [made]}


async def _events(
    head: Mapping[str, Any], message: Mapping[str, Any], finish: str, usage: Mapping[str, int]
) -> AsyncIterator[str]:
    """An answer in pieces: the call's name, its arguments in two parts, how it ended, what it took."""
    deltas: list[dict[str, Any]] = []
    if calls := message.get("tool_calls"):
        (call,) = calls
        name, text = call["function"]["name"], call["function"]["arguments"]
        opening = {"index": 0, **call, "function": {"name": name, "arguments": ""}}
        deltas.append({"role": "assistant", "tool_calls": [opening]})
        for part in (text[: len(text) // 2], text[len(text) // 2 :]):
            deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})
    else:
        deltas.append({"role": "assistant", "content": message["content"]})
    for delta in deltas:
        yield _event(head, [{"index": 0, "delta": delta, "finish_reason": None}])
    yield _event(head, [{"index": 0, "delta": {}, "finish_reason": finish}])
    yield _event(head, [], usage=usage)
    yield "data: [DONE]\n\n"


def _event(head: Mapping[str, Any], choices: list[Any], **more: Any) -> str:
    chunk = {**head, "object": "chat.completion.chunk", "choices": choices, **more}
    return f"data: {json.dumps(chunk)}\n\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("answers", type=Path)
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    answers: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in options.answers.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        answers[row["text"]].append(row["call"])
    key = os.environ.get(KEY) or secrets.token_urlsafe(24)
    with options.log.open("a", encoding="utf-8") as log, socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"base_url=http://127.0.0.1:{listener.getsockname()[1]}/v1")
        print(f"api_key={key}", flush=True)
        app = Teacher(answers, key=key, log=log).app
        uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False)).run(sockets=[listener])


if __name__ == "__main__":
    main()
