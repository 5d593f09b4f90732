"""What an expert is given beside the words of a request: columns, tools, labels, a schema; plain JSON."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, get_args

from speeddial.column import Column, ColumnType
from speeddial.errors import UserError

GIVEN: Mapping[str, str] = {
    "columns": "columns of a table in place of a file: names, or objects with name and type",
    "criteria": "what an answer is judged by",
    "house": "areas and devices of a house",
    "labels": "labels to choose from: names, an object of name to examples, or a shipped set's name",
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
    labels_of(given)


def with_defaults(needs: Collection[str], given: Mapping[str, Any], workspace: Path) -> Mapping[str, Any]:
    """What is given, and of what is needed besides what the workspace has in a file: ``labels.toml``.

    Raises:
        UserError: such a file is not TOML.
    """
    found: dict[str, Any] = {}
    for kind in needs:
        path = workspace / f"{kind}.toml"
        if kind not in given and path.is_file():
            try:
                found[kind] = tomllib.loads(path.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
                raise UserError(f"{path}: expected TOML, got: {error}", hint="mend the file") from error
    return {**given, **found} if found else given


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


NONE = "none"
"""What stands for none of the labels."""


def labels_of(given: Mapping[str, Any]) -> str | dict[str, tuple[str, ...]] | None:
    """The labels that are given: a shipped set's name, or label -> examples; None when none are.

    Raises:
        UserError: they are no labels.
    """
    items = given.get("labels")
    if items is None or (isinstance(items, str) and items):
        return items
    if isinstance(items, (list, tuple)) and all(isinstance(item, str) for item in items):
        items = {item: [] for item in items}
    if not isinstance(items, Mapping) or not items:
        raise UserError(f"labels: expected names or an object, got {items!r}", hint=GIVEN["labels"])
    found = {}
    for label, examples in items.items():
        texts = [examples] if isinstance(examples, str) else examples
        if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
            raise UserError(
                f"labels: {label}: expected messages that it fits, got {examples!r}", hint=GIVEN["labels"]
            )
        if not label.strip() or label == NONE:
            raise UserError(
                f"labels: {label!r} cannot be a label",
                hint=f"{NONE!r} is the answer when no label fits: leave it out",
            )
        found[label] = tuple(texts)
    return found
