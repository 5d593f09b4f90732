"""Specialists behind the proxy: OpenAI's own client on one side, a real HTTP server on the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from chat_server import ChatServer
from deployed import CITIES, KEY, OFFERED, WEATHER, deploy, project_in, serving, tool, version
from openai import OpenAI
from test_proxy import reply, says
from tiny import write_model

from speeddial.errors import RecordError
from speeddial.flywheel.artefact import FOLDER
from speeddial.flywheel.cluster import ROUTER
from speeddial.flywheel.deployment import Deployments
from speeddial.flywheel.texts import TextClassifier
from speeddial.messages import REFUSE, ToolCall
from speeddial.models.scripted import Reply, Scripted
from speeddial.project import Project
from speeddial.record import Record
from speeddial.server.serving import ProxyServer

LARGE: Any = {"get_weather": '{"city": "by the large model"}'}


def right(request: Any) -> Reply:
    """The call that the request's words say."""
    said = request.messages[-1].content
    city = next((city for city in CITIES if city in said), "nowhere")
    return Reply(ToolCall("get_weather", {"city": city}), confidence=0.9)


@dataclass
class House:
    project: Project
    record: Record
    upstream: ChatServer

    @property
    def folder(self) -> Path:
        return self.record.folder / FOLDER

    def deploy(self, answer: Any = right, *, stage: Any = "full", share: float = 0.5, **more: Any) -> None:
        name = f"get-weather-{more.get('number', 1)}"
        Scripted.register(name, answer)
        deploy(self.record, version(self.folder, f"scripted:{name}", **more), stage, share)

    def rows(self) -> list[Any]:
        return list(self.record.run(self.record.runs(1)[0].id).interactions)

    def told(self) -> dict[str, Any]:
        return dict(self.record.runs(1)[0].settings)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    project = project_in(tmp_path / "project")
    server = ChatServer(key=KEY, models=("large",))
    with server.running(), project.open_record() as record:
        yield House(project, record, server)


Ask = Callable[..., Any]


@pytest.fixture
def proxy(house: House) -> Iterator[ProxyServer]:
    with serving(house.project, house.record, house.upstream, wait=5.0) as server:
        yield server


@pytest.fixture
def ask(house: House, proxy: ProxyServer) -> Iterator[Ask]:
    """Ask through OpenAI's client; the large model has another answer. Gives who served, and the answer."""
    with OpenAI(base_url=proxy.url, api_key=proxy.token, max_retries=0) as client:

        def asked(text: str = "weather in Oslo?", **more: Any) -> tuple[str, Any]:
            house.upstream.faults[:] = [says(*LARGE.items())]
            messages: Any = [{"role": "user", "content": text}]
            options = {"model": "large", "messages": messages, "tools": OFFERED, **more}
            got = client.chat.completions.with_raw_response.create(**options)
            return got.headers.get("x-speeddial-served-by", ""), got.parse()

        yield asked


def city(answer: Any) -> str:
    return str(json.loads(answer.choices[0].message.tool_calls[0].function.arguments)["city"])


def test_a_sure_specialist_answers_in_the_large_models_place(house: House, ask: Ask) -> None:
    house.deploy()
    served_by, got = ask()
    (choice,) = got.choices
    (call,) = choice.message.tool_calls
    assert served_by == "get_weather" and not house.upstream.bodies
    assert (choice.finish_reason, call.type, call.function.name, city(got)) == (
        "tool_calls",
        "function",
        "get_weather",
        "Oslo",
    )
    assert call.id.startswith("call_") and got.usage.total_tokens == got.usage.prompt_tokens + (
        got.usage.completion_tokens
    )
    (row,) = house.rows()
    assert (row.expert, row.status, row.model) == ("get_weather", "exact", "scripted:get-weather-1")
    (run,) = house.record.runs(5)
    assert got.id == f"chatcmpl-{run.id}" and (run.status, run.workflow) == ("done", "proxy")
    told = house.told()
    assert (told["task"], told["stage"], told["served_by"]) == ("get_weather", "full", "get_weather")


def test_the_same_as_a_stream(house: House, ask: Ask) -> None:
    house.deploy()
    options = {"stream": True, "stream_options": {"include_usage": True}}
    served_by, got = ask(**options)
    chunks = list(got)
    assert served_by == "get_weather" and not house.upstream.bodies
    said = "".join(
        call.function.arguments or ""
        for chunk in chunks
        for choice in chunk.choices
        for call in choice.delta.tool_calls or ()
    )
    assert json.loads(said) == {"city": "Oslo"}
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "tool_calls"
    assert chunks[-1].usage.completion_tokens > 0 and chunks[-1].choices == []
    assert len({chunk.id for chunk in chunks}) == 1


def test_openais_own_reader_of_streams_puts_the_call_together(house: House, proxy: ProxyServer) -> None:
    house.deploy()
    messages: Any = [{"role": "user", "content": "weather in Lima?"}]
    with (
        OpenAI(base_url=proxy.url, api_key=proxy.token, max_retries=0) as client,
        client.chat.completions.stream(model="large", messages=messages, tools=OFFERED) as stream,
    ):
        final = stream.get_final_completion()
    assert city(final) == "Lima"


def test_a_real_tiny_model_serves_valid_calls(house: House, ask: Ask, tmp_path: Path) -> None:
    weights = write_model(tmp_path / "tiny")
    copied = tool("get_weather", "city", **{"x-copied": True})
    trained = version(house.folder, weights=weights, threshold=0.0, definitions=[copied])
    deploy(house.record, trained)
    served_by, got = ask("will it rain in Rome")
    assert served_by == "get_weather" and city(got) in "will it rain in Rome"
    (row,) = house.rows()
    assert row.receipt["constrained"] is True and row.tokens


def test_an_unsure_one_leaves_it_to_the_large_model(house: House, ask: Ask) -> None:
    house.deploy(lambda request: Reply(right(request).output, confidence=0.3))
    served_by, got = ask()
    assert (served_by, city(got)) == ("large model", "by the large model")
    own, large = house.rows()
    assert (own.expert, large.expert, large.escalated_from) == ("get_weather", "", own.id)
    assert large.reason == "unsure (0.30 where 0.50 is needed)"
    told = house.told()
    assert (told["served_by"], told["why"], told["stage"]) == ("large model", "unsure", "full")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Reply({"name": REFUSE, "arguments": {"reason": "another task"}}), "refused"),
        (RuntimeError("the weights are gone"), "broken"),
        (Reply('{"name":"get_weather","arguments":{"ci', finish="length"), "wrong"),
    ],
)
def test_one_that_breaks_costs_the_agent_nothing(house: House, ask: Ask, answer: Any, why: str) -> None:
    house.deploy(lambda request: answer)
    served_by, got = ask()
    assert (served_by, city(got)) == ("large model", "by the large model")
    assert house.told()["why"] == why
    rows = house.rows()
    assert rows[-1].escalated_from == rows[-2].id and rows[-1].status == "exact"


def test_a_slow_one_is_not_waited_for(house: House) -> None:
    house.deploy(lambda request: Reply(right(request).output, delay=20.0))
    house.upstream.faults += [says(*LARGE.items())]
    with serving(house.project, house.record, house.upstream, wait=0.5) as server:
        began = time.monotonic()
        got = post(server, said("weather in Oslo?"))
        assert time.monotonic() - began < 10 and got.headers["x-speeddial-served-by"] == "large model"
    own, large = house.rows()
    assert (own.status, large.escalated_from, house.told()["why"]) == ("cancelled", own.id, "slow")


def test_a_slow_router_is_not_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.deploy()
    (router,) = house.folder.glob(f"cluster-*/{ROUTER}")
    monkeypatch.setattr("speeddial.models.embeddings._loaded", {})
    with ChatServer(models=("near",), vector=lambda text: [1.0, float("song" in text)]).running() as near:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{near.url}/v1")
        requests = [f"{word} {number}" for number in range(5) for word in ("weather", "song")]
        names = [f"get_{request.split()[0]}" for request in requests]
        TextClassifier(embeddings="openai:near").fit(requests, names).save(router)
        house.upstream.faults += [says(*LARGE.items())]
        with serving(house.project, house.record, house.upstream, wait=0.5) as server:
            assert post(server, said("weather in Oslo?")).headers["x-speeddial-served-by"] == "get_weather"
            near.delay = 8.0
            began = time.monotonic()
            got = post(server, said("weather in Rome?"))
            assert time.monotonic() - began < 6 and got.headers["x-speeddial-served-by"] == "large model"
            near.delay = 0.0
    assert house.told()["why"] == "broken" and "no task within 0.5 s" in house.rows()[-1].reason


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "large", "messages": [{"role": "user", "content": text}], "tools": OFFERED, **more}


def post(server: ProxyServer, body: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {server.token}"}
    return httpx.post(f"{server.url}/chat/completions", json=body, headers=headers, timeout=60)


SCHEMA = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
IMAGE = [{"type": "text", "text": "weather in Oslo?"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
LATER = [
    {"role": "user", "content": "weather in Oslo?"},
    {"role": "assistant", "content": "Rain."},
    {"role": "user", "content": "weather in Rome?"},
]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"n": 2}, "demands"),
        ({"logprobs": True}, "demands"),
        ({"response_format": SCHEMA}, "demands"),
        ({"tool_choice": "none"}, "demands"),
        ({"tool_choice": {"type": "function", "function": {"name": "play_music"}}}, "demands"),
        ({"max_tokens": 3}, "demands"),
        ({"messages": [{"role": "user", "content": IMAGE}]}, "demands"),
        ({"something_new": {"a": 1}}, "demands"),
        ({"messages": LATER}, "conversation"),
        ({"tools": OFFERED[1:]}, "tools"),
        ({"tools": [{"type": "function", "function": tool("get_weather", "town")}]}, "tools"),
        ({"tools": [*OFFERED, {"type": "function", "function": tool("get_tides", "port")}]}, "tools"),
    ],
)
def test_what_it_cannot_honour_passes_byte_for_byte(house: House, more: dict[str, Any], why: str) -> None:
    house.deploy()
    house.upstream.faults += [says(*LARGE.items())]
    body = said("weather in Oslo?", **more)
    with serving(house.project, house.record, house.upstream) as server:
        got = post(server, body)
    assert got.json() == reply(*LARGE.items()) and house.upstream.bodies == [body]
    assert (got.headers["x-speeddial-served-by"], house.told()["why"]) == ("large model", why)
    assert house.rows()[-1].reason


@pytest.mark.parametrize(
    "more",
    [
        {"tool_choice": "required", "parallel_tool_calls": False, "temperature": 0.2, "n": 1},
        {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
        {"response_format": {"type": "text"}, "logprobs": False, "max_completion_tokens": 200},
        {
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "rain in Rome?"},
            ]
        },
    ],
)
def test_what_it_can_honour_it_answers(house: House, proxy: ProxyServer, more: dict[str, Any]) -> None:
    house.deploy()
    got = post(proxy, said("weather in Rome?", **more))
    assert got.headers["x-speeddial-served-by"] == "get_weather" and not house.upstream.bodies
    finish = "stop" if isinstance(more.get("tool_choice"), dict) else "tool_calls"
    assert got.json()["choices"][0]["finish_reason"] == finish


def test_several_calls(house: House, ask: Ask) -> None:
    both = [ToolCall("get_weather", {"city": city}).as_dict() for city in ("Oslo", "Rome")]
    house.deploy(
        lambda request: Reply(request.contract.dump({"calls": both}), confidence=0.9), calls="several"
    )
    _, got = ask("weather in Oslo and in Rome?")
    calls = got.choices[0].message.tool_calls
    assert house.told()["served_by"] == "get_weather", house.rows()[-1].reason
    assert [json.loads(call.function.arguments)["city"] for call in calls] == ["Oslo", "Rome"]
    assert len({call.id for call in calls}) == 2
    served_by, _ = ask("weather in Oslo and in Rome?", parallel_tool_calls=False)
    assert served_by == "large model" and house.told()["why"] == "demands"


def test_another_tasks_requests_are_the_large_models(house: House, ask: Ask) -> None:
    house.deploy()
    served_by, _ = ask("play the song Oslo")
    told = house.told()
    assert (served_by, told["task"], told["why"]) == ("large model", "play_music", "stage")
    assert len(house.rows()) == 1


def test_without_a_deployment_nothing_changes(house: House, ask: Ask) -> None:
    served_by, _ = ask()
    assert served_by == "" and set(house.told()) == {"upstream"}
    house.deploy()
    assert ask()[0] == "get_weather"  # from the next request on
    Deployments(house.folder).rollback("get_weather", reason="test")
    assert ask()[0] == ""


def test_a_shadow_is_asked_afterwards_and_not_used(house: House, ask: Ask) -> None:
    house.deploy(stage="shadow")
    served_by, got = ask()
    assert (served_by, city(got)) == ("large model", "by the large model")
    (run,) = house.record.runs(1)
    wait_until(lambda: len(house.rows()) == 2 and house.rows()[1].status == "exact")
    large, own = house.rows()
    assert (own.expert, own.reason, own.escalated_from) == ("get_weather", "shadow", None)
    assert (large.expert, large.escalated_from) == ("", None) and large.id < own.id
    assert own.parsed == {"name": "get_weather", "arguments": {"city": "Oslo"}}
    told = house.told()
    assert (told["stage"], told["served_by"], told["why"]) == ("shadow", "large model", "stage")
    assert run.status == "done"


def wait_until(true: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_shadow_that_breaks_or_hangs_is_nobodys_loss(house: House, ask: Ask) -> None:
    asked: list[str] = []

    def bad(request: Any) -> Reply:
        asked.append(request.messages[-1].content)
        if len(asked) == 1:
            raise RuntimeError("broken")
        return right(request)

    house.deploy(bad, stage="shadow")
    assert ask()[0] == "large model" and ask("weather in Rome?")[0] == "large model"
    wait_until(lambda: len(asked) == 2)
    house.deploy(lambda request: Reply(right(request).output, delay=60.0), stage="shadow", number=2)
    began = time.monotonic()
    for _ in range(3):
        assert ask()[0] == "large model"
    assert time.monotonic() - began < 20


def test_the_one_before_serves_beside_a_shadow(house: House, ask: Ask) -> None:
    house.deploy(right, number=1)
    house.deploy(lambda request: Reply(ToolCall("get_weather", {"city": "Bern"})), stage="shadow", number=2)
    served_by, got = ask()
    assert (served_by, city(got)) == ("get_weather", "Oslo") and not house.upstream.bodies
    wait_until(lambda: len(house.rows()) == 2 and house.rows()[1].status == "exact")
    assert [row.reason for row in house.rows()] == ["", "shadow"]
    told = house.told()
    assert (told["stage"], told["served_by"]) == ("shadow", "get_weather")


def test_a_canary_gets_its_share_and_a_conversation_stays_with_one(house: House, ask: Ask) -> None:
    house.deploy(stage="canary", share=0.5)
    texts = [f"weather in {city} on day {day}?" for city in CITIES for day in range(8)]
    first = [ask(text)[0] for text in texts]
    assert 8 <= first.count("get_weather") <= 32  # of 40; outside with a chance of 1 in 10,000
    assert [ask(text)[0] for text in texts[:10]] == first[:10]
    at_large = texts[first.index("large model")]
    ask(at_large)
    assert (house.told()["stage"], house.told()["why"]) == ("", "stage")


def test_what_cannot_be_recorded_is_not_used(
    house: House, proxy: ProxyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.deploy()

    def full(*args: Any, **more: Any) -> Any:
        raise RecordError("database or disk is full")

    monkeypatch.setattr(house.record, "finishing", full)
    assert post(proxy, said("weather in Oslo?")).status_code == 503


def test_a_damaged_file_of_deployments_costs_the_agent_nothing(house: House, ask: Ask) -> None:
    house.deploy()
    (house.folder / "deployments.jsonl").write_text("no line of ours\n")
    served_by, got = ask()
    assert (served_by, city(got)) == ("large model", "by the large model")
    assert house.told()["why"] == "broken" and "deployments.jsonl" in house.rows()[-1].reason


def test_a_version_whose_folder_is_gone_costs_the_agent_nothing(house: House, ask: Ask) -> None:
    house.deploy()
    for card in house.folder.glob("train-*/experts/*/card.toml"):
        card.unlink()
    assert ask()[0] == "large model" and house.told()["why"] == "broken"


def test_many_at_once(house: House, proxy: ProxyServer) -> None:
    house.deploy(lambda request: Reply(right(request).output, confidence=0.9, delay=0.05))
    found: list[tuple[str, str]] = []

    def one(number: int) -> None:
        name = CITIES[number % 5]
        got = post(proxy, said(f"weather in {name}?"))
        found.append((name, city_of(got)))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and all(name == answered for name, answered in found)


def city_of(got: httpx.Response) -> str:
    call = got.json()["choices"][0]["message"]["tool_calls"][0]["function"]
    return str(json.loads(call["arguments"])["city"])


def test_the_definition_is_as_the_agent_has_it() -> None:
    assert OFFERED[0]["function"] == WEATHER


def more_than(found: Collection[Any], count: int) -> bool:
    return len(found) > count


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_killed_while_specialists_serve_it_loses_nothing_acknowledged(house: House, tmp_path: Path) -> None:
    script = tmp_path / "weather.json"
    script.write_text(
        json.dumps({city: {"name": "get_weather", "arguments": {"city": city}} for city in CITIES})
    )
    deploy(house.record, version(house.folder, f"scripted:{script}"))
    acknowledged: dict[str, str] = {}

    def agent(url: str, key: str) -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=60) as client:
            for number in range(10_000):
                name = CITIES[number % 5]
                # Every third one is the large model's, which has no words for it.
                text = f"weather in {name}?" if number % 3 else f"play the song {name}"
                try:
                    got = client.post(f"{url}/chat/completions", json=said(text))
                except httpx.HTTPError:
                    return
                if got.headers["x-speeddial-served-by"] == "get_weather":
                    acknowledged[got.json()["id"].removeprefix("chatcmpl-")] = name
                    assert city_of(got) == name

    for delay in (1.0, 2.3):
        before = len(acknowledged)
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "speeddial",
                "serve",
                "--record",
                "--port",
                "0",
                "--to",
                house.upstream.url,
            ],
            cwd=house.project.root,
            env={**os.environ, "OPENAI_API_KEY": KEY},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        url, key = (process.stdout.readline().strip().partition("=")[2] for _ in range(2))
        agents = [threading.Thread(target=agent, args=(url, key)) for _ in range(3)]
        for one in agents:
            one.start()
        try:
            wait_until(partial(more_than, acknowledged, before + 5), 150)
            time.sleep(delay)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            for one in agents:
                one.join()
    assert len(acknowledged) > 20
    with house.project.open_record() as record:
        for run, name in acknowledged.items():
            kept = record.run(run)
            assert (kept.status, kept.settings["served_by"]) == ("done", "get_weather")
            (row,) = kept.interactions
            assert (row.status, row.parsed["arguments"]) == ("exact", {"city": name})
