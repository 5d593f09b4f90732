"""`speeddial init`: a project that works, and never over somebody's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from speeddial.errors import ProjectError
from speeddial.project import Project
from speeddial.scaffold import ROOMS, create


def test_a_new_project_loads_with_its_experts_and_weights(tmp_path: Path) -> None:
    create(tmp_path / "demo")
    assert not list((tmp_path / "demo").rglob("__pycache__"))
    project = Project.load(tmp_path / "demo")
    assert project.problems == []
    assert {"organizer", "tables"} <= set(project.experts)
    assert all(project.experts[name].adapter is not None for name in ("organizer", "tables"))
    assert (tmp_path / "demo/examples/orders.csv").is_file()


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x", encoding="utf-8")
    with pytest.raises(ProjectError, match="not empty"):
        create(tmp_path)
    with pytest.raises(ProjectError, match="is a file"):
        create(tmp_path / "mine")


def test_the_rooms_hold_no_packages() -> None:
    """An __init__.py in a room would shadow other distributions' top-level packages in the repository."""
    repository = Path(__file__).resolve().parents[1]
    for room in ROOMS:
        assert not list((repository / room).rglob("__init__.py"))
