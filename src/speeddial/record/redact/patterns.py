"""A project's own rules: names and regular expressions from its settings, and the choice of all rules.

The expressions run in RE2, which takes time linear in the text whatever the expression is; Python's own
would let one careless pattern stop a run on a hostile text. RE2 has no lookaround and no backreferences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from speeddial.errors import SettingsError
from speeddial.record.redact.personal import PERSONAL
from speeddial.record.redact.rules import SECRETS, Passage, Rule
from speeddial.settings import compiled_pattern

RULES: tuple[Rule, ...] = (*SECRETS, *PERSONAL)
"""What is hidden unless a project says otherwise."""


class OwnRule:
    """Finds what one expression matches; of an expression with groups, the first group that took part.

    Args:
        name: type shown in the surrogate.
        expression: in RE2's syntax.

    Raises:
        SettingsError: not a name, or not an expression that RE2 takes.
    """

    personal = True

    def __init__(self, name: str, expression: str) -> None:
        if any(rule.name == name for rule in RULES):
            raise SettingsError(f"redact: {name!r} is a rule that ships", hint="give yours another name")
        self.name = name
        self._pattern: Any = compiled_pattern(name, expression)

    def find(self, passage: Passage) -> Iterable[tuple[int, int]]:
        for match in self._pattern.finditer(passage.text):
            yield match.span(next((at for at, group in enumerate(match.groups(), 1) if group is not None), 0))

    def surrogate(self, key: bytes, found: str) -> str | None:
        return None


def chosen_rules(own: Mapping[str, str] | None = None, *, personal: bool = True) -> tuple[Rule, ...]:
    """Rules as the settings ``redact`` and ``redact_personal`` say; secrets are always hidden.

    Raises:
        SettingsError: an expression of one's own that cannot be used.
    """
    made = [OwnRule(name, expression) for name, expression in (own or {}).items()]
    return (*SECRETS, *made, *(PERSONAL if personal else ()))
