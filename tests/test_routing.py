"""The router is on trial beside the one that serves: one that finds tasks worse holds its versions back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gated import Flywheel, flywheel, right

from speeddial.flywheel.artefact import Artefact, made
from speeddial.flywheel.cluster import ASSIGNED
from speeddial.flywheel.deployment import Deployments
from speeddial.flywheel.gate import Terms
from speeddial.flywheel.trials import trials
from speeddial.record import Record

TERMS = Terms(margin=0.1)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flywheel]:
    root = tmp_path_factory.mktemp("project")
    with Record.open(root / "workspace" / ".speeddial" / "record.db") as record:
        yield flywheel(root, record, count=240)


def next_conversion(story: Flywheel, swapped: int) -> Flywheel:
    """Another one on the same samples, in which every so manieth to learn from has the other task's name."""
    tasks: dict[str, str] = json.loads(story.cluster.file(ASSIGNED).read_text(encoding="utf-8"))
    plan = json.loads(story.select.file("plan.json").read_text(encoding="utf-8"))
    learnt = sorted(name for row in plan["tasks"] for name in row["train"])
    other = {"play": "weather", "weather": "play"}
    told = tasks | {name: other[tasks[name]] for name in (learnt[::swapped] if swapped else ())}

    def cluster(draft: Path) -> dict[str, Any]:
        (draft / ASSIGNED).write_text(json.dumps(told), encoding="utf-8")
        return {}

    def select(draft: Path) -> dict[str, Any]:
        (draft / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        return {}

    about, curated = {"swapped": swapped, "next": True}, story.cluster.inputs["curate"]
    clustered = made(story.folder, "cluster", {"curate": curated}, about, cluster)
    inputs = {"curate": curated, "cluster": clustered.sha256}
    return replace(story, cluster=clustered, select=made(story.folder, "select", inputs, about, select))


def routing_of(story: Flywheel, version: Artefact, deployments: Deployments) -> tuple[Any, str]:
    (play, _) = trials(story.project, None, version, deployments, TERMS)
    return play.routing, play.obstacle


def test_a_router_that_finds_tasks_worse_holds_its_versions_back(story: Flywheel) -> None:
    deployments = Deployments(story.folder)
    first = story.version("first", right)
    assert routing_of(story, first, deployments) == (None, ""), "nothing routes yet"
    deployments.promote(first, stage="full", gate=None, router=story.cluster)
    same = story.version("same", right)
    assert routing_of(story, same, deployments) == (None, ""), "it is the router that serves"

    good = next_conversion(story, 0)
    routing, obstacle = routing_of(good, good.version("good", right), deployments)
    assert routing["passed"] and routing["right"] == routing["incumbent_right"] and not obstacle
    assert routing["incumbent"] == story.cluster.path.name

    poisoned = next_conversion(story, 1)
    routing, obstacle = routing_of(poisoned, poisoned.version("poisoned", right), deployments)
    assert not routing["passed"] and routing["losses"] > routing["gains"]
    assert obstacle.startswith("its router is not shown to be as good as the one before")
