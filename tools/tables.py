"""Questions about one table file as typed queries: the contract is built from its columns, DuckDB answers.

Every query that the contract admits runs: what SQL would reject (a plain column beside an aggregate, an order
by something not grouped) has one meaning here, given in `_Query`. Values are matched to what stands in
the column: exactly, then without regard to case and blanks, then by one single close spelling.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field

from speeddial import ToolContext, ToolError, tool
from speeddial.column import Column, columns_line
from speeddial.contract import Contract
from speeddial.contract.schemas import COPIED
from speeddial.tablefile import TableFile, open_table
from speeddial.values.resolve import Period, as_period

MAX_ROWS = 1000
"""Rows a result holds; `total` counts all."""
SHOWN_ROWS = 20
"""Rows its text shows."""
LONGEST_VALUE = 200
_COMPARED = 20_000
"""Different values of a column that a spelling is compared with."""

AGGREGATES: Mapping[str, tuple[str, ...]] = {
    "number": ("count", "count_distinct", "sum", "avg", "min", "max"),
    "date": ("count", "count_distinct", "min", "max"),
    "text": ("count", "count_distinct", "min", "max"),
    "bool": ("count", "count_distinct"),
}
Aggregate = Literal["count", "count_distinct", "sum", "avg", "min", "max"]
Operator = Literal["=", "!=", "<", ">", "<=", ">=", "contains", "in"]
_ORDERING = ("=", "!=", "<", ">", "<=", ">=")


class Select(BaseModel):
    """A column to give back, or an aggregate of it."""

    column: str
    aggregate: Aggregate | None = None


class Condition(BaseModel):
    """A condition on one column."""

    column: str
    op: Operator
    value: str | float | bool | list[str]


class Order(BaseModel):
    """A column or aggregate to sort by."""

    column: str
    aggregate: Aggregate | None = None
    direction: Literal["asc", "desc"]


class TableAnswer(BaseModel):
    """The answer to a query: rows under column names."""

    produces: ClassVar[frozenset[str]] = frozenset({"scalar", "table", "text"})

    columns: list[str]
    rows: list[list[Any]]
    """At most MAX_ROWS."""
    total: int
    """Rows the query has."""
    notes: list[str] = []
    """What was decided on the way: encoding, doubled names, values without a match."""
    resolved: dict[str, Any] = Field(default={}, exclude=True)
    """The conditions as they were applied; `Tool.run` adds them to the call's resolved arguments."""

    def __str__(self) -> str:
        if not self.rows:
            return "No rows."
        rows = [[_shown(value) for value in row] for row in self.rows[:SHOWN_ROWS]]
        more = f"\n... and {self.total - len(rows)} more rows" if self.total > len(rows) else ""
        if len(self.columns) == 1 and len(rows) == 1:
            return rows[0][0]
        if len(self.columns) == 1:
            return ", ".join(row[0] for row in rows) + more.replace("\n", " ")
        if len(rows) == 1 and not more:
            return ", ".join(f"{name}: {value}" for name, value in zip(self.columns, rows[0], strict=True))
        return "\n".join([" | ".join(self.columns), *(" | ".join(row) for row in rows)]) + more


def _shown(value: Any) -> str:
    if value is None:
        return "(empty)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"
    return str(value)


# --- the contract of one file -------------------------------------------------------------------------------


def columns_of(context: ToolContext) -> tuple[Column, ...] | None:
    """The columns given with the call, or those of the step's file; None when there is neither."""
    if context.columns is not None:
        return context.columns
    return open_table(_only_file(context)).columns if context.files else None


def shape(context: ToolContext) -> Contract | None:
    """The contract for this table: its columns as enums, operators and values by the column's type."""
    columns = columns_of(context)
    return _contract(columns) if columns else None


@lru_cache(maxsize=32)
def _contract(columns: tuple[Column, ...]) -> Contract:
    """Kept, so that the grammar of a table is compiled once."""
    return Contract.from_schema(schema_for(columns), name="query_table")


def preface(context: ToolContext) -> str:
    """The line that tells the expert its columns."""
    columns = columns_of(context)
    return columns_line(columns) if columns else ""


def schema_for(columns: Sequence[Column]) -> dict[str, Any]:
    """JSON Schema of a query over these columns."""
    named = {kind: [c.name for c in columns if c.type == kind] for kind in ("number", "text", "date", "bool")}
    every = [column.name for column in columns]
    select = [_object({"column": {"enum": [*every, "*"]}})]
    order = [_object({"column": {"enum": every}, "direction": _DIRECTION})]
    star: dict[str, Any] = {"column": {"const": "*"}, "aggregate": {"const": "count"}}
    aggregated = [{"column": {"enum": names}, "aggregate": {"enum": list(AGGREGATES[kind])}}
                  for kind, names in named.items() if names]  # fmt: skip
    for part in (*aggregated, star):
        select.append(_object(part))
        order.append(_object({**part, "direction": _DIRECTION}))
    properties: dict[str, Any] = {
        "select": {"type": "array", "items": {"anyOf": select}, "minItems": 1, "maxItems": 8},
        "where": {"type": "array", "items": {"anyOf": _conditions(named)}, "minItems": 1, "maxItems": 8},
        "group_by": {"type": "array", "items": {"enum": every}, "minItems": 1, "maxItems": 4},
        "order_by": {"type": "array", "items": {"anyOf": order}, "minItems": 1, "maxItems": 3},
        "limit": {"type": "integer", "minimum": 1, "maximum": MAX_ROWS},
    }
    return {"type": "object", "properties": properties, "required": ["select"], "additionalProperties": False}


_DIRECTION: dict[str, Any] = {"enum": ["asc", "desc"]}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    required = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _conditions(named: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    text = {"type": "string", "minLength": 1, "maxLength": LONGEST_VALUE, COPIED: True}
    number = {"type": "number", "minimum": -1e15, "maximum": 1e15}
    many = {"type": "array", "items": text, "minItems": 1, "maxItems": 20}
    kinds: tuple[tuple[str, tuple[str, ...], dict[str, Any]], ...] = (
        ("number", _ORDERING, number),
        ("text", ("=", "!=", "contains"), text),
        ("text", ("in",), many),
        ("date", _ORDERING, text),
        ("bool", ("=",), {"type": "boolean"}),
    )
    return [
        _object({"column": {"enum": named[kind]}, "op": {"enum": list(operators)}, "value": value})
        for kind, operators, value in kinds
        if named[kind]
    ]


# --- the tool -----------------------------------------------------------------------------------------------


@tool(effect="read", shape=shape, preface=preface)
def query_table(
    select: list[Select],
    context: ToolContext,
    where: list[Condition] | None = None,
    group_by: list[str] | None = None,
    order_by: list[Order] | None = None,
    limit: int | None = None,
) -> TableAnswer:
    """Ask one question of the table.

    Args:
        select: the columns to give back, or aggregates of them; "*" is all columns, or all rows when counted.
        where: conditions that all hold.
        group_by: columns to group by.
        order_by: what to sort by.
        limit: how many rows at most, from 1 to 1000.
    """
    if not context.files:
        raise ToolError("there is no table: the step needs a file")
    table = open_table(_only_file(context))
    query = _Query(table, context.now)
    query.where([_plain(item) for item in where or ()])
    return query.run(
        [_plain(item) for item in select], group_by or [], [_plain(item) for item in order_by or ()], limit
    )


def _only_file(context: ToolContext) -> Path:
    if len(context.files) != 1:
        raise ToolError(f"expected one table, got {len(context.files)}: {', '.join(context.files)}")
    return next(iter(context.files.values()))


def _plain(item: Any) -> dict[str, Any]:
    return item.model_dump(exclude_none=True) if isinstance(item, BaseModel) else dict(item)


class _Query:
    """One query on its way to SQL.

    - ``*`` without an aggregate is every column.
    - Plain columns beside an aggregate, or beside an order by an aggregate, are grouped by.
    - Columns of `group_by` that are not selected come first in the result.
    - An order by a column that is not grouped takes the group's smallest value (ascending) or largest.
    """

    def __init__(self, table: TableFile, now: datetime) -> None:
        self.table, self.now = table, now
        self.conditions: list[str] = []
        self.values: list[Any] = []
        self.notes = list(table.notes)
        self.resolved: list[dict[str, Any]] = []

    def where(self, conditions: Sequence[dict[str, Any]]) -> None:
        for condition in conditions:
            column, op, value = condition["column"], condition["op"], condition["value"]
            kind = self.table.type_of(column)
            sql = self.table.sql_name(column)
            if kind == "number":
                applied: Any = self._number(sql, op, value)
            elif kind == "date":
                applied = self._date(sql, op, value, column)
            elif kind == "bool":
                if op != "=" or not isinstance(value, bool):
                    raise ToolError(f"where {column}: expected = true or = false, got {op} {value!r}")
                self._add(f"{sql} = ?", value)
                applied = value
            else:
                applied = self._text(sql, op, value, column)
            self.resolved.append({"column": column, "op": op, "value": applied})

    def _add(self, sql: str, *values: Any) -> None:
        self.conditions.append(sql)
        self.values.extend(values)

    def _number(self, sql: str, op: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or op not in _ORDERING:
            raise ToolError(f"where: expected {' '.join(_ORDERING)} with a number, got {op} {value!r}")
        # As a decimal, 19.99 equals the column's 19.99; as a binary fraction it would not.
        bound = Decimal(str(value)) if 1e-6 < abs(value) < 1e12 or value == 0 else float(value)
        self._add(f"{sql} IS DISTINCT FROM ?" if op == "!=" else f"{sql} {op} ?", bound)
        return value

    def _date(self, sql: str, op: str, value: Any, column: str) -> str:
        if not isinstance(value, str) or op not in _ORDERING:
            raise ToolError(f"where {column}: expected {' '.join(_ORDERING)} with a date, got {op} {value!r}")
        try:
            period = as_period(value, self.now, past=True)
        except ValueError as error:
            raise ToolError(
                f"where {column}: expected a date or period, got {error}; example: march 2024"
            ) from error
        start, end = (moment and moment.replace(tzinfo=None) for moment in period)
        if op in ("=", "!="):
            inside = [f"{sql} >= ?"] * (start is not None) + [f"{sql} < ?"] * (end is not None)
            bounds = [moment for moment in (start, end) if moment is not None]
            both = " AND ".join(inside)
            self._add(f"({both})" if op == "=" else f"({sql} IS NULL OR NOT ({both}))", *bounds)
        elif op in ("<", ">="):
            self._add(f"{sql} {op} ?", start if start is not None else end)
        else:
            # After a period is from its end on, up to a period is until its end.
            self._add(f"{sql} {'>=' if op == '>' else '<'} ?", end if end is not None else start)
        return str(Period(*period))

    def _text(self, sql: str, op: str, value: Any, column: str) -> Any:
        texts = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str) for text in texts) or op not in ("=", "!=", "contains", "in"):
            raise ToolError(f"where {column}: expected = != contains in with a text, got {op} {value!r}")
        if op == "contains":
            self._add(f"contains(lower({sql}), lower(?))", texts[0])
            return texts[0]
        found = [match for text in texts for match in self._match(sql, text, column)]
        marks = ", ".join("?" * len(found))
        self._add(
            f"{sql} IN ({marks})" if op != "!=" else f"({sql} IS NULL OR {sql} NOT IN ({marks}))", *found
        )
        return found[0] if len(found) == 1 and op != "in" else found

    def _match(self, sql: str, text: str, column: str) -> list[str]:
        """The values of a column that a text of the question means; itself when there is none."""
        rows = self.table.query(f"SELECT DISTINCT {sql} FROM data WHERE {sql} IS NOT NULL LIMIT {_COMPARED}")
        by_key: dict[str, list[str]] = {}
        for (known,) in rows:
            by_key.setdefault(_key(known), []).append(known)
        key = _key(text)
        if key in by_key:
            return sorted(by_key[key])
        if len(rows) == _COMPARED:
            # Too many different values to look at each: the column is searched for this very text.
            return [text]
        close = get_close_matches(key, by_key, n=2, cutoff=0.84)
        if len(close) == 1 and not (re.search(r"\d", key) or re.search(r"\d", close[0])):
            self.notes.append(f"{text!r} read as {by_key[close[0]][0]!r} in {column}")
            return sorted(by_key[close[0]])
        self.notes.append(f"no {text!r} in {column}")
        return [text]

    def run(
        self,
        select: Sequence[dict[str, Any]],
        group_by: Sequence[str],
        order_by: Sequence[dict[str, Any]],
        limit: int | None,
    ) -> TableAnswer:
        named = [(item["column"], item.get("aggregate")) for item in select]
        chosen = [pair for item in named for pair in (self._all() if item == ("*", None) else [item])]
        aggregated = (
            bool(group_by) or any(kind for _, kind in chosen) or any("aggregate" in item for item in order_by)
        )
        groups: list[str] = []
        if aggregated:
            groups = list(dict.fromkeys([*group_by, *(column for column, kind in chosen if not kind)]))
            shown = {column for column, kind in chosen if not kind}
            chosen = [(column, None) for column in group_by if column not in shown] + chosen
            chosen = list(dict.fromkeys(chosen))
        expressions = [self._expression(column, kind) for column, kind in chosen]
        sql = f"SELECT {', '.join(expressions)} FROM data"
        if self.conditions:
            sql += f" WHERE {' AND '.join(self.conditions)}"
        if groups:
            sql += f" GROUP BY {', '.join(self.table.sql_name(column) for column in groups)}"
        if order_by:
            known = groups if aggregated else None
            sql += f" ORDER BY {', '.join(self._order(item, known) for item in order_by)}"
        rows = self.table.query(f"{sql} LIMIT {min(limit or MAX_ROWS, MAX_ROWS)}", self.values)
        total = len(rows)
        if limit is None and total == MAX_ROWS:
            total = self.table.query(f"SELECT count(*) FROM ({sql})", self.values)[0][0]
        return TableAnswer(
            columns=[self._label(column, kind) for column, kind in chosen],
            rows=[[_cell(value) for value in row] for row in rows],
            total=total,
            notes=self.notes,
            resolved={"where": self.resolved} if self.resolved else {},
        )

    def _all(self) -> list[tuple[str, str | None]]:
        """What ``*`` without an aggregate selects."""
        return [(column.name, None) for column in self.table.columns]

    def _expression(self, column: str, kind: str | None) -> str:
        if column == "*":
            if kind != "count":
                raise ToolError(f"select *: expected the aggregate count, got {kind!r}")
            return "count(*)"
        name = self.table.sql_name(column)
        if kind is None:
            return name
        of_type = self.table.type_of(column)
        if kind not in AGGREGATES[of_type]:
            valid = ", ".join(AGGREGATES[of_type])
            raise ToolError(
                f"select {column}: expected an aggregate for {of_type}, got {kind!r}; valid: {valid}"
            )
        return f"count(DISTINCT {name})" if kind == "count_distinct" else f"{kind}({name})"

    def _order(self, item: Mapping[str, Any], groups: Sequence[str] | None) -> str:
        column, kind, descending = item["column"], item.get("aggregate"), item["direction"] == "desc"
        expression = self._expression(column, kind)
        if groups is not None and kind is None and column not in groups:
            expression = f"{'max' if descending else 'min'}({expression})"
        return f"{expression} {'DESC' if descending else 'ASC'} NULLS LAST"

    def _label(self, column: str, kind: str | None) -> str:
        if column == "*":
            return "count"
        header = self.table.headers[int(self.table.sql_name(column)[1:]) - 1].strip() or column
        said = {"count": "count of", "count_distinct": "different", "sum": "sum of", "avg": "average"}
        return f"{said.get(kind, kind)} {header}" if kind else header


def _key(text: str) -> str:
    """Texts with the same key are the same to a person: case, blanks and accents' spelling apart."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _cell(value: Any) -> Any:
    """A value of the result as a JSON type."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, datetime):
        return value.isoformat(sep=" ") if value.time() != time(0) else value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return value
