"""`speeddial trace redactions`: how much the record has hidden, by rule."""

from __future__ import annotations

from typing import Annotated

import typer

from speeddial.cli.output import emit, table
from speeddial.cli.record import TRACE, Json
from speeddial.cli.selection import opened


def register(app: typer.Typer) -> None:
    TRACE.command()(redactions)


def redactions(
    run_id: Annotated[
        str, typer.Argument(metavar="[RUN]", help="Only this run: its id, the start of one, or `last`.")
    ] = "",
    json: Json = False,
) -> None:
    """Count what was replaced before it was written, by rule: for data sets' cards, and for trust."""
    with opened() as (_, record):
        counts = record.redactions(record.resolve(run_id) if run_id else None)
    if json:
        emit(dict(sorted(counts.items())))
        return
    table(counts.most_common(), ("rule", "replaced"))
