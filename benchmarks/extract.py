"""Records read from mails, invoices and log lines: each field right, made up, missed or wrong; whole records.

    python -m benchmarks.extract [--data FILE] [--model ENGINE:NAME] [--limit N] [--wrong N]

A field is compared as it was read (a date by its day, a number by its value, texts without regard to case).
Made up is a value where the text says none, missed is null where it says one; a list is one field.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from speeddial.contract import ResolveContext
from speeddial.extraction import RECORD, contract_of
from speeddial.flywheel.cases import normal
from speeddial.flywheel.evaluate import alone, wilson
from speeddial.jsonlines import read_objects
from speeddial.project import Project
from speeddial.record import Record
from speeddial.run import Runner

ROOT = Path(__file__).resolve().parents[1]
NOW = datetime(2026, 11, 22, 14, tzinfo=UTC)
"""Both records are read at this time."""
NOTHING: tuple[Any, ...] = (None, [])


def judged(gold: Mapping[str, Any], got: Mapping[str, Any] | None) -> Counter[str]:
    """How many fields of one record came out ``right``, ``made up``, ``missed`` or ``wrong``.

    Args:
        gold: name -> value as read, null where the text says nothing.
        got: likewise; None when no valid record came: then all that is said is missed, and nothing is right.

    Returns:
        these counts, and those of the fields that are ``null`` and ``said`` in `gold`.
    """
    counts: Counter[str] = Counter()
    for name, wanted in gold.items():
        value = (got or {}).get(name)
        wanted, value = normal(wanted, frozenset()), normal(value, frozenset())
        if wanted in NOTHING:
            counts["null"] += 1
            if got is not None:
                counts["right" if value in NOTHING else "made up"] += 1
        else:
            counts["said"] += 1
            counts["right" if value == wanted else "missed" if value in NOTHING else "wrong"] += 1
    return counts


def as_read(schema: dict[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a call, phrases read; fields without a value are null."""
    contract = contract_of(schema)
    record: dict[str, Any] = contract.resolve(arguments, ResolveContext(now=NOW))[RECORD]
    return {name: record.get(name) for name in schema["properties"]}


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=ROOT / "experts/extract/cases.jsonl")
    options.add_argument("--model", default=None)
    options.add_argument("--limit", type=int, default=0)
    options.add_argument("--wrong", type=int, default=0)
    given = options.parse_args()
    rows = [row for _, row in read_objects(given.data)]
    if given.limit:
        rows = random.Random(7).sample(rows, given.limit)
    project = Project.load(ROOT, overrides={"model": given.model} if given.model else None)
    expert = project.expert("extract")
    totals: dict[str, Counter[str]] = {}
    shown = 0
    with tempfile.TemporaryDirectory() as folder, Record.open(Path(folder) / "record.db") as record:
        runner = Runner(alone(project, expert, project.model_of(expert)), record=record)
        for row in rows:
            outcome = await runner.call(
                "extract", row["input"], given={"schema": row["schema"]}, execute=False
            )
            gold = as_read(row["schema"], row["calls"][0]["arguments"])
            got = None
            if outcome.call is not None and outcome.call.name == "extract" and outcome.resolved is not None:
                got = as_read(row["schema"], outcome.call.arguments)
            counts = judged(gold, got)
            whole = counts["right"] == len(gold)
            counts |= Counter(records=1, whole=int(whole), answered=int(got is not None))
            for name in (row["id"].rpartition("-")[0], "all"):
                totals.setdefault(name, Counter()).update(counts)
            totals["all"]["ms"] += round(outcome.latency_ms)
            if not whole and shown < given.wrong:
                shown += 1
                print(f"\n{row['id']} {row['input']!r}\n  gold {gold}\n  got  {got} {outcome.error}")
    print(
        "| texts | records | whole | 95 % | fields right | made up of null | missed of said | wrong of said |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name, counts in totals.items():
        low, high = wilson(counts["whole"], counts["records"])
        said, nothing = counts["said"], counts["null"]
        shares = (
            counts["right"] / (said + nothing),
            counts["made up"] / max(1, nothing),
            counts["missed"] / said,
            counts["wrong"] / said,
        )
        records = counts["whole"] / counts["records"]
        print(
            f"| {name} | {counts['records']} | {records:.1%} | {abs(low):.0%} to {high:.0%} | "
            + " | ".join(f"{share:.1%}" for share in shares)
            + " |"
        )
    every = totals["all"]
    each = every["ms"] / every["records"]
    print(f"\n{every['answered']} of {every['records']} answered; {each:.0f} ms a record")


if __name__ == "__main__":
    asyncio.run(main())
