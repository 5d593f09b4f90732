"""A label set: labels with the linear weights and the calibration that route a message to one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from speeddial.errors import EngineRefused
from speeddial.models.calibration import Calibration, Floats, softmax
from speeddial.models.labelnetwork import LabelNetwork
from speeddial.models.lstm import Float32
from speeddial.models.ngrams import columns_of

FORM = 1
LEAST = 1e-9
"""Of a probability that a logarithm is taken of."""
_NETWORK = "network."
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Dense:
    """Weights over a sentence's embedding, added to those over its n-grams."""

    encoder: str
    """What made the embeddings: `speeddial.models.encoder.Encoder.identity`."""
    weights: Floats
    """Shape (hidden, labels)."""
    calibration: Calibration
    """Of the two scores' sum."""


@dataclass(frozen=True)
class Trained:
    """A network over the states of a message's tokens, its probabilities mixed with those by n-grams."""

    encoder: str
    """What made the states: `speeddial.models.encoder.Encoder.identity`."""
    network: LabelNetwork
    share: float
    """Of the n-grams in the mixture."""
    sharpness: float
    """The n-grams' scores are multiplied by it before their softmax."""
    calibration: Calibration
    """Of the mixture's scores."""

    def scores(self, by_grams: Floats, by_network: Floats) -> Floats:
        """Logarithms of the labels' mixed probabilities, shape (messages, labels).

        Args:
            by_grams: the n-grams' scores, of that shape.
            by_network: the network's probabilities, of that shape.
        """
        mixed = (1 - self.share) * by_network + self.share * softmax(self.sharpness * by_grams)
        return np.asarray(np.log(np.maximum(mixed, LEAST)))

    def probabilities(self, by_grams: Floats, by_network: Floats) -> Floats:
        """Of each label and, last, of none, shape (messages, labels + 1); arguments as of `scores`."""
        scores = self.scores(by_grams, by_network)
        return self.calibration.probabilities(scores, evidence(scores, by_grams))


def evidence(scores: Floats, by_grams: Floats) -> Floats:
    """What tells that a label fits: how little the mixture spreads, and the n-grams' best score.

    On CLINC150's strangers for training the log loss of a regression by these is 0.110, by the best
    probability and its lead 0.148: labels next to each other share what a message is given, and both fit.

    Args:
        scores, by_grams: shape (messages, labels).

    Returns:
        Negative entropy in nats and that score, shape (messages, 2).
    """
    return np.stack([(np.exp(scores) * scores).sum(1), by_grams.max(1)], axis=1)


@dataclass(frozen=True)
class LabelSet:
    """Labels with a linear classifier of messages, and what reads them better where a base is at hand."""

    labels: tuple[str, ...]
    """Without `speeddial.given.NONE`."""
    rarity: Floats
    """Inverse document frequency of each column of n-grams, shape (columns,)."""
    table: npt.NDArray[np.floating] | npt.NDArray[np.int8]
    """Weights of the n-grams, shape (columns, labels)."""
    scale: Floats
    """What the table's numbers are multiplied by, shape (labels,)."""
    bias: Floats
    """Shape (labels,)."""
    calibration: Calibration
    """Of the n-grams' scores alone."""
    dense: Dense | None = None
    trained: Trained | None = None

    def scores(self, text: str) -> Floats:
        """Scores by n-grams, shape (labels,)."""
        columns = columns_of(text, len(self.rarity))
        values = self.rarity[columns]
        total = values @ self.table[columns] / max(float(np.linalg.norm(values)), 1e-9)
        return np.asarray(total * self.scale + self.bias, np.float64)

    def probabilities(
        self, text: str, embedding: Floats | None = None, states: Float32 | None = None
    ) -> Floats:
        """Probability of each label and, last, of none; they sum to 1.

        Args:
            text: the message.
            embedding: by the encoder that `dense` names, one long, shape (hidden,).
            states: by the encoder that `trained` names, shape (tokens, hidden). None of both goes by n-grams.
        """
        scores = self.scores(text)[None]
        if self.trained is not None and states is not None:
            return np.asarray(self.trained.probabilities(scores, self.trained.network.read(states)[None])[0])
        if self.dense is not None and embedding is not None:
            scores = scores + embedding @ self.dense.weights
            return np.asarray(self.dense.calibration.probabilities(scores)[0])
        return np.asarray(self.calibration.probabilities(scores)[0])

    def save(self, path: Path, about: Mapping[str, str]) -> None:
        """Write a ``.safetensors`` file, the table in 8 bits.

        Args:
            about: notes for the file's header: source, licence, recipe.
        """
        from safetensors.numpy import save_file

        most = np.maximum(np.abs(self.table).max(0), 1e-9)
        header = {"form": FORM, "labels": self.labels, "calibration": _written(self.calibration)}
        tensors: dict[str, npt.NDArray[np.generic]] = {
            "rarity": self.rarity.astype(np.float16),
            "table": np.ascontiguousarray(np.rint(self.table / most * 127).astype(np.int8)),
            "scale": (self.scale * most / 127).astype(np.float32),
            "bias": self.bias.astype(np.float32),
        }
        if self.dense is not None:
            header["dense"] = {
                "encoder": self.dense.encoder,
                "calibration": _written(self.dense.calibration),
            }
            tensors["dense"] = np.ascontiguousarray(self.dense.weights.astype(np.float16))
        if self.trained is not None:
            header["trained"] = {
                "encoder": self.trained.encoder,
                "share": self.trained.share,
                "sharpness": self.trained.sharpness,
                "calibration": _written(self.trained.calibration),
            }
            tensors |= {
                _NETWORK + name: np.ascontiguousarray(tensor.astype(np.float16))
                for name, tensor in self.trained.network.tensors.items()
            }
        save_file(tensors, path, {**about, "labelset": json.dumps(header)})

    @classmethod
    def load(cls, path: Path) -> LabelSet:
        """Read what `save` wrote.

        Raises:
            EngineRefused: it is not there, or no label set.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "np") as file:
                header = json.loads((file.metadata() or {})["labelset"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            if header["form"] != FORM:
                raise ValueError(f"form {header['form']}, expected {FORM}")
            wide = {name: _wide(tensor) for name, tensor in tensors.items()}
            dense = None
            if told := header.get("dense"):
                dense = Dense(told["encoder"], wide["dense"], _read(told["calibration"]))
            trained = None
            if told := header.get("trained"):
                own = {
                    name.removeprefix(_NETWORK): tensor
                    for name, tensor in tensors.items()
                    if name.startswith(_NETWORK)
                }
                trained = Trained(
                    told["encoder"],
                    LabelNetwork(own),
                    told["share"],
                    told["sharpness"],
                    _read(told["calibration"]),
                )
            return cls(
                labels=tuple(header["labels"]),
                rarity=wide["rarity"],
                table=tensors["table"],
                scale=wide["scale"],
                bias=wide["bias"],
                calibration=_read(header["calibration"]),
                dense=dense,
                trained=trained,
            )
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise _broken(path, repr(error)) from error


def find(name: str, folder: Path | None) -> Path:
    """The file of a shipped label set by its name.

    Raises:
        EngineRefused: the folder has none of that name.
    """
    shipped = {} if folder is None else {path.stem: path for path in folder.glob(f"*{SUFFIX}")}
    sets = {stem: path for stem, path in shipped.items() if _header(path)}
    if name not in sets:
        raise EngineRefused(
            f"there is no label set {name!r}; shipped: {', '.join(sorted(sets)) or 'none'}",
            hint="name one of them, or give labels with examples",
        )
    return sets[name]


def labels_in(path: Path) -> tuple[str, ...]:
    """The labels of a label set's file, its weights left unread.

    Raises:
        EngineRefused: see `LabelSet.load`.
    """
    header = _header(path)
    if header is None:
        raise _broken(path, "no label set")
    return tuple(header["labels"])


def _header(path: Path) -> dict[str, Any] | None:
    """What a file says of its label set; None when it holds none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            found = json.loads((file.metadata() or {}).get("labelset", "null"))
    except (OSError, SafetensorError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _broken(path: Path, got: object) -> EngineRefused:
    return EngineRefused(
        f"{path}: expected a label set's file, got {got}", hint="`python -m training.triage` writes them"
    )


def unit(rows: Floats) -> Floats:
    """Rows made one long."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))


def _wide(tensor: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    return tensor.astype(np.float32)


def _written(calibration: Calibration) -> list[float]:
    return [calibration.sharpness, *calibration.inside]


def _read(numbers: list[float]) -> Calibration:
    sharpness, best, lead, constant = numbers
    return Calibration(sharpness, (best, lead, constant))
