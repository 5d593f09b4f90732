"""Phrases that repeat: "every friday", "weekdays at nine", "the first monday of every month"."""

from __future__ import annotations

import re
from dataclasses import replace

from speeddial.values.grammar import scan
from speeddial.values.reading import Reading, Rule
from speeddial.values.scope import CODES, DAY_OF, MONTH, MONTH_OF, ORDINAL, WEEKDAY, Scope

_EVERY = r"(?:every|each|all|any)"
_WORKDAYS = CODES[:5]
_UNITS = {
    "minute": "MINUTELY", "hour": "HOURLY", "day": "DAILY", "night": "DAILY", "week": "WEEKLY",
    "month": "MONTHLY", "year": "YEARLY",
}  # fmt: skip
_ADVERBS = {
    "hourly": Rule("HOURLY"), "daily": Rule("DAILY"), "nightly": Rule("DAILY"), "weekly": Rule("WEEKLY"),
    "monthly": Rule("MONTHLY"), "quarterly": Rule("MONTHLY", interval=3), "yearly": Rule("YEARLY"),
    "annually": Rule("YEARLY"), "annual": Rule("YEARLY"), "biweekly": Rule("WEEKLY", interval=2),
    "bi weekly": Rule("WEEKLY", interval=2), "bi-weekly": Rule("WEEKLY", interval=2),
    "fortnightly": Rule("WEEKLY", interval=2), "bimonthly": Rule("MONTHLY", interval=2),
    "bi monthly": Rule("MONTHLY", interval=2), "bi-monthly": Rule("MONTHLY", interval=2),
    "biannually": Rule("MONTHLY", interval=6), "semiannually": Rule("MONTHLY", interval=6),
    "biannual": Rule("MONTHLY", interval=6), "semiannual": Rule("MONTHLY", interval=6),
    "semi annually": Rule("MONTHLY", interval=6), "semi annual": Rule("MONTHLY", interval=6),
    "weekdays": Rule("WEEKLY", byday=_WORKDAYS), "weekends": Rule("WEEKLY", byday=("SA", "SU")),
    "workdays": Rule("WEEKLY", byday=_WORKDAYS), "all weekdays": Rule("WEEKLY", byday=_WORKDAYS),
    "once a day": Rule("DAILY"), "one a day": Rule("DAILY"), "once a week": Rule("WEEKLY"),
    "once a month": Rule("MONTHLY"), "once a year": Rule("YEARLY"), "once 1 day": Rule("DAILY"),
    "once 1 week": Rule("WEEKLY"), "once 1 month": Rule("MONTHLY"), "once 1 year": Rule("YEARLY"),
    "all days": Rule("DAILY"), "all day every day": Rule("DAILY"),
    "all weekends": Rule("WEEKLY", byday=("SA", "SU")),
}  # fmt: skip

_WEEKDAYS = re.compile(rf"(?:on )?(?:{_EVERY} )?({WEEKDAY}(?:(?: and | or | )(?:{_EVERY} )?{WEEKDAY})*)")
_OTHER = re.compile(
    rf"{_EVERY} (?:(other|2nd|second|alternate|3rd|\d{{1,3}}) )?"
    rf"(minute|hour|day|night|week|month|quarter|year|weekday|workday|weekend|{WEEKDAY})s?"
)
_MONTHLY = rf"(?: (?:day )?(?:of|in) (?:the |{_EVERY} )?month)?(?: monthly| {_EVERY} month)?"
_NTH_WEEKDAY = re.compile(rf"(?:on )?(?:the )?(?:{_EVERY} )?({ORDINAL}|last) ({WEEKDAY}){_MONTHLY}")
_MONTH_DAY = re.compile(rf"(?:on )?(?:the )?(?:{_EVERY} )?({ORDINAL}){_MONTHLY}")
_DATE = rf"(?:{MONTH} (?:the )?\d{{1,2}}(?:st|nd|rd|th)?|\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {MONTH})"
_YEARLY = re.compile(rf"(?:on )?(?:the )?{_DATE}")
_PART = re.compile(rf"{_EVERY} ((?:{WEEKDAY} )?)(morning|afternoon|evening|night|lunchtime|lunch)")


def read_repeat(text: str, scope: Scope) -> Reading | None:
    """Reads a repetition, with or without the time of day it happens at; None when it is none."""
    whole = _rule(text)
    if whole is not None:
        return Reading(rule=whole)
    words = text.split()
    # The repetition and its time may stand in either order: "every day at nine", "at nine every day".
    for cut in range(len(words) - 1, 0, -1):
        left, right = " ".join(words[:cut]), " ".join(words[cut:])
        for repeated, other in ((left, right), (right, left)):
            rule = _rule(repeated.removeprefix("on ").removesuffix(" at").removesuffix(" from"))
            if rule is None:
                continue
            rest = scan(other, replace(scope, want="time"))
            if rest is not None and rest.clock is not None and rest.days is None and rest.rule is None:
                return Reading(rule=rule, clock=rest.clock)
    part = _PART.fullmatch(text)
    if part:
        rest = scan(part[2], replace(scope, want="time"))
        day = part[1].strip()
        if rest is not None:
            return Reading(
                rule=Rule("WEEKLY", byday=(CODES[DAY_OF[day]],)) if day else Rule("DAILY"), clock=rest.clock
            )
    return None


def _rule(text: str) -> Rule | None:
    if text in _ADVERBS:
        return _ADVERBS[text]
    every = re.match(rf"(?:on )?(?:the )?{_EVERY}\b", text) is not None
    if match := _OTHER.fullmatch(text):
        return _interval(match[1], match[2])
    if match := _WEEKDAYS.fullmatch(text):
        names = [name for name in re.findall(WEEKDAY, match[1])]
        # One plain weekday is a date; several, or its plural, or "every" before it, repeat.
        if every or len(names) > 1 or names[0].endswith("days"):
            numbers = sorted({DAY_OF[name] for name in names})
            return Rule("WEEKLY", byday=tuple(CODES[number] for number in numbers))
        return None
    monthly = every or "month" in text
    if monthly and (match := _NTH_WEEKDAY.fullmatch(text)):
        place = -1 if match[1] == "last" else int(match[1][:-2])
        return Rule("MONTHLY", byday=(f"{place}{CODES[DAY_OF[match[2]]]}",)) if place <= 5 else None
    if monthly and (match := _MONTH_DAY.fullmatch(text)):
        day = int(match[1][:-2])
        return Rule("MONTHLY", bymonthday=day) if 1 <= day <= 31 else None
    yearly = re.sub(rf"^{_EVERY} (?:year )?(?:on )?| (?:{_EVERY} year|yearly|annually)$", "", text)
    if yearly != text and _YEARLY.fullmatch(yearly):
        month = re.search(MONTH, yearly)
        day_text = re.search(r"\d{1,2}", yearly)
        if month and day_text and 1 <= int(day_text[0]) <= 31:
            return Rule("YEARLY", bymonth=MONTH_OF[month[0]], bymonthday=int(day_text[0]))
    return None


def _interval(count: str | None, unit: str) -> Rule | None:
    interval = (
        1
        if count is None
        else 2
        if count in ("other", "alternate", "2nd", "second")
        else int(count.removesuffix("rd"))
    )
    if interval < 1:
        return None
    if unit in ("weekday", "workday"):
        return Rule("WEEKLY", byday=_WORKDAYS) if interval == 1 else None
    if unit == "weekend":
        return Rule("WEEKLY", interval=interval, byday=("SA", "SU"))
    if unit in DAY_OF:
        return Rule("WEEKLY", interval=interval, byday=(CODES[DAY_OF[unit]],))
    if unit == "quarter":
        return Rule("MONTHLY", interval=3 * interval)
    return Rule(_UNITS[unit], interval=interval)  # type: ignore[arg-type]
