"""String formats of JSON Schema: which become exact patterns, which llguidance decodes, their check."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

from speeddial.contract.jsontext import write_json
from speeddial.contract.scalars import AWARE_DATETIME, DATE, TIME, uuid_form
from speeddial.contract.schemas import matcher

_UNICODE = (
    r"\u00a1-\u167f\u1681-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\u2fff"
    r"\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufefe"
)
"""Letters beyond ASCII that RFC 3987 admits, white space left out."""


def _reference(extra: str, *, relative: bool) -> str:
    """RFC 3986's grammar of a reference, or of one with a scheme only; hosts in brackets are left out.

    Args:
        extra: members of a character class that may stand wherever a letter may.
        relative: whether it may lack a scheme.
    """
    percent = "%[0-9A-Fa-f]{2}"
    plain = rf"A-Za-z0-9._~!$&'()*+,;=\-{extra}"
    name, part = f"(?:[{plain}]|{percent})", f"(?:[{plain}:@]|{percent})"
    authority = rf"//(?:(?:[{plain}:]|{percent})*@)?{name}*(?::[0-9]{{0,5}})?(?:/{part}*)*"
    rooted = f"{authority}|/(?:{part}+(?:/{part}*)*)?"
    scheme = "[A-Za-z][A-Za-z0-9+.-]*:"
    absolute = f"{scheme}(?:{rooted}|{part}+(?:/{part}*)*)?"
    first = f"(?:[{plain}@]|{percent})+"
    path = f"(?:{absolute}|{rooted}|(?:{first}(?:/{part}*)*)?)" if relative else f"(?:{absolute})"
    return rf"^{path}(?:\?(?:{part}|[/?])*)?(?:#(?:{part}|[/?])*)?$"


_POINTER = "(?:/(?:[^~/]|~[01])*)*"
_VARIABLE = "(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})+"
_VARIABLES = rf"{_VARIABLE}(?:\.{_VARIABLE})*(?::[1-9][0-9]{{0,3}}|\*)?"
_ATOM = rf"[A-Za-z0-9_%+{_UNICODE}-]{{1,20}}"
_NAME = rf"[A-Za-z0-9{_UNICODE}]{{1,20}}(?:-[A-Za-z0-9{_UNICODE}]{{1,20}}){{0,2}}"

OWN_FORMATS = {
    # RFC 6901, RFC 6570, RFC 3986, RFC 3987, RFC 6531.
    "json-pointer": f"^{_POINTER}$",
    "relative-json-pointer": f"^(?:0|[1-9][0-9]*)(?:#|{_POINTER})$",
    "uri-template": (
        rf"^(?:[!#-&(-;=?-\[\]_a-z~{_UNICODE}]|%[0-9A-Fa-f]{{2}}"
        rf"|\{{[+#./;?&]?{_VARIABLES}(?:,{_VARIABLES})*\}})*$"
    ),
    "uri-reference": _reference("", relative=True),
    "iri": _reference(_UNICODE, relative=False),
    "iri-reference": _reference(_UNICODE, relative=True),
    "idn-email": rf"^{_ATOM}(?:\.{_ATOM}){{0,2}}@{_NAME}(?:\.{_NAME}){{0,3}}$",
    "date": DATE.pattern,
    "date-time": AWARE_DATETIME.pattern,
    "time": TIME.pattern[:-1] + r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$",
    "uuid": uuid_form().pattern,
}
"""Formats put as exact patterns: llguidance's own admit year 0000, any 29 February and second 60, or lack."""

DECODED_FORMATS = frozenset(
    {"date", "date-time", "time", "uuid", "duration", "email", "hostname", "ipv4", "ipv6", "uri"}
)
"""Formats that llguidance has a grammar for."""

EMAIL_LENGTH = "^[^@]{1,64}@[^@]*$"
"""For the grammar, beside llguidance's own, which bounds neither part; RFC 5321 does."""

_NOT_JAVASCRIPT = re.compile(r"\(\?[P#]|\(\?[aiLmsux-]+[):]|\\[aAZ]")
"""What Python's regular expressions have and ECMA-262's have not."""


def has_format(text: str, name: str) -> bool:
    """Whether `text` has a format by llguidance's grammar and jsonschema's checker, where they know it.

    Each has holes that the other has not: jsonschema's e-mail check asks for an @ only, llguidance's
    hostnames hold any punycode.
    """
    from jsonschema import Draft202012Validator

    if not Draft202012Validator.FORMAT_CHECKER.conforms(text, name):
        return False
    if name in DECODED_FORMATS and not admits(_grammar(name), write_json(text)):
        return False
    match name:
        case "email" | "idn-email":
            # RFC 5321, 4.5.3.1.1: octets. Neither knows it.
            return len(text.rpartition("@")[0].encode()) <= 64 and _is_own(text, name)
        case "hostname":
            # RFC 1123; llguidance bounds the labels only.
            return len(text) <= 253 and _is_punycode(text)
        case "idn-hostname":
            return _is_domain(text)
        case "regex":
            return not _NOT_JAVASCRIPT.search(text)
        case _:
            return _is_own(text, name)


def _is_own(text: str, name: str) -> bool:
    pattern = matcher(OWN_FORMATS.get(name, ""))
    return pattern is not None and pattern(text)


def admits(grammar: str, text: str) -> bool:
    """Whether an llguidance grammar lets a model write exactly this text."""
    import llguidance

    data = list(text.encode())
    matcher = llguidance.LLMatcher(byte_tokenizer(), grammar, log_level=0)
    return bool(matcher.try_consume_tokens(data) == len(data) and matcher.is_accepting())


@lru_cache(maxsize=16)
def _grammar(name: str) -> str:
    import llguidance

    return llguidance.LLMatcher.grammar_from_json_schema({"type": "string", "format": name})


def _is_punycode(text: str) -> bool:
    if "xn--" not in text.lower():
        return True
    try:
        import idna
    except ImportError:
        return False
    try:
        idna.decode(text)
    except idna.IDNAError:
        return False
    return True


def _is_domain(text: str) -> bool:
    """Whether every label is one of IDNA 2008's, the domain as a whole too where it runs both ways."""
    try:
        import idna
    except ImportError:
        return False
    labels = re.split("[.\u3002\uff0e\uff61]", text)
    try:
        idna.encode(text)
        if any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in text):
            for label in labels:
                idna.check_bidi(idna.decode(label), check_ltr=True)
    except idna.IDNAError:
        return False
    return all(labels)


@lru_cache(maxsize=1)
def byte_tokenizer() -> Any:
    """A tokenizer whose tokens are the bytes: grammars can be compiled and walked without a model."""
    import llguidance

    return llguidance.LLTokenizer("byte")
