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
from speeddial.models.calibration import Calibration, Floats
from speeddial.models.ngrams import columns_of

FORM = 1
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
class LabelSet:
    """Labels with a linear classifier of messages."""

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

    def scores(self, text: str) -> Floats:
        """Scores by n-grams, shape (labels,)."""
        columns = columns_of(text, len(self.rarity))
        values = self.rarity[columns]
        total = values @ self.table[columns] / max(float(np.linalg.norm(values)), 1e-9)
        return np.asarray(total * self.scale + self.bias, np.float64)

    def probabilities(self, text: str, embedding: Floats | None = None) -> Floats:
        """Probability of each label and, last, of none; they sum to 1.

        Args:
            text: the message.
            embedding: by the encoder that `dense` names, one long, shape (hidden,); None goes by n-grams.
        """
        scores = self.scores(text)
        if self.dense is None or embedding is None:
            return np.asarray(self.calibration.probabilities(scores[None])[0])
        scores = scores + embedding @ self.dense.weights
        return np.asarray(self.dense.calibration.probabilities(scores[None])[0])

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
            return cls(
                labels=tuple(header["labels"]),
                rarity=wide["rarity"],
                table=tensors["table"],
                scale=wide["scale"],
                bias=wide["bias"],
                calibration=_read(header["calibration"]),
                dense=dense,
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
