"""The viewer on a large record: first page, a run of 30,000 interactions, search, and making the index.

    python benchmarks/viewer.py [--interactions 1000000] [--folder DIR]
    python benchmarks/viewer.py --peer mlflow=PYTHON --peer phoenix=PYTHON [--peer-spans 20000]
    python benchmarks/viewer.py --browser                   # with Playwright and Debian's Chromium

Times are those of the server: from a request's arrival to the last byte of its answer, in this process.
A record that was made before in --folder is used again. With --peer the same spans go into that
framework's own store as well, by its own client, with the Python that has it installed. With --browser a
real one opens the list and the long run from a real server: from the navigation to the first paint with
content, and to the first row.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from speeddial.messages import compact_json
from speeddial.project import Project
from speeddial.record import Record
from speeddial.viewer.security import Keys
from speeddial.viewer.server import Viewer, viewer_app

A_RUN = 10
"""Interactions of an ordinary run."""
LONG_RUN = 30_000
PEERS = Path(__file__).with_name("viewer_peers.py")
FIRST_NS = 1_760_000_000_000_000_000
WORDS = [f"{a}{b}{c}" for a in "bcdfgklmnprst" for b in ("ala", "er", "ino", "ou", "ust") for c in "dklmnrst"]
CHINESE = (
    "北京市有多少未付款的订单",
    "上海的平均订单金额是多少",
    "列出三月份的所有产品",
    "提醒我明天给牙医打电话",
)
RUSSIAN = ("сколько заказов пришло из Москвы", "напомни позвонить врачу завтра")
EXPERTS = {"tables": "query_table", "organizer": "create_reminder", "mail": "draft_mail"}
REPEATS = 20


def content(value: Any) -> tuple[str, str]:
    body = compact_json(value)
    return f"sha256:{hashlib.sha256(body.encode()).hexdigest()}", body


class Writing:
    """Rows as `Record` would have written them, a hundred thousand at a time."""

    def __init__(self, path: Path) -> None:
        Record.open(path).close()
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA synchronous=OFF")
        self.random = random.Random(7)
        self.contents: dict[str, str] = {}
        self.runs: list[tuple[Any, ...]] = []
        self.interactions: list[tuple[Any, ...]] = []
        self.number = 0

    def words(self, count: int) -> str:
        # The square makes some words common and some rare.
        return " ".join(WORDS[int(len(WORDS) * self.random.random() ** 2)] for _ in range(count))

    def request(self) -> str:
        luck = self.random.random()
        if luck < 0.02:
            return f"{self.random.choice(CHINESE)} {self.number}"
        if luck < 0.04:
            return f"{self.random.choice(RUSSIAN)} {self.number}"
        rare = " zyzzyva" if luck > 0.9998 else ""
        return f"the {self.words(12)}{rare} {self.number}"

    def messages(self, *texts: tuple[str, str]) -> str:
        names = []
        for role, text in texts:
            name, body = content({"role": role, "content": text})
            self.contents[name] = body
            names.append(name)
        return json.dumps(names)

    def run(self, spans: int) -> None:
        began = FIRST_NS + self.number * 100_000_000
        moment = time.gmtime(began // 1_000_000_000)
        ms = began // 1_000_000 % 1000
        run = f"{time.strftime('%Y%m%d-%H%M%S', moment)}{ms:03d}-{self.number % 2**24:06x}"
        task = self.request()
        self.runs.append(
            (
                run,
                "default" if self.random.random() < 0.9 else "nightly",
                task,
                "done" if self.random.random() < 0.97 else "failed",
                self.words(10),
                began,
                began + spans * 50_000_000,
                1,
                "host",
                "",
                self.random.choice(("", "", "ana", "bo")),
            )
        )
        parent = None
        for step in range(spans):
            self.number += 1
            kind = "plan" if step == 0 else "model" if step % 2 else "tool"
            expert = "planner" if step == 0 else self.random.choice(list(EXPERTS))
            call = compact_json({"name": EXPERTS.get(expert, ""), "arguments": {"text": self.request()}})
            decoded = kind != "tool"
            self.interactions.append(
                (
                    self.number,
                    run,
                    kind,
                    (step + 1) // 2,
                    1,
                    None if decoded else parent,
                    expert,
                    "embedded:smollm2-135m-instruct" if decoded else "",
                    self.messages(
                        ("system", f"You are {expert}. " + "Follow the rules. " * 20), ("user", task)
                    )
                    if decoded
                    else "[]",
                    EXPERTS.get(expert, "") if kind == "tool" else "",
                    "read" if kind == "tool" else "",
                    None if decoded else call,
                    "exact" if decoded and self.random.random() < 0.95 else "refused" if decoded else "done",
                    call if decoded else None,
                    call if decoded else None,
                    None if decoded else compact_json({"rows": self.words(8)}),
                    "" if decoded else self.words(8),
                    compact_json({"constrained": True, "backend": "llguidance"}) if decoded else None,
                    round(self.random.random(), 3) if decoded else None,
                    120 if decoded else 0,
                    34 if decoded else 0,
                    20 if decoded else 0,
                    self.random.expovariate(1 / 150),
                    began + step * 50_000_000,
                    began + step * 50_000_000 + 40_000_000,
                )
            )
            parent = self.number if decoded else parent
        if len(self.interactions) >= 100_000:
            self.flush()

    def flush(self) -> None:
        self.db.execute("BEGIN")
        self.db.executemany(
            "INSERT INTO contents VALUES (?, ?) ON CONFLICT DO NOTHING", self.contents.items()
        )
        self.db.executemany(
            "INSERT INTO runs (id, workflow, task, status, answer, started_ns, ended_ns, writer_pid,"
            " writer_host, writer_started, user_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self.runs,
        )
        self.db.executemany(
            "INSERT INTO interactions (id, run, kind, step, attempt, parent, expert, model, messages, tool,"
            " effect, arguments, status, raw, parsed, result, text, receipt, confidence, tokens_in,"
            " tokens_out, tokens_forced, latency_ms, started_ns, ended_ns)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            self.interactions,
        )
        self.db.execute("COMMIT")
        self.contents.clear()
        self.runs.clear()
        self.interactions.clear()


def make(path: Path, interactions: int) -> None:
    began = time.perf_counter()
    writing = Writing(path)
    long = min(LONG_RUN, interactions // 3)
    while writing.number < interactions - long - A_RUN * 10:
        writing.run(A_RUN)
    # Not the newest, and with newer ones of the ordinary size after it.
    writing.run(long)
    while writing.number < interactions:
        writing.run(A_RUN)
    writing.flush()
    writing.db.close()
    print(f"made {interactions:,} interactions in {time.perf_counter() - began:.1f} s, {size(path)}")


def size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:,.0f} MB"


def timed(work: Callable[[], Any], repeats: int = REPEATS) -> str:
    first = time.perf_counter()
    work()
    times = [time.perf_counter() - first]
    for _ in range(repeats - 1):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    ms = [one * 1000 for one in times]
    return f"{statistics.median(ms):8.2f} ms, first {ms[0]:8.2f}, worst {max(ms):8.2f}"


async def asked(client: httpx.AsyncClient, path: str, repeats: int = REPEATS) -> str:
    times, length = [], 0
    for _ in range(repeats):
        began = time.perf_counter()
        answer = await client.get(path)
        times.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()
        length = len(answer.content)
    return (
        f"{statistics.median(times):8.2f} ms, first {times[0]:8.2f}, worst {max(times):8.2f};"
        f" {length / 1000:,.0f} KB"
    )


async def measure(folder: Path, record: Record) -> None:
    (folder / "speeddial.toml").touch()
    keys = Keys()
    app = viewer_app(Project(folder), record, keys=keys)
    runs = record.database.read("SELECT count(*) FROM runs")[0][0]
    middle = record.database.read(f"SELECT id FROM runs ORDER BY id LIMIT 1 OFFSET {runs // 20}")[0]["id"]
    long = record.database.read("SELECT run FROM interactions GROUP BY run ORDER BY count(*) DESC LIMIT 1")[
        0
    ]["run"]
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://127.0.0.1",
        headers={"Authorization": f"Bearer {keys.bearer}"},
        timeout=600,
    ) as client:
        pages = {
            "first page of 50 runs": "/api/runs",
            "page at the far end": f"/api/runs?before={middle}",
            "runs of one expert": "/api/runs?expert=mail",
            "runs of an expert that is not there": "/api/runs?expert=nobody",
            "runs with a refused call": "/api/runs?call_status=refused",
            "failed runs": "/api/runs?status=failed",
            "failed nightly runs of ana": "/api/runs?status=failed&workflow=nightly&user=ana",
            "runs of one hour": "/api/runs?since=2025-10-09T10:00:00Z&until=2025-10-09T11:00:00Z",
            "runs with a common word": "/api/runs?q=the",
            "runs with a rare word": "/api/runs?q=zyzzyva",
            f"run of {min(LONG_RUN, 30_000):,} interactions": f"/api/runs/{long}",
            "run of ten": f"/api/runs/{middle}",
            "search: in most rows": "/api/search?q=the",
            "search: some": f"/api/search?q={WORDS[300]}",
            "search: rare": "/api/search?q=zyzzyva",
            "search: none": "/api/search?q=nowhere",
            "search: two words": f"/api/search?q={WORDS[3]}+{WORDS[400]}",
            "search: phrase": f'/api/search?q="the+{WORDS[0]}"',
            "search: prefix": "/api/search?q=gust*",
            "search: Chinese": "/api/search?q=未付款",
            "search: Chinese, rare": "/api/search?q=牙医打电话 zyzzyva",
            "search: Russian": "/api/search?q=врачу",
            "search: of one expert": "/api/search?q=the&expert=mail",
            "search: system prompt": "/api/search?q=organizer+rules",
            "expert against generalist": "/api/stats",
        }
        for name, path in pages.items():
            repeats = 3 if "stats" in path or "30,000" in name else REPEATS
            print(f"{name:38}{await asked(client, path, repeats)}", flush=True)


def indexing(record: Record, path: Path) -> None:
    before = path.stat().st_size
    began = time.perf_counter()
    steps = 0
    while not record.index.update(seconds=10):
        steps += 1
    took = time.perf_counter() - began
    print(f"index made in {took:.1f} s, {(path.stat().st_size - before) / 1e6:,.0f} MB more")


def compare(record: Record, peers: list[str], count: int) -> None:
    """The same spans by `Record`, each committed before the next, and by each peer's own client."""
    spans = [
        {
            "run": row["run"],
            "id": row["id"],
            "parent": row["parent"],
            "name": row["tool"] or row["expert"],
            "input": row["arguments"] or row["messages"],
            "output": row["raw"] or row["result"],
            "start_ns": row["started_ns"],
            "end_ns": row["ended_ns"],
        }
        for row in record.database.read(
            "SELECT id, run, parent, tool, expert, arguments, messages, raw, result, started_ns, ended_ns"
            " FROM interactions ORDER BY id LIMIT ?",
            (count,),
        )
    ]
    print(f"\n{len(spans):,} spans of {len({span['run'] for span in spans}):,} runs")
    with tempfile.TemporaryDirectory(prefix="speeddial-peers-") as temporary:
        folder = Path(temporary)
        with Record.open(folder / "ours.db") as ours:
            began = time.perf_counter()
            runs: dict[str, str] = {}
            for span in spans:
                run = runs.get(span["run"]) or runs.setdefault(span["run"], ours.begin_run("x"))
                one = ours.start_interaction(run, "model", expert=span["name"], arguments=span["input"])
                ours.finish_interaction(one, "exact", raw=span["output"])
            took = time.perf_counter() - began
            page = timed(ours.browse.runs)
        print(f"{'speeddial':24}{took:8.1f} s{len(spans) / took:10,.0f} spans/s  newest 50: {page}")
        lines = folder / "spans.jsonl"
        lines.write_text("".join(json.dumps(span) + "\n" for span in spans), encoding="utf-8")
        for peer in peers:
            name, _, python = peer.partition("=")
            place = folder / name
            place.mkdir()
            done = subprocess.run(
                [python, PEERS, name, lines, place], stdout=subprocess.PIPE, text=True, check=True
            )
            figures = json.loads(done.stdout.splitlines()[-1])
            rate = figures["stored"] / figures["seconds"]
            print(
                f"{name + ' ' + figures['version']:24}{figures['seconds']:8.1f} s{rate:10,.0f} spans/s"
                f"  newest 50: {figures['page_ms']:8.2f} ms; {figures['stored']:,} stored",
                flush=True,
            )


def painted(folder: Path, record: Record) -> None:
    """Times in Chromium, each in a new tab whose cache has the page's files."""
    from playwright.sync_api import sync_playwright

    longest = record.database.read("SELECT run FROM interactions GROUP BY run ORDER BY count(*) DESC LIMIT 1")
    viewer = Viewer(Project.load(folder), record)
    served = threading.Thread(target=viewer.serve)
    served.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            context = browser.new_context()
            origin = viewer.link.partition("/?")[0]
            context.new_page().goto(viewer.link)
            for title, place, row in (
                ("list of runs", "/#/runs", "[role=listbox] [role=option]"),
                ("run of 30,000 interactions", f"/#/run/{longest[0]['run']}?view=tree", "[role=treeitem]"),
            ):
                paints, rows = [], []
                for _ in range(7):
                    page = context.new_page()
                    page.goto(origin + place, wait_until="commit")
                    page.wait_for_selector(row)
                    rows.append(page.evaluate("performance.now()"))
                    paints.append(
                        page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
                    )
                    page.close()
                print(
                    f"{title + ' in Chromium':38}first paint {statistics.median(paints):6.0f} ms,"
                    f" first row {statistics.median(rows):6.0f} ms"
                )
    finally:
        viewer.stop()
        served.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the record is made and kept")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help="mlflow, phoenix")
    parser.add_argument("--peer-spans", type=int, default=20_000)
    parser.add_argument("--browser", action="store_true", help="time the page in Chromium, too")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="speeddial-viewer-"))
    path = folder / "record.db"
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            make(path, options.interactions)
        with Record.open(path) as record:
            indexing(record, path)
            asyncio.run(measure(folder, record))
            if options.browser:
                painted(folder, record)
            if options.peer:
                compare(record, options.peer, options.peer_spans)
    finally:
        if options.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
