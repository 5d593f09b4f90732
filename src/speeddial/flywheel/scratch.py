"""S5, from scratch: trains a tiny Llama with a tokenizer of its own on chat rows, in resumable stages.

    python -m speeddial.flywheel.scratch DATA.jsonl --out MODEL_FOLDER [--width 128 --layers 4 ...]

The folder is in Hugging Face form: `embedded:MODEL_FOLDER`, transformers and vLLM serve it. The same command
run again goes on from the last checkpoint; on one machine the weights come out bit for bit as if it had never
stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speeddial.errors import UserError
from speeddial.filehash import sha256_of
from speeddial.flywheel.chattrainer import ChatLearner, ChatTrainer
from speeddial.flywheel.dataset import ChatEncoder, training_files
from speeddial.flywheel.loss import Taught
from speeddial.flywheel.trainer import Schedule, Trained, command
from speeddial.flywheel.vocabulary import CHAT_TEMPLATE, train_tokenizer
from speeddial.jsonlines import read_objects

BLOCK = 32
"""The embedded engine keeps weights in blocks of so many: width and feed_forward are multiples of it."""
WEIGHTS = "model.safetensors"
EMBEDDINGS = "model.embed_tokens.weight"


@dataclass(frozen=True, slots=True)
class Recipe(Schedule):
    """All that decides the weights besides the data: equal recipes on one machine give equal weights.

    `feed_forward` 0 takes 8/3 of the width. `request_weight` is what a token of the request counts in the
    loss beside one of the answer.
    """

    lr: float = 4e-3
    epochs: float = 6.0
    batch: int = 16
    warmup: int = 300
    width: int = 128
    layers: int = 4
    heads: int = 4
    feed_forward: int = 0
    vocabulary: int = 2048
    context: int = 2048
    request_weight: float = 0.0
    weight_decay: float = 0.05


def train(
    data: Sequence[Path],
    out: Path,
    recipe: Recipe = Recipe(),
    *,
    init: Path | None = None,
    device: str = "auto",
    licence: str = "",
    **stage: Any,
) -> Trained:
    """Trains one stage and keeps the model, whether or not the schedule came to its end.

    Args:
        data: JSONL files of rows {"id", "messages": [{"role", "content"}, ...]}; assistant tokens are learnt.
        out: the model's folder; checkpoint.pt (until the schedule ends) and training.json go there as well.
        recipe: all else that decides the weights.
        init: a model of the same sizes to begin from, whatever its task and tokenizer: its layers, and the
            embeddings of the tokens that both have. What takes longest to learn, to copy words of a request
            into a call, is the same for all tasks.
        device: "auto", "cpu" or "cuda".
        licence: of the data, for training.json.
        stage: as for `ChatTrainer.run`.

    Raises:
        DatasetError: a data file cannot be used.
        UserError: sizes that make no model, or other ones than those of `init`; or "must", and there is no
            fitting checkpoint.
        OverflowError: training diverged.
    """
    files = training_files(data)
    return ChatTrainer(_Tiny(files, recipe, licence, init), files, out, recipe, device).run(**stage)


class _Tiny(ChatLearner):
    """A whole model, its tokenizer trained on the same rows."""

    pass_cost = 150  # measured at width 192 and 6 layers

    def __init__(self, files: Sequence[Path], recipe: Recipe, licence: str, init: Path | None = None) -> None:
        for name, unit in (("width", BLOCK), ("width", 2 * recipe.heads), ("feed_forward", BLOCK)):
            if getattr(recipe, name) % unit:
                raise UserError(
                    f"{name} = {getattr(recipe, name)}: expected a multiple of {unit}",
                    hint="the heads share the width evenly, and the engine keeps weights in blocks of 32",
                )
        self.recipe, self.licence, self.init = recipe, licence, init
        self.request_weight, self.weight_decay = recipe.request_weight, recipe.weight_decay
        self.tokenizer = train_tokenizer(_texts(files), recipe.vocabulary)
        self.encoder = ChatEncoder(self.tokenizer)
        self.identity = {"tokenizer": hashlib.sha256(self.tokenizer.to_str().encode()).hexdigest()}
        if init is not None:
            self.identity["init"] = sha256_of(training_files([init / WEIGHTS]))

    def build(self, device: str, bf16: bool) -> None:
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        recipe = self.recipe
        config = LlamaConfig(
            vocab_size=self.tokenizer.get_vocab_size(),
            hidden_size=recipe.width,
            intermediate_size=recipe.feed_forward or round(recipe.width * 8 / 3 / BLOCK) * BLOCK,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            max_position_embeddings=recipe.context,
            tie_word_embeddings=True,
            # A toy task at width 64: loss 0.28 after 300 steps; with transformers' 0.02, 0.33 after 500.
            initializer_range=recipe.width**-0.5,
            bos_token_id=self.encoder.start,
            eos_token_id=self.encoder.end,
            pad_token_id=self.encoder.end,
            # As for a LoRA, torch's fused attention for CPUs is slower: 4,200 tokens a second, plain 5,800.
            attn_implementation="eager" if device == "cpu" else "sdpa",
        )
        self.model = LlamaForCausalLM(config)
        if self.init is not None:
            self._begin_from(self.init)
        self.model.to(device).train()
        # Weights and residual in fp32, products in bf16.
        self._computing: Callable[[], AbstractContextManager[Any]] = lambda: torch.autocast(
            device, torch.bfloat16, enabled=bf16
        )

    def _begin_from(self, folder: Path) -> None:
        import torch
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        known = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
        given = {name: value.float() for name, value in load_file(folder / WEIGHTS).items()}
        vectors = given.pop(EMBEDDINGS)
        own = self.model.state_dict()
        wanted = {name: tuple(value.shape) for name, value in own.items()}
        wanted = {name: shape for name, shape in wanted.items() if name not in (EMBEDDINGS, "lm_head.weight")}
        if wanted != {name: tuple(value.shape) for name, value in given.items()}:
            raise UserError(
                f"{folder}: a model of other sizes than the recipe's",
                hint="give width, layers, heads and feed_forward as its config.json has them",
            )
        with torch.no_grad():
            for name, value in given.items():
                own[name].copy_(value)
            # A new token's vector is as long as those that are known.
            own[EMBEDDINGS].normal_(0.0, float(vectors.std()))
            for token, number in self.tokenizer.get_vocab().items():
                if token in known:
                    own[EMBEDDINGS][number] = vectors[known[token]]

    def decoder(self, **inputs: Any) -> Any:
        with self._computing():
            return self.model.model(**inputs)

    def loss(self, hidden: Any, wanted: Any, weights: Any = None, taught: Taught | None = None) -> Any:
        import torch

        assert taught is None, "nobody else has its vocabulary"
        with self._computing():
            logits = self.model.lm_head(hidden)
        if weights is None:
            return torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="sum")
        return weights @ torch.nn.functional.cross_entropy(logits.float(), wanted, reduction="none")

    def parameters(self) -> list[Any]:
        return list(self.model.parameters())

    def weights(self) -> dict[str, Any]:
        return {name: value.detach().cpu() for name, value in self.model.state_dict().items()}

    def restore(self, weights: Mapping[str, Any]) -> None:
        self.model.load_state_dict(weights)

    def save(self, folder: Path) -> None:
        """Writes the Hugging Face folder: weights in fp16, each file complete or not at all."""
        import torch
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        halves = {name: value.half() for name, value in self.weights().items() if name != "lm_head.weight"}
        for name, value in halves.items():
            if not bool(torch.isfinite(value).all()):
                raise OverflowError(f"{name}: weights beyond float16; lower the learning rate")
        part = folder / f"{WEIGHTS}.part"
        save_file(halves, str(part), metadata={"format": "pt"})
        part.replace(folder / WEIGHTS)
        start, end = (
            self.tokenizer.id_to_token(self.encoder.start),
            self.tokenizer.id_to_token(self.encoder.end),
        )
        config = self.model.config.to_diff_dict() | {
            "architectures": ["LlamaForCausalLM"],
            "dtype": "float16",
        }
        config.pop("_attn_implementation_autoset", None)
        tokenizer_config = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": start,
            "eos_token": end,
            "pad_token": end,
            "clean_up_tokenization_spaces": False,
            "model_max_length": self.recipe.context,
            "chat_template": CHAT_TEMPLATE,
        }
        _write(folder / "tokenizer.json", self.tokenizer.to_str())
        _write(folder / "tokenizer_config.json", json.dumps(tokenizer_config, indent=1) + "\n")
        _write(folder / "config.json", json.dumps(config, indent=1, sort_keys=True) + "\n")

    def report(self) -> dict[str, Any]:
        return {
            "tokenizer": {"tokens": self.tokenizer.get_vocab_size(), "sha256": self.identity["tokenizer"]},
            "parameters": sum(weight.numel() for weight in self.parameters()),
            "licence": self.licence,
            "init": self.identity.get("init"),
        }


def _texts(files: Sequence[Path]) -> Iterator[str]:
    """What is said in the rows; the instruction, the same in each, would count for every row otherwise."""
    instructions: set[str] = set()
    for file in files:
        for _, row in read_objects(file):
            for message in row.get("messages", ()):
                content = str(message.get("content", ""))
                if message.get("role") == "system":
                    if content in instructions:
                        continue
                    instructions.add(content)
                yield content


def _write(path: Path, content: str) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(content, encoding="utf-8")
    part.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when the schedule or the stage's time ended (it says which), 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m speeddial.flywheel.scratch", description=__doc__)
    parser.add_argument("data", nargs="+", type=Path, help='JSONL rows {"id", "messages"}')
    parser.add_argument("--out", type=Path, required=True, help="folder of the model")
    parser.add_argument("--init", type=Path, help="model folder of the same sizes to begin from")
    parser.add_argument("--licence", default="", help="of the data, for training.json")
    return command(parser, Recipe(), train, arguments)


if __name__ == "__main__":
    sys.exit(main())
