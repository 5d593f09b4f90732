"""Whether every decode ends valid within its budget: any schemas, the embedded engine, random weights.

    python -m benchmarks.exact --schemas FILE.jsonl --budgets 64,128,256 --samples 3 --weights random \\
        --out OUT.jsonl

Reads lines ``{"id", "schema"}`` and writes one line ``{"id", "budget", "sample", "status", "text"}`` for each
schema, budget and sample. The status is ``ok``; ``refused`` with a ``reason`` when the schema has no grammar;
``below_minimum`` when no output of it fits the budget (``minimum`` says what would); ``failed`` with a
``reason`` when the rules that the grammar cannot hold were still broken after the last resampling.

``random`` weights are a two-layer decoder with the base's whole vocabulary, run by the very same engine: what
it emits is what the grammar admits, the worst case. ``base`` is the base model itself, 40 times slower. An
independent judge (jsonschema, the schema as given, in its own draft, formats asserted) counts at the end.
"""

from __future__ import annotations

import argparse
import json
import lzma
import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from speeddial.contract import Contract
from speeddial.errors import ContractViolation, DefinitionError, EngineRefused
from speeddial.models.base_graph import SHAPE, Block8, LlamaShape, write_graph
from speeddial.models.base_model import BaseModel, ensure_base
from speeddial.models.embedded import load_engine
from speeddial.models.embedded_decoder import EmbeddedDecoder, Prompt
from speeddial.models.guided import GuidedProcessor

TRIES = 20
"""Decodes of one line at most, each with another seed; more than one only for rules beyond the grammar."""

Line = dict[str, Any]


class RandomWeights:
    """A decoder of two narrow layers whose weights are drawn at random."""

    def __init__(self, shape: LlamaShape, seed: int = 0) -> None:
        self.shape = replace(shape, layers=2, heads=2, kv_heads=1, head_size=32, hidden=64, feed_forward=128)
        self._random = np.random.default_rng(seed)

    def _matrix(self, rows: int, columns: int) -> Block8:
        values = self._random.standard_normal((rows, columns)) / np.sqrt(columns)
        return Block8.of_weights(values.astype(np.float32))

    def linear(self, layer: int, module: str) -> Block8:
        return self._matrix(self.shape.rows(module), self.shape.columns(module))

    def norm(self, name: str) -> npt.NDArray[np.float32]:
        return np.ones(self.shape.hidden, np.float32)

    def embedding(self) -> Block8:
        # The embedding's zero points are fixed, see `map_embedding`.
        made = self._matrix(self.shape.vocabulary, self.shape.hidden)
        return made._replace(zero=np.full(made.scale.shape, 128, np.uint8))


@contextmanager
def weights(kind: str) -> Iterator[BaseModel]:
    """The base, or a folder with random weights and the base's tokenizer that is removed at the end."""
    base = ensure_base()
    if kind == "base":
        yield base
        return
    with tempfile.TemporaryDirectory() as folder:
        random = BaseModel(base.source, Path(folder))
        random.graph.mkdir()
        shape = LlamaShape(**json.loads((base.graph / SHAPE).read_text(encoding="utf-8")))
        write_graph(random.graph, RandomWeights(shape))
        random.vocabulary.write_bytes(base.vocabulary.read_bytes())
        yield random


class Sampler:
    """Decodes the lines of one schema after the other."""

    def __init__(self, engine: EmbeddedDecoder, budgets: list[int], samples: int, temperature: float) -> None:
        self.engine = engine
        self.budgets = budgets
        self.samples = samples
        self.temperature = temperature
        self.prompt = Prompt(engine.chat.encode("Reply with one JSON value."), 0)

    def lines(self, number: int, name: str, schema: Any) -> Iterator[Line]:
        """One line for each budget and sample.

        Args:
            number: position in the file; seeds derive from it.
            name: the schema's id.
            schema: as read.
        """
        kept = [(budget, sample) for budget in self.budgets for sample in range(self.samples)]
        try:
            contract = Contract.from_schema(schema, name=str(name))
            shortest = len(self.engine.guided.shortest(contract.grammar))
        except (DefinitionError, EngineRefused) as error:
            reason = " ".join(str(error).split())
            for budget, sample in kept:
                yield _line(name, budget, sample, "refused", reason=reason)
            return
        for budget, sample in kept:
            if budget < shortest:
                yield _line(name, budget, sample, "below_minimum", minimum=shortest)
                continue
            try:
                yield self._line(contract, name, budget, sample, seed=number * 1000 + sample)
            except Exception as error:  # noqa: BLE001 - a bug of ours is a failed line, not the end of the run
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                yield _line(name, budget, sample, "failed", reason=reason[:500])

    def _line(self, contract: Contract, name: str, budget: int, sample: int, seed: int) -> Line:
        text, reason = "", ""
        for attempt in range(TRIES):
            processor = GuidedProcessor(
                self.engine.guided,
                contract.grammar,
                max_tokens=budget,
                temperature=self.temperature,
                seed=seed * TRIES + attempt,
            )
            text = self.engine.generate(self.prompt, processor)
            try:
                contract.parse(text)
            except ContractViolation as error:
                reason = " ".join(str(error).split())
                if not contract.report.after:
                    break  # the grammar promised all of it: trying again would hide the bug
            else:
                return _line(name, budget, sample, "ok", text=text, tries=attempt + 1)
        return _line(name, budget, sample, "failed", text=text, reason=reason[:500])


def _line(name: str, budget: int, sample: int, status: str, *, text: str = "", **more: Any) -> Line:
    return {"id": name, "budget": budget, "sample": sample, "status": status, "text": text, **more}


def judged(schema: Any, text: str) -> str:
    """What an independent validator has against a text; empty when it is valid.

    Raises:
        re.error: a pattern that Python's regular expressions cannot read (``\\p{L}``), so jsonschema neither.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.validators import validator_for

    try:
        value = json.loads(text)
    except ValueError as broken:
        return f"not JSON: {broken}"
    judge = validator_for(schema, default=Draft202012Validator)
    fault = next(iter(judge(schema, format_checker=judge.FORMAT_CHECKER).iter_errors(value)), None)
    return "" if fault is None else f"{fault.json_path}: {fault.message[:200]}"


def read_schemas(path: Path, limit: int | None) -> list[tuple[str, Any]]:
    """``{"id", "schema"}`` of each line of a JSONL file, packed by xz or not."""
    rows: list[tuple[str, Any]] = []
    with (
        lzma.open(path, "rt", encoding="utf-8")
        if path.suffix == ".xz"
        else path.open(encoding="utf-8") as file
    ):
        for number, line in enumerate(file):
            if line.strip() and (limit is None or len(rows) < limit):
                row = json.loads(line)
                rows.append((row.get("id", str(number)), row["schema"]))
    return rows


_sampler: Sampler


def _begin(base: BaseModel, budgets: list[int], samples: int, temperature: float) -> None:
    global _sampler
    _sampler = Sampler(load_engine(base), budgets, samples, temperature)


def _work(task: tuple[int, str, Any]) -> list[Line]:
    return list(_sampler.lines(*task))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--schemas", type=Path, required=True, help='JSONL of {"id", "schema"}, .xz too')
    parser.add_argument("--out", type=Path, required=True, help="JSONL, one line a decode")
    parser.add_argument("--budgets", default="64,128,256", help="tokens, with commas (64,128,256)")
    parser.add_argument("--samples", type=int, default=3, help="decodes for each budget (3)")
    parser.add_argument("--weights", choices=["random", "base"], default="random")
    parser.add_argument("--temperature", type=float, default=1.0, help="0 takes the likeliest token (1)")
    parser.add_argument("--limit", type=int, help="schemas at most")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (all processors)")
    options = parser.parse_args()
    budgets = [int(part) for part in options.budgets.split(",")]
    rows = read_schemas(options.schemas, options.limit)
    statuses: Counter[str] = Counter()
    refused: set[str] = set()
    faults: list[Line] = []
    unjudged = 0
    began = time.perf_counter()
    with weights(options.weights) as base, options.out.open("w", encoding="utf-8") as out:
        context = multiprocessing.get_context("spawn")
        arguments = (base, budgets, options.samples, options.temperature)
        with context.Pool(options.workers, _begin, arguments) as pool:
            tasks = [(number, name, schema) for number, (name, schema) in enumerate(rows)]
            for number, lines in enumerate(pool.imap(_work, tasks)):
                for line in lines:
                    statuses[line["status"]] += 1
                    out.write(json.dumps(line, ensure_ascii=False) + "\n")
                    if line["status"] == "refused":
                        refused.add(line["id"])
                    elif line["status"] == "ok":
                        try:
                            fault = judged(rows[number][1], line["text"])
                        except re.error:
                            unjudged += 1
                        else:
                            faults += [{**line, "fault": fault}] if fault else []
                if sys.stderr.isatty() or number % 100 == 99:
                    print(f"\r{number + 1}/{len(rows)} schemas", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    total = sum(statuses.values())
    print(f"{len(rows)} schemas, {total} lines, {time.perf_counter() - began:.0f} s")
    for status, count in statuses.most_common():
        print(f"  {status:14} {count:7}  {100 * count / max(total, 1):6.2f} %")
    print(f"  schemas refused {len(refused)} ({100 * len(refused) / max(len(rows), 1):.2f} %)")
    print(f"  ok and invalid for the independent judge: {len(faults)}")
    if unjudged:
        print(f"  ok and beyond the judge, whose regular expressions are Python's: {unjudged}")
    for line in faults[:20]:
        print(f"    {line['id']}: {line['fault']}: {line['text'][:120]!r}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
