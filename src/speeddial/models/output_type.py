"""A contract's schema as the type that outlines takes for engines which get the schema itself."""

from __future__ import annotations

from functools import cache
from typing import Any


def output_type(schema_text: str) -> Any:
    """The outlines type of a contract's schema, given as JSON text."""
    return _unchecked()(schema_text)


@cache
def _unchecked() -> Any:
    from outlines.types import JsonSchema

    class Unchecked(JsonSchema):
        """Without outlines' check, 15 ms for an expert's calls: a contract has checked its schema itself."""

        def __init__(self, schema: str) -> None:
            self.schema = schema
            self.whitespace_pattern = None

    return Unchecked
