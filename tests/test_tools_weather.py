"""The weather from a file: the right place and time, and questions of yes or no."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rooms import Desk

from speeddial.errors import ToolError, UserError

FILE = """\
place,state,country,time,condition,temperature,low,high,wind,humidity
Oslo,,Norway,2026-11-22T12:00,cloudy,1,,,12,80
Oslo,,Norway,2026-11-22T15:00,light snow,-2,,,14,85
Oslo,,Norway,2026-11-22T21:00,clear,-6,,,35,60
Oslo,,Norway,2026-11-23,rain showers,,2,6,20,90
Bergen,,Norway,2026-11-22,drizzle,,5,8,,
Springfield,Ohio,United States,2026-11-22,sunny,,8,14,,
Springfield,Illinois,United States,2026-11-22,thunderstorm,,9,13,,
"""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace/weather.csv").write_text(FILE, encoding="utf-8")
    return Desk(tmp_path / "workspace")


def test_the_forecast_of_a_place_and_time_is_read(desk: Desk) -> None:
    assert desk.text("get_weather", city="oslo", timeRange="tomorrow") == (
        "Oslo:\n- Mon 23 Nov: rain showers, 2 to 6 °C, wind 20 km/h, humidity 90 %"
    )
    assert desk.text("get_weather", city="Oslo", timeRange="now").splitlines()[1:] == [
        "- Sun 22 Nov 12:00: cloudy, 1 °C, wind 12 km/h, humidity 80 %"
    ]
    tonight = desk.text("get_weather", city="Oslo", timeRange="tonight")
    assert "21:00: clear, -6 °C" in tonight and "rain" not in tonight


def test_here_and_no_place_are_the_first_rows(desk: Desk) -> None:
    forecast = desk.text("get_weather")
    assert forecast == desk.text("get_weather", current_location="here", spatial_relation="close")
    assert forecast.startswith("Oslo:") and len(forecast.splitlines()) == 5


def test_a_country_is_its_places_and_a_state_tells_towns_apart(desk: Desk) -> None:
    assert [line for line in desk.text("get_weather", country="Norway").splitlines() if line[-1] == ":"] == [
        "Oslo:",
        "Bergen:",
    ]
    both = desk.run("get_weather", city="Springfield").value["places"]
    assert len(both) == 2
    ohio = desk.text("get_weather", city="Springfield", state="ohio")
    assert "sunny" in ohio and "thunder" not in ohio


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        ({"condition_description": "snowy"}, "yes, snowy"),
        ({"condition_description": "rain"}, "yes, rain"),
        ({"condition_description": "rain", "timeRange": "today"}, "no, not rain"),
        ({"condition_description": "foggy"}, "no, not foggy"),
        ({"condition_description": "windy", "timeRange": "tonight"}, "yes, windy"),
        ({"condition_description": "windy", "timeRange": "tomorrow"}, "no, not windy"),
        ({"condition_description": "humid", "timeRange": "now"}, "yes, humid"),
        ({"condition_description": "storm"}, "no, not storm"),
        ({"condition_temperature": "chilly"}, "yes, chilly"),
        ({"condition_temperature": "freezing", "timeRange": "tomorrow"}, "no, not freezing"),
        ({"condition_temperature": "hot"}, "no, not hot"),
        ({"condition_temperature": "warmer", "timeRange": "tomorrow"}, "yes, warmer"),
        ({"condition_temperature": "colder", "timeRange": "tomorrow"}, "no, not colder"),
        ({"condition_temperature": "freezing", "condition_description": "snow"}, "yes, freezing and snow"),
        ({"condition_description": "humidity"}, ""),
    ],
)
def test_questions_of_yes_or_no_are_answered(desk: Desk, arguments: dict[str, str], answer: str) -> None:
    (place,) = desk.run("get_weather", city="Oslo", **arguments).value["places"]
    assert place["answer"].split(" from ")[0] == answer and place["lines"]


def test_thunder_is_a_storm_and_words_are_whole(desk: Desk) -> None:
    text = desk.text("get_weather", city="Springfield", state="Illinois", condition_description="storm")
    assert "yes, storm" in text
    (place,) = desk.run("get_weather", city="Oslo", condition_description="ice").value["places"]
    assert place["answer"].startswith("no")


def test_a_granted_json_file_is_read_with_its_zone(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "forecast.json"
    row = {"place": "Rome", "time": "2026-11-22T13:00Z", "condition": "fair", "temperature": 18.5}
    path.write_text(json.dumps([row]), encoding="utf-8")
    desk.files = {"forecast.json": path}
    assert desk.text("get_weather", city="Rome") == "Rome:\n- Sun 22 Nov 14:00: fair, 18.5 °C"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"city": "Paris"}, "city: expected a place of the weather file, got 'Paris'; valid: Oslo, Bergen"),
        ({"country": "France"}, "country: expected a place"),
        ({"city": "Oslo", "timeRange": "next year"}, "knows Oslo from Sun 22 Nov 12:00 to Mon 23 Nov"),
        ({"timeRange": "one fine day"}, "timeRange: expected a time"),
        ({"city": "Oslo", "spatial_relation": "faraway"}, "knows no distances"),
        ({"city": "Oslo", "condition_temperature": "lukewarm"}, "valid: freezing, cold"),
    ],
)
def test_what_the_file_does_not_hold_is_told(desk: Desk, arguments: dict[str, str], words: str) -> None:
    with pytest.raises(ToolError, match=words):
        desk.run("get_weather", **arguments)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Oslo,,,soon,cloudy,,,,,", "time 'soon' is none"),
        ("Oslo,,,2026-11-22,cloudy,mild,,,,", "temperature 'mild' is no number"),
        ("Oslo,,,2026-11-22,cloudy,,,,,", "no temperature in a row"),
    ],
)
def test_a_wrong_file_is_the_users_error(desk: Desk, line: str, words: str) -> None:
    head = FILE.splitlines()[0]
    (desk.workspace / "weather.csv").write_text(f"{head}\n{line}\n", encoding="utf-8")
    with pytest.raises(UserError, match=words):
        desk.run("get_weather", city="Oslo", condition_temperature="hot")
    (desk.workspace / "weather.csv").write_text(f"{head}\n", encoding="utf-8")
    with pytest.raises(UserError, match="no rows"):
        desk.run("get_weather")
