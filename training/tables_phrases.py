"""Recipe part: noun phrases with filters ("unpaid orders from Berlin over 500") and the conditions they mean.

While a question is built, filters stand in it as single private-use characters, so that the conditions can be
put into the order in which their values are read.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from training.phrases import MONTHS
from training.tables_schemas import Field, Table
from training.tables_values import pool
from training.tables_wordings import BETWEEN, DATE_OPS, EXPLICIT, MONEY, NUMBER_OPS

Json = dict[str, Any]
MARK = 0xE000
UNITS = {
    "km",
    "kg",
    "cm",
    "m",
    "g",
    "eur",
    "min",
    "ms",
    "kw",
    "gb",
    "t",
    "c",
    "by",
    "on",
    "to",
    "at",
    "for",
    "with",
    "mg",
    "from",
}
NUMBERS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


@dataclass(slots=True)
class Filter:
    """A phrase that narrows the rows, and the conditions it means; `before` stands before the noun."""

    text: str
    conditions: list[Json]
    before: bool = False
    adjective: str = ""


class Impossible(Exception):
    """This table has not the columns that the intent needs: draw again."""


def plural(word: str) -> str:
    """English plural of a column's name, good enough for questions."""
    if word.endswith(("s", "%", ")", "x")) or word[-1:].isdigit() or word.split()[-1] in UNITS:
        return word
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("sh", "ch")) else f"{word}s"


SPANS = (
    "last week",
    "this week",
    "last month",
    "this month",
    "last year",
    "this year",
    "last quarter",
    "yesterday",
    "today",
    "last 30 days",
    "last 7 days",
    "last two weeks",
    "past six months",
    "last 12 months",
    "next week",
    "next month",
    "this quarter",
)
RELATIVE = {*SPANS, "last monday", "last friday"}
FREE = (
    "refund",
    "late",
    "broken",
    "urgent",
    "conference",
    "Berlin trip",
    "password",
    "printer",
    "invoice",
    "damaged",
    "client dinner",
    "timeout",
    "login",
    "crash",
    "thank you",
    "delivery",
    "slow",
    "error 500",
    "coffee",
    "warranty",
    "friendly",
    "expensive",
    "disk full",
)
AGE_WORDS = {
    ">": ("older than {n}", "over {n}", "above {n} years"),
    "<": ("younger than {n}", "under {n}"),
    ">=": ("aged {n} or older", "at least {n} years old"),
    "<=": ("aged {n} or younger",),
    "=": ("aged {n}", "who are {n} years old"),
}
BARE_WORDS = {
    ">": ("over {n}", "above {n}", "of more than {n}", "worth more than {n}", "for more than {n}"),
    "<": ("under {n}", "below {n}", "of less than {n}", "for less than {n}"),
    ">=": ("of at least {n}", "worth at least {n}", "of {n} or more"),
    "<=": ("of at most {n}", "of {n} or less", "up to {n}"),
}


@dataclass(slots=True)
class Phrases:
    """Draws noun phrases about one table with a chosen set of columns; `held` picks the held-out wordings."""

    dice: random.Random
    table: Table
    columns: list[tuple[Field, str]]
    held: bool = False
    lower: bool = False
    filters: list[Filter] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    # -- choosing

    def pick(self, wordings: Sequence[str]) -> str:
        """One wording: those marked "!" are held out for development."""
        part = [text.lstrip("!") for text in wordings if text.startswith("!") == self.held]
        return self.dice.choice(part or [text.lstrip("!") for text in wordings])

    def some(self, *kinds: str, said: bool = False) -> tuple[Field, str]:
        """An unused column of one of the kinds."""
        fit = [
            (column, header)
            for column, header in self.columns
            if column.kind in kinds
            and header not in self.used
            and (not said or (column.said and column.unsaid))
        ]
        if not fit:
            raise Impossible
        chosen = self.dice.choice(fit)
        self.used.add(chosen[1])
        return chosen

    def chance(self, share: float) -> bool:
        return self.dice.random() < share

    def say(self, column: Field, header: str) -> str:
        """How the question names the column: mostly as the file does, else by another name it could have."""
        if self.chance(0.75):
            return header
        others = [h for h in column.headers if all(h != other for _, other in self.columns) and len(h) > 3]
        return self.dice.choice([*others, header])

    # -- values

    def cased(self, value: str) -> str:
        return value.lower() if self.lower else value

    def value(self, column: Field) -> str:
        if column.kind == "free":
            return self.cased(self.dice.choice(FREE))
        value = self.dice.choice(pool(column.pool))
        if self.chance(0.06) and column.pool not in ("gender", "priority"):
            value = self.dice.choice(pool(self.dice.choice(("person", "company", "code", "title", "city"))))
        return self.cased(value)

    def number(self, column: Field) -> tuple[str, int | float]:
        """The number as written, and as JSON."""
        low, high = (column.low, column.high) if column.high else (1, 99999)
        exact = self.dice.uniform(low, high)
        if high <= 12 and self.chance(0.5):
            value: int | float = round(exact, 1)
        elif high > 200 and self.chance(0.7):
            size = 10 ** max(0, len(str(int(exact))) - self.dice.choice((1, 2)))
            value = max(low, int(exact) // size * size)
        elif self.chance(0.08):
            value = round(exact, 2)
        else:
            value = round(exact)
        if isinstance(value, float) and value == int(value):
            value = int(value)
        text = f"{value:,}" if value >= 1000 and self.chance(0.25) else str(value)
        if isinstance(value, int) and 2 <= value <= 12 and self.chance(0.3):
            text = NUMBERS[value]
        elif any(word in " ".join(column.headers) for word in MONEY) and self.chance(0.3):
            text = self.dice.choice(
                ("${}", "€{}", "{} euros", "{} dollars", "{} EUR", "{}€", "£{}", "{} USD")
            ).format(text)
        return text, value

    def period(self) -> str:
        """A date phrase that means a span: the question says "in" or nothing before it."""
        dice = self.dice
        year = dice.randint(2015, 2027)
        month = dice.choice(MONTHS)
        kind = dice.random()
        if kind < 0.3:
            phrase = f"{month} {year}"
        elif kind < 0.45:
            phrase = month
        elif kind < 0.7:
            phrase = str(year)
        elif kind < 0.74:
            phrase = f"{year}-{dice.randint(1, 12):02d}"
        else:
            return dice.choice(SPANS)
        return self.cased(phrase)

    def day(self) -> str:
        dice = self.dice
        year, number, day = dice.randint(2015, 2027), dice.randint(1, 12), dice.randint(1, 28)
        month = MONTHS[number - 1]
        ending = "th" if 4 <= day <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
        forms = (
            f"{year}-{number:02d}-{day:02d}",
            f"{year}-{number:02d}-{day:02d}",
            f"{day} {month} {year}",
            f"{month} {day}, {year}",
            f"{month} {day}",
            f"{month} {day}{ending}",
            f"the {day}{ending} of {month}",
            f"{day}.{number}.{year}",
            f"{number}/{day}/{year}",
            f"{month[:3]} {day} {year}",
            "yesterday",
            "today",
            "last Monday",
            "last Friday",
        )
        return self.cased(dice.choice(forms))

    # -- filters

    def add(self, made: Filter) -> str:
        self.filters.append(made)
        return chr(MARK + len(self.filters) - 1)

    def filter_of(self, column: Field, header: str) -> Filter:
        """A filter on that column."""
        self.used.add(header)
        if column.kind in ("cat", "name"):
            return self._text(column, header)
        if column.kind in ("num", "avg", "id"):
            return self._number(column, header)
        if column.kind == "date":
            return self._date(column, header)
        if column.kind == "bool":
            truth = self.chance(0.5) or not column.unsaid
            text = self.pick(column.said if truth else column.unsaid)
            adjective = text[1:] if text.startswith("^") else ""
            condition = {"column": header, "op": "=", "value": truth}
            return Filter(text.lstrip("^"), [condition], bool(adjective), adjective)
        return self._contains(column, header)

    def _contains(self, column: Field, header: str) -> Filter:
        value = self.value(column)
        if column.kind != "free":
            value = self.dice.choice(value.split())
        written = self.dice.choice(('"{}"', "'{}'")).format(value) if self.chance(0.15) else value
        text = self.pick(EXPLICIT["contains"]).format(h=self.say(column, header), v=written)
        return Filter(text, [{"column": header, "op": "contains", "value": value}])

    def _text(self, column: Field, header: str) -> Filter:
        kind = self.dice.random()
        if (column.kind == "name" and kind > 0.35) or kind > 0.97:
            return self._contains(column, header)
        said = self.say(column, header)
        phrases = [text for text in column.said if text]
        if kind < 0.13 and column.kind == "cat":
            values = list(dict.fromkeys(self.value(column) for _ in range(self.dice.choice((2, 2, 2, 3)))))
            if len(values) > 1:
                written = f"{', '.join(values[:-1])}{self.dice.choice((' or ', ' or ', ' and '))}{values[-1]}"
                written = self.dice.choice(("{}", "{}", "{}", "either {}")).format(written)
                usable = [text for text in phrases if not text.startswith("^")]
                text = self.dice.choice([*usable, *usable, self.pick(EXPLICIT["in"])]).format(
                    h=said, v=written
                )
                return Filter(text, [{"column": header, "op": "in", "value": values}])
        value = self.value(column)
        if kind < 0.22:
            usable = [text for text in phrases if not text.startswith(("^", "who", "that"))]
            forms = [self.pick(EXPLICIT["!="])]
            if usable:
                forms += ["not " + self.dice.choice(usable)] * 2
            text = self.dice.choice(forms).format(h=said, v=value)
            return Filter(text, [{"column": header, "op": "!=", "value": value}])
        condition = {"column": header, "op": "=", "value": value}
        if phrases and self.chance(0.8):
            text = self.dice.choice(phrases)
            before = text.startswith("^")
            text = text.lstrip("^").format(v=value)
            return Filter(text, [condition], before, text if before else "")
        return Filter(self.pick(EXPLICIT["="]).format(h=said, v=value), [condition])

    def _number(self, column: Field, header: str) -> Filter:
        said = self.say(column, header)
        written, value = self.number(column)
        if column.kind == "id":
            value = self.dice.randint(1, 99999)
            written = str(value)
            text = self.pick(
                (
                    "with {h} {n}",
                    "where {h} is {n}",
                    "whose {h} is {n}",
                    "with the {h} {n}",
                    "!having {h} {n}",
                )
            )
            return Filter(text.format(h=said, n=written), [{"column": header, "op": "=", "value": value}])
        if self.chance(0.14):
            first, second = sorted((self.number(column), self.number(column)), key=lambda pair: pair[1])
            if first[1] < second[1]:
                text = self.pick(BETWEEN).format(h=said, a=first[0], b=second[0])
                pair = [(">=", first[1]), ("<=", second[1])]
                return Filter(text, [{"column": header, "op": op, "value": bound} for op, bound in pair])
        op = self.dice.choice((">", ">", ">", "<", "<", ">=", ">=", "<=", "=", "=", "!="))
        wordings = NUMBER_OPS[op]
        money = any(word in " ".join(column.headers) for word in MONEY) and column.said
        if "age" in column.headers and op in AGE_WORDS and self.chance(0.6):
            text = self.dice.choice(AGE_WORDS[op]).format(n=written)
        elif money and op in (">", "<", ">=", "<=") and self.chance(0.25):
            text = self.dice.choice(BARE_WORDS[op]).format(n=written)
        else:
            text = self.pick(wordings).format(h=said, n=written, hs=plural(said))
        return Filter(text, [{"column": header, "op": op, "value": value}])

    def _date(self, column: Field, header: str) -> Filter:
        said = self.say(column, header)
        verb = self.dice.choice(column.said or ("dated",))
        other = [h for c, h in self.columns if c.kind == "date" and h != header]
        if self.chance(0.12):
            first, second = self.day(), self.day()
            text = self.dice.choice(
                (
                    f"{verb} between {first} and {second}",
                    f"with {said} between {first} and {second}",
                    f"{verb} from {first} to {second}",
                )
            )
            return Filter(
                text,
                [
                    {"column": header, "op": ">=", "value": first},
                    {"column": header, "op": "<=", "value": second},
                ],
            )
        op = self.dice.choice(("=", "=", "=", ">", ">", "<", "<", ">=", "<="))
        span = self.chance(0.65)
        value = self.period() if span else self.day()
        word = self.pick(DATE_OPS[op])
        if op == "=":
            relative = value.casefold() in RELATIVE
            word = "" if relative else "in" if span else "on"
            if relative and value.casefold().startswith(("last ", "past ")) and value[-1] == "s":
                word = "in the"
        lead = f"{word} {value}".strip()
        kind = self.dice.random()
        if kind < 0.7 or other:
            text = f"{verb} {lead}"
        elif kind < 0.82 and op == "=":
            text = f"from {value}" if word not in ("in the",) else f"from the {value}"
        elif kind < 0.9:
            text = f"with {said} {lead}"
        else:
            text = f"whose {said} is {lead}"
        return Filter(text, [{"column": header, "op": op, "value": value}])

    def rows(self, most: int = 3, many: bool = True, least: int = 0) -> str:
        """A noun phrase for rows with drawn filters, as marks: "\\ue000 orders \\ue001"."""
        count = min(most, max(least, self.dice.choices((0, 1, 2, 3), (24, 46, 25, 5))[0]))
        free = [(c, h) for c, h in self.columns if h not in self.used]
        weights = [
            {"cat": 4, "num": 2.5, "avg": 2.5, "date": 3.5, "bool": 3, "name": 0.5, "free": 1.2, "id": 0.15}[
                c.kind
            ]
            for c, _ in free
        ]
        before: list[str] = []
        after: list[str] = []
        taken: set[str] = set()
        while count and free:
            column, header = self.dice.choices(free, weights)[0]
            at = [h for _, h in free].index(header)
            free.pop(at), weights.pop(at)
            if column.pool and column.pool in taken:
                continue
            taken.add(column.pool)
            made = self.filter_of(column, header)
            (before if made.before and not before else after).append(self.add(made))
            count -= 1
        for mark in after:
            made = self.filters[ord(mark) - MARK]
            if made.before:
                made.text = f"that are {made.text}"
        noun = self.table.many if many else self.table.one
        return " ".join([*before, noun, *after])
