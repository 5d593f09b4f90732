"""S2, fill: requests of thin tasks in other words, by a model, with the calls that they led to.

Only what can be checked is kept: every value of the call stands in the request as it is and still stands in
the new wording, and the words alone tell the same task to a classifier that learnt from the recorded
requests. What is made so is marked, belongs to the group of its original, and is made of the part for
training alone.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from speeddial.errors import UserError
from speeddial.expert import Expert
from speeddial.flywheel.artefact import WORK, Artefact, made, name_of
from speeddial.flywheel.committee import STEP, Votes
from speeddial.flywheel.curate import DROPPED, KEPT
from speeddial.flywheel.labels import fold
from speeddial.flywheel.rows import part_of
from speeddial.flywheel.sample import Sample, read_samples, write_samples
from speeddial.flywheel.texts import TextClassifier
from speeddial.project import Project

WORDINGS = 5
"""Asked for at once, of one request."""
_TOOL = {
    "name": "reword",
    "description": "Say a request in other words.",
    "parameters": {
        "type": "object",
        "properties": {
            "wordings": {
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": 400},
                "minItems": 1,
                "maxItems": WORDINGS,
            }
        },
        "required": ["wordings"],
        "additionalProperties": False,
    },
}
_PROMPT = (
    "You say the same request in other words, as different people would. Names and values that are listed"
    " stay as they are, letter by letter. You call the tool above the request once. Reply with JSON."
)


async def fill(
    project: Project,
    curated: Artefact,
    folder: Path,
    model: str,
    least: int,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Artefact:
    """Add wordings to tasks that have fewer than `least` samples to learn from.

    Args:
        project: whose engines and settings are used.
        curated: an artefact of `curate`.
        folder: of all artefacts.
        model: ``engine:name`` of who words anew.
        least: samples for training that a task should have.
        progress: told how many of at most how many requests were worded anew.

    Returns:
        An artefact of `curate`: what was kept with what was made, whose `Sample.source` says so.

    Raises:
        UserError: the disk refused, or scikit-learn is absent.
        EngineError: the model does not answer; run it again to go on.
    """
    if least < 1:
        raise UserError(f"--fill {least}", hint="give how many samples a task should have, as in --fill 100")
    inputs, parameters = {"curate": curated.sha256}, {"fill": least, "model": model}
    name = name_of(STEP, inputs, parameters)
    if (folder / name).is_dir():
        return Artefact.open(folder / name)
    samples = list(read_samples(curated.file(KEPT)))
    counts = Counter(sample.task for sample in samples if _is_learnt(sample))
    thin = {task: least - count for task, count in counts.items() if task and count < least}
    sources = [
        sample for sample in samples if sample.task in thin and _is_learnt(sample) and verbatim(sample)
    ]
    judge = _Judge(samples)
    found: dict[str, list[Sample]] = defaultdict(list)
    refused: Counter[str] = Counter()
    known = {fold(sample.request) for sample in samples}
    with Votes.opened(project, folder / WORK / name) as votes:
        for number, sample in enumerate(sources, start=1):
            if len(found[sample.task]) < thin[sample.task]:
                vote = await votes.ask(model, _EXPERT, _asked(sample), [_TOOL])
                for wording in _wordings(vote.calls):
                    why = "said already" if fold(wording) in known else judge.why_not(sample, wording)
                    if why:
                        refused[why] += 1
                    elif len(found[sample.task]) < thin[sample.task]:
                        known.add(fold(wording))
                        found[sample.task].append(reworded(sample, wording, len(found[sample.task]) + 1))
            progress(number, len(sources))
    new = [sample for of in found.values() for sample in of]

    def make(draft: Path) -> Mapping[str, Any]:
        write_samples(draft / KEPT, [*samples, *new])
        shutil.copy(curated.file(DROPPED), draft / DROPPED)
        return {
            **curated.report,
            "kept": len(samples) + len(new),
            "synthetic": {
                "tasks": {task: len(of) for task, of in found.items() if of},
                "refused": dict(refused.most_common()),
            },
        }

    return made(folder, STEP, inputs, parameters, make)


def verbatim(sample: Sample) -> list[str]:
    """The values of a sample's calls as they stand in its request; none when one does not stand there."""
    values = [value for call in sample.calls for value in _leaves(call["arguments"])]
    return values if values and all(_stands_in(value, sample.request) for value in values) else []


def reworded(sample: Sample, wording: str, number: int) -> Sample:
    """A sample with other words for its request; it stays in the group of its original."""
    messages = list(sample.messages)
    at = max(at for at, message in enumerate(messages) if message["role"] == "user")
    messages[at] = {**messages[at], "content": wording}
    return replace(
        sample,
        id=f"{sample.id}~{number}",
        messages=tuple(messages),
        source="synthetic",
        verdict="",
        answer="",
        tokens_in=0,
        tokens_out=0,
        cost=0.0,
        latency_ms=0.0,
    )


class _Judge:
    """Says whether a wording still asks for what its original asked."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        tasks = [sample.task for sample in samples]
        several = len(set(tasks)) > 1
        self._router = (
            TextClassifier().fit([sample.request for sample in samples], tasks) if several else None
        )

    def why_not(self, sample: Sample, wording: str) -> str:
        """Empty when it does."""
        if not all(_stands_in(value, wording) for value in verbatim(sample)):
            return "a value is gone"
        if self._router is None:
            return ""
        told = self._router.classes[int(self._router.chances([wording])[0].argmax())]
        return "" if told == sample.task else "its words tell another task"


def _stands_in(value: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) is not None


def _is_learnt(sample: Sample) -> bool:
    return part_of(sample.group) == "train" and sample.source != "synthetic"


def _asked(sample: Sample) -> str:
    values = ", ".join(f'"{value}"' for value in dict.fromkeys(verbatim(sample)))
    return f"Say this in {WORDINGS} other ways; these stay as they are: {values}.\n{sample.request}"


def _wordings(calls: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    return [" ".join(str(text).split()) for call in calls for text in call["arguments"].get("wordings", ())]


def _leaves(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    if isinstance(value, list):
        return [leaf for item in value for leaf in _leaves(item)]
    return [value if isinstance(value, str) else str(value).lower()]


_EXPERT = Expert(
    name="reword",
    summary="says requests in other words",
    task="Words requests anew for tasks that have too few samples.",
    when_to_call=(),
    tools=(),
    prompt=_PROMPT,
    folder=Path(),
    calls="several",
    planned=False,
)
