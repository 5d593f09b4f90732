"""OpenAI Agents SDK: an agent on the chat completions protocol."""

from __future__ import annotations

from typing import Any

from openai import AsyncOpenAI

# mypy takes the repository's folder agents/ for it.
from agents import (  # type: ignore[attr-defined]
    Agent,
    OpenAIChatCompletionsModel,
    Runner,
    function_tool,
)
from benchmarks.faults.harness import run


def ask(made: Any, url: str) -> None:
    client = AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    model = OpenAIChatCompletionsModel(model="fault", openai_client=client)
    Runner.run_sync(Agent(name="faults", tools=[made], model=model), "go")


def declare(function: Any) -> Any:
    try:
        return function_tool(function)
    except Exception:  # noqa: BLE001 - its strict mode takes no open objects; what it then offers is this
        return function_tool(function, strict_mode=False)


run("openai-agents", ask, declare=declare)
