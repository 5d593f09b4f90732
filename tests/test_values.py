"""Typed values: what English phrases about time mean, and that nothing is guessed."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from speeddial.contract import Contract, Decoded, ResolveContext
from speeddial.errors import ContractViolation
from speeddial.values import Date, DatePhrase, Moment, Repeat, Text, Time, TimePhrase, Within
from speeddial.values.reading import Clock
from speeddial.values.resolve import as_date, as_moment, as_period, as_time, read_phrase, reading_of
from speeddial.values.schedule import Slot, place_in_calendar, together, window
from speeddial.values.words import plain

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 14, 0, tzinfo=BERLIN)
"""A Sunday afternoon."""


@pytest.mark.parametrize(
    ("phrase", "meant"),
    [
        ("twenty third of March, twenty seventeen", "23rd of march 20 17"),
        ("half past nine p.m.", "half past 9 pm"),
        ("march twenty four two thousand and seventeen", "march 24 2017"),
        ("five hundred and thirty am", "530 am"),
        ("between three hundred and thirty and four", "between 330 and 4"),
        ("twenty to twenty five june", "20 to 25 june"),
        ("today's", "today"),
        ("Jan. 5", "jan 5"),
        ("8:45a", "8:45 am"),
        ("june-august", "june to august"),
        ("twenty-first", "21st"),
        ("second", "2nd"),
    ],
)
def test_number_words_become_digits(phrase: str, meant: str) -> None:
    assert plain(phrase) == meant


@pytest.mark.parametrize(
    ("phrase", "day"),
    [
        ("tomorrow", date(2026, 11, 23)),
        ("Tomorrow's", date(2026, 11, 23)),
        ("day after tomorrow", date(2026, 11, 24)),
        ("friday", date(2026, 11, 27)),
        ("this friday", date(2026, 11, 20)),
        ("next tuesday", date(2026, 11, 24)),
        ("last friday", date(2026, 11, 13)),
        ("tuesday of next week", date(2026, 11, 24)),
        ("march 5th", date(2027, 3, 5)),
        ("the 5th of March", date(2027, 3, 5)),
        ("march twenty five", date(2027, 3, 25)),
        ("twenty third of march twenty seventeen", date(2017, 3, 23)),
        ("2024-03-05", date(2024, 3, 5)),
        ("5.3.2024", date(2024, 3, 5)),
        ("3/5/2024", date(2024, 3, 5)),
        ("25/3/2024", date(2024, 3, 25)),
        ("the 15th", date(2026, 12, 15)),
        ("fifteenth of this month", date(2026, 11, 15)),
        ("in three days", date(2026, 11, 25)),
        ("twelve weeks from today", date(2027, 2, 14)),
        ("two days ago", date(2026, 11, 20)),
        ("a week from friday", date(2026, 12, 4)),
        ("two days before christmas", date(2026, 12, 23)),
        ("first monday of next month", date(2026, 12, 7)),
        ("friday the 13th", date(2027, 8, 13)),
        ("easter monday", date(2027, 3, 29)),
        ("february 29", date(2028, 2, 29)),
    ],
)
def test_phrase_is_one_day(phrase: str, day: date) -> None:
    assert as_date(phrase, NOW) == day


@pytest.mark.parametrize(
    ("phrase", "moment"),
    [
        ("nine am", time(9)),
        ("9", time(9)),
        ("at 9", time(9)),
        ("six", time(18)),
        ("twelve", time(12)),
        ("half past nine", time(9, 30)),
        ("quarter to five", time(16, 45)),
        ("ten to nine", time(8, 50)),
        ("five thirty pm", time(17, 30)),
        ("five hundred and thirty", time(17, 30)),
        ("eight hundred am", time(8)),
        ("1930", time(19, 30)),
        ("09:05", time(9, 5)),
        ("17h30", time(17, 30)),
        ("noon", time(12)),
        ("midnight", time(0)),
        ("eight o'clock in the evening", time(20)),
        ("twelve thirty pm", time(12, 30)),
        ("in two hours", time(16)),
        ("thirty minutes", time(14, 30)),
    ],
)
def test_phrase_is_one_time_of_day(phrase: str, moment: time) -> None:
    assert as_time(phrase, NOW) == moment


@pytest.mark.parametrize(
    ("phrase", "start", "end"),
    [
        ("last week", "2026-11-09", "2026-11-16"),
        ("this weekend", "2026-11-21", "2026-11-23"),
        ("march 2024", "2024-03-01", "2024-04-01"),
        ("in march", "2026-03-01", "2026-04-01"),
        ("q1 2024", "2024-01-01", "2024-04-01"),
        ("first half of 2024", "2024-01-01", "2024-07-01"),
        ("2024", "2024-01-01", "2025-01-01"),
        ("the nineties", "1990-01-01", "2000-01-01"),
        ("the last seven days", "2026-11-16", "2026-11-23"),
        ("last 2 quarters", "2026-04-01", "2026-10-01"),
        ("between 1 march and 5 april 2024", "2024-03-01", "2024-04-06"),
        ("from november to february", "2026-11-01", "2027-03-01"),
        ("first week of 2021", "2021-01-04", "2021-01-11"),
        ("yesterday", "2026-11-21", "2026-11-22"),
        ("2024-03", "2024-03-01", "2024-04-01"),
    ],
)
def test_phrase_is_a_stretch_of_days(phrase: str, start: str, end: str) -> None:
    period = as_period(phrase, NOW, past=True)
    assert period.start == datetime.fromisoformat(start).replace(tzinfo=BERLIN)
    assert period.end == datetime.fromisoformat(end).replace(tzinfo=BERLIN)


def test_open_periods_have_one_bound() -> None:
    assert as_period("since 2020", NOW) == (datetime(2020, 1, 1, tzinfo=BERLIN), None)
    assert as_period("before march 2024", NOW) == (None, datetime(2024, 3, 1, tzinfo=BERLIN))
    assert as_period("after march 2024", NOW) == (datetime(2024, 4, 1, tzinfo=BERLIN), None)


@pytest.mark.parametrize(
    ("phrase", "rule"),
    [
        ("every friday", "FREQ=WEEKLY;BYDAY=FR"),
        ("mondays", "FREQ=WEEKLY;BYDAY=MO"),
        ("weekdays", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        ("every tuesday thursday and saturday", "FREQ=WEEKLY;BYDAY=TU,TH,SA"),
        ("daily", "FREQ=DAILY"),
        ("everyday", "FREQ=DAILY"),
        ("every other week", "FREQ=WEEKLY;INTERVAL=2"),
        ("every three months", "FREQ=MONTHLY;INTERVAL=3"),
        ("first monday of the month", "FREQ=MONTHLY;BYDAY=1MO"),
        ("last friday of every month", "FREQ=MONTHLY;BYDAY=-1FR"),
        ("the 15th of every month", "FREQ=MONTHLY;BYMONTHDAY=15"),
        ("june fifth every year", "FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=5"),
        ("yearly", "FREQ=YEARLY"),
        ("every two hours", "FREQ=HOURLY;INTERVAL=2"),
    ],
)
def test_phrase_is_a_repetition_that_other_programs_read(phrase: str, rule: str) -> None:
    reading = reading_of(phrase, NOW, want="repeat")
    assert str(reading.rule) == rule
    assert rrulestr(rule, dtstart=NOW.replace(tzinfo=None)).after(NOW.replace(tzinfo=None)) is not None


def slot(*phrases: tuple[str, str], now: datetime = NOW, alarm: bool = False, timed: bool = False) -> Slot:
    reading = together(*(reading_of(text, now, want=want) for want, text in phrases))  # type: ignore[arg-type]
    assert reading is not None
    return place_in_calendar(reading, now, alarm=alarm, timed=timed)


@pytest.mark.parametrize(
    ("phrases", "shown"),
    [
        ([("date", "tomorrow"), ("time", "9")], "Mon 2026-11-23 09:00"),
        ([("date", "tomorrow"), ("time", "six")], "Mon 2026-11-23 18:00"),
        ([("date", "monday morning"), ("time", "8")], "Mon 2026-11-23 08:00"),
        ([("time", "9")], "Sun 2026-11-22 21:00"),
        ([("date", "today"), ("time", "9")], "Sun 2026-11-22 21:00"),
        ([("time", "9 am")], "Mon 2026-11-23 09:00"),
        ([("date", "next tuesday"), ("time", "from 3 to 5pm")], "Tue 2026-11-24 15:00 to 17:00"),
        ([("time", "five to seven")], "Sun 2026-11-22 17:00 to 19:00"),
        ([("time", "this evening")], "Sun 2026-11-22 18:00"),
        ([("time", "in two hours")], "Sun 2026-11-22 16:00"),
        ([("time", "before six")], "Sun 2026-11-22 17:00 to 18:00"),
        ([("time", "after seven pm")], "Sun 2026-11-22 19:00"),
        ([("time", "evening at five")], "Sun 2026-11-22 17:00"),
        ([("date", "next week")], "Mon 2026-11-23 to Sun 2026-11-29"),
        ([("repeat", "every friday"), ("time", "nine")], "Fri 2026-11-27 09:00, every Friday"),
        ([("repeat", "every other friday")], "Fri 2026-11-27, every 2 weeks on Friday"),
        ([("date", "weekdays"), ("time", "half past seven")], "Mon 2026-11-23 07:30, every weekday"),
    ],
)
def test_date_time_and_repeat_have_one_place_in_the_calendar(
    phrases: list[tuple[str, str]], shown: str
) -> None:
    assert str(slot(*phrases)) == shown


def test_alarm_rings_when_the_clock_next_shows_the_hour() -> None:
    assert f"{slot(('time', 'six'), alarm=True).start:%d %H}" == "22 18"
    night = datetime(2026, 11, 22, 23, 0, tzinfo=BERLIN)
    assert f"{slot(('time', 'six'), now=night, alarm=True).start:%d %H}" == "23 06"
    assert f"{slot(('date', 'tomorrow'), ('time', 'six'), alarm=True).start:%d %H}" == "23 06"


def test_day_without_a_time_means_nine_for_what_needs_a_time() -> None:
    assert slot(("date", "tomorrow")).all_day
    assert f"{slot(('date', 'tomorrow'), timed=True).start:%H:%M}" == "09:00"
    assert slot(("date", "today"), timed=True).start > NOW


def test_nine_stays_nine_across_a_change_of_summer_time() -> None:
    before = datetime(2026, 3, 28, 12, 0, tzinfo=BERLIN)
    start = slot(("date", "tomorrow"), ("time", "nine"), now=before).start
    assert start.isoformat() == "2026-03-29T09:00:00+02:00"


@pytest.mark.parametrize(
    "phrase",
    ["whenever", "my birthday", "when i get home", "feb 30", "clear", "daybreak", "2024-13-01", "25:00", "",
     "the of", "morning at 7pm", "9 am in the evening", "after after friday",
     "five minutes before", "tuesday march 5th 2024 friday", "14 am",
     "in 99999 years", "x" * 500, "to " * 39],
)  # fmt: skip
def test_what_is_not_understood_is_an_error_and_no_guess(phrase: str) -> None:
    for want in ("date", "time", "repeat", "any"):
        assert read_phrase(phrase, NOW, want=want) is None


def test_weekday_that_contradicts_its_date_is_not_read() -> None:
    assert read_phrase("monday march 5th 2024", NOW) is None
    assert as_date("tuesday march 5th 2024", NOW) == date(2024, 3, 5)


def test_contradiction_of_date_and_time_is_an_error() -> None:
    with pytest.raises(ValueError, match="contradict"):
        slot(("date", "friday"), ("time", "tonight"))


def test_error_of_a_typed_value_names_path_expectation_and_example() -> None:
    contract = Contract.of(Annotated[list[DatePhrase], "dates"])
    with pytest.raises(ContractViolation) as caught:
        contract.resolve(contract.load(["tomorrow", "whenever"]), ResolveContext(NOW))
    problem = caught.value.problems[0]
    assert problem.path.endswith("[1]")
    assert "'whenever'" in problem.got
    assert "next tuesday" in problem.expected


@pytest.mark.parametrize(
    ("kind", "phrase", "value"),
    [
        (Date, "tomorrow", date(2026, 11, 23)),
        (Time, "half past nine", time(9, 30)),
        (Moment, "tomorrow at nine", datetime(2026, 11, 23, 9, tzinfo=BERLIN)),
        (Text, "there were #1 orders, room #7", "there were 12 orders, room #7"),
    ],
)
def test_typed_values_decode_as_text_and_resolve(kind: object, phrase: str, value: object) -> None:
    contract = Contract.of(kind)
    assert contract.full_schema["type"] == "string"
    assert contract.resolve(contract.load(phrase), ResolveContext(NOW, {1: "12"})) == value


def test_other_typed_values_are_annotations_of_text() -> None:
    for kind in (Within, Repeat, DatePhrase, TimePhrase):
        assert any(isinstance(item, Decoded) and item.as_ is str for item in kind.__metadata__)


def test_moment_needs_a_date_and_a_time() -> None:
    with pytest.raises(ValueError, match="not one moment"):
        as_moment("next week", NOW)


def test_morning_said_at_noon_is_tomorrow() -> None:
    start, end = window(reading_of("in the morning", NOW, want="time"), NOW)
    assert (
        start is not None
        and end is not None
        and start.date() == date(2026, 11, 23) < end.date() + timedelta(1)
    )


@settings(deadline=None)
@given(st.dates(date(1950, 1, 1), date(2090, 12, 31)))
def test_every_date_is_read_back_in_the_common_spellings(day: date) -> None:
    for spelling in ("%Y-%m-%d", "%B %d %Y", "%d %b %Y", "%A %B %d, %Y", "%d.%m.%Y"):
        assert as_date(day.strftime(spelling), NOW) == day


@settings(deadline=None)
@given(st.integers(0, 23), st.integers(0, 59))
def test_every_clock_time_is_read_back_in_the_common_spellings(hour: int, minute: int) -> None:
    moment = time(hour, minute)
    for spelling in ("%H:%M", "%I:%M %p", "%I:%M%p"):
        if spelling == "%H:%M" and 10 <= hour <= 12:
            continue
        assert as_time(moment.strftime(spelling), NOW) == moment


@settings(deadline=None)
@given(st.integers(1, 11), st.integers(0, 59))
def test_bare_hour_is_settled_by_the_documented_rule(hour: int, minute: int) -> None:
    settled = Clock(time(hour, minute), bare=True).settled()
    assert settled.start == time(hour + 12 if hour <= 6 else hour, minute)


_WORDS = st.lists(
    st.sampled_from(
        ["next", "last", "friday", "march", "5", "5th", "2024", "of", "the", "to",
         "from", "between", "and", "at",
         "nine", "half", "past", "week", "in", "two", "hours", "every", "other", "month", "before", "after",
         "noon", "pm", "12:30", "3/4", "-", "for", "days", "tonight", "first"]
    ),
    max_size=9,
)  # fmt: skip


@settings(deadline=None)
@given(_WORDS, st.sampled_from(["date", "time", "repeat", "any"]), st.booleans())
def test_reading_never_fails_and_what_is_read_can_be_used(words: list[str], want: str, past: bool) -> None:
    reading = read_phrase(" ".join(words), NOW, want=want, past=past)  # type: ignore[arg-type]
    if reading is None:
        return
    assert isinstance(reading.as_json(), str)
    for alarm in (False, True):
        try:
            placed = place_in_calendar(reading, NOW, alarm=alarm)
        except ValueError:
            continue
        assert placed.start.tzinfo is not None
        assert placed.end is None or placed.end > placed.start


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    read_phrase(text, NOW)
