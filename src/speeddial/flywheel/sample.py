"""A sample: one request to a model with its answer, as the flywheel's steps pass it on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from speeddial.errors import UserError
from speeddial.jsonlines import read_objects
from speeddial.messages import compact_json

Call = dict[str, Any]
"""``{"name", "arguments"}``."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One exchange; ids are unique in a file, and samples of one `group` share their texts."""

    id: str
    group: str
    """A conversation; never divided between training and test."""
    messages: tuple[dict[str, Any], ...]
    tools: tuple[dict[str, Any], ...] = ()
    """Name, description and parameters of what the model might call."""
    calls: tuple[Call, ...] = ()
    """What it called; empty for an answer in words."""
    answer: str = ""
    """As the model wrote it."""
    error: str = ""
    """Why there is no usable answer; empty when there is one."""
    whole: bool = False
    """Whether the answer came to its end; then an error is of what it says."""
    probability: float | None = None
    """Of the whole answer, by the model that gave it; None where nobody told it, or the calls are not its."""
    source: Literal["", "committee", "synthetic"] = ""
    """Who its calls are by, when not by the model that was recorded."""
    model: str = ""
    expert: str = ""
    status: str = ""
    verdict: str = ""
    """What a person said of it: accept, correct, or a label."""
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    latency_ms: float = 0.0
    created: str = ""
    """ISO 8601."""

    @property
    def request(self) -> str:
        """What was said last before the answer, by a person where one spoke."""
        said = [message for message in self.messages if message["role"] == "user"] or list(self.messages[-1:])
        return str(said[-1]["content"]) if said else ""

    @property
    def task(self) -> str:
        """The tools that it led to, as one name; empty for an answer in words."""
        return "+".join(sorted({call["name"] for call in self.calls}))

    def with_calls(self, calls: Iterable[Call]) -> Sample:
        """The same request with other calls."""
        return replace(self, calls=tuple(calls), error="", probability=None)

    def definition(self, name: str) -> Mapping[str, Any] | None:
        """A tool's definition, as the model was shown it."""
        return next((tool for tool in self.tools if tool["name"] == name), None)


def write_samples(file: Path, samples: Iterable[Sample]) -> int:
    """Write samples as JSON lines; gives how many.

    Definitions of tools are long and few, so each stands once, in the file's ``.tools.json``.
    """
    shown: dict[str, int] = {}
    count = 0
    with file.open("w", encoding="utf-8") as lines:
        for sample in samples:
            row = asdict(sample)
            row["tools"] = [shown.setdefault(compact_json(tool), len(shown)) for tool in sample.tools]
            lines.write(compact_json(row) + "\n")
            count += 1
    definitions = [json.loads(tool) for tool in shown]
    _tools_file(file).write_text(json.dumps(definitions, ensure_ascii=False), encoding="utf-8")
    return count


def read_samples(file: Path) -> Iterator[Sample]:
    """Read what `write_samples` wrote.

    Raises:
        NotFound: there is no such file.
        UserError: a line that is no sample, named by its number.
    """
    known = [field.name for field in fields(Sample)]
    definitions = definitions_of(file)
    for number, row in read_objects(file):
        try:
            row["tools"] = [definitions[tool] for tool in row["tools"]]
            # Artefacts made before there were probabilities stay good.
            row.setdefault("probability", None)
            values: dict[str, Any] = {name: row[name] for name in known}
            values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
            yield Sample(**values)
        except (KeyError, IndexError, TypeError) as error:
            raise UserError(f"{file}:{number}: no sample: {error!r}", hint="collect it anew") from error


def definitions_of(file: Path) -> list[dict[str, Any]]:
    """Every definition of a tool in a file of samples.

    Raises:
        UserError: they are gone.
    """
    try:
        found: list[dict[str, Any]] = json.loads(_tools_file(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{_tools_file(file)}: {error}", hint="it stands beside the samples") from error
    return found


def _tools_file(file: Path) -> Path:
    return file.with_suffix(".tools.json")
