"""Spans for OpenTelemetry: one around each request, and one around each look into the store and function."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from headrace.errors import DefinitionError
from headrace.telemetry import listen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

    Headers = Sequence[tuple[bytes, bytes]]
    RequestSpans = Callable[[str, str, Headers], AbstractContextManager[Span]]

__all__ = ["RequestSpans", "Traces"]


class Traces:
    """Spans that are sent while it is open.

    A request that says `traceparent` (W3C) continues that trace. The collector, the service's name and how
    much is sampled are by OpenTelemetry's own environment variables (`OTEL_EXPORTER_OTLP_ENDPOINT`,
    `OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`).
    """

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        """Send from now on.

        Args:
            exporter: Where spans go at once; to the collector, in batches, by default.

        Raises:
            DefinitionError: OpenTelemetry is not installed.
        """
        try:
            from opentelemetry import propagate
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
        except ModuleNotFoundError:
            raise DefinitionError(
                "[serving] traces is true, but OpenTelemetry is not installed.",
                remedy="Run: pip install 'headrace[otel]'.",
            ) from None

        named = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": "headrace"}
        self._provider = TracerProvider(resource=Resource.create(named))
        self._provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter()) if exporter is None else SimpleSpanProcessor(exporter)
        )
        self._tracer = self._provider.get_tracer("headrace")
        self._context_of = propagate.extract
        listen(self._tracer.start_as_current_span)

    @contextmanager
    def request(self, method: str, endpoint: str, headers: Headers) -> Iterator[Span]:
        """The span of a request.

        Args:
            method: Of HTTP.
            endpoint: The address, or `other`.
            headers: Those of the request.
        """
        from opentelemetry.trace import SpanKind

        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        about = {"http.request.method": method, "http.route": endpoint}
        with self._tracer.start_as_current_span(
            f"{method} {endpoint}", self._context_of(carrier), SpanKind.SERVER, about
        ) as span:
            yield span

    def close(self) -> None:
        """Send what is left, and no more."""
        listen(None)
        self._provider.shutdown()
