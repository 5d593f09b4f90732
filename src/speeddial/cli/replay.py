"""Commands that look at a run twice: trace replay, trace fork, trace diff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speeddial.cli.output import data, emit, talk
from speeddial.cli.record import TRACE, Json
from speeddial.cli.run import Yes
from speeddial.cli.selection import opened

if TYPE_CHECKING:
    from speeddial.record.diff import FieldDiff, PairDiff, Span

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="Id of the run, the start or end of one, or `last`.")
]
_AROUND = 60
"""Characters shown of what is the same beside what differs."""
_LONGEST = 400


def register(app: typer.Typer) -> None:
    TRACE.command()(replay)
    TRACE.command()(fork)
    TRACE.command()(diff)


def replay(run_id: RunArgument, json: Json = False) -> None:
    """Carry a recorded run out again, offline, and compare it with the record.

    Prompts, contracts, plan check and workflow are today's; the task, the clock, the settings, what models
    answered and what tools gave are the record's. No model is loaded, no tool runs, nothing is written. So a
    difference is what your change does to this run. Exit code 0: identical; 1: it differs.

    \b
    speeddial trace replay last
    speeddial trace replay 20261122-16 --json | jq .differences
    """
    from speeddial.project import Project
    from speeddial.replay import replay as replay_run
    from speeddial.sync import wait_for

    project = Project.load()
    with project.open_record() as record:
        report = wait_for(replay_run(project, record, run_id))
    if json:
        emit(report.as_dict())
    else:
        _show_report(report)
    if not report.identical:
        raise typer.Exit(1)


def fork(
    run_id: RunArgument,
    step: Annotated[int, typer.Option(min=1, help="The first step to do anew, as `trace show` counts them.")],
    expert: Annotated[str, typer.Option(metavar="E", help="Who is phoned for it instead.")] = "",
    model: Annotated[str, typer.Option(metavar="MODEL", help="Its engine instead, as ENGINE:NAME.")] = "",
    json: Json = False,
    yes: Yes = False,
) -> None:
    """Do a run anew from one of its steps, as a new run.

    What the step does not need is taken over from the record: not called, not paid, not done again. The
    step, what uses its result and the answer are done and recorded; tools act again there, and ask where
    they need approval. Compare with `trace diff RUN last`.

    \b
    speeddial trace fork last --step 2 --expert organizer
    speeddial trace fork last --step 1 --model openai:gpt-5-mini
    """
    from speeddial.cli.progress import Progress
    from speeddial.cli.run import finish, open_project
    from speeddial.replay import fork as fork_run
    from speeddial.run import Runner
    from speeddial.sync import wait_for

    with Runner(open_project(yes)) as runner, Progress(json) as progress:
        result = wait_for(
            fork_run(
                runner, run_id, step, expert=expert, model=model, approve_all=yes, on_event=progress.show
            )
        )
    finish(result, json)


def diff(
    left: Annotated[str, typer.Argument(metavar="A", help="A run, as for `replay`.")],
    right: Annotated[str, typer.Argument(metavar="B", help="The run to compare it with.")],
    json: Json = False,
) -> None:
    """Show what differs between two runs: their steps side by side, field by field.

    Steps are paired by their number, and within one by expert. What stands in A only is shown as [-so-],
    what stands in B only as {+so+}. Exit code 0: both asked and came to the same; 1: they differ.

    \b
    speeddial trace diff 20261122-161224 last
    """
    from speeddial.record import whole
    from speeddial.record.diff import diff_runs

    with opened() as (_, record):
        found = diff_runs(whole(record, record.resolve(left)), whole(record, record.resolve(right)))
    if json:
        emit(found.as_dict())
    else:
        data(f"A {found.left}\nB {found.right}\n")
        for field in found.summary:
            if not field.same or field.name not in ("error", "missing", "cost"):
                _show_field(field)
        for pair in found.pairs:
            _show_pair(pair)
    if not found.same:
        raise typer.Exit(1)


def _show_report(report: Any) -> None:
    from speeddial.record.diff import FieldDiff

    if report.identical:
        data(f"identical: run {report.run}, {_count(report.interactions, 'exchange')} as recorded")
    else:
        data(f"run {report.run}: {_count(len(report.differences), 'difference')}, [-recorded-] {{+now+}}")
    for difference in report.differences:
        where = f"step {difference['step']}" if difference["step"] else "run"
        which = f" [{difference['interaction']}]" if difference.get("interaction") else ""
        data(f"\n{where}{which}")
        match difference["field"]:
            case "request":
                data(f"  asked now, and not by the run: {_short(difference['now'])}")
            case "interaction":
                data(f"  in the run, and not asked for now: {_short(difference['recorded'])}")
            case name:
                _show_field(FieldDiff(name, difference["recorded"], difference["now"]))
    for note in report.notes:
        talk().print(f"note: {note}", markup=False)


def _show_pair(pair: PairDiff) -> None:
    both = [row for row in (pair.left, pair.right) if row is not None]
    who = " | ".join(dict.fromkeys(row.tool or row.expert for row in both))
    status = " | ".join(dict.fromkeys(row.status for row in both))
    side = "" if len(both) == 2 else f", only in {'A' if pair.left else 'B'}"
    sign = "=" if pair.same else "!"
    data(f"\n{sign} step {pair.step} {pair.kind} {who}: {status}{side}")
    if len(both) == 2:
        for field in pair.fields:
            if not field.same:
                _show_field(field)


def _show_field(field: FieldDiff) -> None:
    if field.same:
        data(f"  {field.name:14} {_short(field.left)}")
    elif spans := field.spans():
        _show_spans(field.name, spans)
    else:
        data(f"  {field.name:14} {_short(field.left)} -> {_short(field.right)}")


def _show_spans(name: str, spans: Sequence[Span]) -> None:
    import os

    from rich.console import Console
    from rich.text import Text

    line = Text(f"  {name:14} ")
    for side, text in spans:
        text = _visible(text)
        match side:
            case "left":
                line.append(f"[-{text}-]", "red")
            case "right":
                line.append(f"{{+{text}+}}", "green")
            case _ if len(text) > 3 * _AROUND:
                line.append(f"{text[:_AROUND]} … {text[-_AROUND:]}", "dim")
            case _:
                line.append(text, "dim")
    Console(highlight=False, soft_wrap=True, no_color=bool(os.environ.get("NO_COLOR")) or None).print(line)


def _short(value: Any) -> str:
    from speeddial.messages import compact_json

    if isinstance(value, float):
        return f"{value:g}"
    text = _visible(value if isinstance(value, str) else compact_json(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _visible(text: str) -> str:
    """A text without the control characters by which model output could steer a terminal."""
    return "".join(
        one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode() for one in text
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
