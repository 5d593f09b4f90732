"""Personal data: what is found, what is left alone, and that surrogates keep types, spans and secrets."""

from __future__ import annotations

import ipaddress
import json
import random
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from personal_values import SCHEMAS, VALUES, values

from speeddial.errors import SettingsError
from speeddial.record.redact import PERSONAL, RULES, Counts, Redactor, chosen_rules
from speeddial.record.redact.surrogates import iban_remainder, luhn
from speeddial.settings import Settings

redactor = Redactor(b"test key")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "anna@example.org"),
        ("email", "Anna.Schmidt+x@mail.example.co.uk"),
        ("email", "анна@пример.рф"),
        ("phone", "+49 30 1234567"),
        ("phone", "+49 (0)30 123-4567"),
        ("phone", "0049 30 1234567"),
        ("phone", "+14155552671"),
        ("phone", "(212) 456-7890"),
        ("phone", "212-456-7890"),
        ("phone", "212.456.7890"),
        ("phone", "1-212-456-7890"),
        ("phone", "030 1234567"),
        ("phone", "0171/2345678"),
        ("phone", "(0171) 2345678"),
        ("phone", "01712345678"),
        ("phone", "06 12 34 56 78"),
        ("phone", "020 7946 0958"),
        ("phone", "13800138000"),
        ("phone", "138 0013 8000"),
        ("phone", "+7 (912) 345-67-89"),
        ("phone", "8 (912) 345-67-89"),
        ("card", "4111 1111 1111 1111"),
        ("card", "4111111111111111"),
        ("card", "5555-5555-5555-4444"),
        ("card", "3782 822463 10005"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("iban", "GB29NWBK60161331926819"),
        ("iban", "nl91abna0417164300"),
        ("ip", "81.2.69.142"),
        ("ip", "2a00:1450:4001:81b::200e"),
    ],
)
@pytest.mark.parametrize(
    "place",
    [
        "{}",
        "write to {} please",
        "({})",
        "{}.",
        "{}, then",
        '{{"to":"{}"}}',
        "a\n{}\nb",
        "请联系{}谢谢",
        "<{}>",
    ],
)
def test_personal_data_is_hidden_wherever_it_stands(kind: str, value: str, place: str) -> None:
    counts: Counts = Counts()
    hidden = redactor.text(place.format(value), counts)
    assert value not in hidden
    assert counts == {kind: 1}
    assert hidden == place.format(redactor.text(value))


@pytest.mark.parametrize(
    "text",
    [
        "remind me on 2026-11-22 at 09:30 and on 22.11.2026 10:15, 11/22/2026 5pm",
        "2026-11-22T09:00:00+01:00, 20261122T090000Z, 1763824000, 1763824000123, 1763824000123456789",
        "20261122-060532706-3de58f/2/1/tool, 123e4567-e89b-12d3-a456-426614174000, 0012345678",
        "1,234,567.89 EUR, 12 345 678, $1234567890.50, 0.123456789012, -3.5e+10, 1.234.567,89",
        "version 1.2.3.4, v10.0.19041, 127.0.0.1, 192.168.1.17, 10.0.0.8, 172.16.3.4, ::1, fe80::1, 0.0.0.0",
        "4111 1111 1111 1112 does not pass Luhn, DE89370400440532013001 not its checksum",
        "52.520008, 13.404954; ISBN 978-3-16-148410-0; order 100-200-300; room 0815",
        "@property, user@localhost, a@b, npm install left-pad@1.3.0, std::string, 10:30:00:15",
        "sum of 3 4 5 and 12 13 14 15 16 17, scores 21-19 18-21 21-17",
    ],
)
def test_what_is_nobodys_stays_as_it_is(text: str) -> None:
    assert redactor.text(text) == text


@given(values)
def test_a_surrogate_is_of_the_type_of_its_value_and_is_nobodys(value: tuple[str, str]) -> None:
    kind, plain = value
    surrogate = redactor.text(plain)
    assert surrogate != plain
    assert redactor.text(surrogate) == surrogate
    assert Redactor(b"other key").text(plain) != surrogate
    assert Redactor(b"other key").text(surrogate) == surrogate
    assert Draft202012Validator(SCHEMAS[kind], format_checker=FormatChecker()).is_valid(surrogate)
    if kind in ("phone", "card", "iban"):
        assert [c.isdigit() or c for c in surrogate if not c.isalpha()] == [
            c.isdigit() or c for c in plain if not c.isalpha()
        ]
    if kind == "card":
        assert luhn("".join(filter(str.isdigit, surrogate))) == 0
    if kind == "iban":
        assert iban_remainder(surrogate.replace(" ", "")) == 1
        assert surrogate[:2] == plain[:2]
    if kind.startswith("ip"):
        assert not ipaddress.ip_address(surrogate).is_global


WORDS = [
    "write",
    "to",
    "and",
    "call",
    "or",
    "the",
    "number",
    "is",
    "pay",
    "from",
    "请",
    "напиши",
    "10",
    "2024",
    "at",
]
pieces = st.lists(
    st.one_of(st.tuples(st.just("word"), st.sampled_from(WORDS)), values), min_size=1, max_size=8
)


@settings(max_examples=300)
@given(pieces, st.lists(st.sampled_from([" ", ", ", "\n", ': "']), min_size=8, max_size=8), st.data())
def test_arguments_that_are_spans_of_a_request_are_spans_of_the_redacted_request(
    parts: list[tuple[str, str]], gaps: list[str], data: st.DataObject
) -> None:
    # Digits behind a space may be a number's own: that is tested below.
    apart = [any(map(str.isdigit, text)) for _, text in parts]
    gaps = [
        ", " if gap == " " and all(apart[number : number + 2]) else gap for number, gap in enumerate(gaps)
    ]
    request = "".join(text + gap for (_, text), gap in zip(parts, gaps, strict=False))
    arguments: dict[str, Any] = {}
    schema: dict[str, Any] = {}
    for number, (kind, text) in enumerate(parts):
        if kind != "word":
            arguments[f"{kind}_{number}"] = text
            schema[f"{kind}_{number}"] = SCHEMAS[kind]
    start = data.draw(st.integers(0, len(parts) - 1))
    end = data.draw(st.integers(start, len(parts) - 1))
    phrase = "".join(text + gap for (_, text), gap in zip(parts[start:end], gaps[start:], strict=False))
    arguments["phrase"] = phrase + parts[end][1]
    assert all(argument in request for argument in arguments.values())
    call = {"name": "send", "arguments": arguments}

    redacted_request = redactor.text(request)
    redacted = redactor.value(call)
    for kind, text in parts:
        assert kind == "word" or text not in redacted_request
    for argument in redacted["arguments"].values():
        assert argument in redacted_request
    validator = Draft202012Validator({"type": "object", "properties": schema}, format_checker=FormatChecker())
    validator.validate(redacted["arguments"])
    # The call as it stands in the model's output, in a message, and parsed: the same.
    raw = json.dumps(call, ensure_ascii=False)
    assert json.loads(redactor.text(raw)) == redacted
    assert json.loads(redactor.text(json.dumps(call, separators=(",", ":")))) == redacted


@given(
    st.lists(
        st.one_of(
            values.map(lambda value: value[1]), st.text(max_size=6), st.sampled_from(" ,.;:/-+()\"'\\@")
        )
    )
)
def test_redacting_twice_is_redacting_once(parts: list[str]) -> None:
    once = redactor.text("".join(parts))
    counts: Counts = Counts()
    assert redactor.text(once, counts) == once
    assert not counts


@pytest.mark.parametrize("kind", sorted(VALUES))
def test_different_values_have_different_surrogates(kind: str) -> None:
    generator = random.Random(7)
    if kind == "email":
        made = {f"user{number}@example.org" for number in range(2000)}
    elif kind == "phone":
        made = {f"+49 30 {generator.randrange(10**7):07}" for _ in range(200)}
    elif kind == "card":
        made = {f"4539{generator.randrange(10**11):011}" for _ in range(2000)}
        made = {number + str(-luhn(number + "0") % 10) for number in made}
    elif kind == "iban":
        made = {f"DE{98 - iban_remainder(f'DE00{account:018}'):02}{account:018}" for account in range(2000)}
    elif kind == "ipv4":
        made = {f"81.2.{high}.{low}" for high in range(40) for low in range(10)}
    else:
        made = {f"2a00:1450::{number:x}" for number in range(2000)}
    assert len({redactor.text(value) for value in made}) >= len(made) - 1


def test_numbers_are_hidden_as_numbers() -> None:
    counts: Counts = Counts()
    hidden = redactor.value(
        {"card": 4111111111111111, "phone": 13800138000, "time": 1763824000123456789}, counts
    )
    assert hidden["card"] != 4111111111111111
    assert isinstance(hidden["card"], int)
    assert str(hidden["card"]) == redactor.text("4111111111111111")
    assert hidden["time"] == 1763824000123456789
    assert counts == {"card": 1, "phone": 1}


@pytest.mark.parametrize("number", ["+49 30 1234567", "+44 20 7946 0958", "0171 2345678", "+352 27-123"])
def test_a_number_before_other_digits_stays_a_part_of_what_is_hidden(number: str) -> None:
    for behind in (" 10", " 2024", " 10 12", "-12", " 123456789"):
        assert redactor.text(f"call {number}{behind} now").startswith(f"call {redactor.text(number)}")


def test_numbers_beside_each_other_are_all_hidden() -> None:
    numbers = ["+49 30 1234567", "030 1234567", "0171 2345678", "4111 1111 1111 1111", "06 12 34 56 78"]
    for first in numbers:
        for second in numbers:
            for between in (" ", " / ", " 2024 ", ", ", "\n"):
                hidden = redactor.text(f"{first}{between}{second}")
                assert first not in hidden
                assert second[-7:] not in hidden


def test_a_secret_wins_over_personal_data_in_the_same_place() -> None:
    counts: Counts = Counts()
    assert "example" not in redactor.text("password=anna@example.org", counts)
    assert redactor.value({"password": "anna@example.org"})["password"].startswith("[redacted:secret:")
    assert counts == {"secret": 1}


def test_the_switch_leaves_personal_data_alone_and_never_secrets() -> None:
    off = Redactor(b"k", chosen_rules(personal=False))
    text = "write to anna@example.org, password=hunter2"
    assert off.text(text).startswith("write to anna@example.org, password=[redacted:secret:")


def test_rules_of_a_projects_own_hide_and_are_checked_when_they_are_read() -> None:
    made = Settings.load(None, {"redact": {"employee_id": "EMP-[0-9]{6}"}, "redact_personal": False})
    mine = Redactor(b"k", chosen_rules(made.redact, personal=made.redact_personal))
    counts: Counts = Counts()
    hidden = mine.text("EMP-123456 and EMP-123456, not EMP-12 字EMP-654321", counts)
    assert hidden.count("[redacted:employee_id:") == 3
    assert counts == {"employee_id": 3}
    assert mine.text(hidden) == hidden
    assert Settings.load(None, {"redact": '{"badge": "B[0-9]+"}'}).redact == {"badge": "B[0-9]+"}
    for wrong in (
        {"a": "("},
        {"a": "(?=x)x"},
        {"a": "x*"},
        {"A b": "x"},
        {"a": 5},
        "no table",
    ):
        with pytest.raises(SettingsError, match="redact"):
            Settings.load(None, {"redact": wrong})
    with pytest.raises(SettingsError, match="ships"):
        chosen_rules({"email": "x"})


def test_an_expression_that_would_stop_a_backtracking_engine_takes_linear_time() -> None:
    mine = Redactor(b"k", chosen_rules({"nasty": "(a+)+b"}, personal=False))
    started = time.process_time()
    mine.text("a" * 20_000)
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "0",
            "0 ",
            "+1 ",
            "(",
            "1 ",
            "4111 ",
            "a@",
            "a.",
            "@",
            "a@b.",
            "é@",
            "aA11",
            "DE89 ",
            "DE89",
            "\\n0",
            "\\\\",
        ),
        *(
            "8 (",
            "13",
            "0-",
            "00 ",
            "::",
            "2a:",
            "2000:",
            "1.",
            "1.1.",
            "243.1.1.1",
            "@example.invalid",
            "a.b-c_d%",
        ),
    ],
)
def test_hostile_texts_take_time_in_proportion_to_their_length(unit: str) -> None:
    taken = []
    for length in (50_000, 200_000):
        text = unit * (length // len(unit))
        started = time.process_time()
        redactor.text(text)
        taken.append(time.process_time() - started)
    # Four times the text; quadratic would be sixteen times the time, and half a minute.
    assert taken[1] < max(5.0, 10 * taken[0])


def test_the_rules_that_ship_have_names_of_their_own() -> None:
    assert {rule.name for rule in PERSONAL} == {"email", "phone", "card", "iban", "ip"}
    assert all(rule.personal == (rule in PERSONAL) for rule in RULES)
