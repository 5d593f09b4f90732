"""Training and development data of the organizer: HWU64 by its labels, refusals, and generated requests.

    python -m training.organizer DATA OUT [--seed N] [--generated N]

DATA holds hwu64/train.jsonl.xz and clinc150/. OUT receives organizer_train.jsonl, organizer_dev_hwu.jsonl and
organizer_dev_generated.jsonl; the same seed gives the same bytes.
"""

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from speeddial.flywheel.labels import LabelMapping
from speeddial.flywheel.labels import fold as norm
from speeddial.jsonlines import read_objects
from training import hwu64, hwu64_targets, phrases, refusals
from training.hwu64 import Call
from training.recipe import options
from training.references import refer
from training.requests import Request
from training.requests_all import draw
from training.style import dress, faithful

SYSTEM = (
    "You are organizer. You handle calendar events, reminders, alarms, lists and mail drafts. "
    "Reply with one call as JSON."
)
GENERATED, DEV_GENERATED = 18000, 400
HWU_COPIES, SWAPS, REFUSALS_PER_INTENT, CLINC_PER_INTENT = 3, 3, 24, 7
CASES = Path(__file__).resolve().parent.parent / "experts" / "organizer" / "cases.jsonl"
Row = dict[str, Any]


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def row(identity: str, text: str, made: Call, source: str) -> Row:
    messages = [("system", SYSTEM), ("user", text), ("assistant", compact(made))]
    return {"id": identity, "messages": [{"role": r, "content": c} for r, c in messages], "source": source}


def dev_row(identity: str, text: str, made: Call, source: str, **more: Any) -> Row:
    return {**row(identity, text, made, source), "input": text, "calls": [made], **more}


def read(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_objects(path)]


def write(path: Path, rows: Iterable[Row]) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for entry in rows:
            file.write(compact(entry) + "\n")
            count += 1
    return count


# ---- HWU64 ---------------------------------------------------------------------------------------

SWAPPED = ("date", "time", "person", "relation", "list_name", "event_name")


def value_class(label: str, value: str) -> str:
    """Values of one class stand in the same kind of phrase, so that one can replace another."""
    low = value.lower()
    days = tuple(d.lower() for d in phrases.DAYS)
    if label == "date":
        kind = (
            "day"
            if low.rstrip("'s") in ("today", "tomorrow", "todays", "tomorrows")
            else "week"
            if low.startswith(("this w", "next w"))
            else ""
        )
        kind = kind or (
            "weekday"
            if low.removesuffix("'s") in days
            else "month"
            if any(m.lower() in low for m in phrases.MONTHS)
            else low
        )
        return f"date:{kind}:{low.endswith(chr(39) + 's')}"
    if label == "time":
        clock = (
            low.split()[0] in phrases.ONES
            and not hwu64_targets.CLOCK_WORDS.search(low)
            and not hwu64_targets.DATE_WORDS.search(low)
        )
        return f"time:{'clock' + str(low.endswith('m')) if clock else low}"
    if label in ("person", "relation"):
        return f"{label}:{low.endswith(chr(39) + 's')}:{low.endswith('s')}"
    if label == "event_name":
        return (
            f"event:{'s' if low.endswith('s') else ''}" if len(low.split()) <= 2 and " to" not in low else low
        )
    return label


def swap(rng: random.Random, source: Mapping[str, Any], pools: Mapping[str, list[str]]) -> dict[str, Any]:
    """The utterance with its labelled values replaced by others of their class, spans moved along."""
    text, slots, shift = source["text"], [], 0
    dates = sum(s[0] == "date" for s in source["slots"])
    for label, value, start, end in hwu64.slots_of(source):
        new = value
        if label in SWAPPED and not (label == "date" and dates > 1) and rng.random() < 0.75:
            new = rng.choice(pools[value_class(label, value)])
        start, end = start + shift, end + shift
        text = text[:start] + new + text[end:]
        slots.append([label, new, start, start + len(new)])
        shift += len(new) - len(value)
    return {**source, "text": text, "slots": slots}


def hwu_rows(data: list[dict[str, Any]], rng: random.Random, mapping: LabelMapping) -> Iterator[Row]:
    covered = [r for r in data if r["intent"] in mapping.intents]
    train = [r for r in covered if not hwu64.is_dev(r["text"])]
    dev_texts = {norm(r["text"]) for r in covered if hwu64.is_dev(r["text"])}
    kept = [(r, made) for r in train if (made := hwu64_targets.training_call(r, mapping))]
    pools: dict[str, list[str]] = {}
    for source, _ in kept:
        for label, value, _, _ in hwu64.slots_of(source):
            pools.setdefault(value_class(label, value), []).append(value)
    for source, made in kept:
        for copy in range(HWU_COPIES):
            yield row(f"hwu64-{source['id']}-{copy}", source["text"], made, "hwu64")
        if not source["slots"] or source["id"] in hwu64_targets.fixed_ids():
            continue
        for copy in range(SWAPS):
            other = swap(rng, source, pools)
            changed = hwu64_targets.target(other, mapping)
            # a swap that moves the rules' cuts is dropped: same tool and same arguments set as the original
            if (
                changed
                and changed["name"] == made["name"]
                and changed["arguments"].keys() == made["arguments"].keys()
                and norm(other["text"]) not in dev_texts
            ):
                yield row(f"hwu64-{source['id']}-s{copy}", other["text"], changed, "hwu64-swapped")


def refusal_rows(data: list[dict[str, Any]], clinc: Path, rng: random.Random, dev: bool) -> Iterator[Row]:
    by_intent: dict[str, list[dict[str, Any]]] = {}
    for entry in data:
        if entry["intent"] in refusals.HWU64 and hwu64.is_dev(entry["text"]) == dev:
            by_intent.setdefault(entry["intent"], []).append(entry)
    for intent, entries in sorted(by_intent.items()):
        topic = refusals.HWU64[intent]
        talk = topic == "nothing"
        made = hwu64.call("refuse", reason=refusals.NOTHING if talk else f"no tool for {topic}")
        for entry in rng.sample(entries, min(len(entries), 1 if dev else 8 if talk else REFUSALS_PER_INTENT)):
            maker = dev_row if dev else row
            yield maker(f"hwu64-{entry['id']}", entry["text"], made, "hwu64-refuse")
    domain = {
        i: d
        for d, intents in json.loads((clinc / "domains.json").read_text(encoding="utf-8")).items()
        for i in intents
    }
    groups: dict[str, list[str]] = {}
    for entry in read(clinc / "train.jsonl.xz"):
        if hwu64.is_dev(entry["text"]) == dev:
            groups.setdefault(entry["intent"], []).append(entry["text"])
    if dev:
        return
    for intent, texts in sorted(groups.items()):
        reason = refusals.clinc_reason(intent, domain.get(intent, ""))
        if reason is None:
            continue
        for text in rng.sample(texts, min(len(texts), CLINC_PER_INTENT)):
            yield row(
                f"clinc150-{intent}-{norm(text)[:24]}", text, hwu64.call("refuse", reason=reason), "clinc150"
            )
    for number, entry in enumerate(read(clinc / "oos_train.jsonl")):
        yield row(
            f"clinc150-oos-{number}",
            entry["text"],
            hwu64.call("refuse", reason="no tool for general questions"),
            "clinc150-oos",
        )


# ---- generated -----------------------------------------------------------------------------------


def generate(rng: random.Random, dev: bool) -> Request:
    """One generated request in its written form: 82 % single tools, 11 % references, 7 % refusals."""
    while True:
        speech = rng.random() < 0.33
        kind = rng.random()
        if kind < 0.82:
            request = draw(rng, dev, speech)
            if rng.random() < 0.01:
                request.sources = {1: "How many orders came from Hamburg?"}
        elif kind < 0.93:
            request = refer(rng, dev, speech)
        else:
            request = refusals.refuse(rng, dev, speech)
        request = dress(rng, request, dev, speech)
        if faithful(request):
            return request


def generated_rows(count: int, seed: int, dev: bool, avoid: set[str]) -> Iterator[Row]:
    rng = random.Random(f"organizer-{seed}-{dev}")
    seen = set(avoid)
    number = 0
    while number < count:
        request = generate(rng, dev)
        text = request.message()
        if norm(text) in seen:
            continue
        seen.add(norm(text))
        number += 1
        maker = dev_row if dev else row
        yield maker(f"generated-{'dev' if dev else 'train'}-{seed}-{number}", text, request.call, "generated")


def main() -> None:
    given = options(__doc__, seed=1, generated=GENERATED)
    mapping = hwu64.load_mapping()
    rng = random.Random(f"organizer-{given.seed}")
    data = read(given.data / "hwu64" / "train.jsonl.xz")

    dev = []
    seen_dev: set[str] = set()
    for entry in data:
        if (
            entry["intent"] in mapping.intents
            and hwu64.is_dev(entry["text"])
            and norm(entry["text"]) not in seen_dev
        ):
            seen_dev.add(norm(entry["text"]))
            made = hwu64_targets.target(entry, mapping) or hwu64.call(mapping.intents[entry["intent"]][0])
            dev.append(
                dev_row(
                    f"hwu64-{entry['id']}",
                    entry["text"],
                    made,
                    "hwu64",
                    intent=entry["intent"],
                    slots=entry["slots"],
                )
            )
    for entry in refusal_rows(data, given.data / "clinc150", rng, True):
        seen_dev.add(norm(entry["input"]))
        dev.append({**entry, "intent": "other", "slots": []})
    dev_generated = list(generated_rows(DEV_GENERATED, given.seed, True, set()))
    seen_dev |= {norm(r["input"]) for r in dev_generated}

    seen_dev |= {norm(case["input"]) for case in read(CASES)}
    train = [*hwu_rows(data, rng, mapping), *refusal_rows(data, given.data / "clinc150", rng, False)]
    train = [r for r in train if norm(r["messages"][1]["content"]) not in seen_dev]
    train += generated_rows(given.generated, given.seed, False, seen_dev)
    rng.shuffle(train)
    for name, rows in (("train", train), ("dev_hwu", dev), ("dev_generated", dev_generated)):
        print(f"organizer_{name}.jsonl: {write(given.out / f'organizer_{name}.jsonl', rows)} rows")
        tools = Counter(json.loads(r["messages"][2]["content"])["name"] for r in rows)
        print("  ", dict(tools.most_common()), dict(Counter(r["source"] for r in rows)))


if __name__ == "__main__":
    main()
