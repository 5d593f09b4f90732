"""The judge: a role that scores an answer by the user's criteria, with the words it rests on and a reason.

After Glider (Patronus AI 2024): one criterion, a rubric, highlighted spans, reasoning, a score. A judge is
phoned as an expert is, so that its verdicts are decoded, checked, recorded and escalated like any call; its
instruction and model are those of the agent with that role.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from speeddial.agent import Agent
from speeddial.contract import Contract
from speeddial.contract.schemas import COPIED
from speeddial.errors import NotFound, UserError
from speeddial.expert import Expert
from speeddial.extraction import shown, source_text
from speeddial.tool import ToolContext, tool

ROLE = "judge"
PASS_OR_FAIL = {"pass": "the criterion is met", "fail": "it is not"}
LONGEST_REASON = 240
MOST_SPANS = 4

Criteria = str | Mapping[str, Any]
"""A criterion, or ``{"criterion": ..., "rubric": {score: meaning}, "asked": what the answer answers}``."""


class Verdict(BaseModel):
    """What a judge says."""

    spans: list[str]
    """Words of the judged text that it rests on."""
    reason: str
    verdict: str
    """A score of the rubric; ``pass`` or ``fail`` unless one is given."""

    def __str__(self) -> str:
        return f"{self.verdict}: {self.reason}"


@dataclass(frozen=True)
class _Criteria:
    criterion: str
    rubric: Mapping[str, str]
    asked: str


def _criteria(context: ToolContext) -> _Criteria | None:
    given = context.given.get("criteria")
    if given is None:
        return None
    about = {"criterion": given} if isinstance(given, str) else given
    rubric = about.get("rubric", PASS_OR_FAIL) if isinstance(about, Mapping) else None
    if (
        not isinstance(rubric, Mapping)
        or len(rubric) < 2
        or not all(isinstance(meaning, str) for meaning in rubric.values())
        or not isinstance(about.get("criterion"), str)
        or not isinstance(about.get("asked", ""), str)
        or about.keys() - {"criterion", "rubric", "asked"}
    ):
        raise UserError(
            f"criteria: expected a criterion, and a rubric of two scores or more, got {given!r}",
            hint='{"criterion": "Is it polite?", "rubric": {"1": "rude", "3": "polite"}, "asked": "..."}',
        )
    return _Criteria(about["criterion"], dict(rubric), about.get("asked", ""))


def shape(context: ToolContext) -> Contract | None:
    """The contract of a verdict by the rubric that is given."""
    criteria = _criteria(context)
    return _contract(tuple(criteria.rubric)) if criteria else None


@lru_cache(maxsize=64)
def _contract(scores: tuple[str, ...]) -> Contract:
    span = {"type": "string", "minLength": 1, "maxLength": 200, COPIED: [source_text.__name__]}
    properties = {
        "spans": {"type": "array", "items": span, "maxItems": MOST_SPANS},
        "reason": {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON},
        "verdict": {"enum": list(scores)},
    }
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return Contract.from_schema(schema, name="verdict", sources={source_text.__name__: source_text})


def preface(context: ToolContext) -> str | None:
    """Criterion, rubric, what was asked, and the text unless it is the request."""
    criteria = _criteria(context)
    if criteria is None:
        return shown(context)
    scores = "; ".join(f"{score} = {meaning}" for score, meaning in criteria.rubric.items())
    lines = [f"Criterion: {criteria.criterion}", f"Scores: {scores}"]
    lines += [f"Asked: {criteria.asked}"] if criteria.asked else []
    return "\n".join([*lines, "Answer:", *filter(None, [shown(context)])])


@tool(shape=shape, preface=preface)
def judge(spans: list[str], reason: str, verdict: str) -> Verdict:
    """Score the answer by the criterion.

    Args:
        spans: words of the answer that decide.
        reason: why, in a few words.
        verdict: the score.
    """
    return Verdict(spans=spans, reason=reason, verdict=verdict)


def given_for(criteria: Criteria, asked: str = "") -> dict[str, Any]:
    """What a judge is given beside the text.

    Args:
        asked: what the judged text answers.
    """
    about = {"criterion": criteria} if isinstance(criteria, str) else dict(criteria)
    return {"criteria": about | ({"asked": asked} if asked else {})}


def as_expert(agents: Mapping[str, Agent], name: str) -> Expert:
    """The agent with the role of a judge, as it is phoned.

    Raises:
        NotFound: another name, or no such agent.
    """
    agent = next((agent for agent in agents.values() if agent.role == ROLE == name), None)
    if agent is None:
        raise NotFound(
            f"no {name} among the agents", hint=f'add agents/{ROLE}/agent.toml with role = "{ROLE}"'
        )
    return Expert(
        name=agent.name,
        summary="scores an answer by given criteria",
        task="Scores an answer by the user's criteria.",
        when_to_call=(),
        tools=(judge.name,),
        prompt=agent.prompt,
        folder=agent.folder,
        model=agent.model,
        adapter=agent.adapter,
        needs=("criteria",),
        refuses=False,
        planned=False,
        version=agent.version,
    )
