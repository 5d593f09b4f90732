"""Any OpenAI-compatible server by ``response_format``: OpenAI itself, Ollama, and many more."""

from __future__ import annotations

import asyncio
import os
from importlib.metadata import version
from typing import Any, Literal
from urllib.parse import urlsplit

from speeddial.contract import Contract
from speeddial.errors import EngineError, EngineUnreachable, UserError
from speeddial.models import canary as proof
from speeddial.models.canary import PROBE_TOKENS, Probe, SchemaRefused
from speeddial.models.model import Canary, Completion, Model, Request
from speeddial.models.openai_schema import from_subset, to_subset
from speeddial.models.server import Reply, Server, split_address

OPENAI_URL = "https://api.openai.com/v1"
OLLAMA_URL = "http://127.0.0.1:11434/v1"
PROBE_TIMEOUT = 120.0
"""Seconds; Ollama loads the model at the first request."""

Dialect = Literal["whole", "subset", "none"]
"""Whether the server takes contracts as they are, only in OpenAI's subset of JSON Schema, or not at all."""


class OpenAIModel(Model):
    """A model behind an OpenAI-compatible endpoint.

    Such an endpoint knows no adapters, so a request's adapter is not used: its experts run untuned.

    Args:
        name: ``NAME[@URL]``; without a URL ``OPENAI_BASE_URL`` or OpenAI's own. The key is read from
            ``OPENAI_API_KEY`` at construction, kept in memory, sent to that URL alone, never shown.
        price: US dollars per million tokens in and out.

    Raises:
        UserError: OpenAI's own endpoint without a key, or a URL with a password in it.
    """

    key_variable = "OPENAI_API_KEY"
    remedy = "use a server that enforces response_format json_schema, or `vllm:` for a vLLM server"

    def __init__(self, name: str, *, price: tuple[float, float] = (0.0, 0.0)) -> None:
        self._connect(name, "openai", os.environ.get("OPENAI_BASE_URL") or OPENAI_URL, price)

    def _connect(self, name: str, engine: str, default_url: str, price: tuple[float, float]) -> None:
        self.served_name, url = split_address(name, default_url)
        super().__init__(f"{engine}:{self.served_name}@{url}")
        key = os.environ.get(self.key_variable, "")
        official = urlsplit(url).hostname == urlsplit(OPENAI_URL).hostname
        if official and not key:
            raise UserError(f"model {self.name} needs a key", hint=f"set {self.key_variable}")
        self._server = Server(self.name, url, key, self.key_variable, "openai")
        # OpenAI's newer models refuse the older field, most other servers know the older one only.
        self._budget_field = "max_completion_tokens" if official else "max_tokens"
        self._price = price
        self._dialect: Dialect = "whole"
        self._logprobs = True

    async def _complete(self, request: Request, canary: Canary) -> Completion:
        schema = request.contract.schema
        try:
            reply = await self._chat(
                request.messages,
                schema,
                self._dialect,
                self._logprobs,
                max_tokens=request.max_tokens,
                temperature=request.temperature,
                seed=request.seed,
                seconds=request.timeout,
            )
        except EngineUnreachable:
            # A server that comes back may have been started otherwise, so it has to prove itself again.
            self._canary_result = None
            raise
        text, completed = reply.text, ""
        if self._dialect == "subset":
            text = from_subset(reply.text, schema)
            if reply.finish == "length":
                completed = await asyncio.to_thread(_salvaged_subset, reply.text, schema)
        per_token_in, per_token_out = (price / 1e6 for price in self._price)
        return Completion(
            text=text,
            completed=completed,
            receipt=canary.receipt(request.contract.schema_hash),
            model=self.name,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            tokens_forced=reply.tokens_forced,
            # In OpenAI's subset they make up another text.
            tokens=reply.tokens if text == reply.text else (),
            confidence=reply.confidence,
            finish=reply.finish,
            latency_ms=reply.latency_ms,
            cost=reply.tokens_in * per_token_in + reply.tokens_out * per_token_out,
        )

    async def _canary(self) -> Canary:
        """Proves the constraint in the most capable way of asking that the server does not refuse."""
        backend = f"{self.engine} response_format json_schema via outlines {version('outlines')}"
        ways: list[tuple[Dialect, bool]] = [
            ("whole", True),
            ("whole", False),
            ("subset", True),
            ("subset", False),
        ]
        refused: EngineError | None = None
        for dialect, logprobs in ways:
            probe = proof.union_probe()
            try:
                text = await self._probe(probe, dialect, logprobs)
            except SchemaRefused as error:
                refused = error
                continue
            self._dialect, self._logprobs = dialect, logprobs
            fault = probe.fault(text)
            if fault:
                return proof.failed(backend, f"{probe.what} was not enforced: {fault}; {self.remedy}")
            details = ["proven by behaviour"]
            if dialect == "subset":
                details.append("contracts are sent in OpenAI's subset of JSON Schema")
            elif not probe.is_compact(text):
                details.append("white space is free, which wastes tokens")
            unenforced = await self._unenforced()
            details += [f"{kind} is not enforced, only validated" for kind in unenforced]
            return proof.passed(backend, "; ".join(details), unenforced)
        self._dialect, self._logprobs = "none", False
        return proof.failed(backend, f"every form of the probe was refused, last: {refused}; {self.remedy}")

    async def _unenforced(self) -> list[str]:
        """The kinds of rules that the server takes and does not keep; the allOf after a plain schema."""

        async def send(probe: Probe) -> str:
            return await self._probe(probe, self._dialect, self._logprobs)

        kinds = []
        if await proof.prove(send, [proof.plain_probe()]):
            kinds.append("a number's range")
        # The subset has no allOf: contracts go out without theirs.
        if self._dialect == "subset" or await proof.prove(send, [proof.latch_probe()]):
            kinds.append("allOf")
        return kinds

    async def _probe(self, probe: Probe, dialect: Dialect, logprobs: bool) -> str:
        reply = await self._chat(
            probe.messages, probe.schema, dialect, logprobs, max_tokens=PROBE_TOKENS, seconds=PROBE_TIMEOUT
        )
        return from_subset(reply.text, probe.schema) if dialect == "subset" else reply.text

    async def _chat(
        self, messages: Any, schema: dict[str, Any], dialect: Dialect, logprobs: bool, **limits: Any
    ) -> Reply:
        sent = to_subset(schema) if dialect == "subset" else schema
        return await self._server.chat(
            self.served_name,
            messages,
            schema=None if dialect == "none" else sent,
            logprobs=logprobs,
            budget_field=self._budget_field,
            **limits,
        )

    async def aclose(self) -> None:
        await self._server.aclose()


def _salvaged_subset(text: str, schema: dict[str, Any]) -> str:
    """A cut answer completed in the subset, in which it was decoded, and brought into the contract's form."""
    from speeddial.models.salvage import salvaged

    return from_subset(salvaged(text, Contract.from_schema(to_subset(schema))), schema)


class OllamaModel(OpenAIModel):
    """A model that Ollama serves, through its OpenAI-compatible endpoint.

    Args:
        name: ``NAME[@URL]``, NAME as ``ollama list`` shows it; without a URL ``http://127.0.0.1:11434``.
    """

    key_variable = "OLLAMA_API_KEY"
    remedy = "update Ollama: structured outputs need 0.5 or newer"

    def __init__(self, name: str) -> None:
        self._connect(name, "ollama", OLLAMA_URL, (0.0, 0.0))
