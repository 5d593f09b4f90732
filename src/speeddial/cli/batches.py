"""Files of requests in, files of results out; an interrupted batch goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speeddial.cli.output import plain, talk
from speeddial.errors import NotFound, SpeeddialError, UserError
from speeddial.flywheel.cases import columns_of
from speeddial.messages import Status

if TYPE_CHECKING:
    from speeddial.outcome import CallOutcome
    from speeddial.run import Runner, RunResult

_GOOD_CALLS = {
    Status.EXACT,
    Status.CORRECTED,
    Status.SALVAGED,
    Status.ESCALATED,
    Status.REFUSED,
    Status.QUESTION,
}


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Lines of ``{"id", "input", ...}``, checked before anything runs.

    Raises:
        NotFound: no such file.
        UserError: a line that is not of this form, or an id used twice, named by its number.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}", hint="check the path") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text", hint="save it as UTF-8") from error
    lines: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}:{number}: not JSON: {error}", hint="one object per line") from error
        if not isinstance(row, dict) or not isinstance(row.get("input"), str) or "id" not in row:
            raise UserError(
                f"{path}:{number}: expected an object with id and input", hint='{"id": "1", "input": "..."}'
            )
        identity = str(row["id"])
        if identity in seen:
            raise UserError(
                f"{path}:{number}: id {identity!r} is used twice", hint="ids name the result lines"
            )
        seen.add(identity)
        lines.append(row)
    return lines


def call_lines(
    runner: Runner, expert: str, path: Path, *, approve_all: bool, execute: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Phone one expert for each line; gives id and result line."""
    runner.project.expert(expert)
    done = finished(path_of_part(path))
    for row in read_lines(path):
        if str(row["id"]) in done:
            continue
        try:
            outcome = runner.call_sync(
                expert,
                row["input"],
                files=_files(row, path),
                columns=columns_of(row.get("columns")),
                approve_all=approve_all,
                execute=execute,
            )
        except SpeeddialError as error:
            yield row["id"], {"status": str(Status.FAILED), "calls": [], "error": error.message}
        else:
            yield row["id"], call_line(outcome)


def call_line(outcome: CallOutcome) -> dict[str, Any]:
    """A result line of `call --batch`, less its id."""
    call = None if outcome.call is None or outcome.call.is_refusal else outcome.call.as_dict()
    if call is not None and outcome.resolved is not None:
        call["resolved"] = outcome.resolved
    line: dict[str, Any] = {"status": str(outcome.status), "calls": [] if call is None else [call]}
    if outcome.error:
        line["error"] = outcome.error
    return line | {
        "confidence": outcome.confidence,
        "latency_ms": round(outcome.latency_ms, 1),
        "receipt": outcome.receipt.as_dict() if outcome.receipt else None,
    }


def run_lines(
    runner: Runner, path: Path, *, workers: int, workflow: str, approve_all: bool, execute: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run a task for each line; gives id and result line as they end."""
    from speeddial.run import BatchItem

    done = finished(path_of_part(path))
    items = [
        BatchItem(row["id"], row["input"], tuple(_files(row, path)))
        for row in read_lines(path)
        if str(row["id"]) not in done
    ]
    ended = runner.batch_sync(
        items, workers=workers, workflow=workflow, approve_all=approve_all, execute=execute
    )
    for item, result in ended:
        yield item.id, run_line(result)


def run_line(result: RunResult | SpeeddialError) -> dict[str, Any]:
    """A result line of `batch`, less its id."""
    if isinstance(result, SpeeddialError):
        return {"run_id": None, "status": "failed", "answer": "", "calls": [], "error": result.message}
    keys = ("step", "expert", "name", "arguments", "resolved", "status")
    calls = [outcome.as_call() for outcome in result.calls]
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


def path_of_part(source: Path) -> Path:
    """Where results gather until all are there."""
    return source.with_name(f".{source.name}.part")


def finished(part: Path) -> set[str]:
    """Ids that an interrupted batch had done."""
    if not part.is_file():
        return set()
    done = set()
    for line in part.read_text(encoding="utf-8").splitlines():
        try:
            done.add(str(json.loads(line)["id"]))
        except (json.JSONDecodeError, KeyError, TypeError):
            continue  # the line that the interruption cut short; its task runs again
    return done


def write_lines(lines: Iterable[tuple[str, dict[str, Any]]], out: Path, source: Path) -> int:
    """Write result lines as they come and give the number that failed.

    They gather in a hidden file beside the source, which an interrupted batch goes on with, and become `out`
    when all are there.
    """
    part = path_of_part(source)
    before = len(finished(part))
    console = talk()
    total = len(read_lines(source))
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


def _files(row: dict[str, Any], source: Path) -> list[Path]:
    """Files of a line, relative to the batch file."""
    return [source.parent / name for name in row.get("files", ())]
