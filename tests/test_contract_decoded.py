"""Typed values: decoded as a phrase, resolved into the rich type wherever they stand; signatures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypedDict

import pytest
from pydantic import BaseModel, Field

from speeddial.contract import Contract, Decoded, ResolveContext, arguments_contract, problems_text
from speeddial.errors import ContractViolation, DefinitionError

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
CONTEXT = ResolveContext(now=NOW, references={1: "42 orders"})


def read_when(text: str, context: ResolveContext) -> datetime:
    if text == "tomorrow":
        return context.now + timedelta(days=1)
    raise ValueError("a day such as tomorrow")


When = Annotated[
    datetime,
    Decoded(
        as_=Annotated[str, Field(max_length=20)], resolve=read_when, expected="a day", example="tomorrow"
    ),
]
Text = Annotated[
    str, Decoded(as_=str, resolve=lambda text, context: text.replace("#1", context.references.get(1, "#1")))
]
TOMORROW = NOW + timedelta(days=1)


class Event(BaseModel):
    title: Text
    when: When | None = None
    at: list[When] = []


@dataclass(frozen=True)
class Slot:
    when: When
    length: int = 1


class Row(TypedDict, total=False):
    when: When


PLACES: list[tuple[Any, Any, Any]] = [
    (When, "tomorrow", TOMORROW),
    (When | None, None, None),
    (list[When], ["tomorrow"], [TOMORROW]),
    (tuple[int, When], [1, "tomorrow"], (1, TOMORROW)),
    (tuple[When, ...], ["tomorrow"], (TOMORROW,)),
    (dict[str, When], {"a": "tomorrow"}, {"a": TOMORROW}),
    (Slot, {"when": "tomorrow"}, Slot(TOMORROW)),
    (Row, {"when": "tomorrow"}, {"when": TOMORROW}),
    (When | int, 5, 5),
    (When | int, "tomorrow", TOMORROW),
]


@pytest.mark.parametrize(
    ("tp", "decoded", "resolved"), PLACES, ids=[str(row[1]) + str(index) for index, row in enumerate(PLACES)]
)
def test_a_typed_value_is_resolved_wherever_it_stands(tp: Any, decoded: Any, resolved: Any) -> None:
    contract = Contract.of(tp)
    loaded = contract.load(decoded)
    assert contract.parse(contract.dump(loaded)) == loaded
    assert contract.resolve(loaded, CONTEXT) == resolved


def test_a_pydantic_model_holds_the_phrase_first_and_the_value_then() -> None:
    contract = Contract.of(Event)
    loaded = contract.parse('{"title":"#1 to check","when":"tomorrow","at":["tomorrow"]}')
    assert loaded.when == "tomorrow"
    resolved = contract.resolve(loaded, CONTEXT)
    assert resolved == Event.model_construct(title="42 orders to check", when=TOMORROW, at=[TOMORROW])
    assert Event(title="x", when=TOMORROW).when == TOMORROW
    assert contract.dump(loaded) == '{"title":"#1 to check","when":"tomorrow","at":["tomorrow"]}'


def test_the_schema_and_the_check_see_the_decode_type() -> None:
    contract = Contract.of(When)
    assert {key: contract.schema[key] for key in ("type", "maxLength")} == {"type": "string", "maxLength": 20}
    assert contract.check(5)[0].expected == "a day"
    assert contract.check("x" * 21)
    assert contract.example() == "tomorrow"
    assert "value: typed value (resolved after decoding)" in contract.report.after


def test_what_cannot_be_resolved_is_told_to_the_model() -> None:
    contract = Contract.of(Event)
    with pytest.raises(ContractViolation) as caught:
        contract.resolve(contract.load({"title": "x", "at": ["tomorrow", "soonish"]}), CONTEXT)
    assert problems_text(caught.value.problems) == "- at[1]: expected a day such as 'tomorrow', got 'soonish'"


def test_a_resolver_must_be_callable_and_now_aware() -> None:
    with pytest.raises(DefinitionError, match="not callable"):
        Decoded(as_=str, resolve="now")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="aware"):
        ResolveContext(now=NOW.replace(tzinfo=None))


def remind(
    text: Text, when: When | None = None, *, times: Annotated[int, Field(ge=1)] = 1, context: object
) -> None:
    """Remind me of something.

    It rings on the day.

    Args:
        text: What to be reminded of,
            in your words.
        when (optional): The day.
        times: How often.
        context: Given by the run.

    Returns:
        nothing: really
    """


def test_a_signature_gives_contract_description_and_parameter_docs() -> None:
    contract, description, docs = arguments_contract(remind)
    assert description == "Remind me of something. It rings on the day."
    assert docs["text"] == "What to be reminded of, in your words."
    assert docs["when"] == "The day."
    assert list(contract.schema["properties"]) == ["text", "when", "times"]
    assert contract.schema["required"] == ["text"]
    assert contract.schema["properties"]["times"]["description"] == "How often."
    loaded = contract.load({"text": "see #1", "when": "tomorrow"})
    assert loaded == {"text": "see #1", "when": "tomorrow"}
    assert contract.resolve(loaded, CONTEXT) == {"text": "see 42 orders", "when": TOMORROW}
    assert contract.load({"text": "x"}) == {"text": "x"}


def test_words_do_not_change_the_hash_and_types_do() -> None:
    def same(
        text: str,
        when: Annotated[str, Field(max_length=20)] | None = None,
        times: Annotated[int, Field(ge=1)] = 7,
    ) -> None:
        """Other words."""

    assert arguments_contract(same)[0].schema_hash == arguments_contract(remind)[0].schema_hash


def test_a_function_without_exact_parameters_is_refused() -> None:
    def untyped(a, b: int): ...  # type: ignore[no-untyped-def]
    def stars(*items: int) -> None: ...
    def keywords(**items: int) -> None: ...
    def positional(a: int, /) -> None: ...
    def unknown(a: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    for function, message in [
        (untyped, "parameter 'a' of untyped: no type"),
        (stars, r"parameter 'items' of stars: \*items"),
        (keywords, r"parameter 'items' of keywords: \*\*items"),
        (positional, "positional only"),
        (unknown, "'Missing' cannot be looked up"),
    ]:
        with pytest.raises(DefinitionError, match=message):
            arguments_contract(function)


def test_a_function_without_parameters_takes_an_empty_object() -> None:
    def ping() -> None:
        """Ping."""

    contract = arguments_contract(ping)[0]
    assert contract.parse("{}") == {}
    assert contract.check({"a": 1})[0].got == 'the key "a"'
