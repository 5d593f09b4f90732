"""S2, curate: what of the collected samples may be learnt from, and why the rest may not.

Training straight on what was recorded teaches its mistakes. Here a sample is left out when

- there is no usable answer (`no answer`), or the call breaks its tool's schema (`schema`),
- the call fits the schema that it was made under and not the present one (`drifted`),
- requests that are the same led to different calls and no call has two thirds of them (`conflict`),
- a value stands in no request although values of this argument practically always do (`not in the request`),
- a value is of another JSON type than practically all values of this argument (`unusual type`),
- everything about the request says another tool, or another of the few values that an argument has
  (`another tool`, `another value`),
- or it says the same as an earlier one (`copy`, `near copy`).

What a person accepted or corrected is exempt from all that is only suspicion. Everything left out stands in
``dropped.jsonl`` with its reason, so nothing is lost.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from speeddial.flywheel.artefact import Artefact, made
from speeddial.flywheel.collect import SAMPLES
from speeddial.flywheel.labels import fold
from speeddial.flywheel.sample import Call, Sample, read_samples, write_samples
from speeddial.flywheel.texts import Guess, guesses
from speeddial.jsonlines import read_objects
from speeddial.messages import compact_json
from speeddial.record.export.validity import why_invalid

KEPT = "kept.jsonl"
DROPPED = "dropped.jsonl"
EXAMPLES = 5
"""Samples named for each reason in the report."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How sure a suspicion must be; the defaults were chosen on the story of `examples/convert_agent`."""

    majority: float = 2 / 3
    """Share that one call needs among equal requests."""
    habit: float = 0.97
    """Share of an argument's values that must be of one JSON type for the others to be suspect."""
    copied: float = 0.8
    """Share of an argument's values that must stand in their requests for the others to be suspect. Lower
    than a habit of types: where a tenth of the answers is wrong, a tenth of these values is."""
    choices_most: int = 20
    """Different values up to which an argument that is not copied counts as a choice."""
    habit_least: int = 20
    """Values from which a habit can be told."""
    own_most: float = 0.1
    """Most probability that a sample's own tool may have ..."""
    other_least: float = 0.6
    """... where another one has at least this."""
    alike: float = 0.15
    """Share of a tool's samples that may be taken for one other tool; when more are, words do not tell them
    apart, and say nothing against a sample."""
    near: float = 0.9
    """Share of equal words from which two requests with equal calls are near copies."""


@dataclass(frozen=True)
class Dropped:
    """A sample that was left out."""

    sample: Sample
    reason: str
    detail: str = ""


def curate(
    collected: Artefact,
    folder: Path,
    rules: Rules = Rules(),
    *,
    current: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> Artefact:
    """Sort collected samples.

    Args:
        collected: an artefact of `collect`.
        folder: of all artefacts.
        rules: how sure a suspicion must be.
        current: tool name -> its definition now; a tool that is not named has the one it was last shown with.
        progress: told which rule is at work.

    Raises:
        UserError: scikit-learn is absent, or the disk refused.
    """

    def make(draft: Path) -> Mapping[str, Any]:
        samples = list(read_samples(collected.file(SAMPLES)))
        kept, dropped = sort(samples, rules, current=current, progress=progress)
        write_sorted(draft, kept, dropped)
        return report(samples, kept, dropped)

    parameters = {"rules": asdict(rules), "current": current}
    return made(folder, "curate", {"collect": collected.sha256}, parameters, make)


def write_sorted(folder: Path, kept: Iterable[Sample], dropped: Iterable[Dropped]) -> None:
    """Write the files of a curated artefact."""
    write_samples(folder / KEPT, kept)
    with (folder / DROPPED).open("w", encoding="utf-8") as file:
        for item in dropped:
            row = {"reason": item.reason, "detail": item.detail, **asdict(item.sample), "tools": []}
            file.write(compact_json(row) + "\n")


def read_dropped(file: Path, collected: Mapping[str, Sample]) -> list[Dropped]:
    """What was left out, as it was collected.

    Args:
        collected: id -> sample.
    """
    return [
        Dropped(collected[row["id"]], row["reason"], row["detail"])
        for _, row in read_objects(file)
        if row["id"] in collected
    ]


def sort(
    samples: Sequence[Sample],
    rules: Rules = Rules(),
    *,
    current: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> tuple[list[Sample], list[Dropped]]:
    """The samples that may be learnt from, and the others with their reasons; both in their order."""
    gone: dict[str, Dropped] = {}
    left = list(samples)
    stages: Sequence[tuple[str, Callable[[list[Sample]], Iterable[Dropped]]]] = (
        ("answers", _without_answer),
        ("schemas", lambda rest: _invalid(rest, current)),
        ("types", lambda rest: _of_unusual_type(rest, rules)),
        ("values", lambda rest: _not_in_request(rest, rules)),
        ("tools", lambda rest: _of_another_tool(rest, rules)),
        ("choices", lambda rest: _of_another_value(rest, rules)),
        ("conflicts", lambda rest: _conflicting(rest, rules)),
        ("copies", lambda rest: copies(rest, rules)),
    )
    for name, stage in stages:
        progress(name)
        gone |= {item.sample.id: item for item in stage(left)}
        left = [sample for sample in left if sample.id not in gone]
    return left, [gone[sample.id] for sample in samples if sample.id in gone]


def report(samples: Sequence[Sample], kept: Sequence[Sample], dropped: Sequence[Dropped]) -> dict[str, Any]:
    """Counts by reason and tool, with a few examples of each reason."""
    examples: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in dropped:
        if len(examples[item.reason]) < EXAMPLES:
            sample = item.sample
            examples[item.reason].append(
                {"id": sample.id, "request": sample.request, "calls": sample.calls, "detail": item.detail}
            )
    return {
        "samples": len(samples),
        "kept": len(kept),
        "dropped": dict(Counter(item.reason for item in dropped).most_common()),
        "tasks": dict(Counter(sample.task for sample in kept).most_common()),
        "examples": dict(examples),
    }


# ---- rules, each a function from what is left to what it drops ----


def _without_answer(samples: list[Sample]) -> Iterator[Dropped]:
    for sample in samples:
        if sample.error and not sample.calls:
            # A whole answer without a usable call broke its schema.
            yield Dropped(sample, "schema" if sample.whole else "no answer", sample.error)
        elif not sample.request.strip():
            yield Dropped(sample, "no answer", "the request is empty")


def _invalid(samples: list[Sample], current: Mapping[str, Mapping[str, Any]] | None) -> Iterator[Dropped]:
    latest: dict[str, Mapping[str, Any]] = {}
    for sample in sorted(samples, key=lambda sample: sample.created):
        latest.update({tool["name"]: tool for tool in sample.tools})
    latest.update(current or {})
    for sample in samples:
        for call in sample.calls:
            shown = sample.definition(call["name"])
            now = latest.get(call["name"])
            if reason := why_invalid(call, [shown] if shown else [], redacted=False):
                yield Dropped(sample, "schema", f"{call['name']}: {reason}")
                break
            if now is None or why_invalid(call, [now], redacted=False):
                yield Dropped(sample, "drifted", f"{call['name']}: does not fit the present schema")
                break


def _of_unusual_type(samples: list[Sample], rules: Rules) -> Iterator[Dropped]:
    types: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for _, call, name, value in _arguments(samples):
        types[call["name"], name][_json_type(value)] += 1
    dropped: set[str] = set()
    for sample, call, name, value in _arguments(samples):
        counted = types[call["name"], name]
        kind, most = counted.most_common(1)[0]
        unusual = _json_type(value) != kind and most >= rules.habit * counted.total()
        if unusual and counted.total() >= rules.habit_least and _doubtful(sample, dropped):
            yield Dropped(sample, "unusual type", f"{name}: {_json_type(value)}, mostly {kind}")


def _not_in_request(samples: list[Sample], rules: Rules) -> Iterator[Dropped]:
    """Arguments that copy from the request, and the values that do not."""
    seen: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for sample, call, name, value in _arguments(samples):
        if isinstance(value, str):
            seen[call["name"], name].append(_stands_in(value, sample))
    dropped: set[str] = set()
    for sample, call, name, value in _arguments(samples):
        found = seen.get((call["name"], name), [])
        habit = len(found) >= rules.habit_least and sum(found) >= rules.copied * len(found)
        if habit and isinstance(value, str) and not _stands_in(value, sample) and _doubtful(sample, dropped):
            yield Dropped(sample, "not in the request", f"{name}: {value!r}")


def _of_another_tool(samples: list[Sample], rules: Rules) -> Iterator[Dropped]:
    dropped: set[str] = set()
    for sample, guess in _suspects(samples, [sample.task for sample in samples], rules):
        if _doubtful(sample, dropped):
            yield Dropped(
                sample,
                "another tool",
                f"{sample.task or 'words'} {guess.own:.2f}, {guess.other or 'words'} {guess.others:.2f}",
            )


def _of_another_value(samples: list[Sample], rules: Rules) -> Iterator[Dropped]:
    """Arguments that are a choice among few values, which the request decides without naming it."""
    chosen: dict[tuple[str, str], list[tuple[Sample, str]]] = defaultdict(list)
    for sample, call, name, value in _arguments(samples):
        if len(sample.calls) == 1 and isinstance(value, str | int | bool):
            chosen[call["name"], name].append((sample, str(value)))
    dropped: set[str] = set()
    for (_, name), given in chosen.items():
        values = Counter(value for _, value in given)
        copied = sum(_stands_in(value, sample) for sample, value in given)
        few = 1 < len(values) <= min(rules.choices_most, len(given) // rules.habit_least)
        if not few or copied >= rules.copied * len(given):
            continue
        own = {sample.id: value for sample, value in given}
        for sample, guess in _suspects([sample for sample, _ in given], list(own.values()), rules):
            if _doubtful(sample, dropped):
                said = f"{name}: {own[sample.id]} {guess.own:.2f}, {guess.other} {guess.others:.2f}"
                yield Dropped(sample, "another value", said)


def _conflicting(samples: list[Sample], rules: Rules) -> Iterator[Dropped]:
    """Of equal requests the ones outvoted; all of them when no call has the majority."""
    same: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        same[_asked(sample)].append(sample)
    for group in same.values():
        votes = Counter(_called(sample) for sample in group)
        judged = {_called(sample) for sample in group if sample.verdict in ("accept", "correct")}
        if len(votes) == 1:
            continue
        best, count = votes.most_common(1)[0]
        right = judged or ({best} if count >= rules.majority * len(group) else set())
        for sample in group:
            if _called(sample) not in right:
                yield Dropped(sample, "conflict", f"{count} of {len(group)} equal requests agree")


def copies(samples: list[Sample], rules: Rules) -> Iterator[Dropped]:
    """Samples that say what an earlier one does. Only equal calls are compared, so groups stay small."""
    by_calls: dict[str, list[tuple[Sample, frozenset[str]]]] = defaultdict(list)
    for sample in samples:
        words = frozenset(_WORD.findall(_asked(sample)))
        earlier = by_calls[_called(sample) if sample.calls else _asked(sample)]
        for other, known in earlier:
            if _asked(other) == _asked(sample):
                yield Dropped(sample, "copy", other.id)
                break
            if len(words & known) >= rules.near * len(words | known) > 0:
                yield Dropped(sample, "near copy", other.id)
                break
        else:
            earlier.append((sample, words))


# ---- inside ----


def _suspects(
    samples: Sequence[Sample], classes: Sequence[str], rules: Rules
) -> Iterator[tuple[Sample, Guess]]:
    """The samples whose requests say another class than they have."""
    told = guesses([sample.request for sample in samples], classes)
    counts = Counter(classes)
    taken = Counter(
        (own, guess.other) for own, guess in zip(classes, told, strict=True) if guess.others > guess.own
    )
    for sample, own, guess in zip(samples, classes, told, strict=True):
        sure = guess.own <= rules.own_most and guess.others >= rules.other_least
        if sure and taken[own, guess.other] <= max(1, rules.alike * counts[own]):
            yield sample, guess


def _arguments(samples: Iterable[Sample]) -> Iterator[tuple[Sample, Call, str, Any]]:
    for sample in samples:
        for call in sample.calls:
            for name, value in call["arguments"].items():
                yield sample, call, name, value


def _doubtful(sample: Sample, dropped: set[str]) -> bool:
    """Whether a suspicion may drop a sample: nobody spoke for it, and it is not dropped yet."""
    if sample.verdict in ("accept", "correct") or sample.id in dropped:
        return False
    dropped.add(sample.id)
    return True


def _stands_in(value: str, sample: Sample) -> bool:
    said = " ".join(_WORD.findall(fold(sample.request)))
    return f" {' '.join(_WORD.findall(fold(value)))} " in f" {said} "


def _json_type(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    names = {int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]


def _asked(sample: Sample) -> str:
    return fold(sample.request)


def _called(sample: Sample) -> str:
    return fold(json.dumps(sample.calls, sort_keys=True, ensure_ascii=False)) if sample.calls else ""
