"""Datasets: frozen, hashed selections of the record, and what was built from which runs.

A dataset is a folder that appears whole or not at all and is never changed:

    datasets/mail-week47/
        train.jsonl             training rows as `speeddial.record.export` writes them; or parquet files
        manifest.json           what was selected, from which runs and models, and every file's hash

`Dataset.open` refuses a changed manifest, `Dataset.rows` and `Dataset.verify` a changed file. The trainer
notes the hash of its data beside an adapter, and that is how `uses_of` finds the adapters of a dataset.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from speeddial.errors import NotFound, UserError
from speeddial.filehash import sha256_of
from speeddial.jsonlines import read_objects
from speeddial.record.export import FORMS, ExportReport, Licences, export
from speeddial.record.selection import Selection
from speeddial.record.store import Record

MANIFEST = "manifest.json"
FOLDER = "datasets"
"""Name of the folder of all datasets, beside the record."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_ADAPTERS = ("experts/*/adapter/training.json", "agents/*/adapter/training.json")


class DatasetDamaged(UserError):
    """A dataset is not what was frozen."""

    code = "dataset_damaged"


@dataclass(frozen=True, kw_only=True)
class DatasetFile:
    """One file of a dataset."""

    name: str
    """Path within the dataset, with slashes."""
    sha256: str
    """``sha256:HEX`` of its bytes."""
    size: int
    """Bytes."""
    lines: int | None
    """Rows of a file of JSON lines; None for others."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A frozen selection of the record; made by `freeze`, read by `Dataset.open`."""

    path: Path
    name: str
    created: str
    """ISO 8601, UTC."""
    form: str
    """The files' form, see `speeddial.record.export`."""
    selection: dict[str, Any]
    """What was asked for: fields of `Selection` that were given."""
    files: tuple[DatasetFile, ...]
    lines: int
    """Rows of all files."""
    splits: dict[str, int]
    """Split -> rows."""
    runs: tuple[str, ...]
    """Ids of the runs that its rows come from."""
    interactions: tuple[int, ...]
    """Ids of the decodes that became rows."""
    models: dict[str, int]
    """Model that produced rows -> how many."""
    licences: dict[str, int]
    """Licence of the producing model -> rows; ``unknown`` where nobody said."""
    sources: dict[str, int]
    """decode; of pairs where they come from."""
    redactions: dict[str, int]
    """Rule -> secrets replaced in its rows."""
    skipped: dict[str, int]
    """Reason -> selected decodes that were left out."""
    speeddial: str
    """Version that froze it."""
    sha256: str
    """``sha256:HEX`` over all of the above but the path: names the dataset wherever it is copied."""

    @classmethod
    def open(cls, path: Path) -> Dataset:
        """Read a dataset's manifest.

        Raises:
            NotFound: there is no dataset in this folder.
            DatasetDamaged: the manifest was changed.
        """
        file = path / MANIFEST
        try:
            body = json.loads(file.read_bytes())
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(
                f"there is no dataset in {path}", hint="`speeddial data stats` lists them"
            ) from error
        except (OSError, ValueError) as error:
            raise _damaged(path, f"{MANIFEST} cannot be read ({error})") from error
        if not isinstance(body, dict) or body.get("sha256") != _hash_of(body):
            raise _damaged(path, f"{MANIFEST} is not as it was written")
        return cls(
            path=path,
            **{
                **body,
                "files": tuple(DatasetFile(**item) for item in body["files"]),
                "runs": tuple(body["runs"]),
                "interactions": tuple(body["interactions"]),
            },
        )

    def verify(self) -> None:
        """Compare every file with its hash.

        Raises:
            DatasetDamaged: a file was changed, is gone, or was added.
        """
        there = set(_names(self.path)) - {MANIFEST}
        if odd := there.symmetric_difference(file.name for file in self.files):
            raise _damaged(self.path, f"{', '.join(sorted(odd))} is gone or was added")
        for file in self.files:
            if _sha256(self.path / file.name) != file.sha256:
                raise _damaged(self.path, f"{file.name} is not as it was frozen")

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows of its JSON lines files, verified before the first one is given.

        Raises:
            DatasetDamaged: as `verify`.
        """
        self.verify()
        for file in self.files:
            if file.name.endswith(".jsonl"):
                for _, row in read_objects(self.path / file.name):
                    yield row

    def as_dict(self) -> dict[str, Any]:
        """JSON form: the manifest, and where it stands."""
        return {**_body(self), "path": str(self.path)}


@dataclass(frozen=True, kw_only=True)
class Use:
    """A dataset that holds runs, or an adapter that was trained on such a dataset."""

    kind: Literal["dataset", "adapter"]
    name: str
    """The dataset's name; of an adapter its folder in the project, such as ``experts/mail``."""
    path: Path
    runs: tuple[str, ...]
    """Those of the runs that were asked about."""
    dataset: str
    """The dataset's name, of an adapter the one that it was trained on."""

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path)}


def folder_of(record: Record) -> Path:
    """Where datasets of a record stand: beside it."""
    return record.folder / FOLDER


def datasets(folder: Path) -> list[Dataset]:
    """The datasets in a folder by name; their files are not looked at.

    Raises:
        DatasetDamaged: a manifest was changed.
    """
    return [Dataset.open(file.parent) for file in sorted(folder.glob(f"[!.]*/{MANIFEST}"))]


def freeze(
    record: Record,
    name: str,
    folder: Path,
    selection: Selection,
    *,
    label: str = "",
    form: str = "openai",
    test_share: float = 0.0,
    unproven: bool = False,
    licences: Licences | None = None,
) -> Dataset:
    """Freeze what a selection exports into a dataset.

    Args:
        name: lower-case letters, digits, ``. _ -``; the folder's name, and there may be none of it yet.
        folder: of all datasets, see `folder_of`; made when it is not there.
        selection: which decodes; without statuses those that exports take.
        label: only decodes that people gave this label.
        form, test_share, unproven, licences: see `speeddial.record.export.export`; spans are no dataset.

    Raises:
        UserError: a name that cannot be or is taken, nothing to freeze, or the disk refused.
        RecordError: the record cannot be read.
    """
    if form == "otlp":
        raise UserError(
            "spans are no training data",
            hint=f"forms: {', '.join(known for known in FORMS if known != form)}",
        )
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} cannot be a dataset's name",
            hint="use lower-case letters, digits and . _ - (at most 64)",
        )
    if (folder / name).exists():
        raise _taken(folder / name)
    if label:
        selection = replace(selection, label=label)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder, prefix=f".{name}."))
        try:
            report = export(
                record,
                draft if form == "parquet" else draft / "train.jsonl",
                form,
                selection,
                test_share=test_share,
                unproven=unproven,
                licences=licences,
            )
            dataset = _described(record, draft, name, report)
            _keep(draft, dataset)
            # A rename fails when the folder is there: of two that freeze under one name one wins.
            draft.rename(folder / name)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    except OSError as error:
        if (folder / name).exists():
            raise _taken(folder / name) from error
        raise UserError(
            f"dataset {name} cannot be written in {folder}: {error.strerror}", hint="name another folder"
        ) from error
    return replace(dataset, path=folder / name)


def uses_of(runs: Iterable[str], folder: Path, project: Path | None = None) -> list[Use]:
    """The datasets that hold any of these runs, each followed by the adapters trained on it.

    Args:
        folder: of the datasets.
        project: the project's root, in whose ``experts`` and ``agents`` adapters are looked for.

    Raises:
        DatasetDamaged: a manifest was changed.
    """
    wanted = set(runs)
    trained = list(_trained(project)) if project is not None else []
    found: list[Use] = []
    for dataset in datasets(folder):
        held = tuple(run for run in dataset.runs if run in wanted)
        if not held:
            continue
        found.append(
            Use(kind="dataset", name=dataset.name, path=dataset.path, runs=held, dataset=dataset.name)
        )
        own = {file.sha256 for file in dataset.files}
        for name, path, hashes in trained:
            if hashes & own:
                found.append(Use(kind="adapter", name=name, path=path, runs=held, dataset=dataset.name))
    return found


# ---- inside ----


def _described(record: Record, draft: Path, name: str, report: ExportReport) -> Dataset:
    """The dataset whose files stand in `draft`."""
    if not report.lines:
        left_out = ", ".join(f"{count} {reason}" for reason, count in report.skipped.items())
        raise UserError(
            f"nothing fits the selection{f'; left out: {left_out}' if left_out else ''}", hint="widen it"
        )
    for run in report.run_ids:
        if not record.database.read("SELECT 1 FROM runs WHERE id = ?", (run,)):
            raise UserError(f"run {run} was erased while it was being frozen", hint="freeze again")
    told = report.as_dict()
    dataset = Dataset(
        path=draft,
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        files=tuple(_file(draft, file) for file in _names(draft)),
        runs=tuple(sorted(report.run_ids)),
        interactions=tuple(sorted(report.interactions)),
        **{name: told[name] for name in ("form", "selection", "lines", "splits", "models", "licences")},
        **{name: told[name] for name in ("sources", "redactions", "skipped")},
        speeddial=metadata.version("speeddial"),
        sha256="",
    )
    return replace(dataset, sha256=_hash_of(_body(dataset)))


def _file(folder: Path, name: str) -> DatasetFile:
    path = folder / name
    lines = None
    if path.suffix == ".jsonl":
        with path.open("rb") as file:
            lines = sum(1 for _ in file)
    return DatasetFile(name=name, sha256=_sha256(path), size=path.stat().st_size, lines=lines)


def _names(folder: Path) -> list[str]:
    """Paths of all files within a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def _keep(draft: Path, dataset: Dataset) -> None:
    """Write the manifest, make everything read-only, and have the disk keep it."""
    (draft / MANIFEST).write_text(
        json.dumps(_body(dataset), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    for name in _names(draft):
        (draft / name).chmod(0o400)
        _sync(draft / name)
    _sync(draft)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _body(dataset: Dataset) -> dict[str, Any]:
    body = asdict(dataset)
    del body["path"]
    parsed: dict[str, Any] = json.loads(json.dumps(body))
    return parsed


def _hash_of(body: dict[str, Any]) -> str:
    """The hash of a manifest, over all of it but the hash itself."""
    rest = {key: item for key, item in body.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _sha256(*files: Path) -> str:
    """Over the files' bytes in order, as the trainer does it."""
    try:
        return sha256_of(files)
    except OSError as error:
        file = Path(error.filename)
        raise _damaged(file.parent, f"{file.name} cannot be read ({error.strerror})") from error


def _trained(project: Path) -> Iterator[tuple[str, Path, set[str]]]:
    """Name, folder and data hashes of every adapter of a project that says what it was trained on."""
    for pattern in _ADAPTERS:
        for file in sorted(project.glob(pattern)):
            try:
                data = json.loads(file.read_bytes())["data"]
                hashes = {data["sha256"], *data.get("sha256_each", ())}
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"{file} does not say what the adapter was trained on ({error!r})",
                    hint="restore it; lineage cannot be told without it",
                ) from error
            yield str(file.parent.parent.relative_to(project)), file.parent, hashes


def _taken(path: Path) -> UserError:
    return UserError(f"there is a dataset {path.name} already", hint="a dataset never changes: name another")


def _damaged(path: Path, what: str) -> DatasetDamaged:
    return DatasetDamaged(
        f"dataset {path.name} is damaged: {what}", hint=f"restore {path} from a copy, or freeze it anew"
    )
