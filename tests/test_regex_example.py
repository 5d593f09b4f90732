"""The short match read off a pattern, and completions that need one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speeddial.contract import Contract
from speeddial.contract.example import strings_of
from speeddial.contract.regex_example import short_matches


def short_match(pattern: str, low: int = 0, high: int = 400) -> str | None:
    return next(short_matches(pattern, low, high), None)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"^file:.+\.geodatabase?$", "file:a.geodatabas"),
        (r"[a-f]{3}", "aaa"),
        (r"^(?!x)\d+\s\w$", "0 a"),
        (r"^(?:abc|de)*?x(?:y)?$", "x"),
        (r"^[^\x00-\x7f]$", "é"),
        (r"^[^a0]$", "A"),
        (r"^(a)\1$", None),
        (r"^[^\s\S]$", None),
        ("[", None),
        ("a{1000000}", None),
    ],
)
def test_a_short_match(pattern: str, text: str | None) -> None:
    assert short_match(pattern) == text


def test_a_match_of_a_length() -> None:
    assert short_match(r"^$|(^(?:\S+\s+){0,99}\S+$)", 1) == "a aa"
    assert short_match(r"^[a-z]*$", 24) == "a" * 24
    assert short_match(r"^[a-z]{2}$", 3) is None
    assert short_match("abc", 5) is None


def test_each_branch_has_its_match() -> None:
    assert list(dict.fromkeys(short_matches("^all|tags$"))) == ["all", "tags"]


@given(st.from_regex(r"\A[a-c]{1,3}([+*?]|\{2\})?(\|x|\[\^a-z\]|-\d)?\Z"))
def test_whatever_is_found_matches(pattern: str) -> None:
    found = short_match(pattern)
    assert found is not None
    assert re.search(pattern, found)


def test_strings_of_a_schema_are_valid_for_one_of_its_patterns() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "string", "pattern": "rocket_document"},
            "b": {"type": "string", "format": "email"},
            "c": {"type": "string", "minLength": 9},
        },
    }
    found = strings_of(Contract.from_schema(schema).schema)
    assert "rocket_document" in found
    assert any("@" in text for text in found)
    assert any(len(text) == 9 for text in found)
