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
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from speeddial.errors import UserError
from speeddial.flywheel.artefact import Artefact, made
from speeddial.flywheel.artefact import named as artefact_named
from speeddial.flywheel.candidate import BUDGET, Budget, candidates
from speeddial.flywheel.cluster import ASSIGNED, REST, TASKS
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.narrow import narrow
from speeddial.flywheel.rows import CALIBRATE, PARTS, TEST, part_of, unlearnable
from speeddial.flywheel.sample import Sample, read_samples
from speeddial.project import Project
from speeddial.record.export import Licences
from speeddial.record.export.licences import both

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

    def make(draft: Path) -> Mapping[str, Any]:
        progress("tasks")
        tasks = json.loads(clustered.file(TASKS).read_text(encoding="utf-8"))
        assigned = json.loads(clustered.file(ASSIGNED).read_text(encoding="utf-8"))
        plan = planned(samples, tasks, assigned, names=names)
        plan |= {"licence": licence, "candidates": [one.as_dict() for one in found]}
        (draft / PLAN).write_text(json.dumps(plan, indent=1, ensure_ascii=False), encoding="utf-8")
        return {
            "tasks": [{**row, **{part: len(row[part]) for part in PARTS}} for row in plan["tasks"]],
            **{name: plan[name] for name in ("left_out", "samples_left_out", "licence", "candidates")},
            "narrowed": len(plan["narrowed"]),
        }

    inputs = {"curate": curated.sha256, "cluster": clustered.sha256}
    parameters = {
        "names": list(names),
        "budget": asdict(budget),
        "candidates": [one.as_dict() for one in found],
        "licence": licence,
        "shares": {"test": TEST, "calibrate": CALIBRATE},
    }
    return made(folder, "select", inputs, parameters, make)


def planned(
    samples: Sequence[Sample],
    tasks: Sequence[Mapping[str, Any]],
    assigned: Mapping[str, str],
    *,
    names: Sequence[str] = (),
) -> dict[str, Any]:
    """The plan, less its candidates.

    Args:
        tasks, assigned: as `cluster` found them.
        names: of tasks; all unless given.

    Raises:
        UserError: no task can be learnt.
    """
    left_out = [{"task": task["name"], "reason": why} for task in tasks if (why := _obstacle(task, names))]
    chosen = [task for task in tasks if not _obstacle(task, names)]
    of = {task["name"]: [one for one in samples if assigned.get(one.id) == task["name"]] for task in chosen}
    shown = latest([sample for members in of.values() for sample in members])
    used = {call["name"] for members in of.values() for one in members for call in one.calls}
    own = [one for members in of.values() for one in members if part_of(one.group) == "train"]
    definitions, narrowed = narrow({name: shown[name] for name in shown if name in used}, own)
    reasons: Counter[str] = Counter()
    rows = []
    for task in chosen:
        parts: dict[str, list[str]] = {part: [] for part in PARTS}
        for sample in of[task["name"]]:
            part = part_of(sample.group)
            # What cannot be learnt is tested all the same: its like will come.
            if part == "train" and (why := unlearnable(sample, definitions)):
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
    several = any(len(one.calls) > 1 for members in of.values() for one in members)
    return {
        "tasks": rows,
        "left_out": left_out,
        "samples_left_out": dict(reasons),
        "calls": "several" if several else "one",
        "definitions": list(definitions.values()),
        "narrowed": [one.as_dict() for one in narrowed],
        "refused": _refused(samples, {row["task"] for row in rows}, assigned),
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
    licence = told[0]
    for other in told[1:]:
        licence = both(licence, other)
    return licence


def expert_name(task: str) -> str:
    """A task's name as an expert may have it."""
    name = _PLAIN.sub("-", task.lower()).strip("-_")
    if not name or not name[0].isalpha() or len(name) > 40:
        name = f"task-{name[:24].strip('-_')}-{sha256(task.encode()).hexdigest()[:6]}".replace("--", "-")
    return name


def _obstacle(task: Mapping[str, Any], names: Sequence[str]) -> str:
    if names and task["name"] not in names:
        return "not asked for"
    if task["name"] == REST:
        return "requests of no task"
    return "" if task["tools"] else "answered in words"
