"""Guesses at the next tokens: from the request, from earlier answers, nothing where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from speeddial.models import guesses
from speeddial.models.guesses import EarlierAnswers, copied, open_string


def decode(tokens: Sequence[int]) -> str:
    return "".join(map(chr, tokens))


def tokens_of(text: str) -> list[int]:
    return [ord(character) for character in text]


def ahead(earlier: EarlierAnswers, text: str, count: int = 40, who: str = "me") -> str:
    return decode(earlier.ahead(who, text, count, decode))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('{"a":"lunch wi', "lunch wi"),
        ('{"a":"say \\"hi', 'say \\"hi'),
        ('{"a":"done","b', "b"),
        ('{"a":"done"', ""),
        ('{"a":"', ""),
        ('{"a":"x\\\\"', ""),
    ],
)
def test_the_string_under_way_is_found(text: str, written: str) -> None:
    assert open_string(text) == written


@pytest.mark.parametrize(
    ("text", "source", "expected"),
    [
        ('{"a":"lunch', "have lunch with Anna", " with Anna"),
        ('{"a":"LUNCH', "have lunch with Anna", " with Anna"),
        ('{"a":["lunch', "have lunch", ""),
        ('{"a":["have', "have lunch", " lunch"),
        # Not within a word, and not for keys.
        ('{"a":"in', "remind me in an hour", " an hour"),
        ('{"have', "have lunch", ""),
        ('{"a":"have"', "have lunch", ""),
        ('{"a":"', "have lunch", ""),
        ('{"a":"say', 'say "hi"', ' \\"hi\\"'),
        ('{"a":"x\\', "x y", ""),
    ],
)
def test_a_phrase_goes_on_as_in_the_request(text: str, source: str, expected: str) -> None:
    assert copied(text, source) == expected


def test_earlier_answers_tell_how_the_next_goes_on_whatever_its_values() -> None:
    earlier = EarlierAnswers()
    assert ahead(earlier, "") == ""
    for _ in range(30):
        earlier.learn("me", tokens_of('{"name":"wake","time":"seven am","day":"monday"}'), decode)
    assert ahead(earlier, "", 9) == '{"name":"'
    assert ahead(earlier, '{"name":"ring","time":"half past \\"six\\"",', 6) == '"day":'
    assert ahead(earlier, '{"name":"wake","time":"se', 5) == "ven a"
    assert ahead(earlier, '{"name":"wake","time":"six') == ""
    assert ahead(earlier, "", who="another") == ""


def test_a_guess_goes_on_as_long_as_it_is_likely_to_be_right() -> None:
    earlier = EarlierAnswers()
    for word, others in (("bed", ("cud", "dud")), ("bed", ("fog", "gun")), ("bed", ())):
        earlier.learn("me", tokens_of(word), decode)
        for other in others:
            earlier.learn("me", tokens_of(other), decode)
    # 3 of 7 and one more: 3/8, then 3/8 * 3/4, then below a quarter.
    assert ahead(earlier, "") == "be"
    assert ahead(earlier, "b") == "ed"
    assert ahead(earlier, "c") == "ud"
    earlier.learn("me", tokens_of("hut"), decode)
    for word in ("ivy", "joy", "key", "lid"):
        earlier.learn("me", tokens_of(word), decode)
    assert ahead(earlier, "") == ""


def test_the_oldest_contexts_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guesses, "_CONTEXTS_KEPT", 3)
    earlier = EarlierAnswers()
    earlier.learn("me", tokens_of("abc"), decode)
    earlier.learn("me", tokens_of("xyz"), decode)
    assert ahead(earlier, "a") == ""
    assert ahead(earlier, "x") == "yz"
