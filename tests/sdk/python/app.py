"""A small shop on the OpenTelemetry SDK for Python: sends traces, metrics and logs the
way an application does, then prints one JSON line of what it sent.

    python app.py --protocol grpc|http/protobuf --endpoint URL
                  [--service NAME] [--requests N] [--run-id ID]

Exit code 1 when the SDK's exporters report that anything was not delivered.
"""

import argparse
import json
import logging
import sys
import warnings

from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

COUNTER = "shop.requests"
HISTOGRAM = "shop.request.duration"
SIGNALS = ("traces", "metrics", "logs")
# As long as the tests wait, in seconds.
PATIENCE = 240


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", choices=["grpc", "http/protobuf"], default="grpc")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--service", default="shop-python")
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--run-id", default="run")
    return parser.parse_args()


def exporters(protocol: str, endpoint: str) -> dict:
    """The SDK's exporter of each signal."""
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        place = {signal: {"endpoint": endpoint, "insecure": endpoint.startswith("http://")} for signal in SIGNALS}
    else:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        place = {signal: {"endpoint": f"{endpoint.rstrip('/')}/v1/{signal}"} for signal in SIGNALS}
    return {
        "traces": OTLPSpanExporter(**place["traces"], timeout=PATIENCE),
        "metrics": OTLPMetricExporter(**place["metrics"], timeout=PATIENCE),
        "logs": OTLPLogExporter(**place["logs"], timeout=PATIENCE),
    }


def hear_failures(signal: str, exporter, failures: set) -> None:
    """The SDK only logs what it could not deliver; here it counts."""
    send = exporter.export

    def export(*args, **kwargs):
        result = send(*args, **kwargs)
        if result.name != "SUCCESS":
            failures.add(f"{signal}: not delivered")
        return result

    exporter.export = export


class Shop:
    """Serves requests and remembers what they sent."""

    def __init__(self, options: argparse.Namespace, failures: set) -> None:
        self.run_id = options.run_id
        resource = Resource.create(
            {
                "service.name": options.service,
                "service.instance.id": f"{options.service}-{options.run_id}",
                "service.version": "1.0.0",
            }
        )
        exporter = exporters(options.protocol, options.endpoint)
        for signal in SIGNALS:
            hear_failures(signal, exporter[signal], failures)
        queue = {"max_queue_size": 1 << 20, "max_export_batch_size": 512}
        self.traces = TracerProvider(resource=resource)
        self.traces.add_span_processor(BatchSpanProcessor(exporter["traces"], **queue))
        self.logs = LoggerProvider(resource=resource)
        self.logs.add_log_record_processor(BatchLogRecordProcessor(exporter["logs"], **queue))
        reader = PeriodicExportingMetricReader(exporter["metrics"], export_interval_millis=3_600_000)
        self.metrics = MeterProvider(resource=resource, metric_readers=[reader])

        self.tracer = self.traces.get_tracer("shop")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            handler = LoggingHandler(logger_provider=self.logs)
        self.log = logging.getLogger("shop")
        self.log.setLevel(logging.INFO)
        self.log.propagate = False
        self.log.addHandler(handler)
        meter = self.metrics.get_meter("shop")
        self.counter = meter.create_counter(COUNTER, unit="{request}", description="Requests served.")
        self.histogram = meter.create_histogram(HISTOGRAM, unit="s", description="How long requests took.")
        self.sent = {
            "trace_ids": [],
            "request_ids": [],
            "spans": 0,
            "logs": 0,
            "errors": 0,
            "counter": {"name": COUNTER, "value": 0},
            "histogram": {"name": HISTOGRAM, "count": 0, "sum": 0.0},
        }

    def serve(self, number: int) -> None:
        request_id = f"{self.run_id}-{number:06}"
        failed = number % 10 == 9
        attributes = {
            "http.request.method": "POST",
            "http.route": "/checkout",
            "http.request.header.x-request-id": [request_id],
            "http.response.status_code": 500 if failed else 200,
        }
        with self.tracer.start_as_current_span("POST /checkout", kind=SpanKind.SERVER, attributes=attributes) as span:
            with self.tracer.start_as_current_span("POST /pay", kind=SpanKind.CLIENT) as call:
                call.set_attribute("server.address", "payments")
                if failed:
                    call.set_status(Status(StatusCode.ERROR, "card declined"))
            if failed:
                span.set_status(Status(StatusCode.ERROR, "payment failed"))
                self.log.error("payment failed request_id=%s", request_id, extra={"order.number": number})
            else:
                self.log.info("order placed request_id=%s", request_id, extra={"order.number": number})
            trace_id = f"{span.get_span_context().trace_id:032x}"
        seconds = ((number % 10) + 1) / 100
        self.counter.add(1, {"run.id": self.run_id})
        self.histogram.record(seconds, {"run.id": self.run_id})
        self.remember(trace_id, request_id, failed, seconds)

    def remember(self, trace_id: str, request_id: str, failed: bool, seconds: float) -> None:
        sent = self.sent
        sent["trace_ids"].append(trace_id)
        sent["request_ids"].append(request_id)
        sent["spans"] += 2
        sent["logs"] += 1
        sent["errors"] += int(failed)
        sent["counter"]["value"] += 1
        sent["histogram"]["count"] += 1
        sent["histogram"]["sum"] += seconds

    def flush(self, failures: set) -> None:
        for name, provider in (("traces", self.traces), ("metrics", self.metrics), ("logs", self.logs)):
            if provider.force_flush(PATIENCE * 1000) is False:
                failures.add(f"{name}: the flush did not finish")
        for provider in (self.traces, self.metrics, self.logs):
            provider.shutdown()


def main() -> int:
    options = arguments()
    failures: set = set()
    shop = Shop(options, failures)
    for number in range(options.requests):
        shop.serve(number)
    shop.flush(failures)
    if failures:
        print(f"not everything was delivered to {options.endpoint}:\n" + "\n".join(sorted(failures)), file=sys.stderr)
        return 1
    print(json.dumps(shop.sent), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
