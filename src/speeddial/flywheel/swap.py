"""More rows from the same samples: values that are copied from requests, exchanged among requests of a kind.

"add Creep to my list" and "put Angie on it" make "add Angie to my list". Words that were seen in one place
only would be learnt by heart with it; exchanged, all that can be learnt is where a value stands. No call is
made up: each row is a recorded request around recorded values of the same argument.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from speeddial.contract.schemas import COPIED
from speeddial.flywheel.sample import Sample

_SHARE = 0.7
"""Of the values of a request that are exchanged."""
_Pools = Mapping[tuple[str, str], Sequence[str]]


def swapped(
    samples: Sequence[Sample], definitions: Mapping[str, Mapping[str, Any]], times: int, *, seed: int = 7
) -> Iterator[Sample]:
    """Every sample again, so many times, with other values where that can be done.

    Args:
        samples: that are learnt from.
        definitions: tool -> its definition, narrowed: only copied arguments are exchanged.
        times: how often.
        seed: of the choices.
    """
    pools: dict[tuple[str, str], list[str]] = defaultdict(list)
    for sample in samples:
        for place, value in _copied(sample, definitions):
            pools[place].append(value)
    for number in range(times):
        for sample in samples:
            dice = random.Random(f"{seed} {number} {sample.id}")
            yield replace(_swapped(sample, definitions, pools, dice), id=f"{sample.id}~{number + 1}")


def _copied(
    sample: Sample, definitions: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[tuple[str, str], str]]:
    if len(sample.calls) != 1:
        return
    (call,) = sample.calls
    properties = definitions[call["name"]]["parameters"].get("properties", {})
    for argument, value in call["arguments"].items():
        if isinstance(value, str) and properties.get(argument, {}).get(COPIED) is True:
            yield (call["name"], argument), value


def _swapped(
    sample: Sample, definitions: Mapping[str, Mapping[str, Any]], pools: _Pools, dice: random.Random
) -> Sample:
    """A sample with other values; as it is where a value's place in the request is not certain."""
    values = dict(_copied(sample, definitions))
    request = sample.request
    spans = {}
    for place, value in values.items():
        found = list(re.finditer(rf"(?<!\w){re.escape(value)}(?!\w)", request))
        if len(found) != 1:
            return sample
        spans[place] = found[0].span()
    ordered = sorted(spans, key=lambda place: spans[place])
    for before, after in pairwise(ordered):
        if spans[before][1] > spans[after][0]:
            return sample
    new = {place: dice.choice(pools[place]) for place in ordered if dice.random() < _SHARE}
    text, end = "", 0
    for place in ordered:
        start, stop = spans[place]
        text, end = text + request[end:start] + new.get(place, values[place]), stop
    text += request[end:]
    (call,) = sample.calls
    arguments = {**call["arguments"], **{argument: value for (_, argument), value in new.items()}}
    messages = tuple(
        {**message, "content": text} if message is _asked(sample) else message for message in sample.messages
    )
    return replace(sample, messages=messages, calls=({**call, "arguments": arguments},))


def _asked(sample: Sample) -> Mapping[str, Any]:
    return next(message for message in reversed(sample.messages) if message["role"] == "user")
