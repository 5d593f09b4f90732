"""Kinds of objects with known keys: Pydantic models, dataclasses, TypedDicts, a function's parameters."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, RootModel, TypeAdapter
from pydantic_core import PydanticUndefined
from typing_extensions import is_typeddict

from speeddial.contract.kinds import MISSING, Field, Kind, Struct, copied, guarded, violation
from speeddial.contract.schemas import Schema, join
from speeddial.errors import DefinitionError

if TYPE_CHECKING:
    from speeddial.contract.pythontypes import Builder


def struct_of(builder: Builder, tp: Any, where: str, path: str) -> Kind:
    """The kind of a model, dataclass or TypedDict; `where` and `path` as in `Builder.kind`."""
    was = builder.in_pydantic
    try:
        if is_typeddict(tp):
            return _typed_dict(builder, tp, path)
        if issubclass(tp, BaseModel):
            builder.in_pydantic = True
            return _model(builder, tp, path)
        builder.in_pydantic = False
        return _dataclass(builder, tp, path)
    finally:
        builder.in_pydantic = was


def object_schema(fields: Sequence[Field], description: str = "") -> Schema:
    """A closed object with its keys in order."""
    schema: Schema = {"description": description} if description else {}
    schema |= {"type": "object", "properties": {item.key: item.kind.schema for item in fields}}
    if required := [item.key for item in fields if item.required]:
        schema["required"] = required
    return {**schema, "additionalProperties": False}


def _make(
    tp: type,
    fields: list[Field],
    build: Callable[[dict[str, Any]], Any],
    read: Callable[[Any], dict[str, Any]],
    changed: Callable[[Any, dict[str, Any]], Any],
    plain: bool = False,
) -> Struct:
    struct = Struct(object_schema(fields, _own_doc(tp)), tp, fields, build, read, changed, plain)
    struct.typed = any(item.kind.typed for item in fields)
    return struct


def _own_doc(tp: type) -> str:
    """The first paragraph of a class's own docstring; a dataclass's generated one says nothing."""
    text = vars(tp).get("__doc__") or ""
    return (
        ""
        if text.startswith(f"{tp.__name__}(")
        else " ".join(inspect.cleandoc(text).split("\n\n")[0].split())
    )


def hints_of(tp: Any, where: str) -> dict[str, Any]:
    """The annotations of a class or function with forward references looked up."""
    try:
        return typing.get_type_hints(tp, include_extras=True)
    except NameError as error:
        raise DefinitionError(
            f"{where}: the annotation {error.name!r} cannot be looked up",
            hint="define or import that name at module level before the definition",
        ) from None
    except (TypeError, SyntaxError) as error:
        raise DefinitionError(f"{where}: {error}", hint="correct the annotation") from None


def _model(builder: Builder, tp: type[BaseModel], path: str) -> Kind:
    if not tp.__pydantic_complete__:
        tp.model_rebuild(raise_errors=False)
    fields = []
    by_name = tp.model_config.get("validate_by_alias") is False
    for name, info in tp.model_fields.items():
        where = f"field {tp.__name__}.{name}"
        alias = info.validation_alias if info.validation_alias is not None else info.alias
        if alias is not None and not isinstance(alias, str):
            raise DefinitionError(
                f"{where}: {type(alias).__name__} gives one field several keys", hint="use one alias"
            )
        key = name if by_name or alias is None else alias
        kind = builder.kind(info.annotation, where, join(path, key), [info])
        fields.append(Field(key, name, kind, info.is_required(), _model_default(info)))
    decorators = tp.__pydantic_decorators__
    for name in (*decorators.field_validators, *decorators.model_validators):
        builder.note(path, f"Python validator ({tp.__name__}.{name})")
    for name in ("str_max_length", "str_min_length", "str_strip_whitespace", "str_to_lower", "str_to_upper"):
        if tp.model_config.get(name):
            builder.note(path, f"{name} in the configuration of {tp.__name__}")
    keys = {item.name: item.key for item in fields}

    def build(values: dict[str, Any]) -> Any:
        return tp.model_validate({keys[name]: value for name, value in values.items()}, strict=True)

    def read(value: BaseModel) -> dict[str, Any]:
        set_fields = value.model_fields_set
        return {
            item.name: getattr(value, item.name)
            for item in fields
            if item.name in set_fields or not is_default(getattr(value, item.name), item.default)
        }

    return _make(tp, fields, build, read, lambda value, changes: value.model_copy(update=changes))


def _model_default(info: Any) -> Any:
    if info.default is not PydanticUndefined:
        return info.default
    return info.default_factory() if info.default_factory in (list, dict, tuple) else MISSING


def root_model_of(builder: Builder, tp: type[RootModel[Any]], where: str, path: str) -> Kind:
    """A RootModel is written as its root."""
    was, builder.in_pydantic = builder.in_pydantic, True
    try:
        info = tp.model_fields["root"]
        inner = builder.kind(info.annotation, f"root of {tp.__name__}", path, [info])
    finally:
        builder.in_pydantic = was
    return _RootKind(inner, tp)


class _RootKind(Kind):
    def __init__(self, inner: Kind, tp: type[RootModel[Any]]) -> None:
        self.inner = inner
        self.schema = inner.schema
        self.typed = inner.typed
        self.adapter: TypeAdapter[Any] = TypeAdapter(tp)
        self.python = tp

    def load(self, value: Any, path: str) -> Any:
        loaded = self.inner.load(value, path)
        return guarded(lambda: self.adapter.validate_python(loaded, strict=True), path)

    def dump(self, value: Any, path: str) -> Any:
        if not self.owns(value):
            raise violation(path, f"a Python {self.python.__name__}", type(value).__name__)
        return self.inner.dump(value.root, path)

    def resolve(self, value: Any, context: Any, path: str) -> Any:
        return value.model_copy(update={"root": self.inner.resolve(value.root, context, path)})

    def owns(self, value: Any) -> bool:
        return type(value) is self.python


def _dataclass(builder: Builder, tp: Any, path: str) -> Kind:
    hints = hints_of(tp, f"dataclass {tp.__name__}")
    fields = []
    for name, annotation in hints.items():
        if isinstance(annotation, dataclasses.InitVar):
            raise DefinitionError(f"field {tp.__name__}.{name}: InitVar", hint="make it an ordinary field")
    for item in dataclasses.fields(tp):
        if not item.init:
            continue
        kind = builder.kind(hints[item.name], f"field {tp.__name__}.{item.name}", join(path, item.name))
        default = item.default if item.default is not dataclasses.MISSING else MISSING
        if item.default_factory in (list, dict, tuple):
            default = item.default_factory()
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        fields.append(Field(item.name, item.name, kind, required, default))
    if getattr(tp, "__post_init__", None) is not None:
        builder.note(path, f"Python validator ({tp.__name__}.__post_init__)")

    def read(value: Any) -> dict[str, Any]:
        return {
            item.name: getattr(value, item.name)
            for item in fields
            if item.required or not is_default(getattr(value, item.name), item.default)
        }

    return _make(tp, fields, lambda values: tp(**values), read, copied)


def _typed_dict(builder: Builder, tp: Any, path: str) -> Kind:
    hints = hints_of(tp, f"TypedDict {tp.__name__}")
    fields = [
        Field(
            name,
            name,
            builder.kind(hint, f"key {tp.__name__}[{name!r}]", join(path, name)),
            name in tp.__required_keys__,
        )
        for name, hint in hints.items()
    ]
    return _make(tp, fields, _same, _same, lambda value, changes: {**value, **changes}, plain=True)


def parameters_of(
    builder: Builder, function: Callable[..., Any], skip: Sequence[str], docs: dict[str, str]
) -> Struct:
    """The kind of a function's keyword arguments, a dict that holds the given ones only.

    Args:
        builder: collects definitions and notes.
        function: its annotations are the types.
        skip: parameters that are injected and not part of the contract.
        docs: descriptions by parameter name.
    """
    name = getattr(function, "__name__", "function")
    hints = hints_of(function, f"function {name}")
    fields = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in skip:
            continue
        where = f"parameter {parameter.name!r} of {name}"
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise DefinitionError(
                f"{where}: {stars}{parameter.name} takes anything", hint="name each parameter and its type"
            )
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise DefinitionError(
                f"{where}: positional only", hint="drop the / : arguments are passed by name"
            )
        if parameter.name not in hints:
            raise DefinitionError(f"{where}: no type", hint=f"annotate it, for example {parameter.name}: str")
        kind = builder.kind(hints[parameter.name], where, parameter.name)
        if docs.get(parameter.name) and "description" not in kind.schema:
            kind = builder.described(kind, docs[parameter.name])
        fields.append(Field(parameter.name, parameter.name, kind, parameter.default is parameter.empty))
    return _make(dict, fields, _same, _same, lambda value, changes: {**value, **changes}, plain=True)


def is_default(value: Any, default: Any) -> bool:
    """Whether a value need not be written because it is its default."""
    return default is not MISSING and type(value) is type(default) and bool(value == default)


def _same(values: dict[str, Any]) -> dict[str, Any]:
    return values
