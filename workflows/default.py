"""The default workflow: plan, do independent steps in parallel, check, plan anew when needed, answer."""

from __future__ import annotations

from typing import Any

from speeddial import GraphWorkflow, Run, Send, StepTask, TaskState
from speeddial.errors import PlanError
from speeddial.workflow import END, START, Route

default = GraphWorkflow(
    "default",
    TaskState,
    description="Plan the task, phone an expert for each step, plan anew when one fails, answer.",
)


@default.node
async def plan(state: TaskState, run: Run) -> dict[str, Any]:
    """Split the task; after a failure, tell the planner what went wrong."""
    again = state.attempt > 0
    failures = [f"{outcome.expert}: {outcome.task}: {outcome.error}" for outcome in state.failed()]
    left = state.replans_left - 1 if again else run.registry.settings.max_replans
    try:
        made = await run.plan(failures=failures, attempt=state.attempt + 1)
    except PlanError:
        if not again:
            raise
        return {"attempt": state.attempt + 1, "replans_left": 0}
    return {
        "plan": made,
        "keys": run.step_keys(made),
        "attempt": state.attempt + 1,
        "replans_left": left,
    }


@default.node
async def phone(task: StepTask, run: Run) -> dict[str, Any]:
    """Do one step; several run at the same time."""
    outcome = await run.step(task.plan, task.number, task.key, task.results)
    return {"outcomes": {task.name: outcome}}


@default.node
async def check(state: TaskState) -> None:
    """Wait for the steps that ran together."""


@default.node
async def answer(state: TaskState, run: Run) -> dict[str, Any]:
    """Compose the answer, and say honestly what was not done."""
    served, failed, held_up = state.served(), state.failed(), state.held_up()
    missing = state.plan.missing if state.plan else ()
    text = await run.answer(served, failed, missing, held_up)
    whole = not failed and not held_up and not missing
    status = "done" if whole else "partial" if served else "failed"
    return {"answer": text, "missing": (*missing, *held_up), "status": status}


def what_next(state: TaskState) -> Route:
    """Steps that can be done; when there are none, a new plan for what failed, or the answer."""
    ready = state.ready()
    if ready:
        return [Send("phone", task) for task in ready]
    if state.failed() and state.replans_left > 0:
        return "plan"
    return "answer"


default.edge(START, "plan")
default.route("plan", what_next, ["phone", "plan", "answer"])
default.edge("phone", "check")
default.route("check", what_next, ["phone", "plan", "answer"])
default.edge("answer", END)
