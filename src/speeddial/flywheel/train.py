"""S5, fine-tune: trains a LoRA adapter on chat rows, in resumable stages, with its provenance.

    python -m speeddial.flywheel.train DATA.jsonl --base FOLDER --out ADAPTER_FOLDER [--epochs 3 ...]

The same command run again goes on from the last checkpoint; on one machine the weights come out bit for bit
as if it had never stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speeddial.errors import UserError
from speeddial.filehash import sha256_of
from speeddial.flywheel.chattrainer import ChatLearner, ChatTrainer
from speeddial.flywheel.dataset import ChatEncoder, training_files
from speeddial.flywheel.distil import DistilTrainer
from speeddial.flywheel.lora import (
    BASE_NAME,
    LoraShape,
    adapter_weights,
    attach,
    compute_fused,
    load_adapter,
    load_base,
    save_adapter,
)
from speeddial.flywheel.loss import Taught, summed_cross_entropy
from speeddial.flywheel.preference import PreferenceTrainer
from speeddial.flywheel.trainer import Schedule, Trained, command


@dataclass(frozen=True, slots=True)
class Recipe(Schedule):
    """All that decides the weights besides data and base: equal recipes on one machine give equal weights."""

    r: int = 8
    alpha: int = 16
    base_name: str = BASE_NAME
    beta: float = 0.0
    """Not 0 learns preferences: rows are pairs, see `speeddial.flywheel.preference`; 0.1 is usual."""
    distil: float = 0.5
    """Share of the loss that is the teacher's, where there are scores of one."""


def train(
    data: Sequence[Path],
    base: Path,
    out: Path,
    recipe: Recipe = Recipe(),
    *,
    init: Path | None = None,
    scores: Path | None = None,
    device: str = "auto",
    **stage: Any,
) -> Trained:
    """Trains one stage and keeps the adapter, whether or not the schedule came to its end.

    Args:
        data: JSONL files of rows {"id", "messages": [{"role", "content"}, ...]}; assistant tokens are learnt.
            A row's "weight", 1 unless given, is what each of its tokens counts.
        base: the base model as a Hugging Face folder with tokenizer.json.
        out: the adapter's folder; checkpoint.pt (until the schedule ends) and training.json go there as well.
        recipe: all else that decides the weights.
        init: an adapter of the same shape to begin from, such as the incumbent; None begins with a fresh one.
        scores: what a teacher says of the rows, see `speeddial.flywheel.distil`; None without one.
        device: "auto", "cpu" or "cuda".
        stage: as for `ChatTrainer.run`.

    Raises:
        DatasetError: a data file or the scores cannot be used.
        UserError: no model in `base`, or "must", and there is no fitting checkpoint.
        OverflowError: training diverged.
    """
    files = training_files(data)
    learner = _Adapter(base, recipe, init)
    if recipe.beta:
        return PreferenceTrainer(learner, files, out, recipe, device, beta=recipe.beta).run(**stage)
    if scores is not None:
        trainer = DistilTrainer(learner, files, out, recipe, device, scores=scores, share=recipe.distil)
        return trainer.run(**stage)
    return ChatTrainer(learner, files, out, recipe, device).run(**stage)


class _Adapter(ChatLearner):
    """A LoRA adapter on a frozen base."""

    pass_cost = 32  # some 130 ms for calls and weights; a token takes 4 ms

    def __init__(self, base: Path, recipe: Recipe, init: Path | None) -> None:
        weights = sorted(base.glob("*.safetensors"))
        if not weights:
            raise UserError(f"{base}: expected a Hugging Face model folder with *.safetensors, found none")
        self.base, self.recipe, self.init = base, recipe, init
        self.identity = {"base": sha256_of(weights)}
        self.encoder = ChatEncoder(base / "tokenizer.json")

    def build(self, device: str, bf16: bool) -> None:
        # torch's fused attention for CPUs takes three times as long as the plain one at these lengths.
        attention = "eager" if device == "cpu" else "sdpa"
        # The residual is in bf16 too, as this base was trained; the adapter's own weights stay in fp32.
        base = load_base(self.base, "bfloat16" if bf16 else "float32", attention)
        self.model = attach(base, LoraShape(self.recipe.r, self.recipe.alpha))
        compute_fused(self.model)
        self.model.train()
        self.model.to(device)
        self.vocabulary = self.model.get_base_model().lm_head.weight.detach()
        if self.init is not None:
            self.identity["init"] = load_adapter(self.model, self.init)

    def decoder(self, **inputs: Any) -> Any:
        return self.model.get_base_model().model(**inputs)

    def loss(self, hidden: Any, wanted: Any, weights: Any = None, taught: Taught | None = None) -> Any:
        return summed_cross_entropy(hidden, self.vocabulary, wanted, weights, taught)

    def parameters(self) -> list[Any]:
        return [weight for weight in self.model.parameters() if weight.requires_grad]

    def weights(self) -> dict[str, Any]:
        return adapter_weights(self.model)

    def restore(self, weights: Mapping[str, Any]) -> None:
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(self.model, weights)

    def save(self, folder: Path) -> None:
        save_adapter(self.model, folder, self.recipe.base_name)

    def report(self) -> dict[str, Any]:
        base = {"name": self.recipe.base_name, "sha256": self.identity["base"]}
        return {"base": base, "init": self.identity.get("init")}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when the schedule or the stage's time ended (it says which), 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m speeddial.flywheel.train", description=__doc__)
    parser.add_argument("data", nargs="+", type=Path, help='JSONL rows {"id", "messages"}')
    parser.add_argument("--base", type=Path, required=True, help="Hugging Face folder of the base model")
    parser.add_argument("--out", type=Path, required=True, help="folder of the adapter")
    parser.add_argument("--init", type=Path, help="adapter folder to begin from")
    parser.add_argument("--scores", type=Path, help="a teacher's scores of the rows, an .npz file")
    return command(parser, Recipe(), train, arguments)


if __name__ == "__main__":
    sys.exit(main())
