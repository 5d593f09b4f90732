"""The exchange: the one place where a model is asked. Journal, record, budgets, strict validation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from speeddial.adapters import is_tuned
from speeddial.contract import Contract
from speeddial.errors import (
    Cancelled,
    ContractViolation,
    EngineError,
    LimitReached,
    Problem,
    RecordError,
    SpeeddialError,
)
from speeddial.events import Event
from speeddial.messages import Message, Status, ToolCall, ToolCalls, compact_json
from speeddial.models import Completion, Receipt, Request, load_model
from speeddial.models.model import Token
from speeddial.record import InteractionRow, JournalKey, Record, taken_over
from speeddial.settings import Settings

BACKOFF_SECONDS = 0.2
"""Wait before the first transport retry; doubled for each one after it."""

MORE = 4
"""How many times as many tokens an answer may have that was cut off the first time."""
_LARGER = "/larger"

Emit = Callable[[Event], None]


class Usage:
    """What one run has used, against its limits.

    Args:
        settings: the limits.
        tokens: tokens that earlier processes of this run generated.
        cost: US dollars that they cost.
        steps: calls that they began.
    """

    def __init__(self, settings: Settings, *, tokens: int = 0, cost: float = 0.0, steps: int = 0) -> None:
        self._settings = settings
        self.tokens = tokens
        self.cost = cost
        self.steps = steps
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since this process took up the run."""
        return time.monotonic() - self._began

    @property
    def seconds_left(self) -> float:
        return self._settings.max_seconds - self.seconds

    @property
    def tokens_left(self) -> int:
        return self._settings.max_tokens - self.tokens

    def begin_step(self) -> None:
        """Count one step.

        Raises:
            LimitReached: there were as many as the run may have.
        """
        if self.steps >= self._settings.max_steps:
            raise _limit("steps", self._settings.max_steps, "max_steps")
        self.steps += 1

    def check(self) -> None:
        """Raises LimitReached when tokens, seconds or cost are used up."""
        settings = self._settings
        if self.tokens_left <= 0:
            raise _limit("generated tokens", settings.max_tokens, "max_tokens")
        if self.seconds_left <= 0:
            raise _limit("seconds", settings.max_seconds, "max_seconds")
        if settings.max_cost and self.cost >= settings.max_cost:
            raise _limit("US dollars", settings.max_cost, "max_cost")

    def count(self, completion: Completion) -> None:
        self.tokens += completion.tokens_out
        self.cost += completion.cost


def _limit(what: str, limit: float, setting: str) -> LimitReached:
    return LimitReached(
        f"the run used up its {limit:g} {what}",
        hint=f"raise {setting} and `speeddial resume` the run; what is done stays done",
    )


@dataclass(frozen=True, kw_only=True)
class Question:
    """One decode that is wanted, with all that the record keeps of it."""

    key: str
    """Place in the run, the same after a resume; a finished answer under it is not paid again."""
    kind: Literal["plan", "model"]
    asked: str
    """Name of the expert or agent that is asked."""
    model: str
    """``engine:name``."""
    messages: tuple[Message, ...]
    contract: Contract
    check: Callable[[Any], list[Problem]] | None = None
    """What the contract's grammar cannot say about the parsed value."""
    adapter: Path | None = None
    adapter_version: str = ""
    tools: Sequence[Mapping[str, Any]] = ()
    """Tool definitions (name, description, parameters), for training data."""
    text: str = ""
    """The words that the messages were made for."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """What came beside the words."""
    max_tokens: int = 256
    step: int = 0
    attempt: int = 1
    """2 when an error was fed back."""
    parent: int | None = None
    escalated_from: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Reply:
    """What came back, already on record."""

    interaction: int
    """Its row in the record."""
    completion: Completion
    value: Any
    """Parsed by the contract; None when `error` is set."""
    status: Status
    error: ContractViolation | None = None
    rows: tuple[int, ...] = ()
    """Every row that it took: two where the first answer was cut off."""
    refused_by_check: bool = False
    """Whether the contract holds and the question's check alone refused it."""

    @property
    def cut_off(self) -> bool:
        """Whether the budget ended before the answer did."""
        return self.completion.finish == "length" and self.status in (Status.SALVAGED, Status.FAILED)


class Exchange:
    """Asks models for one run.

    Args:
        record: where every exchange is written before its result is used.
        run: the run's id.
        usage: its limits.
        settings: transport budget.
    """

    def __init__(
        self, record: Record, run: str, usage: Usage, settings: Settings, root: Path = Path()
    ) -> None:
        self.record = record
        self.run = run
        self.usage = usage
        self._settings = settings
        self._root = root
        self._rows: dict[int, InteractionRow] = {}
        self._told: dict[int, Completion] = {}

    async def ask(self, question: Question) -> Reply:
        """Decode and validate strictly; a finished answer comes from the journal.

        An answer that its budget cut off is asked for once more with a larger one. What is cut off even
        then is salvaged where that can be done; whoever takes it decides what it is good for.

        Raises:
            EngineError: the engine failed and the transport retries are used up.
            LimitReached: the run has nothing left; nothing was sent.
            RecordError: it could not be recorded, so it was not used.
        """
        reply = await self._ask_once(question)
        if not reply.cut_off:
            return reply
        larger = replace(
            question,
            key=f"{question.key}{_LARGER}",
            max_tokens=MORE * question.max_tokens,
            parent=reply.interaction,
            reason="the answer was cut off",
        )
        try:
            again = await self._ask_once(larger)
        except EngineError:
            # More than the model's context holds, for instance; the failure is on record.
            return reply
        return replace(again, rows=(*reply.rows, *again.rows))

    async def _ask_once(self, question: Question) -> Reply:
        known = self.known(question.key)
        if known is not None:
            completion = self.completion(known)
            return _judge(question.contract, question.check, question.attempt, known, completion)
        self.usage.check()
        # Not waited for: it stands before the end, which is.
        asked = await self.record.enqueue(
            self.record.starting(
                self.run,
                question.kind,
                step=question.step,
                attempt=question.attempt,
                parent=question.parent,
                escalated_from=question.escalated_from,
                reason=question.reason,
                expert=question.asked,
                model=question.model,
                adapter=question.asked if question.adapter else "",
                adapter_version=question.adapter_version,
                messages=question.messages,
                tools=question.tools,
                # What was put in for this call stands in the messages, and would be stored anew for each.
                schema=question.contract.unbound.schema,
                schema_hash=question.contract.schema_hash,
            )
        )
        try:
            completion = await self._transport(question)
        except BaseException as error:
            status = "cancelled" if isinstance(error, asyncio.CancelledError) else Status.FAILED
            await self.record.committed(self.record.finishing(asked, status, error=_said(error)))
            raise
        self.usage.count(completion)
        judged = _judge(question.contract, question.check, question.attempt, 0, completion)
        finish = self.record.finishing(
            asked,
            judged.status,
            raw=completion.text,
            tokens=((len(token.text), token.probability) for token in completion.tokens),
            parsed=_as_json(judged.value) if judged.error is None else None,
            error=judged.error.message if judged.error else "",
            receipt=completion.receipt.as_dict(),
            confidence=completion.confidence,
            finish=completion.finish,
            tokens_in=completion.tokens_in,
            tokens_out=completion.tokens_out,
            tokens_forced=completion.tokens_forced,
            cost=completion.cost,
            latency_ms=completion.latency_ms,
        )

        def end() -> int:
            interaction = finish()
            self.kept(question.key, "model", interaction)
            return interaction

        interaction = await self.record.committed(end)
        self._told[interaction] = completion
        return replace(judged, interaction=interaction, rows=(interaction,))

    async def is_tuned(self, name: str, adapter: Path | None, made_for: str, model: str) -> bool:
        """Whether a model is to be asked with this adapter; see `adapters.is_tuned`."""
        return await is_tuned(name, adapter, made_for, model)

    def redacted(self, text: str) -> str:
        """A text as the record keeps it."""
        return self.record.redactor.text(text)

    def original(self, value: Any) -> Any:
        """A value from the record with this run's personal data as it was; secrets stay replaced."""
        return self.record.originals(self.run).restore(value)

    def replay(self, key: str, contract: Contract) -> Reply:
        """A finished decode again, as the journal has it.

        Raises:
            RecordError: there is none under this key.
        """
        known = self.known(f"{key}{_LARGER}") or self.known(key)
        if known is None:
            raise RecordError(f"journal: {self.run} has no answer under {key}")
        return _judge(contract, None, self.row(known).attempt, known, self.completion(known))

    def row(self, interaction: int) -> InteractionRow:
        """An interaction of this run, or one that it took over, with what came of it as it was."""
        if interaction not in self._rows:
            self._rows = {row.id: self._as_it_was(row) for row in self.record.interactions(run=self.run)}
        if interaction not in self._rows:
            self._rows |= {row.id: row for row in taken_over(self.record, self.record.run(self.run))}
        return self._rows[interaction]

    def _as_it_was(self, row: InteractionRow) -> InteractionRow:
        came = {name: getattr(row, name) for name in ("raw", "parsed", "resolved", "result", "text", "error")}
        return replace(row, **self.original(came))

    def completion(self, interaction: int) -> Completion:
        """What a finished decode of this run gave."""
        # What this process was told has its secrets; the record has surrogates for them for good.
        if interaction in self._told:
            return self._told[interaction]
        return recorded_completion(self.row(interaction))

    def known(self, key: str) -> Any:
        """What a finished act of this run gave, here or in an earlier process; None if it is not finished."""
        entry = self.record.journal.get(JournalKey(self.run, 0, 1, key))
        return self.original(entry.result) if entry is not None and entry.finished else None

    async def begin(self, key: str, effect: str, payload: Any) -> bool:
        """Journal that an act begins; False when it was begun before and nobody knows how it ended."""
        place = JournalKey(self.run, 0, 1, key)
        entry = await self.record.committed(lambda: self.record.journal.begin(place, effect, payload))
        return entry.fresh

    async def keep(self, key: str, effect: str, result: Any) -> None:
        """Journal what an act gave; from now on `known` gives it."""
        await self.record.committed(lambda: self.kept(key, effect, result))

    def kept(self, key: str, effect: str, result: Any) -> None:
        """As `keep`, inside a write."""
        self.record.journal.keep(JournalKey(self.run, 0, 1, key), effect, result)

    async def _transport(self, question: Question) -> Completion:
        tries = 1 + self._settings.transport_retries
        for number in range(tries):
            request = Request(
                messages=question.messages,
                contract=question.contract,
                adapter=question.adapter,
                adapter_name=question.asked if question.adapter else "",
                max_tokens=min(question.max_tokens, max(1, self.usage.tokens_left)),
                timeout=min(self._settings.transport_timeout, max(0.1, self.usage.seconds_left)),
                allow_unproven=self._settings.allow_unproven,
                text=question.text,
                given=question.given,
            )
            try:
                return await load_model(question.model, self._root).complete(request)
            except EngineError as error:
                # An engine that was given the run's last seconds timed out because of the run's limit.
                self.usage.check()
                if not error.retryable or number == tries - 1:
                    raise
            await asyncio.sleep(BACKOFF_SECONDS * 2**number)
        raise AssertionError("the last try either returns or raises")


def recorded_completion(row: InteractionRow) -> Completion:
    """What a finished decode gave, as the record has it."""
    return Completion(
        text=row.raw or "",
        receipt=Receipt(**(row.receipt or {})),
        model=row.model,
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        tokens_forced=row.tokens_forced,
        tokens=tuple(_tokens(row)),
        confidence=row.confidence,
        finish="length" if row.finish == "length" else "stop",
        completed=compact_json(row.parsed) if row.status == Status.SALVAGED else "",
        latency_ms=row.latency_ms or 0.0,
        cost=row.cost,
    )


def _tokens(row: InteractionRow) -> Iterator[Token]:
    at = 0
    for length, probability in row.tokens:
        yield Token((row.raw or "")[at : at + length], probability)
        at += length


def _judge(
    contract: Contract,
    check: Callable[[Any], list[Problem]] | None,
    attempt: int,
    interaction: int,
    completion: Completion,
) -> Reply:
    salvaged = bool(completion.completed)
    try:
        value = contract.parse(completion.completed or completion.text)
        problems = check(value) if check else []
        if salvaged and (problems or not _names_its_tool(completion.text, value)):
            # What is said of a text that could not be salvaged is of the text alone: no ending is on record.
            salvaged, value = False, contract.parse(completion.text)
    except ContractViolation as error:
        return Reply(interaction, completion, None, Status.FAILED, error, rows=(interaction,))
    if problems:
        refused = ContractViolation(problems, raw=completion.text)
        return Reply(
            interaction, completion, None, Status.FAILED, refused, (interaction,), refused_by_check=True
        )
    if salvaged:
        status = Status.SALVAGED
    elif isinstance(value, ToolCall) and value.is_refusal:
        status = Status.REFUSED
    elif isinstance(value, ToolCall) and value.is_question:
        status = Status.QUESTION
    else:
        status = Status.EXACT if attempt == 1 else Status.CORRECTED
    return Reply(interaction, completion, value, status, rows=(interaction,))


def _names_its_tool(text: str, value: Any) -> bool:
    """Whether a cut-off text got as far as the name; a call whose very tool was made up is no call.

    Of several calls nobody knows how many were meant.
    """
    if isinstance(value, ToolCalls):
        return False
    return not isinstance(value, ToolCall) or compact_json(value.name) in text.partition('"name"')[2]


def now_text() -> str:
    """The time of an event: UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _as_json(value: Any) -> Any:
    return value.as_dict() if hasattr(value, "as_dict") else value


def _said(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt):
        return Cancelled("cancelled").message
    return error.message if isinstance(error, SpeeddialError) else repr(error)
