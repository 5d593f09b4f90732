"""The learning curve: how the share of wrong answers falls with the samples, and how many a target takes.

The smallest candidate is trained for a short time on parts of a plan's samples and tried on others. Error
falls as a power of the data over a wide range (Hestness et al. 2017, arXiv 1712.00409); three points tell
roughly where it leads, for this candidate and these tasks.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speeddial.flywheel.artefact import WORK, Artefact, made, name_of
from speeddial.flywheel.candidate import Candidate, named
from speeddial.flywheel.proving import answers, spread
from speeddial.flywheel.select import PLAN
from speeddial.flywheel.specialist import form_of, samples_of, train_candidate, write_rows
from speeddial.flywheel.versioncard import folder_of, write_experts
from speeddial.project import Project

SHARES = (1 / 8, 1 / 4, 1 / 2)
EPOCHS = 2.0
CASES = 150
TARGETS = (0.2, 0.1, 0.05)
"""Shares of wrong answers that are asked for."""


@dataclass(frozen=True)
class Point:
    """One training on a part of the samples."""

    rows: int
    tokens: int
    error: float


@dataclass(frozen=True)
class Law:
    """error = scale * rows ** -exponent"""

    scale: float
    exponent: float

    def rows(self, error: float) -> int:
        """Rows from which on the error is no more than this."""
        return math.ceil(float((self.scale / error) ** (1 / self.exponent)))


def fit(points: Sequence[Point]) -> Law | None:
    """The power law through points, by least squares of the logarithms; None where error does not fall."""
    told = [point for point in points if 0 < point.error < 1]
    if len({point.rows for point in told}) < 2:
        return None
    rows = np.log([point.rows for point in told])
    slope, intercept = np.polyfit(rows, np.log([point.error for point in told]), 1)
    # Flatter than this, a target lies further away than anybody can collect.
    return Law(round(float(np.exp(intercept)), 4), round(float(-slope), 4)) if slope < -0.01 else None


async def curve(
    selected: Artefact,
    folder: Path,
    project: Project,
    *,
    candidate: str = "",
    recipe: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> Artefact:
    """Measure the curve of a plan.

    Args:
        selected: an artefact of `select`.
        folder: of all artefacts.
        candidate: one of the plan's; the smallest that may be trained unless given.
        recipe: numbers of the trainer's recipe in place of the plan's.
        progress: told what is at work.

    Raises:
        NotFound, UserError: as `speeddial.flywheel.specialist.train`.
    """
    plan = json.loads(selected.file(PLAN).read_text(encoding="utf-8"))
    one = named(plan["candidates"], candidate)
    chosen = {**one.recipe, "epochs": EPOCHS, **(recipe or {})}
    inputs = {"select": selected.sha256}
    parameters = {"candidate": one.name, "recipe": chosen, "shares": SHARES, "cases": CASES}
    work = folder / WORK / name_of("curve", inputs, parameters)
    points = []
    if not (folder / work.name).is_dir():
        for share in SHARES:
            progress(f"{one.name} on {share:.0%} of the samples")
            points.append(await _point(selected, plan, folder, work, project, one, chosen, share))

    def make(draft: Path) -> Mapping[str, Any]:
        law = fit(points)
        return {
            "points": [asdict(point) for point in points],
            "law": asdict(law) if law else None,
            "needed": {f"{error:g}": law.rows(error) for error in TARGETS} if law else None,
        }

    measured = made(folder, "curve", inputs, parameters, make)
    shutil.rmtree(work, ignore_errors=True)
    return measured


async def _point(
    selected: Artefact,
    plan: Mapping[str, Any],
    folder: Path,
    work: Path,
    project: Project,
    one: Candidate,
    recipe: Mapping[str, Any],
    share: float,
) -> Point:
    place = work / f"{share:g}"
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    samples = samples_of(selected, folder)
    every = [name for row in plan["tasks"] for name in row["train"]]
    part = {*spread(every, round(share * len(every)))}
    tasks = [{**row, "train": [name for name in row["train"] if name in part]} for row in plan["tasks"]]
    form = form_of(plan, plan["tasks"], samples, one)
    counted = write_rows(place / "rows.jsonl", plan, tasks, samples, form)
    weights = place / folder_of(one)
    trained = train_candidate(
        place / "rows.jsonl", weights, one, recipe, 30.0, plan["licence"], lambda told: None
    )
    cards = write_experts(place / "experts", tasks, form, one, trained, None)
    asked = spread([name for row in plan["tasks"] for name in row["calibrate"]], CASES)
    found = await answers(place / "answers.jsonl", project, cards[0], [samples[name] for name in asked])
    wrong = sum(not answer.right for answer in found) / max(1, len(found))
    return Point(counted["calls"], trained["tokens"], round(wrong, 4))
