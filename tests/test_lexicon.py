"""The lexicon: what phrases were before stands above a request, and a sample does not tell of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speeddial.errors import ProjectError, UserError
from speeddial.expert import Expert
from speeddial.lexicon import Lexicon

CASES = [
    ("book a gluten free place in Oslo", {"cuisine": "gluten free", "city": "Oslo"}),
    ("gluten free food for two", {"cuisine": "Gluten Free"}),
    ("find a table in Oslo", {"city": "Oslo"}),
    ("is it the coldest in the north of Oslo", {"city": "Oslo", "song": "the"}),
    ("play the one in the middle", {}),
    ("is the car in the garage", {}),
    ("open the door", {}),
    ("the weather in the hills", {"place": "hills"}),
]


def test_phrases_are_told_in_the_request_s_own_letters_and_the_longest_alone() -> None:
    known = Lexicon.of([*CASES, ("free wifi", {"price": "free"})])
    assert known.found("GLUTEN FREE in oslo, please") == [("GLUTEN FREE", ("cuisine",)), ("oslo", ("city",))]
    assert known.heading("a table near Oslo") == "Oslo = city"
    assert known.heading("nothing that was said before") == ""


def test_a_word_that_is_seldom_a_value_is_not_told() -> None:
    assert "the" not in dict(Lexicon.of(CASES).found("the hills"))


def test_a_phrase_that_was_two_things_tells_both_the_commoner_first() -> None:
    cases = [("to Chad", {"country": "Chad"})] * 2 + [("call Chad", {"person": "Chad"})]
    assert Lexicon.of(cases).heading("is Chad there") == "Chad = country person"
    assert Lexicon.of([*cases, *[("to Chad", {"country": "Chad"})] * 5]).heading("Chad") == "Chad = country"


def test_a_sample_tells_nothing_of_itself() -> None:
    known = Lexicon.of(CASES)
    text, called = CASES[1]
    assert known.heading(text, [called]) == "gluten free = cuisine"  # another sample says it too
    text, called = CASES[7]
    assert known.heading(text) == "hills = place" and known.heading(text, [called]) == ""


_WORDS = ("ein", "Haus", "on", "the", "hill", "7.30", "o'clock", "Ärger", "北京", "-")
_TEXTS = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=6).map(" ".join)
_CALLED = st.dictionaries(st.sampled_from("abc"), _TEXTS | st.integers())


@given(cases=st.lists(st.tuples(_TEXTS, _CALLED), max_size=6))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, cases: list[tuple[str, dict[str, Any]]]
) -> None:
    known = Lexicon.of(cases)
    file = tmp_path_factory.mktemp("lexicon") / "lexicon.json"
    known.write(file)
    read = Lexicon.read(file)
    assert len(read) == len(known)
    for text, called in cases:
        assert read.found(text) == known.found(text)
        assert read.found(text, [called]) == known.found(text, [called])
        assert all(phrase in text for phrase, _ in known.found(text))


@given(_TEXTS, _CALLED)
def test_one_sample_alone_is_no_lexicon_for_itself(text: str, called: dict[str, Any]) -> None:
    assert Lexicon.of([(text, called)]).found(text, [called]) == []


def test_the_file_tells_nobody_what_was_said(tmp_path: Path) -> None:
    Lexicon.of([("my password is swordfish", {"secret": "swordfish"})]).write(tmp_path / "lexicon.json")
    assert "swordfish" not in (tmp_path / "lexicon.json").read_text(encoding="utf-8")


def test_what_is_no_lexicon_is_said(tmp_path: Path) -> None:
    (tmp_path / "lexicon.json").write_text("[]", encoding="utf-8")
    with pytest.raises(UserError, match="expected a lexicon"):
        Lexicon.read(tmp_path / "lexicon.json")
    card = tmp_path / "dining" / "card.toml"
    card.parent.mkdir()
    (card.parent / "prompt.md").write_text("You are dining.", encoding="utf-8")
    card.write_text(
        'name = "dining"\nsummary = "s"\ntask = "t"\ntools = []\nlexicon = "none.json"\n', encoding="utf-8"
    )
    with pytest.raises(ProjectError, match="lexicon: expected a lexicon's file beside the card"):
        Expert.from_card(card)
