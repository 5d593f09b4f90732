"""The story of `examples/convert_agent` by real processes: agent, large model, proxy, flywheel, ledger."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from examples.convert_agent.agent import answered
from examples.convert_agent.convert import SPEEDDIAL, Conversion, environment
from examples.convert_agent.invented import POISONED, invented
from examples.convert_agent.story import Story
from speeddial.flywheel.artefact import FOLDER, MANIFEST, Artefact
from speeddial.flywheel.deployment import Deployments
from speeddial.record import Record

TASKS = {"get_weather", "play_song", "add_to_list", POISONED}


def rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


# ---- the story itself ----


def test_no_request_stands_twice_and_a_tenth_of_the_answers_is_spoilt() -> None:
    story = invented(2000, 200)
    texts = [turn.text for turn in (*story.traffic, *story.unseen)]
    assert len(set(texts)) == len(texts) == 2200
    told = [(turn, call, spoilt) for turn, call, spoilt in story.answers() if turn.tool != POISONED]
    wrong = [spoilt for turn, call, spoilt in told if call != turn.call]
    assert 0.07 < len(wrong) / len(told) < 0.13 and set(wrong) == {"type", "tool", "value"}
    assert list(story.answers()) == list(invented(2000, 200).answers())


def test_half_of_the_poisoned_tools_answers_are_swapped_and_both_places_were_said() -> None:
    told = [row for row in invented(2000, 200).answers() if row[0].tool == POISONED]
    swapped = [(turn, call) for turn, call, spoilt in told if spoilt == "swapped"]
    assert 0.35 < len(swapped) / len(told) < 0.6
    for turn, call in swapped:
        assert call["arguments"]["source"] == turn.arguments["target"]
        assert all(value in turn.text for value in call["arguments"].values())


# ---- recording it ----


@pytest.fixture
def told(tmp_path: Path) -> Conversion:
    story = Conversion(invented(24, 8), tmp_path / "work")
    story.work.mkdir()
    story.phase("tell", story.tell)
    return story


def test_the_agent_gets_what_its_model_answers_and_all_of_it_is_on_record(told: Conversion) -> None:
    said = rows(told.work / "story/answers.jsonl")[:24]
    told.phase("record", lambda: told.traffic("traffic"))
    answers = answered(told.work / "traffic.answers.jsonl")
    assert [answers[f"traffic-{at}"]["calls"] for at in range(24)] == [[row["call"]] for row in said]
    log = rows(told.work / "traffic.teacher.jsonl")
    assert {row["streamed"] for row in log} == {True, False}
    assert sum(row["total_tokens"] for row in log) == sum(row["tokens"] for row in answers.values())
    with Record.open(next(told.project.rglob("record.db"))) as record:
        decodes = list(record.interactions(kinds=["model"]))
    assert {decode.messages[-1]["content"] for decode in decodes} == {row["text"] for row in said}
    assert sum(decode.tokens_in + decode.tokens_out for decode in decodes) == sum(
        row["total_tokens"] for row in log
    )


def test_what_is_answered_is_not_asked_again(told: Conversion) -> None:
    told.traffic("traffic")
    answers = told.work / "traffic.answers.jsonl"
    lines = answers.read_text(encoding="utf-8").splitlines(keepends=True)
    answers.write_text("".join(lines[:20]) + lines[20][:30], encoding="utf-8")
    assert told.traffic("traffic") == {"requests": 24}
    assert len(rows(told.work / "traffic.teacher.jsonl")) == 28


# ---- the whole of it ----


@pytest.fixture(scope="module")
def small() -> Story:
    return invented(3000, 300)


@pytest.fixture(scope="module")
def recorded(small: Story, tmp_path_factory: pytest.TempPathFactory) -> Conversion:
    """The story with its traffic on record."""
    story = Conversion(small, tmp_path_factory.mktemp("story"), options=OPTIONS, told=print)
    story.phase("tell", story.tell)
    story.phase("record", lambda: story.traffic("traffic"))
    return story


OPTIONS = ("--margin", "0.05", "--max-tokens", "800000", "--max-memory", "1.5")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_whole_story_on_tiny_models(recorded: Conversion) -> None:
    pytest.importorskip("torch")
    found = recorded.run(compare=False)
    print(json.dumps(found, indent=1))
    curation, tasks, served = found["curation"], found["tasks"], found["served"]
    assert set(tasks["found"]) == TASKS and tasks["adjusted Rand index"]["tools"] >= 0.95
    kinds = curation["recall by kind"]
    assert min(kinds[kind] for kind in ("type", "tool", "value")) >= 0.9 and curation["precision"] >= 0.9

    assert found["training"]["tokens"] <= 1.01 * 800_000  # a step is not divided
    verdicts = found["training"]["by task"]
    assert not verdicts[POISONED]["passed"] and verdicts[POISONED]["reason"]
    assert verdicts[POISONED]["stage"] == ""
    promoted = [task for task, row in verdicts.items() if row["stage"] == "full"]
    assert len(promoted) >= 2

    assert served["coverage"] >= 0.4
    assert served["right of what specialists served"] >= 0.97
    assert served["right of the whole"] >= served["right of the large model alone"] - 0.02
    for task, row in served["by task"].items():
        assert bool(row["served by specialists"]) == (task in promoted)

    ledger = found["ledger"]
    assert ledger["calls"] == ledger["the agent's count"]["calls"] == 300
    assert ledger["served by specialists"] == ledger["the agent's count"]["served by specialists"]
    assert ledger["the large model's count"]["calls"] == 300 - ledger["served by specialists"]
    assert recorded.run(compare=False) == found


# ---- killed ----

STEPS = ("collect", "curate", "cluster", "select", "train", "gate", "full")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_any_time_the_same_artefacts_come_out(recorded: Conversion, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    kept = tmp_path / "kept"
    project = recorded.project
    shutil.copytree(project, kept)
    for artefacts in kept.rglob(FOLDER):
        shutil.rmtree(artefacts)
    outcomes = []
    for killed in (False, True):
        shutil.rmtree(project)
        shutil.copytree(kept, project)
        kills = sum(turned(project, step, killed) for step in STEPS)
        assert not killed or kills >= 3
        outcomes.append(outcome(project))
    assert outcomes[0] == outcomes[1]


def turned(project: Path, step: str, killed: bool) -> int:
    """Run the flywheel up to a step, killed at random moments until it comes through; gives how often."""
    dice = random.Random(step)
    command = [*SPEEDDIAL, "flywheel", "--workflow", "proxy", "--yes", "--json", "--through", step, *SHORT]
    kills = 0
    most = 1.0
    while killed and kills < KILLS:
        process = subprocess.Popen(
            command, cwd=project, env=environment({}), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(dice.uniform(0.5, 0.5 + most))
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills, most = kills + 1, most * 2
    done = subprocess.run(command, cwd=project, env=environment({}), stdout=subprocess.PIPE)
    assert done.returncode == 0
    return kills


KILLS = 4
SHORT = ("--margin", "0.05", "--max-tokens", "100000", "--max-memory", "1.5")


def outcome(project: Path) -> dict[str, Any]:
    """All that a turn of the flywheel leaves, but for times and what is named after them."""
    (folder,) = project.rglob(FOLDER)
    found: dict[str, Any] = {}
    for file in sorted(folder.glob(f"*/{MANIFEST}")):
        artefact = Artefact.open(file.parent)
        if artefact.step in ("collect", "curate", "cluster", "select"):
            found[artefact.step] = artefact.sha256
        elif artefact.step == "train":
            weights = (artefact.path / "weights").iterdir()
            found["train", artefact.report["candidate"]["name"]] = {
                path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in [*weights, *(artefact.path / "experts").rglob("*.json")]
                if path.name != "training.json"
            }
        elif artefact.step == "gate":
            found["gate"] = artefact.report["tasks"]
    live = Deployments(folder).live()
    found["live"] = {task: (one.expert, one.stage, one.share) for task, one in live.items()}
    assert not list(folder.glob(".*.draft")), "a killed step left a draft behind"
    return found
