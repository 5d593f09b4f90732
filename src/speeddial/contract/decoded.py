"""Typed values: parameters that are decoded as a simple type and handed to the tool as a rich one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from speeddial.errors import DefinitionError


@dataclass(frozen=True)
class ResolveContext:
    """What a typed value may look at when it is resolved."""

    now: datetime
    """The run's reference time, aware; "tomorrow" is counted from it and its zone is the user's."""
    references: Mapping[int, str] = field(default_factory=dict)
    """Results of earlier steps, step number to rendered text; a text may say ``#1``."""

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("ResolveContext.now must be aware: give it a time zone")


@dataclass(frozen=True)
class Decoded:
    """Annotated metadata of a typed value: ``Annotated[datetime, Decoded(as_=str, resolve=read)]``.

    The schema, the grammar and the strict check see `as_`; `Contract.resolve` turns the decoded value
    into the annotated type.

    Args:
        as_: the decode type; constraints beside `Decoded` apply to it.
        resolve: ``resolve(decoded, context)``; raises ValueError, its text saying what would be right,
            when the decoded value cannot be understood.
        expected: what would be right in a few words, for the model's error message.
        example: a decoded value that resolves, shown to the model.
    """

    as_: Any
    resolve: Callable[[Any, ResolveContext], Any]
    expected: str = ""
    example: Any = None

    def __post_init__(self) -> None:
        if not callable(self.resolve):
            raise DefinitionError(
                f"Decoded(resolve={self.resolve!r}): resolve is not callable",
                hint="give a function of (decoded, context)",
            )

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """In a pydantic model the field holds the decoded value until it is resolved, then the rich one."""
        decoded = handler.generate_schema(self.as_)
        if not isinstance(source, type):
            return core_schema.union_schema([decoded, core_schema.any_schema()])
        python = core_schema.union_schema([decoded, core_schema.is_instance_schema(source)])
        return core_schema.json_or_python_schema(json_schema=decoded, python_schema=python)
