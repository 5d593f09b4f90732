"""Contracts: Python type -> JSON Schema -> grammar -> strict validator, and the typed values on top."""

from speeddial.contract.calls import CallsContract, union_of_calls
from speeddial.contract.choices import Excluded, OneOf
from speeddial.contract.contract import Contract
from speeddial.contract.copied import Copied
from speeddial.contract.decoded import Decoded, ResolveContext
from speeddial.contract.grammar import GrammarReport
from speeddial.contract.jsontext import parse_json, write_json
from speeddial.contract.problems import problems_text
from speeddial.contract.scalars import Email, Url
from speeddial.contract.several import SeveralCallsContract, several_calls
from speeddial.contract.signature import arguments_contract
from speeddial.contract.source import Source
from speeddial.errors import ContractViolation, Problem

__all__ = [
    "CallsContract",
    "Contract",
    "ContractViolation",
    "Copied",
    "Decoded",
    "Email",
    "Excluded",
    "GrammarReport",
    "OneOf",
    "Problem",
    "ResolveContext",
    "SeveralCallsContract",
    "Source",
    "Url",
    "arguments_contract",
    "parse_json",
    "problems_text",
    "several_calls",
    "union_of_calls",
    "write_json",
]
