"""S5, on the base's states: trains a label network, which reads a message and says which of many labels fits.

    python -m speeddial.flywheel.labelling ROWS.jsonl --out FOLDER [--epochs 12 ...]

Rows are {"text", "label"}. The base is frozen and reads each text once. The same command run again goes on
from the last checkpoint. `training.triage` makes a label set of the network that comes out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from speeddial.flywheel.dataset import DatasetError, Example, training_files
from speeddial.flywheel.trainer import Learner, Schedule, Trained, Trainer, command
from speeddial.jsonlines import read_objects
from speeddial.models.base_model import DEFAULT_BASE
from speeddial.models.encoder import Encoder, load_encoder
from speeddial.models.labelnetwork import LARGEST, TENSORS, place


@dataclass(frozen=True, slots=True)
class Recipe(Schedule):
    """All that decides the weights besides data and base."""

    lr: float = 2e-3
    epochs: float = 12.0
    batch: int = 64
    warmup: int = 300
    dropout: float = 0.3
    dropped: float = 0.1
    """Share of a text's tokens left out, anew each time."""
    smoothing: float = 0.1
    """Of the labels (Szegedy et al. 2016, arXiv 1512.00567)."""
    weight_decay: float = 0.01
    width: int = 192
    hidden: int = 80
    heads: int = 4
    members: int = 2
    """Networks that are trained beside each other, on the same rows."""


Reading = Callable[[int, int], None]
"""Told how many of how many texts the base has read."""


def train(
    data: Sequence[Path],
    base: str,
    out: Path,
    recipe: Recipe = Recipe(),
    *,
    device: str = "auto",
    licence: str = "",
    reading: Reading = lambda done, of: None,
    **stage: Any,
) -> Trained:
    """Trains one stage and keeps the network, whether or not the schedule came to its end.

    Args:
        data: JSONL files of rows {"text", "label"}.
        base: whose states are read, as `speeddial models` names it.
        out: its folder; checkpoint.pt (until the schedule ends) and training.json go there as well.
        recipe: all else that decides the weights.
        device: "auto", "cpu" or "cuda"; the base itself reads on the CPU.
        licence: of the data, for training.json.
        reading: told how far the base is.
        stage: as for `Trainer.run`.

    Raises:
        DatasetError: a data file cannot be used.
        UserError: "must", and there is no fitting checkpoint.
        EngineUnreachable: the base has not been pulled.
        OverflowError: training diverged.
    """
    files = training_files(data)
    learner = _Learner(recipe, load_encoder(base), licence)
    trainer = _LabelTrainer(learner, files, out, recipe, device)
    trainer.read_states(reading)
    return trainer.run(**stage)


@dataclass(frozen=True, slots=True)
class _Labelled(Example):
    """A text with its label; its one target is the whole."""

    text: str = ""
    label: int = 0


class _Learner(Learner):
    """The network of `speeddial.models.labelnetwork`, for training."""

    labels: Sequence[str]
    states: Mapping[str, Any]
    """Text -> its tokens' states, shape (tokens, dimensions), in spreads from the centre."""

    def __init__(self, recipe: Recipe, encoder: Encoder, licence: str) -> None:
        self.recipe, self.encoder, self.licence = recipe, encoder, licence
        self.weight_decay = recipe.weight_decay
        self.identity: dict[str, Any] = {"encoder": encoder.identity}

    def build(self, device: str, bf16: bool) -> None:
        import torch
        from torch import nn

        self.device = device
        self.members = nn.ModuleList(self._member() for _ in range(self.recipe.members)).to(device)
        self.drop, self.half = nn.Dropout(self.recipe.dropout), nn.Dropout(0.5)
        self.centre = torch.zeros(self.encoder.dimensions)
        self.spread = torch.ones(self.encoder.dimensions)

    def _member(self) -> Any:
        from torch import nn

        recipe = self.recipe
        wide = recipe.width + 2 * recipe.hidden
        return nn.ModuleDict(
            {
                "enter": nn.Linear(self.encoder.dimensions, recipe.width),
                "norm": nn.LayerNorm(recipe.width),
                "lstm": nn.LSTM(recipe.width, recipe.hidden, bidirectional=True, batch_first=True),
                "attention": nn.Linear(wide, recipe.heads),
                "label": nn.Linear((recipe.heads + 1) * wide, len(self.labels)),
            }
        )

    def loss(self, rows: Sequence[_Labelled]) -> Any:
        """What each row costs a member in the mean, shape (rows,)."""
        import torch

        told = [self._thinned(self.states[row.text]) for row in rows]
        counts = torch.tensor([len(one) for one in told])
        states = torch.nn.utils.rnn.pad_sequence(told, batch_first=True).float().to(self.device)
        real = (torch.arange(states.shape[1])[None] < counts[:, None]).to(self.device)
        wanted = torch.tensor([row.label for row in rows], device=self.device)
        costs = [
            torch.nn.functional.cross_entropy(
                self._read(member, states, counts, real),
                wanted,
                reduction="none",
                label_smoothing=self.recipe.smoothing,
            )
            for member in self.members
        ]
        return torch.stack(costs).mean(0)

    def _thinned(self, states: Any) -> Any:
        import torch

        kept = torch.rand(len(states)) >= self.recipe.dropped
        return states[kept] if bool(kept.any()) else states

    def _read(self, net: Any, states: Any, counts: Any, real: Any) -> Any:
        """A member's scores of the labels, shape (rows, labels)."""
        import torch
        from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

        entered = net["norm"](net["enter"](self.drop(states)))
        entered = torch.nn.functional.gelu(entered, approximate="tanh")
        packed = pack_padded_sequence(entered, counts, batch_first=True, enforce_sorted=False)
        onward, _ = pad_packed_sequence(
            net["lstm"](packed)[0], batch_first=True, total_length=states.shape[1]
        )
        every = torch.cat([entered, onward], -1)
        weights = net["attention"](every).masked_fill(~real[..., None], -1e9).softmax(1)
        attended = (weights.transpose(1, 2) @ every).flatten(1)
        most = every.masked_fill(~real[..., None], -1e9).amax(1)
        return net["label"](self.half(torch.cat([attended, most], -1)))

    def parameters(self) -> list[Any]:
        return list(self.members.parameters())

    def weights(self) -> dict[str, Any]:
        found = {"centre": self.centre, "spread": self.spread}
        for number, member in enumerate(self.members):
            for name, value in member.state_dict().items():
                found[place(number) + name] = value.detach().float().cpu()
        return found

    def restore(self, weights: Mapping[str, Any]) -> None:
        for number, member in enumerate(self.members):
            at = place(number)
            member.load_state_dict(
                {name.removeprefix(at): value for name, value in weights.items() if name.startswith(at)}
            )

    def save(self, folder: Path) -> None:
        """Writes the weights in fp32 with the labels: a label set keeps them in fp16."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{TENSORS}.part"
        weights = {name: value.contiguous() for name, value in self.weights().items()}
        save_file(weights, str(part), metadata={"labels": json.dumps(self.labels)})
        part.replace(folder / TENSORS)

    def report(self) -> dict[str, Any]:
        return {
            "parameters": sum(weight.numel() for weight in self.parameters()),
            "encoder": self.encoder.identity,
            "licence": self.licence,
            "labels": len(self.labels),
        }


class _LabelTrainer(Trainer):
    learner: _Learner

    def _read(self, files: Sequence[Path]) -> tuple[list[Example], int]:
        rows = [row for file in files for _, row in read_objects(file)]
        if not rows or not all(isinstance(row.get(key), str) for row in rows for key in ("text", "label")):
            raise DatasetError(f'{files[0]}: expected rows of {{"text", "label"}}')
        labels = self.learner.labels = sorted({row["label"] for row in rows})
        number = {label: at for at, label in enumerate(labels)}
        # Only how many tokens there are counts, so that texts of a length come together.
        return [
            _Labelled(
                id=str(at),
                tokens=(0,) * self.learner.encoder.length(row["text"]),
                targets=(0,),
                text=row["text"],
                label=number[row["label"]],
            )
            for at, row in enumerate(rows)
        ], 0

    def read_states(self, told: Reading) -> None:
        """Has the base read every text."""
        torch, learner = self.torch, self.learner
        texts = sorted({cast("_Labelled", example).text for example in self.examples})
        raw = {}
        for done, text in enumerate(texts, start=1):
            raw[text] = torch.from_numpy(learner.encoder.states(text))
            told(done, len(texts))
        every = torch.cat([raw[text] for text in texts])
        learner.centre, learner.spread = every.mean(0), every.std(0, correction=0) + 1e-3
        learner.states = {
            text: ((states - learner.centre) / learner.spread).clamp(-LARGEST, LARGEST).half()
            for text, states in raw.items()
        }

    def _loss(self, chosen: list[Example]) -> tuple[Any, Any, int]:
        rows = cast("list[_Labelled]", chosen)
        return self.learner.loss(rows).sum(), 0.0, max(len(row.tokens) for row in rows)


def _say(done: int, of: int) -> None:
    """One line of progress on the standard error for a thousand texts."""
    if done % 1000 == 0 or done == of:
        sys.stderr.write(f"the base has read {done:,} of {of:,} texts\n")
        sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when the schedule or the stage's time ended (it says which), 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m speeddial.flywheel.labelling", description=__doc__)
    parser.add_argument("data", nargs="+", type=Path, help="JSONL rows")
    parser.add_argument("--base", default=DEFAULT_BASE, help="whose states are read")
    parser.add_argument("--out", type=Path, required=True, help="folder of the network")
    parser.add_argument("--licence", default="", help="of the data, for training.json")
    parser.set_defaults(reading=_say)
    return command(parser, Recipe(), train, arguments)


if __name__ == "__main__":
    sys.exit(main())
