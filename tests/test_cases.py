"""Evaluation cases: every form is read, and judged by what the form can say."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from speeddial.column import Column
from speeddial.errors import NotFound, UserError
from speeddial.flywheel.cases import Case, read_cases
from speeddial.flywheel.labels import LabelMapping
from speeddial.given import columns_of
from speeddial.messages import ToolCall

ORGANIZER = Path(__file__).resolve().parents[1] / "experts" / "organizer"
UNORDERED = frozenset({"where"})


def cases(
    folder: Path, *rows: dict[str, Any], name: str = "data.jsonl", expert: Path = ORGANIZER
) -> list[Case]:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return list(read_cases(path, expert, UNORDERED))


def query(*conditions: tuple[str, str, Any], select: str = "city") -> ToolCall:
    where = [{"column": column, "op": op, "value": value} for column, op, value in conditions]
    return ToolCall("query_table", {"select": [{"column": select}], "where": where})


def test_a_call_case_compares_texts_folded_and_conditions_unordered(tmp_path: Path) -> None:
    wanted = query(("city", "=", "Berlin"), ("amount", ">", 3))
    row = {
        "id": 1,
        "input": "?",
        "columns": ["city", {"name": "amount", "type": "number"}],
        "calls": [wanted.as_dict()],
    }
    (case,) = cases(tmp_path, row)
    assert columns_of(case.given) == (Column("city", "text"), Column("amount", "number"))
    assert case.judge(query(("amount", ">", 3.0), ("city", "=", " berlin"))).exact
    assert not case.judge(query(("city", "=", "Bern"), ("amount", ">", 3))).exact
    assert case.judge(query(("city", "=", "Bern"))).name
    assert not case.judge(ToolCall("refuse", {"reason": "no"})).name


def test_a_refusal_is_right_whatever_its_words(tmp_path: Path) -> None:
    (case,) = cases(tmp_path, {"input": "?", "calls": [{"name": "refuse", "arguments": {"reason": "a"}}]})
    assert case.judge(ToolCall("refuse", {"reason": "b"})).exact


def test_a_plan_case_wants_the_same_steps(tmp_path: Path) -> None:
    plan = {"steps": [{"expert": "a", "task": "Do it", "uses": [1]}], "missing": ["x", "y"]}
    (case,) = cases(tmp_path, {"input": "?", "plan": plan, "files": ["f.csv"]})
    assert case.judge({**plan, "missing": ["y", "X"]}).exact
    other = case.judge({"steps": [{"expert": "a", "task": "Do that"}]})
    assert other.name and not other.exact
    assert case.files == ("f.csv",)


def test_a_wikisql_question_finds_its_table_and_its_numbers(tmp_path: Path) -> None:
    table = {"id": "t", "cols": ["city", "people"], "known": [1, 1], "types": ["text", "number"]}
    with lzma.open(tmp_path / "tables.jsonl.xz", "wt", encoding="utf-8") as file:
        file.write(json.dumps(table) + "\n")
    row = {
        "table": "t",
        "q": " How  many?",
        "sel": "city",
        "agg": "COUNT",
        "conds": [["people", ">", "1,276"]],
    }
    (case,) = cases(tmp_path, row)
    assert case.input == "How many?"
    select = [{"column": "city", "aggregate": "count"}]
    where = [{"column": "people", "op": ">", "value": 1276}]
    assert case.judge(ToolCall("query_table", {"select": select, "where": where})).exact
    assert not case.judge(ToolCall("query_table", {"select": select})).exact


def test_labels_are_compared_by_the_experts_mapping(tmp_path: Path) -> None:
    text = "remind me of the meeting tomorrow at nine am"
    slots = [["event_name", "meeting", 17, 24], ["date", "tomorrow", 25, 33], ["time", "nine am", 37, 44]]
    (case,) = cases(tmp_path, {"id": 1, "text": text, "intent": "calendar_set", "slots": slots})
    right = {"title": "Meeting", "date": "tomorrow", "time": "nine am"}
    assert case.judge(ToolCall("create_event", right)).exact
    assert case.judge(ToolCall("create_event", {**right, "place": "home"}))[:2] == (True, True)
    assert not case.judge(ToolCall("create_event", {**right, "place": "home"})).no_extra
    assert case.judge(
        ToolCall("create_reminder", {"text": "meeting", "date": "tomorrow", "time": "nine am"})
    ).exact
    assert not case.judge(ToolCall("create_event", {**right, "time": "nine"})).exact
    assert not case.judge(ToolCall("find_events", right)).name


def test_intents_that_the_mapping_does_not_name_are_no_cases(tmp_path: Path) -> None:
    assert cases(tmp_path, {"text": "play music", "intent": "play_music", "slots": []}) == []


def test_values_of_several_labels_join_over_connecting_words_only() -> None:
    mapping = LabelMapping.read(ORGANIZER / "hwu64_mapping.toml")
    near = {
        "text": "at seven in the morning",
        "intent": "alarm_set",
        "slots": [["time", "seven", 3, 8], ["timeofday", "morning", 16, 23]],
    }
    assert mapping.accepted(near, "set_alarm")["time"] == ["seven in the morning"]
    far = {
        "text": "seven wake me morning",
        "intent": "alarm_set",
        "slots": [["time", "seven", 0, 5], ["timeofday", "morning", 14, 21]],
    }
    assert mapping.accepted(far, "set_alarm")["time"] == ["seven morning"]


@pytest.mark.parametrize(("text", "word"), [("{", "not JSON"), ("[1]", "object"), ('{"a": 1}', "keys")])
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "data.jsonl").write_text('{"input": "x", "calls": []}\n' + text, encoding="utf-8")
    with pytest.raises(UserError, match=rf"data\.jsonl:2.*{word}"):
        list(read_cases(tmp_path / "data.jsonl", ORGANIZER))


def test_a_missing_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        list(read_cases(tmp_path / "none.jsonl", ORGANIZER))
    with pytest.raises(UserError, match="mapping"):
        cases(tmp_path, {"text": "x", "intent": "y", "slots": []}, expert=tmp_path)
