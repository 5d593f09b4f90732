"""Browsing: pages of runs, and one run as a table of spans, from indexes and without what was said."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from speeddial.record.rows import INTERRUPTED, RUNNING, RunRow
from speeddial.record.selection import Selection
from speeddial.record.store import run_row

if TYPE_CHECKING:
    from speeddial.record.store import Record

SPAN_FIELDS = (
    "id",
    "kind",
    "step",
    "attempt",
    "parent",
    "escalated_from",
    "expert",
    "model",
    "tool",
    "effect",
    "status",
    "reason",
    "confidence",
    "tokens_in",
    "tokens_out",
    "tokens_forced",
    "cost",
    "start_ms",
    "end_ms",
    "title",
    "feedback",
)
_STORED = SPAN_FIELDS[: SPAN_FIELDS.index("start_ms")]
# `RunSummary` has them by one pass over the interactions of all runs of a page.
_NO_SUMS = "*, 0 AS interaction_count, 0 AS tokens_in, 0 AS tokens_out, 0.0 AS cost"
_TITLE = 120
_MOST_CHANGED = 200
_SPANS_AT_ONCE = 2000


@dataclass(frozen=True)
class RunSummary:
    """A run as a list shows it."""

    run: RunRow
    experts: tuple[str, ...]
    """Who was phoned."""
    feedback: int
    """How often somebody said something about it."""

    def as_dict(self) -> dict[str, Any]:
        return {**self.run.as_dict(), "experts": list(self.experts), "feedback": self.feedback}


class Browser:
    """Reads a record for lists and graphs; made by `Record.browse`."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._database = record.database

    def runs(
        self,
        selection: Selection | None = None,
        *,
        limit: int = 50,
        before: str | None = None,
        text: str = "",
    ) -> list[RunSummary]:
        """A page of runs, newest first.

        Args:
            selection: runs of which at least one interaction fits; its times are those of the run's start.
            before: only runs older than this id.
            text: only runs in which this is found, see `SearchIndex.search`.
        """
        selection = selection or Selection()
        found: list[RunRow] = []
        while len(found) < limit:
            page = self._page(selection, limit, before, None)
            # What runs and what was interrupted is told apart only by looking for its writer.
            statuses = selection.run_statuses
            found += [run for run in page if not statuses or run.status in statuses]
            if len(page) < limit:
                break
            before = page[-1].id
        return self.summaries(found[:limit])

    def summaries(self, runs: Sequence[RunRow]) -> list[RunSummary]:
        """These runs with their experts and counts."""
        ids = [run.id for run in runs]
        marks = ", ".join("?" * len(ids))
        experts: dict[str, dict[str, None]] = {name: {} for name in ids}
        sums: dict[str, list[float]] = {name: [0, 0, 0, 0.0] for name in ids}
        for row in self._database.read(
            "SELECT run, kind, expert, count(*), sum(tokens_in), sum(tokens_out), sum(cost)"
            f" FROM interactions WHERE run IN ({marks}) GROUP BY run, kind, expert",
            ids,
        ):
            if row["kind"] == "model" and row["expert"]:
                experts[row["run"]][row["expert"]] = None
            sums[row["run"]] = [a + b for a, b in zip(sums[row["run"]], tuple(row)[3:], strict=True)]
        said = self._said("run", ids)
        return [
            RunSummary(
                run.with_sums(*sums[run.id]), experts=tuple(experts[run.id]), feedback=said.get(run.id, 0)
            )
            for run in runs
        ]

    def run(self, run: str) -> RunSummary:
        """One run without its interactions.

        Raises:
            NotFound: there is no such run.
        """
        return self.summaries([self._record.run_alone(run)])[0]

    def plan(self, run: str) -> dict[str, Any] | None:
        """The run's newest plan that type-checked, as the planner wrote it."""
        rows = self._database.read(
            "SELECT parsed FROM interactions WHERE run = ? AND kind = 'plan' AND parsed IS NOT NULL"
            " ORDER BY id DESC LIMIT 1",
            (run,),
        )
        if not rows:
            return None
        plan = json.loads(rows[0]["parsed"])
        return {"steps": plan.get("steps", []), "missing": plan.get("missing", [])}

    def spans(self, run: RunRow) -> Iterator[list[tuple[Any, ...]]]:
        """The run's interactions in batches, each a row of `SPAN_FIELDS`; times in ms since its start."""
        last = 0
        while True:
            batch = self._spans("run = ? AND id > ?", (run.id, last), run)
            if batch:
                yield batch
                last = batch[-1][0]
            if len(batch) < _SPANS_AT_ONCE:
                return

    def changed_spans(self, run: RunRow, newest: int, at_work: Collection[int]) -> list[tuple[Any, ...]]:
        """Rows of `SPAN_FIELDS` after `newest`, and of those that were at work."""
        marks = ", ".join("?" * len(at_work))
        return self._spans(f"run = ? AND (id > ? OR id IN ({marks}))", (run.id, newest, *at_work), run)

    def recent_spans(self, run: RunRow, since: float) -> list[tuple[Any, ...]]:
        """Rows of `SPAN_FIELDS` that are at work, or began or ended at this time (s since 1970) or later."""
        ns = int(since * 1e9)
        return self._spans(
            "run = ? AND (status = ? OR started_ns >= ? OR ended_ns >= ?)", (run.id, RUNNING, ns, ns), run
        )

    def changed(self, newest: str, at_work: Collection[str]) -> list[RunSummary]:
        """Runs that are at work, were so, or have this id or a later one; oldest first."""
        marks = ", ".join("?" * len(at_work))
        rows = self._database.read(
            f"SELECT {_NO_SUMS} FROM runs WHERE status = ? OR id >= ? OR id IN ({marks})"
            " ORDER BY id DESC LIMIT ?",
            (RUNNING, newest, *at_work, _MOST_CHANGED),
        )
        return self.summaries([run_row(row) for row in reversed(rows)])

    @staticmethod
    def first_id(since: float) -> str:
        """What sorts before every id of a run that began at this time (s since 1970) or later."""
        return _first_id(int(since * 1000))

    def _spans(self, where: str, parameters: Sequence[Any], run: RunRow) -> list[tuple[Any, ...]]:
        rows = self._database.read(
            f"SELECT {', '.join(_STORED)}, started_ns, ended_ns,"
            # A decode's call, a tool's arguments, or what came in place of them.
            f" substr(coalesce(parsed, arguments, raw, error), 1, {_TITLE}) AS title"
            f" FROM interactions WHERE {where} ORDER BY id LIMIT {_SPANS_AT_ONCE}",
            parameters,
        )
        said = self._said("interaction", [row["id"] for row in rows])
        dead = run.status == INTERRUPTED
        return [_span(row, run.started_ns, dead, said.get(row["id"], 0)) for row in rows]

    def _said(self, column: str, ids: Sequence[str | int]) -> dict[str | int, int]:
        """Remarks by run or interaction."""
        if not self._has_feedback or not ids:
            return {}
        between = column == "interaction"
        rows = self._database.read(
            f"SELECT {column}, count(*) FROM feedback WHERE {column}"
            + (" BETWEEN ? AND ?" if between else f" IN ({', '.join('?' * len(ids))})")
            + f" GROUP BY {column}",
            (ids[0], ids[-1]) if between else ids,
        )
        return {row[0]: row[1] for row in rows}

    @cached_property
    def _has_feedback(self) -> bool:
        return bool(self._database.read("SELECT 1 FROM migrations WHERE name LIKE 'm%_feedback'"))

    def _page(
        self, selection: Selection, limit: int, before: str | None, among: Collection[str] | None
    ) -> list[RunRow]:
        conditions, parameters = ["1 = 1"], list[Any]()

        def holds(condition: str, *values: Any) -> None:
            conditions.append(condition)
            parameters.extend(values)

        def one_of(column: str, choices: Collection[str]) -> None:
            holds(f"{column} IN ({', '.join('?' * len(choices))})", *choices)

        if before is not None:
            holds("runs.id < ?", before)
        if among is not None:
            one_of("runs.id", among)
        if selection.runs:
            one_of("runs.id", selection.runs)
        if selection.run_statuses:
            one_of(
                "runs.status", {RUNNING if name == INTERRUPTED else name for name in selection.run_statuses}
            )
        for column, wanted in (("workflow", selection.workflow), ("user_id", selection.user)):
            if wanted:
                holds(f"runs.{column} = ?", wanted)
        for sign, moment, slack in ((">=", selection.since, 0), ("<", selection.until, 1)):
            if moment is not None:
                # Ids begin with the time to the millisecond: the primary key finds the place.
                holds(f"runs.started_ns {sign} ?", int(moment.timestamp() * 1e9))
                holds(f"runs.id {sign} ?", _first_id(int(moment.timestamp() * 1000) + slack))
        inner = Selection(
            expert=selection.expert,
            tool=selection.tool,
            model=selection.model,
            kinds=selection.kinds,
            statuses=selection.statuses,
        )
        if inner != Selection():
            condition, values = inner.where()
            holds(f"EXISTS (SELECT 1 FROM interactions WHERE run = runs.id AND {condition})", *values)
        rows = self._database.read(
            f"SELECT {_NO_SUMS} FROM runs WHERE {' AND '.join(conditions)} ORDER BY runs.id DESC LIMIT ?",
            (*parameters, limit),
        )
        return [run_row(row) for row in rows]


def _first_id(ms: int) -> str:
    """What sorts before every id of a run that began in this millisecond (since 1970) or later."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y%m%d-%H%M%S}{ms % 1000:03d}"


def _span(row: sqlite3.Row, began_ns: int, dead: bool, feedback: int) -> tuple[Any, ...]:
    *stored, started_ns, ended_ns, title = tuple(row)
    if dead and row["status"] == RUNNING:
        stored[SPAN_FIELDS.index("status")] = INTERRUPTED
    return (
        *stored,
        round((started_ns - began_ns) / 1e6, 3),
        None if ended_ns is None else round((ended_ns - began_ns) / 1e6, 3),
        title or "",
        feedback,
    )
