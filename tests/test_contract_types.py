"""Which types a contract holds, what is refused at definition with place and fix, unions, schemas."""

from __future__ import annotations

import collections.abc
import decimal
import enum
import pathlib
import sys
from collections import namedtuple
from collections.abc import Callable
from dataclasses import InitVar, dataclass
from datetime import date, datetime
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, TypeVar

import pydantic
import pytest
from contract_strategies import Tree, accepts
from pydantic import AliasChoices, BaseModel, EmailStr, Field, HttpUrl, Json, RootModel
from typing_extensions import TypeAliasType, TypedDict

from speeddial.contract import Contract, Email, arguments_contract
from speeddial.contract.scalars import LARGEST
from speeddial.errors import DefinitionError

T = TypeVar("T")


class Plain:
    pass


class Pair(NamedTuple):
    a: int
    b: int


class Name(str):
    pass


class Bits(enum.Flag):
    A = 1
    B = 2


class Odd(enum.Enum):
    A = (1, 2)


@dataclass
class WithInit:
    a: int
    b: InitVar[int]


class Box(BaseModel, Generic[T]):
    item: T


class Endless(BaseModel):
    inner: Endless


class Aliased(BaseModel):
    x: int = Field(validation_alias=AliasChoices("a", "b"))


class WithAny(BaseModel):
    rows: list[dict[str, Any]]


UNSUPPORTED: list[tuple[Any, str, str]] = [
    (Any, "Any", "name the type"),
    (object, "object", "name the type"),
    (bytes, "bytes", "base64"),
    (bytearray, "bytearray", "base64"),
    (complex, "complex", "real: float"),
    (set[int], "set[int]", "list[T]"),
    (frozenset[str], "frozenset[str]", "list[T]"),
    (list, "list", "list[str]"),
    (dict, "dict", "dict[str, int]"),
    (tuple, "tuple", "tuple[int, str]"),
    (Callable[[int], int], "Callable", "Literal or Enum"),
    (collections.abc.Sequence[int], "Sequence", "list[T]"),
    (collections.abc.Mapping[str, int], "Mapping", "dict[str, T]"),
    (pathlib.Path, "Path", "use str"),
    (Plain, "Plain", "dataclass, TypedDict or Pydantic model"),
    (Pair, "Pair", "dataclass with the same fields"),
    (namedtuple("Old", "a b"), "Old", "dataclass with the same fields"),
    (Name, "Name", "NewType"),
    (T, "~T", "type variable"),
    (Box, "~T", "type variable"),
    (type[int], "type[int]", "dataclass"),
    (Bits, "Flag", "list[Literal"),
    (Odd, "Odd.A", "string values"),
    (Literal[b"x"], "b'x'", "choices are str"),
    (Literal["\ud800"], "ud800", "plain string"),
    (Literal[2**53 + 1], "9007199254740993", "strings"),
    (dict[int, str], "keys of type int", "dict[str, T]"),
    (dict[date, str], "keys of type date", "dict[str, T]"),
    (WithInit, "InitVar", "ordinary field"),
    (Endless, "no value of this recursive type ends", "optional"),
    (Aliased, "AliasChoices", "one alias"),
    (WithAny, "field WithAny.rows", "name the type"),
    (Annotated[int, Field(pattern="a")], "pattern cannot be enforced on int", "drop the constraint"),
    (Annotated[str, Field(ge=1)], "bounds (ge, gt, le, lt) cannot be enforced on str", "drop the constraint"),
    (Annotated[bool, Field(ge=1)], "cannot be enforced on bool", "drop the constraint"),
    (Annotated[int, Field(ge=5, le=1)], "no number lies between 5 and 1", "widen"),
    (Annotated[int, Field(gt=1, lt=2)], "no number lies between", "widen"),
    (Annotated[str, Field(min_length=5, max_length=1)], "min_length 5 is above max_length 1", "widen"),
    (Annotated[str, Field(pattern="(")], "does not compile", "correct the expression"),
    (Annotated[Email, Field(max_length=5)], "beside an e-mail address", "pattern of your own"),
    (Annotated[decimal.Decimal, Field(max_digits=99)], "max_digits=99", "1 to 38"),
    (Json[list[int]], "Json is a text with JSON in it", "without Json"),
]


@pytest.mark.parametrize(("tp", "given", "fix"), UNSUPPORTED, ids=[str(row[0])[-40:] for row in UNSUPPORTED])
def test_what_has_no_exact_form_is_refused_at_definition_with_the_fix(tp: Any, given: str, fix: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Contract.of(tp)
    assert given in caught.value.message
    assert fix in caught.value.hint


def test_an_address_of_pydantics_without_its_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "email_validator", None)
    monkeypatch.setattr("pydantic.networks.email_validator", None, raising=False)
    with pytest.raises(DefinitionError, match="EmailStr needs the package email-validator"):
        Contract.of(EmailStr)


def test_the_message_names_function_and_parameter() -> None:
    def send(to: str, body: bytes) -> None: ...

    with pytest.raises(DefinitionError, match=r"parameter 'body' of send: bytes has no exact JSON form"):
        arguments_contract(send)

    def rows(items: list[tuple[int, set[str]]]) -> None: ...

    with pytest.raises(DefinitionError, match=r"parameter 'items' of rows: set\[str\]"):
        arguments_contract(rows)


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Bird(BaseModel):
    wings: int


class Plane(BaseModel):
    wings: int
    engines: int = 2


class Fish(BaseModel):
    fins: int


class Shade(enum.Enum):
    DARK = "dark"


AMBIGUOUS: list[Any] = [
    str | date,
    date | str,
    Shade | str,
    Bird | Plane,
    list[Bird] | list[Plane],
    list[int] | tuple[int, int],
    list[int] | tuple[int, ...],
    tuple[int, str] | tuple[int, date],
    dict[str, int] | Bird,
    dict[str, date] | dict[str, str],
    Literal["dark"] | Shade | None,
    datetime | pydantic.NaiveDatetime | str,
]


@pytest.mark.parametrize("tp", AMBIGUOUS, ids=str)
def test_a_union_that_one_text_could_mean_twice_is_refused(tp: Any) -> None:
    with pytest.raises(DefinitionError, match="the same JSON can be read as either") as caught:
        Contract.of(tp)
    assert "Literal" in caught.value.hint


APART: list[tuple[Any, list[tuple[str, Any]]]] = [
    (int | str | None, [("5", 5), ('"5"', "5"), ("null", None)]),
    (float | int, [("5", 5), ("5.0", 5.0)]),
    (bool | int, [("1", 1), ("true", True)]),
    (
        date | datetime | None,
        [('"2024-01-01"', date(2024, 1, 1)), ('"2024-01-01T00:00:00"', datetime.fromisoformat("2024-01-01"))],
    ),
    (Literal["dark"] | str, [('"dark"', "dark"), ('"x"', "x")]),
    (
        Cat | Dog,
        [('{"kind":"cat"}', Cat(kind="cat")), ('{"kind":"dog","name":"x"}', Dog(kind="dog", name="x"))],
    ),
    (Bird | Fish, [('{"wings":2}', Bird(wings=2)), ('{"fins":2}', Fish(fins=2))]),
    (list[int] | list[str], [("[]", []), ("[1]", [1]), ('["1"]', ["1"])]),
    (tuple[int, int] | tuple[int, int, int], [("[1,2]", (1, 2)), ("[1,2,3]", (1, 2, 3))]),
    (Bird | list[Bird], [('{"wings":2}', Bird(wings=2)), ('[{"wings":2}]', [Bird(wings=2)])]),
    (dict[str, str] | Bird, [('{"wings":"2"}', {"wings": "2"}), ('{"wings":2}', Bird(wings=2))]),
    (Email | date, [('"a@b.de"', "a@b.de"), ('"2024-01-01"', date(2024, 1, 1))]),
]


@pytest.mark.parametrize(("tp", "texts"), APART, ids=[str(row[0]) for row in APART])
def test_a_union_that_can_be_told_apart_reads_each_branch(tp: Any, texts: list[tuple[str, Any]]) -> None:
    contract = Contract.of(tp)
    for text, value in texts:
        read = contract.parse(text)
        assert (read, type(read)) == (value, type(value))
        assert contract.dump(read) == text
        assert accepts(contract, text)


def test_errors_of_a_tagged_union_speak_of_the_chosen_branch_only() -> None:
    contract = Contract.of(Annotated[Cat | Dog, Field(discriminator="kind")])
    assert [str(problem) for problem in contract.check({"kind": "dog", "lives": 3})] == [
        "name: expected a string, got nothing: the key is missing",
        'lives: expected no such key, got the key "lives"; valid: kind, name',
    ]
    assert (
        str(contract.check({"kind": "cow"})[0])
        == 'kind: expected one of the valid choices, got "cow" (string); valid: "cat", "dog"'
    )
    assert contract.check({"name": "x"})[0].valid == ('"cat"', '"dog"')
    assert (
        str(Contract.of(int | str | None).check([])[0])
        == "value: expected an integer, a string or null, got [] (array)"
    )


UserId = NewType("UserId", int)
Tags = TypeAliasType("Tags", list[Annotated[str, Field(max_length=5)]])


class Keyed(BaseModel):
    from_: str = Field(alias="from")
    note: str | None = None


class Numbers(RootModel[list[int]]):
    pass


class Page(TypedDict, total=False):
    title: str
    url: HttpUrl


@dataclass(frozen=True)
class Frozen:
    a: int
    b: tuple[int, ...] = ()


SHAPES: list[tuple[Any, str]] = [
    (UserId, "7"),
    (Tags, '["a","b"]'),
    (Keyed, '{"from":"here"}'),
    (Keyed, '{"from":"here","note":null}'),
    (Numbers, "[1,2]"),
    (Page, '{"url":"https://a.de/"}'),
    (Page, "{}"),
    (Frozen, '{"a":1,"b":[2]}'),
    (Box[int], '{"item":1}'),
    (Box[list[Box[str]]], '{"item":[{"item":"x"}]}'),
    (Tree, '{"label":"a","children":[{"label":"b","parent":{"label":"c"}}]}'),
    (pydantic.AwareDatetime, '"2024-01-01T10:00:00+02:00"'),
    (pydantic.UUID4, '"123e4567-e89b-42d3-a456-426614174000"'),
    (pydantic.PositiveInt, "3"),
    (pydantic.conint(ge=1, le=3), "3"),
    (pydantic.constr(pattern="^a+$"), '"aa"'),
    (Annotated[str, pydantic.StringConstraints(min_length=2)], '"aa"'),
]


@pytest.mark.parametrize(("tp", "text"), SHAPES, ids=[f"{row[0]} {row[1]}"[-48:] for row in SHAPES])
def test_further_types_are_held_exactly(tp: Any, text: str) -> None:
    contract = Contract.of(tp)
    assert contract.dump(contract.parse(text)) == text
    assert accepts(contract, text)


def test_every_object_is_closed_and_everything_is_bounded() -> None:
    class Everything(BaseModel):
        number: int
        ratio: float
        text: str
        items: list[str]
        table: dict[str, int]

    schema = Contract.of(Everything).schema
    assert schema == {
        "type": "object",
        "properties": {
            "number": {"type": "integer", "minimum": -LARGEST, "maximum": LARGEST},
            "ratio": {"type": "number", "minimum": -LARGEST, "maximum": LARGEST},
            "text": {"type": "string", "maxLength": 4096},
            "items": {"type": "array", "items": {"type": "string", "maxLength": 4096}, "maxItems": 256},
            "table": {
                "type": "object",
                "patternProperties": {
                    r"^[\s\S]{0,256}$": {"type": "integer", "minimum": -LARGEST, "maximum": LARGEST}
                },
                "additionalProperties": False,
                "maxProperties": 64,
            },
        },
        "required": ["number", "ratio", "text", "items", "table"],
        "additionalProperties": False,
    }


def test_a_constraint_on_an_optional_is_meant_for_its_value() -> None:
    class Order(BaseModel):
        count: int | None = Field(None, ge=1, le=9)
        name: str | None = Field(None, max_length=3)

    contract = Contract.of(Order)
    assert contract.check({"count": None, "name": None}) == []
    assert [problem.path for problem in contract.check({"count": 0, "name": "abcd"})] == ["count", "name"]


def test_defaults_make_keys_optional_and_unset_keys_are_not_written() -> None:
    contract = Contract.of(Keyed)
    assert contract.schema["required"] == ["from"]
    assert contract.dump(Keyed(**{"from": "x"})) == '{"from":"x"}'
    assert contract.dump(Keyed(**{"from": "x", "note": None})) == '{"from":"x","note":null}'


def test_lists_changed_in_place_are_written_though_pydantic_calls_them_unset() -> None:
    tree = Tree(label="a")
    tree.children.append(Tree(label="b"))
    assert Contract.of(Tree).dump(tree) == '{"label":"a","children":[{"label":"b"}]}'


class Leaf(BaseModel):
    kind: Literal["leaf"]
    value: int


class Branch(BaseModel):
    kind: Literal["branch"]
    children: list[Leaf | Branch]


class Loose(BaseModel):
    children: list[Loose | Unmarked] = []


class Unmarked(BaseModel):
    children: list[Loose] = []


def test_a_recursive_union_is_told_apart_by_its_tag() -> None:
    contract = Contract.of(Branch)
    assert contract.grammar
    text = '{"kind":"branch","children":[{"kind":"leaf","value":1},{"kind":"branch","children":[]}]}'
    value = contract.parse(text)
    assert isinstance(value.children[1], Branch)
    assert contract.dump(value) == text


def test_a_recursive_union_without_a_tag_is_refused_at_definition() -> None:
    with pytest.raises(DefinitionError, match="read as either"):
        Contract.of(Loose)


def test_deep_values_of_a_recursive_type_are_refused_without_a_crash() -> None:
    text = '{"label":"a","parent":' * 63 + "null" + "}" * 63
    assert Contract.of(Tree).parse(text).label == "a"
    assert "value: nesting beyond 64 levels" in Contract.of(Tree).report.after
