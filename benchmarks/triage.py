"""Triage on CLINC150 and Banking77: accuracy, refusals, calibration, coverage; many and few examples.

    python -m benchmarks.triage DATA [--model classifier:smollm2-135m-instruct] [--shots 5 10] [--sets]

DATA holds clinc150/ and banking77/. Few-shot rows take so many training examples of each label, drawn by
seed, and nothing else; `--sets` measures the shipped label sets. CLINC150 is measured on its validation part
with its 100 out-of-scope messages, Banking77 on the tenth of its training part that `training.triage` holds
out.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from speeddial.flywheel.evaluate import wilson
from speeddial.flywheel.labelset import Pairs
from speeddial.given import NONE
from speeddial.models import load_model
from speeddial.models.classifier import ClassifierModel
from training.organizer import read
from training.triage import learnt, pairs

ADAPTER = Path(__file__).parents[1] / "experts" / "triage" / "adapter"


def figures(model: ClassifierModel, labels: Any, known: Pairs, strangers: Sequence[str]) -> Mapping[str, Any]:
    """What comes of messages that have a label, and of strangers; every message weighs the same."""
    began = time.perf_counter()
    made = model.label_set({"labels": labels}, ADAPTER)
    ready = time.perf_counter() - began
    began = time.perf_counter()
    answers = [model.probabilities(text, made, ADAPTER) for text, _ in known]
    strange = [model.probabilities(text, made, ADAPTER) for text in strangers]
    each = (time.perf_counter() - began) / (len(answers) + len(strange))
    forced = [max(made.labels, key=likely.__getitem__) for likely in answers]
    chosen = [max(likely, key=likely.__getitem__) for likely in (*answers, *strange)]
    wanted = [*(label for _, label in known), *[NONE] * len(strangers)]
    sure = np.array([likely[label] for likely, label in zip((*answers, *strange), chosen, strict=True)])
    right = np.array([got == label for got, label in zip(chosen, wanted, strict=True)])
    inside = right[: len(known)]
    row: dict[str, Any] = {
        "in_scope_without_none": share(
            sum(a == b for a, (_, b) in zip(forced, known, strict=True)), len(known)
        ),
        "in_scope": share(int(inside.sum()), len(known)),
    }
    if strangers:
        row["none_recall"] = share(int(right[len(known) :].sum()), len(strangers))
        row["in_scope_at_75_none_recall"] = traded(answers, strange, known, 0.75)
    row |= {
        "expected_calibration_error": round(calibration_error(sure, right), 4),
        "reliability": reliability(sure, right),
        "coverage_at_95": coverage(sure, right, 0.95),
        "coverage_at_99": coverage(sure, right, 0.99),
        "ready_ms": round(ready * 1000),
        "ms_each": round(each * 1000, 2),
    }
    return row


def share(right: int, cases: int) -> list[float]:
    """A share with its 95 % interval."""
    return [round(value, 4) for value in (right / cases, *wilson(right, cases))]


def traded(
    answers: Sequence[Mapping[str, float]],
    strange: Sequence[Mapping[str, float]],
    known: Pairs,
    recall: float,
) -> float:
    """Accuracy in scope when none is answered from the probability on that so many strangers reach."""
    bound = float(np.quantile([likely[NONE] for likely in strange], 1 - recall))
    right = 0
    for likely, (_, label) in zip(answers, known, strict=True):
        best = max((name for name in likely if name != NONE), key=likely.__getitem__)
        right += likely[NONE] < bound and best == label
    return round(right / len(known), 4)


def calibration_error(sure: Any, right: Any, bins: int = 10) -> float:
    """Expected calibration error over bins of equal width (Guo et al. 2017)."""
    place = np.minimum((sure * bins).astype(int), bins - 1)
    return float(
        sum(abs(sure[place == at].sum() - right[place == at].sum()) for at in range(bins)) / len(sure)
    )


def reliability(sure: Any, right: Any) -> list[list[float]]:
    """Confidence, share right and number of cases of each tenth that has any."""
    place = np.minimum((sure * 10).astype(int), 9)
    return [
        [round(float(sure[at].mean()), 3), round(float(right[at].mean()), 3), int(at.sum())]
        for number in range(10)
        if (at := place == number).any()
    ]


def coverage(sure: Any, right: Any, precision: float) -> list[float]:
    """Largest share of messages answered with that precision, and the confidence from which on."""
    order = np.argsort(-sure)
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    fits = np.flatnonzero(shares >= precision)
    if not len(fits):
        return [0.0, 1.0]
    return [round((int(fits[-1]) + 1) / len(order), 4), round(float(sure[order[fits[-1]]]), 4)]


def few(rows: Pairs, shots: int, seed: int) -> dict[str, list[str]]:
    """So many examples of each label."""
    texts = defaultdict(list)
    for text, label in rows:
        texts[label].append(text)
    rng = random.Random(seed)
    return {label: rng.sample(found, min(shots, len(found))) for label, found in sorted(texts.items())}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="classifier:smollm2-135m-instruct")
    parser.add_argument("--shots", type=int, nargs="*", default=[5, 10])
    parser.add_argument("--sets", action="store_true")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--limit", type=int, default=0, help="messages of each part; 0 for all")
    options = parser.parse_args()
    model = load_model(options.model)
    assert isinstance(model, ClassifierModel)
    clinc, banking = options.data / "clinc150", pairs(read(options.data / "banking77" / "train.jsonl.xz"))
    mine = set(learnt(banking))
    parts: dict[str, tuple[Pairs, Pairs, list[str]]] = {
        "clinc150": (
            pairs(read(clinc / "train.jsonl.xz")),
            pairs(read(clinc / "val.jsonl.xz")),
            [row["text"] for row in read(clinc / "oos_val.jsonl")],
        ),
        "banking77": (list(mine), [pair for pair in banking if pair not in mine], []),
    }
    for name, (train, dev, strangers) in parts.items():
        if options.limit:
            dev = random.Random(options.seed).sample(list(dev), options.limit)
        asked: dict[str, Any] = {f"{n} examples": few(sorted(train), n, options.seed) for n in options.shots}
        if options.sets:
            asked["shipped set"] = name
        for how, labels in asked.items():
            row = {"data": name, "labels": how, "model": model.name, "cases": len(dev)}
            print(json.dumps(row | dict(figures(model, labels, dev, strangers))), flush=True)


if __name__ == "__main__":
    main()
