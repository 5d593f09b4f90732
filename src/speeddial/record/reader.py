"""Reading the record: runs and their interactions, as they were written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from speeddial.errors import NotFound
from speeddial.record.database import Database, Row
from speeddial.record.rows import INTERRUPTED, RUNNING, InteractionRow, RunRow
from speeddial.record.selection import Selection
from speeddial.record.writer import LEFT, Writer

_RUN_COLUMNS = """
    runs.*,
    (SELECT count(*) FROM interactions WHERE run = runs.id) AS interaction_count,
    (SELECT coalesce(sum(tokens_in), 0) FROM interactions WHERE run = runs.id) AS tokens_in,
    (SELECT coalesce(sum(tokens_out), 0) FROM interactions WHERE run = runs.id) AS tokens_out,
    (SELECT coalesce(sum(cost), 0.0) FROM interactions WHERE run = runs.id) AS cost
"""
JSON_COLUMNS = frozenset({"arguments", "resolved", "parsed", "result", "receipt"})
"""Columns of interactions that hold JSON."""
_ROWS_AT_ONCE = 500
_NO_LIMIT = 2**62


class RecordReader:
    """What can be read from a record."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def runs(self, limit: int = 20, *, status: str | None = None, before: str | None = None) -> list[RunRow]:
        """Runs without their interactions, newest first.

        Args:
            status: only these; ``running`` means its writer lives, ``interrupted`` that it died.
            before: only runs older than this id, for paging.
        """
        conditions, parameters = ["1 = 1"], list[Any]()
        if status is not None:
            stored = RUNNING if status == INTERRUPTED else status
            conditions.append("status = ?")
            parameters.append(stored)
        if before is not None:
            conditions.append("id < ?")
            parameters.append(before)
        # What runs and what was interrupted is told apart only here, and there are never many of both.
        sql_limit = _NO_LIMIT if status in (RUNNING, INTERRUPTED) else limit
        rows = self._database.read(
            f"SELECT {_RUN_COLUMNS} FROM runs WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?",
            (*parameters, sql_limit),
        )
        found = (run_row(row) for row in rows)
        return [run for run in found if status is None or run.status == status][:limit]

    def run(self, run: str) -> RunRow:
        """One run with all its interactions.

        Raises:
            NotFound: there is no such run.
        """
        found = self.run_alone(run)
        return found.with_interactions(tuple(self.interactions_of(found)))

    def run_alone(self, run: str) -> RunRow:
        """One run without its interactions.

        Raises:
            NotFound: there is no such run.
        """
        rows = self._database.read(f"SELECT {_RUN_COLUMNS} FROM runs WHERE id = ?", (run,))
        if not rows:
            raise self._no_run(run)
        return run_row(rows[0])

    def selected_runs(self, selection: Selection) -> Iterator[tuple[str, str]]:
        """Runs with interactions of a selection, oldest first: each, and the run it was first forked from."""
        where, parameters = selection.as_recorded(self._database.redactor).where()
        last = ""
        while True:
            rows = self._database.read(
                f"SELECT DISTINCT run FROM interactions WHERE run > ? AND {where} ORDER BY run LIMIT ?",
                (last, *parameters, _ROWS_AT_ONCE),
            )
            for row in rows:
                yield row["run"], self._origin(row["run"])
            if len(rows) < _ROWS_AT_ONCE:
                return
            last = rows[-1]["run"]

    def _origin(self, run: str) -> str:
        chain = [run]
        while True:
            rows = self._database.read("SELECT forked_from FROM runs WHERE id = ?", (chain[-1],))
            earlier = rows[0]["forked_from"] if rows else None
            if earlier is None or earlier in chain:
                return chain[-1]
            chain.append(earlier)

    def resolve(self, name: str) -> str:
        """The id of the run that a person means: an id, the beginning or end of one, or ``last``.

        Raises:
            NotFound: no run, or more than one, fits.
        """
        if name == "last":
            rows = self._database.read("SELECT id FROM runs ORDER BY id DESC LIMIT 1")
        elif not name:
            rows = []
        else:
            rows = self._database.read(
                "SELECT id FROM runs WHERE substr(id, 1, ?) = ? OR substr(id, length(id) + 1 - ?) = ?"
                " LIMIT 3",
                (len(name), name, len(name), name),
            )
        if len(rows) == 1:
            return str(rows[0]["id"])
        if len(rows) > 1:
            raise NotFound(f"more than one run fits {name!r}", hint="give more of the id")
        raise self._no_run(name)

    def interaction(self, interaction: int) -> InteractionRow:
        """One interaction with its messages.

        Raises:
            NotFound: there is no such interaction.
        """
        rows = self._database.read("SELECT * FROM interactions WHERE id = ?", (interaction,))
        if not rows:
            raise NotFound(f"there is no interaction {interaction} in {self._database.name}")
        found = _interaction_row(rows[0], self._contents(rows))
        return _interrupted(found) if self.run_alone(found.run).status == INTERRUPTED else found

    def interactions(
        self,
        *,
        run: str | None = None,
        expert: str | None = None,
        kinds: Sequence[str] = (),
        statuses: Sequence[str] = (),
        selection: Selection | None = None,
    ) -> Iterator[InteractionRow]:
        """Interactions with their messages, oldest first, read in batches as they are asked for.

        Args:
            run, expert, kinds, statuses, selection: only these; nothing given means all.
        """
        chosen = (selection or Selection()).as_recorded(self._database.redactor)
        selected, parameters = chosen.where(of_one_run=run is not None)
        conditions = ["id > ?", selected]
        for column, wanted in (("run", run), ("expert", expert)):
            if wanted is not None:
                conditions.append(f"{column} = ?")
                parameters.append(wanted)
        for column, choices in (("kind", kinds), ("status", statuses)):
            if choices:
                conditions.append(f"{column} IN ({', '.join('?' * len(choices))})")
                parameters.extend(choices)
        where = " AND ".join(conditions)
        last = 0
        while True:
            rows = self._database.read(
                f"SELECT * FROM interactions WHERE {where} ORDER BY id LIMIT {_ROWS_AT_ONCE}",
                (last, *parameters),
            )
            contents = self._contents(rows)
            yield from (_interaction_row(row, contents) for row in rows)
            if len(rows) < _ROWS_AT_ONCE:
                return
            last = rows[-1]["id"]

    def interactions_of(self, run: RunRow) -> Iterator[InteractionRow]:
        """A run's interactions, as `interactions`; what an interrupted run left open is interrupted too."""
        rows = self.interactions(run=run.id)
        return map(_interrupted, rows) if run.status == INTERRUPTED else rows

    def _contents(self, rows: Sequence[Row]) -> dict[str, Any]:
        """hash -> value of all that these rows refer to."""
        hashes = {name for row in rows for name in json.loads(row["messages"])}
        hashes |= {row[column] for row in rows for column in ("tools", "schema") if row[column]}
        wanted = sorted(hashes)
        found: dict[str, Any] = {}
        for start in range(0, len(wanted), _ROWS_AT_ONCE):
            names = wanted[start : start + _ROWS_AT_ONCE]
            marks = ", ".join("?" * len(names))
            read = self._database.read(f"SELECT hash, body FROM contents WHERE hash IN ({marks})", names)
            found |= {row["hash"]: json.loads(row["body"]) for row in read}
        return found

    def _no_run(self, name: str) -> NotFound:
        latest = [row["id"] for row in self._database.read("SELECT id FROM runs ORDER BY id DESC LIMIT 3")]
        return NotFound(
            f"there is no run {name!r} in {self._database.name}",
            hint=f"latest runs: {', '.join(latest)}" if latest else "no run is on record yet",
        )


def run_row(row: Row) -> RunRow:
    """The row as it is to be read; a run whose writer has died reads `INTERRUPTED`."""
    status = row["status"]
    if status == RUNNING:
        writer = Writer(row["writer_pid"], row["writer_host"], row["writer_started"])
        if writer.alive() is False or row["id"] in LEFT:
            status = INTERRUPTED
    return RunRow(
        **{
            name: row[name]
            for name in ("id", "workflow", "task", "answer", "error", "started_ns", "ended_ns", "resumed")
        },
        **{name: row[name] for name in ("user_id", "forked_from", "forked_step")},
        **{name: row[name] for name in ("writer_pid", "writer_host", "tokens_in", "tokens_out", "cost")},
        **{name: json.loads(row[name]) for name in ("settings", "limits", "versions", "redactions")},
        status=status,
        missing=tuple(json.loads(row["missing"])),
        inputs=tuple(json.loads(row["inputs"])),
        interaction_count=row["interaction_count"],
    )


def _interaction_row(row: Row, contents: Mapping[str, Any]) -> InteractionRow:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a Row iterates over its values
    for name in JSON_COLUMNS:
        values[name] = None if values[name] is None else json.loads(values[name])
    values["redactions"] = json.loads(values["redactions"])
    values["tokens"] = tuple((length, sure) for length, sure in json.loads(values["tokens"] or "[]"))
    values["messages"] = tuple(contents[name] for name in json.loads(values["messages"]))
    values["tools"] = tuple(contents[values["tools"]]) if values["tools"] else ()
    values["schema"] = contents[values["schema"]] if values["schema"] else None
    return InteractionRow(**values)


def _interrupted(interaction: InteractionRow) -> InteractionRow:
    """The row as it is to be read when its run's writer has died."""
    return replace(interaction, status=INTERRUPTED) if interaction.status == RUNNING else interaction
