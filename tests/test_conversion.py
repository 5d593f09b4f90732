"""All steps in one: the smallest candidate that passes wins each task, and a kill costs nothing.

Training is played: `Steps.train` leaves versions served by scripted models. All other steps are real.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gated import PHRASES, Flywheel, flywheel, keep, right, wrong

from speeddial.errors import UserError
from speeddial.flywheel.artefact import WORK, Artefact, made
from speeddial.flywheel.conversion import BEGUN, Converted, Limits, convert, summary
from speeddial.flywheel.deployment import Deployments
from speeddial.flywheel.gate import Terms
from speeddial.flywheel.specialist import Told
from speeddial.models.scripted import Reply
from speeddial.project import Project
from speeddial.record import Record

Said = Callable[[str, dict[str, Any]], Reply]


class Played:
    """Selecting and training as a test wants them.

    Args:
        models: candidate -> what its version says.
    """

    def __init__(self, wheel: Flywheel, models: dict[str, Said], obstacles: Sequence[str] = ()) -> None:
        self.wheel, self.models, self.obstacles = wheel, models, obstacles
        self.trained: list[tuple[str, tuple[str, ...], int]] = []

    def select(self, clustered: Artefact) -> Artefact:
        plan = json.loads(self.wheel.select.file("plan.json").read_text(encoding="utf-8"))
        plan["candidates"] = [
            {"name": name, "obstacle": "too large" if name in self.obstacles else ""} for name in self.models
        ]
        plan["left_out"] = [{"task": "rest", "reason": "requests of no task"}]

        def make(draft: Path) -> dict[str, Any]:
            (draft / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
            return {}

        inputs = {"curate": clustered.inputs["curate"], "cluster": clustered.sha256}
        return made(self.wheel.folder, "select", inputs, {"candidates": plan["candidates"]}, make)

    async def train(
        self,
        selected: Artefact,
        candidate: str,
        names: Sequence[str],
        tokens: int,
        progress: Callable[[Told], None],
    ) -> Artefact:
        self.trained.append((candidate, tuple(names), tokens))
        return replace(self.wheel, select=selected).version(candidate, self.models[candidate], tasks=names)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Flywheel:
    """Made once, with the record closed: collecting, curating and clustering take seconds."""
    root = tmp_path_factory.mktemp("built")
    with Record.open(root / "workspace" / ".speeddial" / "record.db") as record:
        made = flywheel(root, record)
    shutil.copytree(root, root.with_name("kept"))
    return made


@pytest.fixture
def wheel(built: Flywheel) -> Iterator[Flywheel]:
    """As it was made, for each test; in its place, as the record's is among what artefacts are made of."""
    root = built.project.root
    shutil.rmtree(root)
    shutil.copytree(root.with_name("kept"), root)
    with Record.open(root / "workspace" / ".speeddial" / "record.db") as record:
        yield replace(built, project=Project.load(root), record=record)


def turned(wheel: Flywheel, steps: Played, **options: Any) -> Converted:
    given = {"terms": Terms(), "limits": Limits(), **options}
    return asyncio.run(convert(wheel.project, wheel.record, steps, **given))


def only_weather(text: str, call: dict[str, Any]) -> Reply:
    return right(text, call) if call["name"] == "weather" else wrong(call, 0.99)


def test_the_smallest_that_passes_wins_each_task(wheel: Flywheel) -> None:
    steps = Played(wheel, {"huge": right, "tiny": only_weather, "lora": right, "larger": right}, ["huge"])
    told: list[Told] = []
    result = turned(wheel, steps, progress=told.append)
    assert [(name, tasks) for name, tasks, _ in steps.trained] == [
        ("tiny", ("play", "weather")),
        ("lora", ("play",)),
    ]
    assert steps.trained[1][2] == Limits().max_tokens - 1, "what the first one took is gone"
    assert [(row["task"], row["candidate"], row["stage"]) for row in result.tasks.values()] == [
        ("rest", "", ""),
        ("play", "lora", "full"),
        ("weather", "tiny", "full"),
    ]
    live = Deployments(wheel.folder).live()
    assert live["play"].version != live["weather"].version and live["play"].router == wheel.cluster.path
    assert {one.stage for one in told} >= {"collect", "curate", "cluster", "select", "train", "gate"}
    assert [row[2].partition(":")[0] for row in summary(result.as_dict())] == ["refused", "passed", "passed"]
    events = Deployments(wheel.folder).history()
    again = turned(wheel, steps)
    # All but the smaller one's gate, which now is held against the larger one, is found done.
    paths = [row["path"] for row in again.steps]
    assert [row["path"] for row in result.steps if row["path"] not in paths] == [result.steps[5]["path"]]
    assert Deployments(wheel.folder).history() == events, "what serves already is left"


def timid(text: str, call: dict[str, Any]) -> Reply:
    return Reply(call, confidence=0.95 if zlib.crc32(text.encode()) % 5 < 4 else 0.1)


def test_one_that_serves_too_little_gives_way_to_a_larger_one_that_serves_more(wheel: Flywheel) -> None:
    result = turned(wheel, Played(wheel, {"tiny": timid, "lora": right}), enough=0.9)
    assert [row["candidate"] for row in result.tasks.values()] == ["", "lora", "lora"]


def test_one_that_serves_too_little_is_better_than_a_larger_one_that_fails(wheel: Flywheel) -> None:
    steps = Played(wheel, {"tiny": timid, "lora": lambda text, call: wrong(call, 0.99)})
    kept = turned(wheel, steps, through="gate", enough=0.9).tasks["play"]
    assert (kept["candidate"], kept["passed"], len(steps.trained)) == ("tiny", True, 2)
    turned(wheel, steps, through="gate")
    assert len(steps.trained) == 3, "the larger one is not tried"


def test_a_worse_candidate_is_not_promoted(wheel: Flywheel) -> None:
    def bad(text: str, call: dict[str, Any]) -> Reply:
        return wrong(call, 0.99)

    result = turned(wheel, Played(wheel, {"tiny": bad}))
    assert Deployments(wheel.folder).live() == {}
    assert not any(row["passed"] for row in result.tasks.values())
    assert "0 right" in result.tasks["play"]["reason"]


def test_a_task_that_no_training_helps_is_not_trained_again(wheel: Flywheel) -> None:
    steps = Played(wheel, {"tiny": right, "lora": right})
    result = turned(wheel, steps, terms=Terms(margin=0.005))
    assert len(steps.trained) == 1 and "598 at least" in result.tasks["play"]["reason"]


def test_no_candidate_is_begun_when_all_is_used_up(wheel: Flywheel) -> None:
    steps = Played(wheel, {"tiny": only_weather, "lora": right})
    result = turned(wheel, steps, limits=Limits(max_tokens=1))
    assert len(steps.trained) == 1 and result.stopped == "1 tokens of 1 are used up"


def test_what_passed_serves_though_a_larger_ones_training_fails(wheel: Flywheel) -> None:
    class Fails(Played):
        async def train(self, selected: Artefact, candidate: str, *rest: Any) -> Artefact:
            if candidate == "lora":
                raise UserError("the time was up", hint="the same command goes on from there")
            return await super().train(selected, candidate, *rest)

    result = turned(wheel, Fails(wheel, {"tiny": only_weather, "lora": right}))
    assert result.stopped == "lora: the time was up"
    assert set(Deployments(wheel.folder).live()) == {"weather"}
    with pytest.raises(UserError, match="the time was up"):
        turned(wheel, Fails(wheel, {"lora": right}))


def test_without_leave_it_stays_in_shadow(wheel: Flywheel) -> None:
    asked: list[Any] = []

    def no(tasks: Sequence[str], stage: str) -> bool:
        asked.append((list(tasks), stage))
        return False

    steps = Played(wheel, {"tiny": right})
    assert {row["stage"] for row in turned(wheel, steps, agreed=no).tasks.values()} == {"", "shadow"}
    assert asked == [(["play", "weather"], "full")]
    assert {row["stage"] for row in turned(wheel, steps).tasks.values()} == {"", "full"}
    assert {row["stage"] for row in turned(wheel, steps, through="shadow").tasks.values()} == {"", "full"}


def test_it_ends_where_it_is_told_to(wheel: Flywheel) -> None:
    steps = Played(wheel, {"tiny": right})
    assert [row["step"] for row in turned(wheel, steps, through="curate").steps] == ["collect", "curate"]
    through = turned(wheel, steps, through="gate")
    assert through.tasks["play"]["passed"] and Deployments(wheel.folder).live() == {}


def test_what_is_said_meanwhile_does_not_begin_it_anew(wheel: Flywheel) -> None:
    steps = Played(wheel, {"tiny": right})
    first = turned(wheel, steps, through="cluster")
    assert (wheel.folder / WORK / BEGUN).is_file()
    keep(wheel.record, "play something else", {"name": "play", "arguments": {"song": "else"}})
    whole = turned(wheel, steps)
    assert [row["path"] for row in whole.steps[:3]] == [row["path"] for row in first.steps]
    assert not (wheel.folder / WORK / BEGUN).exists()
    assert turned(wheel, steps, through="collect").steps[0]["path"] != first.steps[0]["path"]


TURNS = """
    import asyncio, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from gated import Flywheel, right
    from test_conversion import Played
    from speeddial.flywheel.artefact import Artefact, FOLDER, newest
    from speeddial.flywheel.conversion import Limits, convert
    from speeddial.flywheel.gate import Terms
    from speeddial.flywheel.sample import read_samples
    from speeddial.project import Project
    from speeddial.record import Record

    root = Path(sys.argv[1])
    project = Project.load(root)
    with Record.open(root / "workspace/.speeddial/record.db") as record:
        folder = record.folder / FOLDER
        selected = Artefact.open(Path(sys.argv[3]))
        samples = {one.id: one for one in read_samples(newest(folder, "curate").file("kept.jsonl"))}
        wheel = Flywheel(project, record, folder, newest(folder, "cluster"), selected, samples)
        def show(told):
            print(told.stage, told.done, flush=True)
        asyncio.run(convert(project, record, Played(wheel, {"tiny": right}), terms=Terms(margin=0.05),
                            limits=Limits(), progress=show))
    print("end", flush=True)
"""


def test_killed_at_any_step_the_same_command_goes_on(tmp_path: Path) -> None:
    with Record.open(tmp_path / "workspace" / ".speeddial" / "record.db") as record:
        wheel = flywheel(tmp_path, record, count=300, test=2)
    here = Path(__file__).parent
    command = [sys.executable, "-c", textwrap.dedent(TURNS), str(tmp_path), str(here), str(wheel.select.path)]
    environment = {**os.environ, "PYTHONPATH": str(here.parent / "src")}
    gates: list[str] = []
    for until in ("cluster", "train", "gate 30", "end"):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line.strip())
            if line.startswith(until):
                break
        assert seen[-1].startswith(until), (until, seen)
        if until != "end":
            process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        gates.append(seen[-1])
    live = Deployments(wheel.folder).live()
    assert {task: one.stage for task, one in live.items()} == {task: "full" for task in PHRASES}
    assert len(Deployments(wheel.folder).history()) == 2
    for step in ("collect", "curate", "cluster", "train", "gate"):
        assert len(list(wheel.folder.glob(f"{step}-*"))) == 1, step
