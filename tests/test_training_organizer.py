"""The organizer's training recipe: calls are copies of their requests, in schema order, and repeatable."""

import importlib
import json
import random
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from speeddial.messages import ToolCall

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the recipes are run from the repository root and are in no wheel
hwu64 = importlib.import_module("training.hwu64")
targets = importlib.import_module("training.hwu64_targets")
organizer = importlib.import_module("training.organizer")
phrases = importlib.import_module("training.phrases")
references = importlib.import_module("training.references")
style = importlib.import_module("training.style")
words = importlib.import_module("training.words")


def made(count: int, dev: bool, seed: int = 5) -> list[Any]:
    rng = random.Random(seed)
    return [organizer.generate(rng, dev) for _ in range(count)]


def strings(arguments: dict[str, Any]) -> list[str]:
    return [s for v in arguments.values() for s in (v if isinstance(v, list) else [v])]


@pytest.mark.parametrize("dev", [False, True])
def test_every_value_is_copied_from_the_request(dev: bool) -> None:
    for request in made(1500, dev):
        if request.call["name"] == "refuse":
            continue
        for key, value in request.call["arguments"].items():
            for text in value if isinstance(value, list) else [value]:
                pieces = text.split() if key == "time" else [text.split("#")[0].strip()]
                assert all(p in request.text for p in pieces), (request.text, text)


def test_calls_are_in_schema_order_and_name_a_known_tool() -> None:
    for request in made(1500, False):
        order = hwu64.ORDER[request.call["name"]]
        keys = list(request.call["arguments"])
        assert list(request.call) == ["name", "arguments"]
        assert keys == [k for k in order if k in keys]
        assert all(strings(request.call["arguments"]))


def test_the_same_seed_gives_the_same_rows() -> None:
    first = list(organizer.generated_rows(120, 7, False, set()))
    assert first == list(organizer.generated_rows(120, 7, False, set()))
    assert first != list(organizer.generated_rows(120, 8, False, set()))


def test_development_requests_are_not_among_the_training_ones() -> None:
    dev = {hwu64.norm(r.message()) for r in made(300, True)}
    assert not dev & {hwu64.norm(r.message()) for r in made(3000, False)}


def test_development_uses_names_and_titles_that_training_has_not() -> None:
    rng = random.Random(1)
    for entries in (words.FIRST, words.TITLE, words.VERB_TASK, words.LIST, words.SUBJECT_BARE):
        train = {words.pick(rng, entries, False) for _ in range(3000)}
        assert not train & {words.pick(rng, entries, True) for _ in range(500)}


def test_references_in_calls_are_the_ones_listed_below_the_request() -> None:
    rng = random.Random(3)
    for _ in range(500):
        request = references.refer(rng, False, False)
        used = {int(t) for s in strings(request.call["arguments"]) for t in re.findall(r"#(\d)", s)}
        assert used == set(request.sources)
        assert request.message().count("\n") == len(request.sources)


def test_a_time_has_no_leading_at_and_a_date_no_leading_on() -> None:
    rng = random.Random(2)
    for _ in range(2000):
        part = phrases.when(rng, rng.random() < 0.3, "dtbrs", spans=True, search=True)
        assert not (part.time or "").startswith("at ")
        assert not (part.date or "").startswith(("on ", "the "))
        assert not (part.repeat or "").startswith("on ")


def test_rows_are_compact_json_chats() -> None:
    for row in organizer.generated_rows(50, 1, True, set()):
        system, user, assistant = row["messages"]
        assert (system["role"], user["role"], assistant["role"]) == ("system", "user", "assistant")
        assert user["content"] == row["input"]
        assert assistant["content"] == json.dumps(row["calls"][0], ensure_ascii=False, separators=(",", ":"))


LABELLED = {
    "id": "0",
    "text": "schedule a meeting with sara and jamie tomorrow morning at six",
    "intent": "calendar_set",
    "slots": [
        ["event_name", "meeting", 11, 18],
        ["person", "sara", 24, 28],
        ["person", "jamie", 33, 38],
        ["date", "tomorrow", 39, 47],
        ["timeofday", "morning", 48, 55],
        ["time", "six", 59, 62],
    ],
}


def test_several_labels_of_one_argument_become_the_text_that_holds_them() -> None:
    call = targets.target(LABELLED, hwu64.load_mapping())
    assert call == {
        "name": "create_event",
        "arguments": {
            "title": "meeting", "date": "tomorrow", "time": "morning at six", "people": "sara and jamie"
        },
    }  # fmt: skip


def test_scoring_compares_labelled_arguments_only_and_knows_inventions() -> None:
    mapping = hwu64.load_mapping()
    right = targets.target(LABELLED, mapping)

    def judged(call: dict[str, Any], **changed: str) -> tuple[bool, bool, bool]:
        return mapping.judge({**LABELLED, **changed}, ToolCall(call["name"], call["arguments"]))

    assert judged(right) == (True, True, True)
    invented = {**right, "arguments": {**right["arguments"], "place": "tomorrow"}}
    assert judged(invented) == (True, True, False)
    wrong = {**right, "arguments": {**right["arguments"], "date": "six"}}
    assert judged(wrong)[:2] == (True, False)
    assert not judged(right, intent="weather_query")[0]
    refusal = {"name": "refuse", "arguments": {"reason": "no tool for the weather"}}
    assert judged(refusal, intent="weather_query") == (True, True, True)


def test_unlabelled_content_is_cut_out_by_rules() -> None:
    mapping = hwu64.load_mapping()

    def call(intent: str, text: str, **labels: str) -> dict[str, Any]:
        slots = [[k, v, text.index(v), text.index(v) + len(v)] for k, v in labels.items()]
        return targets.target({"id": "0", "intent": intent, "text": text, "slots": slots}, mapping)[
            "arguments"
        ]

    assert call("lists_createoradd", "add sugar to my shopping list", list_name="shopping") == {
        "items": ["sugar"],
        "list": "shopping",
    }
    assert call("email_sendemail", "send email to cat that i will accept job offer", person="cat") == {
        "to": "cat",
        "body": "i will accept job offer",
    }
    assert call("calendar_set", "remind me to eat when i get home", event_name="eat", time="i get home") == {
        "text": "eat",
        "time": "i get home",
    }
    assert call("calendar_remove", "please remove my next event") == {"title": "next event"}


def test_published_cases_are_in_schema_order_and_copied() -> None:
    for name in ("cases.jsonl", "dev_clean.jsonl"):
        for line in (ROOT / "experts" / "organizer" / name).read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            (call,) = case["calls"]
            keys = list(call["arguments"])
            assert keys == [k for k in hwu64.ORDER[call["name"]] if k in keys], case["id"]
            if call["name"] != "refuse":
                for text in strings(call["arguments"]):
                    words = text.replace(" and #", " #").split()
                    assert all(word in case["input"] for word in words), (case["id"], text)
