"""The table of indexed texts and its words, as SQLite and PostgreSQL each have it."""

from __future__ import annotations

from collections.abc import Sequence

from speeddial.record.database import Connection
from speeddial.record.searchtext import Phrase, words

_MOST_WORDS = 200_000
"""Characters of which PostgreSQL indexes the words; a tsvector holds a megabyte."""


class Words:
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


class PostgresWords(Words):
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
