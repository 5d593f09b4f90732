"""S5, train: a candidate of a plan becomes a version, a folder of complete experts that serve at once.

    flywheel/train-5d0c2f41a9b3/
        weights/ or adapter/        what was learnt, shared by all its experts
        experts/NAME/               card.toml, prompt.md, tools.json, calibration.json
        MODEL_CARD.md, training.json

Until then everything stands in ``flywheel/.work``: rows, checkpoints, and the answers that confidence is
calibrated on. Killed, it goes on from there; the version appears whole or not at all.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from speeddial.calibration import FILE, Calibration, Piece
from speeddial.errors import NotFound, UserError
from speeddial.exchange import recorded_completion
from speeddial.expert import Expert
from speeddial.flywheel.artefact import WORK, Artefact, made, name_of
from speeddial.flywheel.artefact import named as artefact_named
from speeddial.flywheel.calibrate import Answered, calibrated
from speeddial.flywheel.candidate import EMBEDDED, Budget, Candidate, named
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.rows import PROMPT, Form, rows_of
from speeddial.flywheel.sample import Sample, read_samples
from speeddial.flywheel.select import PLAN
from speeddial.flywheel.versioncard import model_card
from speeddial.jsonlines import append, whole_lines
from speeddial.messages import ToolCalls, compact_json
from speeddial.models.base_model import require_base
from speeddial.project import Project
from speeddial.record import Record
from speeddial.record.export.licences import both
from speeddial.run import Runner

EXPERTS, ADAPTER, WEIGHTS = "experts", "adapter", "weights"
ROWS, TRAINING, ANSWERS = "rows.jsonl", "training.json", "answers.jsonl"
PRECISION = 0.99
"""At which a version answers itself: the least confidence of which it was shown is its threshold."""
REFUSALS = 0.1
"""Rows of refusals beside one of a call, at most."""
MOST_ANSWERS = 1500
"""Samples that confidence is calibrated on, at most; they are decoded one by one."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """How far a training is."""

    stage: str
    done: int = 0
    of: int = 0
    detail: str = ""


Progress = Callable[[Told], None]


async def train(
    selected: Artefact,
    folder: Path,
    project: Project,
    *,
    names: Sequence[str] = (),
    candidate: str = "",
    recipe: Mapping[str, Any] | None = None,
    progress: Progress = lambda told: None,
) -> Artefact:
    """Train a version; found when it was trained before, gone on with when that was cut short.

    Args:
        selected: an artefact of `select`.
        folder: of all artefacts.
        project: whose engine serves it.
        names: of the plan's tasks; all unless given.
        candidate: name of one of the plan's; the smallest that may be trained unless given.
        recipe: numbers of the trainer's recipe in place of the plan's.
        progress: told how far it is.

    Raises:
        NotFound: no such task or candidate.
        UserError: torch is absent, or something stands against the candidate.
        OverflowError: training diverged.
        EngineError: what was trained cannot be served.
    """
    plan = json.loads(selected.file(PLAN).read_text(encoding="utf-8"))
    tasks = _chosen(plan["tasks"], names)
    one = named(plan["candidates"], candidate)
    budget = Budget(**selected.parameters["budget"])
    chosen = {**one.recipe, "max_tokens": budget.max_tokens, **(recipe or {})}
    inputs = {"select": selected.sha256}
    parameters = {
        "candidate": one.name,
        "tasks": [row["task"] for row in tasks],
        "recipe": chosen,
        "minutes": budget.max_minutes,
    }
    work = folder / WORK / name_of("train", inputs, parameters)
    if not (folder / work.name).is_dir():
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        samples = _samples(selected, folder)
        form = Form(
            {definition["name"]: definition for definition in _of_tasks(plan["definitions"], tasks, samples)},
            plan["calls"],
        )
        rows = _write_rows(work / ROWS, plan, tasks, samples, form)
        progress(Told(stage="train", detail=one.name))
        trained = _trained(work, one, chosen, budget, plan["licence"], progress)
        experts = _write_experts(work, tasks, form, one, trained)
        answers = await _answers(work, project, plan, tasks, samples, experts[0], progress)
        outcome = _calibrate(work, experts, answers, project)

    def make(draft: Path) -> Mapping[str, Any]:
        weights = WEIGHTS if one.kind == "scratch" else ADAPTER
        shutil.copytree(work / weights, draft / weights)
        shutil.copytree(work / EXPERTS, draft / EXPERTS)
        shutil.copy(work / weights / TRAINING, draft / TRAINING)
        licence = both(one.licence, plan["licence"]) if one.licence else plan["licence"]
        report = {
            "candidate": one.as_dict(),
            "tasks": [
                {
                    "task": row["task"],
                    "expert": row["expert"],
                    "tools": row["tools"],
                    "samples": {part: len(row[part]) for part in ("train", "calibrate", "test")},
                }
                for row in tasks
            ],
            "rows": rows,
            "parameters": trained.get("parameters") or one.parameters,
            "tokens": trained["tokens"],
            "seconds": trained["seconds"],
            "steps": trained["steps"],
            "epochs": trained["epochs"],
            "loss": trained["loss"][-1][1] if trained["loss"] else None,
            "memory_gib": trained["memory_gib"],
            "licence": licence,
            "calibration": outcome,
        }
        (draft / "MODEL_CARD.md").write_text(model_card(report, trained), encoding="utf-8")
        return report

    version = made(folder, "train", inputs, parameters, make)
    shutil.rmtree(work, ignore_errors=True)
    return version


def _chosen(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[Mapping[str, Any]]:
    known = {row["task"]: row for row in rows}
    for name in names:
        if name not in known:
            raise NotFound(f"the plan has no task {name!r}", hint=f"it has {', '.join(known)}")
    return [row for task, row in known.items() if not names or task in names]


def _samples(selected: Artefact, folder: Path) -> dict[str, Sample]:
    curated = artefact_named(folder, selected.inputs["curate"])
    return {sample.id: sample for sample in read_samples(curated.file(KEPT))}


def _of_tasks(
    definitions: Sequence[Mapping[str, Any]],
    tasks: Sequence[Mapping[str, Any]],
    samples: Mapping[str, Sample],
) -> list[Mapping[str, Any]]:
    """The tools that these tasks call. Every expert has them all: a request that the router took for another
    task's is then answered with that one's tool, or with little confidence, and not with the wrong one.
    """
    called = {call["name"] for row in tasks for name in row["train"] for call in samples[name].calls}
    return [definition for definition in definitions if definition["name"] in called]


def _write_rows(
    file: Path,
    plan: Mapping[str, Any],
    tasks: Sequence[Mapping[str, Any]],
    samples: Mapping[str, Sample],
    form: Form,
) -> dict[str, Any]:
    """The rows of a training, the same for the same plan; and their numbers."""
    calls = rows_of((samples[name] for row in tasks for name in row["train"]), form)
    trained = {row["task"] for row in tasks}
    others = [name for row in plan["tasks"] if row["task"] not in trained for name in row["train"]]
    refused = [samples[name] for name in [*plan["refused"]["train"], *others]]
    asides = rows_of([one.with_calls(()) for one in refused], form).rows
    asides = sorted(asides, key=lambda row: str(row["id"]))[: round(REFUSALS * len(calls.rows))]
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(f"{compact_json(row)}\n" for row in [*calls.rows, *asides])
    return {"calls": len(calls.rows), "refusals": len(asides), "left_out": dict(calls.left_out)}


def _trained(
    work: Path,
    one: Candidate,
    recipe: Mapping[str, Any],
    budget: Budget,
    licence: str,
    progress: Progress,
) -> dict[str, Any]:
    """Train until the schedule ends; what training.json says."""
    out = work / (WEIGHTS if one.kind == "scratch" else ADAPTER)
    report: dict[str, Any] = _report(out)
    if report.get("finished"):
        return report
    if missing := [name for name in ("torch", "transformers") if find_spec(name) is None]:
        raise UserError(f"training needs {' and '.join(missing)}", hint="pip install 'speeddial[train]'")

    def say(at: Any) -> None:
        left = (at.steps - at.step) * at.seconds / max(1, at.step)
        said = (
            f"{one.name}, loss {at.loss:.3f}, {at.tokens_per_second:,.0f} tokens/s, {left / 60:.0f} min left"
        )
        progress(Told(stage="train", done=at.step, of=at.steps, detail=said))

    stage: dict[str, Any] = {
        "max_minutes": 1.5 * budget.max_minutes,
        "fit_minutes": budget.max_minutes,
        "checkpoint_every": 100,
        "progress": say,
    }
    if one.kind == "scratch":
        from speeddial.flywheel import scratch

        done = scratch.train([work / ROWS], out, scratch.Recipe(**recipe), licence=licence, **stage)
    else:
        from speeddial.flywheel import train as lora

        # As exported the base is what the embedded engine computes; another is what its folder says.
        base = require_base().export_hf() if one.model == EMBEDDED and not _here(one.base) else Path(one.base)
        made_for = one.model.partition(":")[2].partition("@")[0]
        settings = lora.Recipe(**({"base_name": made_for} if one.model != EMBEDDED else {}) | dict(recipe))
        done = lora.train([work / ROWS], base, out, settings, **stage)
    if not done.finished:
        raise UserError(
            f"the time was up at step {done.step} of {done.steps}", hint="the same command goes on from there"
        )
    return _report(out)


def _here(base: str) -> bool:
    return bool(base) and (Path(base) / "config.json").is_file()


def _report(out: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((out / TRAINING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _write_experts(
    work: Path,
    tasks: Sequence[Mapping[str, Any]],
    form: Form,
    one: Candidate,
    trained: Mapping[str, Any],
) -> list[Path]:
    """An expert's folder for each task; gives their cards."""
    cards = []
    for row in tasks:
        folder = work / EXPERTS / row["expert"]
        folder.mkdir(parents=True, exist_ok=True)
        said = json.dumps(list(form.definitions.values()), indent=1, ensure_ascii=False)
        (folder / "tools.json").write_text(f"{said}\n", encoding="utf-8")
        (folder / "prompt.md").write_text(f"{PROMPT}\n", encoding="utf-8")
        cards.append(folder / "card.toml")
        _write_card(cards[-1], row, form, one, trained, threshold=1.0)
    return cards


def _write_card(
    path: Path,
    row: Mapping[str, Any],
    form: Form,
    one: Candidate,
    trained: Mapping[str, Any],
    *,
    threshold: float,
) -> None:
    called = ", ".join(row["tools"])
    values: dict[str, Any] = {
        "name": row["expert"],
        "summary": f"requests that lead to {called}",
        "task": f"{row['task']}: found in the record, answered with {called}",
        "definitions": "tools.json",
        "calls": form.calls,
        "threshold": threshold,
        "planned": False,
        "version": trained["data"]["sha256"].removeprefix("sha256:")[:12],
    }
    if one.kind == "scratch":
        values["weights"] = f"../../{WEIGHTS}"
    else:
        values |= {"model": one.model, "adapter": f"../../{ADAPTER}"}
    # JSON's strings, numbers and truth values are TOML's.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


async def _answers(
    work: Path,
    project: Project,
    plan: Mapping[str, Any],
    tasks: Sequence[Mapping[str, Any]],
    samples: Mapping[str, Sample],
    card: Path,
    progress: Progress,
) -> list[Answered]:
    """What the version answers to the samples it is calibrated on; kept as they come."""
    from speeddial.flywheel.evaluate import alone

    ids = [name for row in tasks for name in row["calibrate"]]
    asides = plan["refused"]["calibrate"][: round(REFUSALS * len(ids))]
    # Spread over all tasks alike by their ids' hash, not the first tasks' first.
    ids = sorted([*ids, *asides], key=lambda name: _scattered(name))[:MOST_ANSWERS]
    expert = Expert.from_card(card)
    model = project.model_of(expert)
    house = alone(project, expert, model)
    file = work / ANSWERS
    known = {row["id"]: row for row in map(json.loads, whole_lines(file))}
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="speeddial-train-") as scratch,
        Record.open(Path(scratch) / "record.db") as record,
    ):
        for number, name in enumerate(ids, start=1):
            row = known.get(name)
            if row is None:
                row = {"id": name, **await _answer(house, record, expert, samples[name], name in asides)}
                append(file, [row])
            found.append(Answered(tuple(Piece(*piece) for piece in row["pieces"]), row["right"]))
            progress(Told(stage="calibrate", done=number, of=len(ids)))
    return found


def _scattered(name: str) -> str:
    from hashlib import sha256

    return sha256(name.encode()).hexdigest()


async def _answer(
    house: Any, record: Record, expert: Expert, sample: Sample, refused: bool
) -> dict[str, Any]:
    outcome = await Runner(house, record=record).call(expert.name, sample.request, execute=False)
    answer = ToolCalls(outcome.calls) if outcome.parts else outcome.call
    said = answer.as_dict() if answer is not None else {}
    if refused:
        right = outcome.status == "refused"
    else:
        calls = said.get("calls", [said])
        right = sorted(map(_told, calls)) == sorted(map(_told, sample.calls))
    pieces = recorded_completion(record.interaction(outcome.interactions[-1])).tokens
    return {"right": right, "pieces": [[piece.text, piece.probability] for piece in pieces]}


def _told(call: Mapping[str, Any]) -> str:
    return json.dumps({"name": call.get("name"), "arguments": call.get("arguments")}, sort_keys=True)


def _calibrate(
    work: Path, cards: Sequence[Path], answers: Sequence[Answered], project: Project
) -> dict[str, Any]:
    """Every expert's calibration and threshold; what came of it."""
    expert = Expert.from_card(cards[0])
    right = round(sum(answer.right for answer in answers) / max(1, len(answers)), 4)
    try:
        outcome = calibrated(
            answers,
            model=expert.calibrated_as(project.model_of(expert)),
            adapter=expert.trained,
            data=work / ANSWERS,
        )
    except UserError as error:
        # Too few answers, or all of them wrong: nothing says when it is right, so it serves nothing.
        return {"cases": len(answers), "right": right, "threshold": None, "reason": error.message}
    made: Calibration = outcome.calibration
    (target,) = [one for one in made.targets if one.precision == PRECISION]
    for card in cards:
        made.write(card.parent / FILE)
        text = card.read_text(encoding="utf-8")
        threshold = 1.0 if target.threshold is None else target.threshold
        card.write_text(text.replace("threshold = 1.0\n", f"threshold = {threshold}\n"), encoding="utf-8")
    told = {"threshold": target.threshold, "coverage": target.coverage, "at_least": target.at_least}
    return {"cases": len(answers), "right": right, **told, "measure": made.measure}
