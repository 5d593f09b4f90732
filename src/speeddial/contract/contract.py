"""Contract: the one place that says what a value must be, for decoder, check, record, training and metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

from speeddial.contract import describe
from speeddial.contract.binding import Bound, Copy, bind, bindable_parts, copies, taken_from_calls, texts_for
from speeddial.contract.check import check
from speeddial.contract.decoded import ResolveContext
from speeddial.contract.example import NoExample, example_of, with_example
from speeddial.contract.foreign import (
    needs_jsonschema,
    normalised,
    ordered,
    patterns_readable,
    prepared,
    second_opinion,
    well_formed,
)
from speeddial.contract.grammar import GrammarReport, Skeleton, compiled, enforced
from speeddial.contract.jsontext import DEEPEST, parse_json, write_json
from speeddial.contract.kinds import Kind
from speeddial.contract.lark import LarkGrammar
from speeddial.contract.pythontypes import Builder, type_name
from speeddial.contract.schemas import Schema, hash_of, subschemas
from speeddial.contract.source import REQUEST, Source, Value, given_by
from speeddial.errors import ContractViolation, DefinitionError, Problem

_MOST_SKELETONS = 64
"""Kept of one contract: each set of choices (a folder's lists, a table's columns) makes another."""


class Contract:
    """What one value must be; made by `of`, `from_schema`, `arguments_contract` or `union_of_calls`.

    Attributes:
        python_type: the type that `load` returns; None for a contract from a schema.
        name: what it is called in messages.
        noted: lines for `GrammarReport.after` that the type itself gave.
        sources: name in the schema -> the function that gives values for each call.
    """

    def __init__(
        self,
        full_schema: Schema | Callable[[], Schema],
        *,
        name: str,
        kind: Kind | None = None,
        python_type: Any = None,
        after: list[str],
        sources: Mapping[str, Source] | None = None,
    ) -> None:
        self._full_schema = full_schema
        self.name = name
        self.python_type = python_type
        self._kind = kind
        self.noted = after
        self.sources = dict(sources or {})
        self.unbound: Contract = self
        """This contract before a call's texts and choices were put in (`bound`); the same for all calls."""
        self.held: Bound | None = None
        """What was put in for a call; None before that."""
        self._skeletons: dict[Any, Skeleton] = {}
        """Of the contracts bound from this one, by `Bound.form`."""
        self._also: Schema | None = None
        """A schema that jsonschema checks besides; None where the strict check says all there is to say."""

    @property
    def full_schema(self) -> Schema:
        """The strict JSON Schema (2020-12) that the check uses, closed and bounded."""
        # Of an expert's contracts bound for a call few are looked at: a function makes it when it is wanted.
        if not isinstance(self._full_schema, dict):
            self._full_schema = self._full_schema()
        return self._full_schema

    @classmethod
    def of(cls, tp: Any) -> Contract:
        """The contract of a Python type.

        Args:
            tp: any supported type, constraints in ``Annotated[...]`` or Pydantic fields.

        Raises:
            DefinitionError: a type or constraint in it that cannot be held exactly, with the fix.
        """
        builder = Builder()
        name = type_name(tp)
        return cls.of_kind(builder.kind(tp, f"type {name}", ""), builder, name=name, python_type=tp)

    @classmethod
    def of_kind(cls, kind: Kind, builder: Builder, *, name: str, python_type: Any) -> Contract:
        """The contract of a kind that `builder` has built."""
        builder.check_unions()
        full = {**kind.schema, "$defs": builder.definitions} if builder.definitions else dict(kind.schema)
        builder.root.update(full)
        if builder.definitions:
            try:
                example_of(full, full)
            except NoExample as error:
                raise DefinitionError(
                    f"{name}: no value of this recursive type ends ({error})",
                    hint="make the recursive field optional (T | None) or a list",
                ) from None
            builder.note("", f"nesting beyond {DEEPEST} levels")
        return cls(
            builder.root,
            name=name,
            kind=kind,
            python_type=python_type,
            after=builder.after,
            sources=builder.sources,
        )

    @classmethod
    def from_schema(
        cls, schema: Schema, *, name: str = "schema", sources: Mapping[str, Source] | None = None
    ) -> Contract:
        """The contract of a JSON Schema; values stay decoded JSON.

        Objects that list their properties and say nothing about others are closed; strings, lists and
        numbers without bounds get the defaults of `speeddial.contract.scalars`.

        Args:
            sources: what the schema's ``x-copied``, ``x-one-of`` and ``x-excluded`` name.

        Raises:
            DefinitionError: not a JSON Schema, or a reference out of it.
        """
        try:
            normal = normalised(schema)
            strict = prepared(normal)
        except (TypeError, ValueError, AttributeError, KeyError):
            # A keyword has a value that it cannot have: which one, the metaschema tells.
            well_formed(schema)
            raise
        contract = cls(strict, name=name, after=[], sources=sources)
        if needs_jsonschema(normal):
            well_formed(normal)
            patterns_readable(normal)
            contract._also = normal
        return contract

    def narrowed(self, schema: Schema, sources: Mapping[str, Source]) -> Contract:
        """This contract with a tighter schema; what it checks besides stays.

        Args:
            schema: whatever fits it fits `full_schema`.
            sources: what it names, beside those that are known.
        """
        other = Contract(
            schema,
            name=self.name,
            kind=self._kind,
            python_type=self.python_type,
            after=self.noted,
            sources={**self.sources, **sources},
        )
        other._also = self._also
        return other

    def bound(self, request: str = "", context: Any = None) -> Contract:
        """This contract for one call: copied strings held to their texts, choices to those of the call.

        Args:
            request: what the model is asked, for strings that are copied from it; empty leaves them free.
            context: what sources are called with.

        Returns:
            The bound contract, with the same hash; itself when nothing in it is taken from calls.

        Raises:
            ContractViolation: there is nothing to choose from where a value is required.
        """
        if not self._bindable_parts:
            return self
        given = {name: given_by(source, context) for name, source in self.sources.items()}
        texts: dict[str, tuple[Value, ...] | None] = {REQUEST: (request,) if request else None, **given}
        held = Bound()
        full: Schema | bool | Callable[[], Schema]
        if self._copies is not None:
            new = [texts_for(copy.sources, texts) for copy in self._copies]
            if not any(new):
                return self
            held.copied = [put_in or copy.texts for put_in, copy in zip(new, self._copies, strict=True)]
            full = partial(self._filled, texts)
        else:
            full = bind(self.full_schema, texts, held, self._bindable_parts)
            if isinstance(full, bool):
                none = ", ".join(name for name, values in given.items() if values == ())
                raise ContractViolation([Problem("", "one of several values", f"none: {none} has none")])
            if full == self.full_schema:
                return self
        other = Contract(
            full,
            name=self.name,
            kind=self._kind,
            python_type=self.python_type,
            after=self.noted,
            sources=self.sources,
        )
        other._also = self._also
        other.schema_hash = self.schema_hash
        other.unbound = self.unbound
        other.held = held
        return other

    def lacking(self, context: Any) -> tuple[str, ...]:
        """The required keys of an object for which a call has nothing to choose from.

        Args:
            context: what sources are called with.
        """
        given = {name: given_by(source, context) for name, source in self.sources.items()}
        # Where the texts of copied strings do not count, any text will do.
        texts = {REQUEST: None, **given}
        parts = self.full_schema.get("properties", {})
        required = [key for key in self.full_schema.get("required", ()) if key in parts]
        return tuple(key for key in required if bind(parts[key], texts, Bound()) is False)

    def _filled(self, texts: Mapping[str, tuple[Value, ...] | None]) -> Schema:
        full = bind(self.full_schema, texts, Bound(), self._bindable_parts)
        assert isinstance(full, dict), "a copied string has no choices to run out of"
        return full

    @cached_property
    def _copies(self) -> tuple[Copy, ...] | None:
        return copies(self.full_schema, self._bindable_parts)

    @cached_property
    def _bindable_parts(self) -> frozenset[int]:
        return bindable_parts(self.full_schema)

    @cached_property
    def has_references(self) -> bool:
        """Whether its schema refers to parts of itself."""
        if self is not self.unbound:
            return self.unbound.has_references
        return any("$ref" in inner for _, inner in subschemas(self.full_schema))

    @cached_property
    def _for_grammar(self) -> tuple[Schema, list[str], LarkGrammar]:
        held = self.held or Bound.already(self.full_schema)
        kept = self.unbound._skeletons
        form = self._form(held)
        skeleton = kept.get(form)
        if skeleton is None:
            if len(kept) >= _MOST_SKELETONS:
                kept.clear()
            skeleton = kept[form] = Skeleton(self.full_schema, held.texts)
        return skeleton.filled(held.texts)

    def _form(self, held: Bound) -> Any:
        return self.held is not None, held.form

    @property
    def schema(self) -> Schema:
        """The JSON Schema that the grammar is compiled from; what server engines are given."""
        return self._for_grammar[0]

    @cached_property
    def schema_hash(self) -> str:
        """``sha256:...`` of the constraints; descriptions, titles, examples and defaults do not count."""
        return hash_of(self.full_schema)

    @cached_property
    def grammar(self) -> str:
        """The llguidance grammar, compact JSON.

        Raises:
            DefinitionError: llguidance refuses the schema.
        """
        try:
            return self._for_grammar[2].text or compiled(self.schema, self.name)
        except DefinitionError:
            # llguidance does not say where.
            well_formed(self.schema)
            raise

    @cached_property
    def report(self) -> GrammarReport:
        """What the grammar enforces and what the check does. Raises DefinitionError like `grammar`."""
        _ = self.grammar
        return GrammarReport(
            tuple(dict.fromkeys([*enforced(self.schema), *taken_from_calls(self.full_schema)])),
            tuple(dict.fromkeys([*self._for_grammar[1], *self.noted])),
        )

    def check(self, value: Any) -> list[Problem]:
        """Every problem of a decoded JSON value, the type's own validators included; empty when valid."""
        problems = self._check_schema(value)
        if not problems and self._kind is not None:
            try:
                self._kind.load(value, "")
            except ContractViolation as error:
                return list(error.problems)
        return problems

    def load(self, value: Any) -> Any:
        """The Python value of a decoded JSON value; typed values stay in their decode type.

        Raises:
            ContractViolation: it breaks the contract.
        """
        problems = self._check_schema(value)
        if not problems:
            if self._kind is None:
                return value
            try:
                return self._kind.load(value, "")
            except ContractViolation as error:
                problems = list(error.problems)
        raise ContractViolation(with_example(problems, self.full_schema, value), example=self.example_text)

    def parse(self, text: str) -> Any:
        """The Python value of a model's output: one JSON text, checked strictly, nothing coerced.

        Raises:
            ContractViolation: not one JSON text, or it breaks the contract; carries problems, a valid example
                and the text.
        """
        try:
            return self.load(parse_json(text))
        except ContractViolation as error:
            raise ContractViolation(error.problems, example=self.example_text, raw=text) from None

    def dump(self, value: Any) -> str:
        """Compact JSON of a Python value, in the one form that the grammar admits; `parse` reads it back.

        Raises:
            ContractViolation: `value` is not of the type.
        """
        written = self._kind.dump(value, "") if self._kind is not None else value
        problems = self._check_schema(written)
        if problems:
            raise ContractViolation(problems)
        if self._kind is None:
            written = ordered(written, self.full_schema, self.full_schema)
        return write_json(written)

    def resolve(self, value: Any, context: ResolveContext) -> Any:
        """A value as `load` returned it, with its typed values resolved into their Python types.

        Raises:
            ContractViolation: a decoded value cannot be understood; names it, and what would be right.
        """
        return value if self._kind is None else self._kind.resolve(value, context, "")

    def example(self) -> Any:
        """A small valid instance as decoded JSON. Raises DefinitionError when none can be found."""
        try:
            return example_of(self.full_schema, self.full_schema)
        except NoExample as error:
            raise DefinitionError(
                f"{self.name}: no example: {error}", hint="give one with Field(examples=[...])"
            ) from None

    @cached_property
    def example_text(self) -> str:
        """`example` as compact JSON; empty when none can be found or it breaks a validator of the user's."""
        try:
            example = self.example()
        except DefinitionError:
            return ""
        return "" if self.check(example) else write_json(example)

    def describe(self) -> str:
        """A short TypeScript-like signature with descriptions, for prompts of models not trained on it."""
        lines = describe.definitions(self.full_schema)
        lines.append(describe.signature(self.full_schema, self.full_schema))
        return "\n".join(lines + describe.notes(self.full_schema))

    def _check_schema(self, value: Any) -> list[Problem]:
        problems = check(value, self.full_schema, self.full_schema)
        if not problems and self._also is not None:
            return second_opinion(value, self._also)
        return problems

    def __repr__(self) -> str:
        return f"Contract({self.name})"
