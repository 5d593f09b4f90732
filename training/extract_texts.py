"""Generated mails, invoices and log lines, and what they say: sentences, lines and segments put together."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from training.phrases import MONTHS

FIRST = tuple(
    [
        "Aaron",
        "Beatriz",
        "Chen",
        "Dalia",
        "Edvard",
        "Fatou",
        "Goran",
        "Hilda",
        "Imran",
        "Jutta",
        "Kenji",
        "Lucia",
        "Mads",
        "Nilufar",
        "Oskar",
        "Petra",
        "Quentin",
        "Rosa",
        "Stefan",
        "Teresa",
        "Umar",
        "Vera",
        "Wanda",
        "Xavier",
        "Yasmin",
        "Zoltan",
        "Brigid",
        "Cosmin",
        "Devi",
        "Enzo",
    ]
)
LAST = tuple(
    [
        "Albrecht",
        "Bianchi",
        "Castro",
        "Dubois",
        "Ekman",
        "Farkas",
        "Gallo",
        "Hofer",
        "Iyer",
        "Jansen",
        "Keller",
        "Larsson",
        "Moreau",
        "Nowak",
        "Ortega",
        "Pavlov",
        "Quist",
        "Rossi",
        "Schubert",
        "Tanaka",
        "Urban",
        "Vasquez",
        "Wagner",
        "Yilmaz",
        "Zhang",
        "Brennan",
        "Costa",
    ]
)
TOWNS = tuple(
    [
        "Aarhus",
        "Bilbao",
        "Cork",
        "Dresden",
        "Espoo",
        "Florence",
        "Graz",
        "Halifax",
        "Izmir",
        "Jena",
        "Krakow",
        "Leeds",
        "Malaga",
        "Nice",
        "Oslo",
        "Padua",
        "Quito",
        "Riga",
        "Seville",
        "Turin",
        "Uppsala",
        "Verona",
        "Warsaw",
        "York",
        "Zagreb",
    ]
)
TRADES = (
    "Logistics",
    "Bakery",
    "Print Works",
    "Software",
    "Garden Centre",
    "Electric",
    "Foods",
    "Interiors",
    "Cycles",
)
FORMS = ("Ltd", "GmbH", "Inc.", "S.A.", "& Co", "BV", "LLC", "")
GOODS = (
    "ballpoint pens",
    "desk chair",
    "LED bulb",
    "hard drive",
    "paint, white",
    "screws M6",
    "rain coat",
    "toner",
    "oat milk",
    "garden hose",
    "keyboard",
    "door handle",
    "notebook A5",
    "extension lead",
    "tea towels",
    "webcam",
)
TOPICS = (
    "the quarterly figures",
    "the new warehouse",
    "our contract",
    "the summer party",
    "the website",
    "the heating",
    "hiring two engineers",
    "the audit",
    "the exhibition",
    "the price list",
)
Made = tuple[str, str]
"""A value as it stands in the text, and the kind of its field."""


def person(rng: random.Random) -> str:
    name = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
    return rng.choice((name, name, f"Mr {name.split()[1]}", f"Ms {name.split()[1]}", name.split()[0]))


def company(rng: random.Random) -> str:
    name = f"{rng.choice((*LAST, *TOWNS))} {rng.choice(TRADES)} {rng.choice(FORMS)}".strip()
    return name.upper() if rng.random() < 0.2 else name


def day(rng: random.Random) -> str:
    moment = date(2021, 1, 1) + timedelta(days=rng.randrange(2600))
    month = MONTHS[moment.month - 1]
    return rng.choice(
        (
            f"{moment.day} {month} {moment.year}",
            f"{month} {moment.day}, {moment.year}",
            moment.isoformat(),
            f"{moment.day:02}.{moment.month:02}.{moment.year}",
            f"{moment.day} {month[:3]} {moment.year}",
        )
    )


def clock(rng: random.Random) -> str:
    hour, minute = rng.randrange(24), rng.choice((0, 5, 10, 15, 20, 30, 40, 45, 50))
    return rng.choice(
        (
            f"{hour:02}:{minute:02}",
            f"{hour % 12 or 12}:{minute:02} {'pm' if hour > 11 else 'am'}",
            f"{hour % 12 or 12} {'pm' if hour > 11 else 'am'}",
        )
    )


def stamp(rng: random.Random) -> str:
    moment = date(2022, 1, 1) + timedelta(days=rng.randrange(1800))
    at = f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"
    return rng.choice(
        (
            f"{moment} {at}",
            f"{moment}T{at}Z",
            f"{moment} {at},{rng.randrange(1000):03}",
            f"{moment.day:02}/{MONTHS[moment.month - 1][:3]}/{moment.year}:{at} +0000",
        )
    )


def money(rng: random.Random) -> str:
    value = rng.choice((rng.uniform(1, 99), rng.uniform(100, 999), rng.uniform(1000, 99000)))
    return rng.choice((f"{value:,.2f}", f"{value:.2f}", f"{value:,.0f}"))


def count(rng: random.Random) -> str:
    return str(rng.choice((rng.randrange(2, 13), rng.randrange(2, 13), rng.randrange(13, 900))))


def code(rng: random.Random) -> str:
    letters = "".join(rng.choice("ABCDEFGHKLMNPRSTUVWXYZ") for _ in range(rng.randrange(1, 4)))
    number = rng.randrange(10, 99999)
    return rng.choice(
        (f"{letters}-{number}", f"{number}", f"{letters}{number}", f"{rng.randrange(2020, 2028)}/{number}")
    )


def phone(rng: random.Random) -> str:
    prefix = rng.choice(("+44 20", "030", "+33 1", "0171"))
    return f"{prefix} {rng.randrange(100, 999)} {rng.randrange(1000, 9999)}"


def mail(rng: random.Random) -> str:
    return f"{rng.choice(FIRST).lower()}.{rng.choice(LAST).lower()}@{rng.choice(TOWNS).lower()}.example"


def address(rng: random.Random) -> str:
    return ".".join(str(rng.randrange(1, 255)) for _ in range(4))


def pick(*values: str) -> Callable[[random.Random], str]:
    return lambda rng: rng.choice(values)


@dataclass(frozen=True)
class Field:
    """Something that a text may say."""

    names: tuple[str, ...]
    """What the user may call it."""
    about: str
    kind: str
    """A type or format of JSON Schema; ``string`` is copied, ``a|b`` is an enum."""
    make: Callable[[random.Random], str]
    said: tuple[str, ...]
    """Wordings with ``{}`` for the value."""


@dataclass
class Text:
    """A text, and what it says."""

    text: str
    values: dict[str, Any]
    """Name of a field -> value as written; None where it is asked and not said."""
    schema: dict[str, Any]
    """JSON Schema of a record with these fields."""
    source: str = field(default="generated")


def _f(names: str, about: str, kind: str, make: Callable[[random.Random], str], *said: str) -> Field:
    return Field(tuple(names.split()), about, kind, make, said)


MAILS = (
    _f(
        "date meeting_date day",
        "day of the meeting",
        "date",
        day,
        "Could we meet on {}?",
        "Shall we say {}?",
        "The new day is {}.",
        "I would suggest {}.",
    ),
    _f(
        "time start_time at",
        "when it begins",
        "time",
        clock,
        "We start at {}.",
        "It begins at {} sharp.",
        "{} would suit me.",
    ),
    _f(
        "place location venue",
        "where",
        "string",
        lambda r: f"the {r.choice(TOWNS)} office",
        "Let us sit together in {}.",
        "Please come to {}.",
    ),
    _f(
        "topic subject about",
        "what it is about",
        "string",
        pick(*TOPICS),
        "It is about {}.",
        "I want to talk about {}.",
        "We need a decision on {}.",
    ),
    _f(
        "amount price sum cost",
        "how much it costs",
        "number",
        money,
        "That makes {} EUR.",
        "We would pay {} for it.",
        "The price is ${}.",
    ),
    _f(
        "order order_number reference",
        "order number",
        "string",
        code,
        "My order is {}.",
        "This concerns order {}.",
        "Reference: {}",
    ),
    _f(
        "deadline due reply_by",
        "latest day",
        "date",
        day,
        "I need it by {}.",
        "The deadline is {}.",
        "Please answer before {}.",
    ),
    _f(
        "phone telephone mobile",
        "phone number",
        "string",
        phone,
        "You can reach me under {}.",
        "Ring me on {}.",
    ),
    _f(
        "email contact_email reply_to",
        "address to write to",
        "email",
        mail,
        "Send it to {}, please.",
        "Write to {} if anything is unclear.",
    ),
    _f(
        "people guests participants",
        "how many come",
        "integer",
        count,
        "There will be {} of us.",
        "We come with {} people.",
    ),
    _f(
        "contact colleague contact_person",
        "whom to ask",
        "string",
        person,
        "{} knows the details.",
        "Ask {} when I am away.",
        "{} will be there as well.",
    ),
    _f(
        "company organisation employer",
        "company that is meant",
        "string",
        company,
        "{} has agreed already.",
        "The offer of {} arrived today.",
    ),
    _f(
        "city town destination",
        "where the trip goes",
        "string",
        pick(*TOWNS),
        "I am travelling to {}.",
        "The fair is in {} this year.",
    ),
    _f(
        "urgency priority",
        "how urgent",
        "low|normal|high",
        pick("low", "normal", "high"),
        "Priority: {}.",
        "I would call the priority {}.",
    ),
)
INVOICES = (
    _f(
        "number invoice_number invoice_no document",
        "invoice number",
        "string",
        code,
        "Invoice number: {}",
        "Invoice {}",
        "Doc. {}",
        "Bill No {}",
    ),
    _f(
        "date issued invoice_date",
        "day of the invoice",
        "date",
        day,
        "Date: {}",
        "Issued on {}",
        "Invoice date {}",
    ),
    _f(
        "due due_date pay_by",
        "latest day of payment",
        "date",
        day,
        "Due: {}",
        "Payable until {}",
        "Please pay by {}",
    ),
    _f("delivered delivery_date", "day of delivery", "date", day, "Delivered: {}", "Delivery date {}"),
    _f(
        "total amount_due gross to_pay",
        "what has to be paid",
        "number",
        money,
        "Total: {}",
        "Amount due {} EUR",
        "TOTAL USD {}",
        "Grand total {}",
    ),
    _f("net subtotal", "amount without tax", "number", money, "Subtotal {}", "Net amount: {}"),
    _f("tax vat", "amount of tax", "number", money, "VAT {}", "Tax: {}", "incl. sales tax {}"),
    _f("shipping postage", "cost of delivery", "number", money, "Shipping {}", "Postage and packing: {}"),
    _f("customer buyer bill_to", "who pays", "string", person, "Bill to: {}", "Customer {}", "To: {}"),
    _f(
        "customer_number account client_id",
        "number of the customer",
        "string",
        code,
        "Customer no. {}",
        "Account: {}",
    ),
    _f(
        "iban bank_account",
        "account to pay to",
        "string",
        lambda r: f"NL{r.randrange(10, 99)} BANK {r.randrange(1000, 9999)} {r.randrange(1000, 9999)}",
        "IBAN {}",
        "Pay to {}",
    ),
    _f("city place", "town of the seller", "string", pick(*TOWNS), "{}", "Office: {}"),
    _f(
        "method payment_method",
        "how it was paid",
        "cash|card|transfer",
        pick("cash", "card", "transfer"),
        "Paid by {}",
        "Payment: {}",
    ),
    _f("order po_number", "number of the order", "string", code, "Your order {}", "PO {}", "Order ref: {}"),
)
LOGS = (
    _f(
        "level severity",
        "",
        "DEBUG|INFO|WARN|ERROR",
        pick("DEBUG", "INFO", "WARN", "ERROR"),
        "{}",
        "[{}]",
        "level={}",
    ),
    _f(
        "host node server",
        "machine",
        "string",
        lambda r: f"{r.choice(('srv', 'node', 'edge', 'db'))}-{r.randrange(1, 40)}",
        "{}",
        "host={}",
        "on {}",
    ),
    _f(
        "process program service",
        "program that writes",
        "string",
        pick("nginx", "billing", "indexer", "auth", "mailer", "queue"),
        "{}:",
        "service={}",
        "[{}]",
    ),
    _f(
        "pid process_id",
        "process number",
        "integer",
        lambda r: str(r.randrange(100, 30000)),
        "pid={}",
        "(pid {})",
    ),
    _f(
        "user account user_name",
        "user",
        "string",
        lambda r: r.choice(FIRST).lower(),
        "user={}",
        "user '{}'",
        "by {}",
    ),
    _f("address ip client", "address of the client", "ipv4", address, "from {}", "client={}", "ip={}"),
    _f(
        "duration_ms elapsed took_ms",
        "milliseconds",
        "integer",
        lambda r: str(r.randrange(1, 9000)),
        "in {}ms",
        "took {} ms",
        "duration={}",
    ),
    _f(
        "status status_code",
        "HTTP status",
        "integer",
        pick("200", "201", "301", "401", "404", "500", "502"),
        "status={}",
        "-> {}",
        "HTTP {}",
    ),
    _f(
        "path url_path resource",
        "what was asked for",
        "string",
        lambda r: f"/{r.choice(('api', 'img', 'v2'))}/{r.randrange(1, 999)}",
        "path={}",
        "GET {}",
    ),
    _f(
        "file filename",
        "file",
        "string",
        lambda r: f"{r.choice(('data', 'stock', 'users'))}_{r.randrange(10, 99)}.csv",
        "file={}",
        "reading {}",
    ),
    _f(
        "retries attempts",
        "how often it was tried",
        "integer",
        lambda r: str(r.randrange(1, 9)),
        "retries={}",
        "after {} attempts",
    ),
    _f(
        "job task",
        "name of the job",
        "string",
        lambda r: f"{r.choice(('sync', 'cleanup', 'export'))}-{r.randrange(1, 99)}",
        "job={}",
        "job {} ended",
    ),
    _f(
        "error cause message",
        "what went wrong",
        "string",
        pick("connection refused", "disk quota exceeded", "invalid token", "checksum mismatch"),
        "error: {}",
        'err="{}"',
        "- {}",
    ),
)


def draw(rng: random.Random) -> Text:
    """One generated text; a third each of mails, invoices and log lines."""
    kind = rng.choice(("mail", "invoice", "log"))
    fields: Sequence[Field] = {"mail": MAILS, "invoice": INVOICES, "log": LOGS}[kind]
    chosen = rng.sample(fields, rng.randrange(3, 8))
    values = [chosen_field.make(rng) for chosen_field in chosen]
    parts = [rng.choice(one.said).format(value) for one, value in zip(chosen, values, strict=True)]
    fixed: list[tuple[Field, Any]] = []
    if kind == "mail":
        text, fixed = _mail(rng, parts)
    elif kind == "invoice":
        text, fixed = _invoice(rng, parts)
    else:
        moment = stamp(rng)
        text = " ".join([moment, *parts])
        fixed = [(_f("time timestamp at", "", "date-time", stamp), moment)]
    said = [*fixed, *zip(chosen, values, strict=True)]
    absent = rng.sample([one for one in fields if one not in chosen], rng.randrange(0, 4))
    # Some of what is said is not asked for.
    asked = rng.sample(said, rng.randrange(max(1, len(said) - 3), len(said) + 1))
    return _wanted(rng, text, [*asked, *((one, None) for one in absent)], kind)


def _mail(rng: random.Random, parts: list[str]) -> tuple[str, list[tuple[Field, Any]]]:
    sender, reader = person(rng), rng.choice(FIRST)
    hello = rng.choice(("Hi {},", "Dear {},", "Hello {}", "{},", "Good evening {},")).format(reader)
    bye = rng.choice(("Regards,\n{}", "Best wishes\n{}", "Many thanks, {}", "{}", "Yours\n{}")).format(sender)
    asides = ("How are you?", "I hope all is well.", "Sorry for the late answer.", "More when we speak.")
    if rng.random() < 0.5:
        parts = [rng.choice(asides), *parts]
    text = f"{hello}\n{rng.choice((' ', ' ', chr(10))).join(parts)}\n{bye}"
    names = (_f("sender from_person name", "who writes", "string", person), sender)
    to = (_f("recipient addressee to_person", "who is written to", "string", person), reader)
    return text, [pair for pair in (names, to) if rng.random() < 0.6]


def _invoice(rng: random.Random, parts: list[str]) -> tuple[str, list[tuple[Field, Any]]]:
    vendor = company(rng)
    lines = []
    items = []
    for name in rng.sample(GOODS, rng.choice((0, 0, 1, 2, 3))):
        quantity, price = count(rng), money(rng)
        form = rng.choice(("{0} x {1}  {2}", "{1}, qty {0}, {2}", "{1}  {0}  {2}", "{0} {1} at {2}"))
        lines.append(form.format(quantity, name, price))
        items.append({"name": name, "quantity": quantity, "price": price})
    place = rng.randrange(len(parts) + 1)
    text = "\n".join([vendor, *parts[:place], *lines, *parts[place:]])
    fixed: list[tuple[Field, Any]] = [
        (_f("vendor seller supplier shop", "who sends it", "string", company), vendor)
    ]
    if items:
        fixed.append((_f("items lines positions", "", "items", company), items))
    return text, fixed


def _wanted(rng: random.Random, text: str, asked: list[tuple[Field, Any]], kind: str) -> Text:
    rng.shuffle(asked)
    properties: dict[str, Any] = {}
    values: dict[str, Any] = {}
    required = []
    described = rng.random() < 0.4
    for one, value in asked:
        name = rng.choice(one.names)
        if name in properties:
            continue
        schema = _schema(one.kind)
        properties[name] = {**schema, "description": one.about} if described and one.about else schema
        values[name] = value
        if value is not None and rng.random() < 0.4:
            required.append(name)
    return Text(
        text, values, {"type": "object", "properties": properties, "required": required}, f"generated-{kind}"
    )


def _schema(kind: str) -> dict[str, Any]:
    if "|" in kind:
        return {"type": "string", "enum": kind.split("|")}
    if kind in ("string", "integer", "number"):
        return {"type": kind}
    if kind == "items":
        parts: Mapping[str, str] = {"name": "string", "quantity": "integer", "price": "number"}
        inner = {name: {"type": part} for name, part in parts.items()}
        return {"type": "array", "items": {"type": "object", "properties": inner, "required": ["name"]}}
    return {"type": "string", "format": kind}
