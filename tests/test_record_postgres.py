"""The record in PostgreSQL, where it is not as in SQLite; what is the same is tested on both."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from speeddial.errors import RecordError, UserError
from speeddial.record import Record
from speeddial.record.postgres import _translated
from speeddial.settings import without_password

SECRET = "hunter2"


@pytest.fixture
def open_postgres(postgres_record: str, tmp_path: Path) -> str:
    Record.open(postgres_record, folder=tmp_path).close()
    return postgres_record


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql://bob:{SECRET}@db.example:5433/calls", "postgresql://bob@db.example:5433/calls"),
        (f"postgresql://bob:{SECRET}@/x@a/b?c#d@host/calls", "postgresql://bob@host/calls"),
        (
            f"postgresql://host/calls?user=bob&password={SECRET}&sslpassword={SECRET}&sslmode=require",
            "postgresql://host/calls?user=bob&password=***&sslpassword=***&sslmode=require",
        ),
        (".speeddial/record.db", ".speeddial/record.db"),
    ],
)
def test_a_password_is_never_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_a_server_that_is_not_there_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be reached") as caught:
        Record.open(f"postgresql://bob:{SECRET}@127.0.0.1:1/calls", folder=tmp_path)
    assert SECRET not in str(caught.value) and caught.value.__cause__ is None
    assert "bob@127.0.0.1:1" in caught.value.message
    with pytest.raises(UserError, match="not a PostgreSQL URL") as wrong:
        Record.open(f"postgresql://bob:x@{SECRET}:no port/calls", folder=tmp_path)
    assert wrong.value.__cause__ is None


def test_neither_the_url_nor_its_password_reach_the_disk(open_postgres: str, tmp_path: Path) -> None:
    url = open_postgres.replace("postgres:@", f"postgres:{SECRET}@")
    assert SECRET in url
    with Record.open(url, folder=tmp_path / "folder") as record:
        record.finish_run(record.begin_run("x"), "done")
        assert SECRET not in record.name
        rows = record.database.read("SELECT * FROM runs")
    assert SECRET not in str(rows)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["record.key"]
    assert SECRET.encode() not in (tmp_path / "folder/record.key").read_bytes()


def test_an_absent_psycopg_is_one_sentence(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from speeddial.record import Record\n"
        "Record.open('record.db').close()\n"
        "try:\n  Record.open('postgresql://bob@host/db')\n"
        "except Exception as error:\n  print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.splitlines() == [
        'a record in Postgres needs psycopg: pip install "speeddial[postgres]"'
    ]


def test_the_common_subset_is_translated() -> None:
    assert _translated("SELECT '?%' FROM a WHERE b = ? AND c LIKE '%x'") == (
        "SELECT '?%%' FROM a WHERE b = %s AND c LIKE '%%x'"
    )
    assert "GENERATED" in _translated("CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, b REAL)")
    assert _translated("ALTER TABLE a ADD COLUMN b INTEGER -- it's a comment") == (
        "ALTER TABLE a ADD COLUMN b BIGINT "
    )


def test_rows_are_read_by_name_and_by_position_and_sums_are_numbers(
    open_postgres: str, tmp_path: Path
) -> None:
    with Record.open(open_postgres, folder=tmp_path) as record:
        record.begin_run("x")
        (row,) = record.database.read(
            "SELECT count(*) AS n, sum(started_ns) AS s, avg(resumed) AS mean, '100 %' AS text FROM runs"
        )
    assert row["n"] == row[0] == 1 and list(row.keys()) == ["n", "s", "mean", "text"]
    assert isinstance(row["s"], int) and isinstance(row["mean"], float) and row["text"] == "100 %"
    assert tuple(row)[2:] == (0.0, "100 %")


def test_a_lost_connection_is_an_error_once_and_made_anew(open_postgres: str, tmp_path: Path) -> None:
    with Record.open(open_postgres, folder=tmp_path) as record, psycopg.connect(open_postgres) as other:
        run = record.begin_run("x")
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        other.execute(others + " AND datname = current_database() AND state IS NOT NULL")
        with pytest.raises(RecordError, match="the server failed"):
            record.start_interaction(run, "model")
        with pytest.raises(RecordError, match="the server failed"):
            record.runs()
        record.start_interaction(run, "model")
        assert len(record.run(run).interactions) == 1


def test_a_reader_cannot_write(open_postgres: str, tmp_path: Path) -> None:
    with Record.open(open_postgres, folder=tmp_path) as record:
        with pytest.raises(RecordError, match="may only be read"):
            record.database.read("DELETE FROM runs RETURNING id")
        with record.database.writing() as db:
            shown = db.execute("SHOW synchronous_commit").fetchone()[0]
    with (
        Record.open(open_postgres, folder=tmp_path, synchronous="full") as full,
        full.database.writing() as db,
    ):
        assert db.execute("SHOW synchronous_commit").fetchone()[0] == "on"
    assert shown
