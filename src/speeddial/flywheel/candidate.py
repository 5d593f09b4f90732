"""A candidate: a size of model that may serve tasks, with what training it takes and what it may take."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from speeddial.errors import NotFound, UserError
from speeddial.models.base_model import DEFAULT_BASE, find_base
from speeddial.record.export.licences import both, licence_in
from speeddial.record.export.report import UNKNOWN
from speeddial.scaffold import starter
from speeddial.settings import Settings

Kind = Literal["tagger", "scratch", "lora"]
EMBEDDED = f"embedded:{DEFAULT_BASE}"
VOCABULARY = 2048
SMALL_TOKENS = 8_000_000
"""From which on `small`, which begins from nothing, may learn more than `tiny`. With 1.9 M a model from
nothing has hardly begun to copy from its requests (docs/flywheel.md)."""
SHARES = {"tagger": 0.6}
"""Of the tokens, by candidate. A tagger's are words of requests: fifteen passes over 8,000 of them take 1.3
million, and some minutes (docs/flywheel.md)."""
MEMBERS = 4
"""Of a tagger. One alone serves, by its beginning, 36 to 45 % of the story's unseen requests, the four 50."""
SHARE = 0.2
"""Of the tokens, for each other one but the largest."""
TAGGED = "a tagger learns more from as many tokens"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What the training of a version may take."""

    max_tokens: int = 2_000_000
    """Tokens of rows that pass through the models, prompts included, of all candidates together."""
    max_minutes: float = 80.0
    """Of training; the schedule is cut to end in time by the speed that is measured."""
    max_memory: float = 0.0
    """GiB; 0 for as much as there is."""
    licences: tuple[str, ...] = ()
    """SPDX names that a version may come under; any known one unless given."""


BUDGET = Budget()


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One of a plan's models, smallest first."""

    name: str
    kind: Kind
    model: str = ""
    """Engine and base that an adapter is served on; empty for a model of its own."""
    base: str = ""
    """What training begins from, a Hugging Face folder: an adapter's base, or a model of the same sizes whose
    layers know already how to copy from a request; empty for one from nothing."""
    init: str = ""
    """Folder of an adapter on that base to begin from: the one that is to become better, or one that calls
    tools already."""
    parameters: int
    """All that are computed for a token, the base's too."""
    memory: float
    """GiB that training takes, estimated."""
    licence: str = ""
    """Of what it begins from; empty when that is nothing."""
    max_tokens: int = 0
    """Its share of the budget."""
    passes: float = 3.0
    """How often each sample is learnt from; fewer times where the tokens do not suffice."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the trainer's own."""
    obstacle: str = ""
    """Why it is not trained, whatever the gate would say."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def candidates(settings: Settings, budget: Budget, licence: str, untaggable: str = "") -> list[Candidate]:
    """Every candidate there is here, smallest first.

    Args:
        settings: `bases` names those beside the embedded one.
        budget: what they may take.
        licence: of the answers that are learnt from.
        untaggable: why a tagger cannot learn them.
    """
    embedded = find_base()
    tagger = _limited(_tagger(settings, embedded is not None, untaggable), budget, licence)
    instead = "" if tagger.obstacle else TAGGED
    found = [
        tagger,
        _scratch(obstacle=instead),
        _scratch(name="small", width=160, layers=5, obstacle=instead),
    ]
    folder = str(embedded.folder / "huggingface") if embedded else ""
    bases = {EMBEDDED: settings.bases.get(EMBEDDED, folder), **settings.bases}
    found += [_lora(model, folder, settings) for model, folder in bases.items()]
    limited = sorted((_limited(one, budget, licence) for one in found), key=lambda one: one.parameters)
    able = [one for one in limited if not one.obstacle]
    # A small one is a try; what it does not learn with its share, it does not learn with twice as much.
    shares = {one.name: round(SHARES.get(one.name, SHARE) * budget.max_tokens) for one in able[:-1]}
    shares |= {one.name: budget.max_tokens - sum(shares.values()) for one in able[-1:]}
    # Whoever names one in whose place a tagger is tried means it, and it has all there are.
    shares |= {one.name: budget.max_tokens for one in limited if one.obstacle == TAGGED}
    return [replace(one, max_tokens=shares.get(one.name, 0)) for one in limited]


def named(rows: Collection[Mapping[str, Any]], name: str) -> Candidate:
    """The candidate of a plan.

    Args:
        name: empty for the smallest that nothing stands against.

    Raises:
        NotFound: there is none of this name, or none that may be trained.
        UserError: something stands against it.
    """
    found = [Candidate(**row) for row in rows]
    if name:
        chosen = next((one for one in found if one.name == name), None)
        if chosen is None:
            raise NotFound(
                f"no candidate {name!r}", hint=f"the plan has {', '.join(one.name for one in found)}"
            )
        if chosen.obstacle and chosen.obstacle != TAGGED:
            raise UserError(f"{name}: {chosen.obstacle}", hint="`speeddial data select` with other limits")
        return chosen
    for one in found:
        if not one.obstacle:
            return one
    raise NotFound(
        f"no candidate may be trained: {'; '.join(f'{one.name}: {one.obstacle}' for one in found)}",
        hint="`speeddial data select` with other limits",
    )


def _tagger(settings: Settings, based: bool, obstacle: str) -> Candidate:
    """A network that reads the request once and writes no token: the cheapest to train and to serve.

    Args:
        based: whether the base is here, whose vectors of words it reads.
    """
    from speeddial.record.export import Licences

    return Candidate(
        name="tagger",
        kind="tagger",
        # Of each member two layers of two LSTMs, 128 wide, and their inputs; words' vectors are looked up.
        parameters=MEMBERS * 850_000,
        memory=1.2,
        licence=Licences(settings.licences).of(EMBEDDED, "") if based else "",
        passes=15.0,
        recipe={
            "batch": 32,
            "lr": 2e-3,
            "warmup": 100,
            "base": DEFAULT_BASE if based else "",
            "members": MEMBERS,
        },
        obstacle=obstacle,
    )


def _scratch(name: str = "tiny", *, width: int = 128, layers: int = 4, obstacle: str = "") -> Candidate:
    """A model of its own. The tiny one begins from the one that the starter project's `home` has."""
    begun = starter() / "experts" / "home" / "model"
    begins = name == "tiny" and (begun / "model.safetensors").is_file()
    feed_forward = round(width * 8 / 3 / 32) * 32
    parameters = VOCABULARY * width + layers * (4 * width**2 + 3 * width * feed_forward + 2 * width) + width
    return Candidate(
        name=name,
        kind="scratch",
        base=str(begun) if begins else "",
        parameters=parameters,
        # Weights, gradients and AdamW's two averages in fp32, and torch itself with what a batch computes.
        memory=round(1.0 + 16 * parameters / 2**30, 1),
        licence=licence_in(begun.parent) if begins else "",
        passes=20.0,
        obstacle=obstacle,
        recipe={
            "width": width,
            "layers": layers,
            # The engine's attention takes heads of 16, 32, 48 ... numbers.
            "heads": width // 32,
            "vocabulary": VOCABULARY,
            "batch": 16,
            "lr": 3e-3 if begins else 4e-3,
            "warmup": 100,
        },
    )


def _lora(model: str, folder: str, settings: Settings) -> Candidate:
    from speeddial.record.export import Licences

    if not folder:
        obstacle = "the base is not here: `speeddial models pull`"
    elif model != EMBEDDED and not (Path(folder) / "config.json").is_file():
        obstacle = f"{folder} holds no model in Hugging Face form"
    else:
        obstacle = ""
    parameters = 134_515_008 if model == EMBEDDED else _size(Path(folder))
    licence = Licences(settings.licences).of(model, "")
    # Loss after 35,000 tokens of the story: 0.39 from there, 0.54 from nothing; after 65,000 0.21 and 0.26.
    begun = starter() / "experts" / "caller" / "adapter"
    begins = model == EMBEDDED and (begun / "adapter_model.safetensors").is_file()
    return Candidate(
        name="lora" if model == EMBEDDED else f"lora-{_plain(model)}",
        kind="lora",
        model=model,
        base=folder,
        init=str(begun) if begins else "",
        parameters=parameters,
        memory=round(2.0 + 4 * parameters / 2**30, 1),
        licence=both(licence, licence_in(begun.parent)) if begins else licence,
        recipe={"batch": 16, "warmup": 40, "micro_tokens": 4096},
        obstacle=obstacle,
    )


def _size(folder: Path) -> int:
    """Parameters of a folder, by its weights' bytes and their type."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0
    each = 4 if config.get("dtype", config.get("torch_dtype")) == "float32" else 2
    return sum(file.stat().st_size for file in folder.glob("*.safetensors")) // each


def _plain(model: str) -> str:
    """``vllm:org/Name@http://...`` as ``name``."""
    return model.partition(":")[2].partition("@")[0].rpartition("/")[2].lower()


def _limited(one: Candidate, budget: Budget, licence: str) -> Candidate:
    obstacle = one.obstacle
    under = both(one.licence, licence) if one.licence else licence
    if not obstacle and one.name == "small" and budget.max_tokens < SMALL_TOKENS:
        obstacle = f"begins from nothing: takes {SMALL_TOKENS:,} tokens, {budget.max_tokens:,} are allowed"
    if not obstacle and budget.max_memory and one.memory > budget.max_memory:
        obstacle = f"takes {one.memory:g} GiB, {budget.max_memory:g} are allowed"
    if not obstacle and budget.licences and not set(under.split(" AND ")) <= set(budget.licences):
        obstacle = f"comes under {under}, allowed: {', '.join(budget.licences)}"
    if not obstacle and one.licence == UNKNOWN:
        obstacle = f"the licence of {one.model} is not known: `licences` in the settings names it"
    return replace(one, obstacle=obstacle)
