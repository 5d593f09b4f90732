"""What the metadata of an Annotated type or a Pydantic field asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt, MaxLen, MinLen, MultipleOf, Predicate
from pydantic.fields import FieldInfo

from speeddial.contract.choices import Excluded, OneOf
from speeddial.contract.copied import Copied
from speeddial.contract.decoded import Decoded
from speeddial.contract.scalars import Form, TextForm
from speeddial.contract.source import Source
from speeddial.errors import DefinitionError

_NO_VALIDATORS = frozenset(
    [
        "Discriminator",
        "Tag",
        "Strict",
        "PlainSerializer",
        "WrapSerializer",
        "WithJsonSchema",
        "FailFast",
        "SkipJsonSchema",
    ]
)
"""Pydantic's metadata that does not change which values are valid, or says it in the type already."""


@dataclass
class Constraints:
    """What the Annotated metadata of one type asks for."""

    low: list[tuple[Any, bool]] = field(default_factory=list)
    """Lower bounds, each with whether the bound itself is excluded."""
    high: list[tuple[Any, bool]] = field(default_factory=list)
    step: Any = None
    min_length: int = 0
    max_length: int | None = None
    patterns: list[str] = field(default_factory=list)
    digits: int | None = None
    places: int | None = None
    form: TextForm | None = None
    uuid_version: int | None = None
    copied: Copied | None = None
    one_of: OneOf | None = None
    excluded: Excluded | None = None
    decoded: Decoded | None = None
    description: str = ""
    examples: list[Any] = field(default_factory=list)
    raw: list[Any] = field(default_factory=list)
    """The bounds, lengths and patterns as they were given, to be passed on to a union's branches."""
    validators: list[Any] = field(default_factory=list)
    """Metadata that runs user code, for Pydantic to run after decoding."""

    @property
    def sources(self) -> list[Source]:
        """The functions that give values at run time."""
        given = [
            item.values for item in (self.one_of, self.excluded) if item is not None and callable(item.values)
        ]
        return [*given, *([self.copied.of] if self.copied is not None and self.copied.of is not None else [])]

    def used(self) -> set[str]:
        """The groups of constraints that are set."""
        groups = {
            "bounds (ge, gt, le, lt)": self.low or self.high,
            "multiple_of": self.step is not None,
            "lengths (min_length, max_length)": self.min_length or self.max_length is not None,
            "pattern": self.patterns or self.form,
            "Copied": self.copied is not None,
            "OneOf": self.one_of is not None,
            "Excluded": self.excluded is not None,
            "max_digits, decimal_places": self.digits is not None or self.places is not None,
        }
        return {name for name, is_set in groups.items() if is_set}


ALLOWED: dict[str, set[str]] = {
    "number": {"bounds (ge, gt, le, lt)", "multiple_of"},
    "text": {"lengths (min_length, max_length)", "pattern", "Copied", "OneOf", "Excluded"},
    "decimal": {"bounds (ge, gt, le, lt)", "multiple_of", "max_digits, decimal_places"},
    "instant": {"bounds (ge, gt, le, lt)"},
    "sized": {"lengths (min_length, max_length)"},
    "none": set(),
}
"""Which groups of constraints can be enforced on which family of types."""


def gather(metadata: Iterable[Any], into: Constraints) -> Constraints:
    """Adds what `metadata` (of Annotated or of a Pydantic field) asks for to `into`."""
    for item in metadata:
        if isinstance(item, Ge | Gt | Le | Lt | MultipleOf | MinLen | MaxLen) or _is_general(item):
            into.raw.append(item)
        if isinstance(item, FieldInfo):
            into.description = item.description or into.description
            into.examples = list(item.examples or into.examples)
            gather(item.metadata, into)
        elif isinstance(item, Decoded):
            into.decoded = item
        elif isinstance(item, Copied):
            into.copied = item
            into.raw.append(item)
        elif isinstance(item, OneOf):
            into.one_of = item
            into.raw.append(item)
        elif isinstance(item, Excluded):
            into.excluded = item
            into.raw.append(item)
        elif isinstance(item, Form):
            into.form = item.form
            into.raw.append(item)
        elif type(item).__name__ == "UuidVersion":
            into.uuid_version = item.uuid_version
        elif isinstance(item, str):
            into.description = into.description or item
        elif isinstance(item, Ge):
            into.low.append((item.ge, False))
        elif isinstance(item, Gt):
            into.low.append((item.gt, True))
        elif isinstance(item, Le):
            into.high.append((item.le, False))
        elif isinstance(item, Lt):
            into.high.append((item.lt, True))
        elif isinstance(item, MultipleOf):
            into.step = item.multiple_of
        elif isinstance(item, MinLen):
            into.min_length = max(into.min_length, item.min_length)
        elif isinstance(item, MaxLen):
            into.max_length = (
                item.max_length if into.max_length is None else min(into.max_length, item.max_length)
            )
        elif isinstance(item, Predicate):
            into.validators.append(item)
        elif isinstance(item, GroupedMetadata):
            _gather_group(item, into)
        elif _is_general(item):
            _gather_general(item, into)
        elif hasattr(item, "__get_pydantic_core_schema__") and type(item).__name__ not in _NO_VALIDATORS:
            into.validators.append(item)
    return into


def _gather_group(item: GroupedMetadata, into: Constraints) -> None:
    gather(iter(item), into)
    if any(getattr(item, name, None) for name in ("strip_whitespace", "to_upper", "to_lower")):
        into.validators.append(item)


def _is_general(item: Any) -> bool:
    return type(item).__name__ == "_PydanticGeneralMetadata"


def _gather_general(item: Any, into: Constraints) -> None:
    values = vars(item)
    if pattern := values.get("pattern"):
        into.patterns.append(getattr(pattern, "pattern", pattern))
    into.digits = values.get("max_digits", into.digits)
    into.places = values.get("decimal_places", into.places)


def only(family: str, constraints: Constraints, name: str, where: str) -> None:
    """Raises DefinitionError for a constraint that the family of types in `ALLOWED` cannot have."""
    if wrong := constraints.used() - ALLOWED[family]:
        raise DefinitionError(
            f"{where}: {', '.join(sorted(wrong))} cannot be enforced on {name}",
            hint="drop the constraint, or put it on the type it is meant for",
        )


def longest(constraints: Constraints, default: int, where: str) -> int:
    """The greatest length: as given, else the default, raised to the least length where that is greater."""
    if constraints.max_length is None:
        return max(default, constraints.min_length)
    if constraints.max_length < constraints.min_length:
        raise DefinitionError(
            f"{where}: min_length {constraints.min_length} is above max_length {constraints.max_length}",
            hint="swap or widen them",
        )
    return constraints.max_length
