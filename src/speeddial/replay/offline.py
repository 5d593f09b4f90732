"""Replay: a run carried out again by the real workflow code, with every answer and result from the record."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speeddial.errors import SpeeddialError, UserError
from speeddial.granted import stamp
from speeddial.record import INTERRUPTED, RUNNING, Approval, InteractionRow, Record, RunRow, whole
from speeddial.record.diff import FieldDiff, compared
from speeddial.replay.answers import Answers, cut_short
from speeddial.replay.stand_ins import RecordedTool, Stage, StageExchange, recorded_settings
from speeddial.result import RunResult
from speeddial.run import House, Runner
from speeddial.workflow import Workflow

_ASKED = (
    *("expert", "model", "adapter", "attempt", "messages", "tools", "schema_hash"),
    *("tool", "effect", "arguments"),
)
_CAME_OF_IT = ("reason", "resolved", "status", "raw", "parsed", "result", "text", "error")
_OF_RUN = ("status", "answer", "error", "missing")


@dataclass(frozen=True)
class ReplayReport:
    """How a replay came out."""

    run: str
    differences: list[dict[str, Any]]
    """Each with step, interaction, field, recorded and now; the field ``request`` for what the run did not
    ask, ``interaction`` for what the replay did not."""
    notes: list[str]
    """What had to be taken from the record beyond answers and results, and versions that changed."""
    interactions: int
    """Recorded exchanges that the replay came to again."""

    @property
    def identical(self) -> bool:
        """Whether the replay asked, decided and answered byte for byte what the run did."""
        return not self.differences

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "run": self.run,
            "identical": self.identical,
            "differences": self.differences,
            "notes": self.notes,
            "interactions": self.interactions,
        }


async def replay(
    project: House, record: Record, run_id: str, *, workflow: Workflow | None = None
) -> ReplayReport:
    """Carry a recorded run out again, offline, and compare.

    The workflow, the plan's type check, prompts, contracts and validation are the code and cards of today;
    the clock, the task, the settings, what models answered, what tools gave and what a person decided are
    the record's. No model is loaded, no tool runs, and the record is not written to.

    Args:
        project: usually a `Project`; its own record is not looked at.
        run_id: the id, part of one, or ``last``.
        workflow: the workflow, when the run was started with one that the project does not name.

    Raises:
        NotFound: no such run, or its workflow is gone.
        UserError: the run is still at work.
    """
    run = whole(record, record.resolve(run_id))
    if run.status == RUNNING:
        raise UserError(f"run {run.id} is still at work", hint="replay it when it has ended")
    with (
        tempfile.TemporaryDirectory(prefix="speeddial-replay-") as folder,
        # Under the same redactor, so that what the replay writes is sealed as the run's rows were.
        Record.open(Path(folder) / "record.db", redactor=record.redactor) as scratch,
    ):
        return await _Replay(project, record, run, scratch).report(workflow)


class _Replay:
    """One replay, in a record of its own."""

    def __init__(self, project: House, record: Record, run: RunRow, scratch: Record) -> None:
        self._run = run
        self._scratch = scratch
        of_runs = dict.fromkeys([*(row.run for row in run.interactions), run.id])
        entries = [entry for of_run in of_runs for entry in record.journal.entries(of_run)]
        self._answers = Answers(run, entries, self._stop)
        # Those of the run itself last: a fork may ask anew what its origin had decided.
        self._decided = {
            asked.topic: asked
            for of_run in of_runs
            for asked in record.journal.questions(of_run, answered=True)
        }
        stamps = run.settings.get("stamps", {})
        files = run.settings["files"].items()
        as_they_were = all(stamps.get(name, "?") in ("?", stamp(Path(path))) for name, path in files)
        there = all(Path(path).is_file() for _, path in files)
        self._stage = Stage(
            run, self._answers, files_at_hand=as_they_were and there, redactor=record.redactor
        )
        self._runner = _Runner(_house(project, run, self._stage), scratch, self._stage)

    async def report(self, workflow: Workflow | None) -> ReplayReport:
        with self._runner:
            await self._carry_out(workflow)
        return ReplayReport(
            run=self._run.id,
            differences=[*self._answers.diverged, *self._compare(self._scratch.run(self._run.id))],
            notes=list(dict.fromkeys(self._stage.notes)),
            interactions=len(self._run.interactions) - len(self._answers.left),
        )

    async def _carry_out(self, workflow: Workflow | None) -> None:
        """The run, and its resumes as often as it was resumed."""
        run = self._run
        begin = self._scratch.beginning_run(
            run.task,
            workflow=run.workflow,
            inputs=run.inputs,
            settings=run.settings,
            limits=run.limits,
            user=run.user_id,
            run=run.id,
        )
        await self._scratch.committed(begin)
        try:
            result = await self._runner.take_up(self._scratch.run(run.id), workflow=workflow)
            # A kill or a cancel that stopped several calls at once may stop the replay once for each.
            stops = sum(cut_short(row) for row in run.interactions)
            for _ in range(run.resumed + len(self._decided) + stops):
                decided = await self._decide()
                stopped = result.status == "cancelled" or self._answers.left
                if result.error is None or not (decided or (run.resumed and stopped)):
                    return
                # Where nobody decided and the run went on, it was resumed with --yes.
                blanket = result.status == "waiting" and not decided
                result = await self._resume(workflow, approve_all=blanket)
        except SpeeddialError:
            raise
        except Exception:  # noqa: BLE001 - the workflow's own; it stands in the row, and may have before
            pass

    async def _resume(self, workflow: Workflow | None, *, approve_all: bool) -> RunResult:
        return await self._runner.resume(self._run.id, workflow=workflow, approve_all=approve_all)

    async def _decide(self) -> bool:
        """Decide what the replay asks as the person did; whether there was anything to."""
        journal = self._scratch.journal
        decisions: list[tuple[Approval, Approval]] = [
            (asked, self._decided[asked.topic])
            for asked in journal.questions(self._run.id)
            if asked.topic in self._decided and not self._decided[asked.topic].open
        ]

        def write() -> None:
            for asked, decided in decisions:
                journal.answer(self._run.id, decided.decision or "", decided.text, step=asked.step)

        if decisions:
            await self._scratch.committed(write)
        return bool(decisions)

    def _stop(self) -> None:
        self._runner.cancel(self._run.id)

    # ---- comparison ----

    def _compare(self, now: RunRow) -> Iterator[dict[str, Any]]:
        answers = self._answers
        decodes = [row for row in now.interactions if row.kind != "tool"]
        pairs = [*zip(answers.decodes, decodes, strict=True)]
        # Tools may begin in another order than their rows: one that only reads waits for no commit.
        pairs += [(answers.use_of(row), row) for row in now.interactions if row.kind == "tool"]
        for recorded, again in sorted(pairs, key=lambda pair: pair[1].id):
            if recorded is None:
                continue
            names = _ASKED if cut_short(recorded) else (*_ASKED, *_CAME_OF_IT)
            for field in compared(recorded, again, names):
                if not field.same:
                    yield _difference(recorded, field)
            if recorded.adapter_version != again.adapter_version:
                then, today = recorded.adapter_version or "none", again.adapter_version or "none"
                self._stage.notes.append(f"{recorded.expert} was version {then} and is {today} now")
        for row in answers.left:
            if not cut_short(row):
                yield _difference(row, FieldDiff("interaction", _summary(row), None))
        if self._run.status in (INTERRUPTED, "cancelled"):
            self._stage.notes.append(f"the run was {self._run.status}: it has no end to compare")
            return
        for name in _OF_RUN:
            recorded_value, value = getattr(self._run, name), getattr(now, name)
            if recorded_value != value:
                yield {
                    "step": 0,
                    "interaction": None,
                    "field": name,
                    "recorded": _plain(recorded_value),
                    "now": _plain(value),
                }


class _Runner(Runner):
    """A runner on a stage."""

    def __init__(self, house: House, record: Record, stage: Stage) -> None:
        super().__init__(house, record=record)
        self._stage = stage

    def as_given(self, row: RunRow) -> RunRow:
        # A replay works on what is on record, surrogates and all.
        return row

    def _exchange(self, run_id: str, usage: Any) -> StageExchange:
        return StageExchange(self.record, run_id, usage, self.project.settings, self._stage)

    def _caller(self, exchange: Any, **options: Any) -> Any:
        return self._stage.caller(self.project, exchange, **options)


def _house(project: House, run: RunRow, stage: Stage) -> House:
    """The project with the recorded settings, and with tools that give what they once gave."""
    house: Any = copy.copy(project)
    house.tools = {name: RecordedTool.of(tool, stage) for name, tool in project.tools.items()}
    house.settings = recorded_settings(run, project.settings)
    made: House = house
    return made


def _difference(row: InteractionRow, field: FieldDiff) -> dict[str, Any]:
    return {
        "step": row.step,
        "interaction": row.id,
        "field": field.name,
        "recorded": _plain(field.left),
        "now": _plain(field.right),
    }


def _summary(row: InteractionRow) -> dict[str, Any]:
    asked = {"tool": row.tool, "arguments": row.arguments} if row.kind == "tool" else {"parsed": row.parsed}
    return {"kind": row.kind, "expert": row.expert, "status": row.status, **asked}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
