"""The record: durable before use, readable after a kill, shared by processes, closed to secrets."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speeddial.errors import NotFound, RecordError, UserError
from speeddial.messages import Message, Status
from speeddial.record import INTERRUPTED, RUNNING, InteractionRow, JournalKey, Record, Redactor
from speeddial.record.database import as_json
from speeddial.record.migrations import MIGRATIONS, applied, migrate
from speeddial.record.redact import RULES, Passage
from speeddial.record.writer import Writer

SECRET = "ghp_" + "Ab3dE6gHi9kLmN0pQrS7uVwXyZ012345"
TOOL = {
    "name": "add",
    "description": "Add.",
    "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
}


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with Record.open(tmp_path / "folder" / "record.db") as opened:
        yield opened


def test_what_is_written_is_read_back(record: Record) -> None:
    run = record.begin_run(
        "add 1 and 2",
        inputs=["a.csv"],
        settings={"model": "scripted"},
        limits={"steps": 3},
        versions={"x": "1"},
    )
    asked = record.start_interaction(
        run,
        "model",
        step=1,
        attempt=2,
        reason="said no",
        expert="adder",
        model="scripted",
        adapter="adder",
        adapter_version="3",
        messages=[Message("system", "You are adder."), {"role": "user", "content": "add 1"}],
        tools=[TOOL],
        schema={"type": "object"},
        schema_hash="sha256:ab",
    )
    record.finish_interaction(
        asked,
        Status.CORRECTED,
        raw='{"name":"add","arguments":{"a":1}}',
        parsed={"name": "add", "arguments": {"a": 1}},
        receipt={"constrained": True, "backend": "llguidance"},
        confidence=0.5,
        finish="stop",
        tokens_in=10,
        tokens_out=5,
        tokens_forced=3,
        cost=0.25,
        latency_ms=12.5,
    )
    ran = record.start_interaction(
        run, "tool", step=1, parent=asked, expert="adder", tool="add", effect="read", arguments={"a": 1},
        idempotency_key=f"{run}/1",
    )  # fmt: skip
    record.finish_interaction(ran, "done", resolved={"a": 1}, result=3, text="3")
    record.finish_run(run, "done", answer="3", missing=["fly to Rome"])

    found = record.run(run)
    assert (found.task, found.status, found.answer, found.missing) == (
        "add 1 and 2",
        "done",
        "3",
        ("fly to Rome",),
    )
    assert (found.inputs, found.settings, found.limits) == (("a.csv",), {"model": "scripted"}, {"steps": 3})
    assert found.versions["x"] == "1" and found.versions["python"]
    assert (found.interaction_count, found.tokens_in, found.tokens_out, found.cost) == (2, 10, 5, 0.25)
    model, tool = found.interactions
    assert model.messages == (
        {"role": "system", "content": "You are adder."},
        {"role": "user", "content": "add 1"},
    )
    assert model.tools == (TOOL,) and model.schema == {"type": "object"}
    assert model.parsed == {"name": "add", "arguments": {"a": 1}}
    assert (model.status, model.attempt, model.tokens_forced, model.latency_ms) == ("corrected", 2, 3, 12.5)
    assert model.receipt == {"constrained": True, "backend": "llguidance"}
    assert (tool.parent, tool.result, tool.text, tool.resolved) == (asked, 3, "3", {"a": 1})
    assert tool.latency_ms is not None and 0 <= tool.latency_ms < 10_000
    assert json.loads(json.dumps(found.as_dict()))["interactions"][0]["messages"][1]["content"] == "add 1"


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(), max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(st.characters(), max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(value=json_values, text=st.text(max_size=40))
def test_any_json_value_comes_back_equal_after_redaction(record: Record, value: Any, text: str) -> None:
    run = record.begin_run(text)
    message = {"role": "user", "content": text, "extra": value}
    asked = record.start_interaction(run, "tool", messages=[message], arguments=value, resolved=value)
    record.finish_interaction(asked, "done", result=value, raw=text)
    (row,) = record.run(run).interactions
    expected = json.loads(as_json(record.redactor.value(value)))
    assert [row.arguments, row.resolved, row.result] == [expected] * 3
    assert row.messages[0] == json.loads(as_json(record.redactor.value(message)))
    assert row.raw == record.redactor.text(text)


def test_text_that_utf8_cannot_hold_is_kept_as_far_as_it_can_be(record: Record) -> None:
    run = record.begin_run("lone \ud83d half")
    asked = record.start_interaction(run, "tool", arguments={"a": "lone \ud83d half"})
    record.finish_interaction(asked, "done", raw="a\ud83d\ude00b\udc00c\x00d")
    assert record.run(run).task == "lone \ufffd half"
    (row,) = record.run(run).interactions
    assert row.arguments == {"a": "lone \ud83d half"}
    assert row.raw == "a\U0001f600b\ufffdc\x00d"


def test_equal_messages_and_tools_are_stored_once(record: Record) -> None:
    run = record.begin_run("x")
    for number in range(20):
        record.start_interaction(
            run, "model", messages=[Message("system", "S"), Message("user", str(number))], tools=[TOOL]
        )
    with sqlite3.connect(record.path) as db:
        assert db.execute("SELECT count(*) FROM contents").fetchone()[0] == 22
        assert all(name.startswith("sha256:") for (name,) in db.execute("SELECT hash FROM contents"))
    db.close()
    assert record.run(run).interactions[7].messages[1]["content"] == "7"


def test_a_row_at_work_is_seen_and_a_finished_one_stays(record: Record) -> None:
    run = record.begin_run("x")
    asked = record.start_interaction(run, "model")
    assert record.run(run).status == RUNNING
    assert record.run(run).interactions[0].status == RUNNING
    record.finish_interaction(asked, "exact")
    with pytest.raises(RecordError, match="already ended"):
        record.finish_interaction(asked, "failed")
    record.finish_run(run, "done")
    with pytest.raises(RecordError, match="already ended"):
        record.finish_run(run, "failed")
    with pytest.raises(RecordError, match="not on record"):
        record.finish_interaction(999, "exact")
    with pytest.raises(RecordError, match="FOREIGN KEY"):
        record.start_interaction("no such run", "model")


def test_runs_are_listed_newest_first_and_found_by_a_part_of_their_id(record: Record) -> None:
    ids = [record.begin_run(f"task {number}") for number in range(5)]
    record.finish_run(ids[1], "done")
    assert [run.id for run in record.runs()] == sorted(ids, reverse=True)
    assert [run.id for run in record.runs(status="done")] == [ids[1]]
    newest = sorted(ids, reverse=True)
    assert [run.id for run in record.runs(2)] == newest[:2]
    assert [run.id for run in record.runs(2, before=newest[1])] == newest[2:4]
    assert record.resolve(ids[2]) == ids[2]
    assert record.resolve(ids[2][-6:]) == ids[2]
    assert record.resolve("last") == newest[0]
    for name in ("", "nothing", "%"):
        with pytest.raises(NotFound, match="latest runs"):
            record.resolve(name)
    with pytest.raises(NotFound, match="more than one"):
        record.resolve(ids[0][:8])
    with pytest.raises(NotFound, match="no run 'x'"):
        record.run("x")


def test_a_block_of_writes_is_committed_as_one_or_not_at_all(record: Record) -> None:
    run = record.begin_run("x")
    with pytest.raises(ZeroDivisionError), record.writing():
        asked = record.start_interaction(run, "model")
        record.finish_interaction(asked, "exact")
        assert record.run(run).interactions[0].status == "exact"
        raise ZeroDivisionError
    assert record.run(run).interactions == ()
    with record.writing(), record.writing():
        asked = record.start_interaction(run, "model")
        record.finish_interaction(asked, "exact")
    assert len(record.run(run).interactions) == 1


def test_threads_write_at_once(record: Record) -> None:
    run = record.begin_run("x")

    def work() -> None:
        for number in range(50):
            asked = record.start_interaction(run, "model", messages=[Message("user", str(number))])
            record.finish_interaction(asked, "exact")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row.status for row in record.run(run).interactions] == ["exact"] * 200


def test_many_interactions_are_read_in_batches(record: Record) -> None:
    run = record.begin_run("x")
    with record.writing():
        for number in range(1203):
            record.finish_interaction(
                record.start_interaction(run, "model", expert="a" if number % 3 else "b"),
                "exact",
                raw=str(number),
            )
    assert [row.raw for row in record.interactions(run=run)] == [str(number) for number in range(1203)]
    assert len(list(record.interactions(expert="b", statuses=["exact"], kinds=["model"]))) == 401
    assert list(record.interactions(statuses=["failed"])) == []


# ---- redaction ----


def test_no_secret_reaches_the_disk_from_any_field(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    record = Record.open(path)
    said = f"use {SECRET} now"
    run = record.begin_run(
        said, workflow=said, inputs=[said], settings={"key": said}, limits={said: 1}, versions={"a": said}
    )
    message = Message("user", said)
    asked = record.start_interaction(
        run, "model", reason=said, expert=said, model=said, adapter=said, adapter_version=said,
        messages=[message], tools=[{**TOOL, "description": said}], schema={"const": said}, schema_hash=said,
        tool=said, effect=said, arguments=said, resolved=[said], idempotency_key=said,
    )  # fmt: skip
    record.finish_interaction(
        asked, said, raw=said, parsed={said: 1}, resolved=said, result=said, text=said, error=said,
        receipt={"backend": said}, finish=said,
    )  # fmt: skip
    key = JournalKey(run, 1, 1, f"tool {SECRET}")
    record.journal.begin(key, said, {"a": said})
    record.journal.finish(key, said)
    record.journal.ask(run, 1, said, [said], topic=said, details=said)
    record.journal.answer(run, record.redactor.text(said), said)
    record.finish_run(run, said, answer=said, error=said, missing=[said])
    files = sorted(tmp_path.iterdir())
    assert path.with_name("record.db-wal") in files
    for file in files:
        assert SECRET.encode() not in file.read_bytes()
        assert SECRET[4:].encode() not in file.read_bytes()
    found = record.run(run)
    assert found.redactions["api_key"] > 5
    assert found.interactions[0].redactions["api_key"] > 10
    record.close()


class BrokenRule:
    name = "broken"

    def find(self, passage: Passage) -> Iterable[tuple[int, int]]:
        if "break" in passage.text:
            raise ValueError("cannot say")
        return ()


def test_nothing_is_written_when_redaction_fails(tmp_path: Path) -> None:
    with Record.open(tmp_path / "r.db", redactor=Redactor(b"k", [*RULES, BrokenRule()])) as record:
        with pytest.raises(RecordError, match="'broken' failed"):
            record.begin_run("break")
        assert record.runs() == []
        run = record.begin_run("fine")
        for arguments in ({"arguments": {"a": ["break"]}}, {"messages": [Message("user", "break")]}):
            with pytest.raises(RecordError, match="nothing was written"):
                record.start_interaction(run, "tool", **arguments)
        assert record.run(run).interactions == ()
        assert record.begin_run("works on")


def test_the_key_of_the_surrogates_stays_beside_the_record(tmp_path: Path) -> None:
    path = tmp_path / "private" / "record.db"
    with Record.open(path) as first, Record.open(path) as second:
        assert first.redactor.text(SECRET) == second.redactor.text(SECRET)
    key = path.with_name("record.db.key")
    for file in (path, key):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert key.read_bytes() not in path.read_bytes()


# ---- opening ----


def test_a_record_of_version_1_is_migrated_with_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    db = sqlite3.connect(path)
    migrate(db, str(path), MIGRATIONS[:1])
    db.execute(
        "INSERT INTO runs (id, workflow, task, status, started_ns, writer_pid, writer_host, writer_started)"
        " VALUES ('r1', 'default', 'old task', 'done', 1, 1, 'elsewhere', '')"
    )
    db.commit()
    assert applied(db) == ["m001_runs_and_interactions"]
    db.close()
    with Record.open(path) as record:
        assert record.run("r1").task == "old task"
        assert record.journal.questions("r1") == []
    db = sqlite3.connect(path)
    assert applied(db) == [migration.__name__ for migration in MIGRATIONS]
    assert migrate(db, str(path)) == []
    db.close()


def test_a_failed_migration_leaves_the_record_as_it_was(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "record.db", isolation_level=None)

    def m002_broken(db: sqlite3.Connection) -> None:
        db.execute("CREATE TABLE half (x)")
        db.execute("no sql")

    migrate(db, "x", MIGRATIONS[:1])
    db.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError):
        migrate(db, "x", [MIGRATIONS[0], m002_broken])
    db.execute("ROLLBACK")
    assert applied(db) == ["m001_runs_and_interactions"]
    assert not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchone()
    db.close()


def test_the_migrations_are_numbered_in_order() -> None:
    assert [migration.__name__[:5] for migration in MIGRATIONS] == [
        f"m{number:03d}_" for number in range(1, len(MIGRATIONS) + 1)
    ]


def test_a_newer_schema_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    Record.open(path).close()
    db = sqlite3.connect(path)
    db.execute("INSERT INTO migrations (name, applied_ns) VALUES ('m999_later', 1)")
    db.commit()
    db.close()
    with pytest.raises(UserError, match="newer Speeddial") as caught:
        Record.open(path)
    assert "upgrade" in str(caught.value)


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE mine (x)")
    db.commit()
    db.close()
    text = tmp_path / "text.db"
    text.write_text("not a database at all, but long enough for a header of one hundred bytes" * 3)
    with pytest.raises(UserError, match="not a Speeddial record"):
        Record.open(other)
    with pytest.raises(UserError, match="not a Speeddial record"):
        Record.open(text)
    with pytest.raises(UserError, match="cannot be opened"):
        Record.open(tmp_path)
    with pytest.raises(UserError, match="cannot be opened"):
        Record.open(text / "below" / "a file")
    with pytest.raises(UserError, match="URLs are not supported"):
        Record.open("postgresql://bob:hunter2@host/db")
    db = sqlite3.connect(other)
    assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]
    db.close()


def test_full_synchronous_is_set_when_asked(tmp_path: Path) -> None:
    for mode, number in (("normal", 1), ("full", 2)):
        with Record.open(tmp_path / mode, synchronous=mode) as record:  # type: ignore[arg-type]
            assert record.database._writer.execute("PRAGMA synchronous").fetchone()[0] == number
            assert record.database._writer.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


# ---- disks ----


def test_a_full_disk_stops_with_a_clear_error_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    record = Record.open(tmp_path / "record.db")
    run = record.begin_run("x")
    pages = record.database._writer.execute("PRAGMA page_count").fetchone()[0]
    record.database._writer.execute(f"PRAGMA max_page_count = {pages + 20}")
    acknowledged = []
    with pytest.raises(RecordError, match="the disk is full") as caught:
        for number in range(1000):
            acknowledged.append(record.start_interaction(run, "tool", arguments=f"{number}" * 1000))
    assert "resume" in caught.value.hint
    assert [row.id for row in record.run(run).interactions] == acknowledged
    record.database._writer.execute(f"PRAGMA max_page_count = {pages + 10_000}")
    assert record.start_interaction(run, "tool", arguments="after space was freed") == acknowledged[-1] + 1
    record.close()


WRITER = """
import sys
from speeddial.messages import Message
from speeddial.record import Record
record = Record.open(sys.argv[1])
run = record.begin_run("kill me")
print(run, flush=True)
for number in range(1_000_000):
    asked = record.start_interaction(run, "model", messages=[Message("user", f"{number} " * 50)])
    print("started", asked, flush=True)
    record.finish_interaction(asked, "exact", raw=f"answer {number}")
    print("finished", asked, flush=True)
"""


def test_a_file_that_may_not_grow_stops_with_a_clear_error(tmp_path: Path) -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        + WRITER.replace("for number", "from speeddial.errors import RecordError\ntry:\n  for number", 1)
        .replace("\n    ", "\n      ")
        .rstrip()
        + "\nexcept RecordError as error:\n  print('error', error.message, flush=True)\n"
    )
    path = tmp_path / "record.db"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("error") and "disk" in lines[-1]
    _check_acknowledged(path, lines[:-1])


# ---- kills ----


def _start_writer(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)


def _check_acknowledged(path: Path, lines: list[str]) -> int:
    """Every row that the writer was told of is there as it was told; returns how many."""
    run, *told = lines
    wanted: dict[int, str] = {}
    for line in told:
        words = line.split()
        if len(words) == 2 and words[0] in ("started", "finished") and words[1].isdigit():
            wanted[int(words[1])] = words[0]
    with Record.open(path) as record:
        rows = {row.id: row for row in record.run(run).interactions}
    for number, state in wanted.items():
        row = rows[number]
        assert row.messages[0]["content"]
        assert state == "started" or (row.status == "exact" and row.raw is not None)
    return len(wanted)


def _kill(path: Path, times: int, seconds: Callable[[], float]) -> int:
    acknowledged = 0
    for _ in range(times):
        with _start_writer(path) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(seconds())
            process.send_signal(signal.SIGKILL)
            # The last line may be cut off: what was not told whole was not acknowledged.
            rest = process.stdout.read().rpartition("\n")[0].splitlines()
        acknowledged += _check_acknowledged(path, [first.strip(), *rest])
        with Record.open(path) as record:
            assert record.run(first.strip()).status == INTERRUPTED
    with Record.open(path) as record:
        assert record.database._writer.execute("PRAGMA quick_check").fetchone()[0] == "ok"
    return acknowledged


def test_every_acknowledged_row_survives_a_kill(tmp_path: Path) -> None:
    chance = random.Random(1)
    assert _kill(tmp_path / "record.db", 20, lambda: chance.uniform(0, 0.08)) > 50


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_acknowledged_row_survives_hundreds_of_kills_under_load(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    chance = random.Random(2)
    with _start_writer(path) as neighbour:
        assert neighbour.stdout is not None
        told: list[str] = []
        reader = threading.Thread(target=lambda: told.extend(neighbour.stdout or ()))
        reader.start()
        assert _kill(path, 200, lambda: chance.uniform(0, 0.1)) > 500
        neighbour.kill()
        reader.join()
    assert _check_acknowledged(path, [line.strip() for line in told[:-1]]) > 1000


def test_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    code = WRITER.replace("1_000_000", "100")
    both = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in both:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert _check_acknowledged(path, out.splitlines()) == 100
    with Record.open(path) as record:
        assert [run.interaction_count for run in record.runs()] == [100, 100, 100]


def test_a_run_whose_writer_died_is_interrupted_and_can_be_resumed(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    with _start_writer(path) as process:
        assert process.stdout is not None
        run = process.stdout.readline().strip()
        started = process.stdout.readline()
        with Record.open(path) as record:
            assert record.run(run).status == RUNNING
            with pytest.raises(UserError, match=f"still running in process {process.pid}"):
                record.resume_run(run)
        process.kill()
        process.wait()
    assert started.startswith("started")
    with Record.open(path) as record:
        assert [found.id for found in record.runs(status=INTERRUPTED)] == [run]
        assert record.runs(status=RUNNING) == []
        resumed = record.resume_run(run)
        assert (resumed.status, resumed.resumed, resumed.writer_pid) == (RUNNING, 1, os.getpid())
        assert {row.status for row in resumed.interactions} <= {"exact", INTERRUPTED}
        record.finish_run(run, "done")
        assert record.resume_run(run).resumed == 2
        with pytest.raises(NotFound):
            record.resume_run("no such run")


def test_a_reused_process_number_is_not_taken_for_the_writer() -> None:
    me = Writer.me()
    assert me.alive() is True
    assert Writer(me.pid, me.host, "another boot:1").alive() is (not me.started)
    assert Writer(me.pid, "another machine", "").alive() is None
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    assert Writer(ended.pid, me.host, "").alive() is False


def test_a_fork_must_open_the_record_anew(record: Record) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            record.begin_run("in the fork")
            os.write(write, b"written")
        except RecordError as error:
            os.write(write, error.message.encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert b"used in its fork" in os.read(read, 1000)
    os.close(read)
    os.close(write)
    assert record.runs() == []


def test_a_locked_record_says_so(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    with Record.open(path) as holder, Record.open(path, busy_timeout=0.05) as waiting:
        with (
            holder.writing(),
            pytest.raises(RecordError, match=r"another process kept the record locked for 0.05 s"),
        ):
            waiting.begin_run("x")
        assert waiting.begin_run("x")


def test_unknown_filters_give_nothing_and_rows_are_frozen(record: Record) -> None:
    run = record.begin_run("x")
    record.start_interaction(run, "model")
    assert list(record.interactions(run="other")) == []
    row = next(iter(record.interactions()))
    assert isinstance(row, InteractionRow)
    with pytest.raises(AttributeError):
        row.status = "exact"  # type: ignore[misc]
