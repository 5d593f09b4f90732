"""Tiny models with random weights, made without torch: one in Hugging Face form, and a tagger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from speeddial.flywheel.vocabulary import CHAT_TEMPLATE, train_tokenizer
from speeddial.models.tagnetwork import shapes
from speeddial.models.tagscheme import TagScheme

TEXTS = [
    '{"name":"add","arguments":{"a":3,"b":14}}',
    '{"name":"add_to_list","arguments":{"item":"oat milk","list":"shopping"}}',
    "Add oat milk to the shopping list, please.",
    "Добавь молоко в список покупок.",
    "把牛奶加到购物清单里。",
] * 5


def write_model(folder: Path, *, seed: int = 1, texts: list[str] = TEXTS, **config: Any) -> Path:
    """Two layers of width 64; `config` overrides what config.json says."""
    tokenizer = train_tokenizer(texts, 400)
    said: dict[str, Any] = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
        "tie_word_embeddings": True,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 1,
    } | config
    random = np.random.default_rng(seed)
    width, feed_forward = said["hidden_size"], said["intermediate_size"]
    keys = width // said["num_attention_heads"] * said["num_key_value_heads"]
    shapes = {"model.embed_tokens": (said["vocab_size"], width), "model.norm": (width,)}
    for layer in range(said["num_hidden_layers"]):
        for name, shape in {
            "input_layernorm": (width,),
            "post_attention_layernorm": (width,),
            "self_attn.q_proj": (width, width),
            "self_attn.k_proj": (keys, width),
            "self_attn.v_proj": (keys, width),
            "self_attn.o_proj": (width, width),
            "mlp.gate_proj": (feed_forward, width),
            "mlp.up_proj": (feed_forward, width),
            "mlp.down_proj": (width, feed_forward),
        }.items():
            shapes[f"model.layers.{layer}.{name}"] = shape
    tensors = {
        f"{name}.weight": (random.standard_normal(shape) * 0.2 + (len(shape) == 1)).astype(np.float16)
        for name, shape in shapes.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(said), encoding="utf-8")
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    marks = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
    more = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": CHAT_TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(marks | more), encoding="utf-8")
    return folder


def write_tagger(folder: Path, scheme: TagScheme, *, dimensions: int = 0, seed: int = 1) -> Path:
    """A tagger with random weights."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: random.standard_normal(shape).astype(np.float16)
        for name, shape in shapes(scheme, dimensions).items()
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    scheme.write(folder)
    return folder
