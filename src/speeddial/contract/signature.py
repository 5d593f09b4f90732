"""From a typed function to the contract of its arguments: types from hints, words from the docstring."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

from speeddial.contract.contract import Contract
from speeddial.contract.pythontypes import Builder
from speeddial.contract.structs import parameters_of

_SECTION = re.compile(
    r"^(Args|Arguments|Parameters|Returns?|Raises|Yields?|Examples?|Notes?|Attributes)\s*:\s*$"
)
_PARAMETER = re.compile(r"^\s*\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")


def arguments_contract(
    function: Callable[..., Any], *, skip: Sequence[str] = ("context",)
) -> tuple[Contract, str, dict[str, str]]:
    """The contract of a function's keyword arguments.

    Args:
        function: all its parameters have types; defaults make keys optional.
        skip: parameters that are injected when it is called, and are not in the contract.

    Returns:
        The contract (`load` gives a dict of the arguments that were set), the docstring's description,
        and the description of each parameter.

    Raises:
        DefinitionError: a parameter has no type, or one that cannot be held exactly.
    """
    description, docs = docstring_parts(inspect.getdoc(function) or "")
    builder = Builder()
    kind = parameters_of(builder, function, skip, docs)
    if description:
        kind.schema = {"description": description, **kind.schema}
    name = getattr(function, "__name__", "function")
    contract = Contract.of_kind(kind, builder, name=name, python_type=dict)
    return contract, description, docs


def docstring_parts(text: str) -> tuple[str, dict[str, str]]:
    """Description and parameter descriptions of a Google-style docstring."""
    description: list[str] = []
    docs: dict[str, str] = {}
    section = ""
    indent: int | None = None
    current = ""
    for line in text.splitlines():
        if match := _SECTION.match(line):
            section, indent, current = match.group(1), None, ""
            continue
        if not section:
            description.append(line)
        elif section in ("Args", "Arguments", "Parameters") and line.strip():
            depth = len(line) - len(line.lstrip())
            if depth == 0:
                section = "text"
                continue
            indent = depth if indent is None else indent
            match = _PARAMETER.match(line)
            if depth <= indent and match:
                current = match.group(1)
                docs[current] = match.group(2).strip()
            elif current:
                docs[current] = f"{docs[current]} {line.strip()}".strip()
    return " ".join(" ".join(description).split()), docs
