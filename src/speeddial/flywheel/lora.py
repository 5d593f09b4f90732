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
    """Rank and scale of an adapter, on all seven projections of every layer, or of the first `layers`."""

    r: int = 8
    alpha: int = 16
    layers: int = 0


def load_base(folder: Path, dtype: str = "float32", attention: str = "sdpa") -> Any:
    """The base model on the CPU, all weights frozen; `dtype` and `attention` as transformers names them."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=dtype, attn_implementation=attention)
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
        layers_to_transform=list(range(shape.layers)) if shape.layers else None,
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


def compute_fused(model: Any) -> None:
    """Lets the model's LoRA layers compute product, low-rank addition and gradients in one node each.

    PEFT's own forward casts the input twice and adds two temporary results: on a CPU a fifth of a step. The
    layers' weights, names and files stay PEFT's. For one adapter without dropout, the base frozen.
    """
    import torch
    from peft.tuners.lora import Linear

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, weight: Any, down: Any, up: Any, scale: float) -> Any:
            rows = x.reshape(-1, x.shape[-1])
            down, up = down.to(x.dtype), up.to(x.dtype)
            low = rows @ down.T
            out = rows @ weight.T
            out.addmm_(low, up.T, alpha=scale)
            ctx.save_for_backward(rows, weight, down, up, low)
            ctx.scale = scale
            return out.view(*x.shape[:-1], -1)

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            rows, weight, down, up, low = ctx.saved_tensors
            above = gradient.reshape(-1, gradient.shape[-1])
            to_low = (above @ up).mul_(ctx.scale)
            to_rows = None
            if ctx.needs_input_grad[0]:
                to_rows = above @ weight
                to_rows.addmm_(to_low, down)
                to_rows = to_rows.view(*gradient.shape[:-1], -1)
            to_up = (above.T @ low).mul_(ctx.scale).float()
            return to_rows, None, (to_low.T @ rows).float(), to_up, None

    def layer_forward(layer: Any) -> Any:
        weight, scale = layer.base_layer.weight, layer.scaling["default"]
        down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        return lambda x: Product.apply(x, weight, down, up, scale)

    for layer in model.modules():
        if isinstance(layer, Linear):
            layer.forward = layer_forward(layer)
