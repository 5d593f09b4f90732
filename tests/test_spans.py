"""The OpenTelemetry projection: GenAI names, the record's own times, no content unless asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from speeddial.messages import Message
from speeddial.record import Record, RunRow, genai
from speeddial.record.genai import span_id, trace_id
from speeddial.record.spans import project

TOOL = {"name": "add", "description": "Add.", "parameters": {"type": "object"}}


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with Record.open(tmp_path / "record.db") as opened:
        yield opened


Spans = list[ReadableSpan]


def spans_of(run: RunRow, **options: bool) -> Spans:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    count = project(run, provider, **options)
    spans = list(exporter.get_finished_spans())
    assert count == len(spans)
    provider.shutdown()
    return spans


def by_name(spans: Spans) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans}


def attributes(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


def decode(record: Record, run: str, kind: Any, status: str, **fields: Any) -> int:
    asked = record.start_interaction(
        run, kind, messages=[Message("system", "You are X."), Message("user", "private words")], **fields
    )
    record.finish_interaction(
        asked,
        status,
        raw='{"name":"add","arguments":{"a":1}}',
        parsed={"name": "add", "arguments": {"a": 1}} if status != "failed" else None,
        error="arguments.a: got 'private words'" if status == "failed" else "",
        receipt={"constrained": True, "backend": "llguidance"},
        tokens_in=7,
        tokens_out=5,
        finish="stop",
    )
    return asked


@pytest.fixture
def run(record: Record) -> RunRow:
    """A plan; step 1 with a failed and a corrected attempt and its tool; step 2 escalated to a server."""
    run = record.begin_run("private words", versions={"speeddial": "0.1"})
    decode(record, run, "plan", "exact", expert="planner", model="embedded:base")
    decode(record, run, "model", "failed", step=1, expert="adder", model="embedded:base", tools=[TOOL])
    right = decode(
        record,
        run,
        "model",
        "corrected",
        step=1,
        attempt=2,
        expert="adder",
        model="embedded:base",
        tools=[TOOL],
    )
    ran = record.start_interaction(
        run, "tool", step=1, parent=right, tool="add", effect="read", arguments={"a": "private words"}
    )
    record.finish_interaction(ran, "done", result="private words")
    refused = decode(record, run, "model", "refused", step=2, expert="adder", model="embedded:base")
    decode(
        record, run, "model", "exact", step=2, expert="generalist", escalated_from=refused,
        model="vllm:big@http://gpu.local:8000/v1",
    )  # fmt: skip
    record.finish_run(run, "done", answer="private words")
    return record.run(run)


def test_a_run_is_a_tree_of_genai_spans(run: RunRow) -> None:
    spans = spans_of(run)
    names = {span.context.span_id: span.name for span in spans if span.context}
    tree = {(span.name, names.get(span.parent.span_id) if span.parent else None) for span in spans}
    assert tree == {
        ("invoke_workflow default", None),
        ("plan planner", "invoke_workflow default"),
        ("chat base", "plan planner"),
        ("invoke_agent adder", "invoke_workflow default"),
        ("chat base", "invoke_agent adder"),
        ("execute_tool add", "invoke_agent adder"),
        ("invoke_agent generalist", "invoke_workflow default"),
        ("chat big", "invoke_agent generalist"),
    }
    assert len(spans) == 11
    assert {span.context.trace_id for span in spans if span.context} == {trace_id(run.id)}


def test_spans_have_the_names_and_times_of_the_record(run: RunRow) -> None:
    spans = by_name(spans_of(run))
    root = spans["invoke_workflow default"]
    assert (root.start_time, root.end_time) == (run.started_ns, run.ended_ns)
    assert attributes(root)["gen_ai.workflow.name"] == "default"
    chat = attributes(spans["chat big"])
    row = run.interactions[-1]
    assert (spans["chat big"].start_time, spans["chat big"].end_time) == (row.started_ns, row.ended_ns)
    assert chat["gen_ai.operation.name"] == "chat"
    assert chat["gen_ai.provider.name"] == "vllm"
    assert chat["gen_ai.request.model"] == "big"
    assert (chat["server.address"], chat["server.port"]) == ("gpu.local", 8000)
    assert (chat["gen_ai.usage.input_tokens"], chat["gen_ai.usage.output_tokens"]) == (7, 5)
    assert chat["gen_ai.response.finish_reasons"] == ("stop",)
    assert chat["gen_ai.output.type"] == "json"
    assert chat["speeddial.constrained"] is True
    assert spans["chat big"].kind == SpanKind.CLIENT
    assert spans["chat base"].kind == SpanKind.INTERNAL
    tool = attributes(spans["execute_tool add"])
    assert (tool["gen_ai.tool.name"], tool["gen_ai.tool.type"]) == ("add", "function")
    agent = spans["invoke_agent generalist"]
    assert attributes(agent)["gen_ai.agent.name"] == "generalist"
    assert [link.context.span_id for link in agent.links] == [span_id(run.id, str(run.interactions[-2].id))]


def test_content_is_left_out_unless_asked_for_and_then_is_one_json_attribute(run: RunRow) -> None:
    for span in spans_of(run):
        assert "private words" not in span.to_json()
        assert not genai.CONTENT & set(attributes(span))
    spans = by_name(spans_of(run, content=True))
    chat = attributes(spans["chat big"])
    assert json.loads(chat["gen_ai.system_instructions"]) == [{"type": "text", "content": "You are X."}]
    assert json.loads(chat["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "private words"}]}
    ]
    (answer,) = json.loads(chat["gen_ai.output.messages"])
    assert answer["parts"][0]["name"] == "add" and answer["parts"][0]["arguments"] == {"a": 1}
    tool = attributes(spans["execute_tool add"])
    assert json.loads(tool["gen_ai.tool.call.arguments"]) == {"a": "private words"}
    assert "private words" in attributes(spans["invoke_workflow default"])["gen_ai.input.messages"]
    definitions = json.loads(attributes(spans["chat base"]).get("gen_ai.tool.definitions", "[]"))
    assert definitions in ([], [{"type": "function", **TOOL}])


def test_a_failure_is_an_error_with_a_type(run: RunRow) -> None:
    failed = [span for span in spans_of(run) if span.status.status_code is StatusCode.ERROR]
    assert [attributes(span)["error.type"] for span in failed] == ["failed"]
    assert failed[0].status.description is None


def test_a_run_is_projected_with_the_same_ids_every_time(run: RunRow) -> None:
    def ids(spans: Spans) -> set[int]:
        return {span.context.span_id for span in spans if span.context}

    first, second = spans_of(run), spans_of(run)
    assert ids(first) == ids(second)
    assert len(ids(first)) == len(first)


def test_a_caller_that_is_traced_does_not_become_the_parent(run: RunRow) -> None:
    provider = TracerProvider()
    with provider.get_tracer("mine").start_as_current_span("outer") as outer:
        spans = by_name(spans_of(run))
    assert spans["invoke_workflow default"].parent is None
    assert outer.get_span_context().trace_id != trace_id(run.id)
    provider.shutdown()


def test_of_a_run_at_work_only_what_ended_is_sent(record: Record) -> None:
    run = record.begin_run("x")
    decode(record, run, "model", "exact", step=1, expert="adder", model="scripted")
    record.start_interaction(run, "tool", step=1, expert="adder", tool="add")
    (chat,) = spans_of(record.run(run))
    assert chat.name.startswith("chat")
    assert chat.parent is not None
    record.finish_run(run, "done")
    whole = spans_of(record.run(run))
    assert chat.context and chat.context.span_id in {span.context.span_id for span in whole if span.context}


def test_an_interrupted_run_ends_at_the_last_time_on_record(tmp_path: Path) -> None:
    code = (
        "import os, sys; from speeddial.record import Record; record = Record.open(sys.argv[1])\n"
        "run = record.begin_run('x')\n"
        "record.start_interaction(run, 'model', step=1, expert='adder', model='m')\n"
        "print(run, flush=True); os._exit(1)"
    )
    path = tmp_path / "record.db"
    died = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    with Record.open(path) as record:
        run = record.run(died.stdout.strip())
    spans = spans_of(run)
    assert {span.name.split()[0] for span in spans} == {"invoke_workflow", "invoke_agent", "chat"}
    assert {attributes(span)["error.type"] for span in spans} == {"interrupted"}
    assert {span.end_time for span in spans} == {run.interactions[0].started_ns}


def test_a_provider_that_records_nothing_is_no_error(run: RunRow) -> None:
    assert project(run, trace.NoOpTracerProvider()) > 0


def test_the_names_are_pinned() -> None:
    ours: dict[str, Callable[..., Any] | str] = {
        name: value for name, value in vars(genai).items() if name.isupper() and isinstance(value, str)
    }
    assert sorted(str(value) for value in ours.values()) == [
        *("chat", "error.type", "execute_tool", "gen_ai.agent.name"),
        *("gen_ai.evaluation.explanation", "gen_ai.evaluation.name", "gen_ai.evaluation.result"),
        *("gen_ai.evaluation.score.label", "gen_ai.evaluation.score.value", "gen_ai.input.messages"),
        *("gen_ai.operation.name", "gen_ai.output.messages", "gen_ai.output.type", "gen_ai.provider.name"),
        *("gen_ai.request.model", "gen_ai.response.finish_reasons", "gen_ai.response.model"),
        *("gen_ai.system_instructions", "gen_ai.tool.call.arguments", "gen_ai.tool.call.id"),
        *("gen_ai.tool.call.result", "gen_ai.tool.definitions"),
        *("gen_ai.tool.description", "gen_ai.tool.name", "gen_ai.tool.type"),
        *("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.workflow.name"),
        *("invoke_agent", "invoke_workflow", "plan", "server.address", "server.port"),
    ]


def test_the_record_does_not_import_opentelemetry() -> None:
    code = "import sys, speeddial.record; print([m for m in sys.modules if m.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
