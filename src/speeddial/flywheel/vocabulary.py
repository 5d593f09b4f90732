"""A task's own tokenizer: byte-level BPE over its training texts, with ChatML's two marks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from speeddial.flywheel.dataset import END, START

WORDS = (
    # What opens and parts every call, and names such as add_to_list: one token each, for the grammar forces
    # them, and what is not written token by token is not learnt token by token either.
    r"\{\"name\":\"|\",\"arguments\":\{\"?|[A-Za-z]+(?:_[A-Za-z]+)+"
    # Han characters one by one: a phrase that the templates of the data repeat must not become a token.
    r"|\p{Han}|(?:(?!\p{Han})[\p{L}\p{M}])+|\p{N}"
    # A space is a token of its own, so that a word is the same tokens in a request and after a quote, where
    # it is copied to; an English request takes 1.5 times the tokens (20 for 14 of SNIPS, at 2,048).
    r"|\s|[^\s\p{L}\p{M}\p{N}]+"
)
"""What merges never cross, the first alternative that fits."""
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def train_tokenizer(texts: Iterable[str], size: int) -> Tokenizer:
    """A tokenizer of at most `size` tokens; equal texts give equal tokenizers.

    It can write any text: all 256 bytes are among its tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer: Any = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
