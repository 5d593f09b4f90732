"""From a Python type to its kind: the one place that decides which types a contract may hold, and how."""

from __future__ import annotations

import copy
import enum
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import is_dataclass
from typing import Annotated, Any, Literal, NoReturn, get_args, get_origin

from pydantic import BaseModel, Json, RootModel, TypeAdapter
from typing_extensions import TypeAliasType, is_typeddict

from speeddial.contract import scalars
from speeddial.contract.constraints import ALLOWED, Constraints, gather, longest, only
from speeddial.contract.jsontext import parse_json, write_json
from speeddial.contract.kinds import (
    Choice,
    Kind,
    ListKind,
    MapKind,
    Reference,
    Scalar,
    TupleKind,
    Typed,
    Union,
    Validated,
)
from speeddial.contract.scalarkinds import family_of, scalar_kind
from speeddial.contract.schemas import Schema, join
from speeddial.contract.source import Source, name_of
from speeddial.contract.structs import root_model_of, struct_of
from speeddial.contract.unions import conflict, in_order
from speeddial.errors import ContractViolation, DefinitionError

_INSTEAD: dict[Any, str] = {
    Any: "name the type; for one of several use a union such as int | str",
    object: "name the type; for one of several use a union such as int | str",
    bytes: "use str (base64 text if it must be binary), or the path of a file",
    bytearray: "use str (base64 text if it must be binary), or the path of a file",
    complex: "use a dataclass with the fields real: float and imag: float",
    set: "use list[T]; make it a set inside the function",
    frozenset: "use list[T]; make it a set inside the function",
    dict: "name keys and values, dict[str, int], or use a TypedDict, dataclass or model",
    list: "name the items, list[str]",
    tuple: "name the items, tuple[int, str] or tuple[int, ...]",
}
_ABSTRACT = {"Sequence", "MutableSequence", "Iterable", "Iterator", "Collection", "Generator", "deque"}
_MAPPINGS = {"Mapping", "MutableMapping", "OrderedDict", "defaultdict", "Counter"}
_SETS = {"Set", "AbstractSet", "MutableSet", "set", "frozenset"}


class Builder:
    """Builds the kinds of one contract and collects its definitions and what no grammar can enforce."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}
        self.after: list[str] = []
        self.sources: dict[str, Source] = {}
        """Name in the schema -> the function that gives values at run time."""
        self.root: Schema = {}
        """The document that references resolve in; filled in place by the contract once it is known."""
        self.in_pydantic = False
        """Whether the value lands in a Pydantic model, which runs the user's validators itself."""
        self._building: dict[Any, Reference] = {}
        self._built: dict[tuple[Any, bool], Kind] = {}
        self._unions: list[tuple[Any, list[Kind], str]] = []

    def note(self, path: str, keyword: str) -> None:
        """Records something that is enforced after decoding only."""
        line = f"{path or 'value'}: {keyword}"
        if line not in self.after:
            self.after.append(line)

    def kind(self, tp: Any, where: str, path: str, metadata: Iterable[Any] = ()) -> Kind:
        """The kind of a type.

        Args:
            tp: the type as written, Annotated metadata included.
            where: whose type it is, for messages: ``parameter 'x' of f``.
            path: where its values lie.
            metadata: constraints from outside, such as a Pydantic field's.

        Raises:
            DefinitionError: the type or a constraint cannot be held exactly; says what to use instead.
        """
        tp, constraints = self._unwrapped(tp, metadata)
        for source in constraints.sources:
            if self.sources.setdefault(name_of(source), source) is not source:
                raise DefinitionError(
                    f"{where}: another source is named {name_of(source)!r} too",
                    hint="use named functions, and rename one of them",
                )
        if constraints.decoded is not None:
            kind = self._typed(constraints, where, path)
        else:
            kind = self._base(tp, constraints, where, path)
            if constraints.validators:
                if any(type(item) is Json for item in constraints.validators):
                    raise DefinitionError(
                        f"{where}: Json is a text with JSON in it, which no grammar holds",
                        hint="use the type within, without Json",
                    )
                names = ", ".join(type(item).__name__ for item in constraints.validators)
                self.note(path, f"Python validator ({names})")
                if not self.in_pydantic:
                    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[tp, *constraints.validators])
                    kind = Validated(kind, adapter)
        if constraints.description or constraints.examples:
            notes: Schema = {"description": constraints.description} if constraints.description else {}
            if constraints.examples:
                notes["examples"] = constraints.examples
            kind = annotated(kind, notes)
        return kind

    def described(self, kind: Kind, description: str) -> Kind:
        """A copy of `kind` with a description."""
        return annotated(kind, {"description": description})

    def recursive(self, key: Any, name: str, build: Callable[[], Kind]) -> Kind:
        """Builds a named type once; a use of it inside itself becomes a reference."""
        if key in self._building:
            reference = self._building[key]
            if not reference.schema:
                reference.schema = {"$ref": f"#/$defs/{self._free_name(name)}"}
                self.definitions[reference.schema["$ref"][8:]] = {}
            return reference
        if (key, self.in_pydantic) in self._built:
            return self._built[key, self.in_pydantic]
        reference = self._building[key] = Reference({})
        try:
            kind = build()
        finally:
            del self._building[key]
        if reference.schema:
            reference.slot.append(kind)
            self.definitions[reference.schema["$ref"][8:]] = kind.schema
            kind = reference
        self._built[key, self.in_pydantic] = kind
        return kind

    def _free_name(self, name: str) -> str:
        name = "".join(character if character.isalnum() else "_" for character in name)
        count = 2
        free = name
        while free in self.definitions:
            free, count = f"{name}{count}", count + 1
        return free

    def _unwrapped(self, tp: Any, metadata: Iterable[Any]) -> tuple[Any, Constraints]:
        constraints = Constraints()
        layers: list[Iterable[Any]] = [metadata]
        while True:
            if get_origin(tp) is Annotated:
                layers.append(tp.__metadata__)
                tp = tp.__origin__
            elif get_origin(tp) in (typing.Required, typing.NotRequired, typing.Final):
                tp = get_args(tp)[0]
            elif isinstance(tp, typing.NewType):
                tp = tp.__supertype__
            else:
                break
        # Inner metadata first: the outer descriptions win, the bounds all count.
        for layer in reversed(layers):
            gather(layer, constraints)
        return tp, constraints

    def _typed(self, constraints: Constraints, where: str, path: str) -> Kind:
        decoded = constraints.decoded
        assert decoded is not None
        was, self.in_pydantic = self.in_pydantic, False
        try:
            inner = self.kind(decoded.as_, where, path, constraints.raw)
        finally:
            self.in_pydantic = was
        self.note(path, "typed value (resolved after decoding)")
        if decoded.example is not None:
            constraints.examples = constraints.examples or [decoded.example]
        kind = Typed(inner, decoded)
        return annotated(kind, {"$comment": decoded.expected}) if decoded.expected else kind

    def _base(self, tp: Any, constraints: Constraints, where: str, path: str) -> Kind:
        if tp is None or tp is type(None):
            only("none", constraints, type_name(tp), where)
            return Scalar({"type": "null"}, type(None))
        if isinstance(tp, TypeAliasType) or type(tp).__name__ == "TypeAliasType":
            return self.recursive(tp, tp.__name__, lambda: self.kind(tp.__value__, where, path))
        origin = get_origin(tp)
        if origin is Literal:
            only("none", constraints, type_name(tp), where)
            return self._choice([(_constant(value, where), value) for value in get_args(tp)], where)
        if origin in (typing.Union, types.UnionType):
            return self._union(tp, constraints, where, path)
        if origin is list and get_args(tp):
            return self._list(get_args(tp)[0], list, constraints, where, path)
        if origin is tuple and get_args(tp):
            return self._tuple(tp, constraints, where, path)
        if origin is dict and get_args(tp):
            return self._map(tp, constraints, where, path)
        if isinstance(tp, type) and origin is None:
            if issubclass(tp, enum.Enum):
                return self._enum(tp, constraints, where)
            if issubclass(tp, RootModel):
                return self._root_model(tp, where, path)
            scalar = scalar_kind(tp, constraints, where, lambda keyword: self.note(path, keyword))
            if scalar is not None:
                return scalar
        if (isinstance(tp, type) and issubclass(tp, BaseModel)) or is_typeddict(tp) or is_dataclass(tp):
            only("none", constraints, type_name(tp), where)
            return self.recursive(tp, tp.__name__, lambda: struct_of(self, tp, where, path))
        return self._refuse(tp, where)

    def _refuse(self, tp: Any, where: str) -> NoReturn:
        origin = get_origin(tp) or tp
        name = getattr(origin, "__name__", "") or str(origin)
        if origin in (Any, object) or (isinstance(origin, type) and origin in _INSTEAD):
            instead = _INSTEAD[origin]
        elif isinstance(tp, str | typing.ForwardRef):
            instead = "the name cannot be looked up: define or import it at module level before the function"
        elif isinstance(tp, typing.TypeVar):
            instead = "fill the type variable in, Box[int] rather than Box"
        elif name in _SETS:
            instead = "use list[T]; make it a set inside the function"
        elif name in _ABSTRACT:
            instead = "use list[T]"
        elif name in _MAPPINGS:
            instead = "use dict[str, T]"
        elif "Callable" in name:
            instead = "use a Literal or Enum of the choices, and pick the function inside"
        elif isinstance(tp, type) and issubclass(tp, tuple):
            instead = "use a dataclass with the same fields"
        elif isinstance(tp, type) and issubclass(tp, str | int | float | bytes):
            instead = f"use {tp.__mro__[1].__name__}, or typing.NewType for a name of its own"
        elif name in ("Path", "PurePath", "PosixPath"):
            instead = "use str and make the path inside the function"
        else:
            instead = (
                "use a dataclass, TypedDict or Pydantic model with the fields that the model should write"
            )
        raise DefinitionError(f"{where}: {type_name(tp)} has no exact JSON form", hint=instead)

    def _choice(self, table: list[tuple[Any, Any]], where: str) -> Kind:
        if not table:
            raise DefinitionError(
                f"{where}: no choices at all", hint="give the Literal or Enum at least one value"
            )
        constants = [constant for constant, _ in table]
        schema: Schema = {"const": constants[0]} if len(constants) == 1 else {"enum": constants}
        kinds = {type(constant) for constant in constants}
        if kinds == {str}:
            schema = {"type": "string", **schema}
        return Choice(schema, table)

    def _enum(self, tp: type[enum.Enum], constraints: Constraints, where: str) -> Kind:
        only("none", constraints, type_name(tp), where)
        if issubclass(tp, enum.Flag):
            raise DefinitionError(
                f"{where}: {tp.__name__} is a Flag", hint="use list[Literal[...]] of the flag names"
            )
        return self._choice([(_constant(member, where), member) for member in tp], where)

    def _union(self, tp: Any, constraints: Constraints, where: str, path: str) -> Kind:
        # `Field(ge=1)` on `int | None` is meant for the int: each branch gets what it can hold.
        shared = [
            bool(constraints.used() and constraints.used() <= self._takes(branch)) for branch in get_args(tp)
        ]
        if constraints.used() and not any(shared):
            only("none", constraints, type_name(tp), where)
        branches = [
            self.kind(branch, where, path, constraints.raw if takes else ())
            for branch, takes in zip(get_args(tp), shared, strict=True)
        ]
        # Left to the end: inside a recursive type a branch may be a reference whose target is not built yet.
        self._unions.append((tp, branches, where))
        branches = in_order(branches)
        return Union({"anyOf": [branch.schema for branch in branches]}, branches, lambda: self.root)

    def check_unions(self) -> None:
        """Refuse unions whose branches cannot be told apart; called once everything is built.

        Raises:
            DefinitionError: naming the two branches.
        """
        for tp, branches, where in self._unions:
            for index, one in enumerate(branches):
                for later, other in enumerate(branches[:index]):
                    if not conflict(one, other):
                        continue
                    pair = f"{type_name(get_args(tp)[later])} | {type_name(get_args(tp)[index])}"
                    raise DefinitionError(
                        f"{where}: {pair}: the same JSON can be read as either",
                        hint='keep one of them, or make each a model with a tag such as kind: Literal["a"]',
                    )

    def _takes(self, branch: Any) -> set[str]:
        """The groups of constraints that a branch of a union can hold."""
        tp, own = self._unwrapped(branch, ())
        if own.decoded is not None:
            return self._takes(own.decoded.as_)
        if get_origin(tp) in (list, dict) or (get_origin(tp) is tuple and get_args(tp)[1:] == (...,)):
            return ALLOWED["sized"]
        return ALLOWED[family_of(tp)]

    def _list(self, item: Any, python: type, constraints: Constraints, where: str, path: str) -> Kind:
        only("sized", constraints, type_name(list), where)
        inner = self.kind(item, where, f"{path}[]")
        schema: Schema = {"type": "array", "items": inner.schema}
        if constraints.min_length:
            schema["minItems"] = constraints.min_length
        schema["maxItems"] = longest(constraints, scalars.LIST_LENGTH, where)
        return ListKind(schema, inner, python)

    def _tuple(self, tp: Any, constraints: Constraints, where: str, path: str) -> Kind:
        items = get_args(tp)
        if len(items) == 2 and items[1] is Ellipsis:
            return self._list(items[0], tuple, constraints, where, path)
        only("none", constraints, type_name(tp), where)
        kinds = [self.kind(item, where, f"{path}[{index}]") for index, item in enumerate(items)]
        size = len(kinds)
        schema = {"type": "array", "prefixItems": [kind.schema for kind in kinds], "items": False}
        return TupleKind({**schema, "minItems": size, "maxItems": size}, kinds)

    def _map(self, tp: Any, constraints: Constraints, where: str, path: str) -> Kind:
        only("sized", constraints, type_name(dict), where)
        key_type, item_type = get_args(tp)
        key = self.kind(key_type, f"{where}, its keys", path)
        item = self.kind(item_type, where, join(path, "*"))
        inner = key.inner if isinstance(key, Validated) else key
        schema: Schema = {"type": "object"}
        if isinstance(inner, Choice) and all(isinstance(constant, str) for constant, _ in inner.table):
            schema["properties"] = {constant: item.schema for constant, _ in inner.table}
            schema["additionalProperties"] = False
            if constraints.max_length is not None:
                schema["maxProperties"] = constraints.max_length
        elif isinstance(inner, Scalar) and inner.python is str:
            schema["patternProperties"] = {_key_pattern(inner.schema, where): item.schema}
            schema["additionalProperties"] = False
            schema["maxProperties"] = longest(constraints, scalars.MAP_LENGTH, where)
        else:
            raise DefinitionError(
                f"{where}: keys of type {type_name(key_type)}; JSON keys are strings",
                hint="use dict[str, T], a Literal or Enum of strings as the key, or a list of pairs",
            )
        if constraints.min_length:
            schema["minProperties"] = constraints.min_length
        return MapKind(schema, item, key)

    def _root_model(self, tp: type[RootModel[Any]], where: str, path: str) -> Kind:
        return self.recursive(tp, tp.__name__, lambda: root_model_of(self, tp, where, path))


def annotated(kind: Kind, notes: Schema) -> Kind:
    result = copy.copy(kind)
    result.schema = {**kind.schema, **notes}
    return result


def _constant(value: Any, where: str) -> Any:
    """The JSON constant of a Literal's value or an Enum's member."""
    shown = repr(value)
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int | float) and not scalars.is_exact(value):
        raise DefinitionError(
            f"{where}: the choice {shown} has more digits than a grammar holds exactly",
            hint="make the choices strings",
        )
    if value is None or isinstance(value, bool | int | float | str):
        try:
            parse_json(write_json(value))
        except (ContractViolation, ValueError, UnicodeEncodeError):
            raise DefinitionError(
                f"{where}: the choice {shown} cannot be written in JSON", hint="use a plain string"
            ) from None
        return str(value) if isinstance(value, str) else value
    raise DefinitionError(
        f"{where}: the choice {shown} is a {type(value).__name__}",
        hint="choices are str, int, float, bool or None; give the Enum string values",
    )


def _key_pattern(schema: Schema, where: str) -> str:
    """A pattern that says what a key's schema says: `propertyNames` is refused by llguidance."""
    low, high = schema.get("minLength", 0), schema.get("maxLength", scalars.KEY_LENGTH)
    if "pattern" not in schema:
        return rf"^[\s\S]{{{low},{min(high, scalars.KEY_LENGTH)}}}$"
    if low or high < scalars.STRING_LENGTH:
        raise DefinitionError(
            f"{where}: a dict key with a pattern and a length",
            hint="put the length into the pattern: ^[a-z]{1,20}$",
        )
    return str(schema["pattern"])


def type_name(tp: Any) -> str:
    """A type as a person would write it."""
    if tp is None or tp is type(None):
        return "None"
    if tp is Any:
        return "Any"
    if isinstance(tp, type) and get_origin(tp) is None:
        return tp.__name__
    if get_origin(tp) is Annotated:
        return type_name(tp.__origin__)
    return str(tp).replace("typing.", "")
