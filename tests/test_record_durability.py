"""What was acknowledged stays: kills, full and slow disks, several processes at once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from speeddial.errors import NotFound, RecordError, UserError
from speeddial.record import INTERRUPTED, RUNNING, Record
from speeddial.record.commits import MOST_WAITING

WRITER = """
import sys
from speeddial.errors import RecordError
from speeddial.messages import Message
from speeddial.record import Record
record = Record.open(sys.argv[1])
run = record.begin_run("kill me")
print(run, flush=True)
try:
    for number in range(int(sys.argv[2])):
        asked = record.start_interaction(run, "model", messages=[Message("user", f"{number} " * 50)])
        print("started", asked, flush=True)
        record.finish_interaction(asked, "exact", raw=f"answer {number}")
        print("finished", asked, flush=True)
except RecordError as error:
    print("error", error.message, flush=True)
"""
TASKS = """
import asyncio, sys
from speeddial.errors import RecordError
from speeddial.messages import Message
from speeddial.record import Record

async def work(record, run, task, numbers):
    for number in numbers:
        asked = await record.enqueue(
            record.starting(run, "model", messages=[Message("user", f"{task} {number} " * 25)])
        )
        if number % 3 == 0:
            print("started", await asked, flush=True)
        row = await record.committed(record.finishing(asked, "exact", raw=f"answer {number}"))
        print("finished", row, flush=True)

async def main():
    record = Record.open(sys.argv[1])
    run = await record.committed(record.beginning_run("kill me"))
    print(run, flush=True)
    numbers = range(int(sys.argv[2]) // 10)
    try:
        await asyncio.gather(*(work(record, run, task, numbers) for task in range(10)))
    except RecordError as error:
        print("error", error.message, flush=True)
        return
    record.close()

asyncio.run(main())
"""


def start_writer(
    place: str, folder: Path, code: str = WRITER, rows: int = 1_000_000
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, place, str(rows)], stdout=subprocess.PIPE, text=True, cwd=folder
    )


def check_acknowledged(place: str, folder: Path, lines: list[str]) -> int:
    """Every row that the writer was told of is there as it was told; returns how many."""
    run, *told = lines
    wanted: dict[int, str] = {}
    for line in told:
        words = line.split()
        if len(words) == 2 and words[0] in ("started", "finished") and words[1].isdigit():
            wanted[int(words[1])] = words[0]
    with Record.open(place, folder=folder) as record:
        rows = {row.id: row for row in record.run(run).interactions}
    for number, state in wanted.items():
        row = rows[number]
        assert row.messages[0]["content"]
        assert state == "started" or (row.status == "exact" and row.raw is not None)
    return len(wanted)


def kill(place: str, folder: Path, times: int, seconds: Callable[[], float]) -> int:
    """Kill writers, with threads and with tasks in turn; returns how many rows were acknowledged."""
    acknowledged = 0
    for number in range(times):
        with start_writer(place, folder, TASKS if number % 2 else WRITER) as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(seconds())
            process.send_signal(signal.SIGKILL)
            # The last line may be cut off: what was not told whole was not acknowledged.
            rest = process.stdout.read().rpartition("\n")[0].splitlines()
        acknowledged += check_acknowledged(place, folder, [first.strip(), *rest])
        with Record.open(place, folder=folder) as record:
            assert record.run(first.strip()).status == INTERRUPTED
    if "://" not in place:
        with Record.open(place) as record:
            assert record.database.read("PRAGMA quick_check")[0][0] == "ok"
    return acknowledged


def test_every_acknowledged_row_survives_a_kill(place: str, tmp_path: Path) -> None:
    chance = random.Random(1)
    times = 6 if "://" in place else 20
    assert kill(place, tmp_path, times, lambda: chance.uniform(0, 0.08)) > 2 * times


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_acknowledged_row_survives_hundreds_of_kills_under_load(place: str, tmp_path: Path) -> None:
    chance = random.Random(2)
    with start_writer(place, tmp_path, TASKS) as neighbour:
        assert neighbour.stdout is not None
        told: list[str] = []
        reader = threading.Thread(target=lambda: told.extend(neighbour.stdout or ()))
        reader.start()
        assert kill(place, tmp_path, 200, lambda: chance.uniform(0, 0.1)) > 500
        neighbour.kill()
        reader.join()
    assert check_acknowledged(place, tmp_path, [line.strip() for line in told[:-1]]) > 1000


@pytest.mark.parametrize("code", [WRITER, TASKS], ids=["threads", "tasks"])
def test_processes_write_at_once(place: str, tmp_path: Path, code: str) -> None:
    writers = [start_writer(place, tmp_path, code, 100) for _ in range(3)]
    for process in writers:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert check_acknowledged(place, tmp_path, out.splitlines()) == 100
    with Record.open(place, folder=tmp_path) as record:
        assert [run.interaction_count for run in record.runs()] == [100, 100, 100]
        assert {row.status for row in record.interactions()} == {"exact"}


def test_a_run_whose_writer_died_is_interrupted_and_can_be_resumed(place: str, tmp_path: Path) -> None:
    with start_writer(place, tmp_path) as process:
        assert process.stdout is not None
        run = process.stdout.readline().strip()
        started = process.stdout.readline()
        with Record.open(place, folder=tmp_path) as record:
            assert record.run(run).status == RUNNING
            with pytest.raises(UserError, match=f"still running in process {process.pid}"):
                record.resume_run(run)
        process.kill()
        process.wait()
    assert started.startswith("started")
    with Record.open(place, folder=tmp_path) as record:
        assert [found.id for found in record.runs(status=INTERRUPTED)] == [run]
        assert record.runs(status=RUNNING) == []
        resumed = record.resume_run(run)
        assert (resumed.status, resumed.resumed, resumed.writer_pid) == (RUNNING, 1, os.getpid())
        assert {row.status for row in resumed.interactions} <= {"exact", INTERRUPTED}
        record.finish_run(run, "done")
        assert record.resume_run(run).resumed == 2
        with pytest.raises(NotFound):
            record.resume_run("no such run")


def test_a_locked_record_says_so(place: str, tmp_path: Path) -> None:
    with (
        Record.open(place, folder=tmp_path) as holder,
        Record.open(place, folder=tmp_path, busy_timeout=0.05) as waiting,
    ):
        with (
            holder.writing(),
            pytest.raises(RecordError, match=r"another process kept the record locked for 0.05 s"),
        ):
            waiting.begin_run("x")
        assert waiting.begin_run("x")


# ---- disks ----


def allow_pages(record: Record, more: int) -> None:
    """Let the file grow by so many pages and no more: what SQLite meets then is what a full disk gives it."""
    with record.database.writing() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages + more}")


def test_a_full_disk_stops_with_a_clear_error_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    with Record.open(tmp_path / "record.db") as record:
        run = record.begin_run("x")
        allow_pages(record, 20)
        acknowledged = []
        with pytest.raises(RecordError, match="the disk is full") as caught:
            for number in range(1000):
                acknowledged.append(record.start_interaction(run, "tool", arguments=f"{number}" * 1000))
        assert "resume" in caught.value.hint
        assert [row.id for row in record.run(run).interactions] == acknowledged
        allow_pages(record, 10_000)
        assert record.start_interaction(run, "tool", arguments="there is room") == acknowledged[-1] + 1


async def test_tasks_on_a_full_disk_are_told_each_and_go_on_when_there_is_room(tmp_path: Path) -> None:
    with Record.open(tmp_path / "record.db") as record:
        run = record.begin_run("x")
        allow_pages(record, 40)
        acknowledged: dict[int, str] = {}
        errors: list[RecordError] = []

        async def work(task: int) -> None:
            for number in range(20):
                asked = await record.enqueue(record.starting(run, "tool", arguments=f"{task} {number}" * 300))
                try:
                    acknowledged[await asked] = RUNNING
                    acknowledged[await record.committed(record.finishing(asked, "done"))] = "done"
                except RecordError as error:
                    errors.append(error)
                    return

        await asyncio.gather(*(work(task) for task in range(16)))
        # Who needs a new page stops; who still fits into an old one may go on.
        assert errors and all("the disk is full" in error.message for error in errors)
        found = {row.id: row.status for row in record.run(run).interactions}
        assert acknowledged and found == acknowledged
        allow_pages(record, 10_000)
        errors.clear()
        await work(1)
        assert not errors


def test_a_file_that_may_not_grow_stops_with_a_clear_error(tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
    path = str(tmp_path / "record.db")
    for code in (WRITER, TASKS):
        done = subprocess.run(
            [sys.executable, "-c", limit + code, path, "1000000"], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert lines[-1].startswith("error") and "disk" in lines[-1]
        assert check_acknowledged(path, tmp_path, lines[:-1]) >= 5
        Path(path).unlink()


async def test_a_slow_disk_holds_up_callers_and_neither_the_loop_nor_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Record.open(tmp_path / "record.db") as record:
        run = record.begin_run("x")
        commit = record.database._end

        def slowly() -> None:
            time.sleep(0.1)
            commit()

        monkeypatch.setattr(record.database, "_end", slowly)
        waiting = record.database._commits._waiting
        most = ticks = 0
        told: list[Any] = []

        async def produce() -> None:
            for _ in range(2 * MOST_WAITING + 100):
                told.append(await record.enqueue(record.starting(run, "model")))

        producing = asyncio.ensure_future(produce())
        while not producing.done():
            await asyncio.sleep(0.005)
            most = max(most, len(waiting))
            ticks += 1
        await producing
        assert most <= MOST_WAITING + 1
        assert ticks > 10
        ids = [await one for one in told]
        assert [row.id for row in record.run(run).interactions] == ids
