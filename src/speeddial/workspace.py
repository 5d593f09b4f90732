"""The workspace: the one folder that tools may write, and how, so that a kill leaves whole files."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from speeddial.errors import ToolError

_LOCK_SECONDS = 10.0


def slug(name: str, *, longest: int = 60) -> str:
    """A file name for a user's name: letters and digits of any script, lower case, parted by ``-``.

    Nothing of a path survives: no separators, no dots, no control characters.

    Raises:
        ToolError: nothing is left of the name.
    """
    plain = unicodedata.normalize("NFC", name).casefold()
    parted = re.sub(r"[\W_]+", "-", plain, flags=re.UNICODE).strip("-")
    while len(parted.encode()) > longest:
        parted = parted[:-1].rstrip("-")
    if not parted:
        raise ToolError(f"{name!r} is no name: give one with letters or digits")
    return parted


def inside(workspace: Path, *parts: str) -> Path:
    """A path in the workspace; its folder is made.

    Raises:
        ToolError: a link on the way would lead elsewhere.
    """
    path = workspace
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise ToolError(f"{'/'.join(parts)} is a link: the workspace holds real files only")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file by new content at once: a kill leaves the old file or the new one, never half of one."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file for one reader-and-writer among processes and threads.

    Raises:
        ToolError: another program holds it for longer than ten seconds.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"), thread_local=False)
    try:
        with lock.acquire(timeout=_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise ToolError(f"{path.name} is in use by another program") from error


_KEPT = 64
"""Done effects that a target remembers; a resumed run repeats at most its own dozen."""


class Ledger:
    """The effects that were done on one file, kept in that file: key -> result.

    It is written with the effect in one `write_whole`, so that there is no moment in which one is on disk
    without the other. Results are base64 of JSON: such a line can stand in a Markdown comment or an iCalendar
    text whatever the user's words are.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self.entries = list(entries)

    def result_of(self, key: str) -> Any | None:
        """What the effect with this key gave back when it was done; None when it was not."""
        name = _name_of(key)
        for entry in reversed(self.entries):
            if entry.startswith(name):
                return json.loads(base64.b64decode(entry[len(name) :]))
        return None

    def add(self, key: str, result: Any) -> None:
        """Note an effect with its result as JSON types."""
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
        self.entries.append(f"{_name_of(key)}{base64.b64encode(text.encode()).decode()}")
        del self.entries[:-_KEPT]


def _name_of(key: str) -> str:
    return f"{hashlib.sha256(key.encode()).hexdigest()[:24]} "
