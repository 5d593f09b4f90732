"""The viewer's HTTP API: the record as JSON. Nothing in it is HTML, whatever a model has said."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from speeddial.errors import ContractViolation, NotFound, SpeeddialError, UserError
from speeddial.project import Project
from speeddial.record import Record, whole
from speeddial.record.database import as_json
from speeddial.record.selection import Selection
from speeddial.viewer.bodies import interaction_body, run_body
from speeddial.viewer.live import RunsTail, RunTail, Tail, stream

_MOST = 500
"""Rows of one page."""
_INDEXING = 0.05
"""Seconds that a request spends on what is not indexed yet; the server does the rest meanwhile."""
_MOST_BODY = 1_000_000
"""Bytes of one request."""
_NO_CALLS: dict[str, Any] = {"calls": 0, "counts": {}, "latency_p50_ms": None, "latency_p95_ms": None}
_EXPORTS = {
    "html": ("text/html", "html"),
    "otlp": ("application/json", "otlp.json"),
    "openai": ("application/x-ndjson", "jsonl"),
}
"""Form -> media type and the end of the file's name."""


class Api:
    """Every route; what reads or writes the record runs in a thread.

    Args:
        project: its cards and data sets.
        record: its record, open.
        stopping: set when the server ends, so that live tails end too.
    """

    def __init__(self, project: Project, record: Record, stopping: asyncio.Event) -> None:
        self._project = project
        self._record = record
        self._stopping = stopping

    def routes(self) -> list[Route]:
        """All routes, to be mounted as ``/api``."""
        read: dict[str, Callable[[Request], Any]] = {
            "/runs": self.runs,
            "/interactions/{id:int}": self.interaction,
            "/search": self.search,
            "/diff": self.diff,
            "/stats": self.stats,
            "/ledger": self.ledger,
            "/experts": self.experts,
            "/experts/{name}": self.expert,
            "/datasets": self.datasets,
        }
        change: dict[str, Callable[[Request, dict[str, Any]], Response]] = {
            "/interactions/{id:int}/feedback": self.give_feedback,
            "/runs/{id}/replay": self.replay,
            "/runs/{id}/fork": self.fork,
            "/datasets": self.freeze,
        }
        return [
            *(Route(path, _read(handler), methods=["GET"]) for path, handler in read.items()),
            *(Route(path, _change(handler), methods=["POST"]) for path, handler in change.items()),
            Route("/runs/{id}", self.run, methods=["GET"]),
            Route("/runs/{id}/export", self.export, methods=["GET"]),
            Route("/events", self.events, methods=["GET"]),
        ]

    # ---- reading ----

    def runs(self, request: Request) -> dict[str, Any]:
        query = request.query_params
        limit, text = _limit(query), query.get("q", "")
        if text:
            self._record.index.update(_INDEXING)
        found = self._record.browse.runs(
            _selection(query), limit=limit, before=query.get("before"), text=text
        )
        return {
            "runs": [summary.as_dict() for summary in found],
            "next": found[-1].run.id if len(found) == limit else None,
        }

    async def run(self, request: Request) -> Response:
        try:
            summary = await run_in_threadpool(self._record.browse.run, request.path_params["id"])
        except SpeeddialError as error:
            return _told(error)
        return StreamingResponse(run_body(self._record, summary), media_type="application/json")

    def interaction(self, request: Request) -> dict[str, Any]:
        row = self._record.interaction(request.path_params["id"])
        return interaction_body(row, self._record.feedback.of(row.id))

    def search(self, request: Request) -> dict[str, Any]:
        query = request.query_params
        limit = _limit(query)
        before = query.get("before")
        complete = self._record.index.update(_INDEXING)
        hits = self._record.index.search(
            query.get("q", ""),
            limit=limit,
            before=None if before is None else _number("before", before),
            selection=_selection(query),
        )
        return {
            "hits": [hit.as_dict() for hit in hits],
            "next": hits[-1].position if len(hits) == limit else None,
            "complete": complete,
        }

    def diff(self, request: Request) -> Mapping[str, Any]:
        from speeddial.record.diff import diff_runs

        a, b = (whole(self._record, _given(request.query_params, name)) for name in ("a", "b"))
        return diff_runs(a, b).as_dict()

    def ledger(self, request: Request) -> dict[str, Any]:
        from speeddial.flywheel.artefact import FOLDER
        from speeddial.flywheel.ledger import ledger

        since = _selection(request.query_params).since
        record = self._record
        return ledger(record, self._project.settings, record.folder / FOLDER, since=since).as_dict()

    def stats(self, request: Request) -> dict[str, Any]:
        from speeddial.record.figures import stats

        selection = _selection(request.query_params)
        return stats(self._record.database, selection, generalists=self._project.agents)

    def experts(self, request: Request) -> dict[str, Any]:
        from speeddial.record.figures import live

        figures = live(self._record.database)
        return {
            "experts": [
                {"name": name, "summary": expert.summary} | figures.get(name, _NO_CALLS)
                for name, expert in self._project.experts.items()
            ]
        }

    def expert(self, request: Request) -> dict[str, Any]:
        from speeddial.record.figures import calibration, hard_cases, live, versions

        name, database = request.path_params["name"], self._record.database
        card = self._card(name)
        used = [
            one | {"current": one["version"] == card["version"] and one["model"] == card["model"]}
            for one in versions(database, name)
        ]
        return {
            "name": name,
            "card": card,
            **live(database, name).get(name, _NO_CALLS),
            "versions": used,
            "calibration": calibration(database, name),
            "hard_cases": hard_cases(database, name),
        }

    def datasets(self, request: Request) -> dict[str, Any]:
        from speeddial.record.datasets import datasets, folder_of

        return {"datasets": [one.as_dict() for one in datasets(folder_of(self._record))]}

    async def events(self, request: Request) -> Response:
        browser = self._record.browse
        last = request.headers.get("last-event-id", "")
        run = request.query_params.get("run")
        tail: Tail = RunsTail(browser, last)
        if run is not None:
            try:
                await run_in_threadpool(browser.run, run)
            except SpeeddialError as error:
                return _told(error)
            tail = RunTail(browser, run, last)
        events = stream(tail, self._record.database, self._stopping)
        return StreamingResponse(events, media_type="text/event-stream")

    # ---- changing ----

    def give_feedback(self, request: Request, body: dict[str, Any]) -> Response:
        interaction, feedback = request.path_params["id"], self._record.feedback
        verdict, text = body.get("verdict"), _text(body, "text")
        if verdict == "accept":
            row = feedback.accept(interaction, text=text)
        elif verdict == "correct":
            call = body.get("call")
            if not isinstance(call, dict):
                raise UserError(f"call: expected an object, got {call!r}", hint="give name and arguments")
            row = feedback.correct(interaction, call, text=text)
        elif verdict == "comment":
            row = feedback.comment(interaction, text)
        elif verdict == "label":
            row = feedback.label(interaction, _text(body, "label"), text=text)
        else:
            raise UserError(f"verdict: got {verdict!r}", hint="give accept, correct, comment or label")
        return _json({"feedback": row.as_dict()}, 201)

    def replay(self, request: Request, body: dict[str, Any]) -> Response:
        from speeddial.replay import replay
        from speeddial.sync import wait_for

        report = wait_for(replay(self._project, self._record, request.path_params["id"]))
        return _json(report.as_dict())

    def fork(self, request: Request, body: dict[str, Any]) -> Response:
        from speeddial.replay import fork
        from speeddial.run import Runner
        from speeddial.sync import wait_for

        step = body.get("step")
        if not isinstance(step, int) or isinstance(step, bool):
            raise UserError(f"step: expected a number, got {step!r}", hint="give the first step to do anew")
        expert, model = _text(body, "expert"), _text(body, "model")
        with Runner(self._project, record=self._record) as runner:
            result = wait_for(fork(runner, request.path_params["id"], step, expert=expert, model=model))
        return _json({"run": result.run_id}, 201)

    def freeze(self, request: Request, body: dict[str, Any]) -> Response:
        from speeddial.record.datasets import folder_of, freeze

        made = freeze(
            self._record,
            _text(body, "name"),
            folder_of(self._record),
            _named_selection(body.get("selection", {})),
            label=_text(body, "label"),
            form=_text(body, "form") or "openai",
            licences=self._project.licences,
        )
        return _json({"dataset": made.as_dict()}, 201)

    async def export(self, request: Request) -> Response:
        run, form = request.path_params["id"], request.query_params.get("form", "html")
        if form not in _EXPORTS:
            return _told(UserError(f"form: got {form!r}", hint=f"give one of {', '.join(_EXPORTS)}"))
        try:
            content = await run_in_threadpool(self._exported, run, form)
        except SpeeddialError as error:
            return _told(error)
        media_type, ending = _EXPORTS[form]
        # Never shown by the browser under the viewer's own address, whatever is in it.
        attached = {"Content-Disposition": f'attachment; filename="{run}.{ending}"'}
        return Response(content, media_type=media_type, headers=attached)

    def _exported(self, run: str, form: str) -> bytes:
        self._record.run_alone(run)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "export"
            if form == "html":
                from speeddial.viewer.page import write_page

                write_page(self._record, run, path)
            else:
                from speeddial.record.export import export

                # What was said is what a person downloads a run for; receivers of spans ask for less.
                export(
                    self._record,
                    path,
                    form,
                    Selection(runs=(run,)),
                    content=form == "otlp",
                    licences=self._project.licences,
                )
            return path.read_bytes()

    def _card(self, name: str) -> dict[str, Any]:
        expert = self._project.expert(name)
        weights = (
            "untuned"
            if expert.trained is None
            else "stale"
            if expert.is_stale(self._project.tools)
            else "tuned"
        )
        return {
            "name": expert.name,
            "summary": expert.summary,
            "task": expert.task,
            "when_to_call": list(expert.when_to_call),
            "tools": list(expert.tools),
            "model": self._project.model_of(expert),
            "weights": weights,
            "version": expert.version,
            "threshold": expert.threshold,
            "next": list(expert.next),
            "schema_hash": expert.schema_hash,
            "provenance": dict(expert.provenance or {}),
        }


def _read(handler: Callable[[Request], Mapping[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
    """A route that reads in a thread and answers JSON."""

    async def route(request: Request) -> Response:
        try:
            return _json(await run_in_threadpool(handler, request))
        except SpeeddialError as error:
            return _told(error)

    return route


def _change(
    handler: Callable[[Request, dict[str, Any]], Response],
) -> Callable[[Request], Awaitable[Response]]:
    """A route that takes a JSON object and writes in a thread."""

    async def route(request: Request) -> Response:
        try:
            return await run_in_threadpool(handler, request, await _body(request))
        except SpeeddialError as error:
            return _told(error)

    return route


def _json(value: Any, status: int = 200) -> Response:
    # Not Starlette's: what tools returned may be NaN, and what models said half a surrogate pair.
    return Response(as_json(value), status, media_type="application/json")


def _told(error: SpeeddialError) -> Response:
    """An error as the page shows it."""
    body: dict[str, Any] = {"message": error.message, "hint": error.hint}
    status = 404 if isinstance(error, NotFound) else 400 if isinstance(error, UserError) else 500
    if isinstance(error, ContractViolation):
        status = 422
        body["problems"] = [
            {"path": problem.path, "expected": problem.expected, "got": problem.got}
            for problem in error.problems
        ]
    return _json({"error": body}, status)


async def _body(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise UserError(
            "the request's body is not marked as JSON", hint="send Content-Type: application/json"
        )
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > _MOST_BODY:
            raise UserError(f"the request is larger than {_MOST_BODY} bytes")
    try:
        body = json.loads(content or b"{}")
    except (ValueError, RecursionError) as error:
        raise UserError(f"the request's body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise UserError("the request's body is not a JSON object")
    return body


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name) or ""
    if not isinstance(value, str):
        raise UserError(f"{name}: expected a text, got {value!r}")
    return value


def _selection(query: Mapping[str, str]) -> Selection:
    """The selection that a query string means.

    Raises:
        UserError: a time that is not ISO 8601 with a zone.
    """

    def texts(name: str) -> tuple[str, ...]:
        return tuple(part for part in query.get(name, "").split(",") if part)

    return Selection(
        runs=texts("run"),
        expert=query.get("expert", ""),
        tool=query.get("tool", ""),
        model=query.get("model", ""),
        kinds=texts("kind"),
        statuses=texts("call_status"),
        run_statuses=texts("status"),
        workflow=query.get("workflow", ""),
        user=query.get("user", ""),
        since=_moment(query, "since"),
        until=_moment(query, "until"),
    )


def _named_selection(given: Any) -> Selection:
    """The selection that an object with its fields' names means.

    Raises:
        UserError: a name that there is not, or a value of the wrong type.
    """
    if not isinstance(given, dict):
        raise UserError(f"selection: expected an object, got {given!r}")
    values: dict[str, Any] = {}
    for field in fields(Selection):
        value = given.get(field.name)
        if value is None:
            continue
        kind = list if isinstance(field.default, tuple) else str
        items = value if isinstance(value, list) else [value]
        if not isinstance(value, kind) or not all(isinstance(item, str) for item in items):
            wanted = "a list of texts" if kind is list else "a text"
            raise UserError(f"selection.{field.name}: expected {wanted}, got {value!r}")
        values[field.name] = (
            tuple(value)
            if kind is list
            else _moment(given, field.name)
            if field.name in ("since", "until")
            else value
        )
    unknown = given.keys() - {field.name for field in fields(Selection)}
    if unknown:
        known = ", ".join(field.name for field in fields(Selection))
        raise UserError(f"selection: there is no {sorted(unknown)[0]!r}", hint=f"known: {known}")
    return Selection(**values)


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"{name}: {text!r} is not an ISO 8601 time", hint="2026-11-22T09:00:00Z") from error
    return moment if moment.tzinfo else moment.astimezone()


def _limit(query: Mapping[str, str]) -> int:
    return max(1, min(_MOST, _number("limit", query.get("limit", "50"))))


def _number(name: str, text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise UserError(f"{name}: expected a whole number, got {text!r}")
    return int(text)


def _given(query: Mapping[str, str], name: str) -> str:
    value = query.get(name, "")
    if not value:
        raise UserError(f"{name} is missing", hint=f"give ?{name}=RUN")
    return value
