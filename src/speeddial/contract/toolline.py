"""A tool in one line, for the prompts of small models: a third of the tokens of its JSON Schema.

book_table(city: string, people: int 1..20, time?: time = "19:00", extras?: ["quiet"|"window"]) - Book a table
"""

from __future__ import annotations

import re
from typing import Any

from speeddial.contract.jsontext import write_json
from speeddial.contract.scalars import LARGEST
from speeddial.contract.schemas import Schema

_SHORT = {"integer": "int", "boolean": "bool", "date-time": "datetime"}
_LONGEST_NOTE = 80
_LONGEST_DESCRIPTION = 160
_MOST_CHOICES = 20
_DEEPEST = 4
_LONGEST_DEFAULT = 40
_LONGEST_PATTERN = 40
_WORD = re.compile(r"[a-z]+|\d+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_EMPTY = frozenset(
    _WORD.findall(
        "a an the of to for in on be is which that this whose it its at by or and as "
        "string integer number boolean float list array object value name"
    )
)
"""Words that tell nothing of an argument that its name and type do not."""


def tool_line(name: str, schema: Schema, description: str = "") -> str:
    """The line of one tool; hostile descriptions cannot make it two, nor endless.

    Args:
        name: the tool's.
        schema: of its arguments.
        description: what it does; its first sentence is shown.
    """
    said = _shortened(description, _LONGEST_DESCRIPTION)
    return f"{name}({_parameters(schema, schema, 0)})" + (f" - {said}" if said else "")


def _parameters(schema: Schema, root: Schema, depth: int) -> str:
    required = schema.get("required", ())
    return ", ".join(
        _parameter(key, inner if isinstance(inner, dict) else {}, key in required, root, depth)
        for key, inner in schema.get("properties", {}).items()
    )


def _parameter(key: str, schema: Schema, required: bool, root: Schema, depth: int) -> str:
    line = f"{_flat(key)}{'' if required else '?'}: {_type(schema, root, depth)}"
    if "default" in schema and schema["default"] is not None:
        default = write_json(schema["default"])
        line += f" = {default}" if len(default) <= _LONGEST_DEFAULT else ""
    note = _shortened(str(schema.get("description") or ""), _LONGEST_NOTE)
    return f'{line} "{note}"' if _tells_more(note, key) else line


def _type(schema: Any, root: Schema, depth: int) -> str:
    if not isinstance(schema, dict) or not schema or depth > _DEEPEST:
        return "any"
    if isinstance(reference := schema.get("$ref"), str):
        return _type(root.get("$defs", {}).get(reference.rpartition("/")[2]), root, depth + 1)
    if "const" in schema:
        return write_json(schema["const"])
    if "enum" in schema:
        shown = [write_json(choice) for choice in schema["enum"][:_MOST_CHOICES]]
        return "|".join([*shown, "..."] if len(schema["enum"]) > _MOST_CHOICES else shown)
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            kinds = dict.fromkeys(_type(branch, root, depth + 1) for branch in schema[keyword])
            return ("&" if keyword == "allOf" else "|").join(kinds)
    kinds = schema.get("type", "any")
    return "|".join(
        _of_type(kind, schema, root, depth) for kind in ([kinds] if isinstance(kinds, str) else kinds)
    )


def _of_type(kind: str, schema: Schema, root: Schema, depth: int) -> str:
    if kind == "object":
        if schema.get("properties"):
            return "{" + _parameters(schema, root, depth + 1) + "}"
        inner = schema.get("additionalProperties", {})
        return "{}" if inner is False else "{*: " + _type(inner, root, depth + 1) + "}"
    if kind == "array":
        items = schema.get("prefixItems") or [schema.get("items", {})]
        return "[" + ", ".join(_type(item, root, depth + 1) for item in items) + "]"
    if kind == "string":
        pattern = schema.get("pattern", "")
        form = str(schema.get("format") or "")
        if form:
            return _SHORT.get(form, _flat(form))
        return f"string /{_flat(pattern)}/" if 0 < len(pattern) <= _LONGEST_PATTERN else "string"
    short = _SHORT.get(kind, kind)
    return f"{short}{_bounds(schema)}" if kind in ("integer", "number") else short


def _bounds(schema: Schema) -> str:
    low, high = (schema.get(keyword) for keyword in ("minimum", "maximum"))
    least = "" if low is None or abs(low) >= LARGEST else str(low)
    most = "" if high is None or abs(high) >= LARGEST else str(high)
    return f" {least}..{most}" if least or most else ""


def _shortened(text: str, most: int) -> str:
    """The first sentence in one line, cut behind a word."""
    text = _SENTENCE.split(_flat(text), maxsplit=1)[0].removesuffix(".")
    if len(text) <= most:
        return text
    return (text[:most].rpartition(" ")[0] or text[:most]).rstrip(" ,;:(")


def _flat(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _tells_more(note: str, key: str) -> bool:
    """Whether a note says more than the argument's name does."""
    known = set(_WORD.findall(key.lower().replace("_", " "))) | _EMPTY
    return bool(set(_WORD.findall(note.lower())) - known)
