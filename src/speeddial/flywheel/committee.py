"""S2, relabelling: where a recorded call is in doubt, a committee of models is asked what is right.

Each model is phoned like any expert, with the tools that the request came with, and held to their schemas.
The call that two thirds of them give takes the recorded one's place; without such a call the sample stays
out. Answers are kept one by one in the work folder, beside the record of their runs, so a step that was
killed goes on without asking twice.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from speeddial.errors import UserError
from speeddial.expert import Expert
from speeddial.flywheel.artefact import WORK, Artefact, made, name_of, named
from speeddial.flywheel.collect import SAMPLES
from speeddial.flywheel.curate import (
    DROPPED,
    KEPT,
    Dropped,
    Rules,
    copies,
    read_dropped,
    report,
    write_sorted,
)
from speeddial.flywheel.evaluate import alone
from speeddial.flywheel.labels import fold
from speeddial.flywheel.sample import Call, Sample, read_samples
from speeddial.jsonlines import append, whole_lines
from speeddial.messages import Status, compact_json
from speeddial.project import Project
from speeddial.record import Record
from speeddial.run import Runner

STEP = "curate"
"""What relabelling makes is a curated artefact like the one that it began with."""
ANSWERS = "answers.jsonl"
LEAST_MODELS = 2
_DOUBTED = frozenset(
    {"schema", "drifted", "unusual type", "not in the request", "another tool", "another value", "conflict"}
)
"""Reasons for which a request is fine and its call may be not."""
_NAME = "committee"
_PROMPT = (
    "You call the tools listed above the request: one call, several, or a refusal. Copy names and values from"
    " the request as they stand. Reply with JSON."
)


@dataclass(frozen=True, kw_only=True)
class Vote:
    """What one model said of one request."""

    key: str
    """Names the request with its tools."""
    model: str
    calls: tuple[Call, ...] = ()
    """Empty when it gave no valid call."""
    why: str = ""
    cost: float = 0.0


class Votes:
    """Asks models, each question once; what they said is on disk before it counts.

    Args:
        project: whose engines and settings are used.
        work: folder of its own for the answers and the record of their runs.
    """

    def __init__(self, project: Project, work: Path, record: Record) -> None:
        self._project, self._record = project, record
        self._file = work / ANSWERS
        rows = (json.loads(line) for line in whole_lines(self._file))
        self.known = {
            (row["model"], row["key"]): Vote(**{**row, "calls": tuple(row["calls"])}) for row in rows
        }

    @classmethod
    @contextmanager
    def opened(cls, project: Project, work: Path) -> Iterator[Votes]:
        """Raises UserError when the disk refuses."""
        try:
            work.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{work} cannot be written: {error.strerror}", hint="free the disk") from error
        with Record.open(work / "record.db") as record:
            yield cls(project, work, record)

    async def ask(self, model: str, expert: Expert, text: str, tools: Sequence[Mapping[str, Any]]) -> Vote:
        """One model's calls for a request.

        Raises:
            EngineError: the model does not answer at all.
        """
        key = _key(expert, text, tools)
        if (model, key) not in self.known:
            house = alone(self._project, expert, model)
            given = {"tools": [dict(tool) for tool in tools]}
            outcome = await Runner(house, record=self._record).call(
                expert.name, text, given=given, execute=False
            )
            served = outcome.status in (Status.EXACT, Status.CORRECTED)
            parts = outcome.parts or (outcome,)
            calls = tuple(part.call.as_dict() for part in parts if part.call) if served else ()
            rows = self._record.interactions(run=self._record.runs(1)[0].id)
            vote = Vote(
                key=key,
                model=model,
                calls=calls,
                why="" if calls else outcome.error or str(outcome.status),
                cost=sum(row.cost for row in rows),
            )
            append(self._file, [asdict(vote)])
            self.known[model, key] = vote
        return self.known[model, key]


async def relabel(
    project: Project,
    curated: Artefact,
    folder: Path,
    models: Sequence[str],
    rules: Rules | None = None,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Artefact:
    """Ask a committee about what curation left out in doubt, and keep what it agrees on.

    Args:
        project: whose engines and settings are used.
        curated: an artefact of `curate`.
        folder: of all artefacts.
        models: ``engine:name``, at least two different ones.
        rules: whose `majority` of the models must give the same call; the usual ones unless given.
        progress: told how many of how many requests were put to all of them.

    Returns:
        An artefact of `curate`: what was kept with what was relabelled, whose `Sample.source` says so, and
        the answers.

    Raises:
        UserError: too few models, or the disk refused.
        EngineError: a model does not answer; run it again to go on.
        NotFound: what it was made of is gone.
    """
    if len(set(models)) < LEAST_MODELS or len(set(models)) < len(models):
        raise UserError(
            f"a committee of {', '.join(models) or 'nobody'}",
            hint=f"name {LEAST_MODELS} different models or more: one alone agrees with itself",
        )
    rules = rules or Rules()
    inputs = {"curate": curated.sha256}
    parameters = {"committee": list(models), "majority": rules.majority}
    name = name_of(STEP, inputs, parameters)
    if (folder / name).is_dir():
        return Artefact.open(folder / name)
    collected = {sample.id: sample for sample in read_samples(named(folder, _collect(curated)).file(SAMPLES))}
    dropped = read_dropped(curated.file(DROPPED), collected)
    doubted = [item for item in dropped if item.reason in _DOUBTED and _stands_alone(item.sample)]
    shown = {tool["name"]: tool for sample in _by_age(collected.values()) for tool in sample.tools}
    relabelled: dict[str, Sample] = {}
    left: dict[str, Dropped] = {item.sample.id: item for item in dropped}
    with Votes.opened(project, folder / WORK / name) as votes:
        asked: dict[tuple[str, str], Vote] = {}
        for number, item in enumerate(doubted, start=1):
            tools = [shown[tool["name"]] for tool in item.sample.tools]
            given = [await votes.ask(model, _member(model), item.sample.request, tools) for model in models]
            asked |= {(vote.model, vote.key): vote for vote in given}
            calls, count = agreed(given)
            if calls and count >= rules.majority * len(models):
                relabelled[item.sample.id] = replace(
                    item.sample.with_calls(calls), source="committee", tools=tuple(tools)
                )
                del left[item.sample.id]
            else:
                said = f"{item.reason}; {count} of {len(models)} models agree"
                left[item.sample.id] = Dropped(item.sample, "committee disagrees", said)
            progress(number, len(doubted))

    def make(draft: Path) -> Mapping[str, Any]:
        kept = _in_order(collected, [*read_samples(curated.file(KEPT)), *relabelled.values()])
        again = {item.sample.id: item for item in copies(kept, rules)}
        kept = [sample for sample in kept if sample.id not in again]
        out = [left.get(name) or again[name] for name in collected if name in left or name in again]
        write_sorted(draft, kept, out)
        append(draft / ANSWERS, [asdict(vote) for vote in asked.values()])
        told = report(list(collected.values()), kept, out)
        cost = sum(vote.cost for vote in asked.values())
        same = sum(sample.calls == collected[name].calls for name, sample in relabelled.items())
        return {
            **told,
            "committee": {
                "asked": len(doubted),
                "relabelled": len(relabelled) - same,
                "confirmed": same,
                "cost": round(cost, 6),
            },
        }

    return made(folder, STEP, inputs, parameters, make)


def agreed(votes: Sequence[Vote]) -> tuple[tuple[Call, ...], int]:
    """The calls that most of them gave, and how many that are; no calls where nobody gave any."""
    counts = Counter(_folded(vote.calls) for vote in votes if vote.calls)
    if not counts:
        return (), 0
    best, count = counts.most_common(1)[0]
    return next(vote.calls for vote in votes if _folded(vote.calls) == best), count


def _member(model: str) -> Expert:
    return Expert(
        name=_NAME,
        summary="calls the tools that a request came with",
        task="Says what the right call of a recorded request is.",
        when_to_call=(),
        tools=(),
        prompt=_PROMPT,
        folder=Path(),
        model=model,
        calls="several",
        planned=False,
    )


def _stands_alone(sample: Sample) -> bool:
    """Whether its last words are all of the conversation: a model that is asked anew hears no more."""
    said = [message["role"] for message in sample.messages if message["role"] != "system"]
    return said == ["user"] and bool(sample.tools)


def _collect(curated: Artefact) -> str:
    if "collect" not in curated.inputs:
        raise UserError(
            f"{curated.path.name} was relabelled or filled before",
            hint="a committee is asked about what `data curate` made",
        )
    return curated.inputs["collect"]


def _by_age(samples: Any) -> list[Sample]:
    return sorted(samples, key=lambda sample: sample.created)


def _in_order(collected: Mapping[str, Sample], samples: Sequence[Sample]) -> list[Sample]:
    places = {name: at for at, name in enumerate(collected)}
    return sorted(samples, key=lambda sample: places[sample.id])


def _folded(calls: Sequence[Call]) -> str:
    return fold(json.dumps(calls, sort_keys=True, ensure_ascii=False))


def _key(expert: Expert, text: str, tools: Sequence[Mapping[str, Any]]) -> str:
    told = compact_json([expert.prompt, text, list(tools)])
    return hashlib.sha256(told.encode()).hexdigest()[:16]
