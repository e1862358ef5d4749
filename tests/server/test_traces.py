"""Spans: one a request, which continues the caller's trace, and one each look into the store and function."""

from __future__ import annotations

import gzip
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from headrace import telemetry
from headrace.server.traces import Traces
from tests.server.serving import served
from tests.server.shop import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Collector(ThreadingHTTPServer):
    """A collector of OpenTelemetry's protocol over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.named: set[str] = set()
        super().__init__(("127.0.0.1", 0), _Taking)


class _Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.server.named |= {
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            }
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    """One on a free port."""
    with Collector() as collector:
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        yield collector
        collector.shutdown()
        thread.join()


def test_spans_reach_a_collector(
    shop: Path, tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = shutil.copytree(shop, tmp_path / "shop")
    with (project / "headrace.toml").open("a", encoding="utf-8") as settings:
        settings.write("[serving]\ntraces = true\n")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_address[1]}")
    asked = {
        "features": ["newest:ad", "margin"],
        "entities": {"user_id": ["u1"]},
        "context": {"bid": 1.5},
        "as_of": NOW,
    }
    with served(project) as client:
        sent = client.post(
            "/get-online-features",
            json=asked,
            headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "mine"},
        )
        assert sent.status_code == 200
    mine = {each.name: each for each in collector.spans if each.trace_id.hex() == TRACE}
    request = mine["POST /get-online-features"]
    assert request.parent_span_id.hex() == PARENT
    told = {each.key: each.value for each in request.attributes}
    assert told["http.response.status_code"].int_value == 200
    assert told["headrace.request_id"].string_value == "mine"
    assert set(mine) == {"POST /get-online-features", "store read", "function margin"}
    assert {mine[name].parent_span_id for name in ("store read", "function margin")} == {request.span_id}
    assert collector.named == {"headrace"}
    assert "u1" not in str(collector.spans)


def test_nobody_hears_of_spans_once_it_is_closed() -> None:
    exporter = InMemorySpanExporter()
    traces = Traces(exporter)
    with traces.request("GET", "/health", []), telemetry.span("inside"):
        pass
    traces.close()
    with telemetry.span("outside"):
        pass
    inside, request = exporter.get_finished_spans()
    assert (inside.name, request.name) == ("inside", "GET /health")
    assert inside.parent is not None
    assert inside.parent.span_id == request.context.span_id
