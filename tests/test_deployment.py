"""Who serves which task: promotions and rollbacks, kept through kills and among several processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speeddial.errors import NotFound, UserError
from speeddial.flywheel.artefact import Artefact, made
from speeddial.flywheel.deployment import FILE, Deployments, DeploymentsDamaged, Limits, Stage

TASKS = ("play/music", "alarm")


def version(folder: Path, number: int = 1, tasks: Sequence[str] = TASKS) -> Artefact:
    """A `train` artefact as deployments see it: its report and its expert folders."""

    def make(draft: Path) -> dict[str, Any]:
        for task in tasks:
            card = draft / "experts" / task.replace("/", "-") / "card.toml"
            card.parent.mkdir(parents=True)
            card.write_text(f"version = '{number}'", encoding="utf-8")
        return {"tasks": [{"task": task, "expert": task.replace("/", "-")} for task in tasks]}

    return made(folder, "train", {"select": "sha256:1"}, {"number": number}, make)


def gate(folder: Path, of: Artefact, passed: dict[str, bool]) -> Artefact:
    rows = [
        {"task": task, "passed": good, "reason": "" if good else "too few"} for task, good in passed.items()
    ]
    return made(folder, "gate", {"train": of.sha256}, {}, lambda draft: {"tasks": rows})


def test_a_version_goes_through_its_stages_and_back(tmp_path: Path) -> None:
    deployments, one, two = Deployments(tmp_path), version(tmp_path, 1), version(tmp_path, 2)
    assert deployments.live() == {}
    (first,) = deployments.promote(one, ["alarm"], stage="full", gate=None, reason="by hand")
    assert (first.task, first.expert, first.stage, first.share) == ("alarm", "alarm", "full", 1.0)
    assert first.folder == one.path / "experts/alarm" and (first.folder / "card.toml").is_file()
    assert first.before is None and first.limits == Limits()
    deployments.promote(two, ["alarm"], stage="shadow", gate=None)
    deployments.promote(two, ["alarm"], stage="canary", share=0.2, gate=None, limits=Limits(corrected=0.1))
    top = deployments.live()["alarm"]
    assert (top.version, top.stage, top.share, top.limits.corrected) == (two.sha256, "canary", 0.2, 0.1)
    assert top.before == first, "what the canary leaves is the former version's"
    back = deployments.rollback("alarm", reason="worse")
    assert back is not None and back == replace(first, since=deployments.history()[-1].at)
    assert deployments.rollback("alarm", reason="worse too") is None
    assert deployments.live() == {}
    with pytest.raises(NotFound, match="no version serves"):
        deployments.rollback("alarm", reason="again")
    assert [(event.kind, event.stage) for event in deployments.history("alarm")] == [
        ("promoted", "full"),
        ("promoted", "shadow"),
        ("promoted", "canary"),
        ("rolled_back", "shadow"),
        ("rolled_back", "shadow"),
    ]
    assert deployments.history("play/music") == []


def test_only_what_passed_the_gate_is_promoted(tmp_path: Path) -> None:
    deployments, one, two = Deployments(tmp_path), version(tmp_path, 1), version(tmp_path, 2)
    tried = gate(tmp_path, one, {"alarm": True, "play/music": False})
    assert [each.task for each in deployments.promote(one, stage="shadow", gate=tried)] == ["alarm"]
    assert deployments.live()["alarm"].gate == tried.sha256
    with pytest.raises(UserError, match="did not pass the gate: too few"):
        deployments.promote(one, ["play/music"], stage="full", gate=tried)
    with pytest.raises(UserError, match="another version"):
        deployments.promote(two, stage="full", gate=tried)
    with pytest.raises(NotFound, match="no task 'mail'"):
        deployments.promote(one, ["mail"], stage="full", gate=None)
    with pytest.raises(UserError, match="share of 1"):
        deployments.promote(one, ["alarm"], stage="canary", share=1.0, gate=tried)
    assert set(deployments.live()) == {"alarm"}


def test_what_stands_already_is_not_written_again(tmp_path: Path) -> None:
    deployments, one = Deployments(tmp_path), version(tmp_path)
    first = deployments.promote(one, stage="shadow", gate=None)
    assert deployments.promote(one, stage="shadow", gate=None) == first
    assert len(deployments.history()) == 2


def test_a_router_goes_with_the_tasks_that_it_knows(tmp_path: Path) -> None:
    deployments, one, two = Deployments(tmp_path), version(tmp_path, 1), version(tmp_path, 2)
    routers = [made(tmp_path, "cluster", {}, {"number": number}, lambda draft: {}) for number in range(2)]
    deployments.promote(one, ["alarm"], stage="full", gate=None, router=routers[0])
    deployments.promote(two, ["alarm"], stage="shadow", gate=None, router=routers[1])
    deployments.promote(two, ["alarm"], stage="full", gate=None)
    assert deployments.live()["alarm"].router == routers[1].path
    back = deployments.rollback("alarm", reason="worse")
    assert back is not None and back.router == routers[0].path


def test_two_who_watch_roll_back_once(tmp_path: Path) -> None:
    one, two = version(tmp_path, 1), version(tmp_path, 2)
    here, there = Deployments(tmp_path), Deployments(tmp_path)
    here.promote(one, ["alarm"], stage="full", gate=None)
    here.promote(two, ["alarm"], stage="full", gate=None)
    seen = there.live()["alarm"]
    here.rollback("alarm", reason="corrected", of=seen.version)
    back = there.rollback("alarm", reason="corrected", of=seen.version)
    assert back is not None and back.version == one.sha256


def test_a_line_half_written_never_counted_and_a_changed_one_is_named(tmp_path: Path) -> None:
    deployments, one = Deployments(tmp_path), version(tmp_path)
    deployments.promote(one, ["alarm"], stage="full", gate=None, reason="line\u2028break")
    file = tmp_path / FILE
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole + whole[:length])
        assert len(Deployments(tmp_path).history()) == 1
    file.write_bytes(whole + whole[:20])
    Deployments(tmp_path).rollback("alarm", reason="worse")
    assert [event.kind for event in Deployments(tmp_path).history()] == ["promoted", "rolled_back"]
    file.write_bytes(b'{"at": 1}\n' + whole)
    with pytest.raises(DeploymentsDamaged, match=f"{FILE}:1"):
        Deployments(tmp_path).live()


def test_asking_again_reads_nothing_until_something_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployments, other = Deployments(tmp_path), Deployments(tmp_path)
    deployments.promote(version(tmp_path), stage="full", gate=None)
    live = other.live()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda path: pytest.fail("read again"))
        assert other.live() is live
    deployments.rollback("alarm", reason="worse")
    assert set(other.live()) == {"play/music"}


step = st.tuples(
    st.sampled_from(["shadow", "canary", "full", "back", "reopen"]), st.integers(1, 3), st.sampled_from(TASKS)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(step, max_size=25))
def test_any_sequence_reopened_gives_the_same_state(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("flywheel")
    deployments = Deployments(folder)
    versions = {number: version(folder, number) for number in range(1, 4)}
    piles: dict[str, list[tuple[str, Stage]]] = {task: [] for task in TASKS}
    for what, number, task in steps:
        pile, chosen = piles[task], versions[number]
        if what == "reopen":
            deployments = Deployments(folder)
        elif what == "back":
            if pile:
                deployments.rollback(task, reason="worse")
                pile.pop()
        else:
            deployments.promote(chosen, [task], stage=what, gate=None)
            if pile and pile[-1][0] == chosen.sha256:
                pile.pop()
            pile.append((chosen.sha256, what))
    for opened in (deployments, Deployments(folder)):
        assert set(opened.live()) == {task for task, pile in piles.items() if pile}
        for task, pile in piles.items():
            found, there = [], opened.live().get(task)
            while there is not None:
                found.append((there.version, there.stage))
                there = there.before
            assert found[::-1] == pile
    assert Deployments(folder).live() == deployments.live()


APPENDS = """
import sys
from pathlib import Path
from speeddial.flywheel.artefact import Artefact
from speeddial.flywheel.deployment import Deployments
folder, version, task = Path(sys.argv[1]), Artefact.open(Path(sys.argv[2])), sys.argv[3]
deployments = Deployments(folder)
for number in range(int(sys.argv[4])):
    if number % 2:
        deployments.rollback(task, reason=str(number))
    else:
        deployments.promote(version, [task], stage="full", gate=None, reason=str(number))
    print(number, flush=True)
"""


def appending(folder: Path, one: Artefact, task: str, times: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", APPENDS, str(folder), str(one.path), task, str(times)]
    source = str(Path(__file__).parent.parent / "src")
    return subprocess.Popen(
        arguments, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": source}
    )


def test_two_processes_at_once_lose_nothing(tmp_path: Path) -> None:
    one = version(tmp_path)
    processes = [appending(tmp_path, one, task, 40) for task in TASKS]
    for process in processes:
        process.communicate(timeout=90)
        assert process.returncode == 0
    deployments = Deployments(tmp_path)
    for task in TASKS:
        assert [event.reason for event in deployments.history(task)] == [str(number) for number in range(40)]


def test_killed_while_appending_what_was_told_is_kept(tmp_path: Path) -> None:
    one, told = version(tmp_path), 0
    for kill in range(4):
        process = appending(tmp_path, one, "alarm", 100_000)
        assert process.stdout is not None
        for _ in range(3 + 4 * kill):
            process.stdout.readline()
        time.sleep(0.003 * kill)
        process.kill()
        rest = process.communicate()[0].split()
        told += 3 + 4 * kill + len(rest)
        lines = (tmp_path / FILE).read_bytes().split(b"\n")[:-1]
        assert all(json.loads(line) for line in lines)
        # The one that was under way may be there and not told.
        assert told <= len(lines) <= told + 1 + kill
        told = len(lines)
        if Deployments(tmp_path).live():
            Deployments(tmp_path).rollback("alarm", reason="tidy")
            told += 1
