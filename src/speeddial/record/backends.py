"""Which back end a place belongs to: a file to SQLite, a URL to PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from speeddial.errors import UserError
from speeddial.record.database import Database, Synchronous
from speeddial.record.redact import Redactor


def open_database(
    place: str | Path,
    folder: Path | None,
    *,
    synchronous: Synchronous,
    redactor: Redactor | None,
    busy_timeout: float,
) -> Database:
    """Open or make the database of a record; arguments and errors as of `Record.open`."""
    scheme, is_url, _ = str(place).partition("://")
    if not is_url:
        from speeddial.record.sqlite import SqliteDatabase

        return SqliteDatabase(
            Path(place), synchronous=synchronous, redactor=redactor, busy_timeout=busy_timeout
        )
    if scheme not in ("postgresql", "postgres"):
        raise UserError(
            f"record: {scheme!r} URLs are not supported",
            hint="set `record` to a file path or a postgresql:// URL",
        )
    try:
        from speeddial.record.postgres import PostgresDatabase
    except ImportError as error:
        raise UserError('a record in Postgres needs psycopg: pip install "speeddial[postgres]"') from error
    return PostgresDatabase(
        str(place),
        folder or Path(".speeddial"),
        synchronous=synchronous,
        redactor=redactor,
        busy_timeout=busy_timeout,
    )
