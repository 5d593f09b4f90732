"""Keywords that llguidance refuses, put as alternatives that say the same."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

from speeddial.contract.check import check, dereferenced, equal, same
from speeddial.contract.schemas import Schema, matcher

_MOST_UNIQUE = 5
"""Values of a list without repetitions that are written out: 326 lists of five, 1,957 of six."""
_MOST_DEPENDENT = 3
"""Keys that need others: each doubles the alternatives."""
_MOST_ALTERNATIVES = 24
"""Ways to leave a key of every other group out."""


def rewritten(schema: Schema, root: Schema) -> None:
    """Put what can be put otherwise; what cannot stays as it is.

    Args:
        schema: one subschema; it is changed.
        root: what its references refer to.
    """
    _unique_items(schema, root)
    _if_then(schema, root)
    _optional_tag(schema, root)
    _one_of_required(schema)
    _not_required(schema)
    _dependent_required(schema)
    _declared_names(schema, root)


def choices_of(schema: Any, root: Schema) -> list[Any] | None:
    """The only values that a schema admits, where it lists them; None where it does not."""
    schema = dereferenced(schema, root)
    if not isinstance(schema, dict):
        return None
    if "const" in schema:
        return [schema["const"]]
    if "enum" in schema:
        return list(schema["enum"])
    return [True, False] if schema.get("type") == "boolean" else None


def _unique_items(schema: Schema, root: Schema) -> None:
    """A list of few known values, each at most once, is one of so many lists."""
    if schema.get("uniqueItems") is not True or schema.get("prefixItems"):
        return
    items = choices_of(schema.get("items"), root)
    if items is None or schema.get("type") != "array":
        return
    # An enum may name a value twice.
    items = [item for at, item in enumerate(items) if not any(equal(item, other) for other in items[:at])]
    if len(items) > _MOST_UNIQUE:
        return
    low, high = schema.get("minItems", 0), min(schema.get("maxItems", len(items)), len(items))
    for keyword in ("uniqueItems", "items", "minItems", "maxItems", "type"):
        schema.pop(keyword, None)
    lists = (list(chosen) for count in range(low, high + 1) for chosen in permutations(items, count))
    schema["enum"] = list(lists)


def _if_then(schema: Schema, root: Schema) -> None:
    """A condition on one key with known values: those that meet it with `then`, the others with `else`."""
    condition = schema.get("if")
    if not isinstance(condition, dict) or condition.keys() - {"properties", "required", "type"}:
        return
    wanted = condition.get("properties", {})
    if len(wanted) != 1 or set(condition.get("required", ())) - wanted.keys():
        return
    if schema.get("type") != "object" or condition.get("type", "object") != "object":
        return
    ((key, rule),) = wanted.items()
    known = choices_of(schema.get("properties", {}).get(key), root)
    met = choices_of(rule, root)
    if known is None or met is None:
        return
    inside = [value for value in known if any(same(value, other) for other in met)]
    outside = [value for value in known if not any(same(value, other) for other in met)]
    needed = bool(condition.get("required"))
    branches = [
        _with(key, inside, needed, schema.get("then", {})),
        _with(key, outside, not needed, schema.get("else", {})),
    ]
    for keyword in ("if", "then", "else"):
        schema.pop(keyword, None)
    _and_any(schema, branches)


def _with(key: str, values: list[Any], required: bool, beside: Any) -> Schema:
    """`key` among `values` (absent too unless it is required), and what else must hold."""
    branch: Schema = {"properties": {key: {"enum": values} if values else False}}
    if required:
        branch["required"] = [key]
    return {"allOf": [branch, beside]} if beside not in ({}, True) else branch


def _optional_tag(schema: Schema, root: Schema) -> None:
    """``oneOf`` objects told apart by a key that none requires: the grammar asks for that key.

    Narrower than the schema, which also takes an object without the key where its other keys fit one
    alternative only; without it an object mostly fits several, and so none.
    """
    branches = schema.get("oneOf", [])
    inner = [dereferenced(branch, root) for branch in branches]
    if len(branches) < 2 or not all(
        isinstance(branch, dict) and branch.get("properties") for branch in inner
    ):
        return
    if not all("object" in (schema.get("type"), branch.get("type")) for branch in inner):
        return
    for name in inner[0]["properties"]:
        tags = [choices_of(branch["properties"].get(name), root) for branch in inner]
        values = [value for group in tags for value in group or ()]
        apart = all(tags) and not any(
            same(value, other) for index, value in enumerate(values) for other in values[:index]
        )
        if apart:
            if all(name in branch.get("required", ()) for branch in inner):
                return
            del schema["oneOf"]
            _and_any(schema, [{"allOf": [branch, {"required": [name]}]} for branch in branches])
            return


def _one_of_required(schema: Schema) -> None:
    """Exactly one of several groups of keys: each group with a key of every other one absent."""
    branches = schema.get("oneOf", [])
    if schema.get("type") != "object" or not all(_only_requires(branch) for branch in branches):
        return
    groups = [branch["required"] for branch in branches]
    alternatives: list[Schema] = []
    for number, group in enumerate(groups):
        others = [
            [key for key in other if key not in group]
            for index, other in enumerate(groups)
            if index != number
        ]
        for absent in product(*others):
            alternatives.append({"required": group, "properties": dict.fromkeys(absent, False)})
            if len(alternatives) > _MOST_ALTERNATIVES:
                return
    if alternatives:
        del schema["oneOf"]
        _and_any(schema, alternatives)


def _not_required(schema: Schema) -> None:
    """Not all of some keys: one of them is absent."""
    negated: Any = schema.get("not")
    if schema.get("type") == "object" and _only_requires(negated):
        del schema["not"]
        _and_any(schema, [{"properties": {key: False}} for key in negated["required"]])


def _only_requires(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.keys() == {"required"} and bool(schema["required"])


def _dependent_required(schema: Schema) -> None:
    """A key that needs others is absent, or there with them."""
    needs: dict[str, list[str]] = dict(schema.get("dependentRequired", {}))
    if schema.get("type") != "object" or not needs:
        return
    required = dict.fromkeys(schema.get("required", ()))
    while always := [key for key in needs if key in required]:
        for key in always:
            required |= dict.fromkeys(needs.pop(key))
    if required:
        schema["required"] = list(required)
    if len(needs) > _MOST_DEPENDENT:
        schema["dependentRequired"] = needs
        return
    del schema["dependentRequired"]
    for key, others in needs.items():
        if others:
            _and_any(schema, [{"properties": {key: False}}, {"required": [key, *others]}])


_OF_NAMES = {"type", "enum", "const", "pattern", "minLength", "maxLength"}


def _declared_names(schema: Schema, root: Schema) -> None:
    """``propertyNames`` of an object that admits declared keys only: what it refuses is never there."""
    names, keys = schema.get("propertyNames"), schema.get("properties", {})
    closed = schema.get("additionalProperties") is False and not schema.get("patternProperties")
    if not (closed and keys and isinstance(names, dict) and names.keys() <= _OF_NAMES):
        return
    if "pattern" in names and matcher(names["pattern"]) is None:
        return
    del schema["propertyNames"]
    schema["properties"] = {key: False if check(key, names, root) else inner for key, inner in keys.items()}


def _and_any(schema: Schema, branches: list[Schema]) -> None:
    if "anyOf" in schema or "oneOf" in schema:
        schema["allOf"] = [*schema.get("allOf", []), {"anyOf": branches}]
    else:
        schema["anyOf"] = branches
