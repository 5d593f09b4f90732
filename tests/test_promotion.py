"""Promotion and rollback: only what passed, whole files, byte for byte back, and no kill that matters."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from gated import Flywheel, flywheel, right

from speeddial.errors import NotFound, UserError
from speeddial.expert import Expert
from speeddial.flywheel.artefact import Artefact
from speeddial.flywheel.deployment import Deployments
from speeddial.flywheel.gate import Terms, gate
from speeddial.flywheel.installing import installed, toml
from speeddial.flywheel.promotion import find, gate_of, limits_of, next_stage, promote, rollback
from speeddial.flywheel.trials import trials
from speeddial.project import Project
from speeddial.record import Record

CARD = """
# A card of the project's, with a remark.
name = "play"
summary = "songs"
task = "Plays songs."
tools = ["play"]
model = "scripted"
when_to_call = ["play a song"]

[provenance]
data = "by hand"
"""


def tree(folder: Path) -> dict[str, str]:
    """Every file's path, mode and content."""
    return {
        file.relative_to(folder).as_posix(): f"{file.stat().st_mode:o} "
        + hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flywheel]:
    """Samples of the project's own expert `play`, and of an agent's tool `weather`."""
    root = tmp_path_factory.mktemp("project")
    own = root / "experts" / "play"
    (own / "data").mkdir(parents=True)
    (own / "card.toml").write_text(CARD, encoding="utf-8")
    (own / "prompt.md").write_text("You are play of old.\n", encoding="utf-8")
    (own / "data" / "cases.jsonl").write_text("{}\n", encoding="utf-8")
    with Record.open(root / "workspace" / ".speeddial" / "record.db") as record:
        yield flywheel(root, record, own=("play",))


@pytest.fixture
def wheel(story: Flywheel) -> Iterator[Flywheel]:
    """The story, with nobody promoted and the project's files as they were, after each test too."""
    kept = story.folder.parent / "kept"
    shutil.copytree(story.project.root / "experts", kept)
    yield story
    shutil.rmtree(story.project.root / "experts")
    kept.rename(story.project.root / "experts")
    (story.folder / "deployments.jsonl").unlink(missing_ok=True)


def gated(wheel: Flywheel, version: Artefact) -> Artefact:
    held = trials(wheel.project, wheel.record, version, Deployments(wheel.folder), Terms())
    # The project's own expert is an untuned scripted model that says whatever its contract admits.
    return asyncio.run(gate(wheel.project, version, held, wheel.folder))


def test_a_version_takes_the_place_of_the_projects_expert_and_gives_it_back(wheel: Flywheel) -> None:
    version = wheel.version("good", right)
    passed = gated(wheel, version)
    verdicts = {row["task"]: row for row in passed.report["tasks"]}
    assert verdicts["play"]["home"] and verdicts["play"]["incumbent"] == "experts/play"
    assert not verdicts["weather"]["home"] and verdicts["play"]["passed"]
    deployments, place = Deployments(wheel.folder), wheel.project.root / "experts" / "play"
    before = tree(place)
    promote(wheel.project, deployments, version, stage="shadow", gate=passed)
    assert tree(place) == before, "at shadow nothing is installed"
    found = promote(wheel.project, deployments, version, stage="full", gate=passed, reason="good")
    assert {one.task for one in found} == {"play", "weather"}
    routers = {one.task: one.router for one in found}
    assert routers == {"play": None, "weather": wheel.cluster.path}, "one's own expert is asked by its name"
    assert found[0].limits == limits_of(verdicts["play"])
    expert = Project.load(wheel.project.root).experts["play"]
    assert expert.model == "scripted:good" and expert.threshold == 0.5 and expert.calibration is not None
    assert (expert.summary, expert.when_to_call) == ("songs", ("play a song",)), "the rest of the card stays"
    assert not expert.is_stale(wheel.project.tools) and expert.prompt == "You are play."
    assert installed(place)["version"] == version.sha256
    assert not (wheel.project.root / "experts" / "weather").exists()
    assert rollback(wheel.project, deployments, "play", reason="worse") is None
    assert tree(place) == before
    assert [path.name for path in place.parent.iterdir()] == ["play"], "nothing is left beside it"


def test_one_version_after_another_and_back_again(wheel: Flywheel) -> None:
    one, two = wheel.version("good", right), wheel.version("better", right)
    deployments, place = Deployments(wheel.folder), wheel.project.root / "experts" / "play"
    before = tree(place)
    promote(wheel.project, deployments, one, ["play"], stage="full", gate=gated(wheel, one))
    first = tree(place)
    second = gated(wheel, two)
    assert second.report["tasks"][0]["incumbent"] == f"the version before ({one.path.name})"
    promote(wheel.project, deployments, two, ["play"], stage="full", gate=second)
    assert Expert.from_card(place / "card.toml").model == "scripted:better"
    back = rollback(wheel.project, deployments, "play", reason="worse")
    assert back is not None and back.version == one.sha256 and tree(place) == first
    rollback(wheel.project, deployments, "play", reason="worse", of=two.sha256)
    assert tree(place) == first, "it is not that version that serves"
    rollback(wheel.project, deployments, "play", reason="worse")
    assert tree(place) == before


def test_what_did_not_pass_is_not_promoted(wheel: Flywheel) -> None:
    version = wheel.version("unlicensed", right, licence="unknown")
    refused, place = gated(wheel, version), wheel.project.root / "experts" / "play"
    before = tree(place)
    deployments = Deployments(wheel.folder)
    with pytest.raises(UserError, match=r"no task of train-.* passed the gate"):
        promote(wheel.project, deployments, version, stage="shadow", gate=refused)
    with pytest.raises(UserError, match="play did not pass the gate: the licence"):
        promote(wheel.project, deployments, version, ["play"], stage="full", gate=refused)
    assert tree(place) == before and deployments.live() == {}
    (forced,) = promote(
        wheel.project, deployments, version, ["play"], stage="full", gate=None, reason="by hand"
    )
    assert forced.gate == "" and deployments.history()[-1].reason == "by hand"
    assert tree(place) == before, "what no gate tried takes nobody's place"


def test_a_name_means_a_version_or_a_task(wheel: Flywheel) -> None:
    deployments = Deployments(wheel.folder)
    good = wheel.version("good", right)
    tried = gated(wheel, good)
    for gone in wheel.folder.glob("gate-*"):
        if gone != tried.path:
            shutil.rmtree(gone)
    wheel.version("newest and untried", right)
    assert find("play", deployments) == (good, ["play"]), "the newest that passed a gate"
    assert find(good.path.name, deployments) == (good, [])
    assert find(good.sha256.removeprefix("sha256:")[:12], deployments) == (good, [])
    assert gate_of(good, deployments) == tried
    with pytest.raises(NotFound, match="tasks: play, weather"):
        find("mail", deployments)
    assert [next_stage(stage) for stage in ("shadow", "canary", "full")] == ["canary", "full", None]


def test_a_card_is_written_as_toml_reads_it() -> None:
    import tomllib

    values = {
        "text": 'say "hi"\n\tü \x7f \\',
        "number": 0.25,
        "flag": True,
        "list": ["a", "b"],
        "table": {"x": 1, "deep": {"y z": "w"}},
    }
    assert tomllib.loads(toml(values)) == values


PROMOTES = """
    import os, signal, sys
    from pathlib import Path
    from speeddial.flywheel.artefact import Artefact, FOLDER
    from speeddial.flywheel.deployment import Deployments
    from speeddial.flywheel.promotion import promote, rollback
    from speeddial.project import Project

    root, folder, version, gate, what, after = sys.argv[1:]
    project, deployments = Project.load(Path(root)), Deployments(Path(folder))
    left = int(after)

    def boundary(event, arguments):
        # Every call that changes a file or a folder is one: open for writing, rename, mkdir, rmdir, remove.
        global left
        changes = event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.truncate")
        # Creates are seen by their flags; renameat2 by the call into the C library.
        changes = changes or (event == "open" and isinstance(arguments[2], int) and arguments[2] & 0o101)
        changes = changes or event == "ctypes.call_function" or event == "ctypes.dlsym"
        if changes and str(arguments[0]).find("__pycache__") < 0:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(boundary)
    if what == "promote":
        promote(project, deployments, Artefact.open(Path(version)), ["play"], stage="full",
                gate=Artefact.open(Path(gate)))
    else:
        rollback(project, deployments, "play", reason="worse", of=Artefact.open(Path(version)).sha256)
"""


def test_killed_anywhere_in_between_the_same_command_does_the_rest(wheel: Flywheel, tmp_path: Path) -> None:
    version = wheel.version("good", right)
    passed, place = gated(wheel, version), wheel.project.root / "experts" / "play"
    before = tree(place)
    source = str(Path(__file__).parent.parent / "src")

    def run(what: str, after: int) -> int:
        command = [sys.executable, "-c", textwrap.dedent(PROMOTES), str(wheel.project.root)]
        command += [str(wheel.folder), str(version.path), str(passed.path), what, str(after)]
        environment = {**os.environ, "PYTHONPATH": source}
        return subprocess.run(command, env=environment, timeout=60).returncode

    promote(wheel.project, Deployments(wheel.folder), version, ["play"], stage="full", gate=passed)
    after = tree(place)
    rollback(wheel.project, Deployments(wheel.folder), "play", reason="worse")
    kills = {"promote": 0, "rollback": 0}
    for what, wanted in (("promote", after), ("rollback", before)):
        for number in range(1, 40, 3):
            code = run(what, number)
            assert tree(place) in (before, after), f"{what}: half of it after {number}"
            if code == 0:
                break
            assert code == -signal.SIGKILL
            kills[what] += 1
        else:
            assert run(what, 10_000) == 0
        assert tree(place) == wanted
        assert ("play" in Deployments(wheel.folder).live()) == (what == "promote")
    assert min(kills.values()) >= 3, kills
