"""S1 to S6 in one: from the record to specialists that serve, every step found done or made.

Candidates are tried smallest first. What one of them passes the gate with is its own, and where it serves
enough of it, that is that; the next is trained for the tasks that are left, as long as there are tokens and
minutes, and for none that no training can help. It takes a task that it serves more of.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from speeddial.errors import UserError
from speeddial.flywheel.artefact import FOLDER, WORK, Artefact
from speeddial.flywheel.cluster import cluster
from speeddial.flywheel.collect import collect
from speeddial.flywheel.curate import curate
from speeddial.flywheel.deployment import STAGES, Deployments, Stage
from speeddial.flywheel.gate import Terms, gate
from speeddial.flywheel.promotion import promote, verdicts_of
from speeddial.flywheel.select import PLAN
from speeddial.flywheel.specialist import Progress, Told
from speeddial.flywheel.trials import trials
from speeddial.project import Project
from speeddial.record import Record
from speeddial.record.selection import Selection
from speeddial.workspace import write_whole

Through = Literal["collect", "curate", "cluster", "select", "train", "gate", "shadow", "canary", "full"]
THROUGH: tuple[Through, ...] = (
    *("collect", "curate", "cluster", "select", "train", "gate"),
    *("shadow", "canary", "full"),
)
"""The steps in their order, and then the stages."""
ENOUGH = 0.5
"""Share of a task's requests; a tiny model may be sure of a tenth, right, and save next to nothing."""
BEGUN = "conversion.json"
"""What a conversion that has not ended is made of."""


class Steps(Protocol):
    """The steps whose models cost something."""

    def select(self, clustered: Artefact) -> Artefact: ...

    def train(
        self, selected: Artefact, candidate: str, names: Sequence[str], tokens: int, progress: Progress
    ) -> Awaitable[Artefact]: ...


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What all trainings together may take."""

    max_tokens: int = 2_000_000
    max_minutes: float = 80.0


@dataclass
class Converted:
    """What came of it."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    """Step, its artefact, and the seconds it took now; of one that was found done next to none."""
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Task -> candidate, version, verdict, stage."""
    tokens: int = 0
    """That trainings took, those found done too."""
    seconds: float = 0.0
    """Of training."""
    stopped: str = ""
    """Why candidates were left untried."""

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {**asdict(self), "tasks": list(self.tasks.values())}


async def convert(
    project: Project,
    record: Record,
    steps: Steps,
    *,
    selection: Selection | None = None,
    terms: Terms,
    limits: Limits,
    through: Through = "full",
    share: float = 0.1,
    enough: float = ENOUGH,
    embeddings: str = "",
    agreed: Callable[[Sequence[str], Stage], bool] = lambda tasks, stage: True,
    progress: Progress = lambda told: None,
) -> Converted:
    """Turn the flywheel once. Killed anywhere, the same call goes on where it was.

    Args:
        selection: what of the record counts.
        terms: of the gate.
        limits: of all trainings together.
        through: the last step or stage.
        share: of the traffic at canary.
        enough: share of a task's requests that a candidate serves when no larger one is tried for it.
        embeddings: as for `cluster`.
        agreed: asked before tasks come to a stage at which they answer; without leave they stay in shadow.
        progress: told how far it is.

    Raises:
        UserError: nothing is on record, or no task can be learnt. Whatever a step raises.
    """
    folder = record.folder / FOLDER
    result = Converted()
    wanted = THROUGH.index(through)

    def step(name: str, make: Callable[[], Artefact]) -> Artefact:
        progress(Told(stage=name))
        began = time.perf_counter()
        artefact = make()
        _note(result, name, artefact, began)
        return artefact

    begun = folder / WORK / BEGUN
    collected = step("collect", lambda: _collected(record, folder, selection, begun))
    if wanted < 1:
        return result
    curated = step("curate", lambda: curate(collected, folder, progress=_detail(progress, "curate")))
    if wanted < 2:
        return result
    clustered = step(
        "cluster",
        lambda: cluster(curated, folder, embeddings=embeddings, progress=_detail(progress, "cluster")),
    )
    if wanted < 3:
        return result
    selected = step("select", lambda: steps.select(clustered))
    plan = json.loads(selected.file(PLAN).read_text(encoding="utf-8"))
    for row in plan.get("left_out", ()):
        result.tasks[row["task"]] = _row(row["task"], reason=row["reason"])
    for row in plan["tasks"]:
        result.tasks[row["task"]] = _row(row["task"])
    if wanted < 4:
        return result
    left = [row["task"] for row in plan["tasks"]]
    for candidate in plan["candidates"]:
        if not left or result.stopped:
            break
        if candidate["obstacle"]:
            continue
        if why := _spent(result, limits):
            result.stopped = why
            break
        try:
            left = await _tried(
                *(project, record, steps, selected, candidate, left),
                *(result, terms, limits, enough, wanted, progress),
            )
        except UserError as error:
            # What a smaller one passed with serves all the same; the same command goes on with this one.
            if not any(row["passed"] for row in result.tasks.values()):
                raise
            result.stopped = f"{candidate['name']}: {error.message}"
    if wanted > 5:
        stage: Stage = STAGES[wanted - 6]
        _promoted(project, Deployments(folder), result, stage, share, agreed)
        begun.unlink(missing_ok=True)
    return result


def _collected(record: Record, folder: Path, selection: Selection | None, begun: Path) -> Artefact:
    """What a conversion is made of: that of one which was cut short, else what is on record now.

    An agent goes on talking while models are trained; what it said since must not begin all of it anew.
    """
    chosen = {name: str(value) for name, value in vars(selection or Selection()).items() if value}
    try:
        told = json.loads(begun.read_text(encoding="utf-8"))
        if told["selection"] == chosen:
            return Artefact.open(folder / told["collect"])
    except (OSError, ValueError, KeyError, UserError):
        pass  # none was begun, or what it was made of is gone
    collected = collect(record, folder, selection)
    begun.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(begun, json.dumps({"selection": chosen, "collect": collected.path.name}).encode())
    return collected


async def _tried(
    project: Project,
    record: Record,
    steps: Steps,
    selected: Artefact,
    row: Mapping[str, Any],
    names: Sequence[str],
    result: Converted,
    terms: Terms,
    limits: Limits,
    enough: float,
    wanted: int,
    progress: Progress,
) -> list[str]:
    """Train a candidate and hold it to the gate; gives the tasks that a larger one may still help."""
    folder, candidate = record.folder / FOLDER, str(row["name"])
    progress(Told(stage="train", detail=candidate))
    began = time.perf_counter()
    rest = limits.max_tokens - result.tokens
    tokens = min(row.get("max_tokens") or rest, rest)
    version = await steps.train(selected, candidate, names, tokens, progress)
    _note(result, "train", version, began)
    result.tokens += version.report["tokens"]
    result.seconds += version.report["seconds"]
    tried = {"candidate": candidate, "version": version.path.name}
    if wanted < 5:
        for task in names:
            result.tasks[task] |= tried
        return []
    began = time.perf_counter()
    held = trials(project, record, version, Deployments(folder), terms)
    made = await gate(
        project,
        version,
        held,
        folder,
        terms,
        progress=lambda done, of: progress(Told(stage="gate", done=done, of=of, detail=candidate)),
    )
    _note(result, "gate", made, began)
    verdicts = verdicts_of(made)
    hopeless = {trial.task for trial in held if trial.hopeless}
    for task in names:
        row, verdict = result.tasks[task], verdicts[task]
        if row["passed"] and not (verdict["passed"] and verdict["coverage"] > row["verdict"]["coverage"]):
            continue
        row |= tried | {
            "passed": verdict["passed"],
            "reason": verdict["reason"],
            "gate": made.path.name,
            "verdict": verdict,
        }
    return [
        task
        for task in names
        if task not in hopeless and not (verdicts[task]["passed"] and verdicts[task]["coverage"] >= enough)
    ]


def _promoted(
    project: Project,
    deployments: Deployments,
    result: Converted,
    stage: Stage,
    share: float,
    agreed: Callable[[Sequence[str], Stage], bool],
) -> None:
    """Put what passed on its stage; what is there already, or further, stays."""
    passed = [row for row in result.tasks.values() if row["passed"]]
    due = [row for row in passed if _reached(deployments, row) < STAGES.index(stage)]
    if due and stage != "shadow" and not agreed([row["task"] for row in due], stage):
        stage = "shadow"
    for row in due:
        if _reached(deployments, row) < STAGES.index(stage):
            promote(
                project,
                deployments,
                Artefact.open(deployments.folder / row["version"]),
                [row["task"]],
                stage=stage,
                share=share,
                gate=Artefact.open(deployments.folder / row["gate"]),
                reason="speeddial flywheel",
            )
    for task, there in deployments.live().items():
        if task in result.tasks:
            result.tasks[task] |= {"stage": there.stage, "serves": there.folder.parents[1].name}


def _reached(deployments: Deployments, row: Mapping[str, Any]) -> int:
    """At which stage a task's version serves already; -1 for none."""
    there = deployments.live().get(row["task"])
    if there is None or there.folder.parents[1].name != row["version"]:
        return -1
    return STAGES.index(there.stage)


def _row(task: str, **known: Any) -> dict[str, Any]:
    return {
        "task": task,
        "candidate": "",
        "version": "",
        "passed": False,
        "reason": "",
        "stage": "",
        "serves": "",
        **known,
    }


def _spent(result: Converted, limits: Limits) -> str:
    if result.tokens >= limits.max_tokens:
        return f"{result.tokens:,} tokens of {limits.max_tokens:,} are used up"
    if result.seconds >= 60 * limits.max_minutes:
        return f"{result.seconds / 60:.0f} minutes of {limits.max_minutes:g} are used up"
    return ""


def _note(result: Converted, step: str, artefact: Artefact, began: float) -> None:
    seconds = round(time.perf_counter() - began, 2)
    result.steps.append({"step": step, "path": str(artefact.path), "seconds": seconds})


def _detail(progress: Progress, step: str) -> Callable[[str], None]:
    return lambda detail: progress(Told(stage=step, detail=detail))


def summary(result: Mapping[str, Any]) -> list[list[str]]:
    """The final table: task, candidate, verdict, stage."""
    rows = []
    for row in result["tasks"]:
        said = row["reason"] or ("passed" if row["passed"] else "")
        verdict = f"passed: {said}" if row["passed"] else f"refused: {said}" if said else "not tried"
        rows.append([row["task"], row["candidate"] or "-", verdict, row["stage"] or "-"])
    return rows
