"""Puts spans into another framework's store by its own client; run by `viewer.py` with that one's Python.

    PYTHON viewer_peers.py mlflow|phoenix SPANS.jsonl FOLDER

A line of SPANS.jsonl is one span: run, id, parent, name, input, output, start_ns, end_ns. Printed as JSON:
seconds until all of them are in the framework's own SQLite file, and ms of its own list of the newest 50.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAGES = 10


def page(work: Callable[[], Any]) -> float:
    times = []
    for _ in range(PAGES):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def stored(path: Path) -> int:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return int(db.execute("SELECT count(*) FROM spans").fetchone()[0])


def by_mlflow(spans: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = mlflow.set_experiment("spans")
    began = time.perf_counter()
    roots: dict[str, Any] = {}
    last = {span["run"]: span["id"] for span in spans}
    for span in spans:
        root = roots.get(span["run"])
        made = mlflow.start_span_no_context(
            span["name"], parent_span=root, inputs=span["input"], start_time_ns=span["start_ns"]
        )
        made.set_outputs(span["output"])
        if root is None:
            roots[span["run"]] = made
        else:
            made.end(end_time_ns=span["end_ns"])
        if last[span["run"]] == span["id"]:
            # The end of the root is what writes a trace.
            roots.pop(span["run"]).end(end_time_ns=span["end_ns"])
    took = time.perf_counter() - began
    return {
        "version": mlflow.__version__,
        "seconds": took,
        "stored": stored(folder / "mlflow.db"),
        "page_ms": page(
            lambda: mlflow.search_traces(
                locations=[experiment.experiment_id], max_results=50, include_spans=False, return_type="list"
            )
        ),
    }


def by_phoenix(spans: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    from importlib.metadata import version

    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import set_span_in_context

    port = 6017
    server = subprocess.Popen(
        [sys.executable, "-m", "phoenix.server.main", "serve"],
        env={
            **os.environ,
            "PHOENIX_WORKING_DIR": str(folder),
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": "6018",
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_TELEMETRY_ENABLED": "false",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{base}/healthz", timeout=2)
                break
            except OSError:
                time.sleep(1)
        provider = TracerProvider(resource=Resource({"service.name": "spans"}))
        # A queue that holds them all, as its default drops what comes too fast.
        provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(f"{base}/v1/traces"), max_queue_size=len(spans) + 1)
        )
        tracer = provider.get_tracer("spans")
        began = time.perf_counter()
        roots: dict[str, Any] = {}
        for span in spans:
            root = roots.get(span["run"])
            made = tracer.start_span(
                span["name"],
                context=set_span_in_context(root) if root else None,
                start_time=span["start_ns"],
                attributes={
                    "openinference.span.kind": "LLM",
                    "input.value": json.dumps(span["input"]),
                    "output.value": json.dumps(span["output"]),
                },
            )
            made.end(end_time=span["end_ns"])
            roots.setdefault(span["run"], made)
        provider.force_flush(600_000)
        deadline = time.monotonic() + 600
        while stored(folder / "phoenix.db") < len(spans) and time.monotonic() < deadline:
            time.sleep(0.1)
        took = time.perf_counter() - began
        return {
            "version": version("arize-phoenix"),
            "seconds": took,
            "stored": stored(folder / "phoenix.db"),
            "page_ms": page(
                lambda: urllib.request.urlopen(
                    f"{base}/v1/projects/default/spans?limit=50", timeout=60
                ).read()
            ),
        }
    finally:
        server.terminate()
        server.wait(30)


def main() -> None:
    name, path, folder = sys.argv[1:]
    spans = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    ingest = {"mlflow": by_mlflow, "phoenix": by_phoenix}[name]
    print(json.dumps(ingest(spans, Path(folder))))


if __name__ == "__main__":
    main()
