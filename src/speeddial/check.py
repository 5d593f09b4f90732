"""`speeddial check`: everything about a project that can be known to be wrong before a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from speeddial.calibration import FILE
from speeddial.contract import Contract, union_of_calls
from speeddial.errors import Problem
from speeddial.expert import TAGGER, Expert
from speeddial.models import ENGINES, is_folder
from speeddial.models.adapter import weights_hash
from speeddial.project import Project
from speeddial.tool import Tool

if TYPE_CHECKING:
    from speeddial.models.grammars import GuidedTokenizer


_MODEL_FILES = {"embedded": "config.json", "tagger": TAGGER}
"""What a folder of a model must hold, by engine."""


@dataclass(frozen=True)
class Enforcement:
    """What decoding guarantees for one tool, and what only the validator does."""

    tool: str
    effect: str
    by_grammar: tuple[str, ...]
    after: tuple[str, ...]
    shortest: int | None
    """Tokens of the shortest call of it in the embedded base's vocabulary; None while no base is pulled.

    A smaller budget (`max_tokens`) is refused before anything is decoded."""


@dataclass(frozen=True)
class Finding:
    """One line of the check."""

    problem: Problem
    next_step: str
    fatal: bool = True
    """False for what works but deserves a look (an untuned expert)."""

    def __str__(self) -> str:
        return f"{self.problem}; next: {self.next_step}"


def findings(project: Project) -> Iterator[Finding]:
    """Every problem, in the order of the rooms.

    Args:
        project: opened, its rooms need not load.
    """
    for problem in project.problems:
        yield Finding(problem, "mend the file")
    for expert in project.experts.values():
        yield from _expert(project, expert)
    for agent in project.agents.values():
        path = agent.folder / "agent.toml"
        if agent.role == "planner" and "{experts}" not in agent.prompt:
            yield Finding(
                Problem(f"{path}: prompt", "a text with {experts} where the registry goes", "none"),
                "put {experts} into the prompt file",
            )
        if agent.model and agent.model != "compose":
            yield from _model_name(project, path, agent.model)
    for workflow in project.workflows.values():
        for problem in workflow.lint():
            yield Finding(problem, "mend the workflow")
    if not any(agent.role == "planner" for agent in project.agents.values()):
        yield Finding(
            Problem("agents/", 'an agent with role = "planner"', "none"), "add agents/planner/agent.toml"
        )


def enforcement(project: Project) -> list[Enforcement]:
    """Per tool: what its grammar enforces, what is enforced after decoding, and its shortest call."""
    tokenizer = _tokenizer()
    return [
        Enforcement(
            tool.name,
            tool.effect,
            tuple(tool.contract.report.by_grammar),
            tuple(tool.contract.report.after),
            None if tokenizer is None else len(tokenizer.shortest(_call_of(tool).grammar)),
        )
        for tool in project.tools.values()
    ]


def _call_of(tool: Tool) -> Contract:
    return union_of_calls({tool.name: tool.contract}, refuse=False)


def _tokenizer() -> GuidedTokenizer | None:
    from speeddial.models.base_model import find_base
    from speeddial.models.chat_tokenizer import ChatTokenizer
    from speeddial.models.grammars import GuidedTokenizer

    base = find_base()
    if base is None:
        return None
    chat = ChatTokenizer(base.vocabulary)
    return GuidedTokenizer(chat.vocabulary(), chat.size, chat.end)


def _expert(project: Project, expert: Expert) -> Iterator[Finding]:
    card = expert.folder / "card.toml"
    if not expert.tools:
        yield Finding(Problem(f"{card}: tools", "at least one tool", "none"), "name the tools it may call")
        return
    if any(name not in (expert.definitions or project.tools) for name in expert.tools):
        return  # already reported by the project
    yield from _model_name(project, card, project.model_of(expert))
    if expert.is_stale(project.tools):
        yield Finding(
            Problem(
                f"{card}: schema_hash",
                expert.schema_hash,
                f"{expert.tools_hash(project.tools)}: a tool changed since the expert was trained",
            ),
            "train it again, or set the new hash if the change does not matter to it",
            fatal=False,
        )
    if expert.calibration is not None and expert.calibration.adapter != weights_hash(expert.trained):
        yield Finding(
            Problem(
                f"{expert.folder / FILE}: adapter", weights_hash(expert.trained), "that of other weights"
            ),
            f"`speeddial eval {expert.name} --data FILE --calibrate`, or remove the file",
            fatal=False,
        )
    if expert.trained is None and not is_folder(expert.model):
        yield Finding(
            Problem(f"{card}: adapter", "trained weights", "none: the expert is untuned"),
            "train one from the record, or leave it so",
            fatal=False,
        )


def _model_name(project: Project, path: Path, name: str) -> Iterator[Finding]:
    engine, _, folder = name.partition(":")
    if engine not in ENGINES:
        forms = tuple(engine.form for engine in ENGINES.values())
        yield Finding(Problem(f"{path}: model", "a known engine", repr(name), forms), "mend the name")
    elif is_folder(name) and not (project.root / folder / _MODEL_FILES[engine]).is_file():
        problem = Problem(f"{path}: model", "a folder of the project with a model", repr(name))
        yield Finding(problem, "train the model, or mend the name")
