"""Agno: an agent with a function."""

from __future__ import annotations

from typing import Any

from agno.agent import Agent
from agno.models.openai import OpenAIChat

from benchmarks.faults.harness import run


def ask(made: Any, url: str) -> None:
    model = OpenAIChat(id="fault", base_url=f"{url}/v1", api_key="none", max_retries=0)
    Agent(model=model, tools=[made], telemetry=False).run("go")


run("agno", ask)
