"""The verbs gate, promote, rollback, watch and flywheel, as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gated import Flywheel, flywheel, right, wrong
from typer.testing import CliRunner, Result

from speeddial.cli.app import app
from speeddial.flywheel.artefact import Artefact
from speeddial.flywheel.deployment import Deployments
from speeddial.record import Record

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flywheel]:
    root = tmp_path_factory.mktemp("project")
    with Record.open(root / "workspace" / ".speeddial" / "record.db") as record:
        yield flywheel(root, record)


@pytest.fixture
def run(wheel: Flywheel, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(wheel.project.root)

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, words)

    yield invoke
    (wheel.folder / "deployments.jsonl").unlink(missing_ok=True)


def test_from_the_gate_to_full_and_back(wheel: Flywheel, run: Run) -> None:
    version = wheel.version("good", right)
    held = run("gate")
    assert held.exit_code == 0, held.output
    assert "play\tpassed\tserved" in held.stdout and "speeddial promote train-" in held.stderr
    for stage in ("shadow", "canary", "full"):
        done = run("promote", "play")
        assert done.exit_code == 0 and f"play\t{version.path.name}\t{stage}" in done.stdout, done.output
    assert f"play\t{version.path.name}\tfull\t100%" in run("promote").stdout
    watched = json.loads(run("watch", "--json").stdout)
    assert watched["tasks"][0]["state"] == "steady" and watched["tasks"][0]["asked"] == 0
    assert "no version serves it" in run("rollback", "play").stderr
    told = [json.loads(line) for line in run("promote", "--history", "--json").stdout.splitlines()]
    assert [row["kind"] for row in told] == ["promoted"] * 3 + ["rolled_back"]
    assert "rolled back" in run("promote", "--history").stdout
    assert "no version is deployed" in run("watch").stderr


def test_what_did_not_pass_is_refused_with_its_reason(wheel: Flywheel, run: Run) -> None:
    def bad(text: str, call: dict[str, Any]) -> Any:
        return wrong(call, 0.99)

    version = wheel.version("bad", bad)
    untried = run("promote", version.path.name)
    assert "was not held against anybody yet" in str(untried.exception)
    assert f"next: speeddial gate {version.path.name}" in str(untried.exception)
    held = run("gate", version.path.name, "--json")
    path = Path(json.loads(held.stdout)["path"])
    assert not any(row["passed"] for row in Artefact.open(path).report["tasks"])
    assert run("promote", version.path.name).exit_code != 0
    forced = run("promote", version.path.name, "--stage", "shadow", "--force")
    assert forced.exit_code == 0 and "forced by hand" in run("promote", "--history").stdout
    assert Deployments(wheel.folder).live()["play"].gate == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("promote", "nothing"), "no version or task 'nothing'"),
        (("promote", "play", "--stage", "half", "--force"), "no stage"),
        (("rollback", "nothing"), "no version serves 'nothing'"),
        (("flywheel", "--through", "moon"), "no step"),
    ],
)
def test_what_is_not_there_is_told(wheel: Flywheel, run: Run, words: tuple[str, ...], said: str) -> None:
    wheel.version("good", right)
    done = run(*words)
    assert done.exit_code != 0 and said in str(done.exception)


def test_the_flywheel_ends_where_it_is_told_to(wheel: Flywheel, run: Run) -> None:
    done = run("flywheel", "--through", "select", "--json", "--workflow", "proxy")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [row["step"] for row in told["steps"]] == ["collect", "curate", "cluster", "select"]
    assert {row["task"] for row in told["tasks"]} >= {"play", "weather"}
    assert "cluster" in done.stderr


@pytest.mark.parametrize("verb", ["gate", "promote", "rollback", "watch", "flywheel"])
def test_each_verb_teaches(run: Run, verb: str) -> None:
    assert len(run(verb, "--help").stdout) > 300
