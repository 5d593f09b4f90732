"""What a model would have said in place of the tokens that it is given: teacher forcing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from speeddial.errors import EngineRefused
from speeddial.models.grammars import CompiledGrammar


class Likely(NamedTuple):
    """The most likely tokens in place of each token of an answer."""

    tokens: npt.NDArray[np.int32]
    """Their ids, shape (answer, most), the likeliest first."""
    logs: npt.NDArray[np.float32]
    """Their log probabilities and, last, that of all other tokens together, shape (answer, most + 1)."""
    given: npt.NDArray[np.float32]
    """Log probability of the token that is there, shape (answer,)."""


def of_logits(logits: npt.NDArray[np.float32], answer: Sequence[int], most: int) -> Likely:
    """Args: logits: after what stands before each token of the answer, shape (answer, vocabulary)."""
    wide = logits.astype(np.float64)
    wide -= wide.max(1, keepdims=True)
    logs = wide - np.log(np.exp(wide).sum(1, keepdims=True))
    tokens = np.argpartition(-logs, most, axis=1)[:, :most]
    tokens = np.take_along_axis(tokens, np.argsort(-np.take_along_axis(logs, tokens, 1), axis=1), 1)
    given = logs[np.arange(len(answer)), list(answer)]
    return _likely(tokens, np.take_along_axis(logs, tokens, 1), given)


def of_told(told: Sequence[Mapping[str, Any] | None], answer: Sequence[int], most: int) -> Likely:
    """Args: told: as vLLM's ``prompt_logprobs`` has it, of the answer's tokens.

    Raises:
        EngineRefused: it has another form, or fewer tokens.
    """
    tokens, logs, given = [], [], []
    try:
        for at, row in zip(answer, told, strict=True):
            # The token that is there comes first, whatever its rank.
            ranked = sorted((row or {}).items(), key=lambda entry: int(entry[1]["rank"]))[:most]
            tokens.append([int(token) for token, _ in ranked])
            logs.append([float(entry["logprob"]) for _, entry in ranked])
            given.append(float((row or {})[str(at)]["logprob"]))
        return _likely(np.array(tokens), np.array(logs, np.float64), np.array(given))
    except (KeyError, TypeError, ValueError) as error:
        raise EngineRefused(
            f"the server tells no {most} log probabilities of each token of a prompt ({error!r})",
            hint="vLLM does; its --max-logprobs must allow as many",
        ) from error


def under(likely: Likely, answer: Sequence[int], grammar: CompiledGrammar) -> Likely:
    """The same had the model been held to a grammar, as it is when it is called.

    What is forbidden has no chance. All other tokens together keep theirs as far as one of them is allowed:
    which of them the model meant is not known.

    Raises:
        EngineRefused: the grammar does not allow this answer.
    """
    matcher, end = grammar.matcher(), grammar.tokenizer.end
    logs, given = likely.logs.astype(np.float64), likely.given.astype(np.float64)
    for at, token in enumerate(answer):
        bits = np.frombuffer(matcher.compute_bitmask(), np.uint8)
        allowed = np.unpackbits(bits, count=grammar.tokenizer.size, bitorder="little").view(np.bool_)
        listed = allowed[likely.tokens[at]]
        logs[at, :-1][~listed] = -np.inf
        if allowed.sum() == listed.sum():
            logs[at, -1] = -np.inf
        elif not listed.any():
            logs[at, -1] = 0.0
        if allowed.sum() == 1:
            given[at] = 0.0
        else:
            whole = np.logaddexp.reduce(logs[at])
            given[at] = min(0.0, given[at] - whole)
        logs[at] -= np.logaddexp.reduce(logs[at])
        if not allowed[token] or not (token == end or matcher.consume_token(token)):
            raise EngineRefused(f"token {at} of the answer is none that its grammar allows")
    return Likely(likely.tokens, logs.astype(np.float32), given.astype(np.float32))


def _likely(
    tokens: npt.NDArray[np.int64], logs: npt.NDArray[np.float64], given: npt.NDArray[np.float64]
) -> Likely:
    rest = [math.log(left) if left > 0 else -math.inf for left in 1 - np.exp(logs).sum(1)]
    both = np.concatenate([logs, np.array(rest)[:, None]], axis=1)
    return Likely(tokens.astype(np.int32), both.astype(np.float32), given.astype(np.float32))
