"""The booking book on a real CSV file: when, for how many and where, as a person would write it down."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from rooms import Desk

from speeddial.errors import ToolError


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "workspace")


def lines(desk: Desk) -> list[dict[str, str]]:
    with (desk.workspace / "bookings.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_booking_stands_in_the_book(desk: Desk) -> None:
    text = desk.text(
        "book_restaurant",
        party_size_number="four",
        sort="best",
        cuisine="Moroccan",
        restaurant_type="pub",
        served_dish="pastilla",
        facility="parking",
        spatial_relation="near",
        poi="the station",
        city="Leeds",
        timeRange="tomorrow at seven",
    )
    assert text == (
        "Noted in the booking book: a table for 4 at best Moroccan pub, place: near the station, Leeds, "
        "dish: pastilla, with: parking, on 2026-11-23 at 19:00."
    )
    (line,) = lines(desk)
    assert line["key"] and line["made"] == "2026-11-22T14:00"
    wanted = {"time": "2026-11-23T19:00", "people": "4", "kind": "best Moroccan pub", "dish": "pastilla"}
    assert {name: line[name] for name in wanted} == wanted


def test_the_same_key_books_once(desk: Desk) -> None:
    first = desk.run("book_restaurant", key="run-1", restaurant_name="Harbour Inn", timeRange="tonight")
    again = desk.run("book_restaurant", key="run-1", restaurant_name="Harbour Inn", timeRange="tonight")
    assert again.value == first.value and len(lines(desk)) == 1
    desk.run("book_restaurant", restaurant_name="Harbour Inn", timeRange="tonight")
    assert len(lines(desk)) == 2


@pytest.mark.parametrize(
    ("said", "time", "until"),
    [
        ("at seven", "2026-11-22T19:00", ""),
        ("7 am tomorrow", "2026-11-23T07:00", ""),
        ("noon", "2026-11-23T12:00", ""),
        ("in 2 hours", "2026-11-22T16:00", ""),
        ("december the 5th", "2026-12-05", ""),
        ("next week", "2026-11-23", "2026-11-29"),
        ("friday at half past eight", "2026-11-27T20:30", ""),
    ],
)
def test_when_is_understood(desk: Desk, said: str, time: str, until: str) -> None:
    value = desk.run("book_restaurant", restaurant_name="Inn", timeRange=said).value
    assert (value["time"], value["until"]) == (time, until)


@pytest.mark.parametrize(
    ("said", "people"),
    [
        ("me, Rebecca and Loraine", "3"),
        ("my step father and I", "2"),
        ("Georgia and Doris", "2"),
        ("my nieces and I", ""),
        ("me and my family", ""),
        ("my boss and me", "2"),
    ],
)
def test_people_are_counted_where_words_let_it(desk: Desk, said: str, people: str) -> None:
    booking = desk.run("book_restaurant", party_size_description=said)
    assert booking.value["people"] == people and booking.value["party"] == said
    assert ("for how many" in booking.text) is (people == "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"timeRange": "when pigs fly"}, r"timeRange: expected a day or a time, got 'when pigs fly'"),
        ({"timeRange": "yesterday"}, "expected a time to come"),
        ({"party_size_number": "a few"}, "expected how many people"),
        ({"party_size_number": "0"}, "expected how many people"),
        ({"party_size_number": "four or five"}, "expected how many people"),
        ({}, "got nothing"),
    ],
)
def test_what_cannot_be_understood_is_told_and_not_booked(
    desk: Desk, arguments: dict[str, str], words: str
) -> None:
    with pytest.raises(ToolError, match=words):
        desk.run("book_restaurant", **arguments)
    assert not (desk.workspace / "bookings.csv").exists()
