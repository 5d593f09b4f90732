"""A Hugging Face folder in this process: any chat model of transformers, PEFT adapters per request."""

from __future__ import annotations

import asyncio
import re
import secrets
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from speeddial.contract import Contract
from speeddial.errors import (
    Cancelled,
    DefinitionError,
    EngineError,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
    UserError,
)
from speeddial.messages import Message
from speeddial.models import canary as proof
from speeddial.models.model import Canary, Completion, Model, Receipt, Request

_SHORTEST_CONTEXT = 512
"""Taken for models whose configuration names no context length."""


_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def _from_hub(name: str) -> Path:
    """The folder of a hub's model, fetched when it is not in the hub's cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.txt", "*.jinja"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise EngineUnreachable(
            f"transformers:{name}: not in the cache, and the hub did not give it ({type(error).__name__})",
            hint="check the name and the network, or name a folder with config.json",
        ) from error


class TransformersModel(Model):
    """``transformers:FOLDER``: a causal language model with a chat template, run by transformers.

    Args:
        folder: as written by ``save_pretrained``, or a hub's ``owner/name``, which is fetched once into the
            hub's own cache.
        device: torch device; empty takes a GPU when there is one.
        dtype: torch's name of the weights' type; ``auto`` takes the folder's.

    Raises:
        UserError: there is no such folder.
        EngineUnreachable: the hub's model is not in the cache and the hub cannot be reached.

    Requests run one after the other, since the adapter belongs to the model, not to the call.
    """

    def __init__(self, folder: str, *, device: str = "", dtype: str = "auto") -> None:
        super().__init__(f"transformers:{folder}")
        self.folder = Path(folder).expanduser()
        if _HUB_NAME.fullmatch(folder) and not self.folder.exists():
            self.folder = _from_hub(folder)
        if not (self.folder / "config.json").is_file():
            raise UserError(
                f"{self.name}: there is no model in {self.folder}",
                hint="name a folder with config.json; that of the embedded base is written by "
                "`BaseModel.export_hf`",
            )
        self._device = device
        self._dtype = dtype
        self._lock = threading.Lock()
        self._runner: _Runner | None = None

    async def _complete(self, request: Request, canary: Canary) -> Completion:
        stop = threading.Event()
        try:
            return await asyncio.to_thread(self._decode, request, f"canary {canary.at}", stop)
        finally:
            # When this task is cancelled the worker ends before its next token.
            stop.set()

    async def _canary(self) -> Canary:
        async def send(probe: proof.Probe) -> str:
            contract = Contract.from_schema(probe.schema)
            request = Request(probe.messages, contract, max_tokens=proof.PROBE_TOKENS)
            return (await asyncio.to_thread(self._decode, request, "", threading.Event())).text

        fault = await proof.prove(send, [proof.plain_probe()])
        backend = _backend()
        return (
            proof.failed(backend, fault) if fault else proof.passed(backend, "answers within a random schema")
        )

    def _decode(self, request: Request, proven_by: str, stop: threading.Event) -> Completion:
        began = time.perf_counter()
        with self._lock:
            if stop.is_set():
                raise Cancelled(f"{self.name}: cancelled while waiting for another request")
            if self._runner is None:
                self._runner = _Runner(self.name, self.folder, self._device, self._dtype)
            try:
                guided, tokens_in = self._runner.run(request, stop, began + request.timeout)
            except RuntimeError as error:  # torch's own, out of memory among them
                raise EngineError(f"{self.name}: {str(error).splitlines()[0][:300]}") from error
        return Completion(
            text=guided.text,
            receipt=Receipt(True, _backend(), request.contract.schema_hash, proven_by),
            model=self.name,
            tokens_in=tokens_in,
            tokens_out=len(guided.tokens),
            tokens_forced=guided.tokens_forced,
            tokens=guided.pieces(),
            confidence=guided.confidence,
            latency_ms=(time.perf_counter() - began) * 1000,
        )

    async def aclose(self) -> None:
        """Give the weights' memory back; the next request loads them again."""
        self._runner = None


class _Runner:
    """The loaded model; not to be used from two threads at once."""

    def __init__(self, name: str, folder: Path, device: str, dtype: str) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        from speeddial.models.grammars import GuidedTokenizer

        self.name = name
        # Its bars would run into those of the command line.
        logging.disable_progress_bar()
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=dtype)
        except (OSError, ValueError) as error:
            raise EngineUnreachable(f"{name}: the model does not load: {str(error)[:300]}") from error
        if not tokenizer.is_fast or not tokenizer.chat_template or tokenizer.eos_token_id is None:
            raise UserError(
                f"{name}: its tokenizer has no tokenizer.json, no chat template or no end token",
                hint="take the instruct variant of the model",
            )
        self.model = model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
        self.tokenizer = tokenizer
        self.context = int(getattr(model.config, "max_position_embeddings", _SHORTEST_CONTEXT))
        size = max(int(model.config.vocab_size), len(tokenizer))
        self.guided = GuidedTokenizer(tokenizer.backend_tokenizer.to_str(), size, tokenizer.eos_token_id)
        self.outlines = _outlines_model(self.model, tokenizer)
        self._adapters: dict[tuple[Path, int], str] = {}
        # Puts its layers into `model` itself, so outlines goes on using that.
        self._peft: Any = None

    def run(self, request: Request, stop: threading.Event, deadline: float) -> tuple[Any, int]:
        """The decoder after its work (text, tokens, confidence) and the number of prompt tokens."""
        from outlines.generator import SteerableGenerator
        from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

        from speeddial.models.guided import GuidedProcessor

        class Interrupt(StoppingCriteria):  # type: ignore[misc]
            def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
                over = stop.is_set() or time.perf_counter() > deadline
                return input_ids.new_full((input_ids.shape[0],), over).bool()

        ids = chat_ids(self.tokenizer, request.messages)
        if len(ids) + request.max_tokens > self.context:
            raise EngineRefused(
                f"{self.name}: a prompt of {len(ids)} tokens and {request.max_tokens} for the answer "
                f"exceed its context of {self.context}"
            )
        processor = GuidedProcessor.of(self.guided, request, tensor_library="torch")
        # The processor chooses, by lot too; what the folder's generation_config says must not meddle.
        config = GenerationConfig(
            do_sample=False,
            max_new_tokens=request.max_tokens + 1,
            eos_token_id=self.guided.end,
            pad_token_id=self.guided.end,
        )
        generator = SteerableGenerator.from_processor(self.outlines, processor)
        with self._with(request.adapter):
            generator(ids, generation_config=config, stopping_criteria=StoppingCriteriaList([Interrupt()]))
        guided = processor.decoder
        if not guided.done:
            if stop.is_set():
                raise Cancelled(f"{self.name}: cancelled while decoding")
            raise EngineTimeout(f"{self.name}: no answer within {request.timeout:g} s")
        return guided, len(ids)

    def _with(self, adapter: Path | None) -> AbstractContextManager[Any]:
        """The context in which the model runs with this adapter, or with none."""
        import peft

        if adapter is None:
            return nullcontext() if self._peft is None else self._peft.disable_adapter()
        weights = adapter / "adapter_model.safetensors"
        if not weights.is_file():
            raise DefinitionError(f"adapter {adapter}: no {weights.name}", hint="train it, or mend the card")
        # By its date too: a retrained adapter lies in the same folder.
        key = (adapter.resolve(), weights.stat().st_mtime_ns)
        label = self._adapters.get(key, f"adapter{len(self._adapters)}")
        if key not in self._adapters:
            try:
                if self._peft is None:
                    self._peft = peft.PeftModel.from_pretrained(self.model, str(adapter), adapter_name=label)
                else:
                    self._peft.load_adapter(str(adapter), adapter_name=label)
            except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
                raise DefinitionError(
                    f"adapter {adapter} does not fit {self.name}: {str(error)[:300]}",
                    hint="use the base that its adapter_config.json names",
                ) from error
            self._adapters[key] = label
        self._peft.set_adapter(label)
        return nullcontext()


def chat_ids(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """A conversation as token ids up to where the assistant speaks, by the model's own chat template.

    Text in messages stays text: whatever control token it spells, it cannot close a message. So the template
    is rendered around placeholders, and only its own control tokens are taken as such.
    """
    marks = {f"\ue000{secrets.token_hex(8)}\ue001": message.content for message in messages}
    turns = [{"role": message.role, "content": mark} for message, mark in zip(messages, marks, strict=True)]
    rendered = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    controls = set(tokenizer.all_special_tokens) | set(tokenizer.get_added_vocab())
    pattern = "|".join(re.escape(control) for control in sorted(controls, key=len, reverse=True))
    ids: list[int] = []
    for part in re.split(f"({pattern})", rendered):
        if part in controls:
            ids.append(int(tokenizer.convert_tokens_to_ids(part)))
        elif part:
            for mark, content in marks.items():
                part = part.replace(mark, content)
            ids += tokenizer.encode(part, add_special_tokens=False, split_special_tokens=True)
    return ids


def _outlines_model(model: Any, tokenizer: Any) -> Any:
    """outlines' own model class, given token ids instead of text.

    Made in a function, for torch and outlines are imported only when a model is used.
    """
    import torch
    from outlines.models.transformers import Transformers

    class FromIds(Transformers):
        def _prepare_model_inputs(self, model_input: list[int], is_batch: bool = False) -> tuple[str, Any]:
            ids = torch.tensor([model_input], device=self.model.device)
            return "", {"input_ids": ids, "attention_mask": torch.ones_like(ids)}

    return FromIds(model, tokenizer)


def _backend() -> str:
    from speeddial.models.guided import BACKEND

    return BACKEND
