"""Date, time and repetition phrases as people type or say them: the words, and the part of them to copy."""

import random
from dataclasses import dataclass

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SHORT_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
TEENS = ("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "twenty-first",
    "twenty-second",
    "twenty-third",
    "twenty-fourth",
    "twenty-fifth",
    "twenty-sixth",
    "twenty-seventh",
    "twenty-eighth",
    "twenty-ninth",
    "thirtieth",
    "thirty-first",
]


@dataclass(frozen=True)
class Phrase:
    """``surface`` stands in the request; ``value`` is the part of it that is copied."""

    surface: str
    value: str


def ordinal(n: int) -> str:
    suffix = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{suffix}"


def number(rng: random.Random, low: int, high: int, spoken: bool) -> str:
    n = rng.randint(low, high)
    if (spoken or rng.random() < 0.4) and n <= 12:
        return ONES[n - 1]
    if spoken and n <= 19:
        return TEENS[n - 13]
    if spoken:
        tens = {2: "twenty", 3: "thirty", 4: "forty", 5: "fifty", 6: "sixty", 9: "ninety"}.get(
            n // 10, "forty"
        )
        return tens if n % 10 == 0 else f"{tens} {ONES[n % 10 - 1]}"
    return str(n)


def day_of_month(rng: random.Random, spoken: bool) -> str:
    n = rng.randint(1, 28)
    return ORDINALS[n - 1].replace("-", " ") if spoken else rng.choice([ordinal(n), str(n)])


def calendar_day(rng: random.Random, spoken: bool) -> Phrase:
    month = rng.choice(MONTHS)
    if not spoken and rng.random() < 0.2:
        month = month[:3]
    n = rng.randint(1, 28)
    if spoken:
        ordinal_day = ORDINALS[n - 1].replace("-", " ")
        value = rng.choice(
            [
                f"{month} {ordinal_day}",
                f"{month} {ordinal_day}",
                f"{ordinal_day} of {month}",
                f"{ordinal_day} {month}",
            ]
        )
        if rng.random() < 0.12:
            value += rng.choice(
                [" twenty twenty five", " two thousand and twenty four", " twenty twenty six"]
            )
        return Phrase(
            rng.choice(
                [f"on {value}", f"on the {value}" if "of" in value else f"on {value}", f"for {value}"]
            ),
            value,
        )
    year = rng.choice(["", "", "", "", f", {rng.randint(2024, 2027)}", f" {rng.randint(2024, 2027)}"])
    kind = rng.random()
    if kind < 0.3:
        value = f"{month} {rng.choice([ordinal(n), str(n)])}{year}"
    elif kind < 0.45:
        value = f"{n} {month}{year.replace(',', '')}"
    elif kind < 0.6:
        value = f"{ordinal(n)} of {month}"
        return Phrase(f"on the {value}", value)
    elif kind < 0.75:
        value = f"{rng.randint(2024, 2027)}-{rng.randint(1, 12):02d}-{n:02d}"
    elif kind < 0.85:
        value = rng.choice(
            [
                f"{n}.{rng.randint(1, 12)}.{rng.randint(2024, 2027)}",
                f"{n:02d}.{rng.randint(1, 12):02d}.{rng.randint(2024, 2027)}",
            ]
        )
    elif kind < 0.93:
        value = f"{rng.randint(1, 12)}/{n}"
    else:
        value = f"{rng.choice(DAYS)} the {ordinal(n)}"
    return Phrase(f"on {value}", value)


def date(rng: random.Random, spoken: bool, *, search: bool = False) -> Phrase:
    """A date phrase; ``search`` also gives periods, which suit questions and deletions."""
    kind = rng.random()
    if kind < 0.22:
        value = rng.choice(["tomorrow", "tomorrow", "tomorrow", "today", "today"])
        return Phrase(value, value)
    if kind < 0.48:
        day = rng.choice(DAYS) if spoken or rng.random() < 0.95 else rng.choice(SHORT_DAYS)
        form = rng.random()
        if form < 0.45:
            return Phrase(f"on {day}", day)
        if form < 0.6:
            return Phrase(day, day)
        if form < 0.85:
            value = f"next {day}"
            return Phrase(rng.choice([value, value, f"on {value}"]), value)
        if form < 0.96:
            value = f"this {day}"
            return Phrase(value, value)
        value = rng.choice([f"{day} next week", f"coming {day}", f"{day} in two weeks"])
        return Phrase(f"on {value}", value)
    if kind < 0.68:
        return calendar_day(rng, spoken)
    if kind < 0.76:
        value = day_of_month(rng, spoken)
        if value.isdigit():
            value = ordinal(int(value))
        if rng.random() < 0.15:
            value += " of next month"
        return Phrase(f"on the {value}", value)
    if kind < 0.84:
        count = number(rng, 2, 10, spoken)
        unit = rng.choice(["days", "days", "weeks", "months"])
        value = rng.choice(
            [
                f"in {count} {unit}",
                f"in {count} {unit}",
                f"in a {unit[:-1]}",
                f"{count} {unit} from now",
                f"{count} days from today",
            ]
        )
        return Phrase(value, value)
    if kind < 0.88:
        return Phrase("the day after tomorrow", "day after tomorrow")
    if search or kind > 0.94:
        value = rng.choice(
            [
                "this week",
                "next week",
                "this weekend",
                "next weekend",
                "this month",
                "next month",
                "the rest of the week",
            ]
        )
        if search and rng.random() < 0.35:
            a, b = sorted(rng.sample(range(7), 2))
            month = rng.choice(MONTHS)
            value = rng.choice(
                [
                    f"between {DAYS[a]} and {DAYS[b]}",
                    f"from {DAYS[a]} to {DAYS[b]}",
                    f"in {month}",
                    f"before {DAYS[b]}",
                    f"after {DAYS[a]}",
                    "in the next two weeks",
                    "in the next 3 days",
                    "last week",
                    "yesterday",
                    f"in {month}",
                    "the next few days",
                ]
            )
        surface = value
        for lead in ("in the ", "the ", "in "):
            if value.startswith(lead):
                value = value.removeprefix(lead)
                break
        return Phrase(surface, value)
    value = rng.choice(
        [
            f"by {rng.choice(DAYS)}",
            "by tomorrow",
            f"before {rng.choice(DAYS)}",
            "next week",
            "end of the month",
        ]
    )
    return Phrase("at the end of the month" if value.startswith("end") else value, value)


PART = ("morning", "afternoon", "evening", "night")


def clock(rng: random.Random, spoken: bool) -> str:
    hour = rng.randint(1, 12)
    kind = rng.random()
    if spoken:
        word = ONES[hour - 1]
        if kind < 0.45:
            return f"{word} {rng.choice(['am', 'pm'])}"
        if kind < 0.63:
            return word
        if kind < 0.68:  # how speech recognition of HWU64 writes five thirty
            minutes = rng.choice(["", " and thirty", " and fifteen"])
            return f"{word} hundred{minutes}{rng.choice(['', ' am', ' pm'])}"
        minutes = rng.choice(["thirty", "fifteen", "forty five", "twenty", "ten", "forty", "thirty"])
        if kind < 0.85:
            return f"{word} {minutes}{rng.choice(['', ' am', ' pm'])}"
        return rng.choice(
            [
                f"half past {word}",
                f"quarter past {word}",
                f"quarter to {word}",
                f"ten past {word}",
                f"twenty to {word}",
            ]
        )
    minute = rng.choice(["00", "15", "30", "45", "30", "10", "20", "05", "50", "55"])
    if kind < 0.18:
        return str(hour)
    if kind < 0.36:
        return f"{hour} {rng.choice(['am', 'pm', 'a.m.', 'p.m.', 'AM', 'PM', 'am', 'pm'])}"
    if kind < 0.54:
        return f"{hour}{rng.choice(['am', 'pm'])}"
    if kind < 0.68:
        return f"{hour}:{minute}{rng.choice(['', '', ' am', ' pm', 'am', 'pm'])}"
    if kind < 0.82:
        return (
            f"{rng.randint(0, 23)}:{minute}" if rng.random() < 0.5 else f"{rng.randint(6, 23):02d}:{minute}"
        )
    word = ONES[hour - 1]
    return rng.choice(
        [
            word,
            f"{word} {rng.choice(['am', 'pm'])}",
            f"half past {word}",
            f"half past {hour}",
            f"quarter past {hour}",
            f"quarter to {word}",
            f"{word} thirty",
            f"ten past {word}",
            f"five to {hour}",
            f"{word} fifteen",
        ]
    )


def duration(rng: random.Random, spoken: bool) -> str:
    return rng.choice(
        [
            f"{number(rng, 2, 12, spoken)} hours",
            f"{number(rng, 5, 55, spoken)} minutes",
            "an hour",
            "half an hour",
            "one hour",
            "a minute",
            f"{number(rng, 5, 45, spoken)} minutes",
            "an hour and a half",
            f"{number(rng, 2, 5, spoken)} and a half hours",
            "10 minutes" if not spoken else "ten minutes",
        ]
    )


def span(rng: random.Random, spoken: bool) -> Phrase:
    """A time with two ends; its preposition carries meaning and is copied."""
    start = rng.randint(1, 11)
    end = rng.randint(start + 1, 12)
    words = spoken or rng.random() < 0.15
    a, b = (ONES[start - 1], ONES[end - 1]) if words else (str(start), str(end))
    half = rng.choice(["", "", " am", " pm"]) if words else rng.choice(["", "", "pm", " pm", "am"])
    if not words and rng.random() < 0.25:
        a, b, half = (
            f"{rng.randint(8, 13)}:{rng.choice(['00', '30'])}",
            f"{rng.randint(14, 19)}:{rng.choice(['00', '30', '15'])}",
            "",
        )
    value = rng.choice(
        [
            f"from {a} to {b}{half}",
            f"from {a} to {b}{half}",
            f"between {a} and {b}{half}",
            f"from {a}{half} to {b}{half}",
            f"from {a} until {b}{half}",
        ]
    )
    if not words and rng.random() < 0.15:
        value = f"{a}-{b}{half}"
        return Phrase(rng.choice([value, f"at {value}"]), value)
    return Phrase(value, value)


def time(rng: random.Random, spoken: bool, *, spans: bool = False, relative: bool = True) -> Phrase:
    kind = rng.random()
    if spans and kind < 0.22:
        return span(rng, spoken)
    if kind < 0.68:
        value = clock(rng, spoken)
        if rng.random() < 0.06 and value.split()[0].isalnum() and " " not in value:
            return Phrase(f"at {value} o'clock", value)
        if rng.random() < 0.12 and not value.lower().rstrip(".").endswith("m"):
            value += rng.choice([" in the morning", " in the evening", " in the afternoon", " at night"])
        return Phrase(f"at {value}", value)
    if kind < 0.75:
        value = rng.choice(["noon", "midnight", "lunchtime", "noon"])
        return Phrase(f"at {value}", value)
    if kind < 0.86 and relative:
        value = f"in {duration(rng, spoken)}"
        if rng.random() < 0.2:
            value = f"{value[3:]} from now"
        return Phrase(value, value)
    if kind < 0.94:
        if rng.random() < 0.5:
            value = rng.choice(["this morning", "this afternoon", "this evening", "tonight", "tonight"])
            return Phrase(value, value)
        part = rng.choice(PART[:3])
        return Phrase(f"in the {part}", part)
    value = (
        f"{rng.choice(['after', 'before', 'around', 'by', 'until', 'after', 'before'])} {clock(rng, spoken)}"
    )
    return Phrase(value, value)


def repeat(rng: random.Random, spoken: bool) -> Phrase:
    day, other = rng.sample(DAYS, 2)
    kind = rng.random()
    if kind < 0.7:
        value = rng.choice(
            [
                "every day",
                "every day",
                "daily",
                f"every {day}",
                f"every {day}",
                f"every {day}",
                "every week",
                "weekly",
                "every month",
                "monthly",
                "every year",
                "yearly",
                "every weekday",
                "every morning",
                "every evening",
                "every night",
                f"every {day} and {other}",
                "every two weeks",
                "every other day",
                f"every other {day}",
                f"each {day}",
                "each week",
                "every first Monday of the month",
                "every hour",
                "everyday",
                "every three months",
                "annually",
                "every weekend",
                f"every second {day}",
            ]
        )
        return Phrase(value, value)
    value = rng.choice(
        ["weekdays", "weekends", f"{day}s", f"{day}s", f"{day}s and {other}s", "workdays", "school days"]
    )
    return Phrase(f"on {value}", value)


@dataclass(frozen=True)
class When:
    """The when-part of a request: its words and the values of `date`, `time` and `repeat` (None: absent)."""

    surface: str
    date: str | None = None
    time: str | None = None
    repeat: str | None = None

    def arguments(self) -> dict[str, str]:
        return {k: v for k, v in (("date", self.date), ("time", self.time), ("repeat", self.repeat)) if v}


def when(
    rng: random.Random, spoken: bool, kinds: str = "dtb", *, spans: bool = False, search: bool = False
) -> When:
    """One when-part; ``kinds``: what may come: d date, t time, b both, r repetition, s that and a time."""
    kind = rng.choice(kinds)
    if kind == "d":
        d = date(rng, spoken, search=search)
        return When(d.surface, d.value)
    if kind == "t":
        t = time(rng, spoken, spans=spans)
        return When(t.surface, None, t.value)
    if kind == "r":
        r = repeat(rng, spoken)
        return When(r.surface, None, None, r.value)
    if kind == "s":
        r, t = repeat(rng, spoken), time(rng, spoken, relative=False)
        while t.value.startswith(("this", "tonight", "in ")):
            t = time(rng, spoken, relative=False)
        order = [r.surface, t.surface] if rng.random() < 0.6 else [t.surface, r.surface]
        return When(" ".join(order), None, t.value, r.value)
    form = rng.random()
    day = rng.choice(["tomorrow", "tomorrow", rng.choice(DAYS), f"next {rng.choice(DAYS)}"])
    if form < 0.16:
        part = rng.choice(PART)
        on = "on " if day[0].isupper() and rng.random() < 0.7 else ""
        return When(f"{on}{day} {part}", day, part)
    if form < 0.28:
        part, at = rng.choice(PART[:3]), clock(rng, spoken)
        on = "on " if day[0].isupper() and rng.random() < 0.7 else ""
        if rng.random() < 0.5:
            return When(f"{on}{day} {part} at {at}", day, f"{part} at {at}")
        return When(f"at {at} {on}{day} {part}", day, f"{at} {part}")
    if form < 0.32:
        at = clock(rng, spoken)
        if rng.random() < 0.5:
            return When(f"tonight at {at}", None, f"tonight at {at}")
        return When(f"at {at} tonight", None, f"{at} tonight")
    d, t = date(rng, spoken), time(rng, spoken, spans=spans, relative=False)
    while t.value.startswith(("this", "tonight", "in ")):
        t = time(rng, spoken, spans=spans, relative=False)
    surface = f"{d.surface} {t.surface}" if rng.random() < 0.62 else f"{t.surface} {d.surface}"
    if not spoken and rng.random() < 0.06:
        surface = f"{d.surface}, {t.surface}"
    return When(surface, d.value, t.value)
