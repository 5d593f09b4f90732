"""The embedded engine: the shared base with its adapters on ONNX Runtime, in this process, without torch."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from outlines.generator import SteerableGenerator
from outlines.models.base import Model as OutlinesModel

from speeddial.contract import Contract
from speeddial.errors import Cancelled, EngineRefused, EngineTimeout
from speeddial.messages import compact_json
from speeddial.models import canary as proof
from speeddial.models.base_model import DEFAULT_BASE, BaseModel, require_base
from speeddial.models.chat_tokenizer import ChatTokenizer
from speeddial.models.decoder import Adapter, Context, Decoder, Float32
from speeddial.models.grammars import GuidedTokenizer
from speeddial.models.guided import BACKEND, GuidedDecoder, GuidedProcessor
from speeddial.models.model import Canary, Completion, Model, Receipt, Request

_COPIED = 3
"""Tokens guessed ahead while a string is being copied."""
_COPIED_CHARACTERS = 40


@dataclass(frozen=True)
class Prompt:
    """A conversation as token ids."""

    tokens: list[int]
    fixed: int
    """How many of them are the system message."""
    source: str = ""
    """The text that answers are likely to copy from."""


class EmbeddedDecoder(OutlinesModel):
    """The decoder as a steerable model of outlines.

    outlines 1.3.3's `Generator` takes only the model classes it knows; `SteerableGenerator.from_processor`
    takes any, and calls `generate` with the processor.
    """

    tensor_library_name = "numpy"

    def __init__(self, base: BaseModel) -> None:
        # Side by side: each takes 0.3 s of processor time, most of it outside Python's lock.
        with ThreadPoolExecutor(1) as beside:
            decoder = beside.submit(Decoder, base.graph)
            self.chat = ChatTokenizer(base.tokenizer)
            self.guided = GuidedTokenizer(self.chat.json, self.chat.size, self.chat.end)
            self.decoder = decoder.result()

    def generate(self, model_input: Prompt, output_type: Any = None, **inference_kwargs: Any) -> str:
        """Decode under a processor.

        Args:
            model_input: the conversation.
            output_type: a `GuidedProcessor`; required, for this engine decodes nothing unconstrained.
            inference_kwargs: `adapter` (an `Adapter`; none for the base alone) and `check` (called between
                tokens; raises to stop).

        Returns:
            The text; tokens and confidence are in the processor's decoder.
        """
        if not isinstance(output_type, GuidedProcessor):
            raise EngineRefused("the embedded engine decodes under a contract only")
        adapter: Adapter = inference_kwargs.get("adapter") or self.decoder.base
        check: Callable[[], None] = inference_kwargs.get("check") or (lambda: None)
        guided = output_type.decoder
        capacity = len(model_input.tokens) + guided.max_tokens + _COPIED
        with self.decoder.sequence(capacity, adapter) as context:
            shown = [*model_input.tokens, *guided.take_forced()]
            if not guided.done:
                logits = self.decoder.start(context, shown, model_input.fixed)
            draft: list[int] = []
            while not guided.done:
                check()
                pending = self._choose(output_type, context, logits, draft)
                if not guided.done:
                    draft = self._draft(guided, model_input.source) if guided.temperature == 0 else []
                    logits = self.decoder.extend(context, [*pending, *draft], wanted=1 + len(draft))
        return guided.text

    def _choose(
        self, processor: GuidedProcessor, context: Context, logits: Float32, draft: list[int]
    ) -> list[int]:
        """Choose tokens as long as the draft guessed them; gives those that the context has not seen yet."""
        guided = processor.decoder
        seen = 0
        while True:
            chosen = processor(np.array([context.tokens]), logits[seen : seen + 1])
            taken = [int(chosen[0].argmax()), *guided.take_forced()]
            known = 0
            while known < len(taken) and draft[seen + known : seen + known + 1] == taken[known : known + 1]:
                known += 1
            seen += known
            if guided.done or known < len(taken):
                # What was guessed wrongly is overwritten in the cache by what comes next.
                del context.tokens[len(context.tokens) - (len(draft) - seen) :]
                return taken[known:]

    def _draft(self, guided: GuidedDecoder, source: str) -> list[int]:
        """What may come next if the string under way is copied from the request.

        Several tokens in one pass cost little more than one (17 ms of processor time for four, 14 for one),
        and experts mostly copy phrases. A wrong guess changes nothing in the output.
        """
        raw = open_string(guided.text)
        try:
            written = json.loads(f'"{raw}"').lower()
        except ValueError:  # it ends within an escape
            return []
        found = source.lower().find(written) if written else -1
        if found < 0:
            return []
        ahead = source[found + len(written) :][:_COPIED_CHARACTERS]
        return self.chat.encode(compact_json(ahead)[1:-1])[:_COPIED]

    def generate_batch(self, model_input: Any, output_type: Any = None, **inference_kwargs: Any) -> list[str]:
        return [self.generate(prompt, output_type, **inference_kwargs) for prompt in model_input]

    def generate_stream(self, model_input: Any, output_type: Any = None, **options: Any) -> Iterator[str]:
        yield self.generate(model_input, output_type, **options)


class EmbeddedModel(Model):
    """``embedded:NAME``: the base of that name, with the adapter that each request names.

    Args:
        name: such as ``smollm2-135m-instruct``; empty for the default.

    Raises:
        UserError: no such base.
        EngineUnreachable: it has not been pulled; the hint says how.
    """

    def __init__(self, name: str = DEFAULT_BASE) -> None:
        super().__init__(f"embedded:{name or DEFAULT_BASE}")
        self._base = require_base(name or DEFAULT_BASE)
        self._lock = threading.Lock()
        self._loaded: EmbeddedDecoder | None = None

    def load(self) -> EmbeddedDecoder:
        """The engine itself, loaded on first use (about 0.6 s)."""
        with self._lock:
            if self._loaded is None:
                self._loaded = EmbeddedDecoder(self._base)
            return self._loaded

    def shortest_tokens(self, contract: Contract) -> int:
        """Tokens of the shortest output of a contract; requests with a smaller budget are refused.

        Raises:
            EngineRefused: the grammar does not compile or has no finite output.
        """
        return len(self.load().guided.shortest(contract.grammar))

    async def _complete(self, request: Request, canary: Canary) -> Completion:
        stop = threading.Event()
        try:
            return await asyncio.to_thread(self._decode, request, f"canary {canary.at}", stop)
        finally:
            # When this task is cancelled the worker ends before its next token.
            stop.set()

    async def _canary(self) -> Canary:
        async def send(probe: proof.Probe) -> str:
            request = Request(
                probe.messages, Contract.from_schema(probe.schema), max_tokens=proof.PROBE_TOKENS
            )
            completion = await asyncio.to_thread(self._decode, request, "", threading.Event())
            return completion.text

        fault = await proof.prove(send, [proof.plain_probe()])
        return (
            proof.failed(BACKEND, fault) if fault else proof.passed(BACKEND, "answers within a random schema")
        )

    def _decode(self, request: Request, proven_by: str, stop: threading.Event) -> Completion:
        started = time.perf_counter()

        def check() -> None:
            if stop.is_set():
                raise Cancelled(f"{self.name}: cancelled while decoding")
            if time.perf_counter() - started > request.timeout:
                raise EngineTimeout(f"{self.name}: no answer within {request.timeout:g} s")

        engine = self.load()
        tokens, fixed = engine.chat.prompt(request.messages)
        room = engine.decoder.shape.context - len(tokens)
        if room < request.max_tokens:
            raise EngineRefused(
                f"{self.name}: a prompt of {len(tokens)} tokens and {request.max_tokens} for the answer "
                f"exceed its context of {engine.decoder.shape.context}"
            )
        adapter = engine.decoder.adapter(request.adapter)
        processor = GuidedProcessor(
            engine.guided,
            request.contract.grammar,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            seed=request.seed,
        )
        # Typed for outlines' own three engines, but takes any model (tests/test_embedded.py).
        generator = SteerableGenerator.from_processor(engine, processor)  # type: ignore[arg-type]
        said = [message.content for message in request.messages if message.role == "user"]
        prompt = Prompt(tokens, fixed, said[-1] if said else "")
        text = generator(prompt, adapter=adapter, check=check)
        guided = processor.decoder
        return Completion(
            text=text,
            receipt=Receipt(True, BACKEND, request.contract.schema_hash, proven_by),
            model=self.name,
            tokens_in=len(tokens),
            tokens_out=len(guided.tokens),
            tokens_forced=guided.tokens_forced,
            tokens=guided.pieces(),
            confidence=guided.confidence,
            latency_ms=(time.perf_counter() - started) * 1000,
        )

    async def aclose(self) -> None:
        """Give the weights' memory back; the next request loads them again."""
        with self._lock:
            self._loaded = None


def open_string(text: str) -> str:
    """The part written so far of the JSON string that a text ends in; empty outside strings."""
    inside, start, escaped = False, 0, False
    for position, character in enumerate(text):
        if escaped:
            escaped = False
        elif inside and character == "\\":
            escaped = True
        elif character == '"':
            inside, start = not inside, position + 1
    return text[start:] if inside else ""
