"""A contract's schema as the type that outlines takes for engines which get the schema itself."""

from __future__ import annotations

from functools import lru_cache
from typing import Any


@lru_cache(maxsize=256)
def output_type(schema_text: str) -> Any:
    """The outlines type of a schema given as JSON text; cached, since outlines checks each anew (2 ms)."""
    from outlines.types import JsonSchema

    return JsonSchema(schema_text)
