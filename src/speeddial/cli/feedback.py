"""Commands by which people judge and erase: trace accept, correct, comment, label, uses, erase, prune."""

from __future__ import annotations

import json as jsonlib
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speeddial.cli.output import data, emit, plain, table, talk
from speeddial.cli.record import TRACE, Json
from speeddial.cli.selection import opened
from speeddial.errors import ContractViolation, NotFound, UserError

if TYPE_CHECKING:
    from speeddial.project import Project
    from speeddial.record import Record
    from speeddial.record.datasets import Use
    from speeddial.record.feedback import FeedbackRow
    from speeddial.record.retention import Erased

Subject = Annotated[
    str,
    typer.Argument(
        metavar="RUN_OR_NUMBER",
        help="A run (its id, part of it, or `last`), or a number as `show` prints it.",
    ),
]
Step = Annotated[int | None, typer.Option(help="The step of the run; 0 for its plan.")]
Text = Annotated[str, typer.Option(metavar="TEXT", help="Say why.")]
By = Annotated[str, typer.Option(metavar="NAME", help="Who says it; the setting `user` unless given.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be erased.")]

_NUMBER = re.compile(r"\[?(\d{1,12})\]?")
_AGE = re.compile(r"(\d+(?:\.\d+)?)([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 168}


def register(app: typer.Typer) -> None:
    for command in (accept, correct, comment, label, uses, erase, prune):
        TRACE.command()(command)


def accept(subject: Subject, step: Step = None, text: Text = "", by: By = "", json: Json = False) -> None:
    """Say that a decode, a tool's result or a run's answer is right."""
    with _here() as here:
        run, interaction = here.find(subject, step)
        here.show(here.record.feedback.accept(interaction, run=run, by=here.who(by), text=text), json)


def comment(
    subject: Subject,
    text: Annotated[str, typer.Argument(help="What there is to say.")],
    step: Step = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Say anything about a run's answer or one of its steps."""
    with _here() as here:
        run, interaction = here.find(subject, step)
        here.show(here.record.feedback.comment(interaction, text, run=run, by=here.who(by)), json)


def label(
    subject: Subject,
    label: Annotated[str, typer.Argument(help="A word to find it by, as in `data export --label`.")],
    step: Step = None,
    text: Text = "",
    by: By = "",
    json: Json = False,
) -> None:
    """Mark a run's answer or one of its steps."""
    with _here() as here:
        run, interaction = here.find(subject, step)
        here.show(here.record.feedback.label(interaction, label, run=run, by=here.who(by), text=text), json)


def correct(
    subject: Subject,
    step: Step = None,
    call: Annotated[
        str | None,
        typer.Option(
            metavar="JSON", help='{"name":...,"arguments":{...}}; without it $EDITOR opens with the call.'
        ),
    ] = None,
    text: Text = "",
    by: By = "",
    json: Json = False,
) -> None:
    """Say what the right call would have been; training data then has it in place of the model's."""
    from speeddial.contract import parse_json

    with _here() as here:
        _, interaction = here.find(subject, step, decode=True)
        assert interaction is not None
        tools = {name: tool.contract for name, tool in here.project.tools.items()}
        given = call
        while True:
            written = _edited(here.call_of(interaction)) if given is None else given
            try:
                value = parse_json(written)
                if not isinstance(value, dict):
                    raise UserError(f"{written[:60]!r} is no call", hint="give a JSON object")
                row = here.record.feedback.correct(
                    interaction, value, by=here.who(by), text=text, tools=tools
                )
                break
            except ContractViolation as error:
                if call is not None:
                    raise
                for problem in error.problems:
                    talk().print(plain(problem))
                if not typer.confirm("Edit it again?", err=True, default=True):
                    raise
                here.begun[interaction] = written
        here.show(row, json)


def uses(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, the start of one, or `last`.")],
    json: Json = False,
) -> None:
    """Tell which datasets hold a run, and which adapters were trained on them."""
    with _here() as here:
        found = here.uses((here.record.resolve(run_id),))
    if json:
        for use in found:
            emit(use.as_dict())
        return
    table(
        ((use.kind, use.name, use.dataset if use.kind == "adapter" else "", use.path) for use in found),
        ("kind", "name", "trained on", "path"),
    )


def erase(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="Id of the run, the start of one, or `last`.")
    ] = None,
    user: Annotated[str, typer.Option(metavar="NAME", help="All runs of this user instead.")] = "",
    forks: Annotated[
        bool,
        typer.Option("--forks", help="Also the runs that were forked from them."),
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Erase a run, or all runs of a user, from the record: afterwards no byte of them is in its files.

    What the flywheel made of them goes too, but for versions that serve. Datasets and adapters that were
    built from them stay as they are; which ones that are is printed.
    """
    from speeddial.record.retention import erase_run, erase_user, finish

    if (run_id is None) == (not user):
        raise UserError("a run or a user is to be erased", hint="give RUN or --user NAME")
    with _here() as here:
        if not dry_run and (ended := finish(here.record)):
            talk().print(f"ended the erasure of {ended} run(s) that was begun before")
        if run_id is not None:
            run = here.record.resolve(run_id)
            told = erase_run(here.record, run, forks=forks, dry_run=True)
        else:
            told = erase_user(here.record, user, forks=forks, dry_run=True)
        here.tell(told, "to be erased")
        if not dry_run and (
            yes or typer.confirm(f"Erase {len(told.runs)} run(s) for good?", err=True, default=False)
        ):
            if run_id is not None:
                done = erase_run(here.record, run, forks=forks)
            else:
                done = erase_user(here.record, user, forks=forks)
            _finish(done, json)
        elif json:
            emit(_as_dict(told))


def prune(
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="As 90d, 12h or 8w; the setting `keep_days` unless given.")
    ] = "",
    max_mb: Annotated[
        int | None,
        typer.Option(metavar="MB", min=1, help="Erase the oldest down to this; the setting `keep_mb`."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also runs with feedback and runs in datasets.")
    ] = False,
    vacuum: Annotated[
        bool, typer.Option("--vacuum", help="Rewrite the files: space goes back to the disk.")
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Erase old runs, by age or by the record's size.

    Runs with feedback and runs in datasets stay unless forced, and runs at work always.
    """
    from speeddial.record.retention import retain

    with _here() as here:
        set_ = here.project.settings
        age = _age(older_than) if older_than else timedelta(days=set_.keep_days) or None
        size = (set_.keep_mb if max_mb is None else max_mb) * 1_000_000
        if age is None and not size:
            raise UserError(
                "nothing says what is too old or too large", hint="give --older-than 90d, or set keep_days"
            )
        told = retain(here.record, older_than=age, keep_bytes=size, force=force, dry_run=True)
        here.tell(told, "due" if not size else "due, by estimate")
        if dry_run or not told.runs:
            if json:
                emit(_as_dict(told))
        elif yes or typer.confirm(f"Erase {len(told.runs)} run(s) for good?", err=True, default=False):
            done = retain(here.record, older_than=age, keep_bytes=size, force=force, rewrite=vacuum)
            _finish(done, json)


class _Here:
    """The project's record, and what a person means by the words of a command."""

    def __init__(self, project: Project, record: Record) -> None:
        self.project = project
        self.record = record
        self.begun: dict[int, str] = {}
        """Interaction -> the text of a correction that is being written."""

    def who(self, by: str) -> str:
        return by or self.project.settings.user

    def find(self, subject: str, step: int | None, *, decode: bool = False) -> tuple[str, int | None]:
        """The run and interaction that are meant; no interaction is the run's answer.

        Args:
            decode: a decode must be meant; it is found by itself when the run has one.
        """
        number = _NUMBER.fullmatch(subject)
        if number and (run := self._run_of(int(number[1]))):
            if step is not None:
                raise UserError(f"{subject} names an interaction", hint="give --step with a run only")
            return run, int(number[1])
        run = self.record.resolve(subject)
        if step is None and not decode:
            return run, None
        decodes = [
            row
            for row in self.record.interactions(run=run, kinds=("model", "plan"))
            if step is None or row.step == step
        ]
        if not decodes:
            raise NotFound(f"run {run} has no decode{'' if step is None else f' in step {step}'}")
        if step is None and len(decodes) > 1:
            numbers = ", ".join(f"{row.id} (step {row.step})" for row in decodes)
            raise UserError(f"run {run} has several decodes", hint=f"name one: {numbers}")
        # Of several tries of a step the last one is what came of it.
        return run, decodes[-1].id

    def call_of(self, interaction: int) -> str:
        """What a correction begins from, as JSON on several lines."""
        if interaction in self.begun:
            return self.begun[interaction]
        run = self._run_of(interaction)
        row = next(row for row in self.record.interactions(run=run) if row.id == interaction)
        known = self.record.feedback.corrections([interaction]).get(interaction, row.parsed)
        if known is None:
            return row.raw or ""
        return jsonlib.dumps(known, indent=2, ensure_ascii=False)

    def uses(self, runs: Iterable[str]) -> list[Use]:
        from speeddial.record.datasets import folder_of, uses_of

        return uses_of(runs, folder_of(self.record), self.project.root)

    def show(self, row: FeedbackRow, json: bool) -> None:
        if json:
            emit(row.as_dict())
            return
        about = f"run {row.run}" if row.interaction is None else f"[{row.interaction}] of run {row.run}"
        talk().print(f"{row.verdict}: {plain(about)}")
        if row.call is not None:
            data(jsonlib.dumps(row.call, ensure_ascii=False))

    def tell(self, erased: Erased, what: str) -> None:
        """Say what goes, what stays and what was built from it."""
        console = talk()
        console.print(
            f"{len(erased.runs)} run(s) {what}: {plain(', '.join(erased.runs[:5]))}"
            f"{' ...' if len(erased.runs) > 5 else ''}"
        )
        for run, reason in list(erased.kept.items())[:5]:
            console.print(f"stays: {run} {plain(reason)}")
        if len(erased.kept) > 5:
            console.print(f"stay as well: {len(erased.kept) - 5} more")
        for run in erased.forks:
            console.print(f"stays: {run}, which was forked from one of them (--forks)")
        if erased.artefacts:
            console.print(f"goes too, made of them by the flywheel: {plain(', '.join(erased.artefacts))}")
        for name, tasks in erased.serving.items():
            console.print(
                f"stays: {plain(name)}, which serves {plain(tasks)}; after `speeddial rollback` the next"
                " erasure takes it"
            )
        for use in self.uses(erased.runs):
            of = f", trained on {use.dataset}" if use.kind == "adapter" else ""
            console.print(f"stays: {use.kind} {plain(use.name)}{of}, built from {len(use.runs)} of them")

    def _run_of(self, interaction: int) -> str:
        rows = self.record.database.read("SELECT run FROM interactions WHERE id = ?", (interaction,))
        return str(rows[0]["run"]) if rows else ""


@contextmanager
def _here() -> Iterator[_Here]:
    with opened() as (project, record):
        yield _Here(project, record)


def _edited(text: str) -> str:
    """`text` after a person has edited it.

    Raises:
        UserError: there is no editor, it failed, or nothing was changed.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise UserError("no editor is set", hint="set $EDITOR, or give the call with --call")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "call.json"
        file.write_text(text, encoding="utf-8")
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=True)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise UserError(f"the editor {editor!r} failed: {error}", hint="set $EDITOR") from error
        edited = file.read_text(encoding="utf-8")
    if edited.strip() == text.strip():
        raise UserError("nothing was changed", hint="`trace accept` says that a call is right as it is")
    return edited


def _age(text: str) -> timedelta:
    found = _AGE.fullmatch(text)
    if not found:
        raise UserError(f"--older-than {text!r}", hint="give a number with h, d or w, as in 90d")
    return timedelta(hours=float(found[1]) * _HOURS[found[2]])


def _finish(erased: Erased, json: bool) -> None:
    if json:
        emit(_as_dict(erased))
        return
    what = ", ".join(f"{count} {name}" for name, count in sorted(erased.counts.items()))
    talk().print(f"erased: {plain(what) or 'nothing'}")


def _as_dict(erased: Erased) -> dict[str, Any]:
    return {
        "runs": list(erased.runs),
        "kept": erased.kept,
        "forks": list(erased.forks),
        "counts": dict(erased.counts),
        "artefacts": list(erased.artefacts),
        "serving": dict(erased.serving),
    }
