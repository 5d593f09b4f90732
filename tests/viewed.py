"""A record to look at: runs of the embedded models, and rows for what those do not do by themselves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import recorded

from speeddial import Project, Runner
from speeddial.record import Record
from speeddial.scaffold import create
from speeddial.viewer.server import Viewer

BOTH = "How many orders came from Berlin? Then remind me tomorrow at 9 to call the dentist."
BERLIN = "How many orders came from Berlin?"
ROME = "Translate hello into German."
MILK = "Remove milk from the shopping list."

PWNED = "window.__pwned = 1"
HOSTILE = (
    f'<script>{PWNED}</script><img src=x onerror="{PWNED}"><svg onload="{PWNED}"></svg></script><!-- '
    f"[look](javascript:{PWNED}) ![](https://evil.invalid/a.png) https://evil.invalid/ '\"`{{}}$(id) "
    "{{constructor.constructor('" + PWNED + "')()}} \u202egnp.exe\u2066\u200b \x00\x07\x1b[31m\r\x7f\u2028 "
)
LONG = HOSTILE + "long " * 4000
ADD: dict[str, Any] = {
    "name": "add",
    "description": "Add.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
}


@dataclass(frozen=True)
class Viewed:
    """Ids of the runs, by what is to be seen in them."""

    both: str
    """Two steps side by side."""
    berlin: str
    """A question about a table."""
    rome: str
    """Nobody serves it."""
    milk: str
    """Waits for approval."""
    hostile: str
    fillers: int


def make(root: Path) -> Project:
    """The reference project, at a fixed time, in which removing something needs approval."""
    create(root)
    settings = root / "pyproject.toml"
    settings.write_text(
        settings.read_text(encoding="utf-8") + 'now = "2026-11-22T08:00:00"\ntimezone = "Europe/Berlin"\n',
        encoding="utf-8",
    )
    lists = root / "tools/lists.py"
    text = lists.read_text(encoding="utf-8")
    removing = '@tool(effect="write")\ndef remove_from_list'
    assert removing in text
    lists.write_text(text.replace(removing, removing.replace("write", "external")), encoding="utf-8")
    return Project(root)


@contextmanager
def served(project: Project, record: Record) -> Iterator[Viewer]:
    """The viewer's server on a port of its own, until the block ends."""
    viewer = Viewer(project, record)
    thread = threading.Thread(target=viewer.serve)
    thread.start()
    try:
        yield viewer
    finally:
        viewer.stop()
        thread.join(20)
    assert not thread.is_alive()


def fill(project: Project, record: Record, runner: Runner) -> Viewed:
    """Runs in the order of their age: what is written first, then what the models do."""
    fillers = 130
    for number in range(fillers):
        run = record.begin_run(f"filler {number}", workflow="nightly", user="bo")
        record.finish_run(run, "done")
    _calls(record)
    hostile = recorded.hostile(record, HOSTILE, LONG)
    table = [project.root / "examples/orders.csv"]
    done = [
        runner.run_sync(ROME),
        runner.run_sync(MILK),
        runner.run_sync(BERLIN, files=table, user="ana"),
        runner.run_sync(BOTH, files=table, user="ana"),
    ]
    assert [result.status for result in done] == ["failed", "waiting", "done", "done"]
    rome, milk, berlin, both = (result.run_id for result in done)
    assert record.index.update(60)
    return Viewed(both=both, berlin=berlin, rome=rome, milk=milk, hostile=hostile, fillers=fillers)


def _calls(record: Record) -> None:
    """Calls of an expert of every outcome, more and less sure, and a step that was done again."""
    run = record.begin_run("calls of every outcome")
    before = None
    for number, status in enumerate(("exact", "corrected", "refused", "failed", "escalated", "salvaged") * 3):
        asked = record.start_interaction(
            run,
            "model",
            step=number + 1,
            expert="organizer",
            model="embedded:smollm2-135m-instruct",
            escalated_from=before if status == "escalated" else None,
            reason="the organizer was not sure" if status == "escalated" else "",
        )
        record.finish_interaction(
            asked,
            status,
            raw="{}",
            parsed={"name": "find_events", "arguments": {}} if status == "exact" else None,
            confidence=0.4 + number / 30,
            tokens_in=20,
            tokens_out=10,
        )
        before = asked
    record.finish_run(run, "partial")


def written(record: Record) -> int:
    """A decode with a contract that corrections are held to; gives its number."""
    run = record.begin_run("add 1 and 2")
    asked = record.start_interaction(
        run,
        "model",
        step=1,
        expert="organizer",
        model="embedded:smollm2-135m-instruct",
        tools=[ADD],
        messages=[{"role": "user", "content": "add 1 and 2"}],
    )
    call = {"name": "add", "arguments": {"a": 1, "b": 1}}
    record.finish_interaction(asked, "exact", raw=str(call), parsed=call, confidence=0.8)
    record.finish_run(run, "done", answer="2")
    return asked


def many_spans(record: Record, count: int) -> str:
    """One long run."""
    run = record.begin_run(f"{count} calls")
    with record.writing():
        for number in range(count):
            tool = record.start_interaction(
                run,
                "tool",
                step=number // 100 + 1,
                expert="organizer",
                tool="show_list",
                arguments={"n": number},
            )
            record.finish_interaction(tool, "done", text=f"result {number}")
    record.finish_run(run, "done", answer="all done")
    return run
