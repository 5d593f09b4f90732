"""Licences of the models that produced the rows, as Hugging Face writes them (``apache-2.0``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from speeddial.record.export.report import UNKNOWN
from speeddial.settings import BASE_MODEL

_KNOWN = {BASE_MODEL: "apache-2.0"}
_FRONT_MATTER = re.compile(r"---\n(.*?)\n---\n", re.DOTALL)
_LICENCE = re.compile(r"^license:\s*[\"']?([^\"'\s#]+)", re.MULTILINE)


class Licences:
    """Under which licence a model's outputs come.

    Args:
        models: ``engine:name``, with or without ``@URL`` -> licence; over what is known here.
        folders: adapter -> folder with its MODEL_CARD.md.
    """

    def __init__(
        self, models: Mapping[str, str] | None = None, folders: Mapping[str, Path] | None = None
    ) -> None:
        self._models = _KNOWN | dict(models or {})
        self._adapters = {name: licence_in(folder) for name, folder in (folders or {}).items()}

    def of(self, model: str, adapter: str) -> str:
        """The licence; ``A AND B`` when base and adapter differ, `UNKNOWN` when either is."""
        base = self._models.get(model) or self._models.get(model.partition("@")[0], UNKNOWN)
        return both(base, self._adapters.get(adapter, UNKNOWN) if adapter else base)


def both(one: str, other: str) -> str:
    """The licence of what two licences apply to, as SPDX writes it."""
    if UNKNOWN in (one, other):
        return UNKNOWN
    return " AND ".join(dict.fromkeys([*one.split(" AND "), *other.split(" AND ")]))


def licence_in(folder: Path) -> str:
    """What the YAML head of a folder's MODEL_CARD.md says, else `UNKNOWN`."""
    try:
        text = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return UNKNOWN
    head = _FRONT_MATTER.match(text)
    found = _LICENCE.search(head[1]) if head else None
    return found[1] if found else UNKNOWN
