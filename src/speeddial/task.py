"""A task's state in the default workflow: the plan, what came of its steps, what to do next."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

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
    """Step key -> outcome, of all plans."""

    def failed(self) -> list[CallOutcome]:
        """Steps of the present plan that were not done, in order."""
        return [outcome for outcome in self._present() if outcome is not None and not outcome.done]

    def held_up(self) -> list[str]:
        """Steps of the present plan that were not begun because an earlier one failed, by their task."""
        steps = self.plan.steps if self.plan else ()
        return [step.task for step, outcome in zip(steps, self._present(), strict=True) if outcome is None]

    def served(self) -> list[CallOutcome]:
        """Everything that was done: steps of the present plan in order, then those of plans before it."""
        present = [outcome for outcome in self._present() if outcome is not None]
        before = [outcome for key, outcome in self.outcomes.items() if key not in self.keys]
        return [outcome for outcome in (*present, *before) if outcome.done]

    def calls(self) -> list[CallOutcome]:
        """What the present plan's steps came to and what served before, by step."""
        return sorted((*self.served(), *self.failed()), key=lambda outcome: outcome.step)

    def _present(self) -> list[CallOutcome | None]:
        return [self.outcomes.get(key) for key in self.keys]
