"""The judge: typed verdicts by the user's rubric, resting on words of the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rooms import project

from speeddial import Desk
from speeddial.errors import NotFound, RunFailed, UserError
from speeddial.judge import Verdict
from speeddial.models.scripted import Scripted

ANSWER = "Calm down and read the manual, page 12."
RUDE = {"spans": ["Calm down"], "reason": "it talks down to the user", "verdict": "1"}
POLITE = {"criterion": "Is it polite?", "rubric": {"1": "rude", "2": "neutral", "3": "polite"}}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def desk(*verdicts: dict[str, Any]) -> Desk:
    script = Scripted.register("judge", [{"name": "judge", "arguments": one} for one in verdicts])
    return Desk(planner=script.name).add_judge(script.name, "You are the judge.")


def test_a_verdict_rests_on_words_of_the_answer() -> None:
    with desk(RUDE) as made:
        assert made.judge(ANSWER, POLITE, asked="It does not start.") == Verdict(**RUDE)
        (row,) = [row for row in made.runner.record.interactions() if row.kind == "model"]
    assert (row.expert, row.status, row.parsed["arguments"]) == ("judge", "exact", RUDE)
    asked = row.messages[-1]["content"]
    assert asked == (
        "Criterion: Is it polite?\nScores: 1 = rude; 2 = neutral; 3 = polite\n"
        f"Asked: It does not start.\nAnswer:\n{ANSWER}"
    )


def test_what_is_no_verdict_cannot_be_decoded() -> None:
    with desk(RUDE) as made:
        made.judge(ANSWER, POLITE)
    contract = Scripted.named("judge").requests[0].contract
    assert list(contract.tools) == ["judge"], "a judge does not refuse"  # type: ignore[attr-defined]
    for wrong in ({"spans": ["Calm me"]}, {"verdict": "4"}, {"verdict": 1}, {"reason": ""}):
        assert contract.check({"name": "judge", "arguments": RUDE | wrong})


def test_without_a_rubric_an_answer_passes_or_fails() -> None:
    passed = {"spans": ["page 12"], "reason": "it names the page", "verdict": "pass"}
    with desk(passed) as made:
        assert made.judge(ANSWER, "Does it name a page?").verdict == "pass"


def test_an_invalid_verdict_is_a_failure_not_a_verdict() -> None:
    with desk(RUDE | {"verdict": "9"}, RUDE | {"verdict": "8"}) as made:
        Scripted.register(
            "judge",
            [{"name": "judge", "arguments": RUDE | {"verdict": score}} for score in "98"],
            unconstrained=True,
        )
        with pytest.raises(RunFailed):
            made.judge(ANSWER, POLITE)


@pytest.mark.parametrize(
    "criteria",
    [
        {"criterion": "Polite?", "rubric": {"1": "rude"}},
        {"criterion": "Polite?", "scale": [1, 2]},
        {"rubric": {"1": "rude", "2": "polite"}},
        {"criterion": "Polite?", "rubric": ["rude", "polite"]},
    ],
)
def test_criteria_that_are_none(criteria: dict[str, Any]) -> None:
    with desk(RUDE) as made, pytest.raises(UserError, match="expected a criterion"):
        made.judge(ANSWER, criteria)


def test_without_criteria_or_a_judge_the_user_is_told() -> None:
    with desk(RUDE) as made, pytest.raises(UserError, match="judge needs criteria"):
        made.call("judge", ANSWER)
    with Desk() as made, pytest.raises(NotFound, match="no judge"):
        made.judge(ANSWER, POLITE)


async def test_a_workflow_may_ask_for_a_verdict() -> None:
    from speeddial import workflow
    from speeddial.live import Run

    @workflow
    async def checked(run: Run, task: str) -> str:
        """Judge the task."""
        return (await run.judge(task, POLITE)).verdict

    with desk(RUDE) as made:
        assert (await made.runner.run(ANSWER, workflow=checked)).unwrap() == "1"


def test_the_shipped_judge_is_phoned_like_an_expert() -> None:
    shipped = project().expert("judge")
    assert shipped.tools == ("judge",) and shipped.needs == ("criteria",)
    assert "judge" not in project().experts, "no plan has a place for it"
