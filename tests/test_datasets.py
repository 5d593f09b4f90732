"""Datasets: what is read back is what was frozen, and it is known what was built from a run."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import TOOL

from speeddial.errors import NotFound, UserError
from speeddial.filehash import sha256_of
from speeddial.messages import compact_json
from speeddial.record import Record
from speeddial.record.datasets import (
    MANIFEST,
    Dataset,
    DatasetDamaged,
    datasets,
    folder_of,
    freeze,
    uses_of,
)
from speeddial.record.export import FORMS, export
from speeddial.record.selection import Selection


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with Record.open(tmp_path / "record.db") as opened:
        yield opened


def decode(record: Record, a: int, *, run: str = "", expert: str = "adder", **more: Any) -> int:
    run = run or record.begin_run(f"add {a}")
    row = record.start_interaction(
        run,
        "model",
        expert=expert,
        model="scripted:x",
        tools=[TOOL],
        messages=[{"role": "user", "content": f"add {a}"}],
        **more,
    )
    record.finish_interaction(
        row,
        "exact",
        raw=compact_json({"name": "add", "arguments": {"a": a}}),
        parsed={"name": "add", "arguments": {"a": a}},
        receipt={"constrained": True},
    )
    return row


def test_a_dataset_says_what_it_is_and_where_it_comes_from(record: Record) -> None:
    rows = [decode(record, number) for number in range(5)]
    runs = sorted(run.id for run in record.runs())
    decode(record, 1, expert="other")
    frozen = freeze(record, "adds-1", folder_of(record), Selection(expert="adder"))
    assert frozen.path == record.folder / "datasets" / "adds-1"
    assert (frozen.name, frozen.form, frozen.lines) == ("adds-1", "openai", 5)
    assert frozen.selection == {"expert": "adder"}
    assert sorted(frozen.interactions) == rows
    assert list(frozen.runs) == runs
    assert frozen.models == {"scripted:x": 5}
    assert frozen.licences == {"unknown": 5}
    assert frozen.splits == {"train": 5}
    assert frozen.files[0].sha256 == sha256_of([frozen.path / frozen.files[0].name])
    assert Dataset.open(frozen.path) == frozen
    assert datasets(folder_of(record)) == [frozen]
    assert frozen.as_dict()["path"] == str(frozen.path)
    said = sorted(
        json.loads(row["messages"][-1]["tool_calls"][0]["function"]["arguments"])["a"]
        for row in frozen.rows()
    )
    assert said == [0, 1, 2, 3, 4]


def test_a_dataset_never_changes(record: Record) -> None:
    decode(record, 1)
    first = freeze(record, "adds", folder_of(record), Selection())
    before = list(first.rows())
    decode(record, 2)
    with pytest.raises(UserError, match="already"):
        freeze(record, "adds", folder_of(record), Selection())
    assert list(Dataset.open(first.path).rows()) == before
    again = freeze(record, "adds2", folder_of(record), Selection(runs=first.runs))
    assert again.files == first.files
    assert again.sha256 != first.sha256


@pytest.mark.parametrize("form", [form for form in FORMS if form != "otlp"])
def test_every_form_of_training_data_is_frozen(record: Record, form: str) -> None:
    rows = [decode(record, number) for number in range(20)]
    for row in rows:
        record.feedback.correct(row, {"name": "add", "arguments": {"a": 1000 + row}})
    frozen = freeze(record, "all", folder_of(record), Selection(), form=form, test_share=0.3)
    frozen.verify()
    assert Dataset.open(frozen.path) == frozen
    assert frozen.interactions == tuple(rows)
    assert set(frozen.runs) == {run.id for run in record.runs()}
    assert frozen.lines == sum(frozen.splits.values()) == 20
    if form != "parquet":
        said = json.dumps(list(frozen.rows()))
        assert all(str(1000 + row) in said for row in rows)


def test_spans_are_no_dataset(record: Record) -> None:
    decode(record, 1)
    with pytest.raises(UserError, match="spans"):
        freeze(record, "spans", folder_of(record), Selection(), form="otlp")


def test_only_what_people_labelled_or_judged(record: Record) -> None:
    good, bad, corrected = (decode(record, number) for number in range(3))
    record.feedback.label(good, "gold")
    record.feedback.label(bad, "odd")
    record.feedback.correct(corrected, {"name": "add", "arguments": {"a": 9}})
    folder = folder_of(record)
    assert freeze(record, "gold", folder, Selection(), label="gold").interactions == (good,)
    judged = freeze(record, "judged", folder, Selection(judged=True))
    assert judged.interactions == (corrected,)
    with pytest.raises(UserError, match="nothing"):
        freeze(record, "none", folder, Selection(), label="silver")
    assert {dataset.name for dataset in datasets(folder)} == {"gold", "judged"}
    assert sorted(file.name for file in folder.iterdir()) == ["gold", "judged"]


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", ".a", "a/b", "x" * 65, "-"])
def test_a_name_is_a_folder_name(record: Record, name: str) -> None:
    decode(record, 1)
    with pytest.raises(UserError, match="name"):
        freeze(record, name, folder_of(record), Selection())


@given(
    numbers=st.lists(st.integers(), min_size=1, max_size=12, unique=True),
    where=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_what_is_read_is_what_was_frozen_and_a_flipped_bit_is_found(
    tmp_path: Path, numbers: list[int], where: float, bit: int
) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    with Record.open(folder / "record.db") as record:
        for number in numbers:
            decode(record, number)
        export(record, folder / "expected.jsonl")
        expected = [json.loads(line) for line in (folder / "expected.jsonl").read_text().splitlines()]
        frozen = freeze(record, "adds", folder_of(record), Selection())
    assert list(Dataset.open(frozen.path).rows()) == expected
    files = sorted(frozen.path.iterdir())
    sizes = [file.stat().st_size for file in files]
    place = int(where * sum(sizes))
    for file, size in zip(files, sizes, strict=True):
        if place < size:
            file.chmod(0o600)
            changed = bytearray(file.read_bytes())
            changed[place] ^= 1 << bit
            file.write_bytes(changed)
            break
        place -= size
    try:
        again = Dataset.open(frozen.path)
        rows = list(again.rows())
    except DatasetDamaged as error:
        assert "adds is damaged" in str(error)
    else:
        # White space of the manifest says nothing.
        assert file.name == MANIFEST
        assert (again, rows) == (frozen, expected)


def test_a_file_that_is_gone_or_was_added_is_found(record: Record) -> None:
    decode(record, 1)
    frozen = freeze(record, "adds", folder_of(record), Selection())
    (frozen.path / "more.jsonl").write_text("{}\n")
    with pytest.raises(DatasetDamaged, match=r"more\.jsonl"):
        frozen.verify()
    (frozen.path / "more.jsonl").unlink()
    frozen.verify()
    (frozen.path / frozen.files[0].name).unlink()
    with pytest.raises(DatasetDamaged, match="gone"):
        frozen.verify()
    with pytest.raises(NotFound):
        Dataset.open(folder_of(record) / "other")
    (frozen.path / MANIFEST).chmod(0o600)
    (frozen.path / MANIFEST).write_text("{")
    with pytest.raises(DatasetDamaged):
        datasets(folder_of(record))


def test_which_datasets_and_adapters_were_built_from_a_run(record: Record, tmp_path: Path) -> None:
    for number in range(4):
        decode(record, number)
    runs = [run.id for run in reversed(record.runs())]
    folder = folder_of(record)
    one = freeze(record, "one", folder, Selection(runs=tuple(runs[:2])))
    two = freeze(record, "two", folder, Selection(runs=tuple(runs[1:3])))
    first, second = (dataset.path / dataset.files[0].name for dataset in (one, two))
    project = tmp_path / "project"
    for place, files in {
        "experts/alone": [first],
        "experts/both": [first, second],
        "agents/planner": [tmp_path / "record.db"],
    }.items():
        adapter = project / place / "adapter"
        adapter.mkdir(parents=True)
        data = {"sha256": sha256_of(files), "sha256_each": [sha256_of([file]) for file in files]}
        (adapter / "training.json").write_text(json.dumps({"data": data}))
    found = [(use.kind, use.name, use.dataset, use.runs) for use in uses_of(runs[:2], folder, project)]
    assert found == [
        ("dataset", "one", "one", (runs[0], runs[1])),
        ("adapter", "experts/alone", "one", (runs[0], runs[1])),
        ("adapter", "experts/both", "one", (runs[0], runs[1])),
        ("dataset", "two", "two", (runs[1],)),
        ("adapter", "experts/both", "two", (runs[1],)),
    ]
    assert uses_of(runs[3:], folder, project) == []
    assert uses_of(runs, tmp_path / "nowhere") == []
    shutil.copyfile(first, project / "agents/planner/adapter/training.json")
    with pytest.raises(UserError, match=r"training\.json"):
        uses_of(runs, folder, project)


def _freeze(path: Path, names: list[str], won: Any) -> None:
    with Record.open(path) as record:
        for name in names:
            try:
                freeze(record, name, folder_of(record), Selection())
            except UserError:
                continue
            won.put(name)


def test_of_several_processes_one_freezes_a_name(record: Record) -> None:
    for number in range(30):
        decode(record, number)
    context = multiprocessing.get_context("spawn")
    names, won = [f"adds-{number}" for number in range(10)], context.Queue()
    people = [context.Process(target=_freeze, args=(record.path, names, won)) for _ in range(3)]
    for person in people:
        person.start()
    winners = sorted(won.get(timeout=60) for _ in names)
    for person in people:
        person.join()
    assert [person.exitcode for person in people] == [0, 0, 0]
    assert winners == names
    assert won.empty()
    for dataset in datasets(folder_of(record)):
        dataset.verify()
    assert sorted(file.name for file in folder_of(record).iterdir()) == names
