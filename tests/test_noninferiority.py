"""Comparing two systems on the same cases: against published examples, and against all outcomes there are."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speeddial.flywheel.calibrate import bound
from speeddial.flywheel.noninferiority import compare, interval, least_cases


@pytest.mark.parametrize(
    ("gains", "losses", "cases", "sure", "low", "high"),
    [
        # Fagerland, Lydersen and Laake, Statistical Analysis of Contingency Tables (2017), chapter 8: airway
        # hyper-responsiveness (Bentur et al. 2009) and complete response (Cavo et al. 2012).
        (1, 7, 21, 0.95, -0.517, -0.026),
        (6, 16, 161, 0.95, -0.1240, -0.0054),
        # PropCIs::scoreci.mp of R, which counts the second column first.
        (20, 60, 1000, 0.95, -0.0584, -0.0231),
        (28, 25, 618, 0.90, -0.0148, 0.0247),
    ],
)
def test_tangos_interval_is_that_of_published_examples(
    gains: int, losses: int, cases: int, sure: float, low: float, high: float
) -> None:
    places = 3 if abs(low) == 0.517 else 4
    assert tuple(round(end, places) for end in interval(gains, losses, cases, sure)) == (low, high)


def test_without_gains_the_bound_is_that_of_a_share() -> None:
    """With no gains in sight the losses are a binomial share, and Clopper and Pearson's bound is near."""
    for losses, cases in ((0, 100), (1, 200), (4, 300)):
        exact = 1 - bound(cases - losses, cases)
        found = -compare(cases=cases, losses=losses, gains=0, margin=0.03).bound
        assert exact - 1e-3 <= found <= exact * 1.25


def outcomes(cases: int, gain: float, loss: float) -> list[tuple[int, int, float]]:
    """All outcomes with their probabilities."""
    found = []
    for gains, losses in product(range(cases + 1), repeat=2):
        if gains + losses <= cases:
            ways = math.comb(cases, gains) * math.comb(cases - gains, losses)
            rest = (1 - gain - loss) ** (cases - gains - losses)
            found.append((gains, losses, ways * gain**gains * loss**losses * rest))
    return found


@pytest.mark.parametrize("gain", [0.0, 0.013, 0.05, 0.2, 0.41])
def test_a_system_worse_by_the_margin_passes_no_more_often_than_stated(gain: float) -> None:
    """Counted over the outcomes of 45 cases; with more losses than gains by nine, none passes."""
    margin, sure, cases = 0.08, 0.9, 45
    assert not compare(cases=cases, losses=9, gains=0, margin=margin, sure=sure).passed
    passes = 0.0
    for gains, losses, probability in outcomes(cases, gain, gain + margin):
        if probability > 1e-9 and losses <= gains + 8:
            passed = compare(cases=cases, losses=losses, gains=gains, margin=margin, sure=sure).passed
            passes += probability * passed
    assert passes <= 1 - sure + 1e-4


def test_an_equal_system_passes_with_cases_enough_and_never_with_too_few() -> None:
    assert least_cases(0.05) == pytest.approx(59, abs=3)
    least = least_cases(0.03)
    assert compare(cases=least, losses=0, gains=0, margin=0.03).passed
    assert not compare(cases=least - 1, losses=0, gains=0, margin=0.03).passed
    assert compare(cases=400, losses=2, gains=2, margin=0.03).passed
    assert not compare(cases=400, losses=30, gains=2, margin=0.03).passed
    assert not compare(cases=0, losses=0, gains=0, margin=0.03).passed


@settings(max_examples=15, deadline=None)
@given(st.integers(20, 200), st.integers(0, 10), st.integers(0, 10))
def test_more_losses_are_never_better_and_more_gains_never_worse(cases: int, losses: int, gains: int) -> None:
    told = compare(cases=cases, losses=losses, gains=gains, margin=0.05)
    assert compare(cases=cases, losses=losses + 1, gains=gains, margin=0.05).bound <= told.bound
    assert compare(cases=cases, losses=losses, gains=gains + 1, margin=0.05).bound >= told.bound
    assert told.passed == (told.bound >= -0.05) or abs(told.bound + 0.05) < 2e-4
