"""Driving a workflow's graph: LangGraph with its unsafe defaults overridden.

What is overridden, each tried on LangGraph 1.2.22: durability is sync (async ran finished nodes again after a
kill), router targets are checked (an unknown one ended the run as a success), state keys and types are
checked after every node (wrong ones were dropped or accepted), the recursion limit is ours (10007),
checkpoints hold JSON only, and nothing is traced to LangSmith.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Read by LangGraph when it is imported.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphRecursionError
from langgraph.graph import StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Send as LangGraphSend
from langgraph.types import interrupt
from langsmith import tracing_context

from speeddial.errors import (
    DefinitionError,
    EngineError,
    LimitReached,
    NeedsPerson,
    RunFailed,
    UserError,
)
from speeddial.graph.checkpoints import Checkpoints
from speeddial.graph.state import StateTypes
from speeddial.live import Run
from speeddial.record import Redactor
from speeddial.workflow import (
    END,
    START,
    GraphWorkflow,
    LangGraphWorkflow,
    NodeSpec,
    Route,
    RouteSpec,
    Send,
    Workflow,
    WorkflowState,
)

_SUSPENDS = (NeedsPerson, LimitReached, EngineError, UserError)
"""What a run can go on from when somebody has mended it."""


class Driver:
    """Runs graph workflows, with their checkpoints in one file.

    Args:
        path: the checkpoints' file.
        redactor: the record's.
    """

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self._checkpoints = Checkpoints(path, redactor)
        self._compiled: dict[int, tuple[Workflow, tuple[StateTypes | None, Any]]] = {}

    def close(self) -> None:
        self._checkpoints.close()

    async def drive(self, workflow: GraphWorkflow[Any] | LangGraphWorkflow, run: Run) -> WorkflowState:
        """Run a workflow to its end, from its last checkpoint when it has one.

        Raises:
            DefinitionError: the graph is not well formed.
            RunFailed: a node broke the state's types, or ended the run.
            NeedsPerson, LimitReached, EngineError, UserError: the run stopped and can go on; nodes beside
                the one that stopped came to their end.
        """
        types, graph = self._compile(workflow)
        config: RunnableConfig = {
            "configurable": {"thread_id": run.id},
            "recursion_limit": workflow.max_supersteps,
        }
        first: dict[str, Any] | None = None
        if await self._checkpoints.aget_tuple(config) is None:
            first = {"task": run.task, "files": list(run.files), "answer": ""}
            if isinstance(workflow, GraphWorkflow):
                first = _first_state(workflow, run).model_dump(mode="json")
        run.suspended.clear()
        try:
            # With LANGSMITH_TRACING set for another project, LangGraph would send this run to LangSmith.
            with tracing_context(enabled=False):
                values = await graph.ainvoke(first, config, context=run, durability="sync")
        except GraphRecursionError as error:
            raise LimitReached(
                f"workflow {workflow.name} took {workflow.max_supersteps} rounds and had not ended",
                hint="look for a loop without an end, or raise its max_supersteps",
            ) from error
        if run.suspended:
            raise min(run.suspended, key=lambda error: isinstance(error, NeedsPerson))
        values = dict(values or {})
        if values.pop("__interrupt__", None):
            raise NeedsPerson(
                f"workflow {workflow.name} asked for a person by LangGraph's interrupt",
                hint="ask by an external tool instead; Speeddial cannot answer LangGraph's interrupts",
            )
        if types is not None:
            state: WorkflowState = types.load(values, "at the end")
            return state
        answer = values.get("answer")
        if not isinstance(answer, str):
            raise RunFailed(f"workflow {workflow.name} ended with answer = {answer!r}, expected a text")
        return WorkflowState(task=run.task, files=run.files, answer=answer)

    def _compile(self, workflow: GraphWorkflow[Any] | LangGraphWorkflow) -> tuple[StateTypes | None, Any]:
        known = self._compiled.get(id(workflow))
        if known is not None and known[0] is workflow:
            return known[1]
        problems = workflow.lint()
        if problems:
            raise DefinitionError(
                "\n".join(str(problem) for problem in problems), hint="`speeddial check` lists every problem"
            )
        built: tuple[StateTypes | None, Any]
        if isinstance(workflow, LangGraphWorkflow):
            built = (None, workflow.build().compile(checkpointer=self._checkpoints))
        else:
            types = StateTypes(workflow)
            built = (types, _state_graph(workflow, types).compile(checkpointer=self._checkpoints))
        self._compiled[id(workflow)] = (workflow, built)
        return built


def _first_state(workflow: GraphWorkflow[Any], run: Run) -> WorkflowState:
    from pydantic import ValidationError

    try:
        state: WorkflowState = workflow.state(task=run.task, files=run.files)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, item["loc"])) for item in error.errors())
        raise DefinitionError(
            f"workflow {workflow.name}: the state's fields {fields} have no default",
            hint="give every field but task and files a default",
        ) from error
    return state


def _state_graph(workflow: GraphWorkflow[Any], types: StateTypes) -> Any:
    graph: Any = StateGraph(types.channels, context_schema=Run)
    for node in workflow.nodes.values():
        graph.add_node(node.name, _node(workflow, node, types))
    for source, target in workflow.edges:
        graph.add_edge(source, target)
    for route in workflow.routes:
        graph.add_conditional_edges(route.source, _router(workflow, route, types), list(route.targets))
    return graph


def _node(workflow: GraphWorkflow[Any], node: NodeSpec, types: StateTypes) -> Any:
    takes_state = isinstance(node.takes, type) and issubclass(workflow.state, node.takes)

    async def run_node(values: Any, config: RunnableConfig, runtime: Runtime[Any]) -> dict[str, Any]:
        run = runtime.context.scoped(_place(config))
        given = types.load(values, f"node {node.name}") if takes_state else types.load_sent(node, values)
        try:
            update = await (node.function(given, run) if node.wants_run else node.function(given))
        except _SUSPENDS as error:
            # An exception would cancel the nodes beside this one; an interrupt lets them come to their end.
            run.suspended.append(error)
            interrupt({"code": error.code, "message": error.message})
            raise
        return types.update(node.name, update)

    run_node.__name__ = node.name
    return run_node


def _place(config: RunnableConfig) -> str:
    """Where in the graph's course this is; the same when the node is run again after a kill."""
    about = config["metadata"]
    path = "-".join(str(part) for part in about["langgraph_path"][1:] if not isinstance(part, bool))
    return f"{about['langgraph_step']}.{path}"


def _router(workflow: GraphWorkflow[Any], route: RouteSpec[Any], types: StateTypes) -> Any:
    where = f"workflow {workflow.name}: the router of {route.source}"

    async def choose(values: Any) -> list[Any]:
        chosen: Route = route.choose(types.load(values, f"router of {route.source}"))
        if isinstance(chosen, str | Send):
            chosen = [chosen]
        if not isinstance(chosen, Sequence) or not chosen:
            raise RunFailed(f"{where} gave {chosen!r}", hint=f"give one of {', '.join(route.targets)}")
        targets: list[Any] = []
        for target in chosen:
            name = target.node if isinstance(target, Send) else target
            if name not in route.targets:
                raise RunFailed(
                    f"{where} gave {name!r}", hint=f"its declared targets are {', '.join(route.targets)}"
                )
            if isinstance(target, Send):
                targets.append(LangGraphSend(name, types.dump_sent(target.value, where)))
            else:
                targets.append(name)
        return targets

    return choose


assert (START, END) == ("__start__", "__end__")
