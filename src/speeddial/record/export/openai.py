"""OpenAI's fine-tuning files: chat with tools, and preferences. Arguments are JSON text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from speeddial.messages import compact_json
from speeddial.record.export.examples import Answer, Example
from speeddial.record.export.pairs import Pair


def chat(example: Example) -> dict[str, Any]:
    """``{"messages", "tools", "parallel_tool_calls"}``; failed attempts in the prompt carry ``weight`` 0."""
    prompt = [
        {**message, "weight": 0} if message["role"] == "assistant" else message for message in example.prompt
    ]
    several = len(example.answer.calls) > 1
    return {"messages": [*prompt, said(example.answer)], **_tools(example.tools, several)}


def preference(pair: Pair) -> dict[str, Any]:
    """``{"input": {"messages", "tools", ...}, "preferred_output", "non_preferred_output"}``."""
    return {
        "input": {"messages": list(pair.prompt), **_tools(pair.tools, len(pair.chosen.calls) > 1)},
        "preferred_output": [said(pair.chosen)],
        "non_preferred_output": [said(pair.rejected)],
    }


def said(answer: Answer) -> dict[str, Any]:
    """An assistant turn."""
    if not answer.calls:
        return {"role": "assistant", "content": answer.text}
    functions = [
        {"name": call["name"], "arguments": compact_json(call.get("arguments", {}))} for call in answer.calls
    ]
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": f"call_{number}", "type": "function", "function": function}
            for number, function in enumerate(functions, start=1)
        ],
    }


def definitions(tools: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tools as OpenAI and chat templates take them."""
    return [{"type": "function", "function": tool} for tool in tools]


def _tools(tools: Sequence[dict[str, Any]], several: bool) -> dict[str, Any]:
    return {"tools": definitions(tools), "parallel_tool_calls": several} if tools else {}
