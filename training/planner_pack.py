"""The planner's fourth stage: all of the pack, requests as MixSNIPS joins them, experts known by their cards.

    python -m training.planner_pack DATA OUT [--seed N] [--scale X]

DATA holds snips/, mixsnips/, hwu64/, clinc150/, wikisql/ and home_assistant_intents/. OUT receives
planner_pack_train.jsonl. Rows come in blocks of one registry and one set of files, so that training computes
an opening once for many. Experts that `planner_intents` holds out stand in no row, nor does SGD.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speeddial.flywheel.labels import fold as norm
from speeddial.plan import Plan
from training import hwu64
from training.organizer import read, write
from training.planner import (
    CASES,
    DEMO,
    Registry,
    Row,
    answer_of,
    file_name,
    load_sources,
    make_row,
    served,
)
from training.planner_experts import ORGANIZER, OTHER_NAMES, TABLES
from training.planner_intents import EXPERTS
from training.planner_joints import compose, strip_task
from training.planner_parts import Part, Sources, decapital, elided, elided_tables
from training.planner_wordings import VAGUE_FILES
from training.recipe import options
from training.snips import EXPERT_OF, fault, spoken
from training.snips import EXPERTS as SNIPS_EXPERTS
from training.style import QUESTION
from training.style import spoken as plainly_spoken
from training.switchboard import folded
from training.words import lines

BLOCK = 24
"""Rows under one registry: three batches of eight."""
MIXED, PACK, STRANGE = 2616, 2208, 2016
"""Rows of each kind: SNIPS as MixSNIPS joins it, parts for all of the pack, strange experts."""
SPOKEN = 0.6

# kind: summaries, the card's first, then what else such an expert may be said to do.
PACK_SUMMARIES = {
    kind: lines(said)
    for kind, said in (
        line.split(": ", 1)
        for line in """
music: playing music and adding to playlists|plays music and adds to playlists|songs, albums and playlists
dining: booking tables at restaurants|restaurant reservations|reserves places to eat
weather: the weather and its forecast|weather forecasts|current weather and forecasts for any place
library: rating books, finding creative works and film screenings|book ratings, creative works, films
home: devices, rooms, timers and lists of the house, in English, Russian and Chinese|controls the smart home
triage: routes a message to one of the user's labels, or to none|which team a message is for
extract: records of a given type read from a text: mails, invoices, log lines|reads a text into a typed record
""".strip().splitlines()
    )
}
SNIPS = [expert for expert, intents in SNIPS_EXPERTS.items() for _ in intents]
"""The expert of each intent: an utterance of MixSNIPS holds none twice."""
ALIASES = {
    "music": ("jukebox", "player", "dj"),
    "dining": ("restaurants", "maitre", "table_booking"),
    "weather": ("forecast", "meteo"),
    "library": ("media", "catalogue", "culture"),
    "home": ("house", "smart_home", "butler"),
    "triage": ("router", "sorter"),
    "extract": ("extractor", "reader"),
}
ASKED = {
    "triage": lines("""
which label fits this message: {m}|sort this message: {m}|who should get this: {m}
route this to the right team: {m}|put a label on this: {m}
"""),
    "extract": lines("""
get the invoice number and the total out of this: {i}|extract the fields of this invoice: {i}
read this into a record: {i}|pull the amounts from this: {i}|fill in the record from this mail: {i}
"""),
}
MESSAGES = lines("""
my parcel never arrived|the app crashes at login|I was charged twice|how do I reset my password
the invoice shows the wrong address|please cancel my subscription|your driver was very friendly
""")
INVOICES = lines("""
invoice 2024-118, 340 euros, due on 3 May|order 5512, two lamps, 59.90 dollars in total
receipt 77, 12 March, 18.20 pounds|bill 9001 of Weber & Sons over 1,200 euros
""")
HOME_INTENTS = lines("""
HassGetState|HassClimateGetTemperature|HassClimateSetTemperature|HassSetPosition|HassTurnOff|HassTurnOn
HassLightSet|HassVacuumStart|HassVacuumReturnToBase|HassStartTimer|HassCancelTimer
""")
CODE_NAMES = lines("""
alpha|beta|gamma|delta|epsilon|nova|orion|atlas|echo|iris|juno|kilo|lima|max|nina|otto|papa|quinn|rhea
sam|tess|uma|vera|wanda|xeno|yara|zeus|agent1|agent2|agent3|desk-a|desk-b|unit7|bot_9|helper|north|south|hermes
""")
# Domains that are one and the same to people: a missing part is never nearly served by another of its domain.
DOMAINS = {
    "credit_cards": "banking",
    "auto_and_commute": "travel",
    "transport": "travel",
    "recommendation": "travel",
    "takeaway": "kitchen_and_dining",
    "small_talk": "utility",
    "meta": "utility",
    "qa": "utility",
    "social": "utility",
    "play": "utility",
    "email": "utility",
}


@dataclass
class Stock:
    """Utterances by kind of the pack, by intent for strange experts, and the recipe's sources."""

    pack: Mapping[str, Sequence[str]]
    intents: Mapping[str, Sequence[str]]
    domain: Mapping[str, str]
    sources: Sources
    rng: random.Random

    def snips(self, kind: str, speech: bool) -> Part:
        """An utterance for music, dining, weather or library; those that hold a joint twice as often."""
        picked = self.rng.sample(self.pack[kind], 2)
        text = next((text for text in picked if re.search(r",| and ", text)), picked[0])
        return self.said(text, kind, speech, answers=kind in ("weather", "library"))

    def said(self, text: str, kind: str, speech: bool, *, answers: bool = False) -> Part:
        text = spoken(text) if speech else decapital(" ".join(text.split())).rstrip(".!? ")
        return Part(text, kind, bool(QUESTION.match(text)), answers)

    def home(self, speech: bool) -> Part:
        return self.said(self.rng.choice(self.pack["home"]), "home", speech)

    def asked(self, kind: str, speech: bool) -> Part:
        text = self.rng.choice(ASKED[kind]).format(m=self.rng.choice(MESSAGES), i=self.rng.choice(INVOICES))
        return self.said(text, kind, speech, answers=True)

    def strange(self, intent: str, speech: bool) -> Part:
        return self.said(self.rng.choice(self.intents[intent]), intent, speech, answers=True)


def load(data: Path, rng: random.Random) -> Stock:
    """The stock of training utterances; what stands in a development part is left out."""
    joined = " | ".join(f" {folded(row['text'])} " for row in read(data / "mixsnips" / "dev.jsonl.xz"))
    held_out = {folded(row["text"]) for row in read(data / "snips" / "dev.jsonl.xz")}
    pack: dict[str, list[str]] = {}
    for row in read(data / "snips" / "train.jsonl.xz"):
        text = folded(row["text"])
        if not fault(row) and text not in held_out and f" {text} " not in joined:
            pack.setdefault(EXPERT_OF[row["intent"]], []).append(row["text"])
    for row in read(data / "home_assistant_intents" / "train_sampled_en.jsonl.xz"):
        if row["intent"] in HOME_INTENTS and len(row["text"].split()) > 2:
            pack.setdefault("home", []).append(row["text"])
    domain = {
        intent: DOMAINS.get(name, name)
        for name, intents in json.loads((data / "clinc150" / "domains.json").read_text()).items()
        for intent in intents
    }
    wanted = {expert.intent for expert in EXPERTS if not expert.held_out}
    intents: dict[str, list[str]] = {}
    clinc, hwu = (read(data / name / "train.jsonl.xz") for name in ("clinc150", "hwu64"))
    for row in (*clinc, *hwu):
        if "scenario" in row:
            domain[row["intent"]] = DOMAINS.get(row["scenario"], row["scenario"])
        if row["intent"] in wanted and not hwu64.is_dev(row["text"]) and 2 < len(row["text"].split()) < 16:
            intents.setdefault(row["intent"], []).append(row["text"])
    return Stock(pack, intents, domain, load_sources(data, False), rng)


# ---- registries ------------------------------------------------------------------------------------


def pack_registry(rng: random.Random, *, least: int = 4) -> Registry:
    """The pack: mostly the planned part or all of it in the order of its names, else some of it shuffled."""
    summaries = {"organizer": (ORGANIZER,), "tables": (TABLES,), **PACK_SUMMARIES}
    kinds = sorted(summaries)
    roll = rng.random()
    if roll < 0.35:
        kinds = [kind for kind in kinds if kind not in ("triage", "extract", "home")]
    elif roll > 0.6:
        kinds = rng.sample(kinds, rng.randint(least, len(kinds)))
    return _listed(rng, [_pack_entry(rng, kind, summaries[kind]) for kind in kinds])


def _pack_entry(rng: random.Random, kind: str, summaries: Sequence[str]) -> tuple[str, str, str]:
    name = kind
    summary = summaries[0] if rng.random() < 0.6 else rng.choice(summaries)
    if rng.random() < 0.08:
        if kind in OTHER_NAMES:
            name, summary = rng.choice(OTHER_NAMES[kind])
        else:
            name = rng.choice(ALIASES[kind])
    return kind, name, summary


def strange_registry(rng: random.Random, stock: Stock) -> Registry:
    """Three to twelve strange experts, some under names that say nothing, and up to two of the pack."""
    pool = [expert for expert in EXPERTS if expert.intent in stock.intents]
    count = rng.choice([3, 4, 4, 5, 5, 6, 8, 10, 12, 12, 12])
    if rng.random() < 0.5:  # neighbours, which must be told apart
        near = stock.domain[rng.choice(pool).intent]
        pool = sorted(pool, key=lambda expert: (stock.domain[expert.intent] != near, rng.random()))
    else:
        rng.shuffle(pool)
    coded = rng.random() < 0.25
    codes = rng.sample(CODE_NAMES, count)
    entries = [
        (expert.intent, codes[at] if coded else rng.choice(expert.names), rng.choice(expert.summaries))
        for at, expert in enumerate(pool[:count])
    ]
    known = {"organizer": (ORGANIZER,), "tables": (TABLES,), **PACK_SUMMARIES}
    kinds = rng.sample(
        ("organizer", "organizer", "tables", "music", "weather", "home"), rng.choice([0, 0, 1, 2])
    )
    entries += [_pack_entry(rng, kind, known[kind]) for kind in dict.fromkeys(kinds)]
    rng.shuffle(entries)
    return _listed(rng, entries)


def _listed(rng: random.Random, entries: Sequence[tuple[str, str, str]]) -> Registry:
    unique = list({name: (kind, name, summary) for kind, name, summary in entries}.values())
    return Registry(
        {kind: name for kind, name, _ in unique}, [f"- {name}: {summary}" for _, name, summary in unique], []
    )


# ---- requests --------------------------------------------------------------------------------------


def mixed_parts(stock: Stock, speech: bool) -> list[Part]:
    """One to three parts for music, dining, weather and library."""
    count = stock.rng.choices((1, 2, 3), (20, 54, 26))[0]
    return [stock.snips(kind, speech) for kind in stock.rng.sample(SNIPS, count)]


def pack_parts(stock: Stock, speech: bool, topics: Sequence[str]) -> list[Part]:
    """One to three parts for any expert of the pack, some of them about the results of others."""
    rng = stock.rng
    parts: list[Part] = []
    for _ in range(rng.choices((1, 2, 3), (20, 50, 30))[0]):
        answered = [number for number, part in enumerate(parts, 1) if part.answers]
        kind = rng.choices(
            ("snips", "organizer", "tables", "home", "triage", "extract", "nobody", "reference"),
            (36, 24, 18 if topics else 2, 12, 2, 2, 3, 24 if answered else 0),
        )[0]
        if kind == "snips":
            part = stock.snips(rng.choice(SNIPS), speech)
        elif kind == "organizer":
            part = stock.sources.organizer(rng, speech)
        elif kind == "tables":
            part = stock.sources.table_question(rng)
            while topics and part.topic not in topics:
                part = stock.sources.table_question(rng)
        elif kind == "home":
            part = stock.home(speech)
        elif kind == "nobody":
            part = stock.sources.unserved(rng)
        elif kind == "reference":
            uses = answered if rng.random() < 0.6 else answered[-1:]
            part = stock.sources.reference(rng, speech, len(uses))
            part.uses = uses
        else:
            part = stock.asked(kind, speech)
        parts.append(part)
    return parts


def elided_drawn(stock: Stock, files: Mapping[str, str], speech: bool) -> tuple[str, list[str], list[Part]]:
    """A request whose second half leaves the verb out, with its tasks and parts."""
    rng = stock.rng
    asked = [table for table in stock.sources.tables if table.many in files]
    if asked and rng.random() < 0.3:
        text, tasks, topic = elided_tables(rng, stock.sources.tables)
        tasks = tasks or [text]
        parts = [Part(task, "tables", True, True, topic) for task in tasks]
    else:
        text, tasks = elided(rng, False, speech)
        parts = [Part(task, "organizer") for task in tasks]
    if speech:
        return plainly_spoken(text), [plainly_spoken(task) for task in tasks], parts
    return text, tasks, parts


def strange_parts(stock: Stock, registry: Registry, speech: bool) -> list[Part]:
    """One to three parts: mostly for the registry's experts, else for one that is not there."""
    rng = stock.rng
    there = [stock.domain.get(kind, kind) for kind in registry.named]
    near = [kind for kind in registry.named if kind in stock.intents]
    gone = [
        intent
        for intent in stock.intents
        if intent not in registry.named and not (intent.startswith("play_") and "music" in registry.named)
    ]
    far = [intent for intent in gone if stock.domain[intent] not in there]
    parts = []
    for _ in range(rng.choices((1, 2, 3), (30, 48, 22))[0]):
        roll = rng.random()
        if roll < 0.12 and "organizer" in registry.named:
            part = stock.sources.organizer(rng, speech)
        elif roll < 0.2 and "music" in registry.named and "weather" in registry.named:
            part = stock.snips(rng.choice(("music", "weather")), speech)
        elif roll < 0.78:
            part = stock.strange(rng.choice(near), speech)
        else:
            # A request of the same domain may be close to what an expert does, so there are few of them.
            part = stock.strange(rng.choice(far if far and rng.random() < 0.85 else gone), speech)
        parts.append(part)
    return parts


def joined(rng: random.Random, parts: Sequence[Part]) -> tuple[str, list[str]]:
    """Parts as MixSNIPS joins them."""
    text = parts[0].text
    for number, part in enumerate(parts[1:], 2):
        last = number == len(parts)
        text += rng.choice(
            (" and ", " and then ", " and also ", " , ") if last else (" , ", " , ", " and ", ", ")
        )
        text += part.text
    return text, [strip_task(part.text) for part in parts]


def given_files(stock: Stock) -> dict[str, str]:
    """Files for a block of rows: what their rows are about -> name."""
    topics = [table.many for table in stock.rng.sample(list(stock.sources.tables), 3)]
    if stock.rng.random() < 0.15:  # the only file is the one that is meant, whatever it is called
        return {topics[0]: stock.rng.choice(VAGUE_FILES)}
    kept = topics[: stock.rng.choice([1, 1, 2, 3])]
    return {topic: file_name(stock.rng, topic, False) for topic in kept}


# ---- rows ------------------------------------------------------------------------------------------

Drawn = tuple[str, list[str], dict[str, Any]]


def finished(
    registry: Registry, parts: Sequence[Part], files: Mapping[str, str], text: str, tasks: Sequence[str]
) -> Drawn | None:
    """Request, files and answer of these parts; None when they make no sense or are too long."""
    if len({part.text for part in parts}) < len(parts):
        return None
    for part in parts:
        part.file = files.get(part.topic) if part.kind == "tables" else None
        if any(not served(parts[used - 1], registry.named) for used in part.uses):
            return None
    # A line break would end what rows of a block share.
    if len(text) > 300 or "\n" in text or any(not task or len(task) > 180 for task in tasks):
        return None
    return text, list(files.values()), answer_of(parts, tasks, registry.named)


def blocks(
    stock: Stock,
    count: int,
    made: Callable[[Registry, Mapping[str, str]], Drawn | None],
    *,
    kind: str,
    registry: Callable[[], Registry],
    files: float,
    seen: set[str],
    prefix: str,
) -> Iterator[Row]:
    """`count` rows of one kind in blocks of one registry; `files`: the share of blocks that have files."""
    number = 0
    while number < count:
        experts = registry()
        given = given_files(stock) if stock.rng.random() < files else {}
        block = 0
        while block < BLOCK:
            drawn = made(experts, given)
            if drawn is None or norm(drawn[0]) in seen:
                continue
            if len(drawn[0].split()) > 3:
                seen.add(norm(drawn[0]))
            block += 1
            number += 1
            text, names, answer = drawn
            yield {
                **make_row(f"{prefix}-{kind}-{number}", text, names, experts, answer, False),
                "source": kind,
            }


def rows(stock: Stock, seed: int, scale: float, seen: set[str]) -> list[Row]:
    """All rows, in the order of their kinds."""
    rng = stock.rng

    def said(parts: Sequence[Part], speech: bool, simple: float) -> tuple[str, list[str]]:
        return joined(rng, parts) if rng.random() < simple else compose(rng, parts, False, speech)

    def mixed(registry: Registry, files: Mapping[str, str]) -> Drawn | None:
        speech = rng.random() < SPOKEN
        parts = mixed_parts(stock, speech)
        return finished(registry, parts, files, *said(parts, speech, 0.85))

    def pack(registry: Registry, files: Mapping[str, str]) -> Drawn | None:
        speech = rng.random() < 0.35
        if rng.random() < 0.08:
            text, tasks, parts = elided_drawn(stock, files, speech)
            return finished(registry, parts, files, text, tasks)
        parts = pack_parts(stock, speech, list(files))
        return finished(registry, parts, files, *said(parts, speech, 0.2))

    def strange(registry: Registry, files: Mapping[str, str]) -> Drawn | None:
        speech = rng.random() < 0.4
        parts = strange_parts(stock, registry, speech)
        return finished(registry, parts, files, *said(parts, speech, 0.4))

    prefix = f"planner-pack-{seed}"
    made: list[Row] = []
    for kind, count, maker, registry, files in (
        ("mixed", MIXED, mixed, lambda: pack_registry(rng, least=7), 0.1),
        ("pack", PACK, pack, lambda: pack_registry(rng), 0.5),
        ("strange", STRANGE, strange, lambda: strange_registry(rng, stock), 0.1),
    ):
        made += blocks(
            stock,
            round(count * scale / BLOCK) * BLOCK,
            maker,
            kind=kind,
            registry=registry,
            files=files,
            seen=seen,
            prefix=prefix,
        )
    return made


def main() -> None:
    given = options(__doc__, seed=1, scale=1.0)
    stock = load(given.data, random.Random(f"planner-pack-{given.seed}"))
    seen = {norm(DEMO), *(norm(row["input"]) for row in read(CASES))}
    made = rows(stock, given.seed, given.scale, seen)
    print(f"planner_pack_train.jsonl: {write(given.out / 'planner_pack_train.jsonl', made)} rows")
    plans = [Plan.from_answer(json.loads(row["messages"][2]["content"])) for row in made]
    print("  steps", sorted(Counter(len(plan.steps) for plan in plans).items()))
    print("  missing", sum(bool(plan.missing) for plan in plans), Counter(row["source"] for row in made))


if __name__ == "__main__":
    main()
