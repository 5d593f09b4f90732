"""The tagger engine: answers a call that copies its arguments from the request, by reading it once.

It reads the request itself (`Request.text`), not the prompt, picks a frame and the words of each argument,
and writes the call by the contract: what the contract does not admit does not leave. Its confidence is the
probability of the frame times that of the words' tags.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from math import prod
from pathlib import Path

import numpy as np

from speeddial.contract import CallsContract, Contract
from speeddial.contract.copied import cut
from speeddial.contract.jsontext import write_json
from speeddial.errors import ContractViolation, EngineRefused, UserError
from speeddial.expert import TAGGER
from speeddial.messages import REFUSE
from speeddial.models.model import Canary, Completion, Model, Receipt, Request, Token
from speeddial.models.tagnetwork import Chain, Float32, TagNetwork
from speeddial.models.tagscheme import LONGEST, span

BACKEND = "tagger, checked against the contract"
_TRIED = 8
"""Frames, the likeliest first, until one gives a call that the contract admits."""


class TaggerModel(Model):
    """``tagger:FOLDER``.

    Args:
        name: the folder, with `tagger.json` and `model.safetensors`.
        root: where a relative one starts.

    Raises:
        UserError: no tagger is there.
        EngineError: its files are broken.
    """

    def __init__(self, name: str, root: Path = Path()) -> None:
        super().__init__(f"tagger:{name}")
        folder = root / name
        if not (folder / TAGGER).is_file():
            raise UserError(
                f"{folder}: expected a folder with {TAGGER}, found none",
                hint="`speeddial train --candidate tagger` makes one",
            )
        self._network = TagNetwork(folder)

    async def _complete(self, request: Request, canary: Canary) -> Completion:
        return await asyncio.to_thread(self._tag, request, canary)

    def _tag(self, request: Request, canary: Canary) -> Completion:
        began = time.perf_counter()
        words = cut(request.text)[:LONGEST]
        if not words:
            raise EngineRefused(f"{self.name}: a tagger reads words, and the request has none")
        frames, scores = self._network.read(words)
        frames = self._asked(frames, request.contract)
        likely = frames.mean(axis=0)
        for number in np.argsort(-likely)[:_TRIED]:
            frame = self._network.scheme.frames[number]
            chain = self._network.best(frames[:, number], scores, int(number))
            found = self._network.scheme.values(words, chain.tags)
            said = {name: span(words, *place) for name, place in found.items()}
            try:
                text = request.contract.dump({"name": frame.name, "arguments": {**frame.arguments, **said}})
            except ContractViolation:
                continue
            tokens = _tokens(text, frame.name, float(likely[number]), chain, found, said)
            return Completion(
                text=text,
                receipt=Receipt(True, BACKEND, request.contract.schema_hash, f"canary {canary.at}"),
                model=self.name,
                tokens_in=len(words),
                tokens_out=len(tokens),
                tokens_forced=sum(token.probability is None for token in tokens),
                tokens=tokens,
                confidence=prod(token.probability for token in tokens if token.probability is not None),
                latency_ms=(time.perf_counter() - began) * 1000,
            )
        raise EngineRefused(
            f"{self.name}: no call that it reads in the request is one of {request.contract.name}",
            hint="a tagger serves the tools that it was trained for: have another model serve this one",
        )

    def _asked(self, frames: Float32, contract: Contract) -> Float32:
        """The frames' probabilities where the contract has some of the tools only: a call of another tool is
        a request that these do not serve, and counts as a refusal."""
        known = self._network.scheme.frames
        refusals = [number for number, frame in enumerate(known) if frame.name == REFUSE]
        if not isinstance(contract, CallsContract) or not refusals:
            return frames
        served = {*contract.tools, REFUSE}
        others = [number for number, frame in enumerate(known) if frame.name not in served]
        found = frames.copy()
        found[:, refusals[0]] += found[:, others].sum(axis=1)
        return found

    async def _canary(self) -> Canary:
        """Proves the one thing that the receipt says: an answer is a call that the contract admits."""
        frame = self._network.scheme.frames[0]
        at = datetime.now(UTC).isoformat(timespec="seconds")
        contract = Contract.from_schema({"const": {"name": frame.name, "arguments": dict(frame.arguments)}})
        request = Request((), contract, text=frame.name)
        try:
            completion = await asyncio.to_thread(self._tag, request, Canary(True, BACKEND, "", at))
        except EngineRefused:
            return Canary(True, BACKEND, "refuses what the contract does not admit", at)
        try:
            contract.parse(completion.text)
        except ContractViolation as error:
            return Canary(False, BACKEND, error.message, at)
        return Canary(True, BACKEND, "answers as the contract has it", at)


def _tokens(
    text: str,
    frame: str,
    likely: float,
    chain: Chain,
    found: Mapping[str, tuple[int, int]],
    said: Mapping[str, str],
) -> tuple[Token, ...]:
    """An answer in pieces: the frame's name, each copied value and the end have probabilities.

    A value has that of its words' tags, the end that of all words which are no value's.
    """
    start = text.index(write_json(frame))
    parts = [(start, start + len(write_json(frame)), likely)]
    rest = list(chain.probabilities)
    for name, (first, behind) in found.items():
        value = write_json(said[name])
        start = text.index(f"{write_json(name)}:{value}") + len(write_json(name)) + 1
        parts.append((start, start + len(value), prod(chain.probabilities[first:behind])))
        rest[first:behind] = [1.0] * (behind - first)
    parts.append((len(text) - 1, len(text), prod(rest)))
    tokens = []
    at = 0
    for start, end, probability in sorted(parts):
        if start > at:
            tokens.append(Token(text[at:start], None))
        tokens.append(Token(text[start:end], probability))
        at = end
    return tuple(tokens)
