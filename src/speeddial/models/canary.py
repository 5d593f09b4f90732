"""The start-up proof that constrained decoding is live: questions no unconstrained model gets right.

Each probe asks for plain text while its schema admits two JSON values that hold numbers and names drawn at
random. An engine that ignores the schema answers the question; only one that enforces it can answer with
one of the two values. Nothing depends on what a server says about itself: vLLM before 0.12 ignores
``structured_outputs`` and answers HTTP 200, as later ones do with ``guided_json``.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from speeddial.errors import EngineRefused
from speeddial.messages import Message, compact_json
from speeddial.models.model import Canary

PROBE_TOKENS = 128
"""Budget of one probe; an answer takes about 30 tokens, twice that when a server indents."""


class SchemaRefused(EngineRefused):
    """The engine understood the constraint and will not serve it (HTTP 400 and its kin)."""


@dataclass(frozen=True)
class Probe:
    """One question with its constraint and the only answers that the constraint admits."""

    what: str
    schema: dict[str, Any]
    accepted: tuple[Any, ...]
    messages: tuple[Message, ...] = (
        Message("user", "Reply with the single word ready, in plain text. Do not write JSON."),
    )

    def fault(self, text: str) -> str:
        """Why this answer shows that the constraint was not enforced; empty when it was."""
        try:
            value = json.loads(text)
        except ValueError:
            return f"the answer {text[:60]!r} is not JSON"
        return "" if value in self.accepted else f"the answer {text[:60]!r} is outside the schema"

    def is_compact(self, text: str) -> bool:
        """Whether an accepted answer came without white space."""
        return any(text == compact_json(value) for value in self.accepted)


def plain_probe() -> Probe:
    """An object with one bounded integer."""
    key, low = _name(), _number()
    number = {"type": "integer", "minimum": low, "maximum": low + 1}
    return Probe("a plain schema", _closed({key: number}), ({key: low}, {key: low + 1}))


def latch_probe() -> Probe:
    """An ``allOf`` of two, to be sent after a plain schema.

    A vLLM server in ``auto`` latches one back end at its first structured request; after a plain schema
    that is xgrammar, which takes any JSON value for an ``allOf`` of two (research: 9 of 9 valid when the
    allOf came first, 0 of 3 when second).
    """
    key, low = _name(), _number()
    both = {
        "allOf": [
            {"type": "integer", "minimum": 1, "maximum": low + 1},
            {"type": "integer", "minimum": low, "maximum": 10**7},
        ]
    }
    return Probe("an allOf of two after a plain schema", _closed({key: both}), ({key: low}, {key: low + 1}))


def union_probe() -> Probe:
    """The shape of every expert's contract: calls told apart by their ``name``, one key optional."""
    first, second, key, low = _name(), _name(), _name(), _number()
    arguments = _closed({key: {"type": "integer", "enum": [low]}}, required=())
    calls = [
        _closed({"name": {"type": "string", "const": name}, "arguments": arguments})
        for name in (first, second)
    ]
    accepted = [{"name": name, "arguments": given} for name in (first, second) for given in ({}, {key: low})]
    return Probe("a union of calls", {"anyOf": calls}, tuple(accepted))


async def prove(send: Callable[[Probe], Awaitable[str]], probes: Sequence[Probe]) -> str:
    """Send the probes one after the other.

    Returns:
        Why the constraint is not proven; empty when every probe was answered within its schema.

    Raises:
        EngineError: the engine failed in a way that says nothing about the constraint.
    """
    for probe in probes:
        try:
            text = await send(probe)
        except SchemaRefused as error:
            return f"{probe.what} was refused: {error.message}"
        fault = probe.fault(text)
        if fault:
            return f"{probe.what} was not enforced: {fault}"
    return ""


def passed(backend: str, detail: str, unenforced: Sequence[str] = ()) -> Canary:
    """The outcome of a proof that held, dated now."""
    return Canary(True, backend, detail, _now(), tuple(unenforced))


def failed(backend: str, detail: str) -> Canary:
    """The outcome of a proof that did not hold, dated now."""
    return Canary(False, backend, detail, _now())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _name() -> str:
    return "k" + secrets.token_hex(3)


def _number() -> int:
    return 100_000 + secrets.randbelow(800_000)


def _closed(properties: dict[str, Any], required: Sequence[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties if required is None else required),
        "additionalProperties": False,
    }
