"""The viewer's server: every route, the live tail and the command."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import viewed
from recorded import CALL
from viewer_api import PLAN, body, opened_client, recorded

from speeddial.project import Project
from speeddial.record import Record
from speeddial.run import Runner
from speeddial.viewer.live import RunsTail, RunTail
from speeddial.viewer.security import Keys
from speeddial.viewer.server import TOKEN, Viewer

MakeProject = Callable[..., Path]


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


# ---- reading ----


async def test_runs_come_in_pages(client: httpx.AsyncClient, record: Record) -> None:
    runs = sorted((recorded(record) for _ in range(5)), reverse=True)
    first = await body(client, "/api/runs?limit=3")
    assert [run["id"] for run in first["runs"]] == runs[:3]
    assert first["next"] == runs[2]
    second = await body(client, f"/api/runs?limit=3&before={first['next']}")
    assert [run["id"] for run in second["runs"]] == runs[3:]
    assert second["next"] is None
    (run, *_) = first["runs"]
    assert run["experts"] == ["adder"]
    assert (run["interaction_count"], run["tokens_in"], run["tokens_out"]) == (3, 8, 11)
    assert run["feedback"] == 0
    stored = json.loads(json.dumps(record.run_alone(run["id"]).as_dict()))
    assert run == {**stored, "experts": ["adder"], "feedback": 0}


async def test_runs_are_filtered(client: httpx.AsyncClient, record: Record) -> None:
    ana = recorded(record, user="ana", workflow="nightly", text="marimba")
    bo = record.begin_run("something else", user="bo")
    asked = record.start_interaction(bo, "model", expert="writer")
    record.finish_interaction(asked, "refused")
    record.finish_run(bo, "failed")
    running = record.begin_run("at work")

    async def found(query: str) -> set[str]:
        return {run["id"] for run in (await body(client, f"/api/runs?{query}"))["runs"]}

    assert await found("user=ana") == await found("workflow=nightly") == await found("expert=adder") == {ana}
    assert await found("tool=add") == await found("q=marimba") == {ana}
    assert await found("status=failed") == await found("call_status=refused") == {bo}
    assert await found("status=running") == {running}
    assert await found("status=failed,running") == {bo, running}
    assert await found("expert=nobody") == await found("q=nowhere") == await found("tool=nothing") == set()
    assert await found("q=marimba&user=bo") == set()
    assert await found("since=2020-01-01T00:00:00Z") == {ana, bo, running}
    assert await found("until=2020-01-01T00:00:00%2B00:00") == set()
    assert await found("since=2999-01-01") == set()


@pytest.fixture
def dead_run(record: Record) -> None:
    """A run whose writer has died at work."""
    code = (
        "import os, sys\nfrom speeddial.record import Record\nrecord = Record.open(sys.argv[1])\n"
        "run = record.begin_run('x')\nrecord.start_interaction(run, 'model', expert='adder')\nos._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(record.path)], check=False)


@pytest.mark.usefixtures("dead_run")
async def test_a_run_whose_writer_died_reads_interrupted(client: httpx.AsyncClient, record: Record) -> None:
    running = record.begin_run("y")
    (dead,) = (await body(client, "/api/runs?status=interrupted"))["runs"]
    (live,) = (await body(client, "/api/runs?status=running"))["runs"]
    assert live["id"] == running
    run = await body(client, f"/api/runs/{dead['id']}")
    assert run["run"]["status"] == "interrupted"
    fields = run["spans"]["fields"]
    (row,) = run["spans"]["rows"]
    assert row[fields.index("status")] == "interrupted"
    one = await body(client, f"/api/interactions/{row[0]}")
    assert one["status"] == "interrupted"


async def test_a_run_has_its_plan_and_spans(client: httpx.AsyncClient, record: Record) -> None:
    run = recorded(record)
    seen = await body(client, f"/api/runs/{run}")
    assert seen["run"]["id"] == run
    assert seen["plan"] == PLAN
    rows = [dict(zip(seen["spans"]["fields"], row, strict=True)) for row in seen["spans"]["rows"]]
    assert [row["kind"] for row in rows] == ["plan", "model", "tool"]
    assert rows[2]["parent"] == rows[1]["id"]
    assert json.loads(rows[1]["title"]) == CALL
    assert json.loads(rows[2]["title"]) == {"a": 1}
    assert all(0 <= row["start_ms"] <= row["end_ms"] for row in rows)
    assert rows[1]["confidence"] == 0.93
    for row in rows:
        stored = record.interaction(row["id"])
        for name in ("step", "attempt", "expert", "model", "tool", "effect", "status", "tokens_out", "cost"):
            assert row[name] == getattr(stored, name)


async def test_a_run_of_many_spans_comes_whole(client: httpx.AsyncClient, record: Record) -> None:
    run = record.begin_run("many")
    with record.writing():
        for number in range(4321):
            tool = record.start_interaction(run, "tool", tool="add", arguments={"a": number})
            record.finish_interaction(tool, "done")
    rows = (await body(client, f"/api/runs/{run}"))["spans"]["rows"]
    assert [json.loads(row[-2])["a"] for row in rows] == list(range(4321))
    empty = record.begin_run("none")
    assert (await body(client, f"/api/runs/{empty}"))["spans"]["rows"] == []
    assert (await body(client, f"/api/runs/{empty}"))["plan"] is None


async def test_a_title_is_short(client: httpx.AsyncClient, record: Record) -> None:
    run = record.begin_run("long")
    record.finish_interaction(record.start_interaction(run, "tool", arguments={"a": "x" * 5000}), "done")
    (row,) = (await body(client, f"/api/runs/{run}"))["spans"]["rows"]
    assert len(row[-2]) == 120


async def test_an_interaction_has_all_that_was_said(client: httpx.AsyncClient, record: Record) -> None:
    run = recorded(record)
    asked = record.run(run).interactions[1]
    seen = await body(client, f"/api/interactions/{asked.id}")
    assert seen.pop("feedback") == []
    assert seen == json.loads(json.dumps(asked.as_dict()))
    assert seen["tokens"] == [[9, None], [12, 0.5]]


async def test_search_finds_and_pages(client: httpx.AsyncClient, record: Record) -> None:
    for number in range(4):
        recorded(record, task="北京市的订单", text=f"marimba {number}")
    first = await body(client, "/api/search?q=marimba&limit=3")
    assert len(first["hits"]) == 3
    hit = first["hits"][0]
    assert set(hit) == {"run", "interaction", "kind", "snippet", "started"}
    assert ["marimba", True] in hit["snippet"]
    seen, before = list(first["hits"]), first["next"]
    while before is not None:
        page = await body(client, f"/api/search?q=marimba&limit=3&before={before}")
        seen, before = seen + page["hits"], page["next"]
    places = [(one["run"], one["interaction"], one["kind"]) for one in seen]
    assert len(places) == len(set(places)) == 12
    chinese = await body(client, "/api/search?q=京市")
    assert {one["interaction"] for one in chinese["hits"]} == {None}
    assert (await body(client, "/api/search?q="))["hits"] == []
    assert (await body(client, '/api/search?q="%20OR%20*(NEAR'))["hits"] == []


async def test_stats_compare_experts_and_generalist(client: httpx.AsyncClient, record: Record) -> None:
    run = recorded(record)
    first = record.start_interaction(
        run_again := record.begin_run("x"), "model", expert="adder", model="scripted"
    )
    record.finish_interaction(first, "refused", tokens_in=10, tokens_out=1, latency_ms=5)
    second = record.start_interaction(
        run_again, "model", expert="generalist", model="big", escalated_from=first
    )
    record.finish_interaction(second, "exact", tokens_in=100, tokens_out=10, cost=1.1, latency_ms=900)
    stats = await body(client, "/api/stats")
    rows = {(row["role"], row["name"]): row for row in stats["rows"]}
    assert set(rows) == {
        ("expert", "adder"),
        ("generalist", "planner"),
        ("generalist", "generalist"),
        ("tool", "add"),
    }
    adder = rows["expert", "adder"]
    assert (adder["calls"], adder["exact"], adder["refused"], adder["escalated"]) == (2, 1, 1, 1)
    assert (adder["tokens_in"], adder["tokens_out"], adder["model"]) == (13, 5, "scripted")
    assert rows["generalist", "generalist"]["latency_p50_ms"] == 900
    saved = stats["saved"]
    assert saved["calls"] == 1
    assert saved["tokens"] == 18
    # 110 tokens cost 1.1 where a price is known.
    assert saved["cost"] == pytest.approx(18 * 1.1 / 110)
    assert saved["basis"]
    assert (await body(client, "/api/stats?since=2999-01-01T00:00:00Z"))["rows"] == []
    assert run


async def test_experts_have_cards_and_figures(client: httpx.AsyncClient, record: Record) -> None:
    for confidence in (0.95, 0.97, 0.15):
        run = record.begin_run("x")
        asked = record.start_interaction(run, "model", step=1, expert="adder", model="scripted")
        record.finish_interaction(
            asked, "exact" if confidence > 0.5 else "refused", parsed=CALL, confidence=confidence
        )
    record.finish_interaction(
        record.start_interaction(run, "model", expert="generalist", escalated_from=asked), "exact"
    )
    listed = (await body(client, "/api/experts"))["experts"]
    assert [one["name"] for one in listed] == ["adder", "writer"]
    assert listed[0]["calls"] == 3
    assert listed[0]["counts"] == {"exact": 2, "refused": 1, "escalated": 1}
    assert listed[1]["calls"] == 0
    adder = await body(client, "/api/experts/adder")
    assert adder["card"]["tools"] == ["add"]
    assert adder["card"]["summary"] == listed[0]["summary"] == "sums of two whole numbers"
    bins = [one for one in adder["calibration"] if one["count"]]
    assert [(one["low"], one["count"], one["right"]) for one in bins] == [(0.1, 1, 0), (0.9, 2, 1)]
    assert bins[1]["mean_confidence"] == pytest.approx(0.96)
    assert len(adder["calibration"]) == 10
    (hard,) = adder["hard_cases"]
    assert (hard["id"], hard["run"], hard["status"]) == (asked, run, "escalated")
    (version,) = adder["versions"]
    assert version["figures"]["calls"] == 3
    await body(client, "/api/experts/nobody", 404)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/runs/nothing", 404),
        ("/api/runs/..%2f..%2fetc", 404),
        ("/api/interactions/99", 404),
        ("/api/interactions/x", 404),
        ("/api/nothing", 404),
        ("/api/events?run=nothing", 404),
        ("/api/runs/nothing/export", 404),
        ("/api/runs?limit=x", 400),
        ("/api/runs?limit=-1", 400),
        ("/api/runs?limit=" + "9" * 100, 400),
        ("/api/runs?since=yesterday", 400),
        ("/api/search?q=x&before=x", 400),
        ("/api/search?q=x&before=" + "9" * 30, 400),
        ("/api/runs/x/export?form=exe", 400),
        ("/nothing.js", 404),
        ("/../../etc/passwd", 404),
        ("/%2e%2e/%2e%2e/api.py", 404),
        ("/..%2fapi.py", 404),
    ],
)
async def test_what_is_not_there_is_said_so(client: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await client.get(path)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


# ---- changing ----


async def test_feedback_is_given(client: httpx.AsyncClient, record: Record) -> None:
    run = recorded(record)
    asked = record.run(run).interactions[1].id
    path = f"/api/interactions/{asked}/feedback"

    async def give(status: int = 201, **said: Any) -> Any:
        answer = await client.post(path, json=said)
        assert answer.status_code == status, answer.text
        return answer.json()

    assert (await give(verdict="accept"))["feedback"]["verdict"] == "accept"
    right = {"name": "add", "arguments": {"a": 2}}
    assert (await give(verdict="correct", call=right, text="not one"))["feedback"]["call"] == right
    assert (await give(verdict="comment", text="marimba"))["feedback"]["text"] == "marimba"
    assert (await give(verdict="label", label="odd"))["feedback"]["label"] == "odd"
    problems = (await give(422, verdict="correct", call={"name": "add", "arguments": {"a": "one"}}))["error"]
    assert problems["problems"] and set(problems["problems"][0]) >= {"path", "expected", "got"}
    await give(400, verdict="praise")
    await give(400, verdict="correct")
    await give(400, verdict="correct", call="add")
    await give(400, verdict="comment", text=["x"])
    seen = await body(client, f"/api/interactions/{asked}")
    assert [one["verdict"] for one in seen["feedback"]] == ["accept", "correct", "comment", "label"]
    assert (await body(client, "/api/runs"))["runs"][0]["feedback"] == 4
    rows = (await body(client, f"/api/runs/{run}"))["spans"]["rows"]
    assert [row[-1] for row in rows] == [0, 4, 0]
    (hit,) = (await body(client, "/api/search?q=marimba"))["hits"]
    assert (hit["kind"], hit["interaction"]) == ("feedback", asked)
    adder = await body(client, "/api/experts/adder")
    assert adder["hard_cases"][0]["status"] == "corrected"
    assert [one["right"] for one in adder["calibration"] if one["count"]] == [0]
    assert (await client.post("/api/interactions/99/feedback", json={"verdict": "accept"})).status_code == 404


async def test_runs_are_compared(client: httpx.AsyncClient, record: Record) -> None:
    a, b = recorded(record, text="marimba"), recorded(record, text="celesta")
    diff = await body(client, f"/api/diff?a={a}&b={b}")
    assert "celesta" in json.dumps(diff)
    await body(client, f"/api/diff?a={a}", 400)
    await body(client, f"/api/diff?a={a}&b=nothing", 404)


async def test_datasets_are_frozen(client: httpx.AsyncClient, record: Record) -> None:
    recorded(record)
    assert (await body(client, "/api/datasets"))["datasets"] == []
    wanted = {"name": "sums", "form": "openai", "selection": {"expert": "adder", "statuses": ["exact"]}}
    made = await client.post("/api/datasets", json=wanted)
    assert made.status_code == 201, made.text
    (listed,) = (await body(client, "/api/datasets"))["datasets"]
    assert listed["name"] == made.json()["dataset"]["name"] == "sums"
    for selection in ({"nothing": "x"}, {"statuses": "exact"}, {"expert": ["adder"]}, [], {"since": "noon"}):
        answer = await client.post("/api/datasets", json={**wanted, "name": "other", "selection": selection})
        assert answer.status_code == 400, selection
    assert (await client.post("/api/datasets", json={**wanted, "name": "../x"})).status_code == 400


async def test_a_run_is_downloaded_as_an_attachment(client: httpx.AsyncClient, record: Record) -> None:
    run = recorded(record)
    for form in ("openai", "otlp"):
        answer = await client.get(f"/api/runs/{run}/export?form={form}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-disposition"].startswith("attachment;")
        assert answer.content
    answer = await client.get(f"/api/runs/{run}/export?form=html")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith("attachment;")


async def test_a_run_is_replayed_and_forked(
    client: httpx.AsyncClient, record: Record, project: Project
) -> None:
    with Runner(project, record=record) as runner:
        outcome = runner.call_sync("adder", "add 1 and 2")
    (run,) = record.runs()
    report = await client.post(f"/api/runs/{run.id}/replay", json={})
    assert report.status_code == 200, report.text
    assert report.json()["identical"] is True
    forked = await client.post(f"/api/runs/{run.id}/fork", json={"step": 1})
    assert forked.status_code == 201, forked.text
    assert record.run(forked.json()["run"]).forked_from == run.id
    for wrong in ({}, {"step": "1"}, {"step": True}, {"step": 1, "expert": 5}):
        assert (await client.post(f"/api/runs/{run.id}/fork", json=wrong)).status_code == 400, wrong
    assert (await client.post("/api/runs/nothing/replay", json={})).status_code == 404
    assert outcome is not None


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{}", "text/plain"),
        (b"{}", "application/x-www-form-urlencoded"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"\xff", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"x":"' + b"y" * 1_100_000 + b'"}', "application/json"),
    ],
)
async def test_a_body_must_be_a_json_object(
    client: httpx.AsyncClient, record: Record, content: bytes, kind: str
) -> None:
    recorded(record)
    answer = await client.post(
        "/api/interactions/1/feedback", content=content, headers={"Content-Type": kind}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


# ---- the live tail ----


def test_the_tail_of_runs_sees_begin_progress_and_end(record: Record) -> None:
    old = recorded(record)
    tail = RunsTail(record.browse)
    assert [data["id"] for _, data in tail.look()] == [old]
    assert tail.look() == []
    run = record.begin_run("new")
    (event,) = tail.look()
    assert (event[0], event[1]["id"], event[1]["status"]) == ("run", run, "running")
    assert tail.look() == []
    asked = record.start_interaction(run, "model", expert="adder")
    ((_, progress),) = tail.look()
    assert progress["interaction_count"] == 1
    mark = tail.last
    record.finish_interaction(asked, "exact")
    record.finish_run(run, "done")
    ((_, ended),) = tail.look()
    assert ended["status"] == "done"
    assert [data["status"] for _, data in RunsTail(record.browse, mark).look() if data["id"] == run] == [
        "done"
    ]


def test_the_tail_of_a_run_goes_on_where_it_was(record: Record) -> None:
    run = record.begin_run("x")
    first = record.start_interaction(run, "model", expert="adder")
    tail = RunTail(record.browse, run)
    names = [name for name, _ in tail.look()]
    assert names == ["interaction", "run"]
    assert tail.look() == []
    mark = tail.last
    record.finish_interaction(first, "exact", raw="x")
    second = record.start_interaction(run, "tool", tool="add")
    third = record.start_interaction(run, "tool", tool="add")
    record.finish_interaction(third, "done")
    for looked in (tail.look(), RunTail(record.browse, run, mark).look()):
        rows = {data[0]: data[10] for name, data in looked if name == "interaction"}
        assert rows == {first: "exact", second: "running", third: "done"}
    record.finish_interaction(second, "failed")
    record.finish_run(run, "failed")
    looked = tail.look()
    assert [(name, data[0]) for name, data in looked if name == "interaction"] == [("interaction", second)]
    assert looked[-1][1]["status"] == "failed"
    assert tail.look() == []


@pytest.mark.parametrize("mark", ["", ";", "x;y", "9" * 30 + ";1", "1;2,3,", "\x00", "1" * 5000])
def test_any_mark_is_taken(record: Record, mark: str) -> None:
    run = recorded(record)
    RunsTail(record.browse, mark).look()
    RunTail(record.browse, run, mark).look()


@pytest.fixture
def served(project: Project, record: Record) -> Iterator[Viewer]:
    """A real server."""
    with viewed.served(project, record) as viewer:
        yield viewer


def test_events_come_as_other_processes_write(served: Viewer, record: Record) -> None:
    code = (
        "import sys\nfrom speeddial.record import Record\nrecord = Record.open(sys.argv[1])\n"
        "run = record.begin_run('from elsewhere')\n"
        "asked = record.start_interaction(run, 'model', expert='adder')\nsys.stdin.readline()\n"
        "record.finish_interaction(asked, 'exact')\nrecord.finish_run(run, 'done')\n"
    )
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}", timeout=20) as client:
        assert client.get(served.link, follow_redirects=False).status_code == 303
        statuses: list[str] = []
        with client.stream("GET", "/api/events") as events:
            assert events.headers["content-type"].startswith("text/event-stream")
            writer = subprocess.Popen([sys.executable, "-c", code, str(record.path)], stdin=subprocess.PIPE)
            name = mark = ""
            for line in events.iter_lines():
                key, _, value = line.partition(": ")
                if key == "event":
                    name = value
                elif key == "id":
                    mark = value
                elif key == "data":
                    assert name == "run"
                    run = json.loads(value)
                    statuses.append(run["status"])
                    if run["status"] == "done":
                        break
                    if len(statuses) == 1:
                        writer.communicate(b"It was seen.\n", timeout=20)
        assert writer.returncode == 0
        assert statuses[0] == "running" and statuses[-1] == "done"
        assert mark
        with client.stream("GET", f"/api/events?run={run['id']}", headers={"Last-Event-ID": "0;"}) as events:
            seen = []
            for line in events.iter_lines():
                if line.startswith("event: "):
                    seen.append(line)
                if line.startswith("id: "):
                    break
        assert seen == ["event: interaction", "event: run"]


def test_a_long_run_does_not_keep_the_server_from_others(served: Viewer, record: Record) -> None:
    run = record.begin_run("many")
    with record.writing():
        for number in range(3000):
            record.finish_interaction(record.start_interaction(run, "tool", arguments={"a": number}), "done")
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}", timeout=20) as client:
        client.get(served.link)
        with client.stream("GET", f"/api/runs/{run}"):
            # Not read yet; another question is answered meanwhile.
            assert len(client.get("/api/runs").json()["runs"]) == 1


# ---- the command ----


def test_view_serves_and_ends_cleanly(project: Project, record: Record) -> None:
    run = recorded(record)
    command = [sys.executable, "-m", "speeddial", "view", "--no-open"]
    with subprocess.Popen(
        command, cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as view:
        assert view.stdout is not None
        link = view.stdout.readline().strip()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=[\w-]{40,}", link)
        assert found, link
        with httpx.Client(timeout=20) as client:
            client.get(link)
            base = link.partition("/?")[0]
            assert client.get(f"{base}/api/runs").json()["runs"][0]["id"] == run
            with client.stream("GET", f"{base}/api/events") as events:
                next(events.iter_lines())
                second = subprocess.run(
                    [*command, "--port", found[1]],
                    cwd=project.root,
                    capture_output=True,
                    text=True,
                    timeout=60,
                )
                assert second.returncode == 2
                assert "is taken" in second.stderr and "next:" in second.stderr
                assert "Traceback" not in second.stderr
                began = time.monotonic()
                view.send_signal(signal.SIGINT)
                view.wait(20)
        assert time.monotonic() - began < 10
        assert view.returncode == 0
        talk = view.stderr.read() if view.stderr else ""
        assert "Traceback" not in talk and "ERROR" not in talk
        assert "for another browser: http://127.0.0.1:" in talk


def test_view_refuses_the_network(project: Project) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "speeddial", "view", "--no-open", "--host", "0.0.0.0"],
        cwd=project.root,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ},
    )
    assert done.returncode == 2
    assert TOKEN in done.stderr
    assert "Traceback" not in done.stderr
