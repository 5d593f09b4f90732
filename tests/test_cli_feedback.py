"""The commands by which people judge, freeze and erase, as a user has them."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_cli import WORKFLOW, call, script, speeddial

from speeddial.filehash import sha256_of
from speeddial.record import Record
from speeddial.record.datasets import DatasetFile, datasets


@pytest.fixture
def project(make_project: Callable[..., Path]) -> Path:
    root = make_project()
    (root / "workflows/default.py").write_text(WORKFLOW, encoding="utf-8")
    return root


def done(project: Path, task: str = "adder: 2 and 3", **arguments: int) -> str:
    """A run on the record; gives its id."""
    model = script(project, call("add", **(arguments or {"a": 2, "b": 3})))
    ended = speeddial(project, "run", task, "--json", SPEEDDIAL_MODEL=model, SPEEDDIAL_USER="ana")
    assert ended.returncode == 0, ended.stderr
    return str(json.loads(ended.stdout.splitlines()[-1])["run_id"])


def said(project: Path, run: str) -> list[dict[str, Any]]:
    with Record.open(project / "workspace/.speeddial/record.db") as record:
        return [row.as_dict() for row in record.feedback.of_run(run)]


def test_people_judge_runs_and_steps(project: Path) -> None:
    run = done(project)
    for arguments in (
        ("accept", run, "--by", "ben"),
        ("accept", "last", "--step", "1", "--text", "fine"),
        ("comment", "1", "why two?"),
        ("label", "[1]", "sums"),
    ):
        ended = speeddial(project, "trace", *arguments)
        assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    rows = said(project, run)
    assert [(row["verdict"], row["interaction"], row["by"]) for row in rows] == [
        ("accept", None, "ben"),
        ("accept", 1, ""),
        ("comment", 1, ""),
        ("label", 1, ""),
    ]
    shown = speeddial(project, "trace", "comment", run, "good", "--json", SPEEDDIAL_USER="ana")
    assert json.loads(shown.stdout) == said(project, run)[-1]
    assert said(project, run)[-1]["by"] == "ana"
    for arguments, hint in (
        (("accept", "1", "--step", "1"), "--step with a run"),
        (("accept", run, "--step", "7"), "no decode in step 7"),
        (("comment", "none", "x"), "no run 'none'"),
        (("label", "1", ""), "label"),
    ):
        ended = speeddial(project, "trace", *arguments)
        assert ended.returncode == 2
        assert hint in ended.stderr


def test_a_call_is_corrected_by_option_or_editor(project: Path) -> None:
    run = done(project)
    right = {"name": "add", "arguments": {"a": 2, "b": 33}}
    ended = speeddial(project, "trace", "correct", run, "--call", json.dumps(right), "--by", "ben")
    assert json.loads(ended.stdout) == right
    wrong = {"name": "add", "arguments": {"a": "2", "b": 33}}
    ended = speeddial(project, "trace", "correct", run, "--call", json.dumps(wrong))
    assert ended.returncode == 1
    assert "arguments.a: expected an integer" in ended.stderr and '"2" (string)' in ended.stderr
    editor = project / "editor.sh"
    editor.write_text('#!/bin/sh\nsed -i "s/33/$NUMBER/" "$1"\n')
    editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
    ended = speeddial(project, "trace", "correct", "1", VISUAL=f"sh {editor}", NUMBER="44")
    assert json.loads(ended.stdout)["arguments"]["b"] == 44, ended.stderr
    ended = speeddial(project, "trace", "correct", "1", VISUAL="true")
    assert "nothing was changed" in ended.stderr
    # What does not fit is said, and the person may go on from there.
    ended = speeddial(project, "trace", "correct", "1", stdin="n\n", VISUAL=f"sh {editor}", NUMBER='"x"')
    assert ended.returncode == 2
    assert "no editor" in speeddial(project, "trace", "correct", "1", VISUAL="", EDITOR="").stderr
    assert [row["call"]["arguments"]["b"] for row in said(project, run)] == [33, 44]


def test_a_dataset_is_frozen_listed_and_found_from_a_run(project: Path) -> None:
    run, other = done(project), done(project, a=5, b=6)
    assert speeddial(project, "trace", "label", other, "six", "--step", "1").returncode == 0
    ended = speeddial(project, "data", "export", "sums")
    assert ended.returncode == 0 and "2 rows of 2 runs" in ended.stderr
    ended = speeddial(project, "data", "export", "six", "--label", "six", "--json")
    assert json.loads(ended.stdout)["runs"] == [other]
    assert "already" in speeddial(project, "data", "export", "six").stderr
    listed = speeddial(project, "data", "stats").stdout.splitlines()
    assert [line.split("\t")[0] for line in listed] == ["six", "sums"]
    [six, sums] = datasets(project / "workspace/.speeddial/datasets")
    adapter = project / "experts/adder/adapter"
    adapter.mkdir()
    trained = {"data": {"sha256": sha256_of([six.path / six.files[0].name])}}
    (adapter / "training.json").write_text(json.dumps(trained))
    ended = speeddial(project, "data", "stats", "six")
    assert six.sha256 in ended.stdout and "experts/adder" in ended.stdout
    found = [
        json.loads(line) for line in speeddial(project, "trace", "uses", other, "--json").stdout.splitlines()
    ]
    assert [(use["kind"], use["name"], use["dataset"]) for use in found] == [
        ("dataset", "six", "six"),
        ("adapter", "experts/adder", "six"),
        ("dataset", "sums", "sums"),
    ]
    assert speeddial(project, "trace", "uses", run).stdout.split("\t")[:2] == ["dataset", "sums"]
    assert isinstance(sums.files[0], DatasetFile)
    (sums.path / sums.files[0].name).chmod(0o600)
    (sums.path / sums.files[0].name).write_text("{}\n")
    ended = speeddial(project, "data", "stats", "sums")
    assert ended.returncode == 2 and "damaged" in ended.stderr


def test_erasing_asks_says_what_was_built_and_leaves_nothing(project: Path) -> None:
    run, other = done(project, "adder: PLANTED"), done(project)
    assert speeddial(project, "data", "export", "sums").returncode == 0
    folder = project / "workspace/.speeddial"

    def holding() -> list[str]:
        return [file.name for file in folder.iterdir() if file.is_file() and b"PLANTED" in file.read_bytes()]

    assert holding()
    for arguments, answer in ((("--dry-run",), None), ((), "n\n")):
        ended = speeddial(project, "trace", "erase", run, *arguments, stdin=answer)
        assert ended.returncode == 0
        assert "stays: dataset sums" in ended.stderr
        assert holding()
    ended = speeddial(project, "trace", "erase", run, "--json", stdin="y\n")
    assert json.loads(ended.stdout)["runs"] == [run], ended.stderr
    assert not holding()
    assert speeddial(project, "trace", "erase").returncode == 2
    assert "no run" in speeddial(project, "trace", "erase", run, "--yes").stderr
    assert "letter by letter" in speeddial(project, "trace", "erase", "--user", "an").stderr
    assert "1 runs" in speeddial(project, "trace", "erase", "--user", "ana", "--yes").stderr
    assert speeddial(project, "runs").stdout == ""
    assert other


def test_pruning_by_age_and_size(project: Path) -> None:
    runs = [done(project), done(project)]
    assert "nothing says" in speeddial(project, "trace", "prune").stderr
    assert "0 run(s) due" in speeddial(project, "trace", "prune", "--older-than", "90d").stderr
    assert "as in 90d" in speeddial(project, "trace", "prune", "--older-than", "soon").stderr
    assert speeddial(project, "trace", "accept", runs[0]).returncode == 0
    ended = speeddial(project, "trace", "prune", "--older-than", "0h", "--dry-run", "--json")
    told = json.loads(ended.stdout)
    assert (told["runs"], told["kept"]) == ([runs[1]], {runs[0]: "has feedback"})
    ended = speeddial(project, "trace", "prune", "--yes", SPEEDDIAL_KEEP_DAYS="0.0000001")
    assert "erased: " in ended.stderr
    assert speeddial(project, "trace", "prune", "--older-than", "0h", "--force", "--yes").returncode == 0
    assert speeddial(project, "runs").stdout == ""
