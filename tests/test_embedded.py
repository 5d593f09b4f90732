"""The embedded engine: right logits, right adapters, exact output, prefixes reused, nothing left running."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLTokenizer
from pydantic import Field

from speeddial.contract import Contract, union_of_calls
from speeddial.errors import DefinitionError, EngineRefused, EngineTimeout
from speeddial.flywheel.evaluate import evaluate
from speeddial.messages import Message
from speeddial.models import Request, decoder, embedded_decoder
from speeddial.models.base_graph import FUSED
from speeddial.models.base_model import BaseModel
from speeddial.models.decoder import MOST_WANTED, Decoder
from speeddial.models.embedded import EmbeddedModel
from speeddial.models.embedded_decoder import EmbeddedDecoder, Prompt
from speeddial.models.guesses import EarlierAnswers
from speeddial.models.guided import GuidedProcessor
from speeddial.project import Project

Phrase = Annotated[str, Field(max_length=60)]
CALLS = union_of_calls(
    {
        "set_alarm": Contract.from_schema(
            {
                "type": "object",
                "properties": {"time": {"type": "string", "maxLength": 40}},
                "required": ["time"],
            }
        ),
        "show_list": Contract.from_schema(
            {"type": "object", "properties": {"list": {"type": "string", "maxLength": 40}}}
        ),
    }
)
ENDLESS = Contract.of(Annotated[list[Phrase], Field(min_length=60, max_length=60)])
SYSTEM = "You are an assistant. Reply with one call as JSON."


@pytest.fixture(scope="session")
def model(base_model: BaseModel) -> EmbeddedModel:
    return EmbeddedModel(base_model.source.name)


def ask(text: str, contract: Contract = CALLS, **options: Any) -> Request:
    return Request((Message("system", SYSTEM), Message("user", text)), contract, **options)


@pytest.fixture
def make_adapter(tmp_path: Path, model: EmbeddedModel) -> Callable[..., Path]:
    """A LoRA adapter in PEFT's form with random weights."""

    def make(name: str = "adapter", scale: float = 0.03, rank: int = 8, **config: Any) -> Path:
        from safetensors.numpy import save_file

        shape = model.load().decoder.shape
        random = np.random.default_rng(5)
        tensors = {}
        for layer in range(shape.layers):
            for module in sum(FUSED.values(), ()):
                path = f"base_model.model.model.layers.{layer}.{module}"
                for part, size in (("A", (rank, shape.columns(module))), ("B", (shape.rows(module), rank))):
                    values = random.standard_normal(size) * scale
                    tensors[f"{path}.lora_{part}.weight"] = values.astype(np.float16)
        folder = tmp_path / name
        folder.mkdir()
        save_file(tensors, folder / "adapter_model.safetensors")
        content = {
            "peft_type": "LORA",
            "r": rank,
            "lora_alpha": 2 * rank,
            "lora_dropout": 0.0,
            "bias": "none",
            "task_type": "CAUSAL_LM",
            "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
            "base_model_name_or_path": "HuggingFaceTB/SmolLM2-135M-Instruct",
        } | config
        (folder / "adapter_config.json").write_text(json.dumps(content))
        return folder

    return make


def logits_of(decoder: Decoder, tokens: list[int], folder: Path | None = None) -> np.ndarray[Any, Any]:
    """Logits after every token, read a few at a time."""
    rows = []
    with decoder.sequence(len(tokens), decoder.adapter(folder)) as context:
        for start in range(0, len(tokens), 8):
            part = tokens[start : start + 8]
            rows.append(decoder.extend(context, part, wanted=len(part)).copy())
    return np.concatenate(rows)


def test_llguidance_gets_the_tokenizer_that_tokenizer_json_describes(
    model: EmbeddedModel, base_model: BaseModel
) -> None:
    chat = model.load().chat
    ours = LLTokenizer(chat.vocabulary(), n_vocab=chat.size, eos_token=chat.end)
    content = chat.tokenizer_json()
    theirs = LLTokenizer(content, n_vocab=chat.size, eos_token=chat.end)

    @given(text=st.text() | st.text('{"name": 12,}Äß日😀'))
    def same(text: str) -> None:
        assert ours.tokenize_str(text) == theirs.tokenize_str(text)

    same()
    for token in range(chat.size):
        assert ours.decode_bytes([token]) == theirs.decode_bytes([token])
        assert ours.is_special_token(token) == theirs.is_special_token(token)


async def test_the_base_knows_what_it_learnt(model: EmbeddedModel) -> None:
    capital = Contract.of(Literal["Berlin", "Paris", "Madrid", "Rome"])
    completion = await model.complete(ask("What is the capital of France? Answer with its name.", capital))
    assert capital.parse(completion.text) == "Paris"


async def test_a_completion_says_what_it_cost_and_how_it_was_constrained(model: EmbeddedModel) -> None:
    completion = await model.complete(ask("Wake me at seven am."))
    call = CALLS.parse(completion.text)
    assert call.name in ("set_alarm", "show_list", "refuse")
    receipt = completion.receipt
    assert receipt.constrained
    assert receipt.schema_hash == CALLS.schema_hash
    assert receipt.backend.startswith("llguidance 1.") and " via outlines 1." in receipt.backend
    assert receipt.proven_by.startswith("canary 20")
    assert completion.model == "embedded:smollm2-135m-instruct"
    assert completion.finish == "stop"
    assert 0 < completion.tokens_forced < completion.tokens_out
    assert completion.tokens_in > 20
    assert completion.confidence is not None and 0 < completion.confidence <= 1


async def test_requests_side_by_side_give_what_they_give_alone_whatever_becomes_of_their_neighbours(
    model: EmbeddedModel, make_adapter: Callable[..., Path]
) -> None:
    adapters = [None, make_adapter()]
    requests = [
        ask(f"Show me list number {number}, please.", adapter=adapters[number % 2]) for number in range(6)
    ]
    alone = [await model.complete(request) for request in requests]
    cancelled = asyncio.create_task(model.complete(ask("Go on.", ENDLESS, max_tokens=3000)))
    late = asyncio.create_task(model.complete(ask("Go on.", ENDLESS, max_tokens=3000, timeout=0.2)))
    refused = asyncio.create_task(model.complete(ask("word " * 9000)))
    together = asyncio.gather(*(model.complete(request) for request in requests))
    await asyncio.sleep(0.3)
    cancelled.cancel()
    for ours, theirs in zip(alone, await together, strict=True):
        assert (ours.text, ours.confidence, ours.tokens_out) == (
            theirs.text,
            theirs.confidence,
            theirs.tokens_out,
        )
    ends = await asyncio.gather(cancelled, late, refused, return_exceptions=True)
    assert [type(end) for end in ends] == [asyncio.CancelledError, EngineTimeout, EngineRefused]


async def test_the_text_ends_valid_at_the_smallest_budget_and_is_refused_below(model: EmbeddedModel) -> None:
    shortest = model.shortest_tokens(CALLS)
    completion = await model.complete(ask("Tell me everything about alarms.", max_tokens=shortest))
    CALLS.parse(completion.text)
    assert completion.tokens_out <= shortest
    with pytest.raises(EngineRefused, match=f"shortest output takes {shortest}"):
        await model.complete(ask("Tell me everything.", max_tokens=shortest - 1))


async def test_sampling_follows_the_seed(model: EmbeddedModel) -> None:
    async def text(seed: int) -> str:
        return (await model.complete(ask("Surprise me.", temperature=1.5, seed=seed))).text

    assert await text(1) == await text(1)
    assert len({await text(seed) for seed in range(4)}) > 1


async def test_a_prompt_beyond_the_context_is_refused(model: EmbeddedModel) -> None:
    with pytest.raises(EngineRefused, match="exceed the embedded model's context of 8192"):
        await model.complete(ask("word " * 9000))


async def test_time_out_and_cancellation_stop_the_worker(model: EmbeddedModel) -> None:
    with pytest.raises(EngineTimeout, match=r"within 0\.1 s"):
        await model.complete(ask("Go on.", ENDLESS, timeout=0.1, max_tokens=3000))
    task = asyncio.create_task(model.complete(ask("Go on.", ENDLESS, max_tokens=3000)))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # The worker's context comes back to the pool as soon as it has seen the cancellation.
    decoder = model.load().decoder
    async with asyncio.timeout(5):
        while not decoder._free:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("quota", "threads"),
    [("100000 100000", 1), ("50000 100000", 1), ("900000 100000", 3), ("max 100000", 3), (None, 3)],
)
def test_a_containers_quota_of_processors_is_kept_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str | None, threads: int
) -> None:
    monkeypatch.setattr(decoder, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: {0, 1, 2}, raising=False)
    if quota is not None:
        (tmp_path / "cpu.max").write_text(quota + "\n")
    assert decoder._processors() == threads


def test_a_prefix_kept_gives_the_same_logits_as_one_read_anew(model: EmbeddedModel) -> None:
    decoder = model.load().decoder
    random = np.random.default_rng(0)
    tokens = [int(token) for token in random.integers(100, 40_000, 40)]
    with decoder.sequence(64, decoder.base) as context:
        first = decoder.extend(context, decoder.start(context, tokens, 25)).copy()
    with decoder.sequence(64, decoder.base) as context:
        context.caches[0][:] = np.nan
        again = decoder.extend(context, decoder.start(context, tokens, 25)).copy()
        assert context.tokens == tokens
    assert np.array_equal(first, again)


def test_a_prompt_read_while_its_grammar_is_compiled_gives_the_same_answer(
    model: EmbeddedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = model.load()
    fresh = EmbeddedDecoder(loaded.chat, loaded.decoder)
    messages = (Message("system", "You set alarms, as none before."), Message("user", "Wake me at seven am."))
    request = Request(messages, CALLS)
    ahead: list[int] = []
    read = Decoder.read

    def seen(decoder: Decoder, tokens: list[int], *options: Any) -> None:
        ahead.append(len(tokens))
        read(decoder, tokens, *options)

    monkeypatch.setattr(Decoder, "read", seen)
    decodes = [fresh.run(request, lambda: None)[0] for _ in range(2)]
    tokens, fixed = loaded.chat.prompt(messages)
    assert ahead == [fixed], "once, and from what was kept the second time"

    fresh.decoder._prefixes.clear()
    alone = GuidedProcessor.of(loaded.guided, request)
    fresh.generate(Prompt(tokens, fixed, messages[1].content), alone)
    for decoded in decodes:
        assert (decoded.tokens, decoded.probabilities) == (alone.decoder.tokens, alone.decoder.probabilities)


@pytest.mark.parametrize("collects", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_loading_leaves_the_collector_of_garbage_as_it_was(
    base_model: BaseModel, collects: bool, frozen: bool
) -> None:
    try:
        if frozen:
            gc.freeze()
        if not collects:
            gc.disable()
        EmbeddedModel(base_model.source.name).load()
        assert gc.isenabled() == collects
        assert (gc.get_freeze_count() > 0) == frozen
    finally:
        gc.enable()
        gc.unfreeze()


@pytest.mark.parametrize("rank", [0, 20, *(pytest.param(rank, marks=pytest.mark.slow) for rank in (8, 64))])
def test_a_token_gives_the_same_bits_in_any_pass(
    model: EmbeddedModel, make_adapter: Callable[..., Path], rank: int
) -> None:
    """Whatever other tokens go through the same pass, before it, after it, guessed right or wrongly."""
    decoder = model.load().decoder
    adapter = decoder.adapter(make_adapter(rank=rank) if rank else None)
    random = np.random.default_rng(rank)
    tokens = [int(token) for token in random.integers(100, 40_000, 90)]
    with decoder.sequence(160, adapter) as context:
        decoder.extend(context, tokens[:20])
        alone = [decoder.extend(context, [token])[0].copy() for token in tokens[20:]]
        for longest in (3, 8, 40):
            del context.tokens[20:]
            while len(context.tokens) < len(tokens):
                at = len(context.tokens)
                known = tokens[at : at + int(random.integers(1, longest))]
                wrong = [int(token) for token in random.integers(100, 40_000, int(random.integers(0, 4)))]
                wanted = min(MOST_WANTED, len(known) + len(wrong))
                logits = decoder.extend(context, known + wrong, wanted)
                del context.tokens[at + len(known) :]
                for row in range(wanted - len(wrong)):
                    number = len(context.tokens) - 20 - (wanted - len(wrong)) + row
                    assert np.array_equal(logits[row], alone[number]), f"token {number} differs"


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), faith=st.sampled_from([0.3, 0.9, 1.0]))
def test_guessing_ahead_changes_how_often_the_model_is_asked_and_nothing_else(
    model: EmbeddedModel, seed: int, faith: float
) -> None:
    source = 'wake me at half past "seven" tomorrow morning, please, and call uncle Änne'
    wanted = model.load().chat.encode(
        '{"name":"set_alarm","arguments":{"time":"half past \\"seven\\" tomorrow morning"}}'
    )
    outcomes, counts = [], []
    for copied in (0, 1, 3):
        passes: list[int] = []
        engine = _Following(model, wanted, seed, faith, passes)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(embedded_decoder, "_GUESSED", copied)
            processor = GuidedProcessor(engine.guided, CALLS.grammar, max_tokens=60)
            text = engine.generate(Prompt([1, 2, 3], 0, source), processor)
        CALLS.parse(text)
        outcomes.append((text, processor.decoder.confidence))
        counts.append(len(passes))
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert faith < 1.0 or counts[0] > max(counts[1:])


class _Following(EmbeddedDecoder):
    """The engine with a decoder whose logits depend on the tokens it was shown, and on nothing else."""

    def __init__(
        self, model: EmbeddedModel, wanted: list[int], seed: int, faith: float, passes: list[int]
    ) -> None:
        loaded = model.load()
        self.chat, self.guided, self.earlier = loaded.chat, loaded.guided, EarlierAnswers()
        self.decoder = _FollowingDecoder(loaded.decoder, wanted, seed, faith, passes)


class _FollowingDecoder:
    def __init__(self, real: Decoder, wanted: list[int], seed: int, faith: float, passes: list[int]) -> None:
        self.base, self.sequence, self.size = real.base, real.sequence, real.shape.vocabulary
        self.wanted, self.seed, self.faith, self.passes = wanted, seed, faith, passes

    def start(self, context: Any, tokens: list[int], fixed: int) -> list[int]:
        return tokens

    def extend(self, context: Any, tokens: list[int], wanted: int = 1) -> Any:
        self.passes.append(len(tokens))
        context.tokens.extend(tokens)
        shown = len(context.tokens)
        return np.stack([self._logits(context.tokens[: shown - back]) for back in reversed(range(wanted))])

    def _logits(self, shown: list[int]) -> Any:
        random = np.random.default_rng([self.seed, *shown])
        logits = random.standard_normal(self.size).astype(np.float32)
        written = len(shown) - 3
        if written < len(self.wanted) and random.random() < self.faith:
            logits[self.wanted[written]] = 50.0
        return logits


async def test_an_adapter_changes_the_answer_and_the_base_stays_as_it_was(
    model: EmbeddedModel, make_adapter: Callable[..., Path]
) -> None:
    request = ask("Wake me at seven am.")
    before = (await model.complete(request)).text
    adapted = await model.complete(ask("Wake me at seven am.", adapter=make_adapter()))
    CALLS.parse(adapted.text)
    assert adapted.text != before
    assert (await model.complete(request)).text == before


async def test_an_adapter_with_b_zero_is_the_base(
    model: EmbeddedModel, make_adapter: Callable[..., Path]
) -> None:
    tokens = model.load().chat.encode("The orders from Berlin were late, and so were those from Rome.")
    decoder = model.load().decoder
    folder = make_adapter(lora_alpha=0)
    assert np.allclose(logits_of(decoder, tokens, folder), logits_of(decoder, tokens), atol=1e-4)


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda folder: (folder / "adapter_config.json").unlink(), "expected a PEFT LoRA configuration"),
        (
            lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"x" * 99),
            "expected a safetensors",
        ),
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), "expected a safetensors"),
        (lambda folder: (folder / "adapter_config.json").write_text('{"r":8,"lora_alpha":1}'), "plain LoRA"),
    ],
)
async def test_a_broken_adapter_is_named_with_what_was_expected(
    model: EmbeddedModel, make_adapter: Callable[..., Path], break_it: Callable[[Path], Any], said: str
) -> None:
    folder = make_adapter()
    break_it(folder)
    with pytest.raises(DefinitionError, match=said):
        await model.complete(ask("hi", adapter=folder))


async def test_an_adapter_of_another_shape_is_named(
    model: EmbeddedModel, make_adapter: Callable[..., Path]
) -> None:
    from safetensors.numpy import load_file, save_file

    folder = make_adapter()
    tensors = load_file(folder / "adapter_model.safetensors")
    name = "base_model.model.model.layers.4.mlp.up_proj.lora_B.weight"
    for size in ((99, 8), (1536, 4)):
        save_file(tensors | {name: np.zeros(size, np.float16)}, folder / "adapter_model.safetensors")
        with pytest.raises(
            DefinitionError, match=rf"layers\.4\.mlp\.up_proj .*\({size[0]}, {size[1]}\), expected \(r, 576\)"
        ):
            await model.complete(ask("hi", adapter=folder))
    save_file(
        {"base_model.model.lm_head.lora_A.weight": np.zeros((8, 576), np.float16)},
        folder / "adapter_model.safetensors",
    )
    with pytest.raises(
        DefinitionError, match="1 tensors that the embedded engine cannot apply, such as base_model"
    ):
        await model.complete(ask("hi", adapter=folder))


async def test_the_engine_can_be_closed_twice_and_used_again(base_model: BaseModel) -> None:
    model = EmbeddedModel(base_model.source.name)
    await model.aclose()
    CALLS.parse((await model.complete(ask("Show my shopping list."))).text)
    await model.aclose()
    await model.aclose()


TEXT = (
    "The capital of France is Paris. In 1984, the company released its first personal computer, which cost "
    '$2,495 and shipped with 128 KB of memory. {"name":"create_event","arguments":{"title":"lunch with Anna",'
    '"date":"tomorrow"}} Photosynthesis converts light energy into chemical energy that plants can use later.'
)


@pytest.mark.slow
@pytest.mark.parametrize("adapted", [False, True])
def test_logits_are_those_of_transformers_in_fp32(
    base_model: BaseModel, model: EmbeddedModel, make_adapter: Callable[..., Path], adapted: bool
) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = make_adapter(scale=0.06) if adapted else None
    reference = transformers.AutoModelForCausalLM.from_pretrained(base_model.export_hf(), dtype=torch.float32)
    tokens = model.load().chat.encode(TEXT)
    if folder is not None:
        base = reference(torch.tensor([tokens])).logits[0].detach()
        reference = pytest.importorskip("peft").PeftModel.from_pretrained(reference, folder)
    with torch.no_grad():
        theirs = torch.log_softmax(reference(torch.tensor([tokens])).logits[0], -1)
    ours = torch.log_softmax(torch.tensor(logits_of(model.load().decoder, tokens, folder)), -1)
    divergence = (theirs.exp() * (theirs - ours)).sum(-1)
    agreement = (theirs.argmax(-1) == ours.argmax(-1)).double().mean()
    print(f"KL mean {divergence.mean():.4f} max {divergence.max():.4f} argmax {agreement:.3f}")
    assert divergence.mean() < 0.02
    assert divergence.max() < 0.2
    assert agreement > 0.85
    if folder is not None:
        moved = (theirs.exp() * (theirs - torch.log_softmax(base, -1))).sum(-1)
        assert moved.mean() > 0.1, "the adapter has to matter for this test to say anything"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["organizer", "tables", "planner"])
async def test_guessing_ahead_changes_no_answer_of_the_shipped_adapters(
    base_model: BaseModel, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.load(Path(__file__).parents[1])
    folder = project.agent(name).folder if name == "planner" else project.expert(name).folder
    decode = EmbeddedDecoder.run
    outcomes: list[list[Any]] = []

    def twice(engine: EmbeddedDecoder, request: Request, check: Callable[[], None]) -> Any:
        outcomes.append([])
        for copied in (0, 3):
            with monkeypatch.context() as patch:
                patch.setattr(embedded_decoder, "_GUESSED", copied)
                guided, tokens_in = decode(engine, request, check)
            outcomes[-1].append((guided.tokens, guided.confidence))
        return guided, tokens_in

    monkeypatch.setattr(EmbeddedDecoder, "run", twice)
    await evaluate(project, name, folder / "cases.jsonl")
    assert len(outcomes) > 30
    for plain, guessed in outcomes:
        assert plain == guessed
