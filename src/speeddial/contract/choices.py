"""Choices of a parameter: values that are computed for each call, and values that it must not have."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from speeddial.contract.schemas import EXCLUDED, ONE_OF, Schema
from speeddial.contract.source import Source, name_of


@dataclass(frozen=True)
class OneOf:
    """Annotated metadata of a string with values computed for each call: ``Annotated[str, OneOf(names)]``.

    The schema and its hash name the function and hold none of its values. Where it gives none at all, an
    optional parameter is left out and a tool that requires it cannot be called.

    Args:
        values: gives the valid strings in the call's context; None leaves the string free.
    """

    values: Source

    @property
    def keywords(self) -> Schema:
        """What says so in a schema."""
        name = name_of(self.values)
        return {ONE_OF: name, "$comment": f"one of the {name.replace('_', ' ')}"}


@dataclass(frozen=True)
class Excluded:
    """Annotated metadata of a string that is none of some: ``Annotated[str, Excluded({"id", "all"})]``.

    Args:
        values: the strings, or a function that gives them in the call's context.
    """

    values: Collection[str] | Source

    @property
    def keywords(self) -> Schema:
        """What says so in a schema."""
        if callable(self.values):
            return {EXCLUDED: name_of(self.values)}
        return {"not": {"enum": sorted(self.values)}}


def pattern_without(values: Collection[str]) -> str:
    """A pattern of every string but these: what leaves their tree of letters, and its inner nodes."""
    tree: dict[str, dict[str, object]] = {}
    for value in values:
        node = tree
        for character in value:
            node = node.setdefault(character, {})  # type: ignore[assignment]
        node[""] = {}
    return f"^{_outside(tree)}$"


def _outside(node: dict[str, dict[str, object]]) -> str:
    letters = [letter for letter in node if letter]
    if not letters:
        return r"[\s\S]+" if "" in node else r"[\s\S]*"
    ways = [f"{_literal(letter)}{_outside(node[letter])}" for letter in letters]  # type: ignore[arg-type]
    # Without U+0000: a class with all control characters admits every escape in llguidance 1.9, also those
    # of letters that are not in it.
    ways.append(f"[^{''.join(map(_literal, letters))}\\x00][\\s\\S]*")
    if "\0" not in letters:
        ways.append(r"\x00[\s\S]*")
    # Where one of the strings ends something must follow; elsewhere the text may end too.
    return f"(?:{'|'.join(ways)}){'' if '' in node else '?'}"


def _literal(letter: str) -> str:
    return f"\\{letter}" if letter in r"\.+*?()|[]{}^$-&~#" else letter
