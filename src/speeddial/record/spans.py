"""OpenTelemetry projection of a recorded run, with the GenAI names: a view of the record, never the record.

    invoke_workflow WORKFLOW
    ├── plan PLANNER
    │   └── chat MODEL
    └── invoke_agent EXPERT          one for each expert phoned in a step
        ├── chat MODEL               one for each attempt
        └── execute_tool TOOL

Judgements are ``gen_ai.evaluation.result`` events on the span that they are about: the contract's, one on
each chat, and people's feedback.

A run can be projected as often as one likes: trace and span ids are derived from the run's id, so a
backend that receives a run twice overwrites or ignores. Spans that have not ended are not exported;
those of an interrupted run end at the last time on record, with ``error.type`` interrupted.

This module imports opentelemetry-sdk and is therefore imported by nothing but its users.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.sdk.trace import Tracer
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode, TracerProvider

from speeddial.messages import Status, calls_in
from speeddial.record import genai
from speeddial.record.database import as_json
from speeddial.record.genai import span_id, trace_id
from speeddial.record.rows import INTERRUPTED, RUNNING, InteractionRow, RunRow

_IN_PROCESS = frozenset({"embedded", "scripted", "transformers", "vllm-offline", "llamacpp"})
_FAILED = frozenset({Status.FAILED, "unknown_outcome", "cancelled", "limit", INTERRUPTED})

_LINK = "speeddial.link"
_SCORES = {"accept": 1.0, "correct": 0.0}
_PORTS = {"http": 80, "https": 443}

Attributes = Mapping[str, str | bool | int | float | Sequence[str]]


class Feedback(Protocol):
    """What a person said, as `FeedbackRow` has it."""

    @property
    def interaction(self) -> int | None: ...
    @property
    def verdict(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def created_ns(self) -> int: ...


def project(
    run: RunRow,
    tracer_provider: TracerProvider,
    *,
    content: bool = False,
    feedback: Iterable[Feedback] = (),
) -> int:
    """Send one run to OpenTelemetry with its original times.

    Args:
        run: with its interactions, as `Record.run` gives it; running ones are projected as far as they got.
        tracer_provider: of opentelemetry-sdk, with the exporter of your choice; it is not flushed.
        content: whether messages, arguments, results and the task go along. They are as redacted.
        feedback: what people said of this run.

    Returns:
        The number of spans that were ended, hence handed to the exporter.
    """
    return _Projection(run, tracer_provider, content, feedback).send()


class _Ids(IdGenerator):
    """Gives the ids that the projection has set, as the API has no other way to choose them."""

    def __init__(self, run: str) -> None:
        self.run = run
        self.name = ""

    def generate_trace_id(self) -> int:
        return trace_id(self.run)

    def generate_span_id(self) -> int:
        return span_id(self.run, self.name)


class _Projection:
    def __init__(
        self, run: RunRow, provider: TracerProvider, content: bool, feedback: Iterable[Feedback]
    ) -> None:
        self._run = run
        self._content = content
        self._feedback: dict[int | None, list[Feedback]] = {}
        for said in feedback:
            self._feedback.setdefault(said.interaction, []).append(said)
        self._described = {
            tool["name"]: tool["description"]
            for row in run.interactions
            for tool in row.tools
            if tool.get("description")
        }
        self._ids = _Ids(run.id)
        self._tracer = provider.get_tracer("speeddial", run.versions.get("speeddial"))
        if isinstance(self._tracer, Tracer):
            # The provider makes a tracer for each caller, so this changes nobody else's ids.
            self._tracer.id_generator = self._ids
        times = [run.started_ns, run.ended_ns or 0]
        for interaction in run.interactions:
            times += (interaction.started_ns, interaction.ended_ns or 0)
        self._last_ns = max(times)
        self._spans: dict[int, Span] = {}
        self._ended = 0

    def send(self) -> int:
        run = self._run
        root = self._start(
            f"{genai.INVOKE_WORKFLOW} {run.workflow}",
            "run",
            None,
            run.started_ns,
            {
                genai.OPERATION: genai.INVOKE_WORKFLOW,
                genai.WORKFLOW_NAME: run.workflow,
                "speeddial.run.status": run.status,
                "speeddial.run.resumed": run.resumed,
            },
            links=[_forked_from(run.forked_from)] if run.forked_from else [],
        )
        self._say(root, genai.INPUT_MESSAGES, [_message("user", run.task)])
        self._say(root, genai.OUTPUT_MESSAGES, [_message("assistant", run.answer)] if run.answer else None)
        for group in self._groups():
            self._agent(root, group)
        self._judged_by_people(root, None)
        self._end(root, run.status, run.ended_ns, run.error)
        return self._ended

    def _groups(self) -> Iterable[list[InteractionRow]]:
        """Interactions by who was phoned for what: a plan alone, an expert's attempts with their tools."""
        groups: dict[tuple[Any, ...], list[InteractionRow]] = {}
        keys: dict[int, tuple[Any, ...]] = {}
        for row in self._run.interactions:
            key: tuple[Any, ...] = (row.step, row.expert)
            if row.kind == "plan":
                key = ("plan", row.id)
            elif row.kind == "tool" and row.parent in keys:
                key = keys[row.parent]
            keys[row.id] = key
            groups.setdefault(key, []).append(row)
        return groups.values()

    def _agent(self, root: Span, group: list[InteractionRow]) -> None:
        first, last = group[0], group[-1]
        if not first.expert and first.kind != "plan":
            for row in group:
                self._interaction(root, row)
            return
        operation = genai.PLAN if first.kind == "plan" else genai.INVOKE_AGENT
        earlier = self._spans.get(first.escalated_from or 0)
        span = self._start(
            f"{operation} {first.expert}".strip(),
            f"{operation} {first.id}",
            root,
            first.started_ns,
            {
                genai.OPERATION: operation,
                **({genai.AGENT_NAME: first.expert} if first.expert else {}),
                "speeddial.step": first.step,
            },
            links=[Link(earlier.get_span_context(), {_LINK: "escalated_from"})] if earlier else [],
        )
        for row in group:
            self._interaction(span, row)
        # More attempts may follow while the run is at work, and an ended span cannot grow.
        open_ended = self._run.status == RUNNING or any(row.ended_ns is None for row in group)
        ended = None if open_ended else max(row.ended_ns or 0 for row in group)
        self._end(span, RUNNING if self._run.status == RUNNING else last.status, ended, last.error)

    def _interaction(self, parent: Span, row: InteractionRow) -> None:
        span = self._tool(parent, row) if row.kind == "tool" else self._chat(parent, row)
        self._spans[row.id] = span
        if row.kind != "tool" and row.raw is not None and row.ended_ns is not None:
            wrong = row.parsed is None
            self._judged(
                span,
                {
                    genai.EVALUATION_NAME: "contract",
                    genai.EVALUATION_SCORE: 0.0 if wrong else 1.0,
                    genai.EVALUATION_LABEL: "fail" if wrong else "pass",
                },
                row.error,
                row.ended_ns,
            )
        self._judged_by_people(span, row.id)
        self._end(span, row.status, row.ended_ns, row.error)

    def _tool(self, parent: Span, row: InteractionRow) -> Span:
        span = self._start(
            f"{genai.EXECUTE_TOOL} {row.tool}",
            str(row.id),
            parent,
            row.started_ns,
            {
                genai.OPERATION: genai.EXECUTE_TOOL,
                genai.TOOL_NAME: row.tool,
                genai.TOOL_TYPE: "function",
                genai.TOOL_CALL_ID: str(row.parent or row.id),
                **(
                    {genai.TOOL_DESCRIPTION: self._described[row.tool]} if row.tool in self._described else {}
                ),
                **({genai.AGENT_NAME: row.expert} if row.expert else {}),
                **_own(row),
                "speeddial.tool.effect": row.effect,
            },
        )
        self._say(span, genai.TOOL_ARGUMENTS, row.arguments)
        self._say(span, genai.TOOL_RESULT, row.result)
        return span

    def _chat(self, parent: Span, row: InteractionRow) -> Span:
        engine, model, server = _address(row.model)
        receipt = row.receipt or {}
        attributes: dict[str, Any] = {
            genai.OPERATION: genai.CHAT,
            genai.PROVIDER: engine,
            genai.REQUEST_MODEL: model,
            genai.RESPONSE_MODEL: row.adapter or model,
            genai.OUTPUT_TYPE: "json",
            genai.INPUT_TOKENS: row.tokens_in,
            genai.OUTPUT_TOKENS: row.tokens_out,
            **({genai.AGENT_NAME: row.expert} if row.expert else {}),
            **server,
            **_own(row),
            "speeddial.schema_hash": row.schema_hash,
            "speeddial.adapter": row.adapter,
            "speeddial.adapter_version": row.adapter_version,
            "speeddial.tokens_forced": row.tokens_forced,
            "speeddial.constrained": bool(receipt.get("constrained")),
            "speeddial.constrained_by": str(receipt.get("backend", "")),
        }
        if row.finish:
            attributes[genai.FINISH_REASONS] = [row.finish]
        if row.confidence is not None:
            attributes["speeddial.confidence"] = row.confidence
        kind = SpanKind.INTERNAL if engine in _IN_PROCESS else SpanKind.CLIENT
        span = self._start(
            f"{genai.CHAT} {model}", str(row.id), parent, row.started_ns, attributes, kind=kind
        )
        system = [
            {"type": "text", "content": m["content"]} for m in row.messages if m.get("role") == "system"
        ]
        said = [_turn(message) for message in row.messages if message.get("role") != "system"]
        self._say(span, genai.SYSTEM_INSTRUCTIONS, system or None)
        self._say(span, genai.INPUT_MESSAGES, said or None)
        self._say(span, genai.OUTPUT_MESSAGES, [_answer(row)] if row.raw is not None else None)
        self._say(span, genai.TOOL_DEFINITIONS, [{"type": "function", **tool} for tool in row.tools] or None)
        return span

    def _start(
        self,
        title: str,
        name: str,
        parent: Span | None,
        started_ns: int,
        attributes: Attributes,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[Link] = (),
    ) -> Span:
        self._ids.name = name
        return self._tracer.start_span(
            title,
            # An empty context, not the caller's: a run is not a part of whatever happens to be traced now.
            context=trace.set_span_in_context(parent or trace.INVALID_SPAN),
            kind=kind,
            attributes={"speeddial.run.id": self._run.id, **attributes},
            links=links,
            start_time=started_ns,
        )

    def _say(self, span: Span, name: str, value: Any) -> None:
        """Content as ONE attribute of JSON text: flattened ones run into the limit of 128 attributes."""
        if self._content and value is not None:
            span.set_attribute(name, as_json(value))

    def _judged(self, span: Span, judgement: Attributes, explanation: str, at_ns: int) -> None:
        if self._content and explanation:
            judgement = {**judgement, genai.EVALUATION_EXPLANATION: explanation}
        span.add_event(genai.EVALUATION, judgement, at_ns)

    def _judged_by_people(self, span: Span, interaction: int | None) -> None:
        for said in self._feedback.get(interaction, ()):
            judgement: dict[str, str | float] = {
                genai.EVALUATION_NAME: "feedback",
                genai.EVALUATION_LABEL: said.label or said.verdict,
            }
            if said.verdict in _SCORES:
                judgement[genai.EVALUATION_SCORE] = _SCORES[said.verdict]
            self._judged(span, judgement, said.text, said.created_ns)

    def _end(self, span: Span, status: str, ended_ns: int | None, error: str) -> None:
        if status in _FAILED:
            span.set_attribute(genai.ERROR_TYPE, str(status))
            # An error quotes what was given, so its text is content.
            span.set_status(StatusCode.ERROR, error if self._content and error else None)
        if ended_ns is None and (status == RUNNING or self._run.status == RUNNING):
            return
        span.end(end_time=ended_ns or self._last_ns)
        self._ended += 1


def _forked_from(run: str) -> Link:
    """A link to the root of the run that this one took its first steps from."""
    root = SpanContext(trace_id(run), span_id(run, "run"), is_remote=True)
    return Link(root, {_LINK: "forked_from"})


def _own(row: InteractionRow) -> dict[str, str | int]:
    return {
        "speeddial.interaction.id": row.id,
        "speeddial.step": row.step,
        "speeddial.attempt": row.attempt,
        "speeddial.status": row.status,
    }


def _address(name: str) -> tuple[str, str, dict[str, str | int]]:
    """Engine, model and server attributes of an ``engine:model[@URL]`` string."""
    engine, _, rest = name.partition(":")
    model, _, url = rest.partition("@")
    server: dict[str, str | int] = {}
    if url:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return engine, model, server
        port = port or _PORTS.get(parts.scheme)
        if parts.hostname:
            server[genai.SERVER_ADDRESS] = parts.hostname
            if port:
                server[genai.SERVER_PORT] = port
    return engine or "unknown", model or rest, server


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def _turn(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message of a conversation, with the calls that it made or the one that it answers."""
    role, text = message.get("role", ""), message["content"]
    if "tool_call_id" in message:
        answer = {"type": "tool_call_response", "id": message["tool_call_id"], "response": text}
        return {"role": role, "parts": [answer]}
    calls = [
        {"type": "tool_call", "id": call.get("id", ""), **call.get("function", {})}
        for call in message.get("tool_calls", ())
    ]
    return {"role": role, "parts": [*(_message(role, text)["parts"] if text or not calls else ()), *calls]}


def _answer(row: InteractionRow) -> dict[str, Any]:
    """The model's output: tool calls when they were valid, else the text as it came."""
    calls = calls_in(row.parsed)
    if row.kind == "model" and calls:
        parts = [
            {
                "type": "tool_call",
                "id": str(row.id) if len(calls) == 1 else f"{row.id}.{number}",
                "name": call["name"],
                "arguments": call.get("arguments"),
            }
            for number, call in enumerate(calls, start=1)
        ]
        return {"role": "assistant", "parts": parts}
    return _message("assistant", row.raw or "")
