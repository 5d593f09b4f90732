"""Who may talk to the viewer: hosts, origins, tokens, and the headers that keep a page in its place.

A record holds what people asked and what models answered. The loopback interface of a shared machine
is not private, and every web page that its user opens can send requests to it. So each request is held
against: an exact list of host names (DNS rebinding), the page that it comes from (`Origin`,
`Sec-Fetch-Site`), a cookie or bearer token, and for changes a header that no foreign page can send.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from speeddial.loopback import host_name, same

_CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; frame-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SAFE = frozenset({"GET", "HEAD"})


class Keys:
    """The secrets of one server: a link that works once, a cookie, and a bearer token for scripts.

    Args:
        bearer: the token that scripts send; a fresh one unless given.
    """

    def __init__(self, bearer: str = "") -> None:
        self.bearer = bearer or secrets.token_urlsafe(32)
        self.cookie = secrets.token_urlsafe(32)
        self.link = secrets.token_urlsafe(32)

    def used(self, link: str) -> bool:
        """Whether this is the link's token; it is another one from then on."""
        if not same(link, self.link):
            return False
        self.link = secrets.token_urlsafe(32)
        return True

    def knows(self, headers: Mapping[str, str], cookie_name: str) -> bool:
        """Whether a request may read the record."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return same(token.strip(), self.bearer)
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(cookie_name)
        except CookieError:
            return False
        return cookie is not None and same(cookie.value, self.cookie)


class Guard:
    """ASGI middleware that lets through only what the rules above allow.

    Args:
        hosts: names and addresses under which the server may be asked for.
        linked: called when the link was used and a new one is valid.
    """

    def __init__(
        self, app: ASGIApp, *, keys: Keys, hosts: Collection[str], linked: Callable[[], None] = lambda: None
    ) -> None:
        self._app = app
        self._keys = keys
        self._hosts = frozenset(host.lower() for host in hosts)
        self._linked = linked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            # Nothing here speaks WebSocket; closing before accepting is a 403.
            await send({"type": "websocket.close", "code": 1008})
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                # The page's own files may be kept, if asked for anew each time; what is on record may not.
                kept = not scope["path"].startswith("/api/")
                headers.setdefault("Cache-Control", "no-cache" if kept else "no-store")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, guarded)
        else:
            await refusal(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        """What to answer instead; None when the request may go on."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        # The address that the connection came to is never a name that a foreign server could have set.
        server = scope.get("server") or ("", None)
        if len(headers.getlist("host")) != 1 or host_name(host) not in self._hosts | {server[0]}:
            return refused(
                421, f"this server is not {host!r}", hint="open the address that `speeddial view` printed"
            )
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"{scope['scheme']}://{host}".lower():
            return refused(403, f"requests of pages from {origin!r} are not served")
        method, path = scope["method"], scope["path"]
        if path == "/" and method == "GET" and b"token=" in scope["query_string"]:
            return self._enter(scope)
        if not path.startswith("/api/"):
            return None
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return refused(403, "requests of other sites' pages are not served")
        if not self._keys.knows(headers, _cookie_name(scope)):
            return refused(
                401,
                "this needs the viewer's token",
                hint="open the link that `speeddial view` printed last, or send it as a bearer token",
            )
        if method not in _SAFE and headers.get("x-speeddial") != "1":
            return refused(403, "a change needs the header `X-Speeddial: 1`")
        return None

    def _enter(self, scope: Scope) -> Response:
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not self._keys.used(token):
            return refused(
                401, "this link was used or is from another time", hint="`speeddial view` printed a newer one"
            )
        self._linked()
        # Without the token, so that it is in no history and no bookmark.
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(
            _cookie_name(scope),
            self._keys.cookie,
            httponly=True,
            samesite="strict",
            secure=scope["scheme"] == "https",
        )
        return answer


def refused(status: int, message: str, *, hint: str = "") -> Response:
    """An error in the form that the page reads."""
    return JSONResponse({"error": {"message": message, "hint": hint}}, status)


def _cookie_name(scope: Scope) -> str:
    # Cookies know no ports: viewers of two projects side by side must not take each other's.
    return f"speeddial-{(scope.get('server') or ('', 0))[1]}"
