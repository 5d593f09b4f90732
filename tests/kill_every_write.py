"""Kills a run at every durable write and resumes it; run by test_resume.py, one JSON line per kill.

All imports are paid once: each run and each resume is a fork of this process, which itself never opens the
record or starts a thread. A boundary is the moment after a commit of the record or of a checkpoint, and after
a tool's effect, before the tool returns.

Usage: kill_every_write.py PROJECT WORKFLOW EVERY, which is 1 for every write, 3 for every third.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import json
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import outlines.generator  # noqa: F401 - imported by the scripted model on its first use

from speeddial import Project, Runner
from speeddial.graph import Driver  # noqa: F401 - imported by the runner on its first use
from speeddial.graph.checkpoints import Checkpoints
from speeddial.models.model import Request
from speeddial.models.scripted import Scripted
from speeddial.record import commits
from speeddial.record.database import Database
from speeddial.replay import replay

ROOT, WORKFLOW, EVERY = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
WORKSPACE = ROOT / "workspace"
KILL_AT = 0
COUNT = 0


def boundary() -> None:
    global COUNT
    COUNT += 1
    if COUNT == KILL_AT:
        os.kill(os.getpid(), signal.SIGKILL)


def watch_writes() -> None:
    """Call `boundary` after every commit."""
    builtins.boundary = boundary  # type: ignore[attr-defined]
    # Each write is a commit of its own, so that a kill falls between any two of them.
    commits.MOST_AT_ONCE = 1
    transaction, put, put_writes = Database._transaction, Checkpoints.put, Checkpoints.put_writes

    @contextlib.contextmanager
    def watched(self: Database) -> Iterator[Any]:
        with transaction(self) as db:
            yield db
        boundary()

    def watched_put(self: Checkpoints, *given: Any) -> Any:
        config = put(self, *given)
        boundary()
        return config

    def watched_put_writes(self: Checkpoints, *given: Any) -> None:
        put_writes(self, *given)
        boundary()

    Database._transaction = watched  # type: ignore[method-assign]
    Checkpoints.put = watched_put  # type: ignore[method-assign]
    Checkpoints.put_writes = watched_put_writes  # type: ignore[method-assign]


def script(request: Request) -> dict[str, Any]:
    said = request.messages[-1].content
    with (ROOT / "paid.txt").open("a", encoding="utf-8") as file:
        file.write(json.dumps(said) + "\n")
    if "all of it" in said:
        calls = [
            {"name": "add", "arguments": {"a": 2, "b": 3}},
            {"name": "note", "arguments": {"text": "milk"}},
            {"name": "send", "arguments": {"to": "anna"}},
        ]
        return {"calls": calls}
    if "Task:" in said:
        steps = [
            {"expert": "adder", "task": "What is 2 and 3?"},
            {"expert": "writer", "task": "note the milk"},
            {"expert": "writer", "task": "send the sum to anna", "uses": [1]},
        ]
        return {"steps": steps}
    if "2 and 3" in said and "#1" not in said:
        return {"name": "add", "arguments": {"a": 2, "b": 3}}
    if "milk" in said:
        return {"name": "note", "arguments": {"text": "milk"}}
    return {"name": "send", "arguments": {"to": "anna"}}


def in_fork(work: Any) -> int:
    """Run `work` in a child; its exit status, negative for a signal."""
    child = os.fork()
    if child == 0:
        status = 70
        try:
            status = work()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def runner() -> Runner:
    return Runner(Project.load(ROOT))


def begin() -> int:
    with runner() as active:
        result = asyncio.run(active.run("add, note, send", workflow=WORKFLOW, approve_all=True))
    (ROOT / "boundaries.txt").write_text(str(COUNT), encoding="utf-8")
    (ROOT / "result.json").write_text(json.dumps(result.as_event().as_dict()), encoding="utf-8")
    return result.exit_code


def resume(**decision: Any) -> int:
    with runner() as active:
        result = asyncio.run(active.resume("last", **decision))
    (ROOT / "result.json").write_text(json.dumps(result.as_event().as_dict()), encoding="utf-8")
    return result.exit_code


def replayed() -> int:
    """0 when the run, killed and resumed, replays identical."""
    with runner() as active:
        report = asyncio.run(replay(active.project, active.record, "last"))
    if not report.identical:
        print(json.dumps(report.differences), file=sys.stderr, flush=True)
    return int(not report.identical)


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def finished_prompts() -> set[str]:
    """What models had answered and the record had acknowledged when the process died."""
    record = WORKSPACE / ".speeddial/record.db"
    if not record.exists():
        return set()
    with contextlib.closing(sqlite3.connect(record)) as db:
        asked = db.execute(
            "SELECT messages FROM interactions"
            " WHERE kind <> 'tool' AND status NOT IN ('running', 'interrupted')"
        ).fetchall()
        hashes = [json.loads(row[0])[-1] for row in asked]
        bodies = [
            db.execute("SELECT body FROM contents WHERE hash = ?", [name]).fetchone() for name in hashes
        ]
        return {json.loads(body[0])["content"] for body in bodies}


def clean() -> None:
    for path in [*WORKSPACE.glob(".speeddial/*"), *WORKSPACE.glob("*.txt"), *ROOT.glob("*.txt")]:
        path.unlink()


def main() -> None:
    global KILL_AT
    watch_writes()
    Scripted.register("kill", script)
    in_fork(begin)
    total = int((ROOT / "boundaries.txt").read_text(encoding="utf-8"))
    print(json.dumps({"total": total, "result": json.loads((ROOT / "result.json").read_text())}), flush=True)
    for KILL_AT in range(EVERY, total + 1, EVERY):
        clean()
        killed = in_fork(begin)
        finished = finished_prompts()
        if not (WORKSPACE / ".speeddial/record.db").exists() or not acknowledged():
            print(json.dumps({"kill": KILL_AT, "killed": killed, "never_accepted": True}), flush=True)
            continue
        paid_before = len(lines(ROOT / "paid.txt"))
        at, KILL_AT = KILL_AT, 0
        replay_codes = [in_fork(replayed)]
        exit_code = in_fork(resume)
        asked = exit_code == 5
        if asked:
            exit_code = in_fork(lambda: resume(answer="it was sent"))
        paid_in_all = len(lines(ROOT / "paid.txt"))
        replay_codes.append(in_fork(replayed))
        assert len(lines(ROOT / "paid.txt")) == paid_in_all
        paid_after = [json.loads(line) for line in lines(ROOT / "paid.txt")[paid_before:]]
        print(
            json.dumps(
                {
                    "kill": at,
                    "killed": killed,
                    "exit_code": exit_code,
                    "asked": asked,
                    "replays": replay_codes,
                    "paid_twice": sorted(finished.intersection(paid_after)),
                    "paid_after": len(paid_after),
                    "notes": lines(WORKSPACE / "notes.txt"),
                    "sent": lines(WORKSPACE / "sent.txt"),
                    "result": json.loads((ROOT / "result.json").read_text(encoding="utf-8")),
                }
            ),
            flush=True,
        )


def acknowledged() -> bool:
    """Whether the run was accepted: its row is there."""
    with contextlib.closing(sqlite3.connect(WORKSPACE / ".speeddial/record.db")) as db:
        try:
            return bool(db.execute("SELECT count(*) FROM runs").fetchone()[0])
        except sqlite3.OperationalError:
            return False


if __name__ == "__main__":
    main()
