"""The viewer's server: every rule of who may talk to it, and hostile content that stays JSON."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from recorded import hostile
from viewer_api import body, opened_client, recorded

from speeddial.errors import UserError
from speeddial.project import Project
from speeddial.record import Record
from speeddial.viewer.security import Keys
from speeddial.viewer.server import TOKEN, Viewer, viewer_app

MakeProject = Callable[..., Path]
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "</script><!--",
    "javascript:alert(1)",
    "\u202e\u2028\u2029\x00\x1b[31m",
    '"},{"x":"',
    "{{constructor.constructor('alert(1)')()}}",
    "\ud800",
)


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    return Project(make_project())


@pytest.fixture
def record(project: Project) -> Iterator[Record]:
    with project.open_record() as opened:
        yield opened


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
async def client(project: Project, record: Record, keys: Keys) -> AsyncIterator[httpx.AsyncClient]:
    async with opened_client(project, record, keys) as opened:
        yield opened


# ---- who may talk to it ----


def changed(client: httpx.AsyncClient, **headers: str | None) -> dict[str, str]:
    """The client's headers with some others; None takes one away."""
    merged = {name: value for name, value in client.headers.items() if name != "host"}
    for name, value in headers.items():
        merged.pop(name.replace("_", "-").lower(), None)
        if value is not None:
            merged[name.replace("_", "-")] = value
    return merged


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Authorization": None}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": "Basic x"}, 401),
        ({"Authorization": "Bearer \xe9"}, 401),
        ({"Authorization": None, "Cookie": "speeddial-8000=wrong"}, 401),
        ({"Authorization": None, "Cookie": "\x01;;==,"}, 401),
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:8000"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "localhost.evil.example:8000"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "[::1"}, 421),
        ({"Host": "evil@127.0.0.1"}, 421),
        ({"Host": "localhost:8000"}, 200),
        ({"Host": "LOCALHOST:8000"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://127.0.0.1:8000"}, 403),
        ({"Origin": "http://127.0.0.1:9999"}, 403),
        ({"Origin": "http://localhost:8000"}, 403),
        ({"Origin": "http://127.0.0.1:8000"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
    ],
)
async def test_requests_of_others_are_refused(
    client: httpx.AsyncClient, record: Record, headers: dict[str, str | None], status: int
) -> None:
    record.begin_run("secret task")
    request = client.build_request("GET", "/api/runs")
    request.headers = httpx.Headers(
        [
            *(
                (name, value)
                for name, value in request.headers.items()
                if name not in {h.lower() for h in headers}
            ),
            *((name, value.encode("latin-1")) for name, value in headers.items() if value is not None),  # type: ignore[list-item]
        ]
    )
    answer = await client.send(request)
    assert answer.status_code == status, answer.text
    if status != 200:
        assert "secret" not in answer.text
        assert answer.json()["error"]["message"]


async def test_two_host_headers_are_refused(client: httpx.AsyncClient) -> None:
    request = client.build_request("GET", "/api/runs")
    request.headers = httpx.Headers([*request.headers.multi_items(), ("Host", "127.0.0.1:8000")])
    assert (await client.send(request)).status_code == 421


async def test_changes_need_the_header(client: httpx.AsyncClient, record: Record) -> None:
    recorded(record)
    for path in ("/api/interactions/1/feedback", "/api/runs/x/replay", "/api/runs/x/fork", "/api/datasets"):
        for value in (None, "0", "yes"):
            headers = {"Authorization": client.headers["authorization"]} | (
                {} if value is None else {"X-Speeddial": value}
            )
            async with httpx.AsyncClient(transport=client._transport, base_url=client.base_url) as bare:
                answer = await bare.post(path, json={"verdict": "accept"}, headers=headers)
            assert answer.status_code == 403, path
    assert not (await body(client, "/api/runs"))["runs"][0]["feedback"]


async def test_other_methods_are_refused(client: httpx.AsyncClient) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        answer = await client.request(method, "/api/runs")
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert (await client.post("/api/runs", json={})).status_code == 405
    assert (await client.get("/api/runs/x/fork")).status_code == 405


async def test_every_answer_has_the_headers(client: httpx.AsyncClient, record: Record) -> None:
    run = recorded(record)
    for path in ("/", "/api/runs", f"/api/runs/{run}", "/api/nothing", "/nothing", "/?token=x"):
        headers = (await client.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in headers
        if path.startswith("/api/"):
            assert headers["cache-control"] == "no-store"


async def test_our_own_failures_have_the_headers_and_tell_nothing(
    project: Project, record: Record, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("inner matters")

    monkeypatch.setattr(type(record.browse), "runs", broken)
    transport = httpx.ASGITransport(viewer_app(project, record, keys=keys), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/api/runs", headers={"Authorization": f"Bearer {keys.bearer}"})
    assert answer.status_code == 500
    assert "inner" not in answer.text
    assert answer.json()["error"]["hint"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_link_works_once(project: Project, record: Record, keys: Keys) -> None:
    told: list[str] = []
    app = viewer_app(project, record, keys=keys, linked=lambda: told.append(keys.link))
    used = keys.link
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        assert (await client.get("/api/runs")).status_code == 401
        entered = await client.get(f"/?token={used}")
        assert entered.status_code == 303
        assert entered.headers["location"] == "/"
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie and "samesite=strict" in cookie.lower() and "Path=/" in cookie
        assert keys.bearer not in cookie and used not in cookie
        assert (await client.get("/api/runs")).status_code == 200
        assert told == [keys.link] and keys.link != used
        client.cookies.clear()
        assert (await client.get(f"/?token={used}")).status_code == 401
        assert (await client.get("/api/runs")).status_code == 401
        for wrong in ("", "x", used[:-1], "%00", "%ff", keys.bearer, keys.cookie):
            assert (await client.get(f"/?token={wrong}")).status_code == 401, wrong
        assert (await client.get(f"/?token={keys.link}")).status_code == 303


async def test_websockets_are_refused(project: Project, record: Record, keys: Keys) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    await viewer_app(project, record, keys=keys)({"type": "websocket", "headers": []}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_other_hosts_need_a_token(project: Project, record: Record, host: str) -> None:
    with pytest.raises(UserError, match=r"others could read|--host"):
        Viewer(project, record, host=host)


def test_a_token_must_be_long(project: Project, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "short")
    with pytest.raises(UserError, match="5 characters"):
        Viewer(project, record)


def test_a_taken_port_is_a_clear_error(project: Project, record: Record) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} is taken") as raised:
            Viewer(project, record, port=port)
        assert "--port" in raised.value.hint


# ---- hostile content ----


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_content_stays_json(client: httpx.AsyncClient, record: Record, text: str) -> None:
    run = hostile(record, text)
    _, asked, tool = (row.id for row in record.run(run).interactions)
    stored = record.run(run).task
    for path in (
        "/api/runs",
        f"/api/runs/{run}",
        f"/api/interactions/{asked}",
        f"/api/interactions/{tool}",
        "/api/stats",
        "/api/search?q=alert",
    ):
        answer = await client.get(path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        answer.json()
    assert (await body(client, "/api/runs"))["runs"][0]["task"] == stored
    # What is not found is named in the answer, which is JSON too.
    answer = await client.get(
        "/api/runs/" + "".join(f"%{byte:02x}" for byte in text.encode(errors="replace"))
    )
    assert answer.headers["content-type"] == "application/json"
