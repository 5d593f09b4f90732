"""Preference pairs in the record: what was said against what would have been right, for one prompt.

- ``correction``: a person's call against the model's.
- ``retry``: the attempt that was accepted against the one before it, on that one's prompt.
- ``escalation``: what finally served against what the experts phoned before had said, where theirs were the
  tools for it; a right refusal is no loser.

Left out: answers that were cut off, prompts without an answer, and pairs of two equal answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from speeddial.messages import calls_in, compact_json
from speeddial.record.export.examples import COPY, Answer, RunContext, Source
from speeddial.record.export.licences import both
from speeddial.record.export.seen import Seen
from speeddial.record.export.validity import why_invalid, with_refusal
from speeddial.record.rows import InteractionRow
from speeddial.record.selection import Selection

CORRECTION, RETRY, ESCALATION = "correction", "retry", "escalation"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One prompt with a better and a worse answer."""

    prompt: tuple[dict[str, Any], ...]
    tools: list[dict[str, Any]]
    chosen: Answer
    rejected: Answer
    provenance: dict[str, Any]
    """Of the rejected decode; ``chosen_*`` say who gave the other."""


def pairs(source: Source) -> Iterator[Pair]:
    """Pairs whose rejected answer is of the selection; the source's report is filled in on the way.

    Memory holds the decodes of one run.
    """
    # Whoever served in an expert's place may be of another model, and later than the selection's end.
    everything = Selection(kinds=source.decodes.kinds)
    with Seen() as seen:
        for run in source.runs():
            selected = {row.id for row in source.record.interactions(run=run.id, selection=source.decodes)}
            rows = {row.id: row for row in source.record.interactions(run=run.id, selection=everything)}
            for loser, winner, kind in _candidates(source, run, rows):
                if loser.id not in selected:
                    continue
                pair, reason = _pair(source, run, loser, winner, kind)
                if pair is None:
                    if reason:
                        source.report.skipped[reason] += 1
                    continue
                body = [pair.prompt, pair.tools, pair.chosen.text, pair.rejected.text]
                digest, new = seen.add(compact_json(body))
                if not new:
                    source.report.skipped[COPY] += 1
                    continue
                pair.provenance["content_sha256"] = digest
                source.report.count(run.split, pair.provenance)
                yield pair


def _candidates(
    source: Source, run: RunContext, rows: dict[int, InteractionRow]
) -> Iterator[tuple[InteractionRow, InteractionRow, str]]:
    """Loser, winner and kind; a corrected decode wins over itself, and its correction over all before it."""
    # What another attempt or member took the place of did not serve, however valid it was.
    superseded = {row.escalated_from for row in rows.values()} | {row.parent for row in rows.values()}
    for row in rows.values():
        if row.id in run.corrections:
            yield row, row, CORRECTION
        elif row.status not in source.statuses or row.id in superseded:
            continue
        losers = [(row.parent, RETRY)]
        earlier = rows.get(row.escalated_from or 0)
        while earlier is not None:
            losers.append((earlier.id, ESCALATION))
            earlier = rows.get(earlier.escalated_from or 0)
        for loser, kind in losers:
            # A person's word on a decode is worth more than what came of it.
            if loser in rows and loser not in run.corrections:
                yield rows[loser], row, kind


def _pair(
    source: Source, run: RunContext, loser: InteractionRow, winner: InteractionRow, kind: str
) -> tuple[Pair | None, str]:
    value = run.corrections.get(winner.id, winner.parsed)
    if not source.of_tool(value):
        return None, ""
    reason = source.why_not(winner, value, run)
    tools = with_refusal(loser.tools) if loser.kind == "model" else []
    if not reason and tools and why_invalid(value, tools, redacted=False):
        reason = "served by a tool that the first expert has not"
    if not reason and not (loser.raw or "").strip():
        reason = "no output to reject"
    if not reason and loser.finish == "length":
        reason = "the worse answer was cut off"
    if reason:
        return None, reason
    chosen, rejected = Answer.of(value, loser.kind), _said(loser)
    if chosen == rejected:
        return None, "both answers are equal"
    provenance = source.provenance(loser, run, kind)
    by_person = winner.id in run.corrections
    provenance |= {
        "licence": both(provenance["licence"], source.licences.of(winner.model, winner.adapter)),
        "chosen_by": "person" if by_person else winner.model,
        "chosen_interaction_id": winner.id,
    }
    return Pair(
        prompt=loser.messages, tools=tools, chosen=chosen, rejected=rejected, provenance=provenance
    ), ""


def _said(row: InteractionRow) -> Answer:
    """A decode's output: a call where it has the form of one, valid or not, else the text as it came."""
    value = row.parsed
    if value is None:
        try:
            value = json.loads(row.raw or "")
        except ValueError:
            return Answer(row.raw or "", ())
    calls = calls_in(value) or ()
    if row.kind == "plan" or (calls and all(isinstance(call.get("arguments"), dict) for call in calls)):
        return Answer.of(value, row.kind)
    return Answer(row.raw or "", ())
