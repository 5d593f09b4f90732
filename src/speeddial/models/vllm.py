"""A vLLM server: one base model, experts as LoRA adapters addressed by name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from speeddial.contract.grammar import WHITESPACE
from speeddial.errors import EngineRefused, EngineUnreachable
from speeddial.models import canary as proof
from speeddial.models.canary import PROBE_TOKENS, Probe
from speeddial.models.lora_modules import LoraModules, ModuleAbsent
from speeddial.models.model import Canary, Completion, Model, Request
from speeddial.models.server import Server, split_address

if TYPE_CHECKING:
    from speeddial.models.likely import Likely

SERVER_FLAG = """--structured-outputs-config '{"backend":"guidance","disable_any_whitespace":true}'"""
"""What a server must be started with to be exact, whatever was asked of it first."""

PROBE_TIMEOUT = 120.0
"""Seconds; a CPU server takes up to 27 s for the first structured request of its life."""

Form = Literal["structured_outputs", "guided_json"]
"""The request field of the constraint: vLLM from 0.12 on, and before. Each ignores the other's."""


class VLLMModel(Model):
    """A model that a vLLM server serves.

    Args:
        name: ``NAME@URL``, NAME as served (``--served-model-name``), URL with or without ``/v1``;
            without a URL ``VLLM_BASE_URL`` or ``http://127.0.0.1:8000``. The API key is read from
            ``VLLM_API_KEY``.

    A request with an adapter goes to the server's module of these weights (see
    `speeddial.models.lora_modules`); one with an adapter's name alone, to the module of that name.
    """

    def __init__(self, name: str) -> None:
        default = os.environ.get("VLLM_BASE_URL") or "http://127.0.0.1:8000"
        self.served_name, url = split_address(name, default)
        super().__init__(f"vllm:{self.served_name}@{url}")
        self._server = Server(self.name, url, os.environ.get("VLLM_API_KEY", ""), "VLLM_API_KEY", "vllm")
        self._form: Form = "structured_outputs"
        self._modules = LoraModules(self._server)

    async def _complete(self, request: Request, canary: Canary) -> Completion:
        served = await self._served(request.adapter, request.adapter_name)
        try:
            reply = await self._server.chat(
                served,
                request.messages,
                max_tokens=request.max_tokens,
                temperature=request.temperature,
                seed=request.seed,
                seconds=request.timeout,
                logprobs=True,
                **self._constraint(request.contract.schema, self._form),
            )
        except EngineUnreachable:
            # A server that comes back may have been started otherwise, so it has to prove itself again.
            self._canary_result = None
            self._modules.forget()
            raise
        return Completion(
            text=reply.text,
            receipt=canary.receipt(request.contract.schema_hash),
            model=self.name if served == self.served_name else f"{self.name}#{served}",
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            tokens_forced=reply.tokens_forced,
            tokens=reply.tokens,
            confidence=reply.confidence,
            finish=reply.finish,
            latency_ms=reply.latency_ms,
        )

    async def _canary(self) -> Canary:
        told = await self._server.ask("/version")
        number = told.get("version", "") if isinstance(told, dict) else ""
        server = f"vllm {number}".strip()
        faults = []
        forms: tuple[Form, ...] = ("structured_outputs", "guided_json")
        for form in forms:
            backend = f"{server} {form} via outlines {version('outlines')}"
            send = partial(self._probe, form=form)
            fault = await proof.prove(send, [proof.plain_probe()])
            if fault:
                faults.append(f"{form}: {fault}")
                continue
            self._form = form
            # After the plain schema, on purpose: see latch_probe.
            fault = await proof.prove(send, [proof.latch_probe()])
            if fault:
                return proof.failed(backend, f"{fault}; start the server with {SERVER_FLAG}")
            return proof.passed(backend, f"proven by behaviour; {await self._whitespace(form)}")
        return proof.failed(server, f"{'; '.join(faults)}; start vLLM 0.12 or newer with {SERVER_FLAG}")

    async def _probe(self, probe: Probe, form: Form, **fields: Any) -> str:
        reply = await self._server.chat(
            self.served_name,
            probe.messages,
            max_tokens=PROBE_TOKENS,
            seconds=PROBE_TIMEOUT,
            **self._constraint(probe.schema, form),
            **fields,
        )
        return reply.text

    async def _whitespace(self, form: Form) -> str:
        """Whether free whitespace is shut out: ask for nothing else and see whether any comes.

        Free whitespace is not wrong, but a model that likes it runs into the token budget (research: 7 %
        of outputs finish, 75 % when compact). Asked without a schema first, for a server that ignores the
        bias would look compact.
        """
        answer = await self._server.ask(
            "/tokenize", {"model": self.served_name, "prompt": " \n", "add_special_tokens": False}
        )
        tokens = answer.get("tokens") if isinstance(answer, dict) else None
        if not isinstance(tokens, list) or not tokens:
            return "whitespace not tested"
        bias = {str(token): 100 for token in tokens}
        probe = proof.plain_probe()
        try:
            free = await self._server.chat(
                self.served_name,
                probe.messages,
                schema=None,
                max_tokens=4,
                seconds=PROBE_TIMEOUT,
                logit_bias=bias,
            )
            text = await self._probe(probe, form, logit_bias=bias)
        except EngineRefused:
            return "whitespace not tested"
        if free.text.strip():
            return "whitespace not tested, as the server ignores logit_bias"
        return (
            "compact output"
            if probe.is_compact(text)
            else f"free whitespace, which wastes tokens: start the server with {SERVER_FLAG}"
        )

    @staticmethod
    def _constraint(schema: dict[str, Any], form: Form) -> dict[str, Any]:
        # Honoured per request by the guidance back end only; the others skip a keyword they do not know.
        compact = {"x-guidance": WHITESPACE, **schema}
        if form == "structured_outputs":
            return {"schema": compact}
        # outlines 1.3.3 writes the newer field only.
        return {"schema": None, "extra_body": {"guided_json": compact, "guided_decoding_backend": "guidance"}}

    async def encode(self, text: str) -> list[int]:
        body = {"model": self.served_name, "prompt": text, "add_special_tokens": False}
        told = await self._server.post("/tokenize", body, self.served_name)
        tokens = told.get("tokens") if isinstance(told, dict) else None
        if not isinstance(tokens, list):
            raise EngineRefused(f"{self.name}: the server tells no tokens of a text", hint="vLLM does")
        return [int(token) for token in tokens]

    async def likely(
        self,
        prompt: Sequence[int],
        answer: Sequence[int],
        most: int,
        *,
        adapter: Path | None = None,
        adapter_name: str = "",
    ) -> Likely:
        from speeddial.models.likely import of_told

        served = await self._served(adapter, adapter_name)
        body = {
            "model": served,
            "prompt": [*prompt, *answer],
            "max_tokens": 1,
            "temperature": 0.0,
            "prompt_logprobs": most,
        }
        told = await self._server.post("completions", body, served)
        choices = told.get("choices") if isinstance(told, dict) else None
        rows = choices[0].get("prompt_logprobs") if choices else None
        return of_told((rows or [])[-len(answer) :], answer, most)

    async def served(self) -> list[str]:
        """The base and the adapters that the server has, by name."""
        return await self._server.served()

    async def has(self, adapter: Path, name: str) -> bool:
        """Whether the server has, or loads now, what may be these weights; a call says if it is not.

        Args:
            name: under which it may have them; see `LoraModules.served_name`.
        """
        try:
            await self._modules.served_name(adapter, name)
        except ModuleAbsent:
            return False
        except EngineRefused:
            return True
        return True

    async def _served(self, adapter: Path | None, name: str) -> str:
        if adapter is None:
            return name or self.served_name
        return await self._modules.served_name(adapter, name)

    async def aclose(self) -> None:
        await self._server.aclose()
