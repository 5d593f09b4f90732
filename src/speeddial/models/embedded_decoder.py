"""The embedded engine's decoder as a model of outlines: prompt in, text under a grammar out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from outlines.generator import SteerableGenerator
from outlines.models.base import Model as OutlinesModel

from speeddial.errors import EngineRefused
from speeddial.models.chat_tokenizer import ChatTokenizer
from speeddial.models.decoder import MOST_WANTED, Adapter, Context, Decoder, Float32
from speeddial.models.grammars import GuidedTokenizer
from speeddial.models.guesses import EarlierAnswers, copied
from speeddial.models.guided import BACKEND, GuidedDecoder, GuidedProcessor
from speeddial.models.model import Request

_GUESSED = 3
"""Tokens guessed ahead at first. Four in one pass take 15 to 20 % longer than the two that any pass has."""


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
    backend = BACKEND

    def __init__(self, chat: ChatTokenizer, decoder: Decoder) -> None:
        self.chat = chat
        self.decoder = decoder
        self.earlier = EarlierAnswers()

    @cached_property
    def guided(self) -> GuidedTokenizer:
        """The tokenizer as grammars need it, made in 0.1 s while the first prompt is read."""
        return GuidedTokenizer(self.chat.vocabulary(), self.chat.size, self.chat.end)

    def run(self, request: Request, check: Callable[[], None]) -> tuple[GuidedDecoder, int]:
        """Answer one request.

        Args:
            request: what is said and what may come back.
            check: called between tokens; raises to stop.

        Returns:
            The decoder after its work (text, tokens, confidence) and the number of prompt tokens.

        Raises:
            EngineRefused: prompt and answer do not fit into the context, or the grammar is refused.
            DefinitionError: the adapter cannot be applied to this base.
        """
        tokens, fixed = self.chat.prompt(request.messages)
        if self.decoder.shape.context - len(tokens) < request.max_tokens:
            raise EngineRefused(
                f"a prompt of {len(tokens)} tokens and {request.max_tokens} for the answer "
                f"exceed the embedded model's context of {self.decoder.shape.context}"
            )
        adapter = self.decoder.adapter(request.adapter)
        said = [message.content for message in request.messages if message.role == "user"]
        prompt = Prompt(tokens, fixed, said[-1] if said else "")
        processor = self._processor(request, prompt, adapter)
        # Typed for outlines' own three engines, but takes any model (tests/test_embedded.py).
        generator = SteerableGenerator.from_processor(self, processor)  # type: ignore[arg-type]
        generator(prompt, adapter=adapter, check=check)
        return processor.decoder, len(tokens)

    def _processor(self, request: Request, prompt: Prompt, adapter: Adapter) -> GuidedProcessor:
        """The processor of a request, made while the prompt's fixed part is read when that is new."""
        fixed = prompt.tokens[: prompt.fixed]
        if not fixed or self.decoder.keeps(fixed, adapter):
            return GuidedProcessor.of(self.guided, request)
        capacity = _capacity(prompt, request.max_tokens)
        # Beside this thread, for a pass does not hold Python's lock; making the processor does.
        with ThreadPoolExecutor(1) as beside:
            read = beside.submit(self.decoder.read, fixed, adapter, capacity)
            processor = GuidedProcessor.of(self.guided, request)
            read.result()
        return processor

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
        with self.decoder.sequence(_capacity(model_input, guided.max_tokens), adapter) as context:
            pending = [*model_input.tokens, *guided.take_forced()]
            if not guided.done:
                pending = self.decoder.start(context, pending, model_input.fixed)
            most = _GUESSED
            while not guided.done:
                check()
                draft = self._draft(guided, model_input.source, adapter, most)
                shown = len(context.tokens) + len(pending)
                logits = self.decoder.extend(context, [*pending, *draft], wanted=1 + len(draft))
                pending = self._choose(output_type, context, logits, draft)
                # Where all was right, as in the middle of a long phrase, more will be.
                right = len(context.tokens) - shown
                most = MOST_WANTED - 1 if draft and right == len(draft) else _GUESSED
        self.earlier.learn(adapter.key, guided.tokens, self.chat.decode)
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

    def _draft(self, guided: GuidedDecoder, source: str, adapter: Adapter, most: int) -> list[int]:
        """What may come next, so many tokens at most; a wrong guess takes a little time and changes nothing.

        First the phrase being copied from the request, then what earlier answers of this adapter went on
        with, then what the grammar leaves open only in its split into tokens.
        """
        if guided.temperature > 0:
            return []
        text = guided.text
        if phrase := copied(text, source):
            return self.chat.encode(phrase)[:most]
        earlier = self.earlier.ahead(adapter.key, text, most, self.chat.decode)
        return (earlier or guided.punctuation_ahead())[:most]

    def generate_batch(self, model_input: Any, output_type: Any = None, **inference_kwargs: Any) -> list[str]:
        return [self.generate(prompt, output_type, **inference_kwargs) for prompt in model_input]

    def generate_stream(self, model_input: Any, output_type: Any = None, **options: Any) -> Iterator[str]:
        yield self.generate(model_input, output_type, **options)


def _capacity(prompt: Prompt, max_tokens: int) -> int:
    """Tokens that the sequence of an answer has to hold, those guessed ahead among them."""
    return len(prompt.tokens) + max_tokens + MOST_WANTED
