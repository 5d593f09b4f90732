"""HWU64 rows against organizer calls: the split, and the comparison that the shipped mapping describes."""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

Call = dict[str, Any]
Slot = tuple[str, str, int, int]

MAPPING = Path(__file__).resolve().parent.parent / "experts" / "organizer" / "hwu64_mapping.toml"


def load_mapping(path: Path = MAPPING) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def norm(text: str) -> str:
    return " ".join(text.casefold().split())


def is_dev(text: str) -> bool:
    """The deterministic split: by the normalised text, so that repeated utterances stay on one side."""
    return int(hashlib.sha1(norm(text).encode()).hexdigest(), 16) % 100 < 15


def text_of(row: Mapping[str, Any]) -> str:
    """The utterance: `text` in the data, `input` in our development rows."""
    text: str = row["text"] if "text" in row else row["input"]
    return text


def slots_of(row: Mapping[str, Any]) -> list[Slot]:
    return sorted(((s[0], s[1], s[2], s[3]) for s in row["slots"]), key=lambda s: s[2])


def covering(text: str, slots: Sequence[Slot], everything: Sequence[Slot], connectors: Sequence[str]) -> str:
    """One value for several labels: the text from first to last when only connecting words are between."""
    first, last = slots[0], slots[-1]
    for left, right in pairwise(slots):
        gap = text[left[3] : right[2]].lower().split()
        between = any(left[3] <= s[2] < right[2] for s in everything if s not in slots)
        if between or any(word not in connectors for word in gap):
            seen: list[str] = []
            for slot in slots:
                if norm(slot[1]) not in map(norm, seen):
                    seen.append(slot[1])
            return " ".join(seen)
    return text[first[2] : last[3]]


def expected(row: Mapping[str, Any], tool: str, mapping: Mapping[str, Any]) -> dict[str, list[str]]:
    """Accepted values of each labelled argument of ``tool``, the preferred one first."""
    everything = slots_of(row)
    connectors = mapping["connectors"]
    accepted: dict[str, list[str]] = {}
    for argument, labels in mapping["compare"].get(tool, {}).items():
        mine = [s for s in everything if s[0] in labels]
        if labels[0] == "event_name" and any(s[0] == "event_name" for s in mine):
            mine = [s for s in mine if s[0] != "meal_type"]
        if argument in mapping["first_run"].get(tool, []):
            run = mine[:1]
            for slot in mine[1:]:
                if any(w not in connectors for w in text_of(row)[run[-1][3] : slot[2]].lower().split()):
                    break
                run.append(slot)
            mine = run
        if not mine:
            continue
        values = [covering(text_of(row), mine, everything, connectors)]
        wide = mapping["widen"].get(tool, {}).get(argument)
        if wide:
            group = [s for s in everything if s[0] in wide]
            value = covering(text_of(row), group, everything, connectors)
            if len(group) > len(mine) and value in text_of(row):
                values.insert(0, value)
        accepted[argument] = values
    return accepted


def score(row: Mapping[str, Any], call: Call, mapping: Mapping[str, Any]) -> dict[str, bool]:
    """Compare one call with a row: `tool`, `exact` (with labelled arguments), `no_extra` (none invented)."""
    tools = mapping["intents"].get(row["intent"], ["refuse"])
    tool = call["name"] in tools
    exact = no_extra = tool
    if tool and call["name"] != "refuse":
        arguments = call["arguments"]
        accepted = expected(row, call["name"], mapping)
        for argument, values in accepted.items():
            if norm(str(arguments.get(argument, ""))) not in map(norm, values):
                exact = False
        invented = [a for a in mapping["strict"] if a in arguments and a not in accepted]
        no_extra = exact and not invented
    return {"tool": tool, "exact": exact, "no_extra": no_extra}


ORDER = {
    "create_event": ("title", "date", "time", "repeat", "people", "place"),
    "create_reminder": ("text", "date", "time", "repeat"),
    "find_events": ("title", "date", "time", "people", "place"),
    "delete_events": ("title", "date", "time", "people", "place"),
    "set_alarm": ("date", "time", "repeat", "label"),
    "find_alarms": ("date", "time", "label"),
    "delete_alarms": ("date", "time", "label"),
    "add_to_list": ("items", "list"),
    "show_list": ("list",),
    "remove_from_list": ("items", "list"),
    "delete_list": ("list",),
    "draft_mail": ("to", "subject", "body"),
    "refuse": ("reason",),
}


def call(tool: str, **arguments: Any) -> Call:
    """A call with its arguments in schema order, unset ones left out."""
    return {"name": tool, "arguments": {k: arguments[k] for k in ORDER[tool] if arguments.get(k)}}
