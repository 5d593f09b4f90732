"""Importing: files are read twice, to find what is wrong with them, and to write them to the record.

So a file with a bad row adds nothing unless its owner says to skip such rows. Each exchange has a name made
of what names it at its source, or else of its content; it is the end of its run's id, so an exchange that
is on record is not added again: importing twice, or going on after a kill, is the same command.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from speeddial.errors import UserError
from speeddial.flywheel.imports import langfuse, openai, otlp, phoenix
from speeddial.flywheel.imports.exchange import Bad, Exchange, Passed, Read, Row
from speeddial.flywheel.imports.files import rows
from speeddial.messages import Status, compact_json
from speeddial.record import Record
from speeddial.record.store import run_id
from speeddial.server.recording import WORKFLOW, judged

FORMATS: Mapping[str, ModuleType] = {
    "openai": openai,
    "langfuse": langfuse,
    "phoenix": phoenix,
    "otlp": otlp,
}
Form = Literal["auto", "openai", "langfuse", "phoenix", "otlp"]
Progress = Callable[[int, int | None], None]
"""Told how many exchanges are done, and of how many once that is known."""
_LOOKED_AT = 100
"""Rows of a file that may tell its format."""
_AT_ONCE = 200
"""Exchanges in one commit."""
_NAME = 16
"""Letters of an exchange's name in its run's id; other runs have six digits."""
_LETTERS = str.maketrans("0123456789", "ghijklmnop")
"""For digits: redaction would take some names for the number of a card."""
_SHOWN = 5


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    added: int
    known: int
    """Exchanges that were on record."""
    bad: int
    passed: Counter[str] = field(default_factory=Counter)
    """What was no exchange with a model -> how often."""
    formats: Counter[str] = field(default_factory=Counter)
    """Format -> exchanges."""

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "passed": dict(self.passed), "formats": dict(self.formats)}


def import_files(
    record: Record,
    files: Sequence[Path],
    form: Form = "auto",
    *,
    skip_bad: bool = False,
    progress: Progress = lambda done, total: None,
) -> Imported:
    """Bring exchanges of other tools into the record, like those that the proxy records.

    They are redacted and judged against their schemas; times, models and conversations are kept.

    Args:
        files: plain or gzipped.
        form: of all files; by their rows unless given.
        skip_bad: leave bad rows out instead of refusing all.

    Raises:
        NotFound: a file cannot be read.
        UserError: a bad row, a file of no known format, or no exchange in the files; nothing was written.
        RecordError: the disk refused; import again to go on.
    """
    if not files:
        raise UserError("no file was named", hint="give the files that another tool exported")
    forms = {file: form if form != "auto" else _form(file) for file in files}
    bad: list[Bad] = []
    passed: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    for name, found in _read(forms):
        if isinstance(found, Bad):
            bad.append(found)
        elif isinstance(found, Passed):
            passed[found.what] += 1
        else:
            formats[name] += 1
            progress(formats.total(), None)
    if bad and not skip_bad:
        shown = "".join(f"\n  {one.place}: {one.why}" for one in bad[:_SHOWN])
        more = f"\n  and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
        raise UserError(
            f"{len(bad)} rows cannot be read, so nothing was imported:{shown}{more}",
            hint="--skip-bad leaves them out",
        )
    if not formats:
        told = "; ".join(f"{count} {what}" for what, count in passed.items())
        raise UserError(
            f"there is no exchange with a model in {', '.join(map(str, files))}{f': {told}' if told else ''}",
            hint="export with what was said: messages, tools and answers",
        )
    written = _Writer(record)
    exchanges = ((name, found) for name, found in _read(forms) if isinstance(found, Exchange))
    while some := list(islice(exchanges, _AT_ONCE)):
        with record.writing():
            for name, exchange in some:
                written.write(name, exchange)
        progress(written.added + written.known, formats.total())
    return Imported(written.added, written.known, len(bad), passed, formats)


def _read(forms: Mapping[Path, str]) -> Iterator[tuple[str, Read]]:
    """All rows with their format; those of one format together, as they may complete each other."""
    for name in dict.fromkeys(forms.values()):
        broken: list[Bad] = []

        def whole(name: str = name, broken: list[Bad] = broken) -> Iterator[Row]:
            for file, of in forms.items():
                for row in rows(file) if of == name else ():
                    if isinstance(row, Bad):
                        broken.append(row)
                    else:
                        yield row

        for found in FORMATS[name].read(whole()):
            yield name, found
        yield from ((name, one) for one in broken)


def _form(file: Path) -> str:
    first = list(islice(rows(file), _LOOKED_AT))
    if not first:
        raise UserError(f"{file}: there is nothing in it", hint="export it again")
    for row in first:
        for name in ("otlp", "phoenix", "langfuse", "openai"):
            if isinstance(row, Row) and FORMATS[name].recognised(row.value):
                return name
    raise UserError(
        f"{file}: its rows are of no known format", hint=f"--format says which: {', '.join(FORMATS)}"
    )


class _Writer:
    """Writes exchanges that are not on record yet, later ones of a conversation forked from its first."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._runs: dict[str, str] = {}
        self._origins: dict[str, str] = {}
        self._seen: Counter[str] = Counter()
        self.added = self.known = 0
        length = len(run_id(0, "0" * _NAME))
        for row in record.database.read(
            "SELECT id, forked_from, settings FROM runs WHERE workflow = ? AND length(id) = ? ORDER BY id",
            (WORKFLOW, length),
        ):
            self._runs[row["id"][-_NAME:]] = row["id"]
            for key in json.loads(row["settings"]).get("conversations", ()):
                self._origins.setdefault(key, row["forked_from"] or row["id"])

    def write(self, form: str, exchange: Exchange) -> None:
        name = self._name(form, exchange)
        if name in self._runs or (exchange.run and self._is_on_record(exchange.run)):
            self.known += 1
            return
        keys = [_short(key) for key in _conversations(form, exchange)]
        origin = next((self._origins[key] for key in keys if key in self._origins), None)
        run = self._write(name, exchange, origin, {"imported": form, "conversations": keys})
        self._runs[name] = run
        for key in keys:
            self._origins.setdefault(key, origin or run)
        self.added += 1

    def _is_on_record(self, run: str) -> bool:
        return bool(self._record.database.read("SELECT 1 AS found FROM runs WHERE id = ?", (run,)))

    def _name(self, form: str, exchange: Exchange) -> str:
        if exchange.id:
            return _short([form, exchange.id, exchange.conversations])
        asked, answered = exchange.asked, exchange.answered
        content = _short(
            [
                *(form, asked.model, asked.messages, asked.tools, asked.schema),
                *(answered.raw, exchange.error, exchange.started_ns),
            ]
        )
        # Of equal exchanges each is its own: how often something was said is told too.
        self._seen[content] += 1
        return content if self._seen[content] == 1 else _short([content, self._seen[content]])

    def _write(self, name: str, exchange: Exchange, origin: str | None, settings: Mapping[str, Any]) -> str:
        record, asked, answered = self._record, exchange.asked, exchange.answered
        started = exchange.started_ns or time.time_ns()
        ended = max(started, exchange.ended_ns or started)
        parsed, wrong = (None, exchange.error) if exchange.error else judged(asked, answered)
        run = record.begin_run(
            asked.task,
            workflow=WORKFLOW,
            settings=settings,
            user=asked.user,
            forked_from=origin,
            forked_step=1 if origin else None,
            run=run_id(started, name),
            started_ns=started,
        )
        interaction = record.start_interaction(
            run,
            "model",
            step=1,
            model=asked.model or answered.model,
            messages=asked.messages,
            tools=asked.tools,
            schema=asked.schema,
            started_ns=started,
        )
        record.finish_interaction(
            interaction,
            Status.FAILED if wrong else Status.EXACT,
            raw=answered.raw,
            parsed=parsed,
            error=wrong,
            receipt={"constrained": False, "backend": "", "engine": "import"},
            finish=answered.finish,
            tokens_in=answered.tokens_in,
            tokens_out=answered.tokens_out,
            cost=exchange.cost,
            latency_ms=(ended - started) / 1e6,
            ended_ns=ended,
        )
        return record.finish_run(
            run,
            "failed" if wrong else "done",
            answer=answered.text or answered.raw,
            error=wrong,
            ended_ns=ended,
        )


def _conversations(form: str, exchange: Exchange) -> Iterable[Any]:
    if exchange.conversations:
        return ([form, name] for name in exchange.conversations)
    # As the proxy does: a request that begins with all of an earlier one and its answer goes on with it.
    return filter(None, [exchange.asked.earlier(), exchange.asked.later(exchange.answered)])


def _short(value: Any) -> str:
    digest = hashlib.sha256(compact_json(value).encode()).hexdigest()[:_NAME]
    return digest.translate(_LETTERS)
