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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from speeddial.errors import NotFound, UserError
from speeddial.expert import Expert
from speeddial.flywheel.artefact import WORK, Artefact, at_work, made, name_of
from speeddial.flywheel.artefact import named as artefact_named
from speeddial.flywheel.candidate import EMBEDDED, Budget, Candidate, named
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.proving import answers, calibrate, spread
from speeddial.flywheel.rows import Form, Rows, rows_of
from speeddial.flywheel.sample import Sample, read_samples
from speeddial.flywheel.select import PLAN
from speeddial.flywheel.swap import swapped
from speeddial.flywheel.tagform import TagForm
from speeddial.flywheel.teacher import SCORES, Teacher, distil
from speeddial.flywheel.versioncard import LEXICON, folder_of, model_card, write_experts
from speeddial.lexicon import Lexicon
from speeddial.messages import compact_json
from speeddial.models.base_model import require_base
from speeddial.project import Project
from speeddial.record.export.licences import both
from speeddial.record.export.report import UNKNOWN

EXPERTS = "experts"
ROWS, TRAINING, ANSWERS = "rows.jsonl", "training.json", "answers.jsonl"
REFUSALS = 0.1
"""Rows of refusals beside one of a call, at most."""
TOKENS = 60
"""Of a row, about."""
PASSES = 5
"""From which on values are exchanged: at four passes over 7,731 samples that made no difference. For a tagger
they never are: at 14 passes over 7,886 fewer of its surest answers are right (docs/flywheel.md)."""
MOST_TIMES = 7
LEAST_WEIGHT = 0.1
"""Of a row. An answer in many words is improbable as a whole, however sure its model was of each."""
MOST_ANSWERS = 1500
"""Samples that confidence is calibrated on, at most, where they are decoded; a tagger, which needs some
milliseconds for each, is calibrated on all."""


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
    teacher: str = "",
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
        teacher: whose probabilities of the answers' tokens are learnt too, see `Teacher.find`; its share of
            the loss is the recipe's ``distil``.
        progress: told how far it is.

    Raises:
        NotFound: no such task, candidate or teacher.
        UserError: torch is absent, something stands against the candidate, or the teacher has other tokens.
        OverflowError: training diverged.
        EngineError: what was trained cannot be served.
    """
    plan = json.loads(selected.file(PLAN).read_text(encoding="utf-8"))
    tasks = _chosen(plan["tasks"], names)
    one = _candidate(plan["candidates"], candidate, teacher)
    budget = Budget(**selected.parameters["budget"])
    chosen = {**one.recipe, "max_tokens": one.max_tokens, **(recipe or {})}
    chosen["max_tokens"] = min(chosen["max_tokens"], one.max_tokens)
    inputs = {"select": selected.sha256}
    own = project.expert(plan["expert"]) if "expert" in plan else None
    scored = None
    if teacher:
        scored = await _scored(selected, folder, project, tasks, one, own, chosen, teacher, progress)
        inputs["distil"] = scored.sha256
    parameters = {
        "candidate": one.name,
        "tasks": [row["task"] for row in tasks],
        "recipe": chosen,
        "minutes": budget.max_minutes,
    }
    work = folder / WORK / name_of("train", inputs, parameters)
    with at_work(folder, work.name):
        if not (folder / work.name).is_dir():
            trainable()
            work.mkdir(mode=0o700, parents=True, exist_ok=True)
            samples = samples_of(selected, folder)
            form = Form.of_expert(own, project.tools) if own else form_of(plan, tasks, samples, one)
            if not own and form.lexicon:
                form.lexicon.write(work / LEXICON)
            times = 0
            if not own and one.kind != "tagger":
                times = exchanged(sum(len(row["train"]) for row in tasks), one.passes, chosen)
            rows = write_rows(work / ROWS, plan, tasks, samples, form, times)
            chosen = {"epochs": one.passes / (1 + times), **chosen}
            progress(Told(stage="train", detail=one.name))
            weights = work / folder_of(one)
            trained = train_candidate(
                work / ROWS,
                weights,
                one,
                chosen,
                budget.max_minutes,
                plan["licence"],
                progress,
                scored.file(SCORES) if scored else None,
            )
            cards = write_experts(work / EXPERTS, tasks, form, one, trained, own)
            answered = await answers(
                work / ANSWERS,
                project,
                cards[0],
                _to_calibrate(plan, tasks, samples, None if one.kind == "tagger" else MOST_ANSWERS),
                lambda done, of: progress(Told(stage="calibrate", done=done, of=of)),
            )
            outcome = calibrate(cards, answered, project, work / ANSWERS)

        def make(draft: Path) -> Mapping[str, Any]:
            shutil.copytree(weights, draft / weights.name)
            shutil.copytree(work / EXPERTS, draft / EXPERTS)
            if (work / LEXICON).is_file():
                shutil.copy(work / LEXICON, draft / LEXICON)
            shutil.copy(weights / TRAINING, draft / TRAINING)
            licence = both(one.licence, plan["licence"]) if one.licence else plan["licence"]
            if scored:
                licence = both(licence, scored.report["licence"])
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
                "teacher": {**scored.report, "share": trained["teacher"]["share"]} if scored else None,
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


def _candidate(rows: Sequence[Mapping[str, Any]], name: str, teacher: str) -> Candidate:
    """The candidate; with a teacher the smallest that may have its tokens unless named."""
    able = [row for row in rows if row["kind"] == "lora"] if teacher and not name else rows
    one = named(able, name)
    if teacher and one.kind != "lora":
        raise UserError(
            f"{one.name} has a vocabulary of its own: a teacher's probabilities of tokens mean nothing to it",
            hint="--candidate lora learns from them; without --teacher it learns from the answers alone, "
            "which are the teacher's too where that was recorded",
        )
    return one


async def _scored(
    selected: Artefact,
    folder: Path,
    project: Project,
    tasks: Sequence[Mapping[str, Any]],
    one: Candidate,
    own: Expert | None,
    recipe: Mapping[str, Any],
    teacher: str,
    progress: Progress,
) -> Artefact:
    """What the teacher says of the rows that `write_rows` will write, but for refusals, which nobody said."""
    trainable()
    plan = json.loads(selected.file(PLAN).read_text(encoding="utf-8"))
    limits = Budget(**selected.parameters["budget"])
    samples = samples_of(selected, folder)
    form = Form.of_expert(own, project.tools) if own else form_of(plan, tasks, samples, one)
    times = 0 if own else exchanged(sum(len(row["train"]) for row in tasks), one.passes, recipe)
    who = Teacher.find(teacher, project, folder, form)
    if who.licence == UNKNOWN:
        raise UserError(
            f"the licence of the teacher {who.name} is not known, so the gate would refuse what it teaches",
            hint="`licences` in the settings names it",
        )
    if limits.licences and not set(who.licence.split(" AND ")) <= set(limits.licences):
        raise UserError(
            f"the teacher {who.name} comes under {who.licence}, allowed: {', '.join(limits.licences)}",
            hint="`speeddial data select` with other limits, or another teacher",
        )
    return await distil(
        folder,
        who,
        own_rows(tasks, samples, who.form(form), times).rows,
        form.contract,
        _base(one) / "tokenizer.json",
        {"select": selected.sha256},
        {"tasks": [row["task"] for row in tasks], "times": times},
        progress=lambda done, of: progress(Told(stage="distil", done=done, of=of, detail=who.name)),
    )


def _chosen(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[Mapping[str, Any]]:
    known = {row["task"]: row for row in rows}
    for name in names:
        if name not in known:
            raise NotFound(f"the plan has no task {name!r}", hint=f"it has {', '.join(known)}")
    return [row for task, row in known.items() if not names or task in names]


def samples_of(selected: Artefact, folder: Path) -> dict[str, Sample]:
    curated = artefact_named(folder, selected.inputs["curate"])
    return {sample.id: sample for sample in read_samples(curated.file(KEPT))}


def _to_calibrate(
    plan: Mapping[str, Any],
    tasks: Sequence[Mapping[str, Any]],
    samples: Mapping[str, Sample],
    most: int | None,
) -> list[Sample]:
    """Samples of the calibration part, so many at most, with some that are of none of these tasks."""
    ids = [name for row in tasks for name in row["calibrate"]]
    asides = spread(plan["refused"]["calibrate"], round(REFUSALS * len(ids)))
    strangers = [samples[name].with_calls(()) for name in asides]
    own = [samples[name] for name in spread(ids, most and most - len(asides))]
    return [*own, *strangers]


def form_of(
    plan: Mapping[str, Any],
    tasks: Sequence[Mapping[str, Any]],
    samples: Mapping[str, Sample],
    one: Candidate,
) -> Form:
    """How these tasks' calls are written for a candidate.

    Every expert has the tools of all of them: a request that the router took for another task's is then
    answered with that one's tool, or with little confidence.
    """
    called = {call["name"] for row in tasks for name in row["train"] for call in samples[name].calls}
    used = {one["name"]: one for one in plan["definitions"] if one["name"] in called}
    if one.kind == "tagger":
        return TagForm(used, plan["calls"])
    learnt = [samples[name] for row in tasks for name in row["train"]]
    said = ((sample.request, call["arguments"]) for sample in learnt for call in sample.calls)
    return Form(used, plan["calls"], lexicon=Lexicon.of(said))


def write_rows(
    file: Path,
    plan: Mapping[str, Any],
    tasks: Sequence[Mapping[str, Any]],
    samples: Mapping[str, Sample],
    form: Form,
    times: int = 0,
) -> dict[str, Any]:
    """The rows of a training, the same for the same plan; and their numbers.

    Args:
        times: how often each sample is there again with other values; see `swapped`.
    """
    calls = own_rows(tasks, samples, form, times)
    trained = {row["task"] for row in tasks}
    others = [name for row in plan["tasks"] if row["task"] not in trained for name in row["train"]]
    refused = [samples[name] for name in [*plan["refused"]["train"], *others]]
    asides = rows_of([one.with_calls(()) for one in refused], form).rows
    chosen = {*spread((row["id"] for row in asides), round(REFUSALS * len(calls.rows)))}
    asides = [row for row in asides if row["id"] in chosen]
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(f"{compact_json(row)}\n" for row in [*calls.rows, *asides])
    weighted = sum("weight" in row for row in calls.rows)
    told = {"calls": len(calls.rows), "weighted": weighted, "refusals": len(asides)}
    return {**told, "left_out": dict(calls.left_out)}


def own_rows(
    tasks: Sequence[Mapping[str, Any]], samples: Mapping[str, Sample], form: Form, times: int = 0
) -> Rows:
    """The rows of these tasks' calls.

    Where the record has the probability of an answer, the row counts accordingly: what the model that gave it
    was not sure of is learnt with less force.

    Args:
        times: as for `write_rows`.
    """
    own = [samples[name] for row in tasks for name in row["train"]]
    every = [*own, *swapped(own, form.definitions, times)]
    found = rows_of(every, form)
    sure = {one.id: one.probability for one in every if one.probability is not None}
    for row in found.rows:
        if row["id"] in sure:
            row["weight"] = round(max(LEAST_WEIGHT, sure[row["id"]]), 4)
    return found


def exchanged(samples: int, passes: float, recipe: Mapping[str, Any]) -> int:
    """How often each sample is learnt from again with other values; never where few passes are made."""
    affordable = min(passes, recipe["max_tokens"] / max(1, samples * TOKENS))
    return min(MOST_TIMES, int(affordable) - 1) if affordable >= PASSES else 0


def train_candidate(
    rows: Path,
    out: Path,
    one: Candidate,
    recipe: Mapping[str, Any],
    minutes: float,
    licence: str,
    progress: Progress,
    scores: Path | None = None,
) -> dict[str, Any]:
    """Train until the schedule ends; what training.json says.

    Args:
        rows: JSONL.
        out: folder of the weights, with the checkpoint while there is one.
        minutes: that the schedule is cut to.
        licence: of the rows.
        scores: what a teacher says of them.

    Raises:
        UserError: torch is absent, or the time was up.
    """
    report: dict[str, Any] = _report(out)
    if report.get("finished"):
        return report
    trainable()

    def say(at: Any) -> None:
        left = (at.steps - at.step) * at.seconds / max(1, at.step)
        said = (
            f"{one.name}, loss {at.loss:.3f}, {at.tokens_per_second:,.0f} tokens/s, {left / 60:.0f} min left"
        )
        progress(Told(stage="train", done=at.step, of=at.steps, detail=said))

    stage: dict[str, Any] = {
        "max_minutes": 1.5 * minutes,
        "fit_minutes": minutes,
        "checkpoint_every": 100,
        "progress": say,
    }
    if one.kind == "tagger":
        from speeddial.flywheel import tagging

        done = tagging.train([rows], out, tagging.Recipe(**recipe), licence=licence, **stage)
    elif one.kind == "scratch":
        from speeddial.flywheel import scratch

        begun = Path(one.base) if one.base else None
        done = scratch.train([rows], out, scratch.Recipe(**recipe), init=begun, licence=licence, **stage)
    else:
        from speeddial.flywheel import train as lora

        made_for = one.model.partition(":")[2].partition("@")[0]
        settings = lora.Recipe(**({"base_name": made_for} if one.model != EMBEDDED else {}) | dict(recipe))
        init = Path(one.init) if one.init else None
        done = lora.train([rows], _base(one), out, settings, init=init, scores=scores, **stage)
    if not done.finished:
        raise UserError(
            f"the time was up at step {done.step} of {done.steps}", hint="the same command goes on from there"
        )
    return _report(out)


def trainable() -> None:
    """See that models can be trained here.

    Raises:
        UserError: torch or transformers is absent.
    """
    if missing := [name for name in ("torch", "transformers") if find_spec(name) is None]:
        raise UserError(f"training needs {' and '.join(missing)}", hint="pip install 'speeddial[train]'")


def _base(one: Candidate) -> Path:
    """Folder of an adapter's base. As exported the embedded one is what that engine computes."""
    here = bool(one.base) and (Path(one.base) / "config.json").is_file()
    return require_base().export_hf() if one.model == EMBEDDED and not here else Path(one.base)


def _report(out: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((out / TRAINING).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found
