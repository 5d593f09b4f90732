"""Exports of the record, each in a form that its reader loads as it is.

openai             chat JSONL with tools, for fine-tuning; arguments are JSON text
openai-preference  OpenAI's direct preference optimisation
trl                prompt and completion with tools for TRL and Hugging Face; arguments are objects
preference         the same with chosen and rejected, for DPO
sharegpt           conversations as LLaMA-Factory reads them
parquet            a folder in the Hub's layout with its dataset card
otlp               OTLP JSON, one run a line, as trace viewers open it
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from speeddial.errors import UserError
from speeddial.record.export import openai, sharegpt, trl
from speeddial.record.export.card import card
from speeddial.record.export.examples import DEFAULT_STATUSES, Source, told
from speeddial.record.export.files import line_files, writable
from speeddial.record.export.licences import Licences, licence_in
from speeddial.record.export.pairs import pairs
from speeddial.record.export.report import TEST, TRAIN, ExportReport
from speeddial.record.selection import Selection
from speeddial.record.store import Record

__all__ = ["DEFAULT_STATUSES", "FORMS", "ExportReport", "Licences", "export", "licence_in"]

FORMS = ("openai", "openai-preference", "trl", "preference", "sharegpt", "parquet", "otlp")


def export(
    record: Record,
    path: Path,
    form: str = "openai",
    selection: Selection | None = None,
    *,
    unproven: bool = False,
    test_share: float = 0.0,
    text: bool = False,
    metadata: bool = True,
    content: bool = False,
    licences: Licences | None = None,
    card_path: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ExportReport:
    """Write a selection of the record; files appear when they are complete.

    Args:
        path: a file, written anew; a folder for ``parquet``.
        form: one of `FORMS`.
        selection: its statuses are those of right answers, `DEFAULT_STATUSES` unless given.
        unproven: also decodes whose constraint was not proven.
        test_share: share of the runs, 0 to 1, for a second split, in ``NAME.test.SUFFIX`` beside `path`.
        text: calls as the JSON text that experts decode, without tools; for trl and preference.
        metadata: whether lines carry where they come from; OpenAI's own fine-tuning takes no such key.
        content: whether OTLP spans carry what was said; they are for receivers, so by default not.
        licences: of the models that answered; by default only the embedded base's is known.
        card_path: where to write a dataset card for a form of lines.
        progress: told runs done and runs in all.

    Raises:
        UserError: an unknown form, a share that is none, kinds that decode nothing, or a place that cannot
            be written.
        RecordError: the record cannot be read.
    """
    if form not in FORMS:
        raise UserError(f"there is no form {form!r}", hint=f"known forms: {', '.join(FORMS)}")
    if not 0 <= test_share < 1:
        raise UserError(f"test share {test_share:g}", hint="give a share from 0 to less than 1, such as 0.1")
    report = ExportReport(form=form, selection=selection or Selection(), test_share=test_share)
    if form == "otlp":
        from speeddial.record.otlp import run_as_json

        with line_files(path, splits=False, files=report.files) as files:
            for run, _ in told(list(record.selected_runs(report.selection)), progress):
                files[TRAIN].write(run_as_json(record, run, content=content))
                report.lines += 1
                report.run_ids.add(run)
        return report
    source = Source(
        record=record,
        selection=report.selection,
        report=report,
        licences=licences or Licences(),
        unproven=unproven,
        progress=progress,
    )
    if form == "parquet":
        from speeddial.record.export.parquet import write_folder

        write_folder(path, source.examples(), report)
        return report
    with line_files(path, splits=test_share > 0, files=report.files) as files:
        for row, provenance in _rows(source, form, text):
            files[provenance["split"]].write(row | ({"metadata": provenance} if metadata else {}))
    if card_path is not None:
        with writable(card_path):
            places = dict(zip((TRAIN, TEST), (file.name for file in report.files), strict=False))
            card_path.write_text(card(report, places), encoding="utf-8")
    return report


def _rows(source: Source, form: str, text: bool) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Rows of a form, each with its provenance."""
    if form in ("preference", "openai-preference"):
        for pair in pairs(source):
            row = trl.preference(pair, text=text) if form == "preference" else openai.preference(pair)
            yield row, pair.provenance
        return
    for example in source.examples():
        if form == "trl":
            row = trl.prompt_completion(example, text=text)
        else:
            row = openai.chat(example) if form == "openai" else sharegpt.conversation(example)
        yield row, example.provenance
