"""The live run, as workflows see it: phone experts, make plans, compose the answer, under its limits."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections import Counter
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from speeddial.answer import Answerer
from speeddial.call import Caller, Registry
from speeddial.errors import NeedsPerson, SpeeddialError
from speeddial.events import StepFinished, StepStarted
from speeddial.exchange import Emit, Exchange, now_text
from speeddial.judge import ROLE, Criteria, Verdict, given_for
from speeddial.messages import compact_json
from speeddial.outcome import CallOutcome, Phone, Used
from speeddial.plan import Plan
from speeddial.planner import Planner

STEP = "step/"
"""What keys of a plan's steps begin with."""

Uses = Sequence[CallOutcome] | Mapping[int, CallOutcome]


class Run:
    """One run at work.

    Everything that costs or has an effect is journaled under a key made of what is asked (or given with
    ``key=``), so a resumed run gets back what it had finished.
    """

    def __init__(
        self,
        *,
        task: str,
        files: Sequence[str],
        now: datetime,
        registry: Registry,
        exchange: Exchange,
        caller: Caller,
        planner: Planner,
        answerer: Answerer,
        emit: Emit,
        first_step: int = 1,
    ) -> None:
        self.id = exchange.run
        self.task = task
        """The user's request."""
        self.files = tuple(files)
        """Names of the granted files."""
        self.now = now
        """Reference time, aware."""
        self.registry = registry
        self._exchange = exchange
        self._caller = caller
        self._planner = planner
        self._answerer = answerer
        self._emit = emit
        self._steps: Iterator[int] = itertools.count(first_step)
        self._scope = ""
        self._seen: Counter[str] = Counter()
        self._calls: set[asyncio.Task[object]] = set()
        self.suspended: list[SpeeddialError] = []
        """What graph nodes stopped for; the run can go on when it is mended."""

    def scoped(self, scope: str) -> Run:
        """The same run, with keys of its own for one node, which may be run again by itself."""
        other = object.__new__(Run)
        other.__dict__.update(self.__dict__)
        other._scope = f"{scope}/"
        other._seen = Counter()
        return other

    def phone(
        self,
        expert: str,
        text: str,
        *,
        file: str | None = None,
        uses: Uses = (),
        key: str = "",
        step: int | None = None,
        given: Mapping[str, Any] | None = None,
    ) -> Awaitable[CallOutcome]:
        """Phone an expert; await it, or gather several to have them at work together.

        Args:
            expert: its name.
            text: the request, as the user would say it.
            file: name of the granted file to work on.
            uses: earlier outcomes that the text means; a sequence is numbered from 1.
            key: names this call within the run; by default what is asked, and how often it was asked before.
            step: number to show; counted up by default.
            given: what the expert needs beside the words; see `speeddial.given`.

        Returns:
            the outcome; refusals and failures are outcomes (``ok`` is False), not exceptions.

        Raises:
            NotFound, NeedsPerson, EngineError, LimitReached, RecordError: see `Caller.phone`.
            RunFailed: an outcome in `uses` was not done.
        """
        numbered = dict(uses) if isinstance(uses, Mapping) else dict(enumerate(uses, start=1))
        used = {}
        for number, outcome in numbered.items():
            if not outcome.done:
                _ = outcome.value
            # Of what was only decoded there is no text to put in the reference's place.
            used[number] = Used(outcome.task, outcome.text if outcome.ok else f"#{number}")
        if not key:
            asked: list[Any] = [
                expert,
                text,
                file,
                [[number, item.task] for number, item in sorted(used.items())],
            ]
            if given:
                asked.append(dict(given))
            key = self._scope + self._numbered(self._digest(asked))
        # The number is taken now, in the order of the calls, not when the coroutine is first awaited.
        number = next(self._steps) if step is None else step
        return self._phone(
            Phone(expert=expert, text=text, key=key, file=file, uses=used, step=number, given=given or {})
        )

    async def judge(self, answer: str, criteria: Criteria, *, asked: str = "") -> Verdict:
        """Have an answer judged; see `Runner.judge`."""
        return (await self.phone(ROLE, answer, given=given_for(criteria, asked))).as_type(Verdict)

    async def plan(self, task: str = "", *, failures: Sequence[str] = (), attempt: int = 1) -> Plan:
        """Have the planner split a task.

        Args:
            task: the run's own unless given.
            failures: why the plans before did not work.
            attempt: number of the plan in the run.

        Raises:
            PlanError: no plan type-checked.
        """
        asked = [task or self.task, list(failures), attempt]
        key = f"{self._scope}plan/{self._numbered(self._digest(asked))}"
        return await self._planner.plan(task or self.task, failures=failures, key=key, attempt=attempt)

    async def carry_out(self, plan: Plan) -> dict[str, CallOutcome]:
        """Do the steps of a plan, each as soon as the steps that it uses have results.

        Independent steps are at work together. When one stops the run (a person is needed, a limit is
        reached), those beside it come to their end first.

        Returns:
            key from `step_keys` -> outcome; a step that needs one that failed is not in it.

        Raises:
            NeedsPerson, EngineError, LimitReached, RecordError: see `phone`.
        """
        keys = self.step_keys(plan)
        tasks: list[asyncio.Task[CallOutcome | None]] = []

        async def do(number: int) -> CallOutcome | None:
            step = plan.steps[number - 1]
            used = {earlier: await tasks[earlier - 1] for earlier in step.uses}
            ready = {earlier: outcome for earlier, outcome in used.items() if outcome and outcome.done}
            if len(ready) < len(used):
                return None
            key = keys[number - 1].rpartition("/")[0]
            return await self.phone(step.expert, step.task, file=step.file, uses=ready, key=key, step=number)

        for number in range(1, len(plan.steps) + 1):
            tasks.append(asyncio.create_task(do(number)))
        try:
            if tasks:
                await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        errors = [error for error in ended if isinstance(error, BaseException)]
        if errors:
            raise min(errors, key=lambda error: isinstance(error, NeedsPerson))
        outcomes = zip(keys, ended, strict=True)
        return {key: outcome for key, outcome in outcomes if isinstance(outcome, CallOutcome)}

    def step_keys(self, plan: Plan) -> tuple[str, ...]:
        """A key for each step that is the same in every plan of this run that has the step.

        A step is what is asked of whom, with which file, on which earlier steps; the n-th of the same is
        told apart. So a step that was done is not done again because the plan was made anew.
        """
        # The expert stands last: an effect is the same effect whoever serves the step.
        keys: list[str] = []
        seen: Counter[str] = Counter()
        for step in plan.steps:
            digest = self._digest([step.task, step.file, [keys[used - 1] for used in step.uses]])
            seen[digest] += 1
            keys.append(f"{STEP}{digest}.{seen[digest]}/{step.expert}")
        return tuple(keys)

    async def answer(
        self,
        served: Sequence[CallOutcome],
        failed: Sequence[CallOutcome] = (),
        missing: Sequence[str] = (),
        held_up: Sequence[str] = (),
    ) -> str:
        """Compose the answer from results; numbers come from them and from nowhere else.

        Args:
            served: outcomes with a result.
            failed: outcomes without.
            missing: parts of the task that no expert serves.
            held_up: parts that were not begun because they need one that failed.
        """
        key = f"{self._scope}answer"
        return await self._answerer.answer(self.task, served, failed, missing, held_up, key=key)

    async def settle(self) -> None:
        """Wait for calls that are still at work, for example beside one in a gather that raised."""
        mine = asyncio.current_task()
        others = {call for call in self._calls if call is not mine and not call.done()}
        if others:
            await asyncio.wait(others)

    async def _phone(self, phone: Phone) -> CallOutcome:
        task = asyncio.current_task()
        assert task is not None
        # A task that phones twice is in the set once and leaves it with its first call.
        self._calls.add(task)
        try:
            self._emit(
                StepStarted(
                    run_id=self.id, at=now_text(), step=phone.step, expert=phone.expert, task=phone.text
                )
            )
            outcome = await self._caller.phone(phone)
            self._emit(
                StepFinished(
                    run_id=self.id,
                    at=now_text(),
                    step=phone.step,
                    expert=phone.expert,
                    status=str(outcome.status),
                    text=outcome.text,
                    latency_ms=outcome.latency_ms,
                )
            )
            return outcome
        finally:
            self._calls.discard(task)

    def _digest(self, asked: object) -> str:
        # Of the redacted text: a resumed run sees no other.
        return hashlib.sha256(self._exchange.redacted(compact_json(asked)).encode()).hexdigest()[:16]

    def _numbered(self, digest: str) -> str:
        self._seen[digest] += 1
        return f"{digest}.{self._seen[digest]}"
