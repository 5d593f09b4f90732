"""The switchboard's four experts: their tools and prompts are those of the training data."""

from __future__ import annotations

import importlib
import json
import sys

import pytest
from rooms import ROOT, project

sys.path.insert(0, str(ROOT))  # the recipes are run from the repository root and are in no wheel
snips = importlib.import_module("training.snips")
PROMPTS = importlib.import_module("training.switchboard").PROMPTS

NAMES = sorted(snips.EXPERTS)


@pytest.mark.parametrize("name", NAMES)
def test_tools_and_prompt_are_those_of_the_training_data(name: str) -> None:
    expert = project().expert(name)
    assert expert.prompt == PROMPTS[name]
    assert sorted(expert.tools) == sorted(snips.tool_name(intent) for intent in snips.EXPERTS[name])
    for intent in snips.EXPERTS[name]:
        # The decoder writes keys in the order of the signature, which is the order that was learnt.
        assert (
            tuple(project().tools[snips.tool_name(intent)].contract.schema["properties"])
            == snips.ARGUMENTS[intent]
        )
    assert not expert.is_stale(project().tools)


@pytest.mark.parametrize("name", NAMES)
def test_every_case_is_a_call_that_the_grammar_admits(name: str) -> None:
    tools = project().tools
    lines = (ROOT / "experts" / name / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    assert len({json.loads(line)["input"] for line in lines}) == len(lines) >= 40
    for line in lines:
        case = json.loads(line)
        for call in case["calls"]:
            if call["name"] != "refuse":
                contract = tools[call["name"]].contract.bound(case["input"])
                assert contract.check(call["arguments"]) == [], case["id"]
                assert list(call["arguments"]) == [
                    key for key in contract.schema["properties"] if key in call["arguments"]
                ]
