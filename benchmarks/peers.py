"""The embedded engine beside outlines with transformers: same base, adapter, requests, contract, threads.

    python -m benchmarks.peers [--calls N] [--adapter FOLDER] [--dtype float32] [--json]

Needs torch, transformers and peft. Every call is decoded greedily under its grammar, so both do the same
work; rounds alternate between the engines, so that a busy machine slows both. The peer is given what it can
have: one generator for all calls, so that neither its tokenizer nor its grammar is built again, and the
adapter merged into the weights.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.embedded import CALLS, SYSTEM, contract, middle, show
from speeddial.messages import Message
from speeddial.models import Request
from speeddial.models.base_model import BaseModel, ensure_base
from speeddial.models.embedded import load_engine

ADAPTER = Path(__file__).parents[1] / "experts" / "organizer" / "adapter"
MAX_TOKENS = 128

Ask = Callable[[Sequence[Message]], str]


def embedded(base: BaseModel, adapter: Path) -> Ask:
    """This project's engine, as a function from messages to text."""
    engine = load_engine(base)
    whole = contract()

    def ask(messages: Sequence[Message]) -> str:
        request = Request(tuple(messages), whole, adapter=adapter, max_tokens=MAX_TOKENS)
        guided, _ = engine.run(request, lambda: None)
        return guided.text

    return ask


def outlines_transformers(base: BaseModel, adapter: Path, dtype: str) -> Ask:
    """outlines' own way: its transformers model, its llguidance back end, a generator made once."""
    import outlines
    import peft
    import torch
    import transformers
    from outlines.types import JsonSchema

    torch.set_num_threads(min(4, len(os.sched_getaffinity(0))))
    folder = base.export_hf()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    model = peft.PeftModel.from_pretrained(model, adapter).merge_and_unload().eval()
    # The very schema that our grammar holds, with its compact whitespace.
    (grammar,) = json.loads(contract().grammar)["grammars"]
    generator = outlines.Generator(
        outlines.from_transformers(model, tokenizer),
        JsonSchema(json.dumps(grammar["json_schema"])),
        backend="llguidance",
    )

    def ask(messages: Sequence[Message]) -> str:
        said = [{"role": message.role, "content": message.content} for message in messages]
        prompt = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        return str(generator(prompt, max_new_tokens=MAX_TOKENS, do_sample=False, pad_token_id=2))

    return ask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=24)
    parser.add_argument("--adapter", type=Path, default=ADAPTER)
    parser.add_argument("--dtype", default="float32", help="of the peer's weights: float32 or bfloat16")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    base = ensure_base()
    began = time.perf_counter()
    ours = embedded(base, options.adapter)
    loaded = time.perf_counter()
    theirs = outlines_transformers(base, options.adapter, options.dtype)
    report: dict[str, Any] = {
        "processors": len(os.sched_getaffinity(0)),
        "load average": os.getloadavg()[0],
        "embedded, seconds to load": loaded - began,
        "outlines + transformers, seconds to load": time.perf_counter() - loaded,
    }
    times: dict[str, list[float]] = {"embedded": [], "outlines + transformers": []}
    same = 0
    for number in range(-1, options.calls):
        request = CALLS[number % len(CALLS)][0]
        messages = [Message("system", SYSTEM), Message("user", request)]
        calls = []
        for name, ask in (("embedded", ours), ("outlines + transformers", theirs)):
            began = time.perf_counter()
            calls.append(contract().parse(ask(messages)))
            if number >= 0:  # the first one compiles the grammar and reads the prefix
                times[name].append((time.perf_counter() - began) * 1000)
        same += number >= 0 and calls[0] == calls[1]
    for name, values in times.items():
        report[f"{name}, ms a call"] = middle(values)
    medians = {name: statistics.median(values) for name, values in times.items()}
    report["ratio of the medians"] = medians["outlines + transformers"] / medians["embedded"]
    ratios = [
        their / our for our, their in zip(times["embedded"], times["outlines + transformers"], strict=True)
    ]
    report["ratio of each pair"] = middle(ratios)
    report["same call, of all"] = same / options.calls
    show(report, as_json=options.json)


if __name__ == "__main__":
    main()
