"""The proxy on a socket: loopback and a token, until it is interrupted."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import uvicorn

from speeddial.loopback import LOOPBACK, address_of, bound, quiet, token_of
from speeddial.record import Record
from speeddial.server.proxy import Proxy, Upstream
from speeddial.server.recording import Recording
from speeddial.server.specialists import Specialists

TOKEN = "SPEEDDIAL_SERVE_TOKEN"
"""Environment variable with the key that agents give; without one the proxy makes one up at each start."""


class ProxyServer:
    """One proxy for one record.

    Args:
        specialists: who answers in the large model's place; None for nobody.
        host: a name or address to listen on.
        port: 0 for any free one.
        told: takes a line for each exchange.

    Raises:
        UserError: the port is taken, or the host is not this machine's loopback and no token is set.
    """

    def __init__(
        self,
        record: Record,
        upstream: Upstream,
        specialists: Specialists | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        told: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.token = token_of(TOKEN, host, danger="ask the model in your name") or secrets.token_urlsafe(24)
        self._socket = bound(host, port)
        self._upstream = upstream
        self.url = f"{address_of(host, self._socket)}/v1"
        self._server: uvicorn.Server | None = None
        self._app = Proxy(
            Recording(record), upstream, specialists, token=self.token, hosts=LOOPBACK | {host}, told=told
        )

    def serve(self) -> None:
        """Serve until interrupted or stopped; exchanges that are under way come to their end."""
        # The date of a passed answer is its server's.
        config = quiet(self._app, date_header=False, lifespan="on", timeout_graceful_shutdown=30)
        self._server = uvicorn.Server(config)
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """End `serve`, from another thread."""
        if self._server is not None:
            self._server.should_exit = True
