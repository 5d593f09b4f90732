"""S5, fine-tune: trains a LoRA adapter on chat rows, in resumable stages, with its provenance.

    python -m speeddial.flywheel.train DATA.jsonl --base FOLDER --out ADAPTER_FOLDER [--epochs 3 ...]

The same command run again goes on from the last checkpoint; on one machine the weights come out bit for bit
as if it had never stopped.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from speeddial.errors import UserError
from speeddial.flywheel.dataset import (
    ChatEncoder,
    DatasetError,
    Example,
    common_prefix,
    epoch_batches,
    micro_batches,
    read_examples,
    sha256_of,
)
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
from speeddial.flywheel.loss import summed_cross_entropy

Resume = Literal["auto", "must", "never"]
CHECKPOINT = "checkpoint.pt"
REPORT = "training.json"
FORMAT = 1
PASS_COST = 32
"""What a pass of its own costs on a CPU, in tokens: some 130 ms for calls and weights; a token takes 4 ms."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides the weights besides data and base: equal recipes on one machine give equal weights.

    `steps` shortens (or lengthens) the schedule that `epochs` would give; 0 leaves it to `epochs`.
    `micro_tokens` bounds the padded tokens of one forward pass, and with it the memory.
    `precision` "auto" is bf16 autocast where the device computes in bf16, else fp32.
    """

    lr: float = 1e-3
    epochs: float = 3.0
    steps: int = 0
    batch: int = 64
    micro_tokens: int = 8192
    warmup: int = 60
    final_lr: float = 0.02
    clip: float = 1.0
    seed: int = 7
    r: int = 8
    alpha: int = 16
    max_length: int = 768
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    base_name: str = BASE_NAME


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training stands; `loss` is the mean over the tokens learnt since the last report."""

    step: int
    steps: int
    epoch: float
    loss: float
    lr: float
    tokens_per_second: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Trained:
    """What a stage left behind. `finished` is False when the time was up before the schedule was."""

    adapter: Path
    finished: bool
    step: int
    steps: int
    loss: float
    seconds: float


def train(
    data: Sequence[Path],
    base: Path,
    out: Path,
    recipe: Recipe = Recipe(),
    *,
    max_minutes: float = 60.0,
    fit_minutes: float = 0.0,
    checkpoint_every: int = 200,
    report_every: int = 20,
    resume: Resume = "auto",
    init: Path | None = None,
    device: str = "auto",
    progress: Callable[[Progress], None] = lambda _: None,
) -> Trained:
    """Trains one stage and keeps the adapter, whether or not the schedule came to its end.

    Args:
        data: JSONL files of rows {"id", "messages": [{"role", "content"}, ...]}; assistant tokens are learnt.
        base: the base model as a Hugging Face folder with tokenizer.json.
        out: the adapter's folder; checkpoint.pt (until the schedule ends) and training.json go there as well.
        max_minutes: the stage ends after that many minutes of training; the next call goes on.
        fit_minutes: when not 0, a schedule too long for that many minutes is cut to end in time, by the speed
            measured during warm-up; training.json then names the `steps` for an exact repetition.
        checkpoint_every: steps between checkpoints.
        resume: "auto" goes on from a checkpoint of the same data, base and recipe, else starts anew; "must"
            fails without one; "never" starts anew.
        init: an adapter of the same shape to begin from, such as the incumbent; None begins with a fresh one.
        device: "auto", "cpu" or "cuda".

    Raises:
        DatasetError: a data file cannot be used.
        UserError: "must", and there is no fitting checkpoint.
        OverflowError: training diverged.
    """
    return _Trainer(data, base, out, recipe, device, init).run(
        max_minutes * 60, fit_minutes * 60, checkpoint_every, report_every, resume, progress
    )


@dataclass(slots=True)
class _State:
    step: int = 0
    steps: int = 0
    fitted: bool = False
    seconds: float = 0.0
    tokens: int = 0
    padded: int = 0
    stages: int = 0
    losses: list[tuple[int, float]] | None = None


class _Trainer:
    def __init__(
        self, data: Sequence[Path], base: Path, out: Path, recipe: Recipe, device: str, init: Path | None
    ) -> None:
        import torch

        self.torch = torch
        self.recipe, self.out, self.base = recipe, out, base
        self.device = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        weights = sorted(base.glob("*.safetensors"))
        if not weights:
            raise UserError(f"{base}: expected a Hugging Face model folder with *.safetensors, found none")
        files = [Path(file) for file in data]
        missing = [file for file in files if not file.is_file()]
        if missing:
            raise DatasetError(f"{missing[0]}: there is no such training file")
        self.identity = {
            "format": FORMAT,
            "data": sha256_of(files),
            "base": sha256_of(weights),
            "recipe": asdict(recipe),
        }
        self.files = files
        self.encoder = ChatEncoder(base / "tokenizer.json")
        self.examples, self.too_long = read_examples(files, self.encoder, recipe.max_length)
        self.per_epoch = math.ceil(len(self.examples) / recipe.batch)
        self.bf16 = recipe.precision == "bf16" or (recipe.precision == "auto" and self._computes_bf16())
        random.seed(recipe.seed)
        torch.manual_seed(recipe.seed)
        self.model = self._model()
        if init is not None:
            self.identity["init"] = load_adapter(self.model, init)
        self.weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.weights, lr=recipe.lr, betas=(0.9, 0.98), weight_decay=0.0, fused=self.device == "cuda"
        )
        self.state = _State(steps=recipe.steps or max(1, round(self.per_epoch * recipe.epochs)), losses=[])

    def _computes_bf16(self) -> bool:
        if self.device == "cuda":
            return bool(self.torch.cuda.is_bf16_supported())
        # torch's CPU probe says yes to emulation too, which is slower than fp32: ask for the instructions.
        flags = getattr(self.torch.backends.cpu, "get_cpu_capability", lambda: "")()
        cpu = self.torch.cpu
        return "AVX512" in flags and bool(
            getattr(cpu, "_is_avx512_bf16_supported", lambda: False)()
            or getattr(cpu, "_is_amx_tile_supported", lambda: False)()
        )

    def _model(self) -> Any:
        # torch's fused attention for CPUs takes three times as long as the plain one at these lengths.
        attention = "eager" if self.device == "cpu" else "sdpa"
        # The residual is in bf16 too, as this base was trained; the adapter's own weights stay in fp32.
        base = load_base(self.base, "bfloat16" if self.bf16 else "float32", attention)
        model = attach(base, LoraShape(self.recipe.r, self.recipe.alpha))
        compute_fused(model)
        model.train()
        model.to(self.device)
        self.vocabulary = model.get_base_model().lm_head.weight.detach()
        return model

    def run(
        self,
        max_seconds: float,
        fit_seconds: float,
        checkpoint_every: int,
        report_every: int,
        resume: Resume,
        progress: Callable[[Progress], None],
    ) -> Trained:
        state = self.state
        if resume != "never" and not self._restore() and resume == "must":
            raise UserError(
                f"{self.out / CHECKPOINT}: no checkpoint of the same data, base and recipe to go on from"
            )
        state.stages += 1
        began, before = time.monotonic(), state.seconds
        measured: list[float] = []
        summed = learnt = seen = 0
        mark = began
        batches = self._batches(state.step)
        assert state.losses is not None
        while state.step < state.steps:
            rows = next(batches)
            rate = self._rate(state.step)
            loss, targets, tokens, padded = self._step(rows, rate)
            state.step += 1
            state.tokens += tokens
            state.padded += padded
            summed, learnt, seen = summed + loss, learnt + targets, seen + tokens
            now = time.monotonic()
            state.seconds = before + now - began
            measured.append(now)
            if fit_seconds and not state.fitted and state.step >= self.recipe.warmup:
                self._fit(measured, fit_seconds)
            if state.step % report_every == 0 or state.step == state.steps:
                mean = float(summed) / max(1, learnt)
                if not math.isfinite(mean):
                    raise OverflowError(f"the loss is {mean} at step {state.step}; lower the learning rate")
                state.losses.append((state.step, round(mean, 5)))
                speed = seen / max(1e-9, now - mark)
                at = state.step / self.per_epoch
                progress(Progress(state.step, state.steps, at, mean, rate, speed, state.seconds))
                summed = learnt = seen = 0
                mark = now
            if now - began > max_seconds and state.step < state.steps:
                break
            if state.step % checkpoint_every == 0:
                self._keep()
        finished = state.step >= state.steps
        self._keep()
        save_adapter(self.model, self.out, self.recipe.base_name)
        self._report(finished)
        if finished:
            (self.out / CHECKPOINT).unlink(missing_ok=True)
        last = state.losses[-1][1] if state.losses else math.nan
        return Trained(self.out, finished, state.step, state.steps, last, state.seconds)

    def _batches(self, done: int) -> Iterator[list[int]]:
        epoch, skip = divmod(done, self.per_epoch)
        while True:
            yield from epoch_batches(self.examples, self.recipe.batch, self.recipe.seed, epoch)[skip:]
            epoch, skip = epoch + 1, 0

    def _rate(self, step: int) -> float:
        recipe = self.recipe
        if step < recipe.warmup:
            return recipe.lr * (step + 1) / recipe.warmup
        done = (step - recipe.warmup) / max(1, self.state.steps - recipe.warmup)
        return recipe.lr * (
            recipe.final_lr + (1 - recipe.final_lr) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        )

    def _fit(self, measured: list[float], fit_seconds: float) -> None:
        self.state.fitted = True
        half = len(measured) // 2  # the first steps pay for kernels and caches
        if half < 2:
            return
        each = (measured[-1] - measured[half]) / (len(measured) - 1 - half)
        left = fit_seconds - self.state.seconds
        self.state.steps = max(
            self.state.step + 1, min(self.state.steps, self.state.step + int(0.95 * left / each))
        )

    def _step(self, rows: list[int], rate: float) -> tuple[Any, int, int, int]:
        torch = self.torch
        targets = sum(len(self.examples[row].targets) for row in rows)
        tokens = sum(len(self.examples[row].tokens) for row in rows)
        padded = 0
        total: Any = 0.0
        # On a GPU the extra passes cost more than the tokens they spare.
        pass_cost = PASS_COST if self.device == "cpu" else math.inf
        for part in micro_batches(self.examples, rows, self.recipe.micro_tokens, pass_cost):
            chosen = [self.examples[row] for row in part]
            loss, width = self._loss(chosen)
            padded += width * len(part)
            (loss / targets).backward()
            total = total + loss.detach()
        torch.nn.utils.clip_grad_norm_(self.weights, self.recipe.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total, targets, tokens, padded

    def _loss(self, chosen: list[Example]) -> tuple[Any, int]:
        """Summed cross entropy of the target tokens; the vocabulary product runs on their positions alone."""
        torch = self.torch
        # On a CPU the prompt that opens every row is computed once and shared: exact, and it spares a third
        # of a short request. On a GPU the extra pass and the mask it brings cost more than the tokens.
        shared = common_prefix(chosen) if self.device == "cpu" else 0
        width = max(len(example.tokens) for example in chosen) - shared
        ids = torch.full((len(chosen), width), self.encoder.end, dtype=torch.long)
        places: list[int] = []
        labels: list[int] = []
        for row, example in enumerate(chosen):
            ids[row, : len(example.tokens) - shared] = torch.tensor(example.tokens[shared:])
            places += [row * width + at - 1 - shared for at in example.targets]
            labels += [example.tokens[at] for at in example.targets]
        ids = ids.to(self.device, non_blocking=True)
        at = torch.tensor(places).to(self.device, non_blocking=True)
        wanted = torch.tensor(labels).to(self.device, non_blocking=True)
        causal = self.model.get_base_model()
        past = None
        if shared:
            opening = torch.tensor([chosen[0].tokens[:shared]], device=self.device)
            past = causal.model(input_ids=opening, use_cache=True).past_key_values
            past.batch_repeat_interleave(len(chosen))
        # Padding stands on the right and attention is causal, so it needs no mask.
        hidden = causal.model(input_ids=ids, past_key_values=past, use_cache=bool(shared)).last_hidden_state
        hidden = hidden.reshape(-1, hidden.shape[-1]).index_select(0, at)
        return summed_cross_entropy(hidden, self.vocabulary, wanted), width

    def _keep(self) -> None:
        torch = self.torch
        self.out.mkdir(parents=True, exist_ok=True)
        saved = {
            "identity": json.dumps(self.identity, sort_keys=True),
            "state": asdict(self.state),
            "weights": adapter_weights(self.model),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state_all() if self.device == "cuda" else [],
        }
        part = self.out / f"{CHECKPOINT}.part"
        torch.save(saved, part)
        part.replace(self.out / CHECKPOINT)

    def _restore(self) -> bool:
        file = self.out / CHECKPOINT
        if not file.is_file():
            return False
        torch = self.torch
        saved = torch.load(file, map_location="cpu", weights_only=True)
        if saved["identity"] != json.dumps(self.identity, sort_keys=True):
            return False
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(self.model, saved["weights"])
        self.optimizer.load_state_dict(saved["optimizer"])
        torch.set_rng_state(saved["rng"])
        if self.device == "cuda" and saved["cuda_rng"]:
            torch.cuda.set_rng_state_all(saved["cuda_rng"])
        for name, value in saved["state"].items():
            setattr(self.state, name, value)
        self.state.losses = [(step, loss) for step, loss in saved["state"]["losses"]]
        return True

    def _report(self, finished: bool) -> None:
        import transformers

        state, torch = self.state, self.torch
        assert state.losses is not None
        thin = max(1, len(state.losses) // 50)
        cuda = self.device == "cuda"
        report = {
            "finished": finished,
            "data": {
                "files": [file.name for file in self.files],
                "sha256": self.identity["data"],
                "sha256_each": [sha256_of([file]) for file in self.files],
                "rows": len(self.examples),
                "rows_too_long": self.too_long,
            },
            "base": {"name": self.recipe.base_name, "sha256": self.identity["base"]},
            "init": self.identity.get("init"),
            "recipe": asdict(self.recipe),
            "step": state.step,
            "steps": state.steps,
            "steps_cut_to_fit": state.fitted,
            "epochs": round(state.step / self.per_epoch, 3),
            "tokens": state.tokens,
            "padded_tokens": state.padded,
            "loss": state.losses[::-1][::thin][::-1],
            "seconds": round(state.seconds, 1),
            "stages": state.stages,
            "tokens_per_second": round(state.tokens / max(1e-9, state.seconds)),
            "device": torch.cuda.get_device_name() if cuda else f"cpu, {torch.get_num_threads()} threads",
            "memory_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1) if cuda else None,
            "precision": "bf16" if self.bf16 else "fp32",
            "versions": {"torch": str(torch.__version__), "transformers": str(transformers.__version__)},
        }
        part = self.out / f"{REPORT}.part"
        part.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        part.replace(self.out / REPORT)


def _parser() -> argparse.ArgumentParser:
    default = Recipe()
    parser = argparse.ArgumentParser(prog="python -m speeddial.flywheel.train", description=__doc__)
    parser.add_argument("data", nargs="+", type=Path, help='JSONL rows {"id", "messages"}')
    parser.add_argument("--base", type=Path, required=True, help="Hugging Face folder of the base model")
    parser.add_argument("--out", type=Path, required=True, help="folder of the adapter")
    for name in ("lr", "epochs", "final_lr", "clip"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(default, name))
    for name in ("steps", "batch", "micro_tokens", "warmup", "seed", "r", "alpha", "max_length"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(default, name))
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default=default.precision)
    parser.add_argument("--base-name", default=default.base_name)
    parser.add_argument("--max-minutes", type=float, default=60.0)
    parser.add_argument("--fit-minutes", type=float, default=0.0)
    parser.add_argument("--checkpoint-every", type=int, default=200)
    parser.add_argument("--report-every", type=int, default=20)
    parser.add_argument("--init", type=Path, help="adapter folder to begin from")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--resume", choices=("auto", "must", "never"), default="auto")
    return parser


def _say(at: Progress) -> None:
    sys.stderr.write(
        f"step {at.step}/{at.steps}  epoch {at.epoch:.2f}  loss {at.loss:.4f}  lr {at.lr:.2e}  "
        f"{at.tokens_per_second:,.0f} tok/s  {at.seconds:.0f} s\n"
    )
    sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when the schedule or the stage's time ended (it says which), 2 on bad input."""
    options = vars(_parser().parse_args(arguments))
    recipe = Recipe(**{name: options.pop(name) for name in asdict(Recipe())})
    try:
        done = train(
            options.pop("data"), options.pop("base"), options.pop("out"), recipe, progress=_say, **options
        )
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    ended = "finished" if done.finished else "stage ended; the same command goes on"
    sys.stderr.write(f"{ended}: step {done.step} of {done.steps}, loss {done.loss:.4f}, {done.adapter}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
