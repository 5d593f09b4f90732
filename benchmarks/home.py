"""The expert `home` without its model: what of the expected calls can be decoded, what preparing one takes.

    python -m benchmarks.home OUT

OUT holds dev_en.jsonl, dev_ru.jsonl and dev_zh.jsonl of `python -m training.home`. For each language: how
many expected names of those that stand in their sentence are among the choices, how many expected calls the
bound contract admits, and the processor time of a call's contract and heading in the public fixtures' house.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

from speeddial.house import house_of, mentions
from speeddial.prepared import prepare
from speeddial.project import Project
from speeddial.tool import ToolContext

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    folder: Path = parser.parse_args().out
    project = Project(ROOT)
    expert, tools = project.expert("home"), project.tools
    print("language  sentences  names found  speaker's area  calls admitted  median ms")
    for language in ("en", "ru", "zh"):
        lines = (folder / f"dev_{language}.jsonl").read_text(encoding="utf-8").splitlines()
        cases = [json.loads(line) for line in lines]
        expected = found = here = admitted = 0
        spent = []
        for case in cases:
            house = house_of(case["house"])
            here += bool(house.here)
            named = {one.name for one in mentions(house, case["input"])} | {"all"}
            call = case["calls"][0]
            slots = ("area", "floor") if "Timer" in call["name"] else ("name", "area", "floor")
            values = [call["arguments"][slot] for slot in slots if slot in call["arguments"]]
            values = [value for value in values if value != house.here]
            expected += len(values)
            found += sum(value in named for value in values)
            started = time.process_time()
            given = {"house": case["house"]}
            context = ToolContext(ROOT, {}, datetime.now(UTC), "key", given=given, request=case["input"])
            prepared = asyncio.run(prepare(expert, context, tools))
            spent.append(time.process_time() - started)
            admitted += not prepared.contract.check(call)
        milliseconds = 1000 * statistics.median(spent)
        names = f"{found}/{expected}"
        print(f"{language:8}  {len(cases):9}  {names:>11}  {here:14}  {admitted:14}  {milliseconds:9.1f}")


if __name__ == "__main__":
    main()
