"""What stands above a request: which tools are candidates, and how one reads in one line."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from speeddial.contract.toolline import tool_line
from speeddial.definition import tool_of
from speeddial.ranking import best, words

BOOK = {
    "name": "book_table",
    "description": "Book a table.\nIt is held for 15 minutes.",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "The city"},
            "people": {"type": "integer", "minimum": 1, "maximum": 20, "description": "Size of the party"},
            "on": {"type": "string", "format": "date"},
            "at": {"type": "string", "format": "time", "default": "19:00"},
            "seats": {"type": "array", "items": {"type": "string", "enum": ["window", "quiet"]}},
            "guest": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "child": {"type": "boolean"}},
                "required": ["name"],
            },
        },
        "required": ["city", "people"],
    },
}


def _line(item: dict[str, Any]) -> str:
    tool = tool_of(item)
    return tool_line(tool.name, tool.contract.full_schema, tool.description)


def test_a_tool_reads_in_one_line() -> None:
    assert _line(BOOK) == (
        'book_table(city: string, people: int 1..20 "Size of the party", on?: date, at?: time = "19:00", '
        'seats?: ["window"|"quiet"], guest?: {name: string, child?: bool}) - Book a table'
    )


@given(st.text(max_size=400), st.text(max_size=300), st.text(min_size=1, max_size=20))
def test_hostile_words_stay_in_the_line(description: str, note: str, key: str) -> None:
    parameters = {"type": "object", "properties": {key: {"type": "string", "description": note}}}
    line = _line({"name": "f", "description": description, "parameters": parameters})
    assert len(line.splitlines()) == 1
    assert len(line) < 400


def test_the_best_of_many_tools_share_words_with_the_request() -> None:
    texts = {f"tool{number}": f"does thing number {number}" for number in range(300)}
    texts |= {
        "getWeather": "getWeather: forecast of a city",
        "book_table": "book_table: reserve a restaurant table",
        "bookFlight": "bookFlight: flights between airports",
    }
    assert best("weather in Oslo", texts, 1) == ["getWeather"]
    assert best("please book a flight to Rome", texts, 2) == ["bookFlight", "book_table"]
    assert len(best("", texts, 6)) == 6


def test_words_are_taken_apart() -> None:
    assert words("getHTTPStatus_code2 bookings") == ["httpstatu", "cod", "2", "book"]
