"""The contract of an expert's output: one call of one of its tools, or a typed refusal."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from speeddial.contract import describe
from speeddial.contract.binding import Bound
from speeddial.contract.check import check
from speeddial.contract.contract import Contract
from speeddial.contract.example import with_example
from speeddial.contract.foreign import ordered
from speeddial.contract.jsontext import write_json
from speeddial.contract.schemas import Schema, join, rewrite
from speeddial.errors import ContractViolation, DefinitionError, Problem
from speeddial.messages import REFUSE, ToolCall, ToolCalls

_NAMED = re.compile(r'"name"\s*:\s*"(\w{1,64})"')
"""Where a text that is no JSON says which tool is meant."""

REFUSAL: Schema = {
    "type": "object",
    "properties": {"reason": {"type": "string", "minLength": 1, "maxLength": 300}},
    "required": ["reason"],
    "additionalProperties": False,
}
"""Arguments of the typed refusal."""


class CallsContract(Contract):
    """One call of one of several tools; `parse` and `load` give a `ToolCall` with arguments as decoded JSON.

    Attributes:
        tools: the contract of each tool's arguments, the refusal's among them.
    """

    def __init__(self, tools: Mapping[str, Contract]) -> None:
        self.tools = dict(tools)
        after = [f"{name}.{line}" for name, contract in self.tools.items() for line in contract.noted]
        super().__init__(
            self._whole, name="a call of " + ", ".join(self.tools), python_type=ToolCall, after=after
        )

    @cached_property
    def _one(self) -> Schema:
        """What one call is, by which calls are checked and told apart."""
        definitions: Schema = {}
        branches = [_branch(name, contract, definitions) for name, contract in self.tools.items()]
        full: Schema = branches[0] if len(branches) == 1 else {"anyOf": branches}
        return {**full, "$defs": definitions} if definitions else full

    def _whole(self) -> Schema:
        """What an answer is."""
        return self._one

    def bound(self, request: str = "", context: Any = None) -> CallsContract:
        held = {}
        for name, contract in self.tools.items():
            try:
                held[name] = contract.bound(request, context)
            except ContractViolation:
                continue  # It cannot be called here: there is nothing to choose from.
        if held == self.tools:
            return self
        if not held:
            raise ContractViolation([Problem("", "a call of one of the tools", "nothing to choose from")])
        other = self._of(held)
        other.schema_hash = self.schema_hash
        other.unbound = self.unbound
        parts = [contract.held or Bound() for contract in held.values()]
        other.held = Bound(
            [texts for part in parts for texts in part.copied],
            [values for part in parts for values in part.chosen],
        )
        return other

    def _of(self, tools: Mapping[str, Contract]) -> CallsContract:
        """A contract of this kind over these tools."""
        return CallsContract(tools)

    def _form(self, held: Bound) -> Any:
        # Tools for which there is nothing to choose from are left out, others take nothing from this call.
        taken = tuple((name, contract.held is not None) for name, contract in self.tools.items())
        return taken, super()._form(held)

    def check(self, value: Any) -> list[Problem]:
        """Every problem of a decoded call; only the tool that `name` names is talked about."""
        return self._check_call(value, lambda: self._one, self.tools)

    def _check_call(
        self, value: Any, union: Callable[[], Schema], tools: Mapping[str, Contract]
    ) -> list[Problem]:
        # The tool's own contract says all of a call in form; the union tells what is wrong with others, and
        # takes every tool's schema to put together (0.25 ms for twelve).
        named = isinstance(value, dict) and value.keys() == {"name", "arguments"} and value["name"]
        known = tools.get(named) if isinstance(named, str) else None
        problems = known.check(value["arguments"]) if known else []
        if known and not problems:
            return []
        schema = union()
        return check(value, schema, schema) or [
            problem._replace(path=join("arguments", problem.path) if problem.path else "arguments")
            for problem in problems
        ]

    def load(self, value: Any) -> Any:
        problems = self.check(value)
        if problems:
            told = with_example(problems, self._one, value)
            raise ContractViolation(told, example=self._example_for(value))
        return ToolCall(value["name"], value["arguments"])

    def parse(self, text: str) -> Any:
        from speeddial.contract.jsontext import parse_json

        try:
            value = parse_json(text)
        except ContractViolation as error:
            named = _NAMED.search(text)
            example = self._example_for({"name": named[1]} if named else None)
            raise ContractViolation(error.problems, example=example, raw=text) from None
        try:
            return self.load(value)
        except ContractViolation as error:
            raise ContractViolation(error.problems, example=error.example, raw=text) from None

    def dump(self, value: Any) -> str:
        """Compact JSON of a call, keys in the schema's order."""
        written = value.as_dict() if isinstance(value, ToolCall | ToolCalls) else value
        problems = self.check(written)
        if problems:
            raise ContractViolation(problems)
        return self._written(written)

    def _written(self, written: dict[str, Any]) -> str:
        contract = self.tools[written["name"]]
        arguments = ordered(written["arguments"], contract.full_schema, contract.full_schema)
        return write_json({"name": written["name"], "arguments": arguments})

    def describe(self) -> str:
        """One signature line for each tool, its description and those of its parameters beneath."""
        lines = ['Reply with {"name":NAME,"arguments":{...}}, one of:']
        for name, contract in self.tools.items():
            schema = contract.full_schema
            doc = f"  // {schema['description']}" if schema.get("description") else ""
            lines.append(f"{name}({describe.parameters(schema, schema)}){doc}")
            lines += describe.notes(schema) + [f"  {line}" for line in describe.definitions(schema)]
        return "\n".join(lines)

    def _example_for(self, value: Any) -> str:
        """A valid call of the tool that was meant, else of the first."""
        name = self._meant(value) if isinstance(value, dict) else ""
        if not name:
            return self.example_text
        arguments = self.tools[name].example_text
        return f'{{"name":{write_json(name)},"arguments":{arguments}}}' if arguments else ""

    def _meant(self, value: dict[str, Any]) -> str:
        """The tool of that name, of a name like it, or with most of the keys; empty when nothing tells."""
        name = str(value.get("name", ""))
        if like := get_close_matches(name, self.tools, n=1, cutoff=0.7):
            return like[0]
        given = value.get("arguments", value)
        keys = set(given) if isinstance(given, dict) else set()
        shared = {
            tool: len(keys & contract.full_schema.get("properties", {}).keys())
            for tool, contract in self.tools.items()
        }
        best = max(shared, key=lambda tool: shared[tool])
        return best if shared[best] else ""


def union_of_calls(tools: Mapping[str, Contract], *, refuse: bool = True) -> CallsContract:
    """The contract of one call of one of `tools`, told apart by ``name``.

    Args:
        tools: tool name to the contract of its arguments, in the order that prompts show.
        refuse: whether the typed refusal ``{"name":"refuse","arguments":{"reason":...}}`` is a choice.

    Raises:
        DefinitionError: no tools, or a tool called like the refusal.
    """
    if not tools:
        raise DefinitionError(
            "an expert without tools has nothing to call", hint="name at least one tool in its card"
        )
    if not refuse:
        return CallsContract(tools)
    if REFUSE in tools:
        raise DefinitionError(f"a tool is named {REFUSE!r}, as the typed refusal is", hint="rename the tool")
    return CallsContract({**tools, REFUSE: Contract.from_schema(REFUSAL, name=REFUSE)})


def _branch(name: str, contract: Contract, definitions: Schema) -> Schema:
    arguments = contract.full_schema

    def moved(schema: Schema, path: str) -> Schema:
        if isinstance(reference := schema.get("$ref"), str):
            return {**schema, "$ref": f"#/$defs/{name}{reference[1:]}"}
        return schema

    if contract.has_references:
        # References keep their shape below a definition of their own.
        definitions[name] = rewrite(arguments, moved)
        arguments = {"$ref": f"#/$defs/{name}"}
    return {
        "type": "object",
        "properties": {"name": {"const": name}, "arguments": arguments},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }
