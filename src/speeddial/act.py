"""Running the tool of a decoded call: once per effect, approved where needed, on record before and after."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from speeddial.contract import ResolveContext
from speeddial.errors import ModelError, NeedsPerson, SpeeddialError, UserError
from speeddial.events import ApprovalNeeded, ToolFinished
from speeddial.exchange import Emit, Exchange, now_text
from speeddial.messages import Status, ToolCall, ToolCalls, compact_json
from speeddial.outcome import CallOutcome, Phone
from speeddial.record import Approval, InteractionRow
from speeddial.tool import Tool, ToolContext, ToolResult

GRACE_SECONDS = 10.0
"""How long a cancelled run waits for a tool at work, so that its effect is on record."""
_WORST = (Status.FAILED, Status.REFUSED, Status.ESCALATED)
ERROR_CHARS = 400
"""Most of an error that is fed back to a model."""


@dataclass(frozen=True)
class ToolFailure:
    """Why a tool gave no result."""

    reason: str
    mendable: bool
    """Whether the model may try once more: the tool said no before it did anything."""


@dataclass(frozen=True)
class Decision:
    """What a person decided instead of running a tool: fields of the outcome."""

    status: Status
    result: ToolResult | None
    served_by: str
    error: str


class Actor:
    """Runs tools for one run.

    Args:
        exchange: the run's record and journal.
        emit: takes the events.
        approve_all: run tools that need approval without asking.
    """

    def __init__(self, exchange: Exchange, emit: Emit, *, approve_all: bool) -> None:
        self._exchange = exchange
        self._emit = emit
        self._approve_all = approve_all

    async def act(
        self,
        phone: Phone,
        tool: Tool,
        outcome: CallOutcome,
        context: ToolContext,
        place: str,
        *,
        beside: str = "",
    ) -> CallOutcome | ToolFailure:
        """Run the outcome's call, or take from the journal what it gave when it was run before.

        Args:
            outcome: with the call as decoded, and the decode's row as its last interaction.
            place: of this try in the run.
            beside: how the places of the other calls of one answer begin; what became of them is theirs.

        Raises:
            NeedsPerson: the tool needs approval, or it was begun and nobody knows how it ended.
            UserError: the tool cannot work with what the user gave.
            RecordError: it could not be recorded.
        """
        call = outcome.call
        assert call is not None
        known = self._exchange.known(f"{place}/tool")
        if known is not None:
            return _replayed(outcome, self._exchange.row(known))
        if tool.needs_approval:
            decision = await self.approval(phone, call, f"{place}/approval", f"{tool.name} needs approval")
            if decision is not None:
                return replace(outcome, **vars(decision))
        begun = f"{place}/tool"
        if tool.effect == "external":
            doubts = [
                doubt
                for doubt in self._doubts(phone)
                if not beside or doubt.startswith(f"{place}/") or not doubt.startswith(beside)
            ]
            for doubt in doubts:
                decision = await self._settle(phone, call, doubt)
                if decision is not None:
                    return replace(outcome, **vars(decision))
            begun = f"{place}/tool/{len(doubts)}"
            await self._exchange.begin(begun, tool.effect, call.as_dict())
        return await self._run(phone, tool, outcome, context, place, begun)

    async def act_all(
        self, phone: Phone, tools: Sequence[Tool], outcome: CallOutcome, context: ToolContext, place: str
    ) -> CallOutcome | ToolFailure:
        """Run the parts of an outcome in order, neighbours that only read together; one that fails ends it.

        Args:
            tools: of the parts.

        Returns:
            the outcome with its parts; a failure where nothing took effect: all may be tried again.

        Raises:
            NeedsPerson, UserError, RecordError: see `act`; what was done before is journaled.
        """
        done: list[CallOutcome] = []
        failure: ToolFailure | None = None
        while len(done) < len(tools) and failure is None:
            first = len(done)
            reads = list(takewhile(lambda tool: tool.effect == "read", tools[first:]))
            together = range(first, first + max(1, len(reads)))
            ended = await asyncio.gather(
                *(
                    self.act(
                        phone,
                        tools[number],
                        outcome.parts[number],
                        _context_of(context, number),
                        f"{place}/call{number}",
                        beside=f"{place}/call",
                    )
                    for number in together
                ),
                return_exceptions=True,
            )
            if stopped := next((one for one in ended if isinstance(one, BaseException)), None):
                raise stopped
            for part, one in zip(outcome.parts[first:], ended, strict=False):
                if isinstance(one, CallOutcome):
                    done.append(one)
                elif isinstance(one, ToolFailure):
                    failure = failure or one
                    done.append(replace(part, status=Status.FAILED, error=one.reason))
        ran = zip(tools, done, strict=False)
        if failure and failure.mendable and not any(one.ok and tool.effect != "read" for tool, one in ran):
            return failure
        done += [
            replace(part, status=Status.FAILED, error="not begun: a call before it failed")
            for part in outcome.parts[len(done) :]
        ]
        return _joined(outcome, done)

    async def _run(
        self, phone: Phone, tool: Tool, outcome: CallOutcome, context: ToolContext, place: str, begun: str
    ) -> CallOutcome | ToolFailure:
        call = outcome.call
        assert call is not None
        record = self._exchange.record
        started = await record.enqueue(
            record.starting(
                self._exchange.run,
                "tool",
                step=phone.step,
                parent=outcome.interactions[-1],
                expert=outcome.served_by,
                tool=tool.name,
                effect=tool.effect,
                arguments=call.arguments,
                schema_hash=tool.schema_hash,
                idempotency_key=context.idempotency_key,
            )
        )
        if tool.effect != "read":
            await started

        async def end(status: str, *, known: bool, **columns: Any) -> int:
            finish = record.finishing(started, status, **columns)

            def write() -> int:
                interaction = finish()
                if known:
                    for key in {f"{place}/tool", begun}:
                        self._exchange.kept(key, tool.effect, interaction)
                return interaction

            interaction = await record.committed(write)
            self._emit(
                ToolFinished(
                    run_id=self._exchange.run,
                    at=now_text(),
                    step=phone.step,
                    tool=tool.name,
                    effect=tool.effect,
                    text=columns.get("text", ""),
                    error=columns.get("error", ""),
                )
            )
            return interaction

        unknown = "unknown_outcome" if tool.effect == "external" else "failed"
        work = asyncio.ensure_future(tool.run(call.arguments, context))
        cancelled = False
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            cancelled = True
            await asyncio.wait({work}, timeout=GRACE_SECONDS)
        if not work.done():
            work.cancel()
            await end(unknown, known=False, error=f"cancelled, and not at its end after {GRACE_SECONDS:g} s")
            raise asyncio.CancelledError
        error = asyncio.CancelledError() if work.cancelled() else work.exception()
        if error is None:
            result = work.result()
            interaction = await end(
                "done",
                known=True,
                resolved=result.resolved,
                result=result.value,
                text=result.text,
            )
        elif isinstance(error, ModelError):
            await end("failed", known=True, error=error.message)
        else:
            text = error.message if isinstance(error, SpeeddialError) else repr(error)
            await end(unknown, known=False, error=text)
        if cancelled:
            raise asyncio.CancelledError
        if error is None:
            done = (*outcome.interactions, interaction)
            return replace(outcome, result=result, resolved=result.resolved, interactions=done)
        if isinstance(error, ModelError):
            return ToolFailure(error.message[:ERROR_CHARS], mendable=True)
        if isinstance(error, UserError) or not isinstance(error, Exception):
            raise error
        if tool.effect == "external":
            await self._settle(phone, call, begun)
        return ToolFailure(f"{tool.name} broke: {error!r}", mendable=False)

    # ---- a person ----

    async def approval(
        self, phone: Phone, call: ToolCall | ToolCalls, topic: str, question: str, *, blanket: bool = True
    ) -> Decision | None:
        """A person's decision: None to go on, else what takes the place of running the tool.

        Args:
            topic: the question's place in the run; it is asked there once.
            blanket: whether ``--yes`` answers it.

        Raises:
            NeedsPerson: it is not decided yet.
        """
        if self._approve_all and blanket:
            return None
        record, run = self._exchange.record, self._exchange.run
        calls = call.calls if isinstance(call, ToolCalls) else (call,)
        names = ", ".join(one.name for one in calls)
        asked = self._asked(topic)
        if asked is None:
            asked = await record.committed(
                lambda: record.journal.ask(
                    run,
                    phone.step,
                    f"{question}: {', '.join(f'{one.name}({_pairs(one.arguments)})' for one in calls)}",
                    ("approve", "deny", "answer"),
                    topic=topic,
                    details=call.as_dict(),
                )
            )
        wanted, answer = self._exchange.original([asked.question, asked.text])
        if asked.decision == "approve":
            return None
        if asked.decision == "answer":
            return Decision(Status.ESCALATED, ToolResult(answer, {}, answer), "person", "")
        if asked.decision == "deny":
            return Decision(Status.REFUSED, None, "person", f"a person said no to {names}")
        self._emit(
            ApprovalNeeded(
                run_id=self._exchange.run,
                at=now_text(),
                step=phone.step,
                tool=names,
                arguments=calls[0].arguments if len(calls) == 1 else call.as_dict(),
                question=wanted,
            )
        )
        raise NeedsPerson(
            wanted,
            hint=f"`speeddial resume {self._exchange.run}` with --approve, --deny or --answer TEXT",
        )

    def _asked(self, topic: str) -> Approval | None:
        # By its topic alone: the step's number is for show, and a resumed graph may count anew.
        questions = self._exchange.record.journal.questions(self._exchange.run, answered=True)
        redacted = self._exchange.redacted(topic)
        return next((question for question in questions if question.topic == redacted), None)

    def _doubts(self, phone: Phone) -> list[str]:
        """External acts of this request that were begun and of which nobody knows how they ended."""
        entries = self._exchange.record.journal.entries(self._exchange.run, unfinished=True)
        begun = [self._exchange.original(entry.key.kind) for entry in entries if entry.effect == "external"]
        return [kind for kind in begun if kind.startswith(f"{phone.key}/")]

    async def _settle(self, phone: Phone, call: ToolCall, doubt: str) -> Decision | None:
        question = f"unknown_outcome: {call.name} was begun and may have taken effect; run it again"
        # --yes approves tools, it does not know what happened outside.
        return await self.approval(phone, call, f"{doubt}/unknown_outcome", question, blanket=False)


def _context_of(context: ToolContext, number: int) -> ToolContext:
    """The context of one of several calls: each has an effect, and a key for it, of its own."""
    key = hashlib.sha256(f"{context.idempotency_key}/{number}".encode()).hexdigest()[:32]
    return replace(context, idempotency_key=key)


def _joined(outcome: CallOutcome, parts: Sequence[CallOutcome]) -> CallOutcome:
    """The outcome of several calls: done when each has a result."""
    results = [part.result for part in parts if part.result is not None]
    rows = dict.fromkeys(row for part in parts for row in part.interactions)
    joined = replace(outcome, parts=tuple(parts), interactions=tuple(rows))
    worst = next((kind for kind in _WORST if any(part.status is kind for part in parts)), outcome.status)
    if len(results) < len(parts):
        errors = "; ".join(f"{part.call.name}: {part.error}" for part in parts if part.call and not part.ok)
        return replace(joined, status=worst, error=errors)
    text = "\n".join(result.text for result in results)
    return replace(joined, status=worst, result=ToolResult([result.value for result in results], {}, text))


def _replayed(outcome: CallOutcome, row: InteractionRow) -> CallOutcome | ToolFailure:
    if row.status == "failed":
        return ToolFailure(row.error[:ERROR_CHARS], mendable=True)
    result = ToolResult(row.result, row.resolved or {}, row.text)
    return replace(
        outcome, result=result, resolved=result.resolved, interactions=(*outcome.interactions, row.id)
    )


def _pairs(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={compact_json(value)}" for name, value in arguments.items())


def only_decoded(outcome: CallOutcome, tools: Sequence[Tool], context: ToolContext) -> CallOutcome:
    """The outcome with what its tools would receive."""
    ended = [
        replace(one, resolved=_resolved(tool, one.call, context) if one.call else None)
        for one, tool in zip(outcome.each, tools, strict=True)
    ]
    whole = replace(outcome, parts=tuple(ended)) if outcome.parts else ended[0]
    return replace(whole, only_decoded=True)


def _resolved(tool: Tool, call: ToolCall, context: ToolContext) -> dict[str, Any] | None:
    """What the tool would receive; None when a phrase cannot be resolved."""
    from pydantic_core import to_jsonable_python

    contract = tool.contract_for(context)
    try:
        value = contract.resolve(
            contract.load(call.arguments), ResolveContext(now=context.now, references=context.references)
        )
    except ModelError:
        return None
    return {name: to_jsonable_python(item) for name, item in value.items()}
