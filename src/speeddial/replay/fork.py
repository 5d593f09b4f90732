"""Fork: a recorded run anew from one of its steps, by another expert or model."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from speeddial.call import OUTCOME, Instead
from speeddial.errors import NotFound, UserError
from speeddial.exchange import Emit
from speeddial.granted import stamp
from speeddial.live import STEP
from speeddial.models import load_model
from speeddial.record import JournalEntry, RunRow, whole
from speeddial.replay.answers import cut_short
from speeddial.result import RunResult
from speeddial.run import Runner
from speeddial.workflow import Workflow


async def fork(
    runner: Runner,
    run_id: str,
    step: int,
    *,
    expert: str = "",
    model: str = "",
    approve_all: bool = False,
    workflow: Workflow | None = None,
    on_event: Emit | None = None,
) -> RunResult:
    """Do a run anew from one of its steps, as a new run.

    What the step does not depend on is taken over from the record: nothing of it is called, paid or done
    again. The step itself, what uses its result, and the answer are done and recorded. In a run with a plan
    the plan says what uses the step; in any other, every later step may.

    The clock, the files and the task are the origin's. Tools act under the new run's idempotency keys, and
    ask a person anew where they need approval, also in a fork of a run that was told not to ask.

    Args:
        run_id: the origin: an id, part of one, or ``last``.
        step: the first step to be done anew, from 1.
        expert: who is phoned for it; the same one unless given.
        model: ``engine:name`` of the one that is phoned; the same one unless given.
        approve_all: run tools that need approval without asking.
        workflow: the workflow, when the origin was started with one that the project does not name.

    Returns:
        the new run's result; its row names the origin in `forked_from` and `forked_step`.

    Raises:
        NotFound: no such run, step or expert.
        UserError: no such engine; or the origin worked on personal data, and a fork would act on surrogates.
        RecordError: the new run could not be written.
    """
    record = runner.record
    origin = whole(record, record.resolve(run_id))
    hidden = set(origin.redactions).union(*(row.redactions for row in origin.interactions))
    if hidden & record.redactor.personal:
        raise UserError(
            f"run {origin.id} worked on personal data, of which the record has surrogates only",
            hint="give the task anew",
        )
    if expert:
        runner.project.expert(expert)
    if model:
        load_model(model, runner.project.root)
    taken = _taken_over(record.journal.entries(origin.id), origin, step)
    settings = runner.project.settings
    files = origin.settings["files"]
    about = {
        **origin.settings,
        "approve_all": approve_all,
        "stamps": {name: stamp(Path(path)) for name, path in files.items()},
        "configured": settings.configured(),
        "instead": [asdict(Instead(step, taken.task, expert, model)), *origin.settings.get("instead", ())],
        "taken_over": taken.interactions,
    }
    begin = record.beginning_run(
        origin.task,
        workflow=origin.workflow,
        inputs=origin.inputs,
        settings=about,
        limits=settings.limits(),
        user=origin.user_id,
        forked_from=origin.id,
        forked_step=step,
    )

    def write() -> str:
        run = begin()
        for entry in taken.entries:
            record.journal.keep(entry.key._replace(run=run), entry.effect, entry.result)
        return run

    run = await record.committed(write)
    return await runner.take_up(record.run(run), workflow=workflow, on_event=on_event)


@dataclass(frozen=True)
class _TakenOver:
    """What a fork takes over."""

    entries: list[JournalEntry]
    """Outcomes of steps, and plans."""
    interactions: list[int]
    task: str
    """The request of the step that is done anew; empty when it is not known."""


def _taken_over(entries: Sequence[JournalEntry], origin: RunRow, step: int) -> _TakenOver:
    rows = origin.interactions
    plans = [row for row in rows if row.kind == "plan" and row.parsed]
    anew = [row for row in rows if row.step == step and row.kind != "plan"]
    # A task may have been planned several times; meant is the last plan of which the step was begun.
    before = [row for row in plans if not anew or row.id < anew[-1].id]
    planned_at = before[-1].id if before else 0
    begun_at = min((row.id for row in anew if row.id > planned_at), default=sys.maxsize)
    steps = before[-1].parsed.get("steps", []) if before else []
    outcomes = [entry for entry in entries if entry.effect == OUTCOME and entry.finished]
    # What `Run.carry_out` does stands under such keys; other steps of a workflow are not those of a plan.
    carried_out = any(entry.key.kind.startswith(STEP) for entry in entries)
    by_plan = carried_out and all(entry.key.kind.startswith(STEP) for entry in outcomes)
    by_plan = by_plan and step <= len(steps)
    if step < 1 or not (anew or by_plan):
        there = sorted({row.step for row in rows if row.step})
        raise NotFound(
            f"run {origin.id} has no step {step}",
            hint=f"it has {', '.join(map(str, there))}" if there else "none of its steps was begun",
        )
    redone = {step}
    for number, planned in enumerate(steps, start=1):
        if redone.intersection(planned.get("uses", ())):
            redone.add(number)

    def stays(number: int, *, before_plan: bool) -> bool:
        if before_plan:
            return True
        return number not in redone if by_plan else number < step

    kept = [entry for entry in outcomes if stays(entry.result["step"], before_plan=_last(entry) < planned_at)]
    finished = {(entry.result["step"], _last(entry) < planned_at) for entry in kept}
    early = {row.id for row in rows if row.kind == "plan" and row.id < begun_at}
    kept += [entry for entry in entries if entry.effect == "model" and entry.result in early]
    tasks = [entry.result["task"] for entry in outcomes if entry.result["step"] == step]
    return _TakenOver(
        kept,
        [
            row.id
            for row in rows
            if not cut_short(row) and (row.id in early or (row.step, row.id < planned_at) in finished)
        ],
        tasks[-1] if tasks else steps[step - 1]["task"] if by_plan else "",
    )


def _last(outcome: JournalEntry) -> int:
    return max(outcome.result["interactions"], default=0)
