"""The default workflow: plan, dispatch the steps, check, plan anew when one failed, answer."""

from __future__ import annotations

from typing import Any

from speeddial import END, START, GraphWorkflow, Plan, Run, TaskState
from speeddial.errors import PlanError

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
        return {"attempt": state.attempt + 1, "replans_left": -1}
    return {
        "plan": made,
        "keys": run.step_keys(made),
        "attempt": state.attempt + 1,
        "replans_left": left,
    }


@default.node
async def dispatch(state: TaskState, run: Run) -> dict[str, Any]:
    """Do the steps, each as soon as those it uses have results; steps done before are not done again."""
    return {"outcomes": await run.carry_out(state.plan or Plan())}


@default.node
async def answer(state: TaskState, run: Run) -> dict[str, Any]:
    """Compose the answer, and say honestly what was not done."""
    served, failed, held_up = state.served(), state.failed(), state.held_up()
    missing = state.plan.missing if state.plan else ()
    text = await run.answer(served, failed, missing, held_up)
    whole = not failed and not held_up and not missing
    status = "done" if whole else "partial" if served else "failed"
    return {"answer": text, "missing": (*missing, *held_up), "status": status}


def planned(state: TaskState) -> str:
    """A plan that could not be made anew changes nothing."""
    return "dispatch" if state.replans_left >= 0 else "answer"


def check(state: TaskState) -> str:
    """Plan anew for what failed, as often as the settings allow; else answer."""
    return "plan" if state.failed() and state.replans_left > 0 else "answer"


default.edge(START, "plan")
default.route("plan", planned, ["dispatch", "answer"])
default.route("dispatch", check, ["plan", "answer"])
default.edge("answer", END)
