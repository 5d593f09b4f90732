"""ChatML prompts to token ids, in the form that adapters are trained on; text in them stays text."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from llguidance import TokenizerWrapper
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

from speeddial.errors import EngineUnreachable
from speeddial.messages import Message

START, END = "<|im_start|>", "<|im_end|>"
DEFAULT_SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
"""What the base's chat template puts first when a conversation has no system message."""


def vocabulary_json(metadata: dict[str, Any]) -> dict[str, list[Any]]:
    """The content of vocabulary.json, from the metadata of SmolLM2's GGUF file: tokens, control ids, merges.

    Plain lists, which take 0.05 s until there is a tokenizer; the library's tokenizer.json takes 0.09, and
    the list of its tokens 0.02 more.

    Raises:
        ValueError: the metadata are of another tokenizer.
    """
    kind = (metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre"))
    if kind != ("gpt2", "smollm"):
        raise ValueError(f"tokenizer {kind} is not known here, expected ('gpt2', 'smollm')")
    merges = [merge.split(" ") for merge in metadata["tokenizer.ggml.merges"]]
    return {
        "tokens": metadata["tokenizer.ggml.tokens"],
        "control": [i for i, kind_ in enumerate(metadata["tokenizer.ggml.token_type"]) if kind_ == 3],
        "left": [left for left, _ in merges],
        "right": [right for _, right in merges],
    }


def _built(content: dict[str, list[Any]]) -> Tokenizer:
    """The tokenizer of a vocabulary.json.

    GGUF names the pre-tokenizer only (``smollm``); what it stands for is written out here: single
    digits, then byte-level BPE without a leading space, as in HuggingFaceTB/SmolLM2-135M-Instruct.
    """
    tokens = content["tokens"]
    # Without an unknown token: the vocabulary lacks six control characters and U+40000 to U+BFFFF, which are
    # dropped rather than made the unknown token, which is a control token.
    model = BPE(
        dict(zip(tokens, range(len(tokens)), strict=True)),
        list(zip(content["left"], content["right"], strict=True)),
    )
    tokenizer = Tokenizer(model)
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    control = [AddedToken(tokens[i], normalized=False, special=True) for i in content["control"]]
    tokenizer.add_special_tokens(control)
    return tokenizer


def _byte_alphabet() -> dict[int, int]:
    """GPT-2's characters for bytes: printable ones stand for themselves, the others for those from U+0100."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return dict(zip([*printable, *range(256, 256 + len(others))], [*printable, *others], strict=True))


def _bytes_of(text: str) -> bytes:
    """The bytes that characters stand for, those outside of the alphabet for their own.

    By numpy, which takes a sixth of `str.translate`'s 7 ms.

    Raises:
        ValueError: a character stands for no byte.
    """
    characters = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    alphabet = _byte_alphabet()
    table = np.full(max(alphabet) + 2, -1, np.int16)
    table[:256] = range(256)
    table[list(alphabet)] = list(alphabet.values())
    found = table[np.minimum(characters, len(table) - 1)]
    if (found < 0).any():
        raise ValueError("a token has a character that stands for no byte")
    return found.astype(np.uint8).tobytes()


@dataclass(frozen=True)
class _Vocabulary:
    """What llguidance asks of a tokenizer."""

    eos_token_id: int
    tokens: list[bytes]
    special_token_ids: list[int]
    encode: Callable[[str], list[int]]
    bos_token_id: int | None = None

    def __call__(self, text: str) -> list[int]:
        return self.encode(text)


def _read(path: Path) -> tuple[Tokenizer, list[str], str]:
    """The tokenizer of a file, its tokens, and what its template says for want of a system message."""
    if path.name == "tokenizer.json":
        tokenizer = Tokenizer.from_file(str(path))
        places = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
        return tokenizer, [token for token, _ in places], ""
    content = json.loads(path.read_bytes())
    return _built(content), content["tokens"], DEFAULT_SYSTEM


class ChatTokenizer:
    """A byte-level tokenizer with ChatML around it.

    Args:
        path: the base's vocabulary.json, or the tokenizer.json of a model of one's own.

    Raises:
        EngineUnreachable: the file is not there or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._tokenizer, self._tokens, self._system = _read(path)
        except Exception as error:  # tokenizers raises bare Exception for merges of unknown tokens
            raise EngineUnreachable(
                f"{path}: not a {path.name} that can be read ({error!r})",
                hint="the base's: delete its folder, it is made anew from the weights beside it",
            ) from error
        # Text from users and tools may spell "<|im_end|>": it must stay text and never close a message.
        self._tokenizer.encode_special_tokens = True
        self._lock = threading.Lock()
        start, end = (self._tokenizer.token_to_id(token) for token in (START, END))
        if start is None or end is None:
            raise EngineUnreachable(f"{path}: no {START} and {END} in its vocabulary")
        self.start: int = start
        self.end: int = end
        self.size: int = len(self._tokens)

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text; nothing in it becomes a control token.

        Bytes that the vocabulary lacks are dropped (six control characters, U+40000 to U+BFFFF).
        """
        # One Tokenizer object may be used by several worker threads; its lock is ours to hold.
        with self._lock:
            return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids, control tokens left out."""
        return str(self._tokenizer.decode(list(ids)))

    def tokenizer_json(self) -> str:
        """The content of a tokenizer.json, for other engines."""
        return str(self._tokenizer.to_str())

    def vocabulary(self) -> TokenizerWrapper:
        """This tokenizer as llguidance takes it."""
        # All at once and cut afterwards: every character is one byte.
        data = _bytes_of("".join(self._tokens))
        ends = accumulate(map(len, self._tokens), initial=0)
        return TokenizerWrapper(
            _Vocabulary(
                eos_token_id=self.end,
                tokens=[data[begin:end] for begin, end in pairwise(ends)],
                special_token_ids=list(self._tokenizer.get_added_tokens_decoder()),
                encode=self.encode,
            )
        )

    def prompt(self, messages: Sequence[Message]) -> tuple[list[int], int]:
        """A conversation up to where the assistant speaks.

        Args:
            messages: in order; a tool's result is a message of the role ``tool``.

        Returns:
            The token ids, and how many of them are the system message and thus the same next time.
        """
        said = list(messages)
        if self._system and (not said or said[0].role != "system"):
            said.insert(0, Message("system", self._system))
        newline = self.encode("\n")
        ids: list[int] = []
        fixed = 0
        for number, message in enumerate(said):
            ids += [self.start, *self.encode(f"{message.role}\n{message.content}"), self.end, *newline]
            if number == 0 and message.role == "system":
                fixed = len(ids)
        return [*ids, self.start, *self.encode("assistant\n")], fixed
