"""A table's column as experts see it: a name to say and one of four types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["text", "number", "date", "bool"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table that a step works on."""

    name: str
    """As in the prompt and the contract: lower case, words parted by blanks, unique in its table."""
    type: ColumnType
    """Decides the operators and the values that a condition on it may have."""

    def __str__(self) -> str:
        return f"{self.name}:{self.type}"


def columns_line(columns: tuple[Column, ...]) -> str:
    """The prompt line that tells a model its columns: ``Columns: order id:number | city:text``."""
    return f"Columns: {' | '.join(map(str, columns))}"
