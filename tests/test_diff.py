"""Diffs: nothing beside itself, the mirror image the other way round, and no word lost."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speeddial.record import InteractionRow, Record, RunRow
from speeddial.record.diff import CONTENT, FIGURES, RunDiff, diff_runs, text_spans

MESSAGES = [{"role": "system", "content": "You add."}, {"role": "user", "content": "What is 2 and 3?"}]
words = st.lists(
    st.sampled_from(["add", "2", "3", " ", "\n", "the", "milk,", "ß", "牛奶", "{", '"a":']), max_size=12
)
texts = st.one_of(words.map("".join), st.text(max_size=30))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunRow:
    """One run as the record gives it."""
    with Record.open(tmp_path_factory.mktemp("diff") / "record.db") as record:
        name = record.begin_run("What is 2 and 3?")
        call = {"name": "add", "arguments": {"a": 2, "b": 3}}
        for step, expert in ((0, "planner"), (1, "adder"), (1, "adder"), (2, "writer")):
            row = record.start_interaction(
                name,
                "model" if step else "plan",
                step=step,
                expert=expert,
                model="scripted",
                messages=MESSAGES,
            )
            record.finish_interaction(row, "exact", raw=json.dumps(call), parsed=call, tokens_out=9)
            if step:
                row = record.start_interaction(
                    name, "tool", step=step, tool="add", arguments={"a": 2, "b": 3}
                )
                record.finish_interaction(row, "done", result=5, text="5")
        record.finish_run(name, "done", answer="5")
        return record.run(name)


def variants(run: RunRow) -> st.SearchStrategy[RunRow]:
    """The run with some interactions left out, and some with other content or figures."""

    def changed(row: InteractionRow) -> st.SearchStrategy[InteractionRow]:
        return st.builds(
            lambda expert, raw, status, result, latency: replace(
                row, expert=expert, raw=raw, status=status, result=result, latency_ms=latency
            ),
            st.sampled_from([row.expert, "adder", "generalist"]),
            st.one_of(st.just(row.raw), texts),
            st.sampled_from([row.status, "corrected"]),
            st.sampled_from([row.result, 6, None, {"rows": [[1]]}]),
            st.floats(0, 9),
        )

    def one_of(row: InteractionRow) -> st.SearchStrategy[InteractionRow | None]:
        return st.one_of(st.just(row), changed(row), st.none())

    rows = st.tuples(*(one_of(row) for row in run.interactions))
    return st.builds(
        lambda answer, chosen: replace(
            run, answer=answer, interactions=tuple(row for row in chosen if row is not None)
        ),
        texts,
        rows,
    )


def mirrored(body: dict[str, Any]) -> dict[str, Any]:
    """The JSON of a diff as the other way round must give it, but for the order of what one side lacks."""

    def field(one: dict[str, Any]) -> dict[str, Any]:
        turned = {**one, "left": one["right"], "right": one["left"]}
        if "spans" in one:
            turned["spans"] = sorted_spans([[SIDES[side], text] for side, text in one["spans"]])
        return turned

    steps = [
        {
            **step,
            "left": step["right"],
            "right": step["left"],
            "fields": [field(one) for one in step["fields"]],
        }
        for step in body["steps"]
    ]
    summary = [field(one) for one in body["summary"]]
    return {
        **body,
        "left": body["right"],
        "right": body["left"],
        "summary": summary,
        "steps": in_order(steps),
    }


SIDES = {"same": "same", "left": "right", "right": "left"}


def sorted_spans(spans: list[list[str]]) -> list[list[str]]:
    """Left before right where both stand between the same pieces."""
    for at in range(len(spans) - 1):
        if (spans[at][0], spans[at + 1][0]) == ("right", "left"):
            spans[at], spans[at + 1] = spans[at + 1], spans[at]
    return spans


def in_order(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(steps, key=lambda step: (step["step"], step["kind"], json.dumps(step, default=str)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_diff_turned_round_is_its_mirror_image(run: RunRow, data: st.DataObject) -> None:
    one, other = data.draw(variants(run)), data.draw(variants(run))
    there, back = diff_runs(one, other), diff_runs(other, one)
    turned = back.as_dict()
    assert mirrored(there.as_dict()) == {**turned, "steps": in_order(turned["steps"])}
    assert there.same == back.same
    for side, run_row in (("left", one), ("right", other)):
        shown = [getattr(pair, side).id for pair in there.pairs if getattr(pair, side) is not None]
        assert sorted(shown) == sorted(row.id for row in run_row.interactions)
    json.dumps(there.as_dict())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_run_beside_itself_has_no_difference(run: RunRow, data: st.DataObject) -> None:
    one = data.draw(variants(run))
    found = diff_runs(one, one)
    assert found.same
    assert all(field.same for pair in found.pairs for field in pair.fields)
    assert all(field.same for field in found.summary)
    assert "spans" not in json.dumps(found.as_dict())


@given(left=texts, right=texts)
def test_spans_lose_no_word(left: str, right: str) -> None:
    spans = text_spans(left, right)
    assert "".join(text for side, text in spans if side != "right") == left
    assert "".join(text for side, text in spans if side != "left") == right
    assert all(text for _, text in spans)
    assert all(one[0] != other[0] for one, other in itertools.pairwise(spans))
    if left == right:
        assert {side for side, _ in spans} <= {"same"}


def test_long_texts_are_compared_by_lines_and_longer_ones_as_a_whole() -> None:
    lines = [f"row {number} of the table" for number in range(1_000)]
    other = [*lines[:500], "row of another table", *lines[501:]]
    spans = text_spans("\n".join(lines), "\n".join(other))
    assert [text for side, text in spans if side == "left"] == ["row 500 of the table\n"]
    vast = "x\n" * 50_000
    assert text_spans(vast, vast + "y") == [("left", vast), ("right", vast + "y")]


def test_what_differs_is_told_field_by_field(run: RunRow) -> None:
    plan, *rows = run.interactions
    call = {"name": "add", "arguments": {"a": 2, "b": 4}}
    told = [*MESSAGES[:1], {"role": "user", "content": "What is 2 and 4?"}]
    first = replace(rows[0], messages=tuple(told), parsed=call, latency_ms=99.0, confidence=0.5)
    other = replace(run, id="other", answer="6", interactions=(plan, first, *rows[1:]))
    found = diff_runs(run, other)
    assert not found.same
    (pair,) = [pair for pair in found.pairs if not pair.same]
    differing = {field.name: field for field in pair.fields if not field.same}
    assert differing.keys() == {"messages", "parsed", "latency_ms", "confidence"}
    assert ("left", "3") in differing["messages"].spans() and ("right", "4") in differing["parsed"].spans()
    assert differing["latency_ms"].spans() == []
    summary = {field.name: (field.left, field.right) for field in found.summary if not field.same}
    assert summary == {"answer": ("5", "6")}


def test_figures_alone_make_no_difference(run: RunRow) -> None:
    slower = tuple(replace(row, latency_ms=1e6, cost=1.0, tokens_in=7) for row in run.interactions)
    found: RunDiff = diff_runs(run, replace(run, interactions=slower))
    assert found.same
    assert {field.name for field in found.summary if not field.same} == {"cost", "tokens_in"}
    assert not set(CONTENT) & set(FIGURES)


def test_another_experts_answer_stands_beside_the_firsts(run: RunRow) -> None:
    rows = [replace(row, expert="generalist") if row.expert == "writer" else row for row in run.interactions]
    found = diff_runs(run, replace(run, interactions=tuple(rows)))
    pairs = [(pair.left, pair.right) for pair in found.pairs if pair.step == 2 and pair.kind == "model"]
    ((left, right),) = pairs
    assert left is not None and right is not None
    assert (left.expert, right.expert) == ("writer", "generalist")
    shorter = diff_runs(run, replace(run, interactions=run.interactions[:-2]))
    assert [pair.right for pair in shorter.pairs if pair.step == 2] == [None, None]


def test_a_hostile_text_is_a_text(run: RunRow, tmp_path: Path) -> None:
    nasty = "\x1b[31m[-x-]{+y+}<script>\ud800"
    found = diff_runs(run, replace(run, answer=nasty))
    (answer,) = [field for field in found.summary if field.name == "answer"]
    assert "".join(text for side, text in answer.spans() if side != "left") == nasty
