"""Microsoft Agent Framework: an agent on the chat completions client."""

from __future__ import annotations

import asyncio
from typing import Any

from agent_framework import Agent, tool
from agent_framework.openai import OpenAIChatCompletionClient

from benchmarks.faults.harness import run


def ask(made: Any, url: str) -> None:
    client = OpenAIChatCompletionClient(model="fault", base_url=f"{url}/v1", api_key="none")
    asyncio.run(Agent(client=client, tools=[made]).run("go"))


run("agent-framework-core", ask, declare=tool)
