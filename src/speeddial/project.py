"""A project: the four rooms of a folder, found from the current directory, mounted and listed.

The folder is mounted as one private module whose ``__path__`` is the project's root; ``sys.path`` is
never touched, so ``import tools`` stays whatever it was.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from speeddial.agent import Agent
from speeddial.errors import NotFound, Problem, ProjectError, SpeeddialError
from speeddial.expert import ANY_TOOL, Expert
from speeddial.judge import ROLE, as_expert
from speeddial.record import Record, open_record
from speeddial.settings import Settings, project_table
from speeddial.tool import Tool

if TYPE_CHECKING:
    from speeddial.record.export import Licences
    from speeddial.workflow import Workflow

MOUNT = "_speeddial_project"
Noun = TypeVar("Noun")


class Project:
    """One project folder.

    Args:
        root: the folder with ``speeddial.toml`` or a ``pyproject.toml`` with ``[tool.speeddial]``.
        overrides: settings given as flags.
    """

    def __init__(self, root: Path, overrides: Mapping[str, Any] | None = None) -> None:
        self.root = root.resolve()
        self.settings = Settings.load(self.root, overrides)
        self._problems: dict[str, list[Problem]] = {}
        self._mount = ModuleType(MOUNT, "The project folder, mounted.")
        self._mount.__path__ = [str(self.root)]

    @staticmethod
    def find(start: Path | None = None) -> Path:
        """The nearest project folder at or above `start` (the current directory).

        Raises:
            ProjectError: there is none.
        """
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (folder / "speeddial.toml").is_file():
                return folder
            if (folder / "pyproject.toml").is_file() and project_table(folder)[1]:
                return folder
        raise ProjectError(
            f"no Speeddial project at or above {here}",
            hint="`speeddial init DIR` makes one; or change into one",
        )

    @classmethod
    def load(cls, start: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Project:
        """Find and open a project.

        Raises:
            ProjectError: there is none, or its tools or cards do not load; one line per problem.
        """
        project = cls(cls.find(start), overrides)
        project.require("tools", "experts", "agents")
        return project

    def require(self, *rooms: str) -> None:
        """Load rooms, and raise if anything in them does not load.

        Raises:
            ProjectError: one line per problem.
        """
        for room in rooms:
            getattr(self, room)
        found = [problem for room in rooms for problem in self._problems.get(room, ())]
        if found:
            raise ProjectError(
                "\n".join(str(problem) for problem in found), hint="`speeddial check` lists every problem"
            )

    @property
    def workspace(self) -> Path:
        """The folder that tools may use; made when it is not there."""
        path = self.root / self.settings.workspace
        path.mkdir(parents=True, exist_ok=True)
        return path

    def open_record(self) -> Record:
        """The record, opened as the settings say.

        Raises:
            UserError, RecordError: see `Record.open`.
        """
        return open_record(self.settings, self.workspace)

    @property
    def problems(self) -> list[Problem]:
        """Everything in the rooms that did not load."""
        for room in ("tools", "experts", "agents", "workflows"):
            getattr(self, room)
        return [problem for found in self._problems.values() for problem in found]

    @cached_property
    def tools(self) -> Mapping[str, Tool]:
        return self._from_modules("tools", Tool)

    @cached_property
    def workflows(self) -> Mapping[str, Workflow]:
        from speeddial.workflow import Workflow

        return self._from_modules("workflows", Workflow)

    @cached_property
    def experts(self) -> Mapping[str, Expert]:
        found = {
            name: replace(expert, tools=tuple(self.tools)) if expert.tools == (ANY_TOOL,) else expert
            for name, expert in self._from_cards("experts", "card.toml", Expert.from_card).items()
        }
        for expert in found.values():
            self._check_names(expert, "tools", expert.tools, expert.definitions or self.tools)
            self._check_names(expert, "next", expert.next, found)
        return found

    @cached_property
    def agents(self) -> Mapping[str, Agent]:
        return self._from_cards("agents", "agent.toml", Agent.from_card)

    def expert(self, name: str) -> Expert:
        """One expert, or the judge, who is phoned like one.

        Raises:
            NotFound: with the names that there are.
        """
        if name == ROLE and name not in self.experts:
            return as_expert(self.agents, name)
        if name not in self.experts:
            raise NotFound(f"no expert {name!r}", hint=f"this project has: {', '.join(sorted(self.experts))}")
        return self.experts[name]

    def agent(self, role: str) -> Agent:
        """The agent of a role.

        Raises:
            NotFound: the project has none.
        """
        for agent in self.agents.values():
            if agent.role == role:
                return agent
        raise NotFound(
            f"this project has no {role}", hint=f"add agents/{role}/agent.toml with role = {role!r}"
        )

    def model_of(self, expert: Expert) -> str:
        """Engine and model for an expert: its own setting, else one set for all, else its card's.

        What is set for all does not replace weights that only this expert has.
        """
        if expert.name in self.settings.expert_models:
            return self.settings.expert_models[expert.name]
        if expert.model and (expert.weights is not None or self.settings.is_default("model")):
            return expert.model
        return self.settings.model

    @property
    def licences(self) -> Licences:
        """Under which licence outputs of this project's models come: its settings and model cards."""
        from speeddial.models import is_folder
        from speeddial.record.export import Licences, licence_in

        folders = {agent.name: agent.folder for agent in self.agents.values()}
        folders |= {expert.name: expert.folder for expert in self.experts.values()}
        own = {one.model: licence_in(one.folder) for one in self.experts.values() if is_folder(one.model)}
        return Licences(own | dict(self.settings.licences), folders)

    def _note(self, room: str, path: Path | str, expected: str, got: str) -> None:
        self._problems.setdefault(room, []).append(Problem(str(path), expected, got))

    def _check_names(
        self, expert: Expert, key: str, names: tuple[str, ...], known: Mapping[str, Any]
    ) -> None:
        for name in names:
            if name not in known:
                valid = ", ".join(sorted(known)) or "none"
                card = expert.folder / "card.toml"
                self._note("experts", f"{card}: {key}", f"a name this project has ({valid})", repr(name))

    def _from_cards(self, room: str, card: str, read: Callable[[Path], Noun]) -> dict[str, Noun]:
        found: dict[str, Noun] = {}
        for path in sorted((self.root / room).glob(f"*/{card}")):
            try:
                noun = read(path)
            except ProjectError as error:
                self._problems.setdefault(room, []).extend(_problems_of(error, path))
            else:
                found[path.parent.name] = noun
        return found

    def _from_modules(self, room: str, kind: type[Noun]) -> dict[str, Noun]:
        found: dict[str, Noun] = {}
        origin: dict[str, Path] = {}
        for path in sorted((self.root / room).glob("*.py")):
            if path.name.startswith("_"):
                continue
            try:
                module = self._import(room, path.stem)
            except SpeeddialError as error:
                self._note(room, path, "a definition that works", str(error))
                continue
            except Exception as error:  # noqa: BLE001 - the user's file may raise anything; it is reported
                self._note(room, f"{path}:{_line_in(error, path)}", "a module that imports", repr(error))
                continue
            for noun in vars(module).values():
                if not isinstance(noun, kind):
                    continue
                name: str = noun.name  # type: ignore[attr-defined]
                if name in found and found[name] is not noun:
                    self._note(room, path, f"a name not used in {origin[name]}", repr(name))
                found[name] = noun
                origin[name] = path
        return found

    def _import(self, room: str, stem: str) -> ModuleType:
        if sys.modules.get(MOUNT) is not self._mount:
            for name in [name for name in sys.modules if name == MOUNT or name.startswith(f"{MOUNT}.")]:
                del sys.modules[name]
            sys.modules[MOUNT] = self._mount
            importlib.invalidate_caches()
        return importlib.import_module(f"{MOUNT}.{room}.{stem}")


def _problems_of(error: ProjectError, path: Path) -> list[Problem]:
    """A card's message, one problem a line, so that `check` can count them."""
    problems = []
    for line in error.message.splitlines():
        where, found, rest = line.partition(": expected ")
        expected, _, got = rest.partition(", got ")
        problems.append(
            Problem(where, expected, got) if found else Problem(str(path), "a card that loads", line)
        )
    return problems


def _line_in(error: BaseException, path: Path) -> int:
    """The line of the user's file that the error came through; 1 when it did not get that far."""
    lines = [
        frame.lineno or 1
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == path
    ]
    if isinstance(error, SyntaxError) and error.lineno:
        return error.lineno
    return lines[-1] if lines else 1
