"""Generated requests for mail drafts."""

import random
from typing import Any

from training import words
from training.hwu64 import call
from training.requests import Request, addressee, bare, person, template, tidy
from training.words import pick


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
    mail = (
        rng.choice(["an email", "a mail", "an e-mail", "an email", "a message by mail"])
        if not spoken
        else rng.choice(["an email", "a mail", "email", "a email"])
    )
    fill = {
        "m": mail,
        "p": who,
        "s": subject,
        "b": body,
        "k": ask,
        "S": bare_subject,
        "qS": f"{quote}{bare_subject}{close}",
        "qB": f"{quote}{first}{close}",
        "B": first,
    }
    arguments: dict[str, Any] = {"to": bare(who)}
    kind = rng.random()
    if kind < 0.26:
        arguments["body"] = body
        pattern = template(
            rng,
            """
email {p} that {b}|send {m} to {p} saying {b}|send {m} to {p} saying that {b}|write {m} to {p} that {b}
tell {p} by email that {b}|draft {m} to {p} saying that {b}|send {p} {m} saying {b}|write to {p} that {b}
mail {p} that {b}|email {p} to say that {b}|write {p} {m} telling them that {b}
let {p} know by email that {b}|compose {m} to {p} saying {b}|reply to {p} that {b}|email {p} and say {b}
answer {p}'s email saying {b}|email {p} and tell them {b}|~shoot {p} an email saying {b}
~inform {p} by email that {b}|send {m} to {p} to let them know that {b}
""",
            dev,
        )
        if "{p}'s" in pattern:
            fill["p"] = who = person(rng, dev)
            arguments["to"] = f"{bare(who)}'s"
    elif kind < 0.36:
        arguments["body"] = ask
        pattern = template(
            rng,
            """
email {p} and ask {k}|send {m} to {p} asking {k}|write to {p} asking {k}|ask {p} by email {k}
write {m} to {p} and ask {k}|mail {p} asking {k}|send {p} {m} and ask {k}|draft {m} to {p} asking {k}
~drop {p} an email asking {k}|email {p} to ask {k}
""",
            dev,
        )
    elif kind < 0.54:
        arguments["subject"] = subject
        pattern = template(
            rng,
            """
email {p} about {s}|write {m} to {p} about {s}|draft {m} to {p} about {s}|send {m} to {p} about {s}
send {p} {m} about {s}|compose {m} to {p} regarding {s}|prepare {m} for {p} about {s}
write to {p} regarding {s}|mail {p} about {s}|~fire off {m} to {p} about {s}
start {m} to {p} concerning {s}|I want to email {p} about {s}
""",
            dev,
        )
    elif kind < 0.68:
        arguments |= {"subject": subject, "body": body}
        pattern = template(
            rng,
            """
draft {m} to {p} about {s} saying that {b}|email {p} about {s} and say that {b}
write {m} to {p} about {s} saying {b}|send {p} {m} about {s} saying {b}
send {m} to {p} about {s} and tell them {b}|~put together {m} to {p} about {s} that says {b}
mail {p} about {s}: {b}
""",
            dev,
        )
    elif kind < 0.82:
        pattern = template(
            rng,
            """
send {m} to {p} with the subject {qS}|draft {m} to {p} with subject {qS} and body {qB}
write {m} to {p}, subject {qS}|email {p} with subject {S}|send {m} to {p} subject {S} body {b}
email {p}, subject {qS}, saying {b}|draft {m} to {p}, subject: {S}, text: {B}
mail to {p}, subject {qS}: {B}|send {m} to {p} with the subject {S} saying {b}
~make {m} for {p} with {qS} as subject|~email for {p}, subject line {qS}, text {qB}
""",
            dev,
        )
        arguments["subject"] = bare_subject
        if "{qB}" in pattern or "{B}" in pattern:
            arguments["body"] = first
        elif "{b}" in pattern:
            arguments["body"] = body
    elif kind < 0.9:
        pattern = template(
            rng,
            """
email {p}: {qB}|write {p} an email: {B}|mail {p}: {B}|send {p} the following email: {B}|email {p} {b}
~mail for {p}: {B}|email {p}, {b}
""",
            dev,
        )
        arguments["body"] = body if "{b}" in pattern else first
    else:
        pattern = template(
            rng,
            """
send {m} to {p}|write {m} to {p}|email {p}|compose {m} to {p}|draft {m} to {p}|start {m} to {p}
I need to email {p}|new email to {p}|reply to {p}|answer {p}|mail {p}|prepare {m} for {p}
~open a draft to {p}|write an email|draft an email|compose a new mail
""",
            dev,
        )
        if "{p}" not in pattern:
            arguments = {}
    return Request(
        tidy(pattern.format(**fill)),
        call("draft_mail", **arguments),
        imperative=not pattern.startswith(("I ", "new", "mail to", "email for", "mail for")),
    )
