"""Time stamps as programs write them: ISO 8601, mail headers, web server logs, syslog; read, and found."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = "(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_CLOCK = r"(?P<clock>\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)"
_ZONE = r"(?: ?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d))"
_FORMS = (
    rf"(?P<year>\d{{4}})[-/](?P<number>\d\d)[-/](?P<day>\d\d)[T ]{_CLOCK}{_ZONE}?",
    rf"(?P<day>\d\d)/{_MONTH}/(?P<year>\d{{4}}):{_CLOCK}{_ZONE}",
    rf"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?(?P<day>\d\d?) {_MONTH} (?P<year>\d{{4}}) {_CLOCK}{_ZONE}",
    rf"{_MONTH} {{1,2}}(?P<day>\d\d?) {_CLOCK}",
)
_PATTERNS = tuple(re.compile(form) for form in _FORMS)
_ANY = re.compile(
    "|".join(rf"(?<![\w:-])(?:{re.sub(r'[?]P<[a-z]+>', '?:', form)})(?![\w:])" for form in _FORMS)
)


def as_stamp(phrase: str, now: datetime) -> datetime:
    """The aware moment that a stamp says; without a zone it is that of `now`, without a year the last one.

    Raises:
        ValueError: it is no stamp, or one of a day or time that there is not.
    """
    found = next((match for pattern in _PATTERNS if (match := pattern.fullmatch(phrase))), None)
    if found is None:
        raise ValueError(f"{phrase!r} is not a time stamp")
    part: Callable[[str], str | None] = found.groupdict().get
    month = int(part("number") or 0) or _MONTHS.index(str(part("month")).lower()) + 1
    clock, _, fraction = str(part("clock")).replace(",", ".").partition(".")
    hour, minute, second = ([int(number) for number in clock.split(":")] + [0])[:3]
    moment = datetime(
        int(part("year") or now.year),
        month,
        int(str(part("day"))),
        hour,
        minute,
        second,
        int(f"{fraction[:6]:0<6}"),
        _zone(part("zone")) if part("zone") else now.tzinfo,
    )
    if not part("year") and moment > now + timedelta(days=1):
        return moment.replace(year=moment.year - 1)
    return moment


def stamps_in(text: str) -> list[str]:
    """The stamps of a text, in order; those of days that there are not are left for `as_stamp` to refuse."""
    return [found[0] for found in _ANY.finditer(text)]


def _zone(said: str | None) -> timezone:
    if said in ("Z", "UTC", "GMT", None):
        return UTC
    away = timedelta(hours=int(said[1:3]), minutes=int(said[-2:]))
    return timezone(-away if said[0] == "-" else away)
