"""Sends one trace with an exporter of another format than OTLP, as an application does that has
not moved yet, and prints its spans as one JSON list, each with what that format can carry.

    python exporters.py zipkin URL | jaeger-thrift URL | jaeger-grpc HOST:PORT

Exit code 1 when the exporter reports that anything was not delivered.
"""

import json
import sys
import time
import warnings

warnings.simplefilter("ignore")

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, set_span_in_context

KINDS = {
    SpanKind.INTERNAL: 1,
    SpanKind.SERVER: 2,
    SpanKind.CLIENT: 3,
    SpanKind.PRODUCER: 4,
    SpanKind.CONSUMER: 5,
}


def exporter(kind: str, to: str):
    if kind == "zipkin":
        from opentelemetry.exporter.zipkin.json import ZipkinExporter

        return ZipkinExporter(endpoint=to)
    if kind == "jaeger-thrift":
        from opentelemetry.exporter.jaeger.thrift import JaegerExporter

        return JaegerExporter(collector_endpoint=to)
    from opentelemetry.exporter.jaeger.proto.grpc import JaegerExporter

    return JaegerExporter(collector_endpoint=to, insecure=True)


def traced(service: str) -> list:
    """A trace with all that a span may have. Its times are whole microseconds, as these formats
    have them."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": service, "deployment.environment.name": "test"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("shop.instrumentation", "1.2.3")
    begin = time.time_ns() // 1000 * 1000 - 1_000_000_000
    elsewhere = SpanContext(trace_id=0xABC, span_id=0xDEF, is_remote=True)
    server = tracer.start_span(
        "GET /größe",
        kind=SpanKind.SERVER,
        start_time=begin,
        attributes={"http.status_code": 500, "cached": False, "share": 0.25, "http.route": "/größe", "large": 2**53 + 1},
        links=[Link(elsewhere)],
    )
    server.add_event("retry", {"n": 2, "why": "timeout"}, timestamp=begin + 5_000)
    within = set_span_in_context(server)
    for number, kind in enumerate([SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.INTERNAL]):
        child = tracer.start_span(f"child {number}", context=within, kind=kind, start_time=begin + 10_000 * number)
        child.end(begin + 10_000 * number + 7_000)
    server.set_status(Status(StatusCode.ERROR, "it broke"))
    server.end(begin + 250_000_000)
    return list(memory.get_finished_spans())


def told(span, kind: str) -> dict:
    """What is to be found of a span."""
    # All of these exporters write what a resource has beside each span, and its name apart.
    attributes = {**span.attributes, **span.resource.attributes}
    resource = {"service.name": span.resource.attributes["service.name"]}
    at = of_floats if kind == "jaeger-grpc" else int
    links = [[f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}"] for link in span.links]
    if kind == "zipkin":
        # Tags are texts, an annotation is one too, there are no links, and whatever is sampled is
        # marked for debugging.
        attributes = {key: text(value) for key, value in attributes.items()} | {"zipkin.debug": True}
        events = [[event.timestamp, json.dumps({event.name: dict(event.attributes)}), {}] for event in span.events]
        links = []
    else:
        # The name of an event is the message of a log.
        events = [[at(event.timestamp), event.name, {"message": event.name, **event.attributes}] for event in span.events]
    if kind == "jaeger-grpc":
        resource = dict(span.resource.attributes)
    status = span.status
    return {
        "traceId": f"{span.context.trace_id:032x}",
        "spanId": f"{span.context.span_id:016x}",
        "parentSpanId": f"{span.parent.span_id:016x}" if span.parent else "",
        "name": span.name,
        "kind": KINDS[span.kind],
        "start": at(span.start_time),
        "end": at(span.end_time),
        "attributes": attributes,
        "resource": resource,
        "scope": [span.instrumentation_scope.name, span.instrumentation_scope.version],
        "events": events,
        "links": links,
        "status": [status.status_code.value, status.description or ""],
    }


def of_floats(nanos: int) -> int:
    """A time as the exporter for gRPC writes it: it computes with floating seconds."""
    seconds = nanos / 1e9
    return int(seconds) * 10**9 + int((seconds - int(seconds)) * 1e9)


def text(value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def main() -> int:
    kind, to = sys.argv[1:3]
    spans = traced(f"shop-{kind}")
    sender = exporter(kind, to)
    result = sender.export(spans)
    sender.shutdown()
    print(json.dumps([told(span, kind) for span in spans]))
    return 0 if result == SpanExportResult.SUCCESS else 1


sys.exit(main())
