"""Samples as rows to train on: chat messages exactly as the call path writes them when the expert is phoned.

A specialist sees its short prompt and the request, nothing else: it answers what the words alone decide. A
sample whose request stands later in a conversation is left out, because what was said before may decide it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal

from speeddial.contract import CallsContract, several_calls, union_of_calls
from speeddial.definition import tool_of
from speeddial.errors import ContractViolation
from speeddial.expert import Expert
from speeddial.flywheel.narrow import fits
from speeddial.flywheel.sample import Sample
from speeddial.lexicon import Lexicon
from speeddial.messages import REFUSE
from speeddial.tool import Tool

Part = Literal["train", "calibrate", "test"]
PARTS: tuple[Part, ...] = ("train", "calibrate", "test")
TEST, CALIBRATE = 0.2, 0.2
"""Shares of the groups. Both are large: to show 99 % right answers takes 300 cases without a wrong one."""
PROMPT = "Call."
"""Of every version: its weights know the tools, and each token of the prompt is paid with every row."""
OTHER = "another task"
"""Reason of a refusal that is learnt."""


def part_of(group: str) -> Part:
    """Where a group's samples go; the same for ever, however many samples there are."""
    place = int.from_bytes(sha256(group.encode()).digest()[:4]) / 2**32
    return "test" if place < TEST else "calibrate" if place < TEST + CALIBRATE else "train"


@dataclass(frozen=True)
class Form:
    """How the calls of a version are written."""

    definitions: Mapping[str, Mapping[str, Any]]
    """Tool -> its definition, narrowed."""
    calls: str = "one"
    """As on a card."""
    prompt: str = PROMPT
    tools: Mapping[str, Tool] = field(default_factory=dict)
    """In place of tools made of the definitions: the project's own."""
    lexicon: Lexicon | None = None
    """Made of the samples that are learnt from, or the one that the expert has."""

    @classmethod
    def of_expert(cls, expert: Expert, tools: Mapping[str, Tool]) -> Form:
        """That of a project's expert whose prompt is the same for every call."""
        own = {name: tools[name] for name in expert.tools}
        schemas = {name: {"name": name, "parameters": tool.contract.schema} for name, tool in own.items()}
        return cls(schemas, expert.calls, expert.prompt, own, expert.lexicon)

    @cached_property
    def contract(self) -> CallsContract:
        """Of every answer, as `speeddial.prepared` makes it."""
        tools = self.tools or {name: tool_of(definition) for name, definition in self.definitions.items()}
        contracts = {name: tool.contract for name, tool in tools.items()}
        return several_calls(contracts) if self.calls == "several" else union_of_calls(contracts)

    def row(self, sample: Sample) -> dict[str, Any]:
        """A row of {"id", "messages"}.

        Raises:
            ContractViolation: the calls do not fit the definitions.
        """
        calls = [dict(call) for call in sample.calls] or [{"name": REFUSE, "arguments": {"reason": OTHER}}]
        answer = self.contract.dump(calls[0] if len(calls) == 1 else {"calls": calls})
        known = ""
        if self.lexicon is not None:
            # What it has from this very sample it will not have of a new request.
            own = [call["arguments"] for call in sample.calls]
            known = self.lexicon.heading(sample.request, own or None)
        asked = f"{known}\n{sample.request}" if known else sample.request
        said = (("system", self.prompt), ("user", asked), ("assistant", answer))
        return {"id": sample.id, "messages": [{"role": role, "content": content} for role, content in said]}


@dataclass
class Rows:
    """What samples became, and how many became nothing."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def rows_of(samples: Iterable[Sample], form: Form) -> Rows:
    """Rows of the samples that can be answered by their request alone."""
    made = Rows()
    for sample in samples:
        if why := unlearnable(sample, form.definitions):
            made.left_out[why] += 1
            continue
        try:
            made.rows.append(form.row(sample))
        except ContractViolation:
            made.left_out["does not fit the form"] += 1
    return made


def unlearnable(sample: Sample, definitions: Mapping[str, Mapping[str, Any]]) -> str:
    """Why nothing can be learnt of a sample; empty when it can."""
    if not opens(sample.messages):
        return "later in a conversation"
    if any(call["name"] not in {*definitions, REFUSE} for call in sample.calls):
        return "a tool of no task"
    return "" if fits(sample, definitions) else "values that the request does not say"


def opens(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a conversation's last message is a person's first."""
    roles = [message["role"] for message in messages if message["role"] not in ("system", "developer")]
    return roles == ["user"]
