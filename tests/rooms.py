"""The reference project's tools for tests, and contexts to run them in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from speeddial.project import Project
from speeddial.tool import ToolContext, ToolResult

ROOT = Path(__file__).resolve().parents[1]
NOW = datetime(2026, 11, 22, 14, 0, tzinfo=ZoneInfo("Europe/Berlin"))
"""A Sunday afternoon."""


@cache
def project() -> Project:
    return Project(ROOT)


class Desk:
    """Runs tools in one workspace; every call has a key of its own unless one is given."""

    def __init__(self, workspace: Path, files: Mapping[str, Path] | None = None, now: datetime = NOW) -> None:
        self.workspace, self.files, self.now = workspace, files or {}, now
        self.references: dict[int, str] = {}
        self.calls = 0

    def context(self, key: str | None = None) -> ToolContext:
        self.calls += 1
        return ToolContext(
            workspace=self.workspace,
            files=self.files,
            now=self.now,
            idempotency_key=key or f"call-{self.calls}",
            references=self.references,
        )

    def run(self, tool: str, key: str | None = None, **arguments: Any) -> ToolResult:
        return asyncio.run(project().tools[tool].run(arguments, self.context(key)))

    def text(self, tool: str, key: str | None = None, **arguments: Any) -> str:
        return self.run(tool, key, **arguments).text
