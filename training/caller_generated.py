"""Generated requests over a catalogue of tools: one call, several, questions, refusals."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

from training.caller_catalogue import Argument, Spec, definition
from training.caller_rows import Call, Definition, Row, ask, call, example, noisy, refuse, shuffled
from training.caller_values import CITIES, NAMES, listed

ROWS_OF_A_TOOLSET = 8
KINDS = {"call": 0.46, "same": 0.12, "different": 0.12, "ask": 0.15, "refuse": 0.15}
TALK_KINDS = {"call": 0.4, "same": 0.15, "different": 0.14, "ask": 0.22, "refuse": 0.09}
"""Of rows with talk: what a second stage did worst has more of them."""
_AND = (" and ", ". Also, ", ", then ", ". Then ", "; ", " and also ")
_OPENINGS = (
    "I am going on a trip.",
    "Hi there.",
    "I need some help.",
    "{name} is visiting me.",
    "I live in {city}.",
    "I have been in {city} with {name}.",
    "It is for my sister.",
    "My friend {name} told me about this.",
)
"""What is said before a request and belongs to no argument."""
_MORE = ("It should be", "I want it", "Make it", "I would like it", "If possible")
_POLITE = (
    "{}",
    "{}",
    "{}",
    "{}",
    "please {}",
    "can you {}",
    "could you {}?",
    "{} please",
    "{}, thanks",
    "hey, {}",
)


class Worded:
    """A spec in one of its wordings."""

    def __init__(self, spec: Spec, rng: random.Random) -> None:
        self.spec = spec
        index = rng.randrange(8)
        self.keys = [argument.names[index % len(argument.names)] for argument in spec.arguments]
        if len(set(self.keys)) < len(self.keys):
            self.keys = [argument.names[0] for argument in spec.arguments]
        self.definition = definition(
            spec,
            rng.choice(spec.names),
            rng.choice(spec.descriptions),
            self.keys,
            described=rng.random() < 0.5,
            plain_dates=rng.random() < 0.5,
        )
        self.name: str = self.definition["name"]

    def said(
        self, rng: random.Random, *, without: int = -1, spread: int = -1, talk: bool = False
    ) -> tuple[str, list[dict[str, Any]]]:
        """A request, and the arguments of each call that it asks for.

        Args:
            without: number of the argument that is not said.
            spread: number of the argument that is said with several values, one for each call.
            talk: now and then in several sentences, and with few or many of the optional arguments.
        """
        unsaid = rng.choice((0.3, 0.6, 0.95)) if talk else 0.6
        parts: list[tuple[bool, str]] = []
        calls: list[dict[str, Any]] = [{}]
        for number, (argument, key) in enumerate(zip(self.spec.arguments, self.keys, strict=True)):
            if number == without or (argument.optional and number != spread and rng.random() < unsaid):
                continue
            said, value = argument.kind.make(rng)
            clause = _clause(argument, value, rng)
            if number == spread:
                made = {said: value}
                while len(made) < rng.choice([2, 2, 2, 3, 3, 4]):
                    more, other = argument.kind.make(rng)
                    made[more] = other
                calls = [{**calls[0], key: item} for item in made.values()]
                said = listed(list(made))
            else:
                calls = [{**one, key: value} for one in calls]
            parts.append((argument.optional, clause.format(said)))
        if rng.random() < 0.2:
            rng.shuffle(parts)
            parts.sort(key=lambda part: part[0])
        words = [rng.choice(self.spec.heads), *(part[1] for part in parts)]
        if talk and len(words) > 1 and rng.random() < 0.4:
            at = rng.randrange(1, len(words))
            words = [*words[: at - 1], f"{words[at - 1]}.", rng.choice(_MORE), *words[at:]]
        return " ".join(words).replace(" :", ":"), calls


def _clause(argument: Argument, value: Any, rng: random.Random) -> str:
    if isinstance(value, bool):
        return argument.clauses[0 if value else 1].replace("{", "{{").replace("}", "}}")
    return rng.choice(argument.clauses)


def _spreadable(spec: Spec) -> list[int]:
    """Arguments whose several values are said in a row without doubt about what belongs together."""
    kinds = [argument.kind.schema.get("type") for argument in spec.arguments]
    return [
        number
        for number, (argument, kind) in enumerate(zip(spec.arguments, kinds, strict=True))
        if kind == "string" and not argument.optional and argument.clauses[0].endswith("{}")
    ]


def rows(
    specs: Sequence[Spec],
    strangers: Sequence[Definition],
    count: int,
    rng: random.Random,
    kinds: dict[str, float] = KINDS,
    most_tools: int = 5,
    talk: bool = False,
) -> Iterator[Row]:
    """Cases in groups of one toolset each.

    Args:
        strangers: more definitions to stand beside, of tools that nothing is asked of.
        count: of cases.
        kinds: shares.
        talk: now and then in several sentences, some of them of something else.
    """
    made = 0
    while made < count:
        size = rng.choice([1, 2, 2, 3, 3, 4, 5][: max(1, most_tools + 1)])
        shown = [Worded(spec, rng) for spec in rng.sample(list(specs), min(len(specs), size))]
        more = rng.sample(list(strangers), min(len(strangers), rng.choice([0, 0, 1, 1, 2])))
        names = {one.name for one in shown}
        tools = shuffled(
            [*(one.definition for one in shown), *(tool for tool in more if tool["name"] not in names)], rng
        )
        away = [spec for spec in specs if all(spec is not one.spec for one in shown)]
        for _ in range(ROWS_OF_A_TOOLSET):
            kind = rng.choices(list(kinds), list(kinds.values()))[0]
            case = _case(f"gen-{rng.getrandbits(40):010x}", kind, shown, away, tools, rng, talk)
            if case and made < count:
                made += 1
                yield case


def _case(
    identity: str,
    kind: str,
    shown: Sequence[Worded],
    away: Sequence[Spec],
    tools: Sequence[Definition],
    rng: random.Random,
    talk: bool,
) -> Row | None:
    one = rng.choice(shown)
    calls: list[Call]
    if kind == "refuse":
        if not away:
            return None
        other = Worded(rng.choice(away), rng)
        text, _ = other.said(rng, talk=talk)
        calls = [refuse(other.spec.wanted)]
    elif kind == "ask":
        required = [number for number, argument in enumerate(one.spec.arguments) if not argument.optional]
        # A request of a single argument says too little without it to be one for this tool.
        if not required or (len(required) < 2 and len(one.spec.heads[0]) < 12):
            return None
        gone = rng.choice(required)
        text, _ = one.said(rng, without=gone, talk=talk)
        calls = [ask(one.name, one.keys[gone], one.spec.arguments[gone].question)]
    elif kind == "same":
        spread = _spreadable(one.spec)
        if spread and rng.random() < 0.7:
            text, each = one.said(rng, spread=rng.choice(spread))
        else:
            text, each = _joined([one.said(rng, talk=talk) for _ in range(rng.choice([2, 2, 3]))], rng)
        calls = [call(one.name, arguments) for arguments in each]
    elif kind == "different":
        if len(shown) < 2:
            return None
        several = rng.sample(list(shown), rng.choice([2, 2, 3]) if len(shown) > 2 else 2)
        said = [other.said(rng, talk=talk) for other in several]
        text, each = _joined(said, rng)
        calls = [call(other.name, arguments) for other, arguments in zip(several, each, strict=True)]
    else:
        text, each = one.said(rng, talk=talk)
        calls = [call(one.name, each[0])]
    if any(calls.count(one) > 1 for one in calls):
        return None
    text = rng.choice(_POLITE).format(text.replace("{", "{{").replace("}", "}}")) if "{" not in text else text
    if rng.random() < 0.6:
        text = text[:1].upper() + text[1:] + ("" if text[-1] in "?.!" else rng.choice([".", ".", "", "?"]))
    if talk and rng.random() < 0.2:
        name, city = rng.choice(NAMES.split("|")), rng.choice(CITIES.split("|"))
        text = f"{rng.choice(_OPENINGS).format(name=name, city=city)} {text}"
    return example(f"{identity}-{kind}", f"gen-{kind}", tools, noisy(text, rng), calls)


def _joined(
    said: Sequence[tuple[str, list[dict[str, Any]]]], rng: random.Random
) -> tuple[str, list[dict[str, Any]]]:
    text = said[0][0]
    for other, _ in said[1:]:
        text += rng.choice(_AND) + other
    return text, [arguments for _, each in said for arguments in each]
