"""Training data of extract: utterances and dialogues as records, and generated mails, invoices and logs.

    python -m training.extract DATA OUT [--seed N] [--generated N]

DATA holds snips/, hwu64/ and sgd/. OUT receives extract_train.jsonl and extract_dev.jsonl; the same seed
gives the same bytes. Every row is what the expert's contract admits; others are dropped and counted.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from speeddial.extraction import RECORD, contract_of, fields_line
from speeddial.jsonlines import read_objects
from speeddial.tool import ToolContext
from speeddial.values.found import phrases
from training.extract_texts import Text, draw
from training.recipe import options

EXPERT = Path(__file__).resolve().parents[1] / "experts/extract"
NOW = datetime(2026, 11, 22, 14, tzinfo=UTC)
GENERATED, SNIPS, HWU, SGD = 9000, 1200, 700, 1800
DEV = 300
Row = dict[str, Any]


def row(identity: str, made: Text) -> Row | None:
    """A training row as the call path writes it; None when the contract does not admit it."""
    arguments = {RECORD: {name: made.values.get(name) for name in made.schema["properties"]}}
    context = ToolContext(Path(), {}, NOW, "", given={"schema": made.schema}, request=made.text)
    contract = contract_of(made.schema).bound(made.text, context)
    if contract.check(arguments):
        return None
    system = (EXPERT / "prompt.md").read_text(encoding="utf-8").strip()
    answer = f'{{"name":"extract","arguments":{contract.dump(arguments)}}}'
    said = [("system", system), ("user", f"{fields_line(made.schema)}\n{made.text}"), ("assistant", answer)]
    messages = [{"role": role, "content": content} for role, content in said]
    call = {"name": "extract", "arguments": arguments}
    return {
        "id": identity, "messages": messages, "source": made.source,
        "input": made.text, "schema": made.schema, "calls": [call],
    }  # fmt: skip


def typed(name: str, value: str, text: str, rng: random.Random) -> tuple[dict[str, Any], str]:
    """A schema for a labelled value, and the value as its contract has it: a day, a time, a number, words."""
    guesses = {"date": "date", "time": "time", "number": "integer", "count": "integer", "size": "integer"}
    for part, kind in guesses.items():
        if part in name.lower() and rng.random() < 0.8:
            found = [phrase for phrase in phrases(kind, text, NOW) if phrase in value or value in phrase]
            if len(found) == 1:
                is_type = kind in ("integer", "number")
                return ({"type": kind} if is_type else {"type": "string", "format": kind}), found[0]
    return {"type": "string"}, value


def utterances(path: Path, source: str, rng: random.Random, most: int) -> Iterator[Text]:
    """Labelled utterances; fields of the same intent that are not said are null."""
    rows = [entry for _, entry in read_objects(path) if entry["slots"]]
    names: dict[str, Counter[str]] = {}
    for entry in rows:
        names.setdefault(entry["intent"], Counter()).update(slot[0] for slot in entry["slots"])
    for entry in rng.sample(rows, min(most, len(rows))):
        text = entry["text"].strip()
        said: dict[str, list[str]] = {}
        for slot in entry["slots"]:
            said.setdefault(slot[0], []).append(slot[1])
        others = [name for name in names[entry["intent"]] if name not in said]
        absent = rng.sample(others, min(len(others), rng.randrange(0, 4)))
        properties: dict[str, Any] = {}
        values: dict[str, Any] = {}
        for name in rng.sample([*said, *absent], len(said) + len(absent)):
            found = said.get(name, [])
            if len(found) > 1:
                properties[name] = {"type": "array", "items": {"type": "string"}}
                values[name] = found
            else:
                properties[name], one = typed(name, found[0] if found else "", text, rng)
                values[name] = one if found else None
        yield Text(text, values, {"type": "object", "properties": properties, "required": []}, source)


def dialogues(folder: Path, rng: random.Random, most: int) -> Iterator[Text]:
    """Beginnings of dialogues with what the user has said so far, in the service's names or other ones."""
    files = ("schema_train", *(f"schema_x_v{number}_train" for number in range(1, 6)))
    versions = [_services(folder / f"{name}.json.xz") for name in files]
    rows = [entry for _, entry in read_objects(folder / "train.jsonl.xz")]
    rng.shuffle(rows)
    made = 0
    for entry in rows:
        turns = entry["turns"]
        users = [number for number, turn in enumerate(turns) if turn["s"] == "U" and number < 9]
        last = rng.choice(users)
        text = "\n".join(
            f"{'User' if turn['s'] == 'U' else 'Agent'}: {turn['t']}" for turn in turns[: last + 1]
        )
        for service, state in turns[last].get("state", {}).items():
            place = next((n for n, one in enumerate(versions[0]) if one["service_name"] == service), None)
            if place is None or not state["v"]:
                continue
            yield _state(text, state["v"], versions[0][place], rng.choice(versions)[place], rng)
            made += 1
            if made >= most:
                return


def _services(path: Path) -> list[dict[str, Any]]:
    import lzma

    with lzma.open(path, "rt", encoding="utf-8") as file:
        services: list[dict[str, Any]] = json.load(file)
    return services


def _state(
    text: str, state: dict[str, list[str]], own: dict[str, Any], worded: dict[str, Any], rng: random.Random
) -> Text:
    pairs = list(zip(own["slots"], worded["slots"], strict=True))
    said = [pair for pair in pairs if pair[0]["name"] in state]
    # What was said and is no slot of the state (an agent's offer) is wrong to take: such slots stay out.
    rest = [pair for pair in pairs if pair[0]["name"] not in state]
    rng.shuffle(rest)
    chosen = [*said, *rest[: rng.randrange(0, 4)]]
    rng.shuffle(chosen)
    described = rng.random() < 0.5
    properties: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for slot, other in chosen:
        value = next((one for one in state.get(slot["name"], ()) if one.casefold() in text.casefold()), None)
        if slot["name"] in state and value is None and not slot["is_categorical"]:
            continue
        if slot["is_categorical"] and slot["possible_values"]:
            schema: dict[str, Any] = {"type": "string", "enum": slot["possible_values"]}
            if {value.casefold() for value in slot["possible_values"]} == {"true", "false"}:
                schema = {"type": "boolean"}
            value = next(iter(state.get(slot["name"], ())), None)
            values[other["name"]] = value if schema["type"] == "string" or value is None else value == "True"
        else:
            if value is not None:
                start = text.casefold().index(value.casefold())
                value = text[start : start + len(value)]
            schema, kept = typed(slot["name"], value or "", text, rng)
            values[other["name"]] = kept if value is not None else None
        properties[other["name"]] = {**schema, "description": other["description"]} if described else schema
    return Text(text, values, {"type": "object", "properties": properties, "required": []}, "sgd")


def rows(name: str, texts: Iterable[Text], counts: Counter[str]) -> Iterator[Row]:
    """The rows of some texts, each once; what came of them is counted."""
    seen: set[str] = set()
    for number, made in enumerate(texts):
        if not made.schema["properties"]:
            continue
        entry = row(f"{name}-{number}", made)
        counts[f"{made.source}{' dropped' if entry is None else ''}"] += 1
        if entry is not None and entry["messages"][1]["content"] not in seen:
            seen.add(entry["messages"][1]["content"])
            counts["fields"] += len(made.values)
            counts["null fields"] += sum(value is None for value in made.values.values())
            yield entry


def main() -> None:
    given = options(__doc__, seed=7, generated=GENERATED)
    rng = random.Random(given.seed)
    counts: Counter[str] = Counter()
    made = [
        *rows("generated", (draw(rng) for _ in range(given.generated)), counts),
        *rows("snips", utterances(given.data / "snips/train.jsonl.xz", "snips", rng, SNIPS), counts),
        *rows("hwu64", utterances(given.data / "hwu64/train.jsonl.xz", "hwu64", rng, HWU), counts),
        *rows("sgd", dialogues(given.data / "sgd", rng, SGD), counts),
    ]
    rng.shuffle(made)
    for name, part in (("extract_dev", made[:DEV]), ("extract_train", made[DEV:])):
        path = given.out / f"{name}.jsonl"
        path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in part), encoding="utf-8")
        print(f"{path.name}: {len(part)} rows")
    print(dict(counts))


if __name__ == "__main__":
    main()
