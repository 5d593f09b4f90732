"""From the readings of a date, a time and a repetition to one place in the calendar."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from dateutil.rrule import rrulestr

from speeddial.values.reading import DAY, Clock, Reading, Rule

MORNING = time(9)
"""When a reminder rings that names a day and no time."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One place in the calendar."""

    start: datetime
    """Aware, in the zone of the run."""
    end: datetime | None
    all_day: bool
    """Whole days from `start` until before `end`, both at midnight."""
    rule: Rule | None

    def as_json(self) -> dict[str, object]:
        shown: dict[str, object] = {"start": self.start.isoformat()}
        if self.end is not None:
            shown["end"] = self.end.isoformat()
        if self.rule is not None:
            shown["rule"] = str(self.rule)
        return shown

    def __str__(self) -> str:
        if self.all_day:
            last = (self.end or self.start) - DAY
            text = f"{self.start:%a %Y-%m-%d}"
            if last.date() > self.start.date():
                text += f" to {last:%a %Y-%m-%d}"
        else:
            text = f"{self.start:%a %Y-%m-%d %H:%M}"
            if self.end is not None:
                same = self.end.date() == self.start.date()
                text += f" to {self.end:%H:%M}" if same else f" to {self.end:%a %Y-%m-%d %H:%M}"
        return f"{text}, {said(self.rule)}" if self.rule else text


_DAY_NAMES = {"MO": "Monday", "TU": "Tuesday", "WE": "Wednesday", "TH": "Thursday", "FR": "Friday",
              "SA": "Saturday", "SU": "Sunday"}  # fmt: skip


def said(rule: Rule) -> str:
    """A repetition as a person says it: ``every Friday``, ``every 2 weeks``."""
    unit = {"MINUTELY": "minute", "HOURLY": "hour", "DAILY": "day", "WEEKLY": "week", "MONTHLY": "month"}.get(
        rule.freq, "year"
    )
    every = f"every {unit}" if rule.interval == 1 else f"every {rule.interval} {unit}s"
    if rule.byday == ("MO", "TU", "WE", "TH", "FR") and rule.interval == 1:
        return "every weekday"
    if rule.byday:
        names = ", ".join(
            f"{'last' if day[:-2] == '-1' else day[:-2] + '.'} {_DAY_NAMES[day[-2:]]}"
            if day[:-2]
            else _DAY_NAMES[day]
            for day in rule.byday
        )
        return f"every {names}" if every == "every week" else f"{every} on {names}"
    if rule.bymonth is not None:
        return f"every year on {date(2000, rule.bymonth, rule.bymonthday or 1):%B} {rule.bymonthday}"
    return f"{every} on day {rule.bymonthday}" if rule.bymonthday else every


def together(*readings: Reading | None) -> Reading | None:
    """Readings of several phrases of one request as one.

    Raises:
        ValueError: they contradict each other.
    """
    whole: Reading | None = None
    for reading in readings:
        if reading is None:
            continue
        merged = reading if whole is None else whole.merged(reading)
        if merged is None:
            raise ValueError("the date, time and repeat contradict each other")
        whole = merged
    return whole


def place_in_calendar(reading: Reading, now: datetime, *, alarm: bool = False, timed: bool = False) -> Slot:
    """Where in the calendar something belongs.

    Args:
        reading: what was said.
        now: the run's present, aware; nothing is placed before it when another reading is possible.
        alarm: use the alarm's rule for bare hours (see `reading`).
        timed: a clock time is needed: a day alone means 9:00 in the morning.

    Raises:
        ValueError: what was said names no day or time to begin with.
    """
    if reading.start is not None:
        return Slot(reading.start, reading.end, False, reading.rule)
    if reading.rule is not None and reading.days is None:
        return _first_of_rule(reading.rule, reading.clock, now, alarm=alarm, timed=timed)
    if reading.days is not None:
        first = reading.days.start or (reading.days.end - DAY if reading.days.end else None)
        if first is None:
            raise ValueError("no day to begin with")
        stretch = reading.days.start is not None and not reading.days.single
        if stretch and first < now.date() and (reading.days.end is None or reading.days.end > now.date()):
            first = now.date()
        if reading.clock is None and not timed:
            end = reading.days.end if reading.days.start is not None and reading.days.end else first + DAY
            return Slot(_at(first, time(0), now), _at(end, time(0), now), True, reading.rule)
        clock = reading.clock or Clock(MORNING)
        if first == now.date() and clock.bare:
            clock = _ahead(clock, now, alarm=alarm)
        slot = _on_day(first, clock.settled(alarm=alarm), now, reading.rule)
        passed_default = reading.clock is None and first == now.date() and slot.start <= now
        return Slot(_next_hour(now), None, False, reading.rule) if passed_default else slot
    if reading.clock is None:
        raise ValueError("no day or time was said")
    return _next_time(reading.clock, now, reading.rule, alarm=alarm)


def _at(day: date, moment: time, now: datetime) -> datetime:
    return datetime.combine(day, moment, tzinfo=now.tzinfo)


def _next_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _on_day(day: date, clock: Clock, now: datetime, rule: Rule | None) -> Slot:
    start = _at(day, clock.point, now)
    end = None
    if clock.mode == "before":
        # Something to be done before six ends at six.
        end, start = start, start - timedelta(hours=1)
    elif clock.start is not None and clock.end is not None:
        end = _at(day, clock.end, now)
        if end <= start:
            end += DAY
    if clock.part == "night" and clock.start is not None and clock.start.hour < 5:
        start += DAY
    return Slot(start, end, False, rule)


def _ahead(clock: Clock, now: datetime, *, alarm: bool) -> Clock:
    """On the current day: the usual reading, or the other half of the day when that one has gone by."""
    usual = clock.settled(alarm=alarm)
    other = clock.in_part("evening" if usual.point.hour < 12 else "morning")
    readings = sorted((usual, other), key=lambda c: c.point) if alarm else [usual, other]
    for candidate in readings:
        if _at(now.date(), candidate.point, now) > now:
            return Clock(candidate.start, candidate.end, mode=candidate.mode)
    return usual


def _next_time(clock: Clock, now: datetime, rule: Rule | None, *, alarm: bool) -> Slot:
    today = _ahead(clock, now, alarm=alarm) if clock.bare else clock
    slot = _on_day(now.date(), today.settled(alarm=alarm), now, rule)
    if (slot.end or slot.start) > now and (slot.start > now or clock.part):
        return slot
    return _on_day(now.date() + DAY, clock.settled(alarm=alarm), now, rule)


def _first_of_rule(rule: Rule, clock: Clock | None, now: datetime, *, alarm: bool, timed: bool) -> Slot:
    if clock is None and not timed and rule.freq not in ("HOURLY", "MINUTELY"):
        first = _occurrence(rule, _at(now.date(), time(0), now), now - DAY)
        return Slot(first, first + DAY, True, rule)
    if clock is None and rule.freq in ("HOURLY", "MINUTELY"):
        return Slot(_next_hour(now), None, False, rule)
    base = _on_day(now.date(), (clock or Clock(MORNING)).settled(alarm=alarm), now, rule)
    first = _occurrence(rule, base.start, now)
    return Slot(first, base.end + (first - base.start) if base.end else None, False, rule)


def _occurrence(rule: Rule, start: datetime, after: datetime) -> datetime:
    # Computed without a zone: nine o'clock stays nine o'clock across a change of summer time.
    # The first of "every other friday" is the coming friday: the interval counts from there.
    found = rrulestr(str(replace(rule, interval=1)), dtstart=start.replace(tzinfo=None)).after(
        after.replace(tzinfo=None)
    )
    if found is None:
        raise ValueError("this repetition never happens")
    return _at(found.date(), found.time(), start)


def window(reading: Reading | None, now: datetime) -> tuple[datetime | None, datetime | None]:
    """From when until before when to look something up; None is open.

    Raises:
        ValueError: a repetition was said, which is no stretch of time.
    """
    if reading is None:
        return None, None
    if reading.start is not None:
        start = reading.start
        return start, reading.end or start + timedelta(hours=1)
    if reading.rule is not None and reading.days is None:
        raise ValueError("a repetition is no stretch of time to look in")
    days = reading.days
    if reading.clock is None:
        start_day, end_day = (days.start, days.end) if days else (now.date(), None)
        return (
            _at(start_day, time(0), now) if start_day else None,
            _at(end_day, time(0), now) if end_day else None,
        )
    first, last = reading.clock.settled().window
    day = days.start if days and days.start else now.date()
    end_day = days.end - DAY if days and days.end else day
    start, end = _at(day, first, now), _at(end_day, last, now)
    end = end + timedelta(minutes=1) if end >= start else end + DAY
    # "In the morning", said at noon, is about tomorrow.
    return (start + DAY, end + DAY) if days is None and end <= now else (start, end)
