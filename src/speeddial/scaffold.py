"""`speeddial init`: a new project, copied from the reference project that the wheel carries."""

from __future__ import annotations

import shutil
from pathlib import Path

from speeddial.errors import ProjectError

ROOMS = ("agents", "tools", "experts", "workflows", "examples")

_PROJECT_FILE = """\
# A Speeddial project: the rooms beside this file are yours to change.
# Every setting and where it came from: speeddial doctor
[tool.speeddial]
workspace = "workspace"
# planner = "vllm:planner@http://127.0.0.1:8000/v1"
# model = "vllm:NAME@http://127.0.0.1:8000/v1"
"""

_README = """\
# {name}

A [Speeddial](https://pypi.org/project/speeddial/) project.

    speeddial run "How many orders came from Berlin?" --input examples/orders.csv
    speeddial check

| room | what stands here |
| --- | --- |
| `agents/` | generalist roles: planner, answerer |
| `tools/` | typed functions, each with one declared effect |
| `experts/` | one folder per specialist: card, prompt, cases, weights |
| `workflows/` | steps and edges |
| `workspace/` | what the tools may read and write, and the record under `.speeddial/` |
"""


def starter() -> Path:
    """The folder with the reference project's rooms: inside the wheel, or the repository around an
    editable install.

    Raises:
        ProjectError: this installation carries none.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "starter", here.parents[1]):
        if all((folder / room).is_dir() for room in ROOMS):
            return folder
    raise ProjectError(
        "this installation carries no reference project",
        hint="install Speeddial from its wheel or repository",
    )


def create(folder: Path) -> list[Path]:
    """Make a project.

    Args:
        folder: must be absent or empty.

    Returns:
        What was made, relative to the folder.

    Raises:
        ProjectError: the folder holds something.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise ProjectError(f"{folder} is not empty", hint="name a new folder")
    if folder.exists() and not folder.is_dir():
        raise ProjectError(f"{folder} is a file", hint="name a new folder")
    source = starter()
    for room in ROOMS:
        shutil.copytree(source / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    (folder / "pyproject.toml").write_text(_PROJECT_FILE, encoding="utf-8")
    (folder / "README.md").write_text(_README.format(name=folder.resolve().name), encoding="utf-8")
    (folder / ".gitignore").write_text("workspace/\n__pycache__/\n", encoding="utf-8")
    (folder / "workspace").mkdir()
    return [Path(room) for room in ROOMS] + [Path("pyproject.toml"), Path("README.md"), Path("workspace")]
