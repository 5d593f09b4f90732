"""Preference training: pairs turn a model round, a stopped one goes on, and what is no pair is named."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

import torch
from safetensors.torch import load_file
from test_train import RECIPE, base  # noqa: F401 - a fixture

from speeddial.flywheel.dataset import ChatEncoder, DatasetError
from speeddial.flywheel.lora import LoraShape, attach, load_adapter, load_base
from speeddial.flywheel.train import train

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
PREFER = replace(RECIPE, beta=0.3, lr=5e-3, steps=30)
PLACES = ["hall", "yard", "attic", "cellar", "porch", "study"]


def pair(place: str) -> dict[str, object]:
    prompt = [{"role": "system", "content": "Switch."}, {"role": "user", "content": f"dark in the {place}"}]
    said = {"chosen": "on", "rejected": "off"}
    answers = {name: [{"role": "assistant", "content": word}] for name, word in said.items()}
    return {"prompt": prompt, **answers}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    file.write_text("".join(json.dumps(pair(place)) + "\n" for place in PLACES[:4]) * 4, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def wrong(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """An adapter that learnt the worse answers."""
    folder = tmp_path_factory.mktemp("wrong")
    rows = [{"id": place, "messages": [*pair(place)["prompt"], *pair(place)["rejected"]]} for place in PLACES]  # type: ignore[misc]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows * 4), encoding="utf-8")
    recipe = replace(RECIPE, lr=2e-2, steps=40)
    train([folder / "rows.jsonl"], base, folder / "adapter", recipe, device="cpu")
    return folder / "adapter"


def preferred(base: Path, adapter: Path) -> list[float]:  # noqa: F811
    """How much likelier the better answer is to each request, those among them that no pair has."""
    encoder = ChatEncoder(base / "tokenizer.json")
    model = attach(load_base(base, "float32", "eager"), LoraShape(RECIPE.r, RECIPE.alpha))
    load_adapter(model, adapter)
    model.eval()
    found = []
    for place in PLACES:
        said = []
        for name in ("chosen", "rejected"):
            example = encoder.example("", [*pair(place)["prompt"], *pair(place)[name]])  # type: ignore[misc]
            with torch.no_grad():
                logs = model(torch.tensor([example.tokens])).logits[0].log_softmax(-1)
            said.append(sum(float(logs[at - 1, example.tokens[at]]) for at in example.targets))
        found.append(said[0] - said[1])
    return found


def test_pairs_turn_a_model_round(base: Path, pairs: Path, wrong: Path, tmp_path: Path) -> None:  # noqa: F811
    losses: list[float] = []
    done = train(
        [pairs],
        base,
        tmp_path / "out",
        PREFER,
        init=wrong,
        device="cpu",
        report_every=1,
        progress=lambda at: losses.append(at.loss),
    )
    before, after = preferred(base, wrong), preferred(base, tmp_path / "out")
    assert done.finished and max(before) < 0 < min(after)
    # Where training begins, its weights prefer nothing over themselves: the loss is log 2 and the anchor.
    assert losses[0] > math.log(2) and losses[-1] < losses[0] / 2


def test_a_stopped_training_goes_on_bit_for_bit(
    base: Path,  # noqa: F811
    pairs: Path,
    wrong: Path,
    tmp_path: Path,
) -> None:
    recipe = replace(PREFER, steps=3)
    train([pairs], base, tmp_path / "once", recipe, init=wrong, device="cpu")
    stages = 0
    while not train(
        [pairs], base, tmp_path / "parts", recipe, init=wrong, device="cpu", max_minutes=0.0
    ).finished:
        stages += 1
    assert stages == 2
    once, parts = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("once", "parts"))
    assert all(torch.equal(once[name], parts[name]) for name in once)


def test_what_is_no_pair_is_named(base: Path, tmp_path: Path) -> None:  # noqa: F811
    (tmp_path / "rows.jsonl").write_text('{"prompt": []}\n', encoding="utf-8")
    with pytest.raises(DatasetError, match=r"rows.jsonl:1: expected .*chosen"):
        train([tmp_path / "rows.jsonl"], base, tmp_path / "out", PREFER, device="cpu")
