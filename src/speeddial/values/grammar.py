"""The grammar of English phrases about time: rules that each read a piece, and ways of joining the pieces.

A phrase is read only when all of it is understood; one unknown word and there is no reading, so nothing is
guessed from half a phrase. Why our own grammar: benchmarks/values.py compares it with dateparser and
parsedatetime on Microsoft's Recognizers-Text specs; the libraries miss spoken numbers and ranges, and guess
where they should say that they do not know.

Conventions where English is divided (the next words are always about the moment `now`):
- "friday" is the first friday after today, "this friday" the one of this week (Monday to Sunday), "next friday"
  the one of next week, "last friday" the one of last week.
- A date without its year is the next one, today included; with `past` it is the latest one that has begun.
- Weeks start on Monday. "01/02/2024" is month first, as Americans write; "13.02.2024" and "13/02" day first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal

from dateutil.easter import easter
from dateutil.relativedelta import relativedelta

from speeddial.values.reading import DAY, PARTS, Clock, Days, Reading, Rule

MAX_PHRASE = 120
"""Longer phrases are refused: no date or time takes more, and reading tries many splits."""

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
_RULES: list[tuple[re.Pattern[str], Reader]] = []

_MONTHS = "january february march april may june july august september october november december".split()
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
MONTH_OF = {name: n for n, full in enumerate(_MONTHS, 1) for name in (full, full[:3])} | {"sept": 9}
DAY_OF = {name: n for n, full in enumerate(_DAYS) for name in (full, full[:3], full + "s")} | {
    "tues": 1, "wednes": 2, "thur": 3, "thurs": 3,
}  # fmt: skip
CODES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def _either(names: dict[str, int]) -> str:
    return "|".join(sorted(names, key=len, reverse=True))


MONTH = f"(?:{_either(MONTH_OF)})"
WEEKDAY = f"(?:{_either(DAY_OF)})"
YEAR = r"(?:1[5-9]\d\d|2[01]\d\d|(?:19|20) \d\d)"
UNIT = r"(?:second|sec|minute|min|hour|hr|day|night|week|fortnight|weekend|month|quarter|year|decade)s?"
ORDINAL = r"\d{1,2}(?:st|nd|rd|th)"


def rule(pattern: str) -> Callable[[Reader], Reader]:
    """Adds a reader of one piece; patterns see the spelling of `words.plain`."""

    def add(reader: Reader) -> Reader:
        _RULES.append((re.compile(rf"(?:{pattern})(?![\w:])"), reader))
        return reader

    return add


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _days(day: date | None) -> Reading | None:
    return None if day is None else Reading(days=Days.of(day))


def _year(text: str) -> int:
    return int(text.replace(" ", ""))


def _leaning(scope: Scope, candidates: Iterator[date]) -> date | None:
    """Of ascending candidate dates, the next one from today, or with `past` the latest that has begun."""
    latest = None
    for day in candidates:
        if scope.past:
            if day > scope.today:
                return latest
            latest = day
        elif day >= scope.today:
            return day
    return latest


def _month_day(scope: Scope, month: int, day: int) -> date | None:
    # Nine years back and forth: February 29th comes round at the latest then.
    years = range(scope.today.year - 9, scope.today.year + 10)
    return _leaning(scope, (d for year in years if (d := _day(year, month, day)) is not None))


def _day_of_month(scope: Scope, day: int) -> date | None:
    first = scope.today.replace(day=1)
    months = (first + relativedelta(months=shift) for shift in range(-3, 4))
    return _leaning(scope, (d for m in months if (d := _day(m.year, m.month, day)) is not None))


def _of_unit(unit: str) -> str:
    unit = unit.rstrip("s")
    return {"sec": "second", "min": "minute", "hr": "hour", "night": "day"}.get(unit, unit)


def _step(count: float, unit: str) -> relativedelta:
    """A duration; halves of the long units become days."""
    unit = _of_unit(unit)
    whole = int(count)
    if unit == "fortnight":
        return relativedelta(days=int(14 * count))
    if unit == "week":
        return relativedelta(days=int(7 * count))
    if unit == "weekend":
        return relativedelta(days=7 * whole)
    if unit == "quarter":
        return relativedelta(months=3 * whole)
    if unit == "decade":
        return relativedelta(years=10 * whole)
    if unit in ("month", "year"):
        months = count * (1 if unit == "month" else 12)
        return relativedelta(months=int(months), days=15 if months % 1 else 0)
    return relativedelta(seconds=int(count * {"second": 1, "minute": 60, "hour": 3600, "day": 86400}[unit]))


NUMBER = (
    r"(?:\d+(?:\.\d+)?|half(?: an?| 1)?|1? ?quarter of an?|a|an|1|a couple of|couple of|a few|few|several)"
)
LENGTH = rf"{NUMBER}(?: and a half| 1/2)? ?{UNIT}(?: and a half)?"
LENGTHS = rf"{LENGTH}(?:(?: and | ){LENGTH})?"
_LENGTH = re.compile(rf"({NUMBER})( and a half| 1/2)? ?({UNIT})( and a half)?")


def _length(text: str) -> tuple[relativedelta, bool]:
    """A spoken duration, and whether it is counted in hours or less."""
    total = relativedelta()
    fine = False
    for number, half, unit, half_after in _LENGTH.findall(text):
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
        total += _step(count + (0.5 if half or half_after else 0.0), unit)
        fine = fine or _of_unit(unit) in ("second", "minute", "hour")
    return total, fine


def _away(scope: Scope, text: str, sign: int) -> Reading | None:
    length, fine = _length(text)
    if fine:
        return Reading(start=scope.now + sign * length)
    return _days(scope.today + sign * length)


# --- days -----------------------------------------------------------------------------------------------------


@rule(
    r"today|this day|tonight|tomorrow|tomorrows|yesterday|(?:the )?day after tomorrow|(?:the )?day before yesterday|now|right now|"
    r"eod|end of (?:the )?day|last night|this night"
)
def _named_day(m: re.Match[str], scope: Scope) -> Reading | None:
    text = m[0].removeprefix("the ")
    if text in ("now", "right now"):
        return Reading(start=scope.now)
    if text in ("eod", "end of day", "end of the day"):
        return Reading(days=Days.of(scope.today), clock=Clock(time(23, 59)))
    if text in ("tonight", "this night"):
        return Reading(days=Days.of(scope.today), clock=Clock(None, part="night"))
    if text == "last night":
        return Reading(days=Days.of(scope.today - DAY), clock=Clock(None, part="night"))
    shift = {"today": 0, "this day": 0, "yesterday": -1, "day after tomorrow": 2, "day before yesterday": -2}
    return _days(scope.today + shift.get(text, 1) * DAY)


@rule(
    rf"(?:(this|next|last|past|previous|coming|upcoming|following|that) )?({WEEKDAY})(?: (?:of )?(this|next|last) week)?"
)
def _weekday(m: re.Match[str], scope: Scope) -> Reading | None:
    which, number = m[1] or "", DAY_OF[m[2]]
    monday = scope.today - scope.today.weekday() * DAY
    if m[3]:
        which = m[3]
    if which in ("this", "next", "last", "previous"):
        weeks = {"this": 0, "next": 1}.get(which, -1)
        return _days(monday + (7 * weeks + number) * DAY)
    if m[2].endswith("s") and m[2] not in ("tues", "thurs", "wednes"):
        # "mondays" is a repetition, unless the possessive lost its apostrophe on the way.
        return Reading(rule=Rule("WEEKLY", byday=(CODES[number],)))
    if which == "past" or (scope.past and not which):
        back = (scope.today.weekday() - number) % 7
        return _days(scope.today - (back or (7 if which else 0)) * DAY)
    return _days(scope.today + ((number - scope.today.weekday() - 1) % 7 + 1) * DAY)


@rule(rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}})")
def _iso(m: re.Match[str], scope: Scope) -> Reading | None:
    return _days(_day(int(m[1]), int(m[2]), int(m[3])))


@rule(rf"(\d{{4}})-(\d\d)-(\d\d)[t ](\d\d):(\d\d)(?::(\d\d))?")
def _iso_moment(m: re.Match[str], scope: Scope) -> Reading | None:
    day = _day(int(m[1]), int(m[2]), int(m[3]))
    clock = _clock(int(m[4]), int(m[5]), second=int(m[6] or 0), sure=True)
    return None if day is None or clock is None else Reading(days=Days.of(day), clock=clock)


@rule(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d\d)|(\d{1,2})/(\d{1,2})")
def _numeric(m: re.Match[str], scope: Scope) -> Reading | None:
    first, second = (int(m[1]), int(m[3])) if m[1] else (int(m[5]), int(m[6]))
    month, day = (second, first) if m[2] == "." or first > 12 else (first, second)
    if not m[4]:
        return _days(_month_day(scope, month, day)) if 1 <= month <= 12 else None
    year = int(m[4]) if len(m[4]) == 4 else 2000 + int(m[4]) - (100 if int(m[4]) > 60 else 0)
    return _days(_day(year, month, day))


@rule(
    rf"(?:{WEEKDAY} )?(?:the )?(?:({MONTH})[ -]?(?:the )?(\d{{1,2}})(?:st|nd|rd|th)?|(\d{{1,2}})(?:st|nd|rd|th)?(?: of|-)? ?({MONTH}))"
    rf"(?:(?: of|-|/)? ?({YEAR}))?"
)
def _month_and_day(m: re.Match[str], scope: Scope) -> Reading | None:
    month, day = MONTH_OF[m[1] or m[4]], int(m[2] or m[3])
    return _days(_day(_year(m[5]), month, day) if m[5] else _month_day(scope, month, day))


@rule(rf"({YEAR})[ -]({MONTH})[ -](\d{{1,2}})(?:st|nd|rd|th)?")
def _year_month_day(m: re.Match[str], scope: Scope) -> Reading | None:
    return _days(_day(_year(m[1]), MONTH_OF[m[2]], int(m[3])))


@rule(
    rf"(?:{WEEKDAY} )?(?:the )?({ORDINAL})(?: (?:day )?(?:of )?(?:(?:the )?(this|next|last|following|current|previous)) month| of the month)?"
)
def _ordinal(m: re.Match[str], scope: Scope) -> Reading | None:
    day = int(m[1][:-2])
    if not m[2]:
        return _days(_day_of_month(scope, day))
    shift = {"this": 0, "current": 0, "next": 1, "following": 1}.get(m[2], -1)
    month = scope.today.replace(day=1) + relativedelta(months=shift)
    return _days(_day(month.year, month.month, day))


@rule(rf"({ORDINAL}|last) ({WEEKDAY}) (?:of|in) (?:({MONTH})(?: ({YEAR}))?|(this|next|last|the) month)")
def _nth_weekday(m: re.Match[str], scope: Scope) -> Reading | None:
    number = DAY_OF[m[2]]
    span = _month(scope, m[3], m[4]) if m[3] else _calendar_unit(scope, "month", _WHICH.get(m[5], 0))
    if span.start is None or span.end is None:
        return None
    if m[1] == "last":
        day = span.end - DAY
        return _days(day - ((day.weekday() - number) % 7) * DAY)
    day = span.start + ((number - span.start.weekday()) % 7 + 7 * (int(m[1][:-2]) - 1)) * DAY
    return _days(day) if day < span.end else None


_HOLIDAYS: dict[str, Callable[[int], date]] = {
    "christmas": lambda y: date(y, 12, 25),
    "christmas day": lambda y: date(y, 12, 25),
    "xmas": lambda y: date(y, 12, 25),
    "christmas eve": lambda y: date(y, 12, 24),
    "boxing day": lambda y: date(y, 12, 26),
    "new year": lambda y: date(y, 1, 1),
    "new year day": lambda y: date(y, 1, 1),
    "new year eve": lambda y: date(y, 12, 31),
    "halloween": lambda y: date(y, 10, 31),
    "valentine day": lambda y: date(y, 2, 14),
    "valentine": lambda y: date(y, 2, 14),
    "easter": easter,
    "easter sunday": easter,
    "easter monday": lambda y: easter(y) + DAY,
    "good friday": lambda y: easter(y) - 2 * DAY,
    "thanksgiving": lambda y: date(y, 11, 22 + (3 - date(y, 11, 1).weekday()) % 7),
    "thanksgiving day": lambda y: date(y, 11, 22 + (3 - date(y, 11, 1).weekday()) % 7),
}


@rule(
    rf"(?:(this|next|last) )?({'|'.join(sorted(_HOLIDAYS, key=len, reverse=True))})(?: (?:of )?({YEAR}|(?:this|next|last) year))?"
)
def _holiday(m: re.Match[str], scope: Scope) -> Reading | None:
    make = _HOLIDAYS[m[2]]
    if m[3]:
        shift = _WHICH.get(m[3].split()[0])
        return _days(make(_year(m[3]) if shift is None else scope.today.year + shift))
    day = _leaning(
        replace(scope, past=m[1] == "last" or scope.past),
        (make(year) for year in range(scope.today.year - 1, scope.today.year + 3)),
    )
    return _days(day)


@rule(
    rf"(?:in|within|after) ({LENGTHS})(?: time)?|({LENGTHS}) (?:from (?:now|today|this day)|from this moment|later|hence)"
)
def _from_now(m: re.Match[str], scope: Scope) -> Reading | None:
    return _away(scope, m[1] or m[2], 1)


@rule(rf"({LENGTHS}) (?:ago|back|earlier)")
def _ago(m: re.Match[str], scope: Scope) -> Reading | None:
    return _away(scope, m[1], -1)


@rule(rf"({LENGTHS}) (from|after|before) (.+)")
def _from_other(m: re.Match[str], scope: Scope) -> Reading | None:
    """Two days before christmas, a week from friday, ten minutes before nine."""
    length, fine = _length(m[1])
    base = scan(m[3], scope)
    if base is None or base.start or base.rule:
        return None
    sign = -1 if m[2] == "before" else 1
    if not fine and base.days and base.days.start and base.days.end and base.clock is None:
        # A week after next week starts where that ends; a day counts from itself.
        day = base.days.start if base.days.single or sign < 0 else base.days.end
        return _days(day + sign * length)
    if fine and base.clock and base.clock.start and not base.clock.end and base.clock.mode == "at":
        clock = base.clock.settled()
        moment = datetime.combine(
            base.days.start if base.days and base.days.start else scope.today, clock.point
        )
        moved = moment + sign * length
        if moved.date() != moment.date():
            return None
        return replace(base, clock=replace(clock, start=moved.time()))
    return None


# --- stretches of days ----------------------------------------------------------------------------------------

_WHICH = {
    "this": 0, "the": 0, "current": 0, "next": 1, "following": 1, "upcoming": 1, "coming": 1,
    "last": -1, "past": -1, "previous": -1,
}  # fmt: skip


def _calendar_unit(scope: Scope, unit: str, shift: int, today: date | None = None) -> Days:
    """This week, last month, next quarter: a whole unit of the calendar, `shift` units from the present one."""
    day = today or scope.today
    if unit == "weekend":
        saturday = day - day.weekday() * DAY + (5 + 7 * shift) * DAY
        return Days(saturday, saturday + 2 * DAY)
    if unit in ("week", "fortnight"):
        start = day - day.weekday() * DAY + 7 * shift * DAY
        return Days(start, start + 7 * DAY)
    if unit == "day":
        return Days.of(day + shift * DAY)
    months = {"month": 1, "quarter": 3, "year": 12, "decade": 120}[unit]
    if unit in ("month", "quarter"):
        first = day.replace(month=(day.month - 1) // months * months + 1, day=1)
    else:
        first = date(day.year - (day.year % 10 if unit == "decade" else 0), 1, 1)
    start = first + relativedelta(months=months * shift)
    return Days(start, start + relativedelta(months=months))


@rule(
    r"(?:the )?(?:(this|next|last|past|previous|current|following|upcoming|coming) )?(?:whole )?(week|weekend|month|quarter|year|decade|day)s?(?: to date)?"
)
def _unit(m: re.Match[str], scope: Scope) -> Reading | None:
    if m[1] is None and (m[2] == "day" or m[0].endswith("s")):
        return None
    days = _calendar_unit(scope, m[2], _WHICH[m[1] or "this"])
    if m[0].endswith("to date"):
        days = Days(days.start, scope.today + DAY)
    return Reading(days=days)


@rule(rf"(?:the )?(last|past|previous|next|coming|following|upcoming) ({LENGTHS}|\d+ {UNIT})")
def _rolling(m: re.Match[str], scope: Scope) -> Reading | None:
    """The last seven days end with today, the next seven begin tomorrow; hours count from now."""
    length, fine = _length(m[2])
    back = _WHICH[m[1]] < 0
    if fine:
        return (
            Reading(start=scope.now - length, end=scope.now)
            if back
            else Reading(start=scope.now, end=scope.now + length)
        )
    tomorrow = scope.today + DAY
    return Reading(days=Days(tomorrow - length, tomorrow) if back else Days(tomorrow, tomorrow + length))


@rule(
    r"(?:the )?(rest|remainder|end|beginning|start|middle) of (?:(?:the|this) )?(?:(next|last) )?(week|month|year|quarter)"
)
def _portion(m: re.Match[str], scope: Scope) -> Reading | None:
    days = _calendar_unit(scope, m[3], _WHICH.get(m[2] or "", 0))
    if days.start is None or days.end is None:
        return None
    if m[1] in ("rest", "remainder"):
        return Reading(days=Days(scope.today, days.end)) if not m[2] else None
    third = max(1, (days.end - days.start).days // 3) * DAY
    if m[1] == "end":
        return Reading(days=Days(days.end - (DAY if m[3] == "week" else third), days.end))
    if m[1] == "middle":
        return Reading(days=Days(days.start + third, days.end - third))
    return Reading(days=Days(days.start, days.start + third))


def _month(scope: Scope, name: str, year: str | None) -> Days:
    number = MONTH_OF[name]
    if year:
        first = date(_year(year), number, 1)
    else:
        first = date(scope.today.year, number, 1)
        if scope.past and first > scope.today:
            first = first.replace(year=first.year - 1)
        if not scope.past and number < scope.today.month:
            first = first.replace(year=first.year + 1)
    return Days(first, first + relativedelta(months=1))


@rule(rf"(?:(this|next|last) )?({MONTH})(?:(?: of|-|/)? ?({YEAR}|(?:this|next|last) year))?")
def _month_of_year(m: re.Match[str], scope: Scope) -> Reading | None:
    if m[3] and m[3][0].isalpha():
        return Reading(days=_month(scope, m[2], str(scope.today.year + _WHICH[m[3].split()[0]])))
    if m[1] and not m[3]:
        return Reading(days=_month(scope, m[2], str(scope.today.year + _WHICH[m[1]])))
    return Reading(days=_month(scope, m[2], m[3]))


@rule(rf"({YEAR})[ -/]({MONTH})|(\d{{4}})[-/](\d\d)|(\d\d)/(\d{{4}})")
def _year_month(m: re.Match[str], scope: Scope) -> Reading | None:
    year, number = _year(m[1] or m[3] or m[6]), MONTH_OF[m[2]] if m[2] else int(m[4] or m[5])
    first = _day(year, number, 1)
    return None if first is None else Reading(days=Days(first, first + relativedelta(months=1)))


@rule(rf"(?:the )?(?:year )?({YEAR})")
def _a_year(m: re.Match[str], scope: Scope) -> Reading | None:
    if scope.want == "time":
        return None
    return Reading(days=Days(date(_year(m[1]), 1, 1), date(_year(m[1]) + 1, 1, 1)))


@rule(
    rf"(?:the )?(?:q([1-4])|({ORDINAL}) (quarter|half))(?: (?:of )?(?:the )?({YEAR}|(?:this|next|last) year))?|({YEAR})[ -]?q([1-4])"
)
def _quarter(m: re.Match[str], scope: Scope) -> Reading | None:
    length = 6 if m[3] == "half" else 3
    number = int(m[1] or m[6] or m[2][:-2])
    if number * length > 12 or number < 1:
        return None
    text = m[4] or m[5]
    if text and text[0].isalpha():
        year = scope.today.year + _WHICH[text.split()[0]]
    elif text:
        year = _year(text)
    else:
        year = scope.today.year
        if scope.past and date(year, 1 + length * (number - 1), 1) > scope.today:
            year -= 1
    first = date(year, 1 + length * (number - 1), 1)
    return Reading(days=Days(first, first + relativedelta(months=length)))


@rule(rf"(?:the )?({ORDINAL}|last) (week|day) (?:of|in) (.+)")
def _nth_of(m: re.Match[str], scope: Scope) -> Reading | None:
    base = scan(m[3], scope)
    if base is None or base.days is None or base.clock or base.days.start is None or base.days.end is None:
        return None
    size = 7 if m[2] == "week" else 1
    if m[1] == "last":
        return Reading(days=Days(base.days.end - size * DAY, base.days.end))
    start = base.days.start + size * (int(m[1][:-2]) - 1) * DAY
    return Reading(days=Days(start, start + size * DAY)) if start < base.days.end else None


@rule(r"(?:the )?(?:(19|20)(\d)0s|(\d0)s|(twent|thirt|fort|fift|sixt|sevent|eight|ninet)ies)")
def _decade(m: re.Match[str], scope: Scope) -> Reading | None:
    if m[1]:
        year = int(m[1] + m[2] + "0")
    elif m[3]:
        year = 1900 + int(m[3])
    else:
        year = 1920 + 10 * "twent thirt fort fift sixt sevent eight ninet".split().index(m[4])
    return Reading(days=Days(date(year, 1, 1), date(year + 10, 1, 1)))


# --- times ----------------------------------------------------------------------------------------------------


def _clock(
    hour: int, minute: int = 0, *, half: str | None = None, second: int = 0, sure: bool = False
) -> Clock | None:
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and (minute or second)):
        return None
    if half:
        if not 1 <= hour <= 12:
            # "14:00 pm" is said and is no contradiction; "14 am" is.
            return Clock(time(hour, minute, second)) if half == "pm" and 12 < hour < 24 else None
        return Clock(time(hour % 12 + (12 if half == "pm" else 0), minute, second))
    return Clock(time(hour % 24, minute, second), bare=not sure and 1 <= hour <= 12)


@rule(
    r"(?:(?:at|around|about|by) )?(\d{1,2})(?:[:.h](\d\d))?(?::(\d\d))? ?([ap]m)?(?: o'clock)?(?: sharp)?(?: ?([ap]m))?"
)
def _digital(m: re.Match[str], scope: Scope) -> Reading | None:
    said = m[0]
    plain_number = said.isdigit()
    if plain_number and scope.want == "date":
        return _days(_day_of_month(scope, int(said))) if 1 <= int(said) <= 31 else None
    # 09:30 and 14:30 are the 24-hour clock; 9:30 is anybody's.
    sure = m[1].startswith("0") and m[2] is not None
    clock = _clock(int(m[1]), int(m[2] or 0), half=m[4] or m[5], second=int(m[3] or 0), sure=sure)
    return None if clock is None else Reading(clock=clock)


@rule(
    r"(?:(?:at|around|about|by) )?(\d{1,2}) (?:o )?(\d\d?)(?: ?([ap]m))?|(\d{1,2})(\d\d)(?: ?([ap]m)| hours| hrs| o'clock)?"
)
def _spoken_clock(m: re.Match[str], scope: Scope) -> Reading | None:
    """Seven thirty, 1930, five hundred and thirty am."""
    if m[4] and scope.want == "date" and not m[6]:
        return None
    clock = _clock(int(m[1] or m[4]), int(m[2] or m[5]), half=m[3] or m[6])
    return None if clock is None else Reading(clock=clock)


@rule(
    r"(?:(?:at|around|about) )?(half|quarter|a quarter|1 quarter|\d{1,2}(?: minutes?| mins?)?) (past|after|to|before|till|of) (\d{1,2}|noon|midnight)(?: o'clock)?(?: ?([ap]m))?"
)
def _past(m: re.Match[str], scope: Scope) -> Reading | None:
    minutes = 30 if m[1] == "half" else 15 if "quarter" in m[1] else int(m[1].split()[0])
    base = {"noon": Clock(time(12)), "midnight": Clock(time(0))}.get(m[3]) or _clock(int(m[3]), half=m[4])
    if base is None or base.start is None or minutes > 59 or (m[2] == "of" and "quarter" not in m[1]):
        return None
    sign = 1 if m[2] in ("past", "after") else -1
    total = (base.start.hour * 60 + base.start.minute + sign * minutes) % 1440
    if base.bare and total < 60:
        total += 720
    return Reading(clock=replace(base, start=time(total // 60, total % 60)))


@rule(r"(?:(?:at|around) )?(noon|midday|mid day|noonish|midnight|mid night|daybreak|sunrise|sunset)")
def _named_time(m: re.Match[str], scope: Scope) -> Reading | None:
    # Sunrise would need a place on earth: no reading rather than a guess.
    if m[1] in ("daybreak", "sunrise", "sunset"):
        return None
    return Reading(clock=Clock(time(0 if "night" in m[1] else 12)))


@rule(
    r"(?:(?:in|during|at) )?(?:(this|next|the|tomorrow|yesterday|today|every) )?(early |late |mid |mid-)?"
    r"(morning|afternoon|evening|night|breakfast|lunch|dinner|supper|daytime|day time|night-time|night time|nighttime)(?:time| time)?s?"
)
def _part_of_day(m: re.Match[str], scope: Scope) -> Reading | None:
    name = m[3].replace("night-time", "night").removesuffix("time").strip()
    name = "dinner" if name == "supper" else name
    clock = Clock(None, part=name)
    if m[2]:
        part = PARTS[name]
        minutes = [t.hour * 60 + t.minute for t in (part.start, part.end)]
        middle = time(sum(minutes) // 2 // 60, sum(minutes) // 2 % 60)
        clock = (
            Clock(part.start, middle, part=name)
            if m[2].startswith("early")
            else Clock(middle, part.end, part=name)
        )
    if m[1] == "every":
        return Reading(rule=Rule("DAILY"), clock=clock)
    shift = {"this": 0, "today": 0, "tomorrow": 1, "next": 1, "yesterday": -1}.get(m[1] or "")
    return Reading(clock=clock, days=None if shift is None else Days.of(scope.today + shift * DAY))


@rule(rf"{LENGTHS}")
def _bare_length(m: re.Match[str], scope: Scope) -> Reading | None:
    """A bare "thirty minutes" where a time is asked for is counted from now."""
    length, fine = _length(m[0])
    return Reading(start=scope.now + length) if fine and scope.want == "time" else None


# --- joining --------------------------------------------------------------------------------------------------

_FILLER = re.compile(
    r"(?:(?:on|at|the|of|in|for|by|around|about|approximately|roughly|circa|@|-|date|time|during)(?:\s+|$))*"
)
_BOUNDS: tuple[tuple[re.Pattern[str], Literal["after", "since", "before", "until"]], ...] = tuple(
    (re.compile(pattern), mode)
    for pattern, mode in (
        (r"(?:any ?time )?(?:after|later than|past|newer than|>) (.+)", "after"),
        (r"(?:since|starting(?: on| from| at)?|from|as of|no earlier than|not before|>=) (.+)", "since"),
        (r"(?:any ?time )?(?:before|prior to|earlier than|older than|<) (.+)", "before"),
        (
            r"(?:until|till|up to|no later than|not later than|not after|by|through|<=|as late as) (.+)",
            "until",
        ),
        (r"(.+?) (?:or later|or after|and after|and later|onwards?|or newer|and newer|forward)", "since"),
        (r"(.+?) (?:or earlier|or before|and before|and earlier|or older)", "until"),
    )
)  # type: ignore[assignment]
_RANGE = re.compile(r" ?(?:-|\bto\b|\buntil\b|\btill\b|\bthrough\b|\bthru\b|\band\b|\band ending\b) ?")


def scan(text: str, scope: Scope) -> Reading | None:
    """Reads all of `text` as pieces said together; None when a word remains that no rule reads."""
    return _scan(text.strip(), 0, Reading(), scope, 0)


def _scan(text: str, position: int, found: Reading, scope: Scope, depth: int) -> Reading | None:
    filler = _FILLER.match(text, position)
    starts = [position, filler.end()] if filler and filler.end() > position else [position]
    if starts[-1] >= len(text):
        return found if found != Reading() else None
    if depth >= 5:
        return None
    for start in starts:
        for pattern, reader in _RULES:
            match = pattern.match(text, start)
            if match is None or match.end() == start:
                continue
            try:
                piece = reader(match, scope)
            except (ValueError, OverflowError):
                # A day that is not in the calendar, a year beyond it: this rule does not read it.
                continue
            merged = None if piece is None else found.merged(piece)
            if merged is None:
                continue
            rest = match.end()
            while rest < len(text) and text[rest] in " ,":
                rest += 1
            result = _scan(text, rest, merged, scope, depth + 1)
            if result is not None:
                return result
        if found != Reading() or start == 0:
            tail = _range(text[start:], scope)
            merged = None if tail is None else found.merged(tail)
            if merged is not None:
                return merged
    return None


def _range(text: str, scope: Scope) -> Reading | None:
    """From X to Y, between X and Y, after X, X or later."""
    body = re.sub(r"^(?:starting )?(?:from|between) ", "", text)
    opened = body != text
    for joint in _RANGE.finditer(body):
        left, right = body[: joint.start()].strip(), body[joint.end() :].strip()
        if not left or not right:
            continue
        # Without "between", "and" joins two clock times only ("six and nine am").
        reading = _span(left, right, scope)
        if reading is not None and (opened or "and" not in joint[0] or (reading.clock and not reading.days)):
            return reading
    length = re.fullmatch(rf"(.+) for ({LENGTHS})", body)
    if length:
        return _lasting(length[1], length[2], scope)
    for pattern, mode in _BOUNDS:
        match = pattern.fullmatch(text)
        inner = scan(match[1], scope) if match else None
        if inner is not None:
            return _bounded(inner, mode)
    return None


def _lasting(text: str, length: str, scope: Scope) -> Reading | None:
    base = scan(text, scope)
    step, fine = _length(length)
    if base is None or base.rule or base.start:
        return None
    if fine and base.clock and base.clock.start and not base.clock.end:
        clock = base.clock.settled()
        end = datetime.combine(scope.today, clock.point) + step
        return replace(base, clock=replace(clock, end=end.time())) if end.date() == scope.today else None
    if not fine and base.days and base.days.start and not base.clock:
        return Reading(days=Days(base.days.start, base.days.start + step))
    return None


def _bounded(inner: Reading, mode: Literal["after", "since", "before", "until"]) -> Reading | None:
    """One side open. "After march" begins where march ends, "since march" where it begins."""
    if inner.rule or inner.end:
        return None
    if inner.start:
        return inner if mode in ("after", "since") else None
    if inner.clock:
        clock = inner.clock
        if clock.mode != "at":
            return None
        first, last = clock.window if clock.part else (clock.start, clock.end or clock.start)
        if mode in ("after", "since"):
            return replace(
                inner, clock=replace(clock, start=last if mode == "after" else first, end=None, mode="after")
            )
        return replace(
            inner, clock=replace(clock, start=None, end=first if mode == "before" else last, mode="before")
        )
    if inner.days is None:
        return None
    start, end = inner.days.start, inner.days.end
    if mode in ("after", "since"):
        return Reading(days=Days(end if mode == "after" else start, None))
    return Reading(days=Days(None, start if mode == "before" else end))


_BARE_DAY = re.compile(r"(?:the )?(\d{1,2})(?:st|nd|rd|th)?")
_HAS_MONTH = re.compile(rf"\b{MONTH}\b")
_HAS_YEAR = re.compile(r"\b(?:19|20)\d\d\b")


def _span(left: str, right: str, scope: Scope) -> Reading | None:
    if _BARE_DAY.fullmatch(left) and (month := _HAS_MONTH.search(right)):
        number = _BARE_DAY.fullmatch(left)
        dated = re.search(r"\d{1,2}(?:st|nd|rd|th)?", right)
        if number and dated and month:
            left = f"{right[: dated.start()]}{number[1]}{right[dated.end() :]}"
    elif _BARE_DAY.fullmatch(right) and _HAS_MONTH.search(left):
        number = _BARE_DAY.fullmatch(right)
        dated = re.search(r"\b\d{1,2}(?:st|nd|rd|th)?\b", left)
        if number and dated:
            right = f"{left[: dated.start()]}{number[1]}{left[dated.end() :]}"
    elif (year := _HAS_YEAR.search(right)) and not _HAS_YEAR.search(left) and _HAS_MONTH.search(left):
        left = f"{left} {year[0]}"
    one, two = scan(left, scope), scan(right, scope)
    if one is None or two is None or one.rule or two.rule:
        return None
    if one.start or two.start:
        if one.start and two.start and not (one.end or two.end):
            return Reading(start=one.start, end=two.start)
        return None
    if one.clock and two.clock:
        if one.clock.end or two.clock.end or not one.clock.start or not two.clock.start:
            return None
        if one.days and two.days and one.days != two.days:
            return None
        return Reading(days=one.days or two.days, clock=_clock_span(one.clock, two.clock))
    if one.clock or two.clock or not one.days or not two.days:
        return None
    if one.days.start and two.days.end and two.days.end <= one.days.start:
        later = scan(
            right,
            replace(
                scope,
                now=scope.now.replace(
                    year=one.days.start.year, month=one.days.start.month, day=one.days.start.day
                ),
                past=False,
            ),
        )
        if later is None or later.days is None:
            return None
        two = later
    if one.days.start is None or two.days is None or two.days.end is None or two.days.end <= one.days.start:
        return None
    return Reading(days=Days(one.days.start, two.days.end))


def _clock_span(one: Clock, two: Clock) -> Clock | None:
    start, end = one.start, two.start
    if start is None or end is None:
        return None
    if one.bare and not two.bare:
        # "3 to 5pm": the first takes the second's half of the day when that keeps it before.
        late = start.replace(hour=start.hour % 12 + 12)
        early = start.replace(hour=start.hour % 12)
        start = late if late < end else early
        return Clock(start, end)
    if two.bare and not one.bare:
        late = end.replace(hour=end.hour % 12 + 12)
        return Clock(start, end if end > start else late)
    return Clock(start, end, bare=one.bare)


@lru_cache(maxsize=2048)
def read(text: str, scope: Scope) -> Reading | None:
    """The reading of a phrase in `words.plain` spelling; None when not all of it is understood."""
    if len(text) > MAX_PHRASE:
        return None
    return scan(text, scope)
