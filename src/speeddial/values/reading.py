"""What a phrase about time was found to say: days, a clock time, an instant, a repetition. No parsing here.

The bare-hour rule, kept in one place (`Clock.settled`): an hour without am or pm means the morning from 7 to
11, noon for 12 and the afternoon from 1 to 6. A part of the day said with it ("eight in the evening") decides
instead. On the current day a reading that has gone by gives way to the other half of the day when that is
still ahead ("at nine", said at 14:00, is 21:00). Alarms ring at the next time the clock shows that hour, and
on another day in the morning from 4 on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Literal, NamedTuple

DAY = timedelta(days=1)


class Part(NamedTuple):
    """A part of the day: when it begins and ends, and the hour a reminder set for it rings."""

    start: time
    end: time
    point: time


PARTS = {
    "morning": Part(time(5), time(12), time(9)),
    "breakfast": Part(time(7), time(10), time(8)),
    "lunch": Part(time(11), time(14), time(12)),
    "afternoon": Part(time(12), time(18), time(15)),
    "dinner": Part(time(17), time(21), time(19)),
    "evening": Part(time(17), time(22), time(18)),
    "night": Part(time(20), time(23, 59, 59), time(20)),
    "day": Part(time(8), time(18), time(9)),
}


@dataclass(frozen=True, slots=True)
class Days:
    """A stretch of whole days, `end` not in it; None is open."""

    start: date | None
    end: date | None

    @classmethod
    def of(cls, day: date) -> Days:
        return cls(day, day + DAY)

    @property
    def single(self) -> bool:
        return self.start is not None and self.end is not None and self.end - self.start == DAY


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day, a stretch of it, or one side open; `bare` when nobody said am or pm."""

    start: time | None
    end: time | None = None
    bare: bool = False
    part: str = ""
    """The part of day that was said, a key of PARTS."""
    edge: str = ""
    """early, mid or late in that part."""
    mode: Literal["at", "after", "before"] = "at"

    def in_part(self, part: str) -> Clock:
        """This bare time inside a part of the day: nine in the evening is 21:00."""
        if not self.bare:
            return replace(self, part=part)
        late = part in ("afternoon", "dinner", "evening", "night")

        def shift(value: time | None) -> time | None:
            if value is None or value.hour > 12:
                return value
            if part == "night" and value.hour in (12, 1, 2, 3, 4):
                return value.replace(hour=value.hour % 12)
            if late and value.hour < 12:
                return value.replace(hour=value.hour + 12)
            return value.replace(hour=0) if part == "morning" and value.hour == 12 else value

        return Clock(shift(self.start), shift(self.end), bare=False, part=part, mode=self.mode)

    def settled(self, *, alarm: bool = False) -> Clock:
        """The clock with bare hours decided by the rule at the top of this file."""
        if not self.bare:
            return self
        first = self.start or self.end
        if first is None or first.hour == 0 or first.hour > 12:
            return replace(self, bare=False)
        afternoon = 1 <= first.hour <= (3 if alarm else 6)
        start, end = self.start, self.end
        if afternoon:
            start, end = _later(start), _later(end)
        if start is not None and end is not None and end <= start:
            end = _later(end)
        return replace(self, start=start, end=end, bare=False)

    @property
    def hours(self) -> tuple[time, time]:
        """From when until when the part of the day lasts, or its early or late half."""
        whole = PARTS[self.part]
        first, last = (moment.hour * 60 + moment.minute for moment in (whole.start, whole.end))
        middle = time((first + last) // 2 // 60, (first + last) // 2 % 60)
        if self.edge == "early":
            return whole.start, middle
        return (middle, whole.end) if self.edge == "late" else (whole.start, whole.end)

    @property
    def point(self) -> time:
        """The one time to act at: the start, or the usual hour of a part of the day."""
        moment = self.start or self.end
        if moment is not None:
            return moment
        return self.hours[0] if self.edge else PARTS[self.part].point

    @property
    def window(self) -> tuple[time, time]:
        """From when until when, for looking things up; a single time is its own window."""
        if self.start is None and self.end is None:
            return self.hours
        start = self.start or time(0)
        if self.mode == "after":
            return start, time(23, 59, 59)
        return start, self.end or start


def _later(value: time | None) -> time | None:
    return value.replace(hour=value.hour + 12) if value is not None and value.hour < 12 else value


@dataclass(frozen=True, slots=True)
class Rule:
    """A repetition, by the names of RFC 5545."""

    freq: Literal["MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]
    interval: int = 1
    byday: tuple[str, ...] = ()
    """MO, TU ... or with its place in the month: 1MO, -1FR."""
    bymonthday: int | None = None
    bymonth: int | None = None

    def as_parts(self) -> dict[str, list[str]]:
        """The parts of an RRULE, name to values."""
        parts = {"FREQ": [str(self.freq)]}
        if self.interval != 1:
            parts["INTERVAL"] = [str(self.interval)]
        if self.bymonth is not None:
            parts["BYMONTH"] = [str(self.bymonth)]
        if self.bymonthday is not None:
            parts["BYMONTHDAY"] = [str(self.bymonthday)]
        if self.byday:
            parts["BYDAY"] = list(self.byday)
        return parts

    def __str__(self) -> str:
        return ";".join(f"{name}={','.join(values)}" for name, values in self.as_parts().items())


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything one phrase says about time; what it leaves open is None."""

    days: Days | None = None
    clock: Clock | None = None
    start: datetime | None = None
    """A moment counted from now ("in two hours"), aware."""
    end: datetime | None = None
    """With `start`, the end of a stretch counted from now ("the next two hours")."""
    rule: Rule | None = None

    def as_json(self) -> str:
        """What was understood, as ISO 8601 and RFC 5545 write it: ``2026-11-23 15:00/17:00 FREQ=DAILY``."""
        parts: list[str] = []
        if self.days is not None:
            last = self.days.end - DAY if self.days.end else None
            parts.append(_stretch(self.days.start, last))
        if self.clock is not None:
            clock = self.clock.settled()
            times = [f"{moment:%H:%M}" if moment else None for moment in (clock.start, clock.end)]
            has_time = clock.start is not None or clock.end is not None
            if clock.mode != "at":
                parts.append(f"{times[0] or '..'}/{times[1] or '..'}")
            elif has_time:
                parts.append("/".join(moment for moment in times if moment))
            else:
                parts.append(clock.part)
        if self.start is not None:
            start, end = (
                moment and moment.isoformat(timespec="minutes") for moment in (self.start, self.end)
            )
            parts.append(f"{start}/{end}" if end else f"{start}")
        if self.rule is not None:
            parts.append(str(self.rule))
        return " ".join(parts)

    def merged(self, other: Reading) -> Reading | None:
        """Both said together ("friday" and "at nine"); None when they contradict each other."""
        both_days = self.days is not None and other.days is not None
        if both_days and self.days != other.days:
            return None
        if self.start is not None and (other.start is not None or other.days or other.clock):
            return None
        if other.start is not None and (self.days or self.clock):
            return None
        if self.rule is not None and other.rule is not None:
            return None
        clock = self.clock or other.clock
        if self.clock is not None and other.clock is not None:
            joined = _joined(self.clock, other.clock)
            if joined is None:
                return None
            clock = joined
        return Reading(
            self.days or other.days,
            clock,
            self.start or other.start,
            self.end or other.end,
            self.rule or other.rule,
        )


def _stretch(first: date | None, last: date | None) -> str:
    return f"{first}" if first == last else f"{first or '..'}/{last or '..'}"


def _joined(one: Clock, other: Clock) -> Clock | None:
    """A time and a part of the day as one clock; None for two times."""
    if one.start is None and one.end is None and one.part:
        one, other = other, one
    if other.start is None and other.end is None and other.part and not one.part:
        hour = one.point.hour
        early, late = other.part == "morning", other.part in ("afternoon", "dinner", "evening")
        if not one.bare and ((early and hour >= 12) or (late and hour < 12)):
            # "Morning at 7 pm": one of the two is wrong, and nobody can tell which.
            return None
        return one.in_part(other.part)
    return None
