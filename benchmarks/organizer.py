"""The organizer as benchmarks ask it: its tools, its contract, and requests with the right calls."""

from __future__ import annotations

from speeddial.contract import Contract, union_of_calls

SYSTEM = (
    "You are organizer. You handle calendar events, reminders, alarms, lists and mail drafts. "
    "Reply with one call as JSON."
)
TOOLS = {
    "create_event": ("title", "date", "time", "repeat", "people", "place"),
    "create_reminder": ("text", "date", "time", "repeat"),
    "find_events": ("title", "date", "time", "people", "place"),
    "delete_events": ("title", "date", "time", "people", "place"),
    "set_alarm": ("date", "time", "repeat", "label"),
    "find_alarms": ("date", "time", "label"),
    "add_to_list": ("item", "list"),
    "show_list": ("list",),
    "delete_list": ("list",),
    "draft_mail": ("to", "subject", "body"),
}
CALLS: list[tuple[str, str, dict[str, str]]] = [
    ("wake me at seven am tomorrow", "set_alarm", {"date": "tomorrow", "time": "seven am"}),
    ("did i set an alarm for the morning", "find_alarms", {"time": "morning"}),
    ("what is on my shopping list", "show_list", {"list": "shopping"}),
    ("add oat milk to the shopping list", "add_to_list", {"item": "oat milk", "list": "shopping"}),
    ("please get rid of my list of films", "delete_list", {"list": "films"}),
    (
        "remind me tomorrow at 9 to call the dentist",
        "create_reminder",
        {"text": "call the dentist", "date": "tomorrow", "time": "9"},
    ),
    (
        "lunch with anna on friday at noon at the corner cafe",
        "create_event",
        {"title": "lunch", "date": "friday", "time": "noon", "people": "anna", "place": "the corner cafe"},
    ),
    ("when is my meeting with peter", "find_events", {"title": "meeting", "people": "peter"}),
    ("cancel everything on the third of march", "delete_events", {"date": "the third of march"}),
    (
        "email peter patel that the rent will be late this month",
        "draft_mail",
        {"to": "peter patel", "body": "the rent will be late this month"},
    ),
    (
        "team standup every weekday at half past nine",
        "create_event",
        {"title": "team standup", "time": "half past nine", "repeat": "every weekday"},
    ),
    ("show all my lists", "show_list", {}),
]


def contract() -> Contract:
    """The organizer's shape: a union of calls whose arguments are optional phrases."""

    def phrases(names: tuple[str, ...]) -> Contract:
        properties = {name: {"type": "string", "maxLength": 200} for name in names}
        return Contract.from_schema({"type": "object", "properties": properties})

    return union_of_calls({name: phrases(names) for name, names in TOOLS.items()})
