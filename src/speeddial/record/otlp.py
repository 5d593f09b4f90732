"""OTLP: runs as JSON lines that trace viewers open, and sent to a receiver over HTTP.

Ids derive from the run, so it can be sent again at any time: a receiver that has it overwrites or ignores it.

The JSON is the protobuf mapping with OTLP's own rules: ids in hex, 64-bit integers as strings, enums as
numbers. It is written here, in thirty lines: the package that does it is a beta that fits one minor version
of the SDK and logs its write errors instead of raising them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanContext

from speeddial.errors import UserError
from speeddial.record.spans import project
from speeddial.record.store import Record
from speeddial.settings import without_password

TRACES = "v1/traces"
SPANS_AT_ONCE = 512
"""Spans in one request, as OpenTelemetry's own processor has it."""
TIMEOUT = 5.0
"""Seconds that one request may take, its retries included."""
_FLAGS, _REMOTE = 0x100, 0x200
"""OTLP's span flags: that it is told whether a context is remote, and that it is."""


def spans_of(record: Record, run: str, *, content: bool) -> list[ReadableSpan]:
    """The ended spans of a run, its feedback among them.

    Raises:
        NotFound: there is no such run.
    """
    ended = _Ended()
    # Sampling and the exit hook are ours to decide: the environment's are for traces made live.
    provider = TracerProvider(
        sampler=ALWAYS_ON, resource=Resource({"service.name": "speeddial"}), shutdown_on_exit=False
    )
    provider.add_span_processor(ended)
    project(record.run(run), provider, content=content, feedback=record.feedback.of_run(run))
    return ended.spans


class _Ended(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


# ---- JSON ----


def run_as_json(record: Record, run: str, *, content: bool) -> dict[str, Any]:
    """One run as OTLP JSON (``{"resourceSpans": [...]}``).

    Raises:
        NotFound: there is no such run.
    """
    spans = spans_of(record, run, content=content)
    if not spans:
        return {"resourceSpans": []}
    scope = spans[0].instrumentation_scope
    named = (
        {"name": scope.name, "version": scope.version} if scope and scope.version else {"name": "speeddial"}
    )
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(spans[0].resource.attributes)},
                "scopeSpans": [{"scope": named, "spans": [_span(span) for span in spans]}],
            }
        ]
    }


def _span(span: ReadableSpan) -> dict[str, Any]:
    description = span.status.description
    return {
        **_ids(span.context),
        **({"parentSpanId": f"{span.parent.span_id:016x}"} if span.parent else {}),
        "flags": _FLAGS,
        "name": span.name,
        # The API counts kinds from 0, the protocol from 1.
        "kind": span.kind.value + 1,
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes),
        "events": [
            {
                "timeUnixNano": str(event.timestamp),
                "name": event.name,
                "attributes": _attributes(event.attributes),
            }
            for event in span.events
        ],
        "links": [
            {
                **_ids(link.context),
                "flags": _FLAGS | (_REMOTE if link.context.is_remote else 0),
                "attributes": _attributes(link.attributes),
            }
            for link in span.links
        ],
        "status": {
            "code": span.status.status_code.value,
            **({"message": description} if description else {}),
        },
    }


def _ids(context: SpanContext | None) -> dict[str, str]:
    return {"traceId": f"{context.trace_id:032x}", "spanId": f"{context.span_id:016x}"} if context else {}


def _attributes(attributes: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in (attributes or {}).items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    return {"arrayValue": {"values": [_value(item) for item in value]}}


# ---- sending ----


class Receiver:
    """An OTLP/HTTP endpoint; headers, certificates and compression come from ``OTEL_EXPORTER_OTLP_*``.

    Args:
        endpoint: its URL, with or without ``/v1/traces``.
        content: whether spans carry what was said.

    Raises:
        UserError: the exporter is not installed.
    """

    def __init__(self, endpoint: str, *, content: bool = False) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError as error:
            raise UserError(
                "sending runs needs the OTLP exporter, which is not installed",
                hint="pip install 'speeddial[otlp]'",
            ) from error
        base = endpoint.rstrip("/")
        url = base if base.endswith(f"/{TRACES}") else f"{base}/{TRACES}"
        self.endpoint = without_password(url)
        """The URL as it may be shown."""
        self._content = content
        self._exporter = OTLPSpanExporter(endpoint=url, timeout=TIMEOUT)

    def send(self, record: Record, run: str) -> int:
        """Send one run; returns how many spans it has.

        Raises:
            NotFound: there is no such run.
            UserError: the receiver did not take it.
        """
        spans = spans_of(record, run, content=self._content)
        for start in range(0, len(spans), SPANS_AT_ONCE):
            self._export(spans[start : start + SPANS_AT_ONCE])
        return len(spans)

    def check(self) -> None:
        """Send nothing, to see whether somebody answers.

        Raises:
            UserError: nobody does.
        """
        self._export([])

    def close(self) -> None:
        """Give up what is being sent; safe to call twice."""
        with _heard():
            self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _export(self, spans: Sequence[ReadableSpan]) -> None:
        from opentelemetry.sdk.trace.export import SpanExportResult

        with _heard() as said:
            result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            why = said[0] if said else "no reason given"
            raise UserError(
                f"the OTLP receiver {self.endpoint} did not take the spans: {why}",
                hint="start it or set `otlp` to its URL, then `speeddial trace send RUN`",
            )


@contextmanager
def _heard() -> Iterator[list[str]]:
    """What the exporter logs in this thread, kept from the terminal: its only way to say why it failed."""
    said: list[str] = []
    thread = threading.get_ident()

    def keep(entry: logging.LogRecord) -> bool:
        if entry.thread != thread:
            return True
        said.append(" ".join(entry.getMessage().split())[:300])
        return False

    exporter = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    exporter.addFilter(keep)
    try:
        yield said
    finally:
        exporter.removeFilter(keep)
