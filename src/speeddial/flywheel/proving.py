"""How sure a version may be: its answers to samples that it did not learn from, and what they say of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from speeddial.calibration import FILE, Piece
from speeddial.errors import UserError
from speeddial.exchange import recorded_completion
from speeddial.expert import Expert
from speeddial.flywheel.calibrate import Answered, calibrated, expected
from speeddial.flywheel.evaluate import alone
from speeddial.flywheel.sample import Sample
from speeddial.flywheel.versioncard import with_values
from speeddial.jsonlines import append, whole_lines
from speeddial.messages import REFUSE, Status
from speeddial.project import Project
from speeddial.record import Record
from speeddial.run import Runner

PRECISION = 0.99
"""At which a version answers by itself: its threshold is the least confidence at which that is `expected`."""


def spread(ids: Iterable[str], most: int | None = None) -> list[str]:
    """So many of them, all unless given, in an order that is for ever the same and follows no task."""
    return sorted(ids, key=lambda name: sha256(name.encode()).hexdigest())[:most]


async def answers(
    file: Path,
    project: Project,
    card: Path,
    samples: Sequence[Sample],
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[Answered]:
    """What an expert answers alone, and whether it is what the sample has.

    Args:
        file: keeps the answers as they come, so that a killed process need not ask for them again.
        card: of the expert.
        samples: those without calls are to be refused.
        progress: told how many of how many there are.

    Raises:
        EngineError: the engine failed.
    """
    expert = Expert.from_card(card)
    house = alone(project, expert, project.model_of(expert))
    known = {row["id"]: row for row in map(json.loads, whole_lines(file))}
    found = []
    with (
        tempfile.TemporaryDirectory(prefix="speeddial-train-") as scratch,
        Record.open(Path(scratch) / "record.db") as record,
    ):
        for number, sample in enumerate(samples, start=1):
            row = known.get(sample.id)
            if row is None:
                row = {"id": sample.id, **await _answer(house, record, expert.name, sample)}
                append(file, [row])
            found.append(Answered(tuple(Piece(*piece) for piece in row["pieces"]), row["right"]))
            progress(number, len(samples))
    return found


async def _answer(house: Any, record: Record, name: str, sample: Sample) -> dict[str, Any]:
    outcome = await Runner(house, record=record).call(name, sample.request, execute=False)
    if {call["name"] for call in sample.calls} <= {REFUSE}:
        right = outcome.status is Status.REFUSED
    else:
        said = [call.as_dict() for call in outcome.calls]
        right = sorted(map(_told, said)) == sorted(map(_told, sample.calls))
    pieces = recorded_completion(record.interaction(outcome.interactions[-1])).tokens
    return {"right": right, "pieces": [[piece.text, piece.probability] for piece in pieces]}


def _told(call: Mapping[str, Any]) -> str:
    return json.dumps({"name": call["name"], "arguments": call["arguments"]}, sort_keys=True)


def calibrate(
    cards: Sequence[Path], answered: Sequence[Answered], project: Project, file: Path
) -> dict[str, Any]:
    """Every expert's calibration and threshold; what came of it.

    All of a version's experts have one calibration: they share their weights and their tools, and one task
    alone rarely has the hundreds of samples that 99 % take.

    Args:
        file: with the answers, for provenance.
    """
    expert = Expert.from_card(cards[0])
    right = round(sum(answer.right for answer in answered) / max(1, len(answered)), 4)
    try:
        made = calibrated(
            answered,
            model=expert.calibrated_as(project.model_of(expert)),
            adapter=expert.trained,
            data=file,
            holds=expected,
        ).calibration
    except UserError as error:
        # Too few answers, or all of them wrong: nothing says when it is right, so it serves nothing.
        return {"cases": len(answered), "right": right, "threshold": None, "reason": error.message}
    (target,) = [one for one in made.targets if one.precision == PRECISION]
    for card in cards:
        made.write(card.parent / FILE)
        if target.threshold is not None:
            text = card.read_text(encoding="utf-8")
            card.write_text(with_values(text, {"threshold": target.threshold}), encoding="utf-8")
    told = {"threshold": target.threshold, "coverage": target.coverage, "at_least": target.at_least}
    return {"cases": len(answered), "right": right, **told, "measure": made.measure}
