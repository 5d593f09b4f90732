"""Utterances with intent and slot labels, compared with calls by a mapping file that an expert ships.

The mapping says which tools are right for an intent and which labels each argument is compared with; an
argument without a label is not compared, since such data leaves many phrases unlabelled. The form of a
labelled line is ``{"id", "text", "intent", "slots": [[label, value, start, end], ...]}``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from speeddial.errors import UserError
from speeddial.messages import REFUSE, ToolCall


class Slot(NamedTuple):
    """One labelled span."""

    label: str
    value: str
    start: int
    end: int


class Verdict(NamedTuple):
    """How one call compares with its labels."""

    tool: bool
    exact: bool
    """Tool and every labelled argument."""
    no_extra: bool
    """Exact, and no argument that the labels do not have, of those named `strict`."""


def fold(text: str) -> str:
    """Casefolded, white space collapsed: the only latitude in comparing texts."""
    return " ".join(text.casefold().split())


@dataclass(frozen=True)
class LabelMapping:
    """A mapping file, read."""

    intents: Mapping[str, Sequence[str]]
    compare: Mapping[str, Mapping[str, Sequence[str]]]
    widen: Mapping[str, Mapping[str, Sequence[str]]]
    first_run: Mapping[str, Sequence[str]]
    connectors: frozenset[str]
    strict: frozenset[str]

    @classmethod
    def read(cls, path: Path) -> LabelMapping:
        """Read a mapping.

        Raises:
            UserError: the file is not there, not TOML, or lacks a table.
        """
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
            return cls(
                intents=table["intents"],
                compare=table["compare"],
                widen=table.get("widen", {}),
                first_run=table.get("first_run", {}),
                connectors=frozenset(table["connectors"]),
                strict=frozenset(table["strict"]),
            )
        except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
            raise UserError(
                f"{path}: expected a label mapping, got: {error!r}",
                hint="labelled utterances need a *_mapping.toml in the expert's folder",
            ) from error

    def judge(self, row: Mapping[str, Any], call: ToolCall) -> Verdict:
        """Compare one call with a labelled line; intents the mapping does not name must be refused."""
        right = call.name in self.intents.get(row["intent"], (REFUSE,))
        if not right or call.is_refusal:
            return Verdict(right, right, right)
        accepted = self.accepted(row, call.name)
        exact = all(
            fold(str(call.arguments.get(argument, ""))) in map(fold, values)
            for argument, values in accepted.items()
        )
        invented = any(name in call.arguments and name not in accepted for name in self.strict)
        return Verdict(True, exact, exact and not invented)

    def accepted(self, row: Mapping[str, Any], tool: str) -> dict[str, list[str]]:
        """Accepted values of each labelled argument of `tool`, the preferred one first."""
        text: str = row["text"]
        slots = sorted((Slot(*item) for item in row["slots"]), key=lambda slot: slot.start)
        accepted: dict[str, list[str]] = {}
        for argument, labels in self.compare.get(tool, {}).items():
            mine = [slot for slot in slots if slot.label in labels]
            # The first label is the argument's own, the others stand in for it when it is absent, except
            # where an argument joins several (date parts, people).
            if labels[0] == "event_name" and any(slot.label == "event_name" for slot in mine):
                mine = [slot for slot in mine if slot.label != "meal_type"]
            if argument in self.first_run.get(tool, ()):
                mine = self._first_run(text, mine)
            if not mine:
                continue
            values = [self.covering(text, mine, slots)]
            group = [slot for slot in slots if slot.label in self.widen.get(tool, {}).get(argument, ())]
            if len(group) > len(mine):
                wide = self.covering(text, group, slots)
                if wide in text:
                    values.insert(0, wide)
            accepted[argument] = values
        return accepted

    def covering(self, text: str, slots: Sequence[Slot], everything: Sequence[Slot]) -> str:
        """One value for several labels: the text from the first to the last of them when only
        connecting words lie between, else their values joined."""
        for left, right in pairwise(slots):
            between = any(left.end <= slot.start < right.start for slot in everything if slot not in slots)
            if between or not self._connected(text, left, right):
                distinct: list[str] = []
                for slot in slots:
                    if fold(slot.value) not in map(fold, distinct):
                        distinct.append(slot.value)
                return " ".join(distinct)
        return text[slots[0].start : slots[-1].end]

    def _first_run(self, text: str, slots: Sequence[Slot]) -> list[Slot]:
        run = list(slots[:1])
        for slot in slots[1:]:
            if not self._connected(text, run[-1], slot):
                break
            run.append(slot)
        return run

    def _connected(self, text: str, left: Slot, right: Slot) -> bool:
        return all(word in self.connectors for word in text[left.end : right.start].lower().split())
