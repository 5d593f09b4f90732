"""Kinds: how values of one Python type are written as JSON, read back, and resolved. One class per shape."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from speeddial.contract.check import check, same
from speeddial.contract.decoded import Decoded, ResolveContext
from speeddial.contract.schemas import Schema, join
from speeddial.errors import ContractViolation, Problem

MISSING: Any = object()
"""Marks a key that has no default."""


class Kind(ABC):
    """One Python type in its JSON form.

    `load` and `resolve` get values that the strict check has passed; `dump` gets any Python value of
    the type and its result is checked afterwards.
    """

    schema: Schema
    """The JSON Schema of the values; references point to `Definitions`."""
    typed = False
    """Whether a typed value lies in here, so that `resolve` has something to do."""

    def load(self, value: Any, path: str) -> Any:
        """The Python value of a checked JSON value. Raises ContractViolation from the user's validators."""
        return value

    def dump(self, value: Any, path: str) -> Any:
        """The JSON value of a Python value. Raises ContractViolation when it is of another type."""
        return value

    def resolve(self, value: Any, context: ResolveContext, path: str) -> Any:
        """`value` as loaded, with its typed values resolved."""
        return value

    @abstractmethod
    def owns(self, value: Any) -> bool:
        """Whether a Python value is of this type, looking at the outermost type only."""


@dataclass
class Scalar(Kind):
    """A JSON string, number, boolean or null."""

    schema: Schema
    python: type
    read: Callable[[Any], Any] | None = None
    write: Callable[[Any], Any] | None = None

    def load(self, value: Any, path: str) -> Any:
        if self.read is None:
            return value
        try:
            return self.read(value)
        except (ValueError, OverflowError) as error:
            raise violation(path, f"a valid {self.python.__name__}", str(error)) from None

    def dump(self, value: Any, path: str) -> Any:
        if not self.owns(value):
            raise violation(path, f"a Python {self.python.__name__}", type(value).__name__)
        return self.write(value) if self.write else value

    def owns(self, value: Any) -> bool:
        if self.python is float:
            return type(value) in (float, int) or (isinstance(value, float) and not isinstance(value, bool))
        # bool is a subclass of int, datetime of date: the exact type decides, subclasses of others may pass.
        return type(value) is self.python or (
            self.python.__name__ not in ("int", "date") and isinstance(value, self.python)
        )


@dataclass
class Choice(Kind):
    """A Literal or an Enum: some JSON constants, each with its Python value."""

    schema: Schema
    table: list[tuple[Any, Any]]
    """Pairs of JSON constant and Python value."""

    def load(self, value: Any, path: str) -> Any:
        return next(python for constant, python in self.table if same(value, constant))

    def dump(self, value: Any, path: str) -> Any:
        for constant, python in self.table:
            if type(value) is type(python) and value == python:
                return constant
        raise violation(path, "one of " + ", ".join(repr(python) for _, python in self.table), repr(value))

    def owns(self, value: Any) -> bool:
        return any(type(value) is type(python) and value == python for _, python in self.table)


@dataclass
class ListKind(Kind):
    """A list, or a tuple of any length."""

    schema: Schema
    item: Kind
    python: type = list

    def load(self, value: Any, path: str) -> Any:
        return self.python([self.item.load(item, f"{path}[{index}]") for index, item in enumerate(value)])

    def dump(self, value: Any, path: str) -> Any:
        if not self.owns(value):
            raise violation(path, f"a Python {self.python.__name__}", type(value).__name__)
        return [self.item.dump(item, f"{path}[{index}]") for index, item in enumerate(value)]

    def resolve(self, value: Any, context: ResolveContext, path: str) -> Any:
        if not self.item.typed:
            return value
        return self.python(
            [self.item.resolve(item, context, f"{path}[{index}]") for index, item in enumerate(value)]
        )

    def owns(self, value: Any) -> bool:
        return isinstance(value, self.python)

    def __post_init__(self) -> None:
        self.typed = self.item.typed


@dataclass
class TupleKind(Kind):
    """A tuple of fixed length."""

    schema: Schema
    items: list[Kind]

    def load(self, value: Any, path: str) -> Any:
        return tuple(
            kind.load(item, f"{path}[{index}]")
            for index, (kind, item) in enumerate(zip(self.items, value, strict=False))
        )

    def dump(self, value: Any, path: str) -> Any:
        if not self.owns(value) or len(value) != len(self.items):
            raise violation(path, f"a Python tuple of {len(self.items)}", f"{type(value).__name__}")
        return [
            kind.dump(item, f"{path}[{index}]")
            for index, (kind, item) in enumerate(zip(self.items, value, strict=False))
        ]

    def resolve(self, value: Any, context: ResolveContext, path: str) -> Any:
        if not self.typed:
            return value
        pairs = enumerate(zip(self.items, value, strict=False))
        return tuple(kind.resolve(item, context, f"{path}[{index}]") for index, (kind, item) in pairs)

    def owns(self, value: Any) -> bool:
        return isinstance(value, tuple) and len(value) == len(self.items)

    def __post_init__(self) -> None:
        self.typed = any(kind.typed for kind in self.items)


@dataclass
class MapKind(Kind):
    """A dict with any keys of one form, or with some of a closed set of keys."""

    schema: Schema
    item: Kind
    key: Kind

    def load(self, value: Any, path: str) -> Any:
        return {
            self.key.load(key, path): self.item.load(item, join(path, key)) for key, item in value.items()
        }

    def dump(self, value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise violation(path, "a Python dict", type(value).__name__)
        result = {
            self.key.dump(key, path): self.item.dump(item, f"{path}.{key}") for key, item in value.items()
        }
        # Closed keys are decoded in the schema's order.
        order = list(self.schema.get("properties", ()))
        return dict(sorted(result.items(), key=lambda pair: order.index(pair[0]) if pair[0] in order else 0))

    def resolve(self, value: Any, context: ResolveContext, path: str) -> Any:
        if not self.item.typed:
            return value
        return {key: self.item.resolve(item, context, f"{path}.{key}") for key, item in value.items()}

    def owns(self, value: Any) -> bool:
        return isinstance(value, dict)

    def __post_init__(self) -> None:
        self.typed = self.item.typed


@dataclass
class Field:
    """One key of an object."""

    key: str
    """As it stands in JSON."""
    name: str
    """As it is called in Python."""
    kind: Kind
    required: bool = True
    default: Any = MISSING
    """A value that need not be written; MISSING when every value is."""


@dataclass
class Struct(Kind):
    """An object with known keys: a Pydantic model, dataclass, TypedDict or a function's parameters."""

    schema: Schema
    python: type
    fields: list[Field]
    build: Callable[[dict[str, Any]], Any]
    """Makes the Python value of the loaded fields, by Python name."""
    read: Callable[[Any], dict[str, Any]]
    """The set fields of a Python value, by Python name."""
    changed: Callable[[Any, dict[str, Any]], Any]
    """A copy of a Python value in which some fields are replaced without validation."""
    plain: bool = False
    """Whether the Python value is a dict."""

    def load(self, value: Any, path: str) -> Any:
        loaded = {
            item.name: item.kind.load(value[item.key], join(path, item.key))
            for item in self.fields
            if item.key in value
        }
        return guarded(lambda: self.build(loaded), path)

    def dump(self, value: Any, path: str) -> Any:
        if not self.owns(value):
            raise violation(path, f"a Python {self.python.__name__}", type(value).__name__)
        present = self.read(value)
        if unknown := [name for name in present if name not in {item.name for item in self.fields}]:
            raise violation(join(path, str(unknown[0])), "no such key", repr(unknown[0]))
        return {
            item.key: item.kind.dump(present[item.name], join(path, item.key))
            for item in self.fields
            if item.name in present
        }

    def resolve(self, value: Any, context: ResolveContext, path: str) -> Any:
        if not self.typed:
            return value
        # Unset fields hold defaults, which are of the rich type already.
        present = self.read(value)
        resolved = {
            item.name: item.kind.resolve(present[item.name], context, join(path, item.key))
            for item in self.fields
            if item.kind.typed and item.name in present
        }
        return self.changed(value, resolved)

    def owns(self, value: Any) -> bool:
        return isinstance(value, dict) if self.plain else type(value) is self.python


@dataclass
class Union(Kind):
    """One of several kinds; no JSON value is read differently by two of them."""

    schema: Schema
    branches: list[Kind]
    root: Callable[[], Schema]

    def __post_init__(self) -> None:
        self.typed = any(branch.typed for branch in self.branches)

    def load(self, value: Any, path: str) -> Any:
        return self._branch(value, path).load(value, path)

    def dump(self, value: Any, path: str) -> Any:
        first: ContractViolation | None = None
        # An exact int before a float that also takes ints: branches in order, the strictly owning ones first.
        for branch in sorted((kind for kind in self.branches if kind.owns(value)), key=_is_loose(value)):
            try:
                written = branch.dump(value, path)
            except ContractViolation as error:
                first = first or error
                continue
            problems = check(written, branch.schema, self.root(), path)
            if not problems:
                return written
            first = first or ContractViolation(problems)
        if first:
            raise first
        raise violation(path, "a value of one of the union's types", type(value).__name__)

    def resolve(self, value: Any, context: ResolveContext, path: str) -> Any:
        if not self.typed:
            return value
        for branch in self.branches:
            if branch.owns(value):
                return branch.resolve(value, context, path)
        return value

    def owns(self, value: Any) -> bool:
        return any(kind.owns(value) for kind in self.branches)

    def _branch(self, value: Any, path: str) -> Kind:
        for branch in self.branches:
            if not check(value, branch.schema, self.root(), path):
                return branch
        raise violation(path, "a value of one of the union's types", type(value).__name__)


@dataclass
class Reference(Kind):
    """A kind that is defined elsewhere: what makes recursive types finite."""

    schema: Schema
    slot: list[Kind] = field(default_factory=list)
    """Filled with the kind once it is built; shared by copies."""

    @property
    def target(self) -> Kind | None:
        return self.slot[0] if self.slot else None

    @property
    def typed(self) -> bool:  # type: ignore[override]
        # Inside a recursion the target is not built yet: resolving walks, and finds out.
        return True

    def _kind(self) -> Kind:
        if self.target is None:
            raise RuntimeError("a recursive type was used before it was built")
        return self.target

    def load(self, value: Any, path: str) -> Any:
        return self._kind().load(value, path)

    def dump(self, value: Any, path: str) -> Any:
        return self._kind().dump(value, path)

    def resolve(self, value: Any, context: ResolveContext, path: str) -> Any:
        return self._kind().resolve(value, context, path)

    def owns(self, value: Any) -> bool:
        return self._kind().owns(value)


@dataclass
class Validated(Kind):
    """A kind whose loaded values also pass the user's own Pydantic validators."""

    inner: Kind
    adapter: TypeAdapter[Any]
    schema: Schema = field(init=False)

    def __post_init__(self) -> None:
        self.schema = self.inner.schema
        self.typed = self.inner.typed

    def load(self, value: Any, path: str) -> Any:
        loaded = self.inner.load(value, path)
        return guarded(lambda: self.adapter.validate_python(loaded, strict=True), path)

    def dump(self, value: Any, path: str) -> Any:
        return self.inner.dump(value, path)

    def resolve(self, value: Any, context: ResolveContext, path: str) -> Any:
        return self.inner.resolve(value, context, path)

    def owns(self, value: Any) -> bool:
        return self.inner.owns(value)


@dataclass
class Typed(Kind):
    """A typed value: decoded as one kind, resolved into the Python type afterwards."""

    inner: Kind
    decoded: Decoded
    schema: Schema = field(init=False)

    def __post_init__(self) -> None:
        self.schema = self.inner.schema
        self.typed = True

    def load(self, value: Any, path: str) -> Any:
        return self.inner.load(value, path)

    def dump(self, value: Any, path: str) -> Any:
        return self.inner.dump(value, path)

    def resolve(self, value: Any, context: ResolveContext, path: str) -> Any:
        try:
            return self.decoded.resolve(value, context)
        except (ValueError, OverflowError) as error:
            wanted = self.decoded.expected or str(error) or "a value that can be understood"
            example = self.decoded.example
            got = repr(value) if isinstance(value, str) else str(value)
            if example is not None:
                wanted += f" such as {example!r}"
            raise violation(path, wanted, got) from error

    def owns(self, value: Any) -> bool:
        return self.inner.owns(value)


def guarded(build: Callable[[], Any], path: str) -> Any:
    """`build()`, with what the user's own validators raise told as problems under `path`."""
    try:
        return build()
    except ValidationError as error:
        problems = []
        for fault in error.errors(include_url=False):
            at = path
            for part in fault["loc"]:
                at = f"{at}[{part}]" if isinstance(part, int) else join(at, str(part))
            problems.append(Problem(at, fault["msg"], _shown(fault["input"])))
        raise ContractViolation(problems) from None
    except (ValueError, AssertionError) as error:
        raise violation(
            path, str(error) or "a value that its own validator accepts", "another value"
        ) from None


def copied(value: Any, changes: dict[str, Any]) -> Any:
    """A shallow copy of a dataclass instance, frozen or not, with some fields replaced without validation."""
    result = copy.copy(value)
    for name, item in changes.items():
        object.__setattr__(result, name, item)
    return result


def _is_loose(value: Any) -> Callable[[Kind], bool]:
    return lambda kind: isinstance(kind, Scalar) and kind.python is not type(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


def violation(path: str, wanted: str, got: str) -> ContractViolation:
    """One problem as an error."""
    return ContractViolation([Problem(path, wanted, got)])
