"""The call path: one retry with the error, escalation along the chain, effects once, everything on record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from speeddial import CallOutcome, Project, Runner
from speeddial.errors import (
    EngineTimeout,
    EngineUnreachable,
    LimitReached,
    NeedsPerson,
    NotFound,
    UnprovenConstraint,
    UserError,
)
from speeddial.exchange import Usage
from speeddial.messages import Status
from speeddial.models import Completion, Receipt
from speeddial.models.scripted import Reply, Scripted
from speeddial.settings import Settings

ADD = {"name": "add", "arguments": {"a": 2, "b": 3}}
NOTE = {"name": "note", "arguments": {"text": "milk"}}
SEND = {"name": "send", "arguments": {"to": "anna"}}
REFUSE = {"name": "refuse", "arguments": {"reason": "not mine"}}
WRONG = '{"name":"add","arguments":{"a":"2","b":3}}'


class Desk:
    """A project whose experts and generalist follow scripts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runners: list[Runner] = []
        self.events: list[Any] = []

    def script(self, name: str, script: Any, **options: Any) -> Scripted:
        return Scripted.register(name, script, **options)

    def runner(self, *, cards: dict[str, dict[str, Any]] | None = None, **settings: Any) -> Runner:
        """A runner; each expert's model is ``scripted:EXPERT``, the generalist's ``scripted:planner``."""
        models = {"adder": "scripted:adder", "writer": "scripted:writer"}
        project = Project.load(
            self.root, {"planner": "scripted:planner", "expert_models": models, **settings}
        )
        for name, fields in (cards or {}).items():
            project.experts[name] = replace(project.experts[name], **fields)  # type: ignore[index]
        runner = Runner(project)
        self.runners.append(runner)
        return runner

    def call(self, runner: Runner, expert: str, text: str, **options: Any) -> CallOutcome:
        self.events.clear()
        return runner.call_sync(expert, text, on_event=self.events.append, **options)

    def said(self) -> list[str]:
        return [event.type for event in self.events]

    def notes(self) -> list[str]:
        return self._lines("notes.txt")

    def sent(self) -> list[str]:
        return self._lines("sent.txt")

    def _lines(self, name: str) -> list[str]:
        path = self.root / "workspace" / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@pytest.fixture
def desk(make_project: Callable[..., Path]) -> Iterator[Desk]:
    desk = Desk(make_project(settings='now = "2026-11-22T09:00:00+01:00"\n'))
    desk.script("planner", [])
    desk.script("adder", [])
    desk.script("writer", [])
    yield desk
    for runner in desk.runners:
        runner.close()


def rows(runner: Runner) -> list[Any]:
    return list(runner.record.interactions())


def test_a_right_call_is_exact_and_on_record_before_and_after(desk: Desk) -> None:
    model = desk.script("adder", [ADD])
    runner = desk.runner()
    outcome = desk.call(runner, "adder", "What is 2 and 3?")
    assert (outcome.status, outcome.value, outcome.as_type(int)) == (Status.EXACT, 5, 5)
    assert outcome.resolved == {"a": 2, "b": 3}
    assert outcome.receipt is not None and outcome.receipt.constrained
    asked, ran = rows(runner)
    assert outcome.interactions == (asked.id, ran.id)
    assert (asked.kind, asked.status, asked.expert, asked.parsed) == ("model", "exact", "adder", ADD)
    assert [tool["name"] for tool in asked.tools] == ["add", "refuse"]
    assert asked.schema_hash == outcome.receipt.schema_hash
    assert (ran.kind, ran.status, ran.parent, ran.result, ran.text) == ("tool", "done", asked.id, 5, "5")
    assert desk.said() == ["run_started", "step_started", "call", "tool", "step_finished", "result"]
    system, user = model.requests[0].messages
    assert system.content.startswith("You are adder.") and "add" in system.content.removeprefix(
        "You are adder."
    )
    assert user.content == "What is 2 and 3?"


def test_a_wrong_output_is_corrected_after_its_error_is_fed_back(desk: Desk) -> None:
    model = desk.script("adder", [WRONG, ADD], unconstrained=True)
    runner = desk.runner()
    outcome = desk.call(runner, "adder", "What is 2 and 3?")
    assert (outcome.status, outcome.value) == (Status.CORRECTED, 5)
    assert [message.role for message in model.requests[1].messages] == ["system", "user", "assistant", "user"]
    assert model.requests[1].messages[-1].content == (
        'Wrong:\n- arguments.a: expected an integer, for example 1, got "2" (string)\nAgain: What is 2 and 3?'
    )
    first, second, _ = rows(runner)
    assert (first.status, second.status, second.parent) == ("failed", "corrected", first.id)
    assert first.raw == WRONG and first.parsed is None and first.error
    assert "arguments.a: expected an integer" in second.reason


def test_the_same_wrong_output_twice_ends_the_tries(desk: Desk) -> None:
    model = desk.script("adder", [WRONG] * 9, unconstrained=True)
    other = desk.script("planner", [REFUSE])
    outcome = desk.call(desk.runner(), "adder", "What is 2 and 3?")
    assert outcome.status == Status.FAILED and outcome.call is None
    assert "the same again" in outcome.error
    assert (len(model.requests), len(other.requests)) == (2, 1)


def test_a_tool_that_says_no_gives_the_expert_one_more_try(desk: Desk) -> None:
    desk.script("writer", [{"name": "send", "arguments": {"to": "nobody"}}, SEND])
    runner = desk.runner()
    outcome = desk.call(runner, "writer", "send it", approve_all=True)
    assert (outcome.status, outcome.text, desk.sent()) == (Status.CORRECTED, "sent to anna", ["anna"])
    assert [row.status for row in rows(runner)] == ["exact", "failed", "corrected", "done"]


def test_a_refusal_goes_to_the_next_expert_and_then_to_the_generalist(desk: Desk) -> None:
    desk.script("adder", [REFUSE])
    desk.script("writer", [REFUSE])
    generalist = desk.script("planner", [ADD])
    runner = desk.runner(cards={"adder": {"next": ("writer",)}})
    outcome = desk.call(runner, "adder", "What is 2 and 3?")
    assert (outcome.status, outcome.served_by, outcome.value) == (Status.ESCALATED, "generalist", 5)
    assert generalist.requests[0].adapter is None
    first, second, third, tool = rows(runner)
    assert [row.status for row in (first, second, third, tool)] == ["refused", "refused", "exact", "done"]
    assert (second.escalated_from, second.reason) == (first.id, "adder: not mine")
    assert (third.escalated_from, third.model) == (second.id, "scripted:planner")
    assert desk.said().count("escalated") == 2


def test_a_refusal_stays_a_refusal_where_the_generalist_is_the_same_model(desk: Desk) -> None:
    model = desk.script("adder", [REFUSE])
    outcome = desk.call(desk.runner(planner="scripted:adder"), "adder", "What is the weather?")
    assert (outcome.status, outcome.error, outcome.ok) == (Status.REFUSED, "adder: not mine", False)
    assert outcome.call is not None and outcome.call.is_refusal and outcome.call.reason == "not mine"
    assert outcome.receipt is not None and outcome.receipt.constrained
    assert len(model.requests) == 1


def test_a_person_who_says_no_is_not_overruled_by_the_escalation(desk: Desk) -> None:
    desk.script("adder", [REFUSE])
    desk.script("writer", [SEND])
    runner = desk.runner(cards={"adder": {"next": ("writer",)}})
    with pytest.raises(NeedsPerson):
        desk.call(runner, "adder", "send it")
    (call,) = runner.resume_sync("last", approve=False).calls
    assert (call.status, call.ok) == (Status.REFUSED, False)


def test_an_unsure_call_goes_to_somebody_surer(desk: Desk) -> None:
    desk.script("writer", [Reply(NOTE, confidence=0.4)])
    desk.script("planner", [Reply({"name": "note", "arguments": {"text": "oat milk"}}, confidence=0.2)])
    outcome = desk.call(desk.runner(cards={"writer": {"threshold": 0.6}}), "writer", "note milk")
    assert (outcome.status, outcome.text) == (Status.ESCALATED, "noted: oat milk")
    assert len(desk.notes()) == 1


@pytest.mark.parametrize(
    ("decision", "status", "text", "notes"),
    [
        ({"approve": True}, "exact", "noted: milk", 1),
        ({"approve": False}, "refused", "a person said no to note", 0),
        ({"answer": "done by hand"}, "escalated", "done by hand", 0),
    ],
)
def test_an_unsure_call_with_nobody_surer_waits_for_a_person(
    desk: Desk, decision: dict[str, Any], status: str, text: str, notes: int
) -> None:
    model = desk.script("writer", [Reply(NOTE, confidence=0.4)])
    desk.script("planner", [REFUSE])
    runner = desk.runner(cards={"writer": {"threshold": 0.6}})
    with pytest.raises(NeedsPerson, match=r"unsure \(0.40 where 0.60"):
        desk.call(runner, "writer", "note milk")
    assert desk.notes() == [] and desk.said()[-2:] == ["approval_needed", "result"]
    result = runner.resume_sync("last", **decision)
    assert (result.status, result.calls[0].status, result.calls[0].text) == ("done", status, text)
    assert len(desk.notes()) == notes
    assert len(model.requests) == 1, "the finished decode was paid for twice"


def test_yes_takes_an_unsure_call(desk: Desk) -> None:
    desk.script("writer", [Reply(NOTE, confidence=0.4)])
    desk.script("planner", [REFUSE])
    runner = desk.runner(cards={"writer": {"threshold": 0.6}})
    assert desk.call(runner, "writer", "note milk", approve_all=True).ok


def test_an_unsure_call_that_is_only_decoded_is_a_question(desk: Desk) -> None:
    desk.script("writer", [Reply(NOTE, confidence=0.4)])
    desk.script("planner", [REFUSE])
    runner = desk.runner(cards={"writer": {"threshold": 0.6}})
    outcome = desk.call(runner, "writer", "note milk", execute=False)
    assert outcome.status == Status.QUESTION and outcome.call is not None
    assert outcome.call.name == "note" and desk.notes() == []


@pytest.mark.parametrize(
    ("decision", "text", "sent"),
    [
        ({"approve": True}, "sent to anna", ["anna"]),
        ({"approve": False}, "a person said no to send", []),
        ({"answer": "I sent it myself"}, "I sent it myself", []),
    ],
)
def test_an_external_tool_waits_for_approval(
    desk: Desk, decision: dict[str, Any], text: str, sent: list[str]
) -> None:
    model = desk.script("writer", [SEND])
    runner = desk.runner()
    with pytest.raises(NeedsPerson, match="send needs approval: send") as raised:
        desk.call(runner, "writer", "send it to anna")
    assert raised.value.exit_code == 5 and desk.sent() == []
    (run,) = runner.record.runs()
    assert run.status == "waiting"
    with pytest.raises(NeedsPerson):
        raise runner.resume_sync("last").error or AssertionError("it should still wait")
    result = runner.resume_sync("last", **decision)
    assert (result.calls[0].text, desk.sent(), len(model.requests)) == (text, sent, 1)
    with pytest.raises(NotFound, match="asks nothing"):
        runner.resume_sync("last", approve=True)


def test_an_external_tool_that_breaks_is_an_unknown_outcome_even_with_yes(desk: Desk) -> None:
    break_tool(desk, 'return f"sent to {to}"')
    desk.script("writer", [SEND])
    runner = desk.runner()
    with pytest.raises(NeedsPerson, match="unknown_outcome"):
        desk.call(runner, "writer", "send it", approve_all=True)
    assert desk.sent() == ["anna"]
    assert rows(runner)[-1].status == "unknown_outcome"
    result = runner.resume_sync("last", answer="it arrived")
    assert (result.status, result.calls[0].text, desk.sent()) == ("done", "it arrived", ["anna"])


def test_each_run_again_of_an_unknown_outcome_is_asked_for(desk: Desk) -> None:
    break_tool(desk, 'return f"sent to {to}"')
    desk.script("writer", [SEND])
    runner = desk.runner()
    with pytest.raises(NeedsPerson):
        desk.call(runner, "writer", "send it", approve_all=True)
    again = runner.resume_sync("last", approve=True)
    assert again.status == "waiting" and desk.sent() == ["anna", "anna"]
    assert runner.resume_sync("last", answer="enough").status == "done"
    assert desk.sent() == ["anna", "anna"]


def test_a_write_tool_that_breaks_is_escalated_under_the_same_idempotency_key(desk: Desk) -> None:
    break_tool(desk, 'return f"noted: {text}"')
    desk.script("writer", [NOTE])
    desk.script("planner", [{"name": "note", "arguments": {"text": "milk", "mood": "bad"}}])
    runner = desk.runner()
    outcome = desk.call(runner, "writer", "note milk")
    assert outcome.status == Status.FAILED and "broke" in outcome.error
    assert len(desk.notes()) == 1, "the effect came twice"
    keys = {row.idempotency_key for row in rows(runner) if row.kind == "tool"}
    assert len(keys) == 1


def test_the_transport_has_a_budget_of_its_own(desk: Desk) -> None:
    lost = EngineUnreachable("no connection")
    model = desk.script("adder", [lost, EngineTimeout("late"), ADD])
    outcome = desk.call(desk.runner(transport_retries=2), "adder", "What is 2 and 3?")
    assert (outcome.status, outcome.value, len(model.requests)) == (Status.EXACT, 5, 3)


def test_an_engine_that_stays_away_is_escalated(desk: Desk) -> None:
    desk.script("adder", [EngineUnreachable("no connection")])
    desk.script("planner", [ADD])
    runner = desk.runner(transport_retries=0)
    outcome = desk.call(runner, "adder", "What is 2 and 3?")
    assert (outcome.status, outcome.served_by) == (Status.ESCALATED, "generalist")
    assert [row.status for row in rows(runner)] == ["failed", "exact", "done"]


def test_a_run_goes_on_when_the_engines_are_back(desk: Desk) -> None:
    desk.script("adder", [EngineUnreachable("no connection"), ADD])
    desk.script("planner", [EngineUnreachable("no connection")])
    runner = desk.runner(transport_retries=0)
    with pytest.raises(EngineUnreachable) as raised:
        desk.call(runner, "adder", "What is 2 and 3?")
    assert raised.value.exit_code == 3
    assert runner.resume_sync("last").calls[0].value == 5


def test_nothing_is_sent_to_an_engine_whose_constraint_is_not_proven(desk: Desk) -> None:
    model = desk.script("adder", [ADD], proven=False)
    runner = desk.runner(planner="scripted:adder")
    with pytest.raises(UnprovenConstraint):
        desk.call(runner, "adder", "What is 2 and 3?")
    assert model.requests == []


def test_an_unproven_engine_that_is_allowed_serves_and_every_place_says_so(desk: Desk) -> None:
    desk.script("adder", [ADD], proven=False)
    runner = desk.runner(allow_unproven=True)
    outcome = desk.call(runner, "adder", "What is 2 and 3?")
    assert (outcome.status, outcome.value) == (Status.EXACT, 5)
    assert outcome.receipt is not None and not outcome.receipt.constrained
    assert outcome.as_call()["unproven"] == "unproven: scripted to fail its canary"
    (decoded,) = [event for event in desk.events if event.type == "call"]
    assert decoded.unproven == "unproven: scripted to fail its canary"
    assert rows(runner)[0].receipt["constrained"] is False


def test_without_execution_the_call_is_decoded_and_no_tool_runs(desk: Desk) -> None:
    desk.script("writer", [NOTE])
    runner = desk.runner()
    outcome = desk.call(runner, "writer", "note milk", execute=False)
    assert (outcome.status, outcome.result) == (Status.EXACT, None)
    assert outcome.resolved is not None and outcome.resolved["text"] == "milk"
    assert desk.notes() == [] and [row.kind for row in rows(runner)] == ["model"]


def test_the_token_limit_stops_before_the_next_call(desk: Desk) -> None:
    desk.script("adder", [WRONG, ADD], unconstrained=True)
    runner = desk.runner(max_tokens=5)
    with pytest.raises(LimitReached, match="5 generated tokens") as raised:
        desk.call(runner, "adder", "What is 2 and 3?")
    assert raised.value.exit_code == 4
    assert runner.record.runs()[0].status == "limit"


def test_a_long_request_is_not_said_again_with_the_error(desk: Desk) -> None:
    model = desk.script("adder", [WRONG, ADD], unconstrained=True)
    desk.call(desk.runner(), "adder", "What is 2 and 3?" + " please" * 200)
    feedback = model.requests[1].messages[-1].content
    assert feedback == 'Wrong:\n- arguments.a: expected an integer, for example 1, got "2" (string)'


def test_a_cancelled_call_is_closed_in_the_record(desk: Desk) -> None:
    desk.script("adder", [Reply(ADD, delay=30)])
    runner = desk.runner()

    async def cancel_soon() -> None:
        call = asyncio.ensure_future(runner.call("adder", "What is 2 and 3?"))
        while not (runner.record.runs() and rows(runner)):  # noqa: ASYNC110 - written by another thread
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(cancel_soon())
    (row,) = rows(runner)
    assert (row.status, runner.record.runs()[0].status) == ("cancelled", "cancelled")


def test_a_tool_at_work_when_the_run_is_cancelled_comes_to_its_end_on_record(desk: Desk) -> None:
    edit_tools(desk, 'return f"noted: {text}"', 'import time; time.sleep(0.5); return f"noted: {text}"')
    model = desk.script("writer", [NOTE])
    runner = desk.runner()

    async def cancel_in_tool() -> None:
        call = asyncio.ensure_future(runner.call("writer", "note milk"))
        while not desk.notes():  # noqa: ASYNC110 - the note is written by another thread
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(cancel_in_tool())
    assert rows(runner)[-1].status == "done"
    assert runner.resume_sync("last").calls[0].text == "noted: milk"
    assert (len(desk.notes()), len(model.requests)) == (1, 1)


def test_an_expert_of_files_takes_the_only_one_and_asks_which_of_several(desk: Desk) -> None:
    desk.script("adder", [ADD, ADD])
    runner = desk.runner(cards={"adder": {"needs_file": True}})
    with pytest.raises(UserError, match="adder works on a file, and 0 were granted"):
        desk.call(runner, "adder", "sum it")
    path = desk.root / "numbers.csv"
    path.write_text("a,b\n2,3\n", encoding="utf-8")
    assert desk.call(runner, "adder", "sum it", files=[path]).value == 5


def test_the_cost_limit_counts_what_completions_cost() -> None:
    usage = Usage(Settings(max_cost=0.05), cost=0.02)
    usage.check()
    usage.count(Completion("", Receipt(True, "", ""), "openai:x", cost=0.03))
    with pytest.raises(LimitReached, match=r"0\.05 US dollars"):
        usage.check()


def test_only_granted_files_can_be_named(desk: Desk) -> None:
    with pytest.raises(NotFound, match=r"gone.csv"):
        desk.call(desk.runner(), "adder", "sum it", files=[Path("gone.csv")])


def test_secrets_reach_the_tool_and_not_the_record(desk: Desk) -> None:
    secret = "sk-abcdefghijklmnopqrstuvwxyz012345"
    desk.script("writer", [{"name": "note", "arguments": {"text": secret}}])
    runner = desk.runner()
    assert desk.call(runner, "writer", f"note {secret}").text == f"noted: {secret}"
    assert secret in desk.notes()[0]
    runner.close()
    files = (desk.root / "workspace/.speeddial").iterdir()
    assert not any(secret.encode() in file.read_bytes() for file in files)


def break_tool(desk: Desk, line: str) -> None:
    """The tool has its effect and then breaks."""
    edit_tools(desk, line, 'raise OSError("the line is dead")')


def edit_tools(desk: Desk, old: str, new: str) -> None:
    path = desk.root / "tools/desk.py"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
