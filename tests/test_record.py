"""The record: durable before use, readable after a kill, shared by processes, closed to secrets."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speeddial.errors import NotFound, RecordError
from speeddial.messages import Message, Status
from speeddial.record import RUNNING, InteractionRow, JournalKey, Record, Redactor
from speeddial.record.database import as_json
from speeddial.record.redact import RULES, Passage
from speeddial.record.writer import Writer

SECRET = "ghp_" + "Ab3dE6gHi9kLmN0pQrS7uVwXyZ012345"
TOOL = {
    "name": "add",
    "description": "Add.",
    "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
}


@pytest.fixture
def record(place: str, tmp_path: Path) -> Iterator[Record]:
    with Record.open(place, folder=tmp_path / "folder") as opened:
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
    kept = record.redactor.text(text)
    assert row.raw == (kept if record.database.dialect == "sqlite" else kept.replace("\x00", "\ufffd"))


def test_text_that_utf8_cannot_hold_is_kept_as_far_as_it_can_be(record: Record) -> None:
    run = record.begin_run("lone \ud83d half")
    asked = record.start_interaction(run, "tool", arguments={"a": "lone \ud83d half"})
    record.finish_interaction(asked, "done", raw="a\ud83d\ude00b\udc00c\x00d")
    assert record.run(run).task == "lone \ufffd half"
    (row,) = record.run(run).interactions
    assert row.arguments == {"a": "lone \ud83d half"}
    # PostgreSQL's texts cannot hold a NUL.
    kept = "\x00" if record.database.dialect == "sqlite" else "\ufffd"
    assert row.raw == f"a\U0001f600b\ufffdc{kept}d"


def test_equal_messages_and_tools_are_stored_once(record: Record) -> None:
    run = record.begin_run("x")
    for number in range(20):
        record.start_interaction(
            run, "model", messages=[Message("system", "S"), Message("user", str(number))], tools=[TOOL]
        )
    names = [row["hash"] for row in record.database.read("SELECT hash FROM contents")]
    assert len(names) == 22 and all(name.startswith("sha256:") for name in names)
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
    with pytest.raises(RecordError, match=r"(?i)foreign key"):
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
