"""A client of the viewer's server, and a run to look at."""

from __future__ import annotations

import json
from typing import Any

import httpx
from recorded import CALL, TOOL

from speeddial.project import Project
from speeddial.record import Record
from speeddial.viewer.security import Keys
from speeddial.viewer.server import viewer_app

PLAN = {"steps": [{"expert": "adder", "task": "add"}], "missing": ["tea"]}


def opened_client(project: Project, record: Record, keys: Keys) -> httpx.AsyncClient:
    """One that may read and change."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(viewer_app(project, record, keys=keys)),
        base_url="http://127.0.0.1:8000",
        headers={"Authorization": f"Bearer {keys.bearer}", "X-Speeddial": "1"},
    )


def recorded(record: Record, task: str = "add 1", text: str = "x", **options: Any) -> str:
    """A finished run: plan, decode, tool."""
    run = record.begin_run(task, **options)
    plan = record.start_interaction(run, "plan", expert="planner", model="scripted")
    record.finish_interaction(plan, "exact", raw=json.dumps(PLAN), parsed=PLAN, tokens_in=5, tokens_out=7)
    asked = record.start_interaction(
        run,
        "model",
        step=1,
        expert="adder",
        model="scripted",
        messages=[{"role": "user", "content": f"add {text}"}],
        tools=[TOOL],
    )
    record.finish_interaction(
        asked,
        "exact",
        raw=json.dumps(CALL),
        tokens=[(9, None), (12, 0.5)],
        parsed=CALL,
        confidence=0.93,
        receipt={"constrained": True},
        tokens_in=3,
        tokens_out=4,
    )
    tool = record.start_interaction(
        run, "tool", step=1, parent=asked, expert="adder", tool="add", effect="read", arguments={"a": 1}
    )
    record.finish_interaction(tool, "done", result={"said": text}, text=text)
    record.finish_run(run, "done", answer=text, missing=["tea"])
    return run


async def body(client: httpx.AsyncClient, path: str, status: int = 200) -> Any:
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()
