"""Training rows as token sequences: reading chat JSONL, masking the prompt, batching by length."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from speeddial.errors import UserError

START, END = "<|im_start|>", "<|im_end|>"
MEGA = 50
"""Batches that are sorted by length together: enough to save padding, few enough to keep epochs random."""


class DatasetError(UserError):
    """A training file cannot be used; the text names the file, the line and the remedy."""

    code = "dataset"


@dataclass(frozen=True, slots=True)
class Example:
    """One training row: all token ids, and which positions (from 1) are learnt as targets."""

    id: str
    tokens: tuple[int, ...]
    targets: tuple[int, ...]


class ChatEncoder:
    """Turns messages into ChatML tokens as the engines do: every segment is encoded by itself.

    Text that looks like a control token ("<|im_end|>" in a request) is encoded as plain characters.

    Raises:
        DatasetError: when the tokenizer file is missing or has no ChatML tokens.
    """

    def __init__(self, file: Path) -> None:
        if not file.is_file():
            raise DatasetError(f"{file}: expected the base model's tokenizer.json, found nothing there")
        self.tokenizer: Any = Tokenizer.from_file(str(file))
        self.tokenizer.encode_special_tokens = True
        self.start = self._id(START)
        self.end = self._id(END)
        self._newline = self._plain("\n")
        self._heads = {
            role: [self.start, *self._plain(f"{role}\n")] for role in ("system", "user", "assistant")
        }

    def _id(self, token: str) -> int:
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise DatasetError(f"the tokenizer has no {token}: the base must be a ChatML model")
        return int(found)

    def _plain(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def prompt(self, messages: Sequence[dict[str, str]]) -> list[int]:
        """Token ids of the messages and of the opened assistant turn that the model is to fill."""
        return [*self._turns(messages), *self._heads["assistant"]]

    def _turns(self, messages: Sequence[dict[str, str]]) -> list[int]:
        ids: list[int] = []
        for message in messages:
            role = message["role"]
            if role == "assistant":
                ids += [*self._heads[role], *self._plain(message["content"])]
            else:
                ids += [self.start, *self._plain(f"{role}\n{message['content']}")]
            ids += [self.end, *self._newline]
        return ids

    def example(self, id: str, messages: Sequence[dict[str, str]]) -> Example:
        """The row as tokens; the targets are the assistant's own tokens, its closing mark included."""
        ids: list[int] = []
        targets: list[int] = []
        for message in messages:
            if message["role"] == "assistant":
                ids += self._heads["assistant"]
                answer = [*self._plain(message["content"]), self.end]
                targets += range(len(ids), len(ids) + len(answer))
                ids += [*answer, *self._newline]
            else:
                ids += self._turns([message])
        last = targets[-1] + 1 if targets else len(ids)
        return Example(id, tuple(ids[:last]), tuple(targets))


def read_examples(files: Iterable[Path], encoder: ChatEncoder, max_length: int) -> tuple[list[Example], int]:
    """Reads JSONL rows {"id", "messages", ...}.

    Returns:
        The examples, and how many rows were left out for being longer than `max_length` tokens.

    Raises:
        DatasetError: a line is not such a row, or a row has nothing to learn.
    """
    examples: list[Example] = []
    too_long = 0
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    row = json.loads(line)
                    example = encoder.example(str(row["id"]), row["messages"])
                except (ValueError, KeyError, TypeError) as error:
                    wanted = '{"id", "messages": [{"role", "content"}, ...]}'
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


def sha256_of(files: Iterable[Path]) -> str:
    """Hash over the files' bytes, in the order given, as "sha256:..."."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return f"sha256:{digest.hexdigest()}"


def epoch_batches(examples: Sequence[Example], batch: int, seed: int, epoch: int) -> list[list[int]]:
    """Row numbers of every batch of one epoch: shuffled, similar lengths together, fixed by the seed."""
    dice = random.Random(f"{seed}:{epoch}")
    order = list(range(len(examples)))
    dice.shuffle(order)
    batches: list[list[int]] = []
    for start in range(0, len(order), batch * MEGA):
        part = sorted(order[start : start + batch * MEGA], key=lambda row: len(examples[row].tokens))
        batches += [part[at : at + batch] for at in range(0, len(part), batch)]
    dice.shuffle(batches)
    return batches


def micro_batches(examples: Sequence[Example], rows: Sequence[int], tokens: int) -> Iterator[list[int]]:
    """Splits one batch so that no part holds more than `tokens` padded tokens (a longer row stands alone)."""
    part: list[int] = []
    width = 0
    for row in rows:
        wider = max(width, len(examples[row].tokens))
        if part and wider * (len(part) + 1) > tokens:
            yield part
            part, wider = [], len(examples[row].tokens)
        part.append(row)
        width = wider
    if part:
        yield part


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
