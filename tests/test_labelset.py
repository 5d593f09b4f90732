"""Trained label sets: the network, the file, the engine's choice, and (slow) how they are made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speeddial.errors import DefinitionError, EngineError, EngineRefused, UserError
from speeddial.given import NONE
from speeddial.models.calibration import Calibration
from speeddial.models.classifier import ClassifierModel
from speeddial.models.labelnetwork import LabelNetwork, shapes
from speeddial.models.labelset import LabelSet, Trained
from speeddial.models.lstm import Float32

if TYPE_CHECKING:
    from speeddial.models.base_model import BaseModel

SHIPPED = Path(__file__).resolve().parents[1] / "experts" / "triage" / "adapter"
LABELS = ("left", "right", "straight on")
KINDS = {
    "weather": ["will it {} in {}", "is it going to {} over {} today", "how much does it {} in {}"],
    "travel": ["a train {} to {}", "when does the bus {} for {}", "book me a flight {} to {}"],
    "music": ["play {} by the band {}", "put on {} from {}", "skip {} and play {}"],
    "money": ["send {} euros to {}", "pay {} for {}", "transfer {} to the account of {}"],
}
WORDS = ["rain", "Oslo", "seven", "Rome", "snow", "Maria", "noon", "Lisbon", "nine", "Tokyo", "Peter", "ten"]


def drawn(seed: int, dimensions: int = 12, members: int = 2) -> dict[str, Float32]:
    """The tensors of a network of random weights."""
    dice = np.random.default_rng(seed)
    wanted = shapes(len(LABELS), dimensions, width=8, hidden=4, heads=2, members=members)
    found = {name: dice.normal(0, 0.5, shape).astype(np.float32) for name, shape in wanted.items()}
    return found | {"spread": np.abs(found["spread"]) + 0.1}


def made(network: LabelNetwork, encoder: str) -> LabelSet:
    return LabelSet(
        labels=LABELS,
        rarity=np.ones(64),
        table=np.random.default_rng(1).normal(size=(64, len(LABELS))).astype(np.float32),
        scale=np.ones(len(LABELS)),
        bias=np.zeros(len(LABELS)),
        calibration=Calibration(6.0, (4.0, 1.0, 2.0)),
        trained=Trained(encoder, network, 0.25, 6.0, Calibration(1.0, (0.5, 1.0, 0.0))),
    )


# --- the network and the file -------------------------------------------------------------------------------


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), tokens=st.integers(1, 9), size=st.floats(0, 1e4))
def test_a_network_gives_probabilities_and_its_file_the_same(seed: int, tokens: int, size: float) -> None:
    states = (np.random.default_rng(seed).normal(size=(tokens, 12)) * size).astype(np.float32)
    network = LabelNetwork(drawn(seed))
    likely = network.read(states)
    assert likely.shape == (3,) and np.isfinite(likely).all() and likely.sum() == pytest.approx(1, abs=1e-5)
    whole = made(network, "test").probabilities("turn around", states=states)
    assert (whole >= 0).all() and whole.sum() == pytest.approx(1)


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    before = made(LabelNetwork(drawn(3)), "test/9/base")
    before.save(tmp_path / "ways.safetensors", {"source": "a test"})
    after = LabelSet.load(tmp_path / "ways.safetensors")
    assert after.trained is not None and before.trained is not None
    assert (after.trained.encoder, after.trained.share) == ("test/9/base", 0.25)
    assert after.trained.calibration == before.trained.calibration
    states = np.random.default_rng(4).normal(size=(5, 12)).astype(np.float32)
    for given_states in (states, None):
        one, other = (each.probabilities("to the left", states=given_states) for each in (before, after))
        assert np.allclose(one, other, atol=0.01)
    by_grams = before.probabilities("to the left")
    assert not np.allclose(by_grams, before.probabilities("to the left", states=states))


def test_members_are_averaged() -> None:
    tensors = drawn(5)
    states = np.random.default_rng(6).normal(size=(4, 12)).astype(np.float32)
    shared = {name: tensors[name] for name in ("centre", "spread")}
    alone = []
    for number in range(2):
        at = f"members.{number}."
        own = {f"members.0.{name.removeprefix(at)}": t for name, t in tensors.items() if name.startswith(at)}
        alone.append(LabelNetwork(shared | own).read(states))
    assert np.allclose(LabelNetwork(tensors).read(states), np.mean(alone, axis=0), atol=1e-6)


def test_other_tensors_are_no_network(tmp_path: Path) -> None:
    tensors = drawn(7)
    for broken in (
        {},
        {**tensors, "more": np.zeros(3, np.float32)},
        {**tensors, "members.1.norm.bias": np.zeros(3, np.float32)},
        {name: tensor for name, tensor in tensors.items() if name != "centre"},
    ):
        with pytest.raises(ValueError, match="no label network"):
            LabelNetwork(broken)
    with pytest.raises(EngineError, match="no label network"):
        LabelNetwork.load(tmp_path)
    whole = made(LabelNetwork(tensors), "test")
    object.__setattr__(whole.trained, "network", LabelNetwork(drawn(7, members=1)))
    whole.save(tmp_path / "ways.safetensors", {})
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file

    with safe_open(tmp_path / "ways.safetensors", "np") as file:
        about = file.metadata()
    kept = load_file(tmp_path / "ways.safetensors")
    del kept["network.centre"]
    save_file(kept, tmp_path / "ways.safetensors", about)
    with pytest.raises(EngineRefused, match="no label network"):
        LabelSet.load(tmp_path / "ways.safetensors")


# --- the engine ---------------------------------------------------------------------------------------------


def test_an_engine_reads_with_the_network_of_its_own_encoder_alone(base_model: BaseModel) -> None:
    from speeddial.models.encoder import load_encoder

    encoder = load_encoder(base_model.source.name)
    states = encoder.states("to the left")
    assert states.shape == (encoder.length("to the left"), encoder.dimensions)
    assert np.allclose(states.mean(0), encoder.raw("to the left"))
    model = ClassifierModel(base_model.source.name)
    network = LabelNetwork(drawn(8, encoder.dimensions))
    own, strange = made(network, encoder.identity), made(network, "another/9/base")
    wanted = own.probabilities("to the left", states=states).tolist()
    assert list(model.probabilities("to the left", own).values()) == wanted
    assert (
        list(model.probabilities("to the left", strange).values())
        == own.probabilities("to the left").tolist()
    )


def test_few_examples_are_compared_by_a_reader(
    base_model: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from speeddial.models import reader as module
    from speeddial.models.encoder import load_encoder
    from speeddial.models.reader import Reader, load_reader, write_reader

    encoder, reader = load_encoder(base_model.source.name), load_reader(base_model.source.name)
    assert isinstance(reader, Reader) and reader.identity.startswith(f"{encoder.identity}+")
    assert load_reader(base_model.source.name) is reader
    rows = reader.embed(["where is my parcel", "my package has not come", "who painted the mona lisa"])
    assert rows.shape[1] > encoder.dimensions and np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)
    assert rows[0] @ rows[1] > rows[0] @ rows[2]
    assert np.allclose(
        rows[0, : encoder.dimensions] * 2**0.5, encoder.embed(["where is my parcel"])[0], atol=1e-5
    )
    model = ClassifierModel(base_model.source.name)
    labels = model.label_set({"labels": {"in": ["come in"], "out": ["go out"]}}, None)
    assert labels.dense is not None and labels.dense.encoder == reader.identity

    # Features of another base's states say nothing of this one's.
    class Other:
        identity = "another/9/base"
        states = staticmethod(encoder.states)

    network = LabelNetwork(drawn(9, encoder.dimensions))
    write_reader(network, Other(), ["a", "b c"], tmp_path / "reader.safetensors", {})  # type: ignore[arg-type]
    monkeypatch.setattr(module, "TENSORS", tmp_path / "reader.safetensors")
    monkeypatch.setattr(module, "_readers", {})
    assert load_reader(base_model.source.name) is encoder
    (tmp_path / "reader.safetensors").write_bytes(b"none")
    with pytest.raises(DefinitionError, match="reader's network"):
        load_reader(base_model.source.name)


@pytest.mark.parametrize(
    ("name", "text", "label"),
    [
        ("clinc150", "could you get me up at six tomorrow", "alarm"),
        ("banking77", "my card was stolen, please block it", "lost_or_stolen_card"),
    ],
)
def test_the_shipped_sets_are_read_by_their_networks(
    base_model: BaseModel, name: str, text: str, label: str
) -> None:
    from speeddial.models.encoder import load_encoder

    model = ClassifierModel(base_model.source.name)
    labels = model.label_set({"labels": name}, SHIPPED)
    assert labels.trained is not None
    assert labels.trained.encoder == load_encoder(base_model.source.name).identity
    likely = model.probabilities(text, labels, SHIPPED)
    assert max(likely, key=likely.__getitem__) == label
    assert likely != model.probabilities(text, replace(labels, trained=None), SHIPPED)
    likely = model.probabilities("the dog ate nine purple bananas", labels, SHIPPED)
    assert likely[NONE] > 0.5


# --- how they are made, with torch --------------------------------------------------------------------------

TRAIN = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from speeddial.flywheel.labelling import Recipe, train

data, base, out, die_at = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])

def show(at):
    if at.step == die_at:
        os.kill(os.getpid(), signal.SIGKILL)

recipe = Recipe(epochs=4.0, width=32, hidden=16, batch=16, warmup=10)
stage = {"checkpoint_every": 10, "report_every": 10, "progress": show, "device": "cpu"}
print(train([data], base, out, recipe, **stage).loss)
"""


def messages(each: int, seed: int) -> list[dict[str, str]]:
    dice = np.random.default_rng(seed)
    return [
        {"text": f"{dice.choice(forms).format(*dice.choice(WORDS, 2))} {dice.choice(WORDS)}", "label": label}
        for label, forms in KINDS.items()
        for _ in range(each)
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_network_is_trained_through_a_kill_bit_for_bit(base_model: BaseModel, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    from speeddial.flywheel.labelling import Recipe, _Learner
    from speeddial.models.encoder import load_encoder

    name = base_model.source.name
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f"{json.dumps(row)}\n" for row in messages(100, 1)), encoding="utf-8")

    def run(out: str, die_at: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", TRAIN, str(rows), name, str(tmp_path / out), str(die_at)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    assert run("killed", 30).returncode == -signal.SIGKILL
    for out in ("killed", "whole"):
        ended = run(out, -1)
        assert ended.returncode == 0, ended.stderr
    weights = [(tmp_path / out / "model.safetensors").read_bytes() for out in ("killed", "whole")]
    assert weights[0] == weights[1]
    report = json.loads((tmp_path / "killed" / "training.json").read_text(encoding="utf-8"))
    assert report["finished"] and report["stages"] == 2 and report["labels"] == 4

    # The engine computes what was trained.
    labels, network = LabelNetwork.load(tmp_path / "whole")
    encoder = load_encoder(name)
    learner = _Learner(Recipe(width=32, hidden=16), encoder, "")
    learner.labels = labels
    learner.build("cpu", False)
    given_weights = load_file(tmp_path / "whole" / "model.safetensors")
    learner.restore(given_weights)
    for part in (learner.members, learner.drop, learner.half):
        part.eval()
    states = encoder.states("will it snow in Bergen")
    told = ((torch.from_numpy(states) - given_weights["centre"]) / given_weights["spread"]).clamp(-8, 8)[None]
    real = torch.ones(1, told.shape[1], dtype=torch.bool)
    with torch.no_grad():
        each = [learner._read(one, told, real.sum(1), real).softmax(-1)[0].numpy() for one in learner.members]
    assert np.allclose(network.read(states), np.mean(each, axis=0), atol=1e-5)
    assert not np.allclose(each[0], each[1], atol=1e-6), "each begins from weights of its own"
    assert labels[int(network.read(states).argmax())] == "weather"


def held(path: Path) -> tuple[dict[str, str], dict[str, bytes]]:
    """Notes and tensors: safetensors writes the notes in any order."""
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        return file.metadata(), {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_label_set_is_made_of_messages_and_made_once(base_model: BaseModel, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    from speeddial.flywheel.labelset import main

    rows, out = tmp_path / "rows.jsonl", tmp_path / "adapter" / "kinds.safetensors"
    every = messages(100, 2)
    rows.write_text("".join(f"{json.dumps(row)}\n" for row in every), encoding="utf-8")
    command = [str(rows), "--out", str(out), "--base", base_model.source.name, "--licence", "CC0"]
    assert main(command) == 0
    before = held(out)
    reports = sorted(out.with_suffix(".work").glob("*/training.json"))
    assert [report.parent.name for report in reports] == ["all", "known", "without-0", "without-1"]
    written = [report.stat().st_mtime_ns for report in reports]
    assert main(command) == 0, "made again of the networks that are there"
    assert held(out) == before and [report.stat().st_mtime_ns for report in reports] == written

    model = ClassifierModel(base_model.source.name)
    labels = model.label_set({"labels": "kinds"}, out.parent)
    right = 0
    new = messages(10, 3)
    for row in new:
        likely = model.probabilities(row["text"], labels, out.parent)
        right += max(likely, key=likely.__getitem__) == row["label"]
    assert right >= 0.9 * len(new)
    far = model.probabilities("who painted the mona lisa", labels, out.parent)
    near = model.probabilities("will it rain in Bergen", labels, out.parent)
    assert far[NONE] > near[NONE]


def test_without_torch_the_extra_is_named(
    base_model: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from speeddial.flywheel import labelset

    monkeypatch.setattr(labelset, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="torch and sklearn") as raised:
        labelset.Maker(base_model.source.name, tmp_path).make([])
    assert "speeddial[train]" in raised.value.hint


@pytest.mark.slow
def test_too_little_to_train_a_label_set_of_is_said(
    base_model: BaseModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    from speeddial.flywheel.labelset import main

    rows = tmp_path / "rows.jsonl"
    for lines, said in (
        ('{"text": "a"}\n', '{"text", "label"}'),
        ('{"text": "a", "label": "b"}\n' * 12, "12 messages of 1 labels"),
        ("".join(f"{json.dumps(row)}\n" for row in messages(9, 4)), "4 of these with fewer than 10"),
    ):
        rows.write_text(lines, encoding="utf-8")
        command = [str(rows), "--out", str(tmp_path / "x.safetensors"), "--base", base_model.source.name]
        assert main(command) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()
