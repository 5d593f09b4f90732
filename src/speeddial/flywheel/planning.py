"""S4 and S5 of the planner: what it is to learn, frozen, and a version, an agent's folder that plans at once.

    flywheel/train-5d0c2f41a9b3/
        adapter/                    what was learnt
        agents/planner/             agent.toml, prompt.md
        MODEL_CARD.md, training.json

It begins with the weights that the planner has. Rows of another file keep it from forgetting what it is not
asked these days; its own cases are never learnt from, for the gate to tell whether it forgot them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from speeddial.agent import Agent
from speeddial.errors import UserError
from speeddial.flywheel import plans
from speeddial.flywheel.artefact import WORK, Artefact, at_work, made, name_of
from speeddial.flywheel.candidate import BUDGET, Budget, Candidate, candidates, named
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.deployment import AGENTS
from speeddial.flywheel.proving import spread
from speeddial.flywheel.rows import part_of
from speeddial.flywheel.sample import Sample, read_samples
from speeddial.flywheel.select import LEAST, PLAN, licence_of
from speeddial.flywheel.specialist import ROWS, TRAINING, Progress, Told, samples_of, train_candidate
from speeddial.flywheel.versioncard import ADAPTER, with_values
from speeddial.jsonlines import read_objects
from speeddial.messages import compact_json
from speeddial.models.adapter import weights_hash
from speeddial.project import Project
from speeddial.record import Record
from speeddial.record.export.licences import both, licence_in

TASK = "planner"
CARD = "agent.toml"
REHEARSED = "rehearsed.jsonl"
MOST_REHEARSED = 4
"""Rows of the other file beside one of the record's, at most."""
_ROLES = ["system", "user", "assistant"]


def select(
    record: Record,
    folder: Path,
    project: Project,
    budget: Budget = BUDGET,
    *,
    rehearse: Path | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> Artefact:
    """Plan a better planner: which of its recorded plans it learns from and which are kept for the gate.

    Args:
        record: where it planned.
        folder: of all artefacts.
        budget: what training may take.
        rehearse: rows of {"messages"} as the trainer reads them, to be learnt from beside; .xz too.
        progress: told what is at work.

    Raises:
        NotFound: the project has no planner, or there is no such file.
        UserError: too little is on record, or its base is not here; a line that is no row.
    """
    agent = project.agent(TASK)
    progress("collect")
    collected = plans.collect(record, folder, agent)
    progress("curate")
    curated = plans.curate(collected, folder)
    samples = list(read_samples(curated.file(KEPT)))
    rows = _rehearsed(rehearse) if rehearse else []
    licence = licence_of(samples, project)
    own = _candidate(project, agent, budget, licence)
    # No part is calibrated on: a plan is used whatever its confidence.
    parts: dict[str, list[str]] = {"train": [], "calibrate": [], "test": []}
    for sample in samples:
        parts["test" if part_of(sample.group) == "test" else "train"].append(sample.id)
    if len(parts["train"]) < LEAST:
        left = "; ".join(f"{count} {reason}" for reason, count in curated.report["dropped"].items())
        raise UserError(
            f"{len(parts['train'])} plans to learn from, {LEAST} are needed"
            f"{f' (left out: {left})' if left else ''}",
            hint="run tasks, and accept or correct plans: speeddial trace accept RUN --step 0",
        )

    def make(draft: Path) -> Mapping[str, Any]:
        row = {"task": TASK, "expert": agent.name, "tools": [plans.PLAN], "samples": len(samples), **parts}
        plan: dict[str, Any] = {"tasks": [row], "candidates": [own.as_dict()], "licence": licence}
        plan |= {"agent": agent.name, "usual": _usual(collected)}
        (draft / PLAN).write_text(json.dumps(plan, indent=1, ensure_ascii=False), encoding="utf-8")
        with (draft / REHEARSED).open("w", encoding="utf-8") as lines:
            lines.writelines(f"{compact_json(one)}\n" for one in rows)
        return {
            "tasks": [{**row, **{part: len(ids) for part, ids in parts.items()}}],
            "rehearsed": len(rows),
            "licence": licence,
            "candidates": [own.as_dict()],
        }

    inputs = {"curate": curated.sha256, TASK: weights_hash(agent.adapter)}
    parameters = {
        "agent": agent.name,
        "budget": asdict(budget),
        "candidates": [own.as_dict()],
        "licence": licence,
        "rehearsed": sha256("\n".join(map(compact_json, rows)).encode()).hexdigest(),
    }
    return made(folder, "select", inputs, parameters, make)


def train(
    selected: Artefact,
    folder: Path,
    project: Project,
    *,
    recipe: Mapping[str, Any] | None = None,
    progress: Progress = lambda told: None,
) -> Artefact:
    """Train a version of the planner; found when it was trained before, gone on with when that was cut short.

    Args:
        selected: an artefact of `select`.
        folder: of all artefacts.
        project: whose planner it is.
        recipe: numbers of the trainer's recipe in place of the plan's.
        progress: told how far it is.

    Raises:
        UserError: torch is absent, the time was up, or something stands against the candidate.
        OverflowError: training diverged.
    """
    plan = json.loads(selected.file(PLAN).read_text(encoding="utf-8"))
    (row,) = plan["tasks"]
    one = named(plan["candidates"], "")
    budget = Budget(**selected.parameters["budget"])
    chosen = {"epochs": one.passes, **one.recipe, "max_tokens": one.max_tokens, **(recipe or {})}
    inputs = {"select": selected.sha256}
    parameters = {"candidate": one.name, "tasks": [TASK], "recipe": chosen, "minutes": budget.max_minutes}
    work = folder / WORK / name_of("train", inputs, parameters)
    weights = work / ADAPTER
    with at_work(folder, work.name):
        if not (folder / work.name).is_dir():
            work.mkdir(mode=0o700, parents=True, exist_ok=True)
            counts = _write_rows(work / ROWS, row, samples_of(selected, folder), selected.file(REHEARSED))
            progress(Told(stage="train", detail=one.name))
            trained = train_candidate(
                work / ROWS, weights, one, chosen, budget.max_minutes, plan["licence"], progress
            )

    def make(draft: Path) -> Mapping[str, Any]:
        shutil.copytree(weights, draft / ADAPTER)
        shutil.copy(weights / TRAINING, draft / TRAINING)
        _write_agent(draft / AGENTS / row["expert"], project.agent(TASK), trained)
        report = {
            "candidate": one.as_dict(),
            "tasks": [
                {
                    **{name: row[name] for name in ("task", "expert", "tools")},
                    "folder": f"{AGENTS}/{row['expert']}",
                    "samples": {part: len(row[part]) for part in ("train", "test")},
                }
            ],
            "rows": counts,
            "parameters": trained.get("parameters") or one.parameters,
            **{name: trained[name] for name in ("tokens", "seconds", "steps", "epochs", "memory_gib")},
            "loss": trained["loss"][-1][1] if trained["loss"] else None,
            "licence": both(one.licence, plan["licence"]) if one.licence else plan["licence"],
        }
        (draft / "MODEL_CARD.md").write_text(_model_card(report, trained), encoding="utf-8")
        return report

    version = made(folder, "train", inputs, parameters, make)
    shutil.rmtree(work, ignore_errors=True)
    return version


# ---- inside ----


def _candidate(project: Project, agent: Agent, budget: Budget, licence: str) -> Candidate:
    """A LoRA on the planner's base, from the adapter that it has, if any."""
    bases = [one for one in candidates(project.settings, budget, licence) if one.kind == "lora"]
    base = next((one for one in bases if one.model == agent.model), None)
    if base is None:
        raise UserError(
            f"{agent.folder / CARD}: no base for model {agent.model!r} is known to train on",
            hint=f"known: {', '.join(one.model for one in bases)}; the setting `bases` names more",
        )
    begun = licence_in(agent.folder)
    return replace(
        base,
        init=str(agent.adapter) if agent.adapter else "",
        licence=both(project.licences.of(agent.model, ""), begun) if agent.adapter else base.licence,
        max_tokens=budget.max_tokens,
        # Its adapter was finished at this rate (training.json); a fresh one learns at the trainer's.
        recipe={**base.recipe, **({"lr": 5e-4} if agent.adapter else {})},
    )


def _usual(collected: Artefact) -> dict[str, float]:
    """Shares of the plans so far that were made anew, and that people corrected."""
    told, count = collected.report, max(1, collected.report["samples"])
    return {
        "replanned": round(told.get("planned anew", 0) / count, 4),
        "corrected": round(told.get("corrected", 0) / count, 4),
    }


def _rehearsed(file: Path) -> list[dict[str, Any]]:
    found = []
    for number, row in read_objects(file):
        messages = row.get("messages")
        roles = [message.get("role") for message in messages] if isinstance(messages, list) else []
        if roles != _ROLES:
            raise UserError(
                f"{file}:{number}: expected messages of {', '.join(_ROLES)}, got {roles or 'none'}",
                hint="python -m training.planner writes such rows",
            )
        found.append({"id": str(number), "messages": messages})
    return found


def _write_rows(
    file: Path, row: Mapping[str, Any], samples: Mapping[str, Sample], rehearsed: Path
) -> dict[str, int]:
    own = [plans.row_of(samples[name]) for name in row["train"]]
    beside = {one["id"]: one for _, one in read_objects(rehearsed)}
    chosen = spread(beside, MOST_REHEARSED * len(own))
    with file.open("w", encoding="utf-8") as lines:
        lines.writelines(f"{compact_json(one)}\n" for one in own)
        lines.writelines(f"{compact_json({**beside[name], 'id': f'r/{name}'})}\n" for name in chosen)
    return {"plans": len(own), "rehearsed": len(chosen)}


def _write_agent(folder: Path, agent: Agent, trained: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True)
    (folder / "prompt.md").write_text(f"{agent.prompt}\n", encoding="utf-8")
    version = trained["data"]["sha256"].removeprefix("sha256:")[:12]
    text = (agent.folder / CARD).read_text(encoding="utf-8")
    values = {"prompt": "prompt.md", "adapter": f"../../{ADAPTER}", "version": version}
    (folder / CARD).write_text(with_values(text, values), encoding="utf-8")


def _model_card(report: Mapping[str, Any], trained: Mapping[str, Any]) -> str:
    """Markdown with a YAML head, as `licence_in` reads it."""
    head = ["---", f"license: {report['licence']}", f"base_model: {trained['base']['name']}"]
    head += ["library_name: peft", "pipeline_tag: text-generation", "tags:", "- speeddial", "---"]
    rows = report["rows"]
    lines = [
        "# planner: model card",
        "",
        "A LoRA adapter, trained by Speeddial's flywheel on the planner's own plans that were carried out, "
        "accepted or corrected. It writes plans and nothing else.",
        "",
        f"Rows: {rows['plans']} plans, {rows['rehearsed']} rehearsed; data {trained['data']['sha256']}. "
        f"{report['tokens']:,} tokens, {report['epochs']:g} epochs, {report['seconds']:,.0f} s on "
        f"{trained['device']} in {trained['precision']}.",
    ]
    return "\n".join([*head, "", *lines]) + "\n"
