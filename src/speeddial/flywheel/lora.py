"""LoRA adapters on a Llama-shaped base: making them, and keeping them in the PEFT form at 16 bits."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speeddial.errors import UserError

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
BASE_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"


@dataclass(frozen=True, slots=True)
class LoraShape:
    """Rank and scale of an adapter, on all seven projections of every layer."""

    r: int = 8
    alpha: int = 16


def load_base(folder: Path) -> Any:
    """The base model in float32 on the CPU, all weights frozen."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype="float32", attn_implementation="sdpa")
    model.config.use_cache = False
    return model


def attach(base: Any, shape: LoraShape) -> Any:
    """A PEFT model around the base with fresh adapter weights (float32), drawn from torch's generator."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=shape.r,
        lora_alpha=shape.alpha,
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
        target_modules=list(PROJECTIONS),
    )
    return get_peft_model(base, config)


def adapter_weights(model: Any) -> dict[str, Any]:
    """The adapter's tensors on the CPU, float32, under PEFT's file names."""
    from peft import get_peft_model_state_dict

    return {
        name: value.detach().float().cpu() for name, value in sorted(get_peft_model_state_dict(model).items())
    }


def load_adapter(model: Any, folder: Path) -> str:
    """Puts a saved adapter's weights into a PEFT model of the same shape; gives their file's hash.

    Raises:
        UserError: there is no adapter in the folder, or it is of another shape.
    """
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    file = folder / "adapter_model.safetensors"
    if not file.is_file():
        raise UserError(
            f"{file}: there is no adapter to begin from", hint="name the folder of a trained adapter"
        )
    try:
        left_out = set_peft_model_state_dict(model, load_file(str(file)))
    except RuntimeError as error:
        raise UserError(
            f"{file}: another shape: {error}", hint="give the rank it was trained with"
        ) from error
    if left_out.unexpected_keys:
        raise UserError(
            f"{file}: for another model: {left_out.unexpected_keys[:3]}", hint="name the right base"
        )
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


def save_adapter(model: Any, folder: Path, base_name: str = BASE_NAME) -> None:
    """Writes adapter_config.json and adapter_model.safetensors (float16), each complete or not at all.

    Raises:
        OverflowError: when a weight does not fit float16, which means that training diverged.
    """
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    halves = {name: value.half().contiguous() for name, value in adapter_weights(model).items()}
    for name, value in halves.items():
        if not bool(torch.isfinite(value).all()):
            raise OverflowError(
                f"{name}: weights beyond float16; the training diverged, lower the learning rate"
            )
    part = folder / "adapter_model.safetensors.part"
    save_file(halves, str(part), metadata={"format": "pt"})
    part.replace(folder / "adapter_model.safetensors")
    config = model.peft_config["default"].to_dict()
    config = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    config |= {"base_model_name_or_path": base_name, "inference_mode": True}
    part = folder / "adapter_config.json.part"
    part.write_text(json.dumps(config, indent=2, sort_keys=True, default=str) + "\n", encoding="utf-8")
    part.replace(folder / "adapter_config.json")
