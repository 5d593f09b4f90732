"""The strict check: every fault of the frameworks' table and its kin is rejected, and says how."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from contract_strategies import accepts
from pydantic import AfterValidator, BaseModel, Field, model_validator

from speeddial.contract import Contract, Email, Url, arguments_contract, problems_text
from speeddial.errors import ContractViolation, Problem


def f(n: int, flag: bool, tags: list[int], mode: Literal["a", "b"]) -> None:
    """The tool of the peers' fault table."""


TOOL = arguments_contract(f)[0]
GOOD = '{"n":5,"flag":true,"tags":[1,2],"mode":"a"}'

FAULTS = [
    ('{"n":"5","flag":true,"tags":[1,2],"mode":"a"}', "n", "an integer", '"5" (string)', ()),
    ('{"n":5,"flag":"yes","tags":[1,2],"mode":"a"}', "flag", "true or false", '"yes" (string)', ()),
    ('{"n":5,"flag":true,"tags":["1","2"],"mode":"a"}', "tags[0]", "an integer", '"1" (string)', ()),
    (
        '{"n":5,"flag":true,"tags":[1,2],"mode":"c"}',
        "mode",
        "one of the valid choices",
        '"c" (string)',
        ('"a"', '"b"'),
    ),
    (
        '{"n":5,"flag":true,"tags":[1,2],"mode":"a","x":1}',
        "x",
        "no such key",
        'the key "x"',
        ("n", "flag", "tags", "mode"),
    ),
    ('{"flag":true,"tags":[1,2],"mode":"a"}', "n", "an integer", "nothing: the key is missing", ()),
    ('{"n":5,"flag":true,"tags":"[1,2]","mode":"a"}', "tags", "an array", '"[1,2]" (string)', ()),
    (
        GOOD + " I hope this helps!",
        "",
        "one JSON value and nothing after it",
        "more text: I hope this helps!",
        (),
    ),
    (GOOD[:-6], "", "complete JSON", None, ()),
    (f"```json\n{GOOD}\n```", "", "bare JSON without a code fence", None, ()),
    # Not in the table, but of its kind.
    (GOOD.replace("5", "5.0"), "n", "an integer", "5.0 (number)", ()),
    (GOOD.replace("5", "5e0"), "n", "an integer", "5.0 (number)", ()),
    (GOOD.replace("5", "true"), "n", "an integer", "true (boolean)", ()),
    (GOOD.replace("5", "null"), "n", "an integer", "null", ()),
    (GOOD.replace("true", "1"), "flag", "true or false", "1 (integer)", ()),
    (GOOD.replace('"a"', '"A"'), "mode", "one of the valid choices", '"A" (string)', ('"a"', '"b"')),
    (GOOD.replace("[1,2]", "1"), "tags", "an array", "1 (integer)", ()),
    (GOOD.replace("[1,2]", '{"0":1}'), "tags", "an array", '{"0":1} (object)', ()),
    (GOOD.replace("[1,2]", "[1,null]"), "tags[1]", "an integer", "null", ()),
    (GOOD.replace("[1,2]", "[1,2,]"), "", "valid JSON", None, ()),
    ('{"n":5,"n":6,"flag":true,"tags":[],"mode":"a"}', "n", "each key once", "the key n twice", ()),
    (GOOD.replace("5", "NaN"), "", "a finite number", "NaN", ()),
    (GOOD.replace("5", "-Infinity"), "", "a finite number", "-Infinity", ()),
    (GOOD.replace("5", "1e999"), "", "a finite number", "1e999", ()),
    (GOOD.replace("5", "9" * 2000), "", "a number of ordinary size", "2000 digits", ()),
    (GOOD.replace("5", "9000000000000000001"), "n", "an integer", "9000000000000000001 (integer)", ()),
    ("Sure! " + GOOD, "", "JSON from the first character", None, ()),
    (f"[{GOOD}]", "", "an object", None, ()),
    ("", "", "one JSON value", "no text at all", ()),
    ("'n'", "", "JSON from the first character", "'n'", ()),
    (GOOD.replace('"a"', '"\\ud800"'), "", "valid Unicode text", "an unpaired surrogate escape", ()),
    ("[" * 100_000, "", "JSON with less nesting", "more levels than can be read", ()),
    ("[" * 80 + "]" * 80, "", "JSON of at most 64 levels", "deeper nesting", ()),
]


@pytest.mark.parametrize(
    ("text", "path", "expected", "got", "valid"), FAULTS, ids=[row[0][:48] for row in FAULTS]
)
def test_every_fault_is_rejected_with_path_expected_got_and_choices(
    text: str, path: str, expected: str, got: str | None, valid: tuple[str, ...]
) -> None:
    with pytest.raises(ContractViolation) as caught:
        TOOL.parse(text)
    problem = caught.value.problems[0]
    assert (problem.path, problem.expected, problem.valid) == (path, expected, valid)
    assert got is None or problem.got == got
    assert caught.value.raw == text
    assert caught.value.example == '{"n":1,"flag":true,"tags":[1],"mode":"a"}'
    message = problems_text(caught.value.problems, caught.value.example)
    assert len(message) <= 400
    assert caught.value.example in message


@pytest.mark.parametrize("text", [row[0] for row in FAULTS if len(row[0]) < 200], ids=lambda text: text[:40])
def test_the_grammar_refuses_every_fault_too(text: str) -> None:
    assert not accepts(TOOL, text)


def test_what_is_right_passes_and_nothing_is_changed() -> None:
    assert TOOL.parse(GOOD) == {"n": 5, "flag": True, "tags": [1, 2], "mode": "a"}
    assert TOOL.parse(' { "mode" : "a", "tags":[], "flag":false,\n"n":-0 } ') == {
        "n": 0,
        "flag": False,
        "tags": [],
        "mode": "a",
    }


def test_all_problems_are_told_at_once_and_a_flood_is_cut() -> None:
    problems = TOOL.check({"n": "5", "flag": 1, "tags": [], "mode": "c"})
    assert [problem.path for problem in problems] == ["n", "flag", "mode"]
    assert len(Contract.of(Annotated[list[int], Field(max_length=10_000)]).check(["x"] * 10_000)) == 20


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


@dataclass
class Point:
    x: int
    y: float = 0.0


WRONG: list[tuple[Any, list[str]]] = [
    (int, ["5.0", '"5"', "true", "null", "[5]", "1e3", "9000000000000000001"]),
    (float, ['"5"', "true", "null", "9e18000", "-9000000000000000001"]),
    (bool, ["0", "1", '"true"', "null", "[]"]),
    (str, ["5", "null", "true", '["a"]']),
    (type(None), ["false", "0", '""', '"null"', "{}"]),
    (Literal["a", 1], ["true", "1.0", '"A"', '"1"', "null"]),
    (Colour, ['"RED"', '"Red"', '"Colour.RED"', "0"]),
    (Level, ['"LOW"', "1.0", "true", "3"]),
    (
        date,
        [
            '"2024-02-30"',
            '"2023-02-29"',
            '"1900-02-29"',
            '"0000-01-01"',
            '"2024-1-1"',
            '"2024-01-01T00:00:00"',
            "20240101",
            '"2024-04-31"',
        ],
    ),
    (time, ['"24:00:00"', '"10:00:60"', '"10:00"', '"1000"', '"10:00:00Z"', '"10:60:00"', "36000"]),
    (
        datetime,
        [
            '"2024-01-01 10:00:00"',
            '"2024-01-01"',
            '"2024-01-01T10:00:60Z"',
            '"2024-01-01T10:00:00+24:00"',
            '"0000-01-01T00:00:00"',
        ],
    ),
    (timedelta, ['"P"', '"PT"', '"P1Y"', '"1h"', "3600", '"PT1H2H"', '"P123456789D"']),
    (Decimal, ["1.5", '"1e5"', '"NaN"', '"01"', '"1,5"', '""', '"Infinity"']),
    (UUID, ['"123"', '"123e4567e89b12d3a456426614174000"', '"{123e4567-e89b-12d3-a456-426614174000}"']),
    (Email, ['"a"', '"a@b"', '"a b@c.de"', '"a@@b.de"', '".a@b.de"', '"a@b.de\\n"']),
    (
        Url,
        [
            '"a.de"',
            '"ftp://a.de"',
            '"https://"',
            '"https://a b.de"',
            '"https://a.de:99999"',
            '"javascript:alert(1)"',
        ],
    ),
    (tuple[int, str], ["[1]", '[1,"a",2]', '["a",1]', "{}"]),
    (dict[str, int], ['{"a":"1"}', '[["a",1]]', '{"a":1,"a":1}', "null"]),
    (dict[Colour, int], ['{"RED":1}', '{"red":"1"}']),
    (Point, ['{"y":1.0}', '{"x":1,"z":1}', "[1,2]", '{"x":1.0}', '{"x":1,"y":null}']),
    (int | None, ['"null"', "0.0", '""']),
    (Annotated[int, Field(ge=1, le=5)], ["0", "6"]),
    (Annotated[int, Field(multiple_of=5)], ["3"]),
    (Annotated[float, Field(gt=0, lt=1)], ["0", "0.0", "1", "1.0", "0.99999999999999999999"]),
    (Annotated[str, Field(min_length=2, max_length=3)], ['"a"', '"abcd"']),
    (Annotated[str, Field(pattern=r"^\d+$")], ['"a"', '"٣"', '"1\\n"', '""']),
    (Annotated[list[int], Field(min_length=1, max_length=2)], ["[]", "[1,2,3]"]),
    (Annotated[Decimal, Field(max_digits=4, decimal_places=2)], ['"123.45"', '"1.234"', '"12345"']),
    (Annotated[Decimal, Field(ge=0, le=10)], ['"-1"', '"10.01"', '"11"']),
    (Annotated[date, Field(ge=date(2024, 1, 1))], ['"2023-12-31"']),
]


@pytest.mark.parametrize(
    ("tp", "text"), [(tp, text) for tp, texts in WRONG for text in texts], ids=lambda item: str(item)[-44:]
)
def test_no_supported_type_coerces(tp: Any, text: str) -> None:
    contract = Contract.of(tp)
    with pytest.raises(ContractViolation):
        contract.parse(text)
    assert not accepts(contract, text) or contract.report.after


RIGHT: list[tuple[Any, str, Any]] = [
    (float, "5", 5.0),
    (float, "0.5e1", 5.0),
    (str, '"2024-01-01"', "2024-01-01"),
    (str, '"\\u00e9\\/"', "é/"),
    (date, '"2024-02-29"', date(2024, 2, 29)),
    (date, '"2000-02-29"', date(2000, 2, 29)),
    (date, '"9999-12-31"', date.max),
    (time, '"23:59:59.5"', time(23, 59, 59, 500_000)),
    (datetime, '"2024-01-01T10:00:00Z"', datetime.fromisoformat("2024-01-01T10:00:00+00:00")),
    (timedelta, '"PT90M"', timedelta(minutes=90)),
    (timedelta, '"-P1DT0.25S"', -timedelta(days=1, microseconds=250_000)),
    (Decimal, '"-0.10"', Decimal("-0.10")),
    (Level, "2", Level.HIGH),
    (Literal[1, True], "true", True),
    (dict[Colour, int], '{"blue":1}', {Colour.BLUE: 1}),
    (Point, '{"x":1,"y":2}', Point(1, 2.0)),
]


@pytest.mark.parametrize(("tp", "text", "value"), RIGHT, ids=lambda item: str(item)[-30:])
def test_right_values_are_read_as_their_python_type(tp: Any, text: str, value: Any) -> None:
    read = Contract.of(tp).parse(text)
    assert read == value
    assert type(read) is type(value)


class Booking(BaseModel):
    """A stay."""

    first: date
    last: date
    guest: Annotated[str, AfterValidator(lambda name: name.strip() or _no("a name"))]

    @model_validator(mode="after")
    def in_order(self) -> Booking:
        if self.last < self.first:
            raise ValueError("last must not be before first")
        return self


def _no(what: str) -> str:
    raise ValueError(f"give {what}")


def test_validators_of_a_model_run_and_are_reported_as_after() -> None:
    contract = Contract.of(Booking)
    assert contract.parse('{"first":"2024-01-01","last":"2024-01-02","guest":" Anna "}').guest == "Anna"
    text = '{"first":"2024-01-02","last":"2024-01-01","guest":"Anna"}'
    assert accepts(contract, text)
    with pytest.raises(ContractViolation, match="last must not be before first"):
        contract.parse(text)
    assert [
        problem.path
        for problem in contract.check({"first": "2024-01-01", "last": "2024-01-02", "guest": " "})
    ] == ["guest"]
    assert set(contract.report.after) == {
        "guest: Python validator (AfterValidator)",
        "value: Python validator (Booking.in_order)",
    }
    assert "first: pattern" in contract.report.by_grammar
    assert "value: required" in contract.report.by_grammar


def test_validators_run_outside_models_too() -> None:
    even = Annotated[
        int, AfterValidator(lambda number: number if number % 2 == 0 else int(_no("an even number")))
    ]
    contract = Contract.of(list[even])
    assert contract.parse("[2,4]") == [2, 4]
    assert [str(problem) for problem in contract.check([2, 3])] == [
        "[1]: expected Value error, give an even number, got 3"
    ]


def test_the_hash_covers_constraints_and_no_words() -> None:
    plain = Contract.of(Annotated[int, Field(ge=1)])
    described = Contract.of(Annotated[int, Field(ge=1, description="How many", examples=[3])])
    assert plain.schema_hash == described.schema_hash
    assert plain.grammar == described.grammar
    assert plain.schema_hash.startswith("sha256:")
    assert plain.schema_hash != Contract.of(Annotated[int, Field(ge=2)]).schema_hash


def test_dump_refuses_what_is_not_of_the_type() -> None:
    for tp, value in [
        (int, "5"),
        (int, True),
        (int, 2**70),
        (float, float("nan")),
        (str, "\ud800"),
        (date, datetime.fromisoformat("2024-01-01")),
        (time, time.fromisoformat("10:00:00+01:00")),
        (list[int], (1,)),
        (Colour, "red"),
        (Point, {"x": 1}),
        (Decimal, Decimal("Infinity")),
        (int | str, 1.5),
        (timedelta, timedelta.max),
    ]:
        with pytest.raises(ContractViolation):
            Contract.of(tp).dump(value)


def test_problem_texts_stay_short_and_keep_the_first() -> None:
    problems = [
        Problem(f"rows[{index}].column", "one of the valid choices", '"x"', ("a", "b")) for index in range(50)
    ]
    text = problems_text(problems, '{"rows":[]}')
    assert len(text) <= 400
    assert text.startswith("- rows[0].column: expected one of the valid choices")
    assert "more" in text
    assert text.endswith('Valid example: {"rows":[]}')
    assert len(problems_text([Problem("x", "y" * 1000, "z")], "e" * 1000)) <= 400


def test_describe_is_a_short_signature() -> None:
    assert TOOL.describe() == '{n: int, flag: boolean, tags: int[], mode: "a" | "b"}'
    assert Contract.of(Annotated[int, Field(ge=1, le=5)] | None).describe() == "int<>=1 <=5> | null"
    assert Contract.of(dict[str, Point]).describe() == "{[key: string]: {x: int, y?: number}}"
