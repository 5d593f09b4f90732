"""Killed, stopped and waiting runs go on where they were; nothing is paid or done twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plain_workflow import PLAIN

HERE = Path(__file__).parent
DEFAULT = HERE.parent / "workflows/default.py"

FUNCTION = PLAIN.replace("{total.text}", "{total.as_type(int)}")


SEVERAL = '''
from speeddial import Run, workflow


@workflow
async def several(run: Run, task: str) -> str:
    """Three calls in one answer."""
    return (await run.phone("clerk", "all of it")).text
'''


def effects_with_a_boundary(root: Path) -> None:
    """A kill can also fall between a tool's effect and its return."""
    path = root / "tools/desk.py"
    text = path.read_text(encoding="utf-8")
    hook = "    __import__('builtins').boundary()\n"
    text = text.replace('    return f"noted', f'{hook}    return f"noted')
    text = text.replace('    return f"sent', f'{hook}    return f"sent')
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("workflow", "every"),
    [
        ("default", 4),
        ("plain", 3),
        ("several", 2),
        *(pytest.param(name, 1, marks=pytest.mark.slow) for name in ("default", "plain", "several")),
    ],
)
def test_a_run_killed_at_any_write_finishes_and_pays_and_acts_once(
    make_project: Callable[..., Path], workflow: str, every: int
) -> None:
    root = make_project(model="scripted:kill", settings='now = "2026-11-22T09:00:00+01:00"\n')
    (root / "workflows/default.py").write_text(DEFAULT.read_text(encoding="utf-8"), encoding="utf-8")
    (root / "workflows/plain.py").write_text(FUNCTION, encoding="utf-8")
    (root / "workflows/several.py").write_text(SEVERAL, encoding="utf-8")
    (root / "experts/clerk").mkdir()
    card = 'summary = "anything"\ntask = "Calls."\ntools = ["*"]\ncalls = "several"\nname = "clerk"\n'
    (root / "experts/clerk/card.toml").write_text(card, encoding="utf-8")
    (root / "experts/clerk/prompt.md").write_text("You are clerk.", encoding="utf-8")
    effects_with_a_boundary(root)
    done = subprocess.run(
        [sys.executable, str(HERE / "kill_every_write.py"), str(root), workflow, str(every)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *kills = [json.loads(line) for line in done.stdout.splitlines()]
    assert first["result"]["status"] == "done"
    assert first["total"] >= 15 and len(kills) == first["total"] // every
    asked = 0
    for kill in kills:
        if kill.get("never_accepted"):
            # Killed before the run's row was there: nothing was acknowledged and nothing was done.
            assert kill["kill"] <= 3, kill
            continue
        assert kill["killed"] == -9, kill
        assert kill["exit_code"] == 0, kill
        assert kill["paid_twice"] == [], kill
        assert len(kill["notes"]) == 1, kill
        assert kill["sent"] in (["anna"], []) if kill["asked"] else kill["sent"] == ["anna"], kill
        if not kill["asked"]:
            assert kill["result"]["answer"] == first["result"]["answer"], kill
        assert names(kill) == names(first), kill
        assert kill["replays"] == [0, 0], kill
        asked += kill["asked"]
    if every == 1:
        # Between the beginning of the external tool and the journal of its result, a person is asked.
        assert asked >= 2


def names(line: dict[str, Any]) -> list[tuple[int, str]]:
    return [(call["step"], call["name"]) for call in line["result"]["calls"]]
