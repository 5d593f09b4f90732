"""Kinds of the types that are one JSON string or number: bounds, lengths, patterns and text forms."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from speeddial.contract import scalars
from speeddial.contract.constraints import Constraints, longest, only
from speeddial.contract.jsontext import as_admitted
from speeddial.contract.kinds import Kind, Scalar, Validated
from speeddial.contract.scalars import LARGEST, TextForm
from speeddial.contract.schemas import Schema, matcher, plain_pattern
from speeddial.errors import DefinitionError

_LARGEST_STEPPED = 2**23
"""Up to here Pydantic 2.14 accepts the double nearest to a multiple; beyond, it refuses one in three of those
of 0.1, since its remainder may be off by 1e-9. The grammar says them all: a sum is not to be made smaller."""

Note = Callable[[str], None]
"""Takes the keyword of something that is enforced after decoding only."""

_Instant = tuple[TextForm, type, Callable[[str], Any], bool]
"""Text form, Python type, reader, and whether Pydantic has more to say (the past, the future)."""

_INSTANTS: dict[type, _Instant] = {
    date: (scalars.DATE, date, date.fromisoformat, False),
    time: (scalars.TIME, time, time.fromisoformat, False),
    datetime: (scalars.DATETIME, datetime, datetime.fromisoformat, False),
    timedelta: (scalars.DURATION, timedelta, scalars.read_duration, False),
}

# By name: importing pydantic.types and pydantic.networks costs a quarter of Pydantic's own import time.
_PYDANTIC_INSTANTS: dict[str, _Instant] = {
    "AwareDatetime": (scalars.AWARE_DATETIME, datetime, datetime.fromisoformat, False),
    "NaiveDatetime": (scalars.NAIVE_DATETIME, datetime, datetime.fromisoformat, False),
    "PastDate": (scalars.DATE, date, date.fromisoformat, True),
    "FutureDate": (scalars.DATE, date, date.fromisoformat, True),
    "PastDatetime": (scalars.DATETIME, datetime, datetime.fromisoformat, True),
    "FutureDatetime": (scalars.DATETIME, datetime, datetime.fromisoformat, True),
}
_URLS = ("AnyUrl", "AnyHttpUrl", "HttpUrl")


def _instant_of(tp: Any) -> _Instant | None:
    if not isinstance(tp, type):
        return None
    return _PYDANTIC_INSTANTS.get(tp.__name__) if tp.__module__ == "pydantic.types" else _INSTANTS.get(tp)


def family_of(tp: Any) -> str:
    """Which family of constraints in `constraints.ALLOWED` a scalar type belongs to."""
    if tp in (int, float):
        return "number"
    if tp is str:
        return "text"
    if tp is Decimal:
        return "decimal"
    return "instant" if _instant_of(tp) else "none"


def scalar_kind(tp: type, constraints: Constraints, where: str, note: Note) -> Kind | None:
    """The kind of a scalar type, None for other types. Raises DefinitionError for what it cannot hold."""
    family = family_of(tp)
    if family != "none" or tp is bool:
        only(family, constraints, tp.__name__, where)
    if tp is bool:
        return Scalar({"type": "boolean"}, bool)
    if family == "number":
        return number(tp, constraints, where, note)
    if family == "text":
        return text(constraints, where)
    if family == "decimal":
        return decimal(constraints, where, note)
    if instant := _instant_of(tp):
        return _instant(tp, instant, constraints, note)
    if tp is UUID:
        form = scalars.uuid_form(constraints.uuid_version)
        return Scalar(_form_schema(form), UUID, UUID, str)
    if tp.__module__ != "pydantic.networks":
        return None
    if tp.__name__ in _URLS:
        adapter: TypeAdapter[Any] = TypeAdapter(tp)
        return Scalar(_form_schema(scalars.URL), tp, adapter.validate_python, str)
    if tp.__name__ == "EmailStr":
        note("e-mail rules of the email-validator package")
        kind = Scalar(_form_schema(scalars.EMAIL), str)
        try:
            return Validated(kind, TypeAdapter(tp))
        except ImportError:
            raise DefinitionError(
                f"{where}: EmailStr needs the package email-validator",
                hint="pip install 'pydantic[email]', or use speeddial.contract.Email",
            ) from None
    return None


def number(tp: type, constraints: Constraints, where: str, note: Note) -> Kind:
    """An int or float within its bounds; where there are none, within ±`LARGEST`."""
    for bound, _ in constraints.low + constraints.high:
        if isinstance(bound, bool) or not isinstance(bound, int | float | Decimal) or math.isnan(bound):
            raise DefinitionError(
                f"{where}: the bound {bound!r} is not a number", hint="give an int or float"
            )
    schema: Schema = {"type": "integer" if tp is int else "number"}
    low, low_open = max(constraints.low, default=(-LARGEST, False))
    high, high_open = min(constraints.high, key=lambda item: (item[0], not item[1]), default=(LARGEST, False))
    if tp is int:
        low = -LARGEST if low < -LARGEST else math.floor(low) + 1 if low_open else math.ceil(low)
        high = LARGEST if high > LARGEST else math.ceil(high) - 1 if high_open else math.floor(high)
        low_open = high_open = False
    else:
        low, low_open = (-LARGEST, False) if low < -LARGEST else (low, low_open)
        high, high_open = (LARGEST, False) if high > LARGEST else (high, high_open)
        low, high = (int(bound) if bound == int(bound) else float(bound) for bound in (low, high))
    if low > high or (low == high and (low_open or high_open)):
        raise DefinitionError(f"{where}: no number lies between {low} and {high}", hint="widen the bounds")
    schema["exclusiveMinimum" if low_open else "minimum"] = low
    schema["exclusiveMaximum" if high_open else "maximum"] = high
    step = constraints.step
    if step is not None:
        if step <= 0 or (tp is int and step != int(step)):
            raise DefinitionError(
                f"{where}: multiple_of={step!r}", hint="give a positive number, a whole one for int"
            )
        schema["multipleOf"] = int(step) if step == int(step) else float(step)
    if tp is int:
        return Scalar(schema, int)
    if step is not None and max(-low, high) > _LARGEST_STEPPED and math.frexp(float(step))[0] != 0.5:
        note(f"multipleOf (Pydantic refuses some multiples of {step} beyond {_LARGEST_STEPPED})")
    return Scalar(schema, float, float, lambda value: as_admitted(value, schema))


def text(constraints: Constraints, where: str) -> Kind:
    """A string within its lengths; its patterns are spelled out so that all readers agree."""
    if constraints.copied and (constraints.patterns or constraints.form):
        raise DefinitionError(
            f"{where}: a pattern beside Copied, whose pattern is the request's", hint="drop one of them"
        )
    if constraints.one_of and constraints.used() - {"OneOf", "Excluded"}:
        raise DefinitionError(
            f"{where}: {', '.join(sorted(constraints.used() - {'OneOf', 'Excluded'}))} beside OneOf",
            hint="drop it, or let the function give only such values",
        )
    if constraints.form is not None:
        if constraints.used() - {"pattern"} or constraints.patterns:
            raise DefinitionError(
                f"{where}: a length or pattern beside {constraints.form.expected}",
                hint="use a plain str with a pattern of your own",
            )
        return Scalar(_form_schema(constraints.form), str)
    schema: Schema = {"type": "string"}
    if len(constraints.patterns) > 1:
        raise DefinitionError(f"{where}: more than one pattern", hint="join them into one")
    for pattern in constraints.patterns:
        schema["pattern"] = plain_pattern(pattern)
        if matcher(schema["pattern"]) is None:
            raise DefinitionError(
                f"{where}: the pattern {pattern!r} does not compile", hint="correct the expression"
            )
    if constraints.min_length:
        schema["minLength"] = constraints.min_length
    schema["maxLength"] = longest(constraints, scalars.STRING_LENGTH, where)
    if constraints.copied:
        schema |= constraints.copied.keywords
    if constraints.one_of:
        schema |= constraints.one_of.keywords
    if constraints.excluded:
        schema |= constraints.excluded.keywords
    return Scalar(schema, str)


def decimal(constraints: Constraints, where: str, note: Note) -> Kind:
    """A Decimal as text, so that no digit is lost."""
    digits, places = constraints.digits, constraints.places
    if digits is not None and not 0 < digits <= 38:
        raise DefinitionError(f"{where}: max_digits={digits}", hint="give 1 to 38")
    if places is not None and not 0 <= places <= (digits or 38):
        raise DefinitionError(f"{where}: decimal_places={places}", hint="give 0 up to max_digits")
    # A sign that the bounds exclude is excluded by the grammar, the rest of the bounds by the check.
    negative = not any(bound >= 0 for bound, _ in constraints.low)
    bounds = [pair for pair in constraints.low if pair != (0, False)], constraints.high
    kind = Scalar(
        _form_schema(scalars.decimal_form(digits, places, negative)),
        Decimal,
        _bounded(Decimal, *bounds, constraints.step, note),
        lambda value: scalars.write_decimal(value, places if digits is None else places or digits),
    )
    return kind


def _instant(tp: type, instant: _Instant, constraints: Constraints, note: Note) -> Kind:
    form, python, read, more = instant
    write = scalars.write_duration if python is timedelta else _isoformat
    kind = Scalar(
        _form_schema(form), python, _bounded(read, constraints.low, constraints.high, None, note), write
    )
    if not more:
        return kind
    note(tp.__name__)
    return Validated(kind, TypeAdapter(tp))


def _isoformat(value: Any) -> str:
    text: str = value.isoformat()
    return text


def _form_schema(form: TextForm) -> Schema:
    schema: Schema = {"type": "string", "pattern": form.pattern}
    if form.longest is not None:
        schema["maxLength"] = form.longest
    return {**schema, "$comment": form.expected, "examples": [form.example]}


def _bounded(
    read: Callable[[str], Any],
    low: list[tuple[Any, bool]],
    high: list[tuple[Any, bool]],
    step: Any,
    note: Note,
) -> Callable[[str], Any]:
    """`read`, followed by the bounds that a pattern cannot express; raises ValueError beyond them."""
    rules: list[tuple[str, Callable[[Any], bool]]] = []
    for bounds, names, tests in (
        (low, (">=", ">"), (operator.ge, operator.gt)),
        (high, ("<=", "<"), (operator.le, operator.lt)),
    ):
        for bound, excluded in bounds:
            rules.append((f"{names[excluded]} {bound}", _against(tests[excluded], bound)))
    if step is not None:
        unit = Decimal(str(step))
        rules.append((f"a multiple of {step}", lambda value: not value % unit))
    if not rules:
        return read
    note(" and ".join(name for name, _ in rules))

    def bounded(value: str) -> Any:
        result = read(value)
        for name, holds in rules:
            try:
                fits = holds(result)
            except TypeError as error:
                raise ValueError(str(error)) from None
            if not fits:
                raise ValueError(name)
        return result

    return bounded


def _against(test: Callable[[Any, Any], Any], bound: Any) -> Callable[[Any], bool]:
    return lambda value: bool(test(value, bound))
