"""JSON lines: objects read one by one, each bad line named by its number."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from speeddial.errors import NotFound, UserError


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


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{place}: not JSON: {error}", hint="one object per line") from error
    if not isinstance(row, dict):
        raise UserError(f"{place}: expected an object, got {line[:40]!r}", hint="one object per line")
    return row
