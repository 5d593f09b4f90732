"""Plans over registries of 5, 20 and 100 experts that the planner has never seen, and of MixSNIPS.

    python -m benchmarks.planning DATA [--sizes 5 20 100] [--cases N] [--retrieval] [--mixsnips] [--out FILE]

DATA holds clinc150/, hwu64/, sgd/, snips/ and mixsnips/. Every intent of CLINC150 and HWU64 that
`training.planner_intents` holds out of the planner's training and every kind of service of SGD, which is in
no training row, is an expert with a card: name, summary and five example requests. A case draws a registry
and asks one to three of its unseen experts; a registry of 100 is filled up with experts that training knew.

`recall` is the share of asked experts that `speeddial.plan.candidates` puts among the twelve it shows the
planner. `--retrieval` stops there. `--mixsnips` plans MixSNIPS's development part over the pack instead: the
right plan is made of the SNIPS requests that an utterance was joined of.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import lzma
import random
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from speeddial.expert import Expert
from speeddial.flywheel.evaluate import Figures, evaluate, lines_of, wilson
from speeddial.jsonlines import read_objects
from speeddial.plan import MAX_CANDIDATES, candidates
from speeddial.project import Project
from training import hwu64
from training.planner_experts import ORGANIZER, TABLES
from training.planner_intents import EXPERTS
from training.planner_joints import strip_task
from training.planner_pack import PACK_SUMMARIES
from training.snips import EXPERT_OF, spoken

EXAMPLES = 5
"""Requests on a card."""
JOINTS = (" and ", ", and then ", ", ", " then ", ". Then ", " and also ")
# SGD's kinds of service, and the intents of the other sets that say the same.
TWINS = {
    "Banks": "balance transfer",
    "Flights": "book_flight",
    "Hotels": "book_hotel",
    "RentalCars": "car_rental",
    "RideSharing": "uber",
    "Travel": "travel_suggestion recommendation_locations",
    "Events": "recommendation_events",
    "Buses": "transport_query transport_ticket",
    "Restaurants": "how_busy takeaway_query",
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """An expert of a registry, and requests that are for it."""

    name: str
    summary: str
    examples: tuple[str, ...]
    requests: tuple[str, ...]
    unseen: bool

    def card(self) -> Row:
        return {"name": self.name, "summary": self.summary, "when_to_call": list(self.examples)}


def rows(path: Path) -> Iterator[Row]:
    return (row for _, row in read_objects(path))


def intents(data: Path) -> Iterator[Known]:
    """An expert for each intent of CLINC150 and HWU64."""
    train: dict[str, list[str]] = {}
    asked: dict[str, list[str]] = {}
    for row in rows(data / "clinc150" / "train.jsonl.xz"):
        train.setdefault(row["intent"], []).append(row["text"])
    for row in rows(data / "clinc150" / "val.jsonl.xz"):
        asked.setdefault(row["intent"], []).append(row["text"])
    for row in rows(data / "hwu64" / "train.jsonl.xz"):
        side = asked if hwu64.is_dev(row["text"]) else train
        side.setdefault(row["intent"], []).append(row["text"])
    for expert in EXPERTS:
        picked = random.Random(expert.intent).sample(train[expert.intent], EXAMPLES)
        requests = tuple(text for text in asked[expert.intent] if 2 < len(text.split()) < 20)
        yield Known(expert.intent, expert.summaries[0], tuple(picked), requests, expert.held_out)


def services(data: Path) -> Iterator[Known]:
    """An expert for each kind of service of SGD, asked what opens its dialogues."""
    said: dict[str, list[str]] = {}
    for part in ("train", "dev"):
        for dialogue in rows(data / "sgd" / f"{part}.jsonl.xz"):
            turn = dialogue["turns"][0]
            for service, state in turn.get("state", {}).items():
                if state.get("i", "NONE") != "NONE" and 4 < len(turn["t"].split()) < 22:
                    said.setdefault(service, []).append(turn["t"])
    kinds: dict[str, Known] = {}
    for part in ("dev", "train"):
        for schema in read_schemas(data / "sgd" / f"schema_{part}.json.xz"):
            service = schema["service_name"]
            kind = service if service.startswith("Services") else service.rpartition("_")[0]
            texts = sorted(set(said.get(service, ())))
            if kind in kinds or len(texts) < 2 * EXAMPLES:
                continue
            random.Random(kind).shuffle(texts)
            summary = schema["description"]
            kinds[kind] = Known(
                kind.lower(), summary, tuple(texts[:EXAMPLES]), tuple(texts[EXAMPLES:]), unseen=True
            )
    yield from kinds.values()


def read_schemas(path: Path) -> list[Row]:
    with lzma.open(path, "rt", encoding="utf-8") as file:
        loaded: list[Row] = json.load(file)
    return loaded


def registry(dice: random.Random, known: Sequence[Known], size: int) -> list[Known]:
    """`size` experts of which no two say the same, unseen ones first."""
    shuffled = sorted(known, key=lambda expert: (not expert.unseen, dice.random()))
    if size < sum(expert.unseen for expert in known) // 2:
        shuffled = [expert for expert in shuffled if expert.unseen]
    picked: list[Known] = []
    gone: set[str] = set()
    twins = {kind.lower(): set(names.split()) for kind, names in TWINS.items()}
    for expert in shuffled:
        if expert.name in gone or len(picked) == size:
            continue
        picked.append(expert)
        gone |= twins.get(expert.name, set())
        gone |= {kind for kind, names in twins.items() if expert.name in names}
    dice.shuffle(picked)
    return picked


def cases(known: Sequence[Known], size: int, count: int, seed: int) -> Iterator[Row]:
    """Requests of one to three parts over random registries, each with its plan."""
    dice = random.Random(f"planning-{seed}-{size}")
    for number in range(count):
        experts = registry(dice, known, size)
        asked = dice.sample([one for one in experts if one.unseen], dice.choices((1, 2, 3), (4, 4, 2))[0])
        parts = [strip_task(dice.choice(expert.requests)) for expert in asked]
        text = parts[0]
        for part in parts[1:]:
            text += dice.choice(JOINTS) + part
        yield {
            "id": f"planning-{size}-{number}",
            "input": text,
            "files": [],
            "experts": [expert.card() for expert in experts],
            "plan": {
                "steps": [
                    {"task": part, "expert": expert.name} for part, expert in zip(parts, asked, strict=True)
                ]
            },
        }


def recall(row: Row) -> tuple[int, int]:
    """How many of the asked experts are shown to the planner, and how many were asked."""
    shown = candidates(row["input"], {card["name"]: stranger(card) for card in row["experts"]})
    asked = [step["expert"] for step in row["plan"]["steps"]]
    return sum(name in shown for name in asked), len(asked)


def stranger(card: Mapping[str, Any]) -> Expert:
    return Expert(
        name=card["name"],
        summary=card["summary"],
        task=card["summary"],
        when_to_call=tuple(card["when_to_call"]),
        tools=(),
        prompt="",
        folder=Path(),
    )


# ---- MixSNIPS --------------------------------------------------------------------------------------

_JOINT = re.compile(r" (?:, |and then |and also |and )")


def mixsnips(data: Path, project: Project) -> Iterator[Row]:
    """MixSNIPS's development part with the plans it stands for, over the project's experts or the pack's."""
    known = {expert.name: expert.summary for expert in project.experts.values() if expert.planned}
    summaries = {"organizer": ORGANIZER, "tables": TABLES}
    summaries |= {kind: said[0] for kind, said in PACK_SUMMARIES.items()}
    if not set(EXPERT_OF.values()) <= known.keys():
        known = summaries
    experts = [
        {"name": name, "summary": known[name], "needs_file": name == "tables"} for name in sorted(known)
    ]
    single = {
        _letters(spoken(row["text"])): row["intent"]
        for part in ("train", "dev")
        for row in rows(data / "snips" / f"{part}.jsonl.xz")
    }
    for number, row in enumerate(rows(data / "mixsnips" / "dev.jsonl.xz")):
        parts = _parts(row["text"], row["intents"], single)
        if parts is None:
            continue
        steps = [
            {"task": strip_task(part), "expert": EXPERT_OF[intent]}
            for part, intent in zip(parts, row["intents"], strict=True)
        ]
        yield {
            "id": f"mixsnips-{number}",
            "input": row["text"],
            "files": [],
            "experts": experts,
            "plan": {"steps": steps},
        }


def _letters(text: str) -> str:
    return re.sub(r"\W+", "", text.lower())


def _parts(text: str, wanted: Sequence[str], single: Mapping[str, str]) -> list[str] | None:
    """The SNIPS requests that an utterance was joined of; None when they are not found."""
    if len(wanted) == 1:
        return [text]
    for joint in _JOINT.finditer(text):
        if single.get(_letters(text[: joint.start()])) == wanted[0]:
            rest = _parts(text[joint.end() :], wanted[1:], single)
            if rest is not None and (len(wanted) > 2 or single.get(_letters(rest[0])) == wanted[1]):
                return [text[: joint.start()], *rest]
    return None


# ---- the command -----------------------------------------------------------------------------------


def planned(project: Project, made: Sequence[Row], limit: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="planning-") as scratch:
        path = Path(scratch) / "cases.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
        return asyncio.run(evaluate(project, "planner", path, limit=limit))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--sizes", type=int, nargs="*", default=[5, 20, 100])
    parser.add_argument("--cases", type=int, default=100, help="of each size, and of MixSNIPS")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--retrieval", action="store_true", help="the search alone, without a model")
    parser.add_argument("--mixsnips", action="store_true")
    parser.add_argument("--out", type=Path, help="takes what was wrong, one JSON object a line")
    options = parser.parse_args()
    project = Project.load(Path(__file__).resolve().parent.parent)
    wrong: list[Row] = []

    def show(title: str, figures: Figures) -> None:
        print(f"\n{title}\n  " + "\n  ".join(lines_of(figures)))
        wrong.extend({"of": title, **asdict(item)} for item in figures.wrong)

    if options.mixsnips:
        made = list(mixsnips(options.data, project))
        print(f"{len(made)} utterances whose requests were found")
        show("MixSNIPS", planned(project, made, options.cases))
    else:
        known = [*intents(options.data), *services(options.data)]
        print(f"{len(known)} experts, {sum(one.unseen for one in known)} of them unseen")
        for size in options.sizes:
            made = list(cases(known, size, options.cases, options.seed))
            found = [recall(row) for row in made]
            hits, asked = (sum(column) for column in zip(*found, strict=True))
            low, high = wilson(hits, asked)
            complete = sum(hit == all_of for hit, all_of in found) / len(found)
            print(f"\n{size} experts: recall among {MAX_CANDIDATES} {hits / asked:.1%} of {asked}", end="")
            print(f" (95 %: {low:.1%} to {high:.1%}), all that a request asks {complete:.1%}")
            if not options.retrieval:
                show(f"plans over {size} experts", planned(project, made, 0))
    if options.out:
        options.out.write_text("".join(json.dumps(row) + "\n" for row in wrong), encoding="utf-8")


if __name__ == "__main__":
    main()
