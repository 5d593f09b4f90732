"""The answer: composed from typed results, with every number in it from them or from the request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from speeddial.call import Registry
from speeddial.contract import Contract
from speeddial.errors import EngineError, NotFound
from speeddial.exchange import Exchange, Question
from speeddial.messages import Message
from speeddial.outcome import CallOutcome
from speeddial.tool import Tool

COMPOSE = "compose"
"""The answerer's model that is none: deterministic templates."""

_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")
_ANSWER = {
    "type": "object",
    "properties": {"answer": {"type": "string", "minLength": 1, "maxLength": 4000}},
    "required": ["answer"],
    "additionalProperties": False,
}


def compose(
    served: Sequence[CallOutcome],
    failed: Sequence[CallOutcome],
    missing: Sequence[str],
    tools: Mapping[str, Tool],
    held_up: Sequence[str] = (),
) -> str:
    """One line or table per result, then what was not done and why.

    Args:
        served: outcomes that are done, in plan order.
        failed: outcomes that are not.
        missing: parts of the task that no expert serves.
        tools: name -> tool; a tool that changes something says itself what it did.
        held_up: what was not begun because it needs a step that failed.
    """
    parts = [_result(outcome, tools) for outcome in served]
    parts += [f"Not done: {outcome.task} ({outcome.error or outcome.status})" for outcome in failed]
    parts += [f"Not done: {part} (it needs a step that failed)" for part in held_up]
    parts += [f"Not done: {part} (no expert here serves it)" for part in missing]
    return "\n".join(parts) or "Nothing was asked that could be done."


def _result(outcome: CallOutcome, tools: Mapping[str, Tool]) -> str:
    text = outcome.text.strip()
    called = [tools[call.name] for call in outcome.calls if call.name in tools]
    if outcome.ok and called and all(tool.effect != "read" for tool in called):
        return text
    asked = outcome.task.strip()
    head = asked if asked.endswith("?") else f"{asked.rstrip('.:')}:"
    if "\n" in text:
        return f"{head}\n{text}"
    return f"{head} {text}" if text else f"{head} nothing"


def invented_numbers(text: str, sources: Iterable[str]) -> list[str]:
    """Numbers in a text that stand in none of the sources."""
    known = {number for source in sources for number in _NUMBER.findall(source)}
    return [number for number in _NUMBER.findall(text) if number not in known]


class Answerer:
    """Answers one run.

    Args:
        registry: the project; its answerer agent may name a model.
        exchange: where that model is asked.
    """

    def __init__(self, registry: Registry, exchange: Exchange) -> None:
        self._registry = registry
        self._exchange = exchange

    async def answer(
        self,
        task: str,
        served: Sequence[CallOutcome],
        failed: Sequence[CallOutcome],
        missing: Sequence[str],
        held_up: Sequence[str],
        *,
        key: str,
    ) -> str:
        """The composed answer, or the model's when every number in it is known.

        Args:
            key: place in the run, the same after a resume.

        Raises:
            LimitReached, RecordError: see `Exchange.ask`.
        """
        composed = compose(served, failed, missing, self._registry.tools, held_up)
        try:
            agent = self._registry.agent("answerer")
        except NotFound:
            return composed
        if agent.model in ("", COMPOSE) or not served:
            return composed
        question = Question(
            key=key,
            kind="model",
            asked=agent.name,
            model=agent.model,
            messages=(
                Message("system", agent.prompt),
                Message("user", f"Task: {task}\nResults:\n{composed}"),
            ),
            contract=Contract.from_schema(_ANSWER),
            max_tokens=agent.max_tokens,
        )
        try:
            reply = await self._exchange.ask(question)
        except EngineError:
            return composed
        if reply.error is not None or invented_numbers(reply.value["answer"], (task, composed)):
            return composed
        return str(reply.value["answer"])
