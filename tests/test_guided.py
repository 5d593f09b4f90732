"""Guided decoding: valid within the budget whatever the logits, forced tokens free, refusals loud."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from speeddial.contract import Contract, Copied, union_of_calls
from speeddial.errors import ContractViolation, EngineRefused
from speeddial.models.chat_tokenizer import ChatTokenizer
from speeddial.models.grammars import GuidedTokenizer
from speeddial.models.guided import GuidedDecoder, GuidedProcessor


class Colour(Enum):
    RED = "red"
    BLUE = "deep blue"


class Line(BaseModel):
    item: str
    amount: Annotated[int, Field(ge=1, le=99)]
    price: Decimal | None = None


class Order(BaseModel):
    customer: str
    lines: list[Line]
    colour: Colour = Colour.RED
    due: dt.date | None = None


class Tree(BaseModel):
    name: str
    children: list[Tree] = []


CONTRACTS = [
    Contract.of(Order),
    Contract.of(Tree),
    Contract.of(Literal["yes", "no", "perhaps later"]),
    Contract.of(dict[str, float]),
    Contract.of(tuple[int, bool, str]),
    Contract.of(Annotated[str, Field(pattern=r"^[A-Z]{3}-[0-9]{4}$")]),
    Contract.of(Annotated[float, Field(ge=1000, multiple_of=0.25, le=1002)]),
    Contract.of(list[dt.datetime]),
    Contract.of(int | None),
    Contract.from_schema(
        {
            "type": "object",
            "properties": {
                "id": {"type": "string", "pattern": "rocket_document"},
                "size": {"type": "string", "pattern": "^[0-9]+[xX][0-9]+$"},
                "mail": {"type": "string", "format": "email"},
                "key": {"type": "string", "minLength": 300},
                "lat": {"type": "number"},
                "lon": {"type": "number"},
            },
            "required": ["id", "size", "lat", "lon"],
        }
    ),
    union_of_calls({"file_order": Contract.of(Order), "find": Contract.of(Line)}),
]


@pytest.fixture(scope="session")
def chat(base_model: Any) -> ChatTokenizer:
    return ChatTokenizer(base_model.vocabulary)


@pytest.fixture(scope="session")
def tokenizer(chat: ChatTokenizer) -> GuidedTokenizer:
    return GuidedTokenizer(chat.vocabulary(), chat.size, chat.end)


def run(decoder: GuidedDecoder, seed: int, spread: float) -> GuidedDecoder:
    """Decode with random weights: logits that mean nothing."""
    random = np.random.default_rng(seed)
    decoder.take_forced()
    while not decoder.done:
        decoder.choose(random.standard_normal(decoder.tokenizer.size).astype(np.float32) * np.float32(spread))
        decoder.take_forced()
    return decoder


@settings(max_examples=120, deadline=None)
@given(
    contract=st.sampled_from(CONTRACTS),
    spare=st.integers(0, 60),
    seed=st.integers(0, 2**31),
    temperature=st.sampled_from([0.0, 0.7, 1.5]),
    spread=st.sampled_from([0.1, 3.0, 30.0]),
)
def test_whatever_the_logits_every_output_satisfies_its_contract_within_the_budget(
    tokenizer: GuidedTokenizer, contract: Contract, spare: int, seed: int, temperature: float, spread: float
) -> None:
    budget = len(tokenizer.shortest(contract.grammar)) + spare
    decoder = GuidedDecoder(
        tokenizer, contract.grammar, max_tokens=budget, temperature=temperature, seed=seed
    )
    run(decoder, seed, spread)
    assert len(decoder.tokens) <= budget
    try:
        contract.parse(decoder.text)
    except ContractViolation as error:
        # The one rule of these contracts that no grammar holds, and their reports say so.
        assert "value: duplicate keys" in contract.report.after
        assert [problem.expected for problem in error.problems] == ["each key once"]


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_a_budget_below_the_shortest_output_is_refused_with_that_number(
    tokenizer: GuidedTokenizer, contract: Contract
) -> None:
    shortest = tokenizer.shortest(contract.grammar)
    contract.parse(tokenizer.decode(shortest))
    with pytest.raises(EngineRefused, match=rf"shortest output takes {len(shortest)}"):
        GuidedDecoder(tokenizer, contract.grammar, max_tokens=len(shortest) - 1)


def follow(tokenizer: GuidedTokenizer, contract: Contract, wanted: list[int]) -> GuidedDecoder:
    """Decode with logits that want exactly these tokens."""
    decoder = GuidedDecoder(tokenizer, contract.grammar, max_tokens=256)
    while not decoder.done:
        logits = np.zeros(tokenizer.size, np.float32)
        written = len(decoder.tokens)
        logits[wanted[written] if written < len(wanted) else tokenizer.end] = 50.0
        decoder.choose(logits)
        decoder.take_forced()
    return decoder


@pytest.mark.parametrize(
    ("contract", "value"),
    [
        (CONTRACTS[0], Order(customer="Änne O'Neil", lines=[Line(item='a "b" \\ c', amount=7)])),
        (CONTRACTS[1], Tree(name="root", children=[Tree(name="leaf"), Tree(name="[x]")])),
        (CONTRACTS[2], "perhaps later"),
        (CONTRACTS[3], {"a b": 1.5, "ü": -3e5}),
        (CONTRACTS[4], (12, True, "done, {really}")),
        (CONTRACTS[8], None),
    ],
)
def test_forced_tokens_never_differ_from_the_tokenizers_own(
    tokenizer: GuidedTokenizer, chat: ChatTokenizer, contract: Contract, value: Any
) -> None:
    text = contract.dump(value)
    wanted = chat.encode(text)
    decoder = follow(tokenizer, contract, wanted)
    assert decoder.text == text
    assert decoder.tokens == wanted


@pytest.mark.parametrize(
    "name", ["miles davis", "Cena con Amigos", "Divertido para niños", "beryl's fridays"]
)
def test_a_word_that_may_lose_its_s_is_cut_as_the_tokenizer_cuts_it(
    tokenizer: GuidedTokenizer, chat: ChatTokenizer, name: str
) -> None:
    # "davi" is what "davi" and "davis" share: forced, a model that learnt "d", "av", "is" ends there.
    contract = Contract.of(Annotated[str, Copied()]).bound(f"add this to {name} please")
    wanted = chat.encode(contract.dump(name))
    decoder = follow(tokenizer, contract, wanted)
    assert json.loads(decoder.text) == name
    assert decoder.tokens == wanted


def test_forced_tokens_come_without_logits(tokenizer: GuidedTokenizer) -> None:
    decoder = GuidedDecoder(tokenizer, Contract.of(Literal["only this"]).grammar, max_tokens=20)
    assert decoder.done
    assert json.loads(decoder.text) == "only this"
    assert decoder.tokens_forced == len(decoder.tokens)
    assert decoder.confidence is None


def test_confidence_is_the_probability_of_the_choices_alone(
    tokenizer: GuidedTokenizer, chat: ChatTokenizer
) -> None:
    decoder = GuidedDecoder(tokenizer, Contract.of(Literal["red", "blue"]).grammar, max_tokens=20)
    decoder.take_forced()
    logits = np.full(tokenizer.size, 99.0, np.float32)
    allowed = np.flatnonzero(decoder.mask())
    logits[allowed] = 0.0
    logits[chat.encode("red")[0]] = 2.0
    decoder.choose(logits)
    decoder.take_forced()
    assert decoder.done
    assert json.loads(decoder.text) == "red"
    others = len(allowed) - 1
    probability = np.exp(2) / (np.exp(2) + others)
    assert decoder.confidence == pytest.approx(probability, rel=1e-5)
    quote, chosen, *rest = decoder.pieces()
    assert (quote.text, quote.probability) == ('"', None)
    assert chosen.probability == pytest.approx(probability, rel=1e-5)
    assert all(token.probability is None for token in rest)


@settings(max_examples=40, deadline=None)
@given(contract=st.sampled_from(CONTRACTS), seed=st.integers(0, 2**31))
def test_the_pieces_are_the_text_and_their_probabilities_the_confidence(
    tokenizer: GuidedTokenizer, contract: Contract, seed: int
) -> None:
    decoder = GuidedDecoder(tokenizer, contract.grammar, max_tokens=400, temperature=1.0, seed=seed)
    run(decoder, seed, 1.0)
    pieces = decoder.pieces()
    assert "".join(piece.text for piece in pieces) == decoder.text
    chosen = [piece.probability for piece in pieces if piece.probability is not None]
    assert len(chosen) == len(decoder.tokens) - decoder.tokens_forced
    assert all(0 < probability <= 1 for probability in chosen)


def test_a_grammar_that_does_not_compile_is_an_error_and_never_an_empty_text(
    tokenizer: GuidedTokenizer,
) -> None:
    with pytest.raises(EngineRefused, match="does not compile"):
        GuidedDecoder(tokenizer, '{"grammars":[{"json_schema":{"not":{"type":"string"}}}]}', max_tokens=9)


def test_the_same_seed_samples_the_same_text_and_another_seed_another(tokenizer: GuidedTokenizer) -> None:
    grammar = CONTRACTS[0].grammar
    texts = [
        run(GuidedDecoder(tokenizer, grammar, max_tokens=80, temperature=1.0, seed=seed), 7, 2.0).text
        for seed in (1, 1, 2)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_the_processor_leaves_exactly_one_token(tokenizer: GuidedTokenizer) -> None:
    processor = GuidedProcessor(tokenizer, CONTRACTS[4].grammar, max_tokens=40)
    written: list[int] = []
    random = np.random.default_rng(3)
    while not written or written[-1] != tokenizer.end:
        logits = random.standard_normal((1, tokenizer.size)).astype(np.float32)
        masked = processor(np.array([written], np.int64), logits)
        assert np.isfinite(masked).sum() == 1
        written.append(int(masked[0].argmax()))
    assert tokenizer.decode(written[:-1]) == processor.decoder.text
    CONTRACTS[4].parse(processor.decoder.text)
    processor.reset()
    assert not processor.decoder.done


@pytest.mark.parametrize("schema", [{"type": "integer"}, {"type": "number"}])
def test_a_grammar_that_grows_beyond_the_engines_limits_still_ends_valid(
    tokenizer: GuidedTokenizer, schema: dict[str, Any]
) -> None:
    # An automaton of a million remainders: llguidance gives up on the first digits.
    contract = Contract.from_schema(
        {"type": "object", "properties": {"c": {**schema, "multipleOf": 1000000}}, "required": ["c"]}
    )
    for seed in range(4):
        decoder = run(
            GuidedDecoder(tokenizer, contract.grammar, max_tokens=32, temperature=1.0, seed=seed), seed, 3.0
        )
        assert contract.parse(decoder.text)["c"] % 1000000 == 0
        assert len(decoder.tokens) <= 32
        assert decoder.confidence is not None and decoder.confidence < 0.5
