"""Recipe part: questions over typed columns with the query each one means.

A question is put together from noun phrases with filters ("unpaid orders from Berlin over 500") and the wordings
of an intent. While it is built, filters stand in it as single private-use characters, so that the conditions can
be put into the order in which their values are read.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.tables_schemas import Field, Table
from training.tables_values import pool
from training.tables_wordings import (
    AVG,
    BETWEEN,
    COUNT,
    DATE_OPS,
    DISTINCT,
    EXPLICIT,
    GROUP_COUNT,
    GROUP_MEASURE,
    GROUP_TOP_COUNT,
    GROUP_TOP_MEASURE,
    IMPOSSIBLE,
    LIST,
    LOOKUP,
    MAX,
    MIN,
    MONEY,
    NUMBER_OPS,
    PAIRS,
    POLITE_IMPERATIVE,
    POLITE_QUESTION,
    SELECT,
    SUM,
    TOP_MEASURE,
    TOP_SUPERLATIVE,
    UNRELATED,
    VALUES,
)

Json = dict[str, Any]
MARK = 0xE000
UNITS = {"km", "kg", "cm", "m", "g", "eur", "min", "ms", "kw", "gb", "t", "c", "by", "on", "to", "at", "for", "with", "mg", "from"}
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass(frozen=True, slots=True)
class Question:
    """A question over typed columns; `call` is the expert's whole answer."""

    intent: str
    text: str
    columns: tuple[tuple[str, str], ...]
    call: Json


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


@dataclass(slots=True)
class Asker:
    """Draws questions about one table with a chosen set of columns; `held` picks the held-out wordings."""

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
            if column.kind in kinds and header not in self.used and (not said or (column.said and column.unsaid))
        ]
        if not fit:
            raise Impossible
        chosen = self.dice.choice(fit)
        self.used.add(chosen[1])
        return chosen

    def chance(self, share: float) -> bool:
        return self.dice.random() < share

    def say(self, column: Field, header: str) -> str:
        """How the column is named in the question: mostly as in the file, else by another name it could have."""
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
            text = self.dice.choice(("${}", "€{}", "{} euros", "{} dollars", "{} EUR", "{}€", "£{}", "{} USD")).format(text)
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
        if self.chance(0.15):
            written = self.dice.choice(('"{}"', "'{}'")).format(value)
        else:
            written = value
        text = self.pick(EXPLICIT["contains"]).format(h=self.say(column, header), v=written)
        return Filter(text, [{"column": header, "op": "contains", "value": value}])

    def _text(self, column: Field, header: str) -> Filter:
        kind = self.dice.random()
        if column.kind == "name" and kind > 0.35 or kind > 0.97:
            return self._contains(column, header)
        said = self.say(column, header)
        phrases = [text for text in column.said if text]
        if kind < 0.13 and column.kind == "cat":
            values = list(dict.fromkeys(self.value(column) for _ in range(self.dice.choice((2, 2, 2, 3)))))
            if len(values) > 1:
                written = f"{', '.join(values[:-1])}{self.dice.choice((' or ', ' or ', ' and '))}{values[-1]}"
                written = self.dice.choice(("{}", "{}", "{}", "either {}")).format(written)
                usable = [text for text in phrases if not text.startswith("^")]
                text = self.dice.choice([*usable, *usable, self.pick(EXPLICIT["in"])]).format(h=said, v=written)
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
            text = self.pick(("with {h} {n}", "where {h} is {n}", "whose {h} is {n}", "with the {h} {n}", "!having {h} {n}"))
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
            text = self.dice.choice((f"{verb} between {first} and {second}", f"with {said} between {first} and {second}",
                                     f"{verb} from {first} to {second}"))
            return Filter(text, [{"column": header, "op": ">=", "value": first}, {"column": header, "op": "<=", "value": second}])
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
        weights = [{"cat": 4, "num": 2.5, "avg": 2.5, "date": 3.5, "bool": 3, "name": 0.5, "free": 1.2, "id": 0.15}[c.kind] for c, _ in free]
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

    # -- finishing

    def query(self, select: list[Json], text: str, **rest: Any) -> tuple[str, Json]:
        """The call, its conditions in the order in which their filters stand in the text."""
        arguments: Json = {"select": select}
        places = sorted((text.index(chr(MARK + at)), at) for at in range(len(self.filters)) if chr(MARK + at) in text)
        where = [condition for _, at in places for condition in self.filters[at].conditions]
        if where:
            arguments["where"] = where
        arguments |= {key: value for key, value in rest.items() if value}
        return text, {"name": "query_table", "arguments": arguments}

    def spell(self, text: str) -> str:
        """Fills the filters in, with the small noise of real questions around (never inside) them."""
        dice = self.dice
        text = " ".join(text.split())
        first = text.split()[0].lower()
        if self.chance(0.06):
            text += dice.choice((" in the table", " in this file", " in the file", " in the data", " in {f}.csv", " in {f}.csv",
                                 " according to {f}.csv", " in the csv")).format(f=self.table.many.replace(" ", "_"))
        if self.chance(0.17):
            if first in ("how", "what", "which", "who", "when", "where", "what's"):
                text = f"{self.pick(POLITE_QUESTION)} {text}"
            elif first in ("show", "list", "give", "find", "display", "get", "count", "sum", "add", "tell", "sort", "name", "fetch"):
                text = f"{self.pick(POLITE_IMPERATIVE)} {text}"
        if self.lower:
            text = text.lower()
        elif self.chance(0.8) and ord(text[0]) < MARK:
            text = text[0].upper() + text[1:]
        if self.chance(0.03):
            text = self._typo(text)
        asks = first in ("how", "what", "which", "who", "when", "where", "is", "are", "what's", "in", "from", "did", "on")
        text += ("?" if self.chance(0.75) else "") if asks else dice.choice(("", "", "", "", ".", "?", " please"))
        for at, made in enumerate(self.filters):
            text = text.replace(chr(MARK + at), made.text)
        return text

    def _typo(self, text: str) -> str:
        words = text.split(" ")
        at = [i for i, word in enumerate(words) if len(word) > 4 and word.isascii() and word.isalpha()]
        if not at:
            return text
        chosen = self.dice.choice(at)
        word = words[chosen]
        cut = self.dice.randrange(1, len(word) - 2)
        swapped = word[:cut] + word[cut + 1] + word[cut] + word[cut + 2 :]
        words[chosen] = self.dice.choice((swapped, word[:cut] + word[cut + 1 :]))
        return " ".join(words)

    # -- intents; each returns the text with marks and the call

    def count(self) -> tuple[str, Json]:
        rows = self.rows()
        marks = [mark for mark in rows if ord(mark) >= MARK]
        many = self.table.many
        select = [{"column": "*", "aggregate": "count"}]
        if len(marks) == 1 and self.chance(0.5):
            made = self.filters[ord(marks[0]) - MARK]
            be = self.dice.choice(("are", "are", "were"))
            if made.before:
                return self.query(select, f"how many {many} {be} {marks[0]}")
            if made.text.startswith("from "):
                be = self.dice.choice(("came", "come", "are", "were", "came"))
            if made.text.split()[0] not in ("that", "who", "whose", "where", "with", "without"):
                form = self.dice.choice(("how many {m} {be} {f}", "how many {m} {be} {f}", "how many {m} are there {f}"))
                return self.query(select, form.format(m=many, be=be, f=marks[0]))
        if len(marks) == 2 and self.chance(0.2) and self.filters[ord(marks[0]) - MARK].before:
            return self.query(select, f"how many of the {many} {marks[1]} are {marks[0]}")
        return self.query(select, self.pick(COUNT).format(r=rows))

    def _measure(self, date: bool = False) -> tuple[Field, str, str, str]:
        """A column to aggregate, its header and spoken name, and an aggregate that makes sense for it."""
        kinds = ("num", "num", "avg") if not (date and self.chance(0.12)) else ("date",)
        column, header = self.some(*kinds)
        if column.kind == "date":
            aggregate = self.dice.choice(("min", "max"))
        else:
            aggregate = self.dice.choice(("sum", "sum", "sum", "avg", "avg", "min", "max") if column.kind == "num" else ("avg", "avg", "min", "max"))
        return column, header, self.say(column, header), aggregate

    def aggregate(self) -> tuple[str, Json]:
        column, header, said, aggregate = self._measure(date=True)
        rows = self.rows()
        if column.kind == "date":
            wordings = DATE_MIN if aggregate == "min" else DATE_MAX
            text = self.pick(wordings).format(m=said, r=rows, o=self.table.one, v=self.dice.choice(column.said or ("dated",)))
            marks = [mark for mark in rows if ord(mark) >= MARK]
            if any(mark not in text for mark in marks):
                text = f"{text} {' '.join(mark for mark in marks if mark not in text and not self.filters[ord(mark) - MARK].before)}"
            return self.query([{"column": header, "aggregate": aggregate}], text)
        words = {"sum": SUM, "avg": AVG, "min": MIN, "max": MAX}[aggregate]
        return self.query([{"column": header, "aggregate": aggregate}], self.pick(words).format(m=said, r=rows))

    def aggregate_two(self) -> tuple[str, Json]:
        column, header, said, _ = self._measure()
        if self.chance(0.5):
            pair, text = self.dice.choice(list(PAIRS.items()))
            select = [{"column": header, "aggregate": aggregate} for aggregate in pair]
            if "sum" in pair and column.kind != "num":
                raise Impossible
            return self.query(select, self.pick(text).format(m=said, r=self.rows(2)))
        other, second = self.some("num", "avg")
        aggregate = "sum" if column.kind == other.kind == "num" and self.chance(0.5) else "avg"
        word = self.dice.choice({"sum": ("total", "summed", "overall"), "avg": ("average", "mean")}[aggregate])
        text = self.pick(("what are the {w} {a} and {b} of {r}", "{w} {a} and {w} {b} of {r}", "give me the {w} {a} and the {w} {b} of all {r}",
                          "!compute the {w} {a} and {b} for {r}"))
        select = [{"column": name, "aggregate": aggregate} for name in (header, second)]
        return self.query(select, text.format(w=word, a=said, b=self.say(other, second), r=self.rows(2)))

    def distinct_count(self) -> tuple[str, Json]:
        column, header = self.some("cat", "name")
        said = self.say(column, header)
        text = self.pick(DISTINCT).format(g=plural(said), o=said, r=self.rows(2))
        return self.query([{"column": header, "aggregate": "count_distinct"}], text)

    def values(self) -> tuple[str, Json]:
        column, header = self.some("cat")
        text = self.pick(VALUES).format(g=plural(self.say(column, header)), r=self.rows(1))
        return self.query([{"column": header}], text, group_by=[header])

    def group(self) -> tuple[str, Json]:
        column, header = self.some("cat", "cat", "cat", "bool")
        said = self.say(column, header)
        groups = [header]
        if self.chance(0.08):
            other, second = self.some("cat")
            groups.append(second)
            said = f"{said} and {self.say(other, second)}"
        counted = self.chance(0.4)
        if counted:
            measured: Json = {"column": "*", "aggregate": "count"}
            text = self.pick(GROUP_COUNT).format(g=said, r=self.rows(2), gs=plural(said))
        else:
            _, name, spoken, aggregate = self._measure()
            measured = {"column": name, "aggregate": aggregate}
            word = self.pick(AGGREGATE_WORDS[aggregate])
            text = self.pick(GROUP_MEASURE).format(a=word, m=spoken, g=said, r=self.rows(2), gs=plural(said))
        order = None
        kind = self.dice.random()
        if kind < 0.2:
            direction = self.dice.choice(("desc", "desc", "asc"))
            text += self.pick(ORDER_TAIL[direction])
            order = [measured | {"direction": direction}]
        elif kind < 0.25:
            text += self.dice.choice((f", sorted by {said}", f", ordered by {said}", f" in order of {said}"))
            order = [{"column": name, "direction": "asc"} for name in groups]
        return self.query([*({"column": name} for name in groups), measured], text, group_by=groups, order_by=order)

    def group_top(self) -> tuple[str, Json]:
        column, header = self.some("cat")
        said = self.say(column, header)
        most = self.chance(0.75)
        single = self.chance(0.55)
        limit, written = (1, "") if single else self._limit()
        if self.chance(0.45):
            measured: Json = {"column": "*", "aggregate": "count"}
            part = GROUP_TOP_COUNT["one" if single else "many"]
            word = self.dice.choice(("most", "most", "highest number of", "largest number of") if most else ("fewest", "least", "smallest number of", "lowest number of"))
            text = self.pick(part).format(g=said, gs=plural(said), w=word, n=written, r=self.rows(2), t="top" if most else "bottom")
        else:
            chosen, name, spoken, aggregate = self._measure()
            if aggregate in ("min", "max"):
                aggregate = "sum" if chosen.kind == "num" else "avg"
            measured = {"column": name, "aggregate": aggregate}
            spoken_aggregate = self.dice.choice(("total ", "", "", "overall ") if aggregate == "sum" else ("average ", "mean ", "average "))
            word = self.dice.choice(("highest", "largest", "biggest", "greatest") if most else ("lowest", "smallest", "least"))
            part = GROUP_TOP_MEASURE["one" if single else "many"]
            text = self.pick(part).format(g=said, gs=plural(said), w=word, n=written, m=f"{spoken_aggregate}{spoken}", t="top" if most else "bottom", e=self.table.many)
            if self.chance(0.3):
                rows = self.rows(1, least=1)
                text += f" {self.dice.choice(('for', 'among', 'counting only', 'considering only'))} {rows}"
        order = [measured | {"direction": "desc" if most else "asc"}]
        return self.query([{"column": header}, measured], text, group_by=[header], order_by=order, limit=limit)

    def _limit(self) -> tuple[int, str]:
        limit = self.dice.choice((2, 3, 3, 3, 4, 5, 5, 5, 5, 6, 7, 8, 10, 10, 10, 12, 15, 20, 25, 50, 100))
        written = NUMBERS[limit] if limit <= 12 and self.chance(0.5) else str(limit)
        return limit, written

    def _label(self) -> list[Json] | None:
        for column, header in self.columns:
            if column.kind == "name" and header not in self.used:
                self.used.add(header)
                return [{"column": header}]
        return None

    def top(self) -> tuple[str, Json]:
        most = self.chance(0.7)
        single = self.chance(0.4)
        limit, written = (1, "") if single else self._limit()
        label = self._label()
        if self.chance(0.15):
            column, header = self.some("date")
            said = self.dice.choice(("most recent", "latest", "newest", "last") if most else ("earliest", "oldest", "very first"))
            superlative = True
        else:
            superlative = self.chance(0.55)
            column, header = self.some("num", "avg", said=superlative)
            said = self.dice.choice(column.said if most else column.unsaid) if superlative else self.say(column, header)
        rows = self.rows(2, many=not single)
        if superlative and said.startswith("with "):
            form = "which {r} is the one {s}" if single else "which {n} {r} are the ones {s}"
        else:
            form = self.pick((TOP_SUPERLATIVE if superlative else TOP_MEASURE)["one" if single else "many"])
        words = ("highest", "largest", "biggest", "greatest", "most") if most else ("lowest", "smallest", "least")
        text = form.format(s=said, m=said, n=written, r=rows, w=self.dice.choice(words), t="top" if most else "bottom",
                           who="who" if self.table.many in PEOPLE else f"which {self.table.one}")
        select = [*label, {"column": header}] if label else [{"column": "*"}]
        order = [{"column": header, "direction": "desc" if most else "asc"}]
        return self.query(select, text, order_by=order, limit=limit)

    def listing(self) -> tuple[str, Json]:
        if self.chance(0.06):
            limit, written = self._limit()
            text = self.pick(("show the first {n} rows", "first {n} {e}", "give me {n} {e}", "show me {n} rows", "list {n} {e}", "!a sample of {n} {e}"))
            return self.query([{"column": "*"}], text.format(n=written, e=self.table.many), limit=limit)
        rows = self.rows(3, least=0 if self.chance(0.25) else 1)
        text = self.pick(LIST).format(r=rows)
        select = [{"column": "*"}]
        if text.startswith("which"):
            select = self._label() or select
        return self._ordered(select, text)

    def _ordered(self, select: list[Json], text: str) -> tuple[str, Json]:
        if not self.chance(0.22):
            return self.query(select, text)
        column, header = self.some("num", "avg", "date", "cat")
        said = self.say(column, header)
        down = column.kind != "cat" and self.chance(0.55)
        if column.kind == "date":
            tail = (", newest first", ", latest first", ", most recent first") if down else (", oldest first", ", earliest first", "")
        elif column.kind == "cat":
            tail = ("", " alphabetically", " from A to Z")
        else:
            tail = (", highest first", " in descending order", " descending", ", largest first") if down else ("", ", lowest first", " in ascending order", " ascending")
        word = self.dice.choice((" sorted by ", " ordered by ", ", sorted by ", " by "))
        text += f"{word}{said}{self.dice.choice(tail)}"
        limit = None
        if self.chance(0.15):
            limit, written = self._limit()
            text += self.dice.choice((f", only the first {written}", f", limit {written}", f", at most {written} rows", f", first {written} only"))
        return self.query(select, text, order_by=[{"column": header, "direction": "desc" if down else "asc"}], limit=limit)

    def selecting(self) -> tuple[str, Json]:
        chosen = [self.some("cat", "name", "num", "avg", "date", "id", "free", "bool") for _ in range(self.dice.choice((1, 1, 2, 2, 2, 3)))]
        said = [self.say(column, header) for column, header in chosen]
        if len(chosen) == 1:
            said = [plural(said[0]) if self.chance(0.6) else said[0]]
        joined = said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
        text = self.pick(SELECT).format(c=joined, r=self.rows(2))
        return self._ordered([{"column": header} for _, header in chosen], text)

    def lookup(self) -> tuple[str, Json]:
        keys = [(c, h) for c, h in self.columns if c.kind in ("name", "id")]
        if not keys:
            raise Impossible
        key, name = self.dice.choice(keys)
        self.used.add(name)
        if key.kind == "name":
            value: str | int = self.value(key)
            spoken = str(value)
        else:
            value = self.dice.randint(1, 99999)
            spoken = self.dice.choice((f"{self.table.one} {value}", f"{self.table.one} number {value}", f"{self.table.one} #{value}", f"{self.say(key, name)} {value}"))
        mark = self.add(Filter(spoken, [{"column": name, "op": "=", "value": value}]))
        if self.chance(0.1):
            text = self.dice.choice(("show {k}", "show me everything about {k}", "all details of {k}", "give me the row of {k}"))
            return self.query([{"column": "*"}], text.format(k=mark))
        column, header = self.some("cat", "num", "avg", "date", "bool", "cat")
        said = self.say(column, header)
        if column.kind == "date" and column.said and not column.said[0].startswith(("who", "that")) and self.chance(0.6):
            text = self.dice.choice(("when was {k} {v}", "on which day was {k} {v}", "what day was {k} {v}")).format(k=mark, v=column.said[0])
        elif column.kind == "bool" and column.said and column.said[0].startswith("^"):
            text = f"is {mark} {column.said[0][1:]}"
        elif column.kind == "bool":
            raise Impossible
        else:
            text = self.pick(LOOKUP).format(c=said, k=mark)
            if column.pool == "person" and self.chance(0.4):
                text = f"who is the {said} of {mark}"
        if self.chance(0.12):
            other, second = self.some("cat", "num", "avg", "date")
            text = self.dice.choice(("what are the {c} and {d} of {k}", "{c} and {d} of {k}", "show me the {c} and the {d} of {k}"))
            text = text.format(c=said, d=self.say(other, second), k=mark)
            return self.query([{"column": header}, {"column": second}], text)
        return self.query([{"column": header}], text)

    def impossible(self, strange: Sequence[str]) -> tuple[str, Json]:
        """A question the table cannot answer, and the refusal: no such column, or nothing a query can do."""
        kind = self.dice.random()
        many = self.table.many
        if kind < 0.55 and strange:
            missing = self.dice.choice(strange)
            text = self.pick(IMPOSSIBLE["column"]).format(m=missing, ms=plural(missing), r=self.rows(1), e=many, g=missing)
            reason = f"no column for {missing}"
        elif kind < 0.85:
            reason, wordings = self.dice.choice(list(IMPOSSIBLE_ASKS.items()))
            numbers = [h for c, h in self.columns if c.kind in ("num", "avg")]
            measure = self.dice.choice(numbers) if numbers else "value"
            text = self.pick(wordings).format(r=self.rows(1), e=many, m=measure)
        else:
            text, reason = self.pick(UNRELATED), "not a question about this table"
        for made in self.filters:
            made.conditions = []
        return text, {"name": "refuse", "arguments": {"reason": reason}}


IMPOSSIBLE_ASKS: dict[str, tuple[str, ...]] = {reason: words for reason, words in IMPOSSIBLE.items() if reason != "column"}
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
SPANS = ("last week", "this week", "last month", "this month", "last year", "this year", "last quarter", "yesterday", "today",
         "last 30 days", "last 7 days", "last two weeks", "past six months", "last 12 months", "next week", "next month", "this quarter")
RELATIVE = {*SPANS, "last monday", "last friday"}
FREE = ("refund", "late", "broken", "urgent", "conference", "Berlin trip", "password", "printer", "invoice", "damaged", "client dinner",
        "timeout", "login", "crash", "thank you", "delivery", "slow", "error 500", "coffee", "warranty", "friendly", "expensive", "disk full")
AGE_WORDS = {">": ("older than {n}", "over {n}", "above {n} years"), "<": ("younger than {n}", "under {n}"), ">=": ("aged {n} or older", "at least {n} years old"),
             "<=": ("aged {n} or younger",), "=": ("aged {n}", "who are {n} years old")}
BARE_WORDS = {">": ("over {n}", "above {n}", "of more than {n}", "worth more than {n}", "for more than {n}"), "<": ("under {n}", "below {n}", "of less than {n}", "for less than {n}"),
              ">=": ("of at least {n}", "worth at least {n}", "of {n} or more"), "<=": ("of at most {n}", "of {n} or less", "up to {n}")}
AGGREGATE_WORDS = {"sum": ("total", "total", "summed", "overall", "sum of", "!combined"), "avg": ("average", "mean", "avg", "average"),
                   "min": ("minimum", "lowest", "smallest", "min"), "max": ("maximum", "highest", "largest", "max")}
ORDER_TAIL = {"desc": (", highest first", ", largest first", ", in descending order", " sorted descending", ", biggest first", ", from high to low", "!, top ones first"),
              "asc": (", lowest first", ", smallest first", ", in ascending order", " sorted ascending", ", from low to high", "!, bottom ones first")}
DATE_MIN = ("what is the earliest {m} of {r}", "when was the first of the {r} {v}", "earliest {m} of {r}", "what is the first {m} among {r}", "oldest {m} of {r}", "!from when is the oldest of the {r}")
DATE_MAX = ("what is the latest {m} of {r}", "when was the last of the {r} {v}", "latest {m} of {r}", "what is the most recent {m} of {r}", "newest {m} of {r}", "!from when is the newest of the {r}")
PEOPLE = {"employees", "students", "patients", "players", "volunteers", "candidates", "customers", "leads"}

INTENTS: dict[str, tuple[float, Callable[[Asker], tuple[str, Json]]]] = {
    "count": (15, Asker.count),
    "aggregate": (14, Asker.aggregate),
    "aggregate_two": (2, Asker.aggregate_two),
    "distinct_count": (3.5, Asker.distinct_count),
    "values": (3, Asker.values),
    "group": (12, Asker.group),
    "group_top": (11, Asker.group_top),
    "top": (12, Asker.top),
    "listing": (10, Asker.listing),
    "selecting": (8, Asker.selecting),
    "lookup": (7, Asker.lookup),
}
REFUSALS = 0.045
"""Share of questions without an answer; more of them made a 135 M model refuse what it could do elsewhere."""


def draw_columns(dice: random.Random, table: Table, tables: Sequence[Table]) -> list[tuple[Field, str]]:
    """Some of the table's columns under one of their names, now and then one of another table, shuffled."""
    count = min(len(table.fields), dice.choice((3, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 10, 11, 12)))
    chosen = dice.sample(table.fields, count)
    if dice.random() < 0.2:
        pools = {f.pool for f in table.fields}
        heads = {h for f in table.fields for h in f.headers}
        others = [f for t in tables if t is not table for f in t.fields if not heads & set(f.headers) and f.pool not in pools]
        chosen += dice.sample(others, min(len(others), dice.choice((1, 1, 2))))
    columns: list[tuple[Field, str]] = []
    taken: set[str] = set()
    for column in chosen:
        names = [h for h in column.headers if h not in taken]
        if not names:
            continue
        header = names[0] if dice.random() < 0.45 else dice.choice(names)
        if " " in header and dice.random() < 0.03:
            header = header.replace(" ", "")
        taken.add(header)
        columns.append((column, header))
    dice.shuffle(columns)
    return columns[:12]


def ask(dice: random.Random, tables: Sequence[Table], every: Sequence[Table], held: bool = False) -> Question:
    """Draws one question over one of the tables."""
    while True:
        table = dice.choice(tables)
        columns = draw_columns(dice, table, every)
        asker = Asker(dice, table, columns, held, lower=dice.random() < 0.2)
        try:
            if dice.random() < REFUSALS:
                intent = "refuse"
                heads = {h for f in table.fields for h in f.headers}
                strange = [f.headers[0] for f in table.fields if f.kind != "bool" and all(f is not c for c, _ in columns)]
                strange += [
                    f.headers[0]
                    for other in dice.sample(list(every), 4)
                    for f in dice.sample(other.fields, 2)
                    if f.kind != "bool" and not heads & set(f.headers) and len(f.headers[0]) > 3
                ]
                said = " ".join(h for _, h in columns)
                strange = [h for h in strange if h not in said]
                text, call = asker.impossible(strange)
            else:
                intent = dice.choices(list(INTENTS), [weight for weight, _ in INTENTS.values()])[0]
                text, call = INTENTS[intent][1](asker)
        except Impossible:
            continue
        return Question(intent, asker.spell(text), tuple((header, column.type) for column, header in columns), call)
