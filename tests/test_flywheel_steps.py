"""The flywheel's first steps: what is collected, what is left out and why, and which tasks are found."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speeddial.errors import NotFound, UserError
from speeddial.flywheel.artefact import WORK, Artefact, ArtefactDamaged, at_work, made, newest
from speeddial.flywheel.cluster import ROUTER, TASKS, cluster
from speeddial.flywheel.collect import SAMPLES, collect
from speeddial.flywheel.curate import DROPPED, KEPT, curate, sort
from speeddial.flywheel.sample import Sample, read_samples, write_samples
from speeddial.flywheel.texts import TextClassifier, agreement, guesses
from speeddial.record import Record
from speeddial.record.selection import Selection

CITIES = [
    "Oslo",
    "Rome",
    "Lima",
    "Cairo",
    "Quito",
    "Paris",
    "Minsk",
    "Osaka",
    "Perth",
    "Tunis",
    "Bern",
    "Riga",
]
SONGS = [
    "Hallelujah",
    "Yesterday",
    "Creep",
    "Zombie",
    "Imagine",
    "Angie",
    "Roxanne",
    "Layla",
    "Lola",
    "Valerie",
]


def definition(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"name": name, "description": f"{name}.", "parameters": parameters}


TOOLS = (
    definition("get_weather", city={"type": "string"}, days={"type": "integer"}),
    definition("play", song={"type": "string"}),
    definition("alarm", action={"type": "string"}),
)
PHRASES = {
    "get_weather": ["how is the weather in {city}", "will it rain in {city}", "forecast for {city} please"],
    "play": ["play {song}", "put on {song}", "i want to hear {song} now"],
    "alarm": ["{action} my alarm", "please {action} the alarm of the morning"],
}


def sample(
    number: int, text: str, name: str = "", /, _more: dict[str, Any] | None = None, **arguments: Any
) -> Sample:
    calls = ({"name": name, "arguments": arguments},) if name else ()
    return Sample(
        id=str(number),
        group=str(number),
        messages=({"role": "user", "content": text},),
        tools=TOOLS,
        calls=calls,
        created=f"2026-11-{number % 27 + 1:02}",
        **(_more or {}),
    )


def traffic(count: int = 240, seed: int = 3) -> list[Sample]:
    """Requests of three tasks, all answered rightly."""
    dice = random.Random(seed)
    made = []
    for number in range(count):
        name = dice.choice(sorted(PHRASES))
        said = {
            "city": dice.choice(CITIES),
            "song": f"{dice.choice(SONGS)} {number}",
            "action": dice.choice(["cancel", "stop"]),
        }
        phrase = dice.choice(PHRASES[name])
        arguments = {key: value for key, value in said.items() if f"{{{key}}}" in phrase}
        made.append(sample(number, f"{phrase.format(**said)} {number}", name, **arguments))
    return made


def reasons(samples: Sequence[Sample]) -> dict[str, str]:
    return {item.sample.id: item.reason for item in sort(samples)[1]}


# ---- artefacts ----


def test_a_step_asked_for_again_is_found_done(tmp_path: Path) -> None:
    def make(draft: Path) -> dict[str, Any]:
        calls.append(1)
        (draft / "out.txt").write_text("done", encoding="utf-8")
        return {"lines": 1}

    calls: list[int] = []
    first = made(tmp_path, "sort", {"in": "sha256:1"}, {"k": 3}, make)
    again = made(tmp_path, "sort", {"in": "sha256:1"}, {"k": 3}, make)
    assert first == again and len(calls) == 1
    assert made(tmp_path, "sort", {"in": "sha256:2"}, {"k": 3}, make).path != first.path
    assert newest(tmp_path, "sort").report == {"lines": 1}


def test_a_step_that_dies_leaves_nothing_to_be_read(tmp_path: Path) -> None:
    def dies(draft: Path) -> dict[str, Any]:
        (draft / "half.txt").write_text("ha", encoding="utf-8")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(tmp_path, "sort", {}, {}, dies)
    assert [left.name for left in tmp_path.iterdir()] == [WORK]
    with pytest.raises(NotFound):
        newest(tmp_path, "sort")


def test_what_a_killed_step_left_is_deleted_and_what_is_being_made_is_not(tmp_path: Path) -> None:
    (tmp_path / ".sort-0123456789ab.draft").mkdir(parents=True)
    (tmp_path / ".sort-0123456789ab.draft" / "half.txt").write_text("ha", encoding="utf-8")

    def outer(draft: Path) -> dict[str, Any]:
        made(tmp_path, "inner", {}, {}, lambda other: {})
        assert draft.is_dir() and [left.name for left in tmp_path.glob(".*.draft")] == [draft.name]
        return {}

    made(tmp_path, "outer", {}, {}, outer)
    assert not list(tmp_path.glob(".*.draft"))


def test_a_changed_artefact_is_refused(tmp_path: Path) -> None:
    def make(draft: Path) -> dict[str, Any]:
        (draft / "out.txt").write_text("done", encoding="utf-8")
        return {}

    artefact = made(tmp_path, "sort", {}, {}, make)
    artefact.file("out.txt").write_text("else", encoding="utf-8")
    with pytest.raises(ArtefactDamaged):
        Artefact.open(artefact.path)
    with pytest.raises(NotFound):
        artefact.file("other.txt")


# ---- samples ----

texts = st.text(max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner, max_size=3)
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(texts, texts, st.dictionaries(texts, values, max_size=3)), max_size=5))
def test_samples_are_read_back_as_written(tmp_path_factory: pytest.TempPathFactory, told: list[Any]) -> None:
    file = tmp_path_factory.mktemp("samples") / "samples.jsonl"
    samples = [
        Sample(
            id=str(number),
            group=text,
            messages=({"role": "user", "content": text},),
            tools=TOOLS[:number],
            calls=({"name": name, "arguments": arguments},),
        )
        for number, (text, name, arguments) in enumerate(told)
    ]
    assert write_samples(file, samples) == len(samples)
    assert list(read_samples(file)) == samples


def test_a_line_that_is_no_sample_is_named(tmp_path: Path) -> None:
    file = tmp_path / "samples.jsonl"
    write_samples(file, traffic(2))
    file.write_text(file.read_text(encoding="utf-8") + '{"id": "x"}\n', encoding="utf-8")
    with pytest.raises(UserError, match=":3"):
        list(read_samples(file))


# ---- collect ----


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with Record.open(tmp_path / "record.db") as opened:
        yield opened


def keep(record: Record, text: str, parsed: Any, status: str = "exact", **more: Any) -> int:
    time.sleep(0.002)  # ids tell milliseconds apart, no less
    run = record.begin_run(text, workflow="proxy")
    asked = record.start_interaction(
        run, "model", model="large", messages=[{"role": "user", "content": text}], tools=TOOLS
    )
    record.finish_interaction(asked, status, raw=json.dumps(parsed), parsed=parsed, **more)
    record.finish_run(run, "done")
    return asked


def test_good_and_bad_are_collected_with_what_people_said(record: Record, tmp_path: Path) -> None:
    call = {"name": "play", "arguments": {"song": "Creep"}}
    keep(record, "play Creep", call)
    wrong = keep(record, "play Lola", call)
    keep(record, "play Layla", None, "failed", error="play: does not satisfy its schema")
    keep(record, "both", {"calls": [call, call]})
    record.feedback.correct(wrong, {"name": "play", "arguments": {"song": "Lola"}}, by="ann")
    artefact = collect(record, tmp_path / "flywheel")
    one, corrected, failed, both = read_samples(artefact.file(SAMPLES))
    assert one.calls == (call,) and one.task == "play" and one.request == "play Creep"
    assert corrected.calls[0]["arguments"] == {"song": "Lola"} and corrected.verdict == "correct"
    assert not failed.calls and failed.error and both.calls == (call, call)
    assert collect(record, tmp_path / "flywheel").path == artefact.path
    keep(record, "play Angie", call)
    assert collect(record, tmp_path / "flywheel").report["samples"] == 5


def test_the_probability_of_an_answer_is_collected_where_it_is_its_own(
    record: Record, tmp_path: Path
) -> None:
    call = {"name": "play", "arguments": {"song": "Creep"}}
    length = len(json.dumps(call))
    tokens = [(length - 8, None), (6, 0.5), (2, 0.8)]
    keep(record, "play Creep", call, tokens=tokens)
    keep(record, "play Lola", call)
    accepted = keep(record, "play Creep again", call, tokens=tokens)
    record.feedback.accept(accepted, by="ann")
    artefact = collect(record, tmp_path / "flywheel")
    sure, silent, right = read_samples(artefact.file(SAMPLES))
    assert sure.probability == pytest.approx(0.4)
    assert silent.probability is None and right.probability is None
    assert sure.with_calls([call]).probability is None
    # Samples of before there were probabilities are read.
    file = tmp_path / "old.jsonl"
    write_samples(file, [sure])
    row = json.loads(file.read_text(encoding="utf-8"))
    del row["probability"]
    file.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert list(read_samples(file)) == [Sample(**{**vars(sure), "probability": None})]


# ---- curate ----


def test_a_selection_that_nothing_fits_leaves_no_artefact(record: Record, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing on record"):
        collect(record, tmp_path / "flywheel", Selection(workflow="nosuch"))
    assert not list((tmp_path / "flywheel").glob("collect-*"))


def test_a_step_that_is_missing_is_named_by_its_command(tmp_path: Path) -> None:
    for step, command in (("curate", "speeddial data curate"), ("train", "speeddial train")):
        with pytest.raises(NotFound) as raised:
            newest(tmp_path, step)
        assert f"`{command}`" in raised.value.hint


def test_what_is_right_is_kept() -> None:
    samples = traffic()
    kept, dropped = sort(samples)
    assert len(dropped) <= 0.05 * len(samples) and {item.reason for item in dropped} <= {"near copy"}
    assert [item.id for item in kept] == [item.id for item in samples if item in kept]


def test_a_call_that_breaks_its_schema_is_left_out() -> None:
    bad = sample(900, "weather in Oslo for 2 days", "get_weather", city="Oslo", days="2")
    failed = sample(901, "x", "", {"error": "HTTP 500: not JSON"})
    unread = sample(902, "y", "", {"error": "play: out of its bounds", "whole": True})
    found = reasons([*traffic(60), bad, failed, unread])
    assert [found[name] for name in ("900", "901", "902")] == ["schema", "no answer", "schema"]


def test_a_value_that_nobody_said_is_left_out_unless_a_person_vouches() -> None:
    invented = sample(900, "how is the weather in Oslo today", "get_weather", city="Rome")
    vouched = sample(901, "how is the weather in my town", "get_weather", {"verdict": "accept"}, city="Bern")
    found = reasons([*traffic(), invented, vouched])
    assert found["900"] == "not in the request" and "901" not in found


def test_a_request_that_led_to_another_tool_is_left_out() -> None:
    other = sample(900, "will it rain in Cairo 900", "play", song="Cairo")
    assert reasons([*traffic(400), other])["900"] == "another tool"


def test_of_equal_requests_the_majority_counts() -> None:
    said = [sample(900 + at, "turn it off", "alarm", action="stop") for at in range(3)]
    split = [
        sample(950 + at, "the usual", "alarm", action=action) for at, action in enumerate(("stop", "cancel"))
    ]
    found = reasons([*traffic(60), *said, sample(910, "turn it off", "alarm", action="cancel"), *split])
    assert found["910"] == "conflict" and found["950"] == found["951"] == "conflict"
    assert "900" not in found and found["901"] == found["902"] == "copy"


def test_a_call_of_an_older_schema_is_put_aside() -> None:
    now = definition("play", title={"type": "string"})
    kept, dropped = sort(traffic(60), current={"play": now})
    assert {item.reason for item in dropped if item.sample.task == "play"} == {"drifted"}
    assert all(item.task != "play" for item in kept)


def test_an_unusual_type_is_left_out_where_the_schema_is_silent() -> None:
    loose = ({"name": "note", "description": "", "parameters": {"type": "object"}},)
    usual = [
        Sample(
            id=str(at),
            group=str(at),
            messages=({"role": "user", "content": f"note that {at}"},),
            tools=loose,
            calls=({"name": "note", "arguments": {"text": str(at) if at else 0}},),
        )
        for at in range(60)
    ]
    assert reasons(usual)["0"] == "unusual type"


def test_nothing_is_lost(record: Record, tmp_path: Path) -> None:
    for item in traffic(40):
        keep(record, item.request, item.calls[0])
    keep(record, "play", None, "failed", error="cut off")
    folder = tmp_path / "flywheel"
    artefact = curate(collect(record, folder), folder)
    kept = len(list(read_samples(artefact.file(KEPT))))
    dropped = [json.loads(line) for line in artefact.file(DROPPED).read_text(encoding="utf-8").splitlines()]
    assert kept + len(dropped) == 41 and all(row["reason"] for row in dropped)
    assert artefact.report["kept"] == kept and artefact.inputs["collect"]


# ---- cluster ----


def test_the_tasks_are_found_and_new_requests_assigned(record: Record, tmp_path: Path) -> None:
    for item in traffic(300):
        keep(record, item.request, item.calls[0])
    folder = tmp_path / "flywheel"
    artefact = cluster(curate(collect(record, folder), folder), folder)
    tasks = json.loads(artefact.file(TASKS).read_text(encoding="utf-8"))
    assert {task["name"] for task in tasks} == set(PHRASES)
    assert all(task["purity"] == 1 and task["told"] > 0.9 and task["examples"] for task in tasks)
    assert sum(task["coverage"] for task in tasks) == pytest.approx(1, abs=0.01)
    router = TextClassifier.load(artefact.file(ROUTER))
    new = traffic(120, seed=99)
    given_to = [router.classes[best] for best in router.chances([item.request for item in new]).argmax(1)]
    assert agreement([item.task for item in new], given_to) > 0.8


def test_answers_in_words_are_parted_by_their_words(tmp_path: Path, record: Record) -> None:
    dice = random.Random(1)
    kinds = (
        ["translate the sentence", "into French", "into German", "this phrase", "word for word"],
        ["summarise the report", "in three lines", "of the meeting", "shortly", "the main points"],
    )
    for number in range(120):
        words = dice.sample(kinds[number % 2], 3)
        keep(record, f"{' '.join(words)} {number}", None)
    folder = tmp_path / "flywheel"
    artefact = cluster(curate(collect(record, folder), folder), folder)
    names = json.loads(artefact.file("assigned.json").read_text(encoding="utf-8"))
    samples = list(read_samples(newest(folder, "curate").file(KEPT)))
    truth = [int(item.request.split()[-1]) % 2 for item in samples]
    assert agreement(truth, [names[item.id] for item in samples]) > 0.8


def test_two_tools_that_words_cannot_tell_apart_are_one_task(tmp_path: Path) -> None:
    dice = random.Random(2)
    samples = []
    for number in range(160):
        name, song = dice.choice(["play_a", "play_b"]), dice.choice(SONGS)
        played = sample(number, f"play {song} {number}", name, song=song.split()[0])
        samples.append(replace(played, tools=(definition(name, song={"type": "string"}),)))
    folder = tmp_path / "flywheel"

    def whole(draft: Path) -> dict[str, Any]:
        return {"kept": write_samples(draft / KEPT, samples)}

    artefact = cluster(made(folder, "curate", {}, {}, whole), folder)
    assert [task["name"] for task in artefact.report["tasks"]] == ["play_a/play_b"]


def test_a_classifier_is_read_back_as_it_was(tmp_path: Path) -> None:
    samples = traffic(90)
    made_now = TextClassifier().fit([item.request for item in samples], [item.task for item in samples])
    made_now.save(tmp_path / "router.npz")
    again = TextClassifier.load(tmp_path / "router.npz")
    asked = [item.request for item in traffic(30, seed=8)]
    assert again.classes == made_now.classes
    assert abs(again.chances(asked) - made_now.chances(asked)).max() < 0.01
    (tmp_path / "router.npz").write_bytes(b"x")
    with pytest.raises(UserError):
        TextClassifier.load(tmp_path / "router.npz")


def test_of_a_class_with_few_texts_nothing_is_told() -> None:
    found = guesses(["a b", "c d", "e f"], ["x", "x", "y"])
    assert all(guess.own == 1 for guess in found)
    assert Counter(guess.other for guess in found) == {"": 3}


def test_a_work_folder_is_one_process_s(tmp_path: Path) -> None:
    with at_work(tmp_path, "train-1"):
        with (
            pytest.raises(UserError, match="train-1 is being made by another process"),
            at_work(tmp_path, "train-1"),
        ):
            pytest.fail("two at once")
        with at_work(tmp_path, "train-2"):
            pass
    with at_work(tmp_path, "train-1"):
        pass
