"""Requests of Schema-Guided Dialogue as typed calls: user utterances that hold the call's arguments.

A request is what the user said since the intent began. The calls' values are canonical ("2019-03-08"), the
dialogue state has them as they were said ("March 8th"): text is taken as said, and only rows in which every
text stands in the request are kept. Types come from the schemas: categorical numbers are integers, True and
False booleans, other categories enums. Labels that are wrong for a single request are dropped: values that
the system offered and nobody said, "dontcare", and intents that changed within the turn.
"""

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from speeddial.jsonlines import read_objects
from training.caller_rows import (
    Call,
    Definition,
    Row,
    ask,
    call,
    example,
    noisy,
    refuse,
    shuffled,
    spoken_name,
)

VARIANTS = 6
"""The original schema and SGD-X's five wordings of it."""
ROWS_OF_A_TOOLSET = 8
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_LONGEST = 320
"""Characters of a request."""

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class Service:
    """One service in one wording: its intents as tools, and how to translate original names."""

    def __init__(self, original: dict[str, Any], worded: dict[str, Any], numbers: set[str]) -> None:
        self.name: str = original["service_name"]
        self.slots = {
            slot["name"]: other["name"]
            for slot, other in zip(original["slots"], worded["slots"], strict=True)
        }
        self.kinds = {
            slot["name"]: _type(slot, f"{self.name}.{slot['name']}" in numbers) for slot in original["slots"]
        }
        notes = {slot["name"]: slot["description"] for slot in worded["slots"]}
        self.tools: dict[str, Definition] = {}
        self.required: dict[str, list[str]] = {}
        for intent, other in zip(original["intents"], worded["intents"], strict=True):
            names = [*intent["required_slots"], *intent["optional_slots"]]
            self.required[intent["name"]] = intent["required_slots"]
            properties = {
                self.slots[name]: {**self.kinds[name], "description": notes[self.slots[name]]}
                for name in names
            }
            self.tools[intent["name"]] = {
                "name": other["name"],
                "description": other["description"],
                "parameters": {
                    "type": "object",
                    "properties": properties,
                    "required": [self.slots[name] for name in intent["required_slots"]],
                },
            }


def _type(slot: dict[str, Any], is_number: bool) -> dict[str, Any]:
    values = slot["possible_values"]
    if slot["is_categorical"] and set(values) <= {"True", "False"}:
        return {"type": "boolean"}
    if slot["is_categorical"] and values and all(value.isdigit() for value in values):
        return {"type": "integer", "minimum": min(map(int, values)), "maximum": max(map(int, values))}
    if slot["is_categorical"] and values:
        return {"type": "string", "enum": values}
    return {"type": "number"} if is_number else {"type": "string"}


def numbers_in(dialogues: list[Row]) -> set[str]:
    """``Service.slot`` of the slots that are not categorical and whose values are all numbers."""
    seen: dict[str, list[bool]] = defaultdict(list)
    for dialogue in dialogues:
        for turn in dialogue["turns"]:
            for made in turn.get("calls", ()):
                for name, value in made["arguments"].items():
                    seen[f"{made['service']}.{name}"].append(bool(_NUMBER.fullmatch(value)))
    return {name for name, values in seen.items() if all(values)}


def services(folder: Path, part: str, numbers: set[str]) -> list[dict[str, Service]]:
    """The services of a part in each of the six wordings."""
    original = _schema(folder / f"schema_{part}.json")
    wordings = [
        original,
        *(_schema(folder / f"schema_x_v{number}_{part}.json") for number in range(1, VARIANTS)),
    ]
    return [
        {
            one["service_name"]: Service(one, other, numbers)
            for one, other in zip(original, worded, strict=True)
        }
        for worded in wordings
    ]


def _schema(path: Path) -> list[dict[str, Any]]:
    import lzma

    with lzma.open(f"{path}.xz", "rt", encoding="utf-8") as file:
        return list(json.load(file))


def dialogues(folder: Path, part: str) -> list[Row]:
    return [row for _, row in read_objects(folder / f"{part}.jsonl.xz")]


def moments(rows: list[Row]) -> Iterator[tuple[str, str, str, str, dict[str, list[str]], str]]:
    """Service, intent, id, request, its state, and what the system asks for next (``slot: words``)."""
    for row in rows:
        said: list[str] = []
        intent = ("", "")
        for number, turn in enumerate(row["turns"][:-1]):
            if turn["s"] != "U":
                continue
            states = {
                service: state for service, state in turn.get("state", {}).items() if state.get("i") != "NONE"
            }
            now = next(((service, state["i"]) for service, state in states.items()), ("", ""))
            if len(states) != 1 or len(turn.get("state", {})) != 1 or not now[1]:
                said, intent = [], ("", "")
                continue
            said = [*said, turn["t"]] if now == intent else [turn["t"]]
            intent = now
            following = row["turns"][number + 1]
            asked = [act for act in following.get("acts", ()) if act[0] == "REQUEST"]
            wanted = (
                f"{asked[0][1]}: {following['t']}" if len(asked) == 1 and len(following["acts"]) == 1 else ""
            )
            made = [one for one in following.get("calls", ()) if (one["service"], one["method"]) == intent]
            if made or wanted:
                # A state's values may have been said before the intent began.
                state = states[intent[0]].get("v", {})
                used = (
                    state
                    if wanted
                    else {name: state.get(name, [value]) for name, value in made[0]["arguments"].items()}
                )
                yield *intent, f"{row['id']}.{number}", " ".join(said), used, wanted


def arguments_of(service: Service, request: str, state: dict[str, list[str]]) -> dict[str, Any] | None:
    """The state's values by their types, under the wording's names; None where one was not said."""
    folded = request.casefold()
    found: dict[str, Any] = {}
    for name, values in state.items():
        if name not in service.kinds or "dontcare" in values:
            return None
        kind = service.kinds[name]
        if kind["type"] == "boolean":
            value: Any = values[0] == "True" if values[0] in ("True", "False") else None
        elif kind["type"] in ("integer", "number"):
            value = _said_number(values, folded)
        elif "enum" in kind:
            value = next((value for value in values if value in kind["enum"]), None)
        else:
            spans = [_span(request, folded, value) for value in values]
            value = max(filter(None, spans), key=len, default=None)
        if value is None:
            return None
        found[service.slots[name]] = value
    return found


def _span(request: str, folded: str, value: str) -> str | None:
    found = re.search(rf"(?<!\w){re.escape(value.casefold())}(?!\w)", folded)
    return request[found.start() : found.end()] if found and len(folded) == len(request) else None


def _said_number(values: list[str], folded: str) -> int | float | None:
    for value in values:
        if not _NUMBER.fullmatch(value):
            continue
        number = float(value)
        forms = [value, WORDS[int(number)] if number.is_integer() and 0 <= number <= 10 else value]
        if any(re.search(rf"(?<![\w.]){re.escape(form)}(?![\w])", folded) for form in forms):
            return int(number) if number.is_integer() else number
    return None


def rows(
    part: str,
    all_dialogues: list[Row],
    wordings: list[dict[str, Service]],
    rng: random.Random,
    kept: set[str],
) -> Iterator[Row]:
    """Cases of the services in `kept`: calls, questions and refusals over toolsets that several share."""
    by_service: dict[str, list[Any]] = defaultdict(list)
    for moment in moments(all_dialogues):
        usable = moment[0] in kept and len(moment[3]) <= _LONGEST
        if usable and _answer(wordings[0][moment[0]], moment):
            by_service[moment[0]].append(moment)
    groups = []
    for name in sorted(by_service):
        found = by_service[name]
        rng.shuffle(found)
        groups += [
            found[start : start + ROWS_OF_A_TOOLSET] for start in range(0, len(found), ROWS_OF_A_TOOLSET)
        ]
    rng.shuffle(groups)
    for group in groups:
        variant = rng.randrange(VARIANTS)
        service = wordings[variant][group[0][0]]
        tools = _toolset(service, wordings, kept, rng)
        others = [one for one in tools if one not in service.tools.values()]
        for moment in group:
            yield from _case(f"sgd-{part}-{variant}", service, tools, others, moment, rng)


def _toolset(
    service: Service, wordings: list[dict[str, Service]], kept: set[str], rng: random.Random
) -> list[Definition]:
    """All intents of the service, or but one where they are more than two, and one to three strangers."""
    own = list(service.tools.values())
    family = service.name.rpartition("_")[0]
    strangers = [
        tool
        for name, other in rng.choice(wordings).items()
        if name in kept and name.rpartition("_")[0] != family
        for tool in other.tools.values()
    ]
    names = {tool["name"] for tool in own}
    strangers = [tool for tool in strangers if tool["name"] not in names]
    picked: dict[str, Definition] = {}
    for tool in rng.sample(strangers, min(len(strangers), rng.choice([0, 1, 1, 2, 3]))):
        picked[tool["name"]] = tool
    return shuffled([*own[:4], *picked.values()], rng)


def _case(
    source: str,
    service: Service,
    tools: list[Definition],
    others: list[Definition],
    moment: Any,
    rng: random.Random,
) -> Iterator[Row]:
    _, intent, identity, request, *_ = moment
    made = _answer(service, moment)
    if made is None or service.tools[intent] not in tools:
        return
    kind = "ask" if made["name"] == "ask" else "call"
    if others and rng.random() < 0.12:
        tools, made, kind = others, refuse(spoken_name(intent)), "refuse"
    row = example(f"{source}-{identity}-{kind}", f"sgd-{kind}", tools, noisy(request, rng), [made])
    if row:
        yield row


def _answer(service: Service, moment: Any) -> Call | None:
    """The call, or the question for the first required argument that is missing; None for a wrong label."""
    _, intent, _, request, state, wanted = moment
    arguments = arguments_of(service, request, state)
    if arguments is None:
        return None
    missing = [name for name in service.required[intent] if service.slots[name] not in arguments]
    name = service.tools[intent]["name"]
    if not wanted:
        return None if missing else call(name, arguments)
    slot, _, question = wanted.partition(": ")
    return ask(name, service.slots[slot], question) if missing[:1] == [slot] else None
