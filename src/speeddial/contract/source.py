"""Sources: functions that give a contract its run-time values, texts to copy from or values to choose."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from speeddial.errors import DefinitionError

Value = str | int | float
Source = Callable[[Any], str | Iterable[Value] | None]
"""A function of the call's context (in tools a `ToolContext`), for strings texts, for numbers numbers. None
says that the context lacks what it needs, and the value stays free; the schema keeps the function's name, the
contract the function."""

REQUEST = "request"
"""Stands for the request among the names of sources."""


def name_of(source: Source) -> str:
    """The name under which a schema refers to a source."""
    return getattr(source, "__name__", type(source).__name__)


def given_by(source: Source, context: Any) -> tuple[Value, ...] | None:
    """What a source gives in a context.

    Raises:
        DefinitionError: neither text nor a series of texts or numbers.
    """
    values = source(context)
    if values is None:
        return None
    found = (values,) if isinstance(values, str) else tuple(dict.fromkeys(values))
    for value in found:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise DefinitionError(
                f"{name_of(source)} gave {value!r}, which is neither text nor a number",
                hint="return str, a list of str or of numbers, or None",
            )
    return found
