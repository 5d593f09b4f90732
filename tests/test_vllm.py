"""The vLLM engine: against a server that plays vLLM's versions, and (marker `vllm`) against a real one."""

from __future__ import annotations

import asyncio
import math
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from chat_server import ChatServer, answer, fault

from speeddial.contract import Contract, union_of_calls
from speeddial.errors import EngineRefused, EngineTimeout, EngineUnreachable, UnprovenConstraint
from speeddial.flywheel.dataset import END, START, ChatEncoder
from speeddial.messages import Message
from speeddial.models import Model, Request
from speeddial.models.base_model import ensure_base
from speeddial.models.embedded import EmbeddedModel
from speeddial.models.lora_modules import module_name
from speeddial.models.vllm import SERVER_FLAG, VLLMModel

REPOSITORY = Path(__file__).resolve().parents[1]
HELLO = (Message("system", "You are organizer."), Message("user", "remind me tomorrow at 9 to call mum"))
PAIR = Contract.from_schema(
    {
        "type": "object",
        "properties": {
            "text": {"type": "string", "maxLength": 30},
            "count": {"type": "integer", "minimum": 3},
        },
        "required": ["text", "count"],
        "additionalProperties": False,
    }
)
CALLS = union_of_calls({"remind": PAIR, "add": Contract.of(dict[str, int])})


async def complete(model: Model, contract: Contract = PAIR, **fields: Any) -> Any:
    try:
        return await model.complete(Request(HELLO, contract, **fields))
    finally:
        await model.aclose()


async def test_the_constraint_goes_out_compact_and_the_receipt_says_how() -> None:
    with ChatServer().running() as server:
        completion = await complete(VLLMModel(f"base@{server.url}/v1"))
    PAIR.parse(completion.text)
    sent = server.bodies[-1]
    assert sent["structured_outputs"]["json"]["x-guidance"]["whitespace_flexible"] is False
    assert sent["seed"] == 0
    assert sent["temperature"] == 0
    assert "vllm 0.32.0 structured_outputs via outlines" in completion.receipt.backend
    assert completion.receipt.proven_by.startswith("canary 20")
    assert completion.tokens_forced == 1


UMLAUTS = Contract.of(Literal["ä€😀", "ß日𝄞"])


async def test_tokens_make_up_the_text_and_have_the_probabilities_that_the_server_told() -> None:
    with ChatServer().running() as server:
        completion = await complete(VLLMModel(f"base@{server.url}"), UMLAUTS)
    assert "".join(token.text for token in completion.tokens) == completion.text
    assert len(completion.tokens) == len(completion.text.encode())
    assert [token.text for token in completion.tokens].count("") == 1 + 2 + 3
    told = [token.probability for token in completion.tokens]
    assert told[0] is None
    assert told[1:] == pytest.approx([0.5] * (len(told) - 1))
    assert told.count(None) == completion.tokens_forced


async def test_tokens_that_do_not_make_up_the_text_are_not_told() -> None:
    with ChatServer(tells_bytes=False).running() as server:
        model = VLLMModel(f"base@{server.url}")
        completion = await complete(model, UMLAUTS)
        assert completion.tokens == ()
        assert completion.confidence is not None
        plain = await complete(model)
    assert "".join(token.text for token in plain.tokens) == plain.text


def _said(log: float, rank: int) -> dict[str, Any]:
    return {"logprob": log, "rank": rank, "decoded_token": "x"}


def scores(*rows: dict[int, tuple[float, int]] | None) -> dict[str, Any]:
    """An answer of vLLM 0.32 to a completion with ``prompt_logprobs``: token -> log probability and rank."""
    told = [row and {str(token): _said(*said) for token, said in row.items()} for row in rows]
    choice = {"index": 0, "text": "x", "logprobs": None, "finish_reason": "length", "prompt_logprobs": told}
    return {"id": "cmpl-1", "object": "text_completion", "model": "base", "choices": [choice]}


async def test_a_given_answer_is_scored_token_by_token() -> None:
    half, quarter, rare = math.log(0.5), math.log(0.25), math.log(0.01)
    # The token that is there comes first, and is one too many where it is not among the likeliest.
    first, second = {7: (rare, 31), 4: (half, 1), 5: (quarter, 2)}, {8: (half, 1), 2: (half, 2)}
    with ChatServer().running() as server:
        server.faults.append(
            lambda handler: answer(handler, 200, scores(None, {9: (rare, 70)}, first, second))
        )
        model = VLLMModel(f"base@{server.url}")
        likely = await model.likely([1, 9], [7, 8], 2, adapter_name="organizer")
        await model.aclose()
    body = server.bodies[-1]
    assert body["prompt"] == [1, 9, 7, 8] and body["prompt_logprobs"] == 2 and body["model"] == "organizer"
    assert likely.tokens.tolist() == [[4, 5], [8, 2]]
    assert np.allclose(np.exp(likely.logs), [[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]])
    assert np.allclose(np.exp(likely.given), [0.01, 0.5])


async def test_a_server_that_scores_nothing_is_told_apart() -> None:
    with ChatServer().running() as server:
        server.faults += [
            lambda handler: answer(handler, 200, scores()),
            fault(400, "Requested prompt logprobs of 16, which is greater than max allowed: 5"),
            fault(404, "The model `big` does not exist."),
        ]
        model = VLLMModel(f"big@{server.url}")
        for said in ("no 16 log probabilities of each token", "greater than max allowed", "it serves: base"):
            with pytest.raises(EngineRefused, match=said):
                await model.likely([1], [2], 16)
        await model.aclose()
    model = VLLMModel(f"big@{server.url}")
    with pytest.raises(EngineUnreachable, match="no connection"):
        await model.encode("hello")
    await model.aclose()


async def test_a_server_before_0_12_gets_the_field_that_it_honours() -> None:
    with ChatServer(honours=("guided_json",), version="0.11.0").running() as server:
        completion = await complete(VLLMModel(f"base@{server.url}"))
    PAIR.parse(completion.text)
    assert "structured_outputs" not in server.bodies[-1]
    assert server.bodies[-1]["guided_json"]
    assert "vllm 0.11.0 guided_json" in completion.receipt.backend


async def test_a_server_that_ignores_both_fields_is_refused_with_the_flag() -> None:
    with (
        ChatServer(honours=()).running() as server,
        pytest.raises(UnprovenConstraint, match="not JSON") as caught,
    ):
        await complete(VLLMModel(f"base@{server.url}"))
    assert SERVER_FLAG in str(caught.value)
    assert all(HELLO[1].as_dict() not in body["messages"] for body in server.bodies)


async def test_a_server_that_latches_the_wrong_back_end_is_refused_with_the_flag() -> None:
    with ChatServer(latches=True).running() as server:
        model = VLLMModel(f"base@{server.url}")
        canary = await model.canary()
        await model.aclose()
    assert not canary.passed
    assert "allOf" in canary.detail
    assert SERVER_FLAG in canary.detail


async def test_an_unproven_server_serves_when_that_is_allowed_and_the_receipt_says_so() -> None:
    with ChatServer(honours=("guided_json",), latches=True).running() as server:
        completion = await complete(VLLMModel(f"base@{server.url}"), allow_unproven=True)
    PAIR.parse(completion.text)
    assert not completion.receipt.constrained
    assert "allOf" in completion.receipt.unproven
    assert "guided_json" in server.bodies[-1], "the field that the server honours was not used"


async def test_whitespace_is_not_judged_by_a_server_that_ignores_the_bias() -> None:
    with ChatServer(free_whitespace=True, ignores_bias=True).running() as server:
        model = VLLMModel(f"base@{server.url}")
        canary = await model.canary()
        await model.aclose()
    assert canary.passed
    assert "whitespace not tested" in canary.detail


async def test_free_whitespace_is_served_but_named() -> None:
    with ChatServer(free_whitespace=True).running() as server:
        model = VLLMModel(f"base@{server.url}")
        canary = await model.canary()
        await model.aclose()
    assert canary.passed
    assert "free whitespace" in canary.detail
    assert SERVER_FLAG in canary.detail


async def test_an_adapter_is_addressed_by_its_name() -> None:
    with ChatServer().running() as server:
        model = VLLMModel(f"base@{server.url}")
        for fields in ({"adapter_name": "organizer"}, {"adapter": Path("experts/organizer/adapter")}):
            completion = await complete(model, **fields)
            assert server.bodies[-1]["model"] == "organizer"
            assert completion.model.endswith("#organizer")
        await complete(model)
        assert server.bodies[-1]["model"] == "base"
        with pytest.raises(EngineRefused, match=r"no model 'tables'(.|\n)*it serves: base, organizer"):
            await complete(model, adapter_name="tables")


async def test_text_cut_off_by_the_budget_is_marked() -> None:
    with ChatServer().running() as server:
        completion = await complete(VLLMModel(f"base@{server.url}"), max_tokens=5)
    assert (completion.finish, len(completion.text)) == ("length", 5)


async def test_a_server_error_is_retryable_and_the_next_call_serves() -> None:
    with ChatServer().running() as server:
        model = VLLMModel(f"base@{server.url}")
        await model.canary()
        server.faults.append(fault(500, "boom"))
        with pytest.raises(EngineUnreachable, match="boom") as caught:
            await complete(model)
        assert caught.value.retryable
        PAIR.parse((await complete(model)).text)


@pytest.mark.vllm
@pytest.mark.timeout(1500)
async def test_real_the_canary_proves_the_constraint_and_the_compact_output(vllm_url: str) -> None:
    model = VLLMModel(f"base@{vllm_url}")
    canary = await model.canary()
    await model.aclose()
    assert canary.passed, canary.detail
    assert "compact output" in canary.detail
    assert canary.backend.startswith("vllm 0.")


@pytest.mark.vllm
@pytest.mark.timeout(300)
async def test_real_calls_on_the_base_and_on_each_adapter_satisfy_their_contract(vllm_url: str) -> None:
    model = VLLMModel(f"base@{vllm_url}")
    served = await model.served()
    adapters = {path.parent.parent.name for path in REPOSITORY.glob("*/*/adapter/adapter_config.json")}
    assert {"base", *adapters} <= set(served)
    for name in served:
        completion = await complete(model, CALLS, adapter_name="" if name == "base" else name, max_tokens=120)
        if completion.finish == "stop":
            CALLS.parse(completion.text)
        assert completion.receipt.constrained
        assert completion.confidence is not None
        assert 0 < completion.confidence <= 1
        assert 0 < completion.tokens_forced < completion.tokens_out


@pytest.mark.vllm
@pytest.mark.timeout(300)
async def test_real_versions_of_one_name_have_their_own_weights(vllm_url: str, tmp_path: Path) -> None:
    one, two = (tmp_path / f"train-{name}" / "adapter" for name in ("tables", "organizer"))
    for folder in (one, two):
        name = folder.parent.name.removeprefix("train-")
        shutil.copytree(REPOSITORY / "experts" / name / "adapter", folder)
    model = VLLMModel(f"base@{vllm_url}")
    prompt = await model.encode("remind me tomorrow at 9")
    said = [
        (await model.likely(prompt[:4], prompt[4:], 5, adapter=folder, adapter_name="tables")).given
        for folder in (one, two, one)
    ]
    served = await model.served()
    await model.aclose()
    for folder in (one, two):
        assert any(name.endswith(module_name(folder)[-13:]) for name in served)
    assert np.allclose(said[0], said[2], atol=0.05) and not np.allclose(said[0], said[1], atol=0.05)


@pytest.mark.vllm
@pytest.mark.timeout(300)
async def test_real_scores_are_those_of_the_same_base_embedded(vllm_url: str) -> None:
    """Teachers of equal weights say the same, served in bf16 or embedded in fp32."""
    base = ensure_base()
    encoder = ChatEncoder(base.export_hf() / "tokenizer.json")
    prompt = encoder.prompt([message.as_dict() for message in HELLO])
    answer = [*encoder.plain('{"name":"remind","arguments":{"text":"call mum","count":9}}'), encoder.end]
    served, embedded = VLLMModel(f"base@{vllm_url}"), EmbeddedModel()
    for text in (START, END, "remind me tomorrow at 9 to call mum", "напомни 牛奶"):
        assert await served.encode(text) == await embedded.encode(text)
    ours, theirs = [await model.likely(prompt, answer, 16) for model in (embedded, served)]
    await served.aclose()
    assert theirs.tokens.shape == ours.tokens.shape == (len(answer), 16)
    assert np.allclose(np.exp([*ours.logs, *theirs.logs]).sum(1), 1, atol=1e-3)
    assert np.abs(np.exp(ours.given) - np.exp(theirs.given)).mean() < 0.03
    sure = np.exp(ours.logs[:, 0]) > 0.6
    assert sure.any() and (ours.tokens[sure, 0] == theirs.tokens[sure, 0]).all()


@pytest.mark.vllm
@pytest.mark.timeout(300)
async def test_real_eight_parallel_requests_keep_apart(vllm_url: str) -> None:
    model = VLLMModel(f"base@{vllm_url}")
    contracts = [
        Contract.from_schema({"type": "integer", "minimum": n, "maximum": n}) for n in range(100, 108)
    ]
    completions = await asyncio.gather(*(model.complete(Request(HELLO, contract)) for contract in contracts))
    await model.aclose()
    assert [completion.text for completion in completions] == [str(n) for n in range(100, 108)]


@pytest.mark.vllm
@pytest.mark.timeout(300)
async def test_real_greedy_repeats_itself_and_seeds_vary_what_is_sampled(vllm_url: str) -> None:
    model = VLLMModel(f"base@{vllm_url}")
    greedy = {(await model.complete(Request(HELLO, PAIR, max_tokens=60))).text for _ in range(2)}
    assert len(greedy) == 1
    sampled = {
        (await model.complete(Request(HELLO, PAIR, max_tokens=60, temperature=1.2, seed=seed))).text
        for seed in range(4)
    }
    await model.aclose()
    assert len(sampled) > 1


@pytest.mark.vllm
@pytest.mark.timeout(300)
async def test_real_errors_are_told_apart(vllm_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = VLLMModel(f"base@{vllm_url}")
    with pytest.raises(EngineRefused, match=r"it serves: (.|\n)*organizer"):
        await complete(model, adapter_name="nobody")
    with pytest.raises(EngineRefused, match="max_tokens"):
        await complete(model, max_tokens=100_000)
    with pytest.raises(EngineTimeout):
        await complete(model, timeout=0.01)
    truncated = await complete(model, max_tokens=3)
    assert truncated.finish == "length"
    monkeypatch.setenv("VLLM_API_KEY", "wrong")
    with pytest.raises(EngineRefused, match="VLLM_API_KEY"):
        await complete(VLLMModel(f"base@{vllm_url}"))
