"""Numbers and time stamps as people and programs write them, and what of each kind a text holds."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speeddial.values.found import KINDS, phrases
from speeddial.values.numbers import as_number, numbers_in
from speeddial.values.stamps import as_stamp

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("phrase", "number"),
    [
        ("1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("1,234", "1234"),
        ("1.234", "1.234"),
        ("1.234.567", "1234567"),
        ("12,5", "12.5"),
        ("0,125", "0.125"),
        ("1\u202f204", "1204"),
        ("-20.00", "-20.00"),
        ("−3", "-3"),
        ("€12", "12"),
        ("12k", "12000"),
        ("1.5 million", "1500000"),
        ("three hundred", "300"),
        ("twenty-five", "25"),
    ],
)
def test_number(phrase: str, number: str) -> None:
    assert as_number(phrase) == Decimal(number)


@pytest.mark.parametrize("phrase", ["", "twelve monkeys", "1.2.3", "INV-20", "first"])
def test_no_number(phrase: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        as_number(phrase)


@given(st.decimals(min_value=-10_000_000, max_value=10_000_000, places=2))
def test_a_number_written_with_commas_is_found_and_read_back(value: Decimal) -> None:
    written = f"{value:,.2f}"
    (found,) = numbers_in(f"Total: {written} EUR")
    assert found == written and as_number(found) == value


def test_numbers_of_a_text_are_no_parts_of_dates_addresses_and_names() -> None:
    text = "INV-2041 of 2026-03-12, v1.2.3, 10.0.0.12:443, 2 x USB 4.50, EUR1,243.50 (19% VAT), took 250ms"
    assert numbers_in(text) == ["443", "2", "4.50", "1,243.50", "19", "250"]


@pytest.mark.parametrize(
    ("phrase", "moment"),
    [
        ("2026-03-02T14:05:11Z", "2026-03-02T14:05:11+00:00"),
        ("2026-03-02 14:05:11,123", "2026-03-02T14:05:11.123000+01:00"),
        ("2026/02/11 16:20", "2026-02-11T16:20:00+01:00"),
        ("02/Mar/2026:14:05:11 +0530", "2026-03-02T14:05:11+05:30"),
        ("Mon, 2 Mar 2026 14:05:11 GMT", "2026-03-02T14:05:11+00:00"),
        ("Mar  2 03:14:09", "2026-03-02T03:14:09+01:00"),
        ("Dec 24 18:00:00", "2025-12-24T18:00:00+01:00"),
    ],
)
def test_stamp(phrase: str, moment: str) -> None:
    assert as_stamp(phrase, NOW).isoformat() == moment


def test_a_stamp_of_a_day_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="day"):
        as_stamp("2026-02-30 10:00:00", NOW)


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("date", "on 14 May 2026 at 15:30, due: April 11, 2026. See you tomorrow.",
         ("14 May 2026", "April 11, 2026", "tomorrow")),
        ("date", "It may take a second, 12.50 in total", ()),
        ("date", "expires=2026-08-30", ("2026-08-30",)),
        ("time", "from 8:00 to half past nine, or noon; ratio 10:2", ("8:00", "half past nine", "noon")),
        ("time", "It starts at 1:20 am. Or at 3 p.m. today", ("1:20 am", "3 p.m.")),
        ("date-time", "at 2026-05-05 07:12:44 +0200 or 6 May 2026 at 9:00",
         ("2026-05-05 07:12:44 +0200", "6 May 2026 at 9:00")),
        ("integer", "12 boxes, 9.00 EUR, within 14 days, built 3 May 2026", ("12", "14")),
        ("email", "to=<kim@example.com>, not @you", ("kim@example.com",)),
        ("uri", "see https://example.org/a?b=1.", ("https://example.org/a?b=1",)),
        ("ipv4", "from 203.0.113.9 port 22, version 1.2.3", ("203.0.113.9",)),
        ("uuid", "id 3f2b8c1e-7a10-4c55-9d6e-0b1a2c3d4e5f.", ("3f2b8c1e-7a10-4c55-9d6e-0b1a2c3d4e5f",)),
    ],
)  # fmt: skip
def test_what_stands_in_a_text(kind: str, text: str, found: tuple[str, ...]) -> None:
    assert phrases(kind, text, NOW) == found


@given(st.text(alphabet="0123456789 .,:/-=TZ+marchtodayndpk€$\n", max_size=80))
def test_whatever_is_found_can_be_read(text: str) -> None:
    for name, kind in KINDS.items():
        for phrase in phrases(name, text, NOW):
            kind.read(phrase, NOW)
