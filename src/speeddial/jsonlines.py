"""JSON lines: objects read one by one, each bad line named by its number; and files that only grow."""

from __future__ import annotations

import json
import lzma
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from speeddial.errors import NotFound, UserError
from speeddial.messages import compact_json


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give every object with its line's number, counted from 1; blank lines are passed over.

    Args:
        path: JSON lines in UTF-8, plain or ``.xz``.

    Raises:
        NotFound: the file cannot be read.
        UserError: a line that is not a JSON object, or text that is not UTF-8.
    """
    try:
        with (lzma.open if path.suffix == ".xz" else open)(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, _object(line, f"{path}:{number}")
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}", hint="check the path") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text", hint="save it as UTF-8") from error
    except lzma.LZMAError as error:
        raise UserError(f"{path}: not an .xz file: {error}", hint="compress it with xz") from error


def append(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add objects to a file and have the disk keep them before this returns; made when it is not there.

    What a killed process left half written behind the last line is cut off first, so only one may append at a
    time.
    """
    lines = "".join(f"{compact_json(row)}\n" for row in rows).encode()
    with path.open("ab") as file:
        file.truncate(path.read_bytes().rfind(b"\n") + 1)
        file.write(lines)
        file.flush()
        os.fsync(file.fileno())


def whole_lines(path: Path) -> list[bytes]:
    """The lines that `append` finished; none when there is no file."""
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{place}: not JSON: {error}", hint="one object per line") from error
    if not isinstance(row, dict):
        raise UserError(f"{place}: expected an object, got {line[:40]!r}", hint="one object per line")
    return row
