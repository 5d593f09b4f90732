"""What a decode of one expert needs besides the words: tools, their contract, lines above the request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from speeddial.contract import CallsContract, Contract, several_calls, union_of_calls
from speeddial.contract.toolline import tool_line
from speeddial.definition import tool_of
from speeddial.errors import ContractViolation, NotFound, UserError
from speeddial.expert import Expert
from speeddial.given import GIVEN
from speeddial.grounding import grounded, lacking, said, told
from speeddial.messages import ASK, REFUSE
from speeddial.ranking import best
from speeddial.tool import Tool, ToolContext

SHOWN_TOOLS = 6
"""Tools that stand above a request at most; of more, those that fit its words best."""
_SAID = {
    REFUSE: "Say why no tool here serves the request.",
    ASK: "Ask the person for a required argument that the request does not give.",
}

# A union is put together from the same tools on every call, and its grammar is compiled once for it.
_UNIONS: dict[tuple[Any, ...], CallsContract] = {}
_MOST_UNIONS = 256


@dataclass(frozen=True)
class Prepared:
    """What a decode of one expert needs besides the words."""

    contract: Contract
    prefaces: list[str]
    definitions: list[dict[str, Any]]
    """Tools as training data shows them, the refusal among them: name, description, parameters."""
    tools: Mapping[str, Tool] = field(default_factory=dict)
    """Those that can be called, by name."""


async def prepare(expert: Expert, context: ToolContext, known: Mapping[str, Tool]) -> Prepared:
    """Get an expert ready for one request.

    Args:
        known: the project's tools.

    Raises:
        NotFound: a tool is given by a name that the project does not have.
        UserError: what is given as a tool is none.
    """
    tools = offered(expert, context, known)
    # These read the step's file, which may be large, or the workspace.
    if any(tool.shape or tool.preface or tool.contract.sources for tool in tools.values()):
        return await asyncio.to_thread(_prepared, expert, tools, context)
    return _prepared(expert, tools, context)


def offered(expert: Expert, context: ToolContext, known: Mapping[str, Tool]) -> dict[str, Tool]:
    """The tools that an expert may call for one request: its own, or the best of those that are given."""
    if expert.definitions:
        return dict(expert.definitions)
    if expert.calls == "one":
        return {name: known[name] for name in expert.tools}
    tools = _given(context.given, known)
    # A tool with a shape needs more than words, a file or labels: whoever has that gives the tool too.
    tools = tools or {name: known[name] for name in expert.tools if known[name].shape is None}
    if len(tools) <= SHOWN_TOOLS:
        return tools
    chosen = best(context.request, {name: _searched(tool) for name, tool in tools.items()}, SHOWN_TOOLS)
    return {name: tool for name, tool in tools.items() if name in chosen}


def _given(given: Mapping[str, Any], known: Mapping[str, Tool]) -> dict[str, Tool]:
    items = given.get("tools")
    if items is None:
        return {}
    if not isinstance(items, (list, tuple)) or not items:
        raise UserError(f"tools: expected a list, got {str(items)[:60]!r}", hint=GIVEN["tools"])
    tools: dict[str, Tool] = {}
    for item in items:
        if isinstance(item, str) and item not in known:
            raise NotFound(f"no tool {item!r}", hint=f"this project has: {', '.join(known) or 'none'}")
        tool = known[item] if isinstance(item, str) else tool_of(item)
        if tool.name in tools:
            raise UserError(f"tools: {tool.name} is given twice", hint="calls are told apart by name")
        tools[tool.name] = tool
    return tools


def _searched(tool: Tool) -> str:
    """What retrieval knows of a tool; its name counts double."""
    properties = tool.contract.full_schema.get("properties", {})
    notes = [str(inner.get("description", "")) for inner in properties.values() if isinstance(inner, dict)]
    return " ".join((tool.name, tool.name, tool.description, *properties, *notes))


def _prepared(expert: Expert, tools: Mapping[str, Tool], context: ToolContext) -> Prepared:
    contracts = {name: tool.contract_for(context) for name, tool in tools.items()}
    prefaces = [tool.preface(context) or "" for tool in tools.values() if tool.preface is not None]
    several = expert.calls == "several"
    if several and not expert.definitions:
        prefaces += [
            tool_line(name, contract.full_schema, tools[name].description)
            for name, contract in contracts.items()
        ]
    held, gone, known, alone = contracts, {}, {}, {}
    if expert.grounded:
        held = {name: grounded(one) for name, one in contracts.items()}
        gone = {name: kinds for name, one in held.items() if (kinds := lacking(one, context))}
        known = {name: given for name, one in held.items() if (given := said(one, context))}
        alone = {name: given for name, one in held.items() if (given := told(one, context))}
    shared = _union(held, gone, known, alone, several=several, refuse=expert.refuses)
    try:
        bound = shared.bound(context.copied_from, context)
    except ContractViolation:
        # Nothing can be called here: to say so is the one answer left.
        shared = _union(held, gone, known, alone, several=several, refuse=True)
        bound = shared.bound(context.copied_from, context)
    about = _SAID | {name: tool.description for name, tool in tools.items()}
    definitions = [
        {"name": name, "description": about[name], "parameters": contracts.get(name, arguments).schema}
        for name, arguments in {**contracts, **shared.tools}.items()
    ]
    if expert.lexicon is not None:
        prefaces.append(expert.lexicon.heading(context.request))
    # Tools of one kind say the same; it is said once.
    return Prepared(bound, [line for line in dict.fromkeys(prefaces) if line], definitions, tools)


def _union(
    contracts: Mapping[str, Contract],
    gone: Mapping[str, tuple[str, ...]],
    known: Mapping[str, tuple[str, ...]],
    alone: Mapping[str, tuple[str, ...]],
    *,
    several: bool,
    refuse: bool,
) -> CallsContract:
    """What can be answered with tools.

    Args:
        gone: those that cannot be called for this request, with what they lack; where several calls are an
            answer they can be asked about.
        known: of the others, the arguments that cannot be asked about.
        alone: optional arguments that a call of the tool has where it is the only one.
    """
    names = tuple(
        (
            name,
            contract.schema_hash,
            gone.get(name),
            known.get(name),
            alone.get(name),
            *contract.sources.values(),
        )
        for name, contract in contracts.items()
    )
    shared = _UNIONS.get((several, refuse, names))
    if shared is None:
        shared = (
            several_calls(contracts, gone, known, alone)
            if several
            else union_of_calls(contracts, refuse=refuse)
        )
        if len(_UNIONS) >= _MOST_UNIONS:
            _UNIONS.clear()
        _UNIONS[several, refuse, names] = shared
    return shared
