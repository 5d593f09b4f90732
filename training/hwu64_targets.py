"""Training calls of HWU64 rows: labelled arguments as the labels say, the rest cut out by rules."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from speeddial.flywheel.labels import LabelMapping
from training.hwu64 import Call, Slot, call, expected, slots_of, text_of
from training.hwu64_fixes import DROP, SET

REMINDER = re.compile(
    r"\b(remind|reminder|reminders|notify|notification|notifications|notice|alert me|let me know"
    r"|let me forget|tell me (to|on)|remember|call me)\b"
)
EDGE = r"(?:on|at|for|in|by|to|of|the|this|next|coming|every|a|an|o'clock|sharply|please|me|my)"
VAGUE_ITEM = re.compile(
    r"^(an? |the |this |that |some |any |it|new |more |last |extra )*(item|items|it|this|that|something|thing"
    r"|things|one|list|lists|following|new|item a|item one)?( also| please)?$"
)


def _reminder_text(text: str, slots: Sequence[Slot]) -> str | None:
    """What to be reminded of where the event is not labelled; None if the rules do not reach."""
    low = text.lower()
    match = re.search(
        r"\b(?:remind me|reminder|notification|remember|tell me|let me know|notify me|don't let me forget)\b"
        r"(.*?)\b(?:to remind me to|to|about|of|that|for)\b (?P<rest>.+)$",
        low,
    )
    if not match:
        return None
    start, end = match.start("rest"), match.end("rest")
    times = [s for s in slots if s[0] in ("date", "time", "timeofday", "general_frequency")]
    changed = True
    while changed:
        changed = False
        for slot in times:
            tail = re.fullmatch(r"\W*(?:please|okay|" + EDGE[3:-1] + r")*\W*", low[slot[3] : end])
            if start < slot[2] < end and tail:
                head = re.sub(rf"(?:\s+{EDGE})*\s*$", "", low[start : slot[2]])
                end, changed = start + len(head), True
                break
            head_gap = low[start : slot[2]] if slot[2] >= start else "-"
            if re.fullmatch(rf"(?:{EDGE}\s+)*", head_gap) and slot[3] < end:
                rest = re.match(r"(?:\s+(?:to|about|for|of|that))*\s+", low[slot[3] : end])
                start, changed = slot[3] + (rest.end() if rest else 0), True
                break
    value = text[start:end].strip()
    if not value or any(start <= s[2] < end for s in times):
        return None
    return value


def _event_title(text: str) -> str | None:
    match = re.search(
        r"\b(calendar entry|calendar event|event|appointment|meeting|meting|practice|reminder)\b", text
    )
    return match.group(1) if match else None


def _mail_parts(text: str, slots: Sequence[Slot]) -> dict[str, str]:
    """Subject and body by the words that announce them; the addressee comes from the labels."""
    low = text.lower()
    match = re.search(r"\bsubject (.+?) body (.+)$", low)
    if match:
        return {"subject": text[match.start(1) : match.end(1)], "body": text[match.start(2) : match.end(2)]}
    body = re.search(
        r"\b(?:saying that|and say|saying|following content|with the word that"
        r"|and tell (?:them|him|her)(?: to| that)?|with the answer"
        r"|to let (?:him|her|them) know(?: that)?|and let (?:him|her|them) know(?: that)?"
        r"|and ask (?:him|her|them)|and ask|asking (?:him|her|them)"
        r"|by saying|by answering|that)\b (.+)$",
        low,
    )
    about = re.search(r"\b(?:asking about|about|regarding)\b (.+)$", low)
    if about and (not body or about.start() < body.start()):
        return {"subject": text[about.start(1) :]}
    if body:
        return {"body": text[body.start(1) :]}
    return {}


def _list_items(text: str, slots: Sequence[Slot], verbs: str, joints: str) -> list[str] | None:
    """The list item between the verb and the list's name; None when there is none."""
    low = text.lower()
    match = re.search(rf"\b(?:{verbs})\b (?P<item>.+?)(?: (?:item )?(?:{joints}) .*)?(?: please)?$", low)
    if not match:
        return None
    item = text[match.start("item") : match.end("item")].strip()
    item = re.sub(r"^(the|some|an?) ", "", item)
    if VAGUE_ITEM.match(item.lower()) or re.search(r"\blists?$", item.lower()):
        return None
    return [item]


# One event that the words do not name: copied as the title, since a deletion without arguments empties all.
ONE_EVENT = re.compile(
    r"\b((?:this|that|next|last|current|first)(?: \w+)?(?: calendar)? "
    r"(?:event|meeting|appointment|reminder)s?|(?:not so important|first three) events|that)\b"
)
ADD_VERBS = "add|put|include|enter|re add|place"
ADD_JOINTS = "to|on|onto|in|into|with"
REMOVE_VERBS = (
    "delete|remove|erase|take off|take out|take|cross out|cross|get rid of|scratch|clear|drop|kill|abolish"
    "|cancel|trash"
)
REMOVE_JOINTS = "from|off|out of|on|in|for"


def target(row: Mapping[str, Any], mapping: LabelMapping) -> Call | None:
    """The training call of a covered row, or None where the rules cannot make a faithful one."""
    text, low, slots = text_of(row), text_of(row).lower(), slots_of(row)
    intent = row["intent"]

    def labelled(tool: str) -> dict[str, Any]:
        return {k: v[0] for k, v in expected(row, tool, mapping).items()}

    if intent == "calendar_set":
        if REMINDER.search(low):
            values = labelled("create_reminder")
            values["text"] = values.get("text") or _reminder_text(text, slots)
            if not values["text"]:
                noun = re.search(r"\b(reminders?|notification|event|item)\b", low)
                values["text"] = (
                    noun.group(1) if noun and not re.search(r"\b(about|to \w+ing)\b", low) else None
                )
            return call("create_reminder", **values) if values["text"] else None
        values = labelled("create_event")
        values["title"] = values.get("title") or _event_title(text)
        return call("create_event", **values) if values["title"] else None
    if intent in ("calendar_query", "calendar_remove"):
        tool = "find_events" if intent == "calendar_query" else "delete_events"
        values = labelled(tool)
        if not values and tool == "delete_events" and (vague := ONE_EVENT.search(low)):
            values["title"] = text[vague.start(1) : vague.end(1)]
        return call(tool, **values)
    if intent.startswith("alarm_"):
        tool = {"alarm_set": "set_alarm", "alarm_query": "find_alarms", "alarm_remove": "delete_alarms"}[
            intent
        ]
        return call(tool, **labelled(tool))
    if intent == "lists_createoradd":
        return call(
            "add_to_list", items=_list_items(text, slots, ADD_VERBS, ADD_JOINTS), **labelled("add_to_list")
        )
    if intent == "lists_query":
        return call("show_list", **labelled("show_list"))
    if intent == "lists_remove":
        items = _list_items(text, slots, REMOVE_VERBS, REMOVE_JOINTS)
        if items is None:
            vague = re.search(
                r"\b((?:this|that|the|an?|last) )?(item|one|that)( (one|two|three|four|five|a|s))?\b", low
            )
            if vague and not re.search(r"\blists?\b(?! item)", low.split(" from ")[0].split(" off ")[0]):
                items = [text[vague.start() : vague.end()]]
        if items:
            return call("remove_from_list", items=items, **labelled("remove_from_list"))
        return call("delete_list", **labelled("delete_list"))
    if intent == "email_sendemail":
        return call("draft_mail", **labelled("draft_mail"), **_mail_parts(text, slots))
    return None


DATE_WORDS = re.compile(r"\b(weeks?|weekends?|months?|years?|days?|future|june|march)\b")
CLOCK_WORDS = re.compile(r"\b(hours?|minutes?|now|before|after|end)\b")
PLURAL_DAY = re.compile(r"^(every|each|daily|weekdays|all days|(mon|tues|wednes|thurs|fri|satur|sun)days$)")


def contradiction(row: Mapping[str, Any], made: Call) -> str | None:
    """Why a labelled row would teach against our conventions (SPEC of the tools), or None."""
    low = text_of(row).lower()
    for label, value, start, _ in slots_of(row):
        before = low[:start].split()[-1:] or [""]
        if (
            label == "date"
            and before[0] in ("next", "this", "coming", "after", "before", "every")
            and "date" in made["arguments"]
        ):
            return "qualifier left out of the date"
        if label == "date" and value.lower().startswith("the "):
            return "article in the date"
        if (
            label == "date"
            and made["name"] in ("create_event", "create_reminder", "set_alarm")
            and PLURAL_DAY.match(value.lower())
        ):
            return "a repetition labelled as a date"
        if label == "time" and "time" in made["arguments"]:
            if before[0] in ("after", "before", "between", "from", "in", "until"):
                return "preposition left out of the time"
            if DATE_WORDS.search(value.lower()) and not CLOCK_WORDS.search(value.lower()):
                return "a date labelled as a time"
        if label in ("relation", "person") and value.lower().startswith("the "):
            return "article in a person"
        if label == "list_name" and re.search(r"^list of |\blist$", value.lower()):
            return "the word list in a list's name"
        if label == "event_name" and value.lower().startswith(("all ", "next ", "my ")):
            return "determiner in the event"
    if "date" in made["arguments"] and made["arguments"]["date"] not in text_of(row):
        return "date in pieces"
    return None


def training_call(row: Mapping[str, Any], mapping: LabelMapping) -> Call | None:
    """The call to train on: rules, then the hand-read fixes; None for rows that are left out."""
    if row["id"] != "null" and int(row["id"]) in DROP:
        return None
    made = target(row, mapping)
    fix = dict(SET.get(row["id"], {}))
    if made is None or contradiction(row, made):
        return None
    name = fix.pop("_name", made["name"])
    return call(name, **{**made["arguments"], **fix})


def fixed_ids() -> frozenset[str]:
    """Rows whose unlabelled content was set by hand; their values are not swapped."""
    return frozenset(SET)
