"""Timers of a house, by Home Assistant's intents.

With a described house they stand in its state file with the moment of their end, for the program that rings
them to read; with Home Assistant they are its own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from speeddial import OneOf, ToolContext, ToolError, tool
from speeddial.household import Home, LocalHome, RemoteHome, areas, changed, effect, home_for, spoken_of
from speeddial.values import Phrase

EFFECT = effect()

Area = Annotated[str, OneOf(areas)]
Count = Annotated[int, Field(ge=0, le=999)]
Timer = dict[str, Any]


class TimerNote(BaseModel):
    """What a call did with timers, or what there is to say about them."""

    produces: ClassVar[frozenset[str]] = frozenset({"text"})

    did: str

    def __str__(self) -> str:
        return self.did


def _seconds(hours: int | None, minutes: int | None, seconds: int | None) -> int:
    return (hours or 0) * 3600 + (minutes or 0) * 60 + (seconds or 0)


def _left(timer: Timer, now: datetime) -> int:
    """Whole seconds until it ends; below zero when it has ended."""
    if timer["ends"] is None:
        return int(timer["left"])
    return round((datetime.fromisoformat(timer["ends"]) - now).total_seconds())


def _said(timer: Timer) -> str:
    named = timer["name"] or _spoken(timer["seconds"])
    return f"timer {named}" + (f" in {timer['area']}" if timer["area"] else "")


def _spoken(seconds: int) -> str:
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


def _pick(timers: list[Timer], start: int, name: str | None, area: str | None) -> list[Timer]:
    """The timers that are meant: by length, name and place, whichever is given."""
    return [
        timer
        for timer in timers
        if (not start or timer["seconds"] == start)
        and (name is None or (timer["name"] or "").casefold() == name.casefold())
        and (area is None or (timer["area"] or "").casefold() == area.casefold())
    ]


def _on_one(
    context: ToolContext,
    intent: str,
    slots: dict[str, Any],
    change: Callable[[LocalHome, Timer], str],
) -> TimerNote:
    """Change the one timer that is meant."""

    def act(home: Home) -> TimerNote:
        if isinstance(home, RemoteHome):
            return _handled(home, intent, slots)
        assert isinstance(home, LocalHome)
        start = _seconds(slots.get("start_hours"), slots.get("start_minutes"), slots.get("start_seconds"))
        running = [timer for timer in home.timers if _left(timer, context.now) > 0]
        found = _pick(running, start, slots.get("name"), slots.get("area"))
        if len(found) != 1:
            valid = ", ".join(_said(timer) for timer in running) or "none"
            raise ToolError(f"expected one timer, {len(found)} are meant; there are: {valid}")
        return TimerNote(did=f"{_said(found[0]).capitalize()}: {change(home, found[0])}.")

    return changed(context, act, TimerNote)


def _handled(home: RemoteHome, intent: str, slots: dict[str, Any]) -> TimerNote:
    given = {slot: value for slot, value in slots.items() if value is not None}
    return TimerNote(did=home.server.handle(intent, given) or "Done.")


@tool(effect=EFFECT, name="HassStartTimer", preface=spoken_of)
def start_timer(
    context: ToolContext,
    name: Phrase | None = None,
    hours: Count | None = None,
    minutes: Count | None = None,
    seconds: Count | None = None,
    conversation_command: Phrase | None = None,
) -> TimerNote:
    """Start a timer, or have something done after a while.

    Args:
        name: what it is for.
        hours: how long.
        minutes: how long.
        seconds: how long.
        conversation_command: what is to be done at its end.
    """
    total = _seconds(hours, minutes, seconds)
    if not total:
        raise ToolError("expected hours, minutes or seconds, got none of them")
    slots = {"name": name, "hours": hours, "minutes": minutes, "seconds": seconds,
             "conversation_command": conversation_command}  # fmt: skip

    def act(home: Home) -> TimerNote:
        if isinstance(home, RemoteHome):
            return _handled(home, "HassStartTimer", slots)
        assert isinstance(home, LocalHome)
        ends = context.now + timedelta(seconds=total)
        timer: Timer = {
            "name": name,
            "area": home.house.here or None,
            "seconds": total,
            "ends": ends.isoformat(timespec="seconds"),
            "left": total,
            "command": conversation_command,
        }
        home.timers.append(timer)
        then = f", then: {conversation_command}" if conversation_command else ""
        return TimerNote(did=f"{_said(timer).capitalize()} ends at {ends:%H:%M:%S}{then}.")

    return changed(context, act, TimerNote)


@tool(effect=EFFECT, name="HassCancelAllTimers", preface=spoken_of)
def cancel_all_timers(context: ToolContext, area: Area | None = None) -> TimerNote:
    """Cancel all timers.

    Args:
        area: those of this area only.
    """

    def act(home: Home) -> TimerNote:
        if isinstance(home, RemoteHome):
            return _handled(home, "HassCancelAllTimers", {"area": area})
        assert isinstance(home, LocalHome)
        gone = _pick(home.timers, 0, None, area)
        home.timers[:] = [timer for timer in home.timers if timer not in gone]
        return TimerNote(did=f"{len(gone)} cancelled.")

    return changed(context, act, TimerNote)


@tool(effect=EFFECT, name="HassCancelTimer", preface=spoken_of)
def cancel_timer(
    context: ToolContext,
    name: Phrase | None = None,
    area: Area | None = None,
    start_hours: Count | None = None,
    start_minutes: Count | None = None,
    start_seconds: Count | None = None,
) -> TimerNote:
    """Cancel one timer.

    Args:
        name: of the timer.
        area: where it is.
        start_hours: how long it was set for.
        start_minutes: how long it was set for.
        start_seconds: how long it was set for.
    """

    def change(home: LocalHome, timer: Timer) -> str:
        home.timers.remove(timer)
        return "cancelled"

    return _on_one(
        context,
        "HassCancelTimer",
        _slots(name, area, start_hours, start_minutes, start_seconds),
        change,
    )


def _slots(
    name: str | None, area: str | None, hours: int | None, minutes: int | None, seconds: int | None
) -> dict[str, Any]:
    return {
        "name": name,
        "area": area,
        "start_hours": hours,
        "start_minutes": minutes,
        "start_seconds": seconds,
    }


def _moved(context: ToolContext, by: int) -> Callable[[LocalHome, Timer], str]:
    """Change the end of a timer by so many seconds; one that falls to zero ends now."""

    def change(home: LocalHome, timer: Timer) -> str:
        left = max(0, _left(timer, context.now) + by)
        if timer["ends"] is not None:
            timer["ends"] = (context.now + timedelta(seconds=left)).isoformat(timespec="seconds")
        timer["left"] = left
        return f"{_spoken(left)} left"

    if not by:
        raise ToolError("expected hours, minutes or seconds, got none of them")
    return change


@tool(effect=EFFECT, name="HassIncreaseTimer", preface=spoken_of)
def increase_timer(
    context: ToolContext,
    name: Phrase | None = None,
    area: Area | None = None,
    hours: Count | None = None,
    minutes: Count | None = None,
    seconds: Count | None = None,
    start_hours: Count | None = None,
    start_minutes: Count | None = None,
    start_seconds: Count | None = None,
) -> TimerNote:
    """Make a timer longer.

    Args:
        name: of the timer.
        area: where it is.
        hours: how much longer.
        minutes: how much longer.
        seconds: how much longer.
        start_hours: how long it was set for.
        start_minutes: how long it was set for.
        start_seconds: how long it was set for.
    """
    slots = _slots(name, area, start_hours, start_minutes, start_seconds)
    slots |= {"hours": hours, "minutes": minutes, "seconds": seconds}
    return _on_one(context, "HassIncreaseTimer", slots, _moved(context, _seconds(hours, minutes, seconds)))


@tool(effect=EFFECT, name="HassDecreaseTimer", preface=spoken_of)
def decrease_timer(
    context: ToolContext,
    name: Phrase | None = None,
    area: Area | None = None,
    hours: Count | None = None,
    minutes: Count | None = None,
    seconds: Count | None = None,
    start_hours: Count | None = None,
    start_minutes: Count | None = None,
    start_seconds: Count | None = None,
) -> TimerNote:
    """Make a timer shorter.

    Args:
        name: of the timer.
        area: where it is.
        hours: how much shorter.
        minutes: how much shorter.
        seconds: how much shorter.
        start_hours: how long it was set for.
        start_minutes: how long it was set for.
        start_seconds: how long it was set for.
    """
    slots = _slots(name, area, start_hours, start_minutes, start_seconds)
    slots |= {"hours": hours, "minutes": minutes, "seconds": seconds}
    return _on_one(context, "HassDecreaseTimer", slots, _moved(context, -_seconds(hours, minutes, seconds)))


@tool(effect=EFFECT, name="HassPauseTimer", preface=spoken_of)
def pause_timer(
    context: ToolContext,
    name: Phrase | None = None,
    area: Area | None = None,
    start_hours: Count | None = None,
    start_minutes: Count | None = None,
    start_seconds: Count | None = None,
) -> TimerNote:
    """Pause a timer.

    Args:
        name: of the timer.
        area: where it is.
        start_hours: how long it was set for.
        start_minutes: how long it was set for.
        start_seconds: how long it was set for.
    """

    def change(home: LocalHome, timer: Timer) -> str:
        timer["left"], timer["ends"] = _left(timer, context.now), None
        return f"paused, {_spoken(timer['left'])} left"

    slots = _slots(name, area, start_hours, start_minutes, start_seconds)
    return _on_one(context, "HassPauseTimer", slots, change)


@tool(effect=EFFECT, name="HassUnpauseTimer", preface=spoken_of)
def unpause_timer(
    context: ToolContext,
    name: Phrase | None = None,
    area: Area | None = None,
    start_hours: Count | None = None,
    start_minutes: Count | None = None,
    start_seconds: Count | None = None,
) -> TimerNote:
    """Let a paused timer run on.

    Args:
        name: of the timer.
        area: where it is.
        start_hours: how long it was set for.
        start_minutes: how long it was set for.
        start_seconds: how long it was set for.
    """

    def change(home: LocalHome, timer: Timer) -> str:
        left = _left(timer, context.now)
        timer["ends"] = (context.now + timedelta(seconds=left)).isoformat(timespec="seconds")
        return f"running, {_spoken(left)} left"

    slots = _slots(name, area, start_hours, start_minutes, start_seconds)
    return _on_one(context, "HassUnpauseTimer", slots, change)


@tool(effect="read", name="HassTimerStatus", preface=spoken_of)
def timer_status(
    context: ToolContext,
    name: Phrase | None = None,
    area: Area | None = None,
    start_hours: Count | None = None,
    start_minutes: Count | None = None,
    start_seconds: Count | None = None,
) -> TimerNote:
    """Say how long timers still run.

    Args:
        name: of the timer.
        area: where it is.
        start_hours: how long it was set for.
        start_minutes: how long it was set for.
        start_seconds: how long it was set for.
    """
    home = home_for(context)
    slots = _slots(name, area, start_hours, start_minutes, start_seconds)
    if isinstance(home, RemoteHome):
        return _handled(home, "HassTimerStatus", slots)
    assert isinstance(home, LocalHome)
    found = _pick(home.timers, _seconds(start_hours, start_minutes, start_seconds), name, area)
    if not found:
        return TimerNote(did="No such timer.")
    lines = []
    for timer in found:
        left = _left(timer, context.now)
        paused = " (paused)" if timer["ends"] is None else ""
        lines.append(f"{_said(timer)}: {_spoken(left)} left{paused}" if left > 0 else f"{_said(timer)}: over")
    return TimerNote(did="; ".join(lines))
