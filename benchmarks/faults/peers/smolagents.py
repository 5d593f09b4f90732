"""smolagents: a ToolCallingAgent."""

from __future__ import annotations

from typing import Any

from smolagents import OpenAIServerModel, ToolCallingAgent, tool

from benchmarks.faults.harness import LAST, run, tool_call


def ask(made: Any, url: str) -> None:
    model = OpenAIServerModel(model_id="fault", api_base=f"{url}/v1", api_key="none")
    ToolCallingAgent(tools=[made], model=model, max_steps=2).run("go")


run("smolagents", ask, declare=tool, last=tool_call("final_answer", f'{{"answer":"{LAST}"}}'))
