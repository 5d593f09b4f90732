"""What is said between people, models and tools: messages, calls and how a call came out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]

REFUSE = "refuse"
"""Name of the typed refusal, a call like any other: ``{"name":"refuse","arguments":{"reason":...}}``."""


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

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "arguments": self.arguments}


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
