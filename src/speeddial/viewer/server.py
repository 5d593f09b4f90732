"""The viewer's server: the API and the page behind the guard, on a socket that was there to be had."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import threading
from collections.abc import Callable, Collection

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from speeddial.errors import SpeeddialError
from speeddial.loopback import LOOPBACK, address_of, bound, quiet, token_of
from speeddial.project import Project
from speeddial.record import Record
from speeddial.viewer.api import Api
from speeddial.viewer.bundle import STATIC, script, style_sheet
from speeddial.viewer.security import Guard, Keys, refused

TOKEN = "SPEEDDIAL_VIEW_TOKEN"
"""Environment variable with the bearer token; without one the viewer stays on the loopback interface."""
_INDEXING, _INDEXING_PAUSE = 0.2, 1.0
"""Seconds that the search index is brought up to date for, and between two such times."""


def viewer_app(
    project: Project,
    record: Record,
    *,
    keys: Keys,
    hosts: Collection[str] = LOOPBACK,
    linked: Callable[[], None] = lambda: None,
    stopping: asyncio.Event | None = None,
) -> Guard:
    """The viewer as an ASGI application.

    Args:
        hosts: names and addresses under which it may be asked for.
        linked: called when the one-time link was used.
        stopping: ends its live tails when it is set.
    """
    app = Starlette(
        routes=[
            Mount("/api", routes=Api(project, record, stopping or asyncio.Event()).routes()),
            *_page(),
            Mount("/", StaticFiles(directory=STATIC, html=True, check_dir=False)),
        ],
        exception_handlers={HTTPException: _http_error, 500: _our_error},
    )
    # Around all of it: Starlette's own middleware would leave the answers to our errors bare.
    return Guard(app, keys=keys, hosts=hosts, linked=linked)


def _page() -> list[Route]:
    """The page, its modules as one script and its sheets as one: with thirty requests it is seen 0.2 s later.

    Their names hold their hashes, so a browser asks for each once.
    """
    sheet, code = style_sheet().encode(), script().encode()
    names = {
        name: f"{hashlib.sha256(body).hexdigest()[:16]}-{name}"
        for name, body in (("app.css", sheet), ("app.js", code))
    }
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    for name, hashed in names.items():
        page = page.replace(f'"{name}"', f'"{hashed}"')
    kept = {"Cache-Control": "private, max-age=31536000, immutable"}

    def answer(body: bytes, media_type: str, headers: dict[str, str]) -> Callable[[Request], Response]:
        return lambda request: Response(body, media_type=media_type, headers=headers)

    return [
        Route("/", answer(page.encode(), "text/html", {"Cache-Control": "no-cache"})),
        Route(f"/{names['app.css']}", answer(sheet, "text/css", kept)),
        Route(f"/{names['app.js']}", answer(code, "text/javascript", kept)),
    ]


class Viewer:
    """One server for one project's record.

    Args:
        host: a name or address to listen on.
        port: 0 for any free one.
        say: takes lines for the person at the terminal: a new link when one was used, or what failed.

    Raises:
        UserError: the port is taken, or the host is not this machine's loopback and no token is set.
    """

    def __init__(
        self,
        project: Project,
        record: Record,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        bearer = token_of(TOKEN, host, danger="read the record")
        self._record = record
        self._server: _Server | None = None
        self._keys = Keys(bearer)
        self._host = host
        self._say = say
        self._socket = bound(host, port)
        self.port = int(self._socket.getsockname()[1])
        self._stopping = asyncio.Event()
        self._app = viewer_app(
            project,
            record,
            keys=self._keys,
            hosts=LOOPBACK | {host},
            linked=self._new_link,
            stopping=self._stopping,
        )

    @property
    def link(self) -> str:
        """Where to open it; works once, then there is another."""
        return f"{address_of(self._host, self._socket)}/?token={self._keys.link}"

    def serve(self) -> None:
        """Serve until interrupted or stopped; what is recorded meanwhile is indexed for search."""
        config = quiet(self._app, lifespan="off", timeout_graceful_shutdown=3)
        self._server = _Server(config, self._stopping)
        ended = threading.Event()
        indexer = threading.Thread(target=self._index, args=(ended,), name="speeddial-index")
        indexer.start()
        try:
            self._server.run(sockets=[self._socket])
        finally:
            ended.set()
            indexer.join()
            self._socket.close()

    def stop(self) -> None:
        """End `serve`, from another thread."""
        if self._server is not None:
            self._server.should_exit = True

    def _index(self, ended: threading.Event) -> None:
        index = self._record.index
        try:
            # The first page from a cold file takes 70 to 110 ms at a million interactions, then 11.
            self._record.browse.runs()
            while not ended.is_set():
                # In small parts: runs at work wait for each.
                if index.update(_INDEXING):
                    ended.wait(_INDEXING_PAUSE)
        except SpeeddialError as error:
            self._say(f"search goes on without what is new: {error}")

    def _new_link(self) -> None:
        self._say(f"for another browser: {self.link}")


class _Server(uvicorn.Server):
    """Ends the live tails before it waits for open connections."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        await super().shutdown(sockets)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refused(error.status_code, error.detail)


async def _our_error(request: Request, error: Exception) -> Response:
    return refused(500, "the viewer failed; its terminal shows why", hint="please report it")
