"""Events, reminders and alarms in `workspace/calendar.ics`."""

from __future__ import annotations

from speeddial import ToolContext, ToolError, tool
from speeddial.calendarentry import Entries, Entry, Kind, event, reminder
from speeddial.calendarfile import CalendarFile, Wanted
from speeddial.values import DatePhrase, Phrase, Repeat, TimePhrase
from speeddial.values.reading import Reading
from speeddial.values.schedule import Slot, place_in_calendar, together, window
from speeddial.workspace import inside

FILE = "calendar.ics"


def _file(context: ToolContext) -> CalendarFile:
    return CalendarFile(inside(context.workspace, FILE), context.now)


def _slot(when: Reading, context: ToolContext, *, alarm: bool = False, timed: bool = False) -> Slot:
    try:
        return place_in_calendar(when, context.now, alarm=alarm, timed=timed)
    except (ValueError, OverflowError) as error:
        raise ToolError(f"date: expected a day or time in the calendar, got {error}") from error


def _said(*readings: Reading | None) -> Reading | None:
    try:
        return together(*readings)
    except ValueError as error:
        raise ToolError(str(error)) from error


def _wanted(
    context: ToolContext,
    kinds: tuple[Kind, ...],
    when: Reading | None,
    title: str | None,
    people: str | None = None,
    place: str | None = None,
) -> Wanted:
    try:
        start, end = window(when, context.now)
    except (ValueError, OverflowError) as error:
        raise ToolError(f"date: expected a day or several days, got {error}; example: next week") from error
    return Wanted(kinds, title, people, place, start, end)


@tool(effect="write")
def create_event(
    title: Phrase,
    context: ToolContext,
    date: DatePhrase | None = None,
    time: TimePhrase | None = None,
    repeat: Repeat | None = None,
    people: Phrase | None = None,
    place: Phrase | None = None,
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
    when = _said(date, time, repeat)
    if when is None:
        raise ToolError("date: expected the day or time of the event, got nothing; example: tomorrow")
    made = event(title, _slot(when, context), context.now, people=people or "", place=place or "")
    return _file(context).add(made, context.idempotency_key)


@tool(effect="write")
def create_reminder(
    text: Phrase,
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
    when = _said(date, time, repeat)
    slot = None if when is None else _slot(when, context, timed=True)
    ahead = when is not None and when.clock is not None and when.clock.mode == "before"
    return _file(context).add(reminder(text, slot, context.now, ahead=ahead), context.idempotency_key)


@tool(effect="write")
def set_alarm(
    context: ToolContext,
    date: DatePhrase | None = None,
    time: TimePhrase | None = None,
    repeat: Repeat | None = None,
    label: Phrase | None = None,
) -> Entry:
    """Set an alarm that rings.

    Args:
        date: the day, as said.
        time: the time of day, as said.
        repeat: how often, as said.
        label: what it is for.
    """
    when = _said(date, time, repeat)
    if when is None or (when.clock is None and when.start is None):
        raise ToolError("time: expected when the alarm rings, got nothing; example: seven am")
    slot = _slot(when, context, alarm=True, timed=True)
    made = reminder(label or "Alarm", slot, context.now, alarm=True)
    return _file(context).add(made, context.idempotency_key)


@tool(effect="read")
def find_events(
    context: ToolContext,
    title: Phrase | None = None,
    date: DatePhrase | None = None,
    time: TimePhrase | None = None,
    people: Phrase | None = None,
    place: Phrase | None = None,
) -> Entries:
    """Look up events and reminders in the calendar.

    Args:
        title: words of the title.
        date: the day or days to look in, as said.
        time: the time of day to look in, as said.
        people: who takes part.
        place: where it is.
    """
    wanted = _wanted(context, ("event", "reminder"), _said(date, time), title, people, place)
    return _file(context).find(wanted)


@tool(effect="write")
def delete_events(
    context: ToolContext,
    title: Phrase | None = None,
    date: DatePhrase | None = None,
    time: TimePhrase | None = None,
    people: Phrase | None = None,
    place: Phrase | None = None,
) -> Entries:
    """Delete events and reminders from the calendar.

    Args:
        title: words of the title.
        date: the day or days to look in, as said.
        time: the time of day to look in, as said.
        people: who takes part.
        place: where it is.
    """
    wanted = _wanted(context, ("event", "reminder"), _said(date, time), title, people, place)
    return _file(context).delete(wanted, context.idempotency_key)


@tool(effect="read")
def find_alarms(
    context: ToolContext,
    date: DatePhrase | None = None,
    time: TimePhrase | None = None,
    label: Phrase | None = None,
) -> Entries:
    """Look up alarms.

    Args:
        date: the day to look in, as said.
        time: the time of day to look at, as said.
        label: what it is for.
    """
    return _file(context).find(_wanted(context, ("alarm",), _said(date, time), label))


@tool(effect="write")
def delete_alarms(
    context: ToolContext,
    date: DatePhrase | None = None,
    time: TimePhrase | None = None,
    label: Phrase | None = None,
) -> Entries:
    """Delete alarms.

    Args:
        date: the day to look in, as said.
        time: the time of day to look at, as said.
        label: what it is for.
    """
    wanted = _wanted(context, ("alarm",), _said(date, time), label)
    return _file(context).delete(wanted, context.idempotency_key)
