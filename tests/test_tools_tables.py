"""The table tool on real files: right answers, no SQL from any text, nothing written, clear errors."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rooms import NOW, ROOT, Desk, project

from speeddial.column import Column
from speeddial.contract import Contract
from speeddial.errors import ContractViolation, NotFound, ToolError, UserError
from speeddial.tablefile import TableFile, clean_names, open_table
from speeddial.tool import ToolContext
from speeddial.values.resolve import as_period

ORDERS = ROOT / "examples/orders.csv"
EXPENSES = ROOT / "examples/expenses.csv"


def desk(path: Path) -> Desk:
    return Desk(path.parent / "workspace", files={path.name: path})


def ask(path: Path, **query: Any) -> Any:
    return desk(path).run("query_table", **query)


def shape(path: Path) -> Contract:
    return project().tools["query_table"].contract_for(desk(path).context())


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


COUNT = [{"column": "*", "aggregate": "count"}]


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"select": COUNT, "where": [{"column": "city", "op": "=", "value": "berlin"}]}, "7"),
        ({"select": COUNT, "where": [{"column": "city", "op": "in", "value": ["berlin", " MUNICH "]}]}, "12"),
        ({"select": [{"column": "quantity", "aggregate": "sum"}]}, "89"),
        (
            {
                "select": [{"column": "amount", "aggregate": "max"}],
                "where": [{"column": "paid", "op": "=", "value": False}],
            },
            "399",
        ),
        ({"select": [{"column": "city", "aggregate": "count_distinct"}]}, "13"),
        (
            {
                "select": [{"column": "customer"}, {"column": "amount"}],
                "where": [{"column": "ordered on", "op": "=", "value": "2024-01-03"}],
            },
            "customer: Fatima Zahra, amount: 898",
        ),
        (
            {
                "select": [{"column": "city"}],
                "order_by": [{"column": "amount", "aggregate": "sum", "direction": "desc"}],
                "limit": 2,
            },
            "Hamburg, Munich",
        ),
        ({"select": COUNT, "where": [{"column": "customer", "op": "contains", "value": "müller"}]}, "0"),
        (
            {"select": [{"column": "*"}], "limit": 1},
            "order_id: 1001, customer: Fatima Zahra, city: Hamburg, product: standing desk, quantity: 2, "
            "amount: 898, ordered_on: 2024-01-03, paid: yes",
        ),
        ({"select": COUNT, "where": [{"column": "amount", "op": "=", "value": 39.9}]}, "2"),
        ({"select": COUNT, "where": [{"column": "ordered on", "op": "<", "value": "february 2024"}]}, "11"),
        ({"select": COUNT, "where": [{"column": "ordered on", "op": "<=", "value": "january 2024"}]}, "11"),
        (
            {"select": [{"column": "customer"}], "where": [{"column": "city", "op": "=", "value": "Rome"}]},
            "No rows.",
        ),
    ],
)
def test_query_has_the_right_answer(query: dict[str, Any], text: str) -> None:
    assert ask(ORDERS, **query).text == text


def test_answers_agree_with_plain_sql_over_the_same_file() -> None:
    expected = duckdb.sql(
        f"SELECT city, sum(amount) FROM read_csv('{ORDERS}') WHERE paid = 'yes' "
        "GROUP BY city ORDER BY 2 DESC, city"
    ).fetchall()
    answer = ask(
        ORDERS,
        select=[{"column": "city"}, {"column": "amount", "aggregate": "sum"}],
        where=[{"column": "paid", "op": "=", "value": True}],
        order_by=[
            {"column": "amount", "aggregate": "sum", "direction": "desc"},
            {"column": "city", "direction": "asc"},
        ],
    )
    assert answer.value["rows"] == [[city, pytest.approx(total)] for city, total in expected]
    assert answer.value["columns"] == ["city", "sum of amount"]


def test_values_are_matched_to_the_column_and_the_match_is_told() -> None:
    answer = ask(ORDERS, select=COUNT, where=[{"column": "city", "op": "=", "value": "Berln"}])
    assert answer.text == "7"
    assert answer.resolved["where"] == [{"column": "city", "op": "=", "value": "Berlin"}]
    assert answer.value["notes"] == ["'Berln' read as 'Berlin' in city"]
    answer = ask(ORDERS, select=COUNT, where=[{"column": "ordered on", "op": "=", "value": "march 2024"}])
    assert answer.resolved["where"][0]["value"] == "2024-03-01 to 2024-03-31"
    assert ask(ORDERS, select=COUNT, where=[{"column": "city", "op": "=", "value": "Rome"}]).value[
        "notes"
    ] == ["no 'Rome' in city"]


def test_spellings_of_one_value_are_all_meant(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "city,n\nBerlin,1\nBERLIN ,2\nberlin,3\nBonn,4\nK-12,5\nK-13,6\n")
    assert ask(path, select=COUNT, where=[{"column": "city", "op": "=", "value": "BERLIN"}]).text == "3"
    assert ask(path, select=COUNT, where=[{"column": "city", "op": "!=", "value": "berlin"}]).text == "3"
    assert ask(path, select=COUNT, where=[{"column": "city", "op": "=", "value": "K-14"}]).text == "0"


def test_dates_without_a_year_are_in_the_past(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "day\n2025-12-24\n2026-03-01\n2026-11-20\n2026-12-24\n")
    for phrase, count in (
        ("december", "1"),
        ("march", "1"),
        ("last friday", "0"),
        ("friday", "1"),
        ("this year", "3"),
    ):
        assert ask(path, select=COUNT, where=[{"column": "day", "op": "=", "value": phrase}]).text == count
    with pytest.raises(ToolError, match=r"where day: .*'whenever'.*example: march 2024"):
        ask(path, select=COUNT, where=[{"column": "day", "op": "=", "value": "whenever"}])


def test_comparison_with_a_period_counts_from_its_right_end(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv",
        "at\n2024-02-29 23:59:59\n2024-03-01 00:00:00\n2024-03-31 23:30:00\n2024-04-01 00:00:00\n\n",
    )
    counts = {"=": 2, "!=": 2, "<": 1, "<=": 3, ">": 1, ">=": 3}
    for op, count in counts.items():
        answer = ask(
            path,
            select=[{"column": "at", "aggregate": "count"}],
            where=[{"column": "at", "op": op, "value": "march 2024"}],
        )
        assert answer.text == str(count), op


def test_long_answers_are_cut_and_say_so(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "n,m\n" + "".join(f"{n},{n % 7}\n" for n in range(1500)))
    answer = ask(path, select=[{"column": "n"}, {"column": "m"}])
    assert (len(answer.value["rows"]), answer.value["total"]) == (1000, 1500)
    assert answer.text.endswith("... and 1480 more rows")


# --- the contract of a file -----------------------------------------------------------------------


def test_prompt_line_and_contract_come_from_the_file() -> None:
    tool = project().tools["query_table"]
    context = desk(ORDERS).context()
    assert tool.preface is not None
    assert tool.preface(context) == (
        "Columns: order id:number | customer:text | city:text | product:text | quantity:number | "
        "amount:number | ordered on:date | paid:bool"
    )
    contract = tool.contract_for(context)
    assert contract.report.after == ()
    with pytest.raises(ContractViolation, match="town"):
        contract.load({"select": [{"column": "town"}]})


@pytest.mark.parametrize(
    "query",
    [
        {"select": []},
        {"select": [{"column": "city", "aggregate": "sum"}]},
        {"select": [{"column": "city"}], "group_by": ["*"]},
        {"select": [{"column": "*", "aggregate": "max"}]},
        {"select": [{"column": "city"}], "where": [{"column": "city", "op": ">", "value": "x"}]},
        {"select": [{"column": "city"}], "where": [{"column": "amount", "op": "=", "value": "12"}]},
        {"select": [{"column": "city"}], "where": [{"column": "paid", "op": "=", "value": 1}]},
        {"select": [{"column": "city"}], "where": [{"column": "city", "op": "in", "value": "Berlin"}]},
        {"select": [{"column": "city"}], "limit": 0},
        {"select": [{"column": "city"}], "limit": 1001},
        {"select": [{"column": "city"}], "order_by": [{"column": "city"}]},
        {"select": [{"column": "city"}], "having": []},
    ],
)
def test_what_does_not_fit_the_columns_breaks_the_contract(query: dict[str, Any]) -> None:
    with pytest.raises(ContractViolation):
        ask(ORDERS, **query)


def test_columns_can_be_given_instead_of_a_file(tmp_path: Path) -> None:
    tool = project().tools["query_table"]
    context = ToolContext(
        tmp_path, {}, NOW, "k", given={"columns": ["player", {"name": "no.", "type": "number"}]}
    )
    assert tool.preface is not None and tool.preface(context) == "Columns: player:text | no.:number"
    call = {"select": [{"column": "player"}], "where": [{"column": "no.", "op": ">", "value": 3}]}
    assert tool.contract_for(context).load(call) == call
    with pytest.raises(ToolError, match="no table"):
        Desk(tmp_path).run("query_table", select=[{"column": "player"}])


def test_written_cases_fit_their_contract_and_their_dates_are_read() -> None:
    tool = project().tools["query_table"]
    rows = [
        json.loads(line) for line in (ROOT / "experts/tables/cases.jsonl").read_text("utf-8").splitlines()
    ]
    assert len(rows) >= 40 and len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        columns = tuple(Column(**column) for column in row["columns"])
        kinds = {column.name: column.type for column in columns}
        (call,) = row["calls"]
        if call["name"] == "refuse":
            continue
        context = ToolContext(ROOT, {}, NOW, "k", given={"columns": [asdict(column) for column in columns]})
        assert tool.contract_for(context).check(call["arguments"]) == [], row["input"]
        for condition in call["arguments"].get("where", []):
            if kinds[condition["column"]] == "date":
                as_period(condition["value"], NOW, past=True)


# --- every admitted query runs, and writes nothing -------------------------------------------------


def queries(contract: Contract) -> st.SearchStrategy[dict[str, Any]]:
    """Queries that a contract admits, built from its schema."""

    def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        if "anyOf" in schema:
            return st.one_of([values(branch) for branch in schema["anyOf"]])
        kind = schema["type"]
        if kind == "object":
            required = {key: values(schema["properties"][key]) for key in schema["required"]}
            optional = {key: values(sub) for key, sub in schema["properties"].items() if key not in required}
            return st.fixed_dictionaries(required, optional=optional)
        if kind == "array":
            return st.lists(
                values(schema["items"]),
                min_size=schema.get("minItems", 0),
                max_size=min(4, schema["maxItems"]),
            )
        if kind == "string":
            return st.one_of(
                st.sampled_from(
                    ["berlin", "march 2024", "2024-01-03", "last week", "'; DROP TABLE data; --", "%", "\\"]
                ),
                st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
            )
        if kind == "integer":
            return st.integers(schema["minimum"], schema["maximum"])
        if kind == "number":
            return st.one_of(
                st.integers(-1000, 1000), st.floats(-1e15, 1e15), st.sampled_from([39.9, 0, -0.0, 1e-9])
            )
        assert kind == "boolean"
        return st.booleans()

    return values(contract.full_schema)


@settings(deadline=None, max_examples=80, suppress_health_check=list(HealthCheck))
@given(st.data())
@pytest.mark.parametrize("path", [ORDERS, EXPENSES], ids=["orders", "expenses"])
def test_any_query_that_the_contract_admits_runs_and_leaves_the_file_alone(
    path: Path, data: st.DataObject
) -> None:
    contract = shape(path)
    query = data.draw(queries(contract))
    before = path.read_bytes()
    try:
        answer = ask(path, **query)
    except ToolError as error:
        # The one thing that the schema cannot know: whether a text is a date.
        assert "expected a date or period" in str(error)
        return
    finally:
        assert path.read_bytes() == before
    json.dumps(answer.value, allow_nan=False)
    assert len(answer.value["rows"]) <= query.get("limit", 1000)
    assert all(len(row) == len(answer.value["columns"]) for row in answer.value["rows"])
    assert isinstance(answer.text, str) and answer.text


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{path}')",
        "COPY data TO '{folder}/out.csv'",
        "ATTACH '{folder}/x.db'",
        "INSTALL json",
        "SET enable_external_access = true",
        "SELECT getenv('HOME')",
        "EXPORT DATABASE '{folder}/e'",
    ],
)
def test_connection_reaches_neither_files_nor_settings(tmp_path: Path, sql: str) -> None:
    path = write(tmp_path / "t.csv", "a,b\n1,2\n")
    table = open_table(path)
    with pytest.raises((duckdb.Error, ToolError)):
        table.query(sql.format(path=path, folder=tmp_path))
    assert [item.name for item in tmp_path.iterdir()] == ["t.csv"]


def test_query_that_takes_too_long_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = open_table(write(tmp_path / "t.csv", "a\n1\n"))
    monkeypatch.setattr("speeddial.tablefile.SECONDS", 0.3)
    began = time.perf_counter()
    with pytest.raises(ToolError, match="longer than"):
        table.query(
            "SELECT count(*) FROM range(100000000) a, range(100000) b WHERE a.range % 7 = b.range % 3"
        )
    assert time.perf_counter() - began < 20


# --- files ----------------------------------------------------------------------------------------

TEXT = "Stadt;Größe (m²);Preis\nMünchen;12,5;1.234,50 €\nKöln;7;99,00 €\nDüsseldorf;30,25;1.000,00 €\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_encodings_are_detected_and_named(tmp_path: Path, encoding: str) -> None:
    text = TEXT.replace("€", "") if encoding == "latin-1" else TEXT
    path = write(tmp_path / "t.csv", text, encoding)
    table = open_table(path)
    assert [str(column) for column in table.columns] == ["stadt:text", "größe (m²):number", "preis:number"]
    read_as = [note for note in table.notes if note.startswith("read as")]
    # Without characters from 80 to 9F the two Western code pages are the same file.
    expected = {"utf-8": [], "latin-1": ["read as cp1252"]}.get(encoding, [f"read as {encoding}"])
    assert read_as == expected
    assert ask(path, select=[{"column": "preis", "aggregate": "sum"}]).text == "2333.5"
    assert (
        ask(path, select=[{"column": "preis"}], where=[{"column": "stadt", "op": "=", "value": "köln"}]).text
        == "99"
    )


def test_encoding_that_cannot_be_told_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "город,число\nМосква,1\nКазань,2\n", "cp1251")
    with pytest.raises(UserError, match="encoding that cannot be told"):
        open_table(path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_detected(tmp_path: Path, delimiter: str) -> None:
    rows = [
        ["name", "note", "n"],
        ["a", '"x, y; z | \t w"', "1"],
        ["b", '"say ""hi"""', "2"],
        ["c", "plain", "3"],
    ]
    path = write(tmp_path / "t.csv", "\n".join(delimiter.join(row) for row in rows) + "\n")
    table = open_table(path)
    assert [str(column) for column in table.columns] == ["name:text", "note:text", "n:number"]
    assert table.query("SELECT c2 FROM data ORDER BY c1")[:2] == [("x, y; z | \t w",), ('say "hi"',)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2", ""], "number"),
        (["1.5", "-2", "n/a"], "number"),
        (["1,234.50", "12.00"], "number"),
        (["€ 12", "€ 1,000"], "number"),
        (["1e5", "2.5E-3"], "number"),
        (["12%", "7%"], "number"),
        (["00123", "04567"], "text"),
        (["12-34", "5"], "text"),
        (["yes", "No", ""], "bool"),
        (["TRUE", "false"], "bool"),
        (["0", "1"], "number"),
        (["2024-01-05", "2024-12-31"], "date"),
        (["2024-01-05T10:00:00", "2024-01-06 11:30"], "date"),
        (["31.12.2024", "1.1.2025"], "date"),
        (["12/31/2024", "1/2/2025"], "date"),
        (["31/12/2024", "1/2/2025"], "date"),
        (["5 Jan 2024", "12 Mar 2024"], "date"),
        (["2024-13-01", "2024-01-01"], "text"),
        (["", "n/a"], "text"),
        (["a", "1"], "text"),
    ],
)
def test_type_of_a_column_is_what_all_its_values_are(tmp_path: Path, values: list[str], kind: str) -> None:
    rows = "".join(f'x,"{value}"\n' for value in values)
    assert open_table(write(tmp_path / "t.csv", f"k,v\n{rows}")).columns[1].type == kind


def test_dates_that_could_be_either_way_are_told(tmp_path: Path) -> None:
    table = open_table(write(tmp_path / "t.csv", "day,n\n1/2/2024,1\n3/4/2024,2\n"))
    assert table.query("SELECT min(c1) FROM data")[0][0].isoformat()[:10] == "2024-01-02"
    assert table.notes == ("dates in 'day' read as month/day/year",)


def test_sums_of_money_are_exact(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "amount\n" + "0.10\n" * 3 + "1234567.89\n")
    assert ask(path, select=[{"column": "amount", "aggregate": "sum"}]).value["rows"] == [[1234568.19]]


def test_names_are_made_sayable_and_unique() -> None:
    names, notes = clean_names(["Order_ID", "OrderDate", "*", "amount", "Amount", "a|b", "HTTPCode"])
    assert names == ["order id", "order date", "column 3", "amount", "amount 2", "a b", "http code"]
    assert notes == ("column 3 has no name", "a second column named 'amount' is called 'amount 2'")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n\n", "no column names|cannot be read"),
        (b"2024-01-01,3.5\n2024-01-02,4.5\n", "expected column names in the first line"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00", "not a text file"),
        (b"PAR1 this is no parquet", "cannot be read as a table"),
        (b"SQLite format 3\x00 broken", "cannot be read as SQLite"),
        (b'a,b\n"1,2\n3,4\n', "cannot be read as a table"),
        (b"a,b\n1,2\n1,2,3\n1,2\n", "cannot be read as a table"),
    ],
    ids=["empty", "blank", "no header", "image", "parquet", "sqlite", "open quote", "ragged"],
)
def test_bad_file_says_what_is_wrong_and_what_to_do(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        open_table(path)
    assert "bad.csv" in str(caught.value) and str(tmp_path) not in caught.value.message
    assert caught.value.exit_code == 2


def test_missing_file_and_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        open_table(tmp_path / "gone.csv")
    with pytest.raises(UserError, match="is not a file"):
        open_table(tmp_path)


def test_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a,b\n")
    assert ask(path, select=COUNT).text == "0"
    assert ask(path, select=[{"column": "a"}]).text == "No rows."


def test_changed_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "a\n1\n")
    assert ask(path, select=COUNT).text == "1"
    write(path, "a\n1\n2\n3\n")
    assert ask(path, select=COUNT).text == "3"


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    duckdb.sql(
        'COPY (SELECT 1::DECIMAL(9,2) AS Price, DATE \'2024-03-05\' AS "sold ""on""", '
        "TIMESTAMPTZ '2024-03-05 10:00:00+00' AS at, "
        f"true AS ok, 'x' AS name, [1, 2] AS list, TIME '10:00' AS clock) TO '{path}' (FORMAT parquet)"
    )
    table: TableFile = open_table(path)
    assert [column.type for column in table.columns] == [
        "number",
        "date",
        "date",
        "bool",
        "text",
        "text",
        "text",
    ]
    assert (
        ask(path, select=COUNT, where=[{"column": 'sold "on"', "op": "=", "value": "march 2024"}]).text == "1"
    )
    assert ask(path, select=[{"column": "price"}, {"column": "list"}]).text == "Price: 1, list: [1, 2]"


def test_sqlite_table_is_read_and_several_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as base:
        base.execute('CREATE TABLE "my orders" (id INTEGER, zip TEXT, amount REAL, day TEXT, note)')
        rows = [
            (1, "01067", 9.5, "2024-03-05", None),
            (2, "10115", 1.25, "2024-03-06", 'it\'s, "ok"\nline two'),
        ]
        base.executemany('INSERT INTO "my orders" VALUES (?, ?, ?, ?, ?)', rows)
    base.close()
    before = path.read_bytes()
    table = open_table(path)
    assert [str(c) for c in table.columns] == [
        "id:number",
        "zip:text",
        "amount:number",
        "day:date",
        "note:text",
    ]
    assert ask(path, select=[{"column": "note"}], where=[{"column": "id", "op": "=", "value": 2}]).text == (
        'it\'s, "ok"\nline two'
    )
    assert ask(path, select=[{"column": "amount", "aggregate": "sum"}]).text == "10.75"
    assert path.read_bytes() == before
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE other (x)")
    base.commit()
    base.close()
    with pytest.raises(UserError, match="holds 2 tables: my orders, other"):
        open_table(path)


def test_hundred_thousand_rows_are_read_in_seconds(tmp_path: Path) -> None:
    path = write(
        tmp_path / "big.csv",
        "id,city,amount,day\n"
        + "".join(f"{n},c{n % 50},{n}.25,2024-01-{n % 28 + 1:02}\n" for n in range(100_000)),
    )
    began = time.perf_counter()
    assert ask(path, select=COUNT, where=[{"column": "city", "op": "=", "value": "C7"}]).text == "2000"
    assert time.perf_counter() - began < 15
