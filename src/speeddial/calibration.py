"""Calibration: from a decoder's probabilities of its tokens to the chance that the answer is right.

The geometric mean that engines report ranks answers badly and is no chance: one token in doubt among forty
sure ones hardly moves it. What tells best is chosen on development data by `speeddial.flywheel.calibrate` and
kept in ``calibration.json`` beside the expert's card.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from speeddial.errors import ProjectError

FILE = "calibration.json"
LEAST = 1e-4
"""Probabilities are held between this and 1 minus it; the record keeps four decimals of them."""


class Piece(NamedTuple):
    """A token's text, and its probability under the grammar; None where that left no choice."""

    text: str
    probability: float | None


def _chosen(pieces: Sequence[Piece]) -> list[float]:
    return [max(LEAST, piece.probability) for piece in pieces if piece.probability is not None]


def mean(pieces: Sequence[Piece]) -> float:
    """Geometric mean probability of the tokens that were a choice; 1 when none was."""
    chosen = _chosen(pieces)
    return math.exp(sum(map(math.log, chosen)) / len(chosen)) if chosen else 1.0


def product(pieces: Sequence[Piece]) -> float:
    """Probability of the whole answer under the grammar."""
    return math.prod(_chosen(pieces))


def least(pieces: Sequence[Piece]) -> float:
    """The least probable choice."""
    return min(_chosen(pieces), default=1.0)


_VALUE = re.compile(r'(?<=:)(?:"(?:[^"\\]|\\.)*"|[^"{}\[\],]+)|"(?:[^"\\]|\\.)*"(?!:)')


def worst_value(pieces: Sequence[Piece]) -> float:
    """Product over the tokens of the JSON value that is least probable, or over all that is no value."""
    products = _products_of_values(pieces)
    return min(products.values())


def last_value(pieces: Sequence[Piece]) -> float:
    """Product over the tokens of the last JSON value and what stands behind it: is anything missing?"""
    products = _products_of_values(pieces)
    return products[max(products)]


def _products_of_values(pieces: Sequence[Piece]) -> dict[int, float]:
    """Number of a value (-1 for keys and punctuation) -> product of its tokens' probabilities."""
    text = "".join(piece.text for piece in pieces)
    ends = [found.end() for found in _VALUE.finditer(text)]
    starts = [found.start() for found in _VALUE.finditer(text)]
    products = {-1: 1.0}
    at = 0
    for piece in pieces:
        value = bisect_right(starts, at) - 1
        inside = value >= 0 and at < ends[value]
        # What comes behind the last value decides whether the answer ends there.
        number = value if inside or value == len(starts) - 1 else -1
        if piece.probability is not None:
            products[number] = products.get(number, 1.0) * max(LEAST, piece.probability)
        at += len(piece.text)
    return products


MEASURES: Mapping[str, Callable[[Sequence[Piece]], float]] = {
    "mean": mean,
    "product": product,
    "least": least,
    "worst value": worst_value,
    "last value": last_value,
}
"""What can be made of the probabilities of an answer's tokens: name -> function to a probability."""

Method = Literal["temperature", "platt", "isotonic"]


@dataclass(frozen=True)
class Target:
    """A precision to hold, and what holding it takes."""

    precision: float
    threshold: float | None
    """Least confidence of an answer that is taken; None where none was shown to hold the precision."""
    coverage: float
    """Share of the cases that are taken, each by the half that it was not in."""
    right: int
    taken: int
    """Of these, and how many of them are right."""
    at_least: float
    """Exact lower bound of the precision there (Clopper and Pearson 1934, one-sided 95 %)."""


@dataclass(frozen=True)
class Calibration:
    """How an expert's confidence is made of its tokens' probabilities; for one model and one adapter."""

    model: str
    adapter: str
    """Hash of the weights; empty for an expert without."""
    measure: str
    """A key of `MEASURES`."""
    method: Method
    parameters: tuple[float, ...]
    """Slope and intercept on the logit; for ``isotonic`` values of the measure and chances, in turn."""
    targets: tuple[Target, ...] = ()
    about: Mapping[str, Any] | None = None
    """Data, number of cases, figures on cases held out."""

    def confidence(self, pieces: Sequence[Piece]) -> float | None:
        """The chance that an answer is right; None when the engine tells no tokens."""
        return self.chance(MEASURES[self.measure](pieces)) if pieces else None

    def chance(self, measured: float) -> float:
        """The chance at a value of the measure."""
        if self.method == "isotonic":
            return between(self.parameters[::2], self.parameters[1::2], measured)
        slope, intercept = self.parameters
        return sigmoid(slope * logit(measured) + intercept)

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """Read a ``calibration.json``.

        Raises:
            ProjectError: it is none.
        """
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(cls).validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise ProjectError(
                f"{path}: expected what `speeddial eval --calibrate` writes, got: {error}",
                hint="write it again, or remove it",
            ) from error

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def logit(probability: float) -> float:
    held = min(1 - LEAST, max(LEAST, probability))
    return math.log(held / (1 - held))


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0


def between(places: Sequence[float], values: Sequence[float], at: float) -> float:
    """Linear interpolation; beyond the ends the end's value.

    Args:
        places: ascending.
    """
    number = bisect_right(places, at)
    if number == 0:
        return values[0]
    if number == len(places):
        return values[-1]
    left, right = places[number - 1], places[number]
    return values[number - 1] + (values[number] - values[number - 1]) * (at - left) / (right - left)
