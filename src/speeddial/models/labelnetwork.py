"""A label network, computed: it reads the encoder's states of a message's tokens and says which label fits.

A dense layer, a bidirectional LSTM over the tokens, and of both what some heads of attention (Lin et al.
2017, arXiv 1703.03130) and the maximum over the tokens make. The members' probabilities are averaged, as a
tagger's are.
`speeddial.flywheel.labelling` has the same network for training.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from speeddial.errors import EngineError
from speeddial.models import lstm
from speeddial.models.lstm import Float32

TENSORS = "model.safetensors"
LARGEST = 8.0
"""Spreads from the centre: a few numbers of a state are now and then far larger than all others."""
EPSILON = 1e-5


def shapes(
    labels: int, dimensions: int, width: int, hidden: int, heads: int, members: int
) -> dict[str, tuple[int, ...]]:
    """The tensors of a label network, and their shapes.

    Args:
        labels: how many there are.
        dimensions: of the encoder's states.
        width: of the dense layer.
        hidden: of each direction of the LSTM.
        heads: of attention.
        members: networks.
    """
    wide = width + 2 * hidden
    found: dict[str, tuple[int, ...]] = {
        "enter.weight": (width, dimensions),
        "enter.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
        **lstm.shapes(width, hidden),
        "attention.weight": (heads, wide),
        "attention.bias": (heads,),
        "label.weight": (labels, (heads + 1) * wide),
        "label.bias": (labels,),
    }
    own = {place(one) + name: shape for one in range(members) for name, shape in found.items()}
    return {"centre": (dimensions,), "spread": (dimensions,), **own}


def place(member: int) -> str:
    """What a member's tensors begin with."""
    return f"members.{member}."


class LabelNetwork:
    """Its weights, ready to compute. Safe to use from several threads.

    Args:
        tensors: as `shapes` names them.

    Raises:
        ValueError: they are not those of a label network.
    """

    def __init__(self, tensors: Mapping[str, npt.NDArray[np.floating]]) -> None:
        self.tensors = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
        try:
            count = len({name.split(".")[1] for name in tensors if name.startswith("members.")})
            first = place(0)
            width, dimensions = tensors[f"{first}enter.weight"].shape
            hidden = tensors[f"{first}lstm.weight_hh_l0"].shape[1]
            heads, labels = len(tensors[f"{first}attention.bias"]), len(tensors[f"{first}label.bias"])
            expected = shapes(labels, dimensions, width, hidden, heads, count)
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"no label network: {error!r}") from error
        if {name: tensor.shape for name, tensor in tensors.items()} != expected:
            raise ValueError("no label network: tensors of other names or shapes")
        self._members = [
            {name.removeprefix(at): tensor for name, tensor in self.tensors.items() if name.startswith(at)}
            for at in map(place, range(count))
        ]

    def read(self, states: Float32) -> Float32:
        """Probability of each label, shape (labels,).

        Args:
            states: of a message's tokens, shape (tokens, dimensions).
        """
        likely = [
            _softmax(member["label.weight"] @ own + member["label.bias"])
            for member, own in zip(self._members, self._features(states), strict=True)
        ]
        return np.asarray(np.mean(likely, axis=0))

    def features(self, states: Float32) -> Float32:
        """What the labels are told by, of all members, shape (members * (heads + 1) * (width + 2 * hidden),).

        Args:
            states: as for `read`.
        """
        return np.concatenate(self._features(states))

    def _features(self, states: Float32) -> list[Float32]:
        told = np.clip((states - self.tensors["centre"]) / self.tensors["spread"], -LARGEST, LARGEST)
        return [_features(member, told) for member in self._members]

    @classmethod
    def load(cls, folder: Path) -> tuple[tuple[str, ...], LabelNetwork]:
        """The labels and the network that training left in a folder.

        Raises:
            EngineError: it did not.
        """
        from safetensors import SafetensorError, safe_open

        path = folder / TENSORS
        try:
            with safe_open(path, "np") as file:
                labels = tuple(json.loads((file.metadata() or {})["labels"]))
                return labels, cls({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 - not a mapping
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise EngineError(f"{path}: no label network ({error!r})", hint="train it anew") from error


def _features(tensors: Mapping[str, Float32], told: Float32) -> Float32:
    entered = told @ tensors["enter.weight"].T + tensors["enter.bias"]
    entered = entered - entered.mean(1, keepdims=True)
    entered = entered / np.sqrt((entered**2).mean(1, keepdims=True) + EPSILON)
    entered = _gelu(entered * tensors["norm.weight"] + tensors["norm.bias"])
    every = np.concatenate([entered, lstm.both_ways(entered, tensors)], axis=1)
    heads = every @ tensors["attention.weight"].T + tensors["attention.bias"]
    attended = _softmax(heads.T) @ every
    return np.concatenate([attended.reshape(-1), every.max(0)])


def _gelu(values: Float32) -> Float32:
    """By its tanh approximation (Hendrycks and Gimpel 2016, arXiv 1606.08415)."""
    return np.asarray(
        0.5 * values * (1 + np.tanh(0.7978845608 * (values + 0.044715 * values**3))), np.float32
    )


def _softmax(scores: Float32) -> Float32:
    """Over the last axis."""
    raised = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))
