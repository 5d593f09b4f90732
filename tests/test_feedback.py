"""Feedback: what people say is kept as a history, and a correction satisfies the contract it corrects."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, Field

from speeddial.contract import Contract, ContractViolation, arguments_contract, union_of_calls
from speeddial.errors import NotFound, UserError
from speeddial.messages import Status
from speeddial.record import Record
from speeddial.tool import tool

SECRET = "ghp_" + "Ab3dE6gHi9kLmN0pQrS7uVwXyZ012345"


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


@tool(effect="read")
def book(
    seats: Annotated[int, Field(ge=1, le=8)],
    day: Literal["monday", "tuesday"],
    name: Annotated[str, Field(max_length=60)] = "nobody",
) -> str:
    """Book seats."""
    return f"{seats} {day} {name}"


@tool(effect="read")
def pair(count: Annotated[int, AfterValidator(_even)]) -> str:
    """Take pairs."""
    return str(count)


CONTRACT = union_of_calls({"book": book.contract, "pair": pair.contract})
TOOLS = [
    {"name": name, "description": name, "parameters": contract.schema}
    for name, contract in CONTRACT.tools.items()
]
RIGHT = {"name": "book", "arguments": {"seats": 2, "day": "monday", "name": "ana"}}


@pytest.fixture
def record(place: str, tmp_path: Path) -> Iterator[Record]:
    with Record.open(place, folder=tmp_path) as opened:
        yield opened


def decode(record: Record, parsed: Any = None, *, run: str = "", **more: Any) -> int:
    run = run or record.begin_run("book two seats")
    row = record.start_interaction(
        run,
        "model",
        step=1,
        expert="booker",
        messages=[{"role": "user", "content": "book two seats"}],
        **{"tools": TOOLS, "schema": CONTRACT.unbound.schema, **more},
    )
    record.finish_interaction(
        row, Status.EXACT if parsed is not None else Status.FAILED, raw=json.dumps(parsed), parsed=parsed
    )
    return row


def test_what_people_say_is_kept_in_order(record: Record) -> None:
    row = decode(record, RIGHT)
    run = next(record.interactions()).run
    said = [
        record.feedback.accept(row, by="ana", text="good"),
        record.feedback.correct(row, {"name": "refuse", "arguments": {"reason": "full"}}, by="ben"),
        record.feedback.comment(row, "why two?", by="eve"),
        record.feedback.label(row, "seats", by="ana"),
        record.feedback.accept(None, run=run),
        record.feedback.comment(None, "nice answer", run=run),
        record.feedback.label(None, "demo", run=run),
    ]
    assert [item.verdict for item in said] == [
        *("accept", "correct", "comment", "label"),
        *("accept", "comment", "label"),
    ]
    assert record.feedback.of(row) == said[:4]
    assert record.feedback.of_run(run) == said
    assert record.feedback.of_interactions([row, 999]) == {row: said[:4]}
    first = said[0].as_dict()
    assert first.pop("created").endswith("Z")
    assert first == {
        "id": said[0].id,
        "run": run,
        "interaction": row,
        "verdict": "accept",
        "call": None,
        "label": "",
        "text": "good",
        "by": "ana",
    }


def test_the_newest_verdict_counts(record: Record) -> None:
    row, other = decode(record, RIGHT), decode(record)
    one = {"name": "book", "arguments": {"seats": 1, "day": "monday", "name": "ana"}}
    assert record.feedback.corrections([row, other]) == {}
    record.feedback.correct(row, one, by="ana")
    record.feedback.correct(other, RIGHT, by="ana")
    record.feedback.correct(row, RIGHT, by="ben")
    record.feedback.comment(row, "sure?", by="eve")
    assert record.feedback.corrections([row, other]) == {row: RIGHT, other: RIGHT}
    record.feedback.accept(row, by="ana")
    assert record.feedback.corrections([row, other]) == {other: RIGHT}
    assert len(record.feedback.of(row)) == 4


def test_corrections_of_many_interactions(record: Record) -> None:
    run = record.begin_run("many")
    with record.writing():
        rows = [decode(record, RIGHT, run=run) for _ in range(1100)]
        for row in rows[::3]:
            record.feedback.correct(row, RIGHT)
    assert record.feedback.corrections(rows) == dict.fromkeys(rows[::3], RIGHT)


@pytest.mark.parametrize(
    ("call", "path"),
    [
        ({"name": "book", "arguments": {"seats": "2", "day": "monday", "name": "a"}}, "arguments.seats"),
        ({"name": "book", "arguments": {"seats": 9, "day": "monday", "name": "a"}}, "arguments.seats"),
        ({"name": "book", "arguments": {"seats": 2.0, "day": "monday", "name": "a"}}, "arguments.seats"),
        ({"name": "book", "arguments": {"seats": True, "day": "monday", "name": "a"}}, "arguments.seats"),
        ({"name": "book", "arguments": {"seats": 2, "day": "sunday", "name": "a"}}, "arguments.day"),
        ({"name": "book", "arguments": {"seats": 2, "day": "monday", "x": 1}}, "arguments.x"),
        ({"name": "refuse", "arguments": {"reason": ""}}, "arguments.reason"),
        ({"name": "cook", "arguments": {}}, "name"),
        ({"arguments": {}}, "name"),
        ({"name": "book", "arguments": RIGHT["arguments"], "more": 1}, "more"),
        ({"name": "book", "arguments": float("nan")}, ""),
        ({"name": "book", "arguments": {1, 2}}, ""),
    ],
)
def test_a_correction_that_breaks_the_contract_is_refused(
    record: Record, call: dict[str, Any], path: str
) -> None:
    row = decode(record, RIGHT)
    with pytest.raises(ContractViolation) as caught:
        record.feedback.correct(row, call)
    assert path in [problem.path for problem in caught.value.problems]
    assert all(problem.expected and problem.got for problem in caught.value.problems)
    assert record.feedback.of(row) == []


def test_the_projects_own_validators_are_asked(record: Record) -> None:
    row = decode(record, RIGHT)
    odd = {"name": "pair", "arguments": {"count": 3}}
    assert record.feedback.correct(row, odd).call == odd  # No schema can tell.
    with pytest.raises(ContractViolation, match=r"arguments\.count") as caught:
        record.feedback.correct(row, odd, tools={"pair": pair.contract})
    assert "even" in str(caught.value)


def test_a_tool_that_has_changed_since_is_judged_as_it_was(record: Record) -> None:
    def newer(seats: Annotated[int, Field(ge=5, le=8)]) -> str:
        """Book seats."""
        return str(seats)

    row = decode(record, RIGHT)
    changed = arguments_contract(newer)[0]
    assert record.feedback.correct(row, RIGHT, tools={"book": changed}).call == RIGHT


def test_a_schema_of_somebody_else_is_held_to_the_letter(record: Record) -> None:
    schema = {
        "type": "object",
        "properties": {"mail": {"type": "string", "format": "email"}, "n": {"type": "integer"}},
        "required": ["mail"],
        "dependentRequired": {"n": ["mail"]},
    }
    row = decode(record, tools=[{"name": "send", "parameters": schema}], schema=None)
    record.feedback.correct(row, {"name": "send", "arguments": {"mail": "a@b.org", "n": 1}})
    record.feedback.correct(row, {"name": "refuse", "arguments": {"reason": "no address"}})
    for arguments in ({"mail": "not one"}, {"mail": "a@b.org", "other": 1}, {}, []):
        with pytest.raises(ContractViolation):
            record.feedback.correct(row, {"name": "send", "arguments": arguments})


def test_a_plan_is_corrected_against_its_schema(record: Record) -> None:
    schema = {
        "type": "object",
        "properties": {"steps": {"type": "array", "items": {"type": "string"}, "maxItems": 3}},
        "required": ["steps"],
    }
    run = record.begin_run("plan")
    row = record.start_interaction(run, "plan", expert="planner", schema=Contract.from_schema(schema).schema)
    record.finish_interaction(row, Status.FAILED, raw="?")
    assert record.feedback.correct(row, {"steps": ["a"]}).call == {"steps": ["a"]}
    with pytest.raises(ContractViolation, match="steps"):
        record.feedback.correct(row, {"steps": ["a"] * 4})


def test_what_cannot_be_said_is_refused_with_a_way_out(record: Record) -> None:
    run = record.begin_run("book")
    at_work = record.start_interaction(run, "model", tools=TOOLS)
    ran = record.start_interaction(run, "tool", tool="book", arguments={}, parent=at_work)
    record.finish_interaction(ran, "done", result=1)
    failed = decode(record)
    bare = decode(record, tools=[], schema=None)
    for do, said in (
        (lambda: record.feedback.accept(at_work), "has not ended"),
        (lambda: record.feedback.correct(at_work, RIGHT), "has not ended"),
        (lambda: record.feedback.correct(ran, RIGHT), f"called it: {at_work}"),
        (lambda: record.feedback.accept(failed), "no valid call"),
        (lambda: record.feedback.correct(bare, RIGHT), "no schema are on record"),
        (lambda: record.feedback.comment(ran, " \n"), "empty"),
        (lambda: record.feedback.label(ran, ""), "label"),
        (lambda: record.feedback.label(ran, "two\nlines"), "label"),
        (lambda: record.feedback.label(ran, "x" * 81), "label"),
    ):
        with pytest.raises(UserError, match=said):
            do()
    with pytest.raises(NotFound):
        record.feedback.comment(99, "where?")
    with pytest.raises(NotFound):
        record.feedback.comment(None, "where?", run="none")
    assert record.feedback.accept(ran).verdict == "accept"
    assert record.feedback.comment(at_work, "slow").run == run


def test_secrets_are_taken_out_of_all_that_people_say(record: Record) -> None:
    row = decode(record, RIGHT)
    call = {"name": "book", "arguments": {"seats": 1, "day": "monday", "name": SECRET}}
    stored = record.feedback.correct(row, call, by=SECRET, text=f"use {SECRET}")
    record.feedback.comment(row, SECRET)
    record.feedback.label(row, SECRET)
    assert SECRET not in json.dumps([item.as_dict() for item in record.feedback.of(row)])
    assert stored == record.feedback.of(row)[0]
    kept = [dict(row) for row in record.database.read("SELECT * FROM feedback")]
    assert len(kept) == 3
    assert SECRET not in str(kept)


arguments = st.fixed_dictionaries(
    {
        "seats": st.one_of(st.integers(-1, 10), st.floats(0, 9), st.just("2")),
        "day": st.sampled_from(["monday", "tuesday", "sunday", 1]),
        "name": st.one_of(st.text(max_size=70), st.none(), st.just(SECRET)),
    }
)
calls = st.one_of(
    st.fixed_dictionaries({"name": st.sampled_from(["book", "pair", "x"]), "arguments": arguments}),
    st.fixed_dictionaries(
        {"name": st.just("pair"), "arguments": st.fixed_dictionaries({"count": st.integers(-3, 3)})}
    ),
    st.fixed_dictionaries(
        {
            "name": st.just("refuse"),
            "arguments": st.fixed_dictionaries({"reason": st.text(max_size=310)}),
        }
    ),
    st.dictionaries(st.text(max_size=9), st.one_of(st.none(), st.integers(), st.text()), max_size=3),
)


@given(call=calls)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
def test_what_feedback_accepts_the_contract_accepts(record: Record, call: Mapping[str, Any]) -> None:
    row = decode(record, RIGHT)
    own = {name: contract for name, contract in CONTRACT.tools.items() if name != "refuse"}
    valid = not CONTRACT.check(call)
    try:
        stored = record.feedback.correct(row, call, tools=own).call
    except ContractViolation as error:
        # Refused for what it is, or for what is left of it without its secrets.
        assert not valid or SECRET in json.dumps(call)
        assert error.problems
        assert record.feedback.corrections([row]) == {}
    else:
        assert valid
        assert stored is not None
        assert CONTRACT.check(stored) == []
        assert SECRET not in json.dumps(stored)
        assert record.feedback.corrections([row]) == {row: stored}
        assert CONTRACT.parse(CONTRACT.dump(stored)).as_dict() == stored


SAYS = """
import json, sys
from pathlib import Path
from speeddial.record import Record

place, folder, row, name, right = sys.argv[1:]
with Record.open(place, folder=Path(folder)) as record:
    for number in range(20):
        record.feedback.correct(int(row), json.loads(right), by=name, text=str(number))
"""


def test_several_processes_say_something_at_once(record: Record, place: str, tmp_path: Path) -> None:
    row = decode(record, RIGHT)
    people = [
        subprocess.Popen([sys.executable, "-c", SAYS, place, tmp_path, str(row), name, json.dumps(RIGHT)])
        for name in ("ana", "ben", "eve")
    ]
    assert [person.wait(100) for person in people] == [0, 0, 0]
    said = record.feedback.of(row)
    assert len(said) == 60
    for name in ("ana", "ben", "eve"):
        assert [item.text for item in said if item.by == name] == [str(number) for number in range(20)]
