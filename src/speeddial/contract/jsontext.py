"""JSON text, strictly: one value, no duplicate keys, finite numbers, and one compact way to write it."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NoReturn

from speeddial.errors import ContractViolation, Problem

_INTEGER_DIGITS = 1000
"""Longer integers are refused as text: Python's own int() is quadratic and stops at 4,300 digits."""


DEEPEST = 64
"""Levels of nesting that are read: checks and loaders are recursive, and callers have frames of their own."""


class FixedFloat(float):
    """A float that is written with a fixed number of decimals, as llguidance's `multipleOf` wants it."""

    __slots__ = ("decimals",)
    decimals: int

    def __new__(cls, value: float, decimals: int) -> FixedFloat:
        number = super().__new__(cls, value)
        number.decimals = decimals
        return number


def as_admitted(value: float, schema: dict[str, Any]) -> float:
    """`value`, so that `write_json` gives a text that the grammar of this schema of numbers admits."""
    low, high = schema.get("minimum"), schema.get("maximum")
    # llguidance 1.9.1 admits 0 and not 0.0 under a maximum of 0, 3 and not 3.0 between 3 and 3.
    whole = float(value).is_integer()
    if whole and (high == 0 or (low is not None and low == high)):
        return int(value)
    if "multipleOf" in schema:
        exponent = Decimal(repr(schema["multipleOf"])).normalize().as_tuple().exponent
        if isinstance(exponent, int) and exponent < 0:
            return FixedFloat(value, -exponent)
        return int(value) if whole else value
    return value


def parse_json(text: str) -> Any:
    """The one JSON value in `text`, as Python's json module decodes it.

    Integers stay int and everything with a point or an exponent is a float, so that a later type
    check can tell ``5`` from ``5.0``.

    Raises:
        ContractViolation: not one JSON value, something after it, a duplicate key, NaN or Infinity,
            a number that overflows to infinity, an unpaired surrogate, or nesting beyond Python's stack.
    """
    decoder = json.JSONDecoder(
        object_pairs_hook=_unique,
        parse_float=_finite,
        parse_int=_integer,
        parse_constant=_no_constant,
    )
    start = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        value, end = decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        _refuse(_why_not_json(text, start, error), text)
    except RecursionError:
        _refuse(Problem("", "JSON with less nesting", "more levels than can be read"), text)
    except ContractViolation as error:
        raise ContractViolation(error.problems, raw=text) from None
    if _depth(value) > DEEPEST:
        _refuse(Problem("", f"JSON of at most {DEEPEST} levels", "deeper nesting"), text)
    rest = text[end:].strip(" \t\r\n")
    if rest:
        _refuse(Problem("", "one JSON value and nothing after it", f"more text: {short(rest)}"), text)
    try:
        text.encode()
    except UnicodeEncodeError:
        _refuse(Problem("", "valid Unicode text", "an unpaired surrogate"), text)
    if "\\u" in text and _has_surrogate(value):
        _refuse(Problem("", "valid Unicode text", "an unpaired surrogate escape"), text)
    return value


def write_json(value: Any) -> str:
    """Compact JSON in the form that the grammars admit: no spaces, no exponents, key order kept.

    Args:
        value: a JSON value; floats must be finite.
    """
    if isinstance(value, str):
        # llguidance admits U+007F only as an escape.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        return _write_float(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{write_json(key)}:{write_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(write_json(item) for item in value) + "]"
    raise TypeError(f"not a JSON value: {type(value).__name__}")


def short(value: Any, limit: int = 40) -> str:
    """`value` for an error message: at most `limit` characters."""
    text = value if isinstance(value, str) else write_json(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _write_float(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"not a finite number: {value}")
    if value == 0:
        return "0.0" if not isinstance(value, FixedFloat) else f"{0:.{value.decimals}f}"
    if isinstance(value, FixedFloat):
        return f"{Decimal(float.__repr__(value)):.{value.decimals}f}"
    text = float.__repr__(value)
    # Bounded numbers have no exponent in llguidance's grammar.
    if "e" not in text:
        return text
    text = format(Decimal(text), "f")
    return text if "." in text else text + ".0"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ContractViolation([Problem(key, "each key once", f"the key {short(key)} twice")])
            seen.add(key)
    return result


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ContractViolation([Problem("", "a finite number", short(text))])
    return value


def _integer(text: str) -> int:
    if len(text) > _INTEGER_DIGITS:
        raise ContractViolation([Problem("", "a number of ordinary size", f"{len(text)} digits")])
    return int(text)


def _no_constant(text: str) -> NoReturn:
    raise ContractViolation([Problem("", "a finite number", text)])


def _why_not_json(text: str, start: int, error: json.JSONDecodeError) -> Problem:
    body = text[start:]
    if not body:
        return Problem("", "one JSON value", "no text at all")
    if body.startswith("```"):
        return Problem("", "bare JSON without a code fence", short(body))
    # An unterminated string is reported at its start, every other cut at the end of the text.
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return Problem("", "complete JSON", f"JSON that ends early: …{text.rstrip()[-24:]}")
    if error.pos == start:
        return Problem("", "JSON from the first character", short(body))
    return Problem(
        "", "valid JSON", f"{error.msg.lower()} at character {error.pos}: {short(text[error.pos :], 20)}"
    )


def _depth(value: Any) -> int:
    depth = 0
    level = [value] if isinstance(value, dict | list) else []
    while level:
        depth += 1
        inner = itertools.chain.from_iterable(
            item.values() if isinstance(item, dict) else item for item in level
        )
        level = [item for item in inner if isinstance(item, dict | list)]
    return depth


def _has_surrogate(value: Any) -> bool:
    if isinstance(value, str):
        return any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, dict):
        return any(_has_surrogate(key) or _has_surrogate(item) for key, item in value.items())
    if isinstance(value, list):
        return any(_has_surrogate(item) for item in value)
    return False


def _refuse(problem: Problem, text: str) -> NoReturn:
    raise ContractViolation([problem], raw=text) from None
