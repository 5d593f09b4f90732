"""Text forms of dates, times, durations, decimals, UUIDs, e-mail addresses and URLs, as exact patterns.

A pattern here admits exactly what the Python type accepts: no 30 February, no 29 February outside leap
years, no year 0000, no second 60. llguidance's own `format` grammars leave those holes, so they are not used.
"""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, NamedTuple

LARGEST = 9_000_000_000_000_000_000
"""Default bound of numbers, both signs. llguidance keeps bounds in doubles and builds ranges up to 64 bits;
this one is exact in a double, so that the bound in the grammar is the bound in the check."""

STRING_LENGTH = 4096
"""Default longest string, in Unicode code points."""
LIST_LENGTH = 256
"""Default longest list."""
MAP_LENGTH = 64
"""Default largest number of keys of a dict."""
KEY_LENGTH = 256
"""Default longest key of a dict, in Unicode code points."""

_YEAR = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9][0-9]|[0-9][1-9][0-9]{2}|[1-9][0-9]{3})"
_DAY = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_FOURTH = "(?:0[48]|[2468][048]|[13579][26])"
_DATE = f"(?:{_YEAR}-{_DAY}|(?:[0-9]{{2}}{_FOURTH}|{_FOURTH}00)-02-29)"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_OFFSET = "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_SECONDS = r"[0-9]{1,5}(?:\.[0-9]{1,6})?S"
_CLOCK = f"T(?:[0-9]{{1,5}}H(?:[0-9]{{1,5}}M)?(?:{_SECONDS})?|[0-9]{{1,5}}M(?:{_SECONDS})?|{_SECONDS})"
_LABEL = "[A-Za-z0-9]{1,20}(?:-[A-Za-z0-9]{1,20}){0,2}"
_DOMAIN = rf"(?:{_LABEL}\.){{1,3}}[A-Za-z]{{2,18}}"
_BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_PORT = "(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_URL_CHARACTER = "(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})"


EXACT_DIGITS = 15
"""Significant digits of a fraction up to which llguidance reads a number of a schema as Python does."""


def is_exact(number: float) -> bool:
    """Whether llguidance writes this constant of a schema as it stands; it keeps numbers in doubles."""
    if isinstance(number, int):
        return abs(number) < 2**63 and int(float(number)) == number
    return len(Decimal(repr(number)).normalize().as_tuple().digits) <= EXACT_DIGITS


class TextForm(NamedTuple):
    """How a Python type is written in a JSON string."""

    pattern: str
    expected: str
    """The form in a few words, for error messages and prompts."""
    example: str
    longest: int | None = None
    """Most characters, where the pattern alone does not bound them."""


DATE = TextForm(f"^{_DATE}$", "a date YYYY-MM-DD", "2025-01-31")
TIME = TextForm(f"^{_TIME}$", "a time HH:MM:SS", "09:30:00")
DATETIME = TextForm(
    f"^{_DATE}T{_TIME}{_OFFSET}?$",
    "a date and time YYYY-MM-DDTHH:MM:SS, zone optional",
    "2025-01-31T09:30:00",
)
AWARE_DATETIME = TextForm(
    f"^{_DATE}T{_TIME}{_OFFSET}$",
    "a date and time with zone YYYY-MM-DDTHH:MM:SS+HH:MM",
    "2025-01-31T09:30:00+01:00",
)
NAIVE_DATETIME = TextForm(
    f"^{_DATE}T{_TIME}$", "a date and time without zone YYYY-MM-DDTHH:MM:SS", "2025-01-31T09:30:00"
)
DURATION = TextForm(
    f"^-?P(?:[0-9]{{1,8}}D(?:{_CLOCK})?|{_CLOCK})$", "an ISO 8601 duration of days and time", "PT1H30M"
)
EMAIL = TextForm(
    rf"^[A-Za-z0-9_%+-]{{1,40}}(?:\.[A-Za-z0-9_%+-]{{1,40}}){{0,2}}@{_DOMAIN}$",
    "an e-mail address",
    "anna@example.com",
)
URL = TextForm(
    rf"^https?://(?:localhost|{_BYTE}(?:\.{_BYTE}){{3}}|{_DOMAIN})(?::{_PORT})?"
    rf"(?:/{_URL_CHARACTER}*)?(?:\?(?:{_URL_CHARACTER}|\?)*)?(?:#(?:{_URL_CHARACTER}|\?)*)?$",
    "an http or https URL",
    "https://example.com/page",
    2048,
)


def uuid_form(version: int | None = None) -> TextForm:
    """A UUID in its hyphenated form, of one RFC 9562 version or of any."""
    digit = "[0-9a-fA-F]"
    if version is None:
        pattern = f"^{digit}{{8}}(?:-{digit}{{4}}){{3}}-{digit}{{12}}$"
        return TextForm(pattern, "a UUID", "123e4567-e89b-42d3-a456-426614174000")
    pattern = f"^{digit}{{8}}-{digit}{{4}}-{version}{digit}{{3}}-[89abAB]{digit}{{3}}-{digit}{{12}}$"
    return TextForm(pattern, f"a UUID of version {version}", f"123e4567-e89b-{version}2d3-a456-426614174000")


def decimal_form(digits: int | None, places: int | None, negative: bool = True) -> TextForm:
    """A decimal number without exponent.

    Args:
        digits: most significant digits in all; None for 18 before the point and 18 after.
        places: most digits after the point; None for any number within `digits`.
        negative: whether a minus sign is admitted.
    """
    sign = "-?" if negative else ""

    def whole(count: int) -> str:
        return f"(?:0|[1-9][0-9]{{0,{count - 1}}})" if count > 0 else "0"

    if digits is None:
        after = 18 if places is None else places
        body = whole(18) + (rf"(?:\.[0-9]{{1,{after}}})?" if after else "")
    elif places is not None:
        # Pydantic counts the digit of a bare 0, so that 0 needs its point where no digit may stand before it.
        fraction = rf"\.[0-9]{{1,{places}}}"
        body = (
            "0" + fraction
            if digits == places
            else whole(digits - places) + (f"(?:{fraction})?" if places else "")
        )
    else:
        parts = [whole(digits)] + [
            rf"{whole(digits - after)}\.[0-9]{{{after}}}" for after in range(1, digits + 1)
        ]
        body = f"(?:{'|'.join(parts)})"
    if digits is not None and digits == places:
        example = "0.5"
    else:
        example = "1.5" if places != 0 and digits != 1 else "1"
    return TextForm(f"^{sign}{body}$", "a decimal number in quotes", example)


_DURATION = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d+))?S)?)?", re.ASCII)


def read_duration(text: str) -> timedelta:
    """The timedelta of a text that has the form of `DURATION`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"not a duration: {text}")
    sign, days, hours, minutes, seconds, fraction = match.groups()
    value = timedelta(
        days=int(days or 0),
        hours=int(hours or 0),
        minutes=int(minutes or 0),
        seconds=int(seconds or 0),
        microseconds=int((fraction or "").ljust(6, "0")),
    )
    return -value if sign else value


def write_duration(value: timedelta) -> str:
    """The canonical duration text of a timedelta."""
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    clock = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
    if value.microseconds:
        clock += f"{seconds}." + f"{value.microseconds:06d}".rstrip("0") + "S"
    elif seconds:
        clock += f"{seconds}S"
    days = f"{value.days}D" if value.days else ""
    return f"{sign}P{days}" + (f"T{clock}" if clock else "") if days or clock else "PT0S"


def write_decimal(value: Decimal, places: int | None) -> str:
    """A decimal without exponent, its trailing zeros dropped when it has more than `places` of them."""
    if not value.is_finite():
        return str(value)
    if value.is_zero():
        value = abs(value)
    text = format(value, "f")
    whole, point, fraction = text.partition(".")
    if point and len(fraction) > (18 if places is None else places):
        fraction = fraction.rstrip("0")
        text = f"{whole}.{fraction}" if fraction else whole
    return text


class Form:
    """Annotated metadata: a string of one of the text forms above."""

    def __init__(self, form: TextForm) -> None:
        self.form = form

    def __repr__(self) -> str:
        return f"Form({self.form.expected})"


Email = Annotated[str, Form(EMAIL)]
"""A string that is an e-mail address: ASCII, dotted local part, at least one dot in the domain."""
Url = Annotated[str, Form(URL)]
"""A string that is an http or https URL with an ASCII host."""
