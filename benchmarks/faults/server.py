"""A chat server on the loopback interface that says what it is told to; nothing but the standard library."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Raw:
    """A whole HTTP answer."""

    body: str
    kind: str = "application/json"
    status: int = 200


@contextmanager
def serving(answer: Callable[[dict[str, Any]], dict[str, Any] | Raw]) -> Iterator[str]:
    """Serve the chat completions protocol until the block ends.

    Args:
        answer: from the body of a request to the message of the one choice, or to a whole HTTP answer.

    Yields:
        the URL of the server, without ``/v1``.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # headers and body in one packet: apart they cost 40 ms (delayed ACK)

        def log_message(self, format: str, *args: Any) -> None:
            return

        def do_GET(self) -> None:
            self._send(Raw(json.dumps({"version": "0.32.0", "object": "list", "data": [{"id": "fault"}]})))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not self.path.endswith("/chat/completions"):
                return self._send(Raw("{}", status=404))
            said = answer(body)
            self._send(said if isinstance(said, Raw) else Raw(json.dumps(_completion(said))))

        def _send(self, raw: Raw) -> None:
            data = raw.body.encode()
            self.send_response(raw.status)
            self.send_header("Content-Type", raw.kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _completion(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "chat-1",
        "object": "chat.completion",
        "created": 0,
        "model": "fault",
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls" if message.get("tool_calls") else "stop",
                "message": {"role": "assistant", "content": None, **message},
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
