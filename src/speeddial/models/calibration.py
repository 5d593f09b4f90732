"""From a classifier's scores to probabilities of its labels and of none; fitted on held-out scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

NONE_SHARE = 0.2
"""Share of messages that are expected to fit no label. CLINC150's own parts have 3 and 18 %."""
_TEMPERATURES = np.geomspace(0.5, 64, 57)
_PRIOR_CASES = 30.0
"""How many cases the calibration to start from is worth."""
_CLIP = 30.0
_LEAST_SPREAD = 0.01
"""Keeps the regression solvable where all scores are zero."""
_LARGEST_STEP = 4.0
"""Where all cases are surely right or wrong, Newton's next step would lead far off."""


@dataclass(frozen=True)
class Calibration:
    """What turns scores into probabilities."""

    sharpness: float
    """Scores are multiplied by it before the softmax."""
    inside: tuple[float, float, float]
    """Logistic regression of whether any label fits: weights of what tells that, and the constant."""

    def probabilities(self, scores: Floats, evidence: Floats | None = None) -> Floats:
        """Probabilities of rows of scores.

        Args:
            scores: shape (messages, labels).
            evidence: what tells whether any label fits, shape (messages, 2); `best_and_lead` unless given.

        Returns:
            Shape (messages, labels + 1); the last is that of none, each row sums to 1.
        """
        told = _with_constant(best_and_lead(scores) if evidence is None else evidence)
        inside = _sigmoid(told @ np.array(self.inside))[:, None]
        return np.hstack([inside * softmax(self.sharpness * scores), 1 - inside])


def calibrated(
    scores: Floats,
    truth: npt.NDArray[np.intp],
    known: Floats,
    strange: Floats,
    start: Calibration,
) -> Calibration:
    """Fit a calibration.

    Args:
        scores: of messages that have a label and were not learnt from, shape (messages, labels).
        truth: the label of each.
        known: their evidence that a label fits, shape (messages, 2), such as `best_and_lead`.
        strange: that of messages that none of the labels fits.
        start: what it is where there are no cases, and is drawn to where there are few.
    """
    if not len(scores) or not len(strange):
        return start
    losses = [_loss(softmax(value * scores), truth) for value in _TEMPERATURES]
    # Half a point of log loss for a doubling, in all: few cases do not move it far.
    drawn = 0.5 * _PRIOR_CASES / 10 * np.log2(_TEMPERATURES / start.sharpness) ** 2
    sharpness = float(_TEMPERATURES[np.argmin(np.array(losses) * len(scores) + drawn)])
    return Calibration(sharpness, _inside(known, strange, np.array(start.inside)))


def best_and_lead(scores: Floats) -> Floats:
    """The best score and its lead over the next (or over 0), shape (messages, 2)."""
    padded = np.hstack([scores, np.zeros((len(scores), 1))])
    best = scores.max(1)
    lead = best - np.partition(padded, -2, axis=1)[:, -2:].min(1)
    return np.stack([best, lead], axis=1)


def _with_constant(evidence: Floats) -> Floats:
    return np.hstack([evidence, np.ones((len(evidence), 1))])


def _inside(known: Floats, strange: Floats, start: Floats) -> tuple[float, float, float]:
    """Logistic regression by Newton's steps, drawn to `start`; strangers weigh `NONE_SHARE` of all."""
    cases = _with_constant(np.vstack([known, strange]))
    wanted = np.repeat([1.0, 0.0], [len(known), len(strange)])
    total = len(known) / (1 - NONE_SHARE)
    weight = np.repeat([1.0, NONE_SHARE * total / len(strange)], [len(known), len(strange)])
    # As if so many cases of the usual spread had agreed with the start.
    prior = _PRIOR_CASES * 0.1 * np.diag(np.maximum((cases**2).mean(0), _LEAST_SPREAD))
    found = start.astype(float)
    for _ in range(30):
        likely = _sigmoid(cases @ found)
        slope = cases.T @ (weight * (wanted - likely)) - prior @ (found - start)
        curve = (cases * (weight * likely * (1 - likely))[:, None]).T @ cases + prior
        step = np.clip(np.linalg.solve(curve, slope), -_LARGEST_STEP, _LARGEST_STEP)
        found = found + step
        if np.abs(step).max() < 1e-6:
            break
    return float(found[0]), float(found[1]), float(found[2])


def softmax(scores: Floats) -> Floats:
    """Of rows."""
    raised = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def _sigmoid(value: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(value, -_CLIP, _CLIP))))


def _loss(likely: Floats, truth: npt.NDArray[np.intp]) -> float:
    return float(-np.log(likely[np.arange(len(truth)), truth] + 1e-12).mean())
