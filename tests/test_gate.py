"""The gate: what is as good as the incumbent passes, all else is refused and told why.

The specialists are scripted models that answer from the labels as well as each test tells them; samples,
artefacts, router, call path and record are the real ones.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gated import TOOLS, Flywheel, definition, flywheel, keep, right, wrong
from hypothesis import given
from hypothesis import strategies as st

from speeddial.errors import UserError
from speeddial.flywheel.artefact import WORK, Artefact
from speeddial.flywheel.calibrate import bound
from speeddial.flywheel.deployment import Deployments
from speeddial.flywheel.gate import LARGE, WRONG, Terms, Verdict, decided, gate, same
from speeddial.flywheel.trials import trials
from speeddial.models.scripted import Reply
from speeddial.record import Record


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flywheel]:
    root = tmp_path_factory.mktemp("project")
    with Record.open(root / "workspace" / ".speeddial" / "record.db") as record:
        yield flywheel(root, record)


def tried(
    wheel: Flywheel,
    version: Artefact,
    terms: Terms | None = None,
    deployments: Deployments | None = None,
) -> dict[str, Any]:
    """Task -> verdict."""
    terms = terms or Terms()
    held = trials(wheel.project, wheel.record, version, deployments or Deployments(wheel.folder), terms)
    made = asyncio.run(gate(wheel.project, version, held, wheel.folder, terms))
    return {row["task"]: row for row in made.report["tasks"]}


def some(text: str, share: float) -> bool:
    """Chosen by the text alone, so that a run again chooses the same."""
    return zlib.crc32(text.encode()) / 2**32 < share


def test_a_specialist_as_good_as_the_large_model_passes(wheel: Flywheel) -> None:
    verdicts = tried(wheel, wheel.version("good", right))
    assert set(verdicts) == {"play", "weather"}
    for verdict in verdicts.values():
        assert verdict["passed"], verdict
        assert verdict["cases"] >= 99 and verdict["served"] == verdict["right"] > 0.9 * verdict["cases"]
        assert verdict["incumbent"] == "the large model" and verdict["losses"] == 0
        assert verdict["precision"] > 0.96 and verdict["bound"] >= -0.03
        assert "95% sure" in verdict["reason"]


def test_unsure_answers_are_the_incumbents_and_wrong_ones_are_shown(wheel: Flywheel) -> None:
    def unsure(text: str, call: dict[str, Any]) -> Reply:
        return wrong(call, 0.4) if some(text, 0.2) else right(text, call)

    verdict = tried(wheel, wheel.version("unsure", unsure))["play"]
    assert verdict["passed"] and 0.7 < verdict["coverage"] < 0.9
    assert verdict["system_right"] == verdict["incumbent_right"] == verdict["cases"]


def test_where_a_task_serves_too_few_to_tell_those_of_its_version_count(wheel: Flywheel) -> None:
    def rarely(wrong_ones: float) -> Any:
        def answer(text: str, call: dict[str, Any]) -> Reply:
            if call["name"] == "weather" and not some(text, 0.3):
                return wrong(call, 0.4)
            return (
                wrong(call, 0.99) if call["name"] == "play" and some(text, wrong_ones) else right(text, call)
            )

        return answer

    good, bad = (
        tried(wheel, wheel.version(name, rarely(share)))
        for name, share in (("rarely", 0.0), ("rarely-wrong", 0.1))
    )
    assert 0 < good["weather"]["served"] < 70 and good["weather"]["pooled"] and good["weather"]["passed"]
    assert "of all that its version serves" in good["weather"]["reason"] and not good["play"]["pooled"]
    assert bad["weather"]["served"] == bad["weather"]["right"] and not bad["weather"]["passed"]


def among(own: tuple[int, int], others: int, terms: Terms) -> Verdict:
    """The verdict on a task that served so many and had so many right, beside others that are all right."""
    verdicts = [
        Verdict(
            task=name,
            expert=name,
            passed=True,
            reason="",
            incumbent=LARGE,
            threshold=0.5,
            cases=served,
            served=served,
            right=good,
            precision=bound(good, served, terms.sure) if served else 0.0,
            margin=terms.margin,
            bound=0.0,
        )
        for name, served, good in (("own", *own), ("others", others, others))
    ]
    return decided(verdicts, terms)[0]


@given(served=st.integers(1, 300), others=st.integers(0, 2000))
def test_one_more_right_answer_never_makes_a_task_fail(served: int, others: int) -> None:
    terms = Terms(margin=0.05)
    found = [among((served, right), others, terms).passed for right in range(max(0, served - 20), served + 1)]
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("own", "others", "passes", "pooled"),
    [
        ((75, 75), 0, True, False),
        ((69, 68), 1000, True, True),  # 98.6 %, and as likely as not 99
        ((69, 68), 0, False, True),
        ((11, 11), 1000, True, True),
        ((33, 29), 1000, False, False),  # these rule 99 % out
        ((300, 285), 2000, False, False),
    ],
)
def test_others_help_a_task_that_tells_too_little_and_none_that_tells_the_contrary(
    own: tuple[int, int], others: int, passes: bool, pooled: bool
) -> None:
    verdict = among(own, others, Terms(margin=0.05))
    assert (verdict.passed, verdict.pooled) == (passes, pooled)


def test_what_is_often_wrong_is_refused_and_people_can_look_at_it(wheel: Flywheel) -> None:
    def worse(text: str, call: dict[str, Any]) -> Reply:
        return wrong(call, 0.99) if call["name"] == "play" and some(text, 0.1) else right(text, call)

    version = wheel.version("worse", worse)
    verdicts = tried(wheel, version)
    assert verdicts["weather"]["passed"] and not verdicts["play"]["passed"]
    assert "where 96.0% is asked for" in verdicts["play"]["reason"]
    made = next(path for path in wheel.folder.glob("gate-*") if _of(path, version))
    rows = [json.loads(line) for line in (made / WRONG).read_text(encoding="utf-8").splitlines()]
    assert len(rows) == verdicts["play"]["served"] - verdicts["play"]["right"] > 0
    assert {row["task"] for row in rows} == {"play"} and rows[0]["answered"] != rows[0]["expected"]


def test_a_version_worse_than_the_one_before_is_refused(wheel: Flywheel, tmp_path: Path) -> None:
    """Right where it answers, but it answers what the one before had right and it has wrong."""
    good = wheel.version("good", right)

    def slightly(text: str, call: dict[str, Any]) -> Reply:
        return wrong(call, 0.9) if some(text, 0.06) else right(text, call)

    deployments = Deployments(wheel.folder)
    deployments.promote(good, ["weather"], stage="full", gate=None, reason="test")
    try:
        terms = Terms(precision=0.85, margin=0.05)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("speeddial.flywheel.trials._calibration", lambda expert, terms: "")
            verdict = tried(wheel, wheel.version("slightly", slightly), terms, deployments)["weather"]
    finally:
        deployments.rollback("weather", reason="test")
    assert verdict["incumbent"].startswith("the version before (train-")
    assert not verdict["passed"] and verdict["losses"] > 0
    assert "not worse than the version before" in verdict["reason"] and "is allowed" in verdict["reason"]


def test_a_poisoned_task_is_refused(wheel: Flywheel) -> None:
    """Where samples contradict each other no confidence stands for right answers, which calibration says."""
    verdict = tried(wheel, wheel.version("poisoned", right, calibrated=False))["play"]
    assert not verdict["passed"] and "samples contradict each other" in verdict["reason"]
    assert verdict["served"] == 0


def test_a_version_of_unknown_licence_is_refused(wheel: Flywheel) -> None:
    verdict = tried(wheel, wheel.version("unlicensed", right, licence="unknown"))["play"]
    assert not verdict["passed"] and "licence" in verdict["reason"]


def test_too_few_samples_tell_nothing(wheel: Flywheel) -> None:
    version = wheel.version("good", right)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("speeddial.flywheel.trials._calibration", lambda expert, terms: "")
        verdict = tried(wheel, version, Terms(margin=0.005))["play"]
    assert not verdict["passed"] and "598 at least" in verdict["reason"]


def test_a_schema_that_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    with Record.open(tmp_path / "workspace" / ".speeddial" / "record.db") as record:
        wheel = flywheel(tmp_path, record)
        version = wheel.version("good", right)
        changed = {**definition("play"), "parameters": {"type": "object", "properties": {"title": {}}}}
        run = record.begin_run("play x", workflow="proxy")
        record.start_interaction(run, "model", model="large", messages=[], tools=[changed, TOOLS[1]])
        verdicts = tried(wheel, version)
    assert "the schema of play changed" in verdicts["play"]["reason"] and not verdicts["play"]["passed"]
    assert verdicts["weather"]["passed"]


def test_what_people_corrected_counts_against_the_large_model(tmp_path: Path) -> None:
    with Record.open(tmp_path / "workspace" / ".speeddial" / "record.db") as record:
        for number in range(60):
            song = f"elm oak {number}"
            said = keep(record, f"play {song}", {"name": "play", "arguments": {"song": "oak"}})
            record.feedback.correct(said, {"name": "play", "arguments": {"song": song}}, by="ann")
        wheel = flywheel(tmp_path, record)
        verdict = tried(wheel, wheel.version("good", right))["play"]
    assert verdict["gains"] == verdict["cases"] - verdict["incumbent_right"] > 5
    assert verdict["passed"] and verdict["bound"] == 0


def test_terms_that_are_none_are_refused() -> None:
    with pytest.raises(UserError, match="margin"):
        Terms(margin=0)


def test_calls_are_equal_whatever_their_order() -> None:
    one = [{"name": "a", "arguments": {"x": 1, "y": 2}}, {"name": "b", "arguments": {}}]
    assert same(one, [{"arguments": {}, "name": "b"}, {"arguments": {"y": 2, "x": 1}, "name": "a"}])
    assert not same(one, one[:1])


GATES = """
    import asyncio, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from gated import answering, right
    from speeddial.flywheel.artefact import Artefact, FOLDER, newest
    from speeddial.flywheel.deployment import Deployments
    from speeddial.flywheel.gate import Terms, gate
    from speeddial.flywheel.sample import read_samples
    from speeddial.flywheel.trials import trials
    from speeddial.models.scripted import Scripted
    from speeddial.project import Project
    from speeddial.record import Record

    root = Path(sys.argv[1])
    project = Project.load(root)
    with Record.open(root / "workspace/.speeddial/record.db") as record:
        folder = record.folder / FOLDER
        samples = read_samples(newest(folder, "curate").file("kept.jsonl"))
        labels = {sample.request: sample.calls[0] for sample in samples}
        def say(request):
            text, task = request.messages[-1].content, request.messages[0].content.partition("\\n")[0]
            print(f"{task} {text}", flush=True)
            return answering(right, labels, text, task)
        Scripted.register("good", say)
        version = newest(folder, "train")
        held = trials(project, record, version, Deployments(folder), Terms(margin=0.05))
        made = asyncio.run(gate(project, version, held, folder, Terms(margin=0.05)))
        print("made", made.path.name, flush=True)
"""


@pytest.mark.slow
def test_killed_and_run_again_nothing_is_asked_twice(tmp_path: Path) -> None:
    with Record.open(tmp_path / "workspace" / ".speeddial" / "record.db") as record:
        wheel = flywheel(tmp_path, record, count=300, test=2)
        wheel.version("good", right)
    here = Path(__file__).parent
    command = [sys.executable, "-c", textwrap.dedent(GATES), str(tmp_path), str(here)]
    environment = {**os.environ, "PYTHONPATH": str(here.parent / "src")}
    asked: list[str] = []
    for kill_after in (5, 40, 0):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        for _ in range(kill_after):
            asked.append(process.stdout.readline().strip())
        if kill_after:
            process.send_signal(signal.SIGKILL)
        lines = process.communicate(timeout=100)[0].splitlines()
        asked += lines
        assert process.returncode == (-signal.SIGKILL if kill_after else 0)
    (made,) = wheel.folder.glob("gate-*")
    assert asked.pop() == f"made {made.name}"
    # The one that was asked when it was killed may be asked again, and no other.
    assert len(asked) - len(set(asked)) <= 2
    assert all(row["passed"] for row in Artefact.open(made).report["tasks"])
    assert len(list((wheel.folder / WORK).glob("gate-*.jsonl"))) == 1


def _of(path: Path, version: Artefact) -> bool:
    return Artefact.open(path).inputs["train"] == version.sha256
