"""Distillation: what a teacher says is kept through kills, and a student comes nearer to it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import write_model

from speeddial.errors import EngineRefused, NotFound, UserError
from speeddial.flywheel.artefact import WORK, Artefact
from speeddial.flywheel.dataset import ChatEncoder, DatasetError
from speeddial.flywheel.distil import Score, read_scores, write_scores
from speeddial.flywheel.rows import Form
from speeddial.flywheel.teacher import MOST, SCORES, Teacher, distil
from speeddial.models import load_model
from speeddial.models.chat_tokenizer import ChatTokenizer
from speeddial.models.grammars import GuidedTokenizer
from speeddial.models.likely import under
from speeddial.project import Project

MakeProject = Callable[..., Path]
CITIES = ["Berlin", "Paris", "Rome", "Oslo", "Lima", "Cairo", "Delhi", "Tokyo"]
DEFINITION = {
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
FORM = Form({"weather": DEFINITION})


def rows(count: int) -> list[dict[str, Any]]:
    found = []
    for number in range(count):
        city = CITIES[number % len(CITIES)]
        answer = f'{{"name":"weather","arguments":{{"city":"{city}"}}}}'
        said = (("system", "Call."), ("user", f"weather in {city}, number {number}"), ("assistant", answer))
        messages = [{"role": role, "content": content} for role, content in said]
        found.append({"id": f"run-{number}/1", "messages": messages})
    return found


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


def of_folder(folder: Path) -> Teacher:
    return Teacher(name="tiny", model=load_model(f"embedded:{folder}"), prompt="Call, please.", licence="x")


# ---- the scores ----


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=6),
    st.integers(1, 4),
    st.integers(0, 2**32 - 1),
)
def test_scores_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], most: int, seed: int
) -> None:
    dice = np.random.default_rng(seed)
    scores = {}
    for number, length in enumerate(lengths):
        chances = dice.dirichlet(np.ones(most + 1), length)
        logs = np.log(chances).astype(np.float16)
        tokens = dice.integers(0, 50_000, (length, most)).astype(np.int32)
        scores[f"run-{number}/é"] = Score(tokens, logs, logs[:, 0])
        assert np.allclose(scores[f"run-{number}/é"].chances(), chances, atol=2e-3)
    file = tmp_path_factory.mktemp("scores") / "scores.npz"
    write_scores(file, scores)
    again = dict(read_scores([file]))
    assert list(again) == list(scores)
    for name, score in scores.items():
        for part in ("tokens", "logs", "given"):
            assert np.array_equal(getattr(again[name], part), getattr(score, part))


def test_a_file_of_no_scores_is_named(tmp_path: Path) -> None:
    (tmp_path / "scores.npz").write_text("no archive")
    with pytest.raises(DatasetError, match=r"scores\.npz: expected a teacher's scores"):
        list(read_scores([tmp_path / "scores.npz"]))


async def test_a_teacher_says_what_its_engine_says_token_by_token(tiny_folder: Path) -> None:
    teacher, encoder = of_folder(tiny_folder), ChatEncoder(tiny_folder / "tokenizer.json")
    row = rows(1)[0]
    answer = [*encoder.plain(row["messages"][2]["content"]), encoder.end]
    score = await teacher.model.likely(encoder.prompt(row["messages"][:2]), answer, MOST)
    engine = teacher.model.load()  # type: ignore[attr-defined]
    prompt, answer = (
        encoder.prompt(row["messages"][:2]),
        [*encoder.plain(row["messages"][2]["content"]), encoder.end],
    )
    assert score.tokens.shape == (len(answer), MOST) and score.logs.shape == (len(answer), MOST + 1)
    for at, token in enumerate(answer):
        with engine.decoder.sequence(600, engine.decoder.base) as sequence:
            logits = engine.decoder.extend(sequence, [*prompt, *answer[:at]])[0].astype(np.float64)
        chances = np.exp(logits - logits.max())
        chances /= chances.sum()
        assert set(score.tokens[at]) == set(np.argsort(-chances)[:MOST])
        assert np.allclose(np.exp(score.logs[at, :-1]), chances[score.tokens[at]], atol=2e-3)
        assert np.isclose(np.exp(score.given[at]), chances[token], atol=2e-3)
        assert np.isclose(np.exp(score.logs[at, -1]), 1 - np.sort(chances)[-MOST:].sum(), atol=2e-3)


async def test_a_teacher_is_held_to_the_grammar_of_the_calls(tiny_folder: Path) -> None:
    teacher, encoder = of_folder(tiny_folder), ChatEncoder(tiny_folder / "tokenizer.json")
    chat = ChatTokenizer(tiny_folder / "tokenizer.json")
    grammar = GuidedTokenizer(chat.vocabulary(), chat.size, chat.end).compiled(FORM.contract.grammar)
    row = rows(1)[0]
    answer = [*encoder.plain(row["messages"][2]["content"]), encoder.end]
    free = await teacher.model.likely(encoder.prompt(row["messages"][:2]), answer, MOST)
    held = under(free, answer, grammar)
    matcher = grammar.matcher()
    forced = 0
    for at, token in enumerate(answer):
        bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
        allowed = bits[: chat.size].astype(bool)
        chances, before = np.exp(held.logs[at]), np.exp(free.logs[at])
        listed = allowed[held.tokens[at]]
        assert np.isclose(chances.sum(), 1, atol=1e-5) and (chances[:-1][~listed] == 0).all()
        assert (chances[:-1][listed] >= before[:-1][listed]).all() and held.given[at] >= free.given[at]
        if listed.any() and allowed.sum() > listed.sum():
            assert np.allclose(
                chances[:-1][listed] / chances[-1], before[:-1][listed] / before[-1], rtol=1e-3
            )
        if allowed.sum() == 1:
            forced += 1
            assert held.given[at] == 0 and 1.0 in (chances[-1], *chances[:-1][held.tokens[at] == token])
        matcher.consume_token(token)
    assert 0 < forced < len(answer)
    with pytest.raises(EngineRefused, match="none that its grammar allows"):
        under(free, answer[1:], grammar)


# ---- the step ----


async def scored(folder: Path, teacher: Teacher, tokenizer: Path, count: int = 150) -> Artefact:
    return await distil(
        folder, teacher, rows(count), FORM.contract, tokenizer, {"select": "sha256:0"}, {"tasks": ["weather"]}
    )


async def test_the_step_leaves_an_artefact_that_is_found_again(tiny_folder: Path, tmp_path: Path) -> None:
    tokenizer = tiny_folder / "tokenizer.json"
    made = await scored(tmp_path, of_folder(tiny_folder), tokenizer, 70)
    assert made.step == "distil" and set(made.inputs) == {"select", "tokenizer"}
    assert made.report["rows"] == 70 and 0 < made.report["given"] < 1
    assert set(dict(read_scores([made.file(SCORES)]))) == {row["id"] for row in rows(70)}
    assert not [left for left in (tmp_path / WORK).iterdir() if left.is_dir()]

    class Silent(Teacher):
        async def score(self, *_: Any) -> Score:
            raise AssertionError("asked again")

    again = await scored(tmp_path, Silent(**vars(of_folder(tiny_folder))), tokenizer, 70)
    assert again.sha256 == made.sha256


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_distil import FORM, of_folder, rows
from speeddial.flywheel.teacher import distil

def show(done, of):
    print(done, of, flush=True)
    if done == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
made = asyncio.run(
    distil(
        Path(sys.argv[2]), of_folder(folder), rows(150), FORM.contract, folder / "tokenizer.json",
        {{"select": "sha256:0"}}, {{"tasks": ["weather"]}}, progress=show,
    )
)
print(made.path)
"""


def test_a_killed_step_goes_on_and_comes_out_the_same(tiny_folder: Path, tmp_path: Path) -> None:
    script = KILLED.format(tests=str(Path(__file__).parent))
    command = [sys.executable, "-c", script, str(tiny_folder), str(tmp_path / "killed")]
    killed = subprocess.run([*command, "128"], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not list((tmp_path / "killed").glob("distil-*"))
    kept = list((tmp_path / "killed" / WORK).rglob("0*.npz"))
    assert len(kept) == 2
    # Kept rows are not asked for again: what stands there is what comes out.
    first = dict(read_scores(kept[:1]))
    changed = {name: replace(score, given=score.given * 2) for name, score in first.items()}
    write_scores(kept[0], changed)
    ended = subprocess.run([*command, "-1"], capture_output=True, text=True, check=True)
    found = dict(read_scores([Path(ended.stdout.splitlines()[-1]) / SCORES]))
    tokenizer = tiny_folder / "tokenizer.json"
    whole = asyncio.run(scored(tmp_path / "whole", of_folder(tiny_folder), tokenizer))
    scores = dict(read_scores([whole.file(SCORES)]))
    assert list(found) == list(scores)
    assert all(np.array_equal(found[name].logs, score.logs) for name, score in scores.items())
    assert all(np.array_equal(found[name].given, score.given) for name, score in changed.items())


async def test_a_teacher_of_other_tokens_is_refused_before_it_reads_anything(
    tiny_folder: Path, tmp_path: Path
) -> None:
    other = write_model(tmp_path / "other", texts=["An altogether different vocabulary, of weather."] * 9)
    with pytest.raises(UserError, match="has other tokens than the student") as caught:
        await scored(tmp_path / "flywheel", of_folder(other), tiny_folder / "tokenizer.json")
    assert "the student's family" in caught.value.hint
    assert not (tmp_path / "flywheel").exists()


def test_a_teacher_is_an_engine_an_expert_or_a_version(make_project: MakeProject, tmp_path: Path) -> None:
    project = Project(make_project(), {"licences": {"vllm:big": "MIT"}})
    found = Teacher.find("vllm:big@http://127.0.0.1:1", project, tmp_path, FORM)
    assert found.model.name == "vllm:big@http://127.0.0.1:1/v1" and found.licence == "MIT"
    shown = found.form(FORM)
    assert shown.prompt.startswith("Call.\n") and "weather(" in shown.prompt
    assert shown.contract.schema == FORM.contract.schema
    with pytest.raises(NotFound, match="there is no teacher 'nobody'") as caught:
        Teacher.find("nobody", project, tmp_path, FORM)
    assert "vllm:NAME@URL" in caught.value.hint
    with pytest.raises(UserError, match="the teacher organizer writes other calls than the student"):
        Teacher.find("organizer", Project(Path(__file__).resolve().parents[1]), tmp_path, FORM)
