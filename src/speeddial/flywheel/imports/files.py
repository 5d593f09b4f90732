"""Files of other tools as rows: JSON lines, one JSON value or a list of them, Parquet; gzipped or not."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from speeddial.errors import NotFound, UserError
from speeddial.flywheel.imports.exchange import Bad, Row

_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
_LISTS = ("data", "spans", "items", "rows")
"""Under which name an API's page has its rows."""


def rows(file: Path) -> Iterator[Row | Bad]:
    """The rows of a file, in order; a line that is not JSON is bad.

    Raises:
        NotFound: it cannot be read.
        UserError: it is damaged, not UTF-8, or Parquet while pyarrow is absent.
    """
    try:
        with file.open("rb") as raw:
            start = raw.read(4)
        if start == _PARQUET:
            yield from _parquet(file)
            return
        with gzip.open(file, "rb") if start.startswith(_GZIP) else file.open("rb") as stream:
            yield from _json(file, stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{file}: a damaged gzip file: {error}", hint="fetch it again") from error
    except OSError as error:
        raise NotFound(f"{file}: {error.strerror or error}", hint="check the path") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: not UTF-8 text", hint="save it as UTF-8") from error


def _json(file: Path, stream: Any) -> Iterator[Row | Bad]:
    head = _first_line(stream)
    if head and not _is_lines(head):
        # A list or an object over several lines has to be read whole.
        stream.seek(0)
        try:
            value = json.loads(stream.read().decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise UserError(f"{file}: not JSON: {error}", hint="JSON lines, or one JSON value") from error
        for number, item in enumerate(_items(value), start=1):
            yield Row(f"{file}, item {number}", item)
        return
    stream.seek(0)
    for number, line in enumerate(stream, start=1):
        place = f"{file}:{number}"
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        if not text.strip():
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            yield Bad(place, f"not JSON: {error}")
            continue
        items = _items(value) if number == 1 else [value]
        for at, item in enumerate(items, start=1):
            yield Row(place if item is value else f"{place}, item {at}", item)


def _first_line(stream: IO[bytes]) -> bytes:
    return next((line for line in stream if line.strip()), b"")


def _is_lines(head: bytes) -> bool:
    """Whether the first line is a whole value: then each line is one. Lines that are broken count as such."""
    text = head.decode("utf-8-sig").strip()
    return text not in ("[", "{") and not (text.startswith("[") and not text.endswith("]"))


def _items(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        if value.keys() >= {"columns", "data"} and isinstance(value["columns"], list):  # pandas, `split`
            return [dict(zip(value["columns"], row, strict=False)) for row in value["data"]]
        for name in _LISTS:
            if isinstance(value.get(name), list) and not {"messages", "choices"} & value.keys():
                return list(value[name])
        if columns := _columns(value):
            return columns
    return [value]


def _columns(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a data frame that pandas wrote by columns, as it does unless told otherwise."""
    index = next((list(column) for column in value.values() if isinstance(column, dict)), [])
    if not index or any(not isinstance(column, dict) or list(column) != index for column in value.values()):
        return []
    return [{name: column[row] for name, column in value.items()} for row in index]


def _parquet(file: Path) -> Iterator[Row]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise UserError(
            "Parquet needs pyarrow, which is not installed", hint="pip install 'speeddial[parquet]'"
        ) from error
    try:
        table = pq.ParquetFile(file)
        number = 0
        for batch in table.iter_batches(batch_size=256):
            for value in batch.to_pylist():
                number += 1
                yield Row(f"{file}, row {number}", value)
    except pa.ArrowException as error:
        raise UserError(f"{file}: not a Parquet file: {error}", hint="fetch it again") from error
