"""ShareGPT as LLaMA-Factory reads it: sides take turns, and tools and calls are JSON text."""

from __future__ import annotations

from typing import Any

from speeddial.messages import compact_json
from speeddial.record.export.examples import Example

_SIDES = {"user": "human", "tool": "observation", "assistant": "gpt"}


def conversation(example: Example) -> dict[str, Any]:
    """``{"conversations", "system", "tools"}``; a side that speaks twice in a row speaks once."""
    turns: list[dict[str, str]] = []
    for message in example.prompt:
        side = _SIDES.get(message["role"])
        if side is None:
            continue
        if turns and (turns[-1]["from"] == "gpt") == (side == "gpt"):
            turns[-1]["value"] += f"\n{message['content']}"
        else:
            turns.append({"from": side, "value": message["content"]})
    calls = example.answer.calls
    said = compact_json(list(calls)) if len(calls) > 1 else example.answer.text
    turns.append({"from": "function_call" if calls else "gpt", "value": said})
    system = [message["content"] for message in example.prompt if message["role"] == "system"]
    return {
        "conversations": turns,
        "system": "\n".join(system),
        "tools": compact_json(example.tools) if example.tools else "",
    }
