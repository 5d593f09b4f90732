"""Short strings that a regular expression matches, read off its parse tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from speeddial.contract.schemas import matcher

# Private, and the same in Python 3.11 to 3.13; the public module of old is deprecated.
_parser: Any = import_module("re._parser")
_TURNS = 4
_LONGEST = 10_000
_TRIED = "a0A-_ .:/@#!,;+=é中"


def short_matches(pattern: str, low: int = 0, high: int = 400) -> Iterator[str]:
    """Strings as short as the pattern's repeats allow, one for each of its first branches; none may be found.

    Args:
        pattern: as in a JSON Schema, not anchored unless it says so.
        low, high: bounds of their length.
    """
    matches = matcher(pattern)
    if matches is None:
        return
    for more in (*range(_TURNS), low):
        try:
            text = _of(_parser.parse(pattern), more)
        except (re.error, OverflowError, RecursionError, _Unknown):
            return
        if low <= len(text) <= high and matches(text):
            yield text


class _Unknown(Exception):
    """A construct whose matches cannot be read off (a reference back, an empty class, a huge repeat)."""


def _of(items: Any, more: int) -> str:
    return "".join(_of_item(str(kind), detail, more) for kind, detail in items)


def _of_item(kind: str, detail: Any, more: int) -> str:
    """A match; with `more` its repeats are as many times longer, and another branch is taken."""
    match kind:
        case "LITERAL":
            return chr(detail)
        case "NOT_LITERAL":
            return next(character for character in _TRIED if ord(character) != detail)
        case "ANY":
            return _TRIED[0]
        case "IN":
            return _of_class(detail)
        case "BRANCH":
            branches = sorted((_of(branch, more) for branch in detail[1]), key=len)
            return branches[min(more, len(branches) - 1)]
        case "SUBPATTERN":
            return _of(detail[3], more)
        case "ATOMIC_GROUP":
            return _of(detail, more)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            once, times = _of(detail[2], 0), min(int(detail[0]) + more, int(detail[1]))
            if len(once) * times > _LONGEST:
                raise _Unknown("a match too long")
            return once * times
        case "AT" | "ASSERT" | "ASSERT_NOT":
            return ""
    raise _Unknown(kind)


def _of_class(members: Any) -> str:
    negated = str(members[0][0]) == "NEGATE"
    low = [
        detail if str(kind) == "LITERAL" else detail[0]
        for kind, detail in members
        if str(kind) in ("LITERAL", "RANGE")
    ]
    candidates = [*_TRIED, *map(chr, low)] if negated else [*map(chr, low), *_TRIED]
    rule = re.compile("[" + "".join(_written(kind, detail) for kind, detail in members) + "]")
    found = next((character for character in candidates if rule.match(character)), None)
    if found is None:
        raise _Unknown("class")
    return str(found)


def _written(kind: Any, detail: Any) -> str:
    match str(kind):
        case "NEGATE":
            return "^"
        case "LITERAL":
            return re.escape(chr(detail))
        case "RANGE":
            return f"{re.escape(chr(detail[0]))}-{re.escape(chr(detail[1]))}"
        case "CATEGORY":
            letter = str(detail).rpartition("_")[2][0].lower()
            return "\\" + (letter.upper() if "NOT" in str(detail) else letter)
    raise _Unknown(str(kind))
