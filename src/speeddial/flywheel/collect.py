"""S1, collect: requests and answers out of the record, as samples in a frozen artefact."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from speeddial.flywheel.artefact import Artefact, made
from speeddial.flywheel.sample import Call, Sample, write_samples
from speeddial.messages import Status
from speeddial.record import Record
from speeddial.record.feedback import FeedbackRow
from speeddial.record.rows import RUNNING, InteractionRow, as_time
from speeddial.record.selection import Selection

SAMPLES = "samples.jsonl"
_DECODES = ("model",)


def collect(
    record: Record,
    folder: Path,
    selection: Selection | None = None,
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> Artefact:
    """Freeze the decodes of a selection.

    Good and bad ones alike: what is wrong with them is for curation to say. What people said of a decode
    goes with it; a corrected one has the corrected call.

    Args:
        folder: of all artefacts.
        selection: which decodes; all unless given. Decodes that come in meanwhile are left out.
        progress: told how many samples there are so far.

    Raises:
        RecordError: the record cannot be read.
        UserError: nothing fits the selection, or the disk refused.
    """
    chosen = selection or Selection()
    through = record.database.read("SELECT coalesce(max(id), 0) AS last FROM interactions")[0]["last"]

    def make(draft: Path) -> Mapping[str, Any]:
        models: Counter[str] = Counter()

        def told() -> Iterator[Sample]:
            for number, sample in enumerate(_samples(record, chosen, through), start=1):
                models[sample.model] += 1
                progress(number)
                yield sample

        count = write_samples(draft / SAMPLES, told())
        return {"samples": count, "models": dict(models.most_common())}

    parameters = {"selection": _told(chosen), "through": through, "said": said_last(record)}
    return made(folder, "collect", {"record": record.name}, parameters, make)


def said_last(record: Record) -> int:
    """Id of what a person said last; a correction of an old decode makes a new collection."""
    last: int = record.database.read("SELECT coalesce(max(id), 0) AS last FROM feedback")[0]["last"]
    return last


def _samples(record: Record, selection: Selection, through: int) -> Iterator[Sample]:
    for run, origin in record.selected_runs(selection):
        said = _feedback(record, run)
        for row in record.interactions(run=run, kinds=_DECODES, selection=selection):
            if row.id <= through and row.status != RUNNING:
                yield sample_of(row, origin, said.get(row.id))


def sample_of(row: InteractionRow, group: str, said: FeedbackRow | None = None) -> Sample:
    """A decode as a sample.

    Args:
        group: the run that its texts come from.
        said: the newest word of a person on it.
    """
    calls = _calls(row.parsed)
    verdict = ""
    if said is not None:
        verdict = said.label if said.verdict == "label" else said.verdict
        if said.verdict == "correct" and said.call:
            calls = (dict(said.call),)
    usable = bool(calls) or row.status in (Status.EXACT, Status.CORRECTED)
    return Sample(
        id=f"{row.run}/{row.id}",
        group=group,
        # A second try of an expert's is what its first one should have been.
        messages=row.messages[:2] if row.expert and row.attempt > 1 else row.messages,
        tools=row.tools,
        calls=calls,
        answer=row.raw or "",
        error="" if usable else row.error or f"ended {row.status}",
        # What a person said is right is right, however unsure the model was.
        probability=None if verdict in ("accept", "correct") else _probability(row),
        whole=bool(row.raw) and row.finish not in ("", "length"),
        model=row.model,
        expert=row.expert,
        status=row.status,
        verdict=verdict,
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        cost=row.cost,
        latency_ms=row.latency_ms or 0.0,
        created=as_time(row.started_ns),
    )


def _probability(row: InteractionRow) -> float | None:
    """Of an answer whose tokens the record has; one that the grammar left no choice about is sure."""
    if not row.tokens:
        return None
    return math.prod(probability for _, probability in row.tokens if probability is not None)


def _calls(parsed: Any) -> tuple[Call, ...]:
    if not isinstance(parsed, Mapping):
        return ()
    made = parsed["calls"] if isinstance(parsed.get("calls"), list) else [parsed]
    return tuple(dict(call) for call in made if isinstance(call, Mapping) and "name" in call)


def _feedback(record: Record, run: str) -> dict[int, FeedbackRow]:
    found = {}
    for said in record.feedback.of_run(run):
        if said.interaction is not None and said.verdict != "comment":
            found[said.interaction] = said
    return found


def _told(selection: Selection) -> dict[str, Any]:
    return {name: str(value) for name, value in vars(selection).items() if value}
