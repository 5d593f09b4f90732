"""Erasing a run reaches what the flywheel made of it: no text of it stays in an artefact."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from speeddial.cli.app import app
from speeddial.flywheel.artefact import FOLDER, Artefact, made
from speeddial.flywheel.collect import collect
from speeddial.flywheel.curate import curate
from speeddial.flywheel.deployment import Deployments
from speeddial.record import Record
from speeddial.record.retention import erase_run, erase_user, finish, retain
from speeddial.record.selection import Selection

PLAY = {
    "name": "play",
    "description": "Play.",
    "parameters": {"type": "object", "properties": {"song": {"type": "string"}}},
}


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with Record.open(tmp_path / "record" / "record.db") as opened:
        yield opened


def asked(record: Record, text: str, **more: Any) -> str:
    time.sleep(0.002)
    run = record.begin_run(text, workflow="proxy", **more)
    messages = [{"role": "user", "content": text}]
    decode = record.start_interaction(run, "model", model="large", messages=messages, tools=[PLAY])
    call = {"name": "play", "arguments": {"song": text}}
    record.finish_interaction(decode, "exact", raw=json.dumps(call), parsed=call)
    record.finish_run(run, "done")
    return run


def steps(record: Record, user: str = "") -> tuple[Artefact, Artefact, Artefact]:
    """Collected, curated, and a version made of that."""
    folder = record.folder / FOLDER
    collected = collect(record, folder, Selection(user=user))
    curated = curate(collected, folder)

    def make(draft: Path) -> dict[str, Any]:
        expert = draft / "experts" / "play"
        expert.mkdir(parents=True)
        (expert / "card.toml").write_text('name = "play"\n', encoding="utf-8")
        return {"tasks": [{"task": "play", "expert": "play"}]}

    return collected, curated, made(folder, "train", {"curate": curated.sha256}, {}, make)


def held(record: Record, text: str) -> list[str]:
    """Files beside the record in which a text stands."""
    return [
        str(file)
        for file in (record.folder / FOLDER).rglob("*")
        if file.is_file() and text.encode() in file.read_bytes()
    ]


def test_an_erased_run_takes_with_it_what_was_made_of_it(record: Record) -> None:
    asked(record, "keep Angie", user="bob")
    run = asked(record, "secret Layla", user="ann")
    kept = steps(record, user="bob")
    both = steps(record)
    left = record.folder / FOLDER / ".work" / "half.jsonl"
    left.parent.mkdir(exist_ok=True)
    left.write_text("secret Layla", encoding="utf-8")
    draft = record.folder / FOLDER / ".collect.killed"
    draft.mkdir()
    (draft / "samples.jsonl").write_text(f'{{"id":"{run}/2","text":"secret Layla"}}', encoding="utf-8")
    assert held(record, "Layla")
    told = erase_run(record, run, dry_run=True)
    assert {*told.artefacts} == {*(one.path.name for one in both), draft.name} and held(record, "Layla")
    done = erase_run(record, run)
    assert done.artefacts == told.artefacts and not done.serving
    assert not held(record, "Layla") and all(one.path.is_dir() for one in kept)


def test_what_is_not_of_the_run_stays(record: Record) -> None:
    run = asked(record, "first", user="ann")
    other = steps(record)
    later = asked(record, "second", user="bob")
    assert erase_run(record, later).artefacts == () and other[2].path.is_dir()
    assert {*erase_user(record, "ann").artefacts} == {one.path.name for one in other}
    assert run not in "".join(path.name for path in (record.folder / FOLDER).iterdir())


def test_a_version_that_serves_stays_until_it_is_rolled_back(record: Record) -> None:
    run = asked(record, "secret Layla")
    collected, curated, version = steps(record)
    deployments = Deployments(record.folder / FOLDER)
    deployments.promote(version, stage="full", share=1.0, gate=None)
    done = erase_run(record, run)
    assert {*done.artefacts} == {collected.path.name, curated.path.name}
    assert done.serving == {version.path.name: "play"} and version.path.is_dir()
    assert not held(record, "Layla")
    deployments.rollback("play", reason="erased")
    finish(record)
    assert not version.path.exists()


def test_retention_takes_artefacts_too_and_a_kill_between_is_made_good(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(record, "secret Layla")
    artefacts = steps(record)
    later = datetime.now(UTC) + timedelta(days=2)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("speeddial.flywheel.erasure.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            retain(record, older_than=timedelta(days=1), now=later)
    assert held(record, "Layla")
    finish(record)
    assert not held(record, "Layla") and not any(one.path.exists() for one in artefacts)


def test_the_person_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "speeddial.toml").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    from speeddial.project import Project

    with Project(tmp_path).open_record() as record:
        run = asked(record, "secret Layla")
        collected, _, version = steps(record)
        Deployments(record.folder / FOLDER).promote(version, stage="full", share=1.0, gate=None)
    told = CliRunner().invoke(app, ["trace", "erase", run, "--yes", "--json"])
    assert told.exit_code == 0, told.output
    assert collected.path.name in told.stderr and "which serves play" in told.stderr
    assert collected.path.name in json.loads(told.stdout)["artefacts"]
