"""S5, distillation: beside the recorded answers a student learns how sure its teacher is of each token.

What the teacher would have said stands in an archive of scores, made once by `speeddial.flywheel.teacher`;
the loss is that of `speeddial.flywheel.loss.summed_cross_entropy`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from speeddial.filehash import sha256_of
from speeddial.flywheel.chattrainer import ChatLearner, ChatTrainer
from speeddial.flywheel.dataset import DatasetError, Example
from speeddial.flywheel.loss import Taught
from speeddial.flywheel.trainer import Schedule

Integers = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class Score:
    """What a teacher says in place of each token of one answer, the mark that ends it included."""

    tokens: Integers
    """Ids of its most likely tokens, shape (answer, most)."""
    logs: Floats
    """Their log probabilities and, last, that of all others together, shape (answer, most + 1)."""
    given: Floats
    """Log probability of the token that is there, shape (answer,)."""

    def chances(self) -> npt.NDArray[np.float32]:
        """The probabilities of `logs`, which sum to 1 in spite of their rounding."""
        found = np.exp(self.logs.astype(np.float32))
        return np.asarray(found / found.sum(1, keepdims=True), np.float32)


def write_scores(file: Path | BinaryIO, scores: Mapping[str, Score]) -> None:
    """Write scores by their rows' ids as one archive of numpy's: 100 bytes a token with 16 likely ones."""
    each = list(scores.values())
    np.savez_compressed(
        file,
        rows=np.array(list(scores)),
        ends=np.cumsum([len(score.given) for score in each], dtype=np.int64),
        tokens=np.concatenate([score.tokens for score in each]),
        logs=np.concatenate([score.logs for score in each]),
        given=np.concatenate([score.given for score in each]),
    )


def read_scores(files: Sequence[Path]) -> Iterator[tuple[str, Score]]:
    """Read what `write_scores` wrote.

    Raises:
        DatasetError: a file is none of these.
    """
    for file in files:
        try:
            with np.load(file, allow_pickle=False) as kept:
                rows, ends, *values = (kept[name] for name in ("rows", "ends", "tokens", "logs", "given"))
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise DatasetError(f"{file}: expected a teacher's scores, got {error!r}") from error
        begins = [0, *ends[:-1]]
        for row, begin, end in zip(rows, begins, ends, strict=True):
            yield str(row), Score(*(value[begin:end] for value in values))


class DistilTrainer(ChatTrainer):
    """One training on rows of which a teacher has scored some.

    Args:
        scores: an archive of them; rows that it does not have are learnt from the recorded answer alone.
        share: of the loss that is the teacher's, from 0 to 1.

    Other arguments and errors as for `ChatTrainer`.

    Raises:
        DatasetError: the scores are of other rows, or of other tokens.
    """

    def __init__(
        self,
        learner: ChatLearner,
        files: Sequence[Path],
        out: Path,
        recipe: Schedule,
        device: str,
        *,
        scores: Path,
        share: float,
    ) -> None:
        self.scores, self.share = dict(read_scores([scores])), share
        super().__init__(learner, files, out, recipe, device)
        self.identity["scores"] = sha256_of([scores])
        known = [example for example in self.examples if example.id in self.scores]
        wrong = [one.id for one in known if len(self.scores[one.id].given) != len(one.targets)]
        if wrong or not known:
            said = f"of other tokens than row {wrong[0]}" if wrong else "of none of these rows"
            raise DatasetError(f"{scores}: scores {said}: score these rows, by this base's tokenizer")
        self.rows_taught = len(known)

    def _taught(self, chosen: Sequence[Example]) -> Taught | None:
        """What the teacher says of all targets of these rows, in their order."""
        known = [self.scores.get(example.id) for example in chosen]
        if not any(known):
            return None
        most = next(score.tokens.shape[1] for score in known if score is not None)
        counts = [len(example.targets) for example in chosen]
        total = sum(counts)
        # Ids that differ, for rows without a teacher too: nothing of theirs counts.
        tokens = np.tile(np.arange(most), (total, 1))
        chances = np.zeros((total, most + 1), np.float32)
        share = np.zeros(total, np.float32)
        at = 0
        for score, count in zip(known, counts, strict=True):
            if score is not None:
                part = slice(at, at + count)
                tokens[part], chances[part], share[part] = score.tokens, score.chances(), self.share
            at += count
        tensor = self.torch.from_numpy
        return Taught(*(tensor(value).to(self.device) for value in (tokens, chances, share)))

    def about(self) -> dict[str, Any]:
        return {"teacher": {"scores": self.identity["scores"], "rows": self.rows_taught, "share": self.share}}
