"""Guided decoding: a grammar's mask, its forced tokens, and a completion held ready so that it always ends.

llguidance decides what may come next; this file decides which token is taken. Engines in this process
run it through outlines (`GuidedProcessor`), and append forced tokens without asking the model.

Invariant: before every token there is a *witness*, a token list that drives the grammar to an accepting
state and fits the remaining budget. A token is taken only if a witness exists after it; otherwise it is
masked and the next best is tried, and in the end the witness itself is followed. So every decode ends
valid within its budget, whatever the weights (research: exactness.md section 6).
"""

from __future__ import annotations

import codecs
import math
import sys
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
from outlines.processors.base_logits_processor import OutlinesLogitsProcessor

from speeddial.errors import EngineError
from speeddial.models.grammars import GuidedTokenizer
from speeddial.models.model import Request, Token

BACKEND = f"llguidance {version('llguidance')} via outlines {version('outlines')}"
"""What receipts name as the back end."""

_RETRIES = 4
"""Tokens tried against the budget before the witness is followed."""

Logits = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]


class GuidedDecoder:
    """One decode under one grammar: ask `choose` with logits, append `take_forced`, until `done`.

    Args:
        tokenizer: of the model that gives the logits.
        grammar: llguidance grammar, as in `Contract.grammar`.
        max_tokens: budget of the output, the end token not counted.
        temperature: 0 takes the likeliest token; above it, samples.
        seed: of the sampling.

    Raises:
        EngineRefused: the grammar does not compile, or `max_tokens` is below its shortest output.
    """

    def __init__(
        self,
        tokenizer: GuidedTokenizer,
        grammar: str,
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.tokenizer = tokenizer
        self.temperature = temperature
        self.tokens: list[int] = []
        self.probabilities: list[float | None] = []
        """Of each token, under the constraint; None where the grammar left no choice."""
        self.done = False
        self.max_tokens = max_tokens
        self._random = np.random.default_rng(seed)
        self._taken = 0
        self._ended: float | None = None
        self._grammar = tokenizer.compiled(grammar)
        self._matcher = self._grammar.matcher()
        self._witness = self._grammar.witness(max_tokens)
        self._append_forced()

    @property
    def text(self) -> str:
        """What was decoded so far."""
        return self.tokenizer.decode(self.tokens, whole=self.done)

    @property
    def tokens_forced(self) -> int:
        """How many of the tokens the grammar left no choice about."""
        return self.probabilities.count(None)

    @property
    def confidence(self) -> float | None:
        """Geometric mean probability, under the constraint, of the tokens the model chose; None if none."""
        chosen = [probability for probability in self.probabilities if probability is not None]
        if self._ended is not None:
            chosen.append(self._ended)
        return math.exp(sum(map(math.log, chosen)) / len(chosen)) if chosen else None

    def pieces(self) -> tuple[Token, ...]:
        """The text of each token with its probability; a character's bytes count to its last token."""
        reader = codecs.getincrementaldecoder("utf-8")()
        native = self.tokenizer.native
        return tuple(
            Token(reader.decode(native.decode_bytes([token])), probability)
            for token, probability in zip(self.tokens, self.probabilities, strict=True)
        )

    def mask(self) -> Mask:
        """Which tokens may come next, shape (size,)."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        return np.unpackbits(bits, count=self.tokenizer.size, bitorder="little").view(np.bool_)

    def punctuation_ahead(self) -> list[int]:
        """A guess where bytes must come next but their split into tokens is open: the longest token of
        punctuation alone; nothing elsewhere."""
        if self.done or not self._matcher.compute_ff_bytes():
            return []
        native = self.tokenizer.native
        pieces = {int(token): native.decode_bytes([int(token)]) for token in np.flatnonzero(self.mask())}
        marks = [token for token, piece in pieces.items() if not piece.strip(b'"{}[]:,')]
        return [max(marks, key=lambda token: len(pieces[token]))] if marks else []

    def take_forced(self) -> list[int]:
        """Tokens appended by the grammar since the last call; the model has to be shown them, no more."""
        forced = self.tokens[self._taken :]
        self._taken = len(self.tokens)
        return forced

    def choose(self, logits: Logits) -> int:
        """Take the next token.

        Args:
            logits: the model's, shape (size,).

        Returns:
            The token taken, the end token when the output ends here. A forced token that `take_forced`
            has not handed out yet comes first, whatever the logits.

        Raises:
            EngineError: the logits are not numbers.
        """
        if self._taken < len(self.tokens):
            self._taken += 1
            return self.tokens[self._taken - 1]
        if self.done:
            return self.tokenizer.end
        allowed = np.flatnonzero(self.mask())
        if self._matcher.is_error():
            self._end_without_the_grammar()
            return self.choose(logits)
        scores = np.asarray(logits, np.float32)[allowed]
        if not len(allowed) or np.isnan(scores).any():
            raise EngineError(
                f"no token can be chosen: {len(allowed)} allowed, or the logits are not numbers"
            )
        number = self._pick(scores)
        token = int(allowed[number])
        if not self._accept(token):
            other = self._pick_another(allowed, scores, number)
            if other is None:
                self._end_without_the_grammar()
                return self.choose(logits)
            number, token = other, int(allowed[other])
        probability = _probability(scores, number)
        if token == self.tokenizer.end:
            self._ended = probability
        else:
            self.probabilities[-1] = probability
        if not self.done:
            self._append_forced()
        return token

    def _pick(self, scores: npt.NDArray[np.float32]) -> int:
        """Position of the token to take, by likelihood or by lot."""
        if self.temperature <= 0 or len(scores) == 1:
            return int(scores.argmax())
        weights = np.exp((scores - scores.max()) / self.temperature).cumsum(dtype=np.float64)
        return min(int(weights.searchsorted(self._random.random() * weights[-1], "right")), len(scores) - 1)

    def _pick_another(
        self, allowed: npt.NDArray[np.int64], scores: npt.NDArray[np.float32], first: int
    ) -> int | None:
        """The next best token that leaves room to end, the witness's next one at last; None if the grammar
        engine refuses even that."""
        scores = scores.copy()
        number = first
        for _ in range(_RETRIES - 1):
            scores[number] = -np.inf
            if scores.max() == -np.inf:
                break
            number = self._pick(scores)
            if self._accept(int(allowed[number])):
                return number
        token = self._witness[0] if self._witness else self.tokenizer.end
        return int(np.searchsorted(allowed, token)) if self._accept(token) else None

    def _end_without_the_grammar(self) -> None:
        """Take the witness whole: the grammar engine gave up (its limits on complexity).

        It found the witness valid before. What follows is not the model's choice, and the confidence says so.
        """
        self.tokens += self._witness
        self.probabilities += [None] * len(self._witness)
        self._ended = sys.float_info.min
        self._witness = []
        self.done = True

    def _accept(self, token: int) -> bool:
        """Take a token if the output can still end within the budget after it."""
        if token == self.tokenizer.end:
            self.done = True
            return True
        successor = self._matcher.deep_copy()
        if not successor.consume_token(token):
            return False
        witness = self.tokenizer.search.after(
            successor, token, self._witness, self.max_tokens - len(self.tokens) - 1, self._grammar.texts
        )
        if witness is None:
            return False
        self._matcher, self._witness = successor, witness
        self._push(token)
        self._taken = len(self.tokens)
        return True

    def _push(self, token: int) -> None:
        self.tokens.append(token)
        self.probabilities.append(None)
        if self._matcher.is_error():
            return  # `choose` sees it
        full = len(self.tokens) >= self.max_tokens
        self.done = self._matcher.is_stopped() or (full and self._matcher.is_accepting())

    def _append_forced(self) -> None:
        """Append all that the grammar leaves no choice about."""
        while not self.done and (forced := self._whole_words(self._forced())):
            for token in forced:
                if not self._take_forced_token(token):
                    return
                if self.done:
                    return

    def _take_forced_token(self, token: int) -> bool:
        taken = self._taken
        if not self._accept(token):
            return False
        # Not handed out yet: `take_forced` or `choose` will.
        self._taken = taken
        return True

    def _forced(self) -> list[int]:
        if forced := self._matcher.compute_ff_tokens():
            return [int(token) for token in forced]
        ahead = self._matcher.compute_ff_bytes()
        if not ahead or self._matcher.is_accepting():
            return []
        # The bytes are forced, only their split into tokens is open, for a longer token might cover them and
        # more. When none of the vocabulary does, the longest is what a tokenizer would take.
        allowed = np.flatnonzero(self.mask())
        if len(allowed) > len(ahead):
            return []
        pieces = [self.tokenizer.native.decode_bytes([int(token)]) for token in allowed]
        if not all(ahead.startswith(piece) for piece in pieces):
            return []
        return [int(allowed[max(range(len(pieces)), key=lambda number: len(pieces[number]))])]

    def _whole_words(self, forced: list[int]) -> list[int]:
        """Forced tokens less the beginning of a word that may go on.

        "davi" is forced where "davi" and "davis" may come, but a tokenizer cuts "davis" elsewhere ("d", "av",
        "is"), and a model that is shown "avi" ends the word there: it never saw an "s" after it.
        """
        pieces = [self.tokenizer.native.decode_bytes([token]) for token in forced]
        if not forced or not pieces[-1][-1:].isalnum():
            return forced
        after = self._matcher.deep_copy()
        if not after.consume_tokens(forced) or after.is_stopped():
            return forced
        if not any(after.validate_tokens([letter]) for letter in self.tokenizer.letters):
            return forced
        kept = len(forced) - 1
        while kept and pieces[kept].isalnum() and pieces[kept - 1][-1:].isalnum():
            kept -= 1
        return forced[:kept]


class GuidedProcessor(OutlinesLogitsProcessor):
    """`GuidedDecoder` as outlines' logits processor, for one sequence at a time.

    Logits cannot be un-chosen afterwards, so the token is chosen here and all others are set to minus
    infinity. `outlines.generator.SteerableGenerator` calls `reset` before each generation.

    Args:
        tokenizer, grammar, max_tokens, temperature, seed: as for `GuidedDecoder`.
        tensor_library: ``numpy`` or ``torch``, whichever the engine's logits are.
    """

    def __init__(
        self,
        tokenizer: GuidedTokenizer,
        grammar: str,
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        tensor_library: str = "numpy",
    ) -> None:
        super().__init__(tensor_library)
        self._options: dict[str, Any] = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
        self._tokenizer = tokenizer
        self._grammar = grammar
        self.decoder: GuidedDecoder
        """Of the generation under way; it holds tokens, text and confidence when that has ended."""
        self.reset()

    @classmethod
    def of(
        cls, tokenizer: GuidedTokenizer, request: Request, *, tensor_library: str = "numpy"
    ) -> GuidedProcessor:
        """The processor of one request."""
        return cls(
            tokenizer,
            request.contract.grammar,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            seed=request.seed,
            tensor_library=tensor_library,
        )

    def reset(self) -> None:
        self.decoder = GuidedDecoder(self._tokenizer, self._grammar, **self._options)

    def process_logits(self, input_ids: Any, logits: Any) -> Any:
        """Choose the next token; logits of shape (1, size), those of all other tokens become -inf."""
        row = logits[0]
        if not isinstance(row, np.ndarray):
            row = row.float().cpu().numpy()
        token = self.decoder.choose(row[: self._tokenizer.size])
        chosen = self.tensor_adapter.full_like(logits, -math.inf)  # type: ignore[no-untyped-call]
        chosen[0, token] = 0.0
        return chosen


def _probability(scores: npt.NDArray[np.float32], number: int) -> float:
    """Never 0, whose logarithm the confidence could not take."""
    chosen = float(scores[number] - scores.max())
    return max(math.exp(chosen) / float(np.exp(scores - scores.max()).sum()), sys.float_info.min)
