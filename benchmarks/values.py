"""How many English time phrases each parser resolves rightly, on Microsoft's Recognizers-Text specs.

    python benchmarks/values.py --data ../shared/data/recognizers_text [--misses KIND]

The phrase is the `Text` of each result (so finding it in a sentence is not measured), its reference time the
spec's. A hit: the value is one of the spec's resolutions (it lists both the past and the coming year, morning
and evening). `wrong` counts answers that are none of them: a silent guess, worse than none. Parts of the day
are left out of times (every convention has its own hours), and of sets only the repetition is compared.
dateparser and parsedatetime are measured when they are installed; neither is a dependency.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import lzma
import re
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
                yield Case(
                    kind, result["Text"], datetime.fromisoformat(row["ref"]).replace(tzinfo=ZONE), right
                )


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
        return {f"set {reading.rule!s}"} if reading.rule else set()
    if reading.start is not None and reading.end is not None:
        return {f"{reading.start:{stamp}}/{reading.end:{stamp}}"}
    if reading.start is not None:
        return {f"{reading.start:{stamp}}", f"{reading.start:%H:%M:%S}"}
    days, c = reading.days, reading.clock
    if days is not None and c is None:
        return {f"{days.start}" if single(days) else "none", *spans(days, case.text)}
    if c is None or reading.rule:
        return set()
    out = set()
    twelve = timedelta(hours=12)
    for shift in (timedelta(), twelve) if c.bare else (timedelta(),):
        base = datetime(2000, 1, 1, tzinfo=ZONE)
        start = base.combine(base, c.start) + shift if c.start else None
        end = base.combine(base, c.end) + shift if c.end else None
        if start and end and end <= start:
            end += twelve
        day = f"{days.start} " if days and single(days) else ""
        texts = [f"{day}{moment:%H:%M:%S}" if moment else "" for moment in (start, end)]
        out.add("/".join(texts) if c.end or c.mode != "at" else texts[0])
    return out


def spans(days: Days, text: str) -> set[str]:
    """A stretch of days as the specs may write it.

    They end "from 2014 to 2018" where 2018 begins, and begin "after may 5" with may 5; we take people to
    include the year they name, and to exclude the day they come after. Both count as right here.
    """
    starts, ends = {days.start}, {days.end}
    if days.end is not None:
        last = days.end - timedelta(days=1)
        ends.add(last)
        if re.search(r"\b(to|and|through|till|until|thru)\b|-|~", text.lower()):
            ends |= {
                last.replace(day=1),
                last.replace(month=1, day=1),
                last.replace(month=last.month - (last.month - 1) % 3, day=1),
            }
    if days.start is not None and days.end is None:
        starts.add(days.start - timedelta(days=1))
    return {f"{start or ''}/{end or ''}" for start in starts for end in ends}


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


WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
FREQUENCY = {"D": "DAILY", "W": "WEEKLY", "M": "MONTHLY", "Y": "YEARLY", "TH": "HOURLY", "TM": "MINUTELY"}


def set_rules(timex: str) -> set[str]:
    """The spec's TIMEX of a set as the RRULEs it may stand for, its time of day left out."""
    if timex == "P0.5Y":
        return {"FREQ=MONTHLY;INTERVAL=6"}
    if weekend := re.fullmatch(r"P(\d+)W(E|D)|XXXX-WXX-WE", timex):
        days = "MO,TU,WE,TH,FR" if weekend[2] == "D" else "SA,SU"
        every = f"INTERVAL={weekend[1]};" if weekend[1] not in (None, "1") else ""
        return {f"FREQ=WEEKLY;{every}BYDAY={days}"}
    if period := re.fullmatch(r"P(T?)(\d+)([DWMYH])", timex):
        every = "" if period[2] == "1" else f";INTERVAL={period[2]}"
        return {f"FREQ={FREQUENCY[period[1] + period[3]]}{every}"}
    if dated := re.fullmatch(r"XXXX-XX-(\d\d)", timex):
        return {f"FREQ=MONTHLY;BYMONTHDAY={int(dated[1])}"}
    day, _, _ = timex.partition("T")
    if day.startswith("XXXX-WXX-") and day[-1].isdigit():
        # The spec does not tell "every other friday" from "every friday".
        byday = f"BYDAY={WEEKDAYS[int(day[-1]) - 1]}"
        return {f"FREQ=WEEKLY;{byday}", f"FREQ=WEEKLY;INTERVAL=2;{byday}"}
    return set() if day else {"FREQ=DAILY"}


def hit(case: Case, answer: set[str]) -> bool:
    if case.kind == "set":
        right = set().union(*(set_rules(text.removeprefix("set ")) for text in case.right))
        return any(text.removeprefix("set ") in right for text in answer)
    return bool(case.right & answer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with english.jsonl.xz")
    parser.add_argument("--misses", help="print what we miss of this kind")
    options = parser.parse_args()
    every = list(cases(options.data))
    parsers: dict[str, Callable[[Case], Answer]] = {"speeddial": ours}
    others: dict[str, Callable[[Case], Answer]] = {
        "dateparser": by_dateparser,
        "parsedatetime": by_parsedatetime,
    }
    parsers |= {name: parse for name, parse in others.items() if importlib.util.find_spec(name) is not None}
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
                now = f"{case.now:%a %Y-%m-%d %H:%M}"
                print(f"  {outcome:<8} {case.kind} {case.text!r} {now} got {answer} right {set(case.right)}")
        taken = clock.perf_counter() - began
        for kind in KINDS:
            total = sum(counts[kind, outcome] for outcome in ("hit", "wrong", "unknown"))
            if total:
                shares = [counts[kind, outcome] / total for outcome in ("hit", "wrong", "unknown")]
                print(f"{name:<14}{kind:<15}{total:>6}{shares[0]:>7.1%}{shares[1]:>7.1%}{shares[2]:>9.1%}")
        print(f"{name:<14}{taken / max(1, sum(counts.values())) * 1000:.2f} ms a phrase")


if __name__ == "__main__":
    main()
