"""How the rules are put together: pieces said side by side, spans from one to another, open bounds.

A phrase is read only when all of it is understood; one unknown word and there is no reading, so nothing is
guessed from half a phrase. Why a grammar of our own: benchmarks/values.py compares it with dateparser and
parsedatetime on Microsoft's Recognizers-Text specs. The libraries miss spoken numbers and every span, and
resolve phrases wrongly where they should say that they do not know.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime
from functools import lru_cache
from itertools import chain
from typing import Literal, cast

from speeddial.values import clocks, days, stretches
from speeddial.values.reading import DAY, Clock, Days, Reading
from speeddial.values.scope import (
    DAY_OF,
    LENGTHS,
    MONTH,
    ORDINAL,
    TH,
    WEEKDAY,
    Rules,
    Scope,
    length_of,
    one_day,
)

RULES = Rules()
"""The rules that read another phrase inside theirs."""

MAX_PHRASE = 120
MAX_WORDS = 16
"""Longer phrases are refused: no date or time takes more, and reading tries many splits."""
_MOST_PIECES = 5

_ALL = (days.RULES, stretches.RULES, clocks.RULES, RULES)
"""Days before stretches before clocks: 2014 is a year before it is a time."""

Bound = Literal["after", "since", "before", "until"]


@lru_cache(maxsize=4096)
def scan(text: str, scope: Scope) -> Reading | None:
    """Reads all of `text`; None when a word remains that no rule reads.

    Cached: without it, a phrase of many "to"s is split into the same halves over and over, for hours.
    """
    text = text.strip()
    lasting = re.fullmatch(
        rf"(?:for )?({LENGTHS}) (?:starting |beginning |commencing )?(?:on |at )?(?:from )?(.+)", text
    )
    if lasting and re.match(
        rf"(?:for )?{LENGTHS} (?:starting|beginning|commencing)\b|for {LENGTHS} from\b", text
    ):
        return _lasting(lasting[2], lasting[1], scope)
    return _scan(text, 0, Reading(), scope, 0)


_LASTING = re.compile(
    rf"(?:for )?(?:({LENGTHS}) (?:starting|beginning|commencing)|(?<=for )({LENGTHS}))"
    r"(?: on| at)?(?: from)? (.+)"
)
_FILLER = re.compile(
    r"(?:(?:on|at|the|of|in|for|by|around|about|approximately|roughly|circa|@|-|date|time|during)(?:\s+|$))*"
)


def _scan(text: str, position: int, found: Reading, scope: Scope, pieces: int) -> Reading | None:
    filler = _FILLER.match(text, position)
    starts = [position] if filler is None or filler.end() == position else [position, filler.end()]
    if starts[-1] >= len(text):
        return found if found != Reading() else None
    if pieces >= _MOST_PIECES:
        return None
    for start in starts:
        for pattern, reader in chain(*_ALL):
            match = pattern.match(text, start)
            if match is None or match.end() == start:
                continue
            try:
                piece = reader(match, scope)
            except (ValueError, OverflowError):
                # A day that is not in the calendar, a year beyond it: this rule does not read it.
                continue
            joined = _beside(found, piece)
            if joined is None:
                continue
            rest = len(text) - len(text[match.end() :].lstrip(" ,"))
            result = _scan(text, rest, joined, scope, pieces + 1)
            if result is not None:
                return result
        if found != Reading() or start == 0:
            joined = _beside(found, _span_or_bound(text[start:], scope))
            if joined is not None:
                return joined
    return None


def _beside(found: Reading, piece: Reading | None) -> Reading | None:
    """Two pieces of one phrase; a clock time belongs to one day ("year 2008" is no half past eight)."""
    joined = None if piece is None else found.merged(piece)
    if joined is None or (joined.clock and joined.days and not joined.days.single):
        return None
    return joined


# --- rules that read another phrase inside ------------------------------------------------------------------


@RULES.add(rf"({LENGTHS}) (from|after|before) (.+)")
def _from_other(m: re.Match[str], scope: Scope) -> Reading | None:
    """Two days before christmas, a week from friday, ten minutes before nine."""
    if m.string[: m.start()].endswith("for "):
        return None
    length, fine = length_of(m[1])
    base = scan(m[3], scope)
    if base is None or base.start or base.rule:
        return None
    sign = -1 if m[2] == "before" else 1
    if not fine and base.days and base.days.start and base.days.end and base.clock is None:
        # Two days after a week start where that ends; a day is counted from itself.
        first = base.days.start if base.days.single or sign < 0 else base.days.end
        return one_day(first + sign * length)
    if fine and base.clock and base.clock.start and not base.clock.end and base.clock.mode == "at":
        day = base.days.start if base.days and base.days.start else scope.today
        moment = datetime.combine(day, base.clock.settled().point)
        moved = moment + sign * length
        same_day = moved.date() == moment.date()
        return replace(base, clock=replace(base.clock.settled(), start=moved.time())) if same_day else None
    return None


@RULES.add(rf"(?:the )?({ORDINAL}|last) (week|day|month) (?:of|in) (.+)")
def _nth_of(m: re.Match[str], scope: Scope) -> Reading | None:
    """First week of march: weeks belong to the month or year that has their Thursday, as ISO 8601 counts."""
    base = _days_of(scan(m[3], scope))
    if base is None:
        return None
    first, end = base
    number = -1 if m[1] == "last" else int(m[1][:-2]) - 1
    if number < 0 and m[1] != "last":
        return None
    if m[2] == "month":
        whole = stretches.calendar_unit(first if number >= 0 else end - DAY, "month", max(number, 0))
        return Reading(days=whole) if whole.end and whole.end <= end else None
    if m[2] == "day":
        day = first + number * DAY if number >= 0 else end - DAY
        return one_day(day) if day < end else None
    thursday = first + (3 - first.weekday()) % 7 * DAY
    if number < 0:
        last = end - DAY
        thursday = last - (last.weekday() - 3) % 7 * DAY
        number = 0
    thursday += 7 * number * DAY
    return Reading(days=Days(thursday - 3 * DAY, thursday + 4 * DAY)) if thursday < end else None


@RULES.add(rf"(?:the )?({ORDINAL}|last) ({WEEKDAY}) (?:of|in) (.+)")
def _nth_weekday_of(m: re.Match[str], scope: Scope) -> Reading | None:
    base = _days_of(scan(re.sub(r"^the month$", "this month", m[3]), scope))
    if base is None:
        return None
    first, end = base
    number = DAY_OF[m[2]]
    if m[1] == "last":
        last = end - DAY
        return one_day(last - (last.weekday() - number) % 7 * DAY)
    day = first + ((number - first.weekday()) % 7 + 7 * (int(m[1][:-2]) - 1)) * DAY
    return one_day(day) if first <= day < end else None


@RULES.add(r"(?:the )?week (?:of|beginning|starting|commencing) (?:on )?(.+)", r"(?:the )?weekend of (.+)")
def _week_of(m: re.Match[str], scope: Scope) -> Reading | None:
    base = _days_of(scan(m[1] or m[2], scope))
    if base is None or base[1] - base[0] != DAY:
        return None
    return Reading(days=stretches.calendar_unit(base[0], "weekend" if m[2] else "week", 0))


@RULES.add(
    r"(?:the )?(rest|remainder|end|beginning|start|middle) of (.+)",
    r"(early|mid|late|end|beginning|start)[ -](?:of )?(.+)",
)
def _portion(m: re.Match[str], scope: Scope) -> Reading | None:
    """A third of a stretch of days; "the rest" is what is left of it from today."""
    which = m[1] or m[3]
    base = _days_of(scan(m[2] or m[4], scope))
    if base is None:
        return None
    first, end = base
    if which in ("rest", "remainder"):
        return Reading(days=Days(scope.today, end)) if first <= scope.today < end else None
    third = (end - first).days // 3 * DAY
    if not third:
        return None
    if which in ("end", "late"):
        return Reading(days=Days(end - third, end))
    if which in ("middle", "mid"):
        return Reading(days=Days(first + third, end - third))
    return Reading(days=Days(first, first + third))


def _days_of(reading: Reading | None) -> tuple[date, date] | None:
    """First day and the day after the last of a reading that is nothing but days."""
    if reading is None or reading.days is None or reading.clock or reading.rule:
        return None
    start, end = reading.days.start, reading.days.end
    return None if start is None or end is None else (start, end)


# --- spans and bounds ---------------------------------------------------------------------------------------

_JOINT = re.compile(r" ?(?:-|~|\bto\b|\buntil\b|\btill\b|\bthrough\b|\bthru\b|\band ending\b|\band\b) ?")
_BOUNDS = tuple(
    (re.compile(pattern), cast(Bound, mode))
    for pattern, mode in (
        (r"(?:any ?time )?(?:after|later than|past|newer than|> ?) ?(.+)", "after"),
        (
            r"(?:any ?time )?(?:since|starting(?: on| from| at)?|beginning(?: on)?|from|as of|as early as|"
            r"no earlier than|not before|> ?=) ?(.+)",
            "since",
        ),
        (r"(?:any ?time )?(?:before|prior to|earlier than|older than|< ?) ?(.+)", "before"),
        (
            r"(?:until|till|up to|no later than|not later than|not after|by|through|< ?=|as late as) ?(.+)",
            "until",
        ),
        (r"(.+?) (?:or later|or after|and after|and later|onwards?|or newer|and newer|forward)", "since"),
        (r"(.+?) (?:or earlier|or before|and before|and earlier|or older)", "until"),
    )
)


def _span_or_bound(text: str, scope: Scope) -> Reading | None:
    body = re.sub(r"^(?:starting )?(?:from|between) ", "", text)
    opened = body != text
    for joint in _JOINT.finditer(body):
        left, right = body[: joint.start()].strip(), body[joint.end() :].strip()
        if joint[0] == "-" and bool(re.search(r"\b\d{4}$", left)) != bool(re.match(r"\d{4}\b", right)):
            # 2024-13-01 is a date that does not exist, and no span from 2024 on.
            continue
        reading = _span(left, right, scope) if left and right else None
        # Without "between", "and" joins two clock times only ("six and nine am").
        if reading is not None and (opened or "and" not in joint[0] or (reading.clock and not reading.days)):
            return reading
    lasting = re.fullmatch(rf"(.+) for ({LENGTHS})", body)
    if lasting:
        return _lasting(lasting[1], lasting[2], scope)
    for pattern, mode in _BOUNDS:
        match = pattern.fullmatch(text)
        inner = scan(match[1], scope) if match else None
        if inner is not None:
            return _bounded(inner, mode)
    return None


def _lasting(text: str, length: str, scope: Scope) -> Reading | None:
    """From nine for two hours, three days from today."""
    base = scan(text, scope)
    step, fine = length_of(length)
    if base is None or base.rule or base.start:
        return None
    if fine and base.clock and base.clock.start and not base.clock.end:
        end = datetime.combine(scope.today, base.clock.start) + step
        return replace(base, clock=replace(base.clock, end=end.time())) if end.date() == scope.today else None
    if not fine and base.days and base.days.start and not base.clock:
        return Reading(days=Days(base.days.start, base.days.start + step))
    return None


def _bounded(inner: Reading, mode: Bound) -> Reading | None:
    """One side open. "After march" begins where march ends, "since march" where it begins."""
    if inner.rule or inner.end:
        return None
    if inner.start:
        return inner if mode in ("after", "since") else None
    if inner.clock:
        clock = inner.clock
        if clock.mode != "at":
            return None
        whole = clock.part and clock.start is None
        first, last = clock.window if whole else (clock.start, clock.end or clock.start)
        if mode in ("after", "since"):
            edge = last if mode == "after" else first
            return replace(inner, clock=replace(clock, start=edge, end=None, mode="after"))
        return replace(
            inner, clock=replace(clock, start=None, end=first if mode == "before" else last, mode="before")
        )
    if inner.days is None or inner.days.start is None or inner.days.end is None:
        return None
    start, end = inner.days.start, inner.days.end
    if mode in ("after", "since"):
        return Reading(days=Days(end if mode == "after" else start, None))
    return Reading(days=Days(None, start if mode == "before" else end))


_NUMBER = re.compile(rf"(?:the )?(\d{{1,2}}){TH}?")
_HAS_MONTH = re.compile(rf"\b{MONTH}\b|next month|this month|last month")
_HAS_YEAR = re.compile(r"\b(?:19|20)\d\d\b")


def _span(left: str, right: str, scope: Scope) -> Reading | None:
    given = (left, right)
    left, right = _completed(left, right)
    one, two = scan(left, scope), scan(right, scope)
    if one is None or two is None or one.rule or two.rule or one.end or two.end:
        return None
    if one.start or two.start:
        return _span_with_now(one, two, scope)
    if one.clock and two.clock:
        if one.clock.end or two.clock.end or not one.clock.start or not two.clock.start:
            return None
        if one.days != two.days and (one.days or not right[0].isdigit()):
            # Over midnight, or "2pm till tomorrow 4pm": more than one day, and the clocks alone would lie.
            return None
        return Reading(days=two.days, clock=_clock_span(one.clock, two.clock))
    if one.clock or two.clock or not one.days or not two.days or one.days.start is None:
        return None
    if two.days.end and two.days.end <= one.days.start:
        if (left, right) != given:
            # "From april 27th to the 3rd": the month that was taken over does not fit.
            return None
        # "November to february": the second is the next after the first.
        from_first = datetime.combine(one.days.start, scope.now.timetz())
        later = scan(right, replace(scope, now=from_first, past=False))
        two = later if later is not None and later.days else two
    if two.days is None or two.days.end is None or two.days.end <= one.days.start:
        return None
    return Reading(days=Days(one.days.start, two.days.end))


def _completed(left: str, right: str) -> tuple[str, str]:
    """Both sides with the month and year that only one of them names."""
    number = _NUMBER.fullmatch(left)
    if number and _HAS_MONTH.search(right) and (dated := re.search(rf"\b\d{{1,2}}{TH}?\b", right)):
        return f"{right[: dated.start()]}{_th(number[1])}{right[dated.end() :]}", _with_th(right, dated)
    number = _NUMBER.fullmatch(right)
    if number and _HAS_MONTH.search(left) and (dated := re.search(rf"\b\d{{1,2}}{TH}?\b", left)):
        return left, f"{left[: dated.start()]}{number[1]}{left[dated.end() :]}"
    if (year := _HAS_YEAR.search(right)) and not _HAS_YEAR.search(left):
        if re.fullmatch(r"\d{1,2}/\d{1,2}", left):
            return f"{left}/{year[0]}", right
        if _HAS_MONTH.search(left) and re.search(rf"{MONTH}", left):
            return f"{left} {year[0]}", right
    return left, right


def _th(number: str) -> str:
    return f"{number}th"


def _with_th(text: str, number: re.Match[str]) -> str:
    """The text with its bare day number as an ordinal ("23 in next month")."""
    bare = number[0].isdigit() and re.search(r"\b(?:this|next|last) month\b", text)
    return f"{text[: number.end()]}th{text[number.end() :]}" if bare else text


def _span_with_now(one: Reading, two: Reading, scope: Scope) -> Reading | None:
    """Between now and something, or from something until now."""
    if one.start and two.start:
        return Reading(start=one.start, end=two.start)
    if one.start == scope.now and two.days and not two.clock:
        return Reading(days=Days(scope.today, two.days.end))
    if two.start == scope.now and one.days and not one.clock:
        return Reading(days=Days(one.days.start, scope.today + DAY))
    return None


def _clock_span(one: Clock, two: Clock) -> Clock | None:
    start, end = one.start, two.start
    if start is None or end is None:
        return None
    if one.bare and not two.bare:
        # "3 to 5pm": the first takes the half of the day that keeps it before the second.
        late = start.replace(hour=start.hour % 12 + 12)
        return Clock(late if late < end else start.replace(hour=start.hour % 12), end)
    if two.bare and not one.bare:
        return Clock(start, end if end > start else end.replace(hour=end.hour % 12 + 12))
    return Clock(start, end, bare=one.bare)
