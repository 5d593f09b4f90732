"""S5 for embeddings: trains a LoRA adapter of the encoder, so that texts of one label come to lie together.

    python -m speeddial.flywheel.encoder DATA.jsonl --base FOLDER --out ADAPTER_FOLDER [--layers 12 ...]

Rows are {"text", "label", "set"}: a text is told from the labels of its own set only; an empty label is a
text that none of them fits. The loss is a softmax over cosines with one learnt vector a label (Wang et al.
2018, without margin): what is kept is the adapter, whose embeddings serve labels that it never saw.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from speeddial.errors import UserError
from speeddial.filehash import sha256_of
from speeddial.flywheel.dataset import DatasetError
from speeddial.flywheel.lora import BASE_NAME, LoraShape, attach, compute_fused, load_base, save_adapter
from speeddial.jsonlines import read_objects

STATISTICS = "encoder.safetensors"
"""As `speeddial.models.encoder` reads it."""
FIRST = "<|im_start|>"
LONGEST = 64
_SAMPLE = 1000
"""Texts that centre and spread are taken of."""


@dataclass(frozen=True, slots=True)
class EncoderRecipe:
    """All that decides the weights besides data and base."""

    layers: int = 12
    r: int = 16
    alpha: int = 32
    lr: float = 1e-3
    label_lr: float = 1e-2
    epochs: float = 4.0
    batch: int = 64
    warmup: int = 60
    scale: float = 20.0
    """What cosines are multiplied by before the softmax."""
    dropped: float = 0.1
    """Share of a text's tokens left out, anew each time."""
    seed: int = 7
    precision: str = "bf16"


@dataclass(frozen=True, slots=True)
class _Text:
    tokens: list[int]
    label: int
    """-1 for none of its set's."""
    first: int
    """The labels of its set are numbered from `first` up to `last`."""
    last: int


def read_texts(path: Path, tokenizer: Any) -> tuple[list[_Text], list[str]]:
    """The rows of a file, and the names of their labels as ``set/label``.

    Raises:
        DatasetError: a line that is no such row.
    """
    rows = list(read_objects(path))
    for number, row in rows:
        if not all(isinstance(row.get(key), str) for key in ("text", "label", "set")):
            raise DatasetError(f"{path}:{number}: expected text, label and set, got keys {sorted(row)}")
    names = sorted({(row["set"], row["label"]) for _, row in rows if row["label"]})
    place = {name: number for number, name in enumerate(names)}
    spans = {
        group: (min(numbers), max(numbers) + 1)
        for group in {name for name, _ in names}
        if (numbers := [place[name] for name in names if name[0] == group])
    }
    texts = []
    for number, row in rows:
        if row["set"] not in spans:
            raise DatasetError(f"{path}:{number}: the set {row['set']!r} has no labels")
        tokens = tokenizer.encode(row["text"], add_special_tokens=False).ids[: LONGEST - 1]
        if tokens:
            texts.append(_Text(tokens, place.get((row["set"], row["label"]), -1), *spans[row["set"]]))
    return texts, ["/".join(name) for name in names]


def train_encoder(
    data: Path, base: Path, out: Path, recipe: EncoderRecipe = EncoderRecipe(), *, max_minutes: float = 60.0
) -> Path:
    """Train, and keep adapter, statistics and a report.

    Args:
        data: JSONL file of rows.
        base: Hugging Face folder with tokenizer.json.
        out: the adapter's folder.
        max_minutes: the schedule is cut to end by then, by the speed seen in the first steps.

    Raises:
        DatasetError: the data cannot be used.
        UserError: there is no base.
        OverflowError: training diverged.
    """
    import torch
    from tokenizers import Tokenizer

    weights = sorted(base.glob("*.safetensors"))
    if not weights:
        raise UserError(f"{base}: expected a Hugging Face model folder with *.safetensors, found none")
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    first = tokenizer.token_to_id(FIRST)
    if first is None:
        raise UserError(
            f"{base}: its tokenizer has no {FIRST}", hint="name the base that the project runs on"
        )
    texts, names = read_texts(data, tokenizer)
    random.seed(recipe.seed)
    torch.manual_seed(recipe.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kind = "bfloat16" if recipe.precision == "bf16" else "float32"
    loaded = load_base(base, kind, "eager" if device == "cpu" else "sdpa")
    del loaded.model.layers[recipe.layers :]
    # What the encoder reads is the state that enters the next layer, before any norm.
    loaded.model.norm = torch.nn.Identity()
    model = attach(loaded, LoraShape(recipe.r, recipe.alpha, recipe.layers))
    compute_fused(model)
    model.to(device)
    network = _Network(torch, model, first, len(names), recipe, device)
    network.standardise(random.Random(recipe.seed).sample(texts, min(_SAMPLE, len(texts))))
    began = time.monotonic()
    losses = network.run(texts, max_minutes * 60)
    save_adapter(model, out, BASE_NAME)
    network.save_statistics(out / STATISTICS)
    report = {
        "data": {"file": data.name, "sha256": sha256_of([data]), "rows": len(texts), "labels": len(names)},
        "base": {"name": BASE_NAME, "sha256": sha256_of(weights)},
        "recipe": asdict(recipe),
        "loss": losses,
        "seconds": round(time.monotonic() - began, 1),
        "device": torch.cuda.get_device_name()
        if device == "cuda"
        else f"cpu, {torch.get_num_threads()} threads",
    }
    (out / "training.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return out


class _Network:
    """The encoder under training, with one vector for each label."""

    def __init__(
        self, torch: Any, model: Any, first: int, labels: int, recipe: EncoderRecipe, device: str
    ) -> None:
        self.torch, self.model, self.first, self.recipe, self.device = torch, model, first, recipe, device
        hidden = model.config.hidden_size
        self.vectors = torch.nn.Parameter(torch.randn(labels, hidden, device=device))
        self.centre = torch.zeros(hidden, device=device)
        self.spread = torch.ones(hidden, device=device)
        self.weights = [weight for weight in model.parameters() if weight.requires_grad]
        groups = [
            {"params": self.weights, "lr": recipe.lr},
            {"params": [self.vectors], "lr": recipe.label_lr},
        ]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0)

    def mean(self, rows: Sequence[list[int]]) -> Any:
        """Mean hidden states, shape (rows, hidden)."""
        torch = self.torch
        width = max(map(len, rows)) + 1
        ids = torch.full((len(rows), width), self.first)
        real = torch.zeros(len(rows), width)
        for row, tokens in enumerate(rows):
            ids[row, 1 : len(tokens) + 1] = torch.tensor(tokens)
            real[row, 1 : len(tokens) + 1] = 1.0 / len(tokens)
        # Padding stands on the right and attention is causal, so it needs no mask.
        decoder = self.model.get_base_model().model
        hidden = decoder(input_ids=ids.to(self.device), use_cache=False).last_hidden_state
        return torch.einsum("rt,rth->rh", real.to(self.device), hidden.float())

    def standardise(self, texts: Sequence[_Text]) -> None:
        """Take centre and spread of each dimension from the base; they stay as they are."""
        torch = self.torch
        with torch.no_grad():
            parts = [
                self.mean([text.tokens for text in texts[at : at + 64]]) for at in range(0, len(texts), 64)
            ]
        rows = torch.cat(parts)
        self.centre, self.spread = rows.mean(0), rows.std(0) + 1e-3

    def loss(self, texts: Sequence[_Text], rng: random.Random) -> Any:
        """Mean cross entropy; a text without a label is to be equally far from all of its set."""
        torch, recipe = self.torch, self.recipe
        kept = [
            [token for token in text.tokens if rng.random() >= recipe.dropped] or text.tokens
            for text in texts
        ]
        states = torch.nn.functional.normalize((self.mean(kept) - self.centre) / self.spread, dim=-1)
        scores = recipe.scale * states @ torch.nn.functional.normalize(self.vectors, dim=-1).T
        numbers = torch.arange(len(self.vectors), device=self.device)
        first = torch.tensor([text.first for text in texts], device=self.device)[:, None]
        last = torch.tensor([text.last for text in texts], device=self.device)[:, None]
        own = (numbers >= first) & (numbers < last)
        likely = scores.masked_fill(~own, -math.inf).log_softmax(-1).masked_fill(~own, 0.0)
        label = torch.tensor([text.label for text in texts], device=self.device)
        even = own / own.sum(-1, keepdim=True)
        wanted = torch.where(
            (label < 0)[:, None],
            even,
            torch.nn.functional.one_hot(label.clamp(min=0), len(self.vectors)).float(),
        )
        return -(wanted * likely).sum(-1).mean()

    def run(self, texts: Sequence[_Text], seconds: float) -> list[tuple[int, float]]:
        """The whole schedule.

        Returns:
            Step and mean loss since the last report.
        """
        recipe = self.recipe
        per_epoch = math.ceil(len(texts) / recipe.batch)
        steps = max(1, round(per_epoch * recipe.epochs))
        rng = random.Random(recipe.seed)
        batches = _batches(texts, recipe.batch, rng)
        losses: list[tuple[int, float]] = []
        began = half = time.monotonic()
        summed, mark, step = 0.0, 0, 0
        while step < steps:
            rate = min(1.0, (step + 1) / recipe.warmup) * (0.02 + 0.98 * (1 - step / steps))
            loss = self.loss(next(batches), rng)
            loss.backward()
            self.torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
            for group, whole in zip(self.optimizer.param_groups, (recipe.lr, recipe.label_lr), strict=True):
                group["lr"] = whole * rate
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            summed += loss.item()
            step += 1
            now = time.monotonic()
            if step == recipe.warmup // 2:
                half = now
            if step == recipe.warmup:
                each = (now - half) / (recipe.warmup - recipe.warmup // 2)
                steps = min(steps, step + max(1, int(0.95 * (seconds - (now - began)) / each)))
            if step % 20 == 0 or step == steps:
                mean = summed / (step - mark)
                if not math.isfinite(mean):
                    raise OverflowError(f"the loss is {mean} at step {step}; lower the learning rate")
                losses.append((step, round(mean, 4)))
                sys.stderr.write(f"step {step}/{steps}  loss {mean:.4f}  {now - began:.0f} s\n")
                summed, mark = 0.0, step
        return losses

    def save_statistics(self, path: Path) -> None:
        from safetensors.torch import save_file

        save_file({"centre": self.centre.float().cpu(), "spread": self.spread.float().cpu()}, str(path))


def _batches(texts: Sequence[_Text], size: int, rng: random.Random) -> Iterator[list[_Text]]:
    """Batches without end: texts of like length together, batches and equals in a new order each epoch."""
    while True:
        order = sorted(texts, key=lambda text: (len(text.tokens), rng.random()))
        starts = list(range(0, len(order), size))
        rng.shuffle(starts)
        for start in starts:
            yield order[start : start + size]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 2 on bad input."""
    default = EncoderRecipe()
    parser = argparse.ArgumentParser(prog="python -m speeddial.flywheel.encoder", description=__doc__)
    parser.add_argument("data", type=Path, help='JSONL rows {"text", "label", "set"}')
    parser.add_argument("--base", type=Path, required=True, help="Hugging Face folder of the base model")
    parser.add_argument("--out", type=Path, required=True, help="folder of the adapter")
    parser.add_argument("--max-minutes", type=float, default=60.0)
    for name, value in asdict(default).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    options = vars(parser.parse_args(arguments))
    recipe = EncoderRecipe(**{name: options.pop(name) for name in asdict(default)})
    try:
        made = train_encoder(
            options["data"], options["base"], options["out"], recipe, max_minutes=options["max_minutes"]
        )
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stderr.write(f"{made}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
