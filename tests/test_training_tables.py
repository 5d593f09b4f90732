"""The tables recipe: values stand in the question, calls fit their table, a seed fixes the rows."""

from __future__ import annotations

import json
import random
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from training import tables as recipe  # noqa: E402
from training.tables_questions import INTENTS, ask  # noqa: E402
from training.tables_schemas import HELD_OUT, TABLES, parse_tables  # noqa: E402

SEEN, UNSEEN = parse_tables(TABLES), parse_tables(HELD_OUT)
AGGREGATES = ["count", "count_distinct", "sum", "avg", "min", "max"]


def schema(columns: list[tuple[str, str]]) -> dict[str, Any]:
    """query_table's arguments for that table, as the expert's contract will have them."""

    def thing(properties: dict[str, Any], *required: str) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": properties,
            "required": list(required),
            "additionalProperties": False,
        }

    def named(*types: str) -> dict[str, Any]:
        return {"enum": [name for name, type in columns if type in types]}

    every = {"enum": [*(name for name, _ in columns), "*"]}
    order = ["=", "!=", "<", ">", "<=", ">="]
    conditions = [
        thing(
            {"column": named("number"), "op": {"enum": order}, "value": {"type": "number"}},
            "column",
            "op",
            "value",
        ),
        thing(
            {"column": named("date"), "op": {"enum": order}, "value": {"type": "string"}},
            "column",
            "op",
            "value",
        ),
        thing(
            {"column": named("text"), "op": {"enum": ["=", "!=", "contains"]}, "value": {"type": "string"}},
            "column",
            "op",
            "value",
        ),
        thing(
            {
                "column": named("text"),
                "op": {"const": "in"},
                "value": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            },
            "column",
            "op",
            "value",
        ),
        thing(
            {"column": named("bool"), "op": {"const": "="}, "value": {"type": "boolean"}},
            "column",
            "op",
            "value",
        ),
    ]
    selected = thing({"column": every, "aggregate": {"enum": AGGREGATES}}, "column")
    ordered = thing(
        {"column": every, "aggregate": {"enum": AGGREGATES}, "direction": {"enum": ["asc", "desc"]}},
        "column",
        "direction",
    )
    query = thing(
        {
            "select": {"type": "array", "items": selected, "minItems": 1},
            "where": {"type": "array", "items": {"anyOf": conditions}, "minItems": 1},
            "group_by": {"type": "array", "items": {"enum": [name for name, _ in columns]}, "minItems": 1},
            "order_by": {"type": "array", "items": ordered, "minItems": 1},
            "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
        },
        "select",
    )
    refusal = thing({"reason": {"type": "string", "minLength": 3}}, "reason")
    return {
        "anyOf": [
            thing({"name": {"const": "query_table"}, "arguments": query}, "name", "arguments"),
            thing({"name": {"const": "refuse"}, "arguments": refusal}, "name", "arguments"),
        ]
    }


def texts(call: dict[str, Any]) -> list[str]:
    values = [condition["value"] for condition in call["arguments"].get("where", [])]
    return [
        text
        for value in values
        for text in (value if isinstance(value, list) else [value])
        if isinstance(text, str)
    ]


@pytest.mark.parametrize("held", [False, True])
def test_generated_calls_fit_their_table_and_copy_their_values(held: bool) -> None:
    dice = random.Random(5)
    intents = set()
    for _ in range(1500):
        question = ask(dice, UNSEEN if held else SEEN, SEEN, held)
        intents.add(question.intent)
        names = [name for name, _ in question.columns]
        assert len(set(names)) == len(names) and 1 <= len(names) <= 12
        problems = list(Draft202012Validator(schema(list(question.columns))).iter_errors(question.call))
        assert not problems, (question.text, question.call, problems[0].message)
        for text in texts(question.call):
            assert text in question.text, (question.text, question.call)
        assert not re.search("[\ue000-\uf8ff{}]", question.text), question.text
    assert intents == {*INTENTS, "refuse"}


def test_generated_conditions_follow_the_question() -> None:
    dice = random.Random(6)
    checked = 0
    for _ in range(1500):
        question = ask(dice, SEEN, SEEN)
        places = [question.text.find(text) for text in texts(question.call)]
        if len(set(places)) > 1 and all(question.text.count(text) == 1 for text in texts(question.call)):
            assert places == sorted(places), (question.text, question.call)
            checked += 1
    assert checked > 50


def test_the_same_seed_gives_the_same_rows_and_development_has_its_own_tables() -> None:
    first = list(recipe.generated_rows(60, 1))
    assert first == list(recipe.generated_rows(60, 1)) != list(recipe.generated_rows(60, 2))
    assert not {table.many for table in SEEN} & {table.many for table in UNSEEN}
    assert len(SEEN) >= 40 and all(3 <= len(table.fields) <= 12 for table in [*SEEN, *UNSEEN])


def test_a_row_carries_prompt_and_compact_answer() -> None:
    call = {"name": "query_table", "arguments": {"select": [{"column": "*", "aggregate": "count"}]}}
    one = recipe.row("1", "test", "How many?", [("order id", "number"), ("city", "text")], call)
    assert one["messages"][1]["content"] == "Columns: order id:number | city:text\nHow many?"
    assert (
        one["messages"][2]["content"]
        == '{"name":"query_table","arguments":{"select":[{"column":"*","aggregate":"count"}]}}'
    )
    assert json.loads(one["messages"][2]["content"]) == one["calls"][0]


def wikisql(question: str, conds: list[list[str]], sel: str = "b", agg: str = "") -> dict[str, Any]:
    return {"table": "t", "q": question, "sel": sel, "agg": agg, "conds": conds}


TYPES = {"a": "text", "b": "text", "n": "number"}


def test_wikisql_values_are_copied_as_the_question_writes_them_in_its_order() -> None:
    item = wikisql(
        "Which b has more than 1,276 n in  SOUTH Wales?",
        [["a", "=", "south wales"], ["n", ">", "1,276"]],
        agg="MAX",
    )
    assert recipe.wikisql_call(item, TYPES) == {
        "name": "query_table",
        "arguments": {
            "select": [{"column": "b", "aggregate": "max"}],
            "where": [
                {"column": "n", "op": ">", "value": 1276},
                {"column": "a", "op": "=", "value": "SOUTH Wales"},
            ],
        },
    }


def test_wikisql_rows_that_cannot_be_copied_are_left_out() -> None:
    tables = {"t": {"cols": list(TYPES), "types": list(TYPES.values())}}
    items = [
        wikisql("Which b for Rome?", [["a", "=", "Paris"]]),
        wikisql("Which b above 3?", [["a", ">", "3"]]),
        wikisql("Which b?", []),
    ]
    rows = list(recipe.wikisql_rows(items, tables, "train"))
    assert [one["id"] for one in rows] == ["wikisql-train-2"] and rows[0]["calls"][0]["arguments"] == {
        "select": [{"column": "b"}]
    }


def test_a_value_is_found_as_a_whole_word_before_a_part_of_one() -> None:
    assert recipe.occurrences("art", "started with Art") == [(13, 16), (2, 5)]
    item = wikisql("b where a is 12 and n is 2?", [["n", "=", "2"], ["a", "=", "12"]])
    call = recipe.wikisql_call(item, TYPES)
    assert call is not None and [condition["column"] for condition in call["arguments"]["where"]] == [
        "a",
        "n",
    ]


@pytest.mark.parametrize(
    ("text", "number"),
    [("1,276", 1276), ("0.5", 0.5), ("-3", -3), ("2.0", 2.0), ("12th", None), ("1/2", None), ("", None)],
)
def test_numbers_are_read_strictly(text: str, number: float | None) -> None:
    assert recipe.as_number(text) == number
