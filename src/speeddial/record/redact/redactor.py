"""The redactor: walks texts and values, and puts surrogates where rules find something."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import re
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

from speeddial.errors import RecordError
from speeddial.record.originals import Originals
from speeddial.record.redact.patterns import RULES
from speeddial.record.redact.rules import (
    RANDOM_VALUE,
    SCHEME_PREFIX,
    STRONG_KEY,
    WEAK_KEY,
    Passage,
    PatternRule,
    Rule,
)
from speeddial.record.redact.surrogates import KNOWN, around_known, bracketed

Counts = Counter[str]
"""Redactions per rule name."""

# A text that is still uncovering secrets after so many rounds is hostile: what is left goes as a whole.
_ROUNDS = 8
# Up to so many texts of so many characters are remembered to hold no secret.
_CLEAN_TEXTS, _SHORT = 1024, 80
# What keys and personal data are made of, written as JSON escapes, in which a hostile output could hide it.
_ESCAPED = re.compile(r"\\u00(2[089bBdDeEfF]|3[0-9aA]|4[0-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])")
_LONG_NUMBER = 10**10
"""Whole numbers from here on are looked at as texts: cards and phone numbers come as such."""


# What is hidden without a rule's having found it.
_SECRET = PatternRule("secret", (), re.compile("(?!)"))


class Find(NamedTuple):
    """A stretch of a text that is to be replaced."""

    start: int
    end: int
    rule: Rule
    replacement: str


_PLAIN = (bool, int, float, type(None), enum.Enum, datetime.date, datetime.time, datetime.timedelta)
_PLAIN_OBJECTS = (decimal.Decimal, uuid.UUID, datetime.tzinfo)


class Redactor:
    """Replaces secrets and personal data by typed, consistent surrogates.

    Args:
        key: secret of the keyed hash; surrogates are equal only under the same key.
        rules: what is to be hidden; where finds overlap, the first rule names their union.
    """

    def __init__(self, key: bytes, rules: Sequence[Rule] = RULES) -> None:
        self._key = key
        self._rules = tuple(rules)
        # Names, keys and statuses come with every row: a set look-up instead of all the rules.
        self._clean: set[str] = set()

    @property
    def personal(self) -> frozenset[str]:
        """Names of the rules whose finds a run gets back when it is resumed."""
        return frozenset(rule.name for rule in self._rules if rule.personal)

    def text(self, text: str, counts: Counts | None = None) -> str:
        """`text` with everything replaced that a rule finds.

        Args:
            counts: added to, one for each replacement, by rule name.

        Raises:
            RecordError: a rule failed; nothing may be written.
        """
        if text in self._clean:
            return text
        given = text
        if "\\u00" in text:
            plain = _ESCAPED.sub(lambda match: chr(int(match.group(1), 16)), text)
            if plain != text and self._finds(plain):
                text = plain
        rounds = 0
        while True:
            # Known surrogates split the text, so that no rule looks into one or across one. What a
            # replacement uncovers (a token that now stands alone) is found in the next round.
            pieces = around_known(text)
            changed = False
            for index in range(0, len(pieces), 2):
                finds = self._finds(pieces[index])
                if finds:
                    changed = True
                    if rounds == _ROUNDS:
                        hidden = bracketed(self._key, _SECRET.name, pieces[index])
                        finds = [Find(0, len(pieces[index]), _SECRET, hidden)]
                    pieces[index] = _replaced(pieces[index], finds, counts)
            if not changed:
                if text is given and len(text) <= _SHORT:
                    if len(self._clean) >= _CLEAN_TEXTS:
                        self._clean.clear()
                    self._clean.add(text)
                return text
            text = "".join(pieces)
            rounds += 1

    def value(self, value: Any, counts: Counts | None = None) -> Any:
        """A JSON value redacted in strings, in keys, in long numbers, and under keys that name a secret.

        Also walks what checkpoints hold: tuples, sets, bytes, dataclasses and Pydantic models, of which
        changed copies are made. The argument itself is never changed.

        Raises:
            RecordError: a rule failed, or the value holds a type that cannot be looked into.
        """
        try:
            return self._value(value, counts)
        except RecursionError:
            raise RecordError(
                "redaction: the value is nested too deeply to be looked through; nothing was written"
            ) from None

    def _value(self, value: Any, counts: Counts | None) -> Any:
        if isinstance(value, str):
            return value if isinstance(value, enum.Enum) else self.text(value, counts)
        if type(value) is int and abs(value) >= _LONG_NUMBER:
            return self._number(value, counts)
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, Mapping):
            return {
                self._value(key, counts): self._named(key, item, counts)
                if isinstance(key, str)
                else self._value(item, counts)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._value(item, counts) for item in value]
        if isinstance(value, tuple):
            items = [self._value(item, counts) for item in value]
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        if isinstance(value, set | frozenset):
            return type(value)(self._value(item, counts) for item in value)
        if isinstance(value, bytes):
            return self.text(value.decode("latin-1"), counts).encode("latin-1")
        if isinstance(value, PurePath):
            return type(value)(self.text(str(value), counts))
        if isinstance(value, _PLAIN_OBJECTS):
            return value
        return self._object(value, counts)

    def _number(self, value: int, counts: Counts | None) -> Any:
        text = str(value)
        redacted = self.text(text, counts)
        # A number again where the surrogate is one, as a schema may ask for a number.
        return value if redacted == text else int(redacted) if redacted.isdecimal() else redacted

    def _object(self, value: Any, counts: Counts | None) -> Any:
        """A copy of a dataclass or Pydantic model with its fields redacted."""
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            changed = {
                field.name: self._named(field.name, getattr(value, field.name), counts)
                for field in dataclasses.fields(value)
                if field.init
            }
            return dataclasses.replace(value, **changed)
        if hasattr(value, "model_copy") and hasattr(type(value), "model_fields"):
            return value.model_copy(
                update={
                    name: self._named(name, getattr(value, name), counts) for name in type(value).model_fields
                }
            )
        raise RecordError(
            f"redaction cannot look into a {type(value).__qualname__}; nothing was written",
            hint="give JSON values, dataclasses or Pydantic models",
        )

    def _named(self, name: str, value: Any, counts: Counts | None) -> Any:
        """A value that stands under `name`: one named ``password`` is a secret whatever it looks like."""
        if isinstance(value, list):
            return [self._named(name, item, counts) for item in value]
        if isinstance(value, bool) or not isinstance(value, str | int):
            return self._value(value, counts)
        text = str(value)
        if STRONG_KEY.search(name):
            secret_from = SCHEME_PREFIX.match(text)
        elif WEAK_KEY.match(name):
            secret_from = SCHEME_PREFIX.match(text)
            if KNOWN.search(text) or (secret_from and not RANDOM_VALUE.match(text, secret_from.end())):
                secret_from = None
        else:
            secret_from = None
        if secret_from is None or not text[secret_from.end() :]:
            return self._value(value, counts)
        start = secret_from.end()
        if KNOWN.fullmatch(text, start):
            return value
        secret = text[start:]
        inner = self._finds(secret)
        # The kind that the text alone shows is the better name, and the one it has elsewhere.
        alone = len(inner) == 1 and inner[0][:2] == (0, len(secret)) and not inner[0].rule.personal
        kind = inner[0].rule.name if alone else "secret"
        if counts is not None:
            counts[kind] += 1
        return text[:start] + bracketed(self._key, kind, secret)

    def _finds(self, text: str) -> list[Find]:
        """Disjoint stretches with their replacements, in order; overlapping finds are joined."""
        if not text:
            return []
        passage = Passage(text)
        found: list[tuple[int, int, int]] = []
        for rank, rule in enumerate(self._rules):
            try:
                spans = [(start, end) for start, end in rule.find(passage) if start < end]
            except Exception as error:  # noqa: BLE001 - whatever a rule raises, nothing may pass it
                raise _failed(rule, error) from None
            if spans:
                found.extend((start, end, rank) for start, end in spans)
                if rule.personal:
                    # A number has one type: the end of one and the beginning of another are no third.
                    passage = passage.without(spans)
        if not found:
            return []
        found.sort()
        joined: list[tuple[int, int, int]] = []
        for start, end, rank in found:
            if joined and start < joined[-1][1]:
                last_start, last_end, last_rank = joined[-1]
                joined[-1] = (last_start, max(last_end, end), min(last_rank, rank))
            else:
                joined.append((start, end, rank))
        whole = set(found)
        finds = []
        for start, end, rank in joined:
            rule, taken = self._rules[rank], text[start:end]
            try:
                # Of two finds that overlap in part, neither has the form that a surrogate could take.
                typed = rule.surrogate(self._key, taken) if (start, end, rank) in whole else None
            except Exception as error:  # noqa: BLE001 - as above
                raise _failed(rule, error) from None
            if typed != taken:
                finds.append(Find(start, end, rule, typed or bracketed(self._key, rule.name, taken)))
        return finds


def _replaced(text: str, finds: Sequence[Find], counts: Counts | None) -> str:
    originals = Originals.at_work()
    parts: list[str] = []
    position = 0
    for start, end, rule, replacement in finds:
        if originals is not None and rule.personal:
            originals.keep(replacement, text[start:end])
        parts += (text[position:start], replacement)
        position = end
        if counts is not None:
            counts[rule.name] += 1
    parts.append(text[position:])
    return "".join(parts)


def _failed(rule: Rule, error: Exception) -> RecordError:
    # Raised without chaining: the rule's own message may quote the secret.
    return RecordError(
        f"redaction rule {rule.name!r} failed ({type(error).__name__}); nothing was written",
        hint="mend or remove the rule; the record never writes what a rule could not check",
    )
