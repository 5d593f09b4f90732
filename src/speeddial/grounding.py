"""Grounding: arguments held to what a request says, of tools that say nothing of it themselves.

A small model fills in what is missing ("water the roses" for a minute, a flight for 1). Held to the request,
a string is copied from it, or is a day or a time that it says; a date, a time and a number are such as it
says. Where it says none, an optional argument is left out, and a tool that requires it can only be asked
about. A choice of which it says a value is that value, and a call that stands alone has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any

from speeddial.contract import Contract
from speeddial.contract.scalars import DATE
from speeddial.contract.schemas import COPIED, ONE_OF, Schema, rewrite
from speeddial.contract.source import Source, name_of
from speeddial.errors import Problem
from speeddial.tool import ToolContext
from speeddial.values.found import KINDS, phrases
from speeddial.values.numbers import as_number, numbers_found

_OWN = frozenset({"enum", "const", "format", "pattern", "x-copied", "x-one-of", "x-excluded"})
"""Keywords of a schema that says by itself which values there are."""
_COUNTS = {"once": 1, "single": 1, "twice": 2, "both": 2, "couple": 2, "pair": 2, "double": 2, "dozen": 12}
_SHARES = {"half": "0.5", "quarter": "0.25", "third": "0.333"}
_PERCENT = re.compile(r"(\d+(?:\.\d+)?) ?(?:%|per ?cent\b)")
_SHORT = 2
_DENIED = r"\b(?:not?|t|never|nor|without|except|but|than)(?: \w+){{0,2}} {}\b"
"""Of texts in plain words, where "don't" is two."""
_AS_DATE, _AS_TIME = re.compile(r"YYYY-MM-DD(?![T ]*HH)"), re.compile(r"(?<![T ])HH:MM(?!:SS| ?[AaPp])")
_AMOUNT = re.compile(r"(?i)[\w.,]+(?= (?:minute|hour|day|night|week|month|year)s?\b)")
"""Of days and times, which are no amounts themselves: "14 nights from 1 May"."""
_COUNTED_FROM = re.compile(r"\b(?:from|after|before|since)\b")
_NUMERALS = re.compile(r"(?i)\b(?:{})\b".format("|".join([*_COUNTS, *_SHARES])))


@lru_cache(maxsize=1024)
def grounded(contract: Contract) -> Contract:
    """A tool's contract with the strings, dates, choices and numbers of the request to which it is bound."""
    sources: dict[str, Source] = {}

    def taken(inner: Schema, source: Source) -> Schema:
        sources[name_of(source)] = source
        return {**inner, ONE_OF: name_of(source)}

    def held(inner: Schema, path: str) -> Any:
        kind, own = inner.get("type"), _OWN & inner.keys()
        if kind == "string" and own == {"enum"}:
            return taken(inner, choices_said(tuple(inner["enum"])))
        if kind == "string" and _is_date(inner):
            return taken(inner, days_said)
        if own:
            return inner
        if kind in ("integer", "number"):
            return taken(inner, whole_numbers_said if kind == "integer" else numbers_said)
        if kind == "string" and _AS_TIME.search(inner.get("description", "")):
            return taken(inner, times_said)
        if kind == "string":
            return {"anyOf": [{**inner, COPIED: True}, taken(inner, days_and_times_said)]}
        return inner

    return contract.narrowed(rewrite(contract.full_schema, held), sources)


def _is_date(schema: Schema) -> bool:
    """Whether a schema of texts says that it wants a date and nothing more."""
    own = _OWN & schema.keys()
    if not own:
        return _AS_DATE.search(schema.get("description", "")) is not None
    return (own == {"format"} and schema["format"] == "date") or (
        own <= {"format", "pattern"} and schema.get("pattern") == DATE.pattern
    )


def lacking(contract: Contract, context: ToolContext) -> tuple[str, ...]:
    """Required arguments of a grounded contract that the request cannot give.

    Of some it says nothing of their kind. Where it says fewer numbers than are required, those lack whose
    names it does not say either.
    """
    found = contract.lacking(context)
    if found or context.references:
        return found
    parts = contract.full_schema.get("properties", {})
    numbers = {
        name: _required_numbers(parts.get(name, {})) for name in contract.full_schema.get("required", ())
    }
    if sum(numbers.values()) <= len(list(_numbers(context.request, context.now))):
        return ()
    wanted = [name for name, count in numbers.items() if count]
    said = set(re.findall(r"\w+", context.request.lower()))
    return tuple(name for name in wanted if said.isdisjoint(_words(name))) or tuple(wanted)


def said(contract: Contract, context: ToolContext) -> tuple[str, ...]:
    """Required arguments of a grounded contract that need not be asked for: the request says their value.

    A choice is said by its words, a number before a word of the argument's name ("9 hours"), and dates where
    there are as many as are required. What else is said only a model can tell.
    """
    if context.references:
        return ()
    parts = contract.full_schema.get("properties", {})
    required = {name: parts.get(name, {}) for name in contract.full_schema.get("required", ())}
    dates = [name for name, schema in required.items() if schema.get(ONE_OF) == days_said.__name__]
    enough = len(days_said(context) or ()) >= len(dates)
    text = _plain(context.request)
    counted = {_one(word) for word in _words_after_numbers(context.request)}
    return tuple(
        name
        for name, schema in required.items()
        if (name in dates and enough)
        or (schema.get("type") == "string" and any(_stands(value, text) for value in schema.get("enum", ())))
        or (_required_numbers(schema) == 1 and not counted.isdisjoint(map(_one, _words(name))))
    )


def told(contract: Contract, context: ToolContext) -> tuple[str, ...]:
    """Optional arguments of a grounded contract that a call which stands alone has: the request says them.

    It says one value of a choice, or one day where the tool takes one day. Of requests for one call that say
    the one value of an optional choice, 415 of 427 have it in the call, of those for several calls 204 of 255
    (Schema-Guided Dialogue and generated ones).
    """
    if context.references:
        return ()
    parts, required = contract.full_schema.get("properties", {}), contract.full_schema.get("required", ())
    text = _plain(context.request)
    days = [name for name, schema in parts.items() if schema.get(ONE_OF) == days_said.__name__]
    one_day = len(days) == len(days_said(context) or ()) == 1
    return tuple(
        name
        for name, schema in parts.items()
        if name not in required
        and (
            (one_day and name in days)
            or (ONE_OF in schema and "enum" in schema and len(_choices(schema["enum"], text)) == 1)
        )
    )


@dataclass(frozen=True)
class Twice:
    """Arguments of one call that hold words which the request says fewer times than they do."""

    optional: tuple[str, ...]
    required: tuple[str, ...]
    """Beside each other; one that shares its words with optional ones alone is not here."""
    problems: list[Problem]


def twice(contract: Contract, arguments: Mapping[str, Any], context: ToolContext) -> Twice:
    """What shares its words with another argument: one of them is wrong.

    "Find books about jazz" is for a subject or for an author, not for both. A small model that began with an
    argument of which nothing is said gives it what is at hand: of 139 calls of development cases that
    did so none was right, of 4,888 right calls none does.

    Args:
        contract: of the tool as it came, not `grounded`.
    """
    parts, required = contract.full_schema.get("properties", {}), contract.full_schema.get("required", ())
    holders: dict[str, list[str]] = {}
    for name, value in arguments.items():
        if name in parts:
            for words in {_plain(text) for text in _copied_texts(value, parts[name])}:
                holders.setdefault(words, []).append(name)
    text = f" {_plain(context.request).replace(' ', '  ')} "
    shared = {
        words: names
        for words, names in holders.items()
        if words and 1 <= text.count(f" {words.replace(' ', '  ')} ") < len(names)
    }
    problems = [
        Problem(f"arguments.{name}", f"other words than {other} holds", json.dumps(words, ensure_ascii=False))
        for words, names in shared.items()
        for name, other in pairwise(reversed(names))
    ]
    needed = [[name for name in names if name in required] for names in shared.values()]
    return Twice(
        tuple(dict.fromkeys(name for names in shared.values() for name in names if name not in required)),
        tuple(dict.fromkeys(name for names in needed if len(names) > 1 for name in names)),
        problems,
    )


def _copied_texts(value: Any, schema: Schema) -> Iterator[str]:
    if isinstance(value, str) and _OWN.isdisjoint(schema):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _copied_texts(item, schema.get("items") or {})


@lru_cache(maxsize=4096)
def choices_said(values: tuple[str, ...]) -> Source:
    """The values of a choice whose words a request says; None, which is all, where it says or denies none."""

    def given(context: ToolContext) -> tuple[str, ...] | None:
        return None if context.references else _choices(values, _plain(context.request)) or None

    given.__name__ = f"choices said of {', '.join(values)}"
    return given


def _choices(values: Sequence[str], text: str) -> tuple[str, ...]:
    """Those of the values that stand in a text; none where one of them is denied."""
    found = tuple(value for value in values if _stands(value, text))
    denied = any(re.search(_DENIED.format(_plain(value)), text) for value in found)
    return () if denied else found


def _stands(value: Any, text: str) -> bool:
    """Whether the words of a choice stand in a text; "a" and "on" stand anywhere."""
    words = _plain(str(value))
    return len(words) > _SHORT and f" {words} " in f" {text} "


def _plain(text: str) -> str:
    """The words of a text in small letters with a blank between each two."""
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def _words_after_numbers(text: str) -> Iterator[str]:
    for found in numbers_found(text):
        yield from re.findall(rf"{re.escape(found)} (\w+)", text.casefold())


def _one(word: str) -> str:
    """A plural's singular, near enough to compare."""
    return word.removesuffix("s")


def _words(name: str) -> list[str]:
    """Those of an argument's name, "baseLength" and "base_length" alike."""
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def _required_numbers(schema: Schema) -> int:
    if schema.get(ONE_OF) in (numbers_said.__name__, whole_numbers_said.__name__):
        return 1
    parts = schema.get("properties", {})
    return sum(_required_numbers(parts.get(name, {})) for name in schema.get("required", ()))


def numbers_said(context: ToolContext) -> tuple[int | float, ...] | None:
    """Every number that the request says, in digits or words; None where results of earlier steps count."""
    if context.references:
        return None
    found = dict.fromkeys(_numbers(context.request, context.now))
    return tuple(int(number) if number == int(number) else float(number) for number in found)


def whole_numbers_said(context: ToolContext) -> tuple[int | float, ...] | None:
    """Those of `numbers_said` that are whole."""
    found = numbers_said(context)
    return None if found is None else tuple(number for number in found if isinstance(number, int))


def days_said(context: ToolContext) -> tuple[str, ...] | None:
    """Days of the request as ISO 8601 writes them; None where results of earlier steps count."""
    if context.references:
        return None
    text, now = context.request, context.now
    found = [
        phrase
        for whole in phrases("date", text, now)
        # "Seven nights from 1 May" says two days.
        for phrase in (
            whole,
            *(inner for part in _COUNTED_FROM.split(whole)[1:] for inner in phrases("date", part, now)),
        )
    ]
    return tuple(dict.fromkeys(str(KINDS["date"].read(phrase, now)) for phrase in found))


def times_said(context: ToolContext) -> tuple[str, ...] | None:
    """Times of the request as ``HH:MM``; None where results of earlier steps count."""
    if context.references:
        return None
    text, now = context.request, context.now
    clocks = [KINDS["time"].read(phrase, now) for phrase in phrases("time", text, now)]
    return tuple(dict.fromkeys(_clock(clock) for clock in clocks))


def days_and_times_said(context: ToolContext) -> tuple[str, ...] | None:
    """Days and times of the request as ISO 8601 writes them, which tools mostly ask for."""
    days, times = days_said(context), times_said(context)
    return None if days is None or times is None else tuple(dict.fromkeys([*days, *times]))


def _clock(clock: object) -> str:
    assert isinstance(clock, time)
    return clock.isoformat("auto" if clock.second else "minutes")


def _numbers(text: str, now: datetime) -> Iterator[Decimal]:
    """Each number of a text as often as it is said; a share of a hundred in both forms."""
    for phrase in (*phrases("date", text, now), *phrases("time", text, now)):
        text = text.replace(phrase, f" {' '.join(found[0] for found in _AMOUNT.finditer(phrase))} ")
    text = text.lower()
    for found in numbers_found(text):
        yield from _read(found)
    for numeral in _NUMERALS.finditer(text):
        word = numeral[0].lower()
        yield Decimal(_COUNTS.get(word) or _SHARES[word])
    yield from (Decimal(found[1]) / 100 for found in _PERCENT.finditer(text))


def _read(phrase: str) -> Iterator[Decimal]:
    """The number of a phrase, or of each of its words where they make none ("five twelve")."""
    try:
        yield as_number(phrase)
    except ValueError:
        words = phrase.replace("-", " ").split()
        for word in words if len(words) > 1 else ():
            yield from _read(word)
