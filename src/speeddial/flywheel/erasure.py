"""Erasing what the flywheel made of erased runs: artefacts that name them, and all that was made of those.

A version that serves stays until it is rolled back, with the classifier that finds its requests: an erasure
must not stop a service. Whoever erased is told, and the next erasure after the rollback takes it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from speeddial.errors import UserError
from speeddial.flywheel.artefact import MANIFEST, WORK
from speeddial.flywheel.deployment import Deployment, Deployments
from speeddial.workspace import write_whole

_RUN = re.compile(rb"\d{8}-\d{9}-[0-9a-p]{6,}")
_TEXTS = frozenset({".json", ".jsonl", ".md", ".toml"})
_GOING = ".erased."
"""Begins the name of a folder that is being deleted."""
_LATER = "erased.json"
"""Names what should be gone and serves: what it was made of is gone, so nothing else tells."""

Gone = Callable[[Collection[str]], bool]
"""Whether any of these runs was, or is to be, erased."""


@dataclass(frozen=True)
class Reached:
    """What an erasure reaches."""

    gone: tuple[str, ...] = ()
    """Names of folders that are deleted."""
    serving: Mapping[str, str] = field(default_factory=dict)
    """Name of a folder that stays -> which tasks it serves."""


def reached(folder: Path, gone: Gone) -> Reached:
    """What of the artefacts was made of erased runs.

    Args:
        folder: of all artefacts; need not be there.

    Raises:
        UserError: a file cannot be read, or the deployments are damaged.
    """
    if not folder.is_dir():
        return Reached()
    units = [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name != WORK]
    made_of = {path: _inputs(path) for path in units}
    hashes = {path: own for path, (own, _) in made_of.items()}
    later = _later(folder)
    found = {
        path for path in units if path.name.startswith(_GOING) or path.name in later or gone(_runs(path))
    }
    while more := {
        path for path in units if path not in found and made_of[path][1] & {hashes[one] for one in found}
    }:
        found |= more
    serving = {path.name: tasks for path, tasks in _serving(folder, hashes).items() if path in found}
    going = tuple(path.name for path in units if path in found and path.name not in serving)
    return Reached(going, serving)


def forget(folder: Path, gone: Gone) -> Reached:
    """Delete what of the artefacts was made of erased runs, and all unfinished work; safe to call again.

    Args, Raises: as `reached`; UserError when the disk refuses.
    """
    found = reached(folder, gone)
    try:
        if found.serving or _later(folder):
            write_whole(folder / _LATER, json.dumps(sorted(found.serving)).encode())
        for name in found.gone:
            path = folder / name
            if not name.startswith(_GOING):
                # Nobody finds half an artefact, whenever this is killed.
                path = path.rename(folder / f"{_GOING}{name}")
            shutil.rmtree(path)
        if found.gone or found.serving:
            shutil.rmtree(folder / WORK, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{folder} could not be erased: {error.strerror}", hint="call again to go on"
        ) from error
    return found


def _runs(folder: Path) -> set[str]:
    """The runs that a folder's texts name."""
    found: set[bytes] = set()
    for file in folder.rglob("*"):
        if file.suffix in _TEXTS and file.is_file():
            try:
                with file.open("rb") as lines:
                    for line in lines:
                        found.update(_RUN.findall(line))
            except OSError as error:
                raise UserError(
                    f"{file} cannot be read: {error.strerror}", hint="make it readable"
                ) from error
    return {run.decode() for run in found}


def _later(folder: Path) -> set[str]:
    file = folder / _LATER
    try:
        return set(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return set()
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: {error}", hint="it names what is to be erased; restore it") from error


def _inputs(folder: Path) -> tuple[str, set[str]]:
    """An artefact's hash and those of what it was made of; a damaged one has neither."""
    try:
        body = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return str(body["sha256"]), set(map(str, body["inputs"].values()))
    except (OSError, ValueError, KeyError, AttributeError):
        return str(folder), set()


def _serving(folder: Path, hashes: Mapping[Path, str]) -> dict[Path, str]:
    tasks: dict[Path, list[str]] = {}
    for task, deployment in Deployments(folder).live().items():
        for one in _pile(deployment):
            for path, own in hashes.items():
                if own == one.version or path == one.router:
                    tasks.setdefault(path, []).append(task)
    return {path: ", ".join(sorted(set(names))) for path, names in tasks.items()}


def _pile(deployment: Deployment | None) -> Iterator[Deployment]:
    while deployment is not None:
        yield deployment
        deployment = deployment.before
