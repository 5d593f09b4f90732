"""Entries of a calendar as people read them, and the iCalendar components that hold them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, ClassVar, Literal

from dateutil.rrule import rruleset, rrulestr
from icalendar import Alarm, Component, Event, Todo
from pydantic import BaseModel

from speeddial.values.schedule import Slot, said

Kind = Literal["event", "reminder", "alarm"]
_MOST_REPEATS = 10_000
"""How far a repetition is followed to find its turns in a stretch of time."""


class Entry(BaseModel):
    """One event, reminder or alarm."""

    produces: ClassVar[frozenset[str]] = frozenset({"text"})

    kind: Kind
    title: str
    start: datetime | date | None = None
    end: datetime | date | None = None
    """Not in it, as in iCalendar: a whole day ends on the next."""
    repeat: str = ""
    people: str = ""
    place: str = ""

    def __str__(self) -> str:
        people = f"with {self.people}" if self.people else ""
        place = f"at {self.place}" if self.place else ""
        parts = (self.when, self.title, self.repeat, people, place)
        return f"{self.kind}: " + ", ".join(part for part in parts if part)

    @property
    def when(self) -> str:
        """Day and time as a person reads them; empty for a reminder without any."""
        if self.start is None:
            return ""
        if not isinstance(self.start, datetime):
            text = f"{self.start:%a %Y-%m-%d}"
            last = self.end - timedelta(days=1) if self.end else self.start
            return f"{text} to {last:%a %Y-%m-%d}" if last > self.start else text
        text = f"{self.start:%a %Y-%m-%d %H:%M}"
        if not isinstance(self.end, datetime):
            return text
        same = self.end.date() == self.start.date()
        return f"{text} to {self.end:%H:%M}" if same else f"{text} to {self.end:%a %Y-%m-%d %H:%M}"


class Entries(BaseModel):
    """What was found, or what was deleted."""

    produces: ClassVar[frozenset[str]] = frozenset({"table", "text"})

    entries: list[Entry]
    total: int
    deleted: bool = False

    def __str__(self) -> str:
        if not self.entries:
            return "Nothing found."
        lines = [str(entry) for entry in self.entries]
        if self.total > len(lines):
            lines.append(f"... and {self.total - len(lines)} more")
        return ("Deleted:\n" if self.deleted else "") + "\n".join(lines)


# --- making components --------------------------------------------------------------------------------------


def event(title: str, slot: Slot, now: datetime, *, people: str = "", place: str = "") -> Event:
    """A VEVENT; without an end it lasts an hour."""
    made = Event()
    _describe(made, title, now, slot)
    if slot.all_day:
        made.DTSTART = slot.start.date()
        made.DTEND = (slot.end or slot.start + timedelta(days=1)).date()
    else:
        made.DTSTART = slot.start
        made.DTEND = slot.end or slot.start + timedelta(hours=1)
    if people:
        # Not ATTENDEE: that takes addresses, and these are names as they were said.
        made.add("contact", people)
    if place:
        made.add("location", place)
    return made


def reminder(
    title: str, slot: Slot | None, now: datetime, *, alarm: bool = False, ahead: bool = False
) -> Todo:
    """A VTODO with a VALARM; without a slot it has neither date nor alarm.

    Args:
        title: what to be reminded of.
        slot: when.
        now: the run's present.
        alarm: mark it as an alarm that rings.
        ahead: due at the slot's end ("before six"), ringing half an hour earlier.
    """
    made = Todo()
    _describe(made, title, now, slot)
    if alarm:
        made.add("categories", ["ALARM"])
    if slot is None:
        return made
    before = timedelta()
    if slot.rule is not None:
        # RFC 5545: a repetition is counted from DTSTART.
        made.DTSTART = slot.start
    elif ahead and slot.end is not None:
        made.DUE, before = slot.end, timedelta(minutes=-30)
    else:
        made.DUE = slot.start
    bell = Alarm()
    bell.add("action", "DISPLAY")
    bell.add("description", title)
    bell.add("trigger", before, parameters={"RELATED": "START" if slot.rule else "END"})
    made.add_component(bell)
    return made


def _describe(component: Event | Todo, title: str, now: datetime, slot: Slot | None) -> None:
    component.add("summary", title)
    component.DTSTAMP = now
    if slot is not None and slot.rule is not None:
        component.add("rrule", slot.rule.as_parts())
        component.add("x-speeddial-repeat", said(slot.rule))


# --- reading components -------------------------------------------------------------------------------------


def kind_of(component: Component) -> Kind | None:
    """What a component is; None for time zones, bells and the like."""
    if component.name == "VEVENT":
        return "event"
    if component.name != "VTODO":
        return None
    # Not `component.categories`: reading that property adds an empty one to the file.
    return "alarm" if "ALARM" in text_of(component, "categories").upper() else "reminder"


def text_of(component: Component, name: str) -> str:
    """A property that may stand once, several times or not at all, as one text."""
    values = component.get(name, [])
    parts = values if isinstance(values, list) else [values]
    return ", ".join(_decoded(part) if name == "categories" else str(part) for part in parts)


def _decoded(value: Any) -> str:
    raw = value.to_ical()
    return raw.decode() if isinstance(raw, bytes) else str(raw)


def start_of(component: Component) -> datetime | date | None:
    """Its start, or when it is due."""
    for name in ("DTSTART", "DUE"):
        if name in component:
            value = component.decoded(name)
            if isinstance(value, date):
                return value
    return None


def aware(moment: datetime | date, zone: tzinfo | None) -> datetime:
    """A date or a floating time as a moment in the user's zone."""
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(0))
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def length_of(component: Component, zone: tzinfo | None) -> timedelta:
    """From its start to its end; nothing for entries without an end."""
    first = start_of(component)
    last = component.decoded("DTEND") if "DTEND" in component else None
    if first is None or not isinstance(last, date):
        return timedelta()
    return aware(last, zone) - aware(first, zone)


def entry_of(component: Component, zone: tzinfo | None, start: datetime | date | None = None) -> Entry:
    """A component as an entry; `start` shows one turn of a repetition."""
    shown = start_of(component) if start is None else start
    if isinstance(shown, datetime):
        shown = aware(shown, zone).astimezone(zone)
    length = length_of(component, zone)
    return Entry(
        kind=kind_of(component) or "event",
        title=str(component.get("summary", "")),
        start=shown,
        end=shown + length if shown is not None and length else None,
        repeat=str(component.get("x-speeddial-repeat", "")) or ("repeats" if "rrule" in component else ""),
        people=text_of(component, "contact"),
        place=str(component.get("location", "")),
    )


def turns(
    component: Component, zone: tzinfo | None, start: datetime | None, end: datetime | None
) -> Iterator[datetime | date]:
    """The starts of an entry's turns that overlap a stretch of time; None is open."""
    first = start_of(component)
    if first is None:
        return
    begin, length = aware(first, zone), length_of(component, zone)
    starts = _repeats(component, begin) if "rrule" in component else iter([begin])
    for count, moment in enumerate(starts):
        if (end is not None and moment >= end) or count > _MOST_REPEATS:
            return
        if start is None or moment >= start or moment + length > start:
            yield moment if isinstance(first, datetime) else moment.date()


def _repeats(component: Component, begin: datetime) -> Iterator[datetime]:
    """Starts of a repetition, in local time so that summer time does not shift them."""
    rules = rruleset()
    # UNTIL is in UTC, which dateutil will not compare with local time: taken as local, hours off at most.
    text = re.sub(r"(UNTIL=\d{8}T\d{6})Z", r"\1", _decoded(component["rrule"]))
    rule = rrulestr(text, dtstart=begin.replace(tzinfo=None))
    if isinstance(rule, rruleset):
        raise ValueError(f"not one repetition: {text}")
    rules.rrule(rule)
    for excluded in _dates(component.get("exdate", [])):
        rules.exdate(aware(excluded, begin.tzinfo).astimezone(begin.tzinfo).replace(tzinfo=None))
    for moment in rules:
        yield moment.replace(tzinfo=begin.tzinfo)


def _dates(values: Any) -> Iterator[datetime | date]:
    for value in values if isinstance(values, list) else [values]:
        for item in value.dts:
            yield item.dt
