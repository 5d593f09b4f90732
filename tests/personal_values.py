"""Strategies for personal data of every kind, valid by its own rules and never a surrogate."""

from __future__ import annotations

import ipaddress
import string

from hypothesis import strategies as st

from speeddial.record.redact.surrogates import iban_remainder, luhn

digit = st.sampled_from(string.digits)


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text(digit, min_size=count, max_size=count)


def filled(form: str) -> st.SearchStrategy[str]:
    """A form with # for a digit and N for one from 2 to 8."""
    return st.tuples(
        *(
            digit if mark == "#" else st.sampled_from("2345678") if mark == "N" else st.just(mark)
            for mark in form
        )
    ).map("".join)


emails = st.builds(
    lambda local, domain, top: f"{local}@{domain}.{top}",
    st.from_regex(r"[a-z][a-z0-9]{0,8}([._+-][a-z0-9]{1,6}){0,2}", fullmatch=True),
    st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z]{2,8})?", fullmatch=True),
    st.sampled_from(["com", "org", "de", "info", "co.uk"]),
)
PHONE_FORMS = (
    *(
        "+49 N# #######",
        "+49N#########",
        "+1 NNN-N##-####",
        "+1 (N1#) N##-####",
        "+44 20 7### ####",
        "+7 9## ###-##-##",
    ),
    *(
        "N1#-N##-####",
        "(N0#) N##-####",
        "1-N2#-N##-####",
        "0N1 #######",
        "0N11/#######",
        "01 ## ## ## ##",
        "017########",
    ),
    *(
        "13#########",
        "138 #### ####",
        "8 (9##) ###-##-##",
        "0049 N# #######",
        "+33 N ## ## ## ##",
        "+352 N##-###",
    ),
)
phones = st.sampled_from(PHONE_FORMS).flatmap(filled)
cards = st.builds(
    lambda prefix, rest, gap: _grouped(_with_luhn(prefix + rest), gap),
    st.sampled_from(["4539", "5200", "2221", "6221"]),
    digits(11),
    st.sampled_from(["", " ", "-"]),
).filter(lambda card: not card.startswith("400000"))
ibans = st.builds(
    lambda country, account, gap: _grouped(_with_check(country, account), gap),
    st.sampled_from(["DE"]),
    digits(18),
    st.sampled_from(["", " "]),
) | st.builds(
    lambda bank, account, gap: _grouped(_with_check("GB", bank + account), gap),
    st.sampled_from(["NWBK", "BARC"]),
    digits(14),
    st.sampled_from(["", " "]),
)
ipv4s = st.builds(str, st.ip_addresses(v=4)).filter(
    lambda ip: ipaddress.ip_address(ip).is_global and max(ipaddress.ip_address(ip).packed) >= 32
)
ipv6s = st.builds(str, st.ip_addresses(v=6, network="2a00::/12"))

SCHEMAS = {
    "email": {"type": "string", "format": "email", "maxLength": 64},
    "phone": {"type": "string", "pattern": r"^(\+[1-9]|[0-9(])[0-9 ()./-]{7,18}$"},
    "card": {"type": "string", "pattern": r"^[2-6][0-9]{3}([ -]?)[0-9]{4}\1[0-9]{4}\1[0-9]{4}$"},
    "iban": {"type": "string", "pattern": r"^[A-Z]{2}[0-9]{2}( ?[A-Z0-9]{4}){4}( ?[A-Z0-9]{2})$"},
    "ipv4": {"type": "string", "format": "ipv4"},
    "ipv6": {"type": "string", "format": "ipv6"},
}
VALUES = {"email": emails, "phone": phones, "card": cards, "iban": ibans, "ipv4": ipv4s, "ipv6": ipv6s}
values = st.sampled_from(sorted(VALUES)).flatmap(lambda kind: st.tuples(st.just(kind), VALUES[kind]))


def _with_luhn(digits: str) -> str:
    return digits + str(-luhn(digits + "0") % 10)


def _with_check(country: str, account: str) -> str:
    return f"{country}{98 - iban_remainder(f'{country}00{account}'):02}{account}"


def _grouped(text: str, gap: str) -> str:
    return gap.join(text[at : at + 4] for at in range(0, len(text), 4))
