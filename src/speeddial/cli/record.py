"""Commands about the record: runs, show, trace export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from speeddial.cli.output import data, emit, table
from speeddial.cli.selection import Expert, Since, Tool, Until, User, Workflow, opened, selected
from speeddial.messages import Status, compact_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speeddial.record.feedback import FeedbackRow

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

Limit = Annotated[int, typer.Option(min=1, help="Most lines, newest first.")]

TRACE = typer.Typer(
    help="The record: what was asked, answered and done.", no_args_is_help=True, rich_markup_mode=None
)


def register(app: typer.Typer) -> None:
    app.command()(runs)
    app.command()(show)
    # Under `trace` the same listing and view, so that the record's commands are found in one place.
    TRACE.command("list")(runs)
    TRACE.command("show")(show)
    TRACE.command()(search)
    app.add_typer(TRACE, name="trace")


def runs(
    limit: Limit = 20,
    status: Annotated[list[str] | None, typer.Option(help="Only runs of this status.")] = None,
    expert: Expert = "",
    tool: Tool = "",
    workflow: Workflow = "",
    user: User = "",
    since: Since = None,
    until: Until = None,
    search: Annotated[
        str, typer.Option(metavar="TEXT", help="Only runs in which these words stand somewhere.")
    ] = "",
    json: Json = False,
) -> None:
    """List the runs, newest first."""
    selection = selected(
        run_statuses=tuple(status or ()),
        expert=expert,
        tool=tool,
        workflow=workflow,
        user=user,
        since=since,
        until=until,
    )
    with opened() as (_, record):
        if search:
            record.index.update()
        rows = record.browse.runs(selection, limit=limit, text=search)
    if json:
        for row in rows:
            emit(row.as_dict())
        return
    table(
        (
            (
                row.run.id,
                row.run.status,
                row.run.started.astimezone().strftime("%Y-%m-%d %H:%M"),
                row.run.interaction_count,
                row.run.tokens_out,
                row.run.task.partition("\n")[0][:70],
            )
            for row in rows
        ),
        ("run", "status", "started", "calls", "tokens", "task"),
    )


def search(
    text: Annotated[
        str, typer.Argument(help='Words that must all be there, "words side by side", or beginnings*.')
    ],
    limit: Limit = 20,
    expert: Expert = "",
    tool: Tool = "",
    workflow: Workflow = "",
    user: User = "",
    since: Since = None,
    until: Until = None,
    json: Json = False,
) -> None:
    """Find where words stand in the record, in any script, newest first."""
    selection = selected(expert=expert, tool=tool, workflow=workflow, user=user, since=since, until=until)
    with opened() as (_, record):
        hits = record.search(text, limit=limit, selection=selection)
    if json:
        for hit in hits:
            emit(hit.as_dict())
        return
    table(
        (
            (
                hit.run,
                hit.interaction or "",
                hit.kind,
                "".join(piece for piece, _ in hit.snippet).replace("\n", " "),
            )
            for hit in hits
        ),
        ("run", "interaction", "where", "text"),
    )


def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, the start of one, or `last`.")],
    json: Json = False,
) -> None:
    """Show one run: every exchange with a model or tool."""
    with opened() as (_, record):
        row = record.run(record.resolve(run_id))
        row = row.with_interactions(tuple(record.interactions(run=row.id)))
        remarks = record.feedback.of_run(row.id)
    if json:
        emit({**row.as_dict(), "feedback": [said.as_dict() for said in remarks]})
        return
    data(f"run      {row.id}\nstatus   {row.status}\ntask     {row.task}")
    if row.inputs:
        data(f"files    {', '.join(row.inputs)}")
    for item in row.interactions:
        what = item.tool or item.expert
        sure = "" if item.confidence is None else f" confidence {item.confidence:.2f}"
        took = "" if item.latency_ms is None else f" {item.latency_ms:.0f} ms"
        data(f"\n[{item.id}] step {item.step} {item.kind} {what}: {item.status}{sure}{took}")
        if item.kind == "tool":
            data(f"    {item.effect} {item.arguments}\n    -> {item.text or item.error}")
            _show_remarks(remarks, item.id)
            continue
        receipt = item.receipt or {}
        proof = (
            f"{receipt.get('backend', '')}, {receipt.get('proven_by', '')}"
            if receipt.get("constrained")
            else receipt.get("proven_by") or "none"
        )
        data(
            f"    model {item.model}{' + ' + item.adapter if item.adapter else ''}, "
            f"{item.tokens_in} in, {item.tokens_out} out; constraint: {proof}"
        )
        if item.reason:
            data(f"    because {item.reason}")
        data(f"    {item.raw or item.error}")
        if item.status == Status.SALVAGED:
            data(f"    cut off there; completed without the model to {compact_json(item.parsed)}")
        _show_remarks(remarks, item.id)
    if row.answer:
        data(f"\nanswer   {row.answer}")
    _show_remarks(remarks, None)
    if row.error:
        data(f"\nerror    {row.error}")


def _show_remarks(remarks: Sequence[FeedbackRow], interaction: int | None) -> None:
    """What people said about an interaction, or about the run's answer."""
    for said in remarks:
        if said.interaction == interaction:
            who = f" by {said.by}" if said.by else ""
            call = compact_json(said.call) if said.call else ""
            words = " ".join(part for part in (call, said.label, said.text) if part)
            data(f"    {said.verdict}{who}{': ' if words else ''}{words}")
