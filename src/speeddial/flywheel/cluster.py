"""S3, cluster: the recurring tasks in what was collected, found by the requests and the calls they led to.

Nobody names a workload. Requests that led to the same tools are one task; tasks whose requests cannot be told
apart by their words are one; answers in words are parted by the words of their requests. Each task comes with
a name, coverage, purity, stability and examples, and a classifier assigns new requests by their words alone.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speeddial.flywheel.artefact import Artefact, made
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.sample import Sample, read_samples
from speeddial.flywheel.texts import Guess, TextClassifier, groups, guesses
from speeddial.models.embeddings import load_embedder

TASKS = "tasks.json"
ASSIGNED = "assigned.json"
ROUTER = "router.npz"
EMBEDDINGS = "embeddings"
REST = "rest"
"""Where requests go that belong to no task of a size."""
EXAMPLES = 5
_SUBSAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What counts as a task."""

    share: float = 0.005
    """Least share of all samples ..."""
    least: int = 20
    """... and least number of them."""
    alike: float = 0.3
    """Two tasks are one when this share of each is taken for the other by its words."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A recurring task."""

    name: str
    tools: tuple[str, ...]
    """What it calls; empty for answers in words."""
    samples: int
    coverage: float
    """Share of all samples."""
    purity: float
    """Share of its samples that led to its most frequent tools."""
    told: float
    """Share of its requests that a classifier which did not know them assigns to it by their words alone."""
    stability: float
    """How well it comes out again from four fifths of the samples (Jaccard index, mean)."""
    examples: tuple[str, ...]


def cluster(
    curated: Artefact,
    folder: Path,
    sizes: Sizes = Sizes(),
    *,
    embeddings: str = "",
    progress: Callable[[str], None] = lambda stage: None,
) -> Artefact:
    """Find the tasks of curated samples.

    Args:
        curated: an artefact of `curate`.
        folder: of all artefacts.
        embeddings: by which requests are near each other, see `speeddial.models.embeddings`; TF-IDF unless
            given.
        progress: told what is at work.

    Raises:
        UserError: scikit-learn is absent, there are no such embeddings, or the disk refused.
        EngineError: the embeddings' engine failed.
    """

    def make(draft: Path) -> Mapping[str, Any]:
        samples = list(read_samples(curated.file(KEPT)))
        tasks, assigned, router = find(samples, sizes, embeddings=embeddings, progress=progress)
        rows = [asdict(task) for task in tasks]
        (draft / TASKS).write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
        (draft / ASSIGNED).write_text(json.dumps(assigned), encoding="utf-8")
        if router is not None:
            router.save(draft / ROUTER)
        return {"samples": len(samples), "tasks": rows}

    parameters = asdict(sizes)
    if embeddings:
        parameters |= {EMBEDDINGS: embeddings, "identity": load_embedder(embeddings).identity}
    return made(folder, "cluster", {"curate": curated.sha256}, parameters, make)


def embeddings_of(clustered: Artefact) -> str:
    """The embeddings that its classifier takes; empty for TF-IDF."""
    return str(clustered.parameters.get(EMBEDDINGS, ""))


def find(
    samples: Sequence[Sample],
    sizes: Sizes = Sizes(),
    *,
    embeddings: str = "",
    progress: Callable[[str], None] = lambda stage: None,
) -> tuple[list[Task], dict[str, str], TextClassifier | None]:
    """Tasks by size, sample id -> task's name, and the classifier; None for it when there is but one task."""
    requests = [sample.request for sample in samples]
    if embeddings:
        progress("embeddings")
        load_embedder(embeddings).embed(requests)
    progress("tasks")
    names, guessed = _named(samples, sizes, embeddings)
    progress("what tells them apart")
    told = _told(names, guessed or guesses(requests, names, embeddings=embeddings))
    progress("stability")
    stable = _stability(samples, names, sizes, embeddings)
    tasks = []
    for name, count in Counter(names).most_common():
        own = [sample for sample, of in zip(samples, names, strict=True) if of == name]
        led, most = Counter(sample.task for sample in own).most_common(1)[0]
        tasks.append(
            Task(
                name=name,
                tools=tuple(filter(None, led.split("+"))) if name != REST else (),
                samples=count,
                coverage=round(count / len(samples), 4),
                purity=round(most / count, 4),
                told=round(told[name], 4),
                stability=round(stable.get(name, 0.0), 4),
                examples=tuple(dict.fromkeys(sample.request for sample in own[:EXAMPLES])),
            )
        )
    router = None
    if len(tasks) > 1:
        router = TextClassifier(embeddings=embeddings).fit(requests, names)
    return tasks, {sample.id: name for sample, name in zip(samples, names, strict=True)}, router


def _named(samples: Sequence[Sample], sizes: Sizes, embeddings: str) -> tuple[list[str], list[Guess]]:
    """Each sample's task, and what its words say of it; nothing where tasks became one meanwhile."""
    names = [sample.task for sample in samples]
    words = [at for at, name in enumerate(names) if not name]
    if len(words) >= 2 * sizes.least:
        found = groups([samples[at].request for at in words], embeddings=embeddings)
        for at, number in zip(words, found, strict=True):
            names[at] = f"words-{number + 1}"
    least = max(sizes.least, sizes.share * len(samples))
    counts = Counter(names)
    names = [name if name and counts[name] >= least else REST for name in names]
    told = guesses([sample.request for sample in samples], names, embeddings=embeddings)
    merged = _merged(names, told, sizes)
    return merged, told if merged == names else []


def _merged(names: Sequence[str], told: Sequence[Guess], sizes: Sizes) -> list[str]:
    """Tasks that cannot be told apart as one, under both their names."""
    taken: Counter[tuple[str, str]] = Counter()
    for name, guess in zip(names, told, strict=True):
        if guess.others > guess.own:
            taken[name, guess.other] += 1
    counts = Counter(names)
    joined: dict[str, set[str]] = {name: {name} for name in counts}
    for (one, other), count in taken.items():
        mutual = min(count / counts[one], taken[other, one] / counts[other])
        if mutual >= sizes.alike and REST not in (one, other):
            both = joined[one] | joined[other]
            for name in both:
                joined[name] = both
    return ["/".join(sorted(joined[name])) for name in names]


def _told(names: Sequence[str], told: Sequence[Guess]) -> dict[str, float]:
    right: dict[str, list[bool]] = defaultdict(list)
    for name, guess in zip(names, told, strict=True):
        right[name].append(guess.own >= guess.others)
    return {name: sum(found) / len(found) for name, found in right.items()}


def _stability(
    samples: Sequence[Sample], names: Sequence[str], sizes: Sizes, embeddings: str
) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for seed in range(_SUBSAMPLES):
        chosen = np.random.default_rng(seed).random(len(samples)) < 0.8
        rows = np.flatnonzero(chosen)
        again, _ = _named([samples[int(row)] for row in rows], sizes, embeddings)
        before, after = _members(names, rows), _members(again, range(len(rows)), rows)
        for name, members in before.items():
            best = max(len(members & other) / len(members | other) for other in after.values())
            found[name].append(best)
    return {name: float(np.mean(scores)) for name, scores in found.items()}


def _members(
    names: Sequence[str], rows: Sequence[int] | Any, numbers: Sequence[int] | Any = None
) -> dict[str, set[int]]:
    members: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        members[names[row]].add(int(row if numbers is None else numbers[row]))
    return members
