"""The journal: what a killed run must know to go on without paying or acting twice.

    key = JournalKey(run, step=2, attempt=1, kind="call")
    entry = journal.begin(key, effect="write", payload={"arguments": ...})
    if entry.finished:                 # an earlier process came to the end of it
        return entry.result            # replayed, nothing is called
    if not entry.fresh and effect == "external":
        ...                            # begun, never finished: nobody knows whether it happened
    result = ...                       # the model, or the tool with str(key) as its idempotency key
    journal.finish(key, result)

An entry is on disk before `begin` returns, its result before `finish` does. Begun and unfinished is
harmless for a decode (paid again, at most once more) and for `write` tools (they check the idempotency
key in their target); for `external` tools it is an unknown outcome that a person settles. Everything
goes through the record's redaction: a replayed result has surrogates where secrets were.

Questions to a person are kept here too: `ask` and `answer`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from speeddial.errors import NotFound, RecordError, UserError
from speeddial.record.database import Database, Row
from speeddial.record.redact import Counts


class JournalKey(NamedTuple):
    """Names one paid or effectful act of a run; the same after a resume."""

    run: str
    step: int
    attempt: int
    kind: str
    """What is done, for example ``plan``, ``call`` or ``tool``."""

    def __str__(self) -> str:
        """The idempotency key that a `write` tool leaves in its target."""
        return f"{self.run}/{self.step}/{self.attempt}/{self.kind}"


@dataclass(frozen=True)
class JournalEntry:
    """One act, begun and perhaps finished."""

    key: JournalKey
    effect: str
    """read, write or external; ``model`` for decodes."""
    payload: Any
    """What it was begun with, redacted."""
    finished: bool
    result: Any
    """What `finish` was given, redacted; None before."""
    fresh: bool
    """Whether this very `begin` made it; False for what an earlier one began."""


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

    def get(self, key: JournalKey) -> JournalEntry | None:
        """The entry, begun or finished; None when it was never begun."""
        rows = self._database.read(
            "SELECT * FROM journal WHERE run = ? AND step = ? AND attempt = ? AND kind = ?", self._sealed(key)
        )
        return _entry(rows[0]) if rows else None

    def begin(self, key: JournalKey, effect: str, payload: Any) -> JournalEntry:
        """Write that an act begins; when it was begun before, that entry is returned unchanged.

        Raises:
            RecordError: it could not be written, so the act must not begin.
        """
        columns, counts = self._database.seal({"effect": effect, "payload": payload}, ("payload",))
        columns["payload"] = columns["payload"] or "null"
        columns |= {
            **self._sealed(key)._asdict(),
            "begun_ns": time.time_ns(),
            "redactions": json.dumps(counts),
        }
        with self._database.writing() as db:
            known = self.get(key)
            if known is not None:
                return known
            self._database.insert(db, "journal", columns)
        return JournalEntry(
            key, effect, json.loads(columns["payload"]), finished=False, result=None, fresh=True
        )

    def finish(self, key: JournalKey, result: Any) -> None:
        """Write the act's result; from now on it is replayed and never done again.

        Raises:
            RecordError: it could not be written, was never begun, or was finished with another result.
        """
        columns, counts = self._database.seal({"result": result}, ("result",))
        text = columns["result"] or "null"
        key = self._sealed(key)
        with self._database.writing() as db:
            row = db.execute(
                "SELECT * FROM journal WHERE run = ? AND step = ? AND attempt = ? AND kind = ?", key
            ).fetchone()
            if row is None:
                raise RecordError(f"journal: {key} was finished but never begun")
            if row["finished_ns"] is not None:
                if row["result"] == text:
                    return
                raise RecordError(f"journal: {key} was already finished with another result")
            merged = json.dumps(Counts(json.loads(row["redactions"])) + counts)
            db.execute(
                "UPDATE journal SET result = ?, finished_ns = ?, redactions = ?"
                " WHERE run = ? AND step = ? AND attempt = ? AND kind = ?",
                (text, time.time_ns(), merged, *key),
            )

    def keep(self, key: JournalKey, effect: str, result: Any) -> None:
        """Write an act with its result at once, whether it was begun before or not.

        Raises:
            RecordError: it could not be written, or was finished with another result.
        """
        columns, counts = self._database.seal({"effect": effect, "result": result}, ("result",))
        now = time.time_ns()
        outcome = (columns["effect"], columns["result"] or "null", now, now, json.dumps(counts))
        with self._database.writing() as db:
            kept = db.execute(
                "INSERT INTO journal (run, step, attempt, kind, effect, payload, result, begun_ns,"
                " finished_ns, redactions) VALUES (?, ?, ?, ?, ?, 'null', ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (*self._sealed(key), *outcome),
            )
            if kept.rowcount != 1:
                self.finish(key, result)

    def entries(self, run: str, *, unfinished: bool = False) -> list[JournalEntry]:
        """The run's entries in order of beginning; only those without a result when `unfinished`."""
        condition = " AND finished_ns IS NULL" if unfinished else ""
        return [
            _entry(row)
            for row in self._database.read(
                f"SELECT * FROM journal WHERE run = ?{condition} ORDER BY begun_ns, step, attempt, kind",
                (run,),
            )
        ]

    def _sealed(self, key: JournalKey) -> JournalKey:
        """The key as it is written: the one part of it that is free text passes redaction like all else."""
        return key._replace(kind=self._database.redactor.text(key.kind))

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


def _entry(row: Row) -> JournalEntry:
    return JournalEntry(
        JournalKey(row["run"], row["step"], row["attempt"], row["kind"]),
        row["effect"],
        json.loads(row["payload"]),
        finished=row["finished_ns"] is not None,
        result=None if row["result"] is None else json.loads(row["result"]),
        fresh=False,
    )


def _approval(row: Row) -> Approval:
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
