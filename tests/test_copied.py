"""Copied strings: the grammar and the check admit runs of a text's words, and nothing else."""

from __future__ import annotations

import json
import random
import re
from typing import Annotated, Any

import pytest
from contract_strategies import accepts, walk
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, create_model

from speeddial import Copied, Excluded
from speeddial.contract import Contract, arguments_contract, union_of_calls, write_json
from speeddial.contract.copied import LONGEST_PATTERN_TEXT, LONGEST_SPAN, nearest_span, span_pattern
from speeddial.contract.grammar import compiled
from speeddial.contract.lark import LONGEST_TEXT
from speeddial.errors import DefinitionError

NAME = Annotated[str, Copied()]
requests = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=9),
    min_size=1,
    max_size=12,
).map(" ".join)
letters = st.lists(
    st.sampled_from(["the", "sums", "of", "Anna's", "net-30", "terms", '"x"', "a\\b"]), min_size=1
)


def letter(context: Any) -> str | None:
    """The source of these tests: the context is the text."""
    return None if context is None else str(context)


def call(city: NAME, note: str = "") -> None:
    """Call somebody."""


@settings(deadline=None)
@given(requests, st.data())
def test_runs_of_words_are_admitted_by_check_and_grammar(request_text: str, data: st.DataObject) -> None:
    units = [match.span() for match in re.finditer(r"\w+|[^\w\s]", request_text)]
    first = data.draw(st.integers(0, len(units) - 1))
    last = data.draw(st.integers(first, min(len(units), first + LONGEST_SPAN) - 1))
    value = request_text[units[first][0] : units[last][1]]
    contract = Contract.of(NAME).bound(request_text)
    assert contract.check(value) == []
    assert accepts(contract, contract.dump(value))
    assert re.fullmatch(contract.schema["$defs"]["x-copied-0"]["pattern"], value)


@settings(deadline=None)
@given(requests, st.text(max_size=12))
def test_what_is_admitted_stands_in_the_request(request_text: str, value: str) -> None:
    contract = Contract.of(NAME).bound(request_text)
    admitted = contract.check(value) == []
    assert admitted == accepts(contract, write_json(value))
    assert admitted == bool(re.fullmatch(contract.schema["$defs"]["x-copied-0"]["pattern"], value))
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
        ("How many orders came from Oslo?", " Oslo", False),
        ("How many orders came from Oslo?", "from  Oslo", False),
        ("salary of engineers", "engineer", True),
        ("sales engineers of Oslo", "sales engineer", True),
        ("one engineer", "engineers", False),
        ("add milk,\n bread", "milk, bread", True),
        ("a (b) [c] \\d .* $", "[c] \\d .* $", True),
        ("明天九点提醒我给牙医打电话", "给牙医打电话", True),
        ("내일 치과에 전화", "치과", True),
        ("a b", "", False),
    ],
)
def test_words_are_copied_as_they_stand(request_text: str, value: str, admitted: bool) -> None:
    contract = Contract.of(NAME).bound(request_text)
    assert (contract.check(value) == []) is admitted
    assert accepts(contract, write_json(value)) is admitted


@settings(deadline=None, max_examples=8)
@given(letters, st.data())
def test_any_stretch_of_a_long_document_is_admitted_and_nothing_else(
    words: list[str], data: st.DataObject
) -> None:
    text = " ".join(words * (1200 // len(words)))
    contract = Contract.of(Annotated[str, Copied(of=letter)]).bound("", text)
    first = data.draw(st.integers(0, len(words) * 3))
    length = data.draw(st.sampled_from([1, 2, 7, 60]))
    value = " ".join(text.split(" ")[first : first + length])
    assert contract.check(value) == []
    assert accepts(contract, contract.dump(value))
    for wrong in (f"{value} elsewhere", f"x{value}", f"{value} "):
        assert contract.check(wrong) != []
        assert not accepts(contract, json.dumps(wrong))


@st.composite
def types(draw: st.DrawFn, depth: int = 2) -> Any:
    """Types with copied strings in every place that a Lark grammar is written for, and in some it is not."""
    if depth == 0:
        return draw(
            st.sampled_from([NAME, NAME, Annotated[str, Copied(of=letter), Field(max_length=9)], int])
        )
    inner = types(depth - 1)
    shape = draw(st.integers(0, 5))
    if shape == 0:
        return Annotated[list[draw(inner)], Field(min_length=draw(st.integers(0, 2)), max_length=3)]  # type: ignore[misc]
    if shape == 1:
        return draw(inner) | None
    if shape == 2:
        return tuple[draw(inner), draw(inner)]  # type: ignore[misc]
    if shape == 3:
        return dict[str, draw(inner)]  # type: ignore[misc]
    fields: dict[str, Any] = {}
    for number in range(draw(st.integers(1, 4))):
        tp = draw(inner)
        fields[f"k{number}"] = (tp, ...) if draw(st.booleans()) else (tp | None, None)
    return create_model(f"M{draw(st.integers(0, 10**9))}", **fields)


@settings(max_examples=40, deadline=None)
@given(types(), letters.map(" ".join), letters.map(" ".join), st.integers())
def test_both_grammars_of_a_contract_admit_the_same_texts_and_the_check_agrees(
    tp: Any, request_text: str, document: str, seed: int
) -> None:
    contract = Contract.of(tp).bound(request_text, document)
    with_patterns = Contract.of(tp).bound(request_text, document)
    with_patterns.__dict__["grammar"] = compiled(contract.schema, "with patterns")
    for number, (one, other) in enumerate([(contract, with_patterns), (with_patterns, contract)] * 3):
        text = walk(one, random.Random(seed + number))
        if text is not None:
            assert accepts(other, text), text
            assert [p for p in contract.check(json.loads(text)) if "duplicate" not in p.got] == [], text


@given(letters.map(" ".join), st.lists(st.sampled_from(["sums of", "other", "the"]), min_size=1))
@settings(max_examples=20, deadline=None)
def test_alternatives_that_begin_alike_are_all_admitted(text: str, choices: list[str]) -> None:
    """llguidance's lexer is greedy: lexemes cut differently from its JSON grammars' would lose some."""
    copied = {"type": "string", "x-copied": True}
    free = {"type": "object", "properties": {"name": {"const": "free"}, "text": {"type": "string"}}}
    held = {"type": "object", "properties": {"name": {"const": "held"}, "text": copied}, "required": ["name"]}
    contract = Contract.from_schema(
        {"anyOf": [{"enum": choices}, copied, {**free, "required": ["name"]}, held]}
    )
    bound = contract.bound(text)
    admitted = [*choices, text, *({"name": name} for name in ("free", "held"))]
    admitted += [{"name": "free", "text": "elsewhere"}, {"name": "held", "text": text}]
    for value in admitted:
        assert accepts(bound, bound.dump(value)), value
    for wrong in ("elsewhere", {"name": "held", "text": "elsewhere"}):
        assert not accepts(bound, json.dumps(wrong, separators=(",", ":")))
        assert bound.check(wrong) != []


def test_a_call_is_bound_where_its_parameters_are_copied_and_says_so() -> None:
    arguments, _, _ = arguments_contract(call)
    bound = union_of_calls({"call": arguments}).bound("phone Oslo")
    wrong = {"name": "call", "arguments": {"city": "Ossos", "note": "anything at all"}}
    (problem,) = bound.check(wrong)
    assert str(problem) == (
        'arguments.city: expected words, copied from the request, got "Ossos" (string); valid: "Oslo"'
    )
    right = {"name": "call", "arguments": {"city": "Oslo"}}
    assert bound.check(right) == [] and accepts(bound, bound.dump(right))
    assert accepts(bound, '{"name":"refuse","arguments":{"reason":"no"}}')
    assert not accepts(bound, bound.dump(right).replace("Oslo", "Ossos"))


def test_binding_changes_neither_the_contract_nor_its_hash() -> None:
    contract = Contract.of(NAME)
    bound = contract.bound("Oslo")
    assert bound.schema_hash == contract.schema_hash != Contract.of(str).schema_hash
    assert contract.check("Ossos") == [] != bound.check("Ossos")
    assert bound.bound("Ossos").check("Ossos") == []
    assert Contract.of(str).bound("Oslo").check("Ossos") == []
    assert "value: copied from the request" in contract.report.by_grammar


def test_words_of_the_request_may_do_as_well_as_those_of_the_document() -> None:
    contract = Contract.of(Annotated[str, Copied(of=letter, request=True)])
    bound = contract.bound("who is Anna?", "Dear Tom")
    assert bound.check("Dear Tom") == [] == bound.check("who is Anna")
    (problem,) = bound.check("Anna Dear")
    assert problem.expected == "words, copied from the request or the letter"
    # Without the request's words (it names earlier results) nobody knows what may stand there.
    assert contract.bound("", "Dear Tom") is contract
    assert contract.bound("who is Anna?", None) is contract


def test_a_request_of_any_length_is_bound_by_the_grammar_and_for_servers_by_the_check() -> None:
    for count, where in ((LONGEST_PATTERN_TEXT + 1, "grammar"), (LONGEST_TEXT + 1, "check")):
        bound = Contract.of(NAME).bound(" ".join(f"word{number}" for number in range(count)))
        assert bound.check("word7 word8") == [] != bound.check("word8 word7")
        assert accepts(bound, '"word8 word7"') is (where == "check")
        assert "pattern" not in bound.schema["$defs"]["x-copied-0"]
        (line,) = bound.report.after
        assert f"too long for a {'pattern' if where == 'grammar' else 'grammar'}" in line


@pytest.mark.parametrize("request_text", ["", " \n"])
def test_without_words_nothing_is_bound(request_text: str) -> None:
    assert span_pattern(request_text) == ""
    contract = Contract.of(NAME)
    assert contract.bound(request_text) is contract


@settings(deadline=None)
@given(st.text(max_size=40), st.text(max_size=200))
def test_the_nearest_span_is_a_span(value: str, text: str) -> None:
    near = nearest_span(value, [text])
    assert near == "" or Contract.of(NAME).bound(text).check(near) == []


def test_copied_and_excluded_together_are_held_by_the_check_and_reported() -> None:
    bound = Contract.of(Annotated[str, Copied(), Excluded({"the"})]).bound("the city of Oslo")
    assert bound.check("the") != [] == bound.check("the city")
    assert "value: not" in bound.report.after


def test_copied_is_for_strings_without_a_pattern() -> None:
    with pytest.raises(DefinitionError, match="Copied cannot be enforced on int"):
        Contract.of(Annotated[int, Copied()])
    with pytest.raises(DefinitionError, match="a pattern beside Copied"):
        Contract.of(Annotated[str, Copied(), Field(pattern="^a$")])


def test_two_sources_of_one_name_are_refused() -> None:
    sources: list[Any] = [letter, lambda context: str(context)]
    sources[1].__name__ = "letter"
    with pytest.raises(DefinitionError, match="another source is named 'letter' too"):
        Contract.of(tuple[Annotated[str, Copied(of=sources[0])], Annotated[str, Copied(of=sources[1])]])
