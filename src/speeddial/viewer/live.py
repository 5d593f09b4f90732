"""The live tail: what is written to the record, by any process, as server-sent events.

The record is looked at a few times a second; what changed since the last look is sent. An event's id
holds all that a client needs to go on after a break: what it saw last, and what was at work then.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool

from speeddial.record.browse import SPAN_FIELDS, Browser
from speeddial.record.rows import RUNNING

POLL = 0.3
"""Seconds between looks."""
_KEEPALIVE = 15.0
_BEFORE = 30.0
"""Seconds back from which a new client is told: it read its page a moment before it came here."""

_STATUS = SPAN_FIELDS.index("status")


class Tail(Protocol):
    """Something that can be looked at again and again."""

    @property
    def last(self) -> str:
        """Id of the newest event; a new tail made with it goes on from there."""

    def look(self) -> list[tuple[str, Any]]:
        """Events since the last look: name and data."""


async def stream(tail: Tail, stopping: asyncio.Event) -> AsyncIterator[str]:
    """Server-sent events of a tail, until the server stops or the client goes."""
    quiet_since = time.monotonic()
    yield "retry: 1000\n\n"
    while not stopping.is_set():
        events = await run_in_threadpool(tail.look)
        for number, (name, data) in enumerate(events, start=1):
            # A client that was cut off within a batch is to get all of it again.
            mark = f"id: {tail.last}\n" if number == len(events) else ""
            # JSON has no raw line breaks, so one `data` line holds it.
            yield f"event: {name}\n{mark}data: {json.dumps(data, ensure_ascii=False)}\n\n"
        now = time.monotonic()
        if events:
            quiet_since = now
        elif now - quiet_since > _KEEPALIVE:
            quiet_since = now
            yield ": still here\n\n"
        try:
            await asyncio.wait_for(stopping.wait(), POLL)
        except TimeoutError:
            continue


class RunsTail:
    """Runs that began, moved on or ended.

    Args:
        last: the id of the last event that the client saw; empty for a new client.
    """

    def __init__(self, browser: Browser, last: str = "") -> None:
        self._browser = browser
        newest, _, at_work = last.partition(";")
        self._newest = newest or browser.first_id(time.time() - _BEFORE)
        self._at_work = set(at_work.split(",")) - {""}
        self._sent: dict[str, dict[str, Any]] = {}

    def look(self) -> list[tuple[str, Any]]:
        changed = self._browser.changed(self._newest, self._at_work)
        events = []
        for summary in changed:
            body = summary.as_dict()
            if self._sent.get(summary.run.id) != body:
                events.append(("run", body))
            self._sent[summary.run.id] = body
        self._at_work = {one.run.id for one in changed if one.run.status == RUNNING}
        self._newest = max([self._newest, *(one.run.id for one in changed)])
        for run in self._sent.keys() - {one.run.id for one in changed}:
            del self._sent[run]
        return events

    @property
    def last(self) -> str:
        return f"{self._newest};{','.join(sorted(self._at_work))}"


class RunTail:
    """One run and its interactions.

    Args:
        last: the id of the last event that the client saw; empty for a new client.
    """

    def __init__(self, browser: Browser, run: str, last: str = "") -> None:
        self._browser = browser
        self._run = run
        newest, _, at_work = last.partition(";")
        self._newest = int(newest) if newest.isdecimal() else None
        self._at_work = {int(part) for part in at_work.split(",") if part.isdecimal()}
        self._sent: dict[str, Any] = {}

    def look(self) -> list[tuple[str, Any]]:
        """Events since the last look.

        Raises:
            NotFound: the run is not there, or no longer.
        """
        summary = self._browser.run(self._run)
        if self._newest is None:
            rows = self._browser.recent_spans(summary.run, time.time() - _BEFORE)
        else:
            rows = self._browser.changed_spans(summary.run, self._newest, self._at_work)
        events: list[tuple[str, Any]] = []
        still = set()
        for row in rows:
            # Only the end of one at work is news.
            if row[_STATUS] == RUNNING:
                still.add(row[0])
            if row[0] not in self._at_work or row[_STATUS] != RUNNING:
                events.append(("interaction", row))
        self._at_work = still
        self._newest = max([self._newest or 0, *(row[0] for row in rows)])
        body = summary.as_dict()
        if body != self._sent:
            events.append(("run", body))
            self._sent = body
        return events

    @property
    def last(self) -> str:
        return f"{self._newest};{','.join(map(str, sorted(self._at_work)))}"
