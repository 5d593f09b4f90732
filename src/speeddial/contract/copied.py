"""Copied strings: a parameter that may hold nothing but words of a text, and what counts as words of it.

A string whose schema carries ``"x-copied"`` is bound for each call by `Contract.bound`. Small models mend and
invent names ("Ossos" for Oslo); bound to the request or a document they can only pick what stands there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache
from typing import NamedTuple

from speeddial.contract.jsontext import short, write_json
from speeddial.contract.schemas import COPIED, COPIED_FROM, Schema, matcher
from speeddial.contract.source import REQUEST, Source, name_of
from speeddial.errors import Problem

LONGEST_SPAN = 40
"""Words and marks in a row that `span_pattern` admits: its size grows with the text's length times this."""
LONGEST_PATTERN_TEXT = 200
"""Words and marks of a text that has a pattern: 70 kB, a quarter of a second to compile."""

# Scripts without blanks between words, or with particles on them (Hangul): a run may begin at every letter.
_LETTERS = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"(\s*)([{_LETTERS}]|(?:(?![{_LETTERS}])\w)+|[^\w\s])")
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
_EDGE = "\x1f"
"""Parts words where spans are searched; it is white space, so that no word holds it."""
_LOOKED_AT = 2000
"""Different words of a text among which near ones are looked for."""


@dataclass(frozen=True)
class Copied:
    """Annotated metadata of a string that is copied from a text: ``Annotated[str, Copied()]``.

    The grammar and the check admit only runs of the text's words. White space counts as one blank, and a
    word may lose the ``s`` of its plural ("engineer" of "engineers").

    Args:
        of: gives the text, or several, in the call's context, e.g. `speeddial.document`; the request unless
            given. Where it gives None, or the request names earlier results, any string is admitted.
        request: whether words of the request will do as well as those of `of`.
    """

    of: Source | None = None
    request: bool = False

    @property
    def keywords(self) -> Schema:
        """What says so in a schema."""
        if self.of is None:
            return {COPIED: True}
        return {COPIED: [*([REQUEST] if self.request else []), name_of(self.of)]}


class Word(NamedTuple):
    """A word, letter or mark of a text."""

    gap: str
    """A blank when white space stands before it, else empty."""
    text: str

    @property
    def singular(self) -> str:
        """Without the ``s`` of a plural; empty where there is none."""
        plural = len(self.text) > 3 and self.text.endswith("s") and not self.text.endswith("ss")
        return self.text[:-1] if plural else ""


@lru_cache(maxsize=64)
def cut(text: str) -> tuple[Word, ...]:
    """The words and marks of a text, in order."""
    return tuple(Word(" " if gap else "", word) for gap, word in _WORD.findall(text))


def words_of(text: str) -> list[str]:
    """The words and marks of a text without the blanks between them."""
    return [word.text for word in cut(text)]


@lru_cache(maxsize=64)
def span_pattern(text: str) -> str:
    """A pattern of every run of at most `LONGEST_SPAN` words and marks of a text, for servers.

    Empty when the text has no word, or more than `LONGEST_PATTERN_TEXT` words and marks.
    """
    words = cut(text)
    if not 0 < len(words) <= LONGEST_PATTERN_TEXT:
        return ""
    escaped = [_escaped(word) for word in words]
    runs = []
    for start in range(len(words)):
        run = ""
        for number in reversed(range(start + 1, min(len(words), start + LONGEST_SPAN))):
            run = f"(?:{words[number].gap}{escaped[number]}{run})?"
        runs.append(escaped[start] + run)
    return "|".join(dict.fromkeys(runs))


def pattern_of(texts: Sequence[str]) -> str:
    """A pattern of the spans of several texts; empty when one of them is too long for it."""
    patterns = [span_pattern(text) for text in texts if cut(text)]
    together = sum(len(cut(text)) for text in texts)
    return f"^(?:{'|'.join(patterns)})$" if 0 < together <= LONGEST_PATTERN_TEXT else ""


def not_copied(value: str, schema: Schema, path: str) -> list[Problem]:
    """The problem of a string that is no span of the texts it was bound to; names the span nearest to it."""
    texts: Sequence[str] = schema[COPIED_FROM]
    if any(is_span(value, text) for text in texts):
        return []
    near = nearest_span(value, texts)
    valid = (write_json(short(near)),) if near else ()
    return [Problem(path, schema["$comment"], f"{short(write_json(value))} (string)", valid)]


def is_span(value: str, text: str) -> bool:
    """Whether a value is a run of words of a text, as `Copied` has it, however long."""
    words = cut(value)
    if not words or "".join(gap + word for gap, word in words) != value or words[0].gap:
        return False
    # "cat" may stand for "cats" of the text, never the other way round.
    forms = [
        _SPECIAL.sub(r"\\\g<0>", text) + ("s?" if Word(gap, text + "s").singular else "")
        for gap, text in words
    ]
    run = f"{_EDGE}".join(gap + form for (gap, _), form in zip(words, forms, strict=True))
    found = matcher(f"{_EDGE} ?{run}{_EDGE}")
    return found is not None and found(_edged(text))


@lru_cache(maxsize=64)
def _edged(text: str) -> str:
    return _EDGE + "".join(f"{gap}{word}{_EDGE}" for gap, word in cut(text))


def nearest_span(value: str, texts: Sequence[str]) -> str:
    """The span of as many words that is most like a value; empty when none is like it."""
    wanted = [word.casefold() for word in words_of(value)]
    best, likeness = "", 0.5
    for text in texts:
        words = cut(text)
        places: dict[str, list[int]] = {}
        for number, word in enumerate(words):
            places.setdefault(word.text.casefold(), []).append(number)
        vocabulary = list(places)[:_LOOKED_AT]
        starts = {
            place - offset
            for offset, one in enumerate(wanted[:8])
            for like in get_close_matches(one, vocabulary, n=2, cutoff=0.5)
            for place in places[like][:50]
        }
        for start in sorted(starts):
            window = words[max(0, start) : start + len(wanted)]
            run = "".join(gap + word for gap, word in window).strip()
            ratio = SequenceMatcher(None, run.casefold(), value.casefold()).ratio()
            if ratio > likeness:
                best, likeness = run, ratio
    return best


def _escaped(word: Word) -> str:
    if word.singular:
        return f"{word.text}?"
    return _SPECIAL.sub(r"\\\g<0>", word.text)
