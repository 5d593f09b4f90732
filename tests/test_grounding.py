"""Grounding: what a request does not say is in no call, and what it lacks is asked for."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from contract_strategies import accepts, walk
from hypothesis import given
from hypothesis import strategies as st

from speeddial import tool
from speeddial.contract import CallsContract, several_calls
from speeddial.contract.copied import is_span
from speeddial.definition import tool_of
from speeddial.errors import ContractViolation, DefinitionError
from speeddial.expert import Expert
from speeddial.grounding import (
    days_and_times_said,
    grounded,
    lacking,
    numbers_said,
    said,
    told,
    twice,
    whole_numbers_said,
)
from speeddial.messages import ToolCall, ToolCalls
from speeddial.prepared import prepare
from speeddial.tool import ToolContext

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
WATER = {
    "name": "water",
    "parameters": {
        "type": "object",
        "properties": {
            "zone": {"type": "string"},
            "minutes": {"type": "integer", "minimum": 1, "maximum": 120},
            "strength": {"type": "number"},
            "days": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "mode": {"type": "string", "enum": ["drip", "spray"]},
        },
        "required": ["zone", "minutes"],
    },
}
AREA = {
    "name": "area",
    "parameters": {
        "type": "object",
        "properties": {"base": {"type": "number"}, "sideHeight": {"type": "number"}},
        "required": ["base", "sideHeight"],
    },
}
PLACE = {
    "name": "place",
    "parameters": {
        "type": "object",
        "properties": {
            "at": {
                "type": "object",
                "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
                "required": ["x", "y"],
            },
        },
        "required": ["at"],
    },
}


def context(request: str, **more: Any) -> ToolContext:
    return ToolContext(Path.cwd(), {}, NOW, "key", request=request, **more)


def bound(request: str, *definitions: dict[str, Any]) -> CallsContract:
    held = {item["name"]: grounded(tool_of(item).contract) for item in definitions}
    asked = context(request)
    gone = {name: short for name, one in held.items() if (short := lacking(one, asked))}
    known = {name: said(one, asked) for name, one in held.items()}
    alone = {name: told(one, asked) for name, one in held.items()}
    return several_calls(held, gone, known, alone).bound(request, asked)


@pytest.mark.parametrize(
    ("request_", "numbers", "texts"),
    [
        ("Transfer 2,619.68 pounds to Mia", [2619.68], []),
        ("twelve days from September 30, 2025", [12], ["2025-09-30"]),
        ("a circle at (-15.4, 7)", [-15.4, 7], []),
        ("on 26 August 2026 at 7 pm for a couple", [2], ["2026-08-26", "19:00"]),
        ("a tip of 15% and half an hour", [15, 0.5, 0.15], []),
        ("water the roses", [], []),
        ("Two rooms for 14 nights from 21 October 2026", [2, 14], ["2026-11-04", "2026-10-21"]),
        ("the forecast for the next 3 days", [3], []),
    ],
)
def test_what_a_request_says(request_: str, numbers: list[float], texts: list[str]) -> None:
    asked = context(request_)
    assert list(numbers_said(asked) or ()) == numbers
    assert list(whole_numbers_said(asked) or ()) == [number for number in numbers if isinstance(number, int)]
    assert list(days_and_times_said(asked) or ()) == texts


def test_a_number_that_is_not_said_is_in_no_call() -> None:
    calls = bound("water the hedge for five minutes on 26 August 2026", WATER)
    right = '{"name":"water","arguments":{"zone":"hedge","minutes":5,"days":["2026-08-26"]}}'
    assert accepts(calls, right) and isinstance(calls.parse(right), ToolCall)
    for wrong in (
        right.replace("5", "6"),
        right.replace("hedge", "hedges"),
        right.replace("2026-08-26", "2026-08-27"),
        right.replace('"days"', '"strength":5,"days"').replace('"minutes":5', '"minutes":50'),
    ):
        assert not accepts(calls, wrong)
        with pytest.raises(ContractViolation):
            calls.parse(wrong)
    assert accepts(calls, right.replace('["2026-08-26"]', '["26 August 2026"]')), "as it is said, too"


def test_an_optional_number_that_is_not_said_is_left_out() -> None:
    free = {
        "name": "find",
        "parameters": {"properties": {"what": {"type": "string"}, "most": {"type": "integer"}}},
    }
    calls = bound("books about chess", free)
    assert accepts(calls, '{"name":"find","arguments":{"what":"chess"}}')
    assert not accepts(calls, '{"name":"find","arguments":{"what":"chess","most":1}}')


def test_a_date_is_one_that_is_said() -> None:
    sleep = {
        "name": "sleep",
        "parameters": {
            "properties": {"hours": {"type": "number"}, "night": {"type": "string", "format": "date"}},
            "required": ["hours"],
        },
    }
    dated = bound("log 8 hours on 26 August 2026", sleep)
    right = '{"name":"sleep","arguments":{"hours":8,"night":"2026-08-26"}}'
    assert accepts(dated, right) and not accepts(dated, right.replace("08-26", "08-08"))
    unsaid = bound("log 8 hours", sleep)
    assert accepts(unsaid, '{"name":"sleep","arguments":{"hours":8}}')
    assert not accepts(unsaid, right), "a small model says 0001-01-01"

    @tool
    def remind(on: date, what: str) -> str:
        """Remind me."""
        return f"{on} {what}"

    assert lacking(grounded(remind.contract), context("remind me of the keys")) == ("on",)
    assert lacking(grounded(remind.contract), context("remind me of the keys tomorrow")) == ()


def test_a_form_that_a_description_gives_is_kept() -> None:
    def text(description: str) -> dict[str, Any]:
        return {"type": "string", "description": description}

    meet = {
        "name": "meet",
        "parameters": {
            "properties": {
                "day": text("as YYYY-MM-DD"),
                "start": text("HH:MM"),
                "when": text("YYYY-MM-DD HH:MM"),
                "spoken": text("e.g. HH:MM AM"),
            }
        },
    }
    calls = bound("meet on 2026-11-25 at 12:30 am", meet)

    def says(**more: str) -> bool:
        call = {"name": "meet", "arguments": {"day": "2026-11-25", **more}}
        return accepts(calls, json.dumps(call, separators=(",", ":")))

    assert says() and says(start="00:30") and says(spoken="12:30 am")
    assert not says(day="2026") and not says(start="12:30") and not says(start="25")
    assert says(when="2026-11-25 at 12:30 am"), "what the model makes of it, of the request's words"


DRAW = {
    "name": "draw",
    "parameters": {
        "properties": {
            "shape": {"type": "string", "enum": ["circle", "square"]},
            "colour": {"type": "string", "enum": ["red", "dark_blue"]},
            "due": {"type": "string", "format": "date"},
        },
        "required": ["shape"],
    },
}


@pytest.mark.parametrize(
    ("request_", "right", "wrong"),
    [
        ("a red square", [{"shape": "square", "colour": "red"}], [{"shape": "square"}, {"shape": "circle"}]),
        ("a Dark Blue circle", [{"shape": "circle", "colour": "dark_blue"}], [{"shape": "circle"}]),
        ("something not red", [{"shape": "square", "colour": "dark_blue"}, {"shape": "circle"}], []),
        ("don't make it red", [{"shape": "square"}, {"shape": "square", "colour": "red"}], []),
        ("a circle or a square", [{"shape": "square"}, {"shape": "circle"}], []),
        ("a square on 26 August 2026", [{"shape": "square", "due": "2026-08-26"}], [{"shape": "square"}]),
    ],
)
def test_a_choice_that_is_said_is_that_one(
    request_: str, right: list[dict[str, str]], wrong: list[dict[str, str]]
) -> None:
    calls = bound(request_, DRAW, WATER)
    for arguments in right + wrong:
        call = json.dumps({"name": "draw", "arguments": arguments}, separators=(",", ":"))
        assert accepts(calls, call) is (arguments in right)
        assert (not calls.check(json.loads(call))) is (arguments in right)


def test_of_several_calls_not_each_has_all_that_is_said() -> None:
    calls = bound("draw a red square and a circle", DRAW)
    several = (
        '{"calls":[{"name":"draw","arguments":{"shape":"square","colour":"red"}},'
        '{"name":"draw","arguments":{"shape":"circle"}}]}'
    )
    assert accepts(calls, several) and len(calls.parse(several).calls) == 2
    with pytest.raises(ContractViolation, match="which the request says"):
        calls.parse('{"name":"draw","arguments":{"shape":"circle"}}')


def test_a_tool_with_definitions_has_what_is_said_of_it() -> None:
    tree = {
        "name": "plant",
        "parameters": {
            "properties": {
                "kind": {"type": "string", "enum": ["oak", "elm"]},
                "beside": {"$ref": "#/$defs/spot"},
            },
            "$defs": {
                "spot": {
                    "type": "object",
                    "properties": {"inner": {"$ref": "#/$defs/spot"}, "row": {"type": "integer"}},
                }
            },
        },
    }
    calls = bound("plant an oak in row 3", tree)
    assert accepts(calls, '{"name":"plant","arguments":{"kind":"oak","beside":{"inner":{"row":3}}}}')
    assert not accepts(calls, '{"name":"plant","arguments":{"beside":{"row":3}}}')


def test_a_tool_that_lacks_a_number_can_only_be_asked_about() -> None:
    calls = bound("water the roses", WATER, PLACE)
    question = '{"name":"ask","arguments":{"tool":"water","argument":"minutes","question":"For how long?"}}'
    assert accepts(calls, question) and calls.dump(calls.parse(question)) == question
    assert not accepts(calls, question.replace("minutes", "zone")), "it was said"
    assert not accepts(calls, '{"name":"water","arguments":{"zone":"roses","minutes":1}}')
    assert set(calls.tools) == {"ask", "refuse"}


SHOW = {
    "name": "show",
    "parameters": {
        "properties": {
            "account": {"type": "string", "enum": ["checking", "money_market", "a"]},
            "numDays": {"type": "integer"},
            "until": {"type": "string", "format": "date"},
            "who": {"type": "string"},
            "least": {"type": "number"},
        },
        "required": ["account", "numDays", "until", "who"],
    },
}


@pytest.mark.parametrize(
    ("request_", "known"),
    [
        ("Show a list of 4 things", ()),
        ("my Money Market account", ("account",)),
        ("the checkings", ()),
        ("for 9 days from the checking one", ("account", "numDays")),
        ("for one day, until 26 August 2026", ("numDays", "until")),
    ],
)
def test_what_is_said_is_not_asked_for(request_: str, known: tuple[str, ...]) -> None:
    assert said(grounded(tool_of(SHOW).contract), context(request_)) == known


def test_results_of_earlier_steps_can_be_asked_about() -> None:
    later = context("checking #1 for 9 days", references={1: "x"})
    assert said(grounded(tool_of(SHOW).contract), later) == ()


def test_a_question_is_for_what_is_not_said() -> None:
    request = "my checking account for 9 days until 26 August 2026"
    question = '{"name":"ask","arguments":{"tool":"show","argument":"who","question":"Whose?"}}'
    calls = bound(request, SHOW)
    assert accepts(calls, question) and calls.parse(question)
    for argument in ("account", "numDays", "until"):
        wrong = question.replace("who", argument)
        assert not accepts(calls, wrong)
        with pytest.raises(ContractViolation):
            calls.parse(wrong)
    only = {"name": "log", "parameters": {"properties": {"hours": {"type": "number"}}, "required": ["hours"]}}
    assert "ask" not in bound("I slept 9 hours", only).tools, "nothing is left to ask for"


def test_one_number_is_not_two_arguments() -> None:
    assert lacking(grounded(tool_of(AREA).contract), context("a triangle of base 59")) == ("sideHeight",)
    assert lacking(grounded(tool_of(AREA).contract), context("a triangle of 59")) == ("base", "sideHeight")
    assert lacking(grounded(tool_of(AREA).contract), context("base 5 and a height of 5")) == ()
    assert lacking(grounded(tool_of(PLACE).contract), context("put it at 3")) == ("at",)
    assert lacking(grounded(tool_of(PLACE).contract), context("put it at 3, 3")) == ()


def test_a_number_beyond_its_bounds_is_none() -> None:
    assert lacking(grounded(tool_of(WATER).contract), context("water it for 500 minutes")) == ("minutes",)


FLIGHT = {
    "name": "flight",
    "parameters": {
        "properties": {
            "origin": {"type": "string"},
            "stops": {"type": "array", "items": {"type": "string"}},
            "to": {"type": "string"},
            "seat": {"type": "string", "enum": ["window", "aisle"]},
        },
        "required": ["to", "origin"],
    },
}


@pytest.mark.parametrize(
    ("request_", "arguments", "optional", "required"),
    [
        ("to Lyon from Rome", {"to": "Lyon", "origin": "Rome"}, (), ()),
        ("to Lyon", {"to": "Lyon", "origin": "lyon"}, (), ("origin", "to")),
        ("to Lyon from Lyon", {"to": "Lyon", "origin": "Lyon"}, (), ()),
        ("to St Lyon", {"to": "St Lyon", "origin": "Lyon"}, (), ()),
        ("a window flight to Lyon", {"to": "window", "seat": "window", "origin": "Lyon"}, (), ()),
        ("to Lyon via Nice", {"to": "Lyon", "stops": ["Nice", "Lyon"]}, ("stops",), ()),
        ("later", {"to": "2026-11-25", "origin": "2026-11-25"}, (), ()),
        ("!", {"to": "!", "origin": "!"}, (), ()),
    ],
)
def test_words_are_given_to_as_many_arguments_as_they_are_said(
    request_: str, arguments: dict[str, Any], optional: tuple[str, ...], required: tuple[str, ...]
) -> None:
    found = twice(tool_of(FLIGHT).contract, arguments, context(request_))
    assert (found.optional, tuple(sorted(found.required))) == (optional, required)
    assert bool(found.problems) is bool(optional or required)


def test_results_of_earlier_steps_leave_arguments_free() -> None:
    later = context("water the #1 for #2 minutes", references={1: "roses", 2: "7"})
    held = grounded(tool_of(WATER).contract)
    assert lacking(held, later) == ()
    assert held.bound(later.copied_from, later).check({"zone": "lawn", "minutes": 7}) == []


@given(
    st.lists(
        st.sampled_from(
            ["water", "the roses", "5", "twelve", "-3.5", "at 7 pm", "on 3 May 2027", "日本", "half"]
        ),
        min_size=1,
        max_size=8,
    ).map(" ".join),
    st.integers(),
)
def test_whatever_is_decoded_was_said(request: str, seed: int) -> None:
    calls = bound(request, WATER, AREA, PLACE)
    text = walk(calls, random.Random(seed))
    if text is None:
        return
    found = calls.parse(text)
    asked = context(request)
    for call in found.calls if isinstance(found, ToolCalls) else (found,):
        if call.name in ("ask", "refuse"):
            continue
        for value in leaves(call.arguments):
            if isinstance(value, str):
                known = (*(days_and_times_said(asked) or ()), "drip", "spray")
                assert value in known or is_span(value, request)
            else:
                assert value in (numbers_said(asked) or ())


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in leaves(item)]
    return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]


@tool
def pay(amount: float, to: str, note: str = "") -> str:
    """Send money."""
    return f"{amount} to {to}"


async def test_tools_in_python_keep_their_own_checks(tmp_path: Path) -> None:
    expert = Expert(
        name="clerk", summary="s", task="t", when_to_call=(), tools=("pay",), prompt="p", folder=tmp_path,
        calls="several", grounded=True,
    )  # fmt: skip
    ready = await prepare(expert, context("pay Ada King 20 euros"), {"pay": pay})
    found = ready.contract.parse('{"name":"pay","arguments":{"amount":20,"to":"Ada King"}}')
    assert found == ToolCall("pay", {"amount": 20, "to": "Ada King"})
    (definition,) = [one for one in ready.definitions if one["name"] == "pay"]
    assert "x-one-of" not in json.dumps(definition), "training data shows the tool as it is"
    asks = await prepare(expert, context("pay Ada King"), {"pay": pay})
    question = {"tool": "pay", "argument": "amount", "question": "How much?"}
    assert asks.contract.load({"name": "ask", "arguments": question})
    assert {one["name"] for one in asks.definitions} == {"pay", "ask", "refuse"}


def test_a_source_gives_texts_or_numbers() -> None:
    def odd(given: Any) -> Any:
        return [True]

    held = tool_of(WATER).contract
    broken = held.narrowed({**held.full_schema, "x-one-of": "odd"}, {"odd": odd})
    with pytest.raises(DefinitionError, match="neither text nor a number"):
        broken.bound("x", None)
