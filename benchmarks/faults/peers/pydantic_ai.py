"""Pydantic AI: an agent with a plain tool."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent, Tool
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from benchmarks.faults.harness import run


def ask(made: Any, url: str) -> None:
    provider = OpenAIProvider(base_url=f"{url}/v1", api_key="none")
    Agent(OpenAIChatModel("fault", provider=provider), tools=[made]).run_sync("go")


run("pydantic-ai-slim", ask, declare=lambda function: Tool(function, takes_ctx=False))
