"""The tagger's network, computed: words and their spelling, two bidirectional LSTM layers, two heads.

After Huang, Xu and Yu 2015 (arXiv 1508.01991) and Liu and Lane 2016 (arXiv 1609.01454): one reading gives the
frame, by attention over the words, and the words' tags, by a linear chain (a CRF). Several members, trained
from different beginnings, read alike, and an answer's probability is the mean of theirs: where they differ it
is small, which tells more of what is wrong than any one's doubt (Lakshminarayanan, Pritzel and Blundell 2017,
arXiv 1612.01474). `speeddial.flywheel.tagging` has the same network for training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from speeddial.contract.copied import Word
from speeddial.errors import EngineError
from speeddial.models import lstm
from speeddial.models.tagscheme import CASINGS, CHARACTERS, IMPOSSIBLE, SPELLING, Ints, TagScheme
from speeddial.models.wordvectors import load_word_vectors

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
TENSORS = "model.safetensors"
LAYERS = 2
TINY = 1e-300


def shapes(scheme: TagScheme, dimensions: int) -> dict[str, tuple[int, ...]]:
    """The tensors of a tagger, as torch names them, and their shapes.

    Args:
        dimensions: of the base's vectors.
    """
    size, hidden = scheme.sizes, scheme.sizes.hidden
    found: dict[str, tuple[int, ...]] = {
        "word.weight": (2 + len(scheme.words), size.word),
        "character.weight": (CHARACTERS, size.character),
        "casing.weight": (CASINGS, size.casing),
        "spelling.weight": (size.spelling, size.character, 3),
        "spelling.bias": (size.spelling,),
    }
    if scheme.base:
        found |= {"meaning.weight": (size.meaning, dimensions), "meaning.bias": (size.meaning,)}
    for layer in range(LAYERS):
        found |= lstm.shapes(scheme.wide if layer == 0 else 2 * hidden, hidden, layer)
    found |= {
        "attention.weight": (1, 2 * hidden),
        "attention.bias": (1,),
        "tag.weight": (scheme.tags, 4 * hidden),
        "tag.bias": (scheme.tags,),
        "frame.weight": (len(scheme.frames), 4 * hidden),
        "frame.bias": (len(scheme.frames),),
        "transitions": (scheme.tags, scheme.tags),
    }
    members = range(scheme.members)
    return {f"{scheme.place(one)}{name}": shape for one in members for name, shape in found.items()}


class Chain(NamedTuple):
    """A chain of tags."""

    tags: list[int]
    probabilities: list[float]
    """Of each tag, given those before it: their product is the chain's probability."""


class TagNetwork:
    """A tagger's weights, ready to compute. Safe to use from several threads.

    Args:
        folder: with `tagger.json` and `model.safetensors`.

    Raises:
        EngineError: files missing or broken.
        EngineUnreachable: the base whose vectors it reads has not been pulled.
    """

    def __init__(self, folder: Path) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        self.scheme = TagScheme.read(folder)
        try:
            found = load_file(folder / TENSORS)
        except (OSError, SafetensorError) as error:
            raise EngineError(f"{folder / TENSORS}: no weights ({error!r})", hint="train it anew") from error
        self._vectors = load_word_vectors(self.scheme.base) if self.scheme.base else None
        expected = shapes(self.scheme, self._vectors.dimensions if self._vectors else 0)
        if {name: tensor.shape for name, tensor in found.items()} != expected:
            raise EngineError(f"{folder / TENSORS}: weights of another tagger", hint="train it anew")
        self._members = [
            _Member(
                {
                    name.removeprefix(place): tensor.astype(np.float32)
                    for name, tensor in found.items()
                    if name.startswith(place)
                }
            )
            for place in map(self.scheme.place, range(self.scheme.members))
        ]
        self._chains = np.stack(
            [one.tensors["transitions"] + self.scheme.transitions for one in self._members]
        )

    def read(self, words: Sequence[Word]) -> tuple[Float32, Float32]:
        """What each member says of a request.

        Returns:
            Probability of each frame, shape (members, frames), and scores of each word's tags, (members,
            words, tags).
        """
        ids, characters, casing = self.scheme.features(words)
        meanings = self._vectors.of([word.text for word in words]) if self._vectors is not None else None
        said = [member.read(ids, characters, casing, meanings) for member in self._members]
        return np.stack([frames for frames, _ in said]), np.stack([scores for _, scores in said])

    def best(self, likely: Float32, scores: Float32, frame: int) -> Chain:
        """Of the chains of tags that a member has for a frame's best, the likeliest in the mean of all.

        Args:
            likely: each member's probability of the frame, which is how much its word counts.
            scores: of each word's tags, from `read`.
        """
        allowed = np.flatnonzero(self.scheme.allowed[frame])
        scores = scores[:, :, allowed].astype(np.float64)
        # No word stands before the first, so none continues.
        scores[:, 0, (allowed > 0) & (allowed % 2 == 0)] = IMPOSSIBLE
        chains = self._chains[:, allowed[:, None], allowed].astype(np.float64)
        # What can still come after each word: log of the sum over all ends of the chain, and of the best end.
        after = np.zeros_like(scores)
        end = np.zeros_like(scores)
        for at in range(scores.shape[1] - 2, -1, -1):
            onward = chains + scores[:, at + 1, None]
            after[:, at] = np.logaddexp.reduce(onward + after[:, at + 1, None], axis=2)
            end[:, at] = (onward + end[:, at + 1, None]).max(axis=2)

        def ahead(at: int, tags: Sequence[int]) -> Float64:
            return np.asarray(scores[:, at] + (chains[:, tags[-1]] if tags else 0.0), np.float64)

        every = set()
        for member in range(len(scores)):
            tags: list[int] = []
            for at in range(scores.shape[1]):
                tags.append(int((ahead(at, tags) + end[:, at])[member].argmax()))
            every.add(tuple(tags))
        told = []
        for chain in sorted(every):
            own = []
            for at, tag in enumerate(chain):
                here = ahead(at, chain[:at]) + after[:, at]
                own.append(np.exp(np.minimum(0.0, here[:, tag] - np.logaddexp.reduce(here, axis=1))))
            # A member counts for the next word by how probable it found the frame and the words before.
            so_far = np.cumprod([likely.astype(np.float64), *own], axis=0).sum(axis=1)
            told.append((float(so_far[-1]), chain, so_far[1:] / np.maximum(so_far[:-1], TINY)))
        _, chain, probabilities = max(told, key=lambda one: one[0])
        return Chain(allowed[list(chain)].tolist(), probabilities.tolist())


class _Member(NamedTuple):
    """One network's weights."""

    tensors: Mapping[str, Float32]

    def read(
        self, ids: Ints, characters: Ints, casing: Ints, meanings: Float32 | None
    ) -> tuple[Float32, Float32]:
        """Probability of each frame, and scores of each word's tags, (words, tags)."""
        tensors = self.tensors
        parts = [tensors["word.weight"][ids], self._spelt(characters), tensors["casing.weight"][casing]]
        if meanings is not None:
            parts.append(meanings @ tensors["meaning.weight"].T + tensors["meaning.bias"])
        states = np.concatenate(parts, axis=1)
        for layer in range(LAYERS):
            states = lstm.both_ways(states, tensors, layer)
        weights = states @ tensors["attention.weight"][0] + tensors["attention.bias"]
        weights = np.exp(weights - weights.max())
        whole = (weights / weights.sum()) @ states
        frames = tensors["frame.weight"] @ np.concatenate([whole, states.max(0)]) + tensors["frame.bias"]
        every = np.concatenate([states, np.broadcast_to(whole, states.shape)], axis=1)
        frames = np.exp(frames - frames.max())
        return frames / frames.sum(), every @ tensors["tag.weight"].T + tensors["tag.bias"]

    def _spelt(self, characters: Ints) -> Float32:
        vectors = self.tensors["character.weight"][characters]
        padded = np.pad(vectors, ((0, 0), (1, 1), (0, 0)))
        around = np.concatenate([padded[:, shift : shift + SPELLING] for shift in range(3)], axis=2)
        filters = self.tensors["spelling.weight"].transpose(2, 1, 0).reshape(around.shape[2], -1)
        found = around @ filters + self.tensors["spelling.bias"]
        return np.asarray(np.maximum(found, 0).max(axis=1), np.float32)
