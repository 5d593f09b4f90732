"""S6 of the router: it tells a request's task by its words, and is fitted anew with every conversion.

It goes live with the versions that it leads requests to, so it is tried with them: on the same held-out
requests as the router that serves now, both fitted without them, and over the tasks that both know. One that
is not shown to find them as well is refused, and the versions with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from speeddial.errors import NotFound
from speeddial.flywheel.artefact import Artefact, named
from speeddial.flywheel.cluster import ASSIGNED, embeddings_of
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.gate import Terms
from speeddial.flywheel.noninferiority import compare
from speeddial.flywheel.sample import Sample, read_samples
from speeddial.flywheel.texts import TextClassifier


@dataclass(frozen=True, kw_only=True)
class Routing:
    """How a router came out beside the one before it."""

    incumbent: str
    """Folder of the `cluster` artefact that the one before is of."""
    cases: int
    right: int
    incumbent_right: int
    losses: int
    gains: int
    margin: float
    bound: float
    """Its share of right cases less the incumbent's is at least this."""
    passed: bool

    @property
    def obstacle(self) -> str:
        """What stands against the versions that it leads to; empty when it passed."""
        if self.passed:
            return ""
        return (
            f"its router is not shown to be as good as the one before ({self.incumbent}): it finds the task"
            f" of {self.right} of {self.cases} requests, the other of {self.incumbent_right}; not worse by"
            f" more than {-self.bound:.1%}, where {self.margin:.1%} is allowed"
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


def judge(
    tests: Sequence[Sample],
    routed: Sequence[str],
    tasks: Mapping[str, str],
    incumbent: Artefact,
    folder: Path,
    terms: Terms,
) -> Routing | None:
    """Hold a router against the one before it.

    Args:
        tests: that neither may have seen.
        routed: the task that the new one takes each for.
        tasks: sample -> the task that it is of.
        incumbent: the `cluster` artefact of the one before.
        folder: of all artefacts.

    Returns:
        None where they have no task in common, or what the one before was fitted on is gone.
    """
    old: dict[str, str] = json.loads(incumbent.file(ASSIGNED).read_text(encoding="utf-8"))
    try:
        curated = named(folder, incumbent.inputs["curate"])
    except NotFound:
        return None
    common = set(old.values()) & set(tasks.values())
    cases = [(sample, to) for sample, to in zip(tests, routed, strict=True) if tasks.get(sample.id) in common]
    if not cases:
        return None
    held = {sample.group for sample in tests}
    rest = [one for one in read_samples(curated.file(KEPT)) if one.id in old and one.group not in held]
    before = route(rest, old, [sample for sample, _ in cases], embeddings_of(incumbent))
    pairs = [
        (tasks[sample.id] == was, tasks[sample.id] == to)
        for (sample, to), was in zip(cases, before, strict=True)
    ]
    losses, gains = pairs.count((True, False)), pairs.count((False, True))
    compared = compare(cases=len(pairs), losses=losses, gains=gains, margin=terms.margin, sure=terms.sure)
    return Routing(
        incumbent=incumbent.path.name,
        cases=len(pairs),
        right=sum(now for _, now in pairs),
        incumbent_right=sum(was for was, _ in pairs),
        losses=losses,
        gains=gains,
        margin=terms.margin,
        bound=round(compared.bound, 4),
        passed=compared.passed,
    )


def route(
    rest: Sequence[Sample], tasks: Mapping[str, str], tests: Sequence[Sample], embeddings: str = ""
) -> list[str]:
    """The task for which a router takes each test that is fitted on the rest.

    Args:
        tasks: sample -> task, of the rest at least.
        embeddings: as for `TextClassifier`.
    """
    names = [tasks[sample.id] for sample in rest]
    if len(set(names)) < 2:
        return (names[:1] or [""]) * len(tests)
    router = TextClassifier(embeddings=embeddings).fit([sample.request for sample in rest], names)
    chances = router.chances([sample.request for sample in tests])
    return [router.classes[int(best)] for best in chances.argmax(axis=1)]
