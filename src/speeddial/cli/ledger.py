"""The command that reads the ledger: what specialists serve, save, and have cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from speeddial.cli.output import emit, plain, table, talk
from speeddial.cli.record import Json
from speeddial.cli.selection import Since, User, opened, selected

if TYPE_CHECKING:
    from speeddial.flywheel.ledger import Figure, Line

_COLUMNS = (
    *("task", "stage", "calls", "served", "of calls", "of tokens", "of cost", "saved", "left to the model"),
    *("training", "calls until paid"),
)


def register(app: typer.Typer) -> None:
    app.command()(ledger)


def ledger(since: Since = None, user: User = "", json: Json = False) -> None:
    """How much of an agent's traffic specialists serve, what that saves, and when training is paid for.

    Counted from the record of `speeddial serve --record`, since the first version was deployed. Shares stand
    with their 95 % interval; the last line says how many calls each rests on. Money needs prices, in
    the project's settings: prices = {"gpt-5" = "1.25/10"} (US dollars per million tokens in and out), and
    machine_price, what an hour of this machine costs.
    """
    from speeddial.flywheel.artefact import FOLDER
    from speeddial.flywheel.ledger import ledger as counted

    chosen = selected(since=since, until=None)
    with opened() as (project, record), talk().status("counting"):
        found = counted(record, project.settings, record.folder / FOLDER, since=chosen.since, user=user)
    if json:
        emit(found.as_dict())
        return
    table([_cells(line) for line in (*found.tasks, found.total)], _COLUMNS)
    console, total = talk(), found.total
    console.print(
        f"shares with 95 % intervals; {total.calls} calls, and {total.baseline_calls} of the large model that"
        " say what one takes",
    )
    if total.reasons:
        told = ", ".join(f"{why} {count}" for why, count in total.reasons.items())
        wasted = total.wasted
        console.print(
            plain(
                f"left to the large model: {told}; for nothing: {wasted['tokens']:.0f} tokens,"
                f" {wasted['seconds']:.1f} s"
            )
        )
    for line in found.missing:
        console.print(plain(line))


def _cells(line: Line) -> list[str]:
    seconds = line.training_seconds
    cost = f", ${line.training_cost:.2f}" if line.training_cost is not None else ""
    return [
        line.task,
        line.stage,
        str(line.calls),
        str(line.served),
        _share(line.served_share),
        _share(line.tokens_share),
        _share(line.cost_share),
        _money(line.saved),
        f"{line.escalated} of {line.asked}",
        f"{seconds / 60:.0f} min{cost}" if seconds else "",
        f"{line.break_even.value:,.0f}" if line.break_even else "",
    ]


def _share(figure: Figure | None) -> str:
    return f"{figure.value:.1%} ({figure.low:.1%} to {figure.high:.1%})" if figure else ""


def _money(figure: Figure | None) -> str:
    return f"${figure.value:.4f}" if figure else ""
