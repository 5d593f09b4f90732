"""Peers: what pip installs for each, one environment apiece, and a run in it as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.faults import Fault
from benchmarks.faults.outcome import Seen

REPOSITORY = Path(__file__).parents[2]
INSTALL_SECONDS = 1800

PEERS: dict[str, tuple[str, ...]] = {
    "langgraph": ("langgraph", "langchain", "langchain-openai"),
    "pydantic_ai": ("pydantic-ai-slim[openai]",),
    "openai_agents": ("openai-agents",),
    "smolagents": ("smolagents[openai]", "pydantic"),
    "crewai": ("crewai",),
    "dspy": ("dspy",),
    "agno": ("agno", "openai"),
    "agent_framework": ("agent-framework-core", "agent-framework-openai"),
    "haystack": ("haystack-ai",),
    "llm": ("llm",),
    "inspect_ai": ("inspect-ai", "openai"),
    "baml": ("baml-py", "pydantic"),
}
"""Peer, as its adapter in `benchmarks.faults.peers` is named -> what pip installs; the newest each time."""

_QUIET = {
    "AGNO_TELEMETRY": "false",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OPENAI_API_KEY": "none",
    "OTEL_SDK_DISABLED": "true",
}


@dataclass(frozen=True)
class PeerRun:
    """What a peer did, or why it could not be asked."""

    version: str = ""
    seen: dict[str, Seen] | None = None
    """By the fault's id; None when it did not install or its process broke."""
    why_not: str = ""


def run_peer(name: str, faults: Sequence[Fault], venvs: Path) -> PeerRun:
    """Install a peer if it is not there, and let it make every call.

    Args:
        name: of `PEERS`.
        faults: the calls, valid ones among them.
        venvs: folder of the environments; one that is there with the same requirements is used as it is.
    """
    try:
        python = _environment(venvs / name, PEERS[name])
    except subprocess.CalledProcessError as error:
        return PeerRun(why_not=f"it did not install: {_last_line(error.stderr)}")
    except subprocess.TimeoutExpired:
        return PeerRun(why_not=f"it did not install in {INSTALL_SECONDS} s")
    waiting = [
        {"id": fault.id, "tool": fault.tool, "name": fault.name or fault.tool, "arguments": fault.spoken}
        for fault in faults
    ]
    version = ""
    seen: dict[str, Seen] = {}
    while waiting:
        done = _process(python, name, waiting)
        if not done.stdout:
            return PeerRun(why_not=f"its process broke: {_last_line(done.stderr)}")
        version, *lines = done.stdout.splitlines()
        for key, values in map(json.loads, lines):
            seen[key] = Seen(**{**values, "ran": tuple(values["ran"])})
        if not done.returncode:
            break
        # It died of a call, or hung in it; the others are made in another process.
        heard = [call["id"] for call in waiting].index(json.loads(lines[-1])[0]) + 1 if lines else 0
        seen[waiting[heard]["id"]] = Seen(error="the process died or hung")
        waiting = waiting[heard + 1 :]
    return PeerRun(version, seen)


def _process(python: Path, name: str, calls: Sequence[object]) -> subprocess.CompletedProcess[str]:
    # Peers keep caches, histories and settings: none of them is to be the user's.
    with tempfile.TemporaryDirectory() as home:
        return subprocess.run(
            [python, "-m", f"benchmarks.faults.peers.{name}"],
            input=json.dumps(calls),
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, **_QUIET, "HOME": home, "PYTHONPATH": "", "LLM_USER_PATH": f"{home}/llm"},
        )


def _environment(folder: Path, requirements: Sequence[str]) -> Path:
    python = folder / "bin" / "python"
    marker = folder / "requirements.txt"
    wanted = "\n".join(requirements) + "\n"
    if not marker.exists() or marker.read_text(encoding="utf-8") != wanted:
        print(f"installing {' '.join(requirements)} in {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "--upgrade", *requirements],
            check=True,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
        marker.write_text(wanted, encoding="utf-8")
    return python


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:200] or "it said nothing"
