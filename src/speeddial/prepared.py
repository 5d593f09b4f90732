"""What a decode of one expert needs besides the words: tools, their contract, lines above the request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from speeddial.contract import CallsContract, Contract, several_calls, union_of_calls
from speeddial.contract.schemas import subschemas
from speeddial.contract.toolline import tool_line
from speeddial.definition import tool_of
from speeddial.errors import ContractViolation, NotFound, Problem, UserError
from speeddial.expert import Expert
from speeddial.given import GIVEN
from speeddial.grounding import Twice, grounded, lacking, said, told, twice
from speeddial.messages import ASK, REFUSE, ToolCall
from speeddial.ranking import best, related
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
    check: Callable[[Any], list[Problem]] | None = None
    """What no grammar can say of an answer."""
    closer: Callable[[str], Contract | None] = lambda text: None
    """The contract of a second try in place of an error fed back, for an answer that `check` refused."""


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


def _known(tool: Tool) -> str:
    """The same with the choices of its arguments."""
    choices = [
        str(value) for _, inner in subschemas(tool.contract.full_schema) for value in inner.get("enum", ())
    ]
    return " ".join((_searched(tool), *choices))


def _prepared(expert: Expert, tools: Mapping[str, Tool], context: ToolContext) -> Prepared:
    contracts = {name: tool.contract_for(context) for name, tool in tools.items()}
    prefaces = [tool.preface(context) or "" for tool in tools.values() if tool.preface is not None]
    several = expert.calls == "several"
    if several and not expert.definitions:
        prefaces += [
            tool_line(name, contract.full_schema, tools[name].description)
            for name, contract in contracts.items()
        ]
    held = _Held(contracts)
    if expert.grounded:
        tight = {name: grounded(one) for name, one in contracts.items()}
        held = _Held(
            tight,
            {name: kinds for name, one in tight.items() if (kinds := lacking(one, context))},
            {name: given for name, one in tight.items() if (given := said(one, context))},
            {name: given for name, one in tight.items() if (given := told(one, context))},
            tuple(related(context.request, {name: _known(tool) for name, tool in tools.items()})),
        )
    shared, bound = _bound(expert, held, context)

    def check(answer: Any) -> list[Problem]:
        one = isinstance(answer, ToolCall) and answer.name in contracts
        return twice(contracts[answer.name], answer.arguments, context).problems if one else []

    def closer(text: str) -> Contract | None:
        answer = bound.parse(text)
        found = twice(contracts[answer.name], answer.arguments, context)
        return _bound(expert, held.without(answer.name, found), context)[1]

    about = _SAID | {name: tool.description for name, tool in tools.items()}
    definitions = [
        {"name": name, "description": about[name], "parameters": contracts.get(name, arguments).schema}
        for name, arguments in {**contracts, **shared.tools}.items()
    ]
    if expert.lexicon is not None:
        prefaces.append(expert.lexicon.heading(context.request))
    # Tools of one kind say the same; it is said once.
    lines = [line for line in dict.fromkeys(prefaces) if line]
    if not (expert.grounded and several):
        return Prepared(bound, lines, definitions, tools)
    return Prepared(bound, lines, definitions, tools, check, closer)


@dataclass(frozen=True)
class _Held:
    """Tools' contracts as one request holds them."""

    contracts: Mapping[str, Contract]
    gone: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Those that cannot be called for this request, with what they lack; where several calls are an answer
    they can be asked about."""
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of the others, the arguments that cannot be asked about."""
    alone: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Optional arguments that a call of the tool has where it is the only one."""
    fitting: tuple[str, ...] = ()
    """Tools that share a word with the request. Of 5,818 requests for one call that share one with any tool,
    39 are for a tool that shares none; a small model asks about flights when the balance is wanted."""

    def without(self, tool: str, found: Twice) -> _Held:
        """The same after a call of a tool that gave words to more arguments than the request does."""
        if len(found.required) > 1:
            return replace(self, gone={**self.gone, tool: found.required})
        contract = self.contracts[tool]
        properties = contract.full_schema["properties"]
        left = {key: schema for key, schema in properties.items() if key not in found.optional}
        narrower = contract.narrowed({**contract.full_schema, "properties": left}, {})
        return replace(self, contracts={**self.contracts, tool: narrower})


def _bound(expert: Expert, held: _Held, context: ToolContext) -> tuple[CallsContract, CallsContract]:
    """What can be answered with tools, and the same bound to the request."""
    several = expert.calls == "several"
    shared = _union(held, several=several, refuse=expert.refuses)
    try:
        return shared, shared.bound(context.copied_from, context)
    except ContractViolation:
        # Nothing can be called here: to say so is the one answer left.
        shared = _union(held, several=several, refuse=True)
        return shared, shared.bound(context.copied_from, context)


def _union(held: _Held, *, several: bool, refuse: bool) -> CallsContract:
    names = tuple(
        (
            name,
            contract.schema_hash,
            held.gone.get(name),
            held.known.get(name),
            held.alone.get(name),
            *contract.sources.values(),
        )
        for name, contract in held.contracts.items()
    )
    key = (several, refuse, names, held.fitting)
    shared = _UNIONS.get(key)
    if shared is None:
        shared = (
            several_calls(held.contracts, held.gone, held.known, held.alone, held.fitting)
            if several
            else union_of_calls(held.contracts, refuse=refuse)
        )
        if len(_UNIONS) >= _MOST_UNIONS:
            _UNIONS.clear()
        _UNIONS[key] = shared
    return shared
