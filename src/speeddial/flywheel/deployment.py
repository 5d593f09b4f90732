"""Deployments: which version of a specialist serves which task, at which stage, and how that came to be.

Every promotion and rollback is one line of ``deployments.jsonl`` beside the artefacts, on disk before it
counts, never changed. The state is the fold of the lines: for each task a pile of versions, newest on top.

    shadow   it is asked beside the one before it; what it answers is on record and not used
    canary   it serves a share of the task's requests
    full     it serves them all, where it is confident
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from speeddial.errors import NotFound, UserError
from speeddial.flywheel.artefact import Artefact
from speeddial.jsonlines import append, whole_lines
from speeddial.workspace import write_whole

FILE = "deployments.jsonl"
Stage = Literal["shadow", "canary", "full"]
STAGES: tuple[Stage, ...] = ("shadow", "canary", "full")
Kind = Literal["promoted", "rolled_back"]
EXPERTS, AGENTS = "experts", "agents"
"""Folders of a version, as they stand in a project."""
CARD = "card.toml"


class DeploymentsDamaged(UserError):
    """A line of the file is none that was written."""

    code = "deployments_damaged"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How bad it may go live before it is rolled back by itself; stated when a version is promoted.

    Each is held against the lower bound of what was counted (see `speeddial.flywheel.watch`).
    """

    escalated: float = 0.5
    """Share of the task's requests that it leaves to the large model."""
    corrected: float = 0.02
    """Share of what it served that people corrected or rejected."""
    disagreed: float = 0.25
    """Share of what it would have served, beside another, that came out differently: the other is wrong at
    times too."""
    replanned: float = 0.2
    """Of the planner: share of its plans that were made anew, or that it could not make."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of the file."""

    at: str
    """ISO 8601, UTC."""
    kind: Kind
    task: str
    reason: str
    expert: str = ""
    """What follows is of a promotion; empty for a rollback."""
    folder: str = ""
    """The expert's folder, below that of all artefacts."""
    version: str = ""
    stage: Stage = "shadow"
    share: float = 0.0
    router: str = ""
    """Folder of the `cluster` artefact whose classifier tells the task's requests from others."""
    gate: str = ""
    """Hash of the gate that it passed; empty when it was forced."""
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Who serves a task."""

    task: str
    expert: str
    """Folder's name and expert's name."""
    folder: Path
    """The folder of the expert, or the planner, that serves."""
    version: str
    """Hash of its `train` artefact."""
    stage: Stage
    share: float
    """Of the traffic: 0 at shadow, 1 at full."""
    since: str
    """ISO 8601, UTC; when it came to this stage, or back to it."""
    reason: str
    router: Path | None = None
    """Folder of the `cluster` artefact whose classifier knows the task; deployed and rolled back with it."""
    gate: str = ""
    limits: Limits = Limits()
    before: Deployment | None = None
    """Who serves what this one does not, at shadow and canary, and all after a rollback; None for the large
    model, or the project's own expert."""

    @property
    def is_agent(self) -> bool:
        """Whether it is a version of the planner; else it is an expert's."""
        return self.folder.parent.name == AGENTS

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        told = {one.name: getattr(self, one.name) for one in fields(self)}
        return told | {
            "folder": str(self.folder),
            "router": str(self.router or ""),
            "limits": asdict(self.limits),
            "before": self.before.as_dict() if self.before else None,
        }


class Deployments:
    """The deployments of a record; several processes may have them open.

    Args:
        folder: of all artefacts; need not be there yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / FILE
        self._known: tuple[int, int, int] | None = None
        self._events: tuple[Event, ...] = ()
        self._live: Mapping[str, Deployment] = {}

    def live(self) -> Mapping[str, Deployment]:
        """Task -> who serves it; the others are the large model's. One `stat` when nothing changed.

        Raises:
            DeploymentsDamaged: somebody changed the file.
        """
        self._refresh()
        return self._live

    def history(self, task: str = "") -> list[Event]:
        """All that happened, or what happened to one task; oldest first.

        Raises:
            DeploymentsDamaged: somebody changed the file.
        """
        self._refresh()
        return [event for event in self._events if task in ("", event.task)]

    def promote(
        self,
        version: Artefact,
        names: Collection[str] = (),
        *,
        stage: Stage,
        share: float = 0.1,
        gate: Artefact | None,
        limits: Limits = Limits(),
        router: Artefact | None = None,
        reason: str = "",
    ) -> list[Deployment]:
        """Have a version serve tasks, or serve them at another stage. What stands so already is left.

        Args:
            version: an artefact of `train`.
            names: of tasks; all that the gate passed unless given, without a gate all of the version.
            share: of the traffic at canary.
            gate: what the version passed; None to do without, which the history shows.
            router: the `cluster` artefact that found the tasks; none for a project's own expert.

        Raises:
            NotFound: the version has no such task.
            UserError: the gate is another version's, or refused a task; a share that is none; the disk.
        """
        if stage == "canary" and not 0 < share < 1:
            raise UserError(
                f"a share of {share:g}: expected more than 0 and less than 1", hint="0.1, a tenth"
            )
        share = {"shadow": 0.0, "canary": share, "full": 1.0}[stage]
        chosen = chosen_of(version, names, gate)

        def told() -> Iterator[Event]:
            for task, expert in chosen.items():
                there = self._live.get(task)
                if there and (there.version, there.stage, there.share) == (version.sha256, stage, share):
                    continue
                yield Event(
                    at=_now(),
                    kind="promoted",
                    task=task,
                    reason=reason,
                    expert=expert,
                    folder=f"{version.path.name}/{place_of(version, task)}",
                    version=version.sha256,
                    stage=stage,
                    share=share,
                    router=_router(router, there, version),
                    gate=gate.sha256 if gate else "",
                    limits=asdict(limits),
                )

        self._append(told)
        live = self.live()
        return [live[task] for task in chosen if task in live]

    def rollback(self, task: str, *, reason: str, of: str = "") -> Deployment | None:
        """Give a task back to the one who served it before this version, at whatever stage it now is.

        Args:
            of: only while this version serves it; so two who watch do not roll back twice.

        Returns:
            Who serves it now; None for the large model, or the project's own expert.

        Raises:
            NotFound: no version serves this task.
        """

        def told() -> Iterator[Event]:
            there = self._live.get(task)
            if there is None and not of:
                raise NotFound(
                    f"no version serves {task!r}", hint=f"served: {', '.join(self._live) or 'no task'}"
                )
            if there is not None and of in ("", there.version):
                yield Event(at=_now(), kind="rolled_back", task=task, reason=reason)

        self._append(told)
        return self.live().get(task)

    # ---- the file ----

    def _refresh(self) -> None:
        try:
            stat = self._file.stat()
        except FileNotFoundError:
            self._known, self._events, self._live = None, (), {}
            return
        known = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if known == self._known:
            return
        self._events = tuple(
            _event(line, f"{self._file}:{number}")
            for number, line in enumerate(whole_lines(self._file), start=1)
        )
        self._live = fold(self._events, self.folder)
        self._known = known

    def _append(self, told: Callable[[], Iterator[Event]]) -> None:
        """Write what `told` gives; it is asked under the lock, when the state is the newest."""
        with self._locked():
            self._known = None
            self._refresh()
            events = [asdict(event) for event in told()]
            if not events:
                return
            if not self._file.exists():
                write_whole(self._file, b"")
            append(self._file, events)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with FileLock(self._file.with_suffix(".lock"), mode=0o600):
                yield
        except OSError as error:
            raise UserError(
                f"{self._file} cannot be written: {error.strerror}", hint="free the disk"
            ) from error


def fold(events: Sequence[Event], folder: Path) -> dict[str, Deployment]:
    """The state that events lead to: task -> who serves it.

    Args:
        folder: of all artefacts.
    """
    live: dict[str, Deployment] = {}
    for event in events:
        there = live.get(event.task)
        if event.kind == "promoted":
            # The same version at another stage takes its own place; another one is put on top of it.
            before = there.before if there and there.version == event.version else there
            live[event.task] = _deployment(event, folder, before)
        elif there is not None and there.before is not None:
            # What the one on top did meanwhile is not held against it.
            live[event.task] = replace(there.before, since=event.at)
        else:
            live.pop(event.task, None)
    return live


def tasks_of(version: Artefact) -> dict[str, str]:
    """Task -> expert of a `train` artefact."""
    return {row["task"]: row["expert"] for row in version.report["tasks"]}


def of_planner(version: Artefact) -> bool:
    """Whether a version is one of the planner."""
    return any("folder" in row for row in version.report["tasks"])


def place_of(version: Artefact, task: str) -> str:
    """Folder of a task's expert or agent within a `train` artefact."""
    row = next(row for row in version.report["tasks"] if row["task"] == task)
    return str(row.get("folder") or f"{EXPERTS}/{row['expert']}")


def chosen_of(version: Artefact, names: Collection[str], gate: Artefact | None) -> dict[str, str]:
    """Task -> expert of what may be promoted.

    Raises:
        NotFound, UserError: see `Deployments.promote`.
    """
    has = tasks_of(version)
    for name in names:
        if name not in has:
            raise NotFound(f"{version.path.name} has no task {name!r}", hint=f"it has {', '.join(has)}")
    if gate is None:
        return {task: expert for task, expert in has.items() if not names or task in names}
    if gate.inputs.get("train") != version.sha256:
        raise UserError(
            f"{gate.path.name} is the gate of another version than {version.path.name}",
            hint="run the gate on this version",
        )
    verdicts = {row["task"]: row for row in gate.report["tasks"]}
    for name in names:
        if not verdicts.get(name, {}).get("passed"):
            why = verdicts[name]["reason"] if name in verdicts else "it was not tried"
            raise UserError(
                f"{name} did not pass the gate: {why}",
                hint="--force promotes it all the same; the history shows it",
            )
    passed = [task for task, row in verdicts.items() if row["passed"]]
    return {task: expert for task, expert in has.items() if task in (names or passed)}


def _router(given: Artefact | None, there: Deployment | None, version: Artefact) -> str:
    """Folder of the router: the one given, else the one that this version has at its present stage."""
    if given is not None:
        return given.path.name
    known = there.router if there and there.version == version.sha256 else None
    return known.name if known else ""


def _deployment(event: Event, folder: Path, before: Deployment | None) -> Deployment:
    return Deployment(
        task=event.task,
        expert=event.expert,
        folder=folder / event.folder,
        version=event.version,
        stage=event.stage,
        share=event.share,
        since=event.at,
        reason=event.reason,
        router=folder / event.router if event.router else None,
        gate=event.gate,
        limits=Limits(**event.limits),
        before=before,
    )


def _event(line: bytes, place: str) -> Event:
    try:
        return Event(**json.loads(line))
    except (ValueError, TypeError) as error:
        raise DeploymentsDamaged(
            f"{place}: no line that was written: {error}", hint="put back the line, or the file from a backup"
        ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
