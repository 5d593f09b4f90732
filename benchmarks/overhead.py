"""What the framework itself costs a step, without the model's time (promise P8).

    python benchmarks/overhead.py [--runs 20] [--folder DIR]

A step is one request to an expert: prompt, contract, record and journal of the decode, strict validation,
a read tool in a thread, record and journal of the tool, the outcome. Two workflows do eight steps, each
on the one before: a plain function (no checkpoints) and the default graph (planned, with a synchronous
checkpoint per superstep). The scripted model's own time, which every completion says, is taken off. The CPU column is this process's CPU time for everything, the scripted model and the two warm-up runs included; on
a busy machine it says more than the clock.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from speeddial import Project, Run, Runner, Workflow, workflow
from speeddial.models.model import Request
from speeddial.models.scripted import Scripted

STEPS = 8
TOOL = '''
"""The benchmark's tool."""

from speeddial import tool


@tool
def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b
'''
CARD = 'summary = "sums of two whole numbers"\ntask = "Adds."\ntools = ["add"]\naccepts = ["scalar"]\n'
DEFAULT = Path(__file__).parents[1] / "workflows/default.py"


@workflow
async def chain(run: Run, task: str) -> str:
    """Eight steps, each on the one before."""
    outcome = await run.phone("adder", "sum 1")
    for number in range(2, STEPS + 1):
        outcome = await run.phone("adder", f"sum {number}", uses=[outcome])
    return outcome.text


def script(request: Request) -> Any:
    if "Task:" in request.messages[-1].content:
        steps: list[dict[str, Any]] = [{"expert": "adder", "task": "sum 1"}]
        steps += [
            {"expert": "adder", "task": f"sum {number}", "uses": [number - 1]}
            for number in range(2, STEPS + 1)
        ]
        return {"steps": steps}
    return {"name": "add", "arguments": {"a": 2, "b": 3}}


def project(root: Path) -> Project:
    for room in ("agents/planner", "tools", "experts/adder", "workflows"):
        (root / room).mkdir(parents=True)
    (root / "speeddial.toml").write_text(
        'planner = "scripted:bench"\nmodel = "scripted:bench"\n', encoding="utf-8"
    )
    (root / "agents/planner/agent.toml").write_text('role = "planner"\n', encoding="utf-8")
    (root / "agents/planner/prompt.md").write_text("You are the planner.\n{experts}\n", encoding="utf-8")
    (root / "tools/add.py").write_text(TOOL, encoding="utf-8")
    (root / "experts/adder/card.toml").write_text(CARD, encoding="utf-8")
    (root / "experts/adder/prompt.md").write_text("You are adder.", encoding="utf-8")
    (root / "workflows/default.py").write_text(DEFAULT.read_text(encoding="utf-8"), encoding="utf-8")
    return Project.load(root)


def per_step(runner: Runner, which: str | Workflow, runs: int) -> list[float]:
    """Milliseconds of one step of each run, model time taken off."""
    found = []
    for number in range(runs + 2):
        began = time.perf_counter()
        result = runner.run_sync(f"sum all {number}", workflow=which)
        took = (time.perf_counter() - began) * 1000
        result.unwrap()
        model = sum(
            row.latency_ms or 0.0
            for row in runner.record.interactions(run=result.run_id, kinds=("model", "plan"))
        )
        # The first two pay for imports, compiled grammars and SQLite's first pages.
        if number >= 2:
            found.append((took - model) / STEPS)
    return found


def measure(name: str, work: Callable[[], list[float]]) -> None:
    began = time.process_time()
    found = sorted(work())
    cpu = (time.process_time() - began) * 1000 / len(found) / STEPS
    p95 = found[min(len(found) - 1, int(len(found) * 0.95))]
    print(f"| {name} | {statistics.median(found):.2f} | {p95:.2f} | {found[0]:.2f} | {cpu:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure")
    given = parser.parse_args()
    Scripted.register("bench", script)
    with (
        tempfile.TemporaryDirectory(dir=given.folder) as folder,
        Runner(project(Path(folder) / "bench")) as runner,
    ):
        print("| framework cost per step, ms | median | p95 | best | CPU |\n|---|---|---|---|---|")
        measure("plain function, record and journal committed", lambda: per_step(runner, chain, given.runs))
        measure("default graph, with sync checkpoints", lambda: per_step(runner, "default", given.runs))


if __name__ == "__main__":
    main()
