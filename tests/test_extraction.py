"""Records read from texts: every value stands there, absent is null, and the user's own schema holds."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field
from rooms import NOW, ROOT, project

from speeddial import Desk
from speeddial.contract import ResolveContext
from speeddial.errors import ContractViolation, DefinitionError
from speeddial.extraction import RECORD, contract_of, fields_line, reader
from speeddial.flywheel.cases import read_cases
from speeddial.messages import REFUSE, ToolCall
from speeddial.models.scripted import Scripted
from speeddial.tool import ToolContext


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Line(BaseModel):
    name: str
    price: Decimal | None = None


class Invoice(BaseModel):
    """An invoice."""

    vendor: str = Field(description="who sends it")
    number: str | None = Field(None, pattern=r"^INV-\d+$")
    due: date | None = None
    total: Decimal = Field(gt=0)
    currency: Literal["EUR", "USD"] | None = None
    lines: list[Line] = []
    iban: str | None = None
    note: str = "none"


TEXT = """ACME GmbH
Invoice INV-2041
Date: 12 March 2026. Due: April 11, 2026
1 Monitor 1,234.50 EUR
Cable
Total due EUR1,243.50 (incl. 19% VAT)"""
RIGHT = {
    "vendor": "ACME GmbH",
    "number": "INV-2041",
    "due": "April 11, 2026",
    "total": "1,243.50",
    "currency": "EUR",
    "lines": [{"name": "Monitor", "price": "1,234.50"}, {"name": "Cable", "price": None}],
    "iban": None,
    "note": None,
}
SCHEMA = Invoice.model_json_schema()


def context(text: str, schema: dict[str, Any] | None = None, **more: Any) -> ToolContext:
    given = {} if schema is None else {"schema": schema}
    return ToolContext(Path.cwd(), more.pop("files", {}), NOW, "key", given=given, request=text, **more)


def bound(text: str, schema: dict[str, Any]) -> Any:
    return contract_of(schema).bound(text, context(text))


def read(text: str, schema: dict[str, Any], record: dict[str, Any]) -> Any:
    contract = bound(text, schema)
    return contract.resolve(contract.load({RECORD: record}), ResolveContext(now=NOW))[RECORD]


def test_a_model_is_read_from_a_text() -> None:
    script = Scripted.register("invoice", [{"name": "invoice", "arguments": {"record": RIGHT}}])
    with Desk().add_expert("invoices", "reads invoices", tools=[reader(Invoice)], model=script.name) as desk:
        outcome = desk.call("invoices", TEXT)
    invoice = outcome.as_type(Invoice)
    assert invoice.due == date(2026, 4, 11) and invoice.total == Decimal("1243.5")
    assert invoice.iban is None and invoice.note == "none"
    assert invoice.lines == [Line(name="Monitor", price=Decimal("1234.5")), Line(name="Cable")]
    # The words of the text and what they came to are both on record.
    assert outcome.call is not None and outcome.call.arguments[RECORD] == RIGHT
    assert outcome.resolved is not None and outcome.resolved[RECORD]["due"] == "2026-04-11"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vendor", "ACME Inc"),
        ("due", "2026-04-11"),
        ("due", "May 11, 2026"),
        ("total", "1243.50"),
        ("total", 1243.5),
        ("number", "INV-2042"),
        ("currency", "CHF"),
        ("vendor", None),
    ],
)
def test_what_does_not_stand_in_the_text_is_no_value(field: str, value: Any) -> None:
    problems = bound(TEXT, SCHEMA).check({RECORD: RIGHT | {field: value}})
    assert [problem.path for problem in problems] == [f"{RECORD}.{field}"]


def test_where_the_text_has_nothing_of_a_kind_the_field_is_null() -> None:
    contract = bound("Thanks, Tess", SCHEMA | {"required": ["vendor"]})
    empty = {**dict.fromkeys(RIGHT), "vendor": "Tess", "lines": []}
    assert contract.check({RECORD: empty}) == []
    assert contract.check({RECORD: empty | {"due": "Thanks"}})


def test_where_a_required_field_has_no_phrase_the_expert_can_only_refuse() -> None:
    Scripted.register("nothing", [{"name": REFUSE, "arguments": {"reason": "no total"}}])
    with Desk().add_expert(
        "inv", "reads invoices", tools=[reader(Invoice)], model="scripted:nothing"
    ) as desk:
        assert desk.call("inv", "Thanks, Tess").status == "refused"
        requests = Scripted.named("nothing").requests
    assert list(requests[0].contract.tools) == [REFUSE]  # type: ignore[attr-defined]


def test_the_users_own_schema_holds_for_what_was_read() -> None:
    with pytest.raises(ContractViolation, match="total"):
        read("ACME owes -5", SCHEMA, {**dict.fromkeys(RIGHT), "vendor": "ACME", "total": "-5", "lines": []})


def test_a_string_may_be_freed_from_the_text() -> None:
    schema = {
        "type": "object",
        "properties": {"summary": {"type": "string", "x-copied": False}, "year": {"type": "integer"}},
        "required": ["summary", "year"],
    }
    assert read("Sold 12 cars in 2025", schema, {"summary": "good", "year": "2025"}) == {
        "summary": "good",
        "year": 2025,
    }


def test_a_file_is_read_in_place_of_the_request(tmp_path: Path) -> None:
    path = tmp_path / "invoice.txt"
    path.write_text(TEXT, encoding="utf-8")
    tool = project().tools["extract"]
    about = context("the invoice", SCHEMA, files={path.name: path})
    result = asyncio.run(tool.run({RECORD: RIGHT}, about))
    assert result.value["total"] == 1243.5
    assert tool.preface is not None
    assert tool.preface(about) == f"{fields_line(SCHEMA)}\n{TEXT}"
    assert tool.preface(context(TEXT, SCHEMA)) == fields_line(SCHEMA)


def test_the_result_of_an_earlier_step_is_read() -> None:
    tool = project().tools["extract"]
    about = context("read #1", SCHEMA, references={1: TEXT})
    assert asyncio.run(tool.run({RECORD: RIGHT}, about)).value["vendor"] == "ACME GmbH"


def test_the_record_in_one_line() -> None:
    assert fields_line(SCHEMA) == (
        "Record: {vendor (who sends it): text, number?: text, due?: date, total: number, "
        'currency?: "EUR" | "USD", lines?: [{name: text, price?: number}], iban?: text, note?: text}'
    )


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string"}, "an object with properties"),
        ({"type": "object", "properties": {"a": {"type": "object"}}}, "a is not read from texts"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}}, "nested too deep"),
        ({"type": "object", "properties": {"a": True}}, "expected a JSON Schema"),
    ],
)
def test_schemas_that_are_not_read_are_refused_at_once(schema: dict[str, Any], said: str) -> None:
    with pytest.raises(DefinitionError, match=said):
        contract_of(schema)


def test_every_case_of_the_expert_is_what_its_contract_admits() -> None:
    path = ROOT / "experts/extract/cases.jsonl"
    cases = list(read_cases(path, path.parent))
    assert len(cases) >= 120
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for case, row in zip(cases, rows, strict=True):
        call = ToolCall(row["calls"][0]["name"], row["calls"][0]["arguments"])
        assert read(row["input"], row["schema"], call.arguments[RECORD])
        assert case.judge(call).exact
