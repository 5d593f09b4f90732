"""A model of one's own in a Hugging Face folder, as the embedded engine takes it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from speeddial.errors import EngineUnreachable, UserError
from speeddial.models.base_graph import Block8, LlamaShape, write_graph
from speeddial.models.base_model import GRAPH_VERSION, cache_folder, made_at_once
from speeddial.models.gguf_file import QK

CONFIG, TENSORS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"


@dataclass(frozen=True)
class ModelFolder:
    """A model's folder; its graph is made in the user's cache when it is not there."""

    folder: Path

    @classmethod
    def find(cls, folder: Path) -> ModelFolder:
        """The model in a folder.

        Raises:
            UserError: there is none.
        """
        missing = [name for name in (CONFIG, TENSORS, TOKENIZER) if not (folder / name).is_file()]
        if missing:
            raise UserError(
                f"{folder}: expected a model folder with {CONFIG}, {TENSORS} and {TOKENIZER}, "
                f"found no {' and no '.join(missing)}",
                hint="`python -m speeddial.flywheel.scratch` writes one; its name is relative to the project",
            )
        return cls(folder)

    @property
    def vocabulary(self) -> Path:
        """The file that `ChatTokenizer` reads."""
        return self.folder / TOKENIZER

    @property
    def graph(self) -> Path:
        """Folder of the graph, by what the model is: one that was trained again has another.

        Raises:
            EngineUnreachable: the folder's files cannot be read.
            UserError: it is no model that the engine can run.
        """
        digest = hashlib.sha256()
        for name in (CONFIG, TENSORS):
            digest.update((self.folder / name).read_bytes())
        target = cache_folder() / "models" / f"{digest.hexdigest()[:24]}-{GRAPH_VERSION}"
        if not target.is_dir():
            target.parent.mkdir(parents=True, exist_ok=True)
            weights = FolderWeights(self.folder)
            made_at_once(target, lambda folder: write_graph(folder, weights))
        return target


class FolderWeights:
    """Weights of a Llama in Hugging Face form, in fp16 or fp32, quantised to the graph's 8 bits.

    Raises:
        EngineUnreachable: files missing or broken.
        UserError: no Llama with tied embeddings, or sizes that do not come in blocks of 32.
    """

    def __init__(self, folder: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            self._tensors: dict[str, npt.NDArray[Any]] = load_file(folder / TENSORS)
        except (OSError, ValueError, KeyError, AttributeError, SafetensorError) as error:
            raise EngineUnreachable(
                f"{folder}: the model cannot be read ({error!r})", hint="weights in float16 or float32"
            ) from error
        self.shape = _shape(folder, config)

    def linear(self, layer: int, module: str) -> Block8:
        return Block8.of_weights(self._float32(f"model.layers.{layer}.{module}"))

    def norm(self, name: str) -> npt.NDArray[np.float32]:
        return self._float32(name)

    def embedding(self) -> Block8:
        """With 128 for all zeros, as `map_embedding` takes them."""
        weights = self._float32("model.embed_tokens")
        blocks = weights.reshape(len(weights), -1, QK)
        scale = np.maximum(np.abs(blocks).max(-1) / 127, np.float32(1e-12))
        codes = (np.rint(blocks / scale[..., None]) + 128).astype(np.uint8)
        return Block8(codes, scale, np.full(scale.shape, 128, np.uint8))

    def _float32(self, name: str) -> npt.NDArray[np.float32]:
        if (tensor := self._tensors.get(f"{name}.weight")) is None:
            raise EngineUnreachable(
                f"{TENSORS}: no {name}.weight in it", hint="train or export the model anew"
            )
        return tensor.astype(np.float32)


def _shape(folder: Path, config: dict[str, Any]) -> LlamaShape:
    rope = config.get("rope_parameters") or {}
    wanted = {
        "model_type": (config.get("model_type"), "llama"),
        "tie_word_embeddings": (config.get("tie_word_embeddings"), True),
        "attention_bias": (config.get("attention_bias", False), False),
        "mlp_bias": (config.get("mlp_bias", False), False),
        "rope_scaling": (config.get("rope_scaling") or rope.get("rope_type", "default"), "default"),
    }
    other = [f"{key} {value!r}" for key, (value, expected) in wanted.items() if value != expected]
    heads = int(config["num_attention_heads"])
    shape = LlamaShape(
        layers=int(config["num_hidden_layers"]),
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_size=int(config.get("head_dim") or config["hidden_size"] // heads),
        hidden=int(config["hidden_size"]),
        feed_forward=int(config["intermediate_size"]),
        vocabulary=int(config["vocab_size"]),
        context=int(config["max_position_embeddings"]),
        rope_base=float(rope.get("rope_theta") or config.get("rope_theta", 10000.0)),
        norm_epsilon=float(config["rms_norm_eps"]),
    )
    sizes = {"hidden_size": shape.hidden, "intermediate_size": shape.feed_forward}
    other += [f"{key} {value}" for key, value in sizes.items() if value % QK]
    if other:
        raise UserError(
            f"{folder / CONFIG}: the embedded engine cannot run a model with {', '.join(other)}",
            hint=f"it takes Llamas with tied embeddings, no biases, and sizes in multiples of {QK}; "
            "`transformers:FOLDER` takes all others",
        )
    return shape
