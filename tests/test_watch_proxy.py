"""The proxy watches its specialists: one that goes bad is rolled back by itself, and agents notice nothing.

The specialist is a scripted model; OpenAI's own client, the proxy on its socket, the record and the counting
are real.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer
from deployed import KEY, project_in, serving
from openai import OpenAI
from test_proxy import says
from test_specialists import LARGE, OFFERED, House, right

from speeddial.flywheel.deployment import Deployments
from speeddial.models.scripted import Reply
from speeddial.server import proxy


def test_a_degraded_live_expert_is_rolled_back_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "WATCHED", 5)
    sure = [0.9]

    def answer(request: Any) -> Reply:
        return Reply(right(request).output, confidence=sure[0])

    server, told = ChatServer(key=KEY, models=("large",)), list[str]()
    project = project_in(tmp_path / "project")
    with server.running(), project.open_record() as record:
        house = House(project, record, server)
        house.deploy(right, number=1)
        house.deploy(answer, number=2)
        deployments = Deployments(house.folder)
        with (
            serving(project, record, server, told=told.append) as running,
            OpenAI(base_url=running.url, api_key=running.token, max_retries=0) as client,
        ):

            def ask() -> str:
                server.faults[:] = [says(*LARGE.items())]
                got = client.chat.completions.with_raw_response.create(
                    model="large", messages=[{"role": "user", "content": "weather in Oslo?"}], tools=OFFERED
                )
                assert got.parse().choices[0].message.tool_calls
                return got.headers["x-speeddial-served-by"]

            assert [ask() for _ in range(5)] == ["get_weather"] * 5
            worse = deployments.live()["get_weather"].version
            sure[0] = 0.1  # whatever happened to it, it is sure of nothing any more
            served = []
            for _ in range(60):
                served.append(ask())
                if deployments.live()["get_weather"].version != worse:
                    break
                time.sleep(0.02)
            assert served[0] == "large model" and deployments.live()["get_weather"].version != worse, served
            assert ask() == "get_weather", "the version before serves again"
    (line,) = [line for line in told if "rolled back" in line]
    assert "escalated" in line and "limit 50.0%" in line
    last = deployments.history()[-1]
    assert last.kind == "rolled_back" and "escalated" in last.reason
