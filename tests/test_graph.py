"""Workflows on LangGraph: what it lets pass, ours refuses; parallel steps, replans, suspension."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from speeddial import END, START, GraphWorkflow, Project, Run, Runner, Send, WorkflowState, expert_node, merge
from speeddial.errors import DefinitionError, LimitReached, RunFailed
from speeddial.models.model import Request
from speeddial.models.scripted import Reply, Scripted
from speeddial.workflow import LangGraphWorkflow

DEFAULT = Path(__file__).parents[1] / "workflows/default.py"
FIVE = {"name": "add", "arguments": {"a": 2, "b": 3}}


class State(WorkflowState):
    count: int = 0
    seen: Annotated[dict[str, int], merge] = {}  # noqa: RUF012 - pydantic copies it


class Item(BaseModel):
    name: str
    size: int


@pytest.fixture
def runner(make_project: Callable[..., Path]) -> Iterator[Runner]:
    root = make_project(model="scripted:graph", settings='now = "2026-11-22T09:00:00+01:00"\n')
    (root / "workflows/default.py").write_text(DEFAULT.read_text(encoding="utf-8"), encoding="utf-8")
    Scripted.register("graph", [])
    with Runner(Project.load(root)) as runner:
        yield runner


def one_node(node: Any, **options: Any) -> GraphWorkflow[State]:
    graph = GraphWorkflow("one", State, **options)
    graph.node(node, "work")
    graph.edge(START, "work")
    graph.edge("work", END)
    return graph


def failed(runner: Runner, workflow: Any) -> str:
    result = runner.run_sync("go", workflow=workflow)
    assert result.status == "failed" and result.error is not None
    return result.error.message


def test_a_misspelled_state_key_is_refused(runner: Runner) -> None:
    async def work(state: State) -> dict[str, Any]:
        return {"cuont": 1}

    assert "node work: key 'cuont': the state has task, files, answer" in failed(runner, one_node(work))


@pytest.mark.parametrize("value", ["1", 1.5, None, True, [1]])
def test_a_value_of_the_wrong_type_is_refused_in_the_last_node_too(runner: Runner, value: Any) -> None:
    async def work(state: State) -> dict[str, Any]:
        return {"count": value}

    assert "node work: key 'count': Input should be a valid integer" in failed(runner, one_node(work))


def test_an_undeclared_router_target_fails_the_run(runner: Runner) -> None:
    async def work(state: State) -> dict[str, Any]:
        return {"answer": "done"}

    graph = GraphWorkflow("routed", State)
    graph.node(work)
    graph.edge(START, "work")
    graph.route("work", lambda state: "elsewhere", ["work", END])
    assert "the router of work gave 'elsewhere'" in failed(runner, graph)


def test_a_graph_that_cannot_work_is_refused_before_it_runs() -> None:
    async def work(state: State) -> dict[str, Any]:
        return {}

    graph = GraphWorkflow("broken", State)
    graph.node(work)
    graph.node(work, "island")
    graph.node(work, "trap")
    graph.edge(START, "work")
    graph.edge("work", "nowhere")
    graph.route("work", lambda state: END, ["trap", END])
    graph.edge("trap", "trap")
    assert [str(problem) for problem in graph.lint()] == [
        "broken: work -> nowhere: expected a node's name, got 'nowhere'; valid: island, trap, work",
        "broken: island: expected a way from START to it, got none",
        "broken: trap: expected a way from it to END, got none",
    ]


def test_a_broken_graph_does_not_run(runner: Runner) -> None:
    result = runner.run_sync("go", workflow=GraphWorkflow("empty", State))
    assert isinstance(result.error, DefinitionError) and result.exit_code == 2


def test_an_endless_loop_stops_at_our_limit(runner: Runner) -> None:
    rounds = []

    async def work(state: State) -> dict[str, Any]:
        rounds.append(state.count)
        return {"count": state.count + 1}

    graph = GraphWorkflow("loop", State, max_supersteps=7)
    graph.node(work)
    graph.edge(START, "work")
    graph.route("work", lambda state: "work" if state.count < 10**6 else END, ["work", END])
    result = runner.run_sync("go", workflow=graph)
    assert isinstance(result.error, LimitReached) and result.exit_code == 4
    assert len(rounds) <= 7


def test_branches_loops_and_sent_values_work_with_types(runner: Runner) -> None:
    graph = GraphWorkflow("sizes", State)

    @graph.node
    async def grow(state: State) -> dict[str, Any]:
        return {"count": state.count + 1}

    @graph.node
    async def measure(item: Item) -> dict[str, Any]:
        return {"seen": {item.name: item.size}}

    @graph.node
    async def tell(state: State) -> dict[str, Any]:
        return {"answer": ", ".join(f"{name} {size}" for name, size in sorted(state.seen.items()))}

    def spread(state: State) -> Any:
        if state.count < 3:
            return "grow"
        return [Send("measure", Item(name=f"n{number}", size=number)) for number in range(state.count)]

    graph.edge(START, "grow")
    graph.route("grow", spread, ["grow", "measure"])
    graph.edge("measure", "tell")
    graph.edge("tell", END)
    assert graph.lint() == []
    assert runner.run_sync("go", workflow=graph).unwrap() == "n0 0, n1 1, n2 2"


def test_an_expert_is_a_node(runner: Runner) -> None:
    Scripted.register("graph", [FIVE])
    graph = GraphWorkflow("sum", State)
    graph.node(expert_node("adder", lambda state: state.task, into="count"), "add")

    @graph.node
    async def tell(state: State) -> dict[str, Any]:
        return {"answer": f"It is {state.count}."}

    graph.edge(START, "add")
    graph.edge("add", "tell")
    graph.edge("tell", END)
    result = runner.run_sync("What is 2 and 3?", workflow=graph)
    assert result.unwrap() == "It is 5."
    assert [call.call.name for call in result.calls if call.call] == ["add"]


def test_users_can_drop_down_to_langgraph(runner: Runner) -> None:
    from langgraph.graph import StateGraph
    from langgraph.runtime import Runtime
    from typing_extensions import TypedDict

    Scripted.register("graph", [FIVE])

    class Own(TypedDict):
        task: str
        files: list[str]
        answer: str

    async def add(state: Any, runtime: Runtime[Any]) -> dict[str, Any]:
        outcome = await runtime.context.phone("adder", state["task"])
        return {"answer": outcome.text}

    def build() -> Any:
        graph = StateGraph(Own, context_schema=Run)
        graph.add_node("add", add)
        graph.add_edge(START, "add")
        graph.add_edge("add", END)
        return graph

    workflow = LangGraphWorkflow("own", build)
    assert runner.run_sync("What is 2 and 3?", workflow=workflow).unwrap() == "5"


def test_independent_steps_run_at_the_same_time_and_dependent_ones_after(runner: Runner) -> None:
    def script(request: Request) -> Any:
        said = request.messages[-1].content
        if "Task:" in said:
            one, two = ({"expert": "adder", "task": f"sum {number}"} for number in (1, 2))
            return {"steps": [one, two, {"expert": "writer", "task": "note it", "uses": [1, 2]}]}
        if "note" in said:
            assert said == "note it\n#1 = sum 1\n#2 = sum 2"
            return {"name": "note", "arguments": {"text": "#1 #2"}}
        return Reply(FIVE, delay=0.4)

    Scripted.register("graph", script)
    runner.run_sync("warm up")
    events: list[Any] = []
    result = runner.run_sync("sum twice and note it", on_event=events.append)
    assert result.status == "done"
    said = [(event.type, getattr(event, "step", 0)) for event in events]
    assert said.index(("step_started", 2)) < said.index(("step_finished", 1))
    assert said.index(("step_started", 3)) > said.index(("step_finished", 2))


def test_a_step_begins_when_its_own_sources_are_done_and_not_later(runner: Runner) -> None:
    def script(request: Request) -> Any:
        said = request.messages[-1].content
        if "Task:" in said:
            slow, quick = ({"expert": "adder", "task": f"{pace} sum"} for pace in ("slow", "quick"))
            return {"steps": [slow, quick, {"expert": "writer", "task": "note it", "uses": [2]}]}
        if "note" in said:
            return {"name": "note", "arguments": {"text": "it"}}
        return Reply(FIVE, delay=1.5 if "slow" in said else 0)

    Scripted.register("graph", script)
    runner.run_sync("warm up")
    events: list[Any] = []
    runner.run_sync("sum twice and note one", on_event=events.append)
    said = [(event.type, getattr(event, "step", 0)) for event in events]
    assert said.index(("step_finished", 3)) < said.index(("step_finished", 1))


def test_a_failed_step_is_planned_anew_once_with_what_went_wrong(runner: Runner) -> None:
    plans = []

    def script(request: Request) -> Any:
        said = request.messages[-1].content
        if "Task:" in said:
            plans.append(said)
            second = "adder" if len(plans) == 1 else "writer"
            first = {"expert": "adder", "task": "What is 2 and 3?"}
            return {"steps": [first, {"expert": second, "task": "note the milk"}]}
        if "milk" in said:
            if "You are writer." in request.messages[0].content:
                return {"name": "note", "arguments": {"text": "milk"}}
            return {"name": "refuse", "arguments": {"reason": "no notes here"}}
        return FIVE

    model = Scripted.register("graph", script)
    result = runner.run_sync("add and note")
    assert result.unwrap() == "What is 2 and 3? 5\nnoted: milk"
    assert "Failed: adder: note the milk: adder: no notes here" in plans[1]
    asked = [request.messages[-1].content for request in model.requests]
    assert asked.count("What is 2 and 3?") == 1, "a step that was done was done again"
    assert [call.expert for call in result.calls] == ["adder", "writer"]


def test_replans_are_bounded_and_what_was_not_done_is_named(runner: Runner) -> None:
    def script(request: Request) -> Any:
        said = request.messages[-1].content
        if "Task:" in said:
            steps = [
                {"expert": "adder", "task": "bake"},
                {"expert": "writer", "task": "note it", "uses": [1]},
            ]
            return {"steps": steps, "missing": ["fly"]}
        return {"name": "refuse", "arguments": {"reason": "cannot"}}

    model = Scripted.register("graph", script)
    result = runner.run_sync("bake, note, fly")
    assert (result.status, result.exit_code) == ("failed", 1)
    assert result.answer.splitlines() == [
        "Not done: bake (adder: cannot)",
        "Not done: note it (it needs a step that failed)",
        "Not done: fly (no expert here serves it)",
    ]
    plans = [request for request in model.requests if "Task:" in request.messages[-1].content]
    assert len(plans) == 2


def test_the_step_limit_stops_the_run_and_more_steps_finish_it(runner: Runner) -> None:
    def script(request: Request) -> Any:
        if "Task:" in request.messages[-1].content:
            return {"steps": [{"expert": "adder", "task": f"sum {number}"} for number in range(3)]}
        return FIVE

    model = Scripted.register("graph", script)
    root = runner.project.root  # type: ignore[attr-defined]
    with Runner(Project.load(root, {"max_steps": 2})) as limited:
        result = limited.run_sync("sum thrice")
    assert (result.status, result.exit_code) == ("limit", 4)
    assert len([call for call in result.calls if call.ok]) == 2, "steps beside the limit came to their end"
    resumed = runner.resume_sync(result.run_id)
    assert resumed.status == "done" and len(resumed.calls) == 3
    assert len(model.requests) == 4


def test_the_time_limit_ends_a_run_that_hangs(runner: Runner) -> None:
    async def work(state: State, run: Run) -> dict[str, Any]:
        return {"count": (await run.phone("adder", "sum")).as_type(int)}

    Scripted.register("graph", [Reply(FIVE, delay=60)])
    root = runner.project.root  # type: ignore[attr-defined]
    began = time.monotonic()
    with Runner(Project.load(root, {"max_seconds": 0.5, "transport_retries": 0})) as limited:
        result = limited.run_sync("go", workflow=one_node(work))
    assert result.exit_code == 4 and time.monotonic() - began < 10


def test_an_external_step_waits_while_the_others_come_to_their_end(runner: Runner) -> None:
    def script(request: Request) -> Any:
        said = request.messages[-1].content
        if "Task:" in said:
            steps = [{"expert": "writer", "task": "send it"}, {"expert": "adder", "task": "sum"}]
            return {"steps": steps}
        if "send" in said:
            return {"name": "send", "arguments": {"to": "anna"}}
        return Reply(FIVE, delay=0.3)

    model = Scripted.register("graph", script)
    result = runner.run_sync("send and sum")
    assert (result.status, result.exit_code) == ("waiting", 5)
    assert [call.expert for call in result.calls] == ["adder"]
    done = runner.resume_sync("last", approve=True)
    assert done.unwrap() == "sent to anna\nsum: 5"
    assert len(model.requests) == 3


def test_a_later_node_that_waits_goes_on_in_another_process(runner: Runner) -> None:
    def script(request: Request) -> Any:
        return (
            {"name": "send", "arguments": {"to": "anna"}} if "writer" in request.messages[0].content else FIVE
        )

    model = Scripted.register("graph", script)
    graph = GraphWorkflow("two", State)
    graph.node(expert_node("adder", lambda state: "sum", into="count"), "sum")
    graph.node(expert_node("writer", lambda state: "send it", into="answer"), "send")
    graph.edge(START, "sum")
    graph.edge("sum", "send")
    graph.edge("send", END)
    assert runner.run_sync("sum and send", workflow=graph).status == "waiting"
    with Runner(Project.load(runner.project.root)) as other:  # type: ignore[attr-defined]
        result = other.resume_sync("last", workflow=graph, approve=True)
        assert result.unwrap() == "sent to anna"
    assert ([call.step for call in result.calls], len(model.requests)) == ([1, 2], 2)


def test_checkpoints_hold_no_secret_and_no_python_types(runner: Runner) -> None:
    secret = "sk-abcdefghijklmnopqrstuvwxyz012345"

    def script(request: Request) -> Any:
        if "Task:" in request.messages[-1].content:
            return {"steps": [{"expert": "writer", "task": f"note {secret}"}]}
        return {"name": "note", "arguments": {"text": secret}}

    Scripted.register("graph", script)
    assert secret in runner.run_sync(f"note {secret}").unwrap()
    folder = runner.project.workspace / ".speeddial"
    with closing(sqlite3.connect(folder / "checkpoints.db")) as db:
        blobs = [
            row[0]
            for row in db.execute("SELECT checkpoint FROM checkpoints UNION ALL SELECT value FROM writes")
        ]
    assert blobs and not any(secret.encode() in blob for blob in blobs)
    assert not any(b"speeddial." in blob for blob in blobs)
    assert os.environ["LANGGRAPH_STRICT_MSGPACK"] == "true"


def test_nothing_is_traced_to_langsmith_even_where_the_environment_asks_for_it(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langchain_core.tracers import langchain as tracer

    started = []
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setattr(tracer.LangChainTracer, "__init__", lambda *_, **__: started.append(1))
    runner.run_sync("go")
    assert started == []


def test_a_node_that_cannot_be_one_is_refused_at_definition() -> None:
    graph = GraphWorkflow("bad", State)
    with pytest.raises(DefinitionError, match="must be an async function"):
        graph.node(lambda state: {}, "sync")
    with pytest.raises(DefinitionError, match="WorkflowState"):
        GraphWorkflow("bad", dict)  # type: ignore[type-var]


def test_state_without_defaults_is_a_definition_error(runner: Runner) -> None:
    class Needy(WorkflowState):
        total: int

    async def work(state: Needy) -> dict[str, Any]:
        return {}

    graph = GraphWorkflow("needy", Needy)
    graph.node(work)
    graph.edge(START, "work")
    graph.edge("work", END)
    assert "total have no default" in failed(runner, graph)


def test_a_node_may_end_the_run(runner: Runner) -> None:
    async def work(state: State) -> dict[str, Any]:
        raise RunFailed("there is no data")

    assert failed(runner, one_node(work)) == "there is no data"
