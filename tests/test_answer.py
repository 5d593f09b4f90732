"""Answers: composed from results, honest about what is missing, no number from nowhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speeddial import CallOutcome, Project, Runner, tool
from speeddial.answer import compose, invented_numbers
from speeddial.errors import EngineUnreachable
from speeddial.messages import Status, ToolCall
from speeddial.models.model import Request
from speeddial.models.scripted import Scripted
from speeddial.tool import ToolResult


@tool
def look(text: str) -> str:
    """Look something up."""
    return text


@tool(effect="write")
def put(text: str) -> str:
    """Put something down."""
    return text


TOOLS = {"look": look, "put": put}


def served(task: str, text: str, name: str = "look") -> CallOutcome:
    result = ToolResult(text, {}, text)
    return CallOutcome(status=Status.EXACT, expert="e", task=task, call=ToolCall(name), result=result)


def failed(task: str, error: str) -> CallOutcome:
    return CallOutcome(status=Status.FAILED, expert="e", task=task, error=error)


def test_questions_scalars_tables_and_confirmations_have_their_form() -> None:
    answer = compose(
        [
            served("How many orders?", "12"),
            served("orders from Berlin", "3"),
            served("list the cities.", "city\nBerlin\nRome"),
            served("remind me", "Reminder on Monday", "put"),
            served("Which orders are open?", ""),
        ],
        [failed("bake a cake", "cook: no oven")],
        ["fly to Rome"],
        TOOLS,
    )
    assert answer.splitlines() == [
        "How many orders? 12",
        "orders from Berlin: 3",
        "list the cities:",
        "city",
        "Berlin",
        "Rome",
        "Reminder on Monday",
        "Which orders are open? nothing",
        "Not done: bake a cake (cook: no oven)",
        "Not done: fly to Rome (no expert here serves it)",
    ]


def test_nothing_to_do_is_said() -> None:
    assert compose([], [], [], TOOLS) == "Nothing was asked that could be done."


@given(
    st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=4),
    st.lists(st.text(max_size=9), max_size=2),
)
def test_a_composed_answer_never_has_a_number_from_nowhere(
    results: list[tuple[str, str]], missing: list[str]
) -> None:
    outcomes = [served(task, text) for task, text in results]
    # A number stays whole: nothing is put right before or after a task's or a result's digits.
    sources = [part for pair in results for part in pair] + missing
    answer = compose(outcomes, [], missing, TOOLS)
    assert invented_numbers(answer, [*sources, *(part.strip() for part in sources)]) == []


@pytest.mark.parametrize(
    ("text", "sources", "invented"),
    [
        ("There are 12 orders.", ["12"], []),
        ("There are 13 orders.", ["12"], ["13"]),
        ("About 1 of 12.", ["12"], ["1"]),
        ("12.5 on 2026-03-01", ["12.5", "2026-03-01"], []),
        ("12 in all", ["12.5"], ["12"]),
    ],
)
def test_numbers_are_compared_whole(text: str, sources: list[str], invented: list[str]) -> None:
    assert invented_numbers(text, sources) == invented


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        ({"answer": "It makes 5."}, "It makes 5."),
        ({"answer": "It makes 6."}, "What is 2 and 3? 5"),
        (EngineUnreachable("gone"), "What is 2 and 3? 5"),
    ],
)
def test_a_model_may_word_the_answer_but_not_invent_numbers(
    make_project: Callable[..., Path], output: Any, answer: str
) -> None:
    root = make_project(model="scripted:work", settings="transport_retries = 0\n")
    (root / "agents/answerer").mkdir()
    card = 'role = "answerer"\nmodel = "scripted:answerer"\n'
    (root / "agents/answerer/agent.toml").write_text(card, encoding="utf-8")
    (root / "agents/answerer/prompt.md").write_text("You answer.", encoding="utf-8")
    default = Path(__file__).parents[1] / "workflows/default.py"
    (root / "workflows/default.py").write_text(default.read_text(encoding="utf-8"), encoding="utf-8")

    def script(request: Request) -> Any:
        if "Task:" in request.messages[-1].content:
            return {"steps": [{"expert": "adder", "task": "What is 2 and 3?"}]}
        return {"name": "add", "arguments": {"a": 2, "b": 3}}

    Scripted.register("work", script)
    Scripted.register("answerer", [output])
    with Runner(Project.load(root)) as runner:
        assert runner.run_sync("What is 2 and 3?").unwrap() == answer
