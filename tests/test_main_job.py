"""The main job on real models: plan, phone two experts, run their tools on real files, answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from icalendar import Calendar

from speeddial.scaffold import create

if TYPE_CHECKING:
    from speeddial.models.base_model import BaseModel

TASK = "How many orders came from Berlin? Then remind me tomorrow at 9 to call the dentist."
CLOCK = {"SPEEDDIAL_NOW": "2026-11-22T08:00:00", "SPEEDDIAL_TIMEZONE": "Europe/Berlin"}


def run(project: Path, *arguments: str, **environment: str) -> tuple[int, list[dict[str, Any]], str]:
    done = subprocess.run(
        [sys.executable, "-m", "speeddial", *arguments],
        cwd=project,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **CLOCK, **environment},
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    create(tmp_path / "demo")
    return tmp_path / "demo"


def check_the_main_job(project: Path, **environment: str) -> None:
    code, lines, talk = run(
        project, "run", TASK, "--input", "examples/orders.csv", "--yes", "--json", **environment
    )
    result = lines[-1]
    assert (code, result["type"], result["status"]) == (0, "result", "done"), (result, talk)
    query, reminder = result["calls"]
    assert (query["expert"], query["name"], query["status"]) == ("tables", "query_table", "exact")
    assert query["arguments"]["where"] == [{"column": "city", "op": "=", "value": "Berlin"}]
    assert query["result"]["rows"] == [[7]] if isinstance(query["result"], dict) else query["result"] == 7
    assert (reminder["expert"], reminder["name"], reminder["status"]) == (
        "organizer",
        "create_reminder",
        "exact",
    )
    assert reminder["arguments"] == {"text": "call the dentist", "date": "tomorrow", "time": "9"}
    assert "7" in result["answer"]
    calendar = Calendar.from_ical((project / "workspace/calendar.ics").read_bytes())
    (todo,) = calendar.walk("VTODO")
    assert "call the dentist" in str(todo["SUMMARY"]).lower()
    (alarm,) = todo.walk("VALARM")
    due = todo.get("DUE") or todo.get("DTSTART")
    assert due.dt.isoformat().startswith("2026-11-23T09:00:00")
    assert alarm is not None


def test_two_parts_are_answered_on_the_embedded_models(project: Path, base_model: BaseModel) -> None:
    check_the_main_job(project)


def test_what_no_expert_serves_is_named_and_not_done(project: Path, base_model: BaseModel) -> None:
    code, lines, _ = run(project, "run", "Translate hello into German.", "--json")
    assert code == 1
    assert lines[-1]["status"] == "failed" and lines[-1]["missing"]
    assert "Translate hello into German" in lines[-1]["answer"]
    assert not (project / "workspace/calendar.ics").exists()


@pytest.mark.vllm
@pytest.mark.timeout(900)
def test_the_same_through_a_vllm_server(project: Path, vllm_url: str) -> None:
    server = {
        "SPEEDDIAL_PLANNER": f"vllm:base@{vllm_url}",
        "SPEEDDIAL_MODEL": f"vllm:base@{vllm_url}",
        "SPEEDDIAL_TRANSPORT_TIMEOUT": "120",
    }
    check_the_main_job(project, **server)
