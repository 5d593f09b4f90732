"""Commands that take runs out of the record: trace export, trace send."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from speeddial.cli.output import emit, plain, talk
from speeddial.cli.record import TRACE
from speeddial.cli.selection import (
    Expert,
    Label,
    SinceCalls,
    Statuses,
    TestShare,
    ToolOfCalls,
    Unproven,
    UntilCalls,
    User,
    Workflow,
    opened,
    selected,
)
from speeddial.errors import UserError

if TYPE_CHECKING:
    from speeddial.record import Record
    from speeddial.record.export import ExportReport


class Form(StrEnum):
    """Forms of `speeddial.record.export`, and a run as a page; a test holds them together."""

    OPENAI = "openai"
    OPENAI_PREFERENCE = "openai-preference"
    TRL = "trl"
    PREFERENCE = "preference"
    SHAREGPT = "sharegpt"
    PARQUET = "parquet"
    OTLP = "otlp"
    HTML = "html"


Runs = Annotated[
    list[str] | None, typer.Argument(metavar="RUN", help="Ids, their starts, or `last`.")
]  # fmt: skip


def register(app: typer.Typer) -> None:
    """`app` has the group already: the record's own commands added it."""
    TRACE.command()(export)
    TRACE.command()(send)


def export(
    out: Annotated[Path, typer.Option(metavar="PATH", help="Written anew: a file; a folder for parquet.")],
    run: Runs = None,
    form: Annotated[Form, typer.Option(help="What will read it.")] = Form.OPENAI,
    expert: Expert = "",
    tool: ToolOfCalls = "",
    status: Statuses = None,
    since: SinceCalls = None,
    until: UntilCalls = None,
    label: Label = "",
    user: User = "",
    workflow: Workflow = "",
    test_share: TestShare = 0.0,
    text: Annotated[
        bool, typer.Option("--text", help="Calls as text, for chat templates without tools.")
    ] = False,
    unproven: Unproven = False,
    no_metadata: Annotated[
        bool, typer.Option("--no-metadata", help="Lines without where they come from.")
    ] = False,
    content: Annotated[
        bool, typer.Option("--content", help="Put what was said into OTLP spans too.")
    ] = False,
    card: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a dataset card; parquet has its own.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was exported as JSON.")] = False,
) -> None:  # fmt: skip
    """Export the record: training data, preference pairs, a dataset, spans, or one run as a page."""
    from speeddial.record.export import export as write

    with opened() as (project, record):
        runs = tuple(record.resolve(name) for name in run or ())
        if form is Form.HTML:
            _page(record, runs, out)
            return
        selection = selected(
            runs=runs,
            expert=expert,
            tool=tool,
            status=status,
            since=since,
            until=until,
            user=user,
            label=label,
            workflow=workflow,
        )
        with _bar() as progress:
            report = write(
                record,
                out,
                form,
                selection,
                unproven=unproven,
                test_share=test_share,
                text=text,
                metadata=not no_metadata,
                content=content,
                licences=project.licences,
                card_path=card,
                progress=progress,
            )
    if json:
        emit(report.as_dict())
    _tell(report, out)


def send(
    run: Runs = None,
    to: Annotated[str, typer.Option(metavar="URL", help="OTLP/HTTP receiver; else the setting `otlp`.")] = "",
    content: Annotated[bool, typer.Option("--content", help="Send what was said too.")] = False,
) -> None:  # fmt: skip
    """Send runs to an OpenTelemetry receiver, the latest one unless given; one that has a run keeps it."""
    from speeddial.record.otlp import Receiver

    with opened() as (project, record):
        endpoint = to or project.settings.otlp
        if not endpoint:
            raise UserError("no receiver is known", hint="give --to URL, or set `otlp` to one")
        runs = [record.resolve(name) for name in run or ["last"]]
        receiver = Receiver(endpoint, content=content or project.settings.otlp_content)
        try:
            for name in runs:
                count = receiver.send(record, name)
                talk().print(f"{name}: {count} spans to {plain(receiver.endpoint)}")
        finally:
            receiver.close()


def _page(record: Record, runs: tuple[str, ...], out: Path) -> None:
    if len(runs) != 1:
        raise UserError(f"{len(runs)} runs for one page", hint="name one run, or `last`")
    from speeddial.record.export.files import writable
    from speeddial.viewer.page import write_page

    with writable(out):
        write_page(record, runs[0], out)
    talk().print(f"run {runs[0]} in {plain(out)}")


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None] | None]:
    """Shows progress on a terminal; None where there is none."""
    console = talk()
    if not console.is_terminal:
        yield None
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("runs")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _tell(report: ExportReport, out: Path) -> None:
    from speeddial.record.export.report import UNKNOWN

    console = talk()
    what = {"otlp": "runs"}.get(report.form, "pairs" if "preference" in report.form else "examples")
    splits = (
        f" ({', '.join(f'{name} {n}' for name, n in report.splits.items())})" if report.test_share else ""
    )
    skipped = "".join(f"; left out {count}: {reason}" for reason, count in report.skipped.items())
    console.print(f"{report.lines} {what}{splits} in {plain(out)}{plain(skipped)}")
    if unknown := report.licences[UNKNOWN]:
        console.print(
            f"[yellow]{unknown} of them come from models of unknown licence[/yellow]: "
            "name it in the setting `licences`, or in the adapter's MODEL_CARD.md"
        )
