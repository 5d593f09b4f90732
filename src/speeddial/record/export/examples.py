"""Training examples in the record: which decodes go into an export, with what they came from.

- Only decodes that passed strict validation, and by default only ``exact`` and ``corrected`` ones whose
  constraint was proven and whose tool did not fail. The call is checked once more against its tool's
  schema by an independent validator, so a secret's surrogate that broke a type is left out and counted.
- A decode that a person corrected stands there with the corrected call, whatever became of the model's.
- A refusal is a call of the tool ``refuse``, as experts decode it. It is exported only when the status
  ``refused`` is asked for; its definition stands in every row's tools, or a trained model would learn
  to refuse whenever it sees it.
- Several calls in one answer are one row; each is checked.
- A plan is text (JSON) without tools, as there is no tool that takes it.
- A step that was run again, or copied by a fork, is there once: equal prompt, tools and answer are one row.
- Splits go by run, and a fork is in the split of the run that it came from: they share their texts.

Runs are read one after another, so memory holds their ids and one portion of rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from speeddial.errors import UserError
from speeddial.messages import Status, calls_in, compact_json
from speeddial.record.export.licences import Licences
from speeddial.record.export.report import TEST, TRAIN, ExportReport
from speeddial.record.export.seen import Seen
from speeddial.record.export.validity import why_invalid, with_refusal
from speeddial.record.genai import span_id, trace_id
from speeddial.record.rows import InteractionRow, moment
from speeddial.record.selection import Selection
from speeddial.record.store import Record

DEFAULT_STATUSES = (Status.EXACT, Status.CORRECTED)
COPY = "copy of an earlier line"
_DECODES = ("model", "plan")


class Answer(NamedTuple):
    """What a model said or should have said."""

    text: str
    """As experts decode it: a call or plan as compact JSON, or what did not even parse."""
    calls: tuple[dict[str, Any], ...]
    """``{"name", "arguments"}`` of each; none for a plan, and for a text that is no call."""

    @classmethod
    def of(cls, value: Any, kind: str) -> Answer:
        return cls(compact_json(value), tuple(calls_in(value) or ()) if kind == "model" else ())


@dataclass(frozen=True, kw_only=True)
class Example:
    """One prompt with its right answer."""

    prompt: tuple[dict[str, Any], ...]
    """Messages as they were said; assistant turns in it are failed attempts with their feedback."""
    tools: list[dict[str, Any]]
    """Name, description and parameters of each; empty for a plan."""
    answer: Answer
    provenance: dict[str, Any]


class RunContext(NamedTuple):
    """What is known of a run besides its decodes."""

    id: str
    split: str
    failed: set[int]
    """Decodes whose tool failed."""
    corrections: Mapping[int, Any]
    """Decode -> what a person said is right."""
    labels: Mapping[int, str]
    """Decode -> the newest word of a person on it: accepted, corrected, or a label."""


@dataclass(kw_only=True)
class Source:
    """Where exports read from, and what they count.

    Args:
        selection: its statuses are those of right answers; `DEFAULT_STATUSES` unless given.
        unproven: also decodes whose constraint was not proven.
        progress: told runs done and runs in all.

    Raises:
        UserError: the selection is of kinds that decode nothing.
    """

    record: Record
    selection: Selection
    report: ExportReport
    licences: Licences
    unproven: bool = False
    progress: Callable[[int, int], None] | None = None

    def __post_init__(self) -> None:
        self.statuses = frozenset(self.selection.statuses or map(str, DEFAULT_STATUSES))
        kinds = tuple(kind for kind in _DECODES if kind in (self.selection.kinds or _DECODES))
        if not kinds:
            raise UserError(
                f"training data is made of decodes, not of {', '.join(self.selection.kinds)}",
                hint=f"select {' or '.join(_DECODES)}",
            )
        # A corrected decode counts whatever its status, and a decode's tool stands in its call.
        self.decodes = replace(self.selection, statuses=(), tool="", kinds=kinds)

    def examples(self) -> Iterator[Example]:
        """Right answers, oldest first; the report is filled in on the way."""
        with Seen() as seen:
            for run in self.runs():
                for row in self.record.interactions(run=run.id, selection=self.decodes):
                    if row.id not in run.corrections and row.status not in self.statuses:
                        continue
                    value = run.corrections.get(row.id, row.parsed)
                    if not self.of_tool(value):
                        continue
                    reason = self.why_not(row, value, run)
                    tools = with_refusal(row.tools) if row.kind == "model" else []
                    digest = ""
                    if not reason:
                        digest, new = seen.add(compact_json([row.messages, tools, value]))
                        reason = "" if new else COPY
                    if reason:
                        self.report.skipped[reason] += 1
                        continue
                    provenance = self.provenance(row, run) | {"content_sha256": digest}
                    self.report.count(run.split, provenance)
                    yield Example(
                        prompt=row.messages,
                        tools=tools,
                        answer=Answer.of(value, row.kind),
                        provenance=provenance,
                    )

    def runs(self) -> Iterator[RunContext]:
        """Runs with decodes of the selection, oldest first."""
        for run, origin in told(list(self.record.selected_runs(self.decodes)), self.progress):
            corrections, labels = self._feedback(run)
            failed = self.record.interactions(run=run, kinds=("tool",), statuses=(Status.FAILED,))
            yield RunContext(
                run,
                split_of(origin, self.report.test_share),
                {row.parent for row in failed if row.parent is not None},
                corrections,
                labels,
            )

    def _feedback(self, run: str) -> tuple[dict[int, Any], dict[int, str]]:
        corrections: dict[int, Any] = {}
        labels: dict[int, str] = {}
        for said in self.record.feedback.of_run(run):
            if said.interaction is None or said.verdict == "comment":
                continue
            if said.verdict == "correct":
                corrections[said.interaction] = said.call
            elif said.verdict == "accept":
                corrections.pop(said.interaction, None)
            labels[said.interaction] = said.label if said.verdict == "label" else f"{said.verdict}ed"
        return corrections, labels

    def of_tool(self, value: Any) -> bool:
        """Whether a call is of the tool that is asked for, if one is."""
        wanted = self.selection.tool
        return not wanted or any(call["name"] == wanted for call in calls_in(value) or ())

    def why_not(self, row: InteractionRow, value: Any, run: RunContext) -> str:
        """Why `value` is no right answer to a decode's prompt; empty when it is one."""
        if value is None:
            return "no validated output"
        if not row.messages:
            return "no messages on record"
        if row.kind == "model":
            reason = why_invalid(value, with_refusal(row.tools), redacted=bool(row.redactions))
            if reason:
                return reason
        if row.id in run.corrections:
            return ""
        if not self.unproven and (row.receipt or {}).get("constrained") is False:
            return "its constraint was not proven"
        return "its tool failed" if row.id in run.failed else ""

    def provenance(self, row: InteractionRow, run: RunContext, source: str = "decode") -> dict[str, Any]:
        """Where a row comes from, by the names of the dataset card."""
        receipt = row.receipt or {}
        system = "".join(message["content"] for message in row.messages if message["role"] == "system")
        return {
            "source": source,
            "split": run.split,
            "run_id": row.run,
            "interaction_id": row.id,
            "trace_id": f"{trace_id(row.run):032x}",
            "span_id": f"{span_id(row.run, str(row.id)):016x}",
            "kind": row.kind,
            "step": row.step,
            "expert": row.expert,
            "model": row.model,
            "adapter": row.adapter,
            "model_revision": row.adapter_version,
            "licence": self.licences.of(row.model, row.adapter),
            "prompt_name": row.expert,
            "prompt_version": f"sha256:{hashlib.sha256(system.encode()).hexdigest()}",
            "schema_sha256": row.schema_hash,
            "constrained": receipt.get("constrained"),
            "constrained_by": receipt.get("backend"),
            "status": row.status,
            "attempt": row.attempt,
            "escalated_from": row.escalated_from,
            "confidence": row.confidence,
            "finish_reason": row.finish,
            "validators": {"contract": 1.0, "json_schema": 1.0},
            "human_label": run.labels.get(row.id),
            "tokens_in": row.tokens_in,
            "tokens_out": row.tokens_out,
            "cost": row.cost,
            "latency_ms": row.latency_ms,
            "redacted": bool(row.redactions),
            "redactions": row.redactions,
            "created": moment(row.started_ns).isoformat(),
        }


def told(
    runs: Sequence[tuple[str, str]], progress: Callable[[int, int], None] | None
) -> Iterator[tuple[str, str]]:
    """The runs one by one, with word of how far it got."""
    for number, run in enumerate(runs):
        if progress:
            progress(number, len(runs))
        yield run
    if progress:
        progress(len(runs), len(runs))


def split_of(origin: str, test_share: float) -> str:
    """The split of a run, the same in every export; a larger share only moves runs from train to test.

    Args:
        origin: the run, or the one that it was first forked from.
    """
    digest = hashlib.sha256(f"speeddial split {origin}".encode()).digest()
    return TEST if int.from_bytes(digest[:8]) < test_share * 2**64 else TRAIN
