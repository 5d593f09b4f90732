"""Confidence from the log probabilities that vLLM and OpenAI-compatible servers report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

_FORBIDDEN = -9000.0
"""vLLM writes -9999 for a token that the grammar forbids."""


class Chosen(NamedTuple):
    """The log probability of one token of an answer, and that of its best alternative (None: not told)."""

    logprob: float
    other: float | None

    @property
    def is_forced(self) -> bool:
        """Whether its best alternative is forbidden, as far as the server tells."""
        return self.other is not None and self.other <= _FORBIDDEN


def confidence(tokens: Sequence[Chosen]) -> tuple[float | None, int]:
    """Geometric mean probability of the tokens that were a choice, and how many were none.

    vLLM applies the grammar before it takes the probabilities, so a token whose best alternative is
    forbidden was forced. Other servers report the model's own probabilities; then none counts as forced.

    Returns:
        The mean, None when there is nothing to tell by; the number of forced tokens, -1 when the
        alternatives are not told.
    """
    if not tokens:
        return None, -1
    chosen = [token.logprob for token in tokens if not token.is_forced]
    told = all(token.other is not None for token in tokens)
    mean = sum(chosen) / len(chosen) if chosen else None
    return None if mean is None else min(1.0, math.exp(mean)), len(tokens) - len(chosen) if told else -1
