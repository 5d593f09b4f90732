"""Rules for personal data: e-mail, phone, payment card, IBAN, IP address.

Each looks at the value alone, never at words around it, so that a value is found in a prompt exactly
where it is found in a call's arguments. What has no sure look of its own is left out: bare national
numbers of nine digits, bank accounts without a checksum, names, addresses. What the rules find where
nothing is: `benchmarks/README.md`, section record. Linear in hostile text: repeats are possessive or
bounded, and a word is entered at its beginning only.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from speeddial.record.redact import surrogates
from speeddial.record.redact.rules import Passage, Rule, masked
from speeddial.record.redact.surrogates import PhoneForm


def _begin(first: str, characters: str) -> str:
    r"""Where a word begins, in plain text and in JSON text, where ``\n`` may stand before it.

    Args:
        first: what it begins with; looked for first, as the rest is slow.
        characters: the class of what it is made of.
    """
    return (
        rf"(?={first})(?:(?<![{characters}\\])|(?<=\\[nrtbf])|(?<=\\u[0-9A-Fa-f]{{4}})"
        r"|(?<=\\)(?![nrtbf]|u[0-9A-Fa-f]{4}))"
    )


_NUMBER = _begin("[0-9(]", r"A-Za-z0-9_.+\-/")
_NUMBER_END = r"(?![A-Za-z0-9_]|[.\-/][0-9])"


@dataclass(frozen=True)
class PersonalRule:
    """A kind of personal data whose surrogates have its own form.

    Args:
        look: a quick first look; False when nothing of the kind can be there.
        spans: spans of the values in a text.
        make: the surrogate of a value under a key.
    """

    name: str
    look: Callable[[Passage], bool]
    spans: Callable[[str], Iterable[tuple[int, int]]]
    make: Callable[[bytes, str], str]
    personal: bool = True

    def find(self, passage: Passage) -> Iterable[tuple[int, int]]:
        return self.spans(passage.text) if self.look(passage) else ()

    def surrogate(self, key: bytes, found: str) -> str | None:
        return self.make(key, found)


# ---- e-mail ----

# Letters of scripts that put spaces between words: in others an address would swallow its sentence.
_LETTERS = r"A-Za-z0-9À-ÖØ-öø-ɏͰ-ϿЀ-ӿ"
_LOCAL = rf"{_LETTERS}._%+\-"
_TOP = r"A-Za-zÀ-ÖØ-öø-ɏͰ-ϿЀ-ӿ"
_EMAIL = re.compile(
    rf"{_begin('[' + _LOCAL + ']', _LOCAL)}[._%+\-]*+"
    rf"([{_LETTERS}][{_LOCAL}]*+@(?:[{_LETTERS}][{_LETTERS}\-]{{0,62}}+\.)+"
    rf"(?:[{_TOP}]{{2,24}}|xn--[A-Za-z0-9\-]{{2,59}}))(?![A-Za-z0-9])"
)


def _emails(text: str) -> Iterator[tuple[int, int]]:
    return (match.span(1) for match in _EMAIL.finditer(text))


# ---- phone ----

_GAP = r"[ .\-/()\u00a0\u2011\u2013]"
_FORMS: tuple[tuple[PhoneForm, re.Pattern[str]], ...] = (
    (
        "international",
        re.compile(
            rf"(?:(?:(?<![A-Za-z0-9_+])|(?<=\\[nrtbf]))\+|{_NUMBER}00)[1-9][0-9]*+(?:{_GAP}{{1,2}}+[0-9]++){{0,8}}+"
        ),
    ),
    (
        "north_american",
        re.compile(
            rf"{_NUMBER}(?:1[ .\-])?(?:\([2-9][0-9]{{2}}\)[ ]?|[2-9][0-9]{{2}}([ .\-]))[2-9][0-9]{{2}}"
            rf"(?(1)\1|[ .\-])[0-9]{{4}}{_NUMBER_END}"
        ),
    ),
    ("trunk", re.compile(rf"{_NUMBER}0[1-9](?:([ .\-])[0-9]{{2}})(?:\1[0-9]{{2}}){{3}}{_NUMBER_END}")),
    ("trunk", re.compile(rf"{_NUMBER}\(?0[1-9][0-9]{{1,4}}\)?(?:[ \-/]{{1,2}}+[0-9]++){{1,4}}+")),
    ("trunk", re.compile(rf"{_NUMBER}0[1-9][0-9]{{8,9}}{_NUMBER_END}")),
    ("chinese", re.compile(rf"{_NUMBER}1[3-9][0-9]([ \-]?)[0-9]{{4}}\1[0-9]{{4}}{_NUMBER_END}")),
    (
        "russian",
        re.compile(
            rf"{_NUMBER}8[ \-]?\(?[0-9]{{3}}\)?[ \-][0-9]{{3}}[ \-][0-9]{{2}}[ \-]?[0-9]{{2}}{_NUMBER_END}"
        ),
    ),
)
_GROUP = re.compile(rf"({_GAP}*)([0-9]+)")
_STRETCH = re.compile(rf"[0-9+(](?:[0-9]|{_GAP}){{7,}}+")
"""Where a number may stand: looked for first, as the forms are ten times slower to look for."""
_USUAL_LENGTHS = re.compile(
    r"(?P<n10>4[57])|(?P<n11>[17]|3[0-46]|41|46|48|6[145])|(?P<n12>44|8[12]|9[01])|(?P<n13>55|86)"
)
"""Country codes of plans whose numbers have all the same number of digits, the code included."""
_SHORT_CODES = re.compile(r"2[07]|3[0-46]|39|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]")
"""Country codes of two digits; 1 and 7 have one, all others three (ITU-T E.164)."""


def _phones(text: str) -> Iterator[tuple[int, int]]:
    for stretch in _STRETCH.finditer(text):
        # With what the forms look at on both sides: an escape before, and what a number must not go on with.
        offset = max(0, stretch.start() - 6)
        left = text[offset : stretch.end() + 1]
        for form, pattern in _FORMS:
            spans = list(_numbers(form, pattern, left, stretch.start() - offset))
            if spans:
                yield from ((start + offset, end + offset) for start, end in spans)
                left = masked(left, spans)


def _numbers(
    form: PhoneForm, pattern: re.Pattern[str], text: str, position: int
) -> Iterator[tuple[int, int]]:
    while match := pattern.search(text, position):
        end = _end_of_phone(form, match.group())
        # What was taken for more of the number is looked at again.
        position = match.start() + end if end else match.end()
        if end:
            yield match.start(), position


def _end_of_phone(form: PhoneForm, found: str) -> int:
    """How much of what was found is the number; 0 when it has too few digits for one."""
    if form != "international":
        end, count = _end_of_number(found, 0, 10, 12)
        return end if count >= 9 else 0
    start = 1 if found.startswith("+") else 2
    plan = _USUAL_LENGTHS.match(found, start)
    usual = int(plan.lastgroup[1:]) if plan and plan.lastgroup else 12
    end, count = _end_of_number(found, start, usual, 15)
    # Numbers filled up with zeros begin with 00 as well.
    return end if count >= (8 if start == 1 else 10) else 0


def _end_of_number(found: str, start: int, usual: int, most: int) -> tuple[int, int]:
    """Where a number ends, as what follows may be digits of something else, and how many digits it has.

    Args:
        usual: digits after which no further group is taken.
        most: digits that no number has more of.
    """
    end, count = start, 0
    for group in _GROUP.finditer(found, start):
        gap, digits = group.groups()
        alone = len(digits) == 1 and "(" not in gap and count > 3
        another = (count >= 8 and "/" in gap) or (count >= 10 and digits[0] == "0")
        if count >= usual or count + len(digits) > most or alone or another:
            break
        count += len(digits)
        end = group.end()
    return end, count


def _phone_surrogate(key: bytes, text: str) -> str:
    form = next(form for form, pattern in _FORMS if pattern.fullmatch(text))
    digits = "".join(character for character in text if character.isdigit())
    code = {"trunk": 0, "chinese": 0, "russian": 1, "north_american": len(digits) - 10, "international": 0}[
        form
    ]
    if form == "international":
        code = 0 if text.startswith("+") else 2
        number = digits[code:]
        if number[0] == "1" and len(number) == 11:
            return surrogates.phone(key, text, "north_american", code + 1)
        code += 1 if number[0] in "17" else 2 if _SHORT_CODES.match(number) else 3
    return surrogates.phone(key, text, form, code)


# ---- payment card ----

_CARD = re.compile(
    rf"{_NUMBER}(?:[2-6][0-9]{{13,18}}|[2-6][0-9]{{3}}([ \-])[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{4}}"
    rf"|3[0-9]{{3}}([ \-])[0-9]{{6}}\2[0-9]{{4,5}}){_NUMBER_END}"
)
_BRANDS = (
    (re.compile(r"4"), (16, 19)),  # Visa
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),  # Mastercard
    (re.compile(r"3[47]"), (15,)),  # American Express
    (re.compile(r"30[0-5]|3[689]"), (14,)),  # Diners Club
    (re.compile(r"6011|64[4-9]|65|62|35(?:2[89]|[3-8])"), (16, 19)),  # Discover, UnionPay, JCB
)


def _cards(text: str) -> Iterator[tuple[int, int]]:
    position = 0
    while match := _CARD.search(text, position):
        digits = "".join(character for character in match.group() if character.isdigit())
        known = any(brand.match(digits) and len(digits) in lengths for brand, lengths in _BRANDS)
        # Surrogates have lengths that their brand does not.
        is_card = (known or digits.startswith("400000")) and surrogates.luhn(digits) == 0
        if is_card:
            yield match.span()
        # A year before a card looks like its first four digits.
        position = match.end() if is_card else match.start() + 1


# ---- IBAN ----

_IBAN = re.compile(
    rf"{_begin('[A-Za-z]{2}[0-9]', 'A-Za-z0-9')}[A-Za-z]{{2}}[0-9]{{2}}(?=[ \u00a0]?[A-Za-z0-9]{{4}})"
)
_IBAN_TABLE = (
    "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18"
    "FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21"
    "LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24"
    "SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30"
)
_IBAN_LENGTHS = {
    _IBAN_TABLE[at : at + 2]: int(_IBAN_TABLE[at + 2 : at + 4]) for at in range(0, len(_IBAN_TABLE), 4)
}
"""Characters of an IBAN by country (SWIFT's registry, release 99)."""


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    for match in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(match.group()[:2].upper())
        if length is None:
            continue
        start, end = match.start(), match.end()
        plain = match.group()
        while len(plain) < length and end < len(text):
            gap = text[end] in " \u00a0" and len(plain) % 4 == 0
            part = text[end + gap : end + gap + (length - len(plain) if not gap else 4)]
            part = part[: length - len(plain)]
            count = next((at for at, character in enumerate(part) if not _is_alnum(character)), len(part))
            if count == 0:
                break
            plain += part[:count]
            end += gap + count
        whole = len(plain) == length and not (end < len(text) and _is_alnum(text[end]))
        if whole and surrogates.iban_remainder(plain.upper()) == 1:
            yield start, end


def _is_alnum(character: str) -> bool:
    return character.isascii() and character.isalnum()


# ---- IP address ----

_IPV4 = re.compile(
    rf"{_begin('[0-9]', 'A-Za-z0-9_.')}(?:[0-9]{{1,3}}\.){{3}}[0-9]{{1,3}}(?![A-Za-z0-9_]|\.[0-9])"
)
_IPV6 = re.compile(
    rf"{_begin('[23][0-9A-Fa-f]{3}:', 'A-Za-z0-9_:.')}[23][0-9A-Fa-f]{{3}}:"
    r"(?:[0-9A-Fa-f:]{0,33}(?:[0-9A-Fa-f]|::)|:)(?![A-Za-z0-9_]|:[0-9A-Fa-f:])"
)
_IPV6_HINT = re.compile(r"[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]")
_VERSION_PART = 32
"""Four numbers all below this are taken for a version's; one address in 4,096 is."""


def _ips(text: str) -> Iterator[tuple[int, int]]:
    for match in _IPV4.finditer(text):
        if _is_somebodys(match.group()):
            yield match.span()
    if _may_hold_ipv6(text):
        for match in _IPV6.finditer(text):
            # A colon of the sentence may stand behind an address that ends with two.
            for end in (match.end(), match.end() - 1):
                if _is_somebodys(text[match.start() : end]):
                    yield match.start(), end
                    break


def _may_hold_ipv6(text: str) -> bool:
    return _IPV6_HINT.search(text) is not None


def _is_somebodys(text: str) -> bool:
    """Whether it is an address that somebody may be found by, or stands for one: not loopback or private."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address) and max(address.packed) < _VERSION_PART:
        return False
    return address.is_global or surrogates.ip(b"", text) == text


def _may_hold_phone(passage: Passage) -> bool:
    # Only with a plus have numbers eight digits, as dates do.
    return b"00000000" in passage.digits and (b"000000000" in passage.digits or "+" in passage.text)


PERSONAL: tuple[Rule, ...] = (
    PersonalRule(
        "iban",
        lambda passage: b"xx00" in passage.digits and b"00000000" in passage.digits,
        _ibans,
        surrogates.iban,
    ),
    PersonalRule("card", lambda passage: b"0" * 14 in passage.digits, _cards, surrogates.card),
    PersonalRule("email", lambda passage: "@" in passage.text, _emails, surrogates.email),
    PersonalRule(
        "ip",
        lambda passage: passage.dotted or _may_hold_ipv6(passage.text),
        _ips,
        surrogates.ip,
    ),
    PersonalRule("phone", _may_hold_phone, _phones, _phone_surrogate),
)
"""In order of precedence, after the secrets."""
