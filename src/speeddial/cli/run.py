"""Commands that do work: run, plan, call, batch, resume."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speeddial.cli.output import data, emit, plain, talk

if TYPE_CHECKING:
    from speeddial.project import Project

Json = Annotated[bool, typer.Option("--json", help="NDJSON events, then a final record with type result.")]
Yes = Annotated[
    bool, typer.Option("--yes", help="Approve tools and the model download, but no call that was cut off.")
]
NoExecute = Annotated[bool, typer.Option("--no-execute", help="Decode only; run no tool.")]
Inputs = Annotated[
    list[Path] | None,
    typer.Option(
        "--input", metavar="FILE", help="A file that this run may read; give it several times for several."
    ),
]
Planner = Annotated[str | None, typer.Option(metavar="MODEL", help="Engine of the planner, as ENGINE:NAME.")]
ModelOption = Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Engine of the experts.")]


def register(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(plan)
    app.command()(call)
    app.command()(batch)
    app.command()(resume)


def run(
    task: Annotated[str | None, typer.Argument(help="The request; - or nothing reads stdin.")] = None,
    task_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read the request from a file.")
    ] = None,
    workflow: Annotated[str, typer.Option(metavar="W", help="Workflow to run.")] = "",
    inputs: Inputs = None,
    planner: Planner = None,
    model: ModelOption = None,
    json: Json = False,
    yes: Yes = False,
    no_execute: NoExecute = False,
    max_steps: Annotated[int | None, typer.Option(help="Steps that this run may take.")] = None,
    max_seconds: Annotated[float | None, typer.Option(help="Seconds that this run may take.")] = None,
) -> None:
    """Run a task: plan it, phone the experts, run their tools, answer.

    The answer goes to stdout, progress to stderr. Files outside the workspace are read only when named
    with --input.
    """
    from speeddial.cli.progress import Progress
    from speeddial.run import Runner

    text = _task(task, task_file)
    project = open_project(yes, planner=planner, model=model, max_steps=max_steps, max_seconds=max_seconds)
    with Runner(project) as runner, Progress(json) as progress:
        result = runner.run_sync(
            text,
            files=inputs or (),
            workflow=workflow,
            approve_all=yes,
            execute=not no_execute,
            on_event=progress.show,
        )
    finish(result, json)


def resume(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, the start of one, or `last`.")],
    approve: Annotated[bool, typer.Option("--approve", help="Run the tool that waits.")] = False,
    deny: Annotated[bool, typer.Option("--deny", help="Do not run it.")] = False,
    answer: Annotated[str | None, typer.Option(metavar="TEXT", help="Give its result yourself.")] = None,
    json: Json = False,
    yes: Yes = False,
) -> None:
    """Go on with a run that was killed, stopped at a limit, or waits for a person."""
    from speeddial.cli.progress import Progress
    from speeddial.errors import UserError
    from speeddial.run import Runner

    if approve + deny + (answer is not None) > 1:
        raise UserError("--approve, --deny and --answer exclude each other", hint="give one")
    decision = True if approve else False if deny else None
    with Runner(open_project(yes)) as runner, Progress(json) as progress:
        result = runner.resume_sync(
            run_id, approve=decision, answer=answer, approve_all=yes, on_event=progress.show
        )
    finish(result, json)


def plan(
    task: Annotated[str | None, typer.Argument(help="The request; - or nothing reads stdin.")] = None,
    task_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read the request from a file.")
    ] = None,
    inputs: Inputs = None,
    planner: Planner = None,
    json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    yes: Yes = False,
) -> None:
    """Show the type-checked plan for a task; nothing of it is done."""
    from speeddial.run import Runner

    text = _task(task, task_file)
    with Runner(open_project(yes, planner=planner)) as runner:
        made = runner.plan_sync(text, files=inputs or ())
    if json:
        emit(made.as_dict())
    else:
        data(str(made))
    if made.missing and not made.steps:
        raise typer.Exit(1)


def call(
    expert: Annotated[str, typer.Argument(metavar="EXPERT", help="Which expert to phone.")],
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="The request; - or nothing reads stdin.")
    ] = None,
    inputs: Inputs = None,
    given: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="What the expert needs beside the words.")
    ] = None,
    batch: Annotated[Path | None, typer.Option(metavar="IN.jsonl", help="Lines of {id, input, ...}.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="OUT.jsonl", help="Where --batch writes.")] = None,
    model: ModelOption = None,
    json: Json = False,
    yes: Yes = False,
    no_execute: NoExecute = False,
) -> None:
    """Phone one expert with one request, or with a file of them.

    What an expert needs beside the words (columns, tools, labels, schema, house, criteria) is a JSON object
    in the file of --given. A line of --batch holds id and input, and those keys or files.
    """
    from speeddial.errors import NeedsPerson, UserError
    from speeddial.run import Runner

    project = open_project(yes, model=model)
    if (batch is None) != (out is None):
        raise UserError("--batch and --out go together", hint="give both")
    with Runner(project) as runner:
        if batch is not None and out is not None:
            from speeddial.cli.batches import Batch, call_lines, write_lines

            requests = Batch(batch)
            lines = call_lines(runner, expert, requests, approve_all=yes, execute=not no_execute)
            failed = write_lines(lines, out, requests)
            raise typer.Exit(1 if failed else 0)
        with_it = _given(given)
        _tell_unenforced(with_it)
        outcome = runner.call_sync(
            expert,
            _task(text, None),
            files=inputs or (),
            given=with_it,
            approve_all=yes,
            execute=not no_execute,
        )
    if json:
        receipt = outcome.receipt.as_dict() if outcome.receipt else None
        emit({"type": "result", **outcome.as_call(), "receipt": receipt})
    elif outcome.done:
        data(outcome.text)
    elif outcome.question:
        data(outcome.question)
    elif outcome.call is not None:
        data(jsonlib.dumps(outcome.call.as_dict(), ensure_ascii=False))
    else:
        talk().print(f"[yellow]{outcome.status}[/yellow]: {plain(outcome.error)}")
    if not outcome.done and not (no_execute and outcome.call is not None):
        raise typer.Exit(NeedsPerson.exit_code if outcome.question else 1)


def batch(
    tasks: Annotated[Path, typer.Argument(metavar="TASKS.jsonl", help="Lines of {id, input, files?}.")],
    out: Annotated[
        Path, typer.Option(metavar="OUT.jsonl", help="One result line per task; done ones are skipped.")
    ],
    workers: Annotated[int, typer.Option(min=1, help="Runs at work at the same time.")] = 2,
    workflow: Annotated[str, typer.Option(metavar="W", help="Workflow to run.")] = "",
    planner: Planner = None,
    model: ModelOption = None,
    yes: Yes = False,
    no_execute: Annotated[bool, typer.Option("--no-execute", help="Plan and decode; run no tool.")] = False,
) -> None:
    """Run many tasks; exits 1 when any of them failed. Started again, it goes on where it stopped."""
    from speeddial.cli.batches import Batch, run_lines, write_lines
    from speeddial.run import Runner

    with Runner(open_project(yes, planner=planner, model=model)) as runner:
        requests = Batch(tasks)
        lines = run_lines(
            runner, requests, workers=workers, workflow=workflow, approve_all=yes, execute=not no_execute
        )
        failed = write_lines(lines, out, requests)
    if failed:
        raise typer.Exit(1)


def _task(text: str | None, file: Path | None) -> str:
    from speeddial.errors import NotFound, UserError

    if file is not None:
        if text is not None:
            raise UserError("the task is given twice", hint="as an argument or with --task-file, not both")
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise NotFound(f"--task-file {file}: {error.strerror}", hint="check the path") from error
        except UnicodeDecodeError as error:
            raise UserError(f"--task-file {file}: not UTF-8 text", hint="save it as UTF-8") from error
    if text is not None and text != "-":
        return text
    if sys.stdin.isatty():
        raise UserError("no task was given", hint='speeddial run "TASK", --task-file FILE, or pipe it in')
    return sys.stdin.read().strip()


def _given(file: Path | None) -> dict[str, Any]:
    from speeddial.errors import NotFound, UserError

    if file is None:
        return {}
    try:
        found = jsonlib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotFound(f"--given {file}: {error.strerror}", hint="check the path") from error
    except ValueError as error:
        raise UserError(
            f"--given {file}: not JSON: {error}", hint='{"labels": ["billing", "bug"]}'
        ) from error
    if not isinstance(found, dict):
        raise UserError(f"--given {file}: expected a JSON object", hint='{"labels": ["billing", "bug"]}')
    return found


def _tell_unenforced(given: dict[str, Any]) -> None:
    """Say of given tools what their grammar cannot hold; `speeddial check` says it of the project's."""
    from speeddial.definition import tool_of

    tools = given.get("tools")
    for item in tools if isinstance(tools, list) else ():
        if not isinstance(item, str):
            tool = tool_of(item)
            for line in tool.contract.report.after:
                talk().print(f"[dim]{plain(tool.name)}: checked after decoding: {plain(line)}[/dim]")


def open_project(yes: bool, **overrides: Any) -> Project:
    """The project, with the embedded base at hand if something in it needs that."""
    from speeddial.cli.models import offer_base
    from speeddial.project import Project

    project = Project.load(overrides=overrides)
    offer_base(project, yes)
    return project


def finish(result: Any, json: bool) -> None:
    """Answer on stdout, what went wrong on stderr, and the exit code."""
    event = result.as_event()
    if json:
        emit(event.as_dict())
    else:
        if result.answer:
            data(result.answer)
        console = talk()
        if result.error is not None:
            console.print(f"[red]{result.status}:[/red] {plain(result.error.message)}")
            if result.error.hint:
                console.print(f"  next: {plain(result.error.hint)}")
        console.print(f"[dim]run {result.run_id}: speeddial show {result.run_id}[/dim]")
    raise typer.Exit(result.exit_code)
