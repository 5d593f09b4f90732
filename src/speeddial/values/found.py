"""What stands in a text: the phrases of it that can be read as a day, a moment, a time, a number, an address.

A model that fills a field of such a type chooses among them, so that whatever it chooses can be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache

from speeddial.values.numbers import as_number, numbers_in
from speeddial.values.resolve import as_date, as_moment, as_time, reading_of
from speeddial.values.scope import MONTH, WEEKDAY
from speeddial.values.stamps import as_stamp, stamps_in

LONGEST = 8
"""Words of a phrase about time ("on monday the 2nd of march at half past nine" has more than are needed)."""

_OPENING, _CLOSING = "([{<\"'“‘*_|", ".,;:!?)]}>\"'”’*_|"
_ENDS = re.compile(rf"(?i:(?!(?:{MONTH}|{WEEKDAY}|[ap]\.m)\.$)\S*[.;:!?|)\]>])$")
_TELLING = re.compile(
    rf"(?i:\b(?:{MONTH}|{WEEKDAY}|today|tomorrow|yesterday|tonight|days?|weeks?|months?|years?|christmas|easter)\b"
    r"|\d{4}[-/.]\d|\d{1,2}([-/.])\d{1,2}\1\d\d|\d/\d|\d(?:st|nd|rd|th)\b)"
)
_LOOSE = re.compile(r"(?i: (?:at|by|from|in|on|and|to|until|for|of|the|is|or|before|between|after|with))$")
"""Ends of phrases that belong to what comes next."""
_WITH_YEAR = re.compile(r"(?:19|20)\d\d")
_STARTS = re.compile(
    rf"(?i:\d|(?:{MONTH}|{WEEKDAY})\b|today|tomorrow|yesterday|tonight|(?:this|next|last|in|the|end|a|one|two|"
    r"three|four|five|six|seven|eight|nine|ten|half|quarter|noon|midday|midnight|christmas|easter)\b)"
)
_CLOCK = re.compile(
    r"(?i:(?<![\d:.,-])(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?: ?(?:[ap]m\b|[ap]\.m\.?))?(?![\d:])"
    r"|\b(?:1[0-2]|[1-9])(?:[:.][0-5]\d)? ?(?:[ap]m\b|[ap]\.m\.?)"
    r"|\b(?:1[0-2]|[1-9]) o'clock\b|\bnoon\b|\bmidnight\b"
    r"|\b(?:half past|quarter past|quarter to) \w+\b)"
)
_UNGLUED = r"(?<![\w.@/-])"
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
_URL = re.compile(r"https?://[^\s<>\"'`]*[^\s<>\"'`.,;:!?)\]}]")
_UUID = re.compile(rf"{_UNGLUED}[0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}(?!\w)")
_IPV4 = re.compile(rf"{_UNGLUED}(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?![\w.]*\d)")


@dataclass(frozen=True)
class Kind:
    """A kind of value that is written in texts."""

    name: str
    """What a phrase of it is called, in the singular."""
    find: Callable[[str, datetime], list[str]]
    """The phrases of a text that can be read as one, at a reference time."""
    read: Callable[[str, datetime], object]
    """The value of a phrase; raises ValueError when it is none."""


def date_of(phrase: str, now: datetime) -> date:
    """A day, also that of a time stamp. Raises ValueError."""
    stamp = _stamp(phrase, now)
    return stamp.date() if stamp else as_date(phrase, now)


def moment_of(phrase: str, now: datetime) -> datetime:
    """An aware moment. Raises ValueError."""
    return _stamp(phrase, now) or as_moment(phrase, now)


def time_of(phrase: str, now: datetime) -> time:
    """A time of day, also that of a time stamp. Raises ValueError."""
    stamp = _stamp(phrase, now)
    return stamp.time() if stamp else as_time(phrase, now)


def number_of(phrase: str, now: datetime) -> Decimal:
    """A number. Raises ValueError."""
    return as_number(phrase)


def integer_of(phrase: str, now: datetime) -> int:
    """A whole number. Raises ValueError."""
    value = as_number(phrase)
    # "9.00" is an amount, "12k" is a count.
    if value != value.to_integral_value() or str(value).count(".") > str(value).count("E"):
        raise ValueError(f"{phrase!r} is not a whole number")
    return int(value)


def _stamp(phrase: str, now: datetime) -> datetime | None:
    try:
        return as_stamp(phrase, now)
    except ValueError:
        return None


def _dates(text: str, now: datetime) -> list[str]:
    stamps = _readable(stamps_in(text), date_of, now)
    return [*stamps, *_runs(_without(text, stamps), _date_alone, now)]


def _date_alone(phrase: str, now: datetime) -> date:
    """A day without a time, so that a phrase of it ends before the time. Raises ValueError."""
    reading = reading_of(phrase, now, want="date")
    if reading.days is not None and reading.clock is not None and (reading.clock.start or reading.clock.end):
        raise ValueError(f"{phrase!r} says a time too")
    return as_date(phrase, now)


def _moments(text: str, now: datetime) -> list[str]:
    stamps = _readable(stamps_in(text), moment_of, now)
    return [*stamps, *_runs(_without(text, stamps), as_moment, now)]


def _times(text: str, now: datetime) -> list[str]:
    stamps = _readable(stamps_in(text), time_of, now)
    clocks = [found[0] for found in _CLOCK.finditer(_without(text, stamps))]
    return [*stamps, *_readable(clocks, as_time, now)]


def _numbers(text: str, now: datetime) -> list[str]:
    # The numbers of a date are none; those of "in 14 days" are.
    dates = [phrase for phrase in _dates(text, now) if _WITH_YEAR.search(phrase)]
    return _readable(numbers_in(_without(text, [*stamps_in(text), *dates])), number_of, now)


def _integers(text: str, now: datetime) -> list[str]:
    return _readable(_numbers(text, now), integer_of, now)


def _matching(pattern: re.Pattern[str]) -> Callable[[str, datetime], list[str]]:
    return lambda text, now: list(dict.fromkeys(pattern.findall(text)))


def _itself(phrase: str, now: datetime) -> str:
    return phrase


KINDS = {
    kind.name: kind
    for kind in (
        Kind("date", _dates, date_of),
        Kind("date-time", _moments, moment_of),
        Kind("time", _times, time_of),
        Kind("number", _numbers, number_of),
        Kind("integer", _integers, integer_of),
        Kind("email", _matching(_EMAIL), _itself),
        Kind("uri", _matching(_URL), _itself),
        Kind("uuid", _matching(_UUID), _itself),
        Kind("ipv4", _matching(_IPV4), _itself),
    )
}
"""By the names of JSON Schema's types and formats."""


@lru_cache(maxsize=64)
def phrases(kind: str, text: str, now: datetime) -> tuple[str, ...]:
    """The phrases of a text that can be read as a kind of value, each once.

    Args:
        kind: a key of `KINDS`.
        now: reference time, aware.
    """
    return tuple(dict.fromkeys(KINDS[kind].find(text, now)))


def _readable(found: list[str], read: Callable[[str, datetime], object], now: datetime) -> list[str]:
    return [phrase for phrase in found if _reads(phrase, read, now)]


def _reads(phrase: str, read: Callable[[str, datetime], object], now: datetime) -> bool:
    try:
        read(phrase, now)
    except (ValueError, OverflowError):
        return False
    return True


def _without(text: str, parts: list[str]) -> str:
    for part in parts:
        text = text.replace(part, " | ")
    return text


def _runs(text: str, read: Callable[[str, datetime], object], now: datetime) -> Iterator[str]:
    """The longest runs of a line's words that can be read, from left to right."""
    for line in text.splitlines():
        yield from _runs_of(line.replace("=", " ").split(), read, now)


def _runs_of(words: list[str], read: Callable[[str, datetime], object], now: datetime) -> Iterator[str]:
    start = 0
    while start < len(words):
        taken = 0
        if _STARTS.match(words[start].lstrip(_OPENING)):
            for end in range(_furthest(words, start), start, -1):
                phrase = " ".join(words[start:end]).lstrip(_OPENING).rstrip(_CLOSING)
                if _TELLING.search(phrase) and not _LOOSE.search(phrase) and _reads(phrase, read, now):
                    yield phrase
                    taken = end - start
                    break
        start += taken or 1


def _furthest(words: list[str], start: int) -> int:
    """Behind the last word that a run from `start` may have: it does not go on behind a full stop."""
    for end in range(start, min(len(words), start + LONGEST)):
        if _ENDS.match(words[end]):
            return end + 1
    return min(len(words), start + LONGEST)
