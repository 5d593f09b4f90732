"""The suffix automaton of a word sequence: the smallest machine that reads its stretches and nothing else.

A. Blumer et al., The smallest automaton recognizing the subwords of a text (1985). At most two states and
three edges a word, and deterministic: a text that repeats itself is no larger than one that does not.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

Item = TypeVar("Item", bound=Hashable)


def suffix_automaton(items: Sequence[Item]) -> list[dict[Item, int]]:
    """For each state the state that each item leads to; it begins in state 0 and may end in any."""
    edges: list[dict[Item, int]] = [{}]
    lengths = [0]
    links = [-1]
    last = 0
    for item in items:
        state = len(edges)
        edges.append({})
        lengths.append(lengths[last] + 1)
        links.append(0)
        before = last
        while before >= 0 and item not in edges[before]:
            edges[before][item] = state
            before = links[before]
        if before >= 0:
            known = edges[before][item]
            if lengths[known] != lengths[before] + 1:
                # The known state also ends longer stretches: those that end here need one of their own.
                clone = len(edges)
                edges.append(dict(edges[known]))
                lengths.append(lengths[before] + 1)
                links.append(links[known])
                while before >= 0 and edges[before].get(item) == known:
                    edges[before][item] = clone
                    before = links[before]
                links[known] = clone
                known = clone
            links[state] = known
        last = state
    return edges
