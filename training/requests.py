"""Generated organizer requests: templates, word lists and phrases give a request and the one call that serves it."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from training import phrases, words
from training.hwu64 import Call, call
from training.phrases import When
from training.words import pick

ARTICLE = re.compile(r"^(?:(?:the|a|an|my|our|his|her|some|your|their) )+", re.IGNORECASE)


def bare(text: str) -> str:
    """A value without its leading article or possessive (the copying convention)."""
    return ARTICLE.sub("", text)


@dataclass
class Request:
    """A request as the organizer sees it; ``sources`` are the earlier tasks it refers to, by step number."""

    text: str
    call: Call
    sources: dict[int, str] = field(default_factory=dict)
    imperative: bool = True

    def message(self) -> str:
        return "\n".join([self.text, *(f"#{n} = {task}" for n, task in sorted(self.sources.items()))])


def template(rng: random.Random, choices: str, dev: bool) -> str:
    """One template of a `|`-separated list; those that begin with ~ are kept for the development split."""
    every = words.lines(choices)
    held = [t[1:] for t in every if t.startswith("~")]
    open_ = [t for t in every if not t.startswith("~")]
    return rng.choice(held if dev and held else open_)


def tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r" ([,.?!;:])", r"\1", text)
    return re.sub(r"^[,;] ?|,$", "", text).strip()


# ---- people, places, mails ----------------------------------------------------------------------------------------------


def person(rng: random.Random, dev: bool) -> str:
    kind = rng.random()
    first, last = pick(rng, words.FIRST, dev), pick(rng, words.LAST, dev)
    if kind < 0.55:
        return first
    if kind < 0.72:
        return f"{first} {last}"
    if kind < 0.82:
        return f"{rng.choice(words.TITLED)} {last}"
    return f"my {pick(rng, words.RELATION, dev)}"


def mail_address(rng: random.Random, dev: bool, spoken: bool) -> str:
    first, last = pick(rng, words.FIRST, dev).lower(), pick(rng, words.LAST, dev).lower()
    plain = {"ø": "o", "ö": "o", "ü": "u", "é": "e", "å": "a", "ı": "i", "š": "s", "á": "a", "'": "", "-": "", "ó": "o"}
    first, last = ("".join(plain.get(c, c) for c in w) for w in (first, last))
    local = rng.choice([first, f"{first}.{last}", f"{first[0]}.{last}", f"{first}{rng.randint(1, 99)}", f"{last}", "info", "sales", f"{first}_{last}", "office"])
    domain = pick(rng, words.MAIL_DOMAIN, dev)
    if spoken:
        local = re.sub(r"[._]", "", local)
        return rng.choice([f"{local}@{domain}", f"{local}@{domain.replace('.', ' dot ')}", f"{local} at {domain.replace('.', ' dot ')}"])
    return f"{local}@{domain}"


def people(rng: random.Random, dev: bool) -> str:
    kind = rng.random()
    if kind < 0.62:
        return person(rng, dev)
    group = "the " + pick(rng, words.GROUP, dev).removeprefix("the ")
    if kind < 0.74:
        return group
    second = group if rng.random() < 0.3 else person(rng, dev)
    if kind < 0.93:
        return f"{person(rng, dev)} and {second}"
    return f"{person(rng, dev)}, {person(rng, dev)} and {second}"


def addressee(rng: random.Random, dev: bool, spoken: bool) -> str:
    kind = rng.random()
    if kind < 0.22:
        return mail_address(rng, dev, spoken)
    if kind < 0.8:
        return person(rng, dev)
    return people(rng, dev)


def maybe(rng: random.Random, chance: float, text: str) -> str:
    return text if rng.random() < chance else ""


# ---- calendar ----------------------------------------------------------------------------------------------------------


def a(title: str) -> str:
    """The noun with an indefinite article."""
    plural = title.endswith("s") and not title.endswith(("ss", "pilates", "class"))
    if plural:
        return title
    return f"{'an' if title[0].lower() in 'aeio' else 'a'} {title}"


def create_event(rng: random.Random, dev: bool, spoken: bool) -> Request:
    title = pick(rng, words.TITLE, dev)
    about = ""
    if title.endswith(("meeting", "call", "workshop", "session", "presentation", "review", "talk", "interview")) and rng.random() < 0.15:
        about = f" {rng.choice(['about', 'on', 'about'])} {pick(rng, words.TOPIC, dev)}"
    title += about
    w = phrases.when(rng, spoken, "dbbbbbtdbbr" + "s" * 2, spans=True)
    who = people(rng, dev) if rng.random() < 0.4 else ""
    where = pick(rng, words.PLACE, dev) if rng.random() < 0.25 else ""
    fill = {"a": a(title), "t": title, "w": w.surface, "with": f"with {who}" if who else "", "at": ""}
    if where:
        fill["at"] = f"{'on' if where in ('Zoom', 'Teams', 'Google Meet') else rng.choice(['at', 'in', 'at'])} {where}"
    arguments: dict[str, Any] = {"title": title, **w.arguments(), "people": bare(who) if who else None, "place": bare(where) if where else None}
    kind = rng.random()
    if kind < 0.62:
        pattern = template(
            rng,
            """schedule {a} {with} {w} {at}|schedule {a} {w} {with} {at}|set up {a} {with} {w} {at}|set up {a} {w} {with} {at}
            add {a} {with} {w} {at} to my calendar|put {a} {with} on my calendar {w} {at}|put {a} {with} {at} in the calendar {w}
            add {t} {with} {at} to the calendar {w}|create {a} {with} {at} {w}|create an event for {t} {with} {w} {at}
            book {a} {with} {w} {at}|book {a} {at} {with} {w}|arrange {a} {with} {w} {at}|plan {a} {with} {w} {at}|plan {a} {at} {with} {w}
            {w} schedule {a} {with} {at}|make an appointment for {a} {with} {w} {at}|block {w} for {t} {with} {at}
            enter {a} {with} {w} {at} in my calendar|new event: {t} {with} {w} {at}|calendar: {t} {with} {at} {w}
            ~organise {a} {with} {at} {w}|~pencil in {a} {with} {w} {at}|~save the date: {t} {with} {at} {w}|~get {a} {with} {w} {at} into my diary
            note {a} {with} {at} {w} in my calendar|set {a} {with} {w} {at}|fix {a} {with} {w} {at}|reserve {w} for {a} {with} {at}""",
            dev,
        )
        imperative = True
    elif kind < 0.84:
        pattern = template(
            rng,
            """I have {a} {with} {w} {at}|I have {a} {with} {at} {w}|I've got {a} {with} {w} {at}, put it on my calendar|{t} {with} {w} {at}
            {w} I have {a} {with} {at}, please add it|there is {a} {with} {w} {at}, add it to my calendar|{t} {with} {at} {w}
            I'm having {a} {with} {w} {at}, can you add that to my calendar|I need {a} {with} {w} {at}|{w}: {t} {with} {at}
            ~my calendar needs {a} {with} {w} {at}|~don't let anyone book over {a} {with} {w} {at}|{w} {t} {with} {at}""",
            dev,
        )
        imperative = False
    elif not spoken and kind < 0.92:
        name = pick(rng, words.SUBJECT_BARE, dev) if rng.random() < 0.5 else title.title()
        quote = rng.choice(['"', "'", "“"])
        close = {"“": "”"}.get(quote, quote)
        fill["q"] = rng.choice([f"{quote}{name}{close}", f"called {quote}{name}{close}", f"called {name}", f"titled {quote}{name}{close}"])
        arguments["title"] = name
        pattern = template(rng, "create an event {q} {w} {with} {at}|add an event {q} {w} {at}|schedule a meeting {q} {with} {w}|~make a calendar entry {q} {w} {at}", dev)
        imperative = True
    else:
        owner = rng.choice([pick(rng, words.FIRST, dev), pick(rng, words.RELATION, dev)])
        mine = "my " if owner.islower() else ""
        event = rng.choice(["birthday", "birthday", "birthday party", "wedding", "graduation", "anniversary", "recital", "party", "farewell party"])
        w = phrases.when(rng, spoken, "dddb")
        fill = {"o": f"{mine}{owner}'s", "t": event, "w": w.surface}
        arguments = {"title": event, **w.arguments(), "people": f"{owner}'s"}
        pattern = template(rng, "add {o} {t} {w}|put {o} {t} on my calendar {w}|{o} {t} is {w}, add it to my calendar|add {o} {t} to my calendar {w}|~mark {o} {t} {w}", dev)
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
            """remind me {w} to {x}|remind me to {x} {w}|remind me to {x} {w}|remind me {w} to {x}|{w}, remind me to {x}|{w} remind me to {x}
            set a reminder to {x} {w}|set a reminder {w} to {x}|create a reminder to {x} {w}|add a reminder {w} to {x}|make a reminder to {x} {w}
            don't let me forget to {x} {w}|I need to {x} {w}, remind me|I have to {x} {w}, please remind me|I want to be reminded {w} to {x}
            give me a reminder {w} to {x}|I must {x} {w}, set a reminder|remember to remind me to {x} {w}|tell me to {x} {w}|new reminder: {x} {w}
            notify me {w} to {x}|reminder to {x} {w}|reminder: {x} {w}|~I should {x} {w}, nudge me|~make sure I don't forget to {x} {w}
            ~put in a reminder {w} so I {x}|~ping me {w} to {x}|alert me {w} to {x}|can you remind me {w} that I have to {x}|remind me that I need to {x} {w}""",
            dev,
        )
    elif kind < 0.8:
        title = pick(rng, words.TITLE, dev)
        who = person(rng, dev) if rng.random() < 0.35 else ""
        text = f"{title} with {who}" if who else title
        fill_text = rng.choice(["my ", "the ", ""]) + text
        pattern = template(
            rng,
            """remind me of {y} {w}|remind me about {y} {w}|remind me {w} about {y}|set a reminder for {y} {w}|set a reminder {w} for {y}
            reminder for {y} {w}|add a reminder about {y} {w}|don't let me forget {y} {w}|~drop a reminder for {y} {w}|{w} remind me of {y}""",
            dev,
        ).replace("{y}", fill_text.replace("{", ""))
    elif kind < 0.92:
        text = pick(rng, words.CLAUSE, dev)
        pattern = template(rng, "remind me {w} that {x}|remind me that {x} {w}|set a reminder {w} that {x}|~let me know {w} that {x}|{w} please remind me that {x}", dev)
    else:
        text = "reminder"
        pattern = template(rng, "set a reminder {w}|create a reminder {w}|new reminder {w}|I need a reminder {w}|~make me a reminder {w}|add a reminder {w}", dev)
        return Request(tidy(pattern.format(w=w.surface)), call("create_reminder", text=text, **w.arguments()), imperative=pattern[0] not in "I")
    imperative = not pattern.startswith(("I ", "{w}", "reminder", "can you", "new", "don't"))
    return Request(tidy(pattern.format(w=w.surface, x=text)), call("create_reminder", text=text, **w.arguments()), imperative=imperative)


PLURAL = ("meetings", "appointments", "calls", "interviews", "birthdays", "classes", "lessons", "parties", "exams", "deadlines", "flights", "games")


def find_events(rng: random.Random, dev: bool, spoken: bool) -> Request:
    w = phrases.when(rng, spoken, "dddddbt", search=True, spans=True)
    arguments: dict[str, Any] = w.arguments()
    kind = rng.random()
    if kind < 0.38:
        pattern = template(
            rng,
            """what do I have {w}|what's on my calendar {w}|what is on my schedule {w}|do I have anything {w}|do I have any plans {w}
            am I free {w}|am I busy {w}|show me my calendar {w}|show my events {w}|show my schedule {w}|what's happening {w}|what are my plans {w}
            list my events {w}|is there anything on my calendar {w}|what have I got {w}|anything planned {w}|tell me what I have {w}
            do I have time {w}|what's coming up {w}|read me my agenda {w}|check my calendar {w}|which events do I have {w}|what's next {w}
            what reminders do I have {w}|show my reminders {w}|do I have any reminders {w}|what does my day look like {w}|any events {w}
            ~how does my schedule look {w}|~what am I doing {w}|~give me a rundown of my calendar {w}|~have I got anything on {w}""",
            dev,
        )
        text = pattern.format(w=w.surface)
    elif kind < 0.62:
        title = rng.choice(PLURAL) if rng.random() < 0.5 else pick(rng, words.TITLE, dev)
        who = people(rng, dev) if rng.random() < 0.3 else ""
        single = title not in PLURAL
        pattern = template(
            rng,
            "do I have {a} {with} {w}|is there {a} {with} {w}|do I have {a} scheduled {with} {w}|have I planned {a} {with} {w}|~is {a} {with} planned {w}"
            if single
            else """do I have any {t} {with} {w}|what {t} do I have {with} {w}|show me my {t} {with} {w}|list all {t} {with} {w}|which {t} are {w}
            how many {t} do I have {with} {w}|are there any {t} {with} {w}|find my {t} {with} {w}|~pull up my {t} {with} {w}""",
            dev,
        )
        arguments["title"] = title
        if who and "{with}" in pattern:
            arguments["people"] = bare(who)
        text = pattern.format(w=w.surface, a=a(title), t=title, **{"with": f"with {who}" if who else ""})
    elif kind < 0.9:
        title = pick(rng, words.TITLE, dev)
        who = people(rng, dev) if rng.random() < 0.4 else ""
        arguments = {"title": title, "people": bare(who) if who else None}
        pattern = template(
            rng,
            """when is my {t} {with}|when's the {t} {with}|what time is my {t} {with}|what time is the {t} {with}|where is my {t} {with}
            when is my next {t} {with}|what day is the {t} {with}|find my {t} {with}|when do I have my {t} {with}|where is the {t} {with}
            ~what date is my {t} {with}|~look up my {t} {with}|when did I schedule the {t} {with}|at what time does the {t} {with} start|is the {t} {with} in my calendar""",
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
        pattern = template(rng, "when am I meeting {p}|when do I see {p}|when am I seeing {p} next|do I have anything with {p}|what do I have with {p}|~find everything with {p}", dev)
        text = pattern.format(p=who)
    else:
        where = pick(rng, words.PLACE, dev)
        arguments = {**w.arguments(), "place": bare(where)}
        pattern = template(rng, "what do I have at {l} {w}|which events are at {l} {w}|do I have anything at {l} {w}|~what is planned at {l} {w}", dev)
        text = pattern.format(l=where, w=w.surface)
    imperative = pattern.split()[0] in ("show", "list", "find", "tell", "read", "check", "look", "pull", "give")
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
            """cancel my {t} {with} {w}|cancel the {t} {with} {w}|delete my {t} {with} {w}|delete the {t} {with} {w}|remove the {t} {with} {w} from my calendar
            remove my {t} {with} {w}|call off the {t} {with} {w}|take the {t} {with} {w} off my calendar|get rid of my {t} {with} {w}|erase the {t} {with} {w}
            cancel {w} {t} {with}|I can't make it to the {t} {with} {w}, cancel it|I'm not going to the {t} {with} {w}, please remove it
            drop the {t} {with} {w}|clear my {t} {with} {w}|~scrap the {t} {with} {w}|~the {t} {with} {w} is off, take it out of my calendar|~kill my {t} {with} {w}
            scratch the {t} {with} {w} from my schedule|cancel all my {t} {with} {w}""",
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
            """clear my calendar {w}|clear my schedule {w}|cancel everything {w}|delete all events {w}|remove all my events {w}|cancel all my plans {w}
            wipe my calendar {w}|clear everything {w}|~empty my schedule {w}|~free me up {w}|delete everything on my calendar {w}|cancel my event {w}""",
            dev,
        )
        arguments = w.arguments()
    else:
        task = pick(rng, words.VERB_TASK, dev)
        fill = {"x": task, "w": w.surface}
        pattern = template(rng, "delete the reminder to {x} {w}|cancel my reminder to {x}|remove the reminder to {x} {w}|forget the reminder to {x}|~drop the reminder to {x}|I already did it, delete the reminder to {x}", dev)
        arguments = {"title": task, **(w.arguments() if "{w}" in pattern else {})}
    return Request(tidy(pattern.format(**fill)), call("delete_events", **arguments), imperative=pattern[0] not in "I" and not pattern.startswith("the"))


# ---- alarms ------------------------------------------------------------------------------------------------------------


def set_alarm(rng: random.Random, dev: bool, spoken: bool) -> Request:
    w = phrases.when(rng, spoken, "ttttbbbbsssr" if rng.random() < 0.95 else "d")
    if rng.random() < 0.06:
        amount = phrases.duration(rng, spoken)
        pattern = template(rng, "set a timer for {n}|start a timer for {n}|timer for {n}|set a timer of {n}|~countdown of {n}", dev)
        return Request(pattern.format(n=amount), call("set_alarm", time=amount))
    label = pick(rng, words.ALARM_LABEL, dev)
    arguments: dict[str, Any] = w.arguments()
    kind = rng.random()
    if kind < 0.5:
        pattern = template(
            rng,
            """wake me up {w}|wake me up {w}|wake me {w}|get me up {w}|I need to get up {w}|I have to wake up {w}|I want to be woken {w}|make sure I'm up {w}
            I need to be up {w}|give me a wake-up call {w}|~rouse me {w}|~I'd like to get out of bed {w}""",
            dev,
        )
    elif kind < 0.8:
        pattern = template(
            rng,
            """set an alarm {w}|set my alarm {w}|set an alarm {f}|set the alarm {f}|create an alarm {f}|alarm {f}|alarm {w}|I need an alarm {w}|add an alarm {f}
            make an alarm {f}|new alarm {w}|put an alarm {w}|turn on an alarm {f}|I want an alarm {f}|~have an alarm ring {w}|~let the alarm go off {w}
            set me an alarm {f}|set up an alarm {w}|please ring an alarm {w}""",
            dev,
        )
    else:
        pattern = template(
            rng,
            """set an alarm {w} for {l}|set {l2} alarm {f}|set an alarm called {l} {f}|set an alarm labelled {l} {w}|set an alarm {w} called {l}|alarm {w} for {l}
            create {l2} alarm {w}|set an alarm named {l} {w}|add {l2} alarm {w}|~ring me {w} for {l}|set an alarm {f} with the label {l}""",
            dev,
        )
        arguments["label"] = label
    surface = w.surface
    target = re.sub(r"^(at|on) ", "", surface)
    fill = {"w": surface, "f": f"for {target}" if not surface.startswith(("in ", "every")) else surface, "l": label, "l2": a(label)}
    imperative = not pattern.startswith(("I ", "I'", "alarm", "new", "please"))
    return Request(tidy(pattern.format(**fill)), call("set_alarm", **arguments), imperative=imperative)


def find_alarms(rng: random.Random, dev: bool, spoken: bool) -> Request:
    w = phrases.when(rng, spoken, "ddtb", search=False) if rng.random() < 0.65 else When("")
    label = pick(rng, words.ALARM_LABEL, dev)
    arguments: dict[str, Any] = w.arguments()
    pattern = template(
        rng,
        """what alarms do I have {w}|which alarms are set {w}|do I have an alarm {w}|is there an alarm set {w}|show my alarms {w}|show me all alarms {w}
        list my alarms {w}|when is my next alarm {w}|do I have any alarms set {w}|did I set an alarm {w}|is my alarm on {w}|what time is my alarm {w}
        when does my {l} alarm ring {w}|is my {l} alarm set {w}|do I have {l2} alarm {w}|check my alarms {w}|how many alarms are set {w}
        ~are my alarms on {w}|~when am I being woken up {w}|~tell me about my {l} alarm {w}|what time will I be woken up {w}|have I set the alarm {w}""",
        dev,
    )
    if "{l" in pattern:
        arguments["label"] = label
    imperative = pattern.split()[0] in ("show", "list", "check", "tell")
    return Request(tidy(pattern.format(w=w.surface, l=label, l2=a(label))), call("find_alarms", **arguments), imperative=imperative)


def delete_alarms(rng: random.Random, dev: bool, spoken: bool) -> Request:
    w = phrases.when(rng, spoken, "dttb") if rng.random() < 0.7 else When("")
    label = pick(rng, words.ALARM_LABEL, dev)
    at = phrases.clock(rng, spoken)
    day = rng.choice(["tomorrow's", "today's", *[f"{d}'s" for d in phrases.DAYS], *phrases.DAYS])
    pattern = template(
        rng,
        """cancel my alarm {w}|cancel the alarm {w}|delete the alarm {w}|turn off the alarm {w}|turn off my alarm {w}|delete all alarms {w}|remove my alarm {w}
        turn off all my alarms {w}|cancel my {l} alarm|delete the {l} alarm {w}|cancel my {c} alarm|turn off the {c} alarm|remove the {c} alarm
        disable the alarm {w}|I don't need the alarm {w}|cancel {d} alarm|stop the {l} alarm|~switch off my alarm {w}|~no alarm {w} please|~ditch the {c} alarm
        delete {d} {l} alarm|get rid of the {l} alarm {w}|don't wake me up {w}|clear all alarms {w}""",
        dev,
    )
    arguments: dict[str, Any] = w.arguments() if "{w}" in pattern else {}
    if "{l}" in pattern:
        arguments["label"] = label
    if "{c}" in pattern:
        arguments["time"] = at
    if "{d}" in pattern:
        arguments["date"] = day
    imperative = not pattern.startswith(("I ", "no ", "don't"))
    return Request(tidy(pattern.format(w=w.surface, l=label, c=at, d=day)), call("delete_alarms", **arguments), imperative=imperative)


# ---- lists -------------------------------------------------------------------------------------------------------------


def item_text(rng: random.Random, dev: bool, kind: str) -> str:
    pools = {"food": words.GROCERY, "thing": words.THING, "task": words.TASK_ITEM}
    return pick(rng, pools[kind], dev)


def list_and_kind(rng: random.Random, dev: bool) -> tuple[str, str]:
    name = pick(rng, words.LIST, dev)
    if name in ("shopping", "grocery", "groceries", "costco", "bakery", "farmers market", "picnic", "Aldi", "kitchen"):
        return name, "food"
    if name in ("to do", "to-do", "todo", "errands", "work", "chores", "household", "project", "homework", "weekend", "tasks", "daily tasks", "DIY"):
        return name, "task"
    return name, rng.choice(["thing", "thing", "food", "task"])


def list_phrase(rng: random.Random, name: str) -> str:
    if name in ("books to read", "movies to watch", "things to buy", "restaurants to try", "contacts to call") or rng.random() < 0.04:
        return rng.choice([f"my list of {name}", f"the list of {name}", f"my {name} list"])
    return rng.choice([f"my {name} list", f"the {name} list", f"my {name} list", f"the {name} list", f"our {name} list", f"{name} list"])


def enumeration(rng: random.Random, items: list[str], spoken: bool) -> str:
    if len(items) == 1:
        return items[0]
    joint = rng.choice([" and ", " and ", " and ", ", "]) if not spoken else " and "
    comma = " " if spoken and rng.random() < 0.5 else (", " if not spoken else " and ")
    return comma.join(items[:-1]) + (", and " if not spoken and len(items) > 2 and rng.random() < 0.2 else joint) + items[-1]


def add_to_list(rng: random.Random, dev: bool, spoken: bool) -> Request:
    name, kind = list_and_kind(rng, dev)
    count = rng.choice([1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5])
    items: list[str] = []
    for _ in range(4 * count):  # the development words may be fewer than asked for
        if len(items) == count:
            break
        item = item_text(rng, dev, kind)
        if item not in items and not any(item in other or other in item for other in items):
            items.append(item)
    if not spoken and rng.random() < 0.1 and kind != "food":
        quote = rng.choice(['"', "'"])
        said = " and ".join(f"{quote}{i}{quote}" for i in items[:2])
        items = items[:2]
    elif kind == "thing" and rng.random() < 0.25:
        said = enumeration(rng, [a(i) if i[0].islower() and not i.startswith(("a ", "new ", "running")) else i for i in items], spoken)
    else:
        said = enumeration(rng, items, spoken)
    fill = {"i": said, "l": list_phrase(rng, name)}
    arguments: dict[str, Any] = {"items": [bare(i) for i in items], "list": name}
    form = rng.random()
    imperative = True
    if form < 0.7:
        pattern = template(
            rng,
            """add {i} to {l}|add {i} to {l}|put {i} on {l}|put {i} on {l}|add {i} on {l}|write {i} on {l}|note {i} on {l}|include {i} in {l}
            on {l} put {i}|add to {l}: {i}|to {l} add {i}|I need {i} on {l}|append {i} to {l}|stick {i} on {l}|{l}: add {i}|put down {i} on {l}
            ~pop {i} on {l}|~{l} should also have {i}|~jot {i} down on {l}|I want {i} added to {l}|update {l} with {i}|enter {i} in {l}""",
            dev,
        )
        imperative = not pattern.startswith(("I ", "{l}", "on ", "to "))
    elif form < 0.8:
        arguments.pop("list")
        pattern = template(rng, "add {i} to the list|add {i} to my list|put {i} on the list|put {i} on my list|~throw {i} on the list", dev)
    elif form < 0.87 and kind == "food":
        arguments.pop("list")
        pattern = template(rng, "we need {i}|we're out of {i}|I need {i}|we need more {i}|we ran out of {i}|~there is no more {i}", dev)
        imperative = False
    elif form < 0.95:
        arguments.pop("items")
        pattern = template(
            rng,
            """create {l1}|make {l1}|start {l1}|create a new list called {n}|create a list named {n}|make a new list for {n}|start a new {n} list
            I need a new {n} list|create a list for {n}|new {n} list|~open up a fresh {n} list|~set up {l1}""",
            dev,
        )
        fill |= {"n": name, "l1": f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name} list"}
        imperative = not pattern.startswith(("I ", "new"))
    else:
        pattern = template(rng, "create {l1} with {i}|start {l1} with {i}|make a new list called {n} with {i}|~begin {l1} with {i} on it", dev)
        fill |= {"n": name, "l1": f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name} list"}
    if name.endswith("s") and "{l1}" in pattern and fill["l1"].startswith("a ") and name.startswith(("books", "movies", "things")):
        fill["l1"] = f"a list of {name}"
    return Request(tidy(pattern.format(**fill)), call("add_to_list", **arguments), imperative=imperative)


def show_list(rng: random.Random, dev: bool, spoken: bool) -> Request:
    name, kind = list_and_kind(rng, dev)
    item = bare(item_text(rng, dev, kind))
    form = rng.random()
    if form < 0.72:
        pattern = template(
            rng,
            """what's on {l}|what is on {l}|show me {l}|show {l}|read {l}|read me {l}|open {l}|what do I have on {l}|tell me what's on {l}|display {l}
            is there anything on {l}|is {i} on {l}|do I have {i} on {l}|how many items are on {l}|did I put {i} on {l}|pull up {l}|let me see {l}|check {l}
            ~what did I put on {l}|~is {i} already on {l}|~walk me through {l}|what's left on {l}|give me {l}|list everything on {l}""",
            dev,
        )
        return Request(tidy(pattern.format(l=list_phrase(rng, name), i=item)), call("show_list", list=name), imperative=pattern.split()[0] in ("show", "read", "open", "tell", "display", "pull", "check", "give", "list"))
    pattern = template(
        rng,
        """what lists do I have|show me my lists|show all my lists|which lists do I have|list my lists|what are my lists|do I have any lists|show my lists
        how many lists do I have|read me the names of my lists|~name all of my lists|~which lists exist|what's on my list|show my list|read the list|what is on the list""",
        dev,
    )
    return Request(pattern, call("show_list"), imperative=pattern.split()[0] in ("show", "list", "read", "name"))


def remove_from_list(rng: random.Random, dev: bool, spoken: bool) -> Request:
    name, kind = list_and_kind(rng, dev)
    items = [item_text(rng, dev, kind) for _ in range(rng.choice([1, 1, 1, 1, 2, 2, 3]))]
    if len(set(items)) < len(items) or any(x != y and x in y for x in items for y in items):
        items = items[:1]
    items = [bare(i) for i in items]
    said = enumeration(rng, items, spoken)
    if rng.random() < 0.2:
        said = f"the {said}"
    arguments: dict[str, Any] = {"items": items, "list": name}
    pattern = template(
        rng,
        """remove {i} from {l}|remove {i} from {l}|delete {i} from {l}|take {i} off {l}|take {i} off of {l}|cross {i} off {l}|strike {i} from {l}|erase {i} from {l}
        I don't need {i} anymore, take it off {l}|check {i} off {l}|from {l} remove {i}|tick off {i} on {l}|get rid of {i} on {l}|drop {i} from {l}
        ~{i} can come off {l}|~wipe {i} off {l}|I bought {i}, remove it from {l}|take {i} out of {l}
        remove {i} from the list|take {i} off the list|delete {i} from my list|cross {i} off my list""",
        dev,
    )
    if "{l}" not in pattern:
        arguments.pop("list")
    return Request(tidy(pattern.format(i=said, l=list_phrase(rng, name))), call("remove_from_list", **arguments), imperative=not pattern.startswith(("I ", "{i}", "from")))


def delete_list(rng: random.Random, dev: bool, spoken: bool) -> Request:
    name, _ = list_and_kind(rng, dev)
    pattern = template(
        rng,
        """delete {l}|delete {l}|remove {l}|get rid of {l}|erase {l}|throw away {l}|clear {l}|empty {l}|I don't need {l} anymore, delete it|trash {l}
        ~bin {l}|~I'm done with {l}, remove it|wipe {l}|discard {l}|delete the list called {n}|delete the whole {n} list|delete the list|delete my list""",
        dev,
    )
    arguments = {"list": name} if "{" in pattern else {}
    return Request(tidy(pattern.format(l=list_phrase(rng, name), n=name)), call("delete_list", **arguments), imperative=pattern[0] != "I")


# ---- mail --------------------------------------------------------------------------------------------------------------


def draft_mail(rng: random.Random, dev: bool, spoken: bool) -> Request:
    who = addressee(rng, dev, spoken)
    subject = pick(rng, words.SUBJECT, dev)
    bare_subject = pick(rng, words.SUBJECT_BARE, dev)
    body = pick(rng, words.BODY, dev)
    ask = pick(rng, words.ASK, dev)
    quote, close = rng.choice([('"', '"'), ("“", "”"), ("'", "'")]) if not spoken else ("", "")
    first = body[0].upper() + body[1:] + rng.choice([".", "", ""])
    if not spoken and rng.random() < 0.12:  # a body of two sentences
        second = pick(rng, words.BODY, dev)
        first = f"{first.rstrip('.')}. {second[0].upper()}{second[1:]}{rng.choice(['.', '.', ''])}"
    if quote == "'" and "'" in bare_subject + first:
        quote = close = '"'
    mail = rng.choice(["an email", "a mail", "an e-mail", "an email", "a message by mail"]) if not spoken else rng.choice(["an email", "a mail", "email", "a email"])
    fill = {"m": mail, "p": who, "s": subject, "b": body, "k": ask, "S": bare_subject, "qS": f"{quote}{bare_subject}{close}", "qB": f"{quote}{first}{close}", "B": first}
    arguments: dict[str, Any] = {"to": bare(who)}
    kind = rng.random()
    if kind < 0.26:
        arguments["body"] = body
        pattern = template(
            rng,
            """email {p} that {b}|send {m} to {p} saying {b}|send {m} to {p} saying that {b}|write {m} to {p} that {b}|tell {p} by email that {b}
            draft {m} to {p} saying that {b}|send {p} {m} saying {b}|write to {p} that {b}|mail {p} that {b}|email {p} to say that {b}
            write {p} {m} telling them that {b}|let {p} know by email that {b}|compose {m} to {p} saying {b}|reply to {p} that {b}|email {p} and say {b}
            answer {p}'s email saying {b}|email {p} and tell them {b}|~shoot {p} an email saying {b}|~inform {p} by email that {b}|send {m} to {p} to let them know that {b}""",
            dev,
        )
        if "{p}'s" in pattern:
            fill["p"] = who = person(rng, dev)
            arguments["to"] = f"{bare(who)}'s"
    elif kind < 0.36:
        arguments["body"] = ask
        pattern = template(
            rng,
            """email {p} and ask {k}|send {m} to {p} asking {k}|write to {p} asking {k}|ask {p} by email {k}|write {m} to {p} and ask {k}|mail {p} asking {k}
            send {p} {m} and ask {k}|draft {m} to {p} asking {k}|~drop {p} an email asking {k}|email {p} to ask {k}""",
            dev,
        )
    elif kind < 0.54:
        arguments["subject"] = subject
        pattern = template(
            rng,
            """email {p} about {s}|write {m} to {p} about {s}|draft {m} to {p} about {s}|send {m} to {p} about {s}|send {p} {m} about {s}|compose {m} to {p} regarding {s}
            prepare {m} for {p} about {s}|write to {p} regarding {s}|mail {p} about {s}|~fire off {m} to {p} about {s}|start {m} to {p} concerning {s}|I want to email {p} about {s}""",
            dev,
        )
    elif kind < 0.68:
        arguments |= {"subject": subject, "body": body}
        pattern = template(
            rng,
            """draft {m} to {p} about {s} saying that {b}|email {p} about {s} and say that {b}|write {m} to {p} about {s} saying {b}|send {p} {m} about {s} saying {b}
            send {m} to {p} about {s} and tell them {b}|~put together {m} to {p} about {s} that says {b}|mail {p} about {s}: {b}""",
            dev,
        )
    elif kind < 0.82:
        pattern = template(
            rng,
            """send {m} to {p} with the subject {qS}|draft {m} to {p} with subject {qS} and body {qB}|write {m} to {p}, subject {qS}|email {p} with subject {S}
            send {m} to {p} subject {S} body {b}|email {p}, subject {qS}, saying {b}|draft {m} to {p}, subject: {S}, text: {B}|mail to {p}, subject {qS}: {B}
            send {m} to {p} with the subject {S} saying {b}|~make {m} for {p} with {qS} as subject|~email for {p}, subject line {qS}, text {qB}""",
            dev,
        )
        arguments["subject"] = bare_subject
        if "{qB}" in pattern or "{B}" in pattern:
            arguments["body"] = first
        elif "{b}" in pattern:
            arguments["body"] = body
    elif kind < 0.9:
        pattern = template(rng, "email {p}: {qB}|write {p} an email: {B}|mail {p}: {B}|send {p} the following email: {B}|email {p} {b}|~mail for {p}: {B}|email {p}, {b}", dev)
        arguments["body"] = body if "{b}" in pattern else first
    else:
        pattern = template(
            rng,
            """send {m} to {p}|write {m} to {p}|email {p}|compose {m} to {p}|draft {m} to {p}|start {m} to {p}|I need to email {p}|new email to {p}|reply to {p}
            answer {p}|mail {p}|prepare {m} for {p}|~open a draft to {p}|write an email|draft an email|compose a new mail""",
            dev,
        )
        if "{p}" not in pattern:
            arguments = {}
    return Request(tidy(pattern.format(**fill)), call("draft_mail", **arguments), imperative=not pattern.startswith(("I ", "new", "mail to", "email for", "mail for")))


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
