"""Every form of export is loaded by the library it is for, and comes back as it was recorded."""

from __future__ import annotations

import hashlib
import json
import re
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from exported import ADD, BASE, FIND, REFUSE, TOOLS, begin, decode
from hypothesis import given
from hypothesis import strategies as st

from speeddial.cli.export import Form
from speeddial.errors import UserError
from speeddial.messages import Message, compact_json
from speeddial.record import Record
from speeddial.record.export import FORMS, ExportReport, Licences, export
from speeddial.record.export.examples import split_of
from speeddial.record.export.licences import licence_in
from speeddial.record.export.parquet import PROVENANCE
from speeddial.record.selection import Selection

REPOSITORY = Path(__file__).parent.parent
PLAN = {"steps": [{"expert": "adder", "task": "add 1"}]}


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with Record.open(tmp_path / "record.db") as opened:
        yield opened


@pytest.fixture
def anywhere(place: str, tmp_path: Path) -> Iterator[Record]:
    """In SQLite, and in Postgres."""
    with Record.open(place, folder=tmp_path) as opened:
        yield opened


@pytest.fixture
def filled(record: Record) -> Record:
    """Three runs: two tools, a retry with its failed attempt in the prompt, and a plan."""
    decode(record, begin(record, "a"), "add 1")
    second = begin(record, "b")
    decode(record, second, "find x and y", FIND)
    history = [Message("assistant", "{"), Message("user", "Wrong:\nnot JSON")]
    decode(record, second, "again", status="corrected", attempt=2, history=history)
    decode(record, begin(record, "c"), "Task: add 1", PLAN, kind="plan", expert="planner", tools=[])
    return record


def loaded(path: Path, split: str = "train") -> Any:
    builder = {} if path.is_dir() else {"data_files": {split: str(path)}}
    kind = str(path) if path.is_dir() else "json"
    return datasets.load_dataset(kind, split=split, cache_dir=str(path.parent / ".cache"), **builder)


def said(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def lean(value: Any) -> Any:
    """Without the nulls that a table fills in where rows have not all the same keys."""
    if isinstance(value, dict):
        return {key: lean(item) for key, item in value.items() if item is not None}
    return [lean(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("form", ["openai", "trl", "sharegpt"])
@pytest.mark.parametrize("text", [False, True])
def test_lines_load_with_datasets_and_are_what_was_written(
    filled: Record, tmp_path: Path, form: str, text: bool
) -> None:
    path = tmp_path / "out.jsonl"
    assert export(filled, path, form, text=text).lines == 4
    written = said(path)
    assert [lean(row) for row in loaded(path)] == lean(written)
    assert {row["metadata"]["run_id"] for row in loaded(path)} == {row.id for row in filled.runs()}


def test_openai_rows_hold_the_calls_as_json_text(filled: Record, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    export(filled, path, metadata=False)
    rows = list(loaded(path))
    calls = [row["messages"][-1]["tool_calls"][0]["function"] for row in rows[:3]]
    assert [(call["name"], json.loads(call["arguments"])) for call in calls] == [
        (call["name"], call["arguments"]) for call in (ADD, FIND, ADD)
    ]
    assert [tool["function"] for tool in rows[1]["tools"]][:2] == TOOLS
    assert [message.get("weight") for message in said(path)[2]["messages"]] == [None, None, 0, None, None]
    assert json.loads(rows[3]["messages"][-1]["content"]) == PLAN
    assert all(set(row) <= {"messages", "tools", "parallel_tool_calls"} for row in rows)


def test_trl_rows_are_prompt_and_completion_with_arguments_as_objects(filled: Record, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    export(filled, path, "trl")
    rows = list(loaded(path))
    calls = [row["completion"][0]["tool_calls"][0]["function"] for row in rows[:3]]
    assert calls == [ADD, FIND, ADD]
    assert [tool["function"] for tool in rows[0]["tools"]][:2] == TOOLS
    assert [len(row["prompt"]) for row in rows] == [2, 2, 4, 2]
    assert rows[3]["tools"] == [] and json.loads(rows[3]["completion"][0]["content"]) == PLAN
    export(filled, path, "trl", text=True)
    texts = [row["completion"] for row in loaded(path)]
    assert texts == [
        [{"role": "assistant", "content": compact_json(value)}] for value in (ADD, FIND, ADD, PLAN)
    ]
    assert "tools" not in said(path)[0]


def test_sharegpt_sides_take_turns_as_llama_factory_wants_them(filled: Record, tmp_path: Path) -> None:
    decode(filled, begin(filled, "d"), "one", history=[Message("user", "two")])
    path = tmp_path / "out.jsonl"
    export(filled, path, "sharegpt")
    rows = list(loaded(path))
    for row in rows:
        for place, turn in enumerate(row["conversations"]):
            assert turn["from"] in (("human", "observation"), ("gpt", "function_call"))[place % 2]
        assert len(row["conversations"]) % 2 == 0
    assert [row["conversations"][-1]["from"] for row in rows] == [
        *["function_call"] * 3,
        "gpt",
        "function_call",
    ]
    assert [json.loads(row["conversations"][-1]["value"]) for row in rows[:3]] == [ADD, FIND, ADD]
    assert rows[4]["conversations"][0]["value"] == "one\ntwo"
    assert [tool["name"] for tool in json.loads(rows[0]["tools"])] == ["add", "find", "refuse"]
    assert (rows[0]["system"], rows[3]["tools"]) == ("You are adder.", "")


def test_parquet_is_a_hub_folder_with_splits_and_a_card(filled: Record, tmp_path: Path) -> None:
    for number in range(30):
        decode(filled, filled.begin_run("many"), f"many {number}", FIND if number % 2 else ADD)
    folder = tmp_path / "data set"
    report = export(filled, folder, "parquet", test_share=0.3)
    splits = {split: list(loaded(folder, split)) for split in ("train", "test")}
    assert {split: len(rows) for split, rows in splits.items()} == dict(report.splits)
    assert sum(report.splits.values()) == report.lines == 34
    rows = splits["train"] + splits["test"]
    runs = {split: {row["run_id"] for row in found} for split, found in splits.items()}
    assert runs["train"] and runs["test"] and not runs["train"] & runs["test"]
    by_prompt = {row["messages"][1]["content"]: row for row in rows}
    for prompt, call in (("add 1", ADD), ("find x and y", FIND), ("many 7", FIND), ("many 8", ADD)):
        row = by_prompt[prompt]
        (function,) = [item["function"] for item in row["messages"][-1]["tool_calls"]]
        assert (function["name"], json.loads(function["arguments"])) == (call["name"], call["arguments"])
        assert [tool["function"] for tool in json.loads(row["tools"])][:2] == TOOLS
        assert row["prompt_messages"] == len(row["messages"]) - 1
    assert all(set(PROVENANCE) <= set(row) for row in rows)
    for path, digest in report.files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
        assert digest in (folder / "README.md").read_text(encoding="utf-8")


def test_parquet_keeps_every_column_of_where_a_row_comes_from(filled: Record, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    export(filled, path)
    export(filled, tmp_path / "folder", "parquet")
    told = said(path)[0]["metadata"]
    assert set(told) == set(PROVENANCE)
    (file,) = (tmp_path / "folder" / "data").iterdir()
    row = pq.read_table(file).to_pylist()[0]
    assert {name: row[name] for name in PROVENANCE} == {
        name: compact_json(value) if isinstance(value, dict) else value for name, value in told.items()
    }


def test_an_earlier_parquet_export_is_replaced_and_nothing_else_is(filled: Record, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    export(filled, folder, "parquet", test_share=0.5)
    export(filled, folder, "parquet")
    assert [path.name for path in (folder / "data").iterdir()] == ["train-00000-of-00001.parquet"]
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="holds other files"):
        export(filled, folder, "parquet")
    with pytest.raises(UserError, match="is a file"):
        export(filled, folder / "notes.txt", "parquet")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".set")]


def test_the_card_tells_filters_models_licences_redactions_and_tokens(record: Record, tmp_path: Path) -> None:
    run, secret = record.begin_run("x"), "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    decode(record, run, f"the key is {secret} | <b>")
    decode(record, run, f"the key is {secret} | <b>")
    folder = tmp_path / "set"
    since = datetime(2020, 1, 1, tzinfo=UTC)
    report = export(record, folder, "parquet", Selection(expert="adder", since=since))
    text = (folder / "README.md").read_text(encoding="utf-8")
    head, _, body = text.removeprefix("---\n").partition("\n---\n")
    assert "license: apache-2.0" in head and "split: train" in head
    assert report.redactions.total() > 0, "the fixture lost its secret"
    for told in (
        *("| expert | adder |", "| since | 2020-01-01T00:00:00+00:00 |", "| train | 1 |"),
        *(f"| {BASE} | 1 |", "| apache-2.0 | 1 |", "| copy of an earlier line | 1 |", "| 64 | 1 |"),
        *(f"| {rule} | {count} |" for rule, count in report.redactions.items()),
    ):
        assert told in body, told
    assert secret not in text


def test_a_card_beside_lines_makes_the_folder_a_dataset(record: Record, tmp_path: Path) -> None:
    for number in range(40):
        decode(record, record.begin_run("x"), f"add {number}", FIND if number % 2 else ADD)
    folder = tmp_path / "set"
    folder.mkdir()
    export(record, folder / "data.jsonl", "trl", test_share=0.5, card_path=folder / "README.md")
    found = {split: len(loaded(folder, split)) for split in ("train", "test")}
    assert found == {"train": len(said(folder / "data.jsonl")), "test": len(said(folder / "data.test.jsonl"))}


def test_a_test_split_without_rows_leaves_nothing_that_cannot_be_loaded(
    record: Record, tmp_path: Path
) -> None:
    decode(record, record.begin_run("x"), "add 1")
    (tmp_path / "out.test.jsonl").write_text("old")
    report = export(record, tmp_path / "out.jsonl", test_share=1e-9)
    assert not (tmp_path / "out.test.jsonl").exists() and list(report.files) == [tmp_path / "out.jsonl"]
    export(record, tmp_path / "set", "parquet", test_share=1e-9)
    assert len(loaded(tmp_path / "set")) == 1
    assert "test" not in (tmp_path / "set" / "README.md").read_text(encoding="utf-8").partition("\n---\n")[0]


# ---- what goes in ----


def test_splits_go_by_run_and_a_fork_stays_with_its_origin(record: Record, tmp_path: Path) -> None:
    origins = [record.begin_run("x") for _ in range(40)]
    for number, origin in enumerate(origins):
        decode(record, origin, f"task {number}")
        fork = record.begin_run("x", forked_from=origin, forked_step=2)
        decode(record, fork, f"task {number}")
        decode(record, fork, f"task {number}, differently")
        decode(record, record.begin_run("x", forked_from=fork, forked_step=2), f"task {number}, again")
    path = tmp_path / "out.jsonl"
    report = export(record, path, test_share=0.5)
    numbers = [
        {re.findall(r"\d+", row["messages"][1]["content"])[0] for row in said(file)}
        for file in (path, tmp_path / "out.test.jsonl")
    ]
    assert all(numbers) and not numbers[0] & numbers[1], "a fork left its origin's split"
    assert report.skipped == {"copy of an earlier line": 40}
    assert report.lines == 120


@given(run=st.text(min_size=1), shares=st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_a_larger_test_share_only_moves_runs_out_of_training(run: str, shares: list[float]) -> None:
    small, large = sorted(shares)
    assert split_of(run, small) == "train" or split_of(run, large) == "test"
    assert (split_of(run, 0.0), split_of(run, 1.0)) == ("train", "test")


def test_a_share_of_the_runs_is_about_that_share() -> None:
    found = sum(split_of(f"run {number}", 0.1) == "test" for number in range(10_000))
    assert 900 < found < 1100


def test_a_corrected_decode_is_exported_as_a_person_said_and_an_accepted_one_is_marked(
    record: Record, tmp_path: Path
) -> None:
    run = record.begin_run("x")
    wrong = decode(record, run, "find it")
    refused = decode(record, run, "find that", REFUSE, "refused")
    right = decode(record, run, "add 1")
    record.feedback.correct(wrong, FIND)
    record.feedback.correct(refused, FIND)
    record.feedback.accept(right)
    path = tmp_path / "out.jsonl"
    export(record, path, "trl")
    rows = said(path)
    calls = [row["completion"][0]["tool_calls"][0]["function"] for row in rows]
    assert calls == [FIND, FIND, ADD]
    assert [row["metadata"]["human_label"] for row in rows] == ["corrected", "corrected", "accepted"]
    record.feedback.accept(wrong)
    export(record, path, "trl")
    assert said(path)[0]["completion"][0]["tool_calls"][0]["function"] == ADD


def test_selections_and_forks_hold_in_sqlite_and_postgres(anywhere: Record, tmp_path: Path) -> None:
    record = anywhere
    mine, hers = begin(record, "x", user="me"), begin(record, "y", user="her", workflow="own")
    decode(record, mine, "one")
    decode(record, hers, "two", FIND)
    decode(record, hers, "three", expert="other")
    path = tmp_path / "out.jsonl"

    def found(**selection: Any) -> list[str]:
        export(record, path, selection=Selection(**selection))
        return [row["messages"][1]["content"] for row in said(path)]

    assert found(user="me") == ["one"]
    assert found(workflow="own") == ["two", "three"]
    assert found(tool="find") == ["two"]
    assert found(expert="adder") == ["one", "two"]
    assert found(until=datetime(2020, 1, 1, tzinfo=UTC)) == []
    assert found(kinds=("plan",)) == []
    with pytest.raises(UserError, match="not of tool"):
        found(kinds=("tool",))
    fork = record.begin_run("x", user="me", forked_from=mine, forked_step=2)
    decode(record, record.begin_run("x", user="me", forked_from=fork, forked_step=2), "four")
    assert [origin for _, origin in record.selected_runs(Selection(user="me"))] == [mine, mine]
    record.feedback.correct(decode(record, fork, "five"), FIND)
    assert export(record, path, "preference", Selection(user="me")).sources == {"correction": 1}


def test_the_licence_is_that_of_base_and_adapter(record: Record, tmp_path: Path) -> None:
    run = record.begin_run("x")
    decode(record, run, "one")
    decode(record, run, "two", adapter="adder")
    decode(record, run, "three", adapter="elsewhere")
    decode(record, run, "four", model="vllm:big@http://gpu:8000/v1")
    decode(record, run, "five", model="openai:other")
    card = tmp_path / "adder" / "MODEL_CARD.md"
    card.parent.mkdir()
    card.write_text("---\nbase_model: x\nlicense: 'mit'\n---\n# adder\nlicense: no\n", encoding="utf-8")
    licences = Licences({"vllm:big": "llama3.1"}, {"adder": card.parent})
    report = export(record, tmp_path / "out.jsonl", licences=licences)
    found = [row["metadata"]["licence"] for row in said(tmp_path / "out.jsonl")]
    assert found == ["apache-2.0", "apache-2.0 AND mit", "unknown", "llama3.1", "unknown"]
    assert report.licences["unknown"] == 2


def test_the_shipped_model_cards_say_their_licence() -> None:
    for folder in ("experts/organizer", "experts/tables", "agents/planner"):
        assert licence_in(REPOSITORY / folder) == "apache-2.0"
    assert licence_in(REPOSITORY / "agents/answerer") == "unknown"


def test_memory_does_not_grow_with_the_record(record: Record, tmp_path: Path) -> None:
    def peak(runs: int) -> int:
        """Bytes at most held while exporting, after that many runs of 20 KB each are added."""
        for number in range(runs):
            decode(record, record.begin_run("x"), f"{runs} {number} " + 20_000 * "a")
        tracemalloc.start()
        try:
            export(record, tmp_path / "out.jsonl")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few = peak(20)
    # Of the 4 MB that come on top, not even half may be there at once.
    assert peak(200) < few + 2_000_000


def test_progress_is_told_run_by_run(filled: Record, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    export(filled, tmp_path / "out.jsonl", progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_an_unknown_form_or_share_is_named(record: Record, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no form 'csv'"):
        export(record, tmp_path / "x", "csv")
    with pytest.raises(UserError, match="test share 2"):
        export(record, tmp_path / "x", test_share=2)
    assert not (tmp_path / "x").exists()


def test_the_command_line_knows_every_form() -> None:
    assert [form.value for form in Form] == [*FORMS, "html"]


def test_a_report_as_json_names_no_folder(filled: Record, tmp_path: Path) -> None:
    body = export(filled, tmp_path / "out.jsonl", selection=Selection(user="")).as_dict()
    assert str(tmp_path) not in json.dumps(body)
    assert (body["form"], body["lines"], body["runs"]) == ("openai", 4, 3)
    assert set(body["files"]) == {"out.jsonl"}
    assert ExportReport().as_dict()["files"] == {}
