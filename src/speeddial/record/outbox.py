"""The outbox: runs that have ended, on their way to an OTLP receiver.

A receiver never holds up a run or fails one: sending happens in a thread of its own, after the run's last
row is on disk, and a receiver that is away costs a warning. What was not sent can be sent again at any time.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import TYPE_CHECKING

from speeddial.errors import SpeeddialError
from speeddial.record.store import Record

if TYPE_CHECKING:
    from speeddial.record.otlp import Receiver

GRACE = 2.0
"""Seconds that closing waits for what is still to be sent."""

_log = logging.getLogger("speeddial.otlp")


class Outbox:
    """Sends runs one after another.

    Args:
        record: where they are read.
        endpoint, content: see `Receiver`, which is made in the thread: importing what it needs takes 0.2 s.
    """

    def __init__(self, record: Record, endpoint: str, *, content: bool = False) -> None:
        self._record = record
        self._endpoint = endpoint
        self._content = content
        self._receiver: Receiver | None = None
        self._runs: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._unsent: set[str] = set()
        self._thread: threading.Thread | None = None

    def send(self, run: str) -> None:
        """Have a run sent that has ended; returns at once and never raises."""
        self._unsent.add(run)
        self._runs.put(run)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="speeddial-otlp", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Wait `GRACE` seconds for what is still to be sent, then give it up; safe to call twice."""
        if self._thread is None:
            return
        self._runs.put(None)
        self._thread.join(GRACE)
        if self._thread.is_alive():
            for run in sorted(self._unsent):
                self._gave_up(run, f"the receiver did not answer in {GRACE:g} s")
            if self._receiver is not None:
                self._receiver.close()
        self._thread = None

    def _work(self) -> None:
        while (run := self._runs.get()) is not None:
            try:
                if self._receiver is None:
                    from speeddial.record.otlp import Receiver

                    self._receiver = Receiver(self._endpoint, content=self._content)
                self._receiver.send(self._record, run)
            except SpeeddialError as error:
                self._gave_up(run, error.message)
            except Exception as error:  # noqa: BLE001 - whatever it is, no run fails of its copy
                self._gave_up(run, repr(error))
            self._unsent.discard(run)

    def _gave_up(self, run: str, why: str) -> None:
        if run in self._unsent:
            self._unsent.discard(run)
            _log.warning("run %s was not sent: %s; `speeddial trace send %s` sends it again", run, why, run)
