"""The journal: nothing is paid or done twice, and questions to a person survive."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speeddial.errors import NotFound, RecordError, UserError
from speeddial.record import JournalKey, Record

SECRET = "ghp_" + "Ab3dE6gHi9kLmN0pQrS7uVwXyZ012345"


@pytest.fixture
def record(place: str, tmp_path: Path) -> Iterator[Record]:
    with Record.open(place, folder=tmp_path) as opened:
        yield opened


def test_a_finished_act_is_replayed_and_a_begun_one_is_seen(record: Record) -> None:
    run = record.begin_run("x")
    journal = record.journal
    key = JournalKey(run, 2, 1, "tool")
    assert journal.get(key) is None
    begun = journal.begin(key, "write", {"text": "milk"})
    assert (begun.fresh, begun.finished, begun.effect, begun.payload) == (
        True,
        False,
        "write",
        {"text": "milk"},
    )
    again = journal.begin(key, "write", {"text": "other"})
    assert (again.fresh, again.finished, again.payload) == (False, False, {"text": "milk"})
    assert journal.entries(run, unfinished=True) == [again]
    journal.finish(key, {"value": 3})
    after = journal.begin(key, "write", {"text": "milk"})
    assert (after.fresh, after.finished, after.result) == (False, True, {"value": 3})
    assert journal.get(key) == after
    assert journal.entries(run, unfinished=True) == []
    assert journal.entries(run) == [after]
    assert str(key) == f"{run}/2/1/tool"


def test_keys_that_differ_anywhere_are_different_acts(record: Record) -> None:
    run, other = record.begin_run("x"), record.begin_run("y")
    base = JournalKey(run, 1, 1, "call")
    keys = [
        base,
        base._replace(run=other),
        base._replace(step=2),
        base._replace(attempt=2),
        base._replace(kind="tool"),
    ]
    for number, key in enumerate(keys):
        assert record.journal.begin(key, "read", number).fresh
        record.journal.finish(key, number)
    for number, key in enumerate(keys):
        entry = record.journal.get(key)
        assert entry is not None and entry.result == number


def test_an_act_is_finished_once(record: Record) -> None:
    run = record.begin_run("x")
    key = JournalKey(run, 1, 1, "tool")
    with pytest.raises(RecordError, match="never begun"):
        record.journal.finish(key, 1)
    record.journal.begin(key, "read", None)
    record.journal.finish(key, None)
    record.journal.finish(key, None)
    with pytest.raises(RecordError, match="another result"):
        record.journal.finish(key, 2)
    entry = record.journal.get(key)
    assert entry is not None and entry.finished and entry.result is None


def test_of_many_that_begin_at_once_one_is_fresh(record: Record, place: str, tmp_path: Path) -> None:
    run = record.begin_run("x")
    fresh: list[bool] = []
    barrier = threading.Barrier(8)

    def begin() -> None:
        with Record.open(place, folder=tmp_path) as mine:
            barrier.wait()
            fresh.append(mine.journal.begin(JournalKey(run, 1, 1, "tool"), "external", {}).fresh)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fresh) == [False] * 7 + [True]


KILLED = """
import os, signal, sys
from speeddial.record import JournalKey, Record
record = Record.open(sys.argv[1])
run = record.begin_run("x")
done, begun, never = (JournalKey(run, 1, 1, kind) for kind in ("done", "begun", "never"))
record.journal.begin(done, "write", {"a": 1})
record.journal.finish(done, "result")
record.journal.begin(begun, "external", {"a": 2})
print(run, flush=True)
with record.writing():
    record.journal.begin(never, "write", {})
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_leaves_what_was_begun_and_what_was_finished(place: str, tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, place], capture_output=True, text=True, cwd=tmp_path
    )
    assert killed.returncode == -9, killed.stderr
    run = killed.stdout.strip()
    with Record.open(place, folder=tmp_path) as record:
        record.resume_run(run)
        done, begun = record.journal.entries(run)
        assert (done.key.kind, done.finished, done.result) == ("done", True, "result")
        assert (begun.key.kind, begun.finished, begun.effect) == ("begun", False, "external")
        assert record.journal.get(JournalKey(run, 1, 1, "never")) is None


def test_an_interaction_and_its_journal_entry_are_one_commit(record: Record) -> None:
    run = record.begin_run("x")
    key = JournalKey(run, 1, 1, "call")
    asked = record.start_interaction(run, "model")
    with pytest.raises(ZeroDivisionError), record.writing():
        record.finish_interaction(asked, "exact")
        record.journal.begin(key, "read", None)
        record.journal.finish(key, 1)
        raise ZeroDivisionError
    assert record.journal.get(key) is None
    assert record.run(run).interactions[0].status == "running"


def test_payload_result_and_key_are_redacted(record: Record) -> None:
    run = record.begin_run("x")
    key = JournalKey(run, 1, 1, f"tool {SECRET}")
    record.journal.begin(key, "write", {"password": "hunter2"})
    record.journal.finish(key, f"sent {SECRET}")
    entry = record.journal.get(key)
    assert entry is not None
    assert "hunter2" not in str(entry.payload)
    assert entry.result == f"sent {record.redactor.text(SECRET)}"
    assert SECRET not in entry.key.kind


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=10)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(payload=json_values, result=json_values)
def test_any_json_comes_back(record: Record, payload: object, result: object) -> None:
    key = JournalKey(record.begin_run("x"), 1, 1, "call")
    record.journal.begin(key, "read", payload)
    record.journal.finish(key, result)
    entry = record.journal.get(key)
    assert entry is not None
    assert entry.payload == record.redactor.value(payload)
    assert entry.result == record.redactor.value(result)


def test_a_question_waits_for_one_of_its_options(record: Record) -> None:
    run = record.begin_run("x")
    journal = record.journal
    with pytest.raises(NotFound, match="no open question"):
        journal.answer(run, "approve")
    asked = journal.ask(run, 1, "Send it?", ["approve", "deny"], details={"to": "anna"})
    assert asked.open and asked.details == {"to": "anna"} and asked.options == ("approve", "deny")
    journal.ask(run, 2, "Did it happen?", ["yes", "no"], topic="outcome")
    assert [found.step for found in journal.questions(run)] == [1, 2]
    with pytest.raises(UserError, match="does not answer"):
        journal.answer(run, "perhaps")
    answered = journal.answer(run, "approve", "go on")
    assert (answered.step, answered.decision, answered.text, answered.open) == (1, "approve", "go on", False)
    assert [found.step for found in journal.questions(run)] == [2]
    assert journal.ask(run, 1, "Send it?", ["approve", "deny"]) == answered
    assert journal.answer(run, "no", step=2).topic == "outcome"
    assert journal.questions(run) == []
    assert len(journal.questions(run, answered=True)) == 2
    with pytest.raises(NotFound):
        journal.answer(run, "deny", step=1)


def test_a_free_answer_fits_a_question_without_options(record: Record) -> None:
    run = record.begin_run("x")
    record.journal.ask(run, 0, "Which Anna?", [])
    assert record.journal.answer(run, "answer", "Anna Berg").text == "Anna Berg"
