"""The command that serves: the recording proxy."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from speeddial.cli.output import data, plain, talk
from speeddial.cli.selection import opened


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
    wait: Annotated[
        float,
        typer.Option(
            min=0.1, metavar="S", help="Seconds that a specialist may take before the model is asked instead."
        ),
    ] = 10.0,
    auto: Annotated[
        bool, typer.Option("--auto", help="Put versions that have shown enough on their next stage.")
    ] = False,
    no_specialists: Annotated[
        bool, typer.Option("--no-specialists", help="Pass everything on, whatever is deployed.")
    ] = False,
) -> None:
    """Stand between an existing agent and its model: record every exchange, and serve what specialists can.

    Two lines of the agent change: its base URL and its key, which are printed. Requests, streams and tool
    calls pass unchanged. The model's own key stays in the environment here. What cannot be recorded is not
    passed on. Once versions are promoted (`speeddial promote`), the requests of their tasks are answered by
    them where they are sure, from the next request on; `speeddial ledger` tells how many. One that breaks
    the limits that were stated when it was promoted is rolled back by itself.

    The key is another one at each start unless SPEEDDIAL_SERVE_TOKEN is set. Ctrl-C ends it; then
    `speeddial runs --workflow proxy` shows what came.
    """
    import os

    from speeddial.errors import UserError
    from speeddial.server.proxy import Upstream
    from speeddial.server.serving import ProxyServer
    from speeddial.server.specialists import Specialists

    if not record:
        raise UserError(
            "serving experts over HTTP is not there yet",
            hint="speeddial serve --record records an agent's calls",
        )
    upstream = Upstream(to, os.environ.get(key_variable, ""))

    def say(line: str) -> None:
        talk().print(plain(line))

    with opened() as (project, on_record):
        specialists = (
            None if no_specialists else Specialists(project, on_record, wait=wait, auto=auto, told=say)
        )
        server = ProxyServer(on_record, upstream, specialists, host=host, port=port, told=say)
        data(f"base_url={server.url}")
        data(f"api_key={server.token}")
        talk().print(f"passing on to {plain(upstream.url)}; Ctrl-C ends it")
        with suppress(KeyboardInterrupt):
            server.serve()
