"""Copied strings: the grammar and the check admit runs of the request's words, and nothing else."""

from __future__ import annotations

import json
import re
from typing import Annotated

import pytest
from contract_strategies import accepts
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from speeddial import Copied
from speeddial.contract import Contract, arguments_contract, union_of_calls
from speeddial.contract.copied import LONGEST_REQUEST, LONGEST_SPAN, span_pattern
from speeddial.errors import DefinitionError

NAME = Annotated[str, Copied()]
requests = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=9),
    min_size=1,
    max_size=12,
).map(" ".join)


def call(city: NAME, note: str = "") -> None:
    """Call somebody."""


@given(requests, st.data())
def test_runs_of_words_are_admitted_by_check_and_grammar(request_text: str, data: st.DataObject) -> None:
    units = [match.span() for match in re.finditer(r"\w+|[^\w\s]", request_text)]
    first = data.draw(st.integers(0, len(units) - 1))
    last = data.draw(st.integers(first, min(len(units), first + LONGEST_SPAN) - 1))
    value = request_text[units[first][0] : units[last][1]]
    contract = Contract.of(NAME).copying(request_text)
    assert contract.check(value) == []
    assert accepts(contract, contract.dump(value))


@given(requests, st.text(max_size=12))
def test_what_is_admitted_stands_in_the_request(request_text: str, value: str) -> None:
    contract = Contract.of(NAME).copying(request_text)
    admitted = contract.check(value) == []
    assert admitted == accepts(contract, json.dumps(value, ensure_ascii=False))
    if admitted:
        assert value in request_text or any(
            re.search(re.escape(value), re.sub(rf"{word}\b", word[:-1], request_text))
            for word in re.findall(r"\w{3,}s\b", request_text)
        )


@pytest.mark.parametrize(
    ("request_text", "value", "admitted"),
    [
        ("How many orders came from Oslo?", "Oslo", True),
        ("How many orders came from Oslo?", "Ossos", False),
        ("How many orders came from Oslo?", "oslo", False),
        ("How many orders came from Oslo?", "slo", False),
        ("salary of engineers", "engineer", True),
        ("add milk,\n bread", "milk, bread", True),
        ("a (b) [c] \\d .* $", "[c] \\d .* $", True),
        ("明天九点提醒我给牙医打电话", "给牙医打电话", True),
        ("내일 치과에 전화", "치과", True),
        ("a b", "", False),
    ],
)
def test_words_are_copied_as_they_stand(request_text: str, value: str, admitted: bool) -> None:
    contract = Contract.of(NAME).copying(request_text)
    assert (contract.check(value) == []) is admitted
    assert accepts(contract, json.dumps(value, ensure_ascii=False)) is admitted


def test_a_call_is_bound_where_its_parameters_are_copied_and_says_so() -> None:
    arguments, _, _ = arguments_contract(call)
    bound = union_of_calls({"call": arguments.copying("phone Oslo")})
    wrong = {"name": "call", "arguments": {"city": "Ossos", "note": "anything at all"}}
    (problem,) = bound.check(wrong)
    assert problem.path == "arguments.city" and "copied from the request" in problem.expected
    assert bound.check({"name": "call", "arguments": {"city": "Oslo"}}) == []


def test_binding_changes_neither_the_contract_nor_its_hash() -> None:
    contract = Contract.of(NAME)
    bound = contract.copying("Oslo")
    assert bound.schema_hash == contract.schema_hash != Contract.of(str).schema_hash
    assert contract.check("Ossos") == [] != bound.check("Ossos")
    assert bound.copying("Ossos").check("Ossos") == []
    assert Contract.of(str).copying("Oslo").check("Ossos") == []


@pytest.mark.parametrize("request_text", ["", " \n", "word " * (LONGEST_REQUEST + 1)])
def test_without_words_or_with_too_many_nothing_is_bound(request_text: str) -> None:
    assert span_pattern(request_text) == ""
    contract = Contract.of(NAME)
    assert contract.copying(request_text) is contract


def test_copied_is_for_strings_without_a_pattern() -> None:
    with pytest.raises(DefinitionError, match="Copied cannot be enforced on int"):
        Contract.of(Annotated[int, Copied()])
    with pytest.raises(DefinitionError, match="a pattern beside Copied"):
        Contract.of(Annotated[str, Copied(), Field(pattern="^a$")])
