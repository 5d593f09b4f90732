"""How one request to an expert came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from speeddial.errors import RunFailed
from speeddial.messages import Status, ToolCall, compact_json
from speeddial.models import Receipt
from speeddial.tool import ToolResult

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Value = TypeVar("Value")


@dataclass(frozen=True)
class Used:
    """An earlier result that a request refers to as ``#n``."""

    task: str
    """The request that it answered."""
    text: str
    """As a person reads it."""


@dataclass(frozen=True, kw_only=True)
class Phone:
    """One request to one expert."""

    expert: str
    text: str
    key: str
    """Its place in the run, the same after a resume, whoever serves it in the end."""
    file: str | None = None
    """Name of a granted file."""
    uses: Mapping[int, Used] = field(default_factory=dict)
    step: int = 1
    given: Mapping[str, Any] = field(default_factory=dict)
    """What the expert is given beside the words; see `speeddial.given`."""
    reason: str = ""
    """Why it is phoned, for the record, where that is not the run's own asking."""


@dataclass(frozen=True, kw_only=True)
class CallOutcome:
    """How one request to an expert came out; refusals and failures are outcomes too."""

    status: Status
    expert: str
    """Who was phoned."""
    served_by: str = ""
    """Who served it: the same, the next expert, or ``generalist``; ``person`` for a result given by hand."""
    task: str = ""
    """The request."""
    step: int = 1
    call: ToolCall | None = None
    """As decoded; None when nobody gave a valid call, and of several calls."""
    parts: tuple[CallOutcome, ...] = ()
    """How each of several calls came out, in order; empty for one call."""
    resolved: dict[str, Any] | None = None
    """The arguments as the tool received them."""
    result: ToolResult | None = None
    """None when no tool ran to its end."""
    only_decoded: bool = False
    """Whether its calls were wanted and nothing more, so that no tool was run."""
    confidence: float | None = None
    receipt: Receipt | None = None
    latency_ms: float = 0.0
    interactions: tuple[int, ...] = ()
    """Rows in the record, in order."""
    error: str = ""
    model: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is a result."""
        return self.result is not None

    @property
    def done(self) -> bool:
        """Whether it came as far as it was to come: to a result, or to calls where only those were wanted."""
        return self.ok or self.only_decoded

    @property
    def each(self) -> tuple[CallOutcome, ...]:
        """The outcome of each call: the parts, or this one."""
        return self.parts or (self,)

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls as decoded; none of a refusal or question."""
        made = (one.call for one in self.each if one.call is not None)
        return tuple(call for call in made if not call.is_refusal and not call.is_question)

    @property
    def question(self) -> str:
        """What the expert asks the person; empty when it asks nothing."""
        return self.call.question if self.call is not None else ""

    @property
    def text(self) -> str:
        """The result as a person reads it, the calls where only those were wanted, or the error."""
        if self.only_decoded:
            return "\n".join(compact_json(call.as_dict()) for call in self.calls)
        return self.result.text if self.result is not None else self.error

    @property
    def value(self) -> Any:
        """The result as JSON types.

        Raises:
            RunFailed: nobody could serve the request.
        """
        if self.result is None:
            raise RunFailed(f"{self.expert}: {self.task!r} was not done ({self.status}): {self.error}")
        return self.result.value

    def as_type(self, kind: type[Value]) -> Value:
        """The result as a Python type, checked strictly.

        Raises:
            RunFailed: there is no result, or it is of another type.
        """
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(kind).validate_json(compact_json(self.value), strict=True)
        except ValidationError as error:
            name = getattr(kind, "__name__", str(kind))
            raise RunFailed(f"{self.expert}: the result {self.text!r} is not of type {name}") from error

    def as_call(self) -> dict[str, Any]:
        """Its form in final records: step, expert, name, arguments, resolved, status, result.

        Of several calls: ``calls``, each in this form.
        """
        line: dict[str, Any] = {"step": self.step, "expert": self.expert}
        if self.call is not None:
            line |= self.call.as_dict()
        if self.question:
            line["question"] = self.question
        if self.parts:
            line["calls"] = [part.as_call() for part in self.parts]
        if self.resolved is not None:
            line["resolved"] = self.resolved
        line["status"] = str(self.status)
        if self.result is not None:
            line |= {"result": self.result.value, "text": self.result.text}
        if self.served_by not in ("", self.expert):
            line["served_by"] = self.served_by
        if self.error:
            line["error"] = self.error
        if self.receipt is not None and self.receipt.unproven:
            line["unproven"] = self.receipt.unproven
        return line | {"confidence": self.confidence, "latency_ms": round(self.latency_ms, 1)}

    def as_json(self) -> dict[str, Any]:
        """All of it as JSON types; `from_json` reads it back."""
        dumped: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return dumped

    @staticmethod
    def from_json(value: Any) -> CallOutcome:
        return _adapter().validate_python(value)


@cache
def _adapter() -> TypeAdapter[CallOutcome]:
    from pydantic import TypeAdapter

    return TypeAdapter(CallOutcome)
