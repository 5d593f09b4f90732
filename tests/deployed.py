"""Specialists deployed behind the proxy, for tests: artefacts as steps leave them, a router that has learnt.

The weights are a script, or a tiny model with random ones, which under its contract still makes valid calls.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chat_server import ChatServer

from speeddial.flywheel.artefact import FOLDER, Artefact, made
from speeddial.flywheel.cluster import ASSIGNED, ROUTER
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.deployment import Deployments, Limits, Stage
from speeddial.flywheel.sample import Sample, write_samples
from speeddial.flywheel.texts import TextClassifier
from speeddial.project import Project
from speeddial.record import Record
from speeddial.server.proxy import Upstream
from speeddial.server.serving import ProxyServer
from speeddial.server.specialists import Specialists

KEY = "sk-upstream-0123456789abcdef0123456789"
CITIES = ("Oslo", "Rome", "Lima", "Kyiv", "Cairo")


def tool(name: str, argument: str, **extra: Any) -> dict[str, Any]:
    return {
        "name": name,
        "description": f"{name}.",
        "parameters": {
            "type": "object",
            "properties": {argument: {"type": "string", **extra}},
            "required": [argument],
            "additionalProperties": False,
        },
    }


WEATHER, MUSIC = tool("get_weather", "city"), tool("play_music", "song")
OFFERED: Any = [{"type": "function", "function": one} for one in (WEATHER, MUSIC)]


def samples() -> list[Sample]:
    """What the large model answered before."""
    said = {
        "get_weather": ("weather in {}?", "will it rain in {}", "forecast for {} please"),
        "play_music": ("play the song {}", "put on {}", "i want to hear {}"),
    }
    return [
        Sample(
            id=f"{name}-{number}",
            group=f"{name}-{number}",
            messages=({"role": "user", "content": phrase.format(city)},),
            tools=(WEATHER, MUSIC),
            calls=({"name": name, "arguments": {"city" if name == "get_weather" else "song": city}},),
            model="large",
            tokens_in=400,
            tokens_out=20,
        )
        for name, phrases in said.items()
        for number, (phrase, city) in enumerate((phrase, city) for phrase in phrases for city in CITIES * 4)
    ]


def project_in(root: Path, **settings: Any) -> Project:
    root.mkdir(parents=True, exist_ok=True)
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    (root / "speeddial.toml").write_text("\n".join(['workspace = "workspace"', *lines]) + "\n")
    return Project(root)


def steps(folder: Path) -> tuple[Artefact, Artefact]:
    """The artefacts `cluster` and `select`."""
    known = samples()

    def curated(draft: Path) -> dict[str, Any]:
        return {"kept": write_samples(draft / KEPT, known)}

    curate = made(folder, "curate", {"collect": "none"}, {}, curated)

    def clustered(draft: Path) -> dict[str, Any]:
        names = [sample.task for sample in known]
        TextClassifier().fit([sample.request for sample in known], names).save(draft / ROUTER)
        assigned = {sample.id: sample.task for sample in known}
        (draft / ASSIGNED).write_text(json.dumps(assigned))
        return {"tasks": [{"name": name} for name in sorted(set(names))]}

    cluster = made(folder, "cluster", {"curate": curate.sha256}, {}, clustered)
    inputs = {"curate": curate.sha256, "cluster": cluster.sha256}
    return cluster, made(folder, "select", inputs, {}, lambda draft: {})


def version(
    folder: Path,
    model: str = "",
    *,
    weights: Path | None = None,
    adapter: Path | None = None,
    threshold: float = 0.5,
    seconds: float = 3600.0,
    definitions: Sequence[dict[str, Any]] = (WEATHER,),
    calls: str = "one",
    number: int = 1,
) -> Artefact:
    """A version of the task ``get_weather``.

    Args:
        model: engine and model.
        weights: of a model of its own, in its place.
        adapter: beside the model.
        number: makes another version of the same.
    """
    _, select = steps(folder)

    def make(draft: Path) -> dict[str, Any]:
        expert = draft / "experts" / "get_weather"
        expert.mkdir(parents=True)
        (expert / "prompt.md").write_text("Call.\n")
        (expert / "tools.json").write_text(json.dumps(list(definitions)))
        card = {
            "name": "get_weather",
            "summary": "requests that lead to get_weather",
            "task": "get_weather",
            "definitions": "tools.json",
            "calls": calls,
            "threshold": threshold,
            "version": str(number),
            # Random weights would refuse half the time.
            **({"weights": "../../weights", "refuses": False} if weights else {"model": model}),
            **({"adapter": "../../adapter"} if adapter else {}),
        }
        if adapter is not None:
            shutil.copytree(adapter, draft / "adapter")
        (expert / "card.toml").write_text(
            "\n".join(f"{name} = {json.dumps(value)}" for name, value in card.items()) + "\n"
        )
        if weights is not None:
            (draft / "weights").mkdir()
            for file in weights.iterdir():
                (draft / "weights" / file.name).write_bytes(file.read_bytes())
        tasks = [{"task": "get_weather", "expert": "get_weather"}]
        return {"tasks": tasks, "seconds": seconds, "licence": "CC0-1.0"}

    about = {"model": model, "number": number, "threshold": threshold}
    return made(folder, "train", {"select": select.sha256}, about, make)


def deploy(record: Record, trained: Artefact, stage: Stage = "full", share: float = 0.5) -> None:
    folder = record.folder / FOLDER
    cluster, _ = steps(folder)
    Deployments(folder).promote(
        trained, stage=stage, share=share, gate=None, router=cluster, limits=Limits(**asdict(Limits()))
    )


@contextmanager
def serving(project: Project, record: Record, upstream: ChatServer, **options: Any) -> Iterator[ProxyServer]:
    server = ProxyServer(record, Upstream(f"{upstream.url}/v1", KEY), Specialists(project, record, **options))
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join(40)
        assert not thread.is_alive()
