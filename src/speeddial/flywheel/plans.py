"""S1 and S2 of the planner: its plans out of the record, and which of them may be learnt from.

A sample has the prompt as the call path writes it for a tuned planner, experts and all, and the plan as the
one call of a tool ``plan``, whose schema names the experts that the prompt named. What a person accepted or
corrected counts; else a plan counts when it was carried out: every step served by whom it named, nobody
refused, nothing planned anew. A plan that was made after a failure is no sample, since its prompt has the
failure's words.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from speeddial.agent import Agent
from speeddial.contract import Contract
from speeddial.errors import SpeeddialError
from speeddial.flywheel.artefact import Artefact, made
from speeddial.flywheel.cases import plan_score
from speeddial.flywheel.collect import SAMPLES, said_last
from speeddial.flywheel.curate import Dropped, Rules, report, write_sorted
from speeddial.flywheel.sample import Sample, read_samples, write_samples
from speeddial.messages import Status, compact_json
from speeddial.plan import Plan
from speeddial.record import Record
from speeddial.record.feedback import FeedbackRow
from speeddial.record.rows import RUNNING, InteractionRow, RunRow, as_time
from speeddial.record.selection import Selection

PLAN = "plan"
_MAJORITY = Rules().majority
_VALID = (Status.EXACT, Status.CORRECTED)


def collect(record: Record, folder: Path, agent: Agent) -> Artefact:
    """Freeze the planner's plans, good and bad.

    Args:
        record: where it planned.
        folder: of all artefacts.
        agent: the planner.

    Raises:
        RecordError: the record cannot be read.
        UserError: the disk refused.
    """
    through = record.database.read("SELECT coalesce(max(id), 0) AS last FROM interactions")[0]["last"]

    def make(draft: Path) -> Mapping[str, Any]:
        counted: Counter[str] = Counter()

        def told() -> Iterator[Sample]:
            for run, origin in record.selected_runs(Selection(expert=agent.name, kinds=("plan",))):
                for sample in _samples(record, run, origin, agent, through):
                    counted["corrected"] += sample.verdict == "correct"
                    counted["planned anew"] += sample.error == "planned anew"
                    yield sample

        count = write_samples(draft / SAMPLES, told())
        return {"samples": count, **counted}

    prompt = sha256(agent.prompt.encode()).hexdigest()
    parameters = {"agent": agent.name, "prompt": prompt, "through": through, "said": said_last(record)}
    return made(folder, "collect", {"record": record.name}, parameters, make)


def curate(collected: Artefact, folder: Path) -> Artefact:
    """Sort collected plans; see `sort`.

    Raises:
        UserError: the disk refused.
    """

    def make(draft: Path) -> Mapping[str, Any]:
        samples = list(read_samples(collected.file(SAMPLES)))
        kept, dropped = sort(samples)
        write_sorted(draft, kept, dropped)
        return report(samples, kept, dropped)

    parameters = {PLAN: True, "majority": _MAJORITY}
    return made(folder, "curate", {"collect": collected.sha256}, parameters, make)


def sort(samples: Sequence[Sample]) -> tuple[list[Sample], list[Dropped]]:
    """The plans that may be learnt from, and the others with their reasons; both in their order.

    Left out is what did not come to a good end, what breaks the schema of the experts that its prompt named,
    what most plans of the very same prompt say otherwise, and exact copies.
    """
    gone: dict[str, Dropped] = {}
    left = list(samples)
    for stage in (_without_outcome, _invalid, _conflicting, _copies):
        gone |= {item.sample.id: item for item in stage(left)}
        left = [sample for sample in left if sample.id not in gone]
    return left, [gone[sample.id] for sample in samples if sample.id in gone]


def contract_of(sample: Sample) -> Contract:
    """The contract that the sample's plan was held to."""
    return Contract.from_schema(dict(sample.tools[0]["parameters"]))


def plan_of(sample: Sample) -> dict[str, Any]:
    """The sample's plan as `Plan.as_dict` gives it, whichever way its missing parts are written."""
    return Plan.from_answer(sample.calls[0]["arguments"]).as_dict()


def equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether plans, as `Plan.as_dict` gives them, are the same as evaluation judges it."""
    return plan_score(one, other).exact


def made_anew(row: InteractionRow) -> bool:
    """Whether a planner's decode is the first of a plan that was made because an earlier one failed."""
    return row.attempt == 1 and row.parent is None and bool(row.reason)


def row_of(sample: Sample) -> dict[str, Any]:
    """A row to train on.

    Raises:
        ContractViolation: the plan breaks its schema.
    """
    answer = contract_of(sample).dump(sample.calls[0]["arguments"])
    return {"id": sample.id, "messages": [*sample.messages, {"role": "assistant", "content": answer}]}


# ---- collecting ----


def _samples(record: Record, name: str, origin: str, agent: Agent, through: int) -> Iterator[Sample]:
    run = record.run_alone(name)
    rows = [row for row in record.interactions(run=name) if row.id <= through]
    plans = [row for row in rows if row.kind == PLAN and row.expert == agent.name and row.status != RUNNING]
    mended = {row.parent for row in plans}
    of_run, of_plan = _said(record.feedback.of_run(name))
    for at, row in enumerate(plans):
        said = of_plan.get(row.id)
        if (row.id in mended and said is None) or row.schema is None:
            continue
        last = not any(made_anew(other) for other in plans[at + 1 :])
        if said is None and last:
            said = of_run
        yield _sample(run, row, origin, agent, said, rows, last=last)


def _sample(
    run: RunRow,
    row: InteractionRow,
    origin: str,
    agent: Agent,
    said: FeedbackRow | None,
    rows: Sequence[InteractionRow],
    *,
    last: bool,
) -> Sample:
    schema = dict(row.schema or {})
    value = row.parsed if isinstance(row.parsed, Mapping) else None
    if said is not None and said.verdict == "correct" and said.call:
        value = said.call
    system, user = (str(message["content"]) for message in row.messages[:2])
    bare = _bare(system, schema, agent)
    error = ""
    if value is None:
        error = row.error or "no plan"
    elif bare is None:
        error = "another prompt"
    elif _first(row, rows).reason:
        error = "made after a failure"
    elif said is None:
        error = _unproven(run, row, value, rows, last=last)
    return Sample(
        id=f"{row.run}/{row.id}",
        group=origin,
        # Of a second try the prompt is that of the first: it is what that one should have been.
        messages=({"role": "system", "content": bare or system}, {"role": "user", "content": user}),
        tools=({"name": PLAN, "description": "", "parameters": schema},),
        calls=({"name": PLAN, "arguments": dict(value)},) if value is not None else (),
        answer=row.raw or "",
        error=error,
        whole=bool(row.raw) and row.finish not in ("", "length"),
        model=row.model,
        expert=row.expert if row.adapter else "",
        status=row.status,
        verdict=said.verdict if said is not None else "",
        tokens_in=row.tokens_in,
        tokens_out=row.tokens_out,
        cost=row.cost,
        latency_ms=row.latency_ms or 0.0,
        created=as_time(row.started_ns),
    )


def _said(feedback: Iterable[FeedbackRow]) -> tuple[FeedbackRow | None, dict[int, FeedbackRow]]:
    """The newest verdict on the run's answer, and those on its interactions."""
    of_run: FeedbackRow | None = None
    found: dict[int, FeedbackRow] = {}
    for row in feedback:
        if row.verdict not in ("accept", "correct"):
            continue
        if row.interaction is None:
            of_run = row
        else:
            found[row.interaction] = row
    return of_run, found


def _first(row: InteractionRow, rows: Sequence[InteractionRow]) -> InteractionRow:
    """The first try of the plan that this decode is a try of."""
    known = {one.id: one for one in rows}
    while row.parent is not None and row.parent in known:
        row = known[row.parent]
    return row


def _bare(system: str, schema: dict[str, Any], agent: Agent) -> str | None:
    """The prompt as a tuned planner gets it; None when it is not made of the planner's present one."""
    bare = system.removesuffix(f"\n{Contract.from_schema(schema).describe()}")
    head, _, tail = agent.prompt.partition("{experts}")
    return bare if bare.startswith(head) and bare.endswith(tail) else None


def _unproven(
    run: RunRow, row: InteractionRow, value: Mapping[str, Any], rows: Sequence[InteractionRow], *, last: bool
) -> str:
    """Why nothing says that a plan was right; empty when its steps were done as it said."""
    if row.status not in _VALID:
        return f"ended {row.status}"
    if not last:
        return "planned anew"
    try:
        steps = Plan.from_answer(value).steps
    except ValidationError:
        return "no plan"
    # A part that nobody serves leaves a run partial, and the plan right.
    if run.status not in ("done", "partial") or not steps or not run.settings.get("execute", True):
        return "not carried out"
    for number in range(1, len(steps) + 1):
        own = [one for one in rows if one.step == number and one.id > row.id]
        decodes = [one for one in own if one.kind == "model"]
        tools = [one for one in own if one.kind == "tool"]
        if any(one.status == Status.REFUSED for one in decodes):
            return "a step was refused"
        if not decodes or decodes[-1].status not in _VALID or (tools and tools[-1].status != "done"):
            return "a step was not done"
    return ""


# ---- sorting ----


def _without_outcome(samples: list[Sample]) -> Iterator[Dropped]:
    for sample in samples:
        if sample.error:
            yield Dropped(sample, sample.error if sample.calls else "no answer", sample.error)


def _invalid(samples: list[Sample]) -> Iterator[Dropped]:
    for sample in samples:
        try:
            contract_of(sample).load(sample.calls[0]["arguments"])
            plan_of(sample)
        except (SpeeddialError, ValidationError) as error:
            yield Dropped(sample, "schema", str(error))


def _conflicting(samples: list[Sample]) -> Iterator[Dropped]:
    """Of one prompt's plans those outvoted; all of them when none has the majority."""
    same: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        same[_asked(sample)].append(sample)
    for group in same.values():
        kinds: list[Sample] = []
        votes: Counter[int] = Counter()
        of: dict[str, int] = {}
        for sample in group:
            plan = plan_of(sample)
            found = (at for at, one in enumerate(kinds) if equal(plan_of(one), plan))
            at = next(found, len(kinds))
            kinds += [sample] if at == len(kinds) else []
            votes[at] += 1
            of[sample.id] = at
        if len(kinds) == 1:
            continue
        best, count = votes.most_common(1)[0]
        judged = {of[sample.id] for sample in group if sample.verdict}
        right = judged or ({best} if count >= _MAJORITY * len(group) else set())
        for sample in group:
            if of[sample.id] not in right:
                yield Dropped(sample, "conflict", f"{count} of {len(group)} equal prompts agree")


def _copies(samples: list[Sample]) -> Iterator[Dropped]:
    seen: dict[str, str] = {}
    for sample in samples:
        told = f"{_asked(sample)}\n{json.dumps(plan_of(sample), sort_keys=True)}"
        if told in seen:
            yield Dropped(sample, "copy", seen[told])
        else:
            seen[told] = sample.id


def _asked(sample: Sample) -> str:
    """All that the plan may depend on."""
    return compact_json([message["content"] for message in sample.messages])
