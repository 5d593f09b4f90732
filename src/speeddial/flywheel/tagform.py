"""Samples as rows for a tagger: a frame, the part of a call that is not said, and the values that are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from speeddial.contract.schemas import COPIED
from speeddial.errors import ContractViolation, Problem
from speeddial.flywheel.rows import OTHER, Form, rows_of
from speeddial.flywheel.sample import Sample
from speeddial.messages import REFUSE, compact_json

LEAST = 2
"""Rows of a frame from which on it is learnt."""
SHARE = 0.8
"""Of the samples that must be of such a frame, with values that are words of the request."""


class TagForm(Form):
    """How the calls of a tagger's version are learnt."""

    def row(self, sample: Sample) -> dict[str, Any]:
        """A row of this module's kind.

        Raises:
            ContractViolation: several calls, or one that does not fit the definitions.
        """
        if len(sample.calls) > 1:
            raise ContractViolation([Problem("", "one call", f"{len(sample.calls)}")])
        if not sample.calls:
            frame: dict[str, Any] = {"name": REFUSE, "arguments": {"reason": OTHER}, "copied": []}
            return {"id": sample.id, "request": sample.request, "frame": frame, "values": {}}
        (call,) = sample.calls
        self.contract.dump(dict(call))
        copied = copied_of(self.definitions[call["name"]])
        rest = {name: value for name, value in call["arguments"].items() if name not in copied}
        frame = {"name": call["name"], "arguments": rest, "copied": copied}
        values = {name: value for name, value in call["arguments"].items() if name in copied}
        return {"id": sample.id, "request": sample.request, "frame": frame, "values": values}


def copied_of(definition: Mapping[str, Any]) -> list[str]:
    """The arguments of a narrowed definition that are words of the request."""
    properties = (definition.get("parameters") or {}).get("properties") or {}
    return sorted(name for name, schema in properties.items() if schema.get(COPIED) is True)


def untaggable(plan: Mapping[str, Any], samples: Mapping[str, Sample]) -> str:
    """Why a tagger cannot learn the tasks of a plan; empty when it can.

    Args:
        plan: of `select`, less its candidates.
        samples: id -> sample.
    """
    if plan["calls"] != "one":
        return "answers with one call, and several are on record"
    learnt = [samples[name] for row in plan["tasks"] for name in row["train"]]
    rows = rows_of(learnt, TagForm({one["name"]: one for one in plan["definitions"]})).rows
    frames = Counter(compact_json(row["frame"]) for row in rows)
    able = sum(count for count in frames.values() if count >= LEAST)
    if able >= SHARE * len(learnt):
        return ""
    return f"finds values in requests, and {len(learnt) - able} of {len(learnt)} calls hold others"
