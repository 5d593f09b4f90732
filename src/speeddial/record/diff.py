"""The difference of two runs: their interactions side by side, field by field, with the words that differ."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Literal

from speeddial.messages import compact_json
from speeddial.record.rows import InteractionRow, RunRow

CONTENT = (
    *("expert", "model", "adapter", "adapter_version", "tool", "effect", "attempt", "reason"),
    *("messages", "tools", "schema_hash", "arguments", "resolved"),
    *("status", "raw", "parsed", "result", "text", "error", "finish"),
)
"""What was asked and what came of it; two interactions are the same when these are."""
FIGURES = ("confidence", "tokens_in", "tokens_out", "tokens_forced", "cost", "latency_ms")
"""What it took; shown, and never a reason to call two interactions different."""
_OF_RUN = ("status", "answer", "error", "missing", "task", "workflow")
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_MOST_WORDS = 2_000
"""Of a text that is compared word by word; a longer one is compared by lines, as the time grows squared."""
_MOST_LINES = 5_000

Span = tuple[Literal["same", "left", "right"], str]


@dataclass(frozen=True)
class FieldDiff:
    """One field of both sides."""

    name: str
    left: Any
    """As JSON types; None where the side has no such interaction."""
    right: Any

    @property
    def same(self) -> bool:
        return bool(self.left == self.right)

    def as_dict(self) -> dict[str, Any]:
        """With ``spans`` where both sides have a text, or JSON that is read as one; see `text_spans`."""
        body: dict[str, Any] = {"field": self.name, "left": self.left, "right": self.right, "same": self.same}
        if not self.same and (spans := self.spans()):
            body["spans"] = [list(span) for span in spans]
        return body

    def spans(self) -> list[Span]:
        """Where the sides differ; empty for numbers, and where one side has nothing."""
        texts = [_text(self.name, value) for value in (self.left, self.right)]
        return text_spans(*texts) if all(texts) else []


@dataclass(frozen=True)
class PairDiff:
    """An interaction of one run beside the one in its place in the other."""

    step: int
    kind: str
    """plan, model or tool."""
    left: InteractionRow | None
    right: InteractionRow | None
    fields: tuple[FieldDiff, ...]
    """Content first, then figures."""

    @property
    def same(self) -> bool:
        """Whether the content is; figures do not count."""
        both = self.left is not None and self.right is not None
        return both and all(one.same for one in self.fields if one.name in CONTENT)

    def as_dict(self) -> dict[str, Any]:
        left, right = self.left, self.right
        return {
            "step": self.step,
            "kind": self.kind,
            "left": left.id if left else None,
            "right": right.id if right else None,
            "same": self.same,
            "fields": [one.as_dict() for one in self.fields],
        }


@dataclass(frozen=True)
class RunDiff:
    """Two runs side by side."""

    left: str
    """A run's id."""
    right: str
    summary: tuple[FieldDiff, ...]
    """Of the runs: status, answer and what they took."""
    pairs: tuple[PairDiff, ...] = field(default=())
    """By step, then in the order of the left run."""

    @property
    def same(self) -> bool:
        """Whether both runs asked and came to the same; figures do not count."""
        content = all(one.same for one in self.summary if one.name in _OF_RUN)
        return content and all(pair.same for pair in self.pairs)

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "left": self.left,
            "right": self.right,
            "same": self.same,
            "summary": [one.as_dict() for one in self.summary],
            "steps": [pair.as_dict() for pair in self.pairs],
        }


def diff_runs(left: RunRow, right: RunRow) -> RunDiff:
    """Compare two runs; ``diff_runs(a, b)`` mirrors ``diff_runs(b, a)``.

    Interactions are paired by step and kind, there first those of the same expert in order, then what is
    left over in order: so a step that another expert served in a fork stands beside the origin's.

    Args:
        left: with its interactions; for a fork as `record.whole` gives it.
        right: the same.
    """
    groups: dict[tuple[int, str], tuple[list[InteractionRow], list[InteractionRow]]] = {}
    for side, run in enumerate((left, right)):
        for row in run.interactions:
            groups.setdefault((row.step, row.kind), ([], []))[side].append(row)
    order = {"plan": 0, "model": 1, "tool": 2}
    pairs = []
    for step, kind in sorted(groups, key=lambda key: (key[0], order.get(key[1], 3))):
        for one, other in _paired(*groups[step, kind]):
            pairs.append(PairDiff(step, kind, one, other, compared(one, other, (*CONTENT, *FIGURES))))
    return RunDiff(left.id, right.id, _summary(left, right), tuple(pairs))


def compared(
    left: InteractionRow | None, right: InteractionRow | None, fields: Iterable[str]
) -> tuple[FieldDiff, ...]:
    """These fields of two interactions."""
    return tuple(
        FieldDiff(name, getattr(left, name, None), getattr(right, name, None))
        for name in fields
        if getattr(left, name, None) or getattr(right, name, None)
    )


def text_spans(left: str, right: str) -> list[Span]:
    """Two texts as pieces that stand in both, in the left one only, or in the right one only.

    Joined, the pieces that are not ``right`` give the left text, those that are not ``left`` the right one.
    """
    # SequenceMatcher prefers its first text; put in order, the other way round is the mirror image.
    if left > right:
        turned: dict[str, Literal["same", "left", "right"]] = {"left": "right", "right": "left"}
        return _sides_in_order([(turned.get(side, side), text) for side, text in text_spans(right, left)])
    one, other = _cut(left, right)
    spans: list[Span] = []
    for op, start, end, other_start, other_end in SequenceMatcher(
        None, one, other, autojunk=False
    ).get_opcodes():
        if op == "equal":
            spans.append(("same", "".join(one[start:end])))
            continue
        if start < end:
            spans.append(("left", "".join(one[start:end])))
        if other_start < other_end:
            spans.append(("right", "".join(other[other_start:other_end])))
    return spans


def _sides_in_order(spans: list[Span]) -> list[Span]:
    """Left before right wherever both stand between the same pieces."""
    ordered: list[Span] = []
    for span in spans:
        if ordered and (ordered[-1][0], span[0]) == ("right", "left"):
            ordered.insert(-1, span)
        else:
            ordered.append(span)
    return ordered


def _cut(left: str, right: str) -> tuple[Sequence[str], Sequence[str]]:
    for pieces, most in ((_WORDS, _MOST_WORDS), (_LINES, _MOST_LINES)):
        one, other = pieces.findall(left), pieces.findall(right)
        if max(len(one), len(other)) <= most:
            return one, other
    return [left], [right]


def _paired(
    left: Sequence[InteractionRow], right: Sequence[InteractionRow]
) -> list[tuple[InteractionRow | None, InteractionRow | None]]:
    waiting: dict[str, deque[InteractionRow]] = {}
    for row in right:
        waiting.setdefault(row.expert, deque()).append(row)
    mates = [waiting[row.expert].popleft() if waiting.get(row.expert) else None for row in left]
    taken = {id(row) for row in mates if row is not None}
    free = deque(row for row in right if id(row) not in taken)
    mates = [mate or (free.popleft() if free else None) for mate in mates]
    return [*zip(left, mates, strict=True), *((None, row) for row in free)]


def _summary(left: RunRow, right: RunRow) -> tuple[FieldDiff, ...]:
    def figures(run: RunRow) -> dict[str, Any]:
        rows = run.interactions
        return {
            "calls": len(rows),
            "tokens_in": sum(row.tokens_in for row in rows),
            "tokens_out": sum(row.tokens_out for row in rows),
            "cost": sum(row.cost for row in rows),
            "latency_ms": run.latency_ms,
        }

    ours, theirs = figures(left), figures(right)
    return (
        *(FieldDiff(name, _plain(getattr(left, name)), _plain(getattr(right, name))) for name in _OF_RUN),
        *(FieldDiff(name, ours[name], theirs[name]) for name in ours),
    )


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if name == "messages" and value:
        return "\n\n".join(f"{message['role']}: {message['content']}" for message in value)
    return compact_json(value) if isinstance(value, list | tuple | dict) else ""


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
