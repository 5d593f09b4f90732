"""Watching versions live, from the record alone: the bad go back by themselves, the good go on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from gated import ARGUMENTS, TOOLS, Flywheel, flywheel, right

from speeddial.flywheel.artefact import Artefact, made
from speeddial.flywheel.deployment import Deployments, Limits
from speeddial.flywheel.watch import Rate, Watched, watch
from speeddial.record import Record
from speeddial.server.recording import WORKFLOW


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flywheel]:
    root = tmp_path_factory.mktemp("project")
    with Record.open(root / "workspace" / ".speeddial" / "record.db") as record:
        yield flywheel(root, record, count=90)


@pytest.fixture
def deployments(story: Flywheel) -> Iterator[Deployments]:
    yield Deployments(story.folder)
    (story.folder / "deployments.jsonl").unlink(missing_ok=True)


def passed(wheel: Flywheel, version: Artefact) -> Artefact:
    """A gate that let everything pass; what it saw is not what these tests are about."""
    rows = [
        {"task": task, "passed": True, "reason": "", "served": 99, "coverage": 0.9, "precision": 0.97}
        for task in ARGUMENTS
    ]
    return made(wheel.folder, "gate", {"train": version.sha256}, {}, lambda draft: {"tasks": rows})


def exchange(
    wheel: Flywheel,
    *,
    stage: str,
    served: bool,
    agree: bool = True,
    confidence: float = 0.9,
    task: str = "play",
    version: str = "",
    why: str = "unsure",
) -> int:
    """A run as the proxy writes it; gives the specialist's decode."""
    record = wheel.record
    there = Deployments(wheel.folder).live().get(task)
    about = {"task": task, "stage": stage, "version": version or (there.version if there else "")}
    about |= {"served_by": task} if served else {"served_by": "large model", "why": why}
    run = record.begin_run("play x", workflow=WORKFLOW, settings=about)
    call = {"name": task, "arguments": {ARGUMENTS[task]: "x"}}
    other = {"name": task, "arguments": {ARGUMENTS[task]: "y"}}

    def decode(expert: str, said: dict[str, Any], sure: float | None, reason: str = "") -> int:
        row = record.start_interaction(
            run, "model", expert=expert, model=expert or "large", reason=reason, tools=TOOLS, messages=[]
        )
        record.finish_interaction(row, "exact", raw=json.dumps(said), parsed=said, confidence=sure)
        return row

    own = 0
    if stage == "shadow":
        decode("", call, None)
        record.finish_run(run, "done")
        return decode(task, call if agree else other, confidence, "shadow")
    if served or why == "unsure":
        own = decode(task, call, confidence)
    if not served:
        decode("", call, None)
    record.finish_run(run, "done")
    return own


def look(wheel: Flywheel, deployments: Deployments, **options: Any) -> Watched:
    (found,) = [
        row for row in watch(wheel.project, wheel.record, deployments, **options) if row.task == "play"
    ]
    return found


def test_bounds_are_clopper_and_pearsons() -> None:
    # Of 10 none: 1 - 0.01 ** (1 / 10); the exact one-sided bound of 99 %.
    assert Rate.counted("corrected", 0, 10, 0.1).high == pytest.approx(1 - 0.01**0.1, abs=1e-4)
    assert Rate.counted("corrected", 10, 10, 0.1).low == pytest.approx(0.01**0.1, abs=1e-4)
    nothing = Rate.counted("corrected", 0, 0, 0.1)
    assert (nothing.low, nothing.high) == (0.0, 1.0)


def test_a_good_shadow_goes_on_when_it_has_shown_enough(story: Flywheel, deployments: Deployments) -> None:
    version = story.version("good", right)
    deployments.promote(version, ["play"], stage="shadow", gate=passed(story, version))
    for number in range(20):
        exchange(story, stage="shadow", served=False, agree=number != 3)
    waiting = look(story, deployments, auto=True)
    assert (waiting.state, waiting.asked, waiting.served) == ("waiting", 20, 20)
    assert deployments.live()["play"].stage == "shadow"
    for number in range(100):
        exchange(story, stage="shadow", served=False, confidence=0.2 if number < 10 else 0.9)
    told = look(story, deployments)
    assert told.state == "ready" and "speeddial promote play --stage canary" in told.reason
    assert (told.asked, told.served) == (120, 110) and told.rates[1].bad == 1
    assert deployments.live()["play"].stage == "shadow", "without --auto it only says so"
    assert look(story, deployments, auto=True).state == "advanced"
    live = deployments.live()["play"]
    assert live.stage == "canary" and live.gate and "disagreed 1 of 110" in live.reason
    assert look(story, deployments).asked == 0, "what was counted in shadow does not count at canary"


def test_what_was_forced_goes_on_by_hand_only(story: Flywheel, deployments: Deployments) -> None:
    deployments.promote(story.version("good", right), ["play"], stage="shadow", gate=None)
    for _ in range(100):
        exchange(story, stage="shadow", served=False)
    assert look(story, deployments, auto=True).state == "ready"
    assert deployments.live()["play"].stage == "shadow"


def test_a_shadow_that_differs_is_taken_off(story: Flywheel, deployments: Deployments) -> None:
    version = story.version("good", right)
    deployments.promote(version, ["play"], stage="shadow", gate=None, limits=Limits(disagreed=0.1))
    for number in range(60):
        exchange(story, stage="shadow", served=False, agree=number % 3 != 0)
    told = look(story, deployments)
    assert told.state == "rolled back" and told.reason.startswith("disagreed 20 of 60")
    assert deployments.live() == {}


def test_a_live_expert_that_people_correct_is_rolled_back(story: Flywheel, deployments: Deployments) -> None:
    """The version before serves again, by itself, with the numbers as the reason."""
    before, worse = story.version("good", right), story.version("worse", right)
    deployments.promote(before, ["play"], stage="full", gate=None)
    deployments.promote(worse, ["play"], stage="full", gate=None, limits=Limits(corrected=0.05))
    rows = [exchange(story, stage="full", served=True) for _ in range(60)]
    assert look(story, deployments).state == "steady"
    for row in rows[:10]:
        corrected = {"name": "play", "arguments": {"song": "z"}}
        story.record.feedback.correct(row, corrected, by="ann")
    only_told = look(story, deployments, act=False)
    assert only_told.state == "rolled back" and deployments.live()["play"].version == worse.sha256
    told = look(story, deployments)
    assert (told.version, told.state) == (worse.sha256, "rolled back")
    assert deployments.live()["play"].version == before.sha256
    assert look(story, deployments).asked == 0, "what the worse one did is not held against the one before"
    last = deployments.history("play")[-1]
    assert last.kind == "rolled_back" and "corrected 10 of 60" in last.reason and "limit 5.0%" in last.reason


def test_a_live_expert_that_is_rarely_sure_is_rolled_back(story: Flywheel, deployments: Deployments) -> None:
    version = story.version("good", right)
    deployments.promote(version, ["play"], stage="canary", share=0.5, gate=None, limits=Limits(escalated=0.3))
    for number in range(80):
        exchange(story, stage="canary", served=number % 2 == 0)
        exchange(story, stage="canary", served=False, why="conversation")
        exchange(story, stage="full", served=True, version="another")
        exchange(story, stage="canary", served=False, task="weather")
    told = look(story, deployments)
    assert (told.asked, told.served, told.state) == (80, 40, "rolled back")
    assert "escalated 40 of 80" in told.reason and deployments.live() == {}


def test_chance_alone_rolls_nothing_back(story: Flywheel, deployments: Deployments) -> None:
    """Worse than the limit, and not shown to be: five escalations of ten where 30 % are allowed."""
    version = story.version("good", right)
    deployments.promote(version, ["play"], stage="full", gate=None, limits=Limits(escalated=0.3))
    for number in range(10):
        exchange(story, stage="full", served=number % 2 == 0)
    assert look(story, deployments).state == "steady"
