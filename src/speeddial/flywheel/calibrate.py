"""Calibrating an expert: what of its tokens' probabilities tells right from wrong, and what chance that is.

The cases are cut in halves. Each in turn chooses a measure, fits and sets thresholds, and the other half,
which had no part in that, tells how good they are: the figures are of all cases, each held out once. What is
written is then chosen and fitted on all of them.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from speeddial.calibration import FILE, MEASURES, Calibration, Method, Piece, Target, logit
from speeddial.errors import UserError
from speeddial.models.adapter import weights_hash

METHODS: tuple[Method, ...] = ("temperature", "platt", "isotonic")
PRECISIONS = (0.9, 0.95, 0.99)
BINS = 10
LEAST_CASES = 40
LEVEL = 15
"""Cases that a level of an isotonic regression begins with."""
SURE = 0.95
"""Of the exact bound on a precision, one-sided."""
PLOT = "reliability.svg"

Floats = npt.NDArray[np.float64]
Holds = Callable[[int, int, float], bool]
"""Of the number of right answers, of all that are taken, and a precision: whether it holds."""


@dataclass(frozen=True)
class Answered:
    """One answer of an evaluation: the probabilities of its tokens, and whether it was right."""

    pieces: tuple[Piece, ...]
    right: bool


@dataclass(frozen=True)
class Trial:
    """A measure over all cases."""

    measure: str
    auroc: float
    ece: float
    """Of the measure as it is, taken for a chance."""


@dataclass(frozen=True)
class Outcome:
    """What a calibration came to, and what was tried on the way."""

    calibration: Calibration
    trials: tuple[Trial, ...]
    methods: tuple[tuple[Method, float], ...]
    """Method -> log loss in cross-validation."""
    held_out: tuple[tuple[float, bool], ...]
    """Confidence from the other half's fit, and right or wrong, of each case."""


def proven(right: int, taken: int, precision: float) -> bool:
    """Whether the exact bound of what was taken is the precision: for labels that people have read."""
    # The same as by `bound`, without its search: a threshold asks this once for each case.
    return right > 0 and _tail(right, taken, precision) <= 1 - SURE


def expected(right: int, taken: int, precision: float) -> bool:
    """Whether half the mistakes that a precision allows were seen, and twice as many are ruled out.

    For labels that a model gave. One or two in a hundred are odd, so 99 % is never `proven` of them: that
    takes 299 right answers in a row.
    """
    allowed = 1 - precision
    return right >= (1 - allowed / 2) * taken and proven(right, taken, 1 - 2 * allowed)


def calibrated(
    answers: Sequence[Answered],
    *,
    model: str,
    adapter: Path | None,
    data: Path,
    holds: Holds = proven,
    seed: int = 7,
) -> Outcome:
    """Choose, fit and measure.

    Args:
        answers: of an evaluation of this expert alone.
        model, adapter: that gave them.
        data: the file of the cases, for provenance.
        holds: what a threshold must satisfy on the half that it is set on.
        seed: of the halves.

    Raises:
        UserError: too few answers, all of them right or wrong, or an engine that tells no probabilities.
    """
    told = [answer for answer in answers if answer.pieces]
    if len(told) < LEAST_CASES:
        raise UserError(
            f"{len(told)} of {len(answers)} answers tell probabilities, {LEAST_CASES} are needed",
            hint="give more cases, and an engine that tells the probabilities of its tokens",
        )
    told = random.Random(seed).sample(told, len(told))
    halves = told[: len(told) // 2], told[len(told) // 2 :]
    for half in halves:
        if len({answer.right for answer in half}) == 1:
            raise UserError(
                f"all {len(half)} answers of one half are {'right' if half[0].right else 'wrong'}",
                hint="give more cases, harder or easier",
            )
    held_out = [_fit_and_hold(halves[0], halves[1], holds), _fit_and_hold(halves[1], halves[0], holds)]
    sure = np.concatenate([part.sure for part in held_out])
    known = np.concatenate([part.right for part in held_out])
    mean = np.concatenate([_scores("mean", half) for half in reversed(halves)])
    final = _fitted(told)
    about = {
        "data": data.name,
        "data_hash": f"sha256:{hashlib.sha256(data.read_bytes()).hexdigest()}",
        "cases": len(told),
        "right": round(float(known.mean()), 4),
        "auroc": round(auroc(sure, known), 4),
        "ece": round(ece(sure, known), 4),
        "raw_mean_auroc": round(auroc(mean, known), 4),
        "raw_mean_ece": round(ece(mean, known), 4),
    }
    made = Calibration(
        model,
        weights_hash(adapter),
        final.measure,
        final.method,
        final.parameters,
        tuple(_target(precision, final, told, held_out, holds) for precision in PRECISIONS),
        about,
    )
    right = _rights(told)
    trials = (
        Trial(name, auroc(_scores(name, told), right), ece(_scores(name, told), right)) for name in MEASURES
    )
    losses = ((method, _cross_validated(method, _scores(final.measure, told), right)) for method in METHODS)
    pairs = zip(sure.tolist(), known.tolist(), strict=True)
    return Outcome(made, tuple(trials), tuple(losses), tuple(pairs))


@dataclass(frozen=True)
class _HeldOut:
    """Cases judged by a fit that did not see them."""

    sure: Floats
    right: npt.NDArray[np.bool_]
    thresholds: tuple[float | None, ...]
    """Of the fit, for each of `PRECISIONS`."""


def _fitted(answers: Sequence[Answered]) -> Calibration:
    """The measure of highest AUROC with the method of least log loss in cross-validation."""
    right = _rights(answers)
    scores = {name: _scores(name, answers) for name in MEASURES}
    measure = max(scores, key=lambda name: auroc(scores[name], right))
    method = min(METHODS, key=lambda name: _cross_validated(name, scores[measure], right))
    return Calibration("", "", measure, method, fit(method, scores[measure], right))


def _fit_and_hold(fitting: Sequence[Answered], other: Sequence[Answered], holds: Holds) -> _HeldOut:
    fitted = _fitted(fitting)
    own = _chances(fitted, fitting)
    thresholds = tuple(_threshold(precision, own, _rights(fitting), holds) for precision in PRECISIONS)
    return _HeldOut(_chances(fitted, other), _rights(other), thresholds)


def _chances(fitted: Calibration, answers: Sequence[Answered]) -> Floats:
    return np.array([fitted.chance(score) for score in _scores(fitted.measure, answers)])


def _scores(measure: str, answers: Sequence[Answered]) -> Floats:
    return np.array([MEASURES[measure](answer.pieces) for answer in answers])


def _rights(answers: Sequence[Answered]) -> npt.NDArray[np.bool_]:
    return np.array([answer.right for answer in answers])


# --- figures ------------------------------------------------------------------------------------------------


def auroc(scores: Floats, right: npt.NDArray[np.bool_]) -> float:
    """Chance that a right answer scores higher than a wrong one, ties half; nan where one kind is missing."""
    order = np.unique(scores, return_inverse=True)[1]
    counts = np.bincount(order)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[order]
    ones, zeros = int(right.sum()), int((~right).sum())
    return (
        float((ranks[right].sum() - ones * (ones + 1) / 2) / (ones * zeros)) if ones and zeros else math.nan
    )


def ece(scores: Floats, right: npt.NDArray[np.bool_], bins: int = BINS) -> float:
    """Expected calibration error (Naeini et al. 2015), over bins of equally many cases.

    Of a perfect calibration it is not 0: with 30 cases a bin, 80 % of them right, about 0.06.
    """
    order = np.argsort(scores, kind="stable")
    return float(
        sum(
            len(part) * abs(scores[part].mean() - right[part].mean())
            for part in np.array_split(order, bins)
            if len(part)
        )
        / len(scores)
    )


def bound(right: int, taken: int, sure: float = SURE) -> float:
    """Exact one-sided lower bound of a share (Clopper and Pearson 1934), by bisection."""
    if not right:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _tail(right, taken, middle) < 1 - sure else (low, middle)
    return low


def _tail(right: int, taken: int, share: float) -> float:
    """The chance of so many right answers or more, if `share` of all are right."""
    # By the side with fewer terms: of thousands of cases a few are wrong, or a few are right.
    if right <= taken // 2:
        return 1 - sum(_binomial(taken, number, share) for number in range(right))
    return sum(_binomial(taken, number, share) for number in range(right, taken + 1))


def _binomial(cases: int, number: int, share: float) -> float:
    if share in (0.0, 1.0):
        return float(number == cases * share)
    ways = math.lgamma(cases + 1) - math.lgamma(number + 1) - math.lgamma(cases - number + 1)
    return math.exp(ways + number * math.log(share) + (cases - number) * math.log1p(-share))


def _threshold(precision: float, sure: Floats, right: npt.NDArray[np.bool_], holds: Holds) -> float | None:
    """The lowest confidence from which on the precision holds; None where none does."""
    for candidate in sorted(set(sure.tolist())):
        taken = sure >= candidate
        if holds(int(right[taken].sum()), int(taken.sum()), precision):
            return float(candidate)
    return None


def _target(
    precision: float,
    final: Calibration,
    answers: Sequence[Answered],
    held_out: Sequence[_HeldOut],
    holds: Holds,
) -> Target:
    """The threshold from all cases, and what thresholds from one half do on the other."""
    threshold = _threshold(precision, _chances(final, answers), _rights(answers), holds)
    place = PRECISIONS.index(precision)
    rights = count = 0
    for part in held_out:
        least = part.thresholds[place]
        taken = part.sure >= (math.inf if least is None else least)
        rights, count = rights + int(part.right[taken].sum()), count + int(taken.sum())
    return Target(
        precision=precision,
        threshold=None if threshold is None else math.floor(threshold * 10_000) / 10_000,
        coverage=round(count / len(answers), 4),
        right=rights,
        taken=count,
        at_least=round(bound(rights, count), 4),
    )


# --- fits ---------------------------------------------------------------------------------------------------


def fit(method: Method, scores: Floats, right: npt.NDArray[np.bool_]) -> tuple[float, ...]:
    """The parameters of a `Calibration`: temperature scaling, Platt scaling, or isotonic regression."""
    if method == "isotonic":
        return _isotonic(scores, right)
    logits = np.array([logit(score) for score in scores])
    # Platt's targets (1999), so that a half without a wrong answer gives no chance of one.
    high, low = (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2)
    wanted = np.where(right, high, low)
    slope, intercept = _logistic(logits, wanted, with_intercept=method == "platt")
    return round(slope, 6), round(intercept, 6)


def _logistic(logits: Floats, wanted: Floats, *, with_intercept: bool) -> tuple[float, float]:
    """Slope and intercept of least log loss, by Newton's method with a small ridge."""
    columns = np.stack([logits, np.ones_like(logits)], axis=1)[:, : 1 + with_intercept]
    weights = np.zeros(columns.shape[1])
    for _ in range(100):
        chance = 1 / (1 + np.exp(-np.clip(columns @ weights, -50, 50)))
        gradient = columns.T @ (chance - wanted) + 1e-3 * weights
        curve = (columns * (chance * (1 - chance))[:, None]).T @ columns + 1e-3 * np.eye(len(weights))
        step = np.linalg.solve(curve, gradient)
        # A full step may overshoot where nearly all chances are 0 or 1.
        weights = weights - step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    return float(weights[0]), float(weights[1]) if with_intercept else 0.0


def _isotonic(scores: Floats, right: npt.NDArray[np.bool_]) -> tuple[float, ...]:
    """Pool adjacent violators (Ayer et al. 1955): places and chances in turn, one pair for each level."""
    order = np.argsort(scores, kind="stable")
    blocks: list[list[float]] = []
    # Of some cases each from the start: a level of a single case would be certain.
    for part in np.array_split(order, max(2, len(order) // LEVEL)):
        blocks.append([float(right[part].sum()), float(len(part)), float(scores[part].sum())])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            last = blocks.pop()
            blocks[-1] = [left + more for left, more in zip(blocks[-1], last, strict=True)]
    points = [(places / cases, (rights + 0.5) / (cases + 1)) for rights, cases, places in blocks]
    levels = np.maximum.accumulate([chance for _, chance in points])
    return tuple(
        round(float(number), 6)
        for (place, _), level in zip(points, levels, strict=True)
        for number in (place, level)
    )


def _cross_validated(method: Method, scores: Floats, right: npt.NDArray[np.bool_], folds: int = 5) -> float:
    """Mean log loss of cases that a fit has not seen."""
    losses = []
    for number in range(folds):
        held = np.arange(len(scores)) % folds == number
        made = Calibration("", "", "mean", method, fit(method, scores[~held], right[~held]))
        for score, good in zip(scores[held], right[held], strict=True):
            chance = min(1 - 1e-6, max(1e-6, made.chance(float(score))))
            losses.append(-math.log(chance if good else 1 - chance))
    return sum(losses) / len(losses)


# --- for people ---------------------------------------------------------------------------------------------


def save(outcome: Outcome, folder: Path) -> tuple[Path, Path]:
    """Write ``calibration.json`` and the reliability plot into an expert's folder."""
    outcome.calibration.write(folder / FILE)
    (folder / PLOT).write_text(plot(outcome.held_out), encoding="utf-8")
    return folder / FILE, folder / PLOT


def lines_of(outcome: Outcome) -> list[str]:
    """What was tried, what was chosen, and the figures of the held-out half, as Markdown."""
    made = outcome.calibration
    about: dict[str, Any] = dict(made.about or {})
    lines = ["| measure | AUROC | ECE as it is |", "| --- | --- | --- |"]
    lines += [f"| {trial.measure} | {trial.auroc:.3f} | {trial.ece:.3f} |" for trial in outcome.trials]
    lines += ["", "| method | log loss, 5-fold |", "| --- | --- |"]
    lines += [f"| {method} | {loss:.4f} |" for method, loss in outcome.methods]
    lines += [
        "",
        f"chosen: {made.measure}, {made.method}; {about['cases']} cases, each held out once",
        f"held out: {about['right']:.1%} right, AUROC {about['auroc']:.3f}, ECE {about['ece']:.3f}"
        f" (the mean as it is: {about['raw_mean_auroc']:.3f}, {about['raw_mean_ece']:.3f})",
        "",
        "| precision | threshold | coverage | right of taken | at least |",
        "| --- | --- | --- | --- | --- |",
    ]
    for target in made.targets:
        threshold = "none holds it" if target.threshold is None else f"{target.threshold:.4f}"
        lines.append(
            f"| {target.precision:.0%} | {threshold} | {target.coverage:.1%}"
            f" | {target.right} of {target.taken} | {target.at_least:.1%} |"
        )
    return lines


def plot(held_out: Sequence[tuple[float, bool]], bins: int = BINS) -> str:
    """A reliability plot as SVG: confidence and the share that was right, in bins of equally many cases."""
    ordered = sorted(held_out)
    cuts = [round(number * len(ordered) / bins) for number in range(bins + 1)]
    parts = [ordered[low:high] for low, high in pairwise(cuts) if high > low]

    def place(share: float) -> float:
        return 40 + 240 * share

    points = [
        (
            place(sum(sure for sure, _ in part) / len(part)),
            320 - place(sum(right for _, right in part) / len(part)),
        )
        for part in parts
    ]
    marks = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in points)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    ticks = "".join(
        f'<text x="{place(share):.0f}" y="296" text-anchor="middle">{share:g}</text>'
        f'<text x="34" y="{324 - place(share):.0f}" text-anchor="end">{share:g}</text>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 320" width="300" height="320" role="img"'
        ' aria-label="Reliability: confidence and the share that was right">'
        "<style>text{font:11px sans-serif;fill:#555}circle{fill:#0b62a4}</style>"
        '<rect width="300" height="320" fill="#fff"/>'
        '<path d="M40 40V280H280M40 280L280 40" fill="none" stroke="#999"/>'
        f'<polyline points="{line}" fill="none" stroke="#0b62a4"/>{marks}{ticks}'
        '<text x="160" y="314" text-anchor="middle">confidence</text><text x="40" y="30">right</text></svg>\n'
    )
