"""Salvage: a cut-off answer is asked for again, else completed and marked, and takes no effect unasked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from chat_server import ChatServer, answer
from contract_strategies import Typed, accepts, typed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field
from rooms import project

from speeddial import Desk, tool
from speeddial.contract import Contract, union_of_calls
from speeddial.errors import ContractViolation, EngineRefused, NeedsPerson, PlanError
from speeddial.messages import Message, Status, compact_json
from speeddial.models import Model, Request
from speeddial.models.openai import OpenAIModel
from speeddial.models.salvage import salvaged
from speeddial.models.scripted import Reply, Scripted
from speeddial.models.vllm import VLLMModel
from speeddial.record.export import export

LETTER = Contract.from_schema(
    {
        "type": "object",
        "properties": {
            "to": {"type": "string", "maxLength": 40},
            "kind": {"enum": ["short", "long"]},
            "copies": {"type": "integer", "minimum": 10, "maximum": 99},
            "weight": {"type": "number"},
            "body": {"type": "string", "minLength": 3, "maxLength": 2000},
        },
        "required": ["to", "copies", "weight", "body"],
        "additionalProperties": False,
    }
)
WHOLE = '{"to":"Änna \\"A\\"","kind":"long","copies":12,"weight":0.125,"body":"Dear all"}'


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_every_beginning_of_an_output_is_completed(cut: int) -> None:
    text = salvaged(WHOLE[:cut], LETTER)
    assert text.startswith(WHOLE[:cut])
    LETTER.parse(text)


def test_a_whole_output_has_nothing_to_salvage() -> None:
    assert salvaged(WHOLE, LETTER) == ""
    assert salvaged(WHOLE + " \n", LETTER) == ""


def test_a_number_at_the_end_might_have_had_more_digits() -> None:
    assert salvaged("12", Contract.of(int)) == "12"


@pytest.mark.parametrize("text", ["Sure! Here", '{"to":1', '{"copies":12', '{"to":"a"}}', WHOLE + "x"])
def test_what_no_output_begins_with_is_not_salvaged(text: str) -> None:
    assert salvaged(text, LETTER) == ""


@pytest.mark.parametrize("text", ['{ "to" : "a b",\n\t"copies" :', '{\n  "to": "a", ', '{"to": "x",  "cop'])
def test_free_white_space_is_taken_as_servers_write_it(text: str) -> None:
    LETTER.parse(salvaged(text, LETTER))


def test_half_a_character_at_the_end_is_left_out() -> None:
    text = salvaged('{"to":"An\ufffd', LETTER)
    assert LETTER.parse(text)["to"] == "An"


SLOW_CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW_CHECKS)
@given(typed, st.data())
def test_a_beginning_of_any_value_is_completed_to_one_that_the_contract_takes_or_not_at_all(
    one: Typed, data: st.DataObject
) -> None:
    contract = Contract.of(one.tp)
    text = contract.dump(data.draw(one.values))
    begun = text[: data.draw(st.integers(0, len(text) - 1))]
    completed = salvaged(begun, contract)
    if not completed:
        return
    assert completed.startswith(begun)
    assert accepts(contract, completed)
    try:
        contract.parse(completed)
    except ContractViolation as error:
        assert contract.report.after, f"{completed} is admitted by the grammar and refused: {error}"


def test_calls_of_every_expert_of_this_project_are_salvaged_from_their_name_on() -> None:
    for expert in project().experts.values():
        tools = {name: project().tools[name].contract for name in expert.tools}
        contract = union_of_calls(tools)
        for name, arguments in tools.items():
            text = contract.dump({"name": name, "arguments": arguments.example()})
            for cut in range(text.index('"arguments"'), len(text)):
                completed = salvaged(text[:cut], contract)
                assert contract.parse(completed).name == name


# ---- servers ----

HELLO = (Message("user", "write"),)
LONG = Contract.from_schema(
    {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "note": {"type": "string", "maxLength": 9}},
        "required": ["a"],
        "additionalProperties": False,
    }
)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer().running() as running:
        yield running


async def complete(model: Model, contract: Contract = LETTER, **fields: Any) -> Any:
    try:
        return await model.complete(Request(HELLO, contract, **fields))
    finally:
        await model.aclose()


@pytest.mark.parametrize("engine", [VLLMModel, OpenAIModel])
async def test_a_cut_off_answer_comes_with_its_completion(
    server: ChatServer, engine: Callable[[str], Model]
) -> None:
    completion = await complete(engine(f"base@{server.url}"), max_tokens=30)
    assert (completion.finish, len(completion.text)) == ("length", 30)
    assert completion.completed.startswith(completion.text)
    LETTER.parse(completion.completed)


async def test_a_whole_answer_at_the_end_of_its_budget_needs_none(server: ChatServer) -> None:
    completion = await complete(VLLMModel(f"base@{server.url}"), max_tokens=200)
    assert completion.finish == "stop"

    def ends_with_the_budget(handler: Any) -> None:
        message = {"role": "assistant", "content": completion.text}
        choice = {"index": 0, "finish_reason": "length", "message": message}
        body = {"id": "1", "object": "chat.completion", "created": 0, "model": "base", "choices": [choice]}
        answer(handler, 200, body)

    model = VLLMModel(f"base@{server.url}")
    await model.canary()
    server.faults.append(ends_with_the_budget)
    again = await complete(model)
    assert (again.text, again.finish, again.completed) == (completion.text, "length", "")


async def test_an_answer_in_openais_subset_is_completed_there_and_brought_back() -> None:
    with ChatServer(strict_subset=True).running() as server:
        completion = await complete(OpenAIModel(f"base@{server.url}"), LONG, max_tokens=16)
    assert completion.text.startswith('{"answer":{')
    assert isinstance(LONG.parse(completion.completed)["a"], int)


# ---- calls ----


@tool
def look(page: int, about: str) -> str:
    """Look something up."""
    return f"page {page}: {about}"


@tool(effect="write")
def keep(text: Annotated[str, Field(min_length=1)]) -> str:
    """Keep a note."""
    KEPT.append(text)
    return f"kept: {text}"


KEPT: list[str] = []
LOOK = compact_json({"name": "look", "arguments": {"page": 7, "about": "the moons of Jupiter"}})
KEEP = compact_json({"name": "keep", "arguments": {"text": "milk and bread"}})


def cut(text: str, *budgets: int) -> list[Any]:
    """An output of a model that is stopped after these numbers of characters, then whole."""
    return [Reply(text[:budget], finish="length") for budget in budgets] + [text]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    KEPT.clear()
    with Desk(tmp_path, planner="scripted:generalist") as made:
        Scripted.register("generalist", [])
        made.add_expert("clerk", "looks up and keeps", tools=[look, keep], model="scripted:clerk")
        yield made


def rows(desk: Desk) -> list[Any]:
    return list(desk.runner.record.interactions())


def test_a_cut_off_answer_is_asked_for_again_with_a_larger_budget(desk: Desk) -> None:
    model = Scripted.register("clerk", cut(KEEP, 45))
    outcome = desk.call("clerk", "keep milk and bread")
    assert (outcome.status, KEPT) == (Status.EXACT, ["milk and bread"])
    first, second = model.requests
    assert (first.max_tokens, second.max_tokens) == (256, 1024)
    assert first.messages == second.messages, "what was cut off was fed back as wrong"
    assert [(row.status, row.finish) for row in rows(desk)[:2]] == [("salvaged", "length"), ("exact", "stop")]
    assert rows(desk)[1].parent == rows(desk)[0].id
    assert outcome.interactions == tuple(row.id for row in rows(desk))


def test_a_reading_call_that_is_cut_off_again_is_salvaged_and_says_so(desk: Desk, tmp_path: Path) -> None:
    Scripted.register("clerk", cut(LOOK, 50, 62))
    events: list[Any] = []
    outcome = desk.call("clerk", "look up the moons", on_event=events.append)
    assert outcome.status == Status.SALVAGED
    assert outcome.call is not None
    assert outcome.call.arguments == {"page": 7, "about": "the moons of Jup"}
    assert outcome.text == "page 7: the moons of Jup"
    assert outcome.as_call()["status"] == "salvaged"
    assert [event.status for event in events if event.type == "call"] == ["salvaged"]
    _, again, ran = rows(desk)
    assert (again.status, again.raw, again.parsed) == ("salvaged", LOOK[:62], outcome.call.as_dict())
    assert (ran.kind, ran.parent) == ("tool", again.id)
    report = export(desk.runner.record, tmp_path / "out.jsonl")
    assert report.lines == 0, "a salvaged call was exported as training data"


@pytest.mark.parametrize(
    ("decision", "status", "kept"),
    [({"approve": True}, "salvaged", ["milk and"]), ({"approve": False}, "refused", [])],
)
def test_a_writing_call_that_is_cut_off_waits_for_a_person_even_with_yes(
    desk: Desk, decision: dict[str, Any], status: str, kept: list[str]
) -> None:
    model = Scripted.register("clerk", cut(KEEP, 40, 44))
    with pytest.raises(NeedsPerson, match=r'cut off before the end of its answer: keep\(text="milk and"\)'):
        desk.call("clerk", "keep milk and bread", approve_all=True)
    assert KEPT == []
    result = desk.resume(**decision)
    assert (result.calls[0].status, KEPT) == (status, kept)
    assert len(model.requests) == 2, "the finished decodes were paid for twice"


def test_a_writing_call_that_is_cut_off_goes_to_somebody_else_first(desk: Desk) -> None:
    Scripted.register("clerk", cut(KEEP, 40, 44))
    Scripted.register("generalist", [KEEP])
    outcome = desk.call("clerk", "keep milk and bread")
    assert (outcome.status, KEPT) == (Status.ESCALATED, ["milk and bread"])


def test_a_writing_call_that_is_cut_off_is_a_question_when_only_decoded(desk: Desk) -> None:
    Scripted.register("clerk", cut(KEEP, 40, 44))
    outcome = desk.call("clerk", "keep milk and bread", execute=False)
    assert (outcome.status, KEPT) == (Status.QUESTION, [])
    assert "cut off" in outcome.error


def test_a_call_cut_off_before_its_tools_name_is_no_call(desk: Desk) -> None:
    Scripted.register("clerk", cut(LOOK, 12, 12)[:2] + cut(LOOK, 12, 12)[:2])
    outcome = desk.call("clerk", "look up the moons")
    assert outcome.status == Status.FAILED
    assert outcome.call is None
    assert {row.status for row in rows(desk) if row.expert == "clerk"} == {"failed"}


def test_a_larger_budget_that_the_engine_refuses_leaves_the_salvaged_answer(desk: Desk) -> None:
    Scripted.register("clerk", [*cut(LOOK, 62)[:1], EngineRefused("max_tokens is too large")])
    outcome = desk.call("clerk", "look up the moons")
    assert (outcome.status, outcome.text) == (Status.SALVAGED, "page 7: the moons of Jup")
    assert [row.status for row in rows(desk)] == ["salvaged", "failed", "done"]


def test_a_plan_that_is_cut_off_is_not_run(desk: Desk) -> None:
    plan = compact_json({"steps": [{"task": "look up", "expert": "clerk"}, {"task": "x", "expert": "clerk"}]})
    Scripted.register("generalist", cut(plan, 60, 70)[:2] + cut(plan, 50, 65)[:2])
    desk.add_planner("", "Plan.\n{experts}")
    with pytest.raises(PlanError, match="cut off"):
        desk.plan("look up the moons")


def test_over_http_a_budget_cuts_off_and_the_larger_one_does_not(tmp_path: Path, server: ChatServer) -> None:
    @tool
    def recite(text: Annotated[str, Field(min_length=400, max_length=500)]) -> int:
        """Recite a text."""
        return len(text)

    with Desk(tmp_path, planner=f"vllm:base@{server.url}") as desk:
        desk.add_expert("poet", "recites", tools=[recite], model=f"vllm:base@{server.url}")
        outcome = desk.call("poet", "recite something long")
        assert (outcome.status, outcome.value) == (Status.EXACT, 400)
        assert [row.status for row in rows(desk)] == ["salvaged", "exact", "done"]
