"""A vocabulary looked at all at once says what a look at each token says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from speeddial.models.pieces import ALNUM, Pieces

PIECES = st.lists(
    st.binary(max_size=6) | st.text('"{}[]:,.-+ \n\t09azAZ', max_size=40).map(str.encode), min_size=1
)


@given(PIECES, st.binary(max_size=8))
def test_bytes_are_counted_as_python_counts_them(pieces: list[bytes], members: bytes) -> None:
    looked_at = Pieces(pieces)
    assert looked_at.among(members).tolist() == [sum(byte in members for byte in one) for one in pieces]
    assert looked_at.all(members).tolist() == [all(byte in members for byte in one) for one in pieces]
    assert looked_at.starts(members).tolist() == [any(byte in members for byte in one[:1]) for one in pieces]
    assert looked_at.ends(members).tolist() == [any(byte in members for byte in one[-1:]) for one in pieces]


@given(PIECES)
def test_what_closes_comes_before_what_opens_and_what_closes_more_first(pieces: list[bytes]) -> None:
    known = [b'"}', b'"', b",", b"1", b"a", b"{", b" ", b""]
    ranks = Pieces([*known, *pieces]).closing()
    assert ranks[: len(known)].tolist() == sorted(ranks[: len(known)].tolist())
    for piece, rank in zip(pieces, ranks[len(known) :].tolist(), strict=True):
        assert (rank < 0) == (bool(piece) and not piece.strip(b'"}]'))


@given(PIECES)
def test_inside_a_text_only_a_quotation_mark_leads_out(pieces: list[bytes]) -> None:
    for piece, rank in zip(pieces, Pieces(pieces).closing_in_text().tolist(), strict=True):
        closes = piece[:1] == b'"' and not piece.strip(b'"}]')
        word = piece.isalnum() and all(byte in ALNUM for byte in piece)
        assert (rank < 0) == closes
        assert (1 < rank < 2) == word
