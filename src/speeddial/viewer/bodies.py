"""What the page is told of a run and of an interaction, by the API or inside an exported page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from speeddial.plan import Plan
from speeddial.record.browse import SPAN_FIELDS
from speeddial.record.database import as_json

if TYPE_CHECKING:
    from speeddial.record import Record
    from speeddial.record.browse import RunSummary
    from speeddial.record.feedback import FeedbackRow
    from speeddial.record.rows import InteractionRow


def run_body(record: Record, summary: RunSummary) -> Iterator[str]:
    """One run as JSON, in parts: itself, its plan, and its spans as columns."""
    head = {
        "run": summary.as_dict(),
        "plan": _plan(record.browse.plan(summary.run)),
        "spans": {"fields": SPAN_FIELDS, "rows": []},
    }
    yield as_json(head).removesuffix("]}}")
    before = ""
    for batch in record.browse.spans(summary.run):
        yield before + as_json(batch)[1:-1]
        before = ","
    yield "]}}"


def _plan(answer: Any) -> Any:
    """A recorded plan with what nobody serves under ``missing``; as it stands where it is none of ours."""
    try:
        return answer and Plan.from_answer(answer).as_dict()
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer


def interaction_body(row: InteractionRow, said: Iterable[FeedbackRow]) -> dict[str, Any]:
    """One interaction with all that was said in it, and about it."""
    return {**row.as_dict(), "feedback": [remark.as_dict() for remark in said]}
