"""S1, collect: an exchange of somebody else's agent with its model, written into the record like our own."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from speeddial.messages import Status, compact_json
from speeddial.record import Record
from speeddial.record.export.validity import why_invalid
from speeddial.server.chat import Answered, Asked

WORKFLOW = "proxy"
"""Workflow of the runs that come from elsewhere."""
LARGE = "large model"
"""Who served where no specialist did."""
SERVED_BY = "served_by"
"""Setting of a run: name of the specialist, or `LARGE`. Beside it stand the task, the ``expert`` that was to
serve, version and stage of that one or of the shadow beside it, and ``why`` the large model answered."""
_MOST_CONVERSATIONS = 10_000


@dataclass(frozen=True, kw_only=True)
class Begun:
    """An exchange that is on record and not yet answered."""

    run: str
    asked: Asked
    about: Mapping[str, str]
    """The run's settings: the upstream server, and whose turn it was where specialists are deployed."""
    interaction: int = 0
    """The large model's decode; 0 before it is asked."""


class Recording:
    """Writes exchanges, each a run of one decode, later ones of a conversation forked from earlier ones.

    So the turns of a conversation, which share their texts, are always in the same split of an export. Where
    a specialist was asked, its decode stands first, and the large model's is escalated from it.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._conversations: OrderedDict[str, str] = OrderedDict()

    async def begin(self, asked: Asked, about: Mapping[str, str]) -> Begun:
        """Write that an agent asks.

        Args:
            about: settings of the run; no secrets.

        Raises:
            RecordError: it could not be written, so nobody must be asked.
        """
        record = self._record
        origin = self._conversations.get(asked.earlier()) if asked.earlier() else None
        run = await record.committed(
            record.beginning_run(
                asked.task,
                workflow=WORKFLOW,
                settings=about,
                user=asked.user,
                forked_from=origin,
                forked_step=1 if origin else None,
            )
        )
        return Begun(run=run, asked=asked, about=about)

    async def ask(self, begun: Begun, *, escalated_from: int | None = None, reason: str = "") -> Begun:
        """Write that the large model is asked.

        Args:
            escalated_from: the decode of a specialist that did not serve.
            reason: why none served.

        Raises:
            RecordError: it could not be written, so it must not be asked.
        """
        asked = begun.asked
        interaction = await self._record.committed(
            self._record.starting(
                begun.run,
                "model",
                step=1,
                escalated_from=escalated_from,
                reason=reason,
                model=asked.model,
                messages=asked.messages,
                tools=asked.tools,
                schema=asked.schema,
            )
        )
        return replace(begun, interaction=interaction)

    async def end(self, begun: Begun, answer: Answered, latency_ms: float) -> None:
        """Write what the large model answered.

        Raises:
            RecordError: it could not be written, so the answer must not be used.
        """
        parsed, wrong = judged(begun.asked, answer)
        await self._end(begun, answer, latency_ms, parsed=parsed, error=wrong)
        self._remember(begun, answer)

    async def served(self, begun: Begun, answer: Answered) -> None:
        """Write that a specialist's answer, whose decode is on record, is the agent's.

        Raises:
            RecordError: it could not be written, so the answer must not be used.
        """
        await self._record.committed(
            self._record.finishing_run(
                begun.run,
                "done",
                answer=answer.raw,
                settings={**begun.about, SERVED_BY: begun.about["expert"]},
            )
        )
        self._remember(begun, answer)

    async def fail(self, begun: Begun, error: str, latency_ms: float, answer: Answered | None = None) -> None:
        """Write that no whole answer came."""
        await self._end(begun, answer or Answered(), latency_ms, parsed=None, error=error)

    def _remember(self, begun: Begun, answer: Answered) -> None:
        self._conversations[begun.asked.later(answer)] = begun.run
        if len(self._conversations) > _MOST_CONVERSATIONS:
            self._conversations.popitem(last=False)

    async def _end(
        self, begun: Begun, answer: Answered, latency_ms: float, *, parsed: Any, error: str
    ) -> None:
        record = self._record
        finish = record.finishing(
            begun.interaction,
            Status.FAILED if error else Status.EXACT,
            raw=answer.raw,
            tokens=answer.tokens(),
            parsed=parsed,
            error=error,
            # Nothing held this model to a schema; exports say so, and curation checks each call anew.
            receipt={"constrained": False, "backend": "", "engine": WORKFLOW},
            finish=answer.finish,
            tokens_in=answer.tokens_in,
            tokens_out=answer.tokens_out,
            latency_ms=latency_ms,
        )
        end = record.finishing_run(
            begun.run,
            "failed" if error else "done",
            answer=answer.text or answer.raw,
            error=error,
            settings=begun.about,
        )

        def both() -> None:
            with record.writing():
                finish()
                end()

        await record.committed(both)


def judged(asked: Asked, answer: Answered) -> tuple[Any, str]:
    """What an answer comes to, held strictly to the schemas that the request named.

    Returns:
        One call as ``{"name", "arguments"}``, several as ``{"calls": [...]}``, a value of the schema that was
        asked for, or None for plain text; and what is wrong with it, empty when nothing is.
    """
    if answer.finish == "length":
        return None, "cut off at the limit of tokens"
    if answer.tool_calls:
        try:
            calls = answer.calls()
        except ValueError as error:
            return None, str(error)
        for call in calls:
            if reason := why_invalid(call, asked.tools, redacted=False):
                return None, f"{call['name']}: {reason}"
        return (calls[0] if len(calls) == 1 else {"calls": calls}), ""
    if asked.schema is None:
        return None, ""
    try:
        value = json.loads(answer.text)
    except ValueError as error:
        return None, f"not JSON: {error}"
    wanted = {"name": "answer", "parameters": asked.schema}
    reason = why_invalid({"name": "answer", "arguments": value}, [wanted], redacted=False)
    return (None, f"the answer {reason}") if reason else (json.loads(compact_json(value)), "")
