"""What exactness costs: the share of mask, choice and completion guarantee in an expert's decode time.

    python -m benchmarks.guarantee [--experts organizer,tables,planner] [--limit N]

The shipped experts answer their own evaluation cases through the whole call path of `speeddial eval`, on
the embedded engine. Measured around the seams of one decode: the guided decoder (grammar at hand, mask,
choice, confidence, the completion held ready) against the model's forward passes. Also how many of the
tokens were forced by the grammar, and how many passes the model made for the rest.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

from speeddial.flywheel.evaluate import evaluate
from speeddial.models.decoder import Decoder
from speeddial.models.embedded_decoder import EmbeddedDecoder
from speeddial.models.guided import GuidedDecoder
from speeddial.project import Project


class Clock:
    """Time spent within the outermost timed calls."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls = 0
        self._depth = 0

    @contextmanager
    def running(self) -> Any:
        self._depth += 1
        began = time.perf_counter()
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self.calls += 1
                self.seconds += time.perf_counter() - began

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(*arguments: Any, **options: Any) -> Any:
            with self.running():
                return function(*arguments, **options)

        return run


def measure(project: Project, name: str, cases: Path, limit: int) -> str:
    """One line: medians over the decodes of an expert's cases."""
    guided, model, whole = Clock(), Clock(), Clock()
    rows: list[tuple[float, float, float]] = []
    tokens = forced = passes = 0
    generate = EmbeddedDecoder.generate

    def one(engine: EmbeddedDecoder, prompt: Any, output_type: Any = None, **options: Any) -> str:
        nonlocal tokens, forced, passes
        before, made = (guided.seconds, model.seconds, whole.seconds), model.calls
        with whole.running():
            text = generate(engine, prompt, output_type, **options)
        rows.append((guided.seconds - before[0], model.seconds - before[1], whole.seconds - before[2]))
        tokens += len(output_type.decoder.tokens)
        forced += output_type.decoder.tokens_forced
        passes += model.calls - made
        return text

    with (
        patch.object(EmbeddedDecoder, "generate", one),
        patch.object(GuidedDecoder, "__init__", guided.timed(GuidedDecoder.__init__)),
        patch.object(GuidedDecoder, "choose", guided.timed(GuidedDecoder.choose)),
        patch.object(Decoder, "extend", model.timed(Decoder.extend)),
    ):
        asyncio.run(evaluate(project, name, cases, limit=limit))
    shares = sorted(row[0] / (row[0] + row[1]) for row in rows)
    ours, models, all_in = (sum(column) for column in zip(*rows, strict=True))
    p95, total = shares[int(len(shares) * 0.95)], ours / (ours + models)
    return (
        f"{name:10} {len(rows):4} decodes  share median {statistics.median(shares):.1%}, p95 {p95:.1%}, "
        f"of all time {total:.1%};  {1000 * ours / tokens:.2f} ms a token of {1000 * all_in / tokens:.1f};  "
        f"{tokens / len(rows):.1f} tokens, {forced / tokens:.0%} forced, {passes / len(rows):.1f} passes"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--experts", default="organizer,tables,planner")
    parser.add_argument("--limit", type=int, default=0, help="cases of each expert (all)")
    options = parser.parse_args()
    project = Project.load()
    for name in options.experts.split(","):
        room = "agents" if name == "planner" else "experts"
        print(measure(project, name, project.root / room / name / "cases.jsonl", options.limit), flush=True)


if __name__ == "__main__":
    main()
