"""Redaction: what it hides, what it leaves alone, and that it never lets through what it could not check."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from speeddial.errors import RecordError
from speeddial.record.redact import RULES, Counts, Passage, PatternRule, Redactor

# Put together at run time: scanners of repositories must not find keys here.
ALPHABET = "Ab3dE6gHi9kLmN0pQrS7uVwX"
BODY = ALPHABET + ALPHABET[::-1]
SECRETS = {
    "openai": "sk-" + "proj-" + BODY,
    "github": "ghp_" + BODY[:36],
    "github_fine": "github_pat_" + BODY[:22] + "_" + BODY[:30],
    "aws": "AKIA" + "QWERTYUIOP123456",
    "aws_secret": "wJalr/XUtn" + "FEMI+K7MDENG/bPxR" + "fiCYEXAMP1234",
    "slack": "xoxb-" + "1234567890-abcdefghij",
    "google": "AIza" + BODY[:35],
    "stripe": "sk_live_" + BODY[:24],
    "hugging_face": "hf_" + BODY[:34],
    "gitlab": "glpat-" + BODY[:20],
    "telegram": "123456789:AA" + BODY[:33],
    "jwt": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0." + BODY[:43],
    "unnamed": BODY[:44],
}
redactor = Redactor(b"test key")


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
@pytest.mark.parametrize(
    "place",
    [
        "{}",
        "use {} please",
        "key={}",
        '{{"a":"{}"}}',
        "https://host/?token={}&x=1",
        "({})",
        "'{}'",
        "a\n{}\nb",
        "{}.",
    ],
)
def test_a_secret_is_hidden_wherever_it_stands(secret: str, place: str) -> None:
    counts: Counts = Counts()
    hidden = redactor.text(place.format(secret), counts)
    assert secret not in hidden
    assert secret[8:-8] not in hidden
    assert counts.total() == 1


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password=hunter2", "hunter2"),
        ("PASSWORD: hunter2, thanks", "hunter2"),
        ('{"password":"hunter2"}', "hunter2"),
        ('{"user":{"Password" : "hunter 2 with spaces"}}', "hunter 2 with spaces"),
        ('{"arguments":"{\\"password\\":\\"hunter2\\"}"}', "hunter2"),
        ("db_password = 'hunter2'", "hunter2"),
        ('"password":"hunter2 and the output was cut o', "hunter2 and the output was cut o"),
        ("export OPENAI_API_KEY=abc-def", "abc-def"),
        ("Server=db;Password=hunter2;Timeout=3", "hunter2"),
        ("login?user=a&password=hunter2&x=1", "hunter2"),
        ("x-api-key: abcdef", "abcdef"),
        ("Authorization: Basic dXNlcjpodW50ZXIy", "dXNlcjpodW50ZXIy"),
        ("authorization: bearer abcdefgh1234", "abcdefgh1234"),
        ("postgresql://bob:hunter2@db:5432/x", "hunter2"),
        ("https:\\/\\/bob:hunter2@db", "hunter2"),
        ("access_token=" + "a1" * 2000, "a1" * 20),
        ("token: abcd1234efgh", "abcd1234efgh"),
        ('{"text":"\\u0073k-' + BODY + '"}', BODY),
    ],
)
def test_a_secret_by_its_place_is_hidden(text: str, secret: str) -> None:
    assert secret not in redactor.text(text)


def test_a_private_key_is_hidden_whole_or_cut_off_plain_or_in_json() -> None:
    body = "\n".join([BODY[:40]] * 4)
    whole = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----"
    for text in (whole, whole[:120], json.dumps({"key": whole}), f"a {whole} b"):
        assert BODY[:20] not in redactor.text(text)
    assert redactor.text(f"a {whole} b").startswith("a [redacted:private_key:")
    assert redactor.text(f"a {whole}, b").endswith("], b")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "remind me tomorrow at nine to call the dentist",
        "max_tokens: 4096, input_tokens=12",
        "the token: is here",
        "my secret: I like trains",
        "sha256:" + "0123456789abcdef" * 4,
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "id 123e4567-e89b-12d3-a456-426614174000",
        "https://example.com:8080/path/to/some/Long-Page-Name-2024?page=3",
        "/home/User1/projects/Speeddial/src/speeddial/record/Redact2.py",
        '{"type":"object","properties":{"password":{"type":"string"}},"required":["password"]}',
        '{"token":null,"password":null}',
        "sk-learn-is-a-nice-library-for-all",
        "a basic understanding, the bearer of this letter",
        "20261122-060532706-3de58f/2/1/tool",
        "请在明天早上九点提醒我 напомни мне завтра",
    ],
)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert redactor.text(text) == text


def test_the_same_secret_has_one_surrogate_everywhere_under_one_key() -> None:
    secret = SECRETS["openai"]
    inner = [
        f"use {secret}",
        {"api_key": secret},
        f'{{"password":"{secret}"}}',
        {"Authorization": f"Bearer {secret}"},
    ]
    surrogate = redactor.text(secret)
    assert surrogate.startswith("[redacted:api_key:")
    for value in inner:
        assert surrogate in json.dumps(redactor.value(value))
    plain = [redactor.text(text) for text in ("password=hunter2x", "pass://u:hunter2x@h")]
    assert plain[0].removeprefix("password=") in plain[1]
    assert Redactor(b"other key").text(secret) != surrogate


def test_a_value_named_as_a_secret_is_hidden_whatever_it_looks_like() -> None:
    value = {"password": "abc", "apiKey": ["x", "y"], "client_secret": 1234, "nested": {"db_password": "p q"}}
    hidden = redactor.value({**value, "max_tokens": 5, "token": "the", "passwords_ok": True, "secret": None})
    text = json.dumps(hidden)
    for secret in ('"abc"', '"x"', '"y"', "1234", "p q"):
        assert secret not in text
    assert hidden["max_tokens"] == 5
    assert hidden["token"] == "the"
    assert hidden["passwords_ok"] is True
    assert hidden["secret"] is None


def test_a_text_and_its_json_value_hide_the_same_secrets() -> None:
    value = {"password": "hunter2", "note": f"key {SECRETS['github']}", "deep": [{"access_token": "abc"}]}
    text = json.dumps(value, separators=(",", ":"))
    assert json.loads(redactor.text(text)) == redactor.value(value)


def test_counts_are_kept_by_rule() -> None:
    counts: Counts = Counts()
    redactor.value([SECRETS["openai"], f"{SECRETS['aws']} {SECRETS['jwt']}", {"password": "x"}], counts)
    assert counts == {"api_key": 2, "jwt": 1, "secret": 1}


class Point(NamedTuple):
    name: str
    number: int


@dataclass(frozen=True)
class Step:
    text: str
    password: str = ""


class Answer(BaseModel):
    text: str
    api_key: str = ""


def test_what_checkpoints_hold_is_looked_through_and_copied() -> None:
    secret = SECRETS["github"]
    value = {
        "tuple": (secret, 1),
        "named": Point(secret, 2),
        "set": {secret},
        "bytes": secret.encode(),
        "dataclass": Step(secret, "abc"),
        "model": Answer(text=secret, api_key="abc"),
        "path": Path(f"/tmp/{secret}"),
        secret: "a key of a dict",
    }
    hidden = redactor.value(value)
    assert secret not in repr(hidden)
    assert "abc" not in repr(hidden)
    assert secret in repr(value)
    assert [type(item) for item in hidden.values()] == [type(item) for item in value.values()]


def test_what_cannot_be_looked_into_is_not_let_through() -> None:
    with pytest.raises(RecordError, match="cannot look into a object"):
        redactor.value({"a": [object()]})
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(RecordError, match="nested too deeply"):
        redactor.value(deep)


class BrokenRule:
    name = "broken"

    def find(self, passage: Passage) -> Iterable[tuple[int, int]]:
        raise ValueError(passage.text)


def test_a_rule_that_raises_stops_the_write_and_its_message_tells_nothing() -> None:
    broken = Redactor(b"k", [*RULES, BrokenRule()])
    with pytest.raises(RecordError, match="'broken' failed") as caught:
        broken.text("my name")
    assert "my name" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_rules_of_a_user_work_like_those_that_ship() -> None:
    import re

    mine = Redactor(b"k", [*RULES, PatternRule("badge", ("badge",), re.compile(r"badge (\d+)"))])
    assert mine.text("my badge 12345 and badge 12345").count("[redacted:badge:") == 2
    assert "12345" not in mine.text("my badge 12345")


FRAGMENTS = [
    *SECRETS.values(),
    *(
        "password=",
        '"password":"',
        "token:",
        "Bearer ",
        "://u:",
        "@",
        '"',
        "\\",
        "'",
        ",",
        " ",
        "=",
        "-",
        "_",
        "/",
    ),
    *(
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "[redacted:api_key:0a1b2c3d]",
        "[redacted:",
        "]",
    ),
    *("AKIA", "sk-", "eyJ", "\\u0073", "?sig=", "&key=", "\n", "a1", "é", "字"),
]
texts = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join),
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=6)), max_size=8).map("".join),
)
names = st.one_of(
    st.sampled_from(["password", "api_key", "token", "Authorization", "text"]), st.text(max_size=5)
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=8,
)


@given(texts)
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = redactor.text(text)
    counts: Counts = Counts()
    assert redactor.text(once, counts) == once
    assert not counts


@given(values)
def test_redacting_a_value_twice_is_redacting_it_once(value: Any) -> None:
    once = redactor.value(value)
    assert redactor.value(once) == once


@given(texts, st.sampled_from(sorted(SECRETS.values())), texts)
def test_a_secret_between_spaces_never_survives(before: str, secret: str, after: str) -> None:
    assert f" {secret} " not in redactor.text(f"{before} {secret} {after}")


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "a",
            "A1b",
            "sk-",
            "AIza" + BODY[:35],
            "password=",
            'password":"',
            "token:",
            "://u:",
            "eyJ",
            "eyJaaaaaaa.",
        ),
        *(
            "-----BEGIN PRIVATE KEY-----",
            "-",
            "\\",
            '"',
            "[redacted:",
            BODY[:40] + "==",
            "bearer ",
            "?sig=",
            "\\u0073",
        ),
        *("://", ":", "/", 'password=\\"', "AKIA" + "A" * 16 + "_", "key:'", "auth=a1", "12345678:AA", "SG."),
    ],
)
def test_hostile_texts_take_time_in_proportion_to_their_length(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    started = time.process_time()
    redactor.text(text)
    assert time.process_time() - started < 5
