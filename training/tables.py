"""Recipe: training and development rows of the `tables` expert, from WikiSQL and from generated questions.

    python -m training.tables ../shared/data --out OUT_FOLDER

writes tables_train.jsonl, tables_dev_wikisql.jsonl (the official development part), a fixed sample of that in
tables_dev_wikisql_1000.jsonl, and tables_dev_generated.jsonl (tables and wordings new to the model). The same
seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from training.organizer import read
from training.tables_questions import ask, ask_about, draw_columns
from training.tables_schemas import HELD_OUT, TABLES, parse_tables

Json = dict[str, Any]
PER_TABLE = 5
"""Questions drawn over the same columns: training computes the columns' tokens once for all of them."""
SYSTEM = "You are tables. You turn a question about one table into a query. Reply with one call as JSON."


def compact(value: Any) -> str:
    """JSON as the experts write it: no blanks, letters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def columns_line(columns: Iterable[tuple[str, str]]) -> str:
    """The prompt's first line."""
    return f"Columns: {' | '.join(f'{name}:{type}' for name, type in columns)}"


def row(id: str, source: str, question: str, columns: Sequence[tuple[str, str]], call: Json) -> Json:
    """One line of the files: what evaluation needs, and the messages that training learns."""
    return {
        "id": id,
        "source": source,
        "input": question,
        "columns": [{"name": name, "type": type} for name, type in columns],
        "calls": [call],
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": f"{columns_line(columns)}\n{question}"},
            {"role": "assistant", "content": compact(call)},
        ],
    }


def occurrences(value: str, question: str) -> list[tuple[int, int]]:
    """Where the value stands in the question, whole words first, ignoring case."""
    found = [match.span() for match in re.finditer(re.escape(value), question, re.IGNORECASE)]

    def broken(span: tuple[int, int]) -> bool:
        start, end = span
        inside = question[start - 1 : start].isalnum() and question[start : start + 1].isalnum()
        return inside or (question[end : end + 1].isalnum() and question[end - 1 : end].isalnum())

    return sorted(found, key=lambda span: (broken(span), span))


def as_number(text: str) -> int | float | None:
    """The number that a text writes ("1,276", "0.50"), or None."""
    cleaned = text.replace(",", "").strip()
    if not re.fullmatch(r"[-+]?\d+(\.\d+)?", cleaned):
        return None
    value = float(cleaned)
    return int(value) if value == int(value) and "." not in cleaned else value


def wikisql_call(item: Json, types: dict[str, str]) -> Json | None:
    """The query of a WikiSQL question, values as the question writes them, conditions in reading order.

    None when a value is not in the question, or an operator does not fit the column's type.
    """
    question = " ".join(item["q"].split())
    placed: list[tuple[int, Json]] = []
    taken: list[tuple[int, int]] = []
    for column, op, raw in sorted(item["conds"], key=lambda condition: -len(str(condition[2]))):
        text = " ".join(str(raw).split())
        spans = occurrences(text, question)
        free = [span for span in spans if all(span[1] <= a or span[0] >= b for a, b in taken)] or spans
        if not free or column not in types:
            return None
        start, end = free[0]
        taken.append((start, end))
        value: Any = question[start:end]
        if types[column] == "number":
            value = as_number(value)
            if value is None:
                return None
        elif op != "=":
            return None
        placed.append((start, {"column": column, "op": op, "value": value}))
    selected: Json = {"column": item["sel"]}
    if item["agg"]:
        selected["aggregate"] = item["agg"].lower()
    arguments: Json = {"select": [selected]}
    where = [condition for _, condition in sorted(placed, key=lambda pair: pair[0])]
    if where:
        arguments["where"] = where
    return {"name": "query_table", "arguments": arguments}


def wikisql_rows(items: Iterable[Json], tables: dict[str, Json], part: str) -> Iterator[Json]:
    """Rows of one part of WikiSQL; questions without a usable query are left out."""
    for number, item in enumerate(items):
        table = tables[item["table"]]
        columns = list(zip(table["cols"], table["types"], strict=True))
        call = wikisql_call(item, dict(columns))
        if call is not None:
            question = " ".join(item["q"].split())
            yield row(f"wikisql-{part}-{number}", "wikisql", question, columns, call)


def varied(seed: int, one: Json) -> Json:
    """A training row with its columns in another order, so that their places carry no meaning.

    The order is the table's, not the row's: training computes an opening that rows share only once.
    """
    columns = sorted((column["name"], column["type"]) for column in one["columns"])
    random.Random(f"{seed}:{columns_line(columns)}").shuffle(columns)
    return row(one["id"], one["source"], one["input"], columns, one["calls"][0])


def generated_rows(count: int, seed: int, held: bool = False) -> Iterator[Json]:
    """Rows over generated tables; `held` asks about the held-out tables in the held-out wordings."""
    dice = random.Random(f"tables:{seed}:{held}")
    seen, unseen = parse_tables(TABLES), parse_tables(HELD_OUT)
    asked: set[tuple[str, str]] = set()
    source = "generated-dev" if held else "generated"
    while len(asked) < count:
        if held:
            questions = [ask(dice, unseen, seen, held)]
        else:
            table = dice.choice(seen)
            columns = draw_columns(dice, table, seen)
            drawn = [ask_about(dice, table, columns, seen) for _ in range(PER_TABLE)]
            questions = [question for question in drawn if question is not None]
        for question in questions:
            key = (question.text.casefold(), columns_line(question.columns))
            if key in asked:
                continue
            asked.add(key)
            yield row(
                f"{source}-{question.intent}-{len(asked)}",
                source,
                question.text,
                question.columns,
                question.call,
            )


def write(file: Path, rows: Sequence[Json], only: Sequence[str] = ()) -> None:
    """Writes JSONL, and says on stderr what went in."""
    with file.open("w", encoding="utf-8") as out:
        for one in rows:
            out.write(compact({key: one[key] for key in only or one}) + "\n")
    sources = ", ".join(
        f"{count} {source}" for source, count in Counter(one["source"] for one in rows).items()
    )
    print(f"{file}: {len(rows)} rows ({sources})", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; see the module's first lines."""
    parser = argparse.ArgumentParser(prog="python -m training.tables", description=__doc__)
    parser.add_argument("data", type=Path, help="folder with wikisql/{train,dev,tables}.jsonl.xz")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--generated", type=int, default=44_000)
    parser.add_argument("--wikisql", type=int, default=60_000, help="at most so many WikiSQL rows")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    folder = given.data / "wikisql"
    tables = {table["id"]: table for table in read(folder / "tables.jsonl.xz")}
    dice = random.Random(f"tables:{given.seed}")
    train = list(wikisql_rows(read(folder / "train.jsonl.xz"), tables, "train"))
    train = [varied(given.seed, one) for one in dice.sample(train, min(len(train), given.wikisql))]
    train += generated_rows(given.generated, given.seed)
    dice.shuffle(train)
    write(given.out / "tables_train.jsonl", train, ("id", "messages", "source"))
    development = list(wikisql_rows(read(folder / "dev.jsonl.xz"), tables, "dev"))
    write(given.out / "tables_dev_wikisql.jsonl", development)
    write(
        given.out / "tables_dev_wikisql_1000.jsonl",
        random.Random(1).sample(development, min(1000, len(development))),
    )
    write(given.out / "tables_dev_generated.jsonl", list(generated_rows(500, given.seed, held=True)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
