"""TRL and Hugging Face: conversational prompt and completion, and preference pairs. Arguments are objects.

Prompt and completion rather than one list of messages: TRL then trains on the answer alone, and not on
the failed attempts that stand before it.
"""

from __future__ import annotations

from typing import Any

from speeddial.record.export.examples import Answer, Example
from speeddial.record.export.openai import definitions
from speeddial.record.export.pairs import Pair


def prompt_completion(example: Example, *, text: bool) -> dict[str, Any]:
    """``{"prompt", "completion", "tools"}``.

    Args:
        text: calls as the JSON text that experts decode, without tools: for chat templates that know none,
            such as that of the embedded base.
    """
    return {
        "prompt": list(example.prompt),
        "completion": [_said(example.answer, text)],
        **_tools(example.tools, text),
    }


def preference(pair: Pair, *, text: bool) -> dict[str, Any]:
    """``{"prompt", "chosen", "rejected", "tools"}``; `text` as for `prompt_completion`."""
    return {
        "prompt": list(pair.prompt),
        "chosen": [_said(pair.chosen, text)],
        "rejected": [_said(pair.rejected, text)],
        **_tools(pair.tools, text),
    }


def _tools(tools: list[dict[str, Any]], text: bool) -> dict[str, Any]:
    return {} if text else {"tools": definitions(tools)}


def _said(answer: Answer, text: bool) -> dict[str, Any]:
    if text or not answer.calls:
        return {"role": "assistant", "content": answer.text}
    functions = [{"name": call["name"], "arguments": call.get("arguments", {})} for call in answer.calls]
    # An empty content, not null: many chat templates append it as it is.
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": function} for function in functions],
    }
