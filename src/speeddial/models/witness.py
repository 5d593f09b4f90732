"""Search for a short completion of a partial output under a grammar, on llguidance's public interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush

import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher

from speeddial.models.pieces import ALNUM, Pieces

_LONGEST = 4096
"""Tokens; no completion beyond it is looked for."""
_EXPANSIONS = 4000
"""States tried at most before the first token, where there is nothing else to fall back on."""
_EXPANSIONS_WITHIN = 300
"""The same between two tokens: the completion at hand is good enough, only the model's choice is lost."""
_PATIENCE = 64
"""Choices with the same tokens allowed, one after the other, before a greedy search gives up."""
_BEAM = 32
_BRANCHES = 12
_DETOURS = 8
_FREE_TEXT = 2000
"""With more tokens allowed than this, a third of a small vocabulary, the state is inside a free string, where
brackets close nothing."""
_LIKELIEST = 2048
"""Tokens of the order looked at first: sorting all that are allowed takes 0.3 ms in a free string."""
_STRUCTURE = b'"{}[],:'

Mask = npt.NDArray[np.bool_]
Texts = Callable[[], Sequence[list[int]]]
"""Made only when a search needs them."""


class WitnessSearch:
    """Finds token lists that drive a matcher to an accepting state; never changes the matcher it is given.

    Args:
        pieces: the bytes of each token.
        end: the end token, never part of a completion.
    """

    def __init__(self, pieces: Sequence[bytes], end: int) -> None:
        self._end = end
        self._size = len(pieces)
        looked_at = Pieces(pieces)
        self._rank = looked_at.closing()
        self._rank_in_text = looked_at.closing_in_text()
        self._order = self._rank.argsort(kind="stable")
        self._order_in_text = self._rank_in_text.argsort(kind="stable")
        self._structure = looked_at.among(_STRUCTURE)
        self._quote = pieces.index(b'"')
        single = (looked_at.lengths == 1) & looked_at.starts(range(32, 127))
        self._letters = np.flatnonzero(single & looked_at.all(ALNUM))
        self._marks = np.flatnonzero(single & ~looked_at.all(ALNUM))

    def after(
        self, matcher: LLMatcher, token: int, witness: Sequence[int], budget: int, texts: Texts
    ) -> list[int] | None:
        """A completion for the state after `token`, given one for the state before it.

        Nearly always the old completion still holds, whole (another letter in a free string) or without
        its first tokens; a search is needed only otherwise.

        Args:
            matcher: after `token`.
            witness: a completion of the state before `token`.
            budget: tokens that may follow.
            texts: strings, as tokens, that some pattern or format of the grammar admits.

        Returns:
            A completion of at most `budget` tokens, or None when none was found.
        """
        if witness and token == witness[0]:
            return list(witness[1:]) if len(witness) - 1 <= budget else None
        for skipped in range(min(len(witness), 6)):
            tail = list(witness[skipped:])
            if len(tail) <= budget and _completes(matcher, tail):
                return tail
        if matcher.is_accepting():
            return []
        if budget < len(witness):
            # Shorter than the one at hand: hardly ever there, and looked for at every token at the end.
            return self._greedy(matcher, budget, ())
        return self.quick(matcher, budget, texts, _EXPANSIONS_WITHIN)

    def quick(
        self, matcher: LLMatcher, budget: int, texts: Texts, expansions: int = _EXPANSIONS
    ) -> list[int] | None:
        """A short completion of at most `budget` tokens: greedy, with `texts` put in, then best first."""
        return (
            self._greedy(matcher, budget, ())
            or self._greedy(matcher, budget, texts())
            or self._best_first(matcher, budget, expansions)
        )

    def shortest(self, matcher: LLMatcher, texts: Texts) -> list[int] | None:
        """The shortest completion that a wide search finds (tens of ms); None when there is none."""
        found = self.quick(matcher, _LONGEST, texts)
        shorter = self._beam(matcher, len(found) - 1) if found else None
        return shorter or found

    def _greedy(self, matcher: LLMatcher, budget: int, texts: Sequence[list[int]]) -> list[int] | None:
        state = matcher.deep_copy()
        taken: list[int] = []
        before, repeated = b"", 0
        while not state.is_accepting():
            step = state.compute_ff_tokens()
            if not step:
                bits = state.compute_bitmask()
                # The same choice again and again may lead nowhere ("0.000..."): take turns among the best.
                repeated = repeated + 1 if bits == before else 0
                before = bits
                mask = self._mask(bits)
                rank = self._rank_in_text if self._in_text(mask) else self._rank
                best = self._best(mask, 1 + repeated % _DETOURS)
                if len(best) and rank[best[0]] < 1:
                    best = best[:1]  # What can be closed is closed.
                step = best[-1:].tolist()
                if texts and step and rank[step[0]] > 0:
                    # Nothing can be closed here: inside a pattern, or before the next key.
                    step = next(filter(None, (self._rest(state, text) for text in texts)), step)
            out_of_reach = repeated > _PATIENCE or len(taken) + len(step) > budget
            if not step or out_of_reach or not state.consume_tokens(step):
                return None
            taken += step
        return taken

    def _rest(self, state: LLMatcher, text: list[int]) -> list[int]:
        """The tokens of `text`, or of its end, that may end the string under way; none when none may."""
        for written in range(len(text)):
            rest = text[written:]
            if state.deep_copy().try_consume_tokens([*rest, self._quote]) == len(rest) + 1:
                return rest
        return []

    def _mask(self, bits: bytes) -> Mask:
        mask = np.unpackbits(np.frombuffer(bits, np.uint8), count=self._size, bitorder="little").view(
            np.bool_
        )
        mask[self._end] = False
        return mask

    def _in_text(self, mask: Mask) -> bool:
        return int(np.count_nonzero(mask)) > min(_FREE_TEXT, self._size // 3)

    def _best(self, mask: Mask, count: int) -> npt.NDArray[np.int64]:
        """Of the allowed tokens those likeliest to bring the end nearer, best first."""
        order = self._order_in_text if self._in_text(mask) else self._order
        first = order[:_LIKELIEST]
        found = first[mask[first]][:count]
        return found if len(found) == count else order[mask[order]][:count]

    def _beam(self, matcher: LLMatcher, limit: int) -> list[int] | None:
        """Layer by layer, so that the first completion met is the shortest among the states kept."""
        layer: list[tuple[list[int], int, LLMatcher]] = [([], 0, matcher.deep_copy())]
        expanded = 0
        for _ in range(limit + 1):
            for taken, _, state in layer:
                if state.is_accepting():
                    return taken
            if expanded > _EXPANSIONS:
                return None
            following: dict[_Mark, tuple[list[int], int, LLMatcher]] = {}
            for taken, depth, state in layer:
                for token in self._best(self._mask(state.compute_bitmask()), _BRANCHES).tolist():
                    expanded += 1
                    successor = state.deep_copy()
                    if successor.consume_token(token):
                        deeper = depth + int(self._structure[token])
                        following.setdefault(_mark(successor, deeper), ([*taken, token], deeper, successor))
            layer = list(following.values())[:_BEAM]
        return None

    def _best_first(self, matcher: LLMatcher, budget: int, expansions: int) -> list[int] | None:
        """Single characters too, equal states merged: finds its way through patterns and formats."""
        start = matcher.deep_copy()
        queue: list[tuple[float, int, list[int], int, LLMatcher]] = [(0.0, 0, [], 0, start)]
        seen = {_mark(start, 0)}
        expanded = 0
        while queue and expanded < expansions:
            cost, _, taken, depth, state = heappop(queue)
            if len(taken) >= budget:
                continue
            for token in self._alternatives(state).tolist():
                expanded += 1
                successor = state.deep_copy()
                if not successor.consume_token(token):
                    continue
                path = [*taken, token]
                if successor.is_accepting():
                    return path
                deeper = depth + int(self._structure[token])
                mark = _mark(successor, deeper)
                if mark not in seen:
                    seen.add(mark)
                    dearer = cost + 1 + float(self._rank[token]) / 8
                    heappush(queue, (dearer, expanded, path, deeper, successor))
        return None

    def _alternatives(self, state: LLMatcher) -> npt.NDArray[np.int64]:
        mask = self._mask(state.compute_bitmask())
        letters = self._letters[mask[self._letters]]
        if len(letters) > 24:
            # A free stretch: letters lead to the same places.
            letters = letters[:: len(letters) // 4]
        return np.concatenate([self._best(mask, 8), self._marks[mask[self._marks]], letters])


_Mark = tuple[bytes, bool, int]


def _mark(state: LLMatcher, depth: int) -> _Mark:
    """What tells states apart: what may follow, and how many quotes, brackets and commas led there.

    Two numbers of an object admit the same tokens, and only the later one is nearer to the end.
    """
    return bytes(state.compute_bitmask()), state.is_accepting(), depth


def _completes(matcher: LLMatcher, tokens: list[int]) -> bool:
    state = matcher.deep_copy()
    return state.try_consume_tokens(tokens) == len(tokens) and state.is_accepting()
