"""The calendar tools on real files: right entries, once each, in a file that other programs read."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from icalendar import Calendar, Component
from rooms import NOW, ROOT, Desk

from speeddial.calendarfile import alike
from speeddial.errors import ContractViolation, ToolError


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "workspace")


def components(desk: Desk, name: str) -> list[Component]:
    calendar = Calendar.from_ical((desk.workspace / "calendar.ics").read_bytes())
    return list(calendar.walk(name))


def test_reminder_is_a_todo_with_an_alarm_at_the_right_time(desk: Desk) -> None:
    result = desk.run("create_reminder", text="call the dentist", date="tomorrow", time="9")
    (todo,) = components(desk, "VTODO")
    assert str(todo["summary"]) == "call the dentist"
    assert todo.decoded("due").isoformat() == "2026-11-23T09:00:00+01:00"
    (alarm,) = todo.walk("VALARM")
    assert alarm.decoded("trigger") == timedelta()
    assert result.text == "reminder: Mon 2026-11-23 09:00, call the dentist"
    assert result.resolved == {"text": "call the dentist", "date": "2026-11-23", "time": "09:00"}


def test_event_keeps_what_was_said(desk: Desk) -> None:
    desk.run(
        "create_event",
        title="planning",
        date="next tuesday",
        time="from 3 to 5pm",
        people="Anna",
        place="room 4",
    )
    (event,) = components(desk, "VEVENT")
    assert event.decoded("dtstart").isoformat() == "2026-11-24T15:00:00+01:00"
    assert event.decoded("dtend").isoformat() == "2026-11-24T17:00:00+01:00"
    assert (str(event["contact"]), str(event["location"])) == ("Anna", "room 4")
    assert components(desk, "VTIMEZONE")


def test_event_without_a_time_lasts_whole_days(desk: Desk) -> None:
    desk.run("create_event", title="holiday", date="next week")
    (event,) = components(desk, "VEVENT")
    assert (event.decoded("dtstart"), event.decoded("dtend")) == (date(2026, 11, 23), date(2026, 11, 30))
    assert desk.text("find_events", date="thursday") == "event: Mon 2026-11-23 to Sun 2026-11-29, holiday"


def test_reminder_before_six_is_due_at_six_and_rings_ahead(desk: Desk) -> None:
    desk.run("create_reminder", text="leave", date="tomorrow", time="before six")
    (todo,) = components(desk, "VTODO")
    assert f"{todo.decoded('due'):%H:%M}" == "18:00"
    assert todo.walk("VALARM")[0].decoded("trigger") == timedelta(minutes=-30)


def test_reminder_without_a_date_has_none(desk: Desk) -> None:
    assert desk.text("create_reminder", text="buy stamps") == "reminder: buy stamps"
    (todo,) = components(desk, "VTODO")
    assert "due" not in todo and not todo.walk("VALARM")
    assert desk.text("find_events") == "reminder: buy stamps"


def test_alarm_repeats_by_its_rule(desk: Desk) -> None:
    desk.run("set_alarm", time="six thirty am", repeat="weekdays", label="work")
    (todo,) = components(desk, "VTODO")
    assert todo["rrule"].to_ical() == b"FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
    assert todo.decoded("dtstart").isoformat() == "2026-11-23T06:30:00+01:00"
    assert desk.text("find_alarms", date="friday") == "alarm: Fri 2026-11-27 06:30, work, every weekday"
    assert desk.text("find_alarms", date="saturday") == "Nothing found."
    assert desk.text("find_events") == "Nothing found."


def test_second_run_with_the_same_key_changes_nothing_and_returns_the_first_result(desk: Desk) -> None:
    first = desk.run("create_event", key="run-1", title="yoga", date="friday", time="6pm")
    content = (desk.workspace / "calendar.ics").read_bytes()
    later = Desk(desk.workspace, now=NOW + timedelta(days=30))
    assert (
        later.run("create_event", key="run-1", title="yoga", date="friday", time="6pm").value == first.value
    )
    assert (desk.workspace / "calendar.ics").read_bytes() == content


def test_key_is_the_uid_and_guards_even_when_the_ledger_is_gone(desk: Desk) -> None:
    desk.run("create_reminder", key="run-1", text="water the plants", date="friday")
    path = desk.workspace / "calendar.ics"
    calendar = Calendar.from_ical(path.read_bytes())
    calendar.pop("X-SPEEDDIAL-DONE")
    path.write_bytes(calendar.to_ical())
    desk.run("create_reminder", key="run-1", text="water the plants", date="friday")
    assert [str(todo["uid"]) for todo in components(desk, "VTODO")] == ["run-1"]


def test_deletion_repeated_with_its_key_spares_what_came_later(desk: Desk) -> None:
    desk.run("create_event", title="dentist", date="friday", time="9 am")
    first = desk.run("delete_events", key="run-2", title="dentist")
    desk.run("create_event", title="dentist", date="monday", time="9 am")
    assert desk.run("delete_events", key="run-2", title="dentist").value == first.value
    assert len(components(desk, "VEVENT")) == 1


def test_deleting_one_turn_of_a_repetition_keeps_the_others(desk: Desk) -> None:
    desk.run("create_event", title="team meeting", date="next tuesday", time="3pm", repeat="every tuesday")
    desk.run("delete_events", title="meeting", date="next tuesday")
    found = desk.run("find_events", date="december").value
    assert found["total"] == 5
    assert desk.text("find_events", date="next week") == "Nothing found."
    desk.run("delete_events", title="team meeting")
    assert components(desk, "VEVENT") == []


def test_unclear_deletion_is_refused_and_lists_what_fits(desk: Desk) -> None:
    for day in ("monday", "tuesday"):
        desk.run("create_event", title=f"meeting on {day}", date=day, time="9 am")
    with pytest.raises(ToolError, match=r"several fit.*meeting on monday.*meeting on tuesday"):
        desk.run("delete_events", title="meeting")
    with pytest.raises(ToolError, match="which ones to delete"):
        desk.run("delete_events")
    with pytest.raises(ToolError, match="nothing was deleted"):
        desk.run("delete_events", title="concert")
    assert len(components(desk, "VEVENT")) == 2
    desk.run("delete_events", title="all meetings")
    assert components(desk, "VEVENT") == []


def test_what_is_missing_or_not_understood_is_told_to_the_model(desk: Desk) -> None:
    with pytest.raises(ToolError, match="date: expected the day or time"):
        desk.run("create_event", title="something")
    with pytest.raises(ToolError, match="time: expected when the alarm rings"):
        desk.run("set_alarm", date="tomorrow")
    with pytest.raises(ContractViolation, match=r"date: expected .* got 'whenever'"):
        desk.run("create_event", title="something", date="whenever")
    with pytest.raises(ToolError, match="contradict"):
        desk.run("create_event", title="something", date="friday", time="tonight")
    assert not (desk.workspace / "calendar.ics").exists()


def test_calendar_of_another_program_is_kept_as_it_was(desk: Desk) -> None:
    foreign = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Other//EN\r\nX-WR-CALNAME:Home\r\n"
        "BEGIN:VEVENT\r\nUID:abc@other\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20261124T080000Z\r\n"
        "DTEND:20261124T090000Z\r\nSUMMARY:Zahnarzt\\, Dr. Müller\r\nX-COLOR:red\r\n"
        "RRULE:FREQ=DAILY;UNTIL=20261126T080000Z\r\nEXDATE:20261125T080000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    desk.workspace.mkdir()
    (desk.workspace / "calendar.ics").write_text(foreign, encoding="utf-8", newline="")
    desk.run("create_reminder", text="buy milk", date="tomorrow")
    text = (desk.workspace / "calendar.ics").read_text(encoding="utf-8")
    assert "X-WR-CALNAME:Home" in text and "X-COLOR:red" in text
    found = desk.run("find_events", title="Zahnarzt", date="this month").value
    assert [entry["start"] for entry in found["entries"]] == [
        "2026-11-24T09:00:00+01:00",
        "2026-11-26T09:00:00+01:00",
    ]


def test_file_that_is_no_calendar_is_an_error_and_stays(desk: Desk) -> None:
    desk.workspace.mkdir()
    path = desk.workspace / "calendar.ics"
    path.write_text("not a calendar\n", encoding="utf-8")
    with pytest.raises(ToolError, match=r"calendar\.ics"):
        desk.run("create_reminder", text="x", date="tomorrow")
    assert path.read_text(encoding="utf-8") == "not a calendar\n"


def test_link_in_the_workspace_is_refused(desk: Desk, tmp_path: Path) -> None:
    outside = tmp_path / "outside.ics"
    outside.write_text("", encoding="utf-8")
    desk.workspace.mkdir()
    (desk.workspace / "calendar.ics").symlink_to(outside)
    with pytest.raises(ToolError, match="is a link"):
        desk.run("create_reminder", text="x", date="tomorrow")
    assert outside.read_text(encoding="utf-8") == ""


@pytest.mark.parametrize(
    ("phrase", "title", "same"),
    [
        ("dentist", "Call the dentist", True),
        ("my meeting", "team meeting", True),
        ("meetings", "Team Meeting", True),
        ("the appointment with the lawyer", "lawyer", True),
        ("lunch with Tom", "lunch with Anna", False),
        ("do", "doctor", False),
        ("denstist", "dentist", True),
        ("all events", "anything", True),
    ],
)
def test_titles_are_matched_by_their_telling_words(phrase: str, title: str, same: bool) -> None:
    assert alike(phrase, title) is same


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    title=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=80),
    place=st.text(max_size=40),
    when=st.datetimes(datetime(2026, 11, 24), datetime(2040, 1, 1)),  # noqa: DTZ001
)
def test_any_event_is_read_back_from_the_file(tmp_path: Path, title: str, place: str, when: datetime) -> None:
    desk = Desk(tmp_path / f"{abs(hash((title, place, when)))}")
    desk.run("create_event", title=title, place=place, date=f"{when:%Y-%m-%d}", time=f"{when:%H:%M}:00")
    (event,) = components(desk, "VEVENT")
    assert str(event["summary"]) == title
    assert event.decoded("dtstart").replace(tzinfo=None) == when.replace(second=0, microsecond=0)
    assert len(Calendar.from_ical((desk.workspace / "calendar.ics").read_bytes()).subcomponents) == 2


_WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from rooms import Desk
for number in range(int(sys.argv[4])):
    Desk(Path(sys.argv[1])).run("create_reminder", key=f"{sys.argv[3]}-{number}", text="x", date="tomorrow")
"""


def test_two_processes_lose_no_entry(tmp_path: Path) -> None:
    arguments = [str(tmp_path / "workspace"), str(ROOT / "tests")]
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, *arguments, name, "5"]) for name in ("one", "two")
    ]
    assert [writer.wait(timeout=100) for writer in writers] == [0, 0]
    assert len(components(Desk(tmp_path / "workspace"), "VTODO")) == 10
    assert not list((tmp_path / "workspace").glob(".calendar.ics.?*[!k]"))
