"""Distillation, with torch: a student comes nearer to its teacher, and a version names its teacher."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("peft")

import torch
from safetensors.torch import load_file
from test_distil import of_folder, rows, scored
from test_specialist import clustered, requests
from tiny import TEXTS, write_model
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from speeddial.cli.app import app
from speeddial.errors import UserError
from speeddial.expert import Expert
from speeddial.flywheel.artefact import Artefact, named
from speeddial.flywheel.dataset import ChatEncoder, DatasetError
from speeddial.flywheel.distil import Score, read_scores
from speeddial.flywheel.teacher import SCORES
from speeddial.flywheel.train import Recipe, train
from speeddial.messages import compact_json

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
RECIPE = Recipe(lr=5e-3, steps=60, batch=8, warmup=4, precision="fp32", seed=3, r=8)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "student", seed=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "rows.jsonl"
    file.write_text("".join(f"{compact_json(row)}\n" for row in rows(40)))
    return file


@pytest.fixture(scope="module")
def scores(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What another model of the same tokens says of three quarters of the rows."""
    folder = tmp_path_factory.mktemp("teacher")
    teacher = of_folder(write_model(folder / "teacher", seed=2))
    return asyncio.run(scored(folder / "flywheel", teacher, base / "tokenizer.json", 30)).file(SCORES)


def divergence(base: Path, adapter: Path | None, scores: dict[str, Score]) -> float:
    """Mean KL from the teacher to a model by plain torch."""
    from peft import PeftModel

    model = AutoModelForCausalLM.from_pretrained(base)
    model = PeftModel.from_pretrained(model, adapter) if adapter else model
    encoder = ChatEncoder(base / "tokenizer.json")
    found = []
    for row in rows(40):
        if row["id"] in scores:
            example = encoder.example(row["id"], row["messages"])
            with torch.no_grad():
                logs = torch.log_softmax(model(torch.tensor([example.tokens])).logits[0].double(), dim=1)
            logs = logs[[at - 1 for at in example.targets]]
            score = scores[row["id"]]
            likely = logs.gather(1, torch.from_numpy(score.tokens).long())
            said = torch.cat([likely, (1 - likely.exp().sum(1, keepdim=True)).log()], dim=1)
            teacher = torch.from_numpy(score.chances()).double()
            found.append(torch.nn.functional.kl_div(said, teacher, reduction="none").sum(1))
    return torch.cat(found).mean().item()


def test_a_student_comes_nearer_to_its_teacher(base: Path, data: Path, scores: Path, tmp_path: Path) -> None:
    said = dict(read_scores([scores]))
    before = divergence(base, None, said)
    apart = {}
    for share in (0.0, 0.5, 1.0):
        recipe = replace(RECIPE, distil=share)
        train([data], base, tmp_path / f"{share}", recipe, scores=scores, device="cpu")
        apart[share] = divergence(base, tmp_path / f"{share}", said)
    assert apart[1.0] < 0.75 * before and apart[1.0] < apart[0.5] < apart[0.0], (before, apart)
    report = json.loads((tmp_path / "0.5" / "training.json").read_text())
    assert report["teacher"]["rows"] == 30 and report["teacher"]["share"] == 0.5
    train([data], base, tmp_path / "alone", RECIPE, device="cpu")
    alone, none = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("alone", "0.0"))
    assert all(torch.allclose(alone[name], none[name], atol=2e-2) for name in alone), "a share of nothing"


def test_a_taught_training_goes_on_bit_for_bit(base: Path, data: Path, scores: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=5)
    train([data], base, tmp_path / "whole", recipe, scores=scores, device="cpu")
    done = train([data], base, tmp_path / "parts", recipe, scores=scores, device="cpu", max_minutes=0)
    with pytest.raises(UserError, match="no checkpoint"):
        train([data], base, tmp_path / "parts", recipe, device="cpu", resume="must")
    while not done.finished:
        done = train([data], base, tmp_path / "parts", recipe, scores=scores, device="cpu", max_minutes=0)
    first, second = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_scores_of_other_rows_or_tokens_are_refused(
    base: Path, data: Path, scores: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text("".join(f"{compact_json({**row, 'id': 'x' + row['id']})}\n" for row in rows(3)))
    with pytest.raises(DatasetError, match="of none of these rows"):
        train([other], base, tmp_path / "out", RECIPE, scores=scores, device="cpu")
    longer = rows(1)
    longer[0]["messages"][-1]["content"] += " "
    other.write_text(f"{compact_json(longer[0])}\n")
    with pytest.raises(DatasetError, match="of other tokens than row run-0/1"):
        train([other], base, tmp_path / "out", RECIPE, scores=scores, device="cpu")


def test_a_row_counts_by_its_weight(base: Path, data: Path, tmp_path: Path) -> None:
    """Rows of weight 0 teach nothing: the same is learnt whatever they say."""
    learnt = []
    for name, city in (("one", "Oslo"), ("other", "Lima")):
        lines = []
        for number, row in enumerate(rows(16)):
            if number % 2:
                row["weight"] = 0
                row["messages"][-1]["content"] = f'{{"name":"weather","arguments":{{"city":"{city}"}}}}'
            lines.append(compact_json(row))
        file = tmp_path / f"{name}.jsonl"
        file.write_text("\n".join(lines) + "\n")
        recipe = replace(RECIPE, steps=4, batch=16)
        train([file], base, tmp_path / name, recipe, device="cpu")
        learnt.append(load_file(tmp_path / name / "adapter_model.safetensors"))
    one, other = learnt
    assert all(torch.allclose(one[name], other[name], atol=1e-3) for name in one)
    assert json.loads((tmp_path / "one" / "training.json").read_text())["data"]["rows_weighted"] == 8
    file.write_text(compact_json({**rows(1)[0], "weight": 2}) + "\n")
    with pytest.raises(DatasetError, match=r"other\.jsonl:1: .*a weight of 2"):
        train([file], base, tmp_path / "bad", RECIPE, device="cpu")


def test_the_command_trains_a_version_that_names_its_teacher(
    make_project: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [one.request for one in requests(60)] * 5 + TEXTS
    student = write_model(tmp_path / "student", seed=1, texts=texts)
    teacher = write_model(tmp_path / "teacher", seed=2, texts=texts)
    stranger = write_model(tmp_path / "stranger", texts=TEXTS)
    root = make_project()
    (root / "speeddial.toml").write_text(
        f'[bases]\n"embedded:{student}" = "{student}"\n'
        f'[licences]\nlarge = "CC0-1.0"\n"embedded:{student}" = "MIT"\n'
        f'"embedded:{teacher}" = "CC0-1.0"\n"embedded:{stranger}" = "CC0-1.0"\n'
    )
    monkeypatch.chdir(root)
    folder = root / "workspace" / ".speeddial" / "flywheel"
    clustered(folder, requests(240))
    runner = CliRunner()
    ended = runner.invoke(app, ["data", "select", "--max-tokens", "8000", "--json"], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    command = ["train", "--candidate", "lora-student", "--json", "--teacher"]
    with pytest.raises(UserError, match="tiny has a vocabulary of its own"):
        runner.invoke(
            app, ["train", "--candidate", "tiny", "--teacher", f"embedded:{teacher}"], catch_exceptions=False
        )
    with pytest.raises(UserError, match="other tokens than the student"):
        runner.invoke(app, [*command, f"embedded:{stranger}"], catch_exceptions=False)
    with pytest.raises(UserError, match="the licence of the teacher vllm:big is not known"):
        runner.invoke(app, [*command, "vllm:big"], catch_exceptions=False)
    ended = runner.invoke(app, [*command, f"embedded:{teacher}", "--alpha", "0.3"], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    version = Artefact.open(Path(json.loads(ended.stdout)["path"]))
    distilled = named(folder, version.inputs["distil"])
    assert distilled.step == "distil" and version.report["teacher"]["teacher"] == f"embedded:{teacher}"
    assert version.report["teacher"]["share"] == 0.3
    assert version.report["teacher"]["rows"] == version.report["rows"]["calls"] > 80
    assert version.report["licence"] == "MIT AND CC0-1.0"
    card = (version.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"Teacher: embedded:{teacher}" in card and "0.3 of the loss" in card
    assert Expert.from_card(version.path / "experts" / "add_item" / "card.toml").adapter is not None
    ended = runner.invoke(app, [*command, version.path.name, "--alpha", "0.7"], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    again = Artefact.open(Path(json.loads(ended.stdout)["path"]))
    assert named(folder, again.inputs["distil"]).inputs["teacher"] == version.sha256
    scores = dict(read_scores([named(folder, again.inputs["distil"]).file(SCORES)]))
    assert all(np.isfinite(score.given).all() for score in scores.values())
