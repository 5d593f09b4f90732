"""States as LangGraph keeps them: channels of plain JSON, checked against the state's class at every node."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, get_type_hints

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from speeddial.errors import RunFailed
from speeddial.workflow import GraphWorkflow, NodeSpec, WorkflowState


class StateTypes:
    """Checks and converts the values of one workflow's state.

    In checkpoints everything is JSON, so nothing is unpickled and a class may move; LangGraph itself
    accepts wrong types and drops misspelled keys (research: frameworks, section 5), hence the checks.
    """

    def __init__(self, workflow: GraphWorkflow[Any]) -> None:
        self._workflow = workflow
        self._state: type[WorkflowState] = workflow.state
        hints = get_type_hints(self._state, include_extras=True)
        self._hints = {name: hints[name] for name in self._state.model_fields}
        self._fields: dict[str, TypeAdapter[Any]] = {
            name: TypeAdapter(hint) for name, hint in self._hints.items()
        }
        self._sent: dict[Any, TypeAdapter[Any]] = {}

    @cached_property
    def channels(self) -> Any:
        """The TypedDict that LangGraph makes its channels from; reducers are kept, types are JSON."""
        fields = {}
        for name, hint in self._hints.items():
            reducers = [item for item in getattr(hint, "__metadata__", ()) if callable(item)]
            fields[name] = Annotated[Any, reducers[-1]] if reducers else Any
        return TypedDict(f"{self._state.__name__}Channels", fields)  # type: ignore[operator]

    def load(self, values: Mapping[str, Any], where: str) -> Any:
        """Channel values as an instance of the state's class.

        Raises:
            RunFailed: they do not fit it.
        """
        try:
            return self._state.model_validate_json(json.dumps(dict(values)), strict=True)
        except ValidationError as error:
            raise self._wrong(where, "the state", error) from error

    def load_sent(self, node: NodeSpec, value: Any) -> Any:
        """A sent value as the type of the node's first parameter."""
        adapter = self._sent.get(node.name)
        if adapter is None:
            adapter = self._sent[node.name] = TypeAdapter(node.takes)
        try:
            return adapter.validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            raise self._wrong(f"node {node.name}", "what was sent to it", error) from error

    def dump_sent(self, value: Any, where: str) -> Any:
        """A value for `Send` as JSON types."""
        try:
            return TypeAdapter(type(value)).dump_python(value, mode="json")
        except (ValidationError, ValueError, TypeError) as error:
            raise self._wrong(where, f"Send of {type(value).__name__}", error) from error

    def update(self, node: str, update: Any) -> dict[str, Any]:
        """A node's update as channel values.

        Raises:
            RunFailed: a key that the state does not have, or a value of another type.
        """
        if update is None:
            return {}
        if not isinstance(update, Mapping):
            raise self._wrong(f"node {node}", "its update", f"expected a dict, got {type(update).__name__}")
        values = {}
        for name, value in update.items():
            adapter = self._fields.get(name)
            if adapter is None:
                known = ", ".join(self._fields)
                raise self._wrong(f"node {node}", f"key {name!r}", f"the state has {known}")
            values[name] = self._field(adapter, value, f"node {node}", name)
        return values

    def _field(self, adapter: TypeAdapter[Any], value: Any, where: str, name: str) -> Any:
        try:
            checked = adapter.validate_python(value, strict=True)
        except ValidationError as error:
            # Results of tools come as JSON types: a date is a text there, a tuple a list.
            try:
                checked = adapter.validate_json(json.dumps(value), strict=True)
            except (ValidationError, TypeError):
                raise self._wrong(where, f"key {name!r}", error) from error
        return adapter.dump_python(checked, mode="json")

    def _wrong(self, where: str, what: str, error: object) -> RunFailed:
        text = str(error)
        if isinstance(error, ValidationError):
            first = error.errors(include_url=False)[0]
            path = ".".join(map(str, first["loc"]))
            text = (
                f"{path}: {first['msg']}, got {first['input']!r:.80}"
                if path
                else f"{first['msg']}, got {first['input']!r:.80}"
            )
        return RunFailed(
            f"workflow {self._workflow.name}, {where}: {what}: {text}",
            hint="mend the workflow; `speeddial check` looks at its form",
        )
