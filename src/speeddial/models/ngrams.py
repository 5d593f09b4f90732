"""Character and word n-grams of short texts, hashed into columns; what a classifier sees of the spelling."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

COLUMNS = 1 << 15
_WORDS = re.compile(r"\w+|[^\w\s]")
_LENGTHS = (3, 4, 5)
"""Of the parts of words."""
_LONGEST = 4000
"""Characters that are looked at: a message is routed by its beginning, and the rest costs time."""


def grams(text: str) -> Iterator[str]:
    """Words, pairs of neighbouring words, and parts of words with their borders; some come more than once."""
    words = _WORDS.findall(text[:_LONGEST].casefold())
    for word in words:
        yield f"w{word}"
    for first, second in zip(["", *words], [*words, ""], strict=True):
        yield f"p{first} {second}"
    for word in words:
        bordered = f"<{word}>"
        for length in _LENGTHS:
            for start in range(len(bordered) - length + 1):
                yield bordered[start : start + length]


def columns_of(text: str, columns: int = COLUMNS) -> npt.NDArray[np.intp]:
    """The columns of a text's n-grams, each once, in rising order; a text has at least one."""
    return np.unique(
        np.fromiter((zlib.crc32(gram.encode("utf-8", "replace")) % columns for gram in grams(text)), np.intp)
    )
