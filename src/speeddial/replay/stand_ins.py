"""What stands in for models, tools and files while a run is replayed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args

from speeddial.call import Caller, Registry
from speeddial.contract import Contract, ContractViolation, ResolveContext
from speeddial.exchange import Exchange, Question, Reply, Usage, recorded_completion
from speeddial.expert import Expert
from speeddial.messages import answer_of
from speeddial.models import Completion
from speeddial.prepared import Prepared, offered
from speeddial.record import InteractionRow, Record, Redactor, RunRow
from speeddial.replay.answers import Answers
from speeddial.settings import Settings
from speeddial.tool import Tool, ToolContext, ToolResult, as_json

_ENDLESS = 10**9
"""In place of limits: where the run came to one, the record has no more answers."""


@dataclass
class Stage:
    """What a replay shares: the recorded run, its answers, and what is worth telling."""

    run: RunRow
    answers: Answers
    files_at_hand: bool
    """Whether all granted files are there as they were."""
    redactor: Redactor
    notes: list[str] = field(default_factory=list)

    def caller(self, registry: Registry, exchange: Exchange, **options: Any) -> Caller:
        return _StageCaller(self, registry, exchange, **options)


class StageExchange(Exchange):
    """Answers from the record."""

    def __init__(self, record: Record, run: str, usage: Usage, settings: Settings, stage: Stage) -> None:
        super().__init__(record, run, usage, settings)
        self._stage = stage
        self._answering: dict[str, InteractionRow] = {}

    async def is_tuned(self, name: str, adapter: Path | None, made_for: str, model: str) -> bool:
        # Of a vLLM server's adapters only the server knows.
        if model.startswith("vllm:"):
            rows = self._stage.run.interactions
            return any((row.expert, row.model) == (name, model) and row.adapter for row in rows)
        return await super().is_tuned(name, adapter, made_for, model)

    async def _ask_once(self, question: Question) -> Reply:
        if self.known(question.key) is None:
            messages = [self.record.redactor.value(message.as_dict()) for message in question.messages]
            row = self._stage.answers.for_question(question, messages)
            self._answering[question.key] = row
            question = self._judged_as_then(question, row)
        return await super()._ask_once(question)

    async def _transport(self, question: Question) -> Completion:
        row = self._answering[question.key]
        await self._stage.answers.turn(row)
        if row.raw is None:
            self._stage.answers.fail(row)
        return recorded_completion(row)

    def _judged_as_then(self, question: Question, row: InteractionRow) -> Question:
        """The question; under the recorded verdict where a surrogate breaks its contract."""
        if row.parsed is None or not row.redactions:
            return question
        try:
            value = question.contract.parse(recorded_completion(row).completed or row.raw or "")
            if not (question.check and question.check(value)):
                return question
        except ContractViolation:
            pass
        self._stage.notes.append(
            f"step {row.step}: a surrogate in the answer breaks its contract; the verdict is the record's"
        )
        contract = RecordedContract(
            question.contract.unbound.schema, question.contract.schema_hash, {row.raw or "": row}
        )
        return replace(question, contract=contract, check=None)


class _StageCaller(Caller):
    """Phones experts whose files may be gone."""

    def __init__(self, stage: Stage, registry: Registry, exchange: Exchange, **options: Any) -> None:
        super().__init__(registry, exchange, **options)
        self._stage = stage

    async def _prepare(self, expert: Expert, context: ToolContext) -> Prepared:
        tools = offered(expert, context, self._registry.tools)
        reads = any(tool.shape or tool.preface or tool.contract.sources for tool in tools.values())
        if self._stage.files_at_hand or not reads or not context.files:
            return await super()._prepare(expert, context)
        rows = [
            row
            for row in self._stage.run.interactions
            if row.expert == expert.name and row.tools and context.request in row.messages[1]["content"]
        ]
        if not rows:
            return await super()._prepare(expert, context)
        self._stage.notes.append(
            f"{', '.join(context.files)} is not as it was; what {expert.name} knew of it is the record's"
        )
        first = rows[0]
        said = first.messages[1]["content"]
        found = re.search(rf"^{re.escape(context.request)}(?=\Z|\n#)", said, re.MULTILINE)
        preface = said[: found.start()].removesuffix("\n") if found else ""
        described = first.messages[0]["content"].removeprefix(expert.prompt).removeprefix("\n")
        answers = {row.raw: row for row in rows if row.raw is not None}
        contract = RecordedContract(first.schema or {}, first.schema_hash, answers, described)
        return Prepared(contract, [preface] if preface else [], list(first.tools), tools)


class RecordedContract(Contract):
    """A contract of which the record has the schema and the verdicts, and no more is to be had.

    Args:
        schema: as it was recorded.
        schema_hash: that of the whole contract.
        answers: raw output -> the interaction that tells how it was judged.
        described: what `describe` gave.
    """

    def __init__(
        self,
        schema: dict[str, Any],
        schema_hash: str,
        answers: Mapping[str, InteractionRow],
        described: str = "",
    ) -> None:
        super().__init__(schema, name="the recorded contract", after=[])
        self.schema_hash = schema_hash
        self._answers = answers
        self._described = described

    @property
    def schema(self) -> dict[str, Any]:
        return self.full_schema

    def describe(self) -> str:
        return self._described

    def parse(self, text: str) -> Any:
        row = self._answers.get(text)
        value = super().parse(text) if row is None or row.parsed is None else row.parsed
        return answer_of(value)


@dataclass(frozen=True)
class RecordedTool(Tool):
    """A tool that gives what it once gave, and does nothing."""

    stage: Stage | None = None

    @classmethod
    def of(cls, tool: Tool, stage: Stage) -> RecordedTool:
        return cls(**{one.name: getattr(tool, one.name) for one in fields(Tool)}, stage=stage)

    def contract_for(self, context: ToolContext) -> Contract:
        assert self.stage is not None
        return super().contract_for(context) if self.stage.files_at_hand else self.contract

    async def run(self, arguments: Mapping[str, Any], context: ToolContext) -> ToolResult:
        assert self.stage is not None
        stage, redactor = self.stage, self.stage.redactor
        row = stage.answers.for_tool(self.name, redactor.value(dict(arguments)), context.idempotency_key)
        await stage.answers.turn(row)
        if row.status != "done":
            stage.answers.fail(row)
        resolved = row.resolved or {}
        if not (self.shape or self.contract.sources or self._tells_resolved or row.redactions):
            resolved = self._resolved(arguments, context)
        return ToolResult(row.result, resolved, row.text)

    @property
    def _tells_resolved(self) -> bool:
        """Whether its results say themselves what their arguments came to."""
        kinds = (self.returns, *get_args(self.returns))
        return any("resolved" in getattr(kind, "__annotations__", {}) for kind in kinds)

    def _resolved(self, arguments: Mapping[str, Any], context: ToolContext) -> dict[str, Any]:
        """The arguments with their typed values resolved by today's code under the recorded clock."""
        contract = self.contract.bound(context.copied_from, context)
        value = contract.load(dict(arguments))
        resolved = contract.resolve(value, ResolveContext(now=context.now, references=context.references))
        return {name: as_json(item) for name, item in resolved.items()}


def recorded_settings(run: RunRow, present: Settings) -> Settings:
    """The settings under which a run was made: its clock, who is asked, and no limits.

    Args:
        present: for what the record of an older version does not have.
    """
    configured = run.settings.get("configured")
    if configured is not None:
        present = Settings(**configured, sources=dict.fromkeys(configured, "record"))
    return replace(
        present,
        now=run.settings["now"],
        max_steps=_ENDLESS,
        max_tokens=_ENDLESS,
        max_seconds=_ENDLESS,
        max_cost=0.0,
        # Nothing is sent anywhere.
        otlp="",
    )
