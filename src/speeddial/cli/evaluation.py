"""The `eval` command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from speeddial.cli.output import data, emit, plain, talk


def register(app: typer.Typer) -> None:
    app.command("eval")(evaluate)


def evaluate(
    expert: Annotated[str, typer.Argument(metavar="EXPERT", help="An expert's name, or planner.")],
    file: Annotated[
        Path, typer.Option("--data", metavar="FILE", help="Cases, one JSON object a line, or .xz.")
    ],
    limit: Annotated[int, typer.Option(min=0, help="A random sample of so many cases; 0 for all.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 7,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Engine of the experts.")] = None,
    planner: Annotated[str | None, typer.Option(metavar="MODEL", help="Engine of the planner.")] = None,
    wrong: Annotated[int, typer.Option(min=0, help="Show so many of the wrong ones.")] = 0,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate", help="Make its confidence a chance of being right; writes calibration.json."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Approve the model download.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON: the figures, then the wrong ones.")
    ] = False,
) -> None:
    """Score an expert on a file of cases; calls are decoded and compared, nothing is executed.

    A line holds input and calls (columns or files as the expert needs), or input and plan, or is one of the
    public forms: text, intent and slots (compared by the expert's label mapping), or WikiSQL's q, sel, agg,
    conds and table with tables.jsonl beside the file.
    """
    import asyncio
    from dataclasses import asdict

    from speeddial.cli.models import offer_base
    from speeddial.flywheel import calibrate as calibration
    from speeddial.flywheel.evaluate import evaluate as evaluated
    from speeddial.flywheel.evaluate import lines_of
    from speeddial.project import Project

    project = Project.load(overrides={"model": model, "planner": planner})
    offer_base(project, yes)
    with talk().status("evaluating") as status:

        def progress(done: int, total: int) -> None:
            status.update(f"{done} of {total}")

        figures = asyncio.run(evaluated(project, expert, file, limit=limit, seed=seed, progress=progress))
    calibrated = None
    if calibrate:
        specialist = project.expert(expert)
        calibrated = calibration.calibrated(
            figures.answers,
            model=specialist.calibrated_as(figures.model),
            adapter=specialist.trained,
            data=file,
            seed=seed,
        )
        paths = calibration.save(calibrated, specialist.folder)
        talk().print(f"wrote {plain(' and '.join(map(str, paths)))}")
    if json:
        emit(figures.as_dict())
        if calibrated is not None:
            emit(asdict(calibrated.calibration))
        for item in figures.wrong[:wrong]:
            emit(asdict(item))
        return
    for line in lines_of(figures):
        data(line)
    for line in calibration.lines_of(calibrated) if calibrated is not None else ():
        data(line)
    for item in figures.wrong[:wrong]:
        talk().print(f"\n{plain(item.input)}\n  expected {plain(item.expected)}\n  got {plain(item.got)}")
