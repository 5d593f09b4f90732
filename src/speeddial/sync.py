"""Async code for those who are not async: one event loop in a thread, on which every sync call is awaited."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from concurrent.futures import CancelledError as CancelledFuture
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")


def wait_for(work: Coroutine[Any, Any, Result]) -> Result:
    """Await something from code that is not async; Ctrl-C cancels it and waits for its end.

    All such work shares one event loop in a thread, so engines keep their connections between calls.
    """
    loop = _background()
    if threading.current_thread() is _thread:
        work.close()
        raise RuntimeError("a _sync method was called on Speeddial's own event loop: await the async one")
    started: asyncio.Task[Result] | None = None

    async def carry() -> Result:
        nonlocal started
        started = asyncio.ensure_future(work)
        return await started

    future = asyncio.run_coroutine_threadsafe(carry(), loop)
    try:
        return future.result()
    except KeyboardInterrupt:
        if started is not None:
            loop.call_soon_threadsafe(started.cancel)
        with suppress(CancelledFuture, asyncio.CancelledError):
            future.result()
        raise


def iterate(source: AsyncGenerator[Result, None]) -> Iterator[Result]:
    """Go through an async generator from code that is not async."""
    try:
        while True:
            try:
                yield wait_for(anext(source))
            except StopAsyncIteration:
                return
    finally:
        wait_for(source.aclose())


_thread: threading.Thread | None = None
_loop: asyncio.AbstractEventLoop | None = None
_starting = threading.Lock()


def _background() -> asyncio.AbstractEventLoop:
    global _thread, _loop
    with _starting:
        if _loop is None or _thread is None or not _thread.is_alive():
            _loop = asyncio.new_event_loop()
            _thread = threading.Thread(target=_loop.run_forever, name="speeddial", daemon=True)
            _thread.start()
        return _loop
