"""Values that generated requests hold: as they are said, and as a call has them."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

Said = tuple[str, Any]
Maker = Callable[[random.Random], Said]


@dataclass(frozen=True)
class Kind:
    """A type as JSON Schema, and how its values are made."""

    schema: dict[str, Any]
    make: Maker


CITIES = (
    "Oslo|Bergen|Paris|Lyon|Rome|Milan|Berlin|Hamburg|Vienna|Prague|Madrid|Seville|Lisbon|Porto|Dublin|"
    "Cork|London|Leeds|Boston|Denver|Austin|Chicago|Seattle|Toronto|Montreal|Tokyo|Osaka|Kyoto|Seoul|"
    "Busan|Delhi|Mumbai|Cairo|Lagos|Nairobi|Cape Town|Sydney|Perth|Auckland|San Diego|New Orleans|"
    "Buenos Aires|São Paulo|Lima|Bogotá|Athens|Zurich|Geneva|Brussels|Ghent|Warsaw|Kraków|Helsinki|"
    "Riga|Tallinn|Istanbul|Dubai|Singapore|Hanoi|Bangkok"
)
NAMES = (
    "Anna Berg|Tom Ford|Maria Silva|Ken Ito|Lena Vogt|Omar Aziz|Julia Stein|Peter Novak|Ines Costa|"
    "Raj Patel|Mei Lin|Sara Holm|Paul Weber|Nina Rossi|Jack Moore|Eva Lund|Luis Vega|Amy Chan|"
    "Ben Adler|Zoe Marsh|Ivan Petrov|Ada King|Noah Clark|Mia Jensen|Yara Haddad|Leo Brandt|Tara Singh|"
    "Hugo Blanc|Olga Dunin|Sam Okoro"
)
THINGS = (
    "milk|eggs|bread|rice|apples|coffee|tea|batteries|light bulbs|paper towels|cat food|olive oil|"
    "flour|tomatoes|soap|printer ink|envelopes|notebooks|screws|paint|towels|candles|honey|yoghurt|"
    "onions|pasta|oranges|basil|salt|sugar"
)
TOPICS = (
    "climate change|solar energy|the French Revolution|machine learning|chess openings|sourdough|"
    "black holes|jazz|coral reefs|electric cars|the stock market|volcanoes|Roman law|bird migration|"
    "quantum computing|space travel|vaccines|wind power|medieval castles|football|opera|robotics|"
    "beekeeping|glaciers|cryptography|ceramics"
)
TITLES = (
    "Quiet Rivers|The Last Orchard|Night Train|Paper Moons|A Winter in Lisbon|Glass Houses|"
    "Northern Light|The Long Way|Salt and Stone|Borrowed Time|The Clockmaker|Blue Harbour|Silent Hours|"
    "Copper Sky|The Second Door|Wild Honey"
)
NOTES = (
    "the parcel has arrived|I will be ten minutes late|the meeting is moved to room 4|"
    "please send the invoice|dinner is ready|the build has failed|we have run out of paper|"
    "call me when you can|the keys are with the porter|happy birthday|the report is done|"
    "see you at the station"
)
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
NUMBERS = "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"


def one_of(values: str) -> Kind:
    """A text, one of those between bars."""
    return Kind({"type": "string"}, lambda rng: (value := rng.choice(values.split("|")), value))


def whole(low: int, high: int, *, bounded: bool = False) -> Kind:
    schema: dict[str, Any] = {"type": "integer"} | ({"minimum": low, "maximum": high} if bounded else {})

    def make(rng: random.Random) -> Said:
        value = rng.randint(low, high)
        return (NUMBERS.split("|")[value] if value <= 12 and rng.random() < 0.4 else str(value)), value

    return Kind(schema, make)


def real(low: float, high: float, digits: int = 2) -> Kind:
    def make(rng: random.Random) -> Said:
        value = round(rng.uniform(low, high), rng.randint(0, digits))
        value = int(value) if value == int(value) else value
        return (f"{value:,}" if value >= 10000 and rng.random() < 0.3 else str(value)), value

    return Kind({"type": "number"}, make)


def choice(words: dict[str, str] | str) -> Kind:
    """An enum: words as they are said, each with its constant."""
    table = words if isinstance(words, dict) else {word.replace("_", " "): word for word in words.split("|")}
    values = list(dict.fromkeys(table.values()))

    def make(rng: random.Random) -> Said:
        said = rng.choice(list(table))
        return said, table[said]

    return Kind({"type": "string", "enum": values}, make)


def flag() -> Kind:
    """A truth; what is said of it stands in the argument's clauses."""
    return Kind({"type": "boolean"}, lambda rng: ("", rng.random() < 0.6))


def day() -> Kind:
    def make(rng: random.Random) -> Said:
        when = date(2025, 1, 1) + timedelta(days=rng.randrange(1500))
        month = MONTHS.split("|")[when.month - 1]
        forms = [
            f"{when.day} {month} {when.year}",
            f"{month} {when.day}, {when.year}",
            when.isoformat(),
            when.isoformat(),
        ]
        return rng.choice(forms), when.isoformat()

    return Kind({"type": "string", "format": "date"}, make)


def clock() -> Kind:
    """A time of the day as ``HH:MM``."""

    def make(rng: random.Random) -> Said:
        hour, minute = rng.randrange(24), rng.choice([0, 0, 0, 15, 30, 45, rng.randrange(60)])
        half = "am" if hour < 12 else "pm"
        twelve = (hour - 1) % 12 + 1
        spoken = f"{twelve} {half}" if minute == 0 else f"{twelve}:{minute:02d} {half}"
        value = f"{hour:02d}:{minute:02d}"
        return rng.choice([spoken, spoken, value, value]), value

    return Kind({"type": "string", "description": "as HH:MM"}, make)


def code(prefix: str = "") -> Kind:
    def make(rng: random.Random) -> Said:
        letters = "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=rng.randint(1, 3)))
        value = rng.choice(
            [f"{prefix}{rng.randint(100, 99999)}", f"{prefix}{letters}-{rng.randint(10, 9999)}"]
        )
        return value, value

    return Kind({"type": "string"}, make)


def mail() -> Kind:
    def make(rng: random.Random) -> Said:
        first, last = rng.choice(NAMES.split("|")).lower().split()
        value = (
            f"{first}{rng.choice(['.', '_', ''])}{last}@{rng.choice(['example.org', 'mail.net', 'post.io'])}"
        )
        return value, value

    return Kind({"type": "string", "format": "email"}, make)


def many(kind: Kind, most: int = 4) -> Kind:
    """A list, said as ``a, b and c``."""

    def make(rng: random.Random) -> Said:
        made: dict[str, Any] = {}
        count = rng.randint(1, most)
        while len(made) < count:
            said, value = kind.make(rng)
            made.setdefault(said, value)
        return listed(list(made)), list(made.values())

    return Kind({"type": "array", "items": kind.schema}, make)


def record(form: str, **fields: Kind) -> Kind:
    """An object, said by a form with its fields' names in braces; all of them required."""

    def make(rng: random.Random) -> Said:
        parts = {name: kind.make(rng) for name, kind in fields.items()}
        said = form.format(**{name: part[0] for name, part in parts.items()})
        return said, {name: part[1] for name, part in parts.items()}

    schema = {
        "type": "object",
        "properties": {name: kind.schema for name, kind in fields.items()},
        "required": list(fields),
    }
    return Kind(schema, make)


def listed(said: list[str]) -> str:
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"


CITY, PERSON, THING, TOPIC, TITLE, NOTE = (
    one_of(values) for values in (CITIES, NAMES, THINGS, TOPICS, TITLES, NOTES)
)
