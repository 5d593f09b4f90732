"""The base as a Hugging Face folder, for transformers and vLLM: the same weights, dequantised."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from speeddial.models.base_graph import FUSED, GgufWeights, LlamaShape
from speeddial.models.chat_tokenizer import END, START

WEIGHTS_FILE = "model.safetensors"


def write_folder(weights: GgufWeights, tokenizer: str, folder: Path) -> None:
    """Write config.json, model.safetensors and the tokenizer's files; all or nothing.

    Weights are fp32: Q4_1's scale times code plus minimum needs up to 27 bits, so this is the narrowest
    type in which nothing is rounded. Takes 540 MB of memory and of disk for the 135 M base.

    Args:
        weights: the base.
        tokenizer: content of its tokenizer.json.
        folder: made anew; if it is there already, it stays as it is.
    """
    from safetensors.numpy import save_file

    if (folder / WEIGHTS_FILE).is_file():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made = Path(scratch) / "folder"
        made.mkdir()
        metadata = weights.file.metadata
        (made / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
        _write_json(made / "tokenizer_config.json", _tokenizer_config(metadata))
        (made / "chat_template.jinja").write_text(metadata["tokenizer.chat_template"], encoding="utf-8")
        _write_json(made / "config.json", _config(weights.shape, metadata))
        ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
        _write_json(made / "generation_config.json", ids)
        save_file(_tensors(weights), made / WEIGHTS_FILE, metadata={"format": "pt"})
        try:
            made.replace(folder)
        except OSError:
            # Another process was faster, or a folder without weights is in the way.
            if not (folder / WEIGHTS_FILE).is_file():
                shutil.copytree(made, folder, dirs_exist_ok=True)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _tensors(weights: GgufWeights) -> dict[str, np.ndarray[Any, Any]]:
    tensors = {
        "model.embed_tokens.weight": weights.file.q8_0("token_embd.weight").dequantised(),
        "model.norm.weight": weights.norm("model.norm"),
    }
    for layer in range(weights.shape.layers):
        prefix = f"model.layers.{layer}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{prefix}.{norm}.weight"] = weights.norm(f"{prefix}.{norm}")
        for modules in FUSED.values():
            for module in modules:
                tensors[f"{prefix}.{module}.weight"] = weights.quantised(layer, module).dequantised()
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


def _config(shape: LlamaShape, metadata: dict[str, Any]) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": metadata["tokenizer.ggml.bos_token_id"],
        "eos_token_id": metadata["tokenizer.ggml.eos_token_id"],
        "pad_token_id": metadata["tokenizer.ggml.padding_token_id"],
        "head_dim": shape.head_size,
        "hidden_act": "silu",
        "hidden_size": shape.hidden,
        "initializer_range": 0.041666666666666664,
        "intermediate_size": shape.feed_forward,
        "max_position_embeddings": shape.context,
        "mlp_bias": False,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.kv_heads,
        "rms_norm_eps": shape.norm_epsilon,
        "rope_scaling": None,
        "rope_theta": shape.rope_base,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": shape.vocabulary,
    }


def _tokenizer_config(metadata: dict[str, Any]) -> dict[str, Any]:
    tokens: list[str] = metadata["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_prefix_space": False,
        "bos_token": START,
        "eos_token": END,
        "pad_token": END,
        "unk_token": tokens[metadata["tokenizer.ggml.unknown_token_id"]],
        "clean_up_tokenization_spaces": False,
        "model_max_length": metadata["llama.context_length"],
        "chat_template": metadata["tokenizer.chat_template"],
    }
