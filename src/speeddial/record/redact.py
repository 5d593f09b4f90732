"""Redaction: the one choke point through which everything passes before it is written.

First form: keys, tokens and passwords. A secret becomes a typed surrogate such as
``[redacted:api_key:1a2b3c4d]``, where the last part is a keyed hash, so the same secret gets the same
surrogate in a message, in a call's arguments and in a file's text, and joins and training survive.

Three properties, each held by a property test:
- idempotent: surrogates are never looked into, and a text is worked on until no rule finds anything;
- consistent: a JSON value redacted as a value, or as its JSON text, hides the same secrets;
- failing closed: a rule that raises stops the write (`RecordError`), it never lets the text through.

Every pattern runs in time linear in the text (bounded or possessive repeats): the text is hostile.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import hashlib
import hmac
import math
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, ClassVar, Protocol

from speeddial.errors import RecordError

Counts = Counter[str]
"""Redactions per rule name."""

_WORD_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-_/"
# A text that is still uncovering secrets after so many rounds is hostile: what is left goes as a whole.
_ROUNDS = 8
# Up to so many texts of so many characters are remembered to hold no secret.
_CLEAN_TEXTS, _SHORT = 1024, 80
# Letters, digits, - and _ written as JSON escapes, in which a hostile output could hide a key.
_ESCAPED = re.compile(r"\\u00(2[dD]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])")
_SURROGATE = re.compile(r"(\[redacted:[a-z_]{1,24}:[0-9a-f]{8}\])")


# Bytes that tokens are made of stay, all others become spaces.
_WORDS = bytes(code if chr(code) in _WORD_CHARACTERS else 0x20 for code in range(256))


class Passage:
    """A text between surrogates, with what cheap first looks need, computed once for all rules."""

    __slots__ = ("longest", "lowered", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.lowered = text.lower()
        """For looking up substrings only: its offsets may differ from the text's."""
        words = text.encode("utf-8", "replace").translate(_WORDS).split()
        self.longest = max(map(len, words), default=0)
        """Length of the longest run of letters, digits and ``+ - _ /``."""


class Rule(Protocol):
    """Finds one kind of secret; further rules (e-mail, cards, a user's own) have this same form."""

    @property
    def name(self) -> str:
        """Type shown in the surrogate: lower-case letters and underscores, at most 24."""

    def find(self, passage: Passage) -> Iterable[tuple[int, int]]:
        """Spans of the secrets in `passage.text`."""


@dataclass(frozen=True)
class PatternRule:
    """A rule made of one regular expression; the span is the group that matched, or else the whole match.

    Args:
        name: the surrogate's type.
        hints: lower-case substrings, one of which must occur before the pattern is tried at all.
            Searching for a substring is some 50 times faster than running an expression.
        pattern: must be linear in the text.
        longest: the pattern is not tried on texts whose longest word is shorter.
    """

    name: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    longest: int = 0

    def find(self, passage: Passage) -> Iterable[tuple[int, int]]:
        if passage.longest >= self.longest:
            for hint in self.hints:
                if hint in passage.lowered:
                    return [match.span(match.lastindex or 0) for match in self.pattern.finditer(passage.text)]
        return ()


# Names after which any value is a secret, and names after which only a value that looks random is one.
_STRONG = (
    r"passwords?|passwd|passphrase|api[_-]?keys?|api[_-]?token|secret[_-]?(?:access[_-]?)?keys?|secret[_-]?token"
    r"|access[_-]?key(?:[_-]?id)?|client[_-]?secret|app[_-]?secret|private[_-]?key|signing[_-]?key|encryption[_-]?key"
    r"|(?:auth|access|refresh|id|session|bot|personal[_-]?access)[_-]?token|(?:account|shared[_-]?access)[_-]?key"
)
_WEAK = r"secrets?|tokens?|pwd|credentials?|authorization|auth"
_STRONG_KEY = re.compile(rf"(?:{_STRONG})\Z", re.IGNORECASE)
_WEAK_KEY = re.compile(rf"(?:.*[^a-z])?(?:{_WEAK})\Z", re.IGNORECASE)
_SCHEME = r"(?:(?:basic|bearer|token|digest|apikey|negotiate)\s{1,4})?"
_SCHEME_PREFIX = re.compile(_SCHEME, re.IGNORECASE)
_NOT_A_SECRET = (
    r"(?:null|none|nil|true|false|undefined|string|str|text|integer|int|number|required|optional)\b"
)
_SEPARATOR = r"""\\{0,3}["']?\s{0,4}(?:=>|:=|==?|:)\s{0,4}"""


def _assigned(names: str, looks: str) -> str:
    """Pattern for ``NAME = VALUE`` in code, JSON, JSON in JSON, URLs, headers and prose.

    Args:
        names: alternatives for the name.
        looks: lookaheads that the value must pass.
    """
    # Each value runs to its end however long it is; an unterminated one (output cut off) to the text's end.
    quoted_twice = rf"""\\{{1,3}}["']{_SCHEME}{looks}([^"'\\]++)(?:\\|\Z)"""
    double = rf""""{_SCHEME}{looks}((?:[^"\\]|\\[\s\S])++)(?:"|\\?\Z)"""
    single = rf"""'{_SCHEME}{looks}((?:[^'\\]|\\[\s\S])++)(?:'|\\?\Z)"""
    bare = rf"""{_SCHEME}{looks}(?!{_NOT_A_SECRET})((?:[^\s"'\\,;&<>{{}}\[\]()]|,(?=[^\s"'])){{2,}}+)"""
    return rf"(?:{names}){_SEPARATOR}(?:{quoted_twice}|{double}|{single}|{bare})"


# Eight or more characters without a space, with a digit and a letter among the first 64.
_RANDOM = r"""(?=[^\s"'\\]{0,64}\d)(?=[^\s"'\\]{0,64}[A-Za-z])(?=[^\s"'\\/,;]{8})"""
_RANDOM_VALUE = re.compile(_RANDOM)

_PEM = re.compile(
    # The body may hold the escape \n, as PEM stands in JSON; a truncated block is hidden to its end.
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[A-Za-z0-9+/=\s:,.()\\]|-(?!----))*+(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
)
_API_KEYS = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"sk-(?=[A-Za-z0-9_-]{0,200}\d)[A-Za-z0-9_-]{16,}"  # OpenAI, Anthropic, OpenRouter
    r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}"  # Stripe
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_.-]{16,}"  # GitHub, GitLab
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Z0-9])"  # AWS
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}"  # Slack
    r"|AIza[A-Za-z0-9_-]{35,}|ya29\.[A-Za-z0-9_-]{20,}"  # Google
    r"|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{40,}|dop_v1_[a-f0-9]{60,}"
    r"|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"  # SendGrid
    r"|\d{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])"  # Telegram
    r")"
)
_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)?")
_BEARER = re.compile(
    r"\bbearer\s{1,4}(?=[A-Za-z0-9._~+/=-]{0,200}\d)([A-Za-z0-9._~+/=-]{12,})", re.IGNORECASE
)
_URL = re.compile(r""":\\?/\\?/[^\s/:@"'<>\\]*+:([^\s/@"'<>\\]++)@""")
_URL_QUERY = re.compile(
    r"[?&](?:key|sig|signature|code|auth|token|x-amz-(?:signature|credential|security-token))="
    r"([A-Za-z0-9%._~+/=-]{12,})",
    re.IGNORECASE,
)
_ASSIGNED_STRONG = re.compile(_assigned(_STRONG, ""), re.IGNORECASE)
_ASSIGNED_WEAK = re.compile(_assigned(rf"(?<![A-Za-z])(?:{_WEAK})", _RANDOM), re.IGNORECASE)


@dataclass(frozen=True)
class EntropyRule:
    """Long unbroken tokens that no other rule knows but that look like key material.

    A token counts when it has at least 32 characters, upper and lower case and a digit, is not a hash
    in hex, and its Shannon entropy reaches `bits` a character. What it costs in false positives on
    public data: `benchmarks/README.md`, section record.
    """

    name: str = "high_entropy"
    bits: float = 4.2
    longest: int = 32

    # Without a slash, or ordinary paths become tokens; AWS secret keys have them, and exactly 40 characters.
    # Bounded above: base64 of a file is data, not a key.
    _token: ClassVar[re.Pattern[str]] = re.compile(
        r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+_-]{32,512}={0,2}|[A-Za-z0-9+/]{40})(?![A-Za-z0-9+/_-])"
    )

    def find(self, passage: Passage) -> Iterable[tuple[int, int]]:
        if passage.longest < self.longest:
            return
        for match in self._token.finditer(passage.text):
            token = match.group()
            if (
                any(character.isdigit() for character in token)
                and any(character.islower() for character in token)
                and any(character.isupper() for character in token)
                and _entropy(token) >= self.bits
            ):
                yield match.span()


def _entropy(token: str) -> float:
    """Shannon entropy in bits a character."""
    total = len(token)
    return -sum(count / total * math.log2(count / total) for count in Counter(token).values())


RULES: tuple[Rule, ...] = (
    PatternRule("private_key", ("private key",), _PEM),
    PatternRule(
        "api_key",
        (
            *(
                "sk-",
                "_live_",
                "_test_",
                "ghp_",
                "gho_",
                "ghu_",
                "ghs_",
                "ghr_",
                "github_pat_",
                "glpat-",
                "akia",
                "asia",
            ),
            *(
                "abia",
                "acca",
                "xox",
                "xapp-",
                "aiza",
                "ya29.",
                "hf_",
                "npm_",
                "pypi-",
                "dop_v1_",
                "sg.",
                ":aa",
            ),
        ),
        _API_KEYS,
        longest=14,
    ),
    PatternRule("jwt", ("eyj",), _JWT),
    EntropyRule(),
    PatternRule("secret", ("bearer",), _BEARER),
    PatternRule("secret", ("://", ":\\/\\/"), _URL),
    PatternRule("secret", ("pass", "key", "secret", "token"), _ASSIGNED_STRONG),
    PatternRule("secret", ("secret", "token", "pwd", "credential", "auth"), _ASSIGNED_WEAK),
    PatternRule("secret", ("key=", "sig", "code=", "auth=", "token=", "x-amz-"), _URL_QUERY),
)
"""In order of precedence: where two rules overlap, the first one names the surrogate of their union.

What is a secret by its own look comes first; what is one by its place is a plain ``secret`` whichever
place that was, so that a password in a URL and in an assignment has one surrogate."""

_PLAIN = (bool, int, float, type(None), enum.Enum, datetime.date, datetime.time, datetime.timedelta)
_PLAIN_OBJECTS = (decimal.Decimal, uuid.UUID, datetime.tzinfo)


class Redactor:
    """Replaces secrets by typed, consistent surrogates.

    Args:
        key: secret of the keyed hash; surrogates are equal only under the same key.
        rules: what counts as a secret, first match names it.
    """

    def __init__(self, key: bytes, rules: Sequence[Rule] = RULES) -> None:
        self._key = key
        self._rules = tuple(rules)
        # Names, keys and statuses come with every row: a set look-up instead of all the rules.
        self._clean: set[str] = set()

    def surrogate(self, kind: str, secret: str) -> str:
        """The text that stands for `secret`."""
        digest = hmac.digest(self._key, secret.encode("utf-8", "surrogatepass"), hashlib.sha256)
        return f"[redacted:{kind}:{digest[:4].hex()}]"

    def text(self, text: str, counts: Counts | None = None) -> str:
        """`text` with every secret replaced.

        Args:
            counts: added to, one for each secret replaced, by rule name.

        Raises:
            RecordError: a rule failed; nothing may be written.
        """
        if text in self._clean:
            return text
        given = text
        if "\\u00" in text:
            plain = _ESCAPED.sub(lambda match: chr(int(match.group(1), 16)), text)
            if plain != text and self._spans(plain):
                text = plain
        rounds = 0
        while True:
            # Known surrogates split the text, so that no rule looks into one or across one. What a
            # replacement uncovers (a token that now stands alone) is found in the next round.
            pieces = _SURROGATE.split(text) if "[redacted:" in text else [text]
            changed = False
            for index in range(0, len(pieces), 2):
                spans = self._spans(pieces[index])
                if spans:
                    changed = True
                    if rounds == _ROUNDS:
                        spans = [(0, len(pieces[index]), spans[0][2])]
                    pieces[index] = self._replaced(pieces[index], spans, counts)
            if not changed:
                if text is given and len(text) <= _SHORT:
                    if len(self._clean) >= _CLEAN_TEXTS:
                        self._clean.clear()
                    self._clean.add(text)
                return text
            text = "".join(pieces)
            rounds += 1

    def value(self, value: Any, counts: Counts | None = None) -> Any:
        """A JSON value with every secret replaced, in strings, in keys, and under keys that name a secret.

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
        if _STRONG_KEY.search(name):
            secret_from = _SCHEME_PREFIX.match(text)
        elif _WEAK_KEY.match(name):
            secret_from = _SCHEME_PREFIX.match(text)
            if _SURROGATE.search(text) or (secret_from and not _RANDOM_VALUE.match(text, secret_from.end())):
                secret_from = None
        else:
            secret_from = None
        if secret_from is None or not text[secret_from.end() :]:
            return self._value(value, counts)
        start = secret_from.end()
        if _SURROGATE.fullmatch(text, start):
            return value
        inner = self._spans(text[start:])
        # The kind that the text alone shows is the better name, and the one it has elsewhere.
        kind = inner[0][2] if len(inner) == 1 and inner[0][:2] == (0, len(text) - start) else "secret"
        if counts is not None:
            counts[kind] += 1
        return text[:start] + self.surrogate(kind, text[start:])

    def _spans(self, text: str) -> list[tuple[int, int, str]]:
        """Disjoint spans with the rule's name, in order; overlapping finds are joined."""
        if not text:
            return []
        passage = Passage(text)
        found: list[tuple[int, int, int]] = []
        for rank, rule in enumerate(self._rules):
            try:
                found.extend((start, end, rank) for start, end in rule.find(passage) if start < end)
            except Exception as error:  # noqa: BLE001 - whatever a rule raises, nothing may pass it
                # No chaining: the rule's own message may quote the secret.
                raise RecordError(
                    f"redaction rule {rule.name!r} failed ({type(error).__name__}); nothing was written",
                    hint="mend or remove the rule; the record never writes what a rule could not check",
                ) from None
        found.sort()
        joined: list[tuple[int, int, int]] = []
        for start, end, rank in found:
            if joined and start < joined[-1][1]:
                last_start, last_end, last_rank = joined[-1]
                joined[-1] = (last_start, max(last_end, end), min(last_rank, rank))
            else:
                joined.append((start, end, rank))
        return [(start, end, self._rules[rank].name) for start, end, rank in joined]

    def _replaced(self, text: str, spans: list[tuple[int, int, str]], counts: Counts | None) -> str:
        parts: list[str] = []
        position = 0
        for start, end, kind in spans:
            parts += (text[position:start], self.surrogate(kind, text[start:end]))
            position = end
            if counts is not None:
                counts[kind] += 1
        parts.append(text[position:])
        return "".join(parts)
