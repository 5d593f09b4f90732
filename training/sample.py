"""The samples that the first adapters were trained on: what two CPU cores get through in an hour and a half.

    python -m training.sample FOLDER OUT

FOLDER holds the recipes' ``*_train.jsonl``. Every HWU64 row is kept, of the rest so much that organizer,
tables and planner take about as long as each other; long rows cost most and are left out.
"""

import argparse
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
SEED = 20261122
PLANNER_USUAL = 760
"""Most characters of a planner row with two experts in its registry."""
PLANNER_OTHERS = 820


def organizer(rows: list[Row], dice: random.Random) -> list[Row]:
    def of(source: str) -> list[Row]:
        return [row for row in rows if row["source"] == source]

    return [
        *of("hwu64"),
        *dice.sample(of("hwu64-swapped"), 400),
        *dice.sample(of("hwu64-refuse"), 300),
        *dice.sample(of("clinc150"), 200),
        *of("clinc150-oos")[:60],
        *dice.sample(of("generated"), 2900),
    ]


def tables(rows: list[Row], dice: random.Random) -> list[Row]:
    def of(source: str, shorter: int) -> list[Row]:
        return [
            row for row in rows if row["source"] == source and len(row["messages"][1]["content"]) < shorter
        ]

    generated, wikisql = of("generated", 260), of("wikisql", 330)
    return [*dice.sample(generated, 2900), *dice.sample(wikisql, 2600)]


def planner(rows: list[Row], dice: random.Random) -> list[Row]:
    def experts(row: Row) -> int:
        return str(row["messages"][0]["content"]).count("\n- ")

    def chars(row: Row) -> int:
        return sum(len(message["content"]) for message in row["messages"])

    usual = [row for row in rows if experts(row) == 2 and chars(row) < PLANNER_USUAL]
    others = [row for row in rows if experts(row) != 2 and chars(row) < PLANNER_OTHERS]
    return [*dice.sample(usual, 2300), *dice.sample(others, 1700)]


PICKS: dict[str, Callable[[list[Row], random.Random], list[Row]]] = {
    "organizer": organizer,
    "tables": tables,
    "planner": planner,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    dice = random.Random(SEED)
    for name, pick in PICKS.items():
        with (options.folder / f"{name}_train.jsonl").open(encoding="utf-8") as lines:
            rows = pick([json.loads(line) for line in lines], dice)
        dice.shuffle(rows)
        with (options.out / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        print(name, len(rows))


if __name__ == "__main__":
    main()
