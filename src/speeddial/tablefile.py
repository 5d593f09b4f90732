"""A table file (CSV, Parquet, SQLite) as a locked, read-only DuckDB table with clean column names and types.

The engine reads the columns for the prompt and the contract; a tool runs queries. Inside DuckDB the table is
called ``data`` and its columns ``c1``, ``c2`` ...: no text of the file or of a model ever becomes SQL.

Every CSV column is read as text first and gets its type from all of its values, not from a sample: a number
with a leading zero stays text (postal codes); "1,234.50", "1.234,50" and "€ 12" are numbers, yes/no a bool.
"""

from __future__ import annotations

import csv
import re
import sqlite3
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

from speeddial.column import Column, ColumnType
from speeddial.errors import NotFound, ToolError, UserError
from speeddial.tabletext import as_utf8

if TYPE_CHECKING:
    import duckdb

MEMORY = "1GB"
SECONDS = 30.0
"""A query that takes longer is stopped."""
MAX_COLUMNS = 200
LONGEST_NAME = 60

_SQLITE_MAGIC = b"SQLite format 3\x00"
_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True)
class TableFile:
    """One opened table file."""

    path: Path
    columns: tuple[Column, ...]
    headers: tuple[str, ...]
    """The columns' names as they stand in the file, for people."""
    rows: int
    notes: tuple[str, ...]
    """What had to be decided to read it: encoding, delimiter, doubled names."""
    connection: duckdb.DuckDBPyConnection = field(repr=False)

    def sql_name(self, name: str) -> str:
        """The SQL name of a column.

        Raises:
            ToolError: there is no such column.
        """
        for number, column in enumerate(self.columns, 1):
            if column.name == name:
                return f"c{number}"
        valid = ", ".join(column.name for column in self.columns[:20])
        raise ToolError(f"column: expected a column of {self.path.name}, got {name!r}; valid: {valid}")

    def type_of(self, name: str) -> ColumnType:
        return self.columns[int(self.sql_name(name)[1:]) - 1].type

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query over ``data``; `values` are bound, never pasted.

        Raises:
            ToolError: it ran out of time or memory, or a value does not fit its column.
        """
        import duckdb

        cursor = self.connection.cursor()
        timer = Timer(SECONDS, cursor.interrupt)
        timer.start()
        try:
            return cursor.execute(sql, list(values)).fetchall()
        except duckdb.InterruptException as error:
            raise ToolError(f"the query took longer than {SECONDS:.0f} seconds") from error
        except duckdb.OutOfMemoryException as error:
            raise ToolError(f"the query needs more than {MEMORY} of memory") from error
        except (duckdb.ConversionException, duckdb.OutOfRangeException, OverflowError) as error:
            raise ToolError(f"a value does not fit its column: {str(error).splitlines()[0]}") from error
        finally:
            timer.cancel()
            cursor.close()


def open_table(path: Path) -> TableFile:
    """Open a CSV, Parquet or SQLite file; an unchanged file is read once.

    Raises:
        NotFound: there is no such file.
        UserError: it is not a table that can be read; the text says why and what to do.
    """
    path = Path(path)
    try:
        stat = path.stat()
    except OSError as error:
        raise NotFound(f"{path}: there is no such file", hint="check the path given with --input") from error
    if not path.is_file():
        raise UserError(f"{path} is not a file", hint="give a CSV, Parquet or SQLite file")
    return _open(path.resolve(), stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4)
def _open(path: Path, modified_ns: int, size: int) -> TableFile:
    import duckdb

    if size == 0:
        raise UserError(
            f"{path.name} is empty", hint="a table needs a line of column names and rows beneath it"
        )
    try:
        with path.open("rb") as file:
            magic = file.read(16)
        if magic == _SQLITE_MAGIC:
            return _from_sqlite(path)
        if magic.startswith(_PARQUET_MAGIC):
            return _from_parquet(path)
        return _from_csv(path)
    except OSError as error:
        raise UserError(f"{path.name} cannot be read: {error.strerror or error}") from error
    except duckdb.Error as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    first = str(error).split("\n\n")[0].splitlines()
    message = " ".join(line.strip() for line in first[:3] if line.strip())
    message = re.sub(r"^[A-Za-z ]*Error: ", "", message).replace(str(path), path.name)
    return UserError(
        f"{path.name} cannot be read as a table: {message[:300]}",
        hint="mend that line, or export the table again as CSV, Parquet or SQLite",
    )


# --- readers ------------------------------------------------------------------------------------------------


def _connect() -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect(
        ":memory:",
        config={
            "threads": 2,
            "memory_limit": MEMORY,
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "preserve_insertion_order": True,
        },
    )


def _lock(connection: duckdb.DuckDBPyConnection, allowed: Path | None = None) -> None:
    """From here on no SQL reaches the file system, the network or the settings."""
    if allowed is not None:
        connection.execute("SET allowed_paths = [" + _literal(str(allowed)) + "]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _from_csv(path: Path) -> TableFile:
    with as_utf8(path) as (text_path, notes):
        connection = _connect()
        sniffed = connection.execute(
            "SELECT Delimiter, Quote, Escape, SkipRows FROM sniff_csv(?, sample_size = 20480)",
            [str(text_path)],
        ).fetchone()
        delimiter, quote, escape, skip = sniffed or (",", '"', '"', 0)
        delimiter = _delimiter(text_path, delimiter, skip)
        quote = '"' if quote in ("(empty)", "") else quote
        escape = quote if escape in ("(empty)", "") else escape
        if delimiter != ",":
            notes = (*notes, f"columns parted by {_spoken(delimiter)}")
        if skip:
            notes = (*notes, f"the first {skip} lines were skipped: they are no table")
        headers = _header(text_path, delimiter, quote, skip, path.name)
        columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(1, len(headers) + 1))
        connection.execute(
            "CREATE TABLE raw AS SELECT * FROM read_csv(?, auto_detect = false, header = true, "
            f"skip = {int(skip)}, delim = {_literal(delimiter)}, quote = {_literal(quote)}, "
            f"escape = {_literal(escape)}, columns = {{{columns}}}, max_line_size = 10000000)",
            [str(text_path)],
        )
    return _typed(path, connection, headers, notes, [None] * len(headers))


def _delimiter(path: Path, sniffed: str, skip: int) -> str:
    """The sniffed delimiter, if the header has it; DuckDB makes uneven rows one column, hiding the fault."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for _ in range(skip):
            file.readline()
        header = file.readline()
    likely = max(",;\t|", key=header.count)
    return likely if sniffed not in header and likely in header else sniffed


def _spoken(delimiter: str) -> str:
    return {";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}.get(delimiter, repr(delimiter))


def _header(path: Path, delimiter: str, quote: str, skip: int, name: str) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for _ in range(skip):
            file.readline()
        headers = next(csv.reader(file, delimiter=delimiter, quotechar=quote), [])
    if not any(header.strip() for header in headers):
        raise UserError(
            f"{name}: the first line holds no column names", hint="put the names into the first line"
        )
    numeric = [header for header in headers if re.fullmatch(r"\s*[-+]?\d+[.,]\d+\s*|\d{4}-\d\d-\d\d", header)]
    if numeric:
        raise UserError(
            f"{name}: expected column names in the first line, got the value {numeric[0]!r}",
            hint="put a line with the names of the columns first",
        )
    if len(headers) > MAX_COLUMNS:
        raise UserError(f"{name} has {len(headers)} columns; at most {MAX_COLUMNS} can be asked about")
    return headers


def _from_sqlite(path: Path) -> TableFile:
    """Through the standard library: DuckDB's SQLite extension would have to be downloaded."""
    try:
        source = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            source.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
            tables = [
                row[0]
                for row in source.execute(
                    "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
                    "AND name NOT LIKE 'sqlite_%' ORDER BY name"
                )
            ]
            if len(tables) != 1:
                raise UserError(
                    f"{path.name} holds {len(tables)} tables: {', '.join(tables[:10]) or 'none'}",
                    hint="give a file with one table, or export the one you mean as CSV",
                )
            quoted = '"' + tables[0].replace('"', '""') + '"'
            declared = [row[2] for row in source.execute(f"PRAGMA table_info({quoted})")]
            cursor = source.execute(f"SELECT * FROM {quoted}")
            headers = [item[0] for item in cursor.description]
            connection = _connect()
            names = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(1, len(headers) + 1))
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / "table.csv"
                with copy.open("w", encoding="utf-8", newline="") as file:
                    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
                    writer.writerows([_plain(value) for value in row] for row in cursor)
                connection.execute(
                    "CREATE TABLE raw AS SELECT * FROM read_csv(?, auto_detect = false, header = false, "
                    f"delim = ',', quote = '\"', escape = '\"', columns = {{{names}}}, "
                    "max_line_size = 10000000)",
                    [str(copy)],
                )
        finally:
            source.close()
    except sqlite3.Error as error:
        raise UserError(f"{path.name} cannot be read as SQLite: {error}", hint="check the file") from error
    kinds = [_affinity(kind) for kind in declared]
    return _typed(path, connection, headers, (f"table {tables[0]}",), kinds)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return value.hex() if isinstance(value, bytes) else str(value)


def _affinity(declared: str) -> str | None:
    """What SQLite's declared type allows: text stays text (dates excepted), the rest is looked at."""
    return "text" if re.search("CHAR|CLOB|TEXT", declared.upper()) else None


def _from_parquet(path: Path) -> TableFile:
    connection = _connect()
    source = f"read_parquet({_literal(str(path))})"
    described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    if len(described) > MAX_COLUMNS:
        raise UserError(f"{path.name} has {len(described)} columns; at most {MAX_COLUMNS} can be asked about")
    types: list[ColumnType] = []
    parts = []
    for number, (name, kind, *_) in enumerate(described, 1):
        quoted = '"' + name.replace('"', '""') + '"'
        column_type, cast = _parquet_type(kind)
        types.append(column_type)
        parts.append(f"CAST({quoted} AS {cast}) AS c{number}" if cast else f"{quoted} AS c{number}")
    _lock(connection, path)
    connection.execute(f"CREATE VIEW data AS SELECT {', '.join(parts)} FROM {source}")
    return _finished(path, connection, [row[0] for row in described], types, ())


def _parquet_type(kind: str) -> tuple[ColumnType, str]:
    if kind == "BOOLEAN":
        return "bool", ""
    if kind in ("DATE", "TIMESTAMP"):
        return "date", ""
    if kind.startswith("TIMESTAMP"):
        return "date", "TIMESTAMP"
    if kind.startswith("DECIMAL") or kind in (
        "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
        "FLOAT", "DOUBLE",
    ):  # fmt: skip
        return "number", ""
    return "text", "" if kind == "VARCHAR" else "VARCHAR"


# --- types and names ----------------------------------------------------------------------------------------

_NOTHING = "('', 'na', 'n/a', 'null', 'none', 'nan', '-')"
_DATES = (
    (r"\d{1,2}\.\d{1,2}\.\d{4}", "%d.%m.%Y"),
    (r"\d{1,2}-\d{1,2}-\d{4}", "%d-%m-%Y"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%m/%d/%Y"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%d/%m/%Y"),
    (r"\d{4}/\d{1,2}/\d{1,2}", "%Y/%m/%d"),
    (r"\d{1,2} [A-Za-z]{3} \d{4}", "%d %b %Y"),
    (r"[A-Za-z]{3} \d{1,2}, \d{4}", "%b %d, %Y"),
    (r"\d{1,2} [A-Za-z]{4,9} \d{4}", "%d %B %Y"),
    (r"[A-Za-z]{4,9} \d{1,2}, \d{4}", "%B %d, %Y"),
)
_CURRENCY = "[$€£]"


@dataclass(frozen=True)
class _Try:
    """One type a text column may turn out to have: every value must pass the test."""

    type: ColumnType
    test: str
    cast: str
    note: str = ""


def _tries(column: str) -> list[_Try]:
    v = f"trim({column})"
    bare = f"regexp_replace({v}, '{_CURRENCY}|\\s|%$', '', 'g')"
    english, continental = f"replace({bare}, ',', '')", f"replace(replace({bare}, '.', ''), ',', '.')"

    def number(pattern: str, text: str) -> tuple[str, str]:
        # Exact decimals while they fit, so that sums of money have no binary dust.
        return f"regexp_full_match({bare}, '{pattern}') AND TRY_CAST({text} AS DOUBLE) IS NOT NULL", text

    plain = "[-+]?(0|[1-9][0-9]*)?([.][0-9]+)?([eE][-+]?[0-9]+)?"
    tries = [
        _Try("bool", f"lower({v}) IN ('true', 'false')", f"lower({v}) = 'true'"),
        _Try("bool", f"lower({v}) IN ('yes', 'no')", f"lower({v}) = 'yes'"),
        _Try("number", *number(plain, bare)),
        _Try("number", *number("[-+]?[0-9]{1,3}(,[0-9]{3})*([.][0-9]+)?", english)),
        _Try("number", *number("[-+]?([0-9]{1,3}([.][0-9]{3})*|[1-9][0-9]*|0)(,[0-9]+)?", continental)),
        _Try(
            "date",
            f"regexp_full_match({v}, '[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}') "
            f"AND TRY_CAST({v} AS DATE) IS NOT NULL",
            f"CAST({v} AS DATE)",
        ),
        _Try(
            "date",
            f"regexp_full_match({v}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ][0-9:.]+Z?') "
            f"AND TRY_CAST({v} AS TIMESTAMP) IS NOT NULL",
            f"CAST({v} AS TIMESTAMP)",
        ),
    ]
    for pattern, form in _DATES:
        test = f"regexp_full_match({v}, '{pattern}') AND TRY_STRPTIME({v}, '{form}') IS NOT NULL"
        tries.append(_Try("date", test, f"CAST(STRPTIME({v}, '{form}') AS DATE)", form))
    return tries


def _typed(
    path: Path,
    connection: duckdb.DuckDBPyConnection,
    headers: Sequence[str],
    notes: tuple[str, ...],
    kinds: Sequence[str | None],
) -> TableFile:
    """Give the text table ``raw`` its types, as the table ``data``."""
    types: list[ColumnType] = []
    parts = []
    for number, kind in enumerate(kinds, 1):
        column = f"c{number}"
        tries = [item for item in _tries(column) if kind is None or item.type == "date"]
        filled = f"{column} IS NOT NULL AND lower(trim({column})) NOT IN {_NOTHING}"
        # A look at the first rows rules out nearly all tries; what is left must hold for every row.
        likely = _passing(connection, tries, f"(SELECT {column} FROM raw WHERE {filled} LIMIT 500)")
        passing = _passing(connection, likely, f"(SELECT {column} FROM raw WHERE {filled})")
        if not passing:
            types.append("text")
            parts.append(f"nullif({column}, '') AS {column}")
            continue
        chosen = passing[0]
        types.append(chosen.type)
        cast = chosen.cast
        if chosen.type == "number":
            cast = f"CAST({cast} AS {_number_type(connection, column, cast, filled)})"
        parts.append(f"CASE WHEN {filled} THEN {cast} END AS {column}")
        if {"%m/%d/%Y", "%d/%m/%Y"} <= {item.note for item in passing}:
            notes = (*notes, f"dates in {headers[number - 1]!r} read as month/day/year")
    connection.execute(f"CREATE TABLE data AS SELECT {', '.join(parts)} FROM raw")
    connection.execute("DROP TABLE raw")
    _lock(connection)
    return _finished(path, connection, headers, types, notes)


def _passing(connection: duckdb.DuckDBPyConnection, tries: Sequence[_Try], rows: str) -> list[_Try]:
    """The tries that hold for all of some rows; none when there are no rows."""
    if not tries:
        return []
    counted = ", ".join(f"count(*) FILTER ({item.test})" for item in tries)
    total, *passed = connection.execute(f"SELECT count(*), {counted} FROM {rows}").fetchone() or (0,)
    return [item for item, count in zip(tries, passed, strict=False) if total and count == total]


def _number_type(connection: duckdb.DuckDBPyConnection, column: str, text: str, filled: str) -> str:
    row = connection.execute(
        f"SELECT max(length(regexp_extract({text}, '[.]([0-9]+)$', 1))), "
        f"max(length(regexp_extract({text}, '^[-+]?([0-9]*)', 1))), bool_or(contains(lower({text}), 'e')) "
        f"FROM raw WHERE {filled}"
    ).fetchone()
    scale, whole, exponent = row or (0, 0, False)
    if exponent or scale > 8 or whole > 18:
        return "DOUBLE"
    return "BIGINT" if scale == 0 else f"DECIMAL({min(38, whole + scale + 4)}, {scale})"


def _finished(
    path: Path,
    connection: duckdb.DuckDBPyConnection,
    headers: Sequence[str],
    types: Sequence[ColumnType],
    notes: tuple[str, ...],
) -> TableFile:
    names, more = clean_names(headers)
    row = connection.execute("SELECT count(*) FROM data").fetchone()
    columns = tuple(Column(name, kind) for name, kind in zip(names, types, strict=True))
    return TableFile(path, columns, tuple(headers), row[0] if row else 0, (*notes, *more), connection)


def clean_names(headers: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Names as a model reads them (``order_id`` -> ``order id``), unique; notes on what was mended."""
    names: list[str] = []
    notes: list[str] = []
    for number, header in enumerate(headers, 1):
        parted = re.sub(r"(?<=[a-zß-ÿ0-9])(?=[A-ZÀ-Þ])|(?<=[A-ZÀ-Þ])(?=[A-ZÀ-Þ][a-zß-ÿ])", " ", header)
        name = re.sub(r"[\s_|]+", " ", parted).strip().lower()[:LONGEST_NAME].strip()
        name = "".join(char for char in name if char.isprintable())
        if name in ("", "*"):
            # "*" means all columns in a query.
            name = f"column {number}"
            notes.append(f"column {number} has no name")
        base, count = name, 2
        while name in names:
            name = f"{base} {count}"
            count += 1
        if name != base:
            notes.append(f"a second column named {base!r} is called {name!r}")
        names.append(name)
    return names, tuple(notes)
