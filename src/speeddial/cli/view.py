"""The command that opens the trace viewer."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from speeddial.cli.output import data, plain, talk
from speeddial.cli.selection import opened


def register(app: typer.Typer) -> None:
    app.command()(view)


def view(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Print the link; open no browser.")] = False,
    host: Annotated[
        str, typer.Option(metavar="H", help="Address to listen on; all but loopback need a token.")
    ] = "127.0.0.1",
) -> None:
    """Open the trace viewer: runs as they come in, their plans, calls and answers.

    The link works once; a new one is printed each time. Other machines are served only with --host and
    a token of yours in SPEEDDIAL_VIEW_TOKEN. Ctrl-C ends it.
    """
    import webbrowser

    from speeddial.viewer.server import Viewer

    def say(line: str) -> None:
        talk().print(f"[dim]{plain(line)}[/dim]")

    with opened() as (project, record):
        viewer = Viewer(project, record, host=host, port=port, say=say)
        data(viewer.link)
        talk().print("Ctrl-C ends it")
        if not no_open:
            webbrowser.open(viewer.link)
        with suppress(KeyboardInterrupt):
            viewer.serve()
