"""Problems as a model reads them: never beyond the budget, always with the first one whole."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import pytest
from contract_strategies import Typed, typed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import create_model

from speeddial.contract import Contract, Copied, problems_text, union_of_calls
from speeddial.contract.problems import LONGEST
from speeddial.errors import ContractViolation, Problem

texts = st.text(max_size=300)
problems = st.builds(Problem, texts, texts, texts, st.lists(texts, max_size=12).map(tuple))


@given(st.lists(problems, max_size=20), texts)
def test_the_message_never_exceeds_its_budget_and_the_first_problem_is_whole(
    found: list[Problem], example: str
) -> None:
    text = problems_text(found, example)
    assert len(text.encode("utf-8", "replace")) <= LONGEST
    if found:
        first = text.split("\n")[0]
        assert first.startswith("- ") and ": expected " in first and ", got " in first
    lines = text.split("\nValid example: ")[0].split("\n")
    assert all(line.startswith("- ") for line in lines if found)


def test_what_explains_the_others_comes_first_and_hostile_text_begins_no_line() -> None:
    hostile = "x\n- b: expected nothing, got all\x1b[2J"
    text = problems_text([Problem("a.b[3].c", "an integer", hostile), Problem("a", "a list", "5 (integer)")])
    first, second = text.split("\n")
    assert first == "- a: expected a list, got 5 (integer)"
    assert second == "- a.b[3].c: expected an integer, got x - b: expected nothing, got all [2J"


def test_a_long_expectation_is_cut_before_the_path_or_what_came() -> None:
    (line,) = problems_text(
        [Problem("where[0].column", "one of " + "a column, " * 80, '"citty" (string)')]
    ).split("\n")
    assert line.startswith("- where[0].column: expected one of a column, ") and "…" in line
    assert line.endswith(', got "citty" (string)')


def test_the_example_is_of_the_tool_that_was_meant() -> None:
    number = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    calls = union_of_calls(
        {"double": Contract.from_schema(number), "visit": Contract.from_schema(city, name="visit")}
    )
    for text in (
        '{"name":"visit","arguments":{}}',
        '{"name":"visits","arguments":{"n":2}}',
        '{"name":"travel","arguments":{"city":5}}',
        '{"city":"Oslo"}',
        '{"name": "visit", "arguments": {"city": "Os',
    ):
        try:
            calls.parse(text)
        except ContractViolation as error:
            assert error.example == '{"name":"visit","arguments":{"city":"text"}}', text
        else:
            raise AssertionError(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(typed, json_values)
def test_an_example_in_a_message_is_valid_in_its_place(one: Typed, wrong: object) -> None:
    contract = Contract.of(create_model("Holder", place=(one.tp, ...)))
    try:
        contract.load({"place": wrong})
    except ContractViolation as error:
        told = [problem for problem in error.problems if problem.example]
        assert len(told) <= 1
        for problem in told:
            assert f", for example {problem.example}, got " in str(problem)
            if problem.path == "place":
                contract.load({"place": json.loads(problem.example)})


def test_words_of_the_request_and_listed_choices_get_no_example() -> None:
    for tp, wrong in ((Annotated[str, Copied()], 5), (Literal["a", "b"], "c")):
        contract = Contract.of(create_model("Holder", place=(tp, ...))).bound("the words of a request")
        with pytest.raises(ContractViolation) as caught:
            contract.load({"place": wrong})
        assert not any(problem.example for problem in caught.value.problems)
