"""An artefact: what one step of the flywheel leaves behind, frozen and hashed, with the names of its inputs.

    flywheel/curate-5d0c2f41a9b3/
        kept.jsonl, dropped.jsonl, ...   what the step made
        manifest.json                    step, inputs, parameters, report, and every file's hash

The folder's name is the hash of step, inputs and parameters, and it appears whole or not at all. So a step
that is asked for again is found done, and one that was killed begins anew: nothing half made is ever read.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from speeddial.errors import NotFound, UserError
from speeddial.filehash import sha256_of

MANIFEST = "manifest.json"
FOLDER = "flywheel"
"""Name of the folder of all artefacts, beside the record."""
WORK = ".work"
"""Folder beside the artefacts for what long steps keep so that they can go on; nothing reads it but they."""
_DRAFT = ".draft"


class ArtefactDamaged(UserError):
    """An artefact is not what a step made."""

    code = "artefact_damaged"


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """What a step made; found by `Artefact.open`, made by `made`."""

    path: Path
    step: str
    inputs: Mapping[str, str]
    """What it was made of: name -> hash."""
    parameters: Mapping[str, Any]
    report: Mapping[str, Any]
    """What the step has to tell: counts and reasons."""
    files: Mapping[str, str]
    """Path within the artefact -> ``sha256:HEX``."""
    created: str
    """ISO 8601, UTC."""
    sha256: str
    """Over step, inputs, parameters and files: equal for equal results, whenever they were made."""

    @classmethod
    def open(cls, path: Path) -> Artefact:
        """Read and verify an artefact.

        Raises:
            NotFound: there is none in this folder.
            ArtefactDamaged: something in it was changed.
        """
        try:
            body = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"there is no artefact in {path}", hint="run the step before this one") from error
        except ValueError as error:
            raise _damaged(path, f"{MANIFEST} is not JSON") from error
        found = cls(path=path, **body)
        if found.sha256 != _hash(found.step, found.inputs, found.parameters, found.files):
            raise _damaged(path, f"{MANIFEST} is not as it was written")
        for name, digest in found.files.items():
            if not (path / name).is_file() or sha256_of([path / name]) != digest:
                raise _damaged(path, f"{name} is gone or was changed")
        return found

    def file(self, name: str) -> Path:
        """One of its files.

        Raises:
            NotFound: it has none of this name.
        """
        if name not in self.files:
            raise NotFound(
                f"{self.path} has no {name}", hint=f"it has {', '.join(sorted(self.files)) or 'nothing'}"
            )
        return self.path / name

    def as_dict(self) -> dict[str, Any]:
        """JSON form, with where it stands."""
        return {**_body(self), "path": str(self.path)}


def made(
    folder: Path,
    step: str,
    inputs: Mapping[str, str],
    parameters: Mapping[str, Any],
    make: Callable[[Path], Mapping[str, Any]],
) -> Artefact:
    """The artefact of a step: found when it was made before, else made now.

    Args:
        folder: of all artefacts.
        step: name of the step.
        inputs: name -> hash of all that it is made of.
        parameters: all else that decides the result, as JSON.
        make: writes the files into the folder that it is given, and gives the report.

    Raises:
        ArtefactDamaged: it is there and was changed.
        UserError: the disk refused. Whatever `make` raises.
    """
    parameters = json.loads(json.dumps(parameters))
    path = folder / name_of(step, inputs, parameters)
    if path.is_dir():
        return Artefact.open(path)
    try:
        (folder / WORK).mkdir(mode=0o700, parents=True, exist_ok=True)
        _clear(folder)
        # Whoever is asked for the same meanwhile waits, and finds it.
        lock = _lock(folder, path.name)
        lock.acquire()
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}", hint="free the disk") from error
    draft = folder / f".{path.name}{_DRAFT}"
    try:
        if path.is_dir():
            return Artefact.open(path)
        draft.mkdir(mode=0o700)
        report = json.loads(json.dumps(make(draft)))
        files = {
            file.relative_to(draft).as_posix(): sha256_of([file])
            for file in sorted(draft.rglob("*"))
            if file.is_file()
        }
        artefact = Artefact(
            path=path,
            step=step,
            inputs=dict(inputs),
            parameters=parameters,
            report=report,
            files=files,
            created=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            sha256=_hash(step, inputs, parameters, files),
        )
        text = json.dumps(_body(artefact), indent=1, ensure_ascii=False)
        (draft / MANIFEST).write_text(f"{text}\n", encoding="utf-8")
        draft.rename(path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    finally:
        lock.release()
    return artefact


@contextmanager
def at_work(folder: Path, name: str) -> Iterator[None]:
    """Hold a work folder, so that no other process trains in it.

    Args:
        folder: of all artefacts.
        name: of the work folder.

    Raises:
        UserError: another process holds it.
    """
    (folder / WORK).mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _lock(folder, f"{name}.work", 0)
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(f"{name} is being made by another process", hint="wait until it has ended") from error
    try:
        yield
    finally:
        lock.release()


def _lock(folder: Path, name: str, timeout: float = -1) -> FileLock:
    return FileLock(folder / WORK / f"{name}.lock", timeout=timeout, mode=0o600)


def _clear(folder: Path) -> None:
    """Delete what killed steps left behind; it holds people's texts, and nobody reads it again."""
    for left in folder.glob(f".*{_DRAFT}"):
        with suppress(Timeout), _lock(folder, left.name.removeprefix(".").removesuffix(_DRAFT), 0):
            shutil.rmtree(left, ignore_errors=True)


def name_of(step: str, inputs: Mapping[str, str], parameters: Mapping[str, Any]) -> str:
    """Folder name of a step's artefact, made or not.

    Args:
        inputs, parameters: as for `made`.
    """
    digest = _hash(step, inputs, json.loads(json.dumps(parameters)), {})
    return f"{step}-{digest.removeprefix('sha256:')[:12]}"


_OF_DATA = ("collect", "curate", "cluster", "select")
"""Steps whose command is one of `speeddial data`."""


def newest(folder: Path, step: str) -> Artefact:
    """The artefact of a step that was made last.

    Raises:
        NotFound: there is none.
        ArtefactDamaged: it was changed.
    """
    found = [Artefact.open(file.parent) for file in folder.glob(f"{step}-*/{MANIFEST}")]
    if not found:
        command = f"data {step}" if step in _OF_DATA else step
        raise NotFound(f"{folder} has no artefact of {step!r}", hint=f"run `speeddial {command}`")
    return max(found, key=lambda artefact: (artefact.created, artefact.path.stat().st_mtime_ns))


def named(folder: Path, sha256: str) -> Artefact:
    """The artefact of a hash.

    Raises:
        NotFound: there is none.
        ArtefactDamaged: it was changed.
    """
    for file in folder.glob(f"*/{MANIFEST}"):
        if sha256 in file.read_text(encoding="utf-8"):
            artefact = Artefact.open(file.parent)
            if artefact.sha256 == sha256:
                return artefact
    raise NotFound(f"{folder} has no artefact {sha256[:19]}", hint="it was deleted; run its step again")


def _hash(
    step: str, inputs: Mapping[str, str], parameters: Mapping[str, Any], files: Mapping[str, str]
) -> str:
    told = json.dumps([step, inputs, parameters, files], sort_keys=True, ensure_ascii=False)
    return f"sha256:{hashlib.sha256(told.encode()).hexdigest()}"


def _body(artefact: Artefact) -> dict[str, Any]:
    return {name: value for name, value in vars(artefact).items() if name != "path"}


def _damaged(path: Path, what: str) -> ArtefactDamaged:
    return ArtefactDamaged(
        f"{path.name} is damaged: {what}", hint=f"delete {path}, and run its step and those after it again"
    )
