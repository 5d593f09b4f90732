"""S6, promote: a version that passed the gate through its stages, and back, with the project's own experts.

A promotion counts when it stands among the deployments. Files are put in place before and given back before:
whoever is killed in between runs the same command again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speeddial.errors import NotFound, UserError
from speeddial.flywheel.artefact import MANIFEST, Artefact, named
from speeddial.flywheel.deployment import (
    STAGES,
    Deployment,
    Deployments,
    Limits,
    Stage,
    chosen_of,
    of_planner,
    place_of,
    tasks_of,
)
from speeddial.flywheel.installing import install, uninstall
from speeddial.project import Project

_SLACK = 0.2
"""By which more may be escalated live than in the gate before a version is rolled back: requests drift."""


def promote(
    project: Project,
    deployments: Deployments,
    version: Artefact,
    names: Sequence[str] = (),
    *,
    stage: Stage,
    share: float = 0.1,
    gate: Artefact | None,
    reason: str = "",
) -> list[Deployment]:
    """Have a version serve tasks at a stage, with the router that knows them and limits from its gate.

    Args:
        names: of tasks; all that passed unless given.
        gate: None promotes all the same, which the history shows.

    Raises:
        NotFound, UserError: see `Deployments.promote`; a project's expert cannot be replaced.
    """
    verdicts = verdicts_of(gate)
    chosen = list(names) or [task for task in tasks_of(version) if gate is None or verdicts[task]["passed"]]
    if not chosen:
        raise UserError(
            f"no task of {version.path.name} passed the gate",
            hint=f"{gate.path if gate else version.path} says why; --force promotes it all the same",
        )
    of_agent = of_planner(version)
    if of_agent:
        _check_planner(project, stage)
    router = router_of(version, deployments)
    found = []
    for task in chosen:
        options: dict[str, Any] = {
            "share": share,
            "gate": gate,
            "limits": limits_of(verdicts.get(task)),
            "router": None if verdicts.get(task, {}).get("home") else router,
            "reason": reason,
        }
        chosen_of(version, [task], gate)
        if stage == "full" and (of_agent or verdicts.get(task, {}).get("home")):
            install(project, version.path / place_of(version, task), version.sha256, deployments.folder)
        found += deployments.promote(version, [task], stage=stage, **options)
    return found


def rollback(
    project: Project, deployments: Deployments, task: str, *, reason: str, of: str = ""
) -> Deployment | None:
    """Give a task back to the one before; a project's own expert gets its files back.

    Args:
        of: only while this version serves it.

    Raises:
        NotFound: no version serves it, or what it replaced was not kept.
    """
    there = deployments.live().get(task)
    if there is not None and of in ("", there.version):
        uninstall(project, there.folder, there.version, deployments.folder)
    return deployments.rollback(task, reason=reason, of=of)


def _check_planner(project: Project, stage: Stage) -> None:
    """Refuse to promote a planner to where it would not plan."""
    if stage != "full":
        raise UserError(
            f"the planner has no stage {stage}: a second plan beside each would take as long as the first",
            hint="--stage full; the gate has tried it on plans that it did not learn from",
        )
    if not project.settings.is_default("planner"):
        raise UserError(
            f"the setting planner = {project.settings.planner!r} plans in place of agents/, so the version"
            " would not",
            hint="remove the setting, and promote it then",
        )


def next_stage(stage: Stage) -> Stage | None:
    """The stage after one; None after the last."""
    at = STAGES.index(stage) + 1
    return STAGES[at] if at < len(STAGES) else None


def limits_of(verdict: Mapping[str, Any] | None) -> Limits:
    """How bad it may go live, from what the gate saw: more would mean that requests have changed."""
    if not verdict or not verdict["served"]:
        return Limits()
    if verdict.get("limits"):
        return Limits(**verdict["limits"])
    usual = Limits()
    return Limits(
        escalated=round(min(0.95, 1 - verdict["coverage"] + _SLACK), 4),
        corrected=round(max(usual.corrected, 1 - verdict["precision"]), 4),
        disagreed=usual.disagreed,
    )


def verdicts_of(gate: Artefact | None) -> dict[str, dict[str, Any]]:
    """Task -> verdict; empty without a gate."""
    return {row["task"]: row for row in gate.report["tasks"]} if gate else {}


def gate_of(version: Artefact, deployments: Deployments) -> Artefact | None:
    """The newest gate that a version was tried in."""
    found = [
        gate
        for gate in map(Artefact.open, _folders(deployments, "gate"))
        if gate.inputs["train"] == version.sha256
    ]
    return max(found, key=lambda gate: (gate.created, gate.path.stat().st_mtime_ns), default=None)


def router_of(version: Artefact, deployments: Deployments) -> Artefact | None:
    """The `cluster` artefact that found a version's tasks; None for a project's own expert, which is asked by
    its name, and for the planner.

    Raises:
        NotFound: it is gone.
    """
    select = named(deployments.folder, version.inputs["select"])
    if select.parameters.get("expert") or select.parameters.get("agent"):
        return None
    return named(deployments.folder, select.inputs["cluster"])


def find(name: str, deployments: Deployments) -> tuple[Artefact, list[str]]:
    """What is meant by a name: a version (its folder or the beginning of its hash), or a task.

    Returns:
        The version and the names of tasks, none for all of them. Of a task it is the version that serves it
        at an earlier stage, else the newest that passed a gate, else the newest.

    Raises:
        NotFound: nothing has this name.
    """
    versions = [Artefact.open(path) for path in _folders(deployments, "train")]
    for version in versions:
        digest = version.sha256.removeprefix("sha256:")
        if version.path.name in (name, f"train-{name}") or (len(name) >= 8 and digest.startswith(name)):
            return version, []
    of_task = [
        (version, task)
        for version in versions
        for task, expert in tasks_of(version).items()
        if name in (task, expert)
    ]
    if not of_task:
        known = sorted({task for version in versions for task in tasks_of(version)})
        raise NotFound(f"no version or task {name!r}", hint=f"tasks: {', '.join(known) or 'none yet'}")
    live = deployments.live().get(of_task[0][1])

    def rank(found: tuple[Artefact, str]) -> tuple[bool, bool, str, int]:
        version, task = found
        serving = live is not None and live.stage != "full" and live.version == version.sha256
        passed = verdicts_of(gate_of(version, deployments)).get(task, {}).get("passed", False)
        return serving, passed, version.created, version.path.stat().st_mtime_ns

    version, task = max(of_task, key=rank)
    return version, [task]


def _folders(deployments: Deployments, step: str) -> list[Path]:
    return sorted(file.parent for file in deployments.folder.glob(f"{step}-*/{MANIFEST}"))
