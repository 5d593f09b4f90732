"""Sheets: rows that a person keeps in a CSV or JSON file, which a tool reads or adds a row to."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from speeddial.errors import UserError
from speeddial.tabletext import as_utf8
from speeddial.workspace import inside, locked, write_whole

if TYPE_CHECKING:
    from speeddial.tool import ToolContext

KEY = "key"
"""The column that names the call which wrote a row."""

Row = dict[str, str]


def user_rows(context: ToolContext, name: str, columns: Sequence[str]) -> list[Row]:
    """Rows of a file that the user supplies: one granted to the run, or in the workspace.

    Args:
        context: of the call; a granted CSV or JSON file comes before ``NAME.csv`` and ``NAME.json`` of the
            workspace, and of several granted ones the one of that name.
        name: the file's name without its ending.
        columns: those that it must have; others are read as well.

    Returns:
        Column (lower case) -> text, for each row.

    Raises:
        UserError: there is no such file, or not with these columns.
    """
    form = f"a CSV file with the columns {', '.join(columns)}, or a JSON list of such objects"
    granted = [path for path in context.files.values() if path.suffix.lower() in (".csv", ".json")]
    named = [path for path in granted if path.stem.lower() == name]
    kept = [inside(context.workspace, f"{name}{ending}") for ending in (".csv", ".json")]
    found = named or (granted if len(granted) == 1 else [path for path in kept if path.is_file()])
    if not found:
        raise UserError(
            f"{name}: there is no such file yet",
            hint=f"put {name}.csv into the workspace, or grant it with --input: {form}",
        )
    rows = _from_json(found[0]) if found[0].suffix.lower() == ".json" else _from_csv(found[0])[1]
    for row in rows:
        missing = [column for column in columns if column not in row]
        if missing:
            raise UserError(
                f"{found[0].name}: no column {', '.join(missing)}; it has {', '.join(row)}",
                hint=f"expected {form}",
            )
    return rows


class Book:
    """A CSV file in the workspace that tools add rows to, each once for its idempotency key.

    What a person changed or added in it stays as it is.
    """

    def __init__(self, workspace: Path, name: str, columns: Sequence[str]) -> None:
        self.path = inside(workspace, f"{name}.csv")
        self.columns = (*columns, KEY)

    def add(self, row: Mapping[str, str], key: str) -> Row:
        """Add a row, or give the one that this key added before.

        Raises:
            UserError: the file lost a column that is needed.
            ToolError: another program holds the file.
        """
        mark = hashlib.sha256(key.encode()).hexdigest()[:24]
        with locked(self.path):
            columns, rows = _from_csv(self.path) if self.path.is_file() else (list(self.columns), [])
            missing = [column for column in self.columns if column not in columns]
            if missing:
                raise UserError(
                    f"{self.path.name}: the column {', '.join(missing)} is gone",
                    hint="put it back, or move the file away: a new one is made",
                )
            for known in rows:
                if known[KEY] == mark:
                    return known
            before = self.path.read_bytes() if self.path.is_file() else b""
            made = {name: _one_line(row.get(name, "")) for name in columns} | {KEY: mark}
            out = io.StringIO()
            writer = csv.writer(out, delimiter=_delimiter(before.decode("utf-8-sig")), lineterminator="\n")
            if not before:
                writer.writerow(columns)
            elif not before.endswith(b"\n"):
                before += b"\n"
            writer.writerow(_cell(made[name]) for name in columns)
            write_whole(self.path, before + out.getvalue().encode())
        return made


def _from_csv(path: Path) -> tuple[list[str], list[Row]]:
    with as_utf8(path) as (readable, _):
        text = readable.read_text(encoding="utf-8")
    lines = list(csv.reader(io.StringIO(text), delimiter=_delimiter(text)))
    if not lines:
        raise UserError(f"{path.name} is empty", hint="its first line names the columns")
    names = [name.strip().lower() for name in lines[0]]
    for number, line in enumerate(lines, 1):
        if line and len(line) != len(names):
            raise UserError(
                f"{path.name}, row {number}: expected {len(names)} cells, got {len(line)}",
                hint='a cell with a comma stands in quotes: "Mount Airy, VI"',
            )
    return names, [dict(zip(names, map(_text, line), strict=True)) for line in lines[1:] if line]


def _from_json(path: Path) -> list[Row]:
    try:
        items = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path.name} is not JSON: {error}", hint="mend the file") from error
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UserError(f"{path.name}: expected a list of objects", hint='[{"place": "Oslo"}]')
    return [
        {name.strip().lower(): "" if value is None else str(value).strip() for name, value in item.items()}
        for item in items
    ]


def _delimiter(text: str) -> str:
    """What parts the cells of the first line: a comma, or what spreadsheets of other countries write."""
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _one_line(text: str) -> str:
    """Without line ends, and without the control characters that make a text file look like none."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", text).strip()


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, whatever a request said."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _text(cell: str) -> str:
    text = cell.strip()
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@") else text
