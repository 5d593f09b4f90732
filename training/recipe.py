"""The command line that recipes share: where the public data lies, where the rows go, and a few numbers."""

from __future__ import annotations

import argparse
from pathlib import Path


def options(description: str | None, **numbers: float) -> argparse.Namespace:
    """Read ``DATA OUT [--NAME NUMBER ...]`` from the command line; the folder OUT is there afterwards.

    Args:
        numbers: options and their defaults; each keeps its default's type.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    return given
