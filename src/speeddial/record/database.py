"""What all databases of the record share: transactions, group commit, and the seal that all values pass.

Every value that is written passes `Database.seal` or `Database.content`: this is the one place where
redaction happens and where Python values become columns. SQL is the common subset of SQLite and PostgreSQL
with ``?`` marks; what is one database's own stands in `sqlite` or `postgres`.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import math
import os
import secrets
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from speeddial.errors import RecordError, SpeeddialError
from speeddial.record.commits import Commits, Pending, Write
from speeddial.record.redact import RULES, Counts, Redactor, Rule

T = TypeVar("T")
Synchronous = Literal["normal", "full"]
Dialect = Literal["sqlite", "postgres"]
Row = Any
"""A row read: by column name and by position, and `keys()`."""

# json.dumps would make one for each call.
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_CACHED_CONTENTS = 512
_CACHED_CONTENT_CHARS = 65_536


class Cursor(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Row: ...
    def fetchall(self) -> list[Row]: ...
    def __iter__(self) -> Iterator[Row]: ...


class Connection(Protocol):
    """A connection inside a transaction; SQLite's own is one."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor: ...


class Database(ABC):
    """One database, shared by threads of this process and by other processes.

    There is one writer at a time among all processes, so what a transaction has read stays so until it has
    written, and rows are numbered in the order in which they are committed.

    Args:
        name: of the place, for messages; without a password.
        key_file: where the key of the surrogates stands; made when it is not there.
        redactor: None for the default rules under that key.
    """

    dialect: ClassVar[Dialect]
    errors: ClassVar[type[Exception]]
    """The library's own, which are mapped to ours."""
    path: Path | None = None
    """The file, where it is one."""
    rules: Sequence[Rule] = RULES
    """What is hidden, unless a redactor is given."""
    durable = False
    """Whether a power cut must cost nothing."""

    def __init__(self, name: str, key_file: Path, redactor: Redactor | None) -> None:
        self.name = name
        self._key_file = key_file
        self._given_redactor = redactor
        self._lock = threading.RLock()
        self._reader_lock = threading.Lock()
        self._owner = 0
        """Thread that is inside a transaction; 0 for none."""
        self._pid = os.getpid()
        self._sealed: OrderedDict[bytes, tuple[str, str, Counts]] = OrderedDict()
        self._commits = Commits(self._lock, self._transaction)

    def close(self) -> None:
        """Commit what waits and close; the record cannot be used afterwards. Safe to call twice."""
        if os.getpid() == self._pid:
            self._commits.close()
        with self._lock, self._reader_lock:
            self._disconnect()

    @property
    def folder(self) -> Path:
        """Where the key stands, and whatever else belongs to the record but not into it."""
        return self._key_file.parent

    @cached_property
    def redactor(self) -> Redactor:
        """The redactor of everything written here."""
        return self._given_redactor or Redactor(_key(self._key_file), self.rules)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, committed when the block ends; blocks may nest, the outermost one commits.

        The block holds the record for this thread: nothing in it may await.

        Raises:
            RecordError: it could not be written; nothing of the transaction was.
        """
        if self._owner == threading.get_ident():
            with self._mapped():
                yield self._connection
            return
        with self._lock:
            # What was handed in earlier stands earlier.
            self._commits.lead()
            with self._transaction() as db:
                yield db

    def commit(self, write: Write[T]) -> T:
        """Write, in a transaction shared with other threads and tasks, and wait for its commit.

        Raises:
            RecordError: it could not be written.
        """
        if self._owner == threading.get_ident():
            return write()
        return self._commits.commit(_here(write))

    async def enqueue(self, write: Write[T]) -> Pending[T]:
        """Hand a write in, for async code; see `Commits.enqueue`."""
        return await self._commits.enqueue(_here(write))

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Rows as last committed, or inside a transaction as it sees them.

        Raises:
            RecordError: it cannot be read.
        """
        with self._mapped():
            if self._owner == threading.get_ident():
                return self._connection.execute(sql, parameters).fetchall()
            with self._reader_lock:
                return self._fetch(sql, parameters)

    @abstractmethod
    def version(self) -> str:
        """Another text than before when something may have been committed since, by any process.

        Raises:
            RecordError: it cannot be read.
        """

    @abstractmethod
    def insert(self, db: Connection, table: str, columns: Mapping[str, Any]) -> int:
        """Insert one row of sealed columns; returns its `id`, 0 where the table has none."""

    @property
    @abstractmethod
    def _connection(self) -> Connection:
        """The one that writes."""

    @abstractmethod
    def _fetch(self, sql: str, parameters: Sequence[Any]) -> list[Row]:
        """Rows by the connection that only reads."""

    @abstractmethod
    def _begin(self) -> None:
        """Begin a transaction, when no other process is inside one."""

    @abstractmethod
    def _end(self) -> None:
        """Commit."""

    @abstractmethod
    def _rollback(self) -> None:
        """Undo the transaction, if the error has not done so already."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Close the connections."""

    @abstractmethod
    def _explained(self, error: Any) -> SpeeddialError:
        """The library's error as ours."""

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._mapped():
            if os.getpid() != self._pid:
                raise RecordError(
                    f"{self.name} was opened in process {self._pid} and used in its fork {os.getpid()}",
                    hint="call Record.open in the child process",
                )
            self._begin()
            self._owner = threading.get_ident()
            try:
                yield self._connection
                self._end()
            except BaseException:
                self._rollback()
                raise
            finally:
                self._owner = 0

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except self.errors as error:
            raise self._explained(error) from error

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
                sealed[name] = self._storable(self.redactor.text(str(value), counts))
            elif isinstance(value, int | float) and name not in json_columns:
                sealed[name] = value
            else:
                sealed[name] = as_json(self.redactor.value(value, counts))
        return sealed, counts

    def content(self, db: Connection, value: Any, counts: Counts) -> str:
        """Store a JSON value under the hash of its redacted text, once, and return ``sha256:HEX``.

        Args:
            counts: added to, also when the value was stored before.
        """
        content = self.sealed_content(value, counts)
        self.store(db, [content])
        return content[0]

    def sealed_content(self, value: Any, counts: Counts) -> tuple[str, str]:
        """A JSON value's ``sha256:HEX`` and redacted text, ready for `store`."""
        # System prompts and tool schemas come back on every call: redacting one costs more than all
        # the rest of a row, and its JSON six times what these bytes do.
        try:
            key = marshal.dumps(value)
        except ValueError:
            key = b""
        # Taken out and put back as the newest, each in one step: threads seal at the same time.
        known = self._sealed.pop(key, None)
        if known is None:
            plain = as_json(value)
            found: Counts = Counts()
            redacted = self.redactor.value(value, found)
            body = plain if redacted == value else as_json(redacted)
            known = (f"sha256:{hashlib.sha256(body.encode()).hexdigest()}", body, found)
        name, body, found = known
        if key and len(body) <= _CACHED_CONTENT_CHARS:
            self._sealed[key] = known
            if len(self._sealed) > _CACHED_CONTENTS:
                self._sealed.popitem(last=False)
        counts.update(found)
        return name, body

    def store(self, db: Connection, contents: Sequence[tuple[str, str]]) -> None:
        """Store contents that are not there yet."""
        if contents:
            marks = ", ".join(["(?, ?)"] * len(contents))
            db.execute(
                f"INSERT INTO contents (hash, body) VALUES {marks} ON CONFLICT DO NOTHING",
                [part for content in contents for part in content],
            )

    def _storable(self, text: str) -> str:
        """`text` with lone surrogates, which no UTF-8 can hold, replaced by U+FFFD."""
        try:
            text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return text


def _here(write: Write[T]) -> Write[T]:
    """The write in the context of the run that hands it in, whoever commits it."""
    return partial(copy_context().run, write)


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
