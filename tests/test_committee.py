"""A committee relabels what is in doubt where it agrees and pays each answer once; thin tasks are filled."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gated import ARGUMENTS, definition
from typer.testing import CliRunner

from speeddial.cli.app import app
from speeddial.errors import EngineError, UserError
from speeddial.flywheel.artefact import FOLDER, Artefact
from speeddial.flywheel.collect import collect
from speeddial.flywheel.committee import ANSWERS, relabel
from speeddial.flywheel.curate import DROPPED, KEPT, curate
from speeddial.flywheel.rows import part_of
from speeddial.flywheel.sample import Sample, read_samples
from speeddial.flywheel.synthetic import fill, verbatim
from speeddial.messages import ToolCall
from speeddial.models.scripted import Scripted
from speeddial.project import Project
from speeddial.record import Record

TOOLS = [definition("play"), definition("weather")]
SONGS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "junco")


def asked(record: Record, text: str, value: str, tool: str = "play") -> None:
    time.sleep(0.002)
    run = record.begin_run(text, workflow="proxy")
    messages = [{"role": "user", "content": text}]
    decode = record.start_interaction(run, "model", model="large", messages=messages, tools=TOOLS)
    call = {"name": tool, "arguments": {ARGUMENTS[tool]: value}}
    record.finish_interaction(decode, "exact", raw=json.dumps(call), parsed=call, finish="stop")
    record.finish_run(run, "done")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    # A model that is set for everybody must not take the committee's place.
    (tmp_path / "speeddial.toml").write_text('model = "scripted:nobody"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


@pytest.fixture
def record(project: Project) -> Iterator[Record]:
    with project.open_record() as opened:
        yield opened


@pytest.fixture
def curated(record: Record) -> Artefact:
    """Thirty right answers, and two in doubt: nobody said the songs."""
    for number in range(30):
        song = f"{SONGS[number % 10]} {number}"
        asked(record, f"play {song}", song)
    asked(record, "put on koala", "zombie")
    asked(record, "put on lilac", "zombie")
    folder = record.folder / FOLDER
    made = curate(collect(record, folder), folder)
    assert made.report["dropped"] == {"not in the request": 2}
    return made


def member(name: str, answers: dict[str, str], times: list[str] | None = None) -> str:
    """A model that calls `play` with what it is told to for a request, and with its last word otherwise."""

    def script(request: Any) -> Any:
        text = request.messages[-1].content
        if times is not None:
            times.append(text)
        found = next((song for words, song in answers.items() if words in text), "")
        if found == "FAIL":
            raise EngineError("no answer", hint="")
        return ToolCall("play", {"song": found or text.split()[-1]})

    Scripted.register(name, script)
    return f"scripted:{name}"


def kept(artefact: Artefact) -> dict[str, Sample]:
    return {sample.request: sample for sample in read_samples(artefact.file(KEPT))}


def dropped(artefact: Artefact) -> dict[str, tuple[str, str]]:
    rows = map(json.loads, artefact.file(DROPPED).read_text(encoding="utf-8").splitlines())
    return {row["messages"][-1]["content"]: (row["reason"], row["detail"]) for row in rows}


def test_two_thirds_relabel_and_disagreement_stays_out(
    project: Project, record: Record, curated: Artefact
) -> None:
    models = [
        member("one", {"koala": "koala", "lilac": "lilac"}),
        member("two", {"koala": "koala", "lilac": "rose"}),
        member("three", {"koala": "panda", "lilac": "tulip"}),
    ]
    made = asyncio.run(relabel(project, curated, record.folder / FOLDER, models))
    found = kept(made)["put on koala"]
    assert found.calls == ({"name": "play", "arguments": {"song": "koala"}},)
    assert found.source == "committee" and kept(made)["play amber 0"].source == ""
    assert dropped(made)["put on lilac"] == (
        "committee disagrees",
        "not in the request; 1 of 3 models agree",
    )
    assert made.report["committee"] == {"asked": 2, "relabelled": 1, "confirmed": 0, "cost": 0.0}
    answers = [json.loads(line) for line in made.file(ANSWERS).read_text(encoding="utf-8").splitlines()]
    assert {row["model"] for row in answers} == set(models) and len(answers) == 6
    assert made.step == "curate" and made.inputs == {"curate": curated.sha256}


def test_a_recorded_call_that_they_confirm_comes_back(
    project: Project, record: Record, curated: Artefact
) -> None:
    models = [member(name, {"koala": "zombie", "lilac": "zombie"}) for name in ("one", "two")]
    made = asyncio.run(relabel(project, curated, record.folder / FOLDER, models))
    assert made.report["committee"] == {"asked": 2, "relabelled": 0, "confirmed": 2, "cost": 0.0}


def test_a_step_that_was_stopped_goes_on_without_paying_twice(
    project: Project, record: Record, curated: Artefact
) -> None:
    folder = record.folder / FOLDER
    times: list[str] = []
    one = member("one", {}, times)
    with pytest.raises(EngineError):
        asyncio.run(relabel(project, curated, folder, [one, member("two", {"lilac": "FAIL"})]))
    assert len(times) == 2
    made = asyncio.run(relabel(project, curated, folder, [one, member("two", {})]))
    assert len(times) == 2 and made.report["committee"]["relabelled"] == 2
    assert asyncio.run(relabel(project, curated, folder, [one, "scripted:two"])).path == made.path
    assert len(times) == 2


def test_one_model_is_no_committee(project: Project, record: Record, curated: Artefact) -> None:
    for models in (["scripted:one"], ["scripted:one", "scripted:one"]):
        with pytest.raises(UserError, match="a committee of"):
            asyncio.run(relabel(project, curated, record.folder / FOLDER, models))


def reworder(name: str) -> str:
    """A model that words a request anew: twice well, once without the value, once as another task."""

    def script(request: Any) -> Any:
        text = request.messages[-1].content.splitlines()[-1]
        song = text.removeprefix("play ")
        wordings = [
            f"please play {song}",
            f"play me {song} now",
            "play that one",
            f"rain forecast for {song}",
        ]
        return ToolCall("reword", {"wordings": [*wordings, text]})

    Scripted.register(name, script)
    return f"scripted:{name}"


def test_thin_tasks_are_filled_with_what_can_be_checked(project: Project, record: Record) -> None:
    for number in range(30):
        asked(record, f"play {SONGS[number % 10]} {number}", f"{SONGS[number % 10]} {number}")
        city = f"{SONGS[number % 10]}{number}"
        asked(record, f"rain forecast for {city} please", city, "weather")
    folder = record.folder / FOLDER
    curated = curate(collect(record, folder), folder)
    recorded = list(read_samples(curated.file(KEPT)))
    learnt = sum(one.task == "play" and part_of(one.group) == "train" for one in recorded)
    made = asyncio.run(fill(project, curated, folder, reworder("words"), learnt + 7))
    new = [one for one in read_samples(made.file(KEPT)) if one.source == "synthetic"]
    groups = {one.id: one.group for one in recorded}
    assert made.report["synthetic"]["tasks"]["play"] == 7
    refused = made.report["synthetic"]["refused"]
    assert refused.keys() == {"a value is gone", "its words tell another task", "said already"}
    for one in new:
        assert verbatim(one) and one.group == groups[one.id.partition("~")[0]]
        assert part_of(one.group) == "train" and ("rain" in one.request) == (one.task == "weather")
    assert len({one.request for one in new}) == len(new) == len({one.id for one in new})
    assert asyncio.run(fill(project, curated, folder, "scripted:words", learnt + 7)).path == made.path


def test_command_line(project: Project, record: Record, curated: Artefact) -> None:
    models = ",".join(member(name, {}) for name in ("one", "two"))
    done = CliRunner().invoke(app, ["data", "curate", "--committee", models])
    assert done.exit_code == 0, done.output
    assert "2 relabelled" in done.stderr and "32 of 32 samples kept" in done.stderr
