"""OTLP: JSON as viewers open it, and runs sent to a receiver without ever being held up by it."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exported import ADD, BASE, REFUSE, decode, failed_tool
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from otlp_receiver import Endpoint, otlp_endpoint

from speeddial.desk import Desk
from speeddial.doctor import examine
from speeddial.errors import UserError
from speeddial.models.scripted import Scripted
from speeddial.project import Project
from speeddial.record import Record, genai
from speeddial.record.export import export
from speeddial.record.genai import trace_id
from speeddial.record.otlp import Receiver, run_as_json, spans_of

PRIVATE = "private words"


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with Record.open(tmp_path / "record.db") as opened:
        yield opened


@pytest.fixture
def run(record: Record) -> str:
    """A plan, a refusal, an escalation whose tool fails, and a person's correction; then a fork of it."""
    origin = record.begin_run("x")
    run = record.begin_run(PRIVATE, forked_from=origin, forked_step=1)
    decode(record, run, PRIVATE, {"steps": []}, kind="plan", expert="planner", tools=[])
    refused = decode(record, run, PRIVATE, REFUSE, "refused")
    served = decode(record, run, PRIVATE, escalated_from=refused, model="vllm:big@https://gpu.local/v1")
    failed_tool(record, run, served)
    decode(record, run, PRIVATE, None, "failed", raw="{", attempt=2)
    record.feedback.correct(refused, ADD, text=PRIVATE)
    record.feedback.label(served, "odd")
    record.finish_run(run, "done", answer=PRIVATE)
    return run


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with otlp_endpoint() as started:
        yield started


@pytest.mark.parametrize("content", [False, True])
def test_json_is_what_opentelemetrys_own_encoder_means(record: Record, run: str, content: bool) -> None:
    spans = spans_of(record, run, content=content)
    expected = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
    ours = run_as_json(record, run, content=content)

    def in_hex(value: Any) -> Any:
        """protobuf's JSON has ids in base64, OTLP's in hex; and it leaves out what is empty."""
        import base64

        if isinstance(value, list):
            return [in_hex(item) for item in value]
        if not isinstance(value, dict):
            return value
        return {
            key: base64.b64decode(item).hex()
            if key in ("traceId", "spanId", "parentSpanId")
            else in_hex(item)
            for key, item in value.items()
            if item not in ([], {})
        }

    def without_unset(value: Any) -> Any:
        if isinstance(value, list):
            return [without_unset(item) for item in value]
        if not isinstance(value, dict):
            return value
        kept = {key: without_unset(item) for key, item in value.items()}
        return {
            key: item for key, item in kept.items() if item not in ([], {}) and (key, item) != ("code", 0)
        }

    assert without_unset(ours) == in_hex(expected)
    assert (PRIVATE in json.dumps(ours)) is content


def test_the_file_has_one_run_a_line(record: Record, run: str, tmp_path: Path) -> None:
    path = tmp_path / "traces.jsonl"
    report = export(record, path, "otlp")
    (line,) = path.read_text(encoding="utf-8").splitlines()
    (resource,) = json.loads(line)["resourceSpans"]
    spans = resource["scopeSpans"][0]["spans"]
    assert {span["traceId"] for span in spans} == {f"{trace_id(run):032x}"}
    assert all(isinstance(span["startTimeUnixNano"], str) for span in spans)
    assert report.lines == 1 and PRIVATE not in line


def test_judgements_are_evaluation_events_on_their_span(record: Record, run: str) -> None:
    spans = spans_of(record, run, content=True)
    events = [
        (span.name.split()[0], {name: value for name, value in (event.attributes or {}).items()})
        for span in spans
        for event in span.events
    ]
    assert {event.name for span in spans for event in span.events} == {genai.EVALUATION}
    judged = [event for _, event in events if event[genai.EVALUATION_NAME] == "contract"]
    assert [event[genai.EVALUATION_LABEL] for event in judged] == ["pass", "pass", "pass", "fail"]
    assert [event[genai.EVALUATION_SCORE] for event in judged] == [1.0, 1.0, 1.0, 0.0]
    people = [event for _, event in events if event[genai.EVALUATION_NAME] == "feedback"]
    assert people == [
        {
            genai.EVALUATION_NAME: "feedback",
            genai.EVALUATION_LABEL: "correct",
            genai.EVALUATION_SCORE: 0.0,
            genai.EVALUATION_EXPLANATION: PRIVATE,
        },
        {genai.EVALUATION_NAME: "feedback", genai.EVALUATION_LABEL: "odd"},
    ]
    quiet = [event for span in spans_of(record, run, content=False) for event in span.events]
    assert all(genai.EVALUATION_EXPLANATION not in (event.attributes or {}) for event in quiet)


def test_servers_tools_and_forks_are_told(record: Record, run: str) -> None:
    spans = spans_of(record, run, content=False)
    (remote,) = [span for span in spans if span.name == "chat big"]
    told = remote.attributes or {}
    assert (told[genai.SERVER_ADDRESS], told[genai.SERVER_PORT]) == ("gpu.local", 443)
    (tool,) = [span for span in spans if span.name == "execute_tool add"]
    assert (tool.attributes or {})[genai.TOOL_DESCRIPTION] == "Add."
    (root,) = [span for span in spans if span.parent is None]
    origin = record.run(run).forked_from
    assert origin and [link.context.trace_id for link in root.links] == [trace_id(origin)]
    assert not any("conversation" in name for span in spans for name in span.attributes or {})


# ---- sending ----


def test_a_receiver_gets_the_runs_spans_as_protobuf(
    record: Record, run: str, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    # A sampler of the environment is for live traces; nothing of the record may be dropped by it.
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    receiver = Receiver(endpoint.url)
    count = receiver.send(record, run)
    receiver.close()
    assert endpoint.headers[0]["authorization"] == "Bearer abc"
    assert len(endpoint.spans) == count == len(spans_of(record, run, content=False))
    assert {span.trace_id.hex() for span in endpoint.spans} == {f"{trace_id(run):032x}"}
    names = sorted({span.name for span in endpoint.spans})
    assert names == [
        *("chat big", f"chat {BASE.partition(':')[2]}", "execute_tool add", "invoke_agent adder"),
        *("invoke_workflow default", "plan planner"),
    ]
    assert PRIVATE.encode() not in endpoint.requests[0].SerializeToString()


def test_a_receiver_that_is_away_or_refuses_is_named_with_its_reason(
    record: Record, run: str, endpoint: Endpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.status = 401
    with pytest.raises(UserError, match=r"v1/traces did not take the spans: .*401"):
        Receiver(f"{endpoint.url}/v1/traces").send(record, run)
    assert capfd.readouterr().err == "", "the exporter's own words came through"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def add(a: int) -> int:
    """Add."""
    return a


def desk_with(folder: Path, **settings: Any) -> Desk:
    Scripted.register("adder", ['{"name":"add","arguments":{"a":1}}'] * 9)
    return Desk(folder, **settings).add_expert("adder", "sums", tools=[add], model="scripted:adder")


def test_a_run_is_sent_when_it_ends(tmp_path: Path, endpoint: Endpoint) -> None:
    with desk_with(tmp_path, otlp=endpoint.url) as desk:
        desk.call("adder", PRIVATE)
        run = desk.runner.record.resolve("last")
    assert {span.trace_id.hex() for span in endpoint.spans} == {f"{trace_id(run):032x}"}
    assert "execute_tool add" in {span.name for span in endpoint.spans}
    assert PRIVATE.encode() not in endpoint.requests[0].SerializeToString()


def test_content_goes_along_when_the_setting_says_so(tmp_path: Path, endpoint: Endpoint) -> None:
    with desk_with(tmp_path, otlp=endpoint.url, otlp_content=True) as desk:
        desk.call("adder", PRIVATE)
    assert PRIVATE.encode() in endpoint.requests[0].SerializeToString()


def test_a_receiver_that_is_away_costs_a_warning_and_no_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING, logger="speeddial.otlp"),
        desk_with(tmp_path, otlp=f"http://127.0.0.1:{free_port()}") as desk,
    ):
        assert desk.call("adder", "one").text == "1"
        run = desk.runner.record.resolve("last")
    (entry,) = [entry for entry in caplog.records if entry.name == "speeddial.otlp"]
    assert run in entry.getMessage() and f"speeddial trace send {run}" in entry.getMessage()


def test_a_receiver_that_hangs_does_not_hold_up_a_run(
    tmp_path: Path, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.delay = 8.0
    began = time.monotonic()
    with (
        caplog.at_level(logging.WARNING, logger="speeddial.otlp"),
        desk_with(tmp_path, otlp=endpoint.url) as desk,
    ):
        for number in range(3):
            desk.call("adder", f"{number}")
        assert desk.runner.record.runs()[0].status == "done"
    # No measure of speed: eight seconds is what each answer takes, and nobody may wait for even one.
    assert time.monotonic() - began < endpoint.delay
    assert len([entry for entry in caplog.records if "was not sent" in entry.getMessage()]) == 3


def test_doctor_says_whether_the_receiver_answers(tmp_path: Path, endpoint: Endpoint) -> None:
    def line(url: str) -> Any:
        (tmp_path / "speeddial.toml").write_text(
            f'otlp = "{url}"\nmodel = "scripted"\nplanner = "scripted"\n'
        )
        return next(line for line in examine(Project(tmp_path)) if line.topic == "otlp")

    assert line(endpoint.url).state == "ok"
    endpoint.status = 403
    assert line(endpoint.url).state == "failed"
    told = line(endpoint.url.replace("//", "//me:hidden@"))
    assert told.state == "failed" and "hidden" not in f"{told.name} {told.detail}"
