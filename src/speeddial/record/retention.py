"""Erasing runs, on request or by age and size, so that no byte of them stays in the record's files.

An erasure goes through states that survive a kill, and the next erasure of any kind ends what an earlier
one began:

    status ``erasing``      what is wanted is on disk; the run cannot be used any more
    checkpoints deleted
    rows deleted            one transaction: interactions, journal, questions, feedback, index, contents
                            that no other run refers to; and one row in ``erasures``, with the hash of the
                            run's id and counts, that says so without saying what it was
    artefacts deleted       what the flywheel made of them, but for versions that serve
    files rewritten         record and checkpoints, logs emptied; ``erasures.ended_ns`` is set

What a run left in the workspace (drafts, lists, calendar entries) is the user's own and stays, and so do
datasets and adapters: `uses_of` tells which were built from it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from speeddial.errors import NotFound, UserError
from speeddial.flywheel.artefact import FOLDER
from speeddial.flywheel.erasure import forget, reached
from speeddial.record.database import Database
from speeddial.record.datasets import datasets, folder_of
from speeddial.record.overwrite import bytes_used, forget_threads, overwrite
from speeddial.record.rows import ERASING, RUNNING
from speeddial.record.selection import marks
from speeddial.record.store import Record
from speeddial.record.writer import Writer

Reason = Literal["run", "user", "retention"]

_AT_ONCE = 500
_SCANNED_AT_ONCE = 5000


@dataclass(frozen=True)
class Erased:
    """What an erasure did, or with `dry_run` would do."""

    runs: tuple[str, ...]
    """Ids, oldest first."""
    kept: dict[str, str] = field(default_factory=dict)
    """Run that retention left alone though it was due -> why."""
    forks: tuple[str, ...] = ()
    """Runs that took steps over from them and stay, with what they took."""
    counts: Counter[str] = field(default_factory=Counter)
    """Table -> rows deleted; empty for a dry run."""
    artefacts: tuple[str, ...] = ()
    """Folders of the flywheel that hold them or were made of them, and go too."""
    serving: Mapping[str, str] = field(default_factory=dict)
    """Such a folder that stays -> the tasks that it serves."""


def erase_run(
    record: Record, run: str, *, forks: bool = False, rewrite: bool = True, dry_run: bool = False
) -> Erased:
    """Erase one run.

    Args:
        forks: erase the runs that were forked from it too; they hold its task and results.
        rewrite: rewrite the files, so that no deleted byte stays; False leaves that to the next erasure.
        dry_run: only tell.

    Raises:
        NotFound: there is no such run; erasures that were begun before are ended nevertheless.
        UserError: the run is at work.
        RecordError: the disk refused; call again to go on.
    """
    if not dry_run:
        finish(record, rewrite=rewrite)
    if not _read_ids(record.database, "SELECT id FROM runs WHERE id = ?", (run,)):
        raise NotFound(f"there is no run {run!r} on record", hint="`speeddial trace list` shows them")
    return _erase(record, [run], "run", forks=forks, rewrite=rewrite, dry_run=dry_run)


def erase_user(
    record: Record, user: str, *, forks: bool = False, rewrite: bool = True, dry_run: bool = False
) -> Erased:
    """Erase all runs of a user, and the user's name on feedback to other people's runs.

    Args, Raises: as `erase_run`; UserError when no name is given.
    """
    if not user:
        raise UserError("no user was named", hint="runs without a user are erased one by one")
    if not dry_run:
        finish(record, rewrite=rewrite)
    database = record.database
    # Names are on record as redaction left them.
    sealed = database.seal({"user": user})[0]["user"]
    runs = _read_ids(database, "SELECT id FROM runs WHERE user_id = ? ORDER BY id", (sealed,))
    erased = _erase(record, runs, "user", author=sealed, forks=forks, rewrite=rewrite, dry_run=dry_run)
    if not runs and not erased.counts:
        raise NotFound(f"nothing on record is of user {user!r}", hint="names are compared letter by letter")
    return erased


def retain(
    record: Record,
    *,
    older_than: timedelta | None = None,
    keep_bytes: int = 0,
    force: bool = False,
    rewrite: bool = False,
    dry_run: bool = False,
    now: datetime | None = None,
) -> Erased:
    """Erase the oldest runs, by age, by size or both.

    Runs in a frozen dataset, runs that people gave feedback on, and runs at work stay.

    Args:
        older_than: erase what began before now minus this; None keeps any age.
        keep_bytes: erase the oldest until the record's pages hold no more than this; 0 keeps any size.
        force: erase runs with feedback and runs in datasets too.
        rewrite: give the space back to the disk and overwrite it; otherwise the record itself uses it again.
        dry_run: only tell; for a size it is an estimate.
        now: aware; the present unless given.

    Raises:
        UserError: a size is asked of a record that is no SQLite file, or a dataset is damaged.
        RecordError: the disk refused.
    """
    if not dry_run:
        finish(record, rewrite=False)
    kept = {} if force else _protected(record)
    total = Erased((), {})
    if older_than is not None:
        moment = (now or datetime.now(UTC)) - older_than
        due = _read_ids(
            record.database,
            "SELECT id FROM runs WHERE started_ns < ? ORDER BY id",
            (int(moment.timestamp() * 1e9),),
        )
        total = _added(total, _retained(record, due, kept, dry_run=dry_run))
    while keep_bytes and (excess := _bytes_used(record) - keep_bytes) > 0:
        gone = set(total.runs) if dry_run else set()
        runs = [
            run
            for run in _read_ids(record.database, "SELECT id FROM runs ORDER BY id", ())
            if run not in gone
        ]
        # What a run takes is known when it is gone: contents are shared. So by the average, and again.
        share = max(1, -(-len(runs) * excess // (excess + keep_bytes)))
        spared = [run for run in runs if run in kept]
        due = [run for run in runs if run not in kept][:share]
        more = _retained(record, due, kept, dry_run=dry_run)
        total = _added(total, more)
        total.kept.update({run: kept[run] for run in spared if not due or run < due[-1]})
        if dry_run or not more.runs:
            break
    if rewrite and total.runs and not dry_run:
        finish(record)
    return total


def finish(record: Record, *, rewrite: bool = True) -> int:
    """End erasures that were begun and interrupted; returns how many runs that concerned.

    Args:
        rewrite: False only deletes; the files keep the bytes until the next call with True.

    Raises:
        RecordError: the disk refused; call again to go on.
    """
    database = record.database
    begun = _read_ids(database, "SELECT id FROM runs WHERE status = ?", (ERASING,))
    if begun:
        _delete(record, begun, "run")
    forget(record.folder / FOLDER, lambda runs: _erased(database, runs))
    pending = _read_ids(database, "SELECT run_hash AS id FROM erasures WHERE ended_ns IS NULL", ())
    if pending and rewrite:
        for path in (record.path, _checkpoints(record)):
            if path is not None and path.is_file():
                overwrite(path)
        with database.writing() as db:
            for some in _portions(pending):
                db.execute(
                    f"UPDATE erasures SET ended_ns = ? WHERE run_hash IN ({marks(some)})",
                    (time.time_ns(), *some),
                )
    return len(pending)


# ---- inside ----


def _erase(
    record: Record,
    runs: list[str],
    reason: Reason,
    *,
    author: str = "",
    forks: bool = False,
    rewrite: bool,
    dry_run: bool,
) -> Erased:
    database = record.database
    while forks and (more := _forks(database, runs)):
        runs = sorted([*runs, *more])
    for run in runs:
        _refuse_at_work(database, run)
    left = _forks(database, runs)
    artefacts = record.folder / FOLDER
    if dry_run:
        found = reached(artefacts, lambda named: not set(runs).isdisjoint(named))
        return Erased(tuple(runs), forks=left, artefacts=found.gone, serving=found.serving)
    counts: Counter[str] = Counter()
    with database.writing() as db:
        for run in runs:
            _refuse_at_work(database, run)
            db.execute("UPDATE runs SET status = ? WHERE id = ?", (ERASING, run))
        if author:
            named = db.execute("UPDATE feedback SET author = '' WHERE author = ?", (author,)).rowcount
            if named:
                counts["names on feedback"] = named
                _log(database, secrets.token_hex(16), reason, counts)
    counts += _delete(record, runs, reason)
    for run in runs:
        if _read_ids(database, "SELECT id FROM runs WHERE id = ?", (run,)):
            raise UserError(f"run {run} was resumed while it was being erased", hint="erase it again")
    found = forget(artefacts, lambda named: _erased(database, named))
    finish(record, rewrite=rewrite)
    return Erased(tuple(runs), forks=left, counts=counts, artefacts=found.gone, serving=found.serving)


def _delete(record: Record, runs: Sequence[str], reason: Reason) -> Counter[str]:
    """Delete runs that are marked `ERASING`; those that somebody resumed since are left alone."""
    database = record.database
    counts: Counter[str] = Counter()
    if gone := forget_threads(_checkpoints(record), runs):
        counts["checkpoints"] = gone
    for run in runs:
        record.originals(run).forget()
    with database.writing():
        marked = [
            run
            for some in _portions(runs)
            for run in _read_ids(
                database,
                f"SELECT id FROM runs WHERE status = ? AND id IN ({marks(some)})",
                (ERASING, *some),
            )
        ]
        if marked:
            counts += _delete_rows(record, marked, reason)
    return counts


def _delete_rows(record: Record, runs: Sequence[str], reason: Reason) -> Counter[str]:
    database = record.database
    hashes: set[str] = set()
    total: Counter[str] = Counter()
    with database.writing() as db:
        record.index.forget(runs)
        for run in runs:
            for row in database.read(
                "SELECT messages, tools, schema FROM interactions WHERE run = ?", (run,)
            ):
                hashes.update(_hashes(row))
            counts: Counter[str] = Counter()
            for table in ("feedback", "approvals", "journal", "interactions"):
                counts[table] = db.execute(f"DELETE FROM {table} WHERE run = ?", (run,)).rowcount
            counts["runs"] = db.execute("DELETE FROM runs WHERE id = ?", (run,)).rowcount
            _log(database, run, reason, counts)
            total += counts
        _keep_referred(database, hashes)
        for some in _portions(sorted(hashes)):
            deleted = db.execute(f"DELETE FROM contents WHERE hash IN ({marks(some)})", tuple(some))
            total["contents"] += deleted.rowcount
    return total


def _keep_referred(database: Database, hashes: set[str]) -> None:
    """Take out of `hashes` what an interaction still refers to; reads every interaction's references.

    Inside the transaction that deletes: of two erasures at once the later one must see what the first left.
    """
    last = 0
    while hashes:
        rows = database.read(
            "SELECT id, messages, tools, schema FROM interactions WHERE id > ? ORDER BY id"
            f" LIMIT {_SCANNED_AT_ONCE}",
            (last,),
        )
        for row in rows:
            hashes.difference_update(_hashes(row))
        if len(rows) < _SCANNED_AT_ONCE:
            return
        last = rows[-1]["id"]


def _hashes(row: Any) -> Iterator[str]:
    yield from json.loads(row["messages"])
    yield from (row[name] for name in ("tools", "schema") if row[name])


def _erased(database: Database, runs: Collection[str]) -> bool:
    """Whether any of these runs was erased."""
    for some in _portions(sorted(map(_hash, runs))):
        if _read_ids(
            database, f"SELECT run_hash AS id FROM erasures WHERE run_hash IN ({marks(some)})", tuple(some)
        ):
            return True
    return False


def _hash(subject: str) -> str:
    return f"sha256:{hashlib.sha256(subject.encode()).hexdigest()}"


def _log(database: Database, subject: str, reason: Reason, counts: Counter[str]) -> None:
    name = _hash(subject)
    with database.writing() as db:
        db.execute(
            "INSERT INTO erasures (run_hash, reason, begun_ns, counts) VALUES (?, ?, ?, ?)",
            (name, reason, time.time_ns(), json.dumps(counts)),
        )


def _refuse_at_work(database: Database, run: str) -> None:
    if _at_work(database, run):
        raise UserError(f"run {run} is at work", hint="wait for it, or end its process, then erase it")


def _at_work(database: Database, run: str) -> bool:
    rows = database.read(
        "SELECT status, writer_pid, writer_host, writer_started FROM runs WHERE id = ?", (run,)
    )
    if not rows or rows[0]["status"] != RUNNING:
        return False
    writer = Writer(rows[0]["writer_pid"], rows[0]["writer_host"], rows[0]["writer_started"])
    return writer.alive() is not False


def _forks(database: Database, runs: Sequence[str]) -> tuple[str, ...]:
    found: set[str] = set()
    for some in _portions(runs):
        found.update(
            _read_ids(database, f"SELECT id FROM runs WHERE forked_from IN ({marks(some)})", tuple(some))
        )
    return tuple(sorted(found - set(runs)))


def _protected(record: Record) -> dict[str, str]:
    """Run -> why retention leaves it alone."""
    kept = dict.fromkeys(
        _read_ids(record.database, "SELECT DISTINCT run AS id FROM feedback", ()), "has feedback"
    )
    for dataset in datasets(folder_of(record)):
        kept |= dict.fromkeys(dataset.runs, f"is in dataset {dataset.name}")
    return kept


def _retained(record: Record, due: Sequence[str], kept: dict[str, str], *, dry_run: bool) -> Erased:
    spared = {run: kept[run] for run in due if run in kept}
    spared |= {run: "is at work" for run in due if run not in spared and _at_work(record.database, run)}
    runs = [run for run in due if run not in spared]
    if not runs:
        return Erased((), spared)
    erased = _erase(record, runs, "retention", rewrite=False, dry_run=dry_run)
    return replace(erased, kept=spared)


def _added(first: Erased, second: Erased) -> Erased:
    return Erased(
        first.runs + second.runs,
        first.kept | second.kept,
        tuple(sorted({*first.forks, *second.forks} - {*first.runs, *second.runs})),
        first.counts + second.counts,
        tuple(dict.fromkeys(first.artefacts + second.artefacts)),
        {**first.serving, **second.serving},
    )


def _bytes_used(record: Record) -> int:
    if record.path is None:
        raise UserError(
            f"the size of {record.name} is not known here", hint="prune by age, or at the server by size"
        )
    return bytes_used(record.path)


def _checkpoints(record: Record) -> Path:
    return record.folder / "checkpoints.db"


def _read_ids(database: Database, sql: str, parameters: Sequence[Any]) -> list[str]:
    return [row["id"] for row in database.read(sql, parameters)]


def _portions(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]
