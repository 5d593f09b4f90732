"""What recording costs a call: committed before use, in both durabilities, alone and with other processes.

    python benchmarks/record.py [--folder DIR] [--rows 3000] [--texts FILE_OR_FOLDER]

An interaction is what an expert's call writes: system prompt, twelve tool schemas, a request, a call,
a receipt. With --texts, the redaction's finds in public texts (where there should be none) are counted too.
"""

from __future__ import annotations

import argparse
import asyncio
import lzma
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from speeddial.messages import Message
from speeddial.record import JournalKey, Record, Redactor
from speeddial.record.database import Synchronous

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


def start(record: Record, run: str, number: int) -> int:
    return record.start_interaction(
        run,
        "model",
        step=1,
        expert="organizer",
        model="embedded:smollm2-135m-instruct",
        messages=[SYSTEM, Message("user", f"remind me tomorrow at 9 to call the dentist, number {number}")],
        tools=TOOLS,
        schema_hash="sha256:" + "ab" * 32,
    )


def finish(record: Record, interaction: int) -> None:
    record.finish_interaction(
        interaction,
        "exact",
        raw=RAW,
        parsed=CALL,
        receipt={"constrained": True, "backend": "llguidance 1.9.1 via outlines 1.3.3"},
        confidence=0.97,
        tokens_in=120,
        tokens_out=34,
        tokens_forced=20,
    )


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


async def threads() -> list[float]:
    taken = []
    for _ in range(1000):
        began = time.perf_counter()
        await asyncio.to_thread(int)
        taken.append(time.perf_counter() - began)
    return taken


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
        median = statistics.median(timed(lambda _, text=text: redactor.text(text), 200))  # type: ignore[misc]
        print(f"redacting {size:6} characters: {median * 1e6:7.1f} µs, {size / median / 1e6:6.1f} MB/s")
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
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.folder, options.rows)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        for synchronous in SYNCHRONOUS:
            one_process(folder, options.rows, synchronous)
        show("handing nothing to a thread (asyncio)", asyncio.run(threads()))
        several_processes(folder, options.rows // 3, 3)
    redaction(options.texts)


if __name__ == "__main__":
    main()
