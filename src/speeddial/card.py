"""A card: the TOML file that defines an expert or an agent, read with one message per mistake."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from speeddial.errors import Problem, ProjectError

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_REQUIRED: Any = object()


class Card:
    """Typed access to one card; mistakes are collected and raised together by `finish`."""

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        self.path = path
        self._values = values
        self._read: set[str] = set()
        self._problems: list[Problem] = []

    @classmethod
    def read(cls, path: Path) -> Card:
        """Read the file.

        Raises:
            ProjectError: it cannot be read or is not TOML.
        """
        try:
            return cls(path, tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ProjectError(f"{path}: expected a TOML card, got: {error}", hint="mend the file") from error

    def _get(self, key: str, default: Any, kind: type | tuple[type, ...], expected: str) -> Any:
        self._read.add(key)
        if key not in self._values:
            if default is _REQUIRED:
                self.wrong(key, expected, "nothing")
                return [] if kind is list else ""
            return default
        value = self._values[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.wrong(key, expected, repr(value))
            return default if default is not _REQUIRED else ([] if kind is list else "")
        return value

    def wrong(self, key: str, expected: str, got: str, valid: Sequence[str] = ()) -> None:
        """Note a mistake, for `finish`."""
        self._problems.append(Problem(f"{self.path}: {key}", expected, got, tuple(valid)))

    def name(self, folder: str) -> str:
        """The name, which is the folder's too."""
        name = str(self._get("name", folder, str, "a name"))
        if name != folder or not _NAME.fullmatch(name):
            self.wrong(
                "name", f"the folder's name {folder!r} in lower case letters, digits, - and _", repr(name)
            )
        return name

    def text(self, key: str, default: Any = _REQUIRED) -> str:
        return str(self._get(key, default, str, "a text"))

    def texts(self, key: str, default: Any = _REQUIRED) -> tuple[str, ...]:
        value = self._get(key, default, list, "a list of texts")
        if not all(isinstance(item, str) for item in value):
            self.wrong(key, "a list of texts", repr(value))
            return ()
        return tuple(value)

    def number(self, key: str, default: float, *, at_most: float) -> float:
        value = self._get(key, default, (int, float), "a number")
        if not 0 <= value <= at_most:
            self.wrong(key, f"a number from 0 to {at_most:g}", repr(value))
            return default
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        return bool(self._get(key, default, bool, "true or false"))

    def table(self, key: str) -> Mapping[str, Any]:
        value: Mapping[str, Any] = self._get(key, {}, dict, "a table")
        return value

    def choice(self, key: str, valid: Sequence[str], default: Any = _REQUIRED) -> str:
        value = self.text(key, default)
        if value not in valid:
            self.wrong(key, "a known word", repr(value), valid)
        return value

    def choices(self, key: str, valid: Sequence[str]) -> tuple[str, ...]:
        values = self.texts(key, ())
        for value in values:
            if value not in valid:
                self.wrong(key, "known words", repr(value), valid)
        return values

    def file(self, key: str, default: str) -> str:
        """Text of a file beside the card."""
        path = self.path.parent / self.text(key, default)
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.wrong(key, "a text file beside the card", str(error))
            return ""

    def items(self, key: str) -> list[Any]:
        """What a JSON file beside the card lists; at least one."""
        try:
            items = json.loads(self.file(key, ""))
        except ValueError:
            items = None
        if not isinstance(items, list) or not items:
            self.wrong(key, "a JSON file beside the card with a list", repr(self.text(key)))
            return []
        return items

    def folder(self, key: str) -> Path:
        """A folder beside the card."""
        path = self.path.parent / self.text(key)
        if not path.is_dir():
            self.wrong(key, "a folder beside the card", repr(str(path)))
        return path

    def finish(self) -> None:
        """Raise what was found.

        Raises:
            ProjectError: one line per mistake.
        """
        for key in sorted(set(self._values) - self._read):
            self.wrong(key, "a known key", repr(key), sorted(self._read))
        if self._problems:
            raise ProjectError(
                "\n".join(str(problem) for problem in self._problems), hint=f"mend {self.path}"
            )
