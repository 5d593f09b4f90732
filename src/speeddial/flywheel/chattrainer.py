"""The training loop on chat rows: what a model of language learns is the tokens of the answers."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from speeddial.flywheel.dataset import ChatEncoder, Example, common_prefix, micro_batches, read_examples
from speeddial.flywheel.loss import Taught
from speeddial.flywheel.trainer import Learner, Trainer


class ChatLearner(Learner):
    """A model of language with its tokenizer."""

    encoder: ChatEncoder
    pass_cost: int
    """What a forward and backward pass of its own costs on a CPU, in tokens."""
    request_weight: float = 0.0
    """Weight of a token of the request in the loss, where one of the answer has 1."""

    @abstractmethod
    def decoder(self, **inputs: Any) -> Any:
        """The transformer without its last product, called as that of transformers."""

    @abstractmethod
    def loss(self, hidden: Any, wanted: Any, weights: Any = None, taught: Taught | None = None) -> Any:
        """Summed cross entropy of the token ids `wanted`, shape (targets,), after `hidden`.

        Args:
            weights: what each counts, shape (targets,); 1 unless given.
            taught: what a teacher of the same vocabulary says of them.
        """


class ChatTrainer(Trainer):
    """One training on rows {"id", "messages": [{"role", "content"}, ...]}; assistant tokens are learnt.

    A row's "weight", 1 unless given, is what each of its tokens counts. Arguments as for `Trainer`.
    """

    learner: ChatLearner

    def _read(self, files: Sequence[Path]) -> tuple[list[Example], int]:
        """The examples, and how many rows were too long."""
        return read_examples(files, self.learner.encoder, self.recipe.max_length)

    def _parts(self, rows: list[int]) -> Iterable[list[int]]:
        # On a GPU the extra passes cost more than the tokens they spare.
        pass_cost = self.learner.pass_cost if self.device == "cpu" else math.inf
        return micro_batches(self.examples, rows, self.recipe.micro_tokens, pass_cost)

    def _loss(self, chosen: list[Example]) -> tuple[Any, Any, int]:
        """Summed cross entropy of the answers' tokens, that of the requests' by its weight, and the width.

        The vocabulary product runs on the positions that are learnt alone.
        """
        torch, learner = self.torch, self.learner
        hidden, shared, width = self._states(chosen)
        answers: list[tuple[int, int]] = []
        requests: list[tuple[int, int]] = []
        for row, example in enumerate(chosen):
            before = row * width - 1 - shared
            answers += [(before + at, example.tokens[at]) for at in example.targets]
            if learner.request_weight:
                requests += [(before + at, example.tokens[at]) for at in example.asked if at > shared]
        places, wanted = torch.tensor(answers + requests).T.to(self.device, non_blocking=True)
        hidden = hidden.index_select(0, places)
        learnt = len(answers)
        aside = learner.request_weight * learner.loss(hidden[learnt:], wanted[learnt:]) if requests else 0.0
        loss = learner.loss(hidden[:learnt], wanted[:learnt], self._weights(chosen), self._taught(chosen))
        return loss, aside, width

    def _weights(self, chosen: Sequence[Example]) -> Any:
        """What each target counts; None when all count the same."""
        if all(example.weight == 1 for example in chosen):
            return None
        each = [example.weight for example in chosen for _ in example.targets]
        return self.torch.tensor(each, device=self.device)

    def _taught(self, chosen: Sequence[Example]) -> Taught | None:
        """What a teacher says of each target; None without one."""
        return None

    def _states(self, chosen: list[Example]) -> tuple[Any, int, int]:
        """Last hidden states, shape (rows x width, size), the tokens that all rows share, and the width."""
        torch, learner = self.torch, self.learner
        # On a CPU the prompt that opens every row is computed once and shared: exact, and it spares a third
        # of a short request. On a GPU the extra pass and the mask it brings cost more than the tokens.
        shared = common_prefix(chosen) if self.device == "cpu" else 0
        width = max(len(example.tokens) for example in chosen) - shared
        ids = torch.full((len(chosen), width), learner.encoder.end, dtype=torch.long)
        for row, example in enumerate(chosen):
            ids[row, : len(example.tokens) - shared] = torch.tensor(example.tokens[shared:])
        ids = ids.to(self.device, non_blocking=True)
        past = None
        if shared:
            opening = torch.tensor([chosen[0].tokens[:shared]], device=self.device)
            past = learner.decoder(input_ids=opening, use_cache=True).past_key_values
            past.batch_repeat_interleave(len(chosen))
        # Padding stands on the right and attention is causal, so it needs no mask.
        hidden = learner.decoder(
            input_ids=ids, past_key_values=past, use_cache=bool(shared)
        ).last_hidden_state
        return hidden.reshape(-1, hidden.shape[-1]), shared, width
