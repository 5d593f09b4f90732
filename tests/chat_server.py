"""A real HTTP server that speaks the chat protocol of OpenAI and vLLM, well or badly, on a thread of its own.

It decodes for real: a model without weights that takes, byte by byte, the first byte of its taste that
llguidance admits. What is played is the server around it: which request field it honours, how it fails.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import llguidance
import llguidance.numpy
import numpy as np

CHATTER = "Sure! I am ready to help you with that."
TASTE = b'"}],:{0123456789abcdefghijklmnopqrstuvwxyz[- '
"""Bytes in the order in which the weightless model likes them: it closes what it can."""

SPACES = {32: 100, 10: 101}
"""The token numbers of its two kinds of whitespace, as ``/tokenize`` tells them."""


def decode(schema: dict[str, Any], max_tokens: int, *, likes_spaces: bool = False) -> tuple[str, str]:
    """Text under the schema and how it ended (``stop`` or ``length``); raises ValueError on a bad schema."""
    tokenizer = llguidance.LLTokenizer("byte")
    matcher = llguidance.LLMatcher(tokenizer, llguidance.grammar_from("json_schema", json.dumps(schema)))
    if matcher.is_error():
        raise ValueError(matcher.get_error())
    bitmask = llguidance.numpy.allocate_token_bitmask(1, tokenizer.vocab_size)
    order = (b" \n" + TASTE) if likes_spaces else TASTE
    text = bytearray()
    while not (matcher.is_accepting() and not likes_spaces) and not matcher.is_stopped():
        if len(text) >= max_tokens:
            return text.decode(errors="ignore"), "length"
        llguidance.numpy.fill_next_token_bitmask(matcher, bitmask)
        admitted = np.unpackbits(bitmask[0].view(np.uint8), bitorder="little")[:256]
        byte = next((byte for byte in order if admitted[byte]), None)
        if byte is None:
            byte = int(np.flatnonzero(admitted)[0])
        matcher.consume_token(byte)
        text.append(byte)
    return text.decode(), "stop"


@dataclass
class ChatServer:
    """How the server behaves; its fields may be changed between requests."""

    honours: tuple[str, ...] = ("structured_outputs", "response_format")
    """The request fields that it knows; others are ignored with HTTP 200, as vLLM does."""
    latches: bool = False
    """After a schema without ``allOf`` it takes any JSON for an ``allOf``, as xgrammar does."""
    free_whitespace: bool = False
    indents: bool = False
    ignores_bias: bool = False
    strict_subset: bool = False
    """Refuses what OpenAI's strict mode refuses: a union at the root, keys that are not required."""
    refuses_logprobs: bool = False
    tells_bytes: bool = True
    """As OpenAI does; vLLM tells a replacement character for a token that ends within a character."""
    end_token: str = "<|im_end|>"
    """Told last, as vLLM does; no part of the text."""
    key: str = ""
    models: tuple[str, ...] = ("base", "organizer")
    modules: dict[str, str] = field(default_factory=dict)
    """LoRA modules besides: name -> path, as vLLM tells it."""
    loads: bool = False
    """Whether it loads modules when it is told to."""
    loaded: list[dict[str, Any]] = field(default_factory=list)
    """Every request to load one."""
    version: str = "0.32.0"
    delay: float = 0.0
    barrier: threading.Barrier | None = None
    """Chat requests wait here for each other, after the delay."""
    faults: list[Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=list)
    """Taken one by one before anything else is done; each writes the whole answer."""
    vector: Callable[[str], list[float]] | None = None
    """Makes a text's embedding; without it there are none."""
    embedded: list[list[str]] = field(default_factory=list)
    """The texts of every embeddings request so far."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """Every chat request so far."""
    most_at_once: int = 0
    url: str = ""
    _latched: bool = False
    _running: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def running(self) -> Iterator[ChatServer]:
        """Serve on a free port of the loopback interface until the block ends."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # headers and body in one packet: apart they cost 40 ms (delayed ACK)

            def log_message(self, format: str, *args: Any) -> None:
                return

            def do_GET(self) -> None:
                if self.path == "/version":
                    answer(self, 200, {"version": outer.version})
                elif self.path == "/v1/models":
                    rows = [{"id": name} for name in outer.models]
                    rows += [
                        {"id": name, "root": root, "parent": outer.models[0]}
                        for name, root in outer.modules.items()
                    ]
                    answer(self, 200, {"object": "list", "data": rows})
                else:
                    answer(self, 404, {"error": {"message": "Not Found", "code": 404}})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/tokenize":
                    answer(self, 200, {"tokens": list(SPACES.values()), "count": 2})
                elif self.path == "/v1/load_lora_adapter":
                    outer._load(self, body)
                elif self.path == "/v1/embeddings":
                    outer._embed(self, body)
                else:
                    outer._chat(self, body)

        class QuietServer(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                return  # a client that gave up waiting is part of the tests

        server = QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def _chat(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        with self._lock:
            self.bodies.append(body)
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
            fault = self.faults.pop(0) if self.faults else None
        try:
            if fault is not None:
                fault(handler)
                return
            time.sleep(self.delay)
            if self.barrier is not None:
                self.barrier.wait(60)
            self._answer_chat(handler, body)
        finally:
            with self._lock:
                self._running -= 1

    def _embed(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        self.embedded.append(body["input"])
        if self.faults:
            self.faults.pop(0)(handler)
        elif self.key and handler.headers["Authorization"] != f"Bearer {self.key}":
            answer(handler, 401, {"error": {"message": "Incorrect API key provided"}})
        elif self.vector is None or body["model"] not in self.models:
            answer(handler, 404, {"error": {"message": f"no embeddings of {body['model']}"}})
        else:
            time.sleep(self.delay)
            rows = [{"index": at, "embedding": self.vector(text)} for at, text in enumerate(body["input"])]
            answer(handler, 200, {"data": rows[::-1]})

    def _load(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        """As vLLM 0.32 does."""
        if not self.loads:
            return answer(handler, 404, {"detail": "Not Found"})
        self.loaded.append(body)
        name, path = body["lora_name"], body["lora_path"]
        if name in self.modules and not body.get("load_inplace"):
            said = f"The lora adapter '{name}' has already been loaded."
            return answer(handler, 400, {"error": {"message": said, "code": 400}})
        if not Path(path).is_dir():
            said = f"Loading lora {name} failed: No adapter found for {path}"
            return answer(handler, 404, {"error": {"message": said, "code": 404}})
        self.modules[name] = path
        return answer(handler, 200, f"Success: LoRA adapter '{name}' added successfully.", "text/plain")

    def _answer_chat(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        if self.key and handler.headers.get("Authorization") != f"Bearer {self.key}":
            given = handler.headers.get("Authorization", "").removeprefix("Bearer ")
            return answer(handler, 401, {"error": {"message": f"Incorrect API key provided: {given}"}})
        if body["model"] not in (*self.models, *self.modules):
            return answer(
                handler, 404, {"error": {"message": f"The model `{body['model']}` does not exist."}}
            )
        if self.refuses_logprobs and body.get("logprobs"):
            return answer(handler, 400, {"error": {"message": "logprobs are not supported with this model"}})
        schema = self._schema(body)
        biased = bool(body.get("logit_bias")) and not self.ignores_bias
        if schema is None:
            return answer(handler, 200, self._completion(body, " \n" if biased else CHATTER, "stop"))
        if self.strict_subset and (why := _outside_subset(schema, root=True)):
            return answer(handler, 400, {"error": {"message": f"Invalid schema for response_format: {why}"}})
        spaces = self.free_whitespace and biased
        if self.free_whitespace:
            schema = {key: value for key, value in schema.items() if key != "x-guidance"}
        else:
            schema["x-guidance"] = {"whitespace_flexible": False}
        try:
            text, finish = decode(self._as_latched(schema), body.get("max_tokens", 4096), likes_spaces=spaces)
        except ValueError as error:
            return answer(handler, 400, {"error": {"message": f"Grammar error: {error}", "code": 400}})
        if self.indents and finish == "stop":
            text = json.dumps(json.loads(text), indent=4)
        return answer(handler, 200, self._completion(body, text, finish))

    def _schema(self, body: dict[str, Any]) -> dict[str, Any] | None:
        given = {
            "structured_outputs": (body.get("structured_outputs") or {}).get("json"),
            "guided_json": body.get("guided_json"),
            "response_format": (body.get("response_format") or {}).get("json_schema", {}).get("schema"),
        }
        return next((dict(given[name]) for name in self.honours if given.get(name) is not None), None)

    def _as_latched(self, schema: dict[str, Any]) -> dict[str, Any]:
        if not self.latches:
            return schema
        if "allOf" not in json.dumps(schema):
            self._latched = True
        return _without_all_of(schema) if self._latched else schema

    def _completion(self, body: dict[str, Any], text: str, finish: str) -> dict[str, Any]:
        choice: dict[str, Any] = {
            "index": 0,
            "finish_reason": finish,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": None,
        }
        if body.get("logprobs"):
            # The first token is forced, the others have an even chance.
            choice["logprobs"] = {
                "content": [
                    *(self._token(bytes([byte]), index == 0) for index, byte in enumerate(text.encode())),
                    *([self._token(self.end_token.encode(), False)] if self.end_token else []),
                ],
                "refusal": None,
            }
        said = sum(len(message["content"]) for message in body["messages"])
        usage = {"prompt_tokens": said, "completion_tokens": len(text), "total_tokens": said + len(text)}
        return {
            "id": "chat-1",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [choice],
            "usage": usage,
        }

    def _token(self, piece: bytes, forced: bool) -> dict[str, Any]:
        text = piece.decode(errors="replace")
        even = float(np.log(0.5))
        logprob, other = (0.0, -9999.0) if forced else (even, even)
        alternatives = [
            {"token": text, "logprob": logprob, "bytes": None},
            {"token": "other", "logprob": other, "bytes": None},
        ]
        told = list(piece if self.tells_bytes else text.encode())
        return {"token": text, "logprob": logprob, "bytes": told, "top_logprobs": alternatives}


def answer(handler: BaseHTTPRequestHandler, status: int, body: Any, kind: str = "application/json") -> None:
    """Write one whole HTTP answer."""
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """No answer at all: the connection ends."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def stream(handler: BaseHTTPRequestHandler) -> None:
    """Server-sent events, whether asked for or not."""
    chunk = {
        "id": "1",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"content": "1"}}],
    }
    answer(handler, 200, f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n", "text/event-stream")


def fault(status: int, message: str, **error: Any) -> Callable[[BaseHTTPRequestHandler], None]:
    """An error answer in the protocol's form."""
    return lambda handler: answer(handler, status, {"error": {"message": message, **error}})


def _without_all_of(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_all_of(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {} if "allOf" in schema else {key: _without_all_of(value) for key, value in schema.items()}


def _outside_subset(schema: Any, *, root: bool = False) -> str:
    if isinstance(schema, list):
        return next((why for item in schema if (why := _outside_subset(item))), "")
    if not isinstance(schema, dict):
        return ""
    if root and schema.get("type") != "object":
        return "schema must have type 'object' and not have 'anyOf' at the top level"
    properties = schema.get("properties")
    if isinstance(properties, dict):
        if set(schema.get("required", ())) != set(properties):
            return "'required' must include every key in properties"
        if schema.get("additionalProperties") is not False:
            return "'additionalProperties' must be false"
    banned = {"allOf", "oneOf", "not", "minLength", "maxLength", "prefixItems", "x-guidance"} & set(schema)
    if banned:
        return f"{sorted(banned)[0]} is not permitted"
    inner = list(properties.values()) if isinstance(properties, dict) else []
    return _outside_subset([*inner, *(value for key, value in schema.items() if key != "properties")])
