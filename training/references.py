"""Generated organizer requests that use the result of an earlier step, written `#N` in the call."""

import random
from typing import Any

from training import phrases, words
from training.hwu64 import call
from training.requests import Request, addressee, bare, template, tidy
from training.requests_lists import list_phrase
from training.words import pick

# What a result is called in a request.
RESULT = """
the result|the result|that number|it|the answer|that|the number|this|the total|the average|the count
the figure|the results|the value|~the outcome|~that figure
"""
SINGLE_THING = """
the name|the top customer|the winner|the city|the cheapest one|the best product|the top seller
the highest one|the first one|the name of the customer|the order|the product|~the top name
~the biggest one
"""
BOTH = """
both numbers|both|both results|the two numbers|the results|both answers|the two results|them
~the pair of numbers
"""
ALL = "all three numbers|all of them|the results|all three|them|all results|~the three figures"

MAIL = """
put {r} into a mail draft to {p}|put {r} in a mail draft to {p}|put {r} into an email to {p}
email {r} to {p}|email {p} {r}|mail {p} {r}|send {r} to {p}|send {r} to {p} by email|mail {r} to {p}
send {p} {r}|draft a mail to {p} with {r}|draft an email to {p} with {r}|write {r} in a mail to {p}
write an email to {p} with {r}|send {p} an email with {r}|prepare a mail to {p} containing {r}
email {p} with {r}|let {p} know {r} by email|tell {p} {r} by email|forward {r} to {p}
compose a mail to {p} with {r}|put {r} into a draft for {p}|make a mail draft to {p} with {r} in it
create a draft email to {p} with {r}|share {r} with {p} by mail|~drop {r} into an email for {p}
~get {r} over to {p} by email|~write to {p} and include {r}|~a draft to {p} with {r} please
"""
MAIL_SUBJECT = """
mail {r} to {p} with subject {S}|email {r} to {p} with the subject {S}|send {r} to {p}, subject {S}
put {r} into a mail draft to {p} with subject {S}|draft a mail to {p} with subject {S} and {r} as the body
email {p} {r} with subject "{S}"|send {p} an email about {s} with {r}
write to {p} about {s} and include {r}|draft an email to {p} about {s} with {r}
~mail {p} {r} under the subject {S}
"""
SELF = """
email me {r}|mail me {r}|send me {r}|send me an email with {r}|put {r} into a mail draft
put {r} in a mail draft|draft a mail with {r}|write {r} into an email|put {r} in an email
make a mail draft with {r}|email {r}|~drop me an email with {r}
"""
LIST = """
add {r} to {l}|put {r} on {l}|write {r} on {l}|note {r} on {l}|save {r} to {l}|append {r} to {l}
include {r} in {l}|add {r} on {l}|~jot {r} down on {l}|~store {r} in {l}
"""
LIST_NEW = """
create a {n} list with {r}|make a list called {n} with {r}|start a new {n} list with {r}
put {r} in a new list called {n}|~open a {n} list with {r} on it
"""
REMIND = """
remind me {w} of {r}|remind me of {r} {w}|remind me about {r} {w}|remind me {w} about {r}
set a reminder {w} about {r}|set a reminder with {r} {w}|set a reminder for {r} {w}
create a reminder {w} with {r}|add a reminder about {r} {w}|~drop me a reminder {w} with {r}
"""
REMIND_TASK = """
remind me {w} to {v} {r}|remind me to {v} {r} {w}|set a reminder to {v} {r} {w}
set a reminder {w} to {v} {r}|don't let me forget to {v} {r} {w}|~make sure I {v} {r} {w}
"""
TASK_VERBS = """
check|review|discuss|send|call|thank|tell Anna|tell my boss|report|double-check|look at|verify|mention
print|present|tell the team|share|follow up on|go over|email Priya
"""
EVENT = """
schedule a meeting {w} to discuss {r}|put a meeting {w} in my calendar to go over {r}
block {w} to review {r}|~set up a call {w} to talk about {r}
"""

SOURCES = """
How many orders came from Berlin?|How many orders are unpaid?|What is the total amount of all orders?
which customer spent the most|what's the average order value|how many employees work in Sales
Who has the highest salary?|What did we spend on travel in March?|How many tickets are still open?
count the orders per city|total revenue in 2024|the cheapest product|Which product sold best last month?
list the ten largest invoices|how many students passed|what is the average age
How many rows have no email?|Show me the names of all customers in Paris|Which city has the most orders?
sum of the amounts in May|what is the latest order date|how many different cities are there
What was the highest bid?|Who placed order 4711?|average rating of the hotels|top 5 customers by revenue
What do I have on Friday afternoon?|what's on my shopping list|When is my dentist appointment?
show me my to do list|what alarms do I have tomorrow|When am I meeting Anna?
what's on my calendar next week|Which lists do I have?|how much did we sell in Madrid
what was the score of the game on March 3|number of overdue invoices|Which employee was hired last?
how many flights were delayed|the smallest country by population|what is the most expensive item in stock
"""


def refer(rng: random.Random, dev: bool, speech: bool, count: int = 0, result: str = "") -> Request:
    """One request with `#N` lines below it and `#N` in its call; ``result`` is what it calls the results."""
    count = count or rng.choices([1, 2, 3], [80, 17, 3])[0]
    numbers = sorted(rng.sample(range(1, 5), count)) if rng.random() < 0.35 else list(range(1, count + 1))
    every = words.lines(SOURCES)
    tasks = (
        rng.sample([t for t in every if words.held_out(t) == dev], count)
        if not dev
        else rng.sample(every, count)
    )
    reference = {1: "#{}", 2: "#{} and #{}", 3: "#{}, #{} and #{}"}[count].format(*numbers)
    held = dev and rng.random() < 0.4
    if not result and count == 1 and rng.random() < 0.2:
        result = template(rng, SINGLE_THING, held)
    result = result or template(rng, {1: RESULT, 2: BOTH, 3: ALL}[count], held)
    who = addressee(rng, dev, speech)
    name = pick(rng, words.LIST, dev)
    w = phrases.when(rng, speech, "dddbbt")
    subject, about = pick(rng, words.SUBJECT_BARE, dev), pick(rng, words.SUBJECT, dev)
    verb = rng.choice(words.lines(TASK_VERBS))
    fill = {
        "r": result,
        "p": who,
        "S": subject,
        "s": about,
        "l": list_phrase(rng, name),
        "n": name,
        "w": w.surface,
        "v": verb,
    }
    kind = rng.random()
    tool: str
    arguments: dict[str, Any]
    if kind < 0.36:
        pattern, tool, arguments = (
            template(rng, MAIL, dev),
            "draft_mail",
            {"to": bare(who), "body": reference},
        )
    elif kind < 0.5:
        pattern, tool = template(rng, MAIL_SUBJECT, dev), "draft_mail"
        arguments = {"to": bare(who), "subject": subject if "{S}" in pattern else about, "body": reference}
    elif kind < 0.6:
        pattern, tool, arguments = template(rng, SELF, dev), "draft_mail", {"body": reference}
        if " me " in pattern or pattern.endswith(" me"):
            arguments["to"] = "me"
    elif kind < 0.74:
        items = [f"#{n}" for n in numbers]
        pattern, tool, arguments = template(rng, LIST, dev), "add_to_list", {"items": items, "list": name}
    elif kind < 0.79:
        items = [f"#{n}" for n in numbers]
        pattern, tool, arguments = template(rng, LIST_NEW, dev), "add_to_list", {"items": items, "list": name}
    elif kind < 0.89:
        pattern, tool, arguments = (
            template(rng, REMIND, dev),
            "create_reminder",
            {"text": reference, **w.arguments()},
        )
    elif kind < 0.96:
        pattern, tool, arguments = (
            template(rng, REMIND_TASK, dev),
            "create_reminder",
            {"text": f"{verb} {reference}", **w.arguments()},
        )
    else:
        pattern, tool = template(rng, EVENT, dev), "create_event"
        join = {"discuss": "discuss", "go over": "go over", "review": "review", "talk about": "talk about"}
        phrase = next(v for k, v in join.items() if f"{k} {{r}}" in pattern)
        arguments = {"title": f"{phrase} {reference}", **w.arguments()}
    return Request(
        tidy(pattern.format(**fill)), call(tool, **arguments), dict(zip(numbers, tasks, strict=True))
    )
