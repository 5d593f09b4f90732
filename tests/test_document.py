"""A step's document: shown to the expert, and copied from by the grammar, the check and the tool."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from speeddial import Project, Runner
from speeddial.document import LONGEST
from speeddial.errors import UserError
from speeddial.messages import Status
from speeddial.models.scripted import Scripted

TOOL = '''
"""Letters."""

from typing import Annotated

from speeddial import Copied, document, tool


@tool(preface=document)
def signer(name: Annotated[str, Copied(of=document)]) -> str:
    """Say who signed the letter."""
    return name
'''
CARD = 'summary = "who signed a letter"\ntask = "Reads."\ntools = ["signer"]\nneeds_file = true\n'
LETTER = "Dear Tom,\n" + "the delivery is late again, as you know. " * 60 + "\nYours, Anna  Berg-Lund\n"


@pytest.fixture
def runner(make_project: Callable[..., Path]) -> Iterator[Runner]:
    root = make_project()
    (root / "tools/letters.py").write_text(TOOL, encoding="utf-8")
    (root / "experts/reader").mkdir()
    (root / "experts/reader/card.toml").write_text(CARD, encoding="utf-8")
    (root / "experts/reader/prompt.md").write_text("You are reader.", encoding="utf-8")
    models = {"reader": "scripted:reader"}
    with Runner(Project.load(root, {"planner": "scripted:planner", "expert_models": models})) as runner:
        yield runner


def test_a_value_is_copied_from_the_granted_file(runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text(LETTER, encoding="utf-8")
    signed = {"name": "signer", "arguments": {"name": "Anna Berg-Lund"}}
    model = Scripted.register(
        "reader", [{"name": "signer", "arguments": {"name": "Hanna Berg"}}, signed], unconstrained=True
    )
    outcome = runner.call_sync("reader", "Who signed it?", files=[tmp_path / "letter.txt"])
    assert (outcome.status, outcome.text) == (Status.CORRECTED, "Anna Berg-Lund")
    first, second = model.requests
    assert LETTER.strip() in first.messages[-1].content
    assert first.contract.check(signed) == []
    feedback = second.messages[-1].content
    assert 'arguments.name: expected words, copied from the document, got "Hanna Berg"' in feedback
    assert "Anna Berg" in feedback


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\xff\xfe\x00x", "cannot be read as text"), (b"x" * (LONGEST + 1), "longer than 200000 characters")],
)
def test_what_is_no_document_is_the_users_error(
    runner: Runner, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "letter.txt").write_bytes(content)
    Scripted.register("reader", [])
    with pytest.raises(UserError, match=message):
        runner.call_sync("reader", "Who signed it?", files=[tmp_path / "letter.txt"])
