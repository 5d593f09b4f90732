"""HWU64 rows as the organizer's recipe reads them: the split, the labels, calls in schema order."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from speeddial.flywheel.labels import LabelMapping
from speeddial.flywheel.labels import fold as norm

Call = dict[str, Any]
Slot = tuple[str, str, int, int]

MAPPING = Path(__file__).resolve().parent.parent / "experts" / "organizer" / "hwu64_mapping.toml"


def load_mapping() -> LabelMapping:
    return LabelMapping.read(MAPPING)


def is_dev(text: str) -> bool:
    """The deterministic split: by the normalised text, so that repeated utterances stay on one side."""
    return int(hashlib.sha1(norm(text).encode()).hexdigest(), 16) % 100 < 15


def text_of(row: Mapping[str, Any]) -> str:
    """The utterance: `text` in the data, `input` in our development rows."""
    text: str = row["text"] if "text" in row else row["input"]
    return text


def slots_of(row: Mapping[str, Any]) -> list[Slot]:
    return sorted(((s[0], s[1], s[2], s[3]) for s in row["slots"]), key=lambda s: s[2])


def expected(row: Mapping[str, Any], tool: str, mapping: LabelMapping) -> dict[str, list[str]]:
    """Accepted values of each labelled argument of `tool`, the preferred one first."""
    return mapping.accepted({**row, "text": text_of(row)}, tool)


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
