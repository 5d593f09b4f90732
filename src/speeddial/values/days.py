"""Rules that read one day: "tomorrow", "next friday", "march 5th", "the 15th", "christmas", "three days ago".

Conventions where English is divided:
- "friday" is the first friday after today, "this friday" the one of this week (Monday to Sunday), "next
  friday" the one of next week, "last friday" the one of last week.
- A date without its year is the next one, today included; leaning to the past, the latest that has begun.
- "01/02/2024" is month first, as Americans write; "13/02" and "1.2.2024" are day first.
- A weekday beside a date must agree with it; "monday the 13th" is the next 13th that is a Monday.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, time

from dateutil.easter import easter
from dateutil.relativedelta import relativedelta

from speeddial.values.reading import DAY, Clock, Days, Reading, Rule
from speeddial.values.scope import (
    CODES,
    DAY_OF,
    LENGTHS,
    MONTH,
    MONTH_OF,
    ORDINAL,
    TH,
    WEEKDAY,
    WHICH,
    YEAR,
    Rules,
    Scope,
    day_of,
    leaning,
    length_of,
    one_day,
    year_of,
)

RULES = Rules()

_NAMED = {
    "today": 0, "this day": 0, "tomorrow": 1, "tomorrows": 1, "tmrw": 1, "yesterday": -1,
    "day after tomorrow": 2, "day before yesterday": -2,
}  # fmt: skip


@RULES.add(rf"(?:the )?(?:end of )?({'|'.join(sorted(_NAMED, key=len, reverse=True))})")
def _named_day(m: re.Match[str], scope: Scope) -> Reading | None:
    days = Days.of(scope.today + _NAMED[m[1]] * DAY)
    return Reading(days=days, clock=Clock(time(23, 59)) if "end of" in m[0] else None)


@RULES.add(r"(tonight|this night|last night|eod|end of (?:the )?day|right now|now|at the moment)")
def _named_moment(m: re.Match[str], scope: Scope) -> Reading | None:
    if m[1] in ("now", "right now", "at the moment"):
        return Reading(start=scope.now)
    if m[1].startswith("e"):
        return Reading(days=Days.of(scope.today), clock=Clock(time(23, 59)))
    night = scope.today - DAY if m[1] == "last night" else scope.today
    return Reading(days=Days.of(night), clock=Clock(None, part="night"))


@RULES.add(rf"({WEEKDAY}) (?:the )?(\d{{1,2}})(?! ?(?:[ap]m|:|o'clock))")
def _weekday_number(m: re.Match[str], scope: Scope) -> Reading | None:
    """Friday 23: a day of the month only where it cannot be a time of the clock."""
    number = int(m[2])
    return one_day(day_of_month(scope, number, DAY_OF[m[1]])) if number > 12 else None


_WEEK = r"(this|next|last|previous|following|upcoming|coming) week"


@RULES.add(
    r"(?:the )?(?:end of )?(?:this )?(?:(this|next|last|past|previous|coming|upcoming|following|that) )?"
    rf"({WEEKDAY})"
    rf"(?: (?:of |in )?(?:the )?{_WEEK})?",
    rf"{_WEEK}(?: on| -)? ({WEEKDAY})",
)
def _weekday(m: re.Match[str], scope: Scope) -> Reading | None:
    which, name = m[3] or m[4] or m[1] or "", m[2] or m[5]
    number = DAY_OF[name]
    if name.endswith("days"):
        # "Mondays" is a repetition: possessives have lost their ending before.
        return Reading(rule=Rule("WEEKLY", byday=(CODES[number],)))
    clock = Clock(time(23, 59)) if "end of" in m[0] else None
    monday = scope.today - scope.today.weekday() * DAY
    in_week = m[3] or m[4] or which in ("this", "next", "following", "last", "previous")
    if in_week and which:
        day = monday + (7 * WHICH[which] + number) * DAY
    elif which == "past" or (scope.past and not which):
        back = (scope.today.weekday() - number) % 7
        day = scope.today - (back or (7 if which else 0)) * DAY
    elif m[0].startswith("this "):
        day = monday + number * DAY
    else:
        day = scope.today + ((number - scope.today.weekday() - 1) % 7 + 1) * DAY
    return Reading(days=Days.of(day), clock=clock)


@RULES.add(
    r"(\d{4})([-/. ])(\d{1,2})\2(\d{1,2})",
    r"((?:19|20)\d\d)()(\d\d)(\d\d)",
    rf"(\d{{4}})[-/]({MONTH})[-/](\d{{1,2}})",
    rf"(\d{{1,2}})[-/]({MONTH})[-/](\d{{4}})",
)
def _year_first(m: re.Match[str], scope: Scope) -> Reading | None:
    if m[1] or m[5]:
        return one_day(day_of(int(m[1] or m[5]), int(m[3] or m[7]), int(m[4] or m[8])))
    if m[9]:
        return one_day(day_of(int(m[9]), MONTH_OF[m[10]], int(m[11])))
    return one_day(day_of(int(m[14]), MONTH_OF[m[13]], int(m[12])))


@RULES.add(r"(\d{4})-(\d\d)-(\d\d)[t ](\d\d):(\d\d)(?::(\d\d))?")
def _iso_moment(m: re.Match[str], scope: Scope) -> Reading | None:
    day = day_of(int(m[1]), int(m[2]), int(m[3]))
    clock = Clock(time(int(m[4]), int(m[5]), int(m[6] or 0)))
    return None if day is None else Reading(days=Days.of(day), clock=clock)


@RULES.add(r"(?:(?:this|next) )?(?:(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d\d)|(\d{1,2})/(\d{1,2}))")
def _numeric(m: re.Match[str], scope: Scope) -> Reading | None:
    first, second = (int(m[1]), int(m[3])) if m[1] else (int(m[5]), int(m[6]))
    month, day = (second, first) if m[2] == "." or first > 12 else (first, second)
    if not m[4]:
        return one_day(_yearly(scope, month, day))
    # Two digits: the century that puts the year at most twenty years ahead.
    year = int(m[4]) if len(m[4]) == 4 else 2000 + int(m[4])
    if len(m[4]) == 2 and year > scope.today.year + 20:
        year -= 100
    return one_day(day_of(year, month, day))


def _yearly(scope: Scope, month: int, day: int) -> date | None:
    # Nine years back and forth: February 29th comes round at the latest then.
    years = range(scope.today.year - 9, scope.today.year + 10)
    return leaning(scope, (day_of(year, month, day) for year in years))


@RULES.add(
    rf"(?:({WEEKDAY}) )?(?:the )?(?:next )?(?:({MONTH})[ -/]?(?:the )?(\d{{1,2}}){TH}?"
    rf"|(\d{{1,2}}){TH}?(?: day)?(?: of|-)? ?({MONTH}))(?:(?: of|-|/| in)? ?({YEAR}))?",
    rf"(?:({WEEKDAY}) )?({YEAR})[ -]({MONTH})[ -](\d{{1,2}}){TH}?",
)
def _month_and_day(m: re.Match[str], scope: Scope) -> Reading | None:
    weekday, year = m[1] or m[7], m[6] or m[8]
    month, number = MONTH_OF[m[2] or m[5] or m[9]], int(m[3] or m[4] or m[10])
    day = day_of(year_of(year), month, number) if year else _yearly(scope, month, number)
    if day is None or (weekday and day.weekday() != DAY_OF[weekday]):
        return None
    return one_day(day)


@RULES.add(
    rf"(?:({WEEKDAY}) )?(?:the )?({ORDINAL})"
    r"(?: (?:day )?(?:of )?(?:the )?(this|next|last|following|current|previous) month"
    r"| (?:day )?of the month)?"
)
def _ordinal(m: re.Match[str], scope: Scope) -> Reading | None:
    number = int(m[2][:-2])
    first = scope.today.replace(day=1)
    if m[3]:
        month = first + relativedelta(months=WHICH[m[3]])
        day = day_of(month.year, month.month, number)
        return None if day and m[1] and day.weekday() != DAY_OF[m[1]] else one_day(day)
    return one_day(day_of_month(scope, number, DAY_OF[m[1]] if m[1] else None))


def day_of_month(scope: Scope, number: int, weekday: int | None = None) -> date | None:
    """The next (or latest) day of a month with this number, and this weekday."""
    first = scope.today.replace(day=1)
    reach = 3 if weekday is None else 40
    months = (first + relativedelta(months=shift) for shift in range(-reach, reach + 1))
    days = (day_of(month.year, month.month, number) for month in months)
    return leaning(scope, (day for day in days if day and (weekday is None or day.weekday() == weekday)))


def _thanksgiving(year: int) -> date:
    return date(year, 11, 22 + (3 - date(year, 11, 1).weekday()) % 7)


_HOLIDAYS: dict[str, Callable[[int], date]] = {
    "christmas": lambda year: date(year, 12, 25),
    "christmas day": lambda year: date(year, 12, 25),
    "christmas eve": lambda year: date(year, 12, 24),
    "boxing day": lambda year: date(year, 12, 26),
    "new year": lambda year: date(year, 1, 1),
    "new years": lambda year: date(year, 1, 1),
    "new year day": lambda year: date(year, 1, 1),
    "new years day": lambda year: date(year, 1, 1),
    "new year eve": lambda year: date(year, 12, 31),
    "new years eve": lambda year: date(year, 12, 31),
    "halloween": lambda year: date(year, 10, 31),
    "valentine day": lambda year: date(year, 2, 14),
    "valentines day": lambda year: date(year, 2, 14),
    "easter": easter,
    "easter sunday": easter,
    "easter monday": lambda year: easter(year) + DAY,
    "good friday": lambda year: easter(year) - 2 * DAY,
    "thanksgiving": _thanksgiving,
    "thanksgiving day": _thanksgiving,
    "black friday": lambda year: _thanksgiving(year) + DAY,
}
"""Days that most English speakers share; others differ from country to country and are not guessed."""


@RULES.add(
    rf"(?:(this|next|last|previous|following) )?({'|'.join(sorted(_HOLIDAYS, key=len, reverse=True))})"
    rf"(?: (?:of )?({YEAR}|(?:this|next|last) year))?"
)
def _holiday(m: re.Match[str], scope: Scope) -> Reading | None:
    make = _HOLIDAYS[m[2]]
    if m[3]:
        shift = WHICH.get(m[3].split()[0])
        return one_day(make(year_of(m[3]) if shift is None else scope.today.year + shift))
    past = m[1] in ("last", "previous") or scope.past
    years = range(scope.today.year - 1, scope.today.year + 3)
    return one_day(leaning(replace(scope, past=past), (make(year) for year in years)))


@RULES.add(
    rf"(?:in|after) ({LENGTHS})(?: time)?(?! (?:of|from|before|after)\b)",
    rf"({LENGTHS}) (?:from (?:now|today|this day)|from this moment|later|hence)",
    rf"({LENGTHS}) (?:ago|back|earlier)",
)
def _away(m: re.Match[str], scope: Scope) -> Reading | None:
    length, fine = length_of(m[1] or m[2] or m[3])
    sign = -1 if m[3] else 1
    return Reading(start=scope.now + sign * length) if fine else one_day(scope.today + sign * length)
