"""The record of everything that was said and done: store, journal, redaction, spans, export."""

from speeddial.record.forks import taken_over, whole
from speeddial.record.journal import Approval, Journal, JournalEntry, JournalKey
from speeddial.record.originals import Originals
from speeddial.record.redact import Redactor
from speeddial.record.rows import INTERRUPTED, RUNNING, InteractionRow, RunRow
from speeddial.record.store import Record, open_record

__all__ = [
    "INTERRUPTED",
    "RUNNING",
    "Approval",
    "InteractionRow",
    "Journal",
    "JournalEntry",
    "JournalKey",
    "Originals",
    "Record",
    "Redactor",
    "RunRow",
    "open_record",
    "taken_over",
    "whole",
]
