"""Full-text search over the record, in any script, newest first.

`Indexer.update` makes the index, `SearchIndex` reads it:

    search_documents    where a text stands: run, interaction, kind. Numbered in the order in which it was
                        said, so that newest first is the order of the index.
    search_text         the text itself with its words; several documents may share one

A message that is sent again (a system prompt, a history) is indexed once. Its further uses in the same
run are not told; in other runs each has a document that refers to the one text, which is marked as shared.
What was redacted is redacted here too: the index is made from the record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from speeddial.record.rows import as_time
from speeddial.record.searchindexing import Indexer
from speeddial.record.searchtext import Phrase, phrases, snippet
from speeddial.record.selection import Selection, marks

_MOST_SHARED = 1000
_RUN_DOCUMENTS = 200


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


class SearchIndex(Indexer):
    """The index of one record; made by `Record.index`."""

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
