"""What a type dumps the grammar accepts and `parse` reads back; what a grammar admits the type accepts."""

from __future__ import annotations

import random
from typing import Annotated, Any

import pytest
from contract_strategies import Typed, accepts, typed, walk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter, ValidationError

from speeddial.contract import Contract, parse_json
from speeddial.errors import ContractViolation

SLOW_CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and not hasattr(one, "_fields"):
        return type(one) is type(other) and len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return (
            type(one) is type(other)
            and one.keys() == other.keys()
            and all(_same(one[key], other[key]) for key in one)
        )
    # A float may hold an int as written in Python (`x: float = 5`); it is read back as a float.
    return bool(one == other) and (type(one) is type(other) or {type(one), type(other)} == {int, float})


def round_trip(one: Typed, data: st.DataObject) -> None:
    contract = Contract.of(one.tp)
    value = data.draw(one.values)
    text = contract.dump(value)
    assert accepts(contract, text), f"the grammar of {contract.describe()} refuses {text}"
    assert _same(contract.parse(text), value)
    assert contract.check(parse_json(text)) == []


def walks(one: Typed, seed: int) -> None:
    contract = Contract.of(one.tp)
    text = walk(contract, random.Random(seed))
    if text is None:
        return
    after = [line.split(": ", 1)[1] for line in contract.report.after]
    try:
        value = contract.parse(text)
    except ContractViolation as error:
        assert after, f"{text} is admitted by the grammar and refused: {error}"
        return
    try:
        TypeAdapter(one.tp).validate_json(text, strict=True)
    except ValidationError as error:
        assert any("Pydantic refuses" in keyword for keyword in after), f"{text} is no {one.tp}: {error}"
    again = contract.dump(value)
    assert _same(contract.parse(again), value)
    assert accepts(contract, again)


@settings(max_examples=200, deadline=None, suppress_health_check=SLOW_CHECKS)
@given(typed, st.data())
def test_what_a_type_dumps_the_grammar_accepts_and_parse_reads_back(one: Typed, data: st.DataObject) -> None:
    round_trip(one, data)


@settings(max_examples=200, deadline=None, suppress_health_check=SLOW_CHECKS)
@given(typed, st.integers(0, 1 << 30))
def test_what_the_grammar_admits_the_type_accepts(one: Typed, seed: int) -> None:
    walks(one, seed)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=2000, deadline=None, suppress_health_check=SLOW_CHECKS)
@given(typed, st.data())
def test_thousands_of_types_round_trip(one: Typed, data: st.DataObject) -> None:
    round_trip(one, data)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(max_examples=2000, deadline=None, suppress_health_check=SLOW_CHECKS)
@given(typed, st.integers(0, 1 << 30))
def test_thousands_of_walks_are_accepted(one: Typed, seed: int) -> None:
    walks(one, seed)


@settings(max_examples=40, deadline=None, suppress_health_check=SLOW_CHECKS)
@given(typed)
def test_the_example_is_valid_and_decodable(one: Typed) -> None:
    contract = Contract.of(one.tp)
    assert contract.example_text
    assert accepts(contract, contract.dump(contract.parse(contract.example_text)))


@pytest.mark.parametrize(
    "constraints",
    [
        {"ge": -0.5, "le": 0.0},
        {"gt": -3, "le": 0},
        {"le": 0, "multiple_of": 0.5},
        {"ge": 0, "le": 0},
        {"ge": 1.0, "le": 1.0},
        {"ge": -3, "le": -3, "multiple_of": 0.5},
    ],
)
def test_a_whole_float_at_its_bound_is_written_as_the_grammar_admits_it(
    constraints: dict[str, float],
) -> None:
    value = float(constraints["le"])
    for contract in (
        Contract.of(Annotated[float, Field(**constraints)]),  # type: ignore[arg-type]
        Contract.from_schema(TypeAdapter(Annotated[float, Field(**constraints)]).json_schema()),  # type: ignore[arg-type]
    ):
        assert accepts(contract, contract.dump(value))
        assert contract.parse(contract.dump(value)) == value


def test_pydantic_s_own_rounding_of_large_multiples_is_told() -> None:
    amount = Annotated[float, Field(multiple_of=0.1)]
    contract = Contract.of(amount)
    text = "24228609770.1"
    assert accepts(contract, text)
    with pytest.raises(ValidationError):
        TypeAdapter(amount).validate_json(text)
    assert "Pydantic refuses some multiples of 0.1" in " ".join(contract.report.after)
    for exact in (
        Annotated[float, Field(multiple_of=0.25)],
        Annotated[float, Field(multiple_of=0.1, ge=0, le=100)],
    ):
        assert Contract.of(exact).report.after == ()
