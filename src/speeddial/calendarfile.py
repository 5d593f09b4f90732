"""The calendar file: entries added, searched and deleted in one plain iCalendar file that any program reads.

The UID of what a call adds is its idempotency key, and the file remembers the results of its last changes
(X-SPEEDDIAL-DONE, one per change): a change repeated after a kill has no second effect and gives its first
result.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from difflib import SequenceMatcher
from pathlib import Path

from icalendar import Calendar, Component, Event, Todo

from speeddial.calendarentry import Entries, Entry, Kind, aware, entry_of, kind_of, text_of, turns
from speeddial.errors import ToolError
from speeddial.workspace import Ledger, locked, write_whole

MOST = 50
"""Entries of one answer."""


@dataclass(frozen=True)
class Wanted:
    """Which entries are meant; what is not said is None."""

    kinds: tuple[Kind, ...]
    title: str | None = None
    people: str | None = None
    place: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    @property
    def timed(self) -> bool:
        return self.start is not None or self.end is not None

    @property
    def anything(self) -> bool:
        """Whether nothing narrows the search down."""
        return not (self.timed or self.title or self.people or self.place)

    @property
    def many(self) -> bool:
        """Whether the words mean more than one ("all meetings")."""
        return re.search(r"\b(all|every\w*|both)\b", (self.title or "").casefold()) is not None

    def fits(self, component: Component) -> bool:
        if kind_of(component) not in self.kinds:
            return False
        title, people = str(component.get("summary", "")), text_of(component, "contact")
        if self.title and not alike(self.title, title):
            return False
        if self.people and not (alike(self.people, people) or alike(self.people, title)):
            return False
        return not self.place or alike(self.place, str(component.get("location", "")))


class CalendarFile:
    """One calendar file."""

    def __init__(self, path: Path, now: datetime) -> None:
        self.path, self.now = path, now

    def add(self, component: Event | Todo, key: str) -> Entry:
        """Add an entry, once for each key.

        Raises:
            ToolError: the file is in use or cannot be read.
        """
        with locked(self.path):
            calendar = self._load()
            ledger = _ledger(calendar)
            done = ledger.result_of(key)
            if done is not None:
                return Entry.model_validate(done)
            # Another program may have dropped our ledger and kept the entry.
            for known in calendar.walk():
                if str(known.get("uid", "")) == key:
                    return entry_of(known, self.now.tzinfo)
            component.add("uid", key)
            calendar.add_component(component)
            entry = entry_of(component, self.now.tzinfo)
            ledger.add(key, entry.model_dump(mode="json"))
            self._save(calendar, ledger)
            return entry

    def find(self, wanted: Wanted) -> Entries:
        """What fits, by time; without a stretch of time what is still to come, or else what has been."""
        found = [entry for _, entry in self._found(self._load(), wanted)]
        return Entries(entries=found[:MOST], total=len(found))

    def delete(self, wanted: Wanted, key: str) -> Entries:
        """Delete what fits, once for each key; of a repetition only the turns in the stretch of time.

        Raises:
            ToolError: nothing fits, or it is not clear which is meant.
        """
        with locked(self.path):
            calendar = self._load()
            ledger = _ledger(calendar)
            done = ledger.result_of(key)
            if done is not None:
                return Entries.model_validate(done)
            if wanted.anything:
                raise ToolError("title: expected which ones to delete, got nothing; example: all")
            found = self._found(calendar, wanted)
            if not found:
                raise ToolError("nothing in the calendar fits that, so nothing was deleted")
            if len({id(component) for component, _ in found}) > 1 and not wanted.timed and not wanted.many:
                several = "; ".join(str(entry) for _, entry in found[:5])
                raise ToolError(f"several fit, say which by its date or time: {several}")
            for component, entry in found:
                if "rrule" in component and wanted.end is not None:
                    component.add("exdate", entry.start)
                elif component in calendar.subcomponents:
                    calendar.subcomponents.remove(component)
            result = Entries(entries=[entry for _, entry in found][:MOST], total=len(found), deleted=True)
            ledger.add(key, result.model_dump(mode="json"))
            self._save(calendar, ledger)
            return result

    def _found(self, calendar: Calendar, wanted: Wanted) -> list[tuple[Component, Entry]]:
        zone = self.now.tzinfo
        fitting = [component for component in calendar.walk() if wanted.fits(component)]
        if wanted.timed:
            return self._sorted(self._within(fitting, wanted.start, wanted.end))
        coming = self._sorted(self._within(fitting, self.now, None))
        plain = [(component, entry_of(component, zone)) for component in fitting]
        return coming + [pair for pair in plain if pair[1].start is None] or self._sorted(plain)

    def _within(
        self, components: Iterable[Component], start: datetime | None, end: datetime | None
    ) -> Iterator[tuple[Component, Entry]]:
        for component in components:
            for turn in turns(component, self.now.tzinfo, start, end):
                yield component, entry_of(component, self.now.tzinfo, turn)
                if end is None:
                    break

    def _sorted(self, found: Iterable[tuple[Component, Entry]]) -> list[tuple[Component, Entry]]:
        return sorted(found, key=lambda pair: aware(pair[1].start or self.now, self.now.tzinfo))

    def _load(self) -> Calendar:
        if not self.path.exists():
            calendar = Calendar()
            calendar.add("prodid", "-//Speeddial//speeddial//EN")
            calendar.add("version", "2.0")
            return calendar
        try:
            return Calendar.from_ical(self.path.read_bytes())
        except (ValueError, KeyError) as error:
            raise ToolError(f"{self.path.name} is not a calendar file that can be read: {error}") from error

    def _save(self, calendar: Calendar, ledger: Ledger) -> None:
        calendar.pop("X-SPEEDDIAL-DONE", None)
        for entry in ledger.entries:
            calendar.add("X-SPEEDDIAL-DONE", entry)
        # Fifteen years of summer times; the default writes all since 1970.
        calendar.add_missing_timezones(date(self.now.year - 1, 1, 1), date(self.now.year + 15, 1, 1))
        write_whole(self.path, calendar.to_ical())


def _ledger(calendar: Calendar) -> Ledger:
    kept = calendar.get("X-SPEEDDIAL-DONE", [])
    return Ledger(str(entry) for entry in (kept if isinstance(kept, list) else [kept]))


_NOISE = re.compile(
    r"a|an|the|my|our|your|any|all|every|this|that|of|for|with|at|on|in|to|and|next|"
    r"(?:event|appointment|reminder|meeting|alarm|entry|entrie)s?|calendar|schedule"
)


def alike(phrase: str, text: str) -> bool:
    """Whether a phrase names this text: its telling words occur in it, or it is nearly the same."""
    spoken, known = (re.findall(r"\w+", side.casefold()) for side in (phrase, text))
    telling = [word for word in spoken if not _NOISE.fullmatch(word)]
    if not telling:
        # "My meeting" names what has the word in its title, "all events" everything.
        telling = [word for word in spoken if word.startswith(("meeting", "appointment"))]
    if all(any(_same(word, part) for part in known) for word in telling):
        return True
    return SequenceMatcher(None, " ".join(spoken), " ".join(known)).ratio() > 0.8


def _same(one: str, other: str) -> bool:
    """Equal, or one is the other with an ending ("meeting", "meetings")."""
    shorter, longer = sorted((one, other), key=len)
    return one == other or (len(shorter) > 3 and longer.startswith(shorter))
