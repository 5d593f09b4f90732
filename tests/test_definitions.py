"""An expert whose folder is complete: tools that are schemas beside its card, and weights of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import write_model

from speeddial.calibration import Calibration
from speeddial.call import _confidence, _Member
from speeddial.check import findings
from speeddial.errors import ProjectError, UserError
from speeddial.expert import Expert
from speeddial.models import Completion, Receipt
from speeddial.models.adapter import weights_hash
from speeddial.models.model import Token
from speeddial.project import Project
from speeddial.run import Runner

MakeProject = Callable[..., Path]
TOOLS = [
    {
        "name": "play_music",
        "description": "Play.",
        "parameters": {
            "type": "object",
            "properties": {
                "artist": {"type": "string", "x-copied": True},
                "service": {"type": "string", "enum": ["radio", "records"]},
            },
            "required": ["service"],
            "additionalProperties": False,
        },
    }
]
CARD = """\
name = "music"
summary = "music that is wanted"
task = "Plays."
definitions = "tools.json"
weights = "{weights}"
planned = false
"""


@pytest.fixture
def folder(make_project: MakeProject) -> Path:
    """The expert's folder in a project; its weights stand beside, as those do that several share."""
    root = make_project()
    folder = root / "experts" / "music"
    folder.mkdir()
    (folder / "card.toml").write_text(CARD.format(weights="../../shared/weights"), encoding="utf-8")
    (folder / "prompt.md").write_text("Music.\n", encoding="utf-8")
    (folder / "tools.json").write_text(json.dumps(TOOLS), encoding="utf-8")
    write_model(root / "shared" / "weights")
    return folder


async def test_a_folder_of_definitions_and_weights_serves(folder: Path) -> None:
    project = Project.load(folder, {"model": "scripted"})  # what is set for all leaves its weights alone
    expert = project.expert("music")
    assert expert.tools == ("play_music",)
    assert project.model_of(expert) == f"embedded:{(folder / '../../shared/weights').resolve()}"
    with project.open_record() as record:
        outcome = await Runner(project, record=record).call("music", "play Nina Simone", execute=False)
        decoded = record.interaction(outcome.interactions[0])
    assert decoded.messages[0]["content"] == "Music."  # the tools stand in no prompt
    assert decoded.messages[1]["content"] == "play Nina Simone"
    assert [tool["name"] for tool in decoded.tools] == ["play_music", "refuse"]
    assert decoded.receipt is not None and decoded.receipt["constrained"]
    assert decoded.parsed is not None and decoded.parsed["name"] in ("play_music", "refuse")
    assert [finding for finding in findings(project) if "music" in str(finding)] == []


async def test_definitions_alone_are_not_run(folder: Path) -> None:
    project = Project.load(folder)
    with project.open_record() as record, pytest.raises(UserError, match="came as a schema"):
        await Runner(project, record=record).call("music", "play Nina Simone")


async def test_a_set_model_of_its_own_is_told_the_tools(folder: Path) -> None:
    project = Project.load(folder, {"expert_models": {"music": "scripted"}})
    with project.open_record() as record:
        outcome = await Runner(project, record=record).call("music", "play Nina Simone", execute=False)
        decoded = record.interaction(outcome.interactions[0])
    assert "play_music(" in decoded.messages[0]["content"]


def test_a_calibration_holds_for_the_weights_wherever_they_stand(folder: Path) -> None:
    weights = folder / "../../shared/weights"
    made = Calibration("embedded:weights", weights_hash(weights), "product", "temperature", (0.0, 0.0))
    made.write(folder / "calibration.json")
    project = Project.load(folder)
    expert = project.expert("music")
    said = Completion(
        text="{}", receipt=Receipt(True, "", "", ""), model="", tokens=(Token("{}", 0.9),), confidence=0.9
    )
    own = _Member("music", expert, project.model_of(expert), tuned=True)
    other = _Member("music", expert, "embedded:elsewhere/model", tuned=True)
    assert [_confidence(member, said) for member in (own, other)] == [0.5, 0.9]
    assert [finding for finding in findings(project) if "music" in str(finding)] == []


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("", "No such file"),
        ("{}", "with a list"),
        ('[{"name": "two words"}]', "number 1: tools: expected a name of letters"),
        (json.dumps(TOOLS * 2), "names that differ"),
    ],
)
def test_broken_definitions_are_named(folder: Path, file: str, said: str) -> None:
    path = folder / "tools.json"
    path.write_text(file, encoding="utf-8") if file else path.unlink()
    with pytest.raises(ProjectError) as raised:
        Expert.from_card(folder / "card.toml")
    assert said in raised.value.message
