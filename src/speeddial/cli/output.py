"""What the command line prints: data on stdout, talk on stderr, NDJSON on request."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from speeddial.errors import SpeeddialError

if TYPE_CHECKING:
    from rich.console import Console


def emit(value: Any) -> None:
    """One JSON line on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def data(text: str) -> None:
    """Text that is the command's answer, on stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def talk() -> Console:
    """A console on stderr; without colour when piped or with NO_COLOR."""
    from rich.console import Console

    return Console(
        stderr=True, highlight=False, soft_wrap=True, no_color=bool(os.environ.get("NO_COLOR")) or None
    )


def table(rows: Iterable[Sequence[object]], header: Sequence[str]) -> None:
    """Columns on stdout: a drawn table on a terminal, tab-separated without a header when piped."""
    if not sys.stdout.isatty():
        for row in rows:
            data("\t".join(str(cell).replace("\t", " ").replace("\n", " ") for cell in row))
        return
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*header, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        drawn.add_row(*(plain(cell) for cell in row))
    Console(highlight=False, no_color=bool(os.environ.get("NO_COLOR")) or None).print(drawn)


def report_error(error: SpeeddialError, *, as_json: bool) -> None:
    """An error as its reader needs it: one JSON line, or two lines on stderr."""
    if as_json:
        emit(
            {
                "type": "error",
                "code": error.code,
                "message": error.message,
                "hint": error.hint,
                "exit_code": error.exit_code,
            }
        )
    console = talk()
    console.print(f"[red]error:[/red] {plain(error.message)}")
    if error.hint:
        console.print(f"  next: {plain(error.hint)}")


def plain(value: object) -> str:
    """Text in which nothing counts as rich markup: model output may hold square brackets."""
    from rich.markup import escape

    return escape(str(value))
