"""JSON Schemas as data: walking, references, stripping of annotations, hashes, regular expressions."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from pydantic_core import SchemaError, SchemaValidator, core_schema

from speeddial.errors import DefinitionError

Schema = dict[str, Any]

COPIED = "x-copied"
"""Marks a string that is copied, see `speeddial.contract.copied`: true for the request, else its sources."""
COPIED_FROM = "x-copied-from"
"""The texts that a copied string is bound to, in the schema of one call."""
ONE_OF = "x-one-of"
EXCLUDED = "x-excluded"
"""Name the source of a string's values, or of those it may not have, see `speeddial.contract.binding`."""

ANNOTATIONS = frozenset(
    [
        "title",
        "description",
        "$comment",
        "examples",
        "default",
        "deprecated",
        "readOnly",
        "writeOnly",
        "$schema",
        "$id",
        "contentMediaType",
        "contentEncoding",
        "discriminator",
        "x-guidance",
    ]
)
"""Keywords that say nothing about which values are valid; they are in no grammar and no hash."""

IN_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
IN_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
IN_PLACE = [
    "items",
    "additionalProperties",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
]
_INNER = frozenset([*IN_MAPS, *IN_LISTS, *IN_PLACE])


def rewrite(
    schema: Any,
    change: Callable[[Schema, str], Any],
    path: str = "",
    among: Collection[int] | None = None,
) -> Any:
    """A copy of `schema` in which every subschema, innermost first, went through ``change(copy, path)``.

    The path is that of the values it applies to (``steps[].file``), or ``$defs.NAME`` in definitions.

    Args:
        among: ``id`` of the subschemas to go into; all others stay what they are, uncopied.
    """
    if not isinstance(schema, dict) or (among is not None and id(schema) not in among):
        return schema
    result = dict(schema)
    if _INNER.isdisjoint(result):  # most are
        return change(result, path)
    for keyword in IN_MAPS:
        if keyword in result and isinstance(inner := result[keyword], dict):
            result[keyword] = {
                name: rewrite(item, change, _path_in(keyword, name, path), among)
                for name, item in inner.items()
            }
    for keyword in IN_LISTS:
        if keyword in result and isinstance(inner := result[keyword], list):
            result[keyword] = [
                rewrite(item, change, f"{path}[{index}]" if keyword == "prefixItems" else path, among)
                for index, item in enumerate(inner)
            ]
    for keyword in IN_PLACE:
        if keyword in result and isinstance(inner := result[keyword], dict):
            at = f"{path}[]" if keyword in ("items", "contains", "unevaluatedItems") else path
            at = join(path, "*") if keyword == "additionalProperties" else at
            result[keyword] = rewrite(inner, change, at, among)
    return change(result, path)


def _path_in(keyword: str, name: str, path: str) -> str:
    if keyword in ("$defs", "definitions"):
        return f"$defs.{name}"
    if keyword == "dependentSchemas":
        return path
    return join(path, "*" if keyword == "patternProperties" else name)


def holding(schema: Any, wanted: Callable[[Schema], bool]) -> frozenset[int]:
    """``id`` of every subschema that is wanted or has one that is within it; valid while `schema` lives."""
    found: set[int] = set()

    def look(inner: Any) -> bool:
        if not isinstance(inner, dict):
            return False
        below: list[Any] = []
        for keyword, item in inner.items():
            if keyword in IN_MAPS and isinstance(item, dict):
                below += item.values()
            elif keyword in IN_LISTS and isinstance(item, list):
                below += item
            elif keyword in IN_PLACE:
                below.append(item)
        # All are looked at, not only up to the first that holds.
        if any([wanted(inner), *map(look, below)]):
            found.add(id(inner))
            return True
        return False

    look(schema)
    return frozenset(found)


def subschemas(schema: Any, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every subschema with the path of the values it applies to, innermost first."""
    found: list[tuple[str, Schema]] = []

    def note(inner: Schema, at: str) -> Schema:
        found.append((at, inner))
        return inner

    rewrite(schema, note, path)
    return iter(found)


def join(path: str, name: str) -> str:
    """`name` below `path`, dotted."""
    return f"{path}.{name}" if path else name


def without_annotations(schema: Schema) -> Schema:
    """`schema` without what says nothing about validity."""

    def strip(inner: Schema, path: str) -> Schema:
        return {keyword: item for keyword, item in inner.items() if keyword not in ANNOTATIONS}

    stripped: Schema = rewrite(schema, strip)
    return stripped


def hash_of(schema: Schema) -> str:
    """``sha256:`` over the constraints of `schema`: descriptions, titles, examples and defaults do not count.

    Key order counts, because the grammar fixes the order of an object's keys to the schema's.
    """
    text = json.dumps(without_annotations(schema), separators=(",", ":"), ensure_ascii=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def resolve_reference(root: Schema, reference: str) -> Any:
    """The subschema that a ``$ref`` inside the same document names.

    Raises:
        DefinitionError: a remote reference, an anchor, or nothing there.
    """
    if not reference.startswith("#") or (len(reference) > 1 and reference[1] != "/"):
        raise DefinitionError(
            f"$ref {reference!r} points outside the schema",
            hint="put the definition under $defs and refer to it as #/$defs/NAME",
        )
    target: Any = root
    for part in reference[2:].split("/") if len(reference) > 1 else []:
        key = unquote(part).replace("~1", "/").replace("~0", "~")
        try:
            target = target[int(key)] if isinstance(target, list) else target[key]
        except (KeyError, IndexError, TypeError, ValueError):
            raise DefinitionError(
                f"$ref {reference!r}: there is nothing at {part!r}", hint="check the names under $defs"
            ) from None
    return target


_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": " \\t\\n\\r\\f\\v"}
_SPACES = r" \t\n\r\f\v\x1c-\x1f\x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
"""White space for any of the engines; what is no white space must be none for all of them."""
_ZEROS = (
    "660 6f0 7c0 966 9e6 a66 ae6 b66 be6 c66 ce6 d66 de6 e50 ed0 f20 1040 1090 17e0 1810 1946 19d0 "
    "1a80 1a90 1b50 1bb0 1c40 1c50 a620 a8d0 a900 a9d0 a9f0 aa50 abf0 ff10 104a0 10d30 11066 110f0 "
    "11136 111d0 112f0 11450 114d0 11650 116c0 11730 118e0 11950 11c50 11d50 11da0 11f50 16a60 16ac0 "
    "16b50 1d7ce 1d7d8 1d7e2 1d7ec 1d7f6 1e140 1e2f0 1e4f0 1e950 1fbf0"
)
"""Where the ten decimal digits of the other scripts begin (Unicode 15.1)."""
_DIGITS = "".join(rf"\U{start:08x}-\U{start + 9:08x}" for start in (int(zero, 16) for zero in _ZEROS.split()))
_ANYTHING = re.compile(r"\[\\(?:s\\S|S\\s|d\\D|D\\d|w\\W|W\\w)\]")
_OUTSIDE = {
    "d": f"[^0-9{_DIGITS}]",
    # Everyone's words begin beyond ASCII at other places: punctuation that is one for all of them.
    "w": r"[\x00-/:-@\[-^`{-\x7f\u2010-\u2027\u2030-\u203e\u20a0-\u20bf\u2190-\u23ff\u3001-\u3003]",
    "s": f"[^{_SPACES}]",
}


@lru_cache(maxsize=1024)
def plain_pattern(pattern: str) -> str:
    r"""`pattern` with ``\d``, ``\w``, ``\s`` and their opposites spelled out.

    Python, Rust (Pydantic), JavaScript and llguidance disagree about them beyond ASCII; spelled out, in the
    sense in which all of them agree, the grammar, the check and an independent validator see one language.
    """
    out: list[str] = []
    inside = negated = False
    index = 0
    while index < len(pattern):
        character = pattern[index]
        if not inside and (anything := _ANYTHING.match(pattern, index)):
            out.append(anything.group())
            index = anything.end()
            continue
        if character == "\\" and index + 1 < len(pattern):
            escaped = pattern[index + 1]
            index += 2
            if escaped in _CLASSES:
                members = _SPACES if escaped == "s" and negated else _CLASSES[escaped]
                out.append(members if inside else f"[{members}]")
            elif escaped.lower() in _OUTSIDE and not inside:
                out.append(_OUTSIDE[escaped.lower()])
            elif escaped in "Zz" and not inside:
                out.append("$")
            elif escaped == "A" and not inside:
                out.append("^")
            else:
                out.append("\\" + escaped)
            continue
        if character == "[" and not inside:
            inside, negated = True, pattern[index + 1 : index + 2] == "^"
        elif character == "]" and inside and out[-1:] not in (["["], ["^"]):
            inside = negated = False
        out.append(character)
        index += 1
    return "".join(out)


_NEGATED = re.compile(r"(\\.)|\[\^(\]?)")


def without_nul(pattern: str) -> str:
    """`pattern` whose negated classes leave out U+0000, for llguidance.

    A class that holds all control characters admits every short escape there, so that ``[^"]`` admits the
    text of a quotation mark (llguidance 1.9.1).
    """

    def mended(found: re.Match[str]) -> str:
        return found.group(1) or (r"[^\x00\]" if found.group(2) else r"[^\x00")

    return _NEGATED.sub(mended, pattern)


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Callable[[str], bool] | None:
    """A search for `pattern` in a text; None when it does not compile.

    Pydantic's Rust engine runs in linear time, so that a text made to blow up a backtracking engine does not.
    Python's is the fallback for what Rust lacks (look-around).
    """
    try:
        rust = SchemaValidator(core_schema.str_schema(pattern=pattern, strict=True))
    except SchemaError:
        pass
    else:
        return rust.isinstance_python
    try:
        python = re.compile(_with_true_end(pattern))
    except (re.error, OverflowError):
        return None
    return lambda text: python.search(text) is not None


def _with_true_end(pattern: str) -> str:
    """Python's ``$`` also matches before a last line feed; JSON Schema's and Rust's only at the very end."""
    out: list[str] = []
    inside = False
    index = 0
    while index < len(pattern):
        character = pattern[index]
        if character == "\\":
            out.append(pattern[index : index + 2])
            index += 2
            continue
        if character == "[":
            inside = True
        elif character == "]":
            inside = False
        out.append(r"\Z" if character == "$" and not inside else character)
        index += 1
    return "".join(out)
