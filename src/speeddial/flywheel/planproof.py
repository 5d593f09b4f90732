"""S6 of the planner: a version against the planner that serves, on plans that neither has learnt from.

Both plan the same recorded requests under the prompts that were recorded, and a plan is right when it equals
the one that was carried out, accepted or corrected (`cases.plan_score`). A version passes when it is not
worse by more than the margin (see `noninferiority.py`) and has not forgotten the planner's own cases, which
no version learns from. Answers are kept as they come, so a gate that was killed goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import comb
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from speeddial.adapters import is_tuned
from speeddial.agent import Agent
from speeddial.call import planner_model
from speeddial.errors import ContractViolation
from speeddial.flywheel import plans
from speeddial.flywheel.artefact import WORK, Artefact, made, named
from speeddial.flywheel.calibrate import bound
from speeddial.flywheel.cases import Case, read_cases
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.deployment import Deployments, place_of
from speeddial.flywheel.evaluate import registry
from speeddial.flywheel.gate import WRONG, Terms, Verdict
from speeddial.flywheel.noninferiority import compare
from speeddial.flywheel.planning import CARD, TASK
from speeddial.flywheel.sample import Sample, read_samples
from speeddial.flywheel.select import PLAN
from speeddial.flywheel.trials import too_few, unlicensed
from speeddial.jsonlines import append, whole_lines
from speeddial.messages import Message, compact_json
from speeddial.models import Request, load_model
from speeddial.models.adapter import weights_hash
from speeddial.plan import Plan, candidates, plan_contract, planner_messages
from speeddial.project import Project

_CASES = "cases.jsonl"
_REPLANNED, _CORRECTED = 0.1, 0.05
"""By which more plans may be made anew, or corrected, live than before it is rolled back: tasks drift."""


@dataclass(frozen=True)
class _Asked:
    """A request with its judge."""

    sample: Sample
    right: Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True)
class _Planner:
    """Who is tried."""

    agent: Agent
    model: str
    key: str
    """Names its weights among the answers that are kept."""


async def gate(
    project: Project,
    version: Artefact,
    folder: Path,
    terms: Terms,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Artefact:
    """Try a version of the planner; nothing is carried out, and the record stays as it is.

    Args:
        version: an artefact of `planning.train`.
        folder: of all artefacts.
        terms: what must hold; its precision is not asked for, since every plan is used.
        progress: told how many of how many plans there are.

    Raises:
        NotFound: an artefact that it was made of is gone.
        EngineError: the engine failed; what came until then is kept.
    """
    select = named(folder, version.inputs["select"])
    plan = json.loads(select.file(PLAN).read_text(encoding="utf-8"))
    held = set(plan["tasks"][0]["test"])
    curated = named(folder, select.inputs["curate"])
    tests = [_asked(sample) for sample in read_samples(curated.file(KEPT)) if sample.id in held]
    own = list(_own_cases(project))
    new, present = _version(version), _present(project)
    obstacle = too_few(len(tests), terms) or unlicensed(version)
    if (live := Deployments(folder).live().get(TASK)) and live.version == version.sha256:
        obstacle = "it is the planner already"
    answers: dict[tuple[str, str], dict[str, Any] | None] = {}
    if not obstacle:
        file = folder / WORK / f"gate-{version.sha256.removeprefix('sha256:')[:12]}.jsonl"
        answers = await _answered(project, file, [present, new], [*tests, *own], progress)
    verdict = Verdict(
        task=TASK,
        expert=new.agent.name,
        passed=False,
        reason=obstacle,
        incumbent=f"agents/{present.agent.name} ({present.model})",
        threshold=0.0,
        cases=len(tests),
        margin=terms.margin,
        sure=terms.sure,
        home=True,
    )

    def make(draft: Path) -> Mapping[str, Any]:
        judged, wrong = (verdict, []) if obstacle else _judged(verdict, new, present, tests, own, answers)
        with (draft / WRONG).open("w", encoding="utf-8") as lines:
            lines.writelines(f"{compact_json(row)}\n" for row in wrong)
        usual = plan["usual"]
        limits = {
            "replanned": round(min(0.95, usual["replanned"] + _REPLANNED), 4),
            "corrected": round(min(0.95, usual["corrected"] + _CORRECTED), 4),
        }
        passed = [TASK] if judged.passed else []
        return {"tasks": [{**asdict(judged), "limits": limits}], "passed": passed}

    about = {
        "incumbent": present.key,
        "obstacle": obstacle,
        "cases": sorted(held),
        "own": [one.sample.id for one in own],
    }
    return made(folder, "gate", {"train": version.sha256}, {"terms": asdict(terms), TASK: about}, make)


def _judged(
    verdict: Verdict,
    new: _Planner,
    present: _Planner,
    tests: Sequence[_Asked],
    own: Sequence[_Asked],
    answers: Mapping[tuple[str, str], dict[str, Any] | None],
) -> tuple[Verdict, list[dict[str, Any]]]:
    """The verdict, and what the version planned otherwise."""

    def told(who: _Planner, asked: Sequence[_Asked]) -> list[bool]:
        plans_ = [answers[who.key, one.sample.id] for one in asked]
        return [plan is not None and one.right(plan) for one, plan in zip(asked, plans_, strict=True)]

    after, before = told(new, tests), told(present, tests)
    pairs = list(zip(before, after, strict=True))
    losses, gains = pairs.count((True, False)), pairs.count((False, True))
    compared = compare(cases=len(tests), losses=losses, gains=gains, margin=verdict.margin, sure=verdict.sure)
    kept = list(zip(told(present, own), told(new, own), strict=True))
    lost, won = kept.count((True, False)), kept.count((False, True))
    forgot = _by_chance(lost, won) <= 1 - verdict.sure
    of_own = f"of its own {len(own)} cases it lost {lost} and gained {won}"
    right = sum(after)
    reason = (
        f"{right} of {len(tests)} plans right, {sum(before)} before; not worse than the incumbent by more"
        f" than {-compared.bound:.1%}"
    )
    if not compared.passed:
        reason = f"{reason}, where {verdict.margin:.1%} is allowed"
    elif forgot:
        reason = f"{reason}; but it has forgotten: {of_own}"
    else:
        reason = f"{reason} ({verdict.sure:.0%} sure){f'; {of_own}' if own else ''}"
    wrong = [
        {
            "task": TASK,
            "id": one.sample.id,
            "request": one.sample.request,
            "answered": answers[new.key, one.sample.id],
            "expected": plans.plan_of(one.sample),
        }
        for one, good in zip(tests, after, strict=True)
        if not good
    ]
    return replace(
        verdict,
        passed=compared.passed and not forgot,
        reason=reason,
        served=len(tests),
        right=right,
        precision=round(bound(right, len(tests), verdict.sure), 4),
        coverage=1.0,
        incumbent_right=sum(before),
        system_right=right,
        losses=losses,
        gains=gains,
        bound=round(compared.bound, 4),
    ), wrong


def _by_chance(lost: int, won: int) -> float:
    """The sign test's probability of so many losses or more where neither is better."""
    of = lost + won
    return float(sum(comb(of, number) for number in range(lost, of + 1)) / 2**of)


# ---- who and what ----


def _version(version: Artefact) -> _Planner:
    agent = Agent.from_card(version.path / place_of(version, TASK) / CARD)
    return _Planner(agent, agent.model, version.path.name)


def _present(project: Project) -> _Planner:
    agent, model = project.agent(TASK), planner_model(project)
    weights = weights_hash(agent.adapter).removeprefix("sha256:")[:12]
    return _Planner(agent, model, f"agents/{agent.name}@{model}@{weights}")


def _asked(sample: Sample) -> _Asked:
    expected = plans.plan_of(sample)
    return _Asked(sample, lambda plan: plans.equal(expected, plan))


def _own_cases(project: Project) -> Iterator[_Asked]:
    """The planner's own cases, as the call path would ask them."""
    agent = project.agent(TASK)
    if not (agent.folder / _CASES).is_file():
        return
    for case in read_cases(agent.folder / _CASES, agent.folder):
        files = tuple(Path(name).name for name in case.files)
        known = project.experts if case.experts is None else registry(project, case.experts)
        experts = candidates(case.input, known)
        messages = planner_messages(agent.prompt, case.input, experts.values(), files)
        sample = Sample(
            id=f"own/{case.id}",
            group=case.id,
            messages=tuple(message.as_dict() for message in messages),
            tools=({"name": plans.PLAN, "parameters": plan_contract(experts, files).unbound.schema},),
        )
        yield _Asked(sample, _judge(case))


def _judge(case: Case) -> Callable[[Mapping[str, Any]], bool]:
    return lambda plan: case.judge(plan).exact


# ---- asking ----


async def _answered(
    project: Project,
    file: Path,
    planners: Sequence[_Planner],
    asked: Sequence[_Asked],
    progress: Callable[[int, int], None],
) -> dict[tuple[str, str], dict[str, Any] | None]:
    """The plans, those that an earlier try kept in the file among them; None where none came."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    rows = map(json.loads, whole_lines(file))
    answers = {(row["planner"], row["sample"]): row["plan"] for row in rows}
    done, total = 0, len(planners) * len(asked)
    for who in planners:
        for one in asked:
            place = who.key, one.sample.id
            if place not in answers:
                answers[place] = await _plan(project, who, one.sample)
                append(file, [{"planner": place[0], "sample": place[1], "plan": answers[place]}])
            done += 1
            progress(done, total)
    return answers


async def _plan(project: Project, who: _Planner, sample: Sample) -> dict[str, Any] | None:
    """One try: what a second one would mend was wrong."""
    agent, contract = who.agent, plans.contract_of(sample)
    tuned = await is_tuned(agent.name, agent.adapter, agent.model, who.model)
    system, user = (str(message["content"]) for message in sample.messages)
    if not tuned:
        system = f"{system}\n{contract.describe()}"
    request = Request(
        messages=(Message("system", system), Message("user", user)),
        contract=contract,
        adapter=agent.adapter if tuned else None,
        adapter_name=agent.name if tuned else "",
        max_tokens=agent.max_tokens,
        timeout=project.settings.transport_timeout,
        allow_unproven=project.settings.allow_unproven,
    )
    completion = await load_model(who.model, project.root).complete(request)
    try:
        return Plan.from_answer(contract.parse(completion.text)).as_dict()
    except (ContractViolation, ValidationError):
        return None
