"""Preference pairs: what was right against what was said, from people, retries and escalations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
from exported import ADD, BASE, FIND, REFUSE, TOOLS, decode, failed_tool

from speeddial.messages import Message, compact_json
from speeddial.record import Record
from speeddial.record.export import ExportReport, export
from speeddial.record.selection import Selection

BIG = "vllm:big@http://gpu:8000/v1"
BROKEN: dict[str, Any] = {"name": "add", "arguments": {"a": "one"}}


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with Record.open(tmp_path / "record.db") as opened:
        yield opened


def pairs(
    record: Record, form: str = "preference", *, text: bool = False, **selection: Any
) -> tuple[list[dict[str, Any]], ExportReport]:
    path = record.path.with_name("pairs.jsonl")
    report = export(record, path, form, Selection(**selection), text=text)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()], report


def calls(row: dict[str, Any]) -> tuple[Any, Any]:
    """What was chosen and rejected: the call, or the text."""

    def one(turns: list[dict[str, Any]]) -> Any:
        (turn,) = turns
        return turn["tool_calls"][0]["function"] if "tool_calls" in turn else turn["content"]

    return one(row["chosen"]), one(row["rejected"])


def retry(record: Record, run: str, said: str, first: int, parsed: Any = ADD, **fields: Any) -> int:
    history = [Message("assistant", "..."), Message("user", "Wrong")]
    return decode(record, run, said, parsed, "corrected", attempt=2, parent=first, history=history, **fields)


def test_a_correction_is_chosen_over_what_the_model_said(record: Record) -> None:
    run = record.begin_run("x")
    wrong = decode(record, run, "find it")
    refused = decode(record, run, "find that", REFUSE, "refused")
    broken = decode(record, run, "add one", BROKEN, "failed")
    same = decode(record, run, "add 1")
    decode(record, run, "nobody looked at this")
    for asked, call in ((wrong, FIND), (refused, FIND), (broken, ADD), (same, ADD)):
        record.feedback.correct(asked, call)
    rows, report = pairs(record)
    assert [calls(row) for row in rows] == [(FIND, ADD), (FIND, REFUSE), (ADD, BROKEN)]
    assert [row["prompt"][1]["content"] for row in rows] == ["find it", "find that", "add one"]
    assert report.sources == {"correction": 3} and report.skipped == {"both answers are equal": 1}
    assert {row["metadata"]["chosen_by"] for row in rows} == {"person"}
    assert [tool["function"] for tool in rows[0]["tools"]][:2] == TOOLS


def test_the_accepted_attempt_is_chosen_over_the_one_before_on_its_prompt(record: Record) -> None:
    run = record.begin_run("x")
    first = decode(record, run, "add 1", status="failed", raw='{"name":"add","arg')
    second = retry(record, run, "add 1", first)
    rows, report = pairs(record)
    assert [calls(row) for row in rows] == [(ADD, '{"name":"add","arg')]
    assert [message["role"] for message in rows[0]["prompt"]] == ["system", "user"]
    assert rows[0]["metadata"] | {"source": "retry", "interaction_id": first} == rows[0]["metadata"]
    assert rows[0]["metadata"]["chosen_interaction_id"] == second
    assert report.licences == {"apache-2.0": 1}


def test_a_valid_call_whose_tool_failed_loses_to_the_one_after_it(record: Record) -> None:
    run = record.begin_run("x")
    first = decode(record, run, "find it")
    failed_tool(record, run, first)
    retry(record, run, "find it", first, FIND)
    rows, _ = pairs(record)
    assert [calls(row) for row in rows] == [(FIND, ADD)]


def test_what_finally_served_is_chosen_over_everyone_phoned_before(record: Record) -> None:
    run = record.begin_run("x")
    first = decode(record, run, "add 1", REFUSE, "refused")
    unsure = decode(record, run, "add 1", FIND, escalated_from=first, expert="second", model=BASE)
    decode(record, run, "add 1", ADD, escalated_from=unsure, expert="adder", model=BIG)
    rows, report = pairs(record)
    assert [calls(row) for row in rows] == [(ADD, FIND), (ADD, REFUSE)]
    assert [row["metadata"]["expert"] for row in rows] == ["second", "adder"]
    assert {row["metadata"]["chosen_by"] for row in rows} == {BIG}
    assert report.licences == {"unknown": 2}, "the chosen answer is the big model's"
    assert [calls(row) for row in pairs(record, expert="adder")[0]] == [(ADD, REFUSE)]
    assert [calls(row) for row in pairs(record, model=BASE, tool="add")[0]] == [(ADD, FIND), (ADD, REFUSE)]
    assert pairs(record, tool="find")[0] == []


@pytest.mark.parametrize(
    ("loser", "winner", "reason"),
    [
        ({}, {"status": "failed", "parsed": BROKEN}, ""),
        ({}, {"parsed": {"name": "fly", "arguments": {}}}, "its tool's schema is not on record"),
        (
            {"tools": TOOLS[:1]},
            {"parsed": FIND},
            "served by a tool that the first expert has not",
        ),
        ({}, {"receipt": {"constrained": False}}, "its constraint was not proven"),
        ({"raw": None}, {}, "no output to reject"),
        ({"finish": "length"}, {}, "the worse answer was cut off"),
    ],
)
def test_pairs_that_prefer_nothing_are_left_out(
    record: Record, loser: dict[str, Any], winner: dict[str, Any], reason: str
) -> None:
    run = record.begin_run("x")
    first = decode(record, run, "add 1", REFUSE, "refused", **loser)
    decode(record, run, "add 1", escalated_from=first, model=BIG, **winner)
    rows, report = pairs(record)
    assert (rows, dict(report.skipped)) == ([], {reason: 1} if reason else {})


def test_a_persons_word_outweighs_what_came_of_a_decode(record: Record) -> None:
    run = record.begin_run("x")
    first = decode(record, run, "add 1", FIND)
    record.feedback.correct(first, REFUSE)
    decode(record, run, "add 1", escalated_from=first, model=BIG)
    rows, _ = pairs(record)
    assert [calls(row) for row in rows] == [(REFUSE, FIND)]


def test_copied_steps_are_one_pair(record: Record) -> None:
    for _ in range(3):
        run = record.begin_run("x")
        retry(record, run, "add 1", decode(record, run, "add 1", status="failed", raw="{"))
    rows, report = pairs(record)
    assert len(rows) == 1 and report.skipped == {"copy of an earlier line": 2}


def test_openai_takes_preferred_and_non_preferred_output(record: Record) -> None:
    run = record.begin_run("x")
    record.feedback.correct(decode(record, run, "find it"), FIND)
    ((row,), _) = pairs(record, "openai-preference")
    assert set(row) == {"input", "preferred_output", "non_preferred_output", "metadata"}
    assert set(row["input"]) == {"messages", "tools", "parallel_tool_calls"}
    for turns, call in ((row["preferred_output"], FIND), (row["non_preferred_output"], ADD)):
        (function,) = [item["function"] for item in turns[0]["tool_calls"]]
        assert (function["name"], json.loads(function["arguments"])) == (call["name"], call["arguments"])


@pytest.mark.parametrize("form", ["preference", "openai-preference"])
def test_pairs_load_with_datasets_and_are_what_was_written(record: Record, tmp_path: Path, form: str) -> None:
    run = record.begin_run("x")
    record.feedback.correct(decode(record, run, "find it"), FIND)
    record.feedback.correct(decode(record, run, "add 1", FIND), ADD)
    record.feedback.correct(decode(record, run, "broken", None, "failed", raw="{"), ADD)
    rows, _ = pairs(record, form)
    path = str(record.path.with_name("pairs.jsonl"))
    found = datasets.load_dataset("json", data_files=path, split="train", cache_dir=str(tmp_path / ".cache"))
    assert list(found) == rows


def test_pairs_as_text_are_what_experts_decode(record: Record) -> None:
    run = record.begin_run("x")
    record.feedback.correct(decode(record, run, "find it"), FIND)
    ((row,), _) = pairs(record, text=True)
    assert calls(row) == (compact_json(FIND), compact_json(ADD)) and "tools" not in row
