"""A plan: which expert does which part of a task, type-checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from speeddial.contract import Contract
from speeddial.errors import Problem
from speeddial.expert import Expert
from speeddial.messages import Message, compact_json
from speeddial.ranking import Index
from speeddial.tool import Tool

MAX_PLAN_STEPS = 8
MAX_TASK_CHARS = 1000
MAX_MISSING = 8
MAX_CANDIDATES = 12
"""Experts that a planner is shown at most; a larger registry is searched first."""


class Step(BaseModel):
    """One part of a task, for one expert."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    task: str
    """What the expert is asked, as far as possible in the user's own words."""
    expert: str
    file: str | None = None
    """Name of the granted file that it works on."""
    uses: tuple[int, ...] = Field(default=(), strict=False)
    """Numbers of the earlier steps whose results it needs; steps count from 1."""

    def as_dict(self) -> dict[str, Any]:
        """In the form that planners write: unset keys left out."""
        return self.model_dump(mode="json", exclude_defaults=True)


class Plan(BaseModel):
    """Steps in order, and the parts of the task that no expert serves."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    steps: tuple[Step, ...] = Field(default=(), strict=False)
    missing: tuple[str, ...] = Field(default=(), strict=False)

    @classmethod
    def from_answer(cls, value: Mapping[str, Any]) -> Plan:
        """The plan of a planner's answer, where a part that nobody serves may stand in its place.

        Such a part is a step whose expert is null; a step that needs its result is missing as well.

        Args:
            value: what `plan_contract` admits.

        Raises:
            pydantic.ValidationError: it is no plan.
        """
        numbers: dict[int, int] = {}
        steps, missing = [], list(value.get("missing", ()))
        for position, step in enumerate(value["steps"], start=1):
            uses = step.get("uses", ())
            if step["expert"] is None or any(used not in numbers for used in uses):
                missing.append(step["task"])
                continue
            steps.append({**step, "uses": [numbers[used] for used in uses]})
            numbers[position] = len(steps)
        return cls.model_validate({"steps": steps, "missing": missing})

    def as_dict(self) -> dict[str, Any]:
        """In the form that planners write: unset keys left out."""
        plan: dict[str, Any] = {"steps": [step.as_dict() for step in self.steps]}
        if self.missing:
            plan["missing"] = list(self.missing)
        return plan

    def __str__(self) -> str:
        lines = []
        for number, step in enumerate(self.steps, start=1):
            extra = f" [{step.file}]" if step.file else ""
            uses = f" (uses {', '.join(f'#{used}' for used in step.uses)})" if step.uses else ""
            lines.append(f"{number}. {step.expert}: {step.task}{extra}{uses}")
        lines += [f"missing: {part}" for part in self.missing]
        return "\n".join(lines)


def plan_contract(
    experts: Mapping[str, Expert], files: Collection[str], *, max_steps: int = MAX_PLAN_STEPS
) -> Contract:
    """The contract of a planner's answer over these experts and files; `Plan.from_answer` reads it.

    Expert and file names are enums, step *i* can only refer to steps before it, `file` is there
    exactly for the experts that need one, and a plan without steps must say what is missing.
    The task comes before the expert: a small model chooses better with the part's words written out, and
    goes through the request once when a part that nobody serves has its place too, under null.

    Args:
        experts: name -> expert; those that need a file are left out when there is none.
        files: names of the files that the run was granted.
        max_steps: most steps that the plan may have.
    """
    usable = [expert for expert in experts.values() if files or not expert.needs_file]
    groups: dict[tuple[bool, bool], list[str]] = {}
    for expert in usable:
        groups.setdefault((expert.needs_file, bool(expert.accepts)), []).append(expert.name)
    return _contract(
        tuple((kind, tuple(sorted(names))) for kind, names in sorted(groups.items())),
        tuple(sorted(files)),
        max_steps,
    )


@lru_cache(maxsize=64)
def _contract(
    groups: tuple[tuple[tuple[bool, bool], tuple[str, ...]], ...], files: tuple[str, ...], max_steps: int
) -> Contract:
    """The contract for experts by whether they need a file and whether they refer to earlier steps."""
    text = {"type": "string", "minLength": 1, "maxLength": MAX_TASK_CHARS}
    missing = {"type": "array", "items": text, "minItems": 1, "maxItems": MAX_MISSING}
    empty = _closed({"steps": {"type": "array", "maxItems": 0}, "missing": missing})
    if not groups:
        return Contract.from_schema(empty)
    positions = []
    for position in range(1, max_steps + 1):
        variants = []
        for (needs_file, refers), names in groups:
            properties: dict[str, Any] = {"task": text, "expert": {"type": "string", "enum": list(names)}}
            if needs_file:
                properties["file"] = {"type": "string", "enum": list(files)}
            if refers and position > 1:
                earlier = {"type": "integer", "enum": list(range(1, position))}
                properties["uses"] = {
                    "type": "array",
                    "items": earlier,
                    "minItems": 1,
                    "maxItems": position - 1,
                }
            variants.append(_closed(properties, optional=("uses",)))
        variants.append(_closed({"task": text, "expert": {"type": "null"}}))
        positions.append({"anyOf": variants})
    steps = {"type": "array", "prefixItems": positions, "items": False, "minItems": 1, "maxItems": max_steps}
    filled = _closed({"steps": steps, "missing": missing}, optional=("missing",))
    return Contract.from_schema({"anyOf": [filled, empty]})


def _closed(properties: dict[str, Any], *, optional: Sequence[str] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def check_plan(
    plan: Plan,
    experts: Mapping[str, Expert],
    tools: Mapping[str, Tool],
    files: Collection[str],
    *,
    max_steps: int = MAX_PLAN_STEPS,
) -> list[Problem]:
    """Type-check a plan against the registry and the run's files.

    Args:
        plan: the plan as decoded, or as a person wrote it.
        experts: name -> expert, all that a step may name.
        tools: name -> tool; what they return decides which references fit.
        files: names of the files that the run was granted.
        max_steps: most steps that the plan may have.

    Returns:
        Every problem, in step order; an empty list for a plan that can run.
    """
    problems: list[Problem] = []
    if not plan.steps and not plan.missing:
        problems.append(Problem("steps", "at least one step, or missing", "none"))
    if len(plan.steps) > max_steps:
        problems.append(Problem("steps", f"at most {max_steps} steps", str(len(plan.steps))))
    for position, part in enumerate(plan.missing):
        problems += _check_text(f"missing[{position}]", part)
    for position, step in enumerate(plan.steps):
        path = f"steps[{position}]"
        problems += _check_text(f"{path}.task", step.task)
        expert = experts.get(step.expert)
        if expert is None:
            problems.append(
                Problem(f"{path}.expert", "a known expert", repr(step.expert), tuple(sorted(experts)))
            )
            continue
        problems += _check_file(path, step, expert, files)
        problems += _check_uses(path, position, plan, expert, experts, tools)
    return problems


def _check_text(path: str, text: str) -> list[Problem]:
    if not text.strip():
        return [Problem(path, "some text", repr(text))]
    if len(text) > MAX_TASK_CHARS:
        return [Problem(path, f"at most {MAX_TASK_CHARS} characters", str(len(text)))]
    return []


def _check_file(path: str, step: Step, expert: Expert, files: Collection[str]) -> list[Problem]:
    valid = tuple(sorted(files))
    if expert.needs_file and step.file is None:
        return [Problem(f"{path}.file", f"a file, which {expert.name} needs", "nothing", valid)]
    if not expert.needs_file and step.file is not None:
        return [Problem(f"{path}.file", f"nothing: {expert.name} takes no file", repr(step.file))]
    if step.file is not None and step.file not in files:
        return [Problem(f"{path}.file", "a file of this run", repr(step.file), valid)]
    return []


def _check_uses(
    path: str,
    position: int,
    plan: Plan,
    expert: Expert,
    experts: Mapping[str, Expert],
    tools: Mapping[str, Tool],
) -> list[Problem]:
    problems = []
    used = plan.steps[position].uses
    if len(set(used)) != len(used):
        problems.append(Problem(f"{path}.uses", "each step once", compact_json(list(used))))
    for number in used:
        if not 1 <= number <= position:
            valid = tuple(map(str, range(1, position + 1)))
            problems.append(Problem(f"{path}.uses", "the number of an earlier step", str(number), valid))
            continue
        source = experts.get(plan.steps[number - 1].expert)
        if source is None:
            continue
        kinds = result_kinds(source, tools)
        if not kinds & set(expert.accepts):
            problems.append(
                Problem(
                    f"{path}.uses",
                    f"a result that {expert.name} takes ({', '.join(expert.accepts) or 'none'})",
                    f"#{number}, a {' or '.join(sorted(kinds)) or 'result of no kind'}",
                )
            )
    return problems


def result_kinds(expert: Expert, tools: Mapping[str, Tool]) -> frozenset[str]:
    """Every kind of result that an expert's tools can produce."""
    return frozenset[str]().union(*(tools[name].produces for name in expert.tools if name in tools))


def planner_messages(
    prompt: str,
    task: str,
    experts: Iterable[Expert],
    files: Sequence[str] = (),
    failures: Sequence[str] = (),
) -> tuple[Message, ...]:
    """What the planner is told.

    Args:
        prompt: the planner's instruction, with ``{experts}`` where the registry goes.
        task: the user's request.
        experts: the candidates, in the order in which they are listed.
        files: names of the granted files.
        failures: why an earlier plan did not work, one text per failed step.
    """
    lines = "\n".join(f"- {expert.name}: {expert.summary}" for expert in experts)
    said = [f"Files: {', '.join(files)}"] if files else []
    said.append(f"Task: {task}")
    said += [f"Failed: {failure}" for failure in failures]
    return (Message("system", prompt.replace("{experts}", lines)), Message("user", "\n".join(said)))


def candidates(task: str, experts: Mapping[str, Expert], *, limit: int = MAX_CANDIDATES) -> dict[str, Expert]:
    """The experts worth showing to the planner: all of them, or the best matches of a large registry.

    BM25 over name, summary, task and example requests. A task
    is searched part by part as well: what fits one part best counts like what fits all of it.

    Args:
        task: the user's request.
        experts: name -> expert; those that are not `planned` are left out.
        limit: how many to return at most.
    """
    experts = {name: expert for name, expert in experts.items() if expert.planned}
    if len(experts) <= limit:
        return experts
    index = Index(
        {
            name: _words(" ".join((name, expert.summary, expert.task, *expert.when_to_call)))
            for name, expert in experts.items()
        }
    )
    fit = dict.fromkeys(experts, 0.0)
    for part in (task, *_JOINT.split(task)):
        scores = index.scores(set(_words(part)))
        most = max(scores.values()) or 1.0
        fit = {name: max(fit[name], scores[name] / most) for name in experts}
    best = sorted(experts, key=lambda name: (-fit[name], name))[:limit]
    return {name: expert for name, expert in experts.items() if name in best}


_JOINT = re.compile(r"[,.;:?!]\s|[，。；：？！、\n]|\b(?:and|then|also)\b", re.IGNORECASE)
"""Where one part of a task may end; a cut too many costs nothing."""


def _words(text: str) -> list[str]:
    """Lower-case words without a plural s, so that `orders` finds `order` and `book_flight` the flight."""
    words = re.findall(r"[^\W_]+", text.lower())
    return [word.removesuffix("s") if len(word) > 3 else word for word in words]
