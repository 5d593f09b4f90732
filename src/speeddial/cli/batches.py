"""Files of requests in, files of results out; an interrupted batch goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speeddial.cli.output import plain, talk
from speeddial.errors import SpeeddialError, UserError
from speeddial.given import given_of
from speeddial.jsonlines import read_objects
from speeddial.messages import Status

if TYPE_CHECKING:
    from speeddial.outcome import CallOutcome
    from speeddial.result import RunResult
    from speeddial.run import Runner

_GOOD_CALLS = {
    Status.EXACT,
    Status.CORRECTED,
    Status.SALVAGED,
    Status.ESCALATED,
    Status.REFUSED,
    Status.QUESTION,
}


class Batch:
    """A file of requests, read and checked before anything runs, and where its results gather.

    Raises:
        NotFound: no such file.
        UserError: a line that is not ``{"id", "input", ...}``, or an id used twice, named by its number.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        self.part = source.with_name(f".{source.name}.part")
        self.rows: dict[str, dict[str, Any]] = {}
        for number, row in read_objects(source):
            if not isinstance(row.get("input"), str) or "id" not in row:
                raise UserError(
                    f"{source}:{number}: expected an object with id and input",
                    hint='{"id": "1", "input": "..."}',
                )
            if str(row["id"]) in self.rows:
                raise UserError(
                    f"{source}:{number}: id {str(row['id'])!r} is used twice",
                    hint="ids name the result lines",
                )
            self.rows[str(row["id"])] = row

    @cached_property
    def finished(self) -> set[str]:
        """Ids that an interrupted batch had done."""
        if not self.part.is_file():
            return set()
        done = set()
        for line in self.part.read_text(encoding="utf-8").splitlines():
            try:
                done.add(str(json.loads(line)["id"]))
            except (json.JSONDecodeError, KeyError, TypeError):
                continue  # the line that the interruption cut short; its task runs again
        return done

    def pending(self) -> list[dict[str, Any]]:
        """Lines without a result yet."""
        return [row for identity, row in self.rows.items() if identity not in self.finished]

    def files(self, row: dict[str, Any]) -> list[Path]:
        """Files of a line, relative to the batch file."""
        return [self.source.parent / name for name in row.get("files", ())]


def call_lines(
    runner: Runner, expert: str, batch: Batch, *, approve_all: bool, execute: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Phone one expert for each line; gives id and result line."""
    runner.project.expert(expert)
    for row in batch.pending():
        try:
            outcome = runner.call_sync(
                expert,
                row["input"],
                files=batch.files(row),
                given=given_of(row),
                approve_all=approve_all,
                execute=execute,
            )
        except SpeeddialError as error:
            yield row["id"], {"status": str(Status.FAILED), "calls": [], "error": error.message}
        else:
            yield row["id"], call_line(outcome)


def call_line(outcome: CallOutcome) -> dict[str, Any]:
    """A result line of `call --batch`, less its id."""
    calls = []
    for one in outcome.each if outcome.calls else ():
        assert one.call is not None
        call = one.call.as_dict()
        if one.resolved is not None:
            call["resolved"] = one.resolved
        if outcome.parts and one.status != outcome.status:
            call["status"] = str(one.status)
        calls.append(call)
    line: dict[str, Any] = {"status": str(outcome.status), "calls": calls}
    if outcome.call is not None and outcome.question:
        line["question"] = outcome.question
        line["missing"] = {key: outcome.call.arguments[key] for key in ("tool", "argument")}
    elif outcome.error:
        line["error"] = outcome.error
    return line | {
        "confidence": outcome.confidence,
        "latency_ms": round(outcome.latency_ms, 1),
        "receipt": outcome.receipt.as_dict() if outcome.receipt else None,
    }


def run_lines(
    runner: Runner, batch: Batch, *, workers: int, workflow: str, approve_all: bool, execute: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run a task for each line; gives id and result line as they end."""
    from speeddial.run import BatchItem

    items = [BatchItem(row["id"], row["input"], tuple(batch.files(row))) for row in batch.pending()]
    ended = runner.batch_sync(
        items, workers=workers, workflow=workflow, approve_all=approve_all, execute=execute
    )
    for item, result in ended:
        yield item.id, run_line(result)


def run_line(result: RunResult | SpeeddialError) -> dict[str, Any]:
    """A result line of `batch`, less its id."""
    if isinstance(result, SpeeddialError):
        return {"run_id": None, "status": "failed", "answer": "", "calls": [], "error": result.message}
    keys = ("step", "expert", "name", "arguments", "resolved", "question", "status", "unproven")
    calls = [one.as_call() for outcome in result.calls for one in outcome.each]
    line: dict[str, Any] = {
        "run_id": result.run_id,
        "status": result.status,
        "answer": result.answer,
        "calls": [{key: call[key] for key in keys if key in call} for call in calls],
        "latency_ms": round(result.latency_ms, 1),
    }
    if result.missing:
        line["missing"] = list(result.missing)
    if result.error is not None:
        line["error"] = result.error.message
    return line


def write_lines(lines: Iterable[tuple[str, dict[str, Any]]], out: Path, batch: Batch) -> int:
    """Write result lines as they come and give the number that failed.

    They gather in a hidden file beside the source, which an interrupted batch goes on with, and become `out`
    when all are there.
    """
    part = batch.part
    before = len(batch.finished)
    console = talk()
    total = len(batch.rows)
    if before:
        console.print(f"going on after {before} of {total} lines; delete {plain(part)} to begin anew")
    out.parent.mkdir(parents=True, exist_ok=True)
    _drop_cut_line(part)
    with part.open("a", encoding="utf-8") as file, console.status(f"{before} of {total}") as status:
        for number, (identity, line) in enumerate(lines, start=before + 1):
            file.write(json.dumps({"id": identity, **line}, ensure_ascii=False) + "\n")
            file.flush()
            status.update(f"{number} of {total}")
    failed = sum(not _is_good(line) for line in part.read_text(encoding="utf-8").splitlines())
    part.replace(out)
    console.print(f"{total} lines in {plain(out)}, {failed} failed")
    return failed


def _drop_cut_line(part: Path) -> None:
    if part.is_file():
        text = part.read_text(encoding="utf-8")
        if not text.endswith("\n"):
            part.write_text(text[: text.rfind("\n") + 1], encoding="utf-8")


def _is_good(line: str) -> bool:
    status = json.loads(line)["status"]
    return status == "done" or status in _GOOD_CALLS
