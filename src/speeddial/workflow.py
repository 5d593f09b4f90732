"""A workflow: a plain async function, or a graph of nodes and checked routers, that does one kind of task."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, Field

from speeddial.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from speeddial.live import Run
    from speeddial.outcome import CallOutcome

START = "__start__"
"""Where a graph begins; the same word that LangGraph uses."""
END = "__end__"
"""Where a graph ends; the same word that LangGraph uses."""


class WorkflowState(BaseModel):
    """What a graph's nodes share; subclass it with the fields of your workflow.

    Fields hold what JSON can hold (models, numbers, texts, lists, dicts). A field that parallel nodes
    write needs a reducer: ``Annotated[dict[str, int], merge]``.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    task: str
    """The user's request."""
    files: tuple[str, ...] = Field(default=(), strict=False)
    """Names of the files granted to this run."""
    answer: str = ""
    """What the run ends with."""
    missing: tuple[str, ...] = Field(default=(), strict=False)
    """Parts of the task that no expert serves."""
    status: Literal["done", "partial", "failed"] = "done"
    """How the task came out."""

    def calls(self) -> Sequence[CallOutcome] | None:
        """Outcomes in the order in which they are reported; None for all of the run, by step."""
        return None


State = TypeVar("State", bound=WorkflowState)
Value = TypeVar("Value")


def merge(left: Mapping[str, Value], right: Mapping[str, Value]) -> dict[str, Value]:
    """Reducer for a dict that several nodes write: the later value of a key counts."""
    return {**left, **right}


@dataclass(frozen=True, slots=True)
class Send:
    """A router's way to run a node on its own value; several at once run in parallel.

    The node takes the value instead of the state, checked against its first parameter's type.
    """

    node: str
    value: Any


Route = str | Send | Sequence[str | Send]
Node = Callable[..., Awaitable[Mapping[str, Any] | None]]
FunctionBody = Callable[["Run", str], Awaitable[str]]


class Workflow:
    """Base of all workflows."""

    def __init__(self, name: str, description: str) -> None:
        self.name = name
        self.description = description

    def lint(self) -> list[Problem]:
        """What is wrong with it, without running it."""
        return []


class FunctionWorkflow(Workflow):
    """A workflow in plain Python: ``async def f(run: Run, task: str) -> str``.

    It is run again from its first line after a kill; each ``run.phone`` that had finished gives back what
    it gave then. Keep everything else in it free of effects.
    """

    def __init__(self, function: FunctionBody, name: str, description: str) -> None:
        super().__init__(name, description)
        self.function = function


@overload
def workflow(function: FunctionBody, /) -> FunctionWorkflow: ...
@overload
def workflow(*, name: str = "") -> Callable[[FunctionBody], FunctionWorkflow]: ...
def workflow(
    function: FunctionBody | None = None, /, *, name: str = ""
) -> FunctionWorkflow | Callable[[FunctionBody], FunctionWorkflow]:
    """Make a workflow of an async function that takes the `Run` and the task, and gives the answer.

    Args:
        name: what ``--workflow`` calls it; the function's name unless given.

    Raises:
        DefinitionError: it is not an async function of two parameters.
    """

    def make(function: FunctionBody) -> FunctionWorkflow:
        label = getattr(function, "__qualname__", repr(function))
        if not inspect.iscoroutinefunction(function) or len(inspect.signature(function).parameters) != 2:
            raise DefinitionError(
                f"workflow {label} must be `async def {label}(run: Run, task: str) -> str`",
                hint="make it an async function of exactly these two parameters",
            )
        return FunctionWorkflow(function, name or function.__name__, _first_line(function))

    return make(function) if function is not None else make


@dataclass(frozen=True)
class NodeSpec:
    """One node of a graph."""

    name: str
    function: Node
    takes: Any
    """Type of its first parameter: the state's class, or the type of the value sent to it."""
    wants_run: bool


@dataclass(frozen=True)
class RouteSpec(Generic[State]):
    """One router of a graph with every target that it may name."""

    source: str
    choose: Callable[[State], Route]
    targets: tuple[str, ...]


class GraphWorkflow(Workflow, Generic[State]):
    """A workflow as a graph, run by LangGraph with every state key, type and router target checked.

    Args:
        name: what ``--workflow`` calls it.
        state: class of the state that the nodes share.
        description: one line for listings.
        max_supersteps: rounds of nodes after which the run stops with `LimitReached`.
    """

    def __init__(
        self, name: str, state: type[State], *, description: str = "", max_supersteps: int = 50
    ) -> None:
        super().__init__(name, description)
        if not (isinstance(state, type) and issubclass(state, WorkflowState)):
            raise DefinitionError(
                f"workflow {name}: state {state!r}", hint="give a class derived from WorkflowState"
            )
        self.state = state
        self.max_supersteps = max_supersteps
        self.nodes: dict[str, NodeSpec] = {}
        self.edges: list[tuple[str, str]] = []
        self.routes: list[RouteSpec[State]] = []

    def node(self, function: Node, name: str = "") -> Node:
        """Add a node: ``async def f(state, run) -> dict`` of the state's keys to update.

        Works as a decorator. A node that routers reach by `Send` takes the value instead of the state.

        Args:
            function: takes the state (or a sent value) and, if it has a second parameter, the `Run`.
            name: the function's own unless given.

        Raises:
            DefinitionError: a name used twice, or a function of another form.
        """
        name = name or getattr(function, "__name__", "")
        where = f"workflow {self.name}: node {name!r}"
        if not name or name in self.nodes or name in (START, END):
            raise DefinitionError(f"{where}: the name is empty or taken", hint="give another name=")
        parameters = list(inspect.signature(function).parameters.values())
        if not inspect.iscoroutinefunction(function) or not 1 <= len(parameters) <= 2:
            raise DefinitionError(
                f"{where} must be an async function of the state and, if it likes, the run",
                hint="`async def node(state: MyState, run: Run) -> dict[str, Any]`",
            )
        takes = self._takes(function, parameters[0], where)
        self.nodes[name] = NodeSpec(name, function, takes, wants_run=len(parameters) == 2)
        return function

    def _takes(self, function: Node, parameter: inspect.Parameter, where: str) -> Any:
        if parameter.annotation is inspect.Parameter.empty:
            return self.state
        # Only this hint is looked at: the others may name what is imported for type checking alone.
        hinted = SimpleNamespace(__annotations__={"it": parameter.annotation})
        names = {self.state.__name__: self.state}
        try:
            return get_type_hints(hinted, getattr(function, "__globals__", {}), names)["it"]
        except NameError as error:
            raise DefinitionError(
                f"{where}: {error}", hint=f"import the type of {parameter.name} at the top of the module"
            ) from error

    def edge(self, source: str, target: str) -> None:
        """Go from one node (or START) always to another (or END)."""
        self.edges.append((source, target))

    def route(self, source: str, choose: Callable[[State], Route], targets: Sequence[str]) -> None:
        """Go from a node (or START) to where a router says.

        Args:
            source: the node after which the router is asked.
            choose: a pure function of the state: a node's name, END, a `Send`, or a list of these.
            targets: every name that it may give; anything else stops the run.
        """
        self.routes.append(RouteSpec(source, choose, tuple(targets)))

    def lint(self) -> list[Problem]:
        """Edges to nowhere, nodes that cannot be reached or left, a graph that cannot end."""
        problems = []
        known = set(self.nodes)
        ways: dict[str, set[str]] = {}
        pairs = [*self.edges, *((route.source, target) for route in self.routes for target in route.targets)]
        for source, target in pairs:
            ways.setdefault(source, set()).add(target)
            for end, extra in ((source, START), (target, END)):
                if end not in known | {extra}:
                    valid = tuple(sorted(known))
                    problems.append(
                        Problem(f"{self.name}: {source} -> {target}", "a node's name", repr(end), valid)
                    )
        for route in self.routes:
            if not route.targets:
                problems.append(Problem(f"{self.name}: router of {route.source}", "its targets", "none"))
        reached = _closure(ways, START)
        for name in sorted(known - reached):
            problems.append(Problem(f"{self.name}: {name}", "a way from START to it", "none"))
        for name in sorted(known & reached):
            if END not in _closure(ways, name):
                problems.append(Problem(f"{self.name}: {name}", "a way from it to END", "none"))
        if START not in ways:
            problems.append(Problem(self.name, "an edge from START", "none"))
        return problems


def expert_node(
    expert: str,
    ask: Callable[[Any], str],
    into: str,
    *,
    file: Callable[[Any], str | None] | None = None,
) -> Node:
    """A node that phones one expert and puts the result into one field of the state.

    Args:
        expert: whom to phone.
        ask: makes the request from the state.
        into: the field; its type is what the result is checked against.
        file: makes the name of the file to work on from the state.
    """

    async def phone(state: WorkflowState, run: Run) -> dict[str, Any]:
        outcome = await run.phone(expert, ask(state), file=file(state) if file else None)
        return {into: outcome.value}

    phone.__name__ = f"phone_{expert}"
    return phone


class LangGraphWorkflow(Workflow):
    """A workflow that is a LangGraph ``StateGraph`` of the user's own.

    Its state has the keys ``task``, ``files`` and ``answer`` at least, its context schema is `Run`:
    nodes phone experts by ``runtime.context.phone(...)``. Checkpoints, resume and limits are Speeddial's;
    state types and router targets are the author's care.

    Args:
        name: what ``--workflow`` calls it.
        build: gives the graph, not compiled.
        description: one line for listings.
        max_supersteps: as in `GraphWorkflow`.
    """

    def __init__(
        self, name: str, build: Callable[[], Any], *, description: str = "", max_supersteps: int = 50
    ) -> None:
        super().__init__(name, description)
        self.build = build
        self.max_supersteps = max_supersteps


def _closure(ways: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for target in ways.get(todo.pop(), ()):
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return seen


def _first_line(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]
