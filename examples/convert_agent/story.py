"""What the agent of this story is asked, and what its large model answers: SNIPS and parts of HWU64.

Labels of public data stand in for a large model: the right call for each request, and a tenth of them spoilt,
as the answers of real models are. The data is given by path; README.md names its sources.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

SCENARIOS = ("alarm", "email", "lists", "transport")
SPOILT = 0.1
"""Share of the answers that are wrong."""
UNSEEN = 0.15
"""Share of HWU64's utterances that no traffic holds; SNIPS has a part of its own for that."""
Spoiling = Literal["", "type", "tool", "value", "swapped"]
SPOILINGS: tuple[Spoiling, ...] = ("type", "tool", "value")


@dataclass(frozen=True)
class Turn:
    """One request with its right call."""

    text: str
    tool: str
    arguments: Mapping[str, Any]
    intent: str
    """Finer than the tool in HWU64: ``alarm_set``."""

    @property
    def call(self) -> dict[str, Any]:
        return {"name": self.tool, "arguments": dict(self.arguments)}


@dataclass(frozen=True)
class Story:
    """Everything that happens."""

    traffic: Sequence[Turn]
    """What the agent is asked while it is recorded."""
    unseen: Sequence[Turn]
    """What it is asked when the specialists are there."""
    tools: Sequence[Mapping[str, Any]]
    """Name, description and parameters."""

    @classmethod
    def of(cls, data: Path, *, requests: int = 0, unseen: int = 0, seed: int = 7) -> Story:
        """Read the public data.

        Args:
            data: folder with ``snips/`` and ``hwu64/``.
            requests, unseen: how many of each; 0 for all.
        """
        dice = random.Random(seed)
        traffic = list(_snips(data / "snips" / "train.jsonl.xz"))
        held_out = list(_snips(data / "snips" / "dev.jsonl.xz"))
        for turn in _hwu64(data / "hwu64" / "train.jsonl.xz"):
            share = int.from_bytes(hashlib.sha256(turn.text.encode()).digest()[:4]) / 2**32
            (held_out if share < UNSEEN else traffic).append(turn)
        known = {_folded(turn.text) for turn in held_out}
        traffic = [turn for turn in traffic if _folded(turn.text) not in known]
        dice.shuffle(traffic)
        dice.shuffle(held_out)
        traffic, held_out = traffic[: requests or None], held_out[: unseen or None]
        return cls(traffic, held_out, _definitions([*traffic, *held_out]))

    def answers(
        self, turns: Sequence[Turn] | None = None, *, seed: int = 7
    ) -> Iterator[tuple[Turn, dict[str, Any], Spoiling]]:
        """What the large model answers: each call, and how it was spoilt.

        Args:
            turns: what it is asked; the traffic unless given.
        """
        dice = random.Random(f"answers {seed}")
        values: dict[tuple[str, str], list[Any]] = {}
        for turn in self.traffic:
            for name, value in turn.arguments.items():
                values.setdefault((turn.tool, name), []).append(value)
        for turn in self.traffic if turns is None else turns:
            if dice.random() >= SPOILT:
                yield turn, turn.call, ""
                continue
            kind: Spoiling = dice.choice(SPOILINGS)
            spoilt = _spoilt(turn, kind, self.traffic, values, dice)
            yield turn, spoilt, kind if spoilt != turn.call else ""


def _spoilt(
    turn: Turn,
    kind: Spoiling,
    traffic: Sequence[Turn],
    values: Mapping[tuple[str, str], Sequence[Any]],
    dice: random.Random,
) -> dict[str, Any]:
    if kind == "tool":
        return dice.choice([other for other in dice.sample(traffic, 20) if other.tool != turn.tool]).call
    call = turn.call
    if not call["arguments"]:
        return call
    name = dice.choice(sorted(call["arguments"]))
    value = call["arguments"][name]
    if kind == "type":
        call["arguments"][name] = dice.choice(([value], {"value": value}, len(str(value)), None))
    else:
        others = [other for other in values[turn.tool, name] if other != value]
        call["arguments"][name] = dice.choice(others) if others else value
    return call


def _snips(file: Path) -> Iterator[Turn]:
    for row in _rows(file):
        tool = re.sub(r"(?<!^)(?=[A-Z])", "_", row["intent"]).lower()
        arguments = {slot[0]: slot[1].strip() for slot in row["slots"]}
        if len(arguments) == len(row["slots"]):
            yield Turn(row["text"].strip(), tool, dict(sorted(arguments.items())), row["intent"])


def _hwu64(file: Path) -> Iterator[Turn]:
    for row in _rows(file):
        if row["scenario"] in SCENARIOS:
            action = row["intent"].removeprefix(f"{row['scenario']}_")
            slots = {slot[0]: slot[1].strip() for slot in row["slots"]}
            if len(slots) == len(row["slots"]):
                arguments = {"action": action, **dict(sorted(slots.items()))}
                yield Turn(row["text"].strip(), row["scenario"], arguments, row["intent"])


def _definitions(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    """The tools that the agent has: texts, but for the action of a scenario, which is one of a few."""
    seen: dict[str, dict[str, set[str]]] = {}
    counts: dict[str, int] = {}
    present: dict[str, dict[str, int]] = {}
    for turn in turns:
        counts[turn.tool] = counts.get(turn.tool, 0) + 1
        for name, value in turn.arguments.items():
            seen.setdefault(turn.tool, {}).setdefault(name, set()).add(value)
            of = present.setdefault(turn.tool, {})
            of[name] = of.get(name, 0) + 1
    return [
        {
            "name": tool,
            "description": f"{tool.replace('_', ' ')}.",
            "parameters": {
                "type": "object",
                "properties": {
                    name: {"type": "string", **({"enum": sorted(values)} if name == "action" else {})}
                    for name, values in arguments.items()
                },
                "required": ["action"] if "action" in arguments else [],
                "additionalProperties": False,
            },
        }
        for tool, arguments in sorted(seen.items())
    ]


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with lzma.open(file, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
