"""What a rule is, and the rules for secrets: keys, tokens, passwords.

Every pattern runs in time linear in the text (bounded or possessive repeats): the text is hostile.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

_WORD_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-_/"
# Bytes that tokens are made of stay, all others become spaces.
_WORDS = bytes(code if chr(code) in _WORD_CHARACTERS else 0x20 for code in range(256))
# Digits become 0, letters x, what groups digits a space, all others |. What is not ASCII counts as
# grouping: a space that does not break is.
_SHAPE = bytes(
    0x30
    if character.isdigit()
    else 0x78
    if character.isalpha()
    else ord(character)
    if character in " ."
    else 0x20
    if character in "-/()+"
    else 0x7C
    for character in map(chr, range(128))
) + bytes([0x20] * 128)


class Passage:
    """A text between surrogates, with what cheap first looks need, computed once for all rules."""

    __slots__ = ("digits", "dotted", "longest", "lowered", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.lowered = text.lower()
        """For looking up substrings only: its offsets may differ from the text's."""
        encoded = text.encode("utf-8", "replace")
        self.longest = max(map(len, encoded.translate(_WORDS).split()), default=0)
        """Length of the longest run of letters, digits and ``+ - _ /``."""
        shape = encoded.translate(_SHAPE)
        self.dotted = b"0.0" in shape
        """Whether a dot stands between digits."""
        self.digits = shape.translate(None, b" .")
        """Digits as 0, letters as x and others as |, with what may group digits taken out."""

    def without(self, spans: Iterable[tuple[int, int]]) -> Passage:
        """The passage with these stretches made unreadable, at the same offsets."""
        return Passage(masked(self.text, spans))


def masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """`text` with NULs, which nothing that a rule looks for is made of, in the place of these stretches."""
    parts: list[str] = []
    position = 0
    for start, end in sorted(spans):
        start = max(start, position)
        parts += (text[position:start], "\0" * (end - start))
        position = max(position, end)
    return "".join((*parts, text[position:]))


class Rule(Protocol):
    """Finds one kind of secret or personal data; a user's own rules have this same form."""

    @property
    def name(self) -> str:
        """Type shown in the surrogate: lower-case letters and underscores, at most 24."""

    @property
    def personal(self) -> bool:
        """Whether a run that can still be resumed gets its finds back; a secret never comes back."""

    def find(self, passage: Passage) -> Iterable[tuple[int, int]]:
        """Spans of what is to be hidden in `passage.text`, surrogates of this rule among them."""

    def surrogate(self, key: bytes, found: str) -> str | None:
        """What stands for `found`, the same for a surrogate itself; None for the form in brackets."""


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
    personal: bool = False

    def find(self, passage: Passage) -> Iterable[tuple[int, int]]:
        if passage.longest >= self.longest:
            for hint in self.hints:
                if hint in passage.lowered:
                    return [match.span(match.lastindex or 0) for match in self.pattern.finditer(passage.text)]
        return ()

    def surrogate(self, key: bytes, found: str) -> str | None:
        return None


# Names after which any value is a secret, and names after which only a value that looks random is one.
_STRONG = (
    r"passwords?|passwd|passphrase|api[_-]?keys?|api[_-]?token|secret[_-]?(?:access[_-]?)?keys?|secret[_-]?token"
    r"|access[_-]?key(?:[_-]?id)?|client[_-]?secret|app[_-]?secret|private[_-]?key|signing[_-]?key|encryption[_-]?key"
    r"|(?:auth|access|refresh|id|session|bot|personal[_-]?access)[_-]?token|(?:account|shared[_-]?access)[_-]?key"
)
_WEAK = r"secrets?|tokens?|pwd|credentials?|authorization|auth"
STRONG_KEY = re.compile(rf"(?:{_STRONG})\Z", re.IGNORECASE)
WEAK_KEY = re.compile(rf"(?:.*[^a-z])?(?:{_WEAK})\Z", re.IGNORECASE)
_SCHEME = r"(?:(?:basic|bearer|token|digest|apikey|negotiate)\s{1,4})?"
SCHEME_PREFIX = re.compile(_SCHEME, re.IGNORECASE)
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
RANDOM_VALUE = re.compile(_RANDOM)

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
    personal: bool = False

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

    def surrogate(self, key: bytes, found: str) -> str | None:
        return None


def _entropy(token: str) -> float:
    """Shannon entropy in bits a character."""
    total = len(token)
    return -sum(count / total * math.log2(count / total) for count in Counter(token).values())


SECRETS: tuple[Rule, ...] = (
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
