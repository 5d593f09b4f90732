"""Rules that read a time of day: "nine am", "half past nine", "1930", "noon", "this evening"."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import time

from speeddial.values.days import day_of_month
from speeddial.values.reading import DAY, Clock, Days, Reading, Rule
from speeddial.values.scope import LENGTHS, Rules, Scope, length_of, one_day

RULES = Rules()

_AT = r"(?:(?:at|around|about|by|circa) )?"


def _clock(
    hour: int, minute: int = 0, second: int = 0, *, half: str | None = None, sure: bool = False
) -> Clock | None:
    """A clock time; None when no clock shows it. `sure`: it is of the 24-hour clock."""
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and (minute or second)):
        return None
    if half and not 1 <= hour <= 12:
        # "14:00 pm" is said and contradicts nothing; "14 am" does.
        return Clock(time(hour, minute, second)) if half == "pm" and 12 < hour < 24 else None
    if half:
        return Clock(time(hour % 12 + (12 if half == "pm" else 0), minute, second))
    return Clock(time(hour % 24, minute, second), bare=not sure and 1 <= hour <= 12)


def _read(clock: Clock | None) -> Reading | None:
    return None if clock is None else Reading(clock=clock)


@RULES.add(
    rf"{_AT}(\d{{1,2}})(?:[:.h](\d\d))?(?::(\d\d))? ?([ap]m)?"
    r"(?: ?o'clock)?(?: sharp|ish)?(?: ?([ap]m))?(?: ?ish)?"
)
def _digital(m: re.Match[str], scope: Scope) -> Reading | None:
    if m[0].isdigit() and scope.want == "date":
        return one_day(day_of_month(scope, int(m[0]))) if 1 <= int(m[0]) <= 31 else None
    # 09:30 is the 24-hour clock; 9:30 is anybody's.
    sure = m[1].startswith("0") and m[2] is not None
    return _read(_clock(int(m[1]), int(m[2] or 0), int(m[3] or 0), half=m[4] or m[5], sure=sure))


@RULES.add(
    rf"{_AT}(\d{{1,2}}) (?:o )?(\d\d?)(?: minutes)?(?: ?([ap]m))?",
    rf"{_AT}(\d{{1,2}})(\d\d)(?: ?([ap]m)| hours| hrs| o'clock)?",
)
def _spoken(m: re.Match[str], scope: Scope) -> Reading | None:
    """Seven thirty, 1930, five hundred and thirty am."""
    if m[4] and scope.want != "time" and m[0].isdigit():
        # Without "at" and outside a time, 2014 is a year and not a quarter past eight.
        return None
    return _read(_clock(int(m[1] or m[4]), int(m[2] or m[5]), half=m[3] or m[6]))


@RULES.add(
    rf"{_AT}(half|(?:a |1 )?quarter|\d{{1,2}}(?: minutes?| mins?)?) (past|after|to|before|till|of) "
    r"(\d{1,2}|noon|midnight)(?: o'clock)?(?: ?([ap]m))?"
)
def _past(m: re.Match[str], scope: Scope) -> Reading | None:
    quarter, plain = "quarter" in m[1], m[1].isdigit()
    minutes = 30 if m[1] == "half" else 15 if quarter else int(m[1].split()[0])
    base = {"noon": Clock(time(12)), "midnight": Clock(time(0))}.get(m[3]) or _clock(int(m[3]), half=m[4])
    if base is None or base.start is None or minutes > 59 or (m[2] == "of" and not quarter):
        return None
    if plain and m[2] in ("to", "till") and m[3].isdigit() and minutes < int(m[3]):
        # "Five to seven" is a stretch of time as often as 6:55; "ten to nine" can only be 8:50.
        return None
    sign = 1 if m[2] in ("past", "after") else -1
    total = (base.start.hour * 60 + base.start.minute + sign * minutes) % 1440
    if base.bare and total < 60:
        total += 720
    return Reading(clock=replace(base, start=time(total // 60, total % 60)))


@RULES.add(rf"{_AT}(?:12 )?(noon|midday|mid day|midnight|mid night)(?: ?ish)?")
def _named(m: re.Match[str], scope: Scope) -> Reading | None:
    return Reading(clock=Clock(time(0 if "night" in m[1] else 12)))


_PART_NAMES = {
    "morning": "morning", "afternoon": "afternoon", "evening": "evening", "breakfast": "breakfast",
    "breakfasttime": "breakfast", "lunch": "lunch", "lunchtime": "lunch", "lunch time": "lunch",
    "dinner": "dinner", "dinnertime": "dinner", "dinner time": "dinner", "supper": "dinner", "night": "night",
    "night time": "night", "nighttime": "night", "day time": "day", "daytime": "day",
}  # fmt: skip


@RULES.add(
    r"(?:(?:in|during|at) )?(?:(this|next|the|tomorrow|yesterday|today|every) )?(early |late |mid |mid-)?"
    rf"({'|'.join(sorted(_PART_NAMES, key=len, reverse=True))})s?"
)
def _part_of_day(m: re.Match[str], scope: Scope) -> Reading | None:
    name = _PART_NAMES[m[3]]
    clock = Clock(None, part=name, edge=(m[2] or "").strip(" -"))
    if m[1] == "every":
        return Reading(rule=Rule("DAILY"), clock=clock)
    shift = {"this": 0, "today": 0, "tomorrow": 1, "next": 1, "yesterday": -1}.get(m[1] or "")
    return Reading(clock=clock, days=None if shift is None else Days.of(scope.today + shift * DAY))


@RULES.add(LENGTHS)
def _bare_length(m: re.Match[str], scope: Scope) -> Reading | None:
    """A bare "thirty minutes" where a time is asked for is counted from now."""
    length, fine = length_of(m[0])
    return Reading(start=scope.now + length) if fine and scope.want == "time" else None
