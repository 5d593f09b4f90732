"""The `flywheel` command: all its steps in one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from speeddial.cli.flywheel import TFIDF, Embeddings
from speeddial.cli.output import emit, plain, table, talk
from speeddial.cli.promote import Margin, Sure
from speeddial.cli.record import Json
from speeddial.cli.selection import Expert, Since, Until, User, Workflow, opened, selected
from speeddial.cli.train import Line


def register(app: typer.Typer) -> None:
    app.command("flywheel")(convert)


def convert(
    through: Annotated[
        str,
        typer.Option(
            metavar="STEP",
            help="The last: collect, curate, cluster, select, train, gate, shadow, canary or full.",
        ),
    ] = "full",
    max_tokens: Annotated[int, typer.Option(min=1, help="That all trainings may take.")] = 2_000_000,
    max_minutes: Annotated[float, typer.Option(min=0.1, help="That all trainings may take.")] = 80.0,
    max_memory: Annotated[
        float,
        typer.Option(min=0, help="GiB that a training may take, 0 for any; 1.5 is for tiny models alone."),
    ] = 0.0,
    margin: Margin = 0.03,
    sure: Sure = 0.95,
    share: Annotated[float, typer.Option(min=0.001, max=0.999, help="Of the traffic, at canary.")] = 0.1,
    enough: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Of a task's requests: where one serves so many, no larger is tried."
        ),
    ] = 0.5,
    embeddings: Embeddings = TFIDF,
    expert: Expert = "",
    workflow: Workflow = "",
    user: User = "",
    since: Since = None,
    until: Until = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Let what passed the gate serve without asking.")
    ] = False,
    json: Json = False,
) -> None:
    """From the record to specialists that serve: collect, curate, cluster, select, train, gate, promote.

    The smallest model that passes the gate and serves enough wins each task. Before anything serves you are
    asked; without your leave it stays in shadow, where nobody gets its answers. Killed, the same command goes
    on where it was. `speeddial promote` shows who serves, `speeddial ledger` what it saves.
    """
    import asyncio

    from speeddial.errors import UserError
    from speeddial.flywheel.conversion import THROUGH, Limits, summary
    from speeddial.flywheel.conversion import convert as converted
    from speeddial.flywheel.gate import Terms
    from speeddial.flywheel.specialist import trainable

    if through not in THROUGH:
        raise UserError(f"--through {through}: no step", hint=f"one of {', '.join(THROUGH)}")
    if THROUGH.index(through) >= THROUGH.index("train"):
        # An hour of collecting and curating would end in the same words.
        trainable()
    limits = Limits(max_tokens=max_tokens, max_minutes=max_minutes)
    with opened() as (project, record), Line() as line:

        def agreed(tasks: Sequence[str], stage: str) -> bool:
            if yes:
                return True
            line.pause()
            return _asked(tasks, stage)

        result = asyncio.run(
            converted(
                project,
                record,
                _Steps(project, record, limits, max_memory),
                selection=selected(expert=expert, workflow=workflow, user=user, since=since, until=until),
                terms=Terms(margin=margin, sure=sure),
                limits=limits,
                through=through,
                share=share,
                enough=enough,
                embeddings=embeddings,
                agreed=agreed,
                progress=line.show,
            )
        )
    if json:
        emit(result.as_dict())
        return
    table(summary(result.as_dict()), ["task", "candidate", "verdict", "stage"])
    said = f"{result.tokens:,} tokens, {result.seconds / 60:.1f} minutes of training"
    talk().print(plain(f"{said}; {result.stopped}" if result.stopped else said))


def _asked(tasks: Sequence[str], stage: str) -> bool:
    """Whether a person lets tasks serve; where nobody can be asked, they stay in shadow."""
    import sys

    where = "all of their requests" if stage == "full" else "a share of their requests"
    talk().print(plain(f"passed: {', '.join(tasks)}"))
    if not sys.stdin.isatty():
        talk().print(f"they stay in shadow: --yes lets them serve {where}")
        return False
    return typer.confirm(f"Let them serve {where} now?", default=False, err=True)


class _Steps:
    """The steps whose models cost something."""

    def __init__(self, project: Any, record: Any, limits: Any, max_memory: float) -> None:
        from speeddial.flywheel.artefact import FOLDER
        from speeddial.flywheel.candidate import Budget

        self._project, self._folder = project, record.folder / FOLDER
        self._budget = Budget(
            max_tokens=limits.max_tokens, max_minutes=limits.max_minutes, max_memory=max_memory
        )

    def select(self, clustered: Any) -> Any:
        from speeddial.flywheel.select import select

        return select(clustered, self._folder, self._project, self._budget)

    async def train(
        self, selected: Any, candidate: str, names: Sequence[str], tokens: int, progress: Any
    ) -> Any:
        from speeddial.flywheel.specialist import train

        return await train(
            selected,
            self._folder,
            self._project,
            names=names,
            candidate=candidate,
            recipe={"max_tokens": tokens},
            progress=progress,
        )
