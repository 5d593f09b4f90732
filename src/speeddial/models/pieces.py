"""A vocabulary's bytes looked at all at once: what each token is made of, and how near it brings the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

_DIGITS = b"0123456789"
ALNUM = _DIGITS + b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SPACES = b" \t\n\r\v\f"

Flags = npt.NDArray[np.bool_]
Ranks = npt.NDArray[np.float32]


class Pieces:
    """The tokens of a vocabulary as bytes; a loop over 49 k of them takes 0.07 s, this a tenth of that.

    Args:
        pieces: the bytes of each token.

    Attributes:
        lengths: of each token, shape (size,).
    """

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
        self._ends = self.lengths.cumsum()
        # One more, so that empty tokens at the end have a byte to be looked up at.
        self._bytes = np.frombuffer(b"".join(pieces) + b"\0", np.uint8)

    def among(self, members: Iterable[int]) -> npt.NDArray[np.int64]:
        """How many bytes of each token are among `members`, shape (size,)."""
        until = np.concatenate([[0], self._among(members, self._bytes).cumsum()])
        counted: npt.NDArray[np.int64] = until[self._ends] - until[self._ends - self.lengths]
        return counted

    def all(self, members: Iterable[int]) -> Flags:
        """Of which tokens every byte is among `members`; true of empty ones."""
        flags: Flags = self.among(members) == self.lengths
        return flags

    def starts(self, members: Iterable[int]) -> Flags:
        """Which tokens begin with one of `members`."""
        first = self._bytes[self._ends - self.lengths]
        return self._among(members, first) & (self.lengths > 0)

    def ends(self, members: Iterable[int]) -> Flags:
        """Which tokens end with one of `members`."""
        last = self._bytes[np.maximum(self._ends, 1) - 1]
        return self._among(members, last) & (self.lengths > 0)

    @staticmethod
    def _among(members: Iterable[int], data: npt.NDArray[np.uint8]) -> Flags:
        table = np.zeros(256, np.bool_)
        table[list(members)] = True
        return table[data]

    def closing(self) -> Ranks:
        """How little each token leads away from the end, outside free text; smaller is tried first."""
        short = np.minimum(self.lengths, 31) / 32
        comma = self.all(b',"') & self.starts(b",") & (self.among(b",") == 1) & (self.lengths <= 2)
        ranks = np.select(
            [
                self.lengths == 0,
                self.all(b'"}]'),
                self.all(b'"{}[]') & self.ends(b"}]"),
                # Where nothing can be closed, more has to come first: the next key or item.
                comma,
                self.all(_DIGITS),
                self.ends(b",{[-+."),
                self.all(_SPACES),
                self.all(b'":'),
            ],
            [
                np.full(short.shape, 9.0),
                0.0 - short,
                1.0 - short,
                1.0 + short,
                2.0 + short,
                6.0 + short,
                np.full(short.shape, 7.0),
                3.0 - short,
            ],
            4.0 - short,
        )
        return ranks.astype(np.float32)

    def closing_in_text(self) -> Ranks:
        """The same inside a free string, where only a quotation mark leads out."""
        short = np.minimum(self.lengths, 31) / 32
        quoted = self.starts(b'"')
        ranks = np.select(
            [self.all(ALNUM) & (self.lengths > 0), quoted & self.all(b'"}]'), quoted],
            [2.0 - short, 0.0 - short, np.full(short.shape, 6.0)],
            4.0,
        )
        return ranks.astype(np.float32)
