"""S5, preference training: of two answers to a request the better one becomes likelier, the worse one less.

Direct preference optimisation (Rafailov et al., arXiv 2305.18290) against the weights that training begins
from. Rows are those of the record's export `preference` with calls as text, from corrections, retries
and escalations: ``{"prompt": [...], "chosen": [message], "rejected": [message]}``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from speeddial.flywheel.chattrainer import ChatLearner, ChatTrainer
from speeddial.flywheel.dataset import DatasetError, Example
from speeddial.flywheel.trainer import Schedule
from speeddial.jsonlines import read_objects

ANCHOR = 0.2
"""Weight of the better answer's own cross entropy: without it both answers may become less likely."""


class PreferenceTrainer(ChatTrainer):
    """One training on pairs.

    Args:
        beta: how far a preference may move the weights from where they began; less moves them further.

    Other arguments and errors as for `ChatTrainer`.
    """

    def __init__(
        self,
        learner: ChatLearner,
        files: Sequence[Path],
        out: Path,
        recipe: Schedule,
        device: str,
        *,
        beta: float,
    ) -> None:
        self.rejected: dict[str, Example] = {}
        super().__init__(learner, files, out, recipe, device)
        self.beta = beta
        # What the weights say before the first step, also when a stopped training goes on.
        with self.torch.no_grad():
            self.before = {
                example.id: [float(said) for said in self._chances([example, self.rejected[example.id]])[0]]
                for example in self.examples
            }

    def _read(self, files: Sequence[Path]) -> tuple[list[Example], int]:
        chosen: list[Example] = []
        too_long = 0
        for file in files:
            for number, row in read_objects(file):
                place = f"{file}:{number}"
                try:
                    better, worse = (
                        self.learner.encoder.example(place, [*row["prompt"], *row[name]])
                        for name in ("chosen", "rejected")
                    )
                except (KeyError, TypeError) as error:
                    wanted = '{"prompt": [...], "chosen": [...], "rejected": [...]}, answers as text'
                    raise DatasetError(f"{place}: expected {wanted}, got {error!r}") from error
                if max(len(better.tokens), len(worse.tokens)) > self.recipe.max_length:
                    too_long += 1
                else:
                    chosen.append(better)
                    self.rejected[place] = worse
        if not chosen:
            raise DatasetError("the training files hold no usable pair")
        return chosen, too_long

    def _chances(self, examples: list[Example]) -> tuple[list[Any], int]:
        """Log-probability of each answer, and the width of the pass."""
        hidden, shared, width = self._states(examples)
        found = []
        for row, example in enumerate(examples):
            places = self.torch.tensor([row * width - 1 - shared + at for at in example.targets])
            wanted = self.torch.tensor([example.tokens[at] for at in example.targets])
            states = hidden.index_select(0, places.to(self.device))
            found.append(-self.learner.loss(states, wanted.to(self.device)))
        return found, width

    def _loss(self, chosen: list[Example]) -> tuple[Any, Any, int]:
        """The loss of each pair, weighted by the tokens of its better answer."""
        said, width = self._chances([*chosen, *(self.rejected[example.id] for example in chosen)])
        total: Any = 0.0
        for at, example in enumerate(chosen):
            better, worse = said[at], said[at + len(chosen)]
            before = self.before[example.id]
            margin = self.beta * ((better - before[0]) - (worse - before[1]))
            loss = -self.torch.nn.functional.logsigmoid(margin)
            total = total + len(example.targets) * loss - ANCHOR * better
        return total, 0.0, 2 * width
