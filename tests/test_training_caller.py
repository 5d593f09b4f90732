"""The caller's recipe: rows are what the call path writes, values stand in the request, a seed fixes them."""

from __future__ import annotations

import importlib
import json
import lzma
import random
import sys
from pathlib import Path
from typing import Any

from speeddial.contract import several_calls
from speeddial.contract.toolline import tool_line
from speeddial.definition import tool_of
from speeddial.flywheel.cases import read_cases
from speeddial.messages import answer_of

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

catalogue = importlib.import_module("training.caller_catalogue")
coffee = importlib.import_module("training.caller_coffee")
composed = importlib.import_module("training.caller_composed")
generated = importlib.import_module("training.caller_generated")
rows = importlib.import_module("training.caller_rows")
seal = importlib.import_module("training.caller_seal")
sgd = importlib.import_module("training.caller_sgd")

EXPERT = ROOT / "experts/caller"


def cases(count: int, seed: int = 5) -> list[dict[str, Any]]:
    return list(generated.rows(catalogue.TRAIN, [], count, random.Random(seed)))


def compressed(path: Path, lines: list[Any]) -> None:
    with lzma.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def test_a_row_is_what_the_call_path_writes() -> None:
    for case in cases(60):
        row = rows.training_row(case)
        system, user, assistant = (message["content"] for message in row["messages"])
        tools = [tool_of(item) for item in case["tools"]]
        assert system == (EXPERT / "prompt.md").read_text(encoding="utf-8").strip()
        lines = [tool_line(tool.name, tool.contract.full_schema, tool.description) for tool in tools]
        assert user == "\n".join([*lines, case["input"]])
        value = several_calls({tool.name: tool.contract for tool in tools}).parse(assistant)
        assert value == answer_of(json.loads(assistant))


def test_every_kind_is_made_and_a_seed_fixes_the_rows() -> None:
    made = cases(400)
    assert {case["source"] for case in made} == {f"gen-{kind}" for kind in generated.KINDS}
    assert made == cases(400) != cases(400, seed=6)


def test_texts_of_a_call_stand_in_the_request() -> None:
    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for item in value.values() for text in texts(item)]
        if isinstance(value, list):
            return [text for item in value for text in texts(item)]
        return [value] if isinstance(value, str) else []

    free = {
        "to",
        "from",
        "text",
        "title",
        "about",
        "query",
        "city",
        "place",
        "location",
        "recipient",
        "contact",
    }
    for case in cases(400):
        for call in case["calls"] if case["source"] != "gen-ask" and case["source"] != "gen-refuse" else ():
            for key, value in call["arguments"].items():
                if key in free and "enum" not in json.dumps(case["tools"]):
                    assert all(text.casefold() in case["input"].casefold() for text in texts(value)), case


def test_specs_of_the_development_part_are_in_no_training_row() -> None:
    known = {name for spec in catalogue.TRAIN for name in spec.names}
    assert not known & {name for spec in catalogue.UNSEEN for name in spec.names}


def test_dialogues_become_typed_calls_questions_and_nothing_where_labels_are_wrong(tmp_path: Path) -> None:
    slots = [
        ("city", []),
        ("guests", ["1", "2", "3"]),
        ("pets", ["True", "False"]),
        ("class", ["cheap", "dear"]),
    ]
    schema = {
        "service_name": "Inns_1",
        "slots": [
            {"name": name, "description": name, "is_categorical": bool(values), "possible_values": values}
            for name, values in slots
        ],
        "intents": [
            {
                "name": "FindInn",
                "description": "Find an inn",
                "required_slots": ["city", "guests"],
                "optional_slots": {"pets": "dontcare", "class": "dontcare"},
            }
        ],
    }
    for number in range(sgd.VARIANTS):
        name = f"schema_x_v{number}_train.json.xz" if number else "schema_train.json.xz"
        compressed(tmp_path / name, [[schema]])
    request = "I need an inn in Ghent for two with my dog, something cheap."
    state = {"city": ["ghent", "Gent"], "guests": ["2"], "pets": ["True"], "class": ["cheap"]}

    def dialogue(number: int, said: str, values: dict[str, list[str]], **turn: Any) -> dict[str, Any]:
        asked = {"s": "U", "t": said, "state": {"Inns_1": {"i": "FindInn", "v": values}}}
        return {"id": f"d{number}", "turns": [asked, {"s": "S", "t": "Fine. For how many?", **turn}]}

    done = {
        "service": "Inns_1",
        "method": "FindInn",
        "arguments": {name: values[0] for name, values in state.items()},
    }
    found = [
        dialogue(1, request, state, calls=[done], acts=[]),
        dialogue(2, "An inn in Ghent", {"city": ["Ghent"]}, acts=[["REQUEST", "guests", []]]),
        dialogue(3, "An inn please", {"city": ["Ghent"]}, acts=[["REQUEST", "guests", []]]),
    ]
    numbers = sgd.numbers_in(found)
    wordings = sgd.services(tmp_path, "train", numbers)
    made = {case["id"]: case for case in sgd.rows("train", found, wordings, random.Random(1), {"Inns_1"})}
    assert len(made) == 2, "a city that nobody said is no label"
    (called,) = [case for key, case in made.items() if "d1" in key]
    arguments = {"city": "Ghent", "guests": 2, "pets": True, "class": "cheap"}
    assert called["calls"] == [{"name": "FindInn", "arguments": arguments}]
    (asked,) = [case for key, case in made.items() if "d2" in key]
    question = {"tool": "FindInn", "argument": "guests", "question": "For how many?"}
    assert asked["calls"] == [{"name": "ask", "arguments": question}]


def test_catalogue_rows_with_made_up_values_are_dropped() -> None:
    tools = {
        "getRain": {
            "name": "getRain",
            "parameters": {"properties": {"place": {"type": "string"}, "days": {"type": "integer"}}},
        }
    }

    def fault(query: str, **parameters: Any) -> str:
        found: str = seal.fault(
            {"query": query, "calling": [{"api": "getRain", "parameters": parameters}]}, tools
        )
        return found

    assert fault("Rain in Bath for 3 days", place="Bath", days=3) == ""
    assert fault("Rain in Bath", place="Wells") == "text not in the request"
    assert fault("Rain in a specific town", place="town") == "placeholder"
    assert fault("Rain in Bath", place="Bath", days=3) == "number not in the request"
    assert fault("Rain there", place="API_call_0") == "takes another call's result"


def test_orders_are_named_as_they_were_said(tmp_path: Path) -> None:
    steps = [
        {"resp": "get_menu_items", "value": {"menu_items": [{"menu_item_id": "latte-1", "name": "Latte"}]}},
        {
            "call": "add_order_item",
            "args": {
                "menu_item_id": "latte-1",
                "quantity": "2",
                "attributes": [{"attribute_id": "milk-options", "option": "Oat Milk"}],
                "addons": [{"addon_id": "chocolate-sauce-4", "option": "ADD"}],
            },
        },
    ]
    text = "Two lattes: a latte with oat milk and chocolate sauce"
    compressed(tmp_path / "train.jsonl.xz", [{"id": "d", "turns": [{"s": "U", "t": text, "steps": steps}]}])
    (case,) = coffee.rows(tmp_path, "train", random.Random(2))
    item, count, (attribute,), extras = case["calls"][0]["arguments"].values()
    assert (item, count, list(attribute.values()), extras) == (
        "latte",
        2,
        ["milk options", "oat milk"],
        ["chocolate sauce"],
    )


def test_written_cases_are_valid_and_of_every_kind() -> None:
    kinds = set()
    lines = [json.loads(line) for line in (EXPERT / "cases.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) >= 60
    for line, case in zip(lines, read_cases(EXPERT / "cases.jsonl", EXPERT, several=True), strict=True):
        contracts = {tool.name: tool.contract for tool in map(tool_of, line["tools"])}
        for call in line["calls"]:
            kinds.add(call["name"] if call["name"] in ("ask", "refuse") else len(line["calls"]))
            if call["name"] in contracts:
                contracts[call["name"]].load(call["arguments"])
            elif call["name"] == "ask":
                asked = contracts[call["arguments"]["tool"]].full_schema
                assert call["arguments"]["argument"] in asked["required"]
        answer = answer_of({"calls": line["calls"]} if len(line["calls"]) > 1 else line["calls"][0])
        assert case.judge(answer).exact
    assert kinds == {1, 2, 3, "ask", "refuse"}


def test_composed_tools_are_all_different_and_their_rows_valid() -> None:
    specs = composed.composed(60, random.Random(3))
    assert len({spec.names[0] for spec in specs}) > 50
    assert composed.composed(60, random.Random(3))[0].names == specs[0].names
    made = list(generated.rows(specs, [], 120, random.Random(4), talk=True))
    assert {case["source"] for case in made} == {f"gen-{kind}" for kind in generated.KINDS}
    held = {name for spec in catalogue.UNSEEN for name in spec.names}
    assert held.isdisjoint(tool["name"] for case in made for tool in case["tools"])
    for case in made:
        rows.training_row(case)  # raises where the calls do not fit their tools
    several = [case["input"] for case in made if ". " in case["input"]]
    assert several, "some are said in several sentences"
