"""What curation is worth: the same candidate trained on everything that was recorded, and on what was kept.

    python -m examples.convert_agent.compare TRUTH.jsonl      (in the project's folder)

Both answer the unseen requests alone, every one of them, sure or not. Prints what each has right as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speeddial.expert import Expert
from speeddial.flywheel.artefact import FOLDER, MANIFEST, Artefact, made, named
from speeddial.flywheel.candidate import Budget
from speeddial.flywheel.candidate import named as named_candidate
from speeddial.flywheel.cluster import cluster
from speeddial.flywheel.collect import SAMPLES
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.deployment import CARD, EXPERTS
from speeddial.flywheel.evaluate import alone
from speeddial.flywheel.sample import read_samples, write_samples
from speeddial.flywheel.select import PLAN, select
from speeddial.flywheel.specialist import Told, train
from speeddial.project import Project
from speeddial.record import Record
from speeddial.run import Runner

RAW = "raw"
"""Folder of the artefacts of the comparison, beside the real ones."""


async def compared(
    project: Project, folder: Path, first: Artefact, rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Both trainings' right answers; where the version's candidate cannot learn from everything that was
    recorded, the smallest that can is trained on what was kept, too, and ``instead`` says why.

    Args:
        folder: of all artefacts.
        first: the version that is compared.
        rows: unseen requests with their true calls.
    """
    plan = named(folder, first.inputs["select"])
    collected = named(folder, named(folder, plan.inputs["curate"]).inputs["collect"])
    aside = folder / RAW
    selected = select(
        cluster(_uncurated(collected, aside), aside), aside, project, Budget(**plan.parameters["budget"])
    )
    found = json.loads(selected.file(PLAN).read_text(encoding="utf-8"))["candidates"]
    one = next(row for row in found if row["name"] == first.parameters["candidate"])
    why = one["obstacle"]
    if why:
        one = named_candidate(found, "").as_dict()
        first = await train(_with_candidate(plan, folder, aside, one), aside, project, progress=_say)
    tokens = first.parameters["recipe"]["max_tokens"]
    raw = await train(
        selected, aside, project, candidate=one["name"], recipe={"max_tokens": tokens}, progress=_say
    )
    return {
        "candidate": one["name"],
        "instead": why,
        "curated": await _alone(project, first, rows),
        "raw": await _alone(project, raw, rows),
    }


def _with_candidate(plan: Artefact, folder: Path, aside: Path, one: Mapping[str, Any]) -> Artefact:
    """A plan with another candidate alone, beside the real ones."""
    curated = named(folder, plan.inputs["curate"])
    shutil.copytree(curated.path, aside / curated.path.name, dirs_exist_ok=True)

    def make(draft: Path) -> dict[str, Any]:
        told = json.loads(plan.file(PLAN).read_text(encoding="utf-8"))
        (draft / PLAN).write_text(json.dumps(told | {"candidates": [one]}), encoding="utf-8")
        return {}

    return made(aside, "select", plan.inputs, {**plan.parameters, "candidates": [one]}, make)


def _uncurated(collected: Artefact, folder: Path) -> Artefact:
    """Every sample that has a call, in the place of those that curation keeps."""

    def make(draft: Path) -> dict[str, Any]:
        samples = [sample for sample in read_samples(collected.file(SAMPLES)) if sample.calls]
        return {"kept": write_samples(draft / KEPT, samples)}

    return made(folder, "curate", {"collect": collected.sha256}, {"rules": None}, make)


async def _alone(project: Project, version: Artefact, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many of the requests a version's model answers rightly."""
    name = version.report["tasks"][0]["expert"]  # they all have the same weights and tools
    expert = Expert.from_card(version.path / EXPERTS / name / CARD)
    house = alone(project, expert, project.model_of(expert))
    right = 0
    with tempfile.TemporaryDirectory() as scratch, Record.open(Path(scratch) / "record.db") as record:
        runner = Runner(house, record=record)
        for row in rows:
            outcome = await runner.call(name, row["text"], execute=False)
            right += [call.as_dict() for call in outcome.calls] == [row["call"]]
    found = version.report
    return {
        "samples": found["rows"]["calls"],
        "tokens": found["tokens"],
        "minutes": round(found["seconds"] / 60, 1),
        "right": round(right / len(rows), 4),
    }


def _say(told: Told) -> None:
    print(f"{told.stage} {told.done}/{told.of} {told.detail}", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("truth", type=Path)
    options = parser.parse_args()
    rows = [json.loads(line) for line in options.truth.read_text(encoding="utf-8").splitlines()]
    project = Project(Project.find())
    with project.open_record() as record:
        folder = record.folder / FOLDER
    unseen = [row for row in rows if row["id"].startswith("unseen")]
    versions = [Artefact.open(file.parent) for file in folder.glob(f"train-*/{MANIFEST}")]
    first = min(versions, key=lambda version: version.created)
    print(json.dumps(asyncio.run(compared(project, folder, first, unseen))))


if __name__ == "__main__":
    main()
