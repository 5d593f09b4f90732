"""Models by name: ``engine:name`` strings and the table of engines behind them.

An engine's library is imported only when a model of that engine is asked for, so this package stays light.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from operator import attrgetter
from pathlib import Path
from typing import Any

from speeddial.errors import UserError
from speeddial.models.model import Canary, Completion, Model, Receipt, Request

__all__ = [
    "ENGINES",
    "NGRAMS",
    "Canary",
    "Completion",
    "Engine",
    "Model",
    "Receipt",
    "Request",
    "is_folder",
    "load_model",
    "missing_packages",
    "on_embedded_base",
]


@dataclass(frozen=True)
class Engine:
    """One row of the engine table."""

    factory: str
    """``module:attribute`` of what is called with the text after the engine's colon."""
    form: str
    """How a model of this engine is written."""
    packages: tuple[str, ...] = ()
    """Importable packages that a default install lacks."""
    extra: str = ""
    """The extra of this distribution that brings them."""


ENGINES: dict[str, Engine] = {
    "embedded": Engine("speeddial.models.embedded:EmbeddedModel", "embedded:NAME or FOLDER"),
    "classifier": Engine(
        "speeddial.models.classifier:ClassifierModel", "classifier:BASE or classifier:ngrams"
    ),
    "tagger": Engine("speeddial.models.tagger:TaggerModel", "tagger:FOLDER"),
    "scripted": Engine("speeddial.models.scripted:Scripted.named", "scripted[:NAME or FILE.json]"),
    "transformers": Engine(
        "speeddial.models.transformers:TransformersModel",
        "transformers:FOLDER",
        ("torch", "transformers", "peft"),
        "transformers",
    ),
    "vllm": Engine("speeddial.models.vllm:VLLMModel", "vllm:NAME@URL", ("openai",), "openai"),
    "vllm-offline": Engine(
        "speeddial.models.vllm_offline:VLLMOfflineModel", "vllm-offline:FOLDER", ("vllm",), "vllm"
    ),
    "openai": Engine("speeddial.models.openai:OpenAIModel", "openai:NAME[@URL]", ("openai",), "openai"),
    "ollama": Engine("speeddial.models.openai:OllamaModel", "ollama:NAME[@URL]", ("openai",), "openai"),
}

NGRAMS = "ngrams"
"""``classifier:ngrams`` goes by the spelling alone and needs no base."""

_loaded: dict[tuple[str, Path | None], Model] = {}
_loading = threading.Lock()


def on_embedded_base(spec: str) -> bool:
    """Whether a model runs on a base of this package's cache, which can be pulled."""
    engine, _, name = spec.partition(":")
    return (engine == "embedded" and not is_folder(spec)) or (engine == "classifier" and name != NGRAMS)


def missing_packages(engine: Engine) -> list[str]:
    """The packages of this engine that cannot be imported here."""
    return [package for package in engine.packages if find_spec(package) is None]


def is_folder(spec: str) -> bool:
    """Whether this is a model in a folder of its own: a tagger, or embedded; no base has a slash in it."""
    engine, _, name = spec.partition(":")
    return engine == "tagger" or (engine == "embedded" and "/" in name)


def load_model(spec: str, root: Path = Path(), **options: Any) -> Model:
    """The model that an ``engine:name`` string stands for.

    A spec without options gives the same object every time in this process, so that the experts on one
    base share its weights, its canary and its connections.

    Args:
        spec: such as ``embedded:smollm2-135m-instruct``, ``embedded:experts/home/model``,
            ``tagger:FOLDER``, ``vllm:base@http://127.0.0.1:8000`` or ``scripted``.
        root: the project's folder, where a relative folder in the name of a model starts.
        options: passed on to the engine's class; see there.

    Raises:
        UserError: no such engine, a name of the wrong form, or an engine whose packages are not installed.
        EngineUnreachable: model files are missing.
    """
    head, _, name = spec.partition(":")
    engine = ENGINES.get(head)
    if engine is None:
        raise UserError(
            f"model {spec!r}: there is no engine {head!r}; valid: {', '.join(ENGINES)}",
            hint=f"write the model as one of: {', '.join(row.form for row in ENGINES.values())}",
        )
    missing = missing_packages(engine)
    if missing:
        raise UserError(
            f'model {spec!r} needs {" and ".join(missing)}: pip install "speeddial[{engine.extra}]"'
        )
    place = root.resolve() if is_folder(spec) else None
    if place:
        options["root"] = place
    elif options:
        return _build(engine, name, options)
    with _loading:
        model = _loaded.get((spec, place))
        # A scripted model may be registered anew under its name, hence never served from the cache.
        if model is None or head == "scripted":
            model = _build(engine, name, options)
            _loaded[spec, place] = model
        return model


def _build(engine: Engine, name: str, options: dict[str, Any]) -> Model:
    module, _, attribute = engine.factory.partition(":")
    model = attrgetter(attribute)(import_module(module))(name, **options)
    if not isinstance(model, Model):
        raise TypeError(f"{engine.factory} gave {type(model).__name__}, not a Model")
    return model
