"""Tools: typed arguments only, effects declared, results as JSON and as text."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from speeddial.contract import Contract, Decoded, ResolveContext
from speeddial.errors import ContractViolation, DefinitionError, ToolError
from speeddial.tool import ToolContext, tool


def read_day(text: str, context: ResolveContext) -> date:
    if text != "today":
        raise ValueError("a day such as today")
    return context.now.date()


Day = Annotated[date, Decoded(as_=str, resolve=read_day, expected="a day", example="today")]


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Order(BaseModel):
    size: Size
    day: date

    def __str__(self) -> str:
        return f"a {self.size.value} one on {self.day}"


@tool(effect="write")
def order(context: ToolContext, day: Day, size: Size = Size.SMALL) -> Order:
    """Order one.

    Args:
        day: when it is needed.
    """
    (context.workspace / "order").write_text(context.idempotency_key, encoding="utf-8")
    return Order(size=size, day=day)


@tool
async def double(n: int) -> int:
    """Twice a number."""
    return 2 * n


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    now = datetime(2026, 11, 22, 9, tzinfo=UTC)
    return ToolContext(workspace=tmp_path, files={}, now=now, idempotency_key="key")


async def test_typed_values_are_resolved_and_both_forms_are_kept(context: ToolContext) -> None:
    result = await order.run({"day": "today", "size": "large"}, context)
    assert result.value == {"size": "large", "day": "2026-11-22"}
    assert result.resolved == {"day": "2026-11-22", "size": "large"}
    assert result.text == "a large one on 2026-11-22"
    assert (context.workspace / "order").read_text(encoding="utf-8") == "key"


async def test_the_context_is_injected_and_not_in_the_schema() -> None:
    assert set(order.contract.schema["properties"]) == {"day", "size"}
    assert order.description == "Order one."


@pytest.mark.parametrize(
    "arguments",
    [{"n": "5"}, {"n": 5.0}, {"n": True}, {"n": None}, {}, {"n": 5, "m": 1}, {"n": [5]}],
)
async def test_nothing_runs_with_arguments_of_the_wrong_type(
    arguments: dict[str, Any], context: ToolContext
) -> None:
    with pytest.raises(ContractViolation):
        await double.run(arguments, context)


async def test_a_phrase_that_does_not_resolve_is_the_models_error(context: ToolContext) -> None:
    with pytest.raises((ToolError, ContractViolation), match="day"):
        await order.run({"day": "whenever"}, context)
    assert not (context.workspace / "order").exists()


async def test_a_shape_replaces_the_contract_for_one_context(context: ToolContext) -> None:
    def shape(context: ToolContext) -> Contract | None:
        if not context.files:
            return None
        schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}
        return Contract.from_schema(schema)

    @tool(shape=shape)
    def pick(n: int) -> int:
        """Pick a number."""
        return n

    assert (await pick.run({"n": 7}, context)).value == 7
    shaped = ToolContext(context.workspace, {"f": context.workspace}, context.now, "key")
    assert (await pick.run({"n": 2}, shaped)).value == 2
    with pytest.raises(ContractViolation):
        await pick.run({"n": 7}, shaped)


def test_kinds_of_results_come_from_the_return_type() -> None:
    @tool
    def several(n: int) -> int | str | None:
        """Several."""
        return n

    @tool
    def rows() -> list[int]:
        """Rows."""
        return []

    assert double.produces == {"scalar"}
    assert several.produces == {"scalar", "text"}
    assert rows.produces == {"table"}
    assert order.produces == {"text"}


def test_external_tools_need_approval_unless_they_say_otherwise() -> None:
    def call(to: str) -> str:
        """Call somebody."""
        return to

    assert tool(effect="external")(call).needs_approval
    assert not tool(effect="external", approval=False)(call).needs_approval
    assert not tool(effect="write")(call).needs_approval


def test_a_tool_that_cannot_work_fails_at_definition() -> None:
    def undocumented(n: int) -> int:
        return n

    def untyped(n) -> int:  # type: ignore[no-untyped-def]
        """Untyped."""
        return 1

    def loose(n: object) -> int:
        """Loose."""
        return 1

    for function in (undocumented, untyped, loose):
        with pytest.raises(DefinitionError, match=function.__name__):
            tool(function)
    with pytest.raises(DefinitionError, match="effect"):
        tool(effect="maybe")(loose)  # type: ignore[call-overload]
