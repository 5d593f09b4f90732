"""Commands about the record: runs, show, trace export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speeddial.cli.output import data, emit, plain, table, talk
from speeddial.messages import Status, compact_json

if TYPE_CHECKING:
    from speeddial.record import Record

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

TRACE = typer.Typer(
    help="The record: what was asked, answered and done.", no_args_is_help=True, rich_markup_mode=None
)


def register(app: typer.Typer) -> None:
    app.command()(runs)
    app.command()(show)
    # Under `trace` the same listing and view, so that the record's commands are found in one place.
    TRACE.command("list")(runs)
    TRACE.command("show")(show)
    TRACE.command()(export)
    app.add_typer(TRACE, name="trace")


def runs(
    limit: Annotated[int, typer.Option(min=1, help="Most runs to list, newest first.")] = 20,
    status: Annotated[str | None, typer.Option(help="Only runs of this status.")] = None,
    json: Json = False,
) -> None:
    """List the runs, newest first."""
    with _record() as record:
        rows = record.runs(limit, status=status)
    if json:
        for row in rows:
            emit(row.as_dict())
        return
    table(
        (
            (
                row.id,
                row.status,
                row.started.astimezone().strftime("%Y-%m-%d %H:%M"),
                row.interaction_count,
                row.tokens_out,
                row.task.partition("\n")[0][:70],
            )
            for row in rows
        ),
        ("run", "status", "started", "calls", "tokens", "task"),
    )


def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, the start of one, or `last`.")],
    json: Json = False,
) -> None:
    """Show one run: every exchange with a model or tool."""
    with _record() as record:
        row = record.run(record.resolve(run_id))
        row = row.with_interactions(tuple(record.interactions(run=row.id)))
    if json:
        emit(row.as_dict())
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
    if row.answer:
        data(f"\nanswer   {row.answer}")
    if row.error:
        data(f"\nerror    {row.error}")


def export(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Written anew, OpenAI chat JSONL with tools.")],
    run: Annotated[list[str] | None, typer.Option(metavar="RUN", help="Only these runs.")] = None,
    expert: Annotated[str | None, typer.Option(help="Only this expert's calls.")] = None,
    status: Annotated[
        list[str] | None, typer.Option(help="Calls of these statuses; exact and corrected unless given.")
    ] = None,
    unproven: Annotated[
        bool, typer.Option("--unproven", help="Also calls of engines whose constraint was not proven.")
    ] = False,
) -> None:
    """Export the record as training data: OpenAI chat JSONL with tools."""
    from speeddial.record.export import DEFAULT_STATUSES, export_chat

    with _record() as record:
        report = export_chat(
            record,
            out,
            runs=[record.resolve(name) for name in run or ()],
            expert=expert,
            statuses=tuple(status or DEFAULT_STATUSES),
            unproven=unproven,
        )
    skipped = "".join(f"; left out {count}: {reason}" for reason, count in report.skipped.items())
    talk().print(f"{report.lines} examples in {plain(out)}{plain(skipped)}")


def _record() -> Record:
    from speeddial.project import Project

    return Project(Project.find()).open_record()
