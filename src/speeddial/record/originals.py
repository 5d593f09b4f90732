"""Originals: what stood where a run has surrogates, kept beside the record while the run can be resumed.

A resumed run must write to the true address, and everything else on disk holds surrogates. So each run
that meets personal data has one file, readable by its owner only, with a line for each surrogate: what it
stands for. It is written before the row that holds the surrogate, overwritten and removed when the run
ends, and never copied, exported or searched. Secrets are not in it: they do not come back.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from pathlib import Path
from typing import Any

from speeddial.errors import RecordError

_AT_WORK: ContextVar[Originals | None] = ContextVar("speeddial_originals", default=None)
# A surrogate may stand for a text that has surrogates in it already, as redaction goes in rounds.
_ROUNDS = 8


class Originals:
    """The originals of one run.

    Args:
        path: their file; it is there only when there are any.
        durable: whether a power cut must cost nothing.
    """

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.path = path
        self._durable = durable
        self._forgotten = False
        self._pattern: re.Pattern[str] | None = None

    @staticmethod
    def at_work() -> Originals | None:
        """Those of the run that this code works for; None outside of runs."""
        return _AT_WORK.get()

    @contextmanager
    def working(self) -> Iterator[None]:
        """What is redacted inside the block, in this task and those begun in it, is kept here."""
        token = _AT_WORK.set(self)
        try:
            yield
        finally:
            _AT_WORK.reset(token)

    @property
    def kept(self) -> bool:
        """Whether there are any."""
        return bool(self._known)

    def keep(self, surrogate: str, original: str) -> None:
        """Write down what a surrogate stands for; it is on disk when this returns.

        Raises:
            RecordError: it could not be written, so the surrogate must not be either.
        """
        if self._forgotten or original in self._known.get(surrogate, ()):
            return
        line = json.dumps([surrogate, original]).encode() + b"\n"
        with self._mapped():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(file, line)
                if self._durable:
                    os.fsync(file)
            finally:
                os.close(file)
        self._known.setdefault(surrogate, []).append(original)
        self._pattern = None

    def restore(self, value: Any) -> Any:
        """A copy of a JSON value with originals in the place of surrogates, in keys too.

        Raises:
            RecordError: two originals have the same surrogate, so which is meant cannot be said.
        """
        if not self._known:
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {self.restore(key): self.restore(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.restore(item) for item in value)
        if type(value) is int:
            text = self._text(str(value))
            return int(text) if text.isdecimal() else value
        return value

    def forget(self) -> None:
        """Overwrite and remove them; nothing is kept from now on. Safe to call twice.

        A file system that keeps old blocks (snapshots, copy on write) keeps them out of our reach.

        Raises:
            RecordError: they could not be removed.
        """
        self._forgotten = True
        self._known = {}
        self._pattern = None
        with self._mapped():
            try:
                with self.path.open("r+b") as file:
                    file.write(b"\0" * self.path.stat().st_size)
                    file.flush()
                    os.fsync(file.fileno())
            except FileNotFoundError:
                return
            self.path.unlink()

    @cached_property
    def _known(self) -> dict[str, list[str]]:
        known: dict[str, list[str]] = {}
        with self._mapped():
            try:
                lines = self.path.read_bytes().split(b"\n")
            except FileNotFoundError:
                return known
        # Behind the last line feed stands nothing, or what a kill cut off, which no row refers to.
        for line in lines[:-1]:
            surrogate, original = json.loads(line)
            known.setdefault(surrogate, []).append(original)
        return known

    def _text(self, text: str) -> str:
        if self._pattern is None:
            # The longest first: a number may begin with another's digits.
            ordered = sorted(self._known, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(_bounded, ordered)))
        for _ in range(_ROUNDS):
            restored = self._pattern.sub(self._original, text)
            if restored == text:
                break
            text = restored
        return text

    def _original(self, match: re.Match[str]) -> str:
        surrogate = match.group()
        found = self._known[surrogate]
        if len(found) > 1:
            raise RecordError(
                f"two values of this run have the surrogate {surrogate}: which is meant cannot be said",
                hint="start the task anew",
            )
        return found[0]

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RecordError(
                f"{self.path} could not be written or read: {error.strerror}",
                hint="look at the disk and the folder's permissions, then resume the run",
            ) from error


def _bounded(surrogate: str) -> str:
    """An expression for it that does not match inside a longer number."""
    first = "(?<![0-9])" if surrogate[0].isdigit() else ""
    last = "(?![0-9])" if surrogate[-1].isdigit() else ""
    return f"{first}{re.escape(surrogate)}{last}"
