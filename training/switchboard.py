"""Training and development data of the switchboard: music, dining, weather and library, from SNIPS.

    python -m training.switchboard DATA OUT [--seed N]

DATA holds snips/, mixsnips/ and clinc150/. OUT receives tags.jsonl (the four experts' rows for one shared
tagger), switchboard_train.jsonl (the same for one shared adapter), NAME_dev.jsonl for each expert (the
official validation part) and mixsnips_dev.jsonl for `speeddial batch`, and NAME_lexicon.json: what phrases of
the rows were, for an adapter's experts; the same seed gives the same bytes.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from speeddial.lexicon import Lexicon
from training.organizer import compact, read, write
from training.recipe import options
from training.snips import EXPERT_OF, EXPERTS, call, fault, spoken

PROMPTS = {
    "music": "You are music. You play music and add to playlists. Reply with one call as JSON.",
    "dining": "You are dining. You book tables at restaurants. Reply with one call as JSON.",
    "weather": "You are weather. You look up the weather. Reply with one call as JSON.",
    "library": (
        "You are library. You rate books and find creative works and film screenings. "
        "Reply with one call as JSON."
    ),
}
SPOKEN = 0.6
"""Share of the rows in MixSNIPS's lower-case style."""
STRANGERS = 110
"""Refusals of each expert: requests that it has no tool for."""
CLINC_STRANGERS = {
    "transfer": "banking",
    "alarm": "alarms",
    "calendar": "the calendar",
    "translate": "translations",
    "flight_status": "flights",
    "todo_list_update": "to do lists",
    "reminder_update": "reminders",
    "spelling": "spelling",
    "calculator": "sums",
    "text": "messages",
    "smart_home": "the house",
    "exchange_rate": "exchange rates",
    "traffic": "traffic",
    "tell_joke": "jokes",
}
SNIPS_TOPICS = {
    "AddToPlaylist": "playlists",
    "PlayMusic": "playing music",
    "BookRestaurant": "restaurants",
    "GetWeather": "the weather",
    "RateBook": "ratings",
    "SearchCreativeWork": "creative works",
    "SearchScreeningEvent": "film screenings",
}
Row = dict[str, Any]


class Made(NamedTuple):
    """A row before it is written."""

    id: str
    expert: str
    text: str
    answer: Row
    source: str


def folded(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def training_row(made: Made, known: Lexicon) -> Row:
    """As the call path writes it: above the request stands what its phrases were in other rows."""
    identity, expert, text, answer, source = made
    heading = known.heading(text, [answer["arguments"]] if source == "snips" else None)
    asked = f"{heading}\n{text}" if heading else text
    said = [("system", PROMPTS[expert]), ("user", asked), ("assistant", compact(answer))]
    messages = [{"role": role, "content": content} for role, content in said]
    return {"id": identity, "messages": messages, "source": source}


def tag_rows(rows: list[Made]) -> Iterator[Row]:
    """Rows of a tagger. It has no prompt that would say whose request it reads: what is another expert's is
    that one's call, which the engine takes for a refusal."""
    copied: dict[str, set[str]] = {}
    for made in rows:
        if made.source == "snips":
            copied.setdefault(made.answer["name"], set()).update(made.answer["arguments"])
    own = {f"no tool for {topic}" for topic in SNIPS_TOPICS.values()}
    for made in rows:
        name, values = made.answer["name"], made.answer["arguments"]
        if made.source == "snips":
            frame = {"name": name, "arguments": {}, "copied": sorted(copied[name])}
            yield {"id": made.id, "request": made.text, "frame": frame, "values": values}
        elif values["reason"] not in own:
            frame = {"name": name, "arguments": {"reason": "no tool for that"}, "copied": []}
            yield {"id": made.id, "request": made.text, "frame": frame, "values": {}}


def snips_rows(rows: list[Row], rng: random.Random) -> Iterator[Made]:
    for row in rows:
        as_spoken = rng.random() < SPOKEN
        text = spoken(row["text"]) if as_spoken else row["text"].strip()
        made = call(row, as_spoken=as_spoken)
        if all(value in text for value in made["arguments"].values()):
            yield Made(row["id"], EXPERT_OF[row["intent"]], text, made, "snips")


def refusal_rows(rows: list[Row], clinc: list[Row], rng: random.Random) -> Iterator[Made]:
    for expert in EXPERTS:
        others = [
            (row["text"], SNIPS_TOPICS[row["intent"]]) for row in rows if EXPERT_OF[row["intent"]] != expert
        ]
        strangers = [
            (row["text"], CLINC_STRANGERS[row["intent"]]) for row in clinc if row["intent"] in CLINC_STRANGERS
        ]
        picked = rng.sample(others, STRANGERS // 2) + rng.sample(strangers, STRANGERS // 2)
        for number, (text, topic) in enumerate(picked):
            said = spoken(text) if rng.random() < SPOKEN else text.strip()
            refusal = {"name": "refuse", "arguments": {"reason": f"no tool for {topic}"}}
            yield Made(f"switchboard-{expert}-refuse-{number}", expert, said, refusal, "refuse")


def main() -> None:
    given = options(__doc__, seed=1)
    rng = random.Random(f"switchboard-{given.seed}")
    snips, dev = (read(given.data / "snips" / f"{part}.jsonl.xz") for part in ("train", "dev"))
    mixed = read(given.data / "mixsnips" / "dev.jsonl.xz")
    held_out = {folded(row["text"]) for row in dev}
    joined = " | ".join(f" {folded(row['text'])} " for row in mixed)
    reasons: Counter[str] = Counter()
    kept = []
    for row in snips:
        known = folded(row["text"]) in held_out or f" {folded(row['text'])} " in joined
        why = "stands in the development part" if known else fault(row)
        if why:
            reasons[why] += 1
        else:
            kept.append(row)
    asked = list(snips_rows(kept, rng))
    lexicons = {
        expert: Lexicon.of((made.text, made.answer["arguments"]) for made in asked if made.expert == expert)
        for expert in EXPERTS
    }
    asked += refusal_rows(kept, read(given.data / "clinc150" / "train.jsonl.xz"), rng)
    rng.shuffle(asked)
    rows = [training_row(made, lexicons[made.expert]) for made in asked]
    tags = "".join(f"{json.dumps(row)}\n" for row in tag_rows(asked))
    (given.out / "tags.jsonl").write_text(tags, encoding="utf-8")
    print(f"tags.jsonl: {tags.count(chr(10))} rows")
    print(f"switchboard_train.jsonl: {write(given.out / 'switchboard_train.jsonl', rows)} rows")
    print("  left out:", dict(reasons), "  ", dict(Counter(row["source"] for row in rows)))
    for expert in EXPERTS:
        of = [row for row in dev if EXPERT_OF[row["intent"]] == expert]
        cases = [{"id": row["id"], "input": row["text"].strip(), "calls": [call(row)]} for row in of]
        print(f"{expert}_dev.jsonl: {write(given.out / f'{expert}_dev.jsonl', cases)} rows")
        lexicons[expert].write(given.out / f"{expert}_lexicon.json")
        print(f"{expert}_lexicon.json: {len(lexicons[expert])} phrases")
    tasks = [
        {"id": f"mixsnips-{number}", "input": row["text"], "intents": row["intents"], "slots": row["slots"]}
        for number, row in enumerate(mixed)
    ]
    print(f"mixsnips_dev.jsonl: {write(given.out / 'mixsnips_dev.jsonl', tasks)} rows")


if __name__ == "__main__":
    main()
