"""Figures of the record: expert against generalist, what was saved, how sure and how right an expert is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from speeddial.messages import Status
from speeddial.record.database import Database
from speeddial.record.rows import as_time
from speeddial.record.selection import Selection, marks

GENERALIST = "generalist"
"""Who is phoned when no expert could serve; not the name of an expert."""
_SERVED = (Status.EXACT, Status.CORRECTED, Status.SALVAGED)
_BINS = 10
_HARD = 50
_HARD_STATUSES = (Status.CORRECTED, Status.SALVAGED, Status.REFUSED, Status.QUESTION, Status.FAILED)
_TITLE = 200
# Percentiles come from counts of rounded times: one pass over the rows and nothing to sort.
_ROUNDED = """CASE WHEN latency_ms < 10 THEN round(latency_ms, 1) WHEN latency_ms < 100 THEN round(latency_ms)
    WHEN latency_ms < 1000 THEN round(latency_ms / 10) * 10 ELSE round(latency_ms / 100) * 100 END"""
_SUMS = ("tokens_in", "tokens_out", "tokens_forced", "cost")


class _Tally:
    """What is counted of one role, name and model."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.latencies: Counter[float] = Counter()
        self.sums: dict[str, float] = dict.fromkeys(_SUMS, 0)
        self.escalated = 0

    def percentile(self, share: float) -> float | None:
        left = share * self.latencies.total()
        for latency in sorted(self.latencies):
            left -= self.latencies[latency]
            if left <= 0:
                return latency
        return None

    def as_dict(self) -> dict[str, Any]:
        calls = self.statuses.total()
        return {
            "calls": calls,
            "exact": self.statuses[Status.EXACT] + self.statuses["done"],
            "corrected": self.statuses[Status.CORRECTED],
            "refused": self.statuses[Status.REFUSED],
            "salvaged": self.statuses[Status.SALVAGED],
            "escalated": self.escalated,
            "failed": self.statuses[Status.FAILED] + self.statuses["unknown_outcome"],
            **{name: self.sums[name] for name in _SUMS},
            "latency_p50_ms": self.percentile(0.5),
            "latency_p95_ms": self.percentile(0.95),
        }


def stats(
    database: Database, selection: Selection | None = None, *, generalists: Collection[str] = ()
) -> dict[str, Any]:
    """Calls, tokens, times and cost by who was asked, and what the experts saved.

    Args:
        generalists: names of agents; whoever made a plan or took over for an expert is one anyway.

    Returns:
        ``rows`` (role expert, generalist or tool; name; model; figures; latencies to two digits) and
        ``saved`` (what experts served in place of the generalist, and what it would have cost there).
    """
    selected = (selection or Selection()).as_recorded(database.redactor).where()
    tallies = _tallies(database, *selected, generalists)
    rows = [
        {"role": role, "name": name, "model": model, **tally.as_dict()}
        for (role, name, model), tally in sorted(tallies.items())
    ]
    return {"rows": rows, "saved": _saved(tallies)}


def live(database: Database, expert: str = "") -> dict[str, dict[str, Any]]:
    """Calls of each expert (or of one), how many came out how, and how long they took."""
    condition, parameters = Selection(expert=expert, kinds=("model",)).where()
    merged: dict[str, _Tally] = {}
    for (_, name, _), tally in _tallies(database, condition, parameters, ()).items():
        total = merged.setdefault(name, _Tally())
        total.statuses += tally.statuses
        total.latencies += tally.latencies
        total.escalated += tally.escalated
    return {
        name: {
            "calls": tally.statuses.total(),
            "counts": {**tally.statuses, "escalated": tally.escalated},
            "latency_p50_ms": tally.percentile(0.5),
            "latency_p95_ms": tally.percentile(0.95),
        }
        for name, tally in merged.items()
    }


def versions(database: Database, expert: str) -> list[dict[str, Any]]:
    """How each version of an expert's weights did, the one that was used last first."""
    rows = database.read(
        "SELECT adapter_version, model, count(*) AS calls, max(started_ns) AS last,"
        " sum(CASE WHEN status = 'exact' THEN 1 ELSE 0 END) AS exact, avg(confidence) AS confidence,"
        " avg(latency_ms) AS latency_ms FROM interactions WHERE expert = ? AND kind = 'model'"
        " GROUP BY adapter_version, model ORDER BY max(started_ns) DESC",
        (expert,),
    )
    return [
        {
            "version": row["adapter_version"] or "untuned",
            "model": row["model"],
            "figures": {
                "calls": row["calls"],
                "exact": row["exact"] / row["calls"],
                "mean confidence": row["confidence"],
                "mean latency ms": row["latency_ms"],
            },
        }
        for row in rows
    ]


def calibration(database: Database, expert: str) -> list[dict[str, Any]]:
    """How often an expert was right, by how sure it was, in ten bins from 0 to 1.

    Right is a call that passed, was not escalated, and was not corrected by a person since.
    """
    wrong = set(_escalated(database, expert)) | _corrected(database)
    bins = [[0, 0.0, 0] for _ in range(_BINS)]
    for row in database.read(
        "SELECT id, confidence, status FROM interactions"
        " WHERE expert = ? AND kind = 'model' AND confidence IS NOT NULL",
        (expert,),
    ):
        place = bins[min(_BINS - 1, max(0, int(row["confidence"] * _BINS)))]
        place[0] += 1
        place[1] += row["confidence"]
        place[2] += row["status"] in _SERVED and row["id"] not in wrong
    return [
        {
            "low": number / _BINS,
            "high": (number + 1) / _BINS,
            "count": count,
            "mean_confidence": total / count if count else None,
            "right": right / count if count else None,
        }
        for number, (count, total, right) in enumerate(bins)
    ]


def hard_cases(database: Database, expert: str, limit: int = _HARD) -> list[dict[str, Any]]:
    """Decodes that an expert refused or got wrong, that were escalated or corrected, newest first."""
    escalated, corrected = set(_escalated(database, expert)), _corrected(database)
    rows = database.read(
        "SELECT id FROM interactions WHERE expert = ? AND kind = 'model'"
        f" AND status IN ({marks(_HARD_STATUSES)}) ORDER BY id DESC LIMIT ?",
        (expert, *_HARD_STATUSES, limit),
    )
    newest = sorted({row["id"] for row in rows} | escalated | corrected, reverse=True)
    found: list[dict[str, Any]] = []
    for start in range(0, len(newest), _HARD):
        some = newest[start : start + _HARD]
        for row in database.read(
            "SELECT id, run, step, status, reason, error, confidence, started_ns,"
            f" substr(coalesce(parsed, raw, error), 1, {_TITLE}) AS title FROM interactions"
            f" WHERE expert = ? AND kind = 'model' AND id IN ({marks(some)}) ORDER BY id DESC",
            (expert, *some),
        ):
            status = (
                "corrected"
                if row["id"] in corrected
                else "escalated"
                if row["id"] in escalated
                else row["status"]
            )
            found.append(
                {
                    **{name: row[name] for name in ("id", "run", "step", "confidence", "title")},
                    "status": status,
                    "reason": row["error"] or row["reason"],
                    "started": as_time(row["started_ns"]),
                }
            )
        if len(found) >= limit:
            break
    return found[:limit]


def _escalated(database: Database, expert: str = "") -> dict[int, tuple[str, str]]:
    """Interactions that another was phoned in the place of: id -> expert and model."""
    condition, parameters = Selection(expert=expert).where()
    rows = database.read(
        "SELECT id, expert, model FROM interactions WHERE id IN"
        " (SELECT escalated_from FROM interactions WHERE escalated_from IS NOT NULL)"
        f" AND {condition}",
        parameters,
    )
    return {row["id"]: (row["expert"], row["model"]) for row in rows}


def _corrected(database: Database) -> set[int]:
    """Interactions of which a person's last word is a correction."""
    rows = database.read(
        "SELECT interaction FROM feedback WHERE verdict = 'correct' AND interaction IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM feedback AS later WHERE later.interaction = feedback.interaction"
        " AND later.verdict = 'accept' AND later.id > feedback.id)"
    )
    return {row["interaction"] for row in rows}


def _tallies(
    database: Database, condition: str, parameters: Iterable[Any], generalists: Collection[str]
) -> dict[tuple[str, str, str], _Tally]:
    tallies: dict[tuple[str, str, str], _Tally] = {}
    for row in database.read(
        f"SELECT kind, expert, tool, model, status, {_ROUNDED} AS latency, count(*) AS calls,"
        f" {', '.join(f'sum({name}) AS {name}' for name in _SUMS)} FROM interactions"
        f" WHERE {condition} GROUP BY kind, expert, tool, model, status, latency",
        tuple(parameters),
    ):
        tally = tallies.setdefault(_who(row, generalists), _Tally())
        tally.statuses[row["status"]] += row["calls"]
        if row["latency"] is not None:
            tally.latencies[row["latency"]] += row["calls"]
        for name in _SUMS:
            tally.sums[name] += row[name]
    if tallies:
        for expert, model in _escalated(database).values():
            for role in ("expert", "generalist"):
                if (role, expert, model) in tallies:
                    tallies[role, expert, model].escalated += 1
    return tallies


def _who(row: Any, generalists: Collection[str]) -> tuple[str, str, str]:
    if row["kind"] == "tool":
        return "tool", row["tool"], ""
    plain = row["kind"] == "plan" or row["expert"] == GENERALIST or row["expert"] in generalists
    return "generalist" if plain else "expert", row["expert"], row["model"]


def _saved(tallies: Mapping[tuple[str, str, str], _Tally]) -> dict[str, Any]:
    """What experts did that the generalist would have been asked for."""
    calls, tokens, own = 0, 0.0, 0.0
    priced_tokens, priced = 0.0, 0.0
    for (role, _, _), tally in tallies.items():
        if role == "expert":
            calls += sum(tally.statuses[status] for status in _SERVED)
            tokens += tally.sums["tokens_in"] + tally.sums["tokens_out"]
            own += tally.sums["cost"]
        elif role == "generalist" and tally.sums["cost"]:
            priced_tokens += tally.sums["tokens_in"] + tally.sums["tokens_out"]
            priced += tally.sums["cost"]
    if not priced_tokens:
        basis = "no generalist on record has a price: calls and tokens that experts took from it"
        return {"calls": calls, "tokens": tokens, "cost": None, "basis": basis}
    basis = "the experts' tokens at the generalist's mean price per token on record, less what they cost"
    return {
        "calls": calls,
        "tokens": tokens,
        "cost": tokens * priced / priced_tokens - own,
        "basis": basis,
    }
