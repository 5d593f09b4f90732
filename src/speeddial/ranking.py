"""Ranking of texts by the words that they share with a query: BM25, without an index on disk."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

_SATURATION, _LENGTH = 1.2, 0.75
_PART = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by can do for from get have how i in is it me my of on or please that the "
        "this to what when which with you your",
    )
)

_OF_ANY_TOOL = _COMMON | frozenset(
    re.findall(
        r"\w+",
        "about all also any book could create data date detail details find give has here hey hi id info "
        "information just know let like list look make name need new no not number off one our out place "
        "search set show some string tell text thanks then there these those time type up us use used user "
        "value want was were where who will would yes",
    )
)
_TELLING = 3
"""Letters of a word that tells one tool from another, at least."""


class Index:
    """Texts as counted words, scored by BM25 (Robertson and Zaragoza 2009; k1 1.2, b 0.75).

    Args:
        texts: name -> the words of a text, cut as those of the queries will be.
    """

    def __init__(self, texts: Mapping[str, Iterable[str]]) -> None:
        self._counts = {name: Counter(text) for name, text in texts.items()}
        self._mean = (
            sum(counts.total() for counts in self._counts.values()) / max(1, len(self._counts)) or 1.0
        )
        self._spread = Counter(word for counts in self._counts.values() for word in counts)

    def scores(self, asked: Collection[str]) -> dict[str, float]:
        """How well each text fits; 0 when they share no word.

        Args:
            asked: different words.
        """
        texts = len(self._counts)
        weight = {
            word: math.log(1 + (texts - seen + 0.5) / (seen + 0.5)) * (_SATURATION + 1)
            for word in asked
            if (seen := self._spread[word])
        }

        def score(counts: Counter[str]) -> float:
            norm = _SATURATION * (1 - _LENGTH + _LENGTH * counts.total() / self._mean)
            return sum(weight[word] * counts[word] / (counts[word] + norm) for word in weight if counts[word])

        return {name: score(counts) for name, counts in self._counts.items()}


def best(query: str, texts: Mapping[str, str], limit: int) -> list[str]:
    """The names of the texts that fit a query best, best first.

    Words are compared in lower case by their stems; ``get_weather`` and ``getWeather`` are two words each.
    Texts that share no word with the query come last, in their order.

    Args:
        query: the request.
        texts: name -> what is known of it.
        limit: how many to return at most.
    """
    scores = Index({name: words(text) for name, text in texts.items()}).scores(set(words(query)))
    return sorted(texts, key=lambda name: -scores[name])[:limit]


def related(query: str, texts: Mapping[str, str]) -> list[str]:
    """The names of the texts of tools that share a word with a query which not any tool might have, in order.

    Args:
        query: the request.
        texts: name -> what is known of it.
    """
    asked = _telling(query)
    return [name for name, text in texts.items() if not asked.isdisjoint(_telling(text))]


def _telling(text: str) -> set[str]:
    parts = (part.lower() for part in _PART.findall(_CAMEL.sub(" ", text)))
    return {_stem(part) for part in parts if len(part) >= _TELLING and part not in _OF_ANY_TOOL}


def words(text: str) -> list[str]:
    """The words of a text by their stems, common ones left out."""
    parts = (part.lower() for part in _PART.findall(_CAMEL.sub(" ", text)))
    return [_stem(part) for part in parts if part not in _COMMON]


def _stem(word: str) -> str:
    """A word without the usual endings of English, so that `booking` finds `books`."""
    for ending in ("ings", "ing", "ies", "ed", "es", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
