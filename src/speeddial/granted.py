"""Files that a run is granted for reading."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from speeddial.errors import NotFound, UserError


def granted_files(files: Iterable[Path]) -> dict[str, Path]:
    """Name -> absolute path, the name being what steps call the file by.

    Raises:
        NotFound: one is not there.
        UserError: two have the same name.
    """
    granted: dict[str, Path] = {}
    for given in files:
        path = Path(given).expanduser().absolute()
        if not path.is_file():
            raise NotFound(
                f"file {given} is not there", hint="give --input the path of a file that you can read"
            )
        if granted.get(path.name, path) != path:
            raise UserError(
                f"two files are named {path.name}", hint="rename one: steps name files by their file name"
            )
        granted[path.name] = path
    return granted


def stamp(path: Path) -> str:
    """What tells whether a granted file is still the same; empty when it is not there."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_size} bytes, {datetime.fromtimestamp(found.st_mtime, UTC).isoformat()}"
