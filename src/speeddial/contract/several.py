"""The contract of an answer of one or several calls, a question for a missing argument, or a refusal.

One call is written as experts with one call write it, several as ``{"calls":[...]}``: a list around a single
call would cost five tokens of every answer (15 become 20 for a tool with one argument).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

from speeddial.contract.calls import REFUSAL, CallsContract
from speeddial.contract.check import shown
from speeddial.contract.contract import Contract
from speeddial.contract.schemas import Schema
from speeddial.errors import ContractViolation, DefinitionError, Problem
from speeddial.messages import ASK, REFUSE, ToolCall, ToolCalls

MOST_CALLS = 8
"""Calls of one answer at most."""
_LONGEST_QUESTION = 200
NOTHING: Mapping[str, Sequence[str]] = MappingProxyType({})


class SeveralCallsContract(CallsContract):
    """One of several tools called, or two or more calls of them; or a question, or a refusal.

    `parse` and `load` give a `ToolCall` for one call, question or refusal, and `ToolCalls` for several.

    Args:
        tools: the contract of each tool's arguments; the question's, unless it is to be made of theirs.
        lacking: tools that cannot be called here, with the required arguments that are to be asked for.
        said: of the other tools, the required arguments that are not to be asked for.
        alone: the optional arguments that a tool's call has where it is the only one.
        fitting: tools of which a call that stands alone, or a question, can be; any of them where none is
            given.

    Attributes:
        tools: those that can be called, the question's (where any tool has a required argument) and the
            refusal's.
    """

    def __init__(
        self,
        tools: Mapping[str, Contract],
        lacking: Mapping[str, Sequence[str]] = NOTHING,
        said: Mapping[str, Sequence[str]] = NOTHING,
        alone: Mapping[str, Sequence[str]] = NOTHING,
        fitting: Collection[str] = (),
    ) -> None:
        known = {name: contract for name, contract in tools.items() if name not in (ASK, REFUSE)}
        called = {name: contract for name, contract in known.items() if name not in lacking}
        near = [name for name in known if name in fitting] or list(known)
        others = {REFUSE: Contract.from_schema(REFUSAL, name=REFUSE)}
        if ASK in tools:
            others = {ASK: tools[ASK], **others}
        elif question := _question({name: known[name] for name in near}, lacking, said):
            others = {ASK: Contract.from_schema(question, name=ASK), **others}
        super().__init__({**called, **others})
        self._called, self._alone, self._near = called, alone, frozenset(near)

    @cached_property
    def _item(self) -> Schema:
        """What each of several calls is."""
        branches = self._one["anyOf"][: len(self._called)]
        return {"anyOf": branches, "$defs": self._one.get("$defs", {})}

    def _whole(self) -> Schema:
        if not self._called:
            return self._one
        branches, definitions = self._one["anyOf"], self._one.get("$defs", {})
        # Each branch once: what one call and a list of calls have in common is compiled once.
        shared = {f"x-call-{number}": branch for number, branch in enumerate(self._item["anyOf"])}
        calls = [{"$ref": f"#/$defs/{name}"} for name in shared]
        several = {"type": "array", "items": {"anyOf": calls}, "minItems": 2, "maxItems": MOST_CALLS}
        single = [
            _with_required(branch, self._alone[name], definitions) if self._alone.get(name) else call
            for name, branch, call in zip(self._called, branches, calls, strict=False)
            if name in self._near
        ]
        return {
            "anyOf": [*single, *branches[len(self._called) :], _closed({"calls": several})],
            "$defs": {**definitions, **shared},
        }

    def _of(self, tools: Mapping[str, Contract]) -> CallsContract:
        # Without a question there was nothing to ask for, and there still is not.
        every = {name: one.full_schema.get("required", ()) for name, one in tools.items()}
        return SeveralCallsContract(
            tools, said={} if ASK in tools else every, alone=self._alone, fitting=self._near
        )

    def check(self, value: Any) -> list[Problem]:
        """Every problem of a decoded answer; each of several calls is checked by itself."""
        if not self._called or not (isinstance(value, dict) and "calls" in value):
            return super().check(value) or self._unfit(value)
        calls = value["calls"]
        if len(value) > 1:
            return [Problem("", "calls and no other key", ", ".join(value))]
        if not isinstance(calls, list) or not 2 <= len(calls) <= MOST_CALLS:
            return [Problem("calls", f"a list of 2 to {MOST_CALLS} calls", shown(calls))]
        return [
            problem._replace(path=f"calls[{number}].{problem.path}".removesuffix("."))
            for number, call in enumerate(calls)
            for problem in self._check_call(call, lambda: self._item, self._called)
        ]

    def _unfit(self, call: Any) -> list[Problem]:
        """The problems of a valid call that stands alone: its tool, or arguments that it should have."""
        name, arguments = call["name"], call["arguments"]
        if name in self._called and name not in self._near:
            return [Problem("name", "a tool that the request speaks of", name, tuple(sorted(self._near)))]
        properties = self.tools[name].full_schema.get("properties", {})
        return [
            Problem(f"arguments.{key}", "a value, which the request says", "nothing")
            for key in self._alone.get(name, ())
            if key in properties and key not in arguments
        ]

    def load(self, value: Any) -> Any:
        if not (isinstance(value, dict) and "calls" in value):
            return super().load(value)
        if problems := self.check(value):
            raise ContractViolation(problems, example=self.example_text)
        return ToolCalls(tuple(ToolCall(call["name"], call["arguments"]) for call in value["calls"]))

    def _written(self, written: dict[str, Any]) -> str:
        if "calls" not in written:
            return super()._written(written)
        one = super()._written
        return '{"calls":[' + ",".join(one(call) for call in written["calls"]) + "]}"

    def describe(self) -> str:
        """How to answer; what can be called stands above the request."""
        forms = ['{"name":TOOL,"arguments":{...}}', 'for several calls {"calls":[{"name":...},{"name":...}]}']
        if ASK in self.tools:
            forms.append(
                f'when a required argument is not said {{"name":"{ASK}","arguments":'
                '{"tool":TOOL,"argument":ARGUMENT,"question":TEXT}}'
            )
        forms.append(f'when no tool fits {{"name":"{REFUSE}","arguments":{{"reason":TEXT}}}}')
        return "Reply with " + ",\n".join(forms)


def several_calls(
    tools: Mapping[str, Contract],
    lacking: Mapping[str, Sequence[str]] = NOTHING,
    said: Mapping[str, Sequence[str]] = NOTHING,
    alone: Mapping[str, Sequence[str]] = NOTHING,
    fitting: Collection[str] = (),
) -> SeveralCallsContract:
    """The contract of one or several calls of `tools`, a typed question or a typed refusal.

    Args:
        tools: tool name to the contract of its arguments, in the order that prompts show.
        lacking: those that can only be asked about, with the required arguments that nothing is known of.
        said: of the others, the required arguments that are known, which are not asked about.
        alone: the optional arguments that a tool's call has where it is the only one.
        fitting: tools of which a call that stands alone, or a question, can be; any where none is given.

    Raises:
        DefinitionError: no tools, or a tool called like the question or the refusal.
    """
    if not tools:
        raise DefinitionError("there is no tool to call", hint="give at least one")
    for name in (ASK, REFUSE):
        if name in tools:
            raise DefinitionError(f"a tool is named {name!r}, as a typed answer is", hint="rename the tool")
    return SeveralCallsContract(tools, lacking, said, alone, fitting)


def _question(
    tools: Mapping[str, Contract], lacking: Mapping[str, Sequence[str]], said: Mapping[str, Sequence[str]]
) -> Schema | None:
    """Arguments of the typed question: a tool, one of its required arguments, and words for a person."""
    text = {"type": "string", "minLength": 1, "maxLength": _LONGEST_QUESTION}
    branches = []
    for name, contract in tools.items():
        required = contract.full_schema.get("required", ())
        if asked := lacking.get(name) or [key for key in required if key not in said.get(name, ())]:
            argument = {"type": "string", "enum": list(asked)}
            branches.append(_closed({"tool": {"const": name}, "argument": argument, "question": text}))
    if not branches:
        return None
    return branches[0] if len(branches) == 1 else {"anyOf": branches}


def _with_required(call: Schema, keys: Sequence[str], definitions: Schema) -> Schema:
    """A call whose arguments need these too, as far as binding left them."""
    arguments = call["properties"]["arguments"]
    if "$ref" in arguments:
        arguments = definitions[arguments["$ref"].rpartition("/")[2]]
    known = [key for key in keys if key in arguments.get("properties", {})]
    required = list(dict.fromkeys([*arguments.get("required", ()), *known]))
    return _closed({**call["properties"], "arguments": {**arguments, "required": required}})


def _closed(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
