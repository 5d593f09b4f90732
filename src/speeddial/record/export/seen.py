"""A set of texts that may outgrow memory: their hashes in a temporary SQLite file, gone when it is closed."""

from __future__ import annotations

import hashlib
import sqlite3
from types import TracebackType
from typing import Self


class Seen:
    """What has come by already."""

    def __init__(self) -> None:
        # An empty name is a private file that SQLite keeps in memory up to 2 MB and then on disk.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("CREATE TABLE seen (hash BLOB PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def add(self, text: str) -> tuple[str, bool]:
        """Its SHA-256 in hex, and whether it is new."""
        digest = hashlib.sha256(text.encode()).digest()
        added = self._db.execute("INSERT INTO seen VALUES (?) ON CONFLICT DO NOTHING", (digest,)).rowcount
        return digest.hex(), added == 1
