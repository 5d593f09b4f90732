"""One direction of an LSTM layer (Hochreiter and Schmidhuber 1997), computed; weights as torch has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
DIRECTIONS = ("", "_reverse")


def shapes(wide: int, hidden: int, layer: int = 0) -> dict[str, tuple[int, ...]]:
    """The tensors of both directions of a layer, and their shapes.

    Args:
        wide: numbers of an input.
        hidden: numbers of a state.
    """
    found: dict[str, tuple[int, ...]] = {}
    for way in DIRECTIONS:
        found[f"lstm.weight_ih_l{layer}{way}"] = (4 * hidden, wide)
        found[f"lstm.weight_hh_l{layer}{way}"] = (4 * hidden, hidden)
        found[f"lstm.bias_ih_l{layer}{way}"] = (4 * hidden,)
        found[f"lstm.bias_hh_l{layer}{way}"] = (4 * hidden,)
    return found


def both_ways(inputs: Float32, tensors: Mapping[str, Float32], layer: int = 0) -> Float32:
    """States of both directions beside each other, shape (steps, 2 * hidden)."""
    ahead = _one_way(inputs, tensors, f"_l{layer}")
    back = _one_way(inputs[::-1], tensors, f"_l{layer}_reverse")[::-1]
    return np.concatenate([ahead, back], axis=1)


def _one_way(inputs: Float32, tensors: Mapping[str, Float32], name: str) -> Float32:
    given = inputs @ tensors[f"lstm.weight_ih{name}"].T
    given = given + tensors[f"lstm.bias_ih{name}"] + tensors[f"lstm.bias_hh{name}"]
    weights = tensors[f"lstm.weight_hh{name}"].T
    hidden = len(weights)
    state = cell = np.zeros(hidden, np.float32)
    found = np.empty((len(inputs), hidden), np.float32)
    for row, one in zip(found, given, strict=True):
        into, keep, new, out = np.split(one + state @ weights, 4)
        cell = _sigmoid(keep) * cell + _sigmoid(into) * np.tanh(new)
        state = _sigmoid(out) * np.tanh(cell)
        row[:] = state
    return found


def _sigmoid(values: Any) -> Any:
    return 0.5 * (1 + np.tanh(0.5 * values))
