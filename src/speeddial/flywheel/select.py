"""S4, select: which tasks specialists may learn, from which samples, by which models, with how much data.

``plan.json`` says, frozen: the samples of each task for training, calibration and test (groups are never
divided), the tools' definitions narrowed to what is recorded, and the candidates, smallest first. The
smallest that passes the gate wins.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import reduce
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

from speeddial.errors import UserError
from speeddial.flywheel.artefact import Artefact, made
from speeddial.flywheel.artefact import named as artefact_named
from speeddial.flywheel.candidate import BUDGET, Budget, candidates
from speeddial.flywheel.cluster import ASSIGNED, REST, TASKS
from speeddial.flywheel.collect import collect
from speeddial.flywheel.curate import KEPT, curate
from speeddial.flywheel.narrow import Narrowed, narrow
from speeddial.flywheel.rows import CALIBRATE, PARTS, TEST, Form, part_of, unlearnable
from speeddial.flywheel.sample import Sample, read_samples
from speeddial.flywheel.tagform import untaggable
from speeddial.models.adapter import weights_hash
from speeddial.project import Project
from speeddial.record import Record
from speeddial.record.export import Licences, licence_in
from speeddial.record.export.licences import both
from speeddial.record.export.report import UNKNOWN
from speeddial.record.selection import Selection

PLAN = "plan.json"
LEAST = 40
"""Samples of a task to train on at least."""
_PLAIN = re.compile(r"[^a-z0-9_-]+")


def select(
    clustered: Artefact,
    folder: Path,
    project: Project,
    budget: Budget = BUDGET,
    *,
    names: Sequence[str] = (),
    progress: Callable[[str], None] = lambda stage: None,
) -> Artefact:
    """Plan what is trained.

    Args:
        clustered: an artefact of `cluster`.
        folder: of all artefacts.
        project: for the licences of the models that answered, and the bases there are.
        budget: what training may take.
        names: of tasks; all unless given.
        progress: told what is at work.

    Raises:
        UserError: no task can be learnt, or the disk refused.
    """
    curated = artefact_named(folder, clustered.inputs["curate"])
    samples = list(read_samples(curated.file(KEPT)))
    licence = licence_of(samples, project)
    found = candidates(project.settings, budget, licence)
    tasks = json.loads(clustered.file(TASKS).read_text(encoding="utf-8"))
    assigned = json.loads(clustered.file(ASSIGNED).read_text(encoding="utf-8"))
    taken = _taken(project, tasks, samples, assigned)

    def make(draft: Path) -> Mapping[str, Any]:
        progress("tasks")
        plan = planned(samples, tasks, assigned, names=names, taken=taken)
        able = candidates(
            project.settings, budget, licence, untaggable(plan, {one.id: one for one in samples})
        )
        plan |= {"licence": licence, "candidates": [one.as_dict() for one in able]}
        (draft / PLAN).write_text(json.dumps(plan, indent=1, ensure_ascii=False), encoding="utf-8")
        return _told(plan)

    inputs = {"curate": curated.sha256, "cluster": clustered.sha256}
    parameters = {
        "names": list(names),
        "budget": asdict(budget),
        "candidates": [one.as_dict() for one in found],
        "licence": licence,
        "shares": {"test": TEST, "calibrate": CALIBRATE},
        **({"taken": taken} if taken else {}),
    }
    return made(folder, "select", inputs, parameters, make)


def improve(
    record: Record,
    folder: Path,
    project: Project,
    name: str,
    budget: Budget = BUDGET,
    *,
    progress: Callable[[str], None] = lambda stage: None,
) -> Artefact:
    """Plan a better version of one of the project's experts, from its recorded calls and their corrections.

    Args:
        record: where it was phoned.
        name: of the expert.

    Raises:
        NotFound: the project has no such expert.
        UserError: it is of a kind that is not trained so, or too little of it is on record.
    """
    expert = project.expert(name)
    tools = [project.tools[tool] for tool in expert.tools]
    if expert.calls != "one" or expert.needs or any(tool.preface or tool.shape for tool in tools):
        raise UserError(
            f"{name}: what stands above its requests differs from call to call, and no sample has it",
            hint="train it on rows of your own: python -m speeddial.flywheel.train",
        )
    if expert.adapter is None:
        raise UserError(f"{name} has no adapter to begin from", hint="train its tasks from a plan")
    progress("collect")
    collected = collect(record, folder, Selection(expert=name))
    progress("curate")
    curated = curate(collected, folder, progress=progress)
    samples = list(read_samples(curated.file(KEPT)))
    row = {"name": name, "tools": list(expert.tools)}
    assigned = {sample.id: name for sample in samples}

    def whole(draft: Path) -> Mapping[str, Any]:
        (draft / TASKS).write_text(json.dumps([row]), encoding="utf-8")
        (draft / ASSIGNED).write_text(json.dumps(assigned), encoding="utf-8")
        return {"samples": len(samples), "tasks": [row]}

    clustered = made(folder, "cluster", {"curate": curated.sha256}, {"expert": name}, whole)
    licence = licence_of(samples, project)
    own = replace(
        next(one for one in candidates(project.settings, budget, licence) if one.name == "lora"),
        init=str(expert.adapter),
        licence=both("apache-2.0", licence_in(expert.folder)),
    )
    form = Form.of_expert(expert, project.tools)

    def make(draft: Path) -> Mapping[str, Any]:
        plan = planned(samples, [row], assigned, form=form)
        plan |= {"licence": licence, "candidates": [own.as_dict()], "expert": name}
        (draft / PLAN).write_text(json.dumps(plan, indent=1, ensure_ascii=False), encoding="utf-8")
        return _told(plan)

    inputs = {"curate": curated.sha256, "cluster": clustered.sha256, name: weights_hash(expert.adapter)}
    parameters = {"expert": name, "budget": asdict(budget), "candidates": [own.as_dict()], "licence": licence}
    return made(folder, "select", inputs, parameters, make)


def planned(
    samples: Sequence[Sample],
    tasks: Sequence[Mapping[str, Any]],
    assigned: Mapping[str, str],
    *,
    names: Sequence[str] = (),
    taken: Mapping[str, str] = MappingProxyType({}),
    form: Form | None = None,
) -> dict[str, Any]:
    """The plan, less its candidates.

    Args:
        tasks, assigned: as `cluster` found them.
        names: of tasks; all unless given.
        taken: tasks that cannot have their names -> why.
        form: how calls are written, where the samples do not decide that.

    Raises:
        UserError: no task can be learnt.
    """
    stands = {task["name"]: _obstacle(task, names, taken) for task in tasks}
    left_out = [{"task": name, "reason": why} for name, why in stands.items() if why]
    chosen = [task for task in tasks if not stands[task["name"]]]
    of = {task["name"]: [one for one in samples if assigned.get(one.id) == task["name"]] for task in chosen}
    narrowed: list[Narrowed] = []
    if form is None:
        shown = latest([sample for members in of.values() for sample in members])
        used = {call["name"] for members in of.values() for one in members for call in one.calls}
        own = [one for members in of.values() for one in members if part_of(one.group) == "train"]
        definitions, narrowed = narrow({name: shown[name] for name in shown if name in used}, own)
        several = any(len(one.calls) > 1 for members in of.values() for one in members)
        form = Form(definitions, "several" if several else "one")
    reasons: Counter[str] = Counter()
    rows = []
    for task in chosen:
        parts: dict[str, list[str]] = {part: [] for part in PARTS}
        for sample in of[task["name"]]:
            part = part_of(sample.group)
            # What cannot be learnt is tested all the same: its like will come.
            if part == "train" and (why := unlearnable(sample, form.definitions)):
                reasons[why] += 1
                continue
            parts[part].append(sample.id)
        if len(parts["train"]) < LEAST:
            said = f"{len(parts['train'])} samples to learn from, {LEAST} are needed"
            left_out.append({"task": task["name"], "reason": said})
            continue
        rows.append(
            {
                "task": task["name"],
                "expert": expert_name(task["name"]),
                "tools": list(task["tools"]),
                "samples": len(of[task["name"]]),
                **parts,
            }
        )
    if not rows:
        said = "; ".join(f"{row['task']}: {row['reason']}" for row in left_out)
        raise UserError(f"no task can be learnt: {said or 'there is none'}", hint="collect more")
    return {
        "tasks": rows,
        "left_out": left_out,
        "samples_left_out": dict(reasons),
        "calls": form.calls,
        "definitions": list(form.definitions.values()),
        "narrowed": [one.as_dict() for one in narrowed],
        "refused": _refused(samples, {row["task"] for row in rows}, assigned),
    }


def _told(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What the artefact reports of a plan."""
    return {
        "tasks": [{**row, **{part: len(row[part]) for part in PARTS}} for row in plan["tasks"]],
        **{name: plan[name] for name in ("left_out", "samples_left_out", "licence", "candidates")},
        "narrowed": len(plan["narrowed"]),
    }


def _refused(samples: Sequence[Sample], tasks: set[str], assigned: Mapping[str, str]) -> dict[str, list[str]]:
    """Requests of no task that is learnt. They are refused: a router's mistakes will bring their like."""
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for sample in samples:
        if assigned.get(sample.id) not in tasks:
            parts[part_of(sample.group)].append(sample.id)
    return parts


def latest(samples: Sequence[Sample]) -> dict[str, Mapping[str, Any]]:
    """Tool -> its definition as the newest sample shows it."""
    shown: dict[str, Mapping[str, Any]] = {}
    for sample in sorted(samples, key=lambda sample: sample.created):
        shown.update({tool["name"]: tool for tool in sample.tools})
    return shown


def licence_of(samples: Sequence[Sample], project: Project) -> str:
    """Under which licence the samples' answers come."""
    licences: Licences = project.licences
    told = sorted({licences.of(sample.model, sample.expert) for sample in samples})
    return reduce(both, told) if told else UNKNOWN


def expert_name(task: str) -> str:
    """A task's name as an expert may have it."""
    name = _PLAIN.sub("-", task.lower()).strip("-_")
    if not name or not name[0].isalpha() or len(name) > 40:
        name = f"task-{name[:24].strip('-_')}-{sha256(task.encode()).hexdigest()[:6]}".replace("--", "-")
    return name


def _taken(
    project: Project,
    tasks: Sequence[Mapping[str, Any]],
    samples: Sequence[Sample],
    assigned: Mapping[str, str],
) -> dict[str, str]:
    """Tasks whose names are an agent's, or an expert's whose requests these are not, with what to do.

    One name has one pile of deployments: a rollback in it would give back another's files.
    """
    found = {}
    for task in (task["name"] for task in tasks):
        name = expert_name(task)
        asked = Counter(sample.expert for sample in samples if assigned.get(sample.id) == task)
        if name == "planner" or name in project.agents:
            who = "agent"
        elif name in project.experts and asked and asked.most_common(1)[0][0] != name:
            who = "expert"
        else:
            continue
        found[task] = f"an {who} of the project is named {name}; give it, or the tool, another name"
    return found


def _obstacle(task: Mapping[str, Any], names: Sequence[str], taken: Mapping[str, str]) -> str:
    if names and task["name"] not in names:
        return "not asked for"
    if task["name"] == REST:
        return "requests of no task"
    if task["name"] in taken:
        return taken[task["name"]]
    return "" if task["tools"] else "answered in words"
