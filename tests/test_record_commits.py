"""Group commit: writes of many callers in one transaction, in order, each acknowledged after its commit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from speeddial.errors import RecordError
from speeddial.record import JournalKey, Record
from speeddial.record.commits import Pending


@pytest.fixture
def record(place: str, tmp_path: Path) -> Iterator[Record]:
    with Record.open(place, folder=tmp_path / "folder") as opened:
        yield opened


@contextmanager
def counted(record: Record) -> Iterator[list[int]]:
    """Grows by one with every commit of this process."""
    commits: list[int] = []
    end = record.database._end

    def count() -> None:
        end()
        commits.append(1)

    record.database._end = count  # type: ignore[method-assign]
    yield commits
    record.database._end = end  # type: ignore[method-assign]


async def call(record: Record, run: str, number: int) -> int:
    asked = await record.enqueue(record.starting(run, "model", arguments=number))
    return await record.committed(record.finishing(asked, "exact", raw=str(number)))


async def test_tasks_share_commits(record: Record) -> None:
    run = await record.committed(record.beginning_run("x"))
    with counted(record) as commits:
        ids = await asyncio.gather(*(call(record, run, number) for number in range(100)))
    assert len(commits) <= 20
    rows = {row.id: row for row in record.run(run).interactions}
    assert [rows[row].raw for row in ids] == [str(number) for number in range(100)]
    # In the order in which they were handed in.
    assert ids == sorted(ids)


def test_threads_share_commits(record: Record) -> None:
    run = record.begin_run("x")
    barrier = threading.Barrier(9)
    ids: list[int] = []

    def work() -> None:
        barrier.wait()
        ids.append(record.start_interaction(run, "model"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    with counted(record) as commits, record.writing():
        barrier.wait()
        while len(record.database._commits._waiting) < 8:
            pass
    for thread in threads:
        thread.join()
    # One for the block, at most two for all eight: the first may have been taken alone.
    assert len(commits) <= 3
    assert sorted(ids) == [row.id for row in record.run(run).interactions]


async def test_it_is_acknowledged_after_the_commit_and_not_before(record: Record) -> None:
    run = await record.committed(record.beginning_run("x"))
    end, go_on = record.database._end, threading.Event()

    def wait() -> None:
        go_on.wait(10)
        end()

    record.database._end = wait  # type: ignore[method-assign]
    asked = await record.enqueue(record.starting(run, "model"))
    acknowledged = asyncio.ensure_future(_result(asked))
    await asyncio.sleep(0.05)
    assert not acknowledged.done() and not asked.done()
    go_on.set()
    row = await acknowledged
    assert [found.id for found in record.run(run).interactions] == [row]


async def _result(asked: Pending[int]) -> int:
    return await asked


async def test_what_cannot_be_written_fails_alone(record: Record) -> None:
    run = await record.committed(record.beginning_run("x"))
    # All in one group: nothing is committed while this block holds the record.
    with record.writing():
        good = [await record.enqueue(record.starting(run, "model")) for _ in range(3)]
        bad = await record.enqueue(record.starting("no such run", "model"))
        end_of_bad = await record.enqueue(record.finishing(bad, "exact"))
        twice = [await record.enqueue(record.finishing(good[0], "exact")) for _ in range(2)]
    ids = [await one for one in good]
    for failed in (bad, end_of_bad):
        with pytest.raises(RecordError, match=r"(?i)foreign key"):
            await failed
    assert await twice[0] == ids[0]
    with pytest.raises(RecordError, match="already ended"):
        await twice[1]
    assert [row.id for row in record.run(run).interactions] == ids


async def test_a_write_made_of_several_is_written_whole_or_not_at_all(record: Record) -> None:
    run = await record.committed(record.beginning_run("x"))
    key = JournalKey(run, 0, 1, "call")
    asked = await record.enqueue(record.starting(run, "model"))
    finish = record.finishing(asked, "exact")

    def broken() -> None:
        record.journal.keep(key, "model", finish())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await record.committed(broken)
    assert record.journal.get(key) is None
    assert record.run(run).interactions[0].status == "running"

    def whole() -> int:
        row = finish()
        record.journal.keep(key, "model", row)
        return row

    row = await record.committed(whole)
    entry = record.journal.get(key)
    assert entry is not None and entry.result == row
    assert record.run(run).interactions[0].status == "exact"


async def test_a_start_that_nobody_waits_for_is_soon_seen_by_others(
    record: Record, place: str, tmp_path: Path
) -> None:
    run = await record.committed(record.beginning_run("x"))
    with Record.open(place, folder=tmp_path / "folder") as other:
        asked = await record.enqueue(record.starting(run, "model", expert="adder"))
        for _ in range(5000):
            if rows := other.run(run).interactions:
                break
            await asyncio.sleep(0.001)
    assert [(row.status, row.expert) for row in rows] == [("running", "adder")]
    assert await asked == rows[0].id


async def test_who_stops_waiting_does_not_take_it_back(record: Record) -> None:
    run = await record.committed(record.beginning_run("x"))
    with record.writing():
        waiting = asyncio.ensure_future(record.committed(record.starting(run, "model")))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await record.committed(record.starting(run, "model"))
    assert len(record.run(run).interactions) == 2


async def test_what_was_handed_in_stands_before_what_is_written_directly(record: Record) -> None:
    run = await record.committed(record.beginning_run("x"))
    handed_in = [await record.enqueue(record.starting(run, "model")) for _ in range(10)]
    direct = record.start_interaction(run, "tool")
    assert [await one for one in handed_in] == list(range(direct - 10, direct))


def test_closing_commits_what_waits_and_takes_no_more(place: str, tmp_path: Path) -> None:
    record = Record.open(place, folder=tmp_path)
    run = record.begin_run("x")

    async def hand_in() -> list[Pending[int]]:
        return [await record.enqueue(record.starting(run, "model")) for _ in range(20)]

    asked = asyncio.run(hand_in())
    record.close()
    record.close()
    assert all(one.done() for one in asked)
    with pytest.raises(RecordError, match="closed"):
        record.begin_run("y")
    with Record.open(place, folder=tmp_path) as again:
        assert len(again.run(run).interactions) == 20


def test_one_record_serves_several_loops_and_threads(record: Record) -> None:
    run = record.begin_run("x")

    async def many() -> None:
        await asyncio.gather(*(call(record, run, number) for number in range(30)))

    def work(loop: bool) -> None:
        if loop:
            asyncio.run(many())
        else:
            for _ in range(30):
                record.finish_interaction(record.start_interaction(run, "model"), "exact")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, [True, False, True, False]))
    assert [row.status for row in record.run(run).interactions] == ["exact"] * 120


async def test_another_text_says_that_something_was_committed(
    record: Record, place: str, tmp_path: Path
) -> None:
    before = record.database.version()
    assert record.database.version() == before
    run = await record.committed(record.beginning_run("x"))
    own = record.database.version()
    assert own != before
    with Record.open(place, folder=tmp_path / "folder") as other:
        other.start_interaction(run, "model")
    assert record.database.version() != own


async def test_a_commit_that_fails_is_told_to_all_and_loses_nothing(record: Record) -> None:
    run = await record.committed(record.beginning_run("x"))
    end: Any = record.database._end
    failures = 0

    def fail() -> None:
        nonlocal failures
        failures += 1
        raise record.database.errors("no room")

    record.database._end = fail  # type: ignore[method-assign]
    with record.database._lock:
        asked = [await record.enqueue(record.starting(run, "model")) for _ in range(5)]
    for one in asked:
        with pytest.raises(RecordError, match="no room"):
            await one
    record.database._end = end  # type: ignore[method-assign]
    assert record.run(run).interactions == ()
    assert await record.committed(record.starting(run, "model")) > 0


def test_ctrl_c_in_the_thread_that_leads_leaves_the_others_writes_to_be_done(record: Record) -> None:
    run = record.begin_run("x")
    end: Any = record.database._end

    def interrupt() -> None:
        record.database._end = end  # type: ignore[method-assign]
        raise KeyboardInterrupt

    async def hand_in() -> list[Pending[int]]:
        # Held, so that it is this thread that leads and not the record's own.
        with record.database._lock:
            asked = [await record.enqueue(record.starting(run, "model")) for _ in range(3)]
            record.database._end = interrupt  # type: ignore[method-assign]
            with pytest.raises(KeyboardInterrupt):
                record.start_interaction(run, "tool")
            return asked

    asked = asyncio.run(hand_in())
    ids = [one.result(10) for one in asked]
    assert ids == [row.id for row in record.run(run).interactions if row.kind == "model"]
