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
    from speeddial.contract import Copied as Copied
    from speeddial.contract import Decoded as Decoded
    from speeddial.contract import Excluded as Excluded
    from speeddial.contract import OneOf as OneOf
    from speeddial.desk import Desk as Desk
    from speeddial.document import document as document
    from speeddial.errors import SpeeddialError as SpeeddialError
    from speeddial.errors import ToolError as ToolError
    from speeddial.expert import Expert as Expert
    from speeddial.live import Run as Run
    from speeddial.outcome import CallOutcome as CallOutcome
    from speeddial.plan import Plan as Plan
    from speeddial.project import Project as Project
    from speeddial.result import RunResult as RunResult
    from speeddial.run import Runner as Runner
    from speeddial.settings import Settings as Settings
    from speeddial.task import TaskState as TaskState
    from speeddial.tool import Tool as Tool
    from speeddial.tool import ToolContext as ToolContext
    from speeddial.tool import tool as tool
    from speeddial.workflow import END as END
    from speeddial.workflow import START as START
    from speeddial.workflow import GraphWorkflow as GraphWorkflow
    from speeddial.workflow import LangGraphWorkflow as LangGraphWorkflow
    from speeddial.workflow import Send as Send
    from speeddial.workflow import Workflow as Workflow
    from speeddial.workflow import WorkflowState as WorkflowState
    from speeddial.workflow import expert_node as expert_node
    from speeddial.workflow import merge as merge
    from speeddial.workflow import workflow as workflow

_HOME = {
    "Agent": "agent",
    "CallOutcome": "outcome",
    "Contract": "contract",
    "Copied": "contract",
    "Decoded": "contract",
    "Desk": "desk",
    "END": "workflow",
    "Excluded": "contract",
    "Expert": "expert",
    "GraphWorkflow": "workflow",
    "LangGraphWorkflow": "workflow",
    "OneOf": "contract",
    "Plan": "plan",
    "Project": "project",
    "Run": "live",
    "RunResult": "run",
    "Runner": "run",
    "START": "workflow",
    "Send": "workflow",
    "Settings": "settings",
    "SpeeddialError": "errors",
    "TaskState": "task",
    "Tool": "tool",
    "ToolContext": "tool",
    "ToolError": "errors",
    "Workflow": "workflow",
    "WorkflowState": "workflow",
    "document": "document",
    "expert_node": "workflow",
    "merge": "workflow",
    "tool": "tool",
    "workflow": "workflow",
}

__all__ = [
    "END",
    "START",
    "Agent",
    "CallOutcome",
    "Contract",
    "Copied",
    "Decoded",
    "Desk",
    "Excluded",
    "Expert",
    "GraphWorkflow",
    "LangGraphWorkflow",
    "OneOf",
    "Plan",
    "Project",
    "Run",
    "RunResult",
    "Runner",
    "Send",
    "Settings",
    "SpeeddialError",
    "TaskState",
    "Tool",
    "ToolContext",
    "ToolError",
    "Workflow",
    "WorkflowState",
    "document",
    "expert_node",
    "merge",
    "tool",
    "workflow",
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
