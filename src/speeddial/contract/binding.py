"""Binding: what a contract takes from each call, texts to copy from and values to choose or to avoid."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from speeddial.contract.check import check
from speeddial.contract.copied import cut
from speeddial.contract.jsontext import write_json
from speeddial.contract.schemas import (
    COPIED,
    COPIED_FROM,
    EXCLUDED,
    ONE_OF,
    Schema,
    holding,
    rewrite,
    subschemas,
)
from speeddial.contract.source import REQUEST, Value
from speeddial.errors import DefinitionError


def bindable_parts(schema: Schema) -> frozenset[int]:
    """``id`` of the subschemas in which something is taken from the call."""
    return holding(schema, lambda inner: not inner.keys().isdisjoint((COPIED, ONE_OF, EXCLUDED)))


def taken_from_calls(schema: Schema) -> Iterator[str]:
    """The lines for `GrammarReport.by_grammar` of what is bound anew for each call."""
    for path, inner in subschemas(schema):
        at = path or "value"
        if COPIED in inner:
            yield f"{at}: copied from the {_said(inner)}"
        if ONE_OF in inner:
            yield f"{at}: one of the {inner[ONE_OF].replace('_', ' ')}"
        if EXCLUDED in inner:
            yield f"{at}: none of the {inner[EXCLUDED].replace('_', ' ')}"


@dataclass
class Bound:
    """What was put into a schema, in the order of its subschemas."""

    copied: list[tuple[str, ...] | None] = field(default_factory=list)
    """The texts of each copied string; None where any string is admitted."""
    chosen: list[str] = field(default_factory=list)
    """What each string with choices may and may not be, as JSON."""

    @classmethod
    def already(cls, schema: Schema) -> Bound:
        """What stands in a schema that came with texts in it."""
        inner = (inner.get(COPIED_FROM) for _, inner in subschemas(schema))
        return cls([tuple(texts) for texts in inner if texts is not None])

    @property
    def form(self) -> tuple[Any, ...]:
        """The same for schemas that differ in the words of their texts alone."""
        numbers = {texts: number for number, texts in enumerate(self.texts)}
        places = [None if texts is None else numbers[texts] for texts in self.copied]
        return tuple(places), tuple(self.chosen)

    @property
    def texts(self) -> list[tuple[str, ...]]:
        """The texts of copied strings, each once."""
        return list(dict.fromkeys(texts for texts in self.copied if texts is not None))


class Copy(NamedTuple):
    """A copied string of a schema."""

    sources: tuple[str, ...]
    texts: tuple[str, ...] | None
    """What it came with; None where it was not bound before."""


def copies(schema: Schema, parts: Collection[int]) -> tuple[Copy, ...] | None:
    """The copied strings of a schema, in the order of its subschemas.

    None where binding may do more than hold them to their texts, so that only `bind` tells what comes of it.
    """
    found: list[Copy] = []
    others = False

    def note(inner: Schema, path: str) -> Any:
        nonlocal others
        if COPIED in inner:
            texts = inner.get(COPIED_FROM)
            found.append(Copy(tuple(_names(inner)), None if texts is None else tuple(texts)))
        others = others or not inner.keys().isdisjoint((ONE_OF, EXCLUDED))
        changed = _without_impossible(inner)
        others = others or changed is False or changed != inner
        return inner

    rewrite(schema, note, among=parts)
    return None if others else tuple(found)


def bind(
    schema: Schema,
    given: Mapping[str, tuple[Value, ...] | None],
    bound: Bound,
    parts: Collection[int] | None = None,
) -> Schema | bool:
    """`schema` with what its sources gave.

    Args:
        given: name of a source -> what it gave.
        bound: filled with what was put in.
        parts: `bindable_parts` of the schema, for one that is bound often.

    Returns:
        The bound schema; False when no value is left to choose from where one is required.
    """

    def change(inner: Schema, path: str) -> Any:
        if COPIED in inner:
            inner = _copied(inner, given)
            texts = inner.get(COPIED_FROM)
            bound.copied.append(None if texts is None else tuple(texts))
        if inner.get(ONE_OF) in given and given[inner[ONE_OF]] is not None:
            inner = {**inner, "enum": _chosen(inner, given[inner[ONE_OF]] or ())}
        if inner.get(EXCLUDED) in given and given[inner[EXCLUDED]]:
            inner = {**inner, "not": {"enum": list(given[inner[EXCLUDED]] or ())}}
        if ONE_OF in inner and "enum" in inner:
            inner["enum"] = [value for value in inner["enum"] if not check(value, inner, inner)]
        if inner.keys() & {ONE_OF, EXCLUDED}:
            bound.chosen.append(write_json([inner.get("enum"), inner.get("not")]))
        if ONE_OF in inner and inner.get("enum") == []:
            return False
        return _without_impossible(inner)

    result: Schema | bool = rewrite(schema, change, among=parts)
    return result


def _chosen(inner: Schema, values: Sequence[Value]) -> list[Value]:
    text = inner.get("type") == "string"
    for value in values:
        if isinstance(value, str) is not text:
            raise DefinitionError(
                f"{inner[ONE_OF]} gave {value!r}, which is {'not text' if text else 'no number'}",
                hint="a source gives values of the parameter's type",
            )
    return list(values)


def texts_for(
    sources: Sequence[str], given: Mapping[str, tuple[Value, ...] | None]
) -> tuple[str, ...] | None:
    """The texts that a string copied from these sources is held to; None where any string is admitted."""
    known: list[str] = []
    for source in sources:
        texts = given[source]
        if texts is None:
            return None
        known += map(str, texts)
    return tuple(known) if any(cut(text) for text in known) else None


def _copied(inner: Schema, given: Mapping[str, tuple[Value, ...] | None]) -> Schema:
    known = texts_for(_names(inner), given)
    if known is None:
        return inner
    first = next(words[0].text for text in known if (words := cut(text)))
    what = f"{inner.get('$comment', 'words')}, copied from the {_said(inner)}"
    return {**inner, "$comment": what, COPIED_FROM: list(known), "examples": [first]}


def _names(inner: Schema) -> list[str]:
    return [REQUEST] if inner[COPIED] is True else inner[COPIED]


def _said(inner: Schema) -> str:
    return " or the ".join(name.replace("_", " ") for name in _names(inner))


def _without_impossible(inner: Schema) -> Schema | bool:
    """`inner` without the parts for which nothing is left to choose; False when it needs one of them."""
    if inner.keys().isdisjoint(("properties", "items", "anyOf")):  # most are
        return inner
    properties: Schema = inner.get("properties", {})
    required = inner.get("required", ())
    if gone := [
        key
        for key, item in properties.items()
        if item is False or (key not in required and _says_nothing(item))
    ]:
        if any(key in required for key in gone):
            return False
        inner = {**inner, "properties": {key: item for key, item in properties.items() if key not in gone}}
    if inner.get("items") is False and "prefixItems" not in inner:
        return False if inner.get("minItems") else {**inner, "maxItems": 0}
    if "anyOf" in inner:
        branches = [branch for branch in inner["anyOf"] if branch is not False]
        return {**inner, "anyOf": branches} if branches else False
    return inner


def _says_nothing(item: Any) -> bool:
    """Whether of an argument only null is left, which is what leaving it out means.

    A model that begins to say a room where there is none to choose from would have to say null: `home` did in
    ten of 702 requests.
    """
    return isinstance(item, dict) and item.get("anyOf") == [{"type": "null"}] and item.get("default") is None
