"""Projects: found, mounted without touching sys.path, and every mistake named in one line."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from speeddial.errors import NotFound, ProjectError
from speeddial.project import Project

MakeProject = Callable[..., Path]


def test_a_project_is_found_from_any_folder_below_it(make_project: MakeProject) -> None:
    root = make_project()
    assert Project.find(root / "experts" / "adder") == root


def test_no_project_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="speeddial init"):
        Project.find(tmp_path)


def test_the_rooms_load_and_sys_path_stays_clean(make_project: MakeProject) -> None:
    before = list(sys.path)
    project = Project.load(make_project())
    assert set(project.tools) == {"add", "note", "send"}
    assert set(project.experts) == {"adder", "writer"}
    assert project.agent("planner").role == "planner"
    assert sys.path == before
    assert importlib.util.find_spec("desk") is None


def test_two_projects_in_one_process_do_not_mix(make_project: MakeProject) -> None:
    first, second = make_project("one"), make_project("two")
    (second / "tools/desk.py").write_text(
        (second / "tools/desk.py").read_text(encoding="utf-8").replace("a + b", "a - b"), encoding="utf-8"
    )
    one, two = Project.load(first), Project.load(second)
    assert one.tools["add"].function(a=3, b=1) == 4
    assert two.tools["add"].function(a=3, b=1) == 2


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("experts/adder/card.toml", "summary = 3\ntask = 'x'\ntools = ['add']\n", ["summary", "a text", "3"]),
        ("experts/adder/card.toml", "summary = 'x'\ntools = ['add']\n", ["task", "nothing"]),
        ("experts/adder/card.toml", "summary='x'\ntask='x'\ntools=['ad']\n", ["tools", "'ad'", "add"]),
        (
            "experts/adder/card.toml",
            "summary='x'\ntask='x'\ntools=['add']\ncolour='red'\n",
            ["colour", "known key"],
        ),
        (
            "experts/adder/card.toml",
            "summary='x'\ntask='x'\ntools=['add']\nthreshold=3\n",
            ["threshold", "0 to 1"],
        ),
        (
            "experts/adder/card.toml",
            "summary='x'\ntask='x'\ntools=['add']\nadapter='a'\n",
            ["adapter", "folder"],
        ),
        (
            "experts/adder/card.toml",
            "summary='x'\ntask='x'\ntools=['add']\nnext=['bob']\n",
            ["next", "'bob'"],
        ),
        ("experts/adder/card.toml", "summary = \n", ["card.toml", "TOML"]),
        ("agents/planner/agent.toml", 'role = "boss"\n', ["role", "'boss'", "planner"]),
        ("tools/desk.py", "import nothing_of_that_name\n", ["desk.py:1", "nothing_of_that_name"]),
        ("tools/desk.py", "def f(:\n", ["desk.py:1", "SyntaxError"]),
    ],
)
def test_a_broken_file_is_one_line_that_says_where_and_what(
    make_project: MakeProject, path: str, text: str, words: list[str]
) -> None:
    root = make_project()
    (root / path).write_text(text, encoding="utf-8")
    with pytest.raises(ProjectError) as caught:
        Project.load(root)
    for word in words:
        assert word in str(caught.value)


def test_the_same_tool_name_twice_is_reported_with_both_files(make_project: MakeProject) -> None:
    root = make_project()
    (root / "tools/other.py").write_text(
        (root / "tools/desk.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    with pytest.raises(ProjectError, match=r"other\.py.*desk\.py.*'add'"):
        Project.load(root)


def test_an_unknown_expert_is_answered_with_the_known_names(make_project: MakeProject) -> None:
    with pytest.raises(NotFound, match="adder, writer"):
        Project.load(make_project()).expert("bob")


def test_an_experts_model_comes_from_its_setting_then_from_all_then_from_its_card(
    make_project: MakeProject,
) -> None:
    root = make_project(settings='[tool.speeddial.expert_models]\nadder = "scripted:own"\n')
    project = Project.load(root)
    assert project.model_of(project.expert("adder")) == "scripted:own"
    assert project.model_of(project.expert("writer")) == "scripted"


def test_an_expert_is_stale_when_a_tool_changed(make_project: MakeProject) -> None:
    root = make_project()
    card = root / "experts/adder/card.toml"
    pinned = Project.load(root).expert("adder").tools_hash(Project.load(root).tools)
    card.write_text(card.read_text(encoding="utf-8") + f'schema_hash = "{pinned}"\n', encoding="utf-8")
    project = Project.load(root)
    assert not project.expert("adder").is_stale(project.tools)
    desk = root / "tools/desk.py"
    desk.write_text(desk.read_text(encoding="utf-8").replace("b: int", "b: float"), encoding="utf-8")
    changed = Project.load(root)
    assert changed.expert("adder").is_stale(changed.tools)
