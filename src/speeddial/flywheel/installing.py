"""S6, install: a version takes the place of a project's expert or planner, and gives it back byte for byte.

What stood in ``experts/NAME`` or ``agents/NAME`` is kept as an artefact first. The new folder is made beside
it and the two are exchanged at once, so whoever reads the project meanwhile finds one of them, whole. The
installed card names both the version and what it replaced: a kill between any two steps is seen there, and
the same command run again does the rest.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from speeddial.agent import Agent
from speeddial.errors import UserError
from speeddial.expert import Expert
from speeddial.flywheel.artefact import Artefact, made, named
from speeddial.flywheel.deployment import AGENTS, CARD
from speeddial.project import Project
from speeddial.workspace import write_whole

_KEPT = "expert"
"""Folder of the former expert in its artefact."""
_AGENT_CARD = "agent.toml"
_MODEL_CARD = "MODEL_CARD.md"
_FROM_VERSION = ("model", "threshold", "version")
"""What of a version's card goes into the project's, besides prompt and weights; all else stays as it is."""
_EXCHANGE = 2
"""RENAME_EXCHANGE of Linux's renameat2."""
_HERE = -100
"""AT_FDCWD."""


def install(project: Project, place: Path, version: str, artefacts: Path) -> Artefact | None:
    """Put a version in the place of the project's expert, or agent, of its name.

    Args:
        place: the version's folder of it, below `EXPERTS` or `AGENTS`.
        version: hash of its `train` artefact.
        artefacts: folder of all artefacts.

    Returns:
        What stood there, as an artefact of the step `snapshot`; None when the version stands there already.

    Raises:
        UserError: the version does not call all of the expert's tools; or the disk refused.
        ProjectError: one of the two cards does not load.
    """
    target = place_in(project, place)
    if installed(target).get("version") == version:
        return None
    return (_install_agent if place.parent.name == AGENTS else _install_expert)(
        project, place, target, version, artefacts
    )


def _install_expert(project: Project, expert: Path, target: Path, version: str, artefacts: Path) -> Artefact:
    new, present = Expert.from_card(expert / CARD), Expert.from_card(target / CARD)
    if missing := set(present.tools) - set(new.tools):
        raise UserError(
            f"the version of {expert.name} does not call {', '.join(sorted(missing))}",
            hint="its card was changed meanwhile; collect and train anew",
        )
    kept = _snapshot(target, artefacts)
    card = _card(expert, target, version, kept)
    card["schema_hash"] = present.tools_hash(project.tools)
    with _beside(target) as draft:
        for file in expert.iterdir():
            if file.is_file() and file.name != CARD:
                shutil.copyfile(file, draft / file.name)
        for key, folder in (("adapter", new.adapter), ("weights", new.weights)):
            if folder is not None:
                shutil.copytree(folder, draft / key)
                card[key] = key
        _finish(draft, target, card, new.prompt, expert)
    return kept


def _install_agent(_project: Project, agent: Path, target: Path, version: str, artefacts: Path) -> Artefact:
    new = Agent.from_card(agent / _AGENT_CARD)
    kept = _snapshot(target, artefacts)
    card = _card(agent, target, version, kept)
    with _beside(target) as draft:
        # Its cases stay beside it: they are the project's, whoever plans.
        shutil.copytree(target, draft, dirs_exist_ok=True)
        shutil.rmtree(draft / "adapter", ignore_errors=True)
        if new.adapter is not None:
            shutil.copytree(new.adapter, draft / "adapter")
            card["adapter"] = "adapter"
        _finish(draft, target, card, new.prompt, agent)
    return kept


def _card(new: Path, target: Path, version: str, kept: Artefact) -> dict[str, Any]:
    """The installed card, less its weights."""
    name = _card_of(target)
    card = tomllib.loads((target / name).read_text(encoding="utf-8"))
    for key in ("adapter", "weights", "definitions", "prompt", "model"):
        card.pop(key, None)
    theirs = tomllib.loads((new / name).read_text(encoding="utf-8"))
    card |= {key: theirs[key] for key in _FROM_VERSION if key in theirs}
    card["provenance"] = {
        **theirs.get("provenance", {}),
        "flywheel_version": version,
        "flywheel_replaced": kept.sha256,
    }
    return card


def _finish(draft: Path, target: Path, card: Mapping[str, Any], prompt: str, new: Path) -> None:
    """Prompt, model card (its licence is asked for) and card, and then the exchange."""
    (draft / "prompt.md").write_text(f"{prompt}\n", encoding="utf-8")
    if (new.parents[1] / _MODEL_CARD).is_file():
        shutil.copyfile(new.parents[1] / _MODEL_CARD, draft / _MODEL_CARD)
    write_whole(draft / _card_of(target), toml(card).encode())
    _exchange(draft, target)


def uninstall(project: Project, place: Path, version: str, artefacts: Path) -> bool:
    """Give the project's expert or agent back; gives whether this version stood there.

    Args:
        place: the version's folder of it; need not be there any more.

    Raises:
        NotFound, ArtefactDamaged: what it replaced was not kept.
        UserError: the disk refused.
    """
    target = place_in(project, place)
    told = installed(target)
    if told.get("version") != version:
        return False
    kept = named(artefacts, told["replaced"])
    with _beside(target) as draft:
        shutil.copytree(kept.path / _KEPT, draft, dirs_exist_ok=True)
        _exchange(draft, target)
    return True


def place_in(project: Project, place: Path) -> Path:
    """Where in a project a version's folder of an expert or agent belongs."""
    return project.root / place.parent.name / place.name


def installed(folder: Path) -> dict[str, str]:
    """Hashes of the ``version`` in an expert's or agent's folder and of what it ``replaced``; or empty."""
    try:
        card = tomllib.loads((folder / _card_of(folder)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    told = card.get("provenance", {})
    names = ("version", "replaced")
    return {name: told[f"flywheel_{name}"] for name in names if f"flywheel_{name}" in told}


def _card_of(folder: Path) -> str:
    return _AGENT_CARD if folder.parent.name == AGENTS else CARD


def toml(values: Mapping[str, Any]) -> str:
    """A card's values as TOML; a table comes last."""
    plain = [f"{key} = {_value(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for key, table in values.items():
        if isinstance(table, dict):
            plain += ["", f"[{key}]", *(f"{name} = {_value(value)}" for name, value in table.items())]
    return "\n".join(plain) + "\n"


def _value(value: Any) -> str:
    """TOML's texts, numbers, lists and inline tables; its texts are JSON's with one more escape."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str | int | float):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)  # dates and times, which TOML writes as Python does


def _snapshot(target: Path, artefacts: Path) -> Artefact:
    """An expert's or agent's folder as an artefact; the same folder gives the same one."""
    digest = hashlib.sha256()
    for file in sorted(target.rglob("*")):
        if file.is_file():
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(target).as_posix()} {content}\n".encode())

    def make(draft: Path) -> Mapping[str, Any]:
        shutil.copytree(target, draft / _KEPT)
        return {"expert": target.name}

    inputs = {target.parent.name: f"sha256:{digest.hexdigest()}"}
    return made(artefacts, "snapshot", inputs, {"expert": target.name}, make)


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """An empty folder on the disk of another, gone when the block ends; what is in it then is thrown away."""
    # One level deeper than a project looks for experts: what a killed try left must not count as one.
    aside = target.parent / f".{target.name}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        (aside / target.name).mkdir(parents=True)
        (aside / target.name).chmod(target.stat().st_mode)
        yield aside / target.name
    except OSError as error:
        raise UserError(f"{target} cannot be replaced: {error}", hint="free the disk") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> None:
    """Exchange two folders at once; where the system cannot, by two renames with a blink between them."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None and rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return
    aside = one.with_name(f"{one.name}.aside")
    other.rename(aside)
    one.rename(other)
    aside.rename(one)
