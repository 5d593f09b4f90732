"""What the rules of the grammar share: the present they look from, their registry, names and durations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from dateutil.relativedelta import relativedelta

from speeddial.values.reading import Days, Reading
from speeddial.values.words import MONTH_NAMES

Want = Literal["date", "time", "repeat", "any"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a rule may know: the present, which kind of value is asked for, and which way to lean."""

    now: datetime
    want: Want = "any"
    past: bool = False
    """Lean to the past: for rows that have been written rather than plans that are made."""

    @property
    def today(self) -> date:
        return self.now.date()


Reader = Callable[[re.Match[str], Scope], Reading | None]


class Rules(list[tuple[re.Pattern[str], Reader]]):
    """Rules of one kind, tried in the order in which they are added."""

    def add(self, *patterns: str) -> Callable[[Reader], Reader]:
        """Adds a reader of one piece; the patterns are alternatives and see the spelling of `words.plain`."""

        def keep(reader: Reader) -> Reader:
            self.append((re.compile(rf"(?:{'|'.join(patterns)})(?![\w:])"), reader))
            return reader

        return keep


_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTH_OF = {name: number for number, full in enumerate(MONTH_NAMES, 1) for name in (full, full[:3])} | {
    "sept": 9
}
DAY_OF = {name: number for number, full in enumerate(_WEEKDAYS) for name in (full, full[:3], f"{full}s")} | {
    "tues": 1,
    "thur": 3,
    "thurs": 3,
}
CODES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
WHICH = {
    "this": 0, "the": 0, "current": 0, "next": 1, "following": 1, "upcoming": 1, "coming": 1,
    "last": -1, "past": -1, "previous": -1,
}  # fmt: skip
"""How many units of the calendar away a word points."""


def _either(names: Iterable[str]) -> str:
    return f"(?:{'|'.join(sorted(names, key=len, reverse=True))})"


MONTH = _either(MONTH_OF)
WEEKDAY = _either(DAY_OF)
YEAR = r"(?:1[5-9]\d\d|2[01]\d\d|(?:19|20) \d\d)"
TH = r"(?:st|nd|rd|th)"
ORDINAL = rf"\d{{1,2}}{TH}"
UNIT = r"(?:second|sec|minute|min|hour|hr|h|day|night|week|fortnight|weekend|month|quarter|year|decade)s?"
_COUNT = (
    r"(?:\d+(?:\.\d+)?|half(?: an?| 1)?|1? ?quarter of an?|"
    r"a couple of|couple of|couple|a few|few|several|an|a)"
)
_LENGTH = rf"{_COUNT}(?: and a half| 1/2)? ?{UNIT}(?: and a half)?"
LENGTHS = rf"{_LENGTH}(?:(?: and | ){_LENGTH}){{0,3}}"
_ONE_LENGTH = re.compile(rf"({_COUNT})( and a half| 1/2)? ?({UNIT})( and a half)?")


def length_of(text: str) -> tuple[relativedelta, bool]:
    """A spoken duration, and whether it is counted in hours or less.

    Raises:
        OverflowError: it is longer than any calendar.
    """
    total = relativedelta()
    fine = False
    for number, half, unit, half_after in _ONE_LENGTH.findall(text):
        if number[0].isdigit():
            count = 0.25 if "quarter" in number else float(number)
        elif number.startswith("half"):
            count = 0.5
        elif "quarter" in number:
            count = 0.25
        else:
            count = 2.0 if "couple" in number else 3.0 if number in ("a few", "few", "several") else 1.0
        if count > 10_000:
            raise OverflowError(text)
        total += _step(count + (0.5 if half or half_after else 0.0), singular(unit))
        fine = fine or singular(unit) in ("second", "minute", "hour")
    return total, fine


def singular(unit: str) -> str:
    unit = unit.rstrip("s")
    return {"sec": "second", "min": "minute", "hr": "hour", "h": "hour", "night": "day"}.get(unit, unit)


def _step(count: float, unit: str) -> relativedelta:
    days = {"week": 7, "fortnight": 14, "weekend": 7}.get(unit)
    if days:
        return relativedelta(days=int(days * count))
    months = {"month": 1, "quarter": 3, "year": 12, "decade": 120}.get(unit)
    if months:
        # Half a month is fifteen days; half a year is six months.
        return relativedelta(months=int(months * count), days=15 if months * count % 1 else 0)
    return relativedelta(seconds=int(count * {"second": 1, "minute": 60, "hour": 3600}.get(unit, 86400)))


def day_of(year: int, month: int, day: int) -> date | None:
    """A date, or None when the calendar has none like it."""
    try:
        return date(year, month, day)
    except ValueError:
        return None


def one_day(day: date | None) -> Reading | None:
    return None if day is None else Reading(days=Days.of(day))


def year_of(text: str) -> int:
    return int(text.replace(" ", ""))


def leaning(scope: Scope, candidates: Iterable[date | None]) -> date | None:
    """Of ascending dates, the next one from today, or with `past` the latest that has begun."""
    latest = None
    for day in candidates:
        if day is None:
            continue
        if scope.past and day > scope.today:
            return latest
        latest = day
        if not scope.past and day >= scope.today:
            return day
    return latest if scope.past else None
