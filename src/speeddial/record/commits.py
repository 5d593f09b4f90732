"""Group commit: what many callers hand in while one transaction is written makes up the next one.

Each write is done in a transaction that it shares with others, in the order in which they were handed in,
and is acknowledged after that transaction's commit. Threads that wait lead in turn: whoever gets the
database writes all that waits. For callers on an event loop a thread of the record's own leads.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from typing import Any, Generic, TypeVar

from speeddial.errors import RecordError

T = TypeVar("T")
Write = Callable[[], T]
"""Writes through the record's own methods when it is called, inside a transaction. When another write of the
group has failed it is called again, in a transaction of its own, so it may change nothing but the record."""

MOST_AT_ONCE = 256
"""Writes in one transaction: other processes wait while it lasts."""
MOST_WAITING = 256
"""Writes that wait before callers wait too, so that a slow disk does not fill the memory."""


class Pending(Future[T], Generic[T]):
    """A write that was handed in; awaiting it, or its `result`, tells that it is on disk.

    Whoever stops waiting does not take it back.
    """

    def __init__(self, write: Write[T]) -> None:
        super().__init__()
        # Nobody may cancel what is in the queue.
        self.set_running_or_notify_cancel()
        self._write = write
        self._given: T
        self.waiters: list[asyncio.Future[None]] = []
        """What tasks on event loops wait for; to be woken after this is done."""

    def do(self) -> None:
        """Write, inside the caller's transaction."""
        self._given = self._write()

    def settle(self) -> None:
        """Say that the transaction was committed."""
        self.set_result(self._given)

    def given(self) -> T:
        """What the write gave, for a write behind it, which may stand in the same transaction."""
        return self.result() if self.done() else self._given

    def __await__(self) -> Generator[Any, None, T]:
        if not self.done():
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            # Whoever is done looks for waiters afterwards, so that it is seen here or the waiter there.
            if not self.done():
                yield from waiter
        return self.result()


class Commits:
    """The queue of writes of one database.

    Args:
        holding: gives the database to one thread; may be entered again by the same one.
        transaction: one transaction, for the thread that holds the database.
    """

    def __init__(
        self, holding: AbstractContextManager[Any], transaction: Callable[[], AbstractContextManager[Any]]
    ) -> None:
        self._holding = holding
        self._transaction = transaction
        self._waiting: deque[Pending[Any]] = deque()
        self._thread = ThreadPoolExecutor(1, "speeddial record")
        self._waking: set[asyncio.AbstractEventLoop] = set()
        """Loops that wake the thread at the end of their turn."""
        self._closed = False

    def commit(self, write: Write[T]) -> T:
        """Write and wait for the commit, from code that is not async.

        Raises:
            RecordError: it could not be written.
        """
        pending = self._hand_in(write)
        with self._holding:
            if not pending.done():
                self.lead()
        return pending.result()

    async def enqueue(self, write: Write[T]) -> Pending[T]:
        """Hand a write in; waits for its commit only while too many others wait.

        Raises:
            RecordError: it was waited for and could not be written.
        """
        pending = self._hand_in(write)
        # At the end of the loop's turn: what other tasks hand in until then makes up the same commit.
        loop = asyncio.get_running_loop()
        if loop not in self._waking:
            self._waking.add(loop)
            loop.call_soon(self._wake, loop)
        if len(self._waiting) > MOST_WAITING:
            await pending
        return pending

    def lead(self) -> None:
        """Commit all that waits, as the thread that holds the database."""
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]
            self._commit(group)

    def close(self) -> None:
        """Commit what waits and take no more."""
        self._closed = True
        self._thread.shutdown()
        with self._holding:
            self.lead()

    def _hand_in(self, write: Write[T]) -> Pending[T]:
        if self._closed:
            raise RecordError("the record is closed", hint="open it again")
        pending = Pending(write)
        self._waiting.append(pending)
        return pending

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        self._waking.discard(loop)
        # Closing writes what waits by itself.
        if self._waiting and not self._closed:
            self._thread.submit(self._lead_awake)

    def _lead_awake(self) -> None:
        with self._holding:
            self.lead()

    def _commit(self, group: list[Pending[Any]]) -> None:
        at_fault: Pending[Any] | None = None
        try:
            with self._transaction():
                for pending in group:
                    at_fault = pending
                    pending.do()
                at_fault = None
        except Exception as error:  # noqa: BLE001 - each caller is given it
            if at_fault is None or len(group) == 1:
                for pending in group:
                    pending.set_exception(error)
                _tell(group)
                return
            # One of them cannot be written; the others need not suffer for it.
            for pending in group:
                self._commit([pending])
        except BaseException:
            # Ctrl-C in the thread that leads: the others' writes are still to be done.
            self._waiting.extendleft(reversed(group))
            raise
        else:
            for pending in group:
                pending.settle()
            _tell(group)


def _tell(group: Sequence[Pending[Any]]) -> None:
    """Wake the tasks that wait for writes which are done, each loop once: it takes a system call."""
    waiting: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for pending in group:
        for waiter in pending.waiters:
            waiting.setdefault(waiter.get_loop(), []).append(waiter)
    for loop, waiters in waiting.items():
        with suppress(RuntimeError):  # The loop is closed, and nobody waits there any more.
            loop.call_soon_threadsafe(_release, waiters)


def _release(waiters: Sequence[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
