"""A LoRA adapter in PEFT's folder form, arranged as the embedded graph takes it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from speeddial.errors import DefinitionError
from speeddial.models.base_graph import FUSED, GROUP_WIDTH, LlamaShape, adapter_inputs

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"

Matrix = npt.NDArray[np.float32]


def weights_hash(folder: Path | None) -> str:
    """``sha256:...`` of the weights of an adapter or a whole model; empty without a folder."""
    if folder is None:
        return ""
    file = folder / TENSORS
    file = file if file.is_file() else folder / "model.safetensors"
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


def no_adapter(shape: LlamaShape) -> dict[str, Matrix]:
    """The graph's adapter inputs for the base alone: groups of width 0."""
    inputs = {}
    for name, _, product in adapter_inputs(shape):
        rows = sum(shape.rows(module) for module in FUSED[product])
        inputs[f"{name}.A"] = np.zeros((1, 1, shape.columns(FUSED[product][0]), 0), np.float32)
        inputs[f"{name}.B"] = np.zeros((0, rows), np.float32)
    return inputs


def read_adapter(folder: Path, shape: LlamaShape) -> dict[str, Matrix]:
    """The graph's adapter inputs from an adapter folder.

    Modules that share one product in the graph get their ranks side by side: A is the concatenation
    of theirs, cut into groups; B is zero outside a module's own rows. The scaling alpha / r is multiplied
    into B.

    Args:
        folder: holds ``adapter_config.json`` and ``adapter_model.safetensors`` (fp16 or fp32).
        shape: the base the adapter is for.

    Raises:
        DefinitionError: files missing or broken, a kind of adapter other than plain LoRA, weights for
            other modules, or sizes that do not fit the base.
    """
    scaling = _scaling(folder)
    tensors = _tensors(folder / TENSORS)
    inputs = no_adapter(shape)
    for name, layer, product in adapter_inputs(shape):
        modules = FUSED[product]
        parts: list[tuple[Matrix, Matrix, int]] = []
        rows = [shape.rows(module) for module in modules]
        for number, module in enumerate(modules):
            path = f"base_model.model.model.layers.{layer}.{module}"
            down = tensors.pop(f"{path}.lora_A.weight", None)
            up = tensors.pop(f"{path}.lora_B.weight", None)
            if down is None and up is None:
                continue
            columns = shape.columns(module)
            rank = 0 if down is None else len(down)
            expected = (rank, columns), (rows[number], rank)
            if down is None or up is None or (down.shape, up.shape) != expected:
                raise DefinitionError(
                    f"{folder}: {path} has lora_A and lora_B of shapes {_shape(down)} and {_shape(up)}, "
                    f"expected (r, {columns}) and ({rows[number]}, r)",
                    hint="train the adapter on the base that the expert's card names",
                )
            parts.append((down.T, up.T.astype(np.float32) * np.float32(scaling), sum(rows[:number])))
        if parts:
            inputs[f"{name}.A"], inputs[f"{name}.B"] = _grouped(parts, sum(rows))
    if tensors:
        raise DefinitionError(
            f"{folder}: {len(tensors)} tensors that the embedded engine cannot apply, "
            f"such as {min(tensors)}; expected LoRA on {', '.join(sum(FUSED.values(), ()))}"
        )
    return inputs


def _grouped(parts: list[tuple[Matrix, Matrix, int]], rows: int) -> tuple[Matrix, Matrix]:
    """A in groups of at most `GROUP_WIDTH` columns, and B of (rank, rows).

    Args:
        parts: of each module A of shape (columns, its rank), B of (its rank, its rows), and its first row.
        rows: of all modules.
    """
    rank = sum(down.shape[1] for down, _, _ in parts)
    groups = -(-rank // GROUP_WIDTH)
    width = -(-rank // groups)
    downs = np.zeros((len(parts[0][0]), groups * width), np.float32)
    ups = np.zeros((groups * width, rows), np.float32)
    taken = 0
    for down, up, first in parts:
        downs[:, taken : taken + len(up)] = down
        ups[taken : taken + len(up), first : first + up.shape[1]] = up
        taken += len(up)
    downs = downs.reshape(len(downs), groups, width).swapaxes(0, 1)
    return np.ascontiguousarray(downs[:, None]), ups


def _shape(matrix: npt.NDArray[np.float32] | None) -> str:
    return "nothing" if matrix is None else str(matrix.shape)


def _scaling(folder: Path) -> float:
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        rank, alpha = int(config["r"]), float(config["lora_alpha"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DefinitionError(
            f"{path}: expected a PEFT LoRA configuration with r and lora_alpha, got {error!r}",
            hint="an adapter folder is what PEFT's save_pretrained writes",
        ) from error
    special = ("use_dora", "rank_pattern", "alpha_pattern", "modules_to_save", "lora_bias")
    used = [key for key in special if config.get(key)]
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none" or used or rank < 1:
        raise DefinitionError(
            f"{path}: expected plain LoRA (peft_type LORA, bias none), "
            f"got {config.get('peft_type')} with bias {config.get('bias', 'none')} {' '.join(used)}".rstrip()
        )
    return alpha / rank**0.5 if config.get("use_rslora") else alpha / rank


def _tensors(path: Path) -> dict[str, Matrix]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors: Mapping[str, npt.NDArray[np.float32]] = load_file(path)
    except (OSError, SafetensorError, KeyError, AttributeError) as error:
        raise DefinitionError(
            f"{path}: expected a safetensors file in float16 or float32, got {error!r}",
            hint="an adapter folder is what PEFT's save_pretrained writes",
        ) from error
    return dict(tensors)
