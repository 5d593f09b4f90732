"""Search for a short completion of a partial output under a grammar, on llguidance's public interface."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher, LLTokenizer

_LONGEST = 4096
"""Tokens; no completion beyond it is looked for."""
_EXPANSIONS = 4000
_BEAM = 32
_BRANCHES = 12
_FREE_TEXT = 2000
"""With more tokens allowed than this, the state is inside a free string, where brackets close nothing."""


class WitnessSearch:
    """Finds token lists that drive a matcher to an accepting state; never changes the matcher it is given.

    Args:
        tokenizer: as the grammar engine sees it.
        end: the end token, never part of a completion.
    """

    def __init__(self, tokenizer: LLTokenizer, end: int) -> None:
        self._tokenizer = tokenizer
        self._end = end
        self._size = tokenizer.vocab_size
        pieces = [tokenizer.decode_bytes([token]) for token in range(self._size)]
        self._rank = np.array([_closing_rank(piece) for piece in pieces], np.float32)
        self._rank_in_text = np.array([_closing_rank_in_text(piece) for piece in pieces], np.float32)
        singles = [token for token, piece in enumerate(pieces) if len(piece) == 1 and 32 <= piece[0] < 127]
        self._letters = np.array([t for t in singles if pieces[t].isalnum()])
        self._marks = np.array([t for t in singles if not pieces[t].isalnum()])

    def after(self, matcher: LLMatcher, token: int, witness: Sequence[int], budget: int) -> list[int] | None:
        """A completion for the state after `token`, given one for the state before it.

        Nearly always the old completion still holds, whole (another letter in a free string) or without
        its first tokens; a search is needed only otherwise.

        Args:
            matcher: after `token`.
            witness: a completion of the state before `token`.
            budget: tokens that may follow.

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
        return self.quick(matcher, budget)

    def quick(self, matcher: LLMatcher, budget: int) -> list[int] | None:
        """A short completion of at most `budget` tokens: greedy first, then breadth-first."""
        return self._greedy(matcher, budget) or self._breadth_first(matcher, budget)

    def shortest(self, matcher: LLMatcher) -> list[int] | None:
        """The shortest completion that a wide search finds (tens of ms); None when there is none."""
        found = self._greedy(matcher, _LONGEST) or self._breadth_first(matcher, _LONGEST)
        shorter = self._beam(matcher, len(found) - 1) if found else None
        return shorter or found

    def _greedy(self, matcher: LLMatcher, budget: int) -> list[int] | None:
        state = matcher.deep_copy()
        taken: list[int] = []
        while not state.is_accepting():
            step = [int(token) for token in state.compute_ff_tokens()]
            if not step:
                token = self._best(state, 1)
                step = [int(token[0])] if len(token) else []
            if not step or len(taken) + len(step) > budget or not state.consume_tokens(step):
                return None
            taken += step
        return taken

    def _best(self, state: LLMatcher, count: int) -> npt.NDArray[np.int64]:
        """The allowed tokens likeliest to bring the end nearer, best first."""
        mask = _mask(state, self._size)
        mask[self._end] = False
        allowed = np.flatnonzero(mask)
        if not len(allowed):
            return allowed
        rank = (self._rank_in_text if len(allowed) > _FREE_TEXT else self._rank)[allowed]
        if count == 1:
            return allowed[[rank.argmin()]]
        if len(allowed) > count:
            few = np.argpartition(rank, count)[:count]
            allowed, rank = allowed[few], rank[few]
        return allowed[np.argsort(rank, kind="stable")]

    def _beam(self, matcher: LLMatcher, limit: int) -> list[int] | None:
        """Layer by layer, so that the first completion met is the shortest among the states kept."""
        layer: list[tuple[list[int], LLMatcher]] = [([], matcher.deep_copy())]
        expanded = 0
        for _ in range(limit + 1):
            following: dict[bytes, tuple[list[int], LLMatcher]] = {}
            for taken, state in layer:
                if state.is_accepting():
                    return taken
            if expanded > _EXPANSIONS:
                return None
            for taken, state in layer:
                for token in self._best(state, _BRANCHES):
                    expanded += 1
                    successor = state.deep_copy()
                    if successor.consume_token(int(token)):
                        following.setdefault(_signature(successor), ([*taken, int(token)], successor))
            layer = list(following.values())[:_BEAM]
        return None

    def _breadth_first(self, matcher: LLMatcher, budget: int) -> list[int] | None:
        """Single characters, states with the same mask merged: finds its way through patterns and formats."""
        queue: list[tuple[list[int], LLMatcher]] = [([], matcher.deep_copy())]
        seen = {_signature(matcher)}
        expanded = 0
        while queue and expanded < _EXPANSIONS:
            following: list[tuple[list[int], LLMatcher]] = []
            for taken, state in queue:
                for token in self._alternatives(state):
                    expanded += 1
                    successor = state.deep_copy()
                    if len(taken) >= budget or not successor.consume_token(int(token)):
                        continue
                    path = [*taken, int(token)]
                    if successor.is_accepting():
                        return path
                    mark = _signature(successor)
                    if mark not in seen:
                        seen.add(mark)
                        following.append((path, successor))
                if expanded >= _EXPANSIONS:
                    break
            queue = following
        return None

    def _alternatives(self, state: LLMatcher) -> npt.NDArray[np.int64]:
        mask = _mask(state, self._size)
        letters = self._letters[mask[self._letters]]
        if len(letters) > 24:
            # A free stretch: letters lead to the same places.
            letters = letters[:: len(letters) // 4]
        return np.concatenate([self._best(state, 8), self._marks[mask[self._marks]], letters])


def _mask(state: LLMatcher, size: int) -> npt.NDArray[np.bool_]:
    bits = np.frombuffer(state.compute_bitmask(), np.uint8)
    return np.unpackbits(bits, count=size, bitorder="little").view(np.bool_)


def _signature(state: LLMatcher) -> bytes:
    return bytes([state.is_accepting()]) + bytes(state.compute_bitmask())


def _completes(matcher: LLMatcher, tokens: list[int]) -> bool:
    state = matcher.deep_copy()
    return state.try_consume_tokens(tokens) == len(tokens) and state.is_accepting()


def _closing_rank(piece: bytes) -> float:
    """How little a token leads away from the end, outside free text; smaller is tried first."""
    length = min(len(piece), 31) / 32
    if piece.isalpha():
        return 4.0 - length
    if not piece:
        return 9.0
    if all(byte in b'"}]' for byte in piece):
        return 0.0 - length
    if all(byte in b'"{}[]' for byte in piece) and piece[-1:] in b"}]":
        return 1.0 - length
    if piece.isdigit():
        return 2.0 + length
    if piece[:1] == b"," or piece[-1:] in b",{[":
        return 6.0 + length
    if piece.isspace():
        return 7.0
    return 4.0 - length


def _closing_rank_in_text(piece: bytes) -> float:
    """The same inside a free string, where only a quotation mark leads out."""
    if piece.isalnum():
        return 2.0
    if piece[:1] == b'"':
        return _closing_rank(piece) if all(byte in b'"}]' for byte in piece) else 6.0
    return 4.0
