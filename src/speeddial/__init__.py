"""Speeddial: agents whose work is done by specialist small language models.

Everything public is named here and imported on first use, so that ``import speeddial`` stays light.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speeddial.agent import Agent as Agent
    from speeddial.contract import Contract as Contract
    from speeddial.contract import Decoded as Decoded
    from speeddial.errors import SpeeddialError as SpeeddialError
    from speeddial.errors import ToolError as ToolError
    from speeddial.expert import Expert as Expert
    from speeddial.project import Project as Project
    from speeddial.settings import Settings as Settings
    from speeddial.tool import Tool as Tool
    from speeddial.tool import ToolContext as ToolContext
    from speeddial.tool import tool as tool

_HOME = {
    "Agent": "agent",
    "Contract": "contract",
    "Decoded": "contract",
    "Expert": "expert",
    "Project": "project",
    "Settings": "settings",
    "SpeeddialError": "errors",
    "Tool": "tool",
    "ToolContext": "tool",
    "ToolError": "errors",
    "tool": "tool",
}

__all__ = [
    "Agent",
    "Contract",
    "Decoded",
    "Expert",
    "Project",
    "Settings",
    "SpeeddialError",
    "Tool",
    "ToolContext",
    "ToolError",
    "tool",
]
__version__ = "0.1.0"


class _Package(ModuleType):
    """Keeps a submodule from shadowing the public name that it defines (``speeddial.tool``)."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'speeddial' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"speeddial.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
