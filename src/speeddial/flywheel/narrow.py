"""Narrowing by data: tools' schemas made as tight as practically all of their recorded calls are.

An argument whose values stand word for word in their requests is bound to them (``"x-copied"``), so that a
small model picks words and cannot invent any. A schema is only ever narrowed: what fits it fits the agent's.

Arguments are written in the order in which requests mostly say them, so that a model copies from left to
right and sees what it has passed over. In a call their order means nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from speeddial.contract.copied import is_span
from speeddial.contract.schemas import COPIED
from speeddial.flywheel.sample import Call, Sample

LEAST = 5
"""Values of an argument from which a habit can be told."""
HABIT = 0.95
"""Share of them that must stand in their requests. The others' samples are not learnt from, and a specialist
cannot answer their like: it should be unsure of them, and what is unsure is escalated."""
_PLAIN = {"type", "description", "title", "examples", "default"}
"""Keywords of a string that nothing else is said of."""


@dataclass(frozen=True, kw_only=True)
class Narrowed:
    """An argument that was narrowed."""

    tool: str
    argument: str
    values: int
    fitting: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def narrow(
    definitions: Mapping[str, Mapping[str, Any]], samples: Sequence[Sample]
) -> tuple[dict[str, dict[str, Any]], list[Narrowed]]:
    """Definitions as tight as the samples' calls, and what was narrowed.

    Args:
        definitions: tool -> name, description and parameters.
        samples: those that are learnt from.
    """
    stand: dict[tuple[str, str], list[bool]] = defaultdict(list)
    said: dict[tuple[str, str], list[float]] = defaultdict(list)
    for sample in samples:
        request = sample.request
        for tool, argument, value in arguments(sample.calls):
            copied = isinstance(value, str) and is_span(value, request)
            stand[tool, argument].append(copied)
            if copied:
                # A span may differ from the value in its blanks; then its place is not certain.
                said[tool, argument].append(max(0, request.find(value)) / len(request))
    tight, found = {}, []
    for tool, definition in definitions.items():
        parameters = dict(definition.get("parameters") or {})
        properties = dict(parameters.get("properties") or {})
        for argument, schema in properties.items():
            fits = stand.get((tool, argument), [])
            plain = schema.get("type") == "string" and schema.keys() <= _PLAIN
            if plain and len(fits) >= LEAST and _habit(fits):
                properties[argument] = {**schema, COPIED: True}
                found.append(Narrowed(tool=tool, argument=argument, values=len(fits), fitting=sum(fits)))
        if properties:
            # What is not said word for word, such as an action, decides the rest and comes first, as it did.
            places = {
                name: fmean(said[tool, name]) if _habit(stand.get((tool, name), [])) else -1.0
                for name in properties
            }
            ordered = sorted(places, key=places.__getitem__)
            parameters["properties"] = {name: properties[name] for name in ordered}
        tight[tool] = {**definition, "parameters": parameters}
    return tight, found


def _habit(stand: Sequence[bool]) -> bool:
    return bool(stand) and sum(stand) >= HABIT * len(stand)


def fits(sample: Sample, definitions: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a sample's calls can be written under narrowed definitions."""
    for tool, argument, value in arguments(sample.calls):
        parameters = definitions.get(tool, {}).get("parameters", {})
        copied = parameters.get("properties", {}).get(argument, {}).get(COPIED) is True
        if copied and not (isinstance(value, str) and is_span(value, sample.request)):
            return False
    return True


def arguments(calls: Iterable[Call]) -> Iterable[tuple[str, str, Any]]:
    """Tool, argument and value."""
    for call in calls:
        for argument, value in call["arguments"].items():
            yield call["name"], argument, value
