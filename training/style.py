"""How a request is written: politeness, casing and punctuation, or the form of speech recognition."""

import random
import re
from collections.abc import Callable
from typing import Any

from training.hwu64 import Call
from training.requests import Request

PREFIX = (
    "please ",
    "can you ",
    "could you ",
    "could you please ",
    "can you please ",
    "would you ",
    "hey, ",
    "I want you to ",
    "I need you to ",
    "I'd like you to ",
    "would you please ",
    "hi, please ",
    "ok, ",
    "now ",
    "kindly ",
    "will you ",
)
DEV_PREFIX = ("be so kind and ", "do me a favour and ", "go ahead and ")
SUFFIX = (" please", ", please", ", thanks", " for me", ", thank you", " for me please", ", ok?")
QUESTION = re.compile(
    r"^(what|when|where|who|which|how|do|does|did|am|is|are|have|has|can|could|would|will|at what"
    r"|any|anything|hi, can|hey, can)\b",
    re.IGNORECASE,
)


def polite(rng: random.Random, request: Request, dev: bool) -> str:
    text = request.text
    if request.imperative:
        roll = rng.random()
        if roll < 0.26:
            text = rng.choice(DEV_PREFIX if dev and rng.random() < 0.5 else PREFIX) + text
        elif roll < 0.34 and not open_ended(request.call):
            text += rng.choice(SUFFIX)
    elif rng.random() < 0.05:
        text = rng.choice(["please ", "hey, ", "hi, ", "ok, "]) + text
    return text


def open_ended(made: Call) -> bool:
    """Whether the request ends in free text, where an appended word would become part of it."""
    return made["name"] in ("draft_mail", "create_reminder", "refuse")


def typed(rng: random.Random, text: str) -> str:
    """Sentence case and final punctuation, sometimes left out as people do."""
    question = bool(QUESTION.match(text))
    roll = rng.random()
    if roll < 0.78:
        text = text[0].upper() + text[1:]
    if text[-1] in ".?!\"”'":
        return text
    if question:
        return text + ("?" if rng.random() < 0.75 else "")
    return text + rng.choice([".", ".", "", "", "!"] if rng.random() < 0.3 else [".", ""])


def spoken(text: str) -> str:
    """The form of speech recognition: lower case, no punctuation but apostrophes and what is inside words."""
    text = text.lower().replace("“", "").replace("”", "").replace('"', "")
    text = re.sub(r"(?<!\w)'|'(?!\w)", "", text)
    text = re.sub(r"[,;:!?.]+(?=\s|$)", "", text)
    text = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text)
    return re.sub(r"\s+", " ", text).strip()


def map_strings(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [map_strings(v, change) for v in value]
    return {k: map_strings(v, change) for k, v in value.items()}


def dress(rng: random.Random, request: Request, dev: bool, speech: bool) -> Request:
    """The request in one written form; arguments change with the text, so that they stay copies of it."""
    text = polite(rng, request, dev)
    made = request.call
    if speech:
        change: Callable[[str], str] = spoken if rng.random() > 0.03 else str.lower
        arguments = map_strings(made["arguments"], change) if made["name"] != "refuse" else made["arguments"]
        return Request(
            change(text), {"name": made["name"], "arguments": arguments}, request.sources, request.imperative
        )
    text = typed(rng, text)

    def capital(value: str) -> str:
        upper = value[:1].upper() + value[1:]
        return upper if value not in text and text.startswith(upper) else value

    arguments = made["arguments"] if made["name"] == "refuse" else map_strings(made["arguments"], capital)
    return Request(text, {"name": made["name"], "arguments": arguments}, request.sources, request.imperative)


def faithful(request: Request) -> bool:
    """Whether every argument is copied from the request: in one piece, a time also in pieces."""
    if request.call["name"] == "refuse":
        return True
    for key, value in request.call["arguments"].items():
        for text in value if isinstance(value, list) else [value]:
            pieces = [p for p in re.split(r"#\d+(?:, #\d+| and #\d+)*", text) if p.strip()]
            if key == "time" and text not in request.text:
                pieces = text.split()
            if any(p.strip() not in request.text for p in pieces) or not text.strip():
                return False
    return True
