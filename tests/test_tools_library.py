"""The ratings book, the catalogue and the screenings, on real files."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from rooms import Desk

from speeddial.errors import ToolError, UserError

CATALOGUE = """\
title,type,creator,year,reading
Middlemarch,novel,George Eliot,1871,current
Emma,novel,Jane Austen,1815,previous
The Third Man,film,Carol Reed,1949,
The Third Man,soundtrack,Anton Karas,1949,
Outer Wilds,video game,Mobius,2019,
Six Essays,essay,,2001,current
"""
SCREENINGS = """\
film,cinema,start,kind,distance
Ikiru,Odeon,2026-11-22T20:15,,2.5
Ikiru,Odeon,2026-11-22T11:00,,2.5
Spirited Away,Odeon,2026-11-23T16:00,animated,2.5
Playtime,Loews Cineplex Theatre,2026-11-22T19:00,,0.8
Stalker,Far Screen,2026-11-24T18:00,,30
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace/catalogue.csv").write_text(CATALOGUE, encoding="utf-8")
    (tmp_path / "workspace/screenings.csv").write_text(SCREENINGS, encoding="utf-8")
    return Desk(tmp_path / "workspace")


def lines(desk: Desk) -> list[dict[str, str]]:
    with (desk.workspace / "ratings.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_rating_stands_in_the_book_once(desk: Desk) -> None:
    arguments = {"object_name": "Ulysses", "rating_value": "four", "best_rating": "6", "rating_unit": "stars"}
    first = desk.run("rate_book", key="run-1", **arguments)
    assert first.text == "Rated Ulysses: 4 of 6 stars."
    assert desk.run("rate_book", key="run-1", **arguments).value == first.value
    (line,) = lines(desk)
    assert (line["title"], line["rating"], line["best"], line["unit"]) == ("Ulysses", "4", "6", "stars")


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        ({"object_select": "this", "object_type": "novel"}, "Middlemarch"),
        ({"object_select": "current", "object_type": "essay"}, "Six Essays"),
        ({"object_select": "previous", "object_type": "book"}, "Emma"),
        ({"object_select": "last", "object_part_of_series_type": "saga"}, "Emma"),
    ],
)
def test_this_book_is_the_one_that_the_catalogue_marks(
    desk: Desk, arguments: dict[str, str], title: str
) -> None:
    assert desk.run("rate_book", rating_value="4.5", **arguments).value["title"] == title


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"object_name": "Emma", "rating_value": "six"}, "expected at most 5, got 'six'"),
        ({"object_name": "Emma", "rating_value": "great"}, "rating_value: expected a number"),
        (
            {"object_name": "Emma", "rating_value": "4", "best_rating": "all"},
            "best_rating: expected a number",
        ),
        ({"rating_value": "4"}, "expected the title"),
        ({"object_select": "this", "rating_value": "4"}, "got 'this'; in the catalogue: Middlemarch, Six"),
        ({"object_select": "next", "object_type": "book", "rating_value": "4"}, "none is marked 'next'"),
        ({"object_select": "that", "object_type": "book", "rating_value": "4"}, "none is marked 'that'"),
    ],
)
def test_what_cannot_be_rated_is_told(desk: Desk, arguments: dict[str, str], words: str) -> None:
    with pytest.raises(ToolError, match=words):
        desk.run("rate_book", **arguments)
    assert not (desk.workspace / "ratings.csv").exists()


def test_works_are_found_by_title_and_kind(desk: Desk) -> None:
    assert desk.text("search_creative_work", object_name="the third man", object_type="movie") == (
        "The Third Man, film, Carol Reed, 1949"
    )
    assert len(desk.run("search_creative_work", object_name="third man").value["works"]) == 2
    assert "Outer Wilds" in desk.text("search_creative_work", object_name="Outer Wild", object_type="game")
    assert "None of them is a painting" in desk.text(
        "search_creative_work", object_name="Emma", object_type="painting"
    )
    assert desk.text("search_creative_work", object_name="Dune") == "The catalogue has nothing called 'Dune'."


@pytest.mark.parametrize(
    ("arguments", "films"),
    [
        ({}, ["Playtime", "Ikiru", "Spirited Away", "Stalker"]),
        ({"movie_name": "ikiru", "timeRange": "tonight"}, ["Ikiru"]),
        ({"movie_name": "ikiru", "timeRange": "tomorrow"}, []),
        ({"object_type": "movie times", "location_name": "loews cineplex"}, ["Playtime"]),
        ({"location_name": "Loews Cineplex Theater"}, ["Playtime"]),
        ({"movie_type": "animated movies"}, ["Spirited Away"]),
        ({"movie_type": "films", "spatial_relation": "nearest"}, ["Playtime"]),
        ({"spatial_relation": "in the neighborhood"}, ["Playtime", "Ikiru", "Spirited Away"]),
        ({"timeRange": "today"}, ["Ikiru", "Playtime", "Ikiru"]),
    ],
)
def test_screenings_are_found(desk: Desk, arguments: dict[str, str], films: list[str]) -> None:
    found = desk.run("search_screening_event", **arguments)
    assert [item["film"] for item in found.value["screenings"]] == films
    assert found.text if films else found.text == "No screening fits that."


def test_wrong_words_and_files_are_told(desk: Desk) -> None:
    with pytest.raises(ToolError, match="expected a cinema, got 'Ritz'; valid: Far Screen"):
        desk.run("search_screening_event", location_name="Ritz")
    with pytest.raises(ToolError, match="timeRange: expected a time"):
        desk.run("search_screening_event", timeRange="whenever")
    path = desk.workspace / "screenings.csv"
    path.write_text("film,cinema,start\nIkiru,Odeon,2026-11-22T20:15\n", encoding="utf-8")
    with pytest.raises(UserError, match="no column distance"):
        desk.run("search_screening_event", spatial_relation="nearest")
    path.write_text("film,cinema,start\nIkiru,Odeon,tonight\n", encoding="utf-8")
    with pytest.raises(UserError, match="start 'tonight' is no moment"):
        desk.run("search_screening_event")
