"""What curation catches of answers that were spoilt on purpose, and the tasks that clustering finds.

    python -m benchmarks.curation DATA [--requests N]

DATA holds ``snips/`` and ``hwu64/``. A large model is played by their labels, a tenth of them spoilt by type,
tool or value (`examples/convert_agent/story.py`). What is spoilt is known here alone.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from examples.convert_agent.story import Spoiling, Story, Turn
from speeddial.flywheel.cluster import find
from speeddial.flywheel.curate import sort
from speeddial.flywheel.sample import Sample
from speeddial.flywheel.texts import agreement
from speeddial.record.export.validity import why_invalid

COPIES = ("copy", "near copy")


def samples_of(story: Story) -> tuple[list[Sample], dict[str, tuple[Turn, Spoiling]]]:
    """The traffic as it would be collected, and each sample's true turn and how it was spoilt."""
    tools = tuple(dict(tool) for tool in story.tools)
    samples, truth = [], {}
    for number, (turn, call, spoilt) in enumerate(story.answers()):
        wrong = why_invalid(call, tools, redacted=False)
        samples.append(
            Sample(
                id=str(number),
                group=str(number),
                messages=({"role": "user", "content": turn.text},),
                tools=tools,
                calls=() if wrong else (call,),
                error=f"{call['name']}: {wrong}" if wrong else "",
            )
        )
        truth[str(number)] = turn, spoilt
    return samples, truth


def measure(story: Story) -> dict[str, Any]:
    """Precision and recall of curation, and how well tasks are found and told."""
    samples, truth = samples_of(story)
    began = time.perf_counter()
    kept, dropped = sort(samples)
    curated = time.perf_counter()
    tasks, assigned, router = find(kept)
    clustered = time.perf_counter()
    spoilt = Counter(kind for _, kind in truth.values() if kind)
    faulty = [item for item in dropped if item.reason not in COPIES]
    caught = Counter(truth[item.sample.id][1] for item in faulty)
    caught_all = sum(count for kind, count in caught.items() if kind)
    figures: dict[str, Any] = {
        "requests": len(samples),
        "spoilt": sum(spoilt.values()),
        "recall": round(caught_all / sum(spoilt.values()), 4),
        "recall by kind": {kind: round(caught[kind] / count, 4) for kind, count in spoilt.items()},
        "precision": round(caught_all / len(faulty), 4),
        "spoilt among the kept": round(sum(bool(truth[one.id][1]) for one in kept) / len(kept), 4),
        "kept": len(kept),
        "seconds of curation": round(curated - began, 1),
        "tasks": [task.name for task in tasks],
        "true tasks": len({turn.tool for turn in story.traffic}),
        "Rand index, recorded": round(
            agreement([truth[one.id][0].tool for one in kept], [assigned[one.id] for one in kept]), 4
        ),
        "seconds of clustering": round(clustered - curated, 1),
    }
    if router is not None:
        told = [router.classes[at] for at in router.chances([turn.text for turn in story.unseen]).argmax(1)]
        figures["Rand index, unseen requests by words"] = round(
            agreement([turn.tool for turn in story.unseen], told), 4
        )
        right = sum(turn.tool == name for turn, name in zip(story.unseen, told, strict=True))
        figures["unseen requests told right"] = round(right / len(told), 4)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--requests", type=int, default=6000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(Story.of(options.data, requests=options.requests))
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:<40} {value}")


if __name__ == "__main__":
    main()
