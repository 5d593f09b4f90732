"""Chat export: only validated calls, each once, in the form that fine-tuning takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speeddial.errors import UserError
from speeddial.messages import Message
from speeddial.record import Record
from speeddial.record.export import ExportReport, export
from speeddial.record.selection import Selection

TOOLS = [
    {
        "name": "add",
        "description": "Add.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "note": {"type": "string", "maxLength": 40}},
            "required": ["a"],
            "additionalProperties": False,
        },
    },
    {"name": "stop", "description": "Stop.", "parameters": {"type": "object", "additionalProperties": False}},
]
CALL = {"name": "add", "arguments": {"a": 1}}


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with Record.open(tmp_path / "record.db") as opened:
        yield opened


def decode(
    record: Record, run: str, said: str, *, status: str = "exact", parsed: Any = CALL, **fields: Any
) -> int:
    options: dict[str, Any] = {"expert": "adder", "model": "scripted", "step": 1, "tools": TOOLS, **fields}
    kind = options.pop("kind", "model")
    history = options.pop("history", [])
    receipt = options.pop("receipt", {"constrained": True, "backend": "b"})
    asked = record.start_interaction(
        run, kind, messages=[Message("system", "You are adder."), Message("user", said), *history], **options
    )
    record.finish_interaction(
        asked,
        status,
        raw="...",
        parsed=parsed,
        receipt=receipt,
        confidence=0.75,
    )
    return asked


def test_a_decode_whose_constraint_was_not_proven_is_left_out_unless_asked_for(record: Record) -> None:
    receipt = {"constrained": False, "backend": "b", "proven_by": "unproven: no"}
    decode(record, record.begin_run("x"), "add 1", receipt=receipt)
    rows, report = lines(record)
    assert (rows, report.skipped) == ([], {"its constraint was not proven": 1})
    (row,), _ = lines(record, unproven=True)
    assert row["metadata"]["constrained"] is False


def lines(
    record: Record, *, unproven: bool = False, **selection: Any
) -> tuple[list[dict[str, Any]], ExportReport]:
    """What an export of the OpenAI form holds."""
    path = record.path.with_name("lines.jsonl")
    report = export(record, path, selection=Selection(**selection), unproven=unproven)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()], report


def test_a_line_is_messages_with_one_call_tools_and_provenance(record: Record, tmp_path: Path) -> None:
    run = record.begin_run("x")
    asked = decode(record, run, "add 1")
    path = tmp_path / "out.jsonl"
    assert export(record, path).lines == 1
    (line,) = [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]
    assert line["messages"][:2] == [
        {"role": "system", "content": "You are adder."},
        {"role": "user", "content": "add 1"},
    ]
    answer = line["messages"][2]
    assert (answer["role"], answer["content"]) == ("assistant", None)
    (call,) = answer["tool_calls"]
    assert call["type"] == "function" and call["function"]["name"] == "add"
    assert call["function"]["arguments"] == '{"a":1}'
    assert [tool["function"] for tool in line["tools"]][:2] == TOOLS
    assert line["parallel_tool_calls"] is False
    told = line["metadata"]
    assert (told["run_id"], told["interaction_id"], told["expert"], told["status"]) == (
        run,
        asked,
        "adder",
        "exact",
    )
    assert (told["constrained"], told["confidence"]) == (True, 0.75)
    assert len(told["trace_id"]) == 32 and len(told["span_id"]) == 16 and len(told["content_sha256"]) == 64
    assert export(record, path, metadata=False).lines == 1
    assert set(json.loads(path.read_text())) == {"messages", "tools", "parallel_tool_calls"}


json_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    arguments=st.lists(st.fixed_dictionaries({"a": st.integers()}, optional={"note": json_text}), max_size=4)
)
def test_calls_come_back_from_the_file_as_they_were_decoded(
    record: Record, tmp_path: Path, arguments: list[dict[str, Any]]
) -> None:
    run = record.begin_run("x")
    for number, item in enumerate(arguments):
        decode(record, run, f"{run} {number}", parsed={"name": "add", "arguments": item})
    path = tmp_path / "out.jsonl"
    report = export(record, path, selection=Selection(runs=(run,)))
    read = [json.loads(text) for text in path.read_bytes().decode().split("\n")[:-1]]
    assert report.lines == len(read) == len(arguments)
    for item, line in zip(arguments, read, strict=True):
        function = line["messages"][-1]["tool_calls"][0]["function"]
        assert json.loads(function["arguments"]) == record.redactor.value(item)


def test_only_validated_calls_with_the_wanted_status_go_in(record: Record) -> None:
    run = record.begin_run("x")
    decode(record, run, "exact")
    decode(record, run, "corrected", status="corrected")
    decode(record, run, "failed", status="failed", parsed=None)
    decode(record, run, "refused", status="refused", parsed={"name": "refuse", "arguments": {"reason": "no"}})
    decode(record, run, "broken by redaction", parsed={"name": "add", "arguments": {"a": "[redacted]"}})
    decode(record, run, "unknown tool", parsed={"name": "fly", "arguments": {}})
    decode(record, run, "not a call", parsed=3)
    decode(record, run, "exact but nothing parsed", parsed=None)
    running = record.start_interaction(run, "model", messages=[Message("user", "still running")])
    found, report = lines(record)
    assert [line["messages"][1]["content"] for line in found] == ["exact", "corrected"]
    assert report.lines == 2
    assert report.skipped == {
        "does not satisfy its schema": 1,
        "its tool's schema is not on record": 1,
        "not a call": 1,
        "no validated output": 1,
    }
    refused, _ = lines(record, statuses=("refused",))
    assert refused[0]["messages"][-1]["tool_calls"][0]["function"]["name"] == "refuse"
    assert running


def test_the_refusal_is_among_the_tools_of_every_line_so_that_it_is_no_hint(record: Record) -> None:
    run = record.begin_run("x")
    decode(record, run, "a")
    decode(record, run, "b", status="refused", parsed={"name": "refuse", "arguments": {"reason": "no"}})
    own = {"name": "refuse", "description": "Mine.", "parameters": {"type": "object"}}
    decode(record, run, "c", tools=[*TOOLS, own])
    found, _ = lines(record, statuses=("exact", "refused"))
    assert [[tool["function"]["name"] for tool in line["tools"]] for line in found] == [
        ["add", "stop", "refuse"]
    ] * 3
    assert found[2]["tools"][2]["function"] == own


def test_a_call_whose_tool_failed_is_left_out(record: Record) -> None:
    run = record.begin_run("x")
    for said, outcome in (("good", "done"), ("bad", "failed")):
        asked = decode(record, run, said)
        ran = record.start_interaction(run, "tool", parent=asked, tool="add")
        record.finish_interaction(ran, outcome)
    found, report = lines(record)
    assert [line["messages"][1]["content"] for line in found] == ["good"]
    assert report.skipped == {"its tool failed": 1}


def test_a_step_that_ran_again_is_there_once(record: Record) -> None:
    for _ in range(3):
        decode(record, record.begin_run("x"), "add 1")
    decode(record, record.begin_run("x"), "add 1", parsed={"name": "add", "arguments": {"a": 2}})
    found, report = lines(record)
    assert len(found) == 2
    assert report.skipped == {"copy of an earlier line": 2}


def test_runs_and_experts_can_be_picked(record: Record) -> None:
    first, second = record.begin_run("x"), record.begin_run("y")
    decode(record, first, "one")
    decode(record, second, "two")
    decode(record, second, "three", expert="other")
    assert len(lines(record)[0]) == 3
    assert [line["messages"][1]["content"] for line in lines(record, runs=(first,))[0]] == ["one"]
    assert [line["messages"][1]["content"] for line in lines(record, expert="other")[0]] == ["three"]
    assert len(lines(record, runs=(first, second), expert="adder")[0]) == 2


def test_the_failed_attempt_before_a_corrected_one_is_not_trained_on(record: Record) -> None:
    history = [
        Message("assistant", '{"name":"add","arguments":{"a":"x"}}'),
        Message("user", "arguments.a: ..."),
    ]
    decode(record, record.begin_run("x"), "add 1", status="corrected", attempt=2, history=history)
    ((line,), _) = lines(record)
    assert [message.get("weight") for message in line["messages"]] == [None, None, 0, None, None]


def test_a_plan_is_text_without_tools(record: Record) -> None:
    plan = {"steps": [{"expert": "adder", "task": "add 1"}]}
    decode(record, record.begin_run("x"), "Task: add 1", kind="plan", expert="planner", parsed=plan, tools=[])
    ((line,), _) = lines(record, expert="planner")
    assert json.loads(line["messages"][-1]["content"]) == plan
    assert "tools" not in line


def test_a_file_that_cannot_be_written_says_so_and_leaves_no_half_file(
    record: Record, tmp_path: Path
) -> None:
    decode(record, record.begin_run("x"), "add 1")
    with pytest.raises(UserError, match="cannot be written"):
        export(record, tmp_path / "nowhere" / "out.jsonl")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        export(record, tmp_path / "folder")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".folder")]
