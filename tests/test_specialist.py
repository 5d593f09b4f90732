"""S4 and S5: what is planned and written, and (slow) a version that is trained, killed, and serves."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from speeddial.card import _NAME
from speeddial.cli.app import app
from speeddial.errors import NotFound, UserError
from speeddial.expert import Expert
from speeddial.flywheel.artefact import WORK, Artefact, made
from speeddial.flywheel.candidate import Budget, Candidate, candidates, named
from speeddial.flywheel.cluster import ASSIGNED, TASKS
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.curve import Point, fit
from speeddial.flywheel.evaluate import alone
from speeddial.flywheel.narrow import narrow
from speeddial.flywheel.rows import PROMPT, Form, part_of, rows_of
from speeddial.flywheel.sample import Sample, write_samples
from speeddial.flywheel.select import PLAN, expert_name, improve, planned, select
from speeddial.flywheel.specialist import LEAST_WEIGHT, exchanged, own_rows
from speeddial.flywheel.swap import swapped
from speeddial.flywheel.versioncard import with_values, write_experts
from speeddial.lexicon import Lexicon
from speeddial.project import Project
from speeddial.record import Record
from speeddial.run import Runner
from speeddial.settings import Settings

MakeProject = Callable[..., Path]
FRUIT = ["apples", "pears", "figs", "plums", "dates", "limes", "melons", "grapes", "kiwis", "cherries"]
LISTS = ["shopping", "party", "picnic", "market", "garden"]
CITIES = ["Oslo", "Rome", "Lima", "Cairo", "Quito", "Paris", "Minsk", "Osaka", "Perth", "Tunis"]
TOOLS: tuple[dict[str, Any], ...] = (
    {
        "name": "add_item",
        "description": "Add.",
        "parameters": {
            "type": "object",
            "properties": {"item": {"type": "string"}, "list": {"type": "string", "description": "Which."}},
            "required": ["item"],
            "additionalProperties": False,
        },
    },
    {
        "name": "get_weather",
        "description": "Weather.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["C", "F"]},
                "mood": {"type": "string"},
            },
            "additionalProperties": False,
        },
    },
)


def sample(number: int, text: str, name: str, /, **arguments: Any) -> Sample:
    return Sample(
        id=f"run-{number}/1",
        group=f"run-{number}",
        messages=({"role": "user", "content": text},),
        tools=TOOLS,
        calls=({"name": name, "arguments": arguments},) if name else (),
        model="large",
        created=f"2026-11-{number % 27 + 1:02}",
    )


def requests(count: int) -> list[Sample]:
    """Requests of two tasks in turn, each text once."""
    found = []
    for number in range(count):
        fruit, of = FRUIT[number // 2 % 10], LISTS[number // 20 % 5]
        city, day = CITIES[number // 2 % 10], number // 20
        if number % 2:
            text = f"will it rain in {city} in {day} days"
            found.append(sample(number, text, "get_weather", city=city, unit="C", mood="gloomy"))
        else:
            text = f"put {day} {fruit} on the {of} list"
            found.append(sample(number, text, "add_item", item=f"{day} {fruit}", list=of))
    return found


def clustered(folder: Path, samples: list[Sample]) -> Artefact:
    """What collect, curate and cluster would leave of samples, each of the task that its tool names."""

    def kept(draft: Path) -> dict[str, Any]:
        write_samples(draft / KEPT, samples)
        return {}

    def tasks(draft: Path) -> dict[str, Any]:
        names = sorted({one.task for one in samples})
        rows = [{"name": name or "words-1", "tools": [name] if name else []} for name in names]
        (draft / TASKS).write_text(json.dumps(rows), encoding="utf-8")
        assigned = {one.id: one.task or "words-1" for one in samples}
        (draft / ASSIGNED).write_text(json.dumps(assigned), encoding="utf-8")
        return {}

    curated = made(folder, "curate", {"collect": "0"}, {}, kept)
    return made(folder, "cluster", {"curate": curated.sha256}, {}, tasks)


# ---- narrowing and rows ----


def test_what_is_always_said_word_for_word_is_held_to_the_request() -> None:
    tight, found = narrow({tool["name"]: tool for tool in TOOLS}, requests(60))
    assert sorted((one.tool, one.argument) for one in found) == [
        ("add_item", "item"),
        ("add_item", "list"),
        ("get_weather", "city"),
    ]
    properties = tight["add_item"]["parameters"]["properties"]
    assert properties["list"] == {"type": "string", "description": "Which.", "x-copied": True}
    assert tight["get_weather"]["parameters"]["properties"]["mood"] == {"type": "string"}  # nobody says it
    assert tight["add_item"]["parameters"]["required"] == ["item"]


def test_arguments_stand_in_the_order_in_which_they_are_said() -> None:
    samples = [
        sample(
            number,
            f"on the {LISTS[number % 5]} list put {number} figs",
            "add_item",
            item=f"{number} figs",
            list=LISTS[number % 5],
        )
        for number in range(40)
    ]
    tight, _ = narrow({tool["name"]: tool for tool in TOOLS}, samples)
    assert list(tight["add_item"]["parameters"]["properties"]) == ["list", "item"]
    row = Form(tight).row(samples[1])["messages"][-1]["content"]
    assert row == '{"name":"add_item","arguments":{"list":"party","item":"1 figs"}}'
    tight, _ = narrow({tool["name"]: tool for tool in TOOLS}, requests(60))
    assert list(tight["get_weather"]["parameters"]["properties"]) == ["unit", "mood", "city"]


def test_above_a_request_stands_what_its_phrases_were_in_other_samples() -> None:
    samples = [
        sample(1, "figs for the party", "add_item", item="figs", list="party"),
        sample(2, "party: two lemons", "add_item", item="two lemons", list="party"),
        sample(3, "will it rain in Oslo", "get_weather", city="Oslo"),
    ]
    known = Lexicon.of((one.request, one.calls[0]["arguments"]) for one in samples)
    rows = rows_of(samples, Form({tool["name"]: tool for tool in TOOLS}, lexicon=known)).rows
    assert [row["messages"][1]["content"] for row in rows] == [
        "party = list\nfigs for the party",
        "party = list\nparty: two lemons",
        "will it rain in Oslo",
    ]


def test_one_value_that_is_not_said_costs_its_row_and_not_the_narrowing() -> None:
    samples = [
        *requests(60),
        sample(60, "put pears on the shoping list", "add_item", item="pears", list="shopping"),
    ]
    tight, found = narrow({tool["name"]: tool for tool in TOOLS}, samples)
    assert ("add_item", "list", 31, 30) in [
        (one.tool, one.argument, one.values, one.fitting) for one in found
    ]
    rows = rows_of(samples, Form(tight))
    assert (len(rows.rows), dict(rows.left_out)) == (60, {"values that the request does not say": 1})


def test_an_argument_that_is_often_reworded_stays_free() -> None:
    samples = [
        *requests(60),
        *(sample(n, "more pears", "add_item", item="pears", list="x") for n in range(60, 64)),
    ]
    tight, _ = narrow({tool["name"]: tool for tool in TOOLS}, samples)
    assert (
        tight["add_item"]["parameters"]["properties"]["list"] == TOOLS[0]["parameters"]["properties"]["list"]
    )


def test_values_are_exchanged_where_they_stand_and_nothing_else_is() -> None:
    samples = requests(60)
    tight, _ = narrow({tool["name"]: tool for tool in TOOLS}, samples)
    again = list(swapped(samples, tight, 3))
    assert len(again) == len({one.id for one in again}) == 180
    assert again == list(swapped(samples, tight, 3))
    assert len({one.request for one in again}) > len({one.request for one in samples})
    rows = rows_of(again, Form(tight))
    assert len(rows.rows) == 180, rows.left_out  # every value is said in its new request
    items = {one.calls[0]["arguments"]["item"] for one in samples if one.task == "add_item"}
    for one in again:
        (call,) = one.calls
        if one.task == "add_item":
            assert call["arguments"]["item"] in items
            assert one.request == f"put {call['arguments']['item']} on the {call['arguments']['list']} list"
        else:
            assert call["arguments"]["mood"] == "gloomy"  # nobody says it, so nobody exchanges it
    twice = sample(1, "put figs and figs on the figs list", "add_item", item="figs")
    assert [one.request for one in swapped([twice], tight, 2)] == [twice.request] * 2


def test_values_are_exchanged_only_where_samples_are_gone_over_often() -> None:
    assert exchanged(7731, 20.0, {"max_tokens": 2_000_000}) == 0  # four passes
    assert exchanged(7731, 3.0, {"max_tokens": 20_000_000}) == 0
    assert exchanged(5000, 20.0, {"max_tokens": 2_000_000}) == 5
    assert exchanged(100, 20.0, {"max_tokens": 2_000_000}) == 7


def test_what_was_said_before_may_decide_so_later_turns_are_left_out() -> None:
    later = sample(1, "and pears", "add_item", item="pears")
    said = [{"role": "user", "content": "put figs there"}, {"role": "assistant", "content": "Done."}]
    later = Sample(**{**vars(later), "messages": (*said, *later.messages)})
    instructed = sample(2, "put pears there", "add_item", item="pears")
    system = {"role": "system", "content": "You help."}
    instructed = Sample(**{**vars(instructed), "messages": (system, *instructed.messages)})
    rows = rows_of([later, instructed], Form({tool["name"]: tool for tool in TOOLS}))
    assert dict(rows.left_out) == {"later in a conversation": 1}
    assert [message["content"] for message in rows.rows[0]["messages"]] == [
        PROMPT,
        "put pears there",
        '{"name":"add_item","arguments":{"item":"pears"}}',
    ]


def test_calls_of_all_kinds_are_written_as_they_are_decoded() -> None:
    two = sample(1, "put figs there, and rain in Oslo?", "add_item", item="figs")
    two = two.with_calls([*two.calls, {"name": "get_weather", "arguments": {"unit": "C", "city": "Oslo"}}])
    form = Form({tool["name"]: tool for tool in TOOLS}, "several")
    rows = rows_of([two, sample(2, "tell me a joke", "")], form).rows
    assert [row["messages"][-1]["content"] for row in rows] == [
        '{"calls":[{"name":"add_item","arguments":{"item":"figs"}},'
        '{"name":"get_weather","arguments":{"city":"Oslo","unit":"C"}}]}',
        '{"name":"refuse","arguments":{"reason":"another task"}}',
    ]


@given(st.text(min_size=1, max_size=80))
def test_any_task_has_a_name_that_an_expert_may_have(name: str) -> None:
    assert _NAME.fullmatch(expert_name(name))
    assert expert_name("play_music") == "play_music" and expert_name("email/lists") == "email-lists"


def test_a_row_counts_as_much_as_its_model_was_sure() -> None:
    samples = requests(6)
    for at, probability in enumerate((0.75, 0.001, None)):
        samples[at] = replace(samples[at], probability=probability)
    form = Form({tool["name"]: tool for tool in TOOLS})
    tasks = [{"train": [one.id for one in samples]}]
    rows = own_rows(tasks, {one.id: one for one in samples}, form, times=1).rows
    weights = {row["id"]: row.get("weight") for row in rows}
    assert weights["run-0/1"] == weights["run-0/1~1"] == 0.75
    assert weights["run-1/1"] == LEAST_WEIGHT and weights["run-2/1"] is None
    assert len(rows) == 12 and sum(weight is not None for weight in weights.values()) == 4


# ---- the plan ----


def test_groups_are_divided_the_same_for_ever() -> None:
    parts = [part_of(f"run-{number}") for number in range(2000)]
    assert 0.17 < parts.count("test") / 2000 < 0.23 and 0.17 < parts.count("calibrate") / 2000 < 0.23
    known = {"run-3": "test", "run-1": "calibrate", "run-0": "train"}
    assert {group: part_of(group) for group in known} == known


def test_a_plan_keeps_parts_apart_and_says_what_is_left_out() -> None:
    samples = [*requests(300), *(sample(n, f"joke {n}", "") for n in range(300, 330))]
    tasks = [
        {"name": "add_item", "tools": ["add_item"]},
        {"name": "get_weather", "tools": ["get_weather"]},
        {"name": "words-1", "tools": []},
    ]
    assigned = {one.id: one.task or "words-1" for one in samples}
    plan = planned(samples, tasks, assigned)
    assert [row["task"] for row in plan["tasks"]] == ["add_item", "get_weather"]
    assert plan["left_out"] == [{"task": "words-1", "reason": "answered in words"}]
    groups = {one.id: one.group for one in samples}
    for row in plan["tasks"]:
        for part in ("train", "calibrate", "test"):
            assert row[part] and {part_of(groups[name]) for name in row[part]} == {part}
    assert sum(map(len, plan["refused"].values())) == 30
    only = planned(samples, tasks, assigned, names=["add_item"])
    assert [row["task"] for row in only["tasks"]] == ["add_item"]
    with pytest.raises(UserError, match="40 are needed"):
        planned(samples[:50], tasks, assigned)


def test_candidates_come_smallest_first_and_limits_stand_against_them() -> None:
    settings = Settings(bases={"vllm:org/Big@http://127.0.0.1:1": "/nowhere"})
    found = candidates(settings, Budget(), "CC0-1.0")
    # A tagger has more parameters than the tiny ones that it bars, and is tried in their place.
    assert [one.name for one in found if one.kind != "lora"] == ["tiny", "small", "tagger"]
    assert [one.parameters for one in found] == sorted(one.parameters for one in found)
    assert all("tagger learns more" in one.obstacle for one in found if one.kind == "scratch")
    assert named([one.as_dict() for one in found], "").name == "tagger"
    asked = named([one.as_dict() for one in found], "tiny")
    assert (asked.name, asked.max_tokens) == ("tiny", Budget().max_tokens), "who names it means it"
    found = candidates(settings, Budget(), "CC0-1.0", "calls hold others")
    assert next(one for one in found if one.kind == "tagger").obstacle == "calls hold others"
    big = next(one for one in found if one.name == "lora-big")
    assert "holds no model" in big.obstacle
    # Both begin with what knows how to copy from a request; another base has no adapter to begin from.
    begun = {one.name: one.base or one.init for one in found if one.name in ("tiny", "small")}
    begun |= {one.name: one.init for one in found if one.kind == "lora"}
    assert begun["tiny"].endswith("home/model") and begun["lora"].endswith("caller/adapter")
    assert begun["small"] == begun["lora-big"] == ""
    rows = [one.as_dict() for one in found]
    assert named(rows, "").name == "tiny"
    assert sum(one.max_tokens for one in found) == Budget().max_tokens
    assert all(one.max_tokens == 0 for one in found if one.obstacle)
    with pytest.raises(UserError, match="holds no model"):
        named(rows, "lora-big")
    with pytest.raises(NotFound, match="no candidate 'huge'"):
        named(rows, "huge")
    strict = candidates(settings, Budget(licences=("MIT",)), "CC0-1.0")
    assert all(one.obstacle for one in strict)
    with pytest.raises(NotFound, match="allowed: MIT"):
        named([one.as_dict() for one in strict], "")
    assert all(one.obstacle for one in candidates(settings, Budget(max_memory=0.5), "CC0-1.0"))


def test_a_plan_is_found_again_and_names_its_inputs(make_project: MakeProject, tmp_path: Path) -> None:
    project = Project(make_project(), {"licences": {"large": "CC0-1.0"}})
    before = clustered(tmp_path / "flywheel", requests(300))
    plan = select(before, tmp_path / "flywheel", project)
    assert select(before, tmp_path / "flywheel", project).path == plan.path
    assert plan.inputs["cluster"] == before.sha256
    assert plan.report["licence"] == "CC0-1.0"
    body = json.loads(plan.file(PLAN).read_text(encoding="utf-8"))
    assert next(one["name"] for one in body["candidates"] if not one["obstacle"]) == "tagger"


@pytest.mark.parametrize(("name", "who"), [("planner", "agent"), ("adder", "expert")])
def test_a_task_with_the_name_of_somebody_else_is_left_out(
    make_project: MakeProject, tmp_path: Path, name: str, who: str
) -> None:
    project = Project(make_project(), {"licences": {"large": "CC0-1.0"}})
    found = [
        replace(one, calls=({**one.calls[0], "name": name},), tools=({**one.tools[0], "name": name},))
        if one.task == "add_item"
        else one
        for one in requests(300)
    ]
    plan = select(clustered(tmp_path / "flywheel", found), tmp_path / "flywheel", project)
    assert [row["task"] for row in plan.report["tasks"]] == ["get_weather"]
    (left,) = plan.report["left_out"]
    assert left["task"] == name and f"an {who} of the project is named {name}" in left["reason"]


def test_the_flywheel_says_before_its_first_step_that_it_cannot_train(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_project()
    monkeypatch.chdir(root)
    monkeypatch.setattr("speeddial.flywheel.specialist.find_spec", lambda name: None)
    for words in (["flywheel"], ["flywheel", "--through", "train"], ["train", "adder"], ["train", "planner"]):
        with pytest.raises(UserError, match="training needs torch and transformers") as raised:
            CliRunner().invoke(app, words, catch_exceptions=False)
        assert "speeddial[train]" in raised.value.hint
    with pytest.raises(UserError, match=r"^(?!training needs)"):  # nothing is on record
        CliRunner().invoke(app, ["flywheel", "--through", "select"], catch_exceptions=False)


def test_the_command_plans_and_training_names_the_extra_that_it_needs(
    make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_project()
    (root / "speeddial.toml").write_text('[licences]\nlarge = "CC0-1.0"\n', encoding="utf-8")
    monkeypatch.chdir(root)
    folder = root / "workspace" / ".speeddial" / "flywheel"
    clustered(folder, requests(300))
    runner = CliRunner()
    ended = runner.invoke(app, ["data", "select", "--task", "add_item", "--max-tokens", "1000", "--json"])
    assert ended.exit_code == 0, ended.output
    plan = json.loads(ended.stdout)
    assert [row["task"] for row in plan["report"]["tasks"]] == ["add_item"]
    assert plan["parameters"]["budget"]["max_tokens"] == 1000
    monkeypatch.setattr("speeddial.flywheel.specialist.find_spec", lambda name: None)
    with pytest.raises(UserError, match="training needs torch and transformers") as raised:
        runner.invoke(app, ["train", "add_item"], catch_exceptions=False)
    assert "speeddial[train]" in raised.value.hint
    with pytest.raises(NotFound, match="the plan has no task 'play'"):
        runner.invoke(app, ["train", "play"], catch_exceptions=False)
    assert not list(folder.glob("train-*"))


# ---- the learning curve ----


def test_a_power_law_is_found_and_leads_to_the_rows_that_a_target_takes() -> None:
    law = fit([Point(rows, 0, 2.0 * rows**-0.5) for rows in (100, 200, 400)])
    assert law is not None
    assert (round(law.scale, 3), round(law.exponent, 3)) == (2.0, 0.5)
    assert 1590 <= law.rows(0.05) <= 1610


@pytest.mark.parametrize("errors", [(0.5, 0.5, 0.5), (0.2, 0.3, 0.4), (0.0, 0.0, 0.0), (1.0, 1.0, 0.9)])
def test_error_that_does_not_fall_leads_nowhere(errors: tuple[float, ...]) -> None:
    assert fit([Point(100 * 2**number, 0, error) for number, error in enumerate(errors)]) is None


# ---- a version of the project's own expert ----


def test_an_experts_new_version_is_its_own_folder_with_other_weights(tmp_path: Path) -> None:
    project = Project(Path(__file__).resolve().parents[1])
    expert = project.expert("organizer")
    form = Form.of_expert(expert, project.tools)
    one = Candidate(name="lora", kind="lora", model=expert.model, parameters=1, memory=1.0)
    row = {"task": "organizer", "expert": "organizer", "tools": list(expert.tools)}
    assert expert.adapter is not None
    (tmp_path / "adapter").symlink_to(expert.adapter.resolve())
    trained = {"data": {"sha256": "sha256:0123456789abcdef"}}
    (card,) = write_experts(tmp_path / "experts", [row], form, one, trained, expert)
    made = Expert.from_card(card)
    assert (made.version, made.threshold, made.tools) == ("0123456789ab", 1.0, expert.tools)
    assert made.prompt == expert.prompt and made.calibration is None
    assert made.adapter is not None and made.adapter.resolve() == expert.adapter.resolve()
    said = sample(1, "remind me to call Ann", "refuse", reason="no")
    assert form.row(said)["messages"][0]["content"] == expert.prompt


def test_an_expert_whose_prompt_differs_from_call_to_call_is_not_improved(tmp_path: Path) -> None:
    project = Project(Path(__file__).resolve().parents[1])
    with Record.open(tmp_path / "record.db") as record:
        with pytest.raises(UserError, match="differs from call to call"):
            improve(record, tmp_path / "flywheel", project, "tables")
        with pytest.raises(UserError, match="nothing on record fits this selection"):
            improve(record, tmp_path / "flywheel", project, "organizer")


def test_values_of_a_card_are_replaced_where_they_stand_or_put_above_its_tables() -> None:
    text = 'name = "a"\nthreshold = 0.0\n\n[provenance]\ndata = "x"\n'
    changed = tomllib.loads(with_values(text, {"threshold": 0.5, "version": "2"}))
    assert changed == {"name": "a", "threshold": 0.5, "version": "2", "provenance": {"data": "x"}}


# ---- training, with torch ----

RECIPE = {"width": 64, "layers": 2, "heads": 4, "vocabulary": 400, "lr": 6e-3, "batch": 32, "warmup": 30}
TRAIN = """
import asyncio, json, os, signal, sys
from pathlib import Path
from speeddial.flywheel.artefact import Artefact
from speeddial.flywheel.specialist import train
from speeddial.project import Project

selected, folder, root, recipe, stage, after = sys.argv[1:]

def show(told):
    print(told.stage, told.done, told.of, flush=True)
    if told.stage == stage and told.done >= int(after):
        os.kill(os.getpid(), signal.SIGKILL)

version = asyncio.run(
    train(
        Artefact.open(Path(selected)),
        Path(folder),
        Project(Path(root)),
        candidate="small",
        recipe=json.loads(recipe),
        progress=show,
    )
)
print(version.path)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_version_is_trained_through_kills_and_serves(make_project: MakeProject, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    root, folder = make_project(), tmp_path / "flywheel"
    project = Project(root, {"licences": {"large": "CC0-1.0"}})
    plan = select(clustered(folder, requests(1000)), folder, project, Budget(max_tokens=10_000_000))
    command = [
        sys.executable,
        "-c",
        TRAIN,
        str(plan.path),
        str(folder),
        str(root),
        json.dumps({**RECIPE, "steps": 260}),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for stage, after in (("train", "120"), ("calibrate", "20")):
        killed = subprocess.run(
            [*command, stage, after], capture_output=True, text=True, env=environment, check=False
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert not list(folder.glob("train-*"))  # nothing half made
        assert [left for left in (folder / WORK).glob("train-*") if left.is_dir()]
    ended = subprocess.run([*command, "", "0"], capture_output=True, text=True, env=environment, check=True)
    assert "train 20" not in ended.stdout, "trained again from the start"
    version = Artefact.open(Path(ended.stdout.splitlines()[-1]))
    assert not [left for left in (folder / WORK).glob("train-*") if left.is_dir()]
    assert [row["task"] for row in version.report["tasks"]] == ["add_item", "get_weather"]
    assert version.report["licence"] == "CC0-1.0" and version.report["tokens"] <= 600_000
    assert version.report["calibration"]["right"] > 0.5, version.report
    expert = Expert.from_card(version.path / "experts" / "add_item" / "card.toml")
    assert expert.weights == (version.path / "weights").resolve()
    said = "put 77 figs on the party list"
    with project.open_record() as record:
        house = alone(project, expert, project.model_of(expert))
        outcome = asyncio.run(Runner(house, record=record).call("add_item", said, execute=False))
        asked = record.interaction(outcome.interactions[0]).messages
    definitions = json.loads((expert.folder / "tools.json").read_text(encoding="utf-8"))
    form = Form({definition["name"]: definition for definition in definitions}, lexicon=expert.lexicon)
    # What it was trained on is what it is asked, word for word.
    assert expert.lexicon and list(asked) == form.row(sample(1, said, ""))["messages"][:2]
