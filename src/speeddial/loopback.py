"""What every server of ours keeps to: loopback unless a token was set, a socket that is there to be had."""

from __future__ import annotations

import errno
import hmac
import ipaddress
import os
import re
import socket
from typing import TYPE_CHECKING, Any

from speeddial.errors import UserError

if TYPE_CHECKING:
    from uvicorn import Config

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SHORTEST_TOKEN = 16
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?")


def token_of(variable: str, host: str, *, danger: str) -> str:
    """The bearer token that a server was given in the environment; empty when it is to make one up.

    Args:
        variable: the environment variable.
        host: the address to listen on; all but loopback need a token of the user's own.
        danger: what others could do without one, for the message.

    Raises:
        UserError: the token is too short, or needed and absent.
    """
    token = os.environ.get(variable, "")
    if token and len(token) < _SHORTEST_TOKEN:
        raise UserError(f"{variable} has {len(token)} characters", hint=f"give it at least {_SHORTEST_TOKEN}")
    if not is_loopback(host) and not token:
        raise UserError(
            f"--host {host}: others could {danger}",
            hint=f"set {variable} to a long random text, or leave --host out and use an SSH tunnel",
        )
    return token


def bound(host: str, port: int) -> socket.socket:
    """A listening socket.

    Args:
        port: 0 for any free one.

    Raises:
        UserError: there is no such address here, or the port is taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UserError(f"--host {host}: {error}", hint="leave it out for this machine alone") from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    # Without it a port stays taken for a minute after its server was ended.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(
                f"port {port} is taken, perhaps by another `speeddial`",
                hint="leave --port out for a free one, or give another",
            ) from error
        raise UserError(f"{host}:{port} cannot be listened on: {error.strerror}") from error
    return listener


def quiet(app: Any, **options: Any) -> Config:
    """How uvicorn serves an application of ours: it writes nothing that its caller does not print.

    Args:
        app: an ASGI application.
        options: of ``uvicorn.Config`` besides.
    """
    from uvicorn import Config

    return Config(
        app,
        log_level="error",
        access_log=False,
        server_header=False,
        # Nothing stands in front of it whose word on addresses could be believed.
        proxy_headers=False,
        **options,
    )


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own."""
    try:
        return host in LOOPBACK or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address_of(host: str, listener: socket.socket) -> str:
    """Where a listening server is asked, as ``http://HOST:PORT``."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "") else host
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{listener.getsockname()[1]}"


def host_name(header: str) -> str:
    """The name in a Host header, without its port and an address's brackets; empty for anything else."""
    found = _HOST.fullmatch(header.lower())
    return (found[1] or found[2]) if found else ""


def same(given: str, expected: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())
