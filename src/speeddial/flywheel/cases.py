"""Evaluation cases, read from any of the forms that public data and experts' own cases come in.

==============================  ==========================================================
a line holds                    it is
==============================  ==========================================================
``input``, ``calls``            a call case; ``files`` and the kinds of `speeddial.given`
                                (``columns``, ``labels``, ...) are what the call needs.
                                ``calls`` are the right answers of an expert with one call;
                                of one with several calls, all that are to be made: none for
                                a refusal, ``ask`` with tool and argument for a question
``input``, ``plan``             a planner case; ``files``, ``experts`` likewise
``text``, ``intent``, ``slots`` a labelled utterance, judged by the expert's label mapping
``q``, ``sel``, ``agg``,        a WikiSQL question; its tables stand in ``tables.jsonl`` beside
``conds``, ``table``            it, plain or ``.xz``
==============================  ==========================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from speeddial.column import Column
from speeddial.errors import NotFound, UserError
from speeddial.flywheel.labels import LabelMapping, fold
from speeddial.given import given_of
from speeddial.jsonlines import read_objects
from speeddial.messages import ASK, REFUSE, ToolCall, ToolCalls, calls_in

_NUMBER = re.compile(r"[-+]?(\d[\d,]*)?\.?\d+")


class Score(NamedTuple):
    """How one answer compares with its case."""

    name: bool
    """The right tool (for a plan: the right experts in the right order)."""
    exact: bool
    no_extra: bool
    """Exact and nothing added that the case does not have."""


@dataclass(frozen=True)
class Case:
    """One request with its judge."""

    id: str
    input: str
    judge: Callable[[Any], Score]
    """Takes the answer: a `ToolCall`, `ToolCalls`, or a plan as JSON."""
    expected: str
    """For people: what would have been right."""
    given: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    experts: tuple[Mapping[str, Any], ...] | None = None
    """Name, summary, needs_file, task and when_to_call of each, when the case brings its own registry."""


def read_cases(
    path: Path, folder: Path, unordered: frozenset[str] = frozenset(), *, several: bool = False
) -> Iterator[Case]:
    """Read a file of cases, plain or ``.xz``.

    Args:
        path: JSON lines.
        folder: the expert's, where a label mapping stands.
        unordered: argument names whose list order does not matter.
        several: the expert answers with several calls.

    Raises:
        NotFound: no such file.
        UserError: a line that is in none of the forms, named by its number.
    """
    mapping: LabelMapping | None = None
    tables: dict[str, tuple[Column, ...]] | None = None
    for number, row in read_objects(path):
        identity = str(row.get("id", number))
        if {"intent", "slots"} <= row.keys() and ("text" in row or "input" in row):
            mapping = mapping or LabelMapping.read(_mapping_file(folder))
            labelled = {"text": row.get("input"), **row}
            if row["intent"] in mapping.intents:
                yield Case(
                    id=identity,
                    input=labelled["text"],
                    judge=partial(_judge_labels, mapping, labelled),
                    expected=json.dumps([row["intent"], row["slots"]], ensure_ascii=False),
                )
            elif "calls" in row:
                yield _call_case(identity, {**row, "input": labelled["text"]}, unordered, several)
            # Other intents are no cases of this expert's; refusals have cases of their own.
        elif "calls" in row and "input" in row:
            yield _call_case(identity, row, unordered, several)
        elif "plan" in row and "input" in row:
            yield _plan_case(identity, row)
        elif {"q", "sel", "agg", "conds", "table"} <= row.keys():
            tables = _tables(path.parent) if tables is None else tables
            if row["table"] not in tables:
                raise UserError(
                    f"{path}:{number}: no table {row['table']!r}", hint="tables.jsonl stands beside the data"
                )
            yield _wikisql_case(identity, row, tables[row["table"]], unordered)
        else:
            raise UserError(
                f"{path}:{number}: expected input and calls, or a known data form, got keys {sorted(row)}",
                hint="see `speeddial eval --help`",
            )


def _mapping_file(folder: Path) -> Path:
    found = sorted(folder.glob("*_mapping.toml"))
    return found[0] if found else folder / "labels_mapping.toml"


def _judge_labels(mapping: LabelMapping, row: Mapping[str, Any], call: ToolCall) -> Score:
    verdict = mapping.judge(row, call)
    return Score(verdict.tool, verdict.exact, verdict.no_extra)


def _call_case(identity: str, row: Mapping[str, Any], unordered: frozenset[str], several: bool) -> Case:
    wanted = [normal(call, unordered) for call in row["calls"]]

    def judge_all(answer: ToolCall | ToolCalls) -> Score:
        """All of the calls and no other; their order is free."""
        calls = calls_in(answer.as_dict()) or []
        got = [normal(_bare(call), unordered) for call in calls if call["name"] != REFUSE]
        due = [normal(_bare(call), unordered) for call in row["calls"] if call["name"] != REFUSE]
        names = sorted(call["name"] for call in got) == sorted(call["name"] for call in due)
        exact = sorted(map(repr, map(_sorted, got))) == sorted(map(repr, map(_sorted, due)))
        return Score(names, exact, exact)

    def judge(call: ToolCall) -> Score:
        got = normal(call.as_dict(), unordered)
        name = any(got["name"] == item["name"] for item in wanted)
        # A refusal's wording is free; that it refuses is what counts.
        exact = any(got == item or (call.is_refusal and got["name"] == item["name"]) for item in wanted)
        return Score(name, exact, exact)

    return Case(
        id=identity,
        input=row["input"],
        judge=judge_all if several else judge,
        expected=json.dumps(row["calls"], ensure_ascii=False),
        given=given_of(row),
        files=tuple(row.get("files", ())),
    )


def _bare(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """A call without the words of a question, which are free."""
    if call["name"] != ASK:
        return call
    asked = {key: value for key, value in call.get("arguments", {}).items() if key != "question"}
    return {"name": ASK, "arguments": asked}


def _sorted(value: Any) -> Any:
    """A value with its keys in order, so that equal ones have equal texts."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def plan_score(expected: Mapping[str, Any], plan: Mapping[str, Any]) -> Score:
    """How one plan compares with another, both as `Plan.as_dict` gives them."""
    wanted, got = (normal(one, frozenset({"missing"})) for one in (expected, plan))
    experts = [step["expert"] for step in got["steps"]] == [step["expert"] for step in wanted["steps"]]
    return Score(experts, got == wanted, got == wanted)


def _plan_case(identity: str, row: Mapping[str, Any]) -> Case:
    # Files are granted, and named in plans, by their last part.
    steps = [
        {**step, "file": Path(step["file"]).name} if "file" in step else step for step in row["plan"]["steps"]
    ]
    experts = row.get("experts")
    return Case(
        id=identity,
        input=row["input"],
        judge=partial(plan_score, {**row["plan"], "steps": steps}),
        expected=json.dumps(row["plan"], ensure_ascii=False),
        files=tuple(row.get("files", ())),
        experts=tuple(experts) if experts else None,
    )


def _tables(folder: Path) -> dict[str, tuple[Column, ...]]:
    for name in ("tables.jsonl", "tables.jsonl.xz"):
        if (folder / name).is_file():
            return {
                row["id"]: tuple(
                    Column(column, "number" if kind in ("number", "real") else "text")
                    for column, kind in zip(row["cols"], row["types"], strict=True)
                )
                for _, row in read_objects(folder / name)
            }
    raise NotFound(f"no tables.jsonl in {folder}", hint="WikiSQL questions need their tables beside them")


def _wikisql_case(
    identity: str, row: Mapping[str, Any], columns: tuple[Column, ...], unordered: frozenset[str]
) -> Case:
    item = {"column": row["sel"], **({"aggregate": row["agg"].lower()} if row["agg"] else {})}
    wanted: dict[str, Any] = {"select": [item]}
    if row["conds"]:
        wanted["where"] = [{"column": name, "op": op, "value": value} for name, op, value in row["conds"]]
    expected = normal(wanted, unordered)

    def judge(call: ToolCall) -> Score:
        exact = normal(call.arguments, unordered) == expected
        return Score(not call.is_refusal, exact, exact)

    return Case(
        id=identity,
        input=" ".join(row["q"].split()),
        judge=judge,
        expected=json.dumps(wanted, ensure_ascii=False),
        given={"columns": [asdict(column) for column in columns]},
    )


def normal(value: Any, unordered: frozenset[str], key: str = "") -> Any:
    """A value as it is compared: texts folded, numbers by their value whether written or quoted
    ("1,276" is 1276), lists under `unordered` keys sorted."""
    if isinstance(value, Mapping):
        return {name: normal(item, unordered, name) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        items = [normal(item, unordered) for item in value]
        return sorted(items, key=repr) if key in unordered else items
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return float(value)
    text = fold(str(value))
    return float(text.replace(",", "")) if key == "value" and _NUMBER.fullmatch(text) else text
