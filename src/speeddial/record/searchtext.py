"""Text as the search index holds it: words of any script, a query as a person types it, a snippet."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

SEAM = "\u200b"
"""Zero-width space: ends a word for every tokenizer, and is taken out again before anybody sees it."""
_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u1100-\u11ff\uac00-\ud7af"  # Hangul: words are spaced, but carry their particles
    "\u3005-\u3007\u3040-\u312f\u31f0-\u31ff\uff66-\uff9f"  # Kana, Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
)
# Scripts written without spaces, where a run of letters is no word: each letter is made one, and what a
# person looks for is found as a phrase. A trigram index would find it too, at 20 KB a row.
_SPLIT = re.compile(rf"(?<=[{_UNSPACED}])(?=\S)|(?<=\S)(?=[{_UNSPACED}])")
_TERM = re.compile(r'"([^"]*)(?:"|$)|([^\s"]+)')
# With half surrogate pairs, which models write as JSON escapes and no database takes.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_WORD = re.compile(r"[^\W_]+")
_BEFORE, _AROUND = 40, 160
"""Characters of a snippet before the first match, and in all."""


class Phrase(NamedTuple):
    """Words that must stand side by side."""

    text: str
    """Split like the text that is searched."""
    prefix: bool
    """Whether the last word is only the beginning of one."""


def split(text: str) -> str:
    """`text` with seams where a letter is to be a word of its own."""
    text = _CONTROL.sub(" ", unicodedata.normalize("NFC", text.replace(SEAM, "")))
    return text if text.isascii() else _SPLIT.sub(SEAM, text)


def phrases(query: str) -> list[Phrase]:
    """What a person looks for: all words, ``"words side by side"``, and ``beginnings*``.

    Nothing else in it means anything: it is text.
    """
    found = []
    for quoted, bare in _TERM.findall(query):
        words = split(quoted or bare)
        if _WORD.search(words):
            found.append(Phrase(words.rstrip("*"), bool(bare) and bare.endswith("*")))
    return found


def words(text: str) -> list[str]:
    """The folded words, for a tokenizer that would take dots and slashes for parts of them."""
    return _WORD.findall(text.translate(_FOLD))


def plain(value: Any) -> str:
    """A JSON value as text to search in: names and values in order, strings without escapes."""
    return value if isinstance(value, str) else " ".join(_leaves(value))


def snippet(text: str, wanted: Sequence[Phrase]) -> list[tuple[str, bool]]:
    """The part of a split text around its first match, as pieces that are marked or not."""
    places = sorted(_places(text, wanted))
    start = max(0, places[0][0] - _BEFORE) if places else 0
    end = min(len(text), start + _AROUND)
    pieces: list[tuple[str, bool]] = [("…", False)] if start else []
    at = start
    for left, right in places:
        if left < at or left >= end:
            continue
        pieces += [(text[at:left], False), (text[left : min(right, end)], True)]
        at = min(right, end)
    pieces += [(text[at:end], False), ("…" if end < len(text) else "", False)]
    shown = [(piece.replace(SEAM, ""), marked) for piece, marked in pieces]
    return [(piece, marked) for piece, marked in shown if piece]


def _places(text: str, wanted: Sequence[Phrase]) -> Iterator[tuple[int, int]]:
    folded = text.translate(_FOLD)
    for phrase in wanted:
        parts = [re.escape(word) for word in words(phrase.text)]
        if parts:
            ending = r"[^\W_]*" if phrase.prefix else r"(?![^\W_])"
            pattern = r"(?<![^\W_])" + r"[\W_]+".join(parts) + ending
            yield from (match.span() for match in re.finditer(pattern, folded))


def _leaves(value: Any) -> Iterator[str]:
    # Not recursive: arguments come from models, nested as deep as JSON goes.
    waiting = [iter([value])]
    while waiting:
        for item in waiting[-1]:
            if isinstance(item, Mapping):
                waiting.append(iter([part for pair in item.items() for part in pair]))
                break
            if isinstance(item, list | tuple):
                waiting.append(iter(item))
                break
            if item is not None:
                yield str(item).lower() if isinstance(item, bool) else str(item)
        else:
            waiting.pop()


class _Fold(dict[int, str]):
    """A letter as it is compared: lower case without its accents, one for one so that places stay."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        folded = unicodedata.normalize("NFD", letter)[0].lower()
        self[code] = folded if len(folded) == 1 else letter
        return self[code]


_FOLD = _Fold()
