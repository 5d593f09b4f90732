"""The embedded engine's time and memory, and the same calls through transformers' generate where torch is.

    python -m benchmarks.embedded [--calls N] [--adapter FOLDER | --model FOLDER] [--start] [--json]

The calls are replayed: the model runs every pass, but the token taken is the right call's, so that the
figures do not depend on how well an adapter is trained. Rounds alternate between the engines, so that a
busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.organizer import CALLS, SYSTEM, contract
from speeddial.messages import Message
from speeddial.models.base_graph import FUSED
from speeddial.models.base_model import BaseModel, ensure_base
from speeddial.models.decoder import Adapter, Decoder
from speeddial.models.embedded import load_engine
from speeddial.models.embedded_decoder import EmbeddedDecoder, Prompt
from speeddial.models.guesses import EarlierAnswers
from speeddial.models.guided import GuidedProcessor
from speeddial.models.model_folder import ModelFolder

_STARTS = 5
_LOAD = """
from speeddial.models.embedded import EmbeddedModel
model = EmbeddedModel({name!r})
model.load()
"""
_FIRST_CALL = """
import asyncio
from pathlib import Path
from benchmarks.organizer import CALLS, SYSTEM, contract
from speeddial.messages import Message
from speeddial.models.model import Request
messages = Message("system", SYSTEM), Message("user", CALLS[0][0])
request = Request(messages, contract(), adapter={adapter}, max_tokens=64)
asyncio.run(model.complete(request))
"""


class Replay(GuidedProcessor):
    """Takes the right call's tokens, whatever the logits."""

    wanted: list[int]

    def process_logits(self, input_ids: Any, logits: Any) -> Any:
        written = len(self.decoder.tokens)
        logits = np.zeros_like(logits)
        logits[0, self.wanted[written] if written < len(self.wanted) else self.decoder.tokenizer.end] = 50
        return super().process_logits(input_ids, logits)


def milliseconds(work: Callable[..., Any], *arguments: Any) -> float:
    began = time.perf_counter()
    work(*arguments)
    return (time.perf_counter() - began) * 1000


def cold_start(**stages: str) -> dict[str, dict[str, float]]:
    """Times since the start of a fresh process when each of some pieces of code is done, and its memory then.

    The bytecode is compiled as pip leaves it. On a busy machine the processor times say more: of the first
    thread, which loads but does not decode, and of all.
    """
    script = "import time, resource\nbegan = time.perf_counter(), time.thread_time(), time.process_time()\n"
    for code in stages.values():
        script += (
            f"{code}\n"
            "now = time.perf_counter(), time.thread_time(), time.process_time()\n"
            "size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
            "print(*(after - before for before, after in zip(began, now)), size)\n"
        )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    seen = []
    with tempfile.TemporaryDirectory() as compiled:
        environment["PYTHONPYCACHEPREFIX"] = compiled
        for _ in range(1 + _STARTS):
            said = subprocess.run(
                [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
            ).stdout
            seen.append([[float(number) for number in line.split()] for line in said.splitlines()])
    figures = {}
    # The first one compiles.
    for name, runs in zip(stages, zip(*seen[1:], strict=True), strict=True):
        seconds, waiting, processor, megabytes = zip(*runs, strict=True)
        figures[name] = {
            "seconds, median": statistics.median(seconds),
            "least": min(seconds),
            "processor, first thread": min(waiting),
            "all": min(processor),
            "peak MB": max(megabytes),
        }
    return figures


def random_adapter(decoder: Decoder, folder: Path) -> Adapter:
    """An r=8 adapter on all projections: its time does not depend on its weights."""
    from safetensors.numpy import save_file

    random = np.random.default_rng(0)
    tensors = {}
    for layer in range(decoder.shape.layers):
        for modules in FUSED.values():
            for module in modules:
                path = f"base_model.model.model.layers.{layer}.{module}"
                down = random.standard_normal((8, decoder.shape.columns(module))) * 0.01
                tensors[f"{path}.lora_A.weight"] = down.astype(np.float16)
                up = random.standard_normal((decoder.shape.rows(module), 8)) * 0.01
                tensors[f"{path}.lora_B.weight"] = up.astype(np.float16)
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "bias": "none"}
    config |= {"base_model_name_or_path": "HuggingFaceTB/SmolLM2-135M-Instruct"}
    config |= {"target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return decoder.adapter(folder)


def passes(decoder: Decoder, adapter: Adapter, rounds: int) -> dict[str, list[float]]:
    """Times of forward passes of several lengths over 64 tokens of context."""
    times: dict[str, list[float]] = {}
    with decoder.sequence(256, adapter) as context:
        decoder.extend(context, range(100, 164))
        for _ in range(rounds):
            for tokens in (1, 4, 64):
                del context.tokens[64:]
                name = f"{tokens} token{'s' if tokens > 1 else ''}"
                taken = milliseconds(decoder.extend, context, range(500, 500 + tokens))
                times.setdefault(name, []).append(taken)
    return times


def call(
    engine: EmbeddedDecoder, adapter: Adapter, request: str, wanted: str, grammar: str
) -> GuidedProcessor:
    """One tool call, from messages to text."""
    tokens, fixed = engine.chat.prompt([Message("system", SYSTEM), Message("user", request)])
    processor = Replay(engine.guided, grammar, max_tokens=128)
    processor.wanted = engine.chat.encode(wanted)
    text = engine.generate(Prompt(tokens, fixed, request), processor, adapter=adapter)
    if text != wanted:
        raise SystemExit(f"decoded {text!r}, wanted {wanted!r}")
    return processor


class Generate:
    """transformers' `generate` on the same base and adapter, as many new tokens as the call has."""

    def __init__(self, base: BaseModel, adapter: Path) -> None:
        import peft
        import torch
        import transformers

        torch.set_num_threads(min(4, len(os.sched_getaffinity(0))))
        self.torch = torch
        folder = base.export_hf()
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self.model = peft.PeftModel.from_pretrained(model, adapter).merge_and_unload()

    def __call__(self, prompt: list[int], tokens: int) -> None:
        ids = self.torch.tensor([prompt])
        with self.torch.inference_mode():
            self.model.generate(
                ids,
                attention_mask=self.torch.ones_like(ids),
                do_sample=False,
                min_new_tokens=tokens,
                max_new_tokens=tokens,
                pad_token_id=2,
            )


def middle(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "median": statistics.median(ordered),
        "p95": ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))],
        "least": ordered[0],
    }


def others(engine: EmbeddedDecoder, adapter: Adapter, wanted: str) -> EarlierAnswers:
    """The answers to the other requests, as an expert at work has given them before."""
    whole = contract()
    earlier = EarlierAnswers()
    for _, name, arguments in CALLS:
        answer = whole.dump({"name": name, "arguments": arguments})
        if answer != wanted:
            earlier.learn(adapter.key, engine.chat.encode(answer), engine.chat.decode)
    return earlier


def together(engine: EmbeddedDecoder, adapter: Adapter, threads: int = 4) -> dict[str, float]:
    """Calls a second, one request after the other and several side by side."""
    whole = contract()
    wanted = [
        (request, whole.dump({"name": name, "arguments": arguments})) for request, name, arguments in CALLS
    ]

    def one(pair: tuple[str, str]) -> None:
        call(engine, adapter, *pair, whole.grammar)

    rates: dict[str, float] = {}
    for name, workers in (("one by one", 1), (f"{threads} at once", threads)):
        with ThreadPoolExecutor(workers) as pool:
            rates[name] = len(wanted) * 1000 / milliseconds(lambda pool=pool: list(pool.map(one, wanted)))
    return rates


def show(report: dict[str, Any], *, as_json: bool) -> None:
    """Print figures, one a line or all as one JSON object."""
    if as_json:
        print(json.dumps(report))
        return
    for name, value in report.items():
        shown = value if isinstance(value, dict) else {"": value}
        print(f"{name:44}", "  ".join(f"{key} {number:.4g}".strip() for key, number in shown.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=36)
    parser.add_argument("--adapter", type=Path, help="PEFT folder; default: random weights, r=8")
    parser.add_argument("--model", type=Path, help="folder of a model of its own; default: the base")
    parser.add_argument("--start", action="store_true", help="the start alone")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    base = ModelFolder.find(options.model) if options.model else ensure_base()
    name = f"{options.model.resolve()}" if options.model else ""
    report: dict[str, Any] = {
        "processors": len(os.sched_getaffinity(0)),
        "load average": os.getloadavg()[0],
    }
    chosen = f"Path({str(options.adapter.resolve())!r})" if options.adapter else "None"
    starts = cold_start(loaded=_LOAD.format(name=name), answered=_FIRST_CALL.format(adapter=chosen))
    report["start until the engine is loaded"] = starts["loaded"]
    report["start until the first call is answered"] = starts["answered"]
    alone = cold_start(contract="import speeddial.contract")
    report["import of speeddial.contract alone"] = alone["contract"]
    if options.start:
        show(report, as_json=options.json)
        return
    engine = load_engine(base)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.adapter or Path(scratch)
        adapter = (
            engine.decoder.adapter(folder) if options.adapter else random_adapter(engine.decoder, folder)
        )
        for name, which in (("base", engine.decoder.base), ("adapter", adapter)):
            for length, times in passes(engine.decoder, which, 12).items():
                report[f"pass of {length}, {name}, ms"] = middle(times)
        report["calls a second"] = together(engine, adapter)
        generate: Generate | None = None
        if isinstance(base, BaseModel) and find_spec("torch") and find_spec("peft"):
            generate = Generate(base, folder)
        calls(engine, adapter, generate, options.calls, report)
    show(report, as_json=options.json)


def calls(
    engine: EmbeddedDecoder, adapter: Adapter, generate: Generate | None, count: int, report: dict[str, Any]
) -> None:
    """Whole tool calls, alternating with `generate` when that is there."""
    whole = contract()
    first: list[float] = []
    ours: list[float] = []
    cpu: list[float] = []
    theirs: list[float] = []
    written = forced = 0
    for number in range(count + 1):
        request, name, arguments = CALLS[number % len(CALLS)]
        wanted = whole.dump({"name": name, "arguments": arguments})
        engine.earlier = EarlierAnswers()
        if number == 0:  # compiles the grammar and reads the prefix
            call(engine, adapter, request, wanted, whole.grammar)
            continue
        first.append(milliseconds(call, engine, adapter, request, wanted, whole.grammar))
        engine.earlier = others(engine, adapter, wanted)
        began, busy = time.perf_counter(), time.process_time()
        decoded = call(engine, adapter, request, wanted, whole.grammar).decoder
        ours.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - busy) * 1000)
        written += len(decoded.tokens)
        forced += decoded.tokens_forced
        if generate is not None:
            prompt, _ = engine.chat.prompt([Message("system", SYSTEM), Message("user", request)])
            theirs.append(milliseconds(generate, prompt, len(decoded.tokens)))
    report["tool call, no answer before it, ms"] = middle(first)
    report["tool call, ms"] = middle(ours)
    report["tool call, processor ms"] = middle(cpu)
    report["tokens a call"] = written / count
    report["of them forced"] = forced / written
    if generate is not None:
        report["transformers generate, ms"] = middle(theirs)
        ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
        report["generate / embedded"] = middle(ratios)


if __name__ == "__main__":
    main()
