"""The recording proxy: OpenAI's own client on one side, a real HTTP server on the other."""

from __future__ import annotations

import gzip
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_server import ChatServer, answer, fault, hang_up
from hypothesis import given, settings
from hypothesis import strategies as st
from openai import APIStatusError, OpenAI

from speeddial.errors import RecordError, UserError
from speeddial.record import Record
from speeddial.server.chat import Answered, Asked, Stream
from speeddial.server.proxy import Upstream
from speeddial.server.recording import judged
from speeddial.server.serving import TOKEN, ProxyServer

KEY = "sk-upstream-0123456789abcdef0123456789"
WEATHER: dict[str, Any] = {
    "name": "get_weather",
    "description": "Look up the weather.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
TOOLS: Any = [{"type": "function", "function": WEATHER}]


def reply(*calls: tuple[str, str], text: str | None = None, finish: str = "") -> dict[str, Any]:
    """An answer of a large model."""
    made = [
        {"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for at, (name, arguments) in enumerate(calls)
    ]
    message = {"role": "assistant", "content": text, **({"tool_calls": made} if made else {})}
    return {
        "id": "chat-1",
        "object": "chat.completion",
        "created": 0,
        "model": "large-2026",
        "choices": [
            {"index": 0, "message": message, "finish_reason": finish or ("tool_calls" if made else "stop")}
        ],
        "usage": {"prompt_tokens": 41, "completion_tokens": 9, "total_tokens": 50},
    }


def says(*calls: tuple[str, str], **more: Any) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda handler: answer(handler, 200, reply(*calls, **more))


def events(*deltas: dict[str, Any], finish: str = "stop") -> bytes:
    """A stream of an answer, as servers send it."""
    chunks = [
        {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "large-2026",
            "choices": choices,
        }
        for choices in (
            *([{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas),
            [{"index": 0, "delta": {}, "finish_reason": finish}],
        )
    ]
    return b"".join(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode() for chunk in chunks) + (
        b"data: [DONE]\n\n"
    )


def streams(data: bytes, *, cut: int = 7, then: Callable[[], None] = lambda: None) -> Any:
    """Sends the bytes in small parts, so that events and letters are cut anywhere."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for at in range(0, len(data), cut):
            handler.wfile.write(data[at : at + cut])
            handler.wfile.flush()
        then()
        handler.close_connection = True

    return write


@pytest.fixture
def upstream() -> Iterator[ChatServer]:
    server = ChatServer(key=KEY, models=("large",))
    with server.running():
        yield server


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with Record.open(tmp_path / "record.db") as opened:
        yield opened


@pytest.fixture
def proxy(record: Record, upstream: ChatServer) -> Iterator[ProxyServer]:
    server = ProxyServer(record, Upstream(f"{upstream.url}/v1", KEY))
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.stop()
    thread.join(40)
    assert not thread.is_alive()


@pytest.fixture
def agent(proxy: ProxyServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=proxy.url, api_key=proxy.token, max_retries=0) as client:
        yield client


def asking(client: OpenAI, text: str = "weather in Oslo?", **more: Any) -> Any:
    messages: Any = [{"role": "user", "content": text}]
    return client.chat.completions.create(**{"model": "large", "messages": messages, **more})


def test_a_call_passes_unchanged_and_is_on_record(
    agent: OpenAI, record: Record, upstream: ChatServer
) -> None:
    upstream.faults.append(says(("get_weather", '{"city": "Oslo"}')))
    got = asking(agent, tools=TOOLS, temperature=0.3, user="u7").choices[0].message.tool_calls[0].function
    assert (got.name, got.arguments) == ("get_weather", '{"city": "Oslo"}')
    assert upstream.bodies[0]["temperature"] == 0.3 and upstream.bodies[0]["tools"] == TOOLS
    (run,) = record.runs(5)
    (row,) = record.run(run.id).interactions
    assert (run.status, run.workflow, run.task, run.user_id) == ("done", "proxy", "weather in Oslo?", "u7")
    assert row.parsed == {"name": "get_weather", "arguments": {"city": "Oslo"}}
    assert (row.status, row.model, row.finish) == ("exact", "large", "tool_calls")
    assert row.tools == (WEATHER,) and (row.tokens_in, row.tokens_out) == (41, 9)
    assert row.receipt is not None and row.receipt["constrained"] is False


def test_the_models_key_stays_in_the_proxy(
    agent: OpenAI, proxy: ProxyServer, record: Record, upstream: ChatServer
) -> None:
    asking(agent)
    assert record.path is not None
    stored = b"".join(file.read_bytes() for file in record.path.parent.rglob("*") if file.is_file())
    assert KEY.encode() not in stored and proxy.token.encode() not in stored


@pytest.mark.parametrize("cut", [1, 7, 100_000])
def test_a_stream_passes_byte_for_byte(
    proxy: ProxyServer, record: Record, upstream: ChatServer, cut: int
) -> None:
    sent = events({"role": "assistant", "content": "Es ist "}, {"content": "schön, 好的"})
    upstream.faults.append(streams(sent, cut=cut))
    body = {"model": "large", "stream": True, "messages": [{"role": "user", "content": "how is it?"}]}
    got = httpx.post(
        f"{proxy.url}/chat/completions", json=body, headers={"Authorization": f"Bearer {proxy.token}"}
    )
    assert got.content == sent
    (run,) = record.runs(5)
    assert run.answer == "Es ist schön, 好的" and run.status == "done"


def test_a_streamed_call_is_put_together(agent: OpenAI, record: Record, upstream: ChatServer) -> None:
    def part(index: int, **function: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, "id": f"c{index}", "function": function}]}

    upstream.faults.append(
        streams(
            events(
                part(0, name="get_weather", arguments=""),
                part(0, arguments='{"city": '),
                part(0, arguments='"Oslo"}'),
                part(1, name="get_weather", arguments='{"city":"Rome","days":2}'),
                finish="tool_calls",
            )
        )
    )
    said = "".join(
        str(chunk.choices[0].delta.tool_calls) for chunk in asking(agent, tools=TOOLS, stream=True)
    )
    assert "Rome" in said
    (row,) = record.run(record.runs(1)[0].id).interactions
    assert row.parsed == {
        "calls": [
            {"name": "get_weather", "arguments": {"city": "Oslo"}},
            {"name": "get_weather", "arguments": {"city": "Rome", "days": 2}},
        ]
    }


@pytest.mark.parametrize(
    "arguments", ['{"city": 3}', '{"city": "Oslo", "days": "2"}', '{"town": "Oslo"}', '{"city": "Os', "[1]"]
)
def test_a_call_of_wrong_type_passes_and_is_recorded_as_wrong(
    agent: OpenAI, record: Record, upstream: ChatServer, arguments: str
) -> None:
    upstream.faults.append(says(("get_weather", arguments)))
    got = asking(agent, tools=TOOLS)
    assert got.choices[0].message.tool_calls[0].function.arguments == arguments
    (run,) = record.runs(5)
    (row,) = record.run(run.id).interactions
    assert (row.status, row.parsed, run.status) == ("failed", None, "failed")
    assert "get_weather" in row.error and row.raw is not None and json.dumps(arguments)[1:-1] in row.raw


def test_an_error_of_the_server_passes_as_it_is(agent: OpenAI, record: Record, upstream: ChatServer) -> None:
    upstream.faults.append(fault(429, "slow down"))
    with pytest.raises(APIStatusError) as raised:
        asking(agent)
    assert raised.value.status_code == 429 and "slow down" in str(raised.value)
    (run,) = record.runs(5)
    assert run.status == "failed" and "429" in run.error


def test_a_stream_of_several_choices_is_recorded_as_its_first(
    agent: OpenAI, record: Record, upstream: ChatServer
) -> None:
    data = b"".join(
        b"data: %s\n\n" % json.dumps({"choices": [{"index": at, "delta": {"content": word}}]}).encode()
        for word in ("yes ", "no ")
        for at in (0, 1)
    )
    upstream.faults.append(streams(data + b"data: [DONE]\n\n"))
    got = [
        (chunk.choices[0].index, chunk.choices[0].delta.content) for chunk in asking(agent, n=2, stream=True)
    ]
    assert got == [(0, "yes "), (1, "yes "), (0, "no "), (1, "no ")]
    assert record.runs(1)[0].answer == "yes no "


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ended before"),
        (events({"content": "half an"})[: -len(b"data: [DONE]\n\n") - 120], "ended before"),
        (b'data: {"error": {"message": "engine died"}}\n\ndata: [DONE]\n\n', "engine died"),
    ],
)
def test_a_stream_that_brings_no_whole_answer_is_no_good_sample(
    proxy: ProxyServer, record: Record, upstream: ChatServer, data: bytes, why: str
) -> None:
    upstream.faults.append(streams(data))
    body = {"model": "large", "stream": True, "messages": [{"role": "user", "content": "go on"}]}
    headers = {"Authorization": f"Bearer {proxy.token}"}
    assert httpx.post(f"{proxy.url}/chat/completions", json=body, headers=headers).content == data
    (run,) = record.runs(1)
    assert run.status == "failed" and why in run.error


def test_an_error_with_a_good_status_is_recorded_as_one(
    proxy: ProxyServer, record: Record, upstream: ChatServer
) -> None:
    told = {"error": {"message": "provider down", "code": 502}}
    upstream.faults.append(lambda handler: answer(handler, 200, told))
    body = {"model": "large", "messages": [{"role": "user", "content": "go on"}]}
    headers = {"Authorization": f"Bearer {proxy.token}"}
    assert httpx.post(f"{proxy.url}/chat/completions", json=body, headers=headers).json() == told
    (run,) = record.runs(1)
    assert (run.status, run.error) == ("failed", "provider down")


def test_an_answer_that_came_packed_is_read_and_passes_unpacked(
    agent: OpenAI, record: Record, upstream: ChatServer
) -> None:
    def packed(handler: BaseHTTPRequestHandler) -> None:
        data = gzip.compress(json.dumps(reply(text="hello")).encode())
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    upstream.faults.append(packed)
    assert asking(agent).choices[0].message.content == "hello"
    assert record.runs(1)[0].answer == "hello"


def test_a_server_that_hangs_up_is_a_502_and_on_record(
    agent: OpenAI, record: Record, upstream: ChatServer
) -> None:
    upstream.faults.append(hang_up)
    with pytest.raises(APIStatusError) as raised:
        asking(agent)
    assert raised.value.status_code == 502
    (run,) = record.runs(5)
    assert run.status == "failed" and run.error.startswith("no answer")


def test_an_agent_that_hangs_up_leaves_what_it_got(
    proxy: ProxyServer, record: Record, upstream: ChatServer
) -> None:
    gone = threading.Event()
    begun = events({"role": "assistant", "content": "half an ans"})[:-60]
    upstream.faults.append(streams(begun, then=lambda: gone.wait(20) and None))
    body = {"model": "large", "stream": True, "messages": [{"role": "user", "content": "go on"}]}
    headers = {"Authorization": f"Bearer {proxy.token}"}
    with httpx.stream("POST", f"{proxy.url}/chat/completions", json=body, headers=headers) as answer:
        next(answer.iter_raw())
    until = time.monotonic() + 15
    while record.runs(1)[0].status == "running" and time.monotonic() < until:
        time.sleep(0.05)
    gone.set()
    (run,) = record.runs(5)
    assert run.status == "failed" and "hung up" in run.error


def test_what_cannot_be_recorded_is_not_passed_on(
    agent: OpenAI, record: Record, upstream: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **more: Any) -> Any:
        raise RecordError("database or disk is full")

    monkeypatch.setattr(record, "committed", full)
    with pytest.raises(APIStatusError) as raised:
        asking(agent)
    assert raised.value.status_code == 503 and not upstream.bodies


def test_a_conversation_stays_together(agent: OpenAI, record: Record, upstream: ChatServer) -> None:
    upstream.faults += [says(("get_weather", '{"city": "Oslo"}')), says(text="Rain."), says(text="Other.")]
    messages: Any = [{"role": "user", "content": "weather in Oslo?"}]
    first = agent.chat.completions.create(model="large", messages=messages, tools=TOOLS)
    call = first.choices[0].message.tool_calls
    messages += [first.choices[0].message.model_dump(exclude_none=True)]
    messages += [{"role": "tool", "tool_call_id": call[0].id if call else "", "content": "rain"}]
    agent.chat.completions.create(model="large", messages=messages, tools=TOOLS)
    asking(agent, "another matter")
    third, second, begun = record.runs(5)
    assert second.forked_from == begun.id and third.forked_from is None
    said = record.run(second.id).interactions[0].messages
    assert [message["role"] for message in said] == ["user", "assistant", "tool"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer TOKEN", "Origin": "https://evil.example"}, 403),
        ({"Authorization": "Bearer TOKEN", "Host": "evil.example"}, 421),
    ],
)
def test_strangers_are_refused(
    proxy: ProxyServer, upstream: ChatServer, headers: dict[str, str], status: int
) -> None:
    sent = {name: value.replace("TOKEN", proxy.token) for name, value in headers.items()}
    body = {"model": "large", "messages": [{"role": "user", "content": "x"}]}
    assert httpx.post(f"{proxy.url}/chat/completions", json=body, headers=sent).status_code == status
    assert not upstream.bodies


def test_other_requests_pass_unrecorded(agent: OpenAI, record: Record) -> None:
    assert [model.id for model in agent.models.list()] == ["large"]
    assert record.runs(5) == []


@pytest.mark.parametrize("path", ["/chat/completions", "/embeddings"])
def test_a_body_that_is_too_long_goes_nowhere(
    proxy: ProxyServer, record: Record, upstream: ChatServer, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("speeddial.server.proxy.MOST_BYTES", 1000)
    body = {"model": "large", "messages": [{"role": "user", "content": "x" * 1000}]}
    got = httpx.post(f"{proxy.url}{path}", json=body, headers={"Authorization": f"Bearer {proxy.token}"})
    assert got.status_code == 413 and got.json()["error"]["code"] == "too_large"
    assert not upstream.bodies and record.runs(5) == []


@pytest.mark.parametrize("body", [b"", b"[]", b'{"messages": 3}', b"\xff"])
def test_what_is_no_chat_request_is_refused(proxy: ProxyServer, upstream: ChatServer, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {proxy.token}"}
    got = httpx.post(f"{proxy.url}/chat/completions", content=body, headers=headers)
    assert got.status_code == 400 and "message" in got.json()["error"] and not upstream.bodies


def test_other_machines_need_a_token_of_ones_own(
    record: Record, upstream: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="others could ask the model"):
        ProxyServer(record, Upstream(upstream.url), host="0.0.0.0")
    monkeypatch.setenv(TOKEN, "short")
    with pytest.raises(UserError, match="5 characters"):
        ProxyServer(record, Upstream(upstream.url))


@pytest.mark.parametrize("url", ["api.openai.com", "ftp://x", "https://me:secret@host/v1", "http://h?key=1"])
def test_an_address_with_a_secret_or_none_at_all_is_refused(url: str) -> None:
    with pytest.raises(UserError):
        Upstream(url)


def test_an_answer_under_a_schema_is_a_value() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    body = {
        "messages": [{"role": "user", "content": "how many"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}},
    }
    asked = Asked.of(body)
    assert judged(asked, Answered(text='{"n": 3}')) == ({"n": 3}, "")
    assert judged(asked, Answered(text='{"n": "3"}'))[1]
    assert judged(asked, Answered(text='{"n": 3}', finish="length"))[1].startswith("cut off")


def test_parts_are_text_and_images_are_named() -> None:
    content = [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": "data:..."}},
    ]
    asked = Asked.of({"messages": [{"role": "user", "content": content}]})
    assert asked.task == "what is it?\n[image_url]"


def told(*tokens: tuple[str, float]) -> dict[str, Any]:
    return {"content": [{"token": token, "logprob": math.log(chance)} for token, chance in tokens]}


def test_the_probabilities_of_an_answer_are_read_whole_and_in_a_stream() -> None:
    tokens = [("Su", 0.5), ("nny", 0.8), ("<|im_end|>", 0.5)]
    body = reply(text="Sunny")
    body["choices"][0]["logprobs"] = told(*tokens)
    assert Answered.of(body).tokens() == [(2, pytest.approx(0.5)), (3, pytest.approx(0.4))]
    answer = Answered()
    for token in tokens:
        piece = {"content": token[0]} if token[0] != "<|im_end|>" else {}
        answer.add({"choices": [{"delta": piece, "logprobs": told(token)}]})
    assert answer.tokens() == Answered.of(body).tokens()
    assert Answered.of(reply(text="Sunny")).tokens() == []


def test_a_call_that_the_server_wrote_anew_counts_as_one_token() -> None:
    body = reply(("get_weather", '{"city": "Oslo"}'))
    body["choices"][0]["logprobs"] = told(('<tool_call>{"name": "get_weather", ', 0.9), ('... "Oslo"}', 0.5))
    answer = Answered.of(body)
    assert answer.tokens() == [(len(answer.raw), pytest.approx(0.45))]
    body["choices"][0]["logprobs"] = told(("Let me see.", 0.5))  # of the text beside it
    assert Answered.of(body).tokens() == []


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.lists(st.integers(1, 9), min_size=1, max_size=40))
def test_a_stream_is_read_however_it_is_cut(text: str, cuts: list[int]) -> None:
    text = text.encode(errors="replace").decode()
    data, stream, at = events({"content": text}), Stream(), 0
    while at < len(data):
        step = cuts[at % len(cuts)]
        stream.feed(data[at : at + step])
        at += step
    assert stream.done and stream.answer.text == text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    [
        *("messages", "choices", "message", "delta", "tool_calls", "content", "role", "usage"),
        *("tools", "functions", "tool_choice", "stream_options", "max_tokens", "logprobs", "logprob"),
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(keys, json_values | st.lists(st.dictionaries(keys, json_values, max_size=3), max_size=2))
)
def test_whatever_comes_is_read_without_a_fault(body: dict[str, Any]) -> None:
    Answered().add(body)
    read = Answered.of(body)
    assert isinstance(read.raw, str) and sum(length for length, _ in read.tokens()) in (0, len(read.raw))
    try:
        asked = Asked.of(body)
    except ValueError:
        return
    assert isinstance(asked.earlier(), str) and isinstance(asked.opening(), str)
