"""The flywheel's first steps: data collect, data curate, data cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speeddial.cli.datasets import DATA
from speeddial.cli.output import data, emit, plain, table, talk
from speeddial.cli.record import Json
from speeddial.cli.selection import Expert, Since, Until, User, Workflow, opened, selected

if TYPE_CHECKING:
    from speeddial.flywheel.artefact import Artefact

Given = Annotated[
    Path | None, typer.Argument(metavar="[ARTEFACT]", help="Of the step before; the newest unless given.")
]


def register(app: typer.Typer) -> None:
    for command in (collect, curate, cluster):
        DATA.command()(command)


def collect(
    expert: Expert = "",
    workflow: Workflow = "",
    user: User = "",
    model: Annotated[str, typer.Option(help="Only what this model answered.")] = "",
    since: Since = None,
    until: Until = None,
    json: Json = False,
) -> None:
    """S1: freeze requests and answers of the record, good and bad ones, as samples to learn from.

    `speeddial serve --record` brings in those of an existing agent; they are of the workflow proxy.
    """
    from speeddial.flywheel.artefact import FOLDER
    from speeddial.flywheel.collect import collect as collected

    chosen = selected(expert=expert, workflow=workflow, user=user, model=model, since=since, until=until)
    with (
        opened() as (_, record),
        talk().status("collecting") as status,
    ):
        made = collected(
            record,
            record.folder / FOLDER,
            chosen,
            progress=lambda done: status.update(f"{done} samples") if done % 100 == 0 else None,
        )
    _tell(made, json, f"{made.report['samples']} samples")


def curate(given: Given = None, json: Json = False) -> None:
    """S2: leave out what teaches mistakes: wrong types, wrong values, wrong tools, conflicts, copies.

    Everything that is left out stands in the artefact with its reason.
    """
    from speeddial.flywheel.curate import curate as curated

    with talk().status("curating") as status:
        made = curated(_before("collect", given), _folder(), progress=status.update)
    _tell(made, json, f"{made.report['kept']} of {made.report['samples']} samples kept")
    if not json:
        rows = [[reason, str(count)] for reason, count in made.report["dropped"].items()]
        table(rows, ["left out for", "samples"])


def cluster(given: Given = None, json: Json = False) -> None:
    """S3: find the recurring tasks in what is left."""
    from speeddial.flywheel.cluster import cluster as clustered

    with talk().status("clustering") as status:
        made = clustered(_before("curate", given), _folder(), progress=status.update)
    _tell(made, json, f"{len(made.report['tasks'])} tasks")
    if not json:
        columns = ["task", "samples", "coverage", "purity", "told by words", "stability"]
        table([_shown(task) for task in made.report["tasks"]], columns)


def _shown(task: dict[str, Any]) -> list[str]:
    shares = (task[name] for name in ("coverage", "purity", "told", "stability"))
    return [plain(task["name"]), str(task["samples"]), *(f"{share:.1%}" for share in shares)]


def _folder() -> Path:
    from speeddial.flywheel.artefact import FOLDER

    with opened() as (_, record):
        return record.folder / FOLDER


def _before(step: str, given: Path | None) -> Artefact:
    from speeddial.flywheel.artefact import Artefact, newest

    return newest(_folder(), step) if given is None else Artefact.open(given)


def _tell(made: Artefact, json: bool, line: str) -> None:
    if json:
        emit(made.as_dict())
    else:
        data(str(made.path))
        talk().print(plain(line))
