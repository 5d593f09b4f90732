"""Our column: every fault through the whole call path, on every engine that a faulty text can come from."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import llguidance

from benchmarks.faults.faults import Fault
from benchmarks.faults.outcome import Seen
from benchmarks.faults.server import Raw, serving
from benchmarks.faults.tools import RECEIVED, TOOLS, fits, took, types_of
from speeddial import Desk, Run, workflow
from speeddial.contract import Contract, Email, union_of_calls
from speeddial.errors import EngineError
from speeddial.models import load_model
from speeddial.models.base_model import DEFAULT_BASE, require_base
from speeddial.models.chat_tokenizer import ChatTokenizer
from speeddial.models.grammars import GuidedTokenizer
from speeddial.models.model import Request
from speeddial.models.scripted import Scripted
from speeddial.tool import Tool, tool
from speeddial.values import DatePhrase, Phrase, Repeat

REQUEST = "Remind Anna someday, or tomorrow, or every friday"
"""What the expert is asked; copied strings are held to it."""
REFUSAL = '{"name":"refuse","arguments":{"reason":"I cannot."}}'
"""What the model says once it was told."""


def mail(to: Email) -> str:
    """Write a mail."""
    return took(to=to)


def remind(who: Phrase, when: DatePhrase, often: Repeat) -> str:
    """Remind somebody."""
    return took(who=who, when=when, often=often)


FUNCTIONS: dict[str, Callable[..., str]] = {**TOOLS, "mail": mail, "remind": remind}
"""The tools that all have, and those whose types only we have."""


@dataclass
class Speaker:
    """A model's part: the faulty text first, a refusal once it was told what was wrong."""

    fault: Fault | None = None
    form: str = "{}"
    """What the dialect wraps about a text."""
    raw: Raw | None = None
    """Said instead of the fault."""
    told: list[str] = field(default_factory=list)

    def begin(self, fault: Fault) -> None:
        self.fault = fault
        self.told.clear()
        RECEIVED.clear()

    def say(self, messages: list[dict[str, str]]) -> str:
        """The next text; the conversation is a system message, the request, and what came after."""
        if len(messages) > 2:
            self.told.append(messages[-1]["content"])
            return self.form.replace("{}", REFUSAL)
        assert self.fault is not None
        return self.fault.text(self.form)

    def answer(self, body: dict[str, Any]) -> dict[str, Any] | Raw:
        """The same over HTTP, where the proofs that the constraint is live come first."""
        schema = _schema_of(body)
        if self.form != "{}" and schema.get("type") != "object":
            return Raw('{"error":{"message":"the root must be an object"}}', status=400)
        if body["messages"][0]["role"] != "system":
            return {"content": Contract.from_schema(schema).example_text}
        if self.raw is not None:
            return self.raw
        return {"content": self.say(body["messages"])}


def _schema_of(body: dict[str, Any]) -> dict[str, Any]:
    given = body.get("structured_outputs") or body["response_format"]["json_schema"]
    schema: dict[str, Any] = given.get("json") or given["schema"]
    return schema


Phone = Callable[[Desk, str], Any]


async def _call(desk: Desk, expert: str) -> None:
    await desk.runner.call(expert, REQUEST)


async def _stream(desk: Desk, expert: str) -> None:
    @workflow
    async def phone(run: Run, task: str) -> str:
        return (await run.phone(expert, task)).text

    async for _ in desk.runner.stream(REQUEST, workflow=phone):
        pass


@contextmanager
def scripted(speaker: Speaker) -> Iterator[str]:
    """The scripted model with its grammar off, so that the check is all that stands in the way."""
    Scripted.register("faults", lambda request: speaker.say(_spoken(request)), unconstrained=True)
    yield "scripted:faults"


def _spoken(request: Request) -> list[dict[str, str]]:
    return [message.as_dict() for message in request.messages]


def server(engine: str, form: str = "{}") -> Callable[[Speaker], Any]:
    """A server that proves its constraint and breaks it afterwards.

    Args:
        engine: how the model is addressed.
        form: of the dialect that it understands.
    """

    @contextmanager
    def way(speaker: Speaker) -> Iterator[str]:
        speaker.form = form
        with serving(speaker.answer) as url:
            yield f"{engine}:fault@{url}"

    return way


WAYS: dict[str, tuple[Callable[[Speaker], Any], Phone]] = {
    "scripted": (scripted, _call),
    "stream": (scripted, _stream),
    "vllm": (server("vllm"), _call),
    "openai": (server("openai"), _call),
    "openai, strict subset": (server("openai", '{"answer":{}}'), _call),
    "ollama": (server("ollama"), _call),
}
"""Engines from which a text can come that no grammar held."""

SENT: dict[str, Raw] = {
    "a stream (SSE) that was not asked for": Raw(
        'data: {"choices":[{"index":0,"delta":{"content":"{}"}}]}\n\ndata: [DONE]\n\n', "text/event-stream"
    ),
    "a web page": Raw("<html>hello</html>", "text/html"),
    "half an answer": Raw('{"choices":[{"message":{"content":"{'),
    "no choices": Raw('{"choices":[]}'),
    "no text": Raw(
        '{"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":null}}]}'
    ),
    "text in parts": Raw(
        '{"choices":[{"index":0,"finish_reason":"stop","message":'
        '{"role":"assistant","content":[{"type":"text","text":"{}"}]}}]}'
    ),
    "tool calls of its own": Raw(
        '{"choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant","content":null,'
        '"tool_calls":[{"id":"1","type":"function","function":{"name":"weigh","arguments":"{\\"x\\":1.5}"}}]}}]}'
    ),
}
"""What a server may send in the place of an answer; no model is told of it, the caller is."""


def tools() -> dict[str, Tool]:
    """All of the table's tools."""
    return {name: tool(function) for name, function in FUNCTIONS.items()}


async def observe(way: str, faults: Iterable[Fault], raw: Raw | None = None) -> dict[str, Seen]:
    """Run every fault one way.

    Args:
        way: of `WAYS`.
        raw: what the server sends instead.

    Returns:
        what was observed, by the fault's id.
    """
    serve, phone = WAYS[way]
    speaker = Speaker(raw=raw)
    seen: dict[str, Seen] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(speaker) as model,
        Desk(folder, model=model, planner=model, transport_retries=0) as desk,
    ):
        for name, one in tools().items():
            desk.add_expert(name, f"calls of {name}", tools=[one])
        for fault in faults:
            speaker.begin(fault)
            error = ""
            try:
                await phone(desk, fault.tool)
            except EngineError as raised:
                error = str(raised)
            seen[fault.id] = Seen(
                ran=tuple({name: types_of(item) for name, item in given.items()} for given in RECEIVED),
                fits=all(fits(FUNCTIONS[fault.tool], given) for given in RECEIVED),
                feedback=speaker.told[-1] if speaker.told else None,
                error=error,
            )
        await load_model(model).aclose()
    return seen


def grammars() -> dict[str, Callable[[str, str], bool]]:
    """What the in-process engines decode with: whether its grammar admits a text, by tokenizer.

    The embedded engine's own tokenizer is among them when the base model is there.
    """
    ways = {"bytes": _admitted(llguidance.LLTokenizer("byte"))}
    try:
        base = require_base(DEFAULT_BASE)
    except EngineError:
        return ways
    chat = ChatTokenizer(base.vocabulary)
    return ways | {DEFAULT_BASE: _admitted(GuidedTokenizer(chat.vocabulary(), chat.size, chat.end).native)}


def _admitted(tokenizer: llguidance.LLTokenizer) -> Callable[[str, str], bool]:
    def admits(grammar: str, text: str) -> bool:
        matcher = llguidance.LLMatcher(tokenizer, grammar, log_level=0)
        tokens = tokenizer.tokenize_bytes(text.encode(errors="surrogatepass"))
        return bool(matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting())

    return admits


def barred(faults: Iterable[Fault], admits: Callable[[str, str], bool]) -> set[str]:
    """The faults, by id, whose text no engine in process can give."""
    made = tools()
    found = {name: union_of_calls({name: one.contract}).bound(REQUEST).grammar for name, one in made.items()}
    return {fault.id for fault in faults if not admits(found[fault.tool], fault.text())}
