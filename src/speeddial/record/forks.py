"""What a forked run took over: rows of the runs before it, which stay theirs and are not written twice.

A fork's journal has the outcomes of the steps that it took over, and its settings name their interactions
under ``taken_over``. So nothing is counted, exported or found twice; who shows a fork whole asks here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speeddial.errors import NotFound
from speeddial.record.rows import InteractionRow, RunRow

if TYPE_CHECKING:
    from speeddial.record.store import Record


def taken_over(record: Record, run: RunRow) -> tuple[InteractionRow, ...]:
    """The interactions that a run took over from those it was forked from, oldest first.

    Those of a run that was erased since are missing.
    """
    wanted = set(run.settings.get("taken_over", ()))
    found: list[InteractionRow] = []
    origin = run.forked_from
    while wanted and origin is not None:
        rows = [row for row in record.interactions(run=origin) if row.id in wanted]
        wanted.difference_update(row.id for row in rows)
        found += rows
        try:
            origin = record.run(origin).forked_from
        except NotFound:
            break
    return tuple(sorted(found, key=lambda row: row.id))


def whole(record: Record, run: str) -> RunRow:
    """A run with all its interactions, those that it took over among them.

    Raises:
        NotFound: there is no such run.
    """
    row = record.run(run)
    return row.with_interactions((*taken_over(record, row), *row.interactions))
