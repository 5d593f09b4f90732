"""A chat server without a model, in a process of its own: it answers at once with an instance of the schema.

What is left of a call on it is the client's cost. It speaks as much of vLLM's protocol as the engine asks of
it, logarithms of probabilities for `TOKENS` tokens among that, and keeps the bodies that it was sent.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import Any

from speeddial.contract import Contract, write_json

TOKENS = 24
"""A tool call of the organizer has about as many."""


@contextmanager
def canned(models: list[str]) -> Iterator[str]:
    """Serve these models until the block ends; gives the URL."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, models), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def bodies(url: str) -> list[dict[str, Any]]:
    """Every chat request that the server was sent so far."""
    with urllib.request.urlopen(f"{url}/bodies") as reply:
        kept: list[dict[str, Any]] = json.load(reply)
    return kept


def _serve(port: Connection, models: list[str]) -> None:
    asyncio.run(_Canned(models).serve(port))


class _Canned:
    def __init__(self, models: list[str]) -> None:
        self._models = models
        self._bodies: list[bytes] = []

    async def serve(self, port: Connection) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            method, path, _ = line.decode().split(" ", 2)
            length = 0
            while (header := await reader.readline()) not in (b"\r\n", b""):
                name, _, value = header.decode().partition(":")
                if name.lower() == "content-length":
                    length = int(value)
            status, body = self._answer(method, path, await reader.readexactly(length))
            head = f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            writer.write(f"{head}\r\n\r\n".encode() + body)
            await writer.drain()
        writer.close()

    def _answer(self, method: str, path: str, sent: bytes) -> tuple[int, bytes]:
        match method, path:
            case "POST", "/v1/chat/completions":
                self._bodies.append(sent)
                return 200, _completion(sent)
            case "GET", "/v1/models":
                listing = {"object": "list", "data": [{"id": name} for name in self._models]}
                return 200, json.dumps(listing).encode()
            case "GET", "/version":
                return 200, b'{"version":"canned"}'
            case "GET", "/bodies":
                return 200, b"[" + b",".join(self._bodies) + b"]"
            case _:
                return 404, b'{"error":{"message":"Not Found"}}'


@lru_cache(maxsize=1024)
def _completion(sent: bytes) -> bytes:
    body = json.loads(sent)
    schema = (body.get("structured_outputs") or {}).get("json")
    text = write_json(Contract.from_schema(schema).example()) if schema else "ready"
    choice: dict[str, Any] = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": text},
    }
    if body.get("logprobs"):
        token = {"token": "a", "logprob": -0.1, "bytes": [97]}
        other = {"token": "b", "logprob": -3.0, "bytes": [98]}
        choice["logprobs"] = {"content": [{**token, "top_logprobs": [token, other]}] * TOKENS}
    usage = {"prompt_tokens": 100, "completion_tokens": TOKENS, "total_tokens": 100 + TOKENS}
    reply = {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [choice],
    }
    return json.dumps({**reply, "usage": usage}).encode()
