"""What was observed of one faulty call, and the letter that follows from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from benchmarks.faults.faults import Fault

LEGEND = {
    "R": "rejected, and the model is told why",
    "C": "run, a value coerced, mended or let through in silence",
    "X": "run with a value of the wrong type",
    "D": "run, a key dropped",
    "R!": "not run, and the model is not told why (a fixed sentence, or an exception to the caller)",
    "END": "not run, and the run ends as if it were finished",
    "-": "the framework cannot declare the tool, or not say this, or not even a valid call runs",
}

MOST_PLACES = 5
"""Places in calls for which one message may be a reason: "None is not of type 'integer'" is, for three."""


@dataclass(frozen=True)
class Seen:
    """What was observed of one call."""

    ran: tuple[dict[str, str], ...] = ()
    """Of each time that the tool ran the arguments, as text."""
    fits: bool = True
    """Whether they were all of the declared types."""
    feedback: str | None = None
    """What the model was told; None when it was not asked again."""
    error: str = ""
    """The exception that reached the caller."""
    barred: bool = False
    """Whether the grammar admits no such text, so that no model can give it."""


def letter(fault: Fault, seen: Seen, fixed: Collection[str] = ()) -> str:
    """The cell of the table.

    Args:
        fixed: messages that tell nothing, as of `fixed_sentences`.
    """
    if seen.ran:
        if not seen.fits:
            return "X"
        return "D" if fault.drops else "C"
    if seen.barred or (seen.feedback and seen.feedback not in fixed):
        return "R"
    return "R!" if seen.error or seen.feedback is not None else "END"


def fixed_sentences(seen: Mapping[str, Seen], faults: Iterable[Fault]) -> set[str]:
    """Messages that a model is given whatever is wrong: the same for more than `MOST_PLACES` places."""
    places = defaultdict[str, set[str]](set)
    for fault in faults:
        if fault.id in seen and not seen[fault.id].ran:
            places[seen[fault.id].feedback or ""].add(fault.place)
    return {message for message, found in places.items() if len(found) > MOST_PLACES}
