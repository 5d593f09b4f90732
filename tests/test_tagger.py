"""The tagger: its scheme, its chain of tags against all there are, its engine, and (slow) its training."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_specialist import clustered, requests, sample
from tiny import write_tagger

from speeddial.contract import union_of_calls
from speeddial.contract.copied import cut, is_span
from speeddial.definition import tool_of
from speeddial.errors import ContractViolation, EngineError, EngineRefused, UserError
from speeddial.flywheel.narrow import narrow
from speeddial.flywheel.select import PLAN, planned, select
from speeddial.flywheel.tagform import TagForm, untaggable
from speeddial.messages import REFUSE
from speeddial.models import Completion, Request, load_model
from speeddial.models.tagnetwork import TagNetwork
from speeddial.models.tagscheme import IMPOSSIBLE, Frame, Sizes, TagScheme, learnt_words, span
from speeddial.project import Project

SCHEME = TagScheme(
    ("play", "the", "song", "by", "on"),
    ("artist", "song"),
    (
        Frame("play", {"loud": True}, ("artist", "song")),
        Frame("play", {}, ("song",)),
        Frame(REFUSE, {"reason": "another task"}, ()),
    ),
    Sizes(word=8, character=4, spelling=6, casing=2, hidden=5),
    members=3,
)
PLAY = {
    "name": "play",
    "description": "Play.",
    "parameters": {
        "type": "object",
        "properties": {
            "loud": {"type": "boolean"},
            "artist": {"type": "string", "x-copied": True},
            "song": {"type": "string", "x-copied": True},
        },
        "additionalProperties": False,
    },
}
TEXTS = st.text(st.sampled_from("aB é1.,'- \n你"), min_size=1, max_size=30)


@given(text=TEXTS, ends=st.lists(st.integers(0, 30), min_size=4, max_size=4))
def test_what_is_tagged_is_read_back(text: str, ends: list[int]) -> None:
    words = cut(text)
    places = sorted(min(end, len(words)) for end in ends)
    values = {
        name: span(words, start, end)
        for name, start, end in zip(SCHEME.arguments, places[::2], places[1::2], strict=True)
        if start < end
    }
    assert all(is_span(value, text) for value in values.values())
    tags = SCHEME.tagged(words, values)
    if tags is None:
        # Another place of the one's words was taken by the other, which stands there first.
        assert len(values) == 2
        return
    found = SCHEME.values(words, tags)
    assert {name: span(words, *place).casefold() for name, place in found.items()} == {
        name: value.casefold() for name, value in values.items()
    }


def test_a_value_that_the_request_does_not_say_has_no_tags() -> None:
    words = cut("play cats by anna")
    assert SCHEME.tagged(words, {"song": "dogs"}) is None
    assert SCHEME.tagged(words, {"song": "cat"}) is None, "its plural is another word"
    assert SCHEME.tagged(words, {"song": "cats by", "artist": "by anna"}) is None
    assert SCHEME.tagged(words, {"song": "CATS", "artist": "anna"}) == [0, 3, 0, 1]


def test_the_best_chain_is_the_likeliest_of_what_members_have_for_their_best(tmp_path: Path) -> None:
    network = TagNetwork(write_tagger(tmp_path, SCHEME))
    for text in ("play", "play the song", "Anna by Bob!"):
        words = cut(text)
        frames, scores = network.read(words)
        assert frames.shape == (3, 3) and scores.shape == (3, len(words), SCHEME.tags)
        for frame, allowed in enumerate(SCHEME.allowed):
            bests, chances = [], []
            for member, chain in enumerate(network._chains.astype(float)):
                every = {
                    tags: sum(scores[member, at, tag] for at, tag in enumerate(tags))
                    + sum(chain[pair] for pair in itertools.pairwise(tags))
                    for tags in itertools.product(np.flatnonzero(allowed), repeat=len(words))
                    if tags[0] % 2 or not tags[0]
                }
                whole = np.logaddexp.reduce(list(every.values()))
                bests.append(max(every, key=lambda tags: every[tags]))
                chances.append({tags: np.exp(cost - whole) for tags, cost in every.items()})
            likely = frames[:, frame]
            mean = {
                tags: sum(likely[m] * chances[m][tags] for m in range(3)) / likely.sum() for tags in bests
            }
            best = network.best(likely, scores, frame)
            assert mean[tuple(best.tags)] == pytest.approx(max(mean.values()), rel=1e-4)
            assert prod(best.probabilities) == pytest.approx(mean[tuple(best.tags)], rel=1e-4)


def test_a_word_goes_on_only_where_it_began() -> None:
    begin, inside = 1, 2
    assert SCHEME.transitions[0, inside] == SCHEME.transitions[3, inside] == IMPOSSIBLE
    assert SCHEME.transitions[begin, inside] == SCHEME.transitions[inside, inside] == 0


def asked(folder: Path, text: str, definition: dict[str, Any] = PLAY) -> Completion:
    contract = union_of_calls({definition["name"]: tool_of(definition).contract}).bound(text)
    return asyncio.run(load_model(f"tagger:{folder}").complete(Request((), contract, text=text)))


@given(text=TEXTS.filter(lambda text: bool(cut(text))))
def test_whatever_it_answers_is_a_call_of_the_contract(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "tagger"
    if not folder.is_dir():
        write_tagger(folder, SCHEME)
    completion = asked(folder, text)
    call = union_of_calls({"play": tool_of(PLAY).contract}).bound(text).parse(completion.text)
    assert call.name in ("play", REFUSE)
    assert completion.receipt.constrained and "canary" in completion.receipt.proven_by
    assert "".join(token.text for token in completion.tokens) == completion.text
    told = [token.probability for token in completion.tokens if token.probability is not None]
    assert completion.confidence == pytest.approx(prod(told)) and all(0 <= one <= 1 for one in told)


def test_it_answers_no_other_tools_and_no_empty_request(tmp_path: Path) -> None:
    folder = write_tagger(tmp_path / "tagger", replace(SCHEME, frames=SCHEME.frames[:2]))
    other = {**PLAY, "name": "sing"}
    with pytest.raises(EngineRefused, match="no call that it reads in the request"):
        asked(folder, "play the song", other)
    with pytest.raises(EngineRefused, match="the request has none"):
        asked(folder, " ")


def test_a_folder_that_holds_no_tagger_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected a folder with tagger\.json"):
        load_model(f"tagger:{tmp_path / 'none'}")
    folder = write_tagger(tmp_path / "tagger", SCHEME)
    (folder / "tagger.json").write_text('{"format": 9}', encoding="utf-8")
    with pytest.raises(EngineError, match="format 9, this version reads 1"):
        load_model(f"tagger:{folder}")
    replace(SCHEME, words=("other",)).write(folder)
    with pytest.raises(EngineError, match="weights of another tagger"):
        load_model(f"tagger:{folder}")


# ---- samples as rows ----


def test_a_call_is_a_frame_and_what_the_request_says() -> None:
    samples = requests(60)
    definitions, _ = narrow({tool["name"]: tool for tool in samples[0].tools}, samples)
    form = TagForm(definitions)
    row = form.row(sample(1, "will it rain in Rome", "get_weather", city="Rome", unit="C", mood="gloomy"))
    assert row["frame"] == {
        "name": "get_weather",
        "arguments": {"unit": "C", "mood": "gloomy"},
        "copied": ["city"],
    }
    assert row["values"] == {"city": "Rome"}
    assert form.row(sample(2, "who are you", ""))["frame"]["name"] == REFUSE
    twice = replace(samples[0], calls=samples[0].calls * 2)
    with pytest.raises(ContractViolation):
        form.row(twice)


def test_a_plan_tells_whether_a_tagger_can_learn_it(
    make_project: Callable[..., Path], tmp_path: Path
) -> None:
    samples = requests(300)
    tasks = [{"name": name, "tools": [name]} for name in ("add_item", "get_weather")]

    def why(samples: list[Any]) -> str:
        plan = planned(samples, tasks, {one.id: one.task for one in samples})
        return untaggable(plan, {one.id: one for one in samples})

    assert why(samples) == ""
    free = [
        replace(one, calls=({**one.calls[0], "arguments": {"mood": f"mood {number}"}},))
        if one.task == "get_weather"
        else one
        for number, one in enumerate(samples)
    ]
    assert "calls hold others" in why(free)
    assert "several are on record" in why([replace(samples[0], calls=samples[0].calls * 2), *samples[1:]])
    project = Project(make_project(), {"licences": {"large": "CC0-1.0"}})
    for rows, first in ((samples, "tagger"), (free, "tiny")):
        folder = tmp_path / first
        plan = select(clustered(folder, rows), folder, project)
        listed = json.loads(plan.file(PLAN).read_text(encoding="utf-8"))["candidates"]
        assert next(one["name"] for one in listed if not one["obstacle"]) == first
        assert sum(one["max_tokens"] for one in listed if not one["obstacle"]) == 2_000_000


# ---- training, with torch ----

TRAIN = """
import os, signal, sys
from pathlib import Path
from speeddial.flywheel.tagging import Recipe, train

data, out, die_at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def show(at):
    if at.step == die_at:
        os.kill(os.getpid(), signal.SIGKILL)

recipe = Recipe(epochs=6.0, hidden=32, word=32, batch=16, warmup=20, members=2)
print(train([data], out, recipe, checkpoint_every=10, report_every=10, progress=show, device="cpu").loss)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_tagger_is_trained_through_a_kill_bit_for_bit_and_finds_new_words(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    from speeddial.flywheel.tagging import Recipe, _Tagger

    rows = tmp_path / "rows.jsonl"
    samples = requests(600)
    definitions, _ = narrow({tool["name"]: tool for tool in samples[0].tools}, samples)
    form = TagForm(definitions)
    rows.write_text("".join(f"{json.dumps(form.row(one))}\n" for one in samples), encoding="utf-8")

    def run(out: str, die_at: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", TRAIN, str(rows), str(tmp_path / out), str(die_at)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    assert run("killed", 50).returncode == -signal.SIGKILL
    for out in ("killed", "whole"):
        ended = run(out, -1)
        assert ended.returncode == 0, ended.stderr
    weights = [(tmp_path / out / "model.safetensors").read_bytes() for out in ("killed", "whole")]
    assert weights[0] == weights[1]
    report = json.loads((tmp_path / "killed" / "training.json").read_text(encoding="utf-8"))
    assert report["finished"] and report["stages"] == 2 and report["rows_not_taken"] == 0

    # The engine computes what was trained.
    folder = tmp_path / "whole"
    network = TagNetwork(folder)
    learner = _Tagger(Recipe(), "")
    learner.scheme = network.scheme
    learner.build("cpu", False)
    learner.restore({name: value.float() for name, value in load_file(folder / "model.safetensors").items()})
    learner.members.eval()
    learner.drop.eval()
    words = cut("put 12 durians on the Zoo list!")
    ids, characters, casings = (torch.from_numpy(part)[None] for part in network.scheme.features(words))
    real = torch.ones(1, len(words), dtype=torch.bool)
    told, said = network.read(words)
    for number, member in enumerate(learner.members):
        with torch.no_grad():
            scores, frames = learner._read(member, ids, characters, casings, None, real.sum(1), real)
        assert np.allclose(frames.softmax(-1)[0].numpy(), told[number], atol=1e-4)
        assert np.allclose(scores[0].numpy(), said[number], atol=1e-3)
    assert not np.allclose(told[0], told[1], atol=1e-6), "each begins from weights of its own"

    completion = asked(folder, "put 12 durians on the zoo list", definitions["add_item"])
    assert json.loads(completion.text) == {
        "name": "add_item",
        "arguments": {"item": "12 durians", "list": "zoo"},
    }


def test_the_words_of_a_base_tell_those_that_no_sample_has(base_model: Any, tmp_path: Path) -> None:
    from speeddial.models.wordvectors import load_word_vectors

    vectors = load_word_vectors(base_model.source.name)
    oslo, rome, seven = vectors.of(["Oslo", "Rome", "seven"])
    assert float(oslo @ rome) > float(oslo @ seven)
    assert np.linalg.norm(oslo) == pytest.approx(vectors.dimensions**0.5, rel=1e-4)
    scheme = replace(SCHEME, base=base_model.source.name, sizes=replace(SCHEME.sizes, meaning=4))
    folder = write_tagger(tmp_path, scheme, dimensions=vectors.dimensions)
    assert asked(folder, "play Oslo").text.startswith('{"name":')
    assert learnt_words([cut("a A b")]) == ("a",)


def test_a_request_for_a_tool_that_is_not_there_is_refused(tmp_path: Path) -> None:
    scheme = replace(SCHEME, frames=(Frame("sing", {}, ()), Frame("play", {}, ()), SCHEME.frames[2]))
    folder = write_tagger(tmp_path, scheme)
    likely = TagNetwork(folder).read(cut("play the song"))[0].mean(axis=0)
    completion = asked(folder, "play the song")
    told = next(token.probability for token in completion.tokens if token.probability is not None)
    refused = likely[0] + likely[2]
    wanted = (REFUSE, refused) if refused > likely[1] else ("play", likely[1])
    assert json.loads(completion.text)["name"] == wanted[0] and told == pytest.approx(float(wanted[1]))
