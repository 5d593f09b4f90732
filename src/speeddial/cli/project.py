"""Commands about the project at hand: init, experts, tools, workflows, check, doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speeddial.cli.output import data, emit, plain, table, talk

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one line per item.")]


def register(app: typer.Typer) -> None:
    app.command()(init)
    app.command()(experts)
    app.command()(tools)
    app.command()(workflows)
    app.command()(check)
    app.command()(doctor)


def init(folder: Annotated[Path, typer.Argument(metavar="DIR", help="New folder for the project.")]) -> None:
    """Scaffold a project: rooms with working experts, an example, settings."""
    from speeddial.scaffold import create

    for path in create(folder):
        data(str(folder / path))
    talk().print(
        f'next: cd {plain(folder)} && speeddial run "How many orders came from Berlin?" '
        "--input examples/orders.csv"
    )


def experts(json: Json = False) -> None:
    """List the experts, their models and tools."""
    from speeddial.project import Project

    project = Project.load()
    rows = []
    for expert in project.experts.values():
        weights = (
            "untuned" if expert.trained is None else "stale" if expert.is_stale(project.tools) else "tuned"
        )
        if json:
            emit(
                {
                    "name": expert.name,
                    "summary": expert.summary,
                    "model": project.model_of(expert),
                    "weights": weights,
                    "version": expert.version,
                    "tools": list(expert.tools),
                    "threshold": expert.threshold,
                    "next": list(expert.next),
                }
            )
        rows.append((expert.name, weights, project.model_of(expert), expert.summary))
    if not json:
        table(rows, ("expert", "weights", "model", "what it does"))


def tools(json: Json = False) -> None:
    """List the tools with their effect and signature."""
    from speeddial.project import Project

    project = Project.load()
    rows = []
    for tool in project.tools.values():
        if json:
            emit(
                {
                    "name": tool.name,
                    "effect": tool.effect,
                    "description": tool.description,
                    "schema": tool.contract.schema,
                    "schema_hash": tool.schema_hash,
                    "needs_approval": tool.needs_approval,
                }
            )
        rows.append((tool.name, tool.effect, tool.description))
    if not json:
        table(rows, ("tool", "effect", "what it does"))


def workflows(json: Json = False) -> None:
    """List the workflows."""
    from speeddial.project import Project

    project = Project.load()
    project.require("workflows")
    rows = []
    for workflow in project.workflows.values():
        if json:
            emit({"name": workflow.name, "description": workflow.description})
        rows.append((workflow.name, workflow.description))
    if not json:
        table(rows, ("workflow", "what it does"))


def check(json: Json = False) -> None:
    """Lint the project: cards, schemas, graphs, and what each grammar cannot enforce.

    One line per problem: where, what was expected, what is there, the next step. Exit code 1 when
    something cannot work. Then one line per tool: how many rules its grammar enforces, how many tokens
    its shortest call takes (a smaller budget is refused), and what is checked only after decoding.
    """
    from speeddial.check import enforcement, findings
    from speeddial.project import Project

    project = Project(Project.find())
    fatal = 0
    for finding in findings(project):
        fatal += finding.fatal
        if json:
            emit(
                {
                    "type": "problem" if finding.fatal else "note",
                    **finding.problem._asdict(),
                    "next": finding.next_step,
                }
            )
        else:
            data(f"{'problem' if finding.fatal else 'note   '}  {finding}")
    for row in enforcement(project):
        if json:
            emit(
                {
                    "type": "tool",
                    "name": row.tool,
                    "effect": row.effect,
                    "by_grammar": list(row.by_grammar),
                    "after": list(row.after),
                    "shortest_call_tokens": row.shortest,
                }
            )
        else:
            after = "; after decoding: " + ", ".join(row.after) if row.after else ""
            tokens = "" if row.shortest is None else f", shortest call {row.shortest} tokens"
            rules = f"{len(row.by_grammar)} rules in the grammar"
            data(f"tool     {row.tool} ({row.effect}): {rules}{tokens}{after}")
    if fatal:
        raise typer.Exit(1)
    talk().print(
        f"{plain(project.root)}: {len(project.experts)} experts, {len(project.tools)} tools, "
        f"{len(project.workflows)} workflows; no problem found"
    )


def doctor(json: Json = False) -> None:
    """Show engines and their canaries, versions, disk, settings and where each came from."""
    from speeddial.doctor import examine
    from speeddial.project import Project

    failed = False
    rows = []
    for line in examine(Project(Project.find())):
        failed = failed or line.state == "failed"
        if json:
            emit({"topic": line.topic, "name": line.name, "state": line.state, "detail": line.detail})
        rows.append((line.topic, line.name, line.state, line.detail))
    if not json:
        table(rows, ("topic", "name", "state", "detail"))
    if failed:
        raise typer.Exit(3)
