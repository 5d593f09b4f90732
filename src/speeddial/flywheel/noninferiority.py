"""Non-inferiority: whether one system is not worse than another by more than a margin, on the same cases.

Only cases count where exactly one of the two is right: the gains and the losses. The order of outcomes is by
the score statistic of Tango (1998, Statistics in Medicine 17:891); the test is exact and unconditional
(Hsueh, Liu and Chen 2001, Biometrics 57:478): the largest probability, over all shares of gains that there
may be, of an outcome at least as good while the new system is worse by the margin. Score intervals alone are
wrong more often than they say where losses are few, which is where a gate stands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from speeddial.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_SHARES = 101
"""Of gains, at which the exact test looks for its largest probability; closest where they are rare."""
_STEPS = 14
"""Of the bound's bisection: to a ten-thousandth."""
_NONE = 1e-6
"""A margin of nothing."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two systems on the same cases."""

    cases: int
    losses: int
    """Cases that only the incumbent has right."""
    gains: int
    """Cases that only the new one has right."""
    margin: float
    sure: float
    """Confidence, one-sided."""
    chance: float
    """Of coming out as well as this, or better, while being worse by the margin."""
    bound: float
    """The new one's share of right cases less the incumbent's is at least this; at most 0 is told."""

    @property
    def passed(self) -> bool:
        """Whether the new one is shown not to be worse by more than the margin."""
        return self.chance <= 1 - self.sure


@lru_cache(maxsize=1024)
def compare(*, cases: int, losses: int, gains: int, margin: float, sure: float = 0.95) -> Comparison:
    """Test and bound.

    Args:
        cases: all of them, those too where both are right or both wrong.
        margin: greater than 0, less than 1.

    Raises:
        UserError: scipy is absent.
    """
    if not cases:
        chance, bound = 1.0, -1.0
    else:
        chance = _chance(losses, gains, cases, margin)
        worst, best = (0.0 if _chance(losses, gains, cases, _NONE) <= 1 - sure else 1.0), 0.0
        for _ in range(_STEPS if worst else 0):
            middle = (worst + best) / 2
            shown = _chance(losses, gains, cases, middle) <= 1 - sure
            worst, best = (middle, best) if shown else (worst, middle)
        bound = -worst
    return Comparison(
        cases=cases, losses=losses, gains=gains, margin=margin, sure=sure, chance=chance, bound=bound
    )


@lru_cache(maxsize=64)
def least_cases(margin: float, sure: float = 0.95) -> int:
    """Cases from which a system without a loss can pass at all."""
    cases = max(1, math.ceil(math.log(1 - sure) / math.log(1 - margin)))
    while _chance(0, 0, cases, margin) > 1 - sure:
        cases += 1
    return cases


def interval(gains: int, losses: int, cases: int, sure: float = 0.95) -> tuple[float, float]:
    """Tango's score interval, two-sided, of the new one's share of right cases less the incumbent's."""
    wanted = _quantile(1 - (1 - sure) / 2)

    def root(target: float) -> float:
        low, high = -1.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            above = float(score(np.float64(gains), np.float64(losses), cases, middle)) > target
            low, high = (middle, high) if above else (low, middle)
        return (low + high) / 2

    return root(wanted), root(-wanted)


def score(gains: Any, losses: Any, cases: int, difference: float) -> Any:
    """Tango's statistic of outcomes, where the shares truly differ by `difference`; falls as that rises.

    Args:
        gains, losses: arrays of one shape, or numbers.
    """
    # The losses' likeliest share under this difference solves a quadratic equation (his (25) and (26)).
    linear = (2 * cases - gains + losses) * difference - gains - losses
    constant = -losses * difference * (1 - difference)
    share = (np.sqrt(np.maximum(0.0, linear**2 - 8 * cases * constant)) - linear) / (4 * cases)
    spread = np.maximum(1e-300, cases * (2 * share + difference * (1 - difference)))
    return (gains - losses - cases * difference) / np.sqrt(spread)


def _chance(losses: int, gains: int, cases: int, margin: float) -> float:
    """The exact test's probability."""
    binom = _binom()
    seen = float(score(np.float64(gains), np.float64(losses), cases, -margin)) - 1e-9
    many = np.arange(cases + 1, dtype=np.float64)
    most = _most_losses(many, seen, cases, margin)
    shares: Floats = (1 - margin) / 2 * np.linspace(0, 1, _SHARES)[:, None] ** 2
    lost = np.minimum(1.0, (shares + margin) / (1 - shares))
    told = binom.pmf(many, cases, shares) * binom.cdf(most, cases - many, lost)
    return float(told.sum(axis=1).max())


def _most_losses(gains: Floats, seen: float, cases: int, margin: float) -> Floats:
    """For each number of gains the most losses of an outcome as good as what was seen; -1 for none."""
    low, high = np.full_like(gains, -1.0), cases - gains
    while (low < high).any():
        middle = np.ceil((low + high) / 2)
        good = (score(gains, middle, cases, -margin) >= seen) & (middle >= 0)
        low, high = np.where(good, middle, low), np.where(good, high, middle - 1)
    return low


def _binom() -> Any:
    try:
        from scipy.stats import binom
    except ImportError as error:
        raise UserError("comparing systems needs scipy", hint="pip install 'speeddial[flywheel]'") from error
    return binom


def _quantile(probability: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(probability)
