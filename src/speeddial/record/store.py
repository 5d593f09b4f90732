"""The record: every run and every exchange with a model or tool, on disk before its result is used.

    record = Record.open(path)
    run = record.begin_run("How many orders came from Berlin?")
    asked = record.start_interaction(run, "model", step=1, expert="tables", messages=..., tools=...)
    ...                                    # the model decodes
    record.finish_interaction(asked, "exact", raw=completion.text, parsed=call.as_dict(), ...)
    record.finish_run(run, "done", answer="12")

A row is written when something starts and updated when it ends, so a run at work can be looked at and
a crash leaves evidence: rows still ``running`` whose writer has died are reported ``interrupted``.
Each method is a commit; `writing()` joins several into one. They may be called from any thread, and threads
that write at the same time share a commit. Async code hands its writes in and awaits them where it must
know that they are on disk, so that a slow disk holds up nobody else on the loop:

    asked = await record.enqueue(record.starting(run, "model", ...))       # in order, not yet waited for
    row = await record.committed(record.finishing(asked, "exact", ...))    # both are on disk
"""

from __future__ import annotations

import json
import platform
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, cached_property, wraps
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, Self, TypeVar

from speeddial.errors import RecordError, UserError
from speeddial.messages import Message
from speeddial.record.backends import open_database
from speeddial.record.commits import Pending, Write
from speeddial.record.database import Database, Synchronous
from speeddial.record.feedback import Feedback
from speeddial.record.journal import Journal
from speeddial.record.originals import Originals
from speeddial.record.reader import JSON_COLUMNS, RecordReader
from speeddial.record.redact import RULES, Counts, Redactor, Rule, chosen_rules
from speeddial.record.rows import ERASING, INTERRUPTED, RESUMABLE, RUNNING, RunRow
from speeddial.record.writer import LEFT, Writer
from speeddial.settings import Settings

if TYPE_CHECKING:
    from speeddial.record.browse import Browser
    from speeddial.record.search import Hit, SearchIndex

Kind = Literal["plan", "model", "tool"]
Given = ParamSpec("Given")
T = TypeVar("T")


def _at_once(
    prepare: Callable[Concatenate[Record, Given], Write[T]],
) -> Callable[Concatenate[Record, Given], T]:
    """The method that writes and waits, from the one that only prepares."""

    @wraps(prepare)
    def written(self: Record, /, *args: Given.args, **kwargs: Given.kwargs) -> T:
        return self.database.commit(prepare(self, *args, **kwargs))

    return written


class Record(RecordReader):
    """The record of a project; made by `Record.open`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._writer = Writer.me()
        self._originals: dict[str, Originals] = {}

    @classmethod
    def open(
        cls,
        place: str | Path,
        *,
        folder: Path | None = None,
        synchronous: Synchronous = "normal",
        redactor: Redactor | None = None,
        rules: Sequence[Rule] = RULES,
        busy_timeout: float = 30.0,
    ) -> Self:
        """Open a record, making it when it is not there and bringing an older one up to date.

        Args:
            place: an SQLite file, for example ``workspace/.speeddial/record.db``, or a URL,
                ``postgresql://USER:PASSWORD@HOST/DATABASE``.
            folder: where the redaction key of a record with a URL stands; ``.speeddial`` in the current
                folder unless given. A file's key stands beside it.
            synchronous: ``normal``: nothing acknowledged is lost on ``kill -9``, a power cut may cost
                the last commits; ``full``: a power cut costs nothing either, each commit waits for the disk.
            redactor: None for `rules` under that key.
            rules: what is hidden, see `chosen_rules`.
            busy_timeout: seconds to wait while another process writes.

        Raises:
            UserError: not a record, written by a newer Speeddial, no place for a file, or psycopg is absent.
            RecordError: the disk or the server refused.
        """
        database = open_database(
            place, folder, synchronous=synchronous, redactor=redactor, busy_timeout=busy_timeout
        )
        database.rules, database.durable = rules, synchronous == "full"
        return cls(database)

    def close(self) -> None:
        """Commit what waits and close; safe to call twice."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def database(self) -> Database:
        """What the record's other parts read and write through."""
        return self._database

    @property
    def path(self) -> Path | None:
        """The SQLite file; None in Postgres."""
        return self._database.path

    @property
    def name(self) -> str:
        """Its file or URL, for people; without a password."""
        return self._database.name

    @property
    def folder(self) -> Path:
        """Where the redaction key stands, and whatever else belongs to the record but not into it."""
        return self._database.folder

    @property
    def redactor(self) -> Redactor:
        """The redactor of this record, for whatever else of a run is written to disk (checkpoints)."""
        return self._database.redactor

    @cached_property
    def journal(self) -> Journal:
        """What resuming needs: outcomes of calls, and questions to a person."""
        return Journal(self._database)

    @cached_property
    def feedback(self) -> Feedback:
        """What people say about decodes and answers, and the calls that would have been right."""
        return Feedback(self._database)

    @cached_property
    def browse(self) -> Browser:
        """Pages of runs and the spans of one, for lists and graphs."""
        from speeddial.record.browse import Browser

        return Browser(self)

    @cached_property
    def index(self) -> SearchIndex:
        """The full-text index."""
        from speeddial.record.search import SearchIndex

        return SearchIndex(self._database)

    def search(self, text: str, **options: Any) -> list[Hit]:
        """Where a text stands in the record, newest first; what is not indexed yet is indexed now.

        Args:
            options: as for `SearchIndex.search`.

        Raises:
            RecordError: the record could not be read or written.
        """
        self.index.update()
        return self.index.search(text, **options)

    def originals(self, run: str) -> Originals:
        """What personal data the run's surrogates stand for; empty once it has ended."""
        if run not in self._originals:
            path = self.folder / "originals" / run
            self._originals[run] = Originals(path, durable=self._database.durable)
        return self._originals[run]

    def redactions(self, run: str | None = None) -> Counts:
        """How much was replaced, by rule; in the whole record unless a run is given.

        A value is counted once for each place that it stood in: message, raw output, call, result.
        """
        total: Counts = Counts()
        for table, key in (("runs", "id"), ("interactions", "run"), ("journal", "run"), ("approvals", "run")):
            where, parameters = (f" WHERE {key} = ?", (run,)) if run is not None else ("", ())
            for row in self._database.read(
                f"SELECT redactions, count(*) AS many FROM {table}{where} GROUP BY redactions", parameters
            ):
                for name, count in json.loads(row["redactions"]).items():
                    total[name] += count * row["many"]
        return total

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Join what is written inside the block into one commit; nothing in the block may await."""
        with self._database.writing():
            yield

    async def enqueue(self, write: Write[T]) -> Pending[T]:
        """Hand in a write for the next commit, in order; await what this gives to know that it is on disk.

        Waits by itself only while many others wait for the disk.

        Args:
            write: `starting`, `finishing`, or any function that calls this record's methods and changes
                nothing else; it may be called twice.

        Raises:
            RecordError: the record is closed, or was waited for and could not be written.
        """
        return await self._database.enqueue(write)

    async def committed(self, write: Write[T]) -> T:
        """Write, in a commit shared with others, and give what the write gave when it is on disk.

        Raises:
            RecordError: it could not be written.
        """
        return await (await self.enqueue(write))

    # ---- runs ----

    def beginning_run(
        self,
        task: str,
        *,
        workflow: str = "default",
        inputs: Iterable[str] = (),
        settings: Mapping[str, Any] | None = None,
        limits: Mapping[str, Any] | None = None,
        versions: Mapping[str, str] | None = None,
        user: str = "",
        forked_from: str | None = None,
        forked_step: int | None = None,
        run: str = "",
        started_ns: int | None = None,
    ) -> Write[str]:
        """A new run, ``running``, to be written; gives its id, which sorts by start.

        Args:
            inputs: names of the files that the run was granted.
            versions: added to those of Speeddial and Python.
            user: whose run it is; what is erased on that person's request.
            forked_from: the run whose steps before `forked_step` it takes over.
            run: its id, where it is the replay of one; a new one unless given.
            started_ns: when, where it was elsewhere and before; now unless given.

        Raises:
            RecordError: it could not be written.
        """
        now = time.time_ns() if started_ns is None else started_ns
        run = run or run_id(now, secrets.token_hex(3))
        columns, counts = self._sealed_for(
            run,
            {
                "id": run,
                "workflow": workflow,
                "task": task,
                "status": RUNNING,
                "inputs": list(inputs),
                "settings": dict(settings or {}),
                "limits": dict(limits or {}),
                "versions": {**_versions(), **(versions or {})},
                "user_id": user,
                "forked_from": forked_from,
                "forked_step": forked_step,
                "started_ns": now,
                "writer_pid": self._writer.pid,
                "writer_host": self._writer.host,
                "writer_started": self._writer.started,
            },
        )
        columns["redactions"] = json.dumps(counts)

        def write() -> str:
            with self._database.writing() as db:
                self._database.insert(db, "runs", columns)
            return run

        return write

    begin_run = _at_once(beginning_run)

    def resume_run(self, run: str) -> RunRow:
        """Mark a run as running again, in this process, and return it with its interactions.

        What its earlier writer left running is marked ``interrupted``. The task and whatever else is
        returned are as redacted: `RunRow.redactions` says whether a secret was taken out.

        Raises:
            NotFound: there is no such run.
            UserError: its writer is still at work.
            RecordError: it could not be written.
        """
        with self._database.writing() as db:
            row = db.execute("SELECT * FROM runs WHERE id = ?", (run,)).fetchone()
            if row is None:
                raise self._no_run(run)
            if row["status"] == ERASING:
                raise UserError(f"run {run} is being erased", hint="there is nothing left to resume")
            writer = Writer(row["writer_pid"], row["writer_host"], row["writer_started"])
            # A run of this very process is at work too, unless it was ended; then its status says so.
            if row["status"] == RUNNING and writer.alive() and run not in LEFT:
                raise UserError(
                    f"run {run} is still running in process {writer.pid}",
                    hint="wait for it, or end that process",
                )
            db.execute(
                "UPDATE runs SET status = ?, ended_ns = NULL, resumed = resumed + 1,"
                " writer_pid = ?, writer_host = ?, writer_started = ? WHERE id = ?",
                (RUNNING, self._writer.pid, self._writer.host, self._writer.started, run),
            )
            db.execute(
                "UPDATE interactions SET status = ? WHERE run = ? AND status = ?",
                (INTERRUPTED, run, RUNNING),
            )
        return self.run(run)

    def leave_run(self, run: str) -> None:
        """This process works on a run no more, though its end cannot be written: it reads `INTERRUPTED`."""
        LEFT.add(run)

    def take_run(self, run: str) -> None:
        """This process works on a run again."""
        LEFT.discard(run)

    def finishing_run(
        self,
        run: str,
        status: str,
        *,
        answer: str = "",
        error: str = "",
        missing: Iterable[str] = (),
        ended_ns: int | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Write[str]:
        """The end of a run, to be written; gives its id.

        Args:
            status: done, partial, failed, limit, waiting or cancelled.
            missing: parts of the task that nobody serves.
            ended_ns: now unless given.
            settings: in place of those that it began with, where the run itself decided some.

        Raises:
            RecordError: it could not be written, or the run is not running.
        """
        changes: dict[str, Any] = {
            "status": str(status),
            "answer": answer,
            "error": error,
            "missing": list(missing),
            "ended_ns": time.time_ns() if ended_ns is None else ended_ns,
        }
        if settings is not None:
            changes["settings"] = dict(settings)
        end = self._ending("runs", run, changes)

        def write() -> str:
            ended = end()
            # Not after the commit, where a kill would leave them for good.
            if status not in RESUMABLE:
                self.originals(run).forget()
            self._originals.pop(run, None)
            return ended

        return write

    finish_run = _at_once(finishing_run)

    # ---- interactions ----

    def starting(
        self,
        run: str,
        kind: Kind,
        *,
        step: int = 0,
        attempt: int = 1,
        parent: int | None = None,
        escalated_from: int | None = None,
        reason: str = "",
        expert: str = "",
        model: str = "",
        adapter: str = "",
        adapter_version: str = "",
        messages: Iterable[Message | Mapping[str, Any]] = (),
        tools: Sequence[Mapping[str, Any]] = (),
        schema: Mapping[str, Any] | None = None,
        schema_hash: str = "",
        tool: str = "",
        effect: str = "",
        arguments: Any = None,
        resolved: Any = None,
        idempotency_key: str = "",
        started_ns: int | None = None,
    ) -> Write[int]:
        """That an exchange with a model or tool begins, to be written; gives the row's id.

        Args:
            parent: see `InteractionRow`, as for all that are not named here.
            tools: definitions with name, description and parameters; the typed refusal included.
            schema: the output contract's schema; stored once however often it is given.
            arguments: for a tool, as decoded; any JSON value.
            started_ns: now unless given.

        Raises:
            RecordError: it could not be written, so it must not begin.
        """
        columns, counts = self._database.seal(
            {
                "run": run,
                "kind": kind,
                "step": step,
                "attempt": attempt,
                "parent": parent,
                "escalated_from": escalated_from,
                "reason": reason,
                "expert": expert,
                "model": model,
                "adapter": adapter,
                "adapter_version": adapter_version,
                "schema_hash": schema_hash,
                "tool": tool,
                "effect": effect,
                "arguments": arguments,
                "resolved": resolved,
                "idempotency_key": idempotency_key,
                "status": RUNNING,
                "started_ns": time.time_ns() if started_ns is None else started_ns,
            },
            JSON_COLUMNS,
        )
        contents = [
            self._database.sealed_content(
                message.as_dict() if isinstance(message, Message) else dict(message), counts
            )
            for message in messages
        ]
        columns["messages"] = json.dumps([name for name, _ in contents])
        for column, content in (("tools", list(tools) or None), ("schema", schema)):
            if content is not None:
                contents.append(self._database.sealed_content(content, counts))
                columns[column] = contents[-1][0]
        columns["redactions"] = json.dumps(counts)

        def write() -> int:
            with self._database.writing() as db:
                self._database.store(db, contents)
                return self._database.insert(db, "interactions", columns)

        return write

    start_interaction = _at_once(starting)

    def finishing(
        self,
        interaction: int | Pending[int],
        status: str,
        *,
        raw: str | None = None,
        tokens: Iterable[tuple[int, float | None]] = (),
        parsed: Any = None,
        resolved: Any = None,
        result: Any = None,
        text: str = "",
        error: str = "",
        receipt: Mapping[str, Any] | None = None,
        confidence: float | None = None,
        finish: str = "",
        tokens_in: int = 0,
        tokens_out: int = 0,
        tokens_forced: int = 0,
        cost: float = 0.0,
        latency_ms: float | None = None,
        ended_ns: int | None = None,
    ) -> Write[int]:
        """How an exchange came out, to be written; its result may be used when that is committed.

        Args:
            interaction: its id, or its start that was handed in.
            status: a `Status` for decodes; done, failed or unknown_outcome for tools.
            tokens: characters and probability of each token of `raw`, see `InteractionRow.tokens`.
            parsed: the call or plan as decoded JSON, only when it passed strict validation.
            resolved: for a tool, when it was not known at the start.
            latency_ms: None for the time since the start.
            ended_ns: now unless given.

        Raises:
            RecordError: it could not be written, or was already finished.
        """
        changes: dict[str, Any] = {
            "status": str(status),
            "raw": raw,
            "parsed": parsed,
            "result": result,
            "text": text,
            "error": error,
            "receipt": receipt,
            "confidence": confidence,
            "finish": finish,
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
            "tokens_forced": tokens_forced,
            "cost": cost,
            "ended_ns": time.time_ns() if ended_ns is None else ended_ns,
        }
        told = [[length, _rounded(probability)] for length, probability in tokens]
        if told and raw is not None and self.redactor.text(raw) == raw:
            changes["tokens"] = told
        if resolved is not None:
            changes["resolved"] = resolved
        if latency_ms is not None:
            changes["latency_ms"] = latency_ms
        return self._ending("interactions", interaction, changes)

    finish_interaction = _at_once(finishing)

    def _ending(self, table: str, key: T | Pending[T], changes: Mapping[str, Any]) -> Write[T]:
        columns, counts = self._database.seal(changes, JSON_COLUMNS)
        assignments = [f"{name} = ?" for name in columns]
        values = list(columns.values())
        if table == "interactions" and "latency_ms" not in columns:
            assignments.append("latency_ms = (? - started_ns) / 1e6")
            values.append(columns["ended_ns"])
        update = f"UPDATE {table} SET {', '.join(assignments)} WHERE id = ? AND status = '{RUNNING}'"

        def write() -> T:
            row = key.given() if isinstance(key, Pending) else key
            with self._database.writing() as db:
                if db.execute(update, (*values, row)).rowcount != 1:
                    found = db.execute(f"SELECT status FROM {table} WHERE id = ?", (row,)).fetchone()
                    state = "is not on record" if found is None else f"has already ended ({found[0]})"
                    raise RecordError(f"{table}: {row} cannot be finished: it {state}")
                if counts:
                    before = db.execute(f"SELECT redactions FROM {table} WHERE id = ?", (row,)).fetchone()
                    merged = json.dumps(Counts(json.loads(before[0])) + counts)
                    db.execute(f"UPDATE {table} SET redactions = ? WHERE id = ?", (merged, row))
            return row

        return write

    def _sealed_for(self, run: str, values: Mapping[str, Any]) -> tuple[dict[str, Any], Counts]:
        """`Database.seal`, with the originals kept for a resume of this run."""
        with self.originals(run).working():
            return self._database.seal(values)


def open_record(settings: Settings, workspace: Path) -> Record:
    """The record of a project.

    Raises:
        UserError, RecordError: see `Record.open`.
    """
    place = settings.record
    return Record.open(
        place if "://" in place else workspace / place,
        folder=workspace / ".speeddial",
        synchronous="full" if settings.record_durability == "full" else "normal",
        rules=chosen_rules(settings.redact, personal=settings.redact_personal),
    )


def run_id(started_ns: int, name: str) -> str:
    """The id of a run: it sorts by start, to the millisecond."""
    started = datetime.fromtimestamp(started_ns // 1_000_000_000, UTC)
    return f"{started:%Y%m%d-%H%M%S}{started_ns // 1_000_000 % 1000:03d}-{name}"


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 4)


@cache
def _versions() -> dict[str, str]:
    # Imported here: it takes 20 ms, and only a run needs it.
    from importlib import metadata

    try:
        own = metadata.version("speeddial")
    except metadata.PackageNotFoundError:
        own = "source"
    return {"speeddial": own, "python": platform.python_version()}
