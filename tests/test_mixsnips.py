"""The MixSNIPS score: utterances are cut where the labels leave one way, and every slot counts."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from rooms import ROOT

sys.path.insert(0, str(ROOT))  # benchmarks are run from the repository root and are in no wheel
mixsnips = importlib.import_module("benchmarks.mixsnips")

TWO: dict[str, Any] = {
    "id": "a",
    "input": "add salt and honey to my long drives playlist and then rate emma four of 6 stars",
    "intents": ["AddToPlaylist", "RateBook"],
    "slots": [
        ["entity_name", "salt and honey"],
        ["playlist_owner", "my"],
        ["playlist", "long drives"],
        ["object_name", "emma"],
        ["rating_value", "four"],
        ["best_rating", "6"],
        ["rating_unit", "stars"],
    ],
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    unclear = {
        "text": "play music by blur and turn it on and rate emma four",
        "intents": ["PlayMusic", "RateBook"],
        "slots": [["artist", "blur"], ["object_name", "emma"], ["rating_value", "four"]],
    }
    path = tmp_path / "mixed.jsonl"
    path.write_text(f"{json.dumps(TWO)}\n{json.dumps(unclear)}\n", encoding="utf-8")
    return path


def test_an_utterance_is_cut_at_a_joint_outside_its_slots(data: Path) -> None:
    sure, unclear = mixsnips.read(data)
    assert [part.text for part in sure.parts] == [
        "add salt and honey to my long drives playlist",
        "rate emma four of 6 stars",
    ]
    assert [(part.expert, part.call["name"]) for part in sure.parts] == [
        ("music", "add_to_playlist"),
        ("library", "rate_book"),
    ]
    assert sure.sure and not unclear.sure and unclear.id == "mixsnips-1"


def test_every_slot_and_intent_counts(data: Path) -> None:
    meant = [part.call for part in mixsnips.read(data)[0].parts]
    tally = mixsnips.Tally()
    # Spelling and order are free: the requests stand in any order, "Emma's" is "emma s".
    assert tally.add(
        meant, [{**meant[1], "arguments": {**meant[1]["arguments"], "object_name": "Emma"}}, meant[0]]
    )
    without = dict(meant[1]["arguments"])
    del without["best_rating"]
    assert not tally.add(meant, [meant[0], {"name": "rate_book", "arguments": without}])
    assert not tally.add(meant, [meant[0]])
    assert not tally.add(meant, [*meant, meant[0]])
    assert not tally.add(meant, [*meant, {"name": "play_music", "arguments": {}}])
    assert (tally.cases, tally.whole, tally.intents) == (5, 1, 2)
    assert (tally.hits, tally.made, tally.meant) == (7 + 6 + 3 + 7 + 7, 7 + 6 + 3 + 10 + 7, 35)


def test_results_of_a_batch_are_read(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    calls = [{"expert": "music", "name": "refuse", "arguments": {}}, {"expert": "music", "status": "failed"}]
    good = {"step": 1, "expert": "library", "name": "rate_book", "arguments": {"rating_value": "4"}}
    out.write_text(
        json.dumps({"id": 1, "status": "partial", "calls": [*calls, good]}) + "\n", encoding="utf-8"
    )
    assert mixsnips.told(out) == {"1": [good]}
