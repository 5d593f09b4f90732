"""Generated requests about events and reminders."""

import random
from typing import Any

from training import phrases, words
from training.hwu64 import call
from training.phrases import When
from training.requests import Request, article, bare, people, person, template, tidy
from training.words import pick


def create_event(rng: random.Random, dev: bool, spoken: bool) -> Request:
    title = pick(rng, words.TITLE, dev)
    about = ""
    if (
        title.endswith(
            ("meeting", "call", "workshop", "session", "presentation", "review", "talk", "interview")
        )
        and rng.random() < 0.15
    ):
        about = f" {rng.choice(['about', 'on', 'about'])} {pick(rng, words.TOPIC, dev)}"
    title += about
    w = phrases.when(rng, spoken, "dbbbbbtdbbr" + "s" * 2, spans=True)
    who = people(rng, dev) if rng.random() < 0.4 else ""
    where = pick(rng, words.PLACE, dev) if rng.random() < 0.25 else ""
    fill = {"a": article(title), "t": title, "w": w.surface, "with": f"with {who}" if who else "", "at": ""}
    if where:
        fill["at"] = (
            f"{'on' if where in ('Zoom', 'Teams', 'Google Meet') else rng.choice(['at', 'in', 'at'])} {where}"
        )
    arguments: dict[str, Any] = {
        "title": title,
        **w.arguments(),
        "people": bare(who) if who else None,
        "place": bare(where) if where else None,
    }
    kind = rng.random()
    if kind < 0.62:
        pattern = template(
            rng,
            """
schedule {a} {with} {w} {at}|schedule {a} {w} {with} {at}|set up {a} {with} {w} {at}
set up {a} {w} {with} {at}|add {a} {with} {w} {at} to my calendar|put {a} {with} on my calendar {w} {at}
put {a} {with} {at} in the calendar {w}|add {t} {with} {at} to the calendar {w}|create {a} {with} {at} {w}
create an event for {t} {with} {w} {at}|book {a} {with} {w} {at}|book {a} {at} {with} {w}
arrange {a} {with} {w} {at}|plan {a} {with} {w} {at}|plan {a} {at} {with} {w}|{w} schedule {a} {with} {at}
make an appointment for {a} {with} {w} {at}|block {w} for {t} {with} {at}
enter {a} {with} {w} {at} in my calendar|new event: {t} {with} {w} {at}|calendar: {t} {with} {at} {w}
~organise {a} {with} {at} {w}|~pencil in {a} {with} {w} {at}|~save the date: {t} {with} {at} {w}
~get {a} {with} {w} {at} into my diary|note {a} {with} {at} {w} in my calendar|set {a} {with} {w} {at}
fix {a} {with} {w} {at}|reserve {w} for {a} {with} {at}
""",
            dev,
        )
        imperative = True
    elif kind < 0.84:
        pattern = template(
            rng,
            """
I have {a} {with} {w} {at}|I have {a} {with} {at} {w}|I've got {a} {with} {w} {at}, put it on my calendar
{t} {with} {w} {at}|{w} I have {a} {with} {at}, please add it
there is {a} {with} {w} {at}, add it to my calendar|{t} {with} {at} {w}
I'm having {a} {with} {w} {at}, can you add that to my calendar|I need {a} {with} {w} {at}
{w}: {t} {with} {at}|~my calendar needs {a} {with} {w} {at}
~don't let anyone book over {a} {with} {w} {at}|{w} {t} {with} {at}
""",
            dev,
        )
        imperative = False
    elif not spoken and kind < 0.92:
        name = pick(rng, words.SUBJECT_BARE, dev) if rng.random() < 0.5 else title.title()
        quote = rng.choice(['"', "'", "“"])
        close = {"“": "”"}.get(quote, quote)
        fill["q"] = rng.choice(
            [
                f"{quote}{name}{close}",
                f"called {quote}{name}{close}",
                f"called {name}",
                f"titled {quote}{name}{close}",
            ]
        )
        arguments["title"] = name
        pattern = template(
            rng,
            """
create an event {q} {w} {with} {at}|add an event {q} {w} {at}|schedule a meeting {q} {with} {w}
~make a calendar entry {q} {w} {at}
""",
            dev,
        )
        imperative = True
    else:
        owner = rng.choice([pick(rng, words.FIRST, dev), pick(rng, words.RELATION, dev)])
        mine = "my " if owner.islower() else ""
        event = rng.choice(
            [
                "birthday",
                "birthday",
                "birthday party",
                "wedding",
                "graduation",
                "anniversary",
                "recital",
                "party",
                "farewell party",
            ]
        )
        w = phrases.when(rng, spoken, "dddb")
        fill = {"o": f"{mine}{owner}'s", "t": event, "w": w.surface}
        arguments = {"title": event, **w.arguments(), "people": f"{owner}'s"}
        pattern = template(
            rng,
            """
add {o} {t} {w}|put {o} {t} on my calendar {w}|{o} {t} is {w}, add it to my calendar
add {o} {t} to my calendar {w}|~mark {o} {t} {w}
""",
            dev,
        )
        imperative = not pattern.startswith("{o}")
    arguments = {k: v for k, v in arguments.items() if "{at}" in pattern or k != "place"}
    if "{with}" not in pattern and "{o}" not in pattern:
        arguments.pop("people", None)
    return Request(tidy(pattern.format(**fill)), call("create_event", **arguments), imperative=imperative)


def create_reminder(rng: random.Random, dev: bool, spoken: bool) -> Request:
    w = phrases.when(rng, spoken, "dddbbbbbbttttrrss")
    kind = rng.random()
    if kind < 0.66:
        if rng.random() < 0.06:
            w = When("")
        text = pick(rng, words.VERB_TASK, dev)
        if rng.random() < 0.06:  # one reminder for two things
            text += rng.choice([" and ", " and ", " and then "]) + pick(rng, words.VERB_TASK, dev)
        pattern = template(
            rng,
            """
remind me {w} to {x}|remind me to {x} {w}|remind me to {x} {w}|remind me {w} to {x}|{w}, remind me to {x}
{w} remind me to {x}|set a reminder to {x} {w}|set a reminder {w} to {x}|create a reminder to {x} {w}
add a reminder {w} to {x}|make a reminder to {x} {w}|don't let me forget to {x} {w}
I need to {x} {w}, remind me|I have to {x} {w}, please remind me|I want to be reminded {w} to {x}
give me a reminder {w} to {x}|I must {x} {w}, set a reminder|remember to remind me to {x} {w}
tell me to {x} {w}|new reminder: {x} {w}|notify me {w} to {x}|reminder to {x} {w}|reminder: {x} {w}
~I should {x} {w}, nudge me|~make sure I don't forget to {x} {w}|~put in a reminder {w} so I {x}
~ping me {w} to {x}|alert me {w} to {x}|can you remind me {w} that I have to {x}
remind me that I need to {x} {w}
""",
            dev,
        )
    elif kind < 0.8:
        title = pick(rng, words.TITLE, dev)
        who = person(rng, dev) if rng.random() < 0.35 else ""
        text = f"{title} with {who}" if who else title
        fill_text = rng.choice(["my ", "the ", ""]) + text
        pattern = template(
            rng,
            """
remind me of {y} {w}|remind me about {y} {w}|remind me {w} about {y}|set a reminder for {y} {w}
set a reminder {w} for {y}|reminder for {y} {w}|add a reminder about {y} {w}|don't let me forget {y} {w}
~drop a reminder for {y} {w}|{w} remind me of {y}
""",
            dev,
        ).replace("{y}", fill_text.replace("{", ""))
    elif kind < 0.92:
        text = pick(rng, words.CLAUSE, dev)
        pattern = template(
            rng,
            """
remind me {w} that {x}|remind me that {x} {w}|set a reminder {w} that {x}|~let me know {w} that {x}
{w} please remind me that {x}
""",
            dev,
        )
    else:
        text = "reminder"
        pattern = template(
            rng,
            """
set a reminder {w}|create a reminder {w}|new reminder {w}|I need a reminder {w}|~make me a reminder {w}
add a reminder {w}
""",
            dev,
        )
        return Request(
            tidy(pattern.format(w=w.surface)),
            call("create_reminder", text=text, **w.arguments()),
            imperative=pattern[0] not in "I",
        )
    imperative = not pattern.startswith(("I ", "{w}", "reminder", "can you", "new", "don't"))
    return Request(
        tidy(pattern.format(w=w.surface, x=text)),
        call("create_reminder", text=text, **w.arguments()),
        imperative=imperative,
    )


PLURAL = (
    "meetings",
    "appointments",
    "calls",
    "interviews",
    "birthdays",
    "classes",
    "lessons",
    "parties",
    "exams",
    "deadlines",
    "flights",
    "games",
)


def find_events(rng: random.Random, dev: bool, spoken: bool) -> Request:
    w = phrases.when(rng, spoken, "dddddbt", search=True, spans=True)
    arguments: dict[str, Any] = w.arguments()
    kind = rng.random()
    if kind < 0.38:
        pattern = template(
            rng,
            """
what do I have {w}|what's on my calendar {w}|what is on my schedule {w}|do I have anything {w}
do I have any plans {w}|am I free {w}|am I busy {w}|show me my calendar {w}|show my events {w}
show my schedule {w}|what's happening {w}|what are my plans {w}|list my events {w}
is there anything on my calendar {w}|what have I got {w}|anything planned {w}|tell me what I have {w}
do I have time {w}|what's coming up {w}|read me my agenda {w}|check my calendar {w}
which events do I have {w}|what's next {w}|what reminders do I have {w}|show my reminders {w}
do I have any reminders {w}|what does my day look like {w}|any events {w}|~how does my schedule look {w}
~what am I doing {w}|~give me a rundown of my calendar {w}|~have I got anything on {w}
""",
            dev,
        )
        text = pattern.format(w=w.surface)
    elif kind < 0.62:
        title = rng.choice(PLURAL) if rng.random() < 0.5 else pick(rng, words.TITLE, dev)
        who = people(rng, dev) if rng.random() < 0.3 else ""
        single = title not in PLURAL
        pattern = template(
            rng,
            """
do I have {a} {with} {w}|is there {a} {with} {w}|do I have {a} scheduled {with} {w}
have I planned {a} {with} {w}|~is {a} {with} planned {w}
"""
            if single
            else """
do I have any {t} {with} {w}|what {t} do I have {with} {w}|show me my {t} {with} {w}
list all {t} {with} {w}|which {t} are {w}|how many {t} do I have {with} {w}|are there any {t} {with} {w}
find my {t} {with} {w}|~pull up my {t} {with} {w}
""",
            dev,
        )
        arguments["title"] = title
        if who and "{with}" in pattern:
            arguments["people"] = bare(who)
        text = pattern.format(
            w=w.surface, a=article(title), t=title, **{"with": f"with {who}" if who else ""}
        )
    elif kind < 0.9:
        title = pick(rng, words.TITLE, dev)
        who = people(rng, dev) if rng.random() < 0.4 else ""
        arguments = {"title": title, "people": bare(who) if who else None}
        pattern = template(
            rng,
            """
when is my {t} {with}|when's the {t} {with}|what time is my {t} {with}|what time is the {t} {with}
where is my {t} {with}|when is my next {t} {with}|what day is the {t} {with}|find my {t} {with}
when do I have my {t} {with}|where is the {t} {with}|~what date is my {t} {with}|~look up my {t} {with}
when did I schedule the {t} {with}|at what time does the {t} {with} start|is the {t} {with} in my calendar
""",
            dev,
        )
        if rng.random() < 0.3:
            d = phrases.when(rng, spoken, "d")
            pattern += " {d}"
            arguments |= d.arguments()
            text = pattern.format(t=title, d=d.surface, **{"with": f"with {who}" if who else ""})
        else:
            text = pattern.format(t=title, **{"with": f"with {who}" if who else ""})
    elif kind < 0.95:
        who = people(rng, dev)
        arguments = {"people": bare(who)}
        pattern = template(
            rng,
            """
when am I meeting {p}|when do I see {p}|when am I seeing {p} next|do I have anything with {p}
what do I have with {p}|~find everything with {p}
""",
            dev,
        )
        text = pattern.format(p=who)
    else:
        where = pick(rng, words.PLACE, dev)
        arguments = {**w.arguments(), "place": bare(where)}
        pattern = template(
            rng,
            """
what do I have at {l} {w}|which events are at {l} {w}|do I have anything at {l} {w}
~what is planned at {l} {w}
""",
            dev,
        )
        text = pattern.format(l=where, w=w.surface)
    imperative = pattern.split()[0] in (
        "show",
        "list",
        "find",
        "tell",
        "read",
        "check",
        "look",
        "pull",
        "give",
    )
    return Request(tidy(text), call("find_events", **arguments), imperative=imperative)


def delete_events(rng: random.Random, dev: bool, spoken: bool) -> Request:
    w = phrases.when(rng, spoken, "dddbt", search=True) if rng.random() < 0.6 else When("")
    kind = rng.random()
    if kind < 0.68:
        title = pick(rng, words.TITLE, dev) if rng.random() < 0.8 else rng.choice(PLURAL)
        who = people(rng, dev) if rng.random() < 0.3 else ""
        fill = {"t": title, "w": w.surface, "with": f"with {who}" if who else ""}
        pattern = template(
            rng,
            """
cancel my {t} {with} {w}|cancel the {t} {with} {w}|delete my {t} {with} {w}|delete the {t} {with} {w}
remove the {t} {with} {w} from my calendar|remove my {t} {with} {w}|call off the {t} {with} {w}
take the {t} {with} {w} off my calendar|get rid of my {t} {with} {w}|erase the {t} {with} {w}
cancel {w} {t} {with}|I can't make it to the {t} {with} {w}, cancel it
I'm not going to the {t} {with} {w}, please remove it|drop the {t} {with} {w}|clear my {t} {with} {w}
~scrap the {t} {with} {w}|~the {t} {with} {w} is off, take it out of my calendar|~kill my {t} {with} {w}
scratch the {t} {with} {w} from my schedule|cancel all my {t} {with} {w}
""",
            dev,
        )
        if "{w} {t}" in pattern:
            d = rng.choice(["tomorrow's", "today's", *[f"{day}'s" for day in phrases.DAYS]])
            fill["w"], w = d, When(d, d)
        if "all my" in pattern:
            fill["t"] = title = rng.choice(PLURAL)
        arguments = {"title": title, **w.arguments(), "people": bare(who) if who else None}
    elif kind < 0.86:
        w = phrases.when(rng, spoken, "dddbt", search=True, spans=True)
        fill = {"w": w.surface}
        pattern = template(
            rng,
            """
clear my calendar {w}|clear my schedule {w}|cancel everything {w}|delete all events {w}
remove all my events {w}|cancel all my plans {w}|wipe my calendar {w}|clear everything {w}
~empty my schedule {w}|~free me up {w}|delete everything on my calendar {w}|cancel my event {w}
""",
            dev,
        )
        arguments = {**w.arguments()}
    else:
        task = pick(rng, words.VERB_TASK, dev)
        fill = {"x": task, "w": w.surface}
        pattern = template(
            rng,
            """
delete the reminder to {x} {w}|cancel my reminder to {x}|remove the reminder to {x} {w}
forget the reminder to {x}|~drop the reminder to {x}|I already did it, delete the reminder to {x}
""",
            dev,
        )
        arguments = {"title": task, **(w.arguments() if "{w}" in pattern else {})}
    return Request(
        tidy(pattern.format(**fill)),
        call("delete_events", **arguments),
        imperative=pattern[0] not in "I" and not pattern.startswith("the"),
    )
