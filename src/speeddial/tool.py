"""A tool: a typed function with one declared effect, called only with arguments that passed its contract."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints, overload

from speeddial.column import Column
from speeddial.contract import Contract, ResolveContext, arguments_contract
from speeddial.errors import DefinitionError
from speeddial.given import columns_of

Effect = Literal["read", "write", "external"]
"""`read` changes nothing; `write` changes the workspace and checks its idempotency key in its target;
`external` reaches outside it, may need approval, and is never repeated blindly."""

_SCALARS = (bool, int, float, str, Decimal, date, datetime, time)


@dataclass(frozen=True)
class ToolContext:
    """What a tool may see of a run, and nothing else."""

    workspace: Path
    """The only folder it may read and write, besides `files`."""
    files: Mapping[str, Path]
    """Files that the user granted to this run, read-only: name -> path."""
    now: datetime
    """The run's reference time, aware."""
    idempotency_key: str
    """The same for every try of one effect; a `write` tool keeps it in its target."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """What came with the request beside its words, as plain JSON; see `speeddial.given`."""
    references: Mapping[int, str] = field(default_factory=dict)
    """Rendered results of the earlier steps that this call may name as ``#1``."""
    request: str = ""
    """What the expert was asked."""

    @property
    def columns(self) -> tuple[Column, ...] | None:
        """Columns given instead of a file (`call --batch`, evaluation)."""
        return columns_of(self.given)

    @property
    def copied_from(self) -> str:
        """Where copied strings must stand: nowhere when results of earlier steps may be worked in."""
        return "" if self.references else self.request


@dataclass(frozen=True)
class ToolResult:
    """What a tool gave back."""

    value: Any
    """As JSON types."""
    resolved: dict[str, Any]
    """The arguments as the tool received them, typed values resolved, as JSON types."""
    text: str
    """As a person reads it."""


@dataclass(frozen=True)
class Tool:
    """A typed function that experts may call."""

    name: str
    description: str
    effect: Effect
    function: Callable[..., Any]
    contract: Contract
    """Of the arguments, when no run-time shape is needed."""
    returns: Any
    shape: Callable[[ToolContext], Contract | None] | None = None
    """Builds the contract for one call's context, e.g. with a file's columns as an enum; None from it
    means that the context lacks what it needs, and the static contract stays."""
    preface: Callable[[ToolContext], str | None] | None = None
    """Lines that the expert reads before the request, e.g. the columns or the document."""
    needs_approval: bool = False
    runnable: bool = True
    """False where only the schema is known: its calls are decoded, never run."""

    def contract_for(self, context: ToolContext) -> Contract:
        """The contract of this tool's arguments in this context, not yet `Contract.bound` to it."""
        shaped = self.shape(context) if self.shape else None
        return shaped or self.contract

    @property
    def schema_hash(self) -> str:
        return self.contract.schema_hash

    @cached_property
    def produces(self) -> frozenset[str]:
        """Kinds of result (`scalar`, `table`, `text`) that a later step may refer to.

        Read off the return type; a result class may say it itself in a class attribute `produces`.
        """
        return _kinds(self.returns)

    async def run(self, arguments: Mapping[str, Any], context: ToolContext) -> ToolResult:
        """Validate strictly, resolve typed values, run.

        Args:
            arguments: as decoded from JSON.
            context: what the tool may see.

        Raises:
            ContractViolation: the arguments break the contract; nothing ran.
            ToolError: the tool says no; the text goes back to the model.
        """
        contract = self.contract_for(context).bound(context.copied_from, context)
        value = contract.load(dict(arguments))
        resolved = contract.resolve(value, ResolveContext(now=context.now, references=context.references))
        given = dict(resolved)
        if "context" in inspect.signature(self.function).parameters:
            given["context"] = context
        if inspect.iscoroutinefunction(self.function):
            result = await self.function(**given)
        else:
            result = await asyncio.to_thread(self.function, **given)
        # A result may tell what its arguments came to in the end (text matched to a column's values).
        applied = {**resolved, **getattr(result, "resolved", {})}
        return ToolResult(
            value=as_json(result),
            resolved={name: as_json(item) for name, item in applied.items()},
            text=result if isinstance(result, str) else str(result),
        )


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    effect: Effect = "read",
    name: str | None = None,
    shape: Callable[[ToolContext], Contract | None] | None = None,
    preface: Callable[[ToolContext], str | None] | None = None,
    approval: bool | None = None,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    effect: Effect = "read",
    name: str | None = None,
    shape: Callable[[ToolContext], Contract | None] | None = None,
    preface: Callable[[ToolContext], str | None] | None = None,
    approval: bool | None = None,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a typed function; its schema comes from the signature, its help from the docstring.

    A parameter named `context` is given the `ToolContext` and is not part of the schema.

    Args:
        effect: what running it does to the world.
        name: the name that experts call; the function's unless given.
        shape: see `Tool.shape`.
        preface: see `Tool.preface`.
        approval: whether a person approves each call; by default only for `external` tools.

    Raises:
        DefinitionError: a parameter has no type, or one that no grammar can express.
    """

    def make(function: Callable[..., Any]) -> Tool:
        if effect not in get_args(Effect):
            raise DefinitionError(
                f"{function.__qualname__}: effect {effect!r}",
                hint=f"use one of {', '.join(get_args(Effect))}",
            )
        contract, description, _ = arguments_contract(function, skip=("context",))
        if not description:
            raise DefinitionError(
                f"{function.__qualname__} has no docstring",
                hint="its first line tells the expert what the tool does: write one",
            )
        # Compiled here, so that what no grammar can hold fails at definition and not in a run.
        _ = contract.grammar
        hints = get_type_hints(function, include_extras=True)
        return Tool(
            name=name or function.__name__,
            description=description,
            effect=effect,
            function=function,
            contract=contract,
            returns=hints.get("return", Any),
            shape=shape,
            preface=preface,
            needs_approval=effect == "external" if approval is None else approval,
        )

    return make(function) if function is not None else make


def _kinds(returns: Any) -> frozenset[str]:
    declared = getattr(returns, "produces", None)
    if isinstance(declared, (frozenset, set, tuple)):
        return frozenset(declared)
    if isinstance(returns, type) and issubclass(returns, _SCALARS):
        return frozenset({"scalar", "text"} if issubclass(returns, str) else {"scalar"})
    members = [item for item in get_args(returns) if item is not type(None)]
    if members and not (isinstance(returns, type) or getattr(returns, "__origin__", None) in (list, dict)):
        return frozenset().union(*(_kinds(item) for item in members))
    return (
        frozenset({"table"})
        if getattr(returns, "__origin__", returns) in (list, dict)
        else frozenset({"text"})
    )


def as_json(value: Any) -> Any:
    """A result or a resolved argument as JSON types."""
    from pydantic_core import to_jsonable_python

    return value.as_json() if hasattr(value, "as_json") else to_jsonable_python(value)
