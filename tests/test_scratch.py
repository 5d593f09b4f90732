"""Models trained from scratch: one learns a small task in a minute, and engines say the same with it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from speeddial.contract import Contract, union_of_calls
from speeddial.errors import UserError
from speeddial.flywheel.dataset import ChatEncoder, read_examples
from speeddial.flywheel.scratch import EMBEDDINGS, Recipe, main, train
from speeddial.flywheel.vocabulary import train_tokenizer
from speeddial.messages import Message, compact_json
from speeddial.models import Model, Request, load_model
from speeddial.models.embedded import EmbeddedModel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

SYSTEM = "You are kitchen. Reply with one call as JSON."
WORDS = [
    "milk",
    "bread",
    "rice",
    "salt",
    "honey",
    "apples",
    "onions",
    "flour",
    "butter",
    "cheese",
    "yoghurt",
    "carrots",
    "lemons",
    "pepper",
    "coffee",
    "tea",
    "молоко",
    "хлеб",
    "рис",
    "соль",
    "мёд",
    "яблоки",
    "лук",
    "мука",
    "масло",
    "сыр",
    "牛奶",
    "面包",
    "米饭",
    "盐",
    "蜂蜜",
    "苹果",
    "洋葱",
    "面粉",
    "黄油",
    "奶酪",
]
LISTS = ["shopping", "party", "weekend", "market"]
TOOLS = union_of_calls(
    {
        "set_timer": Contract.from_schema(
            {
                "type": "object",
                "properties": {"minutes": {"type": "integer", "minimum": 1, "maximum": 120}},
                "required": ["minutes"],
            }
        ),
        "add_to_list": Contract.from_schema(
            {
                "type": "object",
                "properties": {
                    "item": {"type": "string", "maxLength": 40},
                    "list": {"type": "string", "enum": LISTS},
                },
                "required": ["item"],
            }
        ),
    },
    refuse=False,
)
RECIPE = Recipe(
    width=64, layers=2, heads=4, vocabulary=512, context=256, lr=6e-3, batch=32, warmup=30, steps=800, seed=3
)
SHORT = replace(RECIPE, steps=6, batch=8, warmup=2)


def drawn(dice: random.Random) -> tuple[str, dict[str, Any]]:
    if dice.random() < 0.4:
        minutes = dice.randint(1, 120)
        said = dice.choice(
            ["timer for {} minutes", "wake me in {} min", "{} minutes, please", "таймер на {} минут"]
        )
        return said.format(minutes), {"name": "set_timer", "arguments": {"minutes": minutes}}
    item = dice.choice(WORDS)
    arguments = {"item": item}
    said = dice.choice(["add {} ", "we need {} ", "please put {} ", "добавь {} "])
    if dice.random() < 0.6:
        arguments["list"] = dice.choice(LISTS)
        said += dice.choice(["to the {} list", "for the {}", "on {}"]).format(arguments["list"])
    return said.format(item).strip(), {"name": "add_to_list", "arguments": arguments}


def rows(seed: int, count: int) -> list[tuple[str, dict[str, Any]]]:
    dice = random.Random(seed)
    return [drawn(dice) for _ in range(count)]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Two threads on a machine whose processors are taken wait for each other: ten times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "rows.jsonl"
    lines = []
    for number, (said, call) in enumerate(rows(1, 6000)):
        turns = (("system", SYSTEM), ("user", said), ("assistant", compact_json(call)))
        messages = [{"role": role, "content": content} for role, content in turns]
        lines.append(json.dumps({"id": str(number), "messages": messages}))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train([data], tmp_path_factory.mktemp("models") / "kitchen", RECIPE, device="cpu").folder


async def said(model: Model, request: str, **options: Any) -> str:
    messages = (Message("system", SYSTEM), Message("user", request))
    return (await model.complete(Request(messages, TOOLS, max_tokens=64, **options))).text


@pytest.fixture(scope="module")
def unseen(data: Path) -> list[tuple[str, dict[str, Any]]]:
    seen = data.read_text(encoding="utf-8")
    return [row for row in rows(2, 600) if json.dumps(row[0]) not in seen]


async def test_a_small_task_is_learnt_and_unseen_requests_are_served(
    folder: Path, unseen: list[tuple[str, dict[str, Any]]]
) -> None:
    model = EmbeddedModel(str(folder))
    right = [json.loads(await said(model, request)) == call for request, call in unseen]
    assert len(right) >= 50 and sum(right) / len(right) > 0.95


def test_training_says_what_came_of_what(folder: Path) -> None:
    report = json.loads((folder / "training.json").read_text())
    assert report["finished"] and report["parameters"] < 300_000 and report["recipe"]["width"] == 64
    assert report["data"]["sha256"].startswith("sha256:") and report["tokenizer"]["tokens"] <= 512


async def test_transformers_says_the_same_with_the_same_folder(folder: Path) -> None:
    embedded, transformers = EmbeddedModel(str(folder)), load_model(f"transformers:{folder}")
    for request, _ in rows(4, 40):
        assert await said(embedded, request) == await said(transformers, request)


def test_a_stopped_training_goes_on_bit_for_bit(data: Path, tmp_path: Path) -> None:
    train([data], tmp_path / "whole", SHORT, device="cpu")
    done = train([data], tmp_path / "parts", SHORT, device="cpu", max_minutes=0)
    while not done.finished:
        done = train([data], tmp_path / "parts", SHORT, device="cpu", max_minutes=0, resume="must")
    whole, parts = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert whole.keys() == parts.keys() and all(torch.equal(whole[name], parts[name]) for name in whole)
    assert "lm_head.weight" not in whole and all(value.dtype == torch.float16 for value in whole.values())
    assert not (tmp_path / "parts" / "checkpoint.pt").exists()


def test_learning_the_requests_too_changes_what_is_learnt(data: Path, tmp_path: Path) -> None:
    losses = {}
    for weight in (0.0, 0.5):
        recipe = replace(SHORT, request_weight=weight, steps=3)
        train([data], tmp_path / str(weight), recipe, device="cpu")
        losses[weight] = load_file(tmp_path / str(weight) / "model.safetensors")["model.norm.weight"]
    assert not torch.equal(losses[0.0], losses[0.5])


def test_a_model_begins_with_the_layers_of_another_and_the_tokens_that_both_know(
    data: Path, tmp_path: Path
) -> None:
    begun = train([data], tmp_path / "begun", SHORT, device="cpu").folder
    still = replace(SHORT, steps=1, lr=0.0, vocabulary=400)
    made = train([data], tmp_path / "made", still, init=begun, device="cpu").folder
    before, after = (load_file(folder / "model.safetensors") for folder in (begun, made))
    known, own = (Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab() for folder in (begun, made))
    assert len(own) < len(known)
    for name, value in after.items():
        if name == EMBEDDINGS:
            assert all(
                torch.equal(value[own[token]], before[name][known[token]]) for token in own if token in known
            )
        else:
            assert torch.equal(value, before[name])
    with pytest.raises(UserError, match="a model of other sizes"):
        train([data], tmp_path / "wider", replace(still, layers=3), init=begun, device="cpu")


def test_the_budget_of_tokens_shortens_the_schedule(data: Path, tmp_path: Path) -> None:
    short = train([data], tmp_path / "short", replace(SHORT, steps=0, max_tokens=2500), device="cpu")
    assert json.loads((short.folder / "training.json").read_text())["tokens"] < 3500


def test_what_a_user_says_is_marked_in_a_row(data: Path, folder: Path) -> None:
    encoder = ChatEncoder(folder / "tokenizer.json")
    examples, _ = read_examples([data], encoder, 200)
    for example, (request, call) in zip(examples[:50], rows(1, 50), strict=True):
        texts = [
            encoder.tokenizer.decode([example.tokens[at] for at in places])
            for places in (example.asked, example.targets)
        ]
        assert texts == [request, compact_json(call)]


def test_equal_texts_give_equal_tokenizers() -> None:
    texts = [request for request, _ in rows(5, 500)]
    assert train_tokenizer(texts, 350).to_str() == train_tokenizer(list(texts), 350).to_str()


@pytest.mark.parametrize(("name", "value"), [("width", 100), ("width", 64), ("feed_forward", 100)])
def test_sizes_that_make_no_model_are_named(data: Path, tmp_path: Path, name: str, value: int) -> None:
    with pytest.raises(UserError, match=f"{name} = {value}: expected a multiple of"):
        train([data], tmp_path, replace(RECIPE, heads=6 if value == 64 else 4, **{name: value}))


def test_the_command_says_what_is_wrong_with_its_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "out")]) == 2
    assert "none.jsonl: there is no such training file" in capsys.readouterr().err
