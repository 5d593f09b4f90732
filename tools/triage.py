"""Routing: one of the user's labels for a message, or none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from speeddial import OneOf, ToolContext, tool
from speeddial.given import NONE, labels_of
from speeddial.models.labelset import find, labels_in

SHIPPED = Path(__file__).parents[1] / "experts" / "triage" / "adapter"
"""Folder of the label sets that go by a name."""
SHOWN = 2
"""Examples of each label that a model reads."""
LONGEST = 4000
"""Characters of all of them."""


def labels(context: ToolContext) -> list[str] | None:
    """The labels of this call, and none of them."""
    given = labels_of(context.given)
    if given is None:
        return None
    return [*(labels_in(find(given, SHIPPED)) if isinstance(given, str) else given), NONE]


def preface(context: ToolContext) -> str:
    """Examples of the labels, for engines that read the prompt."""
    given = labels_of(context.given)
    if not isinstance(given, dict):
        return ""
    lines = [f"{label}: {' | '.join(texts[:SHOWN])}" for label, texts in given.items() if texts]
    text = "\n".join(lines)
    return text if len(text) <= LONGEST else ""


@tool(effect="read", preface=preface)
def route(label: Annotated[str, OneOf(labels)]) -> str:
    """Route the message to the label that fits it.

    Args:
        label: the label, or "none" when no label fits.
    """
    return label
