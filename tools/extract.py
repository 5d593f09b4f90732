"""Records of a type that comes with the request, read from a text."""

from __future__ import annotations

from typing import Any

from speeddial import ToolContext, tool
from speeddial.contract import Contract
from speeddial.errors import UserError
from speeddial.extraction import Extracted, contract_of, fields_line, shown


def _schema(context: ToolContext) -> dict[str, Any] | None:
    schema = context.given.get("schema")
    if schema is not None and not isinstance(schema, dict):
        raise UserError(f"schema: expected a JSON Schema, got {schema!r}", hint="give an object")
    return schema


def shape(context: ToolContext) -> Contract | None:
    """The contract of the record that is wanted."""
    schema = _schema(context)
    return contract_of(schema) if schema else None


def preface(context: ToolContext) -> str:
    """The wanted record in one line, and the text unless it is the request."""
    schema = _schema(context)
    lines = [fields_line(schema) if schema else "", shown(context) or ""]
    return "\n".join(line for line in lines if line)


@tool(effect="read", shape=shape, preface=preface)
def extract(record: dict[str, str]) -> Extracted:
    """Read the wanted record from the text; what the text does not say is null.

    Args:
        record: its fields, each in the words of the text.
    """
    return Extracted(record)
