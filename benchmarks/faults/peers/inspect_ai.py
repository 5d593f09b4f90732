"""Inspect: its model's tool loop."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

from inspect_ai.model import get_model
from inspect_ai.tool import tool

from benchmarks.faults.harness import run


def declare(function: Callable[..., str]) -> Any:
    @tool(name=function.__name__)  # type: ignore[untyped-decorator]
    def made() -> Any:
        @functools.wraps(function)
        async def execute(*values: Any, **given: Any) -> str:
            return function(*values, **given)

        return execute

    return made()


def ask(made: Any, url: str) -> None:
    model = get_model("openai-api/fault/fault", base_url=f"{url}/v1", api_key="none", memoize=False)
    asyncio.run(model.generate_loop("go", tools=[made]))


run("inspect-ai", ask, declare=declare)
