"""Specialists that answer an agent's requests in its large model's place, where they are deployed and sure.

A request goes to a task by its words. The version that serves the task is phoned through the one call path,
decode only, and its answer is used when it is confident enough and valid under the agent's own schemas. In
every other case there is a reason, and the large model answers. Whatever breaks here costs the agent nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from speeddial.call import Caller
from speeddial.contract.schemas import COPIED
from speeddial.errors import NotFound, RecordError, SpeeddialError
from speeddial.exchange import Exchange, Usage
from speeddial.expert import Expert
from speeddial.flywheel.artefact import FOLDER, Artefact, named
from speeddial.flywheel.cluster import ROUTER
from speeddial.flywheel.curate import KEPT
from speeddial.flywheel.deployment import CARD, Deployment, Deployments
from speeddial.flywheel.evaluate import alone
from speeddial.flywheel.sample import definitions_of
from speeddial.flywheel.texts import TextClassifier
from speeddial.flywheel.watch import watch
from speeddial.messages import Status, compact_json
from speeddial.outcome import CallOutcome, Phone
from speeddial.project import Project
from speeddial.record import Record
from speeddial.server.chat import Answered, Asked
from speeddial.server.recording import judged

WAIT = 10.0
"""Seconds that an agent waits for a specialist before the large model is asked, unless set otherwise."""
_MOST_AT_WORK = 8
"""Requests that wait for specialists at the same time; more would wait longer than the large model takes."""
SHADOW = "shadow"
TOOLS = "tools.json"
"""Definitions of a version's expert, beside its card."""

Why = Literal[
    "stage",
    "demands",
    "conversation",
    "tools",
    "busy",
    "slow",
    "broken",
    "refused",
    "wrong",
    "unsure",
    "invalid",
]
"""Why the large model answers: nobody serves this share of this task; the request asks for more than calls;
it is not a conversation's first; its tools are not those that were learnt from; too many wait; no answer in
time; an error; a refusal; no valid call; too little confidence; a call that the agent's schemas forbid."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Whose a request is."""

    task: str
    """As the router told it; empty when it could not."""
    serving: Deployment | None = None
    """Who is to answer; None for the large model."""
    beside: Deployment | None = None
    """Who is asked afterwards, to compare."""
    trouble: str = ""
    """Why nobody could be found."""

    def about(self) -> dict[str, str]:
        """What the run's settings say of it; version and stage are those that are on trial, if there are."""
        who = self.beside or self.serving
        return {
            "task": self.task,
            "expert": self.serving.expert if self.serving else "",
            "version": who.version if who else "",
            "stage": who.stage if who else "",
        }


@dataclass(frozen=True)
class Left:
    """That a specialist does not answer."""

    why: Why
    reason: str
    interaction: int | None = None
    """Its last decode, which the large model's is escalated from."""


class Specialists:
    """Those that are deployed, as they are at each request.

    Args:
        project: whose engines and settings they have.
        record: where they are on record; their deployments stand beside it.
        wait: seconds that one may take.
        auto: put those that have shown enough on their next stage; see `speeddial.flywheel.watch`.
        told: called with a line when something broke, or somebody came or went.
    """

    def __init__(
        self,
        project: Project,
        record: Record,
        *,
        wait: float = WAIT,
        auto: bool = False,
        told: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._project = project
        self._auto = auto
        self._record = record
        self._wait = wait
        self._told = told
        self._deployments = Deployments(record.folder / FOLDER)
        self._loading: dict[Path, asyncio.Task[_Specialist]] = {}
        self._router = cache(_router)
        self._at_work = 0

    async def turn(self, asked: Asked) -> Turn | None:
        """Whose a request is; None when nothing is deployed."""
        try:
            live = self._deployments.live()
            if not live:
                return None
            async with asyncio.timeout(self._wait):  # a router's embeddings may be a server's
                task = await asyncio.to_thread(self._task, asked.task, live)
        except TimeoutError:
            said = f"the router gave no task within {self._wait:g} s"
            self._told(f"no specialist is asked: {said}")
            return Turn(task="", trouble=said)
        except SpeeddialError as error:
            self._told(f"no specialist is asked: {error.message}")
            return Turn(task="", trouble=error.message)
        beside, serving = None, live.get(task)
        while serving is not None and not _takes(serving, asked):
            if serving.stage == SHADOW and beside is None:
                beside = serving
            serving = serving.before
        return Turn(task=task, serving=serving, beside=beside)

    async def answer(self, turn: Turn, asked: Asked, run: str) -> Answered | Left:
        """Have the specialist answer whose turn it is.

        Returns:
            Its answer, on record and valid; or why there is none.

        Raises:
            RecordError: it could not be recorded, so it must not be used.
        """
        if turn.serving is None:
            return Left("broken", turn.trouble) if turn.trouble else Left("stage", "")
        if self._at_work >= _MOST_AT_WORK:
            return Left("busy", f"{self._at_work} requests wait for specialists")
        self._at_work += 1
        try:
            async with asyncio.timeout(self._wait):
                return await self._ask(turn.serving, asked, run)
        except TimeoutError:
            return Left("slow", f"no answer within {self._wait:g} s", await self._last(run))
        except RecordError:
            raise
        except Exception as error:  # noqa: BLE001 - an engine may raise anything, and the agent has another
            said = error.message if isinstance(error, SpeeddialError) else repr(error)
            self._told(f"{run}  {turn.serving.expert}: {said}")
            return Left("broken", said, await self._last(run))
        finally:
            self._at_work -= 1

    async def shadow(self, turn: Turn, asked: Asked, run: str) -> None:
        """Ask the one who stands beside, for the record alone.

        Raises:
            Whatever its engine raises.
        """
        if turn.beside is not None:
            await self._ask(turn.beside, asked, run, reason=SHADOW)

    def watch(self) -> None:
        """Look at how they do; those that break their limits are rolled back, and nobody asks them again.

        Raises:
            SpeeddialError: the record or the deployments cannot be read.
        """
        for seen in watch(self._project, self._record, self._deployments, auto=self._auto):
            if seen.state in ("rolled back", "advanced"):
                self._told(f"{seen.task}  {seen.stage}  {seen.state}: {seen.reason}")

    async def _ask(self, whom: Deployment, asked: Asked, run: str, reason: str = "") -> Answered | Left:
        if asked.demands.beyond:
            return Left("demands", f"asks for {asked.demands.beyond}")
        if not opens(asked):
            return Left("conversation", "not a conversation's first request")
        if whom.folder not in self._loading:
            load = asyncio.to_thread(_Specialist.load, self._project, whom, self._deployments.folder)
            self._loading[whom.folder] = asyncio.create_task(load)
        # A first request that gives up waiting leaves the loading to the next.
        specialist = await asyncio.shield(self._loading[whom.folder])
        if drifted := specialist.drifted(asked, self._record):
            return Left("tools", drifted)
        settings = specialist.house.settings
        exchange = Exchange(self._record, run, Usage(settings), settings, self._project.root)
        caller = Caller(
            specialist.house,
            exchange,
            files={},
            now=settings.clock(),
            emit=lambda event: None,
            execute=False,
        )
        expert = specialist.expert
        phone = Phone(expert=expert.name, text=asked.task, key=reason or "specialist", reason=reason)
        outcome = await caller.phone(phone)
        completions = [exchange.completion(row) for row in outcome.interactions]
        return _judged(
            asked,
            expert,
            outcome,
            tokens_in=sum(one.tokens_in for one in completions),
            tokens_out=sum(one.tokens_out for one in completions),
        )

    async def _last(self, run: str) -> int | None:
        """The run's last decode."""
        rows = await asyncio.to_thread(
            self._record.database.read, "SELECT max(id) AS last FROM interactions WHERE run = ?", (run,)
        )
        found: int | None = rows[0]["last"]
        return found

    def _task(self, text: str, live: Mapping[str, Deployment]) -> str:
        """The task that a request is of, deployed or not."""
        told: dict[Path, tuple[str, float]] = {}
        for folder in {one.router for one in live.values() if one.router is not None}:
            router = self._router(folder)
            if router is None:  # there was but one task
                told[folder] = next((task for task, one in live.items() if one.router == folder), ""), 1.0
                continue
            chances = router.chances([text])[0]
            best = int(chances.argmax())
            told[folder] = router.classes[best], float(chances[best])
        served = [
            (chance, task)
            for folder, (task, chance) in told.items()
            if task in live and live[task].router == folder
        ]
        return max(served)[1] if served else next((task for task, _ in told.values()), "")


@dataclass(frozen=True)
class _Specialist:
    """A version's expert, ready to be phoned."""

    expert: Expert
    house: Any
    """The project where nobody else is phoned."""
    shown: Mapping[str, frozenset[str]]
    """Tool -> its schemas in what was learnt from."""
    complete: bool
    """Whether these are all tools of that traffic, and not only the expert's own."""

    @classmethod
    def load(cls, project: Project, deployment: Deployment, folder: Path) -> _Specialist:
        expert = Expert.from_card(deployment.folder / CARD)
        house = alone(project, expert, project.model_of(expert))
        # Who is slow or unreachable is not tried again: the large model answers.
        house.settings = replace(house.settings, transport_retries=0)
        shown: dict[str, set[str]] = {}
        learnt = _learnt_from(deployment, folder)
        for definition in _own(deployment) if learnt is None else learnt:
            shown.setdefault(definition["name"], set()).add(_folded(definition["parameters"]))
        known = {name: frozenset(schemas) for name, schemas in shown.items()}
        return cls(expert, house, known, learnt is not None)

    def drifted(self, asked: Asked, record: Record) -> str:
        """Why the tools of a request are not those that it learnt to call; empty when they are."""
        own = set(self.expert.tools)
        offered = {tool["name"]: tool["parameters"] for tool in asked.tools}
        if not own & offered.keys():
            return "none of its tools is offered"
        for name, parameters in offered.items():
            if name not in self.shown:
                if self.complete:
                    return f"{name} is a tool that was not there when it learnt"
                continue
            same = _folded(parameters) in self.shown[name]
            # What it learnt from stands on record, redacted.
            if not same and _folded(record.redactor.value(parameters)) not in self.shown[name]:
                return f"the schema of {name} changed since it learnt"
        return ""


def opens(asked: Asked) -> bool:
    """Whether this is a person's first word: what was said before may decide what a later one means."""
    roles = [message["role"] for message in asked.messages]
    return [role for role in roles if role not in ("system", "developer")] == ["user"]


def _takes(deployment: Deployment, asked: Asked) -> bool:
    """Whether a version answers this request; all of a conversation falls to one."""
    if deployment.stage != "canary":
        return deployment.stage == "full"
    place = hashlib.sha256(f"{deployment.version}/{asked.opening()}".encode()).digest()[:8]
    return int.from_bytes(place) < deployment.share * 2**64


def _judged(
    asked: Asked, expert: Expert, outcome: CallOutcome, *, tokens_in: int, tokens_out: int
) -> Answered | Left:
    """A specialist's outcome as an answer to this request, or why it is none."""
    row = outcome.interactions[-1] if outcome.interactions else None
    if outcome.status is Status.REFUSED:
        return Left("refused", outcome.error, row)
    if outcome.status not in (Status.EXACT, Status.CORRECTED) or not outcome.calls:
        return Left("wrong", outcome.error or f"ended {outcome.status}", row)
    confidence = outcome.confidence or 0.0
    if confidence < expert.threshold:
        return Left("unsure", f"unsure ({confidence:.2f} where {expert.threshold:.2f} is needed)", row)
    demands = asked.demands
    if demands.forced and [call.name for call in outcome.calls] != [demands.forced]:
        return Left("demands", f"asks for a call of {demands.forced}", row)
    if demands.single and len(outcome.calls) > 1:
        return Left("demands", "asks for one call", row)
    if demands.most_tokens is not None and tokens_out > demands.most_tokens:
        return Left("demands", f"asks for {demands.most_tokens} tokens at most", row)
    answer = Answered(
        tool_calls=[
            {
                "id": f"call_{secrets.token_hex(12)}",
                "name": call.name,
                "arguments": compact_json(call.arguments),
            }
            for call in outcome.calls
        ],
        model=f"speeddial/{expert.name}",
        # As OpenAI ends an answer whose tool was named by the request.
        finish="stop" if demands.forced else "tool_calls",
        tokens_in=tokens_in,
        tokens_out=tokens_out,
    )
    _, wrong = judged(asked, answer)
    return Left("invalid", wrong, row) if wrong else answer


def _learnt_from(deployment: Deployment, folder: Path) -> list[dict[str, Any]] | None:
    """Every tool that was shown in the traffic that a version comes from; None when that was deleted."""
    try:
        select = named(folder, Artefact.open(deployment.folder.parents[1]).inputs["select"])
        curated = named(folder, select.inputs["curate"])
    except (NotFound, KeyError):
        return None
    return definitions_of(curated.file(KEPT))


def _own(deployment: Deployment) -> list[dict[str, Any]]:
    """An expert's definitions as the agent has them."""
    file = deployment.folder / TOOLS
    return [_wide(one) for one in json.loads(file.read_text(encoding="utf-8"))] if file.is_file() else []


def _wide(schema: Any) -> Any:
    """A narrowed schema as it was."""
    if isinstance(schema, Mapping):
        return {name: _wide(value) for name, value in schema.items() if name != COPIED}
    return [_wide(item) for item in schema] if isinstance(schema, list) else schema


def _folded(schema: Any) -> str:
    return json.dumps(schema, sort_keys=True, ensure_ascii=False)


def _router(folder: Path) -> TextClassifier | None:
    """The classifier of a `cluster` artefact; None when it found one task.

    Raises:
        NotFound: the artefact is gone.
        UserError: what is there is no classifier.
    """
    if not folder.is_dir():
        raise NotFound(f"{folder} is gone, and with it the router", hint="roll back, or cluster anew")
    file = folder / ROUTER
    return TextClassifier.load(file) if file.is_file() else None
