"""Salvage: an output that the token budget cut off is completed by search, without a model.

The completion is the shortest that the search finds, so what was not decoded is whatever the contract takes:
the value is valid, and not what the model meant to say. Whoever uses it has to know; see `Status.SALVAGED`.
"""

from __future__ import annotations

import json
from functools import lru_cache

from llguidance import LLMatcher

from speeddial.contract import Contract
from speeddial.contract.formats import byte_tokenizer
from speeddial.contract.schemas import without_annotations
from speeddial.models.grammars import GuidedTokenizer

LONGEST = 4096
"""Bytes that may be added."""


def salvaged(text: str, contract: Contract) -> str:
    """A whole output that begins with a text that was cut off.

    White space between the JSON tokens may be free, as some servers write it.

    Args:
        text: as a server gave it, up to the end of its budget.
        contract: what the output was decoded under.

    Returns:
        The text with its completion, which the contract's grammar admits; the check may still refuse it.
        Empty when the text is whole, when no output of the contract begins with it, or none was found.
    """
    # A decoder that stops within a character writes the replacement character for its bytes.
    text = text.rstrip("\ufffd")
    completed = _completed(text, contract.grammar)
    if completed is None:
        completed = _completed(text, _spaced_grammar(contract))
    return completed or ""


def _completed(text: str, grammar: str) -> str | None:
    """The completed text; empty when it was whole, None when it is no beginning or nothing was found."""
    compiled = _tokenizer().compiled(grammar)
    matcher = compiled.matcher()
    data = text.encode()
    taken = matcher.try_consume_tokens(list(data))
    if matcher.is_stopped() and matcher.is_accepting() and not data[taken:].strip():
        return ""
    if matcher.is_error() or taken < len(data):
        return None
    if matcher.is_accepting():  # a number, to which more digits might have come
        return text
    ending = _tokenizer().search.quick(matcher, LONGEST, compiled.texts)
    return None if ending is None else (data + bytes(ending)).decode()


@lru_cache(maxsize=1)
def _tokenizer() -> GuidedTokenizer:
    bytes_only = byte_tokenizer()
    return GuidedTokenizer("byte", bytes_only.vocab_size, bytes_only.eos_token)


@lru_cache(maxsize=16)
def _spaced(schema: str) -> str:
    return LLMatcher.grammar_from_json_schema(schema)


def _spaced_grammar(contract: Contract) -> str:
    schema = without_annotations(contract.schema)
    return _spaced(json.dumps({**schema, "x-guidance": {"whitespace_flexible": True}}))
