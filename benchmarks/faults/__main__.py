"""Runs the faults through Speeddial and its peers and writes the table.

    python -m benchmarks.faults [--peers all|none|NAME,...] [--out docs/faults.md] [--venvs DIR]

From the repository's root, in the development environment. Every peer is installed in an environment of its
own, in the cache folder unless `--venvs` names another. The exit code is 1 when one of our cells is not R.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.faults import ours
from benchmarks.faults.environment import PEERS, PeerRun, run_peer
from benchmarks.faults.faults import FAULTS, Fault, valid_call
from benchmarks.faults.outcome import Seen
from benchmarks.faults.table import Column, column_of, joined, markdown, notes
from benchmarks.faults.tools import TOOLS
from speeddial.models.base_model import cache_folder

BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"


def our_columns() -> dict[str, Column]:
    """A column for each way in which a text comes to us, and for each grammar of the engines in process."""
    calls = [*map(valid_call, ours.FUNCTIONS), *FAULTS]
    seen = {way: asyncio.run(ours.observe(way, calls)) for way in ours.WAYS}
    columns = {way: column_of(found, FAULTS) for way, found in seen.items()}
    for name, admits in ours.grammars().items():
        barred = ours.barred(calls, admits)
        # What the grammar admits has the check before it, as with the scripted model.
        found = {
            key: Seen(barred=True) if key in barred else observed
            for key, observed in seen["scripted"].items()
        }
        columns[f"grammar over {name}"] = column_of(found, FAULTS)
    return columns


def sent_table() -> tuple[str, bool]:
    """What becomes of answers that are none, and whether all of them were refused."""
    ways = [way for way in ours.WAYS if way not in ("scripted", "stream")]
    lines = ["| a server sends | what the caller is told |", "| --- | --- |"]
    refused = True
    for title, raw in ours.SENT.items():
        told = []
        for way in ways:
            seen = next(iter(asyncio.run(ours.observe(way, FAULTS[:1], raw)).values()))
            refused = refused and bool(seen.error) and not seen.ran
            told.append(seen.error.partition("\n")[0].partition(": ")[2] or "NOT REFUSED")
        lines.append(f"| {title} | {'; '.join(dict.fromkeys(told))} |")
    return "\n".join(lines), refused


def page(columns: Mapping[str, Column], peers: Mapping[str, PeerRun], sent: str, command: str) -> str:
    """The generated part of the page."""
    exchanged: Sequence[Fault] = [fault for fault in FAULTS if fault.tool in TOOLS]
    all_of_ours = joined(list(columns.values()))
    table = {"Speeddial": all_of_ours} | {name: column_of(run.seen, FAULTS) for name, run in peers.items()}
    engines = "\n".join(
        f"| {way} | {sum(column[fault.id] == 'R' for fault in FAULTS)} of {len(FAULTS)} |"
        for way, column in columns.items()
    )
    own = len(FAULTS) - len(exchanged)
    return f"""{BEGIN}

`{command}`, {datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}.
Speeddial {version("speeddial")} with llguidance {version("llguidance")} and pydantic {version("pydantic")}.
{len(FAULTS)} faults, {own} of them of types that only Speeddial has.

{markdown(FAULTS, table)}

The column of Speeddial is all of these:

| engine | R |
| --- | --- |
{engines}

{sent}

Versions, and why there is a `-`:

{notes(peers)}

{END}"""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--peers", default="all", help="all, none, or some of " + ",".join(PEERS))
    parser.add_argument("--out", type=Path, help="page whose generated part is written anew")
    parser.add_argument("--venvs", type=Path, default=cache_folder() / "faults")
    options = parser.parse_args()
    chosen = {"all": list(PEERS), "none": []}.get(options.peers, options.peers.split(","))
    if unknown := set(chosen) - set(PEERS):
        parser.error(f"no peer {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    around = ("", "")
    if options.out:
        before, _, rest = options.out.read_text(encoding="utf-8").partition(BEGIN)
        around = (before, rest.partition(END)[2])
        if not rest or END not in rest:
            parser.error(f"{options.out} has no {BEGIN} and {END}")
    columns = our_columns()
    sent, refused = sent_table()
    calls = [call for call in (*map(valid_call, ours.FUNCTIONS), *FAULTS) if call.tool in TOOLS]
    peers = {}
    for name in chosen:
        print(f"{name} ...", file=sys.stderr)
        peers[name] = run_peer(name, calls, options.venvs)
    command = f"python -m benchmarks.faults --peers {options.peers} --out docs/faults.md"
    written = page(columns, peers, sent, command)
    print(written)
    if options.out:
        options.out.write_text(f"{around[0]}{written}{around[1]}", encoding="utf-8")
    right = all(column[fault.id] == "R" for column in columns.values() for fault in FAULTS)
    return 0 if right and refused else 1


if __name__ == "__main__":
    sys.exit(main())
