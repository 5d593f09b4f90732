"""The parts of which planner requests are composed: what is asked, and what serves it."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from training import phrases, references, refusals, words
from training.planner_experts import Other
from training.requests import Request, addressee, template
from training.requests_all import draw
from training.style import QUESTION, faithful, map_strings, polite, spoken
from training.tables_questions import ask
from training.tables_schemas import HELD_OUT, TABLES, Table, parse_tables
from training.tables_values import pool
from training.words import pick

# What a person may say of the result of an organizer step that answers something.
ANSWERING = ("find_events", "find_alarms", "show_list")


@dataclass
class Part:
    """One thing asked. ``kind``: organizer, tables, the first name of another expert, or none.

    ``uses`` are the numbers of the earlier parts whose results it needs; ``answers`` says whether it has one.
    """

    text: str
    kind: str
    question: bool = False
    answers: bool = False
    topic: str = ""
    reference: str = ""
    file: str | None = None
    uses: list[int] = field(default_factory=list)


def decapital(text: str) -> str:
    """The text as it goes on in a sentence: a small first letter, unless more of the word is in capitals."""
    first = text.split(" ", 1)[0]
    return text[0].lower() + text[1:] if first[1:].islower() else text


class Sources:
    """Where parts are drawn from: one side of the split, train or dev."""

    def __init__(
        self,
        dev: bool,
        hwu: Mapping[str, Sequence[str]],
        intents: Mapping[str, Sequence[str]],
        wikisql: Sequence[tuple[str, str]],
    ) -> None:
        self.dev, self.hwu, self.intents, self.wikisql = dev, hwu, intents, wikisql
        self.seen: list[Table] = parse_tables(TABLES)
        self.tables: list[Table] = parse_tables(HELD_OUT) if dev else self.seen

    # -- organizer

    def organizer(self, rng: random.Random, speech: bool) -> Part:
        if self.hwu and rng.random() < 0.2:
            intent = rng.choice(sorted(self.hwu))
            text = rng.choice(self.hwu[intent])
            if 3 <= len(text.split()) <= 16:
                answers = intent in ("calendar_query", "alarm_query", "lists_query")
                return Part(text, "organizer", bool(QUESTION.match(text)), answers)
        while True:
            request = draw(rng, self.dev, speech)
            made = request.call
            if speech:
                made = {**made, "arguments": map_strings(made["arguments"], spoken)}
            if faithful(Request(spoken(request.text) if speech else request.text, made)):
                break
        if rng.random() < 0.35:
            request.text = polite(rng, request, self.dev)
        text = re.sub(r"[.!?]+$", "", request.text)
        return Part(text, "organizer", bool(QUESTION.match(text)), request.call["name"] in ANSWERING)

    # -- tables

    def table_question(self, rng: random.Random) -> Part:
        if self.wikisql and rng.random() < 0.22:
            text, column = rng.choice(self.wikisql)
            text = decapital(text.strip().rstrip("?. "))
            return Part(text, "tables", bool(QUESTION.match(text)), True, topic=f"?{column}")
        table = rng.choice(self.tables)
        while True:
            question = ask(rng, [table], self.seen, self.dev)
            if question.intent != "refuse" and len(question.text) < 130:
                break
        text = decapital(re.sub(r"[?.! ]+$", "", question.text))
        return Part(text, "tables", bool(QUESTION.match(text)), True, topic=table.many)

    # -- others

    def other(self, rng: random.Random, kind: Other) -> Part:
        every = [t for i in kind.intents for t in self.intents.get(i, ()) if 2 < len(t.split()) < 15]
        if kind.templates and (not every or rng.random() < 0.4):
            text = fill(rng, template(rng, kind.templates, self.dev), self.dev)
        else:
            text = rng.choice(every)
        return Part(text.rstrip("?."), kind.names[0], bool(QUESTION.match(text)), kind.answers)

    def unserved(self, rng: random.Random) -> Part:
        """A request that sounds like the organizer's, or anybody's, and is nobody's: reading mail, files."""
        intents = [
            i for i in ("email_query", "email_querycontact", "email_addcontact") if self.intents.get(i)
        ]
        if intents and rng.random() < 0.4:
            text = rng.choice(self.intents[rng.choice(intents)])
            return Part(text, "none", bool(QUESTION.match(text)))
        topic = rng.choice(
            [
                "checking mail",
                "contacts",
                "files",
                "sending mail",
                "health advice",
                "ordering",
                "sport results",
            ]
        )
        text = fill(rng, template(rng, refusals.MODERN[topic], self.dev), self.dev)
        return Part(text.rstrip("?."), "none", bool(QUESTION.match(text)))

    # -- references

    def reference(self, rng: random.Random, speech: bool, count: int, ordinal: str = "") -> Part:
        """An organizer request about ``count`` earlier results, or the one that ``ordinal`` names."""
        said = (
            rng.choice([f"the {ordinal} {noun}" for noun in ("number", "result", "answer", "one")])
            if ordinal
            else ""
        )
        request = references.refer(rng, self.dev, speech, count, said)
        text = re.sub(r"[.!?]+$", "", request.text)
        if rng.random() < 0.06:
            text = "please " + text
        return Part(text, "organizer", reference=ordinal or str(count))


def fill(rng: random.Random, text: str, dev: bool) -> str:
    cities = words.lines(
        "Berlin|Paris|Tokyo|Lagos|Lima|Oslo|Boston|Madrid|Mumbai|Cairo|Sydney|Rome|Seoul|Vienna|Nairobi"
    )
    return text.format(
        c=rng.choice(cities),
        p=pick(rng, words.FIRST, dev),
        n=rng.randint(2, 99),
        m=rng.randint(100, 999),
        b=rng.choice(['"see you tomorrow"', "good morning", "'where is the station'", "happy birthday"]),
        l=rng.choice(words.lines("German|French|Spanish|Turkish|Hindi|Polish|Swahili|Korean")),
    )


# ---- one wording, several steps ----------------------------------------------------------------------


def elided(rng: random.Random, dev: bool, speech: bool) -> tuple[str, list[str]]:
    """A request whose second half leaves the verb out, and its tasks with the verb repeated."""
    x, y, z = (pick(rng, words.VERB_TASK, dev) for _ in range(3))
    w1, w2, w3 = (phrases.when(rng, speech, "tttdb").surface for _ in range(3))
    names = [pick(rng, words.LIST, dev) for _ in range(2)]
    i, j = pick(rng, words.GROCERY, dev), pick(rng, words.GROCERY, dev)
    p, q = addressee(rng, dev, speech), addressee(rng, dev, speech)
    b, c = pick(rng, words.BODY, dev), pick(rng, words.BODY, dev)
    t, u = pick(rng, words.TITLE, dev), pick(rng, words.TITLE, dev)
    at1, at2 = phrases.clock(rng, speech), phrases.clock(rng, speech)
    joint = rng.choice([" and ", " and ", ", and ", " and also ", ", "])
    kind = rng.randrange(11)
    if kind == 0:
        return f"remind me {w1} to {x}{joint}{w2} to {y}", [
            f"remind me {w1} to {x}",
            f"remind me {w2} to {y}",
        ]
    if kind == 1:
        return f"remind me to {x} {w1}{joint}to {y} {w2}", [
            f"remind me to {x} {w1}",
            f"remind me to {y} {w2}",
        ]
    if kind == 2:
        return f"remind me {w1} to {x}, {w2} to {y} and {w3} to {z}", [
            f"remind me {w} to {v}" for w, v in ((w1, x), (w2, y), (w3, z))
        ]
    if kind == 3:
        return f"add {i} to my {names[0]} list{joint}{j} to my {names[1]} list", [
            f"add {i} to my {names[0]} list",
            f"add {j} to my {names[1]} list",
        ]
    if kind == 4:
        return f"email {p} that {b}{joint}{q} that {c}", [f"email {p} that {b}", f"email {q} that {c}"]
    if kind == 5:
        verb = rng.choice(["wake me up", "set an alarm", "set alarms"])
        lead = {"wake me up": "at", "set an alarm": "for", "set alarms": "for"}[verb]
        again = f" {lead}" if rng.random() < 0.5 else ""
        return f"{verb} {lead} {at1} and{again} {at2}", [f"{verb} {lead} {at1}", f"{verb} {lead} {at2}"]
    if kind == 6:
        verb = rng.choice(["cancel", "delete", "remove"])
        return f"{verb} my {t}{joint}my {u}", [f"{verb} my {t}", f"{verb} my {u}"]
    if kind == 7:
        return f"schedule a {t} {w1}{joint}a {u} {w2}", [f"schedule a {t} {w1}", f"schedule a {u} {w2}"]
    if kind == 8:
        return f"put {i} on the {names[0]} list{joint}{j} on the {names[1]} list", [
            f"put {i} on the {names[0]} list",
            f"put {j} on the {names[1]} list",
        ]
    if kind == 9:
        return f"set a reminder to {x} {w1}{joint}another to {y} {w2}", [
            f"set a reminder to {x} {w1}",
            f"set a reminder to {y} {w2}",
        ]
    s, o = pick(rng, words.SUBJECT, dev), pick(rng, words.TOPIC, dev)
    return f"draft an email to {p} about {s}{joint}one to {q} about {o}", [
        f"draft an email to {p} about {s}",
        f"draft an email to {q} about {o}",
    ]


def elided_tables(rng: random.Random, tables: Sequence[Table]) -> tuple[str, list[str], str]:
    """A table question asked twice with its noun or verb left out the second time; also the table's topic."""
    while True:
        table = rng.choice(tables)
        places = [
            f
            for f in table.fields
            if f.kind == "cat"
            and any(s.startswith(("from {v}", "in {v}", "by {v}", "for {v}")) for s in f.said)
        ]
        flags = [
            f
            for f in table.fields
            if f.kind == "bool"
            and f.said
            and f.unsaid
            and any(s.startswith("^") for s in f.said)
            and any(s.startswith("^") for s in f.unsaid)
        ]
        numbers = [f for f in table.fields if f.kind in ("num", "avg")]
        kind = rng.randrange(4)
        if kind < 2 and places:
            place = rng.choice(places)
            lead = next(s for s in place.said if s.startswith(("from {v}", "in {v}", "by {v}", "for {v}")))
            first, second = rng.sample(list(pool(place.pool)), 2)
            a, b = lead.replace("{v}", str(first)), lead.replace("{v}", str(second))
            if kind:
                return f"how many {table.many} {a} and {second}", [], table.many
            joint = rng.choice([" and ", " and ", ", and ", "? And ", "? "])
            how = "How" if joint == "? " else "how"
            mark = "?" if "?" in joint else ""
            return (
                f"how many {table.many} {a}{joint}{how} many {b}",
                [f"how many {table.many} {a}{mark}", f"{how} many {table.many} {b}"],
                table.many,
            )
        if kind == 2 and flags:
            flag = rng.choice(flags)
            yes = next(s for s in flag.said if s.startswith("^"))[1:]
            no = next(s for s in flag.unsaid if s.startswith("^"))[1:]
            return (
                f"how many {table.many} are {yes} and how many are {no}",
                [f"how many {table.many} are {yes}", f"how many {table.many} are {no}"],
                table.many,
            )
        if kind == 3 and len(numbers) > 1:
            f, g = rng.sample(numbers, 2)
            m, n = rng.sample(["average", "total", "highest", "lowest"], 2)
            verb = rng.choice(["what is", "give me", "show"])
            # one query answers both
            return (
                f"{verb} the {m} {f.headers[0]} and the {n} {g.headers[0]} of the {table.many}",
                [],
                table.many,
            )
