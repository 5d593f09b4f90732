"""A lexicon: which phrases of requests were whose arguments' values before, told above a new request.

A small model copies what a request says; whether "gluten free" is a cuisine or a dish the words of the
request do not tell. The calls it is trained from do, for the phrases that come again. Phrases are kept by
their hashes: no text stands in the file, but whoever guesses a phrase can see whether it was a value.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from speeddial.errors import UserError

LONGEST = 10
"""Words of a phrase at most."""
OFTEN_ENOUGH = 0.3
"""Share of the requests with a phrase in which it must have been a value: "the" is the name of a song too."""
SECOND = 0.25
"""Share of a phrase's uses that a second argument must have to be named."""
# Marks are left out, for speech recognisers write none. Chinese and Japanese are written without blanks:
# there every letter counts as a word.
_WORD = re.compile(r"[぀-ヿ㐀-鿿]|[^\W_぀-ヿ㐀-鿿]+")


class _Use(NamedTuple):
    requests: int
    """That have the phrase."""
    arguments: Mapping[str, int]
    """Argument -> how often the phrase was its value."""


class Lexicon:
    """What phrases were before; made of requests and the arguments of their calls.

    Args:
        uses: hash of a phrase -> what it was.
    """

    def __init__(self, uses: Mapping[str, _Use]) -> None:
        self._uses = uses

    @classmethod
    def of(cls, cases: Iterable[tuple[str, Mapping[str, Any]]]) -> Lexicon:
        """The lexicon of requests with the arguments of what they led to; texts alone count.

        Args:
            cases: may be an iterator.
        """
        known = list(cases)
        arguments: dict[str, Counter[str]] = defaultdict(Counter)
        for _, called in known:
            for name, key in _values(called):
                arguments[key][name] += 1
        requests: Counter[str] = Counter()
        for text, _ in known:
            requests.update({key for _, _, key in _phrases(text) if key in arguments})
        # A value that no request says cannot be met in one.
        return cls({key: _Use(requests[key], of) for key, of in sorted(arguments.items()) if requests[key]})

    @classmethod
    def read(cls, path: Path) -> Lexicon:
        """The lexicon in a file.

        Raises:
            UserError: it is none.
        """
        try:
            return _read(path, path.stat().st_mtime_ns)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise UserError(
                f"{path}: expected a lexicon, got: {error}", hint="train the expert anew"
            ) from error

    def write(self, path: Path) -> None:
        names = sorted({name for use in self._uses.values() for name in use.arguments})
        number = {name: place for place, name in enumerate(names)}
        phrases = {
            key: [use.requests, *(part for name, count in sorted(use.arguments.items())
                                  for part in (number[name], count))]
            for key, use in self._uses.items()
        }  # fmt: skip
        whole = {"arguments": names, "phrases": phrases}
        path.write_text(json.dumps(whole, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")

    def __len__(self) -> int:
        return len(self._uses)

    def found(
        self, text: str, but: Iterable[Mapping[str, Any]] | None = None
    ) -> list[tuple[str, tuple[str, ...]]]:
        """Phrases of a request in its own letters, each with the arguments that it mostly was.

        A phrase within a longer one does not count.

        Args:
            but: arguments of the request's own calls when the lexicon was made of it too: what is known from
                them is left out of account, as it will not be known of a new request.
        """
        own: Counter[tuple[str, str]] = Counter()
        for called in but or ():
            own.update((key, name) for name, key in _values(called))
        hits: list[tuple[int, int, str, tuple[str, ...]]] = []
        for start, end, key in _phrases(text):
            if names := self._names(key, own, itself=but is not None):
                hits.append((start, end, key, names))
        longest = [hit for hit in hits if not any(_within(hit[:2], other[:2]) for other in hits)]
        once = {key: (text[start:end], names) for start, end, key, names in reversed(longest)}
        return list(reversed(once.values()))

    def heading(self, text: str, but: Iterable[Mapping[str, Any]] | None = None) -> str:
        """The line that tells a model what is known of a request's phrases; may be empty. See `found`."""
        return "; ".join(f"{phrase} = {' '.join(names)}" for phrase, names in self.found(text, but))

    def _names(self, key: str, own: Mapping[tuple[str, str], int], *, itself: bool) -> tuple[str, ...]:
        use = self._uses.get(key)
        if use is None:
            return ()
        counts = {name: max(0, count - own.get((key, name), 0)) for name, count in use.arguments.items()}
        whole, requests = sum(counts.values()), use.requests - itself
        if not whole or whole < OFTEN_ENOUGH * requests:
            return ()
        ranked = sorted(counts, key=lambda name: (-counts[name], name))[:2]
        return tuple(name for name in ranked if counts[name] and counts[name] >= SECOND * whole)


@lru_cache(maxsize=64)
def _read(path: Path, changed: int) -> Lexicon:
    whole = json.loads(path.read_text(encoding="utf-8"))
    names = whole["arguments"]
    return Lexicon(
        {
            key: _Use(
                said[0], {names[place]: count for place, count in zip(said[1::2], said[2::2], strict=True)}
            )
            for key, said in whole["phrases"].items()
        }
    )


def _values(called: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Arguments that are texts, or lists of them, with the hashes of these."""
    for name, value in called.items():
        for text in value if isinstance(value, list) else [value]:
            words = _WORD.findall(text.casefold()) if isinstance(text, str) else []
            if 0 < len(words) <= LONGEST:
                yield name, _key(words)


def _phrases(text: str) -> Iterator[tuple[int, int, str]]:
    """Every phrase of a text: its first letter, the one after its last, its hash."""
    words = [(hit.start(), hit.end(), hit[0].casefold()) for hit in _WORD.finditer(text)]
    for first in range(len(words)):
        for last in range(first, min(first + LONGEST, len(words))):
            yield words[first][0], words[last][1], _key([word for _, _, word in words[first : last + 1]])


def _key(words: Iterable[str]) -> str:
    return blake2b(" ".join(words).encode(), digest_size=6).hexdigest()


def _within(span: tuple[int, int], other: tuple[int, int]) -> bool:
    return other[0] <= span[0] and span[1] <= other[1] and span != other
