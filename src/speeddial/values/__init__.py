"""Typed values: parameters that a model fills with a phrase and a tool receives as a Python value.

A small model copies "next tuesday at nine" word for word; these types do the calendar arithmetic, with the
run's reference time and zone. What cannot be understood is an error that tells the model so, never a guess.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Annotated

from speeddial.contract.copied import Copied
from speeddial.contract.decoded import Decoded, ResolveContext
from speeddial.values.reading import Reading
from speeddial.values.resolve import Period, as_date, as_moment, as_period, as_time, reading_of

__all__ = [
    "Date",
    "DatePhrase",
    "Moment",
    "Period",
    "Phrase",
    "Repeat",
    "Text",
    "Time",
    "TimePhrase",
    "Within",
]

_REFERENCE = re.compile(r"#(\d{1,2})(?!\w)")


def fill(text: str, context: ResolveContext) -> str:
    """The text with each ``#1`` that names an earlier step replaced by that step's result.

    A number sign that names no step of this call ("room #12") stays as it is.
    """
    return _REFERENCE.sub(lambda m: context.references.get(int(m[1]), m[0]), text)


Text = Annotated[str, Decoded(as_=str, resolve=fill, expected="a text", example="call the dentist")]
"""A text in which ``#1`` stands for the rendered result of step 1."""

Phrase = Annotated[Text, Copied()]
"""A text that is copied from the request; ``#1`` as in `Text`."""

Date = Annotated[
    date,
    Decoded(
        as_=str,
        resolve=lambda text, context: as_date(text, context.now),
        expected="a day",
        example="next tuesday",
    ),
]
"""One day."""

Time = Annotated[
    time,
    Decoded(
        as_=str,
        resolve=lambda text, context: as_time(text, context.now),
        expected="a time of day",
        example="nine am",
    ),
]
"""One time of day."""

Moment = Annotated[
    datetime,
    Decoded(
        as_=str,
        resolve=lambda text, context: as_moment(text, context.now),
        expected="a date with a time",
        example="tomorrow at nine",
    ),
]
"""One moment, aware."""

Within = Annotated[
    Period,
    Decoded(
        as_=str,
        resolve=lambda text, context: as_period(text, context.now),
        expected="a stretch of time",
        example="last week",
    ),
]
"""A stretch of time; its end is not in it."""

DatePhrase = Annotated[
    Reading,
    Copied(),
    Decoded(
        as_=str,
        resolve=lambda text, context: reading_of(text, context.now, want="date"),
        expected="a date or a stretch of days",
        example="next tuesday",
    ),
]
"""A date, copied from the request, that a tool joins with a time and a repetition (`schedule.place`)."""

TimePhrase = Annotated[
    Reading,
    Decoded(
        as_=str,
        resolve=lambda text, context: reading_of(text, context.now, want="time"),
        expected="a time of day or a stretch of hours",
        example="nine am",
    ),
]
"""A time of day that a tool joins with a date; it may be of two places ("eight" and "in the evening")."""


def _repeat(text: str, context: ResolveContext) -> Reading:
    reading = reading_of(text, context.now, want="repeat")
    if reading.rule is None:
        raise ValueError(f"{text!r} does not say how often")
    return reading


Repeat = Annotated[
    Reading,
    Copied(),
    Decoded(as_=str, resolve=_repeat, expected="how often", example="every friday"),
]
"""A repetition, copied from the request; `Reading.rule` prints as an RRULE."""
