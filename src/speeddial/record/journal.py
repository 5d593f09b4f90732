"""The journal: what a killed run must know to go on without paying or acting twice.

An act has a key within its run, the same whenever the run is resumed: ``STEP/ATTEMPT/KIND``, such as
``2/1/call``, or any other text that names its place. A decode has no effect, so it needs one commit:

    known = journal.result(run, key)
    if known is not None: ...          # an earlier process finished it: replayed, nothing is called
    journal.keep(run, key, outcome)

A tool has one, so it is written down before it happens, too:

    entry = journal.begin(run, key, effect="write", payload={"arguments": ...})
    if entry.finished: ...             # replay entry.result
    if not entry.fresh and entry.effect == "external":
        ...                            # begun, never finished: nobody knows whether it happened
    result = ...                       # the tool, with entry.idempotency_key
    journal.finish(run, key, result)

An entry is on disk before `begin` returns, its result before `finish` and `keep` do. Begun and
unfinished is harmless for `read` tools and for `write` tools (they check the idempotency key in their
target); for `external` tools it is an unknown outcome that a person settles. Everything goes through
the record's redaction: a replayed result has surrogates where secrets were.

Questions to a person are kept here too: `ask` and `answer`.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from speeddial.errors import NotFound, RecordError, UserError
from speeddial.record.database import Database
from speeddial.record.redact import Counts


@dataclass(frozen=True)
class JournalEntry:
    """One act, begun and perhaps finished."""

    run: str
    key: str
    """Its place in the run."""
    effect: str
    """read, write or external; empty for decodes."""
    payload: Any
    """What it was begun with, redacted."""
    finished: bool
    result: Any
    """What it was finished with, redacted; None before."""
    fresh: bool
    """Whether this very `begin` made it; False for what an earlier one began."""

    @property
    def idempotency_key(self) -> str:
        """What a `write` tool leaves in its target to know the act again."""
        return f"{self.run}/{self.key}"


@dataclass(frozen=True)
class Approval:
    """A question to a person, and the answer when there is one."""

    run: str
    step: int
    topic: str
    question: str
    options: tuple[str, ...]
    """Decisions that may be given."""
    details: Any
    """What a person needs to see: the tool with its arguments, or what is unknown."""
    decision: str | None
    """None while it is open."""
    text: str
    """What the person wrote besides."""

    @property
    def open(self) -> bool:
        return self.decision is None


class Journal:
    """The journal of one record; made by `Record.journal`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, run: str, key: str) -> JournalEntry | None:
        """The entry, begun or finished; None when it was never begun."""
        rows = self._database.read("SELECT * FROM journal WHERE run = ? AND key = ?", (run, key))
        return _entry(rows[0]) if rows else None

    def result(self, run: str, key: str) -> Any:
        """What the act was finished with; None when it was not, or with None."""
        entry = self.get(run, key)
        return entry.result if entry else None

    def begin(self, run: str, key: str, effect: str = "", payload: Any = None) -> JournalEntry:
        """Write that an act begins; when it was begun before, that entry is returned unchanged.

        Raises:
            RecordError: it could not be written, so the act must not begin.
        """
        columns, counts = self._database.seal({"effect": effect, "payload": payload}, ("payload",))
        columns |= {"run": run, "key": key, "begun_ns": time.time_ns(), "redactions": json.dumps(counts)}
        with self._database.writing() as db:
            known = self.get(run, key)
            if known is not None:
                return known
            self._database.insert(db, "journal", columns)
        kept = columns["payload"]
        return JournalEntry(
            run, key, effect, json.loads(kept) if kept else None, finished=False, result=None, fresh=True
        )

    def finish(self, run: str, key: str, result: Any) -> None:
        """Write the act's result; from now on it is replayed and never done again.

        Raises:
            RecordError: it could not be written, was never begun, or was finished with another result.
        """
        columns, counts = self._database.seal({"result": result}, ("result",))
        with self._database.writing() as db:
            row = db.execute("SELECT * FROM journal WHERE run = ? AND key = ?", (run, key)).fetchone()
            if row is None:
                raise RecordError(f"journal: {run}/{key} was finished but never begun")
            if row["finished_ns"] is not None:
                if row["result"] == columns["result"]:
                    return
                raise RecordError(f"journal: {run}/{key} was already finished with another result")
            merged = json.dumps(Counts(json.loads(row["redactions"])) + counts)
            db.execute(
                "UPDATE journal SET result = ?, finished_ns = ?, redactions = ? WHERE run = ? AND key = ?",
                (columns["result"], time.time_ns(), merged, run, key),
            )

    def keep(self, run: str, key: str, result: Any) -> None:
        """`begin` and `finish` in one commit, for what has no effect and needs no trace before.

        Raises:
            RecordError: it could not be written, or was finished with another result.
        """
        with self._database.writing():
            self.begin(run, key)
            self.finish(run, key, result)

    def entries(self, run: str, *, unfinished: bool = False) -> list[JournalEntry]:
        """The run's entries in order of beginning; only those without a result when `unfinished`."""
        condition = " AND finished_ns IS NULL" if unfinished else ""
        return [
            _entry(row)
            for row in self._database.read(
                f"SELECT * FROM journal WHERE run = ?{condition} ORDER BY begun_ns, key", (run,)
            )
        ]

    # ---- questions to a person ----

    def ask(
        self,
        run: str,
        step: int,
        question: str,
        options: Sequence[str],
        *,
        topic: str = "",
        details: Any = None,
    ) -> Approval:
        """Write a question; asked again (after a resume) it is returned as it stands, answered or not.

        Args:
            options: decisions that may be given, for example ``("approve", "deny")``.
            topic: tells several questions of one step apart, for example ``approval`` and ``outcome``.
            details: any JSON value to show with it.

        Raises:
            RecordError: it could not be written.
        """
        columns, counts = self._database.seal(
            {"run": run, "step": step, "topic": topic, "question": question, "options": list(options)}
            | {"details": details},
            ("details",),
        )
        columns["details"] = columns["details"] or "null"
        columns |= {"asked_ns": time.time_ns(), "redactions": json.dumps(counts)}
        with self._database.writing() as db:
            known = db.execute(
                "SELECT * FROM approvals WHERE run = ? AND step = ? AND topic = ?",
                (run, step, columns["topic"]),
            ).fetchone()
            if known is None:
                number = self._database.insert(db, "approvals", columns)
                known = db.execute("SELECT * FROM approvals WHERE id = ?", (number,)).fetchone()
        return _approval(known)

    def answer(self, run: str, decision: str, text: str = "", *, step: int | None = None) -> Approval:
        """Answer the run's oldest open question and return it.

        Args:
            decision: one of its options.
            text: what the person wrote besides.
            step: only a question of this step.

        Raises:
            NotFound: no question is open.
            UserError: not one of the options; the question stays open.
            RecordError: it could not be written.
        """
        columns, counts = self._database.seal({"decision": decision, "text": text})
        with self._database.writing() as db:
            waiting = [found for found in self.questions(run) if step is None or found.step == step]
            if not waiting:
                raise NotFound(f"run {run} has no open question", hint="`speeddial show` tells how it stands")
            asked = waiting[0]
            if asked.options and decision not in asked.options:
                raise UserError(
                    f"{decision!r} does not answer {asked.question!r}",
                    hint=f"answer with one of: {', '.join(asked.options)}",
                )
            key = (asked.run, asked.step, asked.topic)
            where = "WHERE run = ? AND step = ? AND topic = ?"
            before = db.execute(f"SELECT redactions FROM approvals {where}", key).fetchone()
            merged = json.dumps(Counts(json.loads(before["redactions"])) + counts)
            db.execute(
                f"UPDATE approvals SET decision = ?, text = ?, answered_ns = ?, redactions = ? {where}",
                (columns["decision"], columns["text"], time.time_ns(), merged, *key),
            )
            return _approval(db.execute(f"SELECT * FROM approvals {where}", key).fetchone())

    def questions(self, run: str, *, answered: bool = False) -> list[Approval]:
        """The run's open questions, oldest first; with `answered` the answered ones too."""
        condition = "" if answered else " AND decision IS NULL"
        return [
            _approval(row)
            for row in self._database.read(
                f"SELECT * FROM approvals WHERE run = ?{condition} ORDER BY id", (run,)
            )
        ]


def _entry(row: sqlite3.Row) -> JournalEntry:
    return JournalEntry(
        row["run"],
        row["key"],
        row["effect"],
        None if row["payload"] is None else json.loads(row["payload"]),
        finished=row["finished_ns"] is not None,
        result=None if row["result"] is None else json.loads(row["result"]),
        fresh=False,
    )


def _approval(row: sqlite3.Row) -> Approval:
    return Approval(
        row["run"],
        row["step"],
        row["topic"],
        row["question"],
        tuple(json.loads(row["options"])),
        json.loads(row["details"]),
        row["decision"],
        row["text"],
    )
