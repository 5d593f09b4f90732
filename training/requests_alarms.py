"""Generated requests about alarms and timers."""

import random
import re
from typing import Any

from training import phrases, words
from training.hwu64 import call
from training.phrases import When
from training.requests import Request, article, template, tidy
from training.words import pick


def set_alarm(rng: random.Random, dev: bool, spoken: bool) -> Request:
    w = phrases.when(rng, spoken, "ttttbbbbsssr" if rng.random() < 0.95 else "d")
    if rng.random() < 0.06:
        amount = phrases.duration(rng, spoken)
        pattern = template(
            rng,
            """
set a timer for {n}|start a timer for {n}|timer for {n}|set a timer of {n}|~countdown of {n}
""",
            dev,
        )
        return Request(pattern.format(n=amount), call("set_alarm", time=amount))
    label = pick(rng, words.ALARM_LABEL, dev)
    arguments: dict[str, Any] = w.arguments()
    kind = rng.random()
    if kind < 0.5:
        pattern = template(
            rng,
            """
wake me up {w}|wake me up {w}|wake me {w}|get me up {w}|I need to get up {w}|I have to wake up {w}
I want to be woken {w}|make sure I'm up {w}|I need to be up {w}|give me a wake-up call {w}|~rouse me {w}
~I'd like to get out of bed {w}
""",
            dev,
        )
    elif kind < 0.8:
        pattern = template(
            rng,
            """
set an alarm {w}|set my alarm {w}|set an alarm {f}|set the alarm {f}|create an alarm {f}|alarm {f}
alarm {w}|I need an alarm {w}|add an alarm {f}|make an alarm {f}|new alarm {w}|put an alarm {w}
turn on an alarm {f}|I want an alarm {f}|~have an alarm ring {w}|~let the alarm go off {w}
set me an alarm {f}|set up an alarm {w}|please ring an alarm {w}
""",
            dev,
        )
    else:
        pattern = template(
            rng,
            """
set an alarm {w} for {l}|set {l2} alarm {f}|set an alarm called {l} {f}|set an alarm labelled {l} {w}
set an alarm {w} called {l}|alarm {w} for {l}|create {l2} alarm {w}|set an alarm named {l} {w}
add {l2} alarm {w}|~ring me {w} for {l}|set an alarm {f} with the label {l}
""",
            dev,
        )
        arguments["label"] = label
    surface = w.surface
    target = re.sub(r"^(at|on) ", "", surface)
    fill = {
        "w": surface,
        "f": f"for {target}" if not surface.startswith(("in ", "every")) else surface,
        "l": label,
        "l2": article(label),
    }
    imperative = not pattern.startswith(("I ", "I'", "alarm", "new", "please"))
    return Request(tidy(pattern.format(**fill)), call("set_alarm", **arguments), imperative=imperative)


def find_alarms(rng: random.Random, dev: bool, spoken: bool) -> Request:
    w = phrases.when(rng, spoken, "ddtb", search=False) if rng.random() < 0.65 else When("")
    label = pick(rng, words.ALARM_LABEL, dev)
    arguments: dict[str, Any] = w.arguments()
    pattern = template(
        rng,
        """
what alarms do I have {w}|which alarms are set {w}|do I have an alarm {w}|is there an alarm set {w}
show my alarms {w}|show me all alarms {w}|list my alarms {w}|when is my next alarm {w}
do I have any alarms set {w}|did I set an alarm {w}|is my alarm on {w}|what time is my alarm {w}
when does my {l} alarm ring {w}|is my {l} alarm set {w}|do I have {l2} alarm {w}|check my alarms {w}
how many alarms are set {w}|~are my alarms on {w}|~when am I being woken up {w}
~tell me about my {l} alarm {w}|what time will I be woken up {w}|have I set the alarm {w}
""",
        dev,
    )
    if "{l" in pattern:
        arguments["label"] = label
    imperative = pattern.split()[0] in ("show", "list", "check", "tell")
    return Request(
        tidy(pattern.format(w=w.surface, l=label, l2=article(label))),
        call("find_alarms", **arguments),
        imperative=imperative,
    )


def delete_alarms(rng: random.Random, dev: bool, spoken: bool) -> Request:
    w = phrases.when(rng, spoken, "dttb") if rng.random() < 0.7 else When("")
    label = pick(rng, words.ALARM_LABEL, dev)
    at = phrases.clock(rng, spoken)
    day = rng.choice(["tomorrow's", "today's", *[f"{d}'s" for d in phrases.DAYS], *phrases.DAYS])
    pattern = template(
        rng,
        """
cancel my alarm {w}|cancel the alarm {w}|delete the alarm {w}|turn off the alarm {w}|turn off my alarm {w}
delete all alarms {w}|remove my alarm {w}|turn off all my alarms {w}|cancel my {l} alarm
delete the {l} alarm {w}|cancel my {c} alarm|turn off the {c} alarm|remove the {c} alarm
disable the alarm {w}|I don't need the alarm {w}|cancel {d} alarm|stop the {l} alarm
~switch off my alarm {w}|~no alarm {w} please|~ditch the {c} alarm|delete {d} {l} alarm
get rid of the {l} alarm {w}|don't wake me up {w}|clear all alarms {w}
""",
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
    return Request(
        tidy(pattern.format(w=w.surface, l=label, c=at, d=day)),
        call("delete_alarms", **arguments),
        imperative=imperative,
    )
