"""Rows of the caller as the call path writes them: tool lines above a request, and a valid answer."""

import json
import random
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from speeddial.contract import Contract, ContractViolation, SeveralCallsContract, several_calls
from speeddial.contract.toolline import tool_line

Row = dict[str, Any]
Definition = dict[str, Any]
Call = dict[str, Any]
PROMPT = (
    (Path(__file__).resolve().parents[1] / "experts/caller/prompt.md").read_text(encoding="utf-8").strip()
)
MOST_SHOWN = 6


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def example(
    identity: str, source: str, tools: Sequence[Definition], request: str, calls: Sequence[Call]
) -> Row | None:
    """An evaluation case, which `training_row` makes a row of; None where the calls are not valid.

    Args:
        calls: all that are to be made; a question or a refusal stands alone.
    """
    answer: Any = {"calls": list(calls)} if len(calls) > 1 else calls[0]
    try:
        _contract(compact(tools)).dump(answer)
    except ContractViolation:
        return None
    request = " ".join(request.split())
    return {"id": identity, "source": source, "input": request, "tools": list(tools), "calls": list(calls)}


def training_row(case: Row) -> Row:
    """``{"id", "messages"}`` of a case, its keys in the order that the grammar wants."""
    definitions, calls = compact(case["tools"]), case["calls"]
    answer = _contract(definitions).dump({"calls": calls} if len(calls) > 1 else calls[0])
    user = "\n".join([*_lines(definitions), case["input"]])
    said = [("system", PROMPT), ("user", user), ("assistant", answer)]
    messages = [{"role": role, "content": content} for role, content in said]
    return {"id": case["id"], "messages": messages, "source": case["source"]}


@lru_cache(maxsize=256)
def _contract(definitions: str) -> SeveralCallsContract:
    # Without `tool_of`, which compiles a grammar for each tool: tens of milliseconds, and tools are many.
    tools = json.loads(definitions)
    return several_calls({tool["name"]: _arguments(compact(tool["parameters"])) for tool in tools})


@lru_cache(maxsize=4096)
def _arguments(schema: str) -> Contract:
    return Contract.from_schema(json.loads(schema), name="arguments")


@lru_cache(maxsize=256)
def _lines(definitions: str) -> tuple[str, ...]:
    return tuple(
        tool_line(tool["name"], _arguments(compact(tool["parameters"])).full_schema, tool["description"])
        for tool in json.loads(definitions)
    )


def call(name: str, arguments: Mapping[str, Any]) -> Call:
    return {"name": name, "arguments": dict(arguments)}


def ask(tool: str, argument: str, question: str) -> Call:
    """A question: of what was said, the last sentence that asks."""
    sentences = re.split(r"(?<=[.!?])\s+", " ".join(question.split()))
    asking = next((one for one in reversed(sentences) if one.endswith("?")), sentences[-1])
    return call("ask", {"tool": tool, "argument": argument, "question": asking[:200]})


def refuse(wanted: str) -> Call:
    """A refusal: no tool to do what is wanted."""
    return call("refuse", {"reason": f"no tool to {wanted}"[:120]})


def spoken_name(name: str) -> str:
    """``FindBus`` and ``find_bus`` as ``find bus``."""
    return re.sub(r"[_\W]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)).strip().lower()


def shuffled(tools: Sequence[Definition], rng: random.Random) -> list[Definition]:
    return rng.sample(list(tools), len(tools))


def noisy(text: str, rng: random.Random) -> str:
    """Now and then a request as people type it: no capital, no stop at its end."""
    if rng.random() < 0.15:
        text = text.rstrip(".?!")
    return text[:1].lower() + text[1:] if rng.random() < 0.15 else text
