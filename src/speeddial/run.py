"""Running tasks: one runner per project, with its record, checkpoints, limits and event stream."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from speeddial.answer import Answerer
from speeddial.call import OUTCOME, Caller, Instead, Registry
from speeddial.errors import Cancelled, NotFound, RecordError, RunFailed, SpeeddialError, UserError
from speeddial.events import Event, RunStarted
from speeddial.exchange import Emit, Exchange, Usage, now_text
from speeddial.given import check_given
from speeddial.granted import granted_files, stamp
from speeddial.judge import ROLE, Criteria, Verdict, given_for
from speeddial.live import Run
from speeddial.messages import compact_json
from speeddial.outcome import CallOutcome
from speeddial.plan import Plan
from speeddial.planner import Planner
from speeddial.record import JournalEntry, Record, RunRow
from speeddial.record.outbox import Outbox
from speeddial.result import RunResult
from speeddial.sync import iterate, wait_for
from speeddial.workflow import FunctionWorkflow, GraphWorkflow, LangGraphWorkflow, Workflow, WorkflowState

if TYPE_CHECKING:
    from speeddial.graph import Driver

Result = TypeVar("Result")
DEFAULT_WORKFLOW = "default"
CALL, PLAN = "speeddial call", "speeddial plan"
"""Runs of a single call or plan stand in the record under these, which no workflow can be named."""


class House(Registry, Protocol):
    """What a runner needs of a project."""

    @property
    def root(self) -> Path: ...
    @property
    def workflows(self) -> Mapping[str, Workflow]: ...
    def open_record(self) -> Record: ...


@dataclass(frozen=True)
class BatchItem:
    """One task of a batch."""

    id: str
    task: str
    files: tuple[Path, ...] = ()


@dataclass
class _Job:
    """One run being set up and carried out."""

    row: RunRow
    workflow: Workflow
    files: dict[str, Path]
    now: datetime
    approve_all: bool
    execute: bool
    instead: tuple[Instead, ...] = ()
    resumed: bool = False


class Runner:
    """Runs tasks of one project.

    Args:
        project: usually a `Project`.
        record: an open record to use; by default the project's own is opened, and closed with the runner.
    """

    def __init__(self, project: House, *, record: Record | None = None) -> None:
        self.project = project
        self._given_record = record is not None
        self._record = record
        self._driver: Driver | None = None
        self._outbox: Outbox | None = None
        self._at_work: dict[str, asyncio.Task[Any]] = {}
        self._cancelled: set[str] = set()

    @property
    def record(self) -> Record:
        """The record, opened on first use."""
        if self._record is None:
            self._record = self.project.open_record()
        return self._record

    def close(self) -> None:
        """Close what this runner opened; safe to call twice."""
        if self._driver is not None:
            self._driver.close()
            self._driver = None
        if self._outbox is not None:
            self._outbox.close()
            self._outbox = None
        if self._record is not None and not self._given_record:
            self._record.close()
            self._record = None

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- tasks ----

    async def run(
        self,
        task: str,
        *,
        files: Iterable[Path] = (),
        workflow: str | Workflow = "",
        approve_all: bool = False,
        execute: bool = True,
        user: str = "",
        on_event: Emit | None = None,
    ) -> RunResult:
        """Run a task to its end, or to where it stops.

        Args:
            task: the request.
            files: granted for reading; steps name them by their file name.
            workflow: its name, or the workflow itself; the default one unless given.
            approve_all: run tools that need approval without asking.
            execute: False plans and decodes, and runs no tool.
            user: whose run it is, for the record; the setting `user` unless given.
            on_event: called with every event, in this event loop; must not block.

        Returns:
            the result; limits, waiting for a person and failures are results with an error in them.

        Raises:
            NotFound, UserError: the task cannot begin as given; nothing was recorded.
            RecordError: the record could not be written.
        """
        chosen = self._workflow(workflow)
        if not task.strip():
            raise UserError("the task is empty", hint="say what is to be done")
        job = await self._begin(task, chosen, files, approve_all=approve_all, execute=execute, user=user)
        return await self._carry_out(job, on_event)

    async def resume(
        self,
        run_id: str,
        *,
        approve: bool | None = None,
        answer: str | None = None,
        workflow: Workflow | None = None,
        approve_all: bool = False,
        on_event: Emit | None = None,
    ) -> RunResult:
        """Go on with a run that was killed, cancelled, stopped at a limit, or waits for a person.

        Args:
            run_id: the id, part of one, or ``last``.
            approve: the person's decision on what the run asks.
            answer: the result that the person gives in place of the tool's.
            workflow: the workflow, when the run was started with one that the project does not name.
            approve_all: from now on run tools that need approval without asking; as `run` was told otherwise.

        Raises:
            NotFound: no such run, or a decision is given and nothing was asked.
            UserError: the run is still at work, or has ended and what it worked on is no longer kept.
            NeedsPerson: it still waits.
        """
        run_id = self.record.resolve(run_id)
        kept = self.as_given(self.record.run(run_id))
        chosen = workflow or self._kept_workflow(kept)
        decision = "answer" if answer is not None else {True: "approve", False: "deny", None: ""}[approve]
        asked = self.record.journal.questions(run_id)
        if decision and not asked:
            raise NotFound(f"run {run_id} asks nothing", hint="resume it without a decision")

        def taken_up() -> RunRow:
            row = self.record.resume_run(run_id)
            for _ in asked if decision else ():
                self.record.journal.answer(run_id, decision, answer or "")
            return row

        with self.record.originals(run_id).working():
            row = self.as_given(await self.record.committed(taken_up))
        job = self._kept_job(row, chosen, approve_all=approve_all, resumed=True)
        return await self._carry_out(job, on_event)

    async def take_up(
        self, row: RunRow, *, workflow: Workflow | None = None, on_event: Emit | None = None
    ) -> RunResult:
        """Carry out a run whose row was written as running and that has not begun: a fork, a replay.

        Args:
            row: with the settings that `run` writes.
            workflow: as for `resume`.
        """
        chosen = workflow or self._kept_workflow(row)
        row = self.as_given(row)
        return await self._carry_out(self._kept_job(row, chosen, approve_all=False, resumed=False), on_event)

    async def plan(self, task: str, *, files: Iterable[Path] = (), on_event: Emit | None = None) -> Plan:
        """The type-checked plan for a task; nothing of it is done.

        Raises:
            PlanError: no plan type-checked.
            EngineError: the planner's engine failed.
        """
        job = await self._begin(task, FunctionWorkflow(_only_plan, PLAN, ""), files, execute=False)
        result = await self._carry_out(job, on_event)
        if result.error is not None:
            raise result.error
        return Plan.model_validate_json(result.answer)

    async def call(
        self,
        expert: str,
        text: str,
        *,
        files: Iterable[Path] = (),
        given: Mapping[str, Any] | None = None,
        approve_all: bool = False,
        execute: bool = True,
        on_event: Emit | None = None,
    ) -> CallOutcome:
        """Phone one expert.

        Args:
            expert: its name.
            text: the request.
            files: the file to work on, if the expert needs one; the first counts.
            given: what the expert needs beside the words, as plain JSON; see `speeddial.given`.
            execute: False decodes only.

        Raises:
            NotFound: no such expert.
            UserError: something given is not what an expert takes.
            NeedsPerson, EngineError, LimitReached: see `Caller.phone`.
        """
        self.project.expert(expert)
        check_given(given or {})
        granted = list(files)
        about = {"expert": expert, "given": dict(given or {})}
        job = await self._begin(
            text, _call_workflow(about), granted, approve_all=approve_all, execute=execute, about=about
        )
        result = await self._carry_out(job, on_event)
        if result.error is not None:
            raise result.error
        return result.calls[0]

    async def judge(self, answer: str, criteria: Criteria, *, asked: str = "") -> Verdict:
        """Have an answer judged; `call` of ``judge`` gives the whole outcome, its confidence too.

        Args:
            answer: the text to be judged.
            criteria: what by; see `speeddial.judge.Criteria`.
            asked: what it is the answer to.

        Raises:
            NotFound: there is no judge.
            UserError: the criteria are none.
            RunFailed: no judge gave a valid verdict.
        """
        return (await self.call(ROLE, answer, given=given_for(criteria, asked))).as_type(Verdict)

    async def batch(
        self,
        items: Iterable[BatchItem],
        *,
        workers: int = 2,
        workflow: str | Workflow = "",
        approve_all: bool = False,
        execute: bool = True,
    ) -> AsyncGenerator[tuple[BatchItem, RunResult | SpeeddialError], None]:
        """Run many tasks, some at a time, and give each as it ends.

        Args:
            workers: runs at work at the same time.

        Yields:
            the item with its result, or with the error that kept it from beginning.
        """
        waiting = iter(items)
        ended: asyncio.Queue[tuple[BatchItem, RunResult | SpeeddialError] | BaseException | None] = (
            asyncio.Queue()
        )

        async def work() -> None:
            try:
                for item in waiting:
                    try:
                        result: RunResult | SpeeddialError = await self.run(
                            item.task,
                            files=item.files,
                            workflow=workflow,
                            approve_all=approve_all,
                            execute=execute,
                        )
                    except SpeeddialError as error:
                        result = error
                    ended.put_nowait((item, result))
            except BaseException as error:
                ended.put_nowait(error)
                raise
            else:
                ended.put_nowait(None)

        tasks = [asyncio.ensure_future(work()) for _ in range(max(1, workers))]
        try:
            left = len(tasks)
            while left:
                got = await ended.get()
                if isinstance(got, BaseException):
                    raise got
                if got is None:
                    left -= 1
                else:
                    yield got
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stream(self, task: str, **options: Any) -> AsyncGenerator[Event, None]:
        """Run a task and give its events as they happen; the last is `RunFinished`.

        Closing the generator cancels the run.

        Args:
            options: as for `run`.
        """
        return _stream(lambda emit: self.run(task, on_event=emit, **options))

    def cancel(self, run_id: str) -> bool:
        """Cancel a run of this runner; its result has the status ``cancelled``. From any thread.

        Returns:
            whether it was at work.
        """
        task = self._at_work.get(run_id)
        if task is None:
            return False
        self._cancelled.add(run_id)
        task.get_loop().call_soon_threadsafe(task.cancel)
        return True

    # ---- the same for code that is not async ----

    def run_sync(self, task: str, **options: Any) -> RunResult:
        """`run`, for code that is not async."""
        return wait_for(self.run(task, **options))

    def resume_sync(self, run_id: str, **options: Any) -> RunResult:
        """`resume`, for code that is not async."""
        return wait_for(self.resume(run_id, **options))

    def plan_sync(self, task: str, **options: Any) -> Plan:
        """`plan`, for code that is not async."""
        return wait_for(self.plan(task, **options))

    def call_sync(self, expert: str, text: str, **options: Any) -> CallOutcome:
        """`call`, for code that is not async."""
        return wait_for(self.call(expert, text, **options))

    def judge_sync(self, answer: str, criteria: Criteria, **options: Any) -> Verdict:
        """`judge`, for code that is not async."""
        return wait_for(self.judge(answer, criteria, **options))

    def stream_sync(self, task: str, **options: Any) -> Iterator[Event]:
        """`stream`, for code that is not async."""
        return iterate(self.stream(task, **options))

    def batch_sync(
        self, items: Iterable[BatchItem], **options: Any
    ) -> Iterator[tuple[BatchItem, RunResult | SpeeddialError]]:
        """`batch`, for code that is not async."""
        return iterate(self.batch(items, **options))

    # ---- how a run is carried out ----

    def _workflow(self, workflow: str | Workflow) -> Workflow:
        if isinstance(workflow, Workflow):
            return workflow
        name = workflow or DEFAULT_WORKFLOW
        found = self.project.workflows.get(name)
        if found is None:
            raise NotFound(
                f"no workflow {name!r}",
                hint=f"this project has: {', '.join(sorted(self.project.workflows)) or 'none'}",
            )
        return found

    def _kept_workflow(self, kept: RunRow) -> Workflow:
        if kept.workflow == CALL:
            return _call_workflow(kept.settings)
        if kept.workflow == PLAN:
            return FunctionWorkflow(_only_plan, PLAN, "")
        return self._workflow(kept.workflow)

    def _kept_job(self, row: RunRow, workflow: Workflow, *, approve_all: bool, resumed: bool) -> _Job:
        about = row.settings
        return _Job(
            row=row,
            workflow=workflow,
            files={name: Path(path) for name, path in about["files"].items()},
            now=datetime.fromisoformat(about["now"]).astimezone(self.project.settings.clock().tzinfo),
            approve_all=approve_all or about["approve_all"],
            execute=about["execute"],
            instead=tuple(Instead(**one) for one in about.get("instead", ())),
            resumed=resumed,
        )

    async def _begin(
        self,
        task: str,
        workflow: Workflow,
        files: Iterable[Path],
        *,
        approve_all: bool = False,
        execute: bool = True,
        about: Mapping[str, Any] | None = None,
        user: str = "",
    ) -> _Job:
        granted = granted_files(files)
        settings = self.project.settings
        now = settings.clock()
        run_id = await self.record.committed(
            self.record.beginning_run(
                task,
                workflow=workflow.name,
                inputs=granted,
                settings={
                    **(about or {}),
                    "files": {name: str(path) for name, path in granted.items()},
                    "stamps": {name: stamp(path) for name, path in granted.items()},
                    "configured": settings.configured(),
                    "now": now.isoformat(),
                    "approve_all": approve_all,
                    "execute": execute,
                },
                limits=settings.limits(),
                user=user or settings.user,
            )
        )
        row = self.as_given(self.record.run_alone(run_id))
        return _Job(row, workflow, granted, now, approve_all, execute)

    def as_given(self, row: RunRow) -> RunRow:
        """The run with its personal data as it was given; secrets stay replaced, live and resumed.

        Raises:
            UserError: the originals went when the run ended.
        """
        originals = self.record.originals(row.id)
        hidden = set(row.redactions).union(*(interaction.redactions for interaction in row.interactions))
        if not originals.kept and hidden & self.record.redactor.personal:
            raise UserError(
                f"run {row.id} is {row.status}: the personal data that it worked on was not kept",
                hint="give the task anew",
            )
        return replace(row, task=originals.restore(row.task), settings=originals.restore(row.settings))

    async def _carry_out(self, job: _Job, on_event: Emit | None) -> RunResult:
        with self.record.originals(job.row.id).working():
            return await self._work(job, on_event)

    async def _work(self, job: _Job, on_event: Emit | None) -> RunResult:
        run_id = job.row.id
        self.record.take_run(run_id)
        emit = on_event or _ignore
        settings = self.project.settings
        entries = self.record.journal.entries(run_id) if job.resumed else []
        usage = Usage(
            settings,
            tokens=job.row.tokens_out,
            cost=job.row.cost,
            steps=sum(_is_outcome(entry) for entry in entries),
        )
        exchange = self._exchange(run_id, usage)
        caller = self._caller(
            exchange,
            files=job.files,
            now=job.now,
            emit=emit,
            approve_all=job.approve_all,
            execute=job.execute,
            instead=job.instead,
        )
        run = Run(
            task=job.row.task,
            files=tuple(job.files),
            now=job.now,
            registry=self.project,
            exchange=exchange,
            caller=caller,
            planner=Planner(self.project, exchange, files=job.files, emit=emit),
            answerer=Answerer(self.project, exchange),
            emit=emit,
            # A function is run again from its first call; a graph goes on behind its last checkpoint.
            first_step=1 if isinstance(job.workflow, FunctionWorkflow) else usage.steps + 1,
        )
        emit(
            RunStarted(
                run_id=run_id, at=now_text(), task=run.task, workflow=job.workflow.name, resumed=job.resumed
            )
        )
        work = asyncio.ensure_future(self._drive(job.workflow, run, usage))
        self._at_work[run_id] = work
        state: WorkflowState | None = None
        error: SpeeddialError | None = None
        stopped: BaseException | None = None
        try:
            state = await work
        except SpeeddialError as raised:
            error = raised
        except asyncio.CancelledError as raised:
            error = Cancelled(
                "the run was cancelled; what was done is on record",
                hint="the personal data in it is not kept: give the task anew"
                if self.record.originals(run_id).kept
                else f"`speeddial resume {run_id}` goes on",
            )
            if run_id not in self._cancelled:
                stopped = raised
        except BaseException as raised:
            await self._end(run_id, self.record.finishing_run(run_id, "failed", error=repr(raised)))
            raise
        finally:
            del self._at_work[run_id]
            self._cancelled.discard(run_id)
        result = self._result(run_id, state, error, caller, usage)
        ended = self.record.finishing_run(
            run_id,
            result.status,
            answer=result.answer,
            error=error.message if error else "",
            missing=result.missing,
        )
        await self._end(run_id, ended)
        emit(result.as_event())
        if stopped is not None:
            raise stopped
        return result

    async def _end(self, run_id: str, end: Callable[[], Any]) -> None:
        try:
            await self.record.committed(end)
        except RecordError:
            self.record.leave_run(run_id)
            raise
        self._post(run_id)

    def _exchange(self, run_id: str, usage: Usage) -> Exchange:
        return Exchange(self.record, run_id, usage, self.project.settings, self.project.root)

    def _caller(self, exchange: Exchange, **options: Any) -> Caller:
        return Caller(self.project, exchange, **options)

    async def _drive(self, workflow: Workflow, run: Run, usage: Usage) -> WorkflowState:
        try:
            async with asyncio.timeout(usage.seconds_left) as clock:
                if isinstance(workflow, FunctionWorkflow):
                    answer = await workflow.function(run, run.task)
                    if not isinstance(answer, str):
                        raise RunFailed(
                            f"workflow {workflow.name} returned {type(answer).__name__}, expected a text"
                        )
                    return WorkflowState(task=run.task, files=run.files, answer=answer)
                if isinstance(workflow, GraphWorkflow | LangGraphWorkflow):
                    return await self._graphs().drive(workflow, run)
                raise UserError(f"workflow {workflow.name} is of no kind that can be run: {type(workflow)}")
        except TimeoutError:
            if not clock.expired():
                raise
            usage.check()
            raise
        finally:
            await run.settle()

    def _post(self, run_id: str) -> None:
        """Have an ended run sent to the OTLP receiver, where the settings name one."""
        settings = self.project.settings
        if settings.otlp:
            if self._outbox is None:
                self._outbox = Outbox(self.record, settings.otlp, content=settings.otlp_content)
            self._outbox.send(run_id)

    def _graphs(self) -> Driver:
        if self._driver is None:
            from speeddial.graph import Driver

            path = self.record.folder / "checkpoints.db"
            self._driver = Driver(path, self.record.redactor)
        return self._driver

    def _result(
        self,
        run_id: str,
        state: WorkflowState | None,
        error: SpeeddialError | None,
        caller: Caller,
        usage: Usage,
    ) -> RunResult:
        calls = state.calls() if state is not None else None
        if calls is None:
            kept = {
                entry.key.kind: entry.result
                for entry in self.record.journal.entries(run_id)
                if entry.finished and _is_outcome(entry)
            }
            # What this process holds has its secrets, what the journal holds has surrogates for them.
            restore = self.record.originals(run_id).restore
            found = [
                caller.outcomes.get(key) or CallOutcome.from_json(restore(value))
                for key, value in kept.items()
            ]
            calls = tuple(sorted(found, key=lambda outcome: outcome.step))
        stops = {"needs_person": "waiting", "limit": "limit", "cancelled": "cancelled"}
        return RunResult(
            run_id=run_id,
            status=stops.get(error.code, "failed") if error else state.status if state else "failed",
            answer=state.answer if state else "",
            calls=tuple(calls),
            missing=state.missing if state else (),
            error=error,
            tokens=usage.tokens,
            cost=usage.cost,
            latency_ms=usage.seconds * 1000,
        )


async def _stream(start: Callable[[Emit], Awaitable[RunResult]]) -> AsyncGenerator[Event, None]:
    queue: asyncio.Queue[Event | None] = asyncio.Queue()
    work = asyncio.ensure_future(start(queue.put_nowait))
    work.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (event := await queue.get()) is not None:
            yield event
        await work
    finally:
        if not work.done():
            work.cancel()
            await asyncio.wait({work})


def _ignore(event: Event) -> None:
    """Nobody listens."""


def _is_outcome(entry: JournalEntry) -> bool:
    return entry.effect == OUTCOME


async def _only_plan(run: Run, task: str) -> str:
    return compact_json((await run.plan()).as_dict())


def _call_workflow(about: Mapping[str, Any]) -> FunctionWorkflow:
    async def phone(run: Run, task: str) -> str:
        file = run.files[0] if run.files else None
        return (await run.phone(about["expert"], task, file=file, given=about["given"], key="call")).text

    return FunctionWorkflow(phone, CALL, "")
