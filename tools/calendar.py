"""Events, reminders and alarms in `workspace/calendar.ics`, a plain iCalendar file that any calendar program reads.

Events are VEVENT; reminders are VTODO with a VALARM; alarms are VTODO of the category ALARM. The UID of what a call
creates is its idempotency key, and the file remembers the results of the last calls (X-SPEEDDIAL-DONE), so that a
call repeated after a kill changes nothing and gives its first result.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, ClassVar, Literal

from dateutil.rrule import rruleset, rrulestr
from icalendar import Alarm, Calendar, Component, Event, Todo
from pydantic import BaseModel

from speeddial import ToolContext, ToolError, tool
from speeddial.values import DatePhrase, Repeat, Text, TimePhrase
from speeddial.values.schedule import Slot, place, said, together, window
from speeddial.workspace import Ledger, inside, locked, write_whole

FILE = "calendar.ics"
MOST = 50
"""Entries shown at once."""
Kind = Literal["event", "reminder", "alarm"]


class Entry(BaseModel):
    """One event, reminder or alarm."""

    produces: ClassVar[frozenset[str]] = frozenset({"text"})

    kind: Kind
    title: str
    start: datetime | date | None = None
    end: datetime | date | None = None
    repeat: str = ""
    people: str = ""
    place: str = ""

    def __str__(self) -> str:
        parts = [self.when, self.title]
        if self.repeat:
            parts.append(self.repeat)
        if self.people:
            parts.append(f"with {self.people}")
        if self.place:
            parts.append(f"at {self.place}")
        return f"{self.kind}: " + ", ".join(part for part in parts if part)

    @property
    def when(self) -> str:
        """Day and time as a person reads them; empty for a reminder without any."""
        if not isinstance(self.start, datetime):
            if self.start is None:
                return ""
            last = self.end - timedelta(days=1) if self.end else self.start
            text = f"{self.start:%a %Y-%m-%d}"
            return text if last <= self.start else f"{text} to {last:%a %Y-%m-%d}"
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


@tool(effect="write")
def create_event(
    title: Text,
    context: ToolContext,
    date: DatePhrase | None = None,
    time: TimePhrase | None = None,
    repeat: Repeat | None = None,
    people: Text | None = None,
    place: Text | None = None,
) -> Entry:
    """Put an event into the calendar.

    Args:
        title: what the event is called.
        date: the day or days, as said.
        time: the time of day, as said.
        repeat: how often it comes back, as said.
        people: who takes part.
        place: where it is.
    """
    when = together(date, time, repeat)
    if when is None:
        raise ToolError("date: expected the day or time of the event, got nothing; example: tomorrow")
    slot = _place(when, context)
    event = Event()
    _describe(event, title, slot, context)
    if slot.all_day:
        event.DTSTART, event.DTEND = slot.start.date(), (slot.end or slot.start + timedelta(days=1)).date()
    else:
        event.DTSTART, event.DTEND = slot.start, slot.end or slot.start + timedelta(hours=1)
    if people:
        event.add("contact", people)
    if place:
        event.add("location", place)
    return _add(event, context)


@tool(effect="write")
def create_reminder(
    text: Text,
    context: ToolContext,
    date: DatePhrase | None = None,
    time: TimePhrase | None = None,
    repeat: Repeat | None = None,
) -> Entry:
    """Remind the user of something.

    Args:
        text: what to be reminded of.
        date: the day, as said.
        time: the time of day, as said.
        repeat: how often, as said.
    """
    todo = Todo()
    when = together(date, time, repeat)
    if when is None:
        todo.add("summary", text)
        _stamp(todo, context)
        return _add(todo, context)
    _todo(todo, text, _place(when, context, timed=True), context)
    return _add(todo, context)


@tool(effect="write")
def set_alarm(
    context: ToolContext,
    date: DatePhrase | None = None,
    time: TimePhrase | None = None,
    repeat: Repeat | None = None,
    label: Text | None = None,
) -> Entry:
    """Set an alarm that rings.

    Args:
        date: the day, as said.
        time: the time of day, as said.
        repeat: how often, as said.
        label: what it is for.
    """
    when = together(date, time, repeat)
    if when is None or (when.clock is None and when.start is None):
        raise ToolError("time: expected when the alarm rings, got nothing; example: seven am")
    todo = Todo()
    todo.add("categories", ["ALARM"])
    _todo(todo, label or "Alarm", _place(when, context, alarm=True, timed=True), context)
    return _add(todo, context)


@tool(effect="read")
def find_events(
    context: ToolContext,
    title: Text | None = None,
    date: DatePhrase | None = None,
    time: TimePhrase | None = None,
    people: Text | None = None,
    place: Text | None = None,
) -> Entries:
    """Look up events and reminders in the calendar.

    Args:
        title: words of the title.
        date: the day or days to look in, as said.
        time: the time of day to look in, as said.
        people: who takes part.
        place: where it is.
    """
    wanted = _Wanted(context, ("event", "reminder"), title, date, time, people, place)
    found = [entry for _, entry in wanted.found(_load(inside(context.workspace, FILE)))]
    return Entries(entries=found[:MOST], total=len(found))


@tool(effect="write")
def delete_events(
    context: ToolContext,
    title: Text | None = None,
    date: DatePhrase | None = None,
    time: TimePhrase | None = None,
    people: Text | None = None,
    place: Text | None = None,
) -> Entries:
    """Delete events and reminders from the calendar.

    Args:
        title: words of the title.
        date: the day or days to look in, as said.
        time: the time of day to look in, as said.
        people: who takes part.
        place: where it is.
    """
    return _delete(_Wanted(context, ("event", "reminder"), title, date, time, people, place))


@tool(effect="read")
def find_alarms(
    context: ToolContext,
    date: DatePhrase | None = None,
    time: TimePhrase | None = None,
    label: Text | None = None,
) -> Entries:
    """Look up alarms.

    Args:
        date: the day to look in, as said.
        time: the time of day to look at, as said.
        label: what it is for.
    """
    wanted = _Wanted(context, ("alarm",), label, date, time)
    found = [entry for _, entry in wanted.found(_load(inside(context.workspace, FILE)))]
    return Entries(entries=found[:MOST], total=len(found))


@tool(effect="write")
def delete_alarms(
    context: ToolContext,
    date: DatePhrase | None = None,
    time: TimePhrase | None = None,
    label: Text | None = None,
) -> Entries:
    """Delete alarms.

    Args:
        date: the day to look in, as said.
        time: the time of day to look at, as said.
        label: what it is for.
    """
    return _delete(_Wanted(context, ("alarm",), label, date, time))


# --- the file -------------------------------------------------------------------------------------------------


def _load(path: Path) -> Calendar:
    if not path.exists():
        calendar = Calendar()
        calendar.add("prodid", "-//Speeddial//speeddial//EN")
        calendar.add("version", "2.0")
        return calendar
    try:
        return Calendar.from_ical(path.read_bytes())
    except ValueError as error:
        raise ToolError(f"{path.name} is not a calendar file that can be read: {error}") from error


def _ledger(calendar: Calendar) -> Ledger:
    kept = calendar.get("X-SPEEDDIAL-DONE", [])
    return Ledger(str(entry) for entry in (kept if isinstance(kept, list) else [kept]))


def _save(path: Path, calendar: Calendar, ledger: Ledger, now: datetime) -> None:
    calendar.pop("X-SPEEDDIAL-DONE", None)
    for entry in ledger.entries:
        calendar.add("X-SPEEDDIAL-DONE", entry)
    # Fifteen years of summer times; the default writes all since 1970.
    calendar.add_missing_timezones(date(now.year - 1, 1, 1), date(now.year + 15, 1, 1))
    write_whole(path, calendar.to_ical())


def _add(component: Event | Todo, context: ToolContext) -> Entry:
    path = inside(context.workspace, FILE)
    with locked(path):
        calendar = _load(path)
        ledger = _ledger(calendar)
        done = ledger.result_of(context.idempotency_key)
        if done is not None:
            return Entry.model_validate(done)
        # Another program may have dropped our ledger and kept the entry.
        for known in calendar.walk():
            if str(known.get("uid", "")) == context.idempotency_key:
                return _entry(known, context.now.tzinfo)
        component.add("uid", context.idempotency_key)
        calendar.add_component(component)
        entry = _entry(component, context.now.tzinfo)
        ledger.add(context.idempotency_key, entry.model_dump(mode="json"))
        _save(path, calendar, ledger, context.now)
        return entry


def _place(when: Any, context: ToolContext, *, alarm: bool = False, timed: bool = False) -> Slot:
    try:
        return place(when, context.now, alarm=alarm, timed=timed)
    except ValueError as error:
        raise ToolError(f"date: expected a day or time in the calendar, got {error}") from error


def _stamp(component: Event | Todo, context: ToolContext) -> None:
    component.DTSTAMP = context.now


def _describe(component: Event | Todo, title: str, slot: Slot, context: ToolContext) -> None:
    component.add("summary", title)
    _stamp(component, context)
    if slot.rule is not None:
        component.add("rrule", _rrule(str(slot.rule)))
        component.add("x-speeddial-repeat", said(slot.rule))


def _rrule(text: str) -> dict[str, list[str]]:
    return {name: value.split(",") for name, _, value in (part.partition("=") for part in text.split(";"))}


def _todo(todo: Todo, title: str, slot: Slot, context: ToolContext) -> None:
    _describe(todo, title, slot, context)
    before = timedelta()
    if slot.end is not None and slot.rule is None and slot.end - slot.start <= timedelta(hours=1):
        # "Before six" is due at six and rings half an hour ahead.
        todo.DUE, before = slot.end, timedelta(minutes=-30)
    elif slot.rule is None:
        todo.DUE = slot.start
    else:
        # RFC 5545: a repetition is counted from DTSTART.
        todo.DTSTART = slot.start
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", title)
    alarm.add("trigger", before, parameters={"RELATED": "START" if slot.rule else "END"})
    todo.add_component(alarm)


# --- finding --------------------------------------------------------------------------------------------------


def _kind(component: Component) -> Kind | None:
    if component.name == "VEVENT":
        return "event"
    if component.name != "VTODO":
        return None
    # Not `component.categories`: reading that property adds an empty one to the file.
    return "alarm" if "ALARM" in _text_of(component, "categories").upper() else "reminder"


def _text_of(component: Component, name: str) -> str:
    """A property that may stand once, several times or not at all, as one text."""
    values = component.get(name, [])
    parts = values if isinstance(values, list) else [values]
    return ", ".join(part.to_ical().decode() if name == "categories" else str(part) for part in parts)


def _start(component: Component) -> datetime | date | None:
    for name in ("DTSTART", "DUE"):
        if name in component:
            value = component.decoded(name)
            if isinstance(value, date):
                return value
    return None


def _entry(component: Component, zone: tzinfo | None, start: datetime | date | None = None) -> Entry:
    first = _start(component)
    shown = first if start is None else start
    end = component.decoded("DTEND") if "DTEND" in component else None
    if end is not None and shown is not None and first is not None and isinstance(end, date):
        end = shown + (_aware(end, zone) - _aware(first, zone))
    if isinstance(shown, datetime):
        shown = shown.astimezone(zone)
    repeat = str(component.get("x-speeddial-repeat", "")) or ("repeats" if "rrule" in component else "")
    return Entry(
        kind=_kind(component) or "event",
        title=str(component.get("summary", "")),
        start=shown,
        end=end.astimezone(zone) if isinstance(end, datetime) else end,
        repeat=repeat,
        people=_text_of(component, "contact"),
        place=str(component.get("location", "")),
    )


def _aware(moment: datetime | date, zone: tzinfo | None) -> datetime:
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(0))
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


_NOISE = frozenset(
    "a an the my our your any all every this that of for with at on in to and event events appointment appointments "
    "reminder reminders meeting meetings alarm alarms calendar schedule entry entries".split()  # noqa: SIM905
)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def alike(said_text: str, text: str) -> bool:
    """Whether what was said names this text: its telling words occur in it, or it is nearly the same."""
    spoken, known = _words(said_text), _words(text)
    telling = [word for word in spoken if word not in _NOISE] or [
        word for word in spoken if word.startswith(("meeting", "appointment"))
    ]
    if all(any(_same_word(word, part) for part in known) for word in telling):
        return True
    return SequenceMatcher(None, " ".join(spoken), " ".join(known)).ratio() > 0.8


def _same_word(one: str, other: str) -> bool:
    """Equal, or one is the other with an ending ("meeting", "meetings")."""
    shorter, longer = sorted((one, other), key=len)
    return one == other or (len(shorter) > 3 and longer.startswith(shorter))


class _Wanted:
    """A filter over the calendar."""

    def __init__(
        self,
        context: ToolContext,
        kinds: tuple[Kind, ...],
        title: str | None = None,
        date: Any = None,
        time: Any = None,
        people: str | None = None,
        place: str | None = None,
    ) -> None:
        self.context, self.kinds = context, kinds
        self.title, self.people, self.place = title, people, place
        self.timed = date is not None or time is not None
        try:
            self.start, self.end = window(together(date, time), context.now)
        except ValueError as error:
            raise ToolError(
                f"date: expected a day or a stretch of days, got {error}; example: next week"
            ) from error

    @property
    def everything(self) -> bool:
        """Whether nothing narrows the search down."""
        return not (self.timed or self.title or self.people or self.place)

    def found(self, calendar: Calendar) -> list[tuple[Component, Entry]]:
        """What fits, by time; without a stretch of time what is still to come, or else what has been."""
        fitting = [component for component in calendar.walk() if self._fits(component)]
        if self.timed:
            return self._sorted(self._within(fitting, self.start, self.end))
        coming = self._sorted(self._within(fitting, self.context.now, None))
        undated = [(c, _entry(c, self._zone)) for c in fitting if _start(c) is None]
        if coming or undated:
            return coming + undated
        return self._sorted((c, _entry(c, self._zone)) for c in fitting)

    @property
    def _zone(self) -> tzinfo | None:
        return self.context.now.tzinfo

    def _sorted(self, found: Any) -> list[tuple[Component, Entry]]:
        key: Callable[[tuple[Component, Entry]], datetime] = lambda pair: _aware(  # noqa: E731
            pair[1].start or self.context.now, self._zone
        )
        return sorted(found, key=key)

    def _fits(self, component: Component) -> bool:
        if _kind(component) not in self.kinds:
            return False
        people = _text_of(component, "contact")
        title = str(component.get("summary", ""))
        if self.title and not alike(self.title, title):
            return False
        if self.people and not (alike(self.people, people) or alike(self.people, title)):
            return False
        return not self.place or alike(self.place, str(component.get("location", "")))

    def _within(
        self, components: list[Component], start: datetime | None, end: datetime | None
    ) -> Iterator[tuple[Component, Entry]]:
        for component in components:
            for moment in self.occurrences(component, start, end):
                yield component, _entry(component, self._zone, moment)
                if end is None:
                    break

    def occurrences(
        self, component: Component, start: datetime | None, end: datetime | None
    ) -> Iterator[datetime | date]:
        """The starts of an entry that overlap a stretch of time; at most MOST of a repetition."""
        first = _start(component)
        if first is None:
            return
        begin = _aware(first, self._zone)
        last = component.decoded("DTEND") if "DTEND" in component else None
        length = _aware(last, self._zone) - begin if isinstance(last, date) else timedelta()
        starts: Any = [begin]
        if "rrule" in component:
            starts = _repeats(component, begin)
        for count, moment in enumerate(starts):
            if (end is not None and moment >= end) or count > 10_000:
                return
            if start is None or moment >= start or moment + length > start:
                yield moment if isinstance(first, datetime) else moment.date()


def _repeats(component: Component, begin: datetime) -> Iterator[datetime]:
    """Starts of a repetition, in local time so that summer time does not shift them."""
    rules = rruleset()
    text = component["rrule"].to_ical().decode()
    local = begin.replace(tzinfo=None)
    # UNTIL is in UTC and dateutil refuses to compare it with local time; a day more or less is cut by EXDATE.
    rules.rrule(rrulestr(re.sub(r"(UNTIL=\d{8}T\d{6})Z", r"\1", text), dtstart=local))
    for excluded in component.exdates:
        rules.exdate(_aware(excluded, begin.tzinfo).replace(tzinfo=None))
    for moment in rules:
        yield moment.replace(tzinfo=begin.tzinfo)


def _delete(wanted: _Wanted) -> Entries:
    context = wanted.context
    path = inside(context.workspace, FILE)
    with locked(path):
        calendar = _load(path)
        ledger = _ledger(calendar)
        done = ledger.result_of(context.idempotency_key)
        if done is not None:
            return Entries.model_validate(done)
        if wanted.everything:
            raise ToolError("title: expected which ones to delete, got nothing; example: all")
        found = wanted.found(calendar)
        distinct = {id(component) for component, _ in found}
        if not found:
            raise ToolError("nothing in the calendar fits that, so nothing was deleted")
        plural = wanted.title is not None and re.search(r"\b(all|every\w*|both)\b", wanted.title.casefold())
        if len(distinct) > 1 and not wanted.timed and not plural:
            several = "; ".join(str(entry) for _, entry in found[:5])
            raise ToolError(f"several fit, say which by its date or time: {several}")
        for component, entry in found:
            if "rrule" in component and wanted.timed and wanted.end is not None:
                component.add("exdate", entry.start)
            elif component in calendar.subcomponents:
                calendar.subcomponents.remove(component)
        result = Entries(entries=[entry for _, entry in found][:MOST], total=len(found), deleted=True)
        ledger.add(context.idempotency_key, result.model_dump(mode="json"))
        _save(path, calendar, ledger, context.now)
        return result
