"""The flywheel's first steps: data collect, data curate, data cluster."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speeddial.cli.datasets import DATA
from speeddial.cli.output import data, emit, plain, table, talk
from speeddial.cli.record import Json
from speeddial.cli.selection import Expert, Since, Until, User, Workflow, opened, selected
from speeddial.errors import UserError

if TYPE_CHECKING:
    from rich.status import Status

    from speeddial.flywheel.artefact import Artefact

Given = Annotated[
    Path | None, typer.Argument(metavar="[ARTEFACT]", help="Of the step before; the newest unless given.")
]


class Format(StrEnum):
    """What `data import` reads."""

    AUTO = "auto"
    OPENAI = "openai"
    LANGFUSE = "langfuse"
    PHOENIX = "phoenix"
    OTLP = "otlp"


def register(app: typer.Typer) -> None:
    DATA.command("import")(bring_in)
    for command in (collect, curate, cluster):
        DATA.command()(command)


def bring_in(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Plain or gzipped, any number.")],
    form: Annotated[
        Format, typer.Option("--format", help="What wrote them; told by their rows unless given.")
    ] = Format.AUTO,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out rows that cannot be read instead of refusing all.")
    ] = False,
    json: Json = False,
) -> None:
    """S1: bring what other tools recorded of an agent and its model into the record.

    openai: examples for fine-tuning ({"messages", "tools"}), batches (their files of requests and of
    answers together), stored completions, pairs ({"request", "response"} or {"input", "output"}).
    langfuse: generations as JSON or JSON lines. phoenix: spans as JSON lines, data frame or Parquet.
    otlp: traces and logs as JSON with GenAI attributes; `speeddial trace export` writes such.

    They are redacted and judged like proxied exchanges, with their times, models and conversations. Importing
    again adds nothing, so after a kill the same command goes on.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    from speeddial.flywheel.imports import import_files

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with opened() as (_, record), Progress(*columns, console=talk(), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def progress(done: int, total: int | None) -> None:
            if total is not None or done % 100 == 0:
                bar.update(
                    task, description="reading" if total is None else "writing", completed=done, total=total
                )

        done = import_files(record, files, form.value, skip_bad=skip_bad, progress=progress)
    if json:
        emit(done.as_dict())
        return
    left = [(f"{done.bad} rows cannot be read and were left out", done.bad)]
    left += [(f"{done.known} were on record", done.known)]
    left += [(f"passed over: {count} {what}", count) for what, count in done.passed.items()]
    told = "".join(f"; {text}" for text, count in left if count)
    talk().print(plain(f"{done.added} exchanges imported{told}"))


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


def curate(
    given: Given = None,
    committee: Annotated[
        str,
        typer.Option(
            metavar="MODEL,MODEL,...", help="Ask these about calls in doubt; two thirds must agree on one."
        ),
    ] = "",
    fill: Annotated[
        int, typer.Option(metavar="N", help="Word requests anew for tasks of fewer samples; see --model.")
    ] = 0,
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="Who words them anew; the committee's first unless given.")
    ] = "",
    json: Json = False,
) -> None:
    """S2: leave out what teaches mistakes: wrong types, wrong values, wrong tools, conflicts, copies.

    Everything that is left out stands in the artefact with its reason. With a committee the calls that its
    models agree on take the place of those in doubt; killed, it goes on without asking twice. With --fill a
    model says requests of thin tasks in other words, which are kept where all values still stand in them,
    marked as synthetic, and never tested on.
    """
    models = [name.strip() for name in committee.split(",") if name.strip()]
    if fill and not (model or models):
        raise UserError("nobody is named who words requests anew", hint="give --model ENGINE:NAME")
    from speeddial.flywheel.curate import curate as curated

    with talk().status("curating") as status:
        collected, folder = _before("collect", given)
        made = curated(collected, folder, progress=status.update)
        if models:
            made = _relabelled(made, folder, models, status)
        if fill:
            made = _filled(made, folder, model or models[0], fill, status)
    _tell(made, json, f"{made.report['kept']} of {made.report['samples']} samples kept")
    if not json:
        rows = [[reason, str(count)] for reason, count in made.report["dropped"].items()]
        table(rows, ["left out for", "samples"])
    if not json and (asked := made.report.get("committee")):
        talk().print(
            f"the committee was asked {asked['asked']} times: {asked['relabelled']} relabelled,"
            f" {asked['confirmed']} confirmed, ${asked['cost']:.2f}"
        )


def _relabelled(curated: Artefact, folder: Path, models: list[str], status: Status) -> Artefact:
    import asyncio

    from speeddial.flywheel.committee import relabel
    from speeddial.project import Project

    return asyncio.run(
        relabel(
            Project(Project.find()),
            curated,
            folder,
            models,
            progress=lambda done, total: status.update(f"asking the committee: {done} of {total}"),
        )
    )


def _filled(curated: Artefact, folder: Path, model: str, least: int, status: Status) -> Artefact:
    import asyncio

    from speeddial.flywheel.synthetic import fill
    from speeddial.project import Project

    return asyncio.run(
        fill(
            Project(Project.find()),
            curated,
            folder,
            model,
            least,
            progress=lambda done, total: status.update(f"wording anew: {done} of at most {total}"),
        )
    )


TFIDF = "tfidf"
Embeddings = Annotated[
    str,
    typer.Option(
        metavar="SPEC",
        # Tasks know this one by no name at all.
        callback=lambda spec: "" if spec == TFIDF else spec,
        help="What requests are near by: tfidf, embedded (the base), minilm, a folder, hub:NAME, "
        "openai:NAME[@URL], vllm:NAME[@URL].",
    ),
]


def cluster(given: Given = None, embeddings: Embeddings = TFIDF, json: Json = False) -> None:
    """S3: find the recurring tasks in what is left."""
    from speeddial.flywheel.cluster import cluster as clustered

    with talk().status("clustering") as status:
        made = clustered(*_before("curate", given), embeddings=embeddings, progress=status.update)
    _tell(made, json, f"{len(made.report['tasks'])} tasks")
    if not json:
        columns = ["task", "samples", "coverage", "purity", "told by words", "stability"]
        table([_shown(task) for task in made.report["tasks"]], columns)


def _shown(task: dict[str, Any]) -> list[str]:
    shares = (task[name] for name in ("coverage", "purity", "told", "stability"))
    return [plain(task["name"]), str(task["samples"]), *(f"{share:.1%}" for share in shares)]


def _before(step: str, given: Path | None) -> tuple[Artefact, Path]:
    """The artefact of the step before, and the folder of all."""
    from speeddial.flywheel.artefact import FOLDER, Artefact, newest

    with opened() as (_, record):
        folder = record.folder / FOLDER
    return newest(folder, step) if given is None else Artefact.open(given), folder


def _tell(made: Artefact, json: bool, line: str) -> None:
    if json:
        emit(made.as_dict())
    else:
        data(str(made.path))
        talk().print(plain(line))
