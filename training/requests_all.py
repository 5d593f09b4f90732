"""The kinds of generated organizer requests, and how often each is drawn."""

import random
from collections.abc import Callable

from training.requests import Request
from training.requests_alarms import delete_alarms, find_alarms, set_alarm
from training.requests_calendar import create_event, create_reminder, delete_events, find_events
from training.requests_lists import add_to_list, delete_list, remove_from_list, show_list
from training.requests_mail import draft_mail

MAKERS: tuple[tuple[Callable[[random.Random, bool, bool], Request], int], ...] = (
    (create_event, 17),
    (create_reminder, 20),
    (find_events, 11),
    (delete_events, 8),
    (set_alarm, 10),
    (find_alarms, 3),
    (delete_alarms, 4),
    (add_to_list, 12),
    (show_list, 4),
    (remove_from_list, 5),
    (delete_list, 2),
    (draft_mail, 17),
)


def draw(rng: random.Random, dev: bool, spoken: bool) -> Request:
    """One request of one tool."""
    maker = rng.choices([m for m, _ in MAKERS], [w for _, w in MAKERS])[0]
    return maker(rng, dev, spoken)
