"""The contract of several calls, a question or a refusal in one answer: grammar and check admit the same."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from contract_strategies import accepts, walk
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from speeddial.contract import Contract, several_calls
from speeddial.contract.several import SeveralCallsContract
from speeddial.definition import tool_of
from speeddial.errors import ContractViolation, DefinitionError, UserError
from speeddial.messages import ToolCall, ToolCalls

WEATHER = {
    "name": "get_weather",
    "description": "Weather of a city",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer", "minimum": 1, "maximum": 7, "default": 1},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city"],
    },
}
TREE = {
    "name": "plant.tree",
    "parameters": {
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/tree"}},
        "required": ["tree"],
        "$defs": {
            "tree": {
                "type": "object",
                "properties": {
                    "label": {"type": "string"},
                    "under": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
                },
                "required": ["label"],
            }
        },
    },
}
PING = {"name": "ping", "parameters": {}}
CALLS = several_calls({item["name"]: tool_of(item).contract for item in (WEATHER, TREE, PING)})

ONE = '{"name":"get_weather","arguments":{"city":"Oslo"}}'
TWO = f'{{"calls":[{ONE},{{"name":"plant.tree","arguments":{{"tree":{{"label":"oak"}}}}}}]}}'
QUESTION = '{"name":"ask","arguments":{"tool":"get_weather","argument":"city","question":"Which city?"}}'
REFUSAL = '{"name":"refuse","arguments":{"reason":"no tool sings"}}'


@pytest.mark.parametrize("text", [ONE, TWO, QUESTION, REFUSAL, '{"name":"ping","arguments":{}}'])
def test_each_form_of_answer_is_read_written_and_decoded(text: str) -> None:
    value = CALLS.parse(text)
    assert CALLS.dump(value) == text
    assert CALLS.dump(json.loads(text)) == text
    assert accepts(CALLS, text)
    assert isinstance(value, ToolCalls if text == TWO else ToolCall)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (f'{{"calls":[{ONE}]}}', "calls"),
        (f'{{"calls":[{",".join([ONE] * 9)}]}}', "calls"),
        (f'{{"calls":[{ONE},{ONE}],"more":1}}', ""),
        (f'{{"calls":[{ONE},{REFUSAL}]}}', "calls[1].name"),
        (f'{{"calls":[{ONE},{QUESTION}]}}', "calls[1].name"),
        (f'{{"calls":[{ONE},{{"name":"get_weather","arguments":{{"city":1}}}}]}}', "calls[1].arguments.city"),
        (QUESTION.replace('"city"', '"days"'), "arguments.argument"),
        (QUESTION.replace("get_weather", "ping"), "arguments.tool"),
        ('{"name":"get_weather","arguments":{"days":3}}', "arguments.city"),
    ],
)
def test_what_is_no_answer_is_named_and_cannot_be_decoded(text: str, path: str) -> None:
    with pytest.raises(ContractViolation) as caught:
        CALLS.parse(text)
    assert caught.value.problems[0].path == path
    assert not accepts(CALLS, text)


NARROW = several_calls(
    {item["name"]: tool_of(item).contract for item in (WEATHER, TREE, PING)},
    alone={"get_weather": ("days",)},
    fitting=("get_weather", "ping"),
)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (ONE, "arguments.days"),
        ('{"name":"plant.tree","arguments":{"tree":{"label":"oak"}}}', "name"),
        (QUESTION.replace("get_weather", "plant.tree").replace("city", "tree"), "arguments.tool"),
        (ONE.replace("}}", ',"days":2}}'), None),
        (QUESTION, None),
        (REFUSAL, None),
        (TWO, None),
    ],
)
def test_a_call_that_stands_alone_may_be_held_closer_than_one_of_several(text: str, path: str | None) -> None:
    assert accepts(NARROW, text) is (path is None)
    if path is None:
        assert NARROW.dump(NARROW.parse(text)) == text
        return
    with pytest.raises(ContractViolation) as caught:
        NARROW.parse(text)
    assert caught.value.problems[0].path == path


@pytest.mark.parametrize("calls", [CALLS, NARROW])
@given(seed=st.integers())
def test_whatever_the_grammar_admits_is_valid(calls: SeveralCallsContract, seed: int) -> None:
    text = walk(calls, random.Random(seed))
    if text is None:
        return
    value = calls.parse(text)
    assert Draft202012Validator(calls.full_schema).is_valid(json.loads(text))
    assert calls.parse(calls.dump(value)) == value


def _schema(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    described = {"type": kind, "description": "<|im_end|>\n" * 3}
    return st.sampled_from([{"type": kind}, described, {"type": [kind, "null"]}])


_names = st.text("abcXYZ_ é\"'{}$/~%\\", min_size=1, max_size=5)
_leaves = st.one_of(
    st.sampled_from(["string", "number", "integer", "boolean", "dict", "float"]).flatmap(_schema),
    st.lists(st.text(max_size=4), min_size=1, max_size=3, unique=True).map(lambda choices: {"enum": choices}),
    st.just({"type": "string", "format": "date"}),
    st.just({"type": "integer", "minimum": 3, "exclusiveMaximum": 9}),
)
_schemas = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        inner.map(lambda items: {"type": "array", "items": items, "minItems": 1, "maxItems": 2}),
        st.dictionaries(_names, inner, min_size=1, max_size=2).map(
            lambda properties: {
                "type": "object",
                "properties": properties,
                "required": [next(iter(properties))],
            }
        ),
    ),
    max_leaves=4,
)
_definitions = st.dictionaries(_names, _schemas, max_size=3).map(
    lambda properties: {"type": "object", "properties": properties, "required": sorted(properties)[:1]}
)


@given(st.lists(_definitions, min_size=1, max_size=3), st.integers())
def test_tools_that_others_wrote_are_held_exactly(schemas: list[dict[str, Any]], seed: int) -> None:
    tools = [
        tool_of({"name": f"tool-{number}.x", "parameters": schema}) for number, schema in enumerate(schemas)
    ]
    calls = several_calls({tool.name: tool.contract for tool in tools})
    text = walk(calls, random.Random(seed))
    if text is None:
        return
    try:
        value = calls.parse(text)
    except ContractViolation:
        # Free objects: keys that stand twice and endless numbers are the check's, as the report says.
        assert any("any JSON" in line for line in calls.report.after)
        return
    assert accepts(calls, calls.dump(value))
    for call in value.calls if isinstance(value, ToolCalls) else (value,):
        if call.name.startswith("tool-"):
            own = Draft202012Validator(calls.tools[call.name].full_schema)
            assert own.is_valid(call.arguments)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (3, "a name or a definition"),
        ({"description": "nameless"}, "a name of letters"),
        ({"name": "two\nlines"}, "a name of letters"),
        ({"name": "t", "parameters": "city"}, "a JSON Schema of its arguments"),
        ({"name": "t", "parameters": {"type": "string"}}, "arguments are an object"),
        ({"name": "t", "parameters": {"properties": {"a": {"type": "colour"}}}}, "a: no JSON type 'colour'"),
        ({"name": "t", "parameters": {"properties": {"a": {"$ref": "http://x/y"}}}}, "outside the schema"),
        ({"name": "t", "parameters": {"properties": {"a": {"pattern": "("}}}}, "t:"),
    ],
)
def test_a_definition_that_is_none_is_the_users_error(item: Any, said: str) -> None:
    with pytest.raises(UserError, match="tools") as caught:
        tool_of(item)
    assert said in caught.value.message
    assert caught.value.hint


def test_catalogues_forms_are_one() -> None:
    schema = {"type": "dict", "properties": {"x": {"type": "float"}}, "required": ["x"]}
    forms: list[dict[str, Any]] = [
        {"name": "f", "parameters": schema},
        {"type": "function", "function": {"name": "f", "parameters": schema}},
        {"name": "f", "inputSchema": schema},
        {
            "name": "f",
            "input_schema": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]},
        },
    ]
    assert len({tool_of(form).schema_hash for form in forms}) == 1
    assert not tool_of(forms[0]).runnable


def test_a_tool_cannot_have_the_name_of_a_typed_answer() -> None:
    for name in ("ask", "refuse"):
        with pytest.raises(DefinitionError, match=name):
            several_calls({name: Contract.from_schema({"type": "object"})})
    with pytest.raises(DefinitionError, match="no tool"):
        several_calls({})
