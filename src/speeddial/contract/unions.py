"""Whether the branches of a union can be told apart by the JSON text alone."""

from __future__ import annotations

from typing import Any

from speeddial.contract.check import check
from speeddial.contract.kinds import (
    Choice,
    Kind,
    ListKind,
    MapKind,
    Reference,
    Scalar,
    Struct,
    TupleKind,
    Typed,
    Union,
    Validated,
)
from speeddial.contract.scalars import EMAIL, URL
from speeddial.contract.schemas import Schema
from speeddial.errors import ContractViolation

_NO_ROOT: Schema = {}
Pairs = frozenset[tuple[int, int]]


def in_order(branches: list[Kind]) -> list[Kind]:
    """Branches with the narrower reading first: constants, then integers before floats."""

    def rank(kind: Kind) -> int:
        if isinstance(kind, Choice):
            return 0
        return 2 if isinstance(kind, Scalar) and kind.python is float else 1

    return sorted(branches, key=rank)


def conflict(one: Kind, other: Kind, seen: Pairs = frozenset()) -> bool:
    """Whether some JSON value would be read as two different Python values; True when that is not sure."""
    one, other = _target(one), _target(other)
    if one is other or (id(one), id(other)) in seen:
        return False
    seen = seen | {(id(one), id(other))}
    if isinstance(one, Validated):
        return conflict(one.inner, other, seen)
    if isinstance(other, Validated):
        return conflict(one, other.inner, seen)
    if not overlap(one, other, seen):
        return False
    if isinstance(one, Typed) or isinstance(other, Typed):
        return True
    if isinstance(one, Union):
        return any(conflict(branch, other, seen) for branch in one.branches)
    if isinstance(other, Union):
        return any(conflict(one, branch, seen) for branch in other.branches)
    if isinstance(one, Choice):
        return any(_reads_otherwise(constant, python, other) for constant, python in one.table)
    if isinstance(other, Choice):
        return conflict(other, one, seen)
    if isinstance(one, Scalar) and isinstance(other, Scalar):
        numbers = {one.python, other.python} == {int, float}
        return one.python is not other.python and not numbers
    if isinstance(one, ListKind) and isinstance(other, ListKind):
        return one.python is not other.python or conflict(one.item, other.item, seen)
    if isinstance(one, TupleKind) and isinstance(other, TupleKind):
        return any(conflict(left, right, seen) for left, right in zip(one.items, other.items, strict=True))
    if isinstance(one, MapKind) and isinstance(other, MapKind):
        return conflict(one.item, other.item, seen)
    return True


def overlap(one: Kind, other: Kind, seen: Pairs = frozenset()) -> bool:
    """Whether some JSON value may satisfy both kinds; True when that is not sure."""
    one, other = _target(one), _target(other)
    if isinstance(one, Union):
        return any(overlap(branch, other, seen) for branch in one.branches)
    if isinstance(other, Union):
        return any(overlap(one, branch, seen) for branch in other.branches)
    if isinstance(one, Choice):
        return any(_admits(other, constant) for constant, _ in one.table)
    if isinstance(other, Choice):
        return overlap(other, one, seen)
    left, right = _json_type(one), _json_type(other)
    if left != right and {left, right} != {"integer", "number"}:
        return False
    if isinstance(one, Scalar) and isinstance(other, Scalar):
        return left != "string" or _form(one) == _form(other) or "" in (_form(one), _form(other))
    if left == "array":
        return _arrays_overlap(one, other, seen)
    if left == "object":
        return _objects_overlap(one, other, seen)
    return True


def _target(kind: Kind) -> Kind:
    while True:
        if isinstance(kind, Reference) and kind.target is not None:
            kind = kind.target
        else:
            return kind


def _inner(kind: Kind) -> Kind:
    kind = _target(kind)
    while isinstance(kind, Validated | Typed):
        kind = _target(kind.inner)
    return kind


def _json_type(kind: Kind) -> Any:
    kind = _inner(kind)
    if isinstance(kind, Reference):
        return "object"
    return kind.schema.get("type")


def _form(kind: Kind) -> str:
    """The family of a string's texts; texts of two named families never coincide, "" may be any text."""
    kind = _inner(kind)
    if not isinstance(kind, Scalar):
        return ""
    pattern = kind.schema.get("pattern")
    if pattern in (EMAIL.pattern, URL.pattern):
        return str(pattern)
    return "" if kind.python is str else kind.python.__name__


def _admits(kind: Kind, constant: Any) -> bool:
    kind = _inner(kind)
    if isinstance(kind, Choice | Scalar):
        return not check(constant, kind.schema, _NO_ROOT)
    if isinstance(kind, Union):
        return any(_admits(branch, constant) for branch in kind.branches)
    return False


def _reads_otherwise(constant: Any, python: Any, other: Kind) -> bool:
    if not _admits(other, constant):
        return False
    try:
        read = _inner(other).load(constant, "")
    except ContractViolation:
        return False
    return type(read) is not type(python) or bool(read != python)


def _arrays_overlap(one: Kind, other: Kind, seen: Pairs) -> bool:
    one, other = _inner(one), _inner(other)
    low, high = _lengths(one)
    other_low, other_high = _lengths(other)
    if high < other_low or other_high < low:
        return False
    count = max(low, other_low)
    items = (_items(one, count), _items(other, count))
    return all(overlap(left, right, seen) for left, right in zip(*items, strict=True))


def _lengths(kind: Kind) -> tuple[int, int]:
    return kind.schema.get("minItems", 0), kind.schema.get("maxItems", 1 << 60)


def _items(kind: Kind, count: int) -> list[Kind]:
    if isinstance(kind, TupleKind):
        return kind.items
    return [kind.item] * count if isinstance(kind, ListKind) else []


def _objects_overlap(one: Kind, other: Kind, seen: Pairs) -> bool:
    one, other = _inner(one), _inner(other)
    if (id(one), id(other)) in seen and one is not other:
        # Reached again through a recursion: what would tell them apart lies elsewhere.
        pass
    for left, right in ((one, other), (other, one)):
        if not isinstance(left, Struct):
            continue
        for item in left.fields:
            if not item.required:
                continue
            if isinstance(right, Struct):
                match = next((field for field in right.fields if field.key == item.key), None)
                if match is None or not _shallow_overlap(item.kind, match.kind):
                    return False
            elif isinstance(right, MapKind):
                if check({item.key: None}, {**right.schema, **_any_values(right.schema)}, _NO_ROOT):
                    return False
                if not _shallow_overlap(item.kind, right.item):
                    return False
    return True


def _any_values(schema: Schema) -> Schema:
    return {
        "minProperties": 0,
        "required": [],
        "properties": dict.fromkeys(schema.get("properties", ()), True),
        "patternProperties": dict.fromkeys(schema.get("patternProperties", ()), True),
    }


def _shallow_overlap(one: Kind, other: Kind) -> bool:
    """`overlap` that does not go into objects, so that it ends on recursive types."""
    one, other = _inner(one), _inner(other)
    if _json_type(one) == _json_type(other) and _json_type(one) in ("object", "array"):
        return True
    return overlap(one, other)
