"""Evaluation: an expert or the planner on a file of cases, decoded only; figures carry their uncertainty."""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import quantiles
from typing import Any

from speeddial.calibration import Piece
from speeddial.call import planner_model
from speeddial.errors import EngineError, NotFound, SpeeddialError, UserError
from speeddial.exchange import recorded_completion
from speeddial.expert import RESULT_KINDS, Expert
from speeddial.flywheel.calibrate import Answered
from speeddial.flywheel.cases import Case, Score, read_cases
from speeddial.messages import ToolCalls
from speeddial.project import Project
from speeddial.record import Record
from speeddial.run import Runner
from speeddial.settings import Settings

WRONG_SHOWN = 1000
_NO = Score(False, False, False)


@dataclass(frozen=True)
class Wrong:
    """One case that was not exact."""

    id: str
    input: str
    expected: str
    got: str
    status: str


@dataclass
class Figures:
    """How an evaluation came out."""

    name: str
    model: str
    cases: int = 0
    right_name: int = 0
    """The right tool, or the right experts in order."""
    exact: int = 0
    no_extra: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    wrong: list[Wrong] = field(default_factory=list)
    answers: list[Answered] = field(default_factory=list)
    """For calibration; an expert's only."""

    def add(self, case: Case, score: Score, got: str, status: str, latency_ms: float) -> None:
        self.cases += 1
        self.right_name += score.name
        self.exact += score.exact
        self.no_extra += score.no_extra
        self.latencies_ms.append(latency_ms)
        if not score.exact and len(self.wrong) < WRONG_SHOWN:
            self.wrong.append(Wrong(case.id, case.input, case.expected, got, status))

    def as_dict(self) -> dict[str, Any]:
        low, high = wilson(self.exact, self.cases)
        middle, late = _percentiles(self.latencies_ms)
        return {
            "name": self.name,
            "model": self.model,
            "cases": self.cases,
            "exact": round(self.exact / self.cases, 4) if self.cases else None,
            "exact_95": [round(low, 4), round(high, 4)],
            "right_name": round(self.right_name / self.cases, 4) if self.cases else None,
            "exact_nothing_added": round(self.no_extra / self.cases, 4) if self.cases else None,
            "latency_ms_p50": round(middle, 1),
            "latency_ms_p95": round(late, 1),
        }


async def evaluate(
    project: Project,
    name: str,
    data: Path,
    *,
    limit: int = 0,
    seed: int = 7,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Figures:
    """Decode every case of a file and compare; nothing is executed, and the project's record stays as it is.

    The expert answers alone: a refusal or failure goes to nobody else, and no confidence is too low.

    Args:
        project: loaded.
        name: an expert's name, or ``planner``.
        data: cases in any form of `speeddial.flywheel.cases`.
        limit: a random sample of so many cases; 0 for all.
        seed: of the sample.
        progress: told how many of how many are done.

    Raises:
        NotFound, UserError: the expert or the file cannot be used.
        EngineError: the engine failed.
    """
    if name == "planner":
        agent = project.agent("planner")
        folder, unordered, model = agent.folder, frozenset[str](), planner_model(project)
        several = False
        house: Any = project
    else:
        expert = project.expert(name)
        folder, unordered, model = expert.folder, frozenset(expert.unordered), project.model_of(expert)
        several = expert.calls == "several"
        house = alone(project, expert, model)
    cases = list(read_cases(data, folder, unordered, several=several))
    if not cases:
        raise UserError(f"{data}: no case for {name}", hint="the file's lines are for another expert")
    if limit and limit < len(cases):
        cases = random.Random(seed).sample(cases, limit)
    figures = Figures(name, model)
    judged = _plan if name == "planner" else _call
    with (
        tempfile.TemporaryDirectory(prefix="speeddial-eval-") as scratch,
        Record.open(Path(scratch) / "record.db") as record,
    ):
        for number, case in enumerate(cases, start=1):
            await judged(house, record, name, case, Path(scratch), figures)
            progress(number, len(cases))
    return figures


async def _call(house: Any, record: Record, name: str, case: Case, scratch: Path, figures: Figures) -> None:
    runner = Runner(house, record=record)
    outcome = await runner.call(
        name, case.input, given=case.given, files=_files(case, scratch), execute=False
    )
    answer = ToolCalls(outcome.calls) if outcome.parts else outcome.call
    score = case.judge(answer) if answer is not None else _NO
    figures.add(
        case, score, str(answer.as_dict() if answer else outcome.error), outcome.status, outcome.latency_ms
    )
    pieces = recorded_completion(record.interaction(outcome.interactions[-1])).tokens
    figures.answers.append(Answered(tuple(Piece(*token) for token in pieces), score.exact))


async def _plan(
    project: Any, record: Record, _name: str, case: Case, scratch: Path, figures: Figures
) -> None:
    house = project if case.experts is None else _House(project, registry(project, case.experts))
    runner = Runner(house, record=record)
    try:
        plan = await runner.plan(case.input, files=_files(case, scratch))
    except EngineError:
        raise
    except SpeeddialError as error:
        figures.add(case, _NO, error.message, error.code, 0.0)
        return
    (row,) = record.runs(1)
    got = plan.as_dict()
    figures.add(case, case.judge(got), str(got), "exact", row.latency_ms or 0.0)


class _House:
    """The project with other experts, and with other settings where they are given."""

    def __init__(
        self,
        project: Project,
        experts: Mapping[str, Expert],
        settings: Settings | None = None,
        model: str = "",
    ) -> None:
        self._project = project
        self._model = model
        self.experts = experts
        self.settings = settings or project.settings

    def __getattr__(self, name: str) -> Any:
        return getattr(self._project, name)

    def model_of(self, expert: Expert) -> str:
        return self._model or self._project.model_of(expert)

    def expert(self, name: str) -> Expert:
        if name not in self.experts:
            raise NotFound(f"no expert {name!r}", hint=f"the case has: {', '.join(self.experts)}")
        return self.experts[name]


def alone(project: Project, expert: Expert, model: str) -> _House:
    """The house where nobody else is phoned: a generalist of the expert's own model is none."""
    settings = replace(
        project.settings, planner=model, sources={**project.settings.sources, "planner": "evaluation"}
    )
    return _House(project, {expert.name: replace(expert, next=(), threshold=0.0)}, settings, model)


def registry(project: Project, rows: Sequence[Mapping[str, Any]]) -> dict[str, Expert]:
    """The experts that a case brings; they are read, never phoned."""
    known = project.experts
    return {
        row["name"]: replace(known[row["name"]], summary=row["summary"])
        if row["name"] in known
        else _stranger(row, tuple(project.tools))
        for row in rows
    }


def _stranger(row: Mapping[str, Any], tools: tuple[str, ...]) -> Expert:
    """An expert that only the case knows: it may give and take anything."""
    return Expert(
        name=row["name"],
        summary=row["summary"],
        task=row.get("task", row["summary"]),
        when_to_call=tuple(row.get("when_to_call", ())),
        tools=tools,
        prompt="",
        folder=Path(),
        needs_file=bool(row.get("needs_file", False)),
        accepts=() if row.get("needs_file") else RESULT_KINDS,
    )


def _files(case: Case, scratch: Path) -> list[Path]:
    """Empty files of the names that a case grants: a plan needs no more than that they are there."""
    paths = []
    for name in case.files:
        path = scratch / "files" / Path(name).name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        paths.append(path)
    return paths


def wilson(right: int, cases: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Wilson 1927)."""
    if not cases:
        return 0.0, 1.0
    share = right / cases
    middle = share + z * z / (2 * cases)
    spread = z * math.sqrt(share * (1 - share) / cases + z * z / (4 * cases * cases))
    scale = 1 + z * z / cases
    # Of none and of all one end is 0 or 1 exactly, which the rounding of floats misses.
    low = (middle - spread) / scale if right else 0.0
    return low, (middle + spread) / scale if right < cases else 1.0


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return (values[0], values[0]) if values else (0.0, 0.0)
    cuts = quantiles(values, n=20)
    return cuts[9], cuts[18]


def lines_of(figures: Figures) -> Iterator[str]:
    """The figures for people."""
    row = figures.as_dict()
    low, high = row["exact_95"]
    yield f"{row['name']} on {row['model']}: {row['cases']} cases"
    yield f"exact         {row['exact']:.1%}  (95 %: {low:.1%} to {high:.1%})"
    yield f"right name    {row['right_name']:.1%}"
    yield f"nothing added {row['exact_nothing_added']:.1%}"
    yield f"latency       p50 {row['latency_ms_p50']:.0f} ms, p95 {row['latency_ms_p95']:.0f} ms"
