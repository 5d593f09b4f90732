"""Leaks: secrets and personal data planted in every input are nowhere on disk once the run has ended.

Before it has ended, personal data stands in the run's originals and nowhere else, and secrets nowhere at all.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from speeddial import Project, Runner
from speeddial.errors import UserError
from speeddial.models.model import Request
from speeddial.models.scripted import Scripted
from speeddial.record import Record, RunRow
from speeddial.record.export import FORMS, export
from speeddial.record.spans import project
from speeddial.scaffold import create

if TYPE_CHECKING:
    from speeddial.models.base_model import BaseModel

DEFAULT = Path(__file__).parents[1] / "workflows/default.py"

# Put together at run time: scanners of repositories must not find keys here.
SECRETS = {
    "api_key": "sk-" + "proj-Ab3dE6gHi9kLmN0pQrS7uVwX",
    "jwt": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "Ab3dE6gHi9kLmN0pQrS7uVwX",
    "high_entropy": "Ab3dE6gHi9kLmN0pQrS7uVwX" + "Xw7vUr5tQ2pO1nMl8kJ",
    "private_key": "-----BEGIN PRIVATE " + "KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END PRIVATE " + "KEY-----",
    "secret": "hunter2swordfish",
}
PERSONAL = {
    "email": "anna.schmidt@example.org",
    "phone": "+49 30 7654321",
    "card": "4539 1488 0343 6467",
    "iban": "DE89 3704 0044 0532 0130 00",
    "ip": "81.2.69.142",
    "employee_id": "EMP-123456",
}
PLANTED = " ".join(
    f"{name} password={value}" if name == "secret" else f"{name} {value}"
    for name, value in (SECRETS | PERSONAL).items()
)
"""A text with one value for each rule."""
FILE = f"notes of {PERSONAL['email']}.txt"
SECRET_FILE = f"notes of {SECRETS['api_key']}.txt"
"""A run that was given it cannot be resumed: its name does not come back."""

TOOLS = '''
import os

from speeddial import ToolContext, tool


@tool(effect="read")
def lookup(context: ToolContext, text: str) -> dict[str, str]:
    """Look something up in the file."""
    (path,) = context.files.values()
    return {"asked": text, "found": path.read_text(encoding="utf-8"), "name": path.name}


@tool(effect="read")
def broken(text: str) -> str:
    """Break, quoting what was given."""
    raise ValueError(f"cannot look for {text}: {os.environ['PLANTED']}")


@tool(effect="external")
def send(to: str, text: str) -> str:
    """Send a letter."""
    with open(os.environ["OUTBOX"], "a", encoding="utf-8") as file:
        file.write(f"{to}: {text}\\n")
    return f"sent {text} to {to}"
'''


def steps(text: str) -> list[dict[str, Any]]:
    return [
        {"expert": "finder", "task": f"find {text}", "file": FILE},
        {"expert": "breaker", "task": f"break {text}"},
        {"expert": "sender", "task": f"send {text}"},
    ]


def script(request: Request) -> Any:
    """Copies what it is given, as a model does."""
    said = request.messages[-1].content
    if "Task:" in said:
        task = said.partition("Task: ")[2].partition("\n")[0]
        return {"steps": steps(task)}
    task = said.partition("Again: ")[2] or said
    if task.startswith("find"):
        return {"name": "lookup", "arguments": {"text": task}}
    if task.startswith("break"):
        return {"name": "broken", "arguments": {"text": task}}
    return {"name": "send", "arguments": {"to": PERSONAL["email"], "text": task}}


@pytest.fixture
def root(make_project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    root = make_project(
        model="scripted:leaks",
        settings=f'user = "{PERSONAL["email"]}"\nredact = {{employee_id = "EMP-[0-9]{{6}}"}}\n',
    )
    (root / "workflows/default.py").write_text(DEFAULT.read_text(encoding="utf-8"), encoding="utf-8")
    (root / "tools/desk.py").write_text(TOOLS, encoding="utf-8")
    for name, tool in (("finder", "lookup"), ("breaker", "broken"), ("sender", "send")):
        folder = root / "experts" / name
        folder.mkdir()
        (folder / "prompt.md").write_text(f"You are {name}. Known: {PLANTED}", encoding="utf-8")
        (folder / "card.toml").write_text(
            f'summary = "{name}"\ntask = "x"\ntools = ["{tool}"]\naccepts = ["text"]\n'
            + ("needs_file = true\n" if name == "finder" else ""),
            encoding="utf-8",
        )
    for name in ("adder", "writer"):
        for file in (root / "experts" / name).iterdir():
            file.unlink()
        (root / "experts" / name).rmdir()
    Scripted.register("leaks", script)
    monkeypatch.setenv("PLANTED", PLANTED)
    monkeypatch.setenv("OUTBOX", str(tmp_path / "outbox.txt"))
    return root


@pytest.fixture
def given(tmp_path: Path) -> Path:
    path = tmp_path / FILE
    path.write_text(f"the file says {PLANTED}", encoding="utf-8")
    return path


def forms(value: str) -> set[bytes]:
    """How a value may stand in a file: plain, in JSON, in JSON in JSON, in UTF-16, with its parts alone."""
    # Of the key the body: the marks around it may stay.
    part = value.removeprefix("-----BEGIN PRIVATE KEY-----").partition("-----END")[0].strip("\n")
    texts = {part, json.dumps(part)[1:-1], json.dumps(json.dumps(part))[3:-3]}
    return {text.encode(encoding) for text in texts for encoding in ("utf-8", "utf-16-le", "utf-16-be")}


def found(data: bytes, planted: dict[str, str]) -> set[str]:
    return {name for name, value in planted.items() if any(form in data for form in forms(value))}


def on_disk(folder: Path, planted: dict[str, str]) -> dict[str, set[str]]:
    """Kinds of planted values by the file that they stand in, files' names included."""
    leaks = {}
    for path in folder.rglob("*"):
        data = str(path.relative_to(folder)).encode()
        if path.is_file():
            data += b"\n" + path.read_bytes()
        if kinds := found(data, planted):
            leaks[str(path.relative_to(folder))] = kinds
    return leaks


def spans_of(row: RunRow, *, content: bool) -> bytes:
    """A run's spans as the SDK has them and as OTLP sends them."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    project(row, provider, content=content)
    spans = exporter.get_finished_spans()
    provider.shutdown()
    return "\n".join(span.to_json() for span in spans).encode() + encode_spans(spans).SerializeToString()


@pytest.fixture(autouse=True)
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever the run logs is searched too."""
    caplog.set_level(logging.DEBUG)
    yield
    assert not found(caplog.text.encode(), SECRETS | PERSONAL)


def test_a_run_that_waits_keeps_personal_data_only_in_its_originals_and_nothing_once_it_has_ended(
    root: Path, given: Path, tmp_path: Path
) -> None:
    workspace = root / "workspace"
    with Runner(Project.load(root)) as runner:
        waiting = runner.run_sync(f"help {PLANTED}", files=[given])
        assert waiting.status == "waiting", waiting
        # Who is asked sees what he decides on.
        assert PERSONAL["email"] in str(waiting.error)
        record = runner.record
        assert on_disk(workspace, SECRETS) == {}
        leaks = on_disk(workspace, PERSONAL)
        assert set(leaks) == {f".speeddial/originals/{waiting.run_id}"}
        path = workspace / ".speeddial/originals" / waiting.run_id
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        for name in ("record.db", "checkpoints.db"):
            assert stat.S_IMODE((workspace / ".speeddial" / name).stat().st_mode) == 0o600

    # A new process: all that it has is on disk.
    with Runner(Project.load(root)) as runner:
        ended = runner.resume_sync(waiting.run_id, approve=True)
        assert ended.status in ("done", "partial"), ended
        sent = (tmp_path / "outbox.txt").read_text(encoding="utf-8")
        assert sent.startswith(f"{PERSONAL['email']}: send help ")
        assert all(value in sent for value in PERSONAL.values())
        assert PERSONAL["email"] in ended.answer
        record = runner.record
        assert on_disk(workspace, SECRETS | PERSONAL) == {}
        assert list((workspace / ".speeddial/originals").iterdir()) == []

        row = record.run(ended.run_id)
        assert any("ValueError" in item.error for item in row.interactions)
        assert set(record.redactions(ended.run_id)) >= set(PERSONAL) | set(SECRETS)
        assert record.redactions() == record.redactions(ended.run_id)
        assert not found(repr(row).encode(), SECRETS | PERSONAL)
        out = tmp_path / "exports"
        out.mkdir()
        record.feedback.comment(row.interactions[0].id, PLANTED, by=PERSONAL["email"])
        for form in FORMS:
            export(record, out / ("chat.jsonl" if form == "openai" else form), form, content=True)
        for content in (False, True):
            spans = spans_of(row, content=content)
            assert (b"@example.invalid" in spans) == content
            assert not found(spans, SECRETS | PERSONAL)
    assert on_disk(workspace, SECRETS | PERSONAL) == {}
    assert on_disk(tmp_path / "exports", SECRETS | PERSONAL) == {}
    # The copied address is a part of the request still, so what is exported trains the same.
    lines = [json.loads(line) for line in (tmp_path / "exports/chat.jsonl").read_text().splitlines()]
    letters = [
        (line["messages"][1]["content"], json.loads(call["function"]["arguments"]))
        for line in lines
        for call in line["messages"][-1].get("tool_calls", ())
        if call["function"]["name"] == "send"
    ]
    ((asked, arguments),) = letters
    assert arguments["to"].endswith("@example.invalid")
    assert arguments["to"] in asked
    assert arguments["text"] == asked


def test_a_live_run_works_on_the_personal_data_that_it_was_given_and_never_on_secrets(
    root: Path, given: Path, tmp_path: Path
) -> None:
    (tmp_path / SECRET_FILE).write_text(PLANTED, encoding="utf-8")
    with Runner(Project.load(root)) as runner:
        files = [given, tmp_path / SECRET_FILE]
        live = runner.run_sync(f"help {PLANTED}", files=files, approve_all=True)
        model = Scripted.named("leaks")
        # What tools say later comes as they say it, secrets included: only the task is looked at.
        asked = model.requests[0].messages[-1].content
        for value in PERSONAL.values():
            assert value in asked
        for name in ("jwt", "high_entropy", "private_key", "secret"):
            assert SECRETS[name] not in asked
        assert PERSONAL["iban"] in live.answer
        assert on_disk(root / "workspace", SECRETS | PERSONAL) == {}


def test_a_run_that_has_ended_is_not_resumed_on_surrogates(root: Path, given: Path) -> None:
    with Runner(Project.load(root)) as runner:
        ended = runner.run_sync(f"help {PLANTED}", files=[given], approve_all=True)
        with pytest.raises(UserError, match="was not kept"):
            runner.resume_sync(ended.run_id)


def test_with_the_switch_off_only_secrets_are_hidden(root: Path, given: Path) -> None:
    with Runner(Project.load(root, {"redact_personal": False})) as runner:
        ended = runner.run_sync(f"help {PLANTED}", files=[given], approve_all=True)
        assert PERSONAL["email"] in runner.record.run(ended.run_id).task
        assert on_disk(root / "workspace", SECRETS) == {}


def test_an_error_of_the_workflow_is_recorded_without_what_it_quotes(root: Path) -> None:
    (root / "workflows/failing.py").write_text(
        "from speeddial import Run, workflow\n\n\n@workflow\n"
        "async def failing(run: Run, task: str) -> str:\n    '''Fails.'''\n"
        "    raise RuntimeError(f'no way to do {task}')\n",
        encoding="utf-8",
    )
    with Runner(Project.load(root)) as runner:
        with pytest.raises(RuntimeError):
            runner.run_sync(PLANTED, workflow="failing")
        row = runner.record.run(runner.record.resolve("last"))
        assert (row.status, "RuntimeError" in row.error) == ("failed", True)
    assert on_disk(root / "workspace", SECRETS | PERSONAL) == {}


def test_a_run_of_the_embedded_models_leaks_nothing(base_model: BaseModel, tmp_path: Path) -> None:
    create(tmp_path / "demo")
    task = (
        f"Draft a mail to {PERSONAL['email']} about lunch, her number is {PERSONAL['phone']}."
        f" Then remind me tomorrow at 9 to pay {PERSONAL['iban']}, password={SECRETS['secret']}."
    )
    with Runner(Project.load(tmp_path / "demo")) as runner:
        result = runner.run_sync(task, approve_all=True)
        said = json.dumps([call.as_call() for call in result.calls], ensure_ascii=False)
        assert any(value in said for value in PERSONAL.values()), said
        row = runner.record.run(result.run_id)
        assert any(item.kind == "tool" for item in row.interactions)
        assert set(row.redactions) >= {"email", "phone", "iban", "secret"}
        assert not found(spans_of(row, content=True), SECRETS | PERSONAL)
    # What the tools wrote is the user's; what Speeddial keeps is the record.
    assert on_disk(tmp_path / "demo/workspace/.speeddial", SECRETS | PERSONAL) == {}


def test_the_search_finds_what_is_planted(tmp_path: Path) -> None:
    """The test above would pass if its search found nothing."""
    for name, value in (SECRETS | PERSONAL).items():
        for form in (value, json.dumps({"a": value}), json.dumps({"a": json.dumps({"a": value})})):
            (tmp_path / "file").write_text(form, encoding="utf-8")
            assert name in on_disk(tmp_path, SECRETS | PERSONAL)["file"]
    # Encodings that hide a value from every reader are out of scope.
    assert not found(base64.b64encode(PERSONAL["email"].encode()), PERSONAL)


def test_a_record_that_was_opened_alone_hides_the_same(tmp_path: Path) -> None:
    with Record.open(tmp_path / "record.db") as record:
        run = record.begin_run(
            PLANTED, inputs=[FILE, SECRET_FILE], settings={"note": PLANTED}, user=PERSONAL["email"]
        )
        record.journal.ask(run, 1, PLANTED, ("approve", PLANTED), topic=PLANTED, details={PLANTED: PLANTED})
        record.journal.answer(run, "approve", PLANTED)
        record.finish_run(run, "done", answer=PLANTED, error=PLANTED, missing=[PLANTED])
        assert os.listdir(tmp_path / "originals") == []
    planted = {name: value for name, value in PERSONAL.items() if name != "employee_id"}
    assert on_disk(tmp_path, SECRETS | planted) == {}
