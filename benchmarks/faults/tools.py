"""The tools of the fault table: one for each kind of type, plain functions that note what they were given.

Frameworks read annotations and docstrings as they stand, so this file does not postpone annotations
(``from __future__``), and needs nothing but pydantic.
"""

import enum
import types
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, get_type_hints
from uuid import UUID

from pydantic import BaseModel, Field, HttpUrl, TypeAdapter, ValidationError
from typing_extensions import TypedDict

RECEIVED: list[dict[str, Any]] = []
"""The arguments of every tool that ran, as it received them."""


class Color(enum.Enum):
    """A colour."""

    RED = "red"
    GREEN = "green"


class Address(BaseModel):
    """Where somebody lives."""

    street: str
    number: int


class Order(BaseModel):
    """An order to be placed."""

    item: str
    count: Annotated[int, Field(ge=1)]
    size: Literal["S", "M"] = "M"
    to: Address


@dataclass
class Row:
    """A row of a table."""

    name: str
    value: float


class Page(TypedDict):
    """A page of a book."""

    title: str
    number: int


class Circle(BaseModel):
    """A circle."""

    kind: Literal["circle"]
    radius: float


class Square(BaseModel):
    """A square."""

    kind: Literal["square"]
    side: float


class Node(BaseModel):
    """A node of a tree."""

    label: str
    children: list["Node"] = []


def f(n: int, flag: bool, tags: list[int], mode: Literal["a", "b"]) -> str:
    """Do the thing.

    Args:
        n: a whole number.
        flag: whether it is so.
        tags: some whole numbers.
        mode: how it is done.
    """
    return took(n=n, flag=flag, tags=tags, mode=mode)


def weigh(x: float) -> str:
    """Weigh it.

    Args:
        x: the weight.
    """
    return took(x=x)


def say(s: str, note: str = "") -> str:
    """Say it.

    Args:
        s: what is said.
        note: a note.
    """
    return took(s=s, note=note)


def code(
    pin: Annotated[str, Field(pattern=r"^[A-Z]{2}-[0-9]{3}$")], name: Annotated[str, Field(max_length=5)]
) -> str:
    """Look a code up.

    Args:
        pin: the code.
        name: a short name.
    """
    return took(pin=pin, name=name)


def scale(
    count: Annotated[int, Field(ge=1, le=99)],
    share: Annotated[float, Field(ge=0, le=1)],
    step: Annotated[int, Field(multiple_of=5)],
) -> str:
    """Scale it.

    Args:
        count: how many.
        share: which share.
        step: how far.
    """
    return took(count=count, share=share, step=step)


def paint(color: Color, level: Literal[1, 2]) -> str:
    """Paint it.

    Args:
        color: the colour.
        level: how thick.
    """
    return took(color=color, level=level)


def limit(most: int | None, least: int | None = None) -> str:
    """Limit it.

    Args:
        most: the most, null for none.
        least: the least.
    """
    return took(most=most, least=least)


def find(key: int | str) -> str:
    """Find it.

    Args:
        key: its number or its name.
    """
    return took(key=key)


def go(point: tuple[int, int]) -> str:
    """Go there.

    Args:
        point: its coordinates.
    """
    return took(point=point)


def price(prices: dict[str, int]) -> str:
    """Set prices.

    Args:
        prices: the price of each thing.
    """
    return took(prices=prices)


def wind(winds: dict[Literal["north", "south"], int]) -> str:
    """Note the winds.

    Args:
        winds: the wind's strength.
    """
    return took(winds=winds)


def order(what: Order) -> str:
    """Place an order.

    Args:
        what: the order.
    """
    return took(what=what)


def add(row: Row) -> str:
    """Add a row.

    Args:
        row: the row.
    """
    return took(row=row)


def turn(page: Page) -> str:
    """Turn to a page.

    Args:
        page: the page.
    """
    return took(page=page)


def draw(shape: Annotated[Circle | Square, Field(discriminator="kind")]) -> str:
    """Draw a shape.

    Args:
        shape: the shape.
    """
    return took(shape=shape)


def plant(tree: Node) -> str:
    """Plant a tree.

    Args:
        tree: the tree.
    """
    return took(tree=tree)


def book(day: date) -> str:
    """Book a day.

    Args:
        day: the day.
    """
    return took(day=day)


def wake(at: time) -> str:
    """Wake somebody.

    Args:
        at: the time of day.
    """
    return took(at=at)


def meet(start: datetime) -> str:
    """Meet somebody.

    Args:
        start: when it begins.
    """
    return took(start=start)


def wait(span: timedelta) -> str:
    """Wait.

    Args:
        span: how long.
    """
    return took(span=span)


def pay(amount: Decimal) -> str:
    """Pay.

    Args:
        amount: how much.
    """
    return took(amount=amount)


def fetch(uid: UUID) -> str:
    """Fetch it.

    Args:
        uid: its identifier.
    """
    return took(uid=uid)


def visit(url: HttpUrl) -> str:
    """Visit a page.

    Args:
        url: its address.
    """
    return took(url=url)


TOOLS: dict[str, Callable[..., str]] = {
    function.__name__: function
    for function in (
        *(f, weigh, say, code, scale, paint, limit, find, go, price, wind, order, add, turn, draw, plant),
        *(book, wake, meet, wait, pay, fetch, visit),
    )
}


def fits(tool: Callable[..., Any], given: dict[str, Any]) -> bool:
    """Whether every argument that a tool received is of the type that the tool declares."""
    hints = get_type_hints(tool, include_extras=True)
    return all(_is(value, hints[name]) for name, value in given.items())


def _is(value: Any, hint: Any) -> bool:
    try:
        strict = TypeAdapter(hint).validate_python(value, strict=True)
    except ValidationError:
        return False
    # NaN is a float too, and not equal to itself.
    return (strict == value or repr(strict) == repr(value)) and _same_types(strict, value)


def _same_types(one: Any, other: Any) -> bool:
    """Pydantic's strict mode takes an int for a float and a list's 1 for a Literal's True."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return all(map(_same_types, one, other))
    if isinstance(one, dict):
        return all(_same_types(item, other[key]) for key, item in one.items())
    return True


def types_of(value: Any) -> str:
    """A value as a reader of the table sees it: with the type where its text does not show it."""
    if isinstance(value, str | int | float | list | tuple | dict | types.NoneType):
        return repr(value)
    return f"{type(value).__name__} {value}"


def took(**given: Any) -> str:
    RECEIVED.append(given)
    return "done"
