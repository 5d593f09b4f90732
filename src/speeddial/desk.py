"""A desk: experts and tools put together in Python, for a script or a notebook without a project's rooms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from speeddial.agent import Agent
from speeddial.errors import NotFound
from speeddial.expert import Expert
from speeddial.judge import ROLE, Criteria, Verdict, as_expert, judge
from speeddial.outcome import CallOutcome
from speeddial.plan import Plan
from speeddial.record import Record, open_record
from speeddial.result import RunResult
from speeddial.run import Runner
from speeddial.settings import Settings
from speeddial.tool import Tool, tool
from speeddial.workflow import Workflow


class Desk:
    """A project made in Python; its record is kept like any other's.

        desk = Desk().add_expert("adder", "sums", tools=[add], model="scripted:hello")
        desk.call("adder", "What is 2 and 3?").text

    Args:
        folder: where the workspace and the record are made.
        settings: as in ``[tool.speeddial]``, for example ``max_steps=5``.

    Raises:
        SettingsError: a setting that there is not, or with a value that it cannot have.
    """

    def __init__(self, folder: str | Path = ".", **settings: Any) -> None:
        self._folder = Path(folder).resolve()
        self.settings = Settings.load(None, settings)
        self.tools: dict[str, Tool] = {}
        self.experts: dict[str, Expert] = {}
        self.agents: dict[str, Agent] = {}
        self.workflows: dict[str, Workflow] = {}
        self.runner = Runner(self)
        """For everything that `call`, `run` and `plan` do not do: events, resuming, async code."""

    def add_expert(
        self,
        name: str,
        summary: str,
        *,
        tools: Sequence[Tool | Callable[..., Any]],
        model: str = "",
        prompt: str = "",
        **card: Any,
    ) -> Self:
        """Add an expert with its tools.

        Args:
            name: what it is phoned by.
            summary: one line that a planner reads.
            tools: its tools; a plain typed function is a tool that only reads.
            model: engine and model; the setting's unless given.
            prompt: its system prompt.
            card: other fields of `Expert`, such as ``needs_file`` or ``next``.

        Raises:
            DefinitionError: a function that cannot be a tool.
        """
        made = [one if isinstance(one, Tool) else tool(one) for one in tools]
        self.tools |= {one.name: one for one in made}
        expert = Expert(
            name=name,
            summary=summary,
            task=summary,
            when_to_call=(),
            tools=tuple(one.name for one in made),
            prompt=prompt or f"You are {name}: {summary}. Reply with one call as JSON.",
            folder=self._folder,
            model=model,
        )
        self.experts[name] = replace(expert, **card)
        return self

    def add_planner(self, model: str, prompt: str) -> Self:
        """Add the planner; ``{experts}`` in its prompt is where the experts are listed."""
        planner = Agent(name="planner", role="planner", prompt=prompt, folder=self._folder, model=model)
        self.agents["planner"] = planner
        return self

    def add_judge(self, model: str, prompt: str) -> Self:
        """Add the judge."""
        self.tools[judge.name] = judge
        self.agents[ROLE] = Agent(name=ROLE, role=ROLE, prompt=prompt, folder=self._folder, model=model)
        return self

    def judge(self, answer: str, criteria: Criteria, *, asked: str = "") -> Verdict:
        """Have an answer judged; see `Runner.judge`."""
        return self.runner.judge_sync(answer, criteria, asked=asked)

    def call(self, expert: str, text: str, **options: Any) -> CallOutcome:
        """Phone one expert; see `Runner.call`."""
        return self.runner.call_sync(expert, text, **options)

    def run(self, task: str, workflow: Workflow, **options: Any) -> RunResult:
        """Run a task through a workflow; see `Runner.run`."""
        self.workflows[workflow.name] = workflow
        return self.runner.run_sync(task, workflow=workflow, **options)

    def plan(self, task: str, **options: Any) -> Plan:
        """Plan a task; see `Runner.plan`."""
        return self.runner.plan_sync(task, **options)

    def resume(self, run_id: str = "last", **options: Any) -> RunResult:
        """Go on with a run; see `Runner.resume`."""
        return self.runner.resume_sync(run_id, **options)

    def close(self) -> None:
        """Close the record; safe to call twice."""
        self.runner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- what a runner needs of a project ----

    @property
    def root(self) -> Path:
        return self._folder

    @property
    def workspace(self) -> Path:
        path = self._folder / self.settings.workspace
        path.mkdir(parents=True, exist_ok=True)
        return path

    def open_record(self) -> Record:
        return open_record(self.settings, self.workspace)

    def expert(self, name: str) -> Expert:
        if name == ROLE and name not in self.experts:
            return as_expert(self.agents, name)
        if name not in self.experts:
            raise NotFound(f"no expert {name!r}", hint=f"this desk has: {', '.join(self.experts) or 'none'}")
        return self.experts[name]

    def agent(self, role: str) -> Agent:
        if role not in self.agents:
            raise NotFound(f"this desk has no {role}", hint=f"add it with add_{role}")
        return self.agents[role]

    def model_of(self, expert: Expert) -> str:
        return self.settings.expert_models.get(expert.name) or expert.model or self.settings.model
