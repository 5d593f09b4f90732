"""Problems as a model reads them: what was wrong, what would be right, a valid value, within a budget."""

from __future__ import annotations

import re
from collections.abc import Sequence

from speeddial.errors import Problem

LONGEST = 400
"""Bytes of the whole message: a 135 M model loses the thread in longer ones. No tokenizer that works on bytes
makes more tokens than bytes of it; of plain English it makes about a hundred."""
_PATH = 60
_GOT = 50
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")


def problems_text(problems: Sequence[Problem], example: str = "") -> str:
    """The message for the model, at most `LONGEST` bytes of UTF-8.

    The problems nearest to the root come first, for they explain those below. The first one always has its
    path, what was expected and what came. What the model wrote is shortened, and cannot begin a line.

    Args:
        problems: what is wrong.
        example: a valid instance as compact JSON; left out when it takes more than half the message.
    """
    tail = f"\nValid example: {example}" if example and _size(example) <= LONGEST // 2 else ""
    ordered = sorted(problems, key=lambda problem: len(re.findall(r"[.\[]", problem.path)))
    lines: list[str] = []
    for number, problem in enumerate(ordered):
        more = f"\n- and {len(ordered) - number} more"
        room = LONGEST - _size(tail) - _size(more) - sum(_size(line) + 1 for line in lines)
        line = _line(problem, room)
        if lines and _size(line) > room:
            lines.append(more.lstrip("\n"))
            break
        lines.append(line)
    return "\n".join(lines) + tail


def _line(problem: Problem, room: int) -> str:
    """One problem, its parts shortened where it would take more than `room` bytes."""
    path, expected, got = (_CONTROL.sub(" ", part) for part in problem[:3])
    whole = _CONTROL.sub(" ", f"- {problem}")
    if _size(whole) <= room:
        return whole
    path, got = _shortened(path, _PATH), _shortened(got, _GOT)
    rest = room - _size(str(Problem(path, "", got))) - _size("- ")
    return f"- {Problem(path, _shortened(expected, max(rest, _GOT)), got)}"


def _shortened(text: str, most: int) -> str:
    data = text.encode("utf-8", "replace")
    return text if len(data) <= most else data[: most - 3].decode("utf-8", "ignore") + "…"


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
