"""The list tools on real Markdown files: items once each, hand-written lines kept, nothing outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rooms import Desk

from speeddial.errors import ContractViolation, ToolError


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "workspace")


def lines(desk: Desk, name: str) -> list[str]:
    text = (desk.workspace / "lists" / f"{name}.md").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("<!--")]


def test_items_stand_in_a_markdown_check_list(desk: Desk) -> None:
    text = desk.text("add_to_list", items=["milk", "eggs"], list="shopping")
    assert text == "List 'shopping': milk, eggs added (2 now)."
    assert lines(desk, "shopping") == ["# shopping", "- [ ] milk", "- [ ] eggs"]
    assert desk.text("show_list", list="shopping") == "shopping:\n- milk\n- eggs"


def test_second_run_with_the_same_key_changes_nothing_and_returns_the_first_result(desk: Desk) -> None:
    first = desk.run("add_to_list", key="run-1", items=["milk"], list="shopping")
    path = desk.workspace / "lists/shopping.md"
    content = path.read_bytes()
    assert desk.run("add_to_list", key="run-1", items=["milk"], list="shopping").value == first.value
    assert path.read_bytes() == content
    desk.run("remove_from_list", key="run-2", items=["milk"], list="shopping")
    desk.run("add_to_list", key="run-3", items=["milk"], list="shopping")
    assert desk.run("remove_from_list", key="run-2", items=["milk"], list="shopping").value["items"] == [
        "milk"
    ]
    assert desk.text("show_list", list="shopping") == "shopping:\n- milk"


def test_item_that_is_there_is_told_and_not_doubled(desk: Desk) -> None:
    desk.run("add_to_list", items=["milk"], list="shopping")
    assert "Milk already there (2 now)" in desk.text(
        "add_to_list", items=["Milk", "bread"], list="the shopping list"
    )
    assert lines(desk, "shopping")[1:] == ["- [ ] milk", "- [ ] bread"]


def test_list_is_found_by_how_people_call_it(desk: Desk) -> None:
    desk.run("add_to_list", items=["call Tom"], list="to do")
    for name in ("todo", "my to do list", "To-Do", "to do"):
        assert desk.text("show_list", list=name) == "to do:\n- call Tom"
    assert "to do" in desk.text("add_to_list", items=["write"])
    assert desk.text("show_list") == "Lists:\n- to do"


def test_result_of_an_earlier_step_becomes_an_item(desk: Desk) -> None:
    desk.references = {1: "12"}
    desk.run("add_to_list", items=["ship #1 orders"], list="work")
    assert lines(desk, "work")[1:] == ["- [ ] ship 12 orders"]


def test_hand_written_lines_are_kept(desk: Desk) -> None:
    path = desk.workspace / "lists/garden.md"
    path.parent.mkdir(parents=True)
    path.write_text("# Garden\n\nBefore winter:\n- [x] rake\n* prune\n\n## later\n1. sow\n", encoding="utf-8")
    desk.run("add_to_list", items=["water"], list="garden")
    desk.run("remove_from_list", items=["prune"], list="garden")
    assert lines(desk, "garden") == [
        "# Garden", "Before winter:", "- [x] rake", "## later", "1. sow", "- [ ] water",
    ]  # fmt: skip


def test_removal_names_the_choices_when_it_is_not_clear(desk: Desk) -> None:
    desk.run("add_to_list", items=["whole milk", "oat milk"], list="shopping")
    with pytest.raises(ToolError, match=r"items: expected one item .* valid: whole milk, oat milk"):
        desk.run("remove_from_list", items=["milk"], list="shopping")
    assert desk.run("remove_from_list", items=["oat"], list="shopping").value["items"] == ["oat milk"]
    with pytest.raises(ToolError, match=r"got 'party'; valid: shopping"):
        desk.run("show_list", list="party")
    with pytest.raises(ToolError, match="already there"):
        desk.run("add_to_list", list="shopping")
    with pytest.raises(ToolError, match="which list to delete"):
        desk.run("delete_list")


def test_deleted_list_can_be_taken_back_and_is_deleted_once(desk: Desk) -> None:
    desk.run("add_to_list", items=["milk"], list="shopping")
    first = desk.run("delete_list", key="run-9", list="shopping")
    desk.run("add_to_list", items=["bread"], list="shopping")
    assert desk.run("delete_list", key="run-9", list="shopping").value == first.value
    assert desk.text("show_list", list="shopping") == "shopping:\n- bread"
    (grave,) = (desk.workspace / "lists/.deleted").iterdir()
    assert "- [ ] milk" in grave.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "..", "a/../../b", "C:\\x", "x\x00y", ".hidden"]
)
def test_no_name_leads_out_of_the_workspace(desk: Desk, tmp_path: Path, name: str) -> None:
    before = {path for path in tmp_path.rglob("*") if desk.workspace not in path.parents}
    try:
        desk.run("add_to_list", items=["x"], list=name)
    except (ToolError, ContractViolation):
        assert name in ("..", "x\x00y")
    files = [path for path in (desk.workspace / "lists").glob("*")] if desk.workspace.exists() else []
    assert all(path.suffix == ".md" and path.parent == desk.workspace / "lists" for path in files)
    assert {path for path in tmp_path.rglob("*") if desk.workspace not in path.parents} - before <= {
        desk.workspace
    }


def test_linked_folder_and_file_are_refused(desk: Desk, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    desk.workspace.mkdir()
    (desk.workspace / "lists").symlink_to(outside, target_is_directory=True)
    with pytest.raises(ToolError, match="is a link"):
        desk.run("add_to_list", items=["x"], list="shopping")
    assert list(outside.iterdir()) == []


_ITEM = st.text(min_size=1, max_size=40).filter(lambda text: text.strip())


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_ITEM, min_size=1, max_size=5))
def test_items_come_back_as_they_were_said(tmp_path: Path, items: list[str]) -> None:
    desk = Desk(tmp_path / str(abs(hash(tuple(items)))))
    added = desk.run("add_to_list", items=items, list="things").value["items"]
    assert desk.run("show_list", list="things").value["items"] == added
    for item in items:
        kept = " ".join(item.split()).casefold()
        assert any(kept == line.casefold().replace("<! --", "<!--") for line in added)
