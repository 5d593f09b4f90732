"""Copied strings: a parameter that may hold nothing but words of the request, and the pattern of them.

A string whose schema carries ``"x-copied": true`` is bound for each request by `Contract.copying`. Small
models mend and invent names ("Ossos" for Oslo); bound to the request they can only pick what stands in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from speeddial.contract.schemas import COPIED, Schema, rewrite, subschemas

LONGEST_SPAN = 40
"""Words and marks in a row: a pattern's size grows with the request's length times this."""
LONGEST_REQUEST = 200
"""Words and marks; strings of longer requests stay free, a pattern of 80 kB takes 0.1 s to compile."""

# Scripts without blanks between words, or with particles on them (Hangul): a run may begin at every letter.
_LETTERS = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_UNIT = re.compile(rf"(\s*)([{_LETTERS}]|(?:(?![{_LETTERS}])\w)+|[^\w\s])")
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


@dataclass(frozen=True)
class Copied:
    """Annotated metadata of a string that is copied from the request: ``Annotated[str, Copied()]``.

    The grammar and the check admit only runs of the request's words, at most `LONGEST_SPAN`, where the
    request is not longer than `LONGEST_REQUEST` and names no earlier results; else any string.
    """


def is_copied(schema: Schema) -> bool:
    """Whether any string in `schema` is copied from the request."""
    return any(COPIED in inner for _, inner in subschemas(schema))


def bound(schema: Schema, request: str) -> Schema | None:
    """`schema` with its copied strings held to spans of the request; None when there is no pattern for it."""
    pattern = span_pattern(request)
    if not pattern:
        return None
    first = _UNIT.search(request)
    assert first is not None

    def change(inner: Schema, path: str) -> Schema:
        if not inner.get(COPIED):
            return inner
        what = f"{inner.get('$comment', 'words')}, copied from the request"
        return {**inner, "$comment": what, "pattern": pattern, "examples": [first.group(2)]}

    held: Schema = rewrite(schema, change)
    return held


@lru_cache(maxsize=64)
def span_pattern(request: str) -> str:
    """A pattern of every run of at most `LONGEST_SPAN` words and marks of the request.

    Runs of white space count as one blank, and a word may lose the ``s`` of its plural ("engineer" of
    "engineers"). Empty when the request has no word, or more than `LONGEST_REQUEST` words and marks.
    """
    units = [(" " if gap else "", _escaped(unit)) for gap, unit in _UNIT.findall(request)]
    if not 0 < len(units) <= LONGEST_REQUEST:
        return ""
    runs = []
    for start in range(len(units)):
        run = ""
        for gap, unit in reversed(units[start + 1 : start + LONGEST_SPAN]):
            run = f"(?:{gap}{unit}{run})?"
        runs.append(units[start][1] + run)
    return f"^(?:{'|'.join(dict.fromkeys(runs))})$"


def _escaped(unit: str) -> str:
    if len(unit) > 3 and unit.endswith("s") and not unit.endswith("ss"):
        return f"{unit}?"
    return _SPECIAL.sub(r"\\\g<0>", unit)
