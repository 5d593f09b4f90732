"""English phrases in one plain spelling: lower case, number words as digits, no ornaments.

``Twenty third of March, twenty seventeen`` becomes ``23rd of march 2017`` and ``half past nine p.m.``
becomes ``half past 9 pm``. Knows nothing of dates; the grammar in `reading` sees only what comes out here.
"""

from __future__ import annotations

import re

_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
MONTH_NAMES = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_MONTH = f"(?:{'|'.join(f'{name}|{name[:3]}' for name in MONTH_NAMES)})"
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "twelveth": 12, "thirteenth": 13,
    "fourteenth": 14, "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18,
    "nineteenth": 19, "twentieth": 20, "thirtieth": 30,
}  # fmt: skip
CARDINALS = {word: number for number, word in enumerate(_UNITS)} | {
    word: 20 + 10 * index for index, word in enumerate(_TENS)
}

_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        (r"[’`´]", "'"),
        (r"[–—‐‑−]", "-"),
        (r"\bo'?\s?clock\b|\boclock\b", "o'clock"),
        (r"(?<=[\d\s.])([ap])\s*\.?\s*m\b\.?", r" \1m"),
        (r"\b(\d{1,2}(?::\d\d)?)\s*([ap])\b", r"\1 \2m"),
        (r"'s\b|s'(?=\s|$)", ""),
        (r"\s*,\s*", " "),
        (r"[!?\"()]", " "),
        (r"\.(?=\s|$)", " "),
        (
            r"\b(mon|tues?|wed|thu(?:rs?)?|fri|sat|sun|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.",
            r"\1 ",
        ),
        (rf"\b({_MONTH})-({_MONTH})\b", r"\1 to \2"),
        (r"(?<=[a-z])-(?=[a-z])", " "),
        (r"\beveryday\b", "every day"),
    )
)


def _as_ordinal(number: int) -> str:
    suffix = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def digits(words: list[str]) -> list[str]:
    """Number words put as digits; ``twenty third`` -> ``23rd``, ``two thousand and seventeen`` -> ``2017``.

    Words that do not compose stay apart (``twenty seventeen`` -> ``20 17``): whether that is a year or a
    clock time is for the grammar to say.
    """
    out: list[str] = []
    index = 0
    while index < len(words):
        if words[index] in CARDINALS:
            number, is_ordinal, index = _compose(words, index)
            out.append(_as_ordinal(number) if is_ordinal else str(number))
            continue
        ordinal = _ORDINALS.get(words[index])
        out.append(words[index] if ordinal is None else _as_ordinal(ordinal))
        index += 1
    return out


def _compose(words: list[str], index: int) -> tuple[int, bool, int]:
    """The number that starts at `index`, whether it ended as an ordinal, and the index behind it."""
    total, group = 0, CARDINALS[words[index]]
    # `room`: the next word belongs to this number only when it is smaller; after "twenty" come one to nine.
    room = 10 if group >= 20 else 0
    index += 1
    while index < len(words):
        skip = 1 if words[index] == "and" and room >= 100 and index + 1 < len(words) else 0
        word = words[index + skip]
        if word == "hundred" and not skip and 0 < group < 100:
            group, room = group * 100, 100
        elif word == "thousand" and not skip and 0 < group < 1000:
            total, group, room = group * 1000, 0, 1000
        elif 0 < CARDINALS.get(word, 0) < room:
            value = CARDINALS[word]
            group, room = group + value, 10 if value >= 20 else 0
        elif _ORDINALS.get(word, room) < room:
            return total + group + _ORDINALS[word], True, index + skip + 1
        else:
            break
        index += skip + 1
    return total + group, False, index


def plain(phrase: str) -> str:
    """The phrase in the grammar's spelling.

    Args:
        phrase: as somebody said or wrote it.
    """
    text = f" {phrase.strip().lower()} "
    for pattern, put in _REWRITES:
        text = pattern.sub(put, text)
    text = " ".join(digits(text.split()))
    text = re.sub(r"\b(\d+) (st|nd|rd|th)\b", r"\1\2", text)
    text = re.sub(r"\b(\d+)([ap]m)\b", r"\1 \2", text)
    return re.sub(
        r"\b(an|a) (?=(?:half |quarter )?(?:second|minute|min|hour|hr|day|week|month|year)\b)", "1 ", text
    )
