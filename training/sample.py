"""The samples that the shipped adapters were trained on: what two CPU cores get through in an afternoon.

    python -m training.sample FOLDER OUT

FOLDER holds the recipes' ``*_train.jsonl``. Stage 1 began from nothing; stage 2 goes on from its adapters
with other rows, whole families of rows with one opening (a table's columns, a registry) together. The rows
of stage 1 of tables and planner come from the recipes of commit 6a1a883, with a new opening for each row.
"""

import argparse
import json
import random
from pathlib import Path
from typing import Any

from training.organizer import read

Row = dict[str, Any]
TABLES_LONGEST, PLANNER_LONGEST = 430, 900
"""Characters of a row: of what a tables row is asked, of all that a planner row holds."""


def asked(row: Row) -> str:
    return str(row["messages"][1]["content"])


def organizer_1(rows: list[Row]) -> list[Row]:
    def of(source: str) -> list[Row]:
        return [row for row in rows if row["source"] == source]

    dice = random.Random(20261122)
    picked = [
        *of("hwu64"),
        *dice.sample(of("hwu64-swapped"), 400),
        *dice.sample(of("hwu64-refuse"), 300),
        *dice.sample(of("clinc150"), 200),
        *of("clinc150-oos")[:60],
        *dice.sample(of("generated"), 2900),
    ]
    dice.shuffle(picked)
    return picked


def organizer_2(rows: list[Row], used: list[Row]) -> list[Row]:
    """All of HWU64's own rows again, and new ones of the rest."""
    known = {row["id"] for row in used}

    def of(source: str) -> list[Row]:
        return [row for row in rows if row["source"] == source]

    def fresh(source: str) -> list[Row]:
        return [row for row in of(source) if row["id"] not in known]

    dice = random.Random(20261124)
    picked = [
        *of("hwu64"),
        *dice.sample(fresh("hwu64-swapped"), 700),
        *dice.sample(fresh("hwu64-refuse"), 350),
        *dice.sample(fresh("clinc150"), 150),
        *of("clinc150-oos")[60:],
        *dice.sample(fresh("generated"), 2400),
    ]
    dice.shuffle(picked)
    return picked


def tables_2(rows: list[Row]) -> list[Row]:
    """Whole tables: 13,000 questions of WikiSQL and 9,000 generated ones."""
    families: dict[str, list[Row]] = {}
    for row in rows:
        if len(asked(row)) < TABLES_LONGEST:
            families.setdefault(asked(row).split("\n")[0], []).append(row)
    dice = random.Random(5)
    picked: list[Row] = []
    drawn = {
        source: [rows for rows in families.values() if rows[0]["source"] == source]
        for source in ("wikisql", "generated")
    }
    for source in drawn:
        dice.shuffle(drawn[source])
    for source, count in (("wikisql", 13_000), ("generated", 9_000)):
        enough = len(picked) + count
        for family in drawn[source]:
            if len(picked) >= enough:
                break
            picked += family
    dice.shuffle(picked)
    return picked


def planner_2(rows: list[Row]) -> list[Row]:
    return [
        row for row in rows if sum(len(message["content"]) for message in row["messages"]) < PLANNER_LONGEST
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    organizer, tables, planner = (
        read(options.folder / f"{name}_train.jsonl") for name in ("organizer", "tables", "planner")
    )
    first = organizer_1(organizer)
    samples = {
        "organizer-1": first,
        "organizer-2": organizer_2(organizer, first),
        "tables-2": tables_2(tables),
        "planner-2": planner_2(planner),
    }
    for name, rows in samples.items():
        with (options.out / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        print(name, len(rows))


if __name__ == "__main__":
    main()
