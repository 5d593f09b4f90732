"""The hash of files: what datasets, adapters and artefacts are known by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

_AT_ONCE = 1 << 20


def sha256_of(files: Iterable[Path]) -> str:
    """``sha256:HEX`` over the files' bytes, in the order given.

    Raises:
        OSError: one cannot be read.
    """
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(_AT_ONCE):
                digest.update(block)
    return f"sha256:{digest.hexdigest()}"
