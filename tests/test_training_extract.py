"""Training texts of extract: records that the contract admits, and none of the wording of the test."""

from __future__ import annotations

import json
import random

from rooms import ROOT

from training.extract import row, typed
from training.extract_texts import Text, draw


def test_generated_texts_say_what_their_records_hold() -> None:
    rng = random.Random(3)
    rows = [row(str(number), draw(rng)) for number in range(60)]
    made = [entry for entry in rows if entry is not None]
    assert len(made) >= 57
    for entry in made:
        system, user, assistant = (message["content"] for message in entry["messages"])
        assert json.loads(assistant) == entry["calls"][0]
        assert user.endswith(entry["input"]) and user.startswith("Record: {")
        assert system.startswith("You are extract.")


def test_no_case_of_the_test_is_trained_on() -> None:
    cases = (ROOT / "experts/extract/cases.jsonl").read_text(encoding="utf-8").splitlines()
    lines = {line for case in cases for line in json.loads(case)["input"].splitlines() if len(line) > 25}
    rng = random.Random(5)
    drawn = {line for _ in range(300) for line in draw(rng).text.splitlines()}
    assert not lines & drawn


def test_a_labelled_value_gets_the_type_that_its_name_tells() -> None:
    rng = random.Random(1)
    text = "a table for 4 people on 3 May 2026"
    assert any(
        typed("date", "3 May 2026", text, rng)[0] == {"type": "string", "format": "date"} for _ in range(9)
    )
    assert typed("cuisine", "table", text, rng) == ({"type": "string"}, "table")


def test_a_record_that_its_text_does_not_hold_is_dropped() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": []}
    assert row("1", Text("From Oslo.", {"city": "Bergen"}, schema)) is None
