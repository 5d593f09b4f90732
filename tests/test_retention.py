"""Erasing: after it no byte of a run is in any file, whatever happened in between."""

from __future__ import annotations

import json
import multiprocessing
import signal
import sqlite3
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.base import empty_checkpoint
from recorded import CALL, TOOL

from speeddial.errors import NotFound, RecordError, UserError
from speeddial.graph.checkpoints import Checkpoints
from speeddial.record import JournalKey, Record
from speeddial.record.datasets import folder_of, freeze
from speeddial.record.retention import ERASING, erase_run, erase_user, finish, retain
from speeddial.record.selection import Selection

LETTERS = str.maketrans("0123456789", "abcdefghij")


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with Record.open(tmp_path / "record" / "record.db") as opened:
        yield opened


def write(
    record: Record, words: str, *, user: str = "", calls: int = 2, end: bool = True, length: int = 1
) -> str:
    """A run in which every field that can hold text holds `words`."""
    said = words * length
    run = record.begin_run(
        said, user=user, workflow=words, inputs=[said], settings={"note": said}, versions={"x": words}
    )
    for number in range(calls):
        asked = record.start_interaction(
            run,
            "model",
            step=number,
            reason=said,
            expert=words,
            messages=[{"role": "system", "content": "You add."}, {"role": "user", "content": said}],
            tools=[TOOL, {**TOOL, "name": "more", "description": said}],
            schema={"type": "object", "description": said},
        )
        record.finish_interaction(
            asked, "exact", raw=said, parsed={**CALL, "said": said}, error=said, receipt={"constrained": True}
        )
        ran = record.start_interaction(
            run, "tool", parent=asked, tool="add", arguments={"a": said}, resolved=[said]
        )
        record.finish_interaction(ran, "done", result={"text": said}, text=said)
        key = JournalKey(run, number, 1, "call")
        record.journal.begin(key, "model", {"said": said})
        record.journal.finish(key, [said])
        record.feedback.comment(asked, said, by=words)
    record.journal.ask(run, 0, said, ["yes"], details=said)
    record.journal.answer(run, "yes", said)
    with_checkpoints(record, run, said)
    if end:
        record.finish_run(run, "done", answer=said, error=said, missing=[said])
    return run


def with_checkpoints(record: Record, run: str, said: str) -> None:
    checkpoints = Checkpoints(record.folder / "checkpoints.db", record.redactor)
    config: Any = {"configurable": {"thread_id": run, "checkpoint_ns": ""}}
    body = {**empty_checkpoint(), "channel_values": {"task": said}}
    kept = checkpoints.put(config, body, {"source": "input", "step": 0}, {})  # type: ignore[typeddict-item]
    checkpoints.put_writes(kept, [("answer", said)], "task")
    checkpoints.close()


def files_with(folder: Path, words: str) -> list[str]:
    return [str(file) for file in folder.rglob("*") if file.is_file() and words.encode() in file.read_bytes()]


def everything(record: Record) -> list[dict[str, Any]]:
    return [record.run(row.id).as_dict() for row in record.runs(1000)]


def test_an_erased_run_leaves_no_byte(record: Record) -> None:
    folder = record.folder
    stays = write(record, "keepsake")
    goes = write(record, "planted", length=200)
    before = record.run(stays).as_dict()
    assert files_with(folder, "planted")
    erased = erase_run(record, goes)
    assert erased.runs == (goes,)
    assert erased.counts == {
        "runs": 1,
        "interactions": 4,
        "journal": 2,
        "approvals": 1,
        "feedback": 2,
        "contents": 3,
        "checkpoints": 2,
    }
    assert files_with(folder, "planted") == []
    assert files_with(folder, goes) == []
    assert files_with(folder, "keepsake")
    assert record.run(stays).as_dict() == before
    assert len(record.feedback.of_run(stays)) == 2
    with pytest.raises(NotFound):
        record.run(goes)
    with pytest.raises(NotFound):
        erase_run(record, goes)


def test_shared_contents_stay_as_long_as_somebody_refers_to_them(record: Record) -> None:
    runs = [write(record, "twin") for _ in range(3)]
    for left in (2, 1):
        erase_run(record, runs.pop(0))
        assert len(everything(record)) == left
        assert all(row.messages[1]["content"] == "twin" for row in record.interactions(kinds=("model",)))
    erase_run(record, runs.pop())
    assert record.database.read("SELECT count(*) AS n FROM contents")[0]["n"] == 0
    assert files_with(record.folder, "twin") == []


def test_rows_are_erased_in_postgres_as_in_a_file(postgres_record: str, tmp_path: Path) -> None:
    with Record.open(postgres_record, folder=tmp_path) as record:
        stays, other = write(record, "keepsake"), write(record, "twin")
        goes = [write(record, "planted", user="ana"), write(record, "twin", user="ana")]
        before = [record.run(run).as_dict() for run in (stays, other)]
        assert erase_user(record, "ana").runs == tuple(goes)
        assert [record.run(run).as_dict() for run in (stays, other)] == before
        for table in ("runs", "interactions", "journal", "approvals", "feedback", "contents", "erasures"):
            assert "planted" not in str([dict(row) for row in record.database.read(f"SELECT * FROM {table}")])
        assert files_with(tmp_path, "planted") == []
        assert finish(record) == 0
        aged(record, 100)
        assert len(retain(record, older_than=timedelta(days=90)).runs) == 1
        with pytest.raises(UserError, match="size"):
            retain(record, keep_bytes=1)


def test_the_log_says_when_and_how_much_and_not_what(record: Record) -> None:
    run = write(record, "planted", user="ana")
    before = time.time_ns()
    erase_user(record, "ana")
    [row] = [dict(row) for row in record.database.read("SELECT * FROM erasures")]
    assert before < row["begun_ns"] <= row["ended_ns"] < time.time_ns()
    assert row["reason"] == "user"
    assert json.loads(row["counts"])["interactions"] == 4
    for words in ("planted", "ana", run):
        assert words not in json.dumps(row)


def test_a_user_is_erased_with_all_runs_and_the_name_on_others_runs(record: Record) -> None:
    mail = "ana@example.org"
    mine = [write(record, "planted", user=mail) for _ in range(3)]
    other = write(record, "keepsake", user="ben")
    row = next(record.interactions(run=other)).id
    record.feedback.comment(row, "fine", by=mail)
    assert erase_user(record, mail, dry_run=True).runs == tuple(mine)
    assert len(everything(record)) == 4
    erased = erase_user(record, mail)
    assert erased.runs == tuple(mine)
    assert erased.counts["names on feedback"] == 1
    assert files_with(record.folder, "planted") == []
    assert files_with(record.folder, mail) == []
    assert [item.by for item in record.feedback.of(row)] == ["keepsake", ""]
    with pytest.raises(NotFound):
        erase_user(record, mail)
    with pytest.raises(UserError):
        erase_user(record, "")


def test_a_run_at_work_is_not_erased_and_nothing_else_of_the_user(record: Record) -> None:
    done, busy = write(record, "first", user="ana"), write(record, "second", user="ana", end=False)
    before = everything(record)
    for erase in (lambda: erase_run(record, busy), lambda: erase_user(record, "ana")):
        with pytest.raises(UserError, match="at work"):
            erase()
    assert everything(record) == before
    record.finish_run(busy, "done")
    assert erase_user(record, "ana").runs == (done, busy)


def test_a_dry_run_and_forks(record: Record) -> None:
    run = write(record, "origin")
    fork = record.begin_run("fork", forked_from=run, forked_step=2)
    before = everything(record)
    told = erase_run(record, run, dry_run=True)
    assert (told.runs, told.forks, told.counts) == ((run,), (fork,), {})
    assert everything(record) == before
    record.finish_run(fork, "done")
    second = record.begin_run("second", forked_from=fork, forked_step=1)
    record.finish_run(second, "done")
    assert erase_run(record, run, forks=True, dry_run=True).runs == tuple(sorted((run, fork, second)))
    assert erase_run(record, run).forks == (fork,)
    assert erase_run(record, fork, forks=True).runs == tuple(sorted((fork, second)))
    assert everything(record) == []


texts = st.text(alphabet=string.ascii_letters + "äßж中", min_size=1, max_size=12)


@given(
    sizes=st.lists(st.tuples(st.booleans(), st.integers(1, 900), st.integers(0, 3)), min_size=1, max_size=8),
    mark=texts,
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
def test_no_byte_is_left_whatever_was_written(
    tmp_path: Path, sizes: list[tuple[bool, int, int]], mark: str
) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    planted = f"PLANTED{mark}"
    with Record.open(folder / "record.db") as record:
        for goes, length, calls in sizes:
            write(record, planted if goes else "keepsake", length=length, calls=calls, user="x" * goes)
        kept = [row for row in everything(record) if not row["user_id"]]
        if any(goes for goes, _, _ in sizes):
            erase_user(record, "x")
        assert files_with(folder, planted) == []
        assert everything(record) == kept
    assert files_with(folder, planted) == []
    assert sqlite3.connect(folder / "record.db").execute("PRAGMA integrity_check").fetchone() == ("ok",)


KILLED = """
import os, signal, sys
from speeddial.record import Record
from speeddial.record import retention

at, path, run = int(sys.argv[1]), sys.argv[2], sys.argv[3]
stops = ["forget_threads", "_delete_rows", "_keep_referred", "_log", "overwrite", "finish"]
name, after = stops[at // 2], at % 2
inner = getattr(retention, name)
def die(*args, **named):
    if after:
        inner(*args, **named)
    if name != "finish" or record.database.read("SELECT 1 FROM erasures"):
        os.kill(os.getpid(), signal.SIGKILL)
    return inner(*args, **named)
setattr(retention, name, die)
with Record.open(path) as record:
    retention.erase_run(record, run)
"""


@pytest.mark.parametrize("at", range(12))
def test_an_erasure_that_was_killed_is_ended_by_the_next(record: Record, at: int) -> None:
    stays, goes = write(record, "keepsake"), write(record, "planted", length=50)
    before = record.run(stays).as_dict()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(at), str(record.path), goes], check=False)
    assert killed.returncode == -signal.SIGKILL
    # Whatever the next call is about, it ends what was begun.
    with pytest.raises(NotFound):
        erase_run(record, "some other run")
    assert files_with(record.folder, "planted") == []
    assert everything(record) == [before]
    assert record.database.read("SELECT count(*) AS n FROM erasures WHERE ended_ns IS NULL")[0]["n"] == 0
    assert record.database.read("SELECT count(*) AS n FROM erasures")[0]["n"] == 1


def test_a_reader_that_holds_the_log_is_named_and_the_next_call_ends_it(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    from speeddial.record import retention
    from speeddial.record.overwrite import overwrite

    monkeypatch.setattr(retention, "overwrite", lambda path: overwrite(path, patience=0.1))
    run = write(record, "planted", length=50)
    reader = sqlite3.connect(record.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM runs").fetchone()
    with pytest.raises(RecordError, match="another process reads"):
        erase_run(record, run)
    reader.close()
    assert finish(record) == 1
    assert finish(record) == 0
    assert files_with(record.folder, "planted") == []


def _erase_all(path: Path, runs: list[str]) -> None:
    with Record.open(path) as record:
        for run in runs:
            erase_run(record, run)


def _work(path: Path, stop: Any) -> None:
    with Record.open(path) as record:
        while not stop.is_set():
            write(record, "keepsake", calls=1)


def test_several_processes_erase_and_write_at_once(record: Record) -> None:
    context = multiprocessing.get_context("spawn")
    runs = [write(record, "planted", calls=1) for _ in range(8)]
    stop = context.Event()
    worker = context.Process(target=_work, args=(record.path, stop))
    erasers = [context.Process(target=_erase_all, args=(record.path, runs[half::2])) for half in (0, 1)]
    for process in (worker, *erasers):
        process.start()
    for eraser in erasers:
        eraser.join(60)
    stop.set()
    worker.join(60)
    assert [process.exitcode for process in (worker, *erasers)] == [0, 0, 0]
    finish(record)
    assert files_with(record.folder, "planted") == []
    assert {row["task"] for row in everything(record)} == {"keepsake"}
    for row in record.interactions(kinds=("model",)):
        assert row.messages[1]["content"] == "keepsake"


# ---- by age and size ----


def aged(record: Record, days: int, words: str = "old", **more: Any) -> str:
    run = write(record, words, calls=0, **more)
    with record.database.writing() as db:
        then = int((datetime.now(UTC) - timedelta(days=days)).timestamp() * 1e9)
        db.execute("UPDATE runs SET started_ns = ? WHERE id = ?", (then, run))
    return run


def test_retention_by_age_spares_what_people_use(record: Record) -> None:
    old, judged, frozen, young = (aged(record, days) for days in (100, 100, 100, 10))
    busy = aged(record, 100, end=False)
    record.feedback.accept(None, run=judged)
    asked = record.start_interaction(
        frozen, "model", tools=[TOOL], messages=[{"role": "user", "content": "add"}]
    )
    record.finish_interaction(asked, "exact", parsed=CALL)
    freeze(record, "adds", folder_of(record), Selection(runs=(frozen,)))
    spared = {judged: "has feedback", frozen: "is in dataset adds", busy: "is at work"}
    told = retain(record, older_than=timedelta(days=90), dry_run=True)
    assert (told.runs, told.kept) == ((old,), spared)
    done = retain(record, older_than=timedelta(days=90), rewrite=True)
    assert (done.runs, done.kept) == ((old,), spared)
    assert {row["id"] for row in everything(record)} == {judged, frozen, busy, young}
    forced = retain(record, older_than=timedelta(days=90), force=True)
    assert (forced.runs, forced.kept) == ((judged, frozen), {busy: "is at work"})
    assert retain(record, older_than=timedelta(days=90), force=True).runs == ()


def test_retention_by_size_erases_the_oldest(record: Record) -> None:
    # Letters: what is digits all through may be telephone numbers, and is looked at closely.
    runs = [write(record, f"{number:08}".translate(LETTERS), calls=1, length=2000) for number in range(30)]
    with record.database.writing() as db:
        db.execute("DELETE FROM feedback")
    record.feedback.accept(None, run=runs[1])
    limit = 1_000_000
    assert retain(record, keep_bytes=10**9).runs == ()
    told = retain(record, keep_bytes=limit, dry_run=True)
    assert told.runs and len(everything(record)) == 30
    done = retain(record, keep_bytes=limit, rewrite=True)
    assert done.kept == {runs[1]: "has feedback"}
    left = [run for run in runs if run not in done.runs]
    assert left == [runs[1], *runs[len(done.runs) + 1 :]]
    assert record.path.stat().st_size <= limit
    # No more than needed, give or take the average that it goes by.
    assert record.path.stat().st_size > limit // 2
    assert retain(record, keep_bytes=1).runs
    assert [row["id"] for row in everything(record)] == [runs[1]]


def test_an_interrupted_erasure_shows_in_the_list(record: Record) -> None:
    run = write(record, "planted")
    with record.database.writing() as db:
        db.execute("UPDATE runs SET status = ? WHERE id = ?", (ERASING, run))
    assert record.runs()[0].status == ERASING
    assert retain(record).runs == ()
    assert everything(record) == []
