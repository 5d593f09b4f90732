"""Recipe part: questions over typed columns with the query each one means, by intent."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from training.tables_phrases import MARK, NUMBERS, Filter, Impossible, Json, Phrases, plural
from training.tables_schemas import Field, Table
from training.tables_wordings import (
    AVG,
    COUNT,
    DISTINCT,
    GROUP_COUNT,
    GROUP_MEASURE,
    GROUP_TOP_COUNT,
    GROUP_TOP_MEASURE,
    IMPOSSIBLE,
    LIST,
    LOOKUP,
    MAX,
    MIN,
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


@dataclass(frozen=True, slots=True)
class Question:
    """A question over typed columns; `call` is the expert's whole answer."""

    intent: str
    text: str
    columns: tuple[tuple[str, str], ...]
    call: Json


@dataclass(slots=True)
class Asker(Phrases):
    """Draws questions about one table: a wording of an intent around noun phrases, and the call it means."""

    # -- finishing

    def query(self, select: list[Json], text: str, **rest: Any) -> tuple[str, Json]:
        """The call, its conditions in the order in which their filters stand in the text."""
        arguments: Json = {"select": select}
        places = sorted(
            (text.index(chr(MARK + at)), at) for at in range(len(self.filters)) if chr(MARK + at) in text
        )
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
            text += dice.choice(
                (
                    " in the table",
                    " in this file",
                    " in the file",
                    " in the data",
                    " in {f}.csv",
                    " in {f}.csv",
                    " according to {f}.csv",
                    " in the csv",
                )
            ).format(f=self.table.many.replace(" ", "_"))
        if self.chance(0.17):
            if first in ("how", "what", "which", "who", "when", "where", "what's"):
                text = f"{self.pick(POLITE_QUESTION)} {text}"
            elif first in (
                "show",
                "list",
                "give",
                "find",
                "display",
                "get",
                "count",
                "sum",
                "add",
                "tell",
                "sort",
                "name",
                "fetch",
            ):
                text = f"{self.pick(POLITE_IMPERATIVE)} {text}"
        if self.lower:
            text = text.lower()
        elif self.chance(0.8) and ord(text[0]) < MARK:
            text = text[0].upper() + text[1:]
        if self.chance(0.03):
            text = self._typo(text)
        asks = first in (
            "how",
            "what",
            "which",
            "who",
            "when",
            "where",
            "is",
            "are",
            "what's",
            "in",
            "from",
            "did",
            "on",
        )
        text += (
            ("?" if self.chance(0.75) else "") if asks else dice.choice(("", "", "", "", ".", "?", " please"))
        )
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
                form = self.dice.choice(
                    ("how many {m} {be} {f}", "how many {m} {be} {f}", "how many {m} are there {f}")
                )
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
            aggregate = self.dice.choice(
                ("sum", "sum", "sum", "avg", "avg", "min", "max")
                if column.kind == "num"
                else ("avg", "avg", "min", "max")
            )
        return column, header, self.say(column, header), aggregate

    def aggregate(self) -> tuple[str, Json]:
        column, header, said, aggregate = self._measure(date=True)
        rows = self.rows()
        if column.kind == "date":
            wordings = DATE_MIN if aggregate == "min" else DATE_MAX
            text = self.pick(wordings).format(
                m=said, r=rows, o=self.table.one, v=self.dice.choice(column.said or ("dated",))
            )
            marks = [mark for mark in rows if ord(mark) >= MARK]
            if any(mark not in text for mark in marks):
                after = (mark for mark in marks if not self.filters[ord(mark) - MARK].before)
                text = f"{text} {' '.join(mark for mark in after if mark not in text)}"
            return self.query([{"column": header, "aggregate": aggregate}], text)
        words = {"sum": SUM, "avg": AVG, "min": MIN, "max": MAX}[aggregate]
        return self.query(
            [{"column": header, "aggregate": aggregate}], self.pick(words).format(m=said, r=rows)
        )

    def aggregate_two(self) -> tuple[str, Json]:
        column, header, said, _ = self._measure()
        if self.chance(0.5):
            pair, wordings = self.dice.choice(list(PAIRS.items()))
            select = [{"column": header, "aggregate": aggregate} for aggregate in pair]
            if "sum" in pair and column.kind != "num":
                raise Impossible
            return self.query(select, self.pick(wordings).format(m=said, r=self.rows(2)))
        other, second = self.some("num", "avg")
        aggregate = "sum" if column.kind == other.kind == "num" and self.chance(0.5) else "avg"
        word = self.dice.choice(
            {"sum": ("total", "summed", "overall"), "avg": ("average", "mean")}[aggregate]
        )
        text = self.pick(
            (
                "what are the {w} {a} and {b} of {r}",
                "{w} {a} and {w} {b} of {r}",
                "give me the {w} {a} and the {w} {b} of all {r}",
                "!compute the {w} {a} and {b} for {r}",
            )
        )
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
        return self.query(
            [*({"column": name} for name in groups), measured], text, group_by=groups, order_by=order
        )

    def group_top(self) -> tuple[str, Json]:
        column, header = self.some("cat")
        said = self.say(column, header)
        most = self.chance(0.75)
        single = self.chance(0.55)
        limit, written = (1, "") if single else self._limit()
        if self.chance(0.45):
            measured: Json = {"column": "*", "aggregate": "count"}
            part = GROUP_TOP_COUNT["one" if single else "many"]
            word = self.dice.choice(
                ("most", "most", "highest number of", "largest number of")
                if most
                else ("fewest", "least", "smallest number of", "lowest number of")
            )
            text = self.pick(part).format(
                g=said, gs=plural(said), w=word, n=written, r=self.rows(2), t="top" if most else "bottom"
            )
        else:
            chosen, name, spoken, aggregate = self._measure()
            if aggregate in ("min", "max"):
                aggregate = "sum" if chosen.kind == "num" else "avg"
            measured = {"column": name, "aggregate": aggregate}
            spoken_aggregate = self.dice.choice(
                ("total ", "", "", "overall ") if aggregate == "sum" else ("average ", "mean ", "average ")
            )
            word = self.dice.choice(
                ("highest", "largest", "biggest", "greatest") if most else ("lowest", "smallest", "least")
            )
            part = GROUP_TOP_MEASURE["one" if single else "many"]
            text = self.pick(part).format(
                g=said,
                gs=plural(said),
                w=word,
                n=written,
                m=f"{spoken_aggregate}{spoken}",
                t="top" if most else "bottom",
                e=self.table.many,
            )
            if self.chance(0.3):
                rows = self.rows(1, least=1)
                text += f" {self.dice.choice(('for', 'among', 'counting only', 'considering only'))} {rows}"
        order = [measured | {"direction": "desc" if most else "asc"}]
        return self.query(
            [{"column": header}, measured], text, group_by=[header], order_by=order, limit=limit
        )

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
            said = self.dice.choice(
                ("most recent", "latest", "newest", "last") if most else ("earliest", "oldest", "very first")
            )
            superlative = True
        else:
            superlative = self.chance(0.55)
            column, header = self.some("num", "avg", said=superlative)
            said = (
                self.dice.choice(column.said if most else column.unsaid)
                if superlative
                else self.say(column, header)
            )
        rows = self.rows(2, many=not single)
        if superlative and said.startswith("with "):
            form = "which {r} is the one {s}" if single else "which {n} {r} are the ones {s}"
        else:
            form = self.pick((TOP_SUPERLATIVE if superlative else TOP_MEASURE)["one" if single else "many"])
        words = (
            ("highest", "largest", "biggest", "greatest", "most") if most else ("lowest", "smallest", "least")
        )
        text = form.format(
            s=said,
            m=said,
            n=written,
            r=rows,
            w=self.dice.choice(words),
            t="top" if most else "bottom",
            who="who" if self.table.many in PEOPLE else f"which {self.table.one}",
        )
        select = [*label, {"column": header}] if label else [{"column": "*"}]
        order = [{"column": header, "direction": "desc" if most else "asc"}]
        return self.query(select, text, order_by=order, limit=limit)

    def listing(self) -> tuple[str, Json]:
        if self.chance(0.06):
            limit, written = self._limit()
            text = self.pick(
                (
                    "show the first {n} rows",
                    "first {n} {e}",
                    "give me {n} {e}",
                    "show me {n} rows",
                    "list {n} {e}",
                    "!a sample of {n} {e}",
                )
            )
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
        tail: tuple[str, ...]
        if column.kind == "date":
            tail = (
                (", newest first", ", latest first", ", most recent first")
                if down
                else (", oldest first", ", earliest first", "")
            )
        elif column.kind == "cat":
            tail = ("", " alphabetically", " from A to Z")
        else:
            tail = (
                (", highest first", " in descending order", " descending", ", largest first")
                if down
                else ("", ", lowest first", " in ascending order", " ascending")
            )
        word = self.dice.choice((" sorted by ", " ordered by ", ", sorted by ", " by "))
        text += f"{word}{said}{self.dice.choice(tail)}"
        limit = None
        if self.chance(0.15):
            limit, written = self._limit()
            text += self.dice.choice(
                (
                    f", only the first {written}",
                    f", limit {written}",
                    f", at most {written} rows",
                    f", first {written} only",
                )
            )
        return self.query(
            select, text, order_by=[{"column": header, "direction": "desc" if down else "asc"}], limit=limit
        )

    def selecting(self) -> tuple[str, Json]:
        chosen = [
            self.some("cat", "name", "num", "avg", "date", "id", "free", "bool")
            for _ in range(self.dice.choice((1, 1, 2, 2, 2, 3)))
        ]
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
            spoken = self.dice.choice(
                (
                    f"{self.table.one} {value}",
                    f"{self.table.one} number {value}",
                    f"{self.table.one} #{value}",
                    f"{self.say(key, name)} {value}",
                )
            )
        mark = self.add(Filter(spoken, [{"column": name, "op": "=", "value": value}]))
        if self.chance(0.1):
            text = self.dice.choice(
                ("show {k}", "show me everything about {k}", "all details of {k}", "give me the row of {k}")
            )
            return self.query([{"column": "*"}], text.format(k=mark))
        column, header = self.some("cat", "num", "avg", "date", "bool", "cat")
        said = self.say(column, header)
        if (
            column.kind == "date"
            and column.said
            and not column.said[0].startswith(("who", "that"))
            and self.chance(0.6)
        ):
            text = self.dice.choice(
                ("when was {k} {v}", "on which day was {k} {v}", "what day was {k} {v}")
            ).format(k=mark, v=column.said[0])
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
            text = self.dice.choice(
                (
                    "what are the {c} and {d} of {k}",
                    "{c} and {d} of {k}",
                    "show me the {c} and the {d} of {k}",
                )
            )
            text = text.format(c=said, d=self.say(other, second), k=mark)
            return self.query([{"column": header}, {"column": second}], text)
        return self.query([{"column": header}], text)

    def impossible(self, strange: Sequence[str]) -> tuple[str, Json]:
        """A question the table cannot answer, and the refusal: no such column, or nothing a query can do."""
        kind = self.dice.random()
        many = self.table.many
        if kind < 0.55 and strange:
            missing = self.dice.choice(strange)
            text = self.pick(IMPOSSIBLE["column"]).format(
                m=missing, ms=plural(missing), r=self.rows(1), e=many, g=missing
            )
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


IMPOSSIBLE_ASKS: dict[str, tuple[str, ...]] = {
    reason: words for reason, words in IMPOSSIBLE.items() if reason != "column"
}
AGGREGATE_WORDS = {
    "sum": ("total", "total", "summed", "overall", "sum of", "!combined"),
    "avg": ("average", "mean", "avg", "average"),
    "min": ("minimum", "lowest", "smallest", "min"),
    "max": ("maximum", "highest", "largest", "max"),
}
ORDER_TAIL = {
    "desc": (
        ", highest first",
        ", largest first",
        ", in descending order",
        " sorted descending",
        ", biggest first",
        ", from high to low",
        "!, top ones first",
    ),
    "asc": (
        ", lowest first",
        ", smallest first",
        ", in ascending order",
        " sorted ascending",
        ", from low to high",
        "!, bottom ones first",
    ),
}
DATE_MIN = (
    "what is the earliest {m} of {r}",
    "when was the first of the {r} {v}",
    "earliest {m} of {r}",
    "what is the first {m} among {r}",
    "oldest {m} of {r}",
    "!from when is the oldest of the {r}",
)
DATE_MAX = (
    "what is the latest {m} of {r}",
    "when was the last of the {r} {v}",
    "latest {m} of {r}",
    "what is the most recent {m} of {r}",
    "newest {m} of {r}",
    "!from when is the newest of the {r}",
)
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
        others = [
            f
            for t in tables
            if t is not table
            for f in t.fields
            if not heads & set(f.headers) and f.pool not in pools
        ]
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
        question = ask_about(dice, table, draw_columns(dice, table, every), every, held)
        if question is not None:
            return question


def ask_about(
    dice: random.Random,
    table: Table,
    columns: list[tuple[Field, str]],
    every: Sequence[Table],
    held: bool = False,
) -> Question | None:
    """Draws one question over these columns of the table; None when the draw makes no sense for them."""
    asker = Asker(dice, table, columns, held, lower=dice.random() < 0.2)
    try:
        if dice.random() < REFUSALS:
            intent = "refuse"
            heads = {h for f in table.fields for h in f.headers}
            strange = [
                f.headers[0] for f in table.fields if f.kind != "bool" and all(f is not c for c, _ in columns)
            ]
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
        return None
    return Question(
        intent, asker.spell(text), tuple((header, column.type) for column, header in columns), call
    )
