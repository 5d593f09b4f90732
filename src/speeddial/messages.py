"""What is said between people, models and tools: messages, calls and how a call came out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]

REFUSE = "refuse"
"""Name of the typed refusal, a call like any other: ``{"name":"refuse","arguments":{"reason":...}}``."""

ASK = "ask"
"""Name of the typed question: ``{"name":"ask","arguments":{"tool":...,"argument":...,"question":...}}``."""


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    role: Role
    content: str

    def as_dict(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as decoded: exact for the tool's decode types, nothing resolved or coerced."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def is_refusal(self) -> bool:
        return self.name == REFUSE

    @property
    def reason(self) -> str:
        """The refusal's reason; empty for other calls."""
        return str(self.arguments.get("reason", "")) if self.is_refusal else ""

    @property
    def is_question(self) -> bool:
        return self.name == ASK

    @property
    def question(self) -> str:
        """The words of a question; empty for other calls."""
        return str(self.arguments.get("question", "")) if self.is_question else ""

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "arguments": self.arguments}


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """Several calls in one answer, in the order in which they are to take effect."""

    calls: tuple[ToolCall, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"calls": [call.as_dict() for call in self.calls]}


def answer_of(value: Any) -> Any:
    """A decoded answer in its type: `ToolCall` or `ToolCalls`; what is neither stays as it is."""
    calls = calls_in(value)
    if calls is None or any(call.keys() != {"name", "arguments"} for call in calls):
        return value
    several = tuple(ToolCall(**call) for call in calls)
    return ToolCalls(several) if "calls" in value else several[0]


def calls_in(answer: Any) -> list[dict[str, Any]] | None:
    """The calls of a decoded answer as JSON, one or several; None when it is no call.

    Args:
        answer: ``{"name", "arguments"}`` or ``{"calls": [...]}``.
    """
    if not isinstance(answer, dict):
        return None
    calls = answer["calls"] if answer.keys() == {"calls"} else [answer]
    if not isinstance(calls, list) or not calls:
        return None
    if not all(isinstance(call, dict) and isinstance(call.get("name"), str) for call in calls):
        return None
    return calls


class Status(StrEnum):
    """How one call came out; the record and the exports use the same words."""

    EXACT = "exact"
    """As decoded, first try."""
    CORRECTED = "corrected"
    """Right after the error was fed back."""
    SALVAGED = "salvaged"
    """Completed from truncated text without a model call: valid, but not all that the model meant to say."""
    REFUSED = "refused"
    """The expert said that it cannot serve this."""
    QUESTION = "question"
    """The expert needs something from the person first."""
    ESCALATED = "escalated"
    """Served, but by another expert or the generalist."""
    FAILED = "failed"
    """Nobody could serve it."""


def compact_json(value: Any) -> str:
    """JSON in the one form that experts are trained on: no spaces, no ASCII escapes, key order kept."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def storable(text: str) -> str:
    """`text` as UTF-8 can hold it: unpaired surrogates become JSON escapes, which every contract refuses."""
    return text.encode(errors="backslashreplace").decode()
