"""The recorded interactions of one run, given out to its replay: each once, in the order of their ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from speeddial.errors import EngineError, LimitReached, ToolError, UserError
from speeddial.exchange import Question
from speeddial.messages import compact_json
from speeddial.record import INTERRUPTED, RUNNING, InteractionRow, JournalEntry, RunRow

STALL_SECONDS = 2.0
"""Longest wait for an answer's turn without progress; it ends one that asks less than the run did."""
CUT_OFF = "the answer was cut off"
_Moment = tuple[str, int]
"""``began`` or ``ended``, and an interaction."""
_CUT_SHORT = (RUNNING, INTERRUPTED, "cancelled")


class Diverged(UserError):
    """The replay asks what the run did not; it stops there."""

    code = "diverged"


class Broke(Exception):
    """Stands for the exception of a tool that broke, of which the record has the text alone."""

    def __repr__(self) -> str:
        return str(self)


class Answers:
    """What models and tools of one run answered.

    Args:
        run: with all its interactions, those that it took over among them.
        journal: its own, and that of the runs that it took steps over from.
        stop: stops the replay as the run was stopped.
    """

    def __init__(self, run: RunRow, journal: Iterable[JournalEntry], stop: Callable[[], None]) -> None:
        self._run = run
        self._refusals = set[int]()
        """Of tools that failed, those that said no to the model; the others broke."""
        self._begun: list[Any] = []
        """Calls that were begun outside, and whose end nobody saw."""
        for entry in journal:
            if not entry.finished and entry.effect == "external":
                self._begun.append(entry.payload)
            elif isinstance(entry.result, int):
                self._refusals.add(entry.result)
        self._stop = stop
        self._free = {row.id: row for row in run.interactions}
        self._by: dict[Hashable, list[InteractionRow]] = {}
        for row in run.interactions:
            for key in _keys(row):
                self._by.setdefault(key, []).append(row)
        self._course = _course(run)
        self._next = 0
        self._past: set[_Moment] = set()
        self._in_order = True
        self._waiting: list[asyncio.Future[None]] = []
        self.decodes: list[InteractionRow | None] = []
        """Of the replay's decodes, in their order, the recorded one; None where the replay was stopped."""
        self._acts: list[tuple[Hashable, str, InteractionRow | None]] = []
        self.diverged: list[dict[str, Any]] = []

    @property
    def left(self) -> list[InteractionRow]:
        """What the replay did not ask for."""
        return list(self._free.values())

    def for_question(self, question: Question, messages: Sequence[Mapping[str, Any]]) -> InteractionRow:
        """The recorded decode that answers a question; from now on it is given to nobody else.

        It is the one that asked the same, else the one in its place: same step, expert and attempt.

        Args:
            messages: as the record would keep them.

        Raises:
            LimitReached: the run had come to its limit here.
            Diverged: the run asked nothing like it.
        """
        attempt, contract = question.attempt, question.contract
        same = _same(question.kind, question.asked, question.model, attempt, contract.schema_hash, messages)
        place = _place(question.kind, question.asked, question.step, attempt, question.reason)
        found = self._first(same, lambda row: (row.step != question.step, row.reason != question.reason))
        found = found or self._first(place)
        if found is None:
            asked = {
                "expert": question.asked,
                "model": question.model,
                "attempt": question.attempt,
                "messages": list(messages),
            }
            self._nothing(question.step, asked)
        self._take(found)
        self.decodes.append(found)
        return found

    def for_tool(self, tool: str, arguments: Any, key: str) -> InteractionRow:
        """The recorded use of a tool with these arguments.

        Args:
            arguments: as the record would keep them.
            key: the idempotency key, which tells equal calls of several steps apart.

        Raises:
            LimitReached, Diverged: as for `for_question`.
        """
        use = _use(tool, arguments)
        found = self._first(use, lambda row: (row.idempotency_key != key,))
        self._acts.append((use, key, found))
        call = {"name": tool, "arguments": arguments}
        if call in self._begun and (found is None or found.status != "done"):
            self._begun.remove(call)
            if found is None:
                # Killed between the journal's entry and the interaction's row.
                self._halt()
        if found is None:
            self._nothing(0, {"tool": tool, "arguments": arguments})
        self._take(found)
        return found

    def use_of(self, row: InteractionRow) -> InteractionRow | None:
        """The recorded use of a tool that the replay's is to be compared with; None if there was none."""
        key = _use(row.tool, row.arguments), row.idempotency_key
        for place, (*used, found) in enumerate(self._acts):
            # A stop may fall before the tool was reached; then the next row is the one that was answered.
            if tuple(used) == key and cut_short(row) == (found is not None and cut_short(found)):
                del self._acts[place]
                return found
        return None

    def _take(self, row: InteractionRow) -> None:
        del self._free[row.id]
        self._pass(("began", row.id))

    def _first(
        self, key: Hashable, preferred: Callable[[InteractionRow], tuple[bool, ...]] = lambda _: ()
    ) -> InteractionRow | None:
        free = (row for row in self._by.get(key, ()) if row.id in self._free)
        return min(free, key=lambda row: (preferred(row), row.id), default=None)

    def _nothing(self, step: int, asked: dict[str, Any]) -> NoReturn:
        if self._run.status == "limit":
            raise LimitReached(self._run.error)
        if self._run.status in _CUT_SHORT:
            self._halt()
        self.diverged.append({"step": step, "field": "request", "recorded": None, "now": asked})
        who = asked.get("tool") or asked["expert"]
        raise Diverged(f"the record has no answer to what {who} is asked now")

    async def turn(self, row: InteractionRow) -> None:
        """Wait until all has begun and ended that had before this one ended; then it counts as ended.

        What had begun before did not need its end, so nobody waits for ever unless the replay diverged.

        Raises:
            CancelledError: the replay was stopped meanwhile; the row may be asked for again.
        """
        mine = "ended", row.id
        try:
            while self._in_order and self._course[self._next] != mine:
                waiter = asyncio.get_running_loop().create_future()
                self._waiting.append(waiter)
                try:
                    async with asyncio.timeout(STALL_SECONDS):
                        await waiter
                except TimeoutError:
                    self._in_order = False
        except asyncio.CancelledError:
            self._take_back(row)
            raise
        self._pass(mine)

    def _pass(self, moment: _Moment) -> None:
        self._past.add(moment)
        while self._next < len(self._course) and self._course[self._next] in self._past:
            self._next += 1
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    def fail(self, row: InteractionRow) -> NoReturn:
        """Raise what this interaction ended with, when it gave no result."""
        if cut_short(row):
            self._halt()
        if self._run.error and row.error == self._run.error:
            if self._run.status == "limit":
                raise LimitReached(row.error)
            if row is self._run.interactions[-1]:
                # It ended the run; which of the errors that do it was, is not on record.
                raise UserError(row.error)
        if row.kind != "tool":
            raise EngineError(row.error)
        raise ToolError(row.error) if row.id in self._refusals else Broke(row.error)

    def _halt(self) -> NoReturn:
        if self._run.status == "limit":
            raise LimitReached(self._run.error)
        self._stop()
        raise asyncio.CancelledError

    def _take_back(self, row: InteractionRow) -> None:
        if row.kind == "tool":
            self._acts = [(use, key, None if one is row else one) for use, key, one in self._acts]
        else:
            self.decodes[self.decodes.index(row)] = None
        self._free[row.id] = row


def _keys(row: InteractionRow) -> tuple[Hashable, ...]:
    if row.kind == "tool":
        return (_use(row.tool, row.arguments),)
    same = _same(row.kind, row.expert, row.model, row.attempt, row.schema_hash, row.messages)
    return same, _place(row.kind, row.expert, row.step, row.attempt, row.reason)


def _same(
    kind: str, expert: str, model: str, attempt: int, schema_hash: str, messages: Sequence[Mapping[str, Any]]
) -> Hashable:
    return "same", kind, expert, model, attempt, schema_hash, compact_json(list(messages))


def _place(kind: str, expert: str, step: int, attempt: int, reason: str) -> Hashable:
    return "place", kind, expert, step, attempt, reason == CUT_OFF


def _use(tool: str, arguments: Any) -> Hashable:
    return "use", tool, compact_json(arguments)


def cut_short(row: InteractionRow) -> bool:
    """Whether an interaction never came to an end: killed or cancelled."""
    return row.status in _CUT_SHORT or (
        row.kind == "tool" and row.error.startswith(("CancelledError()", "cancelled, and not at its end"))
    )


def _course(run: RunRow) -> list[_Moment]:
    """When each interaction began and ended, in order."""
    began = [(row.started_ns, 0, row.id) for row in run.interactions]
    ended = [(_end(row, run), 1, row.id) for row in run.interactions]
    return [("ended" if end else "began", number) for _, end, number in sorted([*began, *ended])]


def _end(row: InteractionRow, run: RunRow) -> int:
    """When an interaction ended; for one that was killed, the first moment when all others were at rest.

    The kill was then or later; what was done in between may as well have been done after the resume.
    """
    if row.ended_ns is not None:
        return row.ended_ns
    if not run.resumed:
        # Nothing came after the stop.
        return sys.maxsize
    moment = row.started_ns
    for other in sorted(run.interactions, key=lambda one: one.started_ns):
        if other.ended_ns is not None and other.started_ns <= moment < other.ended_ns:
            moment = other.ended_ns
    return moment
