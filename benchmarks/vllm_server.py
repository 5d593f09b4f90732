"""Calls through Speeddial against a bare OpenAI client, on a vLLM server or on one without a model.

    .ci/vllm-server start                                   # prints VLLM_BASE_URL and VLLM_API_KEY
    python -m benchmarks.vllm_server [--calls 64] [--pairs 5] [--at-once 32] [--json FILE] [--folder DIR]
    python -m benchmarks.vllm_server --canned [--profile FILE]

Ours is the whole call path, decode only: run, prompt, contract bound to the request, engine, strict
validation, record and journal on disk. The bare client sends bodies that ours would send (taken down before),
less the log probabilities, and reads the JSON. No request comes twice, on either side, so that nothing is
served from a cache but the prompt's prefix; the sides differ in a number at the request's end. They run in
turns in one process, which one begins alternates, and a pair's ratio is of calls a second. Processor time is
this process's, all threads: ours less the bare client's is what Speeddial adds. On few cores the server
competes for them.

With --canned the server is `benchmarks.canned`, whose time is next to nothing: for the processor time alone.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.canned import bodies, canned
from speeddial import Project, Runner
from speeddial.jsonlines import read_objects
from speeddial.models import load_model

ROOT = Path(__file__).parents[1]
EXPERT = "organizer"
CASES = ROOT / "experts" / EXPERT / "cases.jsonl"


class Turn(NamedTuple):
    """One side's turn: so many calls."""

    seconds: float
    cpu: float
    latencies: list[float]


def requests(side: str, given: argparse.Namespace) -> Iterator[str]:
    """One side's requests, no two alike: each has a constraint of its own."""
    known = [row["input"] for _, row in read_objects(CASES)]
    for number in range(given.calls * (given.pairs + 2)):
        yield f"{known[number % len(known)]} ({side}{number})"


async def turn(ask: Callable[[], Awaitable[None]], given: argparse.Namespace) -> Turn:
    """Make the calls of one turn; seconds by the clock and of this process's processor time."""
    numbers = iter(range(given.calls))
    latencies: list[float] = []

    async def worker() -> None:
        for _ in numbers:
            started = time.perf_counter()
            await ask()
            latencies.append(time.perf_counter() - started)

    began, busy = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(given.at_once)))
    return Turn(time.perf_counter() - began, time.process_time() - busy, latencies)


@contextmanager
def runner(url: str, folder: Path) -> Iterator[Runner]:
    """This project with its expert on the server and the record in a folder."""
    settings = {
        "expert_models": f"{EXPERT}=vllm:base@{url}",
        "planner": f"vllm:base@{url}",
        "workspace": str(folder),
        "transport_timeout": 1800,
        "max_seconds": 1800,
    }
    with Runner(Project.load(ROOT, settings)) as opened:
        yield opened


async def sent_bodies(inputs: list[str], folder: Path) -> list[dict[str, Any]]:
    """What ours sends for each request, by asking a server that keeps it."""
    with canned([EXPERT, "base"]) as url, runner(url, folder) as ours:
        await load_model(f"vllm:base@{url}").canary()
        before = len(bodies(url))
        for text in inputs:
            await ours.call(EXPERT, text, execute=False)
        sent = bodies(url)[before:]
    assert len(sent) == len(inputs), "a canned answer was not taken at once"
    return sent


async def compare(url: str, given: argparse.Namespace) -> dict[str, Any]:
    """Pairs of turns on one server."""
    import openai

    client = openai.AsyncOpenAI(
        base_url=f"{url.rstrip('/').removesuffix('/v1')}/v1",
        api_key=os.environ.get("VLLM_API_KEY") or "none",
        max_retries=0,
        timeout=1800,
    )
    texts = requests("a", given)
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        sent = iter(await sent_bodies(list(requests("b", given)), Path(scratch)))

    async def bare() -> None:
        body = next(sent)
        del body["logprobs"], body["top_logprobs"]
        constraint = {"structured_outputs": body.pop("structured_outputs")}
        reply = await client.chat.completions.create(**body, extra_body=constraint)
        json.loads(reply.choices[0].message.content)

    with tempfile.TemporaryDirectory(dir=given.folder) as scratch, runner(url, Path(scratch)) as speeddial:
        ended: Counter[str] = Counter()
        asked: list[int] = []

        async def ours() -> None:
            outcome = await speeddial.call(EXPERT, next(texts), execute=False)
            ended[str(outcome.status)] += 1
            asked.append(len(outcome.interactions))

        # Connections, the canary, and the prompt's prefix on the server, for both sides alike.
        await turn(ours, given)
        await turn(bare, given)
        pairs: list[tuple[Turn, Turn]] = []
        for number in range(given.pairs):
            if number % 2:
                theirs = await turn(bare, given)
                mine = await turn(ours, given)
            else:
                mine = await turn(ours, given)
                theirs = await turn(bare, given)
            pairs.append((mine, theirs))
        if given.profile:
            profile = cProfile.Profile(time.thread_time)  # the clock says nothing on a busy machine
            profile.enable()
            await turn(ours, given)
            profile.disable()
            profile.dump_stats(given.profile)
    await client.close()
    figures = report(pairs, given)
    return {**figures, "ours: ended": dict(ended), "ours: requests a call": statistics.mean(asked)}


def report(pairs: list[tuple[Turn, Turn]], given: argparse.Namespace) -> dict[str, Any]:
    """The figures, medians of the pairs; milliseconds but for calls a second."""
    ratios = [theirs.seconds / mine.seconds for mine, theirs in pairs]
    added = [(mine.cpu - theirs.cpu) / given.calls * 1000 for mine, theirs in pairs]
    figures: dict[str, Any] = {
        "server": "canned" if given.canned else "vllm",
        "processors": len(os.sched_getaffinity(0)),
        "load average": os.getloadavg()[0],
        "calls a turn": given.calls,
        "at once": given.at_once,
        "pairs": len(pairs),
        "throughput, ours / bare": statistics.median(ratios),
        "of each pair": ratios,
        "processor time that ours adds to a call": statistics.median(added),
    }
    for name, side in (("ours", 0), ("bare", 1)):
        turns = [pair[side] for pair in pairs]
        figures[f"{name}: calls a second"] = statistics.median(given.calls / one.seconds for one in turns)
        figures[f"{name}: processor time a call"] = statistics.median(
            one.cpu / given.calls * 1000 for one in turns
        )
        figures[f"{name}: latency"] = (
            statistics.median(value for one in turns for value in one.latencies) * 1000
        )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default=os.environ.get("VLLM_BASE_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--canned", action="store_true", help="on a server without a model")
    parser.add_argument("--calls", type=int, default=64, help="of each side in each pair")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--folder", type=Path, help="on the disk that the record is to be kept on")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    parser.add_argument("--profile", type=Path, help="also write a profile of one more turn of ours there")
    given = parser.parse_args()
    if given.canned:
        with canned([EXPERT, "base"]) as url:
            figures = asyncio.run(compare(url, given))
    else:
        figures = asyncio.run(compare(given.url, given))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for name, value in figures.items():
        values = value if isinstance(value, list) else [value]
        print(f"{name:42}", " ".join(f"{one:.4g}" if isinstance(one, float) else str(one) for one in values))


if __name__ == "__main__":
    main()
