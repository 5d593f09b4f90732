"""S6, watch: how versions do live, from the record alone; the bad go back by themselves, the good go on.

Three shares are counted since a version came to its stage: what it left to the large model, what people
corrected of what it served, and, beside another, what came out differently. Each has exact bounds (Clopper
and Pearson 1934). Where the lower bound of one is above the limit that was stated at promotion, the version
is rolled back; where the upper bounds of all are below, it has shown enough for the next stage. Bounds are of
99 %, since they are looked at again and again. Of the planner it is the share of its plans that were made
anew, or that it could not make, and the share that people corrected. What was imported is no live traffic.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from speeddial.agent import Agent
from speeddial.calibration import Piece
from speeddial.exchange import recorded_completion
from speeddial.expert import Expert
from speeddial.flywheel.artefact import Artefact, named
from speeddial.flywheel.calibrate import bound
from speeddial.flywheel.deployment import CARD, Deployment, Deployments
from speeddial.flywheel.gate import same
from speeddial.flywheel.plans import made_anew
from speeddial.flywheel.promotion import next_stage, promote, rollback
from speeddial.messages import Status, calls_in
from speeddial.project import Project
from speeddial.record import Record
from speeddial.record.rows import InteractionRow
from speeddial.record.selection import Selection

SURE = 0.99
WORKFLOW = "proxy"
SHADOW = "shadow"
"""Reason of a decode that was made beside the answer that was used."""
_NOT_ITS = frozenset({"stage", "conversation", "demands", "busy"})
"""Why the large model answered that says nothing about the version: it is never asked such requests."""
State = Literal["rolled back", "advanced", "ready", "waiting", "steady"]


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A share that should be small."""

    name: str
    """escalated, corrected, disagreed or replanned."""
    bad: int
    of: int
    limit: float
    low: float
    """Exact bounds of the true share, each of 99 %."""
    high: float

    @classmethod
    def counted(cls, name: str, bad: int, of: int, limit: float) -> Rate:
        low = bound(bad, of, SURE) if of else 0.0
        high = 1 - bound(of - bad, of, SURE) if of else 1.0
        return cls(name=name, bad=bad, of=of, limit=limit, low=round(low, 4), high=round(high, 4))

    @property
    def told(self) -> str:
        bounds = f"{self.low:.1%} to {self.high:.1%}, limit {self.limit:.1%}"
        return f"{self.name} {self.bad} of {self.of}: {bounds}"


@dataclass(frozen=True, kw_only=True)
class Watched:
    """How a task's version does, and what was done about it."""

    task: str
    version: str
    stage: str
    since: str
    asked: int
    """Requests that it was asked."""
    served: int
    rates: tuple[Rate, ...]
    state: State
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


def watch(
    project: Project, record: Record, deployments: Deployments, *, auto: bool = False, act: bool = True
) -> list[Watched]:
    """Look at every version that is deployed, once.

    Args:
        auto: put what has shown enough on its next stage.
        act: False only tells what would be done; a rollback else needs nobody's leave.

    Raises:
        RecordError: the record cannot be read.
    """
    return [
        _looked_at(project, record, deployments, deployment, auto=auto, act=act)
        for deployment in deployments.live().values()
    ]


def _looked_at(
    project: Project,
    record: Record,
    deployments: Deployments,
    there: Deployment,
    *,
    auto: bool,
    act: bool,
) -> Watched:
    counts = _planned(record, there) if there.is_agent else _counted(record, there)
    rates = counts.rates(there)
    state, reason = _judged(there, rates)
    if state == "rolled back" and act:
        rollback(project, deployments, there.task, reason=reason, of=there.version)
    stage = next_stage(there.stage)
    if state == "ready" and stage is not None:
        if auto and act and there.gate:
            promote(
                project,
                deployments,
                Artefact.open(there.folder.parents[1]),
                [there.task],
                stage=stage,
                gate=named(deployments.folder, there.gate),
                reason=reason,
            )
            state = "advanced"
        else:
            reason = f"{reason}; `speeddial promote {there.task} --stage {stage}`"
    return Watched(
        task=there.task,
        version=there.version,
        stage=there.stage,
        since=there.since,
        asked=counts.asked,
        served=counts.served,
        rates=rates,
        state=state,
        reason=reason,
    )


def _judged(there: Deployment, rates: Sequence[Rate]) -> tuple[State, str]:
    broken = [rate for rate in rates if rate.low > rate.limit]
    if broken:
        return "rolled back", "; ".join(rate.told for rate in broken)
    said = "; ".join(rate.told for rate in rates)
    if there.stage == "full":
        return "steady", said
    if all(rate.high <= rate.limit for rate in rates):
        return "ready", said
    return "waiting", said


@dataclass
class _Counts:
    """What the record says of a version at its stage."""

    asked: int = 0
    served: int = 0
    """At shadow: what it would have served."""
    corrected: int = 0
    disagreed: int = 0
    replanned: int = 0

    def rates(self, there: Deployment) -> tuple[Rate, ...]:
        limits = there.limits
        if there.is_agent:
            return (
                Rate.counted("replanned", self.replanned, self.asked, limits.replanned),
                Rate.counted("corrected", self.corrected, self.asked, limits.corrected),
            )
        escalated = Rate.counted("escalated", self.asked - self.served, self.asked, limits.escalated)
        if there.stage == "shadow":
            return escalated, Rate.counted("disagreed", self.disagreed, self.served, limits.disagreed)
        return escalated, Rate.counted("corrected", self.corrected, self.served, limits.corrected)


def _counted(record: Record, there: Deployment) -> _Counts:
    counts, served = _Counts(), list[int]()
    expert = Expert.from_card(there.folder / CARD)
    for told, rows in _exchanges(record, there):
        if there.stage == "shadow":
            beside = next((at for at, row in enumerate(rows) if row.reason == SHADOW), 0)
            if not beside:
                continue  # not asked, or not yet
            counts.asked += 1
            if _sure(expert, rows[-1]):
                counts.served += 1
                counts.disagreed += not _agree(rows[beside - 1], rows[-1])
        elif told.get("why") not in _NOT_ITS:
            counts.asked += 1
            if told.get("served_by") == there.expert:
                counts.served += 1
                served += [row.id for row in rows if row.expert == there.expert][-1:]
    counts.corrected = len(record.feedback.corrections(served))
    return counts


def _planned(record: Record, there: Deployment) -> _Counts:
    """Tasks that this version planned, in runs that began since and have ended."""
    agent = Agent.from_card(there.folder / "agent.toml")
    chosen = Selection(
        since=datetime.fromisoformat(there.since), run_statuses=("done", "partial", "failed", "waiting")
    )
    where, parameters = chosen.where_run()
    counts, made = _Counts(), list[list[int]]()
    for run in record.database.read(f"SELECT id, settings FROM runs WHERE {where} ORDER BY id", parameters):
        if json.loads(run["settings"]).get("imported"):
            continue
        rows = [
            row
            for row in record.interactions(run=run["id"], expert=agent.name, kinds=("plan",))
            # A process that began before still plans with what it has loaded.
            if not row.adapter or row.adapter_version == agent.version
        ]
        starts = [at for at, row in enumerate(rows) if row.attempt == 1 and row.parent is None]
        for at, end in zip(starts, [*starts[1:], len(rows)], strict=True):
            if made_anew(rows[at]):
                continue
            tries = rows[at:end]
            whole = any(row.status in (Status.EXACT, Status.CORRECTED) for row in tries)
            counts.asked += 1
            counts.served += whole
            counts.replanned += not whole or (end < len(rows) and made_anew(rows[end]))
            made.append([row.id for row in tries])
    corrected = record.feedback.corrections(row for tries in made for row in tries)
    counts.corrected = sum(not corrected.keys().isdisjoint(tries) for tries in made)
    return counts


def _exchanges(record: Record, there: Deployment) -> Iterator[tuple[Mapping[str, Any], list[InteractionRow]]]:
    """Settings and decodes of the runs that were this version's turn since it came to its stage."""
    since = Selection(workflow=WORKFLOW, since=datetime.fromisoformat(there.since))
    where, parameters = since.where_run()
    rows = record.database.read(
        f"SELECT id, settings FROM runs WHERE {where} AND status IN ('done', 'failed') ORDER BY id",
        parameters,
    )
    wanted = {"task": there.task, "version": there.version, "stage": there.stage}
    for row in rows:
        told = json.loads(row["settings"])
        if wanted.items() <= told.items() and not told.get("imported"):
            yield told, list(record.interactions(run=row["id"], kinds=("model",)))


def _sure(expert: Expert, row: InteractionRow) -> bool:
    """Whether a shadow would have served: a whole answer, and a confidence that is enough."""
    if row.status not in (Status.EXACT, Status.CORRECTED) or not calls_in(row.parsed):
        return False
    confidence = row.confidence
    if expert.calibration is not None and row.tokens:
        confidence = expert.calibration.confidence(
            [Piece(*piece) for piece in recorded_completion(row).tokens]
        )
    return confidence is not None and confidence >= expert.threshold


def _agree(one: InteractionRow, other: InteractionRow) -> bool:
    return same(calls_in(one.parsed) or (), calls_in(other.parsed) or ())
