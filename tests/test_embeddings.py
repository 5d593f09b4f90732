"""Embeddings: of a server, of the embedded base and of a sentence transformer; tasks are found by them."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_server import ChatServer, answer
from typer.testing import CliRunner

from speeddial.cli.app import app
from speeddial.errors import EngineError, EngineUnreachable, UserError
from speeddial.flywheel.artefact import made
from speeddial.flywheel.cluster import ROUTER, TASKS, cluster, embeddings_of
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.routing import route
from speeddial.flywheel.sample import Sample, write_samples
from speeddial.flywheel.texts import TextClassifier, groups
from speeddial.models.base_model import BaseModel
from speeddial.models.embeddings import load_embedder

WORDS = {"play": 0, "sing": 0, "hear": 0, "rain": 1, "snow": 1, "storm": 1}
"""Words whose vectors are the same, as those of words that mean the same nearly are."""


def vector(text: str) -> list[float]:
    """The sum of the vectors of a text's words."""
    found = np.zeros(16)
    for word in re.findall(r"\w+", text.lower()):
        found[WORDS.get(word, 2 + zlib.crc32(word.encode()) % 14)] += 3.0 if word in WORDS else 0.3
    return [float(number) for number in found]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    with ChatServer(models=("near",), key="sk-near", vector=vector).running() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-near")
        monkeypatch.setattr("speeddial.models.embeddings._loaded", {})
        yield server


def sample(number: int, request: str, tool: str) -> Sample:
    return Sample(
        id=f"{number:03}",
        group=str(number),
        messages=({"role": "user", "content": request},),
        tools=({"name": tool, "description": tool, "parameters": {"type": "object"}},) if tool else (),
        calls=({"name": tool, "arguments": {}},) if tool else (),
        answer="" if tool else "Well.",
    )


def samples() -> list[Sample]:
    """Of a tool, of another, and answers in words about the one or the other."""
    made = []
    for number in range(120):
        song, sky = ("play", "sing", "hear")[number % 3], ("rain", "snow", "storm")[number % 3]
        word = f"w{number * 37 % 101}"
        tool, request = [
            ("music", f"{song} {word}"),
            ("sky", f"{sky} {word}"),
            ("", f"why {song} {word}"),
            ("", f"why {sky} {word}"),
        ][number % 4]
        made.append(sample(number, request, tool))
    return made


def curated(folder: Path, rows: list[Sample]) -> Any:
    def write(draft: Path) -> dict[str, Any]:
        return {"kept": write_samples(draft / KEPT, rows)}

    return made(folder, "curate", {}, {}, write)


def test_tasks_are_found_by_a_servers_embeddings(server: ChatServer, tmp_path: Path) -> None:
    rows = samples()
    by = cluster(curated(tmp_path, rows), tmp_path, embeddings="openai:near")
    tasks = {row["name"]: row for row in json.loads(by.file(TASKS).read_text(encoding="utf-8"))}
    assert {"music", "sky"} <= tasks.keys() and len(tasks) >= 3, "answers in words are parted too"
    assert sum(map(len, server.embedded)) == len({row.request for row in rows}), "each text is asked for once"
    assert max(map(len, server.embedded)) <= 32
    assert embeddings_of(by) == "openai:near"
    plain = cluster(curated(tmp_path, rows), tmp_path)
    assert embeddings_of(plain) == "" and plain.path != by.path
    router = TextClassifier.load(by.file(ROUTER))
    chances = router.chances(["hear unheard", "storm unheard"])
    assert [router.classes[int(best)] for best in chances.argmax(axis=1)] == ["music", "sky"]
    assert np.allclose(chances.sum(axis=1), 1)


def test_more_texts_than_are_remembered(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speeddial.models.embeddings._REMEMBERED", 5)
    near = load_embedder("openai:near")
    texts = [f"play {number}" for number in range(8)]
    found = near.embed([*texts, *texts])
    assert np.array_equal(found[:8], found[8:]) and np.array_equal(near.embed(texts[2:5]), found[2:5])
    assert server.embedded == [texts], "those of one request are kept, however many"
    near.embed(["rain"])
    near.embed(texts[:2])
    assert server.embedded[1:] == [["rain"], texts[:2]]


def test_a_router_is_tried_with_its_own_embeddings(server: ChatServer) -> None:
    rows = [row for row in samples() if row.calls]
    tasks = {row.id: row.task for row in rows}
    tests = [sample(900, "sing unheard", "music"), sample(901, "snow unheard", "sky")]
    rest = [row for row in rows if "sing" not in row.request and "snow" not in row.request]
    assert route(rest, tasks, tests, "openai:near") == ["music", "sky"]


def test_groups_by_embeddings(server: ChatServer) -> None:
    texts = [row.request for row in samples()]
    found = groups(texts, embeddings="openai:near")
    truth = [WORDS[next(word for word in text.split() if word in WORDS)] for text in texts]
    assert len(set(found)) >= 2
    assert all(len({truth[at] for at in np.flatnonzero(found == number)}) == 1 for number in set(found))


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ({"data": [{"index": 0, "embedding": [1.0]}]}, "a vector for each of 2 texts"),
        ({"data": [{"index": 0, "embedding": "x"}, {"index": 1, "embedding": "y"}]}, "expected embeddings"),
        ({"error": "no"}, "expected embeddings"),
    ],
)
def test_what_is_no_embedding_is_told(server: ChatServer, reply: Any, said: str) -> None:
    server.faults.append(lambda handler: answer(handler, 200, reply))
    with pytest.raises(EngineError, match=said):
        load_embedder("openai:near").embed(["a", "b"])


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineUnreachable):
        load_embedder("vllm:near@http://127.0.0.1:9/v1").embed(["a"])


async def test_within_an_event_loop(server: ChatServer) -> None:
    assert load_embedder("openai:near").embed(["play it"]).shape == (1, 16)


def test_a_spec_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for spec in ("word2vec", "openai:", "hub:", str(tmp_path / "missing")):
        with pytest.raises(UserError, match="embeddings") as caught:
            load_embedder(spec)
        assert "tfidf, embedded, minilm" in (caught.value.hint or "")
    found = CliRunner().invoke(app, ["data", "cluster", "--help"])
    assert "--embeddings" in found.output


def test_embeddings_of_the_base(base_model: BaseModel) -> None:
    near = load_embedder("embedded")
    one, other, far = near.embed(["play some jazz", "put on jazz music", "will it rain in Oslo tomorrow"])
    assert float(one @ other) > float(one @ far)
    assert np.allclose(np.linalg.norm([one, other, far], axis=1), 1, atol=1e-5)
    assert np.array_equal(near.embed(["play some jazz"])[0], one)


@pytest.mark.slow
class TestSentenceTransformer:
    """A tiny one of random weights, in Hugging Face form."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        torch = pytest.importorskip("torch")
        from transformers import BertConfig, BertModel, BertTokenizerFast

        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "play", "sing", "rain", "snow", "a", "the"]
        (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
        torch.manual_seed(3)
        model = BertModel(
            BertConfig(
                vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                intermediate_size=64, max_position_embeddings=64,
            )
        )  # fmt: skip
        place = tmp_path / "minilm"
        model.save_pretrained(place)
        BertTokenizerFast(vocab_file=str(tmp_path / "vocab.txt")).save_pretrained(place)
        return place

    def test_the_mean_of_a_texts_own_tokens(self, folder: Path) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        found = load_embedder(str(folder)).embed(["play a", "sing the rain a the snow", "play a"])
        states = AutoModel.from_pretrained(folder).eval()(
            **AutoTokenizer.from_pretrained(folder)("play a", return_tensors="pt")
        )
        mean = states.last_hidden_state[0].mean(0)
        wanted = (mean / mean.norm()).detach().numpy()
        assert np.allclose(found[0], wanted, atol=1e-5), "padding counts for nothing"
        assert np.array_equal(found[0], found[2])
        assert not torch.is_grad_enabled() or found.dtype == np.float32

    def test_other_weights_are_another_router(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import torch
        from transformers import AutoModel

        texts = [f"{word} {end}" for word in ("play", "rain") for end in ("a", "the", "a the", "the a")] * 4
        router = TextClassifier(embeddings=str(folder)).fit(texts, [text.split()[0] for text in texts])
        router.save(folder / "router.npz")
        again = TextClassifier.load(folder / "router.npz")
        assert np.allclose(again.chances(texts[:3]), router.chances(texts[:3]))
        model = AutoModel.from_pretrained(folder)
        with torch.no_grad():
            model.embeddings.word_embeddings.weight += 1
        model.save_pretrained(folder)
        monkeypatch.setattr("speeddial.models.embeddings._loaded", {})
        with pytest.raises(UserError, match="was made with the embeddings"):
            TextClassifier.load(folder / "router.npz")

    def test_a_model_that_is_not_here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("torch")
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        with pytest.raises(EngineUnreachable, match="nor did the hub give it") as caught:
            load_embedder("hub:speeddial/no-such-model")
        assert "--embeddings embedded" in (caught.value.hint or "")
