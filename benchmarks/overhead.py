"""What the framework itself costs, a step and a run, without the model's time (promise P8).

    python benchmarks/overhead.py [--runs 30] [--folder DIR]

A step is one request to an expert: prompt, contract, record and journal of the decode, strict validation,
a read tool in a thread, record and journal of the tool, the outcome. Two workflows do one step or eight,
each on the one before: a plain function (no checkpoints) and the default graph (planned, with a synchronous
checkpoint for each superstep). The step's cost is the slope between one and eight steps, the run's is what
one step leaves. The scripted model's own time, which each completion says, is taken off the clock's figures;
CPU is this process's time with the scripted model in it: on a busy machine it says more than the clock.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
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
    """As many steps as the task says, each on the one before."""
    outcome = await run.phone("adder", "sum 1")
    for number in range(2, int(task) + 1):
        outcome = await run.phone("adder", f"sum {number}", uses=[outcome])
    return outcome.text


def script(request: Request) -> Any:
    _, planning, task = request.messages[-1].content.partition("Task: ")
    if planning:
        steps: list[dict[str, Any]] = [{"expert": "adder", "task": "sum 1"}]
        for number in range(2, int(task) + 1):
            steps.append({"expert": "adder", "task": f"sum {number}", "uses": [number - 1]})
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


def one_run(runner: Runner, which: str | Workflow, steps: int) -> tuple[float, float]:
    """Milliseconds of one run: on the clock without the model's time, and of CPU."""
    began, cpu = time.perf_counter(), time.process_time()
    result = runner.run_sync(str(steps), workflow=which)
    took, used = (time.perf_counter() - began) * 1000, (time.process_time() - cpu) * 1000
    result.unwrap()
    rows = runner.record.interactions(run=result.run_id, kinds=("model", "plan"))
    return took - sum(row.latency_ms or 0.0 for row in rows), used


def measure(name: str, runner: Runner, which: str | Workflow, runs: int) -> None:
    """One line of the table."""
    for _ in range(3):  # imports, compiled grammars, SQLite's first pages
        one_run(runner, which, STEPS)
    pairs = [(one_run(runner, which, 1), one_run(runner, which, STEPS)) for _ in range(runs)]
    cells = []
    for column in (0, 1):
        short = [one[column] for one, _ in pairs]
        slopes = [(many[column] - one[column]) / (STEPS - 1) for one, many in pairs]
        step = statistics.median(slopes)
        cells += [
            f"{step:.2f}",
            f"{sorted(slopes)[runs // 10]:.2f}",
            f"{statistics.median(short) - step:.1f}",
        ]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--folder", type=Path, default=None, help="on the disk to measure")
    given = parser.parse_args()
    Scripted.register("bench", script)
    with (
        tempfile.TemporaryDirectory(dir=given.folder) as folder,
        Runner(project(Path(folder) / "bench")) as runner,
    ):
        print("| ms | step, median | step, 10 % | run | step, CPU | step, CPU, 10 % | run, CPU |")
        print("|---|---|---|---|---|---|---|")
        measure("plain function, record committed", runner, chain, given.runs)
        measure("default graph, record and sync checkpoints", runner, "default", given.runs)


if __name__ == "__main__":
    main()
