"""Whether the model in use has an expert's weights: in an adapter made for it, or as a model of its own."""

from __future__ import annotations

from pathlib import Path

from speeddial.models import Model, is_folder, load_model

_BY_FOLDER = frozenset({"transformers", "vllm-offline"})

CLASSIFIER = "classifier"
"""The engine whose adapters hold label sets, which mean nothing to the others."""


async def is_tuned(name: str, adapter: Path | None, made_for: str, model: str) -> bool:
    """Whether this model is tuned for an expert, by an adapter or as its own; if not, it is asked untuned.

    A folder that the card names is a model of the expert's own. An embedded base takes adapters made for it,
    a classifier those made for classifiers, a model in a folder takes every other (one that does not fit its
    sizes is an error there), a vLLM server those made for it, those that it has and those that it loads when
    told to. Other engines take none.

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
        # What was made for this server is never asked untuned: without its weights the call is an error.
        return made_for == model or await _is_served(load_model(model), adapter, name)
    return engine in _BY_FOLDER


async def _is_served(model: Model, adapter: Path, name: str) -> bool:
    from speeddial.models.vllm import VLLMModel

    return isinstance(model, VLLMModel) and await model.has(adapter, name)
