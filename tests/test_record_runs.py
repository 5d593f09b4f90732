"""Whole runs on a record that fails, and on one in Postgres."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from speeddial import Project, Run, Runner, workflow
from speeddial.doctor import examine
from speeddial.errors import RecordError, SettingsError
from speeddial.models.model import Request
from speeddial.models.scripted import Scripted
from speeddial.record import INTERRUPTED, Record
from speeddial.record.sqlite import SqliteDatabase
from speeddial.settings import DURABILITIES, Settings


@workflow
async def three(run: Run, task: str) -> str:
    """Three calls, each on the one before."""
    outcome = await run.phone("adder", "sum 1")
    for number in (2, 3):
        outcome = await run.phone("adder", f"sum {number}", uses=[outcome])
    return outcome.text


@pytest.fixture
def asked() -> Iterator[list[str]]:
    """Requests that the model has had."""
    told: list[str] = []

    def script(request: Request) -> Any:
        told.append(request.messages[-1].content)
        return {"name": "add", "arguments": {"a": len(told), "b": 1}}

    Scripted.register("sums", script)
    yield told


async def test_a_run_stops_on_a_full_disk_and_goes_on_when_there_is_room(
    make_project: Callable[..., Path], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_project(model="scripted:sums")
    end = SqliteDatabase._end
    commits = 0
    with Runner(Project.load(root)) as runner:

        def no_room(self: SqliteDatabase) -> None:
            nonlocal commits
            commits += 1
            if len(asked) == 2:
                # What SQLite itself says when the file may not grow.
                pages = self._writer.execute("PRAGMA page_count").fetchone()[0]
                self._writer.execute(f"PRAGMA max_page_count = {pages}")
                self._writer.execute("INSERT INTO contents (hash, body) VALUES ('x', ?)", ["x" * 100_000])
            end(self)

        with monkeypatch.context() as full:
            full.setattr(SqliteDatabase, "_end", no_room)
            with pytest.raises(RecordError, match="the disk is full") as caught:
                await runner.run("x", workflow=three)
        assert "then resume the run" in caught.value.hint
        assert len(asked) == 2 and commits > 3
        (row,) = runner.record.runs()
        before = [item for item in runner.record.interactions() if item.status not in ("running",)]
        assert [item.kind for item in before] == ["model", "tool"]
        assert row.status == INTERRUPTED
        with pytest.raises(RecordError, match="the disk is full"), monkeypatch.context() as full:
            full.setattr(SqliteDatabase, "_end", no_room)
            await runner.resume(row.id, workflow=three)
        with runner.record.database.writing() as db:
            db.execute("PRAGMA max_page_count = 1000000")
    with Runner(Project.load(root)) as runner:
        result = await runner.resume(row.id, workflow=three)
        assert (result.status, len(result.calls)) == ("done", 3)
        after = list(runner.record.interactions(run=row.id))
        assert [item for item in after if item.id in {one.id for one in before}] == before
    # The answer that could not be recorded was not used; it is the only one that is paid again.
    assert [said.partition("\n")[0] for said in asked] == ["sum 1", "sum 2", "sum 2", "sum 3"]


async def test_a_run_on_a_slow_disk_leaves_the_loop_free(
    make_project: Callable[..., Path], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    end, commits, round_again = SqliteDatabase._end, 0, threading.Event()

    def slowly(self: SqliteDatabase) -> None:
        nonlocal commits
        commits += 1
        round_again.clear()
        assert round_again.wait(20), "the loop waits for the disk"
        end(self)

    with Runner(Project.load(make_project(model="scripted:sums"))) as runner:
        await runner.run("warm up", workflow=three)
        monkeypatch.setattr(SqliteDatabase, "_end", slowly)
        running = asyncio.ensure_future(runner.run("x", workflow=three))
        while not running.done():
            round_again.set()
            await asyncio.sleep(0.001)
        assert (await running).status == "done"
    assert commits > 10


def test_a_run_in_postgres_waits_for_a_person_and_is_resumed_elsewhere(
    make_project: Callable[..., Path], postgres_record: str, asked: list[str]
) -> None:
    def script(request: Request) -> Any:
        return {"name": "send", "arguments": {"to": "anna"}}

    @workflow
    async def letter(run: Run, task: str) -> str:
        return (await run.phone("writer", task)).text

    Scripted.register("letters", script)
    root = make_project(model="scripted:letters", settings=f'record = "{postgres_record}"\n')
    tools = root / "tools/desk.py"
    text = tools.read_text(encoding="utf-8")
    tools.write_text(
        text.replace('@tool(effect="external")', '@tool(effect="external", approval=True)'), encoding="utf-8"
    )
    with Runner(Project.load(root)) as runner:
        result = runner.run_sync("write to anna", workflow=letter)
        assert result.status == "waiting"
    with Runner(Project.load(root)) as runner:
        again = runner.resume_sync("last", approve=True, workflow=letter)
        assert (again.run_id, again.status, again.answer) == (result.run_id, "done", "sent to anna")
        assert runner.record.path is None
    workspace = root / "workspace"
    assert (workspace / "sent.txt").read_text(encoding="utf-8") == "anna\n"
    assert not list(workspace.glob("**/record.db"))


def test_the_default_graph_runs_in_postgres_with_its_checkpoints_in_the_workspace(
    make_project: Callable[..., Path], postgres_record: str, asked: list[str]
) -> None:
    def script(request: Request) -> Any:
        if "Task: " in request.messages[-1].content:
            return {"steps": [{"expert": "adder", "task": "sum 1"}]}
        return {"name": "add", "arguments": {"a": 2, "b": 3}}

    Scripted.register("planned", script)
    root = make_project(model="scripted:planned", settings=f'record = "{postgres_record}"\n')
    default = Path(__file__).parents[1] / "workflows/default.py"
    (root / "workflows/default.py").write_text(default.read_text(encoding="utf-8"), encoding="utf-8")
    with Runner(Project.load(root)) as runner:
        assert runner.run_sync("add 2 and 3").status == "done"
    names = {path.name for path in (root / "workspace/.speeddial").iterdir()}
    assert names >= {"checkpoints.db", "record.key"} and "record.db" not in names


def test_the_durability_is_a_setting_and_doctor_says_what_it_costs(
    make_project: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_project(settings='record_durability = "full"\n')
    project = Project.load(root)
    with project.open_record() as record, record.database.writing() as db:
        assert db.execute("PRAGMA synchronous").fetchone()[0] == 2
    said = {line.name: line.detail for line in examine(project) if line.topic == "setting"}
    assert "power loss costs nothing" in said["record_durability"]
    assert "power loss may cost the last commits" in DURABILITIES["normal"]
    with pytest.raises(SettingsError, match="record_durability = 'most'") as caught:
        Settings.load(None, {"record_durability": "most"}, {})
    assert caught.value.hint == "give one of: normal, full"


def test_doctor_shows_the_url_without_its_password(make_project: Callable[..., Path]) -> None:
    root = make_project(settings='record = "postgresql://bob:hunter2@host/calls"\n')
    said = [line.detail for line in examine(Project.load(root))]
    assert not any("hunter2" in line for line in said)
    assert any("postgresql://bob@host/calls" in line for line in said)


def test_a_desk_keeps_its_record_where_the_settings_say(tmp_path: Path) -> None:
    from speeddial import Desk

    with Desk(tmp_path, record="own.db") as desk:
        assert desk.runner.record.path == tmp_path / "workspace/own.db"
        assert isinstance(desk.runner.record, Record)
