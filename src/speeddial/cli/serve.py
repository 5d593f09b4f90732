"""The command that serves: the recording proxy."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from speeddial.cli.output import data, plain, talk


def register(app: typer.Typer) -> None:
    app.command()(serve)


def serve(
    record: Annotated[
        bool, typer.Option("--record", help="Pass an agent's requests on to its model, and record them.")
    ] = False,
    to: Annotated[
        str,
        typer.Option(metavar="URL", envvar="OPENAI_BASE_URL", help="The model's OpenAI-compatible server."),
    ] = "https://api.openai.com/v1",
    key_variable: Annotated[
        str, typer.Option(metavar="NAME", help="Environment variable with that server's key.")
    ] = "OPENAI_API_KEY",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8377,
    host: Annotated[
        str, typer.Option(metavar="H", help="Address to listen on; all but loopback need a token.")
    ] = "127.0.0.1",
) -> None:
    """Stand between an existing agent and its model, and record every exchange as training data.

    Two lines of the agent change: its base URL and its key, which are printed. Requests, streams and tool
    calls pass unchanged. The model's own key stays in the environment here. What cannot be recorded is not
    passed on. The key is another one at each start unless SPEEDDIAL_SERVE_TOKEN is set. Ctrl-C ends it; then
    `speeddial runs --workflow proxy` shows what came.
    """
    import os

    from speeddial.errors import UserError
    from speeddial.project import Project
    from speeddial.server.proxy import Upstream
    from speeddial.server.serving import ProxyServer

    if not record:
        raise UserError(
            "serving experts over HTTP is not there yet",
            hint="speeddial serve --record records an agent's calls",
        )
    upstream = Upstream(to, os.environ.get(key_variable, ""))
    project = Project(Project.find())
    with project.open_record() as opened:
        server = ProxyServer(
            opened, upstream, host=host, port=port, told=lambda line: talk().print(plain(line))
        )
        data(f"base_url={server.url}")
        data(f"api_key={server.token}")
        talk().print(f"passing on to {plain(upstream.url)}; Ctrl-C ends it")
        with suppress(KeyboardInterrupt):
            server.serve()
