"""Hypothesis strategies of types with their values, and walks through grammars, for the contract tests."""

from __future__ import annotations

import dataclasses
import enum
import itertools
import random
import string
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, NotRequired
from uuid import UUID

import llguidance
from hypothesis import assume
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model
from typing_extensions import TypedDict

from speeddial.contract import Contract, Email, Url
from speeddial.contract.formats import byte_tokenizer
from speeddial.contract.scalars import LARGEST
from speeddial.errors import DefinitionError

_count = itertools.count()


class Typed(NamedTuple):
    """A type with a strategy of its values."""

    tp: Any
    values: st.SearchStrategy[Any]


def accepts(contract: Contract, text: str) -> bool:
    """Whether the contract's grammar accepts exactly this text."""
    matcher = llguidance.LLMatcher(byte_tokenizer(), contract.grammar)
    assert not matcher.is_error(), matcher.get_error()
    data = text.encode()
    return bool(matcher.try_consume_tokens(list(data)) == len(data) and matcher.is_accepting())


def walk(contract: Contract, choose: random.Random, most: int = 700) -> str | None:
    """A text that the grammar admits, byte by random byte; None when it does not end in `most` bytes."""
    matcher = llguidance.LLMatcher(byte_tokenizer(), contract.grammar)
    out = bytearray()
    # Closing is chosen often in some walks and rarely in others, so that long and short texts occur.
    eager = choose.choice([0.15, 0.5, 0.8])
    while len(out) < most:
        if matcher.is_accepting() and (matcher.is_stopped() or choose.random() < eager):
            return out.decode("utf-8")
        mask = int.from_bytes(matcher.compute_bitmask(), "little")
        allowed = [byte for byte in range(256) if mask >> byte & 1]
        if not allowed:
            return out.decode("utf-8") if matcher.is_accepting() else None
        closers = [byte for byte in allowed if byte in b'"}]']
        plain = [byte for byte in allowed if byte < 128]
        if closers and choose.random() < eager:
            byte = choose.choice(closers)
        elif plain and choose.random() < 0.9:
            byte = choose.choice(plain)
        else:
            byte = choose.choice(allowed)
        out.append(byte)
        assert matcher.consume_token(byte), matcher.get_error()
    return None


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
names = st.text(string.ascii_letters + 'éß_ -"\\\n', min_size=1, max_size=6)
zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=11))])


@st.composite
def integers(draw: st.DrawFn) -> Typed:
    low = draw(st.none() | st.integers(-1000, 1000) | st.integers(-LARGEST, LARGEST))
    high = draw(st.none() | st.integers(0, 2000).map(lambda more: (low or 0) + more))
    excluded = draw(st.booleans())
    step = draw(st.sampled_from([None, None, 1, 5, 7]))
    constraints: dict[str, Any] = {}
    if low is not None:
        constraints["gt" if excluded else "ge"] = low
    if high is not None:
        constraints["le"] = high
    if step:
        constraints["multiple_of"] = step
    bottom = -LARGEST if low is None else low + excluded
    top = LARGEST if high is None else min(high, LARGEST)
    first = -(-bottom // (step or 1))
    last = top // (step or 1)
    assume(first <= last)
    values = st.integers(first, last).map(lambda number: number * (step or 1))
    return Typed(Annotated[int, Field(**constraints)] if constraints else int, values)


@st.composite
def floats(draw: st.DrawFn) -> Typed:
    kind = draw(st.sampled_from(["plain", "bounded", "open", "stepped"]))
    if kind == "plain":
        return Typed(float, st.floats(-9e18, 9e18))
    if kind == "stepped":
        step = draw(st.sampled_from([0.25, 0.01, 0.5, 2.0, 0.1]))
        values = st.integers(-10_000, 10_000).map(lambda number: float(Decimal(number) * Decimal(str(step))))
        return Typed(Annotated[float, Field(multiple_of=step)], values)
    # Bounds of one decimal: llguidance 1.9.1 refuses a number whose text is a proper beginning of the bound's
    # (100.06 and 100.0 under a maximum of 100.062, while 100.00 passes). It never admits a wrong one.
    low = draw(st.integers(-10_000_000, 10_000_000).map(lambda number: number / 10))
    high = round(low + draw(st.integers(5, 10_000_000).map(lambda number: number / 10)), 1)
    if kind == "bounded":
        return Typed(Annotated[float, Field(ge=low, le=high)], st.floats(low, high))
    values = st.floats(low, high, exclude_min=True, exclude_max=True)
    return Typed(Annotated[float, Field(gt=low, lt=high)], values)


@st.composite
def strings(draw: st.DrawFn) -> Typed:
    kind = draw(st.sampled_from(["plain", "sized", "pattern", "email", "url"]))
    if kind == "plain":
        return Typed(str, texts)
    if kind == "sized":
        low, more = draw(st.integers(0, 3)), draw(st.integers(0, 8))
        alphabet = st.characters(exclude_categories=["Cs"])
        values = st.text(alphabet, min_size=low, max_size=low + more)
        return Typed(Annotated[str, Field(min_length=low, max_length=low + more)], values)
    if kind == "pattern":
        pattern = draw(
            st.sampled_from([r"^[a-z]{2,5}$", r"^\d{3}-\d{2}$", r"^(?:yes|no)\s\w+$", r"^[A-Z][a-z]*!?$"])
        )
        # Python's \s takes the separators \x1c to \x1f, which JSON Schema's (ECMA 262) does not.
        written = pattern.replace("$", r"\Z").replace(r"\s", r"[ \t\n\r\f\v]")
        values = st.from_regex(written, fullmatch=True).filter(str.isascii)
        return Typed(Annotated[str, Field(pattern=pattern)], values)
    if kind == "email":
        word = st.text(string.ascii_lowercase + "0123456789", min_size=1, max_size=8)
        return Typed(Email, st.builds("{}.{}@{}.com".format, word, word, word))
    return Typed(
        Url, st.sampled_from(["https://a.de", "http://localhost:8080/x?y=1#z", "http://10.0.0.1/a%20b"])
    )


@st.composite
def decimals(draw: st.DrawFn) -> Typed:
    if draw(st.booleans()):
        return Typed(Decimal, st.decimals(-(10**12), 10**12, places=4))
    digits = draw(st.integers(1, 12))
    places = draw(st.integers(0, digits))
    most = Decimal(10**digits - 1).scaleb(-places)
    least = draw(st.sampled_from([-most, Decimal(0)]))
    constraints: dict[str, Any] = {"max_digits": digits, "decimal_places": places}
    if least == 0:
        constraints["ge"] = 0
    return Typed(Annotated[Decimal, Field(**constraints)], st.decimals(least, most, places=places))


@st.composite
def choices(draw: st.DrawFn) -> Typed:
    if draw(st.booleans()):
        constants = draw(
            st.lists(
                texts | st.integers(-5, 5) | st.just(2**60) | st.booleans() | st.none(),
                min_size=1,
                max_size=5,
                unique_by=lambda item: (type(item), item),
            )
        )
        return Typed(Literal[tuple(constants)], st.sampled_from(constants))
    members = draw(
        st.lists(texts | st.floats(-5, 5).map(lambda x: round(x, 4)), min_size=1, max_size=4, unique=True)
    )
    made: Any = enum.Enum(f"Made{next(_count)}", {f"M{index}": value for index, value in enumerate(members)})
    return Typed(made, st.sampled_from(list(made)))


instants = st.sampled_from(
    [
        Typed(date, st.dates()),
        Typed(time, st.times()),
        Typed(datetime, st.datetimes() | st.datetimes(timezones=zones)),
        Typed(timedelta, st.timedeltas(timedelta(days=-99_999_998), timedelta(days=99_999_998))),
        Typed(UUID, st.uuids()),
    ]
)
simple = st.sampled_from([Typed(bool, st.booleans()), Typed(type(None), st.none())])
leaves = st.one_of(integers(), floats(), strings(), decimals(), choices(), instants, simple)


@st.composite
def lists(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    item = draw(inner)
    low = draw(st.integers(0, 2))
    high = low + draw(st.integers(0, 3))
    tp: Any = Annotated[list[item.tp], Field(min_length=low, max_length=high)]  # type: ignore[name-defined]
    return Typed(tp, st.lists(item.values, min_size=low, max_size=high))


@st.composite
def tuples(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    if draw(st.booleans()):
        item = draw(inner)
        return Typed(tuple[item.tp, ...], st.lists(item.values, max_size=3).map(tuple))  # type: ignore[name-defined]
    items = draw(st.lists(inner, min_size=1, max_size=3))
    return Typed(tuple[tuple(item.tp for item in items)], st.tuples(*(item.values for item in items)))  # type: ignore


@st.composite
def dicts(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    item = draw(inner)
    kind = draw(st.sampled_from(["any", "pattern", "closed"]))
    if kind == "any":
        return Typed(dict[str, item.tp], st.dictionaries(texts, item.values, max_size=3))  # type: ignore[name-defined]
    if kind == "pattern":
        key = Annotated[str, Field(pattern=r"^[a-z]{1,4}$")]
        keys = st.text(string.ascii_lowercase, min_size=1, max_size=4)
        return Typed(dict[key, item.tp], st.dictionaries(keys, item.values, max_size=3))  # type: ignore
    key = Literal["north", "south", "east"]  # type: ignore[assignment]
    keys = st.sampled_from(["north", "south", "east"])
    return Typed(dict[key, item.tp], st.dictionaries(keys, item.values))  # type: ignore


@st.composite
def optionals(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    item = draw(inner)
    return Typed(item.tp | None, st.none() | item.values)


@st.composite
def unions(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    items = draw(st.lists(inner, min_size=2, max_size=3))
    tp: Any = items[0].tp
    for item in items[1:]:
        tp = tp | item.tp
    try:
        Contract.of(tp)
    except DefinitionError:
        # Branches that cannot be told apart are refused; that is tested elsewhere.
        assume(False)
    return Typed(tp, st.one_of(*(item.values for item in items)))


_keys = st.lists(st.sampled_from(["alpha", "beta", "gamma", "delta"]), min_size=1, max_size=4, unique=True)


@st.composite
def models(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    fields: dict[str, Any] = {}
    values: dict[str, Any] = {}
    optional: dict[str, Any] = {}
    for key in draw(_keys):
        item = draw(inner)
        if draw(st.booleans()):
            fields[key] = (item.tp, ...)
            values[key] = item.values
        else:
            fields[key] = (item.tp, draw(item.values))
            optional[key] = item.values
    model = create_model(f"Model{next(_count)}", **fields)
    return Typed(model, st.fixed_dictionaries(values, optional=optional).map(lambda given: model(**given)))


@st.composite
def dataclass_types(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    items = {key: draw(inner) for key in draw(_keys)}
    made: Any = dataclasses.make_dataclass(
        f"Data{next(_count)}", [(key, item.tp) for key, item in items.items()]
    )
    return Typed(made, st.builds(made, **{key: item.values for key, item in items.items()}))


@st.composite
def typed_dicts(draw: st.DrawFn, inner: st.SearchStrategy[Typed]) -> Typed:
    items = {key: draw(inner) for key in draw(_keys)}
    loose = set(draw(st.lists(st.sampled_from(sorted(items)))))
    hints = {key: NotRequired[item.tp] if key in loose else item.tp for key, item in items.items()}
    made: Any = TypedDict(f"Dict{next(_count)}", hints)  # type: ignore[misc]
    required = {key: item.values for key, item in items.items() if key not in loose}
    return Typed(made, st.fixed_dictionaries(required, optional={key: items[key].values for key in loose}))


class Tree(BaseModel):
    """A recursive model."""

    label: str
    children: list[Tree] = []
    parent: Tree | None = None


trees = st.recursive(
    st.builds(Tree, label=texts),
    lambda inner: st.builds(
        Tree, label=texts, children=st.lists(inner, max_size=2), parent=st.none() | inner
    ),
    max_leaves=4,
)


def _extended(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    makers: list[Callable[[st.SearchStrategy[Typed]], st.SearchStrategy[Typed]]] = [
        lists,
        tuples,
        dicts,
        optionals,
        unions,
        models,
        models,
        dataclass_types,
        typed_dicts,
    ]
    return st.one_of(*(make(inner) for make in makers))


typed = st.recursive(leaves | st.just(Typed(Tree, trees)), _extended, max_leaves=5)
"""Any supported type, with its values."""
