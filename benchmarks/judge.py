"""How often a judge's verdict is the one a person gave, beside chance.

    python -m benchmarks.judge [--model ENGINE:NAME]

The cases come in pairs of one criterion with an answer that meets it and one that does not: a judge that
always says the same, or draws lots, is right in half of them; in both of a pair by chance in a quarter.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from speeddial.flywheel.evaluate import wilson
from speeddial.jsonlines import read_objects
from speeddial.judge import Verdict
from speeddial.project import Project
from speeddial.record import Record
from speeddial.run import Runner

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "agents/judge/cases.jsonl"


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", default=None)
    model = options.parse_args().model
    rows = [row for _, row in read_objects(CASES)]
    # The planner's model would be asked when the judge fails; here it is to answer alone.
    overrides = {"model": model, "planner": model} if model else None
    project = Project.load(ROOT, overrides=overrides)
    counts: Counter[str] = Counter()
    rights = []
    with tempfile.TemporaryDirectory() as folder, Record.open(Path(folder) / "record.db") as record:
        runner = Runner(project, record=record)
        for row in rows:
            outcome = await runner.call("judge", row["input"], given={"criteria": row["criteria"]})
            verdict = outcome.as_type(Verdict) if outcome.ok else None
            rights.append(verdict is not None and verdict.verdict == row["verdict"])
            counts["valid"] += verdict is not None
            counts["with spans"] += verdict is not None and bool(verdict.spans)
            counts[f"says {verdict.verdict if verdict else 'nothing'}"] += 1
            counts["ms"] += round(outcome.latency_ms)
    low, high = wilson(sum(rights), len(rights))
    pairs = sum(first and second for first, second in zip(rights[::2], rights[1::2], strict=True))
    print(f"right {sum(rights)} of {len(rights)} ({low:.0%} to {high:.0%})")
    print(f"both of a pair {pairs} of {len(rows) // 2}")
    print(", ".join(f"{name} {count}" for name, count in counts.items() if name != "ms"))
    print(f"{counts['ms'] / len(rows):.0f} ms a verdict")


if __name__ == "__main__":
    asyncio.run(main())
