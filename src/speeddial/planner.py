"""The planner: the generalist that splits a task into steps; its plan is type-checked before it is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from speeddial.call import Registry, planner_model
from speeddial.contract import problems_text
from speeddial.errors import ContractViolation, PlanError, Problem
from speeddial.events import PlanMade
from speeddial.exchange import Emit, Exchange, Question, now_text
from speeddial.messages import Message, Status
from speeddial.plan import Plan, candidates, check_plan, plan_contract, planner_messages


class Planner:
    """Makes plans for one run.

    Args:
        registry: the project.
        exchange: where models are asked.
        files: granted files, name -> path.
        emit: takes the events.
    """

    def __init__(
        self, registry: Registry, exchange: Exchange, *, files: Mapping[str, Path], emit: Emit
    ) -> None:
        self._registry = registry
        self._exchange = exchange
        self._files = files
        self._emit = emit

    async def plan(self, task: str, *, failures: Sequence[str] = (), key: str, attempt: int = 1) -> Plan:
        """Make a plan, with one retry when it does not type-check.

        Args:
            failures: why the plans before did not work.
            key: place in the run, the same after a resume.
            attempt: number of the plan in the run.

        Raises:
            PlanError: both tries were wrong.
            NotFound: the project has no planner.
            EngineError, LimitReached, RecordError: see `Exchange.ask`.
        """
        registry = self._registry
        agent = registry.agent("planner")
        model = planner_model(registry)
        tuned = await self._exchange.is_tuned(agent.name, agent.adapter, agent.model, model)
        experts = candidates(task, registry.experts)
        contract = plan_contract(experts, self._files)
        messages = planner_messages(agent.prompt, task, experts.values(), tuple(self._files), failures)
        if not tuned:
            system = f"{messages[0].content}\n{contract.describe()}"
            messages = (Message("system", system), *messages[1:])

        def check(value: Any) -> list[Problem]:
            try:
                plan = Plan.from_answer(value)
            except ValidationError as error:
                return [Problem("", "a plan", str(error))]
            return check_plan(plan, experts, registry.tools, self._files)

        question = Question(
            key="",
            kind="plan",
            asked=agent.name,
            model=model,
            messages=messages,
            contract=contract,
            check=check,
            adapter=agent.adapter if tuned else None,
            adapter_version=agent.version if tuned else "",
            max_tokens=agent.max_tokens,
            reason="; ".join(failures),
        )
        problems: Sequence[Problem] = ()
        said = None
        for number in (1, 2):
            reply = await self._exchange.ask(
                replace(question, key=f"{key}/{number}", messages=messages, attempt=number)
            )
            if reply.error is None and reply.status is not Status.SALVAGED:
                plan = Plan.from_answer(reply.value)
                self._emit(
                    PlanMade(
                        run_id=self._exchange.run,
                        at=now_text(),
                        plan=plan.as_dict(),
                        attempt=attempt,
                        status=str(reply.status),
                    )
                )
                return plan
            # Of a plan that was cut off the last steps are missing, and how many nobody knows.
            error = reply.error or ContractViolation(
                [Problem("steps", "a plan that ends", "one that was cut off")], example=contract.example_text
            )
            problems = error.problems
            if reply.completion.text == said:
                break
            said = reply.completion.text
            feedback = problems_text(problems, error.example)
            question = replace(question, parent=reply.interaction, reason=feedback)
            messages = (*messages, Message("assistant", said), Message("user", f"Wrong:\n{feedback}"))
        raise PlanError(problems)
