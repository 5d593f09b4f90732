"""The `speeddial` command: its sub-commands by topic, and nothing of their work."""

from __future__ import annotations

from typing import Annotated

import typer

from speeddial.cli import (
    convert,
    datasets,
    evaluation,
    export,
    feedback,
    flywheel,
    ledger,
    models,
    project,
    promote,
    record,
    redactions,
    replay,
    run,
    serve,
    train,
    view,
)

app = typer.Typer(
    name="speeddial",
    help="Agents whose work is done by specialist small language models.\n\n"
    'Try:  speeddial run "How many orders came from Berlin?" --input examples/orders.csv',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Exit codes: 0 done, 1 task failed, 2 usage, 3 engine unreachable, 4 limit reached, "
    "5 waiting for a person, 130 interrupted.",
)


def _version(asked: bool) -> None:
    if asked:
        from speeddial import __version__

        typer.echo(f"speeddial {__version__}")
        raise typer.Exit


@app.callback()
def speeddial(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Agents whose work is done by specialist small language models."""


for topic in (
    run,
    project,
    record,
    redactions,
    export,
    replay,
    feedback,
    datasets,
    flywheel,
    train,
    promote,
    convert,
    ledger,
    view,
    serve,
    models,
    evaluation,
):
    topic.register(app)
