"""Contracts of JSON Schemas that others wrote: closing, bounding, rewriting, agreement with jsonschema."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest
from contract_strategies import Typed, accepts, typed, walk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import TypeAdapter, ValidationError

from speeddial.contract import Contract, parse_json
from speeddial.contract.formats import has_format
from speeddial.contract.jsontext import write_json
from speeddial.errors import ContractViolation, DefinitionError

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Where"},
        "days": {"type": "integer", "minimum": 1, "maximum": 7},
        "units": {"enum": ["metric", "imperial"]},
    },
    "required": ["city"],
}


def test_an_object_that_lists_properties_is_closed_and_bounded() -> None:
    contract = Contract.from_schema(WEATHER)
    assert contract.schema["additionalProperties"] is False
    assert contract.schema["properties"]["city"]["maxLength"] == 4096
    assert contract.parse('{"city":"Bonn","days":3}') == {"city": "Bonn", "days": 3}
    assert [str(problem) for problem in contract.check({"city": "Bonn", "days": 3.0, "x": 1})] == [
        "days: expected an integer >= 1 and <= 7, got 3.0 (number)",
        'x: expected no such key, got the key "x"; valid: city, days, units',
    ]
    assert contract.dump({"units": "metric", "city": "Bonn"}) == '{"city":"Bonn","units":"metric"}'
    assert "additionalProperties" not in WEATHER


def test_an_object_that_says_others_are_welcome_stays_open() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": True}
    contract = Contract.from_schema(schema)
    assert contract.check({"a": 1, "b": [1]}) == []
    assert "value: duplicate keys" in contract.report.after


def test_parts_of_a_combination_are_not_closed_against_each_other() -> None:
    schema = {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"$ref": "#/$defs/named"},
        ],
        "$defs": {
            "named": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
        },
    }
    contract = Contract.from_schema(schema)
    assert contract.check({"a": 1, "name": "x"}) == []
    assert contract.grammar
    single = {"anyOf": [{"type": "object", "properties": {"a": {"type": "integer"}}}, {"type": "null"}]}
    assert Contract.from_schema(single).check({"b": 1})


AFTER: list[tuple[dict[str, Any], str, list[Any], list[Any]]] = [
    (
        {"type": "array", "items": {"enum": [1, 2, 3, 4, 5, 6]}, "uniqueItems": True},
        "uniqueItems",
        [[1, 2], []],
        [[1, 1]],
    ),
    ({"type": "string", "pattern": "^[a-c]$", "not": {"const": "a"}}, "not", ["b"], ["a"]),
    ({"type": "array", "items": {"type": "integer"}, "contains": {"const": 1}}, "contains", [[1, 2]], [[2]]),
    ({"type": "string", "pattern": "^(?!x).*$"}, "pattern", ["abc"], ["xbc"]),
    ({"type": "string", "format": "idn-hostname"}, "format idn-hostname", ["bär.de"], ["a..de", "a.de."]),
    ({"type": "string", "format": "regex"}, "format regex", ["^a(?:b|c)$"], ["(", "(?P<x>a)"]),
    ({"oneOf": [{"type": "integer", "minimum": 1}, {"type": "integer", "maximum": 5}]}, "oneOf", [7, 0], [3]),
    (
        {
            "type": "object",
            "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
            "if": {"properties": {"k": {"const": "a"}}},
            "then": {"required": ["v"]},
        },
        "if",
        [{"k": "b"}, {"k": "a", "v": 1}],
        [{"k": "a"}],
    ),
    (
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "minProperties": 1,
        },
        "minProperties",
        [{"b": 1}],
        [{}],
    ),
    ({"type": "integer", "minimum": 2**60 + 1}, "minimum", [2**60 + 1], [2**60]),
]


@pytest.mark.parametrize(("schema", "keyword", "right", "wrong"), AFTER, ids=[row[1] for row in AFTER])
def test_what_the_grammar_cannot_hold_is_reported_and_checked(
    schema: dict[str, Any], keyword: str, right: list[Any], wrong: list[Any]
) -> None:
    contract = Contract.from_schema(schema)
    assert any(line.startswith(f"value: {keyword}") for line in contract.report.after), contract.report.after
    for value in right:
        assert contract.check(value) == []
        assert accepts(contract, write_json(value))
    for value in wrong:
        assert contract.check(value)


REWRITTEN: list[tuple[dict[str, Any], list[Any], list[Any]]] = [
    (
        {"type": "array", "items": {"enum": [1, 2, 3]}, "uniqueItems": True, "minItems": 1},
        [[1, 2], [3, 1, 2], [2]],
        [[1, 1], [], [4], [1, 2, 3, 1]],
    ),
    (
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True},
        [[], [False, True]],
        [[True, True]],
    ),
    (
        {"type": "object", "additionalProperties": {"type": "integer"}, "dependencies": {"a": ["b"]}},
        [{"a": 1, "b": 2}, {"c": 1}, {}],
        [{"a": 1}, {"a": 1, "c": 2}, {"b": "x"}],
    ),
    (
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "dependentRequired": {"a": ["b"]},
        },
        [{"b": 1}, {"a": 1, "b": 2}, {}],
        [{"a": 1}, {"c": 1}],
    ),
    (
        {
            "type": "object",
            "properties": {"k": {"enum": ["a", "b"]}, "v": {"type": "integer"}},
            "if": {"properties": {"k": {"const": "a"}}},
            "then": {"required": ["v"]},
        },
        [{"k": "b"}, {"k": "a", "v": 1}, {"v": 1}],
        [{"k": "a"}, {}, {"x": 1}],
    ),
    (
        {
            "type": "object",
            "properties": {"gift": {"type": "boolean"}},
            "if": {"properties": {"gift": {"const": True}}, "required": ["gift"]},
            "then": {"properties": {"card": {"type": "string"}}, "required": ["card"]},
            "else": {"properties": {"price": {"type": "integer"}}, "required": ["price"]},
        },
        [{"gift": True, "card": "x"}, {"price": 3}, {"gift": False, "price": 3}],
        [{"gift": True}, {}, {"gift": False}, {"gift": True, "card": 1}, {"price": 3, "other": 1}],
    ),
    (
        {
            "type": "object",
            "oneOf": [
                {"properties": {"type": {"enum": ["a"]}, "value": {"type": "string"}}},
                {"properties": {"type": {"enum": ["b", "c"]}, "value": {"type": "integer"}}},
            ],
        },
        [{"type": "a", "value": "x"}, {"type": "c", "value": 1}, {"type": "b"}],
        [{}, {"type": "a", "value": 1}, {"type": "d"}],
    ),
    (
        {
            "type": "object",
            "properties": {key: {"type": "integer"} for key in ("radius", "length", "width")},
            "oneOf": [{"required": ["radius"]}, {"required": ["length", "width"]}],
        },
        [{"radius": 1}, {"radius": 1, "width": 2}, {"length": 1, "width": 2}],
        [{}, {"width": 1}, {"radius": 1, "length": 1, "width": 2}],
    ),
    (
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "not": {"required": ["a", "b"]},
        },
        [{}, {"a": 1}, {"b": 1}],
        [{"a": 1, "b": 1}],
    ),
    (
        {
            "type": "object",
            "properties": {key: {"type": "integer"} for key in "abcdef"},
            "required": ["a"],
            "dependentRequired": {"a": ["b"], "b": ["c"], "d": ["e"]},
        },
        [{"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}],
        [{"a": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 1, "c": 1, "d": 1}],
    ),
    # Closed though alternatives stand beside it: they name the keys that there are.
    (
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        [{"a": 1}, {"b": 1}, {"a": 1, "b": 2}],
        [{}, {"a": 1, "c": 1}],
    ),
    ({"enum": ["a", "b"], "not": {"const": "b"}}, ["a"], ["b"]),
    ({"type": "string", "not": {"enum": ["a", "ab"]}}, ["", "b", "abc", "ac"], ["a", "ab"]),
    ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, ["a", 1], [None, 1.5]),
    ({"oneOf": [{"const": 1}, {"enum": [2, 3]}]}, [1, 3], [4]),
    (
        {
            "oneOf": [
                {
                    "type": "object",
                    "properties": {"k": {"const": "a"}, "x": {"type": "integer"}},
                    "required": ["k"],
                },
                {"type": "object", "properties": {"k": {"const": "b"}}, "required": ["k"]},
            ]
        },
        [{"k": "a", "x": 1}, {"k": "b"}],
        [{"k": "b", "x": 1}, {"k": "c"}],
    ),
    (
        {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "propertyNames": {"enum": ["a", "b"]},
        },
        [{"a": 1}],
        [{"c": 1}],
    ),
    (
        {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "propertyNames": {"pattern": "^[a-z]$"},
        },
        [{"a": 1}],
        [{"C": 1}],
    ),
    ({"type": "string", "format": "date"}, ["2024-02-29"], ["2023-02-29", "0000-01-01"]),
    (
        {"type": "string", "format": "date-time"},
        ["2024-02-29T10:00:00Z"],
        ["2024-02-29T10:00:60Z", "2024-02-29T10:00:00"],
    ),
    ({"type": "string", "format": "time"}, ["10:00:00Z"], ["10:00:60Z"]),
    ({"type": "string", "format": "idn-email"}, ["a@b.de", "å.ß@bär.de"], ["ab", "a@b@c", "a b@c.de"]),
    ({"type": "string", "format": "email"}, ["a@b.de", "a" * 64 + "@b.de"], ["ab", "a" * 65 + "@b.de"]),
    ({"type": "string", "format": "idn-email"}, ["ä" * 20 + "@b.de"], ["a" * 65 + "@b.de"]),
    (
        {"type": "object", "properties": {"a": {}, "B": {}}, "propertyNames": {"pattern": "^[a-z]+$"}},
        [{"a": 1}, {}],
        [{"B": 1}],
    ),
    # An enum may name a value twice.
    (
        {"type": "array", "items": {"enum": [1, 1.0, "a"]}, "uniqueItems": True},
        [[1, "a"]],
        [[1, 1], ["a", "a"]],
    ),
    ({"type": "string", "pattern": r"^\p{Lu}+$"}, ["ÄB"], ["äB"]),
    ({"type": "string", "format": "json-pointer"}, ["", "/a~0b/0"], ["a", "/~2"]),
    ({"type": "string", "format": "relative-json-pointer"}, ["0#", "12/a"], ["/a", "01", "١/a"]),
    ({"type": "string", "format": "uri-template"}, ["/{a,b*}?{x:3}"], ["{a,}", "a b", "{v:01}"]),
    ({"type": "string", "format": "uri-reference"}, ["", "../a?b#c", "//h/p", "x:y"], ["a b", "\\a", "%z"]),
    ({"type": "string", "format": "iri"}, ["http://bär.de/ä"], ["/a", "http://a/ b"]),
    ({"type": "string", "format": "iri-reference"}, ["/ä"], ["\\ä"]),
    ({"type": "string", "pattern": r'^[^"]$'}, ["a", "\\", "\n"], ['"']),
    ({"type": "string", "pattern": r"^[^\\]$"}, ["a", '"'], ["\\"]),
    ({"type": "string", "pattern": "^[^]a]$"}, ["b"], ["]", "a"]),
    # White space, words and digits of all scripts: what is none of them must be none for every engine.
    ({"type": "string", "pattern": r"^\S$"}, ["ä"], [" ", "\xa0", "\ufeff", "\x1c"]),
    ({"type": "string", "pattern": r"^[^\s@]$"}, ["ä"], ["@", "\u2003"]),
    ({"type": "string", "pattern": r"^\D$"}, ["ä", "ก"], ["1", "٣", "𝟗"]),
    ({"type": "string", "pattern": r"^\W$"}, ["-", "…"], ["a", "²", "é"]),
    ({"type": "number", "minimum": 0, "exclusiveMaximum": True, "maximum": 2}, [1.5], [2, -1]),
    ({"type": ["string", "null"], "maxLength": 3}, ["abc", None], ["abcd", 1]),
    ({"type": "array", "items": [{"type": "integer"}], "additionalItems": False}, [[1]], [["a"], [1, 2]]),
    ({"const": 1.0}, [1], [1.0, 2, True]),
]


@pytest.mark.parametrize(("schema", "right", "wrong"), REWRITTEN, ids=[str(row[0])[:50] for row in REWRITTEN])
def test_what_can_be_rewritten_is_enforced_by_the_grammar(
    schema: dict[str, Any], right: list[Any], wrong: list[Any]
) -> None:
    contract = Contract.from_schema(schema)
    for value in right:
        assert contract.check(value) == []
        assert accepts(contract, write_json(value))
    for value in wrong:
        assert contract.check(value)
        assert not accepts(contract, write_json(value))


REFUSED: list[tuple[Any, str]] = [
    ("string", "a JSON Schema is expected"),
    ({"$ref": "https://example.com/x.json"}, "points outside"),
    ({"$ref": "#/$defs/none"}, "there is nothing at"),
    ({"$ref": "#"}, "refers to itself"),
    (
        {"type": "object", "properties": {"a": {"anyOf": [{"$ref": "#/properties/a"}, {"type": "null"}]}}},
        "refers to itself",
    ),
    ({"type": "array", "items": {"type": "integr"}, "contains": {}}, "not a JSON Schema"),
    ({"const": 0.12345678901234567}, "more digits"),
    ({"type": "string", "pattern": 5}, "pattern: 5 is not of type 'string'"),
    ({"type": "object", "properties": {"a": {"type": "number", "minimum": "3"}}}, "properties.a.minimum"),
    ({"type": "string", "pattern": "["}, r"regular expression '\[' cannot be read"),
    ({"type": "object", "patternProperties": {r"^\p{L}$": {}}, "not": {}}, "cannot be read"),
]


@pytest.mark.parametrize(("schema", "message"), REFUSED, ids=[row[1] for row in REFUSED])
def test_what_is_no_usable_schema_is_refused(schema: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        Contract.from_schema(schema)


def test_a_pattern_beyond_pythons_own_engine_is_checked_beside_what_jsonschema_checks() -> None:
    contract = Contract.from_schema(
        {"type": "array", "items": {"type": "string", "pattern": r"^\p{Lu}+$"}, "contains": {"const": "Ä"}}
    )
    assert contract.check(["Ä", "B"]) == []
    assert contract.check(["Ä", "b"]) and contract.check(["B"])


def test_where_llguidance_found_no_type_is_said() -> None:
    contract = Contract.from_schema({"type": "object", "properties": {"a": {"type": "any"}}})
    with pytest.raises(DefinitionError, match=r"properties\.a\.type: 'any'"):
        _ = contract.grammar


def test_items_are_the_same_whatever_their_numbers_are_written_like() -> None:
    contract = Contract.from_schema({"type": "array", "uniqueItems": True})
    for text in ("[1,1.0]", "[[5.0],[5]]", '[{"a":1},{"a":1e0}]'):
        with pytest.raises(ContractViolation, match="all differ"):
            contract.parse(text)
    assert contract.parse("[1,true,[1]]") == [1, True, [1]]


def test_a_key_that_property_names_refuse_is_told_as_a_key() -> None:
    contract = Contract.from_schema({"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}})
    (problem,) = contract.check({"B": 1})
    assert str(problem) == 'B: expected a key that is a string that matches ^[a-z]+$, got the key "B"'


def test_a_schema_that_nothing_satisfies_is_refused() -> None:
    contract = Contract.from_schema(
        {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        }
    )
    with pytest.raises(DefinitionError, match="nsatisfiable"):
        _ = contract.grammar


def test_a_schema_that_llguidance_refuses_is_refused_with_its_own_words() -> None:
    contract = Contract.from_schema({"type": "integer", "minimum": 5, "maximum": 1}, name="the tool")
    with pytest.raises(DefinitionError, match=r"the tool: no grammar for this schema: .*5") as caught:
        _ = contract.grammar
    assert caught.value.hint


def table_schema(columns: int) -> dict[str, Any]:
    names = [f"column {index}" for index in range(columns)]
    column = {"enum": names}
    conditions = [
        {
            "type": "object",
            "properties": {
                "column": {"enum": names[0::2]},
                "op": {"enum": ["=", "<", ">"]},
                "value": {"type": "number"},
            },
            "required": ["column", "op", "value"],
        },
        {
            "type": "object",
            "properties": {
                "column": {"enum": names[1::2]},
                "op": {"enum": ["=", "contains"]},
                "value": {"type": "string"},
            },
            "required": ["column", "op", "value"],
        },
    ]
    select = {
        "type": "object",
        "properties": {"column": column, "aggregate": {"enum": ["count", "sum", "avg"]}},
        "required": ["column"],
    }
    return {
        "type": "object",
        "properties": {
            "select": {"type": "array", "items": select, "minItems": 1, "maxItems": 8},
            "where": {"type": "array", "items": {"anyOf": conditions}, "maxItems": 8},
            "group_by": {"type": "array", "items": column, "maxItems": 4},
            "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
        },
        "required": ["select"],
    }


def test_a_table_contract_compiles_in_milliseconds_and_once() -> None:
    assert Contract.from_schema(table_schema(3)).grammar
    contract = Contract.from_schema(table_schema(60))
    start = time.process_time()
    _ = contract.grammar
    first = time.process_time() - start
    again = Contract.from_schema(table_schema(60))
    assert again.schema_hash == contract.schema_hash
    start = time.process_time()
    _ = again.grammar
    second = time.process_time() - start
    # 4 ms on a quiet machine; the bound is for busy ones.
    assert first < 0.1
    assert second < 0.05
    problem = contract.check(
        {"select": [{"column": "column 1"}], "where": [{"column": "column 1", "op": "<", "value": "x"}]}
    )[0]
    assert (problem.path, problem.valid) == ("where[0].op", ('"="', '"contains"'))


def _mutations(value: Any, choose: random.Random) -> Any:
    """`value` with one thing in it changed."""
    others = [
        None,
        True,
        False,
        0,
        1,
        -7,
        2.5,
        5.0,
        1e300,
        "",
        "x",
        "5",
        "2024-01-01",
        [],
        [1],
        {},
        {"a": 1},
        10**30,
    ]
    if isinstance(value, dict) and value and choose.random() < 0.8:
        key = choose.choice(list(value))
        changed = dict(value)
        if choose.random() < 0.2:
            del changed[key]
        else:
            changed[key] = _mutations(value[key], choose)
        return changed
    if isinstance(value, list) and value and choose.random() < 0.8:
        index = choose.randrange(len(value))
        return [*value[:index], _mutations(value[index], choose), *value[index + 1 :]]
    return choose.choice(others)


def _has_whole_float(value: Any) -> bool:
    if isinstance(value, dict | list):
        return any(map(_has_whole_float, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and value.is_integer()


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(typed, st.data(), st.integers(0, 1 << 30))
def test_the_check_agrees_with_jsonschema_and_with_pydantic(
    one: Typed, data: st.DataObject, seed: int
) -> None:
    contract = Contract.of(one.tp)
    value = _mutations(parse_json(contract.dump(data.draw(one.values))), random.Random(seed))
    problems = contract.check(value)
    # The independent validator counts 5.0 as an integer; everything else it must see alike.
    independent = Draft202012Validator(contract.full_schema).is_valid(value)
    if not problems:
        assert independent
        try:
            TypeAdapter(one.tp).validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            raise AssertionError(f"{value} passed the check and not Pydantic") from error
    elif independent:
        assert _has_whole_float(value) or contract.report.after


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(typed, st.data(), st.integers(0, 1 << 30))
def test_a_schema_made_from_a_type_holds_the_same_values(one: Typed, data: st.DataObject, seed: int) -> None:
    typed_contract = Contract.of(one.tp)
    contract = Contract.from_schema(typed_contract.full_schema)
    text = typed_contract.dump(data.draw(one.values))
    value = contract.parse(text)
    assert accepts(contract, contract.dump(value))
    found = walk(contract, random.Random(seed))
    if found is not None and not contract.report.after:
        contract.parse(found)


def test_deeply_nested_faults_take_no_exponential_time() -> None:
    node = {
        "$defs": {
            "n": {
                "oneOf": [
                    {"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}}, "required": ["a"]},
                    {
                        "type": "object",
                        "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"type": "integer"}},
                        "required": ["a"],
                    },
                    {"type": "null"},
                ]
            }
        },
        "$ref": "#/$defs/n",
    }
    value: Any = "wrong"
    for _ in range(50):
        value = {"a": value}
    start = time.process_time()
    with pytest.raises(ContractViolation):
        Contract.from_schema(node).load(value)
    assert time.process_time() - start < 2


def test_a_pattern_made_to_blow_up_backtracking_engines_does_not() -> None:
    contract = Contract.from_schema({"type": "string", "pattern": "^(a+)+$"})
    start = time.process_time()
    assert contract.check("a" * 4000 + "!")
    assert time.process_time() - start < 1


_FORMAT_EXAMPLES = {
    "date-time": ("1963-06-19T08:30:06.283185Z", "1990-12-31T15:59:59-08:00", "2024-02-29t00:00:00z"),
    "duration": ("P4DT12H30M5S", "P1Y2M3DT4H5M6S", "P4W", "PT36H"),
    "hostname": ("www.example.com", "h0stn4me", ".".join(["a" * 63] * 4)),
    "time": ("08:30:06Z", "23:59:59.5+00:20"),
    "uri": ("http://a.b:80/c/?d=e#f", "ldap://[2001:db8::7]/c=GB?one", "urn:oasis:names", "a://%41@b"),
}


@given(st.data())
def test_formats_need_none_of_the_libraries_that_jsonschema_asks_where_they_are_installed(
    data: st.DataObject,
) -> None:
    name = data.draw(st.sampled_from(sorted(_FORMAT_EXAMPLES)))
    text = data.draw(st.sampled_from(_FORMAT_EXAMPLES[name]))
    letters = "".join(_FORMAT_EXAMPLES[name]) + "-ä৪ "
    for _ in range(data.draw(st.integers(0, 3))):
        at, length = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 2))
        text = text[:at] + data.draw(st.text(letters, max_size=2)) + text[at + length :]
    with pytest.MonkeyPatch.context() as patch:
        # An installation without them: jsonschema takes any text of a format that it does not know.
        patch.setattr(FormatChecker, "conforms", lambda *_: True)
        ours = has_format(text, name)
    if ours:
        assert Draft202012Validator.FORMAT_CHECKER.conforms(text, name), (name, text)
