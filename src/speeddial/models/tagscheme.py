"""What a tagger tells of a request: a frame, the part of a call that is not said, and a tag for each word.

A call is taken apart into its frame, which is one of those that were learnt (``{"name": "alarm", "arguments":
{"action": "set"}}``), and its copied arguments, each a run of the request's words. Tags are B-I-O (Ramshaw
and Marcus 1995). `tagger.json` keeps frames and arguments beside the weights.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from speeddial.contract.copied import Word, cut
from speeddial.errors import EngineError
from speeddial.expert import TAGGER

FORMAT = 1
LONGEST = 256
"""Words of a request that are read."""
SPELLING = 16
"""Characters of a word that are read, with one of its edges on each side."""
CHARACTERS = 256
"""Kinds of characters; one beyond Latin shares its kind with others."""
CASINGS = 5
OUTSIDE = 0
"""The tag of a word of no argument."""
IMPOSSIBLE = -1e4
UNKNOWN = 1
"""Number of a word that was not learnt; 0 is none."""
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Frame:
    """What of a call no request says."""

    name: str
    arguments: Mapping[str, Any]
    copied: tuple[str, ...]
    """Arguments that may stand in it besides, each a run of the request's words."""


@dataclass(frozen=True)
class Sizes:
    """Of the network's layers."""

    word: int = 128
    """Numbers of a word's vector."""
    character: int = 24
    spelling: int = 64
    """Filters over a word's characters."""
    casing: int = 8
    meaning: int = 96
    """What the base's vector of a word is projected to, where there is one."""
    hidden: int = 128
    """Of each direction of each of the two LSTM layers."""


@dataclass(frozen=True)
class TagScheme:
    """Everything about a tagger but its weights."""

    words: tuple[str, ...]
    """Casefolded; their numbers begin at 2."""
    arguments: tuple[str, ...]
    frames: tuple[Frame, ...]
    sizes: Sizes = Sizes()
    base: str = ""
    """Whose vectors of words are read too; empty for none."""
    members: int = 1
    """Networks, each with weights of its own, that read every request."""

    def place(self, member: int) -> str:
        """What the names of a member's weights begin with."""
        return f"members.{member}." if self.members > 1 else ""

    @property
    def wide(self) -> int:
        """Numbers that the first layer reads of a word."""
        size = self.sizes
        return size.word + size.spelling + size.casing + (size.meaning if self.base else 0)

    @property
    def tags(self) -> int:
        """How many there are: outside, and begin and inside for each argument."""
        return 1 + 2 * len(self.arguments)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Word -> its number."""
        return {word: number for number, word in enumerate(self.words, start=2)}

    @cached_property
    def transitions(self) -> npt.NDArray[np.float32]:
        """`IMPOSSIBLE` where a tag cannot follow another, else 0; shape (tags, tags)."""
        barred = np.zeros((self.tags, self.tags), np.float32)
        for inside in range(2, self.tags, 2):
            barred[:, inside] = IMPOSSIBLE
            barred[inside - 1 : inside + 1, inside] = 0
        return barred

    @cached_property
    def allowed(self) -> npt.NDArray[np.bool_]:
        """Which tags a frame's words may have, shape (frames, tags)."""
        found = np.zeros((len(self.frames), self.tags), np.bool_)
        found[:, OUTSIDE] = True
        for row, frame in zip(found, self.frames, strict=True):
            for name in frame.copied:
                begin = 1 + 2 * self.arguments.index(name)
                row[begin : begin + 2] = True
        return found

    def features(self, words: Sequence[Word]) -> tuple[Ints, Ints, Ints]:
        """Numbers of words, shape (words,), of their characters, (words, SPELLING), and of their casing."""
        ids = np.array([self.numbers.get(word.text.casefold(), UNKNOWN) for word in words], np.int64)
        characters = np.zeros((len(words), SPELLING), np.int64)
        for row, word in zip(characters, words, strict=True):
            spelt = [1, *(2 + ord(character) % (CHARACTERS - 2) for character in word.text[: SPELLING - 2])]
            row[: len(spelt)] = spelt
            row[len(spelt)] = 1
        return ids, characters, np.array([_casing(word.text) for word in words], np.int64)

    def tagged(self, words: Sequence[Word], values: Mapping[str, str]) -> list[int] | None:
        """The tags of a request's words for the values of its arguments; None where one is no run of them.

        A value that stands in the request several times is tagged where it stands first.
        """
        tags = [OUTSIDE] * len(words)
        texts = [word.text.casefold() for word in words]
        # The longest first: "new york" is not to lose a word to "new".
        for name, value in sorted(values.items(), key=lambda pair: -len(pair[1])):
            wanted = [word.text.casefold() for word in cut(value)]
            starts = (
                start
                for start in range(len(words) - len(wanted) + 1)
                if texts[start : start + len(wanted)] == wanted and not any(tags[start : start + len(wanted)])
            )
            start = next(starts, None) if wanted else None
            if start is None or span(words, start, start + len(wanted)).casefold() != value.casefold():
                return None
            begin = 1 + 2 * self.arguments.index(name)
            tags[start : start + len(wanted)] = [begin, *[begin + 1] * (len(wanted) - 1)]
        return tags

    def values(self, words: Sequence[Word], tags: Sequence[int]) -> dict[str, tuple[int, int]]:
        """Argument -> first word and the word behind its last; of several runs of one argument the first."""
        found: dict[str, tuple[int, int]] = {}
        for start, tag in enumerate(tags):
            if tag % 2 == 1:
                end = start + 1
                while end < len(words) and tags[end] == tag + 1:
                    end += 1
                found.setdefault(self.arguments[tag // 2], (start, end))
        return found

    def write(self, folder: Path) -> None:
        """Keep it in a folder."""
        told = {"format": FORMAT, **asdict(self)}
        part = folder / f"{TAGGER}.part"
        part.write_text(json.dumps(told, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(folder / TAGGER)

    @classmethod
    def read(cls, folder: Path) -> TagScheme:
        """That of a folder.

        Raises:
            EngineError: there is none, or it is broken.
        """
        try:
            told = json.loads((folder / TAGGER).read_text(encoding="utf-8"))
            if told["format"] != FORMAT:
                raise ValueError(f"format {told['format']}, this version reads {FORMAT}")
            frames = tuple(
                Frame(str(one["name"]), dict(one["arguments"]), tuple(one["copied"]))
                for one in told["frames"]
            )
            sizes = Sizes(**{name: int(value) for name, value in told["sizes"].items()})
            return cls(
                words=tuple(told["words"]),
                arguments=tuple(told["arguments"]),
                frames=frames,
                sizes=sizes,
                base=str(told["base"]),
                members=int(told.get("members", 1)),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EngineError(f"{folder / TAGGER}: no tagger's ({error!r})", hint="train it anew") from error


def span(words: Sequence[Word], start: int, end: int) -> str:
    """A run of a request's words as a value: as `is_span` has it, white space counted as one blank."""
    return "".join(word.gap + word.text for word in words[start:end]).removeprefix(words[start].gap)


def learnt_words(texts: Iterable[Sequence[Word]], least: int = 2) -> tuple[str, ...]:
    """Words that stand often enough in what is learnt to be told from unknown ones."""
    counts = Counter(word.text.casefold() for words in texts for word in words)
    return tuple(sorted(word for word, count in counts.items() if count >= least))


def _casing(word: str) -> int:
    if word.isdigit():
        return 4
    return 1 if word.islower() else 2 if word.isupper() and len(word) > 1 else 3 if word[:1].isupper() else 0
