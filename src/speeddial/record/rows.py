"""What is read back from the record: a run and its interactions, as they were written."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

RUNNING = "running"
INTERRUPTED = "interrupted"
"""What is marked running although its writer has died reads so; a resume writes it down."""
ERASING = "erasing"
"""Status of a run whose erasure has begun."""
RESUMABLE = frozenset({"waiting", "limit"})
"""How a run may stop and keep what its surrogates stand for: it is meant to go on."""


@dataclass(frozen=True, kw_only=True)
class InteractionRow:
    """One exchange with a model or a tool."""

    id: int
    run: str
    kind: str
    """``plan`` (a planner's decode), ``model`` (an expert's or generalist's decode) or ``tool``."""
    step: int
    """Step number in the plan, from 1; 0 for what belongs to the whole run."""
    attempt: int
    parent: int | None
    """The interaction that caused this one: the decode whose call a tool runs."""
    escalated_from: int | None
    """The interaction of the expert that did not serve, when this one was phoned in its place."""
    reason: str
    """Why it was escalated or tried again."""
    expert: str
    """Name of the expert or agent."""
    model: str
    adapter: str
    adapter_version: str
    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...]
    """Tool definitions shown to or enforced on the model: name, description, parameters."""
    schema: dict[str, Any] | None
    """The output contract's JSON Schema, when it was recorded."""
    schema_hash: str
    tool: str
    effect: str
    arguments: Any
    """A tool's arguments as decoded."""
    resolved: Any
    """The same as the tool received them."""
    idempotency_key: str
    status: str
    """``running`` or ``interrupted``; a `Status` for decodes; done, failed or unknown_outcome for tools."""
    raw: str | None
    """The model's output as it came."""
    tokens: tuple[tuple[int, float | None], ...]
    """Of each token of `raw`: its characters, and the model's probability of it, None where the grammar left
    no choice. Empty when the engine does not tell, or when something of `raw` was redacted."""
    parsed: Any
    """The call or plan, after it passed strict validation; None when none did."""
    result: Any
    text: str
    """A tool's result as a person reads it."""
    error: str
    receipt: dict[str, Any] | None
    confidence: float | None
    finish: str
    tokens_in: int
    tokens_out: int
    tokens_forced: int
    """-1 when the engine could not say."""
    cost: float
    latency_ms: float | None
    started_ns: int
    ended_ns: int | None
    redactions: dict[str, int]
    """Secrets replaced in this row, by rule."""

    def as_dict(self) -> dict[str, Any]:
        """JSON form, with times in ISO 8601."""
        return _with_times(asdict(self))


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One task."""

    id: str
    workflow: str
    task: str
    status: str
    """running, interrupted, done, partial, failed, limit, waiting, cancelled."""
    answer: str
    error: str
    missing: tuple[str, ...]
    """Parts of the task that nobody serves."""
    inputs: tuple[str, ...]
    """Files that the run was granted."""
    settings: dict[str, Any]
    limits: dict[str, Any]
    versions: dict[str, str]
    started_ns: int
    ended_ns: int | None
    resumed: int
    """How often it was resumed."""
    user_id: str
    """Whose run it was; empty when nobody said."""
    forked_from: str | None
    """The run that it took its first steps from."""
    forked_step: int | None
    """The first step that it did anew."""
    writer_pid: int
    writer_host: str
    redactions: dict[str, int]
    """Replacements in the run's own fields, by rule; see `Originals` for what a resumed run works on."""
    interaction_count: int
    tokens_in: int
    tokens_out: int
    cost: float
    interactions: tuple[InteractionRow, ...] = field(default=())
    """In order of start; empty in lists of runs."""

    @property
    def latency_ms(self) -> float | None:
        """From start to end on the clock; None while it has not ended."""
        return None if self.ended_ns is None else (self.ended_ns - self.started_ns) / 1e6

    @property
    def started(self) -> datetime:
        return moment(self.started_ns)

    def with_interactions(self, interactions: tuple[InteractionRow, ...]) -> RunRow:
        return replace(self, interactions=interactions)

    def with_sums(self, interactions: int, tokens_in: int, tokens_out: int, cost: float) -> RunRow:
        return replace(
            self, interaction_count=interactions, tokens_in=tokens_in, tokens_out=tokens_out, cost=cost
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON form, with times in ISO 8601 and the interactions when they were read."""
        body = _with_times(asdict(replace(self, interactions=())))
        del body["interactions"]
        body["latency_ms"] = self.latency_ms
        if self.interactions:
            body["interactions"] = [interaction.as_dict() for interaction in self.interactions]
        return body


def moment(ns: int) -> datetime:
    """A recorded time as an aware datetime in UTC."""
    return datetime.fromtimestamp(ns / 1e9, UTC)


def as_time(ns: int) -> str:
    """A recorded time in ISO 8601."""
    return moment(ns).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _with_times(body: dict[str, Any]) -> dict[str, Any]:
    for name in ("started", "ended"):
        ns = body.pop(f"{name}_ns")
        body[name] = None if ns is None else as_time(ns)
    return body
