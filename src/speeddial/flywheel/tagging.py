"""S5, from scratch: trains a tagger, a small network that reads a request and finds a call's arguments in it.

    python -m speeddial.flywheel.tagging ROWS.jsonl --out FOLDER [--epochs 15 ...]

Rows are {"id", "request", "frame": {"name", "arguments", "copied"}, "values"}, as `TagForm` makes them of
samples. `tagger:FOLDER` serves the result. The same command run again goes on from the last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from speeddial.contract.copied import cut
from speeddial.flywheel.dataset import DatasetError, Example, training_files
from speeddial.flywheel.tagform import LEAST
from speeddial.flywheel.trainer import Learner, Schedule, Trained, Trainer, command
from speeddial.jsonlines import read_objects
from speeddial.messages import compact_json
from speeddial.models.tagnetwork import LAYERS, TENSORS
from speeddial.models.tagscheme import (
    CASINGS,
    CHARACTERS,
    IMPOSSIBLE,
    LONGEST,
    UNKNOWN,
    Frame,
    Sizes,
    TagScheme,
    learnt_words,
)
from speeddial.models.wordvectors import load_word_vectors


@dataclass(frozen=True, slots=True)
class Recipe(Schedule, Sizes):
    """All that decides the weights besides the data."""

    lr: float = 2e-3
    epochs: float = 15.0
    batch: int = 32
    warmup: int = 100
    dropout: float = 0.4
    unknown: float = 0.5
    """How often a word is read as one that was not learnt, divided by the root of how often it stands."""
    weight_decay: float = 0.01
    base: str = ""
    """Whose vectors of words are read too, as `speeddial models` names it."""
    members: int = 1
    """Networks that are trained beside each other, on the same rows."""


def train(
    data: Sequence[Path],
    out: Path,
    recipe: Recipe = Recipe(),
    *,
    device: str = "auto",
    licence: str = "",
    **stage: Any,
) -> Trained:
    """Trains one stage and keeps the tagger, whether or not the schedule came to its end.

    Args:
        data: JSONL files of rows.
        out: its folder; checkpoint.pt (until the schedule ends) and training.json go there as well.
        recipe: all else that decides the weights.
        device: "auto", "cpu" or "cuda".
        licence: of the data, for training.json.
        stage: as for `Trainer.run`.

    Raises:
        DatasetError: a data file cannot be used.
        UserError: "must", and there is no fitting checkpoint.
        OverflowError: training diverged.
    """
    import torch

    files = training_files(data)
    threads = torch.get_num_threads()
    # Its products are small: a second thread wins nothing, and where another process has the processor they
    # wait for each other (a step of 0.2 s took 5).
    torch.set_num_threads(1)
    try:
        return _TagTrainer(_Tagger(recipe, licence), files, out, recipe, device).run(**stage)
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True, slots=True)
class _Tagged(Example):
    """A request with its tags; `tokens` are its words' numbers, and its one target is the whole."""

    words: tuple[str, ...] = ()
    characters: Any = None
    casings: Any = None
    tags: tuple[int, ...] = ()
    frame: int = 0


class _Tagger(Learner):
    """The network of `speeddial.models.tagnetwork`, for training."""

    scheme: TagScheme

    def __init__(self, recipe: Recipe, licence: str) -> None:
        self.recipe, self.licence, self.weight_decay = recipe, licence, recipe.weight_decay
        self.identity: dict[str, Any] = {}
        self.rare = 0

    def build(self, device: str, bf16: bool) -> None:
        import torch
        from torch import nn

        scheme = self.scheme
        self.vectors = load_word_vectors(scheme.base) if scheme.base else None
        self.members = nn.ModuleList(self._member() for _ in range(scheme.members)).to(device)
        zeros = torch.zeros(scheme.tags, scheme.tags, device=device)
        self.transitions = nn.ParameterList(zeros.clone() for _ in self.members)
        self.barred = torch.from_numpy(scheme.transitions).to(device)
        self.allowed = torch.from_numpy(scheme.allowed).to(device)
        self.drop = nn.Dropout(self.recipe.dropout)
        self.device = device

    def _member(self) -> Any:
        from torch import nn

        size, scheme = self.scheme.sizes, self.scheme
        member = nn.ModuleDict(
            {
                "word": nn.Embedding(2 + len(scheme.words), size.word, padding_idx=0),
                "character": nn.Embedding(CHARACTERS, size.character, padding_idx=0),
                "casing": nn.Embedding(CASINGS, size.casing),
                "spelling": nn.Conv1d(size.character, size.spelling, 3, padding=1),
                "lstm": nn.LSTM(
                    scheme.wide,
                    size.hidden,
                    num_layers=LAYERS,
                    bidirectional=True,
                    batch_first=True,
                    dropout=0.75 * self.recipe.dropout,
                ),
                "attention": nn.Linear(2 * size.hidden, 1),
                "tag": nn.Linear(4 * size.hidden, scheme.tags),
                "frame": nn.Linear(4 * size.hidden, len(scheme.frames)),
            }
        )
        if self.vectors:
            member["meaning"] = nn.Linear(self.vectors.dimensions, size.meaning)
        return member

    def loss(self, rows: Sequence[_Tagged], seldom: Any) -> Any:
        """What each row costs a member in the mean, shape (rows,): its frame and its chain of tags.

        Args:
            seldom: word's number -> chance that it is read as one that was not learnt.
        """
        import torch

        width = max(len(row.tokens) for row in rows)
        counts = torch.tensor([len(row.tokens) for row in rows])
        real = (torch.arange(width)[None] < counts[:, None]).to(self.device)

        def padded(each: Sequence[Any], *more: int) -> Any:
            found = torch.zeros(len(rows), width, *more, dtype=torch.long)
            for place, values in zip(found, each, strict=True):
                place[: len(values)] = torch.as_tensor(values)
            return found.to(self.device)

        ids = padded([row.tokens for row in rows])
        characters = padded([row.characters for row in rows], rows[0].characters.shape[1])
        casings = padded([row.casings for row in rows])
        meanings = self._meanings(rows, width) if self.vectors else None
        frame = torch.tensor([row.frame for row in rows], device=self.device)
        tags = padded([row.tags for row in rows])
        costs = []
        for number, member in enumerate(self.members):
            known = torch.where(torch.rand(ids.shape, device=self.device) < seldom[ids], UNKNOWN, ids)
            scores, frames = self._read(member, known, characters, casings, meanings, counts, real)
            said = torch.nn.functional.cross_entropy(frames, frame, reduction="none")
            scores = scores.masked_fill(~self.allowed[frame][:, None], IMPOSSIBLE)
            costs.append(said + self._chain(self.transitions[number], scores, tags, real))
        return torch.stack(costs).mean(0)

    def _meanings(self, rows: Sequence[_Tagged], width: int) -> Any:
        """The base's vectors of the rows' words, shape (rows, words, dimensions)."""
        import torch

        assert self.vectors is not None
        found = torch.zeros(len(rows), width, self.vectors.dimensions)
        for place, row in zip(found, rows, strict=True):
            place[: len(row.words)] = torch.from_numpy(self.vectors.of(row.words))
        return found.to(self.device)

    def _read(
        self, net: Any, ids: Any, characters: Any, casings: Any, meanings: Any, counts: Any, real: Any
    ) -> tuple[Any, Any]:
        """A member's scores of words' tags, shape (rows, words, tags), and of frames, (rows, frames)."""
        import torch
        from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

        rows, width, spelt = characters.shape
        vectors = net["character"](characters.view(-1, spelt)).transpose(1, 2)
        spelling = torch.relu(net["spelling"](vectors)).amax(-1).view(rows, width, -1)
        parts = [net["word"](ids), spelling, net["casing"](casings)]
        if meanings is not None:
            parts.append(net["meaning"](meanings))
        states = self.drop(torch.cat(parts, -1))
        packed = pack_padded_sequence(states, counts, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(net["lstm"](packed)[0], batch_first=True, total_length=width)
        states = self.drop(states)
        weights = net["attention"](states)[..., 0].masked_fill(~real, -1e9).softmax(-1)
        whole = (weights[..., None] * states).sum(1)
        most = states.masked_fill(~real[..., None], -1e9).amax(1)
        every = torch.cat([states, whole[:, None].expand_as(states)], -1)
        return net["tag"](every), net["frame"](self.drop(torch.cat([whole, most], -1)))

    def _chain(self, transitions: Any, scores: Any, tags: Any, real: Any) -> Any:
        """Negative log-likelihood of each row's tags (Lafferty, McCallum and Pereira 2001)."""
        import torch

        chain = transitions + self.barred
        likely = chain.exp()
        scores[:, 0, 2::2] = IMPOSSIBLE
        every = scores[:, 0]
        for at in range(1, scores.shape[1]):
            # A product in place of a sum over pairs of tags: a tenth of its time. What is e^-69 of the
            # likeliest, or impossible, has no part in it.
            most = every.detach().amax(-1, keepdim=True)
            onward = ((every - most).exp() @ likely).clamp_min(1e-30).log() + most + scores[:, at]
            every = torch.where(real[:, at, None], onward, every)
        own = (scores.gather(-1, tags[..., None])[..., 0] * real).sum(1)
        own = own + (chain[tags[:, :-1], tags[:, 1:]] * real[:, 1:]).sum(1)
        return torch.logsumexp(every, -1) - own

    def parameters(self) -> list[Any]:
        return [*self.members.parameters(), *self.transitions]

    def weights(self) -> dict[str, Any]:
        found = {}
        for number, member in enumerate(self.members):
            for name, value in {**member.state_dict(), "transitions": self.transitions[number]}.items():
                found[f"{self.scheme.place(number)}{name}"] = value.detach().float().cpu()
        return found

    def restore(self, weights: Mapping[str, Any]) -> None:
        import torch

        for number, member in enumerate(self.members):
            place = self.scheme.place(number)
            own = {
                name.removeprefix(place): value for name, value in weights.items() if name.startswith(place)
            }
            with torch.no_grad():
                self.transitions[number].copy_(own.pop("transitions"))
            member.load_state_dict(own)

    def save(self, folder: Path) -> None:
        """Writes `tagger.json` and the weights in fp16, each file complete or not at all."""
        import torch
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        halves = {name: value.half().contiguous() for name, value in self.weights().items()}
        for name, value in halves.items():
            if not bool(torch.isfinite(value).all()):
                raise OverflowError(f"{name}: weights beyond float16; lower the learning rate")
        part = folder / f"{TENSORS}.part"
        save_file(halves, str(part), metadata={"format": "pt"})
        part.replace(folder / TENSORS)
        self.scheme.write(folder)

    def report(self) -> dict[str, Any]:
        return {
            "parameters": sum(weight.numel() for weight in self.parameters()),
            "licence": self.licence,
            "frames": len(self.scheme.frames),
            "rows_not_taken": self.rare,
        }


class _TagTrainer(Trainer):
    learner: _Tagger
    recipe: Recipe

    def _read(self, files: Sequence[Path]) -> tuple[list[Example], int]:
        rows = [row for file in files for _, row in read_objects(file)]
        try:
            frequent = Counter(compact_json(row["frame"]) for row in rows)
            frames = [frame for frame, count in sorted(frequent.items()) if count >= LEAST]
            examples, too_long = self._examples(rows, frames)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            wanted = '{"id", "request", "frame": {"name", "arguments", "copied"}, "values"}'
            raise DatasetError(f"{files[0]}: expected rows of {wanted}, got {error!r}") from error
        if not examples:
            raise DatasetError(f"{files[0]}: no frame stands in {LEAST} rows, so there is nothing to learn")
        self.learner.rare = len(rows) - len(examples) - too_long
        counts = Counter(number for example in examples for number in example.tokens)
        self.seldom = self.torch.zeros(2 + len(self.learner.scheme.words), device=self.device)
        for number, count in counts.items():
            if number > UNKNOWN:
                self.seldom[number] = self.recipe.unknown / (1 + count) ** 0.5
        return examples, too_long

    def _examples(
        self, rows: Sequence[Mapping[str, Any]], frames: Sequence[str]
    ) -> tuple[list[Example], int]:
        """The rows that are of these frames and whose values are words of their requests, as the scheme has
        them, which is made of them; and how many are too long."""
        known = [Frame(**{**one, "copied": tuple(one["copied"])}) for one in map(json.loads, frames)]
        place = {frame: number for number, frame in enumerate(frames)}
        texts = [cut(row["request"]) for row in rows]
        sizes = Sizes(**{name: getattr(self.recipe, name) for name in asdict(Sizes())})
        arguments = tuple(sorted({name for frame in known for name in frame.copied}))
        scheme = self.learner.scheme = TagScheme(
            learnt_words(texts), arguments, tuple(known), sizes, self.recipe.base, self.recipe.members
        )
        examples: list[Example] = []
        for row, words in zip(rows, texts, strict=True):
            frame = place.get(compact_json(row["frame"]))
            tags = scheme.tagged(words, row["values"]) if frame is not None else None
            if frame is None or tags is None or not 0 < len(words) <= LONGEST:
                continue
            ids, characters, casings = scheme.features(words)
            examples.append(
                _Tagged(
                    id=str(row["id"]),
                    tokens=tuple(ids.tolist()),
                    targets=(0,),
                    weight=float(row.get("weight", 1.0)),
                    words=tuple(word.text for word in words),
                    characters=characters,
                    casings=casings,
                    tags=tuple(tags),
                    frame=frame,
                )
            )
        return examples, sum(len(words) > LONGEST for words in texts)

    def _loss(self, chosen: list[Example]) -> tuple[Any, Any, int]:
        rows = cast("list[_Tagged]", chosen)
        each = self.learner.loss(rows, self.seldom)
        weights = self.torch.tensor([row.weight for row in rows], device=self.device)
        return weights @ each, 0.0, max(len(row.tokens) for row in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; 0 when the schedule or the stage's time ended (it says which), 2 on bad input."""
    parser = argparse.ArgumentParser(prog="python -m speeddial.flywheel.tagging", description=__doc__)
    parser.add_argument("data", nargs="+", type=Path, help="JSONL rows")
    parser.add_argument("--out", type=Path, required=True, help="folder of the tagger")
    parser.add_argument("--licence", default="", help="of the data, for training.json")
    return command(parser, Recipe(), train, arguments)


if __name__ == "__main__":
    sys.exit(main())
