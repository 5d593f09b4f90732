"""Plans: what the contract admits, what the type check finds, whom retrieval shows to the planner."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer

from speeddial import Expert, Plan, Project, Runner, Tool, tool
from speeddial.errors import ContractViolation, PlanError
from speeddial.messages import compact_json
from speeddial.models.scripted import Scripted
from speeddial.plan import (
    MAX_PLAN_STEPS,
    Step,
    candidates,
    check_plan,
    plan_contract,
    planner_messages,
)


@tool
def count_rows(question: str) -> int:
    """Count rows."""
    return len(question)


@tool
def list_rows(question: str) -> list[str]:
    """List rows."""
    return [question]


@tool
def draft(text: str) -> str:
    """Draft a mail."""
    return text


TOOLS: dict[str, Tool] = {one.name: one for one in (count_rows, list_rows, draft)}


def expert(name: str, *tools: str, **fields: Any) -> Expert:
    fields = {"summary": f"{name} things", "task": "", "when_to_call": (), **fields}
    return Expert(name=name, tools=tools, prompt=f"You are {name}.", folder=Path(name), **fields)


EXPERTS = {
    one.name: one
    for one in (
        expert("counter", "count_rows", needs_file=True),
        expert("lister", "list_rows", needs_file=True),
        expert("mailer", "draft", accepts=("scalar", "text")),
    )
}
FILES = ("orders.csv", "people.csv")
CONTRACT = plan_contract(EXPERTS, FILES)
GOOD = {
    "steps": [
        {"task": "How many orders?", "expert": "counter", "file": "orders.csv"},
        {"task": "put the result into a mail", "expert": "mailer", "uses": [1]},
    ],
    "missing": ["book a flight"],
}


def problems(plan: dict[str, Any]) -> list[str]:
    checked = check_plan(Plan.model_validate(plan), EXPERTS, TOOLS, FILES)
    return [f"{problem.path}: {problem.expected}" for problem in checked]


def admits(plan: Any, contract: Any = CONTRACT) -> bool:
    matcher = LLMatcher(LLTokenizer("byte"), contract.grammar)
    text = compact_json(plan).encode()
    return matcher.try_consume_tokens(list(text)) == len(text) and matcher.is_accepting()


def test_a_good_plan_passes_grammar_contract_and_check() -> None:
    assert admits(GOOD)
    assert CONTRACT.parse(compact_json(GOOD)) == GOOD
    assert problems(GOOD) == []
    assert Plan.model_validate(GOOD).as_dict() == GOOD


@pytest.mark.parametrize(
    "steps",
    [
        [{"task": "x", "expert": "nobody"}],
        [{"task": "x", "expert": "counter"}],
        [{"task": "x", "expert": "counter", "file": "gone.csv"}],
        [{"task": "x", "expert": "mailer", "file": "orders.csv"}],
        [{"task": "x", "expert": "mailer", "uses": [1]}],
        [
            {"task": "x", "expert": "counter", "file": "orders.csv"},
            {"task": "x", "expert": "mailer", "uses": [2]},
        ],
        [
            {"task": "x", "expert": "counter", "file": "orders.csv"},
            {"task": "x", "expert": "mailer", "uses": [0]},
        ],
        [
            {"task": "x", "expert": "counter", "file": "orders.csv"},
            {"task": "x", "expert": "mailer", "uses": []},
        ],
        [{"task": "", "expert": "mailer"}],
        [{"task": "x", "expert": "mailer"}] * (MAX_PLAN_STEPS + 1),
    ],
)
def test_what_cannot_run_is_not_in_the_grammar(steps: list[dict[str, Any]]) -> None:
    plan = {"steps": steps}
    assert not admits(plan)
    with pytest.raises(ContractViolation):
        CONTRACT.parse(compact_json(plan))


def test_a_plan_without_steps_must_say_what_is_missing() -> None:
    assert admits({"steps": [], "missing": ["fly"]})
    assert not admits({"steps": []})
    assert problems({"steps": []}) == ["steps: at least one step, or missing"]


def test_a_part_that_nobody_serves_may_stand_in_its_place() -> None:
    answer = {
        "steps": [
            {"task": "book a flight", "expert": None},
            {"task": "How many orders?", "expert": "counter", "file": "orders.csv"},
            {"task": "put the flight into a mail", "expert": "mailer", "uses": [1]},
            {"task": "put the number into a mail", "expert": "mailer", "uses": [2]},
        ]
    }
    assert admits(answer)
    assert Plan.from_answer(CONTRACT.parse(compact_json(answer))).as_dict() == {
        "steps": [
            {"task": "How many orders?", "expert": "counter", "file": "orders.csv"},
            {"task": "put the number into a mail", "expert": "mailer", "uses": [1]},
        ],
        "missing": ["book a flight", "put the flight into a mail"],
    }
    assert not admits({"steps": [{"task": "book a flight", "expert": None, "file": "orders.csv"}]})


@given(st.lists(st.booleans(), min_size=1, max_size=MAX_PLAN_STEPS), st.data())
def test_an_answer_keeps_every_part_once_and_its_references(served: list[bool], data: st.DataObject) -> None:
    steps: list[dict[str, Any]] = []
    for number, is_served in enumerate(served):
        step: dict[str, Any] = {"task": f"part {number}", "expert": "mailer" if is_served else None}
        if is_served and number and data.draw(st.booleans()):
            step["uses"] = [data.draw(st.integers(1, number))]
        steps.append(step)
    plan = Plan.from_answer({"steps": steps})
    assert sorted([*(step.task for step in plan.steps), *plan.missing]) == [step["task"] for step in steps]
    for kept in plan.steps:
        (asked,) = (one for one in steps if one["task"] == kept.task)
        assert [plan.steps[used - 1].task for used in kept.uses] == [
            steps[used - 1]["task"] for used in asked.get("uses", [])
        ]


def test_without_files_no_expert_that_needs_one_can_be_named() -> None:
    contract = plan_contract(EXPERTS, ())
    assert not admits({"steps": [{"task": "x", "expert": "counter", "file": "orders.csv"}]}, contract)
    assert admits({"steps": [{"task": "x", "expert": "mailer"}]}, contract)
    nobody = plan_contract({"counter": EXPERTS["counter"]}, ())
    assert admits({"steps": [], "missing": ["all of it"]}, nobody)


def test_a_reference_to_a_result_of_another_kind_is_found_before_anything_runs() -> None:
    plan = {
        "steps": [
            {"task": "Which orders?", "expert": "lister", "file": "orders.csv"},
            {"task": "mail it", "expert": "mailer", "uses": [1]},
        ]
    }
    assert admits(plan)
    assert problems(plan) == ["steps[1].uses: a result that mailer takes (scalar, text)"]


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ({"task": "x", "expert": "nobody"}, "expert: a known expert"),
        ({"task": "x", "expert": "counter"}, "file: a file, which counter needs"),
        ({"task": "x", "expert": "counter", "file": "gone.csv"}, "file: a file of this run"),
        ({"task": "x", "expert": "mailer", "file": "orders.csv"}, "file: nothing: mailer takes no file"),
        ({"task": "x", "expert": "mailer", "uses": [1]}, "uses: the number of an earlier step"),
        ({"task": "  ", "expert": "mailer"}, "task: some text"),
        ({"task": "x" * 1001, "expert": "mailer"}, "task: at most 1000 characters"),
    ],
)
def test_the_check_finds_what_a_plan_by_hand_may_have_wrong(step: dict[str, Any], found: str) -> None:
    assert problems({"steps": [step]}) == [f"steps[0].{found}"]


steps = st.builds(
    Step,
    task=st.text(max_size=20),
    expert=st.sampled_from([*EXPERTS, "nobody", ""]),
    file=st.sampled_from([None, *FILES, "gone.csv"]),
    uses=st.lists(st.integers(-2, 12), max_size=4).map(tuple),
)
plans = st.builds(
    Plan,
    steps=st.lists(steps, max_size=MAX_PLAN_STEPS + 2).map(tuple),
    missing=st.lists(st.text(max_size=10), max_size=2).map(tuple),
)


@given(plans)
def test_any_plan_passes_or_gives_problems_and_what_passes_can_be_put_in_order(plan: Plan) -> None:
    if not check_plan(plan, EXPERTS, TOOLS, FILES):
        for number, step in enumerate(plan.steps, start=1):
            assert all(1 <= used < number for used in step.uses)
            assert (step.file in FILES) == EXPERTS[step.expert].needs_file


@settings(max_examples=40)
@given(plans)
def test_what_passes_the_check_is_admitted_by_the_grammar(plan: Plan) -> None:
    if not check_plan(plan, EXPERTS, TOOLS, FILES):
        assert CONTRACT.parse(compact_json(plan.as_dict())) == plan.as_dict()
        assert admits(plan.as_dict())


def test_the_grammar_of_a_full_registry_compiles_at_once() -> None:
    many = {f"expert{number}": expert(f"expert{number}", "draft", accepts=("text",)) for number in range(12)}
    contract = plan_contract(many | EXPERTS, [f"file{number}.csv" for number in range(20)])
    began = time.process_time()
    matcher = LLMatcher(LLTokenizer("byte"), contract.grammar)
    assert not matcher.is_error(), matcher.get_error()
    # Some 30 ms.
    assert time.process_time() - began < 1.0


def test_the_planner_is_told_experts_files_task_and_failures() -> None:
    prompt = "You are the planner.\nExperts:\n{experts}"
    system, user = planner_messages(prompt, "do it {experts}", EXPERTS.values(), FILES, ["counter: broke"])
    assert system.content.endswith(
        "- counter: counter things\n- lister: lister things\n- mailer: mailer things"
    )
    assert user.content == "Files: orders.csv, people.csv\nTask: do it {experts}\nFailed: counter: broke"


def test_a_large_registry_is_searched_for_the_task() -> None:
    subjects = (
        "weather forecasts",
        "invoices and payments",
        "train tickets",
        "cooking recipes",
        "music playlists",
        "chess openings",
        "unit conversion",
        "stock prices",
        "football results",
        "photo albums",
        "garden plants",
        "bicycle repair",
        "tax forms",
        "hotel rooms",
    )
    many = {
        subject.split()[-1].lower(): expert(subject.split()[-1].lower(), "draft", summary=subject)
        for subject in subjects
    }
    assert candidates("anything", EXPERTS) == EXPERTS
    found = candidates("book a train ticket and tell me the weather forecast", many, limit=4)
    assert {"forecasts", "tickets"} < set(found) and len(found) == 4
    assert "recipes" in candidates("find a recipe for cooking soup", many, limit=1)
    assert len(candidates("", many, limit=3)) == 3
    parts = "what is the football result of the football match in the football league, and plan a ticket"
    assert set(candidates(parts, many, limit=2)) == {"results", "tickets"}
    named = many | {"oil_change": expert("oil_change", "draft", summary="cars")}
    assert "oil_change" in candidates("when is the next change", named, limit=1)
    many["recipes"] = replace(many["recipes"], planned=False)
    assert "recipes" not in candidates("find a recipe for cooking soup", many, limit=1)
    assert "recipes" not in candidates("find a recipe for cooking soup", many, limit=len(many))


@pytest.fixture
def runner(make_project: Callable[..., Path]) -> Any:
    with Runner(Project.load(make_project(model="scripted:planner"))) as runner:
        yield runner


def test_a_plan_that_does_not_type_check_goes_back_to_the_planner_once(runner: Runner) -> None:
    wrong = {"steps": [{"task": " ", "expert": "adder"}]}
    right = {"steps": [{"task": "What is 2 and 3?", "expert": "adder"}]}
    model = Scripted.register("planner", [wrong, right])
    assert runner.plan_sync("What is 2 and 3?").as_dict() == right
    assert "steps[0].task: expected some text" in model.requests[1].messages[-1].content
    first, second = runner.record.interactions()
    assert [(row.kind, row.status) for row in (first, second)] == [("plan", "failed"), ("plan", "corrected")]
    assert second.parent == first.id


def test_two_wrong_plans_are_an_error_that_names_what_is_wrong(runner: Runner) -> None:
    Scripted.register("planner", [{"steps": [{"task": " ", "expert": "adder"}]}] * 2)
    with pytest.raises(PlanError, match=r"steps\[0\].task: expected some text"):
        runner.plan_sync("What is 2 and 3?")
