"""A task's state in the default workflow: the plan, what came of its steps, what to do next."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from speeddial.outcome import CallOutcome
from speeddial.plan import Plan
from speeddial.workflow import WorkflowState, merge


class TaskState(WorkflowState):
    """State of a planned task."""

    plan: Plan | None = None
    keys: tuple[str, ...] = Field(default=(), strict=False)
    """Of the plan's steps: the same for a step that stands in several plans."""
    attempt: int = 0
    """Plans made so far."""
    replans_left: int = 0
    outcomes: Annotated[dict[str, CallOutcome], merge] = Field(default_factory=dict)
    """Step key and expert -> outcome, of all plans."""

    def outcome(self, number: int) -> CallOutcome | None:
        """What came of a step of the present plan; None while it is not finished."""
        assert self.plan is not None
        return self.outcomes.get(f"{self.keys[number - 1]}/{self.plan.steps[number - 1].expert}")

    def ready(self) -> list[StepTask]:
        """Steps not begun whose earlier steps all have results, each with what it needs."""
        if self.plan is None:
            return []
        tasks = []
        for number, step in enumerate(self.plan.steps, start=1):
            used = {earlier: self.outcome(earlier) for earlier in step.uses}
            if self.outcome(number) is None and all(
                found is not None and found.ok for found in used.values()
            ):
                results = {earlier: found for earlier, found in used.items() if found is not None}
                key = self.keys[number - 1]
                tasks.append(StepTask(plan=self.plan, number=number, key=key, results=results))
        return tasks

    def failed(self) -> list[CallOutcome]:
        """Steps of the present plan that have no result, in order."""
        steps = range(1, len(self.plan.steps) + 1) if self.plan else ()
        found = (self.outcome(number) for number in steps)
        return [outcome for outcome in found if outcome is not None and not outcome.ok]

    def held_up(self) -> list[str]:
        """Steps of the present plan that were not begun because an earlier one failed, by their task."""
        steps = self.plan.steps if self.plan else ()
        return [step.task for number, step in enumerate(steps, start=1) if self.outcome(number) is None]

    def served(self) -> list[CallOutcome]:
        """Everything that has a result: steps of the present plan in order, then those of plans before it."""
        steps = range(1, len(self.plan.steps) + 1) if self.plan else ()
        present = [outcome for number in steps if (outcome := self.outcome(number)) is not None]
        before = [outcome for outcome in self.outcomes.values() if outcome not in present]
        return [outcome for outcome in (*present, *before) if outcome.ok]

    def calls(self) -> list[CallOutcome]:
        """What the present plan's steps came to and what served before, by step."""
        return sorted((*self.served(), *self.failed()), key=lambda outcome: outcome.step)


class StepTask(BaseModel):
    """One step of a plan, ready to be done."""

    model_config = ConfigDict(extra="forbid", strict=True)

    plan: Plan
    number: int
    key: str
    results: dict[int, CallOutcome]
    """Outcomes of the steps that it uses."""

    @property
    def name(self) -> str:
        """Where its outcome goes in `TaskState.outcomes`."""
        return f"{self.key}/{self.plan.steps[self.number - 1].expert}"
