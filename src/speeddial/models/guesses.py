"""Guesses at an answer's next tokens: copied from the request, or as earlier answers went on."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Sequence

from speeddial.messages import compact_json

_CONTEXTS_KEPT = 8192
_LEAST_CHANCE = 0.25
"""That a guessed token and those before it are right: each costs about a sixth of the pass it may save."""
_COPIED_CHARACTERS = 40
_CLOSED_VALUE = re.compile(r':"(?:[^"\\]|\\.)*"')
"""A string value of a JSON text that has ended."""


class EarlierAnswers:
    """What came next in earlier answers, by what was written before it, string values left out.

    Safe to share between threads.
    """

    def __init__(self) -> None:
        self._next: OrderedDict[tuple[Hashable, str], Counter[int]] = OrderedDict()
        self._lock = threading.Lock()

    def learn(self, who: Hashable, tokens: Sequence[int], decode: Callable[[Sequence[int]], str]) -> None:
        """Take in an answer.

        Args:
            who: whose answers resemble each other.
            tokens: the answer.
            decode: the text of some of its first tokens.
        """
        contexts = [(who, _outline(decode(tokens[:number]))) for number in range(len(tokens))]
        with self._lock:
            for context, token in zip(contexts, tokens, strict=True):
                self._next.setdefault(context, Counter())[token] += 1
                self._next.move_to_end(context)
            while len(self._next) > _CONTEXTS_KEPT:
                self._next.popitem(last=False)

    def ahead(
        self, who: Hashable, text: str, count: int, decode: Callable[[Sequence[int]], str]
    ) -> list[int]:
        """The likeliest next tokens after a text, `count` at most; fewer where they are anybody's guess."""
        tokens: list[int] = []
        chance = 1.0
        while len(tokens) < count:
            with self._lock:
                seen = self._next.get((who, _outline(text + decode(tokens))))
                if not seen:
                    break
                token, times = seen.most_common(1)[0]
                chance *= times / (seen.total() + 1)
                if chance < _LEAST_CHANCE:
                    break
                tokens.append(token)
        return tokens


def _outline(text: str) -> str:
    return _CLOSED_VALUE.sub(':"', text)


def copied(text: str, source: str) -> str:
    """How the JSON string value that a text ends in goes on in the source; empty outside such values."""
    raw = open_string(text)
    try:
        written = json.loads(f'"{raw}"')
    except ValueError:  # it ends within an escape
        return ""
    if text[: len(text) - len(raw)][-2:] not in (':"', '["'):
        return ""
    found = re.search(rf"(?<!\w){re.escape(written)}", source, re.IGNORECASE) if written else None
    return compact_json(source[found.end() :][:_COPIED_CHARACTERS])[1:-1] if found else ""


def open_string(text: str) -> str:
    """The part written so far of the JSON string that a text ends in; empty outside strings."""
    inside, start, escaped = False, 0, False
    for position, character in enumerate(text):
        if escaped:
            escaped = False
        elif inside and character == "\\":
            escaped = True
        elif character == '"':
            inside, start = not inside, position + 1
    return text[start:] if inside else ""
