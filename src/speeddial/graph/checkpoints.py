"""Checkpoints in SQLite, redacted like the record, written before the next node starts.

A checkpoint holds surrogates only. When a run is resumed, its personal data comes back from the run's
`Originals`; secrets do not.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Interrupt, Send

from speeddial.errors import RecordError
from speeddial.record import Originals, Redactor

_CACHED_PAIRS = 4096
_TASKS = "__pregel_tasks"
"""LangGraph's channel of what was sent."""


class RedactedSerializer(JsonPlusSerializer):
    """LangGraph's serializer behind the record's redactor, which refuses what it cannot look into."""

    def __init__(self, redactor: Redactor) -> None:
        # None: only LangGraph's own safe types come back out, whatever a file was made to hold.
        super().__init__(allowed_msgpack_modules=None)
        self._redactor = redactor
        self._pairs: dict[str, tuple[Any, tuple[Any, Any]]] = {}
        """JSON of a pair -> its value and itself redacted: most of a state is as in the checkpoint before."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]:
        if isinstance(obj, dict) and "channel_values" in obj and "channel_versions" in obj:
            return super().dumps_typed({**obj, "channel_values": self._clean(obj["channel_values"])})
        return super().dumps_typed(self._clean(obj))

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        value = super().loads_typed(data)
        originals = Originals.at_work()
        return value if originals is None or not originals.kept else _restored(value, originals)

    def _clean(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {self._redactor.text(str(name)): self._channel(name, item) for name, item in value.items()}
        if isinstance(value, Send):
            return Send(value.node, self._clean(value.arg))
        if isinstance(value, Interrupt):
            return Interrupt(value=self._clean(value.value), id=value.id)
        if isinstance(value, BaseException):
            return self._redactor.text(repr(value))
        if isinstance(value, list | tuple) and any(isinstance(item, Send | Interrupt) for item in value):
            return type(value)(self._clean(item) for item in value)
        return self._redactor.value(value)

    def _channel(self, name: Any, value: Any) -> Any:
        """One value of the state, or of what was sent: a dict grows by items, so it is looked at by items."""
        if name == _TASKS:
            return self._clean(value)
        if isinstance(value, dict):
            return dict(self._pair(key, item) for key, item in value.items())
        return self._pair(name, value)[1]

    def _pair(self, name: Any, item: Any) -> tuple[Any, Any]:
        """A name with its value, redacted; under a name such as ``password`` any value is a secret."""
        try:
            text = json.dumps([name, item])
        except TypeError:
            return self._redacted_pair(name, item)
        known = self._pairs.get(text)
        # Compared because a tuple has the same JSON as a list.
        if known is None or known[0] != item:
            known = (item, self._redacted_pair(name, item))
            if known[1] != (name, item):
                # Each run must write down for itself what its surrogates stand for.
                return known[1]
            if len(self._pairs) >= _CACHED_PAIRS:
                self._pairs.clear()
            self._pairs[text] = known
        return known[1]

    def _redacted_pair(self, name: Any, item: Any) -> tuple[Any, Any]:
        pair: tuple[Any, Any] = next(iter(self._redactor.value({name: item}).items()))
        return pair


class Checkpoints(SqliteSaver):
    """One SQLite file of checkpoints.

    Called on the event loop directly: a commit takes less than handing it to a thread, and nothing is
    bound to one loop, as the async saver of LangGraph is.

    Args:
        path: the file; made when it is not there.
        redactor: the record's.
    """

    def __init__(self, path: Path, redactor: Redactor) -> None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise _unusable(path, error) from error
        with _mapped(path):
            connection = sqlite3.connect(path, check_same_thread=False, timeout=30.0)
            try:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=NORMAL")
            except sqlite3.Error:
                connection.close()
                raise
        super().__init__(connection, serde=RedactedSerializer(redactor))
        self._path = path

    def close(self) -> None:
        self.conn.close()

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        with _mapped(self._path):
            return self.get_tuple(config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        with _mapped(self._path):
            found = list(self.list(config, filter=filter, before=before, limit=limit))
        for item in found:
            yield item

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        with _mapped(self._path):
            return self.put(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        with _mapped(self._path):
            self.put_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        with _mapped(self._path):
            self.delete_thread(thread_id)


def _restored(value: Any, originals: Originals) -> Any:
    """What was loaded, with the run's personal data as it was."""
    if isinstance(value, Send):
        return Send(value.node, _restored(value.arg, originals))
    if isinstance(value, Interrupt):
        return Interrupt(value=_restored(value.value, originals), id=value.id)
    if isinstance(value, dict):
        return {_restored(key, originals): _restored(item, originals) for key, item in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(_restored(item, originals) for item in value)
    return originals.restore(value)


@contextmanager
def _mapped(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> RecordError:
    return RecordError(
        f"the checkpoints {path} could not be written or read: {error}",
        hint="look at the disk, then resume the run",
    )
