"""A selection: which rows of the record are meant, the same for lists, exports and datasets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


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

    def where(self) -> tuple[str, list[Any]]:
        """An SQL condition on ``interactions`` and its parameters; ``1 = 1`` when nothing is given."""
        conditions, parameters = list[str](), list[Any]()

        def one_of(column: str, choices: tuple[str, ...]) -> str:
            parameters.extend(choices)
            return f"{column} IN ({', '.join('?' * len(choices))})"

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
                parameters.append(int(moment.timestamp() * 1e9))
        of_run = [
            one_of(f"runs.{column}", choices)
            for column, choices in (
                ("status", self.run_statuses),
                ("workflow", (self.workflow,) if self.workflow else ()),
                ("user_id", (self.user,) if self.user else ()),
            )
            if choices
        ]
        if of_run:
            conditions.append(f"interactions.run IN (SELECT id FROM runs WHERE {' AND '.join(of_run)})")
        return " AND ".join(conditions) or "1 = 1", parameters
