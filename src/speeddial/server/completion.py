"""A specialist's answer in the form that OpenAI's clients read: whole, or as a stream of events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from starlette.responses import JSONResponse, Response

from speeddial.messages import compact_json
from speeddial.server.chat import Answered, Asked


def response(asked: Asked, answer: Answered, run: str, headers: dict[str, str]) -> Response:
    """The answer as it was asked for.

    Args:
        run: names it on record, and so to the client.
        headers: of the response besides.
    """
    if asked.demands.stream:
        body = "".join(f"data: {event}\n\n" for event in _events(asked, answer, run))
        return Response(body, media_type="text/event-stream", headers=headers)
    message = {"role": "assistant", "content": None, "refusal": None, "tool_calls": _calls(answer)}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}
    return JSONResponse(
        {**_head("chat.completion", answer, run), "choices": [choice], "usage": _usage(answer)},
        headers=headers,
    )


def _events(asked: Asked, answer: Answered, run: str) -> Iterator[str]:
    head = _head("chat.completion.chunk", answer, run)
    if asked.demands.usage:
        head["usage"] = None

    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return compact_json({**head, "choices": [choice]})

    yield chunk({"role": "assistant", "content": None})
    for number, call in enumerate(_calls(answer)):
        arguments = call["function"]["arguments"]
        call["function"] = {**call["function"], "arguments": ""}
        yield chunk({"tool_calls": [{"index": number, **call}]})
        yield chunk({"tool_calls": [{"index": number, "function": {"arguments": arguments}}]})
    yield chunk({}, answer.finish)
    if asked.demands.usage:
        yield compact_json({**head, "choices": [], "usage": _usage(answer)})
    yield "[DONE]"


def _head(kind: str, answer: Answered, run: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{run}",
        "object": kind,
        "created": int(time.time()),
        "model": answer.model,
    }


def _calls(answer: Answered) -> list[dict[str, Any]]:
    return [
        {
            "id": call["id"],
            "type": "function",
            "function": {"name": call["name"], "arguments": call["arguments"]},
        }
        for call in answer.tool_calls
    ]


def _usage(answer: Answered) -> dict[str, int]:
    return {
        "prompt_tokens": answer.tokens_in,
        "completion_tokens": answer.tokens_out,
        "total_tokens": answer.tokens_in + answer.tokens_out,
    }
