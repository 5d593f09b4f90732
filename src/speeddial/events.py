"""Typed events of a run: one stream feeds the SDK, the command line and the record alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events."""

    type: ClassVar[str] = "event"

    run_id: str
    at: str = ""
    """UTC time, ISO 8601; filled in when the event is emitted."""

    def as_dict(self) -> dict[str, Any]:
        return {"type": self.type, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    type: ClassVar[str] = "run_started"

    task: str
    workflow: str
    resumed: bool = False


@dataclass(frozen=True, kw_only=True)
class PlanMade(Event):
    """A plan that passed the type check."""

    type: ClassVar[str] = "plan"

    plan: dict[str, Any]
    attempt: int = 1
    status: str = "exact"


@dataclass(frozen=True, kw_only=True)
class StepStarted(Event):
    type: ClassVar[str] = "step_started"

    step: int
    """Step number in the plan, from 1."""
    expert: str
    task: str


@dataclass(frozen=True, kw_only=True)
class CallDecoded(Event):
    """An expert answered with a call that passed strict validation."""

    type: ClassVar[str] = "call"

    step: int
    expert: str
    model: str
    name: str
    arguments: dict[str, Any]
    status: str
    confidence: float | None = None
    latency_ms: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ToolFinished(Event):
    type: ClassVar[str] = "tool"

    step: int
    tool: str
    effect: str
    text: str
    """The result as a person reads it."""
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Escalated(Event):
    """An expert did not serve the step, and somebody else is phoned."""

    type: ClassVar[str] = "escalated"

    step: int
    expert: str
    to: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class StepFinished(Event):
    type: ClassVar[str] = "step_finished"

    step: int
    expert: str
    status: str
    text: str
    latency_ms: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ApprovalNeeded(Event):
    """The run stops here until a person decides."""

    type: ClassVar[str] = "approval_needed"

    step: int
    tool: str
    arguments: dict[str, Any]
    question: str


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The last event of a run; its JSON is the command line's final record."""

    type: ClassVar[str] = "result"

    status: str
    """done, partial, failed, limit, waiting, cancelled."""
    answer: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    """In plan order: step, expert, name, arguments, resolved, status, result."""
    missing: list[str] = field(default_factory=list)
    """Parts of the task that no expert serves."""
    error: str = ""
    tokens: int = 0
    latency_ms: float = 0.0
