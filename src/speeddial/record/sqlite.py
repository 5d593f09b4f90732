"""The record in an SQLite file, in WAL mode: readers do not wait for the writer.

A transaction is committed before the caller goes on, so whatever was acknowledged survives ``kill -9``;
with ``synchronous="normal"`` a power cut may cost the last commits (never the file), with ``"full"`` it
does not.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speeddial.errors import RecordError, SpeeddialError, UserError
from speeddial.record.database import Connection, Database, Row, Synchronous
from speeddial.record.migrations import migrate
from speeddial.record.redact import Redactor

_SHORTEST_WAIT, _LONGEST_WAIT = 0.0002, 0.002
"""Seconds between tries while another process writes."""


class SqliteDatabase(Database):
    """One SQLite file.

    Args:
        path: the file; made with its folder when it is not there, readable by its owner only.
        synchronous: ``normal`` or ``full``, see above.
        redactor: None for the default rules under a key kept in ``PATH.key``.
        busy_timeout: seconds to wait while another process writes.

    Raises:
        UserError: the path cannot be a record.
        RecordError: the disk refused.
    """

    dialect = "sqlite"
    errors = sqlite3.Error

    def __init__(
        self, path: Path, *, synchronous: Synchronous, redactor: Redactor | None, busy_timeout: float
    ) -> None:
        super().__init__(str(path), path.with_name(path.name + ".key"), redactor)
        self.path: Path = path
        self._synchronous = synchronous
        self._busy_timeout = busy_timeout
        with self._mapped():
            self._make_file()
            self._writer = self._connect()
            try:
                self._use_wal(self._writer)
                with self.writing() as db:
                    migrate(db, str(path))
                self._reader = self._connect()
                self._reader.execute("PRAGMA query_only=ON")
                # From here on `_begin` waits, and no other statement of the writer can find a lock.
                self._writer.execute("PRAGMA busy_timeout=0")
            except BaseException:
                self._writer.close()
                raise

    def version(self) -> str:
        return str(self.read("PRAGMA data_version")[0][0])

    def insert(self, db: Connection, table: str, columns: Mapping[str, Any]) -> int:
        names, marks = ", ".join(columns), ", ".join("?" * len(columns))
        cursor = self._writer.execute(
            f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(columns.values())
        )
        return cursor.lastrowid or 0

    @property
    def _connection(self) -> Connection:
        return self._writer

    def _fetch(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        return self._reader.execute(sql, parameters).fetchall()

    def _begin(self) -> None:
        # SQLite's own wait grows to 100 ms a try; a commit takes one, so ours stays near that.
        deadline = time.monotonic() + self._busy_timeout
        wait = _SHORTEST_WAIT
        while True:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _end(self) -> None:
        self._writer.execute("COMMIT")

    def _rollback(self) -> None:
        # SQLite has rolled back by itself after some errors (full disk), after others not.
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def _disconnect(self) -> None:
        self._reader.close()
        self._writer.close()

    def _make_file(self) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise UserError(
                f"the record {self.path} cannot be opened: {error.strerror}",
                hint="set `record` to a file in a folder that you may write",
            ) from error

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self.path, timeout=self._busy_timeout, isolation_level=None, check_same_thread=False
        )
        db.row_factory = sqlite3.Row
        try:
            db.execute(f"PRAGMA synchronous={self._synchronous}")
            db.execute("PRAGMA foreign_keys=ON")
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _use_wal(self, db: sqlite3.Connection) -> None:
        # The switch does not honour the busy timeout when another process opens the same new file.
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                mode = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
                break
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(_LONGEST_WAIT)
        if mode != "wal":
            raise UserError(
                f"the record {self.path} stands on a file system without shared memory (mode {mode})",
                hint="set `record` to a file on a local disk",
            )

    def _explained(self, error: sqlite3.Error) -> SpeeddialError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            return UserError(f"{self.path} is not a Speeddial record ({error})", hint="name another file")
        said = {
            sqlite3.SQLITE_FULL: ("the disk is full", "free some space, then resume the run"),
            sqlite3.SQLITE_IOERR: ("the disk failed or is full", "look at the disk, then resume the run"),
            sqlite3.SQLITE_BUSY: (
                f"another process kept the record locked for {self._busy_timeout:g} s",
                "end the other process, then resume the run",
            ),
            sqlite3.SQLITE_READONLY: ("the file may only be read", "make it and its folder writable"),
            sqlite3.SQLITE_CANTOPEN: ("the file cannot be opened", "look at its folder's permissions"),
            sqlite3.SQLITE_CORRUPT: ("the file is damaged", "restore it from a copy, or name another file"),
        }
        what, hint = said.get(code, (str(error), ""))
        return RecordError(
            f"the record {self.path} could not be written or read: {what} ({error})", hint=hint
        )


def _is_busy(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
