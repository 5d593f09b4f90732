"""LLM: a chain with a function as its tool."""

from __future__ import annotations

from typing import Any

from llm import Tool
from llm.default_plugins.openai_models import Chat

from benchmarks.faults.harness import run


def ask(made: Any, url: str) -> None:
    model = Chat("fault", key="none", api_base=f"{url}/v1", can_stream=False, supports_tools=True)
    model.chain("go", tools=[made], stream=False).text()


run("llm", ask, declare=Tool.function)
