"""Indexing the record for its search, after the fact.

Nothing is indexed while a run is at work: `Indexer.update` reads what was committed since and indexes
it, in steps that each hold the record for some milliseconds. Any process may do so at any time.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from speeddial.record.database import Connection, Database
from speeddial.record.searchtext import plain, split
from speeddial.record.searchwords import PostgresWords, Words
from speeddial.record.selection import first_id, marks

_STEP = 500
"""Rows that are indexed in one transaction."""
_LATE_NS = 60_000_000_000
"""A run's id is made before its row is committed; never so long before."""
_OWN = ("reason", "arguments", "resolved", "raw", "parsed", "result", "text", "error")
_JSON = frozenset({"arguments", "resolved", "parsed", "result"})
_COLUMNS = ", ".join(
    f"interactions.{name}" for name in ("id", "run", "kind", "messages", "started_ns", "ended_ns", *_OWN)
)
_RUN_COLUMNS = ", ".join(
    f"runs.{name}" for name in ("id", "task", "answer", "error", "started_ns", "ended_ns")
)


class Indexer:
    """Keeps the index of one record up to date."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._words = PostgresWords() if database.dialect == "postgres" else Words()
        self._updating = threading.Lock()

    def update(self, seconds: float | None = None) -> bool:
        """Index what was committed since; returns whether that is all there is.

        Args:
            seconds: stop after about so many; None goes on to the end.

        Raises:
            RecordError: the record could not be read or written.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        with self._updating:
            while self._step():
                if deadline is not None and time.monotonic() > deadline:
                    return False
            return True

    def forget(self, runs: Iterable[str]) -> None:
        """Take runs out of the index, inside the transaction that erases them."""
        with self._database.writing() as db:
            self._words.create(db)
            for run in runs:
                for row in db.execute(
                    "SELECT id, text FROM search_documents WHERE run = ?", (run,)
                ).fetchall():
                    if row["id"] != row["text"]:
                        db.execute("DELETE FROM search_documents WHERE id = ?", (row["id"],))
                    elif not _inherited(db, run, row["id"]):
                        self._words.delete(db, row["id"])
                        db.execute("DELETE FROM search_documents WHERE id = ?", (row["id"],))
            # A step that has read what is erased here must not write it.
            _set(db, "forgotten", _state(db).get("forgotten", 0) + 1)
            self._words.purge(db)

    def _step(self) -> bool:
        """Index some rows; returns whether there may be more."""
        state = {row["name"]: row["value"] for row in self._database.read("SELECT * FROM search_state")}
        now = time.time_ns()
        rows = self._database.read(
            f"SELECT {_COLUMNS}, NULL AS document FROM interactions WHERE id > ? ORDER BY id LIMIT {_STEP}",
            (state.get("interactions", 0),),
        )
        runs = self._runs_of({row["run"] for row in rows})
        changed: list[Any] = []
        if len(rows) < _STEP:
            known = {run["id"] for run in runs}
            changed = [row for row in self._changed_runs(state.get("looked_ns", 0)) if row["id"] not in known]
            rows += self._ended()
        remarks = self._remarks(state.get("feedback", 0))
        if not rows and not runs and not changed and not remarks:
            if now - state.get("looked_ns", 0) > _LATE_NS:
                with self._database.writing() as db:
                    if _state(db) == state:
                        self._words.create(db)
                        _set(db, "looked_ns", now)
            return False
        batch = _Batch(self._database, rows)
        with self._database.writing() as db:
            if _state(db) != state:
                return True  # another process was quicker
            self._words.create(db)
            place = _Place(db, self._words)
            for run in [*runs, *changed]:
                text = "\n".join(part for part in (run["task"], run["answer"], run["error"]) if part)
                place.put(run["document"], run["id"], None, "run", run["ended_ns"] or 0, text)
            for row in rows:
                place.put(
                    row["document"], row["run"], row["id"], row["kind"], row["ended_ns"] or 0, _own(row)
                )
                if row["document"] is None:
                    for content in batch.contents_of(row):
                        place.use(row["run"], row["id"], content)
            for row in remarks:
                parts = [row["text"], row["label"], plain(json.loads(row["call"] or '""'))]
                text = "\n".join(part for part in parts if part)
                place.put(None, row["run"], row["interaction"], "feedback", 1, text)
                _set(db, "feedback", row["id"])
            fresh = [row["id"] for row in rows if row["document"] is None]
            if fresh:
                _set(db, "interactions", fresh[-1])
            if len(fresh) < _STEP:
                _set(db, "looked_ns", changed[-1]["started_ns"] if len(changed) == _STEP else now)
        return True

    def _runs_of(self, ids: Iterable[str]) -> list[Any]:
        """Those runs that have no document yet, oldest first."""
        names = sorted(ids)
        return self._database.read(
            f"SELECT {_RUN_COLUMNS}, NULL AS document FROM runs WHERE id IN ({marks(names)})"
            " AND NOT EXISTS (SELECT 1 FROM search_documents WHERE run = runs.id AND kind = 'run')"
            " ORDER BY id",
            names,
        )

    def _changed_runs(self, looked_ns: int) -> list[Any]:
        """Runs that began or ended since, and are not indexed as they are now."""
        since = max(0, looked_ns - _LATE_NS)
        return self._database.read(
            f"SELECT {_RUN_COLUMNS}, search_documents.id AS document FROM runs LEFT JOIN search_documents"
            " ON search_documents.run = runs.id AND search_documents.kind = 'run'"
            # Not an OR of the two, for which SQLite would go through all runs.
            " WHERE runs.id IN"
            " (SELECT id FROM runs WHERE id >= ? UNION SELECT id FROM runs WHERE ended_ns >= ?)"
            " AND (search_documents.id IS NULL OR search_documents.version <> coalesce(runs.ended_ns, 0))"
            f" ORDER BY runs.id LIMIT {_STEP}",
            (first_id(since), since),
        )

    def _remarks(self, last: int) -> list[Any]:
        """Feedback that was given since."""
        return self._database.read(
            "SELECT id, run, interaction, text, label, call FROM feedback"
            f" WHERE id > ? ORDER BY id LIMIT {_STEP}",
            (last,),
        )

    def _ended(self) -> list[Any]:
        """Interactions that were indexed while they were at work, and have ended."""
        return self._database.read(
            f"SELECT {_COLUMNS}, search_documents.id AS document FROM search_documents JOIN interactions"
            " ON interactions.id = search_documents.interaction"
            " WHERE search_documents.version = 0 AND interactions.ended_ns IS NOT NULL"
            f" ORDER BY search_documents.id LIMIT {_STEP}"
        )


class _Batch:
    """What interactions were told, of which the texts that are not indexed yet are read."""

    def __init__(self, database: Database, rows: Sequence[Any]) -> None:
        self._hashes = {
            row["id"]: list(dict.fromkeys(json.loads(row["messages"])))
            for row in rows
            if row["document"] is None
        }
        keys = {name: _content_key(name) for names in self._hashes.values() for name in names}
        known = {
            row["content"]
            for some in _some(list(keys.values()))
            for row in database.read(
                f"SELECT content FROM search_documents WHERE content IN ({marks(some)})", some
            )
        }
        fresh = [name for name, key in keys.items() if key not in known]
        self._texts = {
            row["hash"]: _message(json.loads(row["body"]))
            for some in _some(fresh)
            for row in database.read(f"SELECT hash, body FROM contents WHERE hash IN ({marks(some)})", some)
        }

    def contents_of(self, row: Any) -> list[tuple[int, str]]:
        """Key and text of each message; the text is empty where it is indexed already."""
        return [(_content_key(name), self._texts.get(name, "")) for name in self._hashes.get(row["id"], ())]


class _Place:
    """Puts documents into the index, within one transaction."""

    def __init__(self, db: Connection, words: Words) -> None:
        self._db = db
        self._words = words
        self._next: int = db.execute("SELECT coalesce(max(id), 0) + 1 FROM search_documents").fetchall()[0][0]

    def put(
        self, document: int | None, run: str, interaction: int | None, kind: str, version: int, text: str
    ) -> None:
        """A text of its own, in place of the one that `document` had."""
        if document is None:
            document = self._insert(None, run, interaction, kind, None, version)
        else:
            self._db.execute("UPDATE search_documents SET version = ? WHERE id = ?", (version, document))
            self._words.delete(self._db, document)
        if text:
            self._words.insert(self._db, document, split(text))

    def use(self, run: str, interaction: int, content: tuple[int, str]) -> None:
        """A message, which may have been said before."""
        key, text = content
        known = self._db.execute("SELECT id, run FROM search_documents WHERE content = ?", (key,)).fetchall()
        if not known:
            if text:
                self._words.insert(
                    self._db, self._insert(None, run, interaction, "message", key, 1), split(text)
                )
            return
        first = known[0]
        if (
            first["run"] == run
            or self._db.execute(
                "SELECT 1 FROM search_documents WHERE run = ? AND text = ?", (run, first["id"])
            ).fetchall()
        ):
            return
        self._words.share(self._db, first["id"])
        self._insert(first["id"], run, interaction, "message", None, 1)

    def _insert(
        self,
        text: int | None,
        run: str,
        interaction: int | None,
        kind: str,
        content: int | None,
        version: int,
    ) -> int:
        document = self._next
        self._next += 1
        self._db.execute(
            "INSERT INTO search_documents (id, text, run, interaction, kind, content, version)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (document, document if text is None else text, run, interaction, kind, content, version),
        )
        return document


def _inherited(db: Connection, run: str, text: int) -> bool:
    """Hand a text on to the next run that it was said in; False when there is none."""
    other = db.execute(
        "SELECT id, run, interaction FROM search_documents WHERE text = ? AND text <> id AND run <> ?"
        " ORDER BY id LIMIT 1",
        (text, run),
    ).fetchall()
    if not other:
        return False
    db.execute("DELETE FROM search_documents WHERE id = ?", (other[0]["id"],))
    db.execute(
        "UPDATE search_documents SET run = ?, interaction = ? WHERE id = ?",
        (other[0]["run"], other[0]["interaction"], text),
    )
    return True


def _state(db: Connection) -> dict[str, int]:
    return {row["name"]: row["value"] for row in db.execute("SELECT * FROM search_state").fetchall()}


def _set(db: Connection, name: str, value: int) -> None:
    db.execute("DELETE FROM search_state WHERE name = ?", (name,))
    db.execute("INSERT INTO search_state (name, value) VALUES (?, ?)", (name, value))


def _content_key(name: str) -> int:
    """60 bits of a content's hash, which an integer column holds; the whole would take ten times as much."""
    return int(name.removeprefix("sha256:")[:15], 16)


def _message(body: Any) -> str:
    if isinstance(body, Mapping):
        return plain([value for name, value in body.items() if name != "role"])
    return plain(body)


def _own(row: Any) -> str:
    """What an interaction itself said; the call as it came is left out where it was parsed."""
    parts = []
    for name in _OWN:
        value = row[name]
        if value and name in _JSON:
            value = plain(json.loads(value))
        elif value and name == "raw":
            value = _decoded(value)
        if value and value not in parts:
            parts.append(value)
    return "\n".join(parts)


def _decoded(raw: str) -> str:
    """A model's output; when it is JSON, without the escapes that would hide its words."""
    try:
        return plain(json.loads(raw))
    except (ValueError, RecursionError):
        return raw


def _some(items: list[Any]) -> Iterator[list[Any]]:
    return (items[start : start + _STEP] for start in range(0, len(items), _STEP))
