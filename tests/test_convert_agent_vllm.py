"""The story's last part on a vLLM server: a version is a LoRA adapter, served as it is, behind the proxy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_server import ChatServer
from conftest import REPOSITORY
from deployed import KEY, project_in, serving

from speeddial.flywheel.artefact import FOLDER, Artefact, made
from speeddial.flywheel.cluster import cluster
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.deployment import Deployments
from speeddial.flywheel.sample import Sample, write_samples
from speeddial.project import Project
from speeddial.record import Record
from speeddial.record.export.validity import why_invalid

TASKS = ("organizer", "weather")


def cases(name: str) -> list[dict[str, Any]]:
    lines = (REPOSITORY / "experts" / name / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    rows = map(json.loads, lines)
    return [row for row in rows if [call["name"] for call in row.get("calls", ())] not in ([], ["refuse"])]


def definitions(name: str) -> list[dict[str, Any]]:
    """An expert's tools as an agent has them."""
    project = Project(REPOSITORY)
    return [
        {"name": tool.name, "description": tool.description, "parameters": tool.contract.schema}
        for tool in (project.tools[one] for one in project.experts[name].tools)
    ]


def clustered(folder: Path, tools: tuple[dict[str, Any], ...]) -> tuple[Artefact, Artefact]:
    """Two tasks that were found in traffic, and what was selected of them."""
    samples = [
        Sample(
            id=f"{name}-{number}-{again}",
            group=f"{name}-{number}-{again}",
            messages=({"role": "user", "content": row["input"]},),
            tools=tools,
            calls=tuple(row["calls"]),
        )
        for name in TASKS
        for again in range(4)
        for number, row in enumerate(cases(name))
    ]

    def make(draft: Path) -> dict[str, Any]:
        return {"kept": write_samples(draft / KEPT, samples)}

    curated = made(folder, "curate", {"collect": "none"}, {}, make)
    found = cluster(curated, folder)
    inputs = {"curate": curated.sha256, "cluster": found.sha256}
    return found, made(folder, "select", inputs, {}, lambda draft: {})


def version(folder: Path, select: Artefact, tasks: list[str], model: str) -> Artefact:
    """A trained version; the adapter of the project's own expert stands in for what training makes."""
    own = REPOSITORY / "experts" / "organizer"

    def make(draft: Path) -> dict[str, Any]:
        shutil.copytree(own / "adapter", draft / "adapter")
        expert = draft / "experts" / "organizer"
        expert.mkdir(parents=True)
        shutil.copy(own / "prompt.md", expert)
        (expert / "tools.json").write_text(json.dumps(definitions("organizer")), encoding="utf-8")
        card = {
            "name": "organizer",
            "summary": "requests for an organizer",
            "task": "organizer",
            "definitions": "tools.json",
            "model": model,
            "adapter": "../../adapter",
            "threshold": 0.3,
            "planned": False,
            "version": "1",
        }
        lines = [f"{name} = {json.dumps(value)}" for name, value in card.items()]
        (expert / "card.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return {"tasks": [{"task": task, "expert": "organizer"} for task in tasks], "seconds": 1.0}

    return made(folder, "train", {"select": select.sha256}, {"model": model}, make)


@pytest.mark.vllm
@pytest.mark.timeout(900)
def test_real_a_lora_module_serves_what_it_learnt_and_the_rest_is_the_large_models(
    vllm_url: str, tmp_path: Path
) -> None:
    model = f"vllm:base@{vllm_url}"
    project = project_in(tmp_path / "project")
    tools = tuple(definitions("organizer") + definitions("weather"))
    offered = [{"type": "function", "function": tool} for tool in tools]
    upstream = ChatServer(key=KEY, models=("large",))
    with project.open_record() as record, upstream.running():
        folder = record.folder / FOLDER
        found, select = clustered(folder, tools)
        own = {tool["name"] for tool in definitions("organizer")}
        organizer = [task["name"] for task in found.report["tasks"] if own & set(task["tools"])]
        trained = version(folder, select, organizer, model)
        Deployments(folder).promote(trained, stage="full", gate=None, router=found)
        with (
            serving(project, record, upstream, wait=120.0) as proxy,
            httpx.Client(
                base_url=proxy.url, headers={"Authorization": f"Bearer {proxy.token}"}, timeout=150
            ) as agent,
        ):
            asked = [(name, row) for name in TASKS for row in cases(name)[:6]]
            answers = [
                ask(agent, row["input"], offered, stream=at % 2 == 1) for at, (_, row) in enumerate(asked)
            ]
        served = [
            (row, answer)
            for (name, row), answer in zip(asked, answers, strict=True)
            if answer["model"] == "speeddial/organizer"
        ]
        assert len(served) >= 4, [run.settings for run in record.runs(20)]
        assert len(upstream.bodies) == len(asked) - len(served)
        for _, answer in served:
            (call,) = answer["calls"]
            assert not why_invalid(call, tools, redacted=False)
        right = sum(answer["calls"] == row["calls"] for row, answer in served)
        assert right >= len(served) / 2, "the adapter was not used"
        assert_on_record(record, len(served))


def assert_on_record(record: Record, served: int) -> None:
    decodes = [row for row in record.interactions(kinds=["model"]) if row.expert == "organizer"]
    assert len(decodes) >= served
    assert {row.adapter for row in decodes} == {"organizer"}
    assert all(row.receipt and row.receipt["constrained"] for row in decodes)


def ask(agent: httpx.Client, text: str, tools: list[Any], *, stream: bool) -> dict[str, Any]:
    """One request in the way of the story's agent."""
    import asyncio

    from examples.convert_agent.agent import ask as asked

    async def once() -> dict[str, Any]:
        async with httpx.AsyncClient(
            base_url=agent.base_url, headers=dict(agent.headers), timeout=agent.timeout
        ) as client:
            return await asked(client, text, tools, stream=stream)

    return asyncio.run(once())
