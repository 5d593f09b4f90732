"""What an export did: counts, and the files that it wrote."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speeddial.record.selection import Selection

TRAIN, TEST = "train", "test"
UNKNOWN = "unknown"
"""Licence of a model of which nobody said one."""


@dataclass
class ExportReport:
    """How an export came out."""

    form: str = ""
    selection: Selection = field(default_factory=Selection)
    test_share: float = 0.0
    lines: int = 0
    """Rows written, over all splits."""
    splits: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    """Reason -> number of decodes that were left out."""
    redactions: Counter[str] = field(default_factory=Counter)
    """Rule -> secrets replaced in the exported rows."""
    models: Counter[str] = field(default_factory=Counter)
    """``engine:name``, with `` + ADAPTER`` where there was one."""
    licences: Counter[str] = field(default_factory=Counter)
    """Licence of the producing model -> rows; `UNKNOWN` needs your eyes."""
    sources: Counter[str] = field(default_factory=Counter)
    """decode, or where a pair comes from: correction, retry, escalation."""
    tokens: Counter[int] = field(default_factory=Counter)
    """Power of two that prompt and answer together stay below -> rows."""
    run_ids: set[str] = field(default_factory=set)
    """The runs that rows come from."""
    interactions: set[int] = field(default_factory=set)
    """The decodes that became rows; of a pair both."""
    files: dict[Path, str] = field(default_factory=dict)
    """Written file -> its SHA-256 in hex."""

    @property
    def runs(self) -> int:
        """How many runs rows come from."""
        return len(self.run_ids)

    def count(self, split: str, provenance: dict[str, Any]) -> None:
        """Take one written row into account."""
        self.lines += 1
        self.run_ids.add(provenance["run_id"])
        self.interactions.add(provenance["interaction_id"])
        self.interactions.add(provenance.get("chosen_interaction_id", provenance["interaction_id"]))
        self.splits[split] += 1
        self.redactions.update(provenance["redactions"])
        adapter = f" + {provenance['adapter']}" if provenance["adapter"] else ""
        self.models[f"{provenance['model']}{adapter}"] += 1
        self.licences[provenance["licence"]] += 1
        self.sources[provenance["source"]] += 1
        self.tokens[1 << (provenance["tokens_in"] + provenance["tokens_out"]).bit_length()] += 1

    def as_dict(self) -> dict[str, Any]:
        """JSON form; files by name, as where they stand is nobody else's business."""
        counts = ("splits", "skipped", "redactions", "models", "licences", "sources")
        return {
            "form": self.form,
            "selection": {
                name: value.isoformat() if hasattr(value, "isoformat") else value
                for name, value in vars(self.selection).items()
                if value
            },
            "test_share": self.test_share,
            "lines": self.lines,
            "runs": self.runs,
            **{name: dict(sorted(getattr(self, name).items())) for name in counts},
            "tokens": {str(bound): count for bound, count in sorted(self.tokens.items())},
            "files": {path.name: digest for path, digest in self.files.items()},
        }
