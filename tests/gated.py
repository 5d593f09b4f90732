"""A small flywheel on real steps, for tests of what comes after training; specialists are scripted models.

Requests of two tasks are on record, collected, curated and clustered by the real steps. What training would
leave is written by hand: cards, calibration, and models that answer from the labels, as well as they are
told.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speeddial.flywheel.artefact import FOLDER, Artefact, made
from speeddial.flywheel.cluster import ASSIGNED, cluster
from speeddial.flywheel.collect import collect
from speeddial.flywheel.curate import KEPT, curate
from speeddial.flywheel.sample import Sample, read_samples
from speeddial.messages import REFUSE, ToolCall
from speeddial.models.scripted import Reply, Scripted
from speeddial.project import Project
from speeddial.record import Record

WORDS = (
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "haven",
    "inlet",
    "junco",
    "koala",
    "lilac",
)
PHRASES = {
    "play": ("play {value}", "put on {value}", "i want to hear {value} now", "start the song {value}"),
    "weather": ("how is the weather in {value}", "will it rain in {value}", "forecast for {value} please"),
}
ARGUMENTS = {"play": "song", "weather": "city"}
TOOLS_FILE = '''"""Tools that the scripted specialists call."""

from speeddial import tool


@tool(effect="read")
def play(song: str) -> str:
    """Play."""
    return song


@tool(effect="read")
def weather(city: str) -> str:
    """Weather."""
    return city
'''


def definition(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": f"{name}.",
        "parameters": {
            "type": "object",
            "properties": {ARGUMENTS[name]: {"type": "string"}},
            "required": [ARGUMENTS[name]],
            "additionalProperties": False,
        },
    }


TOOLS = [definition(name) for name in PHRASES]


@dataclass(frozen=True)
class Flywheel:
    """A project with a record, and the artefacts up to `select`."""

    project: Project
    record: Record
    folder: Path
    cluster: Artefact
    select: Artefact
    samples: Mapping[str, Sample]

    def labels(self) -> dict[str, dict[str, Any]]:
        """Request -> the call that is right."""
        return {sample.request: sample.calls[0] for sample in self.samples.values()}

    def version(
        self,
        name: str,
        answer: Callable[[str, dict[str, Any]], Reply],
        *,
        threshold: float = 0.5,
        calibrated: bool = True,
        licence: str = "CC0-1.0",
        tasks: Sequence[str] = tuple(PHRASES),
    ) -> Artefact:
        """What training leaves, served by a script.

        Args:
            answer: from a request and its right call to what the specialist says.
        """
        labels = self.labels()

        def say(request: Any) -> Reply:
            return answering(answer, labels, request.messages[-1].content, request.messages[0].content)

        Scripted.register(name, say)

        def make(draft: Path) -> dict[str, Any]:
            for task in tasks:
                folder = draft / "experts" / task
                folder.mkdir(parents=True)
                card = [
                    f'name = "{task}"',
                    f'summary = "{task}"',
                    f'task = "{task}"',
                    f'tools = ["{task}"]',
                    f'model = "scripted:{name}"',
                    f"threshold = {threshold}",
                ]
                (folder / "card.toml").write_text("\n".join(card), encoding="utf-8")
                (folder / "prompt.md").write_text(f"You are {task}.", encoding="utf-8")
                # Of another model than the script's, whose own confidence then counts.
                target = {"precision": 0.99, "coverage": 0.9, "right": 90, "taken": 90, "at_least": 0.97}
                calibration = {
                    "model": "none",
                    "adapter": "",
                    "measure": "mean",
                    "method": "platt",
                    "parameters": [1.0, 0.0],
                    "targets": [{**target, "threshold": threshold if calibrated else None}],
                }
                (folder / "calibration.json").write_text(json.dumps(calibration), encoding="utf-8")
            rows = [{"task": task, "expert": task} for task in tasks]
            return {"tasks": rows, "licence": licence, "candidate": name, "tokens": 1, "seconds": 1.0}

        return made(
            self.folder, "train", {"select": self.select.sha256}, {"name": name, "tasks": [*tasks]}, make
        )


def answering(
    answer: Callable[[str, dict[str, Any]], Reply],
    labels: Mapping[str, dict[str, Any]],
    text: str,
    prompt: str,
) -> Reply:
    """What a specialist says to a text; to one of the other task, which the router took for its own, no."""
    call = labels.get(text)
    if call is None or f"You are {call['name']}." not in prompt:
        return Reply(ToolCall(REFUSE, {"reason": "no"}), confidence=0.1)
    return answer(text, call)


def right(text: str, call: dict[str, Any]) -> Reply:
    """What a good specialist says."""
    return Reply(call, confidence=0.95)


def wrong(call: dict[str, Any], confidence: float) -> Reply:
    """The right tool with a value that nobody said."""
    return Reply({**call, "arguments": {ARGUMENTS[call["name"]]: "wrong"}}, confidence=confidence)


def traffic(record: Record, count: int, own: Collection[str] = (), seed: int = 3) -> None:
    """Requests with the right answers: of the large model, or of the project's own experts."""
    dice = random.Random(seed)
    for number in range(count):
        name = dice.choice(sorted(PHRASES))
        value = f"{dice.choice(WORDS)} {dice.choice(WORDS)} {number}"
        text = dice.choice(PHRASES[name]).format(value=value)
        asked = {"expert": name} if name in own else {}
        keep(record, text, {"name": name, "arguments": {ARGUMENTS[name]: value}}, **asked)


def keep(record: Record, text: str, call: Mapping[str, Any], **more: Any) -> int:
    """One exchange with the large model; gives its interaction."""
    run = record.begin_run(text, workflow="proxy")
    asked = record.start_interaction(
        run, "model", model="large", messages=[{"role": "user", "content": text}], tools=TOOLS, **more
    )
    record.finish_interaction(asked, "exact", raw=json.dumps(call), parsed=dict(call))
    record.finish_run(run, "done")
    return asked


def flywheel(
    root: Path, record: Record, *, count: int = 700, test: int = 3, own: Collection[str] = ()
) -> Flywheel:
    """The steps up to `select`, which is written by hand: every so many samples are the test part.

    Args:
        own: tasks that the project's own experts serve.
    """
    (root / "tools").mkdir(parents=True, exist_ok=True)
    (root / "tools" / "desk.py").write_text(TOOLS_FILE, encoding="utf-8")
    (root / "pyproject.toml").write_text("[tool.speeddial]\nplanner = 'scripted'\n", encoding="utf-8")
    folder = record.folder / FOLDER
    traffic(record, count, own)
    curated = curate(collect(record, folder), folder)
    clustered = cluster(curated, folder)
    samples = {sample.id: sample for sample in read_samples(curated.file(KEPT))}
    assigned = json.loads(clustered.file(ASSIGNED).read_text(encoding="utf-8"))

    def make(draft: Path) -> dict[str, Any]:
        tasks = []
        for task in PHRASES:
            # By their words: ids of runs begun in one millisecond are in no order.
            ids = [name for name in samples if assigned[name] == task]
            ids.sort(key=lambda name: samples[name].request)
            parts = {"test": ids[::test], "train": [name for at, name in enumerate(ids) if at % test]}
            tasks.append({"task": task, "expert": task, "calibrate": [], **parts})
        plan = {"tasks": tasks, "refused": {"train": [], "calibrate": [], "test": []}}
        (draft / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        return {"tasks": [task["task"] for task in tasks]}

    inputs = {"curate": curated.sha256, "cluster": clustered.sha256}
    selected = made(folder, "select", inputs, {"test": test}, make)
    return Flywheel(Project.load(root), record, folder, clustered, selected, samples)
