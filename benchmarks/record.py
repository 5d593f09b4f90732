"""What recording costs a call: committed before use, in both durabilities, alone and with others.

    python benchmarks/record.py [--folder DIR] [--rows 3000] [--texts FILE_OR_FOLDER] [--url postgresql://...]

An interaction is what an expert's call writes: system prompt, twelve tool schemas, a request, a call,
a receipt; it is written at its start and at its end. The peer is the plainest way to the same row: one
INSERT of its JSON when it has ended, SQLite's autocommit, ``synchronous=OFF`` (Arize Phoenix's setting; a
power cut may cost the whole file), nothing redacted, nothing shared. With --texts, the redaction's finds in
public texts (where there should be none) are counted too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import lzma
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from speeddial.messages import Message
from speeddial.record import JournalKey, Record, Redactor
from speeddial.record.commits import Pending, Write
from speeddial.record.database import Synchronous
from speeddial.record.redact import SECRETS

PRODUCERS = (1, 8, 32)
SYNCHRONOUS: tuple[Synchronous, ...] = ("normal", "full")
CALL = {"name": "create_reminder", "arguments": {"text": "call the dentist", "date": "tomorrow", "time": "9"}}
RAW = '{"name":"create_reminder","arguments":{"text":"call the dentist","date":"tomorrow","time":"9"}}'
SYSTEM = Message(
    "system", "You are organizer. You handle calendar events, reminders, alarms, lists and mail drafts."
)
TOOLS = [
    {
        "name": f"tool_{number}",
        "description": "Does one thing with the words that the request says.",
        "parameters": {
            "type": "object",
            "properties": {
                name: {"type": "string", "maxLength": 200} for name in ("title", "date", "time", "people")
            },
            "required": ["title"],
            "additionalProperties": False,
        },
    }
    for number in range(12)
]


RECEIPT = {"constrained": True, "backend": "llguidance 1.9.1 via outlines 1.3.3"}


def starting(record: Record, run: str, number: int) -> Write[int]:
    return record.starting(
        run,
        "model",
        step=1,
        expert="organizer",
        model="embedded:smollm2-135m-instruct",
        messages=messages(number),
        tools=TOOLS,
        schema_hash="sha256:" + "ab" * 32,
    )


def finishing(record: Record, asked: int | Pending[int]) -> Write[int]:
    return record.finishing(
        asked,
        "exact",
        raw=RAW,
        parsed=CALL,
        receipt=RECEIPT,
        confidence=0.97,
        tokens_in=120,
        tokens_out=34,
        tokens_forced=20,
    )


def messages(number: int) -> list[Message]:
    return [SYSTEM, Message("user", f"remind me tomorrow at 9 to call the dentist, number {number}")]


def start(record: Record, run: str, number: int) -> int:
    return record.database.commit(starting(record, run, number))


def finish(record: Record, interaction: int) -> None:
    record.database.commit(finishing(record, interaction))


def tool_step(record: Record, run: str, number: int) -> None:
    """All that a tool's execution writes: one commit before it acts, one before its result is used."""
    key = JournalKey(run, number, 1, "tool")
    with record.writing():
        ran = record.start_interaction(
            run, "tool", step=1, tool="create_reminder", arguments=CALL["arguments"]
        )
        record.journal.begin(key, "write", CALL)
    with record.writing():
        record.finish_interaction(ran, "done", result="reminder set", text="reminder set")
        record.journal.finish(key, {"value": "reminder set"})


def show(name: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    p50, p90, p99 = (ordered[int(len(ordered) * share)] * 1e3 for share in (0.5, 0.9, 0.99))
    print(f"{name:40} p50 {p50:7.3f}   p90 {p90:7.3f}   p99 {p99:7.3f}   max {ordered[-1] * 1e3:7.3f} ms")


def timed(action: Callable[[int], object], count: int) -> list[float]:
    taken = []
    for number in range(count):
        began = time.perf_counter()
        action(number)
        taken.append(time.perf_counter() - began)
    return taken


def one_process(folder: Path, rows: int, synchronous: Synchronous) -> None:
    with Record.open(folder / f"{synchronous}.db", synchronous=synchronous) as record:
        run = record.begin_run("benchmark")
        asked: list[int] = []
        started = timed(lambda number: asked.append(start(record, run, number)), rows)
        show(f"{synchronous}: start_interaction", started)
        show(f"{synchronous}: finish_interaction", timed(lambda number: finish(record, asked[number]), rows))
        show(
            f"{synchronous}: a tool's two commits", timed(lambda number: tool_step(record, run, number), rows)
        )
        size = sum(path.stat().st_size for path in folder.glob(f"{synchronous}.db*"))
        print(f"{'bytes a call with its tool':44} {size / rows:7.0f}")
        show(f"reading a run of {2 * rows} interactions", timed(lambda _: record.run(run), 3))
    show("opening a record", timed(lambda _: Record.open(folder / f"{synchronous}.db").close(), 20))


def plain_inserts(folder: Path, rows: int) -> float:
    """Interactions a second of the peer."""
    with closing(sqlite3.connect(folder / "plain.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=OFF")
        db.execute("CREATE TABLE spans (id INTEGER PRIMARY KEY, run TEXT, started REAL, body TEXT)")
        db.execute("CREATE INDEX spans_of_run ON spans(run)")
        began = time.perf_counter()
        for number in range(rows):
            body = {
                "messages": [message.as_dict() for message in messages(number)],
                "tools": TOOLS,
                "raw": RAW,
                "parsed": CALL,
                "receipt": RECEIPT,
                "status": "exact",
            }
            db.execute(
                "INSERT INTO spans (run, started, body) VALUES ('r', ?, ?)", (time.time(), json.dumps(body))
            )
        return rows / (time.perf_counter() - began)


async def grouped(record: Record, producers: int, rows: int) -> tuple[float, list[float], list[float]]:
    """Interactions a second by so many tasks; what each call paid and how long it waited, in seconds."""
    run = await record.committed(record.beginning_run("benchmark"))
    paid, waited = list[float](), list[float]()

    async def produce(first: int) -> None:
        for number in range(first, rows, producers):
            moments = [time.perf_counter()]
            asked = await record.enqueue(starting(record, run, number))
            end = await record.enqueue(finishing(record, asked))
            moments.append(time.perf_counter())
            await end
            paid.append(moments[1] - moments[0])
            waited.append(time.perf_counter() - moments[1])

    began = time.perf_counter()
    await asyncio.gather(*(produce(number) for number in range(producers)))
    return rows / (time.perf_counter() - began), paid, waited


def group_commit(folder: Path, rows: int, url: str) -> None:
    plain = plain_inserts(folder, rows)
    print(f"\nplain inserts, synchronous=OFF: {plain:.0f} interactions a second")
    print("| tasks | durability | interactions/s | of plain | paid µs, p50 / p99 | ack ms, p50 / p99 |")
    print("|---|---|---|---|---|---|")
    for synchronous in SYNCHRONOUS:
        for producers in PRODUCERS:
            place = url or folder / f"grouped-{synchronous}.db"
            with Record.open(place, folder=folder, synchronous=synchronous) as record:
                asyncio.run(grouped(record, producers, producers * 10))  # first pages, imports
                # One task alone waits for each commit, on a slow disk for minutes.
                count = rows if producers > 1 else rows // 10
                rate, paid, waited = asyncio.run(grouped(record, producers, count))
            print(
                f"| {producers} | {synchronous} | {rate:.0f} | {rate / plain:.2f}"
                f" | {at(paid, 0.5) * 1e6:.0f} / {at(paid, 0.99) * 1e6:.0f}"
                f" | {at(waited, 0.5) * 1e3:.2f} / {at(waited, 0.99) * 1e3:.2f} |",
                flush=True,
            )


def at(values: list[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


def several_processes(folder: Path, rows: int, processes: int) -> None:
    began = time.perf_counter()
    running = [
        subprocess.Popen([sys.executable, __file__, "--folder", str(folder), "--rows", str(rows), "--worker"])
        for _ in range(processes)
    ]
    for process in running:
        process.wait()
    total = time.perf_counter() - began
    rate = processes * rows / total
    print(f"{processes} processes at once, start included: {rate:.0f} interactions (2 commits each) a second")


def worker(folder: Path, rows: int) -> None:
    with Record.open(folder / "shared.db") as record:
        run = record.begin_run("benchmark")
        taken = timed(lambda number: finish(record, start(record, run, number)), rows)
    show(f"  process {os.getpid()}: start and finish", taken)


def redaction(texts: Path | None) -> None:
    redactor = Redactor(b"benchmark")
    sentence = "Show me all orders from Berlin in march 2024 with the customer names and the total amount. "
    for size in (100, 1_000, 10_000):
        text = (sentence * (size // len(sentence) + 1))[:size]
        all_rules, secrets_only = (
            statistics.median(timed(lambda _, text=text, one=one: one.text(text), 500))  # type: ignore[misc]
            for one in (redactor, Redactor(b"benchmark", SECRETS))
        )
        print(
            f"redacting {size:6} characters: {all_rules * 1e6:7.1f} µs, {size / all_rules / 1e6:6.1f} MB/s;"
            f" secrets alone {secrets_only * 1e6:7.1f} µs, ratio {all_rules / secrets_only:.2f}"
        )
    if texts is None:
        return
    found: Counter[str] = Counter()
    characters = lines = 0
    began = time.perf_counter()
    for line in text_lines(texts):
        lines += 1
        characters += len(line)
        for position in range(0, len(line), 200_000):
            redactor.text(line[position : position + 200_000], found)
    seconds = time.perf_counter() - began
    print(
        f"{texts}: {lines} lines, {characters / 1e6:.1f} M characters in {seconds:.1f} s, found {dict(found)}"
    )


def text_lines(place: Path) -> Iterator[str]:
    for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if path.is_file():
            data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
            yield from data.decode("utf-8", "replace").split("\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--folder", type=Path, help="on the disk to be measured; the system's temporary folder unless given"
    )
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--url", default="", help="of an empty PostgreSQL database, for group commit")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.folder, options.rows)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        for synchronous in SYNCHRONOUS:
            one_process(folder, options.rows, synchronous)
        several_processes(folder, options.rows // 3, 3)
        group_commit(folder, options.rows, options.url)
    redaction(options.texts)


if __name__ == "__main__":
    main()
