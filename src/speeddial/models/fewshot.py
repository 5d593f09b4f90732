"""A label set from a few examples of each label: ridge regression on n-grams and embeddings, nothing trained.

The regression has its leave-one-out scores in closed form, and those of a label's examples as if the label
did not exist. The first say how scores of messages that have a label look, the second how those of strangers
do: the calibration comes from the user's own examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from speeddial.errors import EngineRefused
from speeddial.models.calibration import Calibration, Floats, best_and_lead, calibrated
from speeddial.models.labelset import Dense, LabelSet, unit
from speeddial.models.ngrams import columns_of

COLUMNS = 1 << 13
"""Of the n-grams: some thousand texts of them fit into memory as rows."""
MOST_TEXTS = 3000
"""The regression takes time with their number cubed: 3000 take some seconds."""
RIDGE = 0.5
NGRAMS = 0.35
"""Weight of the n-grams beside the embedding, the best of five on CLINC150 with 5 and 10 examples a label."""
USUAL_TEXTS = 200
"""How many texts the usual shares of n-grams are worth: a few examples do not tell that "the" is common. With
them four labels of three examples refuse 91 % of CLINC150's strangers, without 84."""
START = Calibration(27.0, (8.0, 6.0, -1.8))
"""Of a label set with too few examples to tell: about that of 20 labels of CLINC150 with 5 to 10 each."""

Embed = Callable[[Sequence[str]], Floats]


def fit(examples: Mapping[str, Sequence[str]], embed: Embed | None = None, encoder: str = "") -> LabelSet:
    """Make a label set.

    Args:
        examples: label -> messages that it fits; a label without any goes by its name.
        embed: gives embeddings of texts, one long, shape (texts, hidden); None goes by n-grams alone.
        encoder: what `embed` is; see `Dense.encoder`.

    Raises:
        EngineRefused: no label, or more than `MOST_TEXTS` messages.
    """
    labels = tuple(examples)
    pairs = [
        (number, text) for number, label in enumerate(labels) for text in texts_of(label, examples[label])
    ]
    if not labels or len(pairs) > MOST_TEXTS:
        raise EngineRefused(
            f"{len(labels)} labels with {len(pairs)} examples: expected 1 label at least, "
            f"{MOST_TEXTS} examples at most",
            hint="fewer examples of each label will do; for more make a label set (docs/experts.md)",
        )
    truth = np.array([number for number, _ in pairs])
    texts = [text for _, text in pairs]
    rarity, rows = _ngrams(texts)
    share = NGRAMS if embed is not None else 1.0
    kernel = share * rows @ rows.T
    if embed is not None:
        vectors = embed(texts)
        kernel += (1 - share) * vectors @ vectors.T
    ridge = _Ridge(kernel, truth, len(labels))
    calibration = ridge.calibration()
    dense = None
    if embed is not None:
        dense = Dense(encoder, (1 - share) * vectors.T @ ridge.dual, calibration)
    return LabelSet(
        labels=labels,
        rarity=rarity,
        table=(share * rows.T @ ridge.dual).astype(np.float32),
        scale=np.ones(len(labels), np.float32),
        bias=np.zeros(len(labels), np.float32),
        calibration=calibration,
        dense=dense,
    )


def texts_of(label: str, examples: Sequence[str]) -> list[str]:
    """What stands for a label: its examples, or its name in words."""
    return list(dict.fromkeys(examples)) or [" ".join(label.replace("_", " ").replace("-", " ").split())]


def _ngrams(texts: Sequence[str]) -> tuple[Floats, Floats]:
    """Inverse document frequencies, shape (columns,), and rows one long, shape (texts, columns)."""
    found = [columns_of(text, COLUMNS) for text in texts]
    counts = np.bincount(np.concatenate(found), minlength=COLUMNS) + USUAL_TEXTS * _usual_shares()
    rarity = (np.log((1 + USUAL_TEXTS + len(texts)) / (1 + counts)) + 1).astype(np.float32)
    rows = np.zeros((len(texts), COLUMNS), np.float32)
    for row, columns in zip(rows, found, strict=True):
        row[columns] = rarity[columns]
    return rarity, unit(rows)


@cache
def _usual_shares() -> Floats:
    """Share of requests in general that have an n-gram of each column; `training.triage` writes the file."""
    from safetensors.numpy import load_file

    return np.asarray(load_file(Path(__file__).with_name("ngrams.safetensors"))["share"], np.float64)


class _Ridge:
    """Regression on one-hot labels by a kernel, with what it would have said of examples left out.

    Args:
        kernel: similarity of the examples, shape (examples, examples).
        truth: label of each.
        labels: how many there are.
    """

    def __init__(self, kernel: Floats, truth: npt.NDArray[np.intp], labels: int) -> None:
        self._truth = truth
        self._inverse = np.linalg.inv(kernel.astype(np.float64) + RIDGE * np.eye(len(kernel)))
        self._wanted = np.eye(labels)[truth]
        self.dual: Floats = self._inverse @ self._wanted
        """Weights of the examples, shape (examples, labels)."""

    def left_out(self) -> Floats:
        """Scores of each example by a regression without it."""
        return np.asarray(self._wanted - self.dual / np.diag(self._inverse)[:, None])

    def strange(self) -> Floats:
        """Scores of each example by a regression without its label, for the other labels."""
        scores = np.empty_like(self._wanted)
        for label in range(self._wanted.shape[1]):
            mine = np.flatnonzero(self._truth == label)
            block = self._inverse[np.ix_(mine, mine)]
            scores[mine] = self._wanted[mine] - np.linalg.solve(block, self.dual[mine])
            scores[mine, label] = 0.0
        return scores

    def calibration(self) -> Calibration:
        counts = np.bincount(self._truth, minlength=self._wanted.shape[1])
        # A label's only example, left out, is a stranger.
        known = counts[self._truth] > 1
        strange = self.strange() if self._wanted.shape[1] > 1 else np.empty((0, 1))
        scores = self.left_out()[known]
        return calibrated(scores, self._truth[known], best_and_lead(scores), best_and_lead(strange), START)
