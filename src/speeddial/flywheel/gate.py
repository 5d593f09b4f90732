"""S6, gate: a version against the incumbent on samples that neither has learnt from, task by task.

What is compared is what would serve: requests go to a task by a router that has not seen them either, the
specialist answers where it is confident, the incumbent answers the rest. A task passes when

- there are samples enough to tell, the tools are still what they were, and a licence is known,
- what the specialist serves is right often enough: an exact lower bound (Clopper and Pearson 1934), of all
  that its version serves where the task's own tell neither that nor the contrary; they have one threshold,
- the whole is not worse than the incumbent alone by more than the margin (see `noninferiority.py`).

Answers are kept as they come, so a gate that was killed goes on where it was.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from speeddial.errors import UserError
from speeddial.expert import Expert
from speeddial.flywheel.artefact import WORK, Artefact, made
from speeddial.flywheel.calibrate import bound
from speeddial.flywheel.deployment import EXPERTS
from speeddial.flywheel.evaluate import alone
from speeddial.flywheel.noninferiority import compare
from speeddial.flywheel.sample import Call, Sample
from speeddial.jsonlines import append, whole_lines
from speeddial.messages import Status, compact_json
from speeddial.project import Project
from speeddial.record import Record
from speeddial.run import Runner

WRONG = "wrong.jsonl"
"""What the specialist served and had wrong, for people to look at: often it is the sample that is wrong."""
LARGE = "the large model"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a task must hold to pass; stated before anything is tried."""

    precision: float = 0.99
    """At which the specialist was calibrated to answer."""
    margin: float = 0.03
    """Share of cases by which it may be worse, in what it serves and in the whole."""
    sure: float = 0.95
    """Confidence of each bound, one-sided."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 < value < 1:
                raise UserError(
                    f"{name} {value:g}: expected more than 0, less than 1", hint="0.03, for example"
                )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What an expert answered to a sample."""

    sample: str
    expert: str
    """Folder below the artefacts, or name of a project's own expert."""
    calls: tuple[Call, ...]
    """Empty where it gave no valid one, or refused."""
    confidence: float
    why: str = ""
    """Why there is no call."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a task came out."""

    task: str
    expert: str
    passed: bool
    reason: str
    """In plain words, of a pass too."""
    incumbent: str
    threshold: float
    cases: int = 0
    """Samples of the test part that the router takes for this task."""
    strangers: int = 0
    """Of these, samples of another task."""
    served: int = 0
    right: int = 0
    """Of what was served."""
    precision: float = 0.0
    """Exact lower bound of the share of what is served that is right."""
    pooled: bool = False
    """Whether that is of all that the version serves: the task's own tell too little."""
    coverage: float = 0.0
    incumbent_right: int = 0
    """Of all cases."""
    system_right: int = 0
    losses: int = 0
    gains: int = 0
    margin: float = 0.0
    sure: float = 0.0
    bound: float = -1.0
    """The system's share of right cases less the incumbent's is at least this."""
    home: bool = False
    """Whether it takes the place of the project's own expert of this name."""
    routing: Mapping[str, Any] | None = None
    """As of its trial."""


@dataclass(frozen=True, kw_only=True)
class Incumbent:
    """Who serves a task now: the large model by its recorded answers, or an expert before it."""

    name: str = LARGE
    expert: Expert | None = None
    """Decoded on the same samples; where it is not confident, the large model answers."""
    key: str = ""
    """Names the expert's weights among the answers that are kept."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """All that a verdict on one task needs."""

    task: str
    expert: Expert
    cases: Sequence[Sample]
    """That the router takes for this task."""
    own: frozenset[str]
    """Ids of samples that are of this task."""
    incumbent: Incumbent = Incumbent()
    home: bool = False
    """Whether the samples are of the project's own expert of this name, whose place it is to take."""
    obstacle: str = ""
    """Why it cannot pass, whatever it answers."""
    hopeless: bool = False
    """Whether no other version could pass either."""
    routing: Mapping[str, Any] | None = None
    """How its router came out beside the one before, where there is one; see `routing.py`."""


async def gate(
    project: Project,
    version: Artefact,
    trials: Sequence[Trial],
    folder: Path,
    terms: Terms = Terms(),
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Artefact:
    """Try a version; nothing is executed, and the project's record stays as it is.

    Args:
        version: an artefact of `train`.
        trials: one for each of its tasks.
        folder: of all artefacts.
        terms: what must hold.
        progress: told how many of how many answers there are.

    Raises:
        EngineError: the engine failed; what came until then is kept.
    """
    asked = [(trial.expert, _key(version, trial), sample) for trial in trials for sample in trial.cases]
    asked += [
        (trial.incumbent.expert, trial.incumbent.key, sample)
        for trial in trials
        if trial.incumbent.expert is not None
        for sample in trial.cases
    ]
    obstructed = {_key(version, trial) for trial in trials if trial.obstacle}
    answers = await _answered(
        project,
        folder / WORK / f"gate-{version.sha256.removeprefix('sha256:')[:12]}.jsonl",
        [(expert, key, sample) for expert, key, sample in asked if key not in obstructed],
        progress,
    )

    def make(draft: Path) -> Mapping[str, Any]:
        verdicts = []
        with (draft / WRONG).open("w", encoding="utf-8") as file:
            for trial in trials:
                verdict, wrong = judged(trial, answers, _key(version, trial), terms)
                verdicts.append(verdict)
                file.writelines(f"{compact_json({'task': trial.task, **row})}\n" for row in wrong)
        rows = [asdict(verdict) for verdict in decided(verdicts, terms)]
        return {"tasks": rows, "passed": [row["task"] for row in rows if row["passed"]]}

    inputs = {"train": version.sha256}
    about = {
        trial.task: {
            "incumbent": [trial.incumbent.name, trial.incumbent.key],
            "obstacle": trial.obstacle,
            "cases": [sample.id for sample in trial.cases],
        }
        for trial in trials
    }
    return made(folder, "gate", inputs, {"terms": asdict(terms), "trials": about}, make)


def judged(
    trial: Trial, answers: Mapping[tuple[str, str], Answer], key: str, terms: Terms
) -> tuple[Verdict, list[dict[str, Any]]]:
    """How a task came out, yet to be `decided`, and what it served and had wrong.

    It has passed when the whole is not worse.

    Args:
        answers: (key of who answered, sample) -> answer.
        key: of the version's expert.
    """
    threshold = trial.expert.threshold
    verdict = Verdict(
        task=trial.task,
        expert=trial.expert.name,
        passed=False,
        reason=trial.obstacle,
        incumbent=trial.incumbent.name,
        threshold=threshold,
        cases=len(trial.cases),
        strangers=sum(sample.id not in trial.own for sample in trial.cases),
        margin=terms.margin,
        sure=terms.sure,
        home=trial.home,
        routing=trial.routing,
    )
    if trial.obstacle:
        return verdict, []
    served = right = before_right = after_right = losses = gains = 0
    wrong: list[dict[str, Any]] = []
    for sample in trial.cases:
        answer = answers[key, sample.id]
        before = _incumbent_right(trial, sample, answers)
        after = before
        if answer.calls and answer.confidence >= threshold:
            after = same(answer.calls, sample.calls)
            served, right = served + 1, right + after
            if not after:
                wrong.append(
                    {
                        "id": sample.id,
                        "request": sample.request,
                        "answered": answer.calls,
                        "confidence": answer.confidence,
                        "expected": sample.calls or sample.answer,
                    }
                )
        before_right, after_right = before_right + before, after_right + after
        losses, gains = losses + (before and not after), gains + (after and not before)
    compared = compare(
        cases=len(trial.cases), losses=losses, gains=gains, margin=terms.margin, sure=terms.sure
    )
    precision = bound(right, served, terms.sure) if served else 0.0
    verdict = replace(
        verdict,
        passed=compared.passed,
        served=served,
        right=right,
        precision=round(precision, 4),
        coverage=round(served / len(trial.cases), 4) if trial.cases else 0.0,
        incumbent_right=before_right,
        system_right=after_right,
        losses=losses,
        gains=gains,
        bound=round(compared.bound, 4),
    )
    return verdict, wrong


def decided(verdicts: Sequence[Verdict], terms: Terms) -> list[Verdict]:
    """The verdicts on all tasks of a version, with who passed and why."""
    tried = [verdict for verdict in verdicts if not verdict.reason]
    served = sum(verdict.served for verdict in tried)
    together = bound(sum(verdict.right for verdict in tried), served, terms.sure) if served else 0.0
    floor = terms.precision - terms.margin
    return [one if one.reason else _decided(one, together, floor, terms) for one in verdicts]


def _decided(verdict: Verdict, together: float, floor: float, terms: Terms) -> Verdict:
    # A task of its own is refused where its answers rule the precision out, however well the others do. Were
    # it pooled only where no number of right answers could do, one more right answer could make it fail.
    most = 1 - bound(verdict.served - verdict.right, verdict.served, terms.sure) if verdict.served else 0.0
    if verdict.precision < floor and most >= terms.precision:
        verdict = replace(verdict, precision=round(together, 4), pooled=True)
    passed = verdict.passed and verdict.served > 0 and verdict.precision >= floor
    return replace(verdict, passed=passed, reason=_reason(verdict, floor))


def _reason(verdict: Verdict, floor: float) -> str:
    """A verdict in plain words."""
    if not verdict.served:
        return f"of {verdict.cases} requests it was confident of none"
    served = f"served {verdict.served} of {verdict.cases}, {verdict.right} right"
    least = f"at least {verdict.precision:.1%}{' of all that its version serves' if verdict.pooled else ''}"
    if verdict.precision < floor:
        return f"{served}: {least}, where {floor:.1%} is asked for"
    whole = f"not worse than {verdict.incumbent} by more than {-verdict.bound:.1%}"
    if verdict.bound < -verdict.margin:
        return f"{served}: {whole}, where {verdict.margin:.1%} is allowed"
    return f"{served}, {least}; {whole} ({verdict.sure:.0%} sure)"


def same(one: Iterable[Call], other: Iterable[Call]) -> bool:
    """Whether calls are equal, in whatever order their arguments and they themselves stand."""

    def told(calls: Iterable[Call]) -> list[str]:
        return sorted(json.dumps(call, sort_keys=True) for call in calls)

    return told(one) == told(other)


def _incumbent_right(trial: Trial, sample: Sample, answers: Mapping[tuple[str, str], Answer]) -> bool:
    expert = trial.incumbent.expert
    if expert is not None:
        answer = answers[trial.incumbent.key, sample.id]
        if answer.calls and answer.confidence >= expert.threshold:
            return same(answer.calls, sample.calls)
    # The label is what the large model answered, unless somebody put it right.
    return sample.verdict != "correct"


def _key(version: Artefact, trial: Trial) -> str:
    return f"{version.path.name}/{EXPERTS}/{trial.expert.name}"


async def _answered(
    project: Project,
    file: Path,
    asked: Sequence[tuple[Expert, str, Sample]],
    progress: Callable[[int, int], None],
) -> dict[tuple[str, str], Answer]:
    """The answers, those that an earlier try kept in the file among them."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    answers: dict[tuple[str, str], Answer] = {}
    for line in whole_lines(file):
        row = json.loads(line)
        answer = Answer(**{**row, "calls": tuple(row["calls"])})
        answers[answer.expert, answer.sample] = answer
    with (
        tempfile.TemporaryDirectory(prefix="speeddial-gate-") as scratch,
        Record.open(Path(scratch) / "record.db") as record,
    ):
        for number, (expert, key, sample) in enumerate(asked, start=1):
            if (key, sample.id) not in answers:
                answers[key, sample.id] = await _answer(project, record, expert, key, sample)
                append(file, [asdict(answers[key, sample.id])])
            progress(number, len(asked))
    return answers


async def _answer(project: Project, record: Record, expert: Expert, key: str, sample: Sample) -> Answer:
    house = alone(project, expert, project.model_of(expert))
    outcome = await Runner(house, record=record).call(expert.name, sample.request, execute=False)
    served = outcome.status in (Status.EXACT, Status.CORRECTED)
    calls = tuple(call.as_dict() for call in outcome.calls) if served else ()
    return Answer(
        sample=sample.id,
        expert=key,
        calls=calls,
        confidence=outcome.confidence or 0.0,
        why="" if calls else outcome.error or outcome.status,
    )
