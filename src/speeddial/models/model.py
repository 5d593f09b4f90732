"""The protocol every engine fulfils: one constrained request in, one completion with its receipt out.

It knows nothing of experts, tools or the record; those are above it (`speeddial.call`).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple
from weakref import WeakKeyDictionary

from speeddial.errors import EngineRefused, UnprovenConstraint
from speeddial.messages import Message

if TYPE_CHECKING:
    from speeddial.contract import Contract
    from speeddial.models.likely import Likely

_TELLING = "the embedded engine and vLLM servers tell them"


@dataclass(frozen=True)
class Request:
    """One decode: what is said, what may come back, and how much of it."""

    messages: tuple[Message, ...]
    contract: Contract
    """What the output must satisfy; its `grammar` constrains the decoding."""
    adapter: Path | None = None
    """PEFT adapter folder for the base model; server engines address it by the folder's expert name."""
    adapter_name: str = ""
    """The name under which a server has loaded that adapter; empty means the base model."""
    max_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0
    timeout: float = 60.0
    """Seconds until the engine gives up with `EngineTimeout`."""
    allow_unproven: bool = False
    """Whether it may be sent to an engine whose constraint is not proven."""
    text: str = ""
    """The words that the messages were made for, when an expert was phoned; what a classifier reads."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """What came beside the words; see `speeddial.given`."""


@dataclass(frozen=True)
class Receipt:
    """Proof of how a completion was decoded (promise P2)."""

    constrained: bool
    backend: str
    """Grammar back end with version, e.g. ``llguidance 1.9.1 via outlines 1.3.3``."""
    schema_hash: str
    proven_by: str = ""
    """What proves it: ``in-process`` or ``canary 2026-11-22T08:00:00Z``; otherwise ``unproven: REASON``."""

    @property
    def unproven(self) -> str:
        """Why the call counts as unconstrained; empty when its constraint is proven."""
        return "" if self.constrained else self.proven_by or "unproven"

    def as_dict(self) -> dict[str, str | bool]:
        return {
            "constrained": self.constrained,
            "backend": self.backend,
            "schema_hash": self.schema_hash,
            "proven_by": self.proven_by,
        }


class Token(NamedTuple):
    """One token of an answer."""

    text: str
    probability: float | None
    """The model's, under the constraint; None where the grammar left no choice."""


@dataclass(frozen=True)
class Completion:
    """What came back, as bytes of text, with what it cost."""

    text: str
    receipt: Receipt
    model: str
    """The full name that served it, e.g. ``embedded:smollm2-135m-instruct``."""
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_forced: int = 0
    """Of `tokens_out`, those that the grammar left no choice about; -1 when the engine cannot say."""
    tokens: tuple[Token, ...] = ()
    """The text token by token; empty when the engine does not tell."""
    confidence: float | None = None
    """Geometric mean probability of the tokens that were the model's own choice; None when unknown."""
    finish: Literal["stop", "length"] = "stop"
    completed: str = ""
    """`text` with a shortest ending found by search, where the budget cut it off and one was found."""
    latency_ms: float = 0.0
    cost: float = 0.0
    """In US dollars, from the price table in the settings; 0 for local engines."""


@dataclass(frozen=True)
class Canary:
    """Outcome of the start-up proof that constrained decoding is live on this engine."""

    passed: bool
    backend: str
    detail: str
    at: str = ""
    """UTC time, ISO 8601."""
    unenforced: tuple[str, ...] = ()
    """Kinds of rules that this engine leaves to the validator, seen while it passed."""

    def receipt(self, schema_hash: str) -> Receipt:
        """The receipt of a call of an engine that gave this proof, or failed to."""
        if not self.passed:
            return Receipt(False, self.backend, schema_hash, f"unproven: {self.detail}")
        but = f", but for {' and '.join(self.unenforced)}" if self.unenforced else ""
        return Receipt(True, self.backend, schema_hash, f"canary {self.at}{but}")


class Model(ABC):
    """One model on one engine.

    Subclasses implement `_complete` and `_canary`; `complete` adds the rule that nothing is sent to
    an engine whose constraint is not proven.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        """Full name, ``engine:model``."""
        self._canary_result: Canary | None = None
        # A lock belongs to the event loop that waits on it, and a model outlives loops.
        self._canary_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    @property
    def engine(self) -> str:
        """The part of the name before the first colon."""
        return self.name.split(":", 1)[0]

    @abstractmethod
    async def _complete(self, request: Request, canary: Canary) -> Completion:
        """Decode once. Raises EngineError subclasses; never returns an empty text for a refused schema."""

    @abstractmethod
    async def _canary(self) -> Canary:
        """Run the proof: a constraint that an unconstrained model would break."""

    async def canary(self) -> Canary:
        """The proof's outcome, run once for this object.

        Raises:
            EngineUnreachable, EngineTimeout: the engine did not answer.
        """
        async with self._canary_locks.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
            if self._canary_result is None:
                self._canary_result = await self._canary()
        return self._canary_result

    async def complete(self, request: Request) -> Completion:
        """Decode one request under its contract.

        Raises:
            UnprovenConstraint: the canary failed, so the request was not sent unless it allows that.
            EngineError: the engine failed; `retryable` says whether trying again can help.
        """
        canary = await self.canary()
        if not canary.passed and not request.allow_unproven:
            raise UnprovenConstraint(
                f"{self.name}: constrained decoding is not live ({canary.detail})",
                hint="see `speeddial doctor`; allow_unproven lets it serve as it is, and that is recorded",
            )
        completion = await self._complete(request, canary)
        if not canary.passed:
            completion = replace(completion, receipt=canary.receipt(request.contract.schema_hash))
        if completion.finish == "length" and not completion.completed:
            # Here, as llguidance and numpy cost every command that asks no model 0.1 s.
            from speeddial.models.salvage import salvaged

            completed = await asyncio.to_thread(salvaged, completion.text, request.contract)
            completion = replace(completion, completed=completed)
        return completion

    async def encode(self, text: str) -> list[int]:
        """Token ids of a text, or of one control token.

        Raises:
            EngineRefused: this engine does not tell.
        """
        raise EngineRefused(f"{self.name}: {self.engine} does not tell its tokens", hint=_TELLING)

    async def likely(
        self,
        prompt: Sequence[int],
        answer: Sequence[int],
        most: int,
        *,
        adapter: Path | None = None,
        adapter_name: str = "",
    ) -> Likely:
        """What the model would have said in place of each token of an answer, unconstrained.

        Args:
            prompt, answer: token ids.
            most: how many of the likeliest tokens are told.
            adapter, adapter_name: as in a `Request`.

        Raises:
            EngineError: this engine does not tell, or it failed.
        """
        raise EngineRefused(f"{self.name}: {self.engine} tells no probabilities of texts", hint=_TELLING)

    async def aclose(self) -> None:  # noqa: B027 - most engines hold nothing to release
        """Release what the engine holds; safe to call twice."""
