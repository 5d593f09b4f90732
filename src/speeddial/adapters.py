"""Whether the model in use has an expert's weights: in an adapter made for it, or as a model of its own."""

from __future__ import annotations

from pathlib import Path
from weakref import WeakKeyDictionary

from speeddial.errors import EngineError
from speeddial.models import Model, is_folder, load_model

_BY_FOLDER = frozenset({"transformers", "vllm-offline"})

CLASSIFIER = "classifier"
"""The engine whose adapters hold label sets, which mean nothing to the others."""

_served: WeakKeyDictionary[Model, list[str]] = WeakKeyDictionary()


async def is_tuned(name: str, adapter: Path | None, made_for: str, model: str) -> bool:
    """Whether this model is tuned for an expert, by an adapter or as its own; if not, it is asked untuned.

    A folder that the card names is a model of the expert's own. An embedded base takes adapters made for it,
    a classifier those made for classifiers, a model in a folder takes every other (one that does not fit its
    sizes is an error there), a vLLM server those that it was started with. Other engines take none.

    Args:
        name: of the expert or agent, under which a server knows the adapter.
        adapter: its folder.
        made_for: the model on the card beside the adapter; empty when the card names none.
        model: the model in use, ``engine:name``.
    """
    engine, _, base = model.partition(":")
    if adapter is None:
        return is_folder(model) and model == made_for
    if CLASSIFIER in (engine, made_for.partition(":")[0]):
        return made_for.partition(":")[0] == engine
    if engine == "embedded":
        return not made_for or made_for.partition(":")[2] == base
    if engine == "vllm":
        return name in await _served_by(load_model(model))
    return engine in _BY_FOLDER


async def _served_by(model: Model) -> list[str]:
    """What a vLLM server serves; asked once for each server."""
    from speeddial.models.vllm import VLLMModel

    if model not in _served:
        if not isinstance(model, VLLMModel):
            return []
        try:
            _served[model] = await model.served()
        except EngineError:
            # The call itself will say what is wrong with the server, with its retries.
            return []
    return _served[model]
