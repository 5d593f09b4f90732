"""A selection: which rows of the record are meant, the same for lists, exports and datasets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from speeddial.record.redact import Redactor

_LAST_NS = 2**63 - 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What must hold of an interaction; nothing given means all of them."""

    runs: tuple[str, ...] = ()
    """Ids of runs."""
    expert: str = ""
    """Who was asked."""
    tool: str = ""
    model: str = ""
    """``engine:name``."""
    kinds: tuple[str, ...] = ()
    """plan, model, tool."""
    statuses: tuple[str, ...] = ()
    run_statuses: tuple[str, ...] = ()
    workflow: str = ""
    user: str = ""
    label: str = ""
    """A word that people marked the interaction with."""
    judged: bool = False
    """Only what people accepted or corrected."""
    since: datetime | None = None
    """Aware; started at this time or later."""
    until: datetime | None = None
    """Aware; started before this time."""

    def where(self, *, of_one_run: bool = False) -> tuple[str, list[Any]]:
        """An SQL condition on ``interactions`` and its parameters; ``1 = 1`` when nothing is given.

        Args:
            of_one_run: it stands beside one that names the run, so that looking for all runs would be waste:
                collecting 11,800 runs one by one took 43 s of processor time, now 14.
        """
        conditions, parameters = list[str](), list[Any]()

        def one_of(column: str, choices: tuple[str, ...]) -> str:
            parameters.extend(choices)
            return f"{column} IN ({marks(choices)})"

        for column, choices in (
            ("interactions.run", self.runs),
            ("interactions.expert", (self.expert,) if self.expert else ()),
            ("interactions.tool", (self.tool,) if self.tool else ()),
            ("interactions.model", (self.model,) if self.model else ()),
            ("interactions.kind", self.kinds),
            ("interactions.status", self.statuses),
        ):
            if choices:
                conditions.append(one_of(column, choices))
        for condition, value in (
            ("label = ?", self.label),
            ("verdict IN ('accept', 'correct')", self.judged),
        ):
            if value:
                conditions.append(f"interactions.id IN (SELECT interaction FROM feedback WHERE {condition})")
        if self.label:
            parameters.append(self.label)
        for sign, moment in ((">=", self.since), ("<", self.until)):
            if moment is not None:
                conditions.append(f"interactions.started_ns {sign} ?")
                parameters.append(_ns(moment))
        of_run = [
            one_of(f"runs.{column}", choices)
            for column, choices in (
                ("status", self.run_statuses),
                ("workflow", (self.workflow,) if self.workflow else ()),
                ("user_id", (self.user,) if self.user else ()),
            )
            if choices
        ]
        if of_run and of_one_run:
            of_run.append("runs.id = interactions.run")
            conditions.append(f"EXISTS (SELECT 1 FROM runs WHERE {' AND '.join(of_run)})")
        elif of_run:
            conditions.append(f"interactions.run IN (SELECT id FROM runs WHERE {' AND '.join(of_run)})")
        return " AND ".join(conditions) or "1 = 1", parameters

    def as_recorded(self, redactor: Redactor) -> Selection:
        """The same with the user as the record keeps the name: an address stands there as its surrogate."""
        return replace(self, user=redactor.text(self.user)) if self.user else self

    def of_interactions(self) -> Selection:
        """What this says of interactions themselves, beyond the runs and times that they belong to."""
        return Selection(
            expert=self.expert, tool=self.tool, model=self.model, kinds=self.kinds, statuses=self.statuses
        )

    def where_run(self) -> tuple[str, list[Any]]:
        """An SQL condition on ``runs`` and its parameters: what this says of runs, and of when they began."""
        conditions, parameters = list[str](), list[Any]()

        def holds(condition: str, values: Collection[Any]) -> None:
            conditions.append(condition)
            parameters.extend(values)

        for column, choices in (
            ("id", self.runs),
            ("status", self.run_statuses),
            ("workflow", (self.workflow,) if self.workflow else ()),
            ("user_id", (self.user,) if self.user else ()),
        ):
            if choices:
                holds(f"runs.{column} IN ({marks(choices)})", choices)
        # By the id as well: it begins with the time, and the primary key finds the place.
        if self.since is not None:
            ns = _ns(self.since)
            holds("runs.started_ns >= ? AND runs.id >= ?", (ns, first_id(ns)))
        if self.until is not None:
            ns = _ns(self.until)
            holds("runs.started_ns < ? AND runs.id < ?", (ns, first_id(ns + 1_000_000)))
        return " AND ".join(conditions) or "1 = 1", parameters


def marks(values: Collection[Any]) -> str:
    """As many parameters' marks as there are values, for ``IN (...)``; of none, what nothing is in."""
    return ", ".join("?" * len(values)) or "NULL"


def _ns(moment: datetime) -> int:
    """A time in ns since 1970, as far as 64 bits reach."""
    return max(0, min(int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000, _LAST_NS))


def first_id(ns: int) -> str:
    """What sorts before the id of every run that began in this millisecond (of ns since 1970) or later."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d-%H%M%S}{rest // 1_000_000:03d}"
