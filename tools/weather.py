"""The weather, read from a file that the user supplies: `workspace/weather.csv`, `.json`, or a granted file.

One row for each place and time:

    place,state,country,time,condition,temperature,wind,humidity
    Oslo,,Norway,2026-11-22T15:00,light snow,-2,12,80

`place`, `time` and `condition` are needed. `time` is a day or a moment (ISO), in the run's zone unless it
says another; `temperature` is in degrees Celsius, or `low` and `high` of a day; `wind` in km/h; `humidity` in
per cent. "Here" is the place of the first row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from typing import Any, ClassVar

from pydantic import BaseModel

from speeddial import ToolContext, ToolError, tool
from speeddial.errors import UserError
from speeddial.sheet import Row, user_rows
from speeddial.values import Phrase
from speeddial.values.resolve import reading_of
from speeddial.values.schedule import window

FILE = "weather"
AHEAD = timedelta(days=3)
"""How far a forecast goes when nobody said until when."""
MOST_PLACES = 5
SHOWN = 8
"""Lines of one place."""

_DAY = timedelta(days=1)
_WORDS: Mapping[str, str] = {
    "rain": "rain|drizzle|shower", "rainy": "rain|drizzle|shower", "rainfall": "rain|drizzle|shower",
    "snow": "snow|sleet|flurr|blizzard", "snowy": "snow|sleet|flurr|blizzard",
    "snowfall": "snow|sleet|flurr|blizzard", "snowstorm": "snow ?storm|blizzard", "blizzard": "blizzard",
    "storm": r"\w*storm|gale|hurricane|tornado", "stormy": r"\w*storm|gale|hurricane|tornado",
    "cloud": "cloud|overcast", "cloudy": "cloud|overcast", "sun": "sun|clear|fair", "sunny": "sun|clear|fair",
    "fog": "fog|mist|haze", "foggy": "fog|mist|haze", "depression": "depression|low pressure",
}  # fmt: skip
"""Asked word -> what it is called in the file; other words are looked for as they are."""
WINDY = 30.0
"""km/h, where the Beaufort scale's fresh breeze begins (29 to 38)."""
HUMID = 70.0
_WARMTH: Mapping[str, tuple[float, float]] = {
    "freezing": (-100, 0), "cold": (-100, 7), "chilly": (-100, 12), "temperate": (12, 22), "warm": (20, 100),
    "hot": (28, 100),
}  # fmt: skip
"""Asked word -> from which to which temperature in degrees Celsius it is so."""
_WARMER = ("warmer", "hotter")
_COLDER = ("colder", "chillier", "cooler")


class PlaceWeather(BaseModel):
    """What the file says about one place."""

    place: str
    answer: str = ""
    """To a question of yes or no ("will it be chilly"); empty for a forecast."""
    lines: list[str]

    def __str__(self) -> str:
        head = f"{self.place}: {self.answer}" if self.answer else f"{self.place}:"
        return "\n".join([head, *(f"- {line}" for line in self.lines)])


class Weather(BaseModel):
    """The answer to a question about the weather."""

    produces: ClassVar[frozenset[str]] = frozenset({"text"})

    places: list[PlaceWeather]

    def __str__(self) -> str:
        return "\n".join(map(str, self.places))


@dataclass(frozen=True)
class _Spell:
    """The weather of one row."""

    start: datetime
    end: datetime
    whole_day: bool
    condition: str
    low: float | None
    high: float | None
    wind: float | None
    humidity: float | None

    @property
    def when(self) -> str:
        return f"{self.start:%a %d %b}" if self.whole_day else f"{self.start:%a %d %b %H:%M}"

    def __str__(self) -> str:
        said = [self.condition]
        if self.low is not None and self.high is not None:
            warm = f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"
            said.append(f"{warm} °C")
        if self.wind is not None:
            said.append(f"wind {self.wind:g} km/h")
        if self.humidity is not None:
            said.append(f"humidity {self.humidity:g} %")
        return f"{self.when}: {', '.join(said)}"


@tool(effect="read")
def get_weather(
    context: ToolContext,
    *,
    condition_description: Phrase | None = None,
    condition_temperature: Phrase | None = None,
    spatial_relation: Phrase | None = None,
    current_location: Phrase | None = None,
    geographic_poi: Phrase | None = None,
    city: Phrase | None = None,
    state: Phrase | None = None,
    country: Phrase | None = None,
    timeRange: Phrase | None = None,
) -> Weather:
    """Look up the weather.

    Args:
        condition_description: "rain", "windy".
        condition_temperature: "chilly", "hotter".
        spatial_relation: "near", "close by".
        current_location: "here".
        geographic_poi: a park or sight.
        city: the town.
        state: the state.
        country: the country.
        timeRange: when, as said.
    """
    named = city or geographic_poi
    if spatial_relation and re.search(r"^(?:far|faraway|distant)\b", spatial_relation.lower()):
        raise ToolError(
            f"spatial_relation: expected a place, got {spatial_relation!r}; the file knows no distances"
        )
    groups = _groups(user_rows(context, FILE, ("place", "time", "condition")), context)
    chosen = _chosen(groups, named, state, country)
    start, end = _window(timeRange, context.now)
    asked = condition_description or condition_temperature
    places = []
    for place in chosen[:MOST_PLACES]:
        known = groups[place]
        last = end or (context.now + AHEAD if start is None and not asked else None)
        begin = start or context.now
        spells = [item for item in known if _overlap(item, begin, last)]
        if not spells:
            raise ToolError(
                f"timeRange: the weather file knows {place[0]} from {known[0].when} to {known[-1].when}, "
                f"got {timeRange or 'a time after that'!r}"
            )
        places.append(_place(place[0], spells, known, condition_description, condition_temperature, context))
    return Weather(places=places)


def _place(
    name: str,
    spells: Sequence[_Spell],
    known: Sequence[_Spell],
    condition: str | None,
    temperature: str | None,
    context: ToolContext,
) -> PlaceWeather:
    asked = " and ".join(filter(None, (temperature, condition)))
    if condition and condition.lower() == "humidity" and not temperature:
        asked = ""
    if not asked:
        more = len(spells) - SHOWN
        lines = [str(item) for item in spells[:SHOWN]] + ([f"and {more} more"] if more > 0 else [])
        return PlaceWeather(place=name, lines=lines)
    current = next((item for item in known if item.start <= context.now < item.end), None)
    fitting = [
        item
        for item in spells
        if (not condition or _is(condition.lower(), item))
        and (not temperature or _feels(temperature.lower(), item, current))
    ]
    until = spells[-1].when
    if fitting:
        return PlaceWeather(place=name, answer=f"yes, {asked}", lines=[str(item) for item in fitting[:SHOWN]])
    return PlaceWeather(
        place=name,
        answer=f"no, not {asked} from {spells[0].when} to {until}",
        lines=[str(item) for item in spells[:SHOWN]],
    )


def _is(word: str, spell: _Spell) -> bool:
    """Whether a word for the sky, the wind or the air fits."""
    if word in ("windy", "wind") and spell.wind is not None:
        return spell.wind >= WINDY
    if word in ("humid", "humidity"):
        return _needed(spell.humidity, "humidity") >= HUMID
    called = _WORDS.get(word, "wind|gale|storm" if word in ("windy", "wind") else re.escape(word))
    return re.search(rf"\b(?:{called})", spell.condition.lower()) is not None


def _feels(word: str, spell: _Spell, current: _Spell | None) -> bool:
    """Whether a word for warmth fits; colder and warmer are against the weather of now, by a degree."""
    low, high = _needed(spell.low, "temperature"), _needed(spell.high, "temperature")
    if word in (*_WARMER, *_COLDER):
        if current is None:
            raise ToolError(f"condition_temperature: the file does not know the weather of now for {word!r}")
        if word in _WARMER:
            return high >= _needed(current.high, "temperature") + 1
        return low <= _needed(current.low, "temperature") - 1
    if word not in _WARMTH:
        valid = ", ".join((*_WARMTH, *_WARMER, *_COLDER))
        raise ToolError(f"condition_temperature: expected a word for warmth, got {word!r}; valid: {valid}")
    least, most = _WARMTH[word]
    felt = low if least == -100 else high if most == 100 else (low + high) / 2
    return least <= felt <= most


def _needed(value: float | None, column: str) -> float:
    if value is None:
        raise UserError(f"{FILE}: no {column} in a row that is asked about", hint=f"add a column {column}")
    return value


# --- places and times ---------------------------------------------------------------------------------------

_Place = tuple[str, str, str]
"""Place, state and country, as they stand in the file."""


def _chosen(
    groups: Mapping[_Place, Any], named: str | None, state: str | None, country: str | None
) -> list[_Place]:
    """The file's places that are meant: by name, else all of a state or country, else the first."""
    wider = [_folded(item) for item in (state, country) if item]
    if not (named or wider):
        return list(groups)[:1]
    wanted = _folded(named) if named else wider[0]
    by_name: dict[str, list[_Place]] = {_folded(place[0]): [] for place in groups}
    for place in groups:
        by_name[_folded(place[0])].append(place)
    found = by_name.get(wanted, [])
    if not found and not named:
        found = [place for place in groups if set(wider) <= {_folded(part) for part in place}]
    if not found:
        close = get_close_matches(wanted, by_name, n=2, cutoff=0.85)
        found = by_name[close[0]] if len(close) == 1 else []
    if not found:
        valid = ", ".join(place[0] for place in list(groups)[:20])
        key = "city" if named else "state" if state else "country"
        raise ToolError(
            f"{key}: expected a place of the weather file, got {named or wanted!r}; valid: {valid}"
        )
    # "Springfield, Ohio" where the file knows several; one that the file parts by no state is that one.
    exact = [place for place in found if named and set(wider) & {_folded(part) for part in place[1:]}]
    return exact or found


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def _window(said: str | None, now: datetime) -> tuple[datetime | None, datetime | None]:
    if said is None:
        return None, None
    try:
        return window(reading_of(said, now), now)
    except (ValueError, OverflowError) as error:
        raise ToolError(f"timeRange: expected a time, got {said!r}: {error}; example: tomorrow") from error


def _overlap(spell: _Spell, start: datetime, end: datetime | None) -> bool:
    """Whether a spell is in a stretch of time; by the minute at which "tonight" ends it is not."""
    if spell.end <= start or end is None:
        return spell.end > start
    return spell.start < end and (spell.start <= start or end - spell.start > timedelta(minutes=1))


def _groups(rows: Sequence[Row], context: ToolContext) -> dict[_Place, list[_Spell]]:
    """Each place's weather in order; a moment's row holds until the next one's, an hour at the end."""
    starts: dict[_Place, list[tuple[datetime, bool, Row]]] = {}
    for row in rows:
        place = (row["place"], row.get("state", ""), row.get("country", ""))
        starts.setdefault(place, []).append((*_start(row["time"], context.now), row))
    if not starts:
        raise UserError(f"{FILE}: the file has no rows", hint="give one row for each place and time")
    groups = {}
    for place, items in starts.items():
        items.sort(key=lambda item: item[0])
        following = [start for start, _, _ in items[1:]]
        ends = [
            start + _DAY if whole else min(after, start + _DAY)
            for (start, whole, _), after in zip(
                items, [*following, items[-1][0] + timedelta(hours=1)], strict=True
            )
        ]
        groups[place] = [
            _Spell(
                start,
                end,
                whole,
                row["condition"],
                *_warmth(row),
                _number(row, "wind"),
                _number(row, "humidity"),
            )
            for (start, whole, row), end in zip(items, ends, strict=True)
        ]
    return groups


def _start(text: str, now: datetime) -> tuple[datetime, bool]:
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return datetime.combine(date.fromisoformat(text), time(0), tzinfo=now.tzinfo), True
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(
            f"{FILE}: time {text!r} is none", hint="write 2026-11-22 or 2026-11-22T15:00"
        ) from error
    zone = now.tzinfo
    return (moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)), False


def _warmth(row: Row) -> tuple[float | None, float | None]:
    only = _number(row, "temperature")
    low, high = _number(row, "low"), _number(row, "high")
    return (only if low is None else low), (only if high is None else high)


def _number(row: Row, column: str) -> float | None:
    text = row.get(column, "")
    try:
        return float(text.replace(",", ".")) if text else None
    except ValueError as error:
        raise UserError(f"{FILE}: {column} {text!r} is no number", hint="write 12 or -3.5") from error
