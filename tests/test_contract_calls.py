"""The contract of an expert's output: calls told apart by name, errors about the named tool, refusals."""

from __future__ import annotations

import json
import random
from typing import Annotated, Any, Literal

import pytest
from contract_strategies import Tree, accepts, walk
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, Field

from speeddial.contract import (
    CallsContract,
    Contract,
    arguments_contract,
    parse_json,
    problems_text,
    union_of_calls,
    write_json,
)
from speeddial.errors import ContractViolation, DefinitionError
from speeddial.messages import ToolCall


def create_event(title: str, date: str | None = None, people: list[str] | None = None) -> None:
    """Put an event into the calendar.

    Args:
        title: What it is.
    """


def set_volume(level: Annotated[int, Field(ge=0, le=10)], room: Literal["kitchen", "hall"] = "hall") -> None:
    """Set the volume."""


def plant(tree: Tree) -> None:
    """Plant a tree."""


TOOLS = {function.__name__: arguments_contract(function)[0] for function in (create_event, set_volume, plant)}
CALLS = union_of_calls(TOOLS)


def test_a_call_is_read_as_name_and_decoded_arguments() -> None:
    text = '{"name":"plant","arguments":{"tree":{"label":"oak","children":[{"label":"twig"}]}}}'
    assert CALLS.parse(text) == ToolCall("plant", {"tree": {"label": "oak", "children": [{"label": "twig"}]}})
    assert CALLS.dump(CALLS.parse(text)) == text
    assert accepts(CALLS, text)


def test_a_refusal_is_a_call_like_any_other() -> None:
    call = CALLS.parse('{"name":"refuse","arguments":{"reason":"no tool for that"}}')
    assert call.is_refusal
    assert call.reason == "no tool for that"
    with pytest.raises(ContractViolation):
        union_of_calls(TOOLS, refuse=False).parse('{"name":"refuse","arguments":{"reason":"no"}}')


def test_keys_are_dumped_in_the_order_the_grammar_wants() -> None:
    text = CALLS.dump({"arguments": {"date": "today", "title": "x"}, "name": "create_event"})
    assert text == '{"name":"create_event","arguments":{"title":"x","date":"today"}}'
    assert accepts(CALLS, text)


def test_errors_speak_of_the_named_tool_only_and_show_a_call_of_it() -> None:
    with pytest.raises(ContractViolation) as caught:
        CALLS.parse('{"name":"set_volume","arguments":{"level":"7","date":"today"}}')
    assert problems_text(caught.value.problems, caught.value.example) == (
        '- arguments.level: expected an integer >= 0 and <= 10, for example 1, got "7" (string)\n'
        '- arguments.date: expected no such key, got the key "date"; valid: level, room\n'
        'Valid example: {"name":"set_volume","arguments":{"level":1}}'
    )


def test_an_unknown_tool_is_answered_with_the_names() -> None:
    problem = CALLS.check({"name": "fly", "arguments": {}})[0]
    assert (problem.path, problem.valid) == (
        "name",
        ('"create_event"', '"set_volume"', '"plant"', '"refuse"'),
    )
    assert CALLS.check({"arguments": {}})[0].path == "name"
    assert CALLS.check({"name": ["plant"], "arguments": {}})[0].path == "name"
    assert CALLS.check([])[0].expected.endswith("an object")


def test_what_a_tool_checks_after_decoding_is_checked_in_the_call() -> None:
    def ring(word: Annotated[str, AfterValidator(_loud)]) -> None:
        """Ring."""

    calls = union_of_calls({"ring": arguments_contract(ring)[0]})
    assert [problem.path for problem in calls.check({"name": "ring", "arguments": {"word": "quiet"}})] == [
        "arguments.word"
    ]
    assert "ring.word: Python validator (AfterValidator)" in calls.report.after


def _loud(word: str) -> str:
    if not word.isupper():
        raise ValueError("write it in capitals")
    return word


def test_definitions_of_different_tools_do_not_meet() -> None:
    one = Contract.from_schema(
        {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "integer"}}}
    )
    two = Contract.from_schema(
        {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {"type": "string"}}}
    )
    itself = Contract.from_schema({"type": "object", "properties": {"next": {"$ref": "#"}}})
    calls = union_of_calls({"one": one, "two": two, "itself": itself}, refuse=False)
    for text in [
        '{"name":"one","arguments":{"n":1}}',
        '{"name":"two","arguments":{"n":"1"}}',
        '{"name":"itself","arguments":{"next":{"next":{}}}}',
    ]:
        assert calls.dump(calls.parse(text)) == text
        assert accepts(calls, text)
    assert not accepts(calls, '{"name":"one","arguments":{"n":"1"}}')


def test_whatever_the_grammar_of_calls_admits_is_accepted() -> None:
    ended = 0
    for seed in range(150):
        text = walk(CALLS, random.Random(seed))
        if text is not None:
            CALLS.parse(text)
            ended += 1
    assert ended > 100


def test_an_expert_needs_tools_and_none_called_refuse() -> None:
    with pytest.raises(DefinitionError, match="without tools"):
        union_of_calls({})
    with pytest.raises(DefinitionError, match="named 'refuse'"):
        union_of_calls({"refuse": TOOLS["plant"]})


def test_the_description_is_one_signature_for_each_tool() -> None:
    assert CALLS.describe() == (
        'Reply with {"name":NAME,"arguments":{...}}, one of:\n'
        "create_event(title: string, date?: string | null, people?: string[] | null)"
        "  // Put an event into the calendar.\n"
        "  title: What it is.\n"
        'set_volume(level: int<>=0 <=10>, room?: "kitchen" | "hall")  // Set the volume.\n'
        "plant(tree: Tree)  // Plant a tree.\n"
        "  type Tree = {label: string, children?: Tree[], parent?: Tree | null}\n"
        "refuse(reason: string<1..300>)"
    )


@pytest.mark.parametrize(
    "value",
    [
        0.1,
        1e-9,
        123456789.125,
        -0.0,
        1e17,
        2**63,
        'a\x7f\x00"\\/é\u2028😀',
        [],
        {},
        {"a": [None, True, {"b": ""}]},
    ],
)
def test_what_is_written_is_read_back(value: Any) -> None:
    text = write_json(value)
    assert parse_json(text) == value == json.loads(text)
    assert " " not in text


@given(requests=st.lists(st.text("ab \u00e4.", max_size=12), min_size=2, max_size=4))
def test_a_contract_bound_again_is_as_if_it_were_bound_for_the_first_time(requests: list[str]) -> None:
    def made() -> CallsContract:
        word = {"type": "string", "x-copied": True, "maxLength": 9}
        two = {"type": "object", "properties": {"a": word, "b": word, "c": {**word, "minLength": 2}}}
        first = Contract.from_schema(two)
        deep = {"type": "object", "properties": {"d": {"$ref": "#/$defs/word"}}, "$defs": {"word": word}}
        return union_of_calls({"first": first, "second": Contract.from_schema(deep)})

    kept = made()
    for request in requests:
        again, anew = kept.bound(request), made().bound(request)
        assert again.schema == anew.schema
        assert again.full_schema == anew.full_schema
        assert again.grammar == anew.grammar
        assert again.report == anew.report
