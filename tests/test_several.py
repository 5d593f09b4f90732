"""Several calls of one answer: in order, each with its own effect and approval; questions; bare tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from speeddial import Project, Runner
from speeddial.cli.batches import call_line
from speeddial.errors import ContractViolation, NeedsPerson, NotFound, UserError
from speeddial.messages import Status
from speeddial.models.scripted import Scripted
from speeddial.record.export import export

ADD = {"name": "add", "arguments": {"a": 2, "b": 3}}
NOTE = {"name": "note", "arguments": {"text": "milk"}}
EGGS = {"name": "note", "arguments": {"text": "eggs"}}
SEND = {"name": "send", "arguments": {"to": "anna"}}
NOBODY = {"name": "send", "arguments": {"to": "nobody"}}
QUESTION = {"name": "ask", "arguments": {"tool": "send", "argument": "to", "question": "To whom?"}}
REFUSE = {"name": "refuse", "arguments": {"reason": "nothing sings here"}}
WEATHER = {
    "name": "get_weather",
    "description": "Weather of a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}
OSLO = {"name": "get_weather", "arguments": {"city": "Oslo", "days": 2}}


@pytest.fixture
def runner(make_project: Callable[..., Path]) -> Iterator[Runner]:
    root = make_project(settings='now = "2026-11-22T09:00:00+01:00"\n')
    project = Project.load(root, {"planner": "scripted:clerk", "expert_models": {"writer": "scripted:clerk"}})
    writer = replace(project.experts["writer"], calls="several", tools=("add", "note", "send"))
    project.experts["writer"] = writer  # type: ignore[index]
    with Runner(project) as runner:
        yield runner


def says(*answers: Any) -> Scripted:
    return Scripted.register("clerk", list(answers))


def lines(runner: Runner, name: str) -> list[str]:
    path = runner.project.workspace / name
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def test_calls_run_in_order_and_come_out_one_by_one(runner: Runner) -> None:
    model = says({"calls": [ADD, NOTE, EGGS, SEND]})
    outcome = runner.call_sync("writer", "all of it", approve_all=True)
    assert (outcome.status, outcome.ok, outcome.call) == (Status.EXACT, True, None)
    assert [call.as_dict() for call in outcome.calls] == [ADD, NOTE, EGGS, SEND]
    assert outcome.value == [5, "noted: milk", "noted: eggs", "sent to anna"]
    assert [line.split("\t")[2] for line in lines(runner, "notes.txt")] == ["milk", "eggs"]
    assert len({line.split("\t")[0] for line in lines(runner, "notes.txt")}) == 2, "two effects, one key"
    decode, *ran = runner.record.interactions()
    assert decode.parsed == {"calls": [ADD, NOTE, EGGS, SEND]}
    assert [(row.kind, row.tool, row.parent) for row in ran] == [
        ("tool", name, decode.id) for name in ("add", "note", "note", "send")
    ]
    system, user = model.requests[0].messages
    assert '{"calls":[' in system.content
    assert user.content == (
        "add(a: int, b: int) - Add two whole numbers\n"
        'note(text: string, mood?: "good"|"bad") - Write a note\n'
        "send(to: string) - Send a letter\n"
        "all of it"
    )


def test_a_person_is_asked_for_each_call_that_needs_it_and_nothing_is_repeated(runner: Runner) -> None:
    model = says({"calls": [NOTE, SEND, EGGS]})
    with pytest.raises(NeedsPerson, match="send needs approval"):
        runner.call_sync("writer", "all of it")
    assert (len(lines(runner, "notes.txt")), lines(runner, "sent.txt")) == (1, [])
    result = runner.resume_sync("last", approve=False)
    (outcome,) = result.calls
    assert [part.status for part in outcome.parts] == [Status.EXACT, Status.REFUSED, Status.EXACT]
    assert (outcome.status, outcome.ok, len(model.requests)) == (Status.REFUSED, False, 1)
    assert (len(lines(runner, "notes.txt")), lines(runner, "sent.txt")) == (2, [])


def test_a_failure_after_an_effect_ends_it_and_is_told(runner: Runner) -> None:
    model = says({"calls": [NOTE, NOBODY, EGGS]}, {"calls": [NOTE, SEND]})
    outcome = runner.call_sync("writer", "all of it", approve_all=True)
    assert (outcome.status, len(model.requests)) == (Status.FAILED, 1), "what took effect was tried again"
    assert [part.ok for part in outcome.parts] == [True, False, False]
    assert "expected a person" in outcome.error and "not begun" in outcome.error
    assert len(lines(runner, "notes.txt")) == 1


def test_a_failure_before_any_effect_is_fed_back(runner: Runner) -> None:
    says({"calls": [ADD, NOBODY]}, {"calls": [ADD, SEND]})
    outcome = runner.call_sync("writer", "all of it", approve_all=True)
    assert (outcome.status, lines(runner, "sent.txt")) == (Status.CORRECTED, ["anna"])


def test_a_question_goes_to_the_person(runner: Runner) -> None:
    says(QUESTION)
    outcome = runner.call_sync("writer", "send a letter")
    assert (outcome.status, outcome.question, outcome.ok) == (Status.QUESTION, "To whom?", False)
    assert outcome.calls == () and outcome.text == "To whom?"
    (row,) = runner.record.interactions()
    assert (row.status, row.parsed) == ("question", QUESTION)


BOOKS = {
    "name": "books",
    "parameters": {
        "properties": {
            "author": {"type": "string"},
            "subject": {"type": "string"},
            "shelf": {"type": "string"},
        },
        "required": ["subject", "shelf"],
    },
}


def called(**arguments: str) -> dict[str, Any]:
    return {"name": "books", "arguments": arguments}


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        (
            {"author": "jazz", "subject": "jazz", "shelf": "hall"},
            called(subject="jazz", shelf="hall"),
            called(author="jazz", subject="hall", shelf="hall"),
        ),
        (
            {"subject": "jazz", "shelf": "jazz"},
            {"name": "ask", "arguments": {"tool": "books", "argument": "shelf", "question": "Which?"}},
            called(subject="jazz", shelf="hall"),
        ),
    ],
)
def test_words_given_to_two_arguments_are_decoded_again_with_less_to_choose_from(
    runner: Runner, first: dict[str, str], second: dict[str, Any], refused: dict[str, Any]
) -> None:
    writer = replace(runner.project.experts["writer"], grounded=True)
    runner.project.experts["writer"] = writer  # type: ignore[index]
    model = says(called(**first), second)
    request = "books about jazz in the hall"
    outcome = runner.call_sync("writer", request, given={"tools": [BOOKS]}, execute=False)
    assert outcome.status is (Status.CORRECTED if second["name"] == "books" else Status.QUESTION)
    one, two = runner.record.interactions()
    assert (one.status, two.status, two.parent) == ("failed", outcome.status, one.id)
    assert "other words than" in one.error and two.reason and two.parsed == second
    asked, again = model.requests
    assert asked.messages == again.messages, "nothing is fed back"
    asked.contract.parse(json.dumps(called(**first)))
    for wrong in (called(**first), refused):
        with pytest.raises(ContractViolation):
            again.contract.parse(json.dumps(wrong))


def test_a_call_or_a_question_is_of_a_tool_that_the_request_speaks_of(runner: Runner) -> None:
    writer = replace(runner.project.experts["writer"], grounded=True)
    runner.project.experts["writer"] = writer  # type: ignore[index]
    jazz, weather = called(subject="jazz", shelf="hall"), {**OSLO, "arguments": {"city": "jazz"}}
    question = {"tool": "get_weather", "argument": "city", "question": "Where?"}
    model = says(jazz, jazz)
    for request in ("books about jazz in the hall", "jazz in the hall"):
        outcome = runner.call_sync("writer", request, given={"tools": [BOOKS, WEATHER]}, execute=False)
        assert outcome.status is Status.EXACT
    spoken, anyone = (request.contract for request in model.requests)
    for other in (weather, {"name": "ask", "arguments": question}):
        anyone.parse(json.dumps(other))
        with pytest.raises(ContractViolation):
            spoken.parse(json.dumps(other))
    both = json.dumps({"calls": [jazz, weather]})
    assert len(spoken.parse(both).calls) == 2, "of several calls each may be said in other words"
    assert "get_weather(" in model.requests[0].messages[1].content


def test_given_tools_are_decoded_and_never_run(runner: Runner) -> None:
    says({"calls": [OSLO, OSLO]}, OSLO, REFUSE, REFUSE)
    given = {"tools": [WEATHER, "add"]}
    with pytest.raises(UserError, match="get_weather came as a schema") as raised:
        runner.call_sync("writer", "weather twice", given=given)
    assert "--no-execute" in raised.value.hint
    outcome = runner.call_sync("writer", "weather twice", given=given, execute=False)
    assert [part.resolved for part in outcome.parts] == [OSLO["arguments"]] * 2
    outcome = runner.call_sync("writer", "weather", given=given, execute=False)
    assert (outcome.calls[0].as_dict(), outcome.status) == (OSLO, Status.EXACT)
    assert runner.call_sync("writer", "sing", given=given, execute=False).status is Status.REFUSED
    assert runner.call_sync("writer", "sing", given={"tools": ["add"]}, execute=False).calls == ()


@pytest.mark.parametrize(
    ("tools", "said"),
    [(["fly"], "no tool 'fly'"), ("add", "a list"), (["add", "add"], "given twice"), ([], "a list")],
)
def test_what_is_given_as_tools_must_be_tools(runner: Runner, tools: Any, said: str) -> None:
    says(ADD)
    with pytest.raises((NotFound, UserError), match=said):
        runner.call_sync("writer", "add", given={"tools": tools}, execute=False)


def test_result_lines_hold_the_calls_or_the_question(runner: Runner) -> None:
    says({"calls": [OSLO, OSLO]}, QUESTION, REFUSE)
    given = {"tools": [WEATHER, "send"]}
    several, asked, refused = (
        call_line(runner.call_sync("writer", text, given=given, execute=False))
        for text in ("two", "send", "sing")
    )
    assert several["calls"] == [{**OSLO, "resolved": OSLO["arguments"]}] * 2
    assert (asked["status"], asked["calls"], asked["question"]) == ("question", [], "To whom?")
    assert asked["missing"] == {"tool": "send", "argument": "to"}
    assert (refused["status"], refused["calls"]) == ("refused", [])


def test_of_many_tools_those_that_fit_the_words_are_shown(runner: Runner) -> None:
    model = says(OSLO)
    others = [{"name": f"count_{number}", "description": f"Counts thing {number}"} for number in range(40)]
    given = {"tools": [*others, WEATHER]}
    assert runner.call_sync("writer", "weather in Oslo for 2 days", given=given, execute=False).calls
    shown = model.requests[0].messages[1].content.splitlines()[:-1]
    assert len(shown) == 6 and any(line.startswith("get_weather(") for line in shown)


def test_several_calls_are_one_row_of_training_data(runner: Runner, tmp_path: Path) -> None:
    says({"calls": [NOTE, EGGS]})
    runner.call_sync("writer", "milk and eggs")
    path = tmp_path / "rows.jsonl"
    assert export(runner.record, path).lines == 1
    row = json.loads(path.read_text(encoding="utf-8"))
    turn = row["messages"][-1]
    assert [call["id"] for call in turn["tool_calls"]] == ["call_1", "call_2"]
    assert [json.loads(call["function"]["arguments"]) for call in turn["tool_calls"]] == [
        NOTE["arguments"],
        EGGS["arguments"],
    ]
    assert row["parallel_tool_calls"] is True


def test_a_person_can_correct_one_call_into_several(runner: Runner) -> None:
    says(NOTE)
    runner.call_sync("writer", "milk and eggs")
    decode = next(iter(runner.record.interactions())).id
    right = {"calls": [NOTE, EGGS]}
    assert runner.record.feedback.correct(decode, right, by="anna", text="", tools={}).call == right
    with pytest.raises(ContractViolation, match=r"calls\[1\].arguments.text"):
        wrong = {"calls": [NOTE, {"name": "note", "arguments": {}}]}
        runner.record.feedback.correct(decode, wrong, by="anna", text="", tools={})
