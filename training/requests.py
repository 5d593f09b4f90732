"""Generated organizer requests: templates and words give a request and the one call that serves it."""

import random
import re
from dataclasses import dataclass, field

from training import words
from training.hwu64 import Call
from training.words import pick

ARTICLE = re.compile(r"^(?:(?:the|a|an|my|our|his|her|some|your|their) )+", re.IGNORECASE)


def bare(text: str) -> str:
    """A value without its leading article or possessive (the copying convention)."""
    return ARTICLE.sub("", text)


@dataclass
class Request:
    """A request as the organizer sees it; ``sources`` are the earlier tasks it refers to, by step number."""

    text: str
    call: Call
    sources: dict[int, str] = field(default_factory=dict)
    imperative: bool = True

    def message(self) -> str:
        return "\n".join([self.text, *(f"#{n} = {task}" for n, task in sorted(self.sources.items()))])


def template(rng: random.Random, choices: str, dev: bool) -> str:
    """One template of a `|`-separated list; those that begin with ~ are kept for the development split."""
    every = words.lines(choices)
    held = [t[1:] for t in every if t.startswith("~")]
    open_ = [t for t in every if not t.startswith("~")]
    return rng.choice(held if dev and held else open_)


def tidy(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r" ([,.?!;:])", r"\1", text)
    return re.sub(r"^[,;] ?|,$", "", text).strip()


def person(rng: random.Random, dev: bool) -> str:
    kind = rng.random()
    first, last = pick(rng, words.FIRST, dev), pick(rng, words.LAST, dev)
    if kind < 0.55:
        return first
    if kind < 0.72:
        return f"{first} {last}"
    if kind < 0.82:
        return f"{rng.choice(words.TITLED)} {last}"
    return f"my {pick(rng, words.RELATION, dev)}"


def mail_address(rng: random.Random, dev: bool, spoken: bool) -> str:
    first, last = pick(rng, words.FIRST, dev).lower(), pick(rng, words.LAST, dev).lower()
    plain = {
        "ø": "o",
        "ö": "o",
        "ü": "u",
        "é": "e",
        "å": "a",
        "ı": "i",
        "š": "s",
        "á": "a",
        "'": "",
        "-": "",
        "ó": "o",
    }
    first, last = ("".join(plain.get(c, c) for c in w) for w in (first, last))
    local = rng.choice(
        [
            first,
            f"{first}.{last}",
            f"{first[0]}.{last}",
            f"{first}{rng.randint(1, 99)}",
            f"{last}",
            "info",
            "sales",
            f"{first}_{last}",
            "office",
        ]
    )
    domain = pick(rng, words.MAIL_DOMAIN, dev)
    if spoken:
        local = re.sub(r"[._]", "", local)
        return rng.choice(
            [
                f"{local}@{domain}",
                f"{local}@{domain.replace('.', ' dot ')}",
                f"{local} at {domain.replace('.', ' dot ')}",
            ]
        )
    return f"{local}@{domain}"


def people(rng: random.Random, dev: bool) -> str:
    kind = rng.random()
    if kind < 0.62:
        return person(rng, dev)
    group = "the " + pick(rng, words.GROUP, dev).removeprefix("the ")
    if kind < 0.74:
        return group
    second = group if rng.random() < 0.3 else person(rng, dev)
    if kind < 0.93:
        return f"{person(rng, dev)} and {second}"
    return f"{person(rng, dev)}, {person(rng, dev)} and {second}"


def addressee(rng: random.Random, dev: bool, spoken: bool) -> str:
    kind = rng.random()
    if kind < 0.22:
        return mail_address(rng, dev, spoken)
    if kind < 0.8:
        return person(rng, dev)
    return people(rng, dev)


def article(title: str) -> str:
    """The noun with an indefinite article."""
    plural = title.endswith("s") and not title.endswith(("ss", "pilates", "class"))
    if plural:
        return title
    return f"{'an' if title[0].lower() in 'aeio' else 'a'} {title}"
