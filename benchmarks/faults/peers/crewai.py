"""CrewAI: an agent with a tool, on its OpenAI client."""

from __future__ import annotations

from typing import Any

from crewai import LLM, Agent
from crewai.tools import tool

from benchmarks.faults.harness import run


def ask(made: Any, url: str) -> None:
    model = LLM(model="openai/fault", base_url=f"{url}/v1", api_key="none", max_retries=0)
    Agent(role="worker", goal="work", backstory="none", llm=model, tools=[made], max_iter=2).kickoff("go")


run("crewai", ask, declare=tool)
