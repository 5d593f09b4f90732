"""MixSNIPS end to end: one to three requests in one utterance, every intent and every slot right.

    python -m benchmarks.mixsnips DATA [--limit 300] [--seed 7]     # runs the tasks, executes nothing
    python -m benchmarks.mixsnips DATA --results OUT                # scores what `speeddial batch` wrote
    python -m benchmarks.mixsnips DATA --parts                      # the experts alone, on the labels' parts

DATA is MixSNIPS's development part as it is (text, intents, slots), or as `python -m training.switchboard`
writes it (input in place of text), plain or .xz; OUT is of `speeddial batch DATA --no-execute --out OUT`. An
utterance is right when the calls' (intent, slot, value) are the labels', as multisets, values compared in
MixSNIPS's own spelling (`training.snips.spoken`). Intervals are Wilson's, 95 %.

The labels name no parts. They are cut at the joints ("and then", ",") that leave every slot whole and in the
part of an intent that has it; under 1 % of the utterances can be cut in more ways than one and have no parts.
Where an utterance is wrong, the planner is to blame if the experts are right on all of its parts, else the
expert.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speeddial.flywheel.evaluate import evaluate, wilson
from speeddial.jsonlines import read_objects
from speeddial.project import Project
from speeddial.record import Record
from speeddial.result import RunResult
from speeddial.run import BatchItem, Runner
from training.snips import ARGUMENTS, EXPERT_OF, call, spoken

ROOT = Path(__file__).resolve().parents[1]
_JOINT = re.compile(r" (?:and then|and also|and|,) ")
Call = Mapping[str, Any]
Span = tuple[int, int]


@dataclass(frozen=True)
class Part:
    """One request of an utterance, with the call that its labels mean."""

    text: str
    expert: str
    call: Call


@dataclass(frozen=True)
class Utterance:
    """One line of the data."""

    id: str
    text: str
    parts: tuple[Part, ...]
    """In order; of the first way to cut it where there are several."""
    sure: bool
    """Whether there is exactly one way to cut it."""


def read(path: Path) -> list[Utterance]:
    """The utterances of a file whose labels stand in their words."""
    found = []
    for number, row in read_objects(path):
        text = row.get("input") or row["text"]
        cuts = list(_cuts(text, row["intents"], row["slots"]))
        if cuts:
            identity = str(row.get("id", f"mixsnips-{number - 1}"))
            found.append(Utterance(identity, text, cuts[0], sure=len(cuts) == 1))
    return found


def _cuts(text: str, intents: Sequence[str], slots: Sequence[tuple[str, str]]) -> Iterator[tuple[Part, ...]]:
    """Every way to cut an utterance into as many parts as it has intents."""
    places: list[Span] = []
    for _, value in slots:
        begin = places[-1][1] if places else 0
        match = re.compile(rf"(?<!\S){re.escape(value)}(?!\S)").search(text, begin)
        if match is None:
            return
        places.append(match.span())
    joints = [
        match.span()
        for match in _JOINT.finditer(text)
        if not any(start < match.end() - 1 and match.start() + 1 < end for start, end in places)
    ]
    for chosen in itertools.combinations(joints, len(intents) - 1):
        edges = [0, *itertools.chain(*chosen), len(text)]
        parts = []
        for intent, start, end in zip(intents, edges[::2], edges[1::2], strict=True):
            own = [slot for slot, place in zip(slots, places, strict=True) if start <= place[0] < end]
            names = {name for name, _ in own}
            if len(names) < len(own) or not names <= set(ARGUMENTS[intent]) or " " not in text[start:end]:
                break
            meant = call({"intent": intent, "slots": own}, as_spoken=True)
            parts.append(Part(text[start:end], EXPERT_OF[intent], meant))
        if len(parts) == len(intents):
            yield tuple(parts)


# --- comparing ----------------------------------------------------------------------------------------------


def slots_of(calls: Iterable[Call]) -> Counter[tuple[str, str, str]]:
    """Every (tool, argument, value) of some calls; without arguments a call still counts, by its name."""
    return Counter(
        (made["name"], name, spoken(str(value)))
        for made in calls
        for name, value in [("", ""), *made["arguments"].items()]
    )


def intents_of(calls: Iterable[Call]) -> Counter[str]:
    return Counter(made["name"] for made in calls)


class Tally:
    """How many utterances and slots were right."""

    def __init__(self) -> None:
        self.cases = self.whole = self.intents = self.hits = self.made = self.meant = 0

    def add(self, meant: Sequence[Call], made: Sequence[Call]) -> bool:
        """Count one utterance; gives whether all of it is right."""
        want, got = slots_of(meant), slots_of(made)
        self.cases += 1
        self.whole += want == got
        self.intents += intents_of(meant) == intents_of(made)
        want, got = (Counter({key: n for key, n in side.items() if key[1]}) for side in (want, got))
        self.hits += (want & got).total()
        self.made += got.total()
        self.meant += want.total()
        return slots_of(meant) == slots_of(made)

    def lines(self) -> Iterator[str]:
        yield f"overall    {share(self.whole, self.cases)}"
        yield f"intents    {share(self.intents, self.cases)}"
        both = self.made + self.meant
        yield f"slot F1    {200 * self.hits / both if both else 0:.1f}"


def share(right: int, cases: int) -> str:
    low, high = wilson(right, cases)
    return f"{right / cases if cases else 0:.1%}  ({low:.1%} to {high:.1%}; {right} of {cases})"


# --- running ------------------------------------------------------------------------------------------------


def parts_right(project: Project, utterances: Iterable[Utterance]) -> dict[str, bool]:
    """Whether the expert is right on each different part, by its text; every text is asked once."""
    wanted = {part.text: part for item in utterances if item.sure for part in item.parts}
    right: dict[str, bool] = {}
    for expert in sorted({part.expert for part in wanted.values()}):
        texts = [part for part in wanted.values() if part.expert == expert]
        with tempfile.TemporaryDirectory() as folder:
            cases = Path(folder) / "parts.jsonl"
            rows = [{"id": n, "input": part.text, "calls": [part.call]} for n, part in enumerate(texts)]
            cases.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
            figures = asyncio.run(evaluate(project, expert, cases))
        wrong = {item.id for item in figures.wrong}
        right.update({part.text: str(number) not in wrong for number, part in enumerate(texts)})
        print(f"{expert:10} {share(figures.exact, figures.cases)}  different parts", flush=True)
    return right


def ran(project: Project, utterances: Sequence[Utterance]) -> dict[str, list[Call]]:
    """The calls of each utterance, planned and decoded by the project's own engines; nothing is executed."""
    calls: dict[str, list[Call]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        Record.open(Path(folder) / "record.db") as record,
        Runner(project, record=record) as runner,
    ):
        items = [BatchItem(item.id, item.text, ()) for item in utterances]
        for item, result in runner.batch_sync(items, workers=1, execute=False):
            made = result.calls if isinstance(result, RunResult) else ()
            calls[item.id] = [
                outcome.call.as_dict() for outcome in made if outcome.call and not outcome.call.is_refusal
            ]
            if len(calls) % 50 == 0:
                print(f"{len(calls)} of {len(items)}", flush=True)
    return calls


def told(path: Path) -> dict[str, list[Call]]:
    """The calls in an OUT of `speeddial batch`."""
    return {
        str(row["id"]): [made for made in row["calls"] if made.get("name") not in (None, "refuse")]
        for _, row in read_objects(path)
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--results", type=Path, help="an OUT of speeddial batch; only its lines are scored")
    parser.add_argument("--parts", action="store_true", help="the experts alone, on the labels' parts")
    parser.add_argument("--limit", type=int, default=0, help="a random sample of so many; 0 for all")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--wrong", type=int, default=0, help="show so many of the wrong ones")
    options = parser.parse_args()
    project = Project.load(ROOT)
    utterances = read(options.data)
    made = told(options.results) if options.results else {}
    if made:
        utterances = [item for item in utterances if item.id in made]
    elif options.limit and options.limit < len(utterances):
        utterances = random.Random(options.seed).sample(utterances, options.limit)
    right = parts_right(project, utterances)
    sure = [item for item in utterances if item.sure]
    good = {item.id: all(right[part.text] for part in item.parts) for item in sure}
    print(f"right on every part of an utterance: {share(sum(good.values()), len(good))}")
    if options.parts:
        return
    made = made or ran(project, utterances)
    tallies: dict[int, Tally] = {}
    whole, blame = Tally(), Counter[str]()
    shown = 0
    for item in utterances:
        meant = [part.call for part in item.parts]
        tallies.setdefault(len(meant), Tally()).add(meant, made[item.id])
        if not whole.add(meant, made[item.id]):
            experts = good.get(item.id)
            blame["unknown" if experts is None else "planner" if experts else "expert"] += 1
            if shown < options.wrong:
                shown += 1
                print(f"\n{item.text}\n  meant {meant}\n  made  {made[item.id]}")
    print("\n".join(whole.lines()))
    for count in sorted(tallies):
        print(f"{count} part{'s'[: count > 1]}    {share(tallies[count].whole, tallies[count].cases)}")
    print(f"wrong because of: {dict(blame)}")


if __name__ == "__main__":
    main()
