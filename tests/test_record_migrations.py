"""Opening a record: made, brought up to date from each older schema, or refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from speeddial.errors import UserError
from speeddial.record import JournalKey, Record
from speeddial.record.database import Connection
from speeddial.record.migrations import MIGRATIONS, applied, migrate, sqlite_tables
from speeddial.record.postgres import _named_rows, _tables, _Translated

OLD_RUN = (
    "INSERT INTO runs"
    " (id, workflow, task, status, answer, started_ns, writer_pid, writer_host, writer_started)"
    " VALUES ('r1', 'default', 'old task', 'done', 'old answer', 1, 1, 'elsewhere', '')"
)
OLD_MESSAGE = (
    """INSERT INTO contents (hash, body) VALUES ('sha256:ab', '{"role":"user","content":"is it old?"}')"""
)
OLD_INTERACTION = (
    "INSERT INTO interactions (run, kind, step, attempt, messages, status, raw, started_ns)"
    """ VALUES ('r1', 'model', 1, 1, '["sha256:ab"]', 'exact', 'yes', 1)"""
)
OLD_ENTRY = (
    "INSERT INTO journal (run, step, attempt, kind, effect, payload, result, begun_ns, finished_ns)"
    " VALUES ('r1', 0, 1, 'call', 'model', 'null', '1', 1, 2)"
)
NAMES = [migration.__name__ for migration in MIGRATIONS]


def on(place: str, work: Callable[[Connection, Callable[[Connection], set[str]]], Any]) -> Any:
    """Do something with a bare connection to the database."""
    if "://" in place:
        import psycopg

        with psycopg.connect(place, autocommit=True, row_factory=_named_rows) as db:
            return work(_Translated(db), _tables)
    Path(place).parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(place, isolation_level=None)) as file:
        return work(file, sqlite_tables)


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_a_record_of_each_older_schema_is_brought_up_to_date_with_its_rows(
    place: str, tmp_path: Path, version: int
) -> None:
    def make(db: Connection, tables: Any) -> None:
        assert migrate(db, place, MIGRATIONS[:version], tables) == NAMES[:version]
        assert applied(db, tables) == NAMES[:version]
        for sql in (OLD_RUN, OLD_MESSAGE, OLD_INTERACTION, *([OLD_ENTRY] if version > 1 else [])):
            db.execute(sql)

    on(place, make)
    with Record.open(place, folder=tmp_path) as record:
        run = record.run("r1")
        assert (run.task, run.answer, run.user_id, run.forked_from) == ("old task", "old answer", "", None)
        (row,) = run.interactions
        assert (row.raw, row.tokens) == ("yes", ())
        assert row.messages == ({"role": "user", "content": "is it old?"},)
        entry = record.journal.get(JournalKey("r1", 0, 1, "call"))
        assert (entry is not None and entry.result == 1) == (version > 1)
        assert record.journal.questions("r1") == []
        asked = record.start_interaction(record.begin_run("new task"), "model", parent=row.id)
        assert asked == row.id + 1
    assert on(place, applied) == NAMES
    assert on(place, lambda db, tables: migrate(db, place, tables=tables)) == []


def test_a_failed_migration_leaves_the_record_as_it_was(place: str) -> None:
    def m002_broken(db: Connection) -> None:
        db.execute("CREATE TABLE half (x INTEGER)")
        db.execute("no sql")

    def work(db: Connection, tables: Callable[[Connection], set[str]]) -> None:
        migrate(db, "x", MIGRATIONS[:1], tables)
        db.execute("BEGIN")
        with pytest.raises(Exception, match="syntax error"):
            migrate(db, "x", [MIGRATIONS[0], m002_broken], tables)
        db.execute("ROLLBACK")
        assert applied(db, tables) == NAMES[:1]
        assert "half" not in tables(db)

    on(place, work)


def test_the_migrations_are_numbered_in_order() -> None:
    assert [name[:5] for name in NAMES] == [f"m{number:03d}_" for number in range(1, len(MIGRATIONS) + 1)]


def test_a_newer_schema_is_refused_with_what_to_do(place: str, tmp_path: Path) -> None:
    Record.open(place, folder=tmp_path).close()
    on(
        place,
        lambda db, _: (
            db.execute("INSERT INTO migrations (name, applied_ns) VALUES ('m999_later', 1)") and None
        ),
    )
    with pytest.raises(UserError, match="newer Speeddial") as caught:
        Record.open(place, folder=tmp_path)
    assert "upgrade" in str(caught.value)


def test_another_programs_database_is_refused_and_left_alone(place: str, tmp_path: Path) -> None:
    on(place, lambda db, _: db.execute("CREATE TABLE mine (x INTEGER)") and None)
    with pytest.raises(UserError, match="not a Speeddial record"):
        Record.open(place, folder=tmp_path)
    assert on(place, lambda db, tables: tables(db)) == {"mine"}


def test_what_is_no_record_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("not a database at all, but long enough for a header of one hundred bytes" * 3)
    with pytest.raises(UserError, match="not a Speeddial record"):
        Record.open(text)
    with pytest.raises(UserError, match="cannot be opened"):
        Record.open(tmp_path)
    with pytest.raises(UserError, match="cannot be opened"):
        Record.open(text / "below" / "a file")
    with pytest.raises(UserError, match="'mysql' URLs are not supported"):
        Record.open("mysql://bob:hunter2@host/db")


def test_full_synchronous_is_set_when_asked(tmp_path: Path) -> None:
    for mode, number in (("normal", 1), ("full", 2)):
        with Record.open(tmp_path / mode, synchronous=mode) as record:  # type: ignore[arg-type]
            with record.database.writing() as db:
                assert db.execute("PRAGMA synchronous").fetchone()[0] == number
            assert record.database.read("PRAGMA journal_mode")[0][0] == "wal"
