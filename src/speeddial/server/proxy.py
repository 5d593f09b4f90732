"""The recording proxy: an OpenAI-compatible server that passes requests on unchanged and records what passed.

An agent is pointed at it with two lines, its base URL and its key; the model's own key stays in the proxy's
environment. Streams and tool calls pass byte for byte. What could not be recorded is not passed on. Where a
specialist is deployed for a request's task, it answers in the model's place if it can; see `specialists.py`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import anyio
import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from speeddial.errors import RecordError, UserError
from speeddial.loopback import LOOPBACK, host_name, same
from speeddial.server.chat import Answered, Asked, Stream
from speeddial.server.completion import response
from speeddial.server.recording import LARGE, SERVED_BY, Begun, Recording
from speeddial.server.specialists import Specialists, Turn

MOST_BYTES = 32 * 2**20
"""Of one request; images included."""
SERVED = "x-speeddial-served-by"
"""Header of answers where specialists are deployed: name of the one who served, or the large model."""
_MOST_SHADOWS = 64
"""Answers that wait to be compared; of more, some are not."""
WATCHED = 100
"""Exchanges after which it is looked at how specialists do."""
_WAIT = httpx.Timeout(600.0, connect=10.0)
# Idle connections are dropped before the server does it: uvicorn and vLLM hang up after 5 s, and a request
# sent at that moment is lost (once in 12,000 on a busy machine with httpx's own 5 s).
_LIMITS = httpx.Limits(max_keepalive_connections=100, keepalive_expiry=2.0)
_OWN_HEADERS = frozenset(
    {
        *("host", "authorization", "content-length", "accept-encoding", "connection", "keep-alive"),
        *("proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "cookie"),
    }
)
# A server that packs its answers though it was asked not to is unpacked: what passes is read too.
_NOT_BACK = frozenset(
    {
        *("content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive"),
        "set-cookie",
    }
)


class Upstream:
    """The server that really answers.

    Args:
        url: its base URL, with the path before ``/chat/completions``.
        key: what it asks for; sent as a bearer token, never shown or recorded.

    Raises:
        UserError: no such URL, or one with a password in it.
    """

    def __init__(self, url: str, key: str = "") -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"--to {url!r}: expected a URL", hint="for example https://api.openai.com/v1")
        if parts.username or parts.password or parts.query:
            raise UserError(
                "--to carries a password or a query, which would end up in the record",
                hint="give the key in the environment",
            )
        self.url = url.rstrip("/")
        self._key = key
        self._client = httpx.AsyncClient(timeout=_WAIT, limits=_LIMITS)

    async def send(self, request: Request, body: bytes) -> httpx.Response:
        """Pass a request on; its answer's body is still to be read.

        Raises:
            httpx.HTTPError: it did not answer.
        """
        headers = {name: value for name, value in request.headers.items() if name not in _OWN_HEADERS}
        # What passes is read too; a compressed stream would have to be unpacked twice.
        headers["accept-encoding"] = "identity"
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        path = request.url.path.removeprefix("/v1")
        sent = self._client.build_request(
            request.method, self.url + path, params=request.query_params, headers=headers, content=body
        )
        return await self._client.send(sent, stream=True)

    async def close(self) -> None:
        await self._client.aclose()


class Proxy:
    """The proxy as an ASGI application.

    Args:
        recording: where exchanges are written.
        upstream: the large model.
        specialists: who answers in its place; None for nobody.
        token: what agents give as their key.
        hosts: names and addresses under which it may be asked for.
        told: called with a line about each exchange, for the person at the terminal.
    """

    def __init__(
        self,
        recording: Recording,
        upstream: Upstream,
        specialists: Specialists | None = None,
        *,
        token: str,
        hosts: Collection[str] = LOOPBACK,
        told: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._recording = recording
        self._upstream = upstream
        self._specialists = specialists
        self._shadows: asyncio.Queue[tuple[Turn, Begun]] = asyncio.Queue(_MOST_SHADOWS)
        self._exchanges = 0
        self._watch_due = asyncio.Event()
        self._token = token
        self._hosts = frozenset(host.lower() for host in hosts)
        self._told = told
        self._app: ASGIApp = Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/{rest:path}", self._other, methods=["GET", "POST"]),
            ],
            lifespan=self._lifespan,
            exception_handlers={
                _TooLarge: _too_large,
                RecordError: _not_recorded,
                httpx.HTTPError: _unreachable,
            },
        )

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._ask_shadows()), asyncio.create_task(self._watch())]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await self._upstream.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refusal := self._refusal(Request(scope))):
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        name = host_name(request.headers.get("host", ""))
        if name not in self._hosts | {(request.scope.get("server") or ("", 0))[0]}:
            return _error(421, f"this server is not {name!r}", "invalid_host")
        # Agents send none; a web page that its user has open does.
        if "origin" in request.headers:
            return _error(403, "requests of web pages are not served", "forbidden")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not same(token.strip(), self._token):
            return _error(401, "expected the key that `speeddial serve` printed", "invalid_api_key")
        return None

    async def _other(self, request: Request) -> Response:
        """Anything but chat (the list of models, embeddings) passes and is not recorded."""
        answer = await self._upstream.send(request, await _body(request))
        if request.method == "POST":
            self._told(f"POST {request.url.path} passed and is not on record: only chat completions are")
        return StreamingResponse(_passed(answer), answer.status_code, _headers(answer))

    async def _chat(self, request: Request) -> Response:
        body = await _body(request)
        try:
            asked = Asked.of(json.loads(body))
        except (ValueError, RecursionError) as error:
            return _error(400, f"expected a chat request as JSON: {error}", "invalid_request")
        turn = await self._specialists.turn(asked) if self._specialists is not None else None
        about = {"upstream": self._upstream.url}
        if turn is None or self._specialists is None:
            begun = await self._recording.ask(await self._recording.begin(asked, about))
            return await self._pass(request, body, begun)
        self._exchanges += 1
        if self._exchanges % WATCHED == 0:
            self._watch_due.set()
        begun = await self._recording.begin(asked, about | turn.about())
        came = await self._specialists.answer(turn, asked, begun.run)
        if isinstance(came, Answered):
            await self._recording.served(begun, came)
            self._told(f"{begun.run}  {turn.task}  {begun.about['expert']}")
            self._beside(turn, begun)
            return response(asked, came, begun.run, {SERVED: begun.about["expert"]})
        begun = replace(begun, about={**begun.about, SERVED_BY: LARGE, "why": came.why})
        begun = await self._recording.ask(begun, escalated_from=came.interaction, reason=came.reason)
        return await self._pass(request, body, begun, turn)

    def _beside(self, turn: Turn | None, begun: Begun) -> None:
        """Have the answer compared when there is time for it."""
        if turn is not None and turn.beside is not None and not self._shadows.full():
            self._shadows.put_nowait((turn, begun))

    async def _ask_shadows(self) -> None:
        while True:
            turn, begun = await self._shadows.get()
            assert self._specialists is not None
            try:
                await self._specialists.shadow(turn, begun.asked, begun.run)
            except Exception as error:  # noqa: BLE001 - nobody waits for it, and the next may be asked well
                self._told(f"{begun.run}  not compared: {error!r}")

    async def _watch(self) -> None:
        while True:
            await self._watch_due.wait()
            self._watch_due.clear()
            assert self._specialists is not None
            try:
                await asyncio.to_thread(self._specialists.watch)
            except Exception as error:  # noqa: BLE001 - agents are served whatever becomes of the count
                self._told(f"not watched: {error!r}")

    async def _pass(self, request: Request, body: bytes, begun: Begun, turn: Turn | None = None) -> Response:
        """Have the large model answer."""
        began = time.perf_counter()
        try:
            answer = await self._upstream.send(request, body)
        except httpx.HTTPError as error:
            await self._recording.fail(begun, f"no answer: {type(error).__name__}", _since(began))
            raise
        streamed = answer.headers.get("content-type", "").startswith("text/event-stream")
        if streamed and answer.is_success:
            sent: Response = StreamingResponse(
                self._streamed(answer, begun, began, turn), answer.status_code, _headers(answer)
            )
        else:
            sent = await self._whole(answer, begun, began, turn)
        if turn is not None:
            sent.headers[SERVED] = LARGE
        return sent

    async def _whole(self, answer: httpx.Response, begun: Begun, began: float, turn: Turn | None) -> Response:
        try:
            data = await answer.aread()
        except httpx.HTTPError as error:
            await self._recording.fail(begun, f"cut off: {type(error).__name__}", _since(began))
            raise
        if answer.is_success:
            try:
                read = Answered.of(json.loads(data))
            except (ValueError, RecursionError):
                await self._recording.fail(begun, "the answer is not JSON", _since(began))
            else:
                await self._ended(begun, read, read.error, began, turn)
        else:
            said = data.decode(errors="replace")[:500]
            await self._recording.fail(begun, f"HTTP {answer.status_code}: {said}", _since(began))
        self._told(f"{begun.run}  {begun.asked.model}  HTTP {answer.status_code}")
        return Response(data, answer.status_code, _headers(answer))

    async def _ended(
        self, begun: Begun, answer: Answered, broken: str, began: float, turn: Turn | None
    ) -> None:
        if broken:
            await self._recording.fail(begun, broken, _since(began), answer)
        else:
            await self._recording.end(begun, answer, _since(began))
            self._beside(turn, begun)

    async def _streamed(
        self, answer: httpx.Response, begun: Begun, began: float, turn: Turn | None
    ) -> AsyncIterator[bytes]:
        stream, held, ended = Stream(), b"", False
        try:
            async for data in answer.aiter_bytes():
                stream.feed(data)
                # The end is passed on when all of it is on disk, and not before.
                if stream.done:
                    held += data
                else:
                    yield data
            await self._ended(begun, stream.answer, stream.broken, began, turn)
            ended = True
            self._told(f"{begun.run}  {begun.asked.model}  streamed")
            yield held
        except httpx.HTTPError as error:
            ended = True
            why = f"cut off: {type(error).__name__}"
            await self._recording.fail(begun, why, _since(began), stream.answer)
            raise
        finally:
            # The task of an agent that hung up is cancelled; what came until then is written all the same.
            with anyio.CancelScope(shield=True):
                if not ended:
                    await self._recording.fail(begun, "the agent hung up", _since(began), stream.answer)
                await answer.aclose()


async def _passed(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for data in answer.aiter_bytes():
            yield data
    finally:
        await answer.aclose()


class _TooLarge(Exception):
    """A request of more than `MOST_BYTES`."""


async def _body(request: Request) -> bytes:
    held = bytearray()
    async for data in request.stream():
        held += data
        if len(held) > MOST_BYTES:
            raise _TooLarge
    return bytes(held)


def _headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in _NOT_BACK}


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _error(status: int, message: str, code: str) -> Response:
    """An error in the form that OpenAI's clients read."""
    return JSONResponse({"error": {"message": message, "type": code, "code": code}}, status)


async def _too_large(request: Request, error: Exception) -> Response:
    return _error(413, f"a request may have {MOST_BYTES} bytes", "too_large")


async def _not_recorded(request: Request, error: Exception) -> Response:
    return _error(503, f"not recorded, so not passed on: {error}", "not_recorded")


async def _unreachable(request: Request, error: Exception) -> Response:
    return _error(502, f"the model's server did not answer: {type(error).__name__}", "upstream_unreachable")
