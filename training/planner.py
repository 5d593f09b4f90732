"""Training and development data of the planner: organizer, table and other requests joined in many ways.

    python -m training.planner DATA OUT [--seed N] [--rows N]

DATA holds hwu64/, clinc150/ and wikisql/; OUT receives planner_train.jsonl and planner_dev.jsonl.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speeddial.flywheel.labels import fold as norm
from speeddial.plan import Plan
from training import hwu64, hwu64_targets, refusals
from training.organizer import compact, read, write
from training.planner_experts import ORGANIZER, OTHER_NAMES, OTHERS, TABLES, Other
from training.planner_joints import compose, sentence
from training.planner_parts import Part, Sources, elided, elided_tables
from training.planner_wordings import (
    FILE_FORMS,
    FILE_FORMS_DEV,
    SYNONYMS,
    VAGUE_FILES,
    VAGUE_FILES_DEV,
)
from training.recipe import options
from training.style import spoken
from training.words import lines

Row = dict[str, Any]
ROWS, DEV_ROWS = 25000, 600
BLOCK = 12
"""Training rows in a row under one registry: training computes the tokens of a shared opening only once."""
HEAD = (
    "You are the planner. Split the task into steps, one expert per step. "
    "Put what no expert can do under missing. Reply with JSON."
)
CASES = Path(__file__).resolve().parent.parent / "agents" / "planner" / "cases.jsonl"
DEMO = "how many orders came from berlin? then remind me tomorrow at 9 to call the dentist."


@dataclass
class Registry:
    """The experts of one prompt: their names by kind, and their lines; a kind without a name is not there."""

    named: dict[str, str]
    lines: list[str]
    others: list[Other]

    def system(self) -> str:
        return "\n".join([HEAD, "Experts:", *self.lines])


def registry(rng: random.Random, wanted: Sequence[Other], dev: bool) -> Registry:
    """A registry with the two real experts mostly, the wanted others, and some more."""
    entries: list[tuple[str, str, str]] = []
    roll = rng.random()
    for kind, summary, gone in (
        ("organizer", ORGANIZER, roll < 0.06),
        ("tables", TABLES, 0.06 <= roll < 0.13),
    ):
        if gone:
            continue
        name = kind
        if rng.random() < 0.06:
            name, summary = rng.choice(OTHER_NAMES[kind])
        entries.append((kind, name, summary))
    pool = [o for o in OTHERS if o not in wanted and (dev or not o.dev)]
    extra = rng.choice([0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 8]) if not wanted else rng.choice([0, 0, 1, 2, 3])
    others = [*wanted, *rng.sample(pool, min(extra, len(pool)))]
    if not entries and not others:
        others = rng.sample(pool, 2)
    for other in others:
        entries.append((other.names[0], rng.choice(other.names), rng.choice(other.summaries)))
    rng.shuffle(entries)
    return Registry(
        {kind: name for kind, name, _ in entries},
        [f"- {name}: {summary}" for _, name, summary in entries],
        others,
    )


def file_name(rng: random.Random, noun: str, dev: bool) -> str:
    form = rng.choice(FILE_FORMS_DEV if dev and rng.random() < 0.5 else FILE_FORMS)
    if noun in SYNONYMS and rng.random() < 0.15:
        noun = rng.choice(SYNONYMS[noun])
    noun = noun.replace(" ", rng.choice(["_", "-", "_"]))
    return form.format(n=noun, N=noun.capitalize())


# ---- one request with its answer -------------------------------------------------------------------


@dataclass
class Drawn:
    parts: list[Part]
    wanted: list[Other]


def draw_parts(
    rng: random.Random, sources: Sources, speech: bool, offered: Sequence[Other] | None = None
) -> Drawn:
    """One to four parts: which kinds, in what order, and which refer to which.

    Half of the parts for other experts are for the `offered` ones; None leaves it to the caller to register
    those that are `wanted`.
    """
    count = rng.choices([1, 2, 3, 4], [24, 45, 23, 8])[0]
    parts: list[Part] = []
    wanted: list[Other] = []
    topics: list[str] = []
    while len(parts) < count:
        answered = [i + 1 for i, p in enumerate(parts) if p.answers and p.kind != "none"]
        if answered and rng.random() < 0.55:
            pairs = len(answered)
            roll = rng.random()
            if pairs >= 2 and roll < 0.42:
                uses = answered[-3:] if pairs >= 3 and rng.random() < 0.5 else answered[-2:]
                if pairs == 2 or len(uses) == 3:
                    part = sources.reference(rng, speech, len(uses))
                    part.uses = uses
                    parts.append(part)
                    continue
            if pairs >= 2 and roll < 0.7:
                index = rng.randrange(pairs)
                part = sources.reference(rng, speech, 1, ["first", "second", "third"][index])
                part.uses = [answered[index]]
            else:
                part = sources.reference(rng, speech, 1)
                part.uses = [answered[-1]]
            parts.append(part)
            continue
        roll = rng.random()
        if roll < 0.02:
            parts.append(sources.unserved(rng))
        elif roll < 0.43:
            parts.append(sources.organizer(rng, speech))
        elif roll < 0.8:
            part = sources.table_question(rng)
            if topics and rng.random() < 0.5:  # several questions about one file are usual
                for _ in range(60):
                    if part.topic == topics[-1]:
                        break
                    part = sources.table_question(rng)
            topics.append(part.topic)
            parts.append(part)
        else:
            other = rng.choice([o for o in OTHERS if sources.dev or not o.dev])
            if offered and rng.random() < 0.5:
                other = rng.choice(offered)
            parts.append(sources.other(rng, other))
            if offered is None and rng.random() < 0.5:
                wanted.append(other)
    return Drawn(parts, list(dict.fromkeys(wanted)))


def served(part: Part, named: dict[str, str]) -> bool:
    return part.kind in named and not (part.kind == "tables" and part.file is None)


def answer_of(parts: Sequence[Part], tasks: Sequence[str], named: dict[str, str]) -> dict[str, Any]:
    """What the planner is to write: the parts in order, null for the expert of those that nobody serves."""
    steps: list[dict[str, Any]] = []
    for part, task in zip(parts, tasks, strict=True):
        if not served(part, named) or any(steps[used - 1]["expert"] is None for used in part.uses):
            steps.append({"task": task, "expert": None})
            continue
        step: dict[str, Any] = {"task": task, "expert": named[part.kind]}
        if part.kind == "tables":
            step["file"] = part.file
        if part.uses:
            step["uses"] = part.uses
        steps.append(step)
    return {"steps": steps}


def give_files(rng: random.Random, parts: Sequence[Part], sources: Sources) -> list[str]:
    """Files for the table parts (sometimes none), with others beside them; the parts are told theirs."""
    dev = sources.dev
    asked = [p for p in parts if p.kind == "tables"]
    topics = list(dict.fromkeys(p.topic for p in asked))
    if not asked:
        roll = rng.random()
        if roll < 0.7:
            return []
        return [file_name(rng, rng.choice(sources.tables).many, dev) for _ in range(rng.choice([1, 1, 2]))]
    # without a file the organizer might answer about these, so that calling them missing would be wrong
    if rng.random() < 0.08 and not {"appointments", "tasks", "events"} & set(topics):
        return []
    if len(topics) == 1:
        if topics[0].startswith("?") or rng.random() < 0.12:
            files = [rng.choice(VAGUE_FILES_DEV if dev else VAGUE_FILES)]
            if topics[0].startswith("?") and rng.random() < 0.5:
                column = re.sub(r"[^a-z0-9]+", "_", topics[0][1:].lower()).strip("_") or "data"
                files = [file_name(rng, column, dev)]
            if rng.random() < 0.1:  # the only file is the one that is meant, whatever it is called
                files = [file_name(rng, rng.choice(sources.tables).many, dev)]
        else:
            files = [file_name(rng, topics[0], dev)]
        for part in asked:
            part.file = files[0]
        if files[0] in VAGUE_FILES + VAGUE_FILES_DEV or topics[0].startswith("?"):
            return files
        files += other_files(rng, topics, sources)
    else:
        if any(t.startswith("?") for t in topics):
            if rng.random() < 0.5:
                files = [rng.choice(VAGUE_FILES_DEV if dev else VAGUE_FILES)]
                for part in asked:
                    part.file = files[0]
                return files
            return []
        given = {t: file_name(rng, t, dev) for t in topics}
        files = list(given.values())
        for part in asked:
            part.file = given[part.topic]
        files += other_files(rng, topics, sources)
    rng.shuffle(files)
    return files


def other_files(rng: random.Random, topics: Sequence[str], sources: Sources) -> list[str]:
    count = rng.choice([0, 0, 0, 1, 1, 2])
    nouns = [
        t.many for t in sources.tables if not any(t.many in topic or topic in t.many for topic in topics)
    ]
    return [file_name(rng, n, sources.dev) for n in rng.sample(nouns, count)]


def one(
    rng: random.Random, sources: Sources, block: Registry | None = None
) -> tuple[str, list[str], Registry, dict[str, Any]] | None:
    """Request text, files, registry (the block's, if any) and answer; None when the draw makes no sense."""
    dev, speech = sources.dev, rng.random() < 0.25
    special = rng.random()
    if special < 0.045:
        text, tasks = elided(rng, dev, speech)
        parts = [Part(t, "organizer") for t in tasks]
        drawn, files = Drawn(parts, []), []
        if speech:
            text, tasks = spoken(text), [spoken(t) for t in tasks]
        elif rng.random() < 0.7:
            text = sentence(text) + rng.choice([".", "", ""])
            tasks = [sentence(tasks[0]), *tasks[1:]]
    elif special < 0.07:
        text, tasks, topic = elided_tables(rng, sources.tables)
        tasks = tasks or [text]
        parts = [Part(t, "tables", True, True, topic) for t in tasks]
        drawn = Drawn(parts, [])
        files = give_files(rng, parts, sources)
        if speech:
            text, tasks = spoken(text), [spoken(t) for t in tasks]
        elif rng.random() < 0.7:
            mark = rng.choice(["?", "?", ""]) if text.startswith(("how", "what")) else ""
            tasks = [sentence(tasks[0]) + (mark if len(tasks) == 1 else ""), *[t + mark for t in tasks[1:]]]
            text = sentence(text) + mark
    elif special < 0.085:
        text = rng.choice([t for t in lines(refusals.EMPTY) if t.startswith("~") == dev and t != "?"]).lstrip(
            "~"
        )
        parts, tasks, files, drawn = [Part(text, "none")], [text], [], Drawn([], [])
    else:
        drawn = draw_parts(rng, sources, speech, block.others if block else None)
        parts = drawn.parts
        if len({p.text for p in parts}) < len(parts):
            return None
        files = give_files(rng, parts, sources)
        text, tasks = compose(rng, parts, dev, speech)
    registered = block or registry(rng, drawn.wanted, dev)
    for part in parts:
        # requests for the result of a part that is missing are kept, but fewer
        if rng.random() < 0.5 and any(not served(parts[u - 1], registered.named) for u in part.uses):
            return None
    if any(not t or len(t) > 240 for t in tasks) or len(text) > 600:
        return None
    return text, files, registered, answer_of(parts, tasks, registered.named)


def user_message(text: str, files: Sequence[str]) -> str:
    return (f"Files: {', '.join(files)}\n" if files else "") + f"Task: {text}"


def make_row(
    identity: str, text: str, files: Sequence[str], registered: Registry, answer: dict[str, Any], dev: bool
) -> Row:
    contents = (
        ("system", registered.system()),
        ("user", user_message(text, files)),
        ("assistant", compact(answer)),
    )
    row: Row = {
        "id": identity,
        "messages": [{"role": r, "content": c} for r, c in contents],
        "source": "composed",
    }
    if dev:
        pairs = [line[2:].split(": ", 1) for line in registered.lines]
        table = registered.named.get("tables")
        experts = [{"name": name, "summary": summary, "needs_file": name == table} for name, summary in pairs]
        row |= {"input": text, "files": list(files), "experts": experts}
        row["plan"] = Plan.from_answer(answer).as_dict()
    return row


def rows(count: int, seed: int, sources: Sources, avoid: set[str]) -> Iterator[Row]:
    rng = random.Random(f"planner-{seed}-{sources.dev}")
    seen = {norm(DEMO), norm(DEMO).rstrip("."), *avoid}
    made = 0
    block: Registry | None = None
    while made < count:
        if not sources.dev and made % BLOCK == 0:
            pool = [o for o in OTHERS if not o.dev]
            block = registry(rng, rng.sample(pool, rng.choice([0, 0, 0, 1, 2])), False)
        drawn = one(rng, sources, block)
        if drawn is None or norm(drawn[0]) in seen:
            continue
        text, files, registered, answer = drawn
        # short requests may come again: under another registry they have another plan
        if len(text.split()) > 3:
            seen.add(norm(text))
        made += 1
        yield make_row(
            f"planner-{'dev' if sources.dev else 'train'}-{seed}-{made}",
            text,
            files,
            registered,
            answer,
            sources.dev,
        )


def load_sources(data: Path, dev: bool) -> Sources:
    """HWU64 and CLINC150 utterances of one side, and WikiSQL questions with their column."""
    mapping = hwu64.load_mapping()
    covered: dict[str, list[str]] = {}
    intents: dict[str, list[str]] = {}
    for entry in read(data / "hwu64" / "train.jsonl.xz"):
        if hwu64.is_dev(entry["text"]) != dev:
            continue
        if entry["intent"] not in mapping.intents:
            intents.setdefault(entry["intent"], []).append(entry["text"])
        elif dev or hwu64_targets.training_call(entry, mapping):
            covered.setdefault(entry["intent"], []).append(entry["text"])
    for entry in read(data / "clinc150" / "train.jsonl.xz"):
        if hwu64.is_dev(entry["text"]) == dev:
            intents.setdefault(entry["intent"], []).append(entry["text"])
    questions = read(data / "wikisql" / ("dev.jsonl.xz" if dev else "train.jsonl.xz"))
    wikisql = [
        (q["q"], q["sel"])
        for q in random.Random(1).sample(questions, min(len(questions), 12000))
        if 4 < len(q["q"].split()) < 22
    ]
    return Sources(dev, covered, intents, wikisql)


def main() -> None:
    given = options(__doc__, seed=1, rows=ROWS)
    dev = list(rows(DEV_ROWS, given.seed, load_sources(given.data, True), set()))
    unseen = {norm(r["input"]) for r in (*dev, *read(CASES))}
    train = rows(given.rows, given.seed, load_sources(given.data, False), unseen)
    for name, made in (("dev", dev), ("train", list(train))):
        print(f"planner_{name}.jsonl: {write(given.out / f'planner_{name}.jsonl', made)} rows")
        plans = [Plan.from_answer(json.loads(r["messages"][2]["content"])) for r in made]
        print(
            "   steps",
            sorted(Counter(len(p.steps) for p in plans).items()),
            "missing",
            sum(bool(p.missing) for p in plans),
        )


if __name__ == "__main__":
    main()
