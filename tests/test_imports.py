"""What other tools exported, brought into the record: each form, grouping, idempotence, bad rows, a kill."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from speeddial.cli.app import app
from speeddial.errors import NotFound, UserError
from speeddial.flywheel.collect import SAMPLES, collect
from speeddial.flywheel.imports import Imported, import_files
from speeddial.flywheel.imports.exchange import nanoseconds
from speeddial.flywheel.sample import Sample, read_samples
from speeddial.messages import compact_json
from speeddial.record import Record
from speeddial.record.otlp import run_as_json
from speeddial.record.rows import InteractionRow

WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Look up the weather.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
TOOL = {"type": "function", "function": WEATHER}
SYSTEM = {"role": "system", "content": "You help."}
CALL = {"name": "get_weather", "arguments": {"city": "Oslo"}}
STARTED = nanoseconds("2026-10-01T08:00:00Z")


def asks(text: str = "weather in Oslo?") -> dict[str, Any]:
    return {"role": "user", "content": text}


def calls(arguments: str = '{"city": "Oslo"}', id: str = "c1") -> dict[str, Any]:
    function = {"name": "get_weather", "arguments": arguments}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": id, "type": "function", "function": function}],
    }


def completion(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "chat-1",
        "object": "chat.completion",
        "created": 1790841600,
        "model": "large-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 41, "completion_tokens": 9},
        **more,
    }


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with Record.open(tmp_path / "record.db") as opened:
        yield opened


def lines(file: Path, *rows: Any) -> Path:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return file


def decodes(record: Record) -> list[InteractionRow]:
    return sorted(record.interactions(), key=lambda row: (row.started_ns, row.id))


def samples(record: Record, folder: Path) -> list[Sample]:
    return list(read_samples(collect(record, folder).file(SAMPLES)))


def brought(record: Record, *files: Path, **options: Any) -> Imported:
    """Import, and again: the second time must add nothing."""
    done = import_files(record, files, **options)
    again = import_files(record, files, **options)
    assert (again.added, again.known) == (0, done.added + done.known)
    return done


# ---- OpenAI ----


def test_examples_for_fine_tuning(record: Record, tmp_path: Path) -> None:
    told = [
        *(SYSTEM, asks(), calls(), {"role": "tool", "tool_call_id": "c1", "content": "rain"}),
        *({"role": "assistant", "content": "Rain."}, asks("and in Rome?"), calls('{"city":"Rome"}')),
    ]
    hidden = [asks("hi"), {"role": "assistant", "content": "Hi", "weight": 0}, asks("x"), calls()]
    file = lines(
        tmp_path / "tune.jsonl", {"messages": told, "tools": [TOOL]}, {"messages": hidden, "tools": [TOOL]}
    )
    assert brought(record, file).added == 4
    found = sorted(samples(record, tmp_path / "artefacts"), key=lambda sample: sample.created)
    assert [sample.task for sample in found] == ["get_weather", "", "get_weather", "get_weather"]
    assert found[2].calls == ({"name": "get_weather", "arguments": {"city": "Rome"}},)
    # Answers of one conversation stay together; those of another do not join them.
    assert len({sample.group for sample in found[:3]}) == 1 and found[3].group != found[0].group
    row = decodes(record)[1]
    assert row.messages[2]["tool_calls"][0]["function"]["arguments"] == '{"city": "Oslo"}'
    assert row.tools == (WEATHER,) and row.receipt == {
        "constrained": False,
        "backend": "",
        "engine": "import",
    }


def test_a_call_that_breaks_its_schema_is_on_record_as_wrong(record: Record, tmp_path: Path) -> None:
    wrong = [asks(), calls('{"city": 3}')], [asks("b"), calls("{")], [asks("c"), calls('{"town": "Oslo"}')]
    brought(record, lines(tmp_path / "a.jsonl", *({"messages": one, "tools": [TOOL]} for one in wrong)))
    assert [(row.status, row.parsed) for row in decodes(record)] == [("failed", None)] * 3


@pytest.mark.parametrize("packed", [False, True])
def test_pairs_keep_times_model_user_and_schema(record: Record, tmp_path: Path, packed: bool) -> None:
    request = {"model": "large", "messages": [SYSTEM, asks()], "tools": [TOOL], "user": "ann"}
    row = {
        "request": request,
        "response": completion(calls()),
        "timestamp": "2026-10-01T10:00:00+02:00",
        "latency_ms": 1500,
        "cost": 0.25,
    }
    file = lines(tmp_path / "log.jsonl", row)
    if packed:
        file.write_bytes(gzip.compress(file.read_bytes()))
    brought(record, file)
    (found,) = decodes(record)
    assert (found.started_ns, found.latency_ms, found.cost) == (STARTED, 1500.0, 0.25)
    assert (found.model, found.tokens_in, found.tokens_out) == ("large", 41, 9)
    assert found.parsed == CALL and found.finish == "tool_calls" and found.status == "exact"
    run = record.run(found.run)
    assert (run.user_id, run.workflow, run.status) == ("ann", "proxy", "done")
    assert run.id.startswith("20261001-080000000-") and run.ended_ns == found.ended_ns


def test_a_batch_is_two_files_in_any_order(record: Record, tmp_path: Path) -> None:
    asked = [
        {"custom_id": str(at), "method": "POST", "url": "/v1/chat/completions", "body": body}
        for at in range(3)
        for body in [{"model": "large", "messages": [asks(f"{at}")], "tools": [TOOL]}]
    ]
    answers: list[dict[str, Any]] = [
        {"custom_id": "1", "response": {"status_code": 200, "request_id": "r1", "body": completion(calls())}},
        {
            "custom_id": "0",
            "response": {"status_code": 400, "request_id": "r0", "body": {"error": {"message": "no"}}},
        },
    ]
    requests = lines(tmp_path / "in.jsonl", *asked)
    results = lines(tmp_path / "out.jsonl", *answers)
    with pytest.raises(UserError, match="its request is not in these files"):
        import_files(record, [results])
    done = brought(record, results, requests)
    assert done.added == 2 and done.passed == {"requests of a batch without an answer": 1}
    by_text = {row.messages[0]["content"]: row for row in decodes(record)}
    assert by_text["1"].parsed == CALL
    assert (by_text["0"].status, by_text["0"].error) == ("failed", "no")


def test_stored_completions_old_functions_and_preferences(record: Record, tmp_path: Path) -> None:
    stored = {
        "object": "list",
        "data": [completion(calls(), messages=[asks("stored")], tools=[TOOL])],
    }
    old = {
        "input": [asks("old")],
        "functions": [WEATHER],
        "output": {
            "role": "assistant",
            "function_call": {"name": "get_weather", "arguments": '{"city":"Oslo"}'},
        },
    }
    preferred = {
        "input": {"messages": [asks("better")], "tools": [TOOL]},
        "preferred_output": [calls()],
        "non_preferred_output": [calls('{"city":"Rome"}')],
    }
    files = [
        lines(tmp_path / f"{name}.json", row) for name, row in (("a", stored), ("b", old), ("c", preferred))
    ]
    brought(record, *files)
    assert [row.parsed for row in decodes(record)] == [CALL] * 3
    with pytest.raises(UserError, match="fetched separately"):
        import_files(record, [lines(tmp_path / "d.jsonl", completion(calls()))])


def test_turns_of_a_conversation_are_found_by_their_messages(record: Record, tmp_path: Path) -> None:
    turns: list[dict[str, Any]] = [asks("weather in Oslo?")]
    rows = []
    for city in ("Oslo", "Rome", "Lima"):
        answer = calls(f'{{"city": "{city}"}}')
        rows.append({"request": {"model": "m", "messages": list(turns), "tools": [TOOL]}, "response": answer})
        turns += [answer, {"role": "tool", "tool_call_id": "c1", "content": "rain"}, asks(f"and {city}?")]
    other = {"request": {"messages": [asks("x")], "tools": [TOOL]}, "response": calls()}
    brought(record, lines(tmp_path / "a.jsonl", rows[1], other, rows[0], rows[2]))
    groups = {sample.request: sample.group for sample in samples(record, tmp_path / "artefacts")}
    assert len({groups["weather in Oslo?"], groups["and Oslo?"], groups["and Rome?"]}) == 1
    assert groups["x"] != groups["and Oslo?"]


# ---- Langfuse ----


def generation(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": f"obs-{number}",
        "traceId": "trace-1",
        "type": "GENERATION",
        "name": "chat",
        "startTime": "2026-10-01T08:00:00.000Z",
        "endTime": "2026-10-01T08:00:02.000Z",
        "model": "large",
        "level": "DEFAULT",
        "input": {"messages": [SYSTEM, asks(f"weather {number}")], "tools": [TOOL]},
        "output": calls(),
        "usageDetails": {"input": 41, "output": 9, "total": 50},
        "totalCost": 0.5,
        **more,
    }


def blob(number: int) -> dict[str, Any]:
    """The same as blob storage has it: snake case, JSON in text, tools beside."""
    return {
        "id": f"obs-{number}",
        "trace_id": "trace-2",
        "session_id": "s1",
        "user_id": "ann",
        "type": "GENERATION",
        "start_time": "2026-10-01 08:00:00.000000",
        "end_time": "2026-10-01 08:00:02.000000",
        "provided_model_name": "large",
        "level": "DEFAULT",
        "input": json.dumps([SYSTEM, asks(f"weather {number}")]),
        "output": "",
        "tool_calls": [json.dumps({"id": "c1", "name": "get_weather", "arguments": '{"city":"Oslo"}'})],
        "tool_call_names": ["get_weather"],
        "tool_definitions": {
            "get_weather": json.dumps({key: WEATHER[key] for key in ("description", "parameters")})
        },
        "usage_details": {"input": 41, "output": 9},
        "total_cost": 0.5,
    }


def test_langfuse_observations_traces_and_blobs(record: Record, tmp_path: Path) -> None:
    span = {"id": "s", "traceId": "trace-1", "type": "SPAN", "input": {}, "output": {}}
    trace = {
        "trace": {"id": "trace-3", "sessionId": "s1", "userId": "bob"},
        "observations": [generation(3, traceId="trace-3"), span],
    }
    whole = tmp_path / "observations.json"
    whole.write_text(json.dumps([generation(1), span, generation(2)], indent=2), encoding="utf-8")
    done = brought(record, whole, lines(tmp_path / "trace.json", trace), lines(tmp_path / "b.jsonl", blob(4)))
    assert done.added == 4 and done.passed == {"Langfuse observations of other types": 2}
    found = decodes(record)
    assert all(row.parsed == CALL and row.tools == (WEATHER,) for row in found)
    assert all((row.started_ns, row.latency_ms, row.cost) == (STARTED, 2000.0, 0.5) for row in found)
    assert all((row.model, row.tokens_in, row.tokens_out) == ("large", 41, 9) for row in found)
    groups = {sample.request[-1]: sample.group for sample in samples(record, tmp_path / "artefacts")}
    assert groups["1"] == groups["2"] != groups["3"] == groups["4"]  # by trace, and by session
    assert {record.run(row.run).user_id for row in found} == {"", "ann", "bob"}


def test_langfuse_failures_texts_and_other_frameworks(record: Record, tmp_path: Path) -> None:
    langchain = generation(
        2,
        input=[{"type": "human", "content": "weather"}],
        output={
            "type": "ai",
            "content": "",
            "tool_calls": [{"name": "get_weather", "args": {"city": "Oslo"}, "id": "c", "type": "tool_call"}],
        },
        modelParameters={"tools": [TOOL]},
    )
    anthropic = generation(
        3,
        input={
            "messages": [asks()],
            "tools": [
                {"name": "get_weather", "description": "", "input_schema": WEATHER["parameters"]},
            ],
        },
        output={
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "c", "name": "get_weather", "input": {"city": "Oslo"}},
            ],
        },
    )
    failed = generation(1, level="ERROR", statusMessage="rate limit", output=None)
    text = generation(4, input="say hi", output="hi")
    brought(record, lines(tmp_path / "a.jsonl", failed, langchain, anthropic, text))
    found = {row.messages[-1]["content"]: row for row in decodes(record)}
    assert (found["weather 1"].status, found["weather 1"].error) == ("failed", "rate limit")
    assert found["weather"].parsed == CALL and found["weather in Oslo?"].parsed == CALL
    assert (found["say hi"].status, found["say hi"].raw) == ("exact", "hi")


# ---- Phoenix ----


def flat(number: int = 1) -> dict[str, Any]:
    return {
        "openinference.span.kind": "LLM",
        "llm.model_name": "large",
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": "You help.",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.contents.0.message_content.type": "text",
        "llm.input_messages.1.message.contents.0.message_content.text": f"weather {number}",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "get_weather",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"city": "Oslo"}',
        "llm.tools.0.tool.json_schema": json.dumps(TOOL),
        "llm.token_count.prompt": 41,
        "llm.token_count.completion": 9,
        "session.id": "s1",
    }


def span(number: int, attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "name": "ChatCompletion",
        "context": {"trace_id": f"t{number}", "span_id": f"s{number}"},
        "span_kind": "LLM",
        "parent_id": None,
        "start_time": "2026-10-01T08:00:00+00:00",
        "end_time": "2026-10-01T08:00:02+00:00",
        "status_code": "OK",
        "status_message": "",
        "attributes": attributes,
        "events": [],
        **more,
    }


def frame(number: int) -> dict[str, Any]:
    """A row of the data frame: names are flat outside and within the lists."""
    return {
        "name": "ChatCompletion",
        "span_kind": "LLM",
        "context.span_id": f"s{number}",
        "context.trace_id": f"t{number}",
        "start_time": "2026-10-01T08:00:00+00:00",
        "end_time": "2026-10-01T08:00:02+00:00",
        "status_code": "OK",
        "attributes.llm.model_name": "large",
        "attributes.llm.input_messages": [
            {"message.role": "system", "message.content": "You help."},
            {"message.role": "user", "message.content": f"weather {number}"},
        ],
        "attributes.llm.output_messages": [
            {
                "message.role": "assistant",
                "message.tool_calls": [
                    {
                        "tool_call.id": "c1",
                        "tool_call.function.name": "get_weather",
                        "tool_call.function.arguments": '{"city": "Oslo"}',
                    }
                ],
            }
        ],
        "attributes.llm.tools": [
            {
                "tool.name": "get_weather",
                "tool.description": "Look up the weather.",
                "tool.json_schema": json.dumps(WEATHER["parameters"]),
            }
        ],
        "attributes.llm.token_count.prompt": 41,
        "attributes.llm.token_count.completion": 9,
        "attributes.session.id": "s1",
    }


def phoenix_is_right(record: Record, count: int) -> None:
    found = decodes(record)
    assert len(found) == count
    for row in found:
        assert row.parsed == CALL and row.tools == (WEATHER,), row
        assert (row.started_ns, row.latency_ms, row.model) == (STARTED, 2000.0, "large")
        assert (row.tokens_in, row.tokens_out) == (41, 9)
        assert row.messages[0] == SYSTEM and row.messages[1]["content"].startswith("weather")


def test_phoenix_spans_flat_and_nested(record: Record, tmp_path: Path) -> None:
    tree = {
        "openinference": {"span": {"kind": "LLM"}},
        "llm": {
            "model_name": "large",
            "input_messages": [
                {"message": {"role": "system", "content": "You help."}},
                {"message": {"role": "user", "content": "weather 2"}},
            ],
            "output_messages": [
                {"message": {"role": "assistant", "tool_calls": [{"tool_call": calls()["tool_calls"][0]}]}}
            ],
            "tools": [{"tool": {"json_schema": json.dumps(TOOL)}}],
            "token_count": {"prompt": 41, "completion": 9},
        },
    }
    page = tmp_path / "page.json"
    page.write_text(json.dumps({"data": [span(2, tree)], "next_cursor": None}), encoding="utf-8")
    chain = span(3, {"openinference.span.kind": "CHAIN"}, span_kind="CHAIN")
    done = brought(record, lines(tmp_path / "spans.jsonl", span(1, flat()), chain), page)
    assert done.passed == {"spans of other kinds": 1}
    phoenix_is_right(record, 2)


def test_phoenix_data_frames(record: Record, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.Table.from_pylist([frame(1), frame(2)]), tmp_path / "spans.parquet")
    columns = {name: {str(at): frame(at)[name] for at in (3, 4)} for name in frame(3)}
    (tmp_path / "columns.json").write_text(json.dumps(columns), encoding="utf-8")
    split = {"columns": list(frame(5)), "index": [0], "data": [list(frame(5).values())]}
    (tmp_path / "split.json").write_text(json.dumps(split), encoding="utf-8")
    done = brought(record, *(tmp_path / name for name in ("spans.parquet", "columns.json", "split.json")))
    assert done.formats == {"phoenix": 5}
    phoenix_is_right(record, 5)
    assert len({sample.group for sample in samples(record, tmp_path / "artefacts")}) == 1


# ---- OTLP ----


def value(of: Any) -> dict[str, Any]:
    if isinstance(of, dict):
        return {"kvlistValue": {"values": attributes(of)}}
    if isinstance(of, list):
        return {"arrayValue": {"values": [value(item) for item in of]}}
    if isinstance(of, bool):
        return {"boolValue": of}
    return {"intValue": str(of)} if isinstance(of, int) else {"stringValue": of}


def attributes(of: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(item)} for key, item in of.items()]


def trace(number: int, told: dict[str, Any], events: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    chat = {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "chat large",
        "startTimeUnixNano": str(STARTED),
        "endTimeUnixNano": str((STARTED or 0) + 2 * 10**9),
        "attributes": attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "large",
                "gen_ai.usage.input_tokens": 41,
                "gen_ai.usage.output_tokens": 9,
                **told,
            }
        ),
        "events": events or [],
    }
    other = {"traceId": f"{number:032x}", "spanId": "ff" * 8, "name": "GET /", "attributes": []}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [chat, other]}]}]}


def log(number: int, name: str, body: dict[str, Any]) -> dict[str, Any]:
    record = {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "eventName": name,
        "body": value(body),
    }
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}


CONTENT: dict[str, Any] = {
    "gen_ai.system_instructions": [{"type": "text", "content": "You help."}],
    "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "weather"}]}],
    "gen_ai.output.messages": [
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "c", "name": "get_weather", "arguments": {"city": "Oslo"}}],
            "finish_reason": "tool_call",
        }
    ],
    "gen_ai.tool.definitions": [{"type": "function", **WEATHER}],
}


def test_otlp_of_every_age(record: Record, tmp_path: Path) -> None:
    as_text = {name: json.dumps(item) for name, item in CONTENT.items()}
    details = {"name": "gen_ai.client.inference.operation.details", "attributes": attributes(CONTENT)}
    tools = {"gen_ai.tool.definitions": as_text["gen_ai.tool.definitions"]}
    numbered = {
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": "You help.",
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": "weather",
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.tool_calls.0.name": "get_weather",
        "gen_ai.completion.0.tool_calls.0.arguments": '{"city": "Oslo"}',
        "llm.request.functions.0.name": "get_weather",
        "llm.request.functions.0.description": "Look up the weather.",
        "llm.request.functions.0.parameters": json.dumps(WEATHER["parameters"]),
    }
    said = [
        {
            "name": name,
            "attributes": [{"key": "gen_ai.event.content", "value": {"stringValue": json.dumps(body)}}],
        }
        for name, body in (
            ("gen_ai.system.message", {"content": "You help."}),
            ("gen_ai.user.message", {"content": "weather"}),
            ("gen_ai.choice", {"index": 0, "message": calls(), "finish_reason": "tool_calls"}),
        )
    ]
    file = lines(
        tmp_path / "otlp.jsonl",
        log(4, "gen_ai.choice", {"index": 0, "message": {"tool_calls": calls()["tool_calls"]}}),
        trace(1, as_text),
        trace(2, CONTENT),
        trace(3, {}, [details]),
        trace(4, tools),
        log(4, "gen_ai.system.message", {"content": "You help."}),
        log(4, "gen_ai.user.message", {"content": "weather"}),
        trace(5, tools, said),
        trace(6, numbered),
        trace(7, flat()),
    )
    done = brought(record, file)
    assert done.added == 7 and done.passed == {"spans of other kinds": 7}
    phoenix_is_right(record, 7)


def test_a_span_without_what_was_said_is_named(record: Record, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="span 0000000000000001: no answer; was it exported with"):
        import_files(record, [lines(tmp_path / "a.jsonl", trace(1, {}))])


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)
ARGUMENTS = st.fixed_dictionaries({"city": TEXT}, optional={"days": st.integers(0, 9)})
HISTORY = st.lists(
    st.one_of(
        st.builds(asks, TEXT),
        st.builds(lambda text: {"role": "assistant", "content": text}, TEXT),
        st.builds(lambda made: calls(compact_json(made)), ARGUMENTS),
        st.builds(lambda text: {"role": "tool", "tool_call_id": "c1", "content": text}, TEXT),
    ),
    max_size=4,
)
EXCHANGE = st.fixed_dictionaries(
    {
        "history": HISTORY,
        "system": st.booleans(),
        "request": TEXT,
        "answer": st.one_of(ARGUMENTS.map(compact_json), st.just('{"city": 3}')),
        "text": TEXT,
        "is_text": st.booleans(),
        "at": st.integers(10**9, 2 * 10**9),
    }
)


@settings(max_examples=25, deadline=None)
@given(st.lists(EXCHANGE, min_size=1, max_size=4))
def test_our_own_export_comes_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, exchanges: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("round")
    rows = [
        {
            "id": f"row {number}",
            "timestamp": told["at"],
            "request": {
                "model": "openai:large",
                "messages": [*([SYSTEM] if told["system"] else []), *told["history"], asks(told["request"])],
                "tools": [TOOL],
            },
            "response": completion(
                {"role": "assistant", "content": told["text"]} if told["is_text"] else calls(told["answer"])
            ),
        }
        for number, told in enumerate(exchanges)
    ]
    with Record.open(folder / "first.db") as first, Record.open(folder / "second.db") as second:
        import_files(first, [lines(folder / "in.jsonl", *rows)])
        runs = [run for run, _ in first.selected_runs(selection())]
        out = lines(folder / "otlp.jsonl", *(run_as_json(first, run, content=True) for run in runs))
        assert import_files(second, [out]).added == len(rows)
        # What is on record already is known by its run.
        assert import_files(first, [out]).added == 0
        assert sorted(map(told_of, decodes(second))) == sorted(map(told_of, decodes(first)))


def selection() -> Any:
    from speeddial.record.selection import Selection

    return Selection()


def told_of(row: InteractionRow) -> str:
    """All of a row that says what was asked and answered."""
    names = ("model", "messages", "tools", "status", "parsed", "error", "finish", "tokens_in", "tokens_out")
    told = {name: getattr(row, name) for name in (*names, "started_ns", "ended_ns", "latency_ms")}
    # Calls come back with their arguments written anew.
    return compact_json({**told, "raw": row.raw if row.parsed is None else None})


# ---- files, bad rows, kills ----


def test_a_bad_row_is_named_and_nothing_is_written(record: Record, tmp_path: Path) -> None:
    file = lines(tmp_path / "a.jsonl", {"messages": [asks(), calls()]}, {"messages": [asks()]})
    with file.open("a") as more:
        more.write("{broken\n[]\n")
    with pytest.raises(UserError) as error:
        import_files(record, [file])
    assert "3 rows cannot be read, so nothing was imported" in error.value.message
    for number, why in ((2, "no answer of an assistant"), (3, "not JSON"), (4, "expected an object")):
        assert f"{file}:{number}: {why}" in error.value.message
    assert "--skip-bad" in error.value.hint and not decodes(record)
    done = brought(record, file, skip_bad=True)
    assert (done.added, done.bad) == (1, 3)


def test_files_that_are_none(record: Record, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="No such file"):
        import_files(record, [tmp_path / "none.jsonl"])
    with pytest.raises(UserError, match="no known format"):
        import_files(record, [lines(tmp_path / "a.jsonl", {"x": 1})])
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(b'{"messages": []}' * 999)[:-9])
    with pytest.raises(UserError, match="damaged gzip"):
        import_files(record, [packed])
    (tmp_path / "c.jsonl").write_bytes(b'{"messages": "\xff"}\n')
    with pytest.raises(UserError, match="not UTF-8"):
        import_files(record, [tmp_path / "c.jsonl"])
    (tmp_path / "e.jsonl").write_text("\n\n")
    with pytest.raises(UserError, match="nothing in it"):
        import_files(record, [tmp_path / "e.jsonl"])
    deep = lines(tmp_path / "f.jsonl", {"messages": [asks(), calls()]})
    with deep.open("a") as more:
        more.write("[" * 100_000 + "\n")
    with pytest.raises(UserError, match=r"f.jsonl:2: not JSON: maximum recursion"):
        import_files(record, [deep])
    only = {"id": "s", "traceId": "t", "type": "SPAN"}
    with pytest.raises(UserError, match=r"no exchange with a model .*1 Langfuse observations of other types"):
        import_files(record, [lines(tmp_path / "d.jsonl", only)])


def test_equal_examples_each_count_and_overlapping_files_add_what_is_new(
    record: Record, tmp_path: Path
) -> None:
    row = {"messages": [asks(), calls()], "tools": [TOOL]}
    assert brought(record, lines(tmp_path / "a.jsonl", row, row)).added == 2
    third = brought(record, lines(tmp_path / "b.jsonl", row, row, {**row, "messages": [asks("x"), calls()]}))
    assert (third.added, third.known) == (1, 2)


def test_what_is_imported_is_redacted(record: Record, tmp_path: Path) -> None:
    key = "sk-live-0123456789abcdef0123456789abcdef"
    brought(record, lines(tmp_path / "a.jsonl", {"messages": [asks(f"my key is {key}"), calls()]}))
    (row,) = decodes(record)
    assert key not in json.dumps(row.as_dict()) and row.redactions


def test_a_kill_at_any_time_is_made_good_by_the_same_command(tmp_path: Path) -> None:
    rows = [{"messages": [asks(f"weather {at}"), calls()], "tools": [TOOL]} for at in range(900)]
    file = lines(tmp_path / "a.jsonl", *rows)
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from speeddial.flywheel.imports import import_files\n"
        "from speeddial.record import Record\n"
        "def told(done, total):\n"
        "    if total and done >= 400:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "import_files(Record.open(sys.argv[1]), [Path(sys.argv[2])], progress=told)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "record.db"), str(file)], env=os.environ, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    with Record.open(tmp_path / "record.db") as record:
        done = import_files(record, [file])
        assert done.known >= 400 and done.added == 900 - done.known > 0
        assert sorted(row.messages[0]["content"] for row in decodes(record)) == sorted(
            f"weather {at}" for at in range(900)
        )


@pytest.mark.parametrize(
    "time",
    [
        *("2026-10-01T08:00:00Z", "2026-10-01 08:00:00", 1790841600, 1790841600.0, 1790841600000),
        *("1790841600", 1790841600000000, 1790841600000000000, "1790841600000000000"),
    ],
)
def test_times_in_every_unit(time: Any) -> None:
    assert nanoseconds(time) == STARTED


def test_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "speeddial.toml").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    file = lines(tmp_path / "a.jsonl", {"messages": [asks(), calls()], "tools": [TOOL]}, {"messages": []})
    run = CliRunner()
    refused = run.invoke(app, ["data", "import", str(file)])
    assert refused.exit_code != 0
    done = run.invoke(app, ["data", "import", str(file), "--skip-bad", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["added"] == 1
    again = run.invoke(app, ["data", "import", str(file), "--skip-bad"])
    assert again.exit_code == 0 and "0 exchanges imported" in again.stderr
