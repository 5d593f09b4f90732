"""How many cut-off calls can be completed without a model, and in what time.

    python -m benchmarks.salvage [--cases experts/*/cases.jsonl] [--step 3]

Every expert's right calls, as text, are cut at every STEP-th byte after the tool's name; each beginning is
completed as a server engine's cut-off answer is. The contract is the expert's, bound to the request.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from speeddial.contract import CallsContract, union_of_calls
from speeddial.errors import ContractViolation
from speeddial.jsonlines import read_objects
from speeddial.models.salvage import salvaged
from speeddial.project import Project

ROOT = Path(__file__).parents[1]


def calls(project: Project, path: Path) -> Iterator[tuple[CallsContract, str]]:
    """The contract of a case and its right call as text, of all cases that the contract admits."""
    expert = project.experts[path.parent.name]
    contract = union_of_calls({name: project.tools[name].contract for name in expert.tools})
    for _, row in read_objects(path):
        bound = contract.bound(row["input"])
        for call in row.get("calls", ()):
            try:
                yield bound, bound.dump(call)
            except ContractViolation:
                continue  # its columns are known at run time only


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cases", nargs="+", type=Path, default=sorted(ROOT.glob("experts/*/cases.jsonl")))
    parser.add_argument("--step", type=int, default=3)
    given = parser.parse_args()
    project = Project.load(ROOT)
    print(
        "| expert | beginnings | completed and valid | completed, refused by the check | not | ms p50 | p95 |"
    )
    print("|---|---|---|---|---|---|---|")
    for path in given.cases:
        took: list[float] = []
        ended = {"valid": 0, "refused": 0, "not": 0}
        for contract, text in calls(project, path):
            data = text.encode()
            for cut in range(data.index(b'"arguments"'), len(data), given.step):
                begun = data[:cut].decode(errors="ignore")
                began = time.perf_counter()
                completed = salvaged(begun, contract)
                took.append((time.perf_counter() - began) * 1000)
                try:
                    contract.parse(completed)
                    ended["valid"] += 1
                except ContractViolation:
                    ended["refused" if completed else "not"] += 1
        if not took:
            continue
        p95 = statistics.quantiles(took, n=20)[-1]
        print(
            f"| {path.parent.name} | {len(took)} | {ended['valid'] / len(took):.1%} | {ended['refused']} "
            f"| {ended['not']} | {statistics.median(took):.1f} | {p95:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
