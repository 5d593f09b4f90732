"""Problems as a model reads them: what was wrong, what would be right, one valid example."""

from __future__ import annotations

from collections.abc import Sequence

from speeddial.errors import Problem

LONGEST = 400
"""Characters of the whole message: a 135 M model loses the thread in longer ones, and each costs tokens."""


def problems_text(problems: Sequence[Problem], example: str = "") -> str:
    """The message for the model, at most `LONGEST` characters; the first problems and the example are kept.

    Args:
        problems: what is wrong, most important first.
        example: a valid instance as compact JSON; left out when it is longer than half the message.
    """
    tail = f"\nValid example: {example}" if example and len(example) <= LONGEST // 2 else ""
    room = LONGEST - len(tail)
    lines: list[str] = []
    for index, problem in enumerate(problems):
        line = f"- {problem}"
        more = f"\n- and {len(problems) - index} more"
        if sum(map(len, lines)) + len(lines) + len(line) + len(more) > room:
            if lines:
                lines.append(more.lstrip("\n"))
            else:
                lines.append(line[: room - 1] + "…")
            break
        lines.append(line)
    return "\n".join(lines) + tail
