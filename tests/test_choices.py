"""Values of a call and values excluded: in the grammar, the check, the prompt and the call path."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from contract_strategies import accepts, walk
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import Field

from speeddial import Excluded, OneOf, ToolContext, ToolError, tool
from speeddial.contract import Contract, arguments_contract, union_of_calls, write_json
from speeddial.contract.choices import pattern_without
from speeddial.contract.schemas import matcher
from speeddial.errors import ContractViolation, DefinitionError

names = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=6)


def labels(context: Any) -> Sequence[str] | None:
    """The source of these tests: the context is the labels."""
    return None if context is None else list(context)


def taken(context: Any) -> Sequence[str]:
    return list(context or ())


Label = Annotated[str, OneOf(labels)]


def file_under(label: Label, also: list[Label] | None = None, note: str = "") -> None:
    """File it."""


def archive(label: Label | None = None) -> None:
    """Put it away."""


@settings(deadline=None)
@given(names, st.text(max_size=6), st.integers())
def test_grammar_and_check_admit_the_values_of_the_call_and_no_others(
    values: list[str], other: str, seed: int
) -> None:
    contract, _, _ = arguments_contract(file_under)
    if not values:
        with pytest.raises(ContractViolation, match="labels has none"):
            contract.bound(context=values)
        return
    bound = contract.bound(context=values)
    for value in {*values, other}:
        call = {"label": value}
        admitted = value in values
        assert (bound.check(call) == []) is admitted
        assert accepts(bound, write_json(call)) is admitted
    text = walk(bound, random.Random(seed))
    assert text is None or bound.check(json.loads(text)) == []


def test_an_argument_with_nothing_to_choose_from_is_left_out_and_not_said_to_be_null() -> None:
    contract, _, _ = arguments_contract(archive)
    bound = contract.bound(context=[])
    assert accepts(bound, "{}") and not accepts(bound, '{"label":null}')
    for context in (["work"], None):
        assert accepts(contract.bound(context=context), '{"label":null}')


def test_the_values_are_in_the_prompt_and_not_in_the_hash() -> None:
    contract, _, _ = arguments_contract(file_under)
    bound = contract.bound(context=["work", "home"])
    assert bound.schema_hash == contract.schema_hash
    assert contract.schema_hash != Contract.of(str).schema_hash
    assert 'label: "work" | "home"' in bound.describe()
    assert "label: string<one of the labels>" in contract.describe()
    assert "label: one of the labels" in contract.report.by_grammar
    (problem,) = bound.check({"label": "wrok"})
    assert str(problem) == (
        'label: expected one of the valid choices, got "wrok" (string); valid: "work", "home"'
    )


def test_a_source_that_says_none_leaves_the_string_free() -> None:
    contract, _, _ = arguments_contract(file_under)
    assert contract.bound() is contract
    assert contract.check({"label": "anything"}) == []


def test_without_values_what_needs_one_cannot_be_called_and_the_rest_is_left_out() -> None:
    tools = {"file_under": arguments_contract(file_under)[0], "archive": arguments_contract(archive)[0]}
    bound = union_of_calls(tools).bound(context=[])
    assert list(bound.tools) == ["archive", "refuse"]
    assert accepts(bound, '{"name":"archive","arguments":{}}')
    assert accepts(bound, '{"name":"refuse","arguments":{"reason":"no labels"}}')
    assert not accepts(bound, '{"name":"archive","arguments":{"label":"x"}}')
    assert bound.check({"name": "file_under", "arguments": {"label": "x"}}) != []
    assert bound.schema_hash == union_of_calls(tools).schema_hash


@given(names, st.text(max_size=8))
def test_the_pattern_without_some_strings_matches_all_others(values: list[str], other: str) -> None:
    search = matcher(pattern_without(values))
    assert search is not None
    for value in {*values, other, *(value + other for value in values), *(value[:-1] for value in values)}:
        assert search(value) is (value not in values), value


@settings(deadline=None, max_examples=50)
@given(names, st.text(max_size=6), st.booleans())
@example(["\\"], '"', True)
@example(['"', "a"], "\\", False)
def test_excluded_values_are_kept_out_by_the_grammar(values: list[str], other: str, late: bool) -> None:
    excluded = Excluded(taken) if late else Excluded(frozenset(values))
    contract = Contract.of(Annotated[str, excluded, Field(max_length=20)]).bound(context=values)
    assert contract.report.after == ()
    for value in {*values, other}:
        assert (contract.check(value) == []) is (value not in values)
        assert accepts(contract, write_json(value)) is (value not in values)


def test_excluded_values_leave_an_enum_and_are_left_to_the_check_beside_a_pattern() -> None:
    contract = Contract.of(Annotated[str, OneOf(labels), Excluded({"id"})])
    bound = contract.bound(context=["id", "city"])
    assert bound.check("id") != [] == bound.check("city")
    assert accepts(bound, '"city"') and not accepts(bound, '"id"')
    with pytest.raises(ContractViolation, match="none: labels has none"):
        contract.bound(context=[])
    patterned = Contract.of(Annotated[str, Excluded({"aa"}), Field(pattern="^a+$")])
    assert patterned.report.after == ("value: not",)
    (problem,) = patterned.check("aa")
    assert str(problem) == 'value: expected anything but "aa", got "aa" (string)'


def test_what_cannot_stand_beside_a_choice_is_refused() -> None:
    with pytest.raises(DefinitionError, match="pattern beside OneOf"):
        Contract.of(Annotated[str, OneOf(labels), Field(pattern="^a$")])
    with pytest.raises(DefinitionError, match="OneOf cannot be enforced on int"):
        Contract.of(Annotated[int, OneOf(labels)])
    with pytest.raises(DefinitionError, match="Excluded cannot be enforced"):
        Contract.of(Annotated[Literal["a", "b"], Excluded({"a"})])

    def numbers(context: Any) -> Any:
        return [1, 2]

    with pytest.raises(DefinitionError, match="numbers gave 1, which is not text"):
        Contract.of(Annotated[str, OneOf(numbers)]).bound()


def folders(context: ToolContext) -> list[str]:
    return sorted(path.name for path in context.workspace.iterdir() if path.is_dir())


@tool(effect="write")
def tidy(folder: Annotated[str, OneOf(folders)], context: ToolContext) -> str:
    """Tidy a folder."""
    if not (context.workspace / folder).is_dir():
        raise ToolError("gone")
    return f"tidied {folder}"


async def test_a_tool_runs_with_the_values_of_its_context_only(tmp_path: Path) -> None:
    now = datetime(2026, 11, 22, 9, tzinfo=UTC)
    context = ToolContext(workspace=tmp_path, files={}, now=now, idempotency_key="key")
    with pytest.raises(ContractViolation, match="folders has none"):
        await tidy.run({"folder": "attic"}, context)
    (tmp_path / "attic").mkdir()
    assert (await tidy.run({"folder": "attic"}, context)).text == "tidied attic"
    other = replace(context, workspace=tmp_path / "attic")
    with pytest.raises(ContractViolation):
        await tidy.run({"folder": "attic"}, other)
