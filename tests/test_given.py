"""What an expert is given beside the words: read, checked, and asked for when it lacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from speeddial import Desk, ToolContext, tool
from speeddial.column import Column
from speeddial.contract import Contract
from speeddial.errors import UserError
from speeddial.given import check_given, columns_of, given_of
from speeddial.models.scripted import Scripted


def labels(context: ToolContext) -> Contract | None:
    names = context.given.get("labels")
    if names is None:
        return None
    label = {"type": "string", "enum": list(names)}
    return Contract.from_schema(
        {
            "type": "object",
            "properties": {"label": label},
            "required": ["label"],
            "additionalProperties": False,
        }
    )


@tool(shape=labels)
def route(label: str) -> str:
    """Choose a label.

    Args:
        label: the label.
    """
    return label


def test_a_line_gives_what_it_names_and_nothing_else() -> None:
    row = {"id": 1, "input": "x", "labels": ["a"], "tools": None, "note": "y"}
    assert given_of(row) == {"labels": ["a"]}


@pytest.mark.parametrize(
    "given",
    [{"label": ["a"]}, {"columns": "city"}, {"columns": [3]}, {"columns": [{"name": "a", "type": "int"}]}],
)
def test_what_nothing_takes_is_a_users_error_with_a_hint(given: dict[str, Any]) -> None:
    with pytest.raises(UserError) as raised:
        check_given(given)
    assert raised.value.hint


def test_columns_are_names_or_objects() -> None:
    assert columns_of({"columns": ["a", {"name": "b", "type": "date"}]}) == (
        Column("a", "text"),
        Column("b", "date"),
    )
    assert columns_of({}) is None


def test_a_tool_takes_its_shape_from_what_is_given() -> None:
    Scripted.register("given", [{"name": "route", "arguments": {"label": "bug"}}])
    desk = Desk().add_expert("router", "routes", tools=[route], model="scripted:given")
    outcome = desk.call("router", "it crashes", given={"labels": ["billing", "bug"]})
    assert outcome.value == "bug" and outcome.status == "exact"
    Scripted.register("given", [{"name": "route", "arguments": {"label": "bug"}}] * 2)
    assert desk.call("router", "it crashes", given={"labels": ["billing"]}).result is None


def test_an_expert_says_what_it_lacks(tmp_path: Path) -> None:
    from speeddial.expert import Expert

    folder = tmp_path / "router"
    folder.mkdir()
    (folder / "prompt.md").write_text("Route.", encoding="utf-8")
    card = 'name = "router"\nsummary = "s"\ntask = "t"\ntools = ["route"]\nneeds = ["labels"]\n'
    (folder / "card.toml").write_text(card, encoding="utf-8")
    assert Expert.from_card(folder / "card.toml").needs == ("labels",)


def test_the_command_reads_what_is_given_from_a_file(tmp_path: Path) -> None:
    from speeddial.cli.run import _given

    file = tmp_path / "given.json"
    file.write_text(json.dumps({"labels": ["a"]}), encoding="utf-8")
    assert _given(file) == {"labels": ["a"]} and _given(None) == {}
    file.write_text("[1]", encoding="utf-8")
    with pytest.raises(UserError):
        _given(file)
