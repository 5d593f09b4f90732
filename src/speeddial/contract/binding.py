"""Binding: what a contract takes from each call, texts to copy from and values to choose or to avoid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from speeddial.contract.copied import words_of
from speeddial.contract.schemas import COPIED, COPIED_FROM, EXCLUDED, ONE_OF, Schema, rewrite, subschemas
from speeddial.contract.source import REQUEST


def is_bindable(schema: Schema) -> bool:
    """Whether anything in `schema` is taken from the call."""
    return any(inner.keys() & {COPIED, ONE_OF, EXCLUDED} for _, inner in subschemas(schema))


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


def bind(schema: Schema, given: Mapping[str, tuple[str, ...] | None]) -> Schema | bool:
    """`schema` with what its sources gave.

    Args:
        given: name of a source -> what it gave.

    Returns:
        The bound schema; False when no value is left to choose from where one is required.
    """

    def change(inner: Schema, path: str) -> Any:
        if COPIED in inner:
            inner = _copied(inner, given)
        if inner.get(ONE_OF) in given and given[inner[ONE_OF]] is not None:
            inner = {**inner, "enum": list(given[inner[ONE_OF]] or ())}
        if inner.get(EXCLUDED) in given and given[inner[EXCLUDED]]:
            inner = {**inner, "not": {"enum": list(given[inner[EXCLUDED]] or ())}}
        if ONE_OF in inner and "enum" in inner:
            gone = inner.get("not", {}).get("enum", ())
            inner["enum"] = [value for value in inner["enum"] if value not in gone]
            if not inner["enum"]:
                return False
        return _without_impossible(inner)

    bound: Schema | bool = rewrite(schema, change)
    return bound


def _copied(inner: Schema, given: Mapping[str, tuple[str, ...] | None]) -> Schema:
    texts = [given[name] for name in _names(inner)]
    known = [text for several in texts if several is not None for text in several]
    first = next((words[0] for text in known if (words := words_of(text))), "")
    if None in texts or not first:
        return inner
    what = f"{inner.get('$comment', 'words')}, copied from the {_said(inner)}"
    return {**inner, "$comment": what, COPIED_FROM: known, "examples": [first]}


def _names(inner: Schema) -> list[str]:
    return [REQUEST] if inner[COPIED] is True else inner[COPIED]


def _said(inner: Schema) -> str:
    return " or the ".join(name.replace("_", " ") for name in _names(inner))


def _without_impossible(inner: Schema) -> Schema | bool:
    """`inner` without the parts for which nothing is left to choose; False when it needs one of them."""
    properties: Schema = inner.get("properties", {})
    if gone := [key for key, item in properties.items() if item is False]:
        if any(key in inner.get("required", ()) for key in gone):
            return False
        inner = {**inner, "properties": {key: item for key, item in properties.items() if key not in gone}}
    if inner.get("items") is False and "prefixItems" not in inner:
        return False if inner.get("minItems") else {**inner, "maxItems": 0}
    if "anyOf" in inner:
        branches = [branch for branch in inner["anyOf"] if branch is not False]
        return {**inner, "anyOf": branches} if branches else False
    return inner
