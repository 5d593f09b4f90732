"""Scores the story against what is true: how tasks were found, what was left out, who served and how well."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from examples.convert_agent.agent import MODEL, answered
from speeddial.flywheel.artefact import FOLDER, Artefact, newest
from speeddial.flywheel.cluster import ASSIGNED
from speeddial.flywheel.curate import DROPPED, KEPT
from speeddial.flywheel.sample import Sample, read_samples
from speeddial.flywheel.texts import agreement

COPIES = ("copy", "near copy")
"""Left out, but not as wrong."""


def report(work: Path) -> dict[str, Any]:
    """All figures of a story that has been played."""
    truth = [
        json.loads(line)
        for line in (work / "story" / "truth.jsonl").read_text(encoding="utf-8").split("\n")
        if line
    ]
    artefacts = next((work / "project").rglob(FOLDER))
    curated = newest(artefacts, "curate")
    found: dict[str, Any] = {
        "curation": curation(curated, truth),
        "tasks": tasks(curated, newest(artefacts, "cluster"), truth),
        "training": training(_phase(work, "flywheel")),
        "served": served(work, truth),
        "ledger": accounts(work),
    }
    if (work / "compare.json").exists():
        found["compare"] = _phase(work, "compare")
    phases = ("record", "flywheel", "replay", "ledger")
    return found | {"seconds of": {name: _phase(work, name)["seconds"] for name in phases}}


def curation(curated: Artefact, truth: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Precision and recall against what was spoilt.

    A sample is spoilt when its call is none that is true for its text. Texts that the record redacted stand
    in no file of the story, and are left out of account.
    """
    true = _by_text(truth)
    rows = [(sample.request, sample.calls, "") for sample in read_samples(curated.file(KEPT))]
    for line in curated.file(DROPPED).read_text(encoding="utf-8").split("\n"):
        if line:
            row = json.loads(line)
            rows.append((_said(row["messages"]), row["calls"], row["reason"]))
    counted: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for text, calls, reason in rows:
        if text not in true:
            counted["redacted"] += 1
            continue
        spoilt, faulty = not _is_true(calls, true[text]), reason not in ("", *COPIES)
        counted.update({"kept": not reason, "faulty": faulty, "spoilt": spoilt})
        counted.update({"caught": spoilt and faulty, "slipped": spoilt and not reason})
        if spoilt:
            kind = next((row["spoilt"] for row in true[text] if row["spoilt"]), "")
            kinds[kind].update({"spoilt": 1, "gone": bool(reason)})
    return {
        "samples": len(rows),
        "redacted": counted["redacted"],
        "spoilt": counted["spoilt"],
        "left out as wrong": counted["faulty"],
        "precision": _share(counted["caught"], counted["faulty"]),
        "recall": _share(counted["spoilt"] - counted["slipped"], counted["spoilt"]),
        "recall by kind": {kind: _share(of["gone"], of["spoilt"]) for kind, of in sorted(kinds.items())},
        "kept": counted["kept"],
        "spoilt among the kept": _share(counted["slipped"], counted["kept"]),
        "left out for": curated.report["dropped"],
    }


def tasks(curated: Artefact, clustered: Artefact, truth: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How well the tasks that were found agree with tools and with intents."""
    true = _by_text(truth)
    assigned = json.loads(clustered.file(ASSIGNED).read_text(encoding="utf-8"))
    samples = [sample for sample in read_samples(curated.file(KEPT)) if sample.request in true]
    found = [assigned[sample.id] for sample in samples]
    rows = [true[sample.request][0] for sample in samples]
    by = {
        "tools": agreement([row["call"]["name"] for row in rows], found),
        "intents": agreement([row["intent"] for row in rows], found),
    }
    finer = max(by, key=lambda name: by[name])
    return {
        "found": {task["name"]: task["samples"] for task in clustered.report["tasks"]},
        "adjusted Rand index": {name: round(index, 4) for name, index in by.items()},
        "granularity": finer,
    }


def served(work: Path, truth: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Who served the unseen requests, and how much of it was right."""
    true = {row["id"]: row for row in truth}
    answers = answered(work / "unseen.answers.jsonl")
    by_task: dict[str, Counter[str]] = defaultdict(Counter)
    for name, answer in answers.items():
        row = true[name]
        by = "large" if answer["model"] == MODEL else "specialist"
        right = _is_true(answer["calls"], [row])
        for counted in (by_task[row["call"]["name"]], by_task[""]):
            counted.update({"requests": 1, by: 1, f"{by} right": right, "right": right})
            counted["large alone right"] += not row["spoilt"]
    whole = by_task.pop("")
    return {
        **_figures(whole),
        "of an unspoilt large model and the specialists": _share(
            whole["large"] + whole["specialist right"], whole["requests"]
        ),
        "by task": {task: _figures(counted) for task, counted in sorted(by_task.items())},
    }


def training(flywheel: Mapping[str, Any]) -> dict[str, Any]:
    """What was trained, and what the gate said of it."""
    return {
        "tokens": flywheel["tokens"],
        "minutes": round(flywheel["seconds of training"] / 60, 1),
        "stopped": flywheel["stopped"],
        "by task": {
            row["task"]: {name: row[name] for name in ("candidate", "passed", "stage", "reason")}
            for row in flywheel["tasks"]
        },
    }


def accounts(work: Path) -> dict[str, Any]:
    """What the ledger says, beside what agent and large model counted themselves."""
    total = _phase(work, "ledger")["total"]
    answers = answered(work / "unseen.answers.jsonl").values()
    log = (work / "unseen.teacher.jsonl").read_text(encoding="utf-8").splitlines()
    return {
        "calls": total["calls"],
        "served by specialists": total["served"],
        **{
            name: {end: round(total[name][end], 4) for end in ("low", "value", "high")}
            for name in ("served_share", "tokens_share", "cost_share")
            if total[name]
        },
        "training cost": total["training_cost"],
        "calls until paid": total["break_even"] and round(total["break_even"]["value"]),
        "the agent's count": {
            "calls": len(answers),
            "served by specialists": sum(answer["model"] != MODEL for answer in answers),
        },
        "the large model's count": {"calls": len(log)},
    }


def _phase(work: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((work / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _figures(counted: Mapping[str, int]) -> dict[str, Any]:
    return {
        "requests": counted["requests"],
        "served by specialists": counted["specialist"],
        "coverage": _share(counted["specialist"], counted["requests"]),
        "right of what specialists served": _share(counted["specialist right"], counted["specialist"]),
        "right of the whole": _share(counted["right"], counted["requests"]),
        "right of the large model alone": _share(counted["large alone right"], counted["requests"]),
    }


def shown(found: Mapping[str, Any]) -> str:
    """The report as a table of names and figures."""
    rows = list(_flat(found))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _flat(found: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}: ")
        else:
            yield f"{above}{name}", value


def _by_text(truth: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in truth:
        found[row["text"]].append(row)
    return found


def _is_true(calls: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> bool:
    return len(calls) == 1 and any(dict(calls[0]) == row["call"] for row in rows)


def _said(messages: Sequence[Mapping[str, Any]]) -> str:
    return Sample(id="", group="", messages=tuple(map(dict, messages))).request


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
