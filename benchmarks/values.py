"""How many English time phrases each parser resolves rightly, on Microsoft's Recognizers-Text specs.

    python benchmarks/values.py --data ../shared/data/recognizers_text [--misses KIND]

The phrase is the `Text` of each result (so finding it in a sentence is not measured), its reference time the
spec's. A hit: the value is one of the spec's resolutions (it lists both the past and the coming year, morning and
evening). `wrong` counts answers that are none of them: a silent guess, worse than none. Parts of the day are
left out of times (every convention has its own hours), and of sets only the repetition is compared.
dateparser and parsedatetime are measured when they are installed; neither is a dependency.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import lzma
import time as clock
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from speeddial.values.reading import Days, Reading
from speeddial.values.resolve import read_phrase

ZONE = ZoneInfo("UTC")
KINDS = ("date", "time", "datetime", "daterange", "timerange", "datetimerange", "set")
PARTS = ("TMO", "TAF", "TEV", "TNI", "TDT", "TNT", "TMEL", "TMEB", "TMED")

Answer = set[str] | None
"""The readings a parser offers, in the spec's own spelling; None when it does not know."""


class Case(NamedTuple):
    kind: str
    text: str
    now: datetime
    right: frozenset[str]


def cases(folder: Path) -> Iterator[Case]:
    seen = set()
    with lzma.open(folder / "english.jsonl.xz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    for row in rows:
        if row["model"] != "DateTimeModel" or "ref" not in row:
            continue
        for result in row["results"]:
            kind = result.get("TypeName", "").removeprefix("datetimeV2.")
            values = (result.get("Resolution") or {}).get("values") or []
            if kind not in KINDS or not values or any(v.get("timex", "").endswith(PARTS) for v in values):
                continue
            right = frozenset(spelled for value in values if (spelled := spell(value)))
            key = (kind, result["Text"].lower(), row["ref"])
            if right and key not in seen:
                seen.add(key)
                yield Case(kind, result["Text"], datetime.fromisoformat(row["ref"]).replace(tzinfo=ZONE), right)


def spell(value: dict[str, str]) -> str:
    if value.get("type") == "set":
        return f"set {value['timex']}"
    if value.get("value") == "not resolved":
        return ""
    if "value" in value:
        return value["value"]
    return f"{value.get('start', '')}/{value.get('end', '')}"


def ours(case: Case) -> Answer:
    want = "repeat" if case.kind == "set" else "time" if case.kind in ("time", "timerange") else "any"
    found: set[str] = set()
    for past in (False, True):
        reading = read_phrase(case.text, case.now, want=want, past=past)
        if reading is None and want == "any":
            reading = read_phrase(case.text, case.now, want="date", past=past)
        if reading is not None:
            found |= spelled_reading(reading, case)
    return found or None


def spelled_reading(reading: Reading, case: Case) -> set[str]:
    stamp = "%Y-%m-%d %H:%M:%S"
    if case.kind == "set":
        return {f"set {str(reading.rule)}"} if reading.rule else set()
    if reading.start is not None and reading.end is not None:
        return {f"{reading.start:{stamp}}/{reading.end:{stamp}}"}
    if reading.start is not None:
        return {f"{reading.start:{stamp}}", f"{reading.start:%H:%M:%S}"}
    days, c = reading.days, reading.clock
    if days is not None and c is None:
        inclusive = f"{days.start or ''}/{days.end - timedelta(days=1) if days.end else ''}"
        return {f"{days.start}" if single(days) else "", f"{days.start or ''}/{days.end or ''}", inclusive}
    if c is None or reading.rule:
        return set()
    out = set()
    twelve = timedelta(hours=12)
    for shift in (timedelta(), twelve) if c.bare else (timedelta(),):
        base = datetime(2000, 1, 1)
        start = base.combine(base, c.start) + shift if c.start else None
        end = base.combine(base, c.end) + shift if c.end else None
        if start and end and end <= start:
            end += twelve
        day = f"{days.start} " if days and single(days) else ""
        texts = [f"{day}{moment:%H:%M:%S}" if moment else "" for moment in (start, end)]
        out.add("/".join(texts) if c.end or c.mode != "at" else texts[0])
    return out


def single(days: Days) -> bool:
    return days.start is not None and days.end is not None and days.end - days.start == timedelta(days=1)


def by_dateparser(case: Case) -> Answer:
    dateparser: Any = importlib.import_module("dateparser")
    found = {
        dateparser.parse(
            case.text, languages=["en"],
            settings={"RELATIVE_BASE": case.now.replace(tzinfo=None), "PREFER_DATES_FROM": lean},
        )
        for lean in ("future", "past")
    } - {None}  # fmt: skip
    return {text for moment in found for text in spelled_moment(moment)} or None


def by_parsedatetime(case: Case) -> Answer:
    parsedatetime: Any = importlib.import_module("parsedatetime")
    moment, status = parsedatetime.Calendar().parseDT(case.text, sourceTime=case.now.replace(tzinfo=None))
    return spelled_moment(moment) if status else None


def spelled_moment(moment: datetime) -> set[str]:
    return {f"{moment:%Y-%m-%d}", f"{moment:%Y-%m-%d %H:%M:%S}", f"{moment:%H:%M:%S}"}


SETS = {
    "P1D": "FREQ=DAILY", "P1W": "FREQ=WEEKLY", "P2W": "FREQ=WEEKLY;INTERVAL=2", "P1M": "FREQ=MONTHLY",
    "P1Y": "FREQ=YEARLY", "P2M": "FREQ=MONTHLY;INTERVAL=2", "P3M": "FREQ=MONTHLY;INTERVAL=3",
    "P0.5Y": "FREQ=MONTHLY;INTERVAL=6", "P3D": "FREQ=DAILY;INTERVAL=3", "P2D": "FREQ=DAILY;INTERVAL=2",
    "P1WE": "FREQ=WEEKLY;BYDAY=SA,SU", "XXXX-WXX-WE": "FREQ=WEEKLY;BYDAY=SA,SU",
    "PT1H": "FREQ=HOURLY", "PT15M": "FREQ=MINUTELY;INTERVAL=15",
}  # fmt: skip


def set_rule(timex: str) -> str:
    """The spec's TIMEX of a set as an RRULE, its time of day left out; empty where there is no such rule."""
    if timex in SETS:
        return SETS[timex]
    day, _, _ = timex.partition("T")
    if not day:
        return "FREQ=DAILY"
    if day.startswith("XXXX-WXX-") and day[-1].isdigit():
        return f"FREQ=WEEKLY;BYDAY={('MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU')[int(day[-1]) - 1]}"
    return ""


def hit(case: Case, answer: set[str]) -> bool:
    if case.kind == "set":
        return any(set_rule(text.removeprefix("set ")) == a.removeprefix("set ") for text in case.right for a in answer)
    return bool(case.right & answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with english.jsonl.xz")
    parser.add_argument("--misses", help="print what we miss of this kind")
    options = parser.parse_args()
    every = list(cases(options.data))
    parsers: dict[str, Callable[[Case], Answer]] = {"speeddial": ours}
    for name, function in (("dateparser", by_dateparser), ("parsedatetime", by_parsedatetime)):
        if importlib.util.find_spec(name) is not None:
            parsers[name] = function
    print(f"{'parser':<14}{'kind':<15}{'cases':>6}{'hit':>7}{'wrong':>7}{'unknown':>9}")
    for name, function in parsers.items():
        counts: Counter[tuple[str, str]] = Counter()
        began = clock.perf_counter()
        for case in every:
            if name != "speeddial" and case.kind not in ("date", "time", "datetime"):
                continue
            answer = function(case)
            outcome = "unknown" if answer is None else "hit" if hit(case, answer) else "wrong"
            counts[case.kind, outcome] += 1
            if name == "speeddial" and outcome != "hit" and options.misses in (case.kind, "all"):
                print(f"  {outcome:<8} {case.kind:<10} {case.text!r} {case.now:%a %Y-%m-%d %H:%M} got {answer} right {set(case.right)}")
        taken = clock.perf_counter() - began
        for kind in KINDS:
            total = sum(counts[kind, outcome] for outcome in ("hit", "wrong", "unknown"))
            if total:
                shares = [counts[kind, outcome] / total for outcome in ("hit", "wrong", "unknown")]
                print(f"{name:<14}{kind:<15}{total:>6}{shares[0]:>7.1%}{shares[1]:>7.1%}{shares[2]:>9.1%}")
        print(f"{name:<14}{taken / max(1, sum(counts.values())) * 1000:.2f} ms a phrase")


if __name__ == "__main__":
    main()
