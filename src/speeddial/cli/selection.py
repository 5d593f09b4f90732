"""What commands about the record share: the open record, and the options that say which rows are meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speeddial.errors import UserError

if TYPE_CHECKING:
    from datetime import datetime

    from speeddial.project import Project
    from speeddial.record import Record
    from speeddial.record.selection import Selection

Expert = Annotated[str, typer.Option(help="Only where this expert was phoned.")]
Tool = Annotated[str, typer.Option(help="Only where this tool ran.")]
Workflow = Annotated[str, typer.Option(help="Only runs of this workflow.")]
User = Annotated[str, typer.Option(help="Only this user's runs.")]
Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only runs begun then or later: ISO 8601, or 2h, 7d.")
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only runs begun before.")]

# Of what is taken out of the record.
ToolOfCalls = Annotated[str, typer.Option(help="Only calls of this tool.")]
SinceCalls = Annotated[
    str | None, typer.Option(metavar="TIME", help="Only from this time on: ISO 8601, or 2h, 7d.")
]
UntilCalls = Annotated[str | None, typer.Option(metavar="TIME", help="Only before this time.")]
Statuses = Annotated[
    list[str] | None, typer.Option(help="Calls of these statuses; exact and corrected unless given.")
]
Label = Annotated[str, typer.Option(help="Only decodes that people gave this label.")]
TestShare = Annotated[float, typer.Option(min=0, max=0.99, help="Share of the runs for a test split.")]
Unproven = Annotated[
    bool, typer.Option("--unproven", help="Also calls of engines whose constraint was not proven.")
]


@contextmanager
def opened() -> Iterator[tuple[Project, Record]]:
    """The project here and its record, until the block ends."""
    from speeddial.project import Project

    project = Project(Project.find())
    with project.open_record() as record:
        yield project, record


def selected(
    *, status: Sequence[str] | None = None, since: str | None, until: str | None, **fields: Any
) -> Selection:
    """The selection that these options make.

    Args:
        status: of calls.
        fields: the other fields of `Selection`.

    Raises:
        UserError: a time is none.
    """
    from speeddial.record.selection import Selection

    return Selection(
        statuses=tuple(status or ()),
        since=_moment("--since", since),
        until=_moment("--until", until),
        **fields,
    )


def _moment(option: str, text: str | None) -> datetime | None:
    """The time that an option names: ISO 8601 (without a zone in the machine's own), or how long ago."""
    from datetime import UTC, datetime, timedelta

    if not text:
        return None
    ago = re.fullmatch(r"(\d{1,6})([mhdw])", text)
    if ago:
        unit = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}[ago[2]]
        return datetime.now(UTC) - timedelta(**{unit: int(ago[1])})
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError as error:
        raise UserError(
            f"{option} {text}: not a time", hint="for example 2026-11-22, 2026-11-22T09:00+01:00, 2h or 7d"
        ) from error
