"""An adapter on a vLLM server is asked for by its weights, so that versions of one name are not confused."""

from __future__ import annotations

import asyncio
import json
import math
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from chat_server import ChatServer, answer, fault
from deployed import KEY, OFFERED, WEATHER, deploy, project_in, serving, version
from safetensors.numpy import save_file

from speeddial.adapters import is_tuned
from speeddial.contract import Contract
from speeddial.errors import EngineRefused
from speeddial.expert import Expert
from speeddial.flywheel.artefact import FOLDER
from speeddial.flywheel.gate import Incumbent, Terms, Trial, gate
from speeddial.flywheel.rows import Form
from speeddial.flywheel.sample import Sample
from speeddial.flywheel.teacher import Teacher
from speeddial.messages import Message
from speeddial.models import Request, lora_modules
from speeddial.models.lora_modules import module_name
from speeddial.models.vllm import VLLMModel
from speeddial.record import Record

CONTRACT = Contract.of(bool)


def adapter(folder: Path, seed: int) -> Path:
    """An adapter folder of some weights."""
    folder.mkdir(parents=True)
    weights = np.random.default_rng(seed).normal(size=(4, 4)).astype(np.float32)
    save_file({"lora_A.weight": weights}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text("{}")
    return folder


@pytest.fixture
def present(tmp_path: Path) -> Path:
    return adapter(tmp_path / "experts" / "music" / "adapter", 1)


@pytest.fixture
def coming(tmp_path: Path) -> Path:
    return adapter(tmp_path / "flywheel" / "train-5d0c2f41a9b3" / "adapter", 2)


async def asked(server: ChatServer, *folders: Path, name: str = "music") -> list[str]:
    """The names under which a server was asked for these adapters of one expert."""
    model = VLLMModel(f"base@{server.url}")
    try:
        for folder in folders:
            messages = (Message("user", "hello"),)
            await model.complete(Request(messages, CONTRACT, adapter=folder, adapter_name=name))
    finally:
        await model.aclose()
    return [body["model"] for body in server.bodies[-len(folders) :]]


async def test_two_versions_of_one_expert_are_asked_for_by_their_weights(present: Path, coming: Path) -> None:
    with ChatServer(modules={"music": str(present)}, loads=True).running() as server:
        names = await asked(server, present, coming, present)
    assert names == [module_name(present), module_name(coming), module_name(present)]
    assert names[0].startswith("music-") and names[1].startswith("train-5d0c2f41a9b3-")
    assert [body["lora_path"] for body in server.loaded] == [str(present), str(coming)]


async def test_a_server_that_loads_nothing_serves_what_it_was_started_with_and_nothing_else(
    present: Path, coming: Path
) -> None:
    with ChatServer(modules={"music": str(present)}).running() as server:
        assert await asked(server, present) == ["music"]
        with pytest.raises(EngineRefused, match=f"has 'music' from {present}, not the weights in") as caught:
            await asked(server, coming)
        assert f"--lora-modules {module_name(coming)}={coming}" in caught.value.hint
        assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING" in caught.value.hint
        server.modules[module_name(coming)] = "adapters/of/the/server"
        assert await asked(server, present, coming) == ["music", module_name(coming)]


async def test_a_path_that_cannot_be_seen_says_nothing_against_the_folders_own_name(
    present: Path, coming: Path
) -> None:
    with ChatServer(modules={"music": "/of/another/machine"}, loads=False).running() as server:
        assert await asked(server, present) == ["music"]
        with pytest.raises(EngineRefused, match="'music' from /of/another/machine, maybe not the weights"):
            await asked(server, coming)


async def test_a_name_of_weights_whose_folder_has_others_is_refused(present: Path, coming: Path) -> None:
    with (
        ChatServer(modules={module_name(coming): str(present)}, loads=True).running() as server,
        pytest.raises(EngineRefused, match="not the weights in"),
    ):
        await asked(server, coming)
    assert not server.loaded


async def test_weights_that_moved_are_read_anew_from_where_they_are(coming: Path) -> None:
    gone = coming.parents[1] / ".work" / "train-5d0c2f41a9b3" / "adapter"
    with ChatServer(modules={module_name(coming): str(gone)}, loads=True).running() as server:
        assert await asked(server, coming) == [module_name(coming)]
    assert server.loaded == [
        {"lora_name": module_name(coming), "lora_path": str(coming), "load_inplace": True}
    ]


async def test_what_somebody_else_loads_meanwhile_serves(present: Path) -> None:
    with ChatServer(loads=True).running() as server:
        names = await asyncio.gather(*(asked(server, present) for _ in range(3)))
        assert {name for one in names for name in one} == {module_name(present)}


async def test_an_adapter_that_does_not_fit_is_refused_with_the_servers_words(present: Path) -> None:
    with ChatServer(models=("base",), loads=True).running() as server:
        said = "LoRA rank 32 is greater than max_lora_rank 16"
        server._load = lambda handler, body: fault(500, said)(handler)  # type: ignore[method-assign]
        with pytest.raises(EngineRefused, match=said):
            await asked(server, present)


async def test_a_server_is_asked_anew_once_it_failed_and_now_and_then(
    present: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ChatServer(models=("base",), loads=True).running() as server:
        model = VLLMModel(f"base@{server.url}")

        async def has() -> bool:
            return await model.has(present, "music")

        assert await has() and len(server.loaded) == 1
        server.modules.clear()
        assert await has() and len(server.loaded) == 1
        monkeypatch.setattr(lora_modules.time, "monotonic", lambda: 1e12)
        assert await has() and len(server.loaded) == 2
        await model.aclose()


async def test_an_expert_is_asked_untuned_only_where_nothing_was_made_for_the_server(
    present: Path, coming: Path
) -> None:
    with ChatServer(models=("base",), modules={"music": str(present)}).running() as server:
        model = f"vllm:base@{server.url}/v1"
        assert await is_tuned("music", present, "", model)
        assert await is_tuned("music", coming, "", model), "the call is to say that these are other weights"
        assert not await is_tuned("tables", coming, "embedded:base", model)
        assert await is_tuned("tables", coming, model, model)
        with pytest.raises(EngineRefused, match="has not the adapter"):
            await asked(server, coming, name="tables")


# ---- the flywheel ----


def expert(folder: Path, weights: Path, model: str) -> Expert:
    folder.mkdir(parents=True)
    (folder / "prompt.md").write_text("Call.\n")
    (folder / "tools.json").write_text(json.dumps([WEATHER]))
    card = {
        "name": "music",
        "summary": "music",
        "task": "music",
        "definitions": "tools.json",
        "model": model,
        "adapter": str(weights),
        "planned": False,
    }
    (folder / "card.toml").write_text(
        "".join(f"{name} = {json.dumps(value)}\n" for name, value in card.items())
    )
    return Expert.from_card(folder / "card.toml")


async def test_the_gate_decodes_the_incumbent_and_the_candidate_with_their_own_weights(
    tmp_path: Path, present: Path, coming: Path
) -> None:
    project = project_in(tmp_path / "project")
    samples = [
        Sample(
            id=str(number),
            group=str(number),
            messages=({"role": "user", "content": f"weather {number}"},),
            tools=(WEATHER,),
            calls=({"name": "get_weather", "arguments": {"city": "Oslo"}},),
        )
        for number in range(2)
    ]
    with ChatServer(models=("base",), modules={"music": str(present)}, loads=True).running() as server:
        model = f"vllm:base@{server.url}/v1"
        before = expert(tmp_path / "before" / "music", present, model)
        trial = Trial(
            task="music",
            expert=expert(tmp_path / "after" / "music", coming, model),
            cases=samples,
            own=frozenset(sample.id for sample in samples),
            incumbent=Incumbent(name="experts/music", expert=before, key="experts/music@0"),
        )
        trained = version(tmp_path / FOLDER, model)
        await gate(project, trained, [trial], tmp_path / FOLDER, Terms())
    told = [body["model"] for body in server.bodies if "weather" in body["messages"][-1]["content"]]
    assert told == [module_name(coming)] * 2 + [module_name(present)] * 2


def test_in_shadow_and_at_canary_each_version_has_its_own_weights(
    tmp_path: Path, present: Path, coming: Path
) -> None:
    project, large = project_in(tmp_path / "project"), ChatServer(key=KEY, models=("large",))
    with (
        ChatServer(models=("base",), modules={"get_weather": str(present)}, loads=True).running() as server,
        large.running(),
        project.open_record() as record,
        serving(project, record, large, wait=20.0) as proxy,
    ):
        model = f"vllm:base@{server.url}/v1"
        one, two = (
            version(record.folder / FOLDER, model, adapter=folder, threshold=0.0, number=number)
            for number, folder in enumerate((present, coming), start=1)
        )

        def ask(city: str) -> list[str]:
            """Who was asked on the server, in order."""
            said = {"role": "user", "content": f"weather in {city}?"}
            headers = {"Authorization": f"Bearer {proxy.token}"}
            body = {"model": "large", "messages": [said], "tools": OFFERED}
            got = httpx.post(f"{proxy.url}/chat/completions", json=body, headers=headers, timeout=30)
            assert got.headers["x-speeddial-served-by"] == "get_weather", record.runs(1)[0].settings
            deadline = time.monotonic() + 20
            while proxy_is_busy(record) and time.monotonic() < deadline:
                time.sleep(0.02)
            return [body["model"] for body in server.bodies if city in body["messages"][-1]["content"]]

        first, second = (module_name(version.path / "adapter") for version in (one, two))
        assert first != second
        deploy(record, one, "full")
        assert ask("Oslo") == [first]
        deploy(record, two, "shadow")
        assert ask("Rome") == [first, second]
        deploy(record, two, "canary", share=0.999)
        assert ask("Lima") == [second]
        assert not large.bodies


def proxy_is_busy(record: Record) -> bool:
    """Whether a shadow is still to answer."""
    run = record.runs(1)[0]
    decodes = [row for row in record.run(run.id).interactions if row.kind == "model"]
    awaited = 2 if run.settings.get("stage") == "shadow" else 1
    return sum(row.status == "exact" for row in decodes) < awaited


async def test_a_version_that_teaches_reads_with_its_own_weights(
    tmp_path: Path, present: Path, coming: Path
) -> None:
    project = project_in(tmp_path / "project")
    with ChatServer(modules={"get_weather": str(present)}, loads=True).running() as server:
        trained = version(tmp_path / FOLDER, f"vllm:base@{server.url}/v1", adapter=coming)
        form = Form({"get_weather": WEATHER})
        teacher = Teacher.find(trained.path.name, project, tmp_path / FOLDER, form)
        row = {"logprob": math.log(0.5), "rank": 1, "decoded_token": "x"}
        told = [None, {"7": row, "8": row}]
        choice = {"index": 0, "text": "x", "finish_reason": "length", "prompt_logprobs": told}
        server.faults.append(lambda handler: answer(handler, 200, {"model": "base", "choices": [choice]}))
        await teacher.model.likely([1], [7], 2, adapter=teacher.adapter, adapter_name=teacher.adapter_name)
        await teacher.model.aclose()
    assert server.bodies[-1]["model"] == module_name(trained.path / "adapter")
