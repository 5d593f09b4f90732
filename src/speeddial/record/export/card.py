"""The dataset card: what is in an export and what it came from, as the Hub reads it (README.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from speeddial.record.export.report import UNKNOWN, ExportReport

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card(report: ExportReport, data_files: Mapping[str, str]) -> str:
    """Markdown with a YAML head.

    Args:
        data_files: split -> path beside the card.
    """
    head = [
        "---",
        f"license: {_hub_licence(report)}",
        "task_categories:",
        "- text-generation",
        "tags:",
        "- tool-calling",
        "- speeddial",
        "size_categories:",
        f"- {next((size for bound, size in _SIZES if report.lines < bound), '1M<n<10M')}",
        "configs:",
        "- config_name: default",
        "  data_files:",
        # JSON strings are YAML strings too, whatever is in them.
        *(f"  - split: {split}\n    path: {json.dumps(path)}" for split, path in data_files.items()),
        "---",
    ]
    told = report.as_dict()
    filters = {name: value for name, value in told["selection"].items()} or {"everything": "no filter"}
    body = [
        f"# {report.lines} rows of a Speeddial record ({report.form})",
        f"From {report.runs} runs, written by Speeddial {_version()}. Splits go by run, forks with the run "
        f"that they came from; test share {report.test_share:g}. Every call was validated twice: by its "
        "contract when it was decoded, and by `jsonschema` when it was exported. Secrets and personal data "
        "were replaced before they were recorded.",
        "The licence is that of the producing models and adapters; the texts of the prompts are your users'.",
    ]
    for title, columns, rows in (
        ("Filters", ("filter", "value"), filters),
        ("Splits", ("split", "rows"), told["splits"]),
        ("Models", ("model", "rows"), told["models"]),
        ("Licences of the models", ("licence", "rows"), told["licences"]),
        ("Sources", ("source", "rows"), told["sources"]),
        ("Left out", ("reason", "decodes"), told["skipped"]),
        ("Redactions", ("rule", "values replaced"), told["redactions"]),
        ("Tokens of prompt and answer", ("below", "rows"), told["tokens"]),
        ("Files", ("file", "sha256"), told["files"]),
    ):
        body.append(_table(title, columns, rows))
    return "\n".join(head) + "\n\n" + "\n\n".join(body) + "\n"


def _hub_licence(report: ExportReport) -> str:
    """One word for the Hub: the licence when all rows have the same."""
    found = set(report.licences) or {UNKNOWN}
    if UNKNOWN in found:
        return UNKNOWN
    one = found.pop()
    return one if not found and " " not in one else "other"


def _table(title: str, columns: tuple[str, str], rows: Mapping[str, Any]) -> str:
    lines = [f"## {title}", ""]
    if not rows:
        return "\n".join([*lines, "None."])
    lines += [f"| {columns[0]} | {columns[1]} |", "| --- | --- |"]
    lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _version() -> str:
    try:
        return metadata.version("speeddial")
    except metadata.PackageNotFoundError:
        return "from source"
