"""DSPy: ReAct, which has the calls written as text."""

from __future__ import annotations

import re
from typing import Any

import dspy

from benchmarks.faults.harness import LAST, Message, run


def say(name: str, arguments: str) -> Message:
    fields = {"next_thought": "I call it.", "next_tool_name": name, "next_tool_args": arguments}
    return {"content": _written(fields)}


def _written(fields: dict[str, str]) -> str:
    return "\n\n".join(f"[[ ## {key} ## ]]\n{text}" for key, text in {**fields, "completed": ""}.items())


FINISH = {"next_thought": LAST, "next_tool_name": "finish", "next_tool_args": "{}"}


def ask(made: Any, url: str) -> None:
    model = dspy.LM("openai/fault", api_base=f"{url}/v1", api_key="none", cache=False, num_retries=0)
    with dspy.context(lm=model):
        dspy.ReAct("task -> answer", tools=[made], max_iters=2)(task="go")


def observation(text: str) -> str | None:
    """The trajectory's observation; without one the second request is a retry that tells nothing."""
    found = re.search(r"\[\[ ## observation_0 ## \]\]\n(.*?)(?=\n\[\[ ##|\Z)", text, re.DOTALL)
    return found[1] if found else None


last = {"content": _written({**FINISH, "reasoning": LAST, "answer": LAST})}
run("dspy", ask, declare=dspy.Tool, say=say, last=last, read=observation)
