"""Replay asks no model and runs no tool, and what it does is what the run did; forks take over and go on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.graph import StateGraph
from langgraph.runtime import Runtime
from plain_workflow import PLAIN
from pydantic import Field

from speeddial import (
    END,
    START,
    Desk,
    GraphWorkflow,
    LangGraphWorkflow,
    Project,
    Run,
    Runner,
    Send,
    WorkflowState,
    merge,
    tool,
    workflow,
)
from speeddial.errors import EngineUnreachable, NeedsPerson, NotFound, UserError
from speeddial.models.scripted import Reply, Scripted
from speeddial.record import whole
from speeddial.record.diff import diff_runs
from speeddial.replay import ReplayReport, fork, replay
from speeddial.result import RunResult
from speeddial.scaffold import create
from speeddial.sync import wait_for

if TYPE_CHECKING:
    from speeddial.models.base_model import BaseModel

REPOSITORY = Path(__file__).parents[1]
KEY = "ghp_" + "Ab3dE6gHi9kLmN0pQrS7uVwXyZ012345"
PLAN = {
    "steps": [
        {"expert": "adder", "task": "What is 2 and 3?"},
        {"expert": "writer", "task": "note the milk"},
        {"expert": "writer", "task": "send the sum to anna", "uses": [1]},
    ]
}
ADD = {"name": "add", "arguments": {"a": 2, "b": 3}}
NOTE = {"name": "note", "arguments": {"text": "milk"}}
SEND = {"name": "send", "arguments": {"to": "anna"}}
REFUSE = {"name": "refuse", "arguments": {"reason": "not mine"}}
WRONG = '{"name":"add","arguments":{"a":"2","b":3}}'


class House:
    """A project on scripted models, and its replays."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "workflows/default.py").write_text(
            (REPOSITORY / "workflows/default.py").read_text(encoding="utf-8"), encoding="utf-8"
        )
        (root / "workflows/plain.py").write_text(PLAIN, encoding="utf-8")
        self.scripts(planner=[PLAN], adder=[ADD], writer={"milk": NOTE, "anna": SEND})
        self.runner = self.open()

    def open(self, **overrides: Any) -> Runner:
        models = {"adder": "scripted:replay-adder", "writer": "scripted:replay-writer"}
        given = {"planner": "scripted:replay-planner", "expert_models": models, **overrides}
        return Runner(Project.load(self.root, given))

    def scripts(self, **scripts: Any) -> None:
        for name, script in scripts.items():
            Scripted.register(f"replay-{name}", script)

    def run(self, task: str = "add, note, send", **options: Any) -> RunResult:
        return self.runner.run_sync(task, **{"approve_all": True, **options})

    def replay(self, run: str = "last", **options: Any) -> ReplayReport:
        """Replayed by a project read anew, with engines that fail; nothing may change on disk."""
        asked = {name: Scripted._registered.get(name) for name in list(Scripted._registered)}
        for name in asked:
            Scripted.register(name, [EngineUnreachable("a replay asked a model")])
        before = (dump(self.runner.record.path), self.tree())
        try:
            return wait_for(replay(Project.load(self.root), self.runner.record, run, **options))
        finally:
            for name in asked:
                assert Scripted._registered[name].requests == []
            Scripted._registered.update({name: model for name, model in asked.items() if model})
            assert (dump(self.runner.record.path), self.tree()) == before

    def identical(self, run: str = "last", **options: Any) -> ReplayReport:
        report = self.replay(run, **options)
        assert report.identical, json.dumps(report.differences, indent=1)
        kept = whole(self.runner.record, report.run)
        assert report.interactions == len(kept.interactions)
        return report

    def fork(self, step: int, run: str = "last", **options: Any) -> RunResult:
        return wait_for(fork(self.runner, run, step, **options))

    def tree(self) -> dict[str, bytes]:
        files = (self.root / "workspace").rglob("*")
        return {str(path): path.read_bytes() for path in files if path.suffix == ".txt"}

    def lines(self, name: str) -> list[str]:
        path = self.root / "workspace" / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def dump(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return list(db.iterdump())


@pytest.fixture
def house(make_project: Callable[..., Path]) -> Iterator[House]:
    house = House(make_project(settings='now = "2026-11-22T09:00:00+01:00"\n'))
    with contextlib.closing(house.runner):
        yield house


# ---- replay: the kinds of runs ----


@pytest.mark.parametrize("name", ["default", "plain"])
def test_a_run_replays_identical(house: House, name: str) -> None:
    result = house.run(workflow=name)
    assert result.status == "done"
    report = house.identical(result.run_id)
    assert (report.run, report.notes) == (result.run_id, [])
    assert house.lines("sent.txt") == ["anna"]


def test_a_call_and_a_plan_replay(house: House) -> None:
    house.runner.call_sync("adder", "What is 2 and 3?")
    house.identical()
    house.runner.plan_sync("add, note, send")
    house.identical()
    house.scripts(adder=[ADD])
    house.runner.call_sync("adder", "What is 2 and 3?", execute=False)
    house.identical()


def test_a_corrected_call_and_a_plan_that_did_not_check_replay(house: House) -> None:
    bad = {"steps": [{"expert": "writer", "task": "x", "uses": []}]}
    Scripted.register("replay-planner", [json.dumps(bad), PLAN], unconstrained=True)
    Scripted.register("replay-adder", [WRONG, ADD], unconstrained=True)
    assert house.run().status == "done"
    assert {row.status for row in house.runner.record.interactions()} >= {"failed", "corrected"}
    house.identical()


@pytest.mark.parametrize(
    "writer",
    [
        {"anna": [{"name": "send", "arguments": {"to": "nobody"}}, SEND], "milk": NOTE},
        {"anna": [{"name": "send", "arguments": {"to": "nobody"}}] * 2, "milk": NOTE},
        {"anna": EngineUnreachable("down"), "milk": NOTE},
        {"anna": Reply(SEND, confidence=0.1), "milk": Reply(NOTE, finish="length")},
        {"anna": REFUSE, "milk": Reply('{"name":"note","arguments":{"text":"mi', finish="length")},
    ],
    ids=["tool-said-no", "tool-said-no-twice", "engine", "unsure", "salvaged"],
)
def test_a_step_that_went_wrong_replays(house: House, writer: dict[str, Any]) -> None:
    house.scripts(planner=[PLAN, SEND, PLAN, SEND], writer=writer)
    house.run()
    house.identical()


def test_an_escalated_call_replays(house: House) -> None:
    house.scripts(planner=[PLAN, ADD], adder=[REFUSE])
    result = house.run()
    assert "escalated" in {call.status for call in result.calls}
    house.identical()


def test_a_run_that_failed_replays(house: House) -> None:
    Scripted.register("replay-planner", ["[]", "{}"], unconstrained=True)
    assert house.run().status == "failed"
    house.identical()
    house.scripts(planner=[EngineUnreachable("no server")])
    assert house.run().status == "failed"
    house.identical()
    house.scripts(planner=[PLAN])
    assert house.runner.resume_sync("last").status == "done"
    house.identical()


@pytest.mark.parametrize("limits", [{"max_steps": 1}, {"max_tokens": 30}])
def test_a_run_at_its_limit_replays_before_and_after_it_was_resumed(
    house: House, limits: dict[str, Any]
) -> None:
    with house.open(**limits) as tight:
        result = tight.run_sync("add, note, send", approve_all=True)
        assert result.status == "limit"
        house.identical(result.run_id)
    house.runner.resume_sync(result.run_id)
    house.identical(result.run_id)


@pytest.mark.parametrize("decision", [{"approve": True}, {"approve": False}, {"answer": "sent by hand"}])
def test_a_run_that_waited_replays_with_the_persons_decision(house: House, decision: dict[str, Any]) -> None:
    house.scripts(planner=[PLAN, PLAN])
    result = house.run(approve_all=False)
    assert result.status == "waiting"
    house.identical(result.run_id)
    house.runner.resume_sync(result.run_id, **decision)
    house.identical(result.run_id)


def test_a_run_that_was_resumed_with_yes_replays(house: House) -> None:
    result = house.run(approve_all=False)
    assert house.runner.resume_sync(result.run_id, approve_all=True).status == "done"
    house.identical(result.run_id)


def test_a_cancelled_run_replays_and_again_when_it_was_resumed(house: House) -> None:
    house.scripts(adder=[Reply(ADD, delay=30)])
    begun = threading.Event()
    results: list[RunResult] = []

    def listen(event: Any) -> None:
        if event.type == "step_finished":
            begun.set()

    thread = threading.Thread(target=lambda: results.append(house.run(on_event=listen)))
    thread.start()
    assert begun.wait(20)
    run = house.runner.record.runs()[0].id
    assert house.runner.cancel(run)
    thread.join(20)
    assert results[0].status == "cancelled"
    report = house.identical(run)
    assert report.notes == ["the run was cancelled: it has no end to compare"]
    house.scripts(adder=[ADD])
    assert house.runner.resume_sync(run).status == "done"
    house.identical(run)


def test_a_run_at_work_is_not_replayed(house: House) -> None:
    run = house.runner.record.begin_run("x", settings={"files": {}, "now": "2026-11-22T09:00:00+01:00"})
    with pytest.raises(UserError, match="still at work"):
        house.replay(run)
    with pytest.raises(NotFound):
        house.replay("nothing")


def test_calls_beside_each_other_answer_in_the_order_they_once_did(tmp_path: Path) -> None:
    @tool
    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    @workflow
    async def race(run: Run, task: str) -> str:
        """Who is first decides."""

        async def one(number: int) -> str:
            first = await run.phone("doubler", f"double {number}")
            return f"{first.text}{(await run.phone('doubler', f'again {first.text}')).step}"

        return " ".join([await done for done in asyncio.as_completed([one(n) for n in (1, 2, 3)])])

    def script(request: Any) -> Reply:
        number = int(request.messages[-1].content.split()[-1])
        return Reply({"name": "double", "arguments": {"number": number}}, delay=0.2 / number)

    Scripted.register("race", script)
    with Desk(tmp_path).add_expert("doubler", "doubles", tools=[double], model="scripted:race") as desk:
        result = desk.run("race", race)
        assert result.answer.startswith("6")
        Scripted.register("race", [])
        for _ in range(3):
            report = wait_for(replay(desk, desk.runner.record, result.run_id, workflow=race))
            assert report.identical, report.differences


def test_a_graph_with_parallel_nodes_and_one_of_langgraphs_own_replay(tmp_path: Path) -> None:
    @tool
    def double(number: int) -> int:
        """Double a number."""
        return 2 * number

    class Sums(WorkflowState):
        sums: Annotated[dict[str, int], merge] = Field(default_factory=dict)

    async def begin(state: Sums) -> dict[str, Any]:
        return {}

    async def one(number: int, run: Run) -> dict[str, Any]:
        first = await run.phone("doubler", f"double {number}")
        again = await run.phone("doubler", f"double {first.text}")
        return {"sums": {str(number): again.as_type(int)}}

    async def end(state: Sums) -> dict[str, Any]:
        return {"answer": json.dumps(state.sums, sort_keys=True)}

    fan = GraphWorkflow("fan", Sums)
    for node in (begin, one, end):
        fan.node(node)
    fan.edge(START, "begin")
    fan.route("begin", lambda state: [Send("one", number) for number in (1, 2, 3)], ["one"])
    fan.edge("one", "end")
    fan.edge("end", END)

    def build() -> Any:
        async def ask(state: Any, runtime: Runtime[Run]) -> dict[str, Any]:
            return {"answer": (await runtime.context.phone("doubler", "double 7")).text}

        graph: Any = StateGraph(State, context_schema=Run)
        graph.add_node("ask", ask)
        graph.add_edge(START, "ask")
        return graph

    def script(request: Any) -> Reply:
        number = int(request.messages[-1].content.split()[-1])
        return Reply({"name": "double", "arguments": {"number": number}}, delay=0.1 / number)

    with Desk(tmp_path).add_expert("doubler", "doubles", tools=[double], model="scripted:fan") as desk:
        for flow, answer in ((fan, '{"1": 4, "2": 8, "3": 12}'), (LangGraphWorkflow("own", build), "14")):
            Scripted.register("fan", script)
            result = desk.run("double", flow)
            assert result.answer == answer
            Scripted.register("fan", [])
            report = wait_for(replay(desk, desk.runner.record, result.run_id))
            assert report.identical, report.differences


answers = st.one_of(
    st.builds(
        lambda a, b: {"name": "add", "arguments": {"a": a, "b": b}},
        st.integers(-9, 9),
        st.integers(-9, 9),
    ),
    st.just(REFUSE),
    st.sampled_from([WRONG, "", "no JSON", '{"name":"add"}', '{"name":"sub","arguments":{}}']),
    st.text(max_size=20),
    st.just(EngineUnreachable("down")),
).flatmap(
    lambda output: (
        st.just(output)
        if isinstance(output, BaseException)
        else st.builds(
            lambda sure, finish: Reply(output, confidence=sure, finish=finish),
            st.sampled_from([None, 0.2, 1.0]),
            st.sampled_from(["stop", "stop", "length"]),
        )
    )
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(adder=st.lists(answers, max_size=8), general=st.lists(answers, max_size=6), twice=st.booleans())
def test_whatever_models_answer_the_run_replays_identical(
    house: House, adder: list[Any], general: list[Any], twice: bool
) -> None:
    Scripted.register("replay-adder", adder, unconstrained=True)
    steps = [{"expert": "adder", "task": "What is 2 and 3?"}]
    steps += [{"expert": "adder", "task": "and what is 4 and 5?", "uses": [1]}] if twice else []
    plan = Reply(json.dumps({"steps": steps}))
    Scripted.register("replay-planner", [plan, *general], unconstrained=True)
    quick = house.open(transport_retries=0, allow_unproven=True)
    quick._record, quick._given_record = house.runner.record, True
    house.runner._record = quick.record
    with quick:
        result = quick.run_sync("add", approve_all=True)
    house.identical(result.run_id)


# ---- replay: what it shows ----


def fields(report: ReplayReport) -> set[tuple[int, str]]:
    return {(one["step"], one["field"]) for one in report.differences}


def test_a_changed_prompt_is_shown_where_it_counts(house: House) -> None:
    house.run()
    (house.root / "experts/writer/prompt.md").write_text("You are the writer.\n", encoding="utf-8")
    report = house.replay()
    assert fields(report) == {(2, "messages"), (3, "messages")}
    first = report.differences[0]
    assert first["recorded"][0]["content"].startswith("You are writer.")
    assert first["now"][0]["content"].startswith("You are the writer.")
    assert first["recorded"][1:] == first["now"][1:]


def test_a_changed_tool_is_shown(house: House) -> None:
    house.run()
    tools = house.root / "tools/desk.py"
    text = tools.read_text(encoding="utf-8")
    tools.write_text(text.replace("def add(a: int, b: int)", "def add(a: int, b: int, c: int = 0)"))
    assert fields(house.replay()) == {(1, "messages"), (1, "tools"), (1, "schema_hash")}
    # The recorded call lacks what the tool needs now: it is asked once more, which the run was not.
    tools.write_text(text.replace("def add(a: int, b: int)", "def add(a: int, b: int, c: int)"))
    report = house.replay()
    assert {(1, "status"), (1, "request"), (1, "interaction"), (0, "status"), (0, "answer")} <= fields(report)
    asked = next(one["now"] for one in report.differences if one["field"] == "request")
    assert asked["attempt"] == 2 and "c" in asked["messages"][-1]["content"]


def test_a_changed_workflow_is_shown(house: House) -> None:
    house.run(workflow="plain")
    path = house.root / "workflows/plain.py"
    path.write_text(PLAIN.replace("note the milk", "note the bread"), encoding="utf-8")
    assert fields(house.replay()) == {(2, "messages")}
    path.write_text(PLAIN.replace('f"{total.text} ', 'f"Sum {total.text} '), encoding="utf-8")
    assert fields(house.replay()) == {(0, "answer")}
    other = PLAIN.replace('run.phone("writer", "note the milk")', 'run.phone("adder", "What is 1 and 1?")')
    path.write_text(other, encoding="utf-8")
    report = house.replay()
    assert {(2, "request"), (2, "interaction"), (0, "status")} <= fields(report)
    path.unlink()
    with pytest.raises(NotFound, match="plain"):
        house.replay()


def test_a_plan_that_no_longer_checks_is_shown(house: House) -> None:
    house.run()
    shutil.rmtree(house.root / "experts/writer")
    report = house.replay()
    assert (0, "status") in fields(report)
    assert report.differences[0]["field"] in ("request", "messages")


# ---- replay: secrets, other machines ----


def test_a_run_with_secrets_replays_on_their_surrogates(house: House) -> None:
    steps = [{"expert": "writer", "task": f"note the key {KEY}"}]
    house.scripts(planner=[{"steps": steps}], writer=[{"name": "note", "arguments": {"text": KEY}}])
    house.run(f"note the key {KEY}")
    assert KEY in house.lines("notes.txt")[0]
    assert KEY not in "\n".join(dump(house.runner.record.path))
    house.identical()


def test_the_recorded_verdict_stands_where_a_surrogate_breaks_the_contract(house: House) -> None:
    tools = house.root / "tools/desk.py"
    text = tools.read_text(encoding="utf-8")
    typed = text.replace("to: str)", "to: Annotated[str, Field(max_length=40, pattern='^[A-Za-z0-9_]+$')])")
    imports = "from typing import Annotated, Literal\n\nfrom pydantic import Field\n"
    tools.write_text(typed.replace("from typing import Literal\n", imports), encoding="utf-8")
    house.runner = house.open()
    house.scripts(writer=[{"name": "send", "arguments": {"to": KEY}}])
    house.runner.call_sync("writer", "send the key", approve_all=True)
    report = house.identical()
    assert report.notes and "surrogate" in report.notes[0]


class State(TypedDict):
    """The state of a graph of LangGraph's own."""

    task: str
    files: list[str]
    answer: str


OFFLINE = """
import asyncio, json, sys
from speeddial import Project

from speeddial.replay import replay
project = Project.load()
with project.open_record() as record:
    report = asyncio.run(replay(project, record, "last"))
assert not {"onnxruntime", "torch", "openai"} & set(sys.modules), "an engine was loaded"
print(json.dumps(report.as_dict()))
"""


def replayed_elsewhere(project: Path, tmp_path: Path) -> dict[str, Any]:
    """In a process without weights and without a network."""
    nothing = tmp_path / "nothing"
    nothing.mkdir(exist_ok=True)
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-c", OFFLINE]
        if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0
        else [sys.executable, "-c", OFFLINE],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "SPEEDDIAL_CACHE": str(nothing), "HOME": str(nothing), "TZ": "Asia/Tokyo"},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_a_run_of_the_embedded_models_replays_elsewhere_without_weights_or_files(
    tmp_path: Path, base_model: BaseModel
) -> None:
    project = tmp_path / "demo"
    create(project)
    task = "How many orders came from Berlin? Then remind me tomorrow at 9 to call the dentist."
    with Runner(Project.load(project)) as runner:
        result = runner.run_sync(task, files=[project / "examples/orders.csv"], approve_all=True)
    assert result.status == "done", result
    report = replayed_elsewhere(project, tmp_path)
    assert (report["identical"], report["notes"], report["interactions"]) == (True, [], 5), report
    elsewhere = tmp_path / "elsewhere/copy"
    shutil.copytree(project, elsewhere)
    shutil.rmtree(project)
    report = replayed_elsewhere(elsewhere, tmp_path)
    assert report["identical"], report
    (note,) = report["notes"]
    assert "orders.csv is not as it was" in note
    prompt = elsewhere / "experts/tables/prompt.md"
    prompt.write_text(prompt.read_text(encoding="utf-8") + "Be exact.\n", encoding="utf-8")
    (difference,) = replayed_elsewhere(elsewhere, tmp_path)["differences"]
    assert (difference["step"], difference["field"]) == (1, "messages")


# ---- fork ----


def test_a_fork_takes_over_what_the_step_does_not_need(house: House) -> None:
    origin = house.run()
    house.scripts(planner=[], adder=[{"name": "add", "arguments": {"a": 2, "b": 4}}])
    result = house.fork(1, approve_all=True)
    assert (result.status, result.answer.splitlines()[0]) == ("done", "What is 2 and 3? 6")
    row = house.runner.record.run(result.run_id)
    assert (row.forked_from, row.forked_step, row.task) == (origin.run_id, 1, "add, note, send")
    # Step 2 does not use step 1; what uses it is done again, under a key of its own.
    assert [(one.step, one.kind) for one in row.interactions] == [
        *((1, "model"), (1, "tool"), (3, "model"), (3, "tool"))
    ]
    assert (len(house.lines("notes.txt")), house.lines("sent.txt")) == (1, ["anna", "anna"])
    together = whole(house.runner.record, result.run_id)
    assert {(one.step, one.kind, one.run == origin.run_id) for one in together.interactions} == {
        *((0, "plan", True), (2, "model", True), (2, "tool", True)),
        *((1, "model", False), (1, "tool", False), (3, "model", False), (3, "tool", False)),
    }
    house.identical(result.run_id)
    house.identical(origin.run_id)


def test_nothing_of_a_fork_is_on_record_twice(house: House) -> None:
    house.run()
    before = len(list(house.runner.record.interactions()))
    house.scripts(planner=[])
    result = house.fork(3, approve_all=True)
    assert len(list(house.runner.record.interactions())) == before + 2
    row = house.runner.record.run(result.run_id)
    assert row.tokens_out == result.tokens == sum(one.tokens_out for one in row.interactions)


def test_a_fork_phones_another_expert_or_model(house: House) -> None:
    house.run()
    house.scripts(planner=[], other=[NOTE])
    result = house.fork(3, model="scripted:replay-other")
    assert result.calls[2].result is not None and result.calls[2].result.text == "noted: milk"
    row = house.runner.record.run(result.run_id)
    assert [one.model for one in row.interactions if one.kind == "model"] == ["scripted:replay-other"]
    house.identical(result.run_id)
    house.scripts(adder=[{"name": "add", "arguments": {"a": 1, "b": 1}}])
    result = house.fork(2, run=result.run_id, expert="adder")
    assert [call.expert for call in result.calls] == ["adder", "adder", "writer"]
    assert result.calls[1].text == "2"
    house.identical(result.run_id)
    # A fork of a fork of a fork keeps what the forks before it put in.
    house.scripts(adder=[ADD], other=[NOTE])
    third = house.fork(1, run=result.run_id)
    assert [call.text for call in third.calls] == ["5", "2", "noted: milk"]
    house.identical(third.run_id)


def test_a_fork_of_a_function_does_every_later_step_anew(house: House) -> None:
    house.run(workflow="plain")
    result = house.fork(2, approve_all=True)
    row = house.runner.record.run(result.run_id)
    assert {one.step for one in row.interactions} == {2, 3}
    assert (len(house.lines("notes.txt")), len(house.lines("sent.txt"))) == (2, 2)
    house.identical(result.run_id)


def test_a_fork_asks_a_person_anew_and_is_resumed(house: House) -> None:
    house.run()
    house.scripts(other=[SEND])
    result = house.fork(3, model="scripted:replay-other")
    assert (result.status, result.exit_code) == ("waiting", NeedsPerson.exit_code)
    assert house.lines("sent.txt") == ["anna"]
    house.identical(result.run_id)
    done = house.runner.resume_sync(result.run_id, approve=True)
    assert (done.status, house.lines("sent.txt")) == ("done", ["anna", "anna"])
    house.identical(result.run_id)


def test_a_fork_of_a_planned_anew_run_meant_is_the_last_plan(house: House) -> None:
    again = {"steps": [PLAN["steps"][0], {"expert": "writer", "task": "note the milk"}]}
    first = {"steps": [PLAN["steps"][0], {"expert": "writer", "task": "send to nobody"}]}
    house.scripts(
        planner=[first, REFUSE, again],
        writer={"nobody": REFUSE, "milk": NOTE},
    )
    assert house.run().status == "done"
    house.identical()
    house.scripts(planner=[], other=[{"name": "note", "arguments": {"text": "bread"}}])
    result = house.fork(2, model="scripted:replay-other")
    assert (result.status, result.calls[-1].text) == ("done", "noted: bread")
    assert [one.kind for one in house.runner.record.run(result.run_id).interactions] == ["model", "tool"]
    house.identical(result.run_id)


def test_what_cannot_be_forked_leaves_no_row(house: House) -> None:
    house.run()
    for wrong in ({"step": 7}, {"step": 1, "expert": "nobody"}, {"step": 1, "model": "gpt:4"}):
        with pytest.raises(UserError):
            house.fork(**wrong)
    house.scripts(planner=[PLAN])
    house.runner.plan_sync("add, note, send")
    with pytest.raises(NotFound, match="step 1"):
        house.fork(1)
    assert len(house.runner.record.runs()) == 2


def test_a_fork_beside_its_origin(house: House) -> None:
    origin = house.run()
    house.scripts(planner=[], adder=[{"name": "add", "arguments": {"a": 2, "b": 4}}])
    result = house.fork(1, approve_all=True)
    record = house.runner.record
    found = diff_runs(whole(record, origin.run_id), whole(record, result.run_id))
    assert [(pair.step, pair.kind) for pair in found.pairs if not pair.same] == [(1, "model"), (1, "tool")]
    assert {one.name for one in found.summary if not one.same} <= {"answer", "latency_ms"}


# ---- the commands ----


def test_the_commands(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from speeddial.cli.app import app

    (house.root / "pyproject.toml").write_text(
        '[tool.speeddial]\nplanner = "scripted:replay-planner"\nnow = "2026-11-22T09:00:00+01:00"\n'
        '[tool.speeddial.expert_models]\nadder = "scripted:replay-adder"\nwriter = "scripted:replay-writer"\n'
    )
    monkeypatch.chdir(house.root)
    origin = house.run().run_id

    def command(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["trace", *arguments])
        return done.exit_code, done.stdout

    code, said = command("replay", "last")
    assert (code, said) == (0, f"identical: run {origin}, 7 exchanges as recorded\n")
    house.scripts(planner=[], other=[{"name": "add", "arguments": {"a": 2, "b": 4}}])
    code, said = command("fork", origin, "--step", "1", "--model", "scripted:replay-other", "--yes")
    assert (code, said.splitlines()[0]) == (0, "What is 2 and 3? 6")
    code, said = command("diff", origin, "last")
    assert code == 1
    assert '"b":[-3-]{+4+}' in said and "= step 2 tool note" in said and "! step 1 tool add" in said
    code, said = command("diff", origin, "last", "--json")
    assert code == 1 and json.loads(said)["same"] is False
    assert command("diff", origin, origin)[0] == 0
    (house.root / "experts/adder/prompt.md").write_text("You are [red]an adder.\n", encoding="utf-8")
    code, said = command("replay", origin)
    assert code == 1 and "{+ [red]an+} adder." in said
    code, said = command("replay", origin, "--json")
    assert code == 1 and json.loads(said)["differences"][0]["field"] == "messages"


def test_a_run_on_personal_data_replays_on_its_surrogates_and_is_not_forked(house: House) -> None:
    address = "anna.meyer@firma.example.org"
    plan = {"steps": [{"expert": "writer", "task": f"note the mail of {address}"}]}
    note = {"name": "note", "arguments": {"text": address}}
    house.scripts(planner=[plan], writer={"mail": note})
    done = house.run(f"note the mail of {address}")
    row = whole(house.runner.record, done.run_id)
    assert done.status == "done" and address in done.answer
    assert address not in json.dumps(row.as_dict()) and row.redactions["email"]
    report = house.replay(done.run_id)
    assert report.identical, json.dumps(report.differences, indent=1)
    with pytest.raises(UserError, match="personal data"):
        wait_for(fork(house.runner, done.run_id, 1))
