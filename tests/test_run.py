"""The runner: results with exit codes, event streams, cancelling, batches, sync and async alike."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from speeddial import Project, Runner
from speeddial.errors import NotFound, RunFailed, SpeeddialError, UserError
from speeddial.models.model import Request
from speeddial.models.scripted import Reply, Scripted
from speeddial.result import RunResult
from speeddial.run import BatchItem

DEFAULT = Path(__file__).parents[1] / "workflows/default.py"
FIVE = {"name": "add", "arguments": {"a": 2, "b": 3}}


def script(request: Request) -> Any:
    said = request.messages[-1].content
    if "Task:" in said:
        task = said.partition("Task: ")[2]
        if "fly" in task:
            return {"steps": [], "missing": [task]}
        return {"steps": [{"expert": "adder", "task": task}]}
    return Reply(FIVE, delay=30 if "slow" in said else 0)


@pytest.fixture
def root(make_project: Callable[..., Path]) -> Path:
    root = make_project(model="scripted:run", settings='now = "2026-11-22T09:00:00+01:00"\n')
    (root / "workflows/default.py").write_text(DEFAULT.read_text(encoding="utf-8"), encoding="utf-8")
    Scripted.register("run", script)
    return root


@pytest.fixture
def runner(root: Path) -> Iterator[Runner]:
    with Runner(Project.load(root)) as runner:
        yield runner


def test_a_run_is_answered_and_on_record(runner: Runner) -> None:
    result = runner.run_sync("What is 2 and 3?")
    assert (result.unwrap(), result.exit_code) == ("What is 2 and 3? 5", 0)
    row = runner.record.run(result.run_id)
    assert (row.status, row.answer, row.workflow) == ("done", result.answer, "default")
    assert [interaction.kind for interaction in row.interactions] == ["plan", "model", "tool"]
    assert result.tokens == row.tokens_out > 0


def test_a_request_that_nobody_serves_fails_and_names_it(runner: Runner) -> None:
    result = runner.run_sync("fly to Rome")
    assert (result.status, result.exit_code, result.missing) == ("failed", 1, ("fly to Rome",))
    with pytest.raises(RunFailed):
        result.unwrap()


def test_the_last_event_is_the_final_record(runner: Runner) -> None:
    events = list(runner.stream_sync("What is 2 and 3?"))
    assert [event.type for event in events] == [
        *("run_started", "plan", "step_started", "call", "tool", "step_finished", "result")
    ]
    final = events[-1].as_dict()
    assert (final["type"], final["status"], final["exit_code"]) == ("result", "done", 0)
    (call,) = final["calls"]
    assert (call["step"], call["expert"], call["name"], call["result"]) == (1, "adder", "add", 5)
    assert call["arguments"] == call["resolved"] == {"a": 2, "b": 3}
    assert all(event.at and event.run_id == events[0].run_id for event in events)


async def test_the_stream_is_the_same_in_async_code(runner: Runner) -> None:
    kinds = [event.type async for event in runner.stream("What is 2 and 3?")]
    assert kinds[0] == "run_started" and kinds[-1] == "result"


async def test_a_runner_works_in_one_event_loop_after_the_other(runner: Runner) -> None:
    assert (await runner.run("What is 2 and 3?")).status == "done"
    assert (await asyncio.to_thread(runner.run_sync, "What is 2 and 3?")).status == "done"
    assert (await asyncio.to_thread(asyncio.run, runner.run("What is 2 and 3?"))).status == "done"


async def test_leaving_a_stream_cancels_its_run(runner: Runner) -> None:
    stream = runner.stream("slow sum")
    async for event in stream:
        if event.type == "step_started":
            break
    await stream.aclose()
    assert runner.record.runs()[0].status == "cancelled"


def test_a_run_is_cancelled_from_another_thread_and_resumed(runner: Runner, root: Path) -> None:
    results: list[RunResult] = []
    begun = threading.Event()

    def listen(event: Any) -> None:
        if event.type == "step_started":
            begun.set()

    thread = threading.Thread(target=lambda: results.append(runner.run_sync("slow sum", on_event=listen)))
    thread.start()
    assert begun.wait(20)
    run_id = runner.record.runs()[0].id
    assert runner.cancel(run_id)
    thread.join(20)
    assert (results[0].status, results[0].exit_code) == ("cancelled", 130)
    assert not runner.cancel(run_id)
    Scripted.register("run", [FIVE])
    assert runner.resume_sync(run_id).unwrap() == "slow sum: 5"


def test_ctrl_c_closes_the_run_on_record(runner: Runner) -> None:
    main = threading.main_thread().ident
    # A shell starts its background jobs with SIGINT ignored, and the test runner may be one.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def listen(event: Any) -> None:
        if event.type == "step_started":
            threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()

    try:
        with pytest.raises(KeyboardInterrupt):
            runner.run_sync("slow sum", on_event=listen)
    finally:
        signal.signal(signal.SIGINT, before)
    row = runner.record.run(runner.record.resolve("last"))
    assert (row.status, {one.status for one in row.interactions}) == ("cancelled", {"exact", "cancelled"})


def test_what_cannot_begin_is_refused_and_leaves_no_row(runner: Runner, root: Path) -> None:
    with pytest.raises(NotFound, match=r"gone\.csv"):
        runner.run_sync("sum", files=[Path("gone.csv")])
    with pytest.raises(UserError, match="empty"):
        runner.run_sync("  ")
    with pytest.raises(NotFound, match="no expert 'baker'"):
        runner.call_sync("baker", "bake")
    for folder in ("one", "two"):
        (root / folder).mkdir()
        (root / folder / "same.csv").touch()
    with pytest.raises(UserError, match=r"two files are named same\.csv"):
        runner.run_sync("sum", files=[root / "one/same.csv", root / "two/same.csv"])
    assert runner.record.runs() == []


def test_a_run_that_is_done_is_resumed_to_the_same_answer_without_a_call(runner: Runner) -> None:
    result = runner.run_sync("What is 2 and 3?")
    model = Scripted.register("run", [])
    assert runner.resume_sync(result.run_id).unwrap() == result.answer
    assert model.requests == []
    with pytest.raises(NotFound, match="no run"):
        runner.resume_sync("19990101")


def test_a_run_at_work_cannot_be_resumed(runner: Runner) -> None:
    async def both() -> None:
        work = asyncio.ensure_future(runner.run("slow sum"))
        while not runner.record.runs():  # noqa: ASYNC110 - written by another thread
            await asyncio.sleep(0.01)
        with pytest.raises(UserError, match="still running"):
            await runner.resume("last")
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    asyncio.run(both())


def test_without_execution_steps_are_planned_and_decoded_only(runner: Runner) -> None:
    result = runner.run_sync("What is 2 and 3?", execute=False)
    (call,) = result.calls
    assert call.call is not None and call.call.arguments == {"a": 2, "b": 3} and call.result is None
    rows = [(row.kind, row.expert) for row in runner.record.interactions()]
    assert rows == [("plan", "planner"), ("model", "adder")], "nothing failed, so nothing is planned anew"
    assert (result.status, call.text in result.answer) == ("done", True)
    assert call.text == '{"name":"add","arguments":{"a":2,"b":3}}'


def test_without_execution_a_step_is_decoded_that_uses_another(runner: Runner) -> None:
    def two(request: Request) -> Any:
        said = request.messages[-1].content
        if "Task:" in said:
            first = {"expert": "adder", "task": "2 and 3"}
            return {"steps": [first, {"expert": "writer", "task": "note it", "uses": [1]}]}
        return {"name": "note", "arguments": {"text": "#1"}} if "note" in said else FIVE

    Scripted.register("run", two)
    result = runner.run_sync("Note what 2 and 3 is", execute=False)
    assert result.status == "done"
    assert [(call.task, call.resolved) for call in result.calls] == [
        ("2 and 3", {"a": 2, "b": 3}),
        ("note it", {"text": "#1"}),
    ]


def test_a_batch_gives_every_item_its_result_or_error_some_at_a_time(runner: Runner) -> None:
    def counting(request: Request) -> Any:
        return Reply(script(request), delay=0.05) if "Task:" in request.messages[-1].content else FIVE

    Scripted.register("run", counting)
    items = [BatchItem(str(number), "What is 2 and 3?") for number in range(5)]
    items.append(BatchItem("lost", "sum", (Path("gone.csv"),)))
    found: dict[str, RunResult | SpeeddialError] = {}
    for item, result in runner.batch_sync(items, workers=3):
        found[item.id] = result
    assert isinstance(found.pop("lost"), NotFound)
    assert len(found) == 5
    assert all(isinstance(result, RunResult) and result.status == "done" for result in found.values())


def test_columns_stand_in_for_a_file_when_a_call_is_only_decoded(runner: Runner) -> None:
    given = {"columns": [{"name": "id", "type": "number"}]}
    assert runner.call_sync("adder", "What is 2 and 3?", given=given, execute=False).call is not None


def test_the_reference_time_of_a_run_stays_when_it_is_resumed(root: Path) -> None:
    path = root / "tools/clock.py"
    path.write_text(
        "from speeddial import ToolContext, tool\n\n\n@tool(effect='external')\n"
        "def clock(context: ToolContext) -> str:\n    '''Tell the time.'''\n"
        "    return context.now.isoformat()\n",
        encoding="utf-8",
    )
    card = root / "experts/adder/card.toml"
    card.write_text(card.read_text(encoding="utf-8").replace('["add"]', '["clock"]'), encoding="utf-8")
    Scripted.register("run", [{"name": "clock", "arguments": {}}])
    with Runner(Project.load(root)) as runner, pytest.raises(SpeeddialError):
        runner.call_sync("adder", "What time is it?")
    later = {"now": "2027-01-01T00:00:00+01:00"}
    with Runner(Project.load(root, later)) as runner:
        result = runner.resume_sync("last", approve=True)
    assert result.calls[0].text == "2026-11-22T09:00:00+01:00"
