"""What was observed of one faulty call, and the letter that follows from it."""

from __future__ import annotations

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


def letter(fault: Fault, seen: Seen) -> str:
    """The cell of the table."""
    if seen.ran:
        if not seen.fits:
            return "X"
        return "D" if fault.drops else "C"
    if seen.barred or (seen.feedback is not None and fault.is_named_in(seen.feedback)):
        return "R"
    return "R!" if seen.error or seen.feedback is not None else "END"
