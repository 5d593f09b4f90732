"""Text files of unknown encoding, as UTF-8: byte order marks, then UTF-8 proven, then a guess, said."""

from __future__ import annotations

import codecs
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speeddial.errors import UserError

_BLOCK = 1 << 20
_SAMPLE = 1 << 18
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@contextmanager
def as_utf8(path: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The file itself when it is plain UTF-8, else a copy that is; with a note that names the encoding.

    Raises:
        UserError: it is not text.
    """
    encoding = _encoding(path)
    if encoding == "utf-8":
        yield path, ()
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "table.csv"
        try:
            with (
                path.open(encoding=encoding, newline="") as source,
                copy.open("w", encoding="utf-8", newline="") as out,
            ):
                while block := source.read(_BLOCK):
                    out.write(block)
        except UnicodeError as error:
            raise UserError(
                f"{path.name} looks like {encoding} but does not decode as it: {error}",
                hint="save the file as UTF-8",
            ) from error
        yield copy, (f"read as {encoding}",)


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding
    if b"\x00" in sample:
        even, odd = sample[0::2].count(0), sample[1::2].count(0)
        if max(even, odd) > len(sample) // 5 and min(even, odd) < max(even, odd) // 4:
            return "utf-16-le" if odd > even else "utf-16-be"
        raise UserError(
            f"{path.name} is not a text file",
            hint="give a CSV, Parquet or SQLite file; save spreadsheets as CSV",
        )
    if _is_utf8(path):
        return "utf-8"
    return _single_byte(path)


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while block := file.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _single_byte(path: Path) -> str:
    """Windows' Western code page, or Latin-1 where that has no such character (bytes 81, 8D, 8F, 90, 9D)."""
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
    high = sum(byte >= 0x80 for byte in sample)
    letters = high + sum(chr(byte).isalpha() for byte in sample if byte < 0x80)
    # Western text has an accent in every tenth letter at most; Cyrillic or Asian text is all high bytes.
    if high > 0.3 * letters and high > 8:
        raise UserError(
            f"{path.name} is in an encoding that cannot be told (not UTF-8, UTF-16 or Western)",
            hint="save the file as UTF-8",
        )
    undefined = frozenset(b"\x81\x8d\x8f\x90\x9d")
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if not undefined.isdisjoint(block):
                return "latin-1"
    return "cp1252"
