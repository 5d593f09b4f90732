"""S1, collect: an exchange of somebody else's agent with its model, written into the record like our own."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from speeddial.messages import Status, compact_json
from speeddial.record import Record
from speeddial.record.export.validity import why_invalid
from speeddial.server.chat import Answered, Asked

WORKFLOW = "proxy"
"""Workflow of the runs that come from elsewhere."""
_MOST_CONVERSATIONS = 10_000


@dataclass(frozen=True)
class Begun:
    """An exchange that is on record and not yet answered."""

    run: str
    interaction: int
    asked: Asked


class Recording:
    """Writes exchanges, each a run of one decode, later ones of a conversation forked from earlier ones.

    So the turns of a conversation, which share their texts, are always in the same split of an export.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._conversations: OrderedDict[str, str] = OrderedDict()

    async def begin(self, asked: Asked, *, upstream: str) -> Begun:
        """Write that a model is asked.

        Args:
            upstream: which server; a URL without secrets.

        Raises:
            RecordError: it could not be written, so the model must not be asked.
        """
        record = self._record
        origin = self._conversations.get(asked.earlier()) if asked.earlier() else None
        run = await record.committed(
            record.beginning_run(
                asked.task,
                workflow=WORKFLOW,
                settings={"upstream": upstream},
                user=asked.user,
                forked_from=origin,
                forked_step=1 if origin else None,
            )
        )
        interaction = await record.committed(
            record.starting(
                run,
                "model",
                step=1,
                model=asked.model,
                messages=asked.messages,
                tools=asked.tools,
                schema=asked.schema,
            )
        )
        return Begun(run, interaction, asked)

    async def end(self, begun: Begun, answer: Answered, latency_ms: float) -> None:
        """Write what was answered.

        Raises:
            RecordError: it could not be written, so the answer must not be used.
        """
        parsed, wrong = judged(begun.asked, answer)
        await self._end(begun, answer, latency_ms, parsed=parsed, error=wrong)
        self._conversations[begun.asked.later(answer)] = begun.run
        if len(self._conversations) > _MOST_CONVERSATIONS:
            self._conversations.popitem(last=False)

    async def fail(self, begun: Begun, error: str, latency_ms: float, answer: Answered | None = None) -> None:
        """Write that no whole answer came."""
        await self._end(begun, answer or Answered(), latency_ms, parsed=None, error=error)

    async def _end(
        self, begun: Begun, answer: Answered, latency_ms: float, *, parsed: Any, error: str
    ) -> None:
        record = self._record
        finish = record.finishing(
            begun.interaction,
            Status.FAILED if error else Status.EXACT,
            raw=answer.raw,
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
            begun.run, "failed" if error else "done", answer=answer.text or answer.raw, error=error
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
