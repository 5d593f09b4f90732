"""The training loop: schedule, batches, checkpoints, exact resume; what is trained is a `Learner`."""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from speeddial.errors import UserError
from speeddial.filehash import sha256_of
from speeddial.flywheel.dataset import Example, epoch_batches

Resume = Literal["auto", "must", "never"]
CHECKPOINT = "checkpoint.pt"
REPORT = "training.json"
FORMAT = 1
CHECKPOINT_SECONDS = 30.0
"""Where a step takes seconds, those between two checkpoints are too many to lose."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a training runs; with a learner's own numbers it makes a recipe.

    `steps` shortens (or lengthens) the schedule that `epochs` would give; 0 leaves it to `epochs`.
    `max_tokens` shortens it to so many tokens of rows; 0 for no limit.
    `micro_tokens` bounds the padded tokens of one forward pass, and with it the memory.
    `precision` "auto" is bf16 where the device computes in bf16, else fp32.
    """

    lr: float = 1e-3
    epochs: float = 3.0
    steps: int = 0
    max_tokens: int = 0
    batch: int = 64
    micro_tokens: int = 8192
    warmup: int = 60
    final_lr: float = 0.02
    clip: float = 1.0
    seed: int = 7
    max_length: int = 768
    precision: Literal["auto", "bf16", "fp32"] = "auto"


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

    folder: Path
    finished: bool
    step: int
    steps: int
    loss: float
    seconds: float


class Learner(ABC):
    """What is trained: its model on the device, and the files that are kept of it."""

    identity: dict[str, Any]
    """What decides the weights besides data and recipe: hashes of what it begins from."""
    weight_decay: float = 0.0

    @abstractmethod
    def build(self, device: str, bf16: bool) -> None:
        """Make the model, drawing from torch's generator; `identity` is complete afterwards."""

    @abstractmethod
    def parameters(self) -> list[Any]:
        """The weights that are trained."""

    @abstractmethod
    def weights(self) -> dict[str, Any]:
        """Their values on the CPU in fp32, for a checkpoint."""

    @abstractmethod
    def restore(self, weights: Mapping[str, Any]) -> None:
        """Take the values of a checkpoint."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the files that engines load."""

    @abstractmethod
    def report(self) -> dict[str, Any]:
        """What training.json says of it."""


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


class Trainer(ABC):
    """One training.

    Args:
        learner: what is trained.
        files: JSONL rows.
        out: folder that the learner's files, checkpoint.pt (until the schedule ends) and training.json go to.
        recipe: all that decides the weights besides the data and what the learner begins from.
        device: "auto", "cpu" or "cuda".

    Raises:
        DatasetError: a data file cannot be used.
    """

    def __init__(
        self, learner: Learner, files: Sequence[Path], out: Path, recipe: Schedule, device: str
    ) -> None:
        import torch

        self.torch = torch
        self.learner, self.recipe, self.out, self.files = learner, recipe, out, files
        self.device = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        self.examples, self.too_long = self._read(files)
        self.per_epoch = math.ceil(len(self.examples) / recipe.batch)
        self.bf16 = recipe.precision == "bf16" or (recipe.precision == "auto" and self._computes_bf16())
        random.seed(recipe.seed)
        torch.manual_seed(recipe.seed)
        learner.build(self.device, self.bf16)
        self.identity = {"format": FORMAT, "data": sha256_of(files), "recipe": asdict(recipe)}
        self.identity |= learner.identity
        self.weights = learner.parameters()
        self.optimizer = torch.optim.AdamW(
            self.weights,
            lr=recipe.lr,
            betas=(0.9, 0.98),
            weight_decay=learner.weight_decay,
            fused=self.device == "cuda",
        )
        steps = recipe.steps or max(1, round(self.per_epoch * recipe.epochs))
        if recipe.max_tokens:
            epoch = sum(len(example.tokens) for example in self.examples)
            steps = max(1, min(steps, recipe.max_tokens * self.per_epoch // epoch))
        self.state = _State(steps=steps, losses=[])

    @abstractmethod
    def _read(self, files: Sequence[Path]) -> tuple[list[Example], int]:
        """The examples, and how many rows were too long."""

    @abstractmethod
    def _loss(self, chosen: list[Example]) -> tuple[Any, Any, int]:
        """Summed loss of the targets, another that is learnt and not told, and the padded width."""

    def _parts(self, rows: list[int]) -> Iterable[list[int]]:
        """The rows of a batch as they are computed together."""
        return [rows]

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

    def run(
        self,
        *,
        max_minutes: float = 60.0,
        fit_minutes: float = 0.0,
        checkpoint_every: int = 200,
        report_every: int = 20,
        resume: Resume = "auto",
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> Trained:
        """Trains one stage and keeps what was learnt, whether or not the schedule came to its end.

        Args:
            max_minutes: the stage ends after that many minutes of training; the next call goes on.
            fit_minutes: when not 0, a schedule too long for that many minutes is cut to end in time, by the
                speed measured during warm-up; training.json then names the `steps` for an exact repetition.
            checkpoint_every: steps between checkpoints at most; there is one every half minute too.
            report_every: steps between calls of `progress`.
            resume: "auto" goes on from a checkpoint of the same identity, else starts anew; "must" fails
                without one; "never" starts anew.

        Raises:
            UserError: "must", and there is no fitting checkpoint.
            OverflowError: training diverged.
        """
        state = self.state
        if resume != "never" and not self._restore() and resume == "must":
            raise UserError(
                f"{self.out / CHECKPOINT}: no checkpoint of the same data, base and recipe to go on from"
            )
        state.stages += 1
        began, before = time.monotonic(), state.seconds
        measured: list[float] = []
        summed = learnt = seen = 0
        mark = kept = began
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
            if fit_minutes and not state.fitted and state.step >= self.recipe.warmup:
                self._fit(measured, fit_minutes * 60)
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
            if now - began > max_minutes * 60 and state.step < state.steps:
                break
            if state.step % checkpoint_every == 0 or now - kept > CHECKPOINT_SECONDS:
                self._keep()
                kept = now
        finished = state.step >= state.steps
        self._keep()
        self.learner.save(self.out)
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
        for part in self._parts(rows):
            chosen = [self.examples[row] for row in part]
            loss, aside, width = self._loss(chosen)
            padded += width * len(part)
            ((loss + aside) / targets).backward()
            total = total + loss.detach()
        torch.nn.utils.clip_grad_norm_(self.weights, self.recipe.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total, targets, tokens, padded

    def about(self) -> dict[str, Any]:
        """What training.json says of more than data and learner."""
        return {}

    def _keep(self) -> None:
        torch = self.torch
        self.out.mkdir(parents=True, exist_ok=True)
        saved = {
            "identity": json.dumps(self.identity, sort_keys=True),
            "state": asdict(self.state),
            "weights": self.learner.weights(),
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
        self.learner.restore(saved["weights"])
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
                "rows_weighted": sum(example.weight != 1 for example in self.examples),
            },
            **self.learner.report(),
            **self.about(),
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


def _add_options(parser: argparse.ArgumentParser, recipe: Schedule) -> None:
    """The recipe's numbers, and how this stage runs."""
    for name, default in asdict(recipe).items():
        option = f"--{name.replace('_', '-')}"
        if name == "precision":
            parser.add_argument(option, choices=("auto", "bf16", "fp32"), default=default)
        else:
            parser.add_argument(option, type=type(default), default=default)
    parser.add_argument("--max-minutes", type=float, default=60.0)
    parser.add_argument("--fit-minutes", type=float, default=0.0)
    parser.add_argument("--checkpoint-every", type=int, default=200)
    parser.add_argument("--report-every", type=int, default=20)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--resume", choices=("auto", "must", "never"), default="auto")


def _say(at: Progress) -> None:
    """One line of progress on the standard error."""
    sys.stderr.write(
        f"step {at.step}/{at.steps}  epoch {at.epoch:.2f}  loss {at.loss:.4f}  lr {at.lr:.2e}  "
        f"{at.tokens_per_second:,.0f} tok/s  {at.seconds:.0f} s\n"
    )
    sys.stderr.flush()


def command(
    parser: argparse.ArgumentParser,
    recipe: Schedule,
    train: Callable[..., Trained],
    arguments: Sequence[str] | None,
) -> int:
    """Runs a trainer's command; 0 when schedule or stage ended (it says which), 2 on bad input.

    Args:
        parser: knows the options that only this trainer has, named as `train` names them.
        recipe: the defaults of those that all have.
        train: takes these options, `recipe` and `progress`.
        arguments: of the command line; None is the process's own.
    """
    _add_options(parser, recipe)
    options = vars(parser.parse_args(arguments))
    chosen = replace(recipe, **{name: options.pop(name) for name in asdict(recipe)})
    try:
        done = train(recipe=chosen, progress=_say, **options)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    ended = "finished" if done.finished else "stage ended; the same command goes on"
    sys.stderr.write(f"{ended}: step {done.step} of {done.steps}, loss {done.loss:.4f}, {done.folder}\n")
    return 0
