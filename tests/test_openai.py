"""OpenAI-compatible servers over real HTTP: canary, errors, the subset of JSON Schema, concurrency."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from chat_server import CHATTER, ChatServer, answer, fault, hang_up, stream
from hypothesis import given, settings
from hypothesis import strategies as st

from speeddial.contract import Contract, union_of_calls
from speeddial.errors import (
    ContractViolation,
    EngineError,
    EngineRefused,
    EngineTimeout,
    EngineUnreachable,
    UnprovenConstraint,
    UserError,
)
from speeddial.messages import Message
from speeddial.models import Model, Request
from speeddial.models.openai import OllamaModel, OpenAIModel
from speeddial.models.openai_schema import from_subset, to_subset

CALLS = union_of_calls(
    {
        "add": Contract.from_schema(
            {
                "type": "object",
                "properties": {"a": {"type": "integer"}, "note": {"type": "string", "maxLength": 5}},
                "required": ["a"],
                "additionalProperties": False,
            }
        )
    }
)
HELLO = (Message("system", "You are adder."), Message("user", "add one"))


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer().running() as running:
        yield running


def ask(**fields: Any) -> Request:
    return Request(HELLO, CALLS, **fields)


async def complete(model: Model, request: Request | None = None) -> Any:
    try:
        return await model.complete(request or ask())
    finally:
        await model.aclose()


async def test_a_server_that_honours_the_constraint_serves_proven_completions(server: ChatServer) -> None:
    completion = await complete(OpenAIModel(f"base@{server.url}"))
    CALLS.parse(completion.text)
    assert completion.receipt.constrained
    assert completion.receipt.schema_hash == CALLS.schema_hash
    assert completion.receipt.proven_by.startswith("canary 20")
    assert completion.model == f"openai:base@{server.url}/v1"
    assert completion.confidence == pytest.approx(0.5)
    assert completion.tokens_forced == 1
    assert completion.tokens_out == len(completion.text)
    assert "".join(token.text for token in completion.tokens) == completion.text
    sent = server.bodies[-1]
    assert sent["messages"] == [message.as_dict() for message in HELLO]
    assert sent["response_format"]["json_schema"]["schema"]["anyOf"]


async def test_a_server_that_ignores_the_constraint_is_refused_before_anything_is_sent() -> None:
    with ChatServer(honours=()).running() as server:
        with pytest.raises(UnprovenConstraint, match="not enforced"):
            await complete(OpenAIModel(f"base@{server.url}"))
        said = [message["content"] for body in server.bodies for message in body["messages"]]
        assert HELLO[1].content not in said


async def test_the_canary_runs_once(server: ChatServer) -> None:
    model = OpenAIModel(f"base@{server.url}")
    await asyncio.gather(*(model.complete(ask()) for _ in range(3)))
    probes = len(server.bodies) - 3
    await model.complete(ask())
    await model.aclose()
    assert len(server.bodies) == probes + 4


async def test_openais_subset_is_found_by_behaviour_and_answers_come_back_in_the_contracts_form() -> None:
    with ChatServer(strict_subset=True, refuses_logprobs=True).running() as server:
        model = OpenAIModel(f"base@{server.url}")
        assert "subset" in (await model.canary()).detail
        completion = await complete(model)
        assert isinstance(CALLS.parse(completion.text).name, str)
        assert completion.tokens == ()
        assert completion.confidence is None
        assert completion.tokens_forced == -1


def no_schema(handler: Any) -> None:
    answer(handler, 400, {"error": {"message": "response_format is not supported"}})


async def test_a_server_that_drops_an_allof_after_a_plain_schema_serves_and_says_so() -> None:
    with ChatServer(latches=True).running() as server:
        model = OpenAIModel(f"base@{server.url}")
        canary = await model.canary()
        completion = await complete(model)
    assert canary.passed
    assert "allOf is not enforced, only validated" in canary.detail
    assert completion.receipt.constrained
    assert completion.receipt.proven_by.endswith("but for allOf")


async def test_a_server_that_indents_is_served_and_named() -> None:
    with ChatServer(indents=True).running() as server:
        model = OpenAIModel(f"base@{server.url}")
        assert "white space is free" in (await model.canary()).detail
        CALLS.parse((await complete(model)).text)
    with ChatServer().running() as server:
        model = OpenAIModel(f"base@{server.url}")
        assert "white space" not in (await model.canary()).detail
        await model.aclose()


async def test_an_unproven_server_serves_when_that_is_allowed_and_the_receipt_says_so() -> None:
    with ChatServer(honours=()).running() as server:
        completion = await complete(OpenAIModel(f"base@{server.url}"), ask(allow_unproven=True))
    assert completion.text == CHATTER
    assert not completion.receipt.constrained
    assert completion.receipt.proven_by.startswith("unproven: a union of calls was not enforced")
    assert server.bodies[-1]["response_format"]["json_schema"]["schema"]["anyOf"]


async def test_a_server_that_refuses_every_schema_is_asked_without_one_when_that_is_allowed() -> None:
    with ChatServer(honours=(), faults=[no_schema] * 4).running() as server:
        completion = await complete(OpenAIModel(f"base@{server.url}"), ask(allow_unproven=True))
    assert completion.text == CHATTER
    assert "response_format is not supported" in completion.receipt.unproven
    assert "response_format" not in server.bodies[-1]


async def test_a_server_that_refuses_every_schema_is_not_proven() -> None:
    with (
        ChatServer(faults=[no_schema] * 4).running() as server,
        pytest.raises(UnprovenConstraint, match="response_format is not supported"),
    ):
        await complete(OpenAIModel(f"base@{server.url}"))


async def test_no_server_is_unreachable_and_retryable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(EngineUnreachable, match=f"no connection to http://127.0.0.1:{port}") as caught:
        await complete(OpenAIModel(f"base@http://127.0.0.1:{port}"))
    assert caught.value.retryable
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("answered", "kind", "retryable", "told"),
    [
        (fault(500, "out of memory"), EngineUnreachable, True, "out of memory"),
        (fault(503, "loading"), EngineUnreachable, True, "loading"),
        (fault(429, "slow down"), EngineRefused, True, "slow down"),
        (fault(429, "pay first", code="insufficient_quota"), EngineRefused, False, "pay first"),
        (fault(400, "context too long"), EngineRefused, False, "context too long"),
        (fault(403, "not yours"), EngineRefused, False, "not yours"),
        (
            lambda handler: answer(handler, 200, "<html>hello</html>", "text/html"),
            EngineUnreachable,
            True,
            "not a chat",
        ),
        (lambda handler: answer(handler, 200, {"choices": []}), EngineUnreachable, True, "not a chat"),
        (
            lambda handler: answer(handler, 200, "{", "application/json"),
            EngineUnreachable,
            True,
            "not a chat",
        ),
        (lambda handler: answer(handler, 200, _said(None)), EngineRefused, False, "without text"),
        (
            lambda handler: answer(handler, 200, _said(None, refusal="no")),
            EngineRefused,
            False,
            "filter refused: no",
        ),
        (hang_up, EngineUnreachable, True, "no connection"),
        (stream, EngineRefused, False, "streams its answer, which was not asked"),
    ],
    ids=[
        *("500", "503", "429", "quota", "400", "403", "html"),
        *("empty", "broken", "none", "filter", "hangup", "stream"),
    ],
)
async def test_each_failure_is_an_engine_error_that_says_whether_to_try_again(
    server: ChatServer, answered: Callable[..., None], kind: type[EngineError], retryable: bool, told: str
) -> None:
    model = OpenAIModel(f"base@{server.url}")
    await model.canary()
    server.faults.append(answered)
    with pytest.raises(kind, match=told) as caught:
        await model.complete(ask())
    assert caught.value.retryable is retryable
    # It is over with the answer: the next request is served.
    CALLS.parse((await complete(model)).text)


async def test_a_server_that_failed_has_to_prove_itself_again(server: ChatServer) -> None:
    model = OpenAIModel(f"base@{server.url}")
    await model.canary()
    server.faults.append(fault(500, "restarting"))
    server.honours = ()
    with pytest.raises(EngineUnreachable):
        await model.complete(ask())
    with pytest.raises(UnprovenConstraint):
        await complete(model)


async def test_a_slow_server_times_out_at_the_requests_timeout(server: ChatServer) -> None:
    model = OpenAIModel(f"base@{server.url}")
    await model.canary()
    server.delay = 3.0
    began = time.perf_counter()
    with pytest.raises(EngineTimeout, match=r"within 0\.2 s") as caught:
        await complete(model, ask(timeout=0.2))
    assert time.perf_counter() - began < 2, "it does not wait for the answer, which takes three"
    assert caught.value.retryable


async def test_a_drip_of_bytes_does_not_outlive_the_timeout(server: ChatServer) -> None:
    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(30):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)

    model = OpenAIModel(f"base@{server.url}")
    await model.canary()
    server.faults.append(drip)
    with pytest.raises(EngineTimeout):
        await complete(model, ask(timeout=0.5))


async def test_a_key_is_sent_but_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong-0123456789")
    with ChatServer(key="sk-right").running() as server:
        with pytest.raises(EngineRefused, match="OPENAI_API_KEY") as caught:
            await complete(OpenAIModel(f"base@{server.url}"))
        assert "sk-wrong" not in str(caught.value)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-right")
        model = OpenAIModel(f"base@{server.url}")
        completion = await complete(model)
        assert "sk-right" not in repr(completion)
        assert "sk-right" not in model.name


def test_openai_itself_needs_a_key() -> None:
    with pytest.raises(UserError, match="OPENAI_API_KEY"):
        OpenAIModel("gpt-x")


def test_a_url_with_a_password_is_refused() -> None:
    for url in ("http://me:secret@host/v1", "http://host/v1?key=secret"):
        with pytest.raises(UserError) as caught:
            OpenAIModel(f"base@{url}")
        assert "secret" not in str(caught.value)


async def test_an_unknown_model_is_answered_with_those_that_are_served(server: ChatServer) -> None:
    with pytest.raises(EngineRefused, match="it serves: base, organizer"):
        await complete(OpenAIModel(f"nobody@{server.url}"))


async def test_the_base_url_of_the_environment_counts(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
    CALLS.parse((await complete(OpenAIModel("base"))).text)


async def test_ollama_names_keep_their_tag(server: ChatServer) -> None:
    server.models = ("llama3.2:1b",)
    completion = await complete(OllamaModel(f"llama3.2:1b@{server.url}"))
    assert completion.model == f"ollama:llama3.2:1b@{server.url}/v1"
    assert OllamaModel("llama3.2:1b").name == "ollama:llama3.2:1b@http://127.0.0.1:11434/v1"


async def test_text_cut_off_by_the_budget_is_marked(server: ChatServer) -> None:
    completion = await complete(OpenAIModel(f"base@{server.url}"), ask(max_tokens=9))
    assert completion.finish == "length"
    assert len(completion.text) == 9


async def test_the_cost_follows_the_price(server: ChatServer) -> None:
    completion = await complete(OpenAIModel(f"base@{server.url}", price=(1.0, 10.0)))
    assert completion.cost == pytest.approx((completion.tokens_in + 10 * completion.tokens_out) / 1e6)


async def test_eight_requests_are_in_flight_at_once_and_keep_their_answers_apart(server: ChatServer) -> None:
    model = OpenAIModel(f"base@{server.url}")
    await model.canary()
    server.barrier = threading.Barrier(8)
    contracts = [
        Contract.from_schema({"type": "integer", "minimum": n, "maximum": n}) for n in range(100, 108)
    ]
    completions = await asyncio.gather(*(model.complete(Request(HELLO, contract)) for contract in contracts))
    await model.aclose()
    assert [completion.text for completion in completions] == [str(n) for n in range(100, 108)]
    assert server.most_at_once == 8


async def test_a_cancelled_request_leaves_the_engine_usable(server: ChatServer) -> None:
    model = OpenAIModel(f"base@{server.url}")
    await model.canary()
    server.delay = 2.0
    task = asyncio.create_task(model.complete(ask()))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.delay = 0.0
    CALLS.parse((await complete(model)).text)


def test_one_model_serves_several_event_loops(server: ChatServer) -> None:
    model = OpenAIModel(f"base@{server.url}")
    for _ in range(2):
        CALLS.parse(asyncio.run(complete(model)).text)


TREE = Contract.from_schema(
    {
        "$ref": "#/$defs/node",
        "$defs": {
            "leaf": {
                "type": "object",
                "properties": {
                    "kind": {"const": "leaf"},
                    "label": {"anyOf": [{"type": "string", "maxLength": 4}, {"type": "null"}]},
                },
                "required": ["kind"],
                "additionalProperties": False,
            },
            "node": {
                "type": "object",
                "properties": {
                    "kind": {"const": "node"},
                    "children": {
                        "type": "array",
                        "items": {"anyOf": [{"$ref": "#/$defs/leaf"}, {"$ref": "#/$defs/node"}]},
                        "maxItems": 3,
                    },
                    "weight": {"type": ["number", "null"]},
                    "pair": {
                        "type": "array",
                        "prefixItems": [{"type": "integer"}, {"type": "string", "maxLength": 2}],
                        "items": False,
                        "minItems": 2,
                    },
                },
                "required": ["kind"],
                "additionalProperties": False,
            },
        },
    }
)
LEAVES = st.fixed_dictionaries(
    {"kind": st.just("leaf")}, optional={"label": st.none() | st.text("abc", max_size=4)}
)
NODES = st.recursive(
    LEAVES,
    lambda inner: st.fixed_dictionaries(
        {"kind": st.just("node")},
        optional={
            "children": st.lists(inner, max_size=3),
            "weight": st.none() | st.integers(-9, 9),
            "pair": st.tuples(st.integers(0, 9), st.text("xy", max_size=2)).map(list),
        },
    ),
    max_leaves=6,
).filter(lambda value: value["kind"] == "node")


def with_nulls(value: Any, absent: dict[str, list[str]]) -> Any:
    """What a strict-mode server would write: every key there, null for the absent ones."""
    if isinstance(value, list):
        return [with_nulls(item, absent) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: with_nulls(value.get(key), absent) for key in absent[value["kind"]]}


@settings(max_examples=150, deadline=None)
@given(NODES)
def test_what_goes_out_in_the_subset_comes_back_as_it_was(value: Any) -> None:
    keys = {"leaf": ["kind", "label"], "node": ["kind", "children", "weight", "pair"]}
    answered = {"answer": with_nulls(value, keys)}
    subset = Contract.from_schema(to_subset(TREE.schema))
    assert subset.check(answered) == []
    back = json.loads(from_subset(json.dumps(answered), TREE.schema))
    assert TREE.check(back) == []
    # A key that may be null itself comes back as null where it was absent; which was meant is not told.
    nullable = {"label", "weight"}

    def plain(item: Any) -> Any:
        if isinstance(item, list):
            return [plain(entry) for entry in item]
        if isinstance(item, dict):
            return {
                key: plain(entry) for key, entry in item.items() if not (key in nullable and entry is None)
            }
        return item

    assert plain(back) == plain(value)


@pytest.mark.parametrize(
    "text",
    [
        *["", "{", '{"answer":{"na', "[1]", CHATTER, '{"answer":NaN}', '{"answer":1,"x":2}'],
        '{"answer":{"name":"add","name":"add","arguments":{"a":1}}}',
        '{"answer":' + "[" * 10_000,
    ],
)
def test_text_that_is_no_answer_in_the_subset_is_left_to_the_validator(text: str) -> None:
    assert from_subset(text, CALLS.schema) == text


def test_a_null_that_stands_for_no_absent_key_is_kept_for_the_validator() -> None:
    prices = Contract.of(dict[str, int])
    assert from_subset('{"answer":{"tea":null}}', prices.schema) == '{"tea":null}'


async def test_an_unpaired_surrogate_in_an_answer_is_refused_and_not_replaced(server: ChatServer) -> None:
    model = OpenAIModel(f"base@{server.url}")
    await model.canary()
    text = '{"name":"add","arguments":{"a":1,"note":"\ud800"}}'
    server.faults.append(lambda handler: answer(handler, 200, _said(text)))
    with pytest.raises(ContractViolation, match="unpaired surrogate"):
        CALLS.parse((await complete(model)).text)


def _said(content: str | None, refusal: str | None = None) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "refusal": refusal}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "base",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
    }
