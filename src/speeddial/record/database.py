"""The record's SQLite file: connection, transactions, errors, and the seal that all values pass.

Every value that is written passes `Database.seal`: this is the one place where redaction happens and
where Python values become columns. A transaction is committed before the caller goes on, so whatever
was acknowledged survives ``kill -9``; with ``synchronous="normal"`` a power cut may cost the last
commits (never the file), with ``"full"`` it does not.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from speeddial.errors import RecordError, SpeeddialError, UserError
from speeddial.record.migrations import migrate
from speeddial.record.redact import Counts, Redactor

Synchronous = Literal["normal", "full"]
Connection = sqlite3.Connection

_SHORTEST_WAIT, _LONGEST_WAIT = 0.0002, 0.002
"""Seconds between tries while another process writes."""
# json.dumps would make one for each call.
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_CACHED_CONTENTS = 512
_CACHED_CONTENT_CHARS = 65_536


class Database:
    """One SQLite file, shared by threads of this process and by other processes.

    Args:
        path: the file; made with its folder when it is not there, readable by its owner only.
        synchronous: ``normal`` or ``full``, see above.
        redactor: None for the default rules under a key kept in `PATH.key`.
        busy_timeout: seconds to wait while another process writes.

    Raises:
        UserError: the path cannot be a record.
        RecordError: the disk refused.
    """

    dialect = "sqlite"

    def __init__(
        self, path: Path, *, synchronous: Synchronous, redactor: Redactor | None, busy_timeout: float
    ) -> None:
        self.path = path
        self._synchronous = synchronous
        self._busy_timeout = busy_timeout
        self._given_redactor = redactor
        self._lock = threading.RLock()
        self._reader_lock = threading.Lock()
        self._depth = 0
        self._pid = os.getpid()
        self._sealed: OrderedDict[bytes, tuple[str, str, Counts]] = OrderedDict()
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

    def close(self) -> None:
        """Close the file; the record cannot be used afterwards. Safe to call twice."""
        with self._lock, self._reader_lock:
            self._reader.close()
            self._writer.close()

    @cached_property
    def redactor(self) -> Redactor:
        """The redactor of everything written here."""
        return self._given_redactor or Redactor(_key(self.path.with_name(self.path.name + ".key")))

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, committed when the block ends; blocks may nest, the outermost one commits.

        The block holds the record for this thread: nothing in it may await.

        Raises:
            RecordError: the disk refused; nothing of the transaction was written.
        """
        with self._lock, self._mapped():
            if os.getpid() != self._pid:
                raise RecordError(
                    f"{self.path} was opened in process {self._pid} and used in its fork {os.getpid()}",
                    hint="call Record.open in the child process",
                )
            if self._depth:
                yield self._writer
                return
            self._begin()
            self._depth = 1
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                # SQLite has rolled back by itself after some errors (full disk), after others not.
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
            finally:
                self._depth = 0

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Rows as last committed, or inside `writing` as this transaction sees them.

        Raises:
            RecordError: the file cannot be read.
        """
        with self._mapped():
            if self._depth and self._lock.acquire(blocking=False):
                try:
                    return self._writer.execute(sql, parameters).fetchall()
                finally:
                    self._lock.release()
            with self._reader_lock:
                return self._reader.execute(sql, parameters).fetchall()

    def seal(
        self, values: Mapping[str, Any], json_columns: Collection[str] = ()
    ) -> tuple[dict[str, Any], Counts]:
        """Columns ready to be written, redacted, and the counts of what was.

        Strings stay text, None and numbers stay themselves, everything else becomes compact JSON.

        Args:
            json_columns: names whose strings and numbers become JSON too; None is NULL everywhere.

        Raises:
            RecordError: redaction failed; nothing may be written.
            TypeError: a value has no JSON form.
        """
        counts: Counts = Counts()
        sealed: dict[str, Any] = {}
        for name, value in values.items():
            if value is None:
                sealed[name] = None
            elif isinstance(value, str) and name not in json_columns:
                sealed[name] = _storable(self.redactor.text(str(value), counts))
            elif isinstance(value, int | float) and name not in json_columns:
                sealed[name] = value
            else:
                sealed[name] = as_json(self.redactor.value(value, counts))
        return sealed, counts

    def content(self, db: sqlite3.Connection, value: Any, counts: Counts) -> str:
        """Store a JSON value under the hash of its redacted text, once, and return ``sha256:HEX``.

        Args:
            counts: added to, also when the value was stored before.
        """
        plain = as_json(value)
        key = hashlib.sha256(plain.encode()).digest()
        # System prompts and tool schemas come back on every call: redacting one costs more than all
        # the rest of a row.
        known = self._sealed.get(key)
        if known is None:
            found: Counts = Counts()
            redacted = self.redactor.value(value, found)
            body = plain if redacted == value else as_json(redacted)
            known = (f"sha256:{hashlib.sha256(body.encode()).hexdigest()}", body, found)
            if len(body) <= _CACHED_CONTENT_CHARS:
                self._sealed[key] = known
                if len(self._sealed) > _CACHED_CONTENTS:
                    self._sealed.popitem(last=False)
        else:
            self._sealed.move_to_end(key)
        name, body, found = known
        counts.update(found)
        db.execute("INSERT INTO contents (hash, body) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, body))
        return name

    def insert(self, db: sqlite3.Connection, table: str, columns: Mapping[str, Any]) -> int:
        """Insert one row of sealed columns; returns its row number."""
        names = ", ".join(columns)
        marks = ", ".join("?" * len(columns))
        cursor = db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(columns.values()))
        return cursor.lastrowid or 0

    def _make_file(self) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise UserError(
                f"the record {self.path} cannot be opened: {error.strerror}",
                hint="set `record` to a file in a folder that you may write",
            ) from error

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

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """SQLite's errors as ours."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._explained(error) from error

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


def as_json(value: Any) -> str:
    """Compact JSON that every reader can parse and UTF-8 can hold.

    NaN and infinities, which a tool may return, become strings; lone surrogates stay escaped.

    Raises:
        TypeError: the value has no JSON form.
    """
    try:
        text = _ENCODER.encode(value)
    except ValueError:
        text = _ENCODER.encode(_finite(value))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=True)
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _storable(text: str) -> str:
    """`text` with lone surrogates, which no UTF-8 file can hold, replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _key(path: Path) -> bytes:
    """The key of the surrogates' hash, beside the record: a copy of the record alone cannot be guessed at."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise RecordError(f"the redaction key {path} cannot be read: {error.strerror}") from error
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        try:
            # A link, unlike a rename, fails when another process was first: all use the one key.
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        return path.read_bytes()
    except OSError as error:
        raise RecordError(
            f"the redaction key {path} cannot be written: {error.strerror}; nothing was recorded",
            hint="make the record's folder writable",
        ) from error
