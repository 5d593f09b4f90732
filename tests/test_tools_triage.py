"""The tool route and its expert: labels from the call, workspace or a shipped set; any engine serves it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from speeddial.errors import UserError
from speeddial.given import check_given, labels_of, with_defaults
from speeddial.models.scripted import Scripted
from speeddial.project import Project
from speeddial.record import Record
from speeddial.run import Runner
from speeddial.tool import ToolContext

ROOT = Path(__file__).resolve().parents[1]
LABELS = {
    "billing": ["the invoice is wrong", "I was charged twice", "refund the payment"],
    "bug": ["the program crashes", "an error appears on the screen", "the button does nothing"],
}


@pytest.fixture(scope="module")
def project() -> Project:
    return Project.load(ROOT, overrides={"model": "classifier:ngrams"})


def outcome_of(project: Project, tmp_path: Path, text: str, given: dict[str, Any], **options: Any) -> Any:
    with Record.open(tmp_path / "record.db") as record:
        return asyncio.run(Runner(project, record=record).call("triage", text, given=given, **options))


def context(given: dict[str, Any]) -> ToolContext:
    return ToolContext(
        Path(), files={}, now=datetime(2026, 11, 22, tzinfo=UTC), idempotency_key="k", given=given
    )


def test_the_expert_routes_and_says_how_sure_it_is(project: Project, tmp_path: Path) -> None:
    outcome = outcome_of(project, tmp_path, "the program crashes with an error", {"labels": LABELS})
    assert outcome.status == "exact" and outcome.value == "bug"
    assert 0.5 < outcome.confidence <= 1 and "classifier" in outcome.receipt.backend
    outcome = outcome_of(project, tmp_path, "who painted the mona lisa", {"labels": LABELS})
    assert outcome.status == "exact" and outcome.value == "none"


def test_a_shipped_set_goes_by_its_name(project: Project, tmp_path: Path) -> None:
    outcome = outcome_of(project, tmp_path, "how do I track my new card", {"labels": "banking77"})
    assert outcome.value == "card_arrival"


def test_without_labels_the_user_is_told_how_to_give_them(project: Project, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs labels") as raised:
        outcome_of(project, tmp_path, "hello", {})
    assert "labels.toml" in raised.value.hint


def test_the_workspace_may_have_the_labels(tmp_path: Path) -> None:
    (tmp_path / "labels.toml").write_text('bug = ["it crashes"]\nbilling = ["wrong sum"]\n', encoding="utf-8")
    assert with_defaults(["labels"], {}, tmp_path) == {
        "labels": {"bug": ["it crashes"], "billing": ["wrong sum"]}
    }
    given = {"labels": ["other"]}
    assert with_defaults(["labels"], given, tmp_path) is given and with_defaults([], {}, tmp_path) == {}
    (tmp_path / "labels.toml").write_text("bug = [", encoding="utf-8")
    with pytest.raises(UserError, match="expected TOML"):
        with_defaults(["labels"], {}, tmp_path)


def test_the_enum_is_the_labels_and_none(project: Project) -> None:
    tool = project.tools["route"]
    bound = tool.contract_for(context({"labels": LABELS})).bound("", context({"labels": LABELS}))
    assert bound.full_schema["properties"]["label"]["enum"] == ["billing", "bug", "none"]
    assert bound.schema_hash == tool.schema_hash


def test_any_other_engine_serves_it_from_the_prompt(project: Project, tmp_path: Path) -> None:
    model = Scripted.register("triage", [{"name": "route", "arguments": {"label": "billing"}}])
    house = Project.load(ROOT, overrides={"model": "scripted:triage"})
    outcome = outcome_of(house, tmp_path, "I paid two times", {"labels": LABELS})
    assert outcome.value == "billing"
    system, user = model.requests[0].messages
    assert '"billing" | "bug" | "none"' in system.content
    assert user.content.startswith("billing: the invoice is wrong | I was charged twice\nbug: ")
    assert user.content.endswith("\nI paid two times")


@pytest.mark.parametrize(
    "labels", [3, [], {}, [1], {"a": 1}, {"a": [1]}, ["none"], {"none": ["x"]}, [" "], ""]
)
def test_what_are_no_labels_is_a_users_error_with_a_hint(labels: Any) -> None:
    with pytest.raises(UserError) as raised:
        check_given({"labels": labels})
    assert raised.value.hint


def test_labels_are_names_examples_or_a_sets_name() -> None:
    assert labels_of({"labels": ["a", "b"]}) == {"a": (), "b": ()}
    assert labels_of({"labels": {"a": "one", "b": ["two"]}}) == {"a": ("one",), "b": ("two",)}
    assert labels_of({"labels": "banking77"}) == "banking77" and labels_of({}) is None


def test_an_adapter_of_the_classifier_is_put_on_no_other_engine(project: Project) -> None:
    from speeddial.adapters import is_tuned

    expert = project.experts["triage"]

    def tuned(model: str) -> bool:
        return asyncio.run(is_tuned("triage", expert.adapter, expert.model, model))

    assert tuned("classifier:ngrams") and tuned("classifier:smollm2-135m-instruct")
    assert not any(map(tuned, ["embedded:smollm2-135m-instruct", "transformers:folder", "openai:x"]))
    organizer = project.experts["organizer"]
    assert not asyncio.run(is_tuned("o", organizer.adapter, organizer.model, "classifier:ngrams"))
