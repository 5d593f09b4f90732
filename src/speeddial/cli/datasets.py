"""Commands about datasets: data export, data stats."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from speeddial.cli.output import data, emit, plain, table, talk
from speeddial.cli.record import Json
from speeddial.cli.selection import (
    Expert,
    Label,
    SinceCalls,
    Statuses,
    TestShare,
    ToolOfCalls,
    Unproven,
    UntilCalls,
    User,
    Workflow,
    opened,
    selected,
)

DATA = typer.Typer(
    help="Training data: frozen selections of the record.", no_args_is_help=True, rich_markup_mode=None
)


def register(app: typer.Typer) -> None:
    DATA.command()(export)
    DATA.command()(stats)
    app.add_typer(DATA, name="data")


def export(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The dataset's name; there may be none of it yet.")
    ],
    form: Annotated[str, typer.Option(help="As `trace export` has them.")] = "openai",
    run: Annotated[list[str] | None, typer.Option(metavar="RUN", help="Only these runs.")] = None,
    expert: Expert = "",
    tool: ToolOfCalls = "",
    model: Annotated[str, typer.Option(help="Only calls that this model made.")] = "",
    workflow: Workflow = "",
    user: User = "",
    status: Statuses = None,
    since: SinceCalls = None,
    until: UntilCalls = None,
    label: Label = "",
    judged: Annotated[
        bool, typer.Option("--judged", help="Only calls that people accepted or corrected.")
    ] = False,
    test_share: TestShare = 0.0,
    unproven: Unproven = False,
    json: Json = False,
) -> None:
    """Freeze a selection of the record into a dataset: its rows, where they come from, and their hashes."""
    from speeddial.record.datasets import folder_of, freeze

    with opened() as (project, record):
        dataset = freeze(
            record,
            name,
            folder_of(record),
            selected(
                runs=tuple(record.resolve(part) for part in run or ()),
                expert=expert,
                tool=tool,
                model=model,
                workflow=workflow,
                user=user,
                status=status,
                since=since,
                until=until,
                judged=judged,
            ),
            label=label,
            form=form,
            test_share=test_share,
            unproven=unproven,
            licences=project.licences,
        )
    if json:
        emit(dataset.as_dict())
        return
    skipped = "".join(f"; left out {count}: {reason}" for reason, count in dataset.skipped.items())
    talk().print(f"{dataset.lines} rows of {len(dataset.runs)} runs in {plain(dataset.path)}{plain(skipped)}")


def stats(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="All datasets unless given.")] = None,
    json: Json = False,
) -> None:
    """List the datasets, or verify one and say what it holds and which adapters were trained on it."""
    from speeddial.record.datasets import Dataset, datasets, folder_of, uses_of

    with opened() as (project, record):
        folder = folder_of(record)
    if name is None:
        found = datasets(folder)
        if json:
            for dataset in found:
                emit(dataset.as_dict())
            return
        table(
            ((one.name, one.created, one.form, one.lines, len(one.runs), one.sha256[:19]) for one in found),
            ("name", "created", "form", "rows", "runs", "hash"),
        )
        return
    dataset = Dataset.open(folder / Path(name).name)
    dataset.verify()
    trained = [
        use.name
        for use in uses_of(dataset.runs, folder, project.root)
        if use.kind == "adapter" and use.dataset == dataset.name
    ]
    if json:
        emit({**dataset.as_dict(), "adapters": trained})
        return
    lines = {
        "name": dataset.name,
        "hash": dataset.sha256,
        "created": dataset.created,
        "form": dataset.form,
        "rows": _counted(dataset.splits),
        "runs": len(dataset.runs),
        "models": _counted(dataset.models),
        "licences": _counted(dataset.licences),
        "selection": ", ".join(f"{key} {value}" for key, value in dataset.selection.items()) or "everything",
        "redacted": _counted(dataset.redactions),
        "left out": _counted(dataset.skipped),
        "adapters": ", ".join(trained) or "none",
        "folder": dataset.path,
    }
    for key, value in lines.items():
        data(f"{key:9} {value}")
    for file in dataset.files:
        rows = "" if file.lines is None else f"{file.lines} rows, "
        data(f"file      {file.name}: {rows}{file.size} bytes, {file.sha256}")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items()) or "none"
