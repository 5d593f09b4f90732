"""An expert: a specialist model with a card that says what it does, with which tools, on which weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speeddial.calibration import FILE, Calibration
from speeddial.card import Card
from speeddial.definition import tool_of
from speeddial.errors import UserError
from speeddial.given import GIVEN
from speeddial.lexicon import Lexicon
from speeddial.messages import compact_json
from speeddial.tool import Tool

RESULT_KINDS = ("scalar", "table", "text")
CALLS = ("one", "several")
ANY_TOOL = "*"
"""In place of names in a card: every tool that the project has."""
TAGGER = "tagger.json"
"""In a folder of weights that the tagger engine serves; the embedded one serves the others."""


@dataclass(frozen=True)
class Expert:
    """A specialist, as its ``experts/NAME/card.toml`` describes it."""

    name: str
    summary: str
    """One line that the planner reads."""
    task: str
    """What it does, for people."""
    when_to_call: tuple[str, ...]
    """Example requests; retrieval over a large registry searches them."""
    tools: tuple[str, ...]
    """Their names; see `ANY_TOOL`."""
    prompt: str
    """The system prompt, fixed, so that an engine can keep its state."""
    folder: Path
    model: str = ""
    """Engine and model that it was made for; settings may name another."""
    adapter: Path | None = None
    """PEFT adapter folder, when it has weights of its own."""
    weights: Path | None = None
    """Folder of a whole model of its own, in Hugging Face form or a tagger's; `model` then is
    ``embedded:FOLDER`` or ``tagger:FOLDER``."""
    definitions: Mapping[str, Tool] = field(default_factory=dict)
    """Tools of its own, each a schema and no more, in place of the project's. They stand in no prompt: it
    knows them by training."""
    lexicon: Lexicon | None = None
    """Tells above a request what its phrases were before."""
    threshold: float = 0.0
    """Confidence under which its call is escalated."""
    calibration: Calibration | None = None
    """Makes its confidence a chance of being right, from ``calibration.json`` beside the card."""
    calls: str = "one"
    """``one`` call answers a request, or ``several``: then tools may be given with it, those that fit it best
    stand above it, and a question for a missing argument is an answer too."""
    grounded: bool = False
    """Whether its calls hold only what the request says, see `speeddial.grounding`."""
    needs_file: bool = False
    needs: tuple[str, ...] = ()
    """Kinds of `speeddial.given` without which it cannot be phoned."""
    accepts: tuple[str, ...] = ()
    """Kinds of earlier results that a step of this expert may refer to."""
    next: tuple[str, ...] = ()
    """Experts phoned, in this order, when it cannot serve a step; the generalist comes last by itself."""
    refuses: bool = True
    """Whether the typed refusal is always a choice; else only where none of its tools can be called."""
    planned: bool = True
    """Whether the planner may be shown it; else it is called by name, or phoned by another expert."""
    unordered: tuple[str, ...] = ()
    """Arguments whose order does not matter when calls are compared."""
    version: str = "0"
    schema_hash: str = ""
    """Hash of its tools' schemas at training time; empty when it is bound to none."""
    provenance: Mapping[str, Any] | None = None

    @classmethod
    def from_card(cls, path: Path) -> Expert:
        """Read a card.

        Raises:
            ProjectError: naming the card, the key, what was given and what is expected.
        """
        card = Card.read(path)
        folder = path.parent
        adapter, weights = card.text("adapter", ""), card.text("weights", "")
        own = card.folder("weights").resolve() if weights else None
        definitions = _definitions(card) if card.text("definitions", "") else {}
        expert = cls(
            name=card.name(folder.name),
            summary=card.text("summary"),
            task=card.text("task"),
            when_to_call=card.texts("when_to_call", ()),
            tools=tuple(definitions) if definitions else card.texts("tools"),
            prompt=card.file("prompt", "prompt.md"),
            folder=folder,
            model=f"{_engine(own)}:{own}" if own else card.text("model", ""),
            adapter=card.folder("adapter") if adapter else None,
            weights=own,
            definitions=definitions,
            lexicon=_lexicon(card) if card.text("lexicon", "") else None,
            threshold=card.number("threshold", 0.0, at_most=1.0),
            calibration=Calibration.read(folder / FILE) if (folder / FILE).is_file() else None,
            calls=card.choice("calls", CALLS, CALLS[0]),
            grounded=card.flag("grounded", False),
            needs_file=card.flag("needs_file", False),
            needs=card.choices("needs", tuple(GIVEN)),
            accepts=card.choices("accepts", RESULT_KINDS),
            next=card.texts("next", ()),
            refuses=card.flag("refuses", True),
            planned=card.flag("planned", True),
            unordered=card.texts("unordered", ()),
            version=card.text("version", "0"),
            schema_hash=card.text("schema_hash", ""),
            provenance=card.table("provenance"),
        )
        card.finish()
        return expert

    @property
    def trained(self) -> Path | None:
        """Folder of what it was trained to, an adapter or a whole model; None for an untuned one."""
        return self.adapter or self.weights

    def calibrated_as(self, model: str) -> str:
        """A model as calibration.json names it: weights of its own by their engine, wherever they stand."""
        own = self.weights is not None and model == self.model
        return f"{model.partition(':')[0]}:weights" if own else model

    def tools_hash(self, tools: Mapping[str, Tool]) -> str:
        """Hash over this expert's tools as they are now; compare with `schema_hash`."""
        known = self.definitions or tools
        pairs = [[name, known[name].schema_hash] for name in sorted(self.tools)]
        return f"sha256:{hashlib.sha256(compact_json(pairs).encode()).hexdigest()}"

    def is_stale(self, tools: Mapping[str, Tool]) -> bool:
        """Whether a tool changed since the expert was trained."""
        return bool(self.schema_hash) and self.schema_hash != self.tools_hash(tools)


def _engine(weights: Path) -> str:
    return "tagger" if (weights / TAGGER).is_file() else "embedded"


def _lexicon(card: Card) -> Lexicon | None:
    try:
        return Lexicon.read(card.path.parent / card.text("lexicon"))
    except UserError as error:
        card.wrong("lexicon", "a lexicon's file beside the card", error.message)
        return None


def _definitions(card: Card) -> dict[str, Tool]:
    """The tools in a card's file of definitions."""
    items = card.items("definitions")
    tools: dict[str, Tool] = {}
    for number, item in enumerate(items):
        try:
            tool = tool_of(item)
        except UserError as error:
            card.wrong("definitions", "definitions of tools", f"number {number + 1}: {error.message}")
        else:
            if tool.name in tools:
                card.wrong("definitions", "names that differ", repr(tool.name))
            tools[tool.name] = tool
    return tools
