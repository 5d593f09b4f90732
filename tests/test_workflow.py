"""Workflows in plain Python: replayed by what is asked, whatever the order; definitions that cannot work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from speeddial import Project, Run, Runner, workflow
from speeddial.errors import DefinitionError, NotFound
from speeddial.models.model import Request
from speeddial.models.scripted import Scripted

SEND = {"name": "send", "arguments": {"to": "anna"}}


def adder(request: Request) -> Any:
    said = request.messages[1].content
    if "send" in said:
        return SEND
    first, second = (int(word) for word in said.split()[:2])
    return {"name": "add", "arguments": {"a": first, "b": second}}


@pytest.fixture
def root(make_project: Callable[..., Path]) -> Path:
    return make_project(model="scripted:workflow")


@pytest.fixture
def model() -> Scripted:
    return Scripted.register("workflow", adder)


@pytest.fixture
def runner(root: Path, model: Scripted) -> Iterator[Runner]:
    with Runner(Project.load(root)) as runner:
        yield runner


@workflow
async def sums(run: Run, task: str) -> str:
    """Add in parallel, then add the sums."""
    first, second = await asyncio.gather(run.phone("adder", "1 2"), run.phone("adder", "3 4"))
    total = await run.phone("adder", f"{first.as_type(int)} {second.as_type(int)}", uses=[first, second])
    return f"{total.as_type(int)}"


def test_expert_calls_are_awaited_functions_with_typed_results(runner: Runner) -> None:
    result = runner.run_sync("sum it", workflow=sums)
    assert result.unwrap() == "10"
    assert [(call.step, call.value) for call in result.calls] == [(1, 3), (2, 7), (3, 10)]


def test_a_workflow_is_found_in_its_room_with_its_first_docstring_line(root: Path, model: Scripted) -> None:
    source = (
        "from speeddial import Run, workflow\n\n\n@workflow(name='small')\n"
        "async def f(run: Run, task: str) -> str:\n    '''One sum.'''\n"
        "    return (await run.phone('adder', task)).text\n"
    )
    (root / "workflows/small.py").write_text(source, encoding="utf-8")
    with Runner(Project.load(root)) as runner:
        assert runner.project.workflows["small"].description == "One sum."
        assert runner.run_sync("20 3", workflow="small").unwrap() == "23"
        with pytest.raises(NotFound, match="no workflow 'large'"):
            runner.run_sync("20 3", workflow="large")


def test_the_same_question_twice_is_two_calls_and_both_are_replayed(runner: Runner, model: Scripted) -> None:
    @workflow
    async def twice(run: Run, task: str) -> str:
        first = await run.phone("adder", "1 2")
        again = await run.phone("adder", "1 2")
        sent = await run.phone("writer", "send it")
        return f"{first.value} {again.value} {sent.text}"

    waiting = runner.run_sync("go", workflow=twice)
    assert (waiting.status, len(model.requests)) == ("waiting", 3)
    assert runner.resume_sync("last", workflow=twice, approve=True).unwrap() == "3 3 sent to anna"
    assert len(model.requests) == 3


def test_replay_does_not_depend_on_the_order_of_parallel_branches(runner: Runner, model: Scripted) -> None:
    slow_first = True

    @workflow
    async def branches(run: Run, task: str) -> str:
        async def branch(name: int, late: bool) -> int:
            await asyncio.sleep(0.1 if late else 0)
            one = await run.phone("adder", f"{name} 1")
            return (await run.phone("adder", f"{one.as_type(int)} {name}")).as_type(int)

        found = await asyncio.gather(branch(10, slow_first), branch(20, not slow_first))
        await run.phone("writer", "send it")
        return str(found)

    assert runner.run_sync("go", workflow=branches).status == "waiting"
    slow_first = False
    assert runner.resume_sync("last", workflow=branches, approve=True).unwrap() == "[21, 41]"
    assert len(model.requests) == 5


def test_a_call_beside_one_that_stopped_comes_to_its_end_on_record(runner: Runner) -> None:
    @workflow
    async def side_by_side(run: Run, task: str) -> str:
        found = await asyncio.gather(run.phone("writer", "send it"), run.phone("adder", "1 2"))
        return str(found[1].value)

    result = runner.run_sync("go", workflow=side_by_side)
    assert (result.status, [call.value for call in result.calls]) == ("waiting", [3])
    assert {row.status for row in runner.record.interactions()} == {"exact", "done"}


def test_a_workflow_that_breaks_is_a_bug_with_its_traceback_and_a_failed_run(runner: Runner) -> None:
    @workflow
    async def broken(run: Run, task: str) -> str:
        return str(1 // 0)

    with pytest.raises(ZeroDivisionError):
        runner.run_sync("go", workflow=broken)
    assert runner.record.runs()[0].status == "failed"


def test_a_workflow_must_answer_with_a_text(runner: Runner) -> None:
    @workflow
    async def mute(run: Run, task: str) -> str:
        return None  # type: ignore[return-value]

    result = runner.run_sync("go", workflow=mute)
    assert result.status == "failed" and "returned NoneType" in str(result.error)


def test_a_workflow_can_plan_and_do_the_steps_its_own_way(root: Path) -> None:
    def script(request: Request) -> Any:
        if "Task:" in request.messages[-1].content:
            return {"steps": [{"expert": "adder", "task": "1 2"}], "missing": ["fly"]}
        return adder(request)

    Scripted.register("workflow", script)

    @workflow
    async def own(run: Run, task: str) -> str:
        plan = await run.plan()
        outcomes = await run.carry_out(plan)
        return await run.answer(list(outcomes.values()), missing=plan.missing)

    with Runner(Project.load(root)) as runner:
        answer = runner.run_sync("sum and fly", workflow=own).unwrap()
    assert answer == "1 2: 3\nNot done: fly (no expert here serves it)"


@pytest.mark.parametrize("bad", [lambda run, task: "x", len, print])
def test_only_async_functions_of_run_and_task_are_workflows(bad: Any) -> None:
    with pytest.raises(DefinitionError, match="async def"):
        workflow(bad)
