"""Sheets: a user's CSV or JSON read whatever program wrote it, and books that keep every row and key once."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rooms import Desk

from speeddial.errors import ToolError, UserError
from speeddial.sheet import Book, user_rows

COLUMNS = ("place", "time")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "workspace").mkdir()
    return Desk(tmp_path / "workspace")


@pytest.mark.parametrize(
    "content",
    [
        b"Place,Time,note\nOslo,1,\n",
        "\ufeffplace;time;note\nOslo;1;\n".encode(),
        "place\ttime\tnote\nOslo\t1\t\n".encode("utf-16"),
        b'place,time,note\n\n"Oslo" ,1,""\n',
    ],
)
def test_a_csv_file_of_any_spreadsheet_is_read(desk: Desk, content: bytes) -> None:
    (desk.workspace / "weather.csv").write_bytes(content)
    (row,) = user_rows(desk.context(), "weather", COLUMNS)
    assert (row["place"], row["time"], row["note"]) == ("Oslo", "1", "")


def test_json_is_read_and_a_granted_file_comes_first(desk: Desk, tmp_path: Path) -> None:
    (desk.workspace / "weather.json").write_text('[{"Place": "Oslo", "time": null}]', encoding="utf-8")
    assert user_rows(desk.context(), "weather", COLUMNS) == [{"place": "Oslo", "time": ""}]
    mine = tmp_path / "mine.csv"
    mine.write_text("place,time\nRome,2\n", encoding="utf-8")
    desk.files = {"mine.csv": mine}
    assert user_rows(desk.context(), "weather", COLUMNS)[0]["place"] == "Rome"
    other = tmp_path / "Weather.json"
    other.write_text(json.dumps([{"place": "Bern", "time": 3}]), encoding="utf-8")
    desk.files = {"mine.csv": mine, "Weather.json": other}
    assert user_rows(desk.context(), "weather", COLUMNS) == [{"place": "Bern", "time": "3"}]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("weather.csv", "place\nOslo\n", "no column time"),
        ("weather.csv", "", "is empty"),
        ("weather.csv", "place,time\nOslo\n", "row 2: expected 2 cells, got 1"),
        ("weather.json", "{", "is not JSON"),
        ("weather.json", '{"place": 1}', "expected a list of objects"),
    ],
)
def test_a_file_that_cannot_be_used_is_the_users_error(
    desk: Desk, name: str, content: str, words: str
) -> None:
    (desk.workspace / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=words):
        user_rows(desk.context(), "weather", COLUMNS)


def test_a_missing_file_says_its_form(desk: Desk) -> None:
    with pytest.raises(UserError, match="no such file yet") as caught:
        user_rows(desk.context(), "weather", COLUMNS)
    assert "weather.csv" in str(caught.value.hint) and "place, time" in str(caught.value.hint)


def test_a_linked_file_in_the_workspace_is_refused(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("place,time\nx,1\n", encoding="utf-8")
    (desk.workspace / "weather.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(ToolError, match="is a link"):
        user_rows(desk.context(), "weather", COLUMNS)


def test_what_a_person_changed_in_a_book_stays(tmp_path: Path) -> None:
    book = Book(tmp_path, "bookings", ("who", "when"))
    first = book.add({"who": "Ann", "when": "noon"}, "one")
    mark = first["key"]
    book.path.write_text(f"\ufeffnote;when;who;key\nwindow seat;noon;Ann;{mark}", encoding="utf-8")
    again = book.add({"who": "other"}, "one")
    assert again == {"note": "window seat", "when": "noon", "who": "Ann", "key": mark}
    book.add({"who": "Bob", "when": "one"}, "two")
    lines = book.path.read_text(encoding="utf-8-sig").splitlines()
    assert lines[:2] == ["note;when;who;key", f"window seat;noon;Ann;{mark}"]
    assert lines[2].startswith(";one;Bob;") and len(lines) == 3


def test_a_book_without_its_columns_is_not_written(tmp_path: Path) -> None:
    book = Book(tmp_path, "bookings", ("who",))
    book.path.write_text("who\nAnn\n", encoding="utf-8")
    with pytest.raises(UserError, match="the column key is gone"):
        book.add({"who": "Bob"}, "one")
    assert book.path.read_text(encoding="utf-8") == "who\nAnn\n"


_CELL = st.text(max_size=30).map(lambda text: " ".join(text.split()))


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(_CELL, _CELL), min_size=1, max_size=4))
def test_rows_come_back_as_they_went_in_and_once(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    book = Book(tmp_path, f"book-{abs(hash(tuple(rows)))}", ("a", "b"))
    for _ in range(2):
        for number, (one, two) in enumerate(rows):
            made = book.add({"a": one, "b": two}, f"key-{number}")
            assert [made["a"], made["b"]] == [
                " ".join(re.split(r"[\s\x00-\x1f\x7f-\x9f]+", cell)).strip() for cell in (one, two)
            ]
    with book.path.open(encoding="utf-8", newline="") as file:
        cells = list(csv.reader(file))[1:]
    assert len(cells) == len(rows)
    # No cell of ours is a formula.
    assert not any(cell[:1] in ("=", "+", "-", "@") for line in cells for cell in line)
