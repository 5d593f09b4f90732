"""String formats of JSON Schema: which become exact patterns, which llguidance decodes, their check."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from speeddial.contract.jsontext import write_json
from speeddial.contract.scalars import AWARE_DATETIME, DATE, TIME, uuid_form

OWN_FORMATS = {
    "date": DATE.pattern,
    "date-time": AWARE_DATETIME.pattern,
    "time": TIME.pattern[:-1] + r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$",
    "uuid": uuid_form().pattern,
}
"""Formats put as exact patterns: llguidance's own admit year 0000, any 29 February and second 60."""

DECODED_FORMATS = frozenset({*OWN_FORMATS, "duration", "email", "hostname", "ipv4", "ipv6", "uri"})
"""Formats that llguidance has a grammar for."""


def has_format(text: str, name: str) -> bool:
    """Whether `text` has a format by llguidance's grammar and jsonschema's checker, where they know it.

    Each has holes that the other has not: jsonschema's e-mail check asks for an @ only, llguidance's
    hostnames hold any punycode.
    """
    from jsonschema import Draft202012Validator

    if not Draft202012Validator.FORMAT_CHECKER.conforms(text, name):
        return False
    if name in DECODED_FORMATS and not _decodes(text, name):
        return False
    return name != "hostname" or _is_punycode(text)


def _decodes(text: str, name: str) -> bool:
    import llguidance

    data = write_json(text).encode()
    matcher = llguidance.LLMatcher(byte_tokenizer(), _grammar(name), log_level=0)
    return matcher.try_consume_tokens(list(data)) == len(data) and matcher.is_accepting()


@lru_cache(maxsize=16)
def _grammar(name: str) -> str:
    import llguidance

    return llguidance.LLMatcher.grammar_from_json_schema({"type": "string", "format": name})


def _is_punycode(text: str) -> bool:
    if "xn--" not in text.lower():
        return True
    try:
        import idna
    except ImportError:
        return False
    try:
        idna.decode(text)
    except idna.IDNAError:
        return False
    return True


@lru_cache(maxsize=1)
def byte_tokenizer() -> Any:
    """A tokenizer whose tokens are the bytes: grammars can be compiled and walked without a model."""
    import llguidance

    return llguidance.LLTokenizer("byte")
