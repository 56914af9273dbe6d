"""Traces, where OTEL_EXPORTER_OTLP_ENDPOINT says who collects them: a span of each request and of each statement.

OpenTelemetry reads its own variables (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, ...).
"""

import os

from opentelemetry import trace

try:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
except ImportError:
    IS_INSTALLED = False
else:
    IS_INSTALLED = True

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class NoTracing(RuntimeError):
    """Traces are asked for and cannot be made; the message says what to do."""


def set_up_tracing() -> None:
    """Nothing is traced, and nothing costs, where it is not asked for."""
    if not (os.environ.get(ENDPOINT) or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        return
    if not IS_INSTALLED:
        raise NoTracing(f"{ENDPOINT} asks for traces, which need: pip install 'duelist[otel]'")
    service = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "duelist")})
    provider = TracerProvider(resource=service)
    provider.add_span_processor(_without_addresses())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def _without_addresses() -> "SpanProcessor":
    """An address may have the id of a customer in it, or a filter after its question mark; the route says enough."""

    class WithoutAddresses(SpanProcessor):
        def on_start(self, span: Span, parent_context: object = None) -> None:
            del parent_context
            for name in _ADDRESSES & set(span.attributes or {}):
                span.set_attribute(name, "")

    return WithoutAddresses()


_ADDRESSES = {"url.path", "url.query", "url.full", "http.target", "http.url"}
