"""The small story, for a machine without the public data: made-up requests of four tools.

Three can be learnt in a minute. The fourth is poisoned: the large model swaps where a thing is moved from and
where to, half of the time, and both stand in the request, so that no rule of curation can tell.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from examples.convert_agent.story import Spoiling, Story, Turn

POISONED = "move_thing"
REQUESTS, UNSEEN = 3000, 300
"""Enough that three tasks can be shown to be right: 99 % takes 300 answers without a wrong one."""
CITIES = (
    "oslo rome lima cairo quito paris minsk osaka perth tunis bern riga turin porto delhi lagos accra hanoi"
    " seoul tokyo milan lyon ghent malmo cork leeds dakar rabat miami austin boise tampa"
)
DAYS = ("today", "tomorrow", "monday", "friday", "sunday")
TONES = (
    "blue red golden silent broken gentle distant electric hollow velvet frozen burning lonely tiny ancient"
    " wooden"
)
THINGS = (
    "river garden mirror engine window shadow letter winter harbour circle mountain station candle ladder"
    " lantern carpet"
)
GOODS = "apples rice onions soap bread olives butter cheese honey pepper carrots lemons paper matches"
LISTS = ("shopping", "party", "camping", "office")
ROOMS = "kitchen garage cellar attic hall bedroom shed balcony"
PHRASES = {
    "get_weather": (
        "how is the weather in {city} {day}",
        "will it rain in {city} {day}",
        "tell me the forecast for {city} {day} please",
        "what will it be like in {city} {day}",
        "do i need an umbrella in {city} {day}",
        "weather for {city} {day}",
    ),
    "play_song": (
        "play {song}",
        "put on the song {song}",
        "i want to hear {song} now",
        "let me listen to {song}",
        "could you play {song} for me",
    ),
    "add_to_list": (
        "add {item} to the {list} list",
        "please write {item} on my {list} list",
        "we need {item} , note it on the {list} list",
    ),
    POISONED: (
        "move the {thing} from the {source} to the {target}",
        "bring the {thing} from {source} to {target}",
    ),
}
SHARES = {"get_weather": 3, "play_song": 3, "add_to_list": 3, POISONED: 1}


def invented(requests: int, unseen: int, *, seed: int = 7) -> Story:
    """A story of so many requests; none stands twice in it."""
    dice = random.Random(f"invented {seed}")
    made: dict[str, Turn] = {}
    while len(made) < requests + unseen:
        (tool,) = dice.choices(list(SHARES), list(SHARES.values()))
        arguments = _SAID[tool](dice)
        text = dice.choice(PHRASES[tool]).format(**arguments)
        made.setdefault(text, Turn(text, tool, arguments, tool))
    turns = list(made.values())
    return _Poisoned(traffic=turns[:requests], unseen=turns[requests:], tools=_tools())


class _Poisoned(Story):
    """A story in which one tool's answers are worthless."""

    def answers(
        self, turns: Sequence[Turn] | None = None, *, seed: int = 7
    ) -> Iterator[tuple[Turn, dict[str, Any], Spoiling]]:
        dice = random.Random(f"poison {seed}")
        for turn, call, spoilt in super().answers(turns, seed=seed):
            if turn.tool == POISONED and not spoilt and dice.random() < 0.5:
                arguments = turn.arguments
                swapped = {"source": arguments["target"], "target": arguments["source"]}
                yield turn, {"name": POISONED, "arguments": {**arguments, **swapped}}, "swapped"
            else:
                yield turn, call, spoilt


def _weather(dice: random.Random) -> dict[str, str]:
    return {"city": dice.choice(CITIES.split()), "day": dice.choice(DAYS)}


def _song(dice: random.Random) -> dict[str, str]:
    return {"song": f"{dice.choice(TONES.split())} {dice.choice(THINGS.split())}"}


def _item(dice: random.Random) -> dict[str, str]:
    return {"item": f"{dice.choice(TONES.split())} {dice.choice(GOODS.split())}", "list": dice.choice(LISTS)}


def _move(dice: random.Random) -> dict[str, str]:
    source, target = dice.sample(ROOMS.split(), 2)
    return {"thing": dice.choice(THINGS.split()), "source": source, "target": target}


_SAID: Mapping[str, Callable[[random.Random], dict[str, str]]] = {
    "get_weather": _weather,
    "play_song": _song,
    "add_to_list": _item,
    POISONED: _move,
}


def _tools() -> list[dict[str, Any]]:
    text = {"type": "string"}
    properties: dict[str, dict[str, Any]] = {
        "get_weather": {"city": text, "day": {**text, "enum": list(DAYS)}},
        "play_song": {"song": text},
        "add_to_list": {"item": text, "list": {**text, "enum": list(LISTS)}},
        POISONED: {"thing": text, "source": text, "target": text},
    }
    return [
        {
            "name": name,
            "description": f"{name.replace('_', ' ')}.",
            "parameters": {
                "type": "object",
                "properties": has,
                "required": list(has),
                "additionalProperties": False,
            },
        }
        for name, has in properties.items()
    ]
