"""Grammars compiled for a model's tokenizer, each with a completion at hand; kept for the process."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from string import ascii_letters, digits

from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

from speeddial.errors import EngineRefused
from speeddial.messages import compact_json
from speeddial.models.witness import WitnessSearch

_LIMITS = LLParserLimits(step_lexer_fuel=5_000_000, initial_lexer_fuel=5_000_000)
"""The default of 200,000 a token ends some patterns of a hundred repeats under a length: 0.3 s, once."""
_SLICES = LLTokenizer.general_slices()[1:3]
"""Of llguidance's own those of up to 10 and up to 30 characters: each takes 10 ms at 49 k tokens. Grammars
leave no room for its white space, and contracts bound their strings: one without end does nothing here."""
_COMPILED_KEPT = 512
_QUICK_BUDGET = 1024


class CompiledGrammar:
    """A grammar compiled for one tokenizer, with what was found out about it.

    Args:
        tokenizer: of the model.
        grammar: llguidance grammar, as in `Contract.grammar`.

    Raises:
        EngineRefused: llguidance does not compile this grammar.
    """

    def __init__(self, tokenizer: GuidedTokenizer, grammar: str) -> None:
        self.tokenizer = tokenizer
        self._source = grammar
        self._start = LLMatcher(tokenizer.native, grammar, log_level=0, limits=_LIMITS)
        if self._start.is_error():
            raise EngineRefused(f"the grammar does not compile: {first_line(self._start.get_error())}")

    def matcher(self) -> LLMatcher:
        """A matcher at the start of the grammar."""
        return self._start.deep_copy()

    @cached_property
    def shortest(self) -> list[int]:
        """The shortest output found, as tokens; a budget below its length is refused.

        Raises:
            EngineRefused: no output was found.
        """
        witness = self.tokenizer.search.shortest(self._start, self.texts)
        if witness is None:
            raise EngineRefused("no finite output was found that satisfies the grammar")
        return witness

    @cached_property
    def _quick(self) -> list[int]:
        return self.tokenizer.search.quick(self._start, _QUICK_BUDGET, self.texts) or []

    def witness(self, budget: int) -> list[int]:
        """An output that fits a budget of tokens.

        Raises:
            EngineRefused: none was found.
        """
        if self._quick and len(self._quick) <= budget:
            return self._quick
        if len(self.shortest) > budget:
            raise EngineRefused(
                f"a budget of {budget} tokens is too small for this contract: "
                f"its shortest output takes {len(self.shortest)}",
                hint="raise max_tokens",
            )
        return self.shortest

    def texts(self) -> list[list[int]]:
        """Strings that its patterns and formats admit, as tokens, for the search of completions."""
        return self._texts

    @cached_property
    def _texts(self) -> list[list[int]]:
        # Here, as an engine is loaded without contracts, which take 0.02 s: whoever asks it brings one.
        from speeddial.contract.example import strings_of

        found: dict[str, None] = {}
        for part in json.loads(self._source)["grammars"]:
            found |= dict.fromkeys(strings_of(part.get("json_schema", {})))
        return [self.tokenizer.native.tokenize_str(compact_json(text)[1:-1]) for text in found if text]


class GuidedTokenizer:
    """A tokenizer as the grammar engine sees it, with the grammars compiled for it; make one per model.

    Building it takes 0.1 s at 49 k tokens and seconds at 131 k, a grammar 1 to 60 ms; both are
    kept for the process. Safe to share between threads.

    Args:
        tokenizer: content of a Hugging Face tokenizer.json, or a tokenizer as llguidance wraps it.
        size: tokens in the model's output, at least as many as the tokenizer has.
        end: the token that ends an answer.
    """

    def __init__(self, tokenizer: str | TokenizerWrapper, size: int, end: int) -> None:
        self.size = size
        self.end = end
        self.native = LLTokenizer(tokenizer, n_vocab=size, eos_token=end, slices=_SLICES)
        self.search = WitnessSearch(self._pieces(tokenizer), end)
        self._compiled: OrderedDict[str, CompiledGrammar] = OrderedDict()
        self._lock = threading.Lock()

    def _pieces(self, tokenizer: str | TokenizerWrapper) -> Sequence[bytes]:
        if isinstance(tokenizer, TokenizerWrapper) and len(tokenizer.tokens) == self.size:
            return tokenizer.tokens
        return [self.native.decode_bytes([token]) for token in range(self.size)]

    @cached_property
    def letters(self) -> list[int]:
        """The tokens of one ASCII letter or digit."""
        alone = [self.native.tokenize_str(letter) for letter in ascii_letters + digits]
        return [tokens[0] for tokens in alone if len(tokens) == 1]

    def compiled(self, grammar: str) -> CompiledGrammar:
        """A grammar, compiled the first time it is asked for.

        Raises:
            EngineRefused: llguidance does not compile this grammar.
        """
        with self._lock:
            compiled = self._compiled.get(grammar)
            if compiled is None:
                compiled = self._compiled[grammar] = CompiledGrammar(self, grammar)
                if len(self._compiled) > _COMPILED_KEPT:
                    self._compiled.popitem(last=False)
            self._compiled.move_to_end(grammar)
            return compiled

    def shortest(self, grammar: str) -> list[int]:
        """The shortest output found for a grammar, as tokens. Raises EngineRefused like `CompiledGrammar`."""
        return self.compiled(grammar).shortest

    def decode(self, tokens: Sequence[int], *, whole: bool = True) -> str:
        """The text of tokens that a grammar accepted; a part of it may end within a character."""
        return self.native.decode_bytes(list(tokens)).decode("utf-8", "strict" if whole else "ignore")


def first_line(error: str) -> str:
    """The first line of what llguidance says, shortened; a dump of its state follows."""
    return error.strip().partition("\n")[0][:300]
