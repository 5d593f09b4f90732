"""The flywheel's last step: gate, promote, rollback, watch."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speeddial.cli.output import data, emit, plain, table, talk
from speeddial.cli.record import Json
from speeddial.cli.selection import opened

if TYPE_CHECKING:
    from speeddial.flywheel.deployment import Deployment, Deployments

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME|VERSION", help="A task, or a version: its folder's name or the beginning of its hash."
    ),
]
Margin = Annotated[
    float, typer.Option(min=0.001, max=0.5, help="Share of requests by which it may be worse.")
]
Sure = Annotated[float, typer.Option(min=0.5, max=0.9999, help="Confidence, one-sided.")]


def register(app: typer.Typer) -> None:
    for command in (gate, promote, rollback, watch):
        app.command()(command)


def gate(
    name: Annotated[
        str, typer.Argument(metavar="[NAME|VERSION]", help="The newest version unless given.")
    ] = "",
    margin: Margin = 0.03,
    sure: Sure = 0.95,
    json: Json = False,
) -> None:
    """S6: hold a version against who serves now, on samples that neither learnt from, task by task.

    A task passes when what the version serves is right often enough and the whole is not worse by more than
    the margin, both shown with the confidence that is asked for; a planner when its plans are not worse, and
    it has not forgotten its own cases. A router that finds its tasks worse than the one before is refused
    with its version. Nothing is executed, and nothing is promoted. Killed, the same command goes on where it
    was.
    """
    import asyncio

    from speeddial.flywheel import planproof
    from speeddial.flywheel.artefact import newest
    from speeddial.flywheel.deployment import of_planner
    from speeddial.flywheel.gate import Terms
    from speeddial.flywheel.gate import gate as held_against
    from speeddial.flywheel.promotion import find
    from speeddial.flywheel.trials import trials

    terms = Terms(margin=margin, sure=sure)
    with opened() as (project, record), talk().status("looking for samples") as status:
        deployments = _deployments(record)
        version, names = (
            find(name, deployments) if name else (newest(deployments.folder, "train"), list[str]())
        )
        folder, planner = deployments.folder, of_planner(version)

        def show(done: int, of: int) -> None:
            status.update(f"{done} of {of} answers")

        if planner:
            made = asyncio.run(planproof.gate(project, version, folder, terms, progress=show))
        else:
            held = trials(project, record, version, deployments, terms, names=names)
            made = asyncio.run(held_against(project, version, held, folder, terms, progress=show))
    if json:
        emit(made.as_dict())
        return
    data(str(made.path))
    rows = made.report["tasks"]
    table(
        [[row["task"], "passed" if row["passed"] else "refused", row["reason"]] for row in rows],
        ["task", "verdict", "reason"],
    )
    if any(row["right"] < row["served"] for row in rows):
        talk().print(plain(f"served and wrong: {made.path / 'wrong.jsonl'}"))
    if made.report["passed"]:
        stage = "full" if planner else "shadow"
        talk().print(plain(f"next: speeddial promote {version.path.name} --stage {stage}"))


def promote(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|VERSION", help="A task, or a version: its folder's name or hash's beginning."
        ),
    ] = "",
    stage: Annotated[str, typer.Option(help="shadow, canary or full; the next one unless given.")] = "",
    share: Annotated[float, typer.Option(min=0.001, max=0.999, help="Of the traffic, at canary.")] = 0.1,
    force: Annotated[
        bool, typer.Option("--force", help="Also what did not pass the gate; the history shows it.")
    ] = False,
    history: Annotated[bool, typer.Option("--history", help="Only show all that was promoted.")] = False,
    reason: Annotated[str, typer.Option(help="For the history.")] = "",
    json: Json = False,
) -> None:
    """Have a version that passed the gate serve: in shadow, for a share of the requests, in full.

    In shadow it is asked beside the one that serves, and nobody gets its answers. What is not sure goes to
    the large model at every stage. A version for one of the project's own experts takes its place in
    experts/ at full, and `speeddial rollback` puts back every byte. The planner has no other stage than full.
    """
    from speeddial.errors import UserError
    from speeddial.flywheel.deployment import STAGES, of_planner
    from speeddial.flywheel.promotion import find, gate_of, next_stage
    from speeddial.flywheel.promotion import promote as promoted

    with opened() as (project, record):
        deployments = _deployments(record)
        if history:
            _history(deployments, name, json)
            return
        if not name:
            _live(deployments, json)
            return
        version, names = find(name, deployments)
        there = deployments.live().get(names[0]) if names else None
        if not stage and of_planner(version):
            stage = "full"
        elif not stage:
            here = there is not None and there.version == version.sha256
            stage = (next_stage(there.stage) or "full") if here and there else "shadow"
        if stage not in STAGES:
            raise UserError(f"--stage {stage}: no stage", hint=f"one of {', '.join(STAGES)}")
        passed = None if force else gate_of(version, deployments)
        if passed is None and not force:
            raise UserError(
                f"{version.path.name} was not held against anybody yet",
                hint=f"speeddial gate {version.path.name}; or --force",
            )
        found = promoted(
            project,
            deployments,
            version,
            names,
            stage=stage,
            share=share,
            gate=passed,
            reason=reason or ("forced by hand" if force else "by hand"),
        )
    _tell(found, json)


def rollback(
    name: Annotated[str, typer.Argument(metavar="TASK", help="What is to be given back.")],
    reason: Annotated[str, typer.Option(help="For the history.")] = "by hand",
    json: Json = False,
) -> None:
    """Give a task back to who served it before: a version, the project's own expert or planner, the large
    model."""
    from speeddial.flywheel.promotion import rollback as rolled_back

    with opened() as (project, record):
        deployments = _deployments(record)
        tasks = [task for task, there in deployments.live().items() if name in (task, there.expert)]
        before = rolled_back(project, deployments, tasks[0] if tasks else name, reason=reason)
    if json:
        emit({"task": name, "serves": before.as_dict() if before else None})
    elif before is None:
        talk().print(plain(f"{name}: no version serves it any more"))
    else:
        _tell([before], json)


def watch(
    auto: Annotated[
        bool, typer.Option("--auto", help="Put what has shown enough on its next stage.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Look again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 60.0,
    json: Json = False,
) -> None:
    """See how versions do live, from the record; one that breaks its limits is rolled back at once.

    Counted since a version came to its stage: the share that it left to the large model, the share of what it
    served that people corrected, and in shadow the share that came out differently; of the planner, the share
    of its plans that were made anew or corrected. Limits were stated at
    promotion; a lower bound of 99 % above one breaks it.
    """
    from speeddial.flywheel.watch import watch as watched

    with opened() as (project, record), suppress(KeyboardInterrupt):
        deployments = _deployments(record)
        while True:
            found = [row.as_dict() for row in watched(project, record, deployments, auto=auto)]
            if json:
                emit({"tasks": found})
            else:
                table(
                    [
                        [
                            row["task"],
                            row["stage"],
                            f"{row['served']} of {row['asked']}",
                            row["state"],
                            row["reason"],
                        ]
                        for row in found
                    ],
                    ["task", "stage", "served", "state", "counted"],
                )
                if not found:
                    talk().print(
                        "no version is deployed; `speeddial promote --help` says how one comes to be"
                    )
            if not follow:
                return
            time.sleep(every)


def _deployments(record: Any) -> Deployments:
    from speeddial.flywheel.artefact import FOLDER
    from speeddial.flywheel.deployment import Deployments

    return Deployments(record.folder / FOLDER)


def _live(deployments: Deployments, json: bool) -> None:
    _tell(list(deployments.live().values()), json)
    if not deployments.live():
        talk().print("no version serves; `speeddial flywheel` or `speeddial promote NAME` changes that")


def _tell(found: list[Deployment], json: bool) -> None:
    if json:
        emit({"tasks": [one.as_dict() for one in found]})
        return
    table(
        [[one.task, one.folder.parents[1].name, one.stage, f"{one.share:.0%}", one.since] for one in found],
        ["task", "version", "stage", "share", "since"],
    )


def _history(deployments: Deployments, task: str, json: bool) -> None:
    from dataclasses import asdict

    events = deployments.history(task)
    if json:
        for event in events:
            emit(asdict(event))
        return
    table(
        [
            [
                event.at,
                event.task,
                event.kind.replace("_", " "),
                event.stage if event.version else "-",
                event.folder.partition("/")[0] or "-",
                event.router or "-",
                "" if event.gate or not event.version else "no gate",
                event.reason,
            ]
            for event in events
        ],
        ["when", "task", "what", "stage", "version", "router", "", "reason"],
    )
