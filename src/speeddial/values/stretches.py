"""Rules that read a stretch of days: "last week", "march 2024", "q1", "the next five days", "the nineties".

Weeks start on Monday. "The last seven days" end with today, "the next seven" begin tomorrow.
"""

from __future__ import annotations

import re
from datetime import date

from dateutil.relativedelta import relativedelta

from speeddial.values.reading import DAY, Days, Reading
from speeddial.values.scope import (
    LENGTHS,
    MONTH,
    MONTH_OF,
    ORDINAL,
    UNIT,
    WHICH,
    YEAR,
    Rules,
    Scope,
    day_of,
    length_of,
    singular,
    year_of,
)

RULES = Rules()

_WHICH = r"(this|next|last|past|previous|current|following|upcoming|coming)"


def calendar_unit(day: date, unit: str, shift: int) -> Days:
    """This week, last month: a whole unit of the calendar, `shift` units from the one `day` is in."""
    monday = day - day.weekday() * DAY
    if unit == "weekend":
        return Days(monday + (5 + 7 * shift) * DAY, monday + 7 * (1 + shift) * DAY)
    if unit == "week":
        return Days(monday + 7 * shift * DAY, monday + 7 * (1 + shift) * DAY)
    if unit == "fortnight":
        return Days(monday + 14 * shift * DAY, monday + 14 * (1 + shift) * DAY)
    if unit == "day":
        return Days.of(day + shift * DAY)
    months = {"month": 1, "quarter": 3, "year": 12, "decade": 120}[unit]
    if unit == "decade":
        first = date(day.year - day.year % 10, 1, 1)
    else:
        first = day.replace(month=(day.month - 1) // months * months + 1, day=1)
    start = first + relativedelta(months=months * shift)
    return Days(start, start + relativedelta(months=months))


@RULES.add(
    rf"(?:the )?(?:{_WHICH} )?(?:whole )?(week|weekend|fortnight|month|quarter|year|decade|day)s?( to date)?"
)
def _unit(m: re.Match[str], scope: Scope) -> Reading | None:
    if m[1] is None and (m[0] != m.string or m[2] == "day" or m[0].endswith("s")):
        # A bare "year" is this year only when nothing else is said ("year 2008").
        return None
    days = calendar_unit(scope.today, m[2], WHICH[m[1] or "this"])
    return Reading(days=Days(days.start, scope.today + DAY) if m[3] else days)


@RULES.add(r"(?:the )?(week|weekend|month|year) (after next|before last)")
def _unit_after_next(m: re.Match[str], scope: Scope) -> Reading | None:
    return Reading(days=calendar_unit(scope.today, m[1], 2 if m[2] == "after next" else -2))


@RULES.add(
    rf"(?:within )?(?:the )?{_WHICH} ({LENGTHS})",
    rf"(?:the )?(\d+) {_WHICH} (?!night)({UNIT})",
    r"(?:the )?(next|last|past|coming) (hour|minute)",
    rf"within ({LENGTHS})",
)
def _rolling(m: re.Match[str], scope: Scope) -> Reading | None:
    which = m[1] or m[4] or m[6] or "next"
    if which in ("this", "current"):
        return None
    text = m[2] or (f"{m[3]} {m[5]}" if m[3] else f"1 {m[7]}" if m[7] else m[8])
    length, fine = length_of(text)
    back = WHICH[which] < 0
    if fine:
        ends = (scope.now - length, scope.now) if back else (scope.now, scope.now + length)
        return Reading(start=ends[0], end=ends[1])
    quarters = re.fullmatch(r"(\d+) quarters?", text)
    if quarters:
        # Quarters are counted whole, as people who count in them do.
        shift = -int(quarters[1]) if back else 1
        first = calendar_unit(scope.today, "quarter", shift).start
        return None if first is None else Reading(days=Days(first, first + length))
    tomorrow = scope.today + DAY
    if not back:
        if m[0].startswith("within"):
            return Reading(days=Days(scope.today, tomorrow + length))
        return Reading(days=Days(tomorrow, tomorrow + length))
    counted_in_days = singular(text.split()[-1]) == "day"
    return Reading(days=Days((tomorrow if counted_in_days else scope.today) - length, tomorrow))


def month(scope: Scope, name: str, year: int | None = None) -> Days:
    """A whole month: of that year, or the present one if it is going on, or the next (latest) so named."""
    number = MONTH_OF[name]
    first = date(scope.today.year if year is None else year, number, 1)
    if year is None and scope.past and first > scope.today:
        first = first.replace(year=first.year - 1)
    if year is None and not scope.past and number < scope.today.month:
        first = first.replace(year=first.year + 1)
    return Days(first, first + relativedelta(months=1))


@RULES.add(rf"(?:(this|next|last) )?({MONTH})(?:(?: of|-|/| in)? ?({YEAR}|(?:this|next|last) year))?")
def _month_of_year(m: re.Match[str], scope: Scope) -> Reading | None:
    word = m[3].split()[0] if m[3] else m[1]
    if word in WHICH:
        return Reading(days=month(scope, m[2], scope.today.year + WHICH[word]))
    return Reading(days=month(scope, m[2], year_of(m[3]) if m[3] else None))


@RULES.add(rf"({YEAR})[ -/]({MONTH})", r"(\d{4})[-/](\d\d?)", r"(\d\d?)[-/](\d{4})")
def _year_month(m: re.Match[str], scope: Scope) -> Reading | None:
    year, number = year_of(m[1] or m[3] or m[6]), MONTH_OF[m[2]] if m[2] else int(m[4] or m[5])
    first = day_of(year, number, 1)
    return None if first is None else Reading(days=Days(first, first + relativedelta(months=1)))


@RULES.add(rf"(?:the )?(?:calendar )?(year )?({YEAR})")
def _a_year(m: re.Match[str], scope: Scope) -> Reading | None:
    if scope.want == "time" and not m[1]:
        return None
    return Reading(days=Days(date(year_of(m[2]), 1, 1), date(year_of(m[2]) + 1, 1, 1)))


_OF_YEAR = rf"(?:(?: of)?(?: the)? ?({YEAR}|(?:this |next |last )?year))"


@RULES.add(
    rf"(?:the )?(?:([qh])([1-4])-?|(?:({ORDINAL}) (quarter|half))){_OF_YEAR}?",
    rf"({YEAR}|(?:this|next|last) year)[ -]?(?:([qh])([1-4])|({ORDINAL}) (quarter|half))",
)
def _quarter(m: re.Match[str], scope: Scope) -> Reading | None:
    half = "h" in (m[1], m[7]) or "half" in (m[4], m[10])
    number, length = int(m[2] or m[8] or (m[3] or m[9])[:-2]), 6 if half else 3
    if number * length > 12 or number < 1:
        return None
    said = m[5] or m[6]
    if said and said[0].isdigit():
        year = year_of(said)
    else:
        year = scope.today.year + (WHICH.get(said.split()[0], 0) if said else 0)
        if not said and scope.past and date(year, 1 + length * (number - 1), 1) > scope.today:
            year -= 1
    first = date(year, 1 + length * (number - 1), 1)
    return Reading(days=Days(first, first + relativedelta(months=length)))


_TENS = ("twent", "thirt", "fort", "fift", "sixt", "sevent", "eight", "ninet")


@RULES.add(rf"(?:the )?(?:(19|20)(\d)0 ?s|(\d0)s|({'|'.join(_TENS)})ies)")
def _decade(m: re.Match[str], scope: Scope) -> Reading | None:
    spoken = 1920 + 10 * _TENS.index(m[4]) if m[4] else 0
    year = int(f"{m[1]}{m[2]}0") if m[1] else spoken or 1900 + int(m[3])
    return Reading(days=Days(date(year, 1, 1), date(year + 10, 1, 1)))
