"""The story's agent: it asks a chat model which of its tools to call, and knows nothing of Speeddial.

    OPENAI_BASE_URL=... OPENAI_API_KEY=... \\
        python -m examples.convert_agent.agent REQUESTS.jsonl --tools TOOLS.json --out ANSWERS.jsonl

Base URL and key are all that changes when it is pointed at `speeddial serve --record`. Every other request is
streamed. Run again it goes on with what has no answer yet.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import httpx

SYSTEM = "You are an assistant on a phone. Call the tool that does what you are asked for."
MODEL = "large"
AT_ONCE = 8


async def ask(client: httpx.AsyncClient, text: str, tools: list[Any], *, stream: bool) -> dict[str, Any]:
    """One request's answer: the model's name, its calls, what it said, and the tokens it took.

    Raises:
        httpx.HTTPError: the server refused, or did not answer.
    """
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]
    body: dict[str, Any] = {"model": MODEL, "messages": messages, "tools": tools}
    if not stream:
        response = (await client.post("/chat/completions", json=body)).raise_for_status()
        data = response.json()
        return _answer(data["model"], data["choices"][0]["message"], data.get("usage"))
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    message: dict[str, Any] = {"content": "", "tool_calls": []}
    model, usage = "", None
    async with client.stream("POST", "/chat/completions", json=body) as response:
        response.raise_for_status()
        async for line in response.aiter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            chunk = json.loads(line.removeprefix("data: "))
            model, usage = chunk.get("model") or model, chunk.get("usage") or usage
            for choice in chunk["choices"]:
                _add(message, choice["delta"])
    return _answer(model, message, usage)


def _add(message: dict[str, Any], delta: Mapping[str, Any]) -> None:
    message["content"] += delta.get("content") or ""
    for part in delta.get("tool_calls") or ():
        if part["index"] == len(message["tool_calls"]):
            message["tool_calls"].append({"function": {"name": "", "arguments": ""}})
        function = message["tool_calls"][part["index"]]["function"]
        for name in ("name", "arguments"):
            function[name] += part.get("function", {}).get(name) or ""


def _answer(model: str, message: Mapping[str, Any], usage: Mapping[str, int] | None) -> dict[str, Any]:
    made = [call["function"] for call in message.get("tool_calls") or ()]
    return {
        "model": model,
        "calls": [{"name": call["name"], "arguments": json.loads(call["arguments"])} for call in made],
        "said": message.get("content") or "",
        "tokens": (usage or {}).get("total_tokens", 0),
    }


async def work(requests: list[dict[str, str]], tools: list[Any], out: TextIO, *, at_once: int) -> None:
    """Ask all requests, several at once, and write each answer when it is there."""
    left = iter(enumerate(requests))
    async with httpx.AsyncClient(
        base_url=os.environ["OPENAI_BASE_URL"],
        headers={"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"},
        timeout=120,
    ) as client:

        async def worker() -> None:
            for number, row in left:
                began = time.perf_counter()
                answer = await ask(client, row["text"], tools, stream=number % 2 == 1)
                answer["seconds"] = round(time.perf_counter() - began, 4)
                out.write(json.dumps({"id": row["id"], **answer}) + "\n")
                out.flush()

        await asyncio.gather(*(worker() for _ in range(at_once)))


def answered(file: Path) -> dict[str, dict[str, Any]]:
    """Request -> answer, of what was written so far; a line that a kill cut off does not count."""
    if not file.exists():
        return {}
    whole, _, _ = file.read_text(encoding="utf-8").rpartition("\n")
    return {row["id"]: row for row in map(json.loads, whole.splitlines())}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("requests", type=Path, help='rows {"id", "text"}')
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    options = parser.parse_args()
    done = answered(options.out)
    requests = [json.loads(line) for line in options.requests.read_text(encoding="utf-8").splitlines()]
    definitions = json.loads(options.tools.read_text(encoding="utf-8"))
    tools = [{"type": "function", "function": definition} for definition in definitions]
    options.out.write_text("".join(json.dumps(row) + "\n" for row in done.values()), encoding="utf-8")
    with options.out.open("a", encoding="utf-8") as out:
        left = [row for row in requests if row["id"] not in done]
        asyncio.run(work(left, tools, out, at_once=options.at_once))


if __name__ == "__main__":
    main()
