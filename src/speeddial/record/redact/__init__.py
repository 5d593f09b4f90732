"""Redaction: the one choke point through which everything passes before it is written.

A secret becomes ``[redacted:api_key:1a2b3c4d]``, personal data a value of its own type that no one has
(`surrogates`), the same wherever it stands: in a message, a call's arguments, a file's text. So joins,
schemas and training survive. Four properties, each held by a property test:
- idempotent: surrogates are never looked into, and a text is worked on until no rule finds anything;
- consistent: a JSON value redacted as a value, or as its JSON text, hides the same values;
- typed: what was a verbatim part of a text, and fits a schema, is and does so afterwards;
- failing closed: a rule that raises stops the write (`RecordError`), it never lets the text through.
"""

from speeddial.record.redact.patterns import RULES, OwnRule, chosen_rules
from speeddial.record.redact.personal import PERSONAL
from speeddial.record.redact.redactor import Counts, Redactor
from speeddial.record.redact.rules import SECRETS, EntropyRule, Passage, PatternRule, Rule

__all__ = [
    "PERSONAL",
    "RULES",
    "SECRETS",
    "Counts",
    "EntropyRule",
    "OwnRule",
    "Passage",
    "PatternRule",
    "Redactor",
    "Rule",
    "chosen_rules",
]
