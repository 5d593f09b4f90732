"""The embedded engine, on ONNX Runtime, without torch: a base with its adapters, or one's own model."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from speeddial.errors import Cancelled, EngineRefused, EngineTimeout
from speeddial.models import canary as proof
from speeddial.models import is_folder
from speeddial.models.base_model import DEFAULT_BASE, BaseModel, require_base
from speeddial.models.model import Canary, Completion, Model, Receipt, Request
from speeddial.models.model_folder import ModelFolder

if TYPE_CHECKING:
    from speeddial.contract import Contract
    from speeddial.models.embedded_decoder import EmbeddedDecoder
    from speeddial.models.likely import Likely


class EmbeddedModel(Model):
    """``embedded:NAME``: a base with the adapter that each request names, or a model's folder.

    Args:
        name: such as ``smollm2-135m-instruct``, or a folder such as ``experts/home/model``; empty for the
            default base.
        root: what a relative folder starts from.

    Raises:
        UserError: no such base, or no model in the folder.
        EngineUnreachable: the base has not been pulled; the hint says how.
    """

    def __init__(self, name: str = DEFAULT_BASE, *, root: Path = Path()) -> None:
        name = name or DEFAULT_BASE
        super().__init__(f"embedded:{name}")
        self._files = ModelFolder.find(root / name) if is_folder(self.name) else require_base(name)
        self._lock = threading.Lock()
        self._loaded: EmbeddedDecoder | None = None

    def load(self) -> EmbeddedDecoder:
        """The engine itself, loaded on first use."""
        with self._lock:
            if self._loaded is None:
                self._loaded = load_engine(self._files)
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
        from speeddial.contract import Contract

        async def send(probe: proof.Probe) -> str:
            request = Request(
                probe.messages, Contract.from_schema(probe.schema), max_tokens=proof.PROBE_TOKENS
            )
            completion = await asyncio.to_thread(self._decode, request, "", threading.Event())
            return completion.text

        fault = await proof.prove(send, [proof.plain_probe()])
        backend = self.load().backend
        return (
            proof.failed(backend, fault) if fault else proof.passed(backend, "answers within a random schema")
        )

    def _decode(self, request: Request, proven_by: str, stop: threading.Event) -> Completion:
        started = time.perf_counter()

        def check() -> None:
            if stop.is_set():
                raise Cancelled(f"{self.name}: cancelled while decoding")
            if time.perf_counter() - started > request.timeout:
                raise EngineTimeout(f"{self.name}: no answer within {request.timeout:g} s")

        engine = self.load()
        guided, tokens_in = engine.run(request, check)
        return Completion(
            text=guided.text,
            receipt=Receipt(True, engine.backend, request.contract.schema_hash, proven_by),
            model=self.name,
            tokens_in=tokens_in,
            tokens_out=len(guided.tokens),
            tokens_forced=guided.tokens_forced,
            tokens=guided.pieces(),
            confidence=guided.confidence,
            latency_ms=(time.perf_counter() - started) * 1000,
        )

    async def encode(self, text: str) -> list[int]:
        from speeddial.models.chat_tokenizer import END, START

        chat = (await asyncio.to_thread(self.load)).chat
        return {START: [chat.start], END: [chat.end]}.get(text) or chat.encode(text)

    async def likely(
        self,
        prompt: Sequence[int],
        answer: Sequence[int],
        most: int,
        *,
        adapter: Path | None = None,
        adapter_name: str = "",
    ) -> Likely:
        return await asyncio.to_thread(self._likely, prompt, answer, most, adapter)

    def _likely(
        self, prompt: Sequence[int], answer: Sequence[int], most: int, adapter: Path | None
    ) -> Likely:
        from speeddial.models.likely import of_logits

        engine = self.load()
        if len(prompt) + len(answer) > engine.decoder.shape.context:
            raise EngineRefused(f"{self.name}: {len(prompt) + len(answer)} tokens exceed its context")
        # The first message, which the next prompt has too.
        fixed = prompt.index(engine.chat.end) + 1
        adapted = engine.decoder.adapter(adapter)
        return of_logits(engine.decoder.logits_of([*prompt], [*answer], adapted, fixed), answer, most)

    async def aclose(self) -> None:
        """Give the weights' memory back; the next request loads them again."""
        with self._lock:
            self._loaded = None


def load_engine(files: BaseModel | ModelFolder) -> EmbeddedDecoder:
    """The decoder of a base or a folder, with its tokenizer.

    Raises:
        EngineError, EngineUnreachable: its files are broken.
    """
    from speeddial.models.decoder import Decoder

    # The session is made outside Python's lock while this thread imports outlines and reads the tokenizer,
    # which both hold it: about 0.3 s each.
    with ThreadPoolExecutor(1) as beside, _no_collection():
        decoder = beside.submit(Decoder, files.graph)
        from speeddial.models.chat_tokenizer import ChatTokenizer
        from speeddial.models.embedded_decoder import EmbeddedDecoder

        return EmbeddedDecoder(ChatTokenizer(files.vocabulary), decoder.result())


@contextmanager
def _no_collection() -> Iterator[None]:
    """Imports make many objects and hardly any garbage; looking for it takes 0.03 s of the start."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # They go to the oldest generation unseen: the next collection would take 0.015 s to see them all.
        # What the program froze itself stays frozen.
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        if collects:
            gc.enable()
