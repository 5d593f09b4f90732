"""S6, what a version is tried on: samples that nobody learnt from, by the task that a router takes them for.

The router is on trial too. It is fitted anew without the test part, since requests will come to a specialist
by a router's word and not by a label; those of other tasks that it takes for this one count as its cases.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speeddial.errors import NotFound
from speeddial.expert import Expert
from speeddial.flywheel.artefact import Artefact, named
from speeddial.flywheel.cluster import ASSIGNED, embeddings_of
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.deployment import CARD, EXPERTS, Deployment, Deployments, tasks_of
from speeddial.flywheel.gate import Incumbent, Terms, Trial
from speeddial.flywheel.noninferiority import least_cases
from speeddial.flywheel.routing import Routing, judge, route
from speeddial.flywheel.rows import opens
from speeddial.flywheel.sample import Sample, read_samples
from speeddial.flywheel.select import PLAN
from speeddial.project import Project
from speeddial.record import Record
from speeddial.record.export.report import UNKNOWN


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The samples of a `select` artefact that a version is tried on."""

    tests: Sequence[Sample]
    routed: Sequence[str]
    """The task that each goes to."""
    tasks: Mapping[str, str]
    """Sample -> the task that it is of."""
    definitions: Mapping[str, Mapping[str, Any]]
    """Tool -> how the samples show it last."""


def trials(
    project: Project,
    record: Record | None,
    version: Artefact,
    deployments: Deployments,
    terms: Terms,
    *,
    names: Sequence[str] = (),
) -> list[Trial]:
    """What each task of a version is tried on, against whom, and what stands against it from the start.

    Args:
        project: whose experts may be incumbents.
        record: where the tools' present schemas are read; None does without.
        names: of tasks; all unless given.

    Raises:
        NotFound: an artefact that it was made of is gone; or it has no such task.
        UserError: scikit-learn is absent.
    """
    experts = tasks_of(version)
    for name in names:
        if name not in experts:
            raise NotFound(f"{version.path.name} has no task {name!r}", hint=f"it has {', '.join(experts)}")
    held = held_out(named(deployments.folder, version.inputs["select"]), deployments.folder)
    current = shown_now(record) if record is not None else {}
    live = deployments.live()
    routings = _routings(version, held, live, deployments.folder, terms)
    found = []
    for task, name in experts.items():
        if names and task not in names:
            continue
        expert = Expert.from_card(version.path / EXPERTS / name / CARD)
        cases = [sample for sample, to in zip(held.tests, held.routed, strict=True) if to == task]
        own = [sample for sample in held.tests if held.tasks.get(sample.id) == task]
        asked = Counter(sample.expert for sample in own).most_common(1)
        home = name in project.experts and bool(asked) and asked[0][0] == name
        routing = routings.get(task)
        changed = _stale(expert, project) if home else _schemas(own, held.definitions, current)
        obstacle = changed or too_few(len(cases), terms)
        found.append(
            Trial(
                task=task,
                expert=expert,
                cases=cases,
                own=frozenset(sample.id for sample in own),
                incumbent=_incumbent(version, live.get(task), project.experts[name] if home else None),
                home=home,
                obstacle=obstacle
                or (routing.obstacle if routing else "")
                or unlicensed(version)
                or _calibration(expert, terms),
                routing=routing.as_dict() if routing else None,
                hopeless=bool(obstacle),
            )
        )
    return found


def held_out(select: Artefact, folder: Path) -> HeldOut:
    """The test part of all tasks, each sample where a router sends it that was fitted without it."""
    samples = list(read_samples(named(folder, select.inputs["curate"]).file(KEPT)))
    cluster = named(folder, select.inputs["cluster"])
    tasks: dict[str, str] = json.loads(cluster.file(ASSIGNED).read_text(encoding="utf-8"))
    plan = json.loads(select.file(PLAN).read_text(encoding="utf-8"))
    # Requests of no task that is trained will come to the router too.
    held = {name for row in [*plan["tasks"], plan["refused"]] for name in row["test"]}
    tests = [sample for sample in samples if sample.id in held and opens(sample.messages)]
    rest = [sample for sample in samples if sample.id not in held and sample.id in tasks]
    definitions: dict[str, Mapping[str, Any]] = {}
    for sample in sorted(samples, key=lambda sample: sample.created):
        definitions.update({tool["name"]: tool for tool in sample.tools})
    return HeldOut(
        tests=tests,
        routed=route(rest, tasks, tests, embeddings_of(cluster)),
        tasks=tasks,
        definitions=definitions,
    )


def shown_now(record: Record) -> dict[str, Mapping[str, Any]]:
    """Tool -> its definition as the agents' newest requests show it."""
    shown: dict[str, Mapping[str, Any]] = {}
    for row in record.database.read(
        "SELECT contents.body, max(interactions.id) AS newest FROM interactions"
        " JOIN contents ON contents.hash = interactions.tools"
        " WHERE interactions.kind = 'model' AND interactions.expert = ''"
        " GROUP BY contents.hash, contents.body ORDER BY newest"
    ):
        shown.update({tool["name"]: tool for tool in json.loads(row["body"])})
    return shown


def _routings(
    version: Artefact, held: HeldOut, live: Mapping[str, Deployment], folder: Path, terms: Terms
) -> dict[str, Routing]:
    """Task -> how the version's router came out beside the one that leads requests to this task now."""
    found: dict[str, Routing] = {}
    known: dict[Path, Routing | None] = {}
    own = named(folder, version.inputs["select"]).inputs["cluster"]
    for task in tasks_of(version):
        there = _before(version, live.get(task))
        if there is None or there.router is None:
            continue
        if there.router not in known:
            old = Artefact.open(there.router)
            same = old.sha256 == own
            known[there.router] = (
                None if same else judge(held.tests, held.routed, held.tasks, old, folder, terms)
            )
        if (routing := known[there.router]) is not None:
            found[task] = routing
    return found


def _before(version: Artefact, there: Deployment | None) -> Deployment | None:
    """The version that serves a task in full now, this one aside."""
    while there is not None and (there.version == version.sha256 or there.stage != "full"):
        there = there.before
    return there


def _incumbent(version: Artefact, there: Deployment | None, own: Expert | None) -> Incumbent:
    """Who serves a task in full now, this version aside.

    Args:
        own: the project's expert whose place the version is to take.
    """
    there = _before(version, there)
    if there is not None:
        return Incumbent(
            name=f"the version before ({there.folder.parents[1].name})",
            expert=Expert.from_card(there.folder / CARD),
            key=there.folder.relative_to(there.folder.parents[2]).as_posix(),
        )
    if own is not None:
        return Incumbent(name=f"experts/{own.name}", expert=own, key=f"experts/{own.name}@{own.version}")
    return Incumbent()


def unlicensed(version: Artefact) -> str:
    """What stands against a version whose licence nobody knows; empty for another."""
    licence = version.report.get("licence") or UNKNOWN
    if licence != UNKNOWN:
        return ""
    return "the licence of what it learnt from is not known; `licences` in the project's settings names it"


def _schemas(
    own: Sequence[Sample],
    shown: Mapping[str, Mapping[str, Any]],
    current: Mapping[str, Mapping[str, Any]],
) -> str:
    called = {call["name"] for sample in own for call in sample.calls}
    changed = sorted(
        name
        for name in called & shown.keys() & current.keys()
        if shown[name].get("parameters") != current[name].get("parameters")
    )
    if not changed:
        return ""
    return f"the schema of {', '.join(changed)} changed since its samples were collected; collect anew"


def _stale(expert: Expert, project: Project) -> str:
    return "the project's tools changed since it learnt; train anew" if expert.is_stale(project.tools) else ""


def too_few(cases: int, terms: Terms) -> str:
    """What stands against a trial of so many cases; empty when they are enough."""
    least = least_cases(terms.margin, terms.sure)
    if cases >= least:
        return ""
    return (
        f"{cases} held-out samples; to tell a margin of {terms.margin:.1%} with {terms.sure:.0%}"
        f" confidence takes {least} at least"
    )


def _calibration(expert: Expert, terms: Terms) -> str:
    if expert.calibration is None:
        return "it is not calibrated, so nothing says when it is right"
    for target in expert.calibration.targets:
        if target.precision == terms.precision and target.threshold is not None:
            return ""
    return (
        f"no confidence of its answers stands for {terms.precision:.0%} right ones on held-out samples:"
        " it has not learnt the task, or the samples contradict each other"
    )
