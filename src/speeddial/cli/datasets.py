"""Commands about datasets: data export, data stats."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from speeddial.cli.output import data, emit, plain, table, talk
from speeddial.cli.record import Json

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
    expert: Annotated[str, typer.Option(help="Only this expert's calls.")] = "",
    tool: Annotated[str, typer.Option(help="Only calls of this tool.")] = "",
    model: Annotated[str, typer.Option(help="Only calls that this model made.")] = "",
    workflow: Annotated[str, typer.Option(help="Only runs of this workflow.")] = "",
    user: Annotated[str, typer.Option(help="Only runs of this user.")] = "",
    status: Annotated[
        list[str] | None, typer.Option(help="Calls of these statuses; exact and corrected unless given.")
    ] = None,
    since: Annotated[datetime | None, typer.Option(help="Not before this time.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this time.")] = None,
    label: Annotated[str, typer.Option(help="Only calls that people gave this label.")] = "",
    judged: Annotated[
        bool, typer.Option("--judged", help="Only calls that people accepted or corrected.")
    ] = False,
    json: Json = False,
) -> None:
    """Freeze a selection of the record into a dataset: its rows, where they come from, and their hashes."""
    from speeddial.project import Project
    from speeddial.record import Record
    from speeddial.record.datasets import folder_of, freeze
    from speeddial.record.selection import Selection

    with Record.open(Project(Project.find()).record_path) as record:
        dataset = freeze(
            record,
            name,
            folder_of(record),
            Selection(
                runs=tuple(record.resolve(part) for part in run or ()),
                expert=expert,
                tool=tool,
                model=model,
                workflow=workflow,
                user=user,
                statuses=tuple(status or ()),
                since=since and since.astimezone(),
                until=until and until.astimezone(),
                judged=judged,
            ),
            label=label,
            form=form,
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
    from speeddial.project import Project
    from speeddial.record.datasets import FOLDER, Dataset, datasets, uses_of

    project = Project(Project.find())
    folder = project.record_path.with_name(FOLDER)
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
    models = ", ".join(f"{model} ({licence})" for model, licence in dataset.models.items())
    lines = {
        "name": dataset.name,
        "hash": dataset.sha256,
        "created": dataset.created,
        "form": dataset.form,
        "rows": dataset.lines,
        "runs": len(dataset.runs),
        "models": models,
        "selection": ", ".join(f"{key} {value}" for key, value in dataset.selection.items()) or "everything",
        "redacted": ", ".join(f"{count} {rule}" for rule, count in dataset.redactions.items()) or "nothing",
        "left out": ", ".join(f"{count} {why}" for why, count in dataset.skipped.items()) or "nothing",
        "adapters": ", ".join(trained) or "none",
        "folder": dataset.path,
    }
    for key, value in lines.items():
        data(f"{key:9} {value}")
    for file in dataset.files:
        data(f"file      {file.name}: {file.lines} rows, {file.size} bytes, {file.sha256}")
