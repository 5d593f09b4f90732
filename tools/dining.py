"""Tables at restaurants, in `workspace/bookings.csv`: a booking book that a person reads. Nothing is sent."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel

from speeddial import ToolContext, ToolError, tool
from speeddial.sheet import Book
from speeddial.values import Phrase
from speeddial.values.resolve import reading_of
from speeddial.values.schedule import Slot, place_in_calendar
from speeddial.values.words import digits

LARGEST = 500
"""The largest party that is taken for one."""
_MANY = re.compile(
    r"(?:family|crew|team|group|party|class|band|friends|parents|kids|children|people|\w{3,}[^s]s)$"
)


class Booking(BaseModel):
    """A line of the booking book; what was not said is empty."""

    produces: ClassVar[frozenset[str]] = frozenset({"text"})

    time: str = ""
    """ISO date, or date and time."""
    until: str = ""
    """The last day of a booking for several days, or the end of one for some hours."""
    people: str = ""
    party: str = ""
    """Who comes, as said."""
    restaurant: str = ""
    kind: str = ""
    dish: str = ""
    facility: str = ""
    place: str = ""

    def __str__(self) -> str:
        who = f"for {self.people}" if self.people else f"for {self.party}" if self.party else ""
        party = f"({self.party})" if self.people and self.party else ""
        name = self.restaurant or self.kind
        where = f"at {name}" if name else ""
        wishes = [
            f"place: {self.place}" if self.place else "",
            f"dish: {self.dish}" if self.dish else "",
            f"with: {self.facility}" if self.facility else "",
            f"on {self.time.replace('T', ' at ')}" if self.time else "",
            f"until {self.until.replace('T', ' ')}" if self.until else "",
        ]
        head = " ".join(part for part in ("Noted in the booking book: a table", who, party, where) if part)
        open_points = [
            what
            for what, known in (
                ("when", self.time),
                ("for how many", self.people),
                ("where", name or self.place),
            )
            if not known
        ]
        still = f" Still open: {', '.join(open_points)}." if open_points else ""
        return f"{', '.join([head, *filter(None, wishes)])}.{still}"


@tool(effect="write")
def book_restaurant(
    context: ToolContext,
    *,
    party_size_number: Phrase | None = None,
    party_size_description: Phrase | None = None,
    sort: Phrase | None = None,
    cuisine: Phrase | None = None,
    restaurant_type: Phrase | None = None,
    restaurant_name: Phrase | None = None,
    served_dish: Phrase | None = None,
    facility: Phrase | None = None,
    spatial_relation: Phrase | None = None,
    poi: Phrase | None = None,
    city: Phrase | None = None,
    state: Phrase | None = None,
    country: Phrase | None = None,
    timeRange: Phrase | None = None,
) -> Booking:
    """Book a table at a restaurant.

    Args:
        party_size_number: for how many.
        party_size_description: who comes.
        sort: how good, "best".
        cuisine: which cooking.
        restaurant_type: "pub", "restaurant".
        restaurant_name: its name.
        served_dish: a dish that it serves.
        facility: what it has, "parking".
        spatial_relation: "near", "close by".
        poi: a place in the town.
        city: the town.
        state: the state.
        country: the country.
        timeRange: when, as said.
    """
    slot = _slot(timeRange, context) if timeRange else None
    people = _number(party_size_number) if party_size_number else _counted(party_size_description or "")
    kind = (sort, cuisine, restaurant_type)
    place = ", ".join(filter(None, (poi, city, state, country)))
    booking = Booking(
        time=_moment(slot) if slot else "",
        until=_end(slot) if slot else "",
        people=str(people or ""),
        party=party_size_description or "",
        restaurant=restaurant_name or "",
        kind=" ".join(filter(None, kind)),
        dish=served_dish or "",
        facility=facility or "",
        place=" ".join(filter(None, (spatial_relation, place))),
    )
    if booking == Booking():
        raise ToolError(
            "restaurant_name: expected where, when or for how many to book, got nothing; "
            "example: a table for two at the harbour"
        )
    book = Book(context.workspace, "bookings", (*Booking.model_fields, "made"))
    made = {"made": f"{context.now:%Y-%m-%dT%H:%M}"}
    return Booking.model_validate(book.add(booking.model_dump() | made, context.idempotency_key))


def _slot(said: str, context: ToolContext) -> Slot:
    """When the table is wanted; an hour without am or pm is in the evening ("at seven")."""
    try:
        reading = reading_of(said, context.now)
        if reading.clock is not None and reading.clock.bare:
            reading = replace(reading, clock=reading.clock.in_part("dinner"))
        slot = place_in_calendar(reading, context.now)
    except (ValueError, OverflowError) as error:
        raise ToolError(
            f"timeRange: expected a day or a time, got {said!r}: {error}; example: tomorrow at eight pm"
        ) from error
    if (slot.end or slot.start) < context.now.replace(second=0, microsecond=0):
        raise ToolError(f"timeRange: expected a time to come, got {said!r}, which was {slot}")
    return slot


def _moment(slot: Slot) -> str:
    return f"{slot.start:%Y-%m-%d}" if slot.all_day else f"{slot.start:%Y-%m-%dT%H:%M}"


def _end(slot: Slot) -> str:
    if slot.end is None:
        return ""
    if not slot.all_day:
        return f"{slot.end:%Y-%m-%dT%H:%M}"
    days = (slot.end - slot.start).days
    return f"{slot.end.fromordinal(slot.end.toordinal() - 1):%Y-%m-%d}" if days > 1 else ""


def _number(said: str) -> int:
    words = digits(re.findall(r"\w+", said.lower()))
    numbers = [int(word) for word in words if word.isdecimal()]
    if len(numbers) != 1 or not 0 < numbers[0] <= LARGEST:
        raise ToolError(f"party_size_number: expected how many people come, got {said!r}; example: four")
    return numbers[0]


def _counted(said: str) -> int | None:
    """How many "me, Rebecca and Loraine" are; None where a word stands for several people."""
    parts = [part.strip() for part in re.split(r",|&|\band\b", said.lower()) if part.strip()]
    several = any(re.match(r"(?:my|our|the|his|her)\b", part) and _MANY.search(part) for part in parts)
    return None if several or not parts else len(parts)
