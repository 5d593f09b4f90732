"""Joining the parts of a planner request into one text, and the task that each part becomes."""

import random
import re
from collections.abc import Sequence

from training.planner_parts import Part
from training.planner_wordings import (
    CLOSING,
    INLINE,
    INLINE_DEV,
    INLINE_MORE,
    OPENING,
    OPENING_DEV,
    SENTENCE,
    SENTENCE_DEV,
    SENTENCE_MORE,
    SPOKEN,
    SPOKEN_DEV,
    SPOKEN_MORE,
)
from training.style import spoken


def sentence(text: str) -> str:
    return text[0].upper() + text[1:]


EDGE = re.compile(r"^(?:(?:please|kindly|hey|hi|hello|ok|okay|and|also)\b[,!]? )+", re.IGNORECASE)


def strip_task(text: str) -> str:
    """The task as the plan says it: without please or a greeting at its edges, without a closing period."""
    text = EDGE.sub("", text)
    text = re.sub(r",? (?:please|thanks|thank you)(?=[?.!]?$)", "", text, flags=re.IGNORECASE)
    return text.rstrip(".!;, ")


def joints(
    rng: random.Random, dev: bool, usual: Sequence[str], held: Sequence[str], more: Sequence[str]
) -> str:
    """A joint: for development mostly one that is held out, for training one of all others."""
    if dev:
        return rng.choice(held if rng.random() < 0.6 else usual)
    return rng.choice((*usual, *more))


def compose(rng: random.Random, parts: Sequence[Part], dev: bool, speech: bool) -> tuple[str, list[str]]:
    """The request and the task text of each part, verbatim in it."""
    texts = [p.text for p in parts]
    if speech:
        said = [spoken(t) for t in texts]
        text = said[0] if rng.random() > 0.06 else rng.choice(["first ", "please ", "hey "]) + said[0]
        for other in said[1:]:
            text += joints(rng, dev, SPOKEN, SPOKEN_DEV, SPOKEN_MORE) + other
        return text, [strip_task(t) for t in said]
    form = rng.random()
    multi = len(parts) > 1
    tasks: list[str] = []
    opening = ""
    if rng.random() < (0.12 if multi else 0.06):
        opening = rng.choice(OPENING_DEV if dev and rng.random() < 0.6 else OPENING)
        if not multi and (
            "irst" in opening
            or "wo" in opening
            or "few" in opening
            or "couple" in opening
            or "start" in opening
            or "begin" in opening
        ):
            opening = ""
    first = (
        texts[0]
        if opening and opening.rstrip()[-1] not in ".!"
        else (sentence(texts[0]) if rng.random() < 0.85 else texts[0])
    )
    if multi and form < 0.06:
        marks = rng.choice(["{}. ", "{}) ", "- ", "* ", "({}) "])
        rows = [marks.format(n) + (sentence(t) if rng.random() < 0.7 else t) for n, t in enumerate(texts, 1)]
        ends = ["?" if p.question and rng.random() < 0.7 else "" for p in parts]
        head = rng.choice(["", "", "", "Please do the following:\n", "To do:\n", "My tasks:\n"])
        body = rng.choice(["\n", "\n", " "]).join(r + e for r, e in zip(rows, ends, strict=True))
        cut = [re.sub(r"^(?:\d\. |\d\) |\(\d\) |[-*] )", "", r) + e for r, e in zip(rows, ends, strict=True)]
        return head + body, [strip_task(t) for t in cut]
    text = opening + first
    tasks.append(first)
    for index, part in enumerate(parts[1:], 1):
        previous = parts[index - 1]
        other = part.text
        by_sentence = form < 0.55 if not (form > 0.85) else rng.random() < 0.5
        newline = form < 0.12
        if by_sentence:
            mark = "?" if previous.question and rng.random() < 0.85 else rng.choice([".", ".", ".", ".", "!"])
            if mark == "?":
                tasks[-1] += mark
            text += mark
            if newline:
                joint = rng.choice(["", "", "Then ", "Also ", "And "])
                text += "\n" + joint
                other = other if joint else sentence(other)
            else:
                joint = joints(rng, dev, SENTENCE, SENTENCE_DEV, SENTENCE_MORE)
                if joint == "Before that," and part.reference:
                    joint = "Then"
                text += " "
                if joint == ".":
                    other = sentence(other) if rng.random() < 0.9 else other
                else:
                    text += joint + " "
        else:
            if len(parts) > 2 and index < len(parts) - 1 and rng.random() < 0.4:
                joint = ", "
            else:
                joint = joints(rng, dev, INLINE, INLINE_DEV, INLINE_MORE)
                while part.reference and "first" in joint:
                    joint = rng.choice(INLINE)
            if "..." not in joint and previous.question and rng.random() < 0.3:
                text += "?"
                tasks[-1] += "?"
                joint = " " + joint.lstrip(",;. ")
            text += joint
        text += other
        tasks.append(other)
    last = parts[-1]
    if last.question and rng.random() < 0.75:
        text += "?"
        tasks[-1] += "?"
    elif rng.random() < 0.55:
        text += rng.choice([".", ".", ".", "!"])
    if rng.random() < 0.03:
        text += ("" if text[-1] in ".?!" else ".") + rng.choice(CLOSING)
    return text, [strip_task(t) for t in tasks]
