"""Browsing: pages of runs, and one run as a table of spans, from indexes and without what was said."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from speeddial.record.reader import run_row
from speeddial.record.rows import INTERRUPTED, RUNNING, RunRow
from speeddial.record.selection import Selection, marks

if TYPE_CHECKING:
    from speeddial.record.database import Row
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
_FEW = 500
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
        if not text:
            return self.summaries(self._filled(selection, limit, before, None))
        page: list[RunRow] = []
        for among, complete_from in self._record.index.runs(text):
            page = [run for run in self._filled(selection, limit, before, among) if run.id >= complete_from]
            if len(page) == limit:
                break
        return self.summaries(page)

    def summaries(self, runs: Sequence[RunRow]) -> list[RunSummary]:
        """These runs with their experts and counts."""
        ids = [run.id for run in runs]
        experts: dict[str, dict[str, None]] = {name: {} for name in ids}
        sums: dict[str, tuple[int, int, int, float]] = dict.fromkeys(ids, (0, 0, 0, 0.0))
        for row in self._database.read(
            "SELECT run, kind, expert, count(*), sum(tokens_in), sum(tokens_out), sum(cost)"
            f" FROM interactions WHERE run IN ({marks(ids)}) GROUP BY run, kind, expert",
            ids,
        ):
            if row["kind"] == "model" and row["expert"]:
                experts[row["run"]][row["expert"]] = None
            calls, tokens_in, tokens_out, cost = sums[row["run"]]
            sums[row["run"]] = (calls + row[3], tokens_in + row[4], tokens_out + row[5], cost + row[6])
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

    def plan(self, run: RunRow) -> dict[str, Any] | None:
        """The newest plan that type-checked, as the planner wrote it; a fork may have taken it over."""
        taken = run.settings.get("taken_over", ())
        rows = self._database.read(
            f"SELECT parsed FROM interactions WHERE (run = ? OR id IN ({marks(taken)}))"
            " AND kind = 'plan' AND parsed IS NOT NULL ORDER BY id DESC LIMIT 1",
            (run.id, *taken),
        )
        if not rows:
            return None
        plan = json.loads(rows[0]["parsed"])
        return {"steps": plan.get("steps", []), "missing": plan.get("missing", [])}

    def spans(self, run: RunRow) -> Iterator[list[tuple[Any, ...]]]:
        """The run's interactions in batches, each a row of `SPAN_FIELDS`; times in ms since its start.

        First what a fork took over, which began before it did: at a time below 0.
        """
        taken = run.settings.get("taken_over", ())
        for start in range(0, len(taken), _SPANS_AT_ONCE):
            some = taken[start : start + _SPANS_AT_ONCE]
            yield self._spans(f"id IN ({marks(some)})", some, run)
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
        return self._spans(
            f"run = ? AND (id > ? OR id IN ({marks(at_work)}))", (run.id, newest, *at_work), run
        )

    def recent_spans(self, run: RunRow, since: float) -> list[tuple[Any, ...]]:
        """Rows of `SPAN_FIELDS` that are at work, or began or ended at this time (s since 1970) or later."""
        ns = int(since * 1e9)
        return self._spans(
            "run = ? AND (status = ? OR started_ns >= ? OR ended_ns >= ?)", (run.id, RUNNING, ns, ns), run
        )

    def changed(self, newest: str, at_work: Collection[str]) -> list[RunSummary]:
        """Runs that are at work, were so, or have this id or a later one; oldest first."""
        rows = self._database.read(
            # Not an OR of the three, for which SQLite would go through all runs.
            f"SELECT {_NO_SUMS} FROM runs WHERE id IN (SELECT id FROM runs WHERE status = ?"
            " UNION SELECT id FROM runs WHERE id >= ?"
            f" UNION SELECT id FROM runs WHERE id IN ({marks(at_work)})) ORDER BY id DESC LIMIT ?",
            (RUNNING, newest, *at_work, _MOST_CHANGED),
        )
        return self.summaries([run_row(row) for row in reversed(rows)])

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
        if not ids:
            return {}
        between = column == "interaction"
        rows = self._database.read(
            f"SELECT {column}, count(*) FROM feedback WHERE {column}"
            + (" BETWEEN ? AND ?" if between else f" IN ({marks(ids)})")
            + f" GROUP BY {column}",
            (ids[0], ids[-1]) if between else ids,
        )
        return {row[0]: row[1] for row in rows}

    def _few(self, condition: str, parameters: Sequence[Any]) -> list[str] | None:
        """The runs of interactions, when they are few: the list need not be searched for them then."""
        rows = self._database.read(
            f"SELECT DISTINCT run FROM interactions WHERE {condition} LIMIT {_FEW + 1}", parameters
        )
        return None if len(rows) > _FEW else [row["run"] for row in rows]

    def _filled(
        self, selection: Selection, limit: int, before: str | None, among: Collection[str] | None
    ) -> list[RunRow]:
        """A page that is as long as asked, if there are so many."""
        statuses = selection.run_statuses
        if INTERRUPTED in statuses:
            selection = replace(selection, run_statuses=(*statuses, RUNNING))
        found: list[RunRow] = []
        while len(found) < limit:
            page = self._page(selection, limit, before, among)
            # What runs and what was interrupted is told apart only by looking for its writer.
            found += [run for run in page if not statuses or run.status in statuses]
            if len(page) < limit:
                break
            before = page[-1].id
        return found[:limit]

    def _page(
        self, selection: Selection, limit: int, before: str | None, among: Collection[str] | None
    ) -> list[RunRow]:
        condition, parameters = selection.as_recorded(self._database.redactor).where_run()
        if before is not None:
            condition += " AND runs.id < ?"
            parameters.append(before)
        if among is not None:
            condition += f" AND runs.id IN ({marks(among)})"
            parameters.extend(among)
        inner = selection.of_interactions()
        if inner != Selection():
            of_interactions, values = inner.where()
            if inner.tool:
                of_interactions += " AND interactions.tool <> ''"  # the index has no others
            few = self._few(of_interactions, values) if inner.expert or inner.tool else None
            if few is not None:
                condition += f" AND runs.id IN ({marks(few)})"
                parameters.extend(few)
            else:
                condition += (
                    f" AND EXISTS (SELECT 1 FROM interactions WHERE run = runs.id AND {of_interactions})"
                )
                parameters.extend(values)
        rows = self._database.read(
            f"SELECT {_NO_SUMS} FROM runs WHERE {condition} ORDER BY runs.id DESC LIMIT ?",
            (*parameters, limit),
        )
        return [run_row(row) for row in rows]


def _span(row: Row, began_ns: int, dead: bool, feedback: int) -> tuple[Any, ...]:
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
