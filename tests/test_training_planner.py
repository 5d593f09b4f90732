"""The planner's training recipe: plans of composed requests are verbatim, well numbered, and repeatable."""

import importlib
import json
import random
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from speeddial.plan import Plan

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the recipes are run from the repository root and are in no wheel
hwu64 = importlib.import_module("training.hwu64")
joints = importlib.import_module("training.planner_joints")
parts = importlib.import_module("training.planner_parts")
planner = importlib.import_module("training.planner")
intents = importlib.import_module("training.planner_intents")
pack = importlib.import_module("training.planner_pack")
wordings = importlib.import_module("training.planner_wordings")

INTENTS = {
    "weather_query": ["will it rain in lagos tomorrow"],
    "play_music": ["play my gym playlist"],
    "translate": ["how do i say hello in french"],
}


def sources(dev: bool) -> Any:
    every = {
        i: INTENTS.get(i, [f"please handle my {i.replace('_', ' ')} now"])
        for o in planner.OTHERS
        for i in o.intents
    }
    return parts.Sources(
        dev, {"alarm_set": ["wake me up at five am"]}, every, [("Who won in 1998?", "winner")]
    )


def rows(count: int, dev: bool = False, seed: int = 3) -> list[dict[str, Any]]:
    return list(planner.rows(count, seed, sources(dev), set()))


def plan(row: dict[str, Any]) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(row["messages"][2]["content"])
    return loaded


def test_tasks_and_missing_parts_are_verbatim_but_for_repeated_verbs() -> None:
    verbatim = total = 0
    for row in rows(500):
        request = row["messages"][1]["content"]
        for text in [step["task"] for step in plan(row)["steps"]]:
            total += 1
            verbatim += text in request
            assert all(w in request for w in re.findall(r"\w+", text.split("?")[0])) or text not in request
    assert verbatim > 0.95 * total  # 0.970 of the 25,000 rows


def test_keys_are_in_schema_order_and_steps_use_earlier_ones() -> None:
    for row in rows(500):
        made = plan(row)
        assert list(made) == ["steps"] and made["steps"]
        for number, step in enumerate(made["steps"], 1):
            assert list(step) == [k for k in ("task", "expert", "file", "uses") if k in step]
            assert all(1 <= used < number for used in step.get("uses", []))
            assert all(made["steps"][used - 1]["expert"] for used in step.get("uses", []))
            assert step.get("uses", [0])


def test_experts_and_files_of_a_plan_are_those_of_the_prompt() -> None:
    for row in rows(500):
        system, user = row["messages"][0]["content"], row["messages"][1]["content"]
        names = re.findall(r"^- (\w+): ", system, re.MULTILINE)
        assert len(set(names)) == len(names)
        given = user.split("\n")[0].removeprefix("Files: ").split(", ") if user.startswith("Files: ") else []
        for step in plan(row)["steps"]:
            assert step["expert"] in (*names, None)
            assert "file" not in step or step["file"] in given


def test_the_same_seed_gives_the_same_rows() -> None:
    assert rows(60) == rows(60)
    assert rows(60) != rows(60, seed=4)


def test_the_demo_is_not_in_training() -> None:
    assert planner.DEMO not in {
        hwu64.norm(r["messages"][1]["content"].split("Task: ", 1)[1]) for r in rows(800)
    }


def test_joints_of_development_do_not_occur_in_training() -> None:
    for train, dev in (
        (wordings.SENTENCE, wordings.SENTENCE_DEV),
        (wordings.INLINE, wordings.INLINE_DEV),
        (wordings.SPOKEN, wordings.SPOKEN_DEV),
        (wordings.OPENING, wordings.OPENING_DEV),
        (wordings.FILE_FORMS, wordings.FILE_FORMS_DEV),
        (wordings.VAGUE_FILES, wordings.VAGUE_FILES_DEV),
    ):
        assert not set(train) & set(dev)
    texts = " ".join(r["messages"][1]["content"] for r in rows(600))
    assert not any(d.strip() in texts for d in wordings.SENTENCE_DEV)


def test_development_rows_carry_their_registry_and_plan() -> None:
    for row in rows(80, dev=True):
        assert row["plan"] == Plan.from_answer(plan(row)).as_dict()
        lines = [f"- {e['name']}: {e['summary']}" for e in row["experts"]]
        assert row["messages"][0]["content"].splitlines()[2:] == lines
        assert row["messages"][1]["content"] == planner.user_message(row["input"], row["files"])


def test_a_task_loses_greetings_and_periods_but_not_its_question_mark() -> None:
    assert joints.strip_task("Please wake me at six.") == "wake me at six"
    assert joints.strip_task("hey, please call it off, thanks") == "call it off"
    assert joints.strip_task("How many orders are there?") == "How many orders are there?"
    assert joints.strip_task("list the rows please") == "list the rows"


def test_published_cases_use_earlier_steps_and_given_files() -> None:
    for line in (ROOT / "agents" / "planner" / "cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        assert list(case) == ["id", "input", "files", "plan"]
        for number, step in enumerate(case["plan"]["steps"], 1):
            assert step["expert"] in ("organizer", "tables")
            assert (step["expert"] == "tables") == ("file" in step)
            assert step.get("file") in (None, *case["files"])
            assert all(used < number for used in step.get("uses", []))
        for text in case["plan"].get("missing", []):
            assert text in case["input"]


SNIPS = {
    "music": [
        "Play some jazz by Ada Lima",
        "add this song to my road trip list",
        "Put Old Roads, Part II on mix",
    ],
    "dining": [
        "Book a table for two in Lyon",
        "I need a spot at a pub for me and Ben",
        "reserve a diner for six",
    ],
    "weather": [
        "Will it rain in Turku at noon?",
        "what is the forecast for Cork",
        "is it windy, warm or cold here",
    ],
    "library": [
        "rate this novel 4 of 6",
        "Find the saga called Salt and Iron",
        "when does Blue Hour play at Odeon",
    ],
    "home": ["turn the hall lamp off", "set the bedroom to 19 degrees", "open the garage door"],
}


def stock(seed: int = 5) -> Any:
    said = {
        one.intent: [
            f"{verb} the {one.intent.replace('_', ' ')} of case {n}"
            for verb in ("tell me", "give me")
            for n in range(40)
        ]
        for one in intents.EXPERTS
        if not one.held_out
    }
    domain = {intent: str(number % 9) for number, intent in enumerate(said)}
    return pack.Stock(SNIPS, said, domain, sources(False), random.Random(seed))


def pack_rows(seed: int = 5) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = pack.rows(stock(seed), seed, 0.05, set())
    return made


def test_rows_of_the_pack_come_in_blocks_of_one_opening() -> None:
    made = pack_rows()
    assert len(made) % pack.BLOCK == 0
    for at in range(0, len(made), pack.BLOCK):
        block = made[at : at + pack.BLOCK]
        assert len({row["messages"][0]["content"] for row in block}) == 1
        assert len({row["messages"][1]["content"].rpartition("\n")[0] for row in block}) == 1


def test_parts_of_the_pack_stand_in_order_and_null_for_experts_that_are_not_there() -> None:
    experts = Counter[bool]()
    for row in pack_rows():
        system, user = row["messages"][0]["content"], row["messages"][1]["content"]
        names = re.findall(r"^- ([\w-]+): ", system, re.MULTILINE)
        at = user.index("Task: ")
        for step in plan(row)["steps"]:
            assert step["expert"] in (*names, None)
            experts[step["expert"] is None] += 1
            if step["task"] in user:  # all but elided ones
                assert user.index(step["task"]) >= at or user.count(step["task"]) > 1
                at = user.index(step["task"])
    assert experts[False] > experts[True] > 0


def test_held_out_experts_stand_in_no_row() -> None:
    texts = " ".join(row["messages"][0]["content"] for row in pack_rows())
    held = [one for one in intents.EXPERTS if one.held_out]
    assert len(held) > 20
    assert not any(f": {summary}\n" in texts for one in held for summary in one.summaries)


def test_the_pack_gives_the_same_rows_for_the_same_seed() -> None:
    assert pack_rows() == pack_rows()
