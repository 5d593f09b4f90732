"""JSON lines, a file for each split, which appear when all of them are complete."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from speeddial.errors import UserError
from speeddial.messages import compact_json
from speeddial.record.export.report import TEST, TRAIN


class Lines:
    """One file being written.

    Args:
        path: where it will stand.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        self.partial = Path(name)
        self._file: IO[bytes] = os.fdopen(handle, "wb")
        self._hash = hashlib.sha256()
        self.empty = True

    def write(self, row: Mapping[str, Any]) -> None:
        line = compact_json(row).encode() + b"\n"
        self._hash.update(line)
        self.empty = False
        self._file.write(line)

    def close(self) -> str:
        """SHA-256 in hex of all that was written."""
        self._file.close()
        return self._hash.hexdigest()


@contextmanager
def line_files(path: Path, splits: bool, files: dict[Path, str]) -> Iterator[Mapping[str, Lines]]:
    """Open the files of an export: `path`, and ``NAME.test.SUFFIX`` beside it.

    Args:
        splits: whether there is a test split.
        files: filled in with path -> SHA-256 at the end.

    Raises:
        UserError: they cannot be written.
    """
    places = {TRAIN: path} | ({TEST: path.with_name(f"{path.stem}.test{path.suffix}")} if splits else {})
    opened: dict[str, Lines] = {}
    with writable(path):
        try:
            for split, place in places.items():
                opened[split] = Lines(place)
            yield opened
            digests = {lines.path: lines.close() for lines in opened.values()}
            for split, lines in opened.items():
                if split == TEST and lines.empty:
                    # `datasets` does not load a file without rows, and an earlier one would be out of date.
                    lines.path.unlink(missing_ok=True)
                    continue
                lines.partial.replace(lines.path)
                files[lines.path] = digests[lines.path]
        finally:
            for lines in opened.values():
                lines.close()
                lines.partial.unlink(missing_ok=True)


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """The disk's errors as ours."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}", hint="name another file") from error
