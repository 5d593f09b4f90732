"""Ratings, works and film screenings.

`workspace/ratings.csv` is the ratings book, one line for each rating. The other two files are the user's, CSV
or JSON, in the workspace or granted to the run:

    catalogue.csv:   title,type,creator,year,place,reading      (title and type are needed)
    screenings.csv:  film,cinema,start,kind,distance            (film, cinema and start are needed)

`reading` holds "current", "previous" or "next" where "this book" is to mean that work; `start` is a moment
(ISO), `kind` for instance "animated", `distance` from here in kilometres.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import ClassVar

from pydantic import BaseModel

from speeddial import ToolContext, ToolError, tool
from speeddial.errors import UserError
from speeddial.sheet import Book, Row, user_rows
from speeddial.values import Phrase
from speeddial.values.resolve import reading_of
from speeddial.values.schedule import window
from speeddial.values.words import digits

BEST = 5
"""The best rating where none is said."""
NEAR = 5.0
"""Kilometres that "in the neighbourhood" reaches."""
MOST = 30
"""Lines of one answer."""

_KINDS = (
    ("tv show", "television show", "tv series", "show", "series", "program"),
    ("movie", "film"),
    ("picture", "photograph", "photo"),
    ("game", "video game"),
    ("book", "novel", "textbook"),
    ("song", "track", "tune"),
    ("saga", "series", "chronicle"),
)
"""Words for one type of work."""
_TURNS = {
    **dict.fromkeys(("this", "current", "this current"), "current"),
    **dict.fromkeys(("previous", "last"), "previous"),
    **dict.fromkeys(("next", "following"), "next"),
}


class Rating(BaseModel):
    """A line of the ratings book."""

    produces: ClassVar[frozenset[str]] = frozenset({"text"})

    title: str
    type: str = ""
    rating: str
    best: str
    unit: str = ""

    def __str__(self) -> str:
        kind = f" ({self.type})" if self.type else ""
        unit = f" {self.unit}" if self.unit else ""
        return f"Rated {self.title}{kind}: {self.rating} of {self.best}{unit}."


class Works(BaseModel):
    """Works of the catalogue, as it describes them."""

    produces: ClassVar[frozenset[str]] = frozenset({"table", "text"})

    asked: str
    works: list[Row]
    note: str = ""

    def __str__(self) -> str:
        if not self.works:
            return f"The catalogue has nothing called {self.asked!r}."
        lines = [", ".join(value for value in work.values() if value) for work in self.works]
        return "\n".join([*lines, *([self.note] if self.note else [])])


class Screening(BaseModel):
    """One film at one time."""

    film: str
    cinema: str
    start: datetime

    def __str__(self) -> str:
        return f"{self.film}: {self.start:%a %d %b %H:%M}, {self.cinema}"


class Screenings(BaseModel):
    """Screenings by time."""

    produces: ClassVar[frozenset[str]] = frozenset({"table", "text"})

    screenings: list[Screening]
    total: int

    def __str__(self) -> str:
        if not self.screenings:
            return "No screening fits that."
        more = self.total - len(self.screenings)
        return "\n".join([*map(str, self.screenings), *([f"and {more} more"] if more else [])])


@tool(effect="write")
def rate_book(
    context: ToolContext,
    *,
    object_select: Phrase | None = None,
    object_part_of_series_type: Phrase | None = None,
    object_name: Phrase | None = None,
    object_type: Phrase | None = None,
    rating_value: Phrase,
    best_rating: Phrase | None = None,
    rating_unit: Phrase | None = None,
) -> Rating:
    """Rate a book.

    Args:
        object_select: which, "this", "previous".
        object_part_of_series_type: "saga", "series".
        object_name: the title.
        object_type: "novel", "essay".
        rating_value: the rating.
        best_rating: the best there is.
        rating_unit: "stars", "points".
    """
    best = _number(best_rating, "best_rating") if best_rating else BEST
    value = _number(rating_value, "rating_value")
    if value > best:
        raise ToolError(f"rating_value: expected at most {best:g}, got {rating_value!r}")
    kind = object_type or object_part_of_series_type or ""
    rating = Rating(
        title=object_name or _selected(context, object_select, kind),
        type=kind,
        rating=f"{value:g}",
        best=f"{best:g}",
        unit=rating_unit or "",
    )
    book = Book(context.workspace, "ratings", (*Rating.model_fields, "made"))
    made = {"made": f"{context.now:%Y-%m-%dT%H:%M}"}
    return Rating.model_validate(book.add(rating.model_dump() | made, context.idempotency_key))


@tool(effect="read")
def search_creative_work(
    context: ToolContext, *, object_type: Phrase | None = None, object_name: Phrase
) -> Works:
    """Look up a book, song, film, game or another work.

    Args:
        object_type: "song", "video game".
        object_name: the title.
    """
    rows = user_rows(context, "catalogue", ("title", "type"))
    named = _named(object_name, rows, "title")
    right = [row for row in named if not object_type or _same_kind(object_type, row["type"])]
    note = f"None of them is a {object_type}." if named and not right else ""
    return Works(asked=object_name, works=(right or named)[:MOST], note=note)


@tool(effect="read")
def search_screening_event(
    context: ToolContext,
    *,
    object_type: Phrase | None = None,
    movie_type: Phrase | None = None,
    movie_name: Phrase | None = None,
    spatial_relation: Phrase | None = None,
    object_location_type: Phrase | None = None,
    location_name: Phrase | None = None,
    timeRange: Phrase | None = None,
) -> Screenings:
    """Look up when and where films are shown.

    Args:
        object_type: "movie times", "schedule".
        movie_type: "animated movies", "films".
        movie_name: the film.
        spatial_relation: "nearest", "in the neighbourhood".
        object_location_type: "cinema", "movie house".
        location_name: the cinema's name.
        timeRange: when, as said.
    """
    rows = user_rows(context, "screenings", ("film", "cinema", "start"))
    if movie_name:
        rows = _named(movie_name, rows, "film")
    if location_name:
        known = sorted({row["cinema"] for row in rows})
        rows = _named(location_name, rows, "cinema")
        if not rows and not movie_name:
            raise ToolError(
                f"location_name: expected a cinema, got {location_name!r}; valid: {', '.join(known[:20])}"
            )
    kinds = [word for word in _words(movie_type or "") if word not in ("movie", "movies", "film", "films")]
    if kinds:
        rows = [row for row in rows if set(kinds) <= set(_words(_column(row, "kind", "animated")))]
    start, end = _window(timeRange, context.now)
    shown = [
        (screening, row)
        for row in rows
        if (screening := _screening(row, context.now)).start >= (start or context.now)
        and (end is None or screening.start < end)
    ]
    if spatial_relation and shown:
        distances = {row["cinema"]: _distance(row) for _, row in shown}
        least = min(distances.values())
        reach = least if re.search("nearest|closest", spatial_relation.lower()) else NEAR
        shown = [(screening, row) for screening, row in shown if distances[row["cinema"]] <= reach]
    found = sorted((screening for screening, _ in shown), key=lambda item: (item.start, item.film))
    return Screenings(screenings=found[:MOST], total=len(found))


def _number(said: str, name: str) -> float:
    words = digits(re.findall(r"[\w.,]*\w", said.lower()))
    try:
        (number,) = (float(word.replace(",", ".")) for word in words if word[0].isdecimal())
    except ValueError as error:
        raise ToolError(f"{name}: expected a number, got {said!r}; example: four") from error
    return number


def _selected(context: ToolContext, select: str | None, kind: str) -> str:
    """The title of "this book", by the catalogue's column `reading`."""
    if select is None:
        raise ToolError("object_name: expected the title to rate, got nothing; example: Emma")
    turn = _TURNS.get(select.lower())
    rows = user_rows(context, "catalogue", ("title", "type")) if turn else []
    meant = [row for row in rows if row.get("reading", "").lower() == turn]
    narrow = [row for row in meant if kind and _same_kind(kind, row["type"])] or meant
    if len(narrow) != 1:
        titles = ", ".join(row["title"] for row in narrow) or f"none is marked {turn or select!r}"
        raise ToolError(
            f"object_name: expected a title, got {f'{select} {kind}'.strip()!r}; in the catalogue: {titles}"
        )
    return narrow[0]["title"]


def _named(said: str, rows: Sequence[Row], column: str) -> list[Row]:
    """Rows of that name: the same words, or all of them in a longer name, or one close spelling."""
    words = _words(said)
    exact = [row for row in rows if _words(row[column]) == words]
    if exact:
        return exact
    joined = " ".join(words)
    longer = [row for row in rows if re.search(rf"\b{re.escape(joined)}\b", " ".join(_words(row[column])))]
    if longer and joined:
        return longer
    by_name = {" ".join(_words(row[column])): row[column] for row in rows}
    close = get_close_matches(joined, by_name, n=2, cutoff=0.85)
    return [row for row in rows if len(close) == 1 and row[column] == by_name[close[0]]]


def _words(text: str) -> list[str]:
    bare = re.sub(r"['’]", "", text.casefold()).replace("theatre", "theater")
    return re.findall(r"\w+", bare)


def _same_kind(said: str, kind: str) -> bool:
    one, other = (re.sub(r"\s+", " ", word.casefold()).strip() for word in (said, kind))
    return one == other or any(one in words and other in words for words in _KINDS)


def _column(row: Row, name: str, example: str) -> str:
    if name not in row:
        raise UserError(f"screenings: no column {name}, which was asked for", hint=f"{name}: {example}")
    return row[name]


def _distance(row: Row) -> float:
    text = _column(row, "distance", "1.5, in kilometres from here")
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise UserError(f"screenings: distance {text!r} is no number", hint="in kilometres: 1.5") from error


def _screening(row: Row, now: datetime) -> Screening:
    try:
        start = datetime.fromisoformat(row["start"])
    except ValueError as error:
        raise UserError(
            f"screenings: start {row['start']!r} is no moment", hint="2026-11-22T20:15"
        ) from error
    start = start.astimezone(now.tzinfo) if start.tzinfo else start.replace(tzinfo=now.tzinfo)
    return Screening(film=row["film"], cinema=row["cinema"], start=start)


def _window(said: str | None, now: datetime) -> tuple[datetime | None, datetime | None]:
    if said is None:
        return None, None
    try:
        return window(reading_of(said, now), now)
    except (ValueError, OverflowError) as error:
        raise ToolError(f"timeRange: expected a time, got {said!r}: {error}; example: tonight") from error
