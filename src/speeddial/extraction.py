"""Extraction: a record of the user's own type read from a text; what the text does not hold is not in it.

What a model writes for a field is a phrase of the text: any words of it for a string, one that can be read
as a day, a time or a number for a field of such a type (`speeddial.values.found`). It does no calendar
arithmetic and invents nothing; choices and booleans alone are its own judgement. The phrases are then read
into the user's types, and the record is checked against the user's own schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar

from speeddial.contract import Contract, ResolveContext, Source
from speeddial.contract.foreign import normalised, prepared
from speeddial.contract.kinds import Kind, violation
from speeddial.contract.schemas import COPIED, ONE_OF, Schema, join, resolve_reference, rewrite
from speeddial.document import document
from speeddial.errors import ContractViolation, DefinitionError
from speeddial.messages import compact_json
from speeddial.tool import Tool, ToolContext
from speeddial.values.found import KINDS, phrases

if TYPE_CHECKING:
    from pydantic import BaseModel

RECORD = "record"
"""The one argument of an extracting call."""
LONGEST_STRING = 400
"""Characters of a copied string, unless the schema says otherwise."""
LONGEST_LIST = 64
"""Items of a list, unless the schema says otherwise."""
_DEEPEST = 8
_BOUNDS = ("minLength", "maxLength", "minItems", "maxItems")


@dataclass(frozen=True)
class Extracted:
    """A record as it was read."""

    produces: ClassVar[frozenset[str]] = frozenset({"table", "text"})

    record: Mapping[str, Any]
    """As JSON types; it holds the user's schema."""

    def as_json(self) -> Mapping[str, Any]:
        return self.record

    def __str__(self) -> str:
        return "\n".join(
            f"{name}: {value if isinstance(value, str) else compact_json(value)}"
            for name, value in self.record.items()
        )


def source_text(context: ToolContext) -> str:
    """What is read: the granted files, else the results of earlier steps, else the request itself."""
    return document(context) or "\n".join(context.references.values()) or context.request


def fields_line(schema: Schema) -> str:
    """The wanted record in one line, as prompts show it: ``Record: {vendor: text, total?: number}``."""
    return f"Record: {_signature(_inlined(schema))}"


def shown(context: ToolContext) -> str | None:
    """A preface: the text, where it is not the request."""
    text = source_text(context)
    return None if text == context.request else text


@lru_cache(maxsize=128)
def _extraction(text: str) -> tuple[Contract, Schema]:
    import json

    schema = json.loads(text)
    inlined = _inlined(schema)
    if inlined.get("type") != "object" or not inlined.get("properties"):
        raise DefinitionError(
            "schema: a record is an object with properties", hint="give the JSON Schema of a Pydantic model"
        )
    sources: dict[str, Source] = {source_text.__name__: source_text}
    decoded = _decoded(inlined, sources, "")
    arguments = {
        "type": "object",
        "properties": {RECORD: decoded},
        "required": [RECORD],
        "additionalProperties": False,
    }
    full = prepared(normalised(arguments))
    kind = _Records(full, inlined, Contract.from_schema(_without_read_formats(inlined), name=RECORD))
    return Contract(full, name="record", kind=kind, after=[_CHECKED_AFTER], sources=sources), inlined


_CHECKED_AFTER = "record: what the schema asks of values (bounds, patterns, formats), once they are read"


def contract_of(schema: Schema) -> Contract:
    """The contract of a call's arguments: ``{"record": ...}`` in phrases, which `Contract.resolve` reads.

    Args:
        schema: JSON Schema of the record. A string with ``"x-copied": false`` need not stand in the text,
            a number or date with it is decoded as JSON has it.

    Raises:
        DefinitionError: no schema of an object, or with parts that are not read from texts.
    """
    return _extraction(compact_json(schema))[0]


def reader(model: type[BaseModel]) -> Tool:
    """A tool that reads one Pydantic model from a text, for an expert of its own.

        desk.add_expert("invoices", "reads invoices", tools=[reader(Invoice)], refuses=False)
        desk.call("invoices", text).as_type(Invoice)

    Raises:
        DefinitionError: see `contract_of`.
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", model.__name__).lower()
    said = (model.__doc__ or "").strip().partition("\n")[0]
    contract = contract_of(model.model_json_schema())
    return Tool(
        name=name,
        description=f"Read {said[0].lower() + said[1:]}" if said else f"Read one {name} from the text.",
        effect="read",
        function=extracted,
        contract=contract,
        returns=Extracted,
        preface=shown,
    )


def extracted(record: dict[str, Any]) -> Extracted:
    """The record as it was read."""
    return Extracted(record)


# --- from the user's schema to phrases ----------------------------------------------------------------------


def _inlined(schema: Any, root: Schema | None = None, depth: int = 0) -> Schema:
    """`schema` with its references put in, and unions of one part taken out."""
    root = schema if root is None else root
    if not isinstance(schema, dict):
        raise DefinitionError(f"schema: expected a JSON Schema, got {schema!r}", hint="give an object")
    if depth > _DEEPEST:
        raise DefinitionError(
            "schema: the record is nested too deep, or in itself", hint=f"at most {_DEEPEST} levels"
        )
    inner = partial(_inlined, root=root, depth=depth + 1)
    if "$ref" in schema:
        target = resolve_reference(root, schema["$ref"])
        return {**inner(target), **{key: item for key, item in schema.items() if key != "$ref"}}
    result = {key: item for key, item in schema.items() if key not in ("$defs", "definitions")}
    if "properties" in schema:
        result["properties"] = {name: inner(item) for name, item in schema["properties"].items()}
        result.setdefault("type", "object")
    if isinstance(schema.get("items"), dict):
        result["items"] = inner(schema["items"])
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            parts = [inner(part) for part in result.pop(keyword)]
            if len(parts) > 1 and keyword == "allOf":
                raise DefinitionError("schema: allOf of several parts", hint="write them as one object")
            parts = _without_decimal_texts(parts)
            result |= parts[0] if len(parts) == 1 else {"anyOf": parts}
    if isinstance(kinds := result.get("type"), list):
        rest = {key: item for key, item in result.items() if key not in ("type", "description", "title")}
        alone = {key: result[key] for key in ("description", "title") if key in result}
        return {
            **alone,
            "anyOf": [{"type": "null"} if kind == "null" else {**rest, "type": kind} for kind in kinds],
        }
    return result


def _without_decimal_texts(parts: list[Schema]) -> list[Schema]:
    """Pydantic writes a Decimal as "number or string": then it is a number."""
    if any(part.get("type") == "number" for part in parts):
        return [part for part in parts if part.get("type") != "string" or part.keys() & {"enum", "format"}]
    return parts


def _decoded(schema: Schema, sources: dict[str, Source], path: str) -> Schema:
    """What a model writes in place of values of `schema`."""
    said = {key: schema[key] for key in ("description",) if key in schema}
    if "const" in schema or "enum" in schema:
        return said | {key: schema[key] for key in ("const", "enum") if key in schema}
    if "anyOf" in schema:
        return said | {"anyOf": [_decoded(part, sources, path) for part in schema["anyOf"]]}
    kind = schema.get("type")
    if kind == "object" and schema.get("properties"):
        required = schema.get("required", ())
        properties = {
            name: _decoded(item, sources, join(path, name))
            if name in required
            else _nullable(_decoded(item, sources, join(path, name)))
            for name, item in schema["properties"].items()
        }
        return said | {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
    if kind == "array" and isinstance(schema.get("items"), dict):
        bounds = {"maxItems": LONGEST_LIST} | {key: schema[key] for key in _BOUNDS if key in schema}
        return said | {"type": "array", "items": _decoded(schema["items"], sources, f"{path}[]")} | bounds
    if kind in ("boolean", "null"):
        return said | {"type": kind}
    if kind in ("string", "integer", "number"):
        if schema.get(COPIED) is False:
            return {key: item for key, item in schema.items() if key != COPIED}
        return said | _phrase(schema, sources)
    raise DefinitionError(
        f"schema: {path or 'the record'} is not read from texts: {compact_json(schema)[:80]}",
        hint="use objects with properties, lists, strings, numbers, booleans and enums",
    )


def _nullable(schema: Schema) -> Schema:
    parts = schema.get("anyOf", [schema])
    if any(part.get("type") == "null" for part in parts):
        return schema
    said = {key: schema[key] for key in ("description",) if key in schema}
    return said | {"anyOf": [*parts, {"type": "null"}]}


def _phrase(schema: Schema, sources: dict[str, Source]) -> Schema:
    kind = _kind_of(schema)
    if kind:
        name = f"{kind.replace('-', '_')}s_in_the_text"
        sources.setdefault(name, partial(_phrases_of, kind))
        return {"type": "string", ONE_OF: name}
    pattern = schema.get("pattern", "")
    found = _finder(pattern) if pattern else None
    if found is not None:
        name = f"matches_of_{pattern}"
        sources.setdefault(name, lambda context: found(source_text(context)))
        return {"type": "string", ONE_OF: name}
    bounds = {"minLength": 1, "maxLength": LONGEST_STRING}
    bounds |= {key: schema[key] for key in _BOUNDS if key in schema}
    return {"type": "string", COPIED: [source_text.__name__]} | bounds


def _kind_of(schema: Schema) -> str:
    """The kind of `speeddial.values.found` whose phrases stand for values of `schema`; empty for none."""
    name = schema.get("format", "") if schema["type"] == "string" else schema["type"]
    return name if name in KINDS else ""


def _phrases_of(kind: str, context: ToolContext) -> tuple[str, ...]:
    return phrases(kind, source_text(context), context.now)


def _finder(pattern: str) -> Callable[[str], list[str]] | None:
    """Finds what a pattern matches as a whole; None where it asks for what no part of a text can say."""
    try:
        compiled = re.compile(pattern.removeprefix("^").removesuffix("$"))
    except re.error:
        return None
    whole = pattern.startswith("^") and pattern.endswith("$")
    if not whole or "^" in re.sub(r"\\.|\[\^", "", pattern[1:-1]):
        return None
    return lambda text: list(
        dict.fromkeys(
            found[0]
            for found in compiled.finditer(text)
            if found[0] and not _glued(text, found.start() - 1, found.start())
            if not _glued(text, found.end() - 1, found.end())
        )
    )


def _glued(text: str, left: int, right: int) -> bool:
    """Whether the characters at both places are of one word."""
    return left >= 0 and right < len(text) and text[left].isalnum() and text[right].isalnum()


def _without_read_formats(schema: Schema) -> Schema:
    """`schema` as values that were read are checked: a time of day has no zone where the text has none."""

    def loosened(inner: Schema, path: str) -> Schema:
        inner = {key: item for key, item in inner.items() if key != COPIED}
        if inner.get("format") == "time":
            del inner["format"]
        return inner

    changed: Schema = rewrite(schema, loosened)
    return changed


# --- from phrases to the user's record ----------------------------------------------------------------------


@dataclass
class _Records(Kind):
    """The arguments of an extracting call: decoded as phrases, resolved into the user's record."""

    schema: Schema
    wanted: Schema
    """The user's, references put in."""
    check: Contract
    """Of the record as read."""
    typed = True

    def resolve(self, value: Any, context: ResolveContext, path: str) -> Any:
        record = _read(value[RECORD], self.wanted, context.now, RECORD)
        if problems := self.check.check(record):
            raise ContractViolation(
                [problem._replace(path=join(RECORD, problem.path)) for problem in problems]
            )
        return {RECORD: record}

    def owns(self, value: Any) -> bool:
        return isinstance(value, dict)


def _read(value: Any, schema: Schema, now: datetime, path: str) -> Any:
    if "anyOf" in schema:
        return _read_one_of(value, schema["anyOf"], now, path)
    if isinstance(value, dict):
        required = schema.get("required", ())
        return {
            name: _read(item, schema["properties"][name], now, join(path, name))
            for name, item in value.items()
            # What is absent is left to the field's default, unless null is what the field has then.
            if item is not None or name in required or _takes_null(schema["properties"][name])
        }
    if isinstance(value, list):
        items = enumerate(value)
        return [_read(item, schema["items"], now, f"{path}[{number}]") for number, item in items]
    if not isinstance(value, str) or schema.get(COPIED) is False or schema.keys() & {"const", "enum"}:
        return value
    kind = _kind_of(schema)
    if not kind:
        return value
    try:
        return _as_json(KINDS[kind].read(value, now))
    except (ValueError, OverflowError) as error:
        raise violation(path, f"a {kind}", str(error)) from None


def _read_one_of(value: Any, parts: list[Schema], now: datetime, path: str) -> Any:
    """By the first part that takes the value."""
    problems: ContractViolation | None = None
    for part in parts:
        if (value is None) != (part.get("type") == "null"):
            continue
        try:
            read = _read(value, part, now, path)
        except ContractViolation as error:
            problems = problems or error
            continue
        if not Contract.from_schema(_without_read_formats(part)).check(read):
            return read
    if problems is not None:
        raise problems
    return value


def _takes_null(schema: Schema) -> bool:
    return schema.get("type") == "null" or any(_takes_null(part) for part in schema.get("anyOf", ()))


def _as_json(value: object) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value.isoformat() if isinstance(value, date | datetime | time) else value


# --- the record in one line ---------------------------------------------------------------------------------


def _signature(schema: Schema) -> str:
    if "const" in schema or "enum" in schema:
        return " | ".join(compact_json(choice) for choice in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        parts = [_signature(part) for part in schema["anyOf"] if part.get("type") != "null"]
        return " | ".join(dict.fromkeys(parts))
    kind = schema.get("type")
    if kind == "object":
        return "{" + ", ".join(_fields(schema)) + "}"
    if kind == "array":
        return f"[{_signature(schema['items'])}]"
    if kind == "string":
        return str(schema.get("format", "text"))
    return "true | false" if kind == "boolean" else str(kind)


def _fields(schema: Schema) -> Iterator[str]:
    required = schema.get("required", ())
    for name, item in schema["properties"].items():
        optional = name not in required or _takes_null(item)
        said = item.get("description", "").strip().rstrip(".")
        about = f" ({said[:80]})" if said else ""
        yield f"{name}{'?' if optional else ''}{about}: {_signature(item)}"
