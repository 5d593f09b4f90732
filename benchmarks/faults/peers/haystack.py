"""Haystack: an Agent with tools made of functions."""

from __future__ import annotations

from typing import Any

from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import create_tool_from_function
from haystack.utils import Secret

from benchmarks.faults.harness import run


def ask(made: Any, url: str) -> None:
    generator = OpenAIChatGenerator(
        model="fault", api_base_url=f"{url}/v1", api_key=Secret.from_token("none"), max_retries=0
    )
    agent = Agent(chat_generator=generator, tools=[made], max_agent_steps=2)
    agent.warm_up()
    agent.run([ChatMessage.from_user("go")])


run("haystack-ai", ask, declare=create_tool_from_function)
