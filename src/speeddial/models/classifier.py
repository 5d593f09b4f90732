"""The classifier engine: answers a call that chooses one of an enum, by n-grams and the base's embeddings.

It reads the message and the labels themselves (`Request.text`, `Request.given`), not the prompt, and writes
the call by the contract: nothing else can come out. Labels with examples make a label set at once
(`fewshot`), kept under their hash; a name stands for a shipped label set beside the adapter. Its confidence
is the calibrated probability of the answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speeddial.errors import ContractViolation, EngineRefused, UserError
from speeddial.given import NONE, labels_of
from speeddial.messages import REFUSE, compact_json
from speeddial.models import NGRAMS
from speeddial.models.base_model import require_base
from speeddial.models.labelset import LabelSet, find
from speeddial.models.model import Canary, Completion, Model, Receipt, Request

if TYPE_CHECKING:
    from speeddial.contract import Contract
    from speeddial.models.encoder import Encoder
    from speeddial.models.reader import Reader

BACKEND = "classifier over the contract's enum"
_SETS_KEPT = 32


class ClassifierModel(Model):
    """``classifier:BASE`` with the embeddings of that base, ``classifier:ngrams`` by the spelling alone.

    Args:
        name: such as ``smollm2-135m-instruct``.

    Raises:
        UserError: no such base.
        EngineUnreachable: it has not been pulled; the hint says how.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"classifier:{name}")
        self._base = name
        if name != NGRAMS:
            require_base(name)
        self._sets: OrderedDict[str, LabelSet] = OrderedDict()
        self._lock = threading.Lock()

    def label_set(self, given: Mapping[str, Any], adapter: Path | None) -> LabelSet:
        """The label set that is meant, made when it is met for the first time.

        Args:
            given: its ``labels`` count.
            adapter: folder of the encoder's adapter and of shipped label sets.

        Raises:
            EngineRefused: no labels, too many examples, or no such set.
        """
        try:
            labels = labels_of(given)
        except UserError as error:
            raise EngineRefused(error.message, hint=error.hint) from error
        if labels is None:
            raise EngineRefused(f"{self.name} needs labels, and none are given", hint="give labels")
        reader = self._reader(adapter)
        identity = reader.identity if reader else NGRAMS
        if isinstance(labels, str):
            path = find(labels, adapter)
            key = f"{path.resolve()} {path.stat().st_mtime_ns}"
            make = partial(LabelSet.load, path)
        else:
            from speeddial.models.fewshot import fit

            key = hashlib.sha256(compact_json([identity, labels]).encode()).hexdigest()
            make = partial(fit, labels, reader.embed if reader else None, identity)
        # Held while a set is made, so that a batch's first requests make it once.
        with self._lock:
            made = self._sets.get(key)
            if made is None:
                made = self._sets[key] = make()
                if len(self._sets) > _SETS_KEPT:
                    self._sets.popitem(last=False)
            self._sets.move_to_end(key)
        return made

    def probabilities(self, text: str, labels: LabelSet, adapter: Path | None = None) -> dict[str, float]:
        """Probability of each label, and of `NONE`; they sum to 1."""
        reader = self._reader(adapter)
        embedding = states = None
        if reader is not None:
            if labels.dense is not None and labels.dense.encoder == reader.identity:
                embedding = reader.embed([text])[0]
            elif labels.trained is not None:
                encoder = self._encoder(adapter)
                states = encoder.states(text) if labels.trained.encoder == encoder.identity else None
        likely = labels.probabilities(text, embedding, states)
        return dict(zip((*labels.labels, NONE), likely.tolist(), strict=True))

    def _reader(self, adapter: Path | None) -> Reader | Encoder | None:
        """What reads messages for sets of few examples; None where the spelling alone does."""
        if self._base == NGRAMS:
            return None
        from speeddial.models.reader import load_reader

        return load_reader(self._base, adapter)

    def _encoder(self, adapter: Path | None) -> Encoder:
        from speeddial.models.encoder import load_encoder

        return load_encoder(self._base, adapter)

    async def _complete(self, request: Request, canary: Canary) -> Completion:
        return await asyncio.to_thread(self._classify, request, canary)

    def _classify(self, request: Request, canary: Canary) -> Completion:
        began = time.perf_counter()
        name, argument, choices = _choice(request.contract)
        labels = self.label_set(request.given, request.adapter)
        likely = self.probabilities(request.text, labels, request.adapter)
        if set(likely) != set(choices):
            raise EngineRefused(
                f"{self.name}: the contract's values are not the labels that are given and {NONE!r}",
                hint="make the enum of the labels: see tools/triage.py",
            )
        answer = max(likely, key=likely.__getitem__)
        value = {"name": name, "arguments": {argument: answer}} if name else {argument: answer}
        return Completion(
            text=compact_json(value),
            receipt=Receipt(True, BACKEND, request.contract.schema_hash, f"canary {canary.at}"),
            model=self.name,
            confidence=likely[answer],
            latency_ms=(time.perf_counter() - began) * 1000,
        )

    async def _canary(self) -> Canary:
        """Proves the one thing that the receipt says: an answer is a value of the contract's enum."""
        from speeddial.contract import Contract

        labels = {"left": ("turn left",), "right": ("turn right",)}
        schema = {
            "type": "object",
            "properties": {"label": {"enum": [*labels, NONE]}},
            "required": ["label"],
            "additionalProperties": False,
        }
        contract = Contract.from_schema(schema)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        request = Request((), contract, text="to the left", given={"labels": labels})
        completion = await asyncio.to_thread(self._classify, request, Canary(True, BACKEND, "", at))
        try:
            contract.parse(completion.text)
        except ContractViolation as error:
            return Canary(False, BACKEND, error.message, at)
        return Canary(True, BACKEND, "chooses among the values of an enum", at)


def _choice(contract: Contract) -> tuple[str, str, list[str]]:
    """The tool, its argument and the values among which a contract has one chosen.

    Raises:
        EngineRefused: it asks for something else.
    """
    from speeddial.contract import CallsContract

    tools = contract.tools if isinstance(contract, CallsContract) else {"": contract}
    callable_ = {name: tool.full_schema for name, tool in tools.items() if name != REFUSE}
    if len(callable_) == 1:
        ((name, schema),) = callable_.items()
        properties = schema.get("properties", {})
        if len(properties) == 1:
            ((argument, inner),) = properties.items()
            if values := inner.get("enum"):
                return name, argument, values
    raise EngineRefused(
        f"a classifier chooses one value of one argument; {contract.name} asks for something else",
        hint="have an embedded model or a server serve this expert",
    )
