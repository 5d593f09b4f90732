"""The table: letters from what was observed, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.faults.environment import PeerRun
from benchmarks.faults.faults import TYPES, Fault, valid_call
from benchmarks.faults.outcome import LEGEND, Seen, fixed_sentences, letter

Column = dict[str, str]
"""Fault's id -> letter."""


def column_of(seen: Mapping[str, Seen] | None, faults: Sequence[Fault]) -> Column:
    """The letters of one column, a dash where nothing could be said.

    Valid calls are among them: ``ok``, or ``X`` where even they get a wrong type.

    Args:
        seen: by the fault's id; None where nothing could be run.
    """
    seen = seen or {}
    fixed = fixed_sentences(seen, faults)
    column: Column = {}
    for fault in faults:
        valid, told = seen.get(valid_call(fault.tool).id, Seen()), seen.get(fault.id)
        column[valid_call(fault.tool).id] = ("ok" if valid.fits else "X") if valid.ran else "-"
        column[fault.id] = letter(fault, told, fixed) if told is not None and valid.ran else "-"
    return column


def joined(columns: Sequence[Column]) -> Column:
    """Several columns as one: one letter where they agree, else all of them."""
    return {key: "/".join(dict.fromkeys(column[key] for column in columns)) for key in columns[0]}


def markdown(faults: Sequence[Fault], columns: Mapping[str, Column]) -> str:
    """One row for each fault under a row for each tool, and the sums on top."""
    lines = [_row("fault", *columns), _row("---", *("---" for _ in columns))]
    for sign, meaning in LEGEND.items():
        counts = (sum(column[fault.id] == sign for fault in faults) for column in columns.values())
        lines.append(_row(f"**{sign}**: {meaning}", *(f"**{count}**" if count else "" for count in counts)))
    last = ""
    for fault in faults:
        if fault.tool != last:
            last = fault.tool
            cells = (column[valid_call(last).id] for column in columns.values())
            lines.append(_row(f"**{TYPES[last]}**; a valid call", *cells))
        lines.append(_row(f"`{fault.title}`", *(column[fault.id] for column in columns.values())))
    return "\n".join(lines)


def notes(peers: Mapping[str, PeerRun]) -> str:
    """Versions, and why a peer has no letters or runs no valid call."""
    lines = []
    for name, run in peers.items():
        if run.seen is None:
            lines.append(f"- {name}: {run.why_not}")
            continue
        lines.append(f"- {name} {run.version}")
        why: dict[str, list[str]] = {}
        for tool in TYPES:
            valid = run.seen.get(valid_call(tool).id)
            if valid is not None and not valid.ran:
                said = " ".join((valid.error or valid.feedback or "the run ended").split())
                why.setdefault(said[:100], []).append(f"`{TYPES[tool]}`")
        lines += [f"  - no valid call of {'; '.join(tools)}: {said}" for said, tools in why.items()]
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
