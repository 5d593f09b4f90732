"""Sources: functions that give a contract its run-time values, texts to copy from or strings to choose."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from speeddial.errors import DefinitionError

Source = Callable[[Any], str | Iterable[str] | None]
"""A function of the call's context (in tools a `ToolContext`). None says that the context lacks what it
needs, and the string stays free; the schema keeps the function's name, the contract the function."""

REQUEST = "request"
"""Stands for the request among the names of sources."""


def name_of(source: Source) -> str:
    """The name under which a schema refers to a source."""
    return getattr(source, "__name__", type(source).__name__)


def given_by(source: Source, context: Any) -> tuple[str, ...] | None:
    """What a source gives in a context.

    Raises:
        DefinitionError: neither text nor texts.
    """
    values = source(context)
    if values is None:
        return None
    texts = (values,) if isinstance(values, str) else tuple(dict.fromkeys(values))
    for text in texts:
        if not isinstance(text, str):
            raise DefinitionError(
                f"{name_of(source)} gave {text!r}, which is not text",
                hint="return str, a list of str, or None",
            )
    return texts
