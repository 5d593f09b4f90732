"""The planner on the flywheel: plans that were carried out are learnt from, and a version goes in and out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_promotion import tree
from tiny import write_model

from speeddial.agent import Agent
from speeddial.errors import UserError
from speeddial.flywheel import planning, planproof, plans
from speeddial.flywheel.artefact import FOLDER, Artefact, made
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.deployment import Deployments
from speeddial.flywheel.gate import Terms
from speeddial.flywheel.installing import installed
from speeddial.flywheel.promotion import find, gate_of, promote, rollback
from speeddial.flywheel.sample import Sample, read_samples
from speeddial.flywheel.select import PLAN
from speeddial.flywheel.watch import watch
from speeddial.models.scripted import Scripted
from speeddial.project import Project
from speeddial.record import Record
from speeddial.run import Runner

TERMS = Terms(margin=0.3)
WORDS = ("figs", "pears", "plums", "dates", "limes", "kiwis", "grapes")
SETTINGS = '[tool.speeddial]\nlicences = {"scripted:old" = "CC0-1.0"}\n'
AGENT = '# The project\'s own.\nrole = "planner"\nmodel = "scripted:old"\nversion = "1"\n'


def right(request: Any) -> dict[str, Any]:
    """The plan that the tests hold for right, of any request."""
    task = request.messages[1].content.rpartition("Task: ")[2].partition("\nFailed:")[0]
    return {"steps": [{"task": task, "expert": "shelf"}]}


def wrong(request: Any) -> dict[str, Any]:
    return {"steps": [], "missing": ["all of it"]}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    for room in ("agents/planner", "tools", "experts/shelf"):
        (root / room).mkdir(parents=True)
    (root / "pyproject.toml").write_text(SETTINGS, encoding="utf-8")
    (root / "agents/planner/agent.toml").write_text(AGENT, encoding="utf-8")
    (root / "agents/planner/prompt.md").write_text("Plan.\nExperts:\n{experts}\n", encoding="utf-8")
    tool = 'from speeddial import tool\n\n\n@tool(effect="read")\ndef find(what: str) -> str:\n'
    (root / "tools/shelf.py").write_text(f'{tool}    """Find."""\n    return what\n', encoding="utf-8")
    card = 'name = "shelf"\nsummary = "finds things"\ntask = "Find."\ntools = ["find"]\nmodel = "scripted"\n'
    (root / "experts/shelf/card.toml").write_text(card, encoding="utf-8")
    (root / "experts/shelf/prompt.md").write_text("Find.\n", encoding="utf-8")
    return Project.load(root)


@pytest.fixture
def record(project: Project) -> Iterator[Record]:
    with Record.open(project.root / "workspace" / ".speeddial" / "record.db") as record:
        yield record


def keep(
    record: Record,
    project: Project,
    text: str,
    plan: dict[str, Any],
    *,
    step: str = "exact",
    status: str = "done",
    again: bool = False,
    imported: bool = False,
) -> list[int]:
    """A run as the call path writes it; gives its plans' interactions."""
    from speeddial.plan import plan_contract, planner_messages

    agent, experts = project.agent("planner"), project.experts
    contract = plan_contract(experts, ())
    settings = {"execute": True, **({"imported": "otlp"} if imported else {})}
    run = record.begin_run(text, workflow="default", settings=settings)
    ids = []
    for number in range(1 + again):
        failures = ["shelf: no"] if number else []
        system, user = planner_messages(agent.prompt, text, experts.values(), (), failures)
        said = [{**system.as_dict(), "content": f"{system.content}\n{contract.describe()}"}, user.as_dict()]
        row = record.start_interaction(
            run,
            "plan",
            expert="planner",
            model="scripted:old",
            messages=said,
            schema=contract.unbound.schema,
            reason="; ".join(failures),
        )
        record.finish_interaction(row, "exact", raw=json.dumps(plan), parsed=plan)
        ids.append(row)
    for number, _ in enumerate(plan["steps"], start=1):
        row = record.start_interaction(run, "model", step=number, expert="shelf", model="s", messages=[])
        record.finish_interaction(row, step, raw="{}", parsed={"name": "find", "arguments": {}})
    record.finish_run(run, status)
    return ids


def plan_for(text: str) -> dict[str, Any]:
    return {"steps": [{"task": text, "expert": "shelf"}]}


def traffic(record: Record, project: Project, count: int) -> None:
    for number in range(count):
        text = f"find {WORDS[number % 7]} {number}"
        keep(record, project, text, plan_for(text))


def version(project: Project, record: Record, name: str, say: Any) -> Artefact:
    """What training leaves, served by a script."""
    Scripted.register(name, say)
    folder = record.folder / FOLDER
    collected = plans.collect(record, folder, project.agent("planner"))
    curated = plans.curate(collected, folder)
    samples = list(read_samples(curated.file(KEPT)))

    def select(draft: Path) -> dict[str, Any]:
        tasks = [{"task": "planner", "test": [one.id for one in samples]}]
        said = {"tasks": tasks, "usual": {"replanned": 0.1, "corrected": 0.0}}
        (draft / PLAN).write_text(json.dumps(said), encoding="utf-8")
        return {}

    selected = made(folder, "select", {"curate": curated.sha256}, {"agent": "planner"}, select)

    def train(draft: Path) -> dict[str, Any]:
        place = draft / "agents" / "planner"
        place.mkdir(parents=True)
        (place / "agent.toml").write_text(AGENT.replace("scripted:old", f"scripted:{name}"))
        (place / "prompt.md").write_text("Plan.\nExperts:\n{experts}\n")
        row = {"task": "planner", "expert": "planner", "folder": "agents/planner"}
        return {"tasks": [row], "licence": "CC0-1.0", "tokens": 1, "seconds": 1.0}

    return made(folder, "train", {"select": selected.sha256}, {"name": name}, train)


def sorted_plans(record: Record, project: Project) -> tuple[list[Sample], dict[str, str]]:
    collected = plans.collect(record, record.folder / FOLDER, project.agent("planner"))
    samples = list(read_samples(collected.file("samples.jsonl")))
    kept, dropped = plans.sort(samples)
    return kept, {item.sample.request: item.reason for item in dropped}


def test_plans_that_were_carried_out_or_judged_are_learnt_from(record: Record, project: Project) -> None:
    keep(record, project, "find figs", plan_for("find figs"))
    keep(record, project, "find figs", plan_for("find figs"))
    keep(record, project, "refused", plan_for("refused"), step="refused")
    keep(record, project, "failed", plan_for("failed"), status="failed")
    keep(record, project, "again", plan_for("again"), again=True)
    keep(record, project, "partly", {**plan_for("partly"), "missing": ["the rest"]}, status="partial")
    (taken,) = keep(record, project, "taken", plan_for("taken"), status="failed")
    (mended,) = keep(record, project, "mended", plan_for("bad"), step="refused")
    record.feedback.accept(taken)
    record.feedback.correct(mended, plan_for("mended"))
    kept, dropped = sorted_plans(record, project)
    of = {sample.request.removeprefix("Task: "): sample for sample in kept}
    assert of.keys() == {"find figs", "partly", "taken", "mended"}
    assert dropped == {
        "Task: find figs": "copy",
        "Task: refused": "a step was refused",
        "Task: failed": "not carried out",
        "Task: again": "planned anew",
        "Task: again\nFailed: shelf: no": "made after a failure",
    }
    row = plans.row_of(of["mended"])
    assert row["messages"] == [
        {"role": "system", "content": "Plan.\nExperts:\n- shelf: finds things"},
        {"role": "user", "content": "Task: mended"},
        {"role": "assistant", "content": '{"steps":[{"task":"mended","expert":"shelf"}]}'},
    ]


def test_what_the_call_path_writes_is_read_as_it_was_asked(record: Record, project: Project) -> None:
    Scripted.register("old", right)
    plan = asyncio.run(Runner(project, record=record).plan("find figs"))
    (row,) = record.interactions(kinds=("plan",))
    _, dropped = sorted_plans(record, project)
    assert dropped == {"Task: find figs": "not carried out"}, "planned only"
    record.feedback.accept(row.id)
    (sample,), _ = sorted_plans(record, project)
    assert plans.plan_of(sample) == plan.as_dict()
    assert sample.messages[0]["content"] == "Plan.\nExperts:\n- shelf: finds things"
    assert plans.contract_of(sample).describe() in row.messages[0]["content"]


def test_too_few_plans_are_no_plan_to_train(record: Record, project: Project) -> None:
    traffic(record, project, 5)
    root = project.root
    (root / "pyproject.toml").write_text(f'{SETTINGS}bases = {{"scripted:old" = "{root}"}}\n')
    again = Project.load(root)
    with pytest.raises(UserError, match="plans to learn from, 40 are needed"):
        planning.select(record, record.folder / FOLDER, again)


def test_a_good_planner_goes_in_and_every_byte_comes_back(record: Record, project: Project) -> None:
    traffic(record, project, 30)
    Scripted.register("old", right)
    good, deployments = version(project, record, "good", right), Deployments(record.folder / FOLDER)
    passed = asyncio.run(planproof.gate(project, good, deployments.folder, TERMS))
    (row,) = passed.report["tasks"]
    assert row["passed"] and row["right"] == row["incumbent_right"] == row["cases"] == 30, row
    assert gate_of(good, deployments) == passed and find("planner", deployments) == (good, ["planner"])
    with pytest.raises(UserError, match="no stage shadow"):
        promote(project, deployments, good, stage="shadow", gate=passed)
    place = project.root / "agents" / "planner"
    before = tree(place)
    (there,) = promote(project, deployments, good, stage="full", gate=passed, reason="better")
    assert there.is_agent and there.limits.replanned == 0.2 and there.router is None
    assert Project.load(project.root).agent("planner").model == "scripted:good"
    assert installed(place)["version"] == good.sha256
    assert rollback(project, deployments, "planner", reason="worse") is None
    assert tree(place) == before
    assert [event.kind for event in deployments.history("planner")] == ["promoted", "rolled_back"]


def test_a_worse_planner_is_refused_and_a_setting_in_its_place_is_told(
    record: Record, project: Project
) -> None:
    traffic(record, project, 30)
    Scripted.register("old", right)
    bad, deployments = version(project, record, "bad", wrong), Deployments(record.folder / FOLDER)
    refused = asyncio.run(planproof.gate(project, bad, deployments.folder, TERMS))
    assert "0 of 30 plans right, 30 before" in refused.report["tasks"][0]["reason"]
    with pytest.raises(UserError, match=r"no task of train-.* passed the gate"):
        promote(project, deployments, bad, stage="full", gate=refused)
    (project.root / "pyproject.toml").write_text(SETTINGS + 'planner = "scripted"\n', encoding="utf-8")
    with pytest.raises(UserError, match="plans in place of agents/"):
        promote(Project.load(project.root), deployments, bad, stage="full", gate=None)


def test_a_planner_that_forgot_its_own_cases_is_refused(record: Record, project: Project) -> None:
    traffic(record, project, 30)
    rows = [{"id": str(n), "input": f"get {n}", "plan": plan_for(f"get {n}")} for n in range(6)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (project.root / "agents/planner/cases.jsonl").write_text(lines, encoding="utf-8")
    Scripted.register("old", right)

    def forgetful(request: Any) -> dict[str, Any]:
        return (wrong if "Task: get" in request.messages[1].content else right)(request)

    new = version(project, record, "forgetful", forgetful)
    told = asyncio.run(planproof.gate(project, new, record.folder / FOLDER, TERMS)).report["tasks"][0]
    assert not told["passed"] and "forgotten: of its own 6 cases it lost 6" in told["reason"]


def test_a_planner_whose_plans_are_made_anew_goes_back_by_itself(record: Record, project: Project) -> None:
    traffic(record, project, 30)
    Scripted.register("old", right)
    good, deployments = version(project, record, "good", right), Deployments(record.folder / FOLDER)
    before = tree(project.root / "agents" / "planner")
    passed = asyncio.run(planproof.gate(project, good, deployments.folder, TERMS))
    promote(project, deployments, good, stage="full", gate=passed)
    for number in range(6):
        text = f"look for {number}"
        keep(record, project, text, plan_for(text))
    (seen,) = watch(project, record, deployments)
    assert (seen.asked, seen.state) == (6, "steady")
    for number in range(20):
        text = f"seek {number}"
        keep(record, project, text, plan_for(text), again=True)
    (seen,) = watch(project, record, deployments)
    assert (seen.asked, seen.state) == (26, "rolled back") and "replanned 20 of 26" in seen.reason
    assert deployments.live() == {} and tree(project.root / "agents" / "planner") == before


def test_a_gate_that_was_killed_asks_for_no_plan_twice(record: Record, project: Project) -> None:
    traffic(record, project, 12)
    Scripted.register("old", right)
    asked: list[str] = []

    def breaks(request: Any) -> dict[str, Any]:
        asked.append(request.messages[1].content)
        if len(asked) == 7:
            raise KeyboardInterrupt
        return right(request)

    new, folder = version(project, record, "breaks", breaks), record.folder / FOLDER
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(planproof.gate(project, new, folder, TERMS))
    assert not list(folder.glob("gate-*"))
    told = asyncio.run(planproof.gate(project, new, folder, TERMS)).report["tasks"][0]
    assert told["passed"] and len(asked) == 13 and len(set(asked)) == 12


def test_imported_runs_are_no_live_traffic(record: Record, project: Project) -> None:
    traffic(record, project, 30)
    Scripted.register("old", right)
    good, deployments = version(project, record, "good", right), Deployments(record.folder / FOLDER)
    passed = asyncio.run(planproof.gate(project, good, deployments.folder, TERMS))
    promote(project, deployments, good, stage="full", gate=passed)
    for number in range(20):
        keep(record, project, f"seek {number}", plan_for(f"seek {number}"), again=True, imported=True)
    (seen,) = watch(project, record, deployments)
    assert (seen.asked, seen.state) == (0, "steady")


@pytest.mark.slow
def test_a_planner_is_trained_through_a_stop_and_found_again(record: Record, project: Project) -> None:
    pytest.importorskip("torch")
    base = write_model(project.root.parent / "base", max_position_embeddings=1024)
    bases = f'bases = {{"scripted:old" = "{base}"}}\n'
    (project.root / "pyproject.toml").write_text(SETTINGS + bases, encoding="utf-8")
    old = project.root.parent / "old.jsonl"
    said = [{"role": role, "content": "x"} for role in ("system", "user", "assistant")]
    old.write_text("".join(json.dumps({"messages": said}) + "\n" for _ in range(9)), encoding="utf-8")
    house, folder = Project.load(project.root), record.folder / FOLDER
    traffic(record, house, 80)
    selected = planning.select(record, folder, house, rehearse=old)
    assert planning.select(record, folder, house, rehearse=old) == selected
    recipe = {"steps": 2, "batch": 2, "micro_tokens": 4000, "warmup": 1, "precision": "fp32"}
    stops = 0

    def stop(told: Any) -> None:
        nonlocal stops
        if told.done and not stops:
            stops += 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        planning.train(selected, folder, house, recipe=recipe, progress=stop)
    assert not list(folder.glob("train-*"))
    trained = planning.train(selected, folder, house, recipe=recipe, progress=stop)
    rows = trained.report["rows"]
    assert rows["plans"] == trained.report["tasks"][0]["samples"]["train"] and rows["rehearsed"] == 9
    agent = Agent.from_card(trained.path / "agents" / "planner" / "agent.toml")
    assert agent.adapter is not None and agent.adapter.resolve() == trained.path / "adapter"
    assert agent.prompt == house.agent("planner").prompt
    assert agent.version != "1" and trained.report["licence"] == "CC0-1.0"
    assert planning.train(selected, folder, house, recipe=recipe) == trained
    promote(house, Deployments(folder), trained, stage="full", gate=None)
    there = Project.load(project.root).agent("planner")
    assert there.adapter == project.root / "agents/planner/adapter" and there.version == agent.version
