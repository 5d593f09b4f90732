"""The flywheel's training: data select, train."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speeddial.cli.datasets import DATA
from speeddial.cli.output import data, emit, plain, table, talk
from speeddial.cli.record import Json
from speeddial.cli.selection import opened

if TYPE_CHECKING:
    from speeddial.flywheel.artefact import Artefact
    from speeddial.flywheel.specialist import Told

_EVERY = 30.0
"""Seconds between lines of progress where no terminal shows a moving one."""


def register(app: typer.Typer) -> None:
    DATA.command()(select)
    app.command()(train)


def select(
    given: Annotated[
        Path | None,
        typer.Argument(metavar="[ARTEFACT]", help="Of `data cluster`; the newest unless given."),
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="Only these tasks; all unless given.")] = None,
    max_tokens: Annotated[int, typer.Option(help="Tokens that a training may take.")] = 2_000_000,
    max_minutes: Annotated[float, typer.Option(help="Minutes that a training may take.")] = 80.0,
    max_memory: Annotated[float, typer.Option(help="GiB that a training may take; 0 for any.")] = 0.0,
    licence: Annotated[
        list[str] | None, typer.Option(help="Only under these licences (SPDX); any known one unless given.")
    ] = None,
    curve: Annotated[
        bool,
        typer.Option("--curve", help="Also tell how much data a target takes: trains the smallest on parts."),
    ] = False,
    json: Json = False,
) -> None:
    """S4: plan what is trained: tasks, samples for training, calibration and test, models by size.

    Candidates are tiny models from scratch, one LoRA on the embedded base, and LoRAs on the bases that the
    setting `bases` names.
    """
    import asyncio

    from speeddial.flywheel.artefact import FOLDER, Artefact, newest
    from speeddial.flywheel.candidate import Budget
    from speeddial.flywheel.curve import curve as curved
    from speeddial.flywheel.select import select as selected

    budget = Budget(
        max_tokens=max_tokens,
        max_minutes=max_minutes,
        max_memory=max_memory,
        licences=tuple(licence or ()),
    )
    with opened() as (project, record), talk().status("selecting") as status:
        folder = record.folder / FOLDER
        before = newest(folder, "cluster") if given is None else Artefact.open(given)
        made = selected(before, folder, project, budget, names=task or (), progress=status.update)
        measured = asyncio.run(curved(made, folder, project, progress=status.update)) if curve else None
    if json:
        emit(made.as_dict() | ({"curve": measured.as_dict()} if measured else {}))
        return
    data(str(made.path))
    report = made.report
    table(
        [
            [plain(row["task"]), row["expert"], row["train"], row["calibrate"], row["test"]]
            for row in report["tasks"]
        ],
        ["task", "expert", "to train", "to calibrate", "to test"],
    )
    for row in report["left_out"]:
        talk().print(plain(f"left out: {row['task']}: {row['reason']}"))
    table(
        [
            [row["name"], f"{row['parameters']:,}", row["memory"], row["obstacle"] or "may be trained"]
            for row in report["candidates"]
        ],
        ["candidate", "parameters", "GiB to train", ""],
    )
    if measured is not None:
        table(
            [[point["rows"], f"{point['error']:.1%}"] for point in measured.report["points"]],
            ["samples", "wrong"],
        )
        for error, rows in (measured.report["needed"] or {}).items():
            talk().print(f"{float(error):.0%} wrong would take about {rows:,} samples")


def train(
    tasks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TASK]...",
            help="Tasks of the plan, all unless given; or one expert of the project, or planner.",
        ),
    ] = None,
    candidate: Annotated[
        str, typer.Option(help="Which of the plan's; the smallest that may be trained unless given.")
    ] = "",
    plan: Annotated[
        Path | None, typer.Option(help="Artefact of `data select`; the newest unless given.")
    ] = None,
    teacher: Annotated[
        str,
        typer.Option(
            metavar="ENGINE:MODEL|EXPERT|VERSION",
            help="Learn also how likely each token of the answers was to this model, whose tokens are the "
            "student's: vllm:NAME@URL, an expert of the project, or train-...",
        ),
    ] = "",
    alpha: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="The teacher's share of the loss; the answers have the rest."),
    ] = 0.5,
    rehearse: Annotated[
        Path | None,
        typer.Option(help="For the planner: rows of JSON lines to learn beside, so that it forgets nothing."),
    ] = None,
    json: Json = False,
) -> None:
    """S5: train a version: experts that serve what the plan's tasks ask for, calibrated.

    Killed, the same command goes on where it was. The version stands beside the other artefacts; the gate
    says whether it may serve. An expert's name in place of tasks begins with the weights that it has and goes
    on with what is on record of its calls, corrections among them; `planner` does the same with the plans
    that were carried out, accepted or corrected. Needs `pip install 'speeddial[train]'`.

    What is learnt are the recorded answers. With `--teacher` a LoRA candidate learns besides what else a
    larger model of its family, or a version that is too slow to serve, would have said and how surely
    (distillation): `speeddial train --candidate lora --teacher vllm:SmolLM2-1.7B@http://127.0.0.1:8000/v1`.
    The teacher reads every answer once; what it said is kept. Models with a vocabulary of their own (tiny,
    small) learn from answers alone.
    """
    import asyncio

    from speeddial.errors import UserError
    from speeddial.flywheel import planning
    from speeddial.flywheel.artefact import FOLDER, Artefact, newest
    from speeddial.flywheel.select import improve
    from speeddial.flywheel.specialist import train as trained
    from speeddial.flywheel.specialist import trainable

    if rehearse and tasks != [planning.TASK]:
        raise UserError("--rehearse is for the planner", hint="speeddial train planner --rehearse FILE")
    with opened() as (project, record):
        folder = record.folder / FOLDER
        if plan is None and tasks == [planning.TASK]:
            trainable()
            with talk().status("collecting") as status:
                selected = planning.select(record, folder, project, rehearse=rehearse, progress=status.update)
        elif plan is None and tasks and tasks[0] in project.experts:
            trainable()
            with talk().status("collecting") as status:
                selected = improve(record, folder, project, tasks[0], progress=status.update)
        else:
            selected = newest(folder, "select") if plan is None else Artefact.open(plan)
        if selected.parameters.get("agent"):
            if teacher:
                raise UserError("the planner learns from plans alone", hint="leave out --teacher")
            with Line() as line:
                _tell(planning.train(selected, folder, project, progress=line.show), json)
            return
        with Line() as line:
            made = asyncio.run(
                trained(
                    selected,
                    folder,
                    project,
                    names=tasks or (),
                    candidate=candidate,
                    recipe={"distil": alpha} if teacher else None,
                    teacher=teacher,
                    progress=line.show,
                )
            )
    _tell(made, json)


def _tell(made: Artefact, json: bool) -> None:
    if json:
        emit(made.as_dict())
        return
    data(str(made.path))
    report, found = made.report, made.report.get("calibration")
    told = talk()
    took = f"{report['candidate']['name']}, {report['tokens']:,} tokens in {report['seconds']:,.0f} s"
    if found is None:  # the planner
        told.print(plain(took))
        told.print(plain(f"next: speeddial gate {made.path.name}"))
        return
    told.print(plain(f"{took}; {found['right']:.1%} of {found['cases']} samples right"))
    if taught := report.get("teacher"):
        told.print(
            plain(
                f"teacher {taught['teacher']}: {taught['share']:g} of the loss, {taught['rows']:,} answers; "
                f"to their tokens it gives {taught['given']:.1%} on average"
            )
        )
    if found.get("threshold") is None:
        told.print("no confidence of its answers stands for enough right ones: it serves nothing by itself")
    else:
        told.print(
            f"sure of {found['coverage']:.1%} of them, at least {found['at_least']:.1%} of these right"
        )


class Line:
    """The progress of a training: a moving line on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._status: Any = talk().status("starting")
        self._terminal = talk().is_terminal
        self._last, self._stage = 0.0, ""

    def __enter__(self) -> Line:
        if self._terminal:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.pause()

    def pause(self) -> None:
        """Take the moving line away, so that something can be asked."""
        if self._terminal:
            self._status.stop()

    def show(self, told: Told) -> None:
        parts = [told.stage, f"{told.done} of {told.of}" if told.of else "", told.detail]
        text = plain(", ".join(part for part in parts if part))
        if self._terminal:
            self._status.update(text)
        elif told.stage != self._stage or time.monotonic() - self._last >= _EVERY or told.done == told.of:
            self._last, self._stage = time.monotonic(), told.stage
            talk().print(text)
