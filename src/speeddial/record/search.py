"""Full-text search over the record, in any script, newest first.

Nothing is indexed while a run is at work: `SearchIndex.update` reads what was committed since and indexes
it, in steps that each hold the record for some milliseconds. Any process may do so at any time.

    search_documents    where a text stands: run, interaction, kind. Numbered in the order in which it was
                        said, so that newest first is the order of the index.
    search_text         the text itself with its words; several documents may share one

A message that is sent again (a system prompt, a history) is indexed once. Its further uses in the same
run are not told; in other runs each has a document that refers to the one text, which is marked as shared.
What was redacted is redacted here too: the index is made from the record.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from speeddial.record.database import Connection, Database
from speeddial.record.rows import as_time
from speeddial.record.searchtext import Phrase, phrases, plain, snippet, split, words
from speeddial.record.selection import Selection, first_id, marks

_STEP = 500
"""Rows that are indexed in one transaction."""
_LATE_NS = 60_000_000_000
"""A run's id is made before its row is committed; never so long before."""
_MOST_SHARED = 1000
_RUN_DOCUMENTS = 200
_MOST_WORDS = 200_000
"""Characters of which PostgreSQL indexes the words; a tsvector holds a megabyte."""
_OWN = ("reason", "arguments", "resolved", "raw", "parsed", "result", "text", "error")
_JSON = frozenset({"arguments", "resolved", "parsed", "result"})
_COLUMNS = ", ".join(
    f"interactions.{name}" for name in ("id", "run", "kind", "messages", "started_ns", "ended_ns", *_OWN)
)
_RUN_COLUMNS = ", ".join(
    f"runs.{name}" for name in ("id", "task", "answer", "error", "started_ns", "ended_ns")
)


@dataclass(frozen=True)
class Hit:
    """One place where it was found."""

    position: int
    """For the next page: later ones have a lower position."""
    run: str
    interaction: int | None
    """None when it is in the run's own task, answer or error, or feedback on those."""
    kind: str
    """``run``, ``message``, ``feedback``, or the interaction's plan, model or tool."""
    snippet: list[tuple[str, bool]]
    """The text around it in pieces; marked pieces are what was looked for."""
    started_ns: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "interaction": self.interaction,
            "kind": self.kind,
            "snippet": self.snippet,
            "started": as_time(self.started_ns),
        }


class SearchIndex:
    """The index of one record; made by `Record.index`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._words = _PostgresWords() if database.dialect == "postgres" else _Words()
        self._updating = threading.Lock()

    # ---- searching ----

    def search(
        self,
        text: str,
        *,
        limit: int = 50,
        before: int | None = None,
        selection: Selection | None = None,
    ) -> list[Hit]:
        """Where this stands, newest first, as far as it is indexed.

        Args:
            text: words that must all be there, ``"words side by side"``, ``beginnings*``; any text is valid.
            before: only hits of a lower position, for paging.
            selection: only in these runs and interactions; times are those of the run's start.
        """
        wanted = phrases(text)
        rows = self._documents(wanted, limit, before, selection)
        bodies = self._bodies({row["text"] for row in rows})
        started = self._started("interactions", [row["interaction"] for row in rows if row["interaction"]])
        started |= self._started("runs", [row["run"] for row in rows if not row["interaction"]])
        return [
            Hit(
                row["id"],
                row["run"],
                row["interaction"],
                row["kind"],
                snippet(bodies[row["text"]], wanted),
                started[row["interaction"] or row["run"]],
            )
            # A run that was erased between these reads is passed over.
            for row in rows
            if row["text"] in bodies and (row["interaction"] or row["run"]) in started
        ]

    def runs(self, text: str) -> Iterator[tuple[set[str], str]]:
        """Runs in which this stands, in growing sets; with each the id from which on the set is complete."""
        wanted = phrases(text)
        found: set[str] = set()
        if not wanted or self._empty():
            yield found, ""
            return
        words, match = self._words, self._words.match(wanted)
        low, limit = None, 1000
        while True:
            below = "" if low is None else f" AND search_text.{words.key} < {low}"
            # Counted by the database: one long run may have them all.
            rows = self._database.read(
                "SELECT run, min(id) AS low, count(*) AS documents FROM (SELECT search_documents.run,"
                " search_documents.id FROM search_text CROSS JOIN search_documents"
                f" WHERE search_documents.id = search_text.{words.key} AND {words.condition}{below}"
                f" ORDER BY search_text.{words.key} DESC LIMIT ?) AS newest GROUP BY run",
                (match, limit),
            )
            found.update(row["run"] for row in rows)
            complete = sum(row["documents"] for row in rows) < limit
            low = 0 if complete else min(row["low"] for row in rows)
            reached = low
            for text_id in self._shared(match):
                again = self._database.read(
                    "SELECT id, run FROM search_documents WHERE text = ? AND text <> id AND id >= ?"
                    " ORDER BY id DESC LIMIT ?",
                    (text_id, low, limit),
                )
                found.update(row["run"] for row in again)
                if len(again) == limit:
                    reached = max(reached, again[-1]["id"])
            if not reached:
                yield found, ""
                return
            # A run's own document comes before all others of it, so a run that is not found yet has its
            # own below this place; runs at work at the same time may have theirs a little out of order.
            older = self._database.read(
                "SELECT run FROM search_documents WHERE kind = 'run' AND id < ?"
                f" ORDER BY id DESC LIMIT {_RUN_DOCUMENTS}",
                (reached,),
            )
            yield found, max((row["run"] for row in older), default="")
            limit *= 8

    def _documents(
        self,
        wanted: Sequence[Phrase],
        limit: int,
        before: int | None,
        selection: Selection | None = None,
    ) -> list[Any]:
        """Documents, newest first; none before anything was indexed."""
        if not wanted or self._empty():
            return []
        words, match = self._words, self._words.match(wanted)
        joined, condition, parameters = "", "1 = 1", list[Any]()
        if selection is not None and selection != Selection():
            of_run, parameters = selection.as_recorded(self._database.redactor).where_run()
            joined = " CROSS JOIN runs"
            condition = f"runs.id = search_documents.run AND {of_run}"
            inner = selection.of_interactions()
            if inner != Selection():
                of_interactions, values = inner.where()
                joined += " CROSS JOIN interactions"
                condition += f" AND interactions.id = search_documents.interaction AND {of_interactions}"
                parameters += values
        below = "" if before is None else f" AND search_text.{words.key} < {before}"
        # CROSS JOIN, so that SQLite begins with the words, in their order, and stops when it has enough.
        rows = self._database.read(
            f"SELECT search_documents.* FROM search_text CROSS JOIN search_documents{joined}"
            f" WHERE search_documents.id = search_text.{words.key} AND {words.condition}{below}"
            f" AND {condition} ORDER BY search_text.{words.key} DESC LIMIT ?",
            (match, *parameters, limit),
        )
        below = "" if before is None else f" AND search_documents.id < {before}"
        # Further uses that are older than all of a full page are not on it.
        oldest = rows[-1]["id"] if len(rows) == limit else 0
        for text in self._shared(match):
            rows += self._database.read(
                f"SELECT search_documents.* FROM search_documents{joined} WHERE search_documents.text = ?"
                f" AND search_documents.text <> search_documents.id AND search_documents.id > ?{below}"
                f" AND {condition} ORDER BY search_documents.id DESC LIMIT ?",
                (text, oldest, *parameters, limit),
            )
        return sorted(rows, key=lambda row: -row["id"])[:limit]

    def _empty(self) -> bool:
        return not self._database.read("SELECT 1 FROM search_state LIMIT 1")

    def _shared(self, match: str) -> list[int]:
        """Matching texts that were said in several runs, the newest of them."""
        rows = self._database.read(
            f"SELECT {self._words.key} AS id FROM search_text WHERE {self._words.condition_shared}"
            f" ORDER BY {self._words.key} DESC LIMIT {_MOST_SHARED}",
            (self._words.shared(match),),
        )
        return [row["id"] for row in rows]

    def _bodies(self, ids: Collection[int]) -> dict[int, str]:
        if not ids:
            return {}
        numbers = ", ".join(map(str, ids))
        rows = self._database.read(
            f"SELECT {self._words.key} AS id, body FROM search_text WHERE {self._words.key} IN ({numbers})"
        )
        return {row["id"]: row["body"] for row in rows}

    def _started(self, table: str, ids: Sequence[Any]) -> dict[Any, int]:
        rows = self._database.read(f"SELECT id, started_ns FROM {table} WHERE id IN ({marks(ids)})", ids)
        return {row["id"]: row["started_ns"] for row in rows}

    # ---- indexing ----

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

    def __init__(self, db: Connection, words: _Words) -> None:
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


class _Words:
    """The table of texts as SQLite has it: FTS5."""

    key = "rowid"
    condition = condition_shared = "search_text MATCH ?"

    def match(self, wanted: Sequence[Phrase]) -> str:
        # Quoted, so that nothing in it is FTS5's syntax.
        terms = " AND ".join(f'"{phrase.text}"{"*" if phrase.prefix else ""}' for phrase in wanted)
        return f"body : ({terms})"

    def shared(self, match: str) -> str:
        return f"shared : 1 AND {match}"

    def create(self, db: Connection) -> None:
        # Made here and not by a migration: it can be made anew from the record at any time.
        db.execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS search_text USING fts5(body, shared, columnsize = 0,"
            " tokenize = 'unicode61 remove_diacritics 2')"
        )

    def insert(self, db: Connection, document: int, text: str) -> None:
        db.execute("INSERT INTO search_text (rowid, body, shared) VALUES (?, ?, '')", (document, text))

    def delete(self, db: Connection, document: int) -> None:
        db.execute("DELETE FROM search_text WHERE rowid = ?", (document,))

    def share(self, db: Connection, document: int) -> None:
        db.execute("UPDATE search_text SET shared = '1' WHERE rowid = ? AND shared = ''", (document,))

    def purge(self, db: Connection) -> None:
        # What was deleted is only marked so until its part of the index is written anew.
        db.execute("INSERT INTO search_text (search_text) VALUES ('optimize')")


class _PostgresWords(_Words):
    """The same in PostgreSQL: a column of words in the configuration that changes nothing about them."""

    key = "id"
    condition = "search_text.words @@ to_tsquery('simple', ?)"
    condition_shared = f"search_text.shared AND {condition}"

    def match(self, wanted: Sequence[Phrase]) -> str:
        return " & ".join(
            "("
            + " <-> ".join(f"'{word}'" for word in words(phrase.text))
            + (":*" if phrase.prefix else "")
            + ")"
            for phrase in wanted
        )

    def shared(self, match: str) -> str:
        return match

    def create(self, db: Connection) -> None:
        db.execute(
            "CREATE TABLE IF NOT EXISTS search_text (id BIGINT PRIMARY KEY, body TEXT NOT NULL,"
            " shared BOOLEAN NOT NULL DEFAULT FALSE, words TSVECTOR NOT NULL)"
        )
        db.execute("CREATE INDEX IF NOT EXISTS search_text_words ON search_text USING gin(words)")

    def insert(self, db: Connection, document: int, text: str) -> None:
        db.execute(
            "INSERT INTO search_text (id, body, words) VALUES (?, ?, to_tsvector('simple', ?))",
            (document, text, " ".join(words(text[:_MOST_WORDS]))),
        )

    def delete(self, db: Connection, document: int) -> None:
        db.execute("DELETE FROM search_text WHERE id = ?", (document,))

    def share(self, db: Connection, document: int) -> None:
        db.execute("UPDATE search_text SET shared = TRUE WHERE id = ? AND NOT shared", (document,))

    def purge(self, db: Connection) -> None:
        # VACUUM, which whoever erases does afterwards, is all that it takes.
        return


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
