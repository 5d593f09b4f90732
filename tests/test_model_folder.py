"""A model of one's own in a folder: the embedded engine serves it as it does the base."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llguidance import LLTokenizer
from safetensors.numpy import load_file
from tiny import write_model

from speeddial.adapters import is_tuned
from speeddial.check import findings
from speeddial.contract import Contract, union_of_calls
from speeddial.errors import UserError
from speeddial.flywheel.dataset import ChatEncoder
from speeddial.messages import Message
from speeddial.models import Request, load_model
from speeddial.models.chat_tokenizer import ChatTokenizer
from speeddial.models.embedded import EmbeddedModel
from speeddial.models.model_folder import FolderWeights, ModelFolder
from speeddial.project import Project
from speeddial.run import Runner

CALLS = union_of_calls(
    {
        "add": Contract.of(dict[str, int]),
        "add_to_list": Contract.from_schema(
            {
                "type": "object",
                "properties": {"item": {"type": "string", "maxLength": 20}},
                "required": ["item"],
            }
        ),
    }
)
SPOKEN = st.text() | st.text('add_to_list {"name":,}19日牛奶молоко<|im_end|>')


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEEDDIAL_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


def reference(folder: Path, tokens: list[int]) -> np.ndarray[Any, Any]:
    """Logits after every token, in fp32 with the file's own weights, by the textbook."""
    config = json.loads((folder / "config.json").read_text())
    weights = {
        name: value.astype(np.float32) for name, value in load_file(folder / "model.safetensors").items()
    }
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    size = config["hidden_size"] // heads

    def norm(x: Any, name: str) -> Any:
        return (
            x / np.sqrt((x * x).mean(-1, keepdims=True) + config["rms_norm_eps"]) * weights[f"{name}.weight"]
        )

    def softmax(x: Any) -> Any:
        grown = np.exp(x - x.max(-1, keepdims=True))
        return grown / grown.sum(-1, keepdims=True)

    angles = np.outer(np.arange(len(tokens)), 10000.0 ** (-np.arange(0, size, 2) / size))
    turn = np.exp(1j * angles)

    def rotated(x: Any) -> Any:
        both = (x[..., : size // 2] + 1j * x[..., size // 2 :]) * turn[:, None]
        return np.concatenate([both.real, both.imag], -1)

    x = weights["model.embed_tokens.weight"][tokens]
    ahead = np.triu(np.full((len(tokens), len(tokens)), -np.inf), 1)
    for layer in range(config["num_hidden_layers"]):
        path = f"model.layers.{layer}"

        def product(x: Any, module: str, path: str = path) -> Any:
            return x @ weights[f"{path}.{module}.weight"].T

        y = norm(x, f"{path}.input_layernorm")
        q, k, v = (product(y, f"self_attn.{part}_proj").reshape(len(x), -1, size) for part in "qkv")
        k, v = (np.repeat(part, heads // kv_heads, 1) for part in (rotated(k), v))
        scores = np.einsum("thd,shd->hts", rotated(q), k) / np.sqrt(size) + ahead
        mixed = np.einsum("hts,shd->thd", softmax(scores), v).reshape(len(x), -1)
        x = x + product(mixed, "self_attn.o_proj")
        y = norm(x, f"{path}.post_attention_layernorm")
        gate = product(y, "mlp.gate_proj")
        x = x + product(gate / (1 + np.exp(-gate)) * product(y, "mlp.up_proj"), "mlp.down_proj")
    return norm(x, "model.norm") @ weights["model.embed_tokens.weight"].T


def test_the_graph_computes_the_model_of_the_folder(folder: Path) -> None:
    decoder = EmbeddedModel(str(folder)).load().decoder
    tokens = [int(token) for token in np.random.default_rng(0).integers(0, decoder.shape.vocabulary, 60)]
    rows = []
    with decoder.sequence(64, decoder.base) as context:
        for start in range(0, len(tokens), 6):
            rows.append(decoder.extend(context, tokens[start : start + 6], wanted=6).copy())
    ours, theirs = np.concatenate(rows), reference(folder, tokens)
    # 8 bits a weight and an activation; two independent sets of weights correlate at 0.0.
    correlation = [np.corrcoef(one, other)[0, 1] for one, other in zip(ours, theirs, strict=True)]
    assert min(correlation) > 0.995


async def test_an_answer_satisfies_its_contract_whatever_the_weights(folder: Path) -> None:
    model = EmbeddedModel(str(folder))
    for seed in range(5):
        messages = (Message("system", "You add."), Message("user", "把牛奶加到购物清单里。"))
        request = Request(messages, CALLS, max_tokens=60, temperature=2.0, seed=seed)
        completion = await model.complete(request)
        CALLS.parse(completion.text)
        assert completion.receipt.constrained and completion.receipt.proven_by.startswith("canary 20")
        assert completion.tokens_forced > 0 and completion.model == f"embedded:{folder}"


@given(text=SPOKEN)
def test_what_training_and_serving_make_of_a_text_is_the_same(folder: Path, text: str) -> None:
    said = [Message("system", "You are home."), Message("user", text)]
    chat, encoder = ChatTokenizer(folder / "tokenizer.json"), ChatEncoder(folder / "tokenizer.json")
    tokens, fixed = chat.prompt(said)
    assert tokens == encoder.prompt([{"role": one.role, "content": one.content} for one in said])
    assert fixed == len(chat.prompt(said[:1])[0]) - len(chat.prompt([])[0])
    assert chat.decode(chat.encode(text)) == text
    assert tokens.count(chat.start) == 3 and tokens.count(chat.end) == 2


def test_llguidance_cuts_texts_as_the_tokenizer_does(folder: Path) -> None:
    chat = ChatTokenizer(folder / "tokenizer.json")
    ours = LLTokenizer(chat.vocabulary(), n_vocab=chat.size, eos_token=chat.end)
    theirs = LLTokenizer(chat.tokenizer_json(), n_vocab=chat.size, eos_token=chat.end)
    for token in range(chat.size):
        assert ours.decode_bytes([token]) == theirs.decode_bytes([token])
        assert ours.is_special_token(token) == theirs.is_special_token(token)

    @given(text=SPOKEN)
    def same(text: str) -> None:
        assert ours.tokenize_str(text) == theirs.tokenize_str(text)

    same()


def test_a_word_is_the_same_tokens_wherever_it_stands_and_a_call_is_cheap(folder: Path) -> None:
    chat = ChatTokenizer(folder / "tokenizer.json")
    for word in ("milk", "молоко", "牛奶", "Zwetschge"):
        tokens = chat.encode(word)
        for around in ("add {} please", '{{"item":"{}"}}', "把{}加"):
            assert " ".join(map(str, tokens)) in " ".join(map(str, chat.encode(around.format(word))))
    assert [chat.decode([token]) for token in chat.encode('{"name":"add_to_list","arguments":{"item":"')] == [
        *('{"name":"', "add_to_list", '","arguments":{"', "item", '":"')
    ]
    assert [chat.decode([token]) for token in chat.encode("2026")] == list("2026")


def test_a_model_trained_again_is_another_and_a_graph_is_made_once(tmp_path: Path) -> None:
    first = ModelFolder.find(write_model(tmp_path / "m", seed=1)).graph
    made = {path: path.stat().st_mtime_ns for path in first.iterdir()}
    assert ModelFolder.find(tmp_path / "m").graph == first
    assert {path: path.stat().st_mtime_ns for path in first.iterdir()} == made
    write_model(tmp_path / "m", seed=2)
    assert ModelFolder.find(tmp_path / "m").graph != first
    assert not list(first.parent.glob(".*")), "no scratch folder stays behind"


def test_an_embedding_is_stored_to_within_half_a_step(folder: Path) -> None:
    weights = FolderWeights(folder)
    exact = load_file(folder / "model.safetensors")["model.embed_tokens.weight"].astype(np.float32)
    kept = weights.embedding()
    step = np.repeat(kept.scale, 32, axis=1)
    assert (kept.zero == 128).all() and (abs(kept.dequantised() - exact) <= step * 0.501).all()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "gpt2"}, "model_type 'gpt2'"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings False"),
        ({"attention_bias": True}, "attention_bias True"),
        ({"intermediate_size": 80}, "intermediate_size 80"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4}}, "rope_scaling 'llama3'"),
    ],
)
def test_a_model_that_the_engine_cannot_run_is_refused_with_the_reason(
    tmp_path: Path, config: dict[str, Any], said: str
) -> None:
    model = EmbeddedModel(str(write_model(tmp_path / "m", **config)))
    with pytest.raises(UserError, match=said):
        model.load()


def test_a_folder_without_a_model_says_what_is_missing(tmp_path: Path, folder: Path) -> None:
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m/tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"found no tokenizer\.json"):
        EmbeddedModel(str(tmp_path / "m"))


def test_an_experts_own_model_is_found_from_its_project_and_asked_as_tuned(
    make_project: Callable[..., Path],
) -> None:
    names = []
    for number, name in enumerate(("one", "two")):
        root = make_project(name)
        card = root / "experts/adder/card.toml"
        card.write_text(f'{card.read_text()}model = "embedded:experts/adder/model"\n')
        (root / "pyproject.toml").write_text('[tool.speeddial]\nplanner = "scripted"\n')
        write_model(root / "experts/adder/model", seed=number)
        project = Project.load(root)
        assert not [one for one in findings(project) if "adder" in str(one)]
        with Runner(project) as runner:
            runner.call_sync("adder", "3 and 14")
            asked = next(iter(runner.record.interactions()))
        assert asked.model == "embedded:experts/adder/model"
        assert asked.messages[0]["content"] == "You are adder.", "no tools in the prompt of a tuned expert"
        names.append(load_model("embedded:experts/adder/model", root))
    assert names[0] is not names[1]


async def test_a_model_of_its_own_counts_as_tuned_for_its_own_expert_only() -> None:
    own = "embedded:experts/home/model"
    assert await is_tuned("home", None, own, own)
    assert not await is_tuned("home", None, own, "embedded:smollm2-135m-instruct")
    assert not await is_tuned("home", None, "", own)


def test_a_card_that_names_a_missing_folder_is_found_by_the_check(make_project: Callable[..., Path]) -> None:
    root = make_project()
    (root / "pyproject.toml").write_text('[tool.speeddial]\nplanner = "scripted"\n')
    card = root / "experts/adder/card.toml"
    card.write_text(f'{card.read_text()}model = "embedded:experts/adder/model"\n')
    said = [str(finding) for finding in findings(Project.load(root)) if finding.fatal]
    assert len(said) == 1 and "embedded:experts/adder/model" in said[0]
