"""The one path by which an expert is phoned: prompt, decode, validate, execute, record, escalate."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from speeddial.act import Actor, ToolFailure, only_decoded
from speeddial.agent import Agent
from speeddial.calibration import Piece
from speeddial.contract import problems_text
from speeddial.errors import EngineError, NotFound, UserError
from speeddial.events import CallDecoded, Escalated
from speeddial.exchange import Emit, Exchange, Question, Reply, now_text
from speeddial.expert import Expert
from speeddial.given import GIVEN, lacking, with_defaults
from speeddial.messages import REFUSE, Message, Status, ToolCall, ToolCalls
from speeddial.models import Completion
from speeddial.outcome import CallOutcome, Phone
from speeddial.prepared import Prepared, prepare
from speeddial.settings import Settings
from speeddial.tool import Tool, ToolContext

GENERALIST = "generalist"
_SERVED = (Status.EXACT, Status.CORRECTED, Status.SALVAGED)
LONGEST_REPEATED = 1000
"""Characters of a request that is said again with the error; a longer one would fill the context."""
OUTCOME = "outcome"
"""Effect under which the journal keeps how a request came out."""


class Registry(Protocol):
    """What calls need of a project."""

    @property
    def settings(self) -> Settings: ...
    @property
    def tools(self) -> Mapping[str, Tool]: ...
    @property
    def experts(self) -> Mapping[str, Expert]: ...
    @property
    def workspace(self) -> Path: ...
    def expert(self, name: str) -> Expert: ...
    def agent(self, role: str) -> Agent: ...
    def model_of(self, expert: Expert) -> str: ...


@dataclass(frozen=True)
class _Member:
    """One link of the escalation chain."""

    name: str
    expert: Expert
    model: str
    tuned: bool


@dataclass(frozen=True)
class _GaveUp:
    """Why a member did not serve, as the journal keeps it."""

    reason: str
    refused: bool = False
    interaction: int | None = None
    """Its last decode, which the next member's is escalated from."""
    engine: bool = False
    unsure_try: int | None = None
    """Number of the try whose valid call is in doubt; see `_doubt`."""


@dataclass
class _Trail:
    """What a request gathers on its way along the chain."""

    interactions: list[int] = field(default_factory=list)
    escalated_from: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Instead:
    """Who serves one step in place of whom the run would phone: what a fork asks for."""

    step: int
    task: str
    """The step's request; empty for any."""
    expert: str = ""
    """The same one unless given."""
    model: str = ""
    """``engine:name`` of the first that is asked; the same one unless given."""

    def __contains__(self, phone: Phone) -> bool:
        return phone.step == self.step and self.task in ("", phone.text)


class Caller:
    """Phones experts for one run.

    Args:
        registry: the project.
        exchange: where models are asked, and the run's record and journal.
        files: granted files, name -> path.
        now: the run's reference time.
        emit: takes the events.
        approve_all: run tools that need approval, and unsure calls, without asking.
        execute: False decodes only; no tool runs.
        instead: who serves some of the steps, in a fork; the first that fits counts.
    """

    def __init__(
        self,
        registry: Registry,
        exchange: Exchange,
        *,
        files: Mapping[str, Path],
        now: datetime,
        emit: Emit,
        approve_all: bool = False,
        execute: bool = True,
        instead: Sequence[Instead] = (),
    ) -> None:
        self._registry = registry
        self._exchange = exchange
        self._files = files
        self._now = now
        self._emit = emit
        self._execute = execute
        self._instead = instead
        self._actor = Actor(exchange, emit, approve_all=approve_all)
        self.outcomes: dict[str, CallOutcome] = {}
        """Journal key -> outcome, of what this process did."""

    async def phone(self, phone: Phone) -> CallOutcome:
        """Phone an expert; a request that was finished before is not done again.

        Returns:
            the outcome; refusals and failures are outcomes too, not exceptions.

        Raises:
            NotFound: no such expert or file.
            UserError: the expert needs a file, none is named, and not exactly one is granted; or something
                else that it needs is not given.
            NeedsPerson: a person must decide first; ask again after `Journal.answer`.
            EngineError: every engine that could serve it failed.
            LimitReached: the run has nothing left.
            RecordError: something could not be recorded.
        """
        if instead := self._served_instead(phone):
            phone = replace(phone, expert=instead.expert or phone.expert)
        expert = self._registry.expert(phone.expert)
        if phone.file is not None and phone.file not in self._files:
            raise NotFound(
                f"file {phone.file!r} was not granted to this run",
                hint=f"granted: {', '.join(self._files) or 'none'}; give it with --input",
            )
        phone = replace(phone, given=with_defaults(expert.needs, phone.given, self._registry.workspace))
        if lacked := lacking(expert.needs, phone.given):
            raise UserError(
                f"{expert.name} needs {lacked}, and none are given: {GIVEN[lacked]}",
                hint=f'--given FILE.json with {{"{lacked}": ...}}, or that key in the line of --batch, or '
                f"{lacked}.toml in the workspace",
            )
        if expert.needs_file and phone.file is None and "columns" not in phone.given:
            if len(self._files) != 1:
                raise UserError(
                    f"{expert.name} works on a file, and {len(self._files)} were granted",
                    hint="name one of them" if self._files else "grant one with --input FILE",
                )
            phone = replace(phone, file=next(iter(self._files)))
        key = f"{phone.key}/{expert.name}"
        known = self._exchange.known(key)
        if known is not None:
            return replace(CallOutcome.from_json(known), step=phone.step)
        self._exchange.usage.begin_step()
        began = time.perf_counter()
        trail = _Trail(reason=phone.reason)
        outcome = replace(
            await self._along_chain(phone, expert, key, trail),
            interactions=tuple(trail.interactions),
            latency_ms=(time.perf_counter() - began) * 1000,
        )
        await self._exchange.keep(key, OUTCOME, outcome.as_json())
        self.outcomes[key] = outcome
        return outcome

    def _served_instead(self, phone: Phone) -> Instead | None:
        return next((instead for instead in self._instead if phone in instead), None)

    # ---- the chain ----

    async def _chain(self, expert: Expert, phone: Phone) -> list[_Member]:
        chain = []
        for one in (expert, *(self._registry.expert(name) for name in expert.next)):
            if one is expert or not one.needs_file or phone.file is not None:
                model = self._registry.model_of(one)
                if one is expert and (instead := self._served_instead(phone)):
                    model = instead.model or model
                tuned = await self._exchange.is_tuned(one.name, one.adapter, one.model, model)
                chain.append(_Member(one.name, one, model, tuned))
        generalist = planner_model(self._registry)
        # The same weights without the adapter cannot know better, and would put a made-up call in
        # the place of an honest refusal.
        if chain[0].model != generalist:
            itself = replace(expert, threshold=0.0, calibration=None)
            chain.append(_Member(GENERALIST, itself, generalist, tuned=False))
        return chain

    async def _along_chain(self, phone: Phone, expert: Expert, key: str, trail: _Trail) -> CallOutcome:
        given_up: list[tuple[_Member, _GaveUp]] = []
        engine_error: EngineError | None = None
        for member in await self._chain(expert, phone):
            place = f"{key}/{member.name}"
            known = self._exchange.known(f"{place}/gave_up")
            if given_up and known is None:
                self._escalate(phone, *given_up[-1], member, trail)
            if known is not None:
                given_up.append((member, _GaveUp(**known)))
                continue
            try:
                ended = await self._ask_member(phone, member, place, trail)
            except EngineError as error:
                engine_error = engine_error or error
                given_up.append((member, _GaveUp(error.message, engine=True)))
                continue
            if isinstance(ended, CallOutcome):
                escalated = given_up and ended.status in _SERVED
                return replace(ended, status=Status.ESCALATED) if escalated else ended
            given_up.append((member, ended))
            await self._exchange.keep(f"{place}/gave_up", "read", vars(ended))
        reasons = [why for _, why in given_up]
        if engine_error is not None and all(why.engine for why in reasons):
            raise engine_error
        for member, why in given_up:
            if why.unsure_try is not None:
                return await self._take_unsure(phone, member, why.unsure_try, why, key, trail)
        refused = all(why.refused or why.engine for why in reasons)
        # What is reported is the first one's answer; the others' are on record as escalated from it.
        member, why = next((pair for pair in given_up if not pair[1].engine), given_up[0])
        answered = self._exchange.completion(why.interaction) if why.interaction is not None else None
        return CallOutcome(
            status=Status.REFUSED if refused else Status.FAILED,
            expert=expert.name,
            task=phone.text,
            step=phone.step,
            call=ToolCall(REFUSE, {"reason": why.reason}) if refused else None,
            confidence=_confidence(member, answered) if answered else None,
            receipt=answered.receipt if answered else None,
            error="; ".join(f"{member.name}: {why.reason}" for member, why in given_up),
            model=answered.model if answered else member.model,
        )

    def _escalate(self, phone: Phone, last: _Member, why: _GaveUp, member: _Member, trail: _Trail) -> None:
        trail.escalated_from = why.interaction
        trail.reason = f"{last.name}: {why.reason}"
        self._emit(
            Escalated(
                run_id=self._exchange.run,
                at=now_text(),
                step=phone.step,
                expert=last.name,
                to=member.name,
                reason=why.reason,
            )
        )

    async def _ask_member(
        self, phone: Phone, member: _Member, place: str, trail: _Trail, *, unsure_try: int | None = None
    ) -> CallOutcome | _GaveUp:
        """Two tries with one member of the chain.

        Args:
            unsure_try: a try whose call is to be taken in spite of its confidence.
        """
        expert = member.expert
        context = self._context(phone)
        prepared = await self._prepare(expert, context)
        messages = _messages(phone, member, prepared)
        question = Question(
            key="",
            kind="model",
            asked=expert.name,
            model=member.model,
            messages=messages,
            contract=prepared.contract,
            check=prepared.check,
            adapter=expert.adapter if member.tuned else None,
            adapter_version=expert.version if member.tuned else "",
            tools=prepared.definitions,
            text=phone.text,
            given=phone.given,
            step=phone.step,
            escalated_from=trail.escalated_from,
            reason=trail.reason,
        )
        said: str | None = None
        feedback = ""
        for number in (1, 2):
            reply = await self._exchange.ask(
                replace(question, key=f"{place}/{number}/model", messages=messages, attempt=number)
            )
            trail.interactions.extend(reply.rows)
            if reply.completion.text == said:
                return _GaveUp(f"the same again after: {feedback}", interaction=reply.interaction)
            said = reply.completion.text
            if reply.error is not None:
                # Without the whole example: small models copy it (benchmarks/README.md, repair).
                feedback = problems_text(reply.error.problems)
                if closer := prepared.closer(said) if reply.refused_by_check else None:
                    # Asked the same with less to choose from: no small model makes much of words about it.
                    question = replace(
                        question, contract=closer, parent=reply.interaction, reason=feedback, check=None
                    )
                    continue
            else:
                ended = await self._take(
                    phone,
                    member,
                    reply,
                    prepared.tools,
                    context,
                    f"{place}/{number}",
                    trail,
                    sure=number == unsure_try,
                )
                if not isinstance(ended, ToolFailure):
                    return ended
                if not ended.mendable:
                    return _GaveUp(ended.reason, interaction=reply.interaction)
                feedback = ended.reason
            question = replace(question, parent=reply.interaction, reason=feedback)
            messages = (*messages, Message("assistant", said), _feedback(feedback, phone.text))
        return _GaveUp(feedback, interaction=trail.interactions[-1])

    async def _take(
        self,
        phone: Phone,
        member: _Member,
        reply: Reply,
        tools: Mapping[str, Tool],
        context: ToolContext,
        place: str,
        trail: _Trail,
        *,
        sure: bool,
    ) -> CallOutcome | _GaveUp | ToolFailure:
        """Act on a valid answer.

        Args:
            sure: take it whatever its confidence, and though it was salvaged.
        """
        answer: ToolCall | ToolCalls = reply.value
        if isinstance(answer, ToolCall) and answer.is_refusal:
            return _GaveUp(answer.reason, refused=True, interaction=reply.interaction)
        outcome = _outcome(phone, member, reply, tuple(trail.interactions))
        if isinstance(answer, ToolCall) and answer.is_question:
            return replace(outcome, error=answer.question)
        for call in outcome.calls:
            self._emit(
                CallDecoded(
                    run_id=self._exchange.run,
                    at=now_text(),
                    step=phone.step,
                    expert=member.name,
                    model=reply.completion.model,
                    name=call.name,
                    arguments=call.arguments,
                    status=str(reply.status),
                    confidence=outcome.confidence,
                    latency_ms=reply.completion.latency_ms,
                    unproven=reply.completion.receipt.unproven,
                )
            )
        called = [tools[call.name] for call in outcome.calls]
        doubt = "" if sure else _doubt(reply, member, called)
        if doubt:
            number = 2 if place.endswith("/2") else 1
            return _GaveUp(doubt, interaction=reply.interaction, unsure_try=number)
        if not self._execute:
            # A shape is read off the step's file, which may be large.
            if any(tool.shape for tool in called):
                return await asyncio.to_thread(only_decoded, outcome, called, context)
            return only_decoded(outcome, called, context)
        if isinstance(answer, ToolCalls):
            ended = await self._actor.act_all(phone, called, outcome, context, place)
        else:
            ended = await self._actor.act(phone, called[0], outcome, context, place)
        if isinstance(ended, CallOutcome):
            trail.interactions[:] = ended.interactions
        return ended

    async def _take_unsure(
        self, phone: Phone, member: _Member, number: int, why: _GaveUp, key: str, trail: _Trail
    ) -> CallOutcome:
        """Nobody did better: a person says whether this call is to be taken."""
        place = f"{key}/{member.name}"
        prepared = await self._prepare(member.expert, self._context(phone))
        reply = self._exchange.replay(f"{place}/{number}/model", prepared.contract)
        unsure = replace(
            _outcome(phone, member, reply, ()), status=Status.QUESTION, error=f"{member.name}: {why.reason}"
        )
        if not self._execute:
            return unsure
        # --yes approves what a model meant to do; what was cut off nobody has read to its end.
        blanket = reply.status is not Status.SALVAGED
        decision = await self._actor.approval(
            phone, reply.value, f"{place}/unsure", f"{member.name} is {why.reason}", blanket=blanket
        )
        if decision is not None:
            return replace(unsure, **vars(decision))
        ended = await self._ask_member(phone, member, place, trail, unsure_try=number)
        if isinstance(ended, CallOutcome):
            return ended
        return replace(unsure, status=Status.FAILED, error=f"{member.name}: {ended.reason}")

    # ---- prompt ----

    def _context(self, phone: Phone) -> ToolContext:
        # Of the run and the request only: a retry, another expert or a resumed process has the same.
        effect = hashlib.sha256(f"{self._exchange.run}/{phone.key}".encode()).hexdigest()[:32]
        return ToolContext(
            workspace=self._registry.workspace,
            files={phone.file: self._files[phone.file]} if phone.file is not None else {},
            now=self._now,
            idempotency_key=effect,
            given=phone.given,
            references={number: used.text for number, used in phone.uses.items()},
            request=phone.text,
        )

    async def _prepare(self, expert: Expert, context: ToolContext) -> Prepared:
        prepared = await prepare(expert, context, self._registry.tools)
        bare = [tool.name for tool in prepared.tools.values() if not tool.runnable]
        if bare and self._execute:
            raise UserError(
                f"{expert.name}: {', '.join(bare)} came as a schema, and there is nothing here to run",
                hint="--no-execute decodes the calls; or make it a tool of the project, in tools/",
            )
        return prepared


def planner_model(registry: Registry) -> str:
    """The planner's engine and model: the setting, else its card's; also the generalist's."""
    settings = registry.settings
    try:
        own = registry.agent("planner").model
    except NotFound:
        own = ""
    return own if own and settings.is_default("planner") else settings.planner


def _confidence(member: _Member, completion: Completion) -> float | None:
    """The chance that an answer is right where the member is calibrated, else the engine's mean."""
    calibration, model = member.expert.calibration, member.expert.calibrated_as(member.model)
    if calibration is None or (model, member.tuned) != (calibration.model, bool(calibration.adapter)):
        return completion.confidence
    return calibration.confidence([Piece(*token) for token in completion.tokens])


def _doubt(reply: Reply, member: _Member, tools: Sequence[Tool]) -> str:
    """Why a valid call is taken only if nobody gives a better one and a person agrees; empty for none."""
    if reply.status is Status.SALVAGED and any(tool.effect != "read" for tool in tools):
        return "cut off before the end of its answer"
    confidence, threshold = _confidence(member, reply.completion), member.expert.threshold
    if confidence is not None and confidence < threshold:
        return f"unsure ({confidence:.2f} where {threshold:.2f} is needed)"
    return ""


def _outcome(phone: Phone, member: _Member, reply: Reply, interactions: tuple[int, ...]) -> CallOutcome:
    outcome = CallOutcome(
        status=reply.status,
        expert=phone.expert,
        served_by=member.name,
        task=phone.text,
        step=phone.step,
        confidence=_confidence(member, reply.completion),
        receipt=reply.completion.receipt,
        interactions=interactions,
        model=reply.completion.model,
    )
    answer: ToolCall | ToolCalls = reply.value
    if isinstance(answer, ToolCalls):
        return replace(outcome, parts=tuple(replace(outcome, call=call) for call in answer.calls))
    return replace(outcome, call=answer)


def _messages(phone: Phone, member: _Member, prepared: Prepared) -> tuple[Message, ...]:
    system = member.expert.prompt
    if not member.tuned:
        system = f"{system}\n{prepared.contract.describe()}"
    lines = [*prepared.prefaces, phone.text]
    lines += [f"#{number} = {used.task}" for number, used in sorted(phone.uses.items())]
    return (Message("system", system), Message("user", "\n".join(lines)))


def _feedback(feedback: str, request: str) -> Message:
    """What was wrong, and the request once more: that is what experts were trained to answer."""
    again = f"\nAgain: {request}" if len(request) <= LONGEST_REPEATED else ""
    return Message("user", f"Wrong:\n{feedback}{again}")
