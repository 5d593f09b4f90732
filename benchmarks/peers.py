"""The embedded engine beside others: same base, adapter, requests, contract, threads.

    python -m benchmarks.peers [--calls N] [--adapter FOLDER] [--dtype float32] [--json]
                               [--llamacpp PYTHON [--llamacpp-lora FILE.gguf]]

outlines with transformers runs where torch, transformers and peft are; llama-cpp-python where `--llamacpp`
names the Python of an environment that has it, on the GGUF file that our base is converted from. Every call
is decoded greedily under its grammar, so all do the same work; rounds alternate between the engines, so that
a busy machine slows all. The peers are given what they can have: one generator or grammar for all calls, so
that nothing is built again, and the adapter merged into the weights or, for llama.cpp, converted by its own
`convert_lora_to_gguf.py --base FOLDER --outfile FILE.gguf --outtype f16 ADAPTER`; without that file it runs
the base alone, which is said.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.embedded import middle, show
from benchmarks.organizer import CALLS, SYSTEM, contract
from speeddial.errors import ContractViolation
from speeddial.messages import Message
from speeddial.models import Request
from speeddial.models.base_model import BaseModel, ensure_base
from speeddial.models.chat_tokenizer import ChatTokenizer
from speeddial.models.embedded import load_engine

ADAPTER = Path(__file__).parents[1] / "experts" / "organizer" / "adapter"
MAX_TOKENS = 128

Ask = Callable[[Sequence[Message]], tuple[str, float]]
"""From messages to text and the milliseconds that it took."""


def timed(answer: Callable[[Sequence[Message]], str]) -> Ask:
    def ask(messages: Sequence[Message]) -> tuple[str, float]:
        began = time.perf_counter()
        text = answer(messages)
        return text, (time.perf_counter() - began) * 1000

    return ask


def embedded(base: BaseModel, adapter: Path) -> Ask:
    """This project's engine."""
    engine = load_engine(base)
    whole = contract()
    # With its grammar, as the peer's generator is made: otherwise a first call does that while it reads.
    engine.guided.compiled(whole.grammar)

    def answer(messages: Sequence[Message]) -> str:
        request = Request(tuple(messages), whole, adapter=adapter, max_tokens=MAX_TOKENS)
        guided, _ = engine.run(request, lambda: None)
        return guided.text

    return timed(answer)


def outlines_transformers(base: BaseModel, adapter: Path, dtype: str) -> Ask:
    """outlines' own way: its transformers model, its llguidance back end, a generator made once."""
    import outlines
    import peft
    import torch
    import transformers
    from outlines.types import JsonSchema

    torch.set_num_threads(threads())
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

    def answer(messages: Sequence[Message]) -> str:
        said = [{"role": message.role, "content": message.content} for message in messages]
        prompt = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        return str(generator(prompt, max_new_tokens=MAX_TOKENS, do_sample=False, pad_token_id=2))

    return timed(answer)


@contextmanager
def llamacpp(base: BaseModel, python: Path, lora: Path | None) -> Iterator[Ask]:
    """llama-cpp-python in a process of its own, under its own grammar of the same schema."""
    chat = ChatTokenizer(base.vocabulary)
    script = Path(__file__).with_name("llamacpp.py")
    with subprocess.Popen(
        [python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        wanted, answers = process.stdin, process.stdout

        def told(question: Any) -> dict[str, Any]:
            wanted.write(json.dumps(question) + "\n")
            wanted.flush()
            answer: dict[str, Any] = json.loads(answers.readline())
            return answer

        def ask(messages: Sequence[Message]) -> tuple[str, float]:
            answer = told(chat.prompt(messages)[0])
            return answer["text"], answer["ms"]

        told(
            {
                "model": str(base.gguf),
                "lora": str(lora) if lora else None,
                "threads": threads(),
                "schema": json.dumps(contract().schema),
                "max_tokens": MAX_TOKENS,
            }
        )
        try:
            yield ask
        finally:
            wanted.close()


def threads() -> int:
    return min(4, len(os.sched_getaffinity(0)))


def compare(engines: dict[str, Ask], count: int) -> dict[str, Any]:
    """Rounds of one call each."""
    times: dict[str, list[float]] = {name: [] for name in engines}
    same: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    for number in range(-1, count):
        messages = [Message("system", SYSTEM), Message("user", CALLS[number % len(CALLS)][0])]
        calls: dict[str, Any] = {}
        for name, ask in engines.items():
            text, milliseconds = ask(messages)
            if number < 0:  # compiles the grammar and reads the prefix
                continue
            times[name].append(milliseconds)
            try:
                calls[name] = contract().parse(text)
            except ContractViolation:
                broken[name] += 1
            same[name] += name in calls and calls[name] == calls["embedded"]
    report: dict[str, Any] = {f"{name}, ms a call": middle(values) for name, values in times.items()}
    ours = times.pop("embedded")
    for name, theirs in times.items():
        report[f"{name} / embedded, medians"] = statistics.median(theirs) / statistics.median(ours)
        report[f"{name} / embedded, each pair"] = middle([a / b for a, b in zip(theirs, ours, strict=True)])
        report[f"{name}: same call, of all"] = same[name] / count
        report[f"{name}: breaks the contract, of all"] = broken[name] / count
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=24)
    parser.add_argument("--adapter", type=Path, default=ADAPTER)
    parser.add_argument("--dtype", default="float32", help="of transformers' weights: float32 or bfloat16")
    parser.add_argument("--llamacpp", type=Path, help="Python of an environment with llama-cpp-python")
    parser.add_argument("--llamacpp-lora", type=Path, help="the adapter as llama.cpp takes it")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    base = ensure_base()
    began = time.perf_counter()
    engines = {"embedded": embedded(base, options.adapter)}
    loaded = time.perf_counter()
    report: dict[str, Any] = {
        "processors": len(os.sched_getaffinity(0)),
        "load average": os.getloadavg()[0],
        "embedded, seconds to load": loaded - began,
    }
    if find_spec("torch") and find_spec("peft"):
        name = "outlines + transformers"
        engines[name] = outlines_transformers(base, options.adapter, options.dtype)
        report[f"{name}, seconds to load"] = time.perf_counter() - loaded
    if options.llamacpp is None:
        report |= compare(engines, options.calls)
    else:
        name = "llama-cpp-python" if options.llamacpp_lora else "llama-cpp-python, base alone"
        with llamacpp(base, options.llamacpp, options.llamacpp_lora) as ask:
            report |= compare({**engines, name: ask}, options.calls)
    show(report, as_json=options.json)


if __name__ == "__main__":
    main()
