"""An agent: a generalist role (planner, answerer, judge) with its instruction, model and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speeddial.card import Card

ROLES = ("planner", "answerer", "judge")


@dataclass(frozen=True)
class Agent:
    """A generalist, as its ``agents/NAME/agent.toml`` describes it."""

    name: str
    role: str
    prompt: str
    """Instruction; the planner's has ``{experts}`` where the registry goes."""
    folder: Path
    model: str = ""
    """Engine and model; ``compose`` for an answerer that needs none."""
    adapter: Path | None = None
    max_tokens: int = 512
    """Tokens that one output of it may have."""
    version: str = "0"
    provenance: Mapping[str, Any] | None = None

    @classmethod
    def from_card(cls, path: Path) -> Agent:
        """Read an agent's card.

        Raises:
            ProjectError: naming the card, the key, what was given and what is expected.
        """
        card = Card.read(path)
        adapter = card.text("adapter", "")
        agent = cls(
            name=card.name(path.parent.name),
            role=card.choice("role", ROLES),
            prompt=card.file("prompt", "prompt.md"),
            folder=path.parent,
            model=card.text("model", ""),
            adapter=card.folder("adapter") if adapter else None,
            max_tokens=int(card.number("max_tokens", 512, at_most=100_000)),
            version=card.text("version", "0"),
            provenance=card.table("provenance"),
        )
        card.finish()
        return agent
