"""LangGraph: LangChain's `create_agent`, whose ToolNode runs the tools."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from benchmarks.faults.harness import run


def ask(made: Any, url: str) -> None:
    model = ChatOpenAI(model="fault", base_url=f"{url}/v1", api_key="none", max_retries=0)
    create_agent(model, [made]).invoke({"messages": [("user", "go")]})


run("langgraph", ask, declare=tool)
