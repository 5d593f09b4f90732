"""What an expert is given beside the words of a request: columns, tools, labels, a schema; plain JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, get_args

from speeddial.column import Column, ColumnType
from speeddial.errors import UserError

GIVEN: Mapping[str, str] = {
    "columns": "columns of a table in place of a file: names, or objects with name and type",
    "criteria": "what an answer is judged by",
    "house": "areas and devices of a house",
    "labels": "labels to choose from: names, or an object of name to examples",
    "schema": "JSON Schema of the record that is wanted",
    "tools": "tools: names of the project's, or objects with name, description and parameters",
}
"""Every kind, and how it is written."""

COLUMN_TYPES: Mapping[str, ColumnType] = {kind: kind for kind in get_args(ColumnType)}


def given_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a line of a batch or of an evaluation file gives."""
    return {kind: row[kind] for kind in GIVEN if row.get(kind) is not None}


def check_given(given: Mapping[str, Any]) -> None:
    """Look for what no expert takes.

    Raises:
        UserError: an unknown kind, or columns that are none.
    """
    for kind in given:
        if kind not in GIVEN:
            raise UserError(f"given: nothing takes {kind!r}", hint=f"one of: {', '.join(GIVEN)}")
    columns_of(given)


def lacking(needs: Collection[str], given: Mapping[str, Any]) -> str:
    """The first kind that is needed and not given; empty when all are there."""
    return next((kind for kind in needs if kind not in given), "")


def columns_of(given: Mapping[str, Any]) -> tuple[Column, ...] | None:
    """The columns that are given; None when none are.

    Raises:
        UserError: they are no columns.
    """
    items = given.get("columns")
    if items is None:
        return None
    if not isinstance(items, (list, tuple)):
        raise UserError(f"columns: expected a list, got {items!r}", hint=GIVEN["columns"])
    return tuple(_column(item) for item in items)


def _column(item: Any) -> Column:
    line = {"name": item} if isinstance(item, str) else item if isinstance(item, Mapping) else {}
    name, kind = line.get("name"), line.get("type", "text")
    if not isinstance(name, str) or kind not in COLUMN_TYPES:
        raise UserError(
            f"columns: expected a name or an object with name and type, got {item!r}",
            hint=f"types: {', '.join(COLUMN_TYPES)}",
        )
    return Column(name, COLUMN_TYPES[kind])
