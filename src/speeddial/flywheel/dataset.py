"""Training rows as token sequences: reading chat JSONL, masking the prompt, batching by length."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from tokenizers import Tokenizer

from speeddial.errors import UserError
from speeddial.jsonlines import read_objects

T = TypeVar("T")

START, END = "<|im_start|>", "<|im_end|>"
MEGA = 50
"""Batches that are sorted by length together: enough to save padding, few enough to keep epochs random."""


class DatasetError(UserError):
    """A training file cannot be used; the text names the file, the line and the remedy."""

    code = "dataset"


@dataclass(frozen=True, slots=True)
class Example:
    """One training row: all token ids, and which positions (from 1) are learnt as targets.

    `asked` are the positions of what the user says. `family` is the text that opens the prompt, up to its
    last line: rows of one family share their opening tokens (the instruction, the registry, the columns of a
    table), which are then computed once.
    """

    id: str
    tokens: tuple[int, ...]
    targets: tuple[int, ...]
    family: str = ""
    asked: tuple[int, ...] = ()
    weight: float = 1.0
    """What each of its targets counts in the loss."""


class ChatEncoder:
    """Turns messages into ChatML tokens as the engines do: every segment is encoded by itself.

    Text that looks like a control token ("<|im_end|>" in a request) is encoded as plain characters.

    Args:
        tokenizer: a tokenizer, or its tokenizer.json.

    Raises:
        DatasetError: when the tokenizer file is missing or has no ChatML tokens.
    """

    def __init__(self, tokenizer: Path | Tokenizer) -> None:
        if isinstance(tokenizer, Path):
            if not tokenizer.is_file():
                raise DatasetError(
                    f"{tokenizer}: expected the base model's tokenizer.json, found nothing there"
                )
            tokenizer = Tokenizer.from_file(str(tokenizer))
        self.tokenizer: Any = tokenizer
        self.tokenizer.encode_special_tokens = True
        self.start = self._id(START)
        self.end = self._id(END)
        self._newline = self.plain("\n")
        self._heads = {
            role: [self.start, *self.plain(f"{role}\n")] for role in ("system", "user", "assistant")
        }

    def _id(self, token: str) -> int:
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise DatasetError(f"the tokenizer has no {token}: the base must be a ChatML model")
        return int(found)

    def plain(self, text: str) -> list[int]:
        """Token ids of a text; nothing in it becomes a control token."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    @property
    def size(self) -> int:
        """Tokens of the vocabulary."""
        return int(self.tokenizer.get_vocab_size())

    def prompt(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Token ids of the messages and of the opened assistant turn that the model is to fill."""
        return [*self._turns(messages), *self._heads["assistant"]]

    def _turns(self, messages: Sequence[dict[str, str]]) -> list[int]:
        ids: list[int] = []
        for message in messages:
            role = message["role"]
            if role == "assistant":
                ids += [*self._heads[role], *self.plain(message["content"])]
            else:
                ids += [self.start, *self.plain(f"{role}\n{message['content']}")]
            ids += [self.end, *self._newline]
        return ids

    def example(self, id: str, messages: Sequence[dict[str, str]]) -> Example:
        """The row as tokens; the targets are the assistant's own tokens, its closing mark included."""
        ids: list[int] = []
        targets: list[int] = []
        said: list[int] = []
        for message in messages:
            begun = len(ids)
            if message["role"] == "assistant":
                ids += self._heads["assistant"]
                answer = [*self.plain(message["content"]), self.end]
                targets += range(len(ids), len(ids) + len(answer))
                ids += [*answer, *self._newline]
            else:
                ids += self._turns([message])
                if message["role"] == "user":
                    said += range(begun + len(self._heads["user"]), len(ids) - len(self._newline))
        last = targets[-1] + 1 if targets else len(ids)
        asked = [message["content"] for message in messages if message["role"] != "assistant"]
        family = "\n".join(asked).rpartition("\n")[0]
        return Example(id, tuple(ids[:last]), tuple(targets), family, tuple(said))


def training_files(data: Iterable[Path]) -> list[Path]:
    """The files, all of them there.

    Raises:
        DatasetError: one is not.
    """
    files = [Path(file) for file in data]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise DatasetError(f"{missing[0]}: there is no such training file")
    return files


def read_examples(files: Iterable[Path], encoder: ChatEncoder, max_length: int) -> tuple[list[Example], int]:
    """Reads JSONL rows {"id", "messages", ...}; a "weight" from 0 to 1 is what a row's tokens count.

    Returns:
        The examples, and how many rows were left out for being longer than `max_length` tokens.

    Raises:
        UserError: a file cannot be read, or a line is no JSON object.
        DatasetError: a line is not such a row, or a row has nothing to learn.
    """
    examples: list[Example] = []
    too_long = 0
    for file in files:
        for number, row in read_objects(file):
            try:
                example = encoder.example(str(row["id"]), row["messages"])
                example = replace(example, weight=_weight(row.get("weight", 1.0)))
            except (KeyError, TypeError) as error:
                wanted = '{"id", "messages": [{"role", "content"}, ...], "weight": 0 to 1}'
                raise DatasetError(f"{file}:{number}: expected {wanted}, got {error!r}") from error
            if not example.targets:
                raise DatasetError(
                    f"{file}:{number}: no assistant message, so nothing to learn; remove the row"
                )
            if len(example.tokens) > max_length:
                too_long += 1
            else:
                examples.append(example)
    if not examples:
        raise DatasetError("the training files hold no usable row")
    return examples, too_long


def _weight(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise TypeError(f"a weight of {given!r}")
    return float(given)


def epoch_batches(examples: Sequence[Example], batch: int, seed: int, epoch: int) -> list[list[int]]:
    """Row numbers of every batch of one epoch, fixed by the seed: families and similar lengths together."""
    dice = random.Random(f"{seed}:{epoch}")
    families: dict[str, list[int]] = {}
    for row, example in enumerate(examples):
        families.setdefault(example.family, []).append(row)

    def length(row: int) -> int:
        return len(examples[row].tokens)

    chunks: list[list[int]] = []
    for rows in families.values():
        dice.shuffle(rows)
        for window in _cut(rows, batch * MEGA):
            chunks += _cut(sorted(window, key=length), batch)
    dice.shuffle(chunks)
    batches: list[list[int]] = []
    for part in _cut(chunks, max(1, batch * MEGA * len(chunks) // len(examples))):
        part.sort(key=lambda chunk: length(chunk[-1]))
        batches += _cut([row for chunk in part for row in chunk], batch)
    dice.shuffle(batches)
    return batches


def _cut(items: list[T], size: int) -> list[list[T]]:
    return [items[at : at + size] for at in range(0, len(items), size)]


def micro_batches(
    examples: Sequence[Example], rows: Sequence[int], tokens: int, pass_cost: float = math.inf
) -> Iterator[list[int]]:
    """Splits one batch so that no part holds more than `tokens` padded tokens (a longer row stands alone).

    `pass_cost` is what one more forward and backward pass costs, in tokens: a row joins the part before it
    unless a part of its own, whose opening is shared by more rows, comes out cheaper.
    """
    part: list[Example] = []
    numbers: list[int] = []
    for row in rows:
        example = examples[row]
        joined = [*part, example]
        full = max(len(one.tokens) for one in joined) * len(joined) > tokens
        if part and (full or _computed(joined) > _computed(part) + len(example.tokens) + pass_cost):
            yield numbers
            joined, numbers = [example], []
        part = joined
        numbers.append(row)
    if numbers:
        yield numbers


def _computed(part: Sequence[Example]) -> int:
    shared = common_prefix(part)
    return shared + len(part) * (max(len(example.tokens) for example in part) - shared)


def common_prefix(examples: Sequence[Example]) -> int:
    """How many opening tokens these examples share, before anything that one of them learns is predicted."""
    if len(examples) < 2:
        return 0
    first, last = min(example.tokens for example in examples), max(example.tokens for example in examples)
    most = min(min(example.targets) for example in examples) - 1
    shared = 0
    while shared < min(most, len(first), len(last)) and first[shared] == last[shared]:
        shared += 1
    return shared
