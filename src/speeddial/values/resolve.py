"""From a phrase to a value: the one door to the grammar, and the errors when it stays shut."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

from speeddial.values.grammar import MAX_PHRASE, MAX_WORDS, scan
from speeddial.values.reading import Reading
from speeddial.values.repeats import read_repeat
from speeddial.values.schedule import place_in_calendar, window
from speeddial.values.scope import Scope, Want
from speeddial.values.words import plain


class Period(NamedTuple):
    """A stretch of time; `end` is not in it, None is open."""

    start: datetime | None
    end: datetime | None

    def __str__(self) -> str:
        if self.start is None or self.end is None:
            return f"from {self.start:%Y-%m-%d %H:%M}" if self.start else f"before {self.end:%Y-%m-%d %H:%M}"
        midnight = self.start.time() == self.end.time() == time(0)
        if midnight and self.end - self.start <= timedelta(days=1):
            return f"{self.start:%Y-%m-%d}"
        if midnight:
            return f"{self.start:%Y-%m-%d} to {self.end - timedelta(days=1):%Y-%m-%d}"
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"


@lru_cache(maxsize=1024)
def read_phrase(phrase: str, now: datetime, *, want: Want = "any", past: bool = False) -> Reading | None:
    """What a phrase says about time; None when not all of it is understood.

    Args:
        phrase: as the model copied it.
        now: the run's present, aware.
        want: which kind of value the phrase stands for: decides what a bare "9" is.
        past: lean to the past where the year or week is not said.
    """
    if len(phrase) > MAX_PHRASE:
        return None
    text = plain(phrase)
    if text.count(" ") >= MAX_WORDS:
        return None
    scope = Scope(now, want, past)
    return read_repeat(text, scope) or scan(text, scope)


def reading_of(phrase: str, now: datetime, *, want: Want = "any", past: bool = False) -> Reading:
    """As `read_phrase`.

    Raises:
        ValueError: the phrase is not understood; the text says what would be.
    """
    reading = read_phrase(phrase, now, want=want, past=past)
    if reading is None:
        raise ValueError(f"{phrase!r} is not a {'date or time' if want == 'any' else want} I can read")
    return reading


def as_date(phrase: str, now: datetime) -> date:
    """One day: "tomorrow", "march 5th".

    Raises:
        ValueError: no single day.
    """
    reading = reading_of(phrase, now, want="date")
    if reading.start is not None and reading.end is None:
        return reading.start.date()
    if reading.days is None or not reading.days.single or reading.days.start is None:
        raise ValueError(f"{phrase!r} is not one day")
    return reading.days.start


def as_time(phrase: str, now: datetime) -> time:
    """One time of day: "nine am", "half past nine", "noon"; bare hours by the rule in `reading`.

    Raises:
        ValueError: no single time of day.
    """
    reading = reading_of(phrase, now, want="time")
    if reading.start is not None and reading.end is None:
        return reading.start.timetz().replace(tzinfo=None)
    if reading.clock is None or reading.clock.mode != "at" or reading.clock.end is not None:
        raise ValueError(f"{phrase!r} is not one time of day")
    return reading.clock.settled().point


def as_moment(phrase: str, now: datetime) -> datetime:
    """One aware moment: "tomorrow at nine", "in two hours", "friday noon".

    Raises:
        ValueError: no single moment.
    """
    reading = reading_of(phrase, now)
    if reading.rule is not None or reading.end is not None:
        raise ValueError(f"{phrase!r} is not one moment")
    slot = place_in_calendar(reading, now)
    if slot.all_day or slot.end is not None:
        raise ValueError(f"{phrase!r} is not one moment: a date and a time are needed")
    return slot.start


def as_period(phrase: str, now: datetime, *, past: bool = False) -> Period:
    """A stretch of time: "last week", "march 2024", "tomorrow afternoon", "since 2020".

    Raises:
        ValueError: no stretch of time.
    """
    return Period(*window(reading_of(phrase, now, want="date", past=past), now))
