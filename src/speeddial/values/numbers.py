"""Numbers as people write them ("1,234.50", "1.234,50", "12k", "three hundred"): read, and found in a text.

Conventions where writing is divided:
- A comma before exactly three digits parts thousands ("1,234" is 1234), any other is a decimal comma.
- One point is the decimal point ("1.234"); several, or one before a decimal comma, part thousands.
- A plain blank parts numbers ("2 150.00" is two of them), a no-break blank parts thousands.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

from speeddial.values.words import CARDINALS, digits

_SIGNS = "€$£¥₹"
_BLANKS = "\u00a0\u202f'’"
_WRITTEN = (
    rf"(?:\d{{1,3}}(?:(?:[{_BLANKS}]\d{{3}})+|(?:,\d{{3}})+|(?:\.\d{{3}}){{2,}}|(?:\.\d{{3}})+(?=,\d))"
    r"(?:[.,]\d+)?|\d+(?:[.,]\d+)?)"
)
_SCALES = {"k": 3, "K": 3, "M": 6, "bn": 9, "thousand": 3, "million": 6, "billion": 9}
_SCALE = r"(?: ?(?:thousand|million|billion)|[kKM]|bn)(?![A-Za-z\d])"
_WORD = rf"(?:{'|'.join(sorted([*CARDINALS, 'hundred', 'thousand'], key=len, reverse=True))})"
_FOUND = re.compile(
    # No part of a word, a date, a time or a dotted address, but behind a currency's code or a port's colon.
    r"(?:(?<![\w.])(?<!\d[,:/-])(?<![A-Za-z]-)|(?<=\b[A-Z]{3})|(?<=\d:)(?=\d{3}))"
    rf"(?:(?:(?<![\w)])[-−][{_SIGNS}]?)?{_WRITTEN}(?:{_SCALE})?(?!\d)(?![.,:/-]\d)(?![A-Za-z]+\d)"
    rf"|\b{_WORD}(?:(?:[ -]| and ){_WORD})*\b)",
)
_NUMBER = re.compile(rf"([-−+])?[{_SIGNS}]?({_WRITTEN})({_SCALE})?")


def as_number(phrase: str) -> Decimal:
    """The number that a phrase is.

    Raises:
        ValueError: it is none.
    """
    text = phrase.strip()
    found = _NUMBER.fullmatch(text)
    if found is None:
        return _in_words(text)
    sign, written, scale = found.groups()
    try:
        value = Decimal(_plain(written)).scaleb(_SCALES[scale.strip()] if scale else 0)
    except InvalidOperation as error:
        raise ValueError(f"{phrase!r} is not a number") from error
    return -value if sign in ("-", "−") else value


def numbers_in(text: str) -> list[str]:
    """The phrases of a text that `as_number` reads, each once, in order."""
    return list(dict.fromkeys(numbers_found(text)))


def numbers_found(text: str) -> list[str]:
    """The phrases of a text that `as_number` reads, as often as they stand there."""
    return [found[0] for found in _FOUND.finditer(text)]


def _plain(written: str) -> str:
    text = re.sub(f"[{_BLANKS}]", "", written)
    comma, point = text.rfind(","), text.rfind(".")
    if comma > point >= 0 or (comma >= 0 and not _parts_thousands(text)):
        return text.replace(".", "").replace(",", ".")
    text = text.replace(",", "")
    return text.replace(".", "") if text.count(".") > 1 else text


def _parts_thousands(text: str) -> bool:
    return re.fullmatch(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?", text) is not None


def _in_words(text: str) -> Decimal:
    words = digits(text.lower().replace("-", " ").split())
    if len(words) != 1 or not words[0].isdigit():
        raise ValueError(f"{text!r} is not a number")
    return Decimal(words[0])
